"""How surprising an observed count is under the distribution that the other studies predict for it.

The predictor of a new study is normal, ``theta ~ N(mean, sd^2)``; its count follows the study's own likelihood. The tails

    below = E[P(Y < y | theta)]        above = E[P(Y > y | theta)]

are averages over theta by the trapezoidal rule, and the residual is the normal quantile of the mid-p value
``below + (1 - below - above) / 2`` (Dunn and Smyth 1996, doi:10.1080/10618600.1996.10474708, with the middle in place of their random
point): standard normal for large counts, and defined without events, where a residual on the logit scale is not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from metanet.kernels.count_tails import binomial_tails
from metanet.kernels.study_likelihoods import Likelihood

Array = NDArray[np.float64]

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
