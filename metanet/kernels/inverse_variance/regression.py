"""Two-step meta-regression, in batches: coefficients, their covariance, tests and intervals.

``beta = (X' W X)^-1 X' W y`` with ``W = diag(1 / (v + tau2))`` (Berkey et al. 1995, doi:10.1002/sim.4780140406). Effects and
variances are ``[b, k]`` (an absent study: ``v = inf``, finite `y`), the design is ``[b, k, p]`` or ``[k, p]``, its intercept
a column.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import special

from metanet.base.arrays import Array
from metanet.kernels.inverse_variance.regression_tau2 import Problem, columns_first, gram_schmidt, studies_first
from metanet.kernels.inverse_variance.tau2 import ESTIMATORS
from metanet.kernels.numerics import distributions
from metanet.kernels.numerics.batches import joined

#: Covariances of the coefficients, by the word of the interval.
INTERVALS = ("z", "t", "HK", "HK-adhoc")
#: Elements of an array over studies and fits that stay in the cache together.
_BLOCK = 12_000


@dataclass(frozen=True)
class RegressionFit:
    """A batch of two-step fits.

    Attributes
    ----------
    beta, covariance
        Coefficients ``[b, p]`` and their model-based covariance ``[b, p, p]``; NaN where columns are collinear.
    tau2, k, df
        ``[b]``: heterogeneity that is left, studies, and studies less the rank of the design.
    q
        Residual sum of squares in the weights of the fit, ``[b]``: of Knapp and Hartung's factor.
    qe
        The same in the weights ``1 / v``: the test of residual heterogeneity, on `df`.
    typical
        Typical sampling variance ``(k - p) / tr(P)``, ``[b]`` (of I2).
    weights, fitted, hat
        Weights ``1 / (v + tau2)``, fitted effects and leverages, ``[b, k]``.
    loglik
        Full log-likelihood at the fit, ``[b]``; comparable between designs where tau2 is by ML.
    """

    beta: Array
    covariance: Array
    tau2: Array
    k: Array
    df: Array
    q: Array
    qe: Array
    typical: Array
    weights: Array
    fitted: Array
    hat: Array
    loglik: Array


def fit(y: Array, v: Array, x: Array, tau2: str | Array = "REML") -> RegressionFit:
    """Fit every row; `tau2` is the name of an estimator of `tau2.ESTIMATORS`, or values ``[b]`` (zeros: common effect)."""
    b, k = max(y.shape[0], v.shape[0], x.shape[0] if x.ndim == 3 else 1), y.shape[-1]
    size = max(1, _BLOCK // k)
    if b > size:
        return joined([fit(*piece, tau2=t) for piece, t in _pieces(y, v, x, tau2, b, size)])
    problem = Problem.of(y, v, x)
    value = ESTIMATORS[tau2].of(problem) if isinstance(tau2, str) else np.broadcast_to(np.asarray(tau2, dtype=float), (b,))
    vt, yt, xt = studies_first(v, b), studies_first(y, b), columns_first(x, b)
    w = 1.0 / (vt + value)
    basis = gram_schmidt(np.where(np.isfinite(vt), xt, 0.0), w)
    load = np.einsum("pkb,kb,kb->pb", basis.columns, w, np.where(w > 0, yt, 0.0))
    beta = np.einsum("pjb,jb->bp", basis.transform, load)
    covariance = np.einsum("pjb,qjb->bpq", basis.transform, basis.transform)
    full = basis.active.all(0)
    beta[~full], covariance[~full] = np.nan, np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        typical = np.where(problem.df > 0, problem.df / problem.trace, np.nan)
    return RegressionFit(
        beta=beta,
        covariance=covariance,
        tau2=np.array(value),
        k=problem.count,
        df=problem.df,
        q=problem.q(value),
        qe=problem.qe,
        typical=typical,
        weights=np.ascontiguousarray(w.T),
        fitted=np.einsum("pkb,pb->bk", basis.columns, load),
        hat=np.einsum("pkb,pkb,kb->bk", basis.columns, basis.columns, w),
        loglik=problem.likelihood("full").loglik(value),
    )


def _pieces(
    y: Array, v: Array, x: Array, tau2: str | Array, b: int, size: int
) -> Iterator[tuple[tuple[Array, Array, Array], str | Array]]:
    """The batch in pieces that stay in the cache; what is broadcast over it goes with each."""

    def part(values: Array, rows: slice, batched: bool) -> Array:
        return values[rows] if batched and values.shape[0] == b else values

    for start in range(0, b, size):
        rows = slice(start, start + size)
        piece = (part(y, rows, True), part(v, rows, True), part(x, rows, x.ndim == 3))
        yield piece, tau2 if isinstance(tau2, str) else np.broadcast_to(np.asarray(tau2, dtype=float), (b,))[rows]


def scale_factor(found: RegressionFit, ci: str) -> Array:
    """What the model-based covariance is multiplied by, ``[b]``: 1, or Knapp and Hartung's ``q / (k - p)``.

    Knapp and Hartung (2003, doi:10.1002/sim.1482); "HK-adhoc" takes no factor below 1.
    """
    if ci in ("z", "t"):
        return np.ones(found.df.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(found.df > 0, found.q / found.df, np.nan)
    return np.maximum(factor, 1.0) if ci == "HK-adhoc" else factor


@dataclass(frozen=True)
class Inference:
    """Tests and intervals of single coefficients, ``[b, p]``; `df` is inf for the normal distribution."""

    se: Array
    statistic: Array
    df: Array
    pvalue: Array
    lower: Array
    upper: Array


def infer(beta: Array, variance: Array, df: Array, level: float) -> Inference:
    """Tests against zero and intervals from variances ``[b, p]`` and degrees of freedom ``[b]`` (inf: normal)."""
    df = np.broadcast_to(np.asarray(df, dtype=float)[:, None], beta.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        se = np.sqrt(variance)
        statistic = beta / se
        pvalue = two_sided(statistic, df)
        half = critical(level, df) * se
    return Inference(se, statistic, df, pvalue, beta - half, beta + half)


def critical(level: float, df: Array) -> Array:
    """Student's or, at infinite `df`, the normal two-sided quantile."""
    finite = np.where(np.isfinite(df), df, 1.0)
    return np.where(np.isinf(df), distributions.two_sided_z(level), distributions.two_sided_t(level, finite))


def two_sided(statistic: Array, df: Array) -> Array:
    """Two-sided p-value by Student's distribution, the normal one at infinite `df`; NaN below one degree."""
    size = -np.abs(statistic)
    finite = np.where(np.isfinite(df) & (df >= 1), df, 1.0)
    with np.errstate(invalid="ignore"):
        p = np.where(np.isinf(df), 2 * special.ndtr(size), 2 * special.stdtr(finite, size))
    return np.where(df >= 1, p, np.nan)


def wald(beta: Array, covariance: Array, contrast: Array, df: Array) -> tuple[Array, Array]:
    """Omnibus test that ``L beta = 0``: QM and its p-value, ``[b]``.

    ``QM = (L beta)' (L V L')^-1 L beta``, chi-squared on the m rows of `contrast` ``[m, p]`` where `df` is inf; else ``QM /
    m`` is F on (m, df), and given as such.
    """
    m = contrast.shape[0]
    if not m:
        nothing = np.full(beta.shape[0], np.nan)
        return nothing, nothing.copy()
    value = beta @ contrast.T
    matrix = contrast @ covariance @ contrast.T
    # Coefficients in units that differ by many powers of ten: the test does not depend on them, the solution does.
    size = np.sqrt(np.einsum("bii->bi", matrix))
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled, matrix = value / size, matrix / (size[:, :, None] * size[:, None, :])
    good = np.isfinite(scaled).all(-1) & np.isfinite(matrix).all((-2, -1))
    qm = np.full(beta.shape[0], np.nan)
    if good.any():
        qm[good] = np.einsum("bi,bi->b", scaled[good], np.linalg.solve(matrix[good], scaled[good][..., None])[..., 0])
    with np.errstate(invalid="ignore"):
        chi2 = distributions.chi2_upper_tail(qm, m)
        finite = np.where(np.isfinite(df) & (df >= 1), df, 1.0)
        f = special.fdtrc(m, finite, np.maximum(qm, 0.0) / m)
    normal = np.isinf(df)
    return np.where(normal, qm, qm / m), np.where(normal, chi2, np.where(df >= 1, f, np.nan))
