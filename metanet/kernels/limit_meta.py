"""Limit meta-analysis: the effect that a study of infinite precision would have if small-study effects went on to there.

Rücker, Schwarzer, Carpenter, Binder and Schumacher (2011, doi:10.1093/biostatistics/kxq046). In the model
``y_i = beta + sqrt(v_i + tau2) (alpha + e_i)`` with standard normal e, alpha and beta are intercept and slope of the ordinary line of
``y_i / s_i`` on ``1 / s_i``, ``s_i^2 = v_i + tau2``; a study of infinite precision has the expectation ``beta + tau alpha``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metanet.kernels.two_step import weighted_mean
from metanet.kernels.weighted_line import Array, Mask, varies, weighted_line


@dataclass(frozen=True)
class Limit:
    """The limit effect and its standard error, alpha with its own, beta, ``[b]``; the studies' effects in the limit ``[b, k]``.

    q is Cochran's Q, q_residual what is left of it beside the line of the common-effect model (k - 2 df), q_small_study their
    difference (1 df); g2 is the share of the variation of the limit effects that the line leaves unexplained.
    """

    estimate: Array
    se: Array
    alpha: Array
    alpha_se: Array
    beta: Array
    q: Array
    q_small_study: Array
    q_residual: Array
    df: Array
    g2: Array
    effects: Array


def limit_meta(y: Array, v: Array, tau2: Array) -> Limit:
    """The limit of effects and variances ``[b, k]`` at a given tau2 ``[b]``; NaN below three studies and for equal precisions."""
    present = np.isfinite(v)
    tau = np.sqrt(tau2)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(present, 1.0 / np.sqrt(np.where(present, v, 1.0) + tau2[:, None]), 0.0)
        plain = np.where(present, 1.0 / np.sqrt(np.where(present, v, 1.0)), 0.0)
    # The ordinary line of y p on p is the line of y on 1 / p with weights p^2: its slope is alpha, its intercept beta.
    inverse = np.where(present, 1.0 / np.where(present, precision, 1.0), 0.0)
    line = weighted_line(y, inverse, precision**2, known_scale=True)
    estimate = line.intercept + tau * line.slope
    variance = line.intercept_se**2 + tau2 * line.slope_se**2 + 2.0 * tau * line.covariance
    effects = line.intercept[:, None] + tau[:, None] * precision * (y - line.intercept[:, None])
    se = np.where(present, 1.0 / np.where(present, plain, 1.0), 0.0)
    residual = weighted_line(y, se, plain**2, known_scale=True).residual
    with np.errstate(divide="ignore", invalid="ignore"):
        q = np.where(np.isnan(estimate), np.nan, weighted_mean(y, v, np.zeros(y.shape[0])).q)
    return Limit(
        estimate,
        np.sqrt(np.maximum(variance, 0.0)),
        line.slope,
        line.slope_se,
        line.intercept,
        q,
        np.maximum(q - residual, 0.0),
        residual,
        line.df,
        _unexplained(effects, plain, present),
        np.where(present, effects, np.nan),
    )


def _unexplained(effects: Array, precision: Array, present: Mask) -> Array:
    """One less the squared correlation of ``effect precision`` with precision; zero where the limit effects are equal (tau2 = 0)."""
    ones = present.astype(np.float64)
    known = np.asarray(np.isfinite(effects).any(-1))
    y = np.where(present & known[:, None], effects, 0.0)
    scaled = y * precision
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = (ones * scaled).sum(-1, keepdims=True) / ones.sum(-1, keepdims=True)
        whole = (ones * (scaled - centre) ** 2).sum(-1)
        left = weighted_line(scaled, precision, ones, known_scale=True).residual / whole
    return np.where(known, np.where(varies(y, present), left, 0.0), np.nan)
