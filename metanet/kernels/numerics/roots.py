"""Root finding for whole batches of scalar equations, and the search for the confidence limits of a profile likelihood."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from metanet.base.arrays import Array, Indices


def find_roots(
    function: Callable[[Array, Indices], Array],
    lower: Array,
    upper: Array,
    *,
    f_lower: Array | None = None,
    f_upper: Array | None = None,
    relative: float = 4e-15,
    scale: Array | None = None,
    max_iterations: int = 200,
) -> Array:
    """Roots of a batch of scalar functions, each inside its own bracket.

    Chandrupatla's method (1997, doi:10.1016/S0965-9978(96)00051-8): inverse quadratic interpolation where it is safe,
    bisection where it is not. Every element walks its own path, so that a batch gives the numbers of a loop.

    Parameters
    ----------
    function
        Called with positions ``[m]`` and the indices ``[m]`` of the elements still open; returns values ``[m]``.
    lower, upper
        Brackets ``[b]``. An element whose ends do not differ in sign gives NaN.
    relative
        Stop when the bracket is this fraction of the root (a relative rule: a heterogeneity variance of 1e-9 gets as many digits
        as one of 1).
    scale
        Sizes ``[b]`` of which the bracket may be that fraction instead, for roots that may lie at zero (a mean).
    """
    x1, x2 = lower.astype(float).copy(), upper.astype(float).copy()
    everything = np.arange(x1.size)
    f1 = function(x1, everything) if f_lower is None else f_lower.astype(float).copy()
    f2 = function(x2, everything) if f_upper is None else f_upper.astype(float).copy()
    roots = np.full(x1.shape, np.nan)
    roots[f1 == 0] = x1[f1 == 0]
    roots[f2 == 0] = x2[f2 == 0]
    open_ = np.flatnonzero(f1 * f2 < 0)
    x1, x2, f1, f2 = x1[open_], x2[open_], f1[open_], f2[open_]
    size = np.zeros(open_.shape) if scale is None else scale[open_]
    fraction = np.full(open_.shape, 0.5)
    for _ in range(max_iterations):
        if not open_.size:
            break
        x = x1 + fraction * (x2 - x1)
        f = function(x, open_)
        same = np.sign(f) == np.sign(f1)
        x3, f3 = np.where(same, x1, x2), np.where(same, f1, f2)
        x2, f2 = np.where(same, x2, x1), np.where(same, f2, f1)
        x1, f1 = x, f
        first_is_best = np.abs(f1) < np.abs(f2)
        best, f_best = np.where(first_is_best, x1, x2), np.where(first_is_best, f1, f2)
        width = np.abs(x2 - x1)
        tolerance = relative * np.maximum(np.abs(best), size) + 1e-300
        done = (width <= 2 * tolerance) | (f_best == 0) | ~np.isfinite(f)
        roots[open_[done]] = np.where(np.isfinite(f), best, np.nan)[done]
        with np.errstate(divide="ignore", invalid="ignore"):
            xi = (x1 - x2) / (x3 - x2)
            phi = (f1 - f2) / (f3 - f2)
            safe = (phi * phi < xi) & ((1 - phi) * (1 - phi) < 1 - xi)
            step = f1 / (f2 - f1) * f3 / (f2 - f3) + (x3 - x1) / (x2 - x1) * f1 / (f3 - f1) * f2 / (f3 - f2)
        step = np.where(safe & np.isfinite(step), step, 0.5)
        edge = np.minimum(tolerance / np.where(width > 0, width, 1.0), 0.5)
        fraction = np.clip(step, edge, 1 - edge)
        keep = ~done
        open_, x1, x2, f1, f2, fraction = open_[keep], x1[keep], x2[keep], f1[keep], f2[keep], fraction[keep]
        size = size[keep]
    else:
        # A bracket that rounding keeps from closing further still holds the root: its better end is the answer.
        if open_.size:
            roots[open_] = np.where(np.abs(f1) < np.abs(f2), x1, x2)
    return roots


def inner_end(height: Callable[[Array, Indices], Array], top: Array, drop: float, at_zero: Array, *, relative: float = 1e-10) -> Array:
    """Where `height` rises through zero between 0 and the maximum at `top`, ``[b]``; 0 where it is not below zero at 0 (`at_zero`)."""
    end = np.zeros(top.shape)
    rows = np.flatnonzero((at_zero < 0) & (top > 0))
    if rows.size:
        end[rows] = find_roots(
            lambda position, index: height(position, rows[index]),
            np.zeros(rows.size),
            top[rows],
            f_lower=at_zero[rows],
            f_upper=np.full(rows.size, drop),
            relative=relative,
        )
    return end


def outer_end(
    height: Callable[[Array, Indices], Array],
    top: Array,
    drop: float,
    first: Array,
    rows: Indices,
    *,
    side: float = 1.0,
    limit: float = np.inf,
    relative: float = 1e-10,
    tries: int = 40,
) -> Array:
    """Where `height` falls below zero beyond the maximum, ``[b]``; infinite for rows not asked for, or never low enough.

    Parameters
    ----------
    height
        Profile log-likelihood less its level at the end, of positions ``[m]`` and rows ``[m]``.
    top, drop
        Position of the maximum, ``[b]``, and the height there.
    first
        Position to try first; each further one lies 1.6 times as far from the maximum.
    side, limit
        Direction of the search, and how far it goes.
    relative
        Tolerance of the root.
    """
    inner, f_inner = top.copy(), np.full(top.shape, drop)
    outer, f_outer = first.copy(), np.full(top.shape, np.nan)
    closed = [rows[:0]]
    for _ in range(tries):
        f_outer[rows] = height(outer[rows], rows)
        below = f_outer[rows] < 0
        closed.append(rows[below])
        rows = rows[~below]
        rows = rows[np.abs(outer[rows]) < limit]
        if not rows.size:
            break
        inner[rows], f_inner[rows] = outer[rows], f_outer[rows]
        outer[rows] = top[rows] + 1.6 * (outer[rows] - top[rows])
        outer[rows] = np.clip(outer[rows], -limit, limit)
    end = np.full(top.shape, side * np.inf)
    found = np.concatenate(closed)
    if found.size:
        end[found] = find_roots(
            lambda position, index: height(position, found[index]),
            inner[found],
            outer[found],
            f_lower=f_inner[found],
            f_upper=f_outer[found],
            relative=relative,
        )
    return end
