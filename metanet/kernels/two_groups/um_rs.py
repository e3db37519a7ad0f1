"""The two-group logistic model with random study intercepts and random effects (UM.RS): likelihood, maximum, profile intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from metanet.base.arrays import Array, Indices, Mask
from metanet.kernels.numerics import distributions
from metanet.kernels.numerics.ascent import STEP_TOLERANCE, Evaluate, Local, climb, covariance
from metanet.kernels.numerics.batches import highest, joined
from metanet.kernels.two_groups import um_fs, um_rs
from metanet.kernels.two_groups.counts import (
    LOG_SQRT_2PI,
    TAU_LIMIT,
    Counts,
    Height,
    Line,
    Rule,
    bernoulli,
    count,
    level_ends,
    log_binomial,
    rounding,
)
from metanet.kernels.two_groups.profiles import Fitted, Profile, doubled, tau_ends, theta_ends

# Likelihood of the two-group logistic model with random study intercepts and random effects (UM.RS).
#
# ``a ~ Binomial(n1, expit(alpha + sigma u + (theta + tau z) / 2))``, ``c ~ Binomial(n2, expit(alpha + sigma u - (theta + tau
# z) / 2))`` with independent u and z ~ N(0, 1) (Turner 2000,
# doi:10.1002/1097-0258(20001230)19:24<3417::AID-SIM614>3.0.CO;2-L; the coding by halves and the name are those of Jackson
# 2018, doi:10.1002/sim.7588).
#
# The integral over both effects is exact: a trapezoidal sum over u, and at each of its nodes one over z, each over the
# interval in which the integrand counts. Slope and curvature come from the posterior moments of the score on the same nodes
# (Louis 1982, doi:10.1111/j.2517-6161.1982.tb01203.x). The model is written in tau and sigma, in which the likelihood is
# even and smooth through 0.


#: Numbers in an array of nodes that the cache still holds.
_POINTS = 100_000


def evaluate(counts: Counts, x: Array, start: Array, rule: Rule) -> Local:
    """The likelihood (binomial coefficients included) at ``x = (theta, alpha, tau, sigma)``, ``[m, 4]``.

    `start` ``[m, k]`` says where to look for the peak in u; the step of the studies' own parameters leads there from it.
    """
    m, k = counts.a.shape
    length = max(1, _POINTS // (max(k, 1) * rule.nodes**2))
    parts = [
        _evaluate(counts.take(np.arange(i, min(i + length, m))), x[i : i + length], start[i : i + length], rule)
        for i in range(0, max(m, 1), length)
    ]
    return joined(parts)


def _evaluate(counts: Counts, x: Array, start: Array, rule: Rule) -> Local:
    theta, alpha, tau, sigma = (x[:, i : i + 1] for i in range(4))
    base1, base2, h = alpha + 0.5 * theta, alpha - 0.5 * theta, 0.5 * tau
    peak_u, low, high = _outer_interval(counts, base1, base2, h, sigma, start, rule.drop)
    step_u = (high - low) / (rule.nodes - 1)
    u = low[..., None] + step_u[..., None] * np.arange(rule.nodes)
    shift = sigma[..., None] * u
    line = Line(counts.widen(), base1[..., None] + shift, base2[..., None] + shift, h[..., None])
    low, high = line.ends(line.mode(), rule.drop, iterations=3)
    step_z = (high - low) / (rule.nodes - 1)
    z = low[..., None] + step_z[..., None] * np.arange(rule.nodes)
    u = np.broadcast_to(u[..., None], z.shape)
    spread = h[..., None, None] * z
    l1, l2 = line.e1[..., None] + spread, line.e2[..., None] - spread
    (s1, p1, q1), (s2, p2, q2) = bernoulli(l1), bernoulli(l2)
    a, n1, c, n2 = (value[..., None, None] for value in (counts.a, counts.n1, counts.c, counts.n2))
    log_density = a * l1 - n1 * s1 + c * l2 - n2 * s2 - 0.5 * (z * z + u * u) + np.log(step_z)[..., None]
    peak = log_density.max((-2, -1))
    posterior = np.exp(log_density - peak[..., None, None])
    mass = posterior.sum((-2, -1))
    posterior /= mass[..., None, None]
    loglik = (peak + np.log(mass * step_u) - 2.0 * LOG_SQRT_2PI) * counts.present
    r1, r2, w1, w2 = a - n1 * p1, c - n2 * p2, n1 * p1 * q1, n2 * p2 * q2

    flat = (*z.shape[:2], -1)
    one, z_, u_ = np.ones(z.shape).reshape(flat), z.reshape(flat), u.reshape(flat)
    # What theta, alpha, tau and sigma do to the logits of the two arms, at each node.
    arm1, arm2 = np.stack([0.5 * one, one, 0.5 * z_, u_], -2), np.stack([-0.5 * one, one, -0.5 * z_, u_], -2)
    weight = posterior.reshape(flat)[..., None, :]
    score = r1.reshape(flat)[..., None, :] * arm1 + r2.reshape(flat)[..., None, :] * arm2
    mean = (score * weight).sum(-1)
    away = score - mean[..., None]
    study = (
        _moment(arm1, weight * w1.reshape(flat)[..., None, :])
        + _moment(arm2, weight * w2.reshape(flat)[..., None, :])
        - _moment(away, weight)
    )
    information = study.sum(1)
    # The information on theta with alpha eliminated, shared out: a quadratic form of each study's own, never negative.
    whole = information[:, 1, 1]
    slope = (information[:, 0, 1] / np.where(whole > 0, whole, 1.0))[:, None]
    share = study[..., 0, 0] - 2.0 * slope * study[..., 0, 1] + slope * slope * study[..., 1, 1]
    nothing = np.zeros(counts.a.shape)
    return Local(
        loglik=np.asarray(loglik.sum(-1) + log_binomial(counts)),
        score=np.asarray(mean.sum(1)),
        information=np.asarray(information),
        own_step=peak_u - start,
        own_response=np.zeros((*counts.a.shape, 4)),
        own_gain=nothing.sum(-1),
        study_information=np.maximum(share, 0.0),
        effect=np.asarray(theta + tau * (posterior * z).sum((-2, -1))),
    )


def _moment(vector: Array, weight: Array) -> Array:
    """Weighted sum over the nodes of the vectors' outer products, ``[m, k, 4, 4]``."""
    return np.asarray((vector * weight) @ np.swapaxes(vector, -1, -2))


def _outer_interval(
    counts: Counts, base1: Array, base2: Array, h: Array, sigma: Array, start: Array, drop: float
) -> tuple[Array, Array, Array]:
    """Peak in u of the integrand at its best z, and the ends of the interval in which that exceeds its peak less `drop`.

    The profile of a concave function is concave, and bends at least as the prior does: Newton steps in a bracket, as along z.
    """

    def best(u: Array) -> Height:
        line = Line(counts, base1 + sigma * u, base2 + sigma * u, h)
        return line.height(line.mode())

    at = best(np.zeros_like(start))
    first = sigma * at.residual
    low, high = np.minimum(first, 0.0), np.maximum(first, 0.0)
    u = np.clip(start, low, high)
    bend, done = np.ones_like(u), np.zeros(u.shape, dtype=bool)
    for _ in range(60):
        at = best(u)
        slope = sigma * at.residual - u
        here = 1.0 + sigma * sigma * np.maximum(at.information - at.tilt * at.tilt / at.bend, 0.0)
        bend = np.where(done, bend, here)
        low, high = np.where(slope > 0, u, low), np.where(slope < 0, u, high)
        new = u + slope / bend
        new = np.where((new < low) | (new > high), 0.5 * (low + high), new)
        near = np.abs(new - u) * np.sqrt(bend) < 0.01
        u = np.where(done, u, new)
        done |= near
        if done.all():
            break

    def along(v: Array) -> tuple[Array, Array]:
        here = best(v)
        return here.value - 0.5 * v * v, sigma * here.residual - v

    # The best z falls a little behind the integral over z; the drop allows for it.
    ends = level_ends(along, u, along(u)[0], 1.0 / np.sqrt(bend), drop + 3.0, 3)
    return u, ends[0], ends[1]


# The two-group logistic model with random study intercepts and random effects (UM.RS): maximum likelihood.
#
# ``logit p_1i = alpha_i + theta_i / 2``, ``logit p_2i = alpha_i - theta_i / 2``, ``alpha_i ~ N(alpha, sigma2)`` independent of
# ``theta_i ~ N(theta, tau2)`` (Turner 2000, doi:10.1002/1097-0258(20001230)19:24<3417::AID-SIM614>3.0.CO;2-L; Jackson 2018,
# doi:10.1002/sim.7588). Counts have shape ``[b, k]``; a study in which either total is 0 is absent and contributes exactly nothing.
# A study without events in both arms speaks of alpha and sigma, and stays.
#
# Notes
# -----
# The likelihood is integrated over both effects (`metanet.kernels.two_groups.um_rs`). With two random effects metafor's `rma.glmm`
# and lme4 can only approximate it by Laplace's method, so that their numbers differ in the second or third digit for small studies.

Rows = NDArray[np.intp]

SCAN_RULE = Rule(12, 14.0)
#: Rules tried in turn until one with twice the nodes (on each axis) no longer moves the estimate.
RULES = tuple(Rule(nodes, 37.0) for nodes in (24, 48, 96, 192))
#: Standard errors that doubling the nodes may move the parameters.
NODE_TOLERANCE = 1e-6
#: Standard deviations in the scan.
_TAUS = (0.1, 0.3, 0.7, 1.3, 2.5, 6.0)
_SIGMAS = (0.3, 1.0, 3.0)
_CHUNK = 24

THETA, ALPHA, TAU, SIGMA = range(4)


@dataclass(frozen=True)
class Fit(Fitted):
    """A fit; its `covariance` is of (theta, alpha, tau, sigma).

    Attributes
    ----------
    alpha
        Mean of the study intercepts: of the midpoint of both arms' logits, ``[b]``.
    sigma, sigma2
        Standard deviation and variance of the intercepts, ``[b]``.
    """

    alpha: Array
    sigma: Array
    sigma2: Array


def fit(events: Array, total: Array, events_control: Array, total_control: Array) -> Fit:
    """Maximise the likelihood of every row.

    Notes
    -----
    Both standard deviations can have their maximum at zero, and tau several maxima: its profile is scanned
    first, and each of the four faces of the parameter space is kept only where its likelihood is above that of the smaller
    ones.
    """
    parts = []
    for first in range(0, max(len(events), 1), _CHUNK):
        part = slice(first, first + _CHUNK)
        arrays = (events[part], total[part], events_control[part], total_control[part])
        parts.append(_fit(count(*arrays, (total[part] > 0) & (total_control[part] > 0))))
    return joined(parts)


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
    return statistic, df, distributions.chi2_upper_tail(statistic, df)


def bind(counts: Counts, rule: Rule) -> Evaluate:
    """The likelihood of these counts under this rule, as a climb asks for it."""

    def evaluate(x: Array, peak: Array, rows: Rows) -> Local:
        return um_rs.evaluate(counts.take(rows), x, peak, rule)

    return evaluate


def ascend(
    counts: Counts, x: Array, peak: Array, rule: Rule, free: tuple[int, ...], *, tolerance: float = STEP_TOLERANCE
) -> tuple[Array, Array, Local, Mask]:
    """Climb over the free ones of (theta, alpha, tau, sigma) from a start; `peak` is where the studies' integrands peak in u."""
    return climb(
        bind(counts, rule), x, peak, free=free, scales=(TAU, SIGMA), noise=rounding(counts), limit=2 * TAU_LIMIT, tolerance=tolerance
    )


def separated(counts: Counts) -> Mask:
    """Rows with an arm at 0 % or 100 % in every study, for which theta has no finite maximum, ``[b]``."""
    a, n1, c, n2 = (value.sum(-1) for value in (counts.a, counts.n1, counts.c, counts.n2))
    return np.asarray((a == 0) | (a == n1) | (c == 0) | (c == n2))


def start(counts: Counts) -> Array:
    """Theta and alpha of the summed counts of both arms, without spread, ``[b, 4]``."""
    l1, l2 = (special.logit((x.sum(-1) + 0.5) / (n.sum(-1) + 1.0)) for x, n in ((counts.a, counts.n1), (counts.c, counts.n2)))
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
    tried, tried_peak, first, _ = ascend(counts.take(owner), x, peak[chosen], RULES[0], free)
    rows, top = highest(owner, first.loglik)
    x, peak, at = tried[top], tried_peak[top], first.take(top)

    def worth(place: Indices) -> Mask:
        # Not worth the nodes: on its way to zero, out of bounds, or clearly below what is known.
        wide = x[place][:, list(spreads)]
        far = at.loglik[place] > best.at.loglik[rows[place]] - 0.05
        return np.asarray((wide > 1e-6).all(1) & (wide < TAU_LIMIT).all(1) & far)

    close = doubled(
        lambda part, x, peak, rule: ascend(part, x, peak, rule, free), counts.take(rows), x, peak, at, RULES[1:], worth, NODE_TOLERANCE
    )
    inside = (x[:, list(spreads)] > 1e-6).all(1)
    which = np.flatnonzero(inside)
    best.offer(rows[which], x[which], peak[which], at.take(which), close[which])


_TOLERANCE = 1e-7
#: Up to this spread the coarser rule is exact to about 1e-8; beyond it studies with an empty cell need the finer one.
_LIMIT = 3.0


def tau_interval(
    events: Array, total: Array, events_control: Array, total_control: Array, fit: Fit, level: float
) -> tuple[Array, Array]:
    """Lower and upper end of tau, ``[b]``, as `tau_ends`."""
    counts = count(events, total, events_control, total_control, fit.used)

    def profile() -> Profile:
        current = _point(fit)

        def height(tau: Array, index: Indices) -> Array:
            x = current[index]
            x[:, TAU], x[:, SIGMA] = tau, np.maximum(x[:, SIGMA], 0.1)
            current[index], loglik = _best(counts.take(index), x, (THETA, ALPHA, SIGMA))
            return loglik

        return height

    return tau_ends(profile, fit, level, _TOLERANCE)


def theta_interval(
    events: Array, total: Array, events_control: Array, total_control: Array, fit: Fit, level: float
) -> tuple[Array, Array]:
    """Lower and upper end of theta, ``[b]``, as `theta_ends`."""
    counts = count(events, total, events_control, total_control, fit.used)

    def profile(scale: Array) -> Profile:
        inside, edge = _point(fit), _point(fit)
        inside[:, TAU] = np.maximum(inside[:, TAU], 0.3 * scale)

        def height(theta: Array, index: Indices) -> Array:
            # On the boundary and inside: a climb cannot cross a dip between the two.
            part, x = counts.take(index), edge[index]
            x[:, THETA], x[:, TAU], x[:, SIGMA] = theta, 0.0, np.maximum(x[:, SIGMA], 0.1)
            edge[index], loglik = _best(part, x, (ALPHA, SIGMA))
            x = inside[index]
            x[:, THETA], x[:, TAU], x[:, SIGMA] = theta, np.maximum(x[:, TAU], 0.1), np.maximum(x[:, SIGMA], 0.1)
            inside[index], other = _best(part, x, (ALPHA, TAU, SIGMA))
            return np.maximum(loglik, other)

        return height

    return theta_ends(profile, fit, level, _TOLERANCE)


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
