"""The maximum of a selection model: normal effects with heterogeneity, seen with a probability that depends on the p-value.

The density of an observed effect is ``w(p_i) phi((y_i - mu) / s_i) / (s_i A_i)`` with ``s_i^2 = v_i + tau2`` and ``A_i`` the mean of w
under that normal distribution (Hedges 1992, doi:10.1214/ss/1177011364; Citkowicz and Vevea 2017, doi:10.1037/met0000119).
Weights: `metanet.kernels.selection_weights`.

Notes
-----
Gradients are exact, second derivatives differences of them. Newton's method with halving and with tau2 held at zero while its slope
points below; it starts from weak, middling and strong selection, because such likelihoods can have several maxima.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metanet.kernels import tau2 as tau2_estimators
from metanet.kernels.ascent import covariance
from metanet.kernels.selection_weights import Indices, Weights
from metanet.kernels.two_step import weighted_mean
from metanet.kernels.weighted_line import Array, Mask

#: Logarithms of weights are not followed beyond this: the data then set no limit to them.
SHAPE_LIMIT = 12.0
#: Heterogeneity below this, in units of the data's own variance, is as good as none while its slope points down.
_WHISKER = 1e-6
_LOG_2PI = float(np.log(2.0 * np.pi))


@dataclass(frozen=True)
class Selection:
    """The fitted model by row.

    Attributes
    ----------
    mu, tau2, shape
        Mean and heterogeneity variance of all studies, seen or not, ``[b]``, and the logarithms of the weights' parameters ``[b, q]``.
    covariance
        Of (mu, tau2, shape) ``[b, 2 + q, 2 + q]``; zero for tau2 where it stands at zero, NaN where the maximum is no strict one.
    loglik, loglik_unselected
        Log-likelihood with selection and the maximum without it, ``[b]``.
    settled
        Whether a maximum was reached with every parameter inside its limits, ``[b]``.
    """

    mu: Array
    tau2: Array
    shape: Array
    covariance: Array
    loglik: Array
    loglik_unselected: Array
    settled: Mask


def _evaluate(y: Array, v: Array, weights: Weights, x: Array) -> tuple[Array, Array]:
    """Log-likelihood ``[b]`` and gradient ``[b, p]`` at (mu, tau2, shape)."""
    present = np.isfinite(v)
    s2 = np.where(present, v, 1.0) + np.where(present, x[:, 1:2], 0.0)
    rest = np.where(present, y - x[:, :1], 0.0)
    a, by_mu, by_s2, by_shape = weights.normaliser(x[:, 0], s2, x[:, 2:])
    seen, seen_slope = weights.observed(x[:, 2:])
    # Far out the chance of being seen underflows; such a point is no candidate, whatever its other terms.
    possible = np.asarray((np.isfinite(a) & (a > 0)).all(-1))
    a = np.where(possible[:, None], a, 1.0)
    terms = -0.5 * (np.log(s2) + _LOG_2PI + rest * rest / s2)
    loglik = np.where(possible, np.where(present, terms - np.log(a), 0.0).sum(-1) + seen, -np.inf)
    slope_mu = np.where(present, rest / s2 - by_mu / a, 0.0).sum(-1)
    slope_t = np.where(present, 0.5 * (rest * rest / s2 - 1.0) / s2 - by_s2 / a, 0.0).sum(-1)
    slope_shape = seen_slope - (by_shape / a[:, :, None]).sum(1)
    return loglik, np.concatenate([slope_mu[:, None], slope_t[:, None], slope_shape], axis=1)


def _information(y: Array, v: Array, weights: Weights, x: Array, size: Array) -> Array:
    """Minus the second derivatives ``[b, p, p]``, by central differences of the gradient."""
    p = x.shape[1]
    out = np.empty((x.shape[0], p, p))
    for j in range(p):
        step = np.zeros_like(x)
        step[:, j] = 2e-5 * size[:, j]
        _, up = _evaluate(y, v, weights, x + step)
        _, down = _evaluate(y, v, weights, x - step)
        out[:, :, j] = (down - up) / (2.0 * step[:, j : j + 1])
    return 0.5 * (out + out.transpose(0, 2, 1))


def _climb(y: Array, v: Array, weights: Weights, x: Array, size: Array) -> tuple[Array, Array, Mask]:
    """Parameters, log-likelihood and a flag of arrival of one start per row."""
    x = x.copy()
    arrived = np.zeros(len(x), dtype=bool)
    loglik, slope = _evaluate(y, v, weights, x)
    rows: Indices = np.arange(len(x))
    for _ in range(200):
        part, at, unit = weights.take(rows), x[rows], size[rows]
        g = slope[rows] * unit
        information = _information(y[rows], v[rows], part, at, unit) * unit[:, :, None] * unit[:, None, :]
        # A whisker above zero the direction bends at once where it is cut off, so that no part of it need lead uphill: such a tau2
        # goes to zero on its own, and the others move without it.
        held = (at[:, 1] <= _WHISKER * unit[:, 1]) & (g[:, 1] <= 0)
        information[held, 1, :] = 0.0
        information[held, :, 1] = 0.0
        information[held, 1, 1] = 1.0
        g[held, 1] = -(at[held, 1] / unit[held, 1])
        sound = np.asarray(np.isfinite(loglik[rows]) & np.isfinite(g).all(1) & np.isfinite(information).all((1, 2)))
        g[~sound], information[~sound] = 0.0, np.eye(g.shape[1])
        value, vector = np.linalg.eigh(information)
        along = np.einsum("mpi,mp->mi", vector, g)
        strength = np.maximum(np.abs(value), 1e-8 * np.maximum(np.abs(value).max(1, keepdims=True), 1e-8))
        move = np.einsum("mpi,mi->mp", vector, along / strength)
        gain = (along * along / strength).sum(1)
        # At a maximum with a flat direction the gain is small as well: that is an answer, its errors are not.
        close = sound & (gain < 1e-15 * (1.0 + np.abs(loglik[rows])))
        arrived[rows[close]] = True
        lost = np.abs(at[:, 2:]).max(1) >= SHAPE_LIMIT
        keep = ~close & ~lost & sound
        if not keep.any():
            break
        rows, at, unit, move = rows[keep], at[keep], unit[keep], move[keep]
        part = weights.take(rows)
        move = move / np.maximum(1.0, np.abs(move).max(1, keepdims=True) / 2.0) * unit
        length = np.ones(rows.size)
        best, new_loglik, new_slope = at.copy(), loglik[rows].copy(), slope[rows].copy()
        open_ = np.arange(rows.size)
        for _ in range(40):
            trial = at[open_] + length[open_, None] * move[open_]
            # Zero itself, not what rounding leaves of it: at zero tau2 has no error of its own.
            trial[trial[:, 1] <= _WHISKER**2 * unit[open_, 1], 1] = 0.0
            height, gradient = _evaluate(y[rows[open_]], v[rows[open_]], part.take(open_), trial)
            better = height >= loglik[rows[open_]] - 1e-13 * np.abs(loglik[rows[open_]])
            done = open_[better]
            best[done], new_loglik[done], new_slope[done] = trial[better], height[better], gradient[better]
            open_ = open_[~better]
            if not open_.size:
                break
            length[open_] *= 0.5
        x[rows], loglik[rows], slope[rows] = best, new_loglik, new_slope
        rows = np.delete(rows, open_)
        if not rows.size:
            break
    return x, loglik, arrived


def fit_selection(y: Array, v: Array, weights: Weights, starts: NDArray[np.float64]) -> Selection:
    """The highest maximum of a batch ``[b, k]``; `starts` are shapes ``[m, q]`` to climb from."""
    b, p = y.shape[0], 2 + weights.parameters
    free = tau2_estimators.ml(y, v)
    mean = weighted_mean(y, v, free).mean
    present = np.isfinite(v)
    typical = np.where(present, v, 0.0).sum(-1) / present.sum(-1)
    size = np.ones((b, p))
    # Standard deviations and variances of the data's own scale, so that nothing depends on units; differences stay above -min v.
    size[:, 0], size[:, 1] = np.sqrt(free + v.min(-1)), np.maximum(v.min(-1), 0.2 * free)
    m = len(starts)
    every = np.tile(np.arange(b), m)
    x = np.empty((m * b, p))
    x[:, 0], x[:, 1] = mean[every], np.maximum(free, 0.05 * typical)[every]
    x[:, 2:] = np.repeat(starts, b, axis=0)
    x, loglik, arrived = _climb(y[every], v[every], weights.take(every), x, size[every])
    inside = arrived & (np.abs(x[:, 2:]).max(1) < SHAPE_LIMIT)
    loglik = np.where(np.isfinite(loglik), loglik, -np.inf).reshape(m, b)
    pick = loglik.argmax(0)
    # Of climbs that end at the same height the one that arrived is the answer.
    top = loglik.max(0)
    level = inside.reshape(m, b) & (loglik >= top - 1e-9 * (1.0 + np.abs(top)))
    pick = np.where(level.any(0), level.argmax(0), pick)
    best = pick * b + np.arange(b)
    x, settled = x[best], inside[best]
    information = _information(y, v, weights, x, size)
    allowed = np.ones((b, p), dtype=bool)
    allowed[:, 1] = x[:, 1] > 0
    scaled = information * size[:, :, None] * size[:, None, :]
    spread = covariance(scaled, allowed) * size[:, :, None] * size[:, None, :]
    unselected, _ = _evaluate(y, v, weights, np.column_stack([mean, free, np.zeros((b, p - 2))]))
    return Selection(x[:, 0], x[:, 1], x[:, 2:], spread, loglik.reshape(-1)[best], unselected, settled)
