"""The posterior of every study's own rate: shrunken towards the others as far as the data and the priors say.

``p(theta_i | data) = Bin_i(theta_i) * sum of w(mu, tau) N(theta_i; mu, tau^2) / L_i(mu, tau)`` over the nodes of (mu, tau),
whose weights w are those of all studies and whose L_i is the study's own integral. Where tau is smaller than the spacing of mu the sum
over mu is replaced by one over ``z = (theta_i - mu) / tau``, so that nothing becomes narrow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from metanet.kernels import bayes_likelihood
from metanet.kernels.bayes import Posterior
from metanet.kernels.bayes_marginals import Distribution, Marginals, logistic_slope, periodic
from metanet.kernels.random_effect import Array, Indices, nodes_interval
from metanet.kernels.study_likelihoods import BinomialLogit

_LOG_SQRT_2PI = 0.5 * np.log(2 * np.pi)


@dataclass(frozen=True)
class _NormalNodes:
    """Equal steps over a normal variable, their weights, all their differences, and the matrix that takes a study's likelihood at
    ``theta + tau (z_r - z_q)`` to its integral L at ``theta - tau z_q``."""

    z: Array
    weight: Array
    offsets: Array
    shifted: Array


def _normal_nodes(step: float) -> _NormalNodes:
    half = int(7.0 / step)
    z = step * np.arange(-half, half + 1, dtype=np.float64)
    weight = np.exp(-0.5 * z * z)
    weight /= weight.sum()
    shifted = [np.concatenate([np.zeros(q), weight, np.zeros(2 * half - q)]) for q in range(2 * half, -1, -1)]
    return _NormalNodes(z, weight, step * np.arange(-2 * half, 2 * half + 1, dtype=np.float64), np.array(shifted).T)


#: For a tau below half the spacing of mu, where the rest of the integrand hardly changes within tau, and above it.
_COARSE, _CLOSE = _normal_nodes(1.0), _normal_nodes(0.5)
#: Points of (mu, tau) that are summed at once.
_BLOCK = 4000
#: The density of theta must integrate to one this closely, on every second node alone as well.
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class StudyPosterior:
    """The posterior of one study's rate: its mean, its distribution (on the logit scale), and whether the mass came out as one."""

    mean: float
    distribution: Distribution
    settled: bool


def study_posteriors(events: Array, total: Array, marginals: Marginals) -> list[StudyPosterior]:
    """One for each study ``[k]``; studies with equal counts share theirs."""
    studies = bayes_likelihood.single(events, total)
    rows = np.flatnonzero(marginals.posterior.u_weight > 1e-10)
    ends = _ends(marginals.posterior, rows)
    known: dict[tuple[float, float], StudyPosterior] = {}
    out = []
    for i, counts in enumerate(zip(events.tolist(), total.tolist(), strict=True)):
        if counts not in known:
            known[counts] = _study(studies.take(np.array([i])), marginals.posterior.loglik[i], marginals, rows, ends)
        out.append(known[counts])
    return out


def _study(
    study: BinomialLogit, loglik: Array, marginals: Marginals, rows: Indices, ends: tuple[Array, Array]
) -> StudyPosterior:
    centre, scale = _centre(study, marginals)
    reach = _reach(study, marginals.posterior.tau[rows], ends)
    low, high = np.arcsinh((np.array(reach) - centre) / scale)
    points = 2 * int(np.ceil((high - low) / 0.2)) + 1
    for _ in range(5):
        v = np.linspace(low, high, points)
        theta = centre + scale * np.sinh(v)
        density = _density(study, loglik, marginals, rows, theta) * scale * np.cosh(v)
        step = v[1] - v[0]
        mass, half = density.sum() * step, 2.0 * density[::2].sum() * step
        if abs(mass - 1.0) < _TOLERANCE and abs(half - 1.0) < 10 * _TOLERANCE:
            break
        points = 2 * points - 1
    settled = bool(abs(mass - 1.0) < 10 * _TOLERANCE)
    mean = float((density * special.expit(theta)).sum() * step / mass)
    return StudyPosterior(mean, _distribution(density / mass, v, centre, scale), settled)


def _distribution(density: Array, v: Array, centre: float, scale: float, factor: int = 8) -> Distribution:
    """The distribution of theta from its density in v, by the trigonometric polynomial through the nodes."""
    below, fine = periodic(density, v[1] - v[0], factor)
    fine_v = v[0] + (v[1] - v[0]) / factor * np.arange(fine.size)
    theta = centre + scale * np.sinh(fine_v)
    below = np.maximum.accumulate(np.clip(below / below[-1], 0.0, 1.0))
    return Distribution(theta, below, np.maximum(fine, 0.0) / (scale * np.cosh(fine_v)), special.expit, logistic_slope)


def _centre(study: BinomialLogit, marginals: Marginals) -> tuple[float, float]:
    """Roughly where theta lies and how far it spreads, at the median of tau."""
    p = marginals.posterior
    j = int(np.searchsorted(np.cumsum(p.u_weight), 0.5))
    weight = p.weight[j] / p.weight[j].sum()
    mean = float(weight @ p.mu[j])
    spread = float(weight @ (p.mu[j] - mean) ** 2)
    own, prior = float(study.precision[0, 0]), 1.0 / (spread + float(p.tau[j]) ** 2 + 1e-300)
    return (own * float(study.guess[0, 0]) + prior * mean) / (own + prior), 1.0 / np.sqrt(own + prior)


def _ends(p: Posterior, rows: Indices) -> tuple[Array, Array]:
    """At each tau the least mu that has weight, and the largest."""
    heavy = p.weight[rows] > 1e-12 * p.weight[rows].max(1, keepdims=True)
    mu, every = p.mu[rows], np.arange(rows.size)
    last = heavy.shape[1] - 1 - heavy[:, ::-1].argmax(1)
    return mu[every, heavy.argmax(1)], mu[every, last]


def _reach(study: BinomialLogit, tau: Array, ends: tuple[Array, Array]) -> tuple[float, float]:
    """An interval that holds all of theta that matters."""
    many = study.take(np.zeros(tau.size, dtype=np.intp))
    lower = nodes_interval(many, ends[0], tau, 28.0)[0][:, 0]
    upper = np.sum(nodes_interval(many, ends[1], tau, 28.0)[:2], axis=0)[:, 0]
    return float((ends[0] + tau * lower).min()), float((ends[1] + tau * upper).max())


def _density(study: BinomialLogit, loglik: Array, marginals: Marginals, rows: Indices, theta: Array) -> Array:
    p = marginals.posterior
    own = study.slope(theta[:, None])[0][:, 0] + study.constant[0]
    step = p.mu[:, 1] - p.mu[:, 0]
    wide = rows[p.tau[rows] >= 1.5 * step[rows]]
    row, column = np.nonzero(p.weight[wide] > 1e-12)
    row = wide[row]
    tau, mu = p.tau[row], p.mu[row, column]
    level = np.log(p.weight[row, column]) - loglik[row, column] - np.log(tau) - _LOG_SQRT_2PI
    density = np.zeros(theta.size)
    for start in range(0, tau.size, _BLOCK):
        part = slice(start, start + _BLOCK)
        z = (theta[:, None] - mu[part]) / tau[part]
        density += np.exp(own[:, None] + level[part] - 0.5 * z * z).sum(1)
    for j in rows[p.tau[rows] < 1.5 * step[rows]]:
        small = p.tau[j]
        nodes = _COARSE if small < 0.5 * step[j] else _CLOSE
        shifted = study.slope(theta[:, None] + small * nodes.offsets)[0] + study.constant[0]
        # Both cells of a study cannot be so unlikely that the ratio overflows within a few tau.
        ratio = np.exp(np.minimum(shifted - own[:, None], 700.0))
        at = marginals.conditional(theta[:, None] - small * nodes.z, marginals.row(int(j)))[1]
        density += p.u_weight[j] * ((at / (ratio @ nodes.shifted)) @ nodes.weight)
    return np.asarray(density)
