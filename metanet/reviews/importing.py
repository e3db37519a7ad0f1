"""`import_review`: a file of another program into the tables of a review, all of it or nothing."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from metanet.base.errors import ArgumentError, DataError, MetanetError, Problem, check_choice, shorten
from metanet.base.untrusted import counted, listing, visible
from metanet.base.whole_files import write_bytes
from metanet.evidence.checks.check import Reading, read_folder
from metanet.evidence.contract import Contract
from metanet.evidence.findings import Findings, data_error, in_order
from metanet.evidence.locate import DESCRIPTOR, curated_folder
from metanet.evidence.reading.text import read_bytes
from metanet.reviews.importers.columns import OWN, check_fields, fields_of
from metanet.reviews.importers.extracted_counts import Found, Renames, cell, name_fault, pairs
from metanet.reviews.importers.revman5 import read_revman5
from metanet.reviews.importers.revman_web import read_revman_web
from metanet.reviews.importers.tabular import Mapped, read_covidence, read_csv
from metanet.reviews.merge import Merged, Merger
from metanet.reviews.names import text_fault

FORMATS = ("revman5", "revman-web", "covidence", "csv")
_TABLES = ("covidence", "csv")
#: Columns that the import fills itself.
_KEYS = ("study_id", "arm", "events", "total")
#: Columns that name a group.
_NAMES = ("arm", "modality", "modality_class")


@dataclass(frozen=True)
class Imported:
    """What an import wrote, and what it did not."""

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

    def summary(self) -> str:
        """The import as text: rows by table, then what was left out and what to look at."""
        rows = sum(number for _, number in self.added)
        lines = [f"{visible(self.file)} into {visible(self.into)}: {counted(rows, 'row')} added"]
        lines += [f"  {file}: {number:,}" for file, number in self.added]
        notes = list(self.notes)
        if self.new_outcomes:
            new = listing(self.new_outcomes, 12)
            notes.insert(0, f"New in {DESCRIPTOR}: {new}. Write there, as `direction`, which side of it is better.")
        if self.examples:
            notes.insert(0, f"The invented studies were taken out: {listing(self.examples)}.")
        for number, noun, words in (
            (self.there, "count", "There already, with the same numbers"),
            (self.twice, "count", "Twice in the file with the same numbers, and in the tables once"),
            (self.kept, "cell", "Described otherwise in the tables, which stay as they are"),
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
) -> Imported:
    """Add the counts of a file to the tables of a review.

    Parameters
    ----------
    format
        "revman5" (.rm5), "revman-web" (the data package, or its data-rows.csv), "covidence" (extraction CSV) or "csv".
    file
        The file.
    into
        The folder of the review, or its `extracted_data`.
    columns
        ``COLUMN=FIELD`` of covidence and csv: which column is which field. ``COLUMN=`` leaves one out, ``*=`` all others.
    values
        ``FIELD=VALUE``: the same value in every row, where the file has none.
    renames
        ``NAME=OTHER``: studies, outcomes and groups that are called otherwise in the file.
    outcomes
        RevMan: the analyses that are taken, by name or number, with `` / SUBGROUP`` behind for one subgroup. Tables: the outcome.

    Returns
    -------
    Imported
        What was added, left out and noticed. Rows that are there are never changed.

    Raises
    ------
    DataError
        Every fault of the file, with its place in the file. Nothing was written.
    ArgumentError
        An unknown format, field, column, outcome or name, with the nearest known one.
    """
    check_choice("format", format, FORMATS)
    if columns and format not in _TABLES:
        raise ArgumentError(
            f"--map names columns, and {format} has none to be named. Fix: leave it out; --rename is for names."
        )
    mapping = pairs("--map", columns, "COLUMN=FIELD")
    constants = {name: cell(value) for name, value in pairs("--set", values, "FIELD=VALUE").items()}
    words = Renames(pairs("--rename", renames, "NAME=OTHER"))
    folder = _folder(into)
    reading = _reading(folder)
    contract = reading.contract
    if contract is None:
        raise data_error(str(into), reading.findings.faults)
    _check_constants(constants, format, contract)
    for outcome in outcomes if format in _TABLES else ():
        if (fault := name_fault(outcome)) is not None:
            raise ArgumentError(
                f"--outcome {visible(shorten(outcome))!r} {fault[0]}. Fix: name it in words, such as 'response'."
            )
    source = Path(file).expanduser()
    name = visible(source.name) or "file"
    found = _read(format, source, name, Mapped(mapping, constants, tuple(outcomes)), words, contract)
    if found.findings.faults:
        raise data_error(visible(str(file)), found.findings.faults)
    # Fields that are no column have done their work; the columns of all rows are filled from here.
    merged = Merger(folder, reading, found, words, {k: v for k, v in constants.items() if k not in OWN}).run()
    if found.findings.faults:
        raise data_error(visible(str(file)), found.findings.faults)
    words.check()
    _rehearse(folder, contract, merged, found, str(file), constants)
    _write(folder, contract, merged)
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
    )


def _folder(into: str | Path) -> Path:
    given = os.fspath(into)
    if not given.strip() or "\x00" in given:
        raise ArgumentError("--into is empty. Fix: name the folder of the review.")
    place = Path(given).expanduser()
    folder = next((each for each in (place / "extracted_data", place) if (each / DESCRIPTOR).is_file()), None)
    if folder is None:
        raise ArgumentError(
            f"--into {visible(shorten(given))!r} is no review: there is no {DESCRIPTOR} in it or in its extracted_data. "
            "Fix: make one with metanet new DIR."
        )
    if folder.resolve() == curated_folder().resolve():
        raise ArgumentError(
            "--into names the curated tables, which people alone write. Fix: make a review with metanet new DIR."
        )
    return folder


def _reading(folder: Path) -> Reading:
    reading = read_folder(folder)
    if reading.findings.faults:
        error = data_error(str(folder), reading.findings.faults)
        raise DataError(f"The review has problems of its own. Fix: put them right first.\n{error}", error.problems)
    return reading


def _check_constants(constants: dict[str, str], format: str, contract: Contract) -> None:
    fields = [
        name
        for name in fields_of(contract)
        if name not in _KEYS and not name.endswith(("events_control", "total_control"))
    ]
    check_fields("set", constants, fields if format in _TABLES else [name for name in fields if name not in OWN])
    for name, value in constants.items():
        if (fault := text_fault(value, 1000)) is not None:
            raise ArgumentError(
                f"--set {name}={visible(shorten(value))!r} {fault}. Fix: write a value, or leave it out."
            )


def _read(format: str, source: Path, name: str, mapped: Mapped, renames: Renames, contract: Contract) -> Found:
    findings = Findings()
    data = read_bytes(source, name, findings) if "\x00" not in str(source) else None
    if data is None:
        return Found(name, name, findings=findings)
    if format == "revman5":
        return read_revman5(data, name, mapped.outcomes, renames)
    if format == "revman-web":
        return read_revman_web(data, name, mapped.outcomes, renames)
    return (read_covidence if format == "covidence" else read_csv)(data, name, mapped, renames, contract)


def _rehearse(
    folder: Path, contract: Contract, merged: Merged, found: Found, file: str, constants: Mapping[str, str]
) -> None:
    """Read the folder as it would be, by all its rules, and tell each fault at its place in the file that is imported."""
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
        # The same in every row, so it is said once.
        return Problem(found.file, None, f"--set {column}", fault.value, fault.wrong, fix)
    if column in {"modality", "modality_class", "arm"}:
        fix += f", or call it otherwise: --rename {visible(shorten(fault.value or '', 40))!r}=..."
    elif theirs is None and column and column not in _KEYS:
        fix += f", or give one value for all rows: --set {column}=..."
    shown = visible(theirs) if theirs is not None else fault.column
    return Problem(found.file, place.row, shown, fault.value, fault.wrong, fix)


def _write(folder: Path, contract: Contract, merged: Merged) -> None:
    """What an arm needs is written before the arm; a write that fails takes the others back."""
    content = {} if merged.descriptor is None else {DESCRIPTOR: merged.descriptor}
    roles = {table.file: table.role for table in contract.tables.values()}
    order = {"studies": 0, "arms": 1}
    for file in sorted(merged.drafts, key=lambda each: order.get(roles.get(each, ""), 2)):
        if merged.drafts[file].changed:
            content[file] = merged.drafts[file].content
    before = {file: (folder / file).read_bytes() if (folder / file).exists() else None for file in content}
    done: list[str] = []
    try:
        for file, data in content.items():
            done.append(file)
            write_bytes(folder / file, data)
    except BaseException as error:
        for file in reversed(done):
            old = before[file]
            with suppress(OSError):
                if old is None:
                    (folder / file).unlink(missing_ok=True)
                else:
                    write_bytes(folder / file, old)
        if isinstance(error, OSError):
            why = error.strerror or type(error).__name__
            raise MetanetError(f"{visible(folder.name)} cannot be written ({why}). Fix: check its rights.") from None
        raise
