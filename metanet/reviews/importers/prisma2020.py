"""The template of the R package PRISMA2020: the numbers of a flow diagram, taken as the table of the flow."""

from __future__ import annotations

from metanet.evidence.reading.cells import type_sheet
from metanet.evidence.reading.text import decode, split
from metanet.evidence.search.checks import check_cells
from metanet.reviews.importers.extracted_counts import Found, Place, Request, cell
from metanet.reviews.importers.kinds import is_of
from metanet.reviews.importers.registry import importer

ROLE = "search_flow"


@importer(
    "prisma2020",
    title="PRISMA2020",
    suffixes=(".csv",),
    file="the numbers of a flow diagram, in the template of the R package PRISMA2020",
    table=ROLE,
)
def read_flow(data: bytes, file: str, request: Request) -> Found:
    """The rows of the template, with all of its columns."""
    found = Found(file, f"PRISMA2020 {file}")
    if not is_of(data, (), "the template of PRISMA2020", file, found.findings, text=True):
        return found
    contract = next(iter(request.contract.of_role(ROLE)), None)
    if contract is None:
        found.refuse("has a flow, and the review has a table of its own under that name", "Rename that table in datapackage.json")
        return found
    text = decode(data, file, found.findings)
    sheet = None if text is None else split(text, file, contract.column_names, found.findings)
    if sheet is None:
        return found
    if sheet.header.cells and not sheet.header.cells[0]:
        # The names of rows that write.csv of R puts first.
        for record in (sheet.header, *sheet.records):
            record.cells = record.cells[1:]
    table = type_sheet(sheet, contract, found.findings)
    check_cells(table, found.findings)
    found.columns = tuple(name for name in sheet.header.cells if name)
    found.rows += [({name: cell(row.text[name]) for name in found.columns}, Place(row.line, {})) for row in table.rows]
    if not found.rows and not found.findings.faults:
        found.refuse("has no rows", "Give the template with its numbers")
    return found
