"""Profile-likelihood interval of tau in an exact meta-regression.

An end is where twice the fall of the likelihood, maximised over the coefficients, from its maximum equals the chi-squared quantile
with one degree of freedom.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metanet.kernels import quantiles
from metanet.kernels.profile_ends import outer_end
from metanet.kernels.random_effect import RULES, rounding
from metanet.kernels.random_effect_fit import TAU_LIMIT
from metanet.kernels.regression_exact import ExactFit, without
from metanet.kernels.regression_exact_likelihood import maximise_gamma
from metanet.kernels.roots import find_roots
from metanet.kernels.study_likelihoods import Likelihood

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

#: The wider the random effect, the more nodes a study at its edge needs: rules up to a tau of 4, of 10, and beyond.
_RULES = ((4.0, RULES[2]), (10.0, RULES[3]), (np.inf, RULES[5]))


def tau_interval(studies: Likelihood, fit: ExactFit, level: float) -> tuple[Array, Array]:
    """Lower and upper end of tau, ``[b]``; the upper end is inf where the data set no limit below `TAU_LIMIT`, NaN without a fit.

    Where coefficients have no finite maximum the profile is that of its supremum.
    """
    b = fit.tau.size
    drop = float(quantiles.chi2_quantile(level, 1)) / 2
    gone = np.isnan(fit.eta)
    usable = ~fit.unbounded & ~gone.all(-1)
    studies = without(studies, gone) if gone.any() else studies
    u, active, gamma = fit.basis.u, fit.basis.active, fit.gamma.copy()

    def height(tau: Array, rows: Indices) -> Array:
        out, below = np.empty(tau.size), -1.0
        for limit, rule in _RULES:
            chosen = np.flatnonzero((tau > below) & (tau <= limit))
            if chosen.size:
                owner = rows[chosen]
                found, out[chosen], _ = maximise_gamma(
                    studies.take(owner), u[owner], active[owner], gamma[owner], tau[chosen], rule
                )
                # The ridge at one tau is where to look for that at the next.
                gamma[owner] = found
            below = limit
        return out - (fit.loglik[rows] - drop)

    lower, upper = np.where(usable, 0.0, np.nan), np.full(b, np.nan)
    at_zero = fit.loglik_common - (fit.loglik - drop)
    rows = np.flatnonzero(usable & (fit.tau > 0) & (at_zero < -rounding(studies.size)))
    if rows.size:
        lower[rows] = find_roots(
            lambda tau, i: height(tau, rows[i]),
            np.zeros(rows.size),
            fit.tau[rows],
            f_lower=at_zero[rows],
            f_upper=np.full(rows.size, drop),
            relative=1e-11,
        )
    gamma[:] = fit.gamma
    rows = np.flatnonzero(usable)
    if rows.size:
        with np.errstate(invalid="ignore"):
            se = np.sqrt(np.nan_to_num(fit.covariance[:, -1, -1], posinf=1.0))
        first = fit.tau + np.clip(2.0 * se, 0.3, 3.0)
        ends = outer_end(
            height, np.nan_to_num(fit.tau), drop, np.nan_to_num(first), rows, limit=TAU_LIMIT, relative=1e-11
        )
        upper[rows] = ends[rows]
    return lower, upper
