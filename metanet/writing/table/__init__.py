"""A table and the formats it is exported to: HTML, LaTeX, Word, Excel."""
