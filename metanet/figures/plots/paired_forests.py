"""Benefit and risk as two forest plots side by side, a row for each group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from metanet.base.arrays import Array
from metanet.base.display import RATE
from metanet.figures.page import style
from metanet.figures.page.axis import Axis, number_axis
from metanet.figures.page.canvas import wanted_width
from metanet.figures.page.page import MARGIN, depth, dress, page, set_axis
from metanet.figures.page.text import BASELINE, LINE, width_of, wrap

if TYPE_CHECKING:
    from matplotlib.axes import Axes


#: In text sizes: widest name, width of a panel, between the parts, height of a line, room for the names of the axes.
_NAME, _PANEL, _LEAST_PANEL, _GAP, _ROW, _FOOT = 15.0, 15.0, 8.0, 1.3, 1.9, 3.4


def rates_axis(shown: Array, pale: NDArray[np.bool_], room: float, size: float) -> Axis:
    """Per cent around the rates ``[g, 3]`` and their intervals, within 0 and 100; of a pale interval the rate alone counts."""
    shown = np.where(np.column_stack([np.zeros_like(pale), pale, pale]), np.nan, shown)
    known = shown[np.isfinite(shown)]
    low, high = float(known.min()), float(known.max())
    more = 0.06 * (high - low) or 5.0
    low, high = max(0.0, low - more), min(100.0, high + more)
    # An axis that begins near 0 begins at 0.
    axis = number_axis(0.0 if low < 0.35 * high else low, high, room=room, size=size, least=0.0, most=100.0)
    # A cross at 0 % or 100 % stands free of the spine.
    free = 0.025 * (axis.upper - axis.lower)
    return Axis(
        axis.lower - free * (known.min() <= axis.lower), axis.upper + free * (known.max() >= axis.upper), axis.ticks, axis.labels
    )


def paired_forests(
    names: tuple[str, ...],
    shown: Array,
    titles: tuple[str, ...],
    notes: tuple[str, ...],
    pale: NDArray[np.bool_],
    ax: Axes | None,
    title: str | None,
) -> Axes:
    """Draw groups (per cent ``[g, 6]``: benefit and its ends, risk and its ends) in rows, the most benefit first."""
    order = np.argsort(-shown[:, 0], kind="stable")
    shown, pale = shown[order], pale[order]
    unit = style.TEXT_SIZE
    labels = [wrap(names[i], _NAME * unit, unit, lines=2) for i in order]
    texts = [[_text(row[part : part + 3]) for row in shown] for part in (0, 3)]
    left = max(width_of(line, unit) for label in labels for line in label.split("\n")) * 1.02 / unit
    numbers = [max(width_of(text, unit) for text in column) * 1.03 / unit for column in texts]
    fixed = 2 * MARGIN + left + 2 * _GAP
    width = None if ax is not None else wanted_width()
    room = _PANEL if width is None else (width / unit - fixed - sum(numbers) - 3 * _GAP) / 2
    told = room >= _LEAST_PANEL
    if told:
        fixed += sum(numbers) + 3 * _GAP
    else:
        # The figures stand in the text of a narrow column.
        room = max(_LEAST_PANEL, ((width or 0.0) / unit - fixed) / 2)
    heights = [max(_ROW, (label.count("\n") + 1) * LINE + 0.5) * unit for label in labels]
    lines = [wrap(text, (room + (numbers[i] if told else 0.0)) * unit, unit, lines=5).count("\n") for i, text in enumerate(titles)]
    foot = _FOOT + LINE * max(lines)
    total, height = (fixed + 2 * room) * unit, sum(heights) + (foot + 0.8) * unit
    with page(ax, width=total if width is None else width, height=height, least=(total, height), title=title, notes=notes) as sheet:
        s = sheet.size
        share, floor = s / unit, foot * s
        across = max(1.0, (sheet.width - fixed * s) / 2)
        starts = [(MARGIN + left + _GAP) * s]
        starts.append(starts[0] + across + (_GAP + (numbers[0] + _GAP if told else 0.0)) * s)
        tall = sum(heights) * share
        panels = []
        for part, start in enumerate(starts):
            panel = sheet.panel(start, floor, across, tall)
            panels.append(panel)
            dress(panel, s, ("bottom",))
            axis = rates_axis(shown[:, 3 * part : 3 * part + 3], pale[:, part], across, s)
            set_axis(panel, "x", axis, s)
            panel.set_ylim(sum(heights), 0.0)
            name = wrap(titles[part], across + (numbers[part] * s if told else 0.0), s, lines=5)
            low = sheet.bottom + floor - depth(axis.labels, s, across=False) - (1.05 + name.count("\n") * LINE) * s
            sheet.write(panels[0], name, sheet.left + start, low, size=s)
        top = 0.0
        for i, (label, high) in enumerate(zip(labels, heights, strict=True)):
            middle = top + high / 2
            base = sheet.bottom + floor + tall - middle * share - BASELINE * s
            colour = style.VAGUE if pale[i].any() else style.INK
            lift = label.count("\n") * LINE / 2 * s
            sheet.write(panels[0], label, sheet.left + MARGIN * s, base - lift, size=s, color=colour, label="_name")
            for part, panel in enumerate(panels):
                _marks(panel, shown[i, 3 * part : 3 * part + 3], middle, bool(pale[i, part]), part, s)
                if told:
                    right = sheet.left + starts[part] + across + (_GAP * 0.7 + numbers[part]) * s
                    sheet.write(panels[0], texts[part][i], right, base, size=s, horizontalalignment="right",
                                color=style.VAGUE if pale[i, part] else style.INK)  # fmt: skip
            top += high
    return panels[0]


def _text(row: Array) -> str:
    value, low, high = (float(v) / 100 for v in row)
    digits = RATE.digits(value, low, high)
    limits = f" ({RATE.limits(low, high, digits, unit=False)})" if np.isfinite(row[1:]).all() else ""
    return f"{RATE.text(value, digits)}{limits}"


def _marks(axes: Axes, row: Array, y: float, pale: bool, part: int, s: float) -> None:
    """One rate with its interval; a pale one goes on beyond the panel."""
    value, low, high = (float(v) for v in row)
    colour = style.FAINT if pale else style.INK
    if np.isfinite([low, high]).all():
        line = Line2D([low, high], [y, y], color=colour, linewidth=0.8 if pale else 1.0, zorder=2)
        line.set(solid_capstyle="butt", clip_on=pale, label=("_benefit", "_risk")[part])
        axes.add_line(line)
    mark = Line2D([value], [y], marker="s", markersize=0.62 * s, linestyle="none", zorder=3, clip_on=False)
    mark.set(color=style.VAGUE if pale else (style.SQUARE, style.DIAMOND)[part], label="_group")
    axes.add_line(mark)
