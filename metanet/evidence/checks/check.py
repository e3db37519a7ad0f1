"""A folder of tables, read and checked: every fault of every file in one run."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from metanet.base.arguments import checked
from metanet.base.errors import nearest
from metanet.base.transaction import completed
from metanet.base.untrusted import listing, visible
from metanet.evidence.checks.rules import Tables, check_tables
from metanet.evidence.contract import OPTIONAL, Contract, TableContract, contract_for, read_contract
from metanet.evidence.findings import Findings, Report, in_order
from metanet.evidence.folders import DESCRIPTOR, TABLES, from_here, given_path
from metanet.evidence.reading.cells import Table, type_sheet
from metanet.evidence.reading.text import decode, read_bytes, split
from metanet.evidence.search.checks import check_cells

# Left by Excel, LibreOffice, macOS and editors beside the file they work on.
_SCRATCH = ("~$", ".", "#")
_TABLE_LIKE = {".csv", ".tsv", ".txt", ".xlsx", ".xls", ".xlsm", ".ods", ".numbers"}


@dataclass
class Reading:
    """What came of reading a folder."""

    path: Path
    contract: Contract | None = None
    tables: Tables | None = None
    findings: Findings = field(default_factory=Findings)
    digest: str = ""


@checked()
def validate(path: str | os.PathLike[str] | None = None) -> Report:
    """Check tables and report every problem at once.

    Parameters
    ----------
    path : path-like, optional
        A folder with studies.csv, arms.csv and outcome tables, or one CSV file of such a folder. None checks the tables that
        `load_evidence` reads: those of the folder you work in, or else the curated ones. A folder with its own datapackage.json is
        checked against it, any other against the one of the curated tables, file by file.

    Returns
    -------
    Report
        Bad data never raise here: they are in ``.problems``.

    Raises
    ------
    ArgumentError
        If `path` is not a path at all.
    """
    where = given_path(path)
    reading = read_folder(where) if where.is_dir() and where.suffix.lower() != ".csv" else read_single(where)
    tables = () if reading.tables is None else reading.tables.every()
    return Report(
        path=str(where) if path is not None else from_here(where),
        problems=reading.findings.faults,
        notices=in_order(reading.findings.notices),
        tables=tuple((table.file, len(table.rows)) for table in tables),
    )


def read_folder(folder: Path, *, rules: bool = True) -> Reading:
    """Read and check every table of `folder`; `rules` adds the rules across cells and tables."""
    reading = Reading(folder)
    findings = reading.findings
    for told in completed(folder):
        findings.notice(visible(folder.name), told, "Check that the tables are as they should be")
    contract = reading.contract = contract_for(folder, findings)
    if contract is None:
        return reading
    try:
        present = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith(_SCRATCH))
    except OSError as error:
        findings.cannot_read(visible(folder.name), f"cannot be listed ({error.strerror})", "Check its access rights")
        return reading
    if not any(Path(name).suffix.lower() in _TABLE_LIKE for name in present):
        needed = [table.file for role in ("studies", "arms") for table in contract.of_role(role)]
        fix = f"Put {listing(needed)} and a table for each outcome into it"
        if any((folder / TABLES / file).is_file() for file in needed):
            fix = f"Give its folder {TABLES}, which contains the tables"
        findings.cannot_read(visible(folder.name) or str(folder), "is a folder without tables", fix)
        return reading
    digest = hashlib.sha256()
    _digest(digest, DESCRIPTOR, contract.content)
    read: dict[str, Table] = {}
    for file, table_contract in contract.tables.items():
        if file in present:
            data = read_bytes(folder / file, visible(file), findings)
            _digest(digest, file, data or b"")
            table = None if data is None else _table(data, table_contract, findings)
            read[file] = Table(table_contract, complete=False) if table is None else table
    reading.digest = digest.hexdigest()
    _missing_and_stray(folder, present, contract, findings)
    reading.tables = _by_role(read, contract)
    _empty_tables(reading.tables, findings)
    if rules:
        check_tables(reading.tables, findings)
    return reading


def read_contents(name: str, descriptor: bytes, contents: Mapping[str, bytes]) -> Reading:
    """Read and check tables that are no files: their descriptor, which need not be proved, and file name -> content."""
    reading = Reading(Path(name))
    findings = reading.findings
    contract = reading.contract = read_contract(descriptor, findings, own=False)
    if contract is None:
        return reading
    digest = hashlib.sha256()
    _digest(digest, DESCRIPTOR, descriptor)
    read: dict[str, Table] = {}
    for file, table_contract in contract.tables.items():
        _digest(digest, file, contents[file])
        table = _table(contents[file], table_contract, findings)
        read[file] = Table(table_contract, complete=False) if table is None else table
    reading.digest = digest.hexdigest()
    reading.tables = _by_role(read, contract)
    check_tables(reading.tables, findings)
    return reading


def read_single(path: Path) -> Reading:
    """Read and check one CSV file without the other tables."""
    reading = Reading(path)
    findings = reading.findings
    file = visible(path.name) or str(path)
    if not path.exists() and path.suffix.lower() != ".csv":
        findings.cannot_read(file, "does not exist", "Check the path; give a folder of tables or one CSV file")
        return reading
    data = read_bytes(path, file, findings)
    contract = reading.contract = contract_for(path.parent, findings)
    if data is None or contract is None:
        return reading
    table_contract = contract.tables.get(path.name)
    if table_contract is None:
        near = nearest(path.name, contract.tables)
        how = "Name it" if path.suffix.lower() == ".csv" else "Save it as CSV under the name"
        findings.cannot_read(
            file,
            "is not the name of a table",
            (f"{how} {near!r} if that is meant; the" if near else "The") + f" tables are {listing(contract.tables, 20)}",
        )
        # The kind of the file can still be reported, so that one run shows all faults.
        decode(data, file, findings)
        return reading
    table = _table(data, table_contract, findings)
    if table is None:
        return reading
    if not table.rows and table.complete and table_contract.role not in OPTIONAL:
        findings.cannot_read(file, "has column names and no rows", "Add rows")
    read = {path.name: table}
    reading.tables = _by_role(read, contract)
    check_tables(reading.tables, findings)
    findings.notice(
        file, "was checked on its own, not against the other tables", "Validate the folder to check studies and arms as well"
    )
    return reading


def _table(data: bytes, contract: TableContract, findings: Findings) -> Table | None:
    file = visible(contract.file)
    text = decode(data, file, findings)
    sheet = None if text is None else split(text, file, contract.column_names, findings)
    table = None if sheet is None else type_sheet(sheet, contract, findings)
    if table is not None and contract.role == "search_flow":
        check_cells(table, findings)
    return table


def _digest(digest: hashlib._Hash, name: str, data: bytes) -> None:
    # Lengths keep the end of one file and the beginning of the next apart.
    encoded = name.encode("utf-8", "surrogateescape")
    digest.update(f"{len(encoded)}:{len(data)}:".encode())
    digest.update(encoded)
    digest.update(data)


def _by_role(read: dict[str, Table], contract: Contract) -> Tables:
    def first(role: str) -> Table | None:
        return next((read[table.file] for table in contract.of_role(role) if table.file in read), None)

    return Tables(
        studies=first("studies"),
        arms=first("arms"),
        outcomes=tuple(read[table.file] for table in contract.of_role("outcome") if table.file in read),
        published=first("published"),
        facts=first("facts"),
        optional={role: table for role in OPTIONAL if (table := first(role)) is not None},
        others=tuple(read[table.file] for table in contract.of_role("other") if table.file in read),
    )


def _missing_and_stray(folder: Path, present: list[str], contract: Contract, findings: Findings) -> None:
    """Missing tables, and files that look like tables but would not be read."""
    stray = [name for name in present if Path(name).suffix.lower() in _TABLE_LIKE and name not in contract.tables]
    absent = [name for name in contract.tables if name not in present]
    optional = {table.file for role in OPTIONAL for table in contract.of_role(role)}
    for role in ("studies", "arms"):
        for table in contract.of_role(role):
            if table.file not in present:
                near = nearest(table.file, stray)
                how = "save it as CSV under this name" if near and Path(near).suffix.lower() != ".csv" else "rename it"
                fix = f"If {visible(near)!r} is meant, {how}" if near else f"Add the table: {table.title}"
                findings.cannot_read(table.file, "is missing", fix)
    if not any(table.file in present for table in contract.of_role("outcome")):
        outcomes = [table.file for table in contract.of_role("outcome")]
        findings.cannot_read(
            visible(folder.name) or str(folder), "contains no outcome", f"Add at least one of {listing(outcomes, 20)}"
        )
    for name in stray:
        near = nearest(name, absent)
        if near in optional and not _holds_counts(folder / name):
            findings.notice(visible(name), "is not a known table and was not read", f"Rename it to {near!r} if that is meant")
        elif near is not None:
            suffix = Path(name).suffix.lower()
            fix = f"Save it as {near!r}" if suffix != ".csv" else f"Rename it to {near!r} if that is meant"
            findings.cannot_read(visible(name), "is not the name of a table, so it would not be read", fix)
        elif _holds_counts(folder / name):
            findings.cannot_read(
                visible(name),
                "contains events and totals, but its name is not that of a table, so it would not be read",
                f"Describe it in a {DESCRIPTOR}, or take it out of the folder",
            )
        else:
            findings.notice(visible(name), "is not a known table and was not read", "Nothing to do")


def _holds_counts(path: Path) -> bool:
    try:
        if not path.is_file():
            # Opening a pipe would wait for whoever writes into it.
            return False
        with path.open("rb") as stream:
            head = stream.read(4096).splitlines()[:1]
    except OSError:
        return False
    words = set(b"".join(head).replace(b";", b",").replace(b"\t", b",").replace(b'"', b"").split(b","))
    return {b"study_id", b"events", b"total"} <= words


def _empty_tables(tables: Tables, findings: Findings) -> None:
    for table in (tables.studies, tables.arms):
        if table is not None and table.complete and not table.rows and not table.unread_words:
            findings.cannot_read(table.file, "has column names and no rows", "Add rows")
    empty = [table for table in tables.outcomes if table.complete and not table.rows and not table.unread_words]
    for table in empty:
        if len(empty) == len(tables.outcomes):
            findings.cannot_read(table.file, "has column names and no rows", "Add rows to at least one outcome")
        else:
            findings.notice(table.file, "has column names and no rows", "Add rows, or leave it for later")
