"""Results to checks: how far a pooled number depends on its studies and on the method, and the heterogeneity."""
