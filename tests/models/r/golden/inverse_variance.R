# R script that computes a result of metanet anew and compares the numbers.
#
# Result: Inverse-variance model (pooled). Inverse-variance random-effects model; Freeman-Tukey double
#   arcsine of the proportion; tau2 by REML; 95 % interval of the mean: Hartung-Knapp method, t with k
#   - 1 degrees of freedom; interval of tau2: Q-profile; prediction interval:
#   Higgins-Thompson-Spiegelhalter method, t with k - 2 degrees of freedom. metanet
# In R: rma.uni of metafor with method = "REML".
# Needs: R 4.0 or newer with metafor.
# Run: Rscript check.R
# Tolerance: 1e-06, relative to the number, or to `unit` where that is larger. The status is 0 where
#   every number is within it, 1 where one is not, 3 where a package is missing.

if (!requireNamespace("metafor", quietly = TRUE)) {
  cat("metanet-check: {\"missing\": [\"metafor\"]}\n")
  quit(save = "no", status = 3)
}
suppressMessages(library(metafor))
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
tolerance <- 1e-06

effects <- escalc(measure = "PFT", xi = events, ni = total, add = 0, to = "none")
keep <- is.finite(effects$yi) & is.finite(effects$vi) & effects$vi > 0
yi <- as.numeric(effects$yi[keep])
vi <- effects$vi[keep]
size <- total[keep]
fit <- rma.uni(yi, vi, method = "REML", test = "knha", level = 100 * level, control = list(threshold = 1e-12, maxiter = 10000, tau2.max = 1e6, tol = 1e-14))
mu <- c(fit$beta)
se <- fit$se
mu_lower <- fit$ci.lb
mu_upper <- fit$ci.ub
tau2 <- fit$tau2
q <- fit$QE
back <- function(x) {
  # The inverse of Miller (1978) at the harmonic mean of the sizes; 0 and 1 beyond the angles that 0 and all events have.
  n <- length(size) / sum(1 / size)
  ends <- c(asin(sqrt(1 / (n + 1))) / 2, (pi / 2 + asin(sqrt(n / (n + 1)))) / 2)
  x <- pmin(ends[2], pmax(ends[1], x))
  s <- sin(2 * x)
  0.5 * (1 - sign(cos(2 * x)) * sqrt(pmax(0, 1 - (s + (s - 1 / s) / n)^2)))
}
q_df <- length(yi) - 1
w <- 1 / (vi + tau2)
# The Q-profile interval. confint of metafor gives the same where its search reaches the limits.
generalised <- function(x) sum((yi - sum(yi / (vi + x)) / sum(1 / (vi + x)))^2 / (vi + x))
limit <- function(p) {
  target <- qchisq(p, length(yi) - 1)
  if (generalised(0) < target) return(0)
  end <- max(vi)
  while (generalised(end) > target) end <- 2 * end
  uniroot(function(x) generalised(x) - target, c(0, end), tol = 1e-16)$root
}
tau2_limits <- c(limit(1 - (1 - level) / 2), limit((1 - level) / 2))
new_limits <- mu + c(-1, 1) * qt(1 - (1 - level) / 2, q_df - 1) * sqrt(tau2 + 1 / sum(w))
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
typical <- typical_of(vi)
# The response averaged over the random effect; the pieces end where it reaches an edge.
average <- function(mu, tau) {
  if (tau == 0) return(back(mu))
  n <- length(size) / sum(1 / size)
  ends <- sort(c(-12, 12, pmin(12, pmax(-12, (c(asin(sqrt(1 / (n + 1))) / 2, (pi / 2 + asin(sqrt(n / (n + 1)))) / 2) - mu) / tau)), pmin(12, pmax(-12, -mu / tau))))
  sum(vapply(which(diff(ends) > 0), function(i) {
    integrate(function(z) back(mu + tau * z) * dnorm(z), ends[i], ends[i + 1], rel.tol = 1e-10, abs.tol = 0,
              subdivisions = 2000, stop.on.error = FALSE)$value
  }, numeric(1)))
}

# metanet, R, relative difference.
check("estimate", 0.467826, back(mu), tolerance, unit = 1e-12)
check("ci_lower", 0.240879, back(mu_lower), tolerance, unit = 1e-12)
check("ci_upper", 0.701553, back(mu_upper), tolerance, unit = 1e-12)
check("pi_lower", 0.00367642, back(new_limits[1]), tolerance, unit = 1e-12)
check("pi_upper", 0.978749, back(new_limits[2]), tolerance, unit = 1e-12)
check("marginal_estimate", 0.469772, average(mu, sqrt(tau2)), tolerance, unit = 1e-12)
check("marginal_ci_lower", 0.256722, average(mu_lower, sqrt(tau2)), tolerance, unit = 1e-12)
check("marginal_ci_upper", 0.6893, average(mu_upper, sqrt(tau2)), tolerance, unit = 1e-12)
check("mu", 0.754309, mu, tolerance, unit = 0.08321145719454684)
check("se", 0.0832115, se, tolerance, unit = 1e-09)
check("mu_lower", 0.523277, mu_lower, tolerance, unit = 0.08321145719454684)
check("mu_upper", 0.985341, mu_upper, tolerance, unit = 0.08321145719454684)
check("tau2", 0.0309724, tau2, tolerance, unit = 0.006924146608439901)
check("tau2_lower", 0.00754079, tau2_limits[1], tolerance, unit = 0.006924146608439901)
check("tau2_upper", 0.255888, tau2_limits[2], tolerance, unit = 0.006924146608439901)
check("i2", 0.856758, i2_of(tau2), tolerance, unit = 0.01)
check("i2_lower", 0.592871, i2_of(tau2_limits[1]), tolerance, unit = 0.01)
check("i2_upper", 0.980165, i2_of(tau2_limits[2]), tolerance, unit = 0.01)
check("h2", 6.98118, h2_of(tau2), tolerance)
check("h2_lower", 2.45623, h2_of(tau2_limits[1]), tolerance)
check("h2_upper", 50.4153, h2_of(tau2_limits[2]), tolerance)
check("q", 38.5528, q, tolerance, unit = 1)
check("q_df", 4, length(yi) - 1, tolerance)
check("q_pvalue", 8.61721e-08, pchisq(q, length(yi) - 1, lower.tail = FALSE), tolerance, unit = 0.001)
finish(c("metafor"))
