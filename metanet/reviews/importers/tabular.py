"""Tables with a row for each arm or study to counts of study arms, for every importer whose columns the caller names."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from metanet.base.groups import natural
from metanet.base.untrusted import counted, listing, visible
from metanet.evidence.findings import Findings
from metanet.evidence.reading.cells import LONGEST_CELL
from metanet.evidence.reading.text import decode, split
from metanet.reviews.importers.columns import OWN, PERCENT, Columns, fields_of, find_columns
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
from metanet.reviews.importers.printed_figures import Figures, has_comma, is_fraction, may_be_proportions, read_figures
from metanet.reviews.names import author_and_year

#: The arms of a row, by whether it has two groups.
_SUFFIXES = {False: ("",), True: ("", "_control")}
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
    separator: str = ","


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
    return None if findings.faults else Lines(line, tuple(name for name in names if name), tuple(rows), sheet.separator)


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
    strict = known is None
    columns = find_columns(
        lines.columns,
        request.columns,
        # Programs with columns of their own are read as they count; percentages are read where the caller names every column.
        [name for name in fields_of(request.contract) if strict or name not in PERCENT],
        known or {},
        strict=strict,
        file=found.file,
        line=lines.header_line,
        findings=found.findings,
    )
    has = {*columns.fields, *request.constants}
    if "study_id" not in has and "study" not in has and not {"first_author", "year"} <= has:
        _missing("study", "which study a row belongs to", lines, found)
    wide = _is_wide(has)
    for suffix, need in (("", True), ("_control", wide or "total_control" in has)):
        if need:
            _counted(suffix, has, columns, lines, strict, found)
    if wide and "n" in columns.fields:
        found.refuse(
            "is one size for two arms",
            f"Leave it out with {spelled('columns', visible(columns.fields['n']) + '=')}; the totals of each arm give its size",
            row=lines.header_line,
            value=columns.fields["n"],
        )
    if "modality" not in has and not wide:
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


def _is_wide(has: Collection[str]) -> bool:
    """Whether a row has two groups."""
    return "events_control" in has or "percent_control" in has


def _counted(suffix: str, has: Collection[str], columns: Columns, lines: Lines, strict: bool, found: Found) -> None:
    """Refuse a table that lacks the events or the total of a group."""
    events, total, percent = f"events{suffix}", f"total{suffix}", f"percent{suffix}"
    if events not in has and percent not in has:
        words = "the other number of the control group" if suffix else "the events"
        _missing(events, words, lines, found, percent=percent if strict else "")
    column = columns.fields.get(events, "")
    if total not in has and not (strict and any(is_fraction(line.cells.get(column, "")) for line in lines.rows)):
        _missing(total, "the other number of the control group" if suffix else "the patients that were assessed", lines, found)


def _missing(name: str, words: str, lines: Lines, found: Found, *, constant: bool = False, percent: str = "") -> None:
    value = f", or percentages of the total with {spelled('columns', f'COLUMN={percent}')}" if percent else ""
    value += f", or give one value for all rows with {spelled('values', f'{name}=VALUE')}" if constant else ""
    found.refuse(
        f"has no column for {name!r}: {words}",
        f"Name it with {spelled('columns', f'COLUMN={name}')}{value}. The columns are {listing(lines.columns, 12)}",
        row=lines.header_line,
    )


@dataclass(frozen=True)
class Reading:
    """How the numbers of a table are read: whether percentages become counts, and whether decimals have a comma."""

    figures: bool = False
    comma: bool = False


def figures_of(lines: Lines, columns: Columns, found: Found) -> Reading:
    """The reading of a table whose percentages become counts; a column that may have proportions is refused."""

    def cells(*names: str) -> list[str]:
        return [text for name in names if name in columns.fields for line in lines.rows if (text := line.cells[columns.fields[name]])]

    for name in PERCENT:
        if may_be_proportions(cells(name)):
            found.refuse(
                "is a column of percentages without a number above 1, so that 0.2 may be 20 % or 0.2 %",
                "Write every cell with its per cent sign",
                row=lines.header_line,
                value=columns.fields[name],
            )
    # Between commas a decimal comma is a fault: whoever quotes 1,234 may mean thousands.
    comma = lines.separator != "," and has_comma(cells(*PERCENT), cells("events", "events_control"))
    return Reading(True, comma)


def counts_of(rows: Sequence[Line], columns: Columns, request: Request, found: Found, reading: Reading = Reading()) -> None:
    """Put the counts of the rows into `found`, with the faults and with what is left out."""
    renames = request.renames
    wide = _is_wide(columns.fields)
    empty = 0
    unasked: set[str] = set()
    for line in rows:
        written = {name: line.cells.get(column, "") for name, column in columns.fields.items()}
        cells = {**request.constants, **{name: text for name, text in written.items() if text}}
        outcome = cells.get("outcome") or (request.outcomes[0] if request.outcomes else "")
        if "outcome" in columns.fields and request.outcomes and outcome not in request.outcomes:
            unasked.add(outcome)
            continue
        if not any(cells.get(f"{name}{suffix}") for name in ("events", "total", "percent") for suffix in _SUFFIXES[wide]):
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
            for suffix in _SUFFIXES[wide]:
                if (figures := _figures(cells, suffix, place, reading, found)) is not None:
                    found.counts.append(_arm(cells, suffix, about, place, study, outcome, renames, wide, figures))
    if empty:
        found.left_out.append(f"{counted(empty, 'row')} without events and total")
    if unasked:
        found.left_out.append(f"{counted(len(unasked), 'outcome')} not chosen: {listing(sorted(unasked, key=natural), 8)}")
    if not found.counts and not found.findings.faults:
        others = f" of {listing(request.outcomes, 4)}; it has {listing(sorted(unasked, key=natural), 8)}" if unasked else ""
        found.refuse(f"has no row with events and total{others}", "Check which columns contain them")


def _figures(cells: Mapping[str, str], suffix: str, place: Place, reading: Reading, found: Found) -> Figures | None:
    """Events and total of one arm; None where they do not follow, with the reason in the findings."""
    events, total, percent = (cells.get(f"{name}{suffix}", "") for name in ("events", "total", "percent"))
    if not reading.figures:
        return Figures({"events": count_cell(events), "total": count_cell(total)})
    figures = read_figures(events, total, percent, comma=reading.comma)
    if (fault := figures.fault) is None:
        return figures
    column = visible(place.columns.get(f"{fault.field}{suffix}", fault.field))
    found.refuse(fault.wrong, fault.fix, row=place.row, column=column, value=fault.value)
    return None


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
    figures: Figures,
) -> Count:
    default = ("Control" if suffix else "Experimental") if wide else ""
    modality = cell(renames(cells.get(f"modality{suffix}") or default))
    own = {"arm": cell(cells.get(f"arm{suffix}", "")) or modality, "modality": modality, **figures.cells}
    # What the file says itself is kept.
    if about.get("printed"):
        own.pop("printed", None)
    if about.get("derivation") and "derivation" in own:
        own["derivation"] = f"{about['derivation']}; {own['derivation']}"
    if given := cell(cells.get(f"modality_class{suffix}", "")):
        own["modality_class"] = given
    where = {name: place.columns[f"{name}{suffix}"] for name in _CONTROL if f"{name}{suffix}" in place.columns}
    shared = {name: column for name, column in place.columns.items() if name not in _CONTROL}
    if "printed" in own and (source := place.columns.get(f"{figures.printed_in}{suffix}")) is not None:
        where["printed"] = source
    spare = frozenset({"printed"} if "printed" in own else ())
    return Count(Place(place.row, {**shared, **where}), study, outcome, {**about, **own}, spare)
