"""The return value of every measure: effect sizes, sampling variances, and which studies were corrected or have no weight."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from metanet.base.arrays import Array, Mask


def _nowhere() -> Mask:
    return np.zeros((), dtype=np.bool_)


@dataclass(frozen=True)
class Effects:
    """Effect sizes and sampling variances on the scale of the measure, ``[..., k]``.

    A study without a weight has effect 0 and infinite variance, so that sums over the last axis need no mask: it is absent
    (total or person-time 0), dropped, or its effect is undefined.

    Attributes
    ----------
    yi, vi
        Effect sizes and their large-sample variances. A variance of exactly 0 is possible where nothing was added to an empty
        cell (the raw proportion 0 of 20).
    corrected
        Studies to which the zero-cell correction was added.
    dropped
        Studies with no events in both groups, or only events in both, excluded by `drop00`.
    undefined
        Studies whose effect or variance is not finite, such as the log of 0 when nothing is added.
    """

    yi: Array
    vi: Array
    corrected: Mask
    dropped: Mask = field(default_factory=_nowhere)
    undefined: Mask = field(default_factory=_nowhere)
