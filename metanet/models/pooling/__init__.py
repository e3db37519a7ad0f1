"""`pool`, `pool_many` and `pool_arrays`, and the batch that all three fill."""
