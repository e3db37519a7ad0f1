"""A folder of tables, checked as a whole: rules within a table and across tables."""
