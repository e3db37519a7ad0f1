"""The rows that a text or a file about a result is about: those that were pooled, in a frame that somebody gives or of the result."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from metanet.base.errors import ArgumentError, as_given
from metanet.base.untrusted import counted
from metanet.evidence.sources import Rates, rates_of

if TYPE_CHECKING:
    import pandas as pd

    from metanet.models.results.pooled import Pooled

_FIX = "Fix: give the frame that was pooled, or leave rates out."


def pooled_rows(fit: Pooled, rates: Rates | None) -> pd.DataFrame:
    """The rows that `fit` pooled: those of the result, or `rates` if these are the same rows.

    A frame with the studies of the result but with other counts in `events` and `total` is one whose counts have other names (as after
    ``pool(frame, events="nonresponders")``); what it records is about other counts, and the rows of the result are taken.

    Raises
    ------
    ArgumentError
        Rows that were not pooled.
    """
    own = fit.rates()
    if rates is None:
        return own
    frame = rates_of(rates, "rates")
    if len(frame) != fit.k:
        raise ArgumentError(f"rates has {counted(len(frame), 'row')}, but fit pooled {fit.k}. {_FIX}")
    needed = ("study", "events", "total")
    if any(name not in frame.columns or frame[name].ndim != 1 for name in needed):
        return own
    counts = [name for name in needed[1:] if name in own.columns]
    if counts == list(needed[1:]) and _values(frame, counts) == _values(own, counts):
        return frame
    here, pooled = (Counter(map(str, each["study"].tolist())) for each in (frame, own))
    if here == pooled:
        return own if counts else frame
    if not counts:
        # Effects that were given as sequences have no names to compare.
        return frame
    strange = next(iter(here - pooled))
    raise ArgumentError(f"rates has the study {as_given(strange)} with counts that fit did not pool. {_FIX}")


def _values(frame: pd.DataFrame, names: list[str]) -> Counter[tuple[float, ...]]:
    """The numbers of every row, in no order; what is no number equals none."""
    return Counter(tuple(_number(value) for value in row) for row in zip(*(frame[name].tolist() for name in names), strict=True))


def _number(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return float("nan")
