"""Permutation tests of a meta-regression (Higgins and Thompson 2004, doi:10.1002/sim.1752), all arrangements in one batch.

The rows of the design are given to the studies in other orders; the studies keep their effects and sizes. The arrangement that was
observed is one of them, so that no p-value is zero.
"""

from __future__ import annotations

from math import factorial

import numpy as np
from numpy.typing import NDArray

from metanet.kernels.regression import wald
from metanet.kernels.regression_exact import fit as fit_exact
from metanet.kernels.regression_problem import Problem, gram_schmidt
from metanet.kernels.regression_tau2 import ESTIMATORS
from metanet.kernels.study_likelihoods import Likelihood

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

#: Statistics this close to the observed one, relative to it, are ties.
TIE = 1e-7
#: Elements of an array over studies and arrangements that stay in the cache together.
_BLOCK = 12_000
_EXACT_BLOCK = 500


def arrangements(x: Array, most: int, seed: int) -> tuple[Indices, bool]:
    """Orders ``[b, k]`` of the rows of a design ``[k, p]``, the observed one first, and whether they are all there are.

    Studies with equal moderators are exchangeable, so that all *different* arrangements are taken where they are at most `most`;
    else `most`, the observed one and random ones.
    """
    k = x.shape[0]
    _, first, group, count = np.unique(x, axis=0, return_index=True, return_inverse=True, return_counts=True)
    group = group.reshape(-1)
    number = factorial(k)
    for n in count:
        number //= factorial(int(n))
    if number <= most:
        rows, left = np.empty((1, 0), dtype=np.intp), count[None].copy()
        for _ in range(k):
            owner, chosen = np.nonzero(left)
            rows = np.concatenate([rows[owner], chosen[:, None]], axis=1)
            left = left[owner]
            left[np.arange(owner.size), chosen] -= 1
        observed = np.flatnonzero((rows == group).all(1))[0]
        rows[[0, observed]] = rows[[observed, 0]]
        return first[rows], True
    rng = np.random.default_rng(seed)
    index = np.tile(np.arange(k), (most, 1))
    index[1:] = rng.permuted(index[1:], axis=1)
    return index, False


def two_step_statistics(
    y: Array, v: Array, x: Array, index: Indices, tau2: str, ci: str, contrast: Array
) -> tuple[Array, Array]:
    """Absolute statistics of the coefficients ``[b, p]`` and the omnibus statistic ``[b]`` of every arrangement.

    Parameters
    ----------
    y, v, x
        Effects and variances ``[k]``, all present, and the design ``[k, p]`` of full rank.
    tau2, ci, contrast
        Estimator, kind of interval and omnibus contrast ``[m, p]``, as in the fit itself: tau2 is estimated anew each time.
    """
    k = x.shape[0]
    basis = gram_schmidt(np.ascontiguousarray(x.T)[:, :, None], np.ones((k, 1)))
    q, back = basis.columns[:, :, 0].T, basis.transform[:, :, 0]
    centred = y - y.mean()
    # The plain mean of the effects changes the intercept alone; taken out, it costs no digits.
    shift = np.linalg.lstsq(x, np.full(k, y.mean()), rcond=None)[0]
    statistics, omnibus = [], []
    size = max(1, _BLOCK // k)
    for start in range(0, index.shape[0], size):
        part = index[start : start + size]
        problem = Problem.rearranged(centred, v, q, part)
        value = ESTIMATORS[tau2](problem)
        w = 1.0 / (problem.v + value)
        at = gram_schmidt(problem.x, w)
        load = np.einsum("pkb,kb,k->pb", at.columns, w, centred)
        way = np.einsum("ij,jlb->bil", back, at.transform)
        beta = (way @ load.T[:, :, None])[:, :, 0] + shift
        covariance = way @ way.transpose(0, 2, 1)
        if ci in ("HK", "HK-adhoc"):
            factor = problem.q(value)[0] / problem.df
            covariance *= (np.maximum(factor, 1.0) if ci == "HK-adhoc" else factor)[:, None, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            statistics.append(np.abs(beta) / np.sqrt(np.einsum("bii->bi", covariance)))
        omnibus.append(wald(beta, covariance, contrast, np.full(part.shape[0], np.inf))[0])
    return np.concatenate(statistics), np.concatenate(omnibus)


def exact_statistics(
    studies: Likelihood, x: Array, index: Indices, null_loglik: float, moderators: Indices
) -> tuple[Array, Array]:
    """Likelihood-ratio statistics of leaving out each of the columns `moderators` ``[b, p]``, and all of them ``[b]``, by arrangement.

    A likelihood ratio exists where a coefficient has no finite maximum, which happens under rearrangement of sparse data; Wald's
    statistic falls to zero there. `studies` is a batch of one without absent studies, `null_loglik` its maximum without moderators.
    """
    p = x.shape[1]
    single, omnibus = [], []
    for start in range(0, index.shape[0], _EXACT_BLOCK):
        part = index[start : start + _EXACT_BLOCK]
        repeated = studies.take(np.zeros(part.shape[0], dtype=np.intp))
        designs = x[part]
        full = fit_exact(repeated, designs).loglik
        omnibus.append(2.0 * (full - null_loglik))
        each = np.full((part.shape[0], p), np.nan)
        for j in moderators:
            # The one moderator is all moderators.
            alone = p == 2 and moderators.size == 1
            reduced = None if alone else fit_exact(repeated, np.delete(designs, j, axis=2)).loglik
            each[:, j] = omnibus[-1] if reduced is None else 2.0 * (full - reduced)
        single.append(each)
    return np.maximum(np.concatenate(single), 0.0), np.maximum(np.concatenate(omnibus), 0.0)


def p_values(statistics: Array) -> Array:
    """Share of the arrangements, over the first axis, whose statistic is not below that of the first; ties count.

    An arrangement without a statistic counts as one that is not below.
    """
    observed = statistics[0]
    with np.errstate(invalid="ignore"):
        below = statistics < observed - TIE * np.abs(observed) - 1e-12
    return np.asarray(np.where(np.isnan(observed), np.nan, 1.0 - below.mean(0)))
