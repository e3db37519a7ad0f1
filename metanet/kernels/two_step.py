"""The normal-normal (inverse-variance) model: weights, mean, Q and the typical sampling variance.

Effects `y` and their sampling variances `v` have shape ``[b, k]``; an absent study has ``v = inf`` (weight zero) and a finite `y`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
