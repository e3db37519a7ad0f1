"""Distribution of the true rates: the studies, the estimated distribution, and the heterogeneity statistics."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D

from metanet.base.arrays import Array
from metanet.base.display import ABSENT, RATE, level_text, number, per_cent, plural, sentence_case
from metanet.base.errors import ArgumentError, check_choice
from metanet.diagnostics.spread.heterogeneity import _certainty, _spread, heterogeneity_text
from metanet.diagnostics.spread.heterogeneity_report import HeterogeneityReport
from metanet.diagnostics.spread.share_beyond import AUTO, ShareBeyond, shares_beyond, telling_thresholds
from metanet.figures.forest.captions import heterogeneity, no_prediction, summary_label
from metanet.figures.page import style
from metanet.figures.page.axis import finite, number_axis
from metanet.figures.page.canvas import wanted_width
from metanet.figures.page.label_places import LETTER, panel_size
from metanet.figures.page.page import MARGIN, Page, axis_name, depth, dress, page, saying, set_axis
from metanet.figures.page.save import describe
from metanet.figures.page.scale import scale_of, value_column
from metanet.figures.page.subject import alternative_of, subject_of_fit
from metanet.figures.page.text import BASELINE, LINE, Label, Side, harmless, width_of, wrap
from metanet.figures.plots.true_values import Sight, TrueValues, axis_of, draw_panel, true_values
from metanet.figures.registry import chart
from metanet.models.results.pooled import Pooled

if TYPE_CHECKING:
    from matplotlib.axes import Axes


#: Room for the texts at both ends of a scale, in text sizes.
_LEFT, _RIGHT = 2.4, 3.8
#: From the end of a scale to its text: a dot or an arrow may stand on the end.
_BESIDE = 0.75
_SCALES = {"PLO": "logit", "PLN": "log", "PR": "raw", "PAS": "arcsine", "PFT": "Freeman-Tukey", "IRLN": "log", "IRS": "root"}


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
        label = f"Settings above {RATE.exact(share.threshold)}"
        values = [math.nan if v is None else v for v in (share.above, share.lower, share.upper)]
        out.append(_bounded(label, values, 100.0, lambda v: per_cent(v, 0), " %"))
    if fit.i2 is not None:
        values = [math.nan if v is None else v for v in (fit.i2, fit.i2_lower, fit.i2_upper)]
        out.append(_bounded("I²", values, 100.0, per_cent, " %"))
    if fit.h2 is not None:
        values = [math.nan if v is None else v for v in (fit.h2, fit.h2_lower, fit.h2_upper)]
        out.append(_scaled("H²", values, 1.0))
    if fit.test is not None:
        out.append(Figure(f"{sentence_case(fit.test.null)}?", fit.test.text()))
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
            text = wrap(figure.text, width + beyond, s, lines=2 if row >= 2 * LINE else 1)
            lift = y + text.count("\n") * LINE / 2
            axes.add_artist(_text(axes, 0.0, lift, text, s, height, row * len(figures), "left", style.INK))
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
            (bar,) = axes.plot((lower, upper), (y, y), color=style.SQUARE, linewidth=2.4, zorder=2, label="_figure interval")
            bar.set_solid_capstyle("butt")
            if figure.upper > high:
                arrow = Line2D([stop], [y], marker=">", markersize=0.7 * s, color=style.SQUARE, linestyle="none")
                arrow.set(clip_on=False, markeredgewidth=0, zorder=2.5, label="_figure arrow")
                axes.add_line(arrow)
        if math.isfinite(figure.value):
            dot = Line2D([value], [y], marker="o", markersize=0.6 * s, color=style.SQUARE, linestyle="none")
            dot.set(clip_on=False, markeredgecolor="white", markeredgewidth=0.7, zorder=3, label="_figure")
            axes.add_line(dot)


def _text(axes: Axes, x: float, y: float, text: str, letter: float, height: float, tall: float, side: Side, colour: str) -> Label:
    return Label(
        x, 1.0 - y / tall - BASELINE * letter / height, text, size=letter, color=colour, horizontalalignment=side,
        transform=axes.transAxes, zorder=4, label="_figure words",
    )  # fmt: skip


#: In text sizes: widest label, width of the panels and the least, widest words on the right, between the columns.
_LABEL, _PANEL, _LEAST_PANEL, _WORDS, _GAP = 16.5, 27.0, 11.0, 14.5, 0.9
#: So much wider than a column a figure may be before its texts wrap: its letters then shrink to 6 points.
_SHRINKS = 1.27
#: Heights in text sizes: distribution, a row, between the panels; a study's share of its block, and the least and largest block.
_TALL, _ROW, _APART, _STUDY, _BLOCK = 7.0, 2.1, 1.0, 0.75, (2.9, 20.0)


@chart(
    "heterogeneity",
    title="Distribution of the true rates",
    takes=(Pooled, HeterogeneityReport),
    makers=("pool", "heterogeneity_report"),
)
def heterogeneity_plot(
    fit_or_report: Pooled | HeterogeneityReport,
    *,
    thresholds: Sequence[float] | str = (),
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw the distribution of the true rates (or effects).

    Parameters
    ----------
    fit_or_report
        A pooled result of any model, or a `heterogeneity_report`, whose thresholds are shown too.
    thresholds
        Rates (fractions): the share of true rates above each. For proportions on the logit scale only. "auto" takes up to three round
        rates between which the true rates lie.
    ax
        Axes to draw into, which become the upper panel; None makes a figure.
    title
        A heading.

    Returns
    -------
    Axes
        Above: the fitted distribution of the true values (its middle half darker), the pooled value with its interval, the
        prediction interval, and every study with its interval, by value. Below: tau, I2, H2, the test of equal rates and
        shares beyond thresholds, each with its interval on a separate scale. A text replaces values that do not exist.

    Raises
    ------
    ArgumentError
        Not a pooled result or its report; a threshold that is not a rate.

    Examples
    --------
    >>> ax = fit.spread(thresholds=[0.3])
    """
    fit, shares = _read(fit_or_report, thresholds)
    if fit.status == "not pooled":
        return saying(ax, "Heterogeneity", title, _words(fit))
    frame = fit.studies
    own = np.column_stack([frame[n].to_numpy(dtype=float) for n in (value_column(frame.columns), "ci_lower", "ci_upper")])
    known = own[np.isfinite(own).all(1)] if fit.response != "ratio" else own[(own[:, 0] > 0) & np.isfinite(own[:, 0])]
    sight = _sight(fit)
    spread = true_values(fit)
    places = sight.place(known[np.argsort(known[:, 0], kind="stable")])
    unit = style.TEXT_SIZE
    figures = figures_of(fit, shares)
    rows = _upper(fit, sight, spread, len(known))
    column = None if ax is not None else wanted_width()
    for label_wide, words_wide, panel in ((_LABEL, _WORDS, _LEAST_PANEL), (12.0, 11.0, 10.0), (9.5, 8.5, 9.5)):
        labels = _wrapped([*(r[0] for r in rows), *(f.label for f in figures)], label_wide * unit, unit)
        words = _wrapped([*(r[1] for r in rows), *(f.text if f.scale else "" for f in figures)], words_wide * unit, unit)
        left = MARGIN * unit + max(_widest(text, unit) for text in labels) + _GAP * unit
        right = _GAP * unit + max(_widest(text, unit) for text in words) + MARGIN * unit
        if column is None or left + panel * unit + right <= column * _SHRINKS:
            break
    lines = [1 + max(a.count("\n"), b.count("\n")) for a, b in zip(labels, words, strict=True)]
    row = max(_ROW, 0.6 + LINE * max(lines[1], lines[2], *lines[4:], 1))
    flexible = (_TALL, max(_BLOCK[0], 0.6 + LINE * lines[3], min(_BLOCK[1], _STUDY * len(known))))
    deep = axis_name(sight.name, panel * unit, unit).count("\n")
    under = depth(("0",), unit, across=False) / unit + 1.6 + deep * LINE + _APART
    fixed = 2 * row + under + row * len(figures) + 0.5
    width, height = left + _PANEL * unit + right, (sum(flexible) + fixed) * unit
    least = (left + panel * unit + right, height)
    reasons = dict.fromkeys(str(share.reason) for share in shares if share.above is None)
    notes = [
        _legend(fit, spread, len(frame) - len(known), bool(shares)),
        _meaning(fit),
        *reasons,
        harmless(fit.method.sentence(), 2000),
    ]
    with page(ax, width=width, height=height, least=least, title=title, notes=notes) as sheet:
        s = sheet.size
        share = s / unit
        stretch = max(1.0, (sheet.height / s - fixed) / sum(flexible))
        heights = (flexible[0] * stretch, row, row, flexible[1] * stretch)
        across = max(1.0, sheet.width - (left + right) * share)
        tall = sum(heights) * s
        floor = max(0.0, sheet.height - tall - 0.2 * s)
        axes = sheet.panel(left * share, floor, across, tall)
        axis = axis_of(places, fit, sight, spread, shares, across, s)
        dress(axes, s, ("bottom",))
        set_axis(axes, "x", axis, s, sight.name)
        axes.set_ylim(sum(heights), 0.0)
        draw_panel(axes, fit, sight, spread, axis, places, heights, shares, s)
        middles = [sum(heights[:i]) + heights[i] / 2 for i in range(4)]
        _column(axes, sheet, labels[:4], words[:4], [floor + tall - m * s for m in middles], left * share, across)
        high = row * len(figures) * s
        if figures:
            lower = sheet.panel(left * share, max(0.0, floor - under * s - high), across, high)
            mini_axis(lower, figures, s, row, right * share - MARGIN * s)
            at = [floor - under * s - (i + 0.5) * row * s for i in range(len(figures))]
            _column(axes, sheet, labels[4:], words[4:], at, left * share, across)
    told = [f"{figure.label} {figure.text}" for figure in figures if figure.scale][:2]
    alt = alternative_of(
        "Distribution of the true rates" if sight.scale.is_rate else "Distribution of the true effects",
        subject_of_fit(fit),
        fit,
        *told,
    )
    describe(
        axes, harmless(title, 300) if title else "Heterogeneity", _alternative(fit, sight, known, rows, figures), alt, axis=sight.name
    )
    return axes


def _read(value: object, thresholds: Sequence[float] | str) -> tuple[Pooled, tuple[ShareBeyond, ...]]:
    """The result and the shares beyond thresholds, those of a report first."""
    if isinstance(value, HeterogeneityReport):
        fit, shares = value.fit, value.shares
    elif isinstance(value, Pooled):
        fit, shares = value, ()
    else:
        raise ArgumentError(f"fit_or_report must be a result of pool or heterogeneity_report, not {type(value).__name__}.")
    if isinstance(thresholds, str):
        check_choice("thresholds", thresholds, (AUTO,))
        thresholds = telling_thresholds(fit)
    more = [thresholds] if isinstance(thresholds, (int, float)) else list(thresholds)
    if not more:
        return fit, shares
    if fit.response != "rate":
        raise ArgumentError("thresholds apply to results of rates only. Fix: leave them out.")
    return fit, (*shares, *shares_beyond(fit, more))


def _sight(fit: Pooled) -> Sight:
    scale = scale_of(fit.response, "cent", fit.estimate)
    if scale.is_rate:
        return Sight(scale, False, subject_of_fit(fit).axis(fit.response))
    log = fit.response == "ratio"
    return Sight(scale, log, subject_of_fit(fit).axis(fit.response, fit.measure, log=log))


def _plural(fit: Pooled) -> str:
    return {"rate": "rates", "rate per person-time": "rates", "ratio": "ratios", "difference": "differences"}.get(
        fit.response, "effects"
    )


def _words(fit: Pooled) -> str:
    if fit.response == "rate":
        return harmless(heterogeneity_text(fit), 2000)
    line = heterogeneity(fit)
    return harmless(f"{fit.sentence()} {line}." if line else fit.sentence(), 2000)


def _meaning(fit: Pooled) -> str:
    """The text on heterogeneity, without the statistics of the lower panel."""
    if fit.response != "rate":
        return harmless(fit.sentence(), 1500)
    if fit.status != "pooled" or (fit.edge and fit.model == "bayes"):
        return _words(fit)
    known = (
        ""
        if fit.i2 is None
        else "I² is the share of the variation not due to sampling error; it does not measure the differences between rates."
    )
    return harmless(" ".join(part for part in (_spread(fit), _certainty(fit), known) if part), 2000)


def _upper(fit: Pooled, sight: Sight, spread: TrueValues | None, studies: int) -> list[tuple[str, str]]:
    """Labels and words of the four rows of the upper panel."""
    many = _plural(fit)
    if spread is not None:
        ends = spread.quantile(np.array([0.25, 0.75]))
        told = f"Middle half of the\ntrue {many}: {sight.show(*(float(v) for v in ends))}"
    elif fit.status != "pooled":
        told = "No distribution can be estimated"
    elif fit.tau is None:
        told = f"The model has one {many[:-1]} for all"
    else:
        told = f"Estimated heterogeneity of zero: one {many[:-1]} for all"
    estimate = ABSENT
    if fit.estimate is not None:
        estimate = sight.show(fit.estimate)
        if fit.ci_lower is not None and fit.ci_upper is not None:
            estimate += f" ({sight.show(fit.ci_lower, fit.ci_upper).removesuffix(' %')})"
    if fit.pi_lower is not None and fit.pi_upper is not None:
        predicted = sight.show(fit.pi_lower, fit.pi_upper)
    else:
        predicted = (no_prediction(fit) or ABSENT).removeprefix("Prediction interval: ")
        predicted = f"{predicted[0].upper()}{predicted[1:]}"
    frame = fit.studies
    values = finite(frame[value_column(frame.columns)].to_numpy(dtype=float))
    reach = sight.show(*sorted({min(values), max(values)})) if values else ABSENT
    level = level_text(fit.level)
    return [
        (f"Estimated distribution of the true {many}" if spread is not None else f"True {many}", told),
        (summary_label(fit), estimate),
        (f"{level} prediction interval", predicted),
        (f"{plural(studies, 'study', 'studies')},\neach with its {level} interval", reach),
    ]


def _wrapped(texts: Sequence[str], width: float, size: float) -> list[str]:
    """Each text within `width` points; lines that are parted already stay so."""
    return ["\n".join(wrap(line, width, size, lines=3) for line in text.split("\n")) for text in texts]


def _widest(text: str, size: float) -> float:
    return max(width_of(line, size) for line in text.split("\n")) * 1.02


def _column(
    axes: Axes, sheet: Page, labels: Sequence[str], words: Sequence[str], at: Sequence[float], left: float, across: float
) -> None:
    """Labels on the left and words on the right of rows whose middles stand `at` (points above the area)."""
    s = sheet.size
    for label, text, y in zip(labels, words, at, strict=True):
        for shown, x in ((label, sheet.left + MARGIN * s), (text, sheet.left + left + across + _GAP * s)):
            if shown:
                drop = (BASELINE + shown.count("\n") * LINE / 2) * s
                sheet.write(axes, shown, x, sheet.bottom + y - drop, size=s, label="_words")


def _legend(fit: Pooled, spread: TrueValues | None, absent: int, thresholds: bool) -> str:
    parts = []
    if spread is not None:
        parts.append("Blue area: fitted distribution of the true values, its middle half darker")
    if fit.estimate is not None:
        parts.append(f"diamond and dashed line: pooled value with its {level_text(fit.level)} interval")
    if fit.pi_lower is not None:
        parts.append("bar and grey background: prediction interval")
    parts.append("thin lines: studies by value")
    if thresholds:
        parts.append("dotted: thresholds")
    text = "; ".join(parts)
    text = f"{text[0].upper()}{text[1:]}."
    if spread is not None and spread.beyond > 0.005:
        text += f" The model places {per_cent(spread.beyond)} % of the distribution outside the possible rates (not drawn)."
    if absent:
        text += f" Not drawn, because there is no estimable effect: {plural(absent, 'study', 'studies')}."
    return text


def _alternative(fit: Pooled, sight: Sight, known: Array, rows: Sequence[tuple[str, str]], figures: Sequence[Figure]) -> str:
    told = "; ".join(f"{' '.join(label.split())}: {' '.join(text.split())}" for label, text in rows)
    more = "; ".join(f"{figure.label}: {figure.text}" for figure in figures)
    text = f"Heterogeneity of {plural(len(known), 'study', 'studies')}. {told}. {more}."
    return harmless(f"{text} {_words(fit)}", 4000)
