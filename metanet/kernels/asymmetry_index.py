"""The LFK index of a Doi plot: a number without a distribution.

Furuya-Kanamori, Barendregt and Doi (2018, doi:10.1097/XEB.0000000000000141). The studies stand in the order of their effects, each
with ``N = 100 max(v) / v``; its percentile is its mid-rank on that scale less a half, over the sum of N, its z the normal quantile of
it. With the effect ``y0`` of the study whose \\|z\\| is smallest the index is

    5 / (2 k) sum (z + (max z - min z) / (max y - min y) (y - y0))

Notes
-----
The index grows with the number and spread of studies and has no null distribution, so the limits 1 and 2 that are in use are no
significance limits (Schwarzer 2024, doi:10.1002/jrsm.1714).
"""

from __future__ import annotations

import numpy as np
from scipy import special

from metanet.kernels.weighted_line import Array, varies


def lfk(y: Array, v: Array) -> Array:
    """The index of each row of effects and variances ``[b, k]``; NaN for fewer than three studies and for equal effects."""
    present = np.isfinite(v)
    usable = varies(y, present) & (present.sum(-1) > 2)
    keep = present & usable[:, None]
    order = np.argsort(np.where(keep, y, np.inf), axis=-1, kind="stable")
    y, v, keep = (np.take_along_axis(values, order, -1) for values in (y, v, keep))
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.where(keep, 100.0 * np.where(keep, v, 0.0).max(-1, keepdims=True) / v, 0.0)
        rank = np.cumsum(size, -1) - 0.5 * size
        z = special.ndtri(np.clip((rank - 0.5) / size.sum(-1, keepdims=True), 1e-300, 1.0))
    z = np.where(keep, z, np.nan)
    at = np.where(keep, np.abs(z), np.inf).argmin(-1)
    away = np.where(keep, y - np.take_along_axis(y, at[:, None], -1), 0.0)
    span_y = away.max(-1) - away.min(-1)
    span_z = np.where(keep, z, -np.inf).max(-1) - np.where(keep, z, np.inf).min(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = span_z / span_y
        index = 2.5 / keep.sum(-1) * np.where(keep, z + slope[:, None] * away, 0.0).sum(-1)
    return np.where(usable, index, np.nan)
