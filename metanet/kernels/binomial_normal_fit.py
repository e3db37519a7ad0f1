"""The maximum of the binomial-normal likelihood.

Newton's method on (mu, tau), from every rise of a scanned profile, with the number of quadrature nodes doubled until it no longer
matters (likelihood: `metanet.kernels.binomial_normal`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metanet.kernels.binomial_normal import (
    RULES,
    SCAN_RULE,
    Array,
    Evaluation,
    Mask,
    Rule,
    boundary_score,
    common_rate,
    evaluate,
    rounding,
)

#: The quadrature is settled when doubling the nodes moves (mu, tau) by less than this many standard errors.
NODE_TOLERANCE = 1e-7
#: A climb has arrived when the next Newton step is shorter than this many standard errors.
STEP_TOLERANCE = 1e-8
#: A standard deviation of 30 on the logit scale says only that every study is near 0 % or near 100 %.
TAU_LIMIT = 30.0


def maximise_mu(
    events: Array, total: Array, mu: Array, tau: Array, rule: Rule, iterations: int = 60
) -> tuple[Array, Array, Array]:
    """Maximise over mu at fixed tau (a log-concave problem).

    Returns mu, the profile log-likelihood and its derivative in tau, ``[b]``.
    """
    mu = mu.copy()
    loglik, slope = np.full(mu.shape, np.nan), np.full(mu.shape, np.nan)
    rows = np.arange(mu.size)
    for _ in range(iterations):
        at = evaluate(events[rows], total[rows], mu[rows], tau[rows], rule)
        curvature = np.maximum(at.information[:, 0, 0], 1e-12)
        # In a flat tail the curvature says nothing of the distance: no step is longer than the scale of the problem.
        step = np.clip(at.score[:, 0] / curvature, -(1.0 + tau[rows]), 1.0 + tau[rows])
        gain = step * at.score[:, 0]
        # The last step is taken too; its quadratic gain makes the likelihood exact to the square of what is left.
        loglik[rows] = at.loglik + 0.5 * gain
        slope[rows] = at.score[:, 1] - step * at.information[:, 0, 1]
        mu[rows] += step
        rows = rows[gain > 1e-16]
        if not rows.size:
            break
    return mu, loglik, slope


def _ascend(
    events: Array, total: Array, mu: Array, tau: Array, rule: Rule, iterations: int = 100
) -> tuple[Array, Array, Evaluation, Mask]:
    """Newton's method on (mu, tau) with halving; returns mu, tau, the evaluation there and a flag of convergence, ``[b]``."""
    mu, tau = mu.copy(), tau.copy()
    done = np.zeros(mu.shape, dtype=bool)
    rows = np.arange(mu.size)
    at = whole = evaluate(events, total, mu, tau, rule)
    for _ in range(iterations):
        step, decrement = _newton_step(at)
        settled = decrement < STEP_TOLERANCE**2 + _score_noise(total[rows])
        done[rows[settled]] = True
        keep = ~settled & (tau[rows] < 2 * TAU_LIMIT)
        rows, step = rows[keep], step[keep]
        if not rows.size:
            break
        length = np.ones(rows.size)
        floor = whole.loglik[rows] - rounding(total[rows])
        for _ in range(14):
            trial_mu = mu[rows] + length * step[:, 0]
            trial_tau = np.abs(tau[rows] + length * step[:, 1])
            at = evaluate(events[rows], total[rows], trial_mu, trial_tau, rule)
            worse = ~(at.loglik >= floor)
            if not worse.any():
                break
            length[worse] *= 0.5
        # Where too few nodes make score and likelihood disagree no step helps; the next rule has more.
        if worse.any():
            rows, at, trial_mu, trial_tau = rows[~worse], at.take(~worse), trial_mu[~worse], trial_tau[~worse]
        mu[rows], tau[rows] = trial_mu, trial_tau
        whole.put(rows, at)
    return mu, tau, whole, done


def _score_noise(total: Array) -> Array:
    """Squared standard errors that rounding leaves undecided; it outweighs `STEP_TOLERANCE` from fifty million patients on."""
    return np.asarray((2e-16 * total.sum(-1)) ** 2)


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
    step = np.stack([(d * g0 - b * g1) / determinant, (a * g1 - b * g0) / determinant], -1)
    longest = np.abs(step).max(-1)
    step *= np.minimum(1.0, 3.0 / np.maximum(longest, 1e-300))[:, None]
    return step, step[:, 0] * g0 + step[:, 1] * g1


@dataclass(frozen=True)
class Fit:
    """Maximum-likelihood fit, by row: parameters, likelihoods, derivatives there, and how far the answer can be trusted.

    `covariance` is of (mu, tau); on the boundary tau = 0 only its first entry is defined. `unbounded` marks rows whose
    likelihood has no maximum at a finite tau, `settled` rows whose quadrature and Newton decrement passed their checks.
    """

    mu: Array
    tau: Array
    loglik: Array
    loglik_common: Array
    covariance: Array
    at: Evaluation
    nodes: NDArray[np.int64]
    unbounded: Mask
    settled: Mask


def fit(events: Array, total: Array) -> Fit:
    """Maximise the likelihood of every row, which needs at least two studies, one event and one non-event.

    A row in which every study stands at 0 % or at 100 %, and both occur, has no maximum: the likelihood rises for ever
    with tau. Such a row, and one whose maximum lies beyond `TAU_LIMIT`, is marked `unbounded` and its numbers are NaN.

    Notes
    -----
    The likelihood can have a maximum on the boundary and another inside, or two inside, so the profile over tau is scanned first. A
    climb starts from every cell of the scan in which the slope changes from rising to falling (the best two, if there are more),
    and tau = 0 is kept only where its likelihood is not below.
    """
    b = events.shape[0]
    mu0, _ = common_rate(events, total)
    zero = np.zeros(b)
    separated = ((events == 0) | (events == total)).all(-1)
    start_mu, start_tau, owner = _starts(events, total, mu0, ~separated)
    mu, tau = mu0.copy(), zero.copy()
    at = evaluate(events, total, mu, tau, RULES[0])
    loglik0 = at.loglik.copy()
    nodes = np.full(b, RULES[0].nodes)
    settled = np.ones(b, dtype=bool)
    # Of several climbs of one fit the highest goes on to the finer rules.
    first_mu, first_tau, first, _ = _ascend(events[owner], total[owner], start_mu, start_tau, RULES[0])
    order = np.lexsort((-first.loglik, owner))
    rows, best = np.unique(owner[order], return_index=True)
    before = np.stack([first_mu, first_tau], -1)[order[best]]
    mu[rows], tau[rows] = before[:, 0], before[:, 1]
    at.put(rows, first.take(order[best]))
    for rule in RULES[1:]:
        climbing = before[:, 1] < TAU_LIMIT
        rows, before = rows[climbing], before[climbing]
        if not rows.size:
            break
        new_mu, new_tau, new_at, done = _ascend(events[rows], total[rows], before[:, 0], before[:, 1], rule)
        after = np.stack([new_mu, new_tau], -1)
        moved = after - before
        distance = np.abs(np.einsum("bi,bij,bj->b", moved, new_at.information, moved))
        mu[rows], tau[rows], nodes[rows] = new_mu, new_tau, rule.nodes
        at.put(rows, new_at)
        close = (distance < NODE_TOLERANCE**2 + 4 * _score_noise(total[rows])) & done
        settled[rows] = close
        rows, before = rows[~close], after[~close]
    # tau = 0 is the answer where its likelihood is not below: a climb towards the boundary ends within rounding of it.
    on_boundary = ~separated & ~(at.loglik > loglik0 + rounding(total))
    unbounded = separated | (~on_boundary & (tau >= TAU_LIMIT))
    back = np.flatnonzero(on_boundary & (tau > 0))
    mu[back], tau[back], nodes[back], settled[back] = mu0[back], 0.0, RULES[0].nodes, True
    if back.size:
        at.put(back, evaluate(events[back], total[back], mu[back], tau[back], RULES[0]))
    covariance = _covariance(at.information, on_boundary)
    loglik = at.loglik.copy()
    for gone in (mu, tau, loglik, covariance, at.study_information, at.theta, at.rate):
        gone[unbounded] = np.nan
    settled &= ~unbounded
    return Fit(mu, tau, loglik, loglik0, covariance, at, nodes, unbounded, settled)


def _starts(events: Array, total: Array, mu0: Array, wanted: Mask) -> tuple[Array, Array, NDArray[np.intp]]:
    """Where to climb from: mu and tau of every start, and the fit it belongs to."""
    taus = _scan_points(events, total)
    b, width = taus.shape
    # The same evaluation over a longer batch; a fit and its values of tau lie side by side.
    mu, loglik, slope = (
        values.reshape(b, width)
        for values in maximise_mu(
            np.repeat(events, width, 0),
            np.repeat(total, width, 0),
            # A mean of logits lies farther out than the logit of a mean rate.
            (mu0[:, None] * np.sqrt(1 + 0.35 * taus**2)).ravel(),
            taus.ravel(),
            SCAN_RULE,
            iterations=6,
        )
    )
    # At tau = 0 the slope in tau vanishes; the one in tau2 tells whether the profile rises.
    slope[:, 0] = boundary_score(events, total)
    peak = (slope[:, :-1] > 0) & (slope[:, 1:] <= 0)
    height = np.where(peak, np.maximum(loglik[:, :-1], loglik[:, 1:]), -np.inf)
    # A profile that still rises at the end of the scan is followed from there.
    height = np.concatenate([height, np.where(slope[:, -1:] > 0, loglik[:, -1:], -np.inf)], axis=1)
    owners, cells = [], []
    for _ in range(2):
        cell = height.argmax(1)
        found = np.flatnonzero(wanted & np.isfinite(height[np.arange(b), cell]))
        owners.append(found)
        cells.append(cell[found])
        height[found, cell[found]] = -np.inf
    owner, cell = np.concatenate(owners), np.concatenate(cells)
    right = np.minimum(cell + 1, width - 1)
    higher = np.where(loglik[owner, right] > loglik[owner, cell], right, cell)
    start = np.where(higher == 0, 0.5 * taus[owner, 1], taus[owner, higher])
    return mu[owner, higher], start, owner


def _scan_points(events: Array, total: Array) -> Array:
    """Values of tau to scan, ``[b, 10]``: zero, then a geometric grid from a fraction of the most precise study's error to 9."""
    p = events.sum(-1) / total.sum(-1)
    error = 1.0 / np.sqrt(np.maximum(total.max(-1) * p * (1 - p), 1e-300))
    first = np.clip(0.4 * error, 1e-4, 0.3)
    grid = first[:, None] * (9.0 / first)[:, None] ** np.linspace(0.0, 1.0, 9)
    return np.concatenate([np.zeros((p.size, 1)), grid], axis=1)


def _covariance(information: Array, on_boundary: Mask) -> Array:
    """Inverse of the observed information; on the boundary tau is not a free parameter and only mu's variance is left."""
    a, b, d = information[:, 0, 0], information[:, 0, 1], information[:, 1, 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        determinant = a * d - b * b
        full = np.stack([np.stack([d, -b], -1), np.stack([-b, a], -1)], -2) / determinant[:, None, None]
        edge = np.zeros_like(full)
        edge[:, 0, 0] = 1.0 / a
    return np.where(on_boundary[:, None, None], edge, full)
