"""The beta-binomial likelihood and its derivatives, accurate from one patient to ten million and down to no overdispersion.

``log P(x; n) = log C(n, x) + log B(a + x, b + y) - log B(a, b)``, with ``y = n - x``, ``a = pi / psi``, ``b = (1 - pi) / psi``
(Skellam 1948, doi:10.1111/j.2517-6161.1948.tb00014.x). The intraclass correlation is ``rho = 1 / (1 + a + b)`` and
``psi = rho / (1 - rho)``: in psi the likelihood is smooth through psi = 0, the binomial distribution.

Notes
-----
Differences of logarithms of the gamma function lose every digit for small psi or large n. With Stirling's formula for each of them
all large parts gather in relative entropies about the posterior mean ``p = (a + x) / (a + b + n)``, as in the saddle-point form
of the binomial density (Loader 2000, Fast and accurate computation of binomial probabilities):

``log P = -n KL(x/n, p) - KL(pi, p) / psi + (log N - log(A / pi) - log(B / (1 - pi))) / 2 + s(psi / A) + s(psi / B) - s(psi / N)
- s(psi / pi) - s(psi / (1 - pi)) + s(psi) + c(x, n)``, where ``A = pi + psi x``, ``B = 1 - pi + psi y``, ``N = 1 + psi n``,
``KL(u, v)`` is the relative entropy of two Bernoulli distributions, ``s(1 / z)`` the error of Stirling's formula at z, and c holds
what depends on the counts alone. Every entropy is a sum of positive parts, and psi = 0 needs no limit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from metanet.base.arrays import Array
from metanet.kernels.numerics.batches import Batch

_LOG_2PI = float(np.log(2 * np.pi))
#: Coefficients of Stirling's series in 1/z, odd powers: B(2j) / (2j (2j - 1)).
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400)
#: By power, highest first: the coefficients of the series and of its two derivatives in 1/z.
_SERIES = tuple(
    np.array([here, (2 * j + 1) * here, (2 * j + 3) * (2 * j + 2) * after]).reshape(3, 1, 1)
    for j, here, after in reversed(list(zip(range(8), _STIRLING, (*_STIRLING[1:], 0.0), strict=True)))
)
#: Below 1/z = 0.1 the series leaves less than 1e-17.
_SMALL = 0.1
#: ``((1 + e) log(1 + e) - e) / e^2`` as a power series; eleven terms leave 1e-16 below e = 0.05.
_ENTROPY = tuple((-1) ** j / ((j + 1) * (j + 2)) for j in range(12))


@dataclass(frozen=True)
class Counts(Batch):
    """Events, non-events and totals ``[b, k]``, and the part of each log-likelihood that depends on them alone."""

    events: Array
    others: Array
    total: Array
    constant: Array


@dataclass(frozen=True)
class Evaluation(Batch):
    """Likelihood and derivatives in (mu, psi), mu the logit of pi, by fit ``[b]``.

    `score` is ``[b, 2]``, `information` ``[b, 2, 2]`` the negative Hessian. `study_information` ``[b, k]`` is each study's
    information on mu from the curvature in pi, which is never negative; at a maximum over mu the shares sum to the first
    entry of `information`.
    """

    loglik: Array
    score: Array
    information: Array
    study_information: Array


def count(events: Array, total: Array) -> Counts:
    """The counts with what can be said of them once; an absent study has total 0."""
    others = total - events
    inside = (events > 0) & (others > 0)
    x, y, n = (np.where(inside, value, 2.0) for value in (events, others, total))
    series = _stirling(1 / n)[0] - _stirling(1 / x)[0] - _stirling(1 / y)[0]
    # n / (x y) before the logarithm: x y passes 1e14 for large studies, but never overflows.
    constant = np.where(inside, 0.5 * (np.log(n / (x * y)) - _LOG_2PI) + series, 0.0)
    return Counts(events, others, total, constant)


def rounding(loglik: Array) -> Array:
    """What rounding leaves undecided of a log-likelihood, ``[b]``: its parts carry one sign, or are small."""
    return np.asarray(4e-15 * (1.0 + np.abs(loglik)))


def evaluate(counts: Counts, mu: Array, psi: Array) -> Evaluation:
    """Log-likelihood (binomial coefficients included), score and information at (mu, psi), each ``[b]``, psi not negative."""
    x, y, n = counts.events, counts.others, counts.total
    pi, qi = special.expit(mu), special.expit(-mu)
    p, q, f = pi[:, None], qi[:, None], psi[:, None]
    a, b, c = p + f * x, q + f * y, 1.0 + f * n
    d = x - n * p
    # Away from its mean a small rate is left exactly by the one of these two differences that does not cancel.
    d = np.where(p > 0.5, n * q - y, d)
    main = _main_part(x, y, n, p, q, f, a, b, c, d)
    half = _half_logarithms(x, y, n, p, q, f, a, b, c)
    series = _series_part(x, y, n, p, q, f, a, b, c)
    value, dp, df, dpp, dpf, dff = (m + h + s for m, h, s in zip(main, half, series, strict=True))
    jacobian = pi * qi
    score_p, score_f = dp.sum(-1), df.sum(-1)
    study = np.maximum(-dpp * (jacobian * jacobian)[:, None], 0.0)
    mm = study.sum(-1) - score_p * jacobian * (qi - pi)
    mf = -dpf.sum(-1) * jacobian
    return Evaluation(
        loglik=np.asarray((value + counts.constant).sum(-1)),
        score=np.stack([score_p * jacobian, score_f], -1),
        information=np.stack([np.stack([mm, mf], -1), np.stack([mf, -dff.sum(-1)], -1)], -2),
        study_information=np.asarray(study),
    )


def slopes(counts: Counts, mu: Array, psi: Array) -> tuple[Array, Array, Array]:
    """Cheap score in (mu, psi) for psi > 0, and a rough information on mu, each ``[b]``.

    ``sum over j < x of 1 / (pi + psi j)`` as a difference of digamma functions is right to about 1e-16 / psi, enough to see on
    which side of a maximum psi lies; the sum of squares in the information is its first term and the midpoint rule for the rest.
    """
    x, y, n = counts.events, counts.others, counts.total
    pi, qi, phi = special.expit(mu), special.expit(-mu), 1.0 / psi
    a, b = pi * phi, qi * phi
    sum_x = special.digamma(a[:, None] + x).sum(-1) - x.shape[1] * special.digamma(a)
    sum_y = special.digamma(b[:, None] + y).sum(-1) - x.shape[1] * special.digamma(b)
    sum_n = special.digamma(phi[:, None] + n).sum(-1) - x.shape[1] * special.digamma(phi)
    information = (_rough_squares(a[:, None], x) + _rough_squares(b[:, None], y)).sum(-1) * (pi * qi * phi) ** 2
    return phi * (sum_x - sum_y) * pi * qi, phi * phi * (sum_n - pi * sum_x - qi * sum_y), information


def _rough_squares(a: Array, x: Array) -> Array:
    """About ``sum over j < x of 1 / (a + j)^2``."""
    more = np.maximum(x - 1.0, 0.0)
    return np.minimum(x, 1.0) / (a * a) + more / ((a + 0.5) * (a + 0.5 + more))


Parts = tuple[Array, Array, Array, Array, Array, Array]


def _main_part(x: Array, y: Array, n: Array, p: Array, q: Array, f: Array, a: Array, b: Array, c: Array, d: Array) -> Parts:
    """The relative entropies and their derivatives in (pi, psi).

    The posterior mean makes their sum stationary, so the first derivatives see pi and psi alone:
    ``-(log(pi / p) - log((1 - pi) / (1 - p))) / psi`` and ``KL(pi, p) / psi^2``.
    """
    m = np.maximum(n, 1.0)
    mean_p, mean_q = a / c, b / c
    s1, s2 = -d / a, d / b
    e3, e4 = d / (m * a), -d / (m * b)
    (l1, l2, _, _), (h1, h2, h3, h4) = _log_and_entropy(
        np.stack([f * s1, f * s2, e3, e4]), np.stack([p / mean_p, q / mean_q, x / m / mean_p, y / m / mean_q])
    )
    df = mean_p * s1 * s1 * h1 + mean_q * s2 * s2 * h2
    value = -n * (mean_p * e3 * e3 * h3 + mean_q * e4 * e4 * h4) - f * df
    dp = s2 * l2 - s1 * l1
    dpp = -(x / (p * a) + y / (q * b))
    # The closed forms of the other two divide by psi; where psi does nothing yet their power series take over.
    u, v, w = f * x / p, f * y / q, f * n
    near = np.maximum(np.maximum(u, v), w) < 1e-3
    inverse = 1.0 / np.where(f > 0, f, 1.0)
    dpf = inverse * (d / (a * b) - dp)
    dff = inverse * (d * d / (a * b * c) - 2.0 * df)
    if near.any():
        xp, yq = x / p, y / q
        first = yq * yq * _mixed(v) - xp * xp * _mixed(u)
        dpf = np.where(near, first, dpf)
        second = p * xp**3 * _double(u) + q * yq**3 * _double(v) - n**3 * _double(w)
        dff = np.where(near, second, dff)
    return value, dp, df, dpp, dpf, dff


def _log_and_entropy(e: Array, ratio: Array) -> tuple[Array, Array]:
    """``log(1 + e) / e`` and ``((1 + e) log(1 + e) - e) / e^2`` for ``e >= -1``; `ratio` is ``1 + e`` without cancellation."""
    near = np.abs(e) < 0.05
    small, large = np.where(near, e, 0.0), np.where(near, 1.0, e)
    # In an empty cell the ratio is zero, and so is the ratio times its logarithm.
    logarithm = np.where(np.abs(e) < 0.5, np.log1p(np.maximum(e, -0.5)), np.log(np.maximum(ratio, 1e-300)))
    series = np.full_like(e, _ENTROPY[-1])
    for coefficient in _ENTROPY[-2::-1]:
        series = series * small + coefficient
    entropy = np.where(near, series, (ratio * logarithm - e) / (large * large))
    return np.where(near, (1.0 + small * series) / (1.0 + small), logarithm / large), entropy


def _mixed(u: Array) -> Array:
    """``(log(1 + u) - u / (1 + u)) / u^2`` for small u."""
    return 1 / 2 - u * (2 / 3 - u * (3 / 4 - u * (4 / 5 - u * (5 / 6))))


def _double(u: Array) -> Array:
    """``(2 log(1 + u) - u / (1 + u) - u) / u^3`` for small u."""
    return -1 / 3 + u * (1 / 2 - u * (3 / 5 - u * (2 / 3 - u * (5 / 7))))


def _half_logarithms(x: Array, y: Array, n: Array, p: Array, q: Array, f: Array, a: Array, b: Array, c: Array) -> Parts:
    """``(log N - log(A / pi) - log(B / (1 - pi))) / 2`` and its derivatives in (pi, psi)."""
    u, v, w = f * x / p, f * y / q, f * n
    xa, yb, nc = x / a, y / b, n / c
    return (
        0.5 * (np.log1p(w) - np.log1p(u) - np.log1p(v)),
        0.5 * (u / a - v / b),
        0.5 * (nc - xa - yb),
        -0.5 * (u * (a + p) / (p * a * a) + v * (b + q) / (q * b * b)),
        0.5 * (xa / a - yb / b),
        0.5 * (xa * xa + yb * yb - nc * nc),
    )


def _series_part(x: Array, y: Array, n: Array, p: Array, q: Array, f: Array, a: Array, b: Array, c: Array) -> Parts:
    """The errors of Stirling's formula for the six gamma functions with a parameter in them, and their derivatives."""
    k = x.shape[1]
    one = np.ones_like(p)
    s, s1, s2 = _stirling(f / np.concatenate([a, b, c, p, q, one], axis=1))
    cut = (slice(0, k), slice(k, 2 * k), slice(2 * k, 3 * k))
    (ta, ta1, ta2), (tb, tb1, tb2), (tc, tc1, tc2) = ((s[:, i], s1[:, i], s2[:, i]) for i in cut)
    edge = slice(3 * k, 3 * k + 1), slice(3 * k + 1, 3 * k + 2), slice(3 * k + 2, 3 * k + 3)
    (tp, tp1, tp2), (tq, tq1, tq2), (t1, t11, t12) = ((s[:, i], s1[:, i], s2[:, i]) for i in edge)
    # The argument psi / (pi + psi x) by pi and psi; with x = 0 it is the one of a.
    ga, gp = _ratio_gradient(p, f, a, x), _ratio_gradient(p, f, p, 0.0 * p)
    gb, gq = _ratio_gradient(q, f, b, y), _ratio_gradient(q, f, q, 0.0 * q)
    gc = 1.0 / (c * c)
    return (
        (ta - tp) + (tb - tq) - (tc - t1),
        (ta1 * ga[0] - tp1 * gp[0]) - (tb1 * gb[0] - tq1 * gq[0]),
        (ta1 * ga[1] - tp1 * gp[1]) + (tb1 * gb[1] - tq1 * gq[1]) - (tc1 * gc - t11),
        (_second(ta1, ta2, ga, 0, 0) - _second(tp1, tp2, gp, 0, 0)) + (_second(tb1, tb2, gb, 0, 0) - _second(tq1, tq2, gq, 0, 0)),
        (_second(ta1, ta2, ga, 0, 1) - _second(tp1, tp2, gp, 0, 1)) - (_second(tb1, tb2, gb, 0, 1) - _second(tq1, tq2, gq, 0, 1)),
        (_second(ta1, ta2, ga, 1, 1) - _second(tp1, tp2, gp, 1, 1))
        + (_second(tb1, tb2, gb, 1, 1) - _second(tq1, tq2, gq, 1, 1))
        - (tc2 * gc * gc - 2.0 * tc1 * n * gc / c - t12),
    )


Gradient = tuple[Array, Array, Array, Array, Array]


def _ratio_gradient(p: Array, f: Array, a: Array, x: Array) -> Gradient:
    """First (p, f) and second (pp, pf, ff) derivatives of ``f / a`` with ``a = p + f x``."""
    a2 = a * a
    a3 = a2 * a
    return -f / a2, p / a2, 2.0 * f / a3, (f * x - p) / a3, -2.0 * p * x / a3


def _second(first: Array, second: Array, g: Gradient, i: int, j: int) -> Array:
    """Second derivative of a function of a ratio, from its own derivatives and those of the ratio."""
    return second * g[i] * g[j] + first * g[2 + i + j]


def _stirling(r: Array) -> tuple[Array, Array, Array]:
    """The error of Stirling's formula at ``z = 1 / r``, ``log Gamma(z) - (z - 1/2) log z + z - log(2 pi) / 2``, and its first two
    derivatives in r."""
    near = r < _SMALL
    small = np.where(near, r, 0.0)
    t = small * small
    series = np.zeros((3, *r.shape))
    for coefficients in _SERIES:
        series = series * t + coefficients
    # The lowest power of the second derivative is one, not minus one.
    value, first, second = series[0] * small, series[1], series[2] * small
    far = ~near
    if far.any():
        z = 1.0 / r[far]
        logarithm = np.log(z)
        slope = special.digamma(z) - logarithm + 0.5 / z
        bend = special.zeta(2.0, z) - 1.0 / z - 0.5 / (z * z)
        value[far] = special.gammaln(z) - (z - 0.5) * logarithm + z - 0.5 * _LOG_2PI
        first[far] = -z * z * slope
        second[far] = z**3 * (2.0 * slope + z * bend)
    return value, first, second
