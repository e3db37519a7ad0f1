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
