"""Selection models: weight functions of the p-value, and the maximum of the likelihood that they enter."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import special

from metanet.base.arrays import Array, Indices, Mask
from metanet.kernels.inverse_variance import tau2 as tau2_estimators
from metanet.kernels.inverse_variance.two_step import weighted_mean
from metanet.kernels.numerics.ascent import covariance

# How likely a study is to be seen, as a function of its p-value: step functions and beta densities, for a likelihood.
#
# A weight object holds the observed p-values of a batch and gives, at shape parameters ``[b, q]`` (logarithms), the log
# weight of every observed study and the log of the normalising constant ``A = E w(p)`` under a normal distribution of the
# effects, with gradients. Effects are turned so that selection favours large ones, and divided by nothing: bounds are
# ``sqrt(v)`` times normal quantiles.


#: p-values nearer to 0 or 1 count as this (beta weights are infinite or zero at the ends); the value of Citkowicz and
#: Vevea's program.
P_CLIP = 1e-5
#: Enough for 1e-11 of the integral while a + b is below `_NARROW`; narrower weights take the second number. A search takes fewer.
_NODES, _ROUGH_NODES = (96, 384), (40, 160)
_NARROW = 40.0
_ROOT = np.sqrt(2.0 * np.pi)


def density(x: Array) -> Array:
    """The standard normal density."""
    return np.asarray(np.exp(-0.5 * x * x) / _ROOT)


@lru_cache(maxsize=8)
def _rule(clip: float, count: int) -> tuple[float, Array, Array, Array, Array]:
    """End, nodes and weights of the integral over the normal deviate, and the logarithms of p and 1 - p at the nodes."""
    end = float(-special.ndtri(clip))
    nodes, spacing = np.polynomial.legendre.leggauss(count)
    z = end * nodes
    return end, z, end * spacing, special.log_ndtr(-z), special.log_ndtr(z)


class Weights(Protocol):
    """Weights of the studies of a batch ``[b, k]`` with q parameters; absent studies have no part (weight one, constant one)."""

    @property
    def parameters(self) -> int:
        """How many parameters the shape has."""
        ...

    @property
    def starts(self) -> NDArray[np.float64]:
        """Shapes ``[m, q]`` from which the search begins; minus infinity holds a parameter at zero, where the weight still exists."""
        ...

    def take(self, rows: Indices) -> Weights:
        """The chosen rows."""
        ...

    @property
    def rough(self) -> Weights:
        """The same weights, precise enough to find the way."""
        ...

    def exact(self, mu: Array, s2: Array, shape: Array) -> Mask:
        """Whether the normalising constant is computed to full precision there, ``[b]``."""
        ...

    def observed(self, shape: Array) -> tuple[Array, Array]:
        """Sum over studies of the log weights ``[b]`` and its gradient ``[b, q]``."""
        ...

    def normaliser(self, mu: Array, s2: Array, shape: Array) -> tuple[Array, Array, Array, Array]:
        """A and its derivatives in mu, in the variance ``[b, k]`` and in the shape ``[b, k, q]``.

        A constant factor of the weight of a row may be left out, if `observed` leaves it out as well.
        """
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
        return StepWeights(np.where(present, interval, 0), np.sqrt(np.where(present, v, 1.0)), present, critical, two_sided)

    @property
    def parameters(self) -> int:
        return int(self.critical.size)

    @property
    def starts(self) -> NDArray[np.float64]:
        """From weak to strong selection, in the intervals alike and apart. A weight of zero has no likelihood here."""
        levels = np.log([0.05, 0.4, 1.0, 4.0])
        q = self.parameters
        if q <= 2:
            return np.stack(np.meshgrid(*[levels] * q, indexing="ij"), axis=-1).reshape(-1, q)
        alike = levels[:, None] * np.linspace(1.0, 1.5, q)
        turned = [np.where(np.arange(q) < cut, low, high) for cut in range(1, q) for low, high in (levels[[1, 3]], levels[[3, 1]])]
        return np.concatenate([alike, turned])

    @property
    def rough(self) -> StepWeights:
        return self

    def exact(self, mu: Array, s2: Array, shape: Array) -> Mask:
        return np.ones(mu.shape, dtype=bool)

    def counts(self) -> Array:
        """Studies in each interval of p, ``[b, q + 1]``."""
        return np.stack([((self.interval == j) & self.present).sum(-1) for j in range(self.parameters + 1)], axis=-1).astype(
            np.float64
        )

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
        by_shape = np.stack([delta[:, j + 1, None] * (above[j] - above[j + 1]) for j in range(self.parameters)], axis=-1)
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
    nodes: tuple[int, int] = _NODES

    @property
    def parameters(self) -> int:
        return 2

    @property
    def rough(self) -> BetaWeights:
        return replace(self, nodes=_ROUGH_NODES)

    @staticmethod
    def of(y: Array, v: Array, clip: float = P_CLIP) -> BetaWeights:
        """The weights of effects and variances."""
        present = np.isfinite(v)
        p = np.clip(p_values(y, v, False), clip, 1.0 - clip)
        return BetaWeights(
            np.where(present, np.log(p), 0.0), np.where(present, np.log1p(-p), 0.0), np.sqrt(np.where(present, v, 1.0)), present, clip
        )

    def take(self, rows: Indices) -> BetaWeights:
        return BetaWeights(self.log_p[rows], self.log_q[rows], self.root_v[rows], self.present[rows], self.clip, self.nodes)

    @property
    def starts(self) -> NDArray[np.float64]:
        """Every kind of shape: falling, rising, U and bell, weak and strong; and with one or both parameters at zero."""
        levels = np.log([0.05, 0.3, 1.0, 3.0, 15.0])
        return np.array([(one, other) for one in (-np.inf, *levels) for other in (-np.inf, *levels)])

    def _top(self, form: Array) -> Array:
        """The largest logarithm of the weight ``[b]``: what is left out, so that narrow weights do not underflow."""
        a, b = form[:, 0] - 1, form[:, 1] - 1
        near, far = np.log(self.clip), np.log1p(-self.clip)
        top = np.maximum(a * near + b * far, a * far + b * near)
        inner = (a > 0) & (b > 0)
        share = np.clip(np.divide(a, a + b, out=np.full(a.shape, 0.5), where=inner), self.clip, 1.0 - self.clip)
        return np.asarray(np.where(inner, a * np.log(share) + b * np.log1p(-share), top))

    def observed(self, shape: Array) -> tuple[Array, Array]:
        form = np.exp(shape)
        sum_p, sum_q = self.log_p.sum(-1), self.log_q.sum(-1)
        value = (form[:, 0] - 1) * sum_p + (form[:, 1] - 1) * sum_q - self.present.sum(-1) * self._top(form)
        return value, np.stack([form[:, 0] * sum_p, form[:, 1] * sum_q], axis=-1)

    def exact(self, mu: Array, s2: Array, shape: Array) -> Mask:
        rough, fine = (self._integrals(mu, s2, np.exp(shape), count)[0] for count in (self.nodes[1], 2 * self.nodes[1]))
        return np.asarray((np.abs(rough - fine) <= 1e-7 * np.abs(fine)).all(-1))

    def normaliser(self, mu: Array, s2: Array, shape: Array) -> tuple[Array, Array, Array, Array]:
        form = np.exp(shape)
        narrow = form.sum(-1) > _NARROW
        if narrow.all() or not narrow.any():
            return self._integrals(mu, s2, form, self.nodes[int(narrow.any())])
        out = np.empty(s2.shape), np.empty(s2.shape), np.empty(s2.shape), np.empty((*s2.shape, 2))
        for rows, count in ((np.flatnonzero(~narrow), self.nodes[0]), (np.flatnonzero(narrow), self.nodes[1])):
            for whole, part in zip(out, self.take(rows)._integrals(mu[rows], s2[rows], form[rows], count), strict=True):
                whole[rows] = part
        return out

    def _integrals(self, mu: Array, s2: Array, form: Array, count: int) -> tuple[Array, Array, Array, Array]:
        end, z, spacing, log_p, log_q = _rule(self.clip, count)
        top = self._top(form)[:, None]
        weight = np.exp((form[:, :1] - 1) * log_p + (form[:, 1:] - 1) * log_q - top) * spacing
        s = np.sqrt(s2)
        u = (self.root_v[:, :, None] * z - mu[:, None, None]) / s[:, :, None]
        mass = density(u) * (self.root_v / s)[:, :, None] * weight[:, None, :]
        a = mass.sum(-1)
        by_mu = (mass * u).sum(-1) / s
        by_s2 = 0.5 * (mass * (u * u - 1.0)).sum(-1) / s2
        by_a, by_b = mass @ log_p, mass @ log_q
        # Beyond the clipped p-values the weight is constant: small p on the right, large p on the left.
        near, far = np.log(self.clip), np.log1p(-self.clip)
        for side in (1.0, -1.0):
            edge = (side * end * self.root_v - mu[:, None]) / s
            tail = special.ndtr(-side * edge)
            one, other = (near, far) if side > 0 else (far, near)
            height = np.exp((form[:, :1] - 1) * one + (form[:, 1:] - 1) * other - top)
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


# The maximum of a selection model: normal effects with heterogeneity, seen with a probability that depends on the p-value.
#
# The density of an observed effect is ``w(p_i) phi((y_i - mu) / s_i) / (s_i A_i)`` with ``s_i^2 = v_i + tau2`` and ``A_i``
# the mean of w under that normal distribution (Hedges 1992, doi:10.1214/ss/1177011364; Citkowicz and Vevea 2017,
# doi:10.1037/met0000119). Weights: `metanet.kernels.bias.selection`.
#
# Notes ----- Gradients are exact, second derivatives differences of them. Newton's method with halving and with tau2 held at
# zero while its slope points below. Such likelihoods have several maxima, some of them far from the mean without selection: every
# starting shape takes the best of a grid of means and heterogeneity variances. A beta weight still exists where a parameter is
# zero, and the likelihood can be highest there, outside the model: these edges are climbed as well.

#: Logarithms of weights are not followed beyond this: the data then set no limit to them.
SHAPE_LIMIT = 12.0
#: Heterogeneity below this, in units of the data's own variance, is as good as none while its slope points down.
_WHISKER = 1e-6
_LOG_2PI = float(np.log(2.0 * np.pi))


@dataclass(frozen=True)
class Selection:
    """The fitted model by row.

    Attributes
    ----------
    mu, tau2, shape
        Mean and heterogeneity variance of all studies, seen or not, ``[b]``, and the logarithms of the weights' parameters
        ``[b, q]``.
    covariance
        Of (mu, tau2, shape) ``[b, 2 + q, 2 + q]``; zero for tau2 where it stands at zero, NaN where the maximum is no strict one or
        lies at an edge.
    loglik, loglik_unselected
        Log-likelihood with selection and the maximum without it, ``[b]``.
    settled
        Whether a maximum, or the supremum at an edge, was reached with every other parameter inside its limits, ``[b]``.
    edge
        Which parameters of the weight tend to zero where the likelihood is highest, ``[b, q]``: it has no inner maximum then, and the
        numbers are those of its supremum.
    other_mu, other_loglik
        Mean and log-likelihood at the highest of the other inner maxima whose mean lies elsewhere, ``[b]``; NaN where there is none.
    """

    mu: Array
    tau2: Array
    shape: Array
    covariance: Array
    loglik: Array
    loglik_unselected: Array
    settled: Mask
    edge: Mask
    other_mu: Array
    other_loglik: Array


def _evaluate(y: Array, v: Array, weights: Weights, x: Array) -> tuple[Array, Array]:
    """Log-likelihood ``[b]`` and gradient ``[b, p]`` at (mu, tau2, shape)."""
    present = np.isfinite(v)
    s2 = np.where(present, v, 1.0) + np.where(present, x[:, 1:2], 0.0)
    rest = np.where(present, y - x[:, :1], 0.0)
    a, by_mu, by_s2, by_shape = weights.normaliser(x[:, 0], s2, x[:, 2:])
    seen, seen_slope = weights.observed(x[:, 2:])
    # Far out the chance of being seen underflows; such a point is no candidate, whatever its other terms.
    possible = np.asarray((np.isfinite(a) & (a > 0)).all(-1))
    a = np.where(possible[:, None], a, 1.0)
    terms = -0.5 * (np.log(s2) + _LOG_2PI + rest * rest / s2)
    loglik = np.where(possible, np.where(present, terms - np.log(a), 0.0).sum(-1) + seen, -np.inf)
    slope_mu = np.where(present, rest / s2 - by_mu / a, 0.0).sum(-1)
    slope_t = np.where(present, 0.5 * (rest * rest / s2 - 1.0) / s2 - by_s2 / a, 0.0).sum(-1)
    slope_shape = seen_slope - (by_shape / a[:, :, None]).sum(1)
    return loglik, np.concatenate([slope_mu[:, None], slope_t[:, None], slope_shape], axis=1)


def _information(y: Array, v: Array, weights: Weights, x: Array, size: Array) -> Array:
    """Minus the second derivatives ``[b, p, p]``, by central differences of the gradient."""
    p = x.shape[1]
    out = np.empty((x.shape[0], p, p))
    for j in range(p):
        step = np.zeros_like(x)
        step[:, j] = 2e-5 * size[:, j]
        _, up = _evaluate(y, v, weights, x + step)
        _, down = _evaluate(y, v, weights, x - step)
        out[:, :, j] = (down - up) / (2.0 * step[:, j : j + 1])
    return 0.5 * (out + out.transpose(0, 2, 1))


def _units(x: Array, size: Array) -> Array:
    """The scale of every parameter at a point: a large heterogeneity widens that of the mean and its own."""
    unit = size.copy()
    unit[:, 1] += x[:, 1]
    unit[:, 0] = np.sqrt(unit[:, 0] ** 2 + x[:, 1])
    return unit


def _climb(
    y: Array, v: Array, weights: Weights, x: Array, size: Array, tolerance: float = 1e-15, steps: int = 200
) -> tuple[Array, Array, Mask]:
    """Parameters, log-likelihood and a flag of arrival of one start per row."""
    x = x.copy()
    arrived = np.zeros(len(x), dtype=bool)
    loglik, slope = _evaluate(y, v, weights, x)
    rows: Indices = np.arange(len(x))
    for _ in range(steps):
        part, at = weights.take(rows), x[rows]
        unit = _units(at, size[rows])
        g = slope[rows] * unit
        information = _information(y[rows], v[rows], part, at, unit) * unit[:, :, None] * unit[:, None, :]
        # A whisker above zero the direction bends at once where it is cut off, so that no part of it need lead uphill: such a tau2
        # goes to zero on its own, and the others move without it.
        held = (at[:, 1] <= _WHISKER * unit[:, 1]) & (g[:, 1] <= 0)
        information[held, 1, :] = 0.0
        information[held, :, 1] = 0.0
        information[held, 1, 1] = 1.0
        g[held, 1] = -(at[held, 1] / unit[held, 1])
        # A parameter at its edge stays there.
        fixed = np.isneginf(at)
        information[fixed] = 0.0
        information.transpose(0, 2, 1)[fixed] = 0.0
        which, own = np.nonzero(fixed)
        information[which, own, own] = 1.0
        g[fixed] = 0.0
        sound = np.asarray(np.isfinite(loglik[rows]) & np.isfinite(g).all(1) & np.isfinite(information).all((1, 2)))
        g[~sound], information[~sound] = 0.0, np.eye(g.shape[1])
        value, vector = np.linalg.eigh(information)
        along = np.einsum("mpi,mp->mi", vector, g)
        strength = np.maximum(np.abs(value), 1e-8 * np.maximum(np.abs(value).max(1, keepdims=True), 1e-8))
        move = np.einsum("mpi,mi->mp", vector, along / strength)
        gain = (along * along / strength).sum(1)
        # At a maximum with a flat direction the gain is small as well: that is an answer, its errors are not.
        close = sound & (gain < tolerance * (1.0 + np.abs(loglik[rows])))
        arrived[rows[close]] = True
        lost = np.abs(np.where(fixed, 0.0, at)[:, 2:]).max(1) >= SHAPE_LIMIT
        keep = ~close & ~lost & sound
        if not keep.any():
            break
        rows, at, unit, move = rows[keep], at[keep], unit[keep], move[keep]
        part = weights.take(rows)
        move = move / np.maximum(1.0, np.abs(move).max(1, keepdims=True) / 2.0) * unit
        length = np.ones(rows.size)
        best, new_loglik, new_slope = at.copy(), loglik[rows].copy(), slope[rows].copy()
        open_ = np.arange(rows.size)
        for _ in range(40):
            trial = at[open_] + length[open_, None] * move[open_]
            # Zero itself, not what rounding leaves of it: at zero tau2 has no error of its own.
            trial[trial[:, 1] <= _WHISKER**2 * unit[open_, 1], 1] = 0.0
            height, gradient = _evaluate(y[rows[open_]], v[rows[open_]], part.take(open_), trial)
            better = height >= loglik[rows[open_]] - 1e-13 * np.abs(loglik[rows[open_]])
            done = open_[better]
            best[done], new_loglik[done], new_slope[done] = trial[better], height[better], gradient[better]
            open_ = open_[~better]
            if not open_.size:
                break
            length[open_] *= 0.5
        x[rows], loglik[rows], slope[rows] = best, new_loglik, new_slope
        rows = np.delete(rows, open_)
        if not rows.size:
            break
    return x, loglik, arrived


#: The grid from which every starting shape takes its mean (standard deviations of the data from the mean without selection) and its
#: heterogeneity variance (of the data's own variance).
_MEANS = np.array([-6.0, -2.5, -1.0, 0.0, 1.0, 2.5, 6.0])
_SPREADS = np.array([0.0, 0.1, 1.0, 10.0])
#: Where an edge is left for the inside.
_LIFTED = (-2.0, -5.0)
#: Climbs that are lower than the highest by more are given up.
_REACH = 10.0
#: Array elements of a grid at once.
_ROOM = 2_000_000


def _begun(y: Array, v: Array, weights: Weights, mean: Array, spread: Array, shapes: Array) -> Array:
    """Starts ``[2 * m * b, p]``: for every shape ``[m, q]`` and row the best of the grid without and with heterogeneity."""
    b, q = y.shape[0], shapes.shape[1]
    grid = [(shift, share) for share in _SPREADS for shift in _MEANS]
    out = np.empty((len(shapes), 2, b, 2 + q))
    for rows in np.array_split(np.arange(b), max(1, b * y.shape[1] * len(grid) * _NODES[0] // _ROOM)):
        if not rows.size:
            continue
        every = np.tile(rows, len(grid))
        place = np.repeat(np.array(grid), rows.size, axis=0)
        x = np.empty((every.size, 2 + q))
        x[:, 0] = mean[every] + place[:, 0] * np.sqrt(spread[every] * (1.0 + place[:, 1]))
        x[:, 1] = place[:, 1] * spread[every]
        part = weights.take(every)
        for i, shape in enumerate(shapes):
            x[:, 2:] = shape
            loglik, _ = _evaluate(y[every], v[every], part, x)
            height = np.where(np.isfinite(loglik), loglik, -np.inf).reshape(len(grid), rows.size)
            for spread_out, first, last in ((0, 0, _MEANS.size), (1, _MEANS.size, len(grid))):
                best = first + height[first:last].argmax(0)
                out[i, spread_out, rows] = x[best * rows.size + np.arange(rows.size)]
    return out.reshape(-1, 2 + q)


def fit_selection(y: Array, v: Array, weights: Weights) -> Selection:
    """The highest maximum of a batch ``[b, k]``, or the supremum where it lies at an edge."""
    b, p = y.shape[0], 2 + weights.parameters
    free = tau2_estimators.ml(y, v)
    mean = weighted_mean(y, v, free).mean
    present = np.isfinite(v)
    typical = np.where(present, v, 0.0).sum(-1) / present.sum(-1)
    size = np.ones((b, p))
    # Standard deviations and variances of the data's own scale, so that nothing depends on units; differences stay above -min v.
    size[:, 0], size[:, 1] = np.sqrt(free + v.min(-1)), v.min(-1)
    way = weights.rough
    row = np.tile(np.arange(b), 2 * len(weights.starts))
    x = _begun(y, v, way, mean, free + np.minimum(typical, 100.0 * v.min(-1)), weights.starts)
    x, loglik, _ = _climb(y[row], v[row], way.take(row), x, size[row], 1e-7, 60)
    x, row, loglik = _distinct(x, row, loglik, size)
    again, of = _again(x, row)
    again, more, _ = _climb(y[of], v[of], way.take(of), again, size[of], 1e-7, 60)
    x, row, _ = _distinct(np.concatenate([x, again]), np.concatenate([row, of]), np.concatenate([loglik, more]), size)
    x, loglik, arrived = _climb(y[row], v[row], weights.take(row), x, size[row])
    loglik = np.where(np.isfinite(loglik), loglik, -np.inf)
    inside = arrived & (np.abs(np.where(np.isneginf(x), 0.0, x)[:, 2:]).max(1) < SHAPE_LIMIT)
    top = np.full(b, -np.inf)
    np.maximum.at(top, row, loglik)
    # Of climbs that end at the same height the answer is one that arrived, inside rather than at an edge.
    level = loglik >= (top - 1e-9 * (1.0 + np.abs(top)))[row]
    edges = np.isneginf(x)
    order = np.lexsort((-loglik, edges.sum(1), ~inside, ~level, row))
    best = order[np.searchsorted(row[order], np.arange(b))]
    climbed, x, settled, edge = x, x[best], inside[best], edges[best]
    settled &= weights.exact(x[:, 0], np.where(present, v, 1.0) + x[:, 1:2], x[:, 2:])
    unit = _units(x, size)
    information = _information(y, v, weights, x, unit)
    allowed = np.ones((b, p), dtype=bool)
    allowed[:, 1] = x[:, 1] > 0
    allowed &= ~edge
    scaled = information * unit[:, :, None] * unit[:, None, :]
    spread = covariance(scaled, allowed) * unit[:, :, None] * unit[:, None, :]
    spread[edge.any(1)] = np.nan
    unselected, _ = _evaluate(y, v, weights, np.column_stack([mean, free, np.zeros((b, p - 2))]))
    other = _others(climbed, row, loglik, inside & ~edges.any(1), x[:, 0], unit[:, 0])
    return Selection(x[:, 0], x[:, 1], x[:, 2:], spread, loglik[best], unselected, settled, edge[:, 2:], *other)


def _others(x: Array, row: Indices, loglik: Array, inner: Mask, mu: Array, unit: Array) -> tuple[Array, Array]:
    """Mean and log-likelihood of the highest inner maximum away from the best mean of every row, NaN where there is none."""
    out = np.full((2, mu.size), np.nan)
    at = np.flatnonzero(inner & (np.abs(x[:, 0] - mu[row]) > 0.1 * unit[row]))
    at = at[np.argsort(loglik[at])]
    # Of several assignments to a row the last one stays, which is the highest.
    out[0, row[at]], out[1, row[at]] = x[at, 0], loglik[at]
    return out[0], out[1]


def _again(x: Array, row: Indices) -> tuple[Array, Indices]:
    """Further starts and their rows: the ends at an edge lifted inside, and the climbs that were lost below set at the edge."""
    found, rows = [x[:0]], [row[:0]]
    shape = x[:, 2:]
    edge = np.isneginf(shape)
    if edge.any():
        lost = np.isfinite(shape) & (shape <= -SHAPE_LIMIT)
        low = np.flatnonzero(lost.any(1))
        found.append(x[low])
        found[-1][:, 2:][lost[low]] = -np.inf
        rows.append(row[low])
        inside = (np.abs(np.where(edge, 0.0, shape)) < SHAPE_LIMIT).all(1)
        for j in range(shape.shape[1]):
            at = np.flatnonzero(edge[:, j] & inside)
            for lift in _LIFTED:
                found.append(x[at])
                found[-1][:, 2 + j] = lift
                rows.append(row[at])
    return np.concatenate(found), np.concatenate(rows)


def _distinct(x: Array, row: Indices, loglik: Array, size: Array) -> tuple[Array, Indices, Array]:
    """Of the climbs of a row those within reach of its highest, and one of those that ended at the same place."""
    loglik = np.where(np.isfinite(loglik), loglik, -np.inf)
    top = np.full(size.shape[0], -np.inf)
    np.maximum.at(top, row, loglik)
    near = np.flatnonzero((loglik >= top[row] - _REACH) & np.isfinite(top[row]))
    x, row, loglik = x[near], row[near], loglik[near]
    place = x / _units(x, size[row])
    place[:, 2:] = np.where(np.isneginf(x[:, 2:]), -2.0 * SHAPE_LIMIT, x[:, 2:])
    _, first = np.unique(np.column_stack([row, np.round(place * 100.0)]), axis=0, return_index=True)
    return x[first], row[first], loglik[first]
