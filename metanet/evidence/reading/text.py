"""The bytes of a CSV file to rows of cells: kind of file, encoding, separator, records and line numbers."""

from __future__ import annotations

import codecs
import csv
import io
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from metanet.base.untrusted import counted
from metanet.evidence.findings import Findings

# A table of studies is tens of kilobytes; a file of this size was given by mistake.
LARGEST_FILE = 50 * 1024 * 1024

_SAVE_AS = "Open it in the spreadsheet program and save it as 'CSV UTF-8 (comma delimited)'"

_OTHER_KINDS: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "is an Excel workbook or another ZIP file, not CSV text"),
    (b"\xd0\xcf\x11\xe0", "is an old Excel workbook (.xls), not CSV text"),
    (b"%PDF", "is a PDF, not a table"),
    (b"\x1f\x8b", "is compressed (gzip), not CSV text"),
    (b"{\\rtf", "is a word processor document (RTF), not a table"),
)
_MARKED: tuple[tuple[bytes, str, str], ...] = (
    # UTF-32 first: its little-endian mark begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8 with a byte order mark"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16 (Excel's 'Unicode text')"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16 (Excel's 'Unicode text')"),
)


def read_bytes(path: Path, file: str, findings: Findings, kind: str = "CSV") -> bytes | None:
    """The content of `path`, or None with the reason in `findings`. Links are followed; pipes are not read."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            findings.cannot_read(file, f"is a folder, not a {kind} file", "Give the file itself, or rename the folder")
            return None
        if not stat.S_ISREG(status.st_mode):
            findings.cannot_read(file, "is not an ordinary file", f"Give a {kind} file")
            return None
        if status.st_size > LARGEST_FILE:
            findings.cannot_read(
                file,
                f"is {status.st_size / 2**20:,.0f} MB; tables of studies up to {LARGEST_FILE // 2**20} MB are read",
                "Check that this is the table that was meant, and split it if it is",
            )
            return None
        return path.read_bytes()
    except FileNotFoundError:
        findings.cannot_read(file, "does not exist", "Check the path, or the link if it is one")
    except OSError as error:
        findings.cannot_read(file, f"cannot be opened ({error.strerror or type(error).__name__})", "Check its access rights")
    return None


def decode(data: bytes, file: str, findings: Findings) -> str | None:
    """The text of `data`, or None with the reason in `findings`; what was repaired on the way is a notice there."""
    if not data.strip(b" \t\r\n\x00\xef\xbb\xbf\xff\xfe"):
        findings.cannot_read(file, "is empty", "Write at least the line with the column names")
        return None
    if (other := _other_kind(data)) is not None:
        findings.cannot_read(file, other, _SAVE_AS)
        return None
    for mark, encoding, name in _MARKED:
        if data.startswith(mark):
            return _marked(data, encoding, name, file, findings)
    if b"\x00" in data:
        line = data[: data.index(b"\x00")].count(b"\n") + 1
        findings.cannot_read(file, "contains zero bytes, so it is not text or is damaged", _SAVE_AS, row=line)
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        return _windows(data, error.start, file, findings)


def _marked(data: bytes, encoding: str, name: str, file: str, findings: Findings) -> str | None:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        findings.cannot_read(file, f"begins as {name} and then breaks off or is damaged", _SAVE_AS, row=line)
        return None
    if "\x00" in text:
        findings.cannot_read(file, "contains zero characters, so it is not text or is damaged", _SAVE_AS)
        return None
    findings.notice(file, f"was read as {name}", "Nothing to do; UTF-8 is what the other tables use")
    return text


def _windows(data: bytes, first: int, file: str, findings: Findings) -> str | None:
    line = data[:first].count(b"\n") + 1
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError as error:
        findings.cannot_read(
            file,
            f"is neither UTF-8 nor Windows-1252 text (byte {data[error.start]:#04x})",
            _SAVE_AS,
            row=data[: error.start].count(b"\n") + 1,
        )
        return None
    shown = text.splitlines()[min(line, len(text.splitlines())) - 1]
    word = next((part for part in shown.replace(";", ",").replace("\t", ",").split(",") if not part.isascii()), "")
    findings.notice(
        file,
        "is not UTF-8 and was read as Windows-1252, as older Excel versions save it",
        "Check that the accents are right, and save it as UTF-8",
        row=line,
        value=word.strip(),
    )
    return text


def _other_kind(data: bytes) -> str | None:
    for magic, words in _OTHER_KINDS:
        if data.startswith(magic):
            return words
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<?xml")):
        return "is a web page or XML, not a table"
    return None


# Invisible spaces that str.strip() does not remove: zero-width space and joiner, a byte order mark inside.
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
        """Whether all cells are empty."""
        return not any(self.cells)


@dataclass
class Sheet:
    """A file as rows of trimmed text, and its separator."""

    file: str
    separator: str
    header: Record
    records: list[Record] = field(default_factory=list)
    complete: bool = True

    def cells(self, width: int, findings: Findings) -> Iterator[tuple[int, list[str]]]:
        """Line and cells of each row, one cell for each of `width` columns; a row with more is a fault."""
        for record in self.records:
            cells = record.cells + [""] * (width - len(record.cells))
            if any(cells[width:]):
                wrong = f"has more cells than the {width} columns"
                findings.cannot_read(self.file, wrong, "Put text with a comma in quotes", row=record.line)
            else:
                yield record.line, cells


def split(text: str, file: str, known: Collection[str], findings: Findings) -> Sheet | None:
    """The rows of `text`, or None with the reason in `findings`.

    A quoted cell may contain line breaks, so a row is numbered by the line on which it begins: that is the line an editor
    shows, and the row a spreadsheet shows as long as no earlier cell contains a line break.
    """
    separator, skip = _separator(text, known)
    if separator != ",":
        findings.notice(
            file,
            f"is separated by {_SEPARATORS[separator]} and was read accordingly",
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
        findings.cannot_read(file, broken.wrong, broken.fix, row=broken.line)
    if not records:
        if complete:
            findings.cannot_read(file, "has no column names", "Write the line with the column names first")
        return None
    if blank_before:
        findings.notice(file, "begins with empty lines, which were left out", "Delete them")
    if trimmed:
        findings.notice(file, f"had surplus or non-breaking spaces in {counted(trimmed, 'row')}, which were removed", "Nothing to do")
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
    def __init__(self, line: int, wrong: str, fix: str) -> None:
        super().__init__(wrong)
        self.line, self.wrong, self.fix = line, wrong, fix


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
                "a quotation mark that opens in this row is not closed, or text follows it; the rest of the file was not read",
                'Close it, and write a quotation mark inside a cell twice ("")',
            ) from None
        yield line, cells
