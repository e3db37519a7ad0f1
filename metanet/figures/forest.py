"""The forest plot of a pooled result."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from metanet.errors import ArgumentError, check_choice
from metanet.figures.alternative import describe
from metanet.figures.columns import check_columns, order_of, study_cells, table_columns
from metanet.figures.render import draw_table
from metanet.figures.scale import Scale, is_rate, scale_of, value_column
from metanet.figures.table import Bar, Diamond, Parts, Point, Row, Table, count_cell, estimate_cell
from metanet.figures.text import harmless
from metanet.figures.words import alt_text, heterogeneity, legend, no_prediction, reasons, summary_label
from metanet.models import display
from metanet.models.display import level_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from metanet.models.results import Pooled

BACKENDS = ("metanet", "forestplot")


def forest(
    fit: Pooled,
    *,
    ax: Axes | None = None,
    sort: str | None = "rate",
    ascending: bool | None = None,
    columns: Sequence[str] = ("events/total", "rate", "weight"),
    per: Literal["cent", "thousand", "ten thousand", "hundred thousand"] = "cent",
    title: str | None = None,
    xlim: tuple[float, float] | None = None,
    show_prediction: bool = True,
    second: Pooled | None = None,
    backend: Literal["metanet", "forestplot"] = "metanet",
) -> Axes:
    """Draw the forest plot of a pooled result.

    Parameters
    ----------
    fit
        The result; nothing is computed anew.
    ax
        Axes to draw into: the table is scaled down into their place. None makes a figure of the size that the content
        needs.
    sort
        "rate", "weight", "study", "events", "total", "year" or another column of ``fit.studies``; None keeps the order of
        the data. Absent values come last.
    ascending
        Smallest first? None: the largest first for "weight", "events" and "total", the smallest (or A) first otherwise.
    columns
        What stands beside the panel: "events/total", "rate", "weight" and names of columns of ``fit.studies``. Those
        before the first of "rate" and "weight" stand on the left. Effects (``measure="GEN"``) have no "events/total".
    per
        Unit of the rates.
    title
        A heading over the table.
    xlim
        Limits of the axis as fractions (effects: as they are). Intervals that leave them end in an arrow.
    show_prediction
        Whether the prediction interval has a row.
    second
        Another result of the same measure and level (another model), drawn as a hollow diamond.
    backend
        "metanet", or "forestplot" for the package of that name, which draws the labelled table and intervals; it needs
        ``pip install "metanet[forestplot]"`` and takes neither `ax`, `second` nor `xlim`.

    Returns
    -------
    Axes
        The axes of the panel. In a notebook the figure shows itself at the end of the cell; elsewhere nothing is shown
        and nothing is registered with pyplot: see `save_figure`.

    Raises
    ------
    ArgumentError
        An unknown word, a column that is not there, a `second` that cannot be compared.
    """
    check_choice("backend", backend, BACKENDS)
    table = forest_table(
        fit,
        sort=sort,
        ascending=ascending,
        columns=columns,
        per=per,
        title=title,
        xlim=xlim,
        show_prediction=show_prediction,
        second=second,
    )
    if backend == "forestplot":
        from metanet.figures.forestplot_backend import draw_with_forestplot

        for name, value in (("ax", ax), ("second", second), ("xlim", xlim)):
            if value is not None:
                raise ArgumentError(f"{name} has no effect with backend='forestplot'. Mend: leave it out.")
        axes = draw_with_forestplot(table)
    else:
        axes = draw_table(table, ax)
    describe(axes, harmless(title) if title else "Forest plot", alt_text(fit))
    return axes


def forest_table(
    fit: Pooled,
    *,
    sort: str | None,
    ascending: bool | None,
    columns: Sequence[str],
    per: str,
    title: str | None,
    xlim: tuple[float, float] | None,
    show_prediction: bool,
    second: Pooled | None,
) -> Table:
    """What the forest plot says; every argument is checked here, before a figure exists."""
    if second is not None:
        _check_second(fit, second)
    frame = fit.studies
    scale = scale_of(fit.response, per, fit.estimate)
    names = check_columns(columns, frame, counts=is_rate(fit))
    frame = frame.iloc[order_of(frame, sort, ascending)]
    studies = tuple(
        Row(harmless(row["study"]), study_cells(row, names, scale, frame), _point(row, scale))
        for row in frame.to_dict("records")
    )
    summary = [_summary_row(fit, scale, second=False)]
    predicted = show_prediction and fit.pi_lower is not None and fit.pi_upper is not None
    absent = no_prediction(fit) if show_prediction else None
    if predicted:
        summary.append(_prediction_row(fit, scale))
    elif absent is not None:
        summary.append(Row(absent))
    # One study is the same under every model, and a second row would say it twice.
    if second is not None and fit.status != "not pooled":
        summary.append(_summary_row(second, scale, second=True))
    return Table(
        scale=scale,
        columns=table_columns(names, frame, scale, fit.level),
        studies=studies,
        summary=tuple(summary),
        reference=None if fit.status == "not pooled" else fit.estimate,
        notes=tuple(line for line in (heterogeneity(fit), *reasons(fit)) if line),
        method=legend(fit, prediction=predicted),
        title=harmless(title, 300) if title else "",
        xlim=xlim,
    )


def _check_second(fit: Pooled, second: Pooled) -> None:
    from metanet.models.results import Pooled

    if not isinstance(second, Pooled):
        raise ArgumentError(f"second must be a result of mn.pool, not {type(second).__name__}.")
    for name in ("response", "level"):
        ours, other = getattr(fit, name), getattr(second, name)
        if ours != other:
            raise ArgumentError(f"second has {name}={other!r}, but fit has {ours!r}: one axis cannot hold both.")


def _point(row: dict[Hashable, Any], scale: Scale) -> Point | None:
    value, lower, upper = (_number(row[key]) for key in (value_column(row), "ci_lower", "ci_upper"))
    return Point(value, lower, upper, _number(row["weight"])) if value == value else None


def _number(value: object) -> float:
    return float("nan") if value is None else float(value)  # type: ignore[arg-type]


def _summary_row(fit: Pooled, scale: Scale, *, second: bool) -> Row:
    cells: dict[str, str | Parts] = {}
    # One study would repeat its own row; a second model pools the same patients.
    if fit.events is not None and fit.n is not None and not second and fit.status != "not pooled":
        cells["events/total"] = count_cell(fit.events, fit.n)
    mark = None
    estimate, lower, upper = fit.estimate, fit.ci_lower, fit.ci_upper
    if fit.status != "not pooled" and estimate is not None and lower is not None and upper is not None:
        cells["rate"] = estimate_cell(scale, estimate, lower, upper, strong=not second)
        mark = Diamond(estimate, lower, upper, hollow=second)
        if not second:
            cells["weight"] = f"{display.per_cent(1.0)} %"
    return Row(summary_label(fit, second=second), cells, mark, bold=not second)


def _prediction_row(fit: Pooled, scale: Scale) -> Row:
    assert fit.pi_lower is not None  # the caller asked
    assert fit.pi_upper is not None
    return Row(
        f"Prediction interval ({level_text(fit.level)})",
        {"rate": estimate_cell(scale, None, fit.pi_lower, fit.pi_upper)},
        Bar(fit.pi_lower, fit.pi_upper),
    )
