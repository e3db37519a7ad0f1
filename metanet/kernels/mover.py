"""Intervals of a difference and of a ratio of two independent quantities, from the interval that each has by itself.

The method of variance estimates recovery: each limit takes the part of the two intervals that lies towards it, so that asymmetric
and exact intervals, also those of a group without events, carry over (Zou and Donner 2008, doi:10.1002/sim.3095; ratios by
Donner and Zou 2012, doi:10.1177/0962280210383082).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def difference(
    first: Array, low1: Array, high1: Array, second: Array, low2: Array, high2: Array
) -> tuple[Array, Array, Array]:
    """``first - second`` and its limits."""
    gap = first - second
    return (
        gap,
        gap - np.sqrt((first - low1) ** 2 + (high2 - second) ** 2),
        gap + np.sqrt((high1 - first) ** 2 + (second - low2) ** 2),
    )


def ratio(
    first: Array, low1: Array, high1: Array, second: Array, low2: Array, high2: Array
) -> tuple[Array, Array, Array]:
    """``first / second`` of quantities that are not negative, and its limits; no upper limit where the second may be zero."""
    product = first * second

    def end(mine: Array, other: Array, sign: float) -> Array:
        # Fieller's form: the roots of (first - r second)^2 = (distance of first)^2 + r^2 (distance of second)^2.
        inner = product**2 - mine * other * (2 * first - mine) * (2 * second - other)
        return np.asarray((product + sign * np.sqrt(np.maximum(inner, 0.0))) / (other * (2 * second - other)))

    with np.errstate(divide="ignore", invalid="ignore"):
        value = first / second
        lower = np.where(high2 > 0, end(low1, high2, -1.0), np.nan)
        upper = np.where((low2 > 0) & (2 * second > low2), end(high1, low2, 1.0), np.inf)
    nothing = (first == 0) & (second == 0)
    return tuple(np.where(nothing, np.nan, x) for x in (value, np.maximum(lower, 0.0), upper))  # type: ignore[return-value]
