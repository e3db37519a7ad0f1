"""The part of the method: multiverse, calibration, permutation, p-value functions."""
