"""Array mathematics with the batch axis first, on NumPy and SciPy alone.

A kernel takes arrays `[..., k]` in which an absent study carries no weight and returns arrays `[...]`. One fit is a
batch of one; leave-one-out is a matrix of masks; many groups are padded rows. There is no second path.
"""
