"""Tables in Word files: editable, with a head that is repeated on every page, and the same bytes on every run."""

from __future__ import annotations

import math
import zipfile
from dataclasses import dataclass, replace
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from metanet.base.untrusted import with_addresses, xml_text
from metanet.writing.table.column_widths import closing_lines, widths
from metanet.writing.table.html import LINKED, spans

if TYPE_CHECKING:
    from metanet.writing.table.table import Table


#: The oldest date that a zip file can hold.
_DATE = (1980, 1, 1, 0, 0, 0)
#: Width of the text on an A4 page that stands and on one that lies on its side, in centimetres; points of the letters.
_UPRIGHT, _SIDE, _POINTS = 17.0, 25.7, 9.0
#: Smaller letters than these cannot be read; a table with that many columns breaks its words.
_LEAST = 5.0
#: Centimetres of one character of Calibri in that size, and characters in the space around a cell.
_CHARACTER, _AROUND = 0.168, 1.9
#: A table with fewer columns gets smaller letters rather than parts; the line over a further part.
_SHARED = 5
_AGAIN = "Further columns of the same rows"


@dataclass(frozen=True)
class Room:
    """What a table takes on A4: widths of its columns in centimetres, size of its letters, whether the page lies on its side."""

    columns: tuple[float, ...]
    points: float
    wide: bool


def lies(table: Table) -> bool:
    """Whether the page of a table lies on its side."""
    return bool(table.rows) and _widths(table)[1]


def parts_of(table: Table) -> list[tuple[Table, Room]]:
    """A table with rows as it stands on a page, whole where its columns have room there in letters of the usual size.

    Otherwise its columns are shared out between tables below each other, which all begin with the first column.
    """
    columns, wide = _widths(table)
    room = _SIDE if wide else _UPRIGHT
    if not wide or sum(columns) <= room + 1e-9 or len(columns) < _SHARED:
        return [(table, _room(columns, room, wide))]
    first, others = columns[0], columns[1:]
    count = math.ceil(sum(others) / (room - first))
    ends = np.cumsum(others)
    share = [min(count - 1, int(count * (end - 0.5 * width) / ends[-1])) for end, width in zip(ends, others, strict=True)]
    parts = []
    for number in range(count):
        part = _with_columns(table, [0, *(i + 1 for i, place in enumerate(share) if place == number)])
        parts.append((part, _room(_widths(part, room)[0], room, wide)))
    return parts


def _widths(table: Table, room: float | None = None) -> tuple[list[float], bool]:
    """Centimetres of the columns, on the page that suits them or in a room."""
    upright, side = (_UPRIGHT, _SIDE) if room is None else (room, room)
    columns, wide = widths(table, upright / _CHARACTER, side / _CHARACTER, _AROUND)
    return [c * _CHARACTER for c in columns], wide


def _room(columns: list[float], room: float, wide: bool) -> Room:
    smaller = min(1.0, room / sum(columns))
    return Room(tuple(c * smaller for c in columns), max(_LEAST, _POINTS * smaller), wide)


def _with_columns(table: Table, places: list[int]) -> Table:
    def some(row: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(row[i] for i in places)

    return replace(table, columns=some(table.columns), rows=tuple(map(some, table.rows)), closing=tuple(map(some, table.closing)))


def docx_of(table: Table) -> bytes:
    """The bytes of a Word file that holds the table."""
    from docx import Document
    from docx.shared import Pt

    document = Document()
    lay(document.sections[0], wide=lies(table))
    document.styles["Normal"].font.name = "Calibri"
    document.styles["Normal"].font.size = Pt(_POINTS)
    title = document.add_paragraph()
    run = title.add_run(xml_text(table.title if table.rows else table.empty))
    run.bold = bool(table.rows)
    run.font.size = Pt(10)
    title.paragraph_format.space_after = Pt(4)
    title.paragraph_format.keep_with_next = True
    if table.rows:
        fill(document, table)
    for note in table.foot:
        line = document.add_paragraph(xml_text(note))
        line.paragraph_format.space_before = line.paragraph_format.space_after = Pt(2)
    return saved(document, table.title)


def lay(section: Any, *, wide: bool) -> None:
    """The pages of a section as A4, standing or on their side."""
    from docx.enum.section import WD_ORIENT
    from docx.shared import Cm

    sides = Cm(21.0), Cm(29.7)
    section.orientation = WD_ORIENT.LANDSCAPE if wide else WD_ORIENT.PORTRAIT
    section.page_width, section.page_height = sides[::-1] if wide else sides
    section.left_margin = section.right_margin = section.top_margin = section.bottom_margin = Cm(2.0)


def saved(document: Any, title: str) -> bytes:
    """The bytes of a Word document, the same on every run."""
    core = document.core_properties
    core.title, core.author, core.comments, core.last_modified_by = xml_text(title)[:250], "", "", ""
    core.language = "en"
    _undated(core)
    out = BytesIO()
    document.save(out)
    return _same_bytes(out.getvalue())


def fill(document: Any, table: Table) -> None:
    """Put a table with rows at the end of a document.

    A table whose columns have no headings gets no head: its first column names what the others hold.
    """
    from docx.shared import Pt

    for place, (part, room) in enumerate(parts_of(table)):
        if place:
            line = document.add_paragraph()
            run = line.add_run(_AGAIN)
            run.italic, run.font.size = True, Pt(_POINTS)
            line.paragraph_format.keep_with_next = True
            line.paragraph_format.space_before, line.paragraph_format.space_after = Pt(8), Pt(3)
        _fill(document, part, room)


def _fill(document: Any, table: Table, room: Room) -> None:
    from docx.enum.table import WD_ALIGN_VERTICAL, WD_TABLE_ALIGNMENT
    from docx.shared import Cm

    above = spans(table)
    texts, points = table.texts(), room.points
    headed = bool(above) or any(column.label for column in table.columns)
    heads = headed + bool(above)
    grid = document.add_table(rows=0, cols=len(table.columns))
    grid.alignment = WD_TABLE_ALIGNMENT.LEFT
    grid.autofit = False
    _narrow(grid)
    for column, width in zip(grid.columns, room.columns, strict=True):
        column.width = Cm(width)
    right = [column.kind != "text" for column in table.columns]
    if above:
        cells = grid.add_row().cells
        for label, first, stop in above:
            merged = cells[first].merge(cells[stop - 1])
            _write(merged, label, points, bold=True, middle=True)
            _ruled(merged, bottom=4)
    if headed:
        cells = grid.add_row().cells
        for cell, column, to_right in zip(cells, table.columns, right, strict=True):
            _write(cell, column.label, points, bold=True, right=to_right)
            cell.vertical_alignment = WD_ALIGN_VERTICAL.BOTTOM
    group = None
    for place, row in enumerate(texts):
        if place < len(table.groups) and table.groups[place] != group:
            group = table.groups[place]
            cells = grid.add_row().cells
            _write(cells[0].merge(cells[-1]), group, points, italic=True)
        cells = grid.add_row().cells
        for number, (cell, text, to_right) in enumerate(zip(cells, row, right, strict=True)):
            # A number and its interval stay on one line.
            lines = [line.replace(" ", "\u00a0") for line in closing_lines(text)]
            names = not headed and number == 0
            link = table.columns[number].label in LINKED
            _write(cell, " ".join(lines) if to_right else text, points, right=to_right, bold=names, link=link)
            if place == len(table.rows):
                _ruled(cell, top=4)
    rows = list(grid.rows)
    for number, line in enumerate(rows):
        _kept(line, head=number < heads)
    for line in rows:
        for cell, width in zip(line.cells, room.columns, strict=True):
            if cell._tc.grid_span == 1:
                cell.width = Cm(width)
    for cell in rows[0].cells:
        _ruled(cell, top=12)
    if headed:
        for cell in rows[heads - 1].cells:
            _ruled(cell, bottom=6)
    for cell in rows[-1].cells:
        _ruled(cell, bottom=12)


def write_linked(paragraph: Any, text: str) -> list[Any]:
    """Add a text to a paragraph with its DOIs and web addresses as links; its runs."""
    from docx.opc.constants import RELATIONSHIP_TYPE
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    runs = []
    for piece, address in with_addresses(xml_text(text)):
        run = paragraph.add_run(piece)
        runs.append(run)
        if address is not None:
            link = OxmlElement("w:hyperlink")
            link.set(qn("r:id"), paragraph.part.relate_to(address, RELATIONSHIP_TYPE.HYPERLINK, is_external=True))
            paragraph._p.append(link)
            link.append(run._r)
            run.font.underline = True
    return runs


def _write(
    cell: Any,
    text: str,
    points: float,
    *,
    bold: bool = False,
    italic: bool = False,
    right: bool = False,
    middle: bool = False,
    link: bool = False,
) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Pt

    paragraph = cell.paragraphs[0]
    for run in write_linked(paragraph, text) if link else [paragraph.add_run(xml_text(text))]:
        run.bold, run.italic = bold or None, italic or None
        run.font.size = Pt(points)
    _mark(paragraph, points)
    paragraph.paragraph_format.space_after = Pt(1)
    paragraph.paragraph_format.space_before = Pt(1)
    paragraph.paragraph_format.line_spacing = 1.0
    if right or middle:
        paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT if right else WD_ALIGN_PARAGRAPH.CENTER


def _mark(paragraph: Any, points: float) -> None:
    """The sign at the end of a paragraph in the size of its letters: an empty cell is as tall as it."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    size = OxmlElement("w:sz")
    size.set(qn("w:val"), str(round(2 * points)))
    properties = OxmlElement("w:rPr")
    properties.append(size)
    paragraph._p.get_or_add_pPr().append(properties)


def _ruled(cell: Any, **sides: int) -> None:
    """Lines at sides of a cell, in eighths of a point."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    properties = cell._tc.get_or_add_tcPr()
    borders = properties.find(qn("w:tcBorders"))
    if borders is None:
        borders = OxmlElement("w:tcBorders")
        # The order of the parts of a cell's properties is fixed: borders come before what stands here.
        after = [properties.find(qn(f"w:{name}")) for name in ("shd", "noWrap", "tcMar", "vAlign")]
        first = next((part for part in after if part is not None), None)
        if first is None:
            properties.append(borders)
        else:
            first.addprevious(borders)
    for side in ("top", "bottom"):
        if side in sides and borders.find(qn(f"w:{side}")) is None:
            line = OxmlElement(f"w:{side}")
            for name, value in (("val", "single"), ("sz", str(sides[side])), ("space", "0"), ("color", "auto")):
                line.set(qn(f"w:{name}"), value)
            borders.insert(0, line) if side == "top" else borders.append(line)


def _narrow(grid: Any) -> None:
    """Little space beside the cells: a table of results has many columns."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    margins = OxmlElement("w:tblCellMar")
    for side in ("left", "right"):
        margin = OxmlElement(f"w:{side}")
        margin.set(qn("w:w"), "90")
        margin.set(qn("w:type"), "dxa")
        margins.append(margin)
    properties = grid._tbl.tblPr
    look = properties.find(qn("w:tblLook"))
    properties.append(margins) if look is None else look.addprevious(margins)


def _kept(row: Any, *, head: bool) -> None:
    """A row is not broken across pages; a row of the head is repeated on each."""
    from docx.oxml import OxmlElement

    properties = row._tr.get_or_add_trPr()
    properties.append(OxmlElement("w:cantSplit"))
    if head:
        properties.append(OxmlElement("w:tblHeader"))


def _undated(core: Any) -> None:
    """Without the dates of the build."""
    from docx.oxml.ns import qn

    element = core._element
    for name in ("dcterms:created", "dcterms:modified"):
        for found in element.findall(qn(name)):
            element.remove(found)


def _same_bytes(content: bytes) -> bytes:
    """The zip file with one date for all its parts."""
    out = BytesIO()
    with zipfile.ZipFile(BytesIO(content)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            entry = zipfile.ZipInfo(name, _DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            entry.create_system = 3
            target.writestr(entry, source.read(name))
    return out.getvalue()
