# Network meta-analysis by netmeta, for networks.json. The data sets ship with netmeta. netsplit() and decomp.design() give the
# split and the designs; `allstudies = TRUE` keeps studies without events. The arms are written as study, treatment, events, total, and
# tables as columns.
suppressMessages({library(meta); library(netmeta); library(jsonlite)})
num <- function(m) { m <- as.matrix(m); unname(lapply(seq_len(nrow(m)), function(i) as.numeric(m[i, ]))) }
one <- function(pw, small, ref, arms) {
  out <- list(arms = as.list(arms))
  for (tau in c("DL", "REML")) {
    n <- try(netmeta(pw, common = TRUE, random = TRUE, method.tau = tau, small.values = small, reference.group = ref), silent = TRUE)
    if (inherits(n, "try-error")) { out[[tau]] <- list(error = as.character(n)); next }
    s <- netsplit(n); d <- decomp.design(n)
    out[[tau]] <- list(trts = n$trts, tau2 = n$tau2, I2 = n$I2, Q = n$Q, df_Q = n$df.Q, Q_heterogeneity = n$Q.heterogeneity,
      df_het = n$df.Q.heterogeneity, Q_inconsistency = n$Q.inconsistency, df_inc = n$df.Q.inconsistency,
      TE_common = num(n$TE.common), seTE_common = num(n$seTE.common), TE_random = num(n$TE.random), seTE_random = num(n$seTE.random),
      lower_predict = num(n$lower.predict), upper_predict = num(n$upper.predict),
      pscore_common = as.list(netrank(n, method = "P-score")$ranking.common),
      pscore_random = as.list(netrank(n, method = "P-score")$ranking.random),
      netsplit_random = list(comparison = s$comparison, k = s$k, prop = s$prop.random, direct = s$direct.random$TE,
        se_direct = s$direct.random$seTE, indirect = s$indirect.random$TE, se_indirect = s$indirect.random$seTE,
        diff = s$compare.random$TE, se_diff = s$compare.random$seTE, p = s$compare.random$p),
      Q_het_design = as.list(d$Q.het.design), Q_between_designs_random = as.list(d$Q.inc.random))
  }
  out
}
arms <- function(study, treatment, events, total) data.frame(study = as.character(study), treatment = as.character(treatment), events, total)
sets <- list()
data(Dong2013); d <- Dong2013
sets$Dong2013 <- one(pairwise(treat = treatment, event = death, n = randomized, studlab = id, data = d, sm = "OR", allstudies = TRUE),
  "desirable", "Placebo", arms(d$id, d$treatment, d$death, d$randomized))
data(Gurusamy2011); d <- Gurusamy2011
sets$Gurusamy2011 <- one(pairwise(treat = treatment, event = death, n = n, studlab = study, data = d, sm = "OR", allstudies = TRUE),
  "desirable", "Control/Placebo", arms(d$study, d$treatment, d$death, d$n))
data(Baker2009); d <- Baker2009
sets$Baker2009 <- one(pairwise(treat = treatment, event = exac, n = total, studlab = id, data = d, sm = "OR", allstudies = TRUE),
  "desirable", "Placebo", arms(d$id, d$treatment, d$exac, d$total))
data(Linde2015); d <- Linde2015
rows <- do.call(rbind, lapply(1:3, function(j) arms(d$id, d[[paste0("treatment", j)]], d[[paste0("resp", j)]], d[[paste0("n", j)]])))
pw <- pairwise(treat = list(treatment1, treatment2, treatment3), event = list(resp1, resp2, resp3), n = list(n1, n2, n3), studlab = id,
  data = d, sm = "OR", allstudies = TRUE)
sets$Linde2015_response <- one(pw, "undesirable", "Placebo", rows[!is.na(rows$events) & rows$treatment != "", ])
made <- list(script = "networks.R", R = paste(R.version$major, R.version$minor, sep = "."), netmeta = as.character(packageVersion("netmeta")),
  meta = as.character(packageVersion("meta")), metafor = as.character(packageVersion("metafor")))
write_json(list(made_by = made, sets = sets), "networks.json", digits = 15, auto_unbox = TRUE, na = "null")
