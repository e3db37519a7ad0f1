"""Profile-likelihood intervals of the two-group model with random study intercepts (UM.RS): theta and tau.

An end of an interval is where twice the fall of the profile log-likelihood from its maximum equals the chi-squared quantile with
one degree of freedom (Venzon and Moolgavkar 1988, doi:10.2307/2347496). The other parameters are at their best at every point; each
end is a root found by bracketing, every row of the batch on its own path.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metanet.kernels import quantiles
from metanet.kernels.profile_ends import outer_end
from metanet.kernels.roots import Indices, find_roots
from metanet.kernels.two_group_counts import TAU_LIMIT, Counts, count
from metanet.kernels.um_rs import ALPHA, RULES, SIGMA, TAU, THETA, Fit, ascend

Array = NDArray[np.float64]

_TOLERANCE = 1e-7
#: Up to this spread the coarser rule is exact to about 1e-8; beyond it studies with an empty cell need the finer one.
_LIMIT = 3.0


def tau_interval(
    events: Array, total: Array, events_control: Array, total_control: Array, fit: Fit, level: float
) -> tuple[Array, Array]:
    """Lower and upper end of tau, ``[b]``: 0 where tau = 0 is likely enough, inf where the data set no limit below `TAU_LIMIT`."""
    counts = count(events, total, events_control, total_control, fit.used)
    drop = float(quantiles.chi2_quantile(level, 1)) / 2
    target = fit.loglik - drop
    current = _point(fit)

    def height(tau: Array, index: Indices) -> Array:
        x = current[index]
        x[:, TAU], x[:, SIGMA] = tau, np.maximum(x[:, SIGMA], 0.1)
        current[index], loglik = _best(counts.take(index), x, (THETA, ALPHA, SIGMA))
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
    current = _point(fit)
    top = np.nan_to_num(fit.tau)
    rows = np.flatnonzero(~fit.unbounded & (fit.k > 1))
    upper = outer_end(height, top, drop, np.maximum(2 * top, 0.5), rows, limit=TAU_LIMIT, relative=_TOLERANCE)
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
        inside, edge = _point(fit), _point(fit)
        inside[:, TAU] = np.maximum(inside[:, TAU], 0.3 * scale)

        def height(theta: Array, index: Indices, inside: Array = inside, edge: Array = edge) -> Array:
            # On the boundary and inside: a climb cannot cross a dip between the two.
            part, x = counts.take(index), edge[index]
            x[:, THETA], x[:, TAU], x[:, SIGMA] = theta, 0.0, np.maximum(x[:, SIGMA], 0.1)
            edge[index], loglik = _best(part, x, (ALPHA, SIGMA))
            x = inside[index]
            x[:, THETA], x[:, TAU], x[:, SIGMA] = theta, np.maximum(x[:, TAU], 0.1), np.maximum(x[:, SIGMA], 0.1)
            inside[index], other = _best(part, x, (ALPHA, TAU, SIGMA))
            return np.maximum(loglik, other) - target[index]

        first = fit.theta + side * 2 * scale
        ends.append(outer_end(height, fit.theta, drop, first, rows, side=side, relative=_TOLERANCE))
    return np.where(fit.unbounded, np.nan, ends[0]), np.where(fit.unbounded, np.nan, ends[1])


def _point(fit: Fit) -> Array:
    """The fitted parameters, with numbers where there are none."""
    return np.nan_to_num(np.stack([fit.theta, fit.alpha, fit.tau, fit.sigma], -1))


def _best(counts: Counts, x: Array, free: tuple[int, ...]) -> tuple[Array, Array]:
    """Climb from a start, the wide ones with more nodes; returns the parameters and the log-likelihood."""
    x, loglik = x.copy(), np.full(len(x), np.nan)
    peak = np.zeros_like(counts.a)
    rows = np.arange(len(x))
    for rule, limit in ((RULES[1], _LIMIT), (RULES[2], np.inf)):
        here = rows[(x[rows][:, (TAU, SIGMA)] <= limit).all(1)]
        if here.size:
            x[here], _, at, _ = ascend(counts.take(here), x[here], peak[here], rule, free, tolerance=1e-5)
            loglik[here] = at.loglik
        # A climb may have carried a row into the range of the finer rule.
        rows = np.flatnonzero((x[:, (TAU, SIGMA)] > limit).any(1))
    return x, loglik
