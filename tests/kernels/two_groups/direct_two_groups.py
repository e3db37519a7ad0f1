"""The two-group models by brute force: dense sums over the random effects, Laplace's method, random sets. Nothing of the kernels."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, gammaln, xlogy


def rows(events, total, events_control, total_control):
    """One set of studies as a batch of one."""
    return tuple(np.array([values], float) for values in (events, total, events_control, total_control))


def coefficients(events, total, events_control, total_control):
    """Logarithms of the binomial coefficients of each study."""
    a, n1, c, n2 = (np.asarray(values, float) for values in (events, total, events_control, total_control))
    parts = [gammaln(n + 1) - gammaln(x + 1) - gammaln(n - x + 1) for x, n in ((a, n1), (c, n2))]
    return parts[0] + parts[1]


def _softplus(x):
    """log(1 + exp(x)) for values that do not overflow; half the time of `logaddexp`."""
    return np.log1p(np.exp(x))


def _log_of_sum(x):
    """Logarithm of the sum of exp(x)."""
    top = x.max()
    return top + np.log(np.exp(x - top).sum())


def fixed_intercepts(data, theta, tau, alpha):
    """Log-likelihood of UM.FS, by a sum over 26,001 points."""
    z = np.linspace(-13, 13, 26001)
    value = 0.0
    for a, n1, c, n2, mid in zip(*data, alpha, strict=True):
        l1, l2 = mid + (theta + tau * z) / 2, mid - (theta + tau * z) / 2
        density = a * l1 - n1 * _softplus(l1) + c * l2 - n2 * _softplus(l2) - z * z / 2
        value += _log_of_sum(density) + np.log(z[1] - z[0]) - np.log(2 * np.pi) / 2
    return float(value + coefficients(*data).sum())


def random_intercepts(data, theta, alpha, tau, sigma, points=1601):
    """Log-likelihood of UM.RS, by a sum over a square grid; a step must be shorter than a study's posterior is wide."""
    z = np.linspace(-12, 12, points)
    u = z[:, None]
    value = 0.0
    for a, n1, c, n2 in zip(*data, strict=True):
        l1, l2 = alpha + sigma * u + (theta + tau * z) / 2, alpha + sigma * u - (theta + tau * z) / 2
        density = a * l1 - n1 * _softplus(l1) + c * l2 - n2 * _softplus(l2) - z * z / 2 - u * u / 2
        value += _log_of_sum(density) + 2 * np.log(z[1] - z[0]) - np.log(2 * np.pi)
    return float(value + coefficients(*data).sum())


def laplace(data, theta, alpha, tau, sigma):
    """Log-likelihood of UM.RS as lme4 and metafor approximate it: a normal curve about each study's joint mode."""
    a, n1, c, n2 = (np.asarray(values, float) for values in data)

    def at(u, z):
        l1, l2 = alpha + sigma * u + (theta + tau * z) / 2, alpha + sigma * u - (theta + tau * z) / 2
        p1, p2 = expit(l1), expit(l2)
        w1, w2 = n1 * p1 * (1 - p1), n2 * p2 * (1 - p2)
        value = a * l1 - n1 * np.logaddexp(0, l1) + c * l2 - n2 * np.logaddexp(0, l2) - z * z / 2 - u * u / 2
        slope = sigma * (a - n1 * p1 + c - n2 * p2) - u, tau / 2 * (a - n1 * p1 - c + n2 * p2) - z
        bend = 1 + sigma**2 * (w1 + w2), sigma * tau / 2 * (w1 - w2), 1 + tau**2 / 4 * (w1 + w2)
        return value, slope, bend

    u, z = np.zeros(a.shape), np.zeros(a.shape)
    value, slope, bend = at(u, z)
    for _ in range(200):
        determinant = bend[0] * bend[2] - bend[1] ** 2
        du = (bend[2] * slope[0] - bend[1] * slope[1]) / determinant
        dz = (bend[0] * slope[1] - bend[1] * slope[0]) / determinant
        length = np.ones(a.shape)
        for _ in range(30):
            new, new_slope, new_bend = at(u + length * du, z + length * dz)
            worse = new < value - 1e-12 * (1 + np.abs(value))
            if not worse.any():
                break
            length[worse] /= 2
        u, z, value, slope, bend = u + length * du, z + length * dz, new, new_slope, new_bend
        if max(np.abs(du).max(), np.abs(dz).max()) < 1e-10:
            break
    return float((value - np.log(bend[0] * bend[2] - bend[1] ** 2) / 2 + coefficients(*data)).sum())


def own_rates(events, total):
    """Log-likelihood of counts with a rate of its own for each, binomial coefficients included."""
    x, n = np.asarray(events, float), np.asarray(total, float)
    choose = gammaln(n + 1) - gammaln(x + 1) - gammaln(n - x + 1)
    return float((choose + xlogy(x, x / n) + xlogy(n - x, (n - x) / n)).sum())


def hard_sets(seed, count, width=40):
    """Random sets: tiny and large studies, rates from 0 to 1, equal and unequal arms, no spread to a wide one; `count` padded rows."""
    rng = np.random.default_rng(seed)
    result = [np.zeros((count, width)) for _ in range(4)]
    for row in range(count):
        k = int(rng.integers(2, width + 1))
        largest = rng.choice([5, 30, 150, 5000])
        n1 = np.exp(rng.uniform(0, np.log(largest), k)).round().clip(1)
        n2 = np.exp(rng.uniform(0, np.log(largest), k)).round().clip(1) if rng.random() < 0.5 else n1.copy()
        alpha = rng.choice([-6, -4, -2, 0, 3]) + rng.choice([0, 0.5, 2]) * rng.normal(size=k)
        theta = rng.choice([0, -1, 2]) + rng.choice([0, 0.1, 0.5, 1, 3.2]) * rng.normal(size=k)
        a, c = (rng.binomial(n1.astype(int), expit(alpha + theta / 2)), rng.binomial(n2.astype(int), expit(alpha - theta / 2)))
        for target, values in zip(result, (a, n1, c, n2), strict=True):
            target[row, :k] = values
    return tuple(result)
