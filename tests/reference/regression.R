# Makes the reference values in regression.json: Rscript regression.R [FILE]
# Meta-regressions by metafor (two-step and rma.glmm) and lme4; the file holds the data as well, so that the tests need no R.
suppressMessages({library(metafor); library(lme4); library(jsonlite); library(metadat)})
path <- commandArgs(trailingOnly = TRUE)
path <- if (length(path)) path[1] else "regression.json"
tight <- list(threshold = 1e-14, maxiter = 10000, tol = 1e-13, tau2.max = 1e5, REMLf = TRUE)
methods <- c("DL", "HE", "HS", "HSk", "SJ", "ML", "REML", "EB", "PM")
quiet <- function(expr) tryCatch(suppressMessages(suppressWarnings(expr)), error = function(e) NULL)

two_step <- function(yi, vi, x) {
  out <- list()
  for (method in methods) {
    entry <- list()
    for (test in c("z", "t", "knha", "adhoc")) {
      f <- quiet(rma(yi, vi, mods = x, method = method, test = test, control = tight))
      # Its scoring cannot always reach 1e-14 in absolute terms.
      if (is.null(f)) f <- quiet(rma(yi, vi, mods = x, method = method, test = test, control = modifyList(tight, list(threshold = 1e-11))))
      if (is.null(f)) next
      entry[[test]] <- list(se = f$se, statistic = f$zval, pvalue = f$pval, lower = f$ci.lb, upper = f$ci.ub, qm = f$QM, qm_pvalue = f$QMp)
      if (test == "z") {
        base <- list(tau2 = f$tau2, beta = c(f$beta), i2 = f$I2 / 100, r2 = f$R2 / 100, qe = f$QE, qe_pvalue = f$QEp, loglik = c(logLik(f, REML = FALSE)))
        if (method == "REML") {
          q <- quiet(confint(f, control = list(tol = 1e-12, tau2.max = 1e5)))
          base$tau2_interval <- unname(q$random["tau^2", c("ci.lb", "ci.ub")])
          if (ncol(x) > 1) base$vif <- unname(sapply(vif(f)$vif, function(v) if (is.list(v)) v$vif else v))
        }
        entry <- c(base, entry)
      }
    }
    out[[method]] <- entry
  }
  out
}

exact <- function(xi, ni, x) {
  data <- data.frame(xi = xi, ni = ni, study = factor(seq_along(xi)))
  control <- glmerControl(optimizer = "bobyqa", tolPwrss = 1e-12, optCtrl = list(rhobeg = 0.02, rhoend = 1e-9, maxfun = 1e5))
  z <- scale(x); s <- attr(z, "scaled:scale"); m <- attr(z, "scaled:center")
  g <- quiet(glmer(cbind(xi, ni - xi) ~ z + (1 | study), data = data, family = binomial, nAGQ = 51, control = control))
  f <- quiet(rma.glmm(measure = "PLO", xi = xi, ni = ni, mods = x, nAGQ = 51))
  out <- list()
  if (!is.null(g)) {
    b <- unname(fixef(g)); v <- as.matrix(vcov(g))
    way <- rbind(c(1, -m / s), cbind(0, diag(1 / s, length(s))))
    out$glmer <- list(beta = c(way %*% b), se = sqrt(diag(way %*% v %*% t(way))), tau2 = unname(as.numeric(VarCorr(g)$study)))
  }
  if (!is.null(f)) out$rma.glmm <- list(beta = c(f$beta), se = f$se, tau2 = f$tau2, qe_lrt = f$QE.LRT, qe_lrt_pvalue = f$QEp.LRT, i2 = f$I2 / 100, qm = f$QM, qm_pvalue = f$QMp)
  out
}

poisson <- function(xi, ti, x) {
  f <- quiet(rma.glmm(measure = "IRLN", xi = xi, ti = ti, mods = x, nAGQ = 51))
  if (is.null(f)) return(NULL)
  list(beta = c(f$beta), se = f$se, tau2 = f$tau2)
}

cases <- list()
bcg <- escalc(measure = "RR", ai = tpos, bi = tneg, ci = cpos, di = cneg, data = dat.bcg)
x <- cbind(ablat = bcg$ablat, year = bcg$year)
cases$bcg <- list(yi = c(bcg$yi), vi = c(bcg$vi), x = unname(x), two_step = two_step(c(bcg$yi), c(bcg$vi), x))
set.seed(20140901)
p <- escalc(measure = "PLO", xi = xi, ni = ni, data = dat.pritz1997)
x <- cbind(m = round(rnorm(nrow(p)), 3))
cases$pritz <- list(events = p$xi, total = p$ni, yi = c(p$yi), vi = c(p$vi), x = unname(x), two_step = two_step(c(p$yi), c(p$vi), x), exact = exact(p$xi, p$ni, x))
d <- escalc(measure = "PR", xi = xi, ni = ni, data = dat.debruin2009)
x <- cbind(scq = d$scq, other = as.numeric(d$ethnicity != "caucasian"))
cases$debruin <- list(events = d$xi, total = d$ni, ethnicity = as.character(d$ethnicity), yi = c(d$yi), vi = c(d$vi), x = unname(x), two_step = two_step(c(d$yi), c(d$vi), x), exact = exact(d$xi, d$ni, x))
x <- cbind(scq = d$scq)
cases$debruin_scq <- list(events = d$xi, total = d$ni, yi = c(d$yi), vi = c(d$vi), x = unname(x), two_step = two_step(c(d$yi), c(d$vi), x), exact = exact(d$xi, d$ni, x))
# Rates near 2 in 10,000: the scale on which absolute tolerances fail. metafor is given rates per 10,000, on which its own serve.
large <- list(events = c(12, 40, 3, 77, 21, 160, 9, 55), total = c(61000, 150000, 21000, 402000, 90000, 980000, 30000, 301000))
y <- escalc(measure = "PR", xi = large$events, ni = large$total)
x <- cbind(year = c(2001, 2004, 2007, 2009, 2012, 2013, 2015, 2019))
cases$raw_scale <- list(events = large$events, total = large$total, yi = c(y$yi), vi = c(y$vi), x = unname(x), two_step = two_step(1e4 * c(y$yi), 1e8 * c(y$vi), x), exact = exact(large$events, large$total, x))
# Sparse: several studies without events, none of which separates.
sparse <- list(events = c(0, 1, 0, 3, 0, 2, 5, 0, 1, 4), total = c(20, 31, 15, 44, 12, 30, 52, 25, 18, 40), m = c(1.2, 0.3, -0.5, 2.1, 0.1, -1.0, 1.7, -0.2, 0.6, 0.9))
x <- cbind(m = sparse$m)
y <- escalc(measure = "PLO", xi = sparse$events, ni = sparse$total)
cases$sparse <- list(events = sparse$events, total = sparse$total, yi = c(y$yi), vi = c(y$vi), x = unname(x), two_step = two_step(c(y$yi), c(y$vi), x), exact = exact(sparse$events, sparse$total, x))
# Incidence rates.
nw <- dat.nielweise2008
x <- cbind(t = rep_len(c(0.2, 1.4, -0.7, 0.5, 2.2), nrow(nw)))
cases$nielweise <- list(events = nw$x1i, person_time = nw$t1i, x = unname(x), poisson = poisson(nw$x1i, nw$t1i, x))

made <- list(script = "regression.R", R = R.version.string, metafor = as.character(packageVersion("metafor")), lme4 = as.character(packageVersion("lme4")), nAGQ = 51)
json <- function(value) toJSON(value, digits = NA, auto_unbox = TRUE, null = "null", na = "null", matrix = "rowmajor")
lines <- mapply(function(name, case) paste0("    ", json(name), ": ", json(case)), names(cases), cases)
writeLines(c("{", paste0("  \"made_by\": ", json(made), ","), "  \"cases\": {", paste(lines, collapse = ",\n"), "  }", "}"), path)
