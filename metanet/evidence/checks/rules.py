"""Rules within one table and across tables: keys that must exist elsewhere, counts that must agree."""

from __future__ import annotations

import datetime
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from metanet.base.errors import nearest
from metanet.base.untrusted import listing, visible
from metanet.evidence.checks.bias import check_bias
from metanet.evidence.checks.certainty import check_certainty
from metanet.evidence.checks.printed import check_printed
from metanet.evidence.findings import Findings
from metanet.evidence.reading.cells import Row, Table
from metanet.evidence.search.checks import check_search

# Rules within one table: between its rows and between the cells of a row.
#
# Unreadable values are skipped here; they have their own fault.

# Shares of groups are printed rounded; three of them may add up to a little more than 100.
ROUNDING = 1.0
#: Designs that enrol or follow patients prospectively.
_PROSPECTIVE = ("prospective_single_arm", "prospective_registry", "rct")
_YEAR_COLUMNS = ("year", "enrol_start", "enrol_end")


def check_table(table: Table, findings: Findings) -> None:
    """Apply every rule within a table to `table`."""
    if table.contract.role not in ("risk_of_bias", "search_flow"):
        # Their own rules say more: who judged what twice, which key is there twice.
        _unique(table, findings)
    if table.contract.role == "studies":
        _years(table, findings)
    _shares(table, findings)
    if table.contract.role == "outcome":
        _counts(table, findings)
        _derivations(table, findings)
        check_printed(table, findings)
        _unit_and_poolable(table, findings)


def _at(record: Callable[..., None], table: Table, row: Row, column: str, wrong: str, fix: str) -> None:
    """Record a finding at a cell."""
    record(table.file, wrong, fix, row=row.line, column=column, value=row.text[column])


def _unique(table: Table, findings: Findings) -> None:
    """Primary keys are unique, columns declared unique have each value once, and no row is repeated."""
    keys = [table.contract.primary_key] if table.contract.primary_key else [table.contract.column_names]
    keys += [(column.name,) for column in table.contract.columns if column.constraints.get("unique")]
    for key in dict.fromkeys(keys):
        first: dict[tuple[Any, ...], int] = {}
        for row in table.rows:
            if row.bad & set(key):
                continue
            value = tuple(row.values.get(name) for name in key)
            if value in first:
                findings.breaks_rule(
                    table.file,
                    f"repeats line {first[value]}",
                    "Keep one of the two rows, or give them different arms" if len(key) > 1 else "Keep one of them",
                    row=row.line,
                    column=key[-1] if len(key) == 1 else "+".join(key) if len(key) < 6 else None,
                    value=" | ".join(row.text[name] for name in key[:4]),
                )
            else:
                first[value] = row.line


def _years(table: Table, findings: Findings) -> None:
    """No year is in the future; enrolment begins before it ends and ends before publication."""
    latest = datetime.date.today().year + 1
    for row in table.rows:
        year, start, end = (row.values.get(name) for name in _YEAR_COLUMNS)
        if year is None and "year" not in row.bad and table.contract.column("year") is not None:
            fix = "Add the year if the source prints it; it orders and labels studies and is not needed to pool them"
            findings.notice(table.file, "is empty", fix, row=row.line, column="year", value=row.text["study_id"])
        for name in _YEAR_COLUMNS:
            value = row.values.get(name)
            if value is not None and value > latest:
                _at(findings.breaks_rule, table, row, name, "lies in the future", "Check the year")
        if start is not None and end is not None and start > end:
            _at(findings.breaks_rule, table, row, "enrol_start", f"is later than enrol_end {end}", "Check both years")
        for name, value in (("enrol_start", start), ("enrol_end", end)):
            # A report can be dated a year before its issue is printed.
            if year is not None and value is not None and value > year + 1:
                _at(findings.breaks_rule, table, row, name, f"is later than the year of the report {year}", "Check both years")


def _shares(table: Table, findings: Findings) -> None:
    """Shares that divide the patients of an arm add up to at most 100 %."""
    for group in table.contract.extra.get("at_most_100", ()):
        for row in table.rows:
            given = {name: row.values[name] for name in group if row.values.get(name) is not None}
            total = sum(given.values())
            if len(given) > 1 and total > 100 + ROUNDING:
                findings.breaks_rule(
                    table.file,
                    f"add up to {total:g} %",
                    "Check the shares; together they are at most 100",
                    row=row.line,
                    column="+".join(given),
                    value=" + ".join(row.text[name] for name in given),
                )


def _counts(table: Table, findings: Findings) -> None:
    """Events do not exceed the total, and the total is positive."""
    for row in table.rows:
        events, total = row.values.get("events"), row.values.get("total")
        for name, value, least in (("events", events, 0), ("total", total, 1)):
            # The curated contract requires this too; a user's contract may not.
            if value is not None and value < least and name not in row.bad:
                _at(findings.breaks_rule, table, row, name, f"is below {least}", "Check the count against the source")
        if events is not None and total is not None and events > total:
            _at(findings.breaks_rule, table, row, "events", f"is more than the total {total}", "Check both counts against the source")


def _derivations(table: Table, findings: Findings) -> None:
    """A derived count has a derivation, and a printed one has none."""
    if table.contract.column("derived") is None or table.contract.column("derivation") is None:
        return
    for row in table.rows:
        derived, derivation = row.values.get("derived"), row.values.get("derivation")
        if derived is True and not derivation and "derivation" not in row.bad:
            findings.breaks_rule(
                table.file,
                "is empty though the count is derived",
                "Write how the count follows from what the source prints",
                row=row.line,
                column="derivation",
                value="",
            )
        if derived is False and derivation:
            _at(
                findings.breaks_rule,
                table,
                row,
                "derived",
                "is false though there is a derivation",
                "Write true, or empty the derivation",
            )


def _unit_and_poolable(table: Table, findings: Findings) -> None:
    """A pooled rate is about patients; lesions of one patient are not independent."""
    for row in table.rows:
        if row.values.get("poolable") is True and row.values.get("unit") == "lesions":
            _at(
                findings.notice,
                table,
                row,
                "unit",
                "counts lesions and is marked poolable",
                "Check that the pooled rate may count lesions",
            )


# Rules across tables: keys that must be found elsewhere, counts that must fit each other.
#
# Each rule is a function from the tables to findings. Unreadable values are skipped here; they have their own
# fault already.


@dataclass(frozen=True)
class Tables:
    """Every table that was read, by role."""

    studies: Table | None
    arms: Table | None
    outcomes: tuple[Table, ...]
    published: Table | None = None
    facts: Table | None = None
    #: Tables that every review may have, by their role.
    optional: Mapping[str, Table] = field(default_factory=dict)
    others: tuple[Table, ...] = ()

    def every(self) -> tuple[Table, ...]:
        """All tables."""
        known = (self.studies, self.arms, *self.outcomes, self.published, self.facts, *self.optional.values(), *self.others)
        return tuple(table for table in known if table is not None)


class _Guesses:
    """The nearest known key, only for the first wrong keys: thousands of wrong keys are not slips."""

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
    """Keys of unreadable rows: rows that they name are not missing."""
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
            _at(
                findings.breaks_rule,
                tables.arms,
                row,
                "study_id",
                f"is not in {tables.studies.file}",
                f"Write {near!r} if that is meant, or add the study" if near else "Add the study",
            )
    if tables.arms.complete:
        used = {row.values["study_id"] for row in tables.arms.rows} | _unread(tables.arms)
        for row in tables.studies.rows:
            if row.values["study_id"] not in used and row.values["study_id"] is not None:
                _at(
                    findings.notice,
                    tables.studies,
                    row,
                    "study_id",
                    f"has no arm in {tables.arms.file}",
                    "Add its arms, or delete the study",
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
                fix = f"Write {near!r} if that is meant" if near else f"Write one of {listing(sorted(arms[study]))}"
            else:
                column, wrong = "study_id", f"is not in {tables.arms.file}"
                near = guesses.nearest(study, arms)
                fix = f"Write {near!r} if that is meant, or add the arm" if near else "Add the study and its arm"
            _at(findings.breaks_rule, table, row, column, wrong, fix)


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
                _at(
                    findings.breaks_rule,
                    table,
                    row,
                    "total",
                    f"is more than the {size} patients of the arm",
                    f"Check it, the unit, and n in {tables.arms.file}",
                )


def _outcomes_nest(tables: Tables, findings: Findings) -> None:
    """Complete responders are responders, and responders have disease control, where the denominators agree."""
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
                _at(
                    findings.breaks_rule,
                    table,
                    row,
                    "events",
                    f"is more than the {most} of {wider.file} line {other.line}, which include them",
                    "Check both counts against the source",
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
        modality: name for name, members in tables.arms.contract.extra.get("modality_classes", {}).items() for modality in members
    }
    first: dict[str, tuple[str, int]] = {}
    for row in tables.arms.rows:
        modality, given = row.values["modality"], row.values["modality_class"]
        if modality is None or given is None or {"modality", "modality_class"} & row.bad:
            continue
        expected, where = first.setdefault(modality, (stated.get(modality, given), row.line))
        if given != expected:
            because = "" if modality in stated else f", as on line {where}"
            _at(
                findings.breaks_rule,
                tables.arms,
                row,
                "modality_class",
                f"is not the class of {visible(modality)}{because}",
                f"Write {expected!r}, or correct the modality",
            )


def _alike_names(tables: Tables, findings: Findings) -> None:
    """Names that look the same are the same: otherwise their arms would be pooled separately without a visible reason."""
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
                _at(
                    findings.breaks_rule,
                    tables.arms,
                    row,
                    name,
                    f"differs from {visible(other)} on line {line} only by case, spaces or the form of a letter",
                    f"Write {other!r} if that is meant, or choose a clearly different name",
                )


def _shared_identifiers(tables: Tables, findings: Findings) -> None:
    """The same DOI or PMID in two studies is a duplicate report or a mistake."""
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
                _at(
                    findings.notice,
                    tables.studies,
                    row,
                    name,
                    f"is also the {name} of {visible(other.values['study_id'])} on line {other.line}",
                    "Check that the two are different reports; give them one overlap_group if they share patients",
                )


def _facts_are_of_studies(tables: Tables, findings: Findings) -> None:
    """Facts of design are about a study of the tables, and do not contradict what is known of it."""
    if tables.facts is None or tables.studies is None or not tables.studies.complete:
        return
    studies = {row.values["study_id"]: row for row in tables.studies.rows}
    unread, guesses = _unread(tables.studies), _Guesses()
    for row in tables.facts.rows:
        study = row.values["study_id"]
        if study is None or study in unread:
            continue
        if study not in studies:
            near = guesses.nearest(study, (str(name) for name in studies if name))
            fix = f"Write {near!r} if that is meant, or add the study" if near else "Add the study"
            _at(findings.breaks_rule, tables.facts, row, "study_id", f"is not in {tables.studies.file}", fix)
            continue
        other = studies[study]
        for name, theirs in (("enrolment_start", "enrol_start"), ("enrolment_end", "enrol_end")):
            given, year = str(row.values.get(name) or "")[:4], other.values.get(theirs)
            if given.isdecimal() and year is not None and int(given) != year:
                wrong = f"is another year than the {year} of {tables.studies.file} line {other.line}"
                _at(findings.notice, tables.facts, row, name, wrong, "Check both against the source")
        said, design = str(row.values.get("prospective") or "").split(" ")[0], other.values.get("design")
        if (said, design in _PROSPECTIVE) in (("yes", False), ("no", True)) and design:
            wrong = f"does not agree with the design {visible(design)} of {tables.studies.file} line {other.line}"
            _at(findings.notice, tables.facts, row, "prospective", wrong, "Check both against the source")


def _published(tables: Tables, findings: Findings) -> None:
    """A published interval contains its estimate."""
    if tables.published is None:
        return
    for row in tables.published.rows:
        estimate, lower, upper = (row.values.get(name) for name in ("estimate", "ci_lower", "ci_upper"))
        if estimate is None:
            continue
        if (lower is not None and estimate < lower) or (upper is not None and estimate > upper):
            _at(
                findings.breaks_rule,
                tables.published,
                row,
                "estimate",
                f"lies outside its interval {row.text['ci_lower']} to {row.text['ci_upper']}",
                "Check the three numbers against the review",
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
    _facts_are_of_studies,
    _published,
    check_search,
    check_bias,
    check_certainty,
)
