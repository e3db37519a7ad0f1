# Makes the reference values in binomial_normal.json: Rscript binomial_normal.R [FILE]
# The file holds the counts of every case; this script fills in, or renews, what metafor and lme4 make of them.
suppressMessages({library(metafor); library(lme4); library(jsonlite)})
path <- commandArgs(trailingOnly = TRUE)
path <- if (length(path)) path[1] else "binomial_normal.json"
file <- fromJSON(path, simplifyVector = TRUE, simplifyDataFrame = FALSE, simplifyMatrix = FALSE)

quiet <- function(expr) tryCatch(suppressMessages(suppressWarnings(expr)), error = function(e) NULL)

direct_glmer <- function(x, n) {
  data <- data.frame(x = x, n = n, study = factor(seq_along(x)))
  fit <- quiet(glmer(cbind(x, n - x) ~ 1 + (1 | study), data = data, family = binomial, nAGQ = 51,
    control = glmerControl(optimizer = "bobyqa", tolPwrss = 1e-12, optCtrl = list(rhobeg = 0.02, rhoend = 1e-9, maxfun = 1e5))))
  if (is.null(fit)) return(NULL)
  list(mu = unname(fixef(fit)), se = sqrt(vcov(fit)[1, 1]), tau2 = unname(as.numeric(VarCorr(fit)$study)))
}

exact <- function(x, n) {
  fit <- quiet(rma.glmm(measure = "PLO", xi = x, ni = n, nAGQ = 51))
  if (is.null(fit)) return(NULL)
  list(mu = c(fit$beta), se = fit$se, tau2 = fit$tau2, lrt = fit$QE.LRT, lrt_pvalue = fit$QEp.LRT,
       q = fit$QE.Wld, i2 = fit$I2 / 100)  # no logLik: lme4's is relative to another constant where nAGQ > 1
}

two_step <- function(x, n) {
  out <- list()
  tight <- list(threshold = 1e-12, maxiter = 10000, tau2.max = 1e6, tol = 1e-12)
  for (method in c("DL", "PM", "REML")) {
    fit <- quiet(rma(measure = "PLO", xi = x, ni = n, method = method, control = tight))
    if (is.null(fit)) { out[method] <- list(NULL); next }
    knha <- quiet(rma(measure = "PLO", xi = x, ni = n, method = method, test = "knha", control = tight))
    entry <- list(mu = c(fit$beta), se = fit$se, tau2 = fit$tau2, q = fit$QE, q_pvalue = fit$QEp, i2 = fit$I2 / 100,
                  z = c(fit$ci.lb, fit$ci.ub), knha_se = knha$se, knha = c(knha$ci.lb, knha$ci.ub))
    if (method == "REML") {
      qp <- quiet(confint(fit, control = list(tol = 1e-10, tau2.max = 1e6)))
      entry$qp <- if (is.null(qp)) NULL else unname(qp$random["tau^2", c("ci.lb", "ci.ub")])
      p <- quiet(predict(fit, pi.type = "riley"))
      entry$prediction_riley <- if (is.null(p)) NULL else c(p$pi.lb, p$pi.ub)
    }
    out[[method]] <- entry
  }
  out
}

for (name in names(file$cases)) {
  x <- file$cases[[name]]$events
  n <- file$cases[[name]]$total
  file$cases[[name]] <- list(events = x, total = n, rma.glmm = exact(x, n), glmer = direct_glmer(x, n), rma = two_step(x, n))
}
file$made_by <- list(script = "binomial_normal.R", R = R.version.string, metafor = as.character(packageVersion("metafor")),
  lme4 = as.character(packageVersion("lme4")), nAGQ = 51)
# One line for each case.
json <- function(value) toJSON(value, digits = NA, auto_unbox = TRUE, null = "null", na = "null")
lines <- mapply(function(name, case) paste0("    ", json(name), ": ", json(case)), names(file$cases), file$cases)
writeLines(c("{", paste0("  \"made_by\": ", json(file$made_by), ","), "  \"cases\": {", paste(lines, collapse = ",\n"), "  }", "}"), path)
