"""The rules for certainty.csv: bodies of evidence that exist, ratings that a domain can have, and levels that add up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from metanet.base.errors import nearest
from metanet.base.untrusted import listing, visible
from metanet.evidence.findings import Findings
from metanet.evidence.grade import DOMAINS, FIVE, LEVELS, OVERALL, START, STEPS, level_of, ratings_allowed, sides, start_of
from metanet.evidence.reading.cells import Row, Table

if TYPE_CHECKING:
    from metanet.evidence.checks.rules import Tables

#: Tools whose judgements let a contrast start high.
_ROBINS = ("robins_i", "robins_i_v2")
_BODY = ("outcome", "modality", "definition", "question")


def check_certainty(tables: Tables, findings: Findings) -> None:
    """Apply every rule to the table of ratings, where there is one."""
    table = tables.optional.get("certainty")
    if table is None:
        return
    for row in table.rows:
        _rating(table, row, findings)
        _subject(table, row, tables, findings)
    _starts(table, tables, findings)
    _sums(table, tables, findings)


def _rating(table: Table, row: Row, findings: Findings) -> None:
    """The rating is one that the domain can have, and a reason that says something stands beside it."""
    domain, rating = row.values.get("domain"), row.values.get("rating")
    if domain is None or rating is None or row.bad & {"domain", "rating"} or rating in ratings_allowed(domain):
        return
    words = f"{domain} is rated {listing(ratings_allowed(domain), 9)}"
    if rating == "extremely_serious":
        words = f"three levels can be lost in risk_of_bias and imprecision alone; {words}"
    _tell(findings, table, row, "rating", f"is no rating of {domain}", f"Write one of them: {words}")


def _subject(table: Table, row: Row, tables: Tables, findings: Findings) -> None:
    """Outcome, definition and treatments are those of the other tables."""
    outcome, modality, definition = (row.values.get(name) for name in ("outcome", "modality", "definition"))
    contracts = {each.contract.outcome: each for each in tables.outcomes if each.contract.outcome}
    if outcome is not None and contracts and outcome not in contracts:
        near = nearest(outcome, contracts)
        words = f"Write {near!r} if that is meant; the" if near else "The"
        _tell(findings, table, row, "outcome", "is not an outcome of these tables", f"{words} outcomes are {listing(contracts, 20)}")
    about = contracts.get(outcome) if outcome is not None else None
    if definition is not None and about is not None:
        titles = about.contract.as_outcome().titles
        if definition not in titles:
            fix = f"Write one of {listing(sorted(titles), 20)}" if titles else "Leave it empty: the outcome has one definition"
            _tell(findings, table, row, "definition", f"is not a definition of {outcome}", fix)
    if modality is None or tables.arms is None or not tables.arms.complete:
        return
    known = {str(arm.values.get(name)) for arm in tables.arms.rows for name in ("modality", "modality_class") if arm.values.get(name)}
    wanted = 2 if row.values.get("question") == "contrast" else 1
    found = sides(modality)
    if row.values.get("question") is not None and len(found) != wanted:
        wrong = "names one treatment, and a contrast has two" if wanted == 2 else "names two treatments, and a rate has one"
        fix = "Write them as 'TACE versus PRRT'" if wanted == 2 else "Write question contrast, or one modality"
        _tell(findings, table, row, "modality", wrong, fix)
        return
    for side in found:
        if side not in known:
            near = nearest(side, known)
            words = f"Write {near!r} if that is meant; the" if near else "The"
            fix = f"{words} modalities are {listing(sorted(known), 20)}"
            _tell(findings, table, row, "modality", f"names {visible(side)}, which no arm has", fix)


def _starts(table: Table, tables: Tables, findings: Findings) -> None:
    """A rate starts high and says no start; a contrast starts high only with judgements by ROBINS-I."""
    judged = tables.optional.get("risk_of_bias")
    used = set() if judged is None else {row.values.get("tool") for row in judged.rows}
    for row in table.rows:
        if row.values.get("domain") != START:
            continue
        if row.values.get("question") == "rate":
            wrong = "gives a start to a question that always starts high (doi:10.1136/bmj.h870)"
            _tell(findings, table, row, "domain", wrong, "Take the row out")
        elif row.values.get("rating") == "high" and not used & set(_ROBINS):
            wrong = "lets a contrast start high, and risk_of_bias.csv has no judgements by ROBINS-I"
            _tell(findings, table, row, "rating", wrong, "Add the judgements (tool robins_i or robins_i_v2), or let it start low")


def _sums(table: Table, tables: Tables, findings: Findings) -> None:
    """A level that people wrote is the one that their ratings give."""
    for (_, _, _, question), rows in _bodies(table, tables).items():
        _once(table, rows, findings)
        _sum(table, question, rows, findings)


def _bodies(table: Table, tables: Tables) -> dict[tuple[Any, ...], list[Row]]:
    """The rows of each body of evidence; an empty definition stands for the default one."""
    default = {each.contract.outcome: each.contract.default_family for each in tables.outcomes}
    bodies: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in table.rows:
        if not row.bad & {*_BODY, "domain", "rating"}:
            outcome, modality, definition, question = (row.values.get(name) for name in _BODY)
            bodies[(outcome, modality, definition or default.get(str(outcome), ""), question)].append(row)
    return bodies


def _once(table: Table, rows: list[Row], findings: Findings) -> None:
    """No domain is rated under an empty definition and again under the default one, which would count twice."""
    first: dict[Any, Row] = {}
    for row in rows:
        other = first.setdefault(row.values.get("domain"), row)
        if (other.values.get("definition") or "") != (row.values.get("definition") or ""):
            wrong = f"rates {visible(row.values.get('domain'))} again, after line {other.line}: an empty definition is the default one"
            _tell(findings, table, row, "domain", wrong, "Keep one of the two rows")


def _sum(table: Table, question: object, rows: list[Row], findings: Findings) -> None:
    """A level that people wrote is the one that the ratings of one body of evidence give."""
    stated = [row for row in rows if row.values.get("domain") == OVERALL]
    values: list[Mapping[str, Any]] = [row.values for row in rows]
    if not stated or question is None or not all(_sound(each) for each in values):
        return
    row = stated[0]
    missing = [domain for domain in FIVE if domain not in {each["domain"] for each in values}]
    if missing:
        wrong = f"states a level, and {listing(missing)} {'is' if len(missing) == 1 else 'are'} not rated"
        _tell(findings, table, row, "rating", wrong, "Add the missing ratings; without a concern they are not_serious")
        return
    start = start_of(str(question), values)
    level = level_of(start, values)
    if row.values["rating"] != level:
        moved = [f"{STEPS[str(v['rating'])]:+d} {v['domain']}" for v in values if v["domain"] in DOMAINS and STEPS[str(v["rating"])]]
        sum_of = f"start {start}" + (f", {listing(moved, 9)}" if moved else "")
        wrong = f"is {LEVELS[str(row.values['rating'])]}, and the ratings give {LEVELS[level]} ({sum_of})"
        _tell(findings, table, row, "rating", wrong, f"Write {level}, or change a rating")


def _sound(values: Mapping[str, Any]) -> bool:
    return values.get("rating") in ratings_allowed(str(values.get("domain")))


def _tell(findings: Findings, table: Table, row: Row, column: str, wrong: str, fix: str) -> None:
    findings.breaks_rule(table.file, wrong, fix, row=row.line, column=column, value=row.text.get(column, ""))
