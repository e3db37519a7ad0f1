"""The figures: one file each, entered into the registry by its decorator."""
