# The likelihood of the model with random study effects. In each study the log odds are alpha + sigma u plus or minus half of theta + tau z,
# with u and z standard normal. Both are integrated by the trapezoidal rule on a grid about the peak of the integrand.
grid_points <- as.matrix(expand.grid(x = seq(-8, 8, by = 0.4), y = seq(-8, 8, by = 0.4)))
one_group <- function(x, n, p) lchoose(n, x) + x * plogis(p, log.p = TRUE) + (n - x) * plogis(-p, log.p = TRUE)
deviance_at <- function(par) {
  tau <- par[1]
  theta <- par[2]
  alpha <- par[3]
  sigma <- par[4]
  value <- function(u, z, i = seq_len(k)) {
    half <- (theta + tau * z) / 2
    one_group(events[i], total[i], alpha + sigma * u + half) + one_group(events_control[i], total_control[i], alpha + sigma * u - half) -
      (u^2 + z^2) / 2
  }
  u <- numeric(k)
  z <- numeric(k)
  for (i in 1:100) {
    half <- (theta + tau * z) / 2
    p1 <- alpha + sigma * u + half
    p0 <- alpha + sigma * u - half
    r1 <- events - total * plogis(p1)
    r0 <- events_control - total_control * plogis(p0)
    w1 <- total * dlogis(p1)
    w0 <- total_control * dlogis(p0)
    gu <- sigma * (r1 + r0) - u
    gz <- tau / 2 * (r1 - r0) - z
    huu <- 1 + sigma^2 * (w1 + w0)
    hzz <- 1 + tau^2 / 4 * (w1 + w0)
    huz <- sigma * tau / 2 * (w1 - w0)
    det <- huu * hzz - huz^2
    du <- (hzz * gu - huz * gz) / det
    dz <- (huu * gz - huz * gu) / det
    if (max(abs(du), abs(dz)) < 1e-9) break
    now <- value(u, z)
    length <- rep(1, k)
    for (j in 1:40) {
      worse <- value(u + length * du, z + length * dz) < now - 1e-10
      if (!any(worse)) break
      length[worse] <- length[worse] / 2
    }
    u <- u + length * du
    z <- z + length * dz
  }
  # The grid in units of the curvature at the peak.
  l11 <- 1 / sqrt(huu - huz^2 / hzz)
  l21 <- -huz / hzz * l11
  l22 <- 1 / sqrt(hzz)
  top <- value(u, z)
  x <- grid_points[, 1]
  y <- grid_points[, 2]
  sums <- vapply(seq_len(k), function(i) sum(exp(value(u[i] + l11[i] * x, z[i] + l21[i] * x + l22[i] * y, i) - top[i])), numeric(1))
  -2 * sum(top + log(sums * 0.4^2 * l11 * l22 / (2 * pi)))
}
rate <- c(sum(events) / sum(total), sum(events_control) / sum(total_control))
rate <- pmin(1 - 1e-6, pmax(1e-6, rate))
start <- c(0.5, qlogis(rate[1]) - qlogis(rate[2]), mean(qlogis(rate)), 0.5)
