"""The rows of a forest plot: studies, groups of studies, summaries."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from metanet.errors import ArgumentError, shorten
from metanet.figures.columns import SUMS, check_columns, order_of, own_columns, study_cells, sum_cells, weight_cell
from metanet.figures.judgements import check_judgements, judgement_cells
from metanet.figures.page import bold_if
from metanet.figures.presets import ForestPreset
from metanet.figures.scale import Scale, value_column
from metanet.figures.table import Bar, Cell, Diamond, Point, Row, estimate_cell
from metanet.figures.text import harmless
from metanet.figures.words import heterogeneity, no_prediction, summary_label
from metanet.models import display
from metanet.models.display import level_text

if TYPE_CHECKING:
    import pandas as pd

    from metanet.models.comparison import Comparison
    from metanet.models.results import Pooled


@dataclass(frozen=True)
class Plan:
    """What the rows show, checked: the same for every group."""

    names: tuple[str, ...]
    judged: Mapping[str, str]
    headings: Mapping[str, str]
    scale: Scale
    preset: ForestPreset
    sort: str | None
    ascending: bool | None
    show_prediction: bool
    #: Rows with judgements, for the legend of the signs that occur.
    seen: list[Mapping[str, Cell]] = field(default_factory=list)


def plan_for(
    frame: pd.DataFrame,
    scale: Scale,
    preset: ForestPreset,
    *,
    columns: Sequence[str] | None,
    risk_of_bias: Sequence[str] | Mapping[str, str],
    headings: Mapping[str, str] | None,
    sort: str | None,
    ascending: bool | None,
    show_prediction: bool,
) -> Plan:
    """The choices of a figure, checked against the columns of its studies."""
    names = check_columns(own_columns(frame, preset) if columns is None else columns, frame)
    said = headings or {}
    if not isinstance(said, Mapping):
        raise ArgumentError(
            f"headings={shorten(headings)!r} must map columns to headings, such as {{'year': 'Published'}}."
        )
    unknown = [name for name in said if name not in ("study", *names)]
    if unknown:
        shown = f"study, {', '.join(names)}"
        raise ArgumentError(
            f"headings names {shorten(unknown[0])!r}, which is no column of this figure. Shown: {shown}."
        )
    return Plan(
        names=names,
        judged=check_judgements(risk_of_bias, frame),
        headings={name: harmless(text, 60) for name, text in said.items()},
        scale=replace(scale, decimal=preset.decimal),
        preset=preset,
        sort=sort,
        ascending=ascending,
        show_prediction=show_prediction,
    )


def study_rows(fit: Pooled, plan: Plan, *, indent: bool = False, weights: Sequence[float] | None = None) -> list[Row]:
    """One row for each study, in the order of the plan; `weights` (in the order of the data) instead of the result's own."""
    frame = fit.studies
    if weights is not None:
        frame = frame.assign(weight=list(weights))
    frame = frame.iloc[order_of(frame, plan.sort, plan.ascending)]
    rows = []
    for record in frame.to_dict("records"):
        cells = study_cells(record, plan.names, plan.scale, frame, plan.preset)
        judged = judgement_cells(plan.judged, record)
        plan.seen.append(judged)
        rows.append(Row(harmless(record["study"]), {**cells, **judged}, point_of(record), indent=indent))
    return rows


def point_of(row: Mapping[Hashable, Any]) -> Point | None:
    """The mark of a study; None where it has no value of its own."""
    value, lower, upper = (_number(row[key]) for key in (value_column(row), "ci_lower", "ci_upper"))
    return Point(value, lower, upper, _number(row["weight"])) if value == value else None


def _number(value: object) -> float:
    return float("nan") if value is None else float(value)  # type: ignore[arg-type]


def weights_of(comparison: Comparison, overall: Pooled | None) -> dict[Any, list[float]]:
    """The weights that the studies of each group have in the `overall` result; empty where they cannot be told apart."""
    if overall is None:
        return {}
    known: dict[tuple[Any, ...], list[float]] = {}
    for row in overall.studies.to_dict("records"):
        known.setdefault(_identity(row), []).append(float(row["weight"]))
    if any(len(found) > 1 for found in known.values()):
        return {}
    rows = {name: [_identity(row) for row in fit.studies.to_dict("records")] for name, fit in comparison.groups.items()}
    if any(key not in known for keys in rows.values() for key in keys):
        return {}
    return {name: [known[key][0] for key in keys] for name, keys in rows.items()}


def _identity(row: Mapping[Hashable, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("study", *SUMS, "person_time", "yi", "vi") if name in row)


def group_rows(name: str, fit: Pooled, plan: Plan, weights: Sequence[float] | None = None) -> list[Row]:
    """A group: its name and number of studies, its studies, its subtotal with what else is known of it.

    Without `weights` in a result of all studies, squares are compared within the group.
    """
    many = display.plural(fit.study_count, "study", "studies")
    if fit.study_count != fit.k:
        many = f"{display.plural(fit.k, 'arm')} of {many}"
    title = f"{harmless(name)} ({many})"
    rows = [Row(title, bold=bold_if(True, title), wide=True)]
    studies = study_rows(fit, plan, indent=True, weights=weights)
    rows += studies if weights is not None else _within(studies)
    if fit.status == "not pooled":
        return rows
    rows.append(summary_row(fit, plan, label=_subtotal(fit, plan), share=None if weights is None else sum(weights)))
    rows += prediction_rows(fit, plan)
    line = heterogeneity(fit, plan.preset.heterogeneity)
    return [*rows, Row(plan.preset.written(line), wide=True)] if line else rows


def _within(rows: list[Row]) -> list[Row]:
    """Rows whose largest square is as large as that of any other group."""
    shares = [row.mark.share for row in rows if isinstance(row.mark, Point) and row.mark.share == row.mark.share]
    largest = max((share for share in shares if share), default=None)
    if largest is None:
        return rows
    return [
        replace(row, mark=replace(row.mark, share=row.mark.share / largest))
        if isinstance(row.mark, Point) and row.mark.share is not None
        else row
        for row in rows
    ]


def _subtotal(fit: Pooled, plan: Plan) -> str:
    if fit.status in ("no events", "only events"):
        return "Exact rate on the sum"
    if fit.status == "not estimable":
        return "Not estimable"
    if plan.preset.summary is not None:
        return plan.preset.written(f"Subtotal ({level_text(fit.level)} CI)")
    return f"Pooled rate ({fit.average})" if fit.response == "rate" else "Pooled"


def summary_row(
    fit: Pooled, plan: Plan, *, second: bool = False, label: str | None = None, share: float | None = None
) -> Row:
    """The row of a pooled result: sums of counts, estimate with interval, diamond; `share` is its part in another result."""
    cells: dict[str, Cell] = {}
    # One study would repeat its own row; a second model pools the same patients.
    if not second and fit.status != "not pooled":
        cells |= sum_cells(fit.studies, plan.names)
    mark = None
    estimate, lower, upper = fit.estimate, fit.ci_lower, fit.ci_upper
    if fit.status != "not pooled" and estimate is not None and lower is not None and upper is not None:
        cells["rate"] = estimate_cell(plan.scale, estimate, lower, upper, strong=not second, preset=plan.preset)
        mark = Diamond(estimate, lower, upper, hollow=second)
        if not second and fit.weights.size and (fit.weights == fit.weights).all():
            cells["weight"] = weight_cell(1.0 if share is None else share, plan.preset)
    if label is None:
        label = summary_label(fit, second=second)
        if fit.status == "pooled" and plan.preset.summary is not None and not second:
            label = plan.preset.written(plan.preset.summary.format(level=level_text(fit.level)))
    return Row(label, cells, mark, bold=bold_if(not second, label))


def prediction_rows(fit: Pooled, plan: Plan) -> list[Row]:
    """The prediction interval as a bar, or a word on why there is none where one was to be expected."""
    if not plan.show_prediction:
        return []
    if fit.pi_lower is None or fit.pi_upper is None:
        absent = no_prediction(fit)
        return [] if absent is None else [Row(absent)]
    cell = estimate_cell(plan.scale, None, fit.pi_lower, fit.pi_upper, preset=plan.preset)
    label = plan.preset.written(f"Prediction interval ({level_text(fit.level)})")
    return [Row(label, {"rate": cell}, Bar(fit.pi_lower, fit.pi_upper))]
