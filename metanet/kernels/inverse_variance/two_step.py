"""The normal-normal (inverse-variance) model: weights, mean, Q, I2 and H2."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metanet.base.arrays import Array
from metanet.kernels.numerics import distributions

# The normal-normal (inverse-variance) model: weights, mean, Q and the typical sampling variance.
#
# Effects `y` and their sampling variances `v` have shape ``[b, k]``; an absent study has ``v = inf`` (weight zero) and a
# finite `y`.


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


def plain_spread(y: Array, v: Array) -> tuple[Array, Array]:
    """Unweighted mean of the studies present and the sum of squares about it, each ``[b]``."""
    present = np.isfinite(v)
    mean = np.where(present, y, 0.0).sum(-1) / present.sum(-1)
    deviation = np.where(present, y - mean[..., None], 0.0)
    return mean, (deviation * deviation).sum(-1)


def typical_variance(v: Array) -> Array:
    """Typical within-study variance of Higgins and Thompson (2002, doi:10.1002/sim.1186, equation 9); NaN for one study."""
    w = 1.0 / v
    s1, s2 = w.sum(-1), (w * w).sum(-1)
    denominator = s1 * s1 - s2
    k = study_count(v)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(k > 1, (k - 1) * s1 / denominator, np.nan)


def r2(tau2_without: Array, tau2_with: Array) -> Array:
    """Share of the heterogeneity that moderators account for, ``1 - tau2_with / tau2_without`` cut at zero, ``[b]``.

    Raudenbush (2009, The Handbook of Research Synthesis and Meta-Analysis, chapter 16). NaN where there is nothing to explain.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(tau2_without > 0, np.maximum(0.0, 1.0 - tau2_with / tau2_without), np.nan)


# I2 and H2 in their two definitions, ``[b]``: from tau2, or from Q.


@dataclass(frozen=True)
class Inconsistency:
    """I2 (a fraction) and H2 with their intervals, each ``[b]``."""

    i2: Array
    i2_lower: Array
    i2_upper: Array
    h2: Array
    h2_lower: Array
    h2_upper: Array


def from_tau2(tau2: Array, lower: Array, upper: Array, typical: Array) -> Inconsistency:
    """``I2 = tau2 / (tau2 + s2)`` and ``H2 = 1 + tau2 / s2`` with the typical variance `s2`; the ends follow from those of tau2.

    Higgins and Thompson (2002, doi:10.1002/sim.1186), equation 9.
    """
    i2, h2 = [], []
    for value in (tau2, lower, upper):
        with np.errstate(invalid="ignore", divide="ignore"):
            i2.append(np.where(np.isinf(value), 1.0, value / (value + typical)))
            h2.append(1.0 + value / typical)
    return Inconsistency(i2[0], i2[1], i2[2], h2[0], h2[1], h2[2])


def from_q(q: Array, df: Array, level: float) -> Inconsistency:
    """``H2 = Q / df``, ``I2 = max(0, 1 - 1 / H2)``, test-based interval of log H (Higgins and Thompson 2002, doi:10.1002/sim.1186).

    The standard error of log H is ``(log Q - log df) / (2 (sqrt(2 Q) - sqrt(2 df - 1)))`` where ``Q > df + 1``, else
    ``sqrt((1 - 1 / (3 (df - 1)^2)) / (2 (df - 1)))``, which needs three studies. H is not taken below one.
    """
    k = df + 1
    with np.errstate(divide="ignore", invalid="ignore"):
        log_h = 0.5 * np.log(np.maximum(q / df, 1.0))
        large = 0.5 * (np.log(q) - np.log(df)) / (np.sqrt(2 * q) - np.sqrt(2 * df - 1))
        small = np.sqrt(np.where(k > 2, (1 - 1 / (3 * (k - 2) ** 2)) / (2 * (k - 2)), np.nan))
        se = np.where(q > k, large, small)
        half = distributions.two_sided_z(level) * se
        h2 = [np.where(df > 0, np.exp(2 * np.maximum(x, 0.0)), np.nan) for x in (log_h, log_h - half, log_h + half)]
        h2 = [np.where(np.isnan(half) & (i > 0), np.nan, x) for i, x in enumerate(h2)]
        i2 = [1.0 - 1.0 / x for x in h2]
    return Inconsistency(i2[0], i2[1], i2[2], h2[0], h2[1], h2[2])
