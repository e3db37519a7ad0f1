"""Many studies: rows folded to what was pooled, or a table on several pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING

from metanet.figures.forest.rows import Plan, group_title, order_of, prediction_rows, study_rows, summary_row
from metanet.figures.forest.table import Point, Row, Swarm, Table
from metanet.figures.page.page import bold_if
from metanet.figures.page.scale import value_column

if TYPE_CHECKING:
    from metanet.models.comparison.result import Comparison
    from metanet.models.results.pooled import Pooled


#: More rows of studies than this do not fit on a page of a journal in letters of six points.
MOST_ROWS = 40
#: Rows of a page where a figure has several.
PAGE_ROWS = 40
#: So few rows do not make a page of their own.
_FEW = 6
#: Height of many studies as lines, in text sizes: of one, the least and the most.
_LINE, _LEAST, _MOST = 0.28, 14.0, 36.0


def folds(fold: bool | None, rows: int) -> bool:
    """Whether studies are folded: as it was asked for, or where there are too many."""
    return rows > MOST_ROWS if fold is None else fold


def folded_studies(fit: Pooled, plan: Plan) -> tuple[list[Row], str]:
    """All studies as lines in one tall row, and the note that says so."""
    frame = fit.studies
    frame = frame.iloc[order_of(frame, plan.sort, plan.ascending)]
    columns = (value_column(frame.columns), "ci_lower", "ci_upper", "weight")
    values = [frame[name].to_numpy(dtype=float).tolist() for name in columns]
    points = tuple(Point(*row) for row in zip(*values, strict=True) if row[0] == row[0])
    many = f"{fit.k:,} {'study' if fit.k == 1 else 'studies'}"
    tall = min(_MOST, max(_LEAST, _LINE * len(points)))
    order = "" if plan.sort is None else ", sorted by " + ("value" if plan.sort == "rate" else str(plan.sort).replace("_", " "))
    note = f"The {many} are drawn as lines without names{order}."
    return [Row(many, {}, Swarm(points), tall=tall)], note


def folded_groups(comparison: Comparison, plan: Plan, shares: dict[str, float]) -> tuple[list[Row], str]:
    """Each group as the row of its result, with its prediction interval; single studies stand as themselves."""
    rows: list[Row] = []
    for name, fit in comparison.groups.items():
        title = group_title(str(name), fit)
        if fit.status == "not pooled":
            rows += [replace(row, label=title) for row in study_rows(fit, plan)[:1]]
            continue
        made = summary_row(fit, plan, label=title, share=shares.get(str(name)))
        rows += [replace(made, bold=bold_if(True, title)), *(replace(row, indent=True) for row in prediction_rows(fit, plan))]
    studies = sum(fit.k for fit in comparison.groups.values())
    return rows, f"The {studies:,} studies of the groups are not drawn one by one."


def in_pages(table: Table) -> list[Table]:
    """The table on pages of about `PAGE_ROWS` rows, with what was pooled and the notes on the last."""
    chunks = _chunks(table.studies)
    pages = []
    for i, rows in enumerate(chunks, 1):
        last = i == len(chunks)
        title = ", ".join(part for part in (table.title, f"page {i} of {len(chunks)}", "continued" if i > 1 else "") if part)
        pages.append(
            replace(
                table,
                title=f"{title[0].upper()}{title[1:]}",
                studies=tuple(rows),
                summary=table.summary if last else (),
                notes=table.notes if last else (),
                method=table.method if last else "",
                every=table.rows,
            )
        )
    return pages


def _chunks(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows by page, as many on each; a group that goes on is named again, and none begins on the last line of a page."""
    wanted = max(1, ceil(len(rows) / max(1, ceil(len(rows) / PAGE_ROWS))))
    out: list[list[Row]] = []
    page: list[Row] = []
    group: Row | None = None
    for i, row in enumerate(rows):
        heads = row.wide and row.bold
        if len(page) >= wanted or (heads and len(page) >= wanted - 2 and i < len(rows) - 1):
            out.append(page)
            page = [replace(group, label=f"{group.label}, continued")] if group is not None and row.indent else []
        group = row if heads else group
        if page or row.label:
            page.append(row)
    if page and out and len(page) < _FEW:
        out[-1] += page
    elif page:
        out.append(page)
    return out or [[]]
