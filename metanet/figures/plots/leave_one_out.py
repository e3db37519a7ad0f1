"""The pooled estimate without each study in turn (leave-one-out), and with one study after another (cumulative)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from metanet.base import display
from metanet.base.display import interval_kind, level_text, title_of
from metanet.base.errors import ArgumentError, as_given
from metanet.figures.forest.captions import summary_label
from metanet.figures.forest.pages import folds
from metanet.figures.forest.render import draw_table
from metanet.figures.forest.rows import _data_cell, _heading
from metanet.figures.forest.table import ESTIMATE_SIDES, PIECE_GAP, Cell, Column, Diamond, Point, Row, Table, estimate_cell
from metanet.figures.page.axis import number_axis
from metanet.figures.page.page import saying
from metanet.figures.page.save import describe
from metanet.figures.page.scale import Scale, effect_scale
from metanet.figures.page.subject import Subject, alternative, result_of, subject_of_fit
from metanet.figures.page.text import harmless
from metanet.figures.registry import chart

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from metanet.models.results.pooled import Pooled


_NEEDED = ("study", "estimate", "ci_lower", "ci_upper")
#: Rows of a figure that leaves some out.
_FOLDED = 30


@chart("leave_one_out", title="Leave-one-out analysis")
def leave_one_out_plot(
    frame: pd.DataFrame,
    fit: Pooled | None = None,
    ax: Axes | None = None,
    *,
    per: Literal["cent", "thousand", "ten thousand", "hundred thousand"] = "cent",
    title: str | None = None,
    xlim: tuple[float, float] | None = None,
    fold: bool | None = None,
    response: str = "rate",
    level: float = 0.95,
) -> Axes:
    """Draw the pooled estimate without each study in turn.

    Parameters
    ----------
    frame
        One row for each omitted study, drawn in the order given: study, estimate, ci_lower, ci_upper; tau2 and i2 where
        they are known. Rates are fractions.
    fit
        The result with all studies: a dashed line and a last row with its diamond.
    ax
        Axes to draw into; None makes a figure that fits the content.
    per, title
        As in `forest`.
    xlim
        As in `forest`; None fits the axis to the intervals, so that the differences between the rows can be seen.
    fold
        Whether to draw the 30 studies alone that move the estimate most. None does so where there are more than 40.
    response, level
        Kind of the estimates and coverage of their intervals, without `fit`.

    Returns
    -------
    Axes
        The axes of the panel. Where `fit` has one study, the axes say that there is no analysis.

    Raises
    ------
    ArgumentError
        A frame without a required column or without rows.

    Examples
    --------
    >>> ax = mn.leave_one_out(fit).plot()
    """
    if fit is not None and fit.k == 1 and hasattr(frame, "columns") and not len(frame):
        reason = "A leave-one-out analysis needs at least two studies."
        return saying(ax, "Leave-one-out plot", title, reason)
    _check(frame, _NEEDED)
    shown = _farthest(frame, fit) if folds(fold, len(frame)) else np.arange(len(frame))
    table = _table(frame.iloc[shown], fit, per, title, xlim, response, level, heading="Study left out", each="without that study")
    if len(shown) < len(frame):
        table = replace(table, notes=(f"Of {len(frame):,} studies the {len(shown)} that move the estimate most are shown.",))
    if xlim is None:
        table = replace(table, xlim=_spread(table))
    axes = draw_table(table, ax)
    describe(
        axes,
        table.title or "Leave-one-out plot",
        _words(table, len(frame)),
        _alternative("Leave-one-out plot", table, fit, len(frame)),
        axis=table.axis_name,
    )
    return axes


def _farthest(frame: pd.DataFrame, fit: Pooled | None) -> NDArray[np.int64]:
    """Places of the rows whose estimates are farthest from that of all studies (from the median, without it), in their order."""
    values = np.array([_value(value) for value in frame["estimate"]])
    known = values[np.isfinite(values)]
    centre = fit.estimate if fit is not None and fit.estimate is not None else float(np.median(known)) if known.size else 0.0
    away = np.where(np.isfinite(values), np.abs(values - centre), -1.0)
    if known.size:
        # The range of the estimates is said: both of its ends are there.
        away[[int(np.nanargmin(values)), int(np.nanargmax(values))]] = np.inf
    return np.sort(np.argsort(-away, kind="stable")[:_FOLDED])


def _spread(table: Table) -> tuple[float, float] | None:
    """Limits around all intervals at round numbers; None (as in a forest plot) where rates lie close to 0 or 100 % anyway."""
    ends = [end for mark in table.marks if isinstance(mark, (Point, Diamond)) for end in (mark.lower, mark.upper, mark.value)]
    known = [end for end in ends if math.isfinite(end)]
    if not known or min(known) == max(known):
        return None
    factor, rate = table.scale.factor, table.scale.is_rate
    least, most = (0.0, factor) if rate else (-math.inf, math.inf)
    axis = number_axis(factor * min(known), factor * max(known), pieces=6, least=least, most=most)
    # An axis that begins near 0 begins at 0.
    lower = 0.0 if rate and axis.lower < 0.3 * axis.upper else axis.lower
    return lower / factor, axis.upper / factor


@chart("cumulative", title="Cumulative meta-analysis")
def cumulative_plot(
    frame: pd.DataFrame,
    fit: Pooled | None = None,
    ax: Axes | None = None,
    *,
    order: str | None = None,
    per: Literal["cent", "thousand", "ten thousand", "hundred thousand"] = "cent",
    title: str | None = None,
    xlim: tuple[float, float] | None = None,
    fold: bool | None = None,
    response: str = "rate",
    level: float = 0.95,
) -> Axes:
    """Draw the pooled estimate as studies are added one by one.

    Parameters
    ----------
    frame
        The frame of `cumulative`: one row for each study added, in that order: study, k (studies so far), estimate, ci_lower,
        ci_upper; added (the sorting variable), tau2 and i2 where they are known. Rates are fractions.
    order
        The sorting variable, as the heading of the column ``added``. None takes the name of the column of
        ``fit.studies`` with these values.
    fold
        Whether to draw 30 steps at equal distances alone. None does so where there are more than 40.
    fit, ax, per, title, xlim, response, level
        As in `leave_one_out_plot`.

    Returns
    -------
    Axes
        The axes of the panel.

    Raises
    ------
    ArgumentError
        A frame without a required column or without rows.

    Examples
    --------
    >>> ax = mn.cumulative(fit, "year").plot()
    """
    _check(frame, (*_NEEDED, "k"))
    left: tuple[Column, ...] = (Column("k", "Studies", "right"),)
    # The place in the data says no more than the number of studies does.
    if "added" in frame.columns and list(frame["added"]) != list(frame["k"]):
        left = (Column("added", _order_heading(order, fit) if order else _sorted_by(frame, fit), "right"), *left)
    folded = folds(fold, len(frame))
    shown = np.linspace(0, len(frame) - 1, _FOLDED).round().astype(int) if folded and len(frame) > _FOLDED else np.arange(len(frame))
    table = _table(
        frame.iloc[shown], fit, per, title, xlim, response, level, heading="Study added", each="of the studies so far", left=left
    )
    if len(shown) < len(frame):
        table = replace(table, notes=(f"Of {len(frame):,} steps {len(shown)} at equal distances are shown.",))
    axes = draw_table(table, ax)
    describe(
        axes,
        table.title or "Cumulative plot",
        _course(table, frame.iloc[shown], len(frame)),
        _alternative("Cumulative plot", table, fit, len(frame)),
        axis=table.axis_name,
    )
    return axes


def _check(frame: Any, needed: tuple[str, ...]) -> None:
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        raise ArgumentError(f"frame has no column {missing[0]!r}; it needs {', '.join(needed)}.")
    if not len(frame):
        raise ArgumentError("frame has no rows. Fix: give at least one row.")


def _kind(frame: pd.DataFrame, fit: Pooled | None) -> str:
    """What the intervals of the rows are called; single studies have the exact one under every model."""
    if fit is None or fit.model != "bayes":
        return "CI"
    statuses = frame["status"] if "status" in frame.columns else [fit.status]
    return interval_kind(["CrI" if status == "pooled" else "CI" for status in statuses])


def _table(
    frame: pd.DataFrame,
    fit: Pooled | None,
    per: str,
    title: str | None,
    xlim: tuple[float, float] | None,
    response: str,
    level: float,
    *,
    heading: str,
    each: str,
    left: tuple[Column, ...] = (),
) -> Table:
    """One row for each refit, and one for all studies."""
    if fit is not None:
        response, level = fit.response, fit.level
    full = None if fit is None or fit.status == "not pooled" else fit.estimate
    records = frame.to_dict("records")
    every = [(_value(row["estimate"]), _value(row["ci_lower"]), _value(row["ci_upper"])) for row in records]
    scale = replace(effect_scale(response, "GEN", per, every), log=False)
    extra = tuple(name for name in ("tau2", "i2") if name in frame.columns)
    beside = tuple(column.key for column in left)
    rows = []
    for row in frame.to_dict("records"):
        made = _row(row, scale, extra)
        rows.append(replace(made, cells={**made.cells, **{name: _data_cell(row, name, frame) for name in beside}}))
    return Table(
        scale=scale,
        columns=(
            Column("study", heading),
            *left,
            Column("rate", scale.heading(level, _kind(frame, fit)), "right", ESTIMATE_SIDES, PIECE_GAP, right=True),
            *(Column(name, {"tau2": "τ", "i2": "I²"}[name], "right", right=True) for name in extra),
        ),
        studies=tuple(rows),
        summary=() if fit is None else (_full_row(fit, scale, extra),),
        reference=full,
        method=_small_print(fit, level, each),
        title=harmless(title, 300) if title else "",
        xlim=xlim,
        axis_name=_subject(fit).axis(response, "GEN" if fit is None else fit.measure, per),
    )


def _subject(fit: Pooled | None) -> Subject:
    return Subject() if fit is None else subject_of_fit(fit)


def _alternative(kind: str, table: Table, fit: Pooled | None, of: int) -> str:
    """The alternative text: the least and the largest estimate, and that of all studies."""
    known = [row.mark.value for row in table.studies if isinstance(row.mark, Point)]
    told = f"estimates from {table.scale.shown(min(known))} to {table.scale.shown(max(known))}" if known else "no estimate exists"
    whole = "" if fit is None or table.reference is None else f"with all studies {result_of(fit)}"
    return alternative(kind, _subject(fit), of, told, whole)


def _order_heading(name: str, fit: Pooled | None) -> str:
    return _heading(name if fit is None else title_of(name, fit.studies))


def _sorted_by(frame: pd.DataFrame, fit: Pooled | None) -> str:
    """The heading of the values that the studies were sorted by: the column of the data that has them, if one has."""
    values = {name: str(value) for name, value in zip(frame["study"], frame["added"], strict=True)}
    if fit is not None:
        studies = fit.studies
        for column in studies.columns:
            if column != "study" and {n: str(v) for n, v in zip(studies["study"], studies[column], strict=True)} == values:
                return _order_heading(str(column), fit)
    return "Sorted by"


def _course(table: Table, frame: pd.DataFrame, of: int) -> str:
    """The alternative text: the first and the last estimate."""
    known = [(row.mark.value, row.label, k) for row, k in zip(table.studies, frame["k"], strict=True) if isinstance(row.mark, Point)]
    text = f"Cumulative plot of {display.plural(of, 'study', 'studies')}."
    if not known:
        return f"{text} No estimate exists at any step."
    (first, name, k), (last, _, many) = known[0], known[-1]
    text += f" The estimate goes from {table.scale.shown(first)} with {display.plural(int(k), 'study', 'studies')} "
    return f"{text}({name[:120]}) to {table.scale.shown(last)} with {int(many)}."


def _value(value: object) -> float:
    """A number, NaN where there is none."""
    if value is None or type(value).__name__ == "NAType":
        return math.nan
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ArgumentError(f"frame contains {as_given(value)} where a number belongs.") from None


def _row(row: dict[Any, Any], scale: Scale, extra: tuple[str, ...]) -> Row:
    value, lower, upper = (_value(row[name]) for name in ("estimate", "ci_lower", "ci_upper"))
    cells: dict[str, Cell] = {"rate": estimate_cell(scale, value, lower, upper)}
    cells |= {name: _heterogeneity(name, _value(row[name])) for name in extra}
    return Row(harmless(row["study"]), cells, Point(value, lower, upper) if value == value else None)


def _full_row(fit: Pooled, scale: Scale, extra: tuple[str, ...]) -> Row:
    if fit.status == "not pooled":
        # One study would stand here as a diamond of its own, as if something had been pooled.
        return Row(summary_label(fit), bold=True)
    cells: dict[str, Cell] = {name: _heterogeneity(name, _value(getattr(fit, name))) for name in extra}
    mark = None
    if fit.estimate is not None and fit.ci_lower is not None and fit.ci_upper is not None:
        cells["rate"] = estimate_cell(scale, fit.estimate, fit.ci_lower, fit.ci_upper, strong=True)
        mark = Diamond(fit.estimate, fit.ci_lower, fit.ci_upper)
    name = "All studies" if fit.status == "pooled" else f"All studies: {summary_label(fit).lower()}"
    return Row(name, cells, mark, bold=True)


def _heterogeneity(name: str, value: float) -> str:
    if value != value:
        return display.ABSENT
    return display.number(math.sqrt(value)) if name == "tau2" else f"{display.per_cent(value)} %"


def _small_print(fit: Pooled | None, level: float, each: str) -> str:
    text = f"Each row: the pooled estimate {each}, with its {level_text(level)} interval."
    if fit is None:
        return text
    if fit.estimate is not None and fit.status != "not pooled":
        text += " Diamond and dashed line: all studies."
    return f"{text} {harmless(fit.method.sentence(), 2000)}"


def _words(table: Table, of: int) -> str:
    """The alternative text: the range of the estimates with the studies responsible."""
    known = [(row.mark.value, row.label) for row in table.studies if isinstance(row.mark, Point)]
    text = f"Leave-one-out plot of {display.plural(of, 'study', 'studies')}."
    if not known:
        return f"{text} No estimate exists without any of them."
    low, high = min(known), max(known)
    text += f" The estimate ranges from {table.scale.shown(low[0])} without {low[1][:120]}"
    text += f" to {table.scale.shown(high[0])} without {high[1][:120]}"
    if table.reference is not None:
        text += f"; with all studies it is {table.scale.shown(table.reference)}"
    return f"{text}."
