"""How likely a study is to be seen, as a function of its p-value: step functions and beta densities, for a likelihood.

A weight object holds the observed p-values of a batch and gives, at shape parameters ``[b, q]`` (logarithms), the log weight of every
observed study and the log of the normalising constant ``A = E w(p)`` under a normal distribution of the effects, with gradients.
Effects are turned so that selection favours large ones, and divided by nothing: bounds are ``sqrt(v)`` times normal quantiles.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import special

from metanet.kernels.weighted_line import Array

Indices = NDArray[np.intp]

#: p-values nearer to 0 or 1 count as this (beta weights are infinite or zero at the ends); the value of Citkowicz and Vevea's program.
P_CLIP = 1e-5
#: Enough for 1e-11 of the integral at parameters up to 90; 0.1 to 5 need a third of them.
_NODES = 96
_ROOT = np.sqrt(2.0 * np.pi)


def density(x: Array) -> Array:
    """The standard normal density."""
    return np.asarray(np.exp(-0.5 * x * x) / _ROOT)


@lru_cache(maxsize=4)
def _rule(clip: float) -> tuple[float, Array, Array, Array, Array]:
    """End, nodes and weights of the integral over the normal deviate, and the logarithms of p and 1 - p at the nodes."""
    end = float(-special.ndtri(clip))
    nodes, spacing = np.polynomial.legendre.leggauss(_NODES)
    z = end * nodes
    return end, z, end * spacing, special.log_ndtr(-z), special.log_ndtr(z)


class Weights(Protocol):
    """Weights of the studies of a batch ``[b, k]`` with q parameters; absent studies have no part (weight one, constant one)."""

    @property
    def parameters(self) -> int:
        """How many parameters the shape has."""
        ...

    def take(self, rows: Indices) -> Weights:
        """The chosen rows."""
        ...

    def observed(self, shape: Array) -> tuple[Array, Array]:
        """Sum over studies of the log weights ``[b]`` and its gradient ``[b, q]``."""
        ...

    def normaliser(self, mu: Array, s2: Array, shape: Array) -> tuple[Array, Array, Array, Array]:
        """A and its derivatives in mu, in the variance ``[b, k]`` and in the shape ``[b, k, q]``."""
        ...


def p_values(y: Array, v: Array, two_sided: bool) -> Array:
    """One-sided p-values of effects above zero, or two-sided ones, ``[b, k]``; an absent study has 1."""
    present = np.isfinite(v)
    z = np.where(present, y, 0.0) / np.sqrt(np.where(present, v, 1.0))
    p = special.erfc(np.abs(z) / np.sqrt(2.0)) if two_sided else special.ndtr(-z)
    return np.where(present, p, 1.0)


@dataclass(frozen=True)
class StepWeights:
    """Hedges (1992, doi:10.1214/ss/1177011364) and Vevea and Hedges (1995, doi:10.1007/BF02294384).

    Studies with p up to the first step are always seen, those of interval j in the proportion ``delta_j = exp(shape_j)``.
    With ``F_j`` the probability of a p-value above step j, ``A = 1 + sum (delta_(j+1) - delta_j) F_j``.
    """

    interval: NDArray[np.intp]
    root_v: Array
    present: NDArray[np.bool_]
    critical: Array
    two_sided: bool

    @staticmethod
    def of(y: Array, v: Array, steps: Array, two_sided: bool) -> StepWeights:
        """The weights of effects and variances; `steps` are increasing inner limits of p."""
        present = np.isfinite(v)
        interval = np.searchsorted(steps, p_values(y, v, two_sided), side="left")
        critical = -special.ndtri(steps / 2 if two_sided else steps)
        return StepWeights(
            np.where(present, interval, 0), np.sqrt(np.where(present, v, 1.0)), present, critical, two_sided
        )

    @property
    def parameters(self) -> int:
        return int(self.critical.size)

    def counts(self) -> Array:
        """Studies in each interval of p, ``[b, q + 1]``."""
        return np.stack(
            [((self.interval == j) & self.present).sum(-1) for j in range(self.parameters + 1)], axis=-1
        ).astype(np.float64)

    def take(self, rows: Indices) -> StepWeights:
        return StepWeights(self.interval[rows], self.root_v[rows], self.present[rows], self.critical, self.two_sided)

    def observed(self, shape: Array) -> tuple[Array, Array]:
        counts = self.counts()[:, 1:]
        return np.asarray((counts * shape).sum(-1)), counts

    def normaliser(self, mu: Array, s2: Array, shape: Array) -> tuple[Array, Array, Array, Array]:
        s = np.sqrt(s2)
        delta = np.concatenate([np.ones((shape.shape[0], 1)), np.exp(shape)], axis=1)
        a, by_mu, by_s2 = np.ones(s2.shape), np.zeros(s2.shape), np.zeros(s2.shape)
        above = []
        for j, critical in enumerate(self.critical):
            rise = (delta[:, j + 1] - delta[:, j])[:, None]
            u = (critical * self.root_v - mu[:, None]) / s
            chance, slope, bend = special.ndtr(u), density(u), u * density(u)
            if self.two_sided:
                low = (-critical * self.root_v - mu[:, None]) / s
                chance = chance - special.ndtr(low)
                slope, bend = slope - density(low), bend - low * density(low)
            a += rise * chance
            by_mu -= rise * slope / s
            by_s2 -= 0.5 * rise * bend / s2
            above.append(chance)
        above.append(np.zeros(s2.shape))
        by_shape = np.stack(
            [delta[:, j + 1, None] * (above[j] - above[j + 1]) for j in range(self.parameters)], axis=-1
        )
        keep = self.present
        return (
            np.where(keep, a, 1.0),
            np.where(keep, by_mu, 0.0),
            np.where(keep, by_s2, 0.0),
            np.where(keep[:, :, None], by_shape, 0.0),
        )


@dataclass(frozen=True)
class BetaWeights:
    """Citkowicz and Vevea (2017, doi:10.1037/met0000119): ``w(p) = p^(a - 1) (1 - p)^(b - 1)`` of the one-sided p-value.

    The shape holds log a and log b. A is an integral over the normal deviate, by Gauss-Legendre nodes between the clipped p-values
    and normal tails beyond them.
    """

    log_p: Array
    log_q: Array
    root_v: Array
    present: NDArray[np.bool_]
    clip: float = P_CLIP

    @property
    def parameters(self) -> int:
        return 2

    @staticmethod
    def of(y: Array, v: Array, clip: float = P_CLIP) -> BetaWeights:
        """The weights of effects and variances."""
        present = np.isfinite(v)
        p = np.clip(p_values(y, v, False), clip, 1.0 - clip)
        return BetaWeights(
            np.where(present, np.log(p), 0.0),
            np.where(present, np.log1p(-p), 0.0),
            np.sqrt(np.where(present, v, 1.0)),
            present,
            clip,
        )

    def take(self, rows: Indices) -> BetaWeights:
        return BetaWeights(self.log_p[rows], self.log_q[rows], self.root_v[rows], self.present[rows], self.clip)

    def observed(self, shape: Array) -> tuple[Array, Array]:
        form = np.exp(shape)
        sum_p, sum_q = self.log_p.sum(-1), self.log_q.sum(-1)
        value = (form[:, 0] - 1) * sum_p + (form[:, 1] - 1) * sum_q
        return value, np.stack([form[:, 0] * sum_p, form[:, 1] * sum_q], axis=-1)

    def normaliser(self, mu: Array, s2: Array, shape: Array) -> tuple[Array, Array, Array, Array]:
        form = np.exp(shape)
        end, z, spacing, log_p, log_q = _rule(self.clip)
        weight = np.exp((form[:, :1] - 1) * log_p + (form[:, 1:] - 1) * log_q) * spacing
        s = np.sqrt(s2)
        u = (self.root_v[:, :, None] * z - mu[:, None, None]) / s[:, :, None]
        mass = density(u) * (self.root_v / s)[:, :, None] * weight[:, None, :]
        a = mass.sum(-1)
        by_mu = (mass * u).sum(-1) / s
        by_s2 = 0.5 * (mass * (u * u - 1.0)).sum(-1) / s2
        by_a, by_b = (mass * log_p).sum(-1), (mass * log_q).sum(-1)
        # Beyond the clipped p-values the weight is constant: small p on the right, large p on the left.
        near, far = np.log(self.clip), np.log1p(-self.clip)
        for side in (1.0, -1.0):
            edge = (side * end * self.root_v - mu[:, None]) / s
            tail = special.ndtr(-side * edge)
            one, other = (near, far) if side > 0 else (far, near)
            height = np.exp((form[:, :1] - 1) * one + (form[:, 1:] - 1) * other)
            a = a + height * tail
            by_mu = by_mu + side * height * density(edge) / s
            by_s2 = by_s2 + 0.5 * side * height * edge * density(edge) / s2
            by_a, by_b = by_a + height * tail * one, by_b + height * tail * other
        by_shape = np.stack([form[:, :1] * by_a, form[:, 1:] * by_b], axis=-1)
        keep = self.present
        return (
            np.where(keep, a, 1.0),
            np.where(keep, by_mu, 0.0),
            np.where(keep, by_s2, 0.0),
            np.where(keep[:, :, None], by_shape, 0.0),
        )
