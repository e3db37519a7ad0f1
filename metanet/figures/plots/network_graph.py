"""The graph of a network: treatments as discs by patients, comparisons as lines by studies, drawn by how patients were allocated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from metanet.base.display import plural
from metanet.base.untrusted import listing
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
    from matplotlib.axes import Axes

#: In text sizes: natural width of a figure, widest name, largest and smallest disc (radius), between disc and name, height of the key.
_WIDTH, _NAME, _DISC, _LEAST_DISC, _AWAY, _KEY = 50.0, 13.0, 1.55, 0.3, 1.0, 1.75
_LEAST_WIDTH, _WIDEST = 22.0, 13.0
#: Points: the thinnest line and the thickest.
_THIN, _THICK = 0.8, 6.0
_SAMPLE = 2.6
_EDGE = "#6B7A86"
#: Dashes of a comparison by the allocation of its studies, in points whatever the width of the line, and what they mean.
_LINES: dict[str, tuple[tuple[float, ...], str]] = {
    "all": ((), "randomised in all studies"),
    "some": ((9.0, 2.6, 2.6, 2.6), "randomised in some studies"),
    "none": ((6.0, 3.2), "not randomised"),
    "unknown": ((1.8, 1.8), "allocation not stated"),
}


@dataclass(frozen=True)
class _Node:
    """A treatment: its text in lines, place on the unit circle, and share of the largest disc's area."""

    text: str
    x: float
    y: float
    share: float

    @property
    def right(self) -> bool:
        return self.x > -1e-9

    @property
    def tall(self) -> float:
        return (1 + self.text.count("\n")) * LINE * LETTER + 0.35


@dataclass(frozen=True)
class _Edge:
    first: int
    second: int
    studies: int
    allocation: str


@chart("network_graph", title="Network graph", takes=Network, makers="network")
def network_graph(network: Network, *, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw which treatments studies compare.

    Parameters
    ----------
    network
        The result of `network`.
    ax
        Axes to draw into; None makes a figure.
    title
        A heading.

    Returns
    -------
    Axes
        A disc for each treatment, its area by patients (by studies where there are no counts), and a line for each pair that
        studies compare, its width by their number: unbroken where all of them allocated patients at random, broken where none did,
        dotted where it is not stated. Treatments of one component stand side by side.

    Raises
    ------
    ArgumentError
        Not a result of `network`.

    Examples
    --------
    >>> arms = rates.assign(treatment=["A", "B", "C"] * (len(rates) // 3) + ["A", "B"][: len(rates) % 3])
    >>> arms = arms.assign(study=[f"Trial {i // 2}" for i in range(len(arms))])
    >>> ax = mn.network(arms, study="study", treatment="treatment").graph()
    """
    if network.reason or not network.parts:
        return saying(ax, "Network graph", title, network.reason or "There is no network.")
    unit = style.TEXT_SIZE
    edges = _edges(network)
    width = wanted_width() if ax is None else None
    plan = _plan(network, _WIDTH if width is None else max(_LEAST_WIDTH, width / unit))
    items = [(kind, _LINES[kind][1]) for kind in _LINES if any(edge.allocation == kind for edge in edges)]
    rows = len(_flow(items, plan.width))
    notes = [_legend(network, edges), *_apart(network), harmless(network.method.sentence(), 2000)]
    height = (plan.height + rows * _KEY + 0.6) * unit
    with page(ax, width=plan.width * unit, height=height, least=(plan.width * unit, height), title=title, notes=notes) as sheet:
        board = Board.on(sheet)
        # A wider place has the graph in its middle.
        shift = (board.width - plan.width) / 2, board.height - plan.height
        _draw(board, plan, edges, shift)
        _key(board, items, plan.width, shift[0], board.height - plan.height - 0.3)
    subject = subject_of_record(network.method)
    told = [_told(network, edge) for edge in sorted(edges, key=lambda edge: -edge.studies)]
    text = f"Network graph. {harmless(network.sentence(), 1500)} Comparisons: {'; '.join(told[:40])}."
    alt = alternative("Network graph", subject, len(network.treatments), plural(network.k, "study", "studies"), *told[:2], of=_COUNTED)
    describe(board.axes, harmless(title, 300) if title else "Network graph", text, alt)
    return board.axes


_COUNTED = ("treatment", "treatments")


def _told(network: Network, edge: _Edge) -> str:
    first, second = (harmless(network.treatments[place], 60) for place in (edge.first, edge.second))
    return f"{first} and {second} {plural(edge.studies, 'study', 'studies')}"


def _edges(network: Network) -> list[_Edge]:
    """Every pair that studies compare."""
    places = {name: i for i, name in enumerate(network.treatments)}
    random = dict(zip(network.arms["study"], network.arms["randomised"], strict=True))
    out = []
    for (first, second), studies in network.direct_pairs().items():
        found = [random[name] for name in studies]
        known = [bool(value) for value in found if value is not None and value == value]
        kind = "unknown" if not known else "all" if all(known) and len(known) == len(found) else "some" if any(known) else "none"
        out.append(_Edge(places[first], places[second], len(studies), kind))
    return out


@dataclass(frozen=True)
class _Plan:
    """Widths and heights in text sizes; `nodes` in the order of the treatments, `labels` the middle of each name."""

    width: float
    height: float
    radius: float
    disc: float
    names: float
    nodes: tuple[_Node, ...]
    labels: tuple[float, ...]


def _plan(network: Network, width: float) -> _Plan:
    nodes = _nodes(network, min(_NAME, max(6.0, 0.29 * width)))
    unit = LETTER * style.TEXT_SIZE
    names = max(width_of(line, unit) for node in nodes for line in node.text.split("\n")) * 1.02 / style.TEXT_SIZE
    radius = min(_WIDEST, max(3.0, width / 2 - names - _AWAY - _DISC - MARGIN))
    between = 2 * radius * math.sin(math.pi / max(len(nodes), 2))
    disc = min(_DISC, 0.42 * between)
    height = 2 * (radius + disc) + 0.8
    for right in (True, False):
        height = max(height, sum(node.tall for node in nodes if node.right == right) + 0.8)
    labels = [0.0] * len(nodes)
    for right in (True, False):
        side = [i for i, node in enumerate(nodes) if node.right == right]
        wanted = [height / 2 + radius * nodes[i].y for i in side]
        for i, y in zip(side, _apart_by([nodes[i].tall for i in side], wanted, height), strict=True):
            labels[i] = y
    return _Plan(width, height, radius, disc, names, tuple(nodes), tuple(labels))


def _nodes(network: Network, names: float) -> list[_Node]:
    """The treatments round a circle, component by component, from the top clockwise; two of them side by side."""
    frame, unit = network.arms, style.TEXT_SIZE
    counts = frame.groupby("treatment")["total"].sum() if "total" in frame else frame["treatment"].value_counts()
    order = [name for names_of in network.components for name in names_of]
    turn = {name: i for i, name in enumerate(order)}
    most, out = float(counts.max()), []
    for name in network.treatments:
        angle = math.pi / 2 - 2 * math.pi * (turn[name] / len(order)) if len(order) > 2 else math.pi * (1 - turn[name])
        words = wrap(harmless(name), names * unit, LETTER * unit, lines=2)
        number = f"n = {int(counts[name]):,}" if "total" in frame else plural(int(counts[name]), "study", "studies")
        out.append(_Node(f"{words}\n{number}", math.cos(angle), math.sin(angle), float(counts[name]) / most))
    return out


def _apart_by(tall: Sequence[float], wanted: Sequence[float], height: float) -> list[float]:
    """Middles of boxes near the wanted places, none over another, all between 0 and `height`."""
    order = sorted(range(len(tall)), key=lambda i: wanted[i])
    out = [0.0] * len(tall)
    floor = 0.0
    for i in order:
        out[i] = max(wanted[i], floor + tall[i] / 2)
        floor = out[i] + tall[i] / 2
    ceiling = height
    for i in reversed(order):
        out[i] = min(out[i], ceiling - tall[i] / 2)
        ceiling = out[i] - tall[i] / 2
    return out


def _draw(board: Board, plan: _Plan, edges: Sequence[_Edge], shift: tuple[float, float]) -> None:
    middle = shift[0] + plan.width / 2, shift[1] + plan.height / 2
    at = [(middle[0] + plan.radius * node.x, middle[1] + plan.radius * node.y) for node in plan.nodes]
    most, thickest = max(edge.studies for edge in edges), min(_THICK, 0.55 * plan.radius)
    for edge in sorted(edges, key=lambda edge: -edge.studies):
        (x0, y0), (x1, y1) = at[edge.first], at[edge.second]
        thick = _THIN + (thickest - _THIN) * (edge.studies - 1) / max(most - 1, 1)
        board.line((x0, x1), (y0, y1), width=thick, colour=_EDGE, label="_edge", linestyle=_dashes(edge.allocation, thick), zorder=1,
                   dash_capstyle="butt", solid_capstyle="butt")  # fmt: skip
    for node, (x, y), height in zip(plan.nodes, at, plan.labels, strict=True):
        radius = max(_LEAST_DISC, plan.disc * math.sqrt(node.share))
        board.disc(x, y, radius, face=style.SQUARE, label="_treatment")
        side = 1 if node.right else -1
        edge_x = middle[0] + side * (plan.radius + plan.disc + _AWAY)
        level = shift[1] + height
        board.line((x + side * radius, edge_x - 0.25 * side), (y, level), width=0.5, colour=style.FAINT, label="_leader", zorder=0.5)
        base = level - BASELINE * LETTER - node.text.count("\n") * LINE * LETTER / 2
        board.write(node.text, edge_x, base, LETTER, raw=True, label="_name", horizontalalignment="left" if node.right else "right")


def _dashes(kind: str, width: float) -> Any:
    """Matplotlib measures dashes in widths of the line."""
    lengths = _LINES[kind][0]
    return (0, tuple(length / width for length in lengths)) if lengths else "-"


def _flow(items: Sequence[tuple[str, str]], width: float) -> list[list[tuple[str, str, float]]]:
    """The key in lines: kind, text and left edge, in text sizes."""
    unit, room = style.TEXT_SIZE, width - 2 * MARGIN
    lines: list[list[tuple[str, str, float]]] = [[]]
    x = 0.0
    for kind, words in items:
        text = wrap(words, (room - _SAMPLE - 0.6) * unit, LETTER * unit, lines=1)
        wide = _SAMPLE + 0.6 + width_of(text, LETTER * unit) * 1.02 / unit
        if x and x + wide > room:
            lines.append([])
            x = 0.0
        lines[-1].append((kind, text, x))
        x += wide + 1.6
    return lines


def _key(board: Board, items: Sequence[tuple[str, str]], width: float, left: float, top: float) -> None:
    for i, line in enumerate(_flow(items, width)):
        y = top - (i + 0.5) * _KEY
        for kind, text, x in line:
            start = left + MARGIN + x
            board.line((start, start + _SAMPLE), (y, y), width=2.2, colour=_EDGE, label="_key", linestyle=_dashes(kind, 2.2), zorder=2,
                       dash_capstyle="butt", solid_capstyle="butt")  # fmt: skip
            board.write(text, start + _SAMPLE + 0.6, y - BASELINE * LETTER, LETTER)


def _legend(network: Network, edges: Sequence[_Edge]) -> str:
    counts = np.array([edge.studies for edge in edges])
    area = "studies" if network.measure == "GEN" else "patients"
    reach = f"{counts.min()}" if counts.min() == counts.max() else f"{counts.min()} to {counts.max()}"
    subject = subject_of_record(network.method)
    outcome = f"{subject.outcome}{f' ({subject.direction})' if subject.direction else ''}. " if subject.outcome else ""
    return f"{outcome}Area of a disc: {area} with the treatment (n). Width of a line: studies that compare both ({reach})."


def _apart(network: Network) -> list[str]:
    if network.connected:
        return []
    shown = [f"({listing((harmless(name, 40) for name in names), 6)})" for names in network.components[:8]]
    return [f"No study connects these {len(network.components)} components: {', '.join(shown)}."]
