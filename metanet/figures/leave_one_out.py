"""The leave-one-out plot: the pooled estimate without each study in turn."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

from metanet.errors import ArgumentError, shorten
from metanet.figures.alternative import describe
from metanet.figures.render import draw_table
from metanet.figures.scale import Scale, scale_of
from metanet.figures.table import ESTIMATE_SIDES, PIECE_GAP, Column, Diamond, Parts, Point, Row, Table, estimate_cell
from metanet.figures.text import harmless
from metanet.figures.words import summary_label
from metanet.models import display
from metanet.models.display import level_text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from metanet.models.results import Pooled

_NEEDED = ("study", "estimate", "ci_lower", "ci_upper")


def leave_one_out_plot(
    frame: pd.DataFrame,
    fit: Pooled | None = None,
    ax: Axes | None = None,
    *,
    per: Literal["cent", "thousand", "ten thousand", "hundred thousand"] = "cent",
    title: str | None = None,
    xlim: tuple[float, float] | None = None,
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
        Axes to draw into; None makes a figure of the size that the content needs.
    per, title, xlim
        As in `forest`.
    response, level
        What the estimates are, and the coverage of their intervals, where `fit` does not tell.

    Returns
    -------
    Axes
        The axes of the panel.

    Raises
    ------
    ArgumentError
        A frame without a needed column or without rows.
    """
    if not hasattr(frame, "columns"):
        raise ArgumentError(f"frame must be a pandas DataFrame, not {type(frame).__name__}.")
    missing = [name for name in _NEEDED if name not in frame.columns]
    if missing:
        raise ArgumentError(f"frame has no column {missing[0]!r}; it needs {', '.join(_NEEDED)}.")
    if not len(frame):
        raise ArgumentError("frame has no rows: there is nothing to draw.")
    if fit is not None:
        response, level = fit.response, fit.level
    full = None if fit is None else fit.estimate
    first = next((v for v in map(_value, frame["estimate"]) if v == v), None)
    scale = scale_of(response, per, first if full is None else full)
    extra = tuple(name for name in ("tau2", "i2") if name in frame.columns)
    table = Table(
        scale=scale,
        columns=(
            Column("study", "Study left out"),
            Column("rate", scale.heading(level), "right", ESTIMATE_SIDES, PIECE_GAP, right=True),
            *(Column(name, {"tau2": "τ", "i2": "I²"}[name], "right", right=True) for name in extra),
        ),
        studies=tuple(_row(row, scale, extra) for row in frame.to_dict("records")),
        summary=() if fit is None else (_full_row(fit, scale, extra),),
        reference=full,
        method=_small_print(fit, level),
        title=harmless(title, 300) if title else "",
        xlim=xlim,
    )
    axes = draw_table(table, ax)
    describe(axes, table.title or "Leave-one-out plot", _words(table))
    return axes


def _value(value: object) -> float:
    """A number, NaN where there is none."""
    if value is None or type(value).__name__ == "NAType":
        return math.nan
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ArgumentError(f"frame holds {shorten(value)!r} where a number belongs.") from None


def _row(row: dict[Any, Any], scale: Scale, extra: tuple[str, ...]) -> Row:
    value, lower, upper = (_value(row[name]) for name in ("estimate", "ci_lower", "ci_upper"))
    cells: dict[str, str | Parts] = {"rate": estimate_cell(scale, value, lower, upper)}
    cells |= {name: _heterogeneity(name, _value(row[name])) for name in extra}
    return Row(harmless(row["study"]), cells, Point(value, lower, upper) if value == value else None)


def _full_row(fit: Pooled, scale: Scale, extra: tuple[str, ...]) -> Row:
    cells: dict[str, str | Parts] = {name: _heterogeneity(name, _value(getattr(fit, name))) for name in extra}
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


def _small_print(fit: Pooled | None, level: float) -> str:
    text = f"Each row: the pooled estimate without that study, with its {level_text(level)} interval."
    return (
        text if fit is None else f"{text} Diamond and dashed line: all studies. {harmless(fit.method.sentence(), 2000)}"
    )


def _words(table: Table) -> str:
    """The figure in words: where the estimates reach to, and which studies move them most."""
    known = [(row.mark.value, row.label) for row in table.studies if isinstance(row.mark, Point)]
    text = f"Leave-one-out plot of {display.plural(len(table.studies), 'study', 'studies')}."
    if not known:
        return f"{text} No estimate exists without any of them."
    unit = f" {table.scale.unit}" if table.scale.is_rate else ""
    low, high = min(known), max(known)
    text += f" The estimate reaches from {table.scale.show(low[0])}{unit} without {low[1][:120]}"
    text += f" to {table.scale.show(high[0])}{unit} without {high[1][:120]}"
    if table.reference is not None:
        text += f"; with all studies it is {table.scale.show(table.reference)}{unit}"
    return f"{text}."
