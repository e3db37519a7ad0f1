"""The fitted distribution of the true rates or effects over the studies: its density, and the panel that draws it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon, Rectangle
from scipy import special

from metanet.base.arrays import Array
from metanet.figures.page import style
from metanet.figures.page.axis import Axis, apart, finite, number_axis, response_ticks
from metanet.figures.page.scale import Scale
from metanet.kernels.beta_binomial.fit import shapes
from metanet.models.results.pooled import responses_at

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from metanet.diagnostics.spread.share_beyond import ShareBeyond
    from metanet.models.results.pooled import Pooled


#: The normal distribution is followed so far to both sides, in standard deviations, in so many steps.
_REACH, _STEPS = 9.0, 18_001


@dataclass(frozen=True)
class TrueValues:
    """True values with a spread; `beyond` is the share that the model puts where no rate can be (raw and angular scales)."""

    fit: Pooled
    shape: tuple[float, float] | None
    beyond: float
    _values: Array
    _below: Array

    def quantile(self, probability: Array) -> Array:
        """The values that these shares of settings lie below."""
        if self.shape is not None:
            return np.asarray(special.betaincinv(*self.shape, probability))
        assert self.fit.mu is not None
        assert self.fit.tau is not None
        return responses_at(self.fit, self.fit.mu + self.fit.tau * special.ndtri(probability))

    def below(self, values: Array) -> Array:
        """The share of settings whose true value lies below each of `values`; what lies beyond a bounded scale counts at its ends."""
        if self.shape is not None:
            return np.asarray(special.betainc(*self.shape, np.clip(values, 0.0, 1.0)))
        return np.interp(values, self._values, self._below)


def true_values(fit: Pooled) -> TrueValues | None:
    """The fitted distribution; None without an estimate or where no spread was found (or the model has none)."""
    if fit.status != "pooled" or fit.mu is None or not fit.tau or not np.isfinite(fit.tau):
        return None
    nothing = np.empty(0)
    if fit.model == "beta_binomial":
        if not fit.rho:
            return None
        a, b = shapes(np.array(fit.mu), np.array(fit.rho))
        return TrueValues(fit, (float(a), float(b)), 0.0, nothing, nothing)
    z = np.linspace(-_REACH, _REACH, _STEPS)
    values, below = responses_at(fit, fit.mu + fit.tau * z), special.ndtr(z)
    # Where a bounded scale ends, what lies beyond is all at its end, which is no density: the grid begins (ends) where rates do.
    rising = np.flatnonzero(np.diff(values) > 0)
    if not rising.size:
        return None
    first, last = int(rising[0]), int(rising[-1]) + 1
    if first > 0:
        below[first] = special.ndtr(_end(fit, z[first], z[first + 1], values[first]))
    if last < z.size - 1:
        below[last] = special.ndtr(_end(fit, z[last], z[last - 1], values[last]))
    values, below = values[first : last + 1], below[first : last + 1]
    beyond = 0.0 if fit.method["link"] is not None else float(below[0] + 1.0 - below[-1])
    return TrueValues(fit, None, beyond, values, below)


def _end(fit: Pooled, beyond: float, inside: float, end: float) -> float:
    """The standard deviation between two at which the response leaves `end`."""
    assert fit.mu is not None
    assert fit.tau is not None
    for _ in range(60):
        middle = (beyond + inside) / 2
        if responses_at(fit, np.array([fit.mu + fit.tau * middle]))[0] == end:
            beyond = middle
        else:
            inside = middle
    return inside


#: Interval ends of single studies may stretch an axis of effects by so much of what the rest needs, on each side.
_STRETCH = 0.6
_CELLS = 400
#: A distribution narrower than this share of the axis is drawn as a line.
_THIN = 2e-3
#: The density is cut where it is so many times as high as half of its mass lies.
_CUT = 5.0
SPREAD, MIDDLE, BAND = "#CFE3F1", "#7FB8DC", "#F3F3F3"


@dataclass(frozen=True)
class Sight:
    """The effect axis: `place` puts responses on it (`ratio` on a logarithmic scale)."""

    scale: Scale
    log: bool
    name: str

    def place(self, value: Array | float) -> Array:
        """Where responses stand on the axis."""
        values = np.asarray(value, dtype=float)
        if self.log:
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.asarray(np.log(values))
        return np.asarray(values * self.scale.factor)

    def response(self, places: Array) -> Array:
        """The responses at places of the axis."""
        return np.exp(places) if self.log else places / self.scale.factor

    def show(self, *values: float | None) -> str:
        """One value, or two as "a to b", with the unit."""
        shown = " to ".join(self.scale.show(v) for v in values)
        return f"{shown} {self.scale.unit}".rstrip()


def axis_of(
    places: Array, fit: Pooled, sight: Sight, spread: TrueValues | None, shares: Sequence[ShareBeyond], room: float, s: float
) -> Axis:
    """An axis that holds studies, pooled value, prediction interval and nearly all of the distribution."""
    own = [fit.estimate, fit.ci_lower, fit.ci_upper, fit.pi_lower, fit.pi_upper, *(share.threshold for share in shares)]
    needed = finite([*sight.place(np.array([math.nan if v is None else v for v in own])), *places[:, 0]])
    if spread is not None:
        needed += finite(sight.place(spread.quantile(np.array([0.01, 0.99]))))
    low, high = min(needed, default=0.0), max(needed, default=1.0)
    ends = finite(places[:, 1:].ravel())
    most = (high - low or 0.5 * abs(high) or 1.0) * (math.inf if sight.scale.is_rate else _STRETCH)
    low, high = max(min([low, *ends]), low - most), min(max([high, *ends]), high + most)
    if sight.scale.is_rate:
        low = 0.0 if low < 0.35 * high else low
        high = 100.0 if 100 - high < 0.35 * (100 - low) else high
        return number_axis(low, high, room=room, size=s, least=0.0, most=100.0)
    if sight.log:
        low, high = (low - 0.35, high + 0.35) if high - low < 1e-9 else (low, high)
        ticks, texts = response_ticks(np.exp, low, high, "ratio")
        kept = apart((np.array(ticks) - low) / (high - low) * room, texts, s)
        return Axis(low, high, tuple(ticks[i] for i in kept), tuple(texts[i] for i in kept))
    return number_axis(low, high, room=room, size=s, least=0.0 if fit.response.startswith("rate") else -math.inf)


def draw_panel(
    axes: Axes, fit: Pooled, sight: Sight, spread: TrueValues | None, axis: Axis, places: Array,
    heights: tuple[float, ...], shares: Sequence[ShareBeyond], s: float,
) -> None:  # fmt: skip
    """The upper panel; y counts text sizes from its top."""
    base, bottom = heights[0], sum(heights)
    ends = [
        math.nan if v is None else float(sight.place(v))
        for v in (fit.estimate, fit.ci_lower, fit.ci_upper, fit.pi_lower, fit.pi_upper)
    ]
    estimate, low, high, lowest, highest = np.clip(ends, axis.lower, axis.upper)
    if spread is not None and not _density(axes, spread, sight, axis, base):
        spread = None
    if math.isfinite(estimate):
        if spread is None and fit.status == "pooled":
            axes.plot((estimate, estimate), (0.6, base), color=style.SQUARE, linewidth=2.2, zorder=2, label="_spike")
        axes.plot((estimate, estimate), (base, bottom), color=style.DIAMOND, linewidth=0.8, dashes=(4, 3), zorder=1, label="_estimate")
    axes.axhline(base, color=style.FAINT, linewidth=0.6, zorder=0.9, label="_base")
    if math.isfinite(lowest) and math.isfinite(highest):
        axes.add_patch(
            Rectangle((lowest, base), highest - lowest, bottom - base, facecolor=BAND, linewidth=0, zorder=0.3, label="_reach")
        )
        y = base + heights[1] + heights[2] / 2
        bar = Rectangle(
            (lowest, y - 0.22), highest - lowest, 0.44, facecolor=style.PREDICTION, linewidth=0, zorder=2, label="_prediction"
        )
        axes.add_patch(bar)
    if math.isfinite(low) and math.isfinite(high):
        y = base + heights[1] / 2
        corners = [(low, y), (estimate, y - 0.55), (high, y), (estimate, y + 0.55)]
        diamond = Polygon(corners, facecolor=style.DIAMOND, edgecolor=style.DIAMOND, linewidth=0.8, zorder=2.5, label="_diamond")
        diamond.set_clip_on(False)
        axes.add_patch(diamond)
    for share in shares:
        at = float(sight.place(share.threshold))
        axes.plot((at, at), (0.0, bottom), color=style.INK, linewidth=0.8, dashes=(1, 1.6), zorder=1.1, label="_threshold")
    _studies(axes, places, axis, base + heights[1] + heights[2], heights[3], s)


def _density(axes: Axes, spread: TrueValues, sight: Sight, axis: Axis, base: float) -> bool:
    """The fitted distribution as a hill, its middle half darker; False where it is too narrow for the axis."""
    middle = sight.place(spread.quantile(np.array([0.25, 0.75])))
    whole = axis.upper - axis.lower
    if middle[1] - middle[0] < _THIN * whole:
        return False
    knots = sight.place(spread.quantile(np.linspace(0.001, 0.999, 201)))
    edges = np.sort(np.concatenate([np.linspace(axis.lower, axis.upper, _CELLS + 1), knots, middle]))
    edges = edges[(edges >= axis.lower) & (edges <= axis.upper)]
    edges = edges[np.concatenate([[True], np.diff(edges) > 1e-5 * whole])]
    mass = np.maximum(np.diff(spread.below(sight.response(edges))), 0.0)
    height = mass / np.diff(edges)
    order = np.argsort(height)
    half = np.searchsorted(np.cumsum(mass[order]), 0.5 * mass.sum())
    top = min(float(height.max()), _CUT * float(height[order[min(half, len(order) - 1)]]))
    x = (edges[1:] + edges[:-1]) / 2
    y = base - (base - 0.6) * np.minimum(height / top, 1.0)
    axes.fill_between(x, y, base, color=SPREAD, linewidth=0, zorder=1, label="_distribution")
    inner = (x >= middle[0]) & (x <= middle[1])
    axes.fill_between(x, y, base, where=inner.tolist(), color=MIDDLE, linewidth=0, zorder=1.1, label="_middle half")
    axes.plot(x, y, color=style.SQUARE, linewidth=1.1, zorder=1.5, label="_density")
    return True


def _studies(axes: Axes, places: Array, axis: Axis, top: float, tall: float, s: float) -> None:
    """One thin line for each study, the lowest value on top; a line that goes on ends in an arrow."""
    k = len(places)
    if not k:
        return
    pitch = (tall - 0.5) / k
    y = top + 0.25 + (np.arange(k) + 0.5) * pitch
    low, high = np.clip(places[:, 1], axis.lower, axis.upper), np.clip(places[:, 2], axis.lower, axis.upper)
    thin = min(1.1, max(0.35, 0.45 * pitch * s / 2))
    ends = [((a, c), (b, c)) for a, b, c in zip(low, high, y, strict=True)]
    lines = LineCollection(ends, colors=style.SQUARE, linewidths=thin, alpha=0.75, zorder=2, label="_intervals")
    axes.add_collection(lines, autolim=False)
    side = min(0.42, max(0.14, 0.5 * pitch)) * s
    dots = axes.scatter(places[:, 0], y, s=side**2, color=style.SQUARE, linewidths=0, zorder=3, label="_studies")
    dots.set_clip_on(False)
    for cut, at, mark in ((places[:, 1] < axis.lower, axis.lower, "<"), (places[:, 2] > axis.upper, axis.upper, ">")):
        # Rounding at the ends of a bounded scale is no arrow.
        cut &= (
            np.abs(np.where(np.isfinite(places[:, 1 if mark == "<" else 2]), places[:, 1 if mark == "<" else 2], at + 1) - at) > 1e-9
        )
        if cut.any():
            arrows = Line2D(
                [at] * int(cut.sum()), y[cut], marker=mark, markersize=min(4.0, 1.6 * side), color=style.SQUARE, linestyle="none"
            )
            arrows.set(clip_on=False, markeredgewidth=0, zorder=2.5, label="_arrow")
            axes.add_line(arrows)
