"""Benefit against risk: one cross for each group, with the intervals of both outcomes."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon
from matplotlib.transforms import Transform
from numpy.typing import NDArray

from metanet.base.arrays import Array
from metanet.base.display import RATE, TOO_WIDE, plural, sentence_case
from metanet.base.errors import ArgumentError, MetanetWarning, as_given, check_choice
from metanet.base.untrusted import listing
from metanet.figures.page import style
from metanet.figures.page.label_places import LETTER, Wanted, boxes_along, boxes_of, in_points, label_points, panel_size
from metanet.figures.page.page import framed, page, saying
from metanet.figures.page.save import describe
from metanet.figures.page.subject import Subject, alternative
from metanet.figures.page.text import Label, harmless, width_of, wrap
from metanet.figures.plots.paired_forests import paired_forests, rates_axis
from metanet.figures.registry import chart

if TYPE_CHECKING:
    import pandas as pd


_WIDTH, _HEIGHT = 420.0, 360.0
_LEAST = (190.0, 160.0)
_NEEDED = ("group", "benefit", "benefit_lower", "benefit_upper", "risk", "risk_lower", "risk_upper")
#: Okabe and Ito's colours that hold on white, and marks that tell them apart in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#111111", "#E69F00", "#56B4E9")
MARKS = ("o", "s", "D", "^", "v", "P", "X")
_RADIUS = 3.2
#: Width of the key in text sizes, at the most.
_KEY = 20.0


@chart("benefit_risk", title="Benefit against harm")
def benefit_risk_plane(
    frame: pd.DataFrame, *, benefit: str, risk: str, view: str = "plane", ax: Axes | None = None, title: str | None = None
) -> Axes:
    """Draw the rates of a benefit and of a harm by group.

    Parameters
    ----------
    frame
        One row for each group: ``group``, ``benefit``, ``benefit_lower``, ``benefit_upper``, ``risk``, ``risk_lower`` and
        ``risk_upper``. Rates are fractions.
    benefit, risk
        Titles of the two outcomes: the labels of the axes.
    view
        "plane": a point for each group, the benefit across and the risk upwards. "forests": a row for each group, its benefit on
        the left and its risk on the right, the most benefit first.
    ax
        Axes to draw into; None makes a figure.
    title
        A heading.

    Returns
    -------
    Axes
        The benefit on the horizontal and the risk on the vertical axis; the better corner, lower right, is marked. An interval that
        is too wide to say anything is pale and does not stretch its axis.

    Raises
    ------
    ArgumentError
        A frame without a required column or without rows, or a value that is not a fraction.

    Examples
    --------
    >>> ax = mn.benefit_risk(mn.load_evidence()).plot()
    """
    check_choice("view", view, ("plane", "forests"))
    values = _checked(frame)
    for word, name in ((benefit, "benefit"), (risk, "risk")):
        if not isinstance(word, str) or not word.strip():
            raise ArgumentError(f"{name}={as_given(word)} must be the title of the outcome.")
    names = [harmless(group) for group in frame["group"]]
    there = np.asarray(np.isfinite(values[:, [0, 3]]).all(1))
    absent = [name for name, known in zip(names, there, strict=True) if not known]
    lacking = f"Not drawn, because a rate is missing: {listing(absent, 12)}." if absent else ""
    if not there.any():
        return saying(ax, "Benefit and risk", title, lacking)
    shown = tuple(name for name, known in zip(names, there, strict=True) if known)
    notes = (_legend([name for name, row in zip(shown, values[there], strict=True) if _is_vague(row)]), lacking)
    if view == "forests":
        axes = paired_forests(shown, 100 * values[there], tuple(_forest_name(*each) for each in ((benefit, 0), (risk, 1))), notes,
                              _vague(values[there]), ax, title)  # fmt: skip
    else:
        drawing = _Plane(shown, 100 * values[there], (_axis_name(benefit, 0), _axis_name(risk, 1)), notes)
        # A first drawing on a sheet that is thrown away tells whether every name has a place beside its mark.
        _, lost = drawing.draw(_trial(ax), title, key=False)
        axes, _ = drawing.draw(ax, title, key=bool(lost))
    told = "; ".join(
        f"{name[:80]} {_interval(row[:3])} and {_interval(row[3:])}{f', {TOO_WIDE}' if _is_vague(row) else ''}"
        for name, row in list(zip(shown, values[there], strict=True))[:20]
    )
    text = f"{harmless(benefit, 100)} against {harmless(risk, 100)} of {plural(len(shown), 'group')}: {told}. {lacking}"
    each = [
        f"{name[:40]} {_interval(row[:3])} and {_interval(row[3:])}{f', {TOO_WIDE}' if _is_vague(row) else ''}"
        for name, row in zip(shown, values[there], strict=True)
    ]
    kind = f"{harmless(benefit, 60)} against {harmless(risk, 60)}, % of patients,"
    alt = alternative(kind, Subject(), len(shown), *each, of=("group", "groups"))
    describe(axes, harmless(title, 300) if title else "Benefit and risk", text.strip(), alt)
    return axes


def _vague(values: Array) -> NDArray[np.bool_]:
    """Which intervals ``[g, 2]`` (benefit, risk) are so wide that they say nothing."""
    return np.array([[RATE.is_vague(float(row[i]), float(row[i + 1])) for i in (1, 4)] for row in values], dtype=bool).reshape(-1, 2)


def _is_vague(row: Array) -> bool:
    """Whether one of the two intervals of a group is so wide that it says nothing."""
    return bool(_vague(row[None]).any())


def _legend(vague: list[str]) -> str:
    text = (
        "Marks: population-averaged rates of each group (of a single study its own rate); lines: their intervals. The groups are arms "
        "of different studies: differences between them are not effects of treatment."
    )
    if vague:
        text += f" Pale ({listing(vague, 12)}): an interval {RATE.vague_rule()}, {TOO_WIDE}."
    return text


def _axis_name(outcome: str, which: int) -> str:
    """The title of an axis of the plane, with the better end; the one on the left is read upwards, so that its left is down."""
    return f"{sentence_case(harmless(outcome, 100))}, % of patients ({('more is better →', '← less is better')[which]})"


def _forest_name(outcome: str, which: int) -> str:
    return f"{sentence_case(harmless(outcome, 100))}, % of patients ({('more', 'less')[which]} is better)"


def _interval(row: Array) -> str:
    digits = RATE.digits(float(row[0]), float(row[1]), float(row[2]))
    limits = f" ({RATE.limits(row[1], row[2], digits)})" if np.isfinite(row[1:]).all() else ""
    return f"{RATE.value(row[0], digits)}{limits}"


def _trial(ax: Axes | None) -> Axes:
    """Axes of the final size on a figure that is not shown."""
    if ax is None:
        figure = Figure(figsize=(_WIDTH / 72, (_HEIGHT + 60) / 72))
        return figure.add_axes((0.0, 0.0, 1.0, 1.0))
    if not isinstance(ax, Axes):
        raise ArgumentError(f"ax must be Matplotlib axes, not {type(ax).__name__}.")
    root = ax.get_figure(root=True)
    parent = ax.get_figure(root=False)
    assert root is not None
    assert parent is not None
    place = ax.get_position()
    size = (place.width * parent.bbox.width / root.dpi, place.height * parent.bbox.height / root.dpi)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MetanetWarning)
        return Figure(figsize=size, dpi=root.dpi).add_axes((0.0, 0.0, 1.0, 1.0))


@dataclass(frozen=True)
class _Plane:
    """What is drawn: names, per cent ``[g, 6]`` (benefit and its ends, risk and its ends), names of the axes, small print."""

    names: tuple[str, ...]
    shown: Array
    axes: tuple[str, str]
    notes: tuple[str, ...]

    def draw(self, ax: Axes | None, title: str | None, *, key: bool) -> tuple[Axes, list[str]]:
        """Draw; names stand beside their marks, or with `key` in a list on the right. Names without a place come back."""
        letter = LETTER * style.TEXT_SIZE
        wide = max(width_of(wrap(n, _KEY * style.TEXT_SIZE, letter, lines=1), letter) for n in self.names) * 1.03
        extra = wide + 2.6 * style.TEXT_SIZE if key else 0.0
        height = max(_HEIGHT, (len(self.names) * 1.5 + 6) * style.TEXT_SIZE) if key else _HEIGHT
        least = (_LEAST[0] + extra, max(_LEAST[1], (len(self.names) * 1.5 + 6) * style.TEXT_SIZE) if key else _LEAST[1])
        with page(ax, width=_WIDTH + extra, height=height, least=least, title=title, notes=self.notes) as sheet:
            s = sheet.size
            extra *= s / style.TEXT_SIZE
            pale = _vague(self.shown / 100)
            axis_x = rates_axis(self.shown[:, :3], pale[:, 0], 0.8 * (sheet.width - extra), s)
            axis_y = rates_axis(self.shown[:, 3:], pale[:, 1], 0.7 * sheet.height, s)
            axes = framed(sheet, axis_x, axis_y, self.axes, right=extra, top=0.9 * s)
            radius = _RADIUS * s / style.TEXT_SIZE
            taken = [self._cross(axes, i, radius, pale[i]) for i in range(len(self.names))]
            taken.append(_corner(axes, s, np.concatenate(taken)))
            if key:
                self._key(axes, s, radius)
                return axes, []
            wanted = [Wanted(n, row[0], row[3], radius) for n, row in zip(self.names, self.shown, strict=True)]
            marks = boxes_of(in_points(axes, self.shown[:, 0], self.shown[:, 3]), radius)
            # Lines end at their own marks: a name may be joined to its mark across the lines of others.
            return axes, label_points(axes, wanted, s, taken[-1], marks, np.concatenate(taken[:-1]))

    def _cross(self, axes: Axes, i: int, radius: float, pale: NDArray[np.bool_]) -> Array:
        """One group; the boxes that it takes come back."""
        b, b_low, b_high, r, r_low, r_high = self.shown[i]
        taken = []
        lines = (((b_low, b_high), (r, r), "_benefit", pale[0]), ((b, b), (r_low, r_high), "_risk", pale[1]))
        for xs, ys, word, faded in lines:
            colour = style.FAINT if faded else self._look(i)[0]
            (line,) = axes.plot(xs, ys, color=colour, linewidth=0.7 if faded else 1.1, solid_capstyle="butt", label=word)
            # A pale line goes on beyond the panel.
            line.set(clip_on=bool(faded), zorder=1.5 if faded else 2)
            ends = in_points(axes, xs, ys)
            if faded:
                ends = np.clip(ends, 0.0, panel_size(axes))
            taken.append(boxes_along(ends[:1], ends[1:]))
        _mark(axes, self._look(i), b, r, radius, axes.transData, "_group")
        taken.append(boxes_of(in_points(axes, [b], [r]), radius))
        return np.concatenate(taken)

    def _look(self, i: int) -> tuple[str, str]:
        """Colour and mark of a group; grey where an interval says nothing."""
        colour, mark = _look(i)
        return style.VAGUE if _is_vague(self.shown[i] / 100) else colour, mark

    def _key(self, axes: Axes, s: float, radius: float) -> None:
        """Marks and names on the right, from the top, in the order of the frame."""
        width, height = panel_size(axes)
        letter = LETTER * s
        for i, name in enumerate(self.names):
            y = height - (i + 0.5) * 1.5 * s
            _mark(axes, self._look(i), 1 + 1.2 * s / width, y / height, radius, axes.transAxes, "_key")
            axes.add_artist(
                Label(1 + 2.1 * s / width, (y - 0.36 * letter) / height, wrap(name, _KEY * s, letter, lines=1), size=letter,
                      color=style.INK, transform=axes.transAxes, zorder=4, label="_name")
            )  # fmt: skip


def _look(i: int) -> tuple[str, str]:
    """Colour and mark of a group; no two of forty-nine are alike."""
    return COLOURS[i % len(COLOURS)], MARKS[(i + i // len(COLOURS)) % len(MARKS)]


def _mark(axes: Axes, look: tuple[str, str], x: float, y: float, radius: float, transform: Transform, word: str) -> None:
    colour, mark = look
    dot = Line2D([x], [y], marker=mark, markersize=2 * radius, color=colour, label=word, linestyle="none", transform=transform)
    dot.set(clip_on=False, zorder=3, markeredgecolor="white", markeredgewidth=0.6)
    axes.add_line(dot)
    dot.set_transform(transform)


def _checked(frame: pd.DataFrame) -> Array:
    """The six numbers of each group ``[g, 6]``, NaN where there is none."""
    missing = [name for name in _NEEDED if name not in frame.columns]
    if missing:
        raise ArgumentError(f"frame has no column {missing[0]!r}; it needs {', '.join(_NEEDED)}.")
    if not len(frame):
        raise ArgumentError("frame has no rows. Fix: give at least one row.")
    out = np.full((len(frame), 6), np.nan)
    for j, name in enumerate(_NEEDED[1:]):
        for i, value in enumerate(frame[name]):
            if value is None or type(value).__name__ == "NAType":
                continue
            try:
                out[i, j] = float(value)
            except (TypeError, ValueError):
                raise ArgumentError(f"frame contains {as_given(value)} in {name!r}, where a number belongs.") from None
    wrong = np.argwhere((out < 0) | (out > 1))
    if wrong.size:
        i, j = wrong[0]
        raise ArgumentError(
            f"frame contains {out[i, j]:g} in {_NEEDED[1 + j]!r}: rates must be fractions within 0 and 1. Fix: divide per cent by 100."
        )
    return out


def _corner(axes: Axes, size: float, taken: Array) -> Array:
    """The better corner, in grey, with the word in it where no cross lies there; the box of the word comes back."""
    width, height = panel_size(axes)
    side = 2.2 * size
    corner = Polygon(
        [(1 - side / width, 0), (1, 0), (1, side / height)], facecolor="#DDDDDD", edgecolor="none", transform=axes.transAxes,
        zorder=0.2, label="_better corner",
    )  # fmt: skip
    axes.add_patch(corner)
    text, letter = "better ↘", LETTER * size
    wide = width_of(text, letter) * 1.05
    right, bottom = width - 1.3 * size, 0.7 * size
    box = np.array([[right - wide, bottom - 0.3 * size, right, bottom + 1.1 * letter]])
    met = (taken[:, 0] < box[0, 2]) & (taken[:, 2] > box[0, 0]) & (taken[:, 1] < box[0, 3]) & (taken[:, 3] > box[0, 1])
    if met.any():
        return np.empty((0, 4))
    axes.add_artist(
        Label(right / width, bottom / height, text, size=letter, color=style.SOFT, horizontalalignment="right",
              transform=axes.transAxes, zorder=4, label="_better")
    )  # fmt: skip
    return box
