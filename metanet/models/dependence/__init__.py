"""Arms of one study that depend on each other: cluster-robust intervals and the three-level model."""
