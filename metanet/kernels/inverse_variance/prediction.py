"""Prediction intervals for the true effect of a new study, on the model scale, ``[b]``.

Mean, standard error and tau2 are ``[b]``. Where a quantile needs degrees of freedom below one there is no interval: NaN.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from metanet.base.arrays import Array, Indices
from metanet.kernels.inverse_variance.two_step import weighted_mean
from metanet.kernels.numerics import distributions
from metanet.kernels.numerics import distributions as quantiles
from metanet.kernels.numerics.roots import find_roots

#: Nodes over the confidence distribution of tau2 and over the error of the mean; doubling both moves nothing beyond 1e-7.
_TAU2_NODES = 48
_ERROR_NODES = 64


def student(mean: Array, se: Array, tau2: Array, df: Array, level: float) -> tuple[Array, Array]:
    """``mean -+ t_df sqrt(tau2 + se^2)`` (Higgins, Thompson and Spiegelhalter 2009, doi:10.1111/j.1467-985X.2008.00552.x).

    With the model-based error and k - 2 df this is HTS, with k - 1 df meta's "V"; with the Hartung-Knapp error and k - 1 df
    HK, with the Kenward-Roger error and its df KR (Partlett and Riley 2017, doi:10.1002/sim.7140).
    """
    half = quantiles.two_sided_t(level, df) * np.sqrt(tau2 + se * se)
    return mean - half, mean + half


def normal(mean: Array, se: Array, tau2: Array, level: float) -> tuple[Array, Array]:
    """``mean -+ z sqrt(tau2 + se^2)``: as if tau2 were known."""
    half = quantiles.two_sided_z(level) * np.sqrt(tau2 + se * se)
    return mean - half, mean + half


def bootstrap(y: Array, v: Array, level: float) -> tuple[Array, Array]:
    """The limit of the parametric bootstrap of Nagashima, Noma and Furukawa (2019, doi:10.1177/0962280218773520).

    They draw tau2 from its exact confidence distribution, ``P(Q > q; tau2)`` with Cochran's weights, a normal deviation of that
    variance and a t_(k-1) error of the mean in the Hartung-Knapp scale at that tau2, and read off quantiles. The same
    distribution is integrated here instead of sampled: no random numbers, the same interval on every run.
    """
    lower, upper = np.full(y.shape[0], np.nan), np.full(y.shape[0], np.nan)
    for i in np.flatnonzero(np.isfinite(v).sum(-1) > 2):
        present = np.isfinite(v[i])
        lower[i], upper[i] = _bootstrap_one(y[i, present], v[i, present], level)
    return lower, upper


def _bootstrap_one(y: Array, v: Array, level: float) -> tuple[float, float]:
    k = y.size
    tau2, weight = _confidence_nodes(y, v)
    fit = weighted_mean(np.broadcast_to(y, (tau2.size, k)), np.broadcast_to(v, (tau2.size, k)), tau2)
    se = np.sqrt(fit.variance * fit.q / (k - 1))
    tau = np.sqrt(tau2)

    def distribution(x: Array, _: Indices) -> Array:
        return np.array([(weight * _sum_cdf(value - fit.mean, tau, se, k - 1)).sum() for value in x])

    width = np.sqrt(tau2 + se * se)
    centre = np.array([(weight * fit.mean).sum()] * 2)
    tail = (1 - level) / 2
    goal = np.array([tail, 1 - tail])
    reach = 4.0 * float((weight * width).sum()) * np.array([1.0, 1.0])
    for _ in range(60):
        low, high = distribution(centre - reach, np.arange(2)) - goal, distribution(centre + reach, np.arange(2)) - goal
        if (low < 0).all() and (high > 0).all():
            break
        reach *= 2.0
    ends = find_roots(lambda x, i: distribution(x, i) - goal[i], centre - reach, centre + reach, relative=1e-11)
    return float(ends[0]), float(ends[1])


def _confidence_nodes(y: Array, v: Array) -> tuple[Array, Array]:
    """Values of tau2 and their probabilities under its confidence distribution; the first is zero, with its atom."""
    a = 1.0 / v
    mean = (a * y).sum() / a.sum()
    q = float((a * (y - mean) ** 2).sum())

    def upper_tail(t: Array) -> Array:
        return distributions.tails(np.broadcast_to(a, (t.size, a.size)), v + t[:, None], np.full(t.size, q))[0]

    atom = float(upper_tail(np.zeros(1))[0])
    points, weights = np.polynomial.legendre.leggauss(_TAU2_NODES)
    # Where the distribution reaches one, tau2 grows without bound: the nodes crowd there.
    share, stretch = 0.5 * (points + 1.0), 3.0
    remaining = (1.0 - atom) * share**stretch
    probability = (1.0 - atom) * 0.5 * weights * stretch * share ** (stretch - 1.0)
    goal = 1.0 - remaining
    high = np.full(goal.shape, max(q, 1.0) / float(a.sum()) + float(v.max()))
    for _ in range(200):
        open_ = upper_tail(high) < goal
        if not open_.any():
            break
        high[open_] *= 4.0
    roots = find_roots(lambda t, i: upper_tail(t) - goal[i], np.zeros(goal.size), high, relative=1e-11)
    return np.concatenate([[0.0], roots]), np.concatenate([[atom], probability])


def _sum_cdf(x: Array, tau: Array, se: Array, df: int) -> Array:
    """P(tau Z + se T <= x) for independent normal Z and Student's T with `df` degrees of freedom, element by element.

    The narrower of the two parts is integrated out, so that the function left is smooth on the nodes.
    """
    wide = tau >= se
    out = np.empty(x.shape)
    # Student's density becomes a power of the cosine on the angle whose tangent is T / sqrt(df): periodic, so equal steps do.
    angle = np.pi * ((np.arange(_ERROR_NODES) + 0.5) / _ERROR_NODES - 0.5)
    density = np.cos(angle) ** (df - 1)
    density /= density.sum()
    t = np.sqrt(df) * np.tan(angle)
    rows = np.flatnonzero(wide)
    with np.errstate(divide="ignore", invalid="ignore"):
        inner = special.ndtr((x[rows, None] - se[rows, None] * t) / tau[rows, None])
        out[rows] = (density * inner).sum(-1)
        z = np.linspace(-9.0, 9.0, _ERROR_NODES)
        normal_density = np.exp(-0.5 * z * z)
        normal_density /= normal_density.sum()
        rows = np.flatnonzero(~wide)
        inner = special.stdtr(df, (x[rows, None] - tau[rows, None] * z) / se[rows, None])
        out[rows] = (normal_density * inner).sum(-1)
    # Identical effects at tau2 = 0 have no error at all in this scale.
    return np.where((tau == 0) & (se == 0), (x >= 0).astype(float), out)
