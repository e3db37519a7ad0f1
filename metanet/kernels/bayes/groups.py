"""Posteriors of several groups of studies: one tau for all of them, differences between two, and the test that all are equal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import special

from metanet.base.arrays import Array, Indices, Mask
from metanet.kernels.bayes.batch import (
    RULES,
    TOLERANCE,
    MeanPrior,
    Means,
    Posteriors,
    Threshold,
    axis_of,
    means,
    refocused,
    scan,
    scanned,
    solve,
    tau_distribution,
)
from metanet.kernels.bayes.integrals import lattices
from metanet.kernels.bayes.posterior import TauPrior
from metanet.kernels.normal_effect.random_effect import Link
from metanet.kernels.normal_effect.study_likelihoods import Likelihood

# The means of the groups have independent priors. Given tau they are independent after the data as well, so that the posterior of a
# shared tau is the product of the groups' marginal likelihoods, and a difference is a convolution at each tau, averaged over tau.


def joint(
    studies: Likelihood, groups: int, mean: MeanPrior, prior: TauPrior, rule: tuple[int, int] = RULES[1], *, responses: bool = False
) -> tuple[Posteriors, Mask]:
    """The posteriors of groups that share tau: `studies` has the groups of one analysis in consecutive rows."""
    count = studies.constant.size // groups
    tau = scanned(studies, mean, prior).reshape(count, groups, -1)
    # The finest scale of any group, for all of them.
    tau = np.repeat(tau.min(1), groups, axis=0)
    shared = lattices(studies)
    frame = scan(studies, mean, tau, shared)
    for _ in range(3):
        rows, again = refocused(frame.tau[::groups], frame.height.reshape(count, groups, -1).sum(1), prior)
        if not rows.size:
            break
        members = (rows[:, None] * groups + np.arange(groups)).ravel()
        part = studies.take(members)
        frame.put(members, scan(part, mean.take(members), np.repeat(again, groups, axis=0), lattices(part)))
    axis = axis_of(frame.tau[::groups], frame.height.reshape(count, groups, -1).sum(1), prior)
    _, nodes = axis.nodes(rule[0])
    found = means(studies, mean, frame, np.repeat(nodes, groups, axis=0), rule[1], shared, responses=responses)
    spread = tau_distribution(axis, found.height.reshape(count, groups, -1).sum(1), prior)
    each: Indices = np.repeat(np.arange(count), groups)
    every = spread.take(each)
    by_mu = np.abs((every.weight * (found.half_height - found.height)).sum(-1))
    return Posteriors(found, every), np.maximum(every.moved, by_mu) < TOLERANCE


#: Steps of a marginal distribution that stands for a mixture over tau.
_STEPS = 400


def collapsed(found: Posteriors) -> Posteriors:
    """The same posteriors without their tau: one distribution of mu each, as if tau had a single value."""
    ends = found.quantiles(np.array([1e-7, 1.0 - 1e-7]))
    low, high = ends.T
    step = (high - low) / _STEPS
    x = low[:, None] + step[:, None] * np.arange(_STEPS + 1)
    below, density = found.below(x)
    mass = density / density.sum(-1, keepdims=True)
    one = np.zeros((low.size, 1))
    mean = Means(
        one, x[:, None], mass[:, None], one, one, low[:, None], step[:, None], below[:, None], density[:, None],
        found.mean.own[:, :1], found.mean.share[:, :1],
    )  # fmt: skip
    kept = {name: values[:, :1] for name, values in vars(found.tau).items() if name in ("tau", "weight")}
    kept["weight"] = np.ones_like(one)
    return Posteriors(mean, replace(found.tau, **kept))


def _nodes(part: Means) -> tuple[Array, Array, Array]:
    """Fine nodes of mu, their probabilities ``[b, J, F]`` and the standard deviations ``[b, J]``."""
    x = part.low[:, :, None] + part.step[:, :, None] * np.arange(part.below.shape[2])
    mass = part.density * part.step[:, :, None]
    first = (part.mass * part.mu).sum(-1)
    return x, mass / mass.sum(-1, keepdims=True), np.sqrt(np.maximum((part.mass * part.mu**2).sum(-1) - first**2, 0.0))


#: What a contrast of two groups may be of: the scale of the link, the responses, their logarithms.
KINDS = ("link", "difference", "ratio")


def contrast(first: Posteriors, second: Posteriors, link: Link, kind: str) -> Threshold:
    """P(contrast of the two groups < x) and its density, at ``x`` ``[b, q]``; both have the same nodes of tau.

    "link" is ``mu1 - mu2``, "difference" that of the responses, "ratio" the logarithm of their ratio.
    """
    x1, mass1, sd1 = _nodes(first.mean)
    x2, mass2, sd2 = _nodes(second.mean)
    # The narrower of the two is summed over, so that what is left is smooth on its nodes.
    by_first = (sd1 <= sd2)[:, :, None]
    weight = first.weight[:, :, None]

    def function(x: Array) -> tuple[Array, Array]:
        value, rise = np.empty(x.shape), np.empty(x.shape)
        for q in range(x.shape[1]):
            at = x[:, q, None, None]
            other2, slope2 = _solved(x1, -at, link, kind)
            below2, density2 = second.mean.at(other2)
            other1, slope1 = _solved(x2, at, link, kind)
            below1, density1 = first.mean.at(other1)
            below = np.where(by_first, (mass1 * (1.0 - below2)).sum(-1, keepdims=True), (mass2 * below1).sum(-1, keepdims=True))
            with np.errstate(invalid="ignore"):
                dense1, dense2 = np.where(density1 > 0, density1 * slope1, 0.0), np.where(density2 > 0, density2 * slope2, 0.0)
            dense = np.where(by_first, (mass1 * dense2).sum(-1, keepdims=True), (mass2 * dense1).sum(-1, keepdims=True))
            value[:, q], rise[:, q] = (weight * below).sum((1, 2)), (weight * dense).sum((1, 2))
        return value, rise

    return function


def _solved(mu: Array, x: Array, link: Link, kind: str) -> tuple[Array, Array]:
    """The mean whose contrast with `mu` is `x`, and the slope of it in x."""
    if kind == "link":
        return mu + x, np.ones_like(mu)
    rate = link.inverse(mu)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        wanted = rate + x if kind == "difference" else rate * np.exp(x)
        bounded = link.forward(np.array([0.5]))[0] == 0 or link.inverse(np.array([40.0]))[0] <= 1.0
        other = link.forward(np.clip(wanted, 0.0, 1.0 if bounded else np.inf))
        slope = 1.0 / link.derivative(other)
        return other, slope if kind == "difference" else slope * wanted


def contrast_quantiles(first: Posteriors, second: Posteriors, link: Link, kind: str, probabilities: Array) -> Array:
    """Quantiles of a contrast, ``[b, q]``."""
    function = contrast(first, second, link, kind)
    m1, s1 = first.moments()
    m2, s2 = second.moments()
    spread = np.hypot(s1, s2)
    if kind == "difference":
        ends = np.stack([link.inverse(m1 + z * s1) - link.inverse(m2 - z * s2) for z in (-1.0, 0.0, 1.0)], -1)
        middle, sd = ends[:, 1], np.maximum(0.5 * (ends[:, 2] - ends[:, 0]), 1e-9)
    elif kind == "ratio":
        ends = np.stack([np.log(link.inverse(m1 + z * s1)) - np.log(link.inverse(m2 - z * s2)) for z in (-1.0, 0.0, 1.0)], -1)
        middle, sd = ends[:, 1], np.maximum(0.5 * (ends[:, 2] - ends[:, 0]), 1e-9)
    else:
        middle, sd = m1 - m2, spread
    target = np.broadcast_to(probabilities, (middle.size, probabilities.size))
    wide = 60.0 * sd[:, None]
    low, high = middle[:, None] - wide, middle[:, None] + wide
    if kind == "difference" and link.inverse(np.array([40.0]))[0] <= 1.0:
        low, high = np.maximum(low, -1.0), np.minimum(high, 1.0)
    start = middle[:, None] + sd[:, None] * special.ndtri(probabilities)
    return solve(function, target, low + 0.0 * target, high + 0.0 * target, start, sd[:, None])


def equality(first: Posteriors, second: Posteriors, link: Link) -> Array:
    """p-value of equal means ``[b]``: the level at which the interval with equal tails, of any contrast, touches no difference."""
    below = contrast(first, second, link, "link")(np.zeros((first.weight.shape[0], 1)))[0][:, 0]
    return np.asarray(np.clip(2.0 * np.minimum(below, 1.0 - below), 0.0, 1.0))


#: Draws of the test of several groups: its p-value is right to about 0.002.
_DRAWS = 1 << 15


def equality_of_all(found: Posteriors) -> float:
    """p-value of equal means of all groups of one analysis, the rows of `found`.

    The level at which the ellipsoid of the contrasts of the means, with the centre and the shape of their posterior, touches no
    difference. Its content is counted over a fixed lattice of draws (Korobov's, with the fractional parts of powers of the plastic
    constant's generalisation), at each tau through the conditional distributions of the means.
    """
    groups = found.weight.shape[0]
    weight = found.weight[0]
    root = 2.0
    for _ in range(60):
        root = (1.0 + root) ** (1.0 / (groups + 2))
    steps = root ** -np.arange(1.0, groups + 2)
    points = (0.5 + np.arange(1, _DRAWS + 1)[:, None] * steps) % 1.0
    node = np.minimum(np.searchsorted(np.cumsum(weight), points[:, 0]), weight.size - 1)
    draws = np.empty((_DRAWS, groups))
    x = found.mean.low[:, :, None] + found.mean.step[:, :, None] * np.arange(found.mean.below.shape[2])
    for j in np.unique(node):
        rows = np.flatnonzero(node == j)
        for g in range(groups):
            draws[rows, g] = np.interp(points[rows, g + 1], found.mean.below[g, j], x[g, j])
    contrasts = draws[:, 1:] - draws[:, :1]
    centre = contrasts.mean(0)
    shape = np.linalg.inv(np.cov(contrasts.T).reshape(groups - 1, groups - 1))
    off = contrasts - centre
    distance = np.einsum("ni,ij,nj->n", off, shape, off)
    return float((1 + (distance >= centre @ shape @ centre).sum()) / (1 + _DRAWS))
