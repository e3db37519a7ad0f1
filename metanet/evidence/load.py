"""From a folder to `Evidence`: read, check, and join what belongs to a row."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metanet.base.arguments import checked
from metanet.base.errors import ArgumentError, DataError
from metanet.base.untrusted import visible
from metanet.evidence.checks.check import Reading, read_folder
from metanet.evidence.contract import TableContract
from metanet.evidence.evidence import Evidence, columns_of, dtype_of, joint_columns, to_frame
from metanet.evidence.findings import data_error
from metanet.evidence.locate import given_path
from metanet.evidence.reading.cells import Table
from metanet.evidence.study_names import study_labels

# The columns of `rates` that come first, in this order; the moderators of the arms follow.
_LEADING = {
    "study": "str",
    "study_id": "str",
    "arm": "str",
    "modality": "str",
    "modality_class": "str",
    "events": "int64",
    "total": "int64",
    "year": "int64",
    "unit": "str",
    "criteria": "str",
    "definition": "str",
    "timepoint_months": "float64",
    "certainty": "str",
    "source_kind": "str",
    "source": "str",
    "source_locator": "str",
    "derived": "bool",
    "derivation": "str",
    "double_extracted": "bool",
    "poolable": "bool",
    "overlap_group": "str",
    "note": "str",
}
# What a study says that may move a rate; its citation is in `studies`.
_FROM_STUDY = ("design", "country", "enrol_start", "enrol_end", "doi", "pmid")


#: Folder -> its signature and what was loaded from it, see `hold_evidence`.
_HELD: dict[Path, tuple[tuple[tuple[str, int, int], ...], Evidence]] = {}


@checked()
def load_evidence(path: str | os.PathLike[str] | None = None, *, check: bool = True) -> Evidence:
    """Read a folder of tables.

    Parameters
    ----------
    path : path-like, optional
        A folder with studies.csv, arms.csv and a table for each outcome. None reads the curated tables.
    check : bool
        Apply the rules across cells and across tables. Without it tables that contradict each other
        are loaded all the same, and `rates` notes the rows it could not place. A file, a row or a cell that is not what
        its column says stops the loading in any case, because a number would have to be invented.

    Returns
    -------
    Evidence

    Raises
    ------
    DataError
        With every problem of every file in ``.problems``.
    ArgumentError
        If `path` is not a path, or `check` neither True nor False.

    See Also
    --------
    validate : the same checks as a report, notices included.
    """
    if not isinstance(check, bool):
        raise ArgumentError(f"check={check!r} is neither True nor False.")
    folder = given_path(path)
    held = _HELD.get(folder.resolve()) if check and _HELD else None
    if held is not None and held[0] and held[0] == _signature(folder):
        return held[1]
    if not folder.is_dir():
        what = "is a file; give the folder that contains it" if folder.exists() else "does not exist"
        raise DataError(f"{visible(folder)} {what}. Evidence is a folder with studies.csv, arms.csv and outcomes.")
    reading = read_folder(folder, rules=check)
    findings = reading.findings
    stopping = findings.faults if check else tuple(findings.unreadable)
    if stopping:
        raise data_error(str(folder), stopping)
    return _assemble(reading)


def hold_evidence(path: str | os.PathLike[str] | None = None) -> Evidence:
    """Load a folder and cache it: until one of its files changes, `load_evidence` returns the same object.

    For processes that are forked many times and load the same tables in each fork; an `Evidence` does not change.
    """
    folder = given_path(path)
    signature = _signature(folder)
    evidence = load_evidence(path)
    _HELD[folder.resolve()] = signature, evidence
    return evidence


def _signature(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Names, sizes and times of what is in a folder; empty where it cannot be listed."""
    try:
        return tuple(sorted((each.name, each.stat().st_size, each.stat().st_mtime_ns) for each in folder.iterdir()))
    except OSError:
        return ()


def _assemble(reading: Reading) -> Evidence:
    tables = reading.tables
    # A reading without a fault has these; the message is for whoever breaks that.
    if tables is None or tables.studies is None or tables.arms is None:
        raise DataError(f"{visible(reading.path)}: studies or arms were not read.")
    studies, arms = tables.studies, tables.arms
    study_rows = {row.values["study_id"]: row.values for row in studies.rows}
    arm_rows = {(row.values["study_id"], row.values["arm"]): row.values for row in arms.rows}
    rows = {table.contract.outcome: _joined(table, study_rows, arm_rows) for table in tables.outcomes}
    contracts = {table.contract.outcome: table.contract for table in tables.outcomes}
    modalities = _modality_words(arms)
    long = [{"outcome": table.contract.outcome} | row.values for table in tables.outcomes for row in table.rows]
    published = tables.published
    return Evidence(
        path=reading.path,
        studies=to_frame([row.values for row in studies.rows], columns_of(studies.contract)),
        arms=to_frame([row.values for row in arms.rows], columns_of(arms.contract)),
        outcomes=to_frame(long, {"outcome": "str"} | joint_columns(contracts.values())),
        published=to_frame([], {})
        if published is None
        else to_frame([row.values for row in published.rows], columns_of(published.contract)),
        fingerprint=reading.digest,
        outcome_names=tuple(rows),
        modality_classes=tuple(modalities),
        _rows=rows,
        _outcomes={name: contract.as_outcome() for name, contract in contracts.items()},
        _labels=study_labels(study_rows.values()),
        _modalities=modalities,
        _columns=_rate_columns(studies.contract, arms.contract),
        _titles={c.name: c.heading for table in (*tables.outcomes, arms, studies) for c in table.contract.columns},
        _unplaced={t.contract.outcome: len(t.rows) - len(rows[t.contract.outcome]) for t in tables.outcomes},
    )


def _joined(
    table: Table, studies: Mapping[str, Mapping[str, Any]], arms: Mapping[tuple[str, str], Mapping[str, Any]]
) -> tuple[Mapping[str, Any], ...]:
    """The rows of an outcome with the columns of their study and arm; cells of the outcome take precedence."""
    joined = []
    for row in table.rows:
        own = row.values
        study, arm = studies.get(own["study_id"]), arms.get((own["study_id"], own["arm"]))
        # Only without the checks can a row have no study or arm; it is then in no selection.
        if study is None or arm is None:
            continue
        kept = {name: study.get(name) for name in ("year", "overlap_group", *_FROM_STUDY)}
        joined.append(dict(arm) | kept | {"poolable": True} | dict(own))
    return tuple(joined)


def _rate_columns(studies: TableContract, arms: TableContract) -> dict[str, str]:
    columns = dict(_LEADING)
    for contract, names in ((studies, _FROM_STUDY), (arms, arms.column_names)):
        for name in names:
            column = contract.column(name)
            if column is not None and name not in columns:
                # Moderators go into arrays, where a missing whole number has to be NaN.
                dtype = dtype_of(column)
                columns[name] = "float64" if dtype == "Int64" else dtype
    return columns


def _modality_words(arms: Table) -> dict[str, tuple[str, ...]]:
    """The modality classes in the data, those with most arms first, each with its modalities."""
    found: dict[str, dict[str, None]] = {}
    counts: dict[str, int] = {}
    for row in arms.rows:
        name, modality = row.values["modality_class"], row.values["modality"]
        if name is not None and modality is not None:
            found.setdefault(name, {})[modality] = None
            counts[name] = counts.get(name, 0) + 1
    return {name: tuple(found[name]) for name in sorted(found, key=lambda name: (-counts[name], name))}
