"""A table for a narrow column: what has no room beside the panel is set in a second line under the name of its row."""

from __future__ import annotations

from dataclasses import replace

from metanet.figures.forest.layout import Layout, lay_out
from metanet.figures.forest.table import Column, Judgement, Parts, Row, Table
from metanet.figures.page.options import chosen

#: The least size of the text at which the smallest letters of a table, those of the axis, have 6 points.
LEAST = 6.7
_SHRINKS = 12


def fitted(table: Table, width: float) -> Layout:
    """The layout that is `width` points wide: with all columns beside the panel, with the numbers under the names, or shrunken.

    The panel gives way first, then the text down to `LEAST`; weights have no room under a name, and are seen in the squares.
    """
    wanted = chosen().size
    layout = _shrunk(table, width, wanted)
    if layout.size >= min(LEAST, wanted):
        return layout
    stacked = [_shrunk(_stacked(table, under), width, wanted, stacked=True) for under in (_counts(table), _all(table)) if under]
    fine = [one for one in stacked if one.size >= 0.999 * min(LEAST, wanted)]
    # Of those that can be read the one whose names and numbers wrap least.
    return min(fine, key=lambda one: one.height) if fine else max([layout, *stacked], key=lambda one: one.size)


def _shrunk(table: Table, width: float, size: float, *, stacked: bool = False) -> Layout:
    """A layout of this width whose text shrinks until it fits; a stacked one begins with the least letters, so that lines are few."""
    size = min(size, LEAST) if stacked else size
    layout = lay_out(table, size, width)
    for _ in range(_SHRINKS):
        if layout.width <= width * 1.0001:
            break
        size *= max(0.5, 0.999 * width / layout.width)
        layout = lay_out(table, size, width)
    return layout


def _is_number(column: Column) -> bool:
    return column.key == "rate" or column.right


def _counts(table: Table) -> tuple[str, ...]:
    """The columns left of the panel, and the weights."""
    return tuple(c.key for c in table.columns if c.key != "study" and (not _is_number(c) or c.key == "weight"))


def _all(table: Table) -> tuple[str, ...]:
    """Every column but names and judgements."""
    judged = {key for row in table.rows for key, cell in row.cells.items() if isinstance(cell, Judgement)}
    return tuple(c.key for c in table.columns if c.key != "study" and c.key not in judged)


def _stacked(table: Table, under: tuple[str, ...]) -> Table:
    """The table with these columns under the names."""
    told = [c for c in table.columns if c.key in under and c.key != "weight"]
    first, *others = table.columns
    heading = "; ".join(f"{c.span} {c.heading}".strip() for c in told)
    columns = (replace(first, under=heading), *(c for c in others if c.key not in under))
    return replace(
        table,
        columns=columns,
        studies=tuple(_row(row, told) for row in table.studies),
        summary=tuple(_row(row, told) for row in table.summary),
        every=tuple(_row(row, told) for row in table.every),
    )


def _row(row: Row, told: list[Column]) -> Row:
    texts = [_text(row, column.key) for column in told if column.key in row.cells]
    return replace(row, under="; ".join(text for text in texts if text))


def _text(row: Row, key: str) -> str:
    cell = row.cells[key]
    if isinstance(cell, Parts):
        return cell.text
    return cell if isinstance(cell, str) else ""
