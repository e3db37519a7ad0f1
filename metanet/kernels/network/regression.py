"""A network with a design of its own for every arm: moderators of contrasts, in two steps.

As `metanet.kernels.network.two_step`, with ``X`` any design of the arms ``[s, K, p]`` in which differences within a study count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metanet.base.arrays import Array, Indices, Mask
from metanet.kernels.inverse_variance.search import maximise

#: Points of the scan, as in `two_step`.
_GRID = 28


@dataclass(frozen=True)
class Regression:
    """Coefficients ``[p]`` with their covariance, tau2, Q at tau2 = 0 and its degrees of freedom; NaN where X is not of full rank."""

    beta: Array
    covariance: Array
    tau2: float
    q: float
    df: int
    full_rank: bool


class _Sums:
    """Least squares at one tau2."""

    def __init__(self, effect: Array, variance: Array, x: Array, tau2: float) -> None:
        present = np.isfinite(variance)
        self.weights = np.where(present, 1.0 / (variance + 0.5 * tau2), 0.0)
        self.sums = self.weights.sum(1)
        self.share = self.weights / self.sums[:, None]
        self.x = x
        self.turned = self.laplace(x)
        p = x.shape[-1]
        self.normal = x.reshape(-1, p).T @ self.turned.reshape(-1, p)
        self.inverse: Array = np.asarray(np.linalg.pinv(self.normal, hermitian=True), dtype=np.float64)
        self.beta = self.inverse @ np.einsum("skp,sk->p", self.turned, effect)
        self.pull = self.laplace((effect - x @ self.beta)[:, :, None])[:, :, 0]
        self.q = float((self.pull**2 / np.where(present, self.weights, 1.0)).sum())

    def laplace(self, values: Array) -> Array:
        """``L x`` of each study, ``[s, K, p]``."""
        mean = np.einsum("sk,skp->sp", self.share, values)
        return np.asarray(self.weights[:, :, None] * (values - mean[:, None, :]))

    def project(self, values: Array) -> Array:
        """``P x`` of values at the arms, ``[s, K]``."""
        first = self.laplace(values[:, :, None])[:, :, 0]
        fitted = self.x @ (self.inverse @ np.einsum("skp,sk->p", self.turned, values))
        return first - self.laplace(fitted[:, :, None])[:, :, 0]

    @property
    def trace(self) -> float:
        """``tr P / 2``."""
        whole = (self.weights * (1.0 - self.share)).sum()
        p = self.x.shape[-1]
        flat = self.turned.reshape(-1, p)
        return 0.5 * float(whole - np.trace(self.inverse @ (flat.T @ flat)))

    @property
    def score(self) -> float:
        """Derivative of the restricted log-likelihood."""
        return 0.5 * (0.5 * float((self.pull**2).sum()) - self.trace)

    @property
    def loglik(self) -> float:
        """The restricted log-likelihood but for a constant."""
        logs = -np.log(np.where(self.weights > 0, self.weights, 1.0)).sum() + np.log(self.sums).sum()
        return -0.5 * float(logs + np.linalg.slogdet(self.normal)[1] + self.q)


class _Problem:
    """The restricted likelihood as the search asks for it: one column."""

    grid = _GRID

    def __init__(self, effect: Array, variance: Array, x: Array, copies: int = 1) -> None:
        self.effect, self.variance, self.x = effect, variance, x
        self.y = effect
        self.v = np.full((1, copies), 2.0 * variance.min())

    def take(self, columns: Indices) -> _Problem:
        """The same network once for each column."""
        return _Problem(self.effect, self.variance, self.x, columns.size)

    def ends(self) -> tuple[Mask, Array]:
        """As `two_step.Restricted.ends`."""
        even = _Sums(self.effect, np.where(np.isfinite(self.variance), 0.5, np.inf), self.x, 0.0)
        df = max(degrees(self.variance, self.x), 1)
        most = self.variance[np.isfinite(self.variance)].max()
        top = (even.q + np.sqrt(even.q**2 + 8.0 * df * even.q * most)) / (2.0 * df) * (1 + 1e-9)
        wanted = degrees(self.variance, self.x) > 0 and even.q > 1e-24 * float((self.effect**2).sum())
        return np.array([wanted]), np.array([top])

    def score(self, tau2: Array) -> Array:
        """Derivative, ``[b]``."""
        return np.array([_Sums(self.effect, self.variance, self.x, t).score for t in tau2])

    def derivatives(self, tau2: Array) -> tuple[Array, Array, Array]:
        """First and second derivative and the mean weight of a contrast, ``[b]``."""
        out = []
        for t in tau2:
            sums = _Sums(self.effect, self.variance, self.x, t)
            bent = -0.25 * float((sums.pull * sums.project(sums.pull)).sum())
            step = 1e-5 * (t + float(self.v[0, 0]))
            # The trace falls smoothly; its slope by differences decides the speed of the search, not its end.
            near = _Sums(self.effect, self.variance, self.x, t + step).trace
            weight = float((sums.weights * (1.0 - sums.share)).sum()) / max(
                2.0 * (np.isfinite(self.variance).sum() - len(sums.sums)), 1.0
            )
            out.append((sums.score, bent - 0.5 * (near - sums.trace) / step, weight))
        first, second, mean = np.array(out).T
        return first, second, mean

    def loglik(self, tau2: Array) -> Array:
        """The restricted log-likelihood, ``[b]``."""
        return np.array([_Sums(self.effect, self.variance, self.x, t).loglik for t in tau2])


def degrees(variance: Array, x: Array) -> int:
    """Contrasts less coefficients."""
    return int((np.isfinite(variance).sum(1) - 1).sum()) - int(x.shape[-1])


def fit_design(effect: Array, variance: Array, x: Array, method: str) -> Regression:
    """Fit one network.

    Parameters
    ----------
    effect, variance
        Of the arms, ``[s, K]``; an absent arm has variance inf.
    x
        Design, ``[s, K, p]``; zero where an arm is absent.
    method
        "REML", "DL" or "none".
    """
    common = _Sums(effect, variance, x, 0.0)
    scale = np.sqrt(np.maximum(np.diagonal(common.normal), np.finfo(float).tiny))
    values = np.linalg.eigvalsh(common.normal / scale / scale[:, None])
    full, df = bool(values.min() > 1e-10), degrees(variance, x)
    tau2 = 0.0
    if full and df > 0 and method == "DL":
        tau2 = max(0.0, (common.q - df) / common.trace)
    elif full and df > 0 and method == "REML":
        tau2 = float(maximise(_Problem(effect, variance, x))[0])
    found = _Sums(effect, variance, x, tau2)
    return Regression(found.beta, found.inverse, tau2, common.q, df, full)
