"""House styles of forest plots: order of the columns, format of the numbers, colours of the marks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from metanet.base.arguments import checked
from metanet.base.errors import ArgumentError, check_choice
from metanet.figures.page import style
from metanet.figures.page.options import chosen, numbers, reworded

#: The place of the panel among the columns.
PANEL = "|"


@dataclass(frozen=True)
class ForestPreset:
    """A house style; `dataclasses.replace` derives a new one.

    Attributes
    ----------
    columns, columns_two_groups
        Columns from left to right for one and for two groups; "|" is the place of the panel. Without it the panel is before
        the first of "rate" and "weight".
    headings
        Headings by column ("study" is the first one), instead of the ordinary ones.
    interval
        The signs before, between and after the limits of an interval.
    decimal
        The decimal sign of the numbers on the figure.
    per_cent_sign
        How the sign follows a number in the text of the figure: " %" or "%".
    summary
        The label of the summary row, where "{level}" is the level of the interval and "{kind}" what it is called (CI or CrI); None
        takes a label that names the average.
    heterogeneity
        "sentence": tau, I2 and the test as a sentence; "list": Tau², Chi², df, P and I² as in RevMan; "interval": the same with
        the estimator and the interval of Tau², as in the Cochrane Library; "symbols": τ², χ², df, P and I² as in journals.
    p_zero, p_letter, p_places
        Whether a p-value has a zero before its decimal sign, its letter, and whether it is rounded to 2 decimals from 0.01 on.
    spaced
        Whether spaces stand around "=", "<" and ">".
    groups
        What the treated and the control group are called where the data have no names for them.
    effect_head
        Whether the column of effects of two groups has the measure over the method: "Odds ratio" over "IV, Random, 95 % CI".
    overall_test
        Whether the test of no effect stands in the notes, and the events of both groups in a row of their own.
    favours
        What the sides of the axis of two groups are called, with "{group}" for the group; None leaves it to the title of the axis.
    square, diamond, prediction
        Colours of the studies, of the estimates and of prediction intervals.
    """

    columns: tuple[str, ...] = ("events/total", PANEL, "rate", "weight")
    columns_two_groups: tuple[str, ...] = ("events/total", "events_control/total_control", PANEL, "rate", "weight")
    headings: Mapping[str, str] = field(default_factory=dict)
    interval: tuple[str, str, str] = ("(", " to ", ")")
    decimal: str = "."
    per_cent_sign: str = " %"
    summary: str | None = None
    heterogeneity: str = "sentence"
    p_zero: bool = True
    p_letter: str = "p"
    p_places: int = 3
    spaced: bool = True
    groups: tuple[str, str] = ("Treated", "Control")
    effect_head: bool = False
    overall_test: bool = False
    favours: str | None = None
    square: str = style.SQUARE
    diamond: str = style.DIAMOND
    prediction: str = style.PREDICTION

    @checked()
    def limits(self, lower: str, upper: str) -> str:
        """Two limits as they stand behind an estimate."""
        opening, between, closing = self.interval
        # A dash next to a minus sign is illegible.
        between = " to " if " " not in between and "−" in lower + upper else reworded(between)
        return f"{opening}{lower}{between}{upper}{closing}"

    @checked()
    def written(self, text: str) -> str:
        """A text of the figure in this style: per cent signs, decimal signs, p-values."""
        if self.per_cent_sign != " %":
            text = re.sub(r"(?<=[\d∞]) %", self.per_cent_sign, text)
        if self.p_places == 2:
            text = _P.sub(lambda found: f"p = {_rounded(found[1])}", text)
        if not self.p_zero:
            text = re.sub(r"\b([pP] [=<>]) 0\.", r"\1 .", text)
        if self.p_letter != "p":
            text = re.sub(r"\bp (?=[=<>])", f"{self.p_letter} ", text)
        if not self.spaced:
            text = re.sub(r"(?<=\S) ([=<>]) (?=\S)", r"\1", text)
        return numbers(reworded(text), self.sign)

    @property
    def sign(self) -> str:
        """The decimal sign: that of the style, unless another was chosen for all figures."""
        return self.decimal if self.decimal != "." else chosen().decimal or "."


_P = re.compile(r"\bp = (0\.\d+)")


def _rounded(p: str) -> str:
    """A p-value in 2 decimals from 0.01 on, unless that would take it over 0.05."""
    value = float(p)
    return p if value < 0.01 or 0.045 <= value < 0.05 else f"{value:.2f}"


#: RevMan's and the Cochrane Library's, which differ in brackets and in what is told of the heterogeneity.
_REVMAN = ForestPreset(
    columns=("events", "total", "weight", "rate", PANEL),
    columns_two_groups=("events", "total", "events_control", "total_control", "weight", "rate", PANEL),
    headings={"study": "Study or Subgroup"},
    interval=("[", ", ", "]"),
    per_cent_sign="%",
    summary="Total ({level} {kind})",
    heterogeneity="list",
    p_letter="P",
    p_places=2,
    groups=("Experimental", "Control"),
    effect_head=True,
    overall_test=True,
    favours="Favours [{group}]",
    square="#1F4E9E",
    diamond=style.INK,
    prediction=style.SOFT,
)
FOREST_PRESETS: Mapping[str, ForestPreset] = {
    "metanet": ForestPreset(),
    "revman": _REVMAN,
    "cochrane": replace(
        _REVMAN,
        headings={"study": "Study or subgroup"},
        interval=("[", " , ", "]"),
        heterogeneity="interval",
        favours="Favours {group}",
        square="#1B75BB",
    ),
    "jama": ForestPreset(
        columns=("events/total", "rate", PANEL, "weight"),
        columns_two_groups=("events/total", "events_control/total_control", "rate", PANEL, "weight"),
        headings={"study": "Source", "weight": "Weight, %"},
        interval=("(", "–", ")"),
        per_cent_sign="%",
        summary="Overall ({level} {kind})",
        heterogeneity="symbols",
        p_zero=False,
        p_letter="P",
        p_places=2,
        groups=("Treatment", "Control"),
        favours="Favors {group}",
        square="#003A5D",
        diamond="#E69F00",
        prediction="#8C6000",
    ),
    "lancet": ForestPreset(
        columns=("events/total", PANEL, "rate", "weight"),
        headings={"study": "Study", "events/total": "Events/patients", "events_control/total_control": "Events/patients"},
        interval=("(", "–", ")"),
        decimal="·",
        per_cent_sign="%",
        summary="Overall ({level} {kind})",
        heterogeneity="symbols",
        p_places=2,
        spaced=False,
        groups=("Treatment", "Control"),
        favours="Favours {group}",
        square=style.INK,
        diamond="#56B4E9",
        prediction="#0072B2",
    ),
    "bmj": ForestPreset(
        columns=("events/total", PANEL, "weight", "rate"),
        columns_two_groups=("events/total", "events_control/total_control", PANEL, "weight", "rate"),
        headings={"events/total": "No of events/total", "events_control/total_control": "No of events/total", "weight": "Weight (%)"},
        per_cent_sign="%",
        summary="Total ({level} {kind})",
        heterogeneity="symbols",
        p_letter="P",
        p_places=2,
        spaced=False,
        groups=("Treatment", "Control"),
        favours="Favours {group}",
        square="#2A6EBB",
        diamond="#2A6EBB",
        prediction=style.SOFT,
    ),
}


def preset_of(value: object) -> ForestPreset:
    """The style by name, or as it was given."""
    if isinstance(value, ForestPreset):
        _check(value)
        return value
    return FOREST_PRESETS[check_choice("preset", value, tuple(FOREST_PRESETS))]


def _check(preset: ForestPreset) -> None:
    import matplotlib.colors

    if len(preset.interval) != 3 or not all(isinstance(part, str) for part in preset.interval):
        raise ArgumentError(f"preset has interval={preset.interval!r}; it needs three texts, such as ('(', ' to ', ')').")
    check_choice("preset.heterogeneity", preset.heterogeneity, ("sentence", "list", "interval", "symbols"))
    for name in ("square", "diamond", "prediction"):
        colour = getattr(preset, name)
        if not matplotlib.colors.is_color_like(colour):
            raise ArgumentError(f"preset has {name}={colour!r}, which is not a colour. Fix: a name or '#0072B2'.")
