"""The forest plot: rows and columns, layout, drawing, presets, captions."""
