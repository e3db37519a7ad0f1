"""Headings, paragraphs and tables straight from frames, stamps and data, shown as escaped HTML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metanet.base.arguments import checked
from metanet.base.errors import ArgumentError
from metanet.base.results import plain
from metanet.base.untrusted import NO_MATH, html_text, visible
from metanet.models.results.pooled import Pooled
from metanet.writing.table.table import Cell, Column, Table, count_cell, made, number_cell, text_cell

if TYPE_CHECKING:
    import pandas as pd


# Tables straight from frames and stamps: an analysis, a method.


@checked()
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


@checked()
def method_table(fit: Pooled) -> Table:
    """Every choice that moved a number, one line each."""
    if not hasattr(fit, "method"):
        raise ArgumentError(f"fit must be a result with a method, not {type(fit).__name__}.")
    hidden = {"notes", "sentence", "sources"}
    rows = [(key, "none" if value is None else str(value)) for key, value in fit.method.items() if key not in hidden]
    rows += [("source", source) for source in fit.method.get("sources", ())]
    columns = [Column("Choice", ("choice",)), Column("Value", ("value",))]
    return made("Method stamp", "No method.", columns, [[text_cell(a), text_cell(b)] for a, b in rows])


# The texts of a report: a heading and paragraphs from data, shown as escaped HTML.


@dataclass(frozen=True)
class Text:
    """A heading and a paragraph from data, shown as escaped HTML."""

    title: str
    text: str

    def __repr__(self) -> str:
        return "\n".join(visible(part) for part in (self.title, self.text) if part)

    def _repr_html_(self) -> str:
        head = f"<h1>{html_text(self.title)}</h1>" if self.title else ""
        return f"<div class='metanet {NO_MATH}'>{head}<p>{html_text(self.text)}</p></div>"


@checked()
def heading(rates: pd.DataFrame, modality_class: str, fit: Pooled) -> Text:
    """Outcome, modality class and the result in one sentence, with the notes of the selection."""
    attrs = rates.attrs
    title = f"{attrs.get('label', 'Rate')}: {modality_class}"
    if attrs.get("definition"):
        title += f" (definition: {attrs['definition']})"
    return Text(title, " ".join([fit.sentence(), *attrs.get("notes", [])]))


@checked()
def paragraph(text: str) -> Text:
    """A text made from numbers and names, shown as a paragraph."""
    return Text("", text)


@checked()
def analysis_heading(title: str, text: str) -> Text:
    """A title and what the analysis shows."""
    return Text(title, text)
