"""Profile-likelihood intervals of an exact model with a normal random effect: tau and the mean.

An end of an interval is where twice the fall of the profile log-likelihood from its maximum equals the chi-squared quantile with
one degree of freedom. Every row of a batch walks its own path.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from metanet.kernels import quantiles
from metanet.kernels.random_effect import RULES, Evaluation, Interval, Rule, evaluate, nodes_interval, rounding
from metanet.kernels.random_effect_fit import TAU_LIMIT, Fit, renewed
from metanet.kernels.roots import Indices, find_roots
from metanet.kernels.study_likelihoods import Likelihood

Array = NDArray[np.float64]

#: An end is settled when the next step is this fraction of it.
_TOLERANCE = 1e-9
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
    drop = float(quantiles.chi2_quantile(level, 1)) / 2
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
    tau = np.where(
        upward, np.minimum(fit.tau + goal * se, 2 * fit.tau + 1.0), np.maximum(fit.tau - goal * se, 0.3 * fit.tau)
    )
    tau, mu = np.minimum(tau, TAU_LIMIT), fit.mu.copy()
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
        small = near & (gain < 1e-16) & ((np.abs(new - tau) <= _TOLERANCE * tau) | (high - low <= 1e-14 * high))
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


def _by_rule(tau: Array) -> Iterator[tuple[Rule, Indices]]:
    """The rows that each rule serves; a row's rule depends on its own tau alone."""
    below = -np.inf
    for limit, rule in _RULES:
        rows = np.flatnonzero((tau > below) & (tau <= limit))
        if rows.size:
            yield rule, rows
        below = limit


def _maximise_tau(
    studies: Likelihood, mu: Array, start: Array, rule: Rule, iterations: int = 60
) -> tuple[Array, Array]:
    """Climb over tau >= 0 at fixed mu from a start; returns tau and the profile log-likelihood, ``[b]``."""
    tau = start.copy()
    rows, part = np.arange(mu.size), studies
    interval = nodes_interval(part, mu, tau, rule.drop)
    at = evaluate(part, mu, tau, rule, interval)
    loglik = at.loglik.copy()
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
        tau[rows], loglik[rows] = trial, at.loglik
    return tau, loglik


def mu_interval(studies: Likelihood, fit: Fit, level: float) -> tuple[Array, Array]:
    """Lower and upper end of mu, ``[b]``; infinite where the profile never falls far enough."""
    drop = float(quantiles.chi2_quantile(level, 1)) / 2
    b = fit.mu.size
    target = fit.loglik - drop
    least = 1.0 / np.maximum(studies.precision.sum(-1), 1e-300)
    scale = np.sqrt(np.clip(np.nan_to_num(fit.covariance[:, 0, 0], nan=1.0), np.minimum(least, 25.0), 25.0))
    ends = []
    for direction in (-1.0, 1.0):
        current = np.maximum(np.nan_to_num(fit.tau), 0.3 * scale)

        def height(mu: Array, index: Indices, current: Array = current) -> Array:
            part = studies.take(index)
            tau, loglik = _maximise_tau(part, mu, np.maximum(current[index], 0.05), RULES[1])
            for rule, rows in _by_rule(tau):
                if rule is not _RULES[0][1]:
                    tau[rows], loglik[rows] = _maximise_tau(part.take(rows), mu[rows], tau[rows], rule)
            # The climb cannot cross a dip between the boundary and an interior maximum: look at the boundary as well.
            zero = part.slope(mu[:, None] + np.zeros_like(part.guess))[0].sum(-1) + part.constant
            current[index] = tau
            return np.asarray(np.maximum(loglik, zero) - target[index])

        inner, f_inner = fit.mu.copy(), np.full(b, drop)
        outer, f_outer = fit.mu + direction * 2 * scale, np.full(b, np.nan)
        closed = np.zeros(b, dtype=bool)
        rows = np.flatnonzero(~fit.unbounded)
        for _ in range(12):
            if not rows.size:
                break
            f_outer[rows] = height(outer[rows], rows)
            below = f_outer[rows] < 0
            closed[rows[below]] = True
            rows = rows[~below]
            inner[rows], f_inner[rows] = outer[rows], f_outer[rows]
            outer[rows] = fit.mu[rows] + 1.6 * (outer[rows] - fit.mu[rows])
        end = np.full(b, direction * np.inf)
        rows = np.flatnonzero(closed)
        if rows.size:
            end[rows] = find_roots(
                lambda m, i, rows=rows, height=height: height(m, rows[i]),  # type: ignore[misc]
                inner[rows],
                outer[rows],
                f_lower=f_inner[rows],
                f_upper=f_outer[rows],
                relative=_TOLERANCE,
                scale=scale[rows],
            )
        ends.append(np.where(fit.unbounded, np.nan, end))
    return ends[0], ends[1]
