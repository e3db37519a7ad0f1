"""Tests for small-study effects, batch by batch: regression tests, rank correlation and the LFK index."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from scipy import special

from metanet.base.arrays import Array, Mask
from metanet.kernels.bias.lines import Family, Line, count_line, varies, weighted_line
from metanet.kernels.inverse_variance import regression_tau2

# Kendall's rank correlation for batches, and Begg's test on it.
#
# Begg and Mazumdar (1994, doi:10.2307/2533446): the rank correlation of the standardised effects ``(y - mean) / sqrt(v - 1 /
# sum w)``, at the common-effect mean, with their sampling variances.


#: Above this many studies the normal approximation stands in for the exact distribution; they agree to three digits there.
EXACT_UP_TO = 200


@dataclass(frozen=True)
class Kendall:
    """tau-b, concordant less discordant pairs, two-sided p-value, whether it is exact, and the normal statistic, each ``[b]``.

    The normal statistic is NaN where the p-value is exact; all are NaN where a variable is constant.
    """

    tau: Array
    pairs: Array
    pvalue: Array
    exact: Mask
    z: Array


@lru_cache(maxsize=64)
def _tail(k: int) -> Array:
    """P(discordant pairs <= d) for a random order of k values without ties, ``[k (k - 1) / 2 + 1]``."""
    density = np.ones(1)
    for size in range(2, k + 1):
        # Putting the next value in place adds 0 .. size - 1 discordant pairs, each with the same probability.
        padded = np.concatenate([density, np.zeros(size - 1)])
        running = np.cumsum(padded)
        running[size:] -= running[:-size].copy()
        density = running / size
    return np.minimum(np.cumsum(density), 1.0)


def kendall(x: Array, y: Array, present: Mask) -> Kendall:
    """Rank correlation of two variables ``[b, k]`` over the studies present.

    Without ties the p-value is exact (up to `EXACT_UP_TO` studies), with ties it is normal with the variance corrected for
    them and no continuity correction (Kendall 1970, Rank Correlation Methods). Pairs make the time grow with the square of
    k, memory does not.
    """
    b, k = x.shape
    count = present.sum(-1).astype(np.float64)
    pairs, tied_x, tied_y = np.zeros(b), np.zeros((b, k)), np.zeros((b, k))
    for lag in range(1, k):
        both = present[:, lag:] & present[:, :-lag]
        up = np.where(both, np.sign(x[:, lag:] - x[:, :-lag]), 0.0)
        across = np.where(both, np.sign(y[:, lag:] - y[:, :-lag]), 0.0)
        pairs += (up * across).sum(-1)
        for tied, sign in ((tied_x, up), (tied_y, across)):
            equal = both & (sign == 0)
            tied[:, lag:] += equal
            tied[:, :-lag] += equal
    # A value with c equals adds c to sum t (t - 1), and likewise for the other sums over groups of ties.
    twos_x, twos_y = tied_x.sum(-1), tied_y.sum(-1)
    n2 = count * (count - 1)
    clean = (twos_x == 0) & (twos_y == 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        tau = pairs / (0.5 * np.sqrt((n2 - twos_x) * (n2 - twos_y)))
        base = n2 * (2 * count + 5) - (tied_x * (2 * tied_x + 7)).sum(-1) - (tied_y * (2 * tied_y + 7)).sum(-1)
        threes = (tied_x * (tied_x - 1)).sum(-1) * (tied_y * (tied_y - 1)).sum(-1)
        variance = base / 18 + twos_x * twos_y / (2 * n2)
        variance = variance + np.where(count > 2, threes / (9 * n2 * (count - 2)), 0.0)
        z = pairs / np.sqrt(variance)
    exact = clean & (count <= EXACT_UP_TO)
    pvalue = np.minimum(1.0, special.erfc(np.abs(z) / np.sqrt(2.0)))
    for size in np.unique(count[exact & (count > 1)]).astype(int):
        rows = np.flatnonzero(exact & (count == size))
        discordant = np.round((size * (size - 1) / 2 - np.abs(pairs[rows])) / 2).astype(int)
        pvalue[rows] = np.minimum(1.0, 2.0 * _tail(int(size))[discordant])
    known = np.isfinite(tau) & (count > 1)
    nan = np.where(known, 1.0, np.nan)
    return Kendall(tau * nan, pairs * nan, pvalue * nan, exact & known, np.where(exact, np.nan, z) * nan)


def begg(y: Array, v: Array) -> Kendall:
    """Begg and Mazumdar's test of effects ``[b, k]``; NaN for fewer than three studies and for equal effects."""
    present = np.isfinite(v)
    w = 1.0 / v
    total = w.sum(-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (w * y).sum(-1, keepdims=True) / total
        # v - 1 / sum w, without the loss of digits where one study holds nearly all the weight.
        spread = np.where(present, v, 1.0) * np.maximum((total - w) / total, 1e-300)
        deviate = np.where(present, (y - mean) / np.sqrt(spread), 0.0)
    usable = varies(y, present) & (present.sum(-1) > 2)
    return kendall(deviate, np.where(present, v, 0.0), present & usable[:, None])


# The LFK index of a Doi plot: a number without a distribution.
#
# Furuya-Kanamori, Barendregt and Doi (2018, doi:10.1097/XEB.0000000000000141). The studies stand in the order of their
# effects, each with ``N = 100 max(v) / v``; its percentile is its mid-rank on that scale less a half, over the sum of N, its
# z the normal quantile of it. With the effect ``y0`` of the study whose \|z\| is smallest the index is
#
#     5 / (2 k) sum (z + (max z - min z) / (max y - min y) (y - y0))
#
# Notes
# -----
# The index grows with the number and spread of studies and has no null distribution, so the limits 1 and 2 that are in use are no
# significance limits (Schwarzer 2024, doi:10.1002/jrsm.1714).


def lfk(y: Array, v: Array) -> Array:
    """The index of each row of effects and variances ``[b, k]``; NaN for fewer than three studies and for equal effects."""
    present = np.isfinite(v)
    usable = varies(y, present) & (present.sum(-1) > 2)
    keep = present & usable[:, None]
    order = np.argsort(np.where(keep, y, np.inf), axis=-1, kind="stable")
    y, v, keep = (np.take_along_axis(values, order, -1) for values in (y, v, keep))
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.where(keep, 100.0 * np.where(keep, v, 0.0).max(-1, keepdims=True) / v, 0.0)
        rank = np.cumsum(size, -1) - 0.5 * size
        z = special.ndtri(np.clip((rank - 0.5) / size.sum(-1, keepdims=True), 1e-300, 1.0))
    z = np.where(keep, z, np.nan)
    at = np.where(keep, np.abs(z), np.inf).argmin(-1)
    away = np.where(keep, y - np.take_along_axis(y, at[:, None], -1), 0.0)
    span_y = away.max(-1) - away.min(-1)
    span_z = np.where(keep, z, -np.inf).max(-1) - np.where(keep, z, np.inf).min(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = span_z / span_y
        index = 2.5 / keep.sum(-1) * np.where(keep, z + slope[:, None] * away, 0.0).sum(-1)
    return np.where(usable, index, np.nan)


# Tests for small-study effects, batch by batch: which line each of them draws, and how its slope is judged.
#
# Every function takes arrays ``[b, k]`` and gives an `Asymmetry`. Effects `y` come with variances `v`, ``inf`` for an absent study;
# counts with totals, 0 for an absent one. In all of them the slope is zero where effects do not depend on the size of the study.

Judge = Literal["t", "z", "HK", "HK-adhoc"]


@dataclass(frozen=True)
class Asymmetry:
    """The line, the statistic of no slope with its degrees of freedom (inf: normal) and two-sided p-value, tau2 about it, ``[b]``.

    `unbounded` marks counts whose slope has no finite estimate; the statistic is then the score statistic.
    """

    line: Line
    statistic: Array
    df: Array
    pvalue: Array
    tau2: Array
    unbounded: Mask


def two_sided(statistic: Array, df: Array) -> Array:
    """Two-sided p-value of a t statistic, or of a normal one where `df` is infinite."""
    normal = special.erfc(np.abs(statistic) / np.sqrt(2.0))
    student = 2.0 * special.stdtr(np.where(np.isfinite(df) & (df >= 1), df, 1.0), -np.abs(statistic))
    return np.asarray(np.where(np.isnan(statistic), np.nan, np.where(np.isfinite(df), student, normal)))


def _judged(line: Line, tau2: Array | None = None, *, normal: bool = False) -> Asymmetry:
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = line.slope / line.slope_se
    df = np.full(line.df.shape, np.inf) if normal else line.df
    none = np.full(line.df.shape, np.nan)
    return Asymmetry(line, statistic, df, two_sided(statistic, df), none if tau2 is None else tau2, np.zeros(none.shape, dtype=bool))


def egger(y: Array, v: Array) -> Asymmetry:
    """Egger et al. (1997, doi:10.1136/bmj.315.7109.629): y on its standard error, weights 1 / v, dispersion estimated, t(k - 2).

    The slope is the intercept of their line of ``y / se`` on ``1 / se``.
    """
    present = np.isfinite(v)
    return _judged(weighted_line(y, np.sqrt(np.where(present, v, 1.0)), 1.0 / v))


def line_tau2(name: str, y: Array, x: Array, v: Array) -> Array:
    """tau2 around the line of `y` on `x` by the estimator of that name, ``[b]``; NaN below three studies and where x does not vary."""
    present = np.isfinite(v)
    out = np.full(y.shape[0], np.nan)
    rows = np.flatnonzero((present.sum(-1) > 2) & varies(x, present))
    if not rows.size:
        return out
    spread = varies(y[rows], present[rows])
    out[rows[~spread]] = 0.0
    rows = rows[spread]
    if rows.size:
        kept = present[rows]
        y, x = np.where(kept, y[rows], 0.0), np.where(kept, x[rows], 0.0)
        out[rows] = regression_tau2.estimate(name, y, v[rows], np.stack([np.ones_like(x), x], -1))
    return out


def mixed(y: Array, v: Array, x: Array, estimator: str, judge: Judge) -> Asymmetry:
    """Meta-regression on `x` with tau2 by any estimator, weights 1 / (v + tau2) (Sterne and Egger 2005, doi:10.1002/0470870168.ch6).

    `judge` is "z" or "t" (k - 2 degrees of freedom) with the model-based standard error, or "HK" and "HK-adhoc" with the
    residual one (Knapp and Hartung 2003, doi:10.1002/sim.1482).
    """
    tau2 = line_tau2(estimator, y, x, v)
    weights = 1.0 / (v + np.nan_to_num(tau2)[:, None])
    known = judge in ("z", "t")
    line = weighted_line(y, x, weights, known_scale=known, at_least=1.0 if judge == "HK-adhoc" else 0.0)
    return _judged(line, tau2, normal=judge == "z")


def standard_errors(v: Array) -> Array:
    """Square roots of the variances, 0 for an absent study."""
    present = np.isfinite(v)
    return np.where(present, np.sqrt(np.where(present, v, 0.0)), 0.0)


def thompson_sharp(y: Array, v: Array) -> Asymmetry:
    """Thompson and Sharp (1999, doi:10.1002/(SICI)1097-0258(19991030)18:20<2693::AID-SIM235>3.0.CO;2-V), method 3a.

    y on its standard error with an additive variance by the method of moments, weights 1 / (v + tau2), t(k - 2).
    """
    return mixed(y, v, standard_errors(v), "DL", "t")


def on_size(y: Array, size: Array, weights: Array, *, reciprocal: bool) -> Asymmetry:
    """y on 1 / size (Peters 2006, doi:10.1001/jama.295.6.676) or on the size (Macaskill 2001, doi:10.1002/sim.698), t(k - 2).

    `weights` 0 marks an absent study.
    """
    known = weights > 0
    x = np.where(known, size, 1.0)
    return _judged(weighted_line(y, 1.0 / x if reciprocal else x, weights))


def rate_on_size(events: Array, total: Array, *, reciprocal: bool, family: Family = "binomial") -> Asymmetry:
    """The rate on 1 / total or on the total by quasi-likelihood, t(k - 2); no count is corrected."""
    known = total > 0
    x = np.where(known, total, 1.0)
    found = count_line(events, total, 1.0 / x if reciprocal else x, family)
    judged = _judged(found.line)
    statistic = np.where(found.unbounded, found.score, judged.statistic)
    return Asymmetry(found.line, statistic, found.line.df, two_sided(statistic, found.line.df), judged.tau2, found.unbounded)


def score_and_information(
    measure: str, events: Array, total: Array, events_control: Array, total_control: Array
) -> tuple[Array, Array]:
    """Efficient score Z of the log ratio at no effect and its information V (Whitehead 1997; Harbord 2006, doi:10.1002/sim.2380).

    Odds ratio: ``Z = a - n1 m / N``, ``V = n1 n2 m (N - m) / (N^2 (N - 1))``. Risk ratio: ``Z = (a N - n1 m) / (N - m)``,
    ``V = n1 n2 m / (N (N - m))``. V is 0 for an absent study and where it says nothing.
    """
    size, sick = total + total_control, events + events_control
    well = size - sick
    usable = (total > 0) & (total_control > 0) & (sick > 0) & (well > 0)
    n, m = np.where(usable, size, 2.0), np.where(usable, sick, 1.0)
    rest = np.where(usable, well, 1.0)
    both = total * total_control
    if measure == "RR":
        score, information = (events * n - total * m) / rest, both * m / (n * rest)
    else:
        score, information = events - total * m / n, both * m * rest / (n * n * (n - 1.0))
    return np.where(usable, score, 0.0), np.where(usable, information, 0.0)


def harbord(score: Array, information: Array) -> Asymmetry:
    """Harbord, Egger and Sterne (2006, doi:10.1002/sim.2380): Z / V on 1 / sqrt(V) with weights V, t(k - 2).

    The slope is the intercept of their line of ``Z / sqrt(V)`` on ``sqrt(V)``.
    """
    known = information > 0
    v = np.where(known, information, 1.0)
    return _judged(weighted_line(score / v, 1.0 / np.sqrt(v), information))


def deeks(y: Array, v: Array, total: Array, total_control: Array) -> Asymmetry:
    """Deeks, Macaskill and Irwig (2005, doi:10.1016/j.jclinepi.2005.01.016): y on 1 / sqrt(ESS), weights ESS, t(k - 2).

    The effective sample size is ``ESS = 4 n1 n2 / (n1 + n2)``.
    """
    return _on_root(y, v, 4.0 * total * total_control, total + total_control)


def pustejovsky(y: Array, v: Array, total: Array, total_control: Array) -> Asymmetry:
    """Pustejovsky and Rodgers (2019, doi:10.1002/jrsm.1332): Egger's line with ``1 / n1 + 1 / n2`` in place of v, t(k - 2).

    That is the variance of a standardised mean difference without the part that holds the difference itself.
    """
    return _on_root(y, v, total * total_control, total + total_control)


def _on_root(y: Array, v: Array, product: Array, total: Array) -> Asymmetry:
    known = np.isfinite(v) & (product > 0)
    weights = np.where(known, product / np.where(known, total, 1.0), 0.0)
    return _judged(weighted_line(y, 1.0 / np.sqrt(np.where(known, weights, 1.0)), weights))
