"""Pooled rates that published reviews print, beside ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metanet.models.display import rate_digits
from metanet.models.results import Pooled
from metanet.models.views import plain
from metanet.writing.cells import Cell, Column, count_cell, limits_cell, rate_cell, text_cell
from metanet.writing.table import Table, made

if TYPE_CHECKING:
    from metanet.evidence import Evidence


def published_table(evidence: Evidence, outcome: str, modality_class: str, fit: Pooled | None = None) -> Table:
    """Pooled rates that published reviews print for this outcome and modality class, under ours.

    They pooled other studies by other methods; the table is for orientation, not a test.

    Parameters
    ----------
    evidence
        What `load_evidence` returned.
    outcome, modality_class
        Which published rates.
    fit
        Our own pooled rate, shown first.

    Returns
    -------
    Table
        Source, population, rate with interval, studies, patients, model, and where it is printed.
    """
    rows: list[list[Cell]] = []
    published = evidence.published
    chosen = published
    if len(published):
        chosen = published[(published["outcome"] == outcome) & (published["modality_class"] == modality_class)]
    if fit is not None and fit.estimate is not None and len(chosen):
        digits = rate_digits(fit.estimate)
        rows.append(
            [
                text_cell("This report"),
                text_cell(""),
                rate_cell(fit.estimate, digits),
                limits_cell(fit.ci_lower, fit.ci_upper, digits),
                count_cell(fit.k),
                count_cell(fit.n),
                text_cell(fit.model),
                text_cell(""),
            ]
        )
    for row in chosen.to_dict("records"):
        kept = {str(key): plain(value) for key, value in row.items()}
        digits = rate_digits(kept["estimate"])
        rows.append(
            [
                text_cell(kept["citation"]),
                text_cell("; ".join(str(kept[c]) for c in ("population", "criteria") if kept.get(c))),
                rate_cell(kept["estimate"], digits),
                limits_cell(kept["ci_lower"], kept["ci_upper"], digits),
                count_cell(kept.get("studies")),
                count_cell(kept.get("patients")),
                text_cell(kept.get("model")),
                text_cell(kept.get("source_locator")),
            ]
        )
    columns = [
        Column("Source", ("source",)),
        Column("Population", ("population",)),
        Column("Rate, %", ("estimate",), "rate"),
        Column("CI, %", ("ci_lower", "ci_upper"), "rate"),
        Column("Studies", ("studies",), "count"),
        Column("Patients", ("patients",), "count"),
        Column("Model", ("model",)),
        Column("Where printed", ("printed",)),
    ]
    return made(
        "Published pooled rates, for orientation: other studies, other methods",
        "No published pooled rate of this outcome and modality class is in the tables.",
        columns,
        rows,
    )
