# Makes the reference values in small_study.json: Rscript small_study.R [FILE]
# metafor on dat.bcg, dat.pritz1997 and drawn sets: regression tests with every predictor, the rank test, trim and fill on both
# sides, selection models. The drawn sets are kept in the file, so that no random numbers have to agree between machines.
suppressMessages({library(metafor); library(jsonlite)})
path <- commandArgs(trailingOnly = TRUE)
path <- if (length(path)) path[1] else "small_study.json"
quiet <- function(expr) tryCatch(suppressMessages(suppressWarnings(expr)), error = function(e) NULL)
fit_of <- function(x, method = "REML", test = "z", threshold = 1e-13)
  rma(x$yi, x$vi, ni = x$ni, method = method, test = test, control = list(threshold = threshold, maxiter = 500, tol = 1e-14))
# The tightest rule under which Fisher scoring comes to rest.
tightest <- function(make) {
  for (threshold in c(1e-13, 1e-11, 1e-9, 1e-7)) {
    found <- quiet(make(threshold))
    if (!is.null(found)) return(found)
  }
  NULL
}

line <- function(test) {
  if (is.null(test)) return(NULL)
  model <- test$fit
  b <- if (inherits(model, "lm")) coef(summary(model))[, 1:2] else cbind(c(model$beta), model$se)
  list(stat = test$zval, p = test$pval, df = test$dfs, intercept = b[1, 1], intercept_se = b[1, 2], slope = b[2, 1],
       slope_se = b[2, 2], tau2 = if (inherits(model, "lm")) NULL else model$tau2)
}

filled <- function(x, estimator, side) {
  found <- tightest(function(t) trimfill(fit_of(x, threshold = t), estimator = estimator, side = side,
                                        control = list(threshold = t, maxiter = 500)))
  if (is.null(found)) return(NULL)
  list(k0 = found$k0, se = found$se.k0, p = found$p.k0, estimate = c(found$beta), ci_lower = found$ci.lb, ci_upper = found$ci.ub,
       tau2 = found$tau2, yi = sort(found$yi[found$fill]))
}

selected <- function(fit, type, ...) {
  found <- NULL
  # The normaliser of beta weights is an integral, whose own default tolerance of 1e-4 would show in the estimates.
  exact <- list(rel.tol = 1e-10, subdivisions = 2000)
  for (control in list(list(optimizer = "BFGS", reltol = 1e-13, maxit = 400, intCtrl = exact),
                       list(optimizer = "Nelder-Mead", reltol = 1e-13, maxit = 2000))) {
    if (type == "beta" && !is.null(found)) next
    again <- quiet(selmodel(fit, type = type, control = control, ...))
    if (!is.null(again) && (is.null(found) || logLik(again) > logLik(found))) found <- again
  }
  if (is.null(found)) return(NULL)
  list(estimate = c(found$beta), se = found$se, tau2 = found$tau2, se_tau2 = found$se.tau2, delta = c(found$delta),
       se_delta = c(found$se.delta), lrt = found$LRT, lrt_p = found$LRTp, loglik = c(logLik(found)))
}

case <- function(x) {
  out <- c(x, list(tests = list(), tau2 = list(), trimfill = list()))
  for (predictor in c("sei", "vi", "ni", "ninv", "sqrtni", "sqrtninv")) out$tests[[predictor]] <- list(
    z = line(tightest(function(t) regtest(fit_of(x, threshold = t), model = "rma", predictor = predictor))),
    knha = line(tightest(function(t) regtest(fit_of(x, test = "knha", threshold = t), model = "rma", predictor = predictor))),
    lm = line(tightest(function(t) regtest(fit_of(x, threshold = t), model = "lm", predictor = predictor))))
  for (method in c("DL", "PM", "ML", "SJ", "HS", "HSk", "HE", "EB"))
    out$tau2[[method]] <- line(tightest(function(t) regtest(fit_of(x, method, threshold = t), model = "rma", predictor = "sei")))
  fit <- tightest(function(t) fit_of(x, threshold = t))
  rank <- quiet(ranktest(fit))
  out$begg <- list(tau = rank$tau, p = rank$pval)
  for (estimator in c("L0", "R0", "Q0")) for (side in c("left", "right"))
    out$trimfill[[paste(estimator, side, sep = "_")]] <- filled(x, estimator, side)
  out$trimfill$side <- quiet(trimfill(fit)$side)
  ml <- tightest(function(t) fit_of(x, "ML", threshold = t))
  out$step_greater <- selected(ml, "stepfun", steps = c(0.025, 1), alternative = "greater")
  out$step_less <- selected(ml, "stepfun", steps = c(0.025, 1), alternative = "less")
  out$step_two <- selected(ml, "stepfun", steps = c(0.05, 1), alternative = "two.sided")
  out$step_three <- selected(ml, "stepfun", steps = c(0.025, 0.5, 1), alternative = "greater")
  out$beta_greater <- selected(ml, "beta", alternative = "greater")
  out$beta_less <- selected(ml, "beta", alternative = "less")
  out
}

quasi <- function(events, total) {
  found <- summary(glm(cbind(events, total - events) ~ I(1 / total), family = quasibinomial, control = list(epsilon = 1e-15, maxit = 200)))
  list(events = events, total = total, coefficients = found$coefficients[, 1], se = found$coefficients[, 2],
       covariance = found$cov.scaled[1, 2], dispersion = found$dispersion, p = found$coefficients[2, 4])
}

set.seed(20251)
cases <- list()
for (measure in c("OR", "RR", "RD", "AS")) {
  e <- escalc(measure = measure, ai = tpos, bi = tneg, ci = cpos, di = cneg, data = dat.bcg)
  cases[[paste0("bcg_", measure)]] <- case(list(yi = c(e$yi), vi = c(e$vi), ni = with(dat.bcg, tpos + tneg + cpos + cneg)))
}
for (measure in c("PLO", "PAS", "PLN")) {
  e <- escalc(measure = measure, xi = xi, ni = ni, data = dat.pritz1997)
  cases[[paste0("pritz_", measure)]] <- case(list(yi = c(e$yi), vi = c(e$vi), ni = dat.pritz1997$ni))
}
for (i in 1:4) {
  # Selection against p above 0.025, strong heterogeneity, many studies, few studies.
  k <- c(25, 15, 40, 6)[i]; tau <- c(0.15, 0.8, 0.3, 0.2)[i]
  ni <- round(exp(runif(4 * k, log(15), log(400)))); vi <- 4 / ni * exp(rnorm(4 * k, 0, 0.1))
  yi <- rnorm(4 * k, 0.25, sqrt(vi + tau^2))
  keep <- which(pnorm(yi / sqrt(vi), lower.tail = FALSE) < 0.025 | runif(4 * k) < c(0.25, 1, 0.4, 0.5)[i])[1:k]
  cases[[paste0("drawn_", i)]] <- case(list(yi = yi[keep], vi = vi[keep], ni = ni[keep]))
}
counts <- list(pritz = quasi(dat.pritz1997$xi, dat.pritz1997$ni))
for (i in 1:3) {
  total <- round(exp(runif(12, log(15), log(150))))
  counts[[paste0("drawn_", i)]] <- quasi(rbinom(12, total, plogis(rnorm(12, qlogis(c(0.05, 0.4, 0.9)[i]), 0.5))), total)
}
made <- list(script = "small_study.R", R = R.version.string, metafor = as.character(packageVersion("metafor")),
  metadat = as.character(packageVersion("metadat")))
json <- function(value) toJSON(value, digits = NA, auto_unbox = TRUE, null = "null", na = "null")
lines <- mapply(function(name, case) paste0("    ", json(name), ": ", json(case)), names(cases), cases)
writeLines(c("{", paste0("  \"made_by\": ", json(made), ","), paste0("  \"counts\": ", json(counts), ","), "  \"cases\": {",
  paste(lines, collapse = ",\n"), "  }", "}"), path)
