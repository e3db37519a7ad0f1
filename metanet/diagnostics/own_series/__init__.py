"""A series of one's own against what the pooled studies predict, and performance goals for a new one."""
