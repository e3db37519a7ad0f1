"""The league table of a network as a figure: every treatment against every other one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metanet.base.display import ABSENT, level_text, plural
from metanet.figures.page import style
from metanet.figures.page.board import Board
from metanet.figures.page.page import MARGIN, page, saying
from metanet.figures.page.save import describe
from metanet.figures.page.subject import alternative, subject_of_record
from metanet.figures.page.text import BASELINE, LINE, harmless, width_of, wrap
from metanet.figures.registry import chart
from metanet.models.network.result import Network

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: In text sizes: widest name on the diagonal, room on both sides of a text, between lines of a cell and its edges.
_NAME, _PAD, _ROOM = 8.5, 0.5, 0.5
_LETTER = 0.9
_MOST = 12
_GROUND = "#E9EEF3"


@dataclass(frozen=True)
class _Cells:
    """The texts of a square, in lines, and the widths of its columns and heights of its rows, in text sizes."""

    texts: tuple[tuple[str, ...], ...]
    columns: tuple[float, ...]
    rows: tuple[float, ...]


@chart("league", title="League table", takes=Network, makers="network")
def league(network: Network, *, ax: Axes | None = None, title: str | None = None, most: int = _MOST) -> Axes:
    """Draw the league table of a network.

    Parameters
    ----------
    network
        The result of `network`.
    ax
        Axes to draw into; None makes a figure that fits the content.
    title
        A heading.
    most
        So many treatments at the most, the best ones; `Network.league_table` has all.

    Returns
    -------
    Axes
        A square with the treatments on the diagonal, the best first: row against column, below it from the network, above it from
        direct comparisons.

    Raises
    ------
    ArgumentError
        Not a result of `network`.

    Examples
    --------
    >>> arms = rates.assign(treatment=["A", "B", "C"] * (len(rates) // 3) + ["A", "B"][: len(rates) % 3])
    >>> arms = arms.assign(study=[f"Trial {i // 2}" for i in range(len(arms))])
    >>> ax = mn.network(arms, study="study", treatment="treatment").league()
    """
    frame = network.league_table()
    if frame.empty:
        return saying(ax, "League table", title, network.reason or "There is no contrast.")
    most = max(2, most)
    shown = frame.iloc[:most, :most]
    cells = _cells(shown)
    unit = style.TEXT_SIZE
    width, height = (2 * MARGIN + sum(cells.columns)) * unit, (sum(cells.rows) + 0.8) * unit
    subject = subject_of_record(network.method)
    outcome = f" of {subject.outcome[:1].lower()}{subject.outcome[1:]}" if subject.outcome else ""
    notes = [_legend(network, outcome, subject.direction, len(frame), len(shown)), harmless(network.method.sentence(), 2000)]
    with page(ax, width=width, height=height, least=(width, height), title=title, notes=notes) as sheet:
        board = Board.on(sheet)
        _draw(board, cells)
    told = [
        f"{harmless(each.first, 60)} against {harmless(each.second, 60)} {each.text(network.scale, network.level)}"
        for each in network.pairs()
    ]
    text = f"League table of {plural(len(shown), 'treatment')}{outcome}. {harmless(network.sentence(), 1500)} {'; '.join(told[:40])}."
    alt = alternative("League table", subject, len(shown), *told[:2], of=("treatment", "treatments"))
    describe(board.axes, harmless(title, 300) if title else "League table", text, alt)
    return board.axes


def _cells(frame: pd.DataFrame) -> _Cells:
    unit = style.TEXT_SIZE
    names = [wrap(harmless(name), _NAME * unit, unit, lines=3) for name in frame.index]
    texts = []
    for i, row in enumerate(frame.to_numpy().tolist()):
        # An estimate stands over its interval.
        texts.append(tuple(names[i] if i == j else str(text).replace(" (", "\n(", 1) for j, text in enumerate(row)))
    columns = tuple(max(_width(row[j], i == j) for i, row in enumerate(texts)) + 2 * _PAD for j in range(len(names)))
    rows = tuple(max(1 + text.count("\n") for text in row) * LINE + 2 * _ROOM for row in texts)
    return _Cells(tuple(texts), columns, rows)


def _width(text: str, name: bool) -> float:
    """The widest line of a cell, in text sizes."""
    unit = style.TEXT_SIZE
    return max(width_of(line, unit if name else _LETTER * unit, name) for line in text.split("\n")) * 1.04 / unit


def _draw(board: Board, cells: _Cells) -> None:
    y = board.height - 0.3
    for i, (row, tall) in enumerate(zip(cells.texts, cells.rows, strict=True)):
        x = MARGIN
        for j, (text, wide) in enumerate(zip(row, cells.columns, strict=True)):
            board.box((x, y - tall), wide, tall, face=_GROUND if i == j else "white", edge=style.FAINT, label="_cell")
            letter = 1.0 if i == j else _LETTER
            # The middle of all lines in the middle of the cell.
            base = y - tall / 2 - BASELINE * letter - text.count("\n") * LINE * letter / 2
            colour = style.SOFT if text == ABSENT or j > i else style.INK
            board.write(text, x + wide / 2, base, letter, bold=i == j, raw=i == j, horizontalalignment="center", color=colour)
            x += wide
        y -= tall


def _legend(network: Network, outcome: str, direction: str, whole: int, shown: int) -> str:
    directed = f" ({direction})" if direction else ""
    text = (
        f"{network.scale.name}{outcome} with {level_text(network.level)} intervals, row against column{directed}: below the "
        "diagonal from the network, above it (grey) from direct comparisons. The best P-score first."
    )
    if shown < whole:
        text += f" The first {shown} of {whole} treatments are shown."
    if len(network.parts) > 1:
        text += " A dash below the diagonal: no study connects the two, or there is no finite estimate."
    return text
