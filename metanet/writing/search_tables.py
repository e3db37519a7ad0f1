"""The tables of a search: reports that were excluded, by reason, and the searches of each database."""

from __future__ import annotations

from typing import Any

from metanet.base.arguments import checked
from metanet.base.display import plural
from metanet.base.groups import natural
from metanet.base.untrusted import visible
from metanet.evidence.search.identities import folded
from metanet.evidence.search.tables import EXCLUDED, SEARCHES
from metanet.evidence.sources import Tables, evidence_of
from metanet.writing.table.table import Cell, Column, Table, count_cell, made, text_cell

#: Stage of an excluded report -> what a heading calls it, where there are both.
_STAGES = {"full_text": "Databases and registers", "other": "Other methods"}
#: What stands between the lines of a strategy in print.
_LINE = " | "


@checked()
def excluded_table(evidence: Tables) -> Table:
    """The reports that were read in full and excluded, by reason (PRISMA item 16b).

    Parameters
    ----------
    evidence
        Evidence with a table excluded.csv, or the folder of a review.

    Returns
    -------
    Table
        Citation, identifiers and note of each report, under its reason; the most frequent reason first. Without rows where the review
        has no such table.
    """
    rows = [{key: _text(value) for key, value in row.items()} for row in evidence_of(evidence).optional_rows("excluded")]
    stages = {row.get("stage") or "full_text" for row in rows}
    names: dict[tuple[str, str], str] = {}
    counts: dict[tuple[str, str], int] = {}
    for row in rows:
        key = _key(row)
        names.setdefault(key, row["reason"])
        counts[key] = counts.get(key, 0) + 1
    order = list(_STAGES)
    rows.sort(key=lambda row: (order.index(_key(row)[0]), -counts[_key(row)], natural(names[_key(row)]), natural(row["citation"])))

    def heading(row: dict[str, str]) -> str:
        key = _key(row)
        text = f"{names[key]} ({counts[key]})"
        return f"{_STAGES[key[0]]}: {text}" if len(stages) > 1 else text

    columns = [Column("Report", ("citation",)), Column("Identifiers", ("doi", "pmid"))]
    noted = any(row.get("note") for row in rows)
    columns += [Column("Note", ("note",))] if noted else []
    cells = [
        [text_cell(row["citation"]), _identifiers(row), *([text_cell(row.get("note"))] if noted else [])] for row in rows
    ]  # fmt: skip
    return made(
        f"{plural(len(rows), 'report')} excluded",
        f"This review has no list of excluded reports: {EXCLUDED} has no rows.",
        columns,
        cells,
        groups=[heading(row) for row in rows],
    )


def _key(row: dict[str, str]) -> tuple[str, str]:
    return row.get("stage") or "full_text", folded(row["reason"])


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _identifiers(row: dict[str, str]) -> Cell:
    doi, pmid = row.get("doi"), row.get("pmid")
    shown = [f"doi:{doi}"] if doi else []
    shown += [f"PMID {pmid}"] if pmid else []
    return Cell("; ".join(shown), (doi or None, pmid or None))


@checked()
def searches_table(evidence: Tables) -> Table:
    """The searches of databases and registers, as PRISMA-S asks for them (PRISMA items 6 and 7).

    Parameters
    ----------
    evidence
        Evidence with a table searches.csv, or the folder of a review.

    Returns
    -------
    Table
        Database, platform, day, records and strategy of each search. Without rows where the review has no such table.

    References
    ----------
    Rethlefsen et al. (2021), PRISMA-S, doi:10.1186/s13643-020-01542-z.
    """
    rows = evidence_of(evidence).optional_rows("searches")
    columns = [
        Column("Database", ("database",)),
        Column("Platform", ("platform",)),
        Column("Day", ("date",)),
        Column("Records", ("hits",), "count"),
        Column("Strategy", ("strategy",)),
    ]
    cells = [
        [
            text_cell(row["database"]),
            text_cell(row.get("platform")),
            text_cell(row["date"]),
            count_cell(row["hits"]),
            _strategy(_text(row.get("strategy"))),
        ]
        for row in rows
    ]
    filled = [place for place in range(len(columns)) if place in (0, 2, 3) or any(row[place].text for row in cells)]
    total = sum(int(row["hits"]) for row in rows)
    foot = ["A line of a strategy ends at |."] if any(_LINE in row[4].text for row in cells) else []
    missing = [visible(row["database"]) for row in rows if not _text(row.get("strategy")).strip()]
    foot += [f"Without a strategy, which PRISMA-S asks for: {', '.join(dict.fromkeys(missing))}."] if missing else []
    return made(
        f"{plural(len(rows), 'search', 'searches')}: {plural(total, 'record')}",
        f"This review has no table of its searches: {SEARCHES} has no rows.",
        [columns[place] for place in filled],
        [[row[place] for place in filled] for row in cells],
        foot if rows else (),
    )


def _strategy(text: str) -> Cell:
    """A strategy on one line; its value keeps the lines."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return Cell(_LINE.join(lines), (text or None,))
