"""Places for the names of points: a small search for a spot that meets no other name, no point and no edge."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from metanet.base.arrays import Array
from metanet.figures.page import style
from metanet.figures.page.text import LINE, Label, harmless, width_of, wrap

#: Letters of a name, as a share of the text size, and the widest name in text sizes.
LETTER = 0.86
_WIDEST = 15.0
#: Distances from the edge of the point, in text sizes; from the third on a line joins name and point.
_GAPS = (0.25, 0.6, 1.3, 2.2, 3.4, 5.0, 7.0, 9.5)
_JOINED = 2
#: Room on both sides of a name.
_PAD = 0.2
#: By so much another point must be farther from a name than its own.
_CLEARER = 0.5
_NONE: Array = np.empty((0, 4))
#: Height of one line, in letters, as Matplotlib measures it (1.28), and a little for letters that hang low.
_TALL = 1.5
#: Directions in the order of preference: right, left, above, below, then between.
_ANGLES = (0, 180, 90, 270, 45, 135, 315, 225, 22.5, 157.5, 337.5, 202.5, 67.5, 112.5, 292.5, 247.5)


@dataclass(frozen=True)
class Wanted:
    """A name that wants a place at a point; `radius` is that of its mark in points."""

    text: str
    x: float
    y: float
    radius: float = 3.0
    colour: str = style.INK
    bold: bool = False


def in_points(ax: Axes, x: Sequence[float] | Array, y: Sequence[float] | Array) -> Array:
    """Data as points from the lower left corner of the panel, ``[m, 2]``."""
    width, height = panel_size(ax)
    shares = (ax.transData - ax.transAxes).transform(np.column_stack([x, y]).astype(float))
    return np.asarray(shares * [width, height])


def panel_size(ax: Axes) -> tuple[float, float]:
    """Width and height of a panel in points."""
    root = ax.get_figure(root=True)
    assert root is not None
    return ax.bbox.width / root.dpi * 72, ax.bbox.height / root.dpi * 72


def boxes_of(points: Array, radius: float | Array) -> Array:
    """Boxes ``[m, 4]`` (left, bottom, right, top) around points."""
    r = np.broadcast_to(np.asarray(radius, dtype=float), points.shape[:1])[:, None]
    return np.concatenate([points - r, points + r], axis=1)


def boxes_along(start: Array, end: Array, step: float = 4.0) -> Array:
    """Small boxes along lines from `start` to `end` ``[m, 2]``, as obstacles."""
    out = []
    for a, b in zip(start, end, strict=True):
        if not (np.isfinite(a).all() and np.isfinite(b).all()):
            continue
        pieces = max(1, min(400, math.ceil(float(np.hypot(*(b - a))) / step)))
        knots = a + (b - a) * np.linspace(0, 1, pieces + 1)[:, None]
        out.append(np.concatenate([np.minimum(knots[:-1], knots[1:]) - 0.7, np.maximum(knots[:-1], knots[1:]) + 0.7], 1))
    return np.concatenate(out) if out else np.empty((0, 4))


def label_points(
    ax: Axes, wanted: Sequence[Wanted], size: float, obstacles: Array, marks: Array = _NONE, crossable: Array = _NONE
) -> list[str]:
    """Write the names into the panel, the first ones first; the names that found no place come back.

    `obstacles` ``[m, 4]`` are boxes in points of the panel: all lines and texts that are there already. `marks` are the
    boxes of all points, with names or without: no name stands nearer to another point than to its own. What is `crossable` no name
    meets either, but a line from a name to its point may pass through it.
    """
    width, height = panel_size(ax)
    letter = LETTER * size
    marks = np.asarray(marks, dtype=float).reshape(-1, 4)
    taken = np.vstack([np.asarray(obstacles, dtype=float).reshape(-1, 4), marks])
    left: list[str] = []
    for one in wanted:
        name = harmless(one.text)
        text = wrap(name, _WIDEST * size, letter, bold=one.bold, lines=2)
        rows = text.split("\n")
        box = (max(width_of(row, letter, one.bold) for row in rows) * 1.02, (_TALL + (len(rows) - 1) * LINE) * letter)
        at = in_points(ax, [one.x], [one.y])[0]
        found = _search(at, one.radius, box, taken, marks, (width, height), size, crossable)
        if found is None:
            left.append(name)
            continue
        corner, joined = found
        x, y = corner
        ax.add_artist(
            Label(
                x / width,
                (y + 0.3 * letter) / height,
                text,
                size=letter,
                bold=one.bold,
                color=one.colour,
                transform=ax.transAxes,
                zorder=5,
                label="_name",
            )
        )
        taken = np.vstack([taken, [x, y, x + box[0], y + box[1]]])
        if joined:
            near = np.clip(at, corner, corner + box)
            ends = np.array([at, near]) / [width, height]
            line = Line2D(ends[:, 0], ends[:, 1], color=style.SOFT, linewidth=0.5, transform=ax.transAxes, zorder=1.5)
            line.set_label("_leader")
            ax.add_line(line)
            line.set_transform(ax.transAxes)
            taken = np.vstack([taken, boxes_along(at[None], near[None])])
    return left


def _search(
    at: Array,
    radius: float,
    box: tuple[float, float],
    taken: Array,
    marks: Array,
    panel: tuple[float, float],
    size: float,
    crossable: Array,
) -> tuple[Array, bool] | None:
    """The first free lower left corner for a box near a point, and whether it stands so far off that a line must join it."""
    corners, rounds = [], []
    for step, gap in enumerate(_GAPS):
        reach = radius + gap * size
        for angle in _ANGLES:
            c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
            # The side of the box that faces the point touches the circle of this reach.
            corners.append((at[0] + reach * c - box[0] * (1 - c) / 2, at[1] + reach * s - box[1] * (1 - s) / 2))
            rounds.append(step)
    low = np.array(corners)
    high = low + box
    # Only what lies within reach can be met.
    edge = radius + _GAPS[-1] * size + np.array(box) + _PAD * size
    firm = taken[((taken[:, :2] <= at + edge) & (taken[:, 2:] >= at - edge)).all(1)]
    taken = np.vstack([firm, crossable]) if crossable.size else firm
    free = (low >= 0.35 * size).all(1) & (high <= np.array(panel) - 0.5).all(1)
    if taken.size:
        pad = _PAD * size
        # The point's own mark touches its name by design.
        own = (np.abs((taken[:, :2] + taken[:, 2:]) / 2 - at) < 0.01).all(1)
        x0, y0, x1, y1 = taken[~own].T
        met = (high[:, :1] + pad > x0) & (low[:, :1] - pad < x1) & (high[:, 1:] > y0) & (low[:, 1:] < y1)
        free &= ~met.any(1)
    own_gap, others = _gaps(at, radius, low, high, marks)
    # A line to the point tells whose a name is; without one its own point must be the nearest by far.
    free &= others >= np.where(np.array(rounds) >= _JOINED, 0.0, own_gap) + _CLEARER * size
    for i in np.flatnonzero(free):
        joined = rounds[i] >= _JOINED
        if not joined or _clear(at, low[i], np.array(box), radius, firm):
            return low[i], joined
    return None


def _gaps(at: Array, radius: float, low: Array, high: Array, marks: Array) -> tuple[Array, Array]:
    """Distances from boxes ``[n, 2]`` to the edge of their own point, and to that of the nearest other one."""
    middles, radii = (marks[:, :2] + marks[:, 2:]) / 2, (marks[:, 2] - marks[:, 0]) / 2
    # Points that lie on one another are one to the reader.
    other = np.abs(middles - at).max(1) >= 1.0
    middles = np.vstack([at[None], middles[other]])
    away = np.maximum(np.maximum(low[:, None] - middles, middles - high[:, None]), 0.0)
    gaps = np.hypot(away[..., 0], away[..., 1]) - np.concatenate([[radius], radii[other]])
    return gaps[:, 0], gaps[:, 1:].min(1, initial=np.inf)


def _clear(at: Array, corner: Array, box: Array, radius: float, taken: Array) -> bool:
    """Whether a line from the point to the box meets nothing; what lies on the point itself does not count."""
    near = np.clip(at, corner, corner + box)
    way = near - at
    length = float(np.hypot(*way))
    if not taken.size or length <= radius:
        return True
    knots = at + way * np.linspace(min(1.0, (radius + 0.5) / length), 1.0, max(2, math.ceil(length / 2)))[:, None]
    here = ((taken[:, :2] <= at) & (taken[:, 2:] >= at)).all(1)
    x0, y0, x1, y1 = taken[~here].T
    x, y = knots[:, :1], knots[:, 1:]
    return not ((x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)).any()


def not_named(names: Sequence[str]) -> str:
    """The sentence on names that found no place."""
    if not names:
        return ""
    shown = [name[:60] for name in names[:8]]
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return f"Not labelled, for lack of space: {'; '.join(shown)}{more}."
