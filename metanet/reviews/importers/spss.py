"""Data files of SPSS, .sav, to counts of study arms."""

from __future__ import annotations

import io
import warnings

from metanet.reviews.importers.data_frames import counts_of_frames
from metanet.reviews.importers.extracted_counts import MOST_ROWS, Found, Request
from metanet.reviews.importers.kinds import is_of
from metanet.reviews.importers.libraries import library
from metanet.reviews.importers.registry import importer


@importer("spss", title="SPSS", suffixes=(".sav",), file="a data file like any CSV; value labels become words", maps_columns=True)
def read_spss(data: bytes, file: str, request: Request) -> Found:
    """A data file of SPSS: every variable is a field, or is left out by the caller."""
    found = Found(file, f"SPSS file {file}")
    if not is_of(data, ("spss",), "a data file of SPSS", file, found.findings):
        return found
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
        return found
    return counts_of_frames({file: frame}, request, found)
