# Makes the reference values in two_groups.json: Rscript two_groups.R [FILE]
# The file holds the counts of every case; this script fills in, or renews, what metafor (and lme4 under it) makes of them.
suppressMessages({library(metafor); library(lme4); library(jsonlite)})
path <- commandArgs(trailingOnly = TRUE)
path <- if (length(path)) path[1] else "two_groups.json"
file <- fromJSON(path, simplifyVector = TRUE, simplifyDataFrame = FALSE, simplifyMatrix = FALSE)

quiet <- function(expr) tryCatch(suppressMessages(suppressWarnings(expr)), error = function(e) NULL)

one_step <- function(fit) {
  if (is.null(fit)) return(NULL)
  list(estimate = c(fit$beta), se = fit$se, q = fit$QE, q_df = fit$k.yi - 1, q_pvalue = fit$QEp,
       weights = unname(weights(fit)) / 100)
}

mixed <- function(x, model, ...) {
  fit <- quiet(rma.glmm(measure = "OR", ai = x$ai, n1i = x$n1i, ci = x$ci, n2i = x$n2i, model = model,
    control = list(optimizer = "bobyqa", optCtrl = list(rhobeg = 0.02, rhoend = 1e-9, maxfun = 1e5), tolPwrss = 1e-12), ...))
  if (is.null(fit)) return(NULL)
  list(estimate = c(fit$beta), se = fit$se, tau2 = fit$tau2, sigma2 = if (model == "UM.RS") fit$sigma2 else NULL,
       loglik = c(logLik(fit)), lrt = fit$QE.LRT, lrt_df = fit$QE.df, lrt_pvalue = fit$QEp.LRT, k = fit$k)
}

for (name in names(file$cases)) {
  x <- file$cases[[name]][c("ai", "n1i", "ci", "n2i")]
  mh <- function(measure, ...) one_step(quiet(rma.mh(measure = measure, ai = x$ai, n1i = x$n1i, ci = x$ci, n2i = x$n2i, ...)))
  table <- quiet(rma.mh(measure = "OR", ai = x$ai, n1i = x$n1i, ci = x$ci, n2i = x$n2i))
  file$cases[[name]] <- c(x, list(
    OR = mh("OR"), RR = mh("RR"), RD = mh("RD"), RR_drop00 = mh("RR", drop00 = c(TRUE, TRUE)),
    RD_drop00 = mh("RD", drop00 = c(TRUE, TRUE)), association = list(statistic = table$MH, pvalue = table$MHp),
    PETO = one_step(quiet(rma.peto(ai = x$ai, n1i = x$n1i, ci = x$ci, n2i = x$n2i))),
    UM.FS = mixed(x, "UM.FS", nAGQ = 51), UM.RS = mixed(x, "UM.RS", nAGQ = 1, drop00 = FALSE)))
}
file$made_by <- list(script = "two_groups.R", R = R.version.string, metafor = as.character(packageVersion("metafor")),
  lme4 = as.character(packageVersion("lme4")), metadat = as.character(packageVersion("metadat")), nAGQ = 51)
# One line for each case.
json <- function(value) toJSON(value, digits = NA, auto_unbox = TRUE, null = "null", na = "null")
lines <- mapply(function(name, case) paste0("    ", json(name), ": ", json(case)), names(file$cases), file$cases)
writeLines(c("{", paste0("  \"made_by\": ", json(file$made_by), ","), "  \"cases\": {", paste(lines, collapse = ",\n"), "  }", "}"), path)
