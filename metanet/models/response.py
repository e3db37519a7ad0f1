"""The response at any point of the model scale, from a finished result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metanet.effects.back_transforms import harmonic_mean
from metanet.effects.measures import MEASURES
from metanet.kernels.links import LINKS

if TYPE_CHECKING:
    from metanet.models.results import Pooled


def response_at(fit: Pooled, value: float) -> float:
    """What `value` on the scale of ``fit.mu`` is on the scale of ``fit.estimate``."""
    if fit.method["link"] is not None:
        return float(LINKS[fit.method["link"]].inverse(np.array([value]))[0])
    if fit.measure == "GEN":
        return value
    measure = MEASURES[fit.measure]
    size = harmonic_mean(fit.data[measure.arguments[1]][0]) if measure.needs_size else None
    return float(measure.back(value, size))
