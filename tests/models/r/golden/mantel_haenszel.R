# R script that computes a result of metanet anew and compares the numbers.
#
# Result: Mantel-Haenszel (pooled). Mantel-Haenszel common-effect model; risk ratio; 95 % interval of
#   the mean: normal quantile; added 0.5 to all cells of studies with an empty cell; I2 from Q; the
#   defaults of RevMan 5. metanet
# In R: the formulas of Mantel and Haenszel by hand, with cells corrected as the preset says.
# Needs: R 4.0 or newer; no package.
# Run: Rscript check.R
# Tolerance: 1e-09, relative to the number, or to `unit` where that is larger. The status is 0 where
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
effect <- c(-1.8549383708495863, -0.860941, NA, -0.957113)
variance <- c(2.1946169772256727, 0.31108, NA, 0.618333)
added <- c(0.5, 0, 0, 0)
level <- 0.95
tolerance <- 1e-09

# Effects and variances by the rules of RevMan for empty cells, as metanet computes them; escalc has other rules.
effects <- data.frame(yi = effect, vi = variance)
keep <- is.finite(effects$yi) & is.finite(effects$vi) & effects$vi > 0
yi <- as.numeric(effects$yi[keep])
vi <- effects$vi[keep]
plus <- added[keep]
a <- events[keep] + plus
b <- (total - events)[keep] + plus
c <- events_control[keep] + plus
d <- (total_control - events_control)[keep] + plus
n <- a + b + c + d
centre <- log(sum(a * (c + d) / n) / sum(c * (a + b) / n))
mu <- centre
r <- sum(a * (c + d) / n)
s <- sum(c * (a + b) / n)
se <- sqrt(sum((a + b) * (c + d) * (a + c) / n^2 - a * c / n) / (r * s))
mu_lower <- mu - qnorm(1 - (1 - level) / 2) * se
mu_upper <- mu + qnorm(1 - (1 - level) / 2) * se
q <- sum((yi - mu)^2 / vi)
q_df <- length(yi) - 1
back <- function(x) exp(x)
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

# metanet, R, relative difference.
check("estimate", 0.361214, back(mu), tolerance, unit = 1e-12)
check("ci_lower", 0.154393, back(mu_lower), tolerance, unit = 1e-12)
check("ci_upper", 0.845085, back(mu_upper), tolerance, unit = 1e-12)
check("mu", -1.01828, mu, tolerance, unit = 0.43366416054830914)
check("se", 0.433664, se, tolerance, unit = 1e-09)
check("mu_lower", -1.86825, mu_lower, tolerance, unit = 0.43366416054830914)
check("mu_upper", -0.168319, mu_upper, tolerance, unit = 0.43366416054830914)
check("i2", 0, from_q(q, q_df, level)$i2[1], tolerance, unit = 0.01)
check("i2_lower", 0, from_q(q, q_df, level)$i2[2], tolerance, unit = 0.01)
check("i2_upper", 0.89598, from_q(q, q_df, level)$i2[3], tolerance, unit = 0.01)
check("h2", 1, from_q(q, q_df, level)$h2[1], tolerance)
check("h2_lower", 1, from_q(q, q_df, level)$h2[2], tolerance)
check("h2_upper", 9.61353, from_q(q, q_df, level)$h2[3], tolerance)
check("q", 0.404594, q, tolerance, unit = 1)
check("q_df", 2, q_df, tolerance)
check("q_pvalue", 0.816852, pchisq(q, q_df, lower.tail = FALSE), tolerance, unit = 0.001)
finish(c())
