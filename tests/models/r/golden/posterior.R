# R script that computes a result of metanet anew and compares the numbers.
#
# Result: Bayesian binomial-normal model (pooled). Bayesian binomial-normal model (logit link; tau ~
#   half-normal(1.25), mu ~ normal(0, 2.5)); posterior medians, 95 % credible intervals with equal
#   tails; 95 % posterior predictive interval. metanet
# In R: the posterior of mu and tau on grids, in base R; the numbers are its quantiles, and loglik is
#   the logarithm of the evidence.
# Needs: R 4.0 or newer; no package.
# Run: Rscript check.R
# Tolerance: 0.0001 (0.0004 for tau2, tau2_lower, tau2_upper, i2, i2_lower, i2_upper, h2, h2_lower and
#   h2_upper), relative to the number, or to `unit` where that is larger. The status is 0 where every
#   number is within it, 1 where one is not, 3 where a package is missing.


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

# The priors: mu normal, tau half-normal.
prior_mean <- 0
prior_sd <- 2.5
prior_scale <- 1.25
k <- length(events)
log_likelihood <- function(eta) vapply(seq_along(events), function(i) dbinom(events[i], total[i], plogis(eta), log = TRUE), eta)
information <- events * (total - events) / total
width <- 1 / sqrt(max(information) + 30)
precision <- sum(information) + 30
# The posterior on grids, in base R. `log_likelihood(eta)` gives the log-likelihood of every study (columns) at the true values `eta` on
# the model scale; `width` is the width of the narrowest, `precision` the sum of their precisions.

# Values on a grid of equal `step`, averaged over a normal distribution of standard deviation tau, by the fast Fourier transform. To the
# transform the grid is a circle: values that do not vanish at its ends are led to zero there, outside of what is used.
blur <- function(values, step, tau) {
  values <- as.matrix(values)
  m <- nrow(values)
  values <- values * pnorm(seq_len(m) / 3 - 7) * pnorm((m + 1 - seq_len(m)) / 3 - 7)
  frequency <- 2 * pi * c(0:(m / 2), -rev(seq_len(m / 2 - 1))) / (m * step)
  Re(mvfft(mvfft(values) * exp(-(tau * frequency)^2 / 2), inverse = TRUE)) / m
}

# The log of prior times likelihood at the grids of mu and of u, where tau = width sinh(u): as a function of u the density is even about
# zero, and the steps of tau are finer near zero. `power` below 1 widens the likelihoods of the studies.
log_joint <- function(centre, reach, step, u, power) {
  tau <- width * sinh(u)
  m <- 2^ceiling(log2(2 * (reach + 7 * max(tau)) / step + 100))
  eta <- centre + step * (seq_len(m) - m / 2)
  height <- power * log_likelihood(eta)
  top <- apply(height, 2, max)
  likelihood <- exp(sweep(height, 2, top))
  inside <- which(abs(eta - centre) <= reach)
  value <- vapply(tau, function(t) {
    averaged <- blur(likelihood, step, t)[inside, , drop = FALSE]
    rowSums(log(pmax(averaged, 1e-300))) + dnorm(eta[inside], prior_mean, prior_sd, log = TRUE) + log(2) + dnorm(t, 0, prior_scale, log = TRUE)
  }, numeric(length(inside)))
  value <- sweep(value, 2, log(width * cosh(u)), "+")
  list(eta = eta, inside = inside, mu = eta[inside], u = u, tau = tau, step = step, value = value, constant = sum(top))
}

# First a coarse grid over the priors, then finer ones where the posterior lies.
posterior_grid <- function() {
  window <- c(prior_mean - 6.5 * prior_sd, prior_mean + 6.5 * prior_sd)
  spread <- c(0, asinh(6.5 * prior_scale / width))
  last <- FALSE
  repeat {
    power <- min(1, (width / (diff(window) / 4000))^2)
    step <- min(0.7 * width / sqrt(power), 0.3 / sqrt(power * precision), diff(window) / 120)
    u <- seq(spread[1], spread[2], length.out = 161)
    found <- log_joint(mean(window), diff(window) / 2 + step, step, u, power)
    if (last) return(found)
    likely <- found$value > max(found$value) - 32
    mu <- range(found$mu[rowSums(likely) > 0])
    t <- range(u[colSums(likely) > 0])
    smaller <- c(mu[1] - 3 * step, mu[2] + 3 * step)
    spread <- c(max(0, t[1] - diff(u[1:2])), t[2] + diff(u[1:2]))
    last <- power == 1 && diff(smaller) > 0.5 * diff(window)
    window <- smaller
  }
}

# The distribution of a density on equal steps: a spline of its logarithm, integrated by Simpson's rule on finer steps.
distribution <- function(x, density) {
  top <- which.max(density)
  low <- which(density <= 1e-13 * density[top])
  keep <- seq(max(0, low[low < top]) + 1, min(length(density) + 1, low[low > top]) - 1)
  if (length(keep) < 4) stop("the grid is too coarse")
  log_density <- splinefun(x[keep], log(pmax(density[keep], 1e-300)))
  fine <- seq(x[min(keep)], x[max(keep)], length.out = 8 * (length(keep) - 1) + 1)
  middle <- (fine[-1] + fine[-length(fine)]) / 2
  f <- exp(log_density(fine))
  mass <- c(0, cumsum(f[-length(f)] + 4 * exp(log_density(middle)) + f[-1]))
  list(x = fine, p = mass / max(mass))
}

quantile_of <- function(d, p) {
  smooth <- splinefun(d$x, d$p)
  vapply(p, function(q) {
    i <- findInterval(q, d$p, all.inside = TRUE)
    uniroot(function(x) smooth(x) - q, d$x[c(max(1, i - 1), min(length(d$x), i + 2))], tol = 1e-14)$root
  }, numeric(1))
}

grid <- posterior_grid()
density <- exp(grid$value - max(grid$value))
# The trapezoidal rule; as a function of u the density is even, so its end at 0 counts half.
over_tau <- rep(1, length(grid$u))
over_tau[c(1, length(over_tau))] <- 0.5
of_mu <- drop(density %*% over_tau)
of_tau <- colSums(density)
tails <- c((1 - level) / 2, 0.5, 1 - (1 - level) / 2)
mu_distribution <- distribution(grid$mu, of_mu)
mu_quantiles <- quantile_of(mu_distribution, tails)
# As a function that is even about zero, the density of u has no edge; where it has vanished there, one side is enough.
even <- grid$u[1] == 0 && of_tau[1] > 1e-12 * max(of_tau)
u_distribution <- if (even) distribution(c(-rev(grid$u[-1]), grid$u), c(rev(of_tau[-1]), of_tau)) else distribution(grid$u, of_tau)
tau_quantiles <- width * sinh(quantile_of(u_distribution, if (even) (1 + tails) / 2 else tails))
mu_mean <- sum(of_mu * grid$mu) / sum(of_mu)
mu_sd <- sqrt(sum(of_mu * (grid$mu - mu_mean)^2) / sum(of_mu))
log_evidence <- grid$constant + max(grid$value) + log(sum(of_mu) * grid$step * diff(grid$u[1:2]))

# The true value of a new study: a normal distribution about mu.
whole <- numeric(length(grid$eta))
for (i in seq_along(grid$tau)) {
  one <- numeric(length(grid$eta))
  one[grid$inside] <- density[, i]
  whole <- whole + over_tau[i] * pmax(0, blur(one, grid$step, grid$tau[i])[, 1])
}
new_quantiles <- quantile_of(distribution(grid$eta, whole), tails[c(1, 3)])
back <- function(x) plogis(x)
averaged <- function(eta, step, tau) qlogis(pmin(1 - 1e-15, pmax(1e-15, blur(plogis(eta), step, tau)[, 1])))
lowest <- qlogis(1e-10)
highest <- -lowest
# The population-averaged rate is an increasing function of mu at every tau. `averaged(eta, step, tau)` gives it at the grid, on the scale
# of the link.
below <- lapply(which(of_tau > 1e-13 * max(of_tau)), function(i) {
  d <- distribution(grid$mu, density[, i])
  average <- averaged(grid$eta, grid$step, grid$tau[i])[grid$inside]
  # Beyond these rates the transform leaves rounding errors.
  fine <- is.finite(average) & average > lowest & average < highest
  list(weight = over_tau[i] * of_tau[i], d = splinefun(d$x, d$p), ends = range(d$x), mu = splinefun(average[fine], grid$mu[fine]),
       average = range(average[fine]))
})
average_at_most <- function(value) {
  p <- vapply(below, function(b) {
    mu <- if (value <= b$average[1]) b$ends[1] else if (value >= b$average[2]) b$ends[2] else b$mu(value)
    c(b$weight, if (mu <= b$ends[1]) 0 else if (mu >= b$ends[2]) 1 else b$d(mu))
  }, numeric(2))
  sum(p[1, ] * p[2, ]) / sum(p[1, ])
}
ends <- range(vapply(below, function(b) b$average, numeric(2)))
average_quantiles <- vapply(tails, function(p) uniroot(function(x) average_at_most(x) - p, ends, tol = 1e-13)$root, numeric(1))
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
tau2 <- tau_quantiles[2]^2
tau2_limits <- tau_quantiles[c(1, 3)]^2

# metanet, R, relative difference.
check("estimate", 0.467783, back(mu_quantiles[2]), tolerance, unit = 1e-12)
check("ci_lower", 0.252414, back(mu_quantiles[1]), tolerance, unit = 1e-12)
check("ci_upper", 0.689343, back(mu_quantiles[3]), tolerance, unit = 1e-12)
check("pi_lower", 0.0830708, back(new_quantiles[1]), tolerance, unit = 1e-12)
check("pi_upper", 0.892021, back(new_quantiles[2]), tolerance, unit = 1e-12)
check("marginal_estimate", 0.472192, back(average_quantiles[2]), tolerance, unit = 1e-12)
check("marginal_ci_lower", 0.299275, back(average_quantiles[1]), tolerance, unit = 1e-12)
check("marginal_ci_upper", 0.650527, back(average_quantiles[3]), tolerance, unit = 1e-12)
check("mu", -0.129049, mu_quantiles[2], tolerance, unit = 0.46536694577036974)
check("se", 0.465367, mu_sd, tolerance, unit = 1e-09)
check("mu_lower", -1.08578, mu_quantiles[1], tolerance, unit = 0.46536694577036974)
check("mu_upper", 0.797048, mu_quantiles[3], tolerance, unit = 0.46536694577036974)
check("tau2", 0.715473, tau_quantiles[2]^2, 0.0004, unit = 0.21656639421564225)
check("tau2_lower", 0.163524, tau_quantiles[1]^2, 0.0004, unit = 0.21656639421564225)
check("tau2_upper", 3.61463, tau_quantiles[3]^2, 0.0004, unit = 0.21656639421564225)
check("i2", 0.882431, i2_of(tau2), 0.0004, unit = 0.01)
check("i2_lower", 0.631737, i2_of(tau2_limits[1]), 0.0004, unit = 0.01)
check("i2_upper", 0.974306, i2_of(tau2_limits[2]), 0.0004, unit = 0.01)
check("h2", 8.50567, h2_of(tau2), 0.0004)
check("h2_lower", 2.71545, h2_of(tau2_limits[1]), 0.0004)
check("h2_upper", 38.9193, h2_of(tau2_limits[2]), 0.0004)
check("q", 33.5896, q, tolerance, unit = 1)
check("q_df", 4, k - 1, tolerance)
check("q_pvalue", 9.04508e-07, pchisq(q, k - 1, lower.tail = FALSE), tolerance, unit = 0.001)
check("lrt", 38.0248, lrt, tolerance, unit = 1)
check("lrt_pvalue", 1.10744e-07, pchisq(lrt, k - 1, lower.tail = FALSE), tolerance, unit = 0.001)
check("loglik", -19.4143, log_evidence, tolerance, unit = 1)
finish(c())
