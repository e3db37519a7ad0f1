"""The likelihood of two beta-binomial stages by rising factorials, arm by arm: nothing shared with the kernel."""

from __future__ import annotations

from math import comb, log

import numpy as np
from scipy.special import expit, logsumexp


def beta_binomial(x, n, m, psi):
    """Log-probability of x of n."""
    above = sum(log(m + i * psi) for i in range(x)) + sum(log(1 - m + i * psi) for i in range(n - x))
    return log(comb(n, x)) + above - sum(log(1 + i * psi) for i in range(n))


def arm(n, first, both, m1, psi1, m2, psi2):
    """Log-probability of what one arm reports; None is a count that it does not report."""
    if first is None:
        return logsumexp([arm(n, a, both, m1, psi1, m2, psi2) for a in range(both + 1)])
    own = beta_binomial(first, n, m1, psi1)
    return own if both is None else own + beta_binomial(both - first, n - first, m2, psi2)


def loglik(arms, at):
    """Log-likelihood of arms (total, first, both) at (mu1, psi1, mu2, psi2)."""
    m1, m2 = float(expit(at[0])), float(expit(at[2]))
    return float(sum(arm(*each, m1, at[1], m2, at[3]) for each in arms))


def random_arms(rng, k, hidden=True):
    """Arms of two stages, hard ones among them."""
    at = rng.normal(0, 1.2), rng.choice([0, 0.05, 0.4]), rng.normal(0.5, 1.2), rng.choice([0, 0.05, 0.4])
    out = []
    for _ in range(k):
        n = int(rng.integers(1, 40))
        first = int(rng.binomial(n, _rate(rng, at[0], at[1])))
        both = first + int(rng.binomial(n - first, _rate(rng, at[2], at[3])))
        kind = rng.random() if hidden else 0.0
        out.append((n, None, both) if kind > 0.8 else (n, first, None) if kind > 0.6 else (n, first, both))
    return out


def _rate(rng, mu, psi):
    m = expit(mu)
    return m if psi == 0 else rng.beta(m / psi, (1 - m) / psi)


def arrays(arms):
    """Total, first and both as the kernel takes them."""
    return tuple(np.array([np.nan if value is None else value for value in column], dtype=float) for column in zip(*arms, strict=True))
