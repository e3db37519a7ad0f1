"""House styles of forest plots: order of the columns, format of the numbers, colours of the marks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

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
        "sentence": tau, I2 and the test as a sentence; "list": Tau², Chi², df, P and I² as in Cochrane reviews.
    p_zero
        Whether a p-value has a zero before its decimal sign.
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
        if not self.p_zero:
            text = re.sub(r"\b([pP] [=<>]) 0\.", r"\1 .", text)
        return numbers(reworded(text), self.sign)

    @property
    def sign(self) -> str:
        """The decimal sign: that of the style, unless another was chosen for all figures."""
        return self.decimal if self.decimal != "." else chosen().decimal or "."


FOREST_PRESETS: Mapping[str, ForestPreset] = {
    "metanet": ForestPreset(),
    "revman": ForestPreset(
        columns=("events", "total", "weight", "rate", PANEL),
        columns_two_groups=("events", "total", "events_control", "total_control", "weight", "rate", PANEL),
        headings={"study": "Study or Subgroup"},
        interval=("[", ", ", "]"),
        per_cent_sign="%",
        summary="Total ({level} {kind})",
        heterogeneity="list",
        diamond=style.INK,
        prediction=style.SOFT,
    ),
    "jama": ForestPreset(
        columns=("events", "total", "rate", PANEL, "weight"),
        columns_two_groups=("events/total", "events_control/total_control", "rate", PANEL, "weight"),
        headings={"study": "Source", "events": "No. of events", "total": "No. of patients", "weight": "Weight, %"},
        interval=("(", "-", ")"),
        per_cent_sign="%",
        summary="Overall ({level} {kind})",
        p_zero=False,
        square="#003A5D",
        diamond="#E69F00",
        prediction="#8C6000",
    ),
    "lancet": ForestPreset(
        columns=("events/total", PANEL, "rate", "weight"),
        headings={"study": "", "events/total": "Events/patients"},
        interval=("(", "–", ")"),
        decimal="·",
        per_cent_sign="%",
        summary="Overall ({level} {kind})",
        square=style.INK,
        diamond="#56B4E9",
        prediction="#0072B2",
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
    check_choice("preset.heterogeneity", preset.heterogeneity, ("sentence", "list"))
    for name in ("square", "diamond", "prediction"):
        colour = getattr(preset, name)
        if not matplotlib.colors.is_color_like(colour):
            raise ArgumentError(f"preset has {name}={colour!r}, which is not a colour. Fix: a name or '#0072B2'.")
