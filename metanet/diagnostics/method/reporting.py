"""The choice between all arms and those that report both objective response and disease control."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from metanet.base.errors import ArgumentError
from metanet.evidence.evidence import Evidence

if TYPE_CHECKING:
    import pandas as pd

#: All arms, or those alone that report both objective response and disease control.
REPORTING = ("all", "both")
_BESIDE = {"objective_response": "disease_control", "disease_control": "objective_response"}


def by_report(
    data: Evidence, outcome: str, modality: Any, rows: pd.DataFrame, wanted: tuple[str, ...]
) -> Iterator[tuple[dict[str, str], pd.DataFrame]]:
    """All rows, and those whose arm reports the other of objective response and disease control, as asked for."""
    if wanted == ("all",):
        yield {}, rows
        return
    other = _BESIDE.get(outcome)
    if other is None or other not in data.outcome_names:
        raise ArgumentError(
            f"reporting={wanted!r} applies to objective response and disease control, where the evidence has both. Fix: leave it out."
        )
    beside = data.rates(other, modality=modality, overlap="keep_all")
    told = set(zip(beside["study_id"], beside["arm"], strict=True))
    for word in wanted:
        keep = [word == "all" or key in told for key in zip(rows["study_id"], rows["arm"], strict=True)]
        yield {"reporting": word}, rows[keep]
