"""Texts that stand for a missing value, rows that sum the others, and counts that are whole but for rounding."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metanet.base.arrays import Array

#: What people and programs write where there is no number, in lower case. "None" may mean zero events, so it is not among them.
_MISSING = frozenset(
    {"na", "n/a", "n.a.", "n.a", "<na>", "nan", "null", "nr", "n/r", "n.r.", "nd", "n/d", "n.d.", "k.a.", "k. a."}
    | {"-", "--", "---", "–", "—", ".", "..", "?", "not reported", "not available", "missing", "unknown"}
    | {"not stated", "not given", "not specified", "not applicable", "no data", "#n/a", "#na", "-nan"}
)
#: Words of a cell that names a sum of the rows above it, in full.
_SUM = re.compile(
    r"(?:(?:grand|sub|overall|pooled)[ -]?)?totals?|overall|sums?|all|pooled|summary|combined|gesamt|insgesamt|summe"
    r"|(?:all|total|overall|pooled|summary|combined) "
    r"(?:studies|trials|patients|estimate|effect|rate|prevalence|proportion|population)",
    re.IGNORECASE,
)
_BESIDE = re.compile(r"\s*(?:[(\[].*[)\]]|:)\s*$")
#: How far a count may be from a whole number: 0.29 * 100 is 28.999999999999996.
ROUNDING = 1e-9


def is_gap(text: str) -> bool:
    """Whether a text stands for a missing value: NA, NR, a dash, a full stop, spaces."""
    plain = " ".join(text.split())
    return not plain or plain.casefold() in _MISSING


def names_sum(text: str) -> bool:
    """Whether a text such as "Total" or "Overall (95% CI)" names a sum of other rows."""
    return _SUM.fullmatch(_BESIDE.sub("", " ".join(text.split()))) is not None


def whole_within_rounding(values: Array) -> Array:
    """Counts with those that are whole but for rounding made whole; others stay as they are."""
    import numpy as np

    near = np.round(values)
    return np.where(np.abs(values - near) <= ROUNDING, near, values)


def sums_of_others(columns: Sequence[Array]) -> list[int]:
    """The rows of which every column is the sum of all other rows, and no column is zero throughout."""
    import numpy as np

    if not columns or len(columns[0]) < 3:
        return []
    fits = np.ones(len(columns[0]), dtype=bool)
    for values in columns:
        fits &= values.sum() == 2 * values
    return [int(i) for i in np.flatnonzero(fits)] if any(values.any() for values in columns) else []
