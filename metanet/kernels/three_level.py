"""The three-level model of effects: its likelihood in two variances, with derivatives, linear in the number of arms.

    y_ij = mu + u_i + w_ij + e_ij,   u_i ~ N(0, B),   w_ij ~ N(0, W),   e_ij ~ N(0, v_ij)

for arm j of cluster i (Konstantopoulos 2011, doi:10.1002/jrsm.35; Cheung 2014, doi:10.1037/a0032968). A cluster's covariance is
``diag(v + W) + B 11'``; with ``a = 1 / (v + W)``, ``s = sum a`` and ``q = 1 / (1 + B s)`` its inverse is ``diag(a) - B q a a'``
and the logarithm of its determinant ``-sum log a - log q`` (Sherman and Morrison 1950, doi:10.1214/aoms/1177729893), so that no
matrix is ever formed. Scores and observed information are those of Harville (1977, doi:10.1080/01621459.1977.10480998),

    score_t        = (u' V_t u - tr(H V_t)) / 2               u = V^-1 (y - mu)
    information_ts = u' V_t P V_s u - tr(H V_t H V_s) / 2     P = V^-1 - V^-1 1 1' V^-1 / T

with H = P for the restricted and V^-1 for the full likelihood, mu at its maximum given the variances.

Notes
-----
Every point (B, W) is a row of a batch: the scan of the plane, the climbs from its hills and the profiles are batches of rows
of one data set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from metanet.kernels.clusters import Clusters

Array = NDArray[np.float64]
Kind = Literal["restricted", "full"]

#: Elements of an array over points and arms: larger ones leave the cache.
_BLOCK = 40_000


@dataclass(frozen=True, eq=False)
class Effects:
    """Effects and sampling variances of one data set ``[k]``, sorted by cluster, and where the clusters begin."""

    y: Array
    v: Array
    starts: NDArray[np.intp]
    kind: Kind

    @staticmethod
    def of(y: Array, v: Array, clusters: Clusters, kind: Kind) -> Effects:
        """The effects in the order of their clusters."""
        return Effects(y[clusters.order], v[clusters.order], clusters.starts, kind)

    def sum(self, values: Array) -> Array:
        """Sums over clusters, ``[n, g]``."""
        return np.asarray(np.add.reduceat(values, self.starts, axis=-1))

    def spread(self, values: Array) -> Array:
        """Values by cluster as values by arm, ``[n, k]``."""
        sizes = np.diff(np.append(self.starts, self.y.size))
        return np.repeat(values, sizes, axis=-1)


@dataclass(frozen=True)
class Point:
    """Log-likelihood (without constants of the data), mean and its variance ``[n]``, score ``[n, 2]``, information ``[n, 2, 2]``.

    The order is (B, W): between clusters, within them.
    """

    loglik: Array
    mean: Array
    variance: Array
    score: Array
    information: Array

    def take(self, rows: NDArray[np.intp]) -> Point:
        """The chosen points."""
        return Point(*(values[rows] for values in vars(self).values()))


def heights(effects: Effects, theta: Array) -> Array:
    """Log-likelihood alone at points ``[n, 2]``, ``[n]``."""
    size = max(1, _BLOCK // effects.y.size)
    pieces = [_heights(effects, theta[start : start + size]) for start in range(0, theta.shape[0], size)]
    return np.concatenate(pieces) if pieces else np.empty(0)


def _heights(effects: Effects, theta: Array) -> Array:
    total = effects.v + theta[:, 1:]
    a = 1.0 / total
    s = effects.sum(a)
    q = 1.0 / (1.0 + theta[:, :1] * s)
    weight = q * s
    whole = weight.sum(-1)
    # About the mean of the cluster first: a difference of large sums would lose the digits of small residuals.
    own = effects.sum(a * effects.y) / s
    mean = (weight * own).sum(-1) / whole
    inside = effects.y - effects.spread(own)
    gap = own - mean[:, None]
    twice = np.log(total).sum(-1) - np.log(q).sum(-1) + (a * inside * inside).sum(-1) + (weight * gap * gap).sum(-1)
    if effects.kind == "restricted":
        twice += np.log(whole)
    return np.asarray(-0.5 * twice)


def evaluate(effects: Effects, theta: Array) -> Point:
    """Likelihood and derivatives at points ``[n, 2]``."""
    size = max(1, _BLOCK // effects.y.size)
    pieces = [_evaluate(effects, theta[start : start + size]) for start in range(0, theta.shape[0], size)]
    if len(pieces) == 1:
        return pieces[0]
    return Point(*(np.concatenate([getattr(piece, name) for piece in pieces]) for name in Point.__dataclass_fields__))


def _evaluate(effects: Effects, theta: Array) -> Point:
    between = theta[:, :1]
    total = effects.v + theta[:, 1:]
    a = 1.0 / total
    s, s2, s3 = effects.sum(a), effects.sum(a * a), effects.sum(a * a * a)
    q = 1.0 / (1.0 + between * s)
    c = between * q
    weight = q * s
    whole = weight.sum(-1)
    own = effects.sum(a * effects.y) / s
    mean = (weight * own).sum(-1) / whole
    inside = effects.y - effects.spread(own)
    gap = own - mean[:, None]
    twice = np.log(total).sum(-1) - np.log(q).sum(-1) + (a * inside * inside).sum(-1) + (weight * gap * gap).sum(-1)
    # u = V^-1 (y - mean); its sum over a cluster is the weight times the gap.
    pull = weight * gap
    u = a * (inside + effects.spread(gap * q))
    au = a * u
    # e = V^-1 1 = q a, summed with itself, with u, and through V^-1 again.
    ee, eu = q * q * s2, q * effects.sum(au)
    eve = q * q * (s3 - c * s2 * s2)
    uvu = effects.sum(au * u) - c * effects.sum(au) ** 2
    score = 0.5 * np.stack([(pull * pull - weight).sum(-1), (effects.sum(u * u) - (s - c * s2)).sum(-1)], axis=-1)
    n = theta.shape[0]
    quadratic, trace = np.empty((n, 2, 2)), np.empty((n, 2, 2))
    along = np.stack([(pull * weight).sum(-1), eu.sum(-1)], axis=-1)
    quadratic[:, 0, 0] = (pull * pull * weight).sum(-1)
    quadratic[:, 0, 1] = quadratic[:, 1, 0] = (pull * eu).sum(-1)
    quadratic[:, 1, 1] = uvu.sum(-1)
    quadratic -= along[:, :, None] * along[:, None, :] / whole[:, None, None]
    trace[:, 0, 0] = (weight * weight).sum(-1)
    trace[:, 0, 1] = trace[:, 1, 0] = ee.sum(-1)
    trace[:, 1, 1] = (s2 - 2.0 * c * s3 + c * c * s2 * s2).sum(-1)
    if effects.kind == "restricted":
        twice += np.log(whole)
        first = np.stack([(weight * weight).sum(-1), ee.sum(-1)], axis=-1) / whole[:, None]
        score += 0.5 * first
        second = np.empty((n, 2, 2))
        second[:, 0, 0] = (weight**3).sum(-1)
        second[:, 0, 1] = second[:, 1, 0] = (weight * ee).sum(-1)
        second[:, 1, 1] = eve.sum(-1)
        trace += first[:, :, None] * first[:, None, :] - 2.0 * second / whole[:, None, None]
    return Point(-0.5 * twice, mean, 1.0 / whole, score, quadratic - 0.5 * trace)
