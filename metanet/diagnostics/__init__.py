"""Results to checks: what happens to a pooled number when its studies change, and what its spread means."""
