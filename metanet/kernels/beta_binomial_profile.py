"""Profile-likelihood intervals of the beta-binomial model: the intraclass correlation and the mean logit.

An end of an interval is where twice the fall of the profile log-likelihood from its maximum equals the chi-squared quantile with
one degree of freedom (Venzon and Moolgavkar 1988, doi:10.2307/2347496). Each end is a root found by bracketing, every row of the
batch on its own path, in the coordinates of the fit: mu, and log(1 + scale psi) for rho.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metanet.kernels import quantiles
from metanet.kernels.beta_binomial import Fit, scale, search
from metanet.kernels.beta_binomial_likelihood import Counts, count, evaluate
from metanet.kernels.profile_ends import outer_end
from metanet.kernels.roots import Indices, find_roots

Array = NDArray[np.float64]

_TOLERANCE = 1e-10


def maximise_mu(counts: Counts, mu: Array, psi: Array, iterations: int = 100) -> tuple[Array, Array]:
    """Maximise over mu at fixed psi; returns mu and the profile log-likelihood, ``[b]``.

    The log-likelihood is concave in pi, hence rises to one maximum in mu and falls: Newton's steps are kept between the nearest
    points known to lie on either side.
    """
    mu, loglik = mu.copy(), np.full(mu.shape, np.nan)
    below, above = np.full(mu.shape, -np.inf), np.full(mu.shape, np.inf)
    rows = np.arange(mu.size)
    for _ in range(iterations):
        at = evaluate(counts.take(rows), mu[rows], psi[rows])
        score, observed = at.score[:, 0], at.information[:, 0, 0]
        concave = at.study_information.sum(-1)
        step = np.clip(score / np.where(observed > 0.1 * concave, observed, np.maximum(concave, 1e-300)), -2.0, 2.0)
        gain = step * score
        # The last step is taken too; its quadratic gain makes the likelihood exact to the square of what is left.
        loglik[rows] = at.loglik + 0.5 * gain
        below[rows] = np.where(score > 0, mu[rows], below[rows])
        above[rows] = np.where(score < 0, mu[rows], above[rows])
        new = mu[rows] + step
        outside = (new <= below[rows]) | (new >= above[rows])
        with np.errstate(invalid="ignore"):
            middle = 0.5 * (below[rows] + above[rows])
        mu[rows] = np.where(outside & np.isfinite(middle) & (gain > 1e-16), middle, new)
        rows = rows[gain > 1e-16]
        if not rows.size:
            break
    return mu, loglik


def rho_interval(events: Array, total: Array, fit: Fit, level: float) -> tuple[Array, Array]:
    """Lower and upper end of rho, ``[b]``: 0 where the binomial model is likely enough, 1 where the data set no limit.

    NaN where the fit is unbounded.
    """
    counts = count(events, total)
    drop = float(quantiles.chi2_quantile(level, 1)) / 2
    target, size = fit.loglik - drop, scale(counts)
    current = fit.mu.copy()

    def height(position: Array, index: Indices) -> Array:
        mu, loglik = maximise_mu(counts.take(index), current[index], np.expm1(position) / size[index])
        current[index] = mu
        return loglik - target[index]

    top = np.log1p(size * fit.psi)
    lower = np.zeros(top.shape)
    rows = np.flatnonzero((fit.loglik_common < target) & (top > 0))
    if rows.size:
        lower[rows] = find_roots(
            lambda t, i: height(t, rows[i]),
            np.zeros(rows.size),
            top[rows],
            f_lower=fit.loglik_common[rows] - target[rows],
            f_upper=np.full(rows.size, drop),
            relative=_TOLERANCE,
        )
    current = fit.mu.copy()
    rows = np.flatnonzero(~fit.unbounded & (counts.total > 1).any(-1))
    upper = outer_end(height, top, drop, top + 1.0, rows, relative=_TOLERANCE)
    ends = []
    for end in (lower, upper):
        with np.errstate(over="ignore", invalid="ignore"):
            psi = np.expm1(end) / size
            ends.append(np.where(fit.unbounded, np.nan, np.where(np.isinf(psi), 1.0, psi / (1.0 + psi))))
    return ends[0], ends[1]


def mu_interval(events: Array, total: Array, fit: Fit, level: float) -> tuple[Array, Array]:
    """Lower and upper end of mu, ``[b]``; NaN where the fit is unbounded.

    At every mu the maximum over rho is sought anew, on the boundary and inside: the best rho can jump from one to the other.
    """
    counts = count(events, total)
    drop = float(quantiles.chi2_quantile(level, 1)) / 2
    target = fit.loglik - drop

    def height(mu: Array, index: Indices) -> Array:
        _, _, at, _, _ = search(counts.take(index), mu, hold_mu=True)
        return np.asarray(at.loglik - target[index])

    rows = np.flatnonzero(~fit.unbounded)
    reach = np.clip(np.nan_to_num(fit.se, nan=1.0), 1e-8, 4.0) * np.sqrt(2.0 * drop)
    lower, upper = (
        outer_end(height, fit.mu, drop, fit.mu + side * reach, rows, side=side, relative=_TOLERANCE)
        for side in (-1.0, 1.0)
    )
    return np.where(fit.unbounded, np.nan, lower), np.where(fit.unbounded, np.nan, upper)
