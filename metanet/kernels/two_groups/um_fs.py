"""The two-group logistic model with fixed study intercepts and random effects (UM.FS): likelihood, maximum, profile intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metanet.base.arrays import Array, Indices, Mask
from metanet.kernels.numerics import distributions
from metanet.kernels.numerics.ascent import STEP_TOLERANCE, Evaluate, Local, climb, covariance
from metanet.kernels.numerics.batches import highest, joined
from metanet.kernels.two_groups.counts import (
    LOG_SQRT_2PI,
    TAU_LIMIT,
    Counts,
    Line,
    Rule,
    bernoulli,
    count,
    log_binomial,
    rounding,
    saturated_loglik,
    separated,
)
from metanet.kernels.two_groups.profiles import Fitted, Profile, doubled, tau_ends, theta_ends

# Likelihood of the two-group logistic model with fixed study intercepts and random effects (UM.FS).
#
# ``a ~ Binomial(n1, expit(alpha_i + theta_i / 2))``, ``c ~ Binomial(n2, expit(alpha_i - theta_i / 2))``, ``theta_i = theta +
# tau z_i`` with ``z_i ~ N(0, 1)`` and one free intercept alpha_i per study (Stijnen, Hamza and Ozdemir 2010,
# doi:10.1002/sim.4040; the coding by halves is that of Jackson 2018, doi:10.1002/sim.7588).
#
# The model is written in tau, in which the likelihood is even and smooth across tau = 0. Slope and curvature come from the
# posterior moments of each study's score on the nodes that give the likelihood (Louis 1982,
# doi:10.1111/j.2517-6161.1982.tb01203.x); the intercepts are eliminated study by study, in which each likelihood is log-concave.


def evaluate(counts: Counts, x: Array, alpha: Array, rule: Rule) -> Local:
    """The likelihood (binomial coefficients included) at ``x = (theta, tau)``, ``[m, 2]``, and the intercepts ``[m, k]``."""
    theta, tau = x[:, :1], x[:, 1:]
    line = Line(counts, alpha + 0.5 * theta, alpha - 0.5 * theta, 0.5 * tau)
    low, high = line.ends(line.mode(), rule.drop)
    width = (high - low) / (rule.nodes - 1)
    z = low[..., None] + width[..., None] * np.arange(rule.nodes)
    effect = tau[..., None] * z
    l1, l2 = line.e1[..., None] + 0.5 * effect, line.e2[..., None] - 0.5 * effect
    (s1, p1, q1), (s2, p2, q2) = bernoulli(l1), bernoulli(l2)
    a, n1, c, n2 = (value[..., None] for value in (counts.a, counts.n1, counts.c, counts.n2))
    log_density = a * l1 - n1 * s1 + c * l2 - n2 * s2 - 0.5 * z * z
    peak = log_density.max(-1)
    posterior = np.exp(log_density - peak[..., None])
    mass = posterior.sum(-1)
    posterior /= mass[..., None]
    loglik = (peak + np.log(mass * width) - LOG_SQRT_2PI) * counts.present
    r1, r2, w1, w2 = a - n1 * p1, c - n2 * p2, n1 * p1 * q1, n2 * p2 * q2

    def mean(value: Array) -> Array:
        return np.asarray((posterior * value).sum(-1))

    # Score in alpha, theta and tau, and the negative second derivatives, at each node.
    sa, st = r1 + r2, 0.5 * (r1 - r2)
    su = st * z
    ma, mt, mu = mean(sa), mean(st), mean(su)
    da, dt, du = sa - ma[..., None], st - mt[..., None], su - mu[..., None]
    haa, hat, htt = w1 + w2, 0.5 * (w1 - w2), 0.25 * (w1 + w2)
    iaa, iat, iau = mean(haa - da * da), mean(hat - da * dt), mean(hat * z - da * du)
    itt, itu, iuu = mean(htt - dt * dt), mean(htt * z - dt * du), mean(htt * z * z - du * du)
    # An absent study has no curvature in its intercept; any other has, by log-concavity.
    iaa = np.where(counts.present, np.maximum(iaa, 1e-300), 1.0)
    own_step = ma / iaa
    response_t, response_u = -iat / iaa, -iau / iaa
    ptt, ptu, puu = itt + iat * response_t, itu + iat * response_u, iuu + iau * response_u
    tt, tu, uu = ptt.sum(-1), ptu.sum(-1), puu.sum(-1)
    return Local(
        loglik=np.asarray(loglik.sum(-1) + log_binomial(counts)),
        score=np.stack([(mt + response_t * ma).sum(-1), (mu + response_u * ma).sum(-1)], -1),
        information=np.stack([np.stack([tt, tu], -1), np.stack([tu, uu], -1)], -2),
        own_step=own_step,
        own_response=np.stack([response_t, response_u], -1),
        own_gain=np.asarray((ma * own_step).sum(-1)),
        study_information=np.maximum(ptt, 0.0),
        effect=np.asarray(theta + mean(effect)),
    )


# The two-group logistic model with fixed study intercepts and random effects (UM.FS): maximum likelihood.
#
# ``logit p_1i = alpha_i + theta_i / 2``, ``logit p_2i = alpha_i - theta_i / 2``, ``theta_i ~ N(theta, tau2)`` (Stijnen, Hamza and
# Ozdemir 2010, doi:10.1002/sim.4040; Jackson 2018, doi:10.1002/sim.7588). theta is a mean log odds ratio. Counts have shape
# ``[b, k]``; a study in which either total is 0 is absent and contributes exactly nothing.
#
# A study without events, or without non-events, in both arms fits any theta perfectly with an infinite intercept. It says
# nothing of theta or tau and is left out exactly, which the fit's `used` tells (likelihood:
# `metanet.kernels.two_groups.um_fs`).

Rows = NDArray[np.intp]

SCAN_RULE = Rule(12, 14.0)
#: Rules tried in turn until one with twice the nodes no longer moves the estimate. exp(-37) is the rounding error of one.
RULES = tuple(Rule(24 * 2**level, 37.0) for level in range(6))
#: Standard errors that doubling the nodes may move (theta, tau).
NODE_TOLERANCE = 1e-7
#: Values of tau in the scan, and numbers in an array that the cache still holds.
_SCAN, _CHUNK = 9, 60_000


@dataclass(frozen=True)
class Fit(Fitted):
    """A fit; its `covariance` is of (theta, tau).

    metafor 3.8 prints `loglik_saturated` less half the conditional deviance of lme4 for this model, which is no marginal
    likelihood; lme4's own `logLik` (with more than one node) is `loglik` less `loglik_saturated`.

    Attributes
    ----------
    loglik_saturated
        Log-likelihood with a rate of its own for every arm.
    alpha
        Intercept of each study, ``[b, k]``; NaN for studies not used.
    """

    loglik_saturated: Array
    alpha: Array


def usable(events: Array, total: Array, events_control: Array, total_control: Array) -> Mask:
    """Studies present with an event and a non-event in one arm or the other."""
    both, size = events + events_control, total + total_control
    return np.asarray((total > 0) & (total_control > 0) & (both > 0) & (both < size))


def heterogeneity_test(fit: Fit) -> tuple[Array, Array, Array]:
    """Likelihood-ratio test of tau = 0 against an odds ratio of its own for every study: statistic, degrees of freedom, p-value.

    Of the studies used, with k - 1 degrees of freedom, as metafor's `QE.LRT`.
    """
    df = np.maximum(fit.k - 1.0, 0.0)
    statistic = np.maximum(2.0 * (fit.loglik_saturated - fit.loglik_common), 0.0)
    return statistic, df, distributions.chi2_upper_tail(statistic, df)


def fit(events: Array, total: Array, events_control: Array, total_control: Array) -> Fit:
    """Maximise the likelihood of every row.

    Notes
    -----
    The likelihood can have several maxima in tau, so its profile is scanned first; a climb starts in every cell in which
    the profile turns from rising to falling, and tau = 0 is kept only where its likelihood is not below.
    """
    b, k = events.shape
    length = max(1, _CHUNK // (12 * (_SCAN + 1) * max(k, 1)))
    parts = []
    for first in range(0, max(b, 1), length):
        part = slice(first, first + length)
        arrays = (events[part], total[part], events_control[part], total_control[part])
        parts.append(_fit(count(*arrays, usable(*arrays))))
    return joined(parts)


def bind(counts: Counts, rule: Rule) -> Evaluate:
    """The likelihood of these counts under this rule, as a climb asks for it."""

    def local(x: Array, alpha: Array, rows: Rows) -> Local:
        return evaluate(counts.take(rows), x, alpha, rule)

    return local


def ascend(
    counts: Counts, x: Array, alpha: Array, rule: Rule, free: tuple[int, ...], *, tolerance: float = STEP_TOLERANCE
) -> tuple[Array, Array, Local, Mask]:
    """Climb over the free ones of (theta, tau) and the intercepts, from a start."""
    return climb(
        bind(counts, rule), x, alpha, free=free, scales=(1,), noise=rounding(counts), limit=2 * TAU_LIMIT, tolerance=tolerance
    )


def common_start(counts: Counts) -> tuple[Array, Array]:
    """Where to begin at tau = 0: the information-weighted mean of the studies' own log odds ratios, and intercepts to match."""
    weight = counts.weight1 * counts.weight2 / np.where(counts.present, counts.weight1 + counts.weight2, 1.0)
    whole = weight.sum(-1)
    theta = (weight * (counts.logit1 - counts.logit2)).sum(-1) / np.where(whole > 0, whole, 1.0)
    return np.stack([theta, np.zeros_like(theta)], -1), intercepts(counts, theta)


def intercepts(counts: Counts, theta: Array) -> Array:
    """Intercepts that fit both arms' own logits best at this theta, nearly."""
    half = 0.5 * theta[:, None]
    whole = counts.weight1 + counts.weight2
    best = counts.weight1 * (counts.logit1 - half) + counts.weight2 * (counts.logit2 + half)
    return np.where(counts.present, best / np.where(whole > 0, whole, 1.0), 0.0)


def _fit(counts: Counts) -> Fit:
    b = len(counts.a)
    apart = separated(counts)
    # Rows without a maximum keep their start, where the likelihood is finite.
    x, alpha = common_start(counts)
    rows = np.flatnonzero(~apart)
    at = bind(counts, RULES[0])(x, alpha, np.arange(b))
    settled = np.zeros(b, dtype=bool)
    if rows.size:
        x[rows], alpha[rows], part, settled[rows] = ascend(counts.take(rows), x[rows], alpha[rows], RULES[0], (0,))
        at.put(rows, part)
    loglik_common = np.where(apart, np.nan, at.loglik)
    owner, start, start_alpha = _starts(counts, x, alpha, at, rows)
    if owner.size:
        _refine(counts, x, alpha, at, settled, owner, start, start_alpha)
    unbounded = apart | (x[:, 1] >= TAU_LIMIT)
    free = np.stack([~unbounded, ~unbounded & (x[:, 1] > 0)], -1)
    matrix = covariance(at.information, free)
    variance = matrix[:, 0, 0]
    settled &= ~unbounded & (variance > 0)
    theta, tau, loglik = x[:, 0].copy(), x[:, 1].copy(), at.loglik.copy()
    with np.errstate(invalid="ignore"):
        se = np.sqrt(variance)
    effect, alpha = np.where(counts.present, at.effect, np.nan), np.where(counts.present, alpha, np.nan)
    for gone in (theta, se, tau, loglik, matrix, at.study_information, effect, alpha):
        gone[unbounded] = np.nan
    return Fit(
        theta=theta,
        se=se,
        tau=tau,
        tau2=tau * tau,
        loglik=loglik,
        loglik_common=loglik_common,
        loglik_saturated=saturated_loglik(counts),
        covariance=matrix,
        study_information=at.study_information,
        effect=effect,
        alpha=alpha,
        used=counts.present,
        k=np.asarray(counts.present.sum(-1), dtype=np.float64),
        unbounded=unbounded,
        settled=settled,
    )


def _starts(counts: Counts, x: Array, alpha: Array, at_zero: Local, rows: Rows) -> tuple[Rows, Array, Array]:
    """Where to climb from: the row, (theta, tau) and intercepts of every start."""
    # One study has no spread.
    rows = rows[counts.present[rows].sum(-1) > 1]
    if not rows.size:
        return rows, x[rows], alpha[rows]
    counts = counts.take(rows)
    taus = _scan_points(counts)
    w = taus.shape[1]
    each = np.repeat(np.arange(rows.size), w)
    wide_x = np.stack([np.repeat(x[rows, 0], w), taus.ravel()], -1)
    found, found_alpha, at, _ = ascend(counts.take(each), wide_x, alpha[rows][each], SCAN_RULE, (0,), tolerance=0.01)
    found, found_alpha = found.reshape(rows.size, w, 2), found_alpha.reshape(rows.size, w, -1)
    slope, loglik = at.score[:, 1].reshape(rows.size, w), at.loglik.reshape(rows.size, w)
    # At tau = 0 the slope in tau vanishes; its curvature tells whether the profile rises.
    slope = np.concatenate([-at_zero.information[rows, 1, 1, None], slope], axis=1)
    loglik = np.concatenate([at_zero.loglik[rows, None], loglik], axis=1)
    falls = np.concatenate([slope[:, 1:] <= 0, np.ones((rows.size, 1), dtype=bool)], axis=1)
    row, cell = np.nonzero((slope > 0) & falls)
    right = np.minimum(cell + 1, w)
    higher = np.where(loglik[row, right] > loglik[row, cell], right, cell)
    point = np.maximum(higher - 1, 0)
    start = found[row, point].copy()
    start[higher == 0, 1] *= 0.5
    return rows[row], start, found_alpha[row, point]


def _scan_points(counts: Counts) -> Array:
    """Values of tau to scan, from a fraction of the most precise study's error to 9."""
    weight = counts.weight1 * counts.weight2 / np.where(counts.present, counts.weight1 + counts.weight2, 1.0)
    first = np.clip(0.4 / np.sqrt(np.maximum(weight.max(-1), 1e-300)), 1e-4, 0.4)
    return np.asarray(first[:, None] * (9.0 / first)[:, None] ** np.linspace(0.0, 1.0, _SCAN))


def _refine(counts: Counts, x: Array, alpha: Array, at: Local, settled: Mask, owner: Rows, start: Array, start_alpha: Array) -> None:
    """Climb from every start, keep each row's highest, double the nodes until they no longer matter; write what lies above tau = 0."""
    tried, tried_alpha, first, _ = ascend(counts.take(owner), start, start_alpha, RULES[0], (0, 1))
    rows, best = highest(owner, first.loglik)
    part, best_x, best_alpha, best_at = counts.take(rows), tried[best], tried_alpha[best], first.take(best)
    close = doubled(
        lambda part, x, alpha, rule: ascend(part, x, alpha, rule, (0, 1)),
        part,
        best_x,
        best_alpha,
        best_at,
        RULES[1:],
        lambda place: np.asarray(best_x[place, 1] < TAU_LIMIT),
        NODE_TOLERANCE,
    )
    above = best_at.loglik > at.loglik[rows] + rounding(part)
    rows = rows[above]
    x[rows], alpha[rows], settled[rows] = best_x[above], best_alpha[above], close[above]
    at.put(rows, best_at.take(above))


_TOLERANCE = 1e-9
#: The wider the random effect, the more nodes a study with an empty cell needs: rules up to a tau of 4, of 10, and beyond.
_LIMITS = np.array([4.0, 10.0])
_RULES = (RULES[1], RULES[2], RULES[4])


def tau_interval(
    events: Array, total: Array, events_control: Array, total_control: Array, fit: Fit, level: float
) -> tuple[Array, Array]:
    """Lower and upper end of tau, ``[b]``, as `tau_ends`."""
    counts = count(events, total, events_control, total_control, fit.used)

    def profile() -> Profile:
        theta, alpha = _inside(fit)

        def height(tau: Array, index: Indices) -> Array:
            x = np.stack([theta[index], tau], -1)
            found, alpha[index], loglik = _best(counts.take(index), x, alpha[index], (0,))
            theta[index] = found[:, 0]
            return loglik

        return height

    return tau_ends(profile, fit, level, _TOLERANCE)


def theta_interval(
    events: Array, total: Array, events_control: Array, total_control: Array, fit: Fit, level: float
) -> tuple[Array, Array]:
    """Lower and upper end of theta, ``[b]``, as `theta_ends`."""
    counts = count(events, total, events_control, total_control, fit.used)

    def profile(scale: Array) -> Profile:
        _, alpha = _inside(fit)
        zero_alpha = alpha.copy()
        tau = np.maximum(np.nan_to_num(fit.tau), 0.3 * scale)

        def height(theta: Array, index: Indices) -> Array:
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
            return loglik

        return height

    return theta_ends(profile, fit, level, _TOLERANCE)


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
