"""Risk of bias: tools, judgements of assessors, and what follows from them."""
