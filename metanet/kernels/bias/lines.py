"""Lines through studies: weighted least squares for effects, quasi-likelihood for counts."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from scipy import special

from metanet.base.arrays import Array, Mask

# A straight line through studies by weighted least squares: what every regression test for small-study effects fits.
#
# Arrays are ``[b, k]``; a study with weight 0 is absent. With ``s = sum w``, ``m = sum w x / s`` and ``S = sum w (x - m)^2`` the
# slope is ``sum w (x - m) y / S``, and the covariance of intercept and slope ``[[1/s + m^2/S, -m/S], [-m/S, 1/S]]``, times the
# dispersion ``sum w r^2 / (k - 2)`` where the weights are known up to a factor alone.


#: Predictors (or effects) whose spread is this fraction of their size differ by rounding alone.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Line:
    """Intercept (at predictor 0), slope, their standard errors and covariance, dispersion, residual sum and df, each ``[b]``.

    NaN where the line does not exist: fewer than three studies, equal predictors, or equal effects.
    """

    intercept: Array
    slope: Array
    intercept_se: Array
    slope_se: Array
    covariance: Array
    dispersion: Array
    residual: Array
    df: Array

    def only(self, rows: Mask) -> Line:
        """NaN in the rows that are not meant; the degrees of freedom stay."""
        return Line(
            *(
                getattr(self, field.name) if field.name == "df" else np.where(rows, getattr(self, field.name), np.nan)
                for field in fields(self)
            )
        )


@dataclass(frozen=True)
class Sums:
    """What a weighted line needs of the predictor: total weight and mean ``[b]``, centred values ``[b, k]``, their sum of squares."""

    total: Array
    mean: Array
    centred: Array
    squares: Array


def sums(x: Array, w: Array) -> Sums:
    """The sums of one predictor; what stands in `x` for an absent study must be finite."""
    total = w.sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (w * x).sum(-1) / total
    centred = np.where(w > 0, x - mean[:, None], 0.0)
    return Sums(total, mean, centred, (w * centred * centred).sum(-1))


def residuals(y: Array, w: Array, of: Sums) -> tuple[Array, Array, Array]:
    """Intercept, slope ``[b]`` and residuals ``[b, k]``, zero for an absent study."""
    with np.errstate(divide="ignore", invalid="ignore"):
        level = (w * y).sum(-1) / of.total
        away = np.where(w > 0, y - level[:, None], 0.0)
        slope = (w * of.centred * away).sum(-1) / of.squares
        intercept = level - slope * of.mean
        return intercept, slope, np.where(w > 0, away - slope[:, None] * of.centred, 0.0)


def varies(values: Array, present: Mask) -> Mask:
    """Whether the values differ between the studies present by more than rounding, ``[b]``."""
    high = np.where(present, values, -np.inf).max(-1)
    low = np.where(present, values, np.inf).min(-1)
    size = np.where(present, np.abs(values), 0.0).max(-1)
    with np.errstate(invalid="ignore"):
        return np.asarray((present.sum(-1) > 1) & (high - low > _ROUNDING * size))


def weighted_line(y: Array, x: Array, w: Array, *, known_scale: bool = False, at_least: float = 0.0) -> Line:
    """The line of `y` on `x` with weights `w` ``[b, k]``.

    Parameters
    ----------
    y, x, w
        Effects, predictor, weights; weight 0 marks an absent study.
    known_scale
        Take the weights as the inverse variances themselves; otherwise as known up to a factor, which the residuals tell.
    at_least
        The smallest dispersion that is used where it is estimated.
    """
    present = w > 0
    df = np.asarray(present.sum(-1) - 2.0)
    of = sums(np.where(present, x, 0.0), w)
    intercept, slope, rest = residuals(np.where(present, y, 0.0), w, of)
    residual = (w * rest * rest).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        dispersion = residual / df
        factor = np.ones(df.shape) if known_scale else np.maximum(dispersion, at_least)
        slope_variance = factor / of.squares
        intercept_variance = factor / of.total + of.mean * of.mean * slope_variance
        line = Line(
            intercept, slope, np.sqrt(intercept_variance), np.sqrt(slope_variance), -of.mean * slope_variance, dispersion, residual, df
        )
    # Points exactly on one line leave no residual to judge the slope by.
    size = (w * np.where(present, y * y, 0.0)).sum(-1)
    judged = known_scale | (residual > 1e-24 * size)
    return line.only((df >= 1) & varies(x, present) & varies(y, present) & judged)


# A line through the logits (or log rates) of counts, by quasi-likelihood: the regression test of rates that needs no correction.
#
# The mean of ``x`` events is ``n expit(a + b z)`` (binomial) or ``n exp(a + b z)`` (Poisson), its variance `dispersion`
# times that of the distribution (McCullagh and Nelder 1989, doi:10.1007/978-1-4899-3242-6). Weights and means do not hold
# the study's own rate, so that chance deviations of rates near 0 or 1 do not look like small-study effects (Peters 2006,
# doi:10.1001/jama.295.6.676, had the same reason for weights from the pooled rate).
#
# Arrays are ``[b, k]``; a study with total 0 is absent.

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
    return CountLine(line.only(usable & ~unbounded & spread), unbounded & usable, np.where(usable & spread, score, np.nan))


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
