"""A line through the logits (or log rates) of counts, by quasi-likelihood: the regression test of rates that needs no correction.

The mean of ``x`` events is ``n expit(a + b z)`` (binomial) or ``n exp(a + b z)`` (Poisson), its variance `dispersion` times that of
the distribution (McCullagh and Nelder 1989, doi:10.1007/978-1-4899-3242-6). Weights and means do not hold the study's own rate, so
that chance deviations of rates near 0 or 1 do not look like small-study effects (Peters 2006, doi:10.1001/jama.295.6.676, had the
same reason for weights from the pooled rate).

Arrays are ``[b, k]``; a study with total 0 is absent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

from metanet.kernels.weighted_line import Array, Line, Mask, sums, varies

Family = Literal["binomial", "poisson"]
#: Beyond this difference of predictors on the link's scale the slope has no finite estimate.
_LIMIT = 30.0


@dataclass(frozen=True)
class CountLine:
    """The fitted line, whether its slope runs to infinity, and the score statistic of a slope of zero, ``[b]``.

    The line is NaN where it does not exist. The score statistic follows t with k - 2 degrees of freedom as the Wald statistic does,
    and exists wherever there are events and non-events.
    """

    line: Line
    unbounded: Mask
    score: Array


def _terms(family: Family, total: Array, predictor: Array) -> tuple[Array, Array]:
    """Means and variances of the counts."""
    if family == "binomial":
        rate = special.expit(predictor)
        return total * rate, total * rate * special.expit(-predictor)
    mean = total * np.exp(predictor)
    return mean, mean


def _loglik(family: Family, events: Array, total: Array, predictor: Array) -> Array:
    if family == "binomial":
        return np.asarray((events * predictor - total * np.logaddexp(0.0, predictor)).sum(-1))
    return np.asarray((events * predictor - total * np.exp(predictor)).sum(-1))


def count_line(events: Array, total: Array, x: Array, family: Family = "binomial") -> CountLine:
    """The quasi-likelihood line of counts on a predictor; Wald and score statistics use Pearson's dispersion, not cut at one."""
    present = total > 0
    df = np.asarray(present.sum(-1) - 2.0)
    events, total = np.where(present, events, 0.0), np.where(present, total, 0.0)
    of = sums(np.where(present, x, 0.0), total)
    span = np.abs(of.centred).max(-1)
    sum_x, sum_n = events.sum(-1), total.sum(-1)
    informative = (sum_x > 0) & ((sum_x < sum_n) if family == "binomial" else True)
    usable = (df >= 1) & varies(np.where(present, x, 0.0), present) & informative
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(usable[:, None], of.centred / span[:, None], 0.0)
    score = _score(family, events, total, z, df)
    a, b, unbounded = _climb(family, events, total, z, usable)
    mean, variance = _terms(family, total, a[:, None] + b[:, None] * z)
    with np.errstate(divide="ignore", invalid="ignore"):
        residual = np.where(variance > 0, (events - mean) ** 2 / variance, 0.0).sum(-1)
        dispersion = residual / df
        at = sums(z, variance)
        slope_variance = dispersion / at.squares / span**2
        # The predictor of the line is x itself: z = (x - mean) / span.
        centre = of.mean + at.mean * span
        line = Line(
            a - b * of.mean / span,
            b / span,
            np.sqrt(dispersion / at.total + centre**2 * slope_variance),
            np.sqrt(slope_variance),
            -centre * slope_variance,
            dispersion,
            residual,
            df,
        )
    spread = varies(np.where(present, events / np.where(present, total, 1.0), 0.0), present)
    return CountLine(
        line.only(usable & ~unbounded & spread), unbounded & usable, np.where(usable & spread, score, np.nan)
    )


def _score(family: Family, events: Array, total: Array, z: Array, df: Array) -> Array:
    """The quasi-score statistic of a slope of zero, as a t: what it explains of Pearson's sum against what it leaves."""
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = events.sum(-1) / total.sum(-1)
        unit = rate * (1.0 - rate) if family == "binomial" else rate
        rest = events - total * rate[:, None]
        information = unit * (total * z * z).sum(-1)
        along = (rest * z).sum(-1)
        pearson = np.where(total > 0, rest**2 / np.where(total > 0, total, 1.0), 0.0).sum(-1) / unit
        left = np.maximum(pearson - along**2 / information, 0.0) / df
        return np.asarray(along / np.sqrt(information * left))


def _climb(family: Family, events: Array, total: Array, z: Array, usable: Mask) -> tuple[Array, Array, Mask]:
    """Newton's method with halving on a concave likelihood; a slope that passes the limit is unbounded."""
    b = z.shape[0]
    sum_x, sum_n = events.sum(-1), total.sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        start = special.logit(sum_x / sum_n) if family == "binomial" else np.log(sum_x / sum_n)
    intercept, slope = np.where(usable, start, 0.0), np.zeros(b)
    unbounded = np.zeros(b, dtype=bool)
    rows = np.flatnonzero(usable)
    height = _loglik(family, events, total, intercept[:, None] + slope[:, None] * z)
    for _ in range(200):
        if not rows.size:
            break
        x, n, c = events[rows], total[rows], z[rows]
        mean, variance = _terms(family, n, intercept[rows, None] + slope[rows, None] * c)
        rest = x - mean
        g0, g1 = rest.sum(-1), (rest * c).sum(-1)
        at = sums(c, variance)
        with np.errstate(divide="ignore", invalid="ignore"):
            move_b = (g1 - g0 * at.mean) / at.squares
            move_a = g0 / at.total - move_b * at.mean
            gain = move_a * g0 + move_b * g1
        lost = ~np.isfinite(gain)
        longest = np.maximum(1.0, (np.abs(move_a) + np.abs(move_b)) / 4.0)
        move_a, move_b = np.where(lost, 0.0, move_a / longest), np.where(lost, 0.0, move_b / longest)
        length = np.ones(rows.size)
        for _ in range(30):
            trial_a, trial_b = intercept[rows] + length * move_a, slope[rows] + length * move_b
            value = _loglik(family, x, n, trial_a[:, None] + trial_b[:, None] * c)
            worse = ~(value >= height[rows] - 1e-12 * np.abs(height[rows]))
            if not worse.any():
                break
            length[worse] *= 0.5
        intercept[rows], slope[rows], height[rows] = trial_a, trial_b, value
        far = lost | (np.abs(trial_b) > _LIMIT)
        unbounded[rows[far]] = True
        rows = rows[~far & (gain > 1e-22)]
    # What a likelihood without a maximum leaves behind is a slope still on its way.
    unbounded[rows] |= np.abs(slope[rows]) > 0.5 * _LIMIT
    return intercept, slope, unbounded
