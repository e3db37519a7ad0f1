"""Limits and ticks of axes: rates from 0 to 100 %, effects, and plain numbers, linear, logarithmic or along a curved scale."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from metanet.base.arrays import Array
from metanet.base.errors import ArgumentError, shorten
from metanet.figures.forest.table import Diamond, Mark, Point, Swarm, Table
from metanet.figures.page.scale import Scale
from metanet.figures.page.text import width_of

#: An interval may stretch the axis to this multiple of what the estimates need; a longer one ends in an arrow.
_STRETCH = 3.0
#: At least this share of the weight keeps its whole interval on the axis.
_KEPT = 0.75


@dataclass(frozen=True)
class Axis:
    """Limits and ticks in units of the axis, with the text of each tick."""

    lower: float
    upper: float
    ticks: tuple[float, ...]
    labels: tuple[str, ...]
    log: bool = False


def axis_for(table: Table) -> Axis:
    """The axis of a table; `xlim` is obeyed as given."""
    scale = table.scale
    if scale.log:
        return _ratio_axis(table)
    if table.xlim is not None:
        lower, upper = check_limits(table.xlim, scale)
        step = _step(upper - lower, 5)
    else:
        lower, upper, step = _rate_limits(table) if scale.is_rate else _effect_limits(table)
    first = math.ceil(lower / step - 1e-9)
    last = math.floor(upper / step + 1e-9)
    ticks = tuple(i * step for i in range(first, last + 1))
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return Axis(lower, upper, ticks, tuple(_tick(t, digits, scale) for t in ticks))


def _tick(value: float, digits: int, scale: Scale) -> str:
    return f"{value:.{digits}f}".replace("-", "−").replace(".", scale.decimal)


def check_limits(xlim: object, scale: Scale) -> tuple[float, float]:
    """`xlim` as places on the axis; rates are given as fractions, as everywhere."""
    try:
        low, high = (float(v) for v in xlim)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        raise ArgumentError(f"xlim={shorten(xlim)} must be two numbers, such as (0, 0.4).") from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ArgumentError(f"xlim={shorten(xlim)} must be two finite numbers, the lower one first.")
    if scale.is_rate and (low < 0 or high > 1):
        fix = f" Did you mean ({low / 100:g}, {high / 100:g})?" if 1 < high <= 100 else ""
        raise ArgumentError(f"xlim={shorten(xlim)} must lie within 0 and 1: rates are fractions.{fix}")
    if scale.log and low <= 0:
        raise ArgumentError(f"xlim={shorten(xlim)} must lie above 0: ratios have a logarithmic axis. Fix: (0.1, 10).")
    return scale.place(low), scale.place(high)


def _extent(marks: Iterable[Mark | None], *, whole: bool) -> list[float]:
    """Ends of the marks; without `whole`, estimates of studies and diamonds alone."""
    out: list[float] = []
    for mark in marks:
        if isinstance(mark, Swarm):
            continue
        if isinstance(mark, Diamond) or (whole and mark is not None):
            out += [mark.lower, mark.upper]
        if isinstance(mark, (Point, Diamond)):
            out.append(mark.value)
    return [value for value in out if math.isfinite(value)]


def _quantile(ends: list[tuple[float, float]]) -> float:
    """The least value that covers the interval ends of `_KEPT` of the weight."""
    weight = sum(w for _, w in ends)
    covered = 0.0
    for end, w in sorted(ends):
        covered += w
        if covered >= _KEPT * weight - 1e-12:
            return end
    return 0.0


def _reach(table: Table, turn: Callable[[float], float], *, upwards: bool) -> float:
    """How far the axis must reach; `turn` makes a distance from the fixed point out of a value.

    Estimates and diamonds are always held, and interval ends up to `_STRETCH` times as far; a longer interval of a study
    of little weight, or a longer prediction interval, does not squeeze the others.
    """
    marks = table.marks
    needed = max((turn(v) for v in _extent(marks, whole=False)), default=0.0)
    everything = max((turn(v) for v in _extent(marks, whole=True)), default=0.0)
    if everything <= _STRETCH * needed:
        return everything
    points = [mark for mark in marks if isinstance(mark, Point)]
    ends = [(turn(p.upper if upwards else p.lower), 1.0 if p.share is None or p.share != p.share else p.share) for p in points]
    cut = max(1.5 * needed, _quantile([(end, weight) for end, weight in ends if math.isfinite(end)]))
    # An arrow that saves little room is not worth its loss.
    return everything if everything <= 1.6 * cut else cut


def _rate_limits(table: Table) -> tuple[float, float, float]:
    """Limits and tick step for rates: from 0, up to 100, close around narrow rates in the middle, or all."""
    full = table.scale.factor
    values = _extent(table.marks, whole=True)
    if values:
        low, high = min(values), max(values)
        if 0 < high - low < min(0.1, low / 3, (1 - high) / 3):
            return _round_limits(low * full, high * full, 0.0, full)
    high = _reach(table, lambda v: v, upwards=True)
    if 0 < high < 0.5:
        step = _step(high * full, 5)
        return 0.0, min(full, step * math.ceil(high * full / step - 1e-9)), step
    low = _reach(table, lambda v: 1 - v, upwards=False)
    if 0 < low < 0.5:
        step = _step(low * full, 5)
        return max(0.0, full - step * math.ceil(low * full / step - 1e-9)), full, step
    return 0.0, full, full / 5


def _effect_limits(table: Table) -> tuple[float, float, float]:
    """Limits and tick step for effects, on both sides of the pooled one."""
    needed = _extent(table.marks, whole=False)
    if not needed:
        return -1.0, 1.0, 0.5
    middle = (min(needed) + max(needed)) / 2 if table.reference is None else table.reference
    low = middle - _reach(table, lambda v: middle - v, upwards=False)
    high = middle + _reach(table, lambda v: v - middle, upwards=True)
    if low == high:
        low, high = low - 1, high + 1
    return _round_limits(low, high, -math.inf, math.inf)


#: Ticks of a logarithmic axis, the densest that leaves its labels apart first.
_MANTISSAS = ((1.0, 2.0, 5.0), (1.0, 3.0), (1.0,))
_MOST_TICKS = 7


def _ratio_axis(table: Table) -> Axis:
    """A logarithmic axis for ratios, around 1 and the studies; what lies at 0 or infinity ends in an arrow."""
    scale = table.scale
    if table.xlim is not None:
        lower, upper = check_limits(table.xlim, scale)
        choices = [t for m in _MANTISSAS for t in [_log_ticks(m, lower, upper)] if len(t) <= _MOST_TICKS]
        ticks = choices[0] if choices else _decades(lower, upper)
        return Axis(lower, upper, ticks, tuple(_ratio_label(t, scale) for t in ticks), log=True)
    marks = table.marks
    values = [v for v in _extent(marks, whole=False) if v > 0]
    middle = math.log(table.reference) if table.reference is not None and table.reference > 0 else 0.0
    reaching = [abs(math.log(v) - middle) for v in values] + [abs(middle)]
    half = max(reaching)
    ends = [
        (abs(math.log(end) - middle), 1.0)
        for mark in marks
        if isinstance(mark, Point)
        for end in (mark.lower, mark.upper)
        if 0 < end < math.inf
    ]
    if ends:
        half = max(half, min(max(e for e, _ in ends), max(1.5 * half, _quantile(ends))))
    half = max(half, math.log(2.0))
    low, high = math.exp(middle - half), math.exp(middle + half)
    for mantissas in _MANTISSAS:
        grid = _log_ticks(mantissas, low / 10, high * 10)
        first = max((t for t in grid if t <= low * (1 + 1e-9)), default=grid[0])
        last = min((t for t in grid if t >= high * (1 - 1e-9)), default=grid[-1])
        ticks = tuple(t for t in grid if first <= t <= last)
        if len(ticks) <= _MOST_TICKS:
            break
    else:
        ticks = _decades(first, last)
    return Axis(first, last, ticks, tuple(_ratio_label(t, scale) for t in ticks), log=True)


def _log_ticks(mantissas: tuple[float, ...], lower: float, upper: float) -> tuple[float, ...]:
    powers = range(math.floor(math.log10(lower)), math.ceil(math.log10(upper)) + 1)
    ticks = (float(f"{m}e{power}") for power in powers for m in mantissas)
    return tuple(t for t in ticks if lower * (1 - 1e-9) <= t <= upper * (1 + 1e-9))


def _decades(lower: float, upper: float) -> tuple[float, ...]:
    """Every second, third ... power of ten, counted from 1."""
    first, last = math.ceil(math.log10(lower) - 1e-9), math.floor(math.log10(upper) + 1e-9)
    step = max(1, -(-(last - first) // (_MOST_TICKS - 1)))
    return tuple(10.0**p for p in range(first, last + 1) if p % step == 0)


def _ratio_label(value: float, scale: Scale) -> str:
    if not 1e-4 <= value <= 1e5:
        return f"1e{math.log10(value):.0f}".replace("-", "−")
    return f"{value:,.10g}".replace(".", scale.decimal) if value >= 1 else f"{value:.10f}".rstrip("0").replace(".", scale.decimal)


def _round_limits(low: float, high: float, least: float, most: float) -> tuple[float, float, float]:
    step = _step(high - low, 6)
    return (max(least, step * math.floor(low / step + 1e-9)), min(most, step * math.ceil(high / step - 1e-9)), step)


def _step(span: float, pieces: int) -> float:
    """The smallest of 1, 2, 5 times a power of ten that covers `span` in at most `pieces` steps."""
    power: float = 10.0 ** (math.floor(math.log10(span / pieces)) - 1)
    while True:
        for factor in (1, 2, 5):
            if factor * power * pieces >= span * (1 - 1e-9):
                return factor * power
        power *= 10


def finite(values: Iterable[float]) -> list[float]:
    """The values that are numbers."""
    return [float(v) for v in values if math.isfinite(v)]


def tick_text(value: float, step: float) -> str:
    """A tick's text, with the decimals that its step needs and thousands apart."""
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    # Years are not parted; larger numbers are.
    comma = "," if abs(value) >= 10_000 else ""
    text = f"{value:{comma}.{digits}f}" if step < 1e9 else f"{value:.3g}"
    return "0" if float(text.replace(",", "")) == 0 and digits == 0 else text.replace("-", "−")


def number_axis(
    low: float,
    high: float,
    *,
    room: float = math.inf,
    size: float = 9.0,
    pieces: int = 6,
    least: float = -math.inf,
    most: float = math.inf,
    exact: bool = False,
) -> Axis:
    """Round limits around `low` and `high`, never beyond `least` and `most`, with ticks whose texts fit into `room` points.

    With `exact` the limits are the given ones, and only the ticks are round.
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        low, high = 0.0, 1.0
    if high - low <= 1e-12 * max(1.0, abs(low), abs(high)):
        half = 0.5 * abs(low) or 0.5
        low, high = max(least, low - half), min(most, high + half)
    fallback: Axis | None = None
    # The wanted number of steps, then fewer of them; more only where that is what it takes to have two ticks.
    tries = [*range(pieces, 0, -1), *range(pieces + 1, pieces + 5)]
    for wanted in tries:
        step = _step(high - low, wanted)
        start = low if exact else max(least, step * math.floor(low / step + 1e-9))
        end = high if exact else min(most, step * math.ceil(high / step - 1e-9))
        first, last = math.ceil(start / step - 1e-9), math.floor(end / step + 1e-9)
        ticks = tuple(i * step for i in range(first, last + 1))
        labels = tuple(tick_text(t, step) for t in ticks)
        made = Axis(start, end, ticks, labels)
        wide = max((width_of(t, 0.9 * size) for t in labels), default=0.0) + 0.8 * size
        if len(ticks) > 1 and room * step / (end - start) >= wide:
            return made
        if fallback is None or (len(ticks) == 1 and len(fallback.ticks) != 1):
            fallback = made
    assert fallback is not None
    return fallback


def log_axis(low: float, high: float, *, room: float = math.inf, size: float = 9.0) -> Axis:
    """An axis of positive numbers on a logarithmic scale: ticks 1, 2, 5, 10, or 1, 10, 100 where there is less room."""
    low, high = max(low, 1e-12), max(high, 1e-12)
    if high <= low * 1.001:
        low, high = low / 2, high * 2
    places: list[float] = []
    choices: tuple[tuple[tuple[int, ...], float], ...] = (((1, 2, 5), 2.0), ((1, 3), 3.0), ((1,), 10.0))
    for steps, narrowest in choices:
        powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
        places = [s * 10.0**p for p in powers for s in steps if low * 0.999 <= s * 10.0**p <= high * 1.001]
        if room / max(1e-9, math.log10(high / low)) * math.log10(narrowest) >= 2.2 * size or len(places) <= 3:
            break
    if len(places) < 3:
        # Less than about a decade: steps of one width.
        pieces = max(1, min(5, int(room / (2.5 * size)))) if math.isfinite(room) else 5
        even = number_axis(low, high, pieces=pieces, exact=True)
        if len(even.ticks) > len(places):
            return even
    return Axis(low, high, tuple(places), tuple(plain_number(v) for v in places))


def plain_number(value: float) -> str:
    """A number without needless decimals: 0.05, 1, 2,000."""
    if value != 0 and (abs(value) >= 1e9 or abs(value) < 1e-6):
        return f"{value:.0e}".replace("-", "−")
    text = f"{value:,.6f}".rstrip("0").rstrip(".")
    return text.replace("-", "−")


#: Rates per cent, and ratios, that make good ticks of a curved scale.
_RATES = (0.01, 0.1, 0.5, 1, 2, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 98, 99, 99.5, 99.9, 99.99)
_RATIOS = tuple(s * 10.0**p for p in range(-6, 7) for s in (1, 2, 5))


def response_ticks(
    to_response: Callable[[Array], Array], low: float, high: float, response: str
) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """Round responses between two places of the model scale: where they stand there, and their texts.

    `to_response` must not fall; it is turned round on a fine grid.
    """
    grid = np.linspace(low, high, 2001)
    values = np.asarray(to_response(grid), dtype=float)
    lowest, highest = float(values[0]), float(values[-1])
    if response == "rate":
        pairs = [(p / 100, plain_number(p)) for p in _RATES]
    elif response == "ratio":
        pairs = [(v, plain_number(v)) for v in _RATIOS]
    else:
        axis = number_axis(lowest, highest, pieces=6, exact=True)
        pairs = list(zip(axis.ticks, axis.labels, strict=True))
    kept = [(v, text) for v, text in pairs if lowest <= v <= highest]
    if len(kept) < 3 and response in ("rate", "ratio"):
        # All within one step of the usual ticks: round numbers of their own.
        factor = 100.0 if response == "rate" else 1.0
        axis = number_axis(lowest * factor, highest * factor, pieces=4, exact=True)
        finer = [(t / factor, text) for t, text in zip(axis.ticks, axis.labels, strict=True)]
        kept = finer if len(finer) > len(kept) else kept
    rising = np.concatenate([[True], np.diff(values) > 0])
    places = np.interp([v for v, _ in kept], values[rising], grid[rising]) if kept else np.empty(0)
    return tuple(float(p) for p in places), tuple(text for _, text in kept)


def apart(places: Array, labels: tuple[str, ...], size: float, keep: int | None = None) -> list[int]:
    """Ticks (by position in points along a line) whose texts leave room for each other, the one at `keep` among them."""
    widths = [width_of(t, 0.9 * size) for t in labels]
    order = list(range(len(labels)))
    if keep is not None:
        order.sort(key=lambda i: abs(i - keep))
    chosen: list[int] = []
    for i in order:
        if all(abs(places[i] - places[j]) >= (widths[i] + widths[j]) / 2 + 0.7 * size for j in chosen):
            chosen.append(i)
    return sorted(chosen)
