"""The bubble plot of a meta-regression: studies by one moderator, the fitted line, its confidence and its prediction interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D

from metanet.base.arrays import Array
from metanet.base.display import in_sentence, level_text, number, plural
from metanet.figures.forest.rows import _heading
from metanet.figures.page import style
from metanet.figures.page.axis import Axis, finite, number_axis
from metanet.figures.page.label_places import LETTER, panel_size
from metanet.figures.page.page import framed, page
from metanet.figures.page.save import describe
from metanet.figures.page.scale import scale_of
from metanet.figures.page.subject import alternative, subject_of
from metanet.figures.page.text import BASELINE, Label, harmless, width_of
from metanet.figures.registry import chart
from metanet.models.regression.result import Regression

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_WIDTH, _HEIGHT = 400.0, 300.0
_LEAST = (170.0, 130.0)
#: Diameters of the largest and the smallest bubble, in text sizes.
_LARGEST, _SMALLEST = 2.6, 0.45
#: From so many studies on the largest bubble shrinks, so that all of them together keep their area.
_MANY = 15
#: How far a prediction interval of effects may stretch the axis, in multiples of what studies and line need.
_STRETCH = 2.0
#: Height of the key over the panel, in text sizes.
_KEY = 3.2
BAND = "#CFE3F1"


@chart("bubble", title="Bubble plot of a meta-regression", takes=Regression, makers="meta_regression")
def bubble(
    regression: Regression, *, moderator: str | None = None, at: Any = None, ax: Axes | None = None, title: str | None = None
) -> Axes:
    """Draw the studies of a meta-regression against one numeric moderator.

    Parameters
    ----------
    regression
        The result of `meta_regression`.
    moderator
        A numeric moderator; may be left out if there is only one.
    at
        Values of the other moderators on the line; see `Regression.bubble_data`.
    ax
        Axes to draw into; None makes a figure.
    title
        A heading.

    Returns
    -------
    Axes
        Bubbles with areas by weight, the fitted line, a band (confidence) and dashed lines (prediction).

    Raises
    ------
    ArgumentError
        No numeric moderator, or an unknown one.

    Examples
    --------
    >>> ax = mn.meta_regression(rates, "~ year").bubble()
    """
    data = regression.bubble_data(moderator, at=at)
    name = moderator or regression._design.numeric[0]
    studies, line = data[data["part"] == "study"], data[data["part"] == "line"]
    rate = regression._options.scale
    scale = scale_of("rate" if rate == "rate" else "effect", "cent")
    x, value = studies["x"].to_numpy(dtype=float), scale.factor * studies["value"].to_numpy(dtype=float)
    weight = studies["weight"].to_numpy(dtype=float)
    curve = {c: scale.factor * line[c].to_numpy(dtype=float) for c in ("value", "ci_lower", "ci_upper", "pi_lower", "pi_upper")}
    fitted = bool(np.isfinite(curve["value"]).any())
    predicted = bool(np.isfinite(curve["pi_lower"]).any())
    others = [n for n in regression._design.formula.names if n != name]
    notes = [
        _legend(regression, fitted, predicted, others),
        harmless(regression.sentence(), 1500),
        harmless(regression.method.sentence(), 2000),
    ]
    subject = subject_of(regression._frame)
    label = subject.axis(rate, regression.measure, log=False)
    with page(ax, width=_WIDTH, height=_HEIGHT, least=_LEAST, title=title, notes=notes) as sheet:
        room = 0.8 * sheet.width
        spread = float(x.max() - x.min()) or abs(float(x.max())) or 1.0
        axis_x = number_axis(float(x.min()) - 0.04 * spread, float(x.max()) + 0.04 * spread, room=room, size=sheet.size, exact=True)
        known = np.isfinite(weight)
        top = (_KEY if known.sum() > 1 else 0.5) * sheet.size
        names = (_heading(regression.title_of(name)), label)
        axes = framed(sheet, axis_x, _values_axis(value, curve, scale.is_rate), names, top=top)
        share = np.where(known, weight, 0.0) / (float(weight[known].max()) if known.any() else 1.0)
        largest = _LARGEST * min(1.0, (_MANY / len(x)) ** 0.5)
        side = np.maximum(largest * np.sqrt(share), _SMALLEST) * sheet.size if known.any() else np.full(x.shape, 0.7 * sheet.size)
        if known.sum() > 1:
            _key(axes, 100 * weight[known] / weight[known].sum(), side[known], sheet.size)
        _make_room(axes, x, value, side / 2 + 0.15 * sheet.size)
        t = line["x"].to_numpy(dtype=float)
        if fitted:
            axes.fill_between(t, curve["ci_lower"], curve["ci_upper"], color=BAND, linewidth=0, zorder=0.6, label="_band")
            axes.plot(t, curve["value"], color=style.DIAMOND, linewidth=1.6, zorder=2.5, label="_line")
        if predicted:
            for end in ("pi_lower", "pi_upper"):
                axes.plot(t, curve[end], color=style.SOFT, linewidth=0.9, dashes=(4, 3), zorder=1.0, label="_prediction")
        dots = axes.scatter(x, value, s=side**2, facecolors=style.SQUARE, edgecolors="white", alpha=0.75, label="_bubbles")
        dots.set(linewidths=0.7, clip_on=False, zorder=2)
    unit = f" {scale.unit}" if scale.unit else ""
    over = harmless(in_sentence(regression.title_of(name)), 120)
    text = f"Bubble plot of {plural(len(x), 'study', 'studies')} against {over}. {harmless(regression.sentence(), 1500)}"
    if fitted:
        ends = [scale.show(float(line["value"].iloc[i])) for i in (0, -1)]
        text += f" The line goes from {ends[0]}{unit} at {t[0]:g} to {ends[1]}{unit} at {t[-1]:g}."
    told = f"the line goes from {ends[0]}{unit} at {t[0]:g} to {ends[1]}{unit} at {t[-1]:g}" if fitted else "no line"
    alt = alternative("Bubble plot", subject, len(x), f"against {over[:80]}", told)
    describe(axes, harmless(title, 300) if title else "Bubble plot", text, alt, axis=label)
    return axes


def _key(axes: Axes, weight: Array, side: Array, s: float) -> None:
    """Over the panel: bubbles of the least, a middle and the most weight, with their shares in per cent."""
    order = np.argsort(weight, kind="stable")
    target = side[order[-1]] / 2
    middle = min(order, key=lambda i: abs(side[i] - target))
    shown = {float(side[i]): float(weight[i]) for i in (order[0], middle, order[-1])}
    width, height = panel_size(axes)
    letter = LETTER * s
    digits = 1 if max(shown.values()) < 10 else 0
    texts = [f"{number(value, digits)} %" for value in shown.values()]
    wide = width_of("Weight", letter) + sum(width_of(text, letter) for text in texts) + sum(shown) + (2 + 2.2 * len(shown)) * 0.6 * s
    x, y = max(0.0, width - wide), height + 1.65 * s

    def write(text: str, at: float) -> None:
        axes.add_artist(Label(at / width, (y - BASELINE * letter) / height, text, size=letter, color=style.INK,
                              transform=axes.transAxes, zorder=4))  # fmt: skip

    write("Weight", x)
    x += width_of("Weight", letter) + s
    for (diameter, _), text in zip(shown.items(), texts, strict=True):
        dot = Line2D([(x + diameter / 2) / width], [y / height], marker="o", markersize=diameter, color=style.SQUARE, alpha=0.75,
                     linestyle="none", markeredgecolor="white", transform=axes.transAxes)  # fmt: skip
        dot.set(markeredgewidth=0.7, clip_on=False, label="_key", zorder=3)
        axes.add_line(dot)
        dot.set_transform(axes.transAxes)
        write(text, x + diameter + 0.35 * s)
        x += diameter + width_of(text, letter) + 1.3 * s


def _make_room(axes: Axes, x: Array, y: Array, radius: Array) -> None:
    """Widen both axes until every bubble is inside the panel and clear of the tick labels."""
    for values, extent, limits, put in (
        (x, panel_size(axes)[0], axes.get_xlim(), axes.set_xlim),
        (y, panel_size(axes)[1], axes.get_ylim(), axes.set_ylim),
    ):
        low, high = first, last = limits
        # The bubbles grow with the limits, in their units.
        for _ in range(6):
            each = radius * (last - first) / extent
            first, last = min(low, float((values - each).min())), max(high, float((values + each).max()))
        put(first, last)


def _values_axis(value: Array, curve: dict[str, Array], rate: bool) -> Axis:
    needed = finite([*value, *curve["value"], *curve["ci_lower"], *curve["ci_upper"]])
    ends = finite([*curve["pi_lower"], *curve["pi_upper"]])
    if rate:
        # Rates of zero alone have no width: an axis of a fraction of a per cent would say that they are known so well.
        return number_axis(0.0, min(100.0, max([*needed, *ends], default=100.0)) or 5.0, least=0.0, most=100.0)
    low, high = min(needed, default=-1.0), max(needed, default=1.0)
    more = (_STRETCH - 1) / 2 * (high - low)
    low = max(low - more, min([low, *ends]))
    return number_axis(low, min(high + more, max([high, *ends])))


def _legend(regression: Regression, fitted: bool, predicted: bool, others: list[str]) -> str:
    level = level_text(regression.level)
    parts = ["Bubbles: studies, area by weight"]
    if fitted:
        parts.append(f"line: fitted, with its {level} interval (band)")
    if predicted:
        parts.append(f"dashed: {level} prediction interval")
    text = "; ".join(parts) + "."
    if not fitted:
        text += " No line, because the coefficients have no finite estimate."
    if others and fitted:
        held = ", ".join(harmless(in_sentence(regression.title_of(n)), 60) for n in others)
        text += f" Fixed on the line: {held}."
    return text
