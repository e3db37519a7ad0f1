"""The numbers of a saved result: median and average with their limits, and with how many decimals they are printed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metanet.base.display import RATE

#: A value and its limits; None where there is none.
Limits = tuple[float | None, float | None, float | None]
_OWN, _AVERAGE = ("estimate", "ci_lower", "ci_upper"), ("marginal_estimate", "marginal_ci_lower", "marginal_ci_upper")


def number_of(value: object) -> float | None:
    """A number of a file; None for anything else, such as the text for an infinite limit."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _three(result: Mapping[str, Any], names: tuple[str, str, str]) -> Limits:
    value, lower, upper = (number_of(result.get(name)) for name in names)
    return value, lower, upper


def rates_of(result: Mapping[str, Any]) -> tuple[Limits, Limits]:
    """The median and the average of a saved result with their limits, as `Pooled.rates_shown` has them."""
    if result.get("status") != "pooled":
        return _three(result, _OWN), (None, None, None)
    median = (number_of(result.get("median")), None, None) if result.get("model") == "beta_binomial" else _three(result, _OWN)
    return median, _three(result, _AVERAGE)


def digits_of(result: Mapping[str, Any]) -> int:
    """Decimals of a saved result: of its estimate, and of everything printed beside it, as in its report."""
    return RATE.digits(*_three(result, _OWN))
