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
