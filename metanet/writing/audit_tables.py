"""The tables of an audit of the counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from metanet.base.arguments import checked, choice
from metanet.base.display import plural
from metanet.evidence.proof.audit_result import REACH, Audit
from metanet.writing.table.table import Cell, Column, Table, count_cell, made, rate_cell, share_cell, text_cell

_STUDY, _OUTCOME, _COUNT = (
    Column("Study", ("study",)),
    Column("Outcome", ("outcome",)),
    Column("Events/total", ("events", "total"), "count"),
)


def _counts(audit: Audit) -> Table:
    """The counts by outcome: what they rest on, and the proved ones of those from percentages."""
    figures, derived, percentages = "With printed figures", "Without printed figures", "From percentages"
    columns = [
        _OUTCOME,
        Column("Counts", ("rows",), "count"),
        Column("Printed as such", ("as_printed",), "count"),
        Column("One count fits", ("one",), "count", figures),
        Column("Several fit", ("several",), "count", figures),
        Column("Do not fit", ("unfit",), "count", figures),
        Column("From a percentage", ("percentage",), "count", derived),
        Column("From words or counts", ("otherwise",), "count", derived),
        Column("Not recorded", ("unrecorded",), "count"),
        Column("All", ("from_percentages",), "count", percentages),
        Column("Proved", ("proved",), "count", percentages),
        Column("Proved, %", ("share_proved",), "rate", percentages),
    ]
    if not audit.total["unrecorded"]:
        columns = [column for column in columns if column.names != ("unrecorded",)]

    def cells(row: dict[Any, Any]) -> list[Cell]:
        share = row["proved"] / row["from_percentages"] if row["from_percentages"] else None
        shown = {"outcome": text_cell(row["outcome"]), "share_proved": rate_cell(share)}
        return [shown[name] if name in shown else count_cell(row[name]) for column in columns for name in column.names]

    rows = [cells(row) for row in audit.counts.to_dict("records")]
    whole = [cell.text for cell in cells({"outcome": "All", **audit.total})]
    foot = [
        "Printed as such: the source prints the count itself. One count fits: no other whole number fits the printed figures, so that "
        "the count is proved. Several fit: the count is one of those that fit.",
        "From percentages: the derivation or the printed figures have a percentage.",
    ]
    return made("Counts by outcome", "The tables have no counts.", columns, rows, foot, closing=[whole] if rows else ())


def _listed(audit: Audit, part: str, title: str, empty: str, last: tuple[Column, ...]) -> Table:
    """Rows of studies: study, outcome, the count, and further columns of text."""
    frame = getattr(audit, part)
    rows = [
        [
            text_cell(row["study"]),
            text_cell(row["outcome"]),
            share_cell(row["events"], row["total"]),
            *(text_cell(row[column.names[0]]) for column in last),
        ]
        for row in frame.to_dict("records")
    ]
    groups: tuple[str, ...] = ()
    if part == "unproved":
        groups = tuple("From a percentage" if each else "From words or counts" for each in frame["from_percentage"])
    return made(title.format(plural(len(rows), "count")), empty, [_STUDY, _OUTCOME, _COUNT, *last], rows, groups=groups)


def _open(audit: Audit) -> Table:
    last = (Column("Printed", ("printed",)), Column("Counts that fit", ("fits",)))
    return _listed(audit, "open", "{} whose printed figures fit other counts as well", "No printed figures fit several counts.", last)


def _unfit(audit: Audit) -> Table:
    last = (Column("Printed", ("printed",)), Column("What does not fit", ("why",)))
    return _listed(audit, "unfit", "{} whose printed figures do not fit, or cannot be read", "No printed figures are at odds.", last)


def _unproved(audit: Audit) -> Table:
    last = (Column("Derivation", ("derivation",)),)
    return _listed(audit, "unproved", "{} derived without printed figures", "No count is derived without printed figures.", last)


def _zeros(audit: Audit) -> Table:
    last = (Column("Derivation", ("derivation",)),)
    return _listed(audit, "zeros", "{} of 0 derived without a word that nobody had the outcome", "No such count.", last)


_NOTICED = Column("Noticed, %", ("noticed",), "rate")
_WRONG = f"Noticed: the share of the denominators wrong by 1 to {REACH} with which no whole number fits the printed percentages."
_PERCENTAGES = "No count has a printed percentage."


def _denominators(audit: Audit) -> Table:
    rows = [
        [text_cell(row["outcome"]), count_cell(row["rows"]), rate_cell(row["noticed"], 0)]
        for row in audit.denominators.to_dict("records")
    ]
    whole = ["All", f"{audit.denominators['rows'].sum()}", rate_cell(audit.share_noticed, 0).text]
    columns = [_OUTCOME, Column("Counts with percentages", ("rows",), "count"), _NOTICED]
    return made("Wrong denominators, by outcome", _PERCENTAGES, columns, rows, [_WRONG], closing=[whole] if rows else ())


def _decimals(audit: Audit) -> Table:
    rows = [
        [text_cell(row["decimals"]), text_cell(row["size"]), count_cell(row["rows"]), rate_cell(row["noticed"], 0)]
        for row in audit.decimals.to_dict("records")
    ]
    columns = [
        Column("Decimals", ("decimals",)),
        Column("Denominator", ("size",)),
        Column("Counts with percentages", ("rows",), "count"),
        _NOTICED,
    ]
    foot = [_WRONG, "Of a count with several percentages the fewest decimals and the largest denominator."]
    return made("Wrong denominators, by decimals and size", _PERCENTAGES, columns, rows, foot)


def _arms(audit: Audit) -> Table:
    rows = [[text_cell(row[name]) for name in ("study", "totals", "note")] for row in audit.arms.to_dict("records")]
    columns = [_STUDY, Column("Totals", ("totals",)), Column("Notes", ("note",))]
    return made(f"{plural(len(rows), 'arm')} with different totals", "No arm has different totals.", columns, rows)


_PARTS: dict[str, Callable[[Audit], Table]] = {
    "counts": _counts,
    "open": _open,
    "unfit": _unfit,
    "unproved": _unproved,
    "denominators": _denominators,
    "decimals": _decimals,
    "arms": _arms,
    "zeros": _zeros,
}


@checked(part=choice(*_PARTS))
def audit_table(audit: Audit, part: str = "counts") -> Table:
    """One part of an audit as a table.

    Parameters
    ----------
    audit
        The result of `audit`.
    part
        "counts" (what the counts of each outcome rest on), "open" (several counts fit), "unfit" (figures do not fit), "unproved"
        (derived without printed figures), "denominators" and "decimals" (wrong denominators that would have been noticed), "arms"
        (different totals in one arm) or "zeros" (counts of 0 derived without a word that nobody had the outcome).

    Returns
    -------
    Table
        Without rows where there is nothing to list.
    """
    return _PARTS[part](audit)
