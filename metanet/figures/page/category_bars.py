"""Bars of response categories: colours, segments with their shares, rows of arms, and the legend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib.patches import Rectangle

from metanet.base.display import per_cent
from metanet.figures.page import style
from metanet.figures.page.label_places import LETTER
from metanet.figures.page.page import MARGIN, Page
from metanet.figures.page.text import BASELINE, LINE, Label, harmless, width_of, wrap
from metanet.models.comparison.response_categories import CATEGORIES, MEANING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from metanet.models.comparison.response_categories import ResponseArm

#: Okabe and Ito's colours from dark to light, so that the order holds in grey and for every kind of colour blindness.
COLOURS = {"CR": style.INK, "PR": "#0072B2", "SD": "#56B4E9", "PD": "#F0E442"}
#: In text sizes: widest name, bar height, room between two rows.
_NAME, BAR, BETWEEN = 20.0, 1.25, 0.55
#: Swatch of the legend, between two entries, and height of a row of them, in text sizes.
_SWATCH, _APART, ENTRY = 1.5, 1.4, 1.65
_TALL = 1.15


@dataclass(frozen=True)
class Row:
    """An arm with its place, in text sizes: `top` below the first row, `tall`."""

    arm: ResponseArm
    name: str
    top: float
    tall: float


def rows_of(arms: list[ResponseArm], unit: float) -> list[Row]:
    out, top = [], 0.0
    for arm in arms:
        name = wrap(harmless(arm.study), _NAME * unit, unit, lines=2)
        tall = max(BAR, (1 + name.count("\n")) * LINE) + BETWEEN
        out.append(Row(arm, name, top, tall))
        top += tall
    return out


def draw_bar(axes: Axes, parts: Sequence[tuple[str, float]], middle: float, s: float, across: float, scale: float) -> None:
    """The segments of one bar of 100 %, with their shares where these fit.

    Parameters
    ----------
    axes
        Axes whose x runs from 0 to 100.
    parts
        Category and share (fraction), from best to worst.
    middle
        Place of the bar, in text sizes downwards.
    s, across, scale
        Text size and width of the axes in points; points for each unit of height.
    """
    start, letter = 0.0, LETTER * s
    for name, fraction in parts:
        if not fraction:
            continue
        share = 100.0 * fraction
        box = swatch(name, (start, middle - BAR / 2), share, BAR, s, f"_{name}")
        box.set(edgecolor="white", linewidth=0.7)
        axes.add_patch(box)
        text = per_cent(fraction, 0)
        wide = width_of(text, letter)
        if wide + 0.7 * letter <= share / 100 * across:
            x = start + share / 2
            joined = "+" in name
            if joined:
                half = (wide / 2 + 0.28 * letter) / across * 100
                plate = Rectangle((x - half, middle - 0.42 * BAR), 2 * half, 0.84 * BAR, facecolor="white", linewidth=0)
                plate.set(zorder=2.5, label="_plate")
                axes.add_patch(plate)
            colour = "white" if name in ("CR", "PR") else style.INK
            label = Label(x, middle + BASELINE * letter / scale, text, size=letter, color=style.INK if joined else colour,
                          horizontalalignment="center", transform=axes.transData, zorder=3, label="_share")  # fmt: skip
            axes.add_artist(label)
        start += share


def swatch(name: str, corner: tuple[float, float], width: float, height: float, s: float, label: str) -> Rectangle:
    """A box in the colours of a category: of several the face has the last one's colour and the strokes that of the first."""
    first, last = name.split("+")[0], name.split("+")[-1]
    box = Rectangle(corner, width, height, facecolor=COLOURS[last], edgecolor="none", linewidth=0, zorder=2, label=label)
    if first != last:
        # Three that are not told apart are hatched both ways.
        box.set_hatch("////" if name.count("+") == 1 else "xxx")
        box.set_hatchcolor(COLOURS[first])
        box.set_hatch_linewidth((0.16 if name.count("+") == 1 else 0.09) * s)
    return box


def legend_order() -> list[str]:
    """Single categories, then what may stand together, each from best to worst."""
    runs = [CATEGORIES[i:j] for length in range(1, 5) for i in range(4) if (j := i + length) <= 4]
    return ["+".join(run) for run in runs]


def _entry(name: str) -> str:
    return f"{name}, combined" if "+" in name else f"{name} {MEANING[name]}"


def flow(names: list[str], width: float, size: float) -> list[list[tuple[str, str, float]]]:
    """Legend entries in lines: name, text and place from the left margin, in points."""
    inner = width - 2 * MARGIN * size
    lines: list[list[tuple[str, str, float]]] = [[]]
    x = 0.0
    for name in names:
        text = wrap(_entry(name), max(1.0, inner - (_SWATCH + 0.5) * size), LETTER * size, lines=1)
        wide = (_SWATCH + 0.5) * size + width_of(text, LETTER * size) * 1.02
        if x and x + wide > inner:
            lines.append([])
            x = 0.0
        lines[-1].append((name, text, x))
        x += wide + _APART * size
    return lines


def legend(axes: Axes, sheet: Page, lines: list[list[tuple[str, str, float]]], top: float) -> None:
    """Swatches and words, from `top` down."""
    s = sheet.size
    for i, line in enumerate(lines):
        y = sheet.bottom + top - (i + 0.5) * ENTRY * s
        for name, text, x in line:
            corner = (sheet.left + MARGIN * s + x, y - _TALL * s / 2)
            box = swatch(name, (corner[0] / sheet.parent_width, corner[1] / sheet.parent_height),
                          _SWATCH * s / sheet.parent_width, _TALL * s / sheet.parent_height, s, "_key")  # fmt: skip
            box.set_transform(sheet.parent.transSubfigure)
            box.set_clip_on(False)
            axes.add_artist(box)
            sheet.write(axes, text, corner[0] + (_SWATCH + 0.5) * s, y - BASELINE * LETTER * s, size=LETTER * s, label="_entry")
