"""The posterior of a whole batch of means with a normal random effect, by quadrature: one fit costs a fraction of a millisecond."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy import special

from metanet.base.arrays import Array, Indices, Mask
from metanet.kernels.bayes.integrals import Lattice, integrals, lattices, over_studies, widest
from metanet.kernels.bayes.posterior import TauPrior
from metanet.kernels.normal_effect.study_likelihoods import Likelihood, distinct
from metanet.kernels.numerics.batches import Batch

# ``y_i ~ f(theta_i)``, ``theta_i ~ N(mu, tau^2)``, with a normal prior of mu and a proper prior of tau.
#
# Both axes are equal steps: mu at each tau, because its conditional density is log-concave and vanishes at both ends, and ``u`` in
# ``tau = s sinh(u)``, because the density of u is even about zero and vanishes at its ends. The trapezoidal rule then converges
# geometrically (Trefethen and Weideman 2014, doi:10.1137/130932132), and every second node is a second answer for nothing.
# Between the nodes the logarithms of the densities are interpolated, which are nearly parabolas.

#: What lies so far below the peak of a log density is left out: a probability of 3e-8.
_DROP = 16.0
#: Nodes in u and mu, one rule after another until half the nodes agree.
RULES = ((24, 20), (48, 40), (96, 64), (192, 96))
#: Half the nodes may move log evidence, means and standard deviations by this much: all of them are wrong by its square or less.
TOLERANCE = 1e-3
#: The scan that finds where the posterior lies.
_SCANNED, _SCAN_MU, _SCAN_REACH = 13, 15, 4.0
#: Fine steps to one step between nodes, and the points of a local interpolation.
_FINER, _POINTS = 5, 8
#: Elements of an array that fits the cache.
_BLOCK = 60_000
_LARGEST_TAU = 40.0
#: No log density rises above its highest node by more; an interpolation through too few nodes may.
_PEAK = 2.0
#: A node of tau with less weight adds nothing.
_WEIGHS = 1e-8
_NORMAL = 1.0 / np.sqrt(2 * np.pi)


class MeanPrior(NamedTuple):
    """``mu ~ N(mean, sd^2)``; `mean` is one number or ``[b]``."""

    mean: Array | float
    sd: float

    def take(self, rows: Indices) -> MeanPrior:
        """That of the chosen fits."""
        return self if np.ndim(self.mean) == 0 else MeanPrior(np.asarray(self.mean)[rows], self.sd)

    def log_density(self, mu: Array) -> Array:
        """Log density at mu ``[b, ...]``."""
        mean = np.asarray(self.mean)
        mean = mean.reshape(mean.shape + (1,) * (mu.ndim - 1)) if mean.ndim else mean
        z = (mu - mean) / self.sd
        return np.asarray(-0.5 * z * z - np.log(self.sd) - 0.5 * np.log(2 * np.pi))


@dataclass(frozen=True)
class Frame(Batch):
    """Where the posteriors lie: at scanned values of tau ``[b, S]`` an interval of mu, and Laplace's height of the marginal."""

    tau: Array
    low: Array
    high: Array
    height: Array


def scan(studies: Likelihood, mean: MeanPrior, tau: Array, shared: Sequence[Lattice] = ()) -> Frame:
    """An interval of mu that holds all that matters, and the log marginal likelihood, at each tau ``[b, S]``."""
    b, count = tau.shape
    pair = np.repeat(np.arange(b), count)
    flat = tau.ravel()
    finest = widest(studies)[pair]
    precision = 1.0 / mean.sd**2
    with np.errstate(divide="ignore"):
        weight = 1.0 / (1.0 / studies.precision[:, None, :] + tau[:, :, None] ** 2)
    if studies.times is not None:
        weight *= studies.times[:, None, :]
    total = weight.sum(-1) + precision
    centre = (weight * studies.guess[:, None, :]).sum(-1) + precision * np.broadcast_to(np.asarray(mean.mean), (b,))[:, None]
    sd = (1.0 / np.sqrt(total)).ravel()
    centre = (centre / total).ravel()
    low, high = centre - 7.5 * sd, centre + 7.5 * sd
    height = np.full(flat.size, np.nan)
    rows = np.arange(flat.size)
    for _ in range(30):
        mu = low[rows, None] + (high - low)[rows, None] * np.linspace(0.0, 1.0, _SCAN_MU)
        found = integrals(studies, pair[rows], mu, flat[rows], finest[rows], False, shared, _SCAN_REACH)
        density = found.loglik + mean.take(pair[rows]).log_density(mu)
        peak = density.max(-1)
        step = mu[:, 1] - mu[:, 0]
        height[rows] = peak + np.log(np.exp(density - peak[:, None]).sum(-1) * step)
        below = density < peak[:, None] - _DROP
        inside = ~below
        first, last = inside.argmax(-1), _SCAN_MU - 1 - inside[:, ::-1].argmax(-1)
        # A side that has not come down yet goes on; what is far too wide is cut to the cells that matter.
        open_low, open_high = first == 0, last == _SCAN_MU - 1
        few = (last - first) < 6
        span = high[rows] - low[rows]
        new_low = np.where(open_low, low[rows] - 0.6 * span, mu[np.arange(rows.size), np.maximum(first - 1, 0)])
        new_high = np.where(open_high, high[rows] + 0.6 * span, mu[np.arange(rows.size), np.minimum(last + 1, _SCAN_MU - 1)])
        again = open_low | open_high | few
        # Closed ends are found between the nodes, on the chord of the log density, which lies inside the curve.
        edge_low, edge_high = _crossing(mu, density, peak - _DROP, first, last)
        low[rows] = np.where(again, new_low, edge_low)
        high[rows] = np.where(again, new_high, edge_high)
        rows = rows[again]
        if not rows.size:
            break
    return Frame(tau, low.reshape(b, count), high.reshape(b, count), height.reshape(b, count))


def _crossing(mu: Array, density: Array, floor: Array, first: Indices, last: Indices) -> tuple[Array, Array]:
    """Where the log density meets `floor` in the cells outside the first and the last node above it."""
    each = np.arange(mu.shape[0])

    def between(outer: Indices, inner: Indices) -> Array:
        a, c = density[each, outer], density[each, inner]
        share = np.clip((floor - a) / np.where(c > a, c - a, 1.0), 0.0, 1.0)
        # The curve is concave: it meets the floor outside its chord.
        return np.asarray(mu[each, outer] + 0.7 * share * (mu[each, inner] - mu[each, outer]))

    return between(np.maximum(first - 1, 0), first), between(np.minimum(last + 1, mu.shape[1] - 1), last)


def scanned(studies: Likelihood, mean: MeanPrior, prior: TauPrior) -> Array:
    """Values of tau to scan, ``[b, S]``: from far below what the data resolve to the end of the prior."""
    known = over_studies(studies.precision[:, :, None], studies.times)[:, 0]
    finest = 1.0 / np.sqrt(known + 1.0 / mean.sd**2)
    top = min(prior.upper_quantile(1e-9), _LARGEST_TAU)
    first = np.minimum(0.05 * finest, 0.01 * top)
    return np.asarray(first[:, None] * (top / first)[:, None] ** np.linspace(0.0, 1.0, _SCANNED))


#: Scanned values of tau that have to lie where the posterior does, and how often a scan is made anew.
_FEW, _RESCANS = 4, 3


def refocused(tau: Array, height: Array, prior: TauPrior) -> tuple[Indices, Array]:
    """The fits whose scan ``[b, S]`` missed the posterior of tau, and the values to scan instead.

    Either too few values lie where it does, because much data leave it narrow, or the last one still weighs: where the data want a tau
    that the prior calls all but impossible, it goes on to the `_LARGEST_TAU`.
    """
    each = np.arange(tau.shape[0])
    density = height + prior.log_density(tau) + np.log(tau)
    inside = density > density.max(-1, keepdims=True) - _DROP
    last = tau.shape[1] - 1
    start, stop = inside.argmax(-1), last - inside[:, ::-1].argmax(-1)
    open_end = (stop == last) & (tau[:, -1] < _LARGEST_TAU) & np.isfinite(prior.log_density(tau[:, -1] * 1.01))
    rows = np.flatnonzero(open_end | (stop - start < _FEW))
    low = tau[each, np.maximum(start - 1, 0)][rows]
    high = np.where(open_end, np.minimum(4.0 * tau[:, -1], _LARGEST_TAU), tau[each, np.minimum(stop + 1, last)])[rows]
    return rows, np.asarray(low[:, None] * (high / low)[:, None] ** np.linspace(0.0, 1.0, last + 1))


@dataclass(frozen=True)
class Axis(Batch):
    """The nodes of tau: ``stretch sinh(u)`` with equal steps of u between `low` and `high`, ``[b]``."""

    stretch: Array
    low: Array
    high: Array

    def nodes(self, count: int) -> tuple[Array, Array]:
        """u and tau, ``[b, count]``."""
        u = self.low[:, None] + (self.high - self.low)[:, None] * np.linspace(0.0, 1.0, count)
        return u, self.stretch[:, None] * np.sinh(u)


def axis_of(tau: Array, height: Array, prior: TauPrior) -> Axis:
    """The axis of tau from scanned log marginal likelihoods ``[b, S]``."""
    each = np.arange(tau.shape[0])
    density = height + prior.log_density(tau)
    # Where sinh turns from a line to a curve: the smallest tau that weighs, on a logarithmic axis, more than the tails do.
    weight = density + np.log(tau)
    first = (weight > weight.max(-1, keepdims=True) - 2.0).argmax(-1)
    stretch = tau[each, first]
    u = np.arcsinh(tau / stretch[:, None])
    density = density + np.log(np.cosh(u))
    inside = density > density.max(-1, keepdims=True) - _DROP
    start, stop = inside.argmax(-1), tau.shape[1] - 1 - inside[:, ::-1].argmax(-1)

    def between(outer: Indices, inner: Indices) -> Array:
        floor = density.max(-1) - _DROP
        a, c = density[each, outer], density[each, inner]
        share = np.clip((floor - a) / np.where(c > a, c - a, 1.0), 0.0, 1.0)
        return np.asarray(u[each, outer] + 0.5 * share * (u[each, inner] - u[each, outer]))

    low = np.where(start == 0, 0.0, between(np.maximum(start - 1, 0), start))
    end = between(np.minimum(stop + 1, tau.shape[1] - 1), stop)
    return Axis(stretch, low, np.where(stop == tau.shape[1] - 1, u[:, -1], end))


@dataclass(frozen=True)
class Means(Batch):
    """The conditional distributions of one mean at each tau.

    `tau` ``[b, J]``; `mu` ``[b, J, M]`` its nodes and `mass` their conditional probabilities; `height` ``[b, J]`` the log marginal
    likelihood with the prior of mu, `half_height` the same by every second node; `low`, `step` ``[b, J]`` and `below`, `density`
    ``[b, J, F]`` the distribution function and density on finer steps. With responses `own` ``[b, J, k]`` are the studies', averaged
    over mu, and `share` ``[b, J, k]`` each study's share of the information on mu.
    """

    tau: Array
    mu: Array
    mass: Array
    height: Array
    half_height: Array
    low: Array
    step: Array
    below: Array
    density: Array
    own: Array
    share: Array

    def at(self, x: Array) -> tuple[Array, Array]:
        """P(mu < x) and the density at x, at every tau: ``x`` and the answers are ``[b, J, ...]``."""
        b, j = self.tau.shape
        flat = x.reshape(b, j, -1)
        place = (flat - self.low[:, :, None]) / self.step[:, :, None]
        last = self.below.shape[2] - 1
        cell = np.clip(place, 0, last - 1).astype(np.intp)
        t = np.clip(place - cell, 0.0, 1.0)
        base = (np.arange(b * j) * (last + 1)).reshape(b, j, 1) + cell
        below, density = self.below.reshape(-1), self.density.reshape(-1)
        a, c = below[base], below[base + 1]
        width = self.step[:, :, None]
        da, dc = density[base] * width, density[base + 1] * width
        c2, c3 = 3 * (c - a) - 2 * da - dc, 2 * (a - c) + da + dc
        value = a + t * (da + t * (c2 + t * c3))
        rise = (da + t * (2 * c2 + 3 * t * c3)) / width
        outside = (place < 0) | (place > last)
        value, rise = np.clip(value, 0.0, 1.0), np.where(outside, 0.0, np.maximum(rise, 0.0))
        return value.reshape(x.shape), rise.reshape(x.shape)


def means(
    studies: Likelihood,
    mean: MeanPrior,
    frame: Frame,
    tau: Array,
    width: int,
    shared: Sequence[Lattice] = (),
    *,
    responses: bool = False,
) -> Means:
    """The conditional distributions of mu at the values `tau` ``[b, J]``, inside the intervals of the scan."""
    b, count = tau.shape
    low, high = _between(frame, tau)
    margin = 0.02 * (high - low)
    low, high = low - margin, high + margin
    mu = low[:, :, None] + (high - low)[:, :, None] * np.linspace(0.0, 1.0, width)
    pair = np.repeat(np.arange(b), count)
    found = integrals(studies, pair, mu.reshape(-1, width), tau.ravel(), widest(studies)[pair], responses, shared)
    density = found.loglik.reshape(b, count, width) + mean.log_density(mu)
    step = (high - low) / (width - 1)
    plain = conditional(tau, mu, step, density)
    mass = plain.mass
    own: Array = plain.own
    share: Array = plain.share
    if found.alone is not None:
        # Minus the second difference of a log-concave likelihood, averaged over mu: its weights, not the likelihoods, are differenced.
        weight = np.zeros((b * count, width, 1))
        inner = mass.reshape(-1, width)[:, 1:-1]
        weight[:, :-2, 0] -= inner
        weight[:, 2:, 0] -= inner
        weight[:, 1:-1, 0] += 2.0 * inner
        bend = np.maximum((found.alone @ weight).reshape(b, count, -1), 0.0)
        whole = bend if studies.times is None else bend * studies.times[:, None, :]
        share = bend / np.maximum(whole.sum(-1, keepdims=True), 1e-300)
        if found.own is not None:
            own = (found.own @ mass.reshape(-1, width, 1)).reshape(b, count, -1)
        else:
            slopes = mass.reshape(-1, width) @ _lagrange(width)[1][:, ::_FINER].T
            score = (found.alone @ slopes[:, :, None]).reshape(b, count, -1) / step[:, :, None]
            middle = (mass * mu).sum(-1)
            parts = [studies.shrunken(middle[:, j], tau[:, j], score[:, j]) for j in range(count)]
            own = np.stack([part for part in parts if part is not None], axis=1)
    return replace(plain, own=own, share=share)


def conditional(tau: Array, mu: Array, step: Array, density: Array) -> Means:
    """The distributions of a mean whose log density ``[b, J, M]`` is known at equal steps `step` ``[b, J]``, without responses."""
    b = tau.shape[0]
    peak = density.max(-1, keepdims=True)
    mass = np.exp(density - peak)
    total = mass.sum(-1)
    height = peak[:, :, 0] + np.log(total * step)
    half = peak[:, :, 0] + np.log(np.maximum(2 * mass[:, :, ::2].sum(-1), 1e-300) * step)
    fine, slope = _refined(density - peak, step)
    fine_step = step / _FINER
    values = np.exp(np.minimum(fine, _PEAK))
    slope *= values
    running = np.zeros_like(values)
    h = fine_step[:, :, None]
    piece = 0.5 * h * (values[:, :, 1:] + values[:, :, :-1]) - h * h / 12.0 * (slope[:, :, 1:] - slope[:, :, :-1])
    np.cumsum(piece, axis=-1, out=running[:, :, 1:])
    area = running[:, :, -1:].copy()
    running /= area
    values /= area
    mass /= total[:, :, None]
    nothing = np.empty((b, 0))
    return Means(tau, mu, mass, height, half, mu[:, :, 0], fine_step, running, values, nothing, nothing)


def _between(frame: Frame, tau: Array) -> tuple[Array, Array]:
    """Ends of the interval of mu at tau, on straight lines between the scanned values."""
    b, count = frame.tau.shape
    cell = np.clip((frame.tau[:, None, :] <= tau[:, :, None]).sum(-1) - 1, 0, count - 2)
    rows = np.arange(b)[:, None]
    start, end = frame.tau[rows, cell], frame.tau[rows, cell + 1]
    share = np.clip((tau - start) / (end - start), 0.0, 1.0)

    def between(values: Array) -> Array:
        return np.asarray(values[rows, cell] + share * (values[rows, cell + 1] - values[rows, cell]))

    return between(frame.low), between(frame.high)


@cache
def _lagrange(nodes: int) -> tuple[Array, Array]:
    """Matrices ``[nodes, fine]`` that take values at equal steps to finer ones, and to their slopes (per step)."""
    fine = (nodes - 1) * _FINER + 1
    points = min(_POINTS, nodes)
    columns = np.arange(fine)
    x = columns / _FINER
    first = np.clip(np.floor(x).astype(np.intp) - points // 2 + 1, 0, nodes - points)
    # The polynomial through the points of a stencil, written about its middle.
    middle = 0.5 * (points - 1)
    inverse = np.linalg.inv(np.vander(np.arange(points) - middle, increasing=True))
    powers = np.vander(x - first - middle, points, increasing=True)
    rises = np.zeros_like(powers)
    rises[:, 1:] = powers[:, :-1] * np.arange(1, points)
    value, slope = np.zeros((nodes, fine)), np.zeros((nodes, fine))
    rows = first[:, None] + np.arange(points)
    value[rows, columns[:, None]] = powers @ inverse
    slope[rows, columns[:, None]] = rises @ inverse
    return value, slope


def _refined(values: Array, step: Array) -> tuple[Array, Array]:
    """Values and slopes on finer steps along the last axis."""
    value, slope = _lagrange(values.shape[-1])
    return values @ value, (values @ slope) / step[..., None]


@dataclass(frozen=True)
class TauDistribution(Batch):
    """The distribution of tau: on finer steps of u ``[b, F]``, and the probabilities of its nodes ``[b, J]``."""

    axis: Axis
    tau: Array
    weight: Array
    below: Array
    density: Array
    log_evidence: Array
    moved: Array

    def quantile(self, probability: float) -> Array:
        """Values of tau below which it falls with this probability, ``[b]``."""
        b, fine = self.below.shape
        each = np.arange(b)
        cell = np.clip((self.below <= probability).sum(-1) - 1, 0, fine - 2)
        step = (self.axis.high - self.axis.low) / (fine - 1)
        a, c = self.below[each, cell], self.below[each, cell + 1]
        da, dc = self.density[each, cell] * step, self.density[each, cell + 1] * step
        c2, c3 = 3 * (c - a) - 2 * da - dc, 2 * (a - c) + da + dc
        low, high = np.zeros(b), np.ones(b)
        for _ in range(50):
            t = 0.5 * (low + high)
            over = a + t * (da + t * (c2 + t * c3)) > probability
            low, high = np.where(over, low, t), np.where(over, t, high)
        return np.asarray(self.axis.stretch * np.sinh(self.axis.low + (cell + 0.5 * (low + high)) * step))


def tau_distribution(axis: Axis, height: Array, prior: TauPrior) -> TauDistribution:
    """The posterior of tau from log marginal likelihoods ``[b, J]`` at the nodes of the axis."""
    count = height.shape[1]
    u, tau = axis.nodes(count)
    density = height + prior.log_density(tau) + np.log(np.cosh(u)) + np.log(axis.stretch)[:, None]
    peak = density.max(-1, keepdims=True)
    step = (axis.high - axis.low) / (count - 1)
    mass = np.exp(density - peak)
    # The density is even about zero: there the end weighs half, and it has its mirror image beyond.
    ends = np.ones(count)
    ends[[0, -1]] = 0.5
    mass *= ends
    total = mass.sum(-1)
    odd = np.zeros(count)
    odd[::2] = 2.0
    if count % 2 == 0:
        # Every second node from the first leaves the last step open, where nothing is.
        odd[-1] = 0.0
    half = mass * odd
    weight = mass / total[:, None]
    half = half / half.sum(-1, keepdims=True)
    moved = np.abs(np.log((mass * odd).sum(-1) / total))
    mean, mean_half = (weight * tau).sum(-1), (half * tau).sum(-1)
    spread = np.sqrt(np.maximum((weight * tau * tau).sum(-1) - mean * mean, 1e-300))
    moved = np.maximum(moved, np.abs(mean - mean_half) / spread)
    mirrored = axis.low == 0
    shifted = density - peak
    front = np.where(mirrored[:, None], shifted[:, 4:0:-1], np.nan)
    fine, slope = _refined(shifted, step)
    if mirrored.any():
        wide, steep = _refined(np.concatenate([front, shifted], axis=1)[mirrored], step[mirrored])
        fine[mirrored], slope[mirrored] = wide[:, 4 * _FINER :], steep[:, 4 * _FINER :]
    values = np.exp(np.minimum(fine, _PEAK))
    slope = slope * values
    h = (step / _FINER)[:, None]
    below = np.zeros_like(values)
    np.cumsum(0.5 * h * (values[:, 1:] + values[:, :-1]) - h * h / 12 * (slope[:, 1:] - slope[:, :-1]), axis=1, out=below[:, 1:])
    area = below[:, -1:].copy()
    return TauDistribution(axis, tau, weight, below / area, values / area, peak[:, 0] + np.log(total * step), moved)


Threshold = Callable[[Array], tuple[Array, Array]]


def solve(function: Threshold, target: Array, low: Array, high: Array, start: Array, scale: Array) -> Array:
    """Where a distribution function of ``x`` ``[b, q]``, given with its density, reaches `target`: Newton in a bracket.

    The step is taken on the scale of normal quantiles, on which a distribution function is nearly a line.
    """
    wanted = special.ndtri(target)
    x, low, high = np.clip(start, low, high), low.copy(), high.copy()
    for _ in range(60):
        value, rise = function(x)
        over = value > target
        low, high = np.where(over, low, x), np.where(over, x, high)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            at = special.ndtri(value)
            new = x + (wanted - at) * (_NORMAL * np.exp(-0.5 * at * at)) / rise
        # A step leaves an error of its square.
        arrived = np.abs(new - x) <= 1e-6 * scale
        x = np.where(arrived | ((new >= low) & (new <= high)), new, 0.5 * (low + high))
        if arrived.all():
            break
    return x


_NEW_Z, _NEW_W = special.roots_hermitenorm(7)
_NEW_W = _NEW_W / _NEW_W.sum()


@dataclass(frozen=True)
class Posteriors(Batch):
    """The posteriors of a batch: mu at each tau, and tau."""

    mean: Means
    tau: TauDistribution

    @property
    def weight(self) -> Array:
        """Probabilities of the nodes of tau, ``[b, J]``."""
        return self.tau.weight

    def moments(self) -> tuple[Array, Array]:
        """Posterior mean and standard deviation of mu, ``[b]``."""
        first = (self.mean.mass * self.mean.mu).sum(-1)
        second = (self.mean.mass * self.mean.mu**2).sum(-1)
        mean = (self.weight * first).sum(-1)
        return mean, np.sqrt(np.maximum((self.weight * second).sum(-1) - mean * mean, 0.0))

    def mixed(self, value: Array, rise: Array) -> tuple[Array, Array]:
        """Averages over tau of ``[b, J, q]``."""
        return (self.weight[:, None, :] @ value)[:, 0], (self.weight[:, None, :] @ rise)[:, 0]

    def below(self, x: Array) -> tuple[Array, Array]:
        """P(mu < x) and the density, at ``x`` ``[b, q]``."""
        return self.mixed(*self.mean.at(np.broadcast_to(x[:, None, :], (x.shape[0], self.weight.shape[1], x.shape[1]))))

    def quantiles(self, probabilities: Array) -> Array:
        """Quantiles of mu, ``[b, q]``."""
        mean, sd = self.moments()
        return self._solved(self.below, probabilities, mean, sd)

    def _solved(self, function: Threshold, probabilities: Array, mean: Array, sd: Array) -> Array:
        target = np.broadcast_to(probabilities, (mean.size, probabilities.size))
        start = mean[:, None] + sd[:, None] * special.ndtri(probabilities)
        wide = np.broadcast_to(60.0 * sd[:, None], target.shape)
        return solve(function, target, mean[:, None] - wide, mean[:, None] + wide, start, sd[:, None])

    def new_quantiles(self, probabilities: Array) -> Array:
        """Quantiles of the effect of a new study, ``mu + tau Z``, ``[b, q]``."""
        mean, sd = self.moments()
        spread = np.sqrt(sd * sd + (self.weight * self.tau.tau**2).sum(-1))
        return self._solved(self._new(), probabilities, mean, spread)

    def new_below(self, x: Array) -> tuple[Array, Array]:
        """P(effect of a new study < x) and the density, at ``x`` ``[b, q]``."""
        return self._new()(x)

    def _new(self) -> Threshold:
        tau = self.tau.tau
        first = (self.mean.mass * self.mean.mu).sum(-1)
        own = np.sqrt(np.maximum((self.mean.mass * self.mean.mu**2).sum(-1) - first * first, 0.0))
        # The narrower of the two spreads is summed over, so that what is left is smooth on its nodes.
        wide = tau >= 0.5 * own
        weighs = self.weight > _WEIGHS
        far, near = np.nonzero(wide & weighs), np.nonzero(~wide & weighs)
        b = tau.shape[0]
        far_mu, far_tau = self.mean.mu[far], tau[far]
        far_mass = self.mean.mass[far] * self.weight[far][:, None]
        nothing = np.empty((near[0].size, 0))
        some = Means(**{name: getattr(self.mean, name)[near][:, None] for name in _NEAR_ARRAYS}, own=nothing, share=nothing)
        near_tau, near_weight = tau[near], self.weight[near]

        def below(t: Array) -> tuple[Array, Array]:
            value, rise = np.zeros(t.shape), np.zeros(t.shape)
            for q in range(t.shape[1]):
                x = (t[far[0], q][:, None] - far_mu) / far_tau[:, None]
                value[:, q] = np.bincount(far[0], (special.ndtr(x) * far_mass).sum(-1), b)
                np.square(x, out=x)
                x *= -0.5
                np.exp(x, out=x)
                rise[:, q] = np.bincount(far[0], (x * far_mass).sum(-1) * (_NORMAL / far_tau), b)
                if near[0].size:
                    x = t[near[0], q][:, None] - near_tau[:, None] * _NEW_Z
                    v, r = some.at(x[:, None, :])
                    value[:, q] += np.bincount(near[0], near_weight * (v[:, 0] @ _NEW_W), b)
                    rise[:, q] += np.bincount(near[0], near_weight * (r[:, 0] @ _NEW_W), b)
            return value, rise

        return below

    def averaged_quantiles(self, probabilities: Array, link: str) -> Array:
        """Quantiles, on the scale of the link, of the response averaged over the random effect, ``[b, q]``."""
        inverse, value = averaged_inverse(self.mean, self.tau.tau, self.weight > _WEIGHS, link)
        mean = (self.weight * (self.mean.mass * value).sum(-1)).sum(-1)
        second = (self.weight * (self.mean.mass * value**2).sum(-1)).sum(-1)
        sd = np.sqrt(np.maximum(second - mean * mean, 1e-12))

        def below(a: Array) -> tuple[Array, Array]:
            x, slope = inverse(a)
            value, rise = self.mean.at(x)
            return self.mixed(value, rise * slope)

        return self._solved(below, probabilities, mean, sd)

    def responses(self) -> Array:
        """Posterior mean of every study's own response, ``[b, k]``."""
        return np.asarray((self.weight[:, None, :] @ self.mean.own)[:, 0])

    def shares(self) -> Array:
        """Every study's share of the information on mu, ``[b, k]``."""
        return np.asarray((self.weight[:, None, :] @ self.mean.share)[:, 0])


_NEAR_ARRAYS = ("tau", "mu", "mass", "height", "half_height", "low", "step", "below", "density")


def averaged_inverse(mean: Means, tau: Array, weighs: Mask, link: str) -> tuple[Threshold, Array]:
    """At each tau, the mu ``[b, J, q]`` whose averaged response is ``a`` ``[b, q]`` on the scale of the link, with its slope in a;
    and the averages at the nodes, ``[b, J, M]``."""
    if link == "log":
        shift = 0.5 * (tau * tau)[:, :, None]
        return (lambda a: (a[:, None, :] - shift, np.ones((*tau.shape, a.shape[1])))), mean.mu + shift
    if link == "probit":
        stretch = np.sqrt(1.0 + tau * tau)[:, :, None]
        return (lambda a: (a[:, None, :] * stretch, np.broadcast_to(stretch, (*tau.shape, a.shape[1])))), mean.mu / stretch
    value, rise = averaged_on_link(mean.mu, tau, weighs, link)
    b, count, width = value.shape
    base = (np.arange(b * count) * width).reshape(b, count, 1)
    flat_value, flat_rise, flat_mu = value.reshape(-1), rise.reshape(-1), mean.mu.reshape(-1)

    def inverse(a: Array) -> tuple[Array, Array]:
        x = np.broadcast_to(a[:, None, :], (b, count, a.shape[1]))
        cell = np.stack([(value < a[:, None, q, None]).sum(-1) for q in range(a.shape[1])], -1) - 1
        at = base + np.clip(cell, 0, width - 2)
        low, high = flat_value[at], flat_value[at + 1]
        h = high - low
        t = (x - low) / h
        inside = np.clip(t, 0.0, 1.0)
        start, end = flat_mu[at], flat_mu[at + 1]
        da, dc = h / flat_rise[at], h / flat_rise[at + 1]
        c2, c3 = 3 * (end - start) - 2 * da - dc, 2 * (start - end) + da + dc
        mu = start + inside * (da + inside * (c2 + inside * c3))
        slope = (da + inside * (2 * c2 + 3 * inside * c3)) / h
        # Beyond the nodes the curve goes on straight.
        return mu + (t - inside) * h * slope, slope

    return inverse, value


#: Steps of the average over the random effect up to these values of tau: the poles of the logistic function lie at pi / tau.
_AVERAGE = ((0.6, 0.7), (1.4, 0.5), (3.0, 0.25), (6.5, 0.12), (np.inf, 0.04))


def averaged_on_link(mu: Array, tau: Array, weighs: Mask, link: str) -> tuple[Array, Array]:
    """The averaged response on the scale of the link, and its slope in mu, at ``mu`` ``[b, J, M]`` and ``tau`` ``[b, J]``."""
    # A tau without weight needs no more than numbers that rise.
    value, rise = mu.copy(), np.ones(mu.shape)
    least = -1.0
    for most, step in _AVERAGE:
        rows = (tau > least) & (tau <= most) & weighs
        least = most
        if not rows.any():
            continue
        half = int(np.ceil(6.5 / step))
        z: Array = np.asarray(step * np.arange(-half, half + 1), dtype=np.float64)
        weight: Array = np.exp(-0.5 * z * z)
        weight /= weight.sum()
        m, t = mu[rows], tau[rows][:, None]
        size = max(1, _BLOCK // (m.shape[1] * z.size))
        found, slopes = np.empty(m.shape), np.empty(m.shape)
        for start in range(0, m.shape[0], size):
            some = slice(start, start + size)
            found[some], slopes[some] = _averaged(m[some], t[some], z, weight, link)
        value[rows], rise[rows] = found, slopes
    return value, rise


def _averaged(mu: Array, tau: Array, z: Array, weight: Array, link: str) -> tuple[Array, Array]:
    if link == "logit":
        # The smaller of rate and complement keeps its digits.
        x = np.exp(-np.abs(mu)[:, :, None] + tau[:, :, None] * z)
        p = x / (1.0 + x)
        rate = p @ weight
        slope = (p / (1.0 + x)) @ weight
        logit = np.log(rate) - np.log1p(-rate)
        return np.where(mu > 0, -logit, logit), slope / (rate * (1.0 - rate))
    theta = np.minimum(mu[:, :, None] + tau[:, :, None] * z, 300.0)
    hazard = np.exp(theta)
    survival = np.exp(-hazard)
    rest = survival @ weight
    rate = -np.expm1(-hazard) @ weight
    slope = (survival * hazard) @ weight
    cumulative = np.where(rate < 0.5, -np.log1p(-np.minimum(rate, 0.5)), -np.log(np.maximum(rest, 1e-300)))
    return np.log(cumulative), slope / (np.maximum(rest, 1e-300) * cumulative)


def posteriors(
    studies: Likelihood, mean: MeanPrior, prior: TauPrior, rule: tuple[int, int] = RULES[0], *, responses: bool = False
) -> tuple[Posteriors, Mask]:
    """The posteriors of a batch by one rule, and which of them half of its nodes agree with."""
    together = distinct(studies)
    if together is not None:
        folded, place = together
        found, settled = _posteriors(folded, mean, prior, rule, responses)
        if responses:
            found = replace(found, mean=replace(found.mean, own=found.mean.own[..., place], share=found.mean.share[..., place]))
        return found, settled
    return _posteriors(studies, mean, prior, rule, responses)


def _posteriors(
    studies: Likelihood, mean: MeanPrior, prior: TauPrior, rule: tuple[int, int], responses: bool
) -> tuple[Posteriors, Mask]:
    shared = lattices(studies)
    frame = scan(studies, mean, scanned(studies, mean, prior), shared)
    for _ in range(_RESCANS):
        rows, again = refocused(frame.tau, frame.height, prior)
        if not rows.size:
            break
        part = studies.take(rows)
        frame.put(rows, scan(part, mean.take(rows), again, lattices(part)))
    axis = axis_of(frame.tau, frame.height, prior)
    _, tau = axis.nodes(rule[0])
    found = means(studies, mean, frame, tau, rule[1], shared, responses=responses)
    spread = tau_distribution(axis, found.height, prior)
    by_mu = np.abs((spread.weight * (found.half_height - found.height)).sum(-1))
    return Posteriors(found, spread), np.maximum(spread.moved, by_mu) < TOLERANCE
