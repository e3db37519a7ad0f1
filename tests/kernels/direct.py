"""The binomial-normal likelihood by brute force: a dense trapezoidal sum over the random effect, nothing shared with the kernel."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln, logsumexp

_Z = np.linspace(-12, 12, 24001)


def loglik(events, total, mu, tau):
    """Log-likelihood of one set of studies, binomial coefficients included."""
    e, n = np.asarray(events, float)[:, None], np.asarray(total, float)[:, None]
    theta = mu + tau * _Z
    density = e * theta - n * np.logaddexp(0, theta) - 0.5 * _Z**2 - 0.5 * np.log(2 * np.pi)
    coefficients = gammaln(n + 1) - gammaln(e + 1) - gammaln(n - e + 1)
    return float((logsumexp(density, axis=1) + np.log(_Z[1] - _Z[0]) + coefficients[:, 0]).sum())


def random_sets(seed, count, width=40):
    """Random sets of studies, hard ones among them: `count` padded rows with an event and a non-event each."""
    rng = np.random.default_rng(seed)
    events, total = np.zeros((count, width)), np.zeros((count, width))
    row = 0
    while row < count:
        k = int(rng.integers(2, width + 1))
        largest = rng.choice([20, 150, 5000])
        n = np.exp(rng.uniform(0, np.log(largest), k)).round().clip(1)
        if rng.random() < 0.1:
            n[0] = 5000
        mu, tau = rng.choice([-6, -4, -2, 0, 2, 4]) + 0.5 * rng.normal(), rng.choice([0, 0.1, 0.5, 1, 2, 3.2])
        e = rng.binomial(n.astype(int), 1 / (1 + np.exp(-(mu + tau * rng.normal(size=k)))))
        if 0 < e.sum() < n.sum():
            events[row], total[row] = 0, 0
            events[row, :k], total[row, :k] = e, n
            row += 1
    return events, total
