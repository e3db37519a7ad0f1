# The deviance of lme4 and its minimum, with tight limits for its optimiser and its inner steps; where these do not converge, with its own
# limits. NULL where lme4 stops on the data, or where its quadrature is not settled: half the nodes give another deviance. The constant,
# which lme4 leaves out, is that of glm.
lme4_fit <- function(formula, family, data, plain) {
  for (inner in c(1e-12, 1e-9, 1e-7)) {
    control <- glmerControl(
      optimizer = "bobyqa", optCtrl = list(rhobeg = 0.02, rhoend = 1e-9, maxfun = 1e5), tolPwrss = inner, calc.derivs = FALSE,
      check.conv.singular = "ignore", check.response.not.const = "ignore"
    )
    found <- tryCatch({
      fit <- glmer(formula, data = data, family = family, nAGQ = 100, control = control)
      deviance <- glmer(formula, data = data, family = family, nAGQ = 100, control = control, devFunOnly = TRUE)
      half <- glmer(formula, data = data, family = family, nAGQ = 50, control = control, devFunOnly = TRUE)
      par <- c(getME(fit, "theta"), fixef(fit))
      settled <- function(par) isTRUE(abs(deviance(par) - half(par)) < 1e-6)
      if (!settled(par)) return(NULL)
      constant <- -2 * c(logLik(plain)) - deviance(c(0, coef(plain)))
      list(start = par, settled = settled, deviance = function(par) tryCatch(deviance(par) + constant, error = function(fault) 1e10))
    }, error = function(fault) NULL)
    if (!is.null(found) && is.finite(found$deviance(found$start))) return(found)
  }
  NULL
}
