"""The funnel plot: rates against the size of the study, effects against their standard error."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.patches import Rectangle
from scipy import special

from metanet.base.arrays import Array
from metanet.base.display import level_text, plural
from metanet.base.errors import ArgumentError, as_given
from metanet.base.untrusted import listing
from metanet.figures.page import style
from metanet.figures.page.axis import Axis, apart, log_axis, number_axis, response_ticks
from metanet.figures.page.label_places import LETTER, Wanted, boxes_along, boxes_of, in_points, label_points, not_named, panel_size
from metanet.figures.page.page import Page, framed, page, saying, set_axis
from metanet.figures.page.save import describe
from metanet.figures.page.scale import scale_of, value_column
from metanet.figures.page.subject import alternative_of, subject_of_fit
from metanet.figures.page.text import BASELINE, Label, harmless, width_of
from metanet.figures.registry import chart
from metanet.kernels.numerics.distributions import two_sided_z
from metanet.models.results.pooled import Pooled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from metanet.diagnostics.bias.trim_and_fill import TrimAndFill
    from metanet.diagnostics.study_effects import Twin


def chance_limits(size: Array, rate: float, p: float, *, timed: bool = False) -> tuple[Array, Array]:
    """Limits of the rate of a study of `size` ``[m]`` patients (or units of time) whose true rate is `rate`, two-sided at `p`.

    Interpolated quantiles of the count: with ``r`` the smallest count whose distribution function F reaches the tail probability q,
    the limit is ``(r - (F(r) - q) / (F(r) - F(r - 1))) / size``, so that the limit does not jump from count to count.
    Poisson instead of binomial where `timed`.

    References
    ----------
    Spiegelhalter (2005), doi:10.1002/sim.1970.
    """
    size = np.asarray(size, dtype=float)
    if rate <= 0 or (rate >= 1 and not timed):
        edge = np.full(size.shape, float(np.clip(rate, 0.0, np.inf)))
        return edge, edge
    lower, upper = (_quantile(size, rate, q, timed) / size for q in (p / 2, 1 - p / 2))
    most = np.inf if timed else 1.0
    return np.clip(lower, 0.0, most), np.clip(upper, 0.0, most)


def _quantile(size: Array, rate: float, q: float, timed: bool) -> Array:
    mean = size * rate

    def below(count: Array) -> Array:
        """The distribution function, 0 under 0."""
        known = np.maximum(count, 0.0)
        if timed:
            value = special.gammaincc(known + 1.0, mean)
        else:
            inside = np.minimum(known, size - 1.0)
            value = np.where(known >= size, 1.0, special.betaincc(inside + 1.0, size - inside, rate))
        return np.where(count < 0, 0.0, value)

    # A bracket, then halves of whole numbers: at most some twenty rounds.
    low = np.full(size.shape, -1.0)
    high = np.ceil(mean + 12.0 * np.sqrt(mean) + 30.0) if timed else np.floor(size)
    while (wide := high - low > 1).any():
        middle = np.floor((low + high) / 2)
        enough = below(middle) >= q
        high, low = np.where(wide & enough, middle, high), np.where(wide & ~enough, middle, low)
    at, before = below(high), below(high - 1.0)
    return np.asarray(high - (at - q) / (at - before))


_WIDTH, _HEIGHT = 420.0, 320.0
_LEAST = (180.0, 140.0)
_RADIUS = 2.8
_MOST_NAMES = 20
#: Two-sided p-values of the lines around a pooled rate, and of the borders of the shades around no effect.
RATE_LIMITS, EFFECT_CONTOURS = (0.05, 0.002), (0.10, 0.05, 0.01)
#: From the border outwards, light to dark, so that they part in grey as well.
_SHADES = ("#EFEFEF", "#DCDCDC", "#C4C4C4", "#ACACAC")
_DASHES: tuple[tuple[float, ...], ...] = ((4, 3), (1.2, 1.8), (6, 2, 1, 2))


@chart("funnel", title="Funnel plot", takes=Pooled, makers="pool")
def funnel(
    fit: Pooled,
    *,
    ax: Axes | None = None,
    title: str | None = None,
    contours: Sequence[float] | None = None,
    filled: TrimAndFill | None = None,
) -> Axes:
    """Draw the funnel plot of a result.

    Parameters
    ----------
    fit
        The result of `pool`. Rates are drawn against study size, because the standard error of a rate depends on the rate;
        effects are drawn against their standard errors.
    ax
        Axes to draw into; None makes a figure.
    title
        A heading.
    contours
        Two-sided p-values. Rates: exact limits of sampling variation, by default at 0.05 and 0.002. Effects:
        borders of the shades around no effect, by default at 0.10, 0.05 and 0.01.
    filled
        The result of `trim_and_fill` of this `fit`: its imputed studies are hollow. Rates are then drawn by their effects and
        standard errors, because an imputed study has no size.

    Returns
    -------
    Axes
        A point for each study, the pooled estimate as a line.

    Raises
    ------
    ArgumentError
        Not a result, p-values outside of 0 to 1, or a `filled` of another fit.

    References
    ----------
    Hunter, Saratzis, Sutton, Boucher, Sayers, Bown (2014), doi:10.1016/j.jclinepi.2014.03.003 (sizes
    for rates); Spiegelhalter (2005), doi:10.1002/sim.1970 (exact limits); Peters, Sutton, Jones, Abrams, Rushton (2008),
    doi:10.1016/j.jclinepi.2007.11.010 (contours).

    Examples
    --------
    >>> ax = fit.funnel()
    """
    if filled is not None and filled.fit is not fit and filled.fit.to_dict() != fit.to_dict():
        raise ArgumentError("filled is of another result. Fix: filled=trim_and_fill(fit).")
    if fit.response.startswith("rate") and filled is None:
        return _rates(fit, ax, title, _checked(contours, RATE_LIMITS))
    return _effects(fit, ax, title, _checked(contours, EFFECT_CONTOURS), filled)


def _checked(contours: Any, default: tuple[float, ...]) -> tuple[float, ...]:
    """The p-values, the largest first."""
    if contours is None:
        return default
    try:
        values = tuple(sorted({float(v) for v in contours}, reverse=True))
    except (TypeError, ValueError):
        raise ArgumentError(f"contours={as_given(contours)} must be a list of p-values, such as (0.05, 0.01).") from None
    if not all(0 < v < 1 for v in values) or len(values) > 4:
        raise ArgumentError(f"contours={as_given(contours)} must be at most four p-values between 0 and 1.")
    return values


def _rates(fit: Pooled, ax: Axes | None, title: str | None, limits: tuple[float, ...]) -> Axes:
    frame, scale = fit.studies, scale_of(fit.response, "cent", fit.estimate)
    timed = fit.response == "rate per person-time"
    names = [harmless(name) for name in frame["study"]]
    rate = frame[value_column(frame.columns)].to_numpy(dtype=float)
    size = frame["person_time" if timed else "total"].to_numpy(dtype=float)
    x = scale.factor * rate
    there = np.isfinite(x) & (size > 0)
    if not there.any():
        return saying(ax, "Funnel plot", title, "No study has a rate and a size, so nothing can be drawn.")
    pooled = fit.estimate if fit.status != "not pooled" else None
    outside = np.zeros(x.shape, dtype=bool)
    if pooled is not None and limits:
        ends = chance_limits(size, pooled, limits[-1], timed=timed)
        outside = there & ((rate < ends[0] - 1e-12) | (rate > ends[1] + 1e-12))
    subject = subject_of_fit(fit)
    name = subject.axis(fit.response)
    notes = [_rate_legend(fit, limits if pooled is not None else (), timed), harmless(fit.method.sentence(), 2000)]
    with page(ax, width=_WIDTH, height=_HEIGHT, least=_LEAST, title=title, notes=notes) as sheet:
        low, high = float(size[there].min()), float(size[there].max())
        axis_y = log_axis(low / 1.25, high * 1.25, room=0.75 * sheet.height, size=sheet.size)
        grid = np.geomspace(axis_y.lower, axis_y.upper, 240)
        grid = grid if timed else np.unique(np.maximum(1.0, np.round(grid)))
        curves = [] if pooled is None else [[scale.factor * v for v in chance_limits(grid, pooled, p, timed=timed)] for p in limits]
        # The limits of small studies reach far; the axis holds them only as far as rates can lie.
        reach = [float(x[there].max()), *(float(c[1].max()) for c in curves)]
        # Without events nothing else has a width.
        reach += [scale.factor * fit.ci_upper] if pooled == 0 and fit.ci_upper is not None else []
        near = [float(x[there].min()), *(float(c[0].min()) for c in curves)]
        near += [scale.factor * fit.ci_lower] if pooled == 1 and fit.ci_lower is not None else []
        most = 100.0 if scale.is_rate else np.inf
        axis_x = number_axis(min(near), min(most, max(reach)), room=0.78 * sheet.width, size=sheet.size, least=0.0, most=most)
        unit = "Person-time (log scale)" if timed else f"Study size, {subject.units} (log scale)"
        axes = framed(sheet, axis_x, Axis(0, 1, (), axis_y.labels), (name, unit))
        axes.set_yscale("log")
        set_axis(axes, "y", axis_y, sheet.size)
        taken = []
        if pooled is not None:
            taken.append(_vertical(axes, scale.factor * pooled, axis_y))
        for (lower, upper), dashes in zip(curves, _DASHES * 2, strict=False):
            for end in (lower, upper):
                axes.plot(end, grid, color=style.SOFT, linewidth=0.9, dashes=dashes, zorder=1, label="_limit")
                along = in_points(axes, end, grid)
                taken.append(boxes_along(along[:-1], along[1:]))
        lost = _studies(axes, sheet, names, x, size, there, outside, taken)
    text = f"Funnel plot of {plural(int(there.sum()), 'study', 'studies')}, rates against sizes. {fit.sentence()}"
    if pooled is not None and limits:
        who = [names[i][:120] for i in np.flatnonzero(outside)]
        text += f" Outside the {level_text(1 - limits[-1])} limits of sampling variation: {listing(who) if who else 'none'}."
    beyond = f"{int(outside.sum())} outside the {level_text(1 - limits[-1])} limits of sampling variation" if limits else ""
    alt = alternative_of("Funnel plot", subject, fit, beyond)
    describe(axes, harmless(title, 300) if title else "Funnel plot", f"{text} {not_named(lost)}".rstrip(), alt, axis=name)
    return axes


def _rate_legend(fit: Pooled, limits: tuple[float, ...], timed: bool) -> str:
    if not limits:
        return "Points: studies."
    kinds = ("dashed", "dotted", "dash-dotted", "dashed")
    shown = ", ".join(f"{level_text(round(1 - p, 10))} ({kinds[i]})" for i, p in enumerate(limits))
    law = "Poisson" if timed else "binomial"
    text = f"Vertical line: pooled rate. Curves: exact {law} limits ({shown}) of studies that all had this rate; "
    text += "true differences between studies place more of them outside. "
    return f"{text}Filled, and labelled where space permits: outside {level_text(round(1 - limits[-1], 10))}."


def _effects(fit: Pooled, ax: Axes | None, title: str | None, contours: tuple[float, ...], filled: TrimAndFill | None) -> Axes:
    from metanet.diagnostics.study_effects import two_step_twin

    twin = two_step_twin(fit)
    names, subject = [harmless(name) for name in fit.studies["study"]], subject_of_fit(fit)
    x, se = twin.yi[0], np.sqrt(twin.vi[0])
    there = np.isfinite(x) & np.isfinite(se)
    if not there.any():
        return saying(ax, "Funnel plot", title, "No study has an effect with a standard error, so nothing can be drawn.")
    extra = np.empty((0, 2))
    if filled is not None and len(filled.imputed):
        extra = np.column_stack([filled.imputed["yi"], np.sqrt(filled.imputed["vi"].to_numpy(dtype=float))])
    pooled = fit.mu if fit.status == "pooled" and fit.method["link"] in (None, "logit", "log") else None
    null = not fit.response.startswith("rate")
    z = float(two_sided_z(fit.level))
    notes = [
        _effect_legend(fit, contours if null else (), pooled is not None, extra.shape[0], z),
        *twin.notes[:2],
        harmless(fit.method.sentence(), 2000),
    ]
    with page(ax, width=_WIDTH, height=_HEIGHT, least=_LEAST, title=title, notes=notes) as sheet:
        deep = 1.06 * float(np.concatenate([se[there], extra[:, 1]]).max())
        deep = deep or 1.0
        axis_y = number_axis(0.0, deep, pieces=5, exact=True)
        points = [*x[there], *extra[:, 0]]
        if pooled is not None:
            points += [pooled - z * deep, pooled + z * deep]
        ends = (min(points), max(points))
        more = 0.04 * (ends[1] - ends[0]) or 0.5
        axis_x = _effect_axis(fit, twin, ends[0] - more, ends[1] + more, 0.78 * sheet.width, sheet.size)
        scaled = {"rate": "logit" if twin.options.measure == "PLO" else "", "ratio": "log"}.get(fit.response)
        name = subject.axis(fit.response, fit.measure, log=fit.response == "ratio")
        if scaled == "logit":
            name += ", logit scale"
        key = _key_rows(contours, 0.8 * sheet.width, sheet.size) if null and contours else []
        axes = framed(sheet, axis_x, axis_y, (name, "Standard error"), top=(0.5 + 1.5 * len(key)) * sheet.size)
        axes.set_ylim(deep, 0.0)
        if null:
            _shades(axes, contours, deep)
            _key(axes, key, sheet.size)
        taken = []
        if pooled is not None:
            taken.append(_vertical(axes, pooled, Axis(0.0, deep, (), ())))
            for sign in (-1, 1):
                axes.plot(
                    (pooled, pooled + sign * z * deep),
                    (0.0, deep),
                    color=style.SOFT,
                    linewidth=0.9,
                    dashes=(4, 3),
                    zorder=1.2,
                    label="_limit",
                )
                pair = in_points(axes, [pooled, pooled + sign * z * deep], [0.0, deep])
                taken.append(boxes_along(pair[:1], pair[1:]))
        if extra.size:
            dots = axes.scatter(extra[:, 0], extra[:, 1], s=(2 * _RADIUS * sheet.size / style.TEXT_SIZE) ** 2, facecolors="none",
                                edgecolors=style.DIAMOND, label="_imputed")  # fmt: skip
            dots.set(linewidths=1.1, clip_on=False, zorder=3)
        outside = there & (np.abs(x - pooled) > z * se) if pooled is not None else np.zeros(x.shape, dtype=bool)
        lost = _studies(
            axes,
            sheet,
            names,
            x,
            se,
            there,
            outside,
            [*taken, boxes_of(in_points(axes, extra[:, 0], extra[:, 1]), _RADIUS)],
            solid=True,
        )
    text = f"Funnel plot of {plural(int(there.sum()), 'study', 'studies')}, effects against standard errors. {fit.sentence()}"
    if filled is not None:
        text += f" {harmless(filled.sentence(), 600)}"
    alt = alternative_of("Funnel plot", subject, fit, f"{int(outside.sum())} outside the dashed limits" if pooled is not None else "")
    describe(axes, harmless(title, 300) if title else "Funnel plot", f"{text} {not_named(lost)}".rstrip(), alt, axis=name)
    return axes


def _effect_axis(fit: Pooled, twin: Twin, low: float, high: float, room: float, size: float) -> Axis:
    """Model scale across; ticks are round responses where that scale is not the response's own."""
    if fit.response in ("effect", "difference"):
        return number_axis(low, high, room=room, size=size, exact=True)
    from metanet.models.pooling.fill import back, sizes_of

    many = sizes_of(twin.data, twin.options, np.isfinite(twin.vi))

    def to_response(values: Array) -> Array:
        return np.asarray(back(twin.options, values, None if many is None else np.full(values.shape, float(many[0]))))

    ticks, labels = response_ticks(to_response, low, high, fit.response)
    places = np.array(ticks) / (high - low) * room
    # The tick nearest to the middle is kept: no effect, or the pooled rate's neighbour.
    keep = int(np.argmin(np.abs(np.array(ticks) - (0.0 if low < 0 < high else (low + high) / 2)))) if ticks else None
    chosen = apart(places, labels, size, keep)
    return Axis(low, high, tuple(ticks[i] for i in chosen), tuple(labels[i] for i in chosen))


def _shades(axes: Axes, contours: tuple[float, ...], deep: float) -> None:
    """Regions of p-values around no effect, the least significant one white."""
    low, high = axes.get_xlim()
    far = [*(float(two_sided_z(1 - p)) for p in contours), np.inf]
    for (inner, outer), shade in zip(pairwise(far), _SHADES, strict=False):
        for sign in (-1.0, 1.0):
            edge = sign * 10 * max(abs(low), abs(high), outer * deep if np.isfinite(outer) else 0.0, 1.0)
            beyond = (edge, edge) if np.isinf(outer) else (sign * outer * deep, 0.0)
            area = axes.fill(
                [0.0, sign * inner * deep, *beyond], [0.0, deep, deep, 0.0], color=shade, linewidth=0, zorder=0.3, label="_contour"
            )
            area[0].set_clip_on(True)
    axes.plot((0.0, 0.0), (0.0, deep), color=style.FAINT, linewidth=0.8, zorder=0.5, label="_no effect")
    axes.set_xlim(low, high)


def _key_rows(contours: tuple[float, ...], width: float, s: float) -> list[list[tuple[str, str]]]:
    """The shades with their p-values, in as many rows over the panel as they need: the first one is told what they are."""
    ends = [f"{p:g}" for p in contours]
    texts = [f"p of the study ≥ {ends[0]}", *(f"{low} to {high}" for high, low in pairwise(ends)), f"< {ends[-1]}"]
    rows: list[list[tuple[str, str]]] = []
    room = 0.0
    for shade, text in zip(("#FFFFFF", *_SHADES), texts, strict=False):
        wide = width_of(text, LETTER * s) + 2.6 * s
        if not rows or wide > room:
            rows.append([])
            room = width
        rows[-1].append((shade, text))
        room -= wide
    return rows


def _key(axes: Axes, rows: list[list[tuple[str, str]]], s: float) -> None:
    """What the shades mean, over the panel."""
    width, height = panel_size(axes)
    letter = LETTER * s
    for i, row in enumerate(rows):
        x, y = 0.0, height + (1.1 + 1.5 * (len(rows) - 1 - i)) * s
        for shade, text in row:
            box = Rectangle((x / width, (y - 0.45 * s) / height), 1.1 * s / width, 0.9 * s / height, facecolor=shade,
                            edgecolor=style.SOFT, linewidth=0.5, transform=axes.transAxes, clip_on=False, label="_key")  # fmt: skip
            axes.add_patch(box)
            axes.add_artist(Label((x + 1.5 * s) / width, (y - BASELINE * letter) / height, text, size=letter, color=style.INK,
                                  transform=axes.transAxes, zorder=4))  # fmt: skip
            x += width_of(text, letter) + 2.6 * s


def _vertical(axes: Axes, x: float, y: Axis) -> Array:
    """The line of the pooled estimate, and the boxes that it takes."""
    axes.plot((x, x), (y.lower, y.upper), color=style.DIAMOND, linewidth=1.4, zorder=1.5, label="_reference")
    ends = in_points(axes, [x, x], [y.lower, y.upper])
    return boxes_along(ends[:1], ends[1:])


def _studies(
    axes: Axes, sheet: Page, names: list[str], x: Array, y: Array, there: Any, outside: Any, taken: list[Array], *, solid: bool = False
) -> list[str]:
    """The points, and the names of those outside of the limits."""
    radius = _RADIUS * sheet.size / style.TEXT_SIZE
    groups = (
        (there & ~outside, style.SQUARE if solid else "white", "_studies"),
        (there & outside, style.SQUARE if solid else style.DIAMOND, "_outside"),
    )
    for mask, face, label in groups:
        if mask.any():
            edge = style.SQUARE if label == "_studies" else style.INK
            dots = axes.scatter(x[mask], y[mask], s=(2 * radius) ** 2, facecolors=face, edgecolors=edge, label=label)
            dots.set(linewidths=0.9, clip_on=False, zorder=3)
    marks = boxes_of(in_points(axes, x[there], y[there]), radius)
    boxes = np.concatenate(taken) if taken else np.empty((0, 4))
    middle = float(np.median(x[there]))
    order = sorted(np.flatnonzero(outside), key=lambda i: -abs(x[i] - middle))[:_MOST_NAMES]
    return label_points(axes, [Wanted(names[i], x[i], y[i], radius) for i in order], sheet.size, boxes, marks)


def _effect_legend(fit: Pooled, contours: tuple[float, ...], pooled: bool, imputed: int, z: float) -> str:
    parts = ["Points: studies"]
    if pooled:
        parts.append(
            f"vertical line: pooled effect; dashed: {z:.2f} standard errors around it "
            f"({level_text(fit.level)} of studies without heterogeneity)"
        )
    if contours:
        shown = ", ".join(f"{p:g}" for p in contours)
        parts.append(f"shades: p-value of the study, with borders at {shown}")
    if imputed:
        parts.append(f"hollow: {plural(imputed, 'study', 'studies')} imputed by trim and fill")
    return "; ".join(parts) + "."
