"""The climb to the maximum of an exact likelihood with a normal random effect: one for a mean and for a regression.

Newton's method on (point, tau), from every rise of a scanned profile, with the number of quadrature nodes doubled until it no longer
matters. The point is the mean, or the coefficients of a design; what belongs to it alone, a model gives
(`metanet.kernels.normal_effect.fit`, `metanet.kernels.normal_effect.regression`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from metanet.base.arrays import Array, Indices, Mask
from metanet.kernels.normal_effect.moments import per_study
from metanet.kernels.normal_effect.random_effect import (
    RULES,
    SCAN_RULE,
    Evaluation,
    Interval,
    Rule,
    boundary_score,
    left_behind,
    nodes_interval,
    rounding,
)
from metanet.kernels.normal_effect.study_likelihoods import Likelihood
from metanet.kernels.numerics import batches

#: The quadrature is settled when every second node alone would place the maximum within this many standard errors: the error
#: of all nodes is about the square of it.
HALF_TOLERANCE = 1e-4
#: A climb has arrived when the next Newton step is shorter than this many standard errors.
STEP_TOLERANCE = 1e-8
#: A step shorter than this many standard errors keeps the nodes where they are.
_SAME_NODES = 0.05
#: A standard deviation of 30 on the logit scale says only that every study is near 0 % or near 100 %.
TAU_LIMIT = 30.0
#: A mean in the scan from which a step still gains this much of the log-likelihood is not yet on the ridge.
_SCAN_GAIN = 0.01

#: Anchor of the nodes: mode, curvature and last step of every study, ``[b, k]``.
Anchor = tuple[Array, Array, Array]


class Model(Protocol):
    """What a climb asks of a mean or a regression; a point is ``[b, p]``."""

    @property
    def studies(self) -> Likelihood:
        """The studies' own likelihoods."""

    @property
    def half_height(self) -> float:
        """What half the nodes may differ in the log-likelihood of a maximum."""

    def take(self, rows: Indices) -> Self:
        """The chosen fits."""

    def predictor(self, point: Array) -> Array:
        """Mean by fit ``[b]`` or by study ``[b, k]``."""

    def evaluate(self, point: Array, tau: Array, rule: Rule, interval: Interval | None = None) -> Evaluation:
        """Likelihood and derivatives."""

    def newton_step(self, at: Evaluation) -> tuple[Array, Array]:
        """Newton step ``[b, p + 1]``, with the Hessian made definite where it is not, and the squared decrement ``[b]``."""

    def profile_step(self, at: Evaluation, tau: Array) -> tuple[Array, Array, Array, Array]:
        """Newton step at fixed tau ``[b, p]``, its gain, and height and slope in tau of the profile after it, ``[b]``."""

    def half_distance(self, at: Evaluation, rows: Indices) -> Array:
        """Squared standard errors between the maximum of all nodes and that of every second one, of the fits `rows`."""

    def joint_modes(self, point: Array, tau: Array) -> tuple[Array, Anchor]:
        """A start at tau that needs no nodes, from the point at tau = 0."""


#: Values of tau that are scanned, zero apart, and the largest.
_SCANNED, _TOP = 8, 9.0


def scan_points(precision: Array) -> Array:
    """Values of tau, ``[b, points]``: a geometric grid from a fraction of the most precise study's error to 9.

    `precision` ``[b, k]`` is the information of each study at the common effect.
    """
    first = np.clip(0.4 / np.sqrt(np.maximum(precision.max(-1), 1e-300)), 1e-4, 0.3)
    steps = np.linspace(0.0, 1.0, _SCANNED)
    return np.asarray(first[:, None] * (_TOP / first)[:, None] ** steps)


def highest_rises(loglik: Array, slope: Array) -> tuple[Indices, Indices]:
    """The best two cells of each row in which the profile turns from rising to falling: the rows, and the cells' left ends.

    `loglik` and `slope` in tau are ``[b, points]``. A profile that still rises at the end of the scan is followed from there.
    """
    peak = (slope[:, :-1] > 0) & (slope[:, 1:] <= 0)
    best = np.where(peak, np.maximum(loglik[:, :-1], loglik[:, 1:]), -np.inf)
    best = np.concatenate([best, np.where(slope[:, -1:] > 0, loglik[:, -1:], -np.inf)], axis=1)
    every = np.arange(best.shape[0])
    owners, cells = [], []
    for _ in range(2):
        cell = best.argmax(1)
        found = np.flatnonzero(np.isfinite(best[every, cell]))
        owners.append(found)
        cells.append(cell[found])
        best[found, cell[found]] = -np.inf
    return np.concatenate(owners), np.concatenate(cells)


def maximise(model: Model, point: Array, tau: Array, rule: Rule, iterations: int = 60) -> tuple[Array, Array, Array]:
    """Maximise over the point at fixed tau, a log-concave problem: the point, the profile log-likelihood, its slope in tau."""
    point = point.copy()
    loglik, slope = np.full(tau.shape, np.nan), np.full(tau.shape, np.nan)
    rows, part = np.arange(tau.size), model
    for _ in range(iterations):
        at = part.evaluate(point[rows], tau[rows], rule)
        # The last step is taken too; its quadratic gain makes the likelihood exact to the square of what is left.
        step, gain, loglik[rows], slope[rows] = part.profile_step(at, tau[rows])
        point[rows] += step
        open_ = np.flatnonzero(gain > 1e-16)
        if not open_.size:
            break
        if open_.size < rows.size:
            rows, part = rows[open_], part.take(open_)
    return point, loglik, slope


@dataclass
class Top:
    """The highest points found: parameters, evaluation, nodes (0 at tau = 0), checks passed, and whether it is tau = 0."""

    point: Array
    tau: Array
    at: Evaluation
    nodes: NDArray[np.int64]
    settled: Mask
    on_boundary: Mask


def highest(model: Model, common: tuple[Array, Array, Array], wanted: Indices, unbounded: Mask) -> Top:
    """The maximum of every fit; `common` is point, log-likelihood and information ``[b, p, p]`` at tau = 0.

    The fits `wanted` are climbed; those known to be `unbounded` stay where they are.
    """
    point0, loglik0, _ = common
    b = loglik0.size
    point, tau, at = point0.copy(), np.zeros(b), _on_boundary(model, *common)
    nodes, settled = np.full(b, RULES[0].nodes), np.ones(b, dtype=bool)
    start, start_tau, rows = _starts(model, common, wanted)
    for rule in RULES:
        if not rows.size:
            break
        # Several climbs may belong to one fit: `rows` then repeats it.
        whole = rows.size == b and bool((rows == np.arange(b)).all())
        new, new_tau, new_at, done = ascend(model if whole else model.take(rows), start, start_tau, rule)
        if np.unique(rows).size < rows.size:
            rows, chosen = batches.highest(rows, new_at.loglik)
            new, new_tau, new_at, done = new[chosen], new_tau[chosen], new_at.take(chosen), done[chosen]
        point[rows], tau[rows], nodes[rows] = new, new_tau, rule.nodes
        at.put(rows, new_at)
        size = model.studies.size[rows]
        close = done & (model.half_distance(new_at, rows) < HALF_TOLERANCE**2 + 4 * score_noise(size))
        close &= np.abs(new_at.half_loglik - new_at.loglik) < model.half_height + 1e3 * rounding(size)
        settled[rows] = close
        again = np.flatnonzero(~close & (new_tau < TAU_LIMIT))
        rows, start, start_tau = rows[again], new[again], new_tau[again]
    # tau = 0 is the answer where its likelihood is not below: a climb towards the boundary ends within rounding of it.
    on_boundary = ~unbounded & ~(at.loglik > loglik0 + rounding(model.studies.size))
    back = np.flatnonzero(on_boundary)
    point[back], tau[back], nodes[back], settled[back] = point0[back], 0.0, 0, True
    if back.size:
        at.put(back, _on_boundary(model.take(back), *(values[back] for values in common)))
    return Top(point, tau, at, nodes, settled, on_boundary)


def _on_boundary(model: Model, point: Array, loglik: Array, information: Array) -> Evaluation:
    """The evaluation at tau = 0, where no quadrature is needed; only the point has a derivative there."""
    b, p = point.shape
    _, slope, bend = model.studies.terms(per_study(model.predictor(point)) + np.zeros_like(model.studies.guess))
    zero, matrix = np.zeros((b, p + 1)), np.zeros((b, p + 1, p + 1))
    matrix[:, :p, :p], matrix[:, p, p] = information, 1.0
    return Evaluation(loglik.copy(), zero, matrix, slope, bend, loglik.copy(), zero.copy())


def ascend(model: Model, point: Array, tau: Array, rule: Rule, iterations: int = 100) -> tuple[Array, Array, Evaluation, Mask]:
    """Newton's method on (point, tau) with halving; the parameters, the evaluation there and a flag of convergence, ``[b]``."""
    point, tau = point.copy(), tau.copy()
    done = np.zeros(tau.shape, dtype=bool)
    rows, part = np.arange(tau.size), model
    interval = nodes_interval(model.studies, model.predictor(point), tau, rule.drop)
    at = whole = model.evaluate(point, tau, rule, interval)
    for _ in range(iterations):
        step, decrement = part.newton_step(at)
        settled = decrement < STEP_TOLERANCE**2 + score_noise(part.studies.size)
        arrived = rows[settled]
        done[arrived] = True
        # The last step is taken without another look: it leaves an error of its square.
        point[arrived] += step[settled, :-1]
        tau[arrived] = np.abs(tau[arrived] + step[settled, -1])
        keep = np.flatnonzero(~settled & (tau[rows] < 2 * TAU_LIMIT))
        if not keep.size:
            break
        if keep.size < rows.size:
            rows, part, step, decrement = rows[keep], part.take(keep), step[keep], decrement[keep]
            interval = interval.take(keep)
        floor = whole.loglik[rows] - rounding(part.studies.size)
        trial, trial_tau = point[rows] + step[:, :-1], np.abs(tau[rows] + step[:, -1])
        places = ((part.predictor(each), sd) for each, sd in ((point[rows], tau[rows]), (trial, trial_tau)))
        far = np.flatnonzero((decrement > _SAME_NODES**2) | left_behind(part.studies, interval, *places))
        if far.size:
            interval = renewed(part.studies, part.predictor(trial), trial_tau, rule, interval, far)
        at = part.evaluate(trial, trial_tau, rule, interval)
        worse = ~(at.loglik >= floor)
        scale = 1.0
        # Each row halves by itself: a batch gives the numbers of single fits.
        for _ in range(13):
            short = np.flatnonzero(worse)
            if not short.size:
                break
            scale *= 0.5
            owner, fewer = rows[short], part.take(short)
            trial[short] = point[owner] + scale * step[short, :-1]
            trial_tau[short] = np.abs(tau[owner] + scale * step[short, -1])
            interval = renewed(part.studies, part.predictor(trial), trial_tau, rule, interval, short)
            at.put(short, fewer.evaluate(trial[short], trial_tau[short], rule, interval.take(short)))
            worse[short] = ~(at.loglik[short] >= floor[short])
        # Where too few nodes make score and likelihood disagree no step helps; the next rule has more.
        if worse.any():
            fine = np.flatnonzero(~worse)
            if not fine.size:
                break
            rows, part, at, interval = rows[fine], part.take(fine), at.take(fine), interval.take(fine)
            trial, trial_tau = trial[fine], trial_tau[fine]
        if rows.size == tau.size:
            point, tau, whole = trial, trial_tau, at
        else:
            point[rows], tau[rows] = trial, trial_tau
            whole.put(rows, at)
    return point, tau, whole, done


def renewed(studies: Likelihood, mu: Array, tau: Array, rule: Rule, interval: Interval, rows: Indices) -> Interval:
    """The intervals, those of the chosen fits found anew from the modes they have."""
    if rows.size == tau.size:
        return nodes_interval(studies, mu, tau, rule.drop, start=interval.mode)
    found = nodes_interval(studies.take(rows), mu[rows], tau[rows], rule.drop, start=interval.mode[rows])
    for whole, part in zip(interval, found, strict=True):
        whole[rows] = part
    return interval


def score_noise(size: Array) -> Array:
    """Squared standard errors that rounding leaves undecided; it outweighs `STEP_TOLERANCE` from fifty million patients on."""
    return np.asarray((2e-16 * size) ** 2)


def _starts(model: Model, common: tuple[Array, Array, Array], wanted: Indices) -> tuple[Array, Array, Indices]:
    """Where to climb from: point and tau of every start, and the fit it belongs to."""
    point0, _, information0 = common
    if not wanted.size:
        return point0[:0], np.empty(0), wanted
    if wanted.size < point0.shape[0]:
        model, point0, information0 = model.take(wanted), point0[wanted], information0[wanted]
    b, p = point0.shape
    mean0 = model.predictor(point0)
    taus = scan_points(model.studies.bend(per_study(mean0) + np.zeros_like(model.studies.guess))[1])
    width = taus.shape[1]
    # The same evaluation over a longer batch; a fit and its values of tau lie side by side.
    each = np.repeat(np.arange(b), width)
    long, flat = model.take(each), taus.ravel()
    point, anchor = long.joint_modes(point0[each], flat)
    interval = nodes_interval(long.studies, long.predictor(point), flat, SCAN_RULE.drop, anchor=anchor)
    step, gain, height, rise = long.profile_step(long.evaluate(point, flat, SCAN_RULE, interval), flat)
    point = point + step
    # Where studies are sparse the joint mode lies far from the ridge, and the slope is read only after more steps.
    rows = np.flatnonzero(gain > _SCAN_GAIN)
    for _ in range(8):
        if not rows.size:
            break
        some = long.take(rows)
        at = some.evaluate(point[rows], flat[rows], SCAN_RULE)
        step, gain, height[rows], rise[rows] = some.profile_step(at, flat[rows])
        point[rows] += step
        rows = rows[gain > _SCAN_GAIN]
    # Zero stands first: there the slope in tau vanishes, and the one in tau2 tells whether the profile rises.
    loglik = np.concatenate([np.full((b, 1), -np.inf), height.reshape(b, width)], axis=1)
    # A slope that rounding cannot tell from zero counts as rising: the climb then decides.
    at_zero = boundary_score(model.studies, mean0) + 1e-12 * np.einsum("bii->b", information0)
    slope = np.concatenate([at_zero[:, None], rise.reshape(b, width)], axis=1)
    taus = np.concatenate([np.zeros((b, 1)), taus], axis=1)
    points = np.concatenate([point0[:, None], point.reshape(b, width, p)], axis=1)
    owner, left = highest_rises(loglik, slope)
    tau, start = _crossing(taus, points, slope, owner, left, np.minimum(left + 1, width))
    return start, tau, wanted[owner]


def _crossing(taus: Array, points: Array, slope: Array, owner: Indices, left: Indices, right: Indices) -> tuple[Array, Array]:
    """Where the scanned slope crosses zero between two values of tau, and the point there.

    By inverse cubic interpolation of ``tau slope``, the derivative in log tau, over the two and their neighbours where it falls
    through all four; by a straight line elsewhere, and next to zero, where the slope in tau vanishes.
    """
    a, c = slope[owner, left], slope[owner, right]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.clip(a / (a - c), 0.1, 0.9)
    share = np.where(left == right, 1.0, np.where(left == 0, 0.6, share))
    tau = taus[owner, left] + share * (taus[owner, right] - taus[owner, left])
    point = points[owner, left] + share[:, None] * (points[owner, right] - points[owner, left])
    inner = np.flatnonzero((left > 1) & (right > left) & (right < taus.shape[1] - 1))
    if not inner.size:
        return tau, point
    places = left[inner][:, None] + np.arange(-1, 3)
    rows = owner[inner][:, None]
    x, m = np.log(taus[rows, places]), points[rows, places]
    y = taus[rows, places] * slope[rows, places]
    with np.errstate(divide="ignore", invalid="ignore"):
        at = (x * _lagrange(y, np.zeros(inner.size))).sum(-1)
        there = (m * _lagrange(x, at)[:, :, None]).sum(1)
    good = (np.diff(y, axis=1) < 0).all(-1) & (at > x[:, 1]) & (at < x[:, 2]) & np.isfinite(there).all(-1)
    tau[inner[good]], point[inner[good]] = np.exp(at[good]), there[good]
    return tau, point


def _lagrange(x: Array, at: Array) -> Array:
    """Weights of the values at four points ``x`` ``[b, 4]`` in the cubic through them, read at ``at`` ``[b]``."""
    distance = at[:, None] - x
    others = x[:, :, None] - x[:, None, :]
    np.einsum("bii->bi", others)[:] = 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(distance.prod(-1)[:, None] / distance / others.prod(-1))
