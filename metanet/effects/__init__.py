"""Counts to effect sizes and back, and the exact intervals of single studies; NumPy and SciPy only."""
