"""Zero cells: which studies get the correction, on which cells; and the effect sizes that every measure returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike

from metanet.base.arrays import Array, Mask

# The return value of every measure: effect sizes, sampling variances, and which studies were corrected or have no weight.


def _nowhere() -> Mask:
    return np.zeros((), dtype=np.bool_)


@dataclass(frozen=True)
class Effects:
    """Effect sizes and sampling variances on the scale of the measure, ``[..., k]``.

    A study without a weight has effect 0 and infinite variance, so that sums over the last axis need no mask: it is absent
    (total or person-time 0), dropped, or its effect is undefined.

    Attributes
    ----------
    yi, vi
        Effect sizes and their large-sample variances. A variance of exactly 0 is possible where nothing was added to an empty
        cell (the raw proportion 0 of 20).
    corrected
        Studies to which the zero-cell correction was added.
    dropped
        Studies with no events in both groups, or only events in both, excluded by `drop00`.
    undefined
        Studies whose effect or variance is not finite, such as the log of 0 when nothing is added.
    """

    yi: Array
    vi: Array
    corrected: Mask
    dropped: Mask = field(default_factory=_nowhere)
    undefined: Mask = field(default_factory=_nowhere)


# Zero cells: which studies get the continuity correction, in which cells, and which studies are excluded.
#
# The rules are those of metafor's `escalc` (Viechtbauer 2010, doi:10.18637/jss.v036.i03): `to` selects the studies that get `add`,
#
# * "only0": the studies with an empty cell;
# * "if0all": every study of the analysis, if at least one of them has an empty cell;
# * "all": every study;
# * "none": no study.
#
# Programs differ here, and the choice moves the pooled rate, so it belongs into every method stamp. One analysis is one row
# ``[..., k]``: "if0all" looks along the last axis. Absent and excluded studies are ignored.

#: Values of `to`.
RULES = ("only0", "if0all", "all", "none")
#: The continuity correction of a cell (with two cells in a group, the denominator grows by twice as much).
CORRECTION = 0.5


class Rules(TypedDict, total=False):
    """The rule for zero cells: the correction, the studies that get it, and whether double-zero studies are excluded."""

    add: float
    to: str
    drop00: bool


@dataclass(frozen=True)
class Cells:
    """Corrected cells ``[..., k]`` and the studies that are in the analysis; the others have 1 in every cell.

    Attributes
    ----------
    cells
        One group: events, non-events. Two groups: events, non-events, and those of the control. One rate: events. Two rates:
        events, and those of the control.
    present, corrected, dropped
        Studies in the analysis; of these, the corrected ones; studies that `drop00` excluded.
    """

    cells: tuple[Array, ...]
    present: Mask
    corrected: Mask
    dropped: Mask


def _arrays(*values: ArrayLike) -> list[Array]:
    return [np.asarray(a) for a in np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in values))]


def _corrected(cells: tuple[Array, ...], present: Mask, excluded: Mask | None = None, **rules: Unpack[Rules]) -> Cells:
    """Add the correction to the studies that the rule selects; `drop00` excludes the studies in `excluded`."""
    add, to = rules.get("add", CORRECTION), rules.get("to", "only0")
    if to not in RULES:
        raise ValueError(f"to={to!r} is not one of {RULES}")
    dropped = np.zeros_like(present) if excluded is None else present & excluded & rules.get("drop00", False)
    present = present & ~dropped
    # The cells of an absent study have no meaning, and no root or logarithm of them is taken.
    cells = tuple(np.where(present, cell, 1.0) for cell in cells)
    empty = np.any([cell == 0 for cell in cells], axis=0)
    if to == "only0":
        touched = empty
    elif to == "if0all":
        touched = present & (empty.any(axis=-1, keepdims=True) if empty.ndim else empty)
    else:
        touched = present & (to == "all")
    touched = touched & (add > 0)
    plus = np.where(touched, add, 0.0)
    return Cells(tuple(cell + plus for cell in cells), present, touched, dropped)


def one_group(events: ArrayLike, total: ArrayLike, *, add: float = CORRECTION, to: str = "only0") -> Cells:
    """Events and non-events of one group; `add` goes to both."""
    x, n = _arrays(events, total)
    return _corrected((x, n - x), n > 0, add=add, to=to)


def two_groups(*counts: ArrayLike, **rules: Unpack[Rules]) -> Cells:
    """The four cells of two groups; `add` goes to all of them. `drop00` excludes studies with no or only events in both."""
    x1, n1, x2, n2 = _arrays(*counts)
    same_end = ((x1 == 0) & (x2 == 0)) | ((x1 == n1) & (x2 == n2))
    return _corrected((x1, n1 - x1, x2, n2 - x2), (n1 > 0) & (n2 > 0), same_end, **rules)


def one_rate(events: ArrayLike, person_time: ArrayLike, *, add: float = CORRECTION, to: str = "only0") -> Cells:
    """Events of one group in person-time; `add` goes to the events, the person-time stays."""
    x, t = _arrays(events, person_time)
    return _corrected((x,), t > 0, add=add, to=to)


def two_rates(*counts: ArrayLike, **rules: Unpack[Rules]) -> Cells:
    """Events of two groups in person-time; `add` goes to both. `drop00` excludes double-zero studies."""
    x1, t1, x2, t2 = _arrays(*counts)
    return _corrected((x1, x2), (t1 > 0) & (t2 > 0), (x1 == 0) & (x2 == 0), **rules)


def finish(yi: Array, vi: Array, cells: Cells) -> Effects:
    """Effects in which every study without a finite effect or variance has effect 0 and infinite variance, that is no weight."""
    finite = np.isfinite(yi) & np.isfinite(vi)
    use = cells.present & finite
    # Adding 0 turns a negative zero into zero.
    return Effects(
        np.where(use, yi, 0.0) + 0.0, np.where(use, vi, np.inf), cells.corrected, cells.dropped, cells.present & ~finite
    )
