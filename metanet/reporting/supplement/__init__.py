"""The supplement of a run: evidence, notebooks, numbers and figures in one zip file, described for people and for programs."""
