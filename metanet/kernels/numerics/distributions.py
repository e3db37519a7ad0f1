"""Quantiles and tail probabilities: normal, t, chi-squared and F from `scipy.special`, counts, and the generalised Q statistic."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from metanet.base.arrays import Array

# Quantiles and tail probabilities from `scipy.special`, which loads in a fraction of the time of `scipy.stats`.
#
# Tail probabilities are survival functions throughout: one minus a distribution function loses every digit of a small p.


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


def binomial_tails(y: Array, n: Array, rate: Array) -> tuple[Array, Array]:
    """P(Y < y) and P(Y > y) of a binomial count; both zero for a study that is absent (n = 0)."""
    inner, outer = np.maximum(y, 1.0), np.maximum(n - y, 1.0)
    below = np.where(y > 0, special.betaincc(inner, n - inner + 1.0, rate), 0.0)
    above = np.where(y < n, special.betainc(n - outer + 1.0, outer, rate), 0.0)
    return below, above


def poisson_tails(y: Array, expected: Array) -> tuple[Array, Array]:
    """P(Y < y) and P(Y > y) of a Poisson count."""
    return np.where(y > 0, special.gammaincc(np.maximum(y, 1.0), expected), 0.0), special.gammainc(y + 1.0, expected)


# The exact distribution of a generalised Q statistic.
#
# ``Q = sum a (y - m)^2`` with ``m = sum a y / sum a`` and ``y_i ~ N(mu, s_i)`` is a weighted sum of chi-squared variables
# (Jackson 2013, doi:10.1002/jrsm.1081). Its moment-generating function needs no eigenvalues: with ``d_i = a_i s_i``
#
#     M(s) = prod_i (1 - 2 s d_i)^(-1/2)  *  (sum_i a_i / (1 - 2 s d_i) / sum a)^(-1/2),
#
# which costs O(k). The tail probability ``P(Q > x) = (2 pi i)^(-1) int M(s) exp(-s x) / s ds`` is taken along a parabola around the
# branch cut of M, where the integrand falls like a normal density and the trapezoidal rule converges geometrically (Weideman and
# Trefethen 2007, doi:10.1090/S0025-5718-07-01945-X).

#: Nodes on the upper half of the parabola; 300 change nothing beyond 1e-13.
NODES = 48


def tails(a: Array, s: Array, x: Array) -> tuple[Array, Array]:
    """P(Q > x) and P(Q <= x), ``[b]``; the smaller of the two keeps its relative digits to about 1e-12.

    Parameters
    ----------
    a
        Weights of the statistic, ``[b, k]``; zero for an absent study.
    s
        Total variances ``v + tau2``, ``[b, k]``, finite also where a study is absent.
    x
        Where the distribution is read, ``[b]``; the upper tail is 1 at and below zero.
    """
    d = a * s
    largest = d.max(-1)
    x = np.asarray(x, dtype=np.float64)
    positive = x > 0
    edge = 0.5 / largest  # the branch cut of M begins here, or further right
    xs = np.where(positive, x, largest)
    top = _saddle(d, edge, xs)
    step = np.sqrt(40.0 / (top * xs)) / NODES
    u = step[:, None] * (np.arange(NODES) + 0.5)
    root = 1.0 + 1j * u
    z = top[:, None] * root * root
    factor = 1.0 - 2.0 * (edge[:, None] - z)[:, None, :] * d[:, :, None]
    log_m = -0.5 * np.log(factor).sum(1)
    mean = (a[:, :, None] / factor).sum(1) / a.sum(-1)[:, None]
    log_m -= 0.5 * np.log(mean)
    integrand = np.exp(log_m + (z - edge[:, None]) * xs[:, None]) / (edge[:, None] - z) * root
    integral = 2.0 * top / np.pi * step * integrand.real.sum(-1)
    # The pole at s = 0 lies at a distance of `nearness - 1` strips: left of the contour its residue counts in full, and
    # near the contour the rule itself sees a part of it, which is known exactly.
    nearness = np.sqrt(edge / top)
    upper = integral + special.expit(-2.0 * np.pi * (nearness - 1.0) / step)
    lower = special.expit(2.0 * np.pi * (nearness - 1.0) / step) - integral
    # The smaller tail is the one computed; the other is its complement.
    return np.where(positive, np.clip(upper, 0.0, 1.0), 1.0), np.where(positive, np.clip(lower, 0.0, 1.0), 0.0)


def _saddle(d: Array, edge: Array, x: Array) -> Array:
    """Distance from the cut, ``[b]``, at which ``M(s) exp(-s x)`` is lowest on the real axis; by halving, it need not be sharp."""
    low, high = np.full(x.shape, 1e-3) / x, (0.5 * d.shape[-1] + edge * x + 1.0) / x
    for _ in range(20):
        middle = np.sqrt(low * high)
        slope = (d / (1.0 - 2.0 * (edge - middle)[:, None] * d)).sum(-1) - x
        low, high = np.where(slope > 0, middle, low), np.where(slope > 0, high, middle)
    return np.asarray(np.sqrt(low * high))
