"""The pooled rate of each outcome and modality class of an evidence: the cells of a map."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from metanet.base.groups import natural
from metanet.evidence.evidence import Evidence
from metanet.models.pooling.pool import pool_many


@dataclass(frozen=True)
class Cell:
    """One outcome of one modality.

    Attributes
    ----------
    outcome, modality
        What a reader calls them.
    studies
        The number of studies (reports).
    rate, lower, upper
        The median pooled rate and its interval, as fractions; None where there is none.
    arms
        The number of arms; None where it is not known.
    url
        The page on this rate; empty where there is none.
    pooled
        False for a single study, whose own rate it is.
    """

    outcome: str
    modality: str
    studies: int
    rate: float | None = None
    lower: float | None = None
    upper: float | None = None
    arms: int | None = None
    url: str = ""
    pooled: bool = True


def evidence_cells(
    evidence: Evidence,
    *,
    outcomes: Iterable[str] | None = None,
    definition: str | None = None,
    overlap: str = "keep_largest",
    level: float = 0.95,
) -> dict[tuple[str, str], Cell]:
    """A cell for each outcome (by name) and modality class that has a row, each pooled as in its own report.

    Outcomes keep the order of the evidence (or that of `outcomes`), modality classes that of their names.
    """
    names = evidence.outcome_names if outcomes is None else [evidence.outcome(name, "outcomes") for name in outcomes]
    out: dict[tuple[str, str], Cell] = {}
    for name in names:
        chosen = definition if definition is not None and _has(evidence, name, definition) else None
        rows = evidence.rates(name, definition=chosen, overlap=overlap, within="modality_class")
        if not len(rows):
            continue
        fitted = pool_many(rows, "modality_class", level=level)
        found = {str(row["modality_class"]): row for row in fitted.to_dict("records")}
        reports = rows.groupby("modality_class")["study_id"].nunique()
        for group in sorted(found, key=natural):
            row = found[group]
            rate, lower, upper = (None if row[key] is None or row[key] != row[key] else float(row[key]) for key in _NUMBERS)
            pooled = row["status"] != "not pooled"
            label = evidence.label(name)
            out[name, group] = Cell(label, group, int(reports[group]), rate, lower, upper, int(row["k"]), "", pooled)
    return out


_NUMBERS = ("estimate", "ci_lower", "ci_upper")


def _has(evidence: Evidence, outcome: str, definition: str) -> bool:
    return any(definition in (family, *members) for family, members in evidence.definitions(outcome).items())
