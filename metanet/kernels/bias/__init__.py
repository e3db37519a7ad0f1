"""Small-study effects and publication bias: lines, tests, adjusted estimates, selection models."""
