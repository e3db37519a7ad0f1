"""The value of no effect that studies tested against, from the response scale to the model scale."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real

import numpy as np
from scipy import special
from scipy.optimize import brentq

from metanet.diagnostics.two_step_twin import Twin
from metanet.effects.measures import MEASURES
from metanet.errors import ArgumentError, shorten

_FORWARD: dict[str, Callable[[float], float]] = {
    "PLO": lambda p: float(special.logit(p)),
    "PLN": lambda p: float(np.log(p)),
    "PR": lambda p: p,
    "PAS": lambda p: float(np.arcsin(np.sqrt(p))),
    "IRLN": lambda r: float(np.log(r)),
    "IR": lambda r: r,
    "IRS": lambda r: float(np.sqrt(r)),
}


def null_on_scale(twin: Twin, null: object) -> float | None:
    """`null` on the scale of the effects; None for a rate without one. The default is a ratio of 1, or a difference of 0."""
    measure = twin.options.measure
    response = "effect" if measure == "GEN" else MEASURES[measure].response
    if null is None:
        return None if response.startswith("rate") else 0.0
    if isinstance(null, bool) or not isinstance(null, Real) or not np.isfinite(float(null)):
        raise ArgumentError(f"null={shorten(null)!r} must be a number on the response scale.")
    value = float(null)
    if response == "rate" and not 0 < value < 1:
        raise ArgumentError(f"null={value!r} must be a rate between 0 and 1, such as 0.2.")
    if response in ("ratio", "rate per person-time") and value <= 0:
        raise ArgumentError(f"null={value!r} must be above 0; no effect is a ratio of 1.")
    if measure == "AS" and value != 0:
        raise ArgumentError(
            f"null={value!r} has no single angle on the arcsine scale. Mend: leave it out, or pool measure='RD'."
        )
    if response == "ratio":
        return float(np.log(value))
    if measure in ("PFT", "IRFT"):
        # No formula leads there: the way back depends on the sizes of the studies.
        top = np.pi / 2 if measure == "PFT" else 2 * float(np.sqrt(value)) + 1e3
        return float(brentq(lambda x: (twin.response(x) or 0.0) - value, 0.0, top, xtol=1e-14))
    return _FORWARD[measure](value) if measure in _FORWARD else value
