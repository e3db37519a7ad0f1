"""Intervals of one study's proportion: exact, by score, adjusted, Bayesian, and normal on the scale of a measure.

Every function takes ``(events, total, level)``, broadcast, and returns ``lower, upper`` as fractions in 0..1. A total of 0
gives NaN. Brown, Cai and DasGupta (2001, doi:10.1214/ss/1009213286) compare them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from metanet.base.arrays import Array
from metanet.effects.formulas import CORRECTION
from metanet.effects.measures import MEASURES
from metanet.kernels.numerics.distributions import two_sided_z

Interval = Callable[..., tuple[Array, Array]]


def _counts(events: ArrayLike, total: ArrayLike) -> tuple[Array, Array]:
    """Events and totals as equal arrays; an absent study (total 0) is NaN in both."""
    x, n = np.broadcast_arrays(np.asarray(events, dtype=np.float64), np.asarray(total, dtype=np.float64))
    present = n > 0
    return np.where(present, x, np.nan), np.where(present, n, np.nan)


def clopper_pearson(events: ArrayLike, total: ArrayLike, level: float = 0.95) -> tuple[Array, Array]:
    """Clopper and Pearson (1934, doi:10.1093/biomet/26.4.404): the exact two-sided interval of a binomial proportion.

    The lower limit is 0 without events and the upper limit 1 with only events. Arrays broadcast; a total of 0 gives NaN.
    """
    x, n = np.broadcast_arrays(np.asarray(events, dtype=np.float64), np.asarray(total, dtype=np.float64))
    tail = (1.0 - level) / 2
    present = n > 0
    some, rest = np.where(x > 0, x, 1.0), np.where(n - x > 0, n - x, 1.0)
    lower = np.where(x > 0, special.betaincinv(some, n - x + 1.0, tail), 0.0)
    upper = np.where(x < n, special.betainccinv(x + 1.0, rest, tail), 1.0)
    return np.where(present, lower, np.nan), np.where(present, upper, np.nan)


def poisson_exact(events: ArrayLike, time: ArrayLike, level: float = 0.95) -> tuple[Array, Array]:
    """Garwood (1936, doi:10.1093/biomet/28.3-4.437): the exact interval of an incidence rate, events per person-time.

    The lower limit is 0 without events. Arrays broadcast; a person-time of 0 gives NaN.
    """
    x, t = np.broadcast_arrays(np.asarray(events, dtype=np.float64), np.asarray(time, dtype=np.float64))
    tail = (1.0 - level) / 2
    present = t > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        lower = np.where(x > 0, special.gammaincinv(np.maximum(x, 1.0), tail), 0.0) / t
        upper = special.gammainccinv(x + 1.0, tail) / t
    return np.where(present, lower, np.nan), np.where(present, upper, np.nan)


def wilson(events: ArrayLike, total: ArrayLike, level: float = 0.95) -> tuple[Array, Array]:
    """Wilson (1927, doi:10.1080/01621459.1927.10502953): the proportions that the score test does not reject.

    Both limits solve ``(n + z^2) p^2 - (2 x + z^2) p + x^2 / n = 0``; each is taken from the product of the two, so that the
    lower limit is exactly 0 without events and the upper limit exactly 1 with only events. No continuity correction.
    """
    x, n = _counts(events, total)
    z2 = two_sided_z(level) ** 2

    def smaller(count: Array) -> Array:
        larger = (count + z2 / 2 + np.sqrt(z2 * (count * (n - count) / n + z2 / 4))) / (n + z2)
        return np.minimum(count / n * (count / (n + z2)) / larger, 1.0)

    return smaller(x), 1.0 - smaller(n - x)


def agresti_coull(events: ArrayLike, total: ArrayLike, level: float = 0.95) -> tuple[Array, Array]:
    """Agresti and Coull (1998, doi:10.1080/00031305.1998.10480550): a normal interval after adding ``z^2 / 2`` to both cells.

    Clipped to 0..1; it contains Wilson's interval.
    """
    x, n = _counts(events, total)
    z = two_sided_z(level)
    size = n + z**2
    p = (x + z**2 / 2) / size
    half = z * np.sqrt(p * (1.0 - p) / size)
    return np.clip(p - half, 0.0, 1.0), np.clip(p + half, 0.0, 1.0)


def jeffreys(events: ArrayLike, total: ArrayLike, level: float = 0.95) -> tuple[Array, Array]:
    """Jeffreys: equal tails of the beta distribution ``(x + 1/2, n - x + 1/2)`` (Brown 2001, doi:10.1214/ss/1009213286).

    By the convention of that article the lower limit is 0 without events and the upper limit 1 with only events.
    """
    x, n = _counts(events, total)
    tail = (1.0 - level) / 2
    lower = special.betaincinv(x + 0.5, n - x + 0.5, tail)
    upper = special.betainccinv(x + 0.5, n - x + 0.5, tail)
    return np.where(x == 0, 0.0, lower), np.where(x == n, 1.0, upper)


def normal_on_scale(
    events: ArrayLike, total: ArrayLike, level: float = 0.95, *, measure: str = "PLO", add: float = CORRECTION, to: str = "only0"
) -> tuple[Array, Array]:
    """``yi - z sqrt(vi)`` to ``yi + z sqrt(vi)`` on the scale of a one-group measure, back-transformed.

    The interval that inverse-variance pooling implies for a single study, corrected for zero cells by the same rules. With a
    measure of incidence rates, `total` is the person-time and the interval is one of rates. A study whose effect is undefined
    (nothing added to an empty cell) has no interval: NaN.
    """
    chosen = MEASURES[measure]
    if chosen.groups != 1:
        raise ValueError(f"measure={measure!r} is not a measure of one group")
    x, n = np.broadcast_arrays(np.asarray(events, dtype=np.float64), np.asarray(total, dtype=np.float64))
    effects = chosen.effects(x, n, add=add, to=to)
    known = np.isfinite(effects.vi)
    half = two_sided_z(level) * np.sqrt(np.where(known, effects.vi, np.nan))
    size = np.where(known, n, np.nan)
    return chosen.back(effects.yi - half, size), chosen.back(effects.yi + half, size)


#: Intervals of a single proportion by the name that reports print.
INTERVALS: Mapping[str, Interval] = MappingProxyType(
    {
        "Clopper-Pearson": clopper_pearson,
        "Wilson": wilson,
        "Agresti-Coull": agresti_coull,
        "Jeffreys": jeffreys,
        "normal": normal_on_scale,
    }
)
