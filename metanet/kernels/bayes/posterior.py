"""The posterior of the binomial-normal model on (mu, tau) by quadrature: priors, likelihood, grid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft, special

from metanet.base.arrays import Array, Indices
from metanet.kernels.normal_effect.random_effect import Rule, evaluate, nodes_interval
from metanet.kernels.normal_effect.study_likelihoods import BinomialLogit

# Priors of the Bayesian binomial-normal model: a normal mean of the logits and four families of their spread.
#
# Half-normal, half-Cauchy and half-t are the positive halves of distributions about zero (Gelman 2006, doi:10.1214/06-BA117A); all
# densities are normalised, so that marginal likelihoods can be compared.


#: Families of the prior of tau.
TAU_FAMILIES = ("half-normal", "half-cauchy", "half-t", "uniform")


@dataclass(frozen=True)
class MuPrior:
    """``mu ~ N(mean, sd^2)`` on the logit scale."""

    mean: float
    sd: float

    def log_density(self, mu: Array) -> Array:
        """Log density."""
        z = (mu - self.mean) / self.sd
        return np.asarray(-0.5 * z * z - np.log(self.sd) - 0.5 * np.log(2 * np.pi))


@dataclass(frozen=True)
class TauPrior:
    """Prior of tau >= 0. `scale` is the upper end of the uniform one; `df` belongs to half-t, and is 1 for half-Cauchy."""

    family: str
    scale: float
    df: float = np.inf

    def log_density(self, tau: Array) -> Array:
        """Log density at tau >= 0; beyond a uniform prior's end minus infinity."""
        x = tau / self.scale
        if self.family == "uniform":
            return np.where(x <= 1.0, -np.log(self.scale), -np.inf)
        if self.family == "half-normal":
            return np.asarray(0.5 * np.log(2 / np.pi) - np.log(self.scale) - 0.5 * x * x)
        half = 0.5 * self.df
        # The logarithm of a beta function keeps its digits where two log gammas would cancel.
        constant = np.log(2.0) - 0.5 * np.log(self.df) - special.betaln(0.5, half)
        return np.asarray(constant - np.log(self.scale) - (half + 0.5) * np.log1p(x * x / self.df))

    def quantile(self, probability: float) -> float:
        """The value below which tau falls with `probability`."""
        return self.upper_quantile(1.0 - probability)

    def upper_quantile(self, tail: float) -> float:
        """The value that tau exceeds with probability `tail`; a small tail keeps its digits."""
        if self.family == "uniform":
            return self.scale * (1.0 - tail)
        if self.family == "half-normal":
            return -self.scale * float(special.ndtri(0.5 * tail))
        return -self.scale * float(special.stdtrit(self.df, 0.5 * tail))

    @property
    def tail_power(self) -> float:
        """The prior density falls like ``tau^-(1 + tail_power)``; infinity where it falls faster or ends."""
        return self.df if self.family in ("half-t", "half-cauchy") else np.inf


# Every study's own share of the binomial-normal likelihood at many values of (mu, tau), with the error of each integral checked.
#
# ``L_i(mu, tau) = E[Bin(events_i; total_i, expit(mu + tau Z))]``. Up to moderate tau, and for studies with both outcomes at
# any tau, it is the trapezoidal rule of `metanet.kernels.normal_effect.random_effect`. A study in which all patients had the
# same outcome makes, under a large tau, a normal curve cut off by an edge that no spacing in Z resolves; its integral is
# taken by parts. For a study without events
#
# ``L = E[S(mu + tau Z)] = integral of Phi((t - mu) / tau) g(t) dt``,  ``S(t) = (1 + exp(t))^-n``,  ``g = -S'``,
#
# in which nothing becomes narrow as tau grows. g is analytic, so that equal steps converge geometrically
# (Trefethen and Weideman 2014, doi:10.1137/130932132).

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

    Points are ``[p]``; `refine` fixes the entries whose second number is too large.
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

    Under a large tau it is the probability that a logistic variable lies below a normal one, by the rule for one patient; far out
    in the lower tail ``exp(mu + tau^2 / 2) E[expit(-(mu + tau^2) - tau Z)]``, of which the second factor is not small.
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


# Posterior of the binomial-normal model on (mu, tau) by quadrature: no sampling, the same digits on every run.
#
# ``events_i ~ Binomial(total_i, expit(mu + tau z_i))``, ``z_i ~ N(0, 1)``, with proper priors of mu and tau
# (`metanet.kernels.bayes.posterior`); the studies' integrals are those of `metanet.kernels.bayes.posterior`.
#
# tau runs over ``s sinh(u)``, which is even about zero, resolves the bend of the density there and reaches a heavy tail in
# few steps; u is integrated by Clenshaw and Curtis' rule, whose Chebyshev series (Trefethen 2008, doi:10.1137/060659831) is
# also the marginal density between the nodes. At each tau the conditional density of mu is log-concave (Prekopa), so one
# interval holds it, and vanishes at both ends, so the trapezoidal rule converges geometrically (Trefethen and Weideman 2014,
# doi:10.1137/130932132).
#
# Notes
# -----
# Both rules are nested: every second node alone gives a second answer for nothing. Nodes are doubled until that moves the evidence,
# the means and the standard deviations by less than `TOLERANCE`; the full rule is then wrong by about the square of it. What
# is read off between the nodes (quantiles) is as exact as the half rule.

#: Largest move by half the nodes: of the log evidence, and of means and log standard deviations in standard deviations.
TOLERANCE = 1e-7
#: Nodes in tau and mu to begin with, and the most.
_FIRST, _MOST = (33, 41), (513, 2561)
#: A bound on time and memory: the most nodes times studies, of which even many studies may have so many nodes each.
_MOST_POINTS, _EACH = 400_000, 25_000
#: What lies so far below the peak of a log density is left out.
_DROP = 27.0
_SCAN_RULE = Rule(17, 20.0)
_SMALLEST_TAIL = 1e-14


@dataclass(frozen=True)
class Posterior:
    """Nodes of (mu, tau) and their probabilities.

    `tau` ``[J]`` are the nodes ``stretch sinh(u)``, `u_weight` ``[J]`` their probabilities, `series` the Chebyshev coefficients of
    the density of u between `u_low` and `u_high`. `mu` and `weight` ``[J, M]`` are the nodes of mu at each tau and the joint
    probabilities, which sum to one. `loglik` ``[k, J, M]`` is each study's own. `settled` tells whether every check was passed,
    `moved` the largest move by half the nodes.
    """

    tau: Array
    u_low: float
    u_high: float
    stretch: float
    u_weight: Array
    series: Array
    mu: Array
    weight: Array
    loglik: Array
    log_evidence: float
    settled: bool
    moved: float


@dataclass(frozen=True)
class _Frame:
    """Where the posterior lies: the interval of u and, on a scan of u, the interval of mu."""

    stretch: float
    u: Array
    low: Array
    high: Array

    def intervals(self, u: Array) -> tuple[Array, Array]:
        """An interval of mu at each u: between the ends of the scan on straight lines in tau, and a little wider.

        The width grows like ``sqrt(a + b tau^2)``, below its chords, until the prior of mu bounds it.
        """
        tau, known = np.sinh(u), np.sinh(self.u)
        low, high = np.interp(tau, known, self.low), np.interp(tau, known, self.high)
        margin = 0.03 * (high - low)
        return low - margin, high + margin


def posterior(events: Array, total: Array, mu_prior: MuPrior, tau_prior: TauPrior) -> Posterior:
    """The posterior of studies ``[k]``; any counts have one, because the priors are proper."""
    frame = _locate(events, total, mu_prior, tau_prior)
    studies = single(events, total)
    nodes, width = _FIRST
    known: tuple[Array, Array] | None = None
    while True:
        grid = _grid(frame, mu_prior, tau_prior, nodes, width)
        loglik, half = known = _likelihoods(studies, grid, known)
        found, by_tau, by_mu = _combine(frame, grid, loglik, half)
        more_tau = by_tau > TOLERANCE and nodes < _MOST[0]
        more_mu = by_mu > TOLERANCE and width < _MOST[1]
        nodes, width = 2 * nodes - 1 if more_tau else nodes, 2 * width - 1 if more_mu else width
        if not (more_tau or more_mu) or nodes * width > max(_EACH, _MOST_POINTS / events.size):
            return found


@dataclass(frozen=True)
class _Grid:
    """Nodes of u and mu, and the log prior with every factor of the change of variables, ``[J, M]``."""

    u: Array
    tau: Array
    mu: Array
    log_prior: Array


def _grid(frame: _Frame, mu_prior: MuPrior, tau_prior: TauPrior, nodes: int, width: int) -> _Grid:
    u = frame.u[0] + 0.5 * (frame.u[-1] - frame.u[0]) * (1.0 + _clenshaw_curtis(nodes)[0])
    tau = frame.stretch * np.sinh(u)
    if tau_prior.family == "uniform":
        tau = np.minimum(tau, tau_prior.scale)
    low, high = frame.intervals(u)
    step = (high - low) / (width - 1)
    mu = low[:, None] + step[:, None] * np.arange(width)
    by_tau = tau_prior.log_density(tau) + np.log(frame.stretch * np.cosh(u) * step)
    return _Grid(u, tau, mu, mu_prior.log_density(mu) + by_tau[:, None])


def _likelihoods(studies: BinomialLogit, grid: _Grid, known: tuple[Array, Array] | None) -> tuple[Array, Array]:
    """Each study's log-likelihood ``[k, J, M]`` and its change by half the nodes; `known` holds them on a grid half as fine."""
    shape = grid.mu.shape
    missing = np.ones(shape, dtype=bool)
    loglik, half = np.empty((studies.total.size, *shape)), np.empty((studies.total.size, *shape))
    if known is not None:
        rows, columns = (slice(None, None, 1 if n == m else 2) for n, m in zip(shape, known[0].shape[1:], strict=True))
        missing[rows, columns] = False
        loglik[:, rows, columns], half[:, rows, columns] = known
    mu, tau = grid.mu[missing], np.broadcast_to(grid.tau[:, None], shape)[missing]
    loglik[:, missing], half[:, missing] = integrals(studies, mu, tau)
    flat_mu, flat_tau = grid.mu.ravel(), np.repeat(grid.tau, shape[1])
    flat, flat_half = loglik.reshape(-1, grid.mu.size), half.reshape(-1, grid.mu.size)
    for level in range(1, len(RULES)):
        density = grid.log_prior.ravel() + flat.sum(0)
        share = np.exp(density - density.max())
        if not refine(studies, flat_mu, flat_tau, share, flat, flat_half, level):
            break
    return loglik, half


def _combine(frame: _Frame, grid: _Grid, loglik: Array, half: Array) -> tuple[Posterior, float, float]:
    """The posterior on a grid, and what half the nodes of tau and of mu would have moved."""
    mu, u = grid.mu, grid.u
    _, rule, half_rule = _clenshaw_curtis(u.size)
    half_length = 0.5 * (u[-1] - u[0])
    density = grid.log_prior + loglik.sum(0)
    peak = density.max()
    joint = np.exp(density - peak)
    undecided = float((np.abs(half).sum(0) * joint).max())
    row = joint.sum(1)
    mass = half_length * float(rule @ row)
    whole = _moments(joint, rule, mu, u)
    by_tau = _move(whole, _moments(joint, half_rule, mu, u))
    by_mu = _move(whole, _moments(joint[:, ::2] * 2.0, rule, mu[:, ::2], u))
    weight = joint * (half_length * rule / mass)[:, None]
    moved = max(by_tau, by_mu)
    settled = moved <= TOLERANCE and undecided <= 2 * HALF_TOLERANCE * loglik.shape[0]
    found = Posterior(
        tau=grid.tau,
        u_low=float(u[0]),
        u_high=float(u[-1]),
        stretch=frame.stretch,
        u_weight=weight.sum(1),
        series=_series(row / mass),
        mu=mu,
        weight=weight,
        loglik=loglik,
        log_evidence=float(peak + np.log(mass)),
        settled=settled,
        moved=moved,
    )
    return found, by_tau, by_mu


def _moments(joint: Array, rule: Array, mu: Array, u: Array) -> Array:
    """Log mass, mean and standard deviation of mu, mean and standard deviation of u."""
    weight = joint * rule[:, None]
    mass = weight.sum()
    weight = weight / mass
    row = weight.sum(1)
    mean, centre = (weight * mu).sum(), row @ u
    spread, width = (weight * (mu - mean) ** 2).sum(), row @ (u - centre) ** 2
    return np.array([np.log(mass), mean, np.sqrt(spread), centre, np.sqrt(width)])


def _move(whole: Array, half: Array) -> float:
    """The largest difference, in standard deviations where it has them."""
    return float(np.max(np.abs(half - whole) / np.array([1.0, whole[2], whole[2], whole[4], whole[4]])))


@cache
def _clenshaw_curtis(nodes: int) -> tuple[Array, Array, Array]:
    """Nodes on [-1, 1], weights, and the weights of the rule on every second node with zeros between."""

    def weights(n: int) -> Array:
        j, k = np.arange(n + 1), np.arange(1, n // 2 + 1)
        factor = np.where(k == n // 2, 1.0, 2.0) / (4.0 * k * k - 1.0)
        out = (1.0 - np.cos(2 * np.pi * np.outer(j, k) / n) @ factor) * 2.0 / n
        out[[0, -1]] *= 0.5
        return np.asarray(out)

    n = nodes - 1
    half = np.zeros(nodes)
    half[::2] = weights(n // 2)
    return -np.cos(np.pi * np.arange(nodes) / n), weights(n), half


def _series(values: Array) -> Array:
    """Chebyshev coefficients of the polynomial through values at the nodes of `_clenshaw_curtis`."""
    n = values.size - 1
    coefficients = fft.dct(values[::-1], type=1) / n
    coefficients[[0, -1]] *= 0.5
    return np.asarray(coefficients)


def _locate(events: Array, total: Array, mu_prior: MuPrior, tau_prior: TauPrior) -> _Frame:
    """Scan tau from far below the finest resolution of the data to the end of the prior's tail, then again where it matters.

    The scan is Laplace's approximation in mu; what it finds is an interval, not a result, and each interval is one cell too wide.
    """
    studies = BinomialLogit(events[None], total[None])
    finest = 1.0 / np.sqrt(float(studies.precision.sum()) + 1.0 / mu_prior.sd**2)
    top = tau_prior.upper_quantile(_SMALLEST_TAIL)
    smallest = min(0.02 * finest, 0.02 * tau_prior.scale, 0.01 * top)
    points = int(16 + 1.3 * np.log(top / smallest))
    tau = np.concatenate([[0.0], np.geomspace(smallest, top, points)])
    _, _, height = _conditional(studies, mu_prior, tau, ends=False)
    height += tau_prior.log_density(tau)
    # Where sinh turns from a line to a curve: the smallest tau that weighs, on a logarithmic axis, more than the tails do.
    weight = height[1:] + np.log(tau[1:])
    stretch = float(tau[1:][weight > weight.max() - 2.0][0])
    u = np.arcsinh(tau / stretch)
    inside = _support(u, height + np.log(np.cosh(u)))
    u = np.linspace(u[inside[0]], u[inside[-1]], 33)
    tau = stretch * np.sinh(u)
    tau[-1] = min(tau[-1], top)
    low, high, height = _conditional(studies, mu_prior, tau)
    inside = _support(u, height + tau_prior.log_density(tau) + np.log(np.cosh(u)))
    return _Frame(stretch, u[inside], low[inside], high[inside])


def _support(u: Array, log_density: Array) -> NDArray[np.intp]:
    """Indices from the last point below all that matters to the first one beyond it."""
    above = np.flatnonzero(log_density > log_density.max() - _DROP)
    return np.arange(max(above[0] - 1, 0), min(above[-1] + 2, u.size))


def _conditional(studies: BinomialLogit, prior: MuPrior, tau: Array, *, ends: bool = True) -> tuple[Array, Array, Array]:
    """At each tau ``[b]``: an interval of mu that holds all that matters, and Laplace's log marginal density without tau's prior.

    Without `ends` the interval is only the mode.
    """
    many = studies.take(np.zeros(tau.size, dtype=np.intp))
    precision = 1.0 / prior.sd**2

    def at(mu: Array) -> tuple[Array, Array, Array]:
        here = evaluate(many, mu, tau, _SCAN_RULE)
        return (
            here.loglik + prior.log_density(mu),
            here.score[:, 0] - precision * (mu - prior.mean),
            np.maximum(here.information[:, 0, 0], 0.0) + precision,
        )

    own = many.precision.sum(-1)
    mu = (many.precision * many.guess).sum(-1) / own
    mu = np.asarray(many.centre(mu, np.minimum(tau, 10.0)))
    shared = many.precision / (1.0 + tau[:, None] ** 2 * many.precision)
    mu = (mu * shared.sum(-1) + precision * prior.mean) / (shared.sum(-1) + precision)
    height, slope, bend = at(mu)
    best, best_height = mu, height
    # The curvature is at least the prior's, which bounds the way to the mode.
    far = np.abs(slope) / precision + prior.sd
    low, high = mu - far, mu + far
    for _ in range(15):
        step = slope / bend
        if np.all(np.abs(step) < 0.02 / np.sqrt(bend)):
            break
        # The slope falls as mu grows: its sign closes a bracket, and a step out of it is replaced by half the way.
        low, high = np.where(slope > 0, np.maximum(low, mu), low), np.where(slope > 0, high, np.minimum(high, mu))
        limit = 1.0 + tau
        new = mu + np.clip(step, -limit, limit)
        outside = ~((new > low) & (new < high))
        mu = np.where(outside, 0.5 * (low + high), new)
        height, slope, bend = at(mu)
        better = height > best_height
        best, best_height = np.where(better, mu, best), np.where(better, height, best_height)
    height, slope, bend = at(best)
    marginal = height + 0.5 * np.log(2 * np.pi / bend)
    if not ends:
        return best, best, marginal
    # No conditional density is wider than the prior's own.
    most = np.sqrt(2 * _DROP) * prior.sd + np.abs(slope) / precision
    floor = height - _DROP
    found = []
    for side in (-1.0, 1.0):
        inner, outer = np.zeros(mu.shape), most
        reach = np.minimum(np.sqrt(2 * _DROP / bend), most)
        for _ in range(10):
            value, rise, _ = at(best + side * reach)
            below = value <= floor
            inner, outer = np.where(below, inner, reach), np.where(below, np.minimum(outer, reach), outer)
            if np.all(outer - inner < 0.2 * outer):
                break
            # Newton's step on a concave function ends outside the root; far out, where the quadrature is rough, half the way
            # is kept.
            fall = np.where(side * rise < 0, -side * rise, 1.0)
            new = reach + (value - floor) / fall + 0.02 * outer
            reach = np.where((new > inner) & (new < outer), new, 0.5 * (inner + outer))
        found.append(best + side * outer)
    return found[0], found[1], marginal


def marginal_exists(events: Array, total: Array, tau_prior: TauPrior, power: float) -> bool:
    """Whether the posterior mean of ``tau^power`` is finite.

    The likelihood of a study with both outcomes falls like ``1 / tau``; one at an edge tends to a constant.
    """
    both = int(((events > 0) & (events < total)).sum())
    return bool(tau_prior.tail_power + both > power)
