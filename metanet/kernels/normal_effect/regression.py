"""The maximum of the exact likelihood of a meta-regression, and the profile-likelihood interval of its tau."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metanet.base.arrays import Array, Indices, Mask
from metanet.kernels.normal_effect.fit import HALF_TOLERANCE, STEP_TOLERANCE, TAU_LIMIT, highest_rises, scan_points
from metanet.kernels.normal_effect.random_effect import (
    RULES,
    SCAN_RULE,
    Evaluation,
    Interval,
    Rule,
    nodes_interval,
    rounding,
)
from metanet.kernels.normal_effect.regression_likelihood import (
    Basis,
    basis_of,
    boundary_score,
    common_fit,
    estimable,
    evaluate,
    joint_modes,
    maximise_gamma,
    movable,
    predictor,
    profile_step,
    shortened,
    solve,
)
from metanet.kernels.normal_effect.study_likelihoods import Hypergeometric, Likelihood
from metanet.kernels.numerics import distributions
from metanet.kernels.numerics.roots import find_roots, outer_end

# The maximum of the exact likelihood of a meta-regression, for a batch of data sets, designs, or permuted designs.
#
# Newton's method on (gamma, tau) from every rise of a scanned profile, with the nodes doubled until it no longer matters, as
# `metanet.kernels.normal_effect.fit` does for the mean alone. Coefficients without a finite maximum are told apart first
# (`metanet.kernels.normal_effect.regression_likelihood`): what is left of the likelihood after their studies have gone to
# one is maximised, so that its supremum, and with it a likelihood-ratio test, exists.


_SCAN_GAIN = 0.01
_SAME_NODES = 0.05
#: What half the nodes may differ in the log-likelihood; the error of all of them is about the square.
_HALF_HEIGHT = 2e-5


@dataclass(frozen=True)
class ExactFit:
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

    def take(self, rows: Indices) -> ExactFit:
        """The chosen rows."""
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        taken: dict[str, Any] = {n: v.take(rows) if isinstance(v, Basis) else v[rows] for n, v in values.items()}
        return ExactFit(**taken)

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
    unbounded = (studies.edge | ~kept).all(-1) & kept.any(-1)
    u, active = basis.u, basis.active
    gamma0, loglik0, information0 = common_fit(studies, u, active)
    gamma, tau, loglik = gamma0.copy(), np.zeros(b), loglik0.copy()
    nodes, settled = np.full(b, RULES[0].nodes), np.ones(b, dtype=bool)
    at = _on_boundary(studies, u, gamma0, loglik0, information0)
    wanted = np.flatnonzero(~unbounded & kept.any(-1))
    start_gamma, start_tau, rows = _starts(studies, u, active, gamma0, information0, wanted)
    for rule in RULES:
        if not rows.size:
            break
        new_gamma, new_tau, new_at, done = _ascend(
            studies.take(rows), u[rows], active[rows], start_gamma, start_tau, rule
        )
        order = np.lexsort((-new_at.loglik, rows))
        rows, first = np.unique(rows[order], return_index=True)
        chosen = order[first]
        new_gamma, new_tau, new_at, done = new_gamma[chosen], new_tau[chosen], new_at.take(chosen), done[chosen]
        gamma[rows], tau[rows], loglik[rows], nodes[rows] = new_gamma, new_tau, new_at.loglik, rule.nodes
        at.put(rows, new_at)
        close = done & (_half_distance(new_at, active[rows]) < HALF_TOLERANCE**2 + 4 * _noise(studies.size[rows]))
        # Likelihood ratios are compared between designs, so the height itself has to be right as well.
        doubt = np.abs(new_at.half_loglik - new_at.loglik)
        close &= doubt < _HALF_HEIGHT + 1e3 * rounding(studies.size[rows])
        settled[rows] = close
        again = np.flatnonzero(~close & (new_tau < TAU_LIMIT))
        rows, start_gamma, start_tau = rows[again], new_gamma[again], new_tau[again]
    on_boundary = ~unbounded & ~(loglik > loglik0 + rounding(studies.size))
    unbounded |= ~on_boundary & (tau >= TAU_LIMIT)
    back = np.flatnonzero(on_boundary)
    gamma[back], tau[back], loglik[back], nodes[back], settled[back] = gamma0[back], 0.0, loglik0[back], 0, True
    if back.size:
        at.put(back, _on_boundary(studies.take(back), u[back], gamma0[back], loglik0[back], information0[back]))
    spread = _covariance(at.information, basis, on_boundary)
    solution = (basis.back @ gamma[:, :, None])[:, :, 0]
    eta = np.where(gone, np.nan, predictor(x, solution))
    known = estimable(basis, np.broadcast_to(np.eye(p), (b, p, p)))
    common = np.where(known, (basis.back @ gamma0[:, :, None])[:, :, 0], np.nan)
    beta, covariance = np.where(known, solution, np.nan), spread.copy()
    lost = np.concatenate([~known, np.zeros((b, 1), dtype=bool)], axis=1)
    covariance[lost[:, :, None] | lost[:, None, :]] = np.nan
    for values in (beta, covariance, tau, loglik, eta, at.study_score, at.study_information):
        values[unbounded] = np.nan
    settled &= ~unbounded
    return ExactFit(
        beta, covariance, tau, loglik, common, loglik0, solution, spread, basis, gamma, eta, at.study_score,
        at.study_information, nodes, rank, separated, unbounded, settled,
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


def _on_boundary(studies: Likelihood, u: Array, gamma: Array, loglik: Array, information: Array) -> Evaluation:
    """The evaluation at tau = 0, where no quadrature is needed; only gamma has a derivative there."""
    b, _, p = u.shape
    _, slope, bend = studies.terms(predictor(u, gamma))
    zero, matrix = np.zeros((b, p + 1)), np.zeros((b, p + 1, p + 1))
    matrix[:, :p, :p], matrix[:, p, p] = information, 1.0
    return Evaluation(loglik.copy(), zero, matrix, slope, bend, loglik.copy(), zero.copy())


def _noise(size: Array) -> Array:
    """Squared standard errors that rounding leaves undecided."""
    return np.asarray((2e-16 * size) ** 2)


def _half_distance(at: Evaluation, active: Mask) -> Array:
    """Squared standard errors between the maximum of all nodes and that of every second one, ``[b]``."""
    difference = at.half_score - at.score
    step, _ = solve(at.information, difference, active)
    distance = np.abs((step * difference).sum(-1))
    return np.where(np.isfinite(distance), distance, np.inf)


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


def _ascend(
    studies: Likelihood, u: Array, active: Mask, gamma: Array, tau: Array, rule: Rule, iterations: int = 100
) -> tuple[Array, Array, Evaluation, Mask]:
    """Newton's method on (gamma, tau) with halving; the point, the evaluation there and a flag of convergence, ``[b]``."""
    gamma, tau = gamma.copy(), tau.copy()
    p = u.shape[2]
    done = np.zeros(tau.shape, dtype=bool)
    rows, part = np.arange(tau.size), studies
    interval = nodes_interval(studies, predictor(u, gamma), tau, rule.drop)
    whole = evaluate(studies, u, gamma, tau, rule, interval)
    at = whole.take(rows)
    for _ in range(iterations):
        step, decrement = solve(at.information, at.score, active[rows])
        step *= shortened(u[rows], step, 3.0)[:, None]
        settled = decrement < STEP_TOLERANCE**2 + _noise(part.size)
        arrived = rows[settled]
        done[arrived] = True
        # The last step is taken without another look: it leaves an error of its square.
        gamma[arrived] += step[settled, :p]
        tau[arrived] = np.abs(tau[arrived] + step[settled, p])
        keep = np.flatnonzero(~settled & (tau[rows] < 2 * TAU_LIMIT))
        if not keep.size:
            break
        rows, part, step, decrement = rows[keep], part.take(keep), step[keep], decrement[keep]
        interval = interval.take(keep)
        floor = whole.loglik[rows] - rounding(part.size)
        far = np.flatnonzero(decrement > _SAME_NODES**2)
        trial, trial_tau = gamma[rows] + step[:, :p], np.abs(tau[rows] + step[:, p])
        if far.size:
            interval = _renewed(part, predictor(u[rows], trial), trial_tau, rule, interval, far)
        at = evaluate(part, u[rows], trial, trial_tau, rule, interval)
        worse = ~(at.loglik >= floor)
        scale = 1.0
        # Each row halves by itself: a batch gives the numbers of single fits.
        for _ in range(13):
            short = np.flatnonzero(worse)
            if not short.size:
                break
            scale *= 0.5
            owner, fewer = rows[short], part.take(short)
            trial[short] = gamma[owner] + scale * step[short, :p]
            trial_tau[short] = np.abs(tau[owner] + scale * step[short, p])
            eta = predictor(u[owner], trial[short])
            renewed = nodes_interval(fewer, eta, trial_tau[short], rule.drop, start=interval.mode[short])
            for values, new in zip(interval, renewed, strict=True):
                values[short] = new
            at.put(short, evaluate(fewer, u[owner], trial[short], trial_tau[short], rule, renewed))
            worse[short] = ~(at.loglik[short] >= floor[short])
        # Where too few nodes make score and likelihood disagree no step helps; the next rule has more.
        fine = np.flatnonzero(~worse)
        if not fine.size:
            break
        if fine.size < rows.size:
            rows, part, at, interval = rows[fine], part.take(fine), at.take(fine), interval.take(fine)
            trial, trial_tau = trial[fine], trial_tau[fine]
        gamma[rows], tau[rows] = trial, trial_tau
        whole.put(rows, at)
    return gamma, tau, whole, done


def _renewed(studies: Likelihood, eta: Array, tau: Array, rule: Rule, interval: Interval, rows: Indices) -> Interval:
    """The intervals, those of the chosen fits found anew from the modes they have."""
    found = nodes_interval(studies.take(rows), eta[rows], tau[rows], rule.drop, start=interval.mode[rows])
    for whole, part in zip(interval, found, strict=True):
        whole[rows] = part
    return interval


def _starts(
    studies: Likelihood, u: Array, active: Mask, gamma0: Array, information0: Array, wanted: Indices
) -> tuple[Array, Array, Indices]:
    """Where to climb from: gamma and tau of every start, and the fit it belongs to."""
    if not wanted.size:
        return gamma0[:0], np.empty(0), wanted
    studies, u, active, gamma0 = studies.take(wanted), u[wanted], active[wanted], gamma0[wanted]
    b, p = gamma0.shape
    taus = scan_points(studies.bend(predictor(u, gamma0))[1])
    width = taus.shape[1]
    long_rows = np.repeat(np.arange(b), width)
    long, long_u, long_active, flat = studies.take(long_rows), u[long_rows], active[long_rows], taus.ravel()
    gamma, anchor = joint_modes(long, long_u, long_active, gamma0[long_rows], flat)
    interval = nodes_interval(long, predictor(long_u, gamma), flat, SCAN_RULE.drop, anchor=anchor)
    at = evaluate(long, long_u, gamma, flat, SCAN_RULE, interval)
    step, gain, height, rise = profile_step(at, long_u, long_active, flat)
    gamma = gamma + step
    # Where studies are sparse the joint mode lies far from the ridge, and the slope is read only after more steps.
    rows = np.flatnonzero(gain > _SCAN_GAIN)
    for _ in range(8):
        if not rows.size:
            break
        at = evaluate(long.take(rows), long_u[rows], gamma[rows], flat[rows], SCAN_RULE)
        step, gain, height[rows], rise[rows] = profile_step(at, long_u[rows], long_active[rows], flat[rows])
        gamma[rows] += step
        rows = rows[gain > _SCAN_GAIN]
    gamma = gamma.reshape(b, width, p)
    # Zero stands first: there the slope in tau vanishes, and the one in tau2 tells whether the profile rises.
    loglik = np.concatenate([np.full((b, 1), -np.inf), height.reshape(b, width)], axis=1)
    curvature = np.einsum("bii->b", information0[wanted])
    at_zero = boundary_score(studies, u, gamma0) + 1e-12 * curvature
    slope = np.concatenate([at_zero[:, None], rise.reshape(b, width)], axis=1)
    taus = np.concatenate([np.zeros((b, 1)), taus], axis=1)
    gamma = np.concatenate([gamma0[:, None], gamma], axis=1)
    owner, left = highest_rises(loglik, slope)
    right = np.minimum(left + 1, width)
    a, c = slope[owner, left], slope[owner, right]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.clip(a / (a - c), 0.1, 0.9)
    share = np.where(left == right, 1.0, np.where(left == 0, 0.6, share))
    tau = taus[owner, left] + share * (taus[owner, right] - taus[owner, left])
    mean = gamma[owner, left] + share[:, None] * (gamma[owner, right] - gamma[owner, left])
    return mean, tau, wanted[owner]


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
    u, active, gamma = fit.basis.u, fit.basis.active, fit.gamma.copy()

    def height(tau: Array, rows: Indices) -> Array:
        out, below = np.empty(tau.size), -1.0
        for limit, rule in _RULES:
            chosen = np.flatnonzero((tau > below) & (tau <= limit))
            if chosen.size:
                owner = rows[chosen]
                found, out[chosen], _ = maximise_gamma(
                    studies.take(owner), u[owner], active[owner], gamma[owner], tau[chosen], rule
                )
                # The ridge at one tau is where to look for that at the next.
                gamma[owner] = found
            below = limit
        return out - (fit.loglik[rows] - drop)

    lower, upper = np.where(usable, 0.0, np.nan), np.full(b, np.nan)
    at_zero = fit.loglik_common - (fit.loglik - drop)
    rows = np.flatnonzero(usable & (fit.tau > 0) & (at_zero < -rounding(studies.size)))
    if rows.size:
        lower[rows] = find_roots(
            lambda tau, i: height(tau, rows[i]),
            np.zeros(rows.size),
            fit.tau[rows],
            f_lower=at_zero[rows],
            f_upper=np.full(rows.size, drop),
            relative=1e-11,
        )
    gamma[:] = fit.gamma
    rows = np.flatnonzero(usable)
    if rows.size:
        with np.errstate(invalid="ignore"):
            se = np.sqrt(np.nan_to_num(fit.covariance[:, -1, -1], posinf=1.0))
        first = fit.tau + np.clip(2.0 * se, 0.3, 3.0)
        ends = outer_end(
            height, np.nan_to_num(fit.tau), drop, np.nan_to_num(first), rows, limit=TAU_LIMIT, relative=1e-11
        )
        upper[rows] = ends[rows]
    return lower, upper
