"""Estimates adjusted for small-study effects: trim and fill, and limit meta-analysis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from metanet.base.arrays import Array, Mask
from metanet.kernels.bias.lines import varies, weighted_line
from metanet.kernels.inverse_variance.two_step import weighted_mean

# Trim and fill: how many studies are missing on one side of a funnel, and the funnel with their mirror images put in.
#
# Duval and Tweedie (2000, doi:10.1111/j.0006-341X.2000.00455.x and doi:10.1080/01621459.2000.10473905). Missing on the left:
# the studies in the order of their effects, the k0 largest are trimmed, the mean of the others is the centre, and from the
# signed ranks of all distances to it, with ``S`` the sum of the positive ones and ``g`` the largest rank among the negative
# ones,
#
#     L0 = (4 S - k (k + 1)) / (2 k - 1)      R0 = k - g - 1      Q0 = k - 1/2 - sqrt(2 k^2 - 4 S + 1/4)
#
# is k0 anew, until it stays. Each trimmed study is then mirrored at the centre. Missing on the right is the same with signs
# changed.

ESTIMATORS = ("L0", "R0", "Q0")
Tau2 = Callable[[Array, Array], Array]


@dataclass(frozen=True)
class TrimFill:
    """Missing studies.

    Attributes
    ----------
    k0, se, pvalue
        Their number, its standard error, and (R0) the p-value of there being none, ``[b]``.
    centre
        The mean of the studies that were not trimmed, at which the others are mirrored, ``[b]``.
    settled
        Whether k0 came to rest, ``[b]``; all numbers are NaN where it did not.
    filled
        Effects of the mirror images, ``[b, k]``, in the place of the study they mirror.
    mirrored
        Which studies were mirrored, ``[b, k]``.
    """

    k0: Array
    se: Array
    pvalue: Array
    centre: Array
    settled: Mask
    filled: Array
    mirrored: Mask


def trim_fill(y: Array, v: Array, side: Array, *, tau2: Tau2 | None, estimator: str = "L0", max_iterations: int = 100) -> TrimFill:
    """Missing studies of a batch.

    Parameters
    ----------
    y, v
        Effects and variances ``[b, k]``; an absent study has ``v = inf``.
    side
        Where studies are missing: -1 on the left, 1 on the right, ``[b]``.
    tau2
        The estimator of the heterogeneity variance, or None for a common effect.
    estimator
        "L0", "R0" or "Q0".
    max_iterations
        After this many rounds a row is given up.
    """
    b, k = y.shape
    present = np.isfinite(v)
    count = present.sum(-1).astype(np.float64)
    flip = np.where(side > 0, -1.0, 1.0)[:, None]
    order = np.argsort(np.where(present, flip * y, np.inf), axis=-1, kind="stable")
    ys = np.take_along_axis(np.where(present, flip * y, 0.0), order, -1)
    vs = np.take_along_axis(v, order, -1)
    place = np.arange(k)[None, :]
    spread = varies(y, present)
    k0, raw, centre = np.zeros(b), np.zeros(b), np.full(b, np.nan)
    settled = np.zeros(b, dtype=bool)
    rows = np.flatnonzero(count > 1)
    for _ in range(max_iterations):
        if not rows.size:
            break
        kept = np.where(place < (count[rows] - k0[rows])[:, None], vs[rows], np.inf)
        spare = _tau2(tau2, ys[rows], kept)
        centre[rows] = weighted_mean(ys[rows], kept, spare).mean
        raw[rows] = _missing(ys[rows] - centre[rows, None], np.isfinite(vs[rows]), estimator)
        raw[rows] = np.where(spread[rows], raw[rows], 0.0)
        # Q0 has no value where nearly all ranks are positive; such a row is given up.
        exists = np.isfinite(raw[rows])
        # At least one study stays to be the centre.
        new = np.clip(np.round(np.where(exists, raw[rows], 0.0)), 0.0, count[rows] - 1)
        still = new == k0[rows]
        settled[rows[still & exists]] = True
        k0[rows] = new
        rows = rows[~still & exists]
    nan = np.where(settled, 1.0, np.nan)
    mirrored = present & (settled & (k0 > 0))[:, None]
    back = np.argsort(order, axis=-1, kind="stable")
    mirrored &= back >= (count - k0)[:, None]
    filled = np.where(mirrored, 2.0 * flip * centre[:, None] - y, np.nan)
    pvalue = 0.5 ** (k0 + 1) if estimator == "R0" else np.full(b, np.nan)
    return TrimFill(
        k0 * nan, _se(raw, count, estimator) * nan, pvalue * nan, flip[:, 0] * centre * nan,
        settled, filled, mirrored,
    )  # fmt: skip


def _tau2(tau2: Tau2 | None, y: Array, v: Array) -> Array:
    return np.zeros(y.shape[0]) if tau2 is None else tau2(y, v)


def _missing(distance: Array, present: Mask, estimator: str) -> Array:
    """The estimate of k0 from the distances to the centre, not rounded, ``[b]``."""
    k = present.sum(-1).astype(np.float64)
    size = np.where(present, np.abs(distance), np.inf)
    # A distance that is rounding alone has no side.
    noise = 1e-13 * np.where(present, size, 0.0).max(-1, keepdims=True)
    rank = np.argsort(np.argsort(size, axis=-1, kind="stable"), axis=-1, kind="stable") + 1.0
    sign = np.where(present & (size > noise), np.sign(distance), 0.0)
    total = np.where(sign > 0, rank, 0.0).sum(-1)
    if estimator == "L0":
        return np.asarray((4.0 * total - k * (k + 1)) / (2.0 * k - 1))
    if estimator == "R0":
        signed = np.where(present, sign * rank, np.inf)
        return np.asarray(k - np.maximum((-signed).max(-1), -np.inf) - 1)
    with np.errstate(invalid="ignore"):
        return np.asarray(k - 0.5 - np.sqrt(2.0 * k * k - 4.0 * total + 0.25))


def _se(k0: Array, k: Array, estimator: str) -> Array:
    """Standard error of k0, by the variances of Duval and Tweedie at the estimate that is not rounded."""
    if estimator == "R0":
        return np.asarray(np.sqrt(2.0 * np.maximum(k0, 0.0) + 2.0))
    variance = (k * (k + 1) * (2 * k + 1) + 10 * k0**3 + 27 * k0**2 + 17 * k0 - 18 * k * k0**2 - 18 * k * k0 + 6 * k**2 * k0) / 24.0
    with np.errstate(invalid="ignore", divide="ignore"):
        root = np.sqrt(np.maximum(variance, 0.0))
        if estimator == "L0":
            return np.asarray(4.0 * root / (2 * k - 1))
        return np.asarray(2.0 * root / np.sqrt((k - 0.5) ** 2 - k0 * (2 * k - k0 - 1)))


# Limit meta-analysis: the effect that a study of infinite precision would have if small-study effects went on to there.
#
# Rücker, Schwarzer, Carpenter, Binder and Schumacher (2011, doi:10.1093/biostatistics/kxq046). In the model ``y_i = beta +
# sqrt(v_i + tau2) (alpha + e_i)`` with standard normal e, alpha and beta are intercept and slope of the ordinary line of
# ``y_i / s_i`` on ``1 / s_i``, ``s_i^2 = v_i + tau2``; a study of infinite precision has the expectation ``beta + tau
# alpha``.


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
