"""Fisher's exact test of equal rates in several groups: the distribution of the events over the groups given their sum.

Fisher (1922, doi:10.2307/2340521); several groups: Freeman and Halton (1951, doi:10.1093/biomet/38.1-2.141). A table counts as
at least as extreme where its probability does not exceed that of the observed one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

Array = NDArray[np.float64]

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
