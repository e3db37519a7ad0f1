"""The scale of a figure: how a fraction or an effect is written and where it stands on the axis."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from metanet.base import display
from metanet.base.errors import check_choice
from metanet.effects.measures import MEASURES

if TYPE_CHECKING:
    from metanet.models.results.pooled import Pooled


_PER = {
    "cent": (100.0, "%"),
    "hundred": (100.0, "per 100"),
    "thousand": (1e3, "per 1,000"),
    "ten thousand": (1e4, "per 10,000"),
    "hundred thousand": (1e5, "per 100,000"),
}


@dataclass(frozen=True)
class Scale:
    """Rates per cent (or per thousand ...), or effects as they are.

    `factor` turns a value into its place on the axis; `unit` is empty for effects. `title` names an effect; `log` is for
    ratios, which are as far from 1 when they halve as when they double. `decimal` is the sign in printed numbers.
    """

    factor: float
    unit: str
    digits: int
    title: str = "Effect"
    log: bool = False
    decimal: str = "."

    @property
    def is_rate(self) -> bool:
        """Whether values are fractions between 0 and 1."""
        return bool(self.unit)

    def place(self, value: float) -> float:
        """Where `value` stands on the axis."""
        return value * self.factor

    def show(self, value: float | None) -> str:
        """`value` without its unit."""
        if self.is_rate:
            text = display.rate(value, self.factor, self.digits)
        else:
            text = (display.ratio if self.log else display.number)(value, self.digits)
        return text.replace(".", self.decimal)

    @property
    def no_effect(self) -> float | None:
        """The value of no difference between two groups; None where there is none."""
        return None if self.is_rate else 1.0 if self.log else 0.0

    @property
    def name(self) -> str:
        """What the axis shows: "Rate, %", "Rate per 1,000", "Odds ratio", "Effect"."""
        if not self.is_rate:
            return self.title
        return f"Rate, {self.unit}" if self.unit == "%" else f"Rate {self.unit}"

    def heading(self, level: float) -> str:
        """The heading of the column of numbers: "Rate, % (95 % CI)"."""
        return f"{self.name} ({display.level_text(level)} CI)"


def scale_of(response: str, per: object = "cent", estimate: float | None = None) -> Scale:
    """The scale for a response. Where one decimal would print the `estimate` as <0.1, it gets two digits of its own."""
    factor, unit = _PER[check_choice("per", per, tuple(_PER))]
    if response != "rate":
        return Scale(1.0, "", display.EFFECT_DIGITS)
    digits = 1
    if estimate is not None and 0 < estimate * factor < 0.1:
        digits = min(6, 1 - math.floor(math.log10(estimate * factor)))
    return Scale(factor, unit, digits)


def effect_scale(response: str, measure: str, per: object = "cent", estimate: float | None = None) -> Scale:
    """The scale with the name of the measure; ratios of two groups stand on a logarithmic axis, with two decimals at least."""
    scale = scale_of(response, per, estimate)
    if scale.is_rate or measure not in MEASURES:
        return scale
    if response == "rate per person-time":
        return replace(scale, title="Incidence rate", digits=display.effect_digits(estimate))
    title = MEASURES[measure].title
    title = f"{title[0].upper()}{title[1:]}"
    if response != "ratio":
        return replace(scale, title=title)
    return replace(scale, title=title, log=True, digits=max(2, display.effect_digits(estimate) - 1))


def response_name(fit: Pooled) -> str:
    """What an axis of responses shows: "Rate, %", or the measure, such as "Odds ratio"."""
    return effect_scale(fit.response, fit.measure).name


def is_rate(fit: Pooled) -> bool:
    """Whether the result is a pooled proportion."""
    return fit.response == "rate"


def value_column(names: Collection[Any]) -> str:
    """The column of the studies' own values among the columns of a frame of studies."""
    return next(name for name in ("rate", "effect", "yi") if name in names)
