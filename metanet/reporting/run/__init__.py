"""Making reports: one, all, the journal of what was made, and stores elsewhere."""
