"""Intervals of the heterogeneity variance: Q-profile, profile likelihood, generalised Q.

Effects `y` and variances `v` are ``[b, k]`` (an absent study has ``v = inf``); each function gives the lower and upper end and a flag
`empty`, ``[b]``. A set is empty where no tau2 is compatible with the data at all; its ends are then NaN. One study has no
interval: NaN, and not empty. An upper end that the data do not set is inf.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from metanet.kernels import generalised_q, quantiles
from metanet.kernels.roots import Indices, find_roots
from metanet.kernels.tau2 import solve_q
from metanet.kernels.tau2_likelihood import Kind, Problem, loglik
from metanet.kernels.two_step import plain_spread, study_count, weighted_mean

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Interval = tuple[Array, Array, Mask]

_GROWTH = 4.0


def q_profile(y: Array, v: Array, level: float) -> Interval:
    """Viechtbauer (2007, doi:10.1002/sim.2514): the values of tau2 at which the generalised Q equals its chi-squared quantiles."""
    df = study_count(v) - 1
    start = weighted_mean(y, v, np.zeros(y.shape[:-1])).q
    high_q = quantiles.chi2_quantile(0.5 + level / 2, df)
    low_q = quantiles.chi2_quantile(0.5 - level / 2, df)
    possible = df >= 1
    empty = possible & (start < low_q)
    lower = solve_q(y, v, np.where(possible, high_q, np.inf))
    upper = solve_q(y, v, np.where(possible, low_q, np.inf))
    gone = ~possible | empty
    return np.where(gone, np.nan, lower), np.where(gone, np.nan, upper), empty


def profile_likelihood(y: Array, v: Array, tau2: Array, level: float, kind: Kind) -> Interval:
    """Hardy and Thompson (1996): twice the fall of the (restricted) log-likelihood from its maximum at `tau2` is the quantile.

    doi:10.1002/(SICI)1097-0258(19960330)15:6<619::AID-SIM188>3.0.CO;2-A
    """
    b = y.shape[0]
    drop = float(quantiles.chi2_quantile(level, 1)) / 2
    possible = study_count(v) > 1
    yt, vt = np.ascontiguousarray(y.T), np.ascontiguousarray(v.T)
    target = loglik(Problem(yt, vt, kind), tau2) - drop

    def height(t: Array, rows: Indices) -> Array:
        return np.asarray(loglik(Problem(yt[:, rows], vt[:, rows], kind), t) - target[rows])

    at_zero = height(np.zeros(b), np.arange(b))
    lower = np.zeros(b)
    rows = np.flatnonzero(possible & (at_zero < 0))
    if rows.size:
        lower[rows] = find_roots(
            lambda t, i: height(t, rows[i]), np.zeros(rows.size), tau2[rows], f_lower=at_zero[rows]
        )
    upper = _upper_end(height, tau2, _scale(y, v), possible)
    return np.where(possible, lower, np.nan), np.where(possible, upper, np.nan), np.zeros(b, dtype=bool)


def generalised(y: Array, v: Array, level: float) -> Interval:
    """Jackson (2013, doi:10.1002/jrsm.1081): Q with the weights ``1 / sqrt(v)``, whose distribution is exact at any tau2.

    The ends are where the observed Q stands at the upper and lower tail of that distribution.
    """
    b = y.shape[0]
    tail = (1 - level) / 2
    present = np.isfinite(v)
    possible = study_count(v) > 1
    finite = np.where(present, v, 1.0)
    a = np.where(present, 1.0 / np.sqrt(finite), 0.0)
    mean = (a * y).sum(-1) / a.sum(-1)
    q = (a * (y - mean[:, None]) ** 2).sum(-1)

    def above(t: Array, rows: Indices) -> Array:
        """Positive where tau2 is too small for so large a Q."""
        return np.asarray(tail - generalised_q.tails(a[rows], finite[rows] + t[:, None], q[rows])[0])

    def below(t: Array, rows: Indices) -> Array:
        """Positive where tau2 is still small enough for so small a Q."""
        return np.asarray(generalised_q.tails(a[rows], finite[rows] + t[:, None], q[rows])[1] - tail)

    everything, zero = np.arange(b), np.zeros(b)
    scale = _scale(y, v)
    empty = possible & (below(zero, everything) < 0)
    usable = possible & ~empty
    lower = _upper_end(above, zero, scale, usable & (above(zero, everything) > 0))
    upper = _upper_end(below, zero, scale, usable)
    return np.where(usable, lower, np.nan), np.where(usable, upper, np.nan), empty


def _scale(y: Array, v: Array) -> Array:
    """A tau2 of the size of the problem: the smallest variance or the spread of the effects, ``[b]``."""
    _, squares = plain_spread(y, v)
    return np.asarray(np.maximum(squares, v.min(-1)))


def _upper_end(function: Callable[[Array, Indices], Array], start: Array, scale: Array, wanted: Mask) -> Array:
    """Where a function that is positive at `start` falls through zero; `start` itself where not wanted, inf where it never falls."""
    end = start.copy()
    rows = np.flatnonzero(wanted)
    inner, outer = start[rows].copy(), start[rows] + scale[rows]
    while rows.size:
        value = function(outer, rows)
        closed = value < 0
        if closed.any():
            chosen = rows[closed]

            def inside(t: Array, i: Indices, chosen: Indices = chosen) -> Array:
                return np.asarray(function(t, chosen[i]))

            end[chosen] = find_roots(inside, inner[closed], outer[closed], f_upper=value[closed])
        rows, inner, outer = rows[~closed], outer[~closed], _GROWTH * outer[~closed]
        beyond = outer > 1e12 * scale[rows]
        end[rows[beyond]] = np.inf
        rows, inner, outer = rows[~beyond], inner[~beyond], outer[~beyond]
    return end
