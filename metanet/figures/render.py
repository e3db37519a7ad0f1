"""Drawing a laid-out table into Matplotlib axes. The y axis counts points downwards from the rule under the headings."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon
from matplotlib.ticker import FixedFormatter, FixedLocator
from matplotlib.transforms import blended_transform_factory

from metanet.errors import ArgumentError, MetanetWarning
from metanet.figures import style
from metanet.figures.axis import Axis, axis_for
from metanet.figures.canvas import discard, new_figure
from metanet.figures.layout import Layout, lay_out
from metanet.figures.table import Bar, Diamond, Point, Table
from metanet.figures.text import AlignedLabel, Label

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

#: Side of the largest square and height of a diamond, as shares of a row.
_SQUARE = 0.62
_DIAMOND = 0.66
_BAR = 0.26


def draw_table(table: Table, ax: Axes | None) -> Axes:
    """Draw `table` in a figure of its own size, or inside the place that `ax` has.

    A given `ax` keeps its figure: the table is scaled down until it fits, never up.
    """
    axis = axis_for(table)
    with style.settings():
        if ax is None:
            layout = lay_out(table)
            figure = new_figure(layout.width / 72, layout.height / 72)
            try:
                return _draw(table, axis, layout, figure.add_axes((0, 0, 1, 1)), 0.0, 0.0)
            except BaseException:
                discard(figure)
                raise
        if not isinstance(ax, Axes):
            raise ArgumentError(f"ax must be Matplotlib axes, not {type(ax).__name__}.")
        layout, left, top = _fit(table, ax)
        return _draw(table, axis, layout, ax, left, top)


def _canvas(ax: Axes) -> tuple[Figure | SubFigure, float, float]:
    """The figure (or subfigure) that `ax` stands in, and its size in points."""
    parent = ax.get_figure(root=False)
    root = ax.get_figure(root=True)
    assert parent is not None  # axes without a figure cannot be made through the public interface
    assert root is not None
    return parent, parent.bbox.width / root.dpi * 72, parent.bbox.height / root.dpi * 72


def _fit(table: Table, ax: Axes) -> tuple[Layout, float, float]:
    """A layout for the place of `ax`, with its left and upper edge in points."""
    _, width, height = _canvas(ax)
    place = ax.get_position()
    natural = lay_out(table)
    size = style.TEXT_SIZE
    layout = natural
    # The panel gives way first; then the text shrinks, and paragraphs wrap anew, so that a few rounds are needed.
    for _ in range(12):
        layout = lay_out(table, size, place.width * width)
        excess = max(layout.width / (place.width * width), layout.height / (place.height * height))
        if excess <= 1.001:
            break
        size *= max(0.5, 0.99 / excess)
    if size < style.SMALLEST_READABLE:
        warnings.warn(
            f"The axes are too small for this figure: its text has {size:.1f} points. Mend: leave ax out, or give axes of "
            f"{natural.width / 72:.1f} by {natural.height / 72:.1f} inches.",
            MetanetWarning,
            stacklevel=4,
        )
    return layout, place.x0 * width, (1 - place.y1) * height


def _draw(table: Table, axis: Axis, layout: Layout, ax: Axes, left: float, top: float) -> Axes:
    parent, width, height = _canvas(ax)
    x0, y1 = left + layout.left, height - top - layout.top
    ax.set_position(
        (
            x0 / width,
            (y1 - layout.panel_height) / height,
            layout.panel_width / width,
            layout.panel_height / height,
        )
    )
    ax.set_xlim(axis.lower, axis.upper)
    ax.set_ylim(layout.panel_height, 0.0)
    _dress(ax, table, axis, layout)
    _marks(ax, table, axis, layout)
    # Across in shares of the figure, so that text and panel stay together whatever is done to the figure; down in points.
    transform = blended_transform_factory(parent.transSubfigure, ax.transData)
    for rule, weight in zip(layout.rules, (0.9, 0.5), strict=False):
        edges = ((left + 0.5 * layout.size) / width, (left + layout.width - 0.5 * layout.size) / width)
        line = Line2D(edges, (rule, rule), color=style.INK, linewidth=weight, transform=transform, clip_on=False)
        line.set_label("_rule")
        ax.add_line(line)
        line.set_transform(transform)
    for text in layout.texts:
        label: Label
        properties = {
            "size": text.size,
            "bold": text.bold,
            "color": text.colour,
            "verticalalignment": text.vertical,
            "transform": transform,
            "zorder": 4,
        }
        if text.parts:
            offsets = [(x / width, piece, side) for x, piece, side in text.parts]
            label = AlignedLabel((x0 + text.x) / width, text.y, text.text, offsets, **properties)
        else:
            label = Label((x0 + text.x) / width, text.y, text.text, horizontalalignment=text.side, **properties)
        ax.add_artist(label)
    return ax


def _dress(ax: Axes, table: Table, axis: Axis, layout: Layout) -> None:
    """Spines, ticks and the name of the axis."""
    size = layout.size
    ax.set_facecolor("none")
    ax.grid(False)
    for side in ("left", "right", "top"):
        ax.spines[side].set_visible(False)
    ax.spines["bottom"].set(linewidth=0.8, color=style.INK)
    ax.yaxis.set_visible(False)
    ax.xaxis.set_major_locator(FixedLocator(list(axis.ticks)))
    ax.xaxis.set_major_formatter(FixedFormatter(list(axis.labels)))
    ax.tick_params(
        axis="x",
        which="major",
        length=0.35 * size,
        width=0.8,
        pad=0.25 * size,
        color=style.INK,
        labelcolor=style.INK,
        labelsize=size * 0.9,
        labelfontfamily=style.FAMILY,
        direction="out",
        bottom=True,
        top=False,
    )
    ax.set_xlabel(table.scale.name, fontproperties=style.font(size, False), color=style.INK, labelpad=0.15 * size)


def _marks(ax: Axes, table: Table, axis: Axis, layout: Layout) -> None:
    scale = table.scale
    if not scale.is_rate and axis.lower < 0 < axis.upper:
        ax.axvline(0.0, color=style.FAINT, linewidth=0.8, zorder=0.4, label="_no effect")
    if table.reference is not None and axis.lower <= scale.place(table.reference) <= axis.upper:
        x = scale.place(table.reference)
        (line,) = ax.plot([x, x], [0, layout.panel_height], color=style.SOFT, linewidth=0.8, dashes=(4, 3), zorder=0.5)
        line.set(label="_reference", clip_on=False)
    points = [(row.mark, y) for row, y in zip(table.rows, layout.rows, strict=True) if isinstance(row.mark, Point)]
    _points(ax, points, table, axis, layout)
    for row, y in zip(table.rows, layout.rows, strict=True):
        if isinstance(row.mark, Diamond):
            _diamond(ax, row.mark, y, table, axis, layout)
        elif isinstance(row.mark, Bar):
            _bar(ax, row.mark, y, table, axis, layout)


def _points(ax: Axes, points: list[tuple[Point, float]], table: Table, axis: Axis, layout: Layout) -> None:
    """Interval lines over squares whose areas are in proportion to the weights."""
    scale = table.scale
    largest = max((p.share for p, _ in points if p.share is not None and p.share == p.share), default=0.0)
    side = _SQUARE * layout.pitch
    inside = [(p, y) for p, y in points if axis.lower <= scale.place(p.value) <= axis.upper]
    weighted = [(p, y) for p, y in inside if p.share is not None and p.share == p.share]
    if weighted:
        ax.scatter(
            [scale.place(p.value) for p, _ in weighted],
            [y for _, y in weighted],
            s=[side**2 * (p.share or 0.0) / largest for p, _ in weighted],
            marker="s",
            color=style.SQUARE,
            linewidths=0,
            clip_on=False,
            zorder=2,
            label="_squares",
        )
    for p, y in points:
        _interval(ax, p.lower, p.upper, y, table, axis, layout, colour=style.INK, label="_interval")
    # A dot in the middle of each square, so that a study of hardly any weight can still be seen.
    unweighted = {id(p) for p, _ in inside} - {id(p) for p, _ in weighted}
    ax.scatter(
        [scale.place(p.value) for p, _ in inside],
        [y for _, y in inside],
        s=[(0.5 if id(p) in unweighted else 0.24) ** 2 * layout.size**2 for p, _ in inside],
        marker="o",
        color=style.INK,
        linewidths=0,
        clip_on=False,
        zorder=3.2,
        label="_centres",
    )


def _interval(
    ax: Axes, lower: float, upper: float, y: float, table: Table, axis: Axis, layout: Layout, *, colour: str, label: str,
    linewidth: float = 0.11,
) -> None:  # fmt: skip
    """A line from `lower` to `upper`, with an arrow where it leaves the axis."""
    if not lower <= upper:
        return
    low, high = table.scale.place(lower), table.scale.place(upper)
    start, end = (min(max(v, axis.lower), axis.upper) for v in (low, high))
    ends = (start, end)
    ax.plot(
        ends, (y, y), color=colour, linewidth=linewidth * layout.size, solid_capstyle="butt", clip_on=False, zorder=3,
        label=label,
    )  # fmt: skip
    tolerance = 1e-9 * (axis.upper - axis.lower)
    for out, x, marker in (
        (low < axis.lower - tolerance, axis.lower, "<"),
        (high > axis.upper + tolerance, axis.upper, ">"),
    ):
        if out:
            ax.plot(
                [x], [y], marker=marker, markersize=0.5 * layout.size, color=colour, markeredgewidth=0, clip_on=False,
                zorder=3, label="_arrow",
            )  # fmt: skip


def _diamond(ax: Axes, mark: Diamond, y: float, table: Table, axis: Axis, layout: Layout) -> None:
    half = _DIAMOND * layout.pitch / 2
    low, middle, high = (table.scale.place(v) for v in (mark.lower, mark.value, mark.upper))
    if not all(math.isfinite(v) for v in (low, middle, high)):
        return
    inside = axis.lower <= low and high <= axis.upper
    polygon = Polygon(
        [(low, y), (middle, y - half), (high, y), (middle, y + half)],
        closed=True,
        facecolor="white" if mark.hollow else style.DIAMOND,
        edgecolor=style.INK,
        linewidth=0.09 * layout.size,
        joinstyle="miter",
        # A diamond at 0 % or 100 % keeps its outline; one that leaves the axis is cut there and gets an arrow.
        clip_on=not inside,
        zorder=3,
        label="_hollow diamond" if mark.hollow else "_diamond",
    )
    ax.add_patch(polygon)
    if not inside:
        _interval(ax, mark.lower, mark.upper, y, table, axis, layout, colour=style.INK, label="_diamond axis")


def _bar(ax: Axes, mark: Bar, y: float, table: Table, axis: Axis, layout: Layout) -> None:
    """The prediction interval: a thick line, unlike every interval of a mean."""
    _interval(
        ax, mark.lower, mark.upper, y, table, axis, layout, colour=style.PREDICTION, label="_prediction",
        linewidth=_BAR * layout.pitch / layout.size,
    )  # fmt: skip
