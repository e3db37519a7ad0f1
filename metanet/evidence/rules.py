"""Rules across tables: keys that must be found elsewhere, counts that must fit each other.

Each rule is a function from the tables to findings. What could not be read is passed over here, because it has its own
fault already.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from metanet.errors import nearest
from metanet.evidence.cells import Row, Table
from metanet.evidence.findings import Findings
from metanet.evidence.table_rules import check_table
from metanet.words import listing, visible


@dataclass(frozen=True)
class Tables:
    """Every table that was read, by role."""

    studies: Table | None
    arms: Table | None
    outcomes: tuple[Table, ...]
    published: Table | None = None
    others: tuple[Table, ...] = ()

    def every(self) -> tuple[Table, ...]:
        """All tables."""
        known = (self.studies, self.arms, *self.outcomes, self.published, *self.others)
        return tuple(table for table in known if table is not None)


class _Guesses:
    """The nearest known key for the first keys that are wrong: where thousands are, it is not a slip in each."""

    _MOST = 50

    def __init__(self) -> None:
        self._made = 0

    def nearest(self, word: object, known: Iterable[str]) -> str | None:
        self._made += 1
        return nearest(word, known) if self._made <= self._MOST else None


def check_tables(tables: Tables, findings: Findings) -> None:
    """Apply every rule to `tables`."""
    for table in tables.every():
        check_table(table, findings)
    for across in ACROSS:
        across(tables, findings)


def _unread(table: Table) -> set[str]:
    """Words of rows whose key could not be read: what they name is not missing, so nothing else is at fault."""
    broken = [row for row in table.rows if row.bad & {"study_id", "arm"}]
    return table.unread_words | {row.text["study_id"] for row in broken}


def _arms_have_studies(tables: Tables, findings: Findings) -> None:
    if tables.studies is None or tables.arms is None or not tables.studies.complete:
        return
    known = {row.values["study_id"] for row in tables.studies.rows} | _unread(tables.studies)
    guesses = _Guesses()
    for row in tables.arms.rows:
        study = row.values["study_id"]
        if study is not None and study not in known:
            near = guesses.nearest(study, (str(name) for name in known if name))
            findings.breaks_rule(
                tables.arms.file,
                f"is not in {tables.studies.file}",
                f"Write {near!r} if that is meant, or add the study" if near else "Add the study",
                row=row.line,
                column="study_id",
                value=row.text["study_id"],
            )
    if tables.arms.complete:
        used = {row.values["study_id"] for row in tables.arms.rows} | _unread(tables.arms)
        for row in tables.studies.rows:
            if row.values["study_id"] not in used and row.values["study_id"] is not None:
                findings.notice(
                    tables.studies.file,
                    f"has no arm in {tables.arms.file}",
                    "Add its arms, or delete the study",
                    row=row.line,
                    column="study_id",
                    value=row.text["study_id"],
                )


def _outcomes_have_arms(tables: Tables, findings: Findings) -> None:
    if tables.arms is None or not tables.arms.complete:
        return
    arms: dict[str, set[str]] = defaultdict(set)
    for row in tables.arms.rows:
        if row.values["study_id"] is not None and row.values["arm"] is not None:
            arms[row.values["study_id"]].add(row.values["arm"])
    unread = _unread(tables.arms)
    guesses = _Guesses()
    for table in tables.outcomes:
        for row in table.rows:
            study, arm = row.values["study_id"], row.values["arm"]
            if study is None or arm is None or study in unread or arm in arms.get(study, ()):
                continue
            if study in arms:
                column, wrong = "arm", f"is not an arm of {visible(study)} in {tables.arms.file}"
                near = guesses.nearest(arm, arms[study])
                mend = f"Write {near!r} if that is meant" if near else f"Write one of {listing(sorted(arms[study]))}"
            else:
                column, wrong = "study_id", f"is not in {tables.arms.file}"
                near = guesses.nearest(study, arms)
                mend = f"Write {near!r} if that is meant, or add the arm" if near else "Add the study and its arm"
            findings.breaks_rule(table.file, wrong, mend, row=row.line, column=column, value=row.text[column])


def _arms_have_outcomes(tables: Tables, findings: Findings) -> None:
    if tables.arms is None or not tables.outcomes or not all(table.complete for table in tables.outcomes):
        return
    used = {(row.values["study_id"], row.values["arm"]) for table in tables.outcomes for row in table.rows}
    unread = set().union(*(_unread(table) for table in tables.outcomes))
    for row in tables.arms.rows:
        key = (row.values["study_id"], row.values["arm"])
        if None not in key and key not in used and key[0] not in unread:
            findings.notice(
                tables.arms.file,
                "has no row in any outcome",
                "Add its counts, or leave it for other outcomes to come",
                row=row.line,
                column="arm",
                value=f"{row.text['study_id']} | {row.text['arm']}",
            )


def _totals_fit_arms(tables: Tables, findings: Findings) -> None:
    """No more patients were assessed than the arm has; procedures and lesions can be more than patients."""
    if tables.arms is None or tables.arms.contract.column("n") is None:
        return
    sizes = {(row.values["study_id"], row.values["arm"]): row.values["n"] for row in tables.arms.rows}
    for table in tables.outcomes:
        for row in table.rows:
            total, size = row.values.get("total"), sizes.get((row.values["study_id"], row.values["arm"]))
            if row.values.get("unit", "patients") == "patients" and total and size and total > size:
                findings.breaks_rule(
                    table.file,
                    f"is more than the {size} patients of the arm",
                    f"Check it, the unit, and n in {tables.arms.file}",
                    row=row.line,
                    column="total",
                    value=row.text["total"],
                )


def _outcomes_nest(tables: Tables, findings: Findings) -> None:
    """Complete responders are among the responders, and these among the controlled, where the denominator is one."""
    by_name = {table.contract.outcome: table for table in tables.outcomes}
    for table in tables.outcomes:
        # Follow the chain to its end, so that complete response is held against disease control even where the row
        # between them is missing.
        wider = by_name.get(str(table.contract.extra.get("within", "")))
        seen = {table.contract.outcome}
        while wider is not None and wider.contract.outcome not in seen:
            seen.add(wider.contract.outcome)
            _nest(table, wider, findings)
            wider = by_name.get(str(wider.contract.extra.get("within", "")))


def _nest(table: Table, wider: Table, findings: Findings) -> None:
    counts = defaultdict(list)
    for row in wider.rows:
        counts[row.values["study_id"], row.values["arm"]].append(row)
    for row in table.rows:
        for other in counts.get((row.values["study_id"], row.values["arm"]), ()):
            events, most = row.values.get("events"), other.values.get("events")
            if _comparable(row, other) and events is not None and most is not None and events > most:
                findings.breaks_rule(
                    table.file,
                    f"is more than the {most} of {wider.file} line {other.line}, which include them",
                    "Check both counts against the source",
                    row=row.line,
                    column="events",
                    value=row.text["events"],
                )


def _comparable(row: Row, other: Row) -> bool:
    if row.values.get("total") is None or row.values.get("total") != other.values.get("total"):
        return False
    times = {row.values.get("timepoint_months"), other.values.get("timepoint_months")} - {None}
    return row.values.get("unit") == other.values.get("unit") and len(times) < 2


def _modality_classes(tables: Tables, findings: Findings) -> None:
    """A modality belongs to one class, so that its arms are not pooled in two places."""
    if tables.arms is None:
        return
    stated = {
        modality: name
        for name, members in tables.arms.contract.extra.get("modality_classes", {}).items()
        for modality in members
    }
    first: dict[str, tuple[str, int]] = {}
    for row in tables.arms.rows:
        modality, given = row.values["modality"], row.values["modality_class"]
        if modality is None or given is None or {"modality", "modality_class"} & row.bad:
            continue
        expected, where = first.setdefault(modality, (stated.get(modality, given), row.line))
        if given != expected:
            because = "" if modality in stated else f", as on line {where}"
            findings.breaks_rule(
                tables.arms.file,
                f"is not the class of {visible(modality)}{because}",
                f"Write {expected!r}, or correct the modality",
                row=row.line,
                column="modality_class",
                value=row.text["modality_class"],
            )


def _alike_names(tables: Tables, findings: Findings) -> None:
    """Names that a reader takes for one are one: else their arms would be pooled apart, and nobody would see why."""
    if tables.arms is None:
        return
    for name in ("modality_class", "modality"):
        first: dict[str, tuple[str, int]] = {}
        for row in tables.arms.rows:
            value = row.values[name]
            if value is None or name in row.bad:
                continue
            key = "".join(unicodedata.normalize("NFKC", value).casefold().split())
            other, line = first.setdefault(key, (value, row.line))
            if value != other:
                findings.breaks_rule(
                    tables.arms.file,
                    f"differs from {visible(other)} on line {line} by case, blanks or the form of a letter alone",
                    f"Write {other!r} if that is meant, or choose a name that can be told from it",
                    row=row.line,
                    column=name,
                    value=row.text[name],
                )


def _shared_identifiers(tables: Tables, findings: Findings) -> None:
    """One DOI or PMID in two studies is one report extracted twice, or a slip."""
    if tables.studies is None:
        return
    for name in ("doi", "pmid"):
        first: dict[str, Row] = {}
        for row in tables.studies.rows:
            value = row.values.get(name)
            if value is None:
                continue
            other = first.setdefault(str(value).casefold(), row)
            if other is not row:
                findings.notice(
                    tables.studies.file,
                    f"is also the {name} of {visible(other.values['study_id'])} on line {other.line}",
                    "Check that the two are different reports; give them one overlap_group if they share patients",
                    row=row.line,
                    column=name,
                    value=row.text[name],
                )


def _published(tables: Tables, findings: Findings) -> None:
    """A published interval holds its estimate."""
    if tables.published is None:
        return
    for row in tables.published.rows:
        estimate, lower, upper = (row.values.get(name) for name in ("estimate", "ci_lower", "ci_upper"))
        if estimate is None:
            continue
        if (lower is not None and estimate < lower) or (upper is not None and estimate > upper):
            findings.breaks_rule(
                tables.published.file,
                f"lies outside its interval {row.text['ci_lower']} to {row.text['ci_upper']}",
                "Check the three numbers against the review",
                row=row.line,
                column="estimate",
                value=row.text["estimate"],
            )


ACROSS: Sequence[Callable[[Tables, Findings], None]] = (
    _arms_have_studies,
    _outcomes_have_arms,
    _arms_have_outcomes,
    _totals_fit_arms,
    _outcomes_nest,
    _modality_classes,
    _alike_names,
    _shared_identifiers,
    _published,
)
