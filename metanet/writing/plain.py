"""Headings, paragraphs and tables straight from frames, stamps and data, shown as escaped HTML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metanet.base.arguments import checked
from metanet.base.display import in_sentence, level_text, sentence_case, title_of
from metanet.base.errors import ArgumentError, as_given
from metanet.base.results import Result, plain
from metanet.base.untrusted import NO_MATH, html_text, visible
from metanet.evidence.selection import selection_of
from metanet.models.options import PRESET_TITLE
from metanet.models.registry import MODELS, TAU2, model_row
from metanet.models.results.pooled import Pooled
from metanet.models.results.rows import pooled_rows
from metanet.writing.table.table import Cell, Column, Table, count_cell, made, number_cell, text_cell

if TYPE_CHECKING:
    import pandas as pd


#: Headings of the columns of results.
_HEADINGS = {
    "ci_lower": "Lower limit", "ci_upper": "Upper limit", "pvalue": "p", "tau2": "tau²", "r2": "R²",
    "split": "Averages and medians differ", "benefit_difference": "Difference in average benefit",
    "benefit_pvalue": "p (benefit)", "risk_difference": "Difference in average risk",
    "risk_pvalue": "p (risk)",
}  # fmt: skip
_FLAGS = {True: "yes", False: "no"}


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
        The text of a table without rows.

    Returns
    -------
    Table
        Its columns are those of the frame, under their titles.
    """
    columns, cells = [], []
    for place, name in enumerate(frame.columns):
        values = frame.iloc[:, place]
        kind = {"f": "number", "i": "count", "u": "count"}.get(values.dtype.kind, "text")
        columns.append(Column(_HEADINGS.get(str(name), title_of(name, frame)), (str(name),), kind))
        shown = values.tolist()
        if kind == "text":
            shown = [_FLAGS[v] if isinstance(v, bool) else title_of(v, frame) if isinstance(v, str) else v for v in shown]
        cells.append([_cell(value, kind) for value in shown])
    return made(title, empty, columns, zip(*cells, strict=True) if cells else ())


def _cell(value: object, kind: str) -> Cell:
    if kind == "count" and isinstance(value, int):
        return count_cell(value)
    if isinstance(value, float):
        return number_cell(value, 3) if kind == "number" else text_cell(plain(value))
    return text_cell(value)


_UNSETTLED = "the likelihood maximum was not located with the required accuracy"
#: Entries of a method stamp with their titles, in the order of the table; the rest repeats one of these.
_CHOICES = {
    "status": "Status", "k": "Studies or arms", "model": "Model", "formula": "Formula", "scale": "Scale of the analysis",
    "link": "Link", "tau2": "Estimator of tau²", "level": "Coverage of the intervals", "ci_text": "Interval of the mean",
    "tau2_interval": "Interval of tau²", "prediction_text": "Prediction interval", "marginal_ci": "Interval of the population average",
    "study_interval": "Intervals of the studies", "weights": "Weights", "i2_definition": "Definition of I²",
    "continuity_correction": "Continuity correction", "studies_corrected": "Studies with a continuity correction",
    "studies_dropped": "Studies without an estimable effect", "quadrature": "Numerical integration", "unsettled": "Convergence",
    "permutations": "Permutations", "seed": "Seed", "preset": "Defaults of", "version": "metanet", "numpy": "NumPy", "scipy": "SciPy",
}  # fmt: skip


@checked()
def method_table(fit: Pooled) -> Table:
    """Every choice that changes a number, one line each."""
    if not hasattr(fit, "method"):
        raise ArgumentError(f"fit must be a result with a method, not {type(fit).__name__}.")
    entries = {**fit.method, "level": level_text(fit.method["level"])}
    named = model_row(entries["model"], entries["link"]) if entries["model"] in MODELS else None
    entries |= {"model": named.title if named else entries["model"], "unsettled": _UNSETTLED if entries.get("unsettled") else None}
    if entries.get("preset") in PRESET_TITLE:
        entries["preset"] = PRESET_TITLE[entries["preset"]]
    if entries.get("tau2") in TAU2:
        entries["tau2"] = sentence_case(TAU2[entries["tau2"]].title)
    if entries.get("ci") == "credible":
        entries |= {"tau2": "Posterior median", "tau2_interval": entries["ci_text"]}
    if entries.get("quadrature_nodes"):
        entries["quadrature"] = f"{entries['quadrature']}, {entries['quadrature_nodes']} nodes"
    rows = [(title, str(entries[key])) for key, title in _CHOICES.items() if entries.get(key) is not None]
    rows += [("Source", source) for source in entries.get("sources", ())]
    columns = [Column("Choice", ("choice",)), Column("Value", ("value",))]
    return made("Method: every choice that affects a number", "No method.", columns, [[text_cell(a), text_cell(b)] for a, b in rows])


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
    record = selection_of(pooled_rows(fit, rates))
    title = f"{attrs.get('label', 'Rate')}: {modality_class}"
    if attrs.get("definition_title"):
        title += f" (definition: {in_sentence(attrs['definition_title'])})"
    return Text(title, " ".join([fit.sentence(), *(() if record is None else record.notes)]))


@checked()
def paragraph(text: str) -> Text:
    """A text made from numbers and names, shown as a paragraph."""
    return Text("", text)


@checked()
def analysis_heading(title: str, text: Any) -> Text:
    """A title and what the analysis shows.

    Parameters
    ----------
    title
        The title.
    text
        A text, or a result: its sentence, without what its card says as notes, so that a page says nothing twice.

    Returns
    -------
    Text
        What a notebook shows.

    Raises
    ------
    ArgumentError
        Neither a text nor a result.
    """
    if isinstance(text, Result):
        said = text.sentence()
        for note in text.notes:
            said = said.replace(note, "")
        return Text(title, " ".join(said.split()))
    if not isinstance(text, str):
        raise ArgumentError(f"text={as_given(text)} must be a text or a result.")
    return Text(title, text)
