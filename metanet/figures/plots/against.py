"""A series of one's own below the predictive distribution of the true rate of comparable settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon

from metanet.base.arrays import Array
from metanet.base.display import RATE, level_text
from metanet.diagnostics.own_series.against import Against
from metanet.figures.page import style
from metanet.figures.page.axis import number_axis
from metanet.figures.page.canvas import wanted_width
from metanet.figures.page.label_places import LETTER
from metanet.figures.page.page import MARGIN, TICK_SIZE, Page, axis_name, depth, dress, page, saying, set_axis
from metanet.figures.page.save import describe
from metanet.figures.page.subject import alternative, subject_of
from metanet.figures.page.text import BASELINE, LINE, harmless, width_of, wrap
from metanet.figures.plots.true_values import MIDDLE, SPREAD
from metanet.figures.registry import chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TITLE = "A series against the pooled studies"
#: In text sizes: width of the panel, its least width, of the widest name, between columns; height of the curve, of a row, above them.
_PANEL, _LEAST_PANEL, _NAME, _GAP, _CURVE, _ROW, _ABOVE = 30.0, 9.0, 17.0, 0.9, 8.0, 1.6, 0.6
#: The widest name in the column of a journal that is narrower than this.
_NARROW_NAME, _NARROW = 9.5, 45.0
#: Half the height of the end of an interval, and half the width of a mark, in text sizes.
_CAP, _MARK = 0.28, 0.34
#: The density is cut where it is so many times as high as at its median.
_CUT = 5.0


@dataclass(frozen=True)
class _Row:
    name: str
    numbers: tuple[float | None, float | None, float | None]
    marker: str
    colour: str


@chart("against", title=_TITLE, takes=Against, makers="against")
def against_plot(against: Against, *, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw a series below the predictive distribution of comparable settings.

    Parameters
    ----------
    against
        The result of `against`.
    ax
        Axes to draw into; None makes a figure that fits the content.
    title
        A heading.

    Returns
    -------
    Axes
        The density of the true rate of a comparable setting, its central interval darker; below it the series with its exact interval,
        its true rate with the pooled studies as the prior, and the pooled rate without and with the series.

    Raises
    ------
    ArgumentError
        Not a result of `against`.

    Examples
    --------
    >>> ax = mn.against(fit, events=14, total=40).figure()
    """
    if against.reason:
        return saying(ax, _TITLE, title, f"{against.sentence()}")
    unit = style.TEXT_SIZE
    column = wanted_width() if ax is None else None
    widest = _NARROW_NAME if column is not None and column < _NARROW * unit else _NAME
    rows = [_Row(wrap(row.name, widest * unit, unit, lines=2), row.numbers, row.marker, row.colour) for row in _rows(against)]
    curve = against.curve()
    x, density = 100.0 * curve["rate"].to_numpy(), curve["density"].to_numpy()
    shown = [100.0 * value for row in rows for value in row.numbers if value is not None]
    low, high = max(0.0, min(*shown, float(x[0]))), min(100.0, max(*shown, float(x[-1])))
    names = max(width_of(line, unit) for row in rows for line in row.name.split("\n")) * 1.02
    texts = [RATE.estimate(*row.numbers, against.level, "CI").split(" (")[0] for row in rows]
    numbers = [_numbers(row) for row in rows]
    wide = max(width_of(text, LETTER * unit) for text in numbers)
    left = MARGIN * unit + names + _GAP * unit
    right = max((_GAP + MARGIN) * unit + wide, MARGIN * unit + width_of("100", TICK_SIZE * unit) / 2)
    heights = [max(_ROW, (1 + row.name.count("\n")) * LINE + 0.4) for row in rows]
    tall = (_CURVE + _ABOVE + sum(heights) + 0.8) * unit
    subject = subject_of(against._rows)
    name = subject.axis("rate") if subject.name else "Rate, %"

    def below(room: float, size: float) -> float:
        lines = 1 + axis_name(name, room, size).count("\n")
        return depth(("0",), size, across=False) + (1.6 + (lines - 1) * LINE) * size

    notes = [_reading(against), *(harmless(note, 600) for note in against.notes)]
    size = (left + _PANEL * unit + right, tall + below(_PANEL * unit, unit))
    least = (left + _LEAST_PANEL * unit + right, tall + below(_LEAST_PANEL * unit, unit))
    with page(ax, width=size[0], height=size[1], least=least, title=title, notes=notes) as sheet:
        s = sheet.size
        share = s / unit
        across = max(1.0, sheet.width - (left + right) * share)
        floor = below(across, s)
        up = max(1.0, sheet.height - floor - 0.8 * s)
        axes = sheet.panel(left * share, floor, across, up)
        dress(axes, s, ("bottom",))
        set_axis(axes, "x", number_axis(low, high, room=across, size=s, pieces=5), s, name)
        axes.set_ylim(_CURVE + _ABOVE + sum(heights), 0.0)
        _density(axes, x, density, against)
        top = _CURVE + _ABOVE
        for row, height, text in zip(rows, heights, numbers, strict=True):
            middle = top + height / 2
            _interval(axes, row, middle, s)
            y = sheet.bottom + floor + up - middle * up / (_CURVE + _ABOVE + sum(heights))
            _texts(axes, sheet, row, text, y, left * share + across)
            top += height
    told = harmless(against.sentence(), 1500)
    directed = f" ({subject.direction})" if subject.direction else ""
    told_first = [subject.direction] if subject.direction else []
    alt = alternative(_TITLE, subject, against.k, *told_first, told.rstrip("."))
    about = f" of {subject.within()}{directed}" if subject.name else ""
    shown_rows = "; ".join(map(" ".join, zip(_plain(rows), texts, strict=True)))
    describe(axes, harmless(title, 300) if title else _TITLE, f"{_TITLE}{about}. {told} Shown: {shown_rows}.", alt)
    return axes


def _plain(rows: list[_Row]) -> list[str]:
    return [row.name.replace("\n", " ") for row in rows]


def _rows(against: Against) -> list[_Row]:
    series = (against.rate, against.ci_lower, against.ci_upper)
    own = (against.own, against.own_lower, against.own_upper)
    name = f"{harmless(against.name, 60)} {against.events:,}/{against.total:,}"
    rows = [
        _Row("Comparable settings", against.predicted, "|", style.INK),
        _Row(name, series, "s", style.SQUARE),
        _Row("Its true rate, given the studies", own, "o", style.SQUARE),
        _Row("Pooled studies" if against.k > 1 else "The one study", against.before, "D", style.DIAMOND),
        _Row("Pooled with the series", against.after, "D", style.DIAMOND),
    ]
    return [row for row in rows if row.numbers[0] is not None]


def _numbers(row: _Row) -> str:
    estimate, lower, upper = row.numbers
    if lower is None or upper is None:
        return RATE.text(estimate, 1)
    return f"{RATE.text(estimate, 1)} ({RATE.limits(lower, upper, 1, unit=False)})"


def _density(axes: Axes, x: Array, density: Array, against: Against) -> None:
    """The curve with the central interval darker; cut where it runs off at a rate of 0 or 1."""
    middle, lower, upper = (100.0 * (value or 0.0) for value in against.predicted)
    height = min(float(density.max()), _CUT * float(np.interp(middle, x, density)))
    y = _CURVE - (_CURVE - 0.5) * np.minimum(density, height) / height
    for low, high, colour in ((x[0], x[-1], SPREAD), (lower, upper, MIDDLE)):
        at = np.concatenate([[low], x[(x > low) & (x < high)], [high]])
        line = np.interp(at, x, y)
        corners = np.column_stack([np.concatenate([at, at[::-1]]), np.concatenate([line, np.full(at.size, _CURVE)])])
        axes.add_patch(Polygon(corners, closed=True, facecolor=colour, edgecolor="none", zorder=1, label="_density"))
    axes.add_line(Line2D(x, y, color=style.SQUARE, linewidth=1.0, zorder=2, label="_curve"))
    series = 100.0 * against.rate
    axes.add_line(
        Line2D([series, series], [0.2, _CURVE], color=style.INK, linewidth=0.8, linestyle=(0, (3, 2)), zorder=2, label="_series")
    )


def _interval(axes: Axes, row: _Row, middle: float, s: float) -> None:
    estimate, lower, upper = row.numbers
    if lower is not None and upper is not None:
        ends = [100.0 * lower, 100.0 * upper]
        axes.add_line(Line2D(ends, [middle, middle], color=row.colour, linewidth=0.13 * s, solid_capstyle="butt", label="_interval"))
        for end in ends:
            axes.add_line(
                Line2D([end, end], [middle - _CAP, middle + _CAP], color=row.colour, linewidth=0.13 * s, clip_on=False, label="_end")
            )
    place = 100.0 * (estimate or 0.0)
    mark = Line2D([place], [middle], marker=row.marker, markersize=2 * _MARK * s, color=row.colour, linestyle="none", clip_on=False,
                  markeredgewidth=0.13 * s if row.marker == "|" else 0.0, zorder=3, label="_estimate")  # fmt: skip
    axes.add_line(mark)


def _texts(axes: Axes, sheet: Page, row: _Row, numbers: str, y: float, edge: float) -> None:
    s = sheet.size
    lines = row.name.count("\n")
    sheet.write(axes, row.name, sheet.left + MARGIN * s, y - (BASELINE + 0.0) * s - lines * LINE / 2 * s, size=s, label="_name")
    sheet.write(axes, numbers, sheet.left + edge + _GAP * s, y - BASELINE * LETTER * s, size=LETTER * s, label="_numbers")


def _reading(against: Against) -> str:
    level = level_text(against.level)
    curve = against.curve()
    density, middle = curve["density"].to_numpy(), against.predicted[0] or 0.0
    cut = ", cut at the top" if density.max() > _CUT * np.interp(middle, curve["rate"].to_numpy(), density) else ""
    kind = "predictive" if against.credible else "approximate predictive"
    return (
        f"Curve{cut}: {kind} distribution of the true rate of a comparable setting, darker the central {level}; broken line: the "
        f"rate of the series. Rows: estimates with {level} intervals (comparable settings: median; series: exact; pooled: median)."
    )
