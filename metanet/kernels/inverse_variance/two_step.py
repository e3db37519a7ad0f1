"""The normal-normal (inverse-variance) model: weights, mean, Q, I2 and H2, and prediction intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from metanet.base.arrays import Array, Indices
from metanet.kernels.numerics import distributions, distributions as quantiles
from metanet.kernels.numerics.roots import find_roots

# The normal-normal (inverse-variance) model: weights, mean, Q and the typical sampling variance.
#
# Effects `y` and their sampling variances `v` have shape ``[b, k]``; an absent study has ``v = inf`` (weight zero) and a
# finite `y`.


@dataclass(frozen=True)
class WeightedMean:
    """Inverse-variance mean at a given tau2: weights ``[b, k]``, mean, model-based variance and residual sum ``[b]``."""

    weights: Array
    mean: Array
    variance: Array
    q: Array


def weighted_mean(y: Array, v: Array, tau2: Array) -> WeightedMean:
    """Mean ``sum(w y) / sum(w)`` with ``w = 1 / (v + tau2)``, its variance ``1 / sum(w)`` and ``Q = sum(w (y - mean)^2)``."""
    w = 1.0 / (v + tau2[..., None])
    total = w.sum(-1)
    mean = (w * y).sum(-1) / total
    residual = y - mean[..., None]
    return WeightedMean(w, mean, 1.0 / total, (w * residual * residual).sum(-1))


def study_count(v: Array) -> Array:
    """Number of studies present in each row ``[b]``."""
    return np.asarray(np.isfinite(v).sum(-1), dtype=np.float64)


def plain_spread(y: Array, v: Array) -> tuple[Array, Array]:
    """Unweighted mean of the studies present and the sum of squares about it, each ``[b]``."""
    present = np.isfinite(v)
    mean = np.where(present, y, 0.0).sum(-1) / present.sum(-1)
    deviation = np.where(present, y - mean[..., None], 0.0)
    return mean, (deviation * deviation).sum(-1)


def typical_variance(v: Array) -> Array:
    """Typical within-study variance of Higgins and Thompson (2002, doi:10.1002/sim.1186, equation 9); NaN for one study."""
    w = 1.0 / v
    s1, s2 = w.sum(-1), (w * w).sum(-1)
    denominator = s1 * s1 - s2
    k = study_count(v)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(k > 1, (k - 1) * s1 / denominator, np.nan)


def r2(tau2_without: Array, tau2_with: Array) -> Array:
    """Share of the heterogeneity that moderators account for, ``1 - tau2_with / tau2_without`` cut at zero, ``[b]``.

    Raudenbush (2009, The Handbook of Research Synthesis and Meta-Analysis, chapter 16). NaN where there is nothing to explain.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(tau2_without > 0, np.maximum(0.0, 1.0 - tau2_with / tau2_without), np.nan)


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
        half = distributions.two_sided_z(level) * se
        h2 = [np.where(df > 0, np.exp(2 * np.maximum(x, 0.0)), np.nan) for x in (log_h, log_h - half, log_h + half)]
        h2 = [np.where(np.isnan(half) & (i > 0), np.nan, x) for i, x in enumerate(h2)]
        i2 = [1.0 - 1.0 / x for x in h2]
    return Inconsistency(i2[0], i2[1], i2[2], h2[0], h2[1], h2[2])


# Prediction intervals for the true effect of a new study, on the model scale, ``[b]``.
#
# Mean, standard error and tau2 are ``[b]``. Where a quantile needs degrees of freedom below one there is no interval: NaN.

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
