"""The maximum of an exact likelihood with a normal random effect and one mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metanet.base.arrays import Array, Indices, Mask
from metanet.kernels.normal_effect.ascent import TAU_LIMIT, Anchor, highest
from metanet.kernels.normal_effect.random_effect import (
    Evaluation,
    Interval,
    Rule,
    common_mean,
    evaluate,
    joint_modes,
)
from metanet.kernels.normal_effect.study_likelihoods import Likelihood
from metanet.kernels.numerics.batches import Batch


@dataclass(frozen=True)
class Mean:
    """One mean: a point is mu as ``[b, 1]``, and two equations are solved by their formula."""

    studies: Likelihood
    half_height = np.inf

    def take(self, rows: Indices) -> Mean:
        """The chosen fits."""
        return Mean(self.studies.take(rows))

    def predictor(self, point: Array) -> Array:
        """mu ``[b]``."""
        return point[:, 0]

    def evaluate(self, point: Array, tau: Array, rule: Rule, interval: Interval | None = None) -> Evaluation:
        """Likelihood and derivatives."""
        return evaluate(self.studies, point[:, 0], tau, rule, interval)

    def joint_modes(self, point: Array, tau: Array) -> tuple[Array, Anchor]:
        """A start at tau that needs no nodes."""
        mu, anchor = joint_modes(self.studies, self.studies.centre(point[:, 0], tau), tau)
        return mu[:, None], anchor

    def profile_step(self, at: Evaluation, tau: Array) -> tuple[Array, Array, Array, Array]:
        """Newton step in mu, its gain, and height and slope in tau of the profile after it."""
        curvature = np.maximum(at.information[:, 0, 0], 1e-12)
        # In a flat tail the curvature says nothing of the distance: no step is longer than the scale of the problem.
        step = np.clip(at.score[:, 0] / curvature, -(1.0 + tau), 1.0 + tau)
        gain = step * at.score[:, 0]
        return step[:, None], gain, at.loglik + 0.5 * gain, at.score[:, 1] - step * at.information[:, 0, 1]

    def newton_step(self, at: Evaluation) -> tuple[Array, Array]:
        """Newton step ``[b, 2]``, with the Hessian made definite where it is not, and the squared decrement ``[b]``."""
        a, b, d = at.information[:, 0, 0], at.information[:, 0, 1], at.information[:, 1, 1]
        half_trace, root = 0.5 * (a + d), np.sqrt(0.25 * (a - d) ** 2 + b * b)
        smallest, largest = half_trace - root, half_trace + root
        floor = 1e-3 * np.maximum(np.abs(largest), 1e-6)
        shift = np.where(smallest > 1e-9 * np.abs(largest), 0.0, floor - smallest)
        a, d = a + shift, d + shift
        determinant = a * d - b * b
        g0, g1 = at.score[:, 0], at.score[:, 1]
        step = np.empty_like(at.score)
        step[:, 0], step[:, 1] = (d * g0 - b * g1) / determinant, (a * g1 - b * g0) / determinant
        longest = np.abs(step).max(-1)
        if longest.max(initial=0.0) > 3.0:
            step *= np.minimum(1.0, 3.0 / np.maximum(longest, 1e-300))[:, None]
        return step, step[:, 0] * g0 + step[:, 1] * g1

    def half_distance(self, at: Evaluation, rows: Indices) -> Array:
        """Squared standard errors between the maximum of all nodes and that of every second one, ``[b]``."""
        difference = at.half_score - at.score
        a, b, d = at.information[:, 0, 0], at.information[:, 0, 1], at.information[:, 1, 1]
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = (
                d * difference[:, 0] ** 2 - 2 * b * difference[:, 0] * difference[:, 1] + a * difference[:, 1] ** 2
            ) / (a * d - b * b)
        return np.where(np.isfinite(distance), np.abs(distance), np.inf)


@dataclass(frozen=True)
class Fit(Batch):
    """Maximum-likelihood fit, by row: parameters, likelihoods, derivatives there, and how far the answer can be trusted.

    `covariance` is of (mu, tau); on the boundary tau = 0 only its first entry is defined. `unbounded` marks rows whose
    likelihood has no maximum at a finite tau, `settled` rows whose quadrature and Newton decrement passed their checks.
    """

    mu: Array
    tau: Array
    loglik: Array
    mu_common: Array
    loglik_common: Array
    covariance: Array
    study_score: Array
    study_information: Array
    nodes: NDArray[np.int64]
    unbounded: Mask
    settled: Mask


def fit(studies: Likelihood) -> Fit:
    """Maximise the likelihood of every row, which needs at least two studies that are not all at the same edge.

    A row in which every study stands at one of its edges (all patients with the event, or none), and both occur, has no
    maximum: the likelihood rises for ever with tau. Such a row, and one whose maximum lies beyond `TAU_LIMIT`, is marked
    `unbounded` and its numbers are NaN.

    Notes
    -----
    The likelihood can have a maximum on the boundary and another inside, or two inside, so the profile over tau is scanned first. A
    climb starts from every cell of the scan in which the slope changes from rising to falling (the best two, if there are more),
    and tau = 0 is kept only where its likelihood is not below.
    """
    mu0, loglik0, information0 = common_mean(studies)
    separated: Mask = np.asarray(studies.edge.all(-1))
    common = (mu0[:, None], loglik0, information0[:, None, None])
    top = highest(Mean(studies), common, np.flatnonzero(~separated), separated)
    mu, tau, at = top.point[:, 0], top.tau, top.at
    unbounded = separated | (~top.on_boundary & (tau >= TAU_LIMIT))
    covariance = _covariance(at.information, top.on_boundary)
    for gone in (mu, tau, at.loglik, covariance, at.study_score, at.study_information):
        gone[unbounded] = np.nan
    return Fit(
        mu, tau, at.loglik, mu0, loglik0, covariance, at.study_score, at.study_information, top.nodes, unbounded,
        top.settled & ~unbounded,
    )  # fmt: skip


def _covariance(information: Array, on_boundary: Mask) -> Array:
    """Inverse of the observed information; on the boundary tau is not a free parameter and only mu's variance is left."""
    a, b, d = information[:, 0, 0], information[:, 0, 1], information[:, 1, 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        determinant = a * d - b * b
        full = np.stack([np.stack([d, -b], -1), np.stack([-b, a], -1)], -2) / determinant[:, None, None]
        edge = np.zeros_like(full)
        edge[:, 0, 0] = 1.0 / a
    return np.where(on_boundary[:, None, None], edge, full)
