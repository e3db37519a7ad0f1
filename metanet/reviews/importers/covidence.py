"""Covidence's extraction CSV to counts of study arms."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from metanet.base.untrusted import counted, visible
from metanet.reviews.importers.columns import Columns
from metanet.reviews.importers.extracted_counts import Found, Request
from metanet.reviews.importers.registry import importer
from metanet.reviews.importers.tabular import Line, Lines, columns_of, counts_of, read_lines

#: The columns that every extraction has, and their fields; the others belong to the form of the review team.
_COLUMNS = {"Study ID": "study", "Title": "title"}
_NUMBER, _REVIEWER, _CONSENSUS = "Covidence #", "Reviewer Name", "consensus"


@importer(
    "covidence", title="Covidence", suffixes=(".csv",), file="the CSV that Covidence exports under Extraction", maps_columns=True
)
def read_covidence(data: bytes, file: str, request: Request) -> Found:
    """An extraction that Covidence exports: of each study the consensus, or its only extraction."""
    found = Found(file, f"Covidence extraction {file}")
    lines = read_lines(data, file, (*_COLUMNS, _NUMBER, _REVIEWER), found.findings)
    if lines is None:
        return found
    if "Study ID" not in lines.columns and "study" not in request.columns.values():
        found.refuse(
            "has no column 'Study ID', which Covidence writes",
            "Give the CSV that Covidence exports under Extraction, or import it as csv",
            row=lines.header_line,
        )
        return found
    columns = columns_of(lines, request, found, _COLUMNS, hidden=(_NUMBER, _REVIEWER))
    if columns is not None:
        counts_of(_agreed(lines, columns, found), columns, request, found)
    return found


def _agreed(lines: Lines, columns: Columns, found: Found) -> list[Line]:
    """Of each study the consensus, or its only extraction."""
    numbered = [replace(line, locator=f"Covidence {number}") if (number := line.cells.get(_NUMBER)) else line for line in lines.rows]
    if _REVIEWER not in lines.columns:
        return numbered
    by_study: dict[str, list[Line]] = defaultdict(list)
    key = _NUMBER if _NUMBER in lines.columns else columns.fields.get("study", _NUMBER)
    for line in numbered:
        by_study[line.cells.get(key, "")].append(line)
    kept: list[Line] = []
    others = 0
    for rows in by_study.values():
        agreed = [line for line in rows if line.cells[_REVIEWER].strip().casefold() == _CONSENSUS]
        readers = {line.cells[_REVIEWER] for line in rows}
        if agreed:
            kept += [replace(line, agreed=True) for line in agreed]
            others += len(rows) - len(agreed)
        elif len(readers) > 1:
            found.refuse(
                f"has {counted(len(readers), 'extraction')} and no consensus",
                "Reach a consensus in Covidence and export again",
                row=rows[0].number,
                column=visible(key),
                value=rows[0].cells.get(key, ""),
            )
        else:
            kept += rows
    if others:
        found.left_out.append(f"{counted(others, 'row')} of single readers, replaced by their consensus")
    return sorted(kept, key=lambda line: line.number)
