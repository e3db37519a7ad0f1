"""What the two logistic mixed models share: nodes doubled until they no longer matter, and profile-likelihood intervals.

An end of an interval is where twice the fall of the profile log-likelihood from its maximum equals the chi-squared quantile with
one degree of freedom (Venzon and Moolgavkar 1988, doi:10.2307/2347496). The other parameters are at their best at every point; each
end is a root found by bracketing, every row of the batch on its own path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from metanet.base.arrays import Array, Indices, Mask
from metanet.kernels.numerics import distributions
from metanet.kernels.numerics.ascent import Local
from metanet.kernels.numerics.roots import inner_end, outer_end
from metanet.kernels.two_groups.counts import TAU_LIMIT, Counts, Rule, rounding

#: Profile log-likelihood at positions ``[m]`` of the rows ``[m]``. One may remember where it found the best of the other parameters.
Profile = Callable[[Array, Indices], Array]


@dataclass(frozen=True)
class Fitted:
    """Maximum-likelihood fit of either model, by row ``[b]``, and by study ``[b, k]``.

    Attributes
    ----------
    theta, se
        Mean log odds ratio; its standard error from the full observed information (without a standard deviation that is 0).
    tau, tau2
        Standard deviation and variance of the true log odds ratios. Zero is a maximum on the boundary.
    loglik, loglik_common
        Log-likelihood of the studies used, binomial coefficients included, at the maximum and at the maximum with tau = 0.
    covariance
        Of the common parameters, ``[b, p, p]``; zero in the rows and columns of a standard deviation at 0.
    study_information
        Each study's share of the information on theta, with its intercept eliminated, at the fit (the weights); never negative.
    effect
        Posterior mean of each study's theta_i; NaN for studies not used.
    used, k
        The studies that are in the likelihood, and their number.
    unbounded
        The likelihood has no maximum at finite parameters; all other values but the log-likelihoods at tau = 0 are NaN.
    settled
        The quadrature and the Newton decrement passed their checks.
    """

    theta: Array
    se: Array
    tau: Array
    tau2: Array
    loglik: Array
    loglik_common: Array
    covariance: Array
    study_information: Array
    effect: Array
    used: Mask
    k: Array
    unbounded: Mask
    settled: Mask


def doubled(
    ascend: Callable[[Counts, Array, Array, Rule], tuple[Array, Array, Local, Mask]],
    counts: Counts,
    x: Array,
    own: Array,
    at: Local,
    rules: Iterable[Rule],
    worth: Callable[[Indices], Mask],
    tolerance: float,
) -> Mask:
    """Climb on under rules with more nodes, and write where that leads; tells which rows came to rest, ``[m]``.

    Rows that are not `worth` more nodes are left as they are. The quadrature is settled when doubling the nodes moves the
    parameters by less than `tolerance` standard errors.
    """
    close, place = np.zeros(len(x), dtype=bool), np.arange(len(x))
    for rule in rules:
        place = place[worth(place)]
        if not place.size:
            break
        part = counts.take(place)
        after, after_own, local, arrived = ascend(part, x[place], own[place], rule)
        moved = after - x[place]
        distance = np.abs(np.einsum("mi,mij,mj->m", moved, local.information, moved))
        x[place], own[place] = after, after_own
        at.put(place, local)
        near = (distance < tolerance**2 + rounding(part) ** 2) & arrived
        close[place] = near
        place = place[~near]
    return close


def tau_ends(profile: Callable[[], Profile], fit: Fitted, level: float, relative: float) -> tuple[Array, Array]:
    """Lower and upper end of tau, ``[b]``: 0 where tau = 0 is likely enough, inf where the data set no limit below `TAU_LIMIT`."""
    drop = float(distributions.chi2_quantile(level, 1)) / 2
    target = fit.loglik - drop
    below, above = _less(profile(), target), _less(profile(), target)
    lower = inner_end(below, fit.tau, drop, fit.loglik_common - target, relative=relative)
    top = np.nan_to_num(fit.tau)
    rows = np.flatnonzero(~fit.unbounded & (fit.k > 1))
    upper = outer_end(above, top, drop, np.maximum(2 * top, 0.5), rows, limit=TAU_LIMIT, relative=relative)
    return np.where(fit.unbounded, np.nan, lower), np.where(fit.unbounded, np.nan, upper)


def theta_ends(profile: Callable[[Array], Profile], fit: Fitted, level: float, relative: float) -> tuple[Array, Array]:
    """Lower and upper end of theta, ``[b]``; infinite where the profile never falls far enough. The profile gets a scale ``[b]``."""
    drop = float(distributions.chi2_quantile(level, 1)) / 2
    target = fit.loglik - drop
    scale = np.clip(np.nan_to_num(fit.se, nan=1.0), 1e-8, 5.0)
    rows = np.flatnonzero(~fit.unbounded)
    lower, upper = (
        outer_end(_less(profile(scale), target), fit.theta, drop, fit.theta + side * 2 * scale, rows, side=side, relative=relative)
        for side in (-1.0, 1.0)
    )
    return np.where(fit.unbounded, np.nan, lower), np.where(fit.unbounded, np.nan, upper)


def _less(profile: Profile, target: Array) -> Profile:
    return lambda position, rows: profile(position, rows) - target[rows]
