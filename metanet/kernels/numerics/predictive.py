"""A predictive distribution of a rate, cut into cells: counts of a new series, the rate behind them, and effective sample size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special
from scipy.interpolate import CubicSpline

from metanet.base.arrays import Array

#: Logits beyond which a rate is 0 or 1 in a double.
_FARTHEST = 36.0
#: Points of each of the fine grids, and of the coarse one.
_FINE, _COARSE = 4001, 1441
#: The share on either side beyond which an effective sample size does not look.
_TAIL = 1e-6


@dataclass(frozen=True)
class Cells:
    """A distribution of a logit in cells ``[m]``: the lower and upper end, the middle, and the probability of each."""

    lower: Array
    upper: Array
    middle: Array
    mass: Array

    @property
    def rate(self) -> Array:
        """Rates in the middle of the cells."""
        return np.asarray(special.expit(self.middle))

    def mean(self) -> float:
        """Mean rate."""
        return float(self.mass @ self.rate)

    def sd(self) -> float:
        """Standard deviation of the rate."""
        return float(np.sqrt(max(0.0, float(self.mass @ (self.rate - self.mean()) ** 2))))

    def quantile(self, probability: Array) -> Array:
        """Rates below which the rate lies with these probabilities ``[q]``."""
        below = np.concatenate([[0.0], np.cumsum(self.mass)])
        place = np.clip(np.searchsorted(below, probability, side="left") - 1, 0, self.mass.size - 1)
        inside = np.clip((probability - below[place]) / np.where(self.mass[place] > 0, self.mass[place], 1.0), 0.0, 1.0)
        return np.asarray(special.expit(self.lower[place] + inside * (self.upper[place] - self.lower[place])))


def cells_of(below: Callable[[Array], Array], centres: tuple[tuple[float, float], ...] = ()) -> Cells:
    """Cut a distribution of a logit into cells.

    Parameters
    ----------
    below
        Probability of a smaller logit, of positions ``[m]`` in ascending order.
    centres
        Places (logit, scale) around which the cells are fine, beside that where the distribution lies: those of likelihoods.
    """
    coarse = np.linspace(-_FARTHEST, _FARTHEST, _COARSE)
    cumulated = np.asarray(np.maximum.accumulate(below(coarse)), dtype=np.float64)
    low, middle, high = np.interp([0.16, 0.5, 0.84], cumulated, coarse)
    centres = ((float(middle), max(0.5 * float(high - low), 1e-3)), *centres)
    parts = [coarse]
    parts += [np.linspace(centre - 12 * scale, centre + 12 * scale, _FINE) for centre, scale in centres]
    x = np.unique(np.clip(np.concatenate(parts), -_FARTHEST, _FARTHEST))
    cumulated = np.maximum.accumulate(np.clip(below(x), 0.0, 1.0))
    # What lies beyond the last cells is rates of 0 and 1.
    cumulated[0], cumulated[-1] = 0.0, 1.0
    return Cells(x[:-1], x[1:], 0.5 * (x[:-1] + x[1:]), np.diff(cumulated))


def around(events: float, total: float) -> tuple[float, float]:
    """Logit of an observed rate and the scale of its likelihood."""
    p = (events + 0.5) / (total + 1.0)
    return float(special.logit(p)), float(1.0 / np.sqrt((total + 1.0) * p * (1.0 - p)))


def log_likelihood(cells: Cells, events: float, total: float) -> Array:
    """Log of the binomial probability of `events` at the rate of each cell, ``[m]``."""
    constant = special.gammaln(total + 1) - special.gammaln(events + 1) - special.gammaln(total - events + 1)
    return np.asarray(constant + events * special.log_expit(cells.middle) + (total - events) * special.log_expit(-cells.middle))


def count_probabilities(cells: Cells, events: float, total: float) -> tuple[float, float, float]:
    """Probabilities that a series of `total` has fewer than, exactly, and more than `events`."""
    rate = cells.rate
    equal = float(cells.mass @ np.exp(log_likelihood(cells, events, total)))
    less = 0.0 if events == 0 else float(cells.mass @ special.bdtr(events - 1, total, rate))
    more = 0.0 if events == total else float(cells.mass @ special.bdtrc(events, total, rate))
    return less, equal, more


def count_quantile(cells: Cells, total: int, probability: float) -> int:
    """The smallest count that a series of `total` does not exceed with at least this probability."""
    low, high, rate = 0, total, cells.rate
    while low < high:
        middle = (low + high) // 2
        if float(cells.mass @ special.bdtr(middle, total, rate)) >= probability:
            high = middle
        else:
            low = middle + 1
    return low


def updated(cells: Cells, events: float, total: float) -> Cells:
    """The distribution after a series was seen (Bayes' theorem, cell by cell)."""
    weight = log_likelihood(cells, events, total)
    mass = cells.mass * np.exp(weight - weight[cells.mass > 0].max())
    return Cells(cells.lower, cells.upper, cells.middle, mass / mass.sum())


def effective_size(x: Array, density: Array, below: Array) -> float | None:
    """Patients that a distribution of a rate is worth as a prior, by the expected local-information ratio.

    ``E[-(log f)''(theta) theta (1 - theta)]``, f being the density of the rate theta (Neuenschwander, Weber, Schmidli and O'Hagan
    2020, doi:10.1111/biom.13252). With the logit x, its density g and ``l = log g`` this is, by parts, the expectation of
    ``l'(x) (l'(x) - 1 + 2 theta) / (theta (1 - theta))``.

    Parameters
    ----------
    x, density, below
        Logits ``[m]``, ascending, the density there, and the probability of smaller ones.

    Returns
    -------
    float or None
        None where the answer rests on the tails, whose information a heavy-tailed prior makes infinite.

    Notes
    -----
    The expectation is taken between the quantiles of 1e-6 on both sides.
    """
    found = [_local_information(x, density, below, tail) for tail in (_TAIL, 100 * _TAIL)]
    if not np.isfinite(found).all() or abs(found[0] - found[1]) > 0.02 * abs(found[0]):
        return None
    return found[0]


def _local_information(x: Array, density: Array, below: Array, tail: float) -> float:
    inside = (below > tail / 10) & (below < 1 - tail / 10) & (density > 0)
    if inside.sum() < 20:
        return float("nan")
    spline = CubicSpline(x[inside], np.log(density[inside]))
    ends = np.interp([tail, 1 - tail], below[inside], x[inside])
    if np.abs(ends).max() > _FARTHEST:
        return float("nan")
    t = np.linspace(ends[0], ends[1], 20_001)
    slope, theta = spline(t, 1), special.expit(t)
    value = np.exp(spline(t)) * slope * (slope - 1.0 + 2.0 * theta) / (theta * special.expit(-t))
    return float(np.trapezoid(value, t))
