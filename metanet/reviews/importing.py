"""`import_review`: a file of another program into the tables of a review; if any of it fails, nothing is written."""

from __future__ import annotations

import csv
import io
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from metanet.base.errors import ArgumentError, DataError, Problem, check_choice, shorten
from metanet.base.transaction import change, writing
from metanet.base.untrusted import counted, listing, visible
from metanet.evidence.checks.check import Reading, read_folder
from metanet.evidence.contract import Contract
from metanet.evidence.findings import Findings, data_error, in_order
from metanet.evidence.folders import DESCRIPTOR, curated_folder
from metanet.evidence.reading.text import read_bytes
from metanet.evidence.search.tables import UNFILLED
from metanet.reviews.describing import describe
from metanet.reviews.excluded import take_excluded
from metanet.reviews.importers.columns import OWN, PERCENT, check_fields, fields_of, is_numbered
from metanet.reviews.importers.extracted_counts import Found, Renames, Request, cell, name_fault, pairs, spelled
from metanet.reviews.importers.registry import Importer, importers
from metanet.reviews.merge import Merged, Merger, new_draft
from metanet.reviews.names import is_reserved, study_id, text_fault
from metanet.reviews.verify import Agreement, agreement_page, verify

#: Columns that the import fills itself.
_KEYS = ("study_id", "arm", "events", "total")
#: Endings of fields that have a value of their own in each row.
_COUNTED = ("nonevents", "events_control", "total_control", *PERCENT)
#: Columns that name a group.
_NAMES = ("arm", "modality", "modality_class")


@dataclass(frozen=True)
class Imported:
    """What an import wrote and what it left out."""

    file: str
    into: str
    added: tuple[tuple[str, int], ...]
    new_outcomes: tuple[str, ...]
    examples: tuple[str, ...]
    there: int
    twice: int
    kept: int
    left_out: tuple[str, ...]
    notes: tuple[str, ...]
    beside: tuple[tuple[str, int], ...] = ()
    agreement: Agreement | None = None
    #: Columns that the arms got.
    new_columns: tuple[str, ...] = ()
    #: Cells of studies that a list of references filled, and the studies; None for counts.
    filled: tuple[int, int] | None = None

    def summary(self) -> str:
        """The import as text: rows by table, then what was left out and the notes."""
        rows = sum(number for _, number in self.added)
        done = f"{counted(rows, 'row')} added"
        if self.filled is not None:
            done = f"{counted(self.filled[0], 'cell')} of {counted(self.filled[1], 'study', 'studies')} filled"
        lines = [f"{visible(self.file)} into {visible(self.into)}: {done}"]
        lines += [f"  {file}: {number:,}" for file, number in self.added]
        if self.beside:
            lines += ["", "Written beside the tables:"]
            lines += [f"  {file}: {counted(number, 'row')}" for file, number in self.beside]
        if self.agreement is not None:
            lines += ["", *self.agreement.summary().splitlines()]
        notes = list(self.notes)
        if self.new_outcomes:
            new = listing(self.new_outcomes, 12)
            notes.insert(0, f"New in {DESCRIPTOR}: {new}. State there in `direction` whether higher or lower is better.")
        if self.new_columns:
            notes.insert(0, f"New columns of the arms, with their titles in {DESCRIPTOR}: {listing(self.new_columns, 20)}.")
        if self.examples:
            notes.insert(0, f"The invented studies were removed: {listing(self.examples)}.")
        for number, noun, words in (
            (self.there, "count", "Already in the tables with the same numbers"),
            (self.twice, "count", "Repeated in the file with the same numbers and imported once"),
            (self.kept, "cell", "Described differently in the tables, which are not changed"),
        ):
            if number:
                notes.append(f"{words}: {counted(number, noun)}.")
        for title, found in (("Left out", self.left_out), ("Notes", notes)):
            if found:
                lines += ["", f"{title}:", *(f"  {visible(each)}" for each in found)]
        return "\n".join(lines)


def import_review(
    format: str,
    file: str | Path,
    into: str | Path,
    *,
    columns: Sequence[str] = (),
    values: Sequence[str] = (),
    renames: Sequence[str] = (),
    outcomes: Sequence[str] = (),
    missing: str | None = None,
    sheet: str | None = None,
) -> Imported:
    """Add the counts of a file to the tables of a review.

    Parameters
    ----------
    format
        "revman5", "revman-web", "covidence", "csv", "excel", "stata", "spss", "r", "openmeta", "citations" for titles and DOIs of
        studies that are there, or "prisma2020" for the numbers of a flow: a name of `metanet.reviews.importers.registry.importers`.
    file
        The file.
    into
        The folder of the review, or its `extracted_data`.
    columns
        ``COLUMN=FIELD`` for covidence and csv: the field of a column. ``COLUMN=`` leaves one out, ``*=`` all others; ``COLUMN=+``
        keeps one under its own name (funding, registration, a moderator), ``*=+`` all others. In csv a
        column may be ``percent``: the count is taken where one whole number of the total prints as it, and refused otherwise.
    values
        ``FIELD=VALUE``: the same value in every row, where the file has none.
    renames
        ``NAME=OTHER``: another name for a study, an outcome or a group of the file.
    outcomes
        RevMan: the analyses to import, by name or number, followed by `` / SUBGROUP`` for one subgroup; all by default. Tables:
        the outcome.
    missing
        Tables: "skip" leaves rows without events or total out and names each; by default they are one fault that names them all.
        Empty cells and texts such as "NA", "NR" or "-" are missing.
    sheet
        The sheet of a workbook, or the data frame of a file of R; by default the one that has the columns.

    Returns
    -------
    Imported
        What was added, what was left out and the notes. Existing rows are never changed.

    Raises
    ------
    DataError
        Every fault of the file, with its place. Nothing is written.
    ArgumentError
        An unknown format, field, column, outcome or name, with the nearest known one.
    """
    known = importers()
    chosen = known[check_choice("format", format, tuple(known))]
    if columns and not chosen.maps_columns:
        raise ArgumentError(
            f"columns={visible(shorten(columns[0]))!r} is given, and {chosen.title} defines its own columns. Fix: leave it out; "
            f"names are changed with {spelled('renames', 'NAME=OTHER')}."
        )
    _check_choices(chosen, missing, sheet)
    for argument, given in () if chosen.has_counts else (("values", values), ("renames", renames), ("outcomes", outcomes)):
        if given:
            whose = f"{chosen.title.lower()} have" if chosen.describes else f"the template of {chosen.title} has"
            raise ArgumentError(f"{argument}={visible(shorten(given[0]))!r} is given, and {whose} no counts. Fix: leave it out.")
    mapping = pairs("columns", columns, "COLUMN=FIELD")
    constants = {name: cell(value) for name, value in pairs("values", values, "FIELD=VALUE").items()}
    words = Renames(pairs("renames", renames, "NAME=OTHER"))
    folder = _folder(into)
    source = Path(file).expanduser()
    with writing(folder) as told:
        made = _imported(chosen, folder, source, file, into, mapping, constants, words, outcomes, missing, sheet)
    return replace(made, notes=(*told, *made.notes))


def _imported(
    chosen: Importer,
    folder: Path,
    source: Path,
    file: str | Path,
    into: str | Path,
    mapping: Mapping[str, str],
    constants: dict[str, str],
    words: Renames,
    outcomes: Sequence[str],
    missing: str | None,
    sheet: str | None,
) -> Imported:
    """`import_review` in a folder that nobody else writes."""
    reading = _reading(folder)
    contract = reading.contract
    if contract is None:
        raise data_error(str(into), reading.findings.faults)
    _check_constants(constants, chosen, contract)
    for outcome in outcomes if chosen.maps_columns else ():
        if (fault := name_fault(outcome)) is not None:
            raise ArgumentError(f"outcomes={visible(shorten(outcome))!r} {fault[0]}. Fix: write a name such as 'response'.")
    name = visible(source.name) or "file"
    request = Request(contract, words, mapping, constants, tuple(outcomes), _treatments(reading), missing == "skip", sheet)
    found = _read(chosen, source, name, request)
    if found.findings.faults:
        raise data_error(visible(str(file)), found.findings.faults)
    if found.citations:
        return _describe(folder, reading, found, name, str(file), str(into))
    if chosen.table:
        return _take(folder, reading, found, chosen, str(file), str(into))
    # Fields that are not columns were used above; the columns of all rows are filled from here.
    merged = Merger(folder, reading, found, words, {k: v for k, v in constants.items() if k not in OWN and not is_numbered(k)}).run()
    if found.findings.faults:
        raise data_error(visible(str(file)), found.findings.faults)
    words.check()
    take_excluded(folder, reading, found, merged)
    _rehearse(folder, contract, merged, found, str(file), constants)
    beside = _beside(folder, found, words)
    agreement = verify(found.analyses)
    if agreement.rows:
        place = _place_beside(folder, found)
        beside.append((place / "agreement.csv", agreement.csv(), len(agreement.rows)))
        beside.append((place / "agreement.html", agreement_page(agreement, name).encode(), len(agreement.differing)))
    _write(folder, contract, merged, {place: content for place, content, _ in beside})
    return Imported(
        name,
        str(into),
        tuple(merged.added.items()),
        tuple(merged.new_outcomes),
        merged.examples,
        merged.there,
        merged.twice,
        merged.kept,
        tuple(found.left_out),
        tuple(found.notes),
        tuple((place.relative_to(_root(folder)).as_posix(), number) for place, _, number in beside if place.suffix == ".csv"),
        agreement if agreement.rows else None,
        tuple(merged.new_columns),
    )


def _describe(folder: Path, reading: Reading, found: Found, name: str, file: str, into: str) -> Imported:
    """Fill what references say of the studies that are there."""
    done = describe(folder, reading, found)
    if found.findings.faults:
        raise data_error(visible(file), found.findings.faults)
    assert reading.contract is not None  # a folder without faults has one
    _rehearse(folder, reading.contract, done.merged, found, file, {})
    _write(folder, reading.contract, done.merged, {})
    left_out, notes = tuple(found.left_out), tuple(found.notes)
    return Imported(name, into, (), (), (), 0, 0, 0, left_out, notes, filled=(done.cells, done.studies))


def _take(folder: Path, reading: Reading, found: Found, chosen: Importer, file: str, into: str) -> Imported:
    """Write a file that is a table of the review as a whole; one that is filled already is not overwritten."""
    assert reading.contract is not None  # a folder without faults has one
    contract = reading.contract.of_role(chosen.table)[0]
    there = next((table for table in reading.tables.every() if table.contract.role == chosen.table), None) if reading.tables else None
    numbers = [] if there is None else sorted((row.text["data"], row.text["n"]) for row in there.rows if row.values.get("n"))
    if numbers and numbers != sorted((row.get("data", ""), n) for row, _ in found.rows if (n := row.get("n", "")) not in UNFILLED):
        found.refuse(f"has other numbers than {contract.file}, which is filled", f"Delete {contract.file} first, if the file is right")
        raise data_error(visible(file), found.findings.faults)
    draft = new_draft(contract.file, found.columns)
    draft.add(found.rows)
    merged = Merged(drafts={contract.file: draft})
    _rehearse(folder, reading.contract, merged, found, file, {})
    _write(folder, reading.contract, merged, {})
    added = ((contract.file, len(found.rows)),)
    return Imported(found.file, into, added, (), (), 0, 0, 0, tuple(found.left_out), tuple(found.notes))


def _check_choices(chosen: Importer, missing: str | None, sheet: str | None) -> None:
    """Refuse a choice that the format does not have."""
    if missing is not None:
        check_choice("missing", missing, ("skip",))
        if not chosen.maps_columns:
            raise ArgumentError(f"missing={missing!r} is given, and {chosen.title} has no gaps to leave out. Fix: leave it out.")
    if sheet is not None and not chosen.has_sheets:
        raise ArgumentError(f"sheet={visible(shorten(sheet))!r} is given, and {chosen.title} has no sheets. Fix: leave it out.")


def _folder(into: str | Path) -> Path:
    given = os.fspath(into)
    if not given.strip() or "\x00" in given:
        raise ArgumentError("into='' is empty. Fix: name the folder of the review.")
    place = Path(given).expanduser()
    folder = next((each for each in (place / "extracted_data", place) if (each / DESCRIPTOR).is_file()), None)
    if folder is None:
        raise ArgumentError(
            f"into={visible(shorten(given))!r} is not a review: neither it nor its extracted_data contains {DESCRIPTOR}. "
            "Fix: create a review with `metanet new`, or with mn.new_review."
        )
    if folder.resolve() == curated_folder().resolve():
        raise ArgumentError(
            f"into={visible(shorten(given))!r} names the curated tables, which only people edit. "
            "Fix: create a review with `metanet new`."
        )
    return folder


def _reading(folder: Path) -> Reading:
    reading = read_folder(folder)
    if reading.findings.faults:
        error = data_error(str(folder), reading.findings.faults)
        raise DataError(f"The tables of the review have problems. Fix: correct them first.\n{error}", error.problems)
    return reading


def _treatments(reading: Reading) -> tuple[str, ...]:
    arms = None if reading.tables is None else reading.tables.arms
    return () if arms is None else tuple(dict.fromkeys(row.text["modality"] for row in arms.rows))


def _check_constants(constants: dict[str, str], chosen: Importer, contract: Contract) -> None:
    fields = [name for name in fields_of(contract) if name not in _KEYS and not name.endswith(_COUNTED)]
    numbered = {name for name in constants if is_numbered(name) and not name.startswith(("events", "total", "percent"))}
    check_fields(
        "values",
        constants.keys() - (numbered if chosen.maps_columns else set()),
        fields if chosen.maps_columns else [name for name in fields if name not in OWN],
    )
    for name, value in constants.items():
        if (fault := text_fault(value, 1000)) is not None:
            raise ArgumentError(f"values={f'{name}={visible(shorten(value))}'!r} {fault}. Fix: write a value, or leave it out.")


def _read(chosen: Importer, source: Path, name: str, request: Request) -> Found:
    findings = Findings()
    data = read_bytes(source, name, findings) if "\x00" not in str(source) else None
    return Found(name, name, findings=findings) if data is None else chosen.read(data, name, request)


def _rehearse(folder: Path, contract: Contract, merged: Merged, found: Found, file: str, constants: Mapping[str, str]) -> None:
    """Check the folder as it would be, and report each fault at its place in the imported file."""
    with tempfile.TemporaryDirectory(prefix="metanet-import-") as scratch:
        stage = Path(scratch) / "extracted_data"
        stage.mkdir()
        (stage / DESCRIPTOR).write_bytes(merged.descriptor or contract.content)
        for table in {**contract.tables, **merged.drafts}:
            draft = merged.drafts.get(table)
            if draft is not None:
                (stage / table).write_bytes(draft.content)
            elif (folder / table).is_file():
                (stage / table).write_bytes((folder / table).read_bytes())
        faults = read_folder(stage).findings.faults
    if faults:
        raise data_error(visible(file), in_order([_in_the_file(fault, merged, found, constants) for fault in faults]))


def _in_the_file(fault: Problem, merged: Merged, found: Found, constants: Mapping[str, str]) -> Problem:
    draft = merged.drafts.get(fault.file)
    place = None if draft is None or fault.row is None else draft.places.get(fault.row)
    if place is None:
        return fault
    column = fault.column or ""
    theirs = place.columns.get(column)
    fix = fault.fix
    if theirs is None and constants.get(column) == fault.value:
        # The same in every row, so it is reported once.
        return Problem(found.file, None, spelled("values", f"{column}=VALUE"), fault.value, fault.wrong, fix)
    if column in {"modality", "modality_class", "arm"}:
        fix += f", or rename it with {spelled('renames', visible(shorten(fault.value or '', 40)) + '=OTHER')}"
    elif theirs is None and column and column not in _KEYS:
        fix += f", or give one value for all rows with {spelled('values', f'{column}=VALUE')}"
    shown = visible(theirs) if theirs is not None else fault.column
    return Problem(found.file, place.row, shown, fault.value, fault.wrong, fix)


def _root(folder: Path) -> Path:
    """The folder of the review around its tables."""
    return folder.parent if folder.name == "extracted_data" else folder


def _place_beside(folder: Path, found: Found) -> Path:
    """The folder of what an import writes beside the tables."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", Path(found.source_file).stem).strip("_") or "file"
    return _root(folder) / "imported" / (f"{stem}_" if is_reserved(stem) else stem)


def _beside(folder: Path, found: Found, words: Renames) -> list[tuple[Path, bytes, int]]:
    """Tables of an import that the review has no place for, with their places and numbers of rows."""
    place = _place_beside(folder, found)
    made = []
    for name, rows in found.beside.items():
        out = io.StringIO(newline="")
        columns = ["study_id", *(column for column in rows[0] if column != "study")]
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow([study_id(words(row["study"])), *(cell(row.get(column, "")) for column in columns[1:])])
        made.append((place / f"{name}.csv", out.getvalue().encode("utf-8", "surrogatepass"), len(rows)))
    return made


def _write(folder: Path, contract: Contract, merged: Merged, beside: Mapping[Path, bytes]) -> None:
    """Write studies before arms and arms before outcomes, all or none."""
    content: dict[Path, bytes] = dict(beside)
    if merged.descriptor is not None:
        content[folder / DESCRIPTOR] = merged.descriptor
    roles = {table.file: table.role for table in contract.tables.values()}
    order = {"studies": 0, "arms": 1}
    for file in sorted(merged.drafts, key=lambda each: order.get(roles.get(each, ""), 2)):
        if merged.drafts[file].changed:
            content[folder / file] = merged.drafts[file].content
    change(folder, content)
