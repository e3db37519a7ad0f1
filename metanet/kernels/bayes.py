"""Posterior of the binomial-normal model on (mu, tau) by quadrature: no sampling, the same digits on every run.

``events_i ~ Binomial(total_i, expit(mu + tau z_i))``, ``z_i ~ N(0, 1)``, with proper priors of mu and tau
(`metanet.kernels.bayes_priors`); the studies' integrals are those of `metanet.kernels.bayes_likelihood`.

tau runs over ``s sinh(u)``, which is even about zero, resolves the bend of the density there and reaches a heavy tail in few
steps; u is integrated by Clenshaw and Curtis' rule, whose Chebyshev series (Trefethen 2008, doi:10.1137/060659831) is also the
marginal density between the nodes. At each tau the conditional density of mu is log-concave (Prekopa), so one interval holds it, and
vanishes at both ends, so the trapezoidal rule converges geometrically (Trefethen and Weideman 2014, doi:10.1137/130932132).

Notes
-----
Both rules are nested: every second node alone gives a second answer for nothing. Nodes are doubled until that moves the evidence,
the means and the standard deviations by less than `TOLERANCE`; the full rule is then wrong by about the square of it. What
is read off between the nodes (quantiles) is as exact as the half rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from metanet.kernels import bayes_likelihood
from metanet.kernels.bayes_priors import MuPrior, TauPrior
from metanet.kernels.random_effect import Array, Rule, evaluate
from metanet.kernels.study_likelihoods import BinomialLogit

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
    studies = bayes_likelihood.single(events, total)
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
    loglik[:, missing], half[:, missing] = bayes_likelihood.integrals(studies, mu, tau)
    flat_mu, flat_tau = grid.mu.ravel(), np.repeat(grid.tau, shape[1])
    flat, flat_half = loglik.reshape(-1, grid.mu.size), half.reshape(-1, grid.mu.size)
    for level in range(1, len(bayes_likelihood.RULES)):
        density = grid.log_prior.ravel() + flat.sum(0)
        share = np.exp(density - density.max())
        if not bayes_likelihood.refine(studies, flat_mu, flat_tau, share, flat, flat_half, level):
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
    settled = moved <= TOLERANCE and undecided <= 2 * bayes_likelihood.HALF_TOLERANCE * loglik.shape[0]
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


def _conditional(
    studies: BinomialLogit, prior: MuPrior, tau: Array, *, ends: bool = True
) -> tuple[Array, Array, Array]:
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
            # Newton's step on a concave function ends outside the root; far out, where the quadrature is rough, half the way is kept.
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
