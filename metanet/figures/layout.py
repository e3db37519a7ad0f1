"""Where everything stands: column widths and row heights from measured text, in points, so that nothing meets."""

from __future__ import annotations

import math
from dataclasses import dataclass

from metanet.figures import style
from metanet.figures.table import Column, Parts, Row, Table
from metanet.figures.text import LINE, width_of, wrap

#: In text sizes: widths ...
_LABEL_MOST = 27.0
_OTHER_MOST = 15.0
_COLUMN_GAP = 1.7
_PANEL = 22.0
_PANEL_GAP = 1.6
_MARGIN = 0.9
#: ... and heights. Long tables are set tighter so that forty studies still stand on one page.
_ROW = 1.9
_ROW_TIGHT = 1.62
_TIGHT_FROM = 26
_RULE_GAP = 0.45
_AXIS = 3.7
_PARAGRAPH_GAP = 0.35
#: Hinting moves glyphs by fractions of a pixel; a little room keeps neighbours apart at every resolution.
_SLACK = 1.02


@dataclass(frozen=True)
class Placed:
    """A line (or paragraph) of text: place in points from the upper left corner of the panel, down and right positive."""

    text: str
    x: float
    y: float
    side: str
    size: float
    bold: bool = False
    colour: str = style.INK
    vertical: str = "center"
    parts: tuple[tuple[float, str, str], ...] = ()


@dataclass(frozen=True)
class Layout:
    """Sizes in points. `left` and `top` are the place of the panel in the canvas; `rows` the middle of each row."""

    width: float
    height: float
    left: float
    top: float
    panel_width: float
    panel_height: float
    pitch: float
    size: float
    rows: tuple[float, ...]
    rules: tuple[float, ...]
    texts: tuple[Placed, ...]


@dataclass(frozen=True)
class _Measured:
    column: Column
    width: float
    #: Widths of the pieces of `Parts` cells, and of the whole block that they form.
    pieces: tuple[float, ...]
    block: float


def lay_out(table: Table, size: float = style.TEXT_SIZE, width: float | None = None) -> Layout:
    """Place a table set in `size` points; the panel takes what `width` leaves to it (None: its natural width)."""
    columns = [_measure(column, table.rows, size) for column in table.columns]
    left = [c for c in columns if not c.column.right]
    right = [c for c in columns if c.column.right]
    gap, margin = _COLUMN_GAP * size, _MARGIN * size
    used = sum(c.width + gap for c in columns[1:]) + columns[0].width + 2 * margin + _PANEL_GAP * size
    used += (_PANEL_GAP * size - gap) if right else 0.0
    panel = _PANEL * size if width is None else max(_PANEL * size * 0.6, width - used)
    canvas = used + panel
    texts: list[Placed] = []

    # Across: x of each column's left edge, from the canvas's left edge.
    edges: list[float] = []
    x = margin
    for c in left:
        edges.append(x)
        x += c.width + gap
    panel_left = x - gap + _PANEL_GAP * size
    x = panel_left + panel + _PANEL_GAP * size
    for c in right:
        edges.append(x)
        x += c.width + gap

    # Down: from the top of the panel, which is the rule under the headings.
    heading = 1.75 * size
    title_size = style.TITLE_SIZE * size / style.TEXT_SIZE
    title = wrap(table.title, canvas - 2 * margin, title_size, bold=True, lines=4) if table.title else ""
    title_height = (title.count("\n") + 1) * LINE * title_size + 0.6 * size if title else 0.0
    top = 0.6 * size + title_height + heading
    if title:
        texts.append(
            Placed(title, margin - panel_left, -heading - 0.6 * size, "left", title_size, True, vertical="bottom")
        )
    pitch = size * (_ROW if len(table.studies) < _TIGHT_FROM else _ROW_TIGHT)
    middles: list[float] = []
    rules = [0.0]
    y = _RULE_GAP * size
    for i, row in enumerate(table.rows):
        if i == len(table.studies) and table.studies:
            y += _RULE_GAP * size
            rules.append(y)
            y += _RULE_GAP * size
        label = _row_label(row, size)
        height = pitch + label.count("\n") * LINE * size
        middles.append(y + height / 2)
        y += height
        texts.append(Placed(label, edges[0] - panel_left, middles[-1], "left", size, row.bold))
    panel_height = y + _RULE_GAP * size

    for c, edge in zip(left + right, edges, strict=True):
        texts += _column_texts(c, edge - panel_left, table.rows, middles, -heading / 2, size)

    # Under the axis.
    y = panel_height + _AXIS * size
    small = style.NOTE_SIZE * size / style.TEXT_SIZE
    for text, letter, colour in [
        *((note, size, style.INK) for note in table.notes),
        (table.method, small, style.SOFT),
    ]:
        if text:
            paragraph = wrap(text, (canvas - 2 * margin) / _SLACK, letter)
            texts.append(Placed(paragraph, margin - panel_left, y, "left", letter, False, colour, "top"))
            y += (paragraph.count("\n") + 1) * LINE * letter + _PARAGRAPH_GAP * size
    return Layout(
        canvas, top + y + 0.5 * size, panel_left, top, panel, panel_height, pitch, size, tuple(middles), tuple(rules),
        tuple(texts),
    )  # fmt: skip


def _row_label(row: Row, size: float) -> str:
    return wrap(row.label, _LABEL_MOST * size, size, bold=row.bold, lines=3)


def _measure(column: Column, rows: tuple[Row, ...], size: float) -> _Measured:
    """Width of a column: its widest cell or its heading."""
    heading = width_of(column.heading, size, True)
    if column.key == "study":
        lines = [(line, row.bold) for row in rows for line in _row_label(row, size).split("\n")]
        widest = max((width_of(line, size, bold) for line, bold in lines), default=0.0)
        return _Measured(column, max(widest, heading) * _SLACK, (), 0.0)
    cells = [(row.cells[column.key], row.bold) for row in rows if column.key in row.cells]
    pieces: tuple[float, ...] = ()
    if column.sides:
        pieces = tuple(
            max((width_of(c.pieces[i], size, bold) for c, bold in cells if isinstance(c, Parts)), default=0.0) * _SLACK
            for i in range(len(column.sides))
        )
    block = sum(pieces) + column.gap * size * max(0, len(pieces) - 1)
    plain = max((width_of(c, size, bold) for c, bold in cells if isinstance(c, str)), default=0.0)
    return _Measured(column, max(heading, plain, block) * _SLACK, pieces, block)


def shorten_cell(text: str, size: float = style.TEXT_SIZE) -> str:
    """A cell of a column of the data, as long as such a column may be wide."""
    return wrap(text, _OTHER_MOST * size, size, lines=1)


def _column_texts(
    c: _Measured, edge: float, rows: tuple[Row, ...], middles: list[float], heading: float, size: float
) -> list[Placed]:
    """Heading and cells of one column; `edge` is its left edge."""
    # Counts stand in the middle under their heading; numbers with decimals end at the right edge.
    centred = c.column.align == "center"
    anchor = {"left": edge, "right": edge + c.width, "center": edge + c.width / 2}[c.column.align]
    out = [Placed(c.column.heading, anchor, heading, c.column.align, size, True)]
    if c.column.key == "study":
        return out
    start = edge + ((c.width - c.block) / 2 if centred else c.width - c.block)
    for row, y in zip(rows, middles, strict=True):
        cell = row.cells.get(c.column.key)
        if cell is None or cell == "":
            continue
        if isinstance(cell, str):
            out.append(Placed(cell, anchor, y, c.column.align, size, row.bold))
            continue
        parts: list[tuple[float, str, str]] = []
        x = start
        for text, width, side in zip(cell.pieces, c.pieces, c.column.sides, strict=True):
            if text:
                parts.append((x + width if side == "right" else x, text, side))
            x += width + c.column.gap * size
        out.append(Placed(cell.text, 0.0, y, "left", size, row.bold, parts=tuple(parts)))
    return out


def natural_size(table: Table) -> tuple[float, float]:
    """Width and height in points of a table that has its own figure."""
    layout = lay_out(table)
    return math.ceil(layout.width), math.ceil(layout.height)
