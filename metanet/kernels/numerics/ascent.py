"""Newton's method for a batch of likelihoods with a few parameters in common and one more of every study's own.

The information matrix of such a model is an arrow: the studies' own parameters meet the common ones but not each other. Eliminating
them study by study leaves a small matrix (its Schur complement), so a step costs time in proportion to the number of studies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metanet.base.arrays import Array, Mask
from metanet.kernels.numerics.batches import Batch

Rows = NDArray[np.intp]

#: Of an answer: the next Newton step would be shorter than this many standard errors.
STEP_TOLERANCE = 1e-8
#: Squared standard errors below which a step is taken without asking what it gains.
_CLOSE = 1e-4


@dataclass(frozen=True)
class Local(Batch):
    """A likelihood near one point, by row ``[m]``, with p common parameters and the studies' own eliminated.

    Attributes
    ----------
    loglik, score, information
        The value ``[m]``; slope ``[m, p]`` and minus curvature ``[m, p, p]`` along the best of the studies' own parameters.
    own_step, own_response
        Newton step of the studies' own parameters ``[m, k]`` at fixed common ones, and its change with each of these, ``[m,
        k, p]``.
    own_gain
        What that step is worth, in squared standard errors ``[m]``.
    study_information, effect
        Each study's share of the information on the first parameter, and the posterior mean of its effect, ``[m, k]``.
    """

    loglik: Array
    score: Array
    information: Array
    own_step: Array
    own_response: Array
    own_gain: Array
    study_information: Array
    effect: Array


#: Common parameters ``[m, p]``, own ones ``[m, k]`` and the rows they belong to, to the likelihood there.
Evaluate = Callable[[Array, Array, Rows], Local]


def climb(
    evaluate: Evaluate,
    x: Array,
    own: Array,
    *,
    free: Sequence[int],
    scales: Sequence[int],
    noise: Array,
    limit: float,
    tolerance: float = STEP_TOLERANCE,
    iterations: int = 100,
) -> tuple[Array, Array, Local, Mask]:
    """Climb with halved Newton steps; returns the parameters, the likelihood there and a flag of convergence, ``[m]``.

    Parameters
    ----------
    free
        The common parameters that move; the others stay where they are.
    scales
        Parameters in which the likelihood is even (standard deviations): kept positive by their absolute value.
    noise
        What rounding leaves undecided of each log-likelihood.
    limit
        A row is given up once one of its scales has passed this.
    tolerance
        A row has arrived when its next step is shorter than this many standard errors.
    """
    x, own = x.copy(), own.copy()
    done = np.zeros(len(x), dtype=bool)
    rows = np.arange(len(x))
    at = whole = evaluate(x, own, rows)
    where, even = list(free), list(scales)
    for _ in range(iterations):
        step, decrement = _step(at, where)
        # The slope is a sum over patients, so its rounding grows as theirs does.
        arrived = decrement < tolerance**2 + noise[rows] ** 2
        done[rows[arrived]] = True
        keep = ~arrived & (x[rows][:, even] <= limit).all(1)
        rows, step, at, decrement = rows[keep], step[keep], at.take(keep), decrement[keep]
        if not rows.size:
            break
        own_step = np.clip(at.own_step + np.einsum("mkp,mp->mk", at.own_response, step), -3.0, 3.0)
        # With few nodes the zero of the slope lies beside the top of the likelihood: close to it the slope alone is followed.
        floor = whole.loglik[rows] - noise[rows] - np.where(decrement < _CLOSE, decrement, 0.0)
        trial, trial_own = _move(x[rows], own[rows], step, own_step, even)
        at = evaluate(trial, trial_own, rows)
        worse = np.flatnonzero(~(at.loglik >= floor))
        length, shortest = 1.0, np.ones(rows.size)
        for _ in range(12):
            if not worse.size:
                break
            length *= 0.5
            shortest[worse] = length
            which = rows[worse]
            trial[worse], trial_own[worse] = _move(x[which], own[which], length * step[worse], length * own_step[worse], even)
            at.put(worse, evaluate(trial[worse], trial_own[worse], which))
            worse = worse[~(at.loglik[worse] >= floor[worse])]
        better = np.ones(rows.size, dtype=bool)
        better[worse] = False
        x[rows[better]], own[rows[better]] = trial[better], trial_own[better]
        whole.put(rows[better], at.take(better))
        # Where slope and likelihood disagree no step helps, or a tiny one; a rule with more nodes goes on from here.
        better &= ~((shortest < 0.02) & (decrement < 0.01))
        rows, at = rows[better], at.take(better)
    return x, own, whole, done


def _move(x: Array, own: Array, step: Array, own_step: Array, even: list[int]) -> tuple[Array, Array]:
    """The point a step further on, scales by their absolute value."""
    moved = x + step
    moved[:, even] = np.abs(moved[:, even])
    return moved, own + own_step


def _step(at: Local, free: list[int]) -> tuple[Array, Array]:
    """Newton step of the common parameters ``[m, p]``, zero where they are held, and the squared decrement ``[m]``.

    Where the curvature is not that of a maximum its size alone counts, so that the step leads uphill; the decrement is then
    infinite.
    """
    step = np.zeros_like(at.score)
    decrement = at.own_gain.copy()
    if free:
        score, information = at.score[:, free], at.information[:, free][:, :, free]
        # A point so far out that its derivatives overflow gives no direction, and is no maximum.
        sound = np.asarray((np.abs(score) < 1e150).all(1) & (np.abs(information) < 1e150).all((1, 2)))
        if not sound.all():
            score = np.where(sound[:, None], score, 0.0)
            information = np.where(sound[:, None, None], information, np.eye(len(free)))
        value, vector = np.linalg.eigh(information)
        largest = np.maximum(np.abs(value).max(1, keepdims=True), 1e-12)
        size = np.maximum(np.abs(value), 1e-9 * largest)
        along = np.einsum("mpi,mp->mi", vector, score)
        move = np.einsum("mpi,mi->mp", vector, along / size)
        gain = (along * along / size).sum(1)
        decrement += np.where((value > 1e-10 * largest).all(1), gain, np.where(gain > 0, np.inf, 0.0))
        decrement[~sound] = np.inf
        longest = np.maximum(np.abs(move).max(1, keepdims=True) / 3.0, 1.0)
        step[:, free] = move / longest
    return step, decrement


def covariance(information: Array, free: Mask) -> Array:
    """Inverse of the information on the free parameters ``[m, p]`` (a mask), zero elsewhere; NaN where it is not definite."""
    result = np.zeros_like(information)
    for pattern in np.unique(free, axis=0):
        rows = np.flatnonzero((free == pattern).all(1))
        where = np.flatnonzero(pattern)
        if not where.size:
            continue
        block = information[np.ix_(rows, where, where)]
        finite = np.flatnonzero(np.isfinite(block).all((1, 2)))
        definite = finite[np.linalg.eigvalsh(block[finite]).min(1) > 0]
        inverse = np.full_like(block, np.nan)
        inverse[definite] = np.linalg.inv(block[definite])
        result[np.ix_(rows, where, where)] = inverse
    return result
