"""Two beta-binomial stages in sequence, with arms that report only one of the counts, or only their sum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from metanet.base.arrays import Array, Indices, Mask
from metanet.kernels.beta_binomial import fit as single
from metanet.kernels.beta_binomial.likelihood import Counts, Evaluation, count, evaluate, rounding
from metanet.kernels.numerics import distributions
from metanet.kernels.numerics.batches import highest
from metanet.kernels.numerics.roots import inner_end, outer_end

# The generalised Dirichlet-multinomial of three ordered categories (Connor and Mosimann 1969, doi:10.1080/01621459.1969.10500963):
#
#     a | n ~ BB(m1, rho1),    b | n - a ~ BB(m2, rho2),
#
# BB being the beta-binomial distribution (`metanet.kernels.beta_binomial.likelihood`). An arm may report a and b, a alone, or the sum
# s = a + b alone, whose probability is that of all pairs with this sum,
#
#     P(s) = sum over a <= s of BB(a; n, m1, rho1) BB(s - a; n - a, m2, rho2).
#
# Every pair is a *path*; an arm that reports both counts, or a alone, has one. Parameters are ``[mu1, psi1, mu2, psi2]``, mu the
# logit of m and psi = rho / (1 - rho): the likelihood is smooth through psi = 0, where a stage is binomial.

#: Paths of one fit; arms of hundreds of thousands of patients that report a sum alone have too many.
MOST_PATHS = 20_000
#: Logits beyond which a share is 0 or 1, and psi beyond which the arms of a stage are at 0 % and 100 %.
_EDGE, _UNBOUNDED = 30.0, 1e5
#: A logit from which on a stage may be on an edge.
_FAR = 12.0
#: Values of psi of the starts, beside those of the arms that report the stage.
_STARTS = (0.0, 0.02, 0.3)
_STEP_TOLERANCE = 1e-8
#: Halvings of a step, and the decrement below which a climb that stalls has arrived to the rounding of the likelihood.
_HALVINGS, _STALLED = 20, 1e-9
#: Slopes below this are those of a flat likelihood: a stage on an edge says nothing of its psi.
_FLAT = 1e-9
_MU, _PSI = np.array([0, 2]), np.array([1, 3])


@dataclass(frozen=True)
class Paths:
    """The counts of all paths, ``[p, 1]``, and where each arm begins among them, ``[k]``.

    `told_first` and `told_second` ``[k]`` mark the arms that report the stage and have patients in it.
    """

    first: Counts
    second: Counts
    begin: Indices
    told_first: Mask
    told_second: Mask

    @property
    def hidden(self) -> bool:
        """Whether an arm has several paths."""
        return bool(self.begin.size < self.first.total.shape[0])


@dataclass(frozen=True)
class Fit:
    """Maximum of the likelihood of both stages; arrays ``[2]`` are by stage.

    Attributes
    ----------
    mu, psi, rho
        Logit of the mean share of the stage; overdispersion, and the intraclass correlation. `mu` is infinite on an edge.
    loglik
        Log-likelihood, binomial coefficients included.
    covariance
        Of the two mu, ``[2, 2]``, from the observed information; a stage on an edge has none (zero).
    edge
        -1: no arm has an event in the stage, 1: all have; else 0.
    unbounded
        All arms of the stage are at 0 % or 100 %: the likelihood rises until rho = 1. The other values are then NaN.
    settled
        The Newton decrement passed its check.
    """

    mu: Array
    psi: Array
    loglik: float
    covariance: Array
    edge: NDArray[np.int_]
    unbounded: Mask
    settled: bool

    @property
    def rho(self) -> Array:
        """Intraclass correlations."""
        return np.asarray(self.psi / (1.0 + self.psi))


def paths(total: Array, first: Array, both: Array) -> Paths:
    """The paths of every arm.

    Parameters
    ----------
    total
        Patients ``[k]``.
    first, both
        The first count a, and the sum a + b, ``[k]``; NaN where an arm does not report it. One of the two is known.
    """
    parts: list[Array] = []
    begin, at = [], 0
    for n, a, s in zip(total, first, both, strict=True):
        begin.append(at)
        if np.isnan(a):
            way = np.arange(s + 1.0)
            part = np.stack([way, np.full(way.shape, n), s - way, n - way], -1)
        elif np.isnan(s):
            part = np.array([[a, n, 0.0, 0.0]])
        else:
            part = np.array([[a, n, s - a, n - a]])
        parts.append(part)
        at += len(part)
    whole = np.concatenate(parts)
    a, n, b, m = (whole[:, i : i + 1] for i in range(4))
    known = ~np.isnan(first)
    second = known & ~np.isnan(both) & (total - np.where(known, first, 0.0) > 0)
    return Paths(count(a, n), count(b, m), np.array(begin, dtype=np.intp), known, second)


def likelihood(paths: Paths, at: Array) -> tuple[Array, Array, Array]:
    """Log-likelihood ``[m]``, score ``[m, 4]`` and observed information ``[m, 4, 4]`` at the points ``[m, 4]``."""
    m, p = at.shape[0], paths.first.total.shape[0]
    every = np.tile(np.arange(p), m)
    one = _stage(paths.first, every, at[:, 0], at[:, 1], m)
    two = _stage(paths.second, every, at[:, 2], at[:, 3], m)
    value = (one.loglik + two.loglik).reshape(m, p)
    score = np.concatenate([one.score, two.score], -1).reshape(m, p, 4)
    information = np.zeros((m, p, 4, 4))
    information[:, :, :2, :2] = one.information.reshape(m, p, 2, 2)
    information[:, :, 2:, 2:] = two.information.reshape(m, p, 2, 2)
    if not paths.hidden:
        return value.sum(1), score.sum(1), information.sum(1)
    top = np.maximum.reduceat(value, paths.begin, axis=1)
    sizes = np.diff(np.append(paths.begin, p))
    share = np.exp(value - np.repeat(top, sizes, axis=1))
    mass = np.add.reduceat(share, paths.begin, axis=1)
    share /= np.repeat(mass, sizes, axis=1)
    own = np.add.reduceat(share[:, :, None] * score, paths.begin, axis=1)
    # What is not known of the path is lost: the information of an arm is less by the variance of the score over its paths.
    squares = information - score[:, :, :, None] * score[:, :, None, :]
    whole = (share[:, :, None, None] * squares).sum(1) + (own[:, :, :, None] * own[:, :, None, :]).sum(1)
    return (top + np.log(mass)).sum(1), own.sum(1), whole


def _stage(counts: Counts, every: Indices, mu: Array, psi: Array, m: int) -> Evaluation:
    p = every.size // m
    return evaluate(counts.take(every), np.repeat(mu, p), np.repeat(psi, p))


def fit(paths: Paths) -> Fit:
    """Maximise the likelihood of both stages.

    Notes
    -----
    Where every arm reports its path the stages factorise, and each is one fit of `metanet.kernels.beta_binomial.fit`. Otherwise
    Newton's method with halving climbs from every pair of a few values of psi, on the boundary and inside; the highest end is kept.
    """
    if not paths.hidden:
        return _factorised(paths)
    start = np.array([[m1, p1, m2, p2] for m1, p1 in _stage_starts(paths.first, paths, paths.told_first)
                      for m2, p2 in _stage_starts(paths.second, paths, paths.told_second)])  # fmt: skip
    at, loglik, settled = climb(paths, start, np.ones(start.shape, dtype=bool))
    best = int(np.argmax(loglik))
    return _fit_at(paths, at[best], float(loglik[best]), bool(settled[best]))


def _factorised(paths: Paths) -> Fit:
    mu, psi, loglik, variance = np.zeros(2), np.zeros(2), 0.0, np.zeros(2)
    edge, unbounded, settled = np.zeros(2, dtype=np.int_), np.zeros(2, dtype=bool), True
    for i, counts in enumerate((paths.first, paths.second)):
        x, n = counts.events.T, counts.total.T
        edge[i] = -1 if not x.any() else 1 if (x == n).all() else 0
        if edge[i]:
            mu[i] = edge[i] * np.inf
            continue
        found = single.fit(x, n)
        unbounded[i] = found.unbounded[0]
        mu[i], psi[i], variance[i] = found.mu[0], found.psi[0], found.covariance[0, 0, 0]
        loglik += float(found.loglik[0])
        settled &= bool(found.settled[0] | found.unbounded[0])
    return Fit(mu, psi, loglik, np.diag(variance), edge, unbounded, settled)


def _stage_starts(counts: Counts, paths: Paths, told: Mask) -> list[tuple[float, float]]:
    """Pairs of mu and psi: by the arms that report the stage, and other values of psi."""
    rows = paths.begin[told]
    x, n = counts.events[rows].T, counts.total[rows].T
    mu = float(np.log(x.sum() + 0.5) - np.log((n - x).sum() + 0.5))
    starts = [(mu, psi) for psi in _STARTS]
    if rows.size and 0 < x.sum() < n.sum():
        own = single.fit(x, n)
        if not own.unbounded[0]:
            starts.append((float(own.mu[0]), float(own.psi[0])))
    return starts


def _fit_at(paths: Paths, at: Array, loglik: float, settled: bool) -> Fit:
    mu, psi = at[_MU].copy(), at[_PSI].copy()
    _, _, information = likelihood(paths, at[None])
    # So far out, and without information on where: the likelihood rises to the end.
    nowhere = (np.abs(mu) > _FAR) & (np.diagonal(information[0])[_MU] < 1e-6)
    edge = np.where(nowhere, np.sign(mu), 0).astype(np.int_)
    unbounded = (psi >= _UNBOUNDED) & (edge == 0)
    free = np.ones(4, dtype=bool)
    free[_MU], free[_PSI] = edge == 0, (psi > 0) & (edge == 0)
    covariance = np.zeros((4, 4))
    if free.any():
        part = information[0][np.ix_(free, free)]
        definite = np.linalg.eigvalsh(part)[0] > 0
        settled &= bool(definite)
        covariance[np.ix_(free, free)] = np.linalg.inv(part) if definite else np.nan
    mu[edge != 0] = edge[edge != 0] * np.inf
    psi[edge != 0] = 0.0
    mu[unbounded], psi[unbounded] = np.nan, np.nan
    return Fit(mu, psi, loglik, covariance[np.ix_(_MU, _MU)], edge, unbounded, settled)


def climb(paths: Paths, start: Array, free: Mask, iterations: int = 200) -> tuple[Array, Array, Mask]:
    """Newton's method with halving from every point ``[m, 4]``; parameters that are not `free` are held.

    Returns the points, their log-likelihoods and a flag of convergence, ``[m]``. The steps are taken in mu and ``log(1 + size psi)``;
    psi stops at zero, and leaves it where the likelihood rises.
    """
    size = np.array([float(single.scale(_row(part))[0]) for part in (paths.first, paths.second)])
    at = start.copy()
    at[:, _MU] = np.clip(at[:, _MU], -_EDGE, _EDGE)
    done = np.zeros(at.shape[0], dtype=bool)
    rows = np.arange(at.shape[0])
    loglik, score, information = likelihood(paths, at)
    for _ in range(iterations):
        step, decrement = _step(at[rows], score[rows], information[rows], free[rows], size)
        arrived = decrement < _STEP_TOLERANCE**2
        done[rows[arrived]] = True
        rows, step, decrement = rows[~arrived], step[~arrived], decrement[~arrived]
        if not rows.size:
            break
        climbing, length, old = np.arange(rows.size), 1.0, loglik[rows] - rounding(loglik[rows])
        moved = np.zeros(rows.size, dtype=bool)
        for _ in range(_HALVINGS):
            trial = _moved(at[rows[climbing]], length * step[climbing], size)
            found = likelihood(paths, trial)
            fine = found[0] >= old[climbing]
            which = rows[climbing[fine]]
            moved[climbing[fine]] = (trial[fine] != at[which]).any(1)
            at[which] = trial[fine]
            loglik[which], score[which], information[which] = (part[fine] for part in found)
            climbing, length = climbing[~fine], 0.5 * length
            if not climbing.size:
                break
        # No step rises any more: the place is right to the rounding of the likelihood.
        done[rows[~moved & (decrement < _STALLED)]] = True
        rows = rows[moved]
        if not rows.size:
            break
    return at, loglik, done


def _row(counts: Counts) -> Counts:
    """The paths as the studies of one fit."""
    return Counts(counts.events.T, counts.others.T, counts.total.T, counts.constant.T)


def _step(at: Array, score: Array, information: Array, free: Mask, size: Array) -> tuple[Array, Array]:
    """The step ``[m, 4]`` in mu and log(1 + size psi), and the squared decrement (infinite where the Hessian is not definite)."""
    turn = np.ones(at.shape)
    turn[:, _PSI] = at[:, _PSI] + 1.0 / size
    gradient = score * turn
    hessian = information * turn[:, :, None] * turn[:, None, :]
    for i in _PSI:
        hessian[:, i, i] -= gradient[:, i]
    moves = free.copy()
    moves[:, _PSI] &= (at[:, _PSI] > 0) | (gradient[:, _PSI] > 0)
    moves[:, _PSI] &= (at[:, _PSI] < _UNBOUNDED) | (gradient[:, _PSI] < 0)
    inside = (np.abs(at[:, _MU]) < _EDGE) | (gradient[:, _MU] * at[:, _MU] < 0)
    moves[:, _MU] &= inside
    moves[:, _PSI] &= inside
    gradient = np.where(moves, gradient, 0.0)
    both = moves[:, :, None] & moves[:, None, :]
    hessian = np.where(both, hessian, 0.0)
    values, vectors = np.linalg.eigh(hessian + np.where(moves, 0.0, 1.0)[:, :, None] * np.eye(4))
    definite = (values > 0).all(1)
    values = np.maximum(np.abs(values), 1e-10)
    step = (vectors @ (np.swapaxes(vectors, 1, 2) @ gradient[:, :, None] / values[:, :, None]))[:, :, 0]
    decrement = (step * gradient).sum(1)
    longest = np.maximum(np.abs(step[:, _MU]).max(1) / 2.0, np.abs(step[:, _PSI]).max(1) / 1.5)
    decrement = np.where(definite, decrement, np.inf)
    decrement[np.abs(gradient).max(1) < _FLAT] = 0.0
    return step / np.maximum(longest, 1.0)[:, None], decrement


def _moved(at: Array, step: Array, size: Array) -> Array:
    out = at + step
    out[:, _MU] = np.clip(out[:, _MU], -_EDGE, _EDGE)
    here = np.log1p(size * at[:, _PSI])
    # Where only the mean moves psi keeps its last digit.
    moved = np.expm1(np.maximum(here + step[:, _PSI], 0.0)) / size
    # Closer to zero than this is within rounding of the binomial likelihood.
    moved[size * moved < 1e-12] = 0.0
    out[:, _PSI] = np.where(step[:, _PSI] == 0, at[:, _PSI], np.minimum(moved, _UNBOUNDED))
    return out


# Profile-likelihood intervals, as those of one stage: the end is where twice the fall of the likelihood, maximised over the other
# three parameters, equals the chi-squared quantile with one degree of freedom (Venzon and Moolgavkar 1988, doi:10.2307/2347496).

_TOLERANCE = 1e-8


def profile_intervals(paths: Paths, top: Fit, level: float) -> tuple[Array, Array]:
    """Intervals of the two mu and of the two rho, ``[2, 2]`` each: stage, lower and upper end.

    NaN for a stage on an edge or without a maximum, and for both where the other has none.
    """
    means, spreads = np.full((2, 2), np.nan), np.full((2, 2), np.nan)
    stages = np.flatnonzero((top.edge == 0) & np.isfinite(top.mu))
    if top.unbounded.any() or not stages.size:
        return means, spreads
    if not paths.hidden:
        return _factorised_intervals(paths, stages, level)
    drop = float(distributions.chi2_quantile(level, 1)) / 2
    size = np.array([float(single.scale(_row(part))[0]) for part in (paths.first, paths.second)])
    best = np.array([np.clip(top.mu[0], -_EDGE, _EDGE), top.psi[0], np.clip(top.mu[1], -_EDGE, _EDGE), top.psi[1]])
    target = top.loglik - drop

    def of_mean(position: Array, index: Indices) -> Array:
        return _profile(paths, best, _MU[stages[index]], position) - target

    def of_spread(position: Array, index: Indices) -> Array:
        return _profile(paths, best, _PSI[stages[index]], np.expm1(position) / size[stages[index]]) - target

    rows = np.arange(stages.size)
    centre = top.mu[stages]
    reach = np.sqrt(2 * drop * np.clip(np.diag(top.covariance)[stages], 1e-8, 16.0))
    for place, side in ((0, -1.0), (1, 1.0)):
        means[stages, place] = outer_end(
            of_mean, centre, drop, centre + side * reach, rows, side=side, limit=_EDGE, relative=_TOLERANCE
        )
    peak = np.log1p(size[stages] * top.psi[stages])
    lower = inner_end(of_spread, peak, drop, of_spread(np.zeros(stages.size), rows), relative=_TOLERANCE)
    upper = outer_end(of_spread, peak, drop, peak + 1.0, rows, limit=float(np.log1p(size.max() * 1e4)), relative=_TOLERANCE)
    for place, end in ((0, lower), (1, upper)):
        with np.errstate(over="ignore"):
            psi = np.expm1(end) / size[stages]
        spreads[stages, place] = np.where(np.isinf(psi), 1.0, psi / (1.0 + np.where(np.isinf(psi), 1.0, psi)))
    return means, spreads


def _factorised_intervals(paths: Paths, stages: Indices, level: float) -> tuple[Array, Array]:
    means, spreads = np.full((2, 2), np.nan), np.full((2, 2), np.nan)
    for i in stages:
        counts = (paths.first, paths.second)[i]
        x, n = counts.events.T, counts.total.T
        own = single.fit(x, n)
        means[i] = [float(end[0]) for end in single.mu_interval(x, n, own, level)]
        spreads[i] = [float(end[0]) for end in single.rho_interval(x, n, own, level)]
    return means, spreads


def _profile(paths: Paths, best: Array, which: Indices, position: Array) -> Array:
    """Log-likelihoods ``[r]`` with the parameter `which` held at `position`, maximised over the others."""
    starts = []
    for parameter, value in zip(which, position, strict=True):
        for first in dict.fromkeys((best[1], 0.0, 0.1)):
            for second in dict.fromkeys((best[3], 0.0, 0.1)):
                point = np.array([best[0], first, best[2], second])
                point[parameter] = value
                starts.append((parameter, point))
    start = np.array([point for _, point in starts])
    free = np.ones(start.shape, dtype=bool)
    free[np.arange(len(starts)), [parameter for parameter, _ in starts]] = False
    owner = np.repeat(np.arange(which.size), len(starts) // which.size)
    _, loglik, _ = climb(paths, start, free)
    rows, at = highest(owner, loglik)
    out = np.full(which.size, -np.inf)
    out[rows] = loglik[at]
    return out


def shares(mu: Array) -> tuple[Array, Array]:
    """Shares of the three categories (first, second, rest) ``[3]`` and their derivatives by the two mu, ``[3, 2]``."""
    m, q = special.expit(mu), special.expit(-mu)
    value = np.array([m[0], q[0] * m[1], q[0] * q[1]])
    slope = np.array([[m[0] * q[0], 0.0], [-m[0] * q[0] * m[1], q[0] * m[1] * q[1]], [-m[0] * q[0] * q[1], -q[0] * m[1] * q[1]]])
    return value, slope
