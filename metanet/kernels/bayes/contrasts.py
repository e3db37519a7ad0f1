"""Densities of contrasts of the coefficients of a regression, the others integrated out, at fixed values of tau."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from metanet.base.arrays import Array, Indices, Mask
from metanet.kernels.bayes.surface import Surface
from metanet.kernels.numerics.batches import Batch

#: The most dimensions beside a contrast that are integrated by nodes; more are by Laplace's approximation.
MOST_ACROSS = 2
#: The fall of the log density at which an interval ends: along a contrast, whose density is wider than the ridge, and across it.
_DROP_ALONG, _DROP_ACROSS = 17.5, 17.0
#: Places along a contrast where the extent of the other dimensions is found.
_PLACES = 5


class Rule(NamedTuple):
    """Numbers of nodes: of tau, along a contrast, and across it in each of the other dimensions."""

    tau: int
    along: int
    across: int


@dataclass(frozen=True)
class Layout(Batch):
    """A design in coordinates in which the prior is round: ``eta = u @ gamma``, ``beta = back @ gamma``.

    `u` is ``[b, k, p]``, `back` ``[b, p, p]``; the prior of gamma is normal about `centre` ``[b, p]``, with `precision` ``[b]`` in
    every direction. `cells` ``[b]`` marks one-way layouts, whose gamma are the distinct predictors, independent given tau.
    """

    u: Array
    back: Array
    centre: Array
    precision: Array
    cells: Mask


@dataclass(frozen=True)
class Field:
    """The log posterior of gamma at nodes of (fit, tau): a table of the likelihood, the layout of each node, and the mode there.

    All arrays have the nodes as their first axis. `lower` is such that ``lower @ lower.T`` is the inverse of the negative Hessian.
    """

    surface: Surface
    layout: Layout
    gamma: Array
    lower: Array
    peak: Array

    def value(self, rows: Indices, gamma: Array) -> Array:
        """The log posterior ``[r, G]`` of nodes `rows` at gamma ``[r, p, G]``, without the constants of likelihood and prior."""
        at = self.layout
        out = self.surface.value(rows, at.u, gamma)
        off = gamma - at.centre[rows][:, :, None]
        out -= 0.5 * at.precision[rows][:, None] * np.einsum("rpg,rpg->rg", off, off)
        return out

    def bent(self, rows: Indices, gamma: Array, along: Array) -> tuple[Array, Array, Array]:
        """The same with slopes ``[r, G, d]`` and negative second derivatives ``[r, G, d, d]`` in directions `along` ``[r, p, d]``."""
        at = self.layout
        move = at.u[rows] @ along
        value, slope, bend = self.surface.bent(rows, at.u, gamma)
        off = gamma - at.centre[rows][:, :, None]
        precision = at.precision[rows]
        value -= 0.5 * precision[:, None] * np.einsum("rpg,rpg->rg", off, off)
        score = slope.transpose(0, 2, 1) @ move - precision[:, None, None] * (off.transpose(0, 2, 1) @ along)
        r, k, d = move.shape
        pairs = (move[:, :, :, None] * move[:, :, None, :]).reshape(r, k, d * d)
        matrix = (bend.transpose(0, 2, 1) @ pairs).reshape(r, -1, d, d)
        matrix += (precision[:, None, None] * (along.transpose(0, 2, 1) @ along))[:, None]
        return value, score, matrix


@dataclass(frozen=True)
class Lines:
    """Contrasts at nodes: the node of each row, and whitened steps ``[r, p]`` along and ``[r, p, q]`` across the contrast."""

    rows: Indices
    along: Array
    across: Array
    middle: Array
    size: Array


def lines_of(field: Field, rows: Indices, contrast: Array, used: Sequence[int]) -> Lines:
    """Lines of contrasts ``[r, p]`` of gamma at nodes `rows`, among the coordinates `used`."""
    lower = field.lower[rows]
    way = np.einsum("rpq,rp->rq", lower, contrast)
    size = np.sqrt((way * way).sum(-1))
    way /= size[:, None]
    # Householder's reflection takes the first of the coordinates that are used to the contrast, and the rest to what is across it.
    place = list(used)
    first = way[:, place]
    sign = np.where(first[:, 0] < 0, -1.0, 1.0)
    mirror = first.copy()
    mirror[:, 0] += sign
    mirror /= np.sqrt((mirror * mirror).sum(-1))[:, None]
    q = len(place) - 1
    reflected = np.zeros((rows.size, way.shape[1], q))
    reflected[:, place] = (np.eye(q + 1) - 2.0 * mirror[:, :, None] * mirror[:, None, :])[:, :, 1:]
    middle = (contrast * field.gamma[rows]).sum(-1)
    return Lines(rows, (lower @ way[:, :, None])[:, :, 0], lower @ reflected, middle, size)


def _climb(field: Field, lines: Lines, u: Array, start: Array, tolerance: float) -> tuple[Array, Array, Array, Array]:
    """The ridge at values `u` ``[r, G]`` of the contrast: the others' mode ``[r, G, q]``, height, slope, and bend ``[r, G, q, q]``."""
    every = np.concatenate([lines.along[:, :, None], lines.across], axis=2)
    base = field.gamma[lines.rows][:, :, None] + lines.along[:, :, None] * u[:, None, :]
    v = start.copy()
    for _ in range(40):
        gamma = base + lines.across @ v.transpose(0, 2, 1)
        value, score, bend = field.bent(lines.rows, gamma, every)
        if not v.shape[2]:
            return v, value, score[:, :, 0], bend[:, :, 1:, 1:]
        step = np.linalg.solve(bend[:, :, 1:, 1:], score[:, :, 1:, None])[..., 0]
        gain = (step * score[:, :, 1:]).sum(-1)
        slope = score[:, :, 0] - (bend[:, :, 0, 1:] * step).sum(-1)
        length = np.sqrt((step * step).sum(-1, keepdims=True))
        v = v + step * np.minimum(1.0, 4.0 / np.maximum(length, 1e-300))
        if gain.max(initial=0.0) < tolerance:
            break
    return v, value + 0.5 * gain, slope, bend[:, :, 1:, 1:]


def _ends(field: Field, lines: Lines, widest: Array) -> tuple[Array, Array, Array]:
    """Where the ridge has come down: both ends ``[r]`` of the contrast in standard deviations, and the others there ``[r, 2, q]``."""
    r, q = lines.rows.size, lines.across.shape[2]
    u = np.array([-1.0, 1.0]) * np.full((r, 1), np.sqrt(2 * _DROP_ALONG))
    v = np.zeros((r, 2, q))
    peak = field.peak[lines.rows][:, None]
    for _ in range(4):
        v, height, slope, _ = _climb(field, lines, u, v, 0.05)
        u = _stepped(u, height - peak + _DROP_ALONG, slope, widest[:, None])
    return u[:, 0], u[:, 1], v


def _stepped(u: Array, above: Array, slope: Array, widest: Array | float) -> Array:
    """Newton's step to where a concave function that falls away from zero has come down; from outside it never passes the place."""
    side = np.sign(u)
    with np.errstate(divide="ignore", invalid="ignore"):
        new = u - above / slope
    new = np.where(np.isfinite(new) & (slope * side < 0), new, 1.5 * u)
    return np.asarray(side * np.clip(side * new, np.maximum(1.5, 0.5 * np.abs(u)), np.minimum(2.0 * np.abs(u), widest)))


def _axes(bend: Array) -> Array:
    """Roots ``[r, G, q, q]`` of the inverses: steps of one standard deviation across the ridge."""
    return np.linalg.cholesky(np.linalg.inv(bend))


def _extents(field: Field, lines: Lines, u: Array, v: Array, height: Array, axes: Array) -> tuple[Array, Array]:
    """How far the others reach on their axes, ``[r, G, q]`` in standard deviations, to the left and the right of the ridge."""
    r, count = u.shape
    q = v.shape[2]
    places = np.unique(np.linspace(0, count - 1, min(_PLACES, count)).round().astype(np.intp))
    out = np.empty((2, r, count, q))
    base = field.gamma[lines.rows][:, :, None] + lines.along[:, :, None] * u[:, None, places]
    for axis in range(q):
        for side in (0, 1):
            z = np.full((r, places.size), (2 * side - 1) * np.sqrt(2 * _DROP_ACROSS))
            step = axes[..., axis][:, places]
            for _ in range(3):
                gamma = base + lines.across @ (v[:, places] + z[:, :, None] * step).transpose(0, 2, 1)
                value, score, _ = field.bent(lines.rows, gamma, lines.across)
                z = _stepped(z, value - height[:, places] + _DROP_ACROSS, (score * step).sum(-1), 40.0)
            # Straight lines between the places.
            cell = np.clip(np.searchsorted(places, np.arange(count), side="right") - 1, 0, places.size - 2)
            share = (np.arange(count) - places[cell]) / (places[cell + 1] - places[cell])
            out[side, :, :, axis] = z[:, cell] + share * (z[:, cell + 1] - z[:, cell])
    return out[0], out[1]


class Sums(NamedTuple):
    """What is summed along with the density at each node, ``[r, M]``: moments of gamma and the information of the studies."""

    first: Array
    second: Array
    bend: Array


@dataclass(frozen=True)
class Density:
    """Log densities ``[r, M]`` on equal steps: `low` ``[r]`` and `step` ``[r]`` on the scale of the contrast.

    `half` ``[r, M]`` is what every second node across would have given. With sums `gamma` ``[r, M, p]``, `square` ``[r, M, p, p]`` and
    `bend` ``[r, M, k]`` are averages over the others.
    """

    low: Array
    step: Array
    density: Array
    half: Array
    sums: Sums | None


def densities(field: Field, lines: Lines, rule: Rule, *, sums: bool) -> Density:
    """The densities of contrasts, the others integrated out."""
    r, q = lines.rows.size, lines.across.shape[2]
    low, high, ends = _ends(field, lines, np.full(r, 80.0))
    u = low[:, None] + (high - low)[:, None] * np.linspace(0.0, 1.0, rule.along)
    step = (high - low) / (rule.along - 1)
    exact = q <= MOST_ACROSS
    # Straight lines from the mode to the others at both ends are where the ridge is looked for.
    share = np.abs(u) / np.where(u < 0, -low[:, None], high[:, None])
    start = share[:, :, None] * np.where(u[:, :, None] < 0, ends[:, None, 0], ends[:, None, 1])
    v, height, _, bend = _climb(field, lines, u, start, 0.01 if exact and q else 1e-9)
    size = lines.size
    middle = lines.middle + size * low
    if q == 0:
        density = height
        found = Density(middle, size * step, density, density, None)
        return found if not sums else _with_sums(field, lines, (u, v, None), np.ones((r, rule.along, 1)), found)
    axes = _axes(bend)
    root = np.log(np.einsum("rgqq->rgq", axes)).sum(-1)
    if not exact:
        density = height + root + 0.5 * q * np.log(2 * np.pi)
        found = Density(middle, size * step, density, density, None)
        return found if not sums else _with_sums(field, lines, (u, v, axes), np.ones((r, rule.along, 1)), found)
    left, right = _extents(field, lines, u, v, height, axes)
    nodes = rule.across
    line = np.linspace(0.0, 1.0, nodes)
    z = left[:, :, None, :] + (right - left)[:, :, None, :] * line[:, None]
    if q == 2:
        z = np.stack(np.broadcast_arrays(z[:, :, :, None, 0], z[:, :, None, :, 1]), -1).reshape(r, rule.along, nodes * nodes, 2)
    off = v[:, :, None, :] + z @ axes.transpose(0, 1, 3, 2)
    cell = root + np.log((right - left) / (nodes - 1)).sum(-1)
    value = _on_nodes(field, lines, u, off)
    peak = value.max(-1, keepdims=True)
    mass = np.exp(value - peak)
    total = mass.sum(-1)
    density = peak[:, :, 0] + np.log(total) + cell
    odd = mass.reshape(r, rule.along, *([nodes] * q))[(slice(None), slice(None), *([slice(None, None, 2)] * q))]
    half = peak[:, :, 0] + np.log(odd.reshape(r, rule.along, -1).sum(-1)) + cell + q * np.log(2.0)
    found = Density(middle, size * step, density, half, None)
    return found if not sums else _with_sums(field, lines, (u, off, None), mass / total[:, :, None], found)


def _on_nodes(field: Field, lines: Lines, u: Array, off: Array) -> Array:
    """The log posterior at every node, ``[r, M, n]``; `off` ``[r, M, n, q]``."""
    r, m, n, q = off.shape
    base = field.gamma[lines.rows][:, :, None] + lines.along[:, :, None] * u[:, None, :]
    gamma = np.repeat(base, n, axis=2) + lines.across @ off.reshape(r, m * n, q).transpose(0, 2, 1)
    return field.value(lines.rows, gamma).reshape(r, m, n)


def _with_sums(field: Field, lines: Lines, nodes: tuple[Array, Array, Array | None], share: Array, found: Density) -> Density:
    """Add the averages over the others: from nodes with shares ``[r, M, n]``, or from a mode with the axes of a normal curve."""
    u, off, axes = nodes
    if off.ndim == 3:
        off = off[:, :, None]
    r, m, n, q = off.shape
    base = field.gamma[lines.rows][:, :, None] + lines.along[:, :, None] * u[:, None, :]
    gamma = np.repeat(base, n, axis=2) + lines.across @ off.reshape(r, m * n, q).transpose(0, 2, 1)
    p = gamma.shape[1]
    each = gamma.reshape(r, p, m, n)
    # The information is wanted to a few digits: every second node does.
    few, part = each[..., ::2], share[..., ::2] / share[..., ::2].sum(-1, keepdims=True)
    bend = field.surface.bent(lines.rows, field.layout.u, few.reshape(r, p, -1))[2]
    weighted = each * share[:, None]
    first = weighted.sum(-1).transpose(0, 2, 1)
    second = np.einsum("rpmn,rqmn->rmpq", weighted, each)
    if axes is not None:
        wide = lines.across[:, None] @ axes
        second = second + wide @ wide.transpose(0, 1, 3, 2)
    mean_bend = (bend.reshape(r, -1, *part.shape[1:]) * part[:, None]).sum(-1).transpose(0, 2, 1)
    return replace(found, sums=Sums(first, second, mean_bend))
