"""Intervals of the inverse-variance model: of the heterogeneity variance and of the pooled mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from metanet.base.arrays import Array, Indices, Mask
from metanet.kernels.inverse_variance import tau2 as estimators
from metanet.kernels.inverse_variance.search import Kind, maximise
from metanet.kernels.inverse_variance.tau2 import Problem, Studies
from metanet.kernels.inverse_variance.two_step import WeightedMean, plain_spread, study_count
from metanet.kernels.numerics import distributions, distributions as quantiles
from metanet.kernels.numerics.roots import find_roots

# Intervals of the heterogeneity variance: Q-profile, profile likelihood, generalised Q.
#
# Effects `y` and variances `v` are ``[b, k]`` (an absent study has ``v = inf``); each function gives the lower and upper end
# and a flag `empty`, ``[b]``. A set is empty where no tau2 is compatible with the data at all; its ends are then NaN. One
# study has no interval: NaN, and not empty. An upper end that the data do not set is inf.

Interval = tuple[Array, Array, Mask]

_GROWTH = 4.0


def q_profile(y: Array, v: Array, level: float) -> Interval:
    """Viechtbauer (2007, doi:10.1002/sim.2514): the values of tau2 at which the generalised Q equals its chi-squared quantiles."""
    return estimators.q_profile(Studies(y, v), level)


def profile_likelihood(y: Array, v: Array, tau2: Array, level: float, kind: Kind) -> Interval:
    """Hardy and Thompson (1996): twice the fall of the (restricted) log-likelihood from its maximum at `tau2` is the quantile.

    doi:10.1002/(SICI)1097-0258(19960330)15:6<619::AID-SIM188>3.0.CO;2-A
    """
    b = y.shape[0]
    drop = float(quantiles.chi2_quantile(level, 1)) / 2
    possible = study_count(v) > 1
    problem = Studies(y, v).likelihood(kind)
    target = problem.loglik(tau2) - drop

    def height(t: Array, rows: Indices) -> Array:
        part = Problem(problem.y[:, rows], problem.v[:, rows], kind)
        return np.asarray(part.loglik(t) - target[rows])

    at_zero = height(np.zeros(b), np.arange(b))
    lower = np.zeros(b)
    rows = np.flatnonzero(possible & (at_zero < 0))
    if rows.size:
        lower[rows] = find_roots(lambda t, i: height(t, rows[i]), np.zeros(rows.size), tau2[rows], f_lower=at_zero[rows])
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
        return np.asarray(tail - distributions.tails(a[rows], finite[rows] + t[:, None], q[rows])[0])

    def below(t: Array, rows: Indices) -> Array:
        """Positive where tau2 is still small enough for so small a Q."""
        return np.asarray(distributions.tails(a[rows], finite[rows] + t[:, None], q[rows])[1] - tail)

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


@dataclass(frozen=True)
class MeanInterval:
    """Standard error, degrees of freedom (inf for the normal) and limits of the mean, each ``[b]``."""

    se: Array
    df: Array
    lower: Array
    upper: Array


def _symmetric(mean: Array, se: Array, df: Array, critical: Array | float) -> MeanInterval:
    half = critical * se
    return MeanInterval(se, df, mean - half, mean + half)


def normal(fit: WeightedMean, level: float) -> MeanInterval:
    """Normal quantile and the model-based standard error (Wald)."""
    se = np.sqrt(fit.variance)
    return _symmetric(fit.mean, se, np.full(se.shape, np.inf), quantiles.two_sided_z(level))


def student(fit: WeightedMean, k: Array, level: float) -> MeanInterval:
    """Student's quantile with k - 1 degrees of freedom and the model-based standard error (Follmann and Proschan 1999).

    doi:10.1111/j.0006-341X.1999.00732.x
    """
    return _symmetric(fit.mean, np.sqrt(fit.variance), k - 1, quantiles.two_sided_t(level, k - 1))


def hartung_knapp(fit: WeightedMean, k: Array, level: float, *, at_least: float = 0.0) -> MeanInterval:
    """Hartung and Knapp (2001, doi:10.1002/sim.791): variance ``max(q, at_least) / sum w`` with ``q = Q / (k - 1)``, t with k - 1 df.

    ``at_least=1`` is the ad-hoc form of Knapp and Hartung (2003, doi:10.1002/sim.1482): never narrower than the t interval.
    """
    df = k - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.maximum(np.where(df > 0, fit.q / df, np.nan), at_least)
        se = np.sqrt(fit.variance * factor)
    return _symmetric(fit.mean, se, df, quantiles.two_sided_t(level, df))


def kenward_roger(fit: WeightedMean, level: float) -> MeanInterval:
    """Kenward and Roger (1997, doi:10.2307/2533558) for the mean, in the form of Partlett and Riley (2017, doi:10.1002/sim.7140).

    With ``s_p = sum w^p`` and the expected information on tau2 ``I = (s_2 - 2 s_3 / s_1 + (s_2 / s_1)^2) / 2`` the variance is
    ``V = (1 + 2 (s_3 / s_1 - (s_2 / s_1)^2) / I) / s_1`` with ``2 I / (V s_2)^2`` degrees of freedom. Where these are below one
    (two studies, or three without spread) there are no limits: a quantile that far out says nothing of the data.
    """
    w = fit.weights
    s1, s2, s3 = w.sum(-1), (w * w).sum(-1), (w * w * w).sum(-1)
    information = 0.5 * (s2 - 2.0 * s3 / s1 + (s2 / s1) ** 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = (1.0 + 2.0 * (s3 / s1 - (s2 / s1) ** 2) / information) / s1
        df = 2.0 * information / (variance * s2) ** 2
        se = np.sqrt(variance)
    return _symmetric(fit.mean, se, df, quantiles.two_sided_t(level, df))


def profile(y: Array, v: Array, fit: WeightedMean, tau2: Array, level: float) -> MeanInterval:
    """Profile likelihood of the mean in the maximum-likelihood model (Hardy and Thompson 1996); `fit` stands at the maximum `tau2`.

    doi:10.1002/(SICI)1097-0258(19960330)15:6<619::AID-SIM188>3.0.CO;2-A
    """
    drop = float(quantiles.chi2_quantile(level, 1)) / 2
    free = Studies(y, v).likelihood("full")
    target = free.loglik(tau2) - drop
    se = np.sqrt(fit.variance)

    def height(mean: Array, rows: Indices) -> Array:
        problem = Problem(free.y[:, rows], free.v[:, rows], "at a mean", mean)
        return np.asarray(problem.loglik(maximise(problem)) - target[rows])

    ends = []
    for direction in (-1.0, 1.0):
        rows = np.arange(fit.mean.size)
        inner, outer = fit.mean.copy(), fit.mean + direction * 2.0 * se
        end = np.full(fit.mean.shape, direction * np.inf)
        for _ in range(60):
            value = height(outer, rows)
            closed = value < 0
            if closed.any():
                chosen = rows[closed]
                end[chosen] = find_roots(
                    lambda m, i, chosen=chosen: height(m, chosen[i]),  # type: ignore[misc]
                    inner[closed],
                    outer[closed],
                    f_lower=None,
                    f_upper=value[closed],
                    relative=1e-12,
                    scale=se[chosen],
                )
            rows, inner, outer = rows[~closed], outer[~closed], outer[~closed]
            if not rows.size:
                break
            outer = fit.mean[rows] + 1.6 * (outer - fit.mean[rows])
        ends.append(end)
    return MeanInterval(se, np.full(se.shape, np.inf), ends[0], ends[1])
