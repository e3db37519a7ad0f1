"""Permutation test of a pooled effect: under the null every study's deviation from it is as likely to lie on the other side.

For every assignment of signs the whole analysis is repeated, tau2 included, on ``s_i (y_i - null)``; the p-value is the share of
assignments whose statistic is at least as extreme as the observed one, which is counted (Follmann and Proschan 1999,
doi:10.1111/j.0006-341X.1999.00732.x). A statistic and its mirror image are equal, so half of the assignments suffice.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from metanet.kernels.two_step import study_count, weighted_mean

Array = NDArray[np.float64]
Estimator = Callable[[Array, Array], Array]

#: Statistics that differ by less than this fraction are ties: rounding must not decide whether the observed one counts itself.
_TIE = 1e-9


def all_signs(k: int) -> Array:
    """Half of all assignments ``[2^(k - 1), k]``: the first study keeps its sign. The first row is the observed one."""
    numbers = np.arange(2 ** (k - 1))[:, None]
    rest = 1.0 - 2.0 * ((numbers >> np.arange(k - 1)) & 1)
    return np.concatenate([np.ones((numbers.size, 1)), rest], axis=1)


def random_signs(k: int, count: int, random: np.random.Generator) -> Array:
    """`count` random assignments ``[count, k]``; the observed one stands first."""
    out = np.where(random.random((count, k)) < 0.5, -1.0, 1.0)
    out[0] = 1.0
    return out


def statistics(y: Array, v: Array, estimator: Estimator | None, *, scaled: bool) -> Array:
    """``mean / se`` of each row ``[b]``; `scaled` by Hartung and Knapp's residual variance, which may be zero."""
    tau2 = np.zeros(y.shape[0]) if estimator is None else estimator(y, v)
    fit = weighted_mean(y, v, tau2)
    variance = fit.variance * fit.q / (study_count(v) - 1) if scaled else fit.variance
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(fit.mean == 0, 0.0, fit.mean / np.sqrt(variance))


def p_values(y: Array, v: Array, nulls: Array, signs: Array, estimator: Estimator | None, *, scaled: bool) -> Array:
    """Two-sided p-values ``[m]`` of the null effects `nulls` ``[m]``; effects and variances are ``[k]``, signs ``[n, k]``."""
    n, k = signs.shape
    out = np.empty(nulls.size)
    per_piece = max(1, 40_000 // k)
    for i, null in enumerate(nulls):
        size = np.empty(n)
        for start in range(0, n, per_piece):
            part = signs[start : start + per_piece]
            flipped = part * (y - null)
            size[start : start + per_piece] = np.abs(
                statistics(flipped, np.broadcast_to(v, flipped.shape), estimator, scaled=scaled)
            )
        out[i] = (size >= size[0] * (1 - _TIE)).mean()
    return out


def interval(
    y: Array, v: Array, signs: Array, estimator: Estimator | None, *, scaled: bool, level: float, digits: float = 1e-6
) -> tuple[float, float]:
    """The nulls whose p-value is above ``1 - level``: both ends, infinite where no null is far enough to be refused."""
    alpha = 1.0 - level
    k = y.size
    tau2 = np.zeros(1) if estimator is None else estimator(y[None], v[None])
    centre = float(weighted_mean(y[None], v[None], tau2).mean[0])
    # However far the null lies, only the assignment that keeps every sign (and its mirror image) is as extreme.
    if 1.0 / signs.shape[0] > alpha or k < 2:
        return -np.inf, np.inf
    reach = float(np.abs(y - centre).max() + np.sqrt(v.max() + tau2[0])) or 1.0

    def kept(value: float) -> bool:
        return bool(p_values(y, v, np.array([value]), signs, estimator, scaled=scaled)[0] > alpha)

    ends = []
    for side in (-1.0, 1.0):
        inner, outer = 0.0, reach
        while kept(centre + side * outer):
            inner, outer = outer, 2 * outer
            if outer > 1e6 * reach:
                break
        else:
            while outer - inner > digits * reach:
                middle = 0.5 * (inner + outer)
                inner, outer = (middle, outer) if kept(centre + side * middle) else (inner, middle)
            ends.append(centre + side * 0.5 * (inner + outer))
            continue
        ends.append(side * np.inf)
    return ends[0], ends[1]
