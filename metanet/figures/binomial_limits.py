"""Exact limits of a funnel of rates: where a rate may lie by chance, at every size of a study."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]


def chance_limits(size: Array, rate: float, p: float, *, timed: bool = False) -> tuple[Array, Array]:
    """Limits of the rate of a study of `size` ``[m]`` patients (or units of time) whose true rate is `rate`, two-sided at `p`.

    Interpolated quantiles of the count: with ``r`` the smallest count whose distribution function F reaches the tail probability q,
    the limit is ``(r - (F(r) - q) / (F(r) - F(r - 1))) / size``, so that the limit does not jump from count to count.
    Poisson instead of binomial where `timed`.

    References
    ----------
    Spiegelhalter (2005), doi:10.1002/sim.1970.
    """
    size = np.asarray(size, dtype=float)
    if rate <= 0 or (rate >= 1 and not timed):
        edge = np.full(size.shape, float(np.clip(rate, 0.0, np.inf)))
        return edge, edge
    lower, upper = (_quantile(size, rate, q, timed) / size for q in (p / 2, 1 - p / 2))
    most = np.inf if timed else 1.0
    return np.clip(lower, 0.0, most), np.clip(upper, 0.0, most)


def _quantile(size: Array, rate: float, q: float, timed: bool) -> Array:
    mean = size * rate

    def below(count: Array) -> Array:
        """The distribution function, 0 under 0."""
        known = np.maximum(count, 0.0)
        if timed:
            value = special.gammaincc(known + 1.0, mean)
        else:
            inside = np.minimum(known, size - 1.0)
            value = np.where(known >= size, 1.0, special.betaincc(inside + 1.0, size - inside, rate))
        return np.where(count < 0, 0.0, value)

    # A bracket, then halves of whole numbers: at most some twenty rounds.
    low = np.full(size.shape, -1.0)
    high = np.ceil(mean + 12.0 * np.sqrt(mean) + 30.0) if timed else np.floor(size)
    while (wide := high - low > 1).any():
        middle = np.floor((low + high) / 2)
        enough = below(middle) >= q
        high, low = np.where(wide & enough, middle, high), np.where(wide & ~enough, middle, low)
    at, before = below(high), below(high - 1.0)
    return np.asarray(high - (at - q) / (at - before))
