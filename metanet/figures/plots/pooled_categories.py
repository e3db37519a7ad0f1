"""Response categories of every arm and their pooled distribution: bars of 100 %, with the intervals of response and control below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib.lines import Line2D

from metanet.base.display import RATE, level_text, sentence_case
from metanet.base.errors import check_choice
from metanet.figures.page import style
from metanet.figures.page.axis import Axis, number_axis
from metanet.figures.page.category_bars import BAR, BETWEEN, ENTRY, draw_bar, flow, legend, legend_order, rows_of
from metanet.figures.page.label_places import LETTER
from metanet.figures.page.page import MARGIN, TICK_SIZE, Page, depth, dress, page, saying, set_axis
from metanet.figures.page.save import describe
from metanet.figures.page.subject import Subject, alternative
from metanet.figures.page.text import BASELINE, LINE, harmless, width_of
from metanet.figures.plots.waterfall import SORTS, ordered
from metanet.figures.registry import chart
from metanet.models.categories.directions import Direction
from metanet.models.categories.result import PooledCategories

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: In text sizes: width of the bars, their least width, between the columns, height of a row with an interval, of a heading.
_PANEL, _LEAST_PANEL, _GAP, _LINE, _HEAD = 34.0, 12.0, 0.9, 1.3, 1.7
_SPREAD = 1.6
#: Half the height of the end of an interval, and half the width of a mark, in text sizes.
_CAP, _MARK = 0.28, 0.32
_TITLE = "Pooled response categories"
_OUTCOMES = {"CR+PR": ("response", "objective_response"), "CR+PR+SD": ("control", "disease_control")}


@dataclass(frozen=True)
class _Line:
    """One row: `top` below the first, `tall` (text sizes); a bar of `parts`, or an interval (estimate, lower, upper), or a heading."""

    name: str
    top: float
    tall: float
    number: str = ""
    word: str = ""
    parts: tuple[tuple[str, float], ...] = ()
    interval: tuple[float, float | None, float | None] | None = None
    apart: bool = False
    head: bool = False

    @property
    def small(self) -> bool:
        """Whether its name is in small letters."""
        return self.interval is not None


@chart("pooled_categories", title=_TITLE, takes=PooledCategories, makers="pool_categories")
def pooled_categories(
    pooled: PooledCategories, *, ax: Axes | None = None, title: str | None = None, sort: str = "objective_response"
) -> Axes:
    """Draw the response categories of study arms and their pooled distribution.

    Parameters
    ----------
    pooled
        The result of `pool_categories`.
    ax
        Axes to draw into; None makes a figure that fits the content.
    title
        A heading.
    sort
        Order of the arms, as in `ResponseCategories.plot`.

    Returns
    -------
    Axes
        A bar of 100 % for each arm and for each direction of the model, below each of these the intervals of objective response and
        disease control, and last the rates that are pooled apart.

    Raises
    ------
    ArgumentError
        Not a result of `pool_categories`, or an unknown order.

    Examples
    --------
    >>> evidence = mn.load_evidence()
    >>> ax = mn.pool_categories(evidence, "TACE").figure()
    """
    check_choice("sort", sort, SORTS)
    if pooled.main is None:
        return saying(ax, _TITLE, title, str(pooled.reason))
    unit = style.TEXT_SIZE
    units = [arm.unit for arm in pooled.arms]
    counted = "patients" if "patients" in units else units[0]
    whole = "those counted" if len(set(units)) > 1 else harmless(counted, 40)
    lines = _lines(pooled, sort, unit, counted)
    left, right, numbers = _columns(lines, unit)
    tall = (lines[-1].top + lines[-1].tall) * unit
    below = depth(("0",), unit, across=False) + 1.6 * unit
    parts = {name for line in lines for name, _ in line.parts}
    shown = [name for name in legend_order() if name in parts]

    def above(width: float, size: float) -> float:
        return (len(flow(shown, width, size)) * ENTRY + 2.1) * size

    width, least_width = left + _PANEL * unit + right, left + _LEAST_PANEL * unit + right
    least = (least_width, above(least_width, unit) + tall + below)
    notes = [_reading(pooled, whole, sort, any("+" in name for name in shown)), *(harmless(note, 600) for note in pooled.notes)]
    with page(ax, width=width, height=above(width, unit) + tall + below, least=least, title=title, notes=notes) as sheet:
        s = sheet.size
        share = s / unit
        top = above(sheet.width, s)
        spread = min(_SPREAD, max(1.0, (sheet.height - top - below * share) / (tall * share)))
        high = tall * share * spread
        floor = max(below * share, sheet.height - top - high)
        across = max(1.0, sheet.width - (left + right) * share)
        axes = sheet.panel(left * share, floor, across, max(1.0, high))
        dress(axes, s, ("bottom",))
        found = number_axis(0.0, 100.0, room=across, size=s, pieces=5, exact=True)
        set_axis(axes, "x", Axis(0.0, 100.0, found.ticks, found.labels), s, "Best response, %")
        axes.set_ylim(lines[-1].top + lines[-1].tall, 0.0)
        for line in lines:
            middle = line.top + line.tall / 2
            if line.parts:
                draw_bar(axes, line.parts, middle, s, across, share * unit * spread)
            elif line.interval is not None:
                _interval(axes, line, middle, s)
        _texts(axes, sheet, lines, (left * share, floor, across, high), numbers * share)
        legend(axes, sheet, flow(shown, sheet.width, s), sheet.height - 0.2 * s)
    told = harmless(pooled.sentence(), 1500)
    subject = Subject("Best response", harmless(pooled.modality, 80))
    alt = alternative(_TITLE, subject, len(pooled.arms), told.rstrip("."), of=("study arm", "study arms"))
    describe(axes, harmless(title, 300) if title else _TITLE, _description(pooled, told), alt)
    return axes


def _lines(pooled: PooledCategories, sort: str, unit: float, counted: str) -> list[_Line]:
    """Arms, then each direction with its intervals, then what is pooled apart."""
    out = []
    for row in rows_of(ordered(pooled.arms, sort), unit):
        parts = tuple((name, n / row.arm.total) for name, n in row.arm.parts)
        word = "" if row.arm.unit == counted else harmless(row.arm.unit, 24)
        out.append(_Line(row.name, row.top, row.tall, f"{row.arm.total:,}", word, parts))
    top = out[-1].top + out[-1].tall + 0.4
    answered = [each for each in pooled._both if each.reason is None]
    if pooled.status != "pooled":
        return out
    out.append(_Line(f"Pooled, % ({level_text(pooled.level)} CI)", top, _HEAD, head=True))
    top += _HEAD
    total = sum(arm.total for arm in pooled.arms)
    for each in answered:
        out.append(_Line(sentence_case(each.title), top, BAR + BETWEEN, f"{total:,}", "", _composition(each)))
        top += BAR + BETWEEN
        for name, (word, _) in _OUTCOMES.items():
            share = each.shares[name]
            numbers = (share.estimate, share.ci_lower, share.ci_upper)
            out.append(_Line(f"{word} {_numbers(*numbers)}", top, _LINE, str(share.k), _arms(share.k), interval=numbers))
            top += _LINE
        top += 0.3
    apart = {row["outcome"]: row for row in pooled.separate.to_dict("records")}
    named = [(word, apart[outcome]) for word, outcome in _OUTCOMES.values() if outcome in apart]
    if named:
        out.append(_Line("Each by itself", top, BAR + 0.2))
        top += BAR + 0.2
    for word, record in named:
        numbers = (record["estimate"], record["ci_lower"], record["ci_upper"])
        text = f"{word} {_numbers(*numbers)}"
        out.append(_Line(text, top, _LINE, str(record["k"]), _arms(record["k"]), interval=numbers, apart=True))
        top += _LINE
    return out


def _arms(k: int) -> str:
    return "arm" if k == 1 else "arms"


def _numbers(estimate: float, lower: float | None, upper: float | None) -> str:
    if lower is None or upper is None or lower != lower:
        return RATE.text(estimate, 1)
    return f"{RATE.text(estimate, 1)} ({RATE.limits(lower, upper, 1, unit=False)})"


def _composition(each: Direction) -> tuple[tuple[str, float], ...]:
    names = ("CR", "PR", "SD", "PD") if "CR" in each.shares else ("CR+PR", "SD", "PD")
    return tuple((name, each.shares[name].estimate) for name in names)


def _columns(lines: Sequence[_Line], unit: float) -> tuple[float, float, float]:
    """Room left and right of the bars, and that of the numbers, in points."""
    names = max(width_of(text, (LETTER if line.small else 1.0) * unit) + (unit if line.small else 0.0)
                for line in lines for text in line.name.split("\n") if not line.head) * 1.02  # fmt: skip
    numbers = max(width_of(line.number, unit) for line in lines) + 0.3 * unit
    words = max(width_of(line.word, LETTER * unit) for line in lines)
    left = MARGIN * unit + max(names, 3 * unit) + _GAP * unit
    right = _GAP * unit + max(numbers, unit) + (words + 0.5 * unit if words else 0.0) + MARGIN * unit
    return left, max(right, MARGIN * unit + width_of("100", TICK_SIZE * unit) / 2), numbers


def _interval(axes: Axes, line: _Line, middle: float, s: float) -> None:
    """An interval with ends, and its estimate: a square from the model, a diamond pooled apart."""
    estimate, lower, upper = line.interval or (0.0, None, None)
    colour = style.DIAMOND if line.apart else style.INK
    if lower is not None and upper is not None and lower == lower:
        ends = [100.0 * lower, 100.0 * upper]
        axes.add_line(Line2D(ends, [middle, middle], color=colour, linewidth=0.13 * s, solid_capstyle="butt", label="_interval"))
        for end in ends:
            axes.add_line(
                Line2D([end, end], [middle - _CAP, middle + _CAP], color=colour, linewidth=0.13 * s, clip_on=False, label="_end")
            )
    size = 2 * _MARK * s * (0.85 if line.apart else 1.0)
    mark = Line2D([100.0 * estimate], [middle], marker="D" if line.apart else "s", markersize=size, color=colour, markeredgewidth=0,
                  linestyle="none", clip_on=False, zorder=3, label="_estimate")  # fmt: skip
    axes.add_line(mark)


def _texts(axes: Axes, sheet: Page, lines: Sequence[_Line], place: tuple[float, float, float, float], numbers: float) -> None:
    """Names on the left, numbers on the right, and their headings."""
    s = sheet.size
    left, floor, across, high = place
    scale = high / (lines[-1].top + lines[-1].tall)
    top, edge = sheet.bottom + floor + high, sheet.left + left + across + _GAP * s + numbers
    for line in lines:
        y = top - (line.top + line.tall / 2) * scale
        size = LETTER * s if line.small else s
        rows = line.name.count("\n")
        x = sheet.left + (MARGIN + (1.0 if line.small else 0.0)) * s
        label = "_name" if line.parts and line.number else "_line"
        sheet.write(axes, line.name, x, y - BASELINE * size - rows * LINE / 2 * s, size=size, bold=line.head, label=label)
        if line.number:
            small = s if line.parts else LETTER * s
            sheet.write(axes, line.number, edge, y - BASELINE * small, size=small, horizontalalignment="right", label="_total")
        if line.word:
            sheet.write(axes, line.word, edge + 0.5 * s, y - BASELINE * LETTER * s, size=LETTER * s, color=style.SOFT, label="_unit")
    above = top + 0.35 * s
    sheet.write(axes, "Study", sheet.left + MARGIN * s, above, size=s, bold=True)
    sheet.write(axes, "n", edge, above, size=s, bold=True, horizontalalignment="right")


def _reading(pooled: PooledCategories, whole: str, sort: str, joined: bool) -> str:
    text = f"Bars: 100 % of {whole}; arms sorted by {sort.replace('_', ' ')}."
    if pooled.status == "pooled":
        text += (
            " Squares: objective response and disease control of the pooled distribution; diamonds: each outcome pooled by itself "
            "from all arms that report it (mean rate of the beta-binomial model); arms: those that report the outcome."
        )
    return f"{text} Hatched: categories that the report combines." if joined else text


def _description(pooled: PooledCategories, told: str) -> str:
    arms = "; ".join(f"{harmless(arm.study, 80)}, n {arm.total}: {arm.words()}" for arm in pooled.arms[:60])
    more = f"; and {len(pooled.arms) - 60} more" if len(pooled.arms) > 60 else ""
    return f"{_TITLE}. {told} Arms: {arms}{more}."
