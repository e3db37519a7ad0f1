"""The GOSH plot: the estimates of all subsets of the studies against their heterogeneity."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from metanet.base.arguments import whole_number
from metanet.base.arrays import Array, Mask
from metanet.base.display import number, per_cent
from metanet.base.errors import check_choice
from metanet.base.untrusted import listing
from metanet.diagnostics.studies.gosh import Gosh
from metanet.figures.page import style
from metanet.figures.page.axis import Axis, number_axis
from metanet.figures.page.page import MARGIN, beside, dress, page, saying, set_axis
from metanet.figures.page.save import describe
from metanet.figures.page.scale import scale_of
from metanet.figures.page.subject import alternative, subject_of_fit
from metanet.figures.page.text import Label, harmless, width_of, wrap
from metanet.figures.registry import chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_WIDTH, _HEIGHT = 420.0, 360.0
_LEAST = (190.0, 170.0)
#: In text sizes: depth of a histogram beside the cloud, and the gap to it.
_SIDE, _BETWEEN = 4.4, 0.7
_BINS, _CELLS = 60, 90
#: The axis of I2 reaches so far at the least, per cent.
_LEAST_I2 = 10.0
#: Fewer subsets than this have one colour.
_FEW = 500
#: Thin to dense: also light to dark in grey.
_DENSITY = LinearSegmentedColormap.from_list("metanet density", ["#BFD9EA", "#0072B2", "#062A47"])
_WITH, _WITHOUT = style.DIAMOND, "#7FB4D3"


@chart("gosh", title="GOSH plot", takes=Gosh, makers="gosh")
def gosh_plot(gosh: Gosh, *, ax: Axes | None = None, study: str | None = None, points: int = 20_000, title: str | None = None) -> Axes:
    """Draw the subsets of two or more studies.

    Parameters
    ----------
    gosh
        The result of `gosh`; nothing is computed anew.
    ax
        Axes to draw into, which become the cloud; None makes a figure.
    study
        A study whose subsets are coloured; None takes the one that parts the results into groups, where one does (and `gosh`
        judges that: from ten studies on).
    points
        Maximum number of subsets in the cloud, a random sample. The histograms show all.
    title
        A heading.

    Returns
    -------
    Axes
        The cloud: estimate against I2 (tau, without I2), darker where denser, as a bitmap in vector files. Histograms of both are at
        its sides.

    Raises
    ------
    ArgumentError
        An unknown study, or an invalid number of points.

    References
    ----------
    Olkin, Dahabreh, Trikalinos (2012), doi:10.1002/jrsm.1053.

    Examples
    --------
    >>> ax = mn.gosh(fit, subsets=200).plot()
    """
    points = whole_number("points", points, 1)
    if gosh.reason:
        return saying(ax, "GOSH plot", title, gosh.reason)
    names = [str(n) for n in gosh.studies["study"]]
    if study is not None:
        check_choice("study", study, names)
    parting = _parting(gosh)
    study = study if study is not None or not parting else parting[0]
    scale = scale_of(gosh.fit.response, "cent", gosh.fit.estimate)
    shares = bool(np.isfinite(gosh.i2).any())
    x, y = scale.factor * gosh.estimate, 100 * gosh.i2 if shares else np.sqrt(gosh.tau2)
    used = np.flatnonzero((gosh.size > 1) & np.isfinite(x) & np.isfinite(y))
    if not used.size:
        return saying(ax, "GOSH plot", title, "No subset of two or more studies has an estimate and a measure of heterogeneity.")
    x, y = x[used], y[used]
    marked = None if study is None else np.asarray(gosh.masks[used, names.index(study)])
    drawn = np.random.default_rng(0).permutation(used.size)[:points]
    notes = [
        _legend(gosh, used.size, drawn.size, study, shares),
        harmless(gosh.sentence(), 800),
        harmless(gosh.method.sentence(), 2000),
    ]
    subject = subject_of_fit(gosh.fit)
    name = subject.axis(gosh.fit.response, gosh.fit.measure)
    with page(ax, width=_WIDTH, height=_HEIGHT, least=_LEAST, title=title, notes=notes) as sheet:
        s = sheet.size
        most = 100.0 if scale.is_rate else np.inf
        least = 0.0 if gosh.fit.response.startswith("rate") else -np.inf
        axis_x = number_axis(float(x.min()), float(x.max()), room=0.65 * sheet.width, size=s, least=least, most=most)
        # Shares of a fraction of a per cent would fill an axis of their own as if they mattered.
        top = max(float(y.max()), _LEAST_I2) if shares else float(y.max()) or 1.0
        axis_y = number_axis(0.0, top, least=0.0, most=100.0 if shares else np.inf)
        # Subsets without heterogeneity stand free of the spine.
        axis_y = replace(axis_y, lower=-0.02 * axis_y.upper)
        above = 1.6 * s if study is not None else 0.5 * s
        second = "I², %" if shares else "τ"
        left, bottom = beside(sheet, axis_x, axis_y, (name, second), (_SIDE + _BETWEEN + MARGIN) * s, (_SIDE + _BETWEEN) * s + above)
        width = sheet.width - left - (_SIDE + _BETWEEN + MARGIN) * s
        height = sheet.height - bottom - (_SIDE + _BETWEEN) * s - above
        axes = sheet.panel(left, bottom, width, height)
        dress(axes, s, ("left", "bottom"))
        set_axis(axes, "x", axis_x, s, name)
        set_axis(axes, "y", axis_y, s, second)
        _cloud(axes, x[drawn], y[drawn], None if marked is None else marked[drawn], s)
        full = (gosh.fit.estimate, gosh.fit.i2 if shares else gosh.fit.tau)
        if None not in full:
            at = (scale.factor * float(full[0] or 0.0), float(full[1] or 0.0) * (100 if shares else 1))
            (cross,) = axes.plot(
                [at[0]], [at[1]], marker="P", markersize=0.9 * s, color=style.INK, linestyle="none", label="_all studies"
            )
            cross.set(markeredgecolor="white", markeredgewidth=0.8, clip_on=False, zorder=4)
        over = sheet.panel(left, bottom + height + _BETWEEN * s, width, _SIDE * s)
        side = sheet.panel(left + width + _BETWEEN * s, bottom, _SIDE * s, height)
        _histogram(over, x, marked, axis_x, upright=True)
        _histogram(side, y, marked, axis_y, upright=False)
        if study is not None:
            _key(over, study, s, width)
    told = _words(gosh, x, y, shares, study, marked, scale.is_rate)
    groups = f"two groups, with and without {listing([name[:60] for name in parting], 3)}" if parting else ""
    alt = alternative("GOSH plot", subject, x.size, _span(y, shares), groups, of=("subset", "subsets"))
    describe(axes, harmless(title, 300) if title else "GOSH plot", told, alt, axis=name)
    return axes


def _parting(gosh: Gosh) -> list[str]:
    """The studies that part the results into groups, the one with the clearest division first."""
    frame = gosh.studies
    frame = frame[frame["drives"].astype(bool)] if "drives" in frame else frame.iloc[:0]
    rows = sorted(frame.to_dict("records"), key=lambda row: -abs(row["share_first"] - row["share_second"]))
    return [str(row["study"]) for row in rows]


def _cloud(axes: Axes, x: Array, y: Array, marked: Mask | None, s: float) -> None:
    """The subsets as dots, coloured by how many others lie there, or by whether they hold the study."""
    shade: dict[str, Any]
    if marked is None:
        counts, ex, ey = np.histogram2d(x, y, bins=_CELLS)
        cell = [np.clip(np.searchsorted(e, v, side="right") - 1, 0, _CELLS - 1) for e, v in ((ex, x), (ey, y))]
        colour = np.log1p(counts[cell[0], cell[1]])
        # Where nothing is dense there is nothing to shade.
        colour = np.full(x.size, 0.5) if x.size < _FEW else colour / colour.max()
        # The dense places are drawn last, so that single dots do not hide them.
        order = np.argsort(colour, kind="stable")
        shade = {"c": colour[order], "cmap": _DENSITY, "vmin": 0.0, "vmax": 1.0}
        x, y = x[order], y[order]
    else:
        shade = {"c": np.where(marked[:, None], [_rgb(_WITH)], [_rgb(_WITHOUT)])}
    dots = axes.scatter(x, y, s=_dot(x.size, s), linewidths=0, rasterized=True, zorder=2, label="_subsets", **shade)
    # A subset at 0 or 100 % must not lose the half of its dot that lies beyond the axis.
    dots.set_clip_on(False)


def _dot(many: int, s: float) -> float:
    """Area of a dot: few subsets have larger ones."""
    return (s * float(np.clip(0.22 * (20_000 / many) ** 0.25, 0.18, 0.6))) ** 2


def _rgb(colour: str) -> tuple[float, float, float]:
    r, g, b = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return r, g, b


def _histogram(axes: Axes, values: Array, marked: Mask | None, axis: Axis, *, upright: bool) -> None:
    """Counts of all subsets along one side; those with the study and those without it as two lines."""
    dress(axes, 1.0, ())
    edges = np.linspace(axis.lower, axis.upper, _BINS + 1)
    parts = [(values, style.SQUARE, True)] if marked is None else [(values[~marked], _WITHOUT, True), (values[marked], _WITH, False)]
    highest = 1.0
    for part, colour, fill in parts:
        counts, _ = np.histogram(part, edges)
        highest = max(highest, float(counts.max(initial=0)))
        orientation: Literal["vertical", "horizontal"] = "vertical" if upright else "horizontal"
        axes.stairs(
            counts, edges, fill=fill, color=colour, linewidth=1.1, alpha=0.8 if fill else 1.0, orientation=orientation, label="_counts"
        )
    along, across = (axes.set_xlim, axes.set_ylim) if upright else (axes.set_ylim, axes.set_xlim)
    along(axis.lower, axis.upper)
    across(0, 1.02 * highest)


def _key(axes: Axes, study: str, s: float, width: float) -> None:
    """What the two colours mean, over the upper histogram."""
    letter = 0.86 * s
    height = _SIDE * s
    rest = "without it"
    name = wrap(f"with {harmless(study)}", width - width_of(rest, letter) - 4.5 * s, letter, lines=1)
    x = 0.0
    for text, colour in ((name, _WITH), (rest, _WITHOUT)):
        (dot,) = axes.plot(
            [(x + 0.4 * s) / width],
            [1 + 0.85 * s / height],
            marker="s",
            markersize=0.7 * s,
            color=colour,
            linestyle="none",
            transform=axes.transAxes,
            label="_key",
        )
        dot.set_clip_on(False)
        axes.add_artist(
            Label(
                (x + 1.1 * s) / width,
                1 + (0.85 * s - 0.36 * letter) / height,
                text,
                size=letter,
                color=style.INK,
                transform=axes.transAxes,
            )
        )
        x += 2.6 * s + width_of(text, letter)


def _legend(gosh: Gosh, used: int, drawn: int, study: str | None, shares: bool) -> str:
    text = f"Each dot: the model on one subset of two or more studies; {drawn:,} of {used:,}"
    text += " at random" if drawn < used else ""
    text += "; the darker, the denser" if study is None and drawn >= _FEW else ""
    lacking = int((gosh.size > 1).sum()) - used
    text += f". Cross: all studies. Histograms: {'all subsets' if gosh.complete and not lacking else f'all {used:,} subsets'}."
    if lacking:
        text += f" Not drawn, because an estimate or a measure of heterogeneity is missing: {lacking:,} more."
    return text if shares else f"{text} The model has no I²; τ is shown instead."


def _span(y: Array, shares: bool) -> str:
    low, high = (number(float(np.quantile(y, q)), 1 if shares else 2) for q in (0.05, 0.95))
    return f"{'I²' if shares else 'τ'} lies between {low} and {high}{' %' if shares else ''} in 90 % of the subsets"


def _words(gosh: Gosh, x: Array, y: Array, shares: bool, study: str | None, marked: Mask | None, rate: bool) -> str:
    text = f"GOSH plot of {x.size:,} subsets. {gosh.sentence()}"
    text += f" {_span(y, shares)}."
    if study is not None and marked is not None:
        means = [float(x[m].mean()) if m.any() else float("nan") for m in (marked, ~marked)]
        shown = [per_cent(m / 100) + " %" if rate else number(m, 3) for m in means]
        text += f" Subsets with {harmless(study, 120)} have a mean of {shown[0]}, those without it of {shown[1]}."
    return text
