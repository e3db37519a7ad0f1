"""Profile-likelihood intervals of the binomial-normal model: tau2 and the mean logit.

An end of an interval is where twice the fall of the profile log-likelihood from its maximum equals the chi-squared quantile with
one degree of freedom. Each end is a root found by bracketing, every row of the batch on its own path.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from metanet.kernels import quantiles
from metanet.kernels.binomial_normal import RULES, Rule, common_rate, evaluate, rounding
from metanet.kernels.binomial_normal_fit import TAU_LIMIT, Fit, maximise_mu
from metanet.kernels.roots import Indices, find_roots

Array = NDArray[np.float64]

_TOLERANCE = 1e-9
#: The wider the random effect, the more nodes a study at 0 % or 100 % needs: rules up to a tau of 4, of 10, and beyond.
_RULES = ((4.0, RULES[2]), (10.0, RULES[3]), (np.inf, RULES[5]))


def tau_interval(events: Array, total: Array, fit: Fit, level: float) -> tuple[Array, Array]:
    """Lower and upper end of tau, ``[b]``; the upper end is inf where the data set no limit below `TAU_LIMIT`."""
    drop = float(quantiles.chi2_quantile(level, 1)) / 2
    b = events.shape[0]
    target = fit.loglik - drop
    current = fit.mu.copy()

    def height(tau: Array, index: Indices) -> Array:
        start = current[index]
        mu, loglik = start.copy(), np.empty(tau.size)
        for rule, rows in _by_rule(tau):
            chosen = index[rows]
            mu[rows], loglik[rows], _ = maximise_mu(events[chosen], total[chosen], start[rows], tau[rows], rule)
        current[index] = mu
        return loglik - target[index]

    lower = np.zeros(b)
    rows = np.flatnonzero((fit.loglik_common < target) & (fit.tau > 0))
    if rows.size:
        lower[rows] = find_roots(
            lambda t, i: height(t, rows[i]),
            np.zeros(rows.size),
            fit.tau[rows],
            f_lower=fit.loglik_common[rows] - target[rows],
            f_upper=np.full(rows.size, drop),
            relative=_TOLERANCE,
        )
    current = fit.mu.copy()
    upper = np.full(b, np.inf)
    inner, outer = fit.tau.copy(), np.maximum(2 * fit.tau, 0.5)
    f_inner, f_outer = np.full(b, drop), np.full(b, np.nan)
    rows = np.flatnonzero(~fit.unbounded)
    closed = np.zeros(b, dtype=bool)
    while rows.size:
        f_outer[rows] = height(outer[rows], rows)
        below = f_outer[rows] < 0
        closed[rows[below]] = True
        rows = rows[~below]
        inner[rows], f_inner[rows] = outer[rows], f_outer[rows]
        rows = rows[outer[rows] < TAU_LIMIT]
        outer[rows] = np.minimum(1.7 * outer[rows], TAU_LIMIT)
    rows = np.flatnonzero(closed)
    if rows.size:
        upper[rows] = find_roots(
            lambda t, i: height(t, rows[i]),
            inner[rows],
            outer[rows],
            f_lower=f_inner[rows],
            f_upper=f_outer[rows],
            relative=_TOLERANCE,
        )
    return np.where(fit.unbounded, np.nan, lower), np.where(fit.unbounded, np.nan, upper)


def _by_rule(tau: Array) -> Iterator[tuple[Rule, NDArray[np.intp]]]:
    """The rows that each rule serves; a row's rule depends on its own tau alone."""
    below = -np.inf
    for limit, rule in _RULES:
        rows = np.flatnonzero((tau > below) & (tau <= limit))
        if rows.size:
            yield rule, rows
        below = limit


def _maximise_tau(
    events: Array, total: Array, mu: Array, start: Array, rule: Rule, iterations: int = 60
) -> tuple[Array, Array]:
    """Climb over tau >= 0 at fixed mu from a start; returns tau and the profile log-likelihood, ``[b]``."""
    tau = start.copy()
    whole = evaluate(events, total, mu, tau, rule)
    rows, at = np.arange(mu.size), whole
    for _ in range(iterations):
        curvature, score = at.information[:, 1, 1], at.score[:, 1]
        size = np.where(curvature > 1e-6, curvature, np.maximum(np.abs(curvature), 1e-2))
        step = np.clip(score / size, -1.0, 1.0)
        open_ = (step * score > 1e-17) & (tau[rows] < 2 * TAU_LIMIT)
        rows, step = rows[open_], step[open_]
        if not rows.size:
            break
        length = np.ones(rows.size)
        floor = whole.loglik[rows] - rounding(total[rows])
        for _ in range(14):
            trial = np.abs(tau[rows] + length * step)
            at = evaluate(events[rows], total[rows], mu[rows], trial, rule)
            worse = ~(at.loglik >= floor)
            if not worse.any():
                break
            length[worse] *= 0.5
        rows, at = rows[~worse], at.take(~worse)
        tau[rows] = trial[~worse]
        whole.put(rows, at)
    return tau, whole.loglik


def mu_interval(events: Array, total: Array, fit: Fit, level: float) -> tuple[Array, Array]:
    """Lower and upper end of mu, ``[b]``; infinite where the profile never falls far enough."""
    drop = float(quantiles.chi2_quantile(level, 1)) / 2
    b = events.shape[0]
    target = fit.loglik - drop
    _, least = common_rate(events, total)
    scale = np.sqrt(np.clip(np.nan_to_num(fit.covariance[:, 0, 0], nan=1.0), least, 25.0))
    ends = []
    for direction in (-1.0, 1.0):
        current = np.maximum(np.nan_to_num(fit.tau), 0.3 * scale)

        def height(mu: Array, index: Indices, current: Array = current) -> Array:
            e, n = events[index], total[index]
            tau, loglik = _maximise_tau(e, n, mu, np.maximum(current[index], 0.05), RULES[2])
            for rule, rows in _by_rule(tau):
                if rule is not RULES[2]:
                    tau[rows], loglik[rows] = _maximise_tau(e[rows], n[rows], mu[rows], tau[rows], rule)
            # The climb cannot cross a dip between the boundary and an interior maximum: look at the boundary as well.
            zero = evaluate(e, n, mu, np.zeros(mu.size), RULES[0]).loglik
            current[index] = tau
            return np.maximum(loglik, zero) - target[index]

        inner, f_inner = fit.mu.copy(), np.full(b, drop)
        outer, f_outer = fit.mu + direction * 2 * scale, np.full(b, np.nan)
        closed = np.zeros(b, dtype=bool)
        rows = np.flatnonzero(~fit.unbounded)
        for _ in range(12):
            f_outer[rows] = height(outer[rows], rows)
            below = f_outer[rows] < 0
            closed[rows[below]] = True
            rows = rows[~below]
            if not rows.size:
                break
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
            )
        ends.append(np.where(fit.unbounded, np.nan, end))
    return ends[0], ends[1]
