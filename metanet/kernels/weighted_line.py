"""A straight line through studies by weighted least squares: what every regression test for small-study effects fits.

Arrays are ``[b, k]``; a study with weight 0 is absent. With ``s = sum w``, ``m = sum w x / s`` and ``S = sum w (x - m)^2`` the
slope is ``sum w (x - m) y / S``, and the covariance of intercept and slope ``[[1/s + m^2/S, -m/S], [-m/S, 1/S]]``, times the
dispersion ``sum w r^2 / (k - 2)`` where the weights are known up to a factor alone.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

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
            intercept,
            slope,
            np.sqrt(intercept_variance),
            np.sqrt(slope_variance),
            -of.mean * slope_variance,
            dispersion,
            residual,
            df,
        )
    # Points exactly on one line leave no residual to judge the slope by.
    size = (w * np.where(present, y * y, 0.0)).sum(-1)
    judged = known_scale | (residual > 1e-24 * size)
    return line.only((df >= 1) & varies(x, present) & varies(y, present) & judged)
