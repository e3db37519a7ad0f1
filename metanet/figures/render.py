"""Drawing a laid-out table into Matplotlib axes. The y axis counts points downwards from the rule under the headings."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator
from matplotlib.transforms import blended_transform_factory

from metanet.errors import ArgumentError, MetanetWarning
from metanet.figures import style
from metanet.figures.axis import Axis, axis_for
from metanet.figures.canvas import discard, new_figure
from metanet.figures.journal_column import wanted_width, warn_if_unreadable
from metanet.figures.layout import DISC, Layout, lay_out
from metanet.figures.marks import Panel
from metanet.figures.table import Table
from metanet.figures.text import AlignedLabel, Label

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure


def draw_table(table: Table, ax: Axes | None) -> Axes:
    """Draw `table` in a figure of its own size, or inside the place that `ax` has.

    A given `ax` keeps its figure: the table is scaled down until it fits, never up.
    """
    axis = axis_for(table)
    if ax is not None:
        if not isinstance(ax, Axes):
            raise ArgumentError(f"ax must be Matplotlib axes, not {type(ax).__name__}.")
        with style.settings():
            layout, left, top = _fit(table, ax)
            return _draw(table, axis, layout, ax, left, top)
    layout = _for_column(table)
    # Outside of our settings: the first figure of a notebook imports pyplot, whose backend sets the notebook's own.
    figure = new_figure(layout.width / 72, layout.height / 72)
    try:
        with style.settings():
            return _draw(table, axis, layout, figure.add_axes((0, 0, 1, 1)), 0.0, 0.0)
    except BaseException:
        discard(figure)
        raise


def _for_column(table: Table) -> Layout:
    """The natural layout, or one as wide as the column that was asked for: the panel gives way first, then the text shrinks."""
    width = wanted_width()
    if width is None:
        return lay_out(table)
    size = style.TEXT_SIZE
    layout = lay_out(table, size, width)
    for _ in range(12):
        if layout.width <= width * 1.0001:
            break
        size *= max(0.5, 0.999 * width / layout.width)
        layout = lay_out(table, size, width)
    warn_if_unreadable(size, 4)
    return layout


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
    ax.set_xscale("log" if axis.log else "linear")
    ax.set_xlim(axis.lower, axis.upper)
    ax.set_ylim(layout.panel_height, 0.0)
    _dress(ax, table, axis, layout)
    Panel(ax, table.scale, axis, layout, table.preset).draw(table)
    # Across in shares of the figure, so that text and panel stay together whatever is done to the figure; down in points.
    transform = blended_transform_factory(parent.transSubfigure, ax.transData)
    for rule, weight in zip(layout.rules, (0.9, 0.5), strict=False):
        edges = ((left + 0.5 * layout.size) / width, (left + layout.width - 0.5 * layout.size) / width)
        line = Line2D(edges, (rule, rule), color=style.INK, linewidth=weight, transform=transform, clip_on=False)
        line.set_label("_rule")
        ax.add_line(line)
        line.set_transform(transform)
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
        labelfontfamily=style.FAMILY,
        direction="out",
        bottom=True,
        top=False,
        labelbottom=True,
        labeltop=False,
    )
    # Ticks made later, by the first drawing, would take the caller's settings.
    ax.xaxis.get_major_ticks(len(axis.ticks))
    ax.set_xlabel(table.scale.name, fontproperties=style.font(size, False), color=style.INK, labelpad=0.3 * size)
