"""The supplement of a run: evidence, notebooks, numbers and figures in one zip file."""
