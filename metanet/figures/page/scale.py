"""The scale of a figure: format and axis position of a fraction or an effect."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from metanet.base import display
from metanet.effects.measures import MEASURES

if TYPE_CHECKING:
    from metanet.models.results.pooled import Pooled


Row = tuple[float | None, float | None, float | None]


@dataclass(frozen=True)
class Scale:
    """How the values of a figure are written (`written`, with `digits` decimals), and whether its axis is logarithmic."""

    written: display.Scale
    digits: int
    log: bool = False

    @property
    def factor(self) -> float:
        """What turns a value into its place on the axis."""
        return self.written.factor

    @property
    def unit(self) -> str:
        """The unit of printed values; empty for ratios and effects."""
        return self.written.unit

    @property
    def decimal(self) -> str:
        """The decimal sign."""
        return self.written.decimal

    @property
    def is_rate(self) -> bool:
        """Whether values are fractions between 0 and 1."""
        return self.written.is_rate

    @property
    def no_effect(self) -> float | None:
        """The value of no difference between two groups; None where there is none."""
        return self.written.null

    @property
    def name(self) -> str:
        """What the axis shows: "Rate, %", "Rate per 1,000", "Odds ratio", "Effect"."""
        return self.written.name

    def with_decimal(self, sign: str) -> Scale:
        """The same scale with another decimal sign."""
        return replace(self, written=replace(self.written, decimal=sign))

    def place(self, value: float) -> float:
        """Where `value` stands on the axis."""
        return self.written.place(value)

    def show(self, value: float | None) -> str:
        """`value` without its unit."""
        return self.written.text(value, self.digits)

    def shown(self, value: float | None) -> str:
        """`value` with its unit."""
        return self.written.value(value, self.digits)

    def heading(self, level: float, kind: str = "CI") -> str:
        """The heading of the column of numbers: "Rate, % (95 % CI)"; `kind` is what their intervals are called."""
        return self.written.heading(level, kind)


def scale_of(response: str, per: object = "cent", estimate: float | None = None) -> Scale:
    """The scale of a response, with the decimals of `estimate`."""
    written = display.scale_of(response, per)
    return Scale(written, written.digits(estimate))


def effect_scale(response: str, measure: str, per: object = "cent", rows: Iterable[Row] = ()) -> Scale:
    """The scale with the name of the measure, and decimals for all `rows`; ratios have a logarithmic axis."""
    title = None
    if measure in MEASURES and not response.startswith("rate"):
        title = display.sentence_case(MEASURES[measure].title)
    written = display.scale_of(response, per, title)
    return Scale(written, written.column(rows), log=response == "ratio")


def rows_of(*fits: Pooled) -> list[Row]:
    """Estimates with intervals, of the fits and of their studies: what a table of them prints."""
    rows: list[Row] = [(fit.estimate, fit.ci_lower, fit.ci_upper) for fit in fits]
    for fit in fits:
        frame = fit.studies
        columns = [value_column(frame.columns), "ci_lower", "ci_upper"]
        rows += frame[columns].astype(float).itertuples(index=False, name=None)
    return rows


def response_name(fit: Pooled) -> str:
    """What an axis of responses shows: "Rate, %", or the measure, such as "Odds ratio"."""
    return effect_scale(fit.response, fit.measure).name


def is_rate(fit: Pooled) -> bool:
    """Whether the result is a pooled proportion."""
    return fit.response == "rate"


def value_column(names: Collection[Any]) -> str:
    """The column of the studies' own values among the columns of a frame of studies."""
    return next(name for name in ("rate", "effect", "yi") if name in names)
