# R script that computes a result of metanet anew and compares the numbers.
#
# Result: Binomial-normal model (pooled). Binomial-normal model (GLMM, logit link, maximum
#   likelihood); 95 % interval of the mean: t quantile with k - 1 degrees of freedom; interval of
#   tau2: profile likelihood; prediction interval: Higgins-Thompson-Spiegelhalter method, t with k - 2
#   degrees of freedom. metanet
# In R: glmer of lme4 with nAGQ = 100.
# Needs: R 4.0 or newer with lme4.
# Run: Rscript check.R
# Tolerance: 0.0001, relative to the number, or to `unit` where that is larger. The status is 0 where
#   every number is within it, 1 where one is not, 3 where a package is missing.
# lme4's own standard error takes tau as known (use.hessian = FALSE), and its log-likelihood leaves
#   constants out; here the Hessian is that of its deviance in the mean and tau, and the constant is
#   that of glm.

if (!requireNamespace("lme4", quietly = TRUE)) {
  cat("metanet-check: {\"missing\": [\"lme4\"]}\n")
  quit(save = "no", status = 3)
}
suppressMessages(library(lme4))
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
# The deviance of lme4 and its minimum, with tight limits for its optimiser and its inner steps; where these do not converge, with its own
# limits. NULL where lme4 stops on the data, or where its quadrature is not settled: half the nodes give another deviance. The constant,
# which lme4 leaves out, is that of glm.
lme4_fit <- function(formula, family, data, plain) {
  for (inner in c(1e-12, 1e-09, 1e-07)) {
    control <- glmerControl(
      optimizer = "bobyqa", optCtrl = list(rhobeg = 0.02, rhoend = 1e-9, maxfun = 1e5), tolPwrss = inner, calc.derivs = FALSE,
      check.conv.singular = "ignore", check.response.not.const = "ignore"
    )
    found <- tryCatch({
      fit <- glmer(formula, data = data, family = family, nAGQ = 100, control = control)
      deviance <- glmer(formula, data = data, family = family, nAGQ = 100, control = control, devFunOnly = TRUE)
      half <- glmer(formula, data = data, family = family, nAGQ = 50, control = control, devFunOnly = TRUE)
      par <- c(getME(fit, "theta"), fixef(fit))
      settled <- function(par) isTRUE(abs(deviance(par) - half(par)) < 1e-6)
      if (!settled(par)) return(NULL)
      constant <- -2 * c(logLik(plain)) - deviance(c(0, coef(plain)))
      list(start = par, settled = settled, deviance = function(par) tryCatch(deviance(par) + constant, error = function(fault) 1e10))
    }, error = function(fault) NULL)
    if (!is.null(found) && is.finite(found$deviance(found$start))) return(found)
  }
  NULL
}
study <- factor(seq_along(study))
data <- data.frame(study, events, total)
formula <- cbind(events, total - events) ~ 1 + (1 | study)
plain <- glm(cbind(events, total - events) ~ 1, family = binomial("logit"), data = data, epsilon = 1e-14, maxit = 200)
found <- lme4_fit(formula, binomial("logit"), data, plain)
if (is.null(found)) {
  cat("lme4 stops on these data, or its quadrature is not settled; the likelihood in base R takes its place.\n")
  log_likelihood <- function(eta) vapply(seq_along(events), function(i) dbinom(events[i], total[i], plogis(eta), log = TRUE), eta)
  information <- events * (total - events) / total
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
  deviance_at <- exact_deviance(coef(plain), 260, 1 / sqrt(max(information) + 30))
  start <- c(0.5, coef(plain))
} else {
  deviance_at <- found$deviance
  start <- found$start
}
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
# Far from the maximum lme4's quadrature may not be settled; the limits of tau then come from the likelihood in base R.
if (!is.null(found) && !found$settled(c(min(30, tau_limits[2]), mu))) {
  log_likelihood <- function(eta) vapply(seq_along(events), function(i) dbinom(events[i], total[i], plogis(eta), log = TRUE), eta)
  information <- events * (total - events) / total
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
  deviance_at <- exact_deviance(coef(plain), 260, 1 / sqrt(max(information) + 30))
  start <- c(0.5, coef(plain))
  best <- minimum(best$par)
  tau_limits <- profile_of_tau()
}
back <- function(x) plogis(x)
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
tau2 <- tau^2
tau2_limits <- tau_limits^2
# The response averaged over the random effect; the pieces end where it reaches an edge.
average <- function(mu, tau) {
  if (tau == 0) return(back(mu))
  ends <- sort(c(-12, 12, pmin(12, pmax(-12, (numeric() - mu) / tau)), pmin(12, pmax(-12, -mu / tau))))
  sum(vapply(which(diff(ends) > 0), function(i) {
    integrate(function(z) back(mu + tau * z) * dnorm(z), ends[i], ends[i + 1], rel.tol = 1e-10, abs.tol = 0,
              subdivisions = 2000, stop.on.error = FALSE)$value
  }, numeric(1)))
}
# Its interval by the delta method; without spread it is that of the median.
rate <- average(mu, tau)
h <- 1e-4
by_tau <- if (tau > 0) average(mu, tau + h) - average(mu, tau - h) else 0
slope <- c(average(mu + h, tau) - average(mu - h, tau), by_tau) / (2 * h)
error <- sqrt(drop(slope %*% covariance[c(mean_at, 1), c(mean_at, 1)] %*% slope))
error <- error / (rate * (1 - rate))
average_limits <- c(rate, plogis(qlogis(rate) + c(-1, 1) * qt(1 - (1 - level) / 2, k - 1) * error))
if (tau == 0) average_limits <- back(c(mu, mu_lower, mu_upper))

# metanet, R, relative difference.
check("estimate", 0.467187, back(mu), tolerance, unit = 1e-12)
check("ci_lower", 0.25583, back(mu_lower), tolerance, unit = 1e-12)
check("ci_upper", 0.691017, back(mu_upper), tolerance, unit = 1e-12)
check("pi_lower", 0.0768092, back(new_limits[1]), tolerance, unit = 1e-12)
check("pi_upper", 0.902352, back(new_limits[2]), tolerance, unit = 1e-12)
check("marginal_estimate", 0.470137, average_limits[1], tolerance, unit = 1e-12)
check("marginal_ci_lower", 0.274803, average_limits[2], tolerance, unit = 1e-12)
check("marginal_ci_upper", 0.675069, average_limits[3], tolerance, unit = 1e-12)
check("mu", -0.13144, mu, tolerance, unit = 0.337235978819301)
check("se", 0.337236, se, tolerance, unit = 1e-09)
check("mu_lower", -1.06776, mu_lower, tolerance, unit = 0.337235978819301)
check("mu_upper", 0.804878, mu_upper, tolerance, unit = 0.337235978819301)
check("tau2", 0.433901, tau^2, tolerance, unit = 0.11372810541021204)
check("tau2_lower", 0.106495, tau_limits[1]^2, tolerance, unit = 0.11372810541021204)
check("tau2_upper", 2.41799, tau_limits[2]^2, tolerance, unit = 0.11372810541021204)
check("i2", 0.81988, i2_of(tau2), tolerance, unit = 0.01)
check("i2_lower", 0.527675, i2_of(tau2_limits[1]), tolerance, unit = 0.01)
check("i2_upper", 0.962072, i2_of(tau2_limits[2]), tolerance, unit = 0.01)
check("h2", 5.55184, h2_of(tau2), tolerance)
check("h2_lower", 2.11719, h2_of(tau2_limits[1]), tolerance)
check("h2_upper", 26.3659, h2_of(tau2_limits[2]), tolerance)
check("q", 33.5896, q, tolerance, unit = 1)
check("q_df", 4, k - 1, tolerance)
check("q_pvalue", 9.04508e-07, pchisq(q, k - 1, lower.tail = FALSE), tolerance, unit = 0.001)
check("lrt", 38.0248, lrt, tolerance, unit = 1)
check("lrt_pvalue", 1.10744e-07, pchisq(lrt, k - 1, lower.tail = FALSE), tolerance, unit = 0.001)
check("loglik", -16.5542, -best$value / 2, tolerance, unit = 1)
finish(c("lme4"))
