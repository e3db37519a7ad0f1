"""Meta-regression: formulas, the two fits, the result."""
