"""The overview of a set of reports: a panel for each outcome, a row for each treatment modality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib.lines import Line2D

from metanet.base.display import ABSENT, RATE, TOO_WIDE, plural
from metanet.base.errors import ArgumentError
from metanet.figures.page import style
from metanet.figures.page.axis import number_axis
from metanet.figures.page.canvas import wanted_width
from metanet.figures.page.page import MARGIN, Page, bold_if, depth, dress, page, saying, set_axis
from metanet.figures.page.save import describe
from metanet.figures.page.subject import Subject, alternative
from metanet.figures.page.text import harmless, width_of, wrap
from metanet.figures.registry import chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes


#: Points: widest name of a row, the panel between names and numbers, height of a row.
_NAME, _PANEL, _ROW = 132.0, 150.0, 13.5
#: Room between panels.
_BETWEEN = 24.0
#: From wide to narrow: panels side by side, width of a panel and widest name in points, numbers shown (of `_HEADS`).
_PLANS = ((2, _PANEL, _NAME, (0, 1, 2, 3)), (1, _PANEL, _NAME, (0, 1, 2, 3)), (1, 100.0, 90.0, (0, 1, 2)), (1, 90.0, 80.0, (1, 2)))
#: So much wider than its column a plan may be: its letters then shrink to 6 points.
_SHRINKS = 1.3
#: In text sizes: heading and axis of a panel.
_HEAD, _FOOT = 4.0, 3.4
#: A longer figure is no overview.
_MOST = 160
_HEADS = ("k", "Median, %", "Interval", "Average, %")


@dataclass(frozen=True)
class OverviewRow:
    """One pooled rate: fractions, None where there is none.

    `estimate` is the median (of a beta-binomial model without interval: `ci_lower` and `ci_upper` are None), `average` the
    population-averaged rate. `pooled` is false for what is shown and not pooled, `old` true for what was made from other evidence than
    the other rows.
    """

    outcome: str
    name: str
    k: int | None
    estimate: float | None
    ci_lower: float | None
    ci_upper: float | None
    pi_lower: float | None = None
    pi_upper: float | None = None
    pooled: bool = True
    old: bool = False
    average: float | None = None

    @property
    def label(self) -> str:
        """What stands before the row."""
        return harmless(self.name, 80) + (" *" if self.old else "")

    @property
    def vague(self) -> bool:
        """Whether the interval is so wide that it says nothing."""
        return RATE.is_vague(self.ci_lower, self.ci_upper)


@chart("overview", title="Overview of reports")
def overview(rows: Sequence[OverviewRow], *, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw pooled rates of many outcomes and modalities.

    Parameters
    ----------
    rows
        The rows to draw; outcomes and their rows keep the order given.
    ax
        Axes to draw into; None makes a figure that fits the content.
    title
        A heading.

    Returns
    -------
    Axes
        A panel for each outcome with a separate axis: a filled square for a pooled rate, an open one for a single study,
        a line for the interval, a wide pale one for the prediction interval; k, median, interval and average in text. Rows whose
        interval is too wide to say anything are grey.

    Examples
    --------
    >>> from metanet.figures.plots.overview import OverviewRow, overview
    >>> row = OverviewRow("Objective response", "TARE", fit.k, fit.estimate, fit.ci_lower, fit.ci_upper)
    >>> ax = overview([row])
    """
    kept = list(rows)
    if any(not isinstance(row, OverviewRow) for row in kept):
        raise ArgumentError("rows must be rows of an overview. Fix: OverviewRow(outcome, name, k, estimate, ...).")
    if not kept:
        return saying(ax, "Overview of pooled rates", title, "There is no pooled rate.")
    more = len(kept) - _MOST
    kept = kept[:_MOST]
    outcomes = list(dict.fromkeys(row.outcome for row in kept))
    groups = [[row for row in kept if row.outcome == name] for name in outcomes]
    size = style.TEXT_SIZE
    column = None if ax is not None else wanted_width()
    for across, panel, most, shown in _PLANS:
        across = min(across, len(groups))
        name = min(most, max(width_of(row.label, size) for row in kept))
        numbers = [max(width_of(_texts(row)[i], size) for row in kept) for i in shown]
        numbers = [max(w, width_of(_HEADS[i], size)) + size for w, i in zip(numbers, shown, strict=True)]
        # Room for the last label of the axis, which stands half beyond it.
        numbers[0] += size
        width = name + size + panel + sum(numbers)
        whole = across * width + (across - 1) * _BETWEEN + 2 * MARGIN * size
        if column is None or whole <= column * _SHRINKS:
            break
    lines = [groups[i : i + across] for i in range(0, len(groups), across)]
    heights = [max(map(len, line)) * _ROW + (_HEAD + _FOOT) * size for line in lines]
    least = (whole, sum(heights))
    notes, wide = [_legend(kept, more, shown)], max(whole, column or 0.0)
    with page(ax, width=wide, height=sum(heights), least=least, title=title, notes=notes) as sheet:
        # A place that was given may be smaller than all this: everything shrinks alike.
        share = sheet.size / size
        top = sheet.height
        for line, height in zip(lines, heights, strict=True):
            for place, group in enumerate(line):
                left = (MARGIN * size + place * (width + _BETWEEN)) * share
                _draw(sheet, group, left, top, share, (name, panel, *numbers), shown)
            top -= height * share
        axes = sheet.main
        assert axes is not None  # there is at least one panel
    alt = alternative(
        "Overview of pooled rates in % of patients",
        Subject(),
        len(kept),
        *(f"{harmless(name, 60)} {_range(group)}" for name, group in zip(outcomes, groups, strict=True)),
        of=("row", "rows"),
    )
    describe(axes, harmless(title, 300) if title else "Overview of pooled rates", _words(groups, outcomes, more), alt)
    return axes


def _texts(row: OverviewRow) -> tuple[str, str, str, str]:
    k = ABSENT if row.k is None else str(row.k)
    digits = RATE.digits(row.estimate, row.ci_lower, row.ci_upper)
    limits = RATE.limits(row.ci_lower, row.ci_upper, digits, unit=False)
    return k, RATE.text(row.estimate, digits), limits, RATE.text(row.average, digits)


def _draw(
    sheet: Page, group: list[OverviewRow], left: float, top: float, share: float, widths: Sequence[float], shown: Sequence[int]
) -> None:
    """One panel with its names and numbers; `top` is its upper edge, sizes in points of the page."""
    size = sheet.size
    name, panel, *numbers = (w * share for w in widths)
    row = _ROW * share
    height = len(group) * row
    bottom = top - _HEAD * size - height
    start = left + name + size
    ends = [v for r in group for v in (r.estimate, r.ci_upper, r.pi_upper) if v is not None]
    # The first and the last label stand half over the ends of the axis.
    axis = number_axis(0.0, 100 * max(ends, default=1.0), room=panel - 2.5 * size, size=size, pieces=5, least=0, most=100)
    ax = sheet.panel(start, bottom, panel, height)
    dress(ax, size, ("bottom",))
    set_axis(ax, "x", axis, size, "")
    ax.set_ylim(len(group), 0)
    base = sheet.bottom

    def text(words: str, x: float, y: float, side: str = "left", bold: bool = False, colour: str = style.INK) -> None:
        sheet.write(ax, words, sheet.left + x, base + y, size=size, bold=bold_if(bold, words), horizontalalignment=side, color=colour)

    head = wrap(harmless(group[0].outcome, 120), name + size + panel + sum(numbers), size, bold=True, lines=1)
    text(head, left, bottom + height + 2.4 * size, bold=True)
    edges = [start + panel + sum(numbers[: i + 1]) for i in range(len(numbers))]
    for words, x in zip([_HEADS[i] for i in shown], edges, strict=True):
        text(words, x, bottom + height + 0.7 * size, "right")
    # Where the axis begins there is a rule for all rows.
    ax.add_line(Line2D([0, 0], [0, len(group)], color=style.FAINT, linewidth=0.8, zorder=1))
    for place, one in enumerate(group):
        y = bottom + height - (place + 0.5) * row - 0.36 * size
        colour = style.VAGUE if one.vague else style.INK
        text(wrap(one.label, name, size, lines=1), left, y, colour=colour)
        for words, x in zip([_texts(one)[i] for i in shown], edges, strict=True):
            text(words, x, y, "right", colour=colour)
        _marks(ax, one, place + 0.5, size)
    text("Events, %", start + panel / 2, bottom - depth(axis.labels, size, across=False) - 1.0 * size, "center")


def _marks(ax: Axes, row: OverviewRow, y: float, size: float) -> None:
    if row.pi_lower is not None and row.pi_upper is not None:
        # Wide and pale, so that the interval on it is seen.
        bar = Line2D([100 * row.pi_lower, 100 * row.pi_upper], [y, y], color=style.FAINT, linewidth=0.5 * size, zorder=2)
        bar.set(solid_capstyle="butt", label="_prediction")
        ax.add_line(bar)
    colour = style.VAGUE if row.vague else style.SQUARE if row.pooled else style.SOFT
    if row.ci_lower is not None and row.ci_upper is not None:
        line = Line2D([100 * row.ci_lower, 100 * row.ci_upper], [y, y], color=colour, linewidth=1.1, zorder=3)
        line.set(solid_capstyle="butt", clip_on=False, label="_interval")
        ax.add_line(line)
    if row.estimate is not None:
        mark = Line2D([100 * row.estimate], [y], marker="s", markersize=0.55 * size, color=colour, linestyle="none", zorder=4)
        mark.set(clip_on=False, markeredgewidth=1.0, label="_rate")
        if not row.pooled:
            mark.set(markerfacecolor="white")
        ax.add_line(mark)


def _legend(rows: Sequence[OverviewRow], more: int, shown: Sequence[int]) -> str:
    parts = ["Filled squares: median pooled rates; lines: their intervals; pale bars: prediction intervals."]
    if any(not row.pooled for row in rows):
        parts.append("Open squares: single studies with their exact intervals, not pooled.")
    if any(row.vague for row in rows):
        parts.append(f"Grey rows: the interval {RATE.vague_rule()}, {TOO_WIDE}.")
    if 3 in shown:
        parts.append("Average: the population-averaged rate of the same result.")
    if any(row.old for row in rows):
        parts.append("* made from an earlier version of the evidence.")
    parts.append(f"{'k: study arms. ' if 0 in shown else ''}Each outcome has a separate axis.")
    parts.append("Comparisons between rows are observational.")
    if more > 0:
        parts.append(f"{plural(more, 'more row')} in the list.")
    return " ".join(parts)


def _range(group: Sequence[OverviewRow]) -> str:
    """The rates of one outcome in few words."""
    known = sorted((row for row in group if row.estimate is not None), key=lambda row: row.estimate or 0.0)
    if not known:
        return "no rate"
    shown = [f"{RATE.value(row.estimate)} ({harmless(row.name, 40)})" for row in (known[0], known[-1])]
    return shown[0] if len(known) == 1 else f"{shown[0]} to {shown[1]}"


def _averaged(row: OverviewRow) -> str:
    return "" if row.average is None else f"average {_texts(row)[3]} %; "


def _words(groups: Sequence[Sequence[OverviewRow]], outcomes: Sequence[str], more: int) -> str:
    told = []
    for name, group in zip(outcomes, groups, strict=True):
        rows = [
            f"{harmless(row.name, 80)} {_texts(row)[1]} % ({_texts(row)[2]}; {_averaged(row)}k {_texts(row)[0]}"
            f"{f', {TOO_WIDE}' if row.vague else ''}{'' if row.pooled else ', not pooled'}"
            f"{', made from an earlier version of the evidence' if row.old else ''})"
            for row in group
        ]
        told.append(f"{harmless(name, 120)}: {', '.join(rows)}.")
    ending = f" {plural(more, 'more row')} in the list." if more > 0 else ""
    return f"Overview of pooled rates by outcome and modality. {' '.join(told)}{ending}"
