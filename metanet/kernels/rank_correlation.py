"""Kendall's rank correlation for batches, and Begg's test on it.

Begg and Mazumdar (1994, doi:10.2307/2533446): the rank correlation of the standardised effects ``(y - mean) / sqrt(v - 1 / sum w)``,
at the common-effect mean, with their sampling variances.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from metanet.kernels.weighted_line import varies

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: Above this many studies the normal approximation stands in for the exact distribution; they agree to three digits there.
EXACT_UP_TO = 200


@dataclass(frozen=True)
class Kendall:
    """tau-b, concordant less discordant pairs, two-sided p-value, whether it is exact, and the normal statistic, each ``[b]``.

    The normal statistic is NaN where the p-value is exact; all are NaN where a variable is constant.
    """

    tau: Array
    pairs: Array
    pvalue: Array
    exact: Mask
    z: Array


@lru_cache(maxsize=64)
def _tail(k: int) -> Array:
    """P(discordant pairs <= d) for a random order of k values without ties, ``[k (k - 1) / 2 + 1]``."""
    density = np.ones(1)
    for size in range(2, k + 1):
        # Putting the next value in place adds 0 .. size - 1 discordant pairs, each with the same probability.
        padded = np.concatenate([density, np.zeros(size - 1)])
        running = np.cumsum(padded)
        running[size:] -= running[:-size].copy()
        density = running / size
    return np.minimum(np.cumsum(density), 1.0)


def kendall(x: Array, y: Array, present: Mask) -> Kendall:
    """Rank correlation of two variables ``[b, k]`` over the studies present.

    Without ties the p-value is exact (up to `EXACT_UP_TO` studies), with ties it is normal with the variance corrected for them and
    no continuity correction (Kendall 1970, Rank Correlation Methods). Pairs make the time grow with the square of k, memory does not.
    """
    b, k = x.shape
    count = present.sum(-1).astype(np.float64)
    pairs, tied_x, tied_y = np.zeros(b), np.zeros((b, k)), np.zeros((b, k))
    for lag in range(1, k):
        both = present[:, lag:] & present[:, :-lag]
        up = np.where(both, np.sign(x[:, lag:] - x[:, :-lag]), 0.0)
        across = np.where(both, np.sign(y[:, lag:] - y[:, :-lag]), 0.0)
        pairs += (up * across).sum(-1)
        for tied, sign in ((tied_x, up), (tied_y, across)):
            equal = both & (sign == 0)
            tied[:, lag:] += equal
            tied[:, :-lag] += equal
    # A value with c equals adds c to sum t (t - 1), and likewise for the other sums over groups of ties.
    twos_x, twos_y = tied_x.sum(-1), tied_y.sum(-1)
    n2 = count * (count - 1)
    clean = (twos_x == 0) & (twos_y == 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        tau = pairs / (0.5 * np.sqrt((n2 - twos_x) * (n2 - twos_y)))
        base = n2 * (2 * count + 5) - (tied_x * (2 * tied_x + 7)).sum(-1) - (tied_y * (2 * tied_y + 7)).sum(-1)
        threes = (tied_x * (tied_x - 1)).sum(-1) * (tied_y * (tied_y - 1)).sum(-1)
        variance = base / 18 + twos_x * twos_y / (2 * n2)
        variance = variance + np.where(count > 2, threes / (9 * n2 * (count - 2)), 0.0)
        z = pairs / np.sqrt(variance)
    exact = clean & (count <= EXACT_UP_TO)
    pvalue = np.minimum(1.0, special.erfc(np.abs(z) / np.sqrt(2.0)))
    for size in np.unique(count[exact & (count > 1)]).astype(int):
        rows = np.flatnonzero(exact & (count == size))
        discordant = np.round((size * (size - 1) / 2 - np.abs(pairs[rows])) / 2).astype(int)
        pvalue[rows] = np.minimum(1.0, 2.0 * _tail(int(size))[discordant])
    known = np.isfinite(tau) & (count > 1)
    nan = np.where(known, 1.0, np.nan)
    return Kendall(tau * nan, pairs * nan, pvalue * nan, exact & known, np.where(exact, np.nan, z) * nan)


def begg(y: Array, v: Array) -> Kendall:
    """Begg and Mazumdar's test of effects ``[b, k]``; NaN for fewer than three studies and for equal effects."""
    present = np.isfinite(v)
    w = 1.0 / v
    total = w.sum(-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (w * y).sum(-1, keepdims=True) / total
        # v - 1 / sum w, without the loss of digits where one study holds nearly all the weight.
        spread = np.where(present, v, 1.0) * np.maximum((total - w) / total, 1e-300)
        deviate = np.where(present, (y - mean) / np.sqrt(spread), 0.0)
    usable = varies(y, present) & (present.sum(-1) > 2)
    return kendall(deviate, np.where(present, v, 0.0), present & usable[:, None])
