"""What a table is made of: columns, and cells that carry the numbers beside the text that prints them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from metanet.models.display import ABSENT, count, interval, number, p_value, points, rate
from metanet.models.views import plain

#: Kinds of columns; all but text are numbers: right-aligned, and numbers in a spreadsheet. Rates and points are fractions.
KINDS = ("text", "count", "rate", "points", "number", "p")


@dataclass(frozen=True)
class Column:
    """A column as it is printed; `names` are the columns of `Table.to_frame` whose values it prints."""

    label: str
    names: tuple[str, ...]
    kind: str = "text"
    spanner: str = ""


@dataclass(frozen=True)
class Cell:
    """The text of a cell and its values, one for each name of its column.

    `digits` are the decimals that the values are printed with, those of a rate as per cent.
    """

    text: str
    values: tuple[Any, ...]
    digits: int = 1


def text_cell(value: object) -> Cell:
    """A text; what is missing is an empty cell."""
    kept = plain(value)
    kept = kept if kept is None or isinstance(kept, str) else str(kept)
    return Cell(kept or "", (kept,))


def count_cell(value: float | int | None) -> Cell:
    """A count."""
    return Cell(count(value), (_whole(value),), 0)


def share_cell(part: float | int | None, whole: float | int | None) -> Cell:
    """Two counts as "17/33"."""
    missing = part is None and whole is None
    return Cell(ABSENT if missing else f"{count(part)}/{count(whole)}", (_whole(part), _whole(whole)), 0)


def rate_cell(value: float | None, digits: int = 1, per: float = 100.0) -> Cell:
    """A fraction as a rate, without its unit."""
    return Cell(rate(value, per, digits), (_known(value),), _decimals(digits, per))


def limits_cell(lower: float | None, upper: float | None, digits: int = 1, per: float = 100.0) -> Cell:
    """Two fractions as "37.5 to 60.5"."""
    return Cell(interval(lower, upper, digits, per), (_known(lower), _known(upper)), _decimals(digits, per))


def points_cell(value: float | None, digits: int = 1) -> Cell:
    """A difference of two fractions in percentage points; its value is a fraction."""
    return Cell(points(value, digits), (_known(value),), digits)


def number_cell(value: float | None, digits: int = 2) -> Cell:
    """A number that is no rate."""
    return Cell(number(value, digits), (_known(value),), digits)


def numbers_cell(lower: float | None, upper: float | None, digits: int = 2) -> Cell:
    """An interval of numbers that are no rates."""
    absent = _known(lower) is None or _known(upper) is None
    text = ABSENT if absent else f"{number(lower, digits)} to {number(upper, digits)}"
    return Cell(text, (_known(lower), _known(upper)), digits)


def p_cell(value: float | None, before: str = "") -> Cell:
    """A p-value, with what it is a test of."""
    shown = ABSENT if _known(value) is None else f"{before} {p_value(value)}".strip()
    return Cell(shown, (_known(value),), 3)


def _decimals(digits: int, per: float) -> int:
    """Decimals of the same rate as per cent."""
    return max(0, digits + round(math.log10(per)) - 2)


def _known(value: float | None) -> float | None:
    """A number, or None where there is none."""
    return None if value is None or value != value else float(value)


def _whole(value: float | int | None) -> int | None:
    return None if value is None or value != value else int(value)
