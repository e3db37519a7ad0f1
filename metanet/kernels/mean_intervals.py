"""Intervals of the pooled mean in the inverse-variance model: z, t, HK, HK-adhoc, KR and profile likelihood."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metanet.kernels import quantiles
from metanet.kernels.roots import Indices, find_roots
from metanet.kernels.tau2_likelihood import Problem, loglik, maximise
from metanet.kernels.two_step import WeightedMean

Array = NDArray[np.float64]


@dataclass(frozen=True)
class MeanInterval:
    """Standard error, degrees of freedom (inf for the normal) and limits of the mean, each ``[b]``."""

    se: Array
    df: Array
    lower: Array
    upper: Array


def _symmetric(mean: Array, se: Array, df: Array, critical: Array | float) -> MeanInterval:
    half = critical * se
    return MeanInterval(se, df, mean - half, mean + half)


def normal(fit: WeightedMean, level: float) -> MeanInterval:
    """Normal quantile and the model-based standard error (Wald)."""
    se = np.sqrt(fit.variance)
    return _symmetric(fit.mean, se, np.full(se.shape, np.inf), quantiles.two_sided_z(level))


def student(fit: WeightedMean, k: Array, level: float) -> MeanInterval:
    """Student's quantile with k - 1 degrees of freedom and the model-based standard error (Follmann and Proschan 1999).

    doi:10.1111/j.0006-341X.1999.00732.x
    """
    return _symmetric(fit.mean, np.sqrt(fit.variance), k - 1, quantiles.two_sided_t(level, k - 1))


def hartung_knapp(fit: WeightedMean, k: Array, level: float, *, at_least: float = 0.0) -> MeanInterval:
    """Hartung and Knapp (2001, doi:10.1002/sim.791): variance ``max(q, at_least) / sum w`` with ``q = Q / (k - 1)``, t with k - 1 df.

    ``at_least=1`` is the ad-hoc form of Knapp and Hartung (2003, doi:10.1002/sim.1482): never narrower than the t interval.
    """
    df = k - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.maximum(np.where(df > 0, fit.q / df, np.nan), at_least)
        se = np.sqrt(fit.variance * factor)
    return _symmetric(fit.mean, se, df, quantiles.two_sided_t(level, df))


def kenward_roger(fit: WeightedMean, level: float) -> MeanInterval:
    """Kenward and Roger (1997, doi:10.2307/2533558) for the mean, in the form of Partlett and Riley (2017, doi:10.1002/sim.7140).

    With ``s_p = sum w^p`` and the expected information on tau2 ``I = (s_2 - 2 s_3 / s_1 + (s_2 / s_1)^2) / 2`` the variance is
    ``V = (1 + 2 (s_3 / s_1 - (s_2 / s_1)^2) / I) / s_1`` with ``2 I / (V s_2)^2`` degrees of freedom. Where these are below one
    (two studies, or three without spread) there are no limits: a quantile that far out says nothing of the data.
    """
    w = fit.weights
    s1, s2, s3 = w.sum(-1), (w * w).sum(-1), (w * w * w).sum(-1)
    information = 0.5 * (s2 - 2.0 * s3 / s1 + (s2 / s1) ** 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = (1.0 + 2.0 * (s3 / s1 - (s2 / s1) ** 2) / information) / s1
        df = 2.0 * information / (variance * s2) ** 2
        se = np.sqrt(variance)
    return _symmetric(fit.mean, se, df, quantiles.two_sided_t(level, df))


def profile(y: Array, v: Array, fit: WeightedMean, tau2: Array, level: float) -> MeanInterval:
    """Profile likelihood of the mean in the maximum-likelihood model (Hardy and Thompson 1996); `fit` stands at the maximum `tau2`.

    doi:10.1002/(SICI)1097-0258(19960330)15:6<619::AID-SIM188>3.0.CO;2-A
    """
    drop = float(quantiles.chi2_quantile(level, 1)) / 2
    yt, vt = np.ascontiguousarray(y.T), np.ascontiguousarray(v.T)
    target = loglik(Problem(yt, vt, "full"), tau2) - drop
    se = np.sqrt(fit.variance)

    def height(mean: Array, rows: Indices) -> Array:
        problem = Problem(yt[:, rows], vt[:, rows], "at a mean", mean)
        return np.asarray(loglik(problem, maximise(problem)) - target[rows])

    ends = []
    for direction in (-1.0, 1.0):
        rows = np.arange(fit.mean.size)
        inner, outer = fit.mean.copy(), fit.mean + direction * 2.0 * se
        end = np.full(fit.mean.shape, direction * np.inf)
        for _ in range(60):
            value = height(outer, rows)
            closed = value < 0
            if closed.any():
                chosen = rows[closed]
                end[chosen] = find_roots(
                    lambda m, i, chosen=chosen: height(m, chosen[i]),  # type: ignore[misc]
                    inner[closed],
                    outer[closed],
                    f_lower=None,
                    f_upper=value[closed],
                    relative=1e-12,
                    scale=se[chosen],
                )
            rows, inner, outer = rows[~closed], outer[~closed], outer[~closed]
            if not rows.size:
                break
            outer = fit.mean[rows] + 1.6 * (outer - fit.mean[rows])
        ends.append(end)
    return MeanInterval(se, np.full(se.shape, np.inf), ends[0], ends[1])
