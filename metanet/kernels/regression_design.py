"""Designs of the exact meta-regression: an orthonormal basis for a batch, and directions along which a likelihood rises for ever.

With ``eta = X beta`` a study without events (or with nothing else) has a likelihood that rises without end as its predictor falls (or
rises). A direction d of the coefficients that moves every such study its own way or not at all, and no other study, has no
maximum along it: complete or quasi-complete separation (Albert and Anderson 1984, doi:10.1093/biomet/71.1.1). The random effect
does not change this: at any tau the likelihood of a study stays log-concave in eta, and monotone where it was.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metanet.kernels.study_likelihoods import Likelihood

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
Mask = NDArray[np.bool_]

#: Singular values below this share of the largest are zero.
RANK = 1e-9
#: What a direction of length one may move a study by rounding alone.
_STILL = 1e-7


@dataclass(frozen=True)
class Basis:
    """``X = U diag(s) V'`` by row of the batch, columns of X scaled first.

    `u` is ``[b, k, p]``, zero in columns that are not `active` ``[b, p]`` and in absent studies; ``beta = back @ gamma`` for
    ``eta = u @ gamma``. `projector` ``[b, p, p]`` projects (scaled) coefficients on those that the studies tell of, `scale` is
    ``[b, p]``.
    """

    u: Array
    back: Array
    active: Mask
    projector: Array
    scale: Array

    def take(self, rows: Mask | Indices) -> Basis:
        """The chosen rows."""
        return Basis(self.u[rows], self.back[rows], self.active[rows], self.projector[rows], self.scale[rows])

    def put(self, rows: Indices, part: Basis) -> None:
        """Write the rows of `part` into these arrays."""
        for name in self.__dataclass_fields__:
            getattr(self, name)[rows] = getattr(part, name)

    @property
    def rank(self) -> NDArray[np.intp]:
        """Rank of the design, ``[b]``."""
        return np.asarray(self.active.sum(-1))


def basis_of(x: Array, present: Mask) -> Basis:
    """The basis of designs ``[b, k, p]`` on the studies present ``[b, k]``."""
    b, k, p = x.shape
    x = x * present[:, :, None]
    scale = np.sqrt(np.einsum("bkp,bkp->bp", x, x))
    scale = np.where(scale > 0, scale, 1.0)
    u, s, vt = np.linalg.svd(x / scale[:, None, :], full_matrices=False)
    full, values, right = np.zeros((b, k, p)), np.zeros((b, p)), np.zeros((b, p, p))
    width = s.shape[1]
    full[:, :, :width], values[:, :width], right[:, :width] = u, s, vt
    active = values > RANK * values[:, :1]
    full *= active[:, None, :]
    with np.errstate(divide="ignore"):
        inverse = np.where(active, 1.0 / values, 0.0)
    back = right.transpose(0, 2, 1) * inverse[:, None, :] / scale[:, :, None]
    right *= active[:, :, None]
    return Basis(full, back, active, right.transpose(0, 2, 1) @ right, scale)


def estimable(basis: Basis, directions: Array) -> Mask:
    """Whether ``c' beta`` is told by the studies, for directions ``[b, m, p]``; ``[b, m]``."""
    c = directions / basis.scale[:, None, :]
    length = np.sqrt(np.einsum("bmp,bmp->bm", c, c))
    rest = c - c @ basis.projector
    return np.asarray(np.sqrt(np.einsum("bmp,bmp->bm", rest, rest)) <= 1e-6 * np.where(length > 0, length, 1.0))


def movable(studies: Likelihood, basis: Basis, present: Mask) -> Mask:
    """Studies ``[b, k]`` that some direction without end carries to a likelihood of one; none where the maximum is finite.

    Notes
    -----
    A direction must leave the studies with both outcomes where they are: it lies in the null space of their rows, which is nothing in
    nearly every data set. In one dimension there are two directions to try, in two the studies' angles tell, and from three
    on a linear programme decides; among all such directions the one that moves most studies is taken.
    """
    out = np.zeros(present.shape, dtype=bool)
    edge = studies.edge & present
    if not edge.any():
        return out
    inner = basis.u * (present & ~edge)[:, :, None]
    gram = inner.transpose(0, 2, 1) @ inner
    places = np.arange(gram.shape[1])
    gram[:, places, places] += ~basis.active
    value, vector = np.linalg.eigh(gram)
    some: Mask = np.asarray(edge.any(-1))
    free = (value < RANK) & some[:, None]
    dimension = free.sum(-1)
    if not dimension.any():
        return out
    # Whether a study's likelihood rises with its predictor or falls.
    side = np.sign(studies.bend(np.zeros_like(studies.guess))[0]) * edge
    for q in np.unique(dimension[dimension > 0]):
        rows = np.flatnonzero(dimension == q)
        # Eigenvalues come in rising order: the null space stands first.
        push = (basis.u[rows] @ vector[rows][:, :, :q]) * side[rows][:, :, None]
        push[np.abs(push) < _STILL] = 0.0
        if q == 1:
            out[rows] = _along_a_line(push[:, :, 0])
        elif q == 2:
            out[rows] = _in_a_plane(push)
        else:
            # Rare (three coefficients that rest on studies without events alone): one small linear programme each.
            for row, each in zip(rows, push, strict=True):
                out[row] = _in_space(each)
    return out


def _along_a_line(push: Array) -> Mask:
    """Pushes ``[b, k]`` of one direction: all one way, or not separated."""
    moved = push != 0
    same: Mask = np.asarray((push >= 0).all(-1) | (push <= 0).all(-1))
    return np.asarray(moved & same[:, None])


def _in_a_plane(push: Array) -> Mask:
    """Pushes ``[b, k, 2]``: separated where they all lie in one closed half-plane, that is where their angles leave a gap of pi."""
    b = push.shape[0]
    length = np.sqrt((push**2).sum(-1))
    some = length > 0
    angle = np.where(some, np.arctan2(push[..., 1], push[..., 0]), np.nan)
    order = np.sort(angle, axis=1)
    count = some.sum(-1)
    first, last = order[:, 0], order[np.arange(b), count - 1]
    gaps = np.diff(order, axis=1)
    gaps = np.concatenate([np.where(np.isnan(gaps), -1.0, gaps), (first + 2 * np.pi - last)[:, None]], axis=1)
    widest = gaps.argmax(1)
    gap = gaps[np.arange(b), widest]
    # The middle of the arc that the pushes fill, on the other side of the gap.
    start = np.where(widest == gaps.shape[1] - 1, last, order[np.arange(b), np.minimum(widest, order.shape[1] - 1)])
    middle = start + gap / 2 + np.pi
    along = push[..., 0] * np.cos(middle)[:, None] + push[..., 1] * np.sin(middle)[:, None]
    separated = gap >= np.pi - _STILL
    return np.asarray(separated[:, None] & some & (along > _STILL * length))


def _in_space(push: Array) -> Mask:
    """Pushes ``[k, q]``: the largest set that one direction moves forward while it moves none back."""
    from scipy.optimize import linprog

    used = (push != 0).any(-1)
    a = push[used]
    m, q = a.shape
    # Maximise sum t with t <= a d and 0 <= t <= 1; d is free, so that one that moves at all moves by one at least.
    found = linprog(
        np.concatenate([np.zeros(q), -np.ones(m)]),
        A_ub=np.hstack([-a, np.eye(m)]),
        b_ub=np.zeros(m),
        bounds=[(None, None)] * q + [(0, 1)] * m,
        method="highs",
    )
    out = np.zeros(push.shape[0], dtype=bool)
    if found.status == 0:
        out[used] = np.asarray(found.x)[q:] > 0.5
    return out
