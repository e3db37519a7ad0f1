"""The waterfall of response categories: one bar of 100 % for each study arm, from complete response to progressive disease."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from metanet.base.errors import check_choice
from metanet.base.groups import Key, natural
from metanet.figures.page import style
from metanet.figures.page.axis import Axis, number_axis
from metanet.figures.page.category_bars import COLOURS, ENTRY, Row, draw_bar, flow, legend, legend_order, rows_of
from metanet.figures.page.label_places import LETTER
from metanet.figures.page.page import MARGIN, TICK_SIZE, Page, depth, dress, page, saying, set_axis
from metanet.figures.page.save import describe
from metanet.figures.page.subject import Subject, alternative
from metanet.figures.page.text import BASELINE, LINE, harmless, width_of
from metanet.figures.registry import chart
from metanet.models.comparison.response_categories import ResponseCategories

__all__ = ["COLOURS", "SORTS", "ordered", "waterfall"]

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from metanet.models.comparison.response_categories import ResponseArm


SORTS = ("objective_response", "disease_control", "complete_response", "total", "year", "study")
_BORDER = {"complete_response": "CR", "objective_response": "PR", "disease_control": "SD"}
#: In text sizes: width of the bars, their least width, between the columns.
_PANEL, _LEAST_PANEL, _GAP = 34.0, 12.0, 0.9
#: Most that rows spread where a given place is higher than they need.
_SPREAD = 1.6


@chart("waterfall", title="Response categories", takes=ResponseCategories, makers="response_categories")
def waterfall(
    categories: ResponseCategories, *, ax: Axes | None = None, title: str | None = None, sort: str = "objective_response"
) -> Axes:
    """Draw the response categories of study arms.

    Parameters
    ----------
    categories
        The result of `response_categories`.
    ax
        Axes to draw into; None makes a figure that fits the content.
    title
        A heading.
    sort
        "objective_response" (the highest first; then by disease control), "disease_control", "complete_response", "total" (the
        largest first), "year" or "study". Arms without the value come last.

    Returns
    -------
    Axes
        A bar of 100 % for each arm; combined categories of a report are one segment, hatched in the colours of both.

    Raises
    ------
    ArgumentError
        Not a result of `response_categories`, or an unknown order.

    Examples
    --------
    >>> evidence = mn.load_evidence()
    >>> ax = mn.response_categories(evidence, "TARE").plot()
    """
    check_choice("sort", sort, SORTS)
    if categories.reason or not categories.arms:
        return saying(ax, "Response categories", title, categories.reason or "No study arm reports a category.")
    unit = style.TEXT_SIZE
    rows = rows_of(ordered(categories.arms, sort), unit)
    units = [arm.unit for arm in categories.arms]
    # What nearly all count needs no word at every row.
    counted = "patients" if "patients" in units else units[0]
    mixed = len(set(units)) > 1
    whole = "those counted" if mixed else harmless(counted, 40)
    ends = [(f"{row.arm.total:,}", "" if row.arm.unit == counted else harmless(row.arm.unit, 24)) for row in rows]
    names = max(width_of(line, unit) for row in rows for line in row.name.split("\n")) * 1.02
    numbers = max(width_of(text, unit) for text, _ in ends) + 0.3 * unit
    words = max(width_of(word, LETTER * unit) for _, word in ends)
    left = MARGIN * unit + max(names, 3 * unit) + _GAP * unit
    right = _GAP * unit + max(numbers, unit) + (words + 0.5 * unit if words else 0.0) + MARGIN * unit
    # The last tick label, "100", stands half beyond the bars.
    right = max(right, MARGIN * unit + width_of("100", TICK_SIZE * unit) / 2)
    tall = (rows[-1].top + rows[-1].tall) * unit
    below = depth(("0",), unit, across=False) + 1.6 * unit
    shown = [name for name in legend_order() if any(name == part for arm in categories.arms for part, _ in arm.parts)]

    def above(width: float, size: float) -> float:
        return (len(flow(shown, width, size)) * ENTRY + 2.1) * size

    width = left + _PANEL * unit + right
    least_width = left + _LEAST_PANEL * unit + right
    height = above(width, unit) + tall + below
    least = (least_width, above(least_width, unit) + tall + below)
    notes = [_legend_text(whole, sort, any("+" in name for name in shown)), *(harmless(note, 600) for note in categories.notes)]
    with page(ax, width=width, height=height, least=least, title=title, notes=notes) as sheet:
        s = sheet.size
        share = s / unit
        entries = flow(shown, sheet.width, s)
        top = above(sheet.width, s)
        spread = min(_SPREAD, max(1.0, (sheet.height - top - below * share) / (tall * share)))
        high = tall * share * spread
        floor = max(below * share, sheet.height - top - high)
        across = max(1.0, sheet.width - (left + right) * share)
        axes = sheet.panel(left * share, floor, across, max(1.0, high))
        dress(axes, s, ("bottom",))
        found = number_axis(0.0, 100.0, room=across, size=s, pieces=5, exact=True)
        set_axis(axes, "x", Axis(0.0, 100.0, found.ticks, found.labels), s, f"Best response, % of {whole}")
        axes.set_ylim(rows[-1].top + rows[-1].tall, 0.0)
        for row in rows:
            parts = [(name, n / row.arm.total) for name, n in row.arm.parts]
            draw_bar(axes, parts, row.top + row.tall / 2, s, across, share * unit * spread)
        _texts(axes, sheet, rows, ends, (left * share, floor, across, high), numbers * share)
        legend(axes, sheet, entries, sheet.height - 0.2 * s)
    kinds = sorted({arm.modality_class for arm in categories.arms})
    subject = Subject("Best response", kinds[0] if len(kinds) == 1 else "")
    alt = alternative(
        "Waterfall of response categories",
        subject,
        len(rows),
        harmless(categories.sentence(), 1500).rstrip("."),
        of=("study arm", "study arms"),
    )
    describe(axes, harmless(title, 300) if title else "Response categories", _alternative(categories, rows), alt)
    return axes


def ordered(arms: Iterable[ResponseArm], sort: str) -> list[ResponseArm]:
    """The arms in one of the orders of `SORTS`."""
    return sorted(arms, key=lambda arm: _order(arm, sort))


def _order(arm: ResponseArm, sort: str) -> tuple[float | Key, ...]:
    """What an arm is sorted by; ties by disease control and name."""
    name = natural(arm.study)
    if sort == "study":
        return (name, natural(arm.arm))
    if sort == "year":
        return (float("inf") if arm.year is None else arm.year, name)
    if sort == "total":
        return (-arm.total, name)

    def falling(category: str) -> float:
        events = arm.at_least(category)
        return 1.0 if events is None else -events / arm.total

    return (falling(_BORDER[sort]), falling("SD"), falling("CR"), name)


def _texts(
    axes: Axes, sheet: Page, rows: list[Row], ends: list[tuple[str, str]], place: tuple[float, float, float, float], numbers: float
) -> None:
    """Names on the left, numbers on the right, and their headings."""
    s = sheet.size
    left, floor, across, high = place
    scale = high / (rows[-1].top + rows[-1].tall)
    top, edge = sheet.bottom + floor + high, sheet.left + left + across + _GAP * s + numbers
    for row, (number, word) in zip(rows, ends, strict=True):
        y = top - (row.top + row.tall / 2) * scale
        lines = row.name.count("\n")
        sheet.write(axes, row.name, sheet.left + MARGIN * s, y - (BASELINE + lines * LINE / 2) * s, size=s, label="_name")
        sheet.write(axes, number, edge, y - BASELINE * s, size=s, horizontalalignment="right", label="_total")
        if word:
            sheet.write(axes, word, edge + 0.5 * s, y - BASELINE * s, size=LETTER * s, color=style.SOFT, label="_unit")
    above = top + 0.35 * s
    sheet.write(axes, "Study", sheet.left + MARGIN * s, above, size=s, bold=True)
    sheet.write(axes, "n", edge, above, size=s, bold=True, horizontalalignment="right")


def _legend_text(whole: str, sort: str, joined: bool) -> str:
    text = f"Bars: every study arm, 100 % of {whole} in it, sorted by {sort.replace('_', ' ')}."
    return f"{text} Hatched: categories that the report combines." if joined else text


def _alternative(categories: ResponseCategories, rows: list[Row]) -> str:
    told = "; ".join(f"{harmless(row.arm.study, 80)}, n {row.arm.total}: {row.arm.words()}" for row in rows[:60])
    more = f"; and {len(rows) - 60} more" if len(rows) > 60 else ""
    return f"Waterfall of response categories. {harmless(categories.sentence(), 1500)} {told}{more}."
