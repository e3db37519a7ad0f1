"""From the scale of a measure back to the scale of the response: rates, ratios, differences.

Every function is increasing in its value, clipped to what the response can attain, and finite arguments never give NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from metanet.base.arrays import Array
from metanet.effects.formulas import freeman_tukey


def _value(value: ArrayLike) -> Array:
    return np.asarray(value, dtype=np.float64)


def identity(value: ArrayLike) -> Array:
    """The value itself: a difference of rates per person-time."""
    return _value(value).copy()


def proportion(value: ArrayLike) -> Array:
    """A raw proportion, clipped to 0..1; confidence limits can lie outside."""
    return np.clip(_value(value), 0.0, 1.0)


def risk_difference(value: ArrayLike) -> Array:
    """A difference of proportions, clipped to -1..1."""
    return np.clip(_value(value), -1.0, 1.0)


def arcsine_difference(value: ArrayLike) -> Array:
    """A difference of two angles of proportions, clipped to -pi/2..pi/2; no back-transformation to proportions exists."""
    return np.clip(_value(value), -np.pi / 2, np.pi / 2)


def ratio(value: ArrayLike) -> Array:
    """``exp(v)``; infinite where that overflows."""
    with np.errstate(over="ignore"):
        return np.exp(_value(value))


def exp_proportion(value: ArrayLike) -> Array:
    """``exp(v)``, clipped at 1."""
    return np.exp(np.minimum(_value(value), 0.0))


def sine_squared(value: ArrayLike) -> Array:
    """``sin(v)^2`` with the angle clipped to 0..pi/2, the angles of 0 and of 1."""
    return np.sin(np.clip(_value(value), 0.0, np.pi / 2)) ** 2


def freeman_tukey_proportion(value: ArrayLike, size: ArrayLike) -> Array:
    """The proportion ``x / n`` whose Freeman-Tukey angle in `size` patients is `value`.

    With angle y, its two arcs are a and b, ``y = (a + b) / 2`` and ``sin(b)^2 - sin(a)^2 = 1 / (n + 1)``; that difference is
    ``sin(b + a) sin(b - a)``. So ``d = b - a = asin(1 / ((n + 1) sin(2 y)))`` and ``x / n = sin(y - d / 2)^2 (n + 1) / n``. This is
    Miller's inverse (1978, doi:10.1080/00031305.1978.10479283), without its loss of digits at the ends and its square root of
    negative numbers there. A value outside the angles that 0 and n events have for this size maps to 0 or to 1 (Schwarzer 2019,
    doi:10.1002/jrsm.1348).

    Parameters
    ----------
    value
        Angles in radians; broadcast against `size`.
    size
        Number of patients, above 0: of one study, or the harmonic mean over the studies that were pooled (`harmonic_mean`).
        The result depends on it, so the choice belongs into the method stamp.
    """
    y, n = np.broadcast_arrays(_value(value), _value(size))
    lowest, highest = freeman_tukey(np.zeros_like(n), n).yi, freeman_tukey(n, n).yi
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = np.clip(y, lowest, highest)
        half = 0.5 * np.arcsin(np.minimum(1.0 / ((n + 1.0) * np.sin(2.0 * inside)), 1.0))
        p = (n + 1.0) / n * np.sin(inside - half) ** 2
    return np.where(y <= lowest, 0.0, np.where(y >= highest, 1.0, np.clip(p, 0.0, 1.0)))


def rate(value: ArrayLike) -> Array:
    """A rate per person-time, clipped at 0."""
    return np.maximum(_value(value), 0.0)


def squared_rate(value: ArrayLike) -> Array:
    """The square of a root rate, which is clipped at 0."""
    with np.errstate(over="ignore"):
        return np.maximum(_value(value), 0.0) ** 2


def freeman_tukey_rate(value: ArrayLike, size: ArrayLike) -> Array:
    """The rate ``r = x / t`` whose Freeman-Tukey value in person-time `size` is `value`.

    ``y = (sqrt(r) + sqrt(r + 1/t)) / 2`` gives ``sqrt(r) = y - 1 / (4 y t)``. A value below that of no events maps to 0.

    Parameters
    ----------
    value
        Roots of rates; broadcast against `size`.
    size
        Person-time, above 0, in the unit of the rate: of one study, or the harmonic mean over the pooled studies.
    """
    y, t = np.broadcast_arrays(_value(value), _value(size))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        lowest = 0.5 * np.sqrt(1.0 / t)
        inside = np.maximum(y, lowest)
        root = inside - 0.25 / (inside * t)
        return np.where(y <= lowest, 0.0, np.maximum(root, 0.0) ** 2)


def harmonic_mean(size: ArrayLike) -> Array:
    """Harmonic mean of sizes over the last axis, ``[..., k]`` to ``[...]``; absent studies (size 0) do not count.

    Set the size of a study that was not pooled to 0: a mean over excluded studies moves the back-transformed rate. NaN where
    no study is present.
    """
    n = _value(size)
    present = n > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(present.sum(axis=-1) / np.where(present, 1.0 / n, 0.0).sum(axis=-1))
