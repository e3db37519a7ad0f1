"""Marks of judgements in any axes, and the key that says what they mean; places in text sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from metanet.evidence.bias.board import Board
from metanet.evidence.bias.judgements import Unit
from metanet.evidence.bias.tools import Level
from metanet.figures.forest.judgements import MARKS, OPEN
from metanet.figures.forest.layout import DISC
from metanet.figures.forest.table import Judgement
from metanet.figures.page import style
from metanet.figures.page.label_places import LETTER
from metanet.figures.page.text import BASELINE, LINE, Label, width_of, wrap

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Height of a line of the key, from a mark to its text, and between two items.
_LINE, _MARK, _GAP = 1.75, 1.6, 1.5
#: A part of a bar without a judgement.
NOT_JUDGED = Judgement("×", "#FFFFFF", "no judgement")


def mark_at(board: Board, unit: Unit, domain: str) -> Judgement | None:
    """The mark of a judgement; None where there is none."""
    if board.is_open(unit, domain):
        return OPEN
    level = board.level_at(unit, domain)
    return None if level is None else MARKS[level.mark]


def key_of(marks: Sequence[Judgement | None], levels: Sequence[Level | None]) -> list[tuple[Judgement, str]]:
    """The marks that occur, the best first, with the levels that they stand for: "low or low except for confounding"."""
    used = [mark for mark in (*MARKS.values(), OPEN) if mark in marks]
    out = []
    for mark in used:
        words = list(dict.fromkeys(level.title.lower() for level in levels if level is not None and MARKS[level.mark] is mark))
        out.append((mark, " or ".join(words) or mark.word))
    return out


def flow(items: Sequence[tuple[Judgement, str]], width: float) -> tuple[list[tuple[float, float, str]], float]:
    """The key in lines of `width`: of each item its left edge, how far its line is below the top, and its text; then the height."""
    unit = style.TEXT_SIZE
    out: list[tuple[float, float, str]] = []
    x, y, tall = 0.0, 0.0, 1
    for _, words in items:
        text = wrap(words, max(4.0, width - _MARK) * unit, LETTER * unit, lines=4)
        wide = _MARK + max(width_of(row, LETTER * unit) for row in text.split("\n")) * 1.02 / unit
        if out and x + wide > width:
            x, y, tall = 0.0, y + _LINE + (tall - 1) * LINE * LETTER, 1
        out.append((x, y, text))
        tall = max(tall, 1 + text.count("\n"))
        x += wide + _GAP
    return out, (y + _LINE + (tall - 1) * LINE * LETTER if items else 0.0)


def draw_marks(axes: Axes, places: Sequence[tuple[float, float]], marks: Sequence[Judgement], size: float) -> None:
    """Discs with their signs in axes whose unit is a text size."""
    if not places:
        return
    axes.scatter(
        [x for x, _ in places],
        [y for _, y in places],
        s=(DISC * size) ** 2,
        color=[mark.colour for mark in marks],
        edgecolors=style.INK,
        linewidths=0.4,
        clip_on=False,
        zorder=3.5,
        label="_judgements",
    )
    for (x, y), mark in zip(places, marks, strict=True):
        if mark.sign:
            axes.add_artist(
                Label(x, y - BASELINE, mark.sign, size=size, bold=True, color=style.INK, horizontalalignment="center",
                      raw=True, transform=axes.transData, zorder=4)
            )  # fmt: skip


def draw_key(axes: Axes, items: Sequence[tuple[Judgement, str]], left: float, top: float, width: float, size: float) -> None:
    """The key under `top`."""
    placed, _ = flow(items, width)
    y_of = [top - y - _LINE / 2 for _, y, _ in placed]
    draw_marks(axes, [(left + x + 0.65, y) for (x, _, _), y in zip(placed, y_of, strict=True)], [mark for mark, _ in items], size)
    for (x, _, text), y in zip(placed, y_of, strict=True):
        axes.add_artist(
            Label(left + x + _MARK, y - BASELINE * LETTER - text.count("\n") * LINE * LETTER, text, size=LETTER * size,
                  color=style.INK, transform=axes.transData, zorder=4)
        )  # fmt: skip
