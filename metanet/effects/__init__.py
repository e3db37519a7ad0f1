"""Counts to effect sizes and back, and the intervals of single studies; NumPy and SciPy only."""
