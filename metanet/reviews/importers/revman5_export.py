"""The CSV that RevMan 5 writes under "Export analysis data": comparisons, outcomes, subgroups and studies in one table."""

from __future__ import annotations

from metanet.reviews.importers.extracted_counts import Found, Place, name_fault
from metanet.reviews.importers.labels import plain_text
from metanet.reviews.importers.tabular import Line, read_lines
from metanet.reviews.importers.two_groups import DICHOTOMOUS, Analysis, GroupRow
from metanet.reviews.names import year_of

_NUMBERS = {"events_1": "Events 1", "total_1": "Total 1", "events_2": "Events 2", "total_2": "Total 2"}
_PLACE = {**_NUMBERS, "study": "Name", "year": "Year of study"}
_LEVELS = ("Comparison Number", "Outcome Number", "Subgroup Number")
_NEEDED = (*_LEVELS, "Name", "Data Type", *_NUMBERS.values())
_KINDS = {
    "DIC": DICHOTOMOUS,
    "CON": "continuous",
    "IV": "generic inverse variance",
    "O-E": "O-E and variance",
    "IPD": "O-E and variance",
}


def is_export(data: bytes) -> bool:
    """Whether a file begins with the columns of this export."""
    head = data[:4096].decode("utf-8-sig", "replace").splitlines()[:1]
    return bool(head) and all(name in head[0] for name in _LEVELS)


def read_export(data: bytes, file: str, found: Found) -> list[Analysis]:
    """The analyses of the table; faults are in the findings."""
    lines = read_lines(data, file, _NEEDED, found.findings)
    if lines is None:
        return []
    for name in _NEEDED:
        if name not in lines.columns:
            found.refuse("is not among the column names", "Export the analysis data of RevMan 5 with all fields", value=name)
    analyses: list[Analysis] = []
    comparison, subgroup = "", ""
    for line in () if found.findings.faults else lines.rows:
        numbers = tuple(line.cells.get(name, "").strip() or "0" for name in _LEVELS)
        name = plain_text(line.cells["Name"])
        kind = line.cells["Data Type"].strip()
        if numbers[1] == "0":
            comparison = name
        elif kind and (not analyses or analyses[-1].number != ".".join(numbers[:2])):
            analyses.append(_analysis(line, ".".join(numbers[:2]), name, comparison, kind))
            subgroup = ""
        elif kind or not any(line.cells.get(column, "").strip() for column in _NUMBERS.values()):
            # A heading of a subgroup: with results of its own, or with nothing in it.
            subgroup = name
            if analyses:
                analyses[-1].stated_subgroups[name] = line.cells
                if not analyses[-1].totals and line.cells.get("Effect Estimate", "").strip():
                    # Totals of the subgroups alone.
                    analyses[-1].totals = "SUB"
        elif analyses:
            if (fault := name_fault(name)) is not None:
                found.refuse(*fault, row=line.number, column="Name", value=name)
                continue
            texts = {ours: line.cells.get(theirs, "") for ours, theirs in _NUMBERS.items()}
            year = year_of(line.cells.get("Year of study", "")) or year_of(name)
            within = subgroup if numbers[2] != "0" else ""
            analyses[-1].rows.append(GroupRow(Place(line.number, _PLACE), name, within, texts, {"year": year}, line.cells))
    return analyses


def _analysis(line: Line, number: str, name: str, comparison: str, kind: str) -> Analysis:
    cells = line.cells
    labels = (cells.get("Group Label 1") or "Experimental", cells.get("Group Label 2") or "Control")
    # Without an overall estimate the subgroups were not added up.
    totals = "YES" if cells.get("Effect Estimate", "").strip() or cells.get("Weight", "").strip() else ""
    return Analysis(number, name, comparison, _KINDS.get(kind, kind), labels, line.number, totals=totals, stated=cells)
