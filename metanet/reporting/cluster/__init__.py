"""Reports and simulations on the workers of a Dask cluster."""
