"""From results to what a reader gets in hand: tables and texts."""
