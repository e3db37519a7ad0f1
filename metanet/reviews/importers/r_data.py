"""Data files of R, .rds and .rda, to counts of study arms.

They are read by rdata, which is written in Python and reads every object, so that a file without a data frame is told what it has.
"""

from __future__ import annotations

import bz2
import lzma
import warnings
import zlib

from metanet.base.untrusted import listing, visible
from metanet.reviews.importers.data_frames import lines_of_frames
from metanet.reviews.importers.extracted_counts import Found, Request
from metanet.reviews.importers.kinds import is_of
from metanet.reviews.importers.libraries import library
from metanet.reviews.importers.registry import table_importer
from metanet.reviews.importers.tabular import Lines

_LARGEST = 200 * 1024 * 1024


@table_importer(
    "r",
    title="R",
    suffixes=(".rds", ".rda", ".RData"),
    file="a saved data frame like any CSV; factors become words",
    source="R file",
    has_sheets=True,
)
def r_lines(data: bytes, file: str, request: Request, found: Found) -> Lines | None:
    """The lines of a data frame of R."""
    import pandas as pd

    if not is_of(data, ("r",), "a data file of R", file, found.findings):
        return None
    rdata = library("rdata", "Data files of R", "1.1")
    try:
        plain = _unpacked(data)
        if plain is None:
            found.refuse(f"unpacks to more than {_LARGEST // 1024**2} MB", "Save the data frame of the counts alone")
            return None
        with warnings.catch_warnings():
            # Classes that only R knows are read as what they are made of.
            warnings.simplefilter("ignore")
            made = rdata.conversion.convert(rdata.parser.parse_data(plain))
    except Exception:
        # The library raises whatever a damaged part leads to.
        found.refuse("is a damaged data file of R, or has objects that are not read", "Save the data frame alone, with saveRDS")
        return None
    objects = made if isinstance(made, dict) else {file: made}
    frames = {str(name): each for name, each in objects.items() if isinstance(each, pd.DataFrame)}
    for name, each in objects.items():
        # A list of R, such as the result of an analysis, may have its data in it.
        members = each.items() if isinstance(each, dict) else ()
        frames |= {f"{name}${member}": inner for member, inner in members if isinstance(inner, pd.DataFrame)}
    if not frames:
        kinds = listing((f"{visible(name)} ({type(each).__name__})" for name, each in objects.items()), 8)
        found.refuse(f"has no data frame, but {kinds}", "Save the data frame of the counts, with saveRDS")
        return None
    return lines_of_frames(frames, request, found)


def _unpacked(data: bytes) -> bytes | None:
    """The content of a file, compressed or not; None beyond the limit."""
    if data.startswith(b"\x1f\x8b"):
        plain = zlib.decompressobj(31).decompress(data, _LARGEST + 1)
    elif data.startswith(b"BZh"):
        plain = bz2.BZ2Decompressor().decompress(data, _LARGEST + 1)
    elif data.startswith(b"\xfd7zXZ"):
        plain = lzma.LZMADecompressor().decompress(data, _LARGEST + 1)
    else:
        plain = data
    return None if len(plain) > _LARGEST else plain
