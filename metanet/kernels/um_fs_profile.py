"""Profile-likelihood intervals of the two-group model with fixed study intercepts (UM.FS): theta and tau.

An end of an interval is where twice the fall of the profile log-likelihood from its maximum equals the chi-squared quantile with
one degree of freedom (Venzon and Moolgavkar 1988, doi:10.2307/2347496). The other parameters, the intercepts among them, are at their
best at every point; each end is a root found by bracketing, every row of the batch on its own path.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metanet.kernels import quantiles
from metanet.kernels.profile_ends import outer_end
from metanet.kernels.roots import Indices, find_roots
from metanet.kernels.two_group_counts import TAU_LIMIT, Counts, count
from metanet.kernels.um_fs import RULES, Fit, ascend, intercepts

Array = NDArray[np.float64]

_TOLERANCE = 1e-9
#: The wider the random effect, the more nodes a study with an empty cell needs: rules up to a tau of 4, of 10, and beyond.
_LIMITS = np.array([4.0, 10.0])
_RULES = (RULES[1], RULES[2], RULES[4])


def tau_interval(
    events: Array, total: Array, events_control: Array, total_control: Array, fit: Fit, level: float
) -> tuple[Array, Array]:
    """Lower and upper end of tau, ``[b]``: 0 where tau = 0 is likely enough, inf where the data set no limit below `TAU_LIMIT`."""
    counts = count(events, total, events_control, total_control, fit.used)
    drop = float(quantiles.chi2_quantile(level, 1)) / 2
    target = fit.loglik - drop
    theta, alpha = _inside(fit)

    def height(tau: Array, index: Indices) -> Array:
        x = np.stack([theta[index], tau], -1)
        found, found_alpha, loglik = _best(counts.take(index), x, alpha[index], (0,))
        theta[index], alpha[index] = found[:, 0], found_alpha
        return loglik - target[index]

    lower = np.zeros(target.shape)
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
    theta, alpha = _inside(fit)
    rows = np.flatnonzero(~fit.unbounded & (fit.k > 1))
    first = np.maximum(2 * np.nan_to_num(fit.tau), 0.5)
    upper = outer_end(height, np.nan_to_num(fit.tau), drop, first, rows, limit=TAU_LIMIT, relative=_TOLERANCE)
    return np.where(fit.unbounded, np.nan, lower), np.where(fit.unbounded, np.nan, upper)


def theta_interval(
    events: Array, total: Array, events_control: Array, total_control: Array, fit: Fit, level: float
) -> tuple[Array, Array]:
    """Lower and upper end of theta, ``[b]``; infinite where the profile never falls far enough."""
    counts = count(events, total, events_control, total_control, fit.used)
    drop = float(quantiles.chi2_quantile(level, 1)) / 2
    target = fit.loglik - drop
    scale = np.clip(np.nan_to_num(fit.se, nan=1.0), 1e-8, 5.0)
    rows = np.flatnonzero(~fit.unbounded)
    ends = []
    for side in (-1.0, 1.0):
        _, alpha = _inside(fit)
        zero_alpha = alpha.copy()
        tau = np.maximum(np.nan_to_num(fit.tau), 0.3 * scale)

        def height(
            theta: Array, index: Indices, tau: Array = tau, alpha: Array = alpha, zero_alpha: Array = zero_alpha
        ) -> Array:
            part = counts.take(index)
            _, zero_alpha[index], loglik = _best(part, np.stack([theta, 0.0 * theta], -1), zero_alpha[index], ())
            # The climb cannot cross a dip between the boundary and an interior maximum: it starts well inside.
            several = np.flatnonzero(fit.k[index] > 1)
            if several.size:
                which = index[several]
                start = np.stack([theta[several], np.maximum(tau[which], 0.05)], -1)
                found, alpha[which], inside = _best(part.take(several), start, alpha[which], (1,))
                tau[which] = found[:, 1]
                loglik[several] = np.maximum(loglik[several], inside)
            return loglik - target[index]

        first = fit.theta + side * 2 * scale
        ends.append(outer_end(height, fit.theta, drop, first, rows, side=side, relative=_TOLERANCE))
    return np.where(fit.unbounded, np.nan, ends[0]), np.where(fit.unbounded, np.nan, ends[1])


def _inside(fit: Fit) -> tuple[Array, Array]:
    """The fitted theta and intercepts, with numbers where there are none."""
    return np.nan_to_num(fit.theta), np.nan_to_num(fit.alpha)


def _best(counts: Counts, x: Array, alpha: Array, free: tuple[int, ...]) -> tuple[Array, Array, Array]:
    """Climb from a start under the rule that the row's own tau asks for; returns parameters, intercepts and log-likelihood."""
    # A climb that runs off finds intercepts from which the next one would not come back.
    x, alpha = x.copy(), np.where(np.abs(alpha) < 50, alpha, intercepts(counts, x[:, 0]))
    loglik = np.full(len(x), np.nan)
    place = np.searchsorted(_LIMITS, x[:, 1])
    for here, rule in enumerate(_RULES):
        rows = np.flatnonzero(place == here)
        if rows.size:
            x[rows], alpha[rows], at, _ = ascend(counts.take(rows), x[rows], alpha[rows], rule, free, tolerance=1e-7)
            loglik[rows] = at.loglik
            # Where the climb has carried tau into the range of the next rule, that one has the last word.
            place[rows] = np.maximum(np.searchsorted(_LIMITS, x[rows, 1]), here)
    return x, alpha, loglik
