# The upper tail of a weighted sum of chi-squared variables with one degree of freedom, as a mixture of chi-squared distributions with more
# and more degrees of freedom (Ruben 1962).
upper_tail <- function(q, weights) {
  scale <- min(weights)
  ratio <- 1 - scale / weights
  powers <- ratio
  g <- numeric()
  share <- prod(sqrt(scale / weights))
  while (sum(share) < 1 - 1e-13 && length(share) < 20000) {
    j <- length(share)
    g[j] <- sum(powers)
    powers <- powers * ratio
    share[j + 1] <- sum(g[j:1] * share) / (2 * j)
  }
  sum(share * pchisq(q / scale, length(weights) + 2 * (seq_along(share) - 1), lower.tail = FALSE)) + 1 - sum(share)
}
