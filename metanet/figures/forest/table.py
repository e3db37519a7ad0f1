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
class Bar:
    """A prediction interval."""

    lower: float
    upper: float


#: What a cell holds.
Cell = str | Parts | Judgement


@dataclass(frozen=True)
class Row:
    """One row; `mark` values are fractions or effects, not places on the axis.

    `indent` sets the label in; a `wide` label has no cells beside it and runs on up to the panel; a `vague` row, whose interval says
    nothing, is grey. `under` is a prediction interval in the same row, drawn thin under the mark.
    """

    label: str
    cells: Mapping[str, Cell] = field(default_factory=dict)
    mark: Point | Diamond | Bar | None = None
    bold: bool = False
    indent: bool = False
    wide: bool = False
    vague: bool = False
    under: Bar | None = None


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

    @property
    def rows(self) -> tuple[Row, ...]:
        """Studies, then summary rows."""
        return self.studies + self.summary

    @property
    def marks(self) -> tuple[Point | Diamond | Bar, ...]:
        """Everything that is drawn in the panel."""
        return tuple(mark for row in self.rows for mark in (row.under, row.mark) if mark is not None)


#: A space between pieces, in text sizes; a little wide, because hinting widens text on low-resolution screens.
PIECE_GAP = 0.42
#: Sides of the pieces of "48.9 (37.5 to 60.5)" and of "117/168".
ESTIMATE_SIDES: tuple[Side, ...] = ("right", "right", "right")
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
        return Parts(scale.show(value), (scale.show(value), *[""] * (len(preset.pieces) - 1)), strong)
    limits = preset.limits(scale.show(lower), scale.show(upper))
    pieces = ("" if value is None else scale.show(value), *limits)
    return Parts(" ".join(pieces).lstrip(), pieces, strong)


def count_cell(events: object, total: object) -> Parts:
    """Events of total, aligned at the stroke."""
    return Parts(f"{events}/{total}", (f"{events}", f"/{total}"))
