"""A panel in text sizes: boxes, lines and texts at places that are measured in letters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Rectangle

from metanet.figures.page import style
from metanet.figures.page.page import Page, bold_if
from metanet.figures.page.text import Label


@dataclass(frozen=True)
class Board:
    """Places in text sizes from the lower left corner of the page's area."""

    axes: Axes
    size: float
    width: float
    height: float

    @classmethod
    def on(cls, sheet: Page) -> Board:
        """The whole area of a page."""
        s = sheet.size
        axes = sheet.panel(0.0, 0.0, sheet.width, max(1.0, sheet.height))
        axes.set_axis_off()
        axes.set_xlim(0, sheet.width / s)
        axes.set_ylim(0, sheet.height / s)
        return cls(axes, s, sheet.width / s, sheet.height / s)

    def write(self, text: str, x: float, y: float, letter: float = 1.0, *, bold: bool = False, **properties: Any) -> None:
        """A text whose last baseline is at `y`; `letter` is a share of the text size."""
        properties.setdefault("color", style.INK)
        label = Label(
            x, y, text, size=letter * self.size, bold=bold_if(bold, text), zorder=4, transform=self.axes.transData, **properties
        )
        self.axes.add_artist(label)

    def box(self, corner: tuple[float, float], width: float, height: float, *, face: str, edge: str = "none", label: str) -> None:
        """A rectangle."""
        box = Rectangle(corner, width, height, facecolor=face, edgecolor=edge, linewidth=0 if edge == "none" else 0.5, zorder=1)
        box.set(label=label, clip_on=False)
        self.axes.add_patch(box)

    def disc(self, x: float, y: float, radius: float, *, face: str, label: str) -> None:
        """A disc with a white edge."""
        disc = Circle((x, y), radius, facecolor=face, edgecolor="white", linewidth=0.8, zorder=3)
        disc.set(label=label, clip_on=False)
        self.axes.add_patch(disc)

    def line(self, xs: Sequence[float], ys: Sequence[float], *, width: float, colour: str, label: str, **properties: Any) -> None:
        """A line; `width` in points of the default text size."""
        line = Line2D(list(xs), list(ys), linewidth=width * self.size / style.TEXT_SIZE, color=colour, label=label, **properties)
        line.set_clip_on(False)
        self.axes.add_line(line)
