"""Rates and evidence in every form in which a caller has them: a frame, a result, evidence, a folder or a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union

from metanet.base import later
from metanet.base.errors import ArgumentError, shorten
from metanet.base.untrusted import listing
from metanet.evidence.evidence import Evidence, load_evidence

if TYPE_CHECKING:
    import pandas as pd

    from metanet.models.results.pooled import Pooled

#: One row for each study: a frame, the evidence of one outcome, or a result, whose rows are taken.
Rates: TypeAlias = Union["pd.DataFrame", Evidence, "Pooled"]
#: Evidence, or what it can be read from: a frame, a result, the folder of a review, or the file of a table.
Tables: TypeAlias = Union[Evidence, "pd.DataFrame", "Pooled", str, "os.PathLike[str]"]


def is_frame(value: object) -> bool:
    """Whether a value is a DataFrame."""
    return hasattr(value, "columns") and hasattr(value, "loc")


def is_result(value: object) -> bool:
    """Whether a value is the result of a pooling."""
    return "Pooled" in {each.__name__ for each in type(value).__mro__}


def rates_of(source: Rates, argument: str = "data", *, modality: str | None = None) -> pd.DataFrame:
    """The rows to be pooled: of evidence with one outcome its rates, of a result the rows that it pooled.

    Raises
    ------
    ArgumentError
        Evidence with several outcomes, or something else; the fix says what to give.
    """
    if isinstance(source, Evidence):
        return source.rates(sole_outcome(source, argument), modality=modality)
    value: Any = source
    if is_result(value):
        found: pd.DataFrame = value.rates()
        return found
    if is_frame(value):
        frame: pd.DataFrame = value
        return frame
    if isinstance(value, (str, os.PathLike)):
        shown = shorten(str(value))
        raise ArgumentError(f"{argument}={shown!r} is a text, not data. Fix: read the file first, with mn.read({shown!r}).")
    raise ArgumentError(
        f"{argument} must be a pandas DataFrame, evidence (from mn.read or mn.load_evidence) or a result of mn.pool, not "
        f"{type(value).__name__}. Fix: pass sequences as events= and total=."
    )


def evidence_of(source: Tables | None, argument: str = "evidence") -> Evidence:
    """Evidence from what a caller has; None stands for the tables of the folder one works in, or the curated ones.

    Raises
    ------
    ArgumentError
        Something else.
    """
    value: Any = source
    if isinstance(value, Evidence):
        return value
    if value is None:
        return load_evidence(None)
    if isinstance(value, (str, os.PathLike)):
        place = Path(value).expanduser()
        made: Evidence = later.call("read", value) if place.is_file() else load_evidence(value)
        return made
    if is_result(value):
        return later.call("read", value.rates(), total="total", events="events")  # type: ignore[no-any-return]
    if is_frame(value):
        return later.call("read", value)  # type: ignore[no-any-return]
    raise ArgumentError(
        f"{argument} must be evidence (from mn.read or mn.load_evidence), a pandas DataFrame, a result of mn.pool, a folder or a "
        f"file, not {type(value).__name__}."
    )


def sole_outcome(evidence: Evidence, argument: str = "data") -> str:
    """The one outcome of the evidence."""
    names = evidence.outcome_names
    if len(names) > 1:
        first = names[0]
        raise ArgumentError(
            f"{argument} has {len(names)} outcomes: {listing(names, 12)}. Fix: choose one, such as evidence.rates({first!r})."
        )
    return names[0]


def outcome_of(evidence: Evidence, outcome: str | None) -> str:
    """The outcome that is named, or the one that the evidence has."""
    if outcome is not None:
        return evidence.outcome(outcome)
    names = evidence.outcome_names
    if len(names) > 1:
        raise ArgumentError(f"outcome is missing, and the evidence has {len(names)}: {listing(names, 12)}. Fix: name one.")
    return names[0]


def modality_of(evidence: Evidence, modality: str | None) -> str:
    """The modality class that is named, or the one that the evidence has."""
    if modality is not None:
        return modality
    names = evidence.modality_classes
    if len(names) > 1:
        raise ArgumentError(f"modality is missing, and the evidence has {len(names)}: {listing(names, 12)}. Fix: name one.")
    return names[0]
