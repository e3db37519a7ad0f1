"""Any CSV, with a mapping of its columns, to counts of study arms."""

from __future__ import annotations

from metanet.reviews.importers.arm_counts import columns_of, counts_of, figures_of, is_column
from metanet.reviews.importers.columns import fields_of
from metanet.reviews.importers.extracted_counts import Found, Request
from metanet.reviews.importers.kinds import is_of
from metanet.reviews.importers.registry import importer
from metanet.reviews.importers.tabular import read_lines


@importer(
    "csv",
    title="Any CSV",
    suffixes=(".csv",),
    file="a table with one row for each arm, or for each study with two groups",
    maps_columns=True,
)
def read_csv(data: bytes, file: str, request: Request) -> Found:
    """Any CSV: every column is a field, or is left out by the caller."""
    found = Found(file, f"table {file}")
    if not is_of(data, (), "a CSV", file, found.findings, text=True):
        return found
    lines = read_lines(
        data, file, (*request.columns, *fields_of(request.contract)), found.findings, is_known=is_column(request), notes=found.notes
    )
    columns = None if lines is None else columns_of(lines, request, found)
    if lines is not None and columns is not None:
        counts_of(lines.rows, columns, request, found, figures_of(lines, columns, found))
    return found
