"""The papermill engine: every notebook runs in a fork of a warm parent."""
