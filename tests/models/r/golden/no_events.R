# R script that computes a result of metanet anew and compares the numbers.
#
# Result: Binomial-normal model (no events). Exact (Clopper-Pearson) 95 % interval of the summed
#   counts. metanet
# In R: binom.test on the summed counts.
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

study <- c("Study 1", "Study 2", "Study 3")
events <- c(0, 0, 0)
total <- c(10, 20, 30)
level <- 0.95
tolerance <- 1e-09

exact <- binom.test(sum(events), sum(total), conf.level = level)

# metanet, R, relative difference.
check("estimate", 0, exact$estimate, tolerance, unit = 1e-12)
check("ci_lower", 0, exact$conf.int[1], tolerance, unit = 1e-12)
check("ci_upper", 0.0596295, exact$conf.int[2], tolerance, unit = 1e-12)
check("marginal_estimate", 0, exact$estimate, tolerance, unit = 1e-12)
check("marginal_ci_lower", 0, exact$conf.int[1], tolerance, unit = 1e-12)
check("marginal_ci_upper", 0.0596295, exact$conf.int[2], tolerance, unit = 1e-12)
finish(c())
