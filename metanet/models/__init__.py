"""Tables or arrays to fitted results: pooling, comparison, regression, dependence, Bayes."""
