"""The influence plot: eight measures in panels, a row for each study, with the customary limits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

from metanet.base.arrays import Array
from metanet.base.display import ABSENT, number, plural
from metanet.diagnostics.studies.influence import Influence
from metanet.figures.forest.pages import folds
from metanet.figures.page import style
from metanet.figures.page.axis import Axis, finite, number_axis
from metanet.figures.page.canvas import wanted_width
from metanet.figures.page.label_places import LETTER, panel_size
from metanet.figures.page.page import MARGIN, TICK_SIZE, Page, bold_if, depth, dress, page, saying, set_axis
from metanet.figures.page.save import describe
from metanet.figures.page.subject import alternative, result_of, subject_of_fit
from metanet.figures.page.text import BASELINE, Label, harmless, width_of, wrap
from metanet.figures.registry import chart
from metanet.kernels.numerics.distributions import chi2_quantile, two_sided_z
from metanet.models.options import options_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from metanet.models.results.pooled import Pooled


#: In text sizes: width of a panel, between panels, of the widest name; height of a row in short and in long tables.
_PANEL, _GAP, _NAME = 7.4, 1.5, 24.0
#: Between the last tick label of a panel and the first of the next, which would else read as one number.
_TICKS_APART = 1.4
_ROW, _ROW_TIGHT, _TIGHT_FROM = 1.75, 1.5, 26
#: Between two blocks of panels.
_APART = 1.2
_DOT = 0.55
#: Rows of a figure that leaves some out.
_FOLDED = 30
_BAND = "#F3E4DA"


@dataclass(frozen=True)
class _Panel:
    """One measure: its values ``[k]``, where its stems begin, its customary limits, and a value to compare with."""

    title: str
    values: Array
    base: float = 0.0
    limits: tuple[float, ...] = ()
    reference: float | None = None

    def axis(self, size: float, wide: float) -> Axis:
        """Round limits that hold the values, the limits and where the stems begin."""
        marks = [*finite(self.values), *self.limits, *([] if self.reference is None else [self.reference]), self.base]
        low, high = min(marks), max(marks)
        high = high if high > low else low + 1.0
        found = number_axis(low, high, room=wide * size, size=size, pieces=3 if wide > 6 else 2, least=0.0 if low >= 0 else -np.inf)
        # Where the texts of all ticks would touch, every second (third ...) one is left.
        pitch = wide * size / max(1, len(found.ticks) - 1) * (found.ticks[-1] - found.ticks[0]) / (found.upper - found.lower)
        need = max(width_of(text, TICK_SIZE * size) for text in found.labels) + 0.4 * size
        step = max(1, math.ceil(need / max(pitch, 1e-9)))
        return replace(found, ticks=found.ticks[::step], labels=found.labels[::step])


@chart("influence", title="Influence plot", takes=Influence, makers="influence")
def influence_plot(influence: Influence, *, title: str | None = None, fold: bool | None = None) -> NDArray[Any]:
    """Draw the measures of influence by study.

    Parameters
    ----------
    influence
        The result of `influence`; nothing is computed anew.
    title
        A heading.
    fold
        Whether to draw influential studies and those of the largest Cook's distances alone, 30 together. None does so where there
        are more than 40 studies.

    Returns
    -------
    ndarray of Axes
        Eight panels ``[8]`` with one row for each study in the order of the data: deleted residual, DFFITS, Cook's distance,
        covariance ratio, tau2 and the test statistic of heterogeneity without the study, leverage, weight. Dashed lines are the
        customary limits, dotted ones the value with all studies or with equal shares. Without measures, one pair of axes
        gives the reason.

    Raises
    ------
    ArgumentError
        Not a result of `influence`.

    References
    ----------
    Viechtbauer, Cheung (2010), doi:10.1002/jrsm.11.

    Examples
    --------
    >>> ax, *others = mn.influence(fit).plot()
    """
    if influence.reason:
        return np.array([saying(None, "Influence plot", title, influence.reason)], dtype=object)
    every, fit = influence.to_frame(), influence.fit
    frame = every.iloc[_foremost(every)] if folds(fold, len(every)) else every
    panels = _panels(frame, fit)
    strong = frame["influential"].to_numpy(dtype=bool)
    size = style.TEXT_SIZE
    labels = [harmless(name) for name in frame["study"]]
    heavy = [bold_if(bool(s), name) for s, name in zip(strong, labels, strict=True)]
    plan = _plan(panels, labels, heavy, wanted_width())
    names = [wrap(name, plan.names * size, size, bold=s, lines=1) for name, s in zip(labels, heavy, strict=True)]
    row = (_ROW if len(names) < _TIGHT_FROM else _ROW_TIGHT) * size
    under = depth(("0",), size, across=False) + 0.4 * size
    # Each block has its panels under their titles.
    block = len(names) * row + 2.0 * size + under
    blocks = -(-len(panels) // plan.across)
    width, height = max(plan.width, wanted_width() or 0.0), blocks * block + (blocks - 1) * _APART * size
    notes = [_legend(panels, fit), harmless(influence.sentence(), 600), harmless(influence.method.sentence(), 2000)]
    if len(frame) < len(every):
        notes.insert(
            1, f"Of {len(every):,} studies {len(frame)} are shown: influential ones, and those of the largest Cook's distances."
        )
    out = np.empty(len(panels), dtype=object)
    with page(None, width=width, height=height, least=(width, height), title=title, notes=notes) as sheet:
        # Everything was measured at the ordinary size; a narrow column shrinks all of it alike.
        share = sheet.size / size
        size, row = sheet.size, row * share
        for i, panel in enumerate(panels):
            floor = sheet.height - ((i // plan.across + 1) * block + i // plan.across * _APART * style.TEXT_SIZE - under) * share
            axes = sheet.panel(plan.places[i] * share, floor, plan.panel * size, len(names) * row)
            out[i] = axes
            _draw(axes, panel, strong, size, plan.panel)
            if i % plan.across == 0:
                _names(out[0], sheet, names, heavy, row, floor)
    text = f"Influence plot of {plural(len(every), 'study', 'studies')}: {', '.join(p.title for p in panels)}. {influence.sentence()}"
    text += f" Farthest: {'; '.join(_farthest(panels, labels))}."
    subject = subject_of_fit(fit)
    many = int(strong.sum())
    told = f"{many} influential: {', '.join(np.array(labels)[strong][:3])}"[:120] if many else "no study is influential"
    alt = alternative("Influence plot", subject, len(every), told, result_of(fit))
    axis = subject.axis(fit.response, fit.measure)
    describe(out[0], harmless(title, 300) if title else "Influence plot", f"{text} The estimate is of: {axis}.", alt)
    return out


def _foremost(frame: Any) -> NDArray[np.int64]:
    """Places of the influential studies and of those whose Cook's distances are largest, in the order of the data."""
    distance = np.nan_to_num(frame["cook_d"].to_numpy(dtype=float), nan=-1.0)
    strong = frame["influential"].to_numpy(dtype=bool)
    return np.sort(np.lexsort((-distance, ~strong))[: max(_FOLDED, int(strong.sum()))])


@dataclass(frozen=True)
class _Plan:
    """Panels side by side, width of each and of the names in text sizes; left edges and the whole width in points."""

    across: int
    panel: float
    names: float
    places: tuple[float, ...]
    width: float


#: From wide to narrow: panels side by side, width of a panel and of the widest name in text sizes.
_PLANS = (
    (8, _PANEL, _NAME),
    (8, 6.2, 16.0),
    (8, 5.0, 12.0),
    (8, 4.2, 10.0),
    (4, 6.2, 12.0),
    (4, 5.0, 10.0),
    (4, 4.2, 8.0),
    (2, 5.0, 8.0),
)
#: Letters may shrink to this share of their size before the panels become narrower, or fewer side by side.
_LEAST_LETTERS = 0.78


def _plan(panels: tuple[_Panel, ...], labels: list[str], heavy: list[bool], width: float | None) -> _Plan:
    """The widest plan whose letters can be read in a column of `width` points."""
    size = style.TEXT_SIZE
    for across, panel, most in _PLANS:
        names = [wrap(name, most * size, size, bold=s, lines=1) for name, s in zip(labels, heavy, strict=True)]
        left = MARGIN * size + max(width_of(n, size, s) for n, s in zip(names, heavy, strict=True)) * 1.02 + 1.2 * size
        rows = [panels[i : i + across] for i in range(0, len(panels), across)]
        edges = [_places(row, left, size, panel) for row in rows]
        ends = [max(MARGIN * size, _half(row[-1].axis(size, panel), -1, size, panel) + 0.4 * size) for row in rows]
        whole = max(places[-1] + panel * size + end for places, end in zip(edges, ends, strict=True))
        # Panels of all blocks stand under one another.
        common = [max(edge[i] for edge in edges if i < len(edge)) for i in range(across)]
        whole += max(0.0, common[-1] - max(edge[-1] for edge in edges))
        plan = _Plan(across, panel, most, tuple(common[i % across] for i in range(len(panels))), whole)
        if width is None or width >= _LEAST_LETTERS * whole:
            break
    return plan


def _places(panels: Sequence[_Panel], left: float, size: float, wide: float) -> list[float]:
    """Left edges of the panels, so far apart that the texts of their outer ticks do not meet."""
    out: list[float] = []
    edge, before = left, 0.0
    for panel in panels:
        axis = panel.axis(size, wide)
        # A title may be wider than its panel.
        title = max(0.0, (width_of(panel.title, LETTER * size, True) + 0.6 * size - wide * size) / 2)
        gap = before + max(_half(axis, 0, size, wide) + _TICKS_APART * size, title)
        edge += max(_GAP * size, gap) if out else max(0.0, gap - 1.6 * size)
        out.append(edge)
        edge += wide * size
        before = max(_half(axis, -1, size, wide), title)
    return out


def _half(axis: Axis, tick: int, size: float, wide: float) -> float:
    """How far the text of the first or last tick reaches beyond the panel."""
    room = (axis.ticks[tick] - axis.lower if tick == 0 else axis.upper - axis.ticks[tick]) / (axis.upper - axis.lower)
    return max(0.0, width_of(axis.labels[tick], TICK_SIZE * size) / 2 - room * wide * size)


def _panels(frame: Any, fit: Pooled) -> tuple[_Panel, ...]:
    """The measures with their limits, as the result's own rule has them."""
    k = fit.k
    column = {str(name): frame[name].to_numpy(dtype=float) for name in frame.columns if name not in ("study", "status", "influential")}
    z, bound, equal = float(two_sided_z(0.95)), 3 / (k - 1) ** 0.5, 1 / k
    likelihood = bool(np.isfinite(column["lrt_deleted"]).any())
    test = (
        _Panel("LR without", column["lrt_deleted"], 0.0, (), fit.lrt)
        if likelihood
        else _Panel("Q without", column["q_deleted"], 0.0, (), fit.q)
    )
    return (
        _Panel("Residual", column["rstudent"], 0.0, (-z, z)),
        _Panel("DFFITS", column["dffits"], 0.0, (-bound, bound)),
        _Panel("Cook's D", column["cook_d"], 0.0, (float(chi2_quantile(0.5, 1)),)),
        _Panel("Cov. ratio", column["cov_ratio"], 1.0, (), 1.0),
        _Panel("τ² without", column["tau2_deleted"], 0.0, (), fit.tau2),
        test,
        _Panel("Leverage", column["hat"], 0.0, (3 / k,) if k > 3 else (), equal),
        _Panel("Weight, %", 100 * column["weight"], 0.0, (), 100 * equal),
    )


def _draw(axes: Axes, panel: _Panel, strong: NDArray[np.bool_], size: float, wide: float) -> None:
    """Stems and dots, limits, title; the y axis counts rows from the top."""
    k = len(panel.values)
    dress(axes, size, ("bottom",))
    set_axis(axes, "x", panel.axis(size, wide), size)
    axes.set_ylim(k, 0)
    for line, dashes, label in (
        *((v, (4, 2.5), "_limit") for v in panel.limits),
        *(() if panel.reference is None else ((panel.reference, (1, 1.6), "_reference"),)),
    ):
        (drawn,) = axes.plot(
            (line, line),
            (0, k),
            color=style.DIAMOND if label == "_limit" else style.SOFT,
            linewidth=0.8,
            dashes=dashes,
            zorder=1,
            label=label,
        )
        # A limit that lies on the edge of the panel must not lose half of its line.
        drawn.set_clip_on(False)
    y = np.arange(k) + 0.5
    there = np.isfinite(panel.values)
    stems = [((panel.base, row), (value, row)) for value, row in zip(panel.values[there], y[there], strict=True)]
    axes.add_collection(LineCollection(stems, colors=style.FAINT, linewidths=1.0, zorder=1.5, label="_stems"), autolim=False)
    for mask, colour, label in ((there & ~strong, style.SQUARE, "_studies"), (there & strong, style.DIAMOND, "_influential")):
        if mask.any():
            dots = axes.scatter(panel.values[mask], y[mask], s=(_DOT * size) ** 2, color=colour, label=label)
            dots.set(linewidths=0.6, edgecolors=style.INK if label == "_influential" else colour, clip_on=False, zorder=3)
    for row in np.flatnonzero(strong).tolist():
        axes.axhspan(row, row + 1, facecolor=_BAND, linewidth=0, zorder=0.2, label="_band")
    height = panel_size(axes)[1]
    pitch = height / k
    for row in np.flatnonzero(~there).tolist():
        axes.add_artist(
            _text(axes, 0.5, 1 - (row + 0.5) * pitch / height - BASELINE * size / height, ABSENT, size, "center", style.SOFT)
        )
    axes.add_artist(_text(axes, 0.5, 1 + 0.6 * size / height, panel.title, LETTER * size, "center", style.INK, bold=True))


def _text(axes: Axes, x: float, y: float, text: str, size: float, side: str, colour: str, *, bold: bool = False) -> Label:
    return Label(x, y, text, size=size, bold=bold, color=colour, horizontalalignment=side, transform=axes.transAxes, zorder=4)


def _names(axes: Axes, sheet: Page, names: list[str], heavy: list[bool], row: float, below: float) -> None:
    """The studies on the left."""
    size, top = sheet.size, sheet.bottom + below + len(names) * row
    for i, name in enumerate(names):
        sheet.write(
            axes, name, sheet.left + MARGIN * size, top - (i + 0.5) * row - BASELINE * size, size=size, bold=heavy[i], label="_name"
        )
    sheet.write(axes, "Study", sheet.left + MARGIN * size, top + 0.6 * size, size=LETTER * size, bold=True)


def _farthest(panels: tuple[_Panel, ...], names: list[str]) -> list[str]:
    """For each measure the study with the most extreme value, with its value."""
    out = []
    for panel in panels:
        centre = panel.base if panel.reference is None else panel.reference
        away = np.abs(panel.values - centre)
        if np.isfinite(away).any():
            i = int(np.nanargmax(away))
            out.append(f"{panel.title} {number(float(panel.values[i]))} ({names[i][:80]})")
    return out


def _legend(panels: tuple[_Panel, ...], fit: Pooled) -> str:
    residual = "quantile residual of the count" if options_of(fit.method).exact else "standardised deleted residual"
    test = "likelihood-ratio statistic" if panels[5].title.startswith("LR") else "Cochran's Q"
    text = f"Residual: {residual}. DFFITS, Cook's D: shift of the estimate without the study. "
    text += "Cov. ratio: squared standard error without the study divided by that with it. "
    text += f"τ² and {test} without the study. Dashed: customary limits; dotted: the value of all studies, 1, or an equal share. "
    return f"{text}Marked: influential studies (a limit of DFFITS, Cook's D or leverage, or |DFBETAS| above 1)."
