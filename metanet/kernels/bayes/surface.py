"""Tables of the studies' integrals over their random effects: log-likelihoods of a linear predictor, by look-up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from metanet.base.arrays import Array, Indices
from metanet.kernels.bayes.integrals import integrals, lattices, widest
from metanet.kernels.normal_effect.study_likelihoods import Likelihood

#: Points of a local interpolation: polynomials of degree seven in the cell between the middle two.
_POINTS = 8
_SIDE = _POINTS // 2 - 1
#: The step between values of the predictor: this by the eighth root of the largest information, and this many tau; at most the last.
_STEP, _BY_TAU, _LONGEST = 0.2, 0.22, 1.2
#: Elements of an array over look-ups that fits the cache.
_BLOCK = 40_000


def _to_cells() -> Array:
    """Matrix ``[points, degree]`` from values at the points to coefficients of powers of the place in the cell, from -1/2 to 1/2."""
    place = np.arange(_POINTS) - 0.5 * (_POINTS - 1)
    return np.asarray(np.linalg.inv(np.vander(place, increasing=True)).T)


_CELLS = _to_cells()


@dataclass(frozen=True)
class Surface:
    """Log-likelihoods of single studies at nodes of (fit, tau), as polynomials on cells of the predictor.

    `coefficients` is ``[degree, nodes * k * cells]``; the cells of a node begin at `low` ``[nodes]`` and are `step` ``[nodes]`` wide.
    Beyond the last cells a study goes on as a parabola.
    """

    low: Array
    step: Array
    studies: int
    cells: int
    coefficients: Array
    constant: Array

    @property
    def high(self) -> Array:
        """Where the cells end, ``[nodes]``."""
        return self.low + self.cells * self.step

    def _places(self, rows: Indices, u: Array, gamma: Array) -> tuple[Array, Indices, Array | None]:
        """Place in the cell, number of the cell and, where some predictor lies outside, by how many steps."""
        width = self.step[rows][:, None, None]
        place = (u[rows] / width) @ gamma
        place -= self.low[rows][:, None, None] / width
        beyond = None
        if place.min() < 0 or place.max() >= self.cells:
            inside = np.clip(place, 0.0, self.cells)
            beyond, place = place - inside, inside
        cell = place.astype(np.intp)
        if beyond is not None:
            np.minimum(cell, self.cells - 1, out=cell)
        place -= cell
        place -= 0.5
        cell += ((rows[:, None] * self.studies + np.arange(self.studies)) * self.cells)[:, :, None]
        return place, cell, beyond

    def value(self, rows: Indices, u: Array, gamma: Array) -> Array:
        """The log-likelihood ``[r, G]`` at ``eta = u[rows] @ gamma``, gamma ``[r, p, G]``; the constants of a node left out."""
        out = np.empty((rows.size, gamma.shape[2]))
        size = max(1, _BLOCK // (self.studies * gamma.shape[2]))
        for start in range(0, rows.size, size):
            some = slice(start, start + size)
            part = rows[some]
            t, cell, beyond = self._places(part, u, gamma[some])
            value = self.coefficients[-1].take(cell)
            for degree in range(_POINTS - 2, -1, -1):
                value *= t
                value += self.coefficients[degree].take(cell)
            if beyond is not None:
                few = np.nonzero(beyond)
                more = beyond[few]
                _, slope, bend = self._powers(t[few], cell[few])
                value[few] += more * (slope + 0.5 * more * bend)
            out[some] = value.sum(1)
        return out

    def bent(self, rows: Indices, u: Array, gamma: Array) -> tuple[Array, Array, Array]:
        """The same, with every study's slope and negative second derivative in its predictor, ``[r, k, G]``."""
        shape = (rows.size, self.studies, gamma.shape[2])
        value, slope, bend = np.empty((shape[0], shape[2])), np.empty(shape), np.empty(shape)
        size = max(1, _BLOCK // (self.studies * shape[2]))
        for start in range(0, rows.size, size):
            some = slice(start, start + size)
            part = rows[some]
            each, slope[some], bend[some] = self._bent(part, *self._places(part, u, gamma[some]))
            value[some] = each.sum(1)
        return value, slope, bend

    def _bent(self, rows: Indices, t: Array, cell: Indices, beyond: Array | None) -> tuple[Array, Array, Array]:
        value, slope, bend = self._powers(t, cell)
        if beyond is not None:
            value += beyond * (slope + 0.5 * beyond * bend)
            slope += beyond * bend
        width = self.step[rows][:, None, None]
        return value, slope / width, -bend / (width * width)

    def _powers(self, t: Array, cell: Indices) -> tuple[Array, Array, Array]:
        """Value, slope and second derivative in steps, the last never above zero."""
        value = self.coefficients[-1].take(cell)
        slope, bend = np.zeros_like(value), np.zeros_like(value)
        for degree in range(_POINTS - 2, -1, -1):
            bend *= t
            bend += slope
            slope *= t
            slope += value
            value *= t
            value += self.coefficients[degree].take(cell)
        bend *= 2.0
        np.minimum(bend, 0.0, out=bend)
        return value, slope, bend


def surface_of(studies: Likelihood, pair: Indices, tau: Array, ends: tuple[Array, Array]) -> Surface:
    """Tables at nodes of (fit, tau), fits `pair` ``[n]`` and tau ``[n]``, for predictors between ends ``[n]``."""
    finest = widest(studies)[pair]
    low, high = ends
    longest = np.minimum(_STEP * np.maximum(finest, 1.0) ** -0.125 + _BY_TAU * tau, _LONGEST)
    cells = max(2, int(np.ceil(((high - low) / longest).max())))
    step = (high - low) / cells
    eta = low[:, None] + step[:, None] * np.arange(-_SIDE, cells + _SIDE + 1)
    found = integrals(studies, pair, eta, tau, finest, True, lattices(studies))
    assert found.alone is not None
    constant = found.loglik[:, 0] - found.alone[:, :, 0].sum(1)
    k = found.alone.shape[1]
    windows = sliding_window_view(found.alone, _POINTS, axis=-1)
    coefficients = np.ascontiguousarray((windows.reshape(-1, _POINTS) @ _CELLS).T)
    return Surface(low, step, k, cells, coefficients.reshape(_POINTS, -1), constant)
