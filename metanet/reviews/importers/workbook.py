"""The sheets of a workbook to lines with named columns: which sheet, which rows have the names, and what merged cells cover."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from metanet.base.errors import nearest
from metanet.base.untrusted import counted, listing, visible
from metanet.evidence.findings import Findings
from metanet.evidence.reading.text import BLANKS, Record
from metanet.reviews.importers.extracted_counts import SPACES, Found, Request, beside_of
from metanet.reviews.importers.tabular import MOST_CELLS, Lines, named_lines, names_of_two_lines, note_above

#: Rows at the top among which the column names are looked for.
_MOST_ABOVE = 50
_YEAR = re.compile(r"(?:19|20)\d\d")


@dataclass(frozen=True)
class Area:
    """A range of merged cells, both ends included."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass
class Sheet:
    """The texts of a sheet by row and column from 1, its merged cells, and what a reader should know."""

    name: str
    cells: dict[tuple[int, int], str]
    merged: Sequence[Area] = ()
    hidden_rows: Collection[int] = ()
    is_hidden: bool = False
    #: Formulas whose results the file does not have.
    unknown: Sequence[tuple[int, int]] = field(default_factory=tuple)


@dataclass(frozen=True)
class _Named:
    """The column names of a sheet: their row, the names, the rows above that are no part of them, and how many are known."""

    header: Record
    above: tuple[Record, ...]
    rows: tuple[Record, ...]
    score: int


def lines_of_sheets(
    sheets: Sequence[Sheet], request: Request, found: Found, is_known: Callable[[str], bool], what: str = "sheet"
) -> Lines | None:
    """The lines of the sheet that the caller names, or of the one that has the columns."""
    filled = [sheet for sheet in sheets if sheet.cells]
    if not filled:
        found.refuse("is empty", "Give the file with the data")
        return None
    if sum(len(sheet.cells) for sheet in filled) > MOST_CELLS:
        found.refuse(f"has more than {MOST_CELLS:,} cells", "Give the table of the counts alone, or divide it")
        return None
    named = {sheet.name: _named(sheet, is_known) for sheet in filled}
    sheet = _chosen(filled, named, request, found, what)
    if sheet is None:
        return None
    table = named[sheet.name]
    if len(filled) > 1:
        found.notes.append(f"{what.capitalize()} {visible(sheet.name)!r} of {len(filled)} was read.")
    note_above(["\t".join(text for text in record.cells if text) for record in table.above], found.notes)
    hidden = [row.line for row in table.rows if row.line in sheet.hidden_rows]
    if hidden:
        found.notes.append(f"{counted(len(hidden), 'hidden row')} of the sheet read as the others: {listing(hidden, 20)}.")
    if sheet.unknown and request.whole:
        found.has_unknown = True
    elif sheet.unknown:
        cells = listing((cell_name(*place) for place in sheet.unknown), 12)
        found.refuse(
            f"contains formulas without their results ({cells})",
            "Open it in the spreadsheet program, save it there, and import it again",
            column=visible(sheet.name),
        )
        return None
    locator = f"sheet {sheet.name}, row" if len(sheets) > 1 else "row"
    beside = beside_of(request, found)
    return named_lines(table.header, table.rows, found.file, found.findings, locator=locator, beside=beside, row_names=request.whole)


def cell_name(row: int, column: int) -> str:
    """The name that a spreadsheet gives to a cell: B4."""
    name = ""
    while column:
        column, rest = divmod(column - 1, 26)
        name = chr(ord("A") + rest) + name
    return f"{name}{row}"


def _chosen(sheets: Sequence[Sheet], named: Mapping[str, _Named], request: Request, found: Found, what: str) -> Sheet | None:
    """The sheet that is read; None with the reason in the findings."""
    if request.sheet is not None:
        return _asked(sheets, request.sheet, found, what)
    visible_ = [sheet for sheet in sheets if not sheet.is_hidden] or list(sheets)
    if len(visible_) == 1:
        return visible_[0]
    mapped = {re.sub(r" \(\d+\)$", "", name) for name in request.columns if name != "*"}
    fitting = [sheet for sheet in visible_ if mapped <= set(named[sheet.name].header.cells) and named[sheet.name].score > 1]
    if not fitting:
        best = max(named[sheet.name].score for sheet in visible_)
        fitting = [sheet for sheet in visible_ if named[sheet.name].score == best]
    if len(fitting) == 1:
        return fitting[0]
    names = [visible(sheet.name) for sheet in fitting]
    found.refuse(
        f"has {len(fitting)} {what}s that may be meant: {listing(map(repr, names), 12)}",
        f"Choose one with {' or '.join(f'sheet={name!r}' for name in names[:2])}",
    )
    return None


def _asked(sheets: Sequence[Sheet], wanted: str, found: Found, what: str) -> Sheet | None:
    """The sheet of a name, or of a number from 1."""
    by_name = {sheet.name: sheet for sheet in sheets}
    if wanted in by_name:
        return by_name[wanted]
    if wanted.isascii() and wanted.isdigit() and 1 <= int(wanted[:6]) <= len(sheets):
        return sheets[int(wanted) - 1]
    near = nearest(wanted, by_name) or next(iter(by_name))
    found.refuse(
        f"is not a {what} of the file, which has {listing((repr(visible(name)) for name in by_name), 12)}",
        f"Name one, such as sheet={visible(near)!r}",
        value=wanted,
    )
    return None


def _named(sheet: Sheet, is_known: Callable[[str], bool]) -> _Named:
    """The column names of a sheet: the row with most of the known names, joined with the merged cells above it."""
    rows = _rows(sheet)
    wide = [area for area in sheet.merged if area.right > area.left]
    best, best_key = 0, (-1, -1)
    names: list[str] = rows[0].cells
    for place, record in enumerate(rows[:_MOST_ABOVE]):
        joined = _joined(sheet, rows, place, wide)
        score = len({name for name in joined if name and is_known(name)})
        # A row with merged cells is the heading of the names below it, and so is one with names over some of the names below.
        below = rows[place + 1] if place + 1 < len(rows) else None
        merged = any(area.top <= record.line <= area.bottom for area in wide)
        heading = merged or (below is not None and names_of_two_lines(record, below) is not None)
        texts = sum(1 for text in record.cells if text)
        key = (2 * score - heading if score else 0, int(score == 0 and texts > 1 and not heading and best_key[1] < 1))
        if key > best_key:
            best, best_key, names = place, key, joined
    score = len({name for name in names if name and is_known(name)})
    start = best
    while (
        start
        and rows[start - 1].line == rows[start].line - 1
        and (_is_heading(rows[start - 1], wide) or names_of_two_lines(rows[start - 1], rows[start]) is not None)
    ):
        start -= 1
    header = replace(rows[best], cells=names)
    return _Named(header, tuple(rows[:start]), tuple(_filled(sheet, rows[best + 1 :])), score)


def _rows(sheet: Sheet) -> list[Record]:
    """The rows with a text, each as wide as the sheet."""
    by_row: dict[int, dict[int, str]] = {}
    for (row, column), text in sheet.cells.items():
        by_row.setdefault(row, {})[column] = text.strip(BLANKS).replace("\u00a0", " ")
    width = max(column for _, column in sheet.cells)
    kept = [(row, cells) for row, cells in sorted(by_row.items()) if any(cells.values())]
    if width * len(kept) > MOST_CELLS:
        # A lone cell far to the right: the columns that have no name are left away.
        width = max(column for row, cells in kept[:_MOST_ABOVE] for column in cells)
        width = min(width, MOST_CELLS // max(len(kept), 1))
    return [Record(row, [cells.get(column, "") for column in range(1, width + 1)]) for row, cells in kept] or [Record(1, [""])]


def _is_heading(record: Record, wide: Sequence[Area]) -> bool:
    """Whether a row names groups of columns: merged cells, and more than the one of a title."""
    return any(area.top == record.line for area in wide) and sum(1 for text in record.cells if text) > 1


def _joined(sheet: Sheet, rows: Sequence[Record], place: int, wide: Sequence[Area]) -> list[str]:
    """The names of a row, each behind the merged cells that stand above it."""
    record = rows[place]
    names = [[SPACES.sub(" ", text).strip()] if text else [] for text in record.cells]
    for area in sheet.merged:
        # Merged downwards to this row: the name stands at the top.
        if area.top < record.line <= area.bottom and area.left <= len(names) and (text := sheet.cells.get((area.top, area.left))):
            for column in range(area.left, min(area.right, len(names)) + 1):
                names[column - 1] = [SPACES.sub(" ", text).strip()]
    above = place - 1
    line = record.line
    while above >= 0 and rows[above].line == line - 1 and _is_heading(rows[above], wide):
        line = rows[above].line
        for area in wide:
            if area.top == area.bottom == line and (text := sheet.cells.get((line, area.left))):
                for column in range(area.left, min(area.right, len(names)) + 1):
                    if names[column - 1]:
                        names[column - 1].insert(0, SPACES.sub(" ", text).strip())
        for column, text in enumerate(rows[above].cells, 1):
            # The name of a single column stands beside the headings, with nothing below it.
            if text and not names[column - 1] and not any(area.left <= column <= area.right for area in wide if area.top == line):
                names[column - 1].append(SPACES.sub(" ", text).strip())
        above -= 1
    if place and line == record.line and (two := names_of_two_lines(rows[place - 1], record)) is not None:
        return two
    return [" ".join(parts) for parts in names]


def _filled(sheet: Sheet, rows: Sequence[Record]) -> list[Record]:
    """The rows with words and years of cells that are merged downwards in each of their rows; a number counts once."""
    by_line = {record.line: record for record in rows}
    for area in sheet.merged:
        text = sheet.cells.get((area.top, area.left), "").strip()
        is_number = text[:1].isdigit() and not any(letter.isalpha() for letter in text) and not _YEAR.fullmatch(text)
        if area.bottom == area.top or not text or is_number:
            continue
        for line in range(area.top + 1, area.bottom + 1):
            record = by_line.get(line)
            if record is not None and area.left <= len(record.cells) and not record.cells[area.left - 1]:
                record.cells[area.left - 1] = text
    return list(rows)


def unsafe(findings: Findings, file: str, wrong: str) -> None:
    """Record that a workbook is not read because it may do harm."""
    findings.cannot_read(file, wrong, "Open it in the spreadsheet program, and save the table in a new workbook")
