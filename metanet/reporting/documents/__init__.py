"""Executed notebooks as HTML pages, PDF and Word files."""
