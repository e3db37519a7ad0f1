"""The content of a forest-like figure without its layout: columns, rows, marks and the lines under the table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from metanet.figures.forest.presets import FOREST_PRESETS, ForestPreset
from metanet.figures.page.scale import Scale
from metanet.figures.page.text import Side


@dataclass(frozen=True)
class Parts:
    """A cell whose pieces stand in columns of their own; `text` is the whole, as it is read aloud or searched.

    `strong` sets the first piece, the estimate, in bold.
    """

    text: str
    pieces: tuple[str, ...]
    strong: bool = False


@dataclass(frozen=True)
class Judgement:
    """A mark in a cell, such as a judgement of the risk of bias: a disc of a colour with a sign on it."""

    sign: str
    colour: str
    word: str


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
    #: What stands under the names, in the heading of their column.
    under: str = ""
    #: A heading over this column and its neighbours with the same one.
    span: str = ""


@dataclass(frozen=True)
class Point:
    """A study: square with an area by its `share` (None: all alike, a dot) and its interval."""

    value: float
    lower: float
    upper: float
    share: float | None = None
    vague: bool = False


@dataclass(frozen=True)
class Diamond:
    """A summary: its ends are the interval, its widest place the estimate."""

    value: float
    lower: float
    upper: float
    hollow: bool = False
    vague: bool = False


@dataclass(frozen=True)
class Swarm:
    """Studies without rows of their own: so many lines one under the other, in their order."""

    points: tuple[Point, ...]


@dataclass(frozen=True)
class Bar:
    """A prediction interval."""

    lower: float
    upper: float


#: What is drawn in the panel.
Mark = Point | Diamond | Bar | Swarm
#: What a cell holds.
Cell = str | Parts | Judgement


@dataclass(frozen=True)
class Row:
    """One row; `mark` values are fractions or effects, not places on the axis.

    `indent` sets the label in; a `wide` label has no cells beside it and runs on up to the panel; a `vague` row, whose interval says
    nothing, is grey.
    """

    label: str
    cells: Mapping[str, Cell] = field(default_factory=dict)
    mark: Mark | None = None
    bold: bool = False
    indent: bool = False
    wide: bool = False
    vague: bool = False
    #: A prediction interval in the same row, thin under the mark.
    prediction: Bar | None = None
    #: A line under the label, in a narrow column.
    under: str = ""
    #: Height beyond that of a line, in text sizes.
    tall: float = 0.0


@dataclass(frozen=True)
class Table:
    """A whole figure: what stands in it, in order.

    `reference` is the value of the dashed line, `favours` what stands under the two ends of the axis.
    """

    scale: Scale
    columns: tuple[Column, ...]
    studies: tuple[Row, ...]
    summary: tuple[Row, ...]
    reference: float | None = None
    notes: tuple[str, ...] = ()
    method: str = ""
    title: str = ""
    xlim: tuple[float, float] | None = None
    favours: tuple[str, str] | None = None
    preset: ForestPreset = FOREST_PRESETS["metanet"]
    #: The title of the axis; empty takes that of the scale.
    axis_name: str = ""
    #: The rows of all pages where this is one of several: columns and axis are the same on each.
    every: tuple[Row, ...] = ()

    @property
    def rows(self) -> tuple[Row, ...]:
        """Studies, then summary rows."""
        return self.studies + self.summary

    @property
    def measured(self) -> tuple[Row, ...]:
        """The rows that columns and axis must have room for."""
        return self.every or self.rows

    @property
    def marks(self) -> list[Mark | None]:
        """Their marks, studies one by one."""
        out: list[Mark | None] = []
        for row in self.measured:
            out += row.mark.points if isinstance(row.mark, Swarm) else [row.mark, row.prediction]
        return out


#: A space between pieces, in text sizes; a little wide, because hinting widens text on low-resolution screens.
PIECE_GAP = 0.42
#: Sides of the pieces of "48.9 (37.5 to 60.5)" and of "117/168".
ESTIMATE_SIDES: tuple[Side, ...] = ("right", "left")
COUNT_SIDES: tuple[Side, ...] = ("right", "left")


def estimate_cell(
    scale: Scale,
    value: float | None,
    lower: float,
    upper: float,
    *,
    strong: bool = False,
    preset: ForestPreset = FOREST_PRESETS["metanet"],
) -> Parts:
    """An estimate with its interval; the interval alone where `value` is None."""
    if lower != lower or upper != upper:
        return Parts(scale.show(value), (scale.show(value), ""), strong)
    pieces = ("" if value is None else scale.show(value), preset.limits(scale.show(lower), scale.show(upper)))
    return Parts(" ".join(pieces).lstrip(), pieces, strong)


def count_cell(events: object, total: object) -> Parts:
    """Events of total, aligned at the stroke."""
    return Parts(f"{events}/{total}", (f"{events}", f"/{total}"))
