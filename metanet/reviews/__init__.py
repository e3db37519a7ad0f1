"""A new folder for a review on any topic, and importers that fill it from the files of other programs."""
