"""Names and groups in order: numbers by size, categories in their own order, and what counts as no value."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_WHOLE = re.compile(r"[-+−]?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")

#: How a name is sorted: its pieces (numbers before texts), then the name itself.
Key = tuple[tuple[tuple[int, float, str], ...], str]


def absent(item: object) -> bool:
    """Whether a cell has no value: None, NaN, pandas' NA and NaT, or a text of nothing but spaces."""
    if isinstance(item, str):
        return not item.strip()
    return item is None or type(item).__name__ in ("NAType", "NaTType") or (_is_float(item) and item != item)


def _is_float(item: object) -> bool:
    return isinstance(item, float) or type(item).__name__.startswith("float")


def name_of(item: object) -> str:
    """What a group is called; a whole number has no decimals, because a gap elsewhere in its column makes it a float."""
    if _is_float(item):
        number = float(item)  # type: ignore[arg-type]
        return f"{int(number)}" if math.isfinite(number) and number == int(number) and abs(number) < 1e15 else f"{number:.12g}"
    return str(item).strip()


def natural(name: object) -> Key:
    """The key of the natural order: "Dose 2" before "Dose 10", 9 before 10, capitals as small letters.

    Numbers in a name are compared by size. A name that is a number stands before names that begin with a letter.
    """
    text = name_of(name)
    if _WHOLE.fullmatch(text):
        return ((0, float(text.replace("−", "-")), ""),), text
    folded, pieces, end = text.casefold(), [], 0
    for found in _NUMBER.finditer(folded):
        if found.start() > end:
            pieces.append((1, 0.0, folded[end : found.start()]))
        pieces.append((0, float(found[0]), ""))
        end = found.end()
    if end < len(folded):
        pieces.append((1, 0.0, folded[end:]))
    return tuple(pieces), text


def categories_of(column: Any) -> tuple[Any, ...] | None:
    """The categories of a pandas Categorical in their own order, also of one that is not marked as ordered; None for other columns."""
    found = getattr(getattr(column, "dtype", None), "categories", None)
    return None if found is None else tuple(found)


def ranks_of(column: Any) -> list[Any]:
    """What the rows of a column are sorted by; None where a row has no value.

    Categories have their place, numbers and dates their value, texts the key of the natural order.
    """
    categories = categories_of(column)
    items = list(column)
    if categories is not None:
        places = {category: place for place, category in enumerate(categories)}
        return [None if absent(item) else places[item] for item in items]
    return [None if absent(item) else natural(item) if isinstance(item, str) else item for item in items]


@dataclass(frozen=True)
class Groups:
    """The groups of a column that have a row, in order.

    `names` are their texts, `values` what stands in the data, `place` the group of every row (-1: the row has no value).
    """

    names: tuple[str, ...]
    values: tuple[Any, ...]
    place: tuple[int, ...]

    @property
    def gaps(self) -> list[int]:
        """The rows without a value."""
        return [row for row, place in enumerate(self.place) if place < 0]


def read_groups(column: Any) -> Groups:
    """The groups of a column, in the same order everywhere.

    A pandas Categorical keeps the order of its categories; those without a row are dropped. Numbers, and names that differ in nothing
    but their numbers ("10 mg", "20 mg"), are in order of size. Other names are in order of appearance.
    """
    items = column.tolist() if hasattr(column, "tolist") else list(column)
    texts = ["" if absent(item) else name_of(item) for item in items]
    values: dict[str, Any] = {}
    for text, item in zip(texts, items, strict=True):
        if text:
            values.setdefault(text, item.strip() if isinstance(item, str) else item)
    names = list(values)
    categories = categories_of(column)
    if categories is not None:
        names = [name for name in dict.fromkeys(name_of(category) for category in categories) if name in values]
    elif _is_series(names):
        names.sort(key=natural)
    places = {name: place for place, name in enumerate(names)}
    return Groups(tuple(names), tuple(values[name] for name in names), tuple(places.get(text, -1) for text in texts))


def _is_series(names: Sequence[str]) -> bool:
    """Whether names are numbers, or differ in nothing but their numbers."""
    return all(map(_WHOLE.fullmatch, names)) or len({_NUMBER.sub("#", name.casefold()) for name in names}) == 1
