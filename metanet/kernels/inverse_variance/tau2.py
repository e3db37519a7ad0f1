"""Estimators of the heterogeneity variance, by moments and by likelihood, each ``(y, v) -> tau2``, ``[b, k]`` to ``[b]``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from metanet.base.arrays import Array, Indices
from metanet.kernels.inverse_variance.two_step import plain_spread, study_count, weighted_mean

# Estimators of the heterogeneity variance: nine names, each ``(y, v) -> tau2``, ``[b, k]`` to ``[b]``.
#
# One study has no spread: its tau2 is 0 by convention, which the callers do not print. All are truncated at zero.


def _several(v: Array, tau2: Array) -> Array:
    """Zero for one study and below zero."""
    return np.where(study_count(v) > 1, np.maximum(0.0, tau2), 0.0)


def _common_q(y: Array, v: Array) -> tuple[Array, Array, Array]:
    """Cochran's Q and the sums of the common-effect weights and of their squares."""
    w = 1.0 / v
    return weighted_mean(y, v, np.zeros(y.shape[:-1])).q, w.sum(-1), (w * w).sum(-1)


def dl(y: Array, v: Array) -> Array:
    """DerSimonian and Laird (1986, doi:10.1016/0197-2456(86)90046-2): ``(Q - (k - 1)) / (s1 - s2 / s1)``."""
    q, s1, s2 = _common_q(y, v)
    with np.errstate(divide="ignore", invalid="ignore"):
        return _several(v, (q - (study_count(v) - 1)) / (s1 - s2 / s1))


def he(y: Array, v: Array) -> Array:
    """Hedges (1983, doi:10.1037/0033-2909.93.2.388): variance of the effects less the mean sampling variance."""
    k = study_count(v)
    _, squares = plain_spread(y, v)
    mean_variance = np.where(np.isfinite(v), v, 0.0).sum(-1) / k
    with np.errstate(divide="ignore", invalid="ignore"):
        return _several(v, squares / (k - 1) - mean_variance)


def hs(y: Array, v: Array) -> Array:
    """Hunter and Schmidt (2015, doi:10.4135/9781483398105): ``(Q - k) / s1``."""
    q, s1, _ = _common_q(y, v)
    return _several(v, (q - study_count(v)) / s1)


def hsk(y: Array, v: Array) -> Array:
    """Hunter and Schmidt, small-sample form (Brannick et al. 2019, doi:10.1177/1094428117741966): ``(Q k / (k - 1) - k) / s1``."""
    q, s1, _ = _common_q(y, v)
    k = study_count(v)
    with np.errstate(divide="ignore", invalid="ignore"):
        return _several(v, (q * k / (k - 1) - k) / s1)


def sj(y: Array, v: Array) -> Array:
    """Sidik and Jonkman (2005, doi:10.1111/j.1467-9876.2005.00489.x): the crude ``t0 = SS / k``, then ``t0 Q(t0) / (k - 1)``."""
    k = study_count(v)
    _, squares = plain_spread(y, v)
    crude = squares / k
    with np.errstate(divide="ignore", invalid="ignore"):
        return _several(v, crude * weighted_mean(y, v, crude).q / (k - 1))


def solve_q(y: Array, v: Array, target: Array, *, iterations: int = 200) -> Array:
    """The tau2 at which the generalised Q equals `target`; 0 where Q is at or below it already at tau2 = 0.

    Notes
    -----
    Q falls and is convex, its slope is ``-sum w^2 r^2``, and ``Q(t) <= SS / t``, so that ``SS / target`` closes
    the bracket whatever the scale of the effects. Newton's method on 1 / Q, a straight line where all variances are equal;
    the bracket is halved where a step would leave it.
    """
    result = np.zeros(y.shape[:-1])
    start = weighted_mean(y, v, result).q
    rows = np.flatnonzero((start > target) & (target > 0))
    if not rows.size:
        return result
    centre, squares = plain_spread(y[rows], v[rows])
    # Sums of w r y lose no digits where the effects lie around zero.
    problem = Problem(np.ascontiguousarray((y[rows] - centre[:, None]).T), np.ascontiguousarray(v[rows].T), "full")
    goal = target[rows]
    low, high = np.zeros(rows.size), squares / goal * (1 + 1e-12)
    x = low
    for _ in range(iterations):
        _, u, _ = problem.residuals(x)
        q = np.einsum("ij,ij->j", u, problem.y)
        slope = np.einsum("ij,ij->j", u, u)
        above = q > goal
        low, high = np.where(above, x, low), np.where(above, high, x)
        new = x + q * (q - goal) / (goal * slope)
        inside = (new >= low) & (new <= high)
        new = np.where(inside, new, 0.5 * (low + high))
        done = (inside & (np.abs(new - x) <= 1e-10 * new)) | (high - low <= 4e-16 * high)
        x = new
        if done.any():
            result[rows[done]] = x[done]
            keep = np.flatnonzero(~done)
            if not keep.size:
                break
            rows, goal, low, high, x, problem = (
                rows[keep],
                goal[keep],
                low[keep],
                high[keep],
                x[keep],
                problem.take(keep),
            )
    else:
        result[rows] = x
    return result


def pm(y: Array, v: Array) -> Array:
    """Paule and Mandel (1982, doi:10.6028/jres.087.022): the tau2 at which Q equals its degrees of freedom.

    Morris' (1983, doi:10.1080/01621459.1983.10477920) empirical-Bayes estimator is the root of the same equation.
    """
    return solve_q(y, v, study_count(v) - 1)


def _likelihood(y: Array, v: Array, kind: Kind) -> Array:
    shape = y.shape[:-1]
    k = y.shape[-1]
    problem = Problem(np.ascontiguousarray(y.reshape(-1, k).T), np.ascontiguousarray(v.reshape(-1, k).T), kind)
    return maximise(problem).reshape(shape)


def reml(y: Array, v: Array) -> Array:
    """Restricted maximum likelihood (Viechtbauer 2005, doi:10.3102/10769986030003261), the highest maximum."""
    return _likelihood(y, v, "restricted")


def ml(y: Array, v: Array) -> Array:
    """Maximum likelihood (Hardy and Thompson 1996, doi:10.1002/(SICI)1097-0258(19960330)15:6<619::AID-SIM188>3.0.CO;2-A)."""
    return _likelihood(y, v, "full")


ESTIMATORS: dict[str, Callable[[Array, Array], Array]] = {
    "DL": dl,
    "PM": pm,
    "REML": reml,
    "ML": ml,
    "SJ": sj,
    "HS": hs,
    "HSk": hsk,
    "HE": he,
    "EB": pm,
}


# Heterogeneity variance by likelihood: the highest maximum of the restricted, the full, or the fixed-mean likelihood.
#
# With ``w = 1 / (v + t)``, ``r = y - mean`` and ``s_p = sum w^p`` the scores in ``t = tau2`` are
#
#     restricted  (sum w^2 r^2 - s_1 + s_2 / s_1) / 2      mean = sum w y / s_1
#     full        (sum w^2 r^2 - s_1) / 2                  mean = sum w y / s_1
#     at a mean   (sum w^2 r^2 - s_1) / 2                  mean given
#
# (Viechtbauer 2005, doi:10.3102/10769986030003261; Hardy and Thompson 1996,
# doi:10.1002/(SICI)1097-0258(19960330)15:6<619::AID-SIM188>3.0.CO;2-A). Arrays are ``[k, b]`` here, studies first: sums over
# the first axis are whole vector additions, several times faster than many short sums.
#
# Notes
# -----
# A likelihood in tau2 can have two maxima, and an iteration that moves in absolute steps stops early on small scales. So the sign
# of the score is read on a geometric grid over the problem's own scale, every change from rising to falling is a candidate, and
# each is refined by Newton's method inside its bracket. Only data with several candidates need the likelihood itself.

Kind = Literal["restricted", "full", "at a mean"]

#: Points of the grid beside zero. Features of the likelihood have the widths of the variances themselves, so that points a
#: factor of three or four apart see nearly every rise; with these counts no rise was missed in 300,000 random data sets each.
GRID = {"restricted": 14, "full": 20, "at a mean": 20}
#: Below this many elements the whole grid is evaluated at once: for few fits the calls cost more than the arithmetic.
_SMALL = 8_000
#: Where the Newton step is this fraction of tau2 the next one is its square: below rounding.
_STEP = 1e-7


class Problem:
    """Effects and variances ``[k, b]`` (an absent study has variance inf), the mean ``[b]`` if it is given, and work space.

    The two work arrays are written by every evaluation: fresh arrays of this size would cost more than the arithmetic.
    """

    def __init__(self, y: Array, v: Array, kind: Kind, mean: Array | None = None) -> None:
        self.y, self.v, self.kind, self.mean = y, v, kind, mean
        self._weights, self._products = np.empty_like(y), np.empty_like(y)

    def take(self, columns: Indices) -> Problem:
        """The chosen columns."""
        mean = None if self.mean is None else self.mean[columns]
        return Problem(self.y.take(columns, 1), self.v.take(columns, 1), self.kind, mean)

    def repeated(self, times: int) -> Problem:
        """The problem several times over, side by side."""
        mean = None if self.mean is None else np.tile(self.mean, times)
        return Problem(np.tile(self.y, times), np.tile(self.v, times), self.kind, mean)

    def residuals(self, tau2: Array) -> tuple[Array, Array, Array]:
        """Weights ``w`` and products ``u = w (y - mean)``, both in the work space, and the sum of the weights."""
        w, u = self._weights, self._products
        np.add(self.v, tau2, out=w)
        np.divide(1.0, w, out=w)
        total = w.sum(0)
        if self.mean is None:
            np.multiply(w, self.y, out=u)
            mean = u.sum(0)
            mean /= total
        else:
            mean = self.mean
        np.subtract(self.y, mean, out=u)
        u *= w
        return w, u, total


def score(problem: Problem, tau2: Array) -> Array:
    """Derivative of the log-likelihood with respect to tau2, ``[b]``."""
    w, u, s1 = problem.residuals(tau2)
    u *= u
    out = u.sum(0)
    out -= s1
    if problem.kind == "restricted":
        w *= w
        out += w.sum(0) / s1
    out *= 0.5
    return np.asarray(out)


def _derivatives(problem: Problem, tau2: Array) -> tuple[Array, Array, Array]:
    """First and second derivative of the log-likelihood and the sum of the weights, ``[b]``."""
    w, u, s1 = problem.residuals(tau2)
    first = np.einsum("ij,ij->j", u, u)
    first -= s1
    second = np.zeros_like(first)
    if problem.mean is None:
        cross = np.einsum("ij,ij->j", w, u)
        second += cross * cross / s1
    u *= u
    second -= np.einsum("ij,ij->j", w, u)
    np.multiply(w, w, out=u)
    s2 = u.sum(0)
    if problem.kind == "restricted":
        ratio = s2 / s1
        first += ratio
        second -= np.einsum("ij,ij->j", w, u) / s1
        second += 0.5 * ratio * ratio
    second += 0.5 * s2
    return np.asarray(0.5 * first), second, s1


def loglik(problem: Problem, tau2: Array) -> Array:
    """Log-likelihood at tau2, up to a constant that depends on the data alone, ``[b]``."""
    _, u, s1 = problem.residuals(tau2)
    variance = np.where(np.isinf(problem.v), 1.0, problem.v + tau2)
    u *= u
    u *= variance
    out = np.log(variance).sum(0) + u.sum(0)
    if problem.kind == "restricted":
        out += np.log(s1)
    return np.asarray(-0.5 * out)


def maximise(problem: Problem) -> Array:
    """The tau2 >= 0 at which the likelihood is highest, ``[b]``; zero for one study and for effects without spread."""
    present = np.isfinite(problem.v)
    count = present.sum(0)
    high = np.where(present, problem.y, -np.inf).max(0)
    low = np.where(present, problem.y, np.inf).min(0)
    if problem.mean is not None:
        high, low = np.maximum(high, problem.mean), np.minimum(low, problem.mean)
    least = problem.v.min(0)
    wanted = (count > (0 if problem.mean is not None else 1)) & (high > low)
    tau2 = np.zeros(count.shape)
    rows = np.flatnonzero(wanted)
    if not rows.size:
        return tau2
    if rows.size < count.size:
        problem, high, low, least = problem.take(rows), high[rows], low[rows], least[rows]
    # Beyond twice the squared range every one of the scores is negative.
    top = 2.0 * (high - low) ** 2
    bottom = np.minimum(0.25 * least, 1e-3 * top)
    tau2[rows] = _best_of(problem, bottom, top)
    return tau2


def _best_of(problem: Problem, bottom: Array, top: Array) -> Array:
    """Scan, refine every candidate, keep the highest."""
    b, grid = top.size, GRID[problem.kind]
    ratio = (top / bottom) ** (1.0 / (grid - 1))
    points, scores = np.empty((grid + 1, b)), np.empty((grid + 1, b))
    points[0] = 0.0
    np.multiply(bottom, ratio ** np.arange(grid, dtype=np.float64)[:, None], out=points[1:])
    if problem.y.size * grid <= _SMALL:
        scores[:grid] = score(problem.repeated(grid), points[:grid].ravel()).reshape(grid, b)
    else:
        for j in range(grid):
            scores[j] = score(problem, points[j])
    scores[grid] = -1.0
    rising = scores > 0
    peak = rising[:-1] & ~rising[1:]
    candidates = peak.sum(0)
    answer = np.zeros(b)

    def refined(part: Problem, columns: Indices, cell: Indices) -> Array:
        return _refine(
            part, points[cell, columns], points[cell + 1, columns], scores[cell, columns], scores[cell + 1, columns]
        )

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
        heights = np.stack([loglik(part, candidate) for candidate in heap])
        # Of points that rounding cannot tell apart the one at zero is the answer.
        heights[0] += 4e-16 * np.abs(heights[0])
        answer[rivals] = np.stack(heap)[heights.argmax(0), np.arange(rivals.size)]
    return answer


def _refine(problem: Problem, low: Array, high: Array, f_low: Array, f_high: Array, iterations: int = 80) -> Array:
    """Root of the score inside a bracket where it falls through zero.

    Newton's method on ``score / (mean weight)^2``, a straight line where all variances are equal; the bracket is halved where a
    step would leave it.
    """
    count = np.isfinite(problem.v).sum(0)
    # With equal weights the line through both ends, drawn for the scaled score, is already the answer.
    x = np.where(low > 0, low + (high - low) * _line(low, high, f_low, f_high), 0.5 * high)
    for _ in range(2):
        # Most brackets need no more care than this.
        first, second, s1 = _derivatives(problem, x)
        with np.errstate(divide="ignore", invalid="ignore"):
            new = x - first / (second + 2.0 * first * s1 / count)
        x = np.where((new > low) & (new < high), new, x)
    answer = x.copy()
    rows = np.arange(x.size)
    closed = np.zeros(x.size, dtype=bool)
    for _ in range(iterations):
        first, second, s1 = _derivatives(problem, x)
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


def _line(low: Array, high: Array, f_low: Array, f_high: Array) -> Array:
    """Where the straight line through the scaled score at both ends crosses zero, as a fraction of the bracket."""
    a, b = f_low * low * low, -f_high * high * high
    with np.errstate(divide="ignore", invalid="ignore"):
        fraction = a / (a + b)
    return np.where((fraction > 0.02) & (fraction < 0.98), fraction, 0.5)
