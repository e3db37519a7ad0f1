"""The distribution of the true rates (or effects) that a fit describes, on the scale of its estimate: what a figure draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import special

from metanet.kernels.beta_binomial_prediction import shapes
from metanet.models.response import responses_at

if TYPE_CHECKING:
    from metanet.models.results import Pooled

Array = NDArray[np.float64]

#: The normal distribution is followed so far to both sides, in standard deviations, in so many steps.
_REACH, _STEPS = 9.0, 18_001


@dataclass(frozen=True)
class TrueValues:
    """True values with a spread; `beyond` is the share that the model puts where no rate can be (raw and angular scales)."""

    fit: Pooled
    shape: tuple[float, float] | None
    beyond: float
    _values: Array
    _below: Array

    def quantile(self, probability: Array) -> Array:
        """The values that these shares of settings lie below."""
        if self.shape is not None:
            return np.asarray(special.betaincinv(*self.shape, probability))
        assert self.fit.mu is not None
        assert self.fit.tau is not None
        return responses_at(self.fit, self.fit.mu + self.fit.tau * special.ndtri(probability))

    def below(self, values: Array) -> Array:
        """The share of settings whose true value lies below each of `values`; what lies beyond a bounded scale counts at its ends."""
        if self.shape is not None:
            return np.asarray(special.betainc(*self.shape, np.clip(values, 0.0, 1.0)))
        return np.interp(values, self._values, self._below)


def true_values(fit: Pooled) -> TrueValues | None:
    """The fitted distribution; None without an estimate or where no spread was found (or the model has none)."""
    if fit.status != "pooled" or fit.mu is None or not fit.tau or not np.isfinite(fit.tau):
        return None
    nothing = np.empty(0)
    if fit.model == "beta_binomial":
        if not fit.rho:
            return None
        a, b = shapes(np.array(fit.mu), np.array(fit.rho))
        return TrueValues(fit, (float(a), float(b)), 0.0, nothing, nothing)
    z = np.linspace(-_REACH, _REACH, _STEPS)
    values, below = responses_at(fit, fit.mu + fit.tau * z), special.ndtr(z)
    # Where a bounded scale ends, what lies beyond is all at its end, which is no density: the grid begins (ends) where rates do.
    rising = np.flatnonzero(np.diff(values) > 0)
    if not rising.size:
        return None
    first, last = int(rising[0]), int(rising[-1]) + 1
    if first > 0:
        below[first] = special.ndtr(_end(fit, z[first], z[first + 1], values[first]))
    if last < z.size - 1:
        below[last] = special.ndtr(_end(fit, z[last], z[last - 1], values[last]))
    values, below = values[first : last + 1], below[first : last + 1]
    beyond = 0.0 if fit.method["link"] is not None else float(below[0] + 1.0 - below[-1])
    return TrueValues(fit, None, beyond, values, below)


def _end(fit: Pooled, beyond: float, inside: float, end: float) -> float:
    """The standard deviation between two at which the response leaves `end`."""
    assert fit.mu is not None
    assert fit.tau is not None
    for _ in range(60):
        middle = (beyond + inside) / 2
        if responses_at(fit, np.array([fit.mu + fit.tau * middle]))[0] == end:
            beyond = middle
        else:
            inside = middle
    return inside
