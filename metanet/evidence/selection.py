"""What a frame of rates may claim of the selection that it came from, after whatever its user did to it."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metanet.base.groups import natural
from metanet.evidence.rates import OTHER_DEFINITIONS, overlap_notes, unit_notes

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


class Kept(list[Any]):
    """A record that nothing changes, in the attributes of a frame: pandas copies those deeply with every step, and this not at all."""

    def __deepcopy__(self, memo: object) -> Kept:
        return self


@dataclass(frozen=True)
class Selection:
    """The record of a selection that still holds for a frame.

    Attributes
    ----------
    chosen
        The arguments of `Evidence.rates`.
    left_out
        What the selection left out, with its reasons.
    notes
        Its notes, as they are true of the rows of the frame.
    rows
        Number of its rows.
    removed
        Labels of the rows that the user removed afterwards, each with the reason; "" where none is recorded.
    """

    chosen: Mapping[str, Any]
    left_out: Sequence[Mapping[str, Any]]
    notes: Sequence[str]
    rows: int
    removed: Mapping[str, str]

    @property
    def is_whole(self) -> bool:
        """Whether the frame has every row of the selection."""
        return not self.removed


def selection_of(frame: pd.DataFrame | None) -> Selection | None:
    """The selection that a frame is, or is a part of; None where it records none, or has rows that are not of it.

    Rows are known by study and counts. A frame that was changed keeps the record of what it came from, and a frame that was
    written to a file, joined with another or made anew has none.
    """
    if frame is None or not isinstance(frame.attrs.get("selection"), Mapping):
        return None
    attrs = frame.attrs
    names, counts = attrs.get("studies"), attrs.get("counts")
    if not isinstance(names, Sequence) or not isinstance(counts, Sequence) or len(names) != len(counts):
        return None
    came = Counter((str(name), *map(_number, own)) for name, own in zip(names, counts, strict=True))
    now = _rows(frame, max((len(own) for own in counts), default=2))
    if now is None or now - came:
        return None
    gone = came - now
    why = attrs.get("removed", {})
    removed = {str(name): str(why.get(str(name), "")) for name in names if any(row[0] == str(name) for row in gone)}
    left_out, notes = attrs.get("left_out", ()), attrs.get("notes", ())
    if removed:
        left_out, notes = _left_out_still(left_out, frame, removed), _notes_still(notes, frame)
    return Selection(attrs["selection"], left_out, notes, len(names), removed)


def removed_by(frame: pd.DataFrame, keep: NDArray[np.bool_], reason: str) -> pd.DataFrame:
    """The rows that are kept; where the frame records a selection, the others are recorded with the reason."""
    part = frame[keep]
    if "study" in frame.columns:
        gone = {str(name): reason for name, kept in zip(frame["study"].tolist(), keep.tolist(), strict=True) if not kept}
        part.attrs = {**frame.attrs, "removed": {**frame.attrs.get("removed", {}), **gone}}
    return part


#: The reason of a report that gave way to another one of the same cohort; the name is that of the study.
_GAVE_WAY = re.compile(r"(?P<why>shares patients .* with (?P<study>.+)), which is kept")


def _left_out_still(
    left_out: Sequence[Mapping[str, Any]], frame: pd.DataFrame, removed: Mapping[str, str]
) -> Sequence[Mapping[str, Any]]:
    """What was left out, where the report that was kept instead may have been removed since."""

    def is_among(study: str, names: Sequence[str]) -> bool:
        # A study with several arms has the arm behind its name.
        return any(name == study or name.startswith((f"{study} (", f"{study} [")) for name in names)

    here, gone = [str(name) for name in frame["study"].tolist()], list(removed)
    told = []
    for entry in left_out:
        found = _GAVE_WAY.fullmatch(str(entry.get("reason", "")))
        if found is not None and is_among(found["study"], gone) and not is_among(found["study"], here):
            entry = {**entry, "reason": f"{found['why']}, which was kept at first and removed afterwards"}
        told.append(entry)
    return told


def _notes_still(notes: Sequence[str], frame: pd.DataFrame) -> list[str]:
    """The notes of a selection, made anew from the rows that are left of it."""
    still = [note for note in notes if note.startswith(OTHER_DEFINITIONS)]
    if any(note.startswith("Patients may be counted twice") for note in notes) and {"overlap_group", "study_id"} <= set(frame.columns):
        reports: dict[str, set[str]] = defaultdict(set)
        for group, study in zip(frame["overlap_group"].tolist(), frame["study_id"].tolist(), strict=True):
            if isinstance(group, str) and group:
                reports[group].add(str(study))
        still += overlap_notes(sorted((group for group, members in reports.items() if len(members) > 1), key=natural))
    if "unit" in frame.columns and frame["unit"].ndim == 1:
        still += unit_notes(unit if isinstance(unit, str) else None for unit in frame["unit"].tolist())
    return still


def _rows(frame: pd.DataFrame, width: int) -> Counter[tuple[Any, ...]] | None:
    """Study and the first counts of every row, as many as `width`; None without these columns."""
    columns = []
    for name in ("study", *COUNTS[:width]):
        if name not in frame.columns or frame[name].ndim != 1:
            return None
        columns.append(frame[name].tolist())
    return Counter((str(study), *map(_number, own)) for study, *own in zip(*columns, strict=True))


def _number(value: Any) -> float | None:
    """A count as a number; None for a gap and for what is no number."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return None if math.isnan(found) else found


#: The columns of counts by which a row is known; the last two where there is a control group.
COUNTS = ("events", "total", "events_control", "total_control")


#: The note of an imported count. Nobody has judged its certainty: the word that the import wrote is a default.
IMPORTED = "Imported; not yet checked against the source."


def certainties(frame: pd.DataFrame) -> pd.Series[Any]:
    """The certainty of each count as people judged it; "not yet judged" of an imported count that nobody has checked."""
    column = frame["certainty"]
    if "note" not in frame.columns or frame["note"].ndim != 1 or column.ndim != 1:
        return column
    unchecked = frame["note"].astype(str).str.startswith(IMPORTED)
    return column.astype(object).where(~unchecked, "not yet judged") if unchecked.any() else column
