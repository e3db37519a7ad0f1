"""Cluster-robust covariance of an exact random-effects likelihood: a sandwich of the studies' scores, summed by cluster.

    V = f J^-1 [ sum_g U_g U_g' ] J^-1,   U_g = sum of the scores of the arms of cluster g,   J observed information

in (beta, tau), with ``f = G / (G - p)`` (Liang and Zeger 1986, doi:10.1093/biomet/73.1.13; Huber 1967; White 1982,
doi:10.2307/1912526). The scores are those of the marginal likelihood, in which every arm has a random effect of its own.

Notes
-----
CR2 rests on residuals that are linear in the coefficients and has no counterpart here. The factor f and Student's t with G -
p degrees of freedom are a simple correction; such corrections leave some undercoverage where clusters are few or very unlike
in size (Mancl and DeRouen 2001, doi:10.1111/j.0006-341X.2001.00126.x).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metanet.kernels.clusters import Clusters
from metanet.kernels.random_effect import RULES, nodes_interval, study_moments
from metanet.kernels.study_likelihoods import Likelihood

Array = NDArray[np.float64]

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
    at = study_moments(studies, eta, tau, _RULE, low, length)
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
