"""Permutations and subsets of the studies, all in one batch."""
