"""The maximum of an exact likelihood with a normal random effect, and profile-likelihood intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metanet.base.arrays import Array, Indices, Mask
from metanet.kernels.normal_effect.ascent import TAU_LIMIT, Anchor, highest, renewed
from metanet.kernels.normal_effect.random_effect import (
    RULES,
    Evaluation,
    Interval,
    Rule,
    common_mean,
    evaluate,
    joint_modes,
    left_behind,
    nodes_interval,
    rounding,
)
from metanet.kernels.normal_effect.study_likelihoods import Likelihood
from metanet.kernels.numerics import distributions
from metanet.kernels.numerics.batches import Batch, joined


@dataclass(frozen=True)
class Mean:
    """One mean: a point is mu as ``[b, 1]``, and two equations are solved by their formula."""

    studies: Likelihood
    half_height = np.inf

    def take(self, rows: Indices) -> Mean:
        """The chosen fits."""
        return Mean(self.studies.take(rows))

    def predictor(self, point: Array) -> Array:
        """mu ``[b]``."""
        return point[:, 0]

    def evaluate(self, point: Array, tau: Array, rule: Rule, interval: Interval | None = None) -> Evaluation:
        """Likelihood and derivatives."""
        return evaluate(self.studies, point[:, 0], tau, rule, interval)

    def joint_modes(self, point: Array, tau: Array) -> tuple[Array, Anchor]:
        """A start at tau that needs no nodes."""
        mu, anchor = joint_modes(self.studies, self.studies.centre(point[:, 0], tau), tau)
        return mu[:, None], anchor

    def profile_step(self, at: Evaluation, tau: Array) -> tuple[Array, Array, Array, Array]:
        """Newton step in mu, its gain, and height and slope in tau of the profile after it."""
        curvature = np.maximum(at.information[:, 0, 0], 1e-12)
        # In a flat tail the curvature says nothing of the distance: no step is longer than the scale of the problem.
        step = np.clip(at.score[:, 0] / curvature, -(1.0 + tau), 1.0 + tau)
        gain = step * at.score[:, 0]
        return step[:, None], gain, at.loglik + 0.5 * gain, at.score[:, 1] - step * at.information[:, 0, 1]

    def newton_step(self, at: Evaluation) -> tuple[Array, Array]:
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

    def half_distance(self, at: Evaluation, rows: Indices) -> Array:
        """Squared standard errors between the maximum of all nodes and that of every second one, ``[b]``."""
        difference = at.half_score - at.score
        a, b, d = at.information[:, 0, 0], at.information[:, 0, 1], at.information[:, 1, 1]
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = (d * difference[:, 0] ** 2 - 2 * b * difference[:, 0] * difference[:, 1] + a * difference[:, 1] ** 2) / (
                a * d - b * b
            )
        return np.where(np.isfinite(distance), np.abs(distance), np.inf)


@dataclass(frozen=True)
class Fit(Batch):
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
    separated: Mask = np.asarray(studies.edge.all(-1))
    common = (mu0[:, None], loglik0, information0[:, None, None])
    top = highest(Mean(studies), common, np.flatnonzero(~separated), separated)
    mu, tau, at = top.point[:, 0], top.tau, top.at
    unbounded = separated | (~top.on_boundary & (tau >= TAU_LIMIT))
    covariance = _covariance(at.information, top.on_boundary)
    for gone in (mu, tau, at.loglik, covariance, at.study_score, at.study_information):
        gone[unbounded] = np.nan
    return Fit(
        mu, tau, at.loglik, mu0, loglik0, covariance, at.study_score, at.study_information, top.nodes, unbounded,
        top.settled & ~unbounded,
    )  # fmt: skip


def _covariance(information: Array, on_boundary: Mask) -> Array:
    """Inverse of the observed information; on the boundary tau is not a free parameter and only mu's variance is left."""
    a, b, d = information[:, 0, 0], information[:, 0, 1], information[:, 1, 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        determinant = a * d - b * b
        full = np.stack([np.stack([d, -b], -1), np.stack([-b, a], -1)], -2) / determinant[:, None, None]
        edge = np.zeros_like(full)
        edge[:, 0, 0] = 1.0 / a
    return np.where(on_boundary[:, None, None], edge, full)


# Profile-likelihood intervals of an exact model with a normal random effect: tau and the mean.
#
# An end of an interval is where twice the fall of the profile log-likelihood from its maximum equals the chi-squared quantile with
# one degree of freedom. Every row of a batch walks its own path.

#: An end is settled when the Newton step that is still taken is this fraction of it: what is left is about the square.
_TOLERANCE = 1e-4
#: And what the step of the mean may still gain, in log-likelihood.
_GAIN = 1e-8
#: What half the nodes may differ in the log-likelihood of one end; the error of all of them is about the square.
_HALF_TOLERANCE = 1e-5
#: And what makes a point on the way useless.
_BLURRED = 3e-4
#: The wider the random effect, the more nodes a study at its edge needs: rules up to a tau of 4, of 10, and beyond.
_RULES = ((4.0, RULES[2]), (10.0, RULES[3]), (np.inf, RULES[5]))


def tau_interval(studies: Likelihood, fit: Fit, level: float) -> tuple[Array, Array]:
    """Lower and upper end of tau, ``[b]``; the upper end is inf where the data set no limit below `TAU_LIMIT`.

    Both ends are sought at once, by Newton's method on (mu, tau) together: mu follows its maximum at each tau, and the root of the
    fall is taken of its square root, which is a straight line where the profile is a parabola.
    """
    b = fit.mu.size
    drop = float(distributions.chi2_quantile(level, 1)) / 2
    usable = ~fit.unbounded
    rises = usable & (fit.loglik - drop > fit.loglik_common) & (fit.tau > 0)
    # The rows of the lower ends that are not zero, then those of all upper ends.
    owner = np.concatenate([np.flatnonzero(rises), np.flatnonzero(usable)])
    upward = np.concatenate([np.zeros(int(rises.sum()), dtype=bool), np.ones(int(usable.sum()), dtype=bool)])
    ends = _walk(studies.take(owner), fit.take(owner), upward, drop)
    lower, upper = np.where(usable, 0.0, np.nan), np.full(b, np.nan)
    lower[owner[~upward]], upper[owner[upward]] = ends[~upward], ends[upward]
    return lower, upper


def _walk(studies: Likelihood, fit: Fit, upward: NDArray[np.bool_], drop: float, iterations: int = 80) -> Array:
    """The end of tau above (`upward`) or below the maximum, one for each row."""
    answer = np.full(fit.mu.shape, np.inf)
    if not answer.size:
        return answer
    goal = np.sqrt(2 * drop)
    with np.errstate(divide="ignore", invalid="ignore"):
        se = np.sqrt(fit.covariance[:, 1, 1])
    # On the boundary tau has no standard error; the mean's is of the right size.
    se = np.where(np.isfinite(se) & (se > 0) & (fit.tau > 0), se, np.maximum(2 * np.sqrt(fit.covariance[:, 0, 0]), 0.05))
    low = first_low = np.where(upward, fit.tau, 0.0)
    high = first_high = np.where(upward, TAU_LIMIT, fit.tau)
    # A profile of a standard deviation is nearly a parabola in its logarithm, where that is not too flat to tell.
    with np.errstate(divide="ignore", invalid="ignore"):
        width = goal * se / fit.tau
        along = np.where(fit.tau > 0, fit.covariance[:, 0, 1] / fit.covariance[:, 1, 1], 0.0)
    sharp = (fit.tau > 0) & (width < 1.2)
    rough = np.where(upward, np.minimum(fit.tau + goal * se, 2 * fit.tau + 1.0), np.maximum(fit.tau - goal * se, 0.3 * fit.tau))
    tau = np.where(sharp, fit.tau * np.exp(np.where(upward, 1.0, -1.0) * np.where(sharp, width, 0.0)), rough)
    tau = np.minimum(tau, TAU_LIMIT)
    mu = fit.mu + np.where(np.isfinite(along), along, 0.0) * (tau - fit.tau)
    target = fit.loglik
    rows, level = np.arange(mu.size), np.zeros(mu.size, dtype=np.int64)
    interval, far = nodes_interval(studies, mu, tau, RULES[0].drop), np.empty(0, dtype=np.intp)
    for iteration in range(1, iterations + 1):
        if far.size:
            interval = renewed(studies, mu, tau, RULES[0], interval, far)
        at = _evaluate(studies, mu, tau, level, interval)
        information = np.maximum(at.information[:, 0, 0], 1e-12)
        step = np.clip(at.score[:, 0] / information, -(1.0 + tau), 1.0 + tau)
        gain = 0.5 * step * at.score[:, 0]
        fall = target - (at.loglik + gain)
        slope = at.score[:, 1] - step * at.information[:, 0, 1]
        beyond = (fall > drop) == upward
        # Where half the nodes tell another likelihood, more of them are taken before the point is believed.
        doubt = np.abs(at.half_loglik - at.loglik)
        more = level < len(RULES) - 1
        blurred = more & ((doubt > _BLURRED) | ((iteration % 12 == 0) & (doubt > _HALF_TOLERANCE)))
        # Only a point near the ridge tells on which side of the end it lies.
        near = (gain < 0.05) & ~blurred
        high = np.where(near & beyond, np.minimum(high, tau), high)
        low = np.where(near & ~beyond, np.maximum(low, tau), low)
        with np.errstate(divide="ignore", invalid="ignore"):
            root = np.sqrt(2 * np.maximum(fall, 0.0))
            new = tau + (goal - root) * root / -slope
        new = np.where(upward, np.minimum(new, 2 * tau + 0.5), new)
        inside = (new > low) & (new < high)
        middle = np.where(upward & (high >= TAU_LIMIT), np.minimum(2 * tau + 0.5, TAU_LIMIT), 0.5 * (low + high))
        new = np.where(near, np.where(inside, new, middle), tau)
        open_end = near & upward & ~beyond & (tau >= TAU_LIMIT)
        new = np.where(open_end, tau, new)
        mean = mu + np.where(blurred, 0.0, step - at.information[:, 0, 1] / information * (new - tau))
        small = near & (gain < _GAIN) & ((np.abs(new - tau) <= _TOLERANCE * tau) | (high - low <= 1e-14 * high))
        finer = blurred | (more & small & (doubt > np.maximum(_HALF_TOLERANCE, 1e3 * rounding(studies.size))))
        level = level + finer
        low, high = np.where(finer, first_low, low), np.where(finer, first_high, high)
        done = (small & ~finer) | (open_end & ~finer)
        answer[rows[done]] = np.where(open_end, np.inf, new)[done]
        keep = np.flatnonzero(~done)
        if not keep.size:
            return answer
        rows, studies, fit = rows[keep], studies.take(keep), fit.take(keep)
        upward, target, level = upward[keep], target[keep], level[keep]
        interval = interval.take(keep)
        # Near the end the steps are short, and the nodes stay where they are.
        far = np.flatnonzero(
            (np.abs(new - tau) > 0.01 * tau)[keep]
            | (gain[keep] > 1e-4)
            | left_behind(studies, interval, (mu[keep], tau[keep]), (mean[keep], new[keep]))
        )
        low, high, mu, tau = low[keep], high[keep], mean[keep], new[keep]
        first_low, first_high = first_low[keep], first_high[keep]
    answer[rows] = tau
    return answer


def _evaluate(studies: Likelihood, mu: Array, tau: Array, level: NDArray[np.int64], interval: Interval) -> Evaluation:
    """`evaluate`, each row by the rule of its own level."""
    first = int(level[0])
    if (level == first).all():
        return evaluate(studies, mu, tau, RULES[first], interval)
    groups = [np.flatnonzero(level == each) for each in np.unique(level)]
    parts = [evaluate(studies.take(rows), mu[rows], tau[rows], RULES[level[rows[0]]], interval.take(rows)) for rows in groups]
    order = np.argsort(np.concatenate(groups), kind="stable")
    return joined(parts).take(order)


def _maximise_tau(studies: Likelihood, mu: Array, start: Array, rule: Rule, iterations: int = 60) -> tuple[Array, Array, Array]:
    """Climb over tau >= 0 at fixed mu from a start; gives tau, the profile log-likelihood and its derivative in mu, ``[b]``."""
    tau = start.copy()
    rows, part = np.arange(mu.size), studies
    interval = nodes_interval(part, mu, tau, rule.drop)
    at = evaluate(part, mu, tau, rule, interval)
    loglik, slope = at.loglik.copy(), at.score[:, 0].copy()
    for _ in range(iterations):
        curvature, score = at.information[:, 1, 1], at.score[:, 1]
        size = np.where(curvature > 1e-6, curvature, np.maximum(np.abs(curvature), 1e-2))
        step = np.clip(score / size, -1.0, 1.0)
        keep = np.flatnonzero((step * score > 1e-17) & (tau[rows] < 2 * TAU_LIMIT))
        if not keep.size:
            break
        if keep.size < rows.size:
            rows, part, step, interval = rows[keep], part.take(keep), step[keep], interval.take(keep)
            score = score[keep]
        scale = np.ones(rows.size)
        floor = loglik[rows] - rounding(part.size)
        where = mu[rows], tau[rows]
        far = np.flatnonzero((step * score > 0.0025) | left_behind(part, interval, where, (where[0], np.abs(where[1] + step))))
        for _ in range(14):
            trial = np.abs(tau[rows] + scale * step)
            if far.size:
                interval = renewed(part, mu[rows], trial, rule, interval, far)
            at = evaluate(part, mu[rows], trial, rule, interval)
            worse = ~(at.loglik >= floor)
            if not worse.any():
                break
            scale[worse] *= 0.5
        fine = np.flatnonzero(~worse)
        if fine.size < rows.size:
            rows, part, at, trial = rows[fine], part.take(fine), at.take(fine), trial[fine]
            interval = interval.take(fine)
        if not fine.size:
            break
        tau[rows], loglik[rows], slope[rows] = trial, at.loglik, at.score[:, 0]
    return tau, loglik, slope


def _ridge(studies: Likelihood, mu: Array, start: Array) -> tuple[Array, Array, Array]:
    """The highest tau at each mu, the profile log-likelihood there, and its derivative in mu, ``[b]``."""
    tau, loglik, slope = _maximise_tau(studies, mu, start, RULES[1])
    below = _RULES[0][0]
    for limit, rule in _RULES[1:]:
        rows = np.flatnonzero((tau > below) & (tau <= limit))
        if rows.size:
            tau[rows], loglik[rows], slope[rows] = _maximise_tau(studies.take(rows), mu[rows], tau[rows], rule)
        below = limit
    # The climb cannot cross a dip between the boundary and an interior maximum: look at the boundary as well.
    at_zero, slope_zero = (x.sum(-1) for x in studies.slope(mu[:, None] + np.zeros_like(studies.guess)))
    at_zero = at_zero + studies.constant
    higher = at_zero > loglik
    return tau, np.where(higher, at_zero, loglik), np.where(higher, slope_zero, slope)


def mu_interval(studies: Likelihood, fit: Fit, level: float, iterations: int = 80) -> tuple[Array, Array]:
    """Lower and upper end of mu, ``[b]``; infinite where the profile never falls far enough.

    Both ends at once, by Newton's method on the square root of the fall, inside a bracket; tau follows its maximum at each mu.
    """
    b = fit.mu.size
    drop = float(distributions.chi2_quantile(level, 1)) / 2
    goal = np.sqrt(2 * drop)
    fine = np.flatnonzero(~fit.unbounded)
    owner, outward = np.concatenate([fine, fine]), np.repeat([-1.0, 1.0], fine.size)
    least = 1.0 / np.maximum(studies.precision.sum(-1), 1e-300)
    scale = np.sqrt(np.clip(np.nan_to_num(fit.covariance[:, 0, 0], nan=1.0), np.minimum(least, 25.0), 25.0))[owner]
    top, part = fit.loglik[owner], studies.take(owner)
    inner, outer = fit.mu[owner], outward * np.inf
    mu, tau = inner + outward * goal * scale, np.maximum(np.nan_to_num(fit.tau[owner]), 0.3 * scale)
    ends, rows = outward * np.inf, np.arange(owner.size)
    centre, widenings = inner.copy(), np.zeros(owner.size)
    for _ in range(iterations):
        if not rows.size:
            break
        tau, height, slope = _ridge(part, mu, np.maximum(tau, 0.05))
        fall = np.maximum(top - height, 0.0)
        beyond = fall > drop
        inner, outer = np.where(beyond, inner, mu), np.where(beyond, mu, outer)
        root = np.sqrt(2 * fall)
        with np.errstate(divide="ignore", invalid="ignore"):
            new = mu + (goal - root) * root / -slope
            inside = ((new - inner) * outward > 0) & ((outer - new) * outward > 0)
        wider = centre + 1.6 * (mu - centre)
        closed = np.isfinite(outer)
        # Without an outer end no step goes far beyond what is known.
        inside &= closed | ((new - wider) * outward <= 0)
        with np.errstate(invalid="ignore"):
            new = np.where(inside, new, np.where(closed, 0.5 * (inner + outer), wider))
        widenings += ~closed
        with np.errstate(invalid="ignore"):
            small = (np.abs(new - mu) <= _TOLERANCE * scale) | (np.abs(outer - inner) <= 1e-14 * np.abs(mu))
        done = small & (inside | closed)
        ends[rows[done]] = new[done]
        keep = np.flatnonzero(~done & (widenings < 16))
        rows, part, top, scale, outward = rows[keep], part.take(keep), top[keep], scale[keep], outward[keep]
        inner, outer, mu, tau, centre, widenings = (x[keep] for x in (inner, outer, new, tau, centre, widenings))
    ends[rows] = mu
    lower, upper = np.full(b, np.nan), np.full(b, np.nan)
    lower[fine], upper[fine] = ends[: fine.size], ends[fine.size :]
    return lower, upper
