"""What moved between two runs of reports, by how much, and which rows moved it."""
