"""Events in one group given the events of both: the likelihood of the exact conditional model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from metanet.kernels.study_likelihoods import Indices, weighted_guess

Array = NDArray[np.float64]


class Hypergeometric:
    """Events in one group given the events of both: Fisher's noncentral hypergeometric distribution, theta the log odds ratio.

    Stijnen, Hamza and Ozdemir (2010, doi:10.1002/sim.4040). The sum over the support is written out, so that nothing is approximated.
    """

    end_steps = 3

    def __init__(self, events: Array, total: Array, events_control: Array, total_control: Array) -> None:
        both = events + events_control
        low, high = np.maximum(0.0, both - total_control), np.minimum(total, both)
        width = int((high - low).max(initial=0.0)) + 1
        # Support first, so that predictors [..., b, k] broadcast against [s, b, k] after one new axis.
        shift = np.arange(width, dtype=np.float64).reshape(-1, *([1] * events.ndim))
        x = low + shift
        inside = x <= high
        x = np.minimum(x, high)
        log_factorial = special.gammaln
        cells = (x, total - x, both - x, total_control - both + x)
        log_weight = -sum(log_factorial(cell + 1) for cell in cells)
        log_weight = np.where(inside, log_weight, -np.inf)
        peak = log_weight.max(0)
        self._support, self._log_weight = x - events, log_weight - peak
        self.edge = (events == low) | (events == high)
        others, others_control = total - events, total_control - events_control
        seen = (events, others, events_control, others_control)
        observed = -sum(log_factorial(cell + 1) for cell in seen)
        self._observed = observed - peak
        self.constant = self._observed.sum(-1)
        self.size = (total + total_control).sum(-1)
        a, b, c, d = (cell + 0.5 for cell in seen)
        present = high > low
        self.guess = np.where(present, np.log(a * d) - np.log(b * c), 0.0)
        self.precision = np.where(present, 1.0 / (1 / a + 1 / b + 1 / c + 1 / d), 0.0)

    def take(self, rows: Indices | slice) -> Hypergeometric:
        """The chosen fits."""
        part = object.__new__(Hypergeometric)
        for name, value in self.__dict__.items():
            setattr(part, name, value[:, rows] if name in ("_support", "_log_weight") else value[rows])
        return part

    def without(self, gone: NDArray[np.bool_]) -> Hypergeometric:
        """The same studies, those of `gone` ``[b, k]`` absent: one possible count, and its probability one."""
        part = object.__new__(Hypergeometric)
        first = np.zeros(self._support.shape[:1])
        first[1:] = -np.inf
        part._support = np.where(gone, 0.0, self._support)
        part._log_weight = np.where(gone, first.reshape(-1, *([1] * gone.ndim)), self._log_weight)
        part._observed = np.where(gone, 0.0, self._observed)
        part.constant, part.size = part._observed.sum(-1), self.size
        part.edge = self.edge | gone
        part.guess, part.precision = np.where(gone, 0.0, self.guess), np.where(gone, 0.0, self.precision)
        return part

    def _moments(self, theta: Array) -> tuple[Array, Array, Array]:
        """Log of the weighted sum and the first two moments of ``x - events``, with the support as an inner axis."""
        axis = theta.ndim - 2
        exponent = self._log_weight + np.expand_dims(theta, axis) * self._support
        peak = exponent.max(axis, keepdims=True)
        exponent -= peak
        np.exp(exponent, out=exponent)
        mass = exponent.sum(axis)
        mean = (exponent * self._support).sum(axis) / mass
        off = self._support - np.expand_dims(mean, axis)
        off *= off
        off *= exponent
        return np.squeeze(peak, axis) + np.log(mass), mean, off.sum(axis) / mass

    def tails(self, theta: Array) -> tuple[Array, Array]:
        """Probabilities of fewer and of more events than were observed."""
        axis = theta.ndim - 2
        exponent = self._log_weight + np.expand_dims(theta, axis) * self._support
        exponent -= exponent.max(axis, keepdims=True)
        np.exp(exponent, out=exponent)
        mass = exponent.sum(axis)
        below, above = (np.where(side, exponent, 0.0).sum(axis) for side in (self._support < 0, self._support > 0))
        return below / mass, above / mass

    def slope(self, theta: Array) -> tuple[Array, Array]:
        """Log-likelihood and its slope."""
        return self.terms(theta)[:2]

    def bend(self, theta: Array) -> tuple[Array, Array]:
        """Slope and negative second derivative."""
        return self.terms(theta)[1:]

    def terms(self, theta: Array) -> tuple[Array, Array, Array]:
        """Log-likelihood, its slope and its negative second derivative."""
        log_sum, mean, variance = self._moments(theta)
        return -log_sum, -mean, variance

    def common(self) -> Array:
        """The mean of the studies' own estimates."""
        return weighted_guess(self.guess, self.precision)

    def saturated(self) -> Array:
        """Log-likelihood of an odds ratio of its own for each study, ``[b]``; at an edge its limit, zero."""
        inside = ~self.edge & (self.precision > 0)
        theta = np.where(inside, self.guess, 0.0)
        for _ in range(100):
            _, slope, bend = self.terms(theta)
            step = np.where(inside, np.clip(slope / np.maximum(bend, 1e-300), -1.0, 1.0), 0.0)
            theta = theta + step
            if np.abs(step).max(initial=0.0) < 1e-12:
                break
        # At an edge the whole mass goes to the observed count.
        return np.asarray(np.where(inside, self._observed + self.terms(theta)[0], 0.0).sum(-1))

    def response(self, theta: Array) -> Array:
        """The log odds ratio itself."""
        return theta

    def shrunken(self, mu: Array, tau: Array, score: Array) -> Array | None:
        """The posterior mean of a normal random effect is its variance times that of the slope (Stein's identity)."""
        return np.asarray(mu[:, None] + (tau * tau)[:, None] * score)

    def centre(self, common: Array, tau: Array) -> Array:
        """The common log odds ratio."""
        return np.asarray(common + 0.0 * tau)
