"""The coarse scan over tau that finds where the climbs of an exact likelihood begin: the same for one mean and for a regression."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

#: Values of tau that are scanned, zero apart, and the largest.
_SCANNED, _TOP = 8, 9.0


def scan_points(precision: Array) -> Array:
    """Values of tau, ``[b, points]``: a geometric grid from a fraction of the most precise study's error to 9.

    `precision` ``[b, k]`` is the information of each study at the common effect.
    """
    first = np.clip(0.4 / np.sqrt(np.maximum(precision.max(-1), 1e-300)), 1e-4, 0.3)
    steps = np.linspace(0.0, 1.0, _SCANNED)
    return np.asarray(first[:, None] * (_TOP / first)[:, None] ** steps)


def highest_rises(loglik: Array, slope: Array) -> tuple[Indices, Indices]:
    """The best two cells of each row in which the profile turns from rising to falling: the rows, and the cells' left ends.

    `loglik` and `slope` in tau are ``[b, points]``. A profile that still rises at the end of the scan is followed from there.
    """
    peak = (slope[:, :-1] > 0) & (slope[:, 1:] <= 0)
    best = np.where(peak, np.maximum(loglik[:, :-1], loglik[:, 1:]), -np.inf)
    best = np.concatenate([best, np.where(slope[:, -1:] > 0, loglik[:, -1:], -np.inf)], axis=1)
    every = np.arange(best.shape[0])
    owners, cells = [], []
    for _ in range(2):
        cell = best.argmax(1)
        found = np.flatnonzero(np.isfinite(best[every, cell]))
        owners.append(found)
        cells.append(cell[found])
        best[found, cell[found]] = -np.inf
    return np.concatenate(owners), np.concatenate(cells)
