# Exact models of networks by glm (no heterogeneity) and by lme4 (one random contrast for each study, which needs studies of two arms).
# Reads the arms of networks.json; writes networks_exact.json.
suppressMessages({library(jsonlite); library(lme4)})
sets <- fromJSON("networks.json")$sets
informative <- function(d) {
  y <- tapply(d$events, d$study, sum); n <- tapply(d$total, d$study, sum)
  d[d$study %in% names(y)[y > 0 & y < n], ]
}
out <- list()
for (name in c("Dong2013", "Baker2009", "Linde2015_response")) {
  d <- informative(as.data.frame(sets[[name]]$arms))
  d$treatment <- relevel(factor(d$treatment), ref = "Placebo")
  g <- glm(cbind(events, total - events) ~ 0 + factor(study) + treatment, binomial, d, control = list(epsilon = 1e-14, maxit = 100))
  keep <- grepl("^treatment", names(coef(g)))
  names <- sub("^treatment", "", names(coef(g))[keep])
  out[[name]]$glm <- list(treatments = names, mu = unname(coef(g)[keep]), se = unname(sqrt(diag(vcov(g)))[keep]), loglik = as.numeric(logLik(g)), deviance = deviance(g))
  # Two arms: the first gets half of the random contrast, the second loses it.
  two <- d[d$study %in% names(which(table(d$study) == 2)), ]
  two <- two[order(two$study), ]
  two$half <- ave(seq_along(two$study), two$study, FUN = function(i) seq_along(i)) - 1.5
  two$treatment <- relevel(factor(as.character(two$treatment)), ref = "Placebo")
  m <- suppressWarnings(glmer(cbind(events, total - events) ~ 0 + factor(study) + treatment + (0 + half | study), two, binomial, nAGQ = 25,
    control = glmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9, maxfun = 1e5))))
  b <- fixef(m); keep <- grepl("^treatment", names(b))
  out[[name]]$glmer <- list(treatments = sub("^treatment", "", names(b)[keep]), mu = unname(b[keep]), se = unname(sqrt(diag(as.matrix(vcov(m))))[keep]),
    tau = unname(sqrt(unlist(VarCorr(m)))), studies = length(unique(two$study)))
}
made <- list(script = "networks_exact.R", R = paste(R.version$major, R.version$minor, sep = "."), lme4 = as.character(packageVersion("lme4")))
write_json(list(made_by = made, sets = out), "networks_exact.json", digits = 15, auto_unbox = TRUE)
