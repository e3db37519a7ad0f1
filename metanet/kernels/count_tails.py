"""Both tails of a count, P(Y < y) and P(Y > y), each by its own incomplete beta or gamma function: small ones keep their digits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]


def binomial_tails(y: Array, n: Array, rate: Array) -> tuple[Array, Array]:
    """P(Y < y) and P(Y > y) of a binomial count; both zero for a study that is absent (n = 0)."""
    inner, outer = np.maximum(y, 1.0), np.maximum(n - y, 1.0)
    below = np.where(y > 0, special.betaincc(inner, n - inner + 1.0, rate), 0.0)
    above = np.where(y < n, special.betainc(n - outer + 1.0, outer, rate), 0.0)
    return below, above


def poisson_tails(y: Array, expected: Array) -> tuple[Array, Array]:
    """P(Y < y) and P(Y > y) of a Poisson count."""
    return np.where(y > 0, special.gammaincc(np.maximum(y, 1.0), expected), 0.0), special.gammainc(y + 1.0, expected)
