"""Heterogeneity variance of a meta-regression by likelihood: the highest maximum of the restricted or the full likelihood.

With P, u and E of `metanet.kernels.regression_problem`, ``h = sum_j e_j^2`` and ``t = tau2`` the derivatives are

    restricted  (u'u - tr P) / 2,     tr(P P) / 2 - u'P u,     tr P = sum(w - w^2 h)
    full        (u'u - sum w) / 2,    sum(w^2) / 2 - u'P u

(Viechtbauer 2005, doi:10.3102/10769986030003261; Raudenbush 2009, The Handbook of Research Synthesis and Meta-Analysis, chapter 16).

Notes
-----
As for the mean alone (`metanet.kernels.tau2_likelihood`): the sign of the score is read on a geometric grid over the problem's own
scale, every change from rising to falling is a candidate, each is refined by Newton's method inside its bracket, and the
likelihood decides between several, the boundary among them. Beyond the residual sum of squares the score is negative: with
leverages ``g`` each ``w r^2 <= (1 - g) RSS / t``.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from metanet.kernels.regression_problem import Array, Indices, Problem

Kind = Literal["restricted", "full"]

#: Points of the grid beside zero; more than for the mean alone, because a design can single out studies.
GRID = {"restricted": 18, "full": 24}
_STEP = 1e-7
#: Below this many elements the whole grid is evaluated at once: for few fits the calls cost more than the arithmetic.
_SMALL = 8_000


def score(problem: Problem, tau2: Array, kind: Kind) -> Array:
    """Derivative of the log-likelihood with respect to tau2, ``[b]``."""
    w, u, _, weighted = problem.sums(tau2)
    out = np.einsum("ij,ij->j", u, u) - w.sum(0)
    if kind == "restricted":
        for we in weighted:
            out += np.einsum("ij,ij->j", we, we)
    return np.asarray(0.5 * out)


def _derivatives(problem: Problem, tau2: Array, kind: Kind) -> tuple[Array, Array, Array]:
    """First and second derivative of the log-likelihood and the sum of the weights, ``[b]``."""
    w, u, _, weighted = problem.sums(tau2)
    total = w.sum(0)
    first = np.einsum("ij,ij->j", u, u) - total
    wu = w * u
    second = 0.5 * np.einsum("ij,ij->j", w, w) - np.einsum("ij,ij->j", wu, u)
    for j, we in enumerate(weighted):
        second += np.einsum("ij,ij->j", we, u) ** 2
        if kind == "restricted":
            first += np.einsum("ij,ij->j", we, we)
            second -= np.einsum("ij,ij,ij->j", w, we, we)
            second += 0.5 * np.einsum("ij,ij->j", we, we) ** 2
            for other in weighted[:j]:
                second += np.einsum("ij,ij->j", we, other) ** 2
    return np.asarray(0.5 * first), np.asarray(second), total


def loglik(problem: Problem, tau2: Array, kind: Kind) -> Array:
    """Log-likelihood at tau2 with the constant of the normal density, ``[b]``.

    The restricted one is that of any orthonormal contrasts of the effects, so that it does not depend on the units of the
    moderators; two designs must not be compared by it.
    """
    w, u, _, _ = problem.sums(tau2)
    present = np.isfinite(problem.v)
    variance = np.where(present, problem.v + tau2, 1.0)
    out = np.log(variance).sum(0) + np.einsum("ij,ij->j", u, problem.y)
    df = problem.count
    if kind == "restricted":
        df = problem.df
        for norm in _lengths(problem.x, w):
            out += np.log(np.where(norm > 0, norm, 1.0))
    return np.asarray(-0.5 * (out + df * np.log(2 * np.pi)))


def _lengths(x: Array, w: Array) -> list[Array]:
    """Squared lengths of the columns after those before them are taken out: their product is ``det(X' W X)``."""
    out: list[Array] = []
    kept: list[tuple[Array, Array]] = []
    for column in x:
        e = column.copy()
        for f, wf in kept:
            e -= np.einsum("ij,ij->j", wf, e) * f
        square = np.einsum("ij,ij,ij->j", w, e, e)
        e /= np.sqrt(np.where(square > 0, square, 1.0))
        kept.append((e, w * e))
        out.append(square)
    return out


def maximise(problem: Problem, kind: Kind) -> Array:
    """The tau2 >= 0 at which the likelihood is highest, ``[b]``; zero where the design leaves nothing over."""
    tau2 = np.zeros(problem.df.shape)
    top = np.einsum("ij,ij->j", problem.y, problem.y)
    rows = np.flatnonzero((problem.df > 0) & (top > 0))
    if not rows.size:
        return tau2
    part = problem if rows.size == tau2.size else problem.take(rows)
    top = top[rows] * (1.0 + 1e-9)
    least = part.v.min(0)
    # Where a residual is pure rounding the variances set the scale.
    tau2[rows] = _best_of(part, np.minimum(0.25 * least, 1e-3 * top), top, kind)
    return tau2


def _best_of(problem: Problem, bottom: Array, top: Array, kind: Kind) -> Array:
    """Scan, refine every candidate, keep the highest."""
    b, grid = top.size, GRID[kind]
    ratio = (top / bottom) ** (1.0 / (grid - 1))
    points, scores = np.zeros((grid + 1, b)), np.empty((grid + 1, b))
    np.multiply(bottom, ratio ** np.arange(grid, dtype=np.float64)[:, None], out=points[1:])
    if problem.y.size * grid <= _SMALL:
        repeated = problem.take(np.tile(np.arange(b), grid))
        scores[:grid] = score(repeated, points[:grid].ravel(), kind).reshape(grid, b)
    else:
        for j in range(grid):
            scores[j] = score(problem, points[j], kind)
    scores[grid] = -1.0
    rising = scores > 0
    peak = rising[:-1] & ~rising[1:]
    candidates = peak.sum(0)
    answer = np.zeros(b)

    def refined(part: Problem, columns: Indices, cell: Indices) -> Array:
        return _refine(part, points[cell, columns], points[cell + 1, columns], kind)

    some = np.flatnonzero(candidates > 0)
    if some.size:
        answer[some] = refined(problem if some.size == b else problem.take(some), some, peak.argmax(0)[some])
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
        heights = np.stack([loglik(part, candidate, kind) for candidate in heap])
        # Of points that rounding cannot tell apart the one at zero is the answer.
        heights[0] += 4e-16 * np.abs(heights[0])
        answer[rivals] = np.stack(heap)[heights.argmax(0), np.arange(rivals.size)]
    return answer


def _refine(problem: Problem, low: Array, high: Array, kind: Kind, iterations: int = 80) -> Array:
    """Root of the score inside a bracket where it falls through zero: Newton's method on ``score / (mean weight)^2``, halving."""
    x = np.where(low > 0, np.sqrt(np.maximum(low, 1e-300) * high), 0.5 * high)
    answer, rows = x.copy(), np.arange(x.size)
    for _ in range(iterations):
        first, second, total = _derivatives(problem, x, kind)
        rises = first > 0
        low, high = np.where(rises, x, low), np.where(rises, high, x)
        bend = second + 2.0 * first * total / problem.count
        with np.errstate(divide="ignore", invalid="ignore"):
            new = x - first / bend
            inside = (bend < 0) & (new > low) & (new < high)
        middle = np.where(low > 0.1 * high, 0.5 * (low + high), np.sqrt(np.maximum(low, 1e-3 * high) * high))
        new = np.where(inside, new, middle)
        exact = first == 0
        done = (inside & (np.abs(new - x) <= _STEP * new)) | (high - low <= 4e-16 * high) | exact
        x = np.where(exact, x, new)
        answer[rows] = x
        keep = np.flatnonzero(~done)
        if not keep.size:
            break
        if keep.size < rows.size:
            rows, x, low, high, problem = rows[keep], x[keep], low[keep], high[keep], problem.take(keep)
    return answer
