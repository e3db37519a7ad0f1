"""Notebooks to reports: parameters, execution, export, batch, index. The only room that knows papermill and nbconvert."""
