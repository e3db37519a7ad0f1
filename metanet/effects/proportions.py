"""One-group effect sizes: the logit of a proportion, its sampling variance and its way back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Array = NDArray[np.float64]

#: What is added to events and to non-events of a study at 0 % or 100 % (so the denominator grows by twice as much).
CORRECTION = 0.5


@dataclass(frozen=True)
class Effects:
    """Effect sizes and sampling variances ``[..., k]``, and which studies needed the zero-cell correction."""

    yi: Array
    vi: Array
    corrected: NDArray[np.bool_]


def logit_proportion(events: ArrayLike, total: ArrayLike, *, add: float = CORRECTION) -> Effects:
    """Logit ``log(x / (n - x))`` with variance ``1 / x + 1 / (n - x)``; measure PLO.

    A study without events, or without non-events, gets `add` on both cells; no other study is touched (the rule "only0").
    Absent studies (total 0) get effect 0 and infinite variance, that is no weight.

    Parameters
    ----------
    events, total
        Counts, ``[..., k]``.
    add
        The correction; 0 leaves infinite logits in place.
    """
    x, n = np.asarray(events, dtype=np.float64), np.asarray(total, dtype=np.float64)
    present = n > 0
    corrected = present & ((x == 0) | (x == n))
    plus = np.where(corrected, add, 0.0)
    success, failure = x + plus, n - x + plus
    with np.errstate(divide="ignore", invalid="ignore"):
        yi = np.where(present, np.log(success) - np.log(failure), 0.0)
        vi = np.where(present, 1.0 / success + 1.0 / failure, np.inf)
    return Effects(yi, vi, corrected)


def inverse_logit(value: ArrayLike) -> Array:
    """The proportion whose logit is `value`; only an infinite logit gives exactly 1, as only minus infinity gives 0."""
    logit = np.asarray(value, dtype=np.float64)
    rate = np.asarray(special.expit(logit))
    return np.where((rate == 1) & np.isfinite(logit), np.nextafter(1.0, 0.0), rate)
