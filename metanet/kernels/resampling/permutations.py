"""Permutation tests: of a pooled effect by sign flips, and of a meta-regression by rearranged moderators."""

from __future__ import annotations

from collections.abc import Callable
from math import factorial

import numpy as np

from metanet.base.arrays import Array, Indices
from metanet.kernels.inverse_variance.regression import wald
from metanet.kernels.inverse_variance.regression_tau2 import Problem, gram_schmidt
from metanet.kernels.inverse_variance.tau2 import ESTIMATORS
from metanet.kernels.inverse_variance.two_step import study_count, weighted_mean
from metanet.kernels.normal_effect.regression import fit as fit_exact
from metanet.kernels.normal_effect.study_likelihoods import Likelihood

# Permutation test of a pooled effect: under the null every study's deviation from it is as likely to lie on the other side.
#
# For every assignment of signs the whole analysis is repeated, tau2 included, on ``s_i (y_i - null)``; the p-value is the share of
# assignments whose statistic is at least as extreme as the observed one, which is counted (Follmann and Proschan 1999,
# doi:10.1111/j.0006-341X.1999.00732.x). A statistic and its mirror image are equal, so half of the assignments suffice.

Estimator = Callable[[Array, Array], Array]

#: Statistics that differ by less than this fraction are ties: rounding must not decide whether the observed one counts itself.
_TIE = 1e-9


def all_signs(k: int) -> Array:
    """Half of all assignments ``[2^(k - 1), k]``: the first study keeps its sign. The first row is the observed one."""
    numbers = np.arange(2 ** (k - 1))[:, None]
    rest = 1.0 - 2.0 * ((numbers >> np.arange(k - 1)) & 1)
    return np.concatenate([np.ones((numbers.size, 1)), rest], axis=1)


def random_signs(k: int, count: int, random: np.random.Generator) -> Array:
    """`count` random assignments ``[count, k]``; the observed one stands first."""
    out = np.where(random.random((count, k)) < 0.5, -1.0, 1.0)
    out[0] = 1.0
    return out


def statistics(y: Array, v: Array, estimator: Estimator | None, *, scaled: bool) -> Array:
    """``mean / se`` of each row ``[b]``; `scaled` by Hartung and Knapp's residual variance, which may be zero."""
    tau2 = np.zeros(y.shape[0]) if estimator is None else estimator(y, v)
    fit = weighted_mean(y, v, tau2)
    variance = fit.variance * fit.q / (study_count(v) - 1) if scaled else fit.variance
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(fit.mean == 0, 0.0, fit.mean / np.sqrt(variance))


def sign_flip_p_values(y: Array, v: Array, nulls: Array, signs: Array, estimator: Estimator | None, *, scaled: bool) -> Array:
    """Two-sided p-values ``[m]`` of the null effects `nulls` ``[m]``; effects and variances are ``[k]``, signs ``[n, k]``."""
    n, k = signs.shape
    out = np.empty(nulls.size)
    per_piece = max(1, 40_000 // k)
    for i, null in enumerate(nulls):
        size = np.empty(n)
        for start in range(0, n, per_piece):
            part = signs[start : start + per_piece]
            flipped = part * (y - null)
            size[start : start + per_piece] = np.abs(statistics(flipped, np.broadcast_to(v, flipped.shape), estimator, scaled=scaled))
        out[i] = (size >= size[0] * (1 - _TIE)).mean()
    return out


def interval(
    y: Array, v: Array, signs: Array, estimator: Estimator | None, *, scaled: bool, level: float, digits: float = 1e-6
) -> tuple[float, float]:
    """The nulls whose p-value is above ``1 - level``: both ends, infinite where no null is far enough to be refused."""
    alpha = 1.0 - level
    k = y.size
    tau2 = np.zeros(1) if estimator is None else estimator(y[None], v[None])
    centre = float(weighted_mean(y[None], v[None], tau2).mean[0])
    # However far the null lies, only the assignment that keeps every sign (and its mirror image) is as extreme.
    if 1.0 / signs.shape[0] > alpha or k < 2:
        return -np.inf, np.inf
    reach = float(np.abs(y - centre).max() + np.sqrt(v.max() + tau2[0])) or 1.0

    def kept(value: float) -> bool:
        return bool(sign_flip_p_values(y, v, np.array([value]), signs, estimator, scaled=scaled)[0] > alpha)

    ends = []
    for side in (-1.0, 1.0):
        inner, outer = 0.0, reach
        while kept(centre + side * outer):
            inner, outer = outer, 2 * outer
            if outer > 1e6 * reach:
                break
        else:
            while outer - inner > digits * reach:
                middle = 0.5 * (inner + outer)
                inner, outer = (middle, outer) if kept(centre + side * middle) else (inner, middle)
            ends.append(centre + side * 0.5 * (inner + outer))
            continue
        ends.append(side * np.inf)
    return ends[0], ends[1]


# Permutation tests of a meta-regression (Higgins and Thompson 2004, doi:10.1002/sim.1752), all arrangements in one batch.
#
# The rows of the design are given to the studies in other orders; the studies keep their effects and sizes. The arrangement
# that was observed is one of them, so that no p-value is zero.


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


def two_step_statistics(y: Array, v: Array, x: Array, index: Indices, tau2: str, ci: str, contrast: Array) -> tuple[Array, Array]:
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
        value = ESTIMATORS[tau2].of(problem)
        w = 1.0 / (problem.v + value)
        at = gram_schmidt(problem.x, w)
        load = np.einsum("pkb,kb,k->pb", at.columns, w, centred)
        way = np.einsum("ij,jlb->bil", back, at.transform)
        beta = (way @ load.T[:, :, None])[:, :, 0] + shift
        covariance = way @ way.transpose(0, 2, 1)
        if ci in ("HK", "HK-adhoc"):
            factor = problem.q(value) / problem.df
            covariance *= (np.maximum(factor, 1.0) if ci == "HK-adhoc" else factor)[:, None, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            statistics.append(np.abs(beta) / np.sqrt(np.einsum("bii->bi", covariance)))
        omnibus.append(wald(beta, covariance, contrast, np.full(part.shape[0], np.inf))[0])
    return np.concatenate(statistics), np.concatenate(omnibus)


def exact_statistics(studies: Likelihood, x: Array, index: Indices, null_loglik: float, moderators: Indices) -> tuple[Array, Array]:
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
