# Values for tests/reference/test_diagnostics.py: influence, GOSH and permutation tests of metafor with a tight REML, and
# likelihood-ratio tests between groups of lme4. Run: Rscript tests/reference/diagnostics.R > tests/reference/diagnostics.json
suppressMessages({library(metafor); library(lme4)})
library(jsonlite, warn.conflicts = FALSE)
tight <- list(threshold = 1e-13, maxiter = 10000, REMLf = FALSE)
out <- list(R = R.version.string, metafor = as.character(packageVersion("metafor")), lme4 = as.character(packageVersion("lme4")))

single <- data.frame(xi = c(10, 7, 9, 5, 18, 3, 22, 0), ni = c(20, 30, 25, 40, 33, 8, 60, 12))
bcg <- dat.bcg
sets <- list(
  single = escalc(measure = "PLO", xi = single$xi, ni = single$ni),
  bcg = escalc(measure = "OR", ai = bcg$tpos, n1i = bcg$tpos + bcg$tneg, ci = bcg$cpos, n2i = bcg$cpos + bcg$cneg)
)
out$counts <- list(single = as.list(single), bcg = list(
  events = bcg$tpos, total = bcg$tpos + bcg$tneg, events_control = bcg$cpos, total_control = bcg$cpos + bcg$cneg))

out$influence <- list()
for (set in names(sets)) for (method in c("REML", "DL")) for (test in c("z", "knha")) {
  fit <- rma(yi, vi, data = sets[[set]], method = method, test = test, control = tight)
  inf <- influence(fit)
  b <- baujat(fit, plot = FALSE)
  out$influence[[length(out$influence) + 1]] <- list(set = set, tau2 = method, ci = if (test == "z") "z" else "HK",
    rstudent = inf$inf$rstudent, dffits = inf$inf$dffits, cook_d = inf$inf$cook.d, cov_ratio = inf$inf$cov.r,
    tau2_deleted = inf$inf$tau2.del, q_deleted = inf$inf$QE.del, hat = inf$inf$hat, weight = inf$inf$weight / 100,
    dfbetas = inf$dfbs$intrcpt, influential = as.logical(inf$is.infl), q = fit$QE)
}

out$cumulative <- list()
for (set in names(sets)) {
  fit <- rma(yi, vi, data = sets[[set]], method = "REML", test = "z", control = tight)
  found <- cumul(fit)
  out$cumulative[[set]] <- list(estimate = found$estimate, se = found$se, tau2 = found$tau2)
}

fit <- rma(yi, vi, data = sets$single[1:6, ], method = "REML", test = "z", control = tight)
found <- gosh(fit, progbar = FALSE)
out$gosh <- list(include = found$incl * 1, k = found$res$k, estimate = found$res$estimate, tau2 = found$res$tau2, i2 = found$res$I2 / 100)

out$permutation <- list()
for (test in c("z", "knha")) {
  fit <- rma(yi, vi, data = sets$bcg[1:8, ], method = "REML", test = test, control = tight)
  found <- permutest(fit, exact = TRUE, progbar = FALSE)
  out$permutation[[test]] <- list(p = found$pval[1], statistic = fit$zval[1])
}

groups <- list(
  empty = data.frame(e = c(0, 0, 0, 5, 6, 2), n = c(20, 15, 30, 30, 40, 25), g = c("A", "A", "A", "B", "B", "B")),
  three = data.frame(e = c(3, 9, 4, 12, 7, 20, 1, 2, 8), n = c(20, 30, 25, 30, 22, 41, 18, 25, 40), g = rep(c("A", "B", "C"), each = 3)))
out$groups <- list()
for (name in names(groups)) {
  d <- groups[[name]]; d$s <- factor(seq_len(nrow(d)))
  null <- suppressMessages(glmer(cbind(e, n - e) ~ 1 + (1 | s), d, binomial, nAGQ = 50))
  full <- suppressMessages(suppressWarnings(glmer(cbind(e, n - e) ~ g + (1 | s), d, binomial, nAGQ = 50)))
  a <- anova(null, full)
  tables <- tapply(d$e, d$g, sum); sizes <- tapply(d$n, d$g, sum)
  out$groups[[name]] <- list(events = d$e, total = d$n, group = d$g, lrt = a$Chisq[2], p = a$`Pr(>Chisq)`[2],
    plain = anova(glm(cbind(e, n - e) ~ 1, binomial, d), glm(cbind(e, n - e) ~ g, binomial, d), test = "LRT")$`Pr(>Chi)`[2],
    fisher = fisher.test(rbind(tables, sizes - tables))$p.value,
    sd = sqrt(unlist(VarCorr(full))[[1]]), means = as.numeric(fixef(full)))
}
cat(toJSON(out, digits = 16, auto_unbox = TRUE, pretty = TRUE), "\n")
