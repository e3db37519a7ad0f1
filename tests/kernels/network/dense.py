"""A network by plain matrices of all contrasts: an independent second implementation, from the formulas alone.

Every study gives the contrasts of its arms with its first one, with covariance ``v_1 J + diag``; nothing is shared with the package.
"""

from __future__ import annotations

import itertools

import numpy as np
from scipy import linalg, optimize


class Dense:
    """One network: `studies` is a list of lists of (treatment, effect, variance)."""

    def __init__(self, studies, treatments):
        self.studies, self.treatments = studies, treatments
        y, blocks, between, rows = [], [], [], []
        for arms in studies:
            base, effect, variance = arms[0]
            count = len(arms) - 1
            y += [arm[1] - effect for arm in arms[1:]]
            blocks.append(variance * np.ones((count, count)) + np.diag([arm[2] for arm in arms[1:]]))
            between.append(0.5 * (np.ones((count, count)) + np.eye(count)))
            for arm in arms[1:]:
                row = np.zeros(treatments)
                row[arm[0]], row[base] = 1.0, -1.0
                rows.append(row)
        self.y, self.v, self.p0 = np.array(y), linalg.block_diag(*blocks), linalg.block_diag(*between)
        # The first treatment is the reference.
        self.x = np.array(rows)[:, 1:]
        self.df = len(y) - self.x.shape[1]

    def gls(self, tau2):
        weight = np.linalg.inv(self.v + tau2 * self.p0)
        covariance = np.linalg.inv(self.x.T @ weight @ self.x)
        beta = covariance @ self.x.T @ weight @ self.y
        residual = self.y - self.x @ beta
        projection = weight - weight @ self.x @ covariance @ self.x.T @ weight
        return np.r_[0.0, beta], covariance, float(residual @ weight @ residual), projection

    def contrasts(self, tau2):
        effect, covariance, _, _ = self.gls(tau2)
        full = np.zeros((self.treatments, self.treatments))
        full[1:, 1:] = covariance
        diagonal = np.diag(full)
        return effect[:, None] - effect, np.sqrt(np.maximum(diagonal[:, None] + diagonal - 2 * full, 0))

    def dl(self):
        _, _, q, projection = self.gls(0.0)
        return max(0.0, (q - self.df) / np.trace(projection @ self.p0)) if self.df else 0.0

    def loglik(self, tau2):
        total = self.v + tau2 * self.p0
        _, covariance, q, _ = self.gls(tau2)
        return -0.5 * (np.linalg.slogdet(total)[1] - np.linalg.slogdet(covariance)[1] + q)

    def reml(self):
        """The best of many starts: a fine scan, then a bounded search around its best point."""
        if not self.df:
            return 0.0
        grid = np.r_[0.0, np.geomspace(1e-6, 50.0, 400)]
        best = int(np.argmax([self.loglik(t) for t in grid]))
        if best == 0:
            return 0.0
        ends = grid[best - 1], grid[min(best + 1, len(grid) - 1)]
        return optimize.minimize_scalar(lambda t: -self.loglik(t), bounds=ends, method="bounded", options={"xatol": 1e-12}).x

    def within(self, tau2):
        """Q and df of the full interaction model: every design by itself."""
        sets = {tuple(sorted(arm[0] for arm in arms)) for arms in self.studies}
        q = df = 0
        for design in sets:
            own = [arms for arms in self.studies if tuple(sorted(arm[0] for arm in arms)) == design]
            place = {treatment: i for i, treatment in enumerate(design)}
            part = Dense([[(place[t], e, v) for t, e, v in arms] for arms in own], len(design))
            q, df = q + part.gls(tau2)[2], df + part.df
        return q, df

    def direct(self, i, j, tau2):
        """The mean of the contrasts of studies with both, and its error."""
        found = []
        for arms in self.studies:
            by = {arm[0]: arm for arm in arms}
            if i in by and j in by:
                found.append((by[i][1] - by[j][1], by[i][2] + by[j][2] + tau2))
        if not found:
            return None
        y, v = np.array(found).T
        return (y / v).sum() / (1 / v).sum(), (1 / v).sum() ** -0.5


def simulate(seed):
    """A network of counts: 2 to 9 treatments, 1 to 25 studies of 2 to 5 arms, rare to common events, connected."""
    rng = np.random.default_rng(seed)
    treatments = int(rng.integers(2, 10))
    effects = rng.normal(0, 0.6, treatments)
    base, tau = rng.choice([-3.5, -1.5, 0.0]), rng.choice([0.0, 0.2, 0.7])
    studies = [[i, int(rng.integers(0, i))] for i in range(1, treatments)]
    more = range(int(rng.integers(0, 20)))
    studies += [rng.permutation(treatments)[: rng.integers(2, min(5, treatments) + 1)].tolist() for _ in more]
    y, n = [], []
    for arms in studies:
        total = rng.integers(15, 250, len(arms))
        logit = rng.normal(base, 0.5) + effects[arms] + rng.normal(0, tau / np.sqrt(2), len(arms))
        y.append(rng.binomial(total, 1 / (1 + np.exp(-logit))).tolist())
        n.append(total.tolist())
    return treatments, studies, y, n


def effects_of(y, n, measure="OR"):
    """Arm effects and variances of one study, corrected as the rule says."""
    y, n = np.array(y, dtype=float), np.array(n, dtype=float)
    if ((y == 0) | (y == n)).any():
        y, n = y + 0.5, n + 1.0
    if measure == "OR":
        return np.log(y / (n - y)), 1 / y + 1 / (n - y)
    if measure == "RR":
        return np.log(y / n), 1 / y - 1 / n
    return y / n, y / n * (1 - y / n) / n


def dense_of(seed, measure="OR"):
    treatments, studies, y, n = simulate(seed)
    rows = []
    for arms, events, total in zip(studies, y, n, strict=True):
        effect, variance = effects_of(events, total, measure)
        rows.append(list(zip(arms, effect, variance, strict=True)))
    return Dense(rows, treatments)


def pairs(count):
    return itertools.permutations(range(count), 2)
