"""One outcome in every modality: the pooled rates below each other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from metanet.errors import ArgumentError, check_choice
from metanet.evidence.evidence import Evidence
from metanet.models.comparison import OBSERVATIONAL
from metanet.models.display import level_text
from metanet.models.pool import pool
from metanet.models.results import Pooled
from metanet.words import listing
from metanet.writing.cells import Cell, Column, share_cell, text_cell
from metanet.writing.model_tables import rate_cells, rate_columns
from metanet.writing.table import Table, made

if TYPE_CHECKING:
    import pandas as pd

#: What became of the studies of a row, in words.
STATUS = {
    "pooled": "pooled",
    "not pooled": "one study, its own rate and exact interval",
    "no events": "no events: exact interval on the sum",
    "only events": "events only: exact interval on the sum",
    "not estimable": "no rate can be estimated",
}


def summary_table(
    evidence: Evidence,
    outcome: str,
    *,
    by: str = "modality_class",
    definition: str | None = None,
    overlap: str = "keep_largest",
    certainty: str | None = None,
    level: float = 0.95,
    model: str = "glmm",
) -> Table:
    """All modalities of one outcome, one row each.

    Parameters
    ----------
    evidence
        What `load_evidence` returned.
    outcome
        One of its outcomes.
    by
        "modality_class", or "modality" for the modalities in the classes.
    definition, overlap, certainty
        As in `Evidence.rates`; each modality is selected for itself, as in its own report.
    level
        Coverage of every interval, as a fraction.
    model
        As in `pool`, for rates of one group.

    Returns
    -------
    Table
        Studies and arms, events and total, median and population-averaged rate with their intervals, prediction interval, tau, I²,
        and what was done with the studies. One study, no events and data without an estimate say so.

    Raises
    ------
    ArgumentError
        A word that is not known.
    """
    check_evidence(evidence)
    check_choice("outcome", outcome, evidence.outcome_names)
    check_choice("by", by, ("modality_class", "modality"))
    everything = evidence.rates(outcome, definition=definition, overlap="keep_all", certainty=certainty)
    names = [str(name) for name in everything[by].unique()]
    if by == "modality_class":
        names.sort(key=evidence.modality_classes.index)
    rows, fits, notes, gone = [], [], Notes(), []
    for name in names:
        rates = evidence.rates(outcome, modality=name, definition=definition, overlap=overlap, certainty=certainty)
        # A modality may bear the name of its class; within the class all its rows can be displaced by overlapping ones.
        rates = rates[rates[by] == name]
        if rates.empty:
            gone.append(name)
            continue
        fit = pool(rates, model=model, level=level)
        fits.append(fit)
        rows.append(_row(name, rates, fit))
        if fit.status == "pooled":
            notes.add(name, (*rates.attrs["notes"], *fit.notes))
    absent = [name for name in evidence.modality_classes if name not in names] if by == "modality_class" else []
    absent += gone
    closing = [f"No study: {listing(absent, 20)}."] if absent and rows else []
    common = any(fit.status == "pooled" and fit.average == "common" for fit in fits)
    columns = [
        Column("Modality", (by,)),
        Column("Studies (arms)", ("studies", "arms"), "count"),
        Column("Events/total", ("events", "total"), "count"),
        *rate_columns(level_text(level), "Common rate" if common else "Median rate"),
        Column("Status", ("status",)),
    ]
    title = str(everything.attrs["label"])
    if everything.attrs["definition"]:
        title += f" (definition: {everything.attrs['definition']})"
    words = "modality class" if by == "modality_class" else "modality"
    return made(
        f"{title} by {words}",
        f"{title}: no study fits this selection.",
        columns,
        rows,
        [OBSERVATIONAL, *method_sentences(fits), *closing, *notes.lines()] if rows else (),
    )


def check_evidence(value: object) -> None:
    """Refuse what is no evidence."""
    if not isinstance(value, Evidence):
        raise ArgumentError(f"evidence must be what load_evidence returned, not {type(value).__name__}.")


def studies_cell(studies: int, arms: int) -> Cell:
    """Studies with their arms: "18 (20)"."""
    return Cell(f"{studies} ({arms})", (studies, arms), 0)


class Notes:
    """Notes on several rows; one that several rows share is said once."""

    def __init__(self) -> None:
        self._rows: dict[str, list[str]] = {}

    def add(self, name: str, notes: Iterable[str]) -> None:
        """Take up the notes on the row `name`."""
        for note in notes:
            self._rows.setdefault(note, []).append(name)

    def lines(self) -> list[str]:
        """A line for each note, with the rows that it is about."""
        return [f"{listing(names, 30)}: {note}" for note, names in self._rows.items()]


def method_sentences(fits: Iterable[Pooled]) -> list[str]:
    """What was done, each way once; a sentence whose parts all stand in another one is left out."""
    found = list(dict.fromkeys(fit.method.sentence() for fit in fits if fit.status == "pooled"))
    clauses = [set(text.rpartition(". metanet ")[0].split("; ")) for text in found]
    return [text for text, own in zip(found, clauses, strict=True) if not any(own < other for other in clauses)]


def _row(name: str, rates: pd.DataFrame, fit: Pooled) -> list[Cell]:
    return [
        text_cell(name),
        studies_cell(int(rates["study_id"].nunique()), len(rates)),
        share_cell(fit.events, fit.n),
        *rate_cells(fit),
        text_cell(STATUS[fit.status]),
    ]
