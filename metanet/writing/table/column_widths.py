"""How wide the columns of a table on paper are, and whether its page lies on its side: as few lines as the room allows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from metanet.writing.table.table import Table

#: How long a word is not broken.
_WORD = 24
#: How much wider bold letters are.
_BOLD = 1.12
#: A number with its range in brackets is not broken up to so many characters.
_SHORT = 12
#: A page that stands has room for so many times the lines of one on its side.
_TALLER = 1.5
#: Rows that are looked at; of more, so many at equal distances.
_ROWS = 80
#: How much a column counts whose row is as tall for another one.
_HIDDEN = 0.01
#: A line may end at a space and after a hyphen.
_PIECE = re.compile(r"[^\s-]*-+|[^\s-]+")


def widths(table: Table, upright: float, side: float, around: float) -> tuple[list[float], bool]:
    """The width of every column, and whether the page has to lie on its side.

    Columns get what their words need, and what is left where it saves most lines. Together they are wider than the page that lies
    where a table has too many columns even for its words. A page lies where the table would take fewer pages on it.

    Parameters
    ----------
    table
        A table with rows.
    upright, side
        Characters in the width of a page that stands and of one that lies.
    around
        Characters that the space around a cell takes, which is part of the widths.
    """
    columns = _columns(table)
    gaps = around * len(columns)
    least, most = sum(c.widths[0] for c in columns), sum(c.widths[-1] for c in columns)
    lies = False
    if most + gaps > upright:
        standing, lying = _fitted(columns, upright - gaps), _fitted(columns, side - gaps)
        lies = least + gaps > upright or _height(columns, standing) > _TALLER * _height(columns, lying)
        chosen = lying if lies else standing
    else:
        chosen = [len(c.widths) - 1 for c in columns]
    return [c.widths[place] + around for c, place in zip(columns, chosen, strict=True)], lies


def closing_lines(text: str) -> list[str]:
    """A number with its range in brackets on two lines; anything else on one."""
    first, space, rest = text.partition(" (")
    return [first, f"({rest}"] if space and len(text) > _SHORT else [text]


def heading_lines(label: str, width: int) -> list[str]:
    """A heading broken between words, for a column of so many characters."""
    lines: list[str] = []
    for word in label.split():
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines or [""]


@dataclass(frozen=True)
class _Column:
    """The pieces of the cells of a column, its heading first: how long each is, and whether a space follows it."""

    cells: tuple[tuple[tuple[float, bool], ...], ...]

    @cached_property
    def _table(self) -> tuple[list[float], NDArray[np.int64]]:
        different = list(dict.fromkeys(self.cells))
        least = max(length for cell in different for length, _ in cell)
        most = max(sum(length + space for length, space in cell) - cell[-1][1] for cell in different)
        found: list[float] = []
        lines: list[list[int]] = []
        for width in (*np.arange(least, most), most):
            now = [_lines(cell, width) for cell in different]
            if not found or now != lines[-1]:
                found.append(float(width))
                lines.append(now)
        places = {cell: i for i, cell in enumerate(different)}
        return found, np.asarray(lines)[:, [places[cell] for cell in self.cells]]

    @property
    def widths(self) -> list[float]:
        """The widths at which a cell takes a line less, the least and the most among them."""
        return self._table[0]

    @property
    def lines(self) -> NDArray[np.int64]:
        """The lines of every cell at each of the widths: (widths, cells)."""
        return self._table[1]


def _columns(table: Table) -> list[_Column]:
    texts = table.texts()
    if len(texts) > _ROWS:
        texts = [texts[i] for i in np.linspace(0, len(texts) - 1, _ROWS).astype(int)]
    out = []
    headed = any(column.label for column in table.columns)
    for place, column in enumerate(table.columns):
        cells = [_pieces(column.label, _BOLD)]
        # Without headings the first column has the names of the rows.
        wider = 1.0 if headed or place else _BOLD
        for row in texts:
            # A closing cell such as "58.0 (40.0 to 69.2)" may break before its bracket, a number nowhere else.
            cell = row[place]
            cells.append(
                _pieces(cell, wider) if column.kind == "text" else tuple((_length(part), True) for part in closing_lines(cell))
            )
        out.append(_Column(tuple(cells)))
    return out


def _pieces(text: str, wider: float = 1.0) -> tuple[tuple[float, bool], ...]:
    out = []
    for word in text.split():
        parts = [part[i : i + _WORD] for part in _PIECE.findall(word) for i in range(0, len(part), _WORD)]
        out += [(wider * _length(part), i == len(parts) - 1) for i, part in enumerate(parts)]
    return tuple(out) or ((1.0, False),)


def _lines(cell: Sequence[tuple[float, bool]], width: float) -> int:
    count, used, gap = 1, 0.0, 0
    for length, space in cell:
        if used and used + gap + length > width + 1e-9:
            count, used, gap = count + 1, 0.0, 0
        used += gap + length
        gap = int(space)
    return count


def _height(columns: Sequence[_Column], chosen: Sequence[int]) -> int:
    """The lines of all rows, each as tall as its tallest cell."""
    return int(np.max([c.lines[place] for c, place in zip(columns, chosen, strict=True)], axis=0).sum())


def _fitted(columns: Sequence[_Column], room: float) -> list[int]:
    """Which of its widths each column takes, so that they fit into a room."""
    return min(
        (_widened(columns, start, room) for start in (_even(columns, room), [0] * len(columns))), key=lambda c: _height(columns, c)
    )


def _even(columns: Sequence[_Column], room: float) -> list[int]:
    """The widths at which no cell of any column takes more lines than the fewest that have room."""
    tallest = [c.lines.max(axis=1) for c in columns]
    for most in range(1, int(max(t[0] for t in tallest)) + 1):
        chosen = [int(np.argmax(t <= most)) for t in tallest]
        if sum(c.widths[place] for c, place in zip(columns, chosen, strict=True)) <= room:
            return chosen
    return [0] * len(columns)


def _widened(columns: Sequence[_Column], chosen: list[int], room: float) -> list[int]:
    """Columns widened as far as the room goes; the next is always the one that saves most lines for its width."""
    spare = room - sum(c.widths[place] for c, place in zip(columns, chosen, strict=True))
    while True:
        tall = _height(columns, chosen)
        best, best_gain = None, 0.0
        for i, column in enumerate(columns):
            for place in range(chosen[i] + 1, len(column.widths)):
                cost = column.widths[place] - column.widths[chosen[i]]
                if cost > spare:
                    break
                own = int(column.lines[chosen[i]].sum() - column.lines[place].sum())
                gain = (tall - _height(columns, [*chosen[:i], place, *chosen[i + 1 :]]) + _HIDDEN * own) / cost
                if gain > best_gain:
                    best, best_gain = (i, place), gain
        if best is None:
            return chosen
        i, place = best
        spare -= columns[i].widths[place] - columns[i].widths[chosen[i]]
        chosen = [*chosen[:i], place, *chosen[i + 1 :]]


def _length(text: str) -> float:
    """Characters of usual width that a text takes: capitals and a few others are wider."""
    return len(text) + 0.25 * sum(character.isupper() or character in "mwMW%" for character in text)
