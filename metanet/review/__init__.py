"""The review room: a fresh folder for a review on any topic, and importers that fill it from other programs' files."""
