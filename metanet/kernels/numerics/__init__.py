"""Numerics that several models use: Newton's method, root finding, distributions."""
