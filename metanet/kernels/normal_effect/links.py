"""Links of the random-effect models, the rate averaged over the random effect, and the predictive distribution of a count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from metanet.base.arrays import Array
from metanet.kernels.normal_effect.study_likelihoods import Likelihood
from metanet.kernels.numerics.distributions import binomial_tails

# Links of the random-effect models: from the predictor to the rate, and the rate averaged over the random effect.


@dataclass(frozen=True)
class Link:
    """A link: its inverse, the derivative of that, and the link itself."""

    inverse: Callable[[Array], Array]
    derivative: Callable[[Array], Array]
    forward: Callable[[Array], Array]


def _logistic_slope(theta: Array) -> Array:
    p = special.expit(theta)
    return np.asarray(p * special.expit(-theta))


def _normal_density(theta: Array) -> Array:
    return np.asarray(np.exp(-0.5 * theta * theta) / np.sqrt(2 * np.pi))


def _cloglog_inverse(theta: Array) -> Array:
    return np.asarray(-np.expm1(-np.exp(np.minimum(theta, 300.0))))


def _cloglog_slope(theta: Array) -> Array:
    theta = np.minimum(theta, 300.0)
    return np.exp(theta - np.exp(theta))


def _cloglog(rate: Array) -> Array:
    return np.log(-np.log1p(-rate))


LINKS = {
    "logit": Link(special.expit, _logistic_slope, special.logit),
    "probit": Link(special.ndtr, _normal_density, special.ndtri),
    "cloglog": Link(_cloglog_inverse, _cloglog_slope, _cloglog),
    "log": Link(np.exp, np.exp, np.log),
}


def averaged(function: Callable[[Array], Array], mu: Array, tau: Array) -> Array:
    """``E[function(mu + tau Z)]`` for a standard normal Z, ``[b]``."""
    z, weight = _nodes(tau)
    return np.asarray((function(mu[:, None] + tau[:, None] * z) * weight).sum(-1))


def marginal_rate(link: Link, mu: Array, tau: Array) -> tuple[Array, Array]:
    """Population-averaged rate ``E[inverse(mu + tau Z)]``, ``[b]``, and its gradient in (mu, tau), ``[b, 2]``."""
    z, weight = _nodes(tau)
    theta = mu[:, None] + tau[:, None] * z
    slope = link.derivative(theta) * weight
    return (link.inverse(theta) * weight).sum(-1), np.stack([slope.sum(-1), (slope * z).sum(-1)], -1)


def _nodes(tau: Array) -> tuple[Array, Array]:
    """Trapezoidal nodes and normal weights that sum to one.

    The rule converges geometrically for these integrands, for the logistic function at a rate set by the distance ``pi /
    tau`` of its poles from the real axis; the step follows that distance for the largest tau of the batch, in powers of two,
    so that rows of different batches mostly share their nodes.
    """
    finite = tau[np.isfinite(tau)]
    largest = float(finite.max()) if finite.size else 0.0
    step = 0.1 * 0.5 ** np.ceil(max(0.0, np.log2(max(largest, 1e-9) / 5.5)))
    half = int(np.ceil(9.0 / step))
    z = np.linspace(-half * step, half * step, 2 * half + 1)
    weight = np.exp(-0.5 * z * z)
    return z, weight / weight.sum()


# How surprising an observed count is under the distribution that the other studies predict for it.
#
# The predictor of a new study is normal, ``theta ~ N(mean, sd^2)``; its count follows the study's own likelihood. The tails
#
#     below = E[P(Y < y | theta)]        above = E[P(Y > y | theta)]
#
# are averages over theta by the trapezoidal rule, and the residual is the normal quantile of the mid-p value ``below + (1 -
# below - above) / 2`` (Dunn and Smyth 1996, doi:10.1080/10618600.1996.10474708, with the middle in place of their random
# point): standard normal for large counts, and defined without events, where a residual on the logit scale is not.

#: Nodes reach so many standard deviations to either side.
_REACH = 9.0
#: The most nodes; beyond, a study is so large that its count says its rate, and the normal density is flat between two nodes.
_MOST = 4001
_HERMITE = special.roots_hermitenorm(9)


def normal_residual(below: Array, above: Array) -> Array:
    """Normal quantile of the mid-p value, from whichever tail is the smaller one; it keeps its digits there."""
    equal = np.maximum(0.0, 1.0 - below - above)
    lower = below <= above
    p = np.where(lower, below, above) + 0.5 * equal
    return np.where(lower, special.ndtri(p), -special.ndtri(p))


def predictive_residual(studies: Likelihood, mean: Array, sd: Array) -> Array:
    """Residual of every study ``[b, k]`` against its own prediction ``N(mean, sd^2)``, ``[b, k]`` each."""
    # The tails move over a width of the study's own standard error: nodes closer than that see them.
    sharp = float(np.nanmax(sd * np.sqrt(studies.precision), initial=0.0))
    nodes = min(_MOST, max(181, int(np.ceil(4 * _REACH * sharp)) | 1))
    z = np.linspace(-_REACH, _REACH, nodes)
    weight = np.exp(-0.5 * z * z)
    weight /= weight.sum()
    below, above = np.zeros(mean.shape), np.zeros(mean.shape)
    size = max(1, 2_000_000 // max(1, mean.size))
    for start in range(0, nodes, size):
        part = slice(start, start + size)
        tails = studies.tails(mean + sd * z[part].reshape(-1, *([1] * mean.ndim)))
        below += np.tensordot(weight[part], tails[0], 1)
        above += np.tensordot(weight[part], tails[1], 1)
    return normal_residual(below, above)


def beta_binomial_residual(events: Array, total: Array, mu: Array, se: Array, rho: Array) -> Array:
    """Residual of each count ``[k]`` under a beta-binomial distribution whose mean's logit is ``N(mu, se^2)``, ``[k]`` each."""
    z, weight = _HERMITE
    weight = weight / weight.sum()
    out = np.full(events.shape, np.nan)
    for i in range(events.size):
        if np.isnan(mu[i] + se[i] + rho[i]):
            continue
        mean = special.expit(mu[i] + se[i] * z)
        out[i] = normal_residual(*(weight @ tail for tail in _beta_binomial_tails(events[i], total[i], mean, rho[i])))
    return out


def _beta_binomial_tails(y: float, n: float, mean: Array, rho: float) -> tuple[Array, Array]:
    """P(Y < y) and P(Y > y) at several means: the probabilities of all counts, added up."""
    if rho <= 0:
        return binomial_tails(np.array(y), np.array(n), mean)
    count = np.arange(n)[:, None]
    size = 1.0 / rho - 1.0
    a, b = mean * size, (1.0 - mean) * size
    # Ratios of neighbouring probabilities: only logarithms of plain numbers are added.
    step = np.log(n - count) + np.log(a + count) - np.log(count + 1.0) - np.log(b + n - count - 1.0)
    log_p = np.concatenate([np.zeros((1, mean.size)), np.cumsum(step, axis=0)])
    p = np.exp(log_p - log_p.max(0))
    p /= p.sum(0)
    return p[: int(y)].sum(0), p[int(y) + 1 :].sum(0)
