"""How numbers are written: one module, so that text, HTML, tables and figures print the same digits."""

from __future__ import annotations

import math

# How numbers are written: one module, so that text, HTML, tables and figures print the same digits.

#: Decimals of an effect that is not a rate.
EFFECT_DIGITS = 3

#: The sign for a quantity that does not exist; the reason stands in the notes.
ABSENT = "–"


def rate(value: float | None, per: float = 100.0, digits: int = 1) -> str:
    """A fraction per hundred, thousand ..., without the unit. A rate that is not 0 (or 1) is never printed as 0 (or all)."""
    if value is None or math.isnan(value):
        return ABSENT
    text = f"{per * value:.{digits}f}"
    smallest = 10.0**-digits
    if value > 0 and float(text) == 0:
        return f"<{smallest:.{digits}f}"
    if value < 1 and float(text) == per:
        return f">{per - smallest:.{digits}f}"
    return text


def rate_digits(estimate: float | None, per: float = 100.0) -> int:
    """Decimals of a rate and of everything printed beside it: one, or two significant digits where one would print <0.1."""
    if estimate is None or not 0 < estimate * per < 0.1:
        return 1
    return min(8, 1 - math.floor(math.log10(estimate * per)))


def effect_digits(estimate: float | None) -> int:
    """Decimals of an effect and of its interval: three, or two significant digits where that is more."""
    if estimate is None or estimate == 0 or not math.isfinite(estimate):
        return EFFECT_DIGITS
    return min(12, max(EFFECT_DIGITS, 1 - math.floor(math.log10(abs(estimate)))))


def per_cent(value: float | None, digits: int = 1) -> str:
    """A fraction as per cent, without the sign: 0.4889 is "48.9". A rate that is not 0 (or 1) is never printed as 0 (or 100)."""
    return rate(value, 100.0, digits)


def interval(lower: float | None, upper: float | None, digits: int = 1, per: float = 100.0) -> str:
    """Two fractions as "37.5 to 60.5", per cent if nothing else is said."""
    if lower is None or upper is None or math.isnan(lower) or math.isnan(upper):
        return ABSENT
    return f"{rate(lower, per, digits)} to {rate(upper, per, digits)}"


def number(value: float | None, digits: int = 2) -> str:
    """A plain number with fixed decimals; very small ones keep two significant digits."""
    if value is None or math.isnan(value):
        return ABSENT
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value != 0 and abs(value) < 0.5 * 10.0**-digits:
        return f"{value:.1e}".replace("-", "−")
    return f"{value:.{digits}f}".replace("-", "−")


def ratio(value: float | None, digits: int = 2) -> str:
    """A ratio with fixed decimals; from 100 on without, under 0.01 with one significant digit, and never as 0."""
    if value is None or not 0 < value < math.inf:
        return number(value, digits)
    if value >= 99.5:
        return f"{value:,.0f}" if value < 1e6 else f"{value:.0e}".replace("e+0", "e")
    if float(f"{value:.{digits}f}") >= 10.0**-digits:
        return f"{value:.{digits}f}"
    return f"{value:.{-math.floor(math.log10(value))}f}" if value >= 1e-4 else "<0.0001"


def points(value: float | None, digits: int = 1) -> str:
    """A difference of two fractions in percentage points, without the unit; what rounds to nothing has no sign."""
    if value is None or math.isnan(value):
        return ABSENT
    text = f"{100 * value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def p_value(value: float | None) -> str:
    """A p-value with its relation: "p = 0.021", "p < 0.001"."""
    if value is None or math.isnan(value):
        return f"p {ABSENT}"
    if value < 0.001:
        return "p < 0.001"
    return f"p = {value:.3f}" if value < 0.995 else f"p = {value:.2f}"


def level_text(level: float) -> str:
    """The coverage of an interval: "95 %". No level below one is printed as 100 %."""
    return f"{100 * level:.12g} %"


def count(value: float | int | None) -> str:
    """A count without decimals."""
    return ABSENT if value is None or math.isnan(value) else f"{int(value)}"


def plural(number_of: int, word: str, many: str | None = None) -> str:
    """`1 study`, `2 studies`."""
    return f"{number_of} {word if number_of == 1 else many or word + 's'}"


# An estimate and its limits as text, by what they are: rates in per cent, all else as plain numbers.


def value_text(scale: str, estimate: float | None, value: float | None) -> str:
    """`value` with the digits that `estimate` is printed with; `scale` is `Options.scale`."""
    if value is None:
        return ABSENT
    if scale == "rate":
        return f"{per_cent(value, rate_digits(estimate))} %"
    return number(value, effect_digits(estimate))


def limits_text(scale: str, estimate: float | None, lower: float | None, upper: float | None) -> str:
    """Two limits with the digits that `estimate` is printed with."""
    if lower is None or upper is None:
        return ABSENT
    if scale == "rate":
        return f"{interval(lower, upper, rate_digits(estimate))} %"
    digits = effect_digits(estimate)
    return f"{number(lower, digits)} to {number(upper, digits)}"
