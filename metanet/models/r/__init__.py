"""R scripts that compute the numbers of a result anew: the text of a script, and an R form for every model."""
