"""The columns and rows of a forest plot: studies, judgements on them, groups of studies, summaries."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from metanet.base import display
from metanet.base.display import level_text
from metanet.base.errors import ArgumentError, as_given, check_choice
from metanet.base.groups import absent, natural, ranks_of
from metanet.base.results import records
from metanet.evidence.bias.tools import Tool
from metanet.figures.forest.captions import credible, heterogeneity, no_prediction, summary_label
from metanet.figures.forest.judgements import check_judgements, judgement_cells, tool_of
from metanet.figures.forest.layout import shorten_cell
from metanet.figures.forest.presets import PANEL, ForestPreset
from metanet.figures.forest.table import (
    COUNT_SIDES,
    ESTIMATE_SIDES,
    PIECE_GAP,
    Bar,
    Cell,
    Column,
    Diamond,
    Point,
    Row,
    count_cell,
    estimate_cell,
)
from metanet.figures.page.options import reworded
from metanet.figures.page.page import bold_if
from metanet.figures.page.scale import Scale, value_column
from metanet.figures.page.text import Side, harmless

if TYPE_CHECKING:
    import pandas as pd

    from metanet.models.comparison.result import Comparison
    from metanet.models.results.pooled import Pooled


#: Columns that this figure writes itself: pairs of counts, and two that begin the right side.
PAIRS = {
    "events/total": ("events", "total"),
    "events_control/total_control": ("events_control", "total_control"),
    "events/person_time": ("events", "person_time"),
    "events_control/person_time_control": ("events_control", "person_time_control"),
}
_RIGHT = ("rate", "weight")
OWN = (*PAIRS, *_RIGHT)
_PAIR_HEADINGS = {
    "events/total": "Events/Total",
    "events_control/total_control": "Events/Total",
    "events/person_time": "Events/Time",
    "events_control/person_time_control": "Events/Time",
}
_LARGEST_FIRST = ("weight", "events", "total")
#: Counts whose sums a summary row shows.
SUMS = ("events", "total", "events_control", "total_control")


def own_columns(frame: pd.DataFrame, preset: ForestPreset) -> tuple[str, ...]:
    """The columns of a style, as far as the data have them; the weight of a study that stands alone says nothing."""
    names = {str(c) for c in frame.columns}
    wanted = preset.columns_two_groups if "events_control" in names else preset.columns
    if "person_time" in names:
        wanted = tuple(name.replace("total", "person_time") for name in wanted)
    pairs = {name: set(of) for name, of in PAIRS.items()}
    known = (PANEL, "rate") if len(frame) == 1 else (PANEL, *_RIGHT)
    return tuple(n for n in wanted if n in known or (pairs.get(n, {n}) <= names and n != "weight"))


def check_columns(columns: object, frame: pd.DataFrame) -> tuple[str, ...]:
    """The wanted columns, each known and named once; a pair of counts falls away where the data have none."""
    if isinstance(columns, str) or not isinstance(columns, Sequence):
        raise ArgumentError(f"columns={as_given(columns)} must be a list of names, such as ('events/total', 'rate').")
    names = {str(c) for c in frame.columns}
    known = (*OWN, PANEL, *(str(c) for c in frame.columns if str(c) not in ("study", *OWN)))
    out: list[str] = []
    for name in columns:
        check_choice("columns", name, known)
        if name in out:
            raise ArgumentError(f"columns names {name!r} twice.")
        if name not in PAIRS or set(PAIRS[name]) <= names:
            out.append(name)
    return tuple(out)


def order_of(frame: pd.DataFrame, sort: object, ascending: bool | None) -> list[int]:
    """Positions of the rows in the order of the figure; a stable sort, absent values last."""
    if sort is None:
        return list(range(len(frame)))
    names = [str(c) for c in frame.columns]
    word = value_column(names) if sort == "rate" else sort
    check_choice("sort", word, names)
    up = word not in _LARGEST_FIRST if ascending is None else bool(ascending)
    column = frame.iloc[:, names.index(str(word))]
    # Categories (certainty: low, moderate, high) sort by their own order, not by the alphabet.
    ranks = ranks_of(column)
    known = [i for i, rank in enumerate(ranks) if rank is not None]
    if all(_is_number(ranks[i]) for i in known):
        known.sort(key=lambda i: float(ranks[i]), reverse=not up)
    else:
        known.sort(key=lambda i: natural(column.iloc[i]), reverse=not up)
    return known + [i for i, rank in enumerate(ranks) if rank is None]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def table_columns(
    names: Sequence[str],
    frame: pd.DataFrame,
    scale: Scale,
    level: float,
    preset: ForestPreset,
    headings: Mapping[str, str],
    kind: str = "CI",
    *,
    groups: tuple[str, str] = ("", ""),
    method: str = "",
) -> tuple[Column, ...]:
    """The columns of the table, the studies' names first; the panel stands at its sign, or before rate and weight.

    `kind` is what the intervals are called, `groups` the names of the treated and of the controls, `method` that of the model over
    the column of effects.
    """
    said = {**preset.headings, **headings}
    out = [Column("study", said.get("study", preset.written("Study")))]
    right, marked = False, PANEL in names
    for name in names:
        right = right or (name == PANEL if marked else name in _RIGHT)
        if name in PAIRS:
            head = said.get(name, preset.written(_PAIR_HEADINGS[name]))
            out.append(Column(name, head, "center", COUNT_SIDES, 0.0, right, span=_span(name, groups)))
        elif name == "rate":
            span = preset.written(scale.name) if method and name not in said else ""
            own = f"{method}, {level_text(level)} {kind}" if span else scale.heading(level, kind)
            out.append(Column(name, said.get(name, preset.written(own)), "right", ESTIMATE_SIDES, PIECE_GAP, right, span=span))
        elif name == "weight":
            out.append(Column(name, said.get(name, preset.written("Weight")), "right", right=right))
        elif name != PANEL:
            numbers = all(_is_number(v) or absent(v) for v in _values(frame, name))
            head = preset.written(_COUNTS.get(name) or _heading(name))
            side: Side = "right" if numbers else "left"
            out.append(Column(name, said.get(name, head), side, right=right, span=_span(name, groups)))
    return tuple(out)


#: Counts as headings under the name of their group.
_COUNTS = {"events_control": "Events", "total_control": "Total"}


def _span(name: str, groups: tuple[str, str]) -> str:
    """The group that a column of counts belongs to."""
    if name.split("/")[0] not in SUMS:
        return ""
    return groups[1] if "_control" in name else groups[0]


def _heading(name: str) -> str:
    """A column's name as a heading: "pct_pancreatic" is "Pancreatic, %", "doi" is "DOI"."""
    text = harmless(name.replace("_", " "), 40)
    if text.casefold() in ("doi", "pmid"):
        return text.upper()
    if text.startswith("pct ") and len(text) > 4:
        text = f"{text[4:]}, %"
    return text[0].upper() + text[1:]


def _values(frame: pd.DataFrame, name: str) -> list[Any]:
    return list(frame.iloc[:, [str(c) for c in frame.columns].index(name)])


def study_cells(
    row: Mapping[Any, Any], names: Sequence[str], scale: Scale, frame: pd.DataFrame, preset: ForestPreset
) -> dict[str, Cell]:
    """The cells of one study."""
    out: dict[str, Cell] = {}
    for name in names:
        if name in PAIRS:
            events, total = PAIRS[name]
            time = "person_time" in total
            out[name] = count_cell(display.count(row[events]), _time(row[total]) if time else display.count(row[total]))
        elif name == "rate":
            value = row[value_column(row)]
            limits = float(row["ci_lower"]), float(row["ci_upper"])
            out[name] = estimate_cell(scale, float(value), *limits, preset=preset)
        elif name == "weight":
            out[name] = weight_cell(float(row["weight"]), preset)
        elif name != PANEL:
            out[name] = _data_cell(row, name, frame)
    return out


def _time(value: float) -> str:
    return f"{value:.6g}"


def weight_cell(share: float, preset: ForestPreset) -> str:
    """A share in the estimate, per cent; a heading that says so keeps the sign out of the cells."""
    text = display.per_cent(share).replace(".", preset.sign)
    return text if text == display.ABSENT or "%" in preset.headings.get("weight", "") else f"{text}{preset.per_cent_sign}"


def sum_cells(frame: pd.DataFrame, names: Sequence[str]) -> dict[str, Cell]:
    """Sums of the events and patients of these studies, for the columns that show them."""
    sums = {name: int(frame[name].sum()) for name in SUMS if name in frame.columns}
    out: dict[str, Cell] = {name: display.count(sums[name]) for name in names if name in sums}
    for name in names:
        if name in PAIRS and set(PAIRS[name]) <= set(sums):
            events, total = PAIRS[name]
            out[name] = count_cell(sums[events], sums[total])
    return out


def _data_cell(row: Mapping[Any, Any], name: str, frame: pd.DataFrame) -> str:
    """A value of the data: whole numbers without decimals, the others with as many as the column needs, at most three."""
    value = next(v for key, v in row.items() if str(key) == name)
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, datetime) and not absent(value):
        value = str(value).removesuffix(" 00:00:00")
    if not _is_number(value):
        return shorten_cell(harmless(value))
    if absent(value):
        return display.ABSENT
    numbers = [float(v) for v in _values(frame, name) if _is_number(v) and not absent(v)]
    digits = next((d for d in range(3) if all(abs(v - round(v, d)) < 1e-9 for v in numbers)), 3)
    return display.number(float(value), digits)


@dataclass(frozen=True)
class Plan:
    """What the rows show, checked: the same for every group."""

    names: tuple[str, ...]
    judged: Mapping[str, str]
    #: The tool of judgements that came with the rates.
    tool: Tool | None
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
        raise ArgumentError(f"headings={as_given(headings)} must map columns to headings, such as {{'year': 'Published'}}.")
    unknown = [name for name in said if name not in ("study", *names)]
    if unknown:
        shown = f"study, {', '.join(names)}"
        raise ArgumentError(f"headings names {as_given(unknown[0])}, which is no column of this figure. Shown: {shown}.")
    return Plan(
        names=names,
        judged=check_judgements(risk_of_bias, frame),
        tool=tool_of(frame),
        headings={name: harmless(text, 60) for name, text in said.items()},
        scale=scale.with_decimal(preset.sign),
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
    for record in records(frame):
        cells = study_cells(record, plan.names, plan.scale, frame, plan.preset)
        judged = judgement_cells(plan.judged, record, plan.tool)
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
    for row in records(overall.studies):
        known.setdefault(_identity(row), []).append(float(row["weight"]))
    if any(len(found) > 1 for found in known.values()):
        return {}
    rows = {name: [_identity(row) for row in records(fit.studies)] for name, fit in comparison.groups.items()}
    if any(key not in known for keys in rows.values() for key in keys):
        return {}
    return {name: [known[key][0] for key in keys] for name, keys in rows.items()}


def _identity(row: Mapping[Hashable, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("study", *SUMS, "person_time", "yi", "vi") if name in row)


def group_title(name: str, fit: Pooled) -> str:
    """The name of a group with the number of its studies."""
    many = display.plural(fit.study_count, "study", "studies")
    if fit.study_count != fit.k:
        many = f"{display.plural(fit.k, 'arm')} of {many}"
    return f"{harmless(name)} ({reworded(many)})"


def group_rows(name: str, fit: Pooled, plan: Plan, weights: Sequence[float] | None = None) -> list[Row]:
    """A group: its name and number of studies, its studies, its subtotal with what else is known of it.

    Without `weights` in a result of all studies, squares are compared within the group.
    """
    title = group_title(name, fit)
    rows = [Row(title, bold=bold_if(True, title), wide=True)]
    studies = study_rows(fit, plan, indent=True, weights=weights)
    rows += studies if weights is not None else _within(studies)
    if fit.status == "not pooled":
        return rows
    part = None if weights is None else sum(weights)
    rows.append(summary_row(fit, plan, label=plan.preset.written(_subtotal(fit, plan)), share=part))
    rows += average_rows(fit, plan)
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
        return "Exact rate of the summed counts"
    if fit.status == "not estimable":
        return "Not estimable"
    if plan.preset.summary is not None:
        return plan.preset.written(f"Subtotal ({level_text(fit.level)} {fit.interval_name})")
    return summary_label(fit) if fit.response == "rate" else "Pooled"


def summary_row(fit: Pooled, plan: Plan, *, second: bool = False, label: str | None = None, share: float | None = None) -> Row:
    """The row of a pooled result: sums of counts, estimate with interval, diamond; `share` is its part in another result."""
    cells: dict[str, Cell] = {}
    # One study would repeat its own row; a second model pools the same patients.
    if not second and fit.status != "not pooled":
        cells |= sum_cells(fit.pooled_studies(), plan.names)
        if events_rows(fit, plan):
            cells = {name: cell for name, cell in cells.items() if name not in ("events", "events_control")}
    mark = None
    estimate, lower, upper = fit.estimate, fit.ci_lower, fit.ci_upper
    if fit.status != "not pooled" and estimate is not None and lower is not None and upper is not None:
        cells["rate"] = estimate_cell(plan.scale, estimate, lower, upper, strong=not second, preset=plan.preset)
        mark = Diamond(estimate, lower, upper, hollow=second, vague=fit.is_vague)
        if not second and fit.weights.size and (fit.weights == fit.weights).all():
            cells["weight"] = weight_cell(1.0 if share is None else share, plan.preset)
    if label is None:
        label = summary_label(fit, second=second)
        if fit.status == "pooled" and plan.preset.summary is not None and not second:
            label = plan.preset.summary.format(level=level_text(fit.level), kind=fit.interval_name)
        label = plan.preset.written(label)
    return Row(label, cells, mark, bold=bold_if(not second, label), vague=fit.is_vague and fit.status != "not pooled")


def events_rows(fit: Pooled, plan: Plan) -> list[Row]:
    """The events of both groups in a row of their own, as in RevMan, where the summary row has the patients."""
    wanted = [name for name in plan.names if name in ("events", "events_control")]
    if not plan.preset.overall_test or fit.status == "not pooled" or len(wanted) < 2:
        return []
    sums = sum_cells(fit.pooled_studies(), plan.names)
    return [Row(plan.preset.written("Total events"), {name: sums[name] for name in wanted})]


def average_rows(fit: Pooled, plan: Plan) -> list[Row]:
    """The population-averaged rate below a median, or the median below a mean: the two stand together."""
    if fit.status != "pooled" or fit.average == "common" or not fit.response.startswith("rate"):
        return []
    median, average = fit.rates_shown
    name, (value, lower, upper) = ("Median rate", median) if fit.average == "mean" else ("Average rate", average)
    if value is None:
        return []
    limits = [float("nan") if end is None else end for end in (lower, upper)]
    name += credible(fit)
    cell = estimate_cell(plan.scale, value, *limits, preset=plan.preset)
    return [Row(plan.preset.written(name), {"rate": cell}, vague=fit.scale.is_vague(lower, upper))]


def prediction_rows(fit: Pooled, plan: Plan) -> list[Row]:
    """The prediction interval as a bar, or a word on why there is none where one was to be expected."""
    if not plan.show_prediction:
        return []
    if fit.pi_lower is None or fit.pi_upper is None:
        absent = no_prediction(fit)
        return [] if absent is None else [Row(plan.preset.written(absent))]
    cell = estimate_cell(plan.scale, None, fit.pi_lower, fit.pi_upper, preset=plan.preset)
    label = plan.preset.written(f"Prediction interval ({level_text(fit.level)})")
    return [Row(label, {"rate": cell}, Bar(fit.pi_lower, fit.pi_upper))]
