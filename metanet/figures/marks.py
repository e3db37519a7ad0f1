"""What stands in the panel: squares with their intervals, diamonds, prediction bars, and arrows where the axis ends."""

from __future__ import annotations

import math
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon

from metanet.figures import style
from metanet.figures.axis import Axis
from metanet.figures.layout import Layout
from metanet.figures.presets import ForestPreset
from metanet.figures.scale import Scale
from metanet.figures.table import Bar, Diamond, Point, Table

#: Side of the largest square, height of a diamond and of a prediction bar, as shares of a row.
_SQUARE = 0.62
_DIAMOND = 0.66
_BAR = 0.19
#: In text sizes: line widths, arrows, the dot in a square and the dot of a study without a weight.
_LINE = 0.11
_ARROW = 0.5
_BAR_ARROW = 0.85
_CENTRE = 0.24
_DOT = 0.5


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
        self._points([(mark, y) for mark, y in placed if isinstance(mark, Point)])
        for mark, y in placed:
            if isinstance(mark, Diamond):
                self._diamond(mark, y)
            elif isinstance(mark, Bar):
                width = _BAR * self.layout.pitch
                self._line(mark.lower, mark.upper, y, self.preset.prediction, width, "_prediction")
                self._arrows(mark.lower, mark.upper, y, self.preset.prediction, _BAR_ARROW)

    def _guides(self, table: Table) -> None:
        """The dashed line at the estimate; for effects also a line at no effect."""
        down = (0.0, self.layout.panel_height)
        reference, none = table.reference, self.scale.no_effect
        if none is not None and self.axis.lower < none < self.axis.upper:
            self._add(Line2D((none, none), down, color=style.FAINT, linewidth=0.8, zorder=0.4, label="_no effect"))
        if reference is not None and self._inside(reference):
            x = self.scale.place(reference)
            self._add(
                Line2D((x, x), down, color=style.SOFT, linewidth=0.8, dashes=(4, 3), zorder=0.5, label="_reference")
            )

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
            self._line(p.lower, p.upper, y, style.INK, _LINE * self.layout.size, "_interval")
            self._arrows(p.lower, p.upper, y, style.INK, _ARROW)
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
                arrow = Line2D(
                    [x], [y], marker=marker, markersize=size * self.layout.size, color=colour, label="_arrow"
                )
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
            facecolor="white" if mark.hollow else self.preset.diamond,
            edgecolor=style.INK,
            linewidth=0.09 * self.layout.size,
            joinstyle="miter",
            # A diamond at 0 % or 100 % keeps its outline; one that leaves the axis is cut there and gets an arrow.
            clip_on=not (self.axis.lower <= low and high <= self.axis.upper),
            zorder=3,
            label="_hollow diamond" if mark.hollow else "_diamond",
        )
        self.ax.add_patch(polygon)
        self._arrows(mark.lower, mark.upper, y, style.INK, _ARROW)
