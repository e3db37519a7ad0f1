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
