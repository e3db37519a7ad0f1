"""Response categories (complete and partial response, stable and progressive disease) pooled as one distribution."""
