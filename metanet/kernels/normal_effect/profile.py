"""Profile-likelihood intervals of an exact model with a normal random effect: tau and the mean.

An end of an interval is where twice the fall of the profile log-likelihood from its maximum equals the chi-squared quantile with
one degree of freedom. Every row of a batch walks its own path.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metanet.base.arrays import Array
from metanet.kernels.normal_effect.ascent import TAU_LIMIT, renewed
from metanet.kernels.normal_effect.fit import Fit
from metanet.kernels.normal_effect.random_effect import (
    RULES,
    Evaluation,
    Interval,
    Rule,
    evaluate,
    nodes_interval,
    rounding,
)
from metanet.kernels.normal_effect.study_likelihoods import Likelihood
from metanet.kernels.numerics import distributions

#: An end is settled when the Newton step that is still taken is this fraction of it: what is left is about the square.
_TOLERANCE = 1e-6
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
    se = np.where(
        np.isfinite(se) & (se > 0) & (fit.tau > 0), se, np.maximum(2 * np.sqrt(fit.covariance[:, 0, 0]), 0.05)
    )
    low = first_low = np.where(upward, fit.tau, 0.0)
    high = first_high = np.where(upward, TAU_LIMIT, fit.tau)
    # A profile of a standard deviation is nearly a parabola in its logarithm, where that is not too flat to tell.
    with np.errstate(divide="ignore", invalid="ignore"):
        width = goal * se / fit.tau
        along = np.where(fit.tau > 0, fit.covariance[:, 0, 1] / fit.covariance[:, 1, 1], 0.0)
    sharp = (fit.tau > 0) & (width < 1.2)
    rough = np.where(
        upward, np.minimum(fit.tau + goal * se, 2 * fit.tau + 1.0), np.maximum(fit.tau - goal * se, 0.3 * fit.tau)
    )
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
        small = near & (gain < 1e-11) & ((np.abs(new - tau) <= _TOLERANCE * tau) | (high - low <= 1e-14 * high))
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
        # Near the end the steps are short, and the nodes stay where they are.
        far = np.flatnonzero((np.abs(new - tau) > 0.01 * tau)[keep] | (gain[keep] > 1e-4))
        low, high, mu, tau = low[keep], high[keep], mean[keep], new[keep]
        first_low, first_high, interval = first_low[keep], first_high[keep], interval.take(keep)
    answer[rows] = tau
    return answer


def _evaluate(studies: Likelihood, mu: Array, tau: Array, level: NDArray[np.int64], interval: Interval) -> Evaluation:
    """`evaluate`, each row by the rule of its own level."""
    first = int(level[0])
    if (level == first).all():
        return evaluate(studies, mu, tau, RULES[first], interval)
    whole = evaluate(studies, mu, tau, RULES[0], interval)
    for each in np.unique(level):
        rows = np.flatnonzero(level == each)
        if each:
            whole.put(rows, evaluate(studies.take(rows), mu[rows], tau[rows], RULES[each], interval.take(rows)))
    return whole


def _maximise_tau(
    studies: Likelihood, mu: Array, start: Array, rule: Rule, iterations: int = 60
) -> tuple[Array, Array, Array]:
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
        far = np.flatnonzero(step * score > 0.0025)
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
