"""`effect_sizes` and `back_transform`: checked counts to effect sizes in a frame, and values back to the response."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metanet._version import __version__
from metanet.base.arguments import checked
from metanet.base.arrays import Array
from metanet.base.display import plural
from metanet.base.errors import ArgumentError, MetanetWarning, as_given, check_choice
from metanet.effects.back_transforms import harmonic_mean
from metanet.effects.formulas import CORRECTION, RULES, Effects
from metanet.effects.measures import MEASURES, Measure
from metanet.evidence.sources import Rates, rates_of
from metanet.models.pooling.inputs import as_numbers, check_columns, check_counts, check_time, found_names, read_columns, same_length

if TYPE_CHECKING:
    import pandas as pd


Column = str | Sequence[float] | ArrayLike | None

#: Columns that `effect_sizes` adds.
_ADDED = ("yi", "vi", "corrected")


@checked()
def effect_sizes(
    data: Rates | None = None,
    *,
    measure: str,
    events: Column = None,
    total: Column = None,
    events_control: Column = None,
    total_control: Column = None,
    person_time: Column = None,
    person_time_control: Column = None,
    add: float = CORRECTION,
    to: str = "only0",
    drop00: bool = False,
) -> pd.DataFrame:
    """Effect sizes and sampling variances of studies, as metafor's `escalc` gives them.

    Parameters
    ----------
    data
        One row for each study, in a form that `pool` takes; the arguments below then name its columns. Columns that bear the name of
        an argument are found without being named.
    measure
        One proportion (`events`, `total`): "PR" raw, "PLN" log, "PLO" logit, "PAS" arcsine, "PFT" Freeman-Tukey.
        Two groups (also `events_control`, `total_control`): "OR" log odds ratio, "RR" log risk ratio, "RD" risk difference,
        "AS" arcsine difference, "PETO" Peto's log odds ratio.
        One incidence rate (`events`, `person_time`): "IR" raw, "IRLN" log, "IRS" square root, "IRFT" Freeman-Tukey.
        Two incidence rates (also `events_control`, `person_time_control`): "IRR" log rate ratio, "IRD" rate difference.
    events, total
        Events and patients of each study, or of its treated group: column names, or sequences of length k.
    events_control, total_control
        Events and patients of its control group.
    person_time, person_time_control
        Person-time at risk, above zero, in any one unit; rates are per that unit.
    add
        What is added to the empty cells of the studies that `to` names: with counts to events and non-events (so the
        denominator grows by twice as much), with two groups to all four cells, with person-time to the events.
        PAS, PFT, AS, IRS and IRFT exist at empty cells, so nothing is ever added for them.
    to
        Which studies get it: "only0" those with an empty cell, "if0all" all if one of them has an empty cell, "all", "none".
    drop00
        With two groups: give no effect to studies with no events in both groups, or (counts) only events in both.

    Returns
    -------
    pandas.DataFrame
        The columns and the index of `data`, then `yi` and `vi` on the scale of the measure (log ratios, not ratios; angles in
        radians) and `corrected`, whether something was added. ``attrs["method"]`` holds every choice and the number of studies
        corrected. A study that `drop00` takes out, or whose effect is not finite because nothing was added, has `yi` and `vi`
        NaN and stands in ``attrs["method"]["notes"]``.

    Raises
    ------
    ArgumentError
        An argument that cannot be used; the message names it, and the index of the study.

    Warns
    -----
    MetanetWarning
        An effect does not exist, or has variance 0, because nothing was added to an empty cell.

    See Also
    --------
    back_transform : the back-transformation to rates, ratios and differences.

    Notes
    -----
    "only0" with 0.5 is the default because it is metafor's; other programs add differently, and with rare events the choice
    moves the pooled rate. The exact model of `pool` needs no correction.

    References
    ----------
    Viechtbauer (2010), doi:10.18637/jss.v036.i03. Freeman and Tukey (1950), doi:10.1214/aoms/1177729756. Yusuf (1985),
    doi:10.1016/S0033-0620(85)80003-7. Rücker (2009), doi:10.1002/sim.3511. ``metanet.effects.measures.MEASURES`` has the
    source of every measure.

    Examples
    --------
    >>> import metanet as mn
    >>> made = mn.effect_sizes(measure="PLO", events=[0, 4], total=[20, 20])
    >>> made.round(4)
           yi      vi  corrected
    0 -3.7136  2.0488       True
    1 -1.3863  0.3125      False
    """
    chosen = _measure(measure)
    rules = _check_rules(chosen, add, to, drop00)
    rows = None if data is None else rates_of(data)
    given = {
        "events": events,
        "total": total,
        "person_time": person_time,
        "events_control": events_control,
        "total_control": total_control,
        "person_time_control": person_time_control,
    }
    if rows is not None:
        given |= {name: column for name, column in found_names(rows, given).items() if name in chosen.arguments}
    counts = _read(rows, chosen, given)
    effects = chosen.effects(*counts.values(), **rules)
    notes = _notes(effects)
    if notes and (effects.undefined.any() or (effects.vi == 0).any()):
        warnings.warn(" ".join(notes), MetanetWarning, stacklevel=2)
    import pandas as pd

    known = np.isfinite(effects.vi)
    frame = pd.DataFrame(index=range(len(effects.yi))) if rows is None else rows
    frame = frame.assign(yi=np.where(known, effects.yi, np.nan), vi=np.where(known, effects.vi, np.nan), corrected=effects.corrected)
    frame.attrs = {**frame.attrs, "method": _stamp(chosen, rules, effects, notes)}
    return frame


@overload
def back_transform(value: float, measure: str, *, total: float | ArrayLike | None = None) -> float: ...
@overload
def back_transform(
    value: Sequence[float] | NDArray[Any] | pd.Series[Any], measure: str, *, total: float | ArrayLike | None = None
) -> Array: ...
@checked()
def back_transform(
    value: float | ArrayLike | pd.Series[Any], measure: str, *, total: float | ArrayLike | None = None
) -> float | Array:
    """From the scale of a measure to the response: a rate, a ratio, a difference, a rate per person-time.

    Parameters
    ----------
    value
        Effects, pooled means or ends of intervals on the model scale: one number, a sequence, or an array of any shape.
    measure
        The measure they are on, as in `effect_sizes`.
    total
        For PFT and IRFT, whose back-transformation depends on the size of the studies: one number of patients (or person-time), or
        those of the studies that were pooled, of which the harmonic mean is taken. Count only studies that were pooled:
        a mean over excluded studies moves the rate. The value of a single study goes back with its own size.

    Returns
    -------
    float or numpy.ndarray
        A number for a number, else an array of the shape of `value`. PR, PLN, PLO, PAS, PFT: proportions in 0..1. OR, RR, PETO,
        IRR: ratios. RD: difference in -1..1. IR, IRLN, IRS, IRFT: rates, at least 0, per unit of person-time. IRD and AS, which
        has no other scale: differences as they are. A value outside of what the measure can attain maps to the nearest
        response that it can; with PFT and IRFT that depends on `total`.

    Raises
    ------
    ArgumentError
        A value that is no finite number, an unknown measure, a size that is missing, superfluous or not above zero.

    See Also
    --------
    effect_sizes : the way there.

    References
    ----------
    Miller (1978), doi:10.1080/00031305.1978.10479283, and Schwarzer (2019), doi:10.1002/jrsm.1348, for PFT.

    Examples
    --------
    >>> import metanet as mn
    >>> mn.back_transform(0.0, "PLO")
    0.5
    >>> mn.back_transform([0.0, 0.5], "PFT", total=[10, 20, 40]).round(4)
    array([0.    , 0.2147])
    """
    chosen = _measure(measure)
    size = _size(chosen, total)
    if value is np.ma.masked:
        raise ArgumentError("value is missing.")
    if _is_scalar(value):
        return float(chosen.back(_number("value", value), size))
    items: Any = np.ma.asanyarray(value) if getattr(value, "ndim", 1) > 1 else None
    numbers = as_numbers("value", value if items is None else items.ravel())
    if numbers.size == 0:
        raise ArgumentError("value is empty. Fix: give at least one number.")
    return chosen.back(numbers if items is None else numbers.reshape(items.shape), size)


def _measure(measure: object) -> Measure:
    return MEASURES[check_choice("measure", measure, tuple(MEASURES))]


def _is_scalar(value: object) -> bool:
    return value is None or isinstance(value, (Real, np.generic, str, bytes)) or getattr(value, "ndim", None) == 0


def _number(argument: str, value: object) -> float:
    """One finite number."""
    item = value.item() if isinstance(value, (np.generic, np.ndarray)) else value
    if isinstance(item, bool) or not isinstance(item, Real):
        raise ArgumentError(f"{argument}={as_given(value)} is not a number.")
    try:
        number = float(item)
    except OverflowError:
        number = np.inf
    if not np.isfinite(number):
        raise ArgumentError(f"{argument}={as_given(value)} must be a finite number.")
    return number


def _check_rules(measure: Measure, add: object, to: object, drop00: object) -> dict[str, Any]:
    """The zero-cell rules; one that could not have an effect on this measure is refused."""
    amount = _number("add", add)
    if amount < 0:
        raise ArgumentError(f"add={amount:g} is negative. Fix: give 0 to add nothing.")
    rule = check_choice("to", to, RULES)
    if not measure.corrects:
        # The defaults are taken as "the measure's own", which is to add nothing.
        if amount not in (0.0, CORRECTION):
            raise ArgumentError(f"add={amount:g} does not go with measure={measure.name!r}, which needs no correction.")
        if rule in ("if0all", "all"):
            raise ArgumentError(f"to={rule!r} does not go with measure={measure.name!r}, which needs no correction.")
        amount, rule = 0.0, "none"
    if drop00 and measure.groups == 1:
        raise ArgumentError(f"drop00=True does not go with measure={measure.name!r}, which has one group.")
    return {"add": amount, "to": rule, "drop00": bool(drop00)}


def _read(data: pd.DataFrame | None, measure: Measure, given: dict[str, Column]) -> dict[str, Array]:
    """The checked counts of a measure in the order of its arguments."""
    if data is not None and hasattr(data, "columns") and (taken := [name for name in _ADDED if name in data.columns]):
        raise ArgumentError(f"data has a column {taken[0]!r} already, which would be lost. Fix: rename it or leave it out.")
    counts = read_columns(data, given, measure.arguments, f"measure={measure.name!r}")
    same_length(**counts, **({} if data is None else {"data": [""] * len(data)}))
    check_columns(counts)
    return counts


def _size(measure: Measure, total: object) -> float | None:
    """The size that a back-transformation needs: as given, or the harmonic mean of the sizes of the studies."""
    if not measure.needs_size:
        if total is not None:
            raise ArgumentError(f"total does not go with measure={measure.name!r}, whose back-transformation needs no size.")
        return None
    if total is None:
        raise ArgumentError(
            f"total is missing; the back-transformation of measure={measure.name!r} needs the {measure.size}: one number, or those of "
            "the studies that were pooled."
        )
    if _is_scalar(total):
        number = _number("total", total)
        least = 1 if measure.data == "counts" else 0
        if number < least or number == 0:
            limit = "at least 1" if least else "above zero"
            raise ArgumentError(f"total={number:g} must be {limit}: it is the {measure.size}.")
        return number
    sizes = as_numbers("total", total)
    same_length(total=sizes)
    if measure.data == "counts":
        check_counts(np.zeros_like(sizes), sizes)
    else:
        check_time("total", sizes)
    return float(harmonic_mean(sizes))


def _rows(mask: NDArray[np.bool_]) -> str:
    """The rows of a mask by position, at most ten of them."""
    found = [str(i) for i in np.flatnonzero(mask)]
    return ", ".join(found[:10]) + (", …" if len(found) > 10 else "")


def _notes(effects: Effects) -> tuple[str, ...]:
    notes = []
    for mask, why in (
        (effects.dropped, "Dropped because both groups have no events, or only events (drop00)"),
        (effects.undefined, "No finite effect, because nothing was added to an empty cell"),
        (effects.vi == 0, "Variance 0, because nothing was added to an empty cell; it cannot be a weight"),
    ):
        if mask.any():
            notes.append(f"{why}: {plural(int(mask.sum()), 'study', 'studies')}, row {_rows(mask)}.")
    return tuple(notes)


def _stamp(measure: Measure, rules: dict[str, Any], effects: Effects, notes: Sequence[str]) -> dict[str, Any]:
    """Every choice that moved an effect size."""
    corrected = int(effects.corrected.sum())
    k = len(effects.yi)
    sentence = f"{measure.title[0].upper()}{measure.title[1:]} ({measure.name})"
    if corrected:
        cells = "events" if measure.data == "person_time" else "cells"
        sentence += f"; {rules['add']:g} added to the {cells} of {corrected} of {plural(k, 'study', 'studies')} (rule {rules['to']})"
    return {
        "measure": measure.name,
        "title": measure.title,
        "scale": measure.scale,
        **rules,
        "k": k,
        "studies_corrected": corrected,
        "studies_dropped": int(effects.dropped.sum()),
        "studies_undefined": int(effects.undefined.sum()),
        "package": "metanet",
        "version": __version__,
        "source": f"doi:{measure.source}",
        "notes": list(notes),
        "sentence": f"{sentence}. metanet {__version__}.",
    }
