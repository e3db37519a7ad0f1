"""The exact one-stage model of a network: the binomial likelihood of the counts with a normal random effect of every arm.

    logit p_ij = a_i + x_ij' beta + u_ij,   u_ij = e_ij - mean_i(e),   e_ij ~ N(0, tau2 / 2),

so that every contrast within a study has the heterogeneity variance ``tau2`` and no arm is a baseline (on such models
doi:10.1177/0272989X14545789). The intercepts a_i are parameters: nothing is learnt from differences between studies. With
``u = tau / sqrt(2) B z``, B an orthonormal basis of what sums to zero and z standard normal in K - 1 dimensions, the likelihood of a
study is an integral that adaptive Gauss-Hermite quadrature solves about the mode (Liu and Pierce 1994, doi:10.1093/biomet/81.3.624).
For a given tau it is log-concave in all other parameters, so that Newton's method finds its only maximum; the profile in tau is
scanned, and each rise that turns into a fall is refined.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np
from scipy import optimize, special

from metanet.base.arrays import Array, Indices

#: Nodes a dimension of the quadrature by the number of arms of a study; beyond these the mode alone (Laplace's approximation).
NODES = {2: 25, 3: 13, 4: 9, 5: 9, 6: 7, 7: 5, 8: 4, 9: 3}
#: Standard deviations at which the profile is read; a likelihood that rises beyond the last has no maximum that could be used.
_SCAN = (0.03, 0.08, 0.16, 0.3, 0.5, 0.8, 1.3, 2.2, 3.7, 6.3, 10.7)
#: Newton steps of a climb, and halvings of one.
_STEPS, _HALVINGS = 40, 12


@dataclass(frozen=True)
class _Group:
    """Studies with the same number of arms: rows among all studies, counts ``[s, K]``, design ``[s, K, p]``, offset ``[s, K]``."""

    rows: Indices
    y: Array
    n: Array
    x: Array
    offset: Array

    @cached_property
    def basis(self) -> Array:
        """Orthonormal basis of the vectors of K numbers that sum to zero, ``[K, K - 1]``."""
        count = self.y.shape[1]
        return np.linalg.svd(np.eye(count) - 1.0 / count)[0][:, : count - 1]

    @cached_property
    def rule(self) -> tuple[Array, Array]:
        """Nodes ``[m, K - 1]`` and logarithms of the weights ``[m]`` of a product rule for the standard normal distribution."""
        return product_rule(self.y.shape[1] - 1, NODES.get(self.y.shape[1], 1))

    @cached_property
    def constant(self) -> float:
        """Sum of the logarithms of the binomial coefficients."""
        return float((special.gammaln(self.n + 1) - special.gammaln(self.y + 1) - special.gammaln(self.n - self.y + 1)).sum())


def product_rule(dimension: int, nodes: int) -> tuple[Array, Array]:
    """Nodes ``[m, dimension]`` of a Gauss-Hermite product rule, and for each ``log weight + |node|^2 / 2`` ``[m]``."""
    node, weight = special.roots_hermitenorm(nodes)
    grid = np.stack(np.meshgrid(*[node] * dimension, indexing="ij"), -1).reshape(-1, dimension)
    logs = np.log(weight / np.sqrt(2.0 * np.pi))
    total = np.stack(np.meshgrid(*[logs] * dimension, indexing="ij"), -1).reshape(-1, dimension).sum(-1)
    return grid, total + 0.5 * (grid**2).sum(-1)


@dataclass
class _Sums:
    """Log-likelihood and derivatives at one point: intercepts ``[s]``, coefficients ``[p]``, tau."""

    loglik: float
    score_a: Array
    score_b: Array
    info_a: Array
    info_ab: Array
    info_b: Array
    score_tau: float


@dataclass(frozen=True)
class ExactFit:
    """The maximum of the exact likelihood.

    Attributes
    ----------
    beta, covariance
        Coefficients ``[p]`` and the inverse of the observed information on them, tau at its maximum, ``[p, p]``.
    intercepts
        Logits of the studies, ``[s]``.
    tau
        Standard deviation of a contrast between studies.
    loglik
        Log-likelihood with the binomial coefficients.
    converged
        Whether there is a maximum and it was found.
    """

    beta: Array
    covariance: Array
    intercepts: Array
    tau: float
    loglik: float
    converged: bool

    @property
    def tau2(self) -> float:
        """Heterogeneity variance."""
        return self.tau**2


@dataclass
class _Point:
    """Where a climb stands; `modes` are those of the random effects, by group, kept from one step to the next."""

    a: Array
    beta: Array
    modes: list[Array] = field(default_factory=list)

    def copied(self) -> _Point:
        return self.moved(np.zeros(()), np.zeros(()), 0.0)

    def moved(self, da: Array, db: Array, share: float) -> _Point:
        return _Point(self.a + share * da, self.beta + share * db, [mode.copy() for mode in self.modes])


#: A point of the profile: where it is reached, the sums there, tau, and whether it is a maximum.
_Reached = tuple[_Point, _Sums, float, bool]


class ExactLikelihood:
    """The likelihood of the studies of one network.

    Parameters
    ----------
    y, n
        Events and patients of the arms, ``[s, K]``; n = 0 where an arm is absent. Every study has events and non-events.
    x
        Design ``[s, K, p]``; no column is the same for all arms of every study.
    offset
        Known parts of the logits, ``[s, K]``.
    """

    def __init__(self, y: Array, n: Array, x: Array, offset: Array | None = None) -> None:
        offset = np.zeros(y.shape) if offset is None else offset
        self.studies, self.parameters = y.shape[0], x.shape[-1]
        present = n > 0
        order = np.argsort(~present, axis=1, kind="stable")
        y, n, offset = (np.take_along_axis(values, order, 1) for values in (y, n, offset))
        x = np.take_along_axis(x, order[:, :, None], 1)
        count = present.sum(1)
        self.groups = [
            _Group(rows, y[rows, :k], n[rows, :k], x[rows, :k], offset[rows, :k])
            for k in np.unique(count)
            if (rows := np.flatnonzero(count == k)).size
        ]
        rate = (y.sum(1) + 0.25) / (n.sum(1) + 0.5)
        self._start_a = special.logit(rate) - (offset * n).sum(1) / n.sum(1)
        self._constant = sum(group.constant for group in self.groups)

    def start(self) -> _Point:
        """Equal treatments, every study at its own rate."""
        modes = [np.zeros((group.rows.size, max(group.y.shape[1] - 1, 0))) for group in self.groups]
        return _Point(self._start_a.copy(), np.zeros(self.parameters), modes)

    def at(self, point: _Point, tau: float) -> _Sums:
        """Log-likelihood and derivatives."""
        s, p = self.studies, self.parameters
        out = _Sums(self._constant, np.zeros(s), np.zeros(p), np.zeros(s), np.zeros((s, p)), np.zeros((p, p)), 0.0)
        for place, group in enumerate(self.groups):
            eta = point.a[group.rows][:, None] + group.offset + group.x @ point.beta
            if tau == 0.0 or group.y.shape[1] < 2:
                loglik, score, info, slope = _plain(group, eta)
            else:
                loglik, score, info, slope = _integrated(group, eta, tau, point.modes[place])
            out.loglik += loglik
            out.score_tau += slope
            out.score_a[group.rows] = score.sum(1)
            out.score_b += np.einsum("sk,skp->p", score, group.x)
            turned = info @ group.x
            out.info_a[group.rows] = info.sum((1, 2))
            out.info_ab[group.rows] = turned.sum(1)
            out.info_b += np.tensordot(group.x, turned, axes=([0, 1], [0, 1]))
        return out

    def climb(self, tau: float, point: _Point) -> tuple[_Point, _Sums, bool]:
        """The maximum over intercepts and coefficients at one tau, by Newton's method with halved steps."""
        here, small = self.at(point, tau), 0
        for _ in range(_STEPS):
            da, db, gain = _newton(here)
            if not np.isfinite(gain):
                return point, here, False
            size = max(1.0, abs(here.loglik))
            # Nodes that move with the parameters make the derivatives inexact by the error of the quadrature: there the climb ends.
            small += gain < 1e-9 * size
            if gain < 1e-14 * size or small > 4:
                return point, here, True
            share = 1.0
            for _ in range(_HALVINGS):
                trial = point.moved(da, db, share)
                there = self.at(trial, tau)
                if there.loglik >= here.loglik - 1e-12 * size:
                    break
                share *= 0.5
            else:
                return point, here, bool(gain < 1e-6 * size)
            point, here = trial, there
        return point, here, False

    def fit(self, *, random: bool = True) -> ExactFit:
        """The maximum over all parameters; `random=False` fixes tau at zero, which is logistic regression."""
        point, sums, fine = self.climb(0.0, self.start())
        best = (point, sums, 0.0, fine)
        if random and fine:
            best = self._over_tau(best)
        point, sums, tau, fine = best
        with np.errstate(invalid="ignore"):
            inverse = np.linalg.pinv(_schur(sums), hermitian=True) if fine else np.full(sums.info_b.shape, np.nan)
        covariance = np.asarray(inverse, dtype=np.float64)
        return ExactFit(point.beta, covariance, point.a, tau, sums.loglik, fine)

    def _over_tau(self, zero: _Reached) -> _Reached:
        """The highest of the maxima of the profile in tau, zero among them; none where it rises to the end of the scan."""
        found = {0.0: zero}

        def score(tau: float) -> float:
            nearest = min((tau_known for tau_known, each in found.items() if each[3]), key=lambda known: abs(known - tau))
            point, sums, fine = self.climb(tau, found[nearest][0].copied())
            found[tau] = (point, sums, tau, fine)
            return sums.score_tau

        scores = [(0.0, self._score_at_zero(zero[0]))]
        for tau in _SCAN:
            scores.append((tau, score(tau)))
            # Where a climb ends early the quadrature is at its end too.
            if not found[tau][3] or (tau > 2.0 and scores[-1][1] < 0 > scores[-2][1]):
                break
        for (low, first), (high, second) in pairwise(scores):
            if first > 0 >= second:
                # The score vanishes with tau; its ratio to tau is that in tau2, which does not.
                low = low or 1e-3 * high
                if low < 2e-3 * high and score(low) <= 0:
                    high, low = low, 1e-4 * low
                    if score(low) <= 0:
                        continue
                optimize.brentq(lambda tau: score(tau) / tau, low, high, xtol=1e-9, rtol=1e-8, maxiter=60, disp=False)
        good = [each for each in found.values() if each[3]]
        best = max(good, key=lambda each: (each[1].loglik, -each[2]))
        rises = scores[-1][1] > 0 and best[2] >= scores[-2][0]
        return (*best[:3], not rises)

    def _score_at_zero(self, point: _Point) -> float:
        """Derivative of the log-likelihood in tau2 at zero, in closed form."""
        total = 0.0
        for group in self.groups:
            eta = point.a[group.rows][:, None] + group.offset + group.x @ point.beta
            p = special.expit(eta)
            residual = group.y - group.n * p
            centred = residual - residual.mean(1, keepdims=True)
            total += 0.25 * float((centred**2).sum() - (group.n * p * (1 - p)).sum() * (1.0 - 1.0 / eta.shape[1]))
        return total


def _schur(sums: _Sums) -> Array:
    """Information on the coefficients when the intercepts are profiled out, ``[p, p]``."""
    scaled = sums.info_ab / np.where(sums.info_a > 0, sums.info_a, 1.0)[:, None]
    return np.asarray(sums.info_b - sums.info_ab.T @ scaled)


def _solved(matrix: Array, right: Array) -> Array:
    """The solution of a linear system; of a singular one the shortest."""
    try:
        return np.asarray(np.linalg.solve(matrix, right) if right.size else right, dtype=np.float64)
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.lstsq(matrix, right, rcond=None)[0], dtype=np.float64)


def _newton(sums: _Sums) -> tuple[Array, Array, float]:
    """Steps in intercepts and coefficients, and twice the rise that they promise."""
    info_a = np.where(sums.info_a > 0, sums.info_a, 1.0)
    right = sums.score_b - sums.info_ab.T @ (sums.score_a / info_a)
    db = _solved(_schur(sums), right)
    da = (sums.score_a - sums.info_ab @ db) / info_a
    # Far from the maximum a curvature near zero promises a step beyond all logits.
    longest = max(np.abs(da).max(initial=0.0), np.abs(db).max(initial=0.0))
    if longest > 6.0:
        da, db = da * (6.0 / longest), db * (6.0 / longest)
    return da, db, float(sums.score_a @ da + sums.score_b @ db)


def _terms(group: _Group, eta: Array) -> Array:
    """``y eta - n log(1 + exp(eta))`` of the arms."""
    return np.asarray(group.y * eta - group.n * np.logaddexp(0.0, eta))


def _plain(group: _Group, eta: Array) -> tuple[float, Array, Array, float]:
    """Without heterogeneity: log-likelihood, scores ``[s, K]`` and information ``[s, K, K]`` of the logits."""
    p = special.expit(eta)
    weight = group.n * p * (1.0 - p)
    return float(_terms(group, eta).sum()), group.y - group.n * p, weight[:, :, None] * np.eye(eta.shape[1]), 0.0


def _mode(group: _Group, eta: Array, scale: Array, z: Array) -> Array:
    """The mode of the random effects ``[s, K - 1]``, improved in place, and the Hessian there ``[s, K - 1, K - 1]``."""
    identity = np.eye(z.shape[1])

    def height(rows: Indices, at: Array) -> Array:
        inner = eta[rows] + at @ scale.T
        terms = group.y[rows] * inner - group.n[rows] * np.logaddexp(0.0, inner)
        return np.asarray(terms.sum(1) - 0.5 * (at**2).sum(1))

    def hessian(rows: Indices, p: Array) -> Array:
        weight = group.n[rows] * p * (1.0 - p)
        return np.asarray(np.einsum("kd,sk,ke->sde", scale, weight, scale) + identity)

    rows = np.arange(z.shape[0])
    for _ in range(100):
        p = special.expit(eta[rows] + z[rows] @ scale.T)
        gradient = (group.y[rows] - group.n[rows] * p) @ scale - z[rows]
        step = np.linalg.solve(hessian(rows, p), gradient[:, :, None])[:, :, 0]
        promised = (step * gradient).sum(1)
        before, share = height(rows, z[rows]), np.ones(rows.size)
        for _ in range(30):
            worse = height(rows, z[rows] + share[:, None] * step) < before - 1e-12 * np.abs(before)
            if not worse.any():
                break
            share[worse] *= 0.5
        z[rows] += share[:, None] * step
        rows = rows[promised > 1e-13]
        if not rows.size:
            break
    everything = np.arange(z.shape[0])
    return hessian(everything, special.expit(eta + z @ scale.T))


def _integrated(group: _Group, eta: Array, tau: float, z: Array) -> tuple[float, Array, Array, float]:
    """With heterogeneity: as `_plain`, and the derivative in tau. The modes `z` are improved in place."""
    scale = tau / np.sqrt(2.0) * group.basis
    hessian = _mode(group, eta, scale, z)
    # The inverse of the transposed Cholesky factor turns standard nodes into those about the mode.
    lower = np.linalg.cholesky(hessian)
    spread = np.swapaxes(np.linalg.inv(lower), 1, 2)
    node, log_weight = group.rule
    at = z[:, None, :] + np.einsum("sde,me->smd", spread, node)
    logits = eta[:, None, :] + at @ scale.T
    p = special.expit(logits)
    joint = (group.y[:, None, :] * logits - group.n[:, None, :] * np.logaddexp(0.0, logits)).sum(2) - 0.5 * (at**2).sum(2) + log_weight
    top = joint.max(1, keepdims=True)
    weight = np.exp(joint - top)
    total = weight.sum(1)
    log_determinant = np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(1)
    loglik = float((np.log(total) + top[:, 0] - log_determinant).sum())
    weight /= total[:, None]
    residual = group.y[:, None, :] - group.n[:, None, :] * p
    score = np.einsum("sm,smk->sk", weight, residual)
    variance = np.einsum("sm,smk->sk", weight, group.n[:, None, :] * p * (1.0 - p))
    centred = residual - score[:, None, :]
    spread_of_scores = np.swapaxes(centred * weight[:, :, None], 1, 2) @ centred
    info = variance[:, :, None] * np.eye(eta.shape[1]) - spread_of_scores
    slope = float(np.einsum("sm,smk,smk->", weight, residual, at @ group.basis.T) / np.sqrt(2.0))
    return loglik, score, info, slope
