"""Rules within one table: between its rows and between the cells of a row.

A value that could not be read is passed over here, because it has its own fault already.
"""

from __future__ import annotations

import datetime
from typing import Any

from metanet.evidence.cells import Table
from metanet.evidence.findings import Findings

# Shares of groups are printed rounded; three of them may add up to a little more than 100.
ROUNDING = 1.0
_YEAR_COLUMNS = ("year", "enrol_start", "enrol_end")


def check_table(table: Table, findings: Findings) -> None:
    """Apply every rule within a table to `table`."""
    _unique(table, findings)
    if table.contract.role == "studies":
        _years(table, findings)
    _shares(table, findings)
    if table.contract.role == "outcome":
        _counts(table, findings)
        _derivations(table, findings)
        _unit_and_poolable(table, findings)


def _unique(table: Table, findings: Findings) -> None:
    """A primary key stands once, a column declared unique holds each value once, and no row is there twice."""
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
                    "Keep one of the two rows, or tell them apart by their arm" if len(key) > 1 else "Keep one of them",
                    row=row.line,
                    column=key[-1] if len(key) == 1 else "+".join(key) if len(key) < 6 else None,
                    value=" | ".join(row.text[name] for name in key[:4]),
                )
            else:
                first[value] = row.line


def _years(table: Table, findings: Findings) -> None:
    """No year lies in the future, and enrolment begins before it ends and ends before the report is printed."""
    latest = datetime.date.today().year + 1
    for row in table.rows:
        year, start, end = (row.values.get(name) for name in _YEAR_COLUMNS)
        for name in _YEAR_COLUMNS:
            value = row.values.get(name)
            if value is not None and value > latest:
                findings.breaks_rule(
                    table.file, "lies in the future", "Check the year", row=row.line, column=name, value=row.text[name]
                )
        if start is not None and end is not None and start > end:
            findings.breaks_rule(
                table.file,
                f"is later than enrol_end {end}",
                "Check both years",
                row=row.line,
                column="enrol_start",
                value=row.text["enrol_start"],
            )
        for name, value in (("enrol_start", start), ("enrol_end", end)):
            # A report can be dated a year before its issue is printed.
            if year is not None and value is not None and value > year + 1:
                findings.breaks_rule(
                    table.file,
                    f"is later than the year of the report {year}",
                    "Check both years",
                    row=row.line,
                    column=name,
                    value=row.text[name],
                )


def _shares(table: Table, findings: Findings) -> None:
    """Shares that divide the patients of an arm do not add up to more than all of them."""
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
    """No more events than were assessed, and somebody was assessed."""
    for row in table.rows:
        events, total = row.values.get("events"), row.values.get("total")
        for name, value, least in (("events", events, 0), ("total", total, 1)):
            # The curated contract says so too; one of the user's own may not.
            if value is not None and value < least and name not in row.bad:
                findings.breaks_rule(
                    table.file,
                    f"is below {least}",
                    "Check the count against the source",
                    row=row.line,
                    column=name,
                    value=row.text[name],
                )
        if events is not None and total is not None and events > total:
            findings.breaks_rule(
                table.file,
                f"is more than the total {total}",
                "Check both counts against the source",
                row=row.line,
                column="events",
                value=row.text["events"],
            )


def _derivations(table: Table, findings: Findings) -> None:
    """A derived count says how, and a printed one has nothing to explain."""
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
            findings.breaks_rule(
                table.file,
                "is false though there is a derivation",
                "Write true, or empty the derivation",
                row=row.line,
                column="derived",
                value=row.text["derived"],
            )


def _unit_and_poolable(table: Table, findings: Findings) -> None:
    """A pooled rate is about patients; lesions of one patient are not independent."""
    for row in table.rows:
        if row.values.get("poolable") is True and row.values.get("unit") == "lesions":
            findings.notice(
                table.file,
                "counts lesions and is marked poolable",
                "Check that the pooled rate may count lesions",
                row=row.line,
                column="unit",
                value=row.text["unit"],
            )
