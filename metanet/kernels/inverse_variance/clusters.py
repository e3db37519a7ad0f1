"""Cluster-robust covariance: sums over clusters, CR2 for inverse-variance models, and the score sandwich of exact models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metanet.base.arrays import Array, Indices
from metanet.kernels.normal_effect.moments import study_moments
from metanet.kernels.normal_effect.random_effect import RULES, nodes_interval
from metanet.kernels.normal_effect.study_likelihoods import Likelihood


@dataclass(frozen=True, eq=False)
class Clusters:
    """Which arm belongs to which cluster.

    Attributes
    ----------
    order
        Arms ``[k]`` sorted by cluster, in order of appearance within it.
    starts, sizes
        Where each cluster begins in that order, and its number of arms, ``[g]``.
    code
        The cluster of each arm ``[k]``, numbered in order of appearance.
    """

    order: Indices
    starts: Indices
    sizes: Indices
    code: Indices

    @staticmethod
    def of(keys: Sequence[object]) -> Clusters:
        """Clusters of equal keys, in order of appearance."""
        seen: dict[object, int] = {}
        return Clusters.of_codes(np.array([seen.setdefault(key, len(seen)) for key in keys], dtype=np.intp))

    @staticmethod
    def of_codes(code: Indices) -> Clusters:
        """Clusters of numbers from 0 on, each of which occurs."""
        sizes = np.bincount(code).astype(np.intp)
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.intp)
        return Clusters(np.argsort(code, kind="stable").astype(np.intp), starts, sizes, code)

    @property
    def count(self) -> int:
        """Number of clusters."""
        return int(self.sizes.size)

    def sum(self, values: Array, axis: int = -1) -> Array:
        """Sums over the arms of each cluster along `axis`, which then counts clusters."""
        ordered = np.take(values, self.order, axis=axis)
        return np.asarray(np.add.reduceat(ordered, self.starts, axis=axis))

    def spread(self, values: Array) -> Array:
        """Values by cluster ``[..., g]`` as values by arm ``[..., k]``."""
        return np.asarray(np.take(values, self.code, axis=-1))


# CR2: the covariance of inverse-variance coefficients when arms of one cluster may be dependent, with Satterthwaite df.
#
# With weights ``W = Phi^-1`` and ``M = (X' W X)^-1`` the estimate is
#
#     V = M [ sum_g X_g' W_g A_g e_g e_g' A_g' W_g X_g ] M
#     A_g = D_g' (D_g B_g D_g')^(-1/2) D_g,   B_g = Phi_g - X_g M X_g',   D_g' D_g = Phi_g
#
# (Bell and McCaffrey 2002, Survey Methodology 28:169-181; Pustejovsky and Tipton 2018, doi:10.1080/07350015.2016.1247004):
# unbiased where the working model ``Phi`` is true, and consistent in the number of clusters where it is not. The degrees of
# freedom are those of a scaled chi-squared variable with the mean and variance that ``c' V c`` has under the working model.
#
# Notes
# -----
# Apart from the square roots inside clusters everything is linear in the number of arms: ``Phi - X M X'`` has rank p beside its
# diagonal, so that the sums over pairs of clusters that the degrees of freedom need collapse to matrices ``[p, p]``. Clusters
# of one size are treated together. Weights that are all multiplied by one number change nothing.

#: A direction of a cluster's residuals that the coefficients follow to this share has no residual of its own.
_FOLLOWED = 1e-10


@dataclass(frozen=True)
class RobustCovariance:
    """Covariance ``[b, p, p]`` of the coefficients and the Satterthwaite df of each ``[b, p]``; NaN where there are none."""

    covariance: Array
    df: Array


def cr2(x: Array, weights: Array, residuals: Array, clusters: Clusters) -> RobustCovariance:
    """CR2 covariance and degrees of freedom.

    Parameters
    ----------
    x
        Designs ``[b, k, p]``, of full rank over the arms present.
    weights
        Weights ``[b, k]``, inverse to the working variances; 0 for an absent arm.
    residuals
        ``y - x beta`` at the weighted least-squares coefficients, ``[b, k]``; not looked at where an arm is absent.
    """
    present = weights > 0
    phi = np.where(present, 1.0 / np.where(present, weights, 1.0), 1.0)
    # Working variances near one: the square roots below see no large or small numbers.
    unit = np.exp(np.where(present, np.log(phi), 0.0).sum(-1, keepdims=True) / np.maximum(present.sum(-1), 1)[:, None])
    phi = np.asarray(np.where(present, phi / unit, 1.0), dtype=np.float64)
    x = np.where(present[:, :, None], x, 0.0)
    e = np.where(present, residuals, 0.0)
    xw = x / phi[:, :, None]
    # Coefficients in units of their own size, so that the inverse loses no digits.
    size = np.sqrt((x * xw).sum(1))
    size = np.where(size > 0, size, 1.0)
    x, xw = x / size[:, None, :], xw / size[:, None, :]
    bread: Array = np.asarray(np.linalg.inv(x.transpose(0, 2, 1) @ xw), dtype=np.float64)
    b, _, p = x.shape
    score = np.empty((b, clusters.count, p))
    # Per cluster: q[c] = X_g' g_c and s[c] = g_c' Phi_g g_c with g_c = A_g' W_g X_g M c, for every coefficient c.
    q, s = np.empty((b, clusters.count, p, p)), np.empty((b, clusters.count, p))
    for n in np.unique(clusters.sizes):
        which = np.flatnonzero(clusters.sizes == n)
        arms = clusters.order[clusters.starts[which][:, None] + np.arange(n)]
        part, own = x[:, arms], phi[:, arms]
        adjusted = np.swapaxes(_adjustment(part, own, bread), -1, -2) @ xw[:, arms]
        score[:, which] = np.einsum("bgnp,bgn->bgp", adjusted, e[:, arms])
        g = adjusted @ bread[:, None]
        q[:, which] = np.swapaxes(part, -1, -2) @ g
        s[:, which] = (g * g * own[..., None]).sum(-2)
    inner = np.einsum("bgp,bgq->bpq", score, score)
    covariance = bread @ inner @ bread
    lowered = bread[:, None] @ q
    own_share = np.einsum("bgpc,bgpc->bgc", q, lowered)
    whole = np.einsum("bgpc,bgqc->bcpq", lowered, q)
    trace = (s - own_share).sum(1)
    squares = (s * s - 2.0 * s * own_share).sum(1) + np.einsum("bcpq,bcqp->bc", whole, whole)
    with np.errstate(divide="ignore", invalid="ignore"):
        # Never below one, as (sum a)^2 >= sum a^2 for shares that are not negative; rounding may say otherwise.
        df = np.where(squares > 0, np.maximum(trace * trace / squares, 1.0), np.nan)
    return RobustCovariance(covariance / (size[:, :, None] * size[:, None, :]), df)


def _adjustment(x: Array, phi: Array, bread: Array) -> Array:
    """``A_g`` of clusters of one size, ``[b, g, n, n]``, from designs ``[b, g, n, p]`` and working variances ``[b, g, n]``."""
    n = x.shape[-2]
    root = np.sqrt(phi)
    scaled = x / root[..., None]
    kept = np.eye(n) - scaled @ bread[:, None] @ np.swapaxes(scaled, -1, -2)
    if n == 1:
        share = kept[..., 0, 0]
        usable = share > _FOLLOWED
        return np.where(usable, 1.0 / np.sqrt(np.where(usable, share, 1.0)), 0.0)[..., None, None]
    # How many directions are free is read from the projection, whose eigenvalues lie between 0 and 1 whatever the variances are.
    free = (np.linalg.eigvalsh(kept) > _FOLLOWED).sum(-1)
    value, vector = np.linalg.eigh(phi[..., :, None] * kept * phi[..., None, :])
    usable = np.arange(n) >= n - free[..., None]
    inverse = np.where(usable, 1.0 / np.sqrt(np.where(usable & (value > 0), value, 1.0)), 0.0)
    middle = (vector * inverse[..., None, :]) @ np.swapaxes(vector, -1, -2)
    return np.asarray(root[..., :, None] * middle * root[..., None, :])


# Cluster-robust covariance of an exact random-effects likelihood: a sandwich of the studies' scores, summed by cluster.
#
#     V = f J^-1 [ sum_g U_g U_g' ] J^-1,   U_g = sum of the scores of the arms of cluster g,   J observed information
#
# in (beta, tau), with ``f = G / (G - p)`` (Liang and Zeger 1986, doi:10.1093/biomet/73.1.13; Huber 1967; White 1982,
# doi:10.2307/1912526). The scores are those of the marginal likelihood, in which every arm has a random effect of its own.
#
# Notes
# -----
# CR2 rests on residuals that are linear in the coefficients and has no counterpart here. The factor f and Student's t with G -
# p degrees of freedom are a simple correction; such corrections leave some undercoverage where clusters are few or very unlike
# in size (Mancl and DeRouen 2001, doi:10.1111/j.0006-341X.2001.00126.x).

#: Enough nodes for every spread that studies have; the scores are checked to sum to zero at the maximum.
_RULE = RULES[3]
#: Elements of an array over nodes, as in `random_effect`.
_BLOCK = 60_000


def sandwich(studies: Likelihood, x: Array, beta: Array, tau: Array, clusters: Clusters) -> tuple[Array, Array]:
    """Cluster-robust covariance ``[b, p, p]`` of beta at the maximum (beta ``[b, p]``, tau ``[b]``), and the model's own.

    `x` is ``[b, k, p]``. On the boundary tau = 0 tau is no free parameter, and the scores of beta stand alone. NaN where the
    clusters do not outnumber the coefficients, or the information has no inverse.
    """
    b, _, p = x.shape
    size = max(1, _BLOCK // (_RULE.nodes * x.shape[1]))
    robust, model = np.empty((b, p, p)), np.empty((b, p, p))
    for start in range(0, b, size):
        rows = slice(start, start + size)
        robust[rows], model[rows] = _sandwich(studies.take(rows), x[rows], beta[rows], tau[rows], clusters)
    return robust, model


def _sandwich(studies: Likelihood, x: Array, beta: Array, tau: Array, clusters: Clusters) -> tuple[Array, Array]:
    b, k, p = x.shape
    eta = (x @ beta[:, :, None])[:, :, 0]
    score, information = np.zeros((b, k, p + 1)), np.zeros((b, p + 1, p + 1))
    low, length, _ = nodes_interval(studies, eta, tau, _RULE.drop)
    at = study_moments(studies, eta, tau, _RULE.nodes, low, length)
    inside = tau > 0
    # Without a random effect the study's own slope and curvature need no nodes.
    _, slope, bend = studies.terms(eta)
    own = np.where(inside[:, None], at.score, slope)
    curvature = np.where(inside[:, None], at.information, bend)
    score[:, :, :p] = x * own[:, :, None]
    score[:, :, p] = np.where(inside[:, None], at.tau_score, 0.0)
    information[:, :p, :p] = np.einsum("bkp,bk,bkq->bpq", x, curvature, x)
    cross = np.where(inside[:, None], np.einsum("bkp,bk->bp", x, at.cross), 0.0)
    information[:, :p, p] = information[:, p, :p] = cross
    information[:, p, p] = np.where(inside, at.tau_information.sum(-1), 1.0)
    # Units of the coefficients' own size, as coefficients of days and of centuries differ by many powers of ten.
    unit = np.sqrt(np.abs(np.einsum("bii->bi", information)))
    unit = np.where(unit > 0, unit, 1.0)
    scaled = information / (unit[:, :, None] * unit[:, None, :])
    usable = np.isfinite(scaled).all((-2, -1))
    usable[usable] = np.linalg.eigvalsh(scaled[usable])[:, 0] > 1e-12
    bread = np.full_like(scaled, np.nan)
    bread[usable] = np.linalg.inv(scaled[usable])
    bread /= unit[:, :, None] * unit[:, None, :]
    total = clusters.sum(score, axis=1)
    meat = np.einsum("bgp,bgq->bpq", total, total)
    count = clusters.count
    factor = count / (count - p) if count > p else np.nan
    return factor * (bread @ meat @ bread)[:, :p, :p], bread[:, :p, :p]
