"""The three-level model of effects: its likelihood in two variances, the maximum, and the profiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from metanet.base.arrays import Array, Indices, Mask
from metanet.kernels.inverse_variance.clusters import Clusters
from metanet.kernels.numerics import distributions
from metanet.kernels.numerics.batches import Batch, joined
from metanet.kernels.numerics.roots import inner_end, outer_end

# The three-level model of effects: its likelihood in two variances, with derivatives, linear in the number of arms.
#
#     y_ij = mu + u_i + w_ij + e_ij,   u_i ~ N(0, B),   w_ij ~ N(0, W),   e_ij ~ N(0, v_ij)
#
# for arm j of cluster i (Konstantopoulos 2011, doi:10.1002/jrsm.35; Cheung 2014, doi:10.1037/a0032968). A cluster's covariance is
# ``diag(v + W) + B 11'``; with ``a = 1 / (v + W)``, ``s = sum a`` and ``q = 1 / (1 + B s)`` its inverse is ``diag(a) - B q a a'``
# and the logarithm of its determinant ``-sum log a - log q`` (Sherman and Morrison 1950, doi:10.1214/aoms/1177729893), so that no
# matrix is ever formed. Scores and observed information are those of Harville (1977, doi:10.1080/01621459.1977.10480998),
#
#     score_t        = (u' V_t u - tr(H V_t)) / 2               u = V^-1 (y - mu)
#     information_ts = u' V_t P V_s u - tr(H V_t H V_s) / 2     P = V^-1 - V^-1 1 1' V^-1 / T
#
# with H = P for the restricted and V^-1 for the full likelihood, mu at its maximum given the variances.
#
# Notes
# -----
# Every point (B, W) is a row of a batch: the scan of the plane, the climbs from its hills and the profiles are batches of rows
# of one data set.

Kind = Literal["restricted", "full"]

#: Elements of an array over points and arms: larger ones leave the cache.
_BLOCK = 40_000


@dataclass(frozen=True, eq=False)
class Effects:
    """Effects and sampling variances of one data set ``[k]``, sorted by cluster, and where the clusters begin."""

    y: Array
    v: Array
    starts: NDArray[np.intp]
    kind: Kind

    @staticmethod
    def of(y: Array, v: Array, clusters: Clusters, kind: Kind) -> Effects:
        """The effects in the order of their clusters."""
        return Effects(y[clusters.order], v[clusters.order], clusters.starts, kind)

    def sum(self, values: Array) -> Array:
        """Sums over clusters, ``[n, g]``."""
        return np.asarray(np.add.reduceat(values, self.starts, axis=-1))

    def spread(self, values: Array) -> Array:
        """Values by cluster as values by arm, ``[n, k]``."""
        sizes = np.diff(np.append(self.starts, self.y.size))
        return np.repeat(values, sizes, axis=-1)


@dataclass(frozen=True)
class Point(Batch):
    """Log-likelihood (without constants of the data), mean and its variance ``[n]``, score ``[n, 2]``, information ``[n, 2, 2]``.

    The order is (B, W): between clusters, within them.
    """

    loglik: Array
    mean: Array
    variance: Array
    score: Array
    information: Array


def heights(effects: Effects, theta: Array) -> Array:
    """Log-likelihood alone at points ``[n, 2]``, ``[n]``."""
    size = max(1, _BLOCK // effects.y.size)
    pieces = [_heights(effects, theta[start : start + size]) for start in range(0, theta.shape[0], size)]
    return np.concatenate(pieces) if pieces else np.empty(0)


def _heights(effects: Effects, theta: Array) -> Array:
    total = effects.v + theta[:, 1:]
    a = 1.0 / total
    s = effects.sum(a)
    q = 1.0 / (1.0 + theta[:, :1] * s)
    weight = q * s
    whole = weight.sum(-1)
    # About the mean of the cluster first: a difference of large sums would lose the digits of small residuals.
    own = effects.sum(a * effects.y) / s
    mean = (weight * own).sum(-1) / whole
    inside = effects.y - effects.spread(own)
    gap = own - mean[:, None]
    twice = np.log(total).sum(-1) - np.log(q).sum(-1) + (a * inside * inside).sum(-1) + (weight * gap * gap).sum(-1)
    if effects.kind == "restricted":
        twice += np.log(whole)
    return np.asarray(-0.5 * twice)


def evaluate(effects: Effects, theta: Array) -> Point:
    """Likelihood and derivatives at points ``[n, 2]``."""
    size = max(1, _BLOCK // effects.y.size)
    pieces = [_evaluate(effects, theta[start : start + size]) for start in range(0, theta.shape[0], size)]
    return joined(pieces)


def _evaluate(effects: Effects, theta: Array) -> Point:
    between = theta[:, :1]
    total = effects.v + theta[:, 1:]
    a = 1.0 / total
    s, s2, s3 = effects.sum(a), effects.sum(a * a), effects.sum(a * a * a)
    q = 1.0 / (1.0 + between * s)
    c = between * q
    weight = q * s
    whole = weight.sum(-1)
    own = effects.sum(a * effects.y) / s
    mean = (weight * own).sum(-1) / whole
    inside = effects.y - effects.spread(own)
    gap = own - mean[:, None]
    twice = np.log(total).sum(-1) - np.log(q).sum(-1) + (a * inside * inside).sum(-1) + (weight * gap * gap).sum(-1)
    # u = V^-1 (y - mean); its sum over a cluster is the weight times the gap.
    pull = weight * gap
    u = a * (inside + effects.spread(gap * q))
    au = a * u
    # e = V^-1 1 = q a, summed with itself, with u, and through V^-1 again.
    ee, eu = q * q * s2, q * effects.sum(au)
    eve = q * q * (s3 - c * s2 * s2)
    uvu = effects.sum(au * u) - c * effects.sum(au) ** 2
    score = 0.5 * np.stack([(pull * pull - weight).sum(-1), (effects.sum(u * u) - (s - c * s2)).sum(-1)], axis=-1)
    n = theta.shape[0]
    quadratic, trace = np.empty((n, 2, 2)), np.empty((n, 2, 2))
    along = np.stack([(pull * weight).sum(-1), eu.sum(-1)], axis=-1)
    quadratic[:, 0, 0] = (pull * pull * weight).sum(-1)
    quadratic[:, 0, 1] = quadratic[:, 1, 0] = (pull * eu).sum(-1)
    quadratic[:, 1, 1] = uvu.sum(-1)
    quadratic -= along[:, :, None] * along[:, None, :] / whole[:, None, None]
    trace[:, 0, 0] = (weight * weight).sum(-1)
    trace[:, 0, 1] = trace[:, 1, 0] = ee.sum(-1)
    trace[:, 1, 1] = (s2 - 2.0 * c * s3 + c * c * s2 * s2).sum(-1)
    if effects.kind == "restricted":
        twice += np.log(whole)
        first = np.stack([(weight * weight).sum(-1), ee.sum(-1)], axis=-1) / whole[:, None]
        score += 0.5 * first
        second = np.empty((n, 2, 2))
        second[:, 0, 0] = (weight**3).sum(-1)
        second[:, 0, 1] = second[:, 1, 0] = (weight * ee).sum(-1)
        second[:, 1, 1] = eve.sum(-1)
        trace += first[:, :, None] * first[:, None, :] - 2.0 * second / whole[:, None, None]
    return Point(-0.5 * twice, mean, 1.0 / whole, score, quadratic - 0.5 * trace)


# The highest maximum of the three-level likelihood over both variances, and its profiles.
#
# The plane of (B, W) is scanned on geometric grids over the problem's own scale, zero included, one of them by sum and share;
# Newton's method with an active set climbs from every hill of the grid, and the highest end is the answer. Steps and tolerances
# are relative, and a variance is zero because the likelihood says so.


#: Points of the grid in each variance beside zero.
_GRID = 18
#: Shares of the first variance in the sum of both.
_SHARES = np.array([0.0, 0.02, 0.08, 0.2, 0.35, 0.5, 0.65, 0.8, 0.92, 0.98, 1.0])
#: The gain that a Newton step promises, in log-likelihood, below which the next one is beyond rounding.
_GAIN = 1e-13
_ITERATIONS = 200


@dataclass(frozen=True)
class ThreeLevelFit:
    """Maximum and intervals; pairs are in the order (between, within).

    `loglik_without` is the maximum with the variance held at zero. NaN where a variance is not estimated.
    """

    tau2: Array
    loglik: float
    mean: float
    variance: float
    loglik_without: Array
    lower: Array
    upper: Array


def fit(effects: Effects, free: tuple[bool, bool], level: float) -> ThreeLevelFit:
    """Fit the variances that are `free` (between, within); the others are held at zero."""
    unit = _unit(effects)
    points = _grid(effects, unit)
    best = np.zeros(2)
    if unit > 0 and any(free):
        best = _maximise(effects, points, free)
    at = evaluate(effects, best[None])
    without, lower, upper = np.full(2, np.nan), np.full(2, np.nan), np.full(2, np.nan)
    rows = np.flatnonzero(free)
    if rows.size:
        without[rows] = _profile(effects, points, rows, np.zeros(rows.size), free)
        # Rounding may place the maximum a hair below a point of its own profile.
        without[rows] = np.minimum(without[rows], at.loglik[0])
        lower[rows], upper[rows] = _ends(effects, points, rows, best[rows], float(at.loglik[0]), free, unit, level)
    return ThreeLevelFit(best, float(at.loglik[0]), float(at.mean[0]), float(at.variance[0]), without, lower, upper)


def _unit(effects: Effects) -> float:
    """A variance beyond which both scores fall: twice the squared range of the effects."""
    return 2.0 * float(np.ptp(effects.y)) ** 2


def _grid(effects: Effects, unit: float) -> Array:
    """Zero and geometric points up to the unit."""
    top = unit if unit > 0 else float(effects.v.max())
    bottom = min(0.1 * float(effects.v.min()), 1e-3 * top)
    return np.concatenate([[0.0], np.geomspace(bottom, top, _GRID)])


def _maximise(effects: Effects, points: Array, free: tuple[bool, bool]) -> Array:
    """The best end of the climbs from every hill of the grids, ``[2]``."""
    if all(free):
        total, share = np.meshgrid(points[1:], _SHARES, indexing="ij")
        # Where few clusters have several arms only the sum is well known: the hills lie along it, and by shares they are
        # seen apart.
        grids = [np.stack(np.meshgrid(points, points, indexing="ij"), axis=-1)]
        grids.append(np.stack([total * share, total * (1.0 - share)], axis=-1))
    else:
        line = np.zeros((points.size, 1, 2))
        line[:, 0, 0 if free[0] else 1] = points
        grids = [line]
    starts = np.concatenate([_hills(effects, theta) for theta in grids])
    ends, found = climb(effects, starts, np.broadcast_to(np.array(free), starts.shape))
    # Of ends that rounding cannot tell apart the one nearest to zero is the answer.
    near = found >= found.max() - 1e-13 * (1.0 + abs(found.max()))
    return np.asarray(ends[near][np.argmin(ends[near].sum(-1))])


def _hills(effects: Effects, theta: Array) -> Array:
    """Points of a grid ``[n, m, 2]`` that none of their neighbours exceeds, ``[h, 2]``."""
    n, m = theta.shape[:2]
    height = heights(effects, theta.reshape(-1, 2)).reshape(n, m)
    padded = np.pad(height, 1, constant_values=-np.inf)
    around = np.max([padded[1 + i : 1 + i + n, 1 + j : 1 + j + m] for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j], axis=0)
    return np.asarray(theta[height >= around])


def climb(effects: Effects, theta: Array, free: Mask) -> tuple[Array, Array]:
    """Newton's method on variances that are not negative, from points ``[n, 2]``; those not `free` ``[n, 2]`` stay.

    Returns the ends and their log-likelihoods.
    """
    theta = theta.copy()
    rows = np.arange(theta.shape[0])
    height = np.empty(rows.size)
    at = evaluate(effects, theta)
    height[:] = at.loglik
    for _ in range(_ITERATIONS):
        step, gain = _newton(at, theta[rows], free[rows])
        arrived = gain < _GAIN
        last = np.maximum(theta[rows[arrived]] + step[arrived], 0.0)
        theta[rows[arrived]] = last
        keep = np.flatnonzero(~arrived)
        if not keep.size:
            break
        rows, step = rows[keep], step[keep]
        trial, new, short = _shortened(effects, theta[rows], step, height[rows])
        theta[rows], height[rows] = trial, new
        # Where no shorter step climbs, rounding has the last word.
        rows = rows[~short]
        if not rows.size:
            break
        at = evaluate(effects, theta[rows])
    return theta, heights(effects, theta)


def _newton(at: Point, theta: Array, free: Mask) -> tuple[Array, Array]:
    """The step ``[n, 2]`` on variances that are free to move, and the gain in log-likelihood that it promises ``[n]``."""
    moves = free & ((theta > 0) | (at.score > 0))
    score = np.where(moves, at.score, 0.0)
    h = at.information
    # Units in which both variances bend alike.
    unit = np.sqrt(np.maximum(np.abs(np.einsum("nii->ni", h)), 1e-300))
    h = h / (unit[:, :, None] * unit[:, None, :])
    h = np.where(moves[:, :, None] & moves[:, None, :], h, 0.0) + np.eye(2) * ~moves[:, None, :]
    value, vector = np.linalg.eigh(h)
    # Away from the maximum the likelihood may bend the other way: the step then follows the score.
    value = np.where(value > 1e-10, value, np.maximum(np.abs(value), 1e-2))
    inner = (vector * (score / unit)[:, :, None]).sum(1) / value
    step = (vector * inner[:, None, :]).sum(-1) / unit
    step = np.where(moves, step, 0.0)
    # A variance that would become negative stops at zero, and the other follows its own curve from there.
    stopped = step < -theta
    other = np.flip(stopped, -1) & ~stopped & moves
    bend = np.maximum(np.abs(np.einsum("nii->ni", at.information)), 1e-300)
    step = np.where(stopped, -theta, step)
    follow = (score - at.information[:, [0], [1]] * np.flip(step, -1)) / bend
    step = np.where(other, follow, step)
    # At most to zero, or to a multiple of where it stands.
    reach = 4.0 * theta.sum(-1, keepdims=True) + 1.0 / unit
    step = np.clip(step, -theta, reach)
    gain = (step * score).sum(-1)
    # Where the cut step does not climb the score alone does: each of its parts gains, however it is cut.
    plain = np.clip(score / bend, -theta, reach)
    step = np.where((gain > 0)[:, None], step, plain)
    return step, np.asarray((step * score).sum(-1))


def _shortened(effects: Effects, theta: Array, step: Array, height: Array) -> tuple[Array, Array, Mask]:
    """Points along the steps that do not lie lower: the point, its height, and a flag where there is none."""
    point, reached = theta.copy(), height.copy()
    open_ = np.arange(theta.shape[0])
    scale = 1.0
    floor = height - 1e-15 * (1.0 + np.abs(height))
    for _ in range(40):
        trial = np.maximum(theta[open_] + scale * step[open_], 0.0)
        new = heights(effects, trial)
        fine = new >= floor[open_]
        point[open_[fine]], reached[open_[fine]] = trial[fine], new[fine]
        open_ = open_[~fine]
        if not open_.size:
            break
        scale *= 0.5
    short = np.zeros(theta.shape[0], dtype=bool)
    short[open_] = True
    return point, reached, short


def _profile(effects: Effects, points: Array, which: Indices, value: Array, free: tuple[bool, bool]) -> Array:
    """Log-likelihood with variance `which` ``[n]`` held at `value` ``[n]``, highest over the other, ``[n]``."""
    n = value.size
    other = 1 - which
    line = np.zeros((n, points.size, 2))
    row = np.arange(n)
    line[row, :, which] = value[:, None]
    loose = np.array(free)[other]
    line[row, :, other] = np.where(loose[:, None], points, 0.0)
    height = heights(effects, line.reshape(-1, 2)).reshape(n, -1)
    padded = np.pad(height, ((0, 0), (1, 1)), constant_values=-np.inf)
    hill = (height >= padded[:, :-2]) & (height >= padded[:, 2:])
    # Where the other variance is held, every point of the line is the same one.
    hill[~loose, 1:] = False
    owner, place = np.nonzero(hill)
    moving = np.zeros((owner.size, 2), dtype=bool)
    moving[np.arange(owner.size), other[owner]] = loose[owner]
    _, found = climb(effects, line[owner, place], moving)
    out = np.full(n, -np.inf)
    np.maximum.at(out, owner, found)
    return out


def _ends(
    effects: Effects, points: Array, which: Indices, best: Array, loglik: float, free: tuple[bool, bool], unit: float, level: float
) -> tuple[Array, Array]:
    """Both ends of the profile-likelihood intervals of the variances `which` ``[m]``."""
    drop = 0.5 * float(distributions.chi2_quantile(level, 1))

    def height(position: Array, index: Indices) -> Array:
        return _profile(effects, points, which[index], position, free) - (loglik - drop)

    m = which.size
    at_zero = height(np.zeros(m), np.arange(m))
    lower = inner_end(height, best, drop, at_zero)
    first = best + np.maximum(0.5 * best, 0.02 * (unit if unit > 0 else float(effects.v.max())))
    upper = outer_end(height, best, drop, first, np.arange(m), tries=60)
    return lower, upper
