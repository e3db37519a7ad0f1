"""What a forest-like figure says, before any of it has a place: columns, rows, marks and the lines under the table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from metanet.figures.scale import Scale
from metanet.figures.text import Side


@dataclass(frozen=True)
class Parts:
    """A cell whose pieces stand in columns of their own; `text` is the whole, as it is read aloud or searched.

    `strong` sets the first piece, the estimate, in bold.
    """

    text: str
    pieces: tuple[str, ...]
    strong: bool = False


@dataclass(frozen=True)
class Column:
    """One column of the table.

    `align` is the side of a plain cell; for `Parts`, `sides` aligns each piece and `gap` (in text sizes) divides them.
    `right` says on which side of the panel the column stands.
    """

    key: str
    heading: str
    align: Side = "left"
    sides: tuple[Side, ...] = ()
    gap: float = 0.0
    right: bool = False


@dataclass(frozen=True)
class Point:
    """A study: square with an area by its `share` (None: all alike, a dot) and its interval."""

    value: float
    lower: float
    upper: float
    share: float | None = None


@dataclass(frozen=True)
class Diamond:
    """A summary: its ends are the interval, its widest place the estimate."""

    value: float
    lower: float
    upper: float
    hollow: bool = False


@dataclass(frozen=True)
class Bar:
    """A prediction interval."""

    lower: float
    upper: float


@dataclass(frozen=True)
class Row:
    """One row; `mark` values are fractions or effects, not places on the axis."""

    label: str
    cells: Mapping[str, str | Parts] = field(default_factory=dict)
    mark: Point | Diamond | Bar | None = None
    bold: bool = False


@dataclass(frozen=True)
class Table:
    """A whole figure: what stands in it, in order. `reference` is the value of the dashed line."""

    scale: Scale
    columns: tuple[Column, ...]
    studies: tuple[Row, ...]
    summary: tuple[Row, ...]
    reference: float | None = None
    notes: tuple[str, ...] = ()
    method: str = ""
    title: str = ""
    xlim: tuple[float, float] | None = None

    @property
    def rows(self) -> tuple[Row, ...]:
        """Studies, then summary rows."""
        return self.studies + self.summary


#: A space between pieces, in text sizes; a little wide, because hinting widens text on low-resolution screens.
PIECE_GAP = 0.42
#: Sides of the pieces of "48.9 (37.5 to 60.5)" and of "117/168".
ESTIMATE_SIDES: tuple[Side, ...] = ("right", "right", "right")
COUNT_SIDES: tuple[Side, ...] = ("right", "left")


def estimate_cell(scale: Scale, value: float | None, lower: float, upper: float, *, strong: bool = False) -> Parts:
    """An estimate with its interval; the interval alone where `value` is None."""
    if lower != lower or upper != upper:
        return Parts(scale.show(value), (scale.show(value), "", ""), strong)
    pieces = ("" if value is None else scale.show(value), f"({scale.show(lower)}", f"to {scale.show(upper)})")
    return Parts(" ".join(pieces).lstrip(), pieces, strong)


def count_cell(events: object, total: object) -> Parts:
    """Events of total, aligned at the stroke."""
    return Parts(f"{events}/{total}", (f"{events}", f"/{total}"))
