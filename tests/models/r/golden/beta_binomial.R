# R script that computes a result of metanet anew and compares the numbers.
#
# Result: Beta-binomial model (pooled). Beta-binomial model (maximum likelihood); 95 % interval of the
#   mean: t quantile with k - 1 degrees of freedom; interval of tau2: profile likelihood; prediction
#   interval: Higgins-Thompson-Spiegelhalter method, t with k - 2 degrees of freedom. metanet
# In R: the beta-binomial likelihood by hand, maximised by nlminb. In the code tau stands for rho.
# Needs: R 4.0 or newer; no package.
# Run: Rscript check.R
# Tolerance: 0.0001, relative to the number, or to `unit` where that is larger. The status is 0 where
#   every number is within it, 1 where one is not, 3 where a package is missing.


# Prints a number of metanet beside that of R, with their difference: relative to the number, or to `unit` where that is larger.
largest <- 0
compared <- 0
missed <- character()
check <- function(name, metanet, r, tolerance, unit = 0) {
  r <- if (length(r) == 1) as.numeric(r) else NA
  gap <- if (isTRUE(metanet == r)) 0 else abs(r - metanet) / max(abs(metanet), unit)
  if (!is.finite(gap)) gap <- Inf
  largest <<- max(largest, gap)
  compared <<- compared + 1
  if (gap > tolerance) missed <<- c(missed, name)
  cat(sprintf("%-20s %20.12g %20.12g %10.1e%s\n", name, metanet, r, gap, if (gap > tolerance) "  more than the tolerance" else ""))
}

# The last line is for programs; the status is 0 where every number is within its tolerance, 1 where one is not.
finish <- function(packages) {
  text <- function(x) sprintf("\"%s\"", x)
  versions <- vapply(packages, function(name) packageDescription(name)$Version, character(1))
  cat(sprintf(
    "metanet-check: {\"largest\": %s, \"compared\": %d, \"missed\": [%s], \"R\": %s, \"packages\": {%s}}\n",
    if (is.finite(largest)) format(largest, digits = 3) else "null", compared, paste(text(missed), collapse = ", "),
    text(paste(R.version$major, R.version$minor, sep = ".")), paste(text(packages), text(versions), sep = ": ", collapse = ", ")
  ))
  quit(save = "no", status = if (length(missed)) 1 else 0)
}

study <- c("Study 1", "Study 2", "Study 3", "Study 4", "Study 5")
events <- c(117, 9, 17, 20, 5)
total <- c(168, 40, 33, 51, 10)
level <- 0.95
tolerance <- 0.0001

k <- length(events)
# The beta-binomial likelihood as a product, which has no gamma functions that cancel; psi = rho / (1 - rho).
up_to <- function(n) sequence(n) - 1
x_terms <- up_to(events)
y_terms <- up_to(total - events)
n_terms <- up_to(total)
choose_terms <- sum(lchoose(total, events))
deviance_at <- function(par) {
  if (par[1] >= 1) return(1e300)
  psi <- par[1] / (1 - par[1])
  -2 * (choose_terms + sum(log(plogis(par[2]) + x_terms * psi)) + sum(log(plogis(-par[2]) + y_terms * psi)) - sum(log1p(n_terms * psi)))
}
start <- c(0.1, qlogis(sum(events) / sum(total)))
bounded <- c(TRUE, FALSE)
mean_at <- 2
back <- function(x) plogis(x)
# From the deviance to the numbers. `deviance_at(par)` is minus twice the log-likelihood at c(tau, the other parameters), of which that
# number `mean_at` is the mean; `start` is near the maximum, `bounded` says which parameters are standard deviations.
lower <- ifelse(bounded, 0, -Inf)
minimum <- function(start, fixed = integer(), value = numeric()) {
  free <- setdiff(seq_along(start), fixed)
  at <- function(x) {
    par <- start
    par[free] <- x
    par[fixed] <- value
    deviance_at(par)
  }
  if (!length(free)) return(list(par = value, value = at(numeric())))
  best <- list(par = start[free], objective = Inf)
  for (i in 1:10) {
    found <- nlminb(best$par, at, lower = lower[free], control = list(rel.tol = 1e-15, x.tol = 1e-12, iter.max = 500, eval.max = 2000))
    gain <- best$objective - found$objective
    if (gain > 0) best <- found
    if (gain < 1e-11 * (abs(found$objective) + 1)) break
  }
  par <- start
  par[free] <- best$par
  par[fixed] <- value
  list(par = par, value = best$objective)
}
best <- minimum(start)
# A standard deviation is zero where that is as likely.
edge <- minimum(best$par, 1, 0)
if (edge$value <= best$value + 1e-9) best <- edge
tau <- best$par[1]
mu <- best$par[mean_at]
inner <- which(!bounded | best$par > 0)
# Second differences, extrapolated to a step of zero (Richardson).
second <- function(step) {
  at <- function(x) deviance_at(replace(best$par, inner, x))
  steps <- ifelse(bounded, pmin(step, step / 2e-3 * best$par / 5), step)[inner]
  optimHess(best$par[inner], at, control = list(ndeps = steps))
}
hessian <- (4 * second(1e-3) - second(2e-3)) / 3
covariance <- matrix(0, length(start), length(start))
covariance[inner, inner] <- 2 * solve(hessian)
se <- sqrt(covariance[mean_at, mean_at])

# Profile likelihood: where the deviance rises by the quantile of chi-squared with one degree of freedom.
profile_limit <- function(which, step, end = Inf) {
  rise <- function(x) minimum(best$par, which, x)$value - best$value - qchisq(level, 1)
  inside <- best$par[which]
  outside <- inside + step
  repeat {
    if (step > 0 && outside > end) outside <- end
    if (bounded[which] && outside < 0) outside <- 0
    height <- rise(outside)
    if (height > 0) break
    if (bounded[which] && outside == 0) return(0)
    if (outside == end) return(Inf)
    inside <- outside
    outside <- outside + 2 * (outside - best$par[which])
  }
  uniroot(rise, sort(c(inside, outside)), tol = 1e-10)$root
}
profile_of_tau <- function() c(profile_limit(1, -max(tau, 0.1)), profile_limit(1, max(tau, 0.5), 30))
profile_of_mean <- function() c(profile_limit(mean_at, -2.5 * se), profile_limit(mean_at, 2.5 * se))
limits <- mu + c(-1, 1) * qt(1 - (1 - level) / 2, k - 1) * se
mu_lower <- limits[1]
mu_upper <- limits[2]
tau_limits <- pmin(1, c(profile_limit(1, -tau), profile_limit(1, (1 - tau) / 4, 1 - 1e-9)))
shapes <- function(mu, rho) c(plogis(mu), plogis(-mu)) * (1 - rho) / rho
logit_variance <- function(rho) if (rho == 0) 0 else if (rho >= 1) Inf else sum(trigamma(shapes(mu, rho)))
tau2 <- logit_variance(tau)
tau2_limits <- c(logit_variance(tau_limits[1]), logit_variance(tau_limits[2]))
# The predictive distribution: the fitted beta, mixed over the error of the mean, at the normal scores of Student's t.
t_quantile <- qt(1 - (1 - level) / 2, k - 2)
beta_limit <- function(mu) {
  local <- if (tau == 0) 0 else sum(trigamma(shapes(mu - t_quantile * se, tau)))
  # A narrow beta adds its variance.
  if (local <= (0.02 * se)^2) return(mu - t_quantile * sqrt(se^2 + local))
  tail_at <- function(x) {
    integrand <- function(z) vapply(z, function(u) {
      ab <- shapes(mu + se * u, tau)
      pbeta(plogis(x), ab[1], ab[2]) * dnorm(u)
    }, numeric(1))
    ends <- seq(-12, 12, by = 3)
    sum(vapply(1:8, function(i) integrate(integrand, ends[i], ends[i + 1], rel.tol = 1e-9, stop.on.error = FALSE)$value, numeric(1)))
  }
  score <- function(x) qnorm(max(1e-300, tail_at(x))) + t_quantile
  if (score(-700) >= 0) return(-Inf)
  if (score(36) <= 0) return(Inf)
  uniroot(score, c(-700, 36), tol = 1e-10)$root
}
new_limits <- c(plogis(beta_limit(mu)), plogis(-beta_limit(-mu)))
median <- if (tau == 0) plogis(mu) else qbeta(0.5, shapes(mu, tau)[1], shapes(mu, tau)[2])
# Equal rates? The likelihood ratio against one rate for each study, and Wald's test of the studies with both outcomes.
common <- sum(dbinom(events, total, sum(events) / sum(total), log = TRUE))
lrt <- 2 * (sum(dbinom(events, total, events / total, log = TRUE)) - common)
plus <- ifelse(events == 0 | events == total, 0.5, 0)
y <- log((events + plus) / (total - events + plus))
v <- 1 / (events + plus) + 1 / (total - events + plus)
counted <- if (any(plus == 0)) plus == 0 else rep(TRUE, k)
q <- sum(((y - sum(y[counted] / v[counted]) / sum(1 / v[counted]))^2 / v)[counted])
# I2 and H2 from tau2 and a typical variance of a study, or from Q (Higgins and Thompson 2002).
typical_of <- function(v) (length(v) - 1) * sum(1 / v) / (sum(1 / v)^2 - sum(1 / v^2))
i2_of <- function(tau2) ifelse(is.infinite(tau2), 1, tau2 / (tau2 + typical))
h2_of <- function(tau2) 1 + tau2 / typical
from_q <- function(q, df, level) {
  wide <- 0.5 * (log(q) - log(df)) / (sqrt(2 * q) - sqrt(2 * df - 1))
  se <- if (q > df + 1) wide else sqrt((1 - 1 / (3 * (df - 1)^2)) / (2 * (df - 1)))
  h2 <- pmax(1, exp(log(max(1, q / df)) + 2 * c(0, -1, 1) * qnorm(1 - (1 - level) / 2) * se))
  h2[1] <- max(1, q / df)
  list(h2 = h2, i2 = 1 - 1 / h2)
}
typical <- typical_of(v)
q_df <- k - 1

# metanet, R, relative difference.
check("estimate", 0.470478, back(mu), tolerance, unit = 1e-12)
check("ci_lower", 0.275684, back(mu_lower), tolerance, unit = 1e-12)
check("ci_upper", 0.674701, back(mu_upper), tolerance, unit = 1e-12)
check("pi_lower", 0.0554136, new_limits[1], tolerance, unit = 1e-12)
check("pi_upper", 0.919463, new_limits[2], tolerance, unit = 1e-12)
check("marginal_estimate", 0.470478, back(mu), tolerance, unit = 1e-12)
check("marginal_ci_lower", 0.275684, back(mu_lower), tolerance, unit = 1e-12)
check("marginal_ci_upper", 0.674701, back(mu_upper), tolerance, unit = 1e-12)
check("median", 0.468458, median, tolerance, unit = 1e-12)
check("mu", -0.118224, mu, tolerance, unit = 0.3053352278001381)
check("se", 0.305335, se, tolerance, unit = 1e-09)
check("mu_lower", -0.96597, mu_lower, tolerance, unit = 0.3053352278001381)
check("mu_upper", 0.729523, mu_upper, tolerance, unit = 0.3053352278001381)
check("tau2", 0.439073, tau2, tolerance, unit = 0.09322960133576223)
check("tau2_lower", 0.105575, tau2_limits[1], tolerance, unit = 0.09322960133576223)
check("tau2_upper", 2.93424, tau2_limits[2], tolerance, unit = 0.09322960133576223)
check("rho", 0.0899888, tau, tolerance, unit = 0.001)
check("rho_lower", 0.0249885, tau_limits[1], tolerance, unit = 0.001)
check("rho_upper", 0.315004, tau_limits[2], tolerance)
check("i2", 0.821623, i2_of(tau2), tolerance, unit = 0.01)
check("i2_lower", 0.525513, i2_of(tau2_limits[1]), tolerance, unit = 0.01)
check("i2_upper", 0.968535, i2_of(tau2_limits[2]), tolerance, unit = 0.01)
check("h2", 5.6061, h2_of(tau2), tolerance)
check("h2_lower", 2.10754, h2_of(tau2_limits[1]), tolerance)
check("h2_upper", 31.7817, h2_of(tau2_limits[2]), tolerance)
check("q", 33.5896, q, tolerance, unit = 1)
check("q_df", 4, k - 1, tolerance)
check("q_pvalue", 9.04508e-07, pchisq(q, k - 1, lower.tail = FALSE), tolerance, unit = 0.001)
check("lrt", 38.0248, lrt, tolerance, unit = 1)
check("lrt_pvalue", 1.10744e-07, pchisq(lrt, k - 1, lower.tail = FALSE), tolerance, unit = 0.001)
check("loglik", -16.5858, -best$value / 2, tolerance, unit = 1)
finish(c())
