"""Estimators of the heterogeneity variance: nine names, each ``(y, v) -> tau2``, ``[b, k]`` to ``[b]``.

One study has no spread: its tau2 is 0 by convention, which the callers do not print. All are truncated at zero.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from metanet.kernels.tau2_likelihood import Kind, Problem, maximise
from metanet.kernels.two_step import plain_spread, study_count, weighted_mean

Array = NDArray[np.float64]


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
    Q falls and is convex, its slope is ``-sum w^2 r^2``, and ``Q(t) <= SS / t``, so that ``SS / target`` closes the bracket whatever
    the scale of the effects. Newton's method on 1 / Q, a straight line where all variances are equal; the bracket is halved where a
    step would leave it.
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
