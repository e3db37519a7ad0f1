"""How numbers are written: one formatter by scale, so that text, HTML, tables and figures print the same digits."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeGuard

from metanet.base.errors import ArgumentError, as_given, check_choice

#: The sign for a quantity that does not exist; the notes give the reason.
ABSENT = "–"
#: More decimals than this are never printed.
MOST_DIGITS = 8

Kind = Literal["rate", "rate per person-time", "ratio", "difference", "effect", "points"]

#: An interval of a rate, or of a difference of rates that includes zero, says nothing if it is wider than this share of the scale of
#: rates; one of a ratio that includes one, if its limits are more than this factor apart.
WIDE_SHARE, WIDE_FACTOR = 0.6, 20.0
#: The words beside such an interval.
TOO_WIDE = "too few data to tell"
#: Median and average rate part if they are more than this share of the scale apart, or more than this factor, of events or of
#: non-events, whichever are fewer.
PART_SHARE, PART_FACTOR = 0.05, 1.5
#: Which question each answers.
PARTED = (
    "Median and average differ: the median is the rate to expect in a typical study, the average the rate to expect among the "
    "patients of all such studies together."
)

#: What `per` may be: words, or the numbers themselves.
PER = {"cent": 100, "hundred": 100, "thousand": 1_000, "ten thousand": 10_000, "hundred thousand": 100_000}


def known(value: float | None) -> TypeGuard[float]:
    """Whether there is a number."""
    return value is not None and not math.isnan(value)


def parted(median: float | None, average: float | None) -> bool:
    """Whether a median and an average rate (fractions) are so far apart that a reader needs to know which answers what."""
    if not (known(median) and known(average)):
        return False
    first, second = (median, average) if median + average <= 1 else (1 - median, 1 - average)
    return abs(first - second) > PART_SHARE or max(first, second) > PART_FACTOR * min(first, second)


@dataclass(frozen=True)
class Scale:
    """How the values of one kind are written.

    Attributes
    ----------
    kind
        What the values are.
    factor
        What a value is multiplied by before it is printed: 100 for per cent.
    unit
        What follows a printed value: "%", "per 1,000", "points"; empty for ratios and effects.
    least
        The fewest decimals.
    title
        What an axis or a column of such values is called.
    decimal
        The decimal sign.
    """

    kind: Kind
    factor: float = 1.0
    unit: str = ""
    least: int = 3
    title: str = "Effect"
    decimal: str = "."

    @property
    def is_rate(self) -> bool:
        """Whether values are fractions between 0 and 1."""
        return self.kind == "rate"

    @property
    def is_positive(self) -> bool:
        """Whether no value is below zero."""
        return self.kind in ("rate", "rate per person-time", "ratio")

    @property
    def null(self) -> float | None:
        """The value of no difference between two groups; None where there is none."""
        return {"ratio": 1.0, "difference": 0.0, "effect": 0.0, "points": 0.0}.get(self.kind)

    def is_vague(self, lower: float | None, upper: float | None) -> bool:
        """Whether an interval is so wide that it says nothing: the one rule of texts, tables, figures and pages.

        Incidence rates, and effects without a scale of their own, have no such rule.
        """
        if not (known(lower) and known(upper)):
            return False
        if self.is_rate:
            return upper - lower > WIDE_SHARE
        if self.kind == "points":
            return upper - lower > WIDE_SHARE and lower <= 0 <= upper
        return self.kind == "ratio" and lower <= 1 <= upper and upper > WIDE_FACTOR * lower

    def vague_rule(self) -> str:
        """The rule of `is_vague` as what an interval does: "is wider than 60 points"."""
        return f"spans more than a factor of {WIDE_FACTOR:g}" if self.kind == "ratio" else f"is wider than {100 * WIDE_SHARE:g} points"

    def place(self, value: float) -> float:
        """Where `value` stands on an axis."""
        return value * self.factor

    def digits(self, value: float | None, lower: float | None = None, upper: float | None = None, significant: int = 2) -> int:
        """Decimals for an estimate and everything printed beside it.

        The fewest of this scale, or more: `significant` digits of the estimate (of its distance from 0 or 100 % for a rate), and so
        many that the two limits do not look equal.
        """
        wanted = [self.least]
        if value is not None and math.isfinite(value) and value != 0:
            size = abs(value * self.factor)
            if self.is_rate and value < 1:
                size = min(size, self.factor - size)
            if 0 < size < 10.0**-self.least:
                wanted.append(significant - 1 - math.floor(math.log10(size)))
        if lower is not None and upper is not None:
            width = (upper - lower) * self.factor
            if 0 < width < math.inf:
                wanted.append(math.ceil(significant - 2 - math.log10(width / 2)))
        return min(MOST_DIGITS, max(wanted))

    def column(self, rows: Iterable[tuple[float | None, float | None, float | None]]) -> int:
        """Decimals for a column of estimates with their limits: two significant digits of the first row, one of every other."""
        first, *others = [*rows] or [(None, None, None)]
        return max(self.digits(*first), *(self.digits(*row, significant=1) for row in others), self.least)

    def text(self, value: float | None, digits: int | None = None) -> str:
        """`value` without its unit; by itself it gets its own number of decimals.

        A rate that is not 0 (or 1) is never printed as 0 (or all), and nothing is printed with an exponent.
        """
        if value is None or math.isnan(value):
            return ABSENT
        digits = self.digits(value) if digits is None else digits
        if math.isinf(value):
            return "∞" if value > 0 else "−∞"
        shown = f"{self.factor * value:.{digits}f}"
        smallest = 10.0**-digits
        if self.kind == "ratio":
            shown = _ratio(value, digits)
        elif self.is_positive and value > 0 and float(shown) == 0:
            shown = f"<{smallest:.{digits}f}"
        elif self.is_rate and value < 1 and float(shown) == self.factor:
            shown = f">{self.factor - smallest:.{digits}f}"
        elif float(shown) == 0:
            shown = shown.lstrip("-")
        return shown.replace("-", "−").replace(".", self.decimal)

    def value(self, value: float | None, digits: int | None = None) -> str:
        """`value` with its unit."""
        return self._with_unit(self.text(value, digits))

    def limits(self, lower: float | None, upper: float | None, digits: int | None = None, *, unit: bool = True) -> str:
        """Two limits: "37.5 to 60.5 %"."""
        if not (known(lower) and known(upper)):
            return ABSENT
        digits = self.digits(None, lower, upper) if digits is None else digits
        shown = f"{self.text(lower, digits)} to {self.text(upper, digits)}"
        return self._with_unit(shown) if unit else shown

    def estimate(
        self, value: float | None, lower: float | None, upper: float | None, level: float, kind: str = "CI", digits: int | None = None
    ) -> str:
        """An estimate with its interval: "48.9 % (95 % CI 37.5 to 60.5 %)"; beside another one with the decimals of that."""
        if not known(value):
            return ABSENT
        digits = self.digits(value, lower, upper) if digits is None else digits
        if not (known(lower) and known(upper)):
            return f"{self.value(value, digits)} (no interval)"
        return f"{self.value(value, digits)} ({level_text(level)} {kind} {self.limits(lower, upper, digits)})"

    def exact(self, value: float) -> str:
        """A value that a person gave, such as a threshold, with all its digits and its unit."""
        return self._with_unit(f"{value * self.factor:.12g}".replace("-", "−").replace(".", self.decimal))

    def _with_unit(self, shown: str) -> str:
        return f"{shown} {self.unit}" if self.unit and shown != ABSENT else shown

    @property
    def name(self) -> str:
        """What an axis of such values shows: "Rate, %", "Rate per 1,000", "Odds ratio", "Effect"."""
        if not self.unit:
            return self.title
        return f"{self.title}, {self.unit}" if self.unit in ("%", "points") else f"{self.title} {self.unit}"

    def heading(self, level: float, kind: str = "CI") -> str:
        """The heading of a column of estimates with intervals: "Rate, % (95 % CI)"."""
        return f"{self.name} ({level_text(level)} {kind})"


RATE = Scale("rate", 100.0, "%", 1, "Rate")
#: Differences of rates, as fractions.
POINTS = Scale("points", 100.0, "points", 1, "Difference")
_SCALES: dict[str, Scale] = {
    "rate": RATE,
    "rate per person-time": Scale("rate per person-time", 1.0, "per unit of time", 3, "Incidence rate"),
    "ratio": Scale("ratio", least=2, title="Ratio"),
    "difference": Scale("difference", title="Difference"),
    "effect": Scale("effect"),
    "points": POINTS,
}


def check_per(per: object) -> int:
    """`per` as a number: 100, 1,000, 10,000 or 100,000, or a word for it."""
    if isinstance(per, int) and not isinstance(per, bool) and per in PER.values():
        return per
    if isinstance(per, str):
        return PER[check_choice("per", per, tuple(PER))]
    raise ArgumentError(f"per={as_given(per)} is not known. Known: {', '.join(f'{n}' for n in sorted(set(PER.values())))}.")


def scale_of(response: str, per: object = None, title: str | None = None) -> Scale:
    """The scale of a response (`Measure.response`, "effect" or "points"); `title` names it.

    `per` applies to rates (None: per cent) and to incidence rates (None: per unit of person-time), and is refused elsewhere.
    """
    scale = _SCALES[response]
    if title is not None:
        scale = replace(scale, title=title)
    if per is None or (per == "cent" and response != "rate per person-time"):
        # The word "cent" is the default of figures, which draw every kind of value.
        return scale
    if not scale.kind.startswith("rate"):
        raise ArgumentError(f"per={as_given(per)} applies to rates, not to a {scale.kind}. Fix: leave it out.")
    if per == "cent":
        return scale
    factor = check_per(per)
    timed = response == "rate per person-time"
    unit = f"per {factor:,} units of time" if timed else f"per {factor:,}"
    return replace(scale, factor=float(factor), unit=unit, least=1)


def difference_scale(response: str) -> Scale:
    """How a difference of two values of this response is written: of rates in percentage points."""
    return POINTS if response == "rate" else _SCALES["effect"]


def _ratio(value: float, digits: int) -> str:
    """A ratio: no decimals from 100 on; two significant digits where the decimals of its column would print it as 0."""
    if value >= 99.5:
        return f"{value:,.0f}" if value < 1e6 else f"{value:.0e}".replace("e+0", "e").replace("e+", "e")
    if value <= 0 or float(f"{value:.{digits}f}") >= 10.0**-digits:
        return f"{value:.{digits}f}"
    return f"{value:.{-math.floor(math.log10(value))}f}" if value >= 1e-4 else "<0.0001"


def per_cent(value: float | None, digits: int = 1) -> str:
    """A share as per cent, without the sign: 0.4889 is "48.9". A share that is not 0 (or 1) is never printed as 0 (or 100)."""
    return RATE.text(value, digits)


def interval(lower: float | None, upper: float | None, digits: int = 1) -> str:
    """Two shares as "37.5 to 60.5", per cent without the sign."""
    return RATE.limits(lower, upper, digits, unit=False)


def number(value: float | None, digits: int = 2) -> str:
    """A plain number with fixed decimals; very small ones keep two significant digits."""
    if value is None or math.isnan(value):
        return ABSENT
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value != 0 and abs(value) < 0.5 * 10.0**-digits:
        return f"{value:.1e}".replace("-", "−")
    return f"{value:.{digits}f}".replace("-", "−")


def degrees(df: float) -> str:
    """Degrees of freedom: whole ones as they are, others with three digits."""
    if math.isinf(df):
        return "∞"
    return f"{df:,.0f}" if df == round(df) or df >= 100 else f"{df:.3g}"


def p_value(value: float | None) -> str:
    """A p-value with its relation: "p = 0.021", "p < 0.001"."""
    if value is None or math.isnan(value):
        return f"p {ABSENT}"
    if value < 0.001:
        return "p < 0.001"
    return f"p = {value:.3f}" if value < 0.995 else f"p = {value:.2f}"


def interval_kind(kinds: Iterable[str]) -> str:
    """What the intervals of one column are called: "CrI" or "CI" where all are of that kind, else "interval"."""
    found = set(kinds)
    return found.pop() if len(found) == 1 else "interval"


#: What the abbreviations of the intervals stand for.
INTERVAL_WORDS = {"CrI": "credible interval", "CI": "confidence interval", "interval": "interval"}


def level_text(level: float) -> str:
    """The coverage of an interval: "95 %". No level below one is printed as 100 %."""
    return f"{100 * level:.12g} %"


def count(value: float | int | None) -> str:
    """A count without decimals."""
    return ABSENT if value is None or math.isnan(value) else f"{int(value)}"


def plural(number_of: int, word: str, many: str | None = None) -> str:
    """`1 study`, `2 studies`."""
    return f"{number_of} {word if number_of == 1 else many or word + 's'}"


def title_of(name: object, frame: Any) -> str:
    """What a reader calls a column or a word of `frame`: its title in ``attrs["titles"]``, else its own name.

    Words that no vocabulary has are marked by ``other:`` in the tables; the mark is not for readers.
    """
    return str(frame.attrs.get("titles", {}).get(name, name)).removeprefix("other:").strip()


#: Names of people in the titles of models and measures, which keep their capital.
_PEOPLE = ("Bayes", "Poisson", "Mantel", "Peto", "Freeman", "Clopper", "Garwood", "Hartung", "Higgins", "Kenward", "Cochran")


def in_sentence(title: str) -> str:
    """A title inside a sentence: "Grade 1" is "grade 1"; "DOI" and names of people stay."""
    return title if title[1:2].isupper() or title.startswith(_PEOPLE) else title[:1].lower() + title[1:]


def sentence_case(text: str) -> str:
    """The text with its first letter large."""
    return text[:1].upper() + text[1:]
