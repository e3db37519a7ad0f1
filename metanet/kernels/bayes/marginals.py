"""Distributions read off the posterior of (mu, tau): mu, tau, the rates of the studies, and the rate of a new setting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray
from scipy import fft, special

from metanet.base.arrays import Array, Indices
from metanet.kernels.bayes import posterior as bayes_likelihood
from metanet.kernels.bayes.posterior import Posterior, averaged_rate
from metanet.kernels.normal_effect.random_effect import nodes_interval
from metanet.kernels.normal_effect.study_likelihoods import BinomialLogit

# What is read off the posterior of (mu, tau): distributions of mu, tau, the rates, and the rate of a new setting.
#
# Between the nodes nothing is guessed: at each tau the density of mu is the trigonometric polynomial through its equally
# spaced nodes, which vanish at both ends, and the density of tau is its Chebyshev series. Distribution functions are the
# integrals of these.

#: Points on which a distribution is kept; cubic pieces between them are exact to 1e-7.
_POINTS, _FINE = 801, 640
_Z = np.linspace(-8.0, 8.0, 49)
_NORMAL = np.exp(-0.5 * _Z * _Z) / np.exp(-0.5 * _Z * _Z).sum()


@dataclass(frozen=True)
class Distribution:
    """A distribution on a grid: `x` ascending, the probability below it and the density there, and the response ``back(x)``.

    `back` rises; `slope` is its derivative. Intervals are of the response.
    """

    x: Array
    below: Array
    density: Array
    back: Callable[[Array], Array] = np.asarray
    slope: Callable[[Array], Array] = np.ones_like

    def quantile(self, probability: Array | float) -> Array:
        """Values of x below which x falls with these probabilities."""
        p = np.atleast_1d(np.asarray(probability, dtype=np.float64))
        # Ties in a tail without mass belong to its inner end.
        i = np.clip(np.searchsorted(self.below, p, side="right") - 1, 0, self.x.size - 2)
        coefficients = self._cubic(i)
        low, high = np.zeros(p.shape), np.ones(p.shape)
        for _ in range(12):
            middle = 0.5 * (low + high)
            over = _horner(coefficients, middle) > p
            low, high = np.where(over, low, middle), np.where(over, middle, high)
        t = 0.5 * (low + high)
        for _ in range(4):
            rise = coefficients[1] + t * (2 * coefficients[2] + 3 * t * coefficients[3])
            step = (p - _horner(coefficients, t)) / np.where(rise > 0, rise, np.inf)
            t = np.clip(t + step, low, high)
        t = np.where(p <= self.below[0], 0.0, np.where(p >= self.below[-1], 1.0, t))
        return np.asarray(self.x[i] + t * (self.x[i + 1] - self.x[i]))

    def _cubic(self, i: NDArray[np.intp]) -> tuple[Array, Array, Array, Array]:
        width = self.x[i + 1] - self.x[i]
        return _hermite(self.below[i], self.below[i + 1], self.density[i] * width, self.density[i + 1] * width)

    def cdf(self, x: float) -> float:
        """The probability of a smaller value."""
        if x <= self.x[0]:
            return 0.0
        if x >= self.x[-1]:
            return 1.0
        i = np.array([np.searchsorted(self.x, x, side="right") - 1])
        t = (x - self.x[i]) / (self.x[i + 1] - self.x[i])
        return float(np.clip(_horner(self._cubic(i), t)[0], 0.0, 1.0))

    def probabilities(self, x: Array) -> Array:
        """The probabilities of smaller values than each of `x`."""
        i = np.clip(np.searchsorted(self.x, x, side="right") - 1, 0, self.x.size - 2)
        t = np.clip((x - self.x[i]) / (self.x[i + 1] - self.x[i]), 0.0, 1.0)
        found = np.clip(_horner(self._cubic(i), t), 0.0, 1.0)
        return np.where(x <= self.x[0], 0.0, np.where(x >= self.x[-1], 1.0, found))

    def central(self, level: float) -> tuple[float, float]:
        """The interval of the response that leaves the same probability on both sides."""
        lower, upper = self.back(self.quantile(np.array([(1 - level) / 2, (1 + level) / 2])))
        return float(lower), float(upper)

    def median(self) -> float:
        """Median of the response."""
        return float(self.back(self.quantile(0.5))[0])

    def highest(self, level: float) -> tuple[float, float]:
        """The shortest interval of the response, which is that of highest density where there is one mode."""
        low, high = 0.0, 1.0 - level
        best = np.zeros(2)
        # The width is flat about its minimum: it tells the place to the square root of its own digits.
        for _ in range(5):
            start = np.linspace(low, high, 33)
            ends = self.back(self.quantile(np.concatenate([start, start + level])))
            at = int(np.argmin(ends[33:] - ends[:33]))
            best = ends[[at, 33 + at]]
            low, high = start[max(at - 1, 0)], start[min(at + 1, 32)]
        return float(best[0]), float(best[1])


class Marginals:
    """The distributions of one posterior; each is made when it is asked for."""

    def __init__(self, posterior: Posterior) -> None:
        self.posterior = posterior
        # Where the density of u is 1e-14 of a probability, mu at this tau adds nothing.
        self._rows = np.flatnonzero(posterior.u_weight > 1e-11)
        self._weight = posterior.u_weight[self._rows] / posterior.u_weight[self._rows].sum()
        self._tau = posterior.tau[self._rows]
        self._mu = posterior.mu[self._rows]
        self._step = self._mu[:, 1] - self._mu[:, 0]
        nodes = posterior.weight[self._rows]
        self._nodes = nodes / nodes.sum(1, keepdims=True)
        self._fine_step, self._below, self._density = self._conditional()
        spread = (self._nodes * self._mu**2).sum(1) - (self._nodes * self._mu).sum(1) ** 2
        self._sd = np.sqrt(np.maximum(spread, 0.0))

    def _conditional(self) -> tuple[Array, Array, Array]:
        """Distribution function and density of mu at each tau, on nodes several times as fine."""
        factor = max(2, -(-_FINE // self._nodes.shape[1]))
        below, fine = periodic(self._nodes, 1.0, factor)
        return self._step / factor, below / below[:, -1:], fine / self._step[:, None]

    def conditional(self, x: Array, row: NDArray[np.intp] | int | None = None) -> tuple[Array, Array]:
        """P(mu < x) and the density at x, at the tau of `row`; without one the last axis of `x` runs over all of them."""
        at = np.arange(self._tau.size) if row is None else row
        step = self._fine_step[at]
        place = (x - self._mu[at, 0]) / step
        last = self._below.shape[1] - 1
        i = np.clip(place, 0, last - 1).astype(np.intp)
        t = np.clip(place - i, 0.0, 1.0)
        start, end = self._density[at, i], self._density[at, i + 1]
        cubic = _hermite(self._below[at, i], self._below[at, i + 1], start * step, end * step)
        rise = (cubic[1] + t * (2 * cubic[2] + 3 * t * cubic[3])) / step
        outside = (place < 0) | (place > last)
        return np.clip(_horner(cubic, t), 0.0, 1.0), np.where(outside, 0.0, np.maximum(rise, 0.0))

    def row(self, j: int) -> int:
        """Where the tau of node j stands among those kept."""
        return int(np.searchsorted(self._rows, j))

    def mean(self, values: Array) -> float:
        """Posterior mean of a function of (mu, tau), given at the nodes ``[J, M]``."""
        return float((self.posterior.weight * values).sum())

    @cached_property
    def _mean_logit(self) -> Distribution:
        x = _thinned(self._mu, self._nodes * self._weight[:, None])
        below, density = self.conditional(np.broadcast_to(x[:, None], (x.size, self._tau.size)))
        below, density = np.maximum.accumulate(below @ self._weight), np.maximum(density @ self._weight, 0.0)
        return Distribution(x, np.asarray(below), np.asarray(density))

    def mu(self) -> Distribution:
        """The mean logit."""
        return self._mean_logit

    def median_rate(self) -> Distribution:
        """``expit(mu)``, kept on the logit scale."""
        mu = self._mean_logit
        return Distribution(mu.x, mu.below, mu.density, special.expit, logistic_slope)

    def tau(self) -> Distribution:
        """tau, kept on the axis of u."""
        p = self.posterior
        x = np.asarray(np.linspace(p.u_low, p.u_high, _POINTS), dtype=np.float64)
        scaled = np.linspace(-1.0, 1.0, _POINTS)
        density = np.asarray(chebyshev.chebval(scaled, p.series), dtype=np.float64)
        below = chebyshev.chebval(scaled, chebyshev.chebint(p.series, lbnd=-1)) * 0.5 * (p.u_high - p.u_low)
        below = np.maximum.accumulate(np.clip(below / below[-1], 0.0, 1.0))

        def back(u: Array) -> Array:
            return np.asarray(p.stretch * np.sinh(u))

        def slope(u: Array) -> Array:
            return np.asarray(p.stretch * np.cosh(u))

        return Distribution(x, below.astype(np.float64), np.maximum(density, 0.0), back, slope)

    def tau2(self) -> Distribution:
        """``tau^2``, kept on the axis of u."""
        tau = self.tau()
        return Distribution(tau.x, tau.below, tau.density, lambda u: tau.back(u) ** 2, lambda u: 2 * tau.back(u) * tau.slope(u))

    def averaged_rate(self) -> Distribution:
        """``E[expit(mu + tau Z)]``, kept on the logit scale."""
        at_nodes, slope = _averaged_logit(self._mu, self._tau[:, None])
        y = _thinned(at_nodes, self._nodes * self._weight[:, None], 201)
        columns = []
        for nodes, value, rise in zip(self._mu, at_nodes, slope, strict=True):
            i = np.clip(np.searchsorted(value, y) - 1, 0, value.size - 2)
            width, inverse = value[i + 1] - value[i], 1.0 / rise
            cubic = _hermite(nodes[i], nodes[i + 1], inverse[i] * width, inverse[i + 1] * width)
            guess = _horner(cubic, np.clip((y - value[i]) / width, 0.0, 1.0))
            # Beyond the nodes the curve goes on straight.
            columns.append(guess + np.minimum(y - value[0], 0.0) / rise[0] + np.maximum(y - value[-1], 0.0) / rise[-1])
        mu = np.stack(columns, axis=1)
        inside = (mu >= self._mu[:, 0]) & (mu <= self._mu[:, -1])
        rise = np.ones(mu.shape)
        value, rise[inside] = _averaged_logit(mu[inside], np.broadcast_to(self._tau, mu.shape)[inside])
        mu[inside] += (np.broadcast_to(y[:, None], mu.shape)[inside] - value) / rise[inside]
        below, density = self.conditional(mu)
        density = np.where(inside, density / rise, 0.0)
        return Distribution(
            y, np.maximum.accumulate(below @ self._weight), np.maximum(density @ self._weight, 0.0), special.expit, logistic_slope
        )

    def new_logit(self, t: Array) -> tuple[Array, Array]:
        """P(logit of a new setting < t) and its density, ``[b]``."""
        below, density = np.zeros(t.size), np.zeros(t.size)
        # The narrower of the two spreads is integrated out, so that what is left is smooth on the nodes.
        for j, (tau, weight) in enumerate(zip(self._tau, self._weight, strict=True)):
            if tau >= self._sd[j]:
                x = (t[:, None] - self._mu[j]) / tau
                below += weight * (special.ndtr(x) @ self._nodes[j])
                density += weight / tau * (np.exp(-0.5 * x * x) @ self._nodes[j]) / np.sqrt(2 * np.pi)
            else:
                a, b = self.conditional(t[:, None] - tau * _Z, j)
                below += weight * (a @ _NORMAL)
                density += weight * (b @ _NORMAL)
        return below, density

    def new_rate(self) -> Distribution:
        """The rate of a new setting, ``expit(mu + tau Z)``, kept on the logit scale."""
        centre = self.mean(self.posterior.mu)
        total = np.sqrt(self._sd**2 + self._tau**2)
        scale = float(total[np.searchsorted(np.cumsum(self._weight), 0.5)])
        reach = np.arcsinh(8.0 * np.max(np.abs(self._mu - centre).max(1) + self._tau) / scale)
        v = np.linspace(-reach, reach, int(np.clip(reach / 0.02, 201, 1201)) | 1)
        t = centre + scale * np.sinh(v)
        below, density = self.new_logit(t)
        kept = np.flatnonzero((below > 1e-12) & (below < 1 - 1e-12))
        rows = slice(max(kept[0] - 1, 0), kept[-1] + 2)
        below = np.maximum.accumulate(np.clip(below[rows], 0.0, 1.0))
        return Distribution(t[rows], below, density[rows], special.expit, logistic_slope)


def periodic(values: Array, step: float, factor: int) -> tuple[Array, Array]:
    """Integral from the first node, and value, along the last axis, on nodes `factor` times as fine.

    The function vanishes at both ends, so that the trigonometric polynomial through its nodes is as exact as their sum.
    """
    n = values.shape[-1]
    wave = fft.rfft(values)
    fine = fft.irfft(wave, n * factor) * factor
    running = np.zeros_like(wave)
    running[..., 1:] = wave[..., 1:] / (2j * np.pi * np.arange(1, wave.shape[-1]) / n)
    part = fft.irfft(running, n * factor) * factor
    below = part - part[..., :1] + wave[..., :1].real * np.arange(n * factor) / (n * factor)
    last = (n - 1) * factor + 1
    return below[..., :last] * step, fine[..., :last]


def _hermite(a: Array, b: Array, da: Array, db: Array) -> tuple[Array, Array, Array, Array]:
    """Coefficients on [0, 1] of the cubic with these values and slopes at the ends."""
    return a, da, 3 * (b - a) - 2 * da - db, 2 * (a - b) + da + db


def _horner(c: tuple[Array, Array, Array, Array], t: Array) -> Array:
    return np.asarray(c[0] + t * (c[1] + t * (c[2] + t * c[3])))


def _thinned(nodes: Array, mass: Array, most: int = _POINTS) -> Array:
    """Nodes of all rows in order, those without mass left out, every so many kept."""
    x = np.sort(nodes[mass > 1e-13], axis=None)
    x = np.concatenate([[nodes[mass > 1e-13].min()], x, [nodes[mass > 1e-13].max()]])
    x = np.unique(x)
    if x.size > most:
        x = x[np.linspace(0, x.size - 1, most).round().astype(np.intp)]
    return x


def logistic_slope(x: Array) -> Array:
    """The derivative of expit."""
    return np.asarray(special.expit(x) * special.expit(-x))


def _averaged_logit(mu: Array, tau: Array) -> tuple[Array, Array]:
    """Logit of the averaged rate and its derivative in mu; the smaller of rate and complement keeps its digits."""
    rate, slope = averaged_rate(-np.abs(mu), np.broadcast_to(tau, mu.shape))
    logit = np.log(rate) - np.log1p(-rate)
    return np.where(mu > 0, -logit, logit), slope / (rate * (1.0 - rate))


# The posterior of every study's own rate: shrunken towards the others as far as the data and the priors say.
#
# ``p(theta_i | data) = Bin_i(theta_i) * sum of w(mu, tau) N(theta_i; mu, tau^2) / L_i(mu, tau)`` over the nodes of (mu,
# tau), whose weights w are those of all studies and whose L_i is the study's own integral. Where tau is smaller than the
# spacing of mu the sum over mu is replaced by one over ``z = (theta_i - mu) / tau``, so that nothing becomes narrow.

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


def _study(study: BinomialLogit, loglik: Array, marginals: Marginals, rows: Indices, ends: tuple[Array, Array]) -> StudyPosterior:
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
