"""Two-step network estimates: generalised least squares on arm effects, heterogeneity by DerSimonian-Laird or REML.

With arm effects and Laplacians as in `metanet.kernels.network.arms`, and ``M = X' L X`` summed over the studies,

    d = M^+ X' L theta,   Q = sum w (r - mean_w r)^2 with r = theta - d,   P = L - L X M^+ X' L,
    DL:    tau2 = max(0, (Q - df) / (tr P / 2)),  P and Q at tau2 = 0 (as Jackson et al. 2016, doi:10.1002/sim.6752),
    REML:  the maximum of  -1/2 [log |V| + log |M| + Q]  (Harville 1977, doi:10.1080/01621459.1977.10480998).

M has the null vector of ones in every connected component; with a multiple of ``1 1' / T`` there it is inverted without choosing a
reference, and differences do not notice it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from metanet.base.arrays import Array, Indices, Mask
from metanet.kernels.inverse_variance.search import maximise
from metanet.kernels.network.arms import Arms

Tau2 = Literal["DL", "REML", "none"]
Scale = Literal["OR", "RR", "RD"]

#: Points of the scan of the restricted likelihood. Its bracket is wider than that of a mean.
_GRID = 28


def arm_effects(events: Array, total: Array, scale: Scale, add: float = 0.5) -> tuple[Array, Array, Mask]:
    """Effects and variances of arms from counts, ``[..., K]``, and the studies ``[...]`` that were corrected.

    Parameters
    ----------
    events, total
        Counts of the arms of each study, ``[..., K]``; NaN where an arm is absent.
    scale
        "OR": log odds; "RR": log rate; "RD": rate.
    add
        Added to events and to non-events of all arms of a study in which an arm has no events or events only. All arms of a study get
        the same correction, so that its contrasts stay consistent.

    Returns
    -------
    tuple
        Effects (0 where absent), variances (inf where absent), corrected studies.
    """
    absent = np.isnan(events) | np.isnan(total)
    y, n = np.where(absent, 1.0, events), np.where(absent, 2.0, total)
    corrected = np.asarray(((y == 0) | (y == n)).any(-1))
    c = np.where(corrected, add, 0.0)[..., None]
    y, n = y + c, n + 2.0 * c
    with np.errstate(divide="ignore", invalid="ignore"):
        if scale == "OR":
            effect, variance = np.log(y) - np.log(n - y), 1.0 / y + 1.0 / (n - y)
        elif scale == "RR":
            effect, variance = np.log(y) - np.log(n), (n - y) / (y * n)
        else:
            effect, variance = y / n, y * (n - y) / n**3
    return np.where(absent, 0.0, effect), np.where(absent, np.inf, variance), corrected


@dataclass(frozen=True)
class Estimates:
    """Estimates of a batch of networks.

    Attributes
    ----------
    tau2
        Heterogeneity variance of every contrast, ``[b]``.
    effect
        Treatment effects, ``[b, T]``, up to a constant in each connected component.
    covariance
        A covariance of `effect` whose differences are right, ``[b, T, T]``.
    linked, used
        Connected pairs ``[b, T, T]``, treatments in the network ``[b, T]``.
    q, df
        Cochran's Q in the weights without heterogeneity, and its degrees of freedom, ``[b]``.
    """

    tau2: Array
    effect: Array
    covariance: Array
    linked: Mask
    used: Mask
    q: Array
    df: Array

    @cached_property
    def contrasts(self) -> tuple[Array, Array]:
        """Row against column: differences and standard errors, ``[b, T, T]``; NaN between components."""
        return contrasts(self.effect, self.covariance, self.linked & self.used[:, :, None] & self.used[:, None, :])


def contrasts(effect: Array, covariance: Array, known: Mask) -> tuple[Array, Array]:
    """Differences of all pairs and their standard errors, ``[..., T, T]``; NaN where not `known`."""
    diagonal = np.diagonal(covariance, axis1=-2, axis2=-1)
    square = diagonal[..., :, None] + diagonal[..., None, :] - 2.0 * covariance
    difference = effect[..., :, None] - effect[..., None, :]
    return np.where(known, difference, np.nan), np.where(known, np.sqrt(np.maximum(square, 0.0)), np.nan)


class Fit:
    """The least-squares fit of every network at one heterogeneity variance each, ``[b]``."""

    def __init__(self, arms: Arms, tau2: Array) -> None:
        self.arms = arms
        self.weights = np.where(arms.present, 1.0 / (arms.variance + 0.5 * arms.spread(tau2)), 0.0)
        self.sums = self.weights.sum(-1)
        share = self.weights / np.where(self.sums > 0, self.sums, 1.0)[:, None]
        self.laplacian = -self.weights[:, :, None] * share[:, None, :]
        index = np.arange(self.weights.shape[-1])
        self.laplacian[:, index, index] += self.weights
        self._share = share

    @cached_property
    def _anchor(self) -> Array:
        """What is added to the normal matrix, ``[b, T, T]``: a multiple of ``1 1' / T`` in every component."""
        linked = self.arms.linked.astype(np.float64)
        size = np.maximum(np.diagonal(self.normal, axis1=1, axis2=2).max(-1), np.finfo(float).tiny)
        return np.asarray(linked / linked.sum(-1)[:, :, None] * size[:, None, None])

    @cached_property
    def normal(self) -> Array:
        """The normal matrix M, ``[b, T, T]``."""
        return self.arms.at_pairs(self.laplacian)

    @cached_property
    def covariance(self) -> Array:
        """The inverse of the anchored normal matrix, ``[b, T, T]``."""
        return np.asarray(np.linalg.inv(self.normal + self._anchor))

    @cached_property
    def effect(self) -> Array:
        """Treatment effects, ``[b, T]``."""
        return np.asarray((self.covariance @ self.arms.at_nodes(self._centred(self.arms.effect))[:, :, None])[:, :, 0])

    def _centred(self, values: Array) -> Array:
        """``L x`` of values at the arms, ``[s, K]``."""
        return np.asarray(self.weights * (values - (self._share * values).sum(-1)[:, None]))

    @cached_property
    def residuals(self) -> Array:
        """``theta - d``, ``[s, K]``."""
        return self.arms.effect - self.arms.of_nodes(self.effect)

    @cached_property
    def pull(self) -> Array:
        """``P theta``: weighted residuals about the mean of their study, ``[s, K]``."""
        return self._centred(self.residuals)

    @cached_property
    def of_studies(self) -> Array:
        """Contribution of each study to Q, ``[s]``."""
        return np.asarray((self.pull**2 / np.where(self.weights > 0, self.weights, 1.0)).sum(-1))

    @cached_property
    def q(self) -> Array:
        """Generalised Q, ``[b]``."""
        return self.arms.by_network(self.of_studies)

    @cached_property
    def _square(self) -> Array:
        return np.asarray(self.laplacian @ self.laplacian)

    @cached_property
    def _trace_of_study(self) -> Array:
        return np.asarray(np.trace(self.laplacian, axis1=1, axis2=2))

    @cached_property
    def _squared_normal(self) -> Array:
        """``M^+ X' L^2 X``, ``[b, T, T]``."""
        return np.asarray(self.covariance @ self.arms.at_pairs(self._square))

    @cached_property
    def trace(self) -> Array:
        """``tr P / 2``: the slope of the expected Q in tau2, ``[b]``."""
        lost = np.trace(self._squared_normal, axis1=1, axis2=2)
        return np.asarray(0.5 * (self.arms.by_network(self._trace_of_study) - lost))

    @cached_property
    def score(self) -> Array:
        """Derivative of the restricted log-likelihood in tau2, ``[b]``."""
        return 0.5 * (0.5 * self.arms.by_network((self.pull * self.pull).sum(-1)) - self.trace)

    @cached_property
    def curvature(self) -> Array:
        """Its second derivative, ``[b]``."""
        cube = np.einsum("bij,bji->b", self.covariance, self.arms.at_pairs(self._square @ self.laplacian))
        whole = self.arms.by_network(np.trace(self._square, axis1=1, axis2=2))
        traces = whole - 2.0 * cube + np.einsum("bij,bji->b", self._squared_normal, self._squared_normal)
        turned = self._centred(self.pull)
        at = self.arms.at_nodes(turned)
        bent = self.arms.by_network((turned * self.pull).sum(-1)) - np.einsum("bi,bij,bj->b", at, self.covariance, at)
        return np.asarray(0.125 * traces - 0.25 * bent)

    @cached_property
    def loglik(self) -> Array:
        """The restricted log-likelihood but for a constant, ``[b]``."""
        logs = -np.log(np.where(self.arms.present, self.weights, 1.0)).sum(-1) + np.log(np.where(self.sums > 0, self.sums, 1.0))
        size = np.maximum(np.diagonal(self.normal, axis1=1, axis2=2).max(-1), np.finfo(float).tiny)
        # Every component, those of one treatment too, has the size of the anchor as a factor of the determinant.
        blocks = np.round((1.0 / self.arms.linked.sum(-1)).sum(-1))
        determinant = np.linalg.slogdet(self.normal + self._anchor)[1] - blocks * np.log(size)
        return np.asarray(-0.5 * (self.arms.by_network(logs) + determinant + self.q))

    @cached_property
    def mean_weight(self) -> Array:
        """The mean weight ``1 / (v + tau2)`` of a contrast, ``[b]``."""
        contrasts = np.maximum(self.arms.present.sum(-1) - 1.0, 1.0)
        return self.arms.by_network(0.5 * self._trace_of_study / contrasts) / np.maximum(self.arms.by_network(contrasts), 1.0)


class Restricted:
    """The restricted likelihood of tau2 as `metanet.kernels.inverse_variance.search` asks for it, one network a column."""

    grid = _GRID

    def __init__(self, arms: Arms) -> None:
        self.arms = arms
        self.y = arms.effect
        least = np.full(arms.networks, np.inf)
        np.minimum.at(least, arms.owner, 2.0 * arms.variance.min(-1))
        self.v = least[None, :]

    def take(self, columns: Indices) -> Restricted:
        """The chosen networks."""
        return Restricted(self.arms.take(columns))

    def ends(self) -> tuple[Mask, Array]:
        """Networks with a spread to look for, and a tau2 beyond which every score is negative, ``[b]``.

        With S the sum of squares of the residuals of a fit with equal weights, ``theta' P P theta / 2 <= S / t^2``, and with the
        largest variance v of an arm ``tr P / 2 >= df / (2 v + t)``: beyond the root of ``df t^2 = S (2 v + t)`` the first is below
        the second.
        """
        arms = self.arms
        even = Arms(arms.effect, np.where(arms.present, 0.5, np.inf), arms.node, arms.owner, arms.networks, arms.nodes)
        squares = Fit(even, np.zeros(arms.networks)).q
        most = np.zeros(arms.networks)
        np.maximum.at(most, arms.owner, np.where(arms.present, arms.variance, 0.0).max(-1))
        df = np.maximum(arms.df, 1.0)
        wanted = (arms.df > 0) & (squares > 1e-24 * arms.by_network((arms.effect**2).sum(-1)))
        return wanted, (squares + np.sqrt(squares**2 + 8.0 * df * squares * most)) / (2.0 * df) * (1 + 1e-9)

    def score(self, tau2: Array) -> Array:
        """Derivative of the log-likelihood, ``[b]``."""
        return Fit(self.arms, tau2).score

    def derivatives(self, tau2: Array) -> tuple[Array, Array, Array]:
        """First and second derivative, and the mean weight of a contrast, ``[b]``."""
        fit = Fit(self.arms, tau2)
        return fit.score, fit.curvature, fit.mean_weight

    def loglik(self, tau2: Array) -> Array:
        """The restricted log-likelihood, ``[b]``."""
        return Fit(self.arms, tau2).loglik


def dersimonian_laird(fit: Fit, df: Array) -> Array:
    """tau2 from a fit without heterogeneity, ``[b]``; 0 without degrees of freedom."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((df > 0) & (fit.trace > 0), np.maximum(0.0, (fit.q - df) / fit.trace), 0.0)


def heterogeneity(arms: Arms, method: Tau2) -> Array:
    """The heterogeneity variance of every network, ``[b]``."""
    if method == "none":
        return np.zeros(arms.networks)
    if method == "REML":
        return maximise(Restricted(arms))
    return dersimonian_laird(Fit(arms, np.zeros(arms.networks)), arms.df)


def estimate(arms: Arms, method: Tau2 = "REML") -> Estimates:
    """Estimates of every network.

    Parameters
    ----------
    arms
        The arms of all networks; studies with one arm contribute nothing.
    method
        "DL", "REML", or "none" for one common effect of every contrast.

    Returns
    -------
    Estimates
        Arrays with the networks as first axis.
    """
    tau2 = heterogeneity(arms, method)
    common = Fit(arms, np.zeros(arms.networks))
    fit = Fit(arms, tau2) if tau2.any() else common
    return Estimates(tau2, fit.effect, fit.covariance, arms.linked, arms.used, common.q, arms.df)
