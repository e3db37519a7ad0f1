"""A foreign CSV to rows of text, within limits that keep a hostile file from holding the machine."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from metanet.evidence.cells import LONGEST_CELL
from metanet.evidence.decode import decode
from metanet.evidence.findings import Findings
from metanet.evidence.split import split
from metanet.review.found import MOST_ROWS
from metanet.words import visible

MOST_COLUMNS = 5_000
MOST_CELLS = 5_000_000


@dataclass(frozen=True)
class Line:
    """One row: its line in the file, its cells by the name of their column, and whether two readers agreed on it."""

    number: int
    cells: Mapping[str, str]
    agreed: bool = False


@dataclass(frozen=True)
class Lines:
    """The named columns of a file and its rows."""

    header_line: int
    columns: tuple[str, ...]
    rows: tuple[Line, ...]


def read_lines(data: bytes, file: str, known: Collection[str], findings: Findings) -> Lines | None:
    """The rows of a CSV, or None with every reason in `findings`. `known` are columns by which its separator is told."""
    text = decode(data, file, findings)
    if text is None:
        return None
    if (wrong := _beyond(text)) is not None:
        findings.cannot_read(file, wrong, "Give the table of the counts alone, or divide it")
        return None
    sheet = split(text, file, known, findings)
    if sheet is None or findings.faults:
        return None
    names = list(sheet.header.cells)
    while names and not names[-1]:
        names.pop()
    line = sheet.header.line
    if len(names) > MOST_COLUMNS or len(sheet.records) > MOST_ROWS:
        wrong = f"has {len(sheet.records):,} rows and {len(names):,} columns; up to {MOST_ROWS:,} and {MOST_COLUMNS:,} are imported"
        findings.cannot_read(file, wrong, "Give the table of the counts alone, or divide it")
        return None
    seen: set[str] = set()
    for name in names:
        if name and name in seen:
            findings.cannot_read(file, "stands twice among the column names", "Rename one", row=line, value=name)
        seen.add(name)
    if not sheet.records:
        findings.cannot_read(file, "holds column names and no rows", "Give the file with the data")
    rows = []
    for record in sheet.records:
        cells = record.cells + [""] * (len(names) - len(record.cells))
        if any(cells[len(names) :]):
            findings.cannot_read(
                file,
                f"has more cells than the {len(names)} columns",
                "Put text with a comma in quotes",
                row=record.line,
            )
            continue
        for name, text_ in zip(names, cells, strict=False):
            if len(text_) > LONGEST_CELL:
                findings.cannot_read(
                    file,
                    f"is {len(text_):,} characters long, more than a spreadsheet cell holds",
                    "Shorten it",
                    row=record.line,
                    column=visible(name),
                )
            elif text_ and not name:
                findings.cannot_read(
                    file, "stands in a column without a name", "Name the column", row=record.line, value=text_
                )
        rows.append(Line(record.line, {name: text_ for name, text_ in zip(names, cells, strict=False) if name}))
    return None if findings.faults else Lines(line, tuple(name for name in names if name), tuple(rows))


def _beyond(text: str) -> str | None:
    """What is too much of the file, told before it is taken apart."""
    lines = text.count("\n") + text.count("\r")
    if lines > 20 * MOST_ROWS:
        return f"has {lines:,} lines; tables up to {MOST_ROWS:,} rows are imported"
    cells = text.count(",") + text.count(";") + text.count("\t")
    return f"has about {cells:,} cells; up to {MOST_CELLS:,} are imported" if cells > MOST_CELLS else None
