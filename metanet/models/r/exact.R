# The likelihood with a normal random effect, in base R: that of every study on a grid of its true value, averaged over the normal
# distribution by the Fourier transform and taken at the mean by the same transform. `log_likelihood(eta)` has a column for each study,
# `width` is the width of the narrowest.
exact_deviance <- function(centre, reach, width) {
  step <- 0.7 * width
  m <- 2^ceiling(log2(2 * reach / step))
  eta <- centre + step * (seq_len(m) - m / 2)
  height <- log_likelihood(eta)
  top <- apply(height, 2, max)
  # To the transform the grid is a circle: a likelihood that does not vanish at its ends is led to zero there.
  ends <- pnorm(seq_len(m) / 3 - 7) * pnorm((m + 1 - seq_len(m)) / 3 - 7)
  transformed <- mvfft(ends * exp(sweep(height, 2, top)))
  frequency <- 2 * pi * c(0:(m / 2), -rev(seq_len(m / 2 - 1))) / (m * step)
  function(par) {
    averaged <- Re(colSums(transformed * exp(1i * frequency * (par[2] - eta[1]) - (par[1] * frequency)^2 / 2))) / m
    -2 * sum(log(pmax(averaged, 1e-300)) + top)
  }
}
