"""The evidence: tables as data frames, and the rows that an analysis may pool."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from metanet.base.errors import ArgumentError, check_choice
from metanet.base.untrusted import counted, html_block, html_table, html_text, visible
from metanet.evidence import rates as selecting
from metanet.evidence.contract import Column, Outcome, TableContract
from metanet.evidence.rates import POLICIES
from metanet.evidence.study_names import row_labels

if TYPE_CHECKING:
    import pandas as pd


# Typed rows to DataFrames: one dtype for each kind of column, however many rows there are.


def dtype_of(column: Column) -> str:
    """The dtype of a column. Whole numbers that may be missing are `Int64`, so that a year stays a year."""
    if column.type == "number":
        return "float64"
    if column.type == "integer":
        return "int64" if column.required else "Int64"
    if column.type == "boolean":
        return "bool" if column.required else "boolean"
    return "str"


def to_frame(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> pd.DataFrame:
    """A frame of `rows` with the given columns and dtypes; missing text is empty text, not NaN."""
    import pandas as pd

    data: dict[str, Any] = {}
    for name, dtype in columns.items():
        values = [row.get(name) for row in rows]
        if dtype == "str":
            values = ["" if value is None else value for value in values]
        elif dtype == "float64":
            values = [float("nan") if value is None else value for value in values]
        elif None in values and dtype in {"int64", "bool"}:
            # A folder with a contract of its own may lack the column.
            dtype = {"int64": "Int64", "bool": "boolean"}[dtype]
        data[name] = pd.Series(values, dtype=cast("Any", dtype))
    return pd.DataFrame(data, columns=list(columns))


def columns_of(contract: TableContract) -> dict[str, str]:
    """The columns of a table and their dtypes."""
    return {column.name: dtype_of(column) for column in contract.columns}


def joint_columns(contracts: Iterable[TableContract]) -> dict[str, str]:
    """The columns of several tables in one, in the order in which they first occur."""
    joint: dict[str, str] = {}
    for contract in contracts:
        for name, dtype in columns_of(contract).items():
            if joint.setdefault(name, dtype) != dtype:
                joint[name] = {"int64": "Int64", "bool": "boolean"}.get(dtype, joint[name])
    return joint


# The fingerprint of a part of the evidence: what a report on it rests on, and nothing else.


def fingerprint_of(evidence: Evidence, outcomes: Sequence[str], modalities: Collection[str] | None) -> str:
    """SHA-256 over rows, studies, labels, definitions and published rates of `outcomes` and `modalities` (None: all)."""

    def chosen(row: Mapping[Any, Any]) -> bool:
        return modalities is None or row.get("modality_class") in modalities or row.get("modality") in modalities

    rows = {name: [dict(row) for row in evidence._rows[name] if chosen(dict(row))] for name in outcomes}
    studies = sorted({row["study_id"] for part in rows.values() for row in part})
    about = evidence.studies[evidence.studies["study_id"].isin(studies)].to_dict("records")
    published = [row for row in evidence.published.to_dict("records") if row.get("outcome") in outcomes and chosen(row)]
    content = {
        "rows": rows,
        "studies": about,
        "labels": [evidence._labels[study] for study in studies],
        "outcomes": [asdict(evidence._outcomes[name]) for name in outcomes],
        "unplaced": [evidence._unplaced.get(name, 0) for name in outcomes],
        "published": published,
        # Reports say which others there are.
        "names": [list(evidence.outcome_names), {name: list(found) for name, found in evidence._modalities.items()}],
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


# The evidence: tables as data frames, and the rows that an analysis may pool.


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
    _outcomes: Mapping[str, Outcome] = field(repr=False)
    _labels: Mapping[str, str] = field(repr=False)
    _modalities: Mapping[str, tuple[str, ...]] = field(repr=False)
    _columns: Mapping[str, str] = field(repr=False)
    _unplaced: Mapping[str, int] = field(repr=False)
    _titles: Mapping[str, str] = field(repr=False)
    _parts: dict[tuple[Any, ...], str] = field(default_factory=dict, repr=False)

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
            ``.attrs``: outcome, label, direction, definition, policy, selection (the arguments), titles (of columns and
            definitions), notes (sentences), and left_out (study, study_id, arm, events, total, reason).

        Raises
        ------
        ArgumentError
            If a word is not known; it names the nearest that is.

        Notes
        -----
        Overlap is decided last and within the selection. A report of another modality displaces none in this one, and
        an analysis across modalities includes each cohort once.
        """
        check_choice("outcome", outcome, self.outcome_names)
        selection = self._select(outcome, modality, definition, overlap, poolable_only, certainty)
        about = self._outcomes[outcome]
        names = row_labels(selection.rows, self._labels)
        rows = [dict(row) | {"study": name} for row, name in zip(selection.rows, names, strict=True)]
        frame = to_frame(rows, self._columns)
        notes = list(selection.notes)
        if self._unplaced.get(outcome):
            notes.append(
                f"{counted(self._unplaced[outcome], 'row')} without a study or an arm in the tables could not be used; "
                "the evidence was loaded without its checks."
            )
        if not rows:
            notes.append("No row fits this selection.")
        frame.attrs = {
            "outcome": outcome,
            "label": about.label,
            "direction": about.direction,
            "definition": selection.definition,
            "definition_title": None if selection.definition is None else about.title_of(selection.definition),
            "policy": overlap,
            "titles": dict(self._titles) | about.titles,
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
            "fingerprint": self.fingerprint_of(outcome, selection.modalities),
        }
        return frame

    def poolable(self, definition: str | None = None, overlap: str = "keep_largest") -> pd.DataFrame:
        """The poolable data for each outcome and modality class.

        Parameters
        ----------
        definition : str, optional
            As for `rates`; if given, only the outcomes that have it are listed.
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
                name: {member for f in self._outcomes[name].families for member in (f.name, *f.members)}
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
        about = self._outcomes[outcome]
        families = sorted(about.families, key=lambda family: family.name != about.default_family)
        return {family.name: family.members for family in families}

    def label(self, outcome: str) -> str:
        """The label of an outcome: "Objective response"."""
        check_choice("outcome", outcome, self.outcome_names)
        return self._outcomes[outcome].label

    def direction(self, outcome: str) -> str:
        """The direction of an outcome: "higher_is_better", "lower_is_better", or "" where the tables do not state it."""
        check_choice("outcome", outcome, self.outcome_names)
        return self._outcomes[outcome].direction

    def fingerprint_of(
        self, outcome: str | Iterable[str] | None = None, modality: str | Iterable[str] | None = None
    ) -> str:
        """The fingerprint of a part: of the rows of an outcome and a modality, and of what is known of their studies.

        Parameters
        ----------
        outcome : str or iterable of str, optional
            One or several of `outcome_names`; None takes all.
        modality : str or iterable of str, optional
            As for `rates`; None takes all.

        Returns
        -------
        str
            SHA-256: equal as long as no row, study, label, definition or published rate of this part changes.
        """
        names = self.outcome_names if outcome is None else (outcome,) if isinstance(outcome, str) else tuple(outcome)
        for name in names:
            check_choice("outcome", name, self.outcome_names)
        chosen = selecting.resolve_modalities(modality, self._modalities)
        key = (names, None if chosen is None else tuple(sorted(chosen)))
        if key not in self._parts:
            self._parts[key] = fingerprint_of(self, names, chosen)
        return self._parts[key]

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
        about = self._outcomes[outcome]
        modalities = selecting.resolve_modalities(modality, self._modalities)
        selecting.check_options(overlap, certainty, poolable_only, has_certainty=about.has_certainty)
        if definition is not None and not about.families:
            have = [name for name in self.outcome_names if self._outcomes[name].families]
            raise ArgumentError(
                f"definition={definition!r} was given, and {outcome} has one definition. Leave it out"
                + (f"; definitions belong to {' and '.join(have)}." if have else ".")
            )
        return selecting.select(
            self._rows[outcome],
            about,
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
