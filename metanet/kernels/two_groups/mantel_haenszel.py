"""Mantel-Haenszel and Peto pooling of two-group counts, and the test of no association."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from metanet.base.arrays import Array, Mask
from metanet.kernels.numerics import distributions

# Mantel-Haenszel pooling of two-group counts: odds ratio, risk ratio, risk difference, and the test of no association.
#
# With a of n1 treated and c of n2 controls, b and d without the event, and ``N = n1 + n2``, sums over studies:
#
# - odds ratio ``sum(a d / N) / sum(b c / N)`` (Mantel and Haenszel 1959, doi:10.1093/jnci/22.4.719), variance of its logarithm of
#   Robins, Breslow and Greenland (1986, doi:10.2307/2531052);
# - risk ratio ``sum(a n2 / N) / sum(c n1 / N)``, variance of its logarithm of Greenland and Robins (1985, doi:10.2307/2530643);
# - risk difference ``sum((a n2 - c n1) / N) / sum(n1 n2 / N)``, variance of Sato, Greenland and Robins (Sato 1989,
#   doi:10.2307/2531784).
#
# Counts have shape ``[b, k]``; a study in which either total is 0 is absent and contributes exactly nothing. No cell is
# corrected in the estimate: a zero in one arm of some studies needs no correction. An arm without events (or without
# non-events, for the odds ratio) in every study leaves no finite ratio, and the row is flagged.


@dataclass(frozen=True)
class Pooled:
    """A pooled two-group effect, by row ``[b]`` and by study ``[b, k]``.

    Attributes
    ----------
    estimate, se
        The effect (a ratio by its logarithm) and its standard error; NaN where not `estimable`.
    q, q_df, q_pvalue
        Test of homogeneity. With fewer than two studies in it q is 0, its degrees of freedom are 0 and its p-value is NaN.
    weights
        Share of each study in the estimate; they sum to one.
    used
        Studies that move the estimate.
    estimable
        False where the counts fix no finite effect, or give it a variance of zero.
    """

    estimate: Array
    se: Array
    q: Array
    q_df: Array
    q_pvalue: Array
    weights: Array
    used: Mask
    estimable: Mask


@dataclass(frozen=True)
class Tables:
    """The cells of the tables present, zero elsewhere; `size` is the number of patients, one where there are none."""

    a: Array
    b: Array
    c: Array
    d: Array
    size: Array
    present: Mask

    @property
    def empty(self) -> Mask:
        """Tables present without events, or without non-events, in both arms."""
        return np.asarray(self.present & ((self.a + self.c == 0) | (self.b + self.d == 0)))


def tables(events: Array, total: Array, events_control: Array, total_control: Array) -> Tables:
    """The cells of each study; absent ones are zero throughout."""
    present = (total > 0) & (total_control > 0)
    a, n1, c, n2 = (np.where(present, value, 0.0) for value in (events, total, events_control, total_control))
    return Tables(a, n1 - a, c, n2 - c, np.where(present, n1 + n2, 1.0), present)


def pool_mantel_haenszel(
    measure: str,
    events: Array,
    total: Array,
    events_control: Array,
    total_control: Array,
    *,
    add: float = 0.5,
    drop00: tuple[bool, bool] = (True, False),
) -> Pooled:
    """Pool by the method of Mantel and Haenszel; `measure` is a key of `MEASURES`.

    Parameters
    ----------
    add
        Added to all four cells of a study with a zero cell, for the effects in `q` alone.
    drop00
        Leave studies without events, or without non-events, in both arms out of `q`; out of the estimate. Only the risk
        difference, and the risk ratio of studies with events only, can see the second.

    Notes
    -----
    Defaults are those of metafor's `rma.mh`. `q` is the sum of squared distances of the studies' own effects from the estimate,
    weighted by their inverse variances.
    """
    t = tables(events, total, events_control, total_control)
    kept = t.present & ~t.empty if drop00[1] else t.present
    a, b, c, d = (np.where(kept, cell, 0.0) for cell in (t.a, t.b, t.c, t.d))
    numerator, variance, weight, used, finite = MEASURES[measure](a, b, c, d, np.where(kept, t.size, 1.0))
    estimable = finite & (variance > 0)
    estimate = np.where(estimable, numerator, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(estimable[:, None], weight / weight.sum(-1, keepdims=True), np.nan)
    q, q_df = _homogeneity(measure, t, estimate, add, drop_empty=drop00[0])
    return Pooled(
        estimate=estimate,
        se=np.sqrt(np.where(estimable, variance, np.nan)),
        q=q,
        q_df=q_df,
        q_pvalue=distributions.chi2_upper_tail(q, q_df),
        weights=shares,
        used=used,
        estimable=estimable,
    )


#: Estimate, its variance, weights, the studies used, and whether the estimate is finite.
_Parts = tuple[Array, Array, Array, Mask, Mask]


def _odds_ratio(a: Array, b: Array, c: Array, d: Array, size: Array) -> _Parts:
    r, s = a * d / size, b * c / size
    p, q = (a + d) / size, (b + c) / size
    top, bottom = r.sum(-1), s.sum(-1)
    finite = (top > 0) & (bottom > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = np.log(top / bottom)
        mixed = (p * s + q * r).sum(-1) / (top * bottom)
        variance = 0.5 * ((p * r).sum(-1) / (top * top) + mixed + (q * s).sum(-1) / (bottom * bottom))
    return estimate, np.where(finite, variance, np.nan), s, (r > 0) | (s > 0), finite


def _risk_ratio(a: Array, b: Array, c: Array, d: Array, size: Array) -> _Parts:
    n1, n2 = a + b, c + d
    r, s = a * n2 / size, c * n1 / size
    top, bottom = r.sum(-1), s.sum(-1)
    finite = (top > 0) & (bottom > 0)
    # n1 n2 (a + c) - a c N as a sum of positive parts: with events only it is exactly zero.
    spread = ((a * d * n1 + c * b * n2) / (size * size)).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(top / bottom), np.where(finite, spread / (top * bottom), np.nan), s, a + c > 0, finite


def _risk_difference(a: Array, b: Array, c: Array, d: Array, size: Array) -> _Parts:
    n1, n2 = a + b, c + d
    weight = n1 * n2 / size
    whole = weight.sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = ((a * n2 - c * n1) / size).sum(-1) / whole
        tilt = ((n1 * n1 * c - n2 * n2 * a + n1 * n2 * (n2 - n1) / 2) / (size * size)).sum(-1)
        variance = (estimate * tilt + ((a * d + c * b) / (2 * size)).sum(-1)) / (whole * whole)
    return estimate, variance, weight, weight > 0, whole > 0


MEASURES: dict[str, Callable[[Array, Array, Array, Array, Array], _Parts]] = {
    "OR": _odds_ratio,
    "RR": _risk_ratio,
    "RD": _risk_difference,
}


def pool_corrected(
    measure: str, cells: tuple[Array, Array, Array, Array], plus: Array, y: Array, v: Array, *, plain_weights: bool, about: str = "own"
) -> Pooled:
    """Pool by the method of Mantel and Haenszel with corrected cells, as RevMan and meta do.

    Parameters
    ----------
    cells
        Events and non-events of the treated and of the control, as counted, ``[b, k]``.
    plus
        What is added to each of the four cells of a study, ``[b, k]``.
    y, v
        The studies' own effects and variances by the same convention; infinite variances mark the studies that are left out.
    plain_weights
        Whether the weights of risk differences, ``n1 n2 / N``, rest on the counts (RevMan) or on the corrected cells (meta).
    about
        "own" or "inverse_variance": the mean that `q` is about.

    Notes
    -----
    A risk difference is the weighted mean of the studies' own; its variance is that of Greenland and Robins (1985,
    doi:10.2307/2530643) from the corrected cells. The odds ratio and the risk ratio have the formulas of `pool_mantel_haenszel`.
    """
    used = np.isfinite(v)
    a, b, c, d = (np.where(used, cell + plus, 0.0) for cell in cells)
    size = np.where(used, a + b + c + d, 1.0)
    if measure == "RD":
        n1, n2 = np.where(used, a + b, 1.0), np.where(used, c + d, 1.0)
        m1, m2 = (n1 - 2 * plus, n2 - 2 * plus) if plain_weights else (n1, n2)
        weight = np.where(used, m1 * m2 / (m1 + m2), 0.0)
        whole = weight.sum(-1)
        spread = ((a * b * n2**3 + c * d * n1**3) / (n1 * n2 * size * size)).sum(-1)
        with np.errstate(divide="ignore", invalid="ignore"):
            value, variance = (weight * np.where(used, y, 0.0)).sum(-1) / whole, spread / (whole * whole)
        finite = whole > 0
    else:
        value, variance, weight, _, finite = MEASURES[measure](a, b, c, d, size)
    estimable = finite & (variance > 0)
    estimate = np.where(estimable, value, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        w = np.where(used, 1.0 / v, 0.0)
        centre = estimate if about == "own" else (w * y).sum(-1) / w.sum(-1)
        q = np.where(used, w * (y - centre[:, None]) ** 2, 0.0).sum(-1)
        shares = np.where(estimable[:, None], weight / weight.sum(-1, keepdims=True), np.nan)
    df = np.maximum(used.sum(-1) - 1.0, 0.0)
    q = np.where(estimable, np.where(df > 0, q, 0.0), np.nan)
    se = np.sqrt(np.where(estimable, variance, np.nan))
    return Pooled(estimate, se, q, df, distributions.chi2_upper_tail(q, df), shares, used, estimable)


def _homogeneity(measure: str, t: Tables, estimate: Array, add: float, *, drop_empty: bool) -> tuple[Array, Array]:
    """Weighted sum of squared distances of the studies' own effects from the estimate, and its degrees of freedom."""
    counted = t.present & ~t.empty if drop_empty else t.present
    zero = (t.a == 0) | (t.b == 0) | (t.c == 0) | (t.d == 0)
    a, b, c, d = (np.where(counted, cell + np.where(zero, add, 0.0), 1.0) for cell in (t.a, t.b, t.c, t.d))
    n1, n2 = a + b, c + d
    with np.errstate(divide="ignore", invalid="ignore"):
        if measure == "OR":
            y, v = np.log(a * d) - np.log(b * c), 1 / a + 1 / b + 1 / c + 1 / d
        elif measure == "RR":
            y, v = np.log(a * n2) - np.log(c * n1), b / (a * n1) + d / (c * n2)
        else:
            y, v = (a * n2 - c * n1) / (n1 * n2), a * b / n1**3 + c * d / n2**3
        counted &= np.isfinite(y) & (v > 0) & np.isfinite(v)
        distance = np.where(counted, (y - estimate[:, None]) ** 2 / v, 0.0).sum(-1)
    df = np.maximum(counted.sum(-1) - 1.0, 0.0)
    return np.where(np.isnan(estimate), np.nan, np.where(df > 0, distance, 0.0)), df


def association_test(
    events: Array, total: Array, events_control: Array, total_control: Array, *, correct: bool = True
) -> tuple[Array, Array]:
    """Cochran-Mantel-Haenszel test that the odds ratio is one in every study: statistic (1 df) and p-value, ``[b]``.

    ``(|sum(a - n1 m / N)| - 1/2)^2 / sum(n1 n2 m (N - m) / (N^2 (N - 1)))`` with ``m = a + c``; NaN where no study has an
    event and a non-event.

    Notes
    -----
    The correction of one half never carries the statistic past zero. (metafor squares the negative difference;
    R's `mantelhaen.test` then drops the correction. All agree from a difference of one half on.)
    """
    t = tables(events, total, events_control, total_control)
    difference, variance = excess(t)
    gap = np.abs(difference.sum(-1))
    if correct:
        gap = np.maximum(gap - 0.5, 0.0)
    spread = variance.sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(spread > 0, gap * gap / spread, np.nan)
    return statistic, distributions.chi2_upper_tail(statistic, 1)


def excess(t: Tables) -> tuple[Array, Array]:
    """Observed less expected events of the treated arm, ``(a d - b c) / N``, and the hypergeometric variance, ``[b, k]``."""
    a, b, c, d, size = t.a, t.b, t.c, t.d, t.size
    difference = (a * d - b * c) / size
    variance = (a + c) / size * ((b + d) / size) * ((a + b) * (c + d) / np.maximum(size - 1.0, 1.0))
    return difference, np.asarray(variance)


# Peto's one-step pooling of odds ratios.
#
# ``sum(O - E) / sum(V)`` with variance ``1 / sum(V)``, O the events of the treated arm, E and V their mean and variance
# under the hypergeometric distribution (Yusuf, Peto and others 1985, doi:10.1016/S0033-0620(85)80003-7). Heterogeneity:
# ``sum((O - E)^2 / V) - (sum(O - E))^2 / sum(V)``. Counts have shape ``[b, k]``; a study in which either total is 0 is
# absent.


def pool_peto(events: Array, total: Array, events_control: Array, total_control: Array) -> Pooled:
    """Pool log odds ratios by Peto's method.

    No cell needs a correction, not even an arm without events in every study; only rows without an event, or without a
    non-event, anywhere are not estimable. Studies of that kind have ``V = 0`` and drop out by themselves.

    Notes
    -----
    The one step is biased away from large effects and from unbalanced arms (Greenland and Salvan 1990,
    doi:10.1002/sim.4780090303); it is for rare events, similar arms and effects near one.
    """
    difference, variance = excess(tables(events, total, events_control, total_control))
    whole = variance.sum(-1)
    estimable = whole > 0
    used = variance > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = np.where(estimable, difference.sum(-1) / whole, np.nan)
        se = np.where(estimable, 1.0 / np.sqrt(whole), np.nan)
        shares = np.where(estimable[:, None], variance / whole[:, None], np.nan)
        # Written as distances from the estimate, the difference of the two sums does not cancel.
        own = np.where(used, difference / variance, 0.0)
        distance = np.where(used, variance * (own - estimate[:, None]) ** 2, 0.0).sum(-1)
    df = np.maximum(used.sum(-1) - 1.0, 0.0)
    q = np.where(estimable, np.where(df > 0, distance, 0.0), np.nan)
    return Pooled(estimate, se, q, df, distributions.chi2_upper_tail(q, df), shares, used, estimable)
