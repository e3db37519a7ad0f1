"""Quantiles and tail probabilities from `scipy.special`, which loads in a fraction of the time of `scipy.stats`.

Tail probabilities are survival functions throughout: one minus a distribution function loses every digit of a small p.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Array = NDArray[np.float64]


def _at_least_one(df: ArrayLike) -> Array:
    df = np.asarray(df, dtype=np.float64)
    return np.where(df >= 1, df, np.nan)


def two_sided_z(level: float) -> float:
    """The normal quantile that leaves `1 - level` outside both tails."""
    return float(special.ndtri(0.5 + level / 2))


def two_sided_t(level: float, df: ArrayLike) -> Array:
    """Student's quantile that leaves `1 - level` outside both tails; NaN where `df` is below one."""
    return np.asarray(special.stdtrit(_at_least_one(df), 0.5 + level / 2), dtype=np.float64)


def chi2_upper_tail(statistic: ArrayLike, df: ArrayLike) -> Array:
    """P(chi-squared with `df` degrees of freedom > statistic); NaN where `df` is below one."""
    return np.asarray(special.chdtrc(_at_least_one(df), np.asarray(statistic, dtype=np.float64)), dtype=np.float64)


def chi2_quantile(probability: float, df: ArrayLike) -> Array:
    """The value below which a chi-squared variable with `df` degrees of freedom falls with `probability`."""
    # chdtri takes the upper tail.
    return np.asarray(special.chdtri(_at_least_one(df), 1.0 - probability), dtype=np.float64)
