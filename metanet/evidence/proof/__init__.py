"""Which whole numbers the figures that a source prints can be: exact sets of counts, denominators and divisions of a total."""
