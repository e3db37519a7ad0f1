"""The evidence: tables that were read and checked, and the rows of them that an analysis may pool."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from metanet.errors import ArgumentError, DataError, check_choice
from metanet.evidence import rates as selecting
from metanet.evidence.cells import Table
from metanet.evidence.check import Reading, read_folder
from metanet.evidence.contract import TableContract
from metanet.evidence.frames import columns_of, dtype_of, joint_columns, to_frame
from metanet.evidence.labels import row_labels, study_labels
from metanet.evidence.locate import given_path
from metanet.evidence.overlap import POLICIES
from metanet.evidence.report import data_error
from metanet.evidence.words import counted, html_block, html_table, html_text, visible

if TYPE_CHECKING:
    import pandas as pd

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


@dataclass(frozen=True, eq=False, repr=False)
class Evidence:
    """Tables of studies, arms and outcomes.

    `load_evidence` makes it. The frames are for reading: `rates` selects from the rows as they were loaded, so a change
    to a frame changes no result.

    Attributes
    ----------
    path : pathlib.Path
        The folder that was read.
    studies, arms : pandas.DataFrame
        One row per report, and one per arm of a report.
    outcomes : pandas.DataFrame
        One row per arm, outcome (column ``outcome``) and definition.
    published : pandas.DataFrame
        Pooled rates that published reviews print; without rows where the folder has none.
    fingerprint : str
        SHA-256 over the descriptor and the bytes of every table: equal for equal evidence.
    outcome_names, modality_classes : tuple of str
        What `rates` knows.
    """

    path: Path
    studies: pd.DataFrame
    arms: pd.DataFrame
    outcomes: pd.DataFrame
    published: pd.DataFrame
    fingerprint: str
    outcome_names: tuple[str, ...]
    modality_classes: tuple[str, ...]
    _rows: Mapping[str, tuple[Mapping[str, Any], ...]] = field(repr=False)
    _contracts: Mapping[str, TableContract] = field(repr=False)
    _labels: Mapping[str, str] = field(repr=False)
    _modalities: Mapping[str, tuple[str, ...]] = field(repr=False)
    _columns: Mapping[str, str] = field(repr=False)

    def rates(
        self,
        outcome: str,
        *,
        modality: str | Iterable[str] | None = None,
        definition: str | None = None,
        overlap: str = "keep_largest",
        poolable_only: bool = True,
        certainty: str | None = None,
    ) -> pd.DataFrame:
        """The rows of one outcome that one analysis may pool, one per study arm.

        Parameters
        ----------
        outcome : str
            One of `outcome_names`.
        modality : str or iterable of str, optional
            Modality classes ("TARE"), modalities ("TARE-resin") or several of them; None takes all.
        definition : str, optional
            For outcomes that are counted by several definitions: a family of them, or one by name. None takes the
            family that the descriptor names as default: Hepatotoxicity "graded" (grade 3 or worse), mortality
            "periprocedural". Of an arm that has several definitions of the family the widest is taken.
        overlap : {"keep_largest", "keep_newest", "keep_all"}
            Of the reports that share an overlap_group within this selection, which one is kept, with all its arms.
            Largest is the largest sum of totals in the selection, between equals the newer; newest is by year.
        poolable_only : bool
            Leave out rows that are marked as not fit for pooling.
        certainty : {"low", "moderate", "high"}, optional
            The least certainty of a row.

        Returns
        -------
        pandas.DataFrame
            study, study_id, arm, modality, modality_class, events, total, year, unit, criteria, definition and the
            rest of the row, then what the study and the arm say about the patients. ``study`` is a unique label.
            ``.attrs``: outcome, label, direction, definition, policy, selection (the arguments), notes (sentences), and
            left_out (study, study_id, arm, events, total, reason).

        Raises
        ------
        ArgumentError
            If a word is not known; it names the nearest that is.

        Notes
        -----
        Overlap is decided last and within the selection. A report of another modality displaces none in this one, and
        an analysis across modalities holds each cohort once.
        """
        check_choice("outcome", outcome, self.outcome_names)
        selection = self._select(outcome, modality, definition, overlap, poolable_only, certainty)
        contract = self._contracts[outcome]
        names = row_labels(selection.rows, self._labels)
        rows = [dict(row) | {"study": name} for row, name in zip(selection.rows, names, strict=True)]
        frame = to_frame(rows, self._columns)
        notes = list(selection.notes)
        if not rows:
            notes.append("No row fits this selection.")
        frame.attrs = {
            "outcome": outcome,
            "label": contract.label,
            "direction": str(contract.extra.get("direction", "")),
            "definition": selection.definition,
            "policy": overlap,
            "selection": {
                "outcome": outcome,
                "modality": None if selection.modalities is None else list(selection.modalities),
                "definition": selection.definition,
                "overlap": overlap,
                "poolable_only": poolable_only,
                "certainty": certainty,
            },
            "notes": notes,
            "left_out": self._left_out(selection),
            "fingerprint": self.fingerprint,
        }
        return frame

    def poolable(self, definition: str | None = None, overlap: str = "keep_largest") -> pd.DataFrame:
        """How much there is to pool for each outcome and modality class.

        Parameters
        ----------
        definition : str, optional
            As for `rates`; given, only the outcomes that know it are listed.
        overlap : {"keep_largest", "keep_newest", "keep_all"}
            As for `rates`.

        Returns
        -------
        pandas.DataFrame
            outcome, definition, modality_class, k (reports), arms (rows that `rates` gives), events, total; pairs
            without a row are not listed.
        """
        check_choice("overlap", overlap, POLICIES)
        names = list(self.outcome_names)
        if definition is not None:
            known = {
                name: {member for f in self._contracts[name].families for member in (f.name, *f.members)}
                for name in names
            }
            check_choice("definition", definition, sorted(set().union(*known.values())))
            names = [name for name in names if definition in known[name]]
        rows = []
        for name in names:
            for modality in self.modality_classes:
                selection = self._select(name, modality, definition, overlap, True, None)
                if selection.rows:
                    rows.append(
                        {
                            "outcome": name,
                            "definition": selection.definition,
                            "modality_class": modality,
                            "k": len({row["study_id"] for row in selection.rows}),
                            "arms": len(selection.rows),
                            "events": sum(row["events"] for row in selection.rows),
                            "total": sum(row["total"] for row in selection.rows),
                        }
                    )
        text = dict.fromkeys(("outcome", "definition", "modality_class"), "str")
        return to_frame(rows, text | dict.fromkeys(("k", "arms", "events", "total"), "int64"))

    def definitions(self, outcome: str) -> dict[str, tuple[str, ...]]:
        """The families of definitions of an outcome, the default first; without entries where it has one definition."""
        check_choice("outcome", outcome, self.outcome_names)
        contract = self._contracts[outcome]
        families = sorted(contract.families, key=lambda family: family.name != contract.default_family)
        return {family.name: family.members for family in families}

    def label(self, outcome: str) -> str:
        """An outcome as it is printed: "Objective response"."""
        check_choice("outcome", outcome, self.outcome_names)
        return self._contracts[outcome].label

    def __repr__(self) -> str:
        return f"<Evidence {visible(self.path.name)}: {self._counts()}>"

    def _repr_html_(self) -> str:
        frame = self.poolable()
        head = ("outcome", "definition", "modality class", "studies", "arms", "events", "total")
        table = html_table(head, frame.itertuples(index=False, name=None))
        return html_block(f"<p><b>{html_text(self.path.name)}</b>: {html_text(self._counts())}</p>{table}")

    def _counts(self) -> str:
        return ", ".join(
            (
                counted(len(self.studies), "study", "studies"),
                counted(len(self.arms), "arm"),
                f"{counted(len(self.outcomes), 'row')} of {counted(len(self.outcome_names), 'outcome')}",
                f"sha256 {self.fingerprint[:12]}",
            )
        )

    def _select(
        self,
        outcome: str,
        modality: str | Iterable[str] | None,
        definition: str | None,
        overlap: str,
        poolable_only: bool,
        certainty: str | None,
    ) -> selecting.Selection:
        contract = self._contracts[outcome]
        modalities = selecting.resolve_modalities(modality, self._modalities)
        has_certainty = contract.column("certainty") is not None
        selecting.check_options(overlap, certainty, poolable_only, has_certainty=has_certainty)
        if definition is not None and not contract.families:
            have = [name for name in self.outcome_names if self._contracts[name].families]
            raise ArgumentError(
                f"definition={definition!r} was given, and {outcome} has one definition. Leave it out"
                + (f"; definitions belong to {' and '.join(have)}." if have else ".")
            )
        return selecting.select(
            self._rows[outcome],
            contract,
            self._labels,
            modalities=modalities,
            definition=definition,
            overlap=overlap,
            poolable_only=poolable_only,
            certainty=certainty,
        )

    def _left_out(self, selection: selecting.Selection) -> list[dict[str, Any]]:
        out = [
            {
                "study": self._labels[row["study_id"]],
                "study_id": row["study_id"],
                "arm": row["arm"],
                "events": row["events"],
                "total": row["total"],
                "reason": reason,
            }
            for row, reason in selection.left_out
        ]
        return sorted(out, key=lambda entry: (str(entry["study"]).casefold(), entry["arm"]))


def load_evidence(path: str | os.PathLike[str] | None = None, *, check: bool = True) -> Evidence:
    """Read a folder of tables.

    Parameters
    ----------
    path : path-like, optional
        A folder with studies.csv, arms.csv and a table for each outcome. None reads the curated tables.
    check : bool
        Hold the tables against every rule, across cells and across tables. Without it a table that breaks a rule is
        loaded all the same; a cell that cannot be read as what it should be stops the loading in any case, because a
        number would have to be invented.

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
    if not folder.is_dir():
        what = "is a file; give the folder that holds it" if folder.exists() else "does not exist"
        raise DataError(f"{visible(folder)} {what}. Evidence is a folder with studies.csv, arms.csv and outcomes.")
    reading = read_folder(folder, rules=check)
    findings = reading.findings
    stopping = findings.faults if check else tuple(findings.unreadable)
    if stopping:
        raise data_error(str(folder), stopping)
    return _assemble(reading)


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
        _rows=MappingProxyType(rows),
        _contracts=MappingProxyType(contracts),
        _labels=MappingProxyType(study_labels(study_rows.values())),
        _modalities=MappingProxyType(modalities),
        _columns=MappingProxyType(_rate_columns(studies.contract, arms.contract)),
    )


def _joined(
    table: Table, studies: Mapping[str, Mapping[str, Any]], arms: Mapping[tuple[str, str], Mapping[str, Any]]
) -> tuple[Mapping[str, Any], ...]:
    """The rows of an outcome with what their study and arm say; the outcome's own cells win."""
    joined = []
    for row in table.rows:
        own = row.values
        study, arm = studies.get(own["study_id"]), arms.get((own["study_id"], own["arm"]))
        # Only without the checks can a row have no study or arm: nothing is known of it, so it is in no selection.
        if study is None or arm is None or own["events"] is None or own["total"] is None:
            continue
        kept = {name: study.get(name) for name in ("year", "overlap_group", *_FROM_STUDY)}
        joined.append(MappingProxyType(dict(arm) | kept | {"poolable": True} | dict(own)))
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
    """The modality classes that occur, most arms first, each with its modalities."""
    found: dict[str, dict[str, None]] = {}
    counts: dict[str, int] = {}
    for row in arms.rows:
        name, modality = row.values["modality_class"], row.values["modality"]
        if name is not None and modality is not None:
            found.setdefault(name, {})[modality] = None
            counts[name] = counts.get(name, 0) + 1
    return {name: tuple(found[name]) for name in sorted(found, key=lambda name: (-counts[name], name))}
