"""The explorer: one view of the evidence at a time, with the code that reproduces it."""
