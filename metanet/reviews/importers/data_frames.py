"""Data frames of Stata, SPSS and R as sheets of texts: words for labelled values, numbers as they are written."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from metanet.reviews.importers.arm_counts import is_column
from metanet.reviews.importers.extracted_counts import MOST_ROWS, Found, Request
from metanet.reviews.importers.tabular import MOST_COLUMNS, Lines
from metanet.reviews.importers.workbook import Sheet, lines_of_sheets

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd


def lines_of_frames(frames: Mapping[str, pd.DataFrame], request: Request, found: Found) -> Lines | None:
    """The lines of the frame that the caller names, or of the one that has the columns."""
    sheets = [sheet for name, frame in frames.items() if (sheet := _sheet(name, frame, found)) is not None]
    return None if found.findings.faults else lines_of_sheets(sheets, request, found, is_column(request), "data frame")


def _sheet(name: str, frame: pd.DataFrame, found: Found) -> Sheet | None:
    """A frame as a sheet, the column names in row 0 and the observations from 1."""
    if len(frame) > MOST_ROWS or len(frame.columns) > MOST_COLUMNS:
        wrong = f"has {len(frame):,} rows and {len(frame.columns):,} columns; up to {MOST_ROWS:,} and {MOST_COLUMNS:,} are imported"
        found.refuse(wrong, "Give the table of the counts alone, or divide it")
        return None
    cells = {(0, place): str(column) for place, column in enumerate(frame.columns, 1)}
    for place in range(len(frame.columns)):
        for row, text in enumerate(texts_of(frame.iloc[:, place]), 1):
            if text:
                cells[row, place + 1] = text
    return Sheet(name, cells)


def texts_of(column: pd.Series[Any]) -> list[str]:
    """The values of a column as a person would write them; numbers of single precision with the digits that they have."""
    if str(column.dtype) == "float32":
        return [as_text(float(str(value))) for value in column.to_numpy()]
    return [as_text(value) for value in column.tolist()]


def as_text(value: object) -> str:
    """A value as a person would write it; empty where it is missing."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float):
        # A number from a calculation has fifteen digits; what is left of 28.999999999999996 is 29.
        return "" if value != value else str(int(value)) if value.is_integer() and abs(value) < 1e15 else _decimal(value)
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(sep=" ", timespec="minutes")
    return str(value)


def _decimal(value: float) -> str:
    """A number with fifteen digits and without an exponent."""
    text = f"{value:.15g}"
    return f"{Decimal(text):f}" if "e" in text else text
