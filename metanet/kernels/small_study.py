"""Tests for small-study effects, batch by batch: which line each of them draws, and how its slope is judged.

Every function takes arrays ``[b, k]`` and gives an `Asymmetry`. Effects `y` come with variances `v`, ``inf`` for an absent study;
counts with totals, 0 for an absent one. In all of them the slope is zero where effects do not depend on the size of the study.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

from metanet.kernels import regression_tau2
from metanet.kernels.count_line import Family, count_line
from metanet.kernels.weighted_line import Array, Line, Mask, varies, weighted_line

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
    return Asymmetry(
        line, statistic, df, two_sided(statistic, df), none if tau2 is None else tau2, np.zeros(none.shape, dtype=bool)
    )


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

    `judge` is "z" or "t" (k - 2 degrees of freedom) with the model-based standard error, or "HK" and "HK-adhoc" with the residual one
    (Knapp and Hartung 2003, doi:10.1002/sim.1482).
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
    return Asymmetry(
        found.line, statistic, found.line.df, two_sided(statistic, found.line.df), judged.tau2, found.unbounded
    )


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
