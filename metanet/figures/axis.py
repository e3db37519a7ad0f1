"""Limits and ticks of the effect axis: round numbers, the whole 0 to 100 % where rates spread, closer where they do not."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from metanet.errors import ArgumentError, shorten
from metanet.figures.scale import Scale
from metanet.figures.table import Bar, Diamond, Point, Table

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
        mend = f" Did you mean ({low / 100:g}, {high / 100:g})?" if 1 < high <= 100 else ""
        raise ArgumentError(f"xlim={shorten(xlim)} must lie within 0 and 1: rates are fractions.{mend}")
    if scale.log and low <= 0:
        raise ArgumentError(
            f"xlim={shorten(xlim)} must lie above 0: ratios stand on a logarithmic axis. Mend: (0.1, 10)."
        )
    return scale.place(low), scale.place(high)


def _extent(marks: Iterable[Point | Diamond | Bar | None], *, whole: bool) -> list[float]:
    """Ends of the marks; without `whole`, estimates of studies and diamonds alone."""
    out: list[float] = []
    for mark in marks:
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
    marks = [row.mark for row in table.rows]
    needed = max((turn(v) for v in _extent(marks, whole=False)), default=0.0)
    everything = max((turn(v) for v in _extent(marks, whole=True)), default=0.0)
    if everything <= _STRETCH * needed:
        return everything
    points = [mark for mark in marks if isinstance(mark, Point)]
    ends = [
        (turn(p.upper if upwards else p.lower), 1.0 if p.share is None or p.share != p.share else p.share)
        for p in points
    ]
    cut = max(1.5 * needed, _quantile([(end, weight) for end, weight in ends if math.isfinite(end)]))
    # An arrow that saves little room is not worth its loss.
    return everything if everything <= 1.6 * cut else cut


def _rate_limits(table: Table) -> tuple[float, float, float]:
    """Limits and tick step for rates: from 0, up to 100, close around narrow rates in the middle, or all."""
    full = table.scale.factor
    values = _extent((row.mark for row in table.rows), whole=True)
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
    needed = _extent((row.mark for row in table.rows), whole=False)
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
    marks = [row.mark for row in table.rows]
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
    return (
        f"{value:,.10g}".replace(".", scale.decimal)
        if value >= 1
        else f"{value:.10f}".rstrip("0").replace(".", scale.decimal)
    )


def _round_limits(low: float, high: float, least: float, most: float) -> tuple[float, float, float]:
    step = _step(high - low, 6)
    return (
        max(least, step * math.floor(low / step + 1e-9)),
        min(most, step * math.ceil(high / step - 1e-9)),
        step,
    )


def _step(span: float, pieces: int) -> float:
    """The smallest of 1, 2, 5 times a power of ten that covers `span` in at most `pieces` steps."""
    power: float = 10.0 ** (math.floor(math.log10(span / pieces)) - 1)
    while True:
        for factor in (1, 2, 5):
            if factor * power * pieces >= span * (1 - 1e-9):
                return factor * power
        power *= 10
