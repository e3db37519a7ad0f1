"""The specification curve: the estimates of all analyses in order, with the choices of each below."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from numpy.typing import NDArray

from metanet.base.arguments import whole_number
from metanet.base.arrays import Array
from metanet.base.display import TOO_WIDE, in_sentence, number, per_cent, plural
from metanet.diagnostics.method.multiverse import Multiverse, main_row
from metanet.diagnostics.method.reporting import REPORTING
from metanet.evidence.bias.rungs import RUNGS
from metanet.evidence.contract import CERTAINTIES
from metanet.evidence.rates import POLICIES
from metanet.figures.page import style
from metanet.figures.page.axis import Axis, log_axis, number_axis
from metanet.figures.page.canvas import wanted_width
from metanet.figures.page.label_places import LETTER, panel_size
from metanet.figures.page.page import MARGIN, axis_name, depth, dress, page, saying, set_axis
from metanet.figures.page.save import describe
from metanet.figures.page.scale import Scale, scale_of
from metanet.figures.page.subject import alternative, subject_of_record
from metanet.figures.page.text import BASELINE, LINE, Label, harmless, width_of, wrap
from metanet.figures.registry import chart

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


#: In text sizes: widest label of a choice, width of the panels, height of the curve, between curve and choices.
_LABEL, _PANEL, _CURVE, _BETWEEN = 24.5, 38.0, 17.0, 1.0
#: Height of a row and of a heading, in letters.
_ROW, _HEADING = 1.5, 1.8
_LEAST_PANEL, _LEAST_CURVE = 12.0, 8.0
#: So much wider than a column a figure may be before its names wrap: its letters then shrink to 6 points.
_SHRINKS = 1.28
_MOST = 600
#: A choice that explains less of the variance has no rows.
_TELLS = 0.01
#: Marks closer than this (points) flicker on a screen: neighbours become one shape.
_DENSE = 2.2
_HEADINGS = {
    "grouping": "Grouping",
    "overlap": "Overlapping cohorts",
    "certainty": "Least certainty",
    "risk_of_bias": "Risk of bias",
    "unit": "Unit",
    "derived": "Derived counts",
    "reporting": "Arms that report response and control",
    "model": "Model",
    "tau2": "τ² estimator",
    "ci": "Interval",
}
#: Levels with an order of their own; the others stand as the curve meets them.
_LEVELS: dict[str, tuple[str, ...]] = {
    "overlap": POLICIES,
    "certainty": CERTAINTIES,
    "risk_of_bias": tuple(RUNGS),
    "unit": ("any", "patients"),
    "derived": ("in", "out"),
    "reporting": REPORTING,
    "tau2": ("posterior", "ML", "REML", "DL", "PM"),
    "ci": ("credible", "t", "z", "profile", "HK", "HK-adhoc"),
}
#: Whole interval above the threshold, below it, across it; the last light enough to part from the others in grey.
ABOVE, BELOW, ACROSS = style.SQUARE, style.DIAMOND, "#ABABAB"


@dataclass(frozen=True)
class _Line:
    """One row under the curve: a heading, or a level with the analyses that took it."""

    text: str
    bold: bool
    middle: float
    taken: NDArray[np.bool_] | None = None


@chart("specification_curve", title="Specification curve", takes=Multiverse, makers="multiverse")
def specification_curve(
    multiverse: Multiverse,
    *,
    ax: Axes | None = None,
    title: str | None = None,
    most: int = _MOST,
    main: Mapping[str, str] | None = None,
) -> Axes:
    """Draw the estimates of a multiverse in order, with their choices.

    Parameters
    ----------
    multiverse
        The result of `multiverse`; nothing is computed anew.
    ax
        Axes to draw into, which become the curve; None makes a figure.
    title
        A heading.
    most
        Maximum number of analyses drawn; of more, evenly spaced ones by rank with the first, the last and the primary one. The text
        counts all.
    main
        The primary analysis, which is marked by a ring: None takes the recommended method on the most inclusive rows, a dictionary
        other choices, as in `sensitivity_table`.

    Returns
    -------
    Axes
        The curve, above the panel of choices. Choices with one level are in the small print.

    Raises
    ------
    ArgumentError
        Not a result of `multiverse`, or a `most` below 2.

    References
    ----------
    Simonsohn, Simmons, Nelson (2020), doi:10.1038/s41562-020-0912-z.

    Examples
    --------
    >>> ax = mn.multiverse(rates[["study", "events", "total"]]).plot()
    """
    from metanet.diagnostics.method.multiverse import DATA_DIMENSIONS, METHOD_DIMENSIONS

    most = whole_number("most", most, 2)
    if multiverse.reason:
        return saying(ax, "Specification curve", title, multiverse.reason)
    frame = multiverse._answered()
    if frame.empty:
        return saying(ax, "Specification curve", title, multiverse.sentence())
    answered = len(frame)
    frame = frame.sort_values("estimate", kind="stable")
    if answered > most:
        places = np.round(np.linspace(0, answered - 1, most)).astype(int)
        at = main_row(multiverse, main)
        primary = [] if at is None else np.flatnonzero(frame.index == at).tolist()
        if primary and primary[0] not in places:
            # In the place of the nearest of those drawn, so that no more than `most` are.
            inner = places[1:-1] if most > 2 else places
            inner[np.abs(inner - primary[0]).argmin()] = primary[0]
        frame = frame.iloc[np.unique(places)]
    dimensions = [d for d in (*DATA_DIMENSIONS, *METHOD_DIMENSIONS) if d in frame.columns]
    several = [d for d in dimensions if frame[d].nunique() > 1]
    shown = _telling(several, multiverse)
    scale = scale_of(multiverse.response, "cent", float(frame["estimate"].median()))
    colours = _colours(frame, multiverse.threshold, scale)
    subject = subject_of_record(multiverse.method)
    name = subject.axis(
        multiverse.response, str(frame["measure"].iloc[0]) if _one_measure(frame) else "GEN", log=multiverse.response == "ratio"
    )
    # The primary analysis, marked where the thinning left it in.
    at = main_row(multiverse, main)
    first = None if at is None else next((place for place, row in enumerate(frame.index) if row == at), None)
    notes = [
        _legend(multiverse, frame, answered, [d for d in dimensions if d not in several], first),
        _folded([d for d in several if d not in shown], frame),
        harmless(multiverse.sentence(), 1500),
    ]
    unit = style.TEXT_SIZE
    right = _threshold_text(multiverse.threshold, scale)
    beside = width_of(right, LETTER * unit) + 0.8 * unit if right else 0.0
    column = None if ax is not None else wanted_width()
    for most_wide in (_LABEL, 18.0, 13.0, 10.0):
        labels = _labels(frame, shown, multiverse, unit, most_wide)
        rows, under = _rows(labels, frame, unit)
        wide = max([width_of(t, LETTER * unit, r.bold) for r in rows for t in r.text.split("\n")], default=0.0)
        left = MARGIN * unit + wide * 1.06 + 1.4 * unit
        # Names in more lines rather than letters that nobody can read.
        if column is None or left + (_LEAST_PANEL + MARGIN) * unit + beside <= column * _SHRINKS:
            break
    below = 1.9 * unit
    width, height = left + _PANEL * unit + beside + MARGIN * unit, _CURVE * unit + _BETWEEN * unit + under + below
    least = (left + (_LEAST_PANEL + MARGIN) * unit + beside, (_LEAST_CURVE + _BETWEEN) * unit + under + below)
    with page(ax, width=width, height=height, least=least, title=title, notes=notes) as sheet:
        s = sheet.size
        share = s / unit
        axis_y = _axis(frame, multiverse, scale, s)
        over = 0.5 * s if first is None else 1.5 * s
        tall = sheet.height - (below + under) * share - _BETWEEN * s - over
        lines = axis_name(name, tall, s).count("\n")
        left = max(left * share, MARGIN * s + depth(axis_y.labels, s, across=True) + (1.7 + lines * LINE) * s)
        across = max(1.0, sheet.width - left - beside * share - MARGIN * s)
        floor = (below + under) * share
        axes = sheet.panel(left, floor + _BETWEEN * s, across, max(1.0, sheet.height - floor - _BETWEEN * s - over))
        dots = sheet.panel(left, below * share, across, under * share)
        _curve(axes, frame, axis_y, scale, colours, multiverse, right, s, first, name)
        _choices(dots, rows, len(frame), colours, under, share, s, first)
    describe(
        axes,
        harmless(title, 300) if title else "Specification curve",
        f"Specification curve. {multiverse.sentence()} {_drivers(multiverse)}".strip(),
        alternative(
            "Specification curve",
            subject,
            answered,
            _ends(frame, scale),
            _drivers(multiverse).rstrip("."),
            of=("analysis", "analyses"),
        ),
        axis=name,
    )
    return axes


def _one_measure(frame: pd.DataFrame) -> bool:
    return "measure" in frame.columns and frame["measure"].nunique() == 1


def _ends(frame: pd.DataFrame, scale: Scale) -> str:
    low, high = (scale.shown(float(v)) for v in (frame["estimate"].min(), frame["estimate"].max()))
    return f"estimates from {low} to {high}"


def _telling(several: list[str], multiverse: Multiverse) -> list[str]:
    """The choices that explain something of the spread; the one that explains most where none does."""
    shares = dict(zip(multiverse.drivers["choice"], multiverse.drivers["share"], strict=True))
    known = {d: float(shares.get(d, np.nan)) for d in several}
    kept = [d for d in several if not known[d] < _TELLS]
    return kept or sorted(several, key=lambda d: -known[d])[:1]


def _folded(choices: list[str], frame: pd.DataFrame) -> str:
    """The sentence on the choices that have no rows."""
    if not choices:
        return ""
    told = ", ".join(f"{in_sentence(_HEADINGS[d])} ({plural(int(frame[d].nunique()), 'level')})" for d in choices)
    return f"Without rows, because they explain under {100 * _TELLS:g} % of the variance of the estimates: {told}."


def _vague(frame: pd.DataFrame, scale: Scale) -> list[bool]:
    """Which intervals are so wide that they say nothing."""
    ends = frame[["ci_lower", "ci_upper"]].astype(float).itertuples(index=False, name=None)
    return [scale.written.is_vague(lower, upper) for lower, upper in ends]


def _colours(frame: pd.DataFrame, threshold: float | None, scale: Scale) -> list[str]:
    """The side of the threshold that each whole interval lies on; without a threshold, whether the interval says anything."""
    if threshold is None:
        return [ACROSS if wide else style.SQUARE for wide in _vague(frame, scale)]
    lower, upper = (frame[name].to_numpy(dtype=float) for name in ("ci_lower", "ci_upper"))
    return [ABOVE if low > threshold else BELOW if high < threshold else ACROSS for low, high in zip(lower, upper, strict=True)]


def _labels(
    frame: pd.DataFrame, several: list[str], multiverse: Multiverse, unit: float, most: float
) -> list[tuple[str, str | None, str | None]]:
    """Rows of the panel of choices: text, dimension and level (None: a heading)."""
    shares = dict(zip(multiverse.drivers["choice"], multiverse.drivers["share"], strict=True))
    out: list[tuple[str, str | None, str | None]] = []
    lines = 2 if most == _LABEL else 4
    for dimension in several:
        text = _HEADINGS[dimension]
        if dimension in shares and np.isfinite(shares[dimension]):
            text += f" ({per_cent(float(shares[dimension]), 0)} % of variance)"
        out.append((wrap(text, most * unit, LETTER * unit, bold=True, lines=3), None, None))
        known = _LEVELS.get(dimension, ())
        levels = dict.fromkeys(frame[dimension])
        ranks = {level: known.index(level) if level in known else len(known) for level in levels}
        out += [
            (wrap(harmless(str(level).replace("_", " ")), most * unit, LETTER * unit, lines=lines), dimension, level)
            for level in sorted(levels, key=ranks.__getitem__)
        ]
    return out


def _rows(labels: list[tuple[str, str | None, str | None]], frame: pd.DataFrame, unit: float) -> tuple[list[_Line], float]:
    """Where each row stands (points from the top of the panel), and how high the panel is."""
    letter = LETTER * unit
    y, out = 0.0, []
    for text, dimension, level in labels:
        tall = ((_HEADING if dimension is None else _ROW) + text.count("\n") * 1.15 * LINE) * letter
        taken = None if dimension is None else (frame[dimension] == level).to_numpy()
        out.append(_Line(text, dimension is None, y + tall / 2 + (0.1 * letter if dimension is None else 0.0), taken))
        y += tall
    return out, max(y, 0.5 * unit)


def _axis(frame: pd.DataFrame, multiverse: Multiverse, scale: Scale, size: float) -> Axis:
    values = frame[["estimate", "ci_lower", "ci_upper"]].to_numpy(dtype=float) * scale.factor
    ends = values[np.isfinite(values)]
    threshold = [] if multiverse.threshold is None else [scale.factor * multiverse.threshold]
    low, high = min([*ends, *threshold]), max([*ends, *threshold])
    if multiverse.response == "ratio" and low > 0:
        return log_axis(low / 1.05, high * 1.05, room=_CURVE * size, size=size)
    least = 0.0 if multiverse.response.startswith("rate") else -np.inf
    return number_axis(float(low), float(high), pieces=6, least=least, most=100.0 if scale.is_rate else np.inf)


def _threshold_text(threshold: float | None, scale: Scale) -> str:
    if threshold is None:
        return ""
    return scale.written.exact(threshold)


def _curve(
    axes: Axes,
    frame: pd.DataFrame,
    axis: Axis,
    scale: Scale,
    colours: list[str],
    multiverse: Multiverse,
    right: str,
    s: float,
    first: int | None,
    name: str,
) -> None:
    """Estimates with their intervals, in order."""
    n = len(frame)
    dress(axes, s, ("left",))
    axes.set_xlim(-0.7, n - 0.3)
    if multiverse.response == "ratio" and axis.lower > 0:
        axes.set_yscale("log")
    set_axis(axes, "y", axis, s, name)
    estimate, lower, upper = (scale.factor * frame[c].to_numpy(dtype=float) for c in ("estimate", "ci_lower", "ci_upper"))
    each = panel_size(axes)[0] / (n + 0.4)
    known = np.flatnonzero(np.isfinite(lower) & np.isfinite(upper))
    if each < _DENSE:
        _ribbons(axes, lower, upper, colours, known)
    else:
        bars = LineCollection([((i, lower[i]), (i, upper[i])) for i in known], colors=[colours[i] for i in known],
                              linewidths=min(1.0, 0.7 * each), alpha=0.6, zorder=1.5, label="_intervals")  # fmt: skip
        axes.add_collection(bars, autolim=False)
    dots = axes.scatter(
        np.arange(n), estimate, s=min(0.5 * s, max(1.4, 0.9 * each)) ** 2, c=colours, linewidths=0, zorder=3, label="_estimates"
    )
    dots.set_clip_on(False)
    if first is not None:
        ring = axes.scatter([first], [estimate[first]], s=(0.85 * s) ** 2, facecolors="none", edgecolors=style.INK, linewidths=1.1,
                            zorder=3.5, label="_primary")  # fmt: skip
        ring.set_clip_on(False)
        axes.axvline(first, color=style.INK, linewidth=0.6, zorder=1.2, label="_primary line")
        width, height = panel_size(axes)
        x, text, letter = (first + 0.7) / (n + 0.4) * width, "Primary analysis", LETTER * s
        # Over its line, and within the panel.
        wide = width_of(text, letter)
        x = min(max(x, wide / 2), max(wide / 2, width - wide / 2))
        axes.add_artist(Label(x / width, 1 + 0.4 * s / height, text, size=letter, color=style.INK, horizontalalignment="center",
                              transform=axes.transAxes, zorder=4))  # fmt: skip
    if multiverse.threshold is not None:
        at = scale.factor * multiverse.threshold
        axes.axhline(at, color=style.INK, linewidth=0.8, dashes=(4, 3), zorder=2, label="_threshold")
        width, height = panel_size(axes)
        y = (axes.transData - axes.transAxes).transform((0.0, at))[1] - BASELINE * LETTER * s / height
        axes.add_artist(Label(1 + 0.4 * s / width, y, right, size=LETTER * s, color=style.INK, transform=axes.transAxes))


def _ribbons(axes: Axes, lower: Array, upper: Array, colours: list[str], known: NDArray[np.intp]) -> None:
    """Intervals that stand close: each as wide as its place, neighbours of one colour as one shape."""
    shapes: dict[str, list[Any]] = {}
    for run in _runs(known, colours):
        steps = np.array([(i + side, end) for i in run for side, end in ((-0.5, lower[i]), (0.5, lower[i]))])
        back = np.array([(i + side, end) for i in run[::-1] for side, end in ((0.5, upper[i]), (-0.5, upper[i]))])
        shapes.setdefault(colours[run[0]], []).append(np.vstack([steps, back]))
    for colour, parts in shapes.items():
        made = PolyCollection(parts, facecolors=colour, edgecolors="none", alpha=0.45, zorder=1.5, label="_intervals")
        axes.add_collection(made, autolim=False)


def _runs(places: NDArray[np.intp], colours: list[str]) -> list[list[int]]:
    """Neighbouring places of one colour."""
    out: list[list[int]] = []
    for i in places.tolist():
        if out and out[-1][-1] == i - 1 and colours[out[-1][0]] == colours[i]:
            out[-1].append(i)
        else:
            out.append([i])
    return out


def _choices(
    axes: Axes, rows: list[_Line], n: int, colours: list[str], under: float, share: float, s: float, first: int | None
) -> None:
    """A stroke for each analysis in the row of every level that it took."""
    dress(axes, s, ("bottom",))
    axes.spines["bottom"].set_visible(False)
    width, height = panel_size(axes)
    name = plural(n, "analysis", "analyses")
    whole = f"{name}, by the estimate"
    set_axis(axes, "x", Axis(-0.7, n - 0.3, (), ()), s, whole if width_of(whole, s) <= width else name)
    axes.set_ylim(under * share, 0.0)
    letter = LETTER * s
    strokes: list[Any] = []
    blocks: list[Any] = []
    shades: list[str] = []
    for i, row in enumerate(rows):
        y = row.middle * share
        lines = row.text.count("\n")
        axes.add_artist(
            Label(-0.9 * s / width, 1 - (y + (BASELINE + lines * LINE / 2) * letter) / height, row.text, size=letter, bold=row.bold,
                  color=style.INK, horizontalalignment="right", transform=axes.transAxes, zorder=4)
        )  # fmt: skip
        if row.taken is None:
            if i:
                top = y - (_HEADING + lines * 1.15 * LINE) * letter / 2 - 0.1 * letter
                axes.axhline(top, color=style.FAINT, linewidth=0.5, zorder=0.5, label="_rule")
            continue
        axes.axhline(y, color="#E6E6E6", linewidth=0.5, zorder=0.4, label="_row")
        half = 0.46 * letter
        if width / (n + 0.4) < _DENSE:
            for run in _runs(np.flatnonzero(row.taken), colours):
                left, right = run[0] - 0.5, run[-1] + 0.5
                blocks.append([(left, y - half), (right, y - half), (right, y + half), (left, y + half)])
                shades.append(colours[run[0]])
            continue
        strokes += [((j, y - half), (j, y + half)) for j in np.flatnonzero(row.taken)]
        shades += [colours[j] for j in np.flatnonzero(row.taken)]
    if first is not None:
        axes.axvline(first, color=style.INK, linewidth=0.6, zorder=3, label="_primary line")
    if blocks:
        axes.add_collection(PolyCollection(blocks, facecolors=shades, edgecolors="none", zorder=2, label="_choices"), autolim=False)
        return
    wide = min(2.2, max(0.35, 0.72 * width / (n + 0.4)))
    marks = LineCollection(strokes, colors=shades, linewidths=wide, capstyle="butt", zorder=2, label="_choices")
    axes.add_collection(marks, autolim=False)


def _legend(multiverse: Multiverse, frame: pd.DataFrame, answered: int, same: list[str], first: int | None) -> str:
    text = "Dots: estimates with their intervals; strokes: the choices of each."
    if first is not None:
        row = frame.iloc[first]
        scale = multiverse.scale
        digits = scale.digits(row["estimate"], row["ci_lower"], row["ci_upper"])
        limits = scale.limits(row["ci_lower"], row["ci_upper"], digits)
        text += f" Ring: the primary analysis ({harmless(str(row['method']))}), {scale.value(row['estimate'], digits)} ({limits})."
    text += " Choices with the same studies are one analysis, under the first of them."
    if multiverse.threshold is not None:
        text += " Blue: the whole interval above the threshold (dashed); vermilion: below it; grey: including it."
    elif any(_vague(frame, scale_of(multiverse.response))):
        text += f" Grey: the interval {multiverse.scale.vague_rule()}, {TOO_WIDE}."
    if len(frame) < answered:
        text += f" Drawn: {len(frame):,} of {answered:,}, evenly spaced by rank."
    if same:
        told = ", ".join(f"{_HEADINGS[d].lower()}: {harmless(str(frame[d].iloc[0]).replace('_', ' '), 60)}" for d in same)
        text += f" The same in all: {told}."
    return text


def _drivers(multiverse: Multiverse) -> str:
    rows: list[dict[Any, Any]] = multiverse.drivers.to_dict("records")[:3]
    if not rows:
        return ""
    told = ", ".join(f"{_HEADINGS[r['choice']].lower()} {number(100 * r['share'], 0)} %" for r in rows)
    return f"Shares of the variance: {told}."
