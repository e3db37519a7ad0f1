"""The outer ends of profile-likelihood intervals: a search outwards from the maximum, then a bracketed root."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from metanet.kernels.roots import Indices, find_roots

Array = NDArray[np.float64]


def outer_end(
    height: Callable[[Array, Indices], Array],
    top: Array,
    drop: float,
    first: Array,
    rows: Indices,
    *,
    side: float = 1.0,
    limit: float = np.inf,
    relative: float = 1e-10,
    tries: int = 40,
) -> Array:
    """Where `height` falls below zero beyond the maximum, ``[b]``; infinite for rows not asked for, or never low enough.

    Parameters
    ----------
    height
        Profile log-likelihood less its level at the end, of positions ``[m]`` and rows ``[m]``.
    top, drop
        Position of the maximum, ``[b]``, and the height there.
    first
        Position to try first; each further one lies 1.6 times as far from the maximum.
    side, limit
        Direction of the search, and how far it goes.
    relative
        Tolerance of the root.
    """
    inner, f_inner = top.copy(), np.full(top.shape, drop)
    outer, f_outer = first.copy(), np.full(top.shape, np.nan)
    closed = [rows[:0]]
    for _ in range(tries):
        f_outer[rows] = height(outer[rows], rows)
        below = f_outer[rows] < 0
        closed.append(rows[below])
        rows = rows[~below]
        rows = rows[np.abs(outer[rows]) < limit]
        if not rows.size:
            break
        inner[rows], f_inner[rows] = outer[rows], f_outer[rows]
        outer[rows] = top[rows] + 1.6 * (outer[rows] - top[rows])
        outer[rows] = np.clip(outer[rows], -limit, limit)
    end = np.full(top.shape, side * np.inf)
    found = np.concatenate(closed)
    if found.size:
        end[found] = find_roots(
            lambda position, index: height(position, found[index]),
            inner[found],
            outer[found],
            f_lower=f_inner[found],
            f_upper=f_outer[found],
            relative=relative,
        )
    return end
