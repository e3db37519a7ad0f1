"""Array mathematics with the batch axis first, on NumPy and SciPy alone."""
