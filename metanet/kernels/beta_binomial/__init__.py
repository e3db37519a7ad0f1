"""The beta-binomial model: likelihood, maximum, profile intervals, the distribution of rates."""
