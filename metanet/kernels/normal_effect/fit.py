"""The maximum of an exact likelihood with a normal random effect."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metanet.base.arrays import Array, Indices, Mask
from metanet.kernels.normal_effect.random_effect import (
    RULES,
    SCAN_RULE,
    Evaluation,
    Interval,
    Rule,
    boundary_score,
    common_mean,
    evaluate,
    joint_modes,
    nodes_interval,
    rounding,
)
from metanet.kernels.normal_effect.study_likelihoods import Likelihood

# The coarse scan over tau that finds where the climbs of an exact likelihood begin: the same for one mean and for a regression.


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


# The maximum of an exact likelihood with a normal random effect.
#
# Newton's method on (mu, tau), from every rise of a scanned profile, with the number of quadrature nodes doubled until it no longer
# matters (likelihood: `metanet.kernels.normal_effect.random_effect`).

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


def maximise_mu(
    studies: Likelihood, mu: Array, tau: Array, rule: Rule, iterations: int = 60
) -> tuple[Array, Array, Array]:
    """Maximise over mu at fixed tau (a log-concave problem).

    Returns mu, the profile log-likelihood and its derivative in tau, ``[b]``.
    """
    mu = mu.copy()
    loglik, slope = np.full(mu.shape, np.nan), np.full(mu.shape, np.nan)
    rows, part = np.arange(mu.size), studies
    for _ in range(iterations):
        at = evaluate(part, mu[rows], tau[rows], rule)
        step, gain, height, rise = _mean_step(at, tau[rows])
        # The last step is taken too; its quadratic gain makes the likelihood exact to the square of what is left.
        loglik[rows], slope[rows] = height, rise
        mu[rows] += step
        open_ = np.flatnonzero(gain > 1e-16)
        if not open_.size:
            break
        if open_.size < rows.size:
            rows, part = rows[open_], part.take(open_)
    return mu, loglik, slope


def _mean_step(at: Evaluation, tau: Array) -> tuple[Array, Array, Array, Array]:
    """Newton step in mu, its gain, and height and slope in tau of the profile after it, ``[b]``."""
    curvature = np.maximum(at.information[:, 0, 0], 1e-12)
    # In a flat tail the curvature says nothing of the distance: no step is longer than the scale of the problem.
    step = np.clip(at.score[:, 0] / curvature, -(1.0 + tau), 1.0 + tau)
    gain = step * at.score[:, 0]
    return step, gain, at.loglik + 0.5 * gain, at.score[:, 1] - step * at.information[:, 0, 1]


def _ascend(
    studies: Likelihood, mu: Array, tau: Array, rule: Rule, iterations: int = 100
) -> tuple[Array, Array, Evaluation, Mask]:
    """Newton's method on (mu, tau) with halving; returns mu, tau, the evaluation there and a flag of convergence, ``[b]``."""
    mu, tau = mu.copy(), tau.copy()
    done = np.zeros(mu.shape, dtype=bool)
    rows, part = np.arange(mu.size), studies
    interval = nodes_interval(studies, mu, tau, rule.drop)
    at = whole = evaluate(studies, mu, tau, rule, interval)
    for _ in range(iterations):
        step, decrement = _newton_step(at)
        settled = decrement < STEP_TOLERANCE**2 + _score_noise(part.size)
        done[rows[settled]] = True
        # The last step is taken without another look: it leaves an error of its square.
        arrived = rows[settled]
        mu[arrived] += step[settled, 0]
        tau[arrived] = np.abs(tau[arrived] + step[settled, 1])
        keep = np.flatnonzero(~settled & (tau[rows] < 2 * TAU_LIMIT))
        if not keep.size:
            break
        if keep.size < rows.size:
            rows, part, step, decrement = rows[keep], part.take(keep), step[keep], decrement[keep]
            interval = interval.take(keep)
        scale = np.ones(rows.size)
        floor = whole.loglik[rows] - rounding(part.size)
        far = np.flatnonzero(decrement > _SAME_NODES**2)
        for _ in range(14):
            trial_mu = mu[rows] + scale * step[:, 0]
            trial_tau = np.abs(tau[rows] + scale * step[:, 1])
            if far.size:
                interval = renewed(part, trial_mu, trial_tau, rule, interval, far)
            at = evaluate(part, trial_mu, trial_tau, rule, interval)
            worse = ~(at.loglik >= floor)
            if not worse.any():
                break
            scale[worse] *= 0.5
        # Where too few nodes make score and likelihood disagree no step helps; the next rule has more.
        if worse.any():
            fine = np.flatnonzero(~worse)
            if not fine.size:
                break
            rows, part, at, trial_mu, trial_tau = (
                rows[fine],
                part.take(fine),
                at.take(fine),
                trial_mu[fine],
                trial_tau[fine],
            )
            interval = interval.take(fine)
        if rows.size == mu.size:
            mu, tau, whole = trial_mu, trial_tau, at
        else:
            mu[rows], tau[rows] = trial_mu, trial_tau
            whole.put(rows, at)
    return mu, tau, whole, done


def renewed(studies: Likelihood, mu: Array, tau: Array, rule: Rule, interval: Interval, rows: Indices) -> Interval:
    """The intervals, those of the chosen fits found anew from the modes they have."""
    if rows.size == mu.size:
        return nodes_interval(studies, mu, tau, rule.drop, start=interval.mode)
    found = nodes_interval(studies.take(rows), mu[rows], tau[rows], rule.drop, start=interval.mode[rows])
    for whole, part in zip(interval, found, strict=True):
        whole[rows] = part
    return interval


def _score_noise(size: Array) -> Array:
    """Squared standard errors that rounding leaves undecided; it outweighs `STEP_TOLERANCE` from fifty million patients on."""
    return np.asarray((2e-16 * size) ** 2)


def _newton_step(at: Evaluation) -> tuple[Array, Array]:
    """Newton step ``[b, 2]``, with the Hessian made definite where it is not, and the squared decrement ``[b]``."""
    a, b, d = at.information[:, 0, 0], at.information[:, 0, 1], at.information[:, 1, 1]
    half_trace, root = 0.5 * (a + d), np.sqrt(0.25 * (a - d) ** 2 + b * b)
    smallest, largest = half_trace - root, half_trace + root
    floor = 1e-3 * np.maximum(np.abs(largest), 1e-6)
    shift = np.where(smallest > 1e-9 * np.abs(largest), 0.0, floor - smallest)
    a, d = a + shift, d + shift
    determinant = a * d - b * b
    g0, g1 = at.score[:, 0], at.score[:, 1]
    step = np.empty_like(at.score)
    step[:, 0], step[:, 1] = (d * g0 - b * g1) / determinant, (a * g1 - b * g0) / determinant
    longest = np.abs(step).max(-1)
    if longest.max(initial=0.0) > 3.0:
        step *= np.minimum(1.0, 3.0 / np.maximum(longest, 1e-300))[:, None]
    return step, step[:, 0] * g0 + step[:, 1] * g1


def _half_distance(at: Evaluation) -> Array:
    """Squared standard errors between the maximum of all nodes and that of every second one, ``[b]``."""
    difference = at.half_score - at.score
    a, b, d = at.information[:, 0, 0], at.information[:, 0, 1], at.information[:, 1, 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = (
            d * difference[:, 0] ** 2 - 2 * b * difference[:, 0] * difference[:, 1] + a * difference[:, 1] ** 2
        ) / (a * d - b * b)
    return np.where(np.isfinite(distance), np.abs(distance), np.inf)


@dataclass(frozen=True)
class Fit:
    """Maximum-likelihood fit, by row: parameters, likelihoods, derivatives there, and how far the answer can be trusted.

    `covariance` is of (mu, tau); on the boundary tau = 0 only its first entry is defined. `unbounded` marks rows whose
    likelihood has no maximum at a finite tau, `settled` rows whose quadrature and Newton decrement passed their checks.
    """

    mu: Array
    tau: Array
    loglik: Array
    mu_common: Array
    loglik_common: Array
    covariance: Array
    study_score: Array
    study_information: Array
    nodes: NDArray[np.int64]
    unbounded: Mask
    settled: Mask

    def take(self, rows: Indices) -> Fit:
        """The chosen rows of every array."""
        return Fit(**{name: value[rows] for name, value in self.__dict__.items()})


def fit(studies: Likelihood) -> Fit:
    """Maximise the likelihood of every row, which needs at least two studies that are not all at the same edge.

    A row in which every study stands at one of its edges (all patients with the event, or none), and both occur, has no
    maximum: the likelihood rises for ever with tau. Such a row, and one whose maximum lies beyond `TAU_LIMIT`, is marked
    `unbounded` and its numbers are NaN.

    Notes
    -----
    The likelihood can have a maximum on the boundary and another inside, or two inside, so the profile over tau is scanned first. A
    climb starts from every cell of the scan in which the slope changes from rising to falling (the best two, if there are more),
    and tau = 0 is kept only where its likelihood is not below.
    """
    mu0, loglik0, information0 = common_mean(studies)
    b = mu0.size
    separated = studies.edge.all(-1)
    start_mu, start_tau, owner = _starts(studies, mu0, information0, np.flatnonzero(~separated))
    mu, tau, loglik = mu0.copy(), np.zeros(b), loglik0.copy()
    nodes, settled = np.full(b, RULES[0].nodes), np.ones(b, dtype=bool)
    at = _on_boundary(studies, mu0, loglik0, information0)
    rows = owner
    for rule in RULES:
        if not rows.size:
            break
        # Several climbs may belong to one fit: `rows` then repeats it.
        whole = rows.size == b and bool((rows == np.arange(b)).all())
        new_mu, new_tau, new_at, done = _ascend(studies if whole else studies.take(rows), start_mu, start_tau, rule)
        if np.unique(rows).size < rows.size:
            order = np.lexsort((-new_at.loglik, rows))
            rows, first = np.unique(rows[order], return_index=True)
            chosen = order[first]
            new_mu, new_tau, new_at, done = new_mu[chosen], new_tau[chosen], new_at.take(chosen), done[chosen]
        mu[rows], tau[rows], loglik[rows], nodes[rows] = new_mu, new_tau, new_at.loglik, rule.nodes
        at.put(rows, new_at)
        close = done & (_half_distance(new_at) < HALF_TOLERANCE**2 + 4 * _score_noise(studies.size[rows]))
        settled[rows] = close
        again = np.flatnonzero(~close & (new_tau < TAU_LIMIT))
        rows, start_mu, start_tau = rows[again], new_mu[again], new_tau[again]
    # tau = 0 is the answer where its likelihood is not below: a climb towards the boundary ends within rounding of it.
    on_boundary = ~separated & ~(loglik > loglik0 + rounding(studies.size))
    unbounded = separated | (~on_boundary & (tau >= TAU_LIMIT))
    back = np.flatnonzero(on_boundary)
    mu[back], tau[back], loglik[back], nodes[back], settled[back] = mu0[back], 0.0, loglik0[back], 0, True
    if back.size:
        at.put(back, _on_boundary(studies.take(back), mu0[back], loglik0[back], information0[back]))
    covariance = _covariance(at.information, on_boundary)
    for gone in (mu, tau, loglik, covariance, at.study_score, at.study_information):
        gone[unbounded] = np.nan
    settled &= ~unbounded
    return Fit(
        mu, tau, loglik, mu0, loglik0, covariance, at.study_score, at.study_information, nodes, unbounded, settled
    )


def _on_boundary(studies: Likelihood, mu: Array, loglik: Array, information: Array) -> Evaluation:
    """The evaluation at tau = 0, where no quadrature is needed; only mu has a derivative there."""
    _, slope, bend = studies.terms(mu[:, None] + np.zeros_like(studies.guess))
    zero = np.zeros((mu.size, 2))
    matrix = np.zeros((mu.size, 2, 2))
    matrix[:, 0, 0], matrix[:, 1, 1] = information, 1.0
    return Evaluation(loglik.copy(), zero, matrix, slope, bend, loglik.copy(), zero.copy())


def _starts(studies: Likelihood, mu0: Array, information0: Array, wanted: Indices) -> tuple[Array, Array, Indices]:
    """Where to climb from: mu and tau of every start, and the fit it belongs to."""
    if not wanted.size:
        return np.empty(0), np.empty(0), wanted
    if wanted.size < mu0.size:
        studies, mu0, information0 = studies.take(wanted), mu0[wanted], information0[wanted]
    b = mu0.size
    taus = scan_points(studies.bend(mu0[:, None] + np.zeros_like(studies.guess))[1])
    width = taus.shape[1]
    # The same evaluation over a longer batch; a fit and its values of tau lie side by side.
    long = studies.take(np.repeat(np.arange(b), width))
    flat = taus.ravel()
    centre = long.centre(np.repeat(mu0, width), flat)
    mu, anchor = joint_modes(long, centre, flat)
    interval = nodes_interval(long, mu, flat, SCAN_RULE.drop, anchor=anchor)
    step, gain, height, rise = _mean_step(evaluate(long, mu, flat, SCAN_RULE, interval), flat)
    mu = mu + step
    # Where studies are sparse the joint mode lies far from the mean, and the slope is read only after more steps.
    rows = np.flatnonzero(gain > _SCAN_GAIN)
    for _ in range(8):
        if not rows.size:
            break
        at = evaluate(long.take(rows), mu[rows], flat[rows], SCAN_RULE)
        step, gain, height[rows], rise[rows] = _mean_step(at, flat[rows])
        mu[rows] += step
        rows = rows[gain > _SCAN_GAIN]
    mu = mu.reshape(b, width)
    # Zero stands first: there the slope in tau vanishes, and the one in tau2 tells whether the profile rises.
    loglik = np.concatenate([np.full((b, 1), -np.inf), height.reshape(b, width)], axis=1)
    # A slope that rounding cannot tell from zero counts as rising: the climb then decides.
    at_zero = boundary_score(studies, mu0) + 1e-12 * information0
    slope = np.concatenate([at_zero[:, None], rise.reshape(b, width)], axis=1)
    taus, mu = np.concatenate([np.zeros((b, 1)), taus], axis=1), np.concatenate([mu0[:, None], mu], axis=1)
    owner, left = highest_rises(loglik, slope)
    right = np.minimum(left + 1, width)
    tau, mean = _crossing(taus, mu, slope, owner, left, right)
    return mean, tau, wanted[owner]


def _crossing(
    taus: Array, mu: Array, slope: Array, owner: Indices, left: Indices, right: Indices
) -> tuple[Array, Array]:
    """Where the scanned slope crosses zero between two points, and the mean there.

    By inverse cubic interpolation of ``tau slope``, the derivative in log tau, over the two points and their neighbours where it
    falls through all four; by a straight line elsewhere, and next to zero, where the slope in tau vanishes.
    """
    a, c = slope[owner, left], slope[owner, right]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.clip(a / (a - c), 0.1, 0.9)
    share = np.where(left == right, 1.0, np.where(left == 0, 0.6, share))
    tau = taus[owner, left] + share * (taus[owner, right] - taus[owner, left])
    mean = mu[owner, left] + share * (mu[owner, right] - mu[owner, left])
    inner = np.flatnonzero((left > 1) & (right > left) & (right < taus.shape[1] - 1))
    if not inner.size:
        return tau, mean
    places = left[inner][:, None] + np.arange(-1, 3)
    rows = owner[inner][:, None]
    x, m = np.log(taus[rows, places]), mu[rows, places]
    y = taus[rows, places] * slope[rows, places]
    with np.errstate(divide="ignore", invalid="ignore"):
        at = (x * _lagrange(y, np.zeros(inner.size))).sum(-1)
        there = (m * _lagrange(x, at)).sum(-1)
    good = (np.diff(y, axis=1) < 0).all(-1) & (at > x[:, 1]) & (at < x[:, 2]) & np.isfinite(there)
    tau[inner[good]], mean[inner[good]] = np.exp(at[good]), there[good]
    return tau, mean


def _lagrange(x: Array, at: Array) -> Array:
    """Weights of the values at four points ``x`` ``[b, 4]`` in the cubic through them, read at ``at`` ``[b]``."""
    distance = at[:, None] - x
    others = x[:, :, None] - x[:, None, :]
    np.einsum("bii->bi", others)[:] = 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(distance.prod(-1)[:, None] / distance / others.prod(-1))


def _covariance(information: Array, on_boundary: Mask) -> Array:
    """Inverse of the observed information; on the boundary tau is not a free parameter and only mu's variance is left."""
    a, b, d = information[:, 0, 0], information[:, 0, 1], information[:, 1, 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        determinant = a * d - b * b
        full = np.stack([np.stack([d, -b], -1), np.stack([-b, a], -1)], -2) / determinant[:, None, None]
        edge = np.zeros_like(full)
        edge[:, 0, 0] = 1.0 / a
    return np.where(on_boundary[:, None, None], edge, full)
