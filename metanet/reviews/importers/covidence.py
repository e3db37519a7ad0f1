"""Covidence's extraction table to counts of study arms."""

from __future__ import annotations

import html
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from metanet.base.untrusted import counted, listing, visible
from metanet.reviews.importers.arm_counts import columns_of, counts_of, is_column
from metanet.reviews.importers.columns import Columns
from metanet.reviews.importers.excel import read_sheets
from metanet.reviews.importers.extracted_counts import SPACES, Found, Request
from metanet.reviews.importers.kinds import is_of, kind_of
from metanet.reviews.importers.registry import importer
from metanet.reviews.importers.tabular import Line, Lines, read_lines
from metanet.reviews.importers.workbook import lines_of_sheets

#: The columns that every extraction has, and their fields; the others belong to the form of the review team.
_COLUMNS = {"Study ID": "study", "Title": "title"}
_NUMBER, _REVIEWER, _CONSENSUS = "Covidence #", "Reviewer Name", "consensus"
#: A tag of HTML; "<5" and "< 0.05" are none.
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
#: Studies that a message names.
_MOST_NAMED = 50


@importer(
    "covidence",
    title="Covidence",
    suffixes=(".csv", ".xlsx"),
    file="the table that Covidence exports under Extraction",
    maps_columns=True,
    has_sheets=True,
)
def read_covidence(data: bytes, file: str, request: Request) -> Found:
    """An extraction that Covidence exports: of each study the consensus, or its only extraction."""
    found = Found(file, f"Covidence extraction {file}")
    known = (*_COLUMNS, _NUMBER, _REVIEWER)
    if not is_of(data, ("excel",), "an extraction of Covidence", file, found.findings, text=True):
        return found
    if kind_of(data) is None:
        lines = read_lines(data, file, known, found.findings)
    else:
        sheets = read_sheets(data, found)
        lines = None if sheets is None else lines_of_sheets(sheets, request, found, is_column(request, known))
    if lines is None:
        return found
    if "Study ID" not in lines.columns and "study" not in request.columns.values():
        found.refuse(
            "has no column 'Study ID', which Covidence writes",
            "Give the table that Covidence exports under Extraction, or import it as csv",
            row=lines.header_line,
        )
        return found
    columns = columns_of(lines, request, found, _COLUMNS, hidden=(_NUMBER, _REVIEWER))
    if columns is not None:
        rows = [replace(line, cells={name: _plain(text) for name, text in line.cells.items()}) for line in lines.rows]
        lines = replace(lines, rows=tuple(rows))
        counts_of(_told_apart(_agreed(lines, columns, found), columns, found), columns, request, found)
    return found


def _plain(text: str) -> str:
    """A cell of a form without the HTML and the line ends that its editor writes."""
    if "<" in text:
        text = _TAG.sub(" ", text)
    if "&" in text:
        text = html.unescape(text)
    return SPACES.sub(" ", text).strip() if " " in text or "\n" in text or "\u00a0" in text else text


def _agreed(lines: Lines, columns: Columns, found: Found) -> list[Line]:
    """Of each study the consensus, or its only extraction."""
    numbered = [replace(line, locator=f"Covidence {number}") if (number := line.cells.get(_NUMBER)) else line for line in lines.rows]
    if _REVIEWER not in lines.columns:
        return numbered
    by_study: dict[str, list[Line]] = defaultdict(list)
    study = columns.fields.get("study", _NUMBER)
    key = _NUMBER if _NUMBER in lines.columns else study
    for line in numbered:
        by_study[line.cells.get(key, "")].append(line)
    kept: list[Line] = []
    others = 0
    replaced: dict[str, None] = {}
    for rows in by_study.values():
        agreed = [line for line in rows if line.cells[_REVIEWER].strip().casefold() == _CONSENSUS]
        readers = {line.cells[_REVIEWER] for line in rows}
        if agreed:
            kept += [replace(line, agreed=True) for line in agreed]
            if len(agreed) < len(rows):
                others += len(rows) - len(agreed)
                replaced[rows[0].cells.get(study, "")] = None
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
        found.left_out.append(
            f"{counted(others, 'row')} of single readers, replaced by their consensus: {listing(replaced, _MOST_NAMED)}"
        )
    return sorted(kept, key=lambda line: line.number)


def _told_apart(rows: Sequence[Line], columns: Columns, found: Found) -> list[Line]:
    """Studies of one name and several Covidence numbers: each but the first has its number in its name."""
    study = columns.fields.get("study")
    first: dict[str, str] = {}
    renamed: dict[str, None] = {}
    told: list[Line] = []
    for line in rows:
        name, number = line.cells.get(study or "", ""), line.cells.get(_NUMBER, "").lstrip("#").strip()
        if study and name and number and first.setdefault(name, number) != number:
            own = f"{name} (#{number})"
            renamed[own] = None
            line = replace(line, cells={**line.cells, study: own})
        told.append(line)
    if renamed:
        found.notes.append(
            f"{counted(len(renamed), 'study', 'studies')} with the Study ID of another, told apart by the Covidence number: "
            f"{listing(renamed, _MOST_NAMED)}."
        )
    return told
