"""What one study says about its linear predictor: the likelihoods that a normal random effect is put on.

A likelihood object holds the counts of a batch ``[b, k]`` and gives, at predictors `theta` of shape ``[..., b, k]``, the
log-likelihood of every study without its constant, its slope in theta and the negative second derivative. All are concave in
theta, which the quadrature relies on. An absent study contributes exactly nothing.
"""

from __future__ import annotations

from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray
from scipy import special

from metanet.kernels.count_tails import binomial_tails, poisson_tails

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
Mask = NDArray[np.bool_]


class Likelihood(Protocol):
    """The studies of a batch of fits.

    `constant` is ``[b]``, the part of the log-likelihood without theta; `size` ``[b]`` what its rounding grows with; `guess` and
    `precision` ``[b, k]`` a normal approximation of every study's own likelihood, precision 0 where it is absent.
    `end_steps` is how many Newton steps find the end of a study's integrand from outside: more where a tail falls as a
    double exponential. `edge` is ``[b, k]``: the study's likelihood has no maximum at a finite theta (all of its patients had
    the same outcome).
    """

    constant: Array
    size: Array
    guess: Array
    precision: Array
    edge: Mask
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
    return np.asarray(
        (special.gammaln(total + 1) - special.gammaln(events + 1) - special.gammaln(total - events + 1)).sum(-1)
    )


def weighted_guess(guess: Array, precision: Array) -> Array:
    """Mean of the studies' own estimates, each by its precision."""
    total = precision.sum(-1)
    return np.asarray((precision * guess).sum(-1) / np.where(total > 0, total, 1.0))


def _corrected_rate(events: Array, total: Array) -> Array:
    """A rate that is never 0 or 1, for a start."""
    return (events + 0.5) / (total + 1.0)


class _Counts:
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

    def common(self) -> Array:
        """The mean of the studies' own estimates."""
        return weighted_guess(self.guess, self.precision)

    def take(self, rows: Indices | slice) -> Self:
        """The chosen fits."""
        part = object.__new__(type(self))
        for name, value in self.__dict__.items():
            setattr(part, name, None if value is None else value[rows])
        return part


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

    def slope(self, theta: Array) -> tuple[Array, Array]:
        """Log-likelihood and its slope."""
        return self.terms(theta)[:2]

    def bend(self, theta: Array) -> tuple[Array, Array]:
        """Slope and negative second derivative."""
        return self.terms(theta)[1:]

    def terms(self, theta: Array) -> tuple[Array, Array, Array]:
        """Log-likelihood, its slope and its negative second derivative."""
        others = self.total - self.events
        log_p, log_q = special.log_ndtr(theta), special.log_ndtr(-theta)
        log_density = -0.5 * theta * theta - 0.5 * np.log(2 * np.pi)
        # Inverse Mills ratios of both tails; their logarithms stay accurate where the tails vanish.
        a, c = np.exp(log_density - log_p), np.exp(log_density - log_q)
        loglik = self.events * log_p + others * log_q
        return loglik, self.events * a - others * c, self.events * a * (a + theta) + others * c * (c - theta)

    def response(self, theta: Array) -> Array:
        """The rate of a study: the normal distribution function."""
        return np.asarray(special.ndtr(theta))

    def tails(self, theta: Array) -> tuple[Array, Array]:
        """Probabilities of fewer and of more events than were observed."""
        return binomial_tails(self.events, self.total, self.response(theta))

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

    def slope(self, theta: Array) -> tuple[Array, Array]:
        """Log-likelihood and its slope."""
        return self.terms(theta)[:2]

    def bend(self, theta: Array) -> tuple[Array, Array]:
        """Slope and negative second derivative."""
        return self.terms(theta)[1:]

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

    def tails(self, theta: Array) -> tuple[Array, Array]:
        """Probabilities of fewer and of more events than were observed."""
        return binomial_tails(self.events, self.total, self.response(theta))

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

    def slope(self, theta: Array) -> tuple[Array, Array]:
        """Log-likelihood and its slope."""
        return self.terms(theta)[:2]

    def bend(self, theta: Array) -> tuple[Array, Array]:
        """Slope and negative second derivative."""
        return self.terms(theta)[1:]

    def terms(self, theta: Array) -> tuple[Array, Array, Array]:
        """Log-likelihood, its slope and its negative second derivative."""
        expected = self.total * np.exp(np.minimum(theta, 200.0))
        return self.events * theta - expected, self.events - expected, expected

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
