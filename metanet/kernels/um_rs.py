"""The two-group logistic model with random study intercepts and random effects (UM.RS): maximum likelihood.

``logit p_1i = alpha_i + theta_i / 2``, ``logit p_2i = alpha_i - theta_i / 2``, ``alpha_i ~ N(alpha, sigma2)`` independent of
``theta_i ~ N(theta, tau2)`` (Turner 2000, doi:10.1002/1097-0258(20001230)19:24<3417::AID-SIM614>3.0.CO;2-L; Jackson 2018,
doi:10.1002/sim.7588). Counts have shape ``[b, k]``; a study in which either total is 0 is absent and contributes exactly nothing.
A study without events in both arms speaks of alpha and sigma, and stays.

Notes
-----
The likelihood is integrated over both effects (`metanet.kernels.um_rs_likelihood`). With two random effects metafor's `rma.glmm`
and lme4 can only approximate it by Laplace's method, so that their numbers differ in the second or third digit for small studies.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy import special

from metanet.kernels import quantiles, um_fs, um_rs_likelihood
from metanet.kernels.ascent import STEP_TOLERANCE, Evaluate, Local, climb, covariance
from metanet.kernels.two_group_counts import TAU_LIMIT, Counts, Rule, count, rounding

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Rows = NDArray[np.intp]

SCAN_RULE = Rule(12, 14.0)
#: Rules tried in turn until one with twice the nodes (on each axis) no longer moves the estimate.
RULES = tuple(Rule(nodes, 37.0) for nodes in (24, 48, 96, 192))
#: The quadrature is settled when doubling the nodes moves the parameters by less than this many standard errors.
NODE_TOLERANCE = 1e-6
#: Standard deviations in the scan.
_TAUS = (0.1, 0.3, 0.7, 1.3, 2.5, 6.0)
_SIGMAS = (0.3, 1.0, 3.0)
_CHUNK = 24

THETA, ALPHA, TAU, SIGMA = range(4)


@dataclass(frozen=True)
class Fit:
    """Maximum-likelihood fit, by row ``[b]``, and by study ``[b, k]``.

    Attributes
    ----------
    theta, se
        Mean log odds ratio; its standard error from the full observed information (without tau and sigma where they are 0).
    alpha
        Mean of the study intercepts: of the midpoint of both arms' logits.
    tau, tau2, sigma, sigma2
        Standard deviations and variances of the true log odds ratios and of the intercepts.
    loglik, loglik_common
        Log-likelihood, binomial coefficients included, at the maximum and at the maximum with tau = 0.
    covariance
        Of (theta, alpha, tau, sigma), ``[b, 4, 4]``; zero in the rows and columns of a standard deviation at 0.
    study_information
        Each study's share of the information on theta with alpha eliminated, at these tau and sigma (the weights); not negative.
    effect
        Posterior mean of each study's theta_i; NaN for absent studies.
    used, k
        The studies present, and their number.
    unbounded
        The likelihood has no maximum at finite parameters; all other values but `loglik_common` are NaN.
    settled
        The quadrature and the Newton decrement passed their checks.
    """

    theta: Array
    se: Array
    alpha: Array
    tau: Array
    tau2: Array
    sigma: Array
    sigma2: Array
    loglik: Array
    loglik_common: Array
    covariance: Array
    study_information: Array
    effect: Array
    used: Mask
    k: Array
    unbounded: Mask
    settled: Mask


def fit(events: Array, total: Array, events_control: Array, total_control: Array) -> Fit:
    """Maximise the likelihood of every row.

    Notes
    -----
    Both standard deviations can have their maximum at zero, and tau several maxima: its profile is scanned first, and each of the four
    faces of the parameter space is kept only where its likelihood is above that of the smaller ones.
    """
    parts = []
    for first in range(0, max(len(events), 1), _CHUNK):
        part = slice(first, first + _CHUNK)
        arrays = (events[part], total[part], events_control[part], total_control[part])
        parts.append(_fit(count(*arrays, (total[part] > 0) & (total_control[part] > 0))))
    return Fit(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Fit)))


def heterogeneity_test(
    events: Array, total: Array, events_control: Array, total_control: Array, fit: Fit
) -> tuple[Array, Array, Array]:
    """Likelihood-ratio test of tau = 0 against an odds ratio of its own for every study: statistic, degrees of freedom, p-value.

    The intercepts are random in both. With events and non-events of the controls exchanged the larger model is UM.FS: the roles of
    intercept and effect change places.

    Notes
    -----
    With random intercepts and free odds ratios the coding of the groups matters. Here it is +1/2 and -1/2, as in the model
    itself; metafor's `QE.LRT` for UM.RS codes the larger model 1 and 0, so that exchanging the groups changes its test.
    """
    saturated = um_fs.fit(events, total, total_control - events_control, total_control)
    df = np.maximum(fit.k - 1.0, 0.0)
    statistic = np.maximum(2.0 * (saturated.loglik - fit.loglik_common), 0.0)
    return statistic, df, quantiles.chi2_upper_tail(statistic, df)


def bind(counts: Counts, rule: Rule) -> Evaluate:
    """The likelihood of these counts under this rule, as a climb asks for it."""

    def evaluate(x: Array, peak: Array, rows: Rows) -> Local:
        return um_rs_likelihood.evaluate(counts.take(rows), x, peak, rule)

    return evaluate


def ascend(
    counts: Counts, x: Array, peak: Array, rule: Rule, free: tuple[int, ...], *, tolerance: float = STEP_TOLERANCE
) -> tuple[Array, Array, Local, Mask]:
    """Climb over the free ones of (theta, alpha, tau, sigma) from a start; `peak` is where the studies' integrands peak in u."""
    return climb(
        bind(counts, rule),
        x,
        peak,
        free=free,
        scales=(TAU, SIGMA),
        noise=rounding(counts),
        limit=2 * TAU_LIMIT,
        tolerance=tolerance,
    )


def separated(counts: Counts) -> Mask:
    """Rows with an arm at 0 % or 100 % in every study, for which theta has no finite maximum, ``[b]``."""
    a, n1, c, n2 = (value.sum(-1) for value in (counts.a, counts.n1, counts.c, counts.n2))
    return np.asarray((a == 0) | (a == n1) | (c == 0) | (c == n2))


def start(counts: Counts) -> Array:
    """Theta and alpha of the summed counts of both arms, without spread, ``[b, 4]``."""
    l1, l2 = (
        special.logit((x.sum(-1) + 0.5) / (n.sum(-1) + 1.0)) for x, n in ((counts.a, counts.n1), (counts.c, counts.n2))
    )
    return np.stack([l1 - l2, 0.5 * (l1 + l2), 0.0 * l1, 0.0 * l1], -1)


@dataclass
class _Best:
    """The highest point found so far, row by row; a point with more parameters must be higher by more than rounding."""

    x: Array
    peak: Array
    at: Local
    settled: Mask
    noise: Array

    def offer(self, rows: Rows, x: Array, peak: Array, at: Local, settled: Mask, *, margin: float = 1.0) -> None:
        higher = np.asarray(at.loglik > self.at.loglik[rows] + margin * self.noise[rows])
        which = rows[higher]
        self.x[which], self.peak[which], self.settled[which] = x[higher], peak[higher], settled[higher]
        self.at.put(which, at.take(higher))


def _fit(counts: Counts) -> Fit:
    b = len(counts.a)
    apart = separated(counts)
    x = start(counts)
    rows = np.flatnonzero(~apart)
    whole = bind(counts, RULES[0])(x, np.zeros_like(counts.a), np.arange(b))
    best = _Best(x, np.zeros_like(counts.a), whole, np.zeros(b, dtype=bool), rounding(counts))
    loglik_common = np.full(b, np.nan)
    if rows.size:
        part = counts.take(rows)
        found, peak, at, done = ascend(part, x[rows], best.peak[rows], RULES[0], (THETA, ALPHA))
        best.offer(rows, found, peak, at, done, margin=-np.inf)
        several = counts.present[rows].sum(-1) > 1
        _spread(counts, best, rows[several], (SIGMA,), _SIGMAS)
        loglik_common[rows] = best.at.loglik[rows]
        _spread(counts, best, rows[several], (TAU,), _TAUS)
        _spread(counts, best, rows[several], (TAU, SIGMA), _TAUS)
    unbounded = apart | (best.x[:, (TAU, SIGMA)] >= TAU_LIMIT).any(1)
    free = np.ones((b, 4), dtype=bool)
    free[:, (TAU, SIGMA)] = best.x[:, (TAU, SIGMA)] > 0
    matrix = covariance(best.at.information, free & ~unbounded[:, None])
    variance = matrix[:, 0, 0]
    settled = best.settled & ~unbounded & (variance > 0)
    with np.errstate(invalid="ignore"):
        se = np.sqrt(variance)
    theta, alpha, tau, sigma = best.x.T.copy()
    loglik, information = best.at.loglik.copy(), best.at.study_information
    effect = np.where(counts.present, best.at.effect, np.nan)
    for gone in (theta, se, alpha, tau, sigma, loglik, matrix, information, effect):
        gone[unbounded] = np.nan
    return Fit(
        theta=theta,
        se=se,
        alpha=alpha,
        tau=tau,
        tau2=tau * tau,
        sigma=sigma,
        sigma2=sigma * sigma,
        loglik=loglik,
        loglik_common=loglik_common,
        covariance=matrix,
        study_information=information,
        effect=effect,
        used=counts.present,
        k=np.asarray(counts.present.sum(-1), dtype=np.float64),
        unbounded=unbounded,
        settled=settled,
    )


def _spread(counts: Counts, best: _Best, rows: Rows, spreads: tuple[int, ...], points: tuple[float, ...]) -> None:
    """Offer the best point with these standard deviations above zero and the other, if any, at zero.

    The first of them is scanned; a climb starts from every rise of the scanned profile, with the nodes doubled until they no longer
    matter.
    """
    if not rows.size:
        return
    w = len(points)
    each = np.repeat(rows, w)
    wide = best.x[each]
    wide[:, TAU if SIGMA in spreads and len(spreads) == 1 else SIGMA] *= float(len(spreads) - 1)
    wide[:, spreads[0]] = np.tile(points, rows.size)
    if len(spreads) > 1:
        wide[:, SIGMA] = np.maximum(wide[:, SIGMA], 0.3)
    others = (THETA, ALPHA, *spreads[1:])
    found, peak, at, _ = ascend(counts.take(each), wide, best.peak[each], SCAN_RULE, others, tolerance=0.02)
    slope = at.score[:, spreads[0]].reshape(rows.size, w)
    loglik = at.loglik.reshape(rows.size, w)
    # The profile turns from rising to falling between two points, before the first, or after the last.
    before = np.concatenate([np.ones((rows.size, 1), dtype=bool), slope > 0], axis=1)
    after = np.concatenate([slope <= 0, np.ones((rows.size, 1), dtype=bool)], axis=1)
    row, cell = np.nonzero(before & after)
    left, right = np.maximum(cell - 1, 0), np.minimum(cell, w - 1)
    chosen = row * w + np.where(loglik[row, right] > loglik[row, left], right, left)
    owner, x = rows[row], found[chosen]
    x[cell == 0, spreads[0]] *= 0.5
    free = (THETA, ALPHA, *spreads)
    tried, tried_peak, first, done = ascend(counts.take(owner), x, peak[chosen], RULES[0], free)
    order = np.lexsort((-first.loglik, owner))
    rows, top = np.unique(owner[order], return_index=True)
    top = order[top]
    x, peak, at, done = tried[top], tried_peak[top], first.take(top), done[top]
    close = np.zeros(rows.size, dtype=bool)
    place = np.arange(rows.size)
    for rule in RULES[1:]:
        # Not worth the nodes: on its way to zero, out of bounds, or clearly below what is known.
        worth = (x[place][:, list(spreads)] > 1e-6).all(1) & (x[place][:, list(spreads)] < TAU_LIMIT).all(1)
        worth &= at.loglik[place] > best.at.loglik[rows[place]] - 0.05
        place = place[worth]
        if not place.size:
            break
        part = counts.take(rows[place])
        after_x, after_peak, local, arrived = ascend(part, x[place], peak[place], rule, free)
        moved = after_x - x[place]
        distance = np.abs(np.einsum("mi,mij,mj->m", moved, local.information, moved))
        x[place], peak[place] = after_x, after_peak
        at.put(place, local)
        near = (distance < NODE_TOLERANCE**2 + rounding(part) ** 2) & arrived
        close[place] = near
        place = place[~near]
    inside = (x[:, list(spreads)] > 1e-6).all(1)
    which = np.flatnonzero(inside)
    best.offer(rows[which], x[which], peak[which], at.take(which), close[which])
