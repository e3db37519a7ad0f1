"""The figures of heterogeneity, each with its interval on a scale of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib.lines import Line2D

from metanet.figures import style
from metanet.figures.label_places import LETTER, panel_size
from metanet.figures.number_axis import finite, number_axis
from metanet.figures.text import BASELINE, Label, Side, wrap
from metanet.models.display import count, number, p_value, per_cent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from metanet.diagnostics.share_beyond import ShareBeyond
    from metanet.models.results import Pooled

#: Room for the texts at both ends of a scale, in text sizes.
_LEFT, _RIGHT = 2.4, 3.8
#: From the end of a scale to its text: a dot or an arrow may stand on the end.
_BESIDE = 0.75
_SCALES = {
    "PLO": "logit",
    "PLN": "log",
    "PR": "raw",
    "PAS": "arcsine",
    "PFT": "Freeman-Tukey",
    "IRLN": "log",
    "IRS": "root",
}


@dataclass(frozen=True)
class Figure:
    """One figure in words; with a `scale` (its ends) it is also drawn: value, lower, upper (infinite ends are arrows)."""

    label: str
    text: str
    scale: tuple[float, float] | None = None
    value: float = math.nan
    lower: float = math.nan
    upper: float = math.nan
    ends: tuple[str, str] = ("", "")


def figures_of(fit: Pooled, shares: Sequence[ShareBeyond]) -> list[Figure]:
    """What the result has of tau, rho, I2, H2, the test, and shares beyond thresholds, in the order of their use."""
    out: list[Figure] = []
    if fit.tau is not None:
        root = [math.nan if v is None else math.sqrt(v) for v in (fit.tau2, fit.tau2_lower, fit.tau2_upper)]
        out.append(_scaled(f"Spread τ{_scale_words(fit)}", root, 0.0))
    if fit.rho is not None:
        values = [math.nan if v is None else v for v in (fit.rho, fit.rho_lower, fit.rho_upper)]
        out.append(_bounded("Intraclass correlation ρ", values, 1.0, lambda v: number(v, 3), ""))
    for share in shares:
        if share.above is None:
            continue
        label = f"Settings above {per_cent(share.threshold)} %"
        values = [math.nan if v is None else v for v in (share.above, share.lower, share.upper)]
        out.append(_bounded(label, values, 100.0, lambda v: per_cent(v, 0), " %"))
    if fit.i2 is not None:
        values = [math.nan if v is None else v for v in (fit.i2, fit.i2_lower, fit.i2_upper)]
        out.append(_bounded("I²", values, 100.0, per_cent, " %"))
    if fit.h2 is not None:
        values = [math.nan if v is None else v for v in (fit.h2, fit.h2_lower, fit.h2_upper)]
        out.append(_scaled("H²", values, 1.0))
    what = "Equal rates?" if fit.response.startswith("rate") and fit.lrt is not None else "Equal effects?"
    df = "" if fit.q_df is None else f" on {count(fit.q_df)} df"
    if fit.lrt is not None:
        out.append(Figure(what, f"likelihood ratio {number(fit.lrt)}{df}, {p_value(fit.lrt_pvalue)}"))
    elif fit.q is not None:
        out.append(Figure(what, f"Q {number(fit.q)}{df}, {p_value(fit.q_pvalue)}"))
    return out


def _scale_words(fit: Pooled) -> str:
    if fit.model == "beta_binomial":
        return " (SD of the logits)"
    word = fit.method["link"] or _SCALES.get(fit.measure) or ("log" if fit.response == "ratio" else "")
    return f" ({word} scale)" if word else ""


def _scaled(label: str, values: Sequence[float], start: float) -> Figure:
    """A figure without an upper bound: the scale ends at a round number beyond what is finite."""
    value, lower, upper = values
    known = finite(values)
    most = max([*known, start])
    if math.isinf(upper):
        # The bar ends in an arrow, with room beyond the estimate.
        most = start + 2 * (most - start)
    end = number_axis(start, most, pieces=4, least=start).upper if most > start + 1e-9 else start + 0.1
    bounds = "" if not math.isfinite(lower) or math.isnan(upper) else f" ({number(lower)} to {number(upper)})"
    return Figure(label, f"{number(value)}{bounds}", (start, end), value, lower, upper, (f"{start:g}", f"{end:g}"))


def _bounded(label: str, values: Sequence[float], full: float, show: Callable[[float], str], unit: str) -> Figure:
    """A share: the scale is all of it."""
    value, lower, upper = values
    bounds = "" if not (math.isfinite(lower) and math.isfinite(upper)) else f" ({show(lower)} to {show(upper)})"
    return Figure(label, f"{show(value)}{unit}{bounds}", (0.0, 1.0), value, lower, upper, ("0", f"{full:g}{unit}"))


def mini_axis(axes: Axes, figures: Sequence[Figure], s: float, row: float, beyond: float) -> None:
    """Draw the figures one under the other into a panel of `row` text sizes for each; x is a share of the panel's width.

    Words without a scale may run on `beyond` points to the right of the panel.
    """
    width, height = panel_size(axes)
    axes.set_axis_off()
    axes.set(xlim=(0.0, 1.0), ylim=(len(figures) * row, 0.0))
    start, stop = _LEFT * s / width, 1.0 - _RIGHT * s / width
    letter = LETTER * s
    for i, figure in enumerate(figures):
        y = (i + 0.5) * row
        if figure.scale is None:
            text = wrap(figure.text, width + beyond, s, lines=1)
            axes.add_artist(_text(axes, 0.0, y, text, s, height, row * len(figures), "left", style.INK))
            continue
        low, high = figure.scale
        value, lower, upper = (
            start + (stop - start) * min(1.0, max(0.0, (v - low) / (high - low))) if not math.isnan(v) else math.nan
            for v in (figure.value, figure.lower, figure.upper)
        )
        axes.plot((start, stop), (y, y), color=style.FAINT, linewidth=0.8, zorder=1, label="_scale")
        for at in (start, stop):
            axes.plot((at, at), (y - 0.22, y + 0.22), color=style.FAINT, linewidth=0.8, zorder=1, label="_scale")
        outside: tuple[tuple[str, float, Side], ...] = (
            (figure.ends[0], start - _BESIDE * s / width, "right"),
            (figure.ends[1], stop + _BESIDE * s / width, "left"),
        )
        for text, x, side in outside:
            axes.add_artist(_text(axes, x, y, text, letter, height, row * len(figures), side, style.SOFT))
        if not math.isnan(figure.lower) and not math.isnan(figure.upper):
            (bar,) = axes.plot(
                (lower, upper), (y, y), color=style.SQUARE, linewidth=2.4, zorder=2, label="_figure interval"
            )
            bar.set_solid_capstyle("butt")
            if figure.upper > high:
                arrow = Line2D([stop], [y], marker=">", markersize=0.7 * s, color=style.SQUARE, linestyle="none")
                arrow.set(clip_on=False, markeredgewidth=0, zorder=2.5, label="_figure arrow")
                axes.add_line(arrow)
        if math.isfinite(figure.value):
            dot = Line2D([value], [y], marker="o", markersize=0.6 * s, color=style.SQUARE, linestyle="none")
            dot.set(clip_on=False, markeredgecolor="white", markeredgewidth=0.7, zorder=3, label="_figure")
            axes.add_line(dot)


def _text(
    axes: Axes, x: float, y: float, text: str, letter: float, height: float, tall: float, side: Side, colour: str
) -> Label:
    return Label(
        x, 1.0 - y / tall - BASELINE * letter / height, text, size=letter, color=colour, horizontalalignment=side,
        transform=axes.transAxes, zorder=4, label="_figure words",
    )  # fmt: skip
