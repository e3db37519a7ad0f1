"""Tables and texts made from results."""
