"""Any CSV, with a mapping of its columns, to counts of study arms."""

from __future__ import annotations

from metanet.reviews.importers.arm_counts import is_column
from metanet.reviews.importers.columns import fields_of
from metanet.reviews.importers.extracted_counts import Found, Request, beside_of
from metanet.reviews.importers.kinds import is_of
from metanet.reviews.importers.registry import table_importer
from metanet.reviews.importers.tabular import Lines, read_lines


@table_importer(
    "csv",
    title="Any CSV",
    suffixes=(".csv",),
    file="a table with one row for each arm, or for each study with two groups",
    source="table",
)
def csv_lines(data: bytes, file: str, request: Request, found: Found) -> Lines | None:
    """The lines of any CSV."""
    if not is_of(data, (), "a CSV", file, found.findings, text=True):
        return None
    known = (*request.columns, *fields_of(request.contract))
    beside = beside_of(request, found)
    return read_lines(
        data, file, known, found.findings, is_known=is_column(request), notes=found.notes, beside=beside, row_names=request.whole
    )
