"""Axes of plain numbers: round limits and ticks, as many as have room, linear, logarithmic or along a curved scale."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from metanet.figures.axis import Axis, _step
from metanet.figures.text import width_of

Array = NDArray[np.float64]


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
