"""The texts of a report: a heading and paragraphs from data, shown as escaped HTML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metanet.models.results import Pooled
from metanet.words import NO_MATH, html_text, visible

if TYPE_CHECKING:
    import pandas as pd


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


def heading(rates: pd.DataFrame, modality_class: str, fit: Pooled) -> Text:
    """Outcome, modality class and the result in one sentence, with the notes of the selection."""
    attrs = rates.attrs
    title = f"{attrs.get('label', 'Rate')}: {modality_class}"
    if attrs.get("definition"):
        title += f" (definition: {attrs['definition']})"
    return Text(title, " ".join([fit.sentence(), *attrs.get("notes", [])]))


def paragraph(text: str) -> Text:
    """A text made from numbers and names, shown as a paragraph."""
    return Text("", text)


def analysis_heading(title: str, text: str) -> Text:
    """A title and what the analysis shows."""
    return Text(title, text)
