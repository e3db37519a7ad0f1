"""Checks of single arguments: whole numbers and numbers within limits, with one wording for all."""

from __future__ import annotations

from numbers import Integral, Real

from metanet.base.errors import ArgumentError, shorten


def _plain(value: object) -> float:
    """A number as float; NaN for what is none, truth values among them."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return float("nan")
    return float(value)


def whole_number(argument: str, value: object, low: int, high: int | None = None) -> int:
    """`value` as a whole number from `low` to `high`."""
    fine = isinstance(value, Integral) and not isinstance(value, bool)
    if not fine or int(value) < low or (high is not None and int(value) > high):  # type: ignore[call-overload]
        reach = f"from {low:,} to {high:,}" if high is not None else f"of at least {low:,}"
        raise ArgumentError(f"{argument}={shorten(value)!r} must be a whole number {reach}.")
    return int(value)  # type: ignore[call-overload, no-any-return]


def number_between(argument: str, value: object, low: float, high: float, *, inside: bool = False) -> float:
    """`value` as a number from `low` to `high`, or strictly between them."""
    number = _plain(value)
    if not (low < number < high if inside else low <= number <= high):
        words = f"between {low:g} and {high:g}" if inside else f"from {low:g} to {high:g}"
        raise ArgumentError(f"{argument}={shorten(value)!r} must be a number {words}.")
    return number


def rate(argument: str, value: object) -> float:
    """`value` as a rate that is neither 0 nor 1; 30 is refused rather than guessed to be per cent."""
    number = _plain(value)
    if not 0 < number < 1:
        fix = f" Did you mean {number / 100:g}?" if 1 < number < 100 else ""
        raise ArgumentError(f"{argument}={shorten(value)!r} must be a rate between 0 and 1, such as 0.3.{fix}")
    return number
