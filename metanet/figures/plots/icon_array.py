"""The icon array: a rate as so many of 100 patients, its interval as shades."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import PathCollection
from matplotlib.path import Path
from matplotlib.transforms import IdentityTransform

from metanet.base.display import RATE, level_text, plural, sentence_case
from metanet.base.errors import ArgumentError, as_given
from metanet.figures.page import style
from metanet.figures.page.canvas import wanted_width
from metanet.figures.page.page import MARGIN, page, saying
from metanet.figures.page.save import describe
from metanet.figures.page.subject import alternative, subject_of_fit
from metanet.figures.page.text import LINE, Label, harmless, wrap
from metanet.figures.registry import chart
from metanet.models.results.pooled import Pooled

if TYPE_CHECKING:
    from matplotlib.axes import Axes


#: Icons -> columns, rows and the pitch of an icon in text sizes.
_GRIDS = {100: (10, 10, 2.0), 1000: (40, 25, 0.78)}
_WIDTH = 27.0
#: Height of the line in large letters, of a line of the key, and size of the large letters.
_HEAD, _KEY, _LARGE = 2.6, 1.75, 1.45
#: Within the interval up to its lower limit, up to the rate, up to the upper limit, beyond it: face and edge. Each is lighter than
#: the one before, so that they also part in grey.
_SHADES = {
    "sure": (style.SQUARE, style.SQUARE),
    "rate": ("#5BA7D6", "#2A86BE"),
    "upper": ("#FFFFFF", style.SQUARE),
    "rest": ("#EDEDED", "#C9C9C9"),
}


def _person() -> Path:
    """A head over shoulders, one unit high, around the origin."""
    turn = np.linspace(0, 2 * np.pi, 21)
    head = np.column_stack([0.17 * np.cos(turn), 0.29 + 0.17 * np.sin(turn)])
    arc = np.linspace(np.pi, 0, 15)
    body = np.column_stack([0.33 * np.cos(arc), -0.22 + 0.28 * np.sin(arc)])
    body = np.vstack([[-0.33, -0.46], body, [0.33, -0.46], [-0.33, -0.46]])
    parts = [(one, [Path.MOVETO, *[Path.LINETO] * (len(one) - 2), Path.CLOSEPOLY]) for one in (head, body)]
    return Path(np.vstack([one for one, _ in parts]), np.concatenate([codes for _, codes in parts]))


@chart("icon_array", title="Icon array", takes=Pooled, makers="pool")
def icon_array(fit: Pooled, *, of: int = 100, average: bool = False, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw a pooled rate as patients of a hundred.

    Parameters
    ----------
    fit
        The result of `pool` of one group's counts.
    of
        100, or 1000 for rare outcomes.
    average
        Whether to show the population-averaged rate instead of the estimate of the result (the median).
    ax
        Axes to draw into; None makes a figure.
    title
        A heading.

    Returns
    -------
    Axes
        A person for each patient: in the darkest shade up to the lower limit of the interval, in the middle shade up to the rate, in
        outline up to the upper limit. The line above gives the counts; a rate below half a patient is "fewer than 1".

    Raises
    ------
    ArgumentError
        A result that is no rate of patients, or another number of icons.

    Examples
    --------
    >>> ax = mn.icon_array(fit)
    """
    if of not in _GRIDS or isinstance(of, bool):
        raise ArgumentError(f"of={as_given(of)} must be 100 or 1000.")
    if fit.response != "rate":
        raise ArgumentError(f"fit has response={fit.response!r}: an icon array needs the counts of one group.")
    own, averaged = fit.rates_shown
    value, lower, upper = averaged if average and averaged[0] is not None else own
    if value is None:
        return saying(ax, "Icon array", title, fit.sentence())
    across, down, pitch = _GRIDS[of]
    known = lower is not None and upper is not None
    low, high = (lower, upper) if lower is not None and upper is not None else (value, value)
    subject = subject_of_fit(fit)
    said = f"{patients(value, of)} of {of:,} {subject.units}"
    ends = f"{level_text(fit.level)} interval: {limits(low, high, of)} of {of:,}" if known else ""
    line = f"{said}; {limits(low, high, of)} of {of:,}" if known else said
    unit = style.TEXT_SIZE
    width = _WIDTH * unit if ax is not None else (wanted_width() or _WIDTH * unit)
    inner = width - 2 * MARGIN * unit
    name = f"{subject.name}, of {subject.units}" if subject.name else ""
    about = wrap(f"{name} ({subject.direction})" if name and subject.direction else name, inner, unit, lines=4)
    head = wrap(sentence_case(said), inner, _LARGE * unit, bold=True, lines=3)
    key = [(shade, wrap(text, inner - 2.2 * unit, unit, lines=3)) for shade, text in _key(fit, value, low, high, of, known)]
    tall = [_KEY + text.count("\n") * LINE for _, text in key]
    over = (1 + about.count("\n")) * LINE if about else 0.0
    ends = wrap(ends, inner, unit, lines=2)
    between = (1 + ends.count("\n")) * LINE + 0.5 if ends else 0.0
    top = over + between + _HEAD + head.count("\n") * LINE * _LARGE
    height = (top + down * pitch * min(1.0, inner / (across * pitch * unit)) + 0.9 + sum(tall)) * unit
    notes = [_note(fit, average), harmless(fit.method.sentence(), 2000)]
    with page(ax, width=width, height=height, least=(width, height), title=title, notes=notes) as sheet:
        s = sheet.size
        axes = sheet.panel(0.0, 0.0, sheet.width, sheet.height)
        axes.set_axis_off()
        axes.set_xlim(0, sheet.width)
        axes.set_ylim(0, sheet.height)
        each = min(pitch * s, (sheet.width - 2 * MARGIN * s) / across)
        start, under = MARGIN * s, sheet.height - top * s
        if about:
            _write(axes, about, start, sheet.height - over * s, s)
        _write(axes, head, start, sheet.height - (over + 1.75) * s - head.count("\n") * LINE * _LARGE * s, _LARGE * s, bold=True)
        if ends:
            _write(axes, ends, start, under + 0.9 * s, s)
        shades = shades_of(value, low, high, of)
        for shade in _SHADES:
            at = [i for i, one in enumerate(shades) if one == shade]
            places = [(start + (i % across + 0.5) * each, under - (i // across + 0.5) * each) for i in at]
            if places:
                _icons(axes, places, shade, 0.9 * each)
        y = under - down * each - 0.9 * s
        for (shade, text), lines in zip(key, tall, strict=True):
            _icons(axes, [(start + 0.8 * s, y - _KEY * s / 2)], shade, 1.5 * s)
            _write(axes, text, start + 2.2 * s, y - (_KEY / 2 + 0.36) * s - text.count("\n") * LINE * s, s)
            y -= lines * s
    alt = alternative("Icon array", subject, fit.k, line)
    told = f" of {subject.within()}" if subject.name else ""
    text = f"Icon array{told}: {line}. {fit.sentence()}"
    describe(axes, harmless(title, 300) if title else "Icon array", text, alt, axis=" ".join(about.split()))
    return axes


def patients(rate: float, of: int) -> str:
    """A rate as a whole number of patients; what rounds to none or to all without being so is said."""
    exact = rate * of
    if 0 < exact < 0.5:
        return "fewer than 1"
    if of - 0.5 <= exact < of:
        return f"more than {of - 1:,}"
    return f"{math.floor(exact + 0.5):,}"


def limits(lower: float, upper: float, of: int) -> str:
    """An interval in patients."""
    low, high = patients(lower, of), patients(upper, of)
    return low if low == high else f"{low} to {high}"


def shades_of(value: float, lower: float, upper: float, of: int) -> list[str]:
    """The shade of every icon. A rate above zero has at least one icon of the rate, one below all at least one without it."""

    def whole(rate: float) -> int:
        count = math.floor(rate * of + 0.5)
        return max(1, count) if rate > 0 else 0

    filled = min(whole(value), of - (value < 1))
    sure = min(math.floor(lower * of + 0.5), filled - (0 < value * of < 0.5))
    most = max(min(whole(upper), of), filled)
    sure = max(0, sure)
    return ["sure"] * sure + ["rate"] * (filled - sure) + ["upper"] * (most - filled) + ["rest"] * (of - most)


def _key(fit: Pooled, value: float, low: float, high: float, of: int, known: bool) -> list[tuple[str, str]]:
    found = set(shades_of(value, low, high, of))
    with_event = f"with the outcome: {patients(value, of)} of {of:,}"
    texts = {
        "sure": f"with the outcome even at the lower limit: {patients(low, of)}" if known and "rate" in found else with_event,
        "rate": f"with the outcome at the rate: {patients(value, of)}",
        "upper": f"with the outcome only at the upper limit: {patients(high, of)}",
        "rest": "without the outcome",
    }
    return [(shade, text) for shade, text in texts.items() if shade in found]


def _note(fit: Pooled, average: bool) -> str:
    if fit.status == "not pooled":
        return f"The rate of one study ({fit.events} of {fit.n}), not pooled."
    own, other = fit.rates_shown
    named = {"median": "median rate", "mean": "median rate", "common": "common rate"}[fit.average]
    first, second = (own, other) if not (average and other[0] is not None) else (other, own)
    words = (named, "population-averaged rate") if first is own else ("population-averaged rate", named)
    parts = [f"Icons: {words[0] if fit.status == 'pooled' else 'exact rate of the summed counts'} {_rate(first)}"]
    if second[0] is not None:
        parts.append(f"{words[1]} {_rate(second)}")
    counts = plural(fit.k, "study", "studies")
    return f"{'; '.join(parts)}. {counts}."


def _rate(limits_of: tuple[float | None, float | None, float | None]) -> str:
    value, low, high = limits_of
    digits = RATE.digits(value, low, high)
    shown = RATE.value(value, digits)
    return shown if low is None or high is None else f"{shown} ({RATE.limits(low, high, digits)})"


def _icons(axes: Axes, places: list[tuple[float, float]], shade: str, height: float) -> None:
    """Persons of this height (points) at these places (points)."""
    face, edge = _SHADES[shade]
    # Sizes of a scatter are areas in points, measured on a path of one unit.
    wide = min(0.8, 0.06 * height)
    icons = PathCollection([_person()], sizes=[height**2], offsets=np.array(places), offset_transform=axes.transData,
                           facecolors=face, edgecolors=edge, linewidths=wide, zorder=2, label=f"_{shade}")  # fmt: skip
    icons.set_transform(IdentityTransform())
    icons.set_clip_on(False)
    axes.add_collection(icons, autolim=False)


def _write(axes: Axes, text: str, x: float, y: float, size: float, bold: bool = False) -> None:
    axes.add_artist(Label(x, y, text, size=size, bold=bold, color=style.INK, transform=axes.transData, zorder=4))
