"""Notebooks to reports. The only room that imports papermill, nbconvert and dask."""
