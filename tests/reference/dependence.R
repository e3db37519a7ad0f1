# Makes the reference values in dependence.json: Rscript dependence.R [FILE]
# Arms that share a study: CR2 by clubSandwich and three-level models by metafor; the file holds the data as well.
suppressMessages({library(metafor); library(clubSandwich); library(jsonlite); library(metadat)})
path <- commandArgs(trailingOnly = TRUE)
path <- if (length(path)) path[1] else "dependence.json"
tight <- list(threshold = 1e-14, maxiter = 10000, tol = 1e-13, tau2.max = 1e5, REMLf = TRUE)
quiet <- function(expr) tryCatch(suppressMessages(suppressWarnings(expr)), error = function(e) NULL)

robust <- function(yi, vi, cluster, x, method) {
  f <- if (is.null(x)) quiet(rma(yi, vi, method = method, control = tight)) else quiet(rma(yi, vi, mods = x, method = method, control = tight))
  if (is.null(f)) return(NULL)
  one <- coef_test(f, vcov = "CR2", cluster = cluster, test = "Satterthwaite")
  df <- one[[grep("^df", names(one))[1]]]
  p <- one[[grep("^p_", names(one))[1]]]
  at <- conf_int(f, vcov = "CR2", cluster = cluster)
  list(tau2 = f$tau2, beta = unname(one$beta), se = unname(one$SE), df = unname(df), pvalue = unname(p),
       lower = unname(at$CI_L), upper = unname(at$CI_U))
}

levels3 <- function(yi, vi, cluster) {
  arm <- seq_along(yi)
  out <- list()
  for (method in c("REML", "ML")) {
    # Several optimisers; the highest maximum is kept.
    best <- NULL
    for (o in c("nlminb", "Nelder-Mead", "BFGS", "bobyqa")) {
      control <- switch(o, nlminb = list(optimizer = "nlminb", rel.tol = 1e-14, x.tol = 1e-12, eval.max = 1e5, iter.max = 1e5),
                        "Nelder-Mead" = list(optimizer = "optim", optmethod = "Nelder-Mead", reltol = 1e-15, maxit = 1e5),
                        BFGS = list(optimizer = "optim", optmethod = "BFGS", reltol = 1e-15, maxit = 1e5),
                        bobyqa = list(optimizer = "bobyqa", rhoend = 1e-12, maxfun = 1e5))
      f <- quiet(rma.mv(yi, vi, random = ~ 1 | cluster / arm, method = method, control = c(control, REMLf = TRUE)))
      if (!is.null(f) && (is.null(best) || c(logLik(f)) > c(logLik(best)))) best <- f
    }
    if (is.null(best)) next
    zero_within <- quiet(rma.mv(yi, vi, random = ~ 1 | cluster, method = method, control = list(optimizer = "optim", optmethod = "BFGS", reltol = 1e-13, REMLf = TRUE)))
    if (is.null(zero_within)) zero_within <- quiet(rma.mv(yi, vi, random = ~ 1 | cluster, method = method, control = list(REMLf = TRUE)))
    zero_between <- quiet(rma(yi, vi, method = method, control = tight))
    entry <- list(sigma2 = best$sigma2, mu = c(best$beta), se = best$se, loglik = c(logLik(best)),
                  loglik_without_within = if (!is.null(zero_within)) c(logLik(zero_within)), loglik_without_between = if (!is.null(zero_between)) c(logLik(zero_between)))
    for (i in 1:2) {
      ci <- quiet(confint(best, sigma2 = i, control = list(tol = 1e-9)))
      if (!is.null(ci)) entry[[paste0("interval", i)]] <- unname(ci$random[1, c("ci.lb", "ci.ub")])
    }
    out[[method]] <- entry
  }
  out
}

cases <- list()
add <- function(name, yi, vi, cluster, x = NULL) {
  entry <- list(yi = c(yi), vi = c(vi), cluster = as.character(cluster))
  if (!is.null(x)) entry$x <- unname(x)
  entry$robust <- list()
  for (method in c("REML", "DL", "FE")) entry$robust[[method]] <- robust(c(yi), c(vi), cluster, NULL, method)
  if (!is.null(x)) entry$regression <- robust(c(yi), c(vi), cluster, x, "REML")
  entry$three_level <- levels3(c(yi), c(vi), cluster)
  cases[[name]] <<- entry
}

d <- dat.konstantopoulos2011
add("schools", d$yi, d$vi, d$district, cbind(year = d$year))
d <- dat.assink2016
add("delinquency", d$yi, d$vi, d$study, cbind(year = d$year, deltype = as.numeric(d$deltype == "general")))
d <- escalc(measure = "PLO", xi = xi, ni = ni, data = dat.debruin2009)
add("debruin", d$yi, d$vi, rep(1:6, length.out = nrow(d))[order(rep(1:6, length.out = nrow(d)) * 7 %% 5)], cbind(scq = d$scq))
# Small numbers: solvers with absolute steps stop early here.
d <- dat.konstantopoulos2011
add("small_scale", 1e-3 * d$yi, 1e-6 * d$vi, d$district)
# No spread inside clusters, then none between them.
set.seed(5)
g <- rep(1:12, each = 3)
v <- round(exp(runif(36, log(0.02), log(0.5))), 6)
add("no_within", round(rep(rnorm(12, 0, 0.8), each = 3) + 0.2 * rnorm(36) * sqrt(v), 6), v, g)
add("no_between", round(rnorm(36, 0, 0.6) - ave(rnorm(36, 0, 0.6), g) + rnorm(36) * sqrt(v) * 0.5, 6), v, g, cbind(x = round(rnorm(36), 3)))
# One cluster decides a coefficient; sizes of clusters from 1 to 9.
g <- rep(1:6, times = c(9, 1, 4, 2, 1, 3))
add("uneven", round(rep(rnorm(6, 0, 0.5), times = c(9, 1, 4, 2, 1, 3)) + rnorm(20, 0, 0.3), 6), round(exp(runif(20, -4, 1)), 6), g, cbind(x = as.numeric(g == 3), z = round(rnorm(20), 3)))

made <- list(script = "dependence.R", R = as.character(getRversion()), metafor = as.character(packageVersion("metafor")),
             clubSandwich = as.character(packageVersion("clubSandwich")))
write_json(list(made_by = made, cases = cases), path, digits = I(17), auto_unbox = TRUE, null = "null", na = "null")
