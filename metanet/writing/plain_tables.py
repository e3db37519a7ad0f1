"""Tables straight from frames and stamps: an analysis, a method."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metanet.errors import ArgumentError
from metanet.models.results import Pooled
from metanet.models.views import plain
from metanet.writing.cells import Cell, Column, count_cell, number_cell, text_cell
from metanet.writing.table import Table, made

if TYPE_CHECKING:
    import pandas as pd


def analysis_table(frame: pd.DataFrame, title: str, empty: str = "Nothing to show.") -> Table:
    """A frame as a table of a report: numbers with three decimals, small ones with two significant digits.

    Parameters
    ----------
    frame
        Any frame.
    title
        The line above it.
    empty
        What is said when there are no rows.

    Returns
    -------
    Table
        Its columns are those of the frame.
    """
    if not hasattr(frame, "columns") or not hasattr(frame, "iloc"):
        raise ArgumentError(f"frame must be a pandas DataFrame, not {type(frame).__name__}.")
    columns, cells = [], []
    for place, name in enumerate(frame.columns):
        values = frame.iloc[:, place]
        kind = {"f": "number", "i": "count", "u": "count"}.get(values.dtype.kind, "text")
        columns.append(Column(str(name), (str(name),), kind))
        cells.append([_cell(value, kind) for value in values.tolist()])
    return made(title, empty, columns, zip(*cells, strict=True) if cells else ())


def _cell(value: object, kind: str) -> Cell:
    if kind == "count" and isinstance(value, int):
        return count_cell(value)
    if isinstance(value, float):
        return number_cell(value, 3) if kind == "number" else text_cell(plain(value))
    return text_cell(value)


def method_table(fit: Pooled) -> Table:
    """Every choice that moved a number, one line each."""
    if not hasattr(fit, "method"):
        raise ArgumentError(f"fit must be a result with a method, not {type(fit).__name__}.")
    hidden = {"notes", "sentence", "sources"}
    rows = [(key, "none" if value is None else str(value)) for key, value in fit.method.items() if key not in hidden]
    rows += [("source", source) for source in fit.method.get("sources", ())]
    columns = [Column("Choice", ("choice",)), Column("Value", ("value",))]
    return made("Method stamp", "No method.", columns, [[text_cell(a), text_cell(b)] for a, b in rows])
