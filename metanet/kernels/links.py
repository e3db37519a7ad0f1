"""Links of the random-effect models: from the predictor to the rate, and the rate averaged over the random effect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]


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

    The rule converges geometrically for these integrands, for the logistic function at a rate set by the distance ``pi / tau`` of its
    poles from the real axis; the step follows that distance for the largest tau of the batch, in powers of two, so that
    rows of different batches mostly share their nodes.
    """
    finite = tau[np.isfinite(tau)]
    largest = float(finite.max()) if finite.size else 0.0
    step = 0.1 * 0.5 ** np.ceil(max(0.0, np.log2(max(largest, 1e-9) / 5.5)))
    half = int(np.ceil(9.0 / step))
    z = np.linspace(-half * step, half * step, 2 * half + 1)
    weight = np.exp(-0.5 * z * z)
    return z, weight / weight.sum()
