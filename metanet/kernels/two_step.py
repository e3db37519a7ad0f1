"""The normal-normal (inverse-variance) model: heterogeneity variance, mean, intervals, prediction.

Effects `y` and their sampling variances `v` have shape ``[b, k]``; an absent study has ``v = inf`` (weight zero) and a finite `y`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metanet.kernels import quantiles
from metanet.kernels.roots import Indices, find_roots

Array = NDArray[np.float64]


@dataclass(frozen=True)
class WeightedMean:
    """Inverse-variance mean at a given tau2: weights ``[b, k]``, mean, model-based variance and residual sum ``[b]``."""

    weights: Array
    mean: Array
    variance: Array
    q: Array


def weighted_mean(y: Array, v: Array, tau2: Array) -> WeightedMean:
    """Mean ``sum(w y) / sum(w)`` with ``w = 1 / (v + tau2)``, its variance ``1 / sum(w)`` and ``Q = sum(w (y - mean)^2)``."""
    w = 1.0 / (v + tau2[..., None])
    total = w.sum(-1)
    mean = (w * y).sum(-1) / total
    residual = y - mean[..., None]
    return WeightedMean(w, mean, 1.0 / total, (w * residual * residual).sum(-1))


def study_count(v: Array) -> Array:
    """Number of studies present in each row ``[b]``."""
    return np.asarray(np.isfinite(v).sum(-1), dtype=np.float64)


def typical_variance(v: Array) -> Array:
    """Typical within-study variance of Higgins and Thompson (2002, doi:10.1002/sim.1186, equation 9); NaN for one study."""
    w = 1.0 / v
    s1, s2 = w.sum(-1), (w * w).sum(-1)
    denominator = s1 * s1 - s2
    k = study_count(v)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(k > 1, (k - 1) * s1 / denominator, np.nan)


def tau2_dl(y: Array, v: Array) -> Array:
    """DerSimonian and Laird (1986, doi:10.1016/0197-2456(86)90046-2), truncated at zero."""
    w = 1.0 / v
    s1, s2 = w.sum(-1), (w * w).sum(-1)
    q = weighted_mean(y, v, np.zeros(y.shape[:-1])).q
    k = study_count(v)
    with np.errstate(divide="ignore", invalid="ignore"):
        raw = (q - (k - 1)) / (s1 - s2 / s1)
    return np.where(k > 1, np.maximum(0.0, raw), 0.0)


def _spread(y: Array, v: Array) -> tuple[Array, Array]:
    """Unweighted sum of squares about the mean and range of the studies present, each ``[b]``."""
    present = np.isfinite(v)
    k = present.sum(-1)
    mean = np.where(present, y, 0.0).sum(-1) / k
    deviation = np.where(present, y - mean[..., None], 0.0)
    return (deviation * deviation).sum(-1), deviation.max(-1) - deviation.min(-1)


def _solve_q(y: Array, v: Array, target: Array) -> Array:
    """The tau2 at which the generalised Q equals `target`; 0 where Q is at or below it already at tau2 = 0.

    Q falls as tau2 grows and ``Q(t) <= SS / t``, so ``SS / target`` closes the bracket whatever the scale of the effects.
    """
    result = np.zeros(y.shape[:-1])
    start = weighted_mean(y, v, result).q
    rows = np.flatnonzero((start > target) & (target > 0))
    if rows.size:
        ss, _ = _spread(y[rows], v[rows])
        goal = target[rows]

        def excess(t: Array, index: Indices) -> Array:
            return np.asarray(weighted_mean(y[rows][index], v[rows][index], t).q - goal[index])

        found = find_roots(excess, np.zeros(rows.size), ss / goal * (1 + 1e-12), f_lower=start[rows] - goal)
        result[rows] = found
    return result


def tau2_pm(y: Array, v: Array) -> Array:
    """Paule and Mandel (1982, doi:10.6028/jres.087.022): the tau2 at which Q equals its degrees of freedom."""
    return _solve_q(y, v, study_count(v) - 1)


def reml_loglik(y: Array, v: Array, tau2: Array) -> Array:
    """Restricted log-likelihood of tau2, up to a constant: ``-(sum log(v + t) + log sum w + Q) / 2``."""
    fit = weighted_mean(y, v, tau2)
    log_variance = np.where(np.isfinite(v), np.log(np.where(np.isfinite(v), v, 1.0) + tau2[..., None]), 0.0)
    return np.asarray(-0.5 * (log_variance.sum(-1) - np.log(fit.variance) + fit.q))


def reml_score(y: Array, v: Array, tau2: Array) -> Array:
    """Derivative of `reml_loglik`: ``(sum w^2 r^2 - sum w + sum w^2 / sum w) / 2``."""
    fit = weighted_mean(y, v, tau2)
    w = fit.weights
    w2 = w * w
    residual = y - fit.mean[..., None]
    return np.asarray(0.5 * ((w2 * residual * residual).sum(-1) - w.sum(-1) + w2.sum(-1) / w.sum(-1)))


def tau2_reml(y: Array, v: Array, *, grid: int = 20) -> Array:
    """Restricted maximum likelihood (Viechtbauer 2005, doi:10.3102/10769986030003261).

    Notes
    -----
    The restricted likelihood can have two maxima, and a scoring iteration that moves in absolute steps stops early on small scales.
    So the profile is scanned on a geometric grid that spans the problem's own scale (smallest variance to twice the
    squared range), the best cell is kept, and the score's root inside it is found by bracketing to relative precision. Zero is
    the answer only where the likelihood there is not below that of any interior maximum found.
    """
    shape = y.shape[:-1]
    tau2 = np.zeros(shape)
    _, spread = _spread(y, v)
    rows = np.flatnonzero((study_count(v) > 1) & (spread > 0))
    if not rows.size:
        return tau2
    y, v, spread = y[rows], v[rows], spread[rows]
    top = 2 * spread**2
    bottom = np.minimum(np.where(np.isfinite(v), v, np.inf).min(-1) * 1e-3, top * 1e-6)
    steps = np.linspace(0.0, 1.0, grid)
    points = bottom[:, None] * (top / bottom)[:, None] ** steps
    points = np.concatenate([np.zeros((rows.size, 1)), points], axis=1)
    values = np.stack([reml_loglik(y, v, points[:, j]) for j in range(points.shape[1])], axis=1)
    best = values.argmax(1)
    each = np.arange(rows.size)
    low = points[each, np.maximum(best - 1, 0)]
    high = points[each, np.minimum(best + 1, points.shape[1] - 1)]
    # Next to the boundary the maximum may sit at zero itself; the sign of the score there decides.
    score_low, score_high = reml_score(y, v, low), reml_score(y, v, high)
    inside = (score_low > 0) & (score_high < 0)
    answer = np.where(inside, 0.0, points[each, best])
    index = np.flatnonzero(inside)
    if index.size:
        answer[index] = find_roots(
            lambda t, i: reml_score(y[index][i], v[index][i], t),
            low[index],
            high[index],
            f_lower=score_low[index],
            f_upper=score_high[index],
        )
    answer = np.where(reml_loglik(y, v, np.zeros(rows.size)) >= reml_loglik(y, v, answer), 0.0, answer)
    tau2[rows] = answer
    return tau2


TAU2 = {"DL": tau2_dl, "PM": tau2_pm, "REML": tau2_reml}


def tau2_q_profile(y: Array, v: Array, level: float) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Q-profile interval of tau2 (Viechtbauer 2007, doi:10.1002/sim.2514): lower and upper ends and an `empty` flag.

    Where Q at tau2 = 0 lies below both critical values no tau2 is compatible with the data: the set is empty, both
    ends are NaN and the flag is True. One study has no interval (NaN, not empty).
    """
    df = study_count(v) - 1
    zero = np.zeros(y.shape[:-1])
    start = weighted_mean(y, v, zero).q
    high_q = quantiles.chi2_quantile(0.5 + level / 2, df)
    low_q = quantiles.chi2_quantile(0.5 - level / 2, df)
    possible = df >= 1
    empty = possible & (start < low_q)
    lower = _solve_q(y, v, np.where(possible, high_q, np.inf))
    upper = _solve_q(y, v, np.where(possible, low_q, np.inf))
    gone = ~possible | empty
    return np.where(gone, np.nan, lower), np.where(gone, np.nan, upper), empty


@dataclass(frozen=True)
class MeanInterval:
    """Standard error, degrees of freedom (inf for the normal) and limits of the mean, each ``[b]``."""

    se: Array
    df: Array
    lower: Array
    upper: Array


def mean_interval_z(fit: WeightedMean, level: float) -> MeanInterval:
    """Normal interval with the model-based standard error."""
    se = np.sqrt(fit.variance)
    half = quantiles.two_sided_z(level) * se
    return MeanInterval(se, np.full(se.shape, np.inf), fit.mean - half, fit.mean + half)


def mean_interval_hk(fit: WeightedMean, k: Array, level: float) -> MeanInterval:
    """Hartung and Knapp (2001, doi:10.1002/sim.791): ``se^2 = Q / ((k - 1) sum w)`` and t with k - 1 degrees of freedom."""
    df = k - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        se = np.sqrt(fit.variance * np.where(df > 0, fit.q / df, np.nan))
    half = quantiles.two_sided_t(level, df) * se
    return MeanInterval(se, df, fit.mean - half, fit.mean + half)


def prediction_interval_hts(mean: Array, se: Array, tau2: Array, k: Array, level: float) -> tuple[Array, Array]:
    """Higgins, Thompson and Spiegelhalter (2009, doi:10.1111/j.1467-985X.2008.00552.x): t with k - 2 degrees of freedom."""
    half = quantiles.two_sided_t(level, k - 2) * np.sqrt(tau2 + se * se)
    return mean - half, mean + half
