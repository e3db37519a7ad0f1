"""The result of a pooling: the numbers, the method stamp, the notes, the table of studies."""
