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
