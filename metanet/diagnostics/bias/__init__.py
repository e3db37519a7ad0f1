"""Small-study effects: tests, and estimates adjusted for them."""
