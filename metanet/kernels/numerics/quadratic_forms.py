"""Probabilities of sums of squares of normal variables."""

from __future__ import annotations

import numpy as np
from scipy import special

from metanet.base.arrays import Array

#: Terms of the mixture.
_TERMS = 600


def outside(mean: Array, covariance: Array, radius: float) -> Array:
    """``P(|x|^2 > radius)`` for normal x with mean ``[n, q]`` and covariance ``[n, q, q]``: a mixture of chi-squared probabilities.

    Ruben (1962, doi:10.1214/aoms/1177704580): with the least variance as the unit all weights are positive and sum to one, so that
    what is left of them bounds the error.
    """
    value, vector = np.linalg.eigh(covariance)
    value = np.maximum(value, 1e-12)
    square = ((mean[:, None, :] @ vector)[:, 0] ** 2) / value
    unit = value[:, :1]
    rest = 1.0 - unit / value
    q = value.shape[1]
    log_first = -0.5 * square.sum(-1) + 0.5 * np.log(unit / value).sum(-1)
    weights, shares = [np.exp(log_first)], []
    left = 1.0 - weights[0]
    for term in range(1, _TERMS):
        shares.append((rest**term).sum(-1) + term * (unit / value * square * rest ** (term - 1)).sum(-1))
        weights.append(sum(g * a for g, a in zip(shares, reversed(weights), strict=True)) / (2 * term))
        left = left - weights[-1]
        if (left < 1e-9).all():
            break
    tails = special.chdtrc(q + 2.0 * np.arange(len(weights)), radius / unit)
    return np.asarray((np.stack(weights, -1) * tails).sum(-1) + np.maximum(left, 0.0))
