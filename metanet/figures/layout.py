"""Where everything stands: column widths and row heights from measured text, in points, so that nothing meets."""

from __future__ import annotations

from dataclasses import dataclass

from metanet.figures import style
from metanet.figures.table import Column, Parts, Row, Table
from metanet.figures.text import BASELINE, LINE, Side, width_of, wrap

#: In text sizes: widths ...
_LABEL_MOST = 27.0
_OTHER_MOST = 15.0
_COLUMN_GAP = 1.7
_PANEL = 22.0
_PANEL_LEAST = 12.0
_PANEL_GAP = 1.6
_MARGIN = 0.9
#: ... and heights. Long tables are set tighter so that forty studies still stand on one page.
_HEADING = 1.75
_ROW = 1.9
_ROW_TIGHT = 1.62
_TIGHT_FROM = 26
_RULE_GAP = 0.45
_AXIS = 3.6
_PARAGRAPH_GAP = 0.55
#: Hinting moves glyphs by fractions of a pixel; a little room keeps neighbours apart at every resolution.
_SLACK = 1.02


@dataclass(frozen=True)
class Placed:
    """A line (or paragraph) of text; `y` is the last baseline, in points from the upper left corner of the panel."""

    text: str
    x: float
    y: float
    side: Side
    size: float
    bold: bool = False
    colour: str = style.INK
    parts: tuple[tuple[float, str, Side, bool], ...] = ()


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
    edges, panel_left, panel, canvas = _across(columns, size, width)
    left, inner = _MARGIN * size - panel_left, canvas - 2 * _MARGIN * size

    # Down: from the top of the panel, which is the rule under the headings.
    texts: list[Placed] = []
    heading = _HEADING * size
    top = 0.6 * size + heading
    if table.title:
        letter = style.TITLE_SIZE * size / style.TEXT_SIZE
        title = wrap(table.title, inner / _SLACK, letter, bold=True, lines=4)
        below = title.count("\n") * LINE * letter
        texts.append(Placed(title, left, -heading - 0.75 * size, "left", letter, True))
        top += below + LINE * letter + 0.75 * size
    pitch = size * (_ROW if len(table.studies) < _TIGHT_FROM else _ROW_TIGHT)
    middles: list[float] = []
    rules = [0.0]
    y = _RULE_GAP * size
    for i, row in enumerate(table.rows):
        if i == len(table.studies):
            rules.append(y + _RULE_GAP * size)
            y += 2 * _RULE_GAP * size
        label = _row_label(row, size)
        further = label.count("\n") * LINE * size
        middles.append(y + (pitch + further) / 2)
        y += pitch + further
        last = middles[-1] + further / 2 + BASELINE * size
        texts.append(Placed(label, edges[0] - panel_left, last, "left", size, row.bold))
    panel_height = y + _RULE_GAP * size
    for c, edge in zip(columns, edges, strict=True):
        texts += _column_texts(c, edge - panel_left, table.rows, middles, -heading / 2, size)

    y = panel_height + _AXIS * size
    small = style.NOTE_SIZE * size / style.TEXT_SIZE
    paragraphs = [*((note, size, style.INK) for note in table.notes), (table.method, small, style.SOFT)]
    for text, letter, colour in paragraphs:
        if text:
            paragraph = wrap(text, inner / _SLACK, letter)
            further = paragraph.count("\n") * LINE * letter
            texts.append(Placed(paragraph, left, y + letter + further, "left", letter, False, colour))
            y += LINE * letter + further + _PARAGRAPH_GAP * size
    return Layout(
        width=canvas,
        height=top + y + 0.4 * size,
        left=panel_left,
        top=top,
        panel_width=panel,
        panel_height=panel_height,
        pitch=pitch,
        size=size,
        rows=tuple(middles),
        rules=tuple(rules),
        texts=tuple(texts),
    )


def _across(columns: list[_Measured], size: float, width: float | None) -> tuple[list[float], float, float, float]:
    """Left edges of the columns, left edge and width of the panel, width of the whole."""
    margin, gap, beside = _MARGIN * size, _COLUMN_GAP * size, _PANEL_GAP * size
    left = [c.width for c in columns if not c.column.right]
    right = [c.width for c in columns if c.column.right]
    fixed = 2 * margin + sum(left) + gap * (len(left) - 1) + beside
    fixed += sum(right) + gap * (len(right) - 1) + beside if right else beside / 2
    panel = _PANEL * size if width is None else max(_PANEL_LEAST * size, width - fixed)
    edges: list[float] = []
    x = margin
    for w in left:
        edges.append(x)
        x += w + gap
    panel_left = x - gap + beside
    x = panel_left + panel + beside
    for w in right:
        edges.append(x)
        x += w + gap
    return edges, panel_left, panel, fixed + panel


def _row_label(row: Row, size: float) -> str:
    return wrap(row.label, _LABEL_MOST * size, size, bold=row.bold, lines=3)


def _measure(column: Column, rows: tuple[Row, ...], size: float) -> _Measured:
    """Width of a column: its widest cell or its heading."""
    heading = width_of(column.heading, size, True)
    if column.key == "study":
        lines = [(line, row.bold) for row in rows for line in _row_label(row, size).split("\n")]
        widest = max((width_of(line, size, bold) for line, bold in lines), default=0.0)
        return _Measured(column, max(widest, heading) * _SLACK, (), 0.0)
    cells = [row.cells[column.key] for row in rows if column.key in row.cells]
    blocks = [cell for cell in cells if isinstance(cell, Parts)]
    # The first piece may be bold in a summary row, and bold figures are wider.
    pieces = tuple(
        max((width_of(cell.pieces[i], size, cell.strong and i == 0) for cell in blocks), default=0.0) * _SLACK
        for i in range(len(column.sides))
    )
    block = sum(pieces) + column.gap * size * max(0, len(pieces) - 1)
    plain = max((width_of(cell, size) for cell in cells if isinstance(cell, str)), default=0.0)
    return _Measured(column, max(heading, plain, block) * _SLACK, pieces, block)


def shorten_cell(text: str, size: float = style.TEXT_SIZE) -> str:
    """A cell of a column of the data, as long as such a column may be wide."""
    return wrap(text, _OTHER_MOST * size, size, lines=1)


def _column_texts(
    c: _Measured, edge: float, rows: tuple[Row, ...], middles: list[float], heading: float, size: float
) -> list[Placed]:
    """Heading and cells of one column; `edge` is its left edge."""
    anchor = {"left": edge, "right": edge + c.width, "center": edge + c.width / 2}[c.column.align]
    drop = BASELINE * size
    out = [Placed(c.column.heading, anchor, heading + drop, c.column.align, size, True)]
    if c.column.key == "study":
        return out
    # Counts stand in the middle under their heading; numbers with decimals end at the right edge.
    start = edge + (c.width - c.block) / (2 if c.column.align == "center" else 1)
    for row, y in zip(rows, middles, strict=True):
        cell = row.cells.get(c.column.key)
        if isinstance(cell, str):
            out.append(Placed(cell, anchor, y + drop, c.column.align, size))
        elif cell is not None:
            parts: list[tuple[float, str, Side, bool]] = []
            x = start
            for i, (text, width, side) in enumerate(zip(cell.pieces, c.pieces, c.column.sides, strict=True)):
                if text:
                    parts.append((x + width if side == "right" else x, text, side, cell.strong and i == 0))
                x += width + c.column.gap * size
            out.append(Placed(cell.text, 0.0, y + drop, "left", size, parts=tuple(parts)))
    return out
