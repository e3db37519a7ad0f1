"""Text to rows of cells: the separator, the records and the line on which each begins."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from metanet.evidence.findings import Findings
from metanet.words import counted

# Blanks that people cannot see, besides what str.strip() knows: zero-width space and joiner, a byte order mark inside.
BLANKS = " \t\r\n\f\v\u00a0\u2007\u202f\u2009\u200a\u3000\u200b\u2060\ufeff"
#: More rows than any review has; more lines than the sheet of a spreadsheet, which may be full of empty ones.
MOST_ROWS, MOST_LINES = 100_000, 1_100_000
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}


@dataclass
class Record:
    """The cells of one row and the line of the file on which it begins."""

    line: int
    cells: list[str]

    @property
    def blank(self) -> bool:
        """Whether no cell holds anything."""
        return not any(self.cells)


@dataclass
class Sheet:
    """A file as rows of trimmed text; `separator` is what stood between the cells."""

    file: str
    separator: str
    header: Record
    records: list[Record] = field(default_factory=list)
    complete: bool = True


def split(text: str, file: str, known: Collection[str], findings: Findings) -> Sheet | None:
    """The rows of `text`, or None with the reason in `findings`.

    A quoted cell may hold line breaks, so a row is numbered by the line on which it begins: that is the line an editor
    shows, and the row a spreadsheet shows as long as no earlier cell holds a line break.
    """
    separator, skip = _separator(text, known)
    if separator != ",":
        findings.notice(
            file,
            f"is separated by {_SEPARATORS[separator]} and was read so",
            "Nothing to do; commas are what the other tables use",
        )
    records: list[Record] = []
    complete = True
    trimmed = blank_before = 0
    blank: list[int] = []
    try:
        for line, cells in _records(text, separator):
            if line <= skip:
                continue
            clean = [_trim(cell) for cell in cells]
            trimmed += clean != cells
            if any(clean):
                records.append(Record(line, clean))
            elif records:
                blank.append(line)
            else:
                blank_before += 1
            if len(records) > MOST_ROWS + 1 or line > MOST_LINES:
                findings.cannot_read(
                    file,
                    f"has more than {MOST_ROWS:,} rows, or lines without end, and was not read",
                    "Check that this is the table that was meant, and split it if it is",
                )
                return None
    except _BrokenRowError as broken:
        complete = False
        findings.cannot_read(file, broken.wrong, broken.mend, row=broken.line)
    if not records:
        if complete:
            findings.cannot_read(file, "holds no column names", "Write the line with the column names first")
        return None
    if blank_before:
        findings.notice(file, "begins with empty lines, which were left out", "Delete them")
    if trimmed:
        findings.notice(
            file,
            f"had surplus or non-breaking spaces in {counted(trimmed, 'row')}, which were put right",
            "Nothing to do",
        )
    if blank:
        findings.notice(
            file,
            f"has {counted(len(blank), 'empty row')} (the first on line {blank[0]}), left out",
            "Delete them if they are not meant",
        )
    return Sheet(file, separator, records[0], records[1:], complete)


def _trim(cell: str) -> str:
    # Line ends inside a quoted cell are the spreadsheet's own; one kind of them is enough. A non-breaking space inside
    # a name comes from copying out of a web page, and would make two equal names differ.
    return cell.strip(BLANKS).replace("\r\n", "\n").replace("\r", "\n").replace("\u00a0", " ")


def _separator(text: str, known: Collection[str]) -> tuple[str, int]:
    """The separator, and how many lines at the top belong to Excel's own `sep=;` line."""
    lines = io.StringIO(text, newline="")
    first = lines.readline()
    if first.strip().lower().startswith("sep=") and len(first.strip()) == 5 and first.strip()[4] in _SEPARATORS:
        return first.strip()[4], 1
    line = first
    while line and not line.strip(BLANKS + ",;"):
        line = lines.readline()
    best, best_score = ",", (0, 1)
    for separator in _SEPARATORS:
        cells = next(csv.reader([line.rstrip("\r\n")], delimiter=separator), [])
        score = (sum(cell.strip(BLANKS) in known for cell in cells), len(cells))
        if score > best_score:
            best, best_score = separator, score
    return best, 0


class _BrokenRowError(Exception):
    def __init__(self, line: int, wrong: str, mend: str) -> None:
        super().__init__(wrong)
        self.line, self.wrong, self.mend = line, wrong, mend


def _records(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "field limit" in str(error):
                raise _BrokenRowError(
                    line,
                    f"a cell is longer than {csv.field_size_limit():,} characters; the rest of the file was not read",
                    "Look for a quotation mark that opens and never closes, or shorten the cell",
                ) from None
            raise _BrokenRowError(
                line,
                "a quotation mark that opens in this row is not closed, or text follows it; the rest of the file was "
                "not read",
                'Close it, and write a quotation mark inside a cell twice ("")',
            ) from None
        yield line, cells
