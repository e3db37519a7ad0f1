"""Priors of the Bayesian binomial-normal model: a normal mean of the logits and four families of their spread.

Half-normal, half-Cauchy and half-t are the positive halves of distributions about zero (Gelman 2006, doi:10.1214/06-BA117A); all
densities are normalised, so that marginal likelihoods can be compared.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]

#: Families of the prior of tau.
TAU_FAMILIES = ("half-normal", "half-cauchy", "half-t", "uniform")


@dataclass(frozen=True)
class MuPrior:
    """``mu ~ N(mean, sd^2)`` on the logit scale."""

    mean: float
    sd: float

    def log_density(self, mu: Array) -> Array:
        """Log density."""
        z = (mu - self.mean) / self.sd
        return np.asarray(-0.5 * z * z - np.log(self.sd) - 0.5 * np.log(2 * np.pi))


@dataclass(frozen=True)
class TauPrior:
    """Prior of tau >= 0. `scale` is the upper end of the uniform one; `df` belongs to half-t, and is 1 for half-Cauchy."""

    family: str
    scale: float
    df: float = np.inf

    def log_density(self, tau: Array) -> Array:
        """Log density at tau >= 0; beyond a uniform prior's end minus infinity."""
        x = tau / self.scale
        if self.family == "uniform":
            return np.where(x <= 1.0, -np.log(self.scale), -np.inf)
        if self.family == "half-normal":
            return np.asarray(0.5 * np.log(2 / np.pi) - np.log(self.scale) - 0.5 * x * x)
        half = 0.5 * self.df
        # The logarithm of a beta function keeps its digits where two log gammas would cancel.
        constant = np.log(2.0) - 0.5 * np.log(self.df) - special.betaln(0.5, half)
        return np.asarray(constant - np.log(self.scale) - (half + 0.5) * np.log1p(x * x / self.df))

    def quantile(self, probability: float) -> float:
        """The value below which tau falls with `probability`."""
        return self.upper_quantile(1.0 - probability)

    def upper_quantile(self, tail: float) -> float:
        """The value that tau exceeds with probability `tail`; a small tail keeps its digits."""
        if self.family == "uniform":
            return self.scale * (1.0 - tail)
        if self.family == "half-normal":
            return -self.scale * float(special.ndtri(0.5 * tail))
        return -self.scale * float(special.stdtrit(self.df, 0.5 * tail))

    @property
    def tail_power(self) -> float:
        """The prior density falls like ``tau^-(1 + tail_power)``; infinity where it falls faster or ends."""
        return self.df if self.family in ("half-t", "half-cauchy") else np.inf
