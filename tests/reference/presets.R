# What meta 8.4-0 gives by its defaults where cells are empty; the values are in test_presets.py, to the digits printed.
library(meta)

e <- c(0, 4, 6, 2); n <- c(20, 40, 50, 31)
ec <- c(3, 9, 5, 6); nc <- c(21, 38, 52, 30)
show <- function(m) cat(sprintf("%.4f ", c(m$TE.common, m$seTE.common, m$TE.random, m$tau2, m$Q)), "\n")

# Studies of which one has only events in both groups, and a set with other empty cells.
show(metabin(c(20, 14, 30), c(20, 40, 50), c(21, 19, 25), c(21, 38, 52)))
show(metabin(c(20, 14, 30, 9), c(20, 40, 50, 21), c(15, 19, 25, 7), c(21, 38, 52, 30)))
# Risk difference: only the variance is corrected. Peto's odds ratio: nothing is.
show(metabin(e, n, ec, nc, sm = "RD", method = "Inverse"))
show(metabin(e, n, ec, nc, sm = "OR", method = "Peto"))
# Mantel-Haenszel: corrected cells; the standard error of a risk difference without a correction.
show(metabin(e, n, ec, nc, sm = "OR"))
show(metabin(e, n, ec, nc, sm = "RD", incr = 0))
# hine1989: the risk ratio is the default, and Q is about the inverse-variance mean.
show(metabin(c(2, 4, 6, 7, 7, 11), c(39, 44, 107, 103, 110, 154), c(1, 4, 4, 5, 3, 4), c(43, 44, 110, 100, 106, 146)))
