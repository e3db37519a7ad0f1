"""The forest plot drawn by the `forestplot` package: its labelled table and intervals, with our numbers and our diamond.

The package changes global settings when it is imported, merges rows with equal labels, reads labels as mathematics and
asks pyplot for "the current figure"; all of that is kept inside this module.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon

from metanet.base.errors import ArgumentError, MetanetError
from metanet.base.extras import install
from metanet.figures.forest.table import Bar, Cell, Column, Diamond, Judgement, Parts, Point, Row, Table
from metanet.figures.page import style
from metanet.figures.page.axis import axis_for
from metanet.figures.page.canvas import discard, new_figure, shown_by_pyplot
from metanet.figures.page.text import LINE, Label, harmless, wrap

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


#: Inches of the panel and of a row; points squared of the largest square; characters of a label.
_PANEL = 3.0
_PITCH = 0.26
_LARGEST_MARKER = 110.0
_LABEL = 60
_MEASURED = 300
_MONOSPACE = "DejaVu Sans Mono"


def draw_with_forestplot(table: Table) -> Axes:
    """Draw `table` with the forestplot package in a figure of its own."""
    if not table.scale.is_rate:
        # Its right-hand column stands at 1.05 times the upper limit: inside the panel where effects are negative.
        raise ArgumentError("backend='forestplot' draws rates, not effects. Fix: leave backend out.")
    import pandas as pd

    plot = load_forestplot()
    axis = axis_for(table)
    frame = pd.DataFrame([_record(table, row) for row in table.rows])
    frame["label"] = _unique([harmless(row.label, _LABEL) for row in table.rows])
    sides = [[(f"cell {i}", c) for i, c in enumerate(table.columns) if i and c.right is right] for right in (False, True)]
    left, right = sides
    figure = new_figure(_PANEL, _PITCH * (len(table.rows) + 1))
    try:
        with _kept_settings(), style.settings({"text.parse_math": False}):
            axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
            with _current(figure):
                plot(
                    frame,
                    estimate="estimate",
                    ll="lower",
                    hl="upper",
                    varlabel="label",
                    variable_header="Study",
                    annote=[key for key, _ in left] or None,
                    annoteheaders=[c.heading for _, c in left] or None,
                    rightannote=[key for key, _ in right] or None,
                    right_annoteheaders=[c.heading for _, c in right] or None,
                    form_ci_report=False,
                    ci_report=False,
                    capitalize=None,
                    xlabel=table.scale.name,
                    xlabel_size=style.TEXT_SIZE,
                    xlabel_fontweight="normal",
                    xlim=(axis.lower, axis.upper),
                    xticks=list(axis.ticks),
                    xticklabels=list(axis.labels),
                    xtick_size=style.TEXT_SIZE,
                    xline=None if table.reference is None else table.scale.place(table.reference),
                    xlinestyle="--",
                    xlinecolor=style.SOFT,
                    xlinewidth=0.8,
                    markersize="size",
                    markercolor=style.SQUARE,
                    markeralpha=1.0,
                    linecolor=style.INK,
                    lw=1.0,
                    fontfamily=_MONOSPACE,
                    fontsize=style.TEXT_SIZE,
                    ax=axes,
                )
            _summaries(axes, table)
            _finish(axes, table)
    except BaseException:
        discard(figure)
        raise
    return axes


def _record(table: Table, row: Row) -> dict[str, Any]:
    """One row for the package; a summary has a place for its text, and its mark is drawn by us."""
    point = row.mark if isinstance(row.mark, Point) else Point(math.nan, math.nan, math.nan, 0.0)
    shares = [r.mark.share for r in table.studies if isinstance(r.mark, Point) and r.mark.share is not None]
    largest = max((share for share in shares if share == share), default=math.nan)
    share = point.share if point.share is not None and point.share == point.share and largest == largest else None
    out: dict[str, Any] = {
        "estimate": table.scale.place(point.value),
        "lower": table.scale.place(point.lower),
        "upper": table.scale.place(point.upper),
        "size": _LARGEST_MARKER / 3 if share is None else _LARGEST_MARKER * share / largest,
    }
    for i, column in enumerate(table.columns):
        out[f"cell {i}"] = _padded(row.cells.get(column.key, ""), column, table.rows)
    return out


def _padded(cell: Cell, column: Column, rows: tuple[Row, ...]) -> str:
    """A cell padded in a monospaced face so that its numbers stand under those of the other rows."""
    cells = [row.cells.get(column.key, "") for row in rows]
    blocks = [c for c in cells if isinstance(c, Parts)]
    widths = [max(len(c.pieces[i]) for c in blocks) for i in range(len(column.sides))] if blocks else []
    between = " " if column.gap else ""
    if isinstance(cell, Parts):
        pieces = zip(cell.pieces, widths, column.sides, strict=True)
        return between.join(p.rjust(w) if side == "right" else p.ljust(w) for p, w, side in pieces)
    if isinstance(cell, Judgement):
        raise ArgumentError("risk_of_bias has no effect with backend='forestplot'. Fix: leave it out.")
    plain = max((len(c) for c in cells if isinstance(c, str)), default=0)
    whole = max(plain, sum(widths) + len(between) * (len(widths) - 1))
    return cell.ljust(whole) if column.align == "left" else cell.rjust(whole)


def _unique(labels: list[str]) -> list[str]:
    """Labels told apart by a number where two are equal: the package would draw them into one row."""
    seen: dict[str, int] = {}
    out = []
    for label in labels:
        seen[label] = seen.get(label, 0) + 1
        out.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return out


def _summaries(axes: Axes, table: Table) -> None:
    """Diamonds and prediction bars, which the package does not know. Its rows are numbered from the bottom."""
    for y, row in enumerate(reversed(table.rows)):
        mark = row.mark
        if isinstance(mark, Diamond):
            low, middle, high = (table.scale.place(v) for v in (mark.lower, mark.value, mark.upper))
            corners = [(low, y), (middle, y + 0.3), (high, y), (middle, y - 0.3)]
            face = "white" if mark.hollow else style.FAINT if mark.vague else style.DIAMOND
            edge = style.VAGUE if mark.vague else style.INK
            axes.add_patch(Polygon(corners, facecolor=face, edgecolor=edge, linewidth=0.8, clip_on=False, zorder=3))
        elif isinstance(mark, Bar):
            ends = [table.scale.place(v) for v in (mark.lower, mark.upper)]
            axes.add_line(Line2D(ends, [y, y], color=style.PREDICTION, linewidth=3, solid_capstyle="butt"))


def _points(pixels: Iterable[float]) -> float:
    """The largest of some lengths in points, from pixels at the measuring resolution."""
    return max(pixels) * 72 / _MEASURED


def _finish(axes: Axes, table: Table) -> None:
    """Markers whole at 0 % and 100 %, the notes below, and a figure as large as what stands in it."""
    for collection in axes.collections:
        collection.set_clip_on(False)
    figure = axes.get_figure(root=True)
    assert figure is not None  # made by the caller
    width, height = figure.get_size_inches() * 72
    # The heading is one row above the last; the package cuts it off where there are few rows.
    axes.set_ylim(-0.5, len(table.rows) + 0.5)
    # At a low resolution hinting changes the width of text, and the package takes pixels for points: measured anew here.
    shown = figure.dpi
    figure.set_dpi(_MEASURED)
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    widths = [label.get_window_extent(renderer).width for label in axes.get_yticklabels()]
    axes.yaxis.set_tick_params(pad=_points(widths) + 6)
    box = axes.get_tightbbox(renderer)
    figure.set_dpi(shown)
    assert box is not None  # there is at least one row
    x0, y0, x1, y1 = (_points([v]) for v in box.extents)
    edge = 8.0
    left, right = edge - x0, max(x1, width) + edge
    room = left + right - 2 * edge
    notes = "\n".join(wrap(text, room, style.NOTE_SIZE) for text in (*table.notes, table.method) if text)
    below = (notes.count("\n") + 1) * LINE * style.NOTE_SIZE
    bottom, top = edge * 2 + below - y0, max(y1, height) + edge
    if table.title:
        top += 2 * style.TITLE_SIZE
    whole = (left + right, bottom + top)
    figure.set_size_inches(whole[0] / 72, whole[1] / 72)
    axes.set_position((left / whole[0], bottom / whole[1], width / whole[0], height / whole[1]))
    place = figure.transSubfigure
    texts = [(notes, edge + 0.25 * style.NOTE_SIZE, style.NOTE_SIZE, False, style.SOFT)]
    if table.title:
        title = wrap(table.title, whole[0] - 2 * edge, style.TITLE_SIZE, bold=True, lines=1)
        texts.append((title, whole[1] - edge - style.TITLE_SIZE, style.TITLE_SIZE, True, style.INK))
    for text, y, size, bold, colour in texts:
        axes.add_artist(Label(edge / whole[0], y / whole[1], text, size=size, bold=bold, color=colour, transform=place))


def load_forestplot() -> Any:
    """The package's function, imported without letting its import change warnings, NumPy or Matplotlib."""
    with _kept_settings():
        try:
            return import_module("forestplot").forestplot
        except ImportError as error:
            raise MetanetError(
                f"backend='forestplot' needs the package forestplot ({error}). Fix: {install('forestplot')}; or leave backend out."
            ) from None


@contextmanager
def _kept_settings() -> Iterator[None]:
    """Warning filters, NumPy's error state and the one setting that the package replaces, as they were."""
    with style.DRAWING:
        errors = np.geterr()
        fonts = list(matplotlib.rcParams["font.monospace"])
        try:
            with warnings.catch_warnings():
                # The package is written for silence: it sets tick labels without ticks, which Matplotlib warns of.
                warnings.simplefilter("ignore")
                yield
        finally:
            np.seterr(**errors)
            matplotlib.rcParams["font.monospace"] = fonts


@contextmanager
def _current(figure: Figure) -> Iterator[None]:
    """Make `figure` pyplot's current one for a moment: the package measures text in that, and would else open an empty one."""
    if shown_by_pyplot():
        yield
        return
    from matplotlib._pylab_helpers import Gcf
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    number = max(Gcf.figs, default=0) + 1
    manager = FigureCanvasAgg.new_manager(figure, number)
    Gcf.set_active(manager)
    try:
        yield
    finally:
        Gcf.figs.pop(number, None)
