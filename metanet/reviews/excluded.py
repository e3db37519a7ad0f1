"""The excluded studies of an imported file, into excluded.csv of a review."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from metanet.base.untrusted import counted
from metanet.evidence.checks.check import Reading
from metanet.evidence.reading.cells import Table
from metanet.evidence.search.tables import EXCLUDED, UNFILLED
from metanet.reviews.importers.extracted_counts import Found, Place, cell
from metanet.reviews.merge import Merged, new_draft, open_draft

#: What the table says where the file gives no reason.
NO_REASON = "no reason given"


def take_excluded(folder: Path, reading: Reading, found: Found, merged: Merged) -> None:
    """Append the excluded studies that the table does not have; a flow that is filled is not contradicted."""
    rows = found.beside.get("excluded", ())
    contract = next(iter(reading.contract.of_role("excluded")), None) if reading.contract is not None else None
    if not rows or contract is None:
        return
    flow = _there(reading, "search_flow")
    if flow is not None and any(row.values.get("n") not in (None, *UNFILLED) for row in flow.rows):
        found.notes.append(
            f"The flow of the review has its numbers, so {counted(len(rows), 'excluded study', 'excluded studies')} "
            f"of the file did not go into {EXCLUDED}. Take from imported/ those that it counts."
        )
        return
    there = _there(reading, "excluded")
    known = set() if there is None else {_plain(str(row.values.get("citation") or "")) for row in there.rows}
    new = [_row(row, contract.column_names) for row in rows]
    new = [row for row in {_plain(row["citation"]): row for row in new}.values() if _plain(row["citation"]) not in known]
    if not new:
        return
    place = folder / contract.file
    draft = open_draft(place, contract, found.findings) if place.is_file() else new_draft(contract.file, contract.column_names)
    if draft is not None:
        draft.add([(row, Place(0, {})) for row in new])
        merged.drafts[contract.file] = draft
        merged.added[contract.file] = len(new)


def _there(reading: Reading, role: str) -> Table | None:
    """The table of the review that has a role."""
    tables = () if reading.tables is None else reading.tables.every()
    return next((table for table in tables if table.contract.role == role), None)


def _row(row: Mapping[str, str], columns: tuple[str, ...]) -> dict[str, str]:
    """A row of the table; an identifier that is none stays in the file beside the tables."""
    doi = re.search(r"10\.\d{4,9}/\S+", row.get("doi", ""))
    pmid = row.get("pmid", "").strip()
    found = {
        "citation": row.get("citation") or row["study"],
        "doi": "" if doi is None else doi[0],
        "pmid": pmid if re.fullmatch(r"[1-9]\d{0,8}", pmid) else "",
        "stage": row.get("stage", ""),
        "reason": row.get("reason") or NO_REASON,
    }
    return {name: cell(" ".join(text.split())) for name, text in found.items() if name in columns}


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()
