"""Tables or arrays to fitted results: `pool`, `pool_many`, `pool_arrays` and the result object."""
