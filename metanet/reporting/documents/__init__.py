"""Reports as documents: what an executed notebook shows, as a model of plain texts, and the files that are made from it."""
