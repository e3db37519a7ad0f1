"""Data files of Stata, .dta, to counts of study arms."""

from __future__ import annotations

import io
import warnings

from metanet.reviews.importers.data_frames import lines_of_frames
from metanet.reviews.importers.extracted_counts import Found, Request
from metanet.reviews.importers.kinds import is_of
from metanet.reviews.importers.registry import table_importer
from metanet.reviews.importers.tabular import Lines


@table_importer(
    "stata", title="Stata", suffixes=(".dta",), file="a data file like any CSV; value labels become words", source="Stata file"
)
def stata_lines(data: bytes, file: str, request: Request, found: Found) -> Lines | None:
    """The lines of a data file of Stata."""
    import pandas as pd

    if not is_of(data, ("stata",), "a data file of Stata", file, found.findings):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                frame = pd.read_stata(io.BytesIO(data))
            except ValueError as error:
                if "label" not in str(error).lower():
                    raise
                frame = pd.read_stata(io.BytesIO(data), convert_categoricals=False)
                found.notes.append("Two values have one label, so the numbers were read and not the value labels.")
    except Exception:
        # The library raises whatever a damaged part leads to.
        found.refuse(
            "is a damaged data file of Stata, or of a version that is not read", "Save it again in Stata, as version 14 or newer"
        )
        return None
    return lines_of_frames({file: frame}, request, found)
