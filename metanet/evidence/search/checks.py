"""The checks of the tables of a search: cells of the flow, its sums, and its numbers against the other tables."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import TYPE_CHECKING, Any

from metanet.evidence.findings import Findings
from metanet.evidence.reading.cells import Row, Table
from metanet.evidence.search.identities import Beside, Checked, checked_beside, checked_rules
from metanet.evidence.search.numbers import Numbers, read_numbers

if TYPE_CHECKING:
    from metanet.evidence.checks.rules import Tables


def check_cells(table: Table, findings: Findings) -> None:
    """Record every cell of a flow that cannot be read; such a fault stops the loading in any case."""
    if not table.columns:
        return
    missing = [name for name in ("data", "n") if name not in table.columns]
    for name in missing:
        findings.cannot_read(table.file, "the column is missing", "Add it: the flow is read from data and n", row=1, column=name)
    if missing:
        return
    _numbers_of(table, findings)


def _numbers_of(table: Table, findings: Findings) -> Numbers:
    row: list[Row] = []

    def cells() -> Iterator[tuple[str, str]]:
        for each in table.rows:
            row[:] = [each]
            yield str(each.values.get("data") or ""), str(each.values.get("n") or "")

    def refuse(key: str, column: str, wrong: str, fix: str) -> None:
        findings.cannot_read(table.file, wrong, fix, row=row[0].line, column=column, value=row[0].text[column])

    return read_numbers(cells(), refuse)


def check_search(tables: Tables, findings: Findings) -> None:
    """The sums of the flow, its numbers against the other tables, and the days of the searches."""
    if (searches := tables.optional.get("searches")) is not None:
        _days(searches, findings)
    flow = tables.optional.get("search_flow")
    if flow is None or not flow.complete:
        return
    own = Findings()
    numbers = _numbers_of(flow, own)
    # Cells that could not be read have their own fault; sums without them would be wrong for no other reason.
    if own.faults or not numbers:
        return
    places = {str(row.values.get("data")): row for row in flow.rows}
    for each in (*checked_rules(numbers), *checked_beside(numbers, _beside(tables))):
        _record(each, places.get(each.key), flow.file, findings)
    for key, names in numbers.lists.items():
        if any(not name for name, _ in names) and key.endswith("_excluded"):
            row = places[key]
            wrong, fix = "gives no reasons", "Write each reason and its number: PRISMA 2020 asks for them"
            findings.notice(flow.file, wrong, fix, row=row.line, column="n", value=row.text["n"])


def _record(each: Checked, row: Row | None, file: str, findings: Findings) -> None:
    where: dict[str, Any] = {"row": None, "column": None, "value": None}
    if row is not None:
        where = {"row": row.line, "column": "n", "value": row.text["n"]}
    if each.holds is False:
        record = findings.notice if each.notice else findings.breaks_rule
        fix = "Nothing to do if several reports are about one cohort; otherwise correct one of the numbers"
        record(file, each.wrong(), fix if each.notice else "Correct one of the numbers", **where)
    elif each.holds is None and not each.notice:
        wrong = f"{each.called()} is not given, and follows from {each.text}"
        findings.notice(file, wrong, f"Write {each.right:,} if that is right", **where)


def _beside(tables: Tables) -> Beside:
    """What the other tables say, as far as they were read completely."""
    excluded, searches, studies = tables.optional.get("excluded"), tables.optional.get("searches"), tables.studies
    return Beside(
        None if excluded is None or not _whole(excluded, "reason", "stage") else _excluded(row.values for row in excluded.rows),
        None if searches is None or not _whole(searches, "database", "hits") else _searches(row.values for row in searches.rows),
        None if studies is None or not studies.complete else len(studies.rows),
        poolable_studies(row.values for table in tables.outcomes for row in table.rows)
        if tables.outcomes and all(table.complete for table in tables.outcomes)
        else None,
    )


def _whole(table: Table, *columns: str) -> bool:
    return table.complete and not any(row.bad & set(columns) for row in table.rows)


def _excluded(rows: Iterable[Any]) -> tuple[tuple[str, str], ...]:
    return tuple((str(row.get("stage") or ""), str(row.get("reason") or "")) for row in rows)


def _searches(rows: Iterable[Any]) -> tuple[tuple[str, int], ...]:
    return tuple((str(row["database"]), int(row["hits"])) for row in rows)


def poolable_studies(rows: Iterable[Any]) -> int:
    """Studies with at least one row that may be pooled."""
    return len({row["study_id"] for row in rows if row.get("poolable", True) is not False and row.get("events") is not None})


def beside_of(excluded: Sequence[Any], searches: Sequence[Any], studies: Sized, outcomes: Iterable[Any]) -> Beside:
    """The same of the rows of evidence."""
    return Beside(
        _excluded(excluded) if excluded else None, _searches(searches) if searches else None, len(studies), poolable_studies(outcomes)
    )


def _days(table: Table, findings: Findings) -> None:
    """The day of a search exists, and is not to come."""
    today = datetime.date.today() + datetime.timedelta(days=1)
    for row in table.rows:
        text = row.values.get("date")
        if text is None or "date" in row.bad:
            continue
        try:
            day = datetime.date.fromisoformat(text)
        except ValueError:
            wrong, fix = "is no day of the calendar", "Check year, month and day, such as 2025-03-31"
        else:
            if day <= today:
                continue
            wrong, fix = "lies in the future", "Check the day"
        findings.breaks_rule(table.file, wrong, fix, row=row.line, column="date", value=row.text["date"])
