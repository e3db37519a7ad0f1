"""Every study's own share of the binomial-normal likelihood at many values of (mu, tau), with the error of each integral checked.

``L_i(mu, tau) = E[Bin(events_i; total_i, expit(mu + tau Z))]``. Up to moderate tau, and for studies with both outcomes at any tau,
it is the trapezoidal rule of `metanet.kernels.random_effect`. A study in which all patients had the same outcome makes, under a
large tau, a normal curve cut off by an edge that no spacing in Z resolves; its integral is taken by parts. For a study without events

``L = E[S(mu + tau Z)] = integral of Phi((t - mu) / tau) g(t) dt``,  ``S(t) = (1 + exp(t))^-n``,  ``g = -S'``,

in which nothing becomes narrow as tau grows. g is analytic, so that equal steps converge geometrically
(Trefethen and Weideman 2014, doi:10.1137/130932132).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import special

from metanet.kernels.random_effect import Array, Indices, Rule, nodes_interval
from metanet.kernels.study_likelihoods import BinomialLogit

#: Rules tried in turn; an integrand that is exp(-30) of its peak adds 1e-13.
RULES = tuple(Rule(32 * 2**level + 1, 30.0) for level in range(7))
#: Half the nodes may change a log-likelihood by this much. All of them are then wrong by about its square, and by about this much
#: where the errors of both happen to be alike.
HALF_TOLERANCE = 1e-6
#: From this tau on a study at an edge is integrated by parts, unless the integrand lies so far out in the tail of Phi (its
#: slope there, and the same in standard deviations) that the steps would be too long for it; Z serves there.
_BY_PARTS, _SLOPE, _REACH = 1.2, 2.0, 6.0
_STEP = 0.35
#: Elements of an array over nodes that still fit the cache.
_BLOCK = 15_000
_LOG_SQRT_2PI = 0.5 * np.log(2 * np.pi)


def single(events: Array, total: Array) -> BinomialLogit:
    """The studies ``[k]`` as a batch of k fits of one study each."""
    return BinomialLogit(events[:, None], total[:, None])


def integrals(studies: BinomialLogit, mu: Array, tau: Array) -> tuple[Array, Array]:
    """Log-likelihood of every study at every point, ``[k, p]``, and what half the nodes would have changed, ``[k, p]``.

    Points are ``[p]``; `refine` mends the entries whose second number is too large.
    """
    k, p = studies.total.shape[0], mu.size
    loglik, half = np.empty((k, p)), np.zeros((k, p))
    for i in range(k):
        parts = _by_parts_mask(studies, i, mu, tau)
        if parts.any():
            loglik[i, parts] = _by_parts(studies, i, mu[parts], tau[parts])
        plain = np.flatnonzero(~parts)
        loglik[i, plain], half[i, plain] = _pairs(studies, np.full(plain.size, i), mu[plain], tau[plain], RULES[0])
    return loglik, half


def refine(studies: BinomialLogit, mu: Array, tau: Array, share: Array, loglik: Array, half: Array, level: int) -> bool:
    """Redo, in place, with rule number `level` what `integrals` left undecided; False where nothing was.

    `share` ``[p]`` is the posterior weight of a point beside that of the heaviest: an error there counts as much.
    """
    i, j = np.nonzero(np.abs(half) * share > HALF_TOLERANCE)
    if not i.size:
        return False
    loglik[i, j], half[i, j] = _pairs(studies, i, mu[j], tau[j], RULES[level])
    return True


def _pairs(studies: BinomialLogit, study: Indices, mu: Array, tau: Array, rule: Rule) -> tuple[Array, Array]:
    """Log-likelihood of one study at one point, pair by pair, and the change by half the nodes."""
    loglik, half = np.empty(mu.size), np.empty(mu.size)
    indices = np.arange(rule.nodes, dtype=np.float64).reshape(-1, 1, 1)
    size = max(1, _BLOCK // rule.nodes)
    for start in range(0, mu.size, size):
        rows = slice(start, start + size)
        part, m, t = studies.take(study[rows]), mu[rows], tau[rows]
        low, length = nodes_interval(part, m, t, rule.drop)[:2]
        width = length / (rule.nodes - 1)
        z = low + indices * width
        weight = part.slope(m[:, None] + t[:, None] * z)[0]
        weight -= 0.5 * z * z
        peak = weight.max(0)
        weight -= peak
        np.exp(weight, out=weight)
        mass = weight.sum(0)
        loglik[rows] = (peak + np.log(mass * width))[:, 0] + part.constant - _LOG_SQRT_2PI
        # A spike between the nodes leaves half of them nothing.
        half[rows] = np.log(np.maximum(2.0 * weight[::2].sum(0) / mass, 1e-300))[:, 0]
    return loglik, half


def _by_parts_mask(studies: BinomialLogit, i: int, mu: Array, tau: Array) -> NDArray[np.bool_]:
    if not studies.edge[i, 0]:
        return np.zeros(mu.shape, dtype=bool)
    n = studies.total[i, 0]
    beyond = (mu if studies.events[i, 0] == 0 else -mu) + np.log(n)
    return np.asarray((tau > _BY_PARTS) & (beyond < np.minimum(_SLOPE * tau * tau, _REACH * tau)))


def _by_parts(studies: BinomialLogit, i: int, mu: Array, tau: Array) -> Array:
    n = float(studies.total[i, 0])
    mu = mu if studies.events[i, 0] == 0 else -mu
    t, weight = edge_nodes(n)
    loglik = np.empty(mu.size)
    size = max(1, 2 * _BLOCK // t.size)
    for start in range(0, mu.size, size):
        rows = slice(start, start + size)
        loglik[rows] = weight @ special.ndtr((t[:, None] - mu[rows]) / tau[rows])
    return np.log(loglik)


def edge_nodes(n: float, step: float = _STEP) -> tuple[Array, Array]:
    """Equal steps over ``g(t) = n expit(t) (1 + exp(t))^-n`` and their weights, which sum to one."""
    low = -np.log(n) - 28.0
    high = np.log(np.expm1(30.0 / n))
    t = np.arange(low, high + step, step)
    weight = np.exp(-np.logaddexp(0.0, -t) - n * np.logaddexp(0.0, t))
    return t, weight / weight.sum()


def averaged_rate(mu: Array, tau: Array) -> tuple[Array, Array]:
    """``E[expit(mu + tau Z)]`` and its derivative in mu, for points of any one shape; small rates keep their digits.

    Under a large tau it is the probability that a logistic variable lies below a normal one, by the rule for one patient; far out in
    the lower tail ``exp(mu + tau^2 / 2) E[expit(-(mu + tau^2) - tau Z)]``, of which the second factor is not small.
    """
    shape = mu.shape
    mu, tau = mu.ravel(), np.broadcast_to(tau, shape).ravel()
    rate, slope = np.empty(mu.size), np.empty(mu.size)
    z = np.arange(-9.0, 9.1, 0.6)
    normal = np.exp(-0.5 * z * z)
    normal /= normal.sum()
    for rows in _blocks(np.flatnonzero(tau < 1.0), z.size):
        theta = mu[rows] + tau[rows] * z[:, None]
        p = special.expit(theta)
        rate[rows], slope[rows] = normal @ p, normal @ (p * special.expit(-theta))
    # The logistic density has no nearer pole than pi i, twice as far as the smoothness of more patients reaches.
    t, weight = edge_nodes(1.0, 2 * _STEP)
    for rows in _blocks(np.flatnonzero(~(tau < 1.0)), t.size):
        m, s = mu[rows], tau[rows]
        square = np.minimum(s * s, 1e300)
        far = m < -0.5 * square
        x = (np.where(far, -m - square, m) + t[:, None]) / s
        value = weight @ special.ndtr(x)
        rise = (weight @ np.exp(-0.5 * x * x)) / (s * np.sqrt(2 * np.pi))
        factor = np.exp(np.where(far, m + 0.5 * square, 0.0))
        rate[rows], slope[rows] = factor * value, factor * np.where(far, value - rise, rise)
    return rate.reshape(shape), slope.reshape(shape)


def _blocks(rows: Indices, nodes: int) -> Iterator[Indices]:
    """The rows in pieces whose arrays over nodes stay in the cache."""
    size = max(1, 4 * _BLOCK // nodes)
    for start in range(0, rows.size, size):
        yield rows[start : start + size]
