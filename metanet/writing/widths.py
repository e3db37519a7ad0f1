"""How wide the columns of a printed table are, in characters: numbers on one line, texts broken between words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metanet.writing.table import Table

#: Characters that a text would like on a line, and how long a word is not broken.
_LINE, _WORD = 36, 24
#: How much wider bold letters are.
_BOLD = 1.12
#: A number with its range in brackets is not broken up to so many characters.
_SHORT = 12


def widths(table: Table, upright: float, side: float, around: float) -> tuple[list[float], bool]:
    """The width of every column, and whether the page has to lie on its side.

    Together they are wider than that page where a table has too many columns even for its shortest lines.

    Parameters
    ----------
    table
        A table with rows.
    upright, side
        Characters in the width of a page that stands and of one that lies.
    around
        Characters that the space around a cell takes, which is part of the widths.
    """
    texts = table.texts()
    wanted, least = [], []
    for place, column in enumerate(table.columns):
        cells = [row[place] for row in texts]
        head = _BOLD * max(map(_length, column.label.split() or [""]))
        if column.kind == "text":
            words = max((_length(word) for cell in cells for word in cell.split()), default=1.0)
            least.append(max(head, min(words, _WORD)) + around)
            wanted.append(max(head, min(max(map(_length, cells)), _LINE)) + around)
        else:
            # A closing cell such as "58.0 (40.0 to 69.2)" may break before its bracket.
            parts = [part for cell in cells for part in closing_lines(cell)]
            least.append(max(head, *map(len, parts)) + around)
            wanted.append(max(head, *map(len, cells)) + around)
    room = upright if sum(wanted) <= upright else side
    if sum(wanted) > room:
        spare = max(0.0, room - sum(least))
        more = sum(wanted) - sum(least)
        wanted = [low + spare * (high - low) / more if more else low for low, high in zip(least, wanted, strict=True)]
    return wanted, room == side and sum(wanted) > upright


def filled(table: Table, columns: list[float], room: float, around: float) -> list[float]:
    """The widths with what they leave of the room given to texts and headings that would break."""
    lacking = []
    texts = table.texts()
    for place, (column, width) in enumerate(zip(table.columns, columns, strict=True)):
        longest = max((_length(row[place]) for row in texts), default=0.0) if column.kind == "text" else 0.0
        heading = _BOLD * min(_length(column.label), _WORD)
        lacking.append(max(0.0, max(longest, heading) + around - width))
    spare, wanted = room - sum(columns), sum(lacking)
    if spare <= 0 or wanted <= 0:
        return columns
    share = min(1.0, spare / wanted)
    return [width + lack * share for width, lack in zip(columns, lacking, strict=True)]


def _length(text: str) -> float:
    """Characters of usual width that a text takes: capitals and a few others are wider."""
    return len(text) + 0.25 * sum(character.isupper() or character in "mwMW%" for character in text)


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
