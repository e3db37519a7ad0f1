"""The exact likelihood of a meta-regression and the designs it is computed on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metanet.base.arrays import Array, Indices, Mask
from metanet.kernels.normal_effect.moments import study_moments
from metanet.kernels.normal_effect.random_effect import Evaluation, Interval, Rule, nodes_interval, rounding
from metanet.kernels.normal_effect.study_likelihoods import Likelihood
from metanet.kernels.numerics.batches import Batch, joined

# Designs of the exact meta-regression: an orthonormal basis for a batch, and directions along which a likelihood rises for ever.
#
# With ``eta = X beta`` a study without events (or with nothing else) has a likelihood that rises without end as its
# predictor falls (or rises). A direction d of the coefficients that moves every such study its own way or not at all, and no
# other study, has no maximum along it: complete or quasi-complete separation (Albert and Anderson 1984,
# doi:10.1093/biomet/71.1.1). The random effect does not change this: at any tau the likelihood of a study stays log-concave
# in eta, and monotone where it was.


#: Singular values below this share of the largest are zero.
RANK = 1e-9
#: What a direction of length one may move a study by rounding alone.
_STILL = 1e-7


@dataclass(frozen=True)
class Basis(Batch):
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
    A direction must leave the studies with both outcomes where they are: it lies in the null space of their
    rows, which is nothing in nearly every data set. In one dimension there are two directions to try, in two the studies'
    angles tell, and from three on a linear programme decides; among all such directions the one that moves most studies is
    taken.
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


# The exact likelihood of a meta-regression: ``theta_i = x_i' beta + tau z_i`` with the studies' own likelihoods, in batches.
#
# Binomial counts and the logit make it the mixed-effects logistic model (Stijnen, Hamza and Ozdemir 2010,
# doi:10.1002/sim.4040). The quadrature over each study's random effect is that of
# `metanet.kernels.normal_effect.random_effect`; a coefficient's score is the sum of the studies' scores times its column.
# Coefficients stand in an orthonormal basis (`metanet.kernels.normal_effect.regression_likelihood`): ``eta = u gamma``.

#: Elements of an array over nodes, as in `random_effect`.
_BLOCK = 15_000


def predictor(u: Array, gamma: Array) -> Array:
    """``eta`` ``[b, k]``."""
    return np.asarray((u @ gamma[:, :, None])[:, :, 0])


def _gathered(u: Array, weight: Array) -> Array:
    """``u' diag(weight) u``, ``[b, p, p]``."""
    return np.asarray((u * weight[:, :, None]).transpose(0, 2, 1) @ u)


def _summed(u: Array, values: Array) -> Array:
    """``u' values``, ``[b, p]``."""
    return np.asarray((values[:, None, :] @ u)[:, 0])


def evaluate(studies: Likelihood, u: Array, gamma: Array, tau: Array, rule: Rule, interval: Interval | None = None) -> Evaluation:
    """Log-likelihood ``[b]``, score ``[b, p + 1]`` and information ``[b, p + 1, p + 1]`` at (gamma, tau)."""
    eta = predictor(u, gamma)
    low, length, _ = nodes_interval(studies, eta, tau, rule.drop) if interval is None else interval
    b, k = low.shape
    size = max(1, _BLOCK // (rule.nodes * k))
    if b <= size:
        return _evaluate(studies, u, eta, tau, rule, low, length)
    pieces = []
    for start in range(0, b, size):
        rows = slice(start, start + size)
        part = studies.take(rows)
        pieces.append(_evaluate(part, u[rows], eta[rows], tau[rows], rule, low[rows], length[rows]))
    return joined(pieces)


def _evaluate(studies: Likelihood, u: Array, eta: Array, tau: Array, rule: Rule, low: Array, length: Array) -> Evaluation:
    at = study_moments(studies, eta, tau, rule.nodes, low, length)
    b, _, p = u.shape
    score, half = np.empty((b, p + 1)), np.empty((b, p + 1))
    score[:, :p], score[:, p] = _summed(u, at.score), at.tau_score.sum(-1)
    half[:, :p], half[:, p] = _summed(u, at.half_score), at.half_tau_score.sum(-1)
    information = np.empty((b, p + 1, p + 1))
    information[:, :p, :p] = _gathered(u, at.information)
    information[:, :p, p] = information[:, p, :p] = _summed(u, at.cross)
    information[:, p, p] = at.tau_information.sum(-1)
    loglik, half_loglik = at.loglik.sum(-1) + studies.constant, at.half_loglik.sum(-1) + studies.constant
    return Evaluation(loglik, score, information, at.score, np.maximum(at.information, 0.0), half_loglik, half)


def solve(matrix: Array, score: Array, active: Mask) -> tuple[Array, Array]:
    """``matrix^-1 score`` with the matrix made definite where it is not, and the squared length of the step in its metric.

    Directions that are not `active` ``[b, p]`` take no part.
    """
    matrix = matrix.copy()
    places = np.arange(active.shape[1])
    matrix[:, places, places] = np.where(active, matrix[:, places, places], 1.0)
    size = np.sqrt(np.maximum(np.abs(np.einsum("bii->bi", matrix)), 1e-300))
    value, vector = np.linalg.eigh(matrix / (size[:, :, None] * size[:, None, :]))
    largest = np.abs(value).max(-1, keepdims=True)
    floor = 1e-3 * largest
    value = np.where(value > 1e-12 * largest, value, np.maximum(np.abs(value), floor))
    inner = ((score / size)[:, None, :] @ vector)[:, 0]
    step = (vector @ (inner / value)[:, :, None])[:, :, 0] / size
    step[:, : active.shape[1]] *= active
    return step, np.asarray((step * score).sum(-1))


def shortened(u: Array, step: Array, longest: Array | float) -> Array:
    """A factor ``[b]`` that keeps the move of every predictor (and of tau, if it stands last) within `longest`."""
    p = u.shape[2]
    move = np.abs(predictor(u, step[:, :p])).max(-1, initial=0.0)
    if step.shape[1] > p:
        move = np.maximum(move, np.abs(step[:, p]))
    return np.asarray(np.minimum(1.0, longest / np.maximum(move, 1e-300)))


def common_fit(studies: Likelihood, u: Array, active: Mask, iterations: int = 100) -> tuple[Array, Array, Array]:
    """Maximum at tau = 0: gamma ``[b, p]``, the log-likelihood and the information there.

    Newton's method with halving on a concave function; the design must leave a finite maximum.
    """
    b = u.shape[0]
    # Weighted least squares on the studies' own estimates.
    weight = studies.precision
    gamma = solve(_gathered(u, weight), _summed(u, weight * studies.guess), active)[0]

    def at(rows: Indices, point: Array) -> tuple[Array, Array, Array]:
        part = studies if rows.size == b else studies.take(rows)
        loglik, slope, bend = part.terms(predictor(u[rows], point))
        return loglik.sum(-1), _summed(u[rows], slope), _gathered(u[rows], bend)

    rows = np.arange(b)
    height, score, information = at(rows, gamma)
    for _ in range(iterations):
        step, gain = solve(information[rows], score[rows], active[rows])
        step *= shortened(u[rows], step, 3.0)[:, None]
        open_ = gain > 1e-18
        rows, step = rows[open_], step[open_]
        if not rows.size:
            break
        scale, pending = np.ones(rows.size), np.arange(rows.size)
        for _ in range(30):
            trial = gamma[rows[pending]] + scale[pending, None] * step[pending]
            new = at(rows[pending], trial)
            worse = ~(new[0] >= height[rows[pending]] - rounding(studies.size[rows[pending]]))
            fine, chosen = ~worse, rows[pending[~worse]]
            gamma[chosen], height[chosen] = trial[fine], new[0][fine]
            score[chosen], information[chosen] = new[1][fine], new[2][fine]
            pending = pending[worse]
            if not pending.size:
                break
            scale[pending] *= 0.5
        rows = np.delete(rows, pending)
    return gamma, height + studies.constant, information


def joint_modes(
    studies: Likelihood, u: Array, active: Mask, gamma: Array, tau: Array, sweeps: int = 5
) -> tuple[Array, tuple[Array, Array, Array]]:
    """Coefficients and random effects that together maximise the integrand at a given tau: a start that needs no nodes.

    As `random_effect.joint_modes`: given the coefficients the studies are independent, which leaves p equations.
    """
    gamma, t = gamma.copy(), tau[:, None]
    square = t * t
    z = t * studies.precision * (studies.guess - predictor(u, gamma)) / (1.0 + square * studies.precision)
    bend = move = z
    for _ in range(sweeps):
        slope, w = studies.bend(predictor(u, gamma) + t * z)
        bend = 1.0 + square * w
        move = (t * slope - z) / bend
        follow = w / bend
        step, _ = solve(_gathered(u, follow), _summed(u, slope - t * w * move), active)
        step *= shortened(u, step, 1.0 + tau)[:, None]
        move = move - t * follow * predictor(u, step)
        np.clip(move, -2.0, 2.0, out=move)
        z = z + move
        gamma += step
    return gamma, (z, bend, move)
