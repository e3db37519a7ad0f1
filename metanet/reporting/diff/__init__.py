"""Changes between two runs of reports, and the rows that caused them."""
