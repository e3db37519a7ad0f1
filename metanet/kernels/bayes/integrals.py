"""Integrals of the studies' likelihoods over their random effects, at many means and many values of tau, for a whole batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import special

from metanet.base.arrays import Array, Indices
from metanet.kernels.normal_effect.study_likelihoods import BinomialLogit, Likelihood

# At one tau the studies share the values of theta at which their likelihoods are written down, so that their integrals at all values
# of mu are one product of matrices,
#
#     L_i(mu_m, tau) = sum over q of f_i(theta_q) N(theta_q; mu_m, tau^2) h,
#
# and where tau is so small that theta would need too many values, a Gauss-Hermite rule about each mu takes their place.

#: How far a random effect reaches, in standard deviations: a probability of 3e-8 is left out.
_REACH = 5.6
#: Steps in theta, in standard deviations of the narrowest integrand, and the longest: likelihoods are analytic to a height of pi / 2.
_STEP, _LONGEST = 1.0, 0.55
#: The Gauss-Hermite rule of a small tau.
_HERMITE_Z, _HERMITE_W = special.roots_hermitenorm(5)
_HERMITE_W = _HERMITE_W / _HERMITE_W.sum()
#: It is exact to 1e-8 up to this square of tau in standard errors of the most precise study.
_SMALL = 0.04
#: Elements of an array that fits the cache.
_BLOCK = 60_000
_NORMAL = 1.0 / np.sqrt(2 * np.pi)


@dataclass(frozen=True)
class Integrals:
    """What the studies say at the nodes of mu ``[p, M]``, one row for each pair of a fit and a tau.

    `loglik` ``[p, M]`` is the sum over studies. Of each study ``[p, k, M]``: `own`, the posterior mean of its response at the node,
    and `alone`, its log-likelihood but for a constant.
    """

    loglik: Array
    own: Array | None
    alone: Array | None


def over_studies(values: Array, times: Array | None) -> Array:
    """Sums ``[p, M]`` of values ``[p, k, M]`` over the studies, each as often as it stands for `times` ``[p, k]`` equal ones."""
    return np.asarray(values.sum(1) if times is None else (times[:, None, :] @ values)[:, 0])


def _scored(studies: Likelihood) -> bool:
    """Whether the slope of a study's likelihood tells the posterior mean of its response."""
    zero = np.zeros(studies.constant.shape)
    return studies.shrunken(zero, zero, np.zeros_like(studies.guess)) is not None


def widest(studies: Likelihood) -> Array:
    """The largest information ``[b]`` that a study may have where its likelihood matters."""
    present = studies.precision > 0
    se = np.where(present, 1.0 / np.sqrt(np.where(present, studies.precision, 1.0)), 0.0)
    most = studies.precision
    for side in (-1.0, 1.0):
        most = np.maximum(most, np.where(present, studies.bend(studies.guess + side * se)[1], 0.0))
    return np.asarray(most.max(-1))


@dataclass(frozen=True)
class Lattice:
    """Values of theta for many values of tau of a fit, from `least` on, ``[b, N]``: equal steps of v in ``centre + scale sinh(v)``.

    They are dense where the studies lie and sparse in the tails of the random effect. `height` ``[b, k, N]`` are the likelihoods
    there, their peaks `peak` ``[b, k]`` taken out, times the weights of the rule. Rows use it within `reach` ``[b]`` of the centre: a
    bound of the fit's own, so that the other fits of a batch change nothing; zero where a study is too large for a shared lattice.
    """

    least: float
    scale: float
    centre: Array
    step: Array
    reach: Array
    theta: Array
    height: Array
    peak: Array

    def places(self, theta: Array, pair: Indices) -> Array:
        """The (real) index of values of theta ``[p]``."""
        half = (self.theta.shape[1] - 1) // 2
        return np.asarray(np.arcsinh((theta - self.centre[pair]) / self.scale) / self.step[pair] + half)


#: The most values on one side of a lattice's centre.
_MOST_HALF = 250
#: Lattices: the least tau each serves, where its steps begin to widen, its longest step at the centre, and how far it reaches.
_LATTICES = ((0.5, 2.0, 0.055, 55.0), (0.17, 1.5, 0.035, 6.0))


def lattices(studies: Likelihood) -> tuple[Lattice, ...]:
    """The lattices of studies whose likelihoods are those of a rate's logit; none for others."""
    if not isinstance(studies, BinomialLogit) or studies.offset is not None:
        return ()
    present = studies.precision > 0
    weight = studies.precision if studies.times is None else studies.precision * studies.times
    total = weight.sum(-1)
    centre = (weight * studies.guess).sum(-1) / np.where(total > 0, total, 1.0)
    se = 1.0 / np.sqrt(np.where(present, studies.precision, 1.0))
    most = studies.precision
    for side in (-1.0, 1.0):
        most = np.maximum(most, np.where(present, studies.bend(studies.guess + side * se)[1], 0.0))
    away = np.abs(studies.guess - centre[:, None]) + 4.0 * np.minimum(se, 1.0)
    out = []
    for least, scale, longest, end in _LATTICES:
        # The narrowest integrand at each study's place, where the step is longer the farther out it lies.
        narrow = _STEP / np.sqrt(most + 1.0 / least**2)
        step = np.minimum(longest, np.where(present, narrow / np.hypot(scale, away), np.inf).min(-1))
        ends = float(np.arcsinh(end / scale))
        served = step >= ends / _MOST_HALF
        step = np.maximum(step, ends / _MOST_HALF)
        # Some more on both sides, because stretches come in steps of 16.
        half = int(np.ceil(ends / step.min())) + 20
        v = step[:, None] * np.arange(-half, half + 1)
        theta = centre[:, None] + scale * np.sinh(v)
        height = studies.on_grid(theta)
        peak = height.max(-1)
        height -= peak[:, :, None]
        np.exp(height, out=height)
        height *= (scale * step[:, None] * np.cosh(v))[:, None, :]
        out.append(Lattice(least, scale, centre, step, np.where(served, end, 0.0), theta, height, peak))
    return tuple(out)


def integrals(
    studies: Likelihood,
    pair: Indices,
    mu: Array,
    tau: Array,
    finest: Array,
    responses: bool,
    shared: Sequence[Lattice] = (),
    reach: float = _REACH,
) -> Integrals:
    """The studies' integrals at nodes ``mu`` ``[p, M]`` and ``tau`` ``[p]``; `pair` tells the fit of a row.

    `finest` ``[p]`` is the information of `widest`.
    """
    p, width = mu.shape
    k = studies.guess.shape[1]
    loglik = np.empty((p, width))
    alone = np.empty((p, k, width)) if responses else None
    # The slope of a study's likelihood tells its posterior mean, but for some links.
    own = np.empty((p, k, width)) if responses and not _scored(studies) else None
    low, high = mu[:, 0] - reach * tau, mu[:, -1] + reach * tau
    step = np.minimum(_STEP * tau / np.sqrt(1.0 + finest * tau * tau), _LONGEST)
    wanted = (high - low) / np.maximum(step, 1e-12) + 2.0
    near = (wanted > width * _HERMITE_Z.size) & (tau * tau * finest < _SMALL)
    # Numbers of nodes in a few classes, so that rows of one class are one product of matrices.
    kind = np.where(near, 0, np.ceil(4 * np.log2(np.maximum(wanted, 16.0)))).astype(np.intp)
    for one in shared:
        wide = np.flatnonzero((tau >= one.least) & (kind >= 0))
        begin, stop = (np.floor(one.places(ends[wide], pair[wide])) + more for ends, more in ((low, 0), (high, 2)))
        # Lengths in steps of 16, so that rows of one length are one product of matrices.
        length = 16 * np.ceil((stop - begin) / 16)
        centre, bound = one.centre[pair[wide]], one.reach[pair[wide]]
        inside = (low[wide] > centre - bound) & (high[wide] < centre + bound)
        wide, first, length = wide[inside], begin[inside].astype(np.intp), length[inside].astype(np.intp)
        for each in np.unique(length).tolist():
            rows = length == each
            _along(studies, one, (wide[rows], pair[wide[rows]], first[rows], each), mu, tau, (loglik, alone))
        kind[wide] = -1
    for code in np.unique(kind[kind >= 0]):
        rows = np.flatnonzero(kind == code)
        nodes = width * _HERMITE_Z.size if code == 0 else int(2.0 ** (code / 4)) + 1
        size = max(1, _BLOCK // (nodes * max(k, width)))
        for start in range(0, rows.size, size):
            some = rows[start : start + size]
            part, m, t = studies.take(pair[some]), mu[some], tau[some]
            if code == 0:
                theta = (m[:, :, None] + t[:, None, None] * _HERMITE_Z).reshape(some.size, nodes)
                mass, peak, answer = _near(part, theta, width, own is not None)
            else:
                h = (high[some] - low[some]) / (nodes - 1)
                theta = low[some, None] + h[:, None] * np.arange(nodes)
                mass, peak, answer = _far(part, theta, m, t, h, own is not None)
            mass = np.log(np.maximum(mass, 1e-300))
            loglik[some] = over_studies(mass, part.times) + over_studies(peak[:, :, None], part.times) + part.constant[:, None]
            if alone is not None:
                alone[some] = mass
            if own is not None and answer is not None:
                own[some] = answer
    return Integrals(loglik, own, alone)


def _bells(theta: Array, mu: Array) -> Array:
    """``exp(-(theta - mu)^2)`` at all pairs, ``[p, q, M]``; theta runs fastest in memory."""
    kernel = mu[:, :, None] - theta[:, None, :]
    np.multiply(kernel, kernel, out=kernel)
    np.negative(kernel, out=kernel)
    np.exp(kernel, out=kernel)
    return kernel.swapaxes(1, 2)


def _along(
    studies: Likelihood,
    shared: Lattice,
    place: tuple[Indices, Indices, Indices, int],
    mu: Array,
    tau: Array,
    out: tuple[Array, Array | None],
) -> None:
    """Write the integrals of some rows, each on its own stretch of its fit's lattice: rows, fits, first places, length."""
    every, fits, starts, length = place
    loglik, alone = out
    k, width = studies.guess.shape[1], mu.shape[1]
    windows = sliding_window_view(shared.height, length, axis=-1).swapaxes(1, 2)
    thetas = sliding_window_view(shared.theta, length, axis=-1)
    size = max(1, _BLOCK // (length * max(k, width)))
    for begin in range(0, every.size, size):
        some = slice(begin, begin + size)
        rows, fit, start = every[some], fits[some], starts[some]
        scale = np.sqrt(0.5) / tau[rows, None]
        kernel = _bells(thetas[fit, start] * scale, mu[rows] * scale)
        height = windows[fit, start]
        mass = np.maximum(height @ kernel, 1e-300)
        raw = np.log(mass)
        times = None if studies.times is None else studies.times[fit]
        several = k if times is None else times.sum(1)
        level = studies.constant[fit] + several * np.log(_NORMAL / tau[rows])
        loglik[rows] = over_studies(raw, times) + over_studies(shared.peak[fit][:, :, None], times) + level[:, None]
        if alone is not None:
            alone[rows] = raw


def _far(part: Likelihood, theta: Array, mu: Array, tau: Array, h: Array, responses: bool) -> tuple[Array, Array, Array | None]:
    """Integrals ``[p, k, M]`` on shared values of theta, the peaks taken out ``[p, k]``, and the responses."""
    height = part.on_grid(theta)
    peak = height.max(-1)
    height -= peak[:, :, None]
    np.exp(height, out=height)
    scale = np.sqrt(0.5) / tau[:, None]
    kernel = _bells(theta * scale, mu * scale)
    mass = height @ kernel
    mass *= (_NORMAL * h / tau)[:, None, None]
    if not responses:
        return mass, peak, None
    height *= part.response_on_grid(theta)
    return mass, peak, (height @ kernel) * (_NORMAL * h / tau)[:, None, None] / np.maximum(mass, 1e-300)


def _near(part: Likelihood, theta: Array, width: int, responses: bool) -> tuple[Array, Array, Array | None]:
    """The same where every mu has a few values of theta of its own."""
    p, k = part.guess.shape
    height = part.on_grid(theta)
    peak = height.max(-1)
    height -= peak[:, :, None]
    np.exp(height, out=height)
    mass = height.reshape(p, k, width, -1) @ _HERMITE_W
    if not responses:
        return mass, peak, None
    height *= part.response_on_grid(theta)
    return mass, peak, (height.reshape(p, k, width, -1) @ _HERMITE_W) / np.maximum(mass, 1e-300)
