"""The two ways to the moments of a study: sums over its nodes, and products of matrices for a large batch of logits."""

import numpy as np
import pytest
from scipy import integrate, special

from metanet.kernels.normal_effect import moments
from metanet.kernels.normal_effect.moments import study_moments
from metanet.kernels.normal_effect.random_effect import RULES, SCAN_RULE, nodes_interval
from metanet.kernels.normal_effect.study_likelihoods import BinomialLogit


def studies_of(seed, largest, shape=(40, 9), offset=False):
    rng = np.random.default_rng(seed)
    total = rng.integers(1, largest, shape).astype(float)
    events = rng.binomial(total.astype(int), rng.beta(0.4, 0.6, shape)).astype(float)
    total[:, -1] = events[:, -1] = 0.0
    return BinomialLogit(events, total, rng.normal(0, 2, shape) if offset else None), rng


@pytest.mark.parametrize("rule", [SCAN_RULE, *RULES[:2]])
@pytest.mark.parametrize("largest", [4, 60, 3000])
@pytest.mark.parametrize("offset", [False, True])
@pytest.mark.parametrize("place", [-9.0, 0.0, 9.0])
def test_both_ways_give_the_same(monkeypatch, rule, largest, offset, place):
    studies, rng = studies_of(largest, largest, offset=offset)
    mu, tau = place + rng.normal(0, 1, 40), rng.uniform(0.05, 5, 40)
    low, length, _ = nodes_interval(studies, mu, tau, rule.drop)
    found = []
    for least in (0, 10**9):
        monkeypatch.setattr(moments, "_MANY", least)
        found.append(study_moments(studies, mu, tau, rule.nodes, low, length))
    for name in found[0]._fields:
        one, other = (getattr(each, name) for each in found)
        # Sums of n terms of the size of their largest, that of tau times larger by z and once more by z.
        size = 1.0 + np.abs(other) + studies.total * (1.0 + (low + 0.5 * length) ** 2)
        assert np.max(np.abs(one - other) / size) < 2e-12, name


def test_the_moments_are_those_of_an_integral_by_another_method(monkeypatch):
    monkeypatch.setattr(moments, "_MANY", 0)
    events, total, mu, tau = 3.0, 17.0, -0.4, 1.3
    studies = BinomialLogit(np.array([[events]]), np.array([[total]]))
    low, length, _ = nodes_interval(studies, np.array([mu]), np.array([tau]), RULES[1].drop)
    found = study_moments(studies, np.array([mu]), np.array([tau]), RULES[1].nodes, low, length)

    def loglik(m, t):
        def integrand(z):
            p = special.expit(m + t * z)
            return p**events * (1 - p) ** (total - events) * np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)

        return np.log(integrate.quad(integrand, -12, 12, epsabs=0, epsrel=1e-13, limit=400)[0])

    h = 1e-3
    grid = {(i, j): loglik(mu + i * h, tau + j * h) for i in (-1, 0, 1) for j in (-1, 0, 1)}
    assert found.loglik[0, 0] == pytest.approx(grid[0, 0], abs=1e-12)
    # Differences of the second order, whose error is about h^2.
    assert found.score[0, 0] == pytest.approx((grid[1, 0] - grid[-1, 0]) / (2 * h), abs=1e-5)
    assert found.tau_score[0, 0] == pytest.approx((grid[0, 1] - grid[0, -1]) / (2 * h), abs=1e-5)
    assert found.information[0, 0] == pytest.approx(-(grid[1, 0] - 2 * grid[0, 0] + grid[-1, 0]) / h**2, abs=1e-4)
    assert found.tau_information[0, 0] == pytest.approx(-(grid[0, 1] - 2 * grid[0, 0] + grid[0, -1]) / h**2, abs=1e-4)
    mixed = (grid[1, 1] - grid[1, -1] - grid[-1, 1] + grid[-1, -1]) / (4 * h * h)
    assert found.cross[0, 0] == pytest.approx(-mixed, abs=1e-4)


def test_numbers_that_overflow_are_left_to_the_sums(monkeypatch):
    monkeypatch.setattr(moments, "_MANY", 0)
    studies, _ = studies_of(1, 30)
    mu, tau = np.full(40, 900.0), np.full(40, 1.0)
    low, length, _ = nodes_interval(studies, mu, tau, SCAN_RULE.drop)
    assert moments._logit_moments(studies, mu, tau, SCAN_RULE.nodes, low, length) is None
    assert np.isfinite(study_moments(studies, mu, tau, SCAN_RULE.nodes, low, length).loglik).all()
