"""The highest maximum of a likelihood in tau2, and the root of the generalised Q: one search for means and for regressions.

A search asks a problem for its score, derivatives and height, or for Q and its slope; what stands behind them, a mean or a
projection, is the problem's own (`metanet.kernels.inverse_variance.tau2`, `metanet.kernels.inverse_variance.regression_tau2`).
Arrays are studies first, ``[k, b]``: sums over the studies are whole vector additions, several times faster than many short sums.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, Protocol, Self

import numpy as np

from metanet.base.arrays import Array, Indices, Mask

Kind = Literal["restricted", "full", "at a mean"]

#: Below this many elements the whole grid is evaluated at once: for few fits the calls cost more than the arithmetic.
_SMALL = 8_000
#: Where the Newton step is this fraction of tau2 the next one is its square: below rounding.
_STEP = 1e-7


class Likelihood(Protocol):
    """Likelihoods in tau2, one a column: effects `y` and variances `v` ``[k, b]``, an absent study with variance inf."""

    y: Array
    v: Array

    @property
    def grid(self) -> int:
        """Points of the scan beside zero."""

    def ends(self) -> tuple[Mask, Array]:
        """Which columns have a maximum above zero to look for, and a tau2 beyond which every score is negative, ``[b]``."""

    def take(self, columns: Indices) -> Self:
        """The chosen columns."""

    def score(self, tau2: Array) -> Array:
        """Derivative of the log-likelihood with respect to tau2, ``[b]``."""

    def derivatives(self, tau2: Array) -> tuple[Array, Array, Array]:
        """First and second derivative of the log-likelihood and the sum of the weights, ``[b]``."""

    def loglik(self, tau2: Array) -> Array:
        """Log-likelihood at tau2, ``[b]``."""


class Residuals(Protocol):
    """Residuals ``[k, b]`` of which the generalised Q is the weighted sum of squares."""

    y: Array

    def take(self, columns: Indices) -> Self:
        """The chosen columns."""

    def q_and_fall(self, tau2: Array) -> tuple[Array, Array]:
        """The generalised Q and how fast it falls with tau2, ``[b]``."""


def maximise(problem: Likelihood) -> Array:
    """The tau2 >= 0 at which the likelihood is highest, ``[b]``; zero where there is nothing to look for.

    Notes
    -----
    A likelihood in tau2 can have two maxima, and an iteration that moves in absolute steps stops early on small scales. So the
    sign of the score is read on a geometric grid over the problem's own scale, every change from rising to falling is a candidate,
    and each is refined by Newton's method inside its bracket. Only data with several candidates need the likelihood itself.
    """
    wanted, top = problem.ends()
    tau2 = np.zeros(wanted.shape)
    rows = np.flatnonzero(wanted)
    if not rows.size:
        return tau2
    if rows.size < wanted.size:
        problem, top = problem.take(rows), top[rows]
    # Where the spread is pure rounding the variances set the scale.
    bottom = np.minimum(0.25 * problem.v.min(0), 1e-3 * top)
    tau2[rows] = _best_of(problem, bottom, top)
    return tau2


def _best_of(problem: Likelihood, bottom: Array, top: Array) -> Array:
    """Scan, refine every candidate, keep the highest."""
    b, grid = top.size, problem.grid
    ratio = (top / bottom) ** (1.0 / (grid - 1))
    points, scores = np.empty((grid + 1, b)), np.empty((grid + 1, b))
    points[0] = 0.0
    np.multiply(bottom, ratio ** np.arange(grid, dtype=np.float64)[:, None], out=points[1:])
    if problem.y.size * grid <= _SMALL:
        repeated = problem.take(np.tile(np.arange(b), grid))
        scores[:grid] = repeated.score(points[:grid].ravel()).reshape(grid, b)
    else:
        for j in range(grid):
            scores[j] = problem.score(points[j])
    scores[grid] = -1.0
    rising = scores > 0
    peak = rising[:-1] & ~rising[1:]
    candidates = peak.sum(0)
    answer = np.zeros(b)

    def refined(part: Likelihood, columns: Indices, cell: Indices) -> Array:
        return _refine(part, points[cell, columns], points[cell + 1, columns], scores[cell, columns], scores[cell + 1, columns])

    some = np.flatnonzero(candidates > 0)
    if some.size:
        part = problem if some.size == b else problem.take(some)
        answer[some] = refined(part, some, peak.argmax(0)[some])
    # A fall at zero makes zero a candidate as well; further rises make further ones. The likelihood decides.
    rivals = np.flatnonzero((candidates > 1) | ((candidates == 1) & ~rising[0]))
    if rivals.size:
        part, later = problem.take(rivals), peak[:, rivals]
        heap = [np.zeros(rivals.size), answer[rivals]]
        for _ in range(1, int(candidates[rivals].max())):
            later[later.argmax(0), np.arange(rivals.size)] = False
            more = np.flatnonzero(later.any(0))
            other = heap[1].copy()
            other[more] = refined(part.take(more), rivals[more], later.argmax(0)[more])
            heap.append(other)
        heights = np.stack([part.loglik(candidate) for candidate in heap])
        # Of points that rounding cannot tell apart the one at zero is the answer.
        heights[0] += 4e-16 * np.abs(heights[0])
        answer[rivals] = np.stack(heap)[heights.argmax(0), np.arange(rivals.size)]
    return answer


def _refine(problem: Likelihood, low: Array, high: Array, f_low: Array, f_high: Array, iterations: int = 80) -> Array:
    """Root of the score inside a bracket where it falls through zero.

    Newton's method on ``score / (mean weight)^2``, a straight line where all variances are equal; the bracket is halved where a
    step would leave it.
    """
    count = np.isfinite(problem.v).sum(0)
    if low.size == 1:
        return np.array([_refine_one(problem, float(low[0]), float(high[0]), float(f_low[0]), float(f_high[0]), int(count[0]))])
    # With equal weights the line through both ends, drawn for the scaled score, is already the answer.
    x = np.where(low > 0, low + (high - low) * _line(low, high, f_low, f_high), 0.5 * high)
    for _ in range(2):
        # Most brackets need no more care than this.
        first, second, s1 = problem.derivatives(x)
        with np.errstate(divide="ignore", invalid="ignore"):
            new = x - first / (second + 2.0 * first * s1 / count)
        x = np.where((new > low) & (new < high), new, x)
    answer = x.copy()
    rows = np.arange(x.size)
    closed = np.zeros(x.size, dtype=bool)
    for _ in range(iterations):
        first, second, s1 = problem.derivatives(x)
        rises = first > 0
        np.copyto(low, x, where=rises)
        np.copyto(high, x, where=~rises)
        bend = second + 2.0 * first * s1 / count
        with np.errstate(divide="ignore", invalid="ignore"):
            new = x - first / bend
            inside = (bend < 0) & (new > low) & (new < high)
        if not inside.all():
            middle = np.where(low > 0.1 * high, 0.5 * (low + high), np.sqrt(np.maximum(low, 1e-3 * high) * high))
            new = np.where(inside, new, middle)
        done = (inside & (np.abs(new - x) <= _STEP * new)) | (high - low <= 4e-16 * high) | (first == 0)
        x = np.where(closed | (first == 0), x, new)
        closed |= done
        open_ = np.flatnonzero(~closed)
        if 2 * open_.size > closed.size:
            continue
        answer[rows] = x
        if not open_.size:
            return answer
        rows, x, low, high, count = rows[open_], x[open_], low[open_], high[open_], count[open_]
        closed, problem = np.zeros(open_.size, dtype=bool), problem.take(open_)
    answer[rows] = x
    return answer


def _of_arrays(problem: Likelihood) -> Callable[[float], tuple[float, float, float]]:
    """The derivatives of one column by those of arrays."""

    def at(tau2: float) -> tuple[float, float, float]:
        first, second, total = problem.derivatives(np.array([tau2]))
        return float(first[0]), float(second[0]), float(total[0])

    return at


def _refine_one(problem: Likelihood, low: float, high: float, f_low: float, f_high: float, count: int) -> float:
    """`_refine` of one column, step by step the same: on numbers it takes a third of the time of arrays of one."""
    at: Callable[[float], tuple[float, float, float]] = getattr(problem, "derivatives_of_one", _of_arrays(problem))
    x = 0.5 * high
    if low > 0:
        a, b = f_low * low * low, -f_high * high * high
        fraction = a / (a + b) if a + b else 0.5
        x = low + (high - low) * (fraction if 0.02 < fraction < 0.98 else 0.5)
    for step in range(82):
        first, second, s1 = at(x)
        bend = second + 2.0 * first * s1 / count
        new = x - first / bend if bend else math.inf
        if step < 2:
            x = new if low < new < high else x
            continue
        if first == 0:
            return x
        low, high = (x, high) if first > 0 else (low, x)
        inside = bend < 0 and low < new < high
        if not inside:
            new = 0.5 * (low + high) if low > 0.1 * high else math.sqrt(max(low, 1e-3 * high) * high)
        if (inside and abs(new - x) <= _STEP * new) or high - low <= 4e-16 * high:
            return new
        x = new
    return x


def _line(low: Array, high: Array, f_low: Array, f_high: Array) -> Array:
    """Where the straight line through the scaled score at both ends crosses zero, as a fraction of the bracket."""
    a, b = f_low * low * low, -f_high * high * high
    with np.errstate(divide="ignore", invalid="ignore"):
        fraction = a / (a + b)
    return np.where((fraction > 0.02) & (fraction < 0.98), fraction, 0.5)


def solve_q(problem: Residuals, goal: Array, top: Array, iterations: int = 200) -> Array:
    """The tau2 below `top` at which the generalised Q, above `goal` at tau2 = 0, equals it, ``[b]``.

    Notes
    -----
    Q falls and is convex. Newton's method on 1 / Q, a straight line where all variances are equal; the bracket is halved where a
    step would leave it.
    """
    answer, rows = np.zeros_like(goal), np.arange(goal.size)
    low, high = np.zeros_like(goal), top
    x = low
    for _ in range(iterations):
        q, fall = problem.q_and_fall(x)
        above = q > goal
        low, high = np.where(above, x, low), np.where(above, high, x)
        new = x + q * (q - goal) / (goal * fall)
        inside = (new >= low) & (new <= high)
        if not inside.all():
            new = np.where(inside, new, 0.5 * (low + high))
        done = (inside & (np.abs(new - x) <= 1e-10 * new)) | (high - low <= 4e-16 * high)
        x = new
        if done.any():
            answer[rows[done]] = x[done]
            keep = np.flatnonzero(~done)
            if not keep.size:
                return answer
            rows, problem = rows[keep], problem.take(keep)
            goal, low, high, x = (values[keep] for values in (goal, low, high, x))
    answer[rows] = x
    return answer
