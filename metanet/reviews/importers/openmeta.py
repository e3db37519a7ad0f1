"""The CSV of OpenMeta[Analyst] to counts of study arms."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from metanet.base.untrusted import counted, listing, visible
from metanet.reviews.importers.arm_counts import columns_of, counts_of
from metanet.reviews.importers.extracted_counts import Found, Request
from metanet.reviews.importers.kinds import is_of
from metanet.reviews.importers.registry import importer
from metanet.reviews.importers.tabular import Lines, read_lines

#: Columns of a group: its name, and what is counted.
_GROUP = re.compile(r"(?P<group>.*?)[\s:_-]*#\s*(?P<what>evts?|events?|total|n)", re.IGNORECASE)
_STUDY = re.compile(r"(?:study(?:[ _]?names?)?|studies)", re.IGNORECASE)
_INCLUDE = re.compile(r"included?\??", re.IGNORECASE)
_NO = frozenset({"0", "0.0", "false", "no", "n", "f"})


@importer(
    "openmeta",
    title="OpenMeta",
    suffixes=(".csv",),
    file="the table of binary outcomes that OpenMeta[Analyst] exports",
    maps_columns=True,
)
def read_openmeta(data: bytes, file: str, request: Request) -> Found:
    """A table of one or two groups; the groups are the treatments, and studies that are switched off are left out."""
    found = Found(file, f"OpenMeta table {file}")
    if not is_of(data, (), "a table of OpenMeta", file, found.findings, text=True):
        return found
    lines = read_lines(data, file, tuple(request.columns), found.findings)
    if lines is None:
        return found
    known, treatments = _known(lines.columns)
    if not treatments and "events" not in request.columns.values():
        found.refuse(
            "has no columns such as 'tx A #evts' and 'tx A #total', which OpenMeta writes",
            "Export the table of a binary outcome, or import it as csv",
            row=lines.header_line,
        )
        return found
    request = replace(request, constants={**treatments, **request.constants})
    include = next((name for name in lines.columns if _INCLUDE.fullmatch(name)), None)
    columns = columns_of(lines, request, found, known, hidden=() if include is None else (include,))
    if columns is not None:
        lines = _switched_on(lines, include, columns.fields.get("study", ""), found)
        counts_of(lines.rows, columns, request, found)
    return found


def _known(names: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The fields of the columns, and the treatment of each group."""
    known: dict[str, str] = {}
    groups: dict[str, str] = {}
    treatments: dict[str, str] = {}
    for name in names:
        if _STUDY.fullmatch(name):
            known.setdefault(name, "study")
        elif (found := _GROUP.fullmatch(name)) is not None and len(groups) < 2 + (found["group"] in groups):
            suffix = groups.setdefault(found["group"], "_control" if groups else "")
            known[name] = ("total" if found["what"].casefold() in ("total", "n") else "events") + suffix
            if found["group"]:
                treatments[f"modality{suffix}"] = found["group"]
    return known, treatments


def _switched_on(lines: Lines, include: str | None, study: str, found: Found) -> Lines:
    """The rows of the studies that are included."""
    if include is None:
        return lines
    off = [line for line in lines.rows if line.cells[include].strip().casefold() in _NO]
    if off:
        names = listing((f"line {line.number} ({visible(line.cells.get(study, ''))})" for line in off), 200)
        found.left_out.append(f"{counted(len(off), 'row')} that OpenMeta does not include: {names}")
    return replace(lines, rows=tuple(line for line in lines.rows if line not in off))
