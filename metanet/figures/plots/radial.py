"""Galbraith's radial plot: standardised effects against precision; a line from the origin is one effect, shown on the arc."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from metanet.base.arrays import Array
from metanet.base.display import level_text, plural
from metanet.base.untrusted import listing
from metanet.figures.page import style
from metanet.figures.page.axis import number_axis, response_ticks
from metanet.figures.page.label_places import Wanted, boxes_along, boxes_of, in_points, label_points, not_named, panel_size
from metanet.figures.page.page import MARGIN, TICK_SIZE, framed, page, saying
from metanet.figures.page.save import describe
from metanet.figures.page.subject import alternative_of, subject_of_fit
from metanet.figures.page.text import LINE, Label, harmless, width_of, wrap
from metanet.figures.registry import chart
from metanet.kernels.numerics.distributions import two_sided_z
from metanet.models.results.pooled import Pooled

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_WIDTH, _HEIGHT = 420.0, 320.0
_LEAST = (200.0, 150.0)
_RADIUS = 2.8
_MOST_NAMES = 8
#: The arc spans at least this share of the height of the panel: studies that agree need a scale as well.
_ARC_LEAST = 0.3

_EDGES = {"no events": "No patient had the event", "only events": "Every patient had the event"}


@chart("radial", title="Radial plot", takes=Pooled, makers="pool")
def radial_plot(fit: Pooled, *, ax: Axes | None = None, title: str | None = None, centre: bool = False) -> Axes:
    """Draw standardised effects against precision.

    Parameters
    ----------
    fit
        The result of `pool`; for exact models with the two-step effects of the studies.
    ax
        Axes to draw into; None makes a figure.
    title
        A heading.
    centre
        Whether the effects are differences from the pooled effect, which makes its line horizontal.

    Returns
    -------
    Axes
        A point for each study; the line of the pooled estimate, and two parallel ones at the normal quantile of the level,
        between which that share of studies is expected; the arc on the right shows the response. Studies beyond are labelled.

    Raises
    ------
    ArgumentError
        Not a result of `pool`.

    References
    ----------
    Galbraith (1988), doi:10.1002/sim.4780070807.

    Examples
    --------
    >>> ax = fit.radial()
    """
    from metanet.diagnostics.method.p_values import radial

    frame = radial(fit)
    names = [harmless(name) for name in frame["study"]]
    x, y = frame["precision"].to_numpy(dtype=float), frame["standardised"].to_numpy(dtype=float)
    there = np.isfinite(x) & np.isfinite(y)
    if not there.any():
        return saying(ax, "Radial plot", title, "No study has an effect with a standard error, so nothing can be drawn.")
    if fit.edge:
        reason = "the standard errors of the studies would come from the continuity correction alone, so there is no line to draw"
        return saying(ax, "Radial plot", title, f"{_EDGES[fit.edge]}: {reason}. {fit.sentence()}")
    subject = subject_of_fit(fit)
    name = subject.axis(fit.response, fit.measure, log=fit.response == "ratio")
    to_response, slope = _scale(fit)
    base = slope if centre and slope is not None else 0.0
    y = y - base * x
    slopes = np.where(there, y / np.where(there, x, 1.0), np.nan)
    z = float(two_sided_z(fit.level))
    beyond = there & (np.abs(y - ((slope or 0.0) - base) * x) > z) if slope is not None else np.zeros(x.shape, dtype=bool)
    absent = [name for name, known in zip(names, there, strict=True) if not known]
    notes = [
        _legend(fit, slope is not None, centre, z),
        f"Without an estimable effect: {listing(absent)}." if absent else "",
        harmless(fit.method.sentence(), 2000),
    ]
    with page(ax, width=_WIDTH, height=_HEIGHT, least=_LEAST, title=title, notes=notes) as sheet:
        s = sheet.size
        far = 1.05 * float(x[there].max())
        line = 0.0 if slope is None else (slope - base) * far
        ends = [*y[there], line - z, line + z, -z, z]
        axis_x = number_axis(0.0, far, room=0.6 * sheet.width, size=s, exact=True, pieces=5)
        more = 0.06 * (max(ends) - min(ends))
        axis_y = number_axis(min(ends) - more, max(ends) + more, pieces=7)
        least = _ARC_LEAST * (axis_y.upper - axis_y.lower) / far
        low, high = _arc_ends(slopes[there], None if slope is None else slope - base, least)

        def ticks_between(first: float, last: float) -> tuple[tuple[float, ...], tuple[str, ...]]:
            return response_ticks(lambda v: to_response(v + base), first, last, fit.response)

        name = wrap(f"Arc: {name}", sheet.width - 2 * MARGIN * s, TICK_SIZE * s, lines=3)
        # What the whole arc would need; of an arc that the panel cuts, a part is told more finely.
        wide = max(width_of(t, TICK_SIZE * s) for t in (*ticks_between(low, high)[1], "00.0"))
        axes = framed(
            sheet,
            axis_x,
            axis_y,
            ("Precision (1 / standard error)", "Standardised effect"),
            right=wide + 3.4 * s,
            top=(1.6 + LINE * (1 + name.count("\n"))) * s,
        )
        tips = np.column_stack([[*x[there], far], [*y[there], line]])
        reach, most = _make_room(axes, tips, s)
        if slope is not None:
            for shift, width, dashes in ((0.0, 1.5, None), (z, 0.8, (4, 3)), (-z, 0.8, (4, 3))):
                style_of: dict[str, Any] = {} if dashes is None else {"dashes": dashes}
                ends_y = (shift, shift + (slope - base) * far)
                axes.plot((0, far), ends_y, color=style.DIAMOND if shift == 0 else style.SOFT, linewidth=width, zorder=1.2,
                          label="_pooled" if shift == 0 else "_limit", **style_of)  # fmt: skip
        radius = _RADIUS * s / style.TEXT_SIZE
        for mask, face, label in ((there & ~beyond, "white", "_studies"), (there & beyond, style.DIAMOND, "_beyond")):
            if mask.any():
                dots = axes.scatter(x[mask], y[mask], s=(2 * radius) ** 2, facecolors=face, label=label,
                                    edgecolors=style.SQUARE if label == "_studies" else style.INK)  # fmt: skip
                dots.set(linewidths=0.9, clip_on=False, zorder=3)
        arc = _arc(axes, far, (low, high), ticks_between, s, name, reach, most, wide + 3.0 * s)
        taken, marks = [arc], boxes_of(in_points(axes, x[there], y[there]), radius)
        if slope is not None:
            for shift in (0.0, z, -z):
                pair = in_points(axes, [0, far], [shift, shift + (slope - base) * far])
                taken.append(boxes_along(pair[:1], pair[1:]))
        gap = np.abs(y - ((slope or 0.0) - base) * x)
        order = [int(i) for i in np.argsort(-np.where(beyond, gap, -1.0), kind="stable") if beyond[i]][:_MOST_NAMES]
        wanted = [Wanted(names[i], x[i], y[i], radius) for i in order]
        lost = label_points(axes, wanted, s, np.concatenate(taken), marks)
    text = f"Radial plot of {plural(int(there.sum()), 'study', 'studies')}. {fit.sentence()}"
    if slope is not None:
        outside = [names[i][:120] for i in np.flatnonzero(beyond)]
        text += (
            f" Beyond the {level_text(fit.level)} lines: {listing(outside)}."
            if outside
            else f" No study lies beyond the {level_text(fit.level)} lines."
        )
    alt = alternative_of(
        "Radial plot", subject, fit, f"{int(beyond.sum())} beyond the {level_text(fit.level)} lines" if slope is not None else ""
    )
    describe(axes, harmless(title, 300) if title else "Radial plot", f"{text} {not_named(lost)}".rstrip(), alt, axis=name)
    return axes


def _scale(fit: Pooled) -> tuple[Callable[[Array], Array], float | None]:
    """The way from the scale of the effects to the response, and the pooled estimate on the scale of the effects."""
    from metanet.diagnostics.study_effects import two_step_twin
    from metanet.models.pooling.fill import back, sizes_of

    twin = two_step_twin(fit)
    size = sizes_of(twin.data, twin.options, np.isfinite(twin.vi))

    def to_response(values: Array) -> Array:
        many = None if size is None else np.full(np.shape(values), float(size[0]))
        return np.asarray(back(twin.options, np.asarray(values, dtype=float), many))

    slope = fit.mu if fit.status == "pooled" else None
    if slope is not None and fit.method["link"] in ("probit", "cloglog") and fit.estimate is not None:
        # These links pool on a scale of their own; the estimate is taken over as a rate.
        grid = np.linspace(-12.0, 12.0, 4801)
        slope = float(np.interp(fit.estimate, to_response(grid), grid))
    return to_response, slope


def _arc_ends(slopes: Array, slope: float | None, least: float) -> tuple[float, float]:
    """The effects between which the arc reaches, `least` apart or more."""
    low, high = float(slopes.min()), float(slopes.max())
    if slope is not None:
        low, high = min(low, slope), max(high, slope)
    more = max(0.05 * (high - low), (least - (high - low)) / 2)
    return low - more, high + more


def _arc(
    axes: Axes,
    far: float,
    ends: tuple[float, float],
    ticks_between: Callable[[float, float], tuple[tuple[float, ...], tuple[str, ...]]],
    s: float,
    name: str,
    radius: float,
    most: float,
    room: float,
) -> Array:
    """The curved scale of the response around the origin; its `name` has `room` points right of the panel.

    The boxes of the curve and of its texts come back, for names of studies to keep away from.
    """
    width, height = panel_size(axes)
    y_low, y_high = axes.get_ylim()
    per_x, per_y = width / (far or 1.0), height / (y_high - y_low)
    origin = np.array([0.0, -y_low * per_y])

    def at(slope: Array, reach: float) -> Array:
        way = np.column_stack([np.full(slope.shape, per_x), slope * per_y])
        return np.asarray(origin + reach * way / np.hypot(way[:, :1], way[:, 1:]))

    # As far as the panel is high: steeper effects have no place on the arc.
    fine = np.linspace(*ends, 400)
    curve = at(fine, radius)
    seen = _within(curve, most, width, height, s)
    share = np.array([width, height])
    if not seen.any():
        return np.empty((0, 4))
    _draw_line(axes, curve[seen] / share, "_arc")
    inside = curve[seen]
    taken = [boxes_along(inside[:-1], inside[1:])]
    ticks, labels = ticks_between(float(fine[seen][0]), float(fine[seen][-1]))
    places = np.array(ticks, dtype=float)
    if not places.size:
        return taken[0]
    spots = at(places, radius)
    fits = np.flatnonzero(_within(spots, most, width, height, s)).tolist()
    kept = _spread(spots[fits], s)
    for i in (fits[j] for j in kept):
        inner, outer = at(places[i : i + 1], radius), at(places[i : i + 1], radius + 0.35 * s)
        _draw_line(axes, np.concatenate([inner, outer]) / share, "_arc tick")
        x, y = at(places[i : i + 1], radius + 0.7 * s)[0]
        axes.add_artist(
            Label(x / width, (y - 0.36 * TICK_SIZE * s) / height, labels[i], size=TICK_SIZE * s, color=style.INK,
                  transform=axes.transAxes, zorder=4, label="_arc label")
        )  # fmt: skip
        taken.append(np.array([[x, y - 0.65 * s, x + width_of(labels[i], TICK_SIZE * s), y + 0.65 * s]]))
    # Over panel and arc, with its last line above the highest text of the arc.
    y = height + 0.9 * s
    axes.add_artist(
        Label((width + room) / width, y / height, name, size=TICK_SIZE * s, color=style.INK, horizontalalignment="right",
              multialignment="left", transform=axes.transAxes, zorder=4, label="_arc name")
    )  # fmt: skip
    return np.concatenate([*taken, [[0.0, y - 0.4 * s, width + room, y + 4 * s]]])


def _within(spots: Array, most: float, width: float, height: float, s: float) -> NDArray[np.bool_]:
    """Which places of the arc lie beside the panel, left of what is kept for the texts."""
    x, y = spots[:, 0], spots[:, 1]
    return np.asarray((y >= -0.1 * s) & (y <= height + 0.1 * s) & (x > 0.2 * width) & (x <= most + 0.1))


def _make_room(axes: Axes, tips: Array, s: float) -> tuple[float, float]:
    """Narrow the panel until the arc can pass beyond all points; the arc's radius, and how far right it may reach."""
    width, height = panel_size(axes)
    most = width + 0.9 * s
    far, (y_low, y_high) = axes.get_xlim()[1], axes.get_ylim()

    def radius(across: float) -> float:
        """The farthest point from the origin, and a little more."""
        return float(np.hypot(tips[:, 0] * across / far, tips[:, 1] * height / (y_high - y_low)).max()) + 0.9 * s

    low, high = 0.55 * width, width
    if radius(high) > most:
        for _ in range(30):
            middle = (low + high) / 2
            low, high = (middle, high) if radius(middle) <= most else (low, middle)
        place = axes.get_position()
        axes.set_position((place.x0, place.y0, place.width * low / width, place.height))
        width = low
    return max(radius(width), width + 0.9 * s), most


def _spread(spots: Array, s: float) -> list[int]:
    """Ticks that leave each other the height of a line."""
    kept: list[int] = []
    for i in range(len(spots)):
        if not kept or abs(spots[i, 1] - spots[kept[-1], 1]) >= 1.25 * s:
            kept.append(i)
    return kept


def _draw_line(axes: Axes, points: Array, label: str) -> None:
    line = Line2D(points[:, 0], points[:, 1], color=style.INK, linewidth=0.8, transform=axes.transAxes, clip_on=False)
    line.set_label(label)
    axes.add_line(line)
    line.set_transform(axes.transAxes)


def _legend(fit: Pooled, pooled: bool, centre: bool, z: float) -> str:
    text = "Points: studies. A line from the origin through a study meets the arc at the study's response."
    if pooled:
        text += f" Solid line: pooled estimate{', to which the effects are centred' if centre else ''}; "
        text += f"dashed: {z:.2f} above and below it, "
        text += f"where {level_text(fit.level)} of studies are expected between. Filled and labelled: studies beyond."
    tau = " The precision includes tau." if fit.tau2 else ""
    return text + tau
