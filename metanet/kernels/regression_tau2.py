"""Estimators of the heterogeneity variance that moderators leave: nine names.

With an intercept alone they are those of `metanet.kernels.tau2`. All are truncated at zero, and are zero where the design leaves no
degrees of freedom.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from metanet.kernels import quantiles
from metanet.kernels.regression_likelihood import maximise
from metanet.kernels.regression_problem import Problem

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


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
    high_q, low_q = (quantiles.chi2_quantile(p, df) for p in (0.5 + level / 2, 0.5 - level / 2))
    possible = df >= 1
    empty = possible & (problem.q(np.zeros(df.shape))[0] < low_q)
    lower = solve_q(problem, np.where(possible, high_q, np.inf))
    upper = solve_q(problem, np.where(possible, low_q, np.inf))
    gone = ~possible | empty
    return np.where(gone, np.nan, lower), np.where(gone, np.nan, upper), empty
