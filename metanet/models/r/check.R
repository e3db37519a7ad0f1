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
