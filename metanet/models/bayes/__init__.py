"""`bayes_pool` and its result."""
