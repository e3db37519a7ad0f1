"""The rankogram: the probability of every rank of every treatment, as shaded tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.colors import to_hex, to_rgb

from metanet.base.display import plural
from metanet.figures.page import style
from metanet.figures.page.board import Board
from metanet.figures.page.canvas import wanted_width
from metanet.figures.page.label_places import LETTER
from metanet.figures.page.page import MARGIN, page, saying
from metanet.figures.page.save import describe
from metanet.figures.page.subject import alternative, subject_of_record
from metanet.figures.page.text import BASELINE, LINE, harmless, width_of, wrap
from metanet.figures.registry import chart
from metanet.models.network.result import Network

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: In text sizes: widest name, tile, least tile, height of a row, column of SUCRA, head.
_NAME, _TILE, _LEAST, _ROW, _SUCRA, _HEAD = 17.0, 3.1, 0.9, 1.9, 5.4, 3.1
#: Most treatments and ranks that are drawn; from this tile on numbers stand in it.
_MOST, _NUMBERED = 30, 2.0


@chart("rankogram", title="Rankogram", takes=Network, makers="network")
def rankogram(network: Network, *, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw the probability of every rank of every treatment.

    Parameters
    ----------
    network
        The result of `network`.
    ax
        Axes to draw into; None makes a figure that fits the content.
    title
        A heading.

    Returns
    -------
    Axes
        A row for each treatment, the best first, a tile for each rank, darker with its probability, and SUCRA.

    Raises
    ------
    ArgumentError
        Not a result of `network`.

    References
    ----------
    Salanti, Ades and Ioannidis (2011), doi:10.1016/j.jclinepi.2010.03.016.

    Examples
    --------
    >>> arms = rates.assign(treatment=["A", "B", "C"] * (len(rates) // 3) + ["A", "B"][: len(rates) % 3])
    >>> arms = arms.assign(study=[f"Trial {i // 2}" for i in range(len(arms))])
    >>> ax = mn.network(arms, study="study", treatment="treatment").rank_plot()
    """
    frame = network.rankogram()
    if frame.empty:
        return saying(ax, "Rankogram", title, network.reason or "No two treatments have a finite contrast, so that nothing is ranked.")
    ranking = network.ranking.dropna(subset="p_score")
    names = ranking["treatment"].tolist()[:_MOST]
    scores = {str(row["treatment"]): float(row["sucra"]) for row in ranking.to_dict("records")}
    ranks = min(_MOST, int(frame["rank"].max()))
    unit = style.TEXT_SIZE
    width = wanted_width() if ax is None else None
    room = None if width is None else width / unit
    shown = [wrap(harmless(name), (_NAME if room is None else min(_NAME, 0.42 * room)) * unit, unit, lines=2) for name in names]
    left = max(width_of(line, unit) for text in shown for line in text.split("\n")) * 1.02 / unit + 1.0
    tile = min(_TILE, max(_LEAST, 24.0 / ranks)) if ranks > 8 else _TILE
    if room is not None:
        tile = min(tile, max(_LEAST, (room - left - _SUCRA - 2 * MARGIN) / ranks))
    rows = [max(_ROW, (1 + text.count("\n")) * LINE + 0.5) for text in shown]
    whole = (2 * MARGIN + left + ranks * tile + _SUCRA) * unit
    height = (_HEAD + sum(rows) + 0.3) * unit
    notes = [_legend(network, frame, len(ranking)), harmless(network.method.sentence(), 2000)]
    subject = subject_of_record(network.method)
    heading = f"Rank for {subject.outcome[:1].lower()}{subject.outcome[1:]}" if subject.outcome else "Rank"
    with page(ax, width=whole, height=height, least=(whole, height), title=title, notes=notes) as sheet:
        board = Board.on(sheet)
        start, y = MARGIN + left, board.height - _HEAD
        board.write(wrap(heading, (ranks * tile + _SUCRA - 0.5) * board.size, board.size, lines=1), start, y + 1.75, bold=True)
        _heads(board, start, y, tile, ranks)
        chance = {(str(row["treatment"]), int(row["rank"])): float(row["probability"]) for row in frame.to_dict("records")}
        for name, text, tall in zip(names, shown, rows, strict=True):
            middle = y - tall / 2
            board.write(text, MARGIN, middle - BASELINE - text.count("\n") * LINE / 2, raw=True, label="_name")
            for rank in range(ranks):
                _tile(board, start + rank * tile, y - tall, tile, tall, chance.get((name, rank + 1)))
            board.write(
                f"{100 * scores[name]:.0f}", start + ranks * tile + _SUCRA - 0.4, middle - BASELINE, horizontalalignment="right"
            )
            y -= tall
    first = [f"{harmless(name, 80)}: SUCRA {100 * scores[name]:.0f} %" for name in names]
    text = f"Rankogram of {plural(len(names), 'treatment')}. {'; '.join(first)}. {harmless(network.sentence(), 1500)}"
    alt = alternative("Rankogram", subject, len(names), *first[:3], of=("treatment", "treatments"))
    describe(board.axes, harmless(title, 300) if title else "Rankogram", text, alt)
    return board.axes


def _heads(board: Board, start: float, y: float, tile: float, ranks: int) -> None:
    """Numbers of the ranks, every fifth where there is no room for all."""
    wide = width_of(f"{ranks}", LETTER * board.size) / board.size + 0.5
    step = next(step for step in (1, 2, 5, 10, 30) if step * tile >= wide)
    for rank in range(ranks):
        if rank % step == 0:
            board.write(f"{rank + 1}", start + (rank + 0.5) * tile, y + 0.45, LETTER, horizontalalignment="center")
    board.write("SUCRA, %", start + ranks * tile + _SUCRA - 0.4, y + 0.45, LETTER, horizontalalignment="right")


def _tile(board: Board, x: float, y: float, width: float, height: float, chance: float | None) -> None:
    if chance is None:
        return
    red, green, blue = (1.0 + (ink - 1.0) * chance for ink in to_rgb(style.SQUARE))
    face = to_hex((red, green, blue))
    board.box((x, y), width, height, face=face, edge=style.FAINT, label="_tile")
    if width >= _NUMBERED:
        text = "<1" if 0 < chance < 0.005 else f"{100 * chance:.0f}"
        colour = "white" if chance > 0.75 else style.INK
        board.write(text, x + width / 2, y + height / 2 - BASELINE * LETTER, LETTER, horizontalalignment="center", color=colour)


def _legend(network: Network, frame: pd.DataFrame, many: int) -> str:
    error = 100 * frame.attrs["standard_error"]
    better = "higher" if network.better == "higher" else "lower"
    text = (
        f"Tiles: probability of the rank (per cent), rank 1 the best ({better} is better); SUCRA: surface under the cumulative "
        f"ranking. Of {frame.attrs['draws']:,} draws with a fixed seed, standard error at most {error:.2f} points."
    )
    if many > _MOST:
        text += f" The first {_MOST} of {many} treatments are shown."
    if len(network.parts) > 1:
        text += " Ranks are those within the component of the treatment."
    return text
