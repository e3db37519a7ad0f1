"""What every figure shares: page, text, axes, scale, style, names of points, saving."""
