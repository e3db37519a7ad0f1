"""Very many subsets of the same studies: maxima of an exact likelihood, and clusters in the cloud of results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metanet.base.arrays import Array, Indices, Mask
from metanet.base.progress import bar
from metanet.kernels.normal_effect.random_effect import RULES, nodes_interval
from metanet.kernels.normal_effect.study_likelihoods import Likelihood

# Maxima of an exact likelihood over very many subsets of the same studies.
#
# The log-likelihood of a subset is the sum of its studies' own surfaces ``l_i(mu, tau)``. Each surface is smooth and is
# needed again in half a million subsets, so it is tabulated once: on every cell of a grid in (mu, tau) it is a polynomial
# through Chebyshev points, and the polynomial of a subset is the sum of those of its studies, a matrix product. Newton's
# method then climbs on polynomials: no quadrature is left in the loop. (Interpolation at Chebyshev points converges
# geometrically for analytic functions: Trefethen 2013, Approximation Theory and Approximation Practice, ISBN
# 978-1-611972-39-9, chapter 8.)
#
# A subset whose maximum lies outside the table, or that does not settle, is named, and left to the ordinary fit.


#: Coefficients of a polynomial in each direction, and the size of a cell in mu and in ``w = asinh(tau / s)``, where s is the
#: standard error of the largest study. The logistic function's poles lie pi away from the axis; as a function of tau a
#: study's surface resembles ``log(tau^2 + s^2)``, whose singularities the map moves to a distance of pi / 2.
_ORDER = 10
_WIDTH_MU, _WIDTH_W = 0.5, 0.5
#: A Newton decrement below this is within a millionth of a standard error.
_DECREMENT = 1e-13
#: A step may end this far beyond a cell, in halves of its width, before the next cell takes over.
_OVERHANG = 1.02
_ROUNDS = 12
#: Subsets that are scanned together, and those whose polynomials stay in the processor's cache.
_CHUNK, _CACHED = 1 << 15, 1_500


def study_surfaces(studies: Likelihood) -> Callable[[Array, Array], Array]:
    """The log-likelihoods of single studies, without their constants, at points ``(mu, tau)`` ``[p]``: ``[p, k]``.

    `studies` holds one fit.
    """

    def at(mu: Array, tau: Array) -> Array:
        out = np.empty((mu.size, studies.guess.shape[1]))
        rows = np.arange(mu.size)
        for rule in RULES[1:]:
            again = []
            # Pieces that fit the cache.
            size = max(1, 30_000 // (rule.nodes * out.shape[1]))
            for start in range(0, rows.size, size):
                part = rows[start : start + size]
                many = studies.take(np.zeros(part.size, dtype=np.intp))
                low, length, _ = nodes_interval(many, mu[part], tau[part], rule.drop)
                width = length / (rule.nodes - 1)
                z = low + np.arange(rule.nodes).reshape(-1, 1, 1) * width
                height = many.slope(mu[part][:, None] + tau[part][:, None] * z)[0] - 0.5 * z * z
                peak = height.max(0)
                weight = np.exp(height - peak)
                mass, half = weight.sum(0), 2 * weight[::2].sum(0)
                out[part] = peak + np.log(mass * width) - 0.5 * np.log(2 * np.pi)
                # With half the nodes the error is about the root of what it is with all.
                again.append(part[(np.abs(half / mass - 1) > 1e-6).any(-1)])
            rows = np.concatenate(again)
            if not rows.size:
                break
        return out

    return at


@dataclass(frozen=True)
class Maxima:
    """By subset ``[b]``: mean and tau at the maximum, and whether it was found; NaN where not."""

    mu: Array
    tau: Array
    found: Mask


class Table:
    """The surfaces of `k` studies on a grid of cells; a cell's polynomials are made when a subset first needs them."""

    def __init__(self, surfaces: Callable[[Array, Array], Array], low: float, high: float, top: float, scale: float) -> None:
        self._surfaces = surfaces
        self._low, self._scale = low, scale
        self._columns = max(1, int(np.ceil((high - low) / _WIDTH_MU)))
        self._rows = max(1, int(np.ceil(np.arcsinh(top / scale) / _WIDTH_W)))
        points = np.cos(np.pi * (np.arange(_ORDER) + 0.5) / _ORDER)
        self._points = points
        self._inverse = np.linalg.inv(np.vander(points, _ORDER, increasing=True))
        self._cells: dict[int, Array] = {}
        # The scan: two points across each cell in mu, the lower edge and the middle in w.
        mu = low + _WIDTH_MU * (np.arange(2 * self._columns) + 0.5) / 2
        w = _WIDTH_W * np.arange(2 * self._rows) / 2
        self._scan_mu, self._scan_w = (grid.ravel() for grid in np.meshgrid(mu, w, indexing="ij"))
        self._scan = surfaces(self._scan_mu, scale * np.sinh(self._scan_w)).astype(np.float32)

    def _cell(self, cell: int) -> Array:
        """Coefficients ``[order, order, k]`` of the studies' polynomials in the cell's own coordinates (mu first)."""
        if cell not in self._cells:
            column, row = divmod(cell, self._rows)
            mu = self._low + _WIDTH_MU * (column + 0.5 + 0.5 * self._points)
            w = _WIDTH_W * (row + 0.5 + 0.5 * self._points)
            grid_mu, grid_w = (grid.ravel() for grid in np.meshgrid(mu, w, indexing="ij"))
            values = self._surfaces(grid_mu, self._scale * np.sinh(grid_w)).reshape(_ORDER, _ORDER, -1)
            self._cells[cell] = np.einsum("ai,bj,ijk->abk", self._inverse, self._inverse, values)
        return self._cells[cell]

    def maxima(self, masks: Mask) -> Maxima:
        """The highest maximum of each subset ``[b, k]``."""
        b = masks.shape[0]
        mu, tau, found = np.full(b, np.nan), np.full(b, np.nan), np.zeros(b, dtype=bool)
        with bar("Subsets", b, "subset") as shown:
            for start in range(0, b, _CHUNK):
                part = slice(start, start + _CHUNK)
                mu[part], tau[part], found[part] = self._chunk(masks[part].astype(np.float64))
                shown.advance(_CHUNK)
        return Maxima(mu, tau, found)

    def _chunk(self, masks: Array) -> tuple[Array, Array, Mask]:
        # The scan only chooses a cell: single precision is enough, and twice as fast.
        heights = masks.astype(np.float32) @ self._scan.T
        heights = heights.reshape(masks.shape[0], -1, 2 * self._rows)
        profile = heights.max(1)
        # The boundary is climbed for itself; the other climb begins at the highest rise inside, where there is one.
        peak = np.where(profile[:, 1:] > profile[:, :-1], profile[:, 1:], -np.inf)
        level = np.where(np.isfinite(peak).any(1), 1 + peak.argmax(1), 1)
        every = np.arange(masks.shape[0])
        best, first = heights[every, :, level].argmax(1), heights[:, :, 0].argmax(1)
        del heights
        start_mu, start_w = self._scan_mu[:: 2 * self._rows], self._scan_w[: 2 * self._rows]
        mu, w, height, found, _ = self._climb(masks, start_mu[best], start_w[level], True)
        mu0, _, height0, found0, rises = self._climb(masks, start_mu[first], np.zeros(every.size), False)
        # A climb that ends within rounding of the boundary belongs to it.
        boundary = found & found0 & ~(height > height0 + 1e-11 * (1.0 + np.abs(height0)))
        tau = self._scale * np.sinh(w)
        # Where the surface rises from the boundary the maximum is inside, though the climb missed it.
        return np.where(boundary, mu0, mu), np.where(boundary, 0.0, tau), found & found0 & ~(boundary & rises)

    def _climb(self, masks: Array, mu: Array, w: Array, free: bool) -> tuple[Array, Array, Array, Mask, Mask]:
        """Newton's method from cell to cell; `free` lets w move.

        Gives mu, w, the height there, whether it settled, and whether the surface bends upwards in w there.
        """
        b = mu.size
        height, found, rises = np.full(b, -np.inf), np.zeros(b, dtype=bool), np.zeros(b, dtype=bool)
        rows = np.arange(b)
        for _ in range(_ROUNDS):
            column = np.floor((mu[rows] - self._low) / _WIDTH_MU)
            row = np.floor(w[rows] / _WIDTH_W)
            inside = (column >= 0) & (column < self._columns) & (row < self._rows)
            rows, cell = rows[inside], (column * self._rows + row)[inside].astype(np.intp)
            if not rows.size:
                break
            order = np.argsort(cell, kind="stable")
            rows, cell = rows[order], cell[order]
            edges = np.flatnonzero(np.diff(cell, prepend=-1))
            open_ = []
            climb = self._within if free else self._along_boundary
            for first, last in zip(edges, [*edges[1:], rows.size], strict=True):
                for start in range(first, last, _CACHED):
                    chosen = rows[start : min(start + _CACHED, last)]
                    settled, rises[chosen] = climb(int(cell[first]), masks[chosen], chosen, mu, w, height)
                    found[chosen[settled]] = True
                    open_.append(chosen[~settled])
            rows = np.concatenate(open_)
            if not rows.size:
                break
        return mu, w, height, found, rises

    def _within(self, cell: int, masks: Array, rows: Indices, mu: Array, w: Array, height: Array) -> tuple[Mask, Mask]:
        """Climb inside one cell; writes where each subset got to, and tells which have arrived and where w bends upwards."""
        column, row = divmod(cell, self._rows)
        middle_mu, middle_w = self._low + _WIDTH_MU * (column + 0.5), _WIDTH_W * (row + 0.5)
        coefficients = (self._cell(cell).reshape(_ORDER * _ORDER, -1) @ masks.T).reshape(_ORDER, _ORDER, -1)
        u = (mu[rows] - middle_mu) / (0.5 * _WIDTH_MU)
        v = (w[rows] - middle_w) / (0.5 * _WIDTH_W)
        zero = -middle_w / (0.5 * _WIDTH_W)
        for _ in range(8):
            p, pu, pv, puu, puv, pvv = _polynomial(coefficients, u, v)
            rises = pvv > 1e-6 * np.abs(puu)
            step_u, step_v = _newton(pu, pv, puu, puv, pvv)
            decrement = step_u * pu + step_v * pv
            settled = decrement < _DECREMENT
            new_u, new_v = u + step_u, v + step_v
            # The surface is even in w.
            new_v = np.where(new_v < zero, 2 * zero - new_v, new_v)
            out = (np.abs(new_u) > _OVERHANG) | (np.abs(new_v) > _OVERHANG)
            u, v = np.clip(new_u, -1.5, 1.5), np.clip(new_v, max(zero, -1.5), 1.5)
            p += 0.5 * decrement
            if (settled | out).all():
                break
        mu[rows], w[rows] = middle_mu + 0.5 * _WIDTH_MU * u, middle_w + 0.5 * _WIDTH_W * v
        height[rows] = p
        return settled & ~out, rises

    def _along_boundary(self, cell: int, masks: Array, rows: Indices, mu: Array, w: Array, height: Array) -> tuple[Mask, Mask]:
        """The climb in mu alone at w = 0, the lower edge of a cell in the first row; as `_within`."""
        middle_mu = self._low + _WIDTH_MU * (cell // self._rows + 0.5)
        power = np.arange(_ORDER)
        # At v = -1 the polynomial in v is a sum of its coefficients with changing signs, and so is its second derivative.
        edge, bend = (-1.0) ** power, power * (power - 1) * (-1.0) ** power
        surface = self._cell(cell)
        line = np.einsum("abk,b->ak", surface, edge) @ masks.T
        u = (mu[rows] - middle_mu) / (0.5 * _WIDTH_MU)
        for _ in range(8):
            p, pu, puu = _horner(line, u)
            step = np.clip(-pu / np.minimum(puu, -1e-12), -2.0, 2.0)
            decrement = step * pu
            settled = decrement < _DECREMENT
            new = u + step
            out = np.abs(new) > _OVERHANG
            u = np.clip(new, -1.5, 1.5)
            p += 0.5 * decrement
            if (settled | out).all():
                break
        rises = _horner(np.einsum("abk,b->ak", surface, bend) @ masks.T, u)[0] > 1e-6 * np.abs(puu)
        mu[rows], height[rows] = middle_mu + 0.5 * _WIDTH_MU * u, p
        return settled & ~out, rises


def _newton(pu: Array, pv: Array, puu: Array, puv: Array, pvv: Array) -> tuple[Array, Array]:
    """Newton step uphill, with the Hessian made definite where it is not."""
    a, b, d = -puu, -puv, -pvv
    half_trace, root = 0.5 * (a + d), np.sqrt(0.25 * (a - d) ** 2 + b * b)
    smallest = half_trace - root
    shift = np.where(smallest > 1e-9 * np.abs(half_trace + root), 0.0, 1e-3 * (np.abs(half_trace) + root) - smallest)
    a, d = a + shift, d + shift
    determinant = a * d - b * b
    step_u, step_v = (d * pu - b * pv) / determinant, (a * pv - b * pu) / determinant
    longest = np.maximum(np.abs(step_u), np.abs(step_v))
    scale = np.minimum(1.0, 2.0 / np.maximum(longest, 1e-300))
    return step_u * scale, step_v * scale


def _polynomial(c: Array, u: Array, v: Array) -> tuple[Array, ...]:
    """Value, gradient and second derivatives of ``sum c[i, j] u^i v^j``, by Horner's rule; `c` is ``[order, order, n]``."""
    value, first, second = c[-1].copy(), np.zeros_like(c[-1]), np.zeros_like(c[-1])
    for row in c[-2::-1]:
        second *= u
        second += first
        first *= u
        first += value
        value *= u
        value += row
    second *= 2.0
    p, pv, pvv = _horner(value, v)
    pu, puv, _ = _horner(first, v)
    return p, pu, pv, _horner(second, v)[0], puv, pvv


def _horner(c: Array, v: Array) -> tuple[Array, Array, Array]:
    """Value and two derivatives of ``sum c[j] v^j``."""
    value, first, second = c[-1].copy(), np.zeros_like(v), np.zeros_like(v)
    for row in c[-2::-1]:
        second = second * v + first
        first = first * v + value
        value = value * v + row
    return value, first, 2.0 * second


# Groups in a cloud of points: normal mixtures in two dimensions, and whether two components stand apart.
#
# The expectation-maximisation algorithm (Dempster, Laird and Rubin 1977, doi:10.1111/j.2517-6161.1977.tb01600.x). Two groups are
# called separate by Ashman's D, the distance of their centres in units of their spread along the line between them,
# ``D = sqrt(2) |m1 - m2| / sqrt(s1^2 + s2^2)``, above 2 (Ashman, Bird and Zepf 1994, doi:10.1086/117248).

_MIXTURE_ROUNDS = 200
_SETTLED = 1e-8
#: A component needs this share of the points.
_LEAST = 0.02


@dataclass(frozen=True)
class Mixture:
    """Two normal components: shares ``[2]``, centres ``[2, 2]``, covariances ``[2, 2, 2]``, and Ashman's D between them."""

    shares: Array
    centres: Array
    covariances: Array
    separation: float

    def assign(self, points: Array) -> NDArray[np.intp]:
        """The likelier component of each point ``[n, 2]``."""
        return np.asarray(_log_density(points, self.shares, self.centres, self.covariances).argmax(1))


def two_groups(points: Array) -> Mixture | None:
    """The best two-component mixture of points ``[n, 2]``; None where they do not spread."""
    spread = points.std(0)
    if points.shape[0] < 20 or not (spread > 0).any():
        return None
    # A flat direction carries nothing, and would make every covariance singular.
    unit = np.where(spread > 0, spread, 1.0)
    scaled = (points - points.mean(0)) / unit
    best: tuple[float, Array, Array, Array] | None = None
    for axis in range(2):
        # From both halves of the points, cut at the middle of either axis and at its outer fifths.
        for share in (0.2, 0.5, 0.8):
            side = scaled[:, axis] > np.quantile(scaled[:, axis], share)
            if not side.any() or side.all():
                continue
            found = _climb(scaled, side)
            if best is None or found[0] > best[0]:
                best = found
    if best is None or best[1].min() < _LEAST:
        return None
    _, shares, centres, covariances = best
    order = np.argsort(-shares)
    shares, centres, covariances = shares[order], centres[order], covariances[order]
    gap = centres[1] - centres[0]
    length = float(np.sqrt(gap @ gap))
    direction = gap / length if length > 0 else gap
    along = [float(direction @ c @ direction) for c in covariances]
    separation = float(np.sqrt(2) * length / np.sqrt(sum(along)))
    return Mixture(shares, points.mean(0) + centres * unit, covariances * np.outer(unit, unit), separation)


def _climb(points: Array, side: NDArray[np.bool_]) -> tuple[float, Array, Array, Array]:
    """Expectation and maximisation in turn from a split; log-likelihood, shares, centres, covariances."""
    duty = np.stack([~side, side], 1).astype(float)
    before = -np.inf
    for _ in range(_MIXTURE_ROUNDS):
        mass = duty.sum(0)
        shares = mass / points.shape[0]
        centres = duty.T @ points / mass[:, None]
        covariances = np.empty((2, 2, 2))
        for j in range(2):
            off = points - centres[j]
            # A ridge keeps a component from collapsing onto a line of equal points.
            covariances[j] = (off * duty[:, [j]]).T @ off / mass[j] + 1e-4 * np.eye(2)
        density = _log_density(points, shares, centres, covariances)
        peak = density.max(1)
        total = peak + np.log(np.exp(density - peak[:, None]).sum(1))
        duty = np.exp(density - total[:, None])
        now = float(total.mean())
        if now - before < _SETTLED or duty.sum(0).min() < 1.0:
            break
        before = now
    return now, shares, centres, covariances


def _log_density(points: Array, shares: Array, centres: Array, covariances: Array) -> Array:
    out = np.empty((points.shape[0], 2))
    for j in range(2):
        off = points - centres[j]
        inverse = np.linalg.inv(covariances[j])
        _, log_determinant = np.linalg.slogdet(covariances[j])
        out[:, j] = np.log(shares[j]) - 0.5 * (np.einsum("ni,ij,nj->n", off, inverse, off) + log_determinant)
    return out
