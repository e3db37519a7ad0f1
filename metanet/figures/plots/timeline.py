"""The timeline of studies: the year of publication, the modalities as rows, a disc for each study."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import PathCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from metanet.base.arguments import checked
from metanet.base.arrays import Array
from metanet.base.display import plural, sentence_case
from metanet.base.errors import ArgumentError, no_column
from metanet.base.groups import natural
from metanet.evidence.evidence import Evidence
from metanet.evidence.sources import Rates, rates_of
from metanet.figures.page import style
from metanet.figures.page.axis import Axis, tick_text
from metanet.figures.page.canvas import wanted_width
from metanet.figures.page.label_places import LETTER
from metanet.figures.page.page import MARGIN, TICK_SIZE, dress, page, saying, set_axis
from metanet.figures.page.save import describe
from metanet.figures.page.subject import alternative, subject_of
from metanet.figures.page.text import BASELINE, LINE, Label, harmless, width_of, wrap
from metanet.figures.registry import chart

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


#: In text sizes: width of a year and of the whole, widest name, diameters of discs, room above and below the discs of a row.
_PANEL, _LEAST_PANEL, _NAME = 44.0, 16.0, 13.0
_LARGEST, _SMALLEST, _BETWEEN = 2.2, 0.5, 0.5
_FOOT, _KEY = 3.5, 2.6
#: From light to dark, so that it also reads in grey and by everybody; the lightest still parts from white.
_SHADES = LinearSegmentedColormap.from_list("metanet rates", ["#CBE3F3", "#5BA7D6", "#0072B2", "#00324F"])


@chart("timeline", title="Timeline of studies")
@checked()
def timeline(
    data: Rates | Evidence, *, by: str | None = None, colour: str | None = None, ax: Axes | None = None, title: str | None = None
) -> Axes:
    """Draw when the studies were published.

    Parameters
    ----------
    data
        Rows of studies with a column ``year``: what `Evidence.rates` or `read` returned, a frame or a result; or evidence, of
        which every arm is drawn.
    by
        Column that forms the rows; None takes "modality_class" (or "modality") where the data have it.
    colour
        "rate" shades the discs by the rate of the study, in data with events and totals.
    ax
        Axes to draw into; None makes a figure that fits the content, or the column of `column_width`.
    title
        A heading.

    Returns
    -------
    Axes
        A disc for each study arm at its year, its area by the number of patients; discs of one year stand on each other.

    Raises
    ------
    ArgumentError
        A column that is not there, another colour, or "rate" without events and totals. Data without years are answered in words.

    Examples
    --------
    >>> ax = mn.timeline(rates, colour="rate")
    """
    if colour not in (None, "rate"):
        raise ArgumentError(f"colour={colour!r} must be None or 'rate'.")
    frame = _frame(data)
    if "year" not in frame.columns:
        return saying(ax, "Timeline of studies", title, "The data have no column of years of publication (year).")
    if by is not None and by not in frame.columns:
        raise no_column("by", by, frame.columns)
    by = by or next((name for name in ("modality_class", "modality") if name in frame.columns), None)
    import pandas as pd

    years = pd.to_numeric(frame["year"], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    known = np.isfinite(years)
    unknown = int((~known).sum())
    if not known.any():
        return saying(ax, "Timeline of studies", title, "No study has a year of publication.")
    groups = ["All studies"] * len(frame) if by is None else [harmless(value, 120) for value in frame[by]]
    sizes = _sizes(frame)
    rates = _rates(frame) if colour == "rate" else None
    if colour == "rate" and rates is None:
        raise ArgumentError("colour='rate' needs the columns events and total. Fix: give the rows of an outcome, as Evidence.rates.")
    names = sorted(dict.fromkeys(group for group, k in zip(groups, known, strict=True) if k), key=natural)
    places = np.array([names.index(group) if k else -1 for group, k in zip(groups, known, strict=True)])
    unit = style.TEXT_SIZE
    width = None if ax is not None else wanted_width()
    labels = [wrap(sentence_case(name), _NAME * unit, unit, lines=2) for name in names]
    left = MARGIN + max(width_of(line, unit) for label in labels for line in label.split("\n")) * 1.02 / unit + 0.9
    panel = _PANEL if width is None else max(_LEAST_PANEL, width / unit - left - MARGIN - 1.2)
    total = left + panel + MARGIN + 1.2
    first, last = float(years[known].min()), float(years[known].max())
    axis = _axis(first, last, panel * unit)
    at = np.flatnonzero(places >= 0)
    across_points = (years - axis.lower) / (axis.upper - axis.lower) * panel * unit
    diameter, up, height_of = _swarms(across_points, places, sizes, len(names), unit)
    tall = [max(h + _BETWEEN * unit, 1.9 * unit, (label.count("\n") + 1) * LINE * unit + 0.4 * unit)
            for h, label in zip(height_of, labels, strict=True)]  # fmt: skip
    sized = bool(np.isfinite(sizes[at]).any())
    subject = subject_of(frame, by=by or "")
    name = "" if rates is None else wrap(subject.axis("rate", "PLO"), panel * unit, LETTER * unit, lines=4)
    foot = (_FOOT + _KEY * (sized + bool(name)) + (LINE * LETTER * (1 + name.count("\n")) if name else 0.0)) * unit
    height = sum(tall) + foot + 0.5 * unit
    least = (total * unit, height)
    notes = [_legend(unknown, sized)]
    with page(ax, width=least[0] if width is None else width, height=height, least=least, title=title, notes=notes) as sheet:
        s = sheet.size
        share = s / unit
        # What a place leaves beyond the least goes to the panel; the discs keep their size.
        across = max(1.0, sheet.width - (left + MARGIN + 1.2) * s)
        axes = sheet.panel(left * s, foot * share, across, sum(tall) * share)
        dress(axes, s, ("bottom",))
        set_axis(axes, "x", axis, s, "Year of publication")
        axes.set_ylim(sum(tall), 0.0)
        top = 0.0
        for i, (label, high) in enumerate(zip(labels, tall, strict=True)):
            if i % 2 == 0:
                band = Rectangle((0, 1 - (top + high) / sum(tall)), 1, high / sum(tall), transform=axes.transAxes, facecolor="#F4F4F4")
                band.set(linewidth=0, zorder=0.1, label="_band")
                axes.add_patch(band)
            drop = (top + high / 2) * share
            axes.add_artist(Label(-0.9 * s / across, 1 - (drop + (BASELINE + label.count("\n") * LINE / 2) * s) / (sum(tall) * share),
                                  label, size=s, raw=True, color=style.INK, horizontalalignment="right", multialignment="right",
                                  transform=axes.transAxes, zorder=4))  # fmt: skip
            up[places == i] += top + high / 2
            top += high
        _discs(axes, years[at], up[at], diameter[at], None if rates is None else rates[at], share)
        _key(axes, (across, sum(tall) * share), _FOOT * s, s, _sample(sizes[at], diameter[at] * share), name)
    told = [f"{plural(int((places == i).sum()), 'study arm')} {name}" for i, name in enumerate(names)]
    when = f"from {first:.0f} to {last:.0f}" if last > first else f"in {first:.0f}"
    alt = alternative("Timeline of studies", subject, int(known.sum()), when, ", ".join(told), of=("study arm", "study arms"))
    about = f" of {subject.within()}" if subject.name else ""
    text = f"Timeline{about}, {plural(int(known.sum()), 'study arm')} {when}: {', '.join(told)}. {_legend(unknown, sized)}"
    describe(
        axes,
        harmless(title, 300) if title else "Timeline of studies",
        text,
        alt,
        axis=subject.axis("rate", "PLO") if name else "Year of publication",
    )
    return axes


def _frame(data: Any) -> pd.DataFrame:
    """One row for each study arm."""
    if isinstance(data, Evidence):
        years = [name for name in ("study_id", "year") if name in data.studies]
        frame = data.arms.merge(data.studies[years], on="study_id", how="left")
        return frame[frame["modality_class"].isin(data.modality_classes)]
    return rates_of(data)


def _numbers(frame: pd.DataFrame, name: str) -> Array | None:
    import pandas as pd

    if name not in frame.columns:
        return None
    return np.asarray(pd.to_numeric(frame[name], errors="coerce").to_numpy(dtype=float, na_value=np.nan))


def _sizes(frame: pd.DataFrame) -> Array:
    """Patients of each row; not known where no column says it."""
    for name in ("n", "total"):
        found = _numbers(frame, name)
        if found is not None and np.isfinite(found).any():
            return found
    return np.full(len(frame), np.nan)


def _rates(frame: pd.DataFrame) -> Array | None:
    events, total = _numbers(frame, "events"), _numbers(frame, "total")
    if events is None or total is None:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        return events / total


def _axis(first: float, last: float, room: float) -> Axis:
    """Whole years, half a year on both sides."""
    low, high = first - 0.9, last + 0.9
    most = max(2, int(room / (width_of("2000", TICK_SIZE * style.TEXT_SIZE) * 1.6)))
    step = next(each for each in (1, 2, 5, 10, 20, 50, 100, 1000) if (last - first) / each < most)
    ticks = tuple(float(v) for v in np.arange(np.ceil(first / step) * step, last + 0.1, step)) or (first,)
    return Axis(low, high, ticks, tuple(tick_text(v, 1.0) for v in ticks))


def _swarms(x: Array, places: Array, sizes: Array, rows: int, unit: float) -> tuple[Array, Array, list[float]]:
    """Diameters in points, places above the middle of the row, and the height of each row; many discs are smaller ones."""
    known = np.isfinite(sizes) & (places >= 0)
    most = float(sizes[known].max()) if known.any() else 1.0
    share = np.where(np.isfinite(sizes), np.clip(np.nan_to_num(sizes) / most, 0.0, 1.0) ** 0.5, 0.4)
    largest = _LARGEST * unit
    for _ in range(12):
        diameter = np.maximum(share * largest, _SMALLEST * unit * min(1.0, largest / unit))
        y = np.zeros(len(x))
        heights = []
        for row in range(rows):
            at = np.flatnonzero(places == row)
            y[at] = _swarm(x[at], diameter[at] + 0.08 * unit)
            low, high = float((y[at] - diameter[at] / 2).min()), float((y[at] + diameter[at] / 2).max())
            y[at] -= (low + high) / 2
            heights.append(high - low)
        if sum(heights) <= 60 * unit or largest <= 0.8 * unit:
            break
        largest *= 0.85
    return diameter, y, heights


def _swarm(x: Array, diameter: Array) -> Array:
    """How far from the middle each disc stands so that none meets another, the largest first and nearest to it."""
    y = np.zeros(len(x))
    done: list[int] = []
    for i in sorted(range(len(x)), key=lambda i: (-diameter[i], x[i])):
        apart = [((diameter[i] + diameter[j]) / 2, x[i] - x[j], y[j]) for j in done]
        near = [(high, reach) for need, gap, high in apart if abs(gap) < need for reach in [(need**2 - gap**2) ** 0.5]]
        tries = [0.0, *(high + sign * reach for high, reach in near for sign in (1, -1))]
        free = [one for one in tries if all(abs(one - high) >= reach - 1e-6 for high, reach in near)]
        y[i] = min(free, key=lambda one: (abs(one), one))
        done.append(i)
    return y


def _discs(axes: Axes, x: Array, y: Array, diameter: Array, rates: Array | None, share: float) -> None:
    faces: Any = style.SQUARE
    if rates is not None:
        faces = [_SHADES(float(rate)) if np.isfinite(rate) else "#FFFFFF" for rate in rates]
    dots: PathCollection = axes.scatter(x, y, s=(diameter * share) ** 2, c=faces, label="_studies")
    dots.set(linewidths=0.5, edgecolors="white" if rates is None else style.INK, clip_on=False, zorder=2)


def _sample(sizes: Array, diameter: Array) -> list[tuple[float, float]]:
    """Up to three of the studies' sizes with the diameters that they have: a small, a middle and the largest one."""
    known = np.flatnonzero(np.isfinite(sizes))
    if not known.size:
        return []
    order = known[np.argsort(sizes[known], kind="stable")]
    largest = diameter[order[-1]] ** 2 / max(sizes[order[-1]], 1e-9)
    middle = min(order, key=lambda i: abs(diameter[i] ** 2 - largest * sizes[order[-1]] / 4))
    chosen = {float(sizes[i]): float(diameter[i]) for i in (order[0], middle, order[-1])}
    return sorted(chosen.items())


def _key(axes: Axes, panel: tuple[float, float], foot: float, s: float, sample: list[tuple[float, float]], name: str) -> None:
    """Under the axis: what the sizes mean, and the shades of the rates."""
    across, high = panel
    letter, shaded = LETTER * s, bool(name)
    y = -(foot + 1.0 * s)

    def write(text: str, x: float, at: float) -> None:
        axes.add_artist(Label(x / across, at / high, text, size=letter, color=style.INK, transform=axes.transAxes, zorder=4))

    if sample:
        x = 0.0
        write("Patients", x, y - BASELINE * letter)
        x += width_of("Patients", letter) + 1.2 * s
        for size, diameter in sample:
            dot = Line2D([(x + diameter / 2) / across], [y / high], marker="o", markersize=diameter, linestyle="none",
                         transform=axes.transAxes, color=style.SQUARE if not shaded else "white")  # fmt: skip
            dot.set(markeredgecolor="white" if not shaded else style.INK, markeredgewidth=0.5, clip_on=False, label="_size")
            axes.add_line(dot)
            dot.set_transform(axes.transAxes)
            text = f"{size:,.0f}"
            write(text, x + diameter + 0.4 * s, y - BASELINE * letter)
            x += diameter + width_of(text, letter) + 1.5 * s
        y -= _KEY * s
    if not shaded:
        return
    for line in name.split("\n"):
        write(line, 0.0, y - BASELINE * letter)
        y -= LINE * letter
    y -= 0.3 * s
    words = ("0 %", "100 %")
    start = width_of(words[0], letter) + 0.6 * s
    wide = max(2 * s, min(11 * s, across - start - width_of(words[1], letter) - 0.8 * s))
    tall, pieces = 0.8 * s, 25
    for i in range(pieces):
        piece = Rectangle(((start + i * wide / pieces) / across, (y - tall / 2) / high), wide / pieces / across * 1.02, tall / high,
                          transform=axes.transAxes)  # fmt: skip
        piece.set(facecolor=_SHADES(i / (pieces - 1)), linewidth=0, antialiased=False, clip_on=False, zorder=2, label="_shade")
        axes.add_patch(piece)
    write(words[0], 0.0, y - BASELINE * letter)
    write(words[1], start + wide + 0.6 * s, y - BASELINE * letter)


def _legend(unknown: int, sized: bool) -> str:
    parts = ["Discs: study arms" + (", area by the number of patients" if sized else "") + "; up and down within a row means nothing."]
    if unknown:
        parts.append(f"Not drawn, because the year is not known: {plural(unknown, 'study arm')}.")
    return " ".join(parts)
