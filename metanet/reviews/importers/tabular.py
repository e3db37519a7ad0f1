"""Tables of other programs as lines with named columns: where the column names are, repeated names, limits."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from metanet.base.errors import shorten
from metanet.base.untrusted import counted, listing, visible
from metanet.evidence.findings import Findings
from metanet.evidence.reading.cells import LONGEST_CELL
from metanet.evidence.reading.text import BLANKS, Record, decode, split
from metanet.reviews.importers.extracted_counts import MOST_ROWS, SPACES

MOST_COLUMNS = 5_000
MOST_CELLS = 5_000_000
#: Lines at the top among which the column names are looked for.
_MOST_ABOVE = 50
_SEPARATORS = ",;\t"


@dataclass(frozen=True)
class Line:
    """One row: its line in the file, its cells by column name, whether two readers agreed on it, and its place in the source."""

    number: int
    cells: Mapping[str, str]
    agreed: bool = False
    locator: str = ""

    @property
    def place(self) -> str:
        """The row as a message names it: a text file has lines; workbooks and frames have rows."""
        return f"{'row' if 'row ' in self.locator else 'line'} {self.number}"


@dataclass(frozen=True)
class Lines:
    """The named columns of a file and its rows.

    A column whose name another has before it is called after its place: "Title (2)"; `repeated` has the columns of such a name.
    """

    header_line: int | None
    columns: tuple[str, ...]
    rows: tuple[Line, ...]
    separator: str = ","
    repeated: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def read_lines(
    data: bytes,
    file: str,
    known: Collection[str],
    findings: Findings,
    *,
    is_known: Callable[[str], bool] | None = None,
    notes: list[str] | None = None,
    beside: list[str] | None = None,
    row_names: bool = False,
) -> Lines | None:
    """The rows of a CSV, or None with every reason in `findings`.

    The separator is the one that finds most of the `known` columns. With `is_known`, which says whether a name is that of a column,
    lines above the column names are left out, and `notes` says so. `beside` and `row_names` are those of `named_lines`. Bars or
    spaces between the cells are read where every row has the same number of cells.
    """
    text = decode(data, file, findings)
    if text is None:
        return None
    if (wrong := _beyond(text)) is not None:
        findings.cannot_read(file, wrong, "Give the table of the counts alone, or divide it")
        return None
    if is_known is not None:
        text = _with_commas(text)
    if is_known is not None and notes is not None:
        text = _without_title(text, is_known, notes)
    sheet = split(text, file, known, findings)
    if sheet is None or findings.faults:
        return None
    header, records = sheet.header, sheet.records
    if is_known is not None and records and (two := names_of_two_lines(header, records[0])) is not None:
        header, records = Record(records[0].line, two), records[1:]
    return named_lines(header, records, file, findings, separator=sheet.separator, beside=beside, row_names=row_names)


def named_lines(
    header: Record,
    records: Sequence[Record],
    file: str,
    findings: Findings,
    *,
    separator: str = ",",
    locator: str = "",
    beside: list[str] | None = None,
    row_names: bool = False,
) -> Lines | None:
    """The rows below `header`, or None with every reason in `findings`; `locator` is what precedes the number of a row.

    Cells without a column name are a fault. Where the caller leaves out all other columns, they are listed in `beside` instead; not
    the cells that a row of a text file has too many of, because a comma in a name may have moved the numbers; a file of which every
    row is as long as its header has none. With `row_names` a first column without a name that has a text in every row is "study".
    """
    names = [SPACES.sub(" ", name).strip() for name in header.cells]
    even = all(len(record.cells) == len(names) for record in records)
    if row_names and len(names) > 1 and not names[0] and _names_rows([record.cells[:1] for record in records]):
        names[0] = "study" if "study" not in map(str.casefold, names) else "row name"
    while names and not names[-1]:
        names.pop()
    line = header.line or None
    if len(names) > MOST_COLUMNS or len(records) > MOST_ROWS:
        wrong = f"has {len(records):,} rows and {len(names):,} columns; up to {MOST_ROWS:,} and {MOST_COLUMNS:,} are imported"
        findings.cannot_read(file, wrong, "Give the table of the counts alone, or divide it")
        return None
    names, repeated = _numbered(names)
    if not records:
        findings.cannot_read(file, "has column names and no rows", "Give the file with the data")
    rows: list[Line] = []
    aside: list[int] = []
    width = len(names)
    unnamed = {place for place, name in enumerate(names) if not name}
    numbering = {place for place in unnamed if _numbers_rows([record.cells[place : place + 1] for record in records])}
    for record in records:
        cells = record.cells + [""] * (width - len(record.cells))
        if any(cells[width:]) and beside is not None and (locator or even):
            aside.append(record.line)
        elif any(cells[width:]):
            wrong = f"has more cells than the {width} columns"
            # A comma divides no cell of a workbook: what is too much there stands beside the table.
            fix = "Name the columns of these cells, or delete the cells" if locator else "Put text with a comma in quotes"
            findings.cannot_read(file, wrong, fix, row=record.line, value=next(text for text in cells[width:] if text))
            continue
        for place, text in enumerate(cells[:width]):
            if len(text) > LONGEST_CELL:
                findings.cannot_read(
                    file,
                    f"is {len(text):,} characters long, more than a spreadsheet cell can hold",
                    "Shorten it",
                    row=record.line,
                    column=visible(names[place]),
                )
            elif text and place in unnamed - numbering and beside is not None:
                unnamed.remove(place)
                aside.append(record.line)
            elif text and place in unnamed - numbering:
                # Once for each column.
                unnamed.remove(place)
                findings.cannot_read(
                    file, "is in a column without a name", "Name the column, or delete it", row=record.line, value=text
                )
        place_ = f"{locator} {record.line}" if locator else ""
        rows.append(Line(record.line, {name: text for name, text in zip(names, cells, strict=False) if name}, locator=place_))
    if findings.faults:
        return None
    if beside is not None and aside:
        lines = listing(map(str, sorted(set(aside))), 12)
        noun = f"{'row' if locator else 'line'}{'' if len(set(aside)) == 1 else 's'}"
        beside.append(f"cells in columns without a name, first in {noun} {lines}")
    return Lines(line, tuple(name for name in names if name), tuple(rows), separator, repeated)


def names_of_two_lines(upper: Record, lower: Record) -> list[str] | None:
    """The names of columns that stand in two lines, such as Response over n and N; None where they do not.

    Either the upper line has the names of single columns as well, with nothing below them; or the lower line has all names, and the
    groups above tell those apart that occur more than once.
    """
    width = max(len(upper.cells), len(lower.cells))
    tops, names = ([SPACES.sub(" ", cell).strip() for cell in (record.cells + [""] * width)[:width]] for record in (upper, lower))
    if lower.line != upper.line + 1 or sum(map(bool, names)) < 2 or not any(map(bool, tops[1:])) or bool(tops[0]) == bool(names[0]):
        return None
    if any(name and not any(letter.isalpha() or letter in "%#" for letter in name) for name in names):
        return None
    if not any(name and not top for top, name in zip(tops, names, strict=True)):
        return None
    pairs = list(zip(tops, names, strict=True))
    times = Counter(names)
    if not tops[0] and (not any(name and times[name] > 1 for name in names) or any(top and not name for top, name in pairs)):
        return None
    made: list[str] = []
    sure, group = True, ""
    for top, name in pairs:
        group = (top if name else "") or (group if name and not top else "")
        whole = bool(name) and (bool(tops[0]) or times[name] > 1)
        # A heading in the middle of its columns, without merged cells, does not say which are its own.
        sure = sure and (bool(group) or not whole)
        made.append(" ".join(part for part in (group if whole else "", name or top) if part))
    return made if sure else [name or top for top, name in pairs]


def _names_rows(column: Sequence[Sequence[str]]) -> bool:
    """Whether every row has a text with a letter, as R and pandas write the names of rows beside a table."""
    return len(column) > 0 and all(cell and any(letter.isalpha() for letter in cell[0]) for cell in column)


def _numbers_rows(column: Sequence[Sequence[str]]) -> bool:
    """Whether the cells are 1, 2, 3 ... or 0, 1, 2 ..., as R and pandas write beside a table."""
    cells = [cell[0] if cell else "" for cell in column]
    start = 1 if cells[:1] == ["1"] else 0
    return len(cells) > 0 and cells == [str(number) for number in range(start, start + len(cells))]


def _numbered(names: Sequence[str]) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    """Names of columns of which each is another, and those of them that are called the same in the file."""
    times = Counter(name for name in names if name)
    taken = set(names)
    seen: Counter[str] = Counter()
    given: list[str] = []
    repeated: dict[str, list[str]] = {}
    for name in names:
        own = name
        if name and times[name] > 1:
            seen[name] += 1
            number = seen[name]
            while number > 1 and (own == name or own in taken):
                own = f"{name} ({number})"
                number += 1
            taken.add(own)
            repeated.setdefault(name, []).append(own)
        given.append(own)
    return given, {name: tuple(members) for name, members in repeated.items()}


def _with_commas(text: str) -> str:
    """A text whose cells are separated by bars or spaces, as R writes them, with commas; any other text as it is."""
    first = next((line for line in text.split("\n", _MOST_ABOVE)[:_MOST_ABOVE] if line.strip(BLANKS)), "")
    if any(separator in first for separator in _SEPARATORS) or first.lower().startswith("sep="):
        return text
    for separator in ("|", " "):
        if separator in first.strip(BLANKS) and (rows := _cells(text, separator)) is not None:
            out = io.StringIO(newline="")
            csv.writer(out, lineterminator="\n").writerows(rows)
            return out.getvalue()
    return text


def _cells(text: str, separator: str) -> list[list[str]] | None:
    """The cells of each line of a text; None where rows differ in length. R writes one name less than there are columns."""
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True))
    except csv.Error:
        return None
    if separator == "|" and all(not row or (not row[0].strip() and not row[-1].strip()) for row in rows):
        rows = [row[1:-1] for row in rows]
    rows = [[] if all(not cell.strip(BLANKS + "-:") for cell in row) else [cell.strip(BLANKS) for cell in row] for row in rows]
    if separator == " ":
        rows = [row[:-1] if row and not row[-1] else row for row in rows]
    filled = [row for row in rows if row]
    width = len(filled[0]) if filled else 0
    lengths = {len(row) for row in filled[1:]}
    if width < 2 or lengths not in ({width}, {width + 1}):
        return None
    if lengths == {width + 1}:
        filled[0].insert(0, "")
    return rows


def _without_title(text: str, is_known: Callable[[str], bool], notes: list[str]) -> str:
    """The text with the lines above its column names blank, so that the others keep their numbers."""
    lines = text.split("\n", _MOST_ABOVE + 1)[: _MOST_ABOVE + 1]
    if lines[0].lower().startswith("sep=") or any(len(line) > 20 * LONGEST_CELL for line in lines):
        return text
    scores = [max(_score(line, separator, is_known) for separator in _SEPARATORS) for line in lines]
    first = next((place for place, line in enumerate(lines) if line.strip(BLANKS + _SEPARATORS)), 0)
    best = scores.index(max(scores))
    if best and any(_are_two_lines(lines[best - 1], lines[best], separator) for separator in _SEPARATORS):
        best -= 1
        scores[best] = scores[best + 1]
    if best <= first or scores[best] < scores[first] + 2:
        return text
    note_above(lines[first:best], notes)
    return "\n" * best + text.split("\n", best)[best]


def _are_two_lines(upper: str, lower: str, separator: str) -> bool:
    try:
        one, two = (next(csv.reader([line.rstrip("\r")], delimiter=separator), []) for line in (upper, lower))
    except csv.Error:
        return False
    return names_of_two_lines(Record(1, one), Record(2, two)) is not None


def note_above(lines: Sequence[str], notes: list[str]) -> None:
    """Say which lines above the column names were left out."""
    shown = [repr(visible(shorten(words, 60))) for line in lines if (words := line.strip(BLANKS + _SEPARATORS))]
    if shown:
        notes.append(f"{counted(len(shown), 'line')} above the column names left out: {listing(shown, 4)}.")


def _score(line: str, separator: str, is_known: Callable[[str], bool]) -> int:
    try:
        cells = next(csv.reader([line.rstrip("\r")], delimiter=separator), [])
    except csv.Error:
        return 0
    return len({name for cell in cells if (name := SPACES.sub(" ", cell.strip(BLANKS)).strip()) and is_known(name)})


def _beyond(text: str) -> str | None:
    """What exceeds the limits, counted before the file is split into cells."""
    lines = text.count("\n") + text.count("\r")
    if lines > 20 * MOST_ROWS:
        return f"has {lines:,} lines; tables up to {MOST_ROWS:,} rows are imported"
    cells = text.count(",") + text.count(";") + text.count("\t")
    return f"has about {cells:,} cells; up to {MOST_CELLS:,} are imported" if cells > MOST_CELLS else None
