"""The response at any point of the model scale, from a finished result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from metanet.effects.back_transforms import harmonic_mean
from metanet.effects.measures import MEASURES
from metanet.kernels.links import LINKS

if TYPE_CHECKING:
    from metanet.models.results import Pooled

Array = NDArray[np.float64]


def response_at(fit: Pooled, value: float) -> float:
    """What `value` on the scale of ``fit.mu`` is on the scale of ``fit.estimate``."""
    return float(responses_at(fit, np.array([value]))[0])


def responses_at(fit: Pooled, values: Array) -> Array:
    """`response_at` of many values."""
    if fit.method["link"] is not None:
        return LINKS[fit.method["link"]].inverse(values)
    if fit.measure == "GEN":
        return values
    measure = MEASURES[fit.measure]
    size = harmonic_mean(fit.data[measure.arguments[1]][0]) if measure.needs_size else None
    return np.asarray(measure.back(values, None if size is None else np.full(values.shape, size)))
