"""Residuals of counts under what the other studies predict, against direct sums and integrals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, special, stats

from metanet.kernels.normal_effect.random_effect import beta_binomial_residual, normal_residual, predictive_residual
from metanet.kernels.normal_effect.study_likelihoods import BinomialCloglog, BinomialLogit, BinomialProbit, Hypergeometric, Poisson
from metanet.kernels.numerics.distributions import binomial_tails, poisson_tails

CASES = [(0, 20), (3, 20), (20, 20), (40, 9000), (1, 1)]


@pytest.mark.parametrize(("y", "n"), CASES)
def test_binomial_tails_are_those_of_scipy(y, n):
    below, above = binomial_tails(np.array(float(y)), np.array(float(n)), np.array(0.2))
    assert below == pytest.approx(stats.binom.cdf(y - 1, n, 0.2), rel=1e-10, abs=1e-300)
    assert above == pytest.approx(stats.binom.sf(y, n, 0.2), rel=1e-10, abs=1e-300)


def test_poisson_tails_are_those_of_scipy():
    below, above = poisson_tails(np.array([0.0, 4.0]), np.array([2.0, 2.0]))
    np.testing.assert_allclose(below, stats.poisson.cdf([-1, 3], 2.0), rtol=1e-12)
    np.testing.assert_allclose(above, stats.poisson.sf([0, 4], 2.0), rtol=1e-12)


def test_an_absent_study_has_no_tails():
    assert binomial_tails(np.array(0.0), np.array(0.0), np.array(0.3)) == (0.0, 0.0)


@pytest.mark.parametrize("likelihood", [BinomialLogit, BinomialProbit, BinomialCloglog, Poisson])
@pytest.mark.parametrize(("y", "n"), CASES)
def test_the_residual_is_the_quantile_of_the_mid_p_value(likelihood, y, n):
    studies = likelihood(np.array([[float(y)]]), np.array([[float(n)]]))
    mean, sd = -0.8, 0.6

    def mid(theta: float) -> float:
        below, above = studies.tails(np.array([[theta]]))
        return float((below + 0.5 * (1 - below - above))[0, 0]) * stats.norm.pdf(theta, mean, sd)

    p = integrate.quad(mid, mean - 10 * sd, mean + 10 * sd, limit=500, points=[float(studies.guess[0, 0])])[0]
    found = predictive_residual(studies, np.array([[mean]]), np.array([[sd]]))[0, 0]
    # quad itself is right to some 1e-8 here; the quantile magnifies that in the tails.
    assert special.ndtr(found) == pytest.approx(p, abs=2e-6)


def test_two_groups_are_judged_given_the_events_of_both():
    counts = [np.array([[float(x)]]) for x in (7, 20, 2, 25)]
    studies = Hypergeometric(*counts)
    below, above = studies.tails(np.array([[0.7]]))
    other = stats.nchypergeom_fisher(45, 9, 20, np.exp(0.7))
    assert below[0, 0] == pytest.approx(other.cdf(6), rel=1e-8)
    assert above[0, 0] == pytest.approx(other.sf(7), rel=1e-8)


def test_the_beta_binomial_residual_is_that_of_the_mixed_distribution():
    mu, se, rho = -1.2, 0.3, 0.08
    size = 1 / rho - 1

    def mid(x: float) -> float:
        p = special.expit(x)
        law = stats.betabinom(30, p * size, (1 - p) * size)
        return (law.cdf(1) + 0.5 * law.pmf(2)) * stats.norm.pdf(x, mu, se)

    p = integrate.quad(mid, mu - 8 * se, mu + 8 * se)[0]
    found = beta_binomial_residual(*(np.array([x]) for x in (2.0, 30.0, mu, se, rho)))
    assert special.ndtr(found[0]) == pytest.approx(p, abs=1e-6)


def test_small_tails_keep_their_digits_on_both_sides():
    below, above = np.array([1e-20, 1 - 1e-12]), np.array([1 - 1e-12, 1e-20])
    found = normal_residual(below, above)
    assert found[0] == pytest.approx(-found[1], rel=1e-6)
    assert np.isfinite(found).all()
