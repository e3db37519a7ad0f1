"""The binomial-normal model: its likelihood and derivatives by adaptive quadrature.

``events_i ~ Binomial(total_i, expit(mu + tau z_i))`` with ``z_i ~ N(0, 1)`` (Stijnen, Hamza and Ozdemir 2010,
doi:10.1002/sim.4040). Counts have shape ``[b, k]``; an absent study has total 0 and contributes exactly nothing.

The model is written in tau, not tau2: the likelihood is then even and smooth across the boundary tau = 0, where an ordinary Newton
step is well behaved. Gradient and Hessian come from the posterior moments of each study's score (Louis 1982,
doi:10.1111/j.2517-6161.1982.tb01203.x), on the nodes that give the likelihood itself.

Notes
-----
Quadrature is the trapezoidal rule on the interval where a study's integrand exceeds a stated fraction of its peak. For an
analytic integrand that vanishes at both ends it converges geometrically (Trefethen and Weideman 2014, doi:10.1137/130932132). Where
the posterior is close to normal it needs about as many nodes as adaptive Gauss-Hermite quadrature; for a study without events under
a large tau, whose posterior is a normal curve cut off at an edge, Gauss-Hermite with 120 nodes was still wrong in the fifth digit.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Rule:
    """A quadrature rule: the number of nodes, and the fall of the log integrand at which the interval ends."""

    nodes: int
    drop: float


SCAN_RULE = Rule(12, 14.0)
#: Rules tried in turn until one with twice the nodes no longer moves the estimate. exp(-37) is the rounding error of one.
RULES = tuple(Rule(24 * 2**level, 37.0) for level in range(7))
_LOG_SQRT_2PI = 0.5 * np.log(2 * np.pi)


@dataclass(frozen=True)
class Evaluation:
    """Likelihood and its derivatives at one point, by fit ``[b]`` and by study ``[b, k]``.

    `score` is ``[b, 2]`` (mu, tau), `information` ``[b, 2, 2]`` the negative Hessian; `study_information` is each
    study's share of the information on mu, and `theta`, `rate` the posterior means of its logit and of its rate.
    """

    loglik: Array
    score: Array
    information: Array
    study_information: Array
    theta: Array
    rate: Array

    def take(self, rows: Mask | NDArray[np.intp]) -> Evaluation:
        """The chosen rows of every array."""
        return Evaluation(*(getattr(self, field.name)[rows] for field in fields(self)))

    def put(self, rows: NDArray[np.intp], part: Evaluation) -> None:
        """Write the rows of `part` into these arrays."""
        for field in fields(self):
            getattr(self, field.name)[rows] = getattr(part, field.name)


def log_binomial(events: Array, total: Array) -> Array:
    """Sum over studies of the logarithms of the binomial coefficients, ``[b]``."""
    return np.asarray(
        (special.gammaln(total + 1) - special.gammaln(events + 1) - special.gammaln(total - events + 1)).sum(-1)
    )


def _modes(events: Array, total: Array, mu: Array, tau: Array, iterations: int = 8) -> Array:
    """Posterior mode of every ``z``: Newton steps inside a bracket that a flat tail cannot throw out of it.

    The mode solves ``z = tau (events - total expit(mu + tau z))``, hence lies between zero and the right-hand side at zero.
    """
    at_zero = tau * (events - total * special.expit(mu))
    lower, upper = np.minimum(at_zero, 0.0), np.maximum(at_zero, 0.0)
    # First guess: the study's own logit, shrunken as two normal distributions would be.
    p = (events + 0.5) / (total + 1.0)
    own = total * p * (1 - p)
    z = tau * own * (special.logit(p) - mu) / (1.0 + tau * tau * own)
    z = np.minimum(np.maximum(z, lower), upper)
    for _ in range(iterations):
        p = special.expit(mu + tau * z)
        slope = tau * (events - total * p) - z
        lower = np.where(slope > 0, z, lower)
        upper = np.where(slope < 0, z, upper)
        new = z + slope / (1.0 + tau * tau * total * p * (1 - p))
        z = np.where((new < lower) | (new > upper), 0.5 * (lower + upper), new)
    return np.asarray(z)


def _interval(
    events: Array, total: Array, mu: Array, tau: Array, mode: Array, scale: Array, drop: float, iterations: int = 6
) -> tuple[Array, Array]:
    """Ends of the interval outside which the log integrand lies more than `drop` below its peak.

    The log integrand is concave and bends at least as much as the prior, so the ends lie within ``sqrt(2 drop)`` of the mode. Newton
    steps from any point outside approach an end from outside, and stopping early only widens the interval. They start from
    the nearest of three points that lies outside, two of them measured in the integrand's own `scale`.
    """

    def log_integrand(z: Array) -> tuple[Array, Array]:
        theta = mu + tau * z
        return events * theta - total * np.logaddexp(0.0, theta) - 0.5 * z * z, tau * (
            events - total * special.expit(theta)
        ) - z

    floor = log_integrand(mode)[0] - drop
    reach = np.sqrt(2 * drop)
    ends = []
    for direction in (-1.0, 1.0):
        z = mode + direction * reach
        for times in (4.0, 1.3):
            nearer = mode + direction * np.minimum(times * scale, 1.0) * reach
            z = np.where(log_integrand(nearer)[0] < floor, nearer, z)
        for _ in range(iterations):
            height, slope = log_integrand(z)
            z = z - np.minimum(height - floor, 0.0) / slope
        ends.append(z)
    return ends[0], ends[1]


def evaluate(events: Array, total: Array, mu: Array, tau: Array, rule: Rule) -> Evaluation:
    """Log-likelihood (binomial coefficients included), score and information at ``(mu, tau)``, each ``[b]``."""
    m, t = mu[:, None], tau[:, None]
    mode = _modes(events, total, m, t)
    p = special.expit(m + t * mode)
    scale = 1.0 / np.sqrt(1.0 + t * t * total * p * (1 - p))
    low, high = _interval(events, total, m, t, mode, scale, rule.drop)
    width = (high - low) / (rule.nodes - 1)
    z = low[..., None] + width[..., None] * np.arange(rule.nodes)
    theta = m[..., None] + t[..., None] * z
    softplus = np.logaddexp(0.0, theta)
    e, n = events[..., None], total[..., None]
    log_density = e * theta - n * softplus - 0.5 * z * z
    peak = log_density.max(-1)
    posterior = np.exp(log_density - peak[..., None])
    mass = posterior.sum(-1)
    posterior /= mass[..., None]
    loglik = (peak + np.log(mass * width) - _LOG_SQRT_2PI).sum(-1) + log_binomial(events, total)
    p = np.exp(theta - softplus)
    r = e - n * p
    w = n * p * np.exp(-softplus)
    rz = r * z
    mean_r, mean_rz = (posterior * r).sum(-1), (posterior * rz).sum(-1)
    wz = w * z
    dr, drz = r - mean_r[..., None], rz - mean_rz[..., None]
    study_mm = (posterior * (w - dr * dr)).sum(-1)
    study_mt = (posterior * (wz - dr * drz)).sum(-1)
    study_tt = (posterior * (wz * z - drz * drz)).sum(-1)
    mm, mt, tt = study_mm.sum(-1), study_mt.sum(-1), study_tt.sum(-1)
    return Evaluation(
        loglik=loglik,
        score=np.stack([mean_r.sum(-1), mean_rz.sum(-1)], axis=-1),
        information=np.stack([np.stack([mm, mt], -1), np.stack([mt, tt], -1)], -2),
        # The marginal likelihood is log-concave in mu (Prekopa), so only rounding can make a share negative.
        study_information=np.maximum(study_mm, 0.0),
        theta=np.asarray((posterior * theta).sum(-1)),
        rate=np.asarray((posterior * p).sum(-1)),
    )


def common_rate(events: Array, total: Array) -> tuple[Array, Array]:
    """Maximum at tau = 0: logit of the summed counts and its variance, ``[b]`` (infinite without, or with only, events)."""
    e, n = events.sum(-1), total.sum(-1)
    with np.errstate(divide="ignore"):
        return special.logit(e / n), 1.0 / e + 1.0 / (n - e)


def boundary_score(events: Array, total: Array) -> Array:
    """Derivative of the log-likelihood with respect to tau2 at tau2 = 0 and the common rate: ``sum(r^2 - n p q) / 2``."""
    p = events.sum(-1, keepdims=True) / total.sum(-1, keepdims=True)
    r = events - total * p
    return np.asarray(0.5 * (r * r - total * p * (1 - p)).sum(-1))


def rounding(total: Array) -> Array:
    """What rounding leaves undecided of a log-likelihood, ``[b]``: its terms are as large as the counts, and cancel."""
    return np.asarray(1e-15 * (1.0 + total.sum(-1)))


def marginal_rate(mu: Array, tau: Array) -> tuple[Array, Array]:
    """Population-averaged rate ``E[expit(mu + tau Z)]``, ``[b]``, and its gradient in (mu, tau), ``[b, 2]``.

    The trapezoidal rule converges geometrically for this integrand, at a rate set by the distance ``pi / tau`` of the logistic
    function's poles from the real axis; the step follows that distance for the largest tau of the batch.
    """
    finite = tau[np.isfinite(tau)]
    largest = float(finite.max()) if finite.size else 0.0
    step = min(0.1, 0.55 / max(largest, 1e-9))
    half = int(np.ceil(9.0 / step))
    z = np.linspace(-half * step, half * step, 2 * half + 1)
    weight = np.exp(-0.5 * z * z)
    weight /= weight.sum()
    p = special.expit(mu[:, None] + tau[:, None] * z)
    pq = p * (1 - p) * weight
    return (p * weight).sum(-1), np.stack([pq.sum(-1), (pq * z).sum(-1)], -1)
