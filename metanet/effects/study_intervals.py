"""Exact interval of one study's proportion."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Array = NDArray[np.float64]


def clopper_pearson(events: ArrayLike, total: ArrayLike, level: float = 0.95) -> tuple[Array, Array]:
    """Clopper and Pearson (1934, doi:10.1093/biomet/26.4.404): the exact two-sided interval of a binomial proportion.

    The lower end is 0 where there are no events and the upper end 1 where there are only events. Arrays broadcast; a total of
    0 gives NaN.
    """
    x, n = np.broadcast_arrays(np.asarray(events, dtype=np.float64), np.asarray(total, dtype=np.float64))
    tail = (1.0 - level) / 2
    present = n > 0
    some, rest = np.where(x > 0, x, 1.0), np.where(n - x > 0, n - x, 1.0)
    lower = np.where(x > 0, special.betaincinv(some, n - x + 1.0, tail), 0.0)
    upper = np.where(x < n, special.betainccinv(x + 1.0, rest, tail), 1.0)
    return np.where(present, lower, np.nan), np.where(present, upper, np.nan)
