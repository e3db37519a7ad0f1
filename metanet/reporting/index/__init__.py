"""The index page of a folder of reports."""
