"""I2 and H2 in their two definitions, ``[b]``: from tau2, or from Q."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metanet.kernels import quantiles

Array = NDArray[np.float64]


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
        half = quantiles.two_sided_z(level) * se
        h2 = [np.where(df > 0, np.exp(2 * np.maximum(x, 0.0)), np.nan) for x in (log_h, log_h - half, log_h + half)]
        h2 = [np.where(np.isnan(half) & (i > 0), np.nan, x) for i, x in enumerate(h2)]
        i2 = [1.0 - 1.0 / x for x in h2]
    return Inconsistency(i2[0], i2[1], i2[2], h2[0], h2[1], h2[2])
