"""Data files of SPSS, .sav, to counts of study arms."""

from __future__ import annotations

import io
import warnings

from metanet.reviews.importers.data_frames import lines_of_frames
from metanet.reviews.importers.extracted_counts import MOST_ROWS, Found, Request
from metanet.reviews.importers.kinds import is_of
from metanet.reviews.importers.libraries import library
from metanet.reviews.importers.registry import table_importer
from metanet.reviews.importers.tabular import Lines


@table_importer(
    "spss", title="SPSS", suffixes=(".sav",), file="a data file like any CSV; value labels become words", source="SPSS file"
)
def spss_lines(data: bytes, file: str, request: Request, found: Found) -> Lines | None:
    """The lines of a data file of SPSS."""
    if not is_of(data, ("spss",), "a data file of SPSS", file, found.findings):
        return None
    pyreadstat = library("pyreadstat", "Data files of SPSS", "1.3")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            frame, _ = pyreadstat.read_sav(
                io.BytesIO(data), apply_value_formats=True, formats_as_category=False, row_limit=MOST_ROWS + 1
            )
    except Exception:
        # The library raises whatever a damaged part leads to.
        found.refuse("is a damaged data file of SPSS", "Save it again in SPSS")
        return None
    return lines_of_frames({file: frame}, request, found)
