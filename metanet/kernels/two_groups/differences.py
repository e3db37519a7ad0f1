"""Differences between groups: Fisher's exact test, and intervals of a difference and a ratio from two single intervals."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln

from metanet.base.arrays import Array

# Fisher's exact test of equal rates in several groups: the distribution of the events over the groups given their sum.
#
# Fisher (1922, doi:10.2307/2340521); several groups: Freeman and Halton (1951, doi:10.1093/biomet/38.1-2.141). A table counts as
# at least as extreme where its probability does not exceed that of the observed one.


#: Tables that are listed; beyond, so many are drawn.
_LISTED, _DRAWN = 2_000_000, 200_000
#: Probabilities that differ by less than this fraction are equal: rounding must not decide a tie.
_TIE = 1e-9


def fisher(events: Array, total: Array, seed: int = 0) -> tuple[float, bool]:
    """Two-sided p-value of equal rates in groups ``[g]``, and whether all tables were listed (else a sample stands for them)."""
    whole = int(events.sum())
    order = np.argsort(-total, kind="stable")
    events, total = events[order], total[order]
    observed = float(_log_weight(events, total).sum())
    widths = np.minimum(total, whole) + 1
    # The largest group takes what the others leave.
    if np.log(widths[1:]).sum() > np.log(_LISTED):
        counts = np.random.default_rng(seed).multivariate_hypergeometric(total.astype(np.int64), whole, _DRAWN)
        weight = _log_weight(counts.astype(float), total).sum(-1)
        extreme = weight <= observed + _TIE
        return float((1 + extreme.sum()) / (1 + _DRAWN)), False
    sums, weight = np.zeros(1), np.zeros(1)
    for n, width in zip(total[1:], widths[1:], strict=True):
        count = np.arange(width)
        sums = (sums[:, None] + count).ravel()
        weight = (weight[:, None] + _log_weight(count, np.full(count.shape, n))).ravel()
        fine = sums <= whole
        sums, weight = sums[fine], weight[fine]
    rest = whole - sums
    fine = rest <= total[0]
    rest, weight = rest[fine], weight[fine]
    weight = weight + _log_weight(rest, np.full(rest.shape, total[0]))
    mass = np.exp(weight - weight.max())
    extreme = weight <= observed + _TIE
    return float(min(1.0, mass[extreme].sum() / mass.sum())), True


def _log_weight(events: Array, total: Array) -> Array:
    """Logarithm of the number of ways to choose."""
    return np.asarray(gammaln(total + 1) - gammaln(events + 1) - gammaln(total - events + 1))


# Intervals of a difference and of a ratio of two independent quantities, from the interval that each has by itself.
#
# The method of variance estimates recovery: each limit takes the part of the two intervals that lies towards it, so that asymmetric
# and exact intervals, also those of a group without events, carry over (Zou and Donner 2008, doi:10.1002/sim.3095; ratios by
# Donner and Zou 2012, doi:10.1177/0962280210383082).


def difference(first: Array, low1: Array, high1: Array, second: Array, low2: Array, high2: Array) -> tuple[Array, Array, Array]:
    """``first - second`` and its limits."""
    gap = first - second
    return (
        gap,
        gap - np.sqrt((first - low1) ** 2 + (high2 - second) ** 2),
        gap + np.sqrt((high1 - first) ** 2 + (second - low2) ** 2),
    )


def ratio(first: Array, low1: Array, high1: Array, second: Array, low2: Array, high2: Array) -> tuple[Array, Array, Array]:
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
