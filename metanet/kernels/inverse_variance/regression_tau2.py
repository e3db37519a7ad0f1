"""The projection of a meta-regression, and estimators of its residual heterogeneity variance, by moments and by likelihood."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from metanet.base.arrays import Array, Indices, Mask
from metanet.kernels.numerics import distributions

# Effects with moderators as one batch of problems: the projection that every two-step meta-regression is made of.
#
# ``y_i = x_i' beta + u_i + e_i`` with ``u_i ~ N(0, tau2)`` and ``e_i ~ N(0, v_i)`` (Berkey, Hoaglin, Mosteller and Colditz 1995,
# doi:10.1002/sim.4780140406). With ``W = diag(1 / (v + tau2))`` everything is a sum over the studies of
#
#     P = W - W X (X' W X)^-1 X' W,    u = P y,    E with columns that span X and E' W E = I.
#
# Notes
# -----
# The columns of X are scaled and made orthonormal once, so that a year and a share differ no longer in size and a year is no longer
# nearly the intercept; at every tau2 they are made orthonormal in the weights. No matrix of k x k is formed. Arrays are studies
# first, ``[k, b]`` and ``[p, k, b]``: sums over the studies are whole vector additions.


#: A column that keeps less than this share of its length beside the others is one of their combinations.
COLLINEAR = 1e-9


class Basis(NamedTuple):
    """Columns ``[p, k, b]`` that are orthonormal in the weights, and the matrix ``[p, p, b]`` that makes them: ``E = X T``.

    `active` ``[p, b]`` is False where a column lies in the span of those before it; its `columns` are then zero.
    """

    columns: Array
    transform: Array
    active: Mask


def gram_schmidt(x: Array, w: Array) -> Basis:
    """Orthonormal columns in the inner product ``sum(w a b)``; every projection is taken twice, which keeps all digits.

    Parameters
    ----------
    x, w
        Columns ``[p, k, b]`` and weights ``[k, b]``, zero for an absent study.
    """
    p, _, b = x.shape
    columns, transform, active = np.empty_like(x), np.zeros((p, p, b)), np.ones((p, b), dtype=bool)
    weighted = np.empty_like(x)
    for j in range(p):
        e = x[j].copy()
        transform[j, j] = 1.0
        length = np.sqrt(np.einsum("ij,ij,ij->j", w, e, e))
        for _ in range(2):
            for i in range(j):
                share = np.einsum("ij,ij->j", weighted[i], e)
                e -= share * columns[i]
                transform[:, j] -= share * transform[:, i]
        norm = np.sqrt(np.einsum("ij,ij,ij->j", w, e, e))
        active[j] = norm > COLLINEAR * length
        with np.errstate(divide="ignore"):
            scale = np.where(active[j], 1.0 / norm, 0.0)
        e *= scale
        transform[:, j] *= scale
        columns[j], weighted[j] = e, w * e
    return Basis(columns, transform, active)


def studies_first(values: Array, b: int) -> Array:
    """``[b, k]`` or ``[k]`` as ``[k, b]``."""
    values = np.broadcast_to(values, (b, values.shape[-1]))
    return np.ascontiguousarray(values.T)


def columns_first(x: Array, b: int) -> Array:
    """A design ``[b, k, p]`` or ``[k, p]`` as ``[p, k, b]``."""
    return np.ascontiguousarray(np.broadcast_to(x, (b, *x.shape[-2:])).transpose(2, 1, 0))


class Sums(NamedTuple):
    """Weights ``[k, b]``, products ``u = P y`` ``[k, b]`` and the orthonormal columns ``[p, k, b]`` at one tau2."""

    w: Array
    u: Array
    columns: list[Array]
    weighted: list[Array]


class Problem:
    """Residuals, variances and an orthonormal design, studies first.

    `y` is what the design leaves of the effects without weights: tau2 depends on nothing else, and no digits are lost on
    means. An absent study has variance inf and zeros elsewhere. `df`, `count` and `crude` are ``[b]``: studies less the rank
    of the design, studies, and the variance of the effects about their plain mean.
    """

    def __init__(self, y: Array, v: Array, x: Array, df: Array, count: Array, crude: Array) -> None:
        self.y, self.v, self.x, self.df, self.count, self.crude = y, v, x, df, count, crude

    @classmethod
    def of(cls, y: Array, v: Array, x: Array) -> Problem:
        """The problem of effects and variances ``[b, k]`` and a design ``[b, k, p]`` or ``[k, p]``."""
        b = max(y.shape[0], v.shape[0], x.shape[0] if x.ndim == 3 else 1)
        v = studies_first(v, b)
        present = np.isfinite(v).astype(float)
        basis = gram_schmidt(columns_first(x, b) * present, present)
        y = np.where(present > 0, studies_first(y, b), 0.0)
        count = present.sum(0)
        number = np.maximum(count, 1.0)
        crude = (present * (y - y.sum(0) / number) ** 2).sum(0) / number
        return cls(residual(y, basis.columns), v, basis.columns, count - basis.active.sum(0), count, crude)

    @classmethod
    def rearranged(cls, y: Array, v: Array, x: Array, index: Indices) -> Problem:
        """One set of studies ``[k]``, all present, with the rows of an orthonormal design ``[k, p]`` in other orders ``[b, k]``."""
        b, k = index.shape
        columns = np.ascontiguousarray(x.T[:, index.T])
        crude = np.full(b, np.var(y))
        y, v = (np.repeat(values[:, None], b, axis=1) for values in (y, v))
        return cls(residual(y, columns), v, columns, np.full(b, float(k - x.shape[1])), np.full(b, float(k)), crude)

    def take(self, columns: Indices) -> Problem:
        """The chosen problems."""
        return Problem(
            self.y.take(columns, 1),
            self.v.take(columns, 1),
            self.x.take(columns, 2),
            self.df[columns],
            self.count[columns],
            self.crude[columns],
        )

    def sums(self, tau2: Array) -> Sums:
        """Everything about the weights at `tau2` ``[b]``."""
        w = self.v + tau2
        np.divide(1.0, w, out=w)
        columns: list[Array] = []
        weighted: list[Array] = []
        u = self.y.copy()
        for x in self.x:
            e = x.copy() if columns else x
            for f, wf in zip(columns, weighted, strict=True):
                e -= np.einsum("ij,ij->j", wf, e) * f
            we = w * e
            square = np.einsum("ij,ij->j", we, e)
            # A column without length (collinear in this row) stays zero.
            scale = 1.0 / np.sqrt(np.where(square > 0, square, 1.0))
            e = e * scale
            we *= scale
            u -= np.einsum("ij,ij->j", we, u) * e
            columns.append(e)
            weighted.append(we)
        u *= w
        return Sums(w, u, columns, weighted)

    def q(self, tau2: Array) -> tuple[Array, Array]:
        """The generalised Q, ``y' P y``, and its slope in tau2, ``-y' P P y``; each ``[b]``."""
        _, u, _, _ = self.sums(tau2)
        return np.einsum("ij,ij->j", u, self.y), -np.einsum("ij,ij->j", u, u)

    def trace(self, tau2: Array) -> Array:
        """``tr(P)``, ``[b]``: the sum of the weights less what the coefficients take of it."""
        w, _, _, weighted = self.sums(tau2)
        return np.asarray(w.sum(0) - sum(np.einsum("ij,ij->j", we, we) for we in weighted))


def residual(y: Array, columns: Array) -> Array:
    """What orthonormal columns leave of `y`; twice, as above."""
    y = y.copy()
    for _ in range(2):
        for e in columns:
            y -= np.einsum("ij,ij->j", e, y) * e
    return y


# Heterogeneity variance of a meta-regression by likelihood: the highest maximum of the restricted or the full likelihood.
#
# With P, u and E of `metanet.kernels.inverse_variance.regression_tau2`, ``h = sum_j e_j^2`` and ``t = tau2`` the derivatives are
#
#     restricted  (u'u - tr P) / 2,     tr(P P) / 2 - u'P u,     tr P = sum(w - w^2 h)
#     full        (u'u - sum w) / 2,    sum(w^2) / 2 - u'P u
#
# (Viechtbauer 2005, doi:10.3102/10769986030003261; Raudenbush 2009, The Handbook of Research Synthesis and Meta-Analysis,
# chapter 16).
#
# Notes ----- As for the mean alone (`metanet.kernels.inverse_variance.tau2`): the sign of the score is read on a geometric
# grid over the problem's own scale, every change from rising to falling is a candidate, each is refined by Newton's method
# inside its bracket, and the likelihood decides between several, the boundary among them. Beyond the residual sum of squares
# the score is negative: with leverages ``g`` each ``w r^2 <= (1 - g) RSS / t``.

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


# Estimators of the heterogeneity variance that moderators leave: nine names.
#
# With an intercept alone they are those of `metanet.kernels.inverse_variance.tau2`. All are truncated at zero, and are zero
# where the design leaves no degrees of freedom.


def _truncated(problem: Problem, tau2: Array) -> Array:
    return np.where(problem.df > 0, np.maximum(0.0, np.nan_to_num(tau2)), 0.0)


def _at_zero(problem: Problem) -> tuple[Array, Array]:
    """QE and the sum of the weights at tau2 = 0."""
    return problem.q(np.zeros(problem.df.shape))[0], (1.0 / problem.v).sum(0)


def dl(problem: Problem) -> Array:
    """DerSimonian and Laird with moderators: ``(QE - (k - p)) / tr(P)``.

    Thompson and Sharp (1999), doi:10.1002/(SICI)1097-0258(19991030)18:20<2693::AID-SIM235>3.0.CO;2-V.
    """
    zero = np.zeros(problem.df.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        return _truncated(problem, (problem.q(zero)[0] - problem.df) / problem.trace(zero))


def he(problem: Problem) -> Array:
    """Hedges and Olkin (1985, Statistical Methods for Meta-Analysis): unweighted residuals, ``(RSS - tr(M V)) / (k - p)``."""
    finite = np.where(np.isfinite(problem.v), problem.v, 0.0)
    inside = finite.sum(0) - sum(np.einsum("ij,ij,ij->j", finite, e, e) for e in problem.x)
    squares = np.einsum("ij,ij->j", problem.y, problem.y)
    with np.errstate(divide="ignore", invalid="ignore"):
        return _truncated(problem, (squares - inside) / problem.df)


def hs(problem: Problem) -> Array:
    """Hunter and Schmidt (2015, doi:10.4135/9781483398105): ``(QE - k) / sum w``."""
    q, total = _at_zero(problem)
    with np.errstate(divide="ignore", invalid="ignore"):
        return _truncated(problem, (q - problem.count) / total)


def hsk(problem: Problem) -> Array:
    """Hunter and Schmidt, small-sample form (Brannick et al. 2019, doi:10.1177/1094428117741966): ``(QE k / (k - p) - k) / sum w``."""
    q, total = _at_zero(problem)
    with np.errstate(divide="ignore", invalid="ignore"):
        return _truncated(problem, (q * problem.count / problem.df - problem.count) / total)


def sj(problem: Problem) -> Array:
    """Sidik and Jonkman (2005, doi:10.1081/BIP-200067915): the crude variance of the effects, times Q at it over k - p."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return _truncated(problem, problem.crude * problem.q(problem.crude)[0] / problem.df)


def solve_q(problem: Problem, target: Array, *, iterations: int = 200) -> Array:
    """The tau2 at which the generalised Q equals `target`; 0 where Q is at or below it already at tau2 = 0, ``[b]``.

    Notes
    -----
    Q falls and is convex, and ``Q(t) <= RSS / t`` closes the bracket. Newton's method on 1 / Q; the bracket is halved where a
    step would leave it.
    """
    result = np.zeros(problem.df.shape)
    rows = np.flatnonzero((problem.q(result)[0] > target) & (target > 0) & (problem.df > 0))
    if not rows.size:
        return result
    problem, goal = problem.take(rows), target[rows]
    low, high = np.zeros(rows.size), np.einsum("ij,ij->j", problem.y, problem.y) / goal * (1 + 1e-12)
    x = low
    for _ in range(iterations):
        q, slope = problem.q(x)
        above = q > goal
        low, high = np.where(above, x, low), np.where(above, high, x)
        new = x - q * (q - goal) / (goal * slope)
        inside = (new >= low) & (new <= high)
        new = np.where(inside, new, 0.5 * (low + high))
        done = (inside & (np.abs(new - x) <= 1e-10 * new)) | (high - low <= 4e-16 * high)
        x = new
        result[rows] = x
        keep = np.flatnonzero(~done)
        if not keep.size:
            break
        if keep.size < rows.size:
            rows, goal, low, high, x, problem = (
                rows[keep],
                goal[keep],
                low[keep],
                high[keep],
                x[keep],
                problem.take(keep),
            )
    return result


def pm(problem: Problem) -> Array:
    """Paule and Mandel (1982, doi:10.6028/jres.087.022): the tau2 at which Q equals k - p; the empirical-Bayes estimator as well."""
    return solve_q(problem, problem.df)


def reml(problem: Problem) -> Array:
    """Restricted maximum likelihood, the highest maximum."""
    return maximise(problem, "restricted")


def ml(problem: Problem) -> Array:
    """Maximum likelihood, the highest maximum."""
    return maximise(problem, "full")


#: Name -> estimator ``problem -> tau2 [b]``.
ESTIMATORS: dict[str, Callable[[Problem], Array]] = {
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


def estimate(name: str, y: Array, v: Array, x: Array) -> Array:
    """tau2 ``[b]`` by the named estimator, from effects and variances ``[b, k]`` and a design ``[b, k, p]`` or ``[k, p]``."""
    return ESTIMATORS[name](Problem.of(y, v, x))


def q_profile(y: Array, v: Array, x: Array, level: float) -> tuple[Array, Array, Mask]:
    """Interval of tau2 from the generalised Q (Viechtbauer 2007, doi:10.1002/sim.2514; Jackson et al. 2014, doi:10.1002/sim.6207).

    Lower and upper end and whether the set is empty, ``[b]``; NaN where it is, and without degrees of freedom.
    """
    problem = Problem.of(y, v, x)
    df = problem.df
    high_q, low_q = (distributions.chi2_quantile(p, df) for p in (0.5 + level / 2, 0.5 - level / 2))
    possible = df >= 1
    empty = possible & (problem.q(np.zeros(df.shape))[0] < low_q)
    lower = solve_q(problem, np.where(possible, high_q, np.inf))
    upper = solve_q(problem, np.where(possible, low_q, np.inf))
    gone = ~possible | empty
    return np.where(gone, np.nan, lower), np.where(gone, np.nan, upper), empty
