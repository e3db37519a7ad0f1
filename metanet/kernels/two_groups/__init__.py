"""Two groups by their counts: Mantel-Haenszel, Peto, the exact random-effects models, differences."""
