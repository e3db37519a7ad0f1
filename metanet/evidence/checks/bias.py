"""The rules for risk_of_bias.csv: tools, domains and levels that are known, studies that exist, nothing judged twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from metanet.base.errors import nearest
from metanet.base.untrusted import listing, visible
from metanet.evidence.bias.tools import word_fault
from metanet.evidence.findings import Findings
from metanet.evidence.reading.cells import Row, Table

if TYPE_CHECKING:
    from metanet.evidence.checks.rules import Tables

#: What one judgement is about.
SUBJECT = ("study_id", "arm", "outcome", "tool", "domain")


def check_bias(tables: Tables, findings: Findings) -> None:
    """Apply every rule to the table of the risk of bias, where there is one."""
    table = tables.optional.get("risk_of_bias")
    if table is None:
        return
    for row in table.rows:
        _words(table, row, findings)
    _keys(table, tables, findings)
    _once(table, findings)


def _at(record: Callable[..., None], table: Table, row: Row, column: str, wrong: str, fix: str) -> None:
    record(table.file, wrong, fix, row=row.line, column=column, value=row.text.get(column, ""))


def _words(table: Table, row: Row, findings: Findings) -> None:
    """The tool is known, the domain is one of the tool, and the judgement is one of its levels."""
    word, domain, judged = (row.values.get(name) for name in ("tool", "domain", "judgement"))
    fault = None if word is None else word_fault(word, domain, judged)
    if fault is not None:
        _at(findings.breaks_rule, table, row, *fault)


def _keys(table: Table, tables: Tables, findings: Findings) -> None:
    """Study, arm and outcome are those of the other tables."""
    studies, arms = tables.studies, tables.arms
    known = None if studies is None or not studies.complete else {row.values["study_id"] for row in studies.rows}
    pairs = None if arms is None or not arms.complete else {(r.values["study_id"], r.values["arm"]) for r in arms.rows}
    outcomes = [each.contract.outcome for each in tables.outcomes]
    unread = set() if studies is None else studies.unread_words | {r.text["study_id"] for r in studies.rows if "study_id" in r.bad}
    unread |= set() if arms is None else arms.unread_words | {r.text["study_id"] for r in arms.rows if r.bad & {"study_id", "arm"}}
    for row in table.rows:
        study, arm, outcome = (row.values.get(name) for name in ("study_id", "arm", "outcome"))
        if study is None or study in unread:
            continue
        if known is not None and study not in known:
            near = nearest(study, (str(name) for name in known if name))
            fix = f"Write {near!r} if that is meant, or add the study" if near else "Add the study"
            _at(findings.breaks_rule, table, row, "study_id", f"is not in {_file(studies)}", fix)
        elif arm is not None and pairs is not None and (study, arm) not in pairs:
            theirs = sorted(str(name) for each, name in pairs if each == study)
            fix = f"Write one of {listing(theirs)}, or leave it empty for all arms"
            _at(findings.breaks_rule, table, row, "arm", f"is not an arm of {visible(study)} in {_file(arms)}", fix)
        if outcome is not None and outcomes and outcome not in outcomes:
            near = nearest(outcome, outcomes)
            fix = f"Write {near!r} if that is meant, or leave it empty for all outcomes; the outcomes are {listing(outcomes, 20)}"
            fix = fix if near else f"Write one of {listing(outcomes, 20)}, or leave it empty for all outcomes"
            _at(findings.breaks_rule, table, row, "outcome", "is not an outcome of these tables", fix)


def _file(table: Table | None) -> str:
    return "" if table is None else table.file


def _once(table: Table, findings: Findings) -> None:
    """No assessor judges one thing twice, and the assessors agree on one judgement of it."""
    first: dict[tuple[Any, ...], Row] = {}
    agreed: dict[tuple[Any, ...], Row] = {}
    for row in table.rows:
        if row.bad & {*SUBJECT, "assessor", "consensus"} or row.values.get("assessor") is None:
            continue
        subject = tuple(row.values.get(name) for name in SUBJECT)
        consensus = bool(row.values.get("consensus"))
        what = f"{visible(row.values.get('domain'))} of {visible(row.values.get('study_id'))}"
        if consensus:
            other = agreed.setdefault(subject, row)
            if other is not row:
                wrong = f"is a second consensus on {what}, after line {other.line}"
                _at(findings.breaks_rule, table, row, "consensus", wrong, "Keep one of the two rows")
            continue
        other = first.setdefault((*subject, row.values["assessor"]), row)
        if other is not row:
            wrong = f"judges {what} twice, here and on line {other.line}"
            fix = "Keep one of the two rows, or write the arm, the outcome or the other assessor into it"
            _at(findings.breaks_rule, table, row, "assessor", wrong, fix)
