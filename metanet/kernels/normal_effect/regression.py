"""The maximum of the exact likelihood of a meta-regression, and the profile-likelihood interval of its tau."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metanet.base.arrays import Array, Indices, Mask
from metanet.kernels.normal_effect.ascent import TAU_LIMIT, Anchor, highest, maximise
from metanet.kernels.normal_effect.random_effect import RULES, Evaluation, Interval, Rule, rounding
from metanet.kernels.normal_effect.regression_likelihood import (
    Basis,
    basis_of,
    common_fit,
    estimable,
    evaluate,
    joint_modes,
    movable,
    predictor,
    shortened,
    solve,
)
from metanet.kernels.normal_effect.study_likelihoods import Hypergeometric, Likelihood
from metanet.kernels.numerics import distributions
from metanet.kernels.numerics.batches import Batch
from metanet.kernels.numerics.roots import inner_end, outer_end

# The maximum of the exact likelihood of a meta-regression, for a batch of data sets, designs, or permuted designs.
#
# The climb over (gamma, tau) is that of the mean alone (`metanet.kernels.normal_effect.ascent`). Coefficients without a finite
# maximum are told apart first (`metanet.kernels.normal_effect.regression_likelihood`): what is left of the likelihood after their
# studies have gone to one is maximised, so that its supremum, and with it a likelihood-ratio test, exists.


@dataclass(frozen=True)
class Line:
    """Coefficients on a design: a point is gamma in the orthonormal columns `u` ``[b, k, p]`` that are `active` ``[b, p]``."""

    studies: Likelihood
    u: Array
    active: Mask
    #: Likelihood ratios are compared between designs, so the height itself has to be right as well. The error of all nodes is
    #: about the square of what half of them differ.
    half_height = 2e-5

    def take(self, rows: Indices) -> Line:
        """The chosen fits."""
        return Line(self.studies.take(rows), self.u[rows], self.active[rows])

    def predictor(self, point: Array) -> Array:
        """``eta`` ``[b, k]``."""
        return predictor(self.u, point)

    def evaluate(self, point: Array, tau: Array, rule: Rule, interval: Interval | None = None) -> Evaluation:
        """Likelihood and derivatives."""
        return evaluate(self.studies, self.u, point, tau, rule, interval)

    def joint_modes(self, point: Array, tau: Array) -> tuple[Array, Anchor]:
        """A start at tau that needs no nodes."""
        return joint_modes(self.studies, self.u, self.active, point, tau)

    def newton_step(self, at: Evaluation) -> tuple[Array, Array]:
        """Newton step and its squared decrement."""
        step, decrement = solve(at.information, at.score, self.active)
        return step * shortened(self.u, step, 3.0)[:, None], decrement

    def profile_step(self, at: Evaluation, tau: Array) -> tuple[Array, Array, Array, Array]:
        """Newton step in gamma, its gain, and height and slope in tau of the profile after it."""
        p = self.u.shape[2]
        step, _ = solve(at.information[:, :p, :p], at.score[:, :p], self.active)
        step *= shortened(self.u, step, 1.0 + tau)[:, None]
        gain = (step * at.score[:, :p]).sum(-1)
        slope = at.score[:, p] - (step * at.information[:, :p, p]).sum(-1)
        return step, gain, at.loglik + 0.5 * gain, slope

    def half_distance(self, at: Evaluation, rows: Indices) -> Array:
        """Squared standard errors between the maximum of all nodes and that of every second one."""
        difference = at.half_score - at.score
        step, _ = solve(at.information, difference, self.active[rows])
        distance = np.abs((step * difference).sum(-1))
        return np.where(np.isfinite(distance), distance, np.inf)


@dataclass(frozen=True)
class ExactFit(Batch):
    """A batch of maximum-likelihood fits.

    Attributes
    ----------
    beta
        Coefficients ``[b, p]``; NaN where none is estimable: collinear columns, or a coefficient without a finite maximum.
    covariance
        Of (beta, tau), ``[b, p + 1, p + 1]``, from the observed information; NaN likewise. At tau = 0 that of beta alone.
    tau, loglik
        Standard deviation of the random effect and maximum (or supremum) of the log-likelihood, ``[b]``.
    beta_common, loglik_common
        The same at tau = 0.
    solution, spread, basis
        Coefficients and covariance of smallest length that give the same predictors, without NaN, for combinations of
        coefficients that are estimable although each alone is not (`combine`).
    gamma, eta, study_score, study_information
        Coefficients in the basis, predictors, and each study's share of score and information, ``[b, k]``; NaN in `eta` for studies
        at the end of a direction without maximum.
    nodes
        Quadrature nodes used, 0 at tau = 0.
    rank
        Rank of the design, ``[b]``.
    separated, unbounded, settled
        Some coefficient has no finite maximum (the rest is right, `loglik` is the supremum); the likelihood rises for ever with tau
        (numbers are NaN); all checks of the numerical work passed.
    """

    beta: Array
    covariance: Array
    tau: Array
    loglik: Array
    beta_common: Array
    loglik_common: Array
    solution: Array
    spread: Array
    basis: Basis
    gamma: Array
    eta: Array
    study_score: Array
    study_information: Array
    nodes: NDArray[np.int64]
    rank: NDArray[np.intp]
    separated: Mask
    unbounded: Mask
    settled: Mask

    def combine(self, directions: Array) -> tuple[Array, Array]:
        """``c' beta`` and its standard error for directions ``[b, m, p]`` (or ``[m, p]``), ``[b, m]``; NaN where not estimable."""
        b, p = self.solution.shape
        c = np.broadcast_to(directions, (b, *directions.shape[-2:]))
        known = estimable(self.basis, c) & ~self.unbounded[:, None]
        value = (c @ self.solution[:, :, None])[:, :, 0]
        variance = np.einsum("bmp,bpq,bmq->bm", c, self.spread[:, :p, :p], c)
        return np.where(known, value, np.nan), np.where(known, np.sqrt(np.maximum(variance, 0.0)), np.nan)


def fit(studies: Likelihood, x: Array) -> ExactFit:
    """Fit every row of the batch.

    Parameters
    ----------
    studies
        The studies' likelihoods, ``[b, k]``. Repeat them with ``take`` to fit many designs to one response.
    x
        Designs ``[b, k, p]`` or ``[k, p]``, the intercept as a column. Rows of absent studies are not looked at.
    """
    b = studies.guess.shape[0]
    x = np.broadcast_to(x, (b, *x.shape[-2:]))
    p = x.shape[2]
    present = studies.precision > 0
    basis = basis_of(x, present)
    rank = basis.rank
    gone = movable(studies, basis, present)
    separated: Mask = np.asarray(gone.any(-1))
    rows = np.flatnonzero(separated)
    if rows.size:
        studies = without(studies, gone)
        basis.put(rows, basis_of(x[rows], (present & ~gone)[rows]))
    kept = present & ~gone
    # Studies at their edges alone, and not all one way: the likelihood rises for ever with tau.
    unbounded: Mask = np.asarray((studies.edge | ~kept).all(-1) & kept.any(-1))
    u, active = basis.u, basis.active
    gamma0, loglik0, information0 = common_fit(studies, u, active)
    wanted = np.flatnonzero(~unbounded & kept.any(-1))
    top = highest(Line(studies, u, active), (gamma0, loglik0, information0), wanted, unbounded)
    gamma, tau, at, loglik = top.point, top.tau, top.at, top.at.loglik
    unbounded |= ~top.on_boundary & (tau >= TAU_LIMIT)
    spread = _covariance(at.information, basis, top.on_boundary)
    solution = (basis.back @ gamma[:, :, None])[:, :, 0]
    eta = np.where(gone, np.nan, predictor(x, solution))
    known = estimable(basis, np.broadcast_to(np.eye(p), (b, p, p)))
    common = np.where(known, (basis.back @ gamma0[:, :, None])[:, :, 0], np.nan)
    beta, covariance = np.where(known, solution, np.nan), spread.copy()
    lost = np.concatenate([~known, np.zeros((b, 1), dtype=bool)], axis=1)
    covariance[lost[:, :, None] | lost[:, None, :]] = np.nan
    for values in (beta, covariance, tau, loglik, eta, at.study_score, at.study_information):
        values[unbounded] = np.nan
    return ExactFit(
        beta, covariance, tau, loglik, common, loglik0, solution, spread, basis, gamma, eta, at.study_score,
        at.study_information, top.nodes, rank, separated, unbounded, top.settled & ~unbounded,
    )  # fmt: skip


def without(studies: Likelihood, gone: Mask) -> Likelihood:
    """The same studies, those of `gone` ``[b, k]`` absent; a study at its edge has no constant, so that none is lost."""
    if isinstance(studies, Hypergeometric):
        return studies.without(gone)
    part = studies.take(slice(None))
    for name in ("events", "total", "precision"):
        setattr(part, name, np.where(gone, 0.0, getattr(part, name)))
    part.edge = part.edge | gone
    return part


def _covariance(information: Array, basis: Basis, on_boundary: Mask) -> Array:
    """Inverse of the observed information, in the coefficients; on the boundary tau is not a free parameter."""
    b, p = basis.active.shape
    matrix = information.copy()
    places = np.arange(p)
    matrix[:, places, places] += ~basis.active
    matrix[on_boundary, :p, p], matrix[on_boundary, p, :p] = 0.0, 0.0
    matrix[on_boundary, p, p] = 1.0
    size = np.sqrt(np.maximum(np.einsum("bii->bi", matrix), 1e-300))
    value, vector = np.linalg.eigh(matrix / (size[:, :, None] * size[:, None, :]))
    # A direction without curvature has no standard error.
    with np.errstate(divide="ignore"):
        inverse = np.where(value > 1e-14, 1.0 / value, np.inf)
    with np.errstate(invalid="ignore"):
        full = (vector * inverse[:, None, :]) @ vector.transpose(0, 2, 1) / (size[:, :, None] * size[:, None, :])
    way = np.zeros((b, p + 1, p + 1))
    way[:, :p, :p], way[:, p, p] = basis.back, 1.0
    with np.errstate(invalid="ignore"):
        out = way @ full @ way.transpose(0, 2, 1)
    out[on_boundary, p] = 0.0
    out[on_boundary, :, p] = 0.0
    return np.asarray(out)


# Profile-likelihood interval of tau in an exact meta-regression.
#
# An end is where twice the fall of the likelihood, maximised over the coefficients, from its maximum equals the chi-squared
# quantile with one degree of freedom.

#: The wider the random effect, the more nodes a study at its edge needs: rules up to a tau of 4, of 10, and beyond.
_RULES = ((4.0, RULES[2]), (10.0, RULES[3]), (np.inf, RULES[5]))


def tau_interval(studies: Likelihood, fit: ExactFit, level: float) -> tuple[Array, Array]:
    """Lower and upper end of tau, ``[b]``; the upper end is inf where the data set no limit below `TAU_LIMIT`, NaN without a fit.

    Where coefficients have no finite maximum the profile is that of its supremum.
    """
    b = fit.tau.size
    drop = float(distributions.chi2_quantile(level, 1)) / 2
    gone = np.isnan(fit.eta)
    usable = ~fit.unbounded & ~gone.all(-1)
    studies = without(studies, gone) if gone.any() else studies
    line, gamma = Line(studies, fit.basis.u, fit.basis.active), fit.gamma.copy()

    def height(tau: Array, rows: Indices) -> Array:
        out, below = np.empty(tau.size), -1.0
        for limit, rule in _RULES:
            chosen = np.flatnonzero((tau > below) & (tau <= limit))
            if chosen.size:
                owner = rows[chosen]
                found, out[chosen], _ = maximise(line.take(owner), gamma[owner], tau[chosen], rule)
                # The ridge at one tau is where to look for that at the next.
                gamma[owner] = found
            below = limit
        return out - (fit.loglik[rows] - drop)

    at_zero = fit.loglik_common - (fit.loglik - drop)
    at_zero[~usable | (at_zero >= -rounding(studies.size))] = 0.0
    lower = np.where(usable, inner_end(height, fit.tau, drop, at_zero, relative=1e-11), np.nan)
    upper = np.full(b, np.nan)
    gamma[:] = fit.gamma
    rows = np.flatnonzero(usable)
    if rows.size:
        with np.errstate(invalid="ignore"):
            se = np.sqrt(np.nan_to_num(fit.covariance[:, -1, -1], posinf=1.0))
        first = fit.tau + np.clip(2.0 * se, 0.3, 3.0)
        ends = outer_end(height, np.nan_to_num(fit.tau), drop, np.nan_to_num(first), rows, limit=TAU_LIMIT, relative=1e-11)
        upper[rows] = ends[rows]
    return lower, upper
