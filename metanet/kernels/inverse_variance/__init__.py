"""The normal-normal (inverse-variance) model: heterogeneity, intervals, prediction, regression, three levels, clusters."""
