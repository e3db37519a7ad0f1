"""Two groups of a study under a logistic model with one normal random effect: counts, and the integrand along that effect.

The logits of the arms are ``e1 + h z`` and ``e2 - h z`` with ``z ~ N(0, 1)``; h is half the standard deviation of the true log odds
ratios, as the groups are coded +1/2 and -1/2 (Jackson 2018, doi:10.1002/sim.7588). With a of n1 and c of n2 events the log
integrand ``a l1 - n1 log(1 + exp(l1)) + c l2 - n2 log(1 + exp(l2)) - z^2 / 2`` is concave and bends at least as much as the prior.

Notes
-----
Integrals are trapezoidal sums over the interval in which the integrand exceeds a stated fraction of its peak; for an analytic
integrand that vanishes at both ends they converge geometrically (Trefethen and Weideman 2014, doi:10.1137/130932132).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import special

from metanet.base.arrays import Array, Mask
from metanet.kernels.numerics.batches import Batch

LOG_SQRT_2PI = float(0.5 * np.log(2 * np.pi))
#: A standard deviation of 30 on the logit scale says only that every study lies at an end.
TAU_LIMIT = 30.0


@dataclass(frozen=True)
class Rule:
    """A quadrature rule: the number of nodes, and the fall of the log integrand at which the interval ends."""

    nodes: int
    drop: float


@dataclass(frozen=True)
class Counts(Batch):
    """Events and totals of both arms ``[b, k]``, and each arm's logit and its information, with half an event more on either side."""

    a: Array
    n1: Array
    c: Array
    n2: Array
    logit1: Array
    logit2: Array
    weight1: Array
    weight2: Array

    def widen(self) -> Counts:
        """With an axis more, for the nodes of a sum."""
        return Counts(*(value[..., None] for value in vars(self).values()))

    @property
    def present(self) -> Mask:
        """Studies that are there."""
        return (self.n1 > 0) & (self.n2 > 0)


def count(events: Array, total: Array, events_control: Array, total_control: Array, used: Mask) -> Counts:
    """The counts of the studies used, zero elsewhere."""
    a, n1, c, n2 = (np.where(used, value, 0.0) for value in (events, total, events_control, total_control))
    p1, p2 = (a + 0.5) / (n1 + 1.0), (c + 0.5) / (n2 + 1.0)
    return Counts(a, n1, c, n2, special.logit(p1), special.logit(p2), n1 * p1 * (1 - p1), n2 * p2 * (1 - p2))


def log_binomial(counts: Counts) -> Array:
    """Sum over studies and arms of the logarithms of the binomial coefficients, ``[b]``."""
    parts = [
        special.gammaln(n + 1) - special.gammaln(x + 1) - special.gammaln(n - x + 1)
        for x, n in ((counts.a, counts.n1), (counts.c, counts.n2))
    ]
    return np.asarray((parts[0] + parts[1]).sum(-1))


def rounding(counts: Counts) -> Array:
    """What rounding leaves undecided of a log-likelihood, ``[b]``: its terms are as large as the counts, and cancel."""
    return np.asarray(1e-15 * (1.0 + (counts.n1 + counts.n2).sum(-1)))


def saturated_loglik(counts: Counts) -> Array:
    """Log-likelihood with a rate of its own for every arm, binomial coefficients included, ``[b]``."""
    total = log_binomial(counts)
    for x, n in ((counts.a, counts.n1), (counts.c, counts.n2)):
        size = np.maximum(n, 1.0)
        total = total + (special.xlogy(x, x / size) + special.xlogy(n - x, (n - x) / size)).sum(-1)
    return np.asarray(total)


def separated(counts: Counts) -> Mask:
    """Rows in which one direction of the odds ratio fits every study perfectly, or no study is left, ``[b]``.

    Without events among the treated, or with events only among the controls, in every study the likelihood rises until the odds
    ratio is zero, and the other way round.
    """
    gone = ~counts.present
    down = gone | (counts.a == 0) | (counts.c == counts.n2)
    up = gone | (counts.c == 0) | (counts.a == counts.n1)
    return np.asarray(down.all(-1) | up.all(-1))


def bernoulli(logit: Array) -> tuple[Array, Array, Array]:
    """``log(1 + exp(logit))``, the rate and its complement."""
    small = np.exp(-np.abs(logit))
    softplus = np.maximum(logit, 0.0) + np.log1p(small)
    near, far = 1.0 / (1.0 + small), small / (1.0 + small)
    positive = logit > 0
    return softplus, np.where(positive, near, far), np.where(positive, far, near)


class Height(NamedTuple):
    """The log integrand at a point: value, slope and bend (minus the second derivative) along z, and what a shift of both
    logits would do: the sum of residuals, its information, and the mixed curvature of shift and z."""

    value: Array
    slope: Array
    bend: Array
    residual: Array
    information: Array
    tilt: Array


@dataclass(frozen=True)
class Line:
    """The log integrand along z for studies ``[..., k]`` with arm logits `e1` and `e2` at ``z = 0``."""

    counts: Counts
    e1: Array
    e2: Array
    h: Array

    def height(self, z: Array) -> Height:
        """The log integrand at z and its derivatives."""
        n = self.counts
        l1, l2 = self.e1 + self.h * z, self.e2 - self.h * z
        s1, p1, q1 = bernoulli(l1)
        s2, p2, q2 = bernoulli(l2)
        r1, r2 = n.a - n.n1 * p1, n.c - n.n2 * p2
        w1, w2 = n.n1 * p1 * q1, n.n2 * p2 * q2
        return Height(
            value=n.a * l1 - n.n1 * s1 + n.c * l2 - n.n2 * s2 - 0.5 * z * z,
            slope=self.h * (r1 - r2) - z,
            bend=1.0 + self.h * self.h * (w1 + w2),
            residual=r1 + r2,
            information=w1 + w2,
            tilt=self.h * (w1 - w2),
        )

    def mode(self, iterations: int = 60) -> Array:
        """Where the integrand peaks, to a hundredth of its width: Newton steps inside a bracket that a flat tail cannot leave.

        The peak lies between zero and the slope there, since the slope falls faster than z grows.
        """
        n, h = self.counts, self.h
        slope = self.height(np.zeros(np.broadcast_shapes(self.e1.shape, n.a.shape))).slope
        low, high = np.minimum(slope, 0.0), np.maximum(slope, 0.0)
        # First guess: the arms' own logits, shrunken as normal distributions would be.
        z = h * (n.weight1 * (n.logit1 - self.e1) - n.weight2 * (n.logit2 - self.e2))
        z = np.clip(z / (1.0 + h * h * (n.weight1 + n.weight2)), low, high)
        done = np.zeros(z.shape, dtype=bool)
        for _ in range(iterations):
            at = self.height(z)
            low, high = np.where(at.slope > 0, z, low), np.where(at.slope < 0, z, high)
            new = z + at.slope / at.bend
            new = np.where((new < low) | (new > high), 0.5 * (low + high), new)
            near = np.abs(new - z) * np.sqrt(at.bend) < 0.01
            # Each study stops on its own, so that company in a batch changes nothing.
            z = np.where(done, z, new)
            done |= near
            if done.all():
                break
        return np.asarray(z)

    def ends(self, mode: Array, drop: float, iterations: int = 5) -> tuple[Array, Array]:
        """Ends of an interval that holds all z with the log integrand less than `drop` below its peak."""
        at = self.height(mode)

        def along(z: Array) -> tuple[Array, Array]:
            here = self.height(z)
            return here.value, here.slope

        return level_ends(along, mode, at.value, 1.0 / np.sqrt(at.bend), drop, iterations)


def level_ends(
    function: Callable[[Array], tuple[Array, Array]], mode: Array, peak: Array, scale: Array, drop: float, iterations: int
) -> tuple[Array, Array]:
    """Points on either side of `mode` at which a concave function lies at least `drop` below its `peak`, and little more.

    `function` gives height and slope. It bends at least as ``-z^2 / 2``, so the points lie within ``sqrt(2 drop)`` of the
    mode; Newton steps from a point outside approach the level from outside, and stopping early only widens the interval.
    They start at the nearest of three points outside, two of them measured in the function's own `scale`.
    """
    side = np.array([-1.0, 1.0]).reshape(2, *(1,) * mode.ndim)
    reach = np.sqrt(2.0 * drop)
    floor = peak - drop
    z = mode + side * reach
    for times in (4.0, 1.3):
        nearer = mode + side * reach * np.minimum(times * scale, 1.0)
        z = np.where(function(nearer)[0] < floor, nearer, z)
    for _ in range(iterations):
        height, slope = function(z)
        z = z - np.minimum(height - floor, 0.0) / np.where(slope == 0, 1.0, slope)
    return z[0], z[1]
