"""Tables with a row for each arm or study to counts of study arms, for every importer whose columns the caller names."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from metanet.base.groups import natural
from metanet.base.untrusted import counted, listing, visible
from metanet.evidence.findings import Findings
from metanet.evidence.reading.cells import LONGEST_CELL
from metanet.evidence.reading.text import decode, split
from metanet.reviews.importers.columns import OWN, Columns, fields_of, find_columns
from metanet.reviews.importers.extracted_counts import (
    MOST_ROWS,
    Count,
    Found,
    Place,
    Renames,
    Request,
    cell,
    count_cell,
    name_fault,
    spelled,
)
from metanet.reviews.names import author_and_year

MOST_COLUMNS = 5_000
MOST_CELLS = 5_000_000


@dataclass(frozen=True)
class Line:
    """One row: its line in the file, its cells by column name, whether two readers agreed on it, and its place in the source."""

    number: int
    cells: Mapping[str, str]
    agreed: bool = False
    locator: str = ""


@dataclass(frozen=True)
class Lines:
    """The named columns of a file and its rows."""

    header_line: int
    columns: tuple[str, ...]
    rows: tuple[Line, ...]


def read_lines(data: bytes, file: str, known: Collection[str], findings: Findings) -> Lines | None:
    """The rows of a CSV, or None with every reason in `findings`. The separator is the one that finds most of the `known` columns."""
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
            findings.cannot_read(file, "is the name of two columns", "Rename one of them", row=line, value=name)
        seen.add(name)
    if not sheet.records:
        findings.cannot_read(file, "has column names and no rows", "Give the file with the data")
    rows = []
    for number, cells in sheet.cells(len(names), findings):
        for name, text_ in zip(names, cells, strict=False):
            if len(text_) > LONGEST_CELL:
                findings.cannot_read(
                    file,
                    f"is {len(text_):,} characters long, more than a spreadsheet cell can hold",
                    "Shorten it",
                    row=number,
                    column=visible(name),
                )
            elif text_ and not name:
                findings.cannot_read(file, "is in a column without a name", "Name the column", row=number, value=text_)
        rows.append(Line(number, {name: text_ for name, text_ in zip(names, cells, strict=False) if name}))
    return None if findings.faults else Lines(line, tuple(name for name in names if name), tuple(rows))


def _beyond(text: str) -> str | None:
    """What exceeds the limits, counted before the file is split into cells."""
    lines = text.count("\n") + text.count("\r")
    if lines > 20 * MOST_ROWS:
        return f"has {lines:,} lines; tables up to {MOST_ROWS:,} rows are imported"
    cells = text.count(",") + text.count(";") + text.count("\t")
    return f"has about {cells:,} cells; up to {MOST_CELLS:,} are imported" if cells > MOST_CELLS else None


#: Fields that name a group.
_GROUPS = ("arm", "modality", "modality_class", "arm_control", "modality_control", "modality_class_control")
_CONTROL = ("arm", "modality", "modality_class", "events", "total")


def columns_of(
    lines: Lines, request: Request, found: Found, known: Mapping[str, str] | None = None, hidden: Collection[str] = ()
) -> Columns | None:
    """The columns of a table as fields, or None with every reason in the findings.

    `known` are the columns that a program always writes; without them every column must be a field or be left out by the caller.
    `hidden` columns are not listed among those that were left out.
    """
    columns = find_columns(
        lines.columns,
        request.columns,
        fields_of(request.contract),
        known or {},
        strict=known is None,
        file=found.file,
        line=lines.header_line,
        findings=found.findings,
    )
    has = {*columns.fields, *request.constants}
    if "study_id" not in has and "study" not in has and not {"first_author", "year"} <= has:
        _missing("study", "which study a row belongs to", lines, found)
    for name, words in (("events", "the events"), ("total", "the patients that were assessed")):
        if name not in has:
            _missing(name, words, lines, found)
    if ("events_control" in has) != ("total_control" in has):
        lacking = "total_control" if "events_control" in has else "events_control"
        _missing(lacking, "the other number of the control group", lines, found)
    if {"n", "events_control"} <= set(columns.fields):
        found.refuse(
            "is one size for two arms",
            f"Leave it out with {spelled('columns', visible(columns.fields['n']) + '=')}; the totals of each arm give its size",
            row=lines.header_line,
            value=columns.fields["n"],
        )
    if "modality" not in has and "events_control" not in has:
        _missing("modality", "the treatment", lines, found, constant=True)
    if "outcome" not in has and len(request.outcomes) != 1:
        wrong = "does not say which outcome it counts" if not request.outcomes else "counts one outcome, and several were named"
        found.refuse(
            wrong, f"Name the outcome with {spelled('outcomes', 'NAME')} or its column with {spelled('columns', 'COLUMN=outcome')}"
        )
    shown = [name for name in columns.left_out if name not in hidden]
    if shown:
        found.left_out.append(f"{counted(len(shown), 'column')}: {listing(shown, 8)}")
    return None if found.findings.faults else columns


def _missing(name: str, words: str, lines: Lines, found: Found, *, constant: bool = False) -> None:
    value = f", or give one value for all rows with {spelled('values', f'{name}=VALUE')}" if constant else ""
    found.refuse(
        f"has no column for {name!r}: {words}",
        f"Name it with {spelled('columns', f'COLUMN={name}')}{value}. The columns are {listing(lines.columns, 12)}",
        row=lines.header_line,
    )


def counts_of(rows: Sequence[Line], columns: Columns, request: Request, found: Found) -> None:
    """Put the counts of the rows into `found`, with the faults and with what is left out."""
    renames = request.renames
    wide = "events_control" in columns.fields
    empty = 0
    unasked: set[str] = set()
    for line in rows:
        written = {name: line.cells.get(column, "") for name, column in columns.fields.items()}
        cells = {**request.constants, **{name: text for name, text in written.items() if text}}
        outcome = cells.get("outcome") or (request.outcomes[0] if request.outcomes else "")
        if "outcome" in columns.fields and request.outcomes and outcome not in request.outcomes:
            unasked.add(outcome)
            continue
        numbers = ("events", "total", "events_control", "total_control") if wide else ("events", "total")
        if not any(cells.get(name) for name in numbers):
            empty += 1
            continue
        study = (
            cells.get("study")
            or cells.get("study_id")
            or " ".join(part for part in (cells.get("first_author"), cells.get("year")) if part)
        )
        outcome = renames(outcome)
        named = columns.fields.get("study") or columns.fields.get("study_id", "study")
        place = Place(line.number, {**columns.fields, "study": named})
        names = {"study": study, "outcome": outcome}
        names |= {name: cells[name] for name in _GROUPS if cells.get(name)}
        for name, text in names.items():
            if (fault := name_fault(text)) is not None:
                column = visible(place.columns.get(name, name))
                found.refuse(*fault, row=line.number, column=column, value=text)
                break
        else:
            about = _about(cells, study, line)
            found.counts.append(_arm(cells, "", about, place, study, outcome, renames, wide))
            if wide:
                found.counts.append(_arm(cells, "_control", about, place, study, outcome, renames, wide))
    if empty:
        found.left_out.append(f"{counted(empty, 'row')} without events and total")
    if unasked:
        found.left_out.append(f"{counted(len(unasked), 'outcome')} not chosen: {listing(sorted(unasked, key=natural), 8)}")
    if not found.counts and not found.findings.faults:
        others = f" of {listing(request.outcomes, 4)}; it has {listing(sorted(unasked, key=natural), 8)}" if unasked else ""
        found.refuse(f"has no row with events and total{others}", "Check which columns contain them")


def _about(cells: Mapping[str, str], study: str, line: Line) -> dict[str, str]:
    """The cells of a row that describe the study, both arms and the count."""
    about = {name: cell(text) for name, text in cells.items() if name not in OWN and name not in _CONTROL}
    if not about.get("year"):
        about["year"] = author_and_year(study)[1]
    if line.agreed:
        about.setdefault("double_extracted", "true")
    about.setdefault("source_locator", cell(line.locator or f"line {line.number}"))
    return about


def _arm(
    cells: Mapping[str, str],
    suffix: str,
    about: Mapping[str, str],
    place: Place,
    study: str,
    outcome: str,
    renames: Renames,
    wide: bool,
) -> Count:
    default = ("Control" if suffix else "Experimental") if wide else ""
    modality = cell(renames(cells.get(f"modality{suffix}") or default))
    own = {
        "arm": cell(cells.get(f"arm{suffix}", "")) or modality,
        "modality": modality,
        "events": count_cell(cells.get(f"events{suffix}", "")),
        "total": count_cell(cells.get(f"total{suffix}", "")),
    }
    if given := cell(cells.get(f"modality_class{suffix}", "")):
        own["modality_class"] = given
    where = {name: place.columns[f"{name}{suffix}"] for name in _CONTROL if f"{name}{suffix}" in place.columns}
    shared = {name: column for name, column in place.columns.items() if name not in _CONTROL}
    return Count(Place(place.row, {**shared, **where}), study, outcome, {**about, **own})
