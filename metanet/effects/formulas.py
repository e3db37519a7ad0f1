"""Effect sizes and their variances: proportions, incidence rates and two groups, and the rules for zero cells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from metanet.base.arrays import Array, Mask


def _nowhere() -> Mask:
    return np.zeros((), dtype=np.bool_)


@dataclass(frozen=True)
class Effects:
    """Effect sizes and sampling variances on the scale of the measure, ``[..., k]``.

    A study without a weight has effect 0 and infinite variance, so that sums over the last axis need no mask: it is absent
    (total or person-time 0), dropped, or its effect is undefined.

    Attributes
    ----------
    yi, vi
        Effect sizes and their large-sample variances. A variance of exactly 0 is possible where nothing was added to an empty
        cell (the raw proportion 0 of 20).
    corrected
        Studies to which the zero-cell correction was added.
    dropped
        Studies with no events in both groups, or only events in both, excluded by `drop00`.
    undefined
        Studies whose effect or variance is not finite, such as the log of 0 when nothing is added.
    """

    yi: Array
    vi: Array
    corrected: Mask
    dropped: Mask = field(default_factory=_nowhere)
    undefined: Mask = field(default_factory=_nowhere)


# Zero cells: which studies get the continuity correction, in which cells, and which studies are excluded.
#
# The rules are those of metafor's `escalc` (Viechtbauer 2010, doi:10.18637/jss.v036.i03): `to` selects the studies that get `add`,
#
# * "only0": the studies with an empty cell;
# * "if0all": every study of the analysis, if at least one of them has an empty cell;
# * "all": every study;
# * "none": no study.
#
# Programs differ here, and the choice moves the pooled rate, so it belongs into every method stamp. One analysis is one row
# ``[..., k]``: "if0all" looks along the last axis. Absent and excluded studies are ignored.
#
# Once a study gets its `add`, programs differ in what they make of it, which is the `convention`:
#
# * "metafor": the corrected cells replace the counts throughout, so that a group of two cells grows by twice `add`;
# * "revman": the same, but a risk difference keeps its estimate, of which the variance alone is corrected, and Peto's odds ratio needs
#   no correction (Deeks and Higgins 2010, Statistical algorithms in Review Manager 5);
# * "meta": as "revman", and the differences of incidence rates and raw proportions keep their estimate as well; in risk ratios and log
#   proportions a total grows by `add` once, and `drop00` keeps risk ratios of studies with only events.

#: Values of `to`.
RULES = ("only0", "if0all", "all", "none")
#: Values of `convention`.
CONVENTIONS = ("metafor", "meta", "revman")
#: The continuity correction of a cell (with two cells in a group, the denominator grows by twice as much).
CORRECTION = 0.5


class Rules(TypedDict, total=False):
    """The rule for zero cells: the correction, the studies that get it, whose convention, and whether double-zero studies stay."""

    add: float
    to: str
    drop00: bool
    convention: str


@dataclass(frozen=True)
class Cells:
    """Corrected cells ``[..., k]`` and the studies that are in the analysis; the others have 1 in every cell.

    Attributes
    ----------
    cells
        One group: events, non-events. Two groups: events, non-events, and those of the control. One rate: events. Two rates:
        events, and those of the control.
    present, corrected, dropped
        Studies in the analysis; of these, the corrected ones; studies that `drop00` excluded.
    plain
        The same cells before the correction.
    """

    cells: tuple[Array, ...]
    present: Mask
    corrected: Mask
    dropped: Mask
    plain: tuple[Array, ...]

    @property
    def plus(self) -> Array:
        """What was added to each cell of a study."""
        return np.asarray(self.cells[0] - self.plain[0])


def _arrays(*values: ArrayLike) -> list[Array]:
    return [np.asarray(a) for a in np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in values))]


def _corrected(cells: tuple[Array, ...], present: Mask, excluded: Mask | None = None, **rules: Unpack[Rules]) -> Cells:
    """Add the correction to the studies that the rule selects; `drop00` excludes the studies in `excluded`."""
    add, to = rules.get("add", CORRECTION), rules.get("to", "only0")
    if to not in RULES:
        raise ValueError(f"to={to!r} is not one of {RULES}")
    dropped = np.zeros_like(present) if excluded is None else present & excluded & rules.get("drop00", False)
    present = present & ~dropped
    # The cells of an absent study have no meaning, and no root or logarithm of them is taken.
    cells = tuple(np.where(present, cell, 1.0) for cell in cells)
    empty = np.any([cell == 0 for cell in cells], axis=0)
    if to == "only0":
        touched = empty
    elif to == "if0all":
        touched = present & (empty.any(axis=-1, keepdims=True) if empty.ndim else empty)
    else:
        touched = present & (to == "all")
    touched = touched & (add > 0)
    plus = np.where(touched, add, 0.0)
    return Cells(tuple(cell + plus for cell in cells), present, touched, dropped, cells)


def one_group(events: ArrayLike, total: ArrayLike, **rules: Unpack[Rules]) -> Cells:
    """Events and non-events of one group; `add` goes to both."""
    x, n = _arrays(events, total)
    return _corrected((x, n - x), n > 0, **rules)


def two_groups(*counts: ArrayLike, keep_full: bool = False, **rules: Unpack[Rules]) -> Cells:
    """The four cells of two groups; `add` goes to all of them. `drop00` excludes studies with no or only events in both.

    With `keep_full` those with only events in both stay.
    """
    x1, n1, x2, n2 = _arrays(*counts)
    same_end = ((x1 == 0) & (x2 == 0)) | ((x1 == n1) & (x2 == n2) & (not keep_full))
    return _corrected((x1, n1 - x1, x2, n2 - x2), (n1 > 0) & (n2 > 0), same_end, **rules)


def one_rate(events: ArrayLike, person_time: ArrayLike, **rules: Unpack[Rules]) -> Cells:
    """Events of one group in person-time; `add` goes to the events, the person-time stays."""
    x, t = _arrays(events, person_time)
    return _corrected((x,), t > 0, **rules)


def two_rates(*counts: ArrayLike, **rules: Unpack[Rules]) -> Cells:
    """Events of two groups in person-time; `add` goes to both. `drop00` excludes double-zero studies."""
    x1, t1, x2, t2 = _arrays(*counts)
    return _corrected((x1, x2), (t1 > 0) & (t2 > 0), (x1 == 0) & (x2 == 0), **rules)


def _convention(rules: Rules) -> str:
    return rules.get("convention", "metafor")


def finish(yi: Array, vi: Array, cells: Cells) -> Effects:
    """Effects in which every study without a finite effect or variance has effect 0 and infinite variance, that is no weight."""
    finite = np.isfinite(yi) & np.isfinite(vi)
    use = cells.present & finite
    # Adding 0 turns a negative zero into zero.
    return Effects(np.where(use, yi, 0.0) + 0.0, np.where(use, vi, np.inf), cells.corrected, cells.dropped, cells.present & ~finite)


# One-group effect sizes of a proportion: raw, log, logit, arcsine and Freeman-Tukey, with their large-sample variances.
#
# Every function takes counts ``[..., k]``; a study with total 0 is absent. `add` and `to` are the zero-cell rules of
# `metanet.effects.formulas`; the arcsine measures exist at 0 % and 100 % and take no correction.


def raw_proportion(events: ArrayLike, total: ArrayLike, **rules: Unpack[Rules]) -> Effects:
    """Proportion ``p = x / n`` with variance ``p (1 - p) / n``; measure PR (Viechtbauer 2010, doi:10.18637/jss.v036.i03)."""
    cells = one_group(events, total, **rules)
    x, y = cells.cells
    n = x + y
    own, other = cells.plain if _convention(rules) == "meta" else cells.cells
    with np.errstate(divide="ignore", invalid="ignore"):
        return finish(own / (own + other), x * y / n**3, cells)


def log_proportion(events: ArrayLike, total: ArrayLike, **rules: Unpack[Rules]) -> Effects:
    """Log ``log(x / n)`` with variance ``1 / x - 1 / n``; measure PLN (Viechtbauer 2010, doi:10.18637/jss.v036.i03).

    By meta's convention the correction goes to the events and once to the total, and a study with only events has its events as they
    are in the variance.
    """
    cells = one_group(events, total, **rules)
    x, y = cells.cells
    if _convention(rules) == "meta":
        plain, other = cells.plain
        n = plain + other + cells.plus
        with np.errstate(divide="ignore", invalid="ignore"):
            return finish(-np.log1p(other / x), 1.0 / np.where(other == 0, plain, x) - 1.0 / n, cells)
    with np.errstate(divide="ignore", invalid="ignore"):
        # log(x / n) = -log(1 + y / x) and 1 / x - 1 / n = y / (x n) keep their digits where x is nearly n.
        return finish(-np.log1p(y / x), y / (x * (x + y)), cells)


def logit(events: ArrayLike, total: ArrayLike, **rules: Unpack[Rules]) -> Effects:
    """Logit ``log(x / (n - x))`` with variance ``1 / x + 1 / (n - x)``; measure PLO (Stijnen 2010, doi:10.1002/sim.4040)."""
    cells = one_group(events, total, **rules)
    x, y = cells.cells
    with np.errstate(divide="ignore", invalid="ignore"):
        return finish(np.log(x) - np.log(y), 1.0 / x + 1.0 / y, cells)


def arcsine(events: ArrayLike, total: ArrayLike) -> Effects:
    """Arcsine ``asin(sqrt(x / n))`` with variance ``1 / (4 n)``; measure PAS (Lin and Xu 2020, doi:10.1002/hsr2.178)."""
    cells = one_group(events, total, to="none")
    x, y = cells.cells
    with np.errstate(divide="ignore"):
        return finish(_arc(x, y), 0.25 / (x + y), cells)


def freeman_tukey(events: ArrayLike, total: ArrayLike) -> Effects:
    """Half the sum of ``asin(sqrt(x / (n + 1)))`` and ``asin(sqrt((x + 1) / (n + 1)))``, variance ``1 / (4 n + 2)``; measure PFT.

    Freeman and Tukey (1950, doi:10.1214/aoms/1177729756). The order of proportions is not kept across sizes: 0 of 10 has a
    larger value than 0 of 100.
    """
    cells = one_group(events, total, to="none")
    x, y = cells.cells
    return finish(0.5 * (_arc(x, y + 1.0) + _arc(x + 1.0, y)), 0.25 / (x + y + 0.5), cells)


def _arc(success: Array, failure: Array) -> Array:
    """``asin(sqrt(s / (s + f)))`` in a form that keeps its digits near 0 and near 1."""
    return np.arctan2(np.sqrt(success), np.sqrt(failure))


def logit_proportion(events: ArrayLike, total: ArrayLike, *, add: float = CORRECTION) -> Effects:
    """Logit ``log(x / (n - x))`` with variance ``1 / x + 1 / (n - x)`` by the rule "only0", infinite logits left in place.

    A study without events, or without non-events, gets `add` on both cells; no other study is touched. Absent studies (total
    0) get effect 0 and infinite variance, that is no weight. `logit` is the same measure for the registry.

    Parameters
    ----------
    events, total
        Counts, ``[..., k]``.
    add
        The correction; 0 leaves infinite logits in place.
    """
    cells = one_group(events, total, add=add)
    x, y = cells.cells
    with np.errstate(divide="ignore", invalid="ignore"):
        yi = np.where(cells.present, np.log(x) - np.log(y), 0.0)
        vi = np.where(cells.present, 1.0 / x + 1.0 / y, np.inf)
    return Effects(yi, vi, cells.corrected)


def inverse_logit(value: ArrayLike) -> Array:
    """The proportion whose logit is `value`; only an infinite logit gives exactly 1, as only minus infinity gives 0."""
    logit = np.asarray(value, dtype=np.float64)
    rate = np.asarray(special.expit(logit))
    return np.where((rate == 1) & np.isfinite(logit), np.nextafter(1.0, 0.0), rate)


# Effect sizes of events in person-time: one rate raw, logged, as square root and Freeman-Tukey; two rates as ratio and difference.
#
# Every function takes events and person-time ``[..., k]`` in any unit (the rate is per that unit); a study with person-time 0 is
# absent. `add`, `to` and `drop00` are the rules of `metanet.effects.formulas`: only the events are corrected. Formulas and
# variances are those of Poisson counts (Viechtbauer 2010, doi:10.18637/jss.v036.i03).


def _time(person_time: ArrayLike) -> Array:
    return np.asarray(person_time, dtype=np.float64)


def raw_rate(events: ArrayLike, person_time: ArrayLike, **rules: Unpack[Rules]) -> Effects:
    """Rate ``x / t`` with variance ``x / t^2``; measure IR."""
    cells, t = one_rate(events, person_time, **rules), _time(person_time)
    (x,) = cells.cells
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return finish(x / t, x / t / t, cells)


def log_rate(events: ArrayLike, person_time: ArrayLike, **rules: Unpack[Rules]) -> Effects:
    """Log rate ``log(x / t)`` with variance ``1 / x``; measure IRLN."""
    cells, t = one_rate(events, person_time, **rules), _time(person_time)
    (x,) = cells.cells
    with np.errstate(divide="ignore", invalid="ignore"):
        return finish(np.log(x) - np.log(t), 1.0 / x, cells)


def root_rate(events: ArrayLike, person_time: ArrayLike) -> Effects:
    """Square root ``sqrt(x / t)`` with variance ``1 / (4 t)``; measure IRS."""
    cells, t = one_rate(events, person_time, to="none"), _time(person_time)
    (x,) = cells.cells
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return finish(np.sqrt(x / t), 0.25 / t, cells)


def freeman_tukey_rate(events: ArrayLike, person_time: ArrayLike) -> Effects:
    """Half the sum of ``sqrt(x / t)`` and ``sqrt((x + 1) / t)``, variance ``1 / (4 t)``; measure IRFT.

    Freeman and Tukey (1950, doi:10.1214/aoms/1177729756).
    """
    cells, t = one_rate(events, person_time, to="none"), _time(person_time)
    (x,) = cells.cells
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return finish(0.5 * (np.sqrt(x / t) + np.sqrt((x + 1.0) / t)), 0.25 / t, cells)


def rate_ratio(*counts: ArrayLike, **rules: Unpack[Rules]) -> Effects:
    """Log rate ratio ``log(x1 / t1) - log(x2 / t2)`` with variance ``1 / x1 + 1 / x2``; measure IRR."""
    cells = two_rates(*counts, **rules)
    (x1, x2), t1, t2 = cells.cells, _time(counts[1]), _time(counts[3])
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return finish(np.log(x1 * t2) - np.log(x2 * t1), 1.0 / x1 + 1.0 / x2, cells)


def rate_difference(*counts: ArrayLike, **rules: Unpack[Rules]) -> Effects:
    """Difference ``x1 / t1 - x2 / t2`` with variance ``x1 / t1^2 + x2 / t2^2``; measure IRD."""
    cells = two_rates(*counts, **rules)
    (x1, x2), t1, t2 = cells.cells, _time(counts[1]), _time(counts[3])
    own1, own2 = cells.plain if _convention(rules) == "meta" else cells.cells
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return finish(own1 / t1 - own2 / t2, x1 / t1 / t1 + x2 / t2 / t2, cells)


# Two-group effect sizes of counts: odds ratio, risk ratio, risk difference, arcsine difference, Peto's odds ratio.
#
# Every function takes events and total of the treated group and of the control, each ``[..., k]``; a study in which either total
# is 0 is absent. `add`, `to` and `drop00` are the rules of `metanet.effects.formulas`. Cells: a events and b non-events among n1
# treated, c events and d non-events among n2 controls. Products of two counts are exact in double precision, so equal rates
# give an effect of exactly 0.


def odds_ratio(*counts: ArrayLike, **rules: Unpack[Rules]) -> Effects:
    """Log odds ratio ``log(a d / (b c))``, variance ``1/a + 1/b + 1/c + 1/d`` (Woolf 1955, doi:10.1111/j.1469-1809.1955.tb01348.x)."""
    cells = two_groups(*counts, **rules)
    a, b, c, d = cells.cells
    with np.errstate(divide="ignore", invalid="ignore"):
        return finish(np.log(a * d) - np.log(b * c), 1.0 / a + 1.0 / b + 1.0 / c + 1.0 / d, cells)


def risk_ratio(*counts: ArrayLike, **rules: Unpack[Rules]) -> Effects:
    """Log risk ratio ``log(a n2 / (c n1))``, variance ``1/a - 1/n1 + 1/c - 1/n2`` (Greenland and Robins 1985, doi:10.2307/2530643)."""
    theirs = _convention(rules) == "meta"
    cells = two_groups(*counts, keep_full=theirs, **rules)
    a, b, c, d = cells.cells
    n1, n2 = a + b, c + d
    with np.errstate(divide="ignore", invalid="ignore"):
        if theirs:
            n1, n2 = n1 - cells.plus, n2 - cells.plus
            full = (cells.plain[1] == 0) & (cells.plain[3] == 0)
            own1, own2 = (np.where(full, plain, cell) for plain, cell in ((cells.plain[0], a), (cells.plain[2], c)))
            return finish(np.log(a * n2) - np.log(c * n1), 1.0 / own1 - 1.0 / n1 + 1.0 / own2 - 1.0 / n2, cells)
        return finish(np.log(a * n2) - np.log(c * n1), b / (a * n1) + d / (c * n2), cells)


def risk_difference(*counts: ArrayLike, **rules: Unpack[Rules]) -> Effects:
    """Difference ``a/n1 - c/n2``, variance ``a b / n1^3 + c d / n2^3`` (Greenland and Robins 1985, doi:10.2307/2530643)."""
    cells = two_groups(*counts, **rules)
    a, b, c, d = cells.cells
    n1, n2 = a + b, c + d
    x1, y1, x2, y2 = cells.cells if _convention(rules) == "metafor" else cells.plain
    m1, m2 = x1 + y1, x2 + y2
    with np.errstate(divide="ignore", invalid="ignore"):
        return finish((x1 * m2 - x2 * m1) / (m1 * m2), a * b / n1**3 + c * d / n2**3, cells)


def arcsine_difference(*counts: ArrayLike, drop00: bool = False) -> Effects:
    """``asin(sqrt(a/n1)) - asin(sqrt(c/n2))``, variance ``1/(4 n1) + 1/(4 n2)`` (Rücker 2009, doi:10.1002/sim.3511)."""
    cells = two_groups(*counts, to="none", drop00=drop00)
    a, b, c, d = cells.cells
    # The difference of two angles as one angle: equal rates give exactly 0.
    angle = np.arctan2(np.sqrt(a * d) - np.sqrt(b * c), np.sqrt(b * d) + np.sqrt(a * c))
    with np.errstate(divide="ignore"):
        return finish(angle, 0.25 / (a + b) + 0.25 / (c + d), cells)


def peto_odds_ratio(*counts: ArrayLike, **rules: Unpack[Rules]) -> Effects:
    """Peto's log odds ratio ``(O - E) / V``, variance ``1 / V`` (Yusuf 1985, doi:10.1016/S0033-0620(85)80003-7).

    With N patients: ``O - E = (a d - b c) / N`` and ``V = (a + c) (b + d) n1 n2 / (N^2 (N - 1))``, the variance of the
    hypergeometric distribution. The zero-cell rules apply as for the other measures, as in metafor's `escalc`; Peto's method
    itself, which pools `O - E`, needs no correction: give ``add=0`` for it, or the convention of meta or RevMan, which add nothing.
    """
    if _convention(rules) != "metafor":
        rules["to"] = "none"
    cells = two_groups(*counts, **rules)
    a, b, c, d = cells.cells
    n1, n2 = a + b, c + d
    n = n1 + n2
    with np.errstate(divide="ignore", invalid="ignore"):
        v = (a + c) / n * ((b + d) / n) * (n1 * n2 / (n - 1.0))
        return finish((a * d - b * c) / n / v, 1.0 / v, cells)
