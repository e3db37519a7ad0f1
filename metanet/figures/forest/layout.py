"""The layout: column widths and row heights from measured text, in points, without overlap."""

from __future__ import annotations

from dataclasses import dataclass, replace

from metanet.figures.forest.table import Cell, Column, Judgement, Parts, Row, Table
from metanet.figures.page import style
from metanet.figures.page.options import reworded
from metanet.figures.page.page import note_size
from metanet.figures.page.text import BASELINE, LINE, Side, width_of, wrap

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
_AXIS_LINES = 8
#: Matplotlib draws the name itself, by the hinting of whoever shows the figure.
_AXIS_SLACK = 1.06
_PARAGRAPH_GAP = 0.55
#: How far the rows of a group are set in; a column of judgements and its discs.
_INDENT = 1.0
_JUDGED = 1.5
#: Between a name and what stands under it.
_UNDER = 0.12
#: Height of a heading over several columns.
_SPAN = 1.35
DISC = 1.28
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
class Disc:
    """The ground of a judgement's sign; its middle, in points from the upper left corner of the panel."""

    x: float
    y: float
    colour: str


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
    discs: tuple[Disc, ...]
    axis_name: str
    #: Rules under headings over several columns: left end, right end, place.
    spans: tuple[tuple[float, float, float], ...] = ()


@dataclass(frozen=True)
class _Measured:
    column: Column
    width: float
    #: Widths of the pieces of `Parts` cells, and of the whole block that they form.
    pieces: tuple[float, ...]
    block: float


def lay_out(table: Table, size: float = style.TEXT_SIZE, width: float | None = None) -> Layout:
    """Place a table set in `size` points; the panel takes what `width` leaves to it (None: its natural width)."""
    room = _label_room(table, size, width)
    columns = _with_room([_measure(column, table.measured, size, room) for column in table.columns], table.measured, size, room)
    columns = _spanned(columns, size)
    edges, panel_left, panel, canvas = _across(columns, size, width)
    left, inner = _MARGIN * size - panel_left, canvas - 2 * _MARGIN * size

    # Down: from the top of the panel, which is the rule under the headings.
    texts: list[Placed] = []
    second = wrap(table.columns[0].under, columns[0].width / _SLACK, size) if table.columns[0].under else ""
    over = any(c.column.span for c in columns)
    heading = (_HEADING + _deep(second) + (_SPAN if over else 0.0)) * size
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
        # A label without cells beside it may run on up to the panel.
        along = panel_left - _PANEL_GAP * size - edges[0]
        label = _row_label(row, size, along / _SLACK if row.wide else room)
        under = _under(row, size, columns[0].width / _SLACK)
        further = max((label.count("\n") + _lines(under)) * LINE + (_UNDER if under else 0.0), row.tall) * size
        middles.append(y + (pitch + further) / 2)
        y += pitch + further
        last = middles[-1] + (0.0 if row.tall else further / 2) + BASELINE * size
        x = edges[0] - panel_left + _indent(row, size)
        texts.append(Placed(label, x, last - _deep(under) * size, "left", size, row.bold, _ink(row)))
        if under:
            texts.append(Placed(under, x, last, "left", size, colour=style.VAGUE if row.vague else style.SOFT))
    panel_height = y + _RULE_GAP * size
    above = _HEADING / 2 + (_deep(second) + _SPAN)
    lines = []
    for name, start, end in _spans(columns, edges):
        texts.append(Placed(name, (start + end) / 2 - panel_left, (BASELINE - above) * size, "center", size, True))
        lines.append((start - panel_left, end - panel_left, (_SPAN / 2 + 0.12 - above) * size))
    if second:
        texts.append(Placed(second, edges[0] - panel_left, -(_HEADING / 2 - BASELINE) * size, "left", size, colour=style.INK))
    discs: list[Disc] = []
    for c, edge in zip(columns, edges, strict=True):
        texts += _column_texts(c, edge - panel_left, table.rows, middles, -(_HEADING / 2 + _deep(second)) * size, size)
        discs += [
            Disc(edge - panel_left + c.width / 2, middle, cell.colour)
            for row, middle in zip(table.rows, middles, strict=True)
            if isinstance(cell := row.cells.get(c.column.key), Judgement)
        ]

    # The name of the axis may reach beyond the panel, as far on both sides, but not so far that it no longer stands under it.
    beyond = min(panel_left - _MARGIN * size, canvas - panel_left - panel - _MARGIN * size, 0.35 * panel)
    axis_name = wrap(
        reworded(table.axis_name or table.scale.name), (panel + 2 * max(0.0, beyond)) / _AXIS_SLACK, size, lines=_AXIS_LINES
    )
    y = panel_height + (_AXIS + axis_name.count("\n") * LINE) * size
    if table.favours is not None:
        sides, deep = _favours(table.favours, panel, y + 0.35 * size, size, max(0.0, beyond))
        texts += sides
        y += deep
    small = note_size(size)
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
        discs=tuple(discs),
        axis_name=axis_name,
        spans=tuple(lines),
    )


def _spanned(columns: list[_Measured], size: float) -> list[_Measured]:
    """The columns, the last under a heading of several so wide that the heading has room."""
    out = list(columns)
    for i, c in enumerate(columns):
        if not c.column.span or (i + 1 < len(columns) and columns[i + 1].column.span == c.column.span):
            continue
        first = i
        while first and columns[first - 1].column.span == c.column.span:
            first -= 1
        there = sum(each.width for each in columns[first : i + 1]) + _COLUMN_GAP * size * (i - first)
        missing = width_of(c.column.span, size, True) * _SLACK - there
        if missing > 0:
            out[i] = replace(c, width=c.width + missing)
    return out


def _spans(columns: list[_Measured], edges: list[float]) -> list[tuple[str, float, float]]:
    """The headings over several columns with their left and right ends."""
    out: list[tuple[str, float, float]] = []
    before = ""
    for c, edge in zip(columns, edges, strict=True):
        name, end = c.column.span, edge + c.width
        if name and name == before:
            out[-1] = (name, out[-1][1], end)
        elif name:
            out.append((name, edge, end))
        before = name
    return out


def _favours(favours: tuple[str, str], panel: float, y: float, size: float, beyond: float) -> tuple[list[Placed], float]:
    """What the two ends of the axis stand for, under its name, each in its half and what is free beside it, and their height."""
    letter = 0.9 * size
    room = (panel / 2 + beyond) / _SLACK - letter
    left, right = (wrap(text, room, letter, lines=3) for text in favours)
    lines = max(_lines(left), _lines(right))
    # Both begin on the same line.
    placed = [(text, y + (text.count("\n")) * LINE * letter) for text in (left, right)]
    starts = (
        max(-beyond, panel / 2 - letter / 2 - _widest(left, letter)),
        min(panel + beyond, panel / 2 + letter / 2 + _widest(right, letter)),
    )
    starts = (min(starts[0], 0.0), max(starts[1], panel))
    return [
        Placed(placed[0][0], starts[0], placed[0][1], "left", letter),
        Placed(placed[1][0], starts[1], placed[1][1], "right", letter),
    ], (1.1 + (lines - 1) * LINE * 0.9) * size


def _widest(text: str, size: float) -> float:
    return max(width_of(line, size) for line in text.split("\n")) * _SLACK


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


def _indent(row: Row, size: float) -> float:
    return _INDENT * size if row.indent else 0.0


def _ink(row: Row) -> str:
    """The colour of a row's text: grey where its interval says nothing."""
    return style.VAGUE if row.vague else style.INK


def _row_label(row: Row, size: float, room: float) -> str:
    """A label in lines of `room` points; one without cells beside it may have more of them."""
    return wrap(row.label, room - _indent(row, size), size, bold=row.bold, lines=8 if row.wide else 3)


def _under(row: Row, size: float, room: float) -> str:
    return wrap(row.under, room - _indent(row, size), size) if row.under else ""


def _lines(text: str) -> int:
    return 1 + text.count("\n") if text else 0


def _deep(text: str) -> float:
    """What a text under another takes, in text sizes."""
    return _lines(text) * LINE + _UNDER if text else 0.0


def _label_room(table: Table, size: float, width: float | None) -> float:
    """How wide labels may be: in a narrow column with lines under them what the least panel and the other columns leave."""
    first, *others = table.columns
    if width is None or not first.under:
        return _LABEL_MOST * size
    beside = sum(_measure(column, table.measured, size, 0.0).width + _COLUMN_GAP * size for column in others)
    free = width - (2 * _MARGIN + _PANEL_LEAST + _PANEL_GAP * (2 if others else 1.5)) * size - beside
    return max(8 * size, free / _SLACK**2)


def _with_room(columns: list[_Measured], rows: tuple[Row, ...], size: float, room: float) -> list[_Measured]:
    """The columns with a first one that leaves wide labels enough room up to the panel."""
    left = [c.width for c in columns if not c.column.right]
    there = sum(left) + _COLUMN_GAP * size * (len(left) - 1)
    wanted = max((width_of(row.label, size, row.bold) * _SLACK**2 for row in rows if row.wide), default=0.0)
    missing = min(wanted, room) - there
    return columns if missing <= 0 else [replace(columns[0], width=columns[0].width + missing), *columns[1:]]


def _measure(column: Column, rows: tuple[Row, ...], size: float, room: float) -> _Measured:
    """Width of a column: its widest cell or its heading."""
    heading = width_of(column.heading, size, True)
    if column.key == "study":
        own = [
            _indent(row, size) + width_of(line, size, row.bold)
            for row in rows
            if not row.wide
            for line in _row_label(row, size, room).split("\n")
        ]
        own += [_indent(row, size) + width_of(line, size) for row in rows if row.under for line in _under(row, size, room).split("\n")]
        own += [width_of(line, size) for line in wrap(column.under, room, size).split("\n") if line]
        widest = max(own, default=0.0)
        return _Measured(column, max(widest, heading) * _SLACK, (), 0.0)
    cells = [row.cells[column.key] for row in rows if column.key in row.cells]
    blocks = [cell for cell in cells if isinstance(cell, Parts)]
    # The first piece may be bold in a summary row, and bold figures are wider.
    pieces = tuple(
        max((width_of(cell.pieces[i], size, cell.strong and i == 0) for cell in blocks), default=0.0) * _SLACK
        for i in range(len(column.sides))
    )
    block = sum(pieces) + column.gap * size * max(0, len(pieces) - 1)
    plain = max((_plain_width(cell, size) for cell in cells), default=0.0)
    return _Measured(column, max(heading, plain, block) * _SLACK, pieces, block)


def _plain_width(cell: Cell, size: float) -> float:
    if isinstance(cell, Judgement):
        return _JUDGED * size
    return width_of(cell, size) if isinstance(cell, str) else 0.0


def shorten_cell(text: str, size: float = style.TEXT_SIZE) -> str:
    """A cell of a column of the data, as long as such a column may be wide."""
    return wrap(text, _OTHER_MOST * size, size, lines=1)


def _column_texts(c: _Measured, edge: float, rows: tuple[Row, ...], middles: list[float], heading: float, size: float) -> list[Placed]:
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
        if isinstance(cell, Judgement):
            if cell.sign:
                out.append(Placed(cell.sign, anchor, y + drop, "center", size, True))
        elif isinstance(cell, str):
            out.append(Placed(cell, anchor, y + drop, c.column.align, size, colour=_ink(row)))
        elif cell is not None:
            parts: list[tuple[float, str, Side, bool]] = []
            x = start
            for i, (text, width, side) in enumerate(zip(cell.pieces, c.pieces, c.column.sides, strict=True)):
                if text:
                    parts.append((x + width if side == "right" else x, text, side, cell.strong and i == 0))
                x += width + c.column.gap * size
            out.append(Placed(cell.text, 0.0, y + drop, "left", size, colour=_ink(row), parts=tuple(parts)))
    return out
