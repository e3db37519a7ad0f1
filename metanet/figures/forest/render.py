"""A laid-out table drawn into Matplotlib axes: texts, squares with intervals, diamonds, prediction bars."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator
from matplotlib.transforms import blended_transform_factory

from metanet.base.errors import ArgumentError
from metanet.figures.forest.layout import DISC, Layout, lay_out
from metanet.figures.forest.narrow import fitted
from metanet.figures.forest.presets import ForestPreset
from metanet.figures.forest.table import Bar, Diamond, Point, Swarm, Table
from metanet.figures.page import style
from metanet.figures.page.axis import Axis, axis_for
from metanet.figures.page.canvas import discard, new_figure, wanted_width
from metanet.figures.page.options import chosen
from metanet.figures.page.page import caption_of, set_caption
from metanet.figures.page.scale import Scale
from metanet.figures.page.text import LINE, AlignedLabel, Label

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure


#: Side of the largest square, height of a diamond and of a prediction bar, as shares of a row.
_SQUARE = 0.62
_DIAMOND = 0.66
_BAR = 0.19
_THIN_BAR = 0.1
#: In text sizes: line widths, arrows, the dot in a square and the dot of a study without a weight.
_LINE = 0.11
_ARROW = 0.5
_BAR_ARROW = 0.85
_CENTRE = 0.24
_DOT = 0.5
#: More studies without rows than this are a bitmap.
_BITMAP = 400


@dataclass(frozen=True)
class Panel:
    """The axes with what is needed to place marks in them. Labels begin with "_", so that no legend lists them."""

    ax: Axes
    scale: Scale
    axis: Axis
    layout: Layout
    preset: ForestPreset

    def draw(self, table: Table) -> None:
        """All marks of a table."""
        self._guides(table)
        placed = list(zip((row.mark for row in table.rows), self.layout.rows, strict=True))
        for row, y in zip(table.rows, self.layout.rows, strict=True):
            if row.prediction is not None:
                self._bar(row.prediction, y, _THIN_BAR)
        self._points([(mark, y) for mark, y in placed if isinstance(mark, Point)])
        for mark, y in placed:
            if isinstance(mark, Diamond):
                self._diamond(mark, y)
            elif isinstance(mark, Swarm):
                self._swarm(mark, y, next(row.tall for row in table.rows if row.mark is mark))
            elif isinstance(mark, Bar):
                self._bar(mark, y, _BAR)

    def _bar(self, mark: Bar, y: float, height: float) -> None:
        """A prediction interval; `height` as a share of a row."""
        self._line(mark.lower, mark.upper, y, self.preset.prediction, height * self.layout.pitch, "_prediction")
        self._arrows(mark.lower, mark.upper, y, self.preset.prediction, _BAR_ARROW)

    def _guides(self, table: Table) -> None:
        """The dashed line at the estimate; for effects also a line at no effect."""
        down = (0.0, self.layout.panel_height)
        reference, none = table.reference, self.scale.no_effect
        if none is not None and self.axis.lower < none < self.axis.upper:
            self._add(Line2D((none, none), down, color=style.FAINT, linewidth=0.8, zorder=0.4, label="_no effect"))
        if reference is not None and self._inside(reference):
            x = self.scale.place(reference)
            self._add(Line2D((x, x), down, color=style.SOFT, linewidth=0.8, dashes=(4, 3), zorder=0.5, label="_reference"))

    def _add(self, line: Line2D) -> None:
        # A mark at 0 % or 100 % must not lose the half that lies beyond the axis.
        line.set_clip_on(False)
        self.ax.add_line(line)

    def _inside(self, value: float) -> bool:
        return self.axis.lower <= self.scale.place(value) <= self.axis.upper

    def _points(self, points: list[tuple[Point, float]]) -> None:
        """Interval lines over squares whose areas are in proportion to the weights."""
        inside = [(p, y) for p, y in points if self._inside(p.value)]
        weighted = [(p, y, p.share) for p, y in inside if p.share is not None and p.share == p.share]
        largest = max((p.share for p, _ in points if p.share is not None and p.share == p.share), default=1.0)
        if weighted:
            side = _SQUARE * self.layout.pitch
            self.ax.scatter(
                [self.scale.place(p.value) for p, _, _ in weighted],
                [y for _, y, _ in weighted],
                s=[side**2 * share / largest for _, _, share in weighted],
                marker="s",
                color=self.preset.square,
                linewidths=0,
                clip_on=False,
                zorder=2,
                label="_squares",
            )
        for p, y in points:
            ink = style.VAGUE if p.vague else style.INK
            self._line(p.lower, p.upper, y, ink, _LINE * self.layout.size, "_interval")
            self._arrows(p.lower, p.upper, y, ink, _ARROW)
        # A dot in the middle of each square, so that a study of hardly any weight can still be seen.
        for diameter, rows, name in (
            (_CENTRE, [(p, y) for p, y, _ in weighted], "_centres"),
            (_DOT, [(p, y) for p, y in inside if p.share is None or p.share != p.share], "_dots"),
        ):
            if rows:
                self.ax.scatter(
                    [self.scale.place(p.value) for p, _ in rows],
                    [y for _, y in rows],
                    s=(diameter * self.layout.size) ** 2,
                    marker="o",
                    color=style.INK,
                    linewidths=0,
                    clip_on=False,
                    zorder=3.2,
                    label=name,
                )

    def _swarm(self, mark: Swarm, y: float, tall: float) -> None:
        """One thin line a study over the height of the row, the first on top; of very many they are a bitmap, also in vector files."""
        k, high = len(mark.points), tall * self.layout.size
        pitch = high / k
        ys = y - high / 2 + (np.arange(k) + 0.5) * pitch
        places = np.array([[self.scale.place(v) for v in (p.value, p.lower, p.upper)] for p in mark.points])
        low, high_end = (np.clip(places[:, i], self.axis.lower, self.axis.upper) for i in (1, 2))
        known = np.isfinite(places).all(1) & (low <= high_end)
        lines = LineCollection(
            [((a, at), (b, at)) for a, b, at in zip(low[known], high_end[known], ys[known], strict=True)],
            colors=self.preset.square,
            linewidths=min(0.9, max(0.2, 0.5 * pitch)),
            alpha=0.45,
            zorder=2,
            label="_interval",
            rasterized=k > _BITMAP,
        )
        lines.set_clip_on(False)
        self.ax.add_collection(lines, autolim=False)
        inside = known & (places[:, 0] >= self.axis.lower) & (places[:, 0] <= self.axis.upper)
        side = min(_DOT * self.layout.size, max(0.8, 1.2 * pitch))
        dots = self.ax.scatter(places[inside, 0], ys[inside], s=side**2, color=style.INK, linewidths=0, zorder=3, label="_dots")
        dots.set(clip_on=False, rasterized=k > _BITMAP)

    def _line(self, lower: float, upper: float, y: float, colour: str, width: float, label: str) -> None:
        """A line from `lower` to `upper`, as far as it lies on the axis."""
        if lower <= upper:
            ends = [min(max(self.scale.place(v), self.axis.lower), self.axis.upper) for v in (lower, upper)]
            line = Line2D(ends, (y, y), color=colour, linewidth=width, solid_capstyle="butt", zorder=3, label=label)
            self._add(line)

    def _arrows(self, lower: float, upper: float, y: float, colour: str, size: float) -> None:
        """An arrow at each end of the axis beyond which the interval goes on."""
        # An interval that ends on the axis's end must not get an arrow for a rounding error.
        first, last = self.axis.lower, self.axis.upper
        slack = 1e-9 * (last - first)
        low_slack = 1e-9 * first if self.axis.log else slack
        for beyond, x, marker in (
            (self.scale.place(lower) < first - low_slack, first, "<"),
            (self.scale.place(upper) > last + slack, last, ">"),
        ):
            if beyond:
                arrow = Line2D([x], [y], marker=marker, markersize=size * self.layout.size, color=colour, label="_arrow")
                arrow.set(markeredgewidth=0, linestyle="none", zorder=3.1)
                self._add(arrow)

    def _diamond(self, mark: Diamond, y: float) -> None:
        half = _DIAMOND * self.layout.pitch / 2
        low, middle, high = (self.scale.place(v) for v in (mark.lower, mark.value, mark.upper))
        if not all(math.isfinite(v) for v in (low, middle, high)):
            return
        if self.axis.log and low <= 0:
            # A ratio of zero has no place on this axis: the diamond is cut at its edge, and gets an arrow.
            low = self.axis.lower / 1e3
        polygon = Polygon(
            [(low, y), (middle, y - half), (high, y), (middle, y + half)],
            closed=True,
            facecolor="white" if mark.hollow else style.FAINT if mark.vague else self.preset.diamond,
            edgecolor=style.VAGUE if mark.vague else style.INK,
            linewidth=0.09 * self.layout.size,
            joinstyle="miter",
            # A diamond at 0 % or 100 % keeps its outline; one that leaves the axis is cut there and gets an arrow.
            clip_on=not (self.axis.lower <= low and high <= self.axis.upper),
            zorder=3,
            label="_hollow diamond" if mark.hollow else "_diamond",
        )
        self.ax.add_patch(polygon)
        self._arrows(mark.lower, mark.upper, y, style.VAGUE if mark.vague else style.INK, _ARROW)


def draw_table(table: Table, ax: Axes | None) -> Axes:
    """Draw `table` in a figure of its own size, or inside the place that `ax` has.

    A given `ax` keeps its figure: the table is scaled down until it fits, never up.
    """
    axis, caption = axis_for(table), caption_of((*table.notes, table.method))
    if not chosen().notes:
        table = replace(table, notes=(), method="")
    if ax is not None:
        if not isinstance(ax, Axes):
            raise ArgumentError(f"ax must be Matplotlib axes, not {type(ax).__name__}.")
        with style.settings():
            layout, left, top = _fit(table, ax)
            set_caption(ax, caption)
            return _draw(table, axis, layout, ax, left, top)
    layout = _for_column(table)
    # Outside of our settings: the first figure of a notebook imports pyplot, whose backend sets the notebook's own.
    figure = new_figure(layout.width / 72, layout.height / 72)
    try:
        with style.settings():
            own = figure.add_axes((0, 0, 1, 1))
            set_caption(own, caption)
            return _draw(table, axis, layout, own, 0.0, 0.0)
    except BaseException:
        discard(figure)
        raise


def _for_column(table: Table) -> Layout:
    """The natural layout, or one as wide as the column that was asked for."""
    width = wanted_width()
    return lay_out(table, chosen().size) if width is None else fitted(table, width)


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
    size = chosen().size
    layout = lay_out(table, size)
    # The panel gives way first; then the text shrinks, and paragraphs wrap anew, so that a few rounds are needed.
    for _ in range(12):
        layout = lay_out(table, size, place.width * width)
        excess = max(layout.width / (place.width * width), layout.height / (place.height * height))
        if excess <= 1.001:
            break
        size *= max(0.5, 0.99 / excess)
    return layout, place.x0 * width, (1 - place.y1) * height


def _draw(table: Table, axis: Axis, layout: Layout, ax: Axes, left: float, top: float) -> Axes:
    parent, width, height = _canvas(ax)
    x0, y1 = left + layout.left, height - top - layout.top
    ax.set_position((x0 / width, (y1 - layout.panel_height) / height, layout.panel_width / width, layout.panel_height / height))
    ax.set_xscale("log" if axis.log else "linear")
    ax.set_xlim(axis.lower, axis.upper)
    ax.set_ylim(layout.panel_height, 0.0)
    _dress(ax, axis, layout)
    Panel(ax, table.scale, axis, layout, table.preset).draw(table)
    # Across in shares of the figure, so that text and panel stay together whatever is done to the figure; down in points.
    transform = blended_transform_factory(parent.transSubfigure, ax.transData)
    for rule, weight in zip(layout.rules, (0.9, 0.5), strict=False):
        edges = ((left + 0.5 * layout.size) / width, (left + layout.width - 0.5 * layout.size) / width)
        line = Line2D(edges, (rule, rule), color=style.INK, linewidth=weight, transform=transform, clip_on=False)
        line.set_label("_rule")
        ax.add_line(line)
        line.set_transform(transform)
    for start, end, y in layout.spans:
        over = Line2D(((x0 + start) / width, (x0 + end) / width), (y, y), color=style.SOFT, linewidth=0.5, transform=transform)
        over.set(clip_on=False, label="_span")
        ax.add_line(over)
        over.set_transform(transform)
    if layout.discs:
        ax.scatter(
            [(x0 + disc.x) / width for disc in layout.discs],
            [disc.y for disc in layout.discs],
            s=(DISC * layout.size) ** 2,
            color=[disc.colour for disc in layout.discs],
            edgecolors=style.INK,
            linewidths=0.4,
            transform=transform,
            clip_on=False,
            zorder=3.5,
            label="_judgements",
        )
    for text in layout.texts:
        label: Label
        properties: dict[str, Any] = {
            "raw": True,
            "size": text.size,
            "bold": text.bold,
            "color": text.colour,
            "transform": transform,
            "zorder": 4,
        }
        if text.parts:
            offsets = [(x / width, piece, side, bold) for x, piece, side, bold in text.parts]
            label = AlignedLabel((x0 + text.x) / width, text.y, text.text, offsets, **properties)
        else:
            label = Label((x0 + text.x) / width, text.y, text.text, horizontalalignment=text.side, **properties)
        ax.add_artist(label)
    return ax


def _dress(ax: Axes, axis: Axis, layout: Layout) -> None:
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
    ax.xaxis.set_minor_locator(NullLocator())
    ax.tick_params(
        axis="x",
        which="major",
        length=0.35 * size,
        width=0.8,
        pad=0.25 * size,
        color=style.INK,
        labelcolor=style.INK,
        labelsize=size * 0.9,
        labelfontfamily=list(style.primary()),
        direction="out",
        bottom=True,
        top=False,
        labelbottom=True,
        labeltop=False,
    )
    # Ticks made later, by the first drawing, would take the caller's settings.
    ax.xaxis.get_major_ticks(len(axis.ticks))
    families, _ = style.families_for(layout.axis_name)
    label = ax.set_xlabel(
        layout.axis_name, fontproperties=style.font(size, False, families), color=style.INK, labelpad=0.3 * size, linespacing=LINE
    )
    label.set_parse_math(False)
    label.set_usetex(False)
