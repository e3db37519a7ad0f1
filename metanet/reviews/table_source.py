"""The lines of one table, from a file or a frame."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from metanet.base.errors import ArgumentError, DataError, Problem, as_given
from metanet.base.untrusted import counted, listing, visible
from metanet.evidence.findings import data_error, in_order
from metanet.evidence.reading.text import read_bytes
from metanet.evidence.sources import is_frame
from metanet.reviews.importers.data_frames import texts_of
from metanet.reviews.importers.extracted_counts import SPACES, Found, Renames, Request
from metanet.reviews.importers.kinds import kind_of
from metanet.reviews.importers.registry import importers
from metanet.reviews.importers.tabular import Line, Lines
from metanet.reviews.table_contract import plain_contract

#: Arguments of an import as its messages write them, and what `read` has in their place.
_COLUMN_WORDS = re.compile(r"columns=\[(['\"])(?P<column>.*?)=(?P<field>\w*)\1\]")
_OTHER_WORDS = re.compile(r"(?:,? or )?(?:rename it|renames? (?:it )?)?\s*(?:with )?(?:renames|values|outcomes)=\[(['\"]).*?\1\]")


#: Rows that have one fault in a report of their own each.
_MOST_ALIKE = 3


@dataclass(frozen=True)
class Table:
    """The lines of a table, what it is called, what was noted on the way, and titles that a frame gives its columns."""

    lines: Lines
    name: str
    path: Path
    found: Found
    titles: Mapping[str, str] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)


def plain_names(given: Any) -> Any:
    """The names of columns of an argument as the table has them: with one space for a line break or several spaces."""
    if isinstance(given, str):
        return SPACES.sub(" ", given).strip()
    if isinstance(given, Mapping):
        return {label: plain_names(column) for label, column in given.items()}
    return [plain_names(column) for column in given] if isinstance(given, (list, tuple)) else given


def read_source(
    source: object, events: object, total: object, study: str | None, by: str | None, sheet: str | None, skip: bool
) -> Table:
    """The lines of a file or a frame.

    Raises
    ------
    ArgumentError
        A source that is no table.
    DataError
        A file that cannot be read, with every reason.
    """
    if isinstance(source, Mapping):
        import pandas as pd

        try:
            source = pd.DataFrame(dict(source))
        except ValueError as error:
            raise ArgumentError(f"source is a mapping that makes no table ({error}). Fix: give columns of equal length.") from None
    if is_frame(source):
        if sheet is not None:
            raise ArgumentError(f"sheet={as_given(sheet)} is given, and a frame has no sheets. Fix: leave it out.")
        return _of_frame(source)
    if not isinstance(source, (str, os.PathLike)) or not str(source).strip():
        raise ArgumentError(f"source={as_given(source)} must be the path of a file, or a pandas DataFrame.")
    place = Path(source).expanduser()
    name = visible(place.name) or "file"
    found = Found(name, name)
    data = read_bytes(place, name, found.findings) if "\x00" not in str(place) else None
    if data is None:
        raise data_error(visible(str(source)), found.findings.faults)
    kind = kind_of(data)
    known = importers()
    chosen = known["csv" if kind is None or kind.format is None else kind.format]
    if chosen.lines is None:
        what = "a list of references, not a table of counts" if chosen.describes else f"{chosen.title}, which has several tables"
        raise ArgumentError(
            f"source={as_given(str(source))} is a file of {what}. Fix: make a review with `metanet new`, and import the file "
            f"into it with `metanet import {chosen.name}`."
        )
    if sheet is not None and not chosen.has_sheets:
        raise ArgumentError(f"sheet={as_given(sheet)} is given, and {chosen.title} has no sheets. Fix: leave it out.")
    named = {plain_names(column): "" for column in (*named_in(events), *named_in(total), study, by) if column is not None}
    request = Request(plain_contract(), Renames({}), {**named, "*": ""}, skip_missing=skip, sheet=sheet, whole=True)
    lines = chosen.lines(data, name, request, found)
    if lines is None or found.findings.faults:
        raise table_error(visible(str(source)), found.findings.faults)
    return Table(_without_blanks(lines), name, place, found)


#: Characters of no width that come along from web pages and Word: two equal names would differ.
_NO_WIDTH = str.maketrans("", "", "\u200b\u2060\ufeff\u00ad")


def _without_blanks(lines: Lines) -> Lines:
    """The lines without characters of no width in their cells."""
    return replace(
        lines,
        rows=tuple(
            line
            if all(map(str.isascii, line.cells.values()))
            else replace(line, cells={name: text.translate(_NO_WIDTH) for name, text in line.cells.items()})
            for line in lines.rows
        ),
    )


def named_in(given: object) -> list[str]:
    """The columns that an argument names."""
    if given is None or isinstance(given, str):
        return [] if given is None else [given]
    values = list(given.values()) if isinstance(given, Mapping) else list(given) if isinstance(given, Sequence) else [given]
    return [value for value in values if isinstance(value, str)]


def _of_frame(frame: Any) -> Table:
    """A frame as lines; an index with a name, or of texts, is a column, and one of numbers the numbers of the rows."""
    numbers: Sequence[int] = range(len(frame))
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    elif frame.index.nlevels == 1 and frame.index.map(lambda label: isinstance(label, str)).all() and len(frame):
        named = "study" if "study" not in {str(column).strip().casefold() for column in frame.columns} else "row name"
        frame = frame.reset_index(names=named)
    elif frame.index.is_unique and frame.index.dtype.kind in "iu":
        numbers = [int(label) for label in frame.index]
    names = [SPACES.sub(" ", str(column)).strip() for column in frame.columns]
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise ArgumentError(f"source has two columns called {as_given(twice[0])}. Fix: rename one.")
    if not len(frame):
        raise ArgumentError("source has no rows. Fix: give at least one.")
    texts = [texts_of(frame.iloc[:, place]) for place in range(len(names))]
    rows = tuple(
        Line(number, {name: column[place] for name, column in zip(names, texts, strict=True) if name}, locator=f"row {number}")
        for place, number in enumerate(numbers)
    )
    about = {key: value for key, value in frame.attrs.items() if key in ("label", "direction")}
    lines = Lines(None, tuple(name for name in names if name), rows)
    return Table(_without_blanks(lines), "data", Path("data"), Found("data", "data"), dict(frame.attrs.get("titles", {})), about)


def table_error(source: str, faults: Collection[Problem]) -> DataError:
    """The faults of a table, in the words of `read` where they name arguments of an import; one that many rows have is one fault."""
    faults = _together(faults)
    return data_error(source, in_order([replace(fault, wrong=_worded(fault.wrong), fix=_worded(fault.fix)) for fault in faults]))


def _together(faults: Collection[Problem]) -> list[Problem]:
    """Faults with those that differ only in their row as one, which names the rows."""
    by: dict[tuple[object, ...], list[Problem]] = {}
    for fault in faults:
        by.setdefault((fault.file, fault.column, fault.value, fault.wrong, fault.fix), []).append(fault)
    made = []
    for same in by.values():
        rows = sorted({fault.row for fault in same if fault.row is not None})
        if len(rows) > _MOST_ALIKE:
            made.append(replace(same[0], row=None, wrong=f"{same[0].wrong} (rows {listing(map(str, rows), 40)})"))
        else:
            made += same
    return made


def _worded(text: str) -> str:
    def named(match: re.Match[str]) -> str:
        word = "by" if match["field"] in ("modality", "modality_class") else match["field"]
        return f"{word}={match['column']!r}" if word else f"another column than {match['column']!r}"

    return _OTHER_WORDS.sub("", _COLUMN_WORDS.sub(named, text))


#: Thousands: 1,204 and 1 204; 1.204 where no number of the file has a decimal point.
_GROUPED = re.compile(r"[1-9]\d{0,2}(?:([,.' \u2019\u202f\u00a0])\d{3})(?:\1\d{3})*", re.ASCII)
_POINT, _COMMA = re.compile(r"\d+\.\d+", re.ASCII), re.compile(r"\d+,\d+", re.ASCII)


def thousands(table: Table, columns: Collection[str], notes: list[str]) -> dict[str, str]:
    """Counts with separators between their thousands -> the count, with a note; none where one may be a decimal."""
    texts = {text for line in table.lines.rows for name in columns if (text := line.cells.get(name, "").strip())}
    grouped = {text: match[1] for text in texts if (match := _GROUPED.fullmatch(text))}
    if not grouped:
        return {}
    others = texts - grouped.keys()
    points = any(_POINT.fullmatch(text) for text in others) or any(
        _POINT.fullmatch(text) for line in table.lines.rows for name, text in line.cells.items() if name not in columns
    )
    # Between commas a decimal has a point; between semicolons it has a comma, unless the file shows otherwise.
    decimal = {".": points or table.lines.separator != ";", ",": any(_COMMA.fullmatch(text) for text in others)}
    if any(decimal.get(mark, False) for mark in grouped.values()):
        return {}
    made = {text: "".join(letter for letter in text if letter.isdigit()) for text in grouped}
    first = min(made)
    many = counted(len(made), "count")
    notes.append(f"{many} of {table.name} with a separator of thousands read as a whole number: {first!r} as {made[first]}.")
    return made
