"""The likelihood of one study given its linear predictor: binomial, Poisson, and the exact conditional (hypergeometric)."""

from __future__ import annotations

from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from scipy import special

from metanet.base.arrays import Array, Indices, Mask
from metanet.kernels.numerics.distributions import binomial_tails, poisson_tails

# What one study says about its linear predictor: the likelihoods that a normal random effect is put on.
#
# A likelihood object holds the counts of a batch ``[b, k]`` and gives, at predictors `theta` of shape ``[..., b, k]``, the
# log-likelihood of every study without its constant, its slope in theta and the negative second derivative. All are concave in
# theta, which the quadrature relies on. An absent study contributes exactly nothing.


class Likelihood(Protocol):
    """The studies of a batch of fits.

    `constant` is ``[b]``, the part of the log-likelihood without theta; `size` ``[b]`` what its rounding grows with; `guess` and
    `precision` ``[b, k]`` a normal approximation of every study's own likelihood, precision 0 where it is absent. `end_steps` is
    how many Newton steps find the end of a study's integrand from outside: more where a tail falls as a double exponential. `edge`
    is ``[b, k]``: the study's likelihood has no maximum at a finite theta (all of its patients had the same outcome). `times`
    ``[b, k]`` tells for how many equal studies one stands, where `distinct` made it; only integrals of the posterior know that.
    """

    constant: Array
    size: Array
    guess: Array
    precision: Array
    edge: Mask
    times: Array | None
    end_steps: int

    def take(self, rows: Indices | slice) -> Likelihood:
        """The chosen fits."""
        ...

    def slope(self, theta: Array) -> tuple[Array, Array]:
        """Log-likelihood and its slope."""
        ...

    def bend(self, theta: Array) -> tuple[Array, Array]:
        """Slope and negative second derivative, to the digits that a Newton step needs."""
        ...

    def terms(self, theta: Array) -> tuple[Array, Array, Array]:
        """Log-likelihood, its slope and its negative second derivative."""
        ...

    def response(self, theta: Array) -> Array:
        """The rate (or effect) that belongs to theta."""
        ...

    def on_grid(self, theta: Array) -> Array:
        """Log-likelihoods ``[b, k, q]`` at predictors ``[b, q]`` that the studies of a fit share."""
        ...

    def response_on_grid(self, theta: Array) -> Array:
        """The response at the same predictors: ``[b, 1, q]``, or ``[b, k, q]`` where it is each study's own."""
        ...

    def shrunken(self, mu: Array, tau: Array, score: Array) -> Array | None:
        """Posterior mean of each study's response from that of its slope; None where the slope does not tell it."""
        ...

    def tails(self, theta: Array) -> tuple[Array, Array]:
        """Probabilities of fewer and of more events than were observed."""
        ...

    def common(self) -> Array:
        """A start for the common mean, ``[b]``; the answer itself where there is a formula."""
        ...

    def centre(self, common: Array, tau: Array) -> Array:
        """Where the mean is likely to lie at a given tau, from the common mean: a start, not an answer."""
        ...


def log_binomial(events: Array, total: Array) -> Array:
    """Sum over studies of the logarithms of the binomial coefficients, ``[b]``."""
    return np.asarray((special.gammaln(total + 1) - special.gammaln(events + 1) - special.gammaln(total - events + 1)).sum(-1))


def weighted_guess(guess: Array, precision: Array) -> Array:
    """Mean of the studies' own estimates, each by its precision."""
    total = precision.sum(-1)
    return np.asarray((precision * guess).sum(-1) / np.where(total > 0, total, 1.0))


def _corrected_rate(events: Array, total: Array) -> Array:
    """A rate that is never 0 or 1, for a start."""
    return (events + 0.5) / (total + 1.0)


class _Terms:
    """Slope and bend from the terms, where neither is cheaper alone."""

    times: Array | None = None

    def terms(self, theta: Array) -> tuple[Array, Array, Array]:
        """Log-likelihood, its slope and its negative second derivative."""
        raise NotImplementedError

    def slope(self, theta: Array) -> tuple[Array, Array]:
        """Log-likelihood and its slope."""
        return self.terms(theta)[:2]

    def bend(self, theta: Array) -> tuple[Array, Array]:
        """Slope and negative second derivative."""
        return self.terms(theta)[1:]

    def response(self, theta: Array) -> Array:
        """The rate (or effect) that belongs to theta."""
        raise NotImplementedError

    def on_grid(self, theta: Array) -> Array:
        """Log-likelihoods ``[b, k, q]`` at predictors ``[b, q]`` that the studies of a fit share."""
        return np.moveaxis(self.slope(np.moveaxis(theta, -1, 0)[:, :, None])[0], 0, -1)

    def response_on_grid(self, theta: Array) -> Array:
        """The response at the same predictors, ``[b, 1, q]``."""
        return self.response(theta[:, None, :])


class _Counts(_Terms):
    """Events of a total (of patients, or of person-time), and what the likelihoods of a single count share."""

    end_steps = 2

    def __init__(self, events: Array, total: Array, guess: Array, precision: Array) -> None:
        self.events, self.total = events, total
        self.guess, self.precision = guess, precision
        self.constant, self.size = log_binomial(events, total), total.sum(-1)
        self.edge = (events == 0) | (events == total)

    def shrunken(self, mu: Array, tau: Array, score: Array) -> Array | None:
        """With these links the posterior mean of the rate needs nodes of its own."""
        return None

    def tails(self, theta: Array) -> tuple[Array, Array]:
        """Probabilities of fewer and of more events than were observed."""
        return binomial_tails(self.events, self.total, self.response(theta))

    def common(self) -> Array:
        """The mean of the studies' own estimates."""
        return weighted_guess(self.guess, self.precision)

    def take(self, rows: Indices | slice) -> Self:
        """The chosen fits."""
        part = object.__new__(type(self))
        for name, value in self.__dict__.items():
            setattr(part, name, None if value is None else value[rows])
        return part


#: Fewer studies than this, and fits with more than this share of different ones, are left as they are.
_MANY, _WORTH = 200, 0.7


def distinct(studies: Likelihood) -> tuple[Likelihood, Indices] | None:
    """One fit of many studies with equal ones together, and the place of every study among those; None where that saves little.

    The likelihood of a study depends on its counts alone, so ten studies with 3 of 20 have one integral to a tenth power.
    """
    if studies.guess.shape[0] != 1 or studies.guess.shape[1] < _MANY or not isinstance(studies, _Counts):
        return None
    if getattr(studies, "offset", None) is not None:
        return None
    pairs = np.stack([studies.total[0], studies.events[0]])
    order = np.lexsort(pairs)
    new = np.ones(order.size, dtype=bool)
    new[1:] = (np.diff(pairs[:, order], axis=1) != 0).any(0)
    if new.sum() > _WORTH * order.size:
        return None
    place = np.empty(order.size, dtype=np.intp)
    place[order] = np.cumsum(new) - 1
    total, events = pairs[:, order[new]]
    kind: Any = type(studies)
    folded: Any = kind(events[None], total[None])
    folded.constant, folded.size = studies.constant, studies.size
    folded.times = np.bincount(place).astype(np.float64)[None]
    return folded, place


class BinomialLogit(_Counts):
    """``events ~ Binomial(total, expit(theta + offset))``."""

    def __init__(self, events: Array, total: Array, offset: Array | None = None) -> None:
        self.offset = offset
        p = _corrected_rate(events, total)
        logit = np.log(p) - np.log1p(-p)
        super().__init__(events, total, logit if offset is None else logit - offset, total * p * (1 - p))

    def slope(self, theta: Array) -> tuple[Array, Array]:
        """Log-likelihood and its slope."""
        theta = theta if self.offset is None else theta + self.offset
        tail = np.exp(-np.abs(theta))
        loglik = np.maximum(theta, 0.0)
        loglik += np.log1p(tail)
        loglik *= -self.total
        loglik += self.events * theta
        p = np.where(theta >= 0, 1.0, tail)
        tail += 1.0
        p /= tail
        p *= -self.total
        p += self.events
        return loglik, p

    def terms(self, theta: Array) -> tuple[Array, Array, Array]:
        """Log-likelihood, its slope and its negative second derivative."""
        theta = theta if self.offset is None else theta + self.offset
        tail = np.exp(-np.abs(theta))
        loglik = np.maximum(theta, 0.0)
        loglik += np.log1p(tail)
        loglik *= -self.total
        loglik += self.events * theta
        p = np.where(theta >= 0, 1.0, tail)
        both = tail + 1.0
        p /= both
        tail /= both
        tail /= both
        tail *= self.total
        p *= -self.total
        p += self.events
        return loglik, p, tail

    def on_grid(self, theta: Array) -> Array:
        """Log-likelihoods ``[b, k, q]`` at predictors ``[b, q]`` that the studies of a fit share."""
        if self.offset is not None:
            return super().on_grid(theta)
        softplus = np.maximum(theta, 0.0)
        softplus += np.log1p(np.exp(-np.abs(theta)))
        out: Array = self.events[:, :, None] * theta[:, None, :]
        out -= self.total[:, :, None] * softplus[:, None, :]
        return out

    def response_on_grid(self, theta: Array) -> Array:
        """The rate, ``[b, 1, q]``."""
        if self.offset is not None:
            return theta[:, None, :]
        return np.asarray(1.0 / (1.0 + np.exp(-theta)))[:, None, :]

    def common(self) -> Array:
        """The logit of the summed counts, where there is no offset."""
        if self.offset is not None:
            return super().common()
        events, total = self.events.sum(-1), self.total.sum(-1)
        # At an edge there is none: a rate of half an event.
        events = np.clip(events, 0.5, np.maximum(total - 0.5, 0.5))
        return np.asarray(np.log(events) - np.log(np.maximum(total - events, 0.5)))

    def bend(self, theta: Array) -> tuple[Array, Array]:
        """Slope and negative second derivative; plain products that lose digits in the upper tail."""
        p = special.expit(theta if self.offset is None else theta + self.offset)
        expected = self.total * p
        p *= expected
        return self.events - expected, expected - p

    def response(self, theta: Array) -> Array:
        """The rate of a study: the inverse logit. With an offset theta is the effect, and the response."""
        return np.asarray(special.expit(theta)) if self.offset is None else theta

    def shrunken(self, mu: Array, tau: Array, score: Array) -> Array | None:
        """The slope is ``events - total p``; with an offset theta itself is wanted, by Stein's identity."""
        if self.offset is not None:
            return mu[:, None] + (tau * tau)[:, None] * score
        return np.asarray((self.events - score) / np.where(self.total > 0, self.total, 1.0))

    def tails(self, theta: Array) -> tuple[Array, Array]:
        """Probabilities of fewer and of more events than were observed."""
        rate = special.expit(theta if self.offset is None else theta + self.offset)
        return binomial_tails(self.events, self.total, rate)

    def centre(self, common: Array, tau: Array) -> Array:
        """A mean of logits lies farther out than the logit of a mean rate (Zeger, Liang and Albert 1988, doi:10.2307/2531734)."""
        return np.asarray(common * np.sqrt(1.0 + 0.346 * tau * tau))


class BinomialProbit(_Counts):
    """``events ~ Binomial(total, Phi(theta))``."""

    def __init__(self, events: Array, total: Array) -> None:
        p = _corrected_rate(events, total)
        theta = special.ndtri(p)
        density = np.exp(-0.5 * theta * theta) / np.sqrt(2 * np.pi)
        super().__init__(events, total, theta, total * density * density / (p * (1 - p)))

    def terms(self, theta: Array) -> tuple[Array, Array, Array]:
        """Log-likelihood, its slope and its negative second derivative."""
        others = self.total - self.events
        log_p, log_q = special.log_ndtr(theta), special.log_ndtr(-theta)
        log_density = -0.5 * theta * theta - 0.5 * np.log(2 * np.pi)
        # Inverse Mills ratios of both tails; their logarithms stay accurate where the tails vanish.
        a, c = np.exp(log_density - log_p), np.exp(log_density - log_q)
        loglik = self.events * log_p + others * log_q
        return loglik, self.events * a - others * c, self.events * a * (a + theta) + others * c * (c - theta)

    def on_grid(self, theta: Array) -> Array:
        """Log-likelihoods ``[b, k, q]`` at predictors ``[b, q]`` that the studies of a fit share."""
        log_p, log_q = special.log_ndtr(theta)[:, None, :], special.log_ndtr(-theta)[:, None, :]
        return np.asarray(self.events[:, :, None] * log_p + (self.total - self.events)[:, :, None] * log_q)

    def response(self, theta: Array) -> Array:
        """The rate of a study: the normal distribution function."""
        return np.asarray(special.ndtr(theta))

    def centre(self, common: Array, tau: Array) -> Array:
        """The mean rate is ``Phi(mu / sqrt(1 + tau^2))``."""
        return np.asarray(common * np.sqrt(1.0 + tau * tau))


class BinomialCloglog(_Counts):
    """``events ~ Binomial(total, 1 - exp(-exp(theta)))``."""

    end_steps = 8

    def __init__(self, events: Array, total: Array) -> None:
        p = _corrected_rate(events, total)
        hazard = -np.log1p(-p)
        super().__init__(events, total, np.log(hazard), total * (1 - p) / p * hazard * hazard)

    def terms(self, theta: Array) -> tuple[Array, Array, Array]:
        """Log-likelihood, its slope and its negative second derivative."""
        others = self.total - self.events
        # Beyond, a single patient without the event has a likelihood of exp(-1e13).
        theta = np.minimum(theta, 30.0)
        hazard = np.exp(theta)
        p = -np.expm1(-hazard)
        # h / (exp(h) - 1), 1 at h = 0: the slope of log p.
        ratio = np.where(hazard > 1e-12, hazard * np.exp(-np.minimum(hazard, 745.0)) / np.maximum(p, 1e-300), 1.0)
        with np.errstate(divide="ignore"):
            log_p = np.where(hazard > 1e-12, np.log(np.maximum(p, 1e-300)), theta)
        loglik = self.events * log_p - others * hazard
        bend = self.events * ratio * (hazard + ratio - 1.0) + others * hazard
        return loglik, self.events * ratio - others * hazard, bend

    def response(self, theta: Array) -> Array:
        """The rate of a study."""
        return np.asarray(-np.expm1(-np.exp(np.minimum(theta, 30.0))))

    def centre(self, common: Array, tau: Array) -> Array:
        """A mean rate that is small behaves as that of a lognormal one, a larger one less so."""
        return np.asarray(common - 0.5 * np.minimum(tau * tau, 2.0 * tau))


class Poisson(_Counts):
    """``events ~ Poisson(time exp(theta))``; `total` holds the person-time, zero where a study is absent."""

    end_steps = 8

    def __init__(self, events: Array, time: Array) -> None:
        self.events, self.total = events, time
        present = time > 0
        log_time = np.log(np.where(present, time, 1.0))
        self.constant = (events * log_time - special.gammaln(events + 1)).sum(-1)
        self.size = events.sum(-1)
        self.edge = events == 0
        self.guess = np.where(present, np.log(events + 0.5) - log_time, 0.0)
        self.precision = np.where(present, events + 0.5, 0.0)

    def terms(self, theta: Array) -> tuple[Array, Array, Array]:
        """Log-likelihood, its slope and its negative second derivative."""
        expected = self.total * np.exp(np.minimum(theta, 200.0))
        return self.events * theta - expected, self.events - expected, expected

    def on_grid(self, theta: Array) -> Array:
        """Log-likelihoods ``[b, k, q]`` at predictors ``[b, q]`` that the studies of a fit share."""
        mean = np.exp(np.minimum(theta, 200.0))[:, None, :]
        return np.asarray(self.events[:, :, None] * theta[:, None, :] - self.total[:, :, None] * mean)

    def tails(self, theta: Array) -> tuple[Array, Array]:
        """Probabilities of fewer and of more events than were observed."""
        return poisson_tails(self.events, self.total * np.exp(np.minimum(theta, 200.0)))

    def response(self, theta: Array) -> Array:
        """The incidence rate of a study."""
        return np.exp(theta)

    def shrunken(self, mu: Array, tau: Array, score: Array) -> Array | None:
        """The slope is ``events - time exp(theta)``."""
        return np.asarray((self.events - score) / np.where(self.total > 0, self.total, 1.0))

    def centre(self, common: Array, tau: Array) -> Array:
        """The mean of a lognormal rate is ``exp(mu + tau^2 / 2)``."""
        return np.asarray(common - 0.5 * np.minimum(tau * tau, 2.0 * tau))


class Hypergeometric(_Terms):
    """Events in one group given the events of both: Fisher's noncentral hypergeometric distribution, theta the log odds ratio.

    Stijnen, Hamza and Ozdemir (2010, doi:10.1002/sim.4040). The sum over the support is written out, so that nothing is
    approximated.
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
