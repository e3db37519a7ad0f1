"""The drapery plot: p-value functions of the pooled estimate, of a new study and of each study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D

from metanet.base.arrays import Array
from metanet.base.display import number, plural
from metanet.base.untrusted import listing
from metanet.figures.page import style
from metanet.figures.page.axis import Axis, log_axis, number_axis
from metanet.figures.page.label_places import LETTER, in_points, panel_size
from metanet.figures.page.page import MARGIN, framed, page, saying, set_axis
from metanet.figures.page.save import describe
from metanet.figures.page.scale import scale_of
from metanet.figures.page.subject import alternative_of, subject_of_fit
from metanet.figures.page.text import Label, harmless, width_of, wrap
from metanet.figures.registry import chart
from metanet.models.results.pooled import Pooled

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_WIDTH, _HEIGHT = 420.0, 290.0
_LEAST = (180.0, 140.0)
#: p-values with a line; their levels stand on the right.
LINES = (0.10, 0.05, 0.01)
_POINTS = 801
#: The axis holds every value whose p-value is at least this on a curve of a study, and on the pooled and the predicted one.
_STUDY_END, _POOLED_END = 0.05, 0.002
_CURVE = "#C4C4C4"
#: So many studies have a colour and a name.
_NAMED = 5
#: Widest name, in letters.
_WIDEST = 17.0
#: From one row of names over the panel to the next, in letters.
_ROW = 1.45


@chart("drapery", title="Drapery plot", takes=Pooled, makers="pool")
def drapery(fit: Pooled, *, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw the p-value functions of a result.

    Parameters
    ----------
    fit
        The result of `pool`.
    ax
        Axes to draw into; None makes a figure.
    title
        A heading.

    Returns
    -------
    Axes
        One thin curve for each study, a strong one for the pooled estimate, a dashed one for a new study, and lines at 0.10,
        0.05 and 0.01, which cross a curve at the limits of the corresponding interval. The studies that matter most are blue and
        labelled: those whose curve is lowest at the pooled estimate, and those of most weight; the others are grey.

    Raises
    ------
    ArgumentError
        Not a result of `pool`.

    References
    ----------
    Ruecker, Schwarzer (2021), doi:10.1002/jrsm.1410.

    Examples
    --------
    >>> ax = fit.drapery()
    """
    from metanet.diagnostics.method.p_values import p_value_function

    frame = p_value_function(fit, _POINTS)
    scale = scale_of(fit.response, "cent", fit.estimate)
    pooled = fit.mu is not None and fit.se is not None and fit.se > 0
    predicted = pooled and "prediction" in frame.columns[:3] and fit.pi_lower is not None
    first = 1 + pooled + predicted
    x = scale.factor * frame["value"].to_numpy(dtype=float)
    curves = frame.iloc[:, first:].to_numpy(dtype=float)
    drawn = np.isfinite(curves).any(0)
    if not drawn.any():
        return saying(ax, "Drapery plot", title, "No study has an estimable effect, so there is no curve.")
    strong = frame.iloc[:, 1:first].to_numpy(dtype=float)
    seen = (np.nan_to_num(curves) >= _STUDY_END).any(1) | (np.nan_to_num(strong) >= _POOLED_END).any(1)
    low, high = float(x[seen].min()), float(x[seen].max())
    if scale.is_rate:
        # A spread of rates that nearly fills 0 to 100 % is shown as that.
        low, high = (0.0 if low < 0.15 * high else low), (100.0 if 100 - high < 0.15 * (100 - low) else high)
    notes = [_legend(pooled, predicted, scale.is_rate, fit.model == "bayes"), harmless(fit.method.sentence(), 2000)]
    logs, subject = fit.response == "ratio", subject_of_fit(fit)
    name = subject.axis(fit.response, fit.measure, log=logs)
    with page(ax, width=_WIDTH, height=_HEIGHT, least=_LEAST, title=title, notes=notes) as sheet:
        s = sheet.size
        room = 0.75 * sheet.width
        axis_x = log_axis(low, high, room=room, size=s) if logs else number_axis(low, high, room=room, size=s, exact=True)
        chosen = _notable(fit, x / scale.factor, curves, drawn)
        names = [str(fit.studies["study"].iloc[j]) for j in chosen]
        peaks = [_peak(x, curves[:, j], axis_x) for j in chosen]
        share = np.clip((np.array(peaks) - axis_x.lower) / (axis_x.upper - axis_x.lower), 0, 1) * 0.82 * sheet.width
        rows = [name.row for name in _rows(names, [float(v) for v in share], 0.82 * sheet.width, LETTER * s) if name.row is not None]
        over = 0.8 * s + (_ROW * LETTER * (1 + max(rows)) * s if rows else 0.0)
        places = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
        axis_y = Axis(0.0, 1.0, places, tuple(f"{p:.1f}" for p in places))
        texts = [f"{p:.2f}" for p in LINES]
        wide = max(width_of(t, 0.8 * s) for t in texts)
        axes = framed(
            sheet, axis_x, axis_y, (name, "p-value (two-sided)"), right=max(0.0, wide + 0.9 * s - MARGIN * s + 0.5 * s), top=over
        )
        if logs:
            axes.set_xscale("log")
            set_axis(axes, "x", axis_x, s)
        kept = (x >= axis_x.lower - 1e-12) & (x <= axis_x.upper + 1e-12)
        thin = {j: np.column_stack([x, curves[:, j]])[kept] for j in np.flatnonzero(drawn).tolist()}
        for label, wanted, colour, width in (
            ("_studies", [line for j, line in thin.items() if j not in chosen], _CURVE, 0.6),
            ("_labelled studies", [thin[j] for j in chosen], style.SQUARE, 1.0),
        ):
            if wanted:
                bundle = LineCollection(wanted, colors=colour, linewidths=width, zorder=1.5 if width < 1 else 1.8, label=label)
                axes.add_collection(bundle, autolim=False)
        if predicted:
            axes.plot(
                *_peaked(x[kept], strong[kept, 1], scale.factor * (fit.estimate or 0.0)),
                color=style.INK,
                linewidth=1.2,
                dashes=(4, 2.5),
                zorder=2.5,
                label="_prediction",
            )
        if pooled:
            axes.plot(
                *_peaked(x[kept], strong[kept, 0], scale.factor * (fit.estimate or 0.0)),
                color=style.DIAMOND,
                linewidth=2.2,
                zorder=3,
                label="_pooled",
            )
        for p, text in zip(LINES, texts, strict=True):
            axes.axhline(p, color=style.SOFT, linewidth=0.6, linestyle=(0, (4, 3)), zorder=1, label="_limit")
            width, height = panel_size(axes)
            # In a small panel the three would stand on one another; the customary one is named.
            if 0.04 * height < 0.95 * s and p != 0.05:
                continue
            axes.add_artist(
                Label(1 + 0.4 * s / width, p - 0.36 * 0.8 * s / height, text, size=0.8 * s, color=style.SOFT, transform=axes.transAxes)
            )
        tops = [float(top) for top in in_points(axes, peaks, [1.0] * len(chosen))[:, 0]] if chosen else []
        lost = _label(axes, _rows(names, tops, panel_size(axes)[0], LETTER * s), s)
    text = f"Drapery plot: p-value curves of {plural(int(drawn.sum()), 'study', 'studies')}. {fit.sentence()}"
    if pooled:
        low_end, high_end = (_end(x, strong[:, 0], side) for side in (0, -1))
        text += f" The pooled p-value is 0.05 or more from {low_end} to {high_end}{' %' if scale.is_rate else ''}."
    text += f" Labelled: {listing([harmless(name, 80) for name in names])}." if names and not lost else ""
    describe(axes, harmless(title, 300) if title else "Drapery plot", text, alternative_of("Drapery plot", subject, fit), axis=name)
    return axes


def _peak(x: Array, curve: Array, axis: Axis) -> float:
    """The middle of the highest part of a curve, as far as it lies on the axis."""
    top = x[np.nan_to_num(curve) >= np.nanmax(curve) - 1e-6]
    return float(np.clip((top[0] + top[-1]) / 2, axis.lower, axis.upper))


def _notable(fit: Pooled, x: Array, curves: Array, drawn: Array) -> list[int]:
    """The studies to be labelled: alternately the one least in line with the pooled estimate and the one of most weight."""
    known = np.flatnonzero(drawn)
    if known.size <= _NAMED:
        return [int(j) for j in known]
    lists = []
    if fit.estimate is not None:
        at = int(np.abs(x - fit.estimate).argmin())
        lists.append([int(j) for j in sorted(known, key=lambda j: np.nan_to_num(curves[at, j]))])
    weights = fit.weights
    if weights.size == drawn.size and np.isfinite(weights).all():
        lists.append([int(j) for j in sorted(known, key=lambda j: -weights[j])])
    chosen: list[int] = []
    for pair in zip(*lists, strict=True):
        for j in pair:
            if j not in chosen and len(chosen) < _NAMED:
                chosen.append(j)
    return chosen


@dataclass(frozen=True)
class _Name:
    """A name over the panel: its peak and its left edge in points, its text, and its row (None: it found no room)."""

    text: str
    peak: float
    left: float
    wide: float
    row: int | None


def _rows(names: Sequence[str], peaks: Sequence[float], width: float, letter: float) -> list[_Name]:
    """Rows over a panel of this width: no name meets another, nor the line from another one down to its peak."""
    placed: list[_Name] = []
    for i in sorted(range(len(names)), key=lambda i: -peaks[i]):
        text = wrap(harmless(names[i]), min(_WIDEST * letter, 0.6 * width), letter, lines=1)
        wide, peak = width_of(text, letter) * 1.02, peaks[i]
        starts = [x for x in (peak - 0.3 * letter, peak + 0.3 * letter - wide) if x >= -2 * letter and x + wide <= width]
        later = [peaks[j] for j in range(len(names)) if peaks[j] < peak]
        # Rather a row higher than over the peak of a name that is still to come.
        free = [
            (sum(x - 0.6 * letter < other < x + wide + 0.6 * letter for other in later), row, x)
            for row in range(_NAMED)
            for x in starts
            if all(_clear(other, peak, x, x + wide, row, 0.6 * letter) for other in placed)
        ]
        _, row, left = min(free, default=(0, None, 0.0), key=lambda one: one[:2])
        found = _Name(text, peak, left, wide, row)
        placed.append(found)
    return placed


def _clear(other: _Name, peak: float, left: float, right: float, row: int, pad: float) -> bool:
    """Whether a name in a row leaves another one, and the lines of both, alone."""
    if other.row is None:
        return True
    over = other.left - pad < right and left < other.left + other.wide + pad
    if row == other.row:
        return not over
    if row < other.row:
        return not left - pad < other.peak < right + pad
    return not other.left - pad < peak < other.left + other.wide + pad


def _label(axes: Axes, names: Sequence[_Name], s: float) -> list[str]:
    """Names in rows over the panel, each with a line to its peak; the names without a place come back."""
    width, height = panel_size(axes)
    letter = LETTER * s
    for name in names:
        if name.row is None:
            continue
        y = height + (0.5 + _ROW * name.row) * letter
        axes.add_artist(Label(name.left / width, (y + 0.1 * letter) / height, name.text, size=letter, raw=True, color=style.SQUARE,
                              transform=axes.transAxes, zorder=4, label="_name"))  # fmt: skip
        line = Line2D([name.peak / width] * 2, [1.0, y / height], color=style.SQUARE, linewidth=0.5, transform=axes.transAxes)
        line.set(clip_on=False, label="_leader", zorder=1.5)
        axes.add_line(line)
        line.set_transform(axes.transAxes)
    return [name.text for name in names if name.row is None]


def _peaked(x: Array, curve: Array, estimate: float) -> tuple[Array, Array]:
    """The curve with its highest point, 1 at the estimate, which a grid may miss."""
    place = int(np.searchsorted(x, estimate))
    return np.insert(x, place, estimate), np.insert(curve, place, 1.0)


def _end(x: Array, curve: Array, side: int) -> str:
    """The outermost value of the grid with a p-value of 0.05 or more."""
    inside = x[curve >= 0.05]
    return number(float(inside[side]) if inside.size else None, 1 if abs(float(x[-1])) > 10 else 2)


def _legend(pooled: bool, predicted: bool, rate: bool, posterior: bool) -> str:
    parts = [f"Thin curves: studies{' (exact)' if rate else ''}; labelled: those least in line with the estimate, and of most weight"]
    if pooled:
        parts.append("strong curve: pooled estimate" + (" (twice the smaller tail of its posterior)" if posterior else ""))
    if predicted:
        parts.append("dashed curve: a new setting")
    text = "; ".join(parts) + "."
    return f"{text} A horizontal line crosses a curve at the limits of the interval with one minus that p-value as its level."
