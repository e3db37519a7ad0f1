"""Judgements in every form in which a caller has them: a result, evidence, or rows of risk_of_bias.csv in a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, Union

from metanet.base.errors import ArgumentError, as_given
from metanet.base.groups import absent
from metanet.base.results import records
from metanet.base.untrusted import listing
from metanet.evidence.bias.result import RiskOfBias, assess
from metanet.evidence.bias.tools import word_fault
from metanet.evidence.evidence import Evidence
from metanet.evidence.sources import is_frame

if TYPE_CHECKING:
    import pandas as pd

#: Judgements of one tool.
Judgements: TypeAlias = Union[RiskOfBias, Evidence, "pd.DataFrame"]
_NEEDED = ("study_id", "tool", "domain", "judgement")


def bias_of(source: Judgements, argument: str) -> RiskOfBias:
    """The judgements; those of evidence are about its studies as a whole.

    Raises
    ------
    ArgumentError
        Judgements by several tools, a frame with other columns or unknown words, or something else.
    """
    value: Any = source
    if isinstance(value, RiskOfBias):
        return value
    if isinstance(value, Evidence):
        return value.risk_of_bias()
    if not is_frame(value):
        raise ArgumentError(
            f"{argument} must be a result of Evidence.risk_of_bias, evidence or a frame of rows of risk_of_bias.csv, not "
            f"{type(value).__name__}."
        )
    for name in _NEEDED:
        if name not in value.columns:
            raise ArgumentError(
                f"{argument} has no column {name!r}. Fix: give rows of risk_of_bias.csv, as mn.read_judgements returns them."
            )
    used = list(dict.fromkeys(str(word) for word in value["tool"] if not absent(word)))
    if len(used) > 1:
        raise ArgumentError(
            f"{argument} has judgements by {len(used)} tools: {listing(used)}. Levels of different tools are not compared. "
            "Fix: give the rows of one."
        )
    rows: list[dict[str, Any]] = [{str(key): None if absent(cell) else cell for key, cell in row.items()} for row in records(value)]
    for place, row in enumerate(rows, start=1):
        for name in _NEEDED:
            if row[name] is None:
                raise ArgumentError(f"{argument} has no {name} in row {place}. Fix: fill it, or leave the row out.")
            row[name] = str(row[name])
        fault = word_fault(row["tool"], row["domain"], row["judgement"])
        if fault is not None:
            column, wrong, fix = fault
            raise ArgumentError(f"{argument}: {column} {as_given(row[column])} in row {place} {wrong}. {fix}.")
        row["assessor"] = str(row.get("assessor") or "")
    labels = {row["study_id"]: row["study_id"] for row in rows}
    return assess(rows, tool=None, outcome=None, labels=labels, patients={})
