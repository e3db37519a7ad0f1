"""Files of other programs to counts of study arms; one file a format."""
