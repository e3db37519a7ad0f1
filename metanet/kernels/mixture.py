"""Groups in a cloud of points: normal mixtures in two dimensions, and whether two components stand apart.

The expectation-maximisation algorithm (Dempster, Laird and Rubin 1977, doi:10.1111/j.2517-6161.1977.tb01600.x). Two groups are
called separate by Ashman's D, the distance of their centres in units of their spread along the line between them,
``D = sqrt(2) |m1 - m2| / sqrt(s1^2 + s2^2)``, above 2 (Ashman, Bird and Zepf 1994, doi:10.1086/117248).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_ROUNDS = 200
_SETTLED = 1e-8
#: A component needs this share of the points.
_LEAST = 0.02


@dataclass(frozen=True)
class Mixture:
    """Two normal components: shares ``[2]``, centres ``[2, 2]``, covariances ``[2, 2, 2]``, and Ashman's D between them."""

    shares: Array
    centres: Array
    covariances: Array
    separation: float

    def assign(self, points: Array) -> NDArray[np.intp]:
        """The likelier component of each point ``[n, 2]``."""
        return np.asarray(_log_density(points, self.shares, self.centres, self.covariances).argmax(1))


def two_groups(points: Array) -> Mixture | None:
    """The best two-component mixture of points ``[n, 2]``; None where they do not spread."""
    spread = points.std(0)
    if points.shape[0] < 20 or not (spread > 0).any():
        return None
    # A flat direction carries nothing, and would make every covariance singular.
    unit = np.where(spread > 0, spread, 1.0)
    scaled = (points - points.mean(0)) / unit
    best: tuple[float, Array, Array, Array] | None = None
    for axis in range(2):
        # From both halves of the points, cut at the middle of either axis and at its outer fifths.
        for share in (0.2, 0.5, 0.8):
            side = scaled[:, axis] > np.quantile(scaled[:, axis], share)
            if not side.any() or side.all():
                continue
            found = _climb(scaled, side)
            if best is None or found[0] > best[0]:
                best = found
    if best is None or best[1].min() < _LEAST:
        return None
    _, shares, centres, covariances = best
    order = np.argsort(-shares)
    shares, centres, covariances = shares[order], centres[order], covariances[order]
    gap = centres[1] - centres[0]
    length = float(np.sqrt(gap @ gap))
    direction = gap / length if length > 0 else gap
    along = [float(direction @ c @ direction) for c in covariances]
    separation = float(np.sqrt(2) * length / np.sqrt(sum(along)))
    return Mixture(shares, points.mean(0) + centres * unit, covariances * np.outer(unit, unit), separation)


def _climb(points: Array, side: NDArray[np.bool_]) -> tuple[float, Array, Array, Array]:
    """Expectation and maximisation in turn from a split; log-likelihood, shares, centres, covariances."""
    duty = np.stack([~side, side], 1).astype(float)
    before = -np.inf
    for _ in range(_ROUNDS):
        mass = duty.sum(0)
        shares = mass / points.shape[0]
        centres = duty.T @ points / mass[:, None]
        covariances = np.empty((2, 2, 2))
        for j in range(2):
            off = points - centres[j]
            # A ridge keeps a component from collapsing onto a line of equal points.
            covariances[j] = (off * duty[:, [j]]).T @ off / mass[j] + 1e-4 * np.eye(2)
        density = _log_density(points, shares, centres, covariances)
        peak = density.max(1)
        total = peak + np.log(np.exp(density - peak[:, None]).sum(1))
        duty = np.exp(density - total[:, None])
        now = float(total.mean())
        if now - before < _SETTLED or duty.sum(0).min() < 1.0:
            break
        before = now
    return now, shares, centres, covariances


def _log_density(points: Array, shares: Array, centres: Array, covariances: Array) -> Array:
    out = np.empty((points.shape[0], 2))
    for j in range(2):
        off = points - centres[j]
        inverse = np.linalg.inv(covariances[j])
        _, log_determinant = np.linalg.slogdet(covariances[j])
        out[:, j] = np.log(shares[j]) - 0.5 * (np.einsum("ni,ij,nj->n", off, inverse, off) + log_determinant)
    return out
