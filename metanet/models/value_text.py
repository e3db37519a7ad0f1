"""An estimate and its limits as text, by what they are: rates in per cent, all else as plain numbers."""

from __future__ import annotations

from metanet.models.display import ABSENT, effect_digits, interval, number, per_cent, rate_digits


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
