"""L'Abbé's plot: the event rate of the treated against that of the controls, with the line of the pooled effect."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from metanet.base.arrays import Array
from metanet.base.display import in_sentence, level_text, per_cent, plural
from metanet.base.errors import ArgumentError, check_choice
from metanet.figures.forest.captions import reasons
from metanet.figures.page import style
from metanet.figures.page.axis import Axis, number_axis
from metanet.figures.page.label_places import Wanted, boxes_along, boxes_of, in_points, label_points, not_named
from metanet.figures.page.page import MARGIN, TICK_SIZE, beside, framed, page
from metanet.figures.page.save import describe
from metanet.figures.page.subject import Subject, alternative_of, subject_of_fit
from metanet.figures.page.text import harmless, width_of
from metanet.figures.registry import chart
from metanet.models.results.pooled import Pooled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


_WIDTH, _HEIGHT = 400.0, 380.0
_LEAST = (170.0, 150.0)
#: Diameters of the largest and the smallest circle, in text sizes.
_LARGEST, _SMALLEST = 2.6, 0.5
#: From so many studies on the largest circle shrinks, so that all of them together keep their area.
_MANY = 15
#: Up to so many studies all are named, beyond only those that stand off, and at most so many.
_ALL, _MOST = 12, 20
LABELS = ("all", "far", "none")
BAND = "#FBE3D3"
_NAMES = {"OR": "odds ratio", "PETO": "Peto odds ratio", "RR": "risk ratio", "RD": "risk difference", "AS": "arcsine difference"}
#: Points of the curve.
_STEPS = 801


@chart("labbe", title="L'Abbé plot", takes=Pooled, makers="pool")
def labbe(fit: Pooled, *, ax: Axes | None = None, title: str | None = None, labels: str | None = None) -> Axes:
    """Draw the event rates of two groups against each other.

    Parameters
    ----------
    fit
        A pooled comparison of two groups by events and totals (measures OR, PETO, RR, RD, AS; any model).
    ax
        Axes to draw into; None makes a figure.
    title
        A heading.
    labels
        "all" labels every study, "far" those whose interval excludes the pooled effect (without one: no effect), "none"
        none; each where space permits. None is "all" up to 12 studies and "far" beyond.

    Returns
    -------
    Axes
        A circle for each study at its two observed rates, per cent; area by weight, or by patients without weights. A
        dashed line of equal rates; a curve of the pairs of rates with the pooled effect, with its interval as a band.

    Raises
    ------
    ArgumentError
        A result of one group, of person-time or of effects without counts.

    References
    ----------
    L'Abbe, Detsky, O'Rourke (1987), doi:10.7326/0003-4819-107-2-224.

    Examples
    --------
    >>> trials = rates[["study", "events", "total"]].assign(events_control=rates["events"] // 2, total_control=rates["total"])
    >>> ax = mn.pool(trials, measure="OR").labbe()
    """
    studies = fit.studies
    _check(fit, studies)
    wanted = ("all" if fit.k <= _ALL else "far") if labels is None else check_choice("labels", labels, LABELS)
    x, y = (
        100.0 * studies[f"events{group}"].to_numpy(dtype=float) / studies[f"total{group}"].to_numpy(dtype=float)
        for group in ("_control", "")
    )
    weight, by = _weights(fit, studies)
    effect = fit.estimate if fit.status == "pooled" else None
    chosen = _chosen(fit, studies, effect, wanted)
    notes = [_legend(fit, effect, by, wanted), *reasons(fit), harmless(fit.sentence(), 1500), harmless(fit.method.sentence(), 2000)]
    subject = subject_of_fit(fit)
    names_of_axes = _axes(subject)
    with page(ax, width=_WIDTH, height=_HEIGHT, least=_LEAST, title=title, notes=notes) as sheet:
        s = sheet.size
        largest = _LARGEST * min(1.0, (_MANY / len(x)) ** 0.5)
        radius = 0.5 * s * np.maximum(largest * np.sqrt(weight / weight.max()), _SMALLEST)
        across = up = side = 0.8 * min(sheet.width, sheet.height)
        # The room that `framed` leaves hangs on the tick labels, and they hang on the room: twice settles it.
        for _ in range(2):
            axis = _axis(x, y, radius + 0.15 * s, side, s)
            ends = max(MARGIN * s, width_of(axis.labels[-1], TICK_SIZE * s) / 2 + 0.4 * s)
            left, bottom = beside(sheet, axis, axis, names_of_axes, ends, max(0.5 * s, sheet.height - side - 4 * s))
            across = sheet.width - left - ends
            up = sheet.height - bottom
            side = max(1.0, min(across, up - 0.5 * s))
        axes = framed(sheet, axis, axis, names_of_axes, right=max(0.0, across - side), top=max(0.0, up - side))
        obstacles = _lines(axes, fit, effect, axis)
        order = np.argsort(-radius, kind="stable")
        dots = axes.scatter(
            x[order], y[order], s=(2 * radius[order]) ** 2, facecolors=style.SQUARE, edgecolors="white", alpha=0.75, label="_studies"
        )  # fmt: skip
        dots.set(linewidths=0.7, clip_on=False, zorder=3)
        names = [harmless(name) for name in studies["study"]]
        # A name must meet no circle and no line.
        marks = boxes_of(in_points(axes, x, y), 0.9 * radius)
        wanted_names = _joined(in_points(axes, x, y), chosen, names, radius)
        points = [Wanted(text, x[i], y[i], float(radius[i])) for i, text in wanted_names.items()]
        lost = label_points(axes, points, s, np.empty((0, 4)), marks, obstacles)
    text = f"L'Abbé plot of {plural(len(x), 'study', 'studies')}. {_told(names, x, y)} {harmless(fit.sentence(), 1500)}"
    if effect is not None:
        text += f" {_pairs(fit, effect)}"
    where = f"{int((y > x).sum())} above the line of equal rates, {int((y < x).sum())} below it"
    alt = alternative_of("L'Abbé plot", subject, fit, where)
    axis_text = f"{names_of_axes[1]} against {in_sentence(names_of_axes[0])}"
    describe(axes, harmless(title, 300) if title else "L'Abbé plot", f"{text} {not_named(lost)}".rstrip(), alt, axis=axis_text)
    return axes


def _joined(points: Array, chosen: list[int], names: list[str], radius: Array) -> dict[int, str]:
    """Names of the chosen studies; those at one place, such as without events in both groups, have one name."""
    out: dict[int, list[int]] = {}
    for i in chosen:
        at = next((j for j in out if np.abs(points[i] - points[j]).max() < 1.0), None)
        if at is None:
            out[i] = [i]
        else:
            out[at].append(i)
    told = {}
    for members in out.values():
        largest = max(members, key=lambda i: radius[i])
        first = names[members[0]]
        more = len(members) - 1
        told[largest] = (
            first if not more else f"{first[:60]} and {names[members[1]][:60]}" if more == 1 else f"{first[:60]} and {more} more"
        )
    return told


def _axes(subject: Subject) -> tuple[str, str]:
    """The names of the two axes: the same outcome in both groups."""
    outcome, unit = subject.outcome or "Events", f"% of {subject.units}"
    better = f" ({subject.direction})" if subject.direction else ""
    groups = (f"in the control group{f' ({subject.control})' if subject.control else ''}", f"after {subject.treatment}")
    return f"{outcome} {groups[0]}, {unit}", f"{outcome} {groups[1] if subject.treatment else 'in the treated group'}, {unit}{better}"


def _check(fit: Pooled, studies: pd.DataFrame) -> None:
    if "person_time_control" in studies.columns:
        raise ArgumentError(
            "labbe draws shares of patients with an event; this result compares rates per person-time. Fix: .forest() draws them."
        )
    if "total_control" not in studies.columns:
        what = "one group" if "events" in studies.columns else "effects without counts"
        raise ArgumentError(
            f"labbe draws the event rates of two groups, and this is a result of {what}. Fix: give events_control and total_control "
            "to pool, or use .forest()."
        )


def _weights(fit: Pooled, studies: pd.DataFrame) -> tuple[Array, str]:
    """What the areas show, and what it is; studies without weight are drawn at the least size."""
    weight = fit.weights
    if weight.size == fit.k and np.isfinite(weight).all() and weight.max() > 0:
        return weight, "weight"
    return (studies["total"] + studies["total_control"]).to_numpy(dtype=float), "number of patients"


def _chosen(fit: Pooled, studies: pd.DataFrame, effect: float | None, wanted: str) -> list[int]:
    """The studies to name, those that stand off the most first."""
    if wanted == "none":
        return []
    ratio = fit.response == "ratio"
    centre = effect if effect is not None and math.isfinite(effect) else (1.0 if ratio else 0.0)
    value, lower, upper = (studies[name].to_numpy(dtype=float) for name in ("effect", "ci_lower", "ci_upper"))
    with np.errstate(divide="ignore", invalid="ignore"):
        if ratio:
            value, lower, upper, centre = np.log(value), np.log(lower), np.log(upper), float(np.log(centre))
        distance = np.abs(value - centre) / (upper - lower)
    away = (centre < lower) | (centre > upper)
    distance = np.where(np.isfinite(distance), distance, -1.0)
    order = np.argsort(-np.where(away, distance + 1e6, distance), kind="stable")
    return [int(i) for i in order if wanted == "all" or away[i]][: None if wanted == "all" else _MOST]


def _axis(x: Array, y: Array, radius: Array, side: float, size: float) -> Axis:
    """One axis for both groups, per cent, so far beyond 0 and 100 that the circles of a study at an end stand inside."""
    low, high = min(x.min(), y.min()), max(x.max(), y.max())
    more = 0.06 * (high - low) or 5.0
    low, high = max(0.0, low - more), min(100.0, high + more)
    # An axis that begins near 0 begins at 0, and one that ends near 100 ends there.
    low, high = (0.0 if low < 0.5 * high else low), (100.0 if 100 - high < 0.5 * (100 - low) and high > 50 else high)
    axis = number_axis(low, high, room=0.9 * side, size=size, least=0.0, most=100.0)
    lower, upper = axis.lower, axis.upper
    for _ in range(4):
        each = radius * (upper - lower) / side
        lower = min(axis.lower, *(np.minimum(x, y) - each))
        upper = max(axis.upper, *(np.maximum(x, y) + each))
    return Axis(float(lower), float(upper), axis.ticks, axis.labels)


def treated_rate(measure: str, effect: float, control: Array) -> Array:
    """The rate of the treated that an effect makes of each rate of the controls (fractions); NaN where it would leave 0 to 1."""
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        if measure in ("OR", "PETO"):
            found = control * effect / (1.0 - control + control * effect)
            if math.isinf(effect):
                found = np.where(control > 0, 1.0, np.nan)
        elif measure == "RR":
            found = control * effect
        elif measure == "RD":
            found = control + effect
        else:
            angle = np.arcsin(np.sqrt(control)) + effect
            inside = (angle >= -1e-12) & (angle <= np.pi / 2 + 1e-12)
            found = np.where(inside, np.sin(np.clip(angle, 0.0, np.pi / 2)) ** 2, np.nan)
        return np.where((found >= -1e-12) & (found <= 1 + 1e-12), np.clip(found, 0.0, 1.0), np.nan)


def _edge(measure: str, effect: float, control: Array) -> Array:
    """`treated_rate` for the end of a band: beyond 0 and 1 it lies there."""
    with np.errstate(over="ignore", invalid="ignore"):
        if measure == "RR":
            return np.clip(np.where(control > 0, control * effect, 0.0), 0.0, 1.0)
        if measure == "RD":
            return np.clip(control + effect, 0.0, 1.0)
        if measure == "AS":
            return np.asarray(np.sin(np.clip(np.arcsin(np.sqrt(control)) + effect, 0.0, np.pi / 2)) ** 2)
    if math.isinf(effect):
        return np.where(control > 0, 1.0, 0.0)
    return np.asarray(special.expit(special.logit(control) + math.log(effect))) if effect > 0 else np.where(control < 1, 0.0, 1.0)


def _lines(axes: Axes, fit: Pooled, effect: float | None, axis: Axis) -> Array:
    """The line of equal rates, the curve and its band; what names must not meet comes back."""
    low, high = max(0.0, axis.lower), min(100.0, axis.upper)
    axes.plot((low, high), (low, high), color=style.SOFT, linewidth=0.9, dashes=(4, 3), zorder=2.2, label="_equal")
    ends = in_points(axes, [low, high], [low, high])
    taken = [boxes_along(ends[:1], ends[1:])]
    if effect is None:
        return taken[0]
    control = np.linspace(low, high, _STEPS) / 100.0
    if fit.ci_lower is not None and fit.ci_upper is not None:
        below, above = (100.0 * _edge(fit.measure, end, control) for end in (fit.ci_lower, fit.ci_upper))
        axes.fill_between(100.0 * control, below, above, color=BAND, linewidth=0, zorder=0.6, label="_band")
    rates = 100.0 * treated_rate(fit.measure, effect, control)
    shown = np.isfinite(rates) & (rates >= low - 1e-9) & (rates <= high + 1e-9)
    (line,) = axes.plot(100.0 * control[shown], rates[shown], color=style.DIAMOND, linewidth=1.6, zorder=2, label="_effect")
    line.set_solid_capstyle("butt")
    knots = in_points(axes, 100.0 * control[shown], rates[shown])[::8]
    if len(knots) > 1:
        taken.append(boxes_along(knots[:-1], knots[1:]))
    return np.concatenate(taken)


def _name(fit: Pooled) -> str:
    return _NAMES.get(fit.measure, "effect")


def _legend(fit: Pooled, effect: float | None, by: str, wanted: str) -> str:
    text = f"Circles: studies, area by {by}; dashed: equal rates in both groups"
    if effect is not None:
        text += f"; line: pairs of rates with the pooled {_name(fit)}"
        if fit.ci_lower is not None:
            text += f", with its {level_text(fit.level)} interval (band)"
    text += "."
    if effect is None:
        text += f" No line, because {'nothing was pooled' if fit.status == 'not pooled' else 'there is no pooled effect'}."
    if wanted == "far":
        against = "the pooled effect" if effect is not None else "equal rates"
        text += f" Labelled where space permits: studies whose interval excludes {against}."
    return text


def _told(names: list[str], x: Array, y: Array) -> str:
    parts = "; ".join(
        f"{name[:80]} {per_cent(b / 100)} % treated, {per_cent(a / 100)} % control"
        for name, a, b in list(zip(names, x, y, strict=True))[:40]
    )
    more = f"; and {len(names) - 40} more" if len(names) > 40 else ""
    above, below = int((y > x).sum()), int((y < x).sum())
    where = f"{above} above the line of equal rates, {below} below it, {len(x) - above - below} on it"
    return f"Event rates: {parts}{more}. Studies: {where}."


def _pairs(fit: Pooled, effect: float) -> str:
    """Two points of the curve in words."""
    found = [(c, float(treated_rate(fit.measure, effect, np.array([c]))[0])) for c in (0.2, 0.5)]
    told = [f"{per_cent(t)} % of the treated at {per_cent(c, 0)} % of the controls" for c, t in found if math.isfinite(t)]
    return f"The pooled {_name(fit)} means {' and '.join(told)}." if told else ""
