"""Exact likelihoods with a normal random effect: links, and the integral over the effect with its derivatives by quadrature."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import special

from metanet.base.arrays import Array, Indices, Mask
from metanet.kernels.normal_effect.moments import node_numbers, per_study, study_moments
from metanet.kernels.normal_effect.study_likelihoods import BinomialLogit, Likelihood
from metanet.kernels.numerics.batches import Batch, joined
from metanet.kernels.numerics.distributions import binomial_tails


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


#: Nodes of one piece of an average, and how far out the pieces reach.
_PIECE = np.polynomial.legendre.leggauss(64)
_REACH = 9.0


def averaged(function: Callable[[Array], Array], mu: Array, tau: Array, edges: Sequence[Array] = ()) -> Array:
    """``E[function(mu + tau Z)]`` for a standard normal Z, ``[b]``.

    `edges`, each ``[b]`` or a number, are where the function has a corner: it is integrated in pieces between them, because equal
    steps across a corner converge slowly.
    """
    if edges:
        return _averaged_in_pieces(function, mu, tau, edges)
    z, weight = _nodes(tau)
    return np.asarray((function(mu[:, None] + tau[:, None] * z) * weight).sum(-1))


def _averaged_in_pieces(function: Callable[[Array], Array], mu: Array, tau: Array, edges: Sequence[Array]) -> Array:
    spread = np.where(tau > 0, tau, 1.0)
    corners = [np.clip(np.where(tau > 0, (edge - mu) / spread, _REACH), -_REACH, _REACH) for edge in edges]
    ends = np.sort(np.stack([np.full(mu.shape, -_REACH), *corners, np.full(mu.shape, _REACH)], -1), -1)
    points, share = _PIECE
    half = 0.5 * np.diff(ends, axis=-1)[..., None]
    z = (0.5 * (ends[:, 1:] + ends[:, :-1])[..., None] + half * points).reshape(mu.size, -1)
    weight = np.exp(-0.5 * z * z) * (half * share).reshape(mu.size, -1)
    weight /= weight.sum(-1, keepdims=True)
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


# Exact likelihoods with a normal random effect: the integral over it, and its derivatives, by adaptive quadrature.
#
# ``theta_i = mu + tau z_i`` with ``z_i ~ N(0, 1)``, and the studies' own likelihoods from
# `metanet.kernels.normal_effect.study_likelihoods`. With binomial counts and the logit this is the binomial-normal model
# (Stijnen, Hamza and Ozdemir 2010, doi:10.1002/sim.4040).
#
# The model is written in tau, not tau2: the likelihood is then even and smooth across the boundary tau = 0, where an ordinary Newton
# step is well behaved. Gradient and Hessian come from the posterior moments of each study's score (Louis 1982,
# doi:10.1111/j.2517-6161.1982.tb01203.x), on the nodes that give the likelihood itself.
#
# Notes
# -----
# Quadrature is the trapezoidal rule on the interval where a study's integrand exceeds a stated fraction of its peak. For an
# analytic integrand that vanishes at both ends it converges geometrically (Trefethen and Weideman 2014, doi:10.1137/130932132): with
# half the nodes the error is about the square root of what it is, so every evaluation can tell its own error. Where the
# posterior is close to normal it needs about as many nodes as adaptive Gauss-Hermite quadrature; for a study without events under
# a large tau, whose posterior is a normal curve cut off at an edge, Gauss-Hermite with 120 nodes was still wrong in the fifth digit.
# Nodes are the first axis of the arrays: sums over them are whole vector additions.
#
# Where a study has a mean of its own (moderators), `mu` is ``[b, k]``; `nodes_interval` and `study_moments` take either.


@dataclass(frozen=True)
class Rule:
    """A quadrature rule: the (odd) number of nodes, and the fall of the log integrand at which the interval ends."""

    nodes: int
    drop: float


SCAN_RULE = Rule(11, 14.0)
#: Rules tried in turn until half the nodes would have done. exp(-37) is the rounding error of one.
RULES = tuple(Rule(32 * 2**level + 1, 37.0) for level in range(7))
#: Elements of an array over nodes. Larger ones are handed back to the system each time they are freed, and every page that is
#: touched anew costs more than the arithmetic on it. Logits take fewer steps over the nodes, so that calls cost more beside them.
_BLOCK, _LOGIT_BLOCK = 15_000, 60_000
_LOG_SQRT_2PI = 0.5 * np.log(2 * np.pi)


@dataclass(frozen=True)
class Evaluation(Batch):
    """Likelihood and its derivatives at one point, by fit ``[b]`` and by study ``[b, k]``.

    `score` is ``[b, 2]`` (mu, tau), `information` ``[b, 2, 2]`` the negative Hessian. `study_score` and `study_information`
    are each study's share of the score and of the information on mu; the first is the posterior mean of the slope of the
    study's own likelihood. `half_score` and `half_loglik` are what every second node alone would have given.
    """

    loglik: Array
    score: Array
    information: Array
    study_score: Array
    study_information: Array
    half_loglik: Array
    half_score: Array


def _modes(studies: Likelihood, mu: Array, tau: Array, start: Array | None = None) -> tuple[Array, Array, Array]:
    """Posterior mode of every ``z``, its curvature, and the length of the last step, ``[b, k]``.

    The mode solves ``z = tau slope(mu + tau z)``, hence lies between zero and the right-hand side at zero. Newton steps
    inside that bracket, which a flat tail cannot throw out of it, begin at the study's own estimate, shrunken as two normal
    distributions would be, or at `start`, the mode at a point nearby. They need not arrive: the mode is an anchor, not a result.
    """
    square = tau * tau
    at_zero = tau * studies.bend(mu + np.zeros_like(studies.guess))[0]
    lower, upper = np.minimum(at_zero, 0.0), np.maximum(at_zero, 0.0)
    iterations = 4 if start is None else 2
    if start is None:
        start = tau * studies.precision * (studies.guess - mu) / (1.0 + square * studies.precision)
    z = np.minimum(np.maximum(start, lower), upper)
    bend = step = z
    for _ in range(iterations):
        slope, bend = studies.bend(mu + tau * z)
        slope *= tau
        slope -= z
        rises = slope > 0
        np.copyto(lower, z, where=rises)
        np.copyto(upper, z, where=~rises)
        bend *= square
        bend += 1.0
        new = z + slope / bend
        outside = (new < lower) | (new > upper)
        if outside.any():
            new = np.where(outside, 0.5 * (lower + upper), new)
        step, z = new - z, new
    return z, bend, step


class Interval(NamedTuple):
    """Lower end and length of the interval of every study's nodes, and the mode inside it, ``[b, k]``."""

    low: Array
    length: Array
    mode: Array

    def take(self, rows: Indices) -> Interval:
        """The chosen fits."""
        return Interval(self.low[rows], self.length[rows], self.mode[rows])


#: Nodes stay where they are while no study moves among them by more than this part of their interval, a sixth of a standard deviation.
_STAY = 0.01


def left_behind(studies: Likelihood, interval: Interval, before: tuple[Array, Array], after: tuple[Array, Array]) -> Mask:
    """Fits ``[b]`` of which a study would leave its nodes where mean and tau change from `before` to `after`.

    A study of many patients stays where it is on the scale of theta, so that its random effect moves by as much as the mean, which
    may be many of its own standard deviations.
    """
    (mu, tau), (new_mu, new_tau) = before, after
    t = new_tau[:, None]
    follows = t * studies.precision / (1.0 + t * t * studies.precision)
    change = per_study(new_mu - mu) + (new_tau - tau)[:, None] * interval.mode
    return np.asarray((np.abs(change) * follows > _STAY * interval.length).any(-1))


_OUTWARD = np.array([-1.0, 1.0]).reshape(2, 1, 1)


def joint_modes(studies: Likelihood, mu: Array, tau: Array, sweeps: int = 5) -> tuple[Array, tuple[Array, Array, Array]]:
    """The mean and the random effects ``z`` that together maximise the integrand, at a given tau: mu ``[b]``, modes as `_modes` gives.

    It is cheap, it needs no nodes, and the mean is close to that of the likelihood unless studies are sparse: a start.
    Newton's method on all of them at once; the studies are independent given mu, which leaves one equation in mu.
    """
    mu, t = mu.copy(), tau[:, None]
    square = t * t
    z = t * studies.precision * (studies.guess - mu[:, None]) / (1.0 + square * studies.precision)
    bend = step = z
    for _ in range(sweeps):
        slope, w = studies.bend(mu[:, None] + t * z)
        bend = 1.0 + square * w
        step = (t * slope - z) / bend
        # Eliminating the steps in z: each study's slope and weight in mu, after its own effect has followed.
        follow = w / bend
        mean_step = (slope - t * w * step).sum(-1) / np.maximum(follow.sum(-1), 1e-12)
        mean_step = np.clip(mean_step, -(1.0 + tau), 1.0 + tau)
        step -= t * follow * mean_step[:, None]
        np.clip(step, -2.0, 2.0, out=step)
        z = z + step
        mu += mean_step
    return mu, (z, bend, step)


def nodes_interval(
    studies: Likelihood,
    mu: Array,
    tau: Array,
    drop: float,
    *,
    start: Array | None = None,
    anchor: tuple[Array, Array, Array] | None = None,
) -> Interval:
    """Where the log integrand lies less than `drop` below its peak.

    `start` holds the modes at a point nearby, `anchor` what `joint_modes` found.

    The log integrand is concave and bends at least as much as the prior, so the ends lie within ``sqrt(2 drop)`` of the mode. For a
    concave function every Newton step, wherever it starts, ends outside the root or on it: stopping early only widens
    the interval.
    """
    m, t = per_study(mu), tau[:, None]
    # On the steep side of a double exponential Newton's method crawls: there every search begins at the study's own estimate.
    if studies.end_steps > 2:
        start = None
    mode, bend, error = _modes(studies, m, t, start) if anchor is None else anchor
    floor = studies.slope(m + t * mode)[0] - 0.5 * mode * mode - drop
    reach = np.sqrt(2 * drop)
    most = reach + 2.0 * np.abs(error)
    z = mode + _OUTWARD * (reach / np.sqrt(bend))
    with np.errstate(divide="ignore", invalid="ignore"):
        for _ in range(studies.end_steps):
            loglik, slope = studies.slope(m + t * z)
            slope *= t
            slope -= z
            loglik -= 0.5 * z * z
            loglik -= floor
            z -= loglik / slope
            # A step from beside the mode may fly off; a slope of zero gives no step at all.
            z -= mode
            np.abs(z, out=z)
            z = mode + _OUTWARD * np.fmin(z, most)
    return Interval(z[0], z[1] - z[0], mode)


def evaluate(studies: Likelihood, mu: Array, tau: Array, rule: Rule, interval: Interval | None = None) -> Evaluation:
    """Log-likelihood (constant included), score and information at ``(mu, tau)``, each ``[b]``.

    `interval` may hold the nodes' interval from a point nearby, which a short step leaves good enough.
    """
    low, length, _ = nodes_interval(studies, mu, tau, rule.drop) if interval is None else interval
    b, k = low.shape
    size = max(1, (_LOGIT_BLOCK if isinstance(studies, BinomialLogit) else _BLOCK) // (rule.nodes * k))
    if b <= size:
        return _evaluate(studies, mu, tau, rule, low, length)
    pieces = []
    for start in range(0, b, size):
        rows = slice(start, start + size)
        pieces.append(_evaluate(studies.take(rows), mu[rows], tau[rows], rule, low[rows], length[rows]))
    return joined(pieces)


def _evaluate(studies: Likelihood, mu: Array, tau: Array, rule: Rule, low: Array, length: Array) -> Evaluation:
    """`evaluate` on nodes that are few enough for the cache."""
    at = study_moments(studies, mu, tau, rule.nodes, low, length)
    loglik = at.loglik.sum(-1) + studies.constant
    information = np.empty((mu.size, 2, 2))
    information[:, 0, 0] = at.information.sum(-1)
    information[:, 0, 1] = information[:, 1, 0] = at.cross.sum(-1)
    information[:, 1, 1] = at.tau_information.sum(-1)
    score, half_score = np.empty((mu.size, 2)), np.empty((mu.size, 2))
    score[:, 0], score[:, 1] = at.score.sum(-1), at.tau_score.sum(-1)
    half_score[:, 0], half_score[:, 1] = at.half_score.sum(-1), at.half_tau_score.sum(-1)
    half_loglik = at.half_loglik.sum(-1) + studies.constant
    # The marginal likelihood is log-concave in mu (Prekopa), so only rounding can make a share negative.
    return Evaluation(loglik, score, information, at.score, np.maximum(at.information, 0.0), half_loglik, half_score)


def _mean(weight: Array, values: Array, mass: Array) -> Array:
    """Weighted mean over the nodes, ``[b, k]``."""
    return np.asarray((weight * values).sum(0) / mass)


def posterior(studies: Likelihood, mu: Array, tau: Array, rule: Rule) -> tuple[Array, Array]:
    """Posterior mean of each study's predictor and of its response, ``[b, k]``."""
    m, t = mu[:, None], tau[:, None]
    low, length, _ = nodes_interval(studies, mu, tau, rule.drop)
    z = low + node_numbers(rule.nodes) * (length / (rule.nodes - 1))
    theta = m + t * z
    weight = studies.slope(theta)[0] - 0.5 * z * z
    weight = np.exp(weight - weight.max(0))
    mass = weight.sum(0)
    return _mean(weight, theta, mass), _mean(weight, studies.response(theta), mass)


def common_mean(studies: Likelihood, iterations: int = 60) -> tuple[Array, Array, Array]:
    """Maximum over mu at tau = 0: the mean, the log-likelihood and the information there, ``[b]``.

    Newton's method with halving on a concave function; a fit whose studies all lie at the same edge has no maximum, and gets
    what the last step left.
    """
    mu = studies.common()

    def at(rows: Indices, point: Array) -> tuple[Array, Array, Array]:
        part = studies if rows.size == mu.size else studies.take(rows)
        return tuple(x.sum(-1) for x in part.terms(point[:, None] + 0.0 * part.guess))

    everything = np.arange(mu.size)
    loglik, slope, bend = at(everything, mu)
    rows = everything
    for _ in range(iterations):
        step = np.clip(slope[rows] / np.maximum(bend[rows], 1e-12), -2.0, 2.0)
        rows, step = rows[(open_ := step * slope[rows] > 1e-18)], step[open_]
        if not rows.size:
            break
        trial = mu[rows] + step
        new = at(rows, trial)
        # Halve where the likelihood falls by more than its rounding.
        worse = new[0] < loglik[rows] - rounding(studies.size[rows])
        mu[rows] = np.where(worse, mu[rows] + 0.5 * step, trial)
        if worse.any():
            new = at(rows, mu[rows])
        loglik[rows], slope[rows], bend[rows] = new
    return mu, loglik + studies.constant, bend


def boundary_score(studies: Likelihood, mu: Array) -> Array:
    """Derivative of the log-likelihood with respect to tau2 at tau2 = 0: ``sum(slope^2 - bend) / 2``, at the common mean ``[b]``."""
    _, slope, bend = studies.terms(per_study(mu) + 0.0 * studies.guess)
    return np.asarray(0.5 * (slope * slope - bend).sum(-1))


def rounding(size: Array) -> Array:
    """What rounding leaves undecided of a log-likelihood, ``[b]``: its terms are as large as the counts, and cancel."""
    return np.asarray(1e-15 * (1.0 + size))
