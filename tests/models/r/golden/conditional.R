# R script that computes a result of metanet anew and compares the numbers.
#
# Result: Conditional logistic mixed model, exact (pooled). Conditional logistic mixed model, exact
#   likelihood (CM.EL, maximum likelihood); 95 % interval of the mean: t quantile with k - 1 degrees
#   of freedom; interval of tau2: profile likelihood; prediction interval:
#   Higgins-Thompson-Spiegelhalter method, t with k - 2 degrees of freedom. metanet
# In R: the exact conditional likelihood in base R, averaged over the random effect, maximised by
#   nlminb.
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

study <- c("Study 1", "Study 2", "Study 3", "Study 4")
events <- c(0, 4, 0, 2)
total <- c(20, 41, 30, 25)
events_control <- c(3, 9, 0, 5)
total_control <- c(22, 39, 31, 24)
level <- 0.95
tolerance <- 0.0001

# Studies with events in neither group, or with events only, say nothing of the odds ratio.
keep <- events + events_control > 0 & events + events_control < total + total_control
events <- events[keep]
total <- total[keep]
events_control <- events_control[keep]
total_control <- total_control[keep]
study <- study[keep]
k <- length(events)
# The events of the first group given those of both, at log odds ratios `eta`.
log_likelihood <- function(eta) vapply(seq_along(events), function(i) {
  x <- max(0, events[i] + events_control[i] - total_control[i]):min(total[i], events[i] + events_control[i])
  weight <- lchoose(total[i], x) + lchoose(total_control[i], events[i] + events_control[i] - x)
  sums <- rep(-Inf, length(eta))
  for (j in seq_along(x)) {
    one <- weight[j] + x[j] * eta
    higher <- pmax(sums, one)
    sums <- higher + log1p(exp(-abs(sums - one)))
  }
  weight[x == events[i]] + events[i] * eta - sums
}, eta)
information <- 1 / (1 / (events + 0.5) + 1 / (total - events + 0.5) + 1 / (events_control + 0.5) +
                    1 / (total_control - events_control + 0.5))
width <- 1 / sqrt(max(information) + 4)
centre <- log(sum(events * (total_control - events_control) / (total + total_control)) /
              sum(events_control * (total - events) / (total + total_control)))
if (!is.finite(centre)) centre <- 0
# The likelihood with a normal random effect, in base R: that of every study on a grid of its true value, averaged over the normal
# distribution by the Fourier transform and taken at the mean by the same transform. `log_likelihood(eta)` has a column for each study,
# `width` is the width of the narrowest.
exact_deviance <- function(centre, reach, width) {
  step <- 0.7 * width
  m <- 2^ceiling(log2(2 * reach / step))
  eta <- centre + step * (seq_len(m) - m / 2)
  height <- log_likelihood(eta)
  top <- apply(height, 2, max)
  # To the transform the grid is a circle: a likelihood that does not vanish at its ends is led to zero there.
  ends <- pnorm(seq_len(m) / 3 - 7) * pnorm((m + 1 - seq_len(m)) / 3 - 7)
  transformed <- mvfft(ends * exp(sweep(height, 2, top)))
  frequency <- 2 * pi * c(0:(m / 2), -rev(seq_len(m / 2 - 1))) / (m * step)
  function(par) {
    averaged <- Re(colSums(transformed * exp(1i * frequency * (par[2] - eta[1]) - (par[1] * frequency)^2 / 2))) / m
    -2 * sum(log(pmax(averaged, 1e-300)) + top)
  }
}
deviance_at <- exact_deviance(centre, 260, width)
start <- c(0.5, centre)
bounded <- c(TRUE, FALSE)
mean_at <- 2
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
tau_limits <- profile_of_tau()
new_limits <- mu + c(-1, 1) * qt(1 - (1 - level) / 2, k - 2) * sqrt(se^2 + tau^2)
back <- function(x) exp(x)
# The conditional likelihood at one odds ratio, and at one for each study.
at_one <- function(eta) drop(log_likelihood(c(eta, eta))[1, ])
equal <- optimize(function(x) sum(at_one(x)), c(-40, 40), maximum = TRUE, tol = 1e-10)
highest <- function(i) optimize(function(x) at_one(x)[i], c(-60, 60), maximum = TRUE, tol = 1e-10)$objective
most <- vapply(seq_along(events), highest, numeric(1))
lrt <- 2 * (sum(most) - equal$objective)
plus <- ifelse(events == 0 | events == total | events_control == 0 | events_control == total_control, 0.5, 0)
y <- log((events + plus) * (total_control - events_control + plus) / ((total - events + plus) * (events_control + plus)))
v <- 1 / (events + plus) + 1 / (total - events + plus) + 1 / (events_control + plus) +
  1 / (total_control - events_control + plus)
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
tau2 <- tau^2
tau2_limits <- tau_limits^2

# metanet, R, relative difference.
check("estimate", 0.295211, back(mu), tolerance, unit = 1e-12)
check("ci_lower", 0.0339741, back(mu_lower), tolerance, unit = 1e-12)
check("ci_upper", 2.56517, back(mu_upper), tolerance, unit = 1e-12)
check("pi_lower", 0.000497975, back(new_limits[1]), tolerance, unit = 1e-12)
check("pi_upper", 175.008, back(new_limits[2]), tolerance, unit = 1e-12)
check("mu", -1.22007, mu, tolerance, unit = 0.5025021548844171)
check("se", 0.502502, se, tolerance, unit = 1e-09)
check("mu_lower", -3.38216, mu_lower, tolerance, unit = 0.5025021548844171)
check("mu_upper", 0.942026, mu_upper, tolerance, unit = 0.5025021548844171)
check("tau2", 0, tau^2, tolerance, unit = 0.2525084156634827)
check("tau2_lower", 0, tau_limits[1]^2, tolerance, unit = 0.2525084156634827)
check("tau2_upper", 4.13365, tau_limits[2]^2, tolerance, unit = 0.2525084156634827)
check("i2", 0, i2_of(tau2), tolerance, unit = 0.01)
check("i2_lower", 0, i2_of(tau2_limits[1]), tolerance, unit = 0.01)
check("i2_upper", 0.821321, i2_of(tau2_limits[2]), tolerance, unit = 0.01)
check("h2", 1, h2_of(tau2), tolerance)
check("h2_lower", 1, h2_of(tau2_limits[1]), tolerance)
check("h2_upper", 5.59664, h2_of(tau2_limits[2]), tolerance)
check("q", 0.00617294, q, tolerance, unit = 1)
check("q_df", 2, k - 1, tolerance)
check("q_pvalue", 0.996918, pchisq(q, k - 1, lower.tail = FALSE), tolerance, unit = 0.001)
check("lrt", 1.65133, lrt, tolerance, unit = 1)
check("lrt_pvalue", 0.437945, pchisq(lrt, k - 1, lower.tail = FALSE), tolerance, unit = 0.001)
check("loglik", -3.28082, -best$value / 2, tolerance, unit = 1)
finish(c())
