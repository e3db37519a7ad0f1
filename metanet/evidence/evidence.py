"""The evidence: a folder read into tables as frames, and the rows of them that an analysis may pool."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metanet.base.arguments import checked
from metanet.base.errors import ArgumentError, DataError, check_choice, shorten
from metanet.base.groups import natural
from metanet.base.results import records
from metanet.base.untrusted import counted, html_block, html_table, html_text, literal, visible
from metanet.base.whole_files import write_folder
from metanet.evidence import rates as selecting
from metanet.evidence.bias.filter import NOT_ASSESSED, BiasFilter
from metanet.evidence.bias.result import RiskOfBias, assess, patients_of
from metanet.evidence.checks.check import Reading, read_folder
from metanet.evidence.contract import OPTIONAL, Outcome, contract_for, curated_contract
from metanet.evidence.design_facts import DesignFact, columns_of_facts, facts_of, joined_facts
from metanet.evidence.findings import Findings, data_error
from metanet.evidence.fingerprints import fingerprint_of
from metanet.evidence.folders import DESCRIPTOR, given_path, is_curated, used_folder, whose
from metanet.evidence.frames import columns_of, joint_columns, of_study, rate_columns, to_frame
from metanet.evidence.grade import Body, Grade, grade_of
from metanet.evidence.joining import joined_rows, modality_words, titles_of
from metanet.evidence.rates import POLICIES, row_labels, study_labels
from metanet.evidence.reading.cells import Table
from metanet.evidence.selection import COUNTS, Kept

if TYPE_CHECKING:
    import pandas as pd


#: Columns in whose groups overlap can be decided separately.
WITHIN = ("modality_class", "modality")


@dataclass(frozen=True, eq=False, repr=False)
class Evidence:
    """Tables of studies, arms and outcomes.

    `load_evidence` makes it. The frames are for reading: `rates` selects from the rows as they were loaded, so a change
    to a frame changes no result.

    Attributes
    ----------
    path : pathlib.Path
        The folder that was read.
    name : str
        Whose evidence it is, in words: "the curated tables of metanet", the title of a review, or the folder.
    studies, arms : pandas.DataFrame
        One row per report, and one per arm of a report.
    outcomes : pandas.DataFrame
        One row per arm, outcome (column ``outcome``) and definition.
    published : pandas.DataFrame
        Pooled rates that published reviews print; without rows where the folder has none.
    facts : pandas.DataFrame
        What each report states of its design, one row per report; without rows where the folder has none.
    fingerprint : str
        SHA-256 over the descriptor and the bytes of every table: equal for equal evidence.
    outcome_names, modality_classes : tuple of str
        What `rates` knows.
    modality_titles : mapping of str to str
        Full names of modality classes, where the descriptor of the tables has them.
    """

    path: Path
    name: str
    studies: pd.DataFrame
    arms: pd.DataFrame
    outcomes: pd.DataFrame
    published: pd.DataFrame
    facts: pd.DataFrame
    fingerprint: str
    outcome_names: tuple[str, ...]
    modality_classes: tuple[str, ...]
    modality_titles: Mapping[str, str]
    _rows: Mapping[str, tuple[Mapping[str, Any], ...]] = field(repr=False)
    _outcomes: Mapping[str, Outcome] = field(repr=False)
    _labels: Mapping[str, str] = field(repr=False)
    _modalities: Mapping[str, tuple[str, ...]] = field(repr=False)
    _columns: Mapping[str, Mapping[str, str]] = field(repr=False)
    _unplaced: Mapping[str, int] = field(repr=False)
    _titles: Mapping[str, str] = field(repr=False)
    #: How a script gets this evidence.
    code: str = field(default="", repr=False)
    #: Columns that say what another column says, under the name that a table gives it.
    _aliases: tuple[str, ...] = field(default=(), repr=False)
    #: What a reader of every selection should know, of evidence that was read from one table.
    _notes: tuple[str, ...] = field(default=(), repr=False)
    #: Rows of that table that became no count: outcome -> entries as in left_out, with the modality class as group.
    _dropped: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict, repr=False)
    #: File name -> content, of evidence that has no folder.
    _files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    #: Whether its tables are those that one table was divided into.
    _is_one_table: bool = field(default=False, repr=False)
    #: Rows of the tables that every review may have: role -> rows.
    _optional: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict, repr=False)
    #: The facts of design that travel with the rates.
    _stated: tuple[DesignFact, ...] = field(default=(), repr=False)
    _parts: dict[tuple[Any, ...], str] = field(default_factory=dict, repr=False)
    _judged: dict[tuple[str | None, str | None], RiskOfBias] = field(default_factory=dict, repr=False)

    @checked()
    def rates(
        self,
        outcome: str,
        *,
        modality: str | Iterable[str] | None = None,
        definition: str | None = None,
        overlap: str = "keep_largest",
        poolable_only: bool = True,
        certainty: str | None = None,
        within: str | None = None,
        risk_of_bias: str | None = None,
        not_assessed: str = "keep",
        tool: str | None = None,
    ) -> pd.DataFrame:
        """The rows of one outcome that one analysis may pool, one per study arm.

        Parameters
        ----------
        outcome : str
            One of `outcome_names`, or its label.
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
        within : {"modality_class", "modality"}, optional
            Decide on overlap in each modality class (or modality) by itself, so that each has the rows of a selection of its own.
            Two of them can then share patients. None decides among all rows.
        risk_of_bias : str, optional
            The worst overall risk of bias of a row: a level of the tool, such as "moderate" for ROBINS-I.
        not_assessed : {"keep", "drop"}
            With `risk_of_bias`: whether rows without an overall judgement are kept, and counted in a note, or left out.
        tool : str, optional
            The tool of the judgements, where several were used; levels of different tools are not compared.

        Returns
        -------
        pandas.DataFrame
            study, study_id, arm, modality, modality_class, events, total, year, unit, criteria, definition and the
            rest of the row, then what the study and the arm say about the patients. ``study`` is a unique label.
            Where the risk of bias was judged by one tool, or `tool` names one: bias_overall and a column for each domain.
            ``.attrs``: outcome, label, direction, definition, policy, selection (the arguments), titles (of columns and
            definitions), notes (sentences), studies and counts (the labels of
            the rows, their events and totals, and those of a control group), and left_out (study, study_id, arm,
            events, total, reason).

        Raises
        ------
        ArgumentError
            If a word is not known; it names the nearest that is.

        Notes
        -----
        Overlap is decided last and within the selection. A report of another modality displaces none in this one, and
        an analysis across modalities includes each cohort once, unless `within` says otherwise.
        """
        outcome = self.outcome(outcome)
        if within is not None:
            check_choice("within", within, WITHIN)
        bias = self._bias_filter(outcome, risk_of_bias, not_assessed, tool)
        selection = self._select(outcome, modality, definition, overlap, bool(poolable_only), certainty, within, bias)
        about = self._outcomes[outcome]
        names = row_labels(selection.rows, self._labels)
        rows = [dict(row) | {"study": name} for row, name in zip(selection.rows, names, strict=True)]
        columns = dict(self._columns[outcome])
        if bias is not None:
            rows, columns = [row | bias.cells(row) for row in rows], columns | bias.columns()
        frame = to_frame(rows, columns)
        notes = [*selection.notes, *([] if bias is None else bias.notes(rows))]
        if self._unplaced.get(outcome):
            notes.append(
                f"{counted(self._unplaced[outcome], 'row')} without a study or an arm in the tables could not be used; "
                "the evidence was loaded without its checks."
            )
        notes += self._notes
        if not rows:
            notes.append("No row fits this selection.")
        frame.attrs = {
            "outcome": outcome,
            "label": about.label,
            "direction": about.direction,
            "definition": selection.definition,
            "definition_title": None if selection.definition is None else about.title_of(selection.definition),
            "policy": overlap,
            "titles": dict(self._titles) | about.titles | ({} if bias is None else bias.titles()),
            "selection": {
                "outcome": outcome,
                "modality": None if selection.modalities is None else list(selection.modalities),
                "definition": selection.definition,
                "overlap": overlap,
                "poolable_only": bool(poolable_only),
                "certainty": certainty,
                "within": within,
            }
            | ({} if risk_of_bias is None else {"risk_of_bias": risk_of_bias, "not_assessed": not_assessed, "tool": _tool_of(bias)}),
            "bias_tool": _tool_of(bias),
            # A table of one's own may have judgements among its columns, so that nothing is known of it.
            "bias_assessed": True if self._optional.get("risk_of_bias") else None if self._is_one_table else False,
            "notes": notes,
            "studies": Kept(names),
            "counts": Kept([row[name] for name in COUNTS if name in frame.columns] for row in rows),
            "left_out": Kept(self._left_out(outcome, selection)),
            "evidence": self.name,
            "aliases": list(self._aliases),
            "stated": [fact.name for fact in self._stated],
            "fingerprint": self.fingerprint_of(outcome, selection.modalities),
        }
        return frame

    @checked()
    def has_rates(
        self,
        outcome: str,
        *,
        modality: str | Iterable[str] | None = None,
        definition: str | None = None,
        overlap: str = "keep_largest",
        poolable_only: bool = True,
        certainty: str | None = None,
        risk_of_bias: str | None = None,
        not_assessed: str = "keep",
        tool: str | None = None,
    ) -> bool:
        """Whether `rates` has a row for these arguments, which are those of `rates`; sooner than by a frame."""
        outcome = self.outcome(outcome)
        bias = self._bias_filter(outcome, risk_of_bias, not_assessed, tool)
        return bool(self._select(outcome, modality, definition, overlap, bool(poolable_only), certainty, None, bias).rows)

    def _bias_filter(self, outcome: str, floor: str | None, not_assessed: str, tool: str | None) -> BiasFilter | None:
        """The judgements for an outcome; None where nothing asks for them, or several tools were used and none is named."""
        used = {row["tool"] for row in self._optional.get("risk_of_bias", ())}
        if floor is None and tool is None and len(used) != 1:
            check_choice("not_assessed", not_assessed, NOT_ASSESSED)
            return None
        return BiasFilter(self.risk_of_bias(tool, outcome), floor, not_assessed)

    @checked()
    def risk_of_bias(self, tool: str | None = None, outcome: str | None = None) -> RiskOfBias:
        """The judgements of the risk of bias, from risk_of_bias.csv.

        Parameters
        ----------
        tool : str, optional
            The tool, by its word or name ("robins_i", "ROBINS-I"); needed where several were used.
        outcome : str, optional
            The outcome: its own judgements go before those of the study as a whole. None takes those of whole studies.

        Returns
        -------
        RiskOfBias
            The judgement of each study and domain, the overall one, the agreement of the assessors and what they left unresolved.
            Without any judgement, its ``reason`` says so.

        Raises
        ------
        ArgumentError
            An unknown tool or outcome, or several tools and none named.
        """
        name = None if outcome is None else self.outcome(outcome)
        if (tool, name) in self._judged:
            return self._judged[tool, name]
        rows = self._optional.get("risk_of_bias", ())
        patients = patients_of(records(self.arms), self._rows) if rows else {}
        label = "" if name is None else self._outcomes[name].label
        found = assess(rows, tool=tool, outcome=name, labels=self._labels, patients=patients, label=label)
        return self._judged.setdefault((tool, name), found)

    @checked()
    def grade(self, outcome: str, modality: str, definition: str | None = None, question: str = "rate") -> Grade:
        """The certainty of one body of evidence by GRADE, from the ratings in certainty.csv.

        Parameters
        ----------
        outcome : str
            The outcome, by its name or label.
        modality : str
            A modality class or a modality; of a contrast two of them, such as "TACE versus PRRT".
        definition : str, optional
            The definition of the outcome; None takes the ratings of its default.
        question : {"rate", "contrast"}
            How often the outcome occurs in treated patients, or one modality against another.

        Returns
        -------
        Grade
            The level, its start, and the ratings with their reasons. Nothing is rated here: where people rated nothing, or not all
            five domains, its ``reason`` says so.

        Raises
        ------
        ArgumentError
            A word that is not known.
        """
        about = self._outcomes[self.outcome(outcome)]
        body = Body(about.name, modality, definition, question).checked(self.arms, about)
        return grade_of(self.optional_rows("certainty"), body, about.default_family)

    @checked()
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
            known = {name: {member for f in self._outcomes[name].families for member in (f.name, *f.members)} for name in names}
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

    @checked()
    def outcome(self, word: str, argument: str = "outcome") -> str:
        """The name of an outcome, which may be written as its label; an unknown one is an error that names `argument`."""
        return selecting.resolve_outcome(word, self._outcomes, argument)

    @checked()
    def definitions(self, outcome: str) -> dict[str, tuple[str, ...]]:
        """The families of definitions of an outcome, the default first; without entries where it has one definition."""
        outcome = self.outcome(outcome)
        about = self._outcomes[outcome]
        families = sorted(about.families, key=lambda family: family.name != about.default_family)
        return {family.name: family.members for family in families}

    @checked()
    def label(self, outcome: str) -> str:
        """The label of an outcome: "Objective response"."""
        outcome = self.outcome(outcome)
        return self._outcomes[outcome].label

    @checked()
    def direction(self, outcome: str) -> str:
        """The direction of an outcome: "higher_is_better", "lower_is_better", or "" where the tables do not state it."""
        outcome = self.outcome(outcome)
        return self._outcomes[outcome].direction

    @property
    def is_read(self) -> bool:
        """Whether it was read from one table and has no folder."""
        return bool(self._files)

    @checked()
    def has_certainty(self, outcome: str) -> bool:
        """Whether the table of an outcome states how certain its counts are."""
        return self._outcomes[self.outcome(outcome)].has_certainty

    @property
    def labels(self) -> Mapping[str, str]:
        """The name of each study (by its study_id) in tables and figures, such as "Kennedy 2008"."""
        return dict(self._labels)

    @checked()
    def fingerprint_of(self, outcome: str | Iterable[str] | None = None, modality: str | Iterable[str] | None = None) -> str:
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
        names = tuple(self.outcome(name) for name in names)
        chosen = selecting.resolve_modalities(modality, self._modalities)
        key = (names, None if chosen is None else tuple(sorted(chosen)))
        if key not in self._parts:
            self._parts[key] = fingerprint_of(self, names, chosen)
        return self._parts[key]

    @checked()
    def optional_rows(self, role: str) -> tuple[Mapping[str, Any], ...]:
        """The rows of a table that a review may have, such as "excluded": column -> value (empty: None); none without the table."""
        return self._optional.get(check_choice("role", role, OPTIONAL), ())

    @checked()
    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the tables into a folder, which `load_evidence` and ``metanet report --data`` read.

        Parameters
        ----------
        folder : path-like
            A folder that does not exist or is empty.

        Returns
        -------
        pathlib.Path
            The folder.

        Raises
        ------
        ArgumentError
            A folder that is not empty, or a file.
        MetanetError
            It cannot be written; nothing is left behind.
        """
        place = Path(folder).expanduser()
        if place.is_file() or (place.is_dir() and any(place.iterdir())):
            raise ArgumentError(f"folder={shorten(str(folder))!r} is not an empty folder. Fix: name a new one.")
        return write_folder(place, self._content())

    @property
    def descriptor(self) -> dict[str, Any]:
        """What ``datapackage.json`` says: title, contributors, licence, and whatever a review adds. A copy."""
        return dict(json.loads(self._content()[DESCRIPTOR]))

    def _content(self) -> dict[str, bytes]:
        """The tables and their descriptor: file name -> content."""
        if self._files:
            return dict(self._files)
        contract = contract_for(self.path, Findings())
        found = {DESCRIPTOR: (contract or curated_contract()).content}
        for name in (contract or curated_contract()).tables:
            if (self.path / name).is_file():
                found[name] = (self.path / name).read_bytes()
        return found

    def __repr__(self) -> str:
        return f"<Evidence: {visible(self.name)}; {self._counts()}>"

    def _repr_html_(self) -> str:
        frame = self.poolable()
        head = ("outcome", "definition", "modality class", "studies", "arms", "events", "total")
        table = html_table(head, frame.itertuples(index=False, name=None))
        return html_block(f"<p><b>{html_text(self.name)}</b>: {html_text(self._counts())}</p>{table}")

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
        within: str | None = None,
        bias: BiasFilter | None = None,
    ) -> selecting.Selection:
        about = self._outcomes[outcome]
        modalities = selecting.resolve_modalities(modality, self._modalities)
        selecting.check_options(overlap, certainty, has_certainty=about.has_certainty)
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
            within=within,
            fate=None if bias is None else bias.fate,
        )

    def _left_out(self, outcome: str, selection: selecting.Selection) -> list[dict[str, Any]]:
        out = [
            {name: value for name, value in row.items() if name != "group"}
            for row in self._dropped.get(outcome, ())
            if selection.modalities is None or row["group"] in ("", *selection.modalities)
        ]
        out += [
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
        return sorted(out, key=lambda entry: (natural(entry["study"]), natural(entry["arm"])))


def _tool_of(bias: BiasFilter | None) -> str | None:
    """The word of the tool of the judgements that are used."""
    return None if bias is None or bias.tool is None else bias.tool.key


#: Folder -> its signature and what was loaded from it, see `hold_evidence`.
_HELD: dict[Path, tuple[tuple[tuple[str, int, int], ...], Evidence]] = {}


@checked()
def load_evidence(path: str | os.PathLike[str] | None = None, *, check: bool = True) -> Evidence:
    """Read a folder of tables.

    Parameters
    ----------
    path : path-like, optional
        A folder with studies.csv, arms.csv and a table for each outcome, or the folder of a review that has them in
        `extracted_data`. None reads the tables of the folder you work in, or of the nearest folder above it that has some, and the
        curated tables of metanet where there are none.
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
        If `path` is not a path, or `check` not True or False.

    See Also
    --------
    validate : the same checks as a report, notices included.
    """
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
    return assemble(reading)


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


def assemble(reading: Reading) -> Evidence:
    """The evidence of tables without a fault. That of one table has no columns that the table does not have."""
    lean = reading.contract is not None and reading.contract.is_one_table
    tables = reading.tables
    # A reading without a fault has these; the message is for whoever breaks that.
    if tables is None or tables.studies is None or tables.arms is None:
        raise DataError(f"{visible(reading.path)}: studies or arms were not read.")
    studies, arms = tables.studies, tables.arms
    study_rows = {row.values["study_id"]: row.values for row in studies.rows}
    arm_rows = {(row.values["study_id"], row.values["arm"]): row.values for row in arms.rows}
    from_study = of_study(studies.contract, arms.contract)
    stated = facts_of(
        None if tables.facts is None else tables.facts.contract, (each.contract for each in (studies, arms, *tables.outcomes))
    )
    known = joined_facts(stated, [] if tables.facts is None else [row.values for row in tables.facts.rows])
    rows = {table.contract.outcome: joined_rows(table, study_rows, arm_rows, from_study, known) for table in tables.outcomes}
    contracts = {table.contract.outcome: table.contract for table in tables.outcomes}
    modalities = modality_words(arms)
    long = [{"outcome": table.contract.outcome} | row.values for table in tables.outcomes for row in table.rows]
    return Evidence(
        path=reading.path,
        name=_name(reading),
        code=code_of(reading.path),
        studies=to_frame([row.values for row in studies.rows], columns_of(studies.contract)),
        arms=to_frame([row.values for row in arms.rows], columns_of(arms.contract)),
        outcomes=to_frame(long, {"outcome": "str"} | joint_columns(contracts.values())),
        published=_frame_of(tables.published),
        facts=_frame_of(tables.facts),
        fingerprint=reading.digest,
        outcome_names=tuple(rows),
        modality_classes=tuple(modalities),
        modality_titles={name: str(title) for name, title in arms.contract.extra.get("modality_titles", {}).items()},
        _rows=rows,
        _outcomes={name: contract.as_outcome() for name, contract in contracts.items()},
        _labels=study_labels(study_rows.values()),
        _modalities=modalities,
        _columns={
            name: rate_columns(studies.contract, arms.contract, contract, lean) | columns_of_facts(stated)
            for name, contract in contracts.items()
        },
        _titles=titles_of(tables.outcomes, tables.facts, arms, studies),
        _optional={role: tuple(row.values for row in table.rows) for role, table in tables.optional.items()},
        _stated=stated,
        _is_one_table=lean,
        _aliases=tuple(column.name for column in arms.contract.columns if column.extra.get("alias")),
        _unplaced={t.contract.outcome: len(t.rows) - len(rows[t.contract.outcome]) for t in tables.outcomes},
    )


def _frame_of(table: Table | None) -> pd.DataFrame:
    """A table that a folder may lack, as a frame."""
    return to_frame([], {}) if table is None else to_frame([row.values for row in table.rows], columns_of(table.contract))


def code_of(folder: Path) -> str:
    """How a script loads a folder, wherever it runs: the curated one needs no name where no other one is used."""
    plain = is_curated(folder) and is_curated(used_folder())
    return "mn.load_evidence()" if plain else f"mn.load_evidence({literal(str(folder))})"


def _name(reading: Reading) -> str:
    """Whose evidence a folder has: the title of its own descriptor, or the folder."""
    own = (reading.path / DESCRIPTOR).is_file() and not is_curated(reading.path)
    title = visible(reading.contract.title).strip() if own and reading.contract is not None else ""
    return title or whose(reading.path)
