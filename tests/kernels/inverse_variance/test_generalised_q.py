"""The distribution of a generalised Q against chi-squared, eigenvalues with Imhof's integral, and the edges."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import chi2

from metanet.kernels.numerics.distributions import tails


def imhof(a, s, x):
    """P(Q > x) by the eigenvalues of the quadratic form and Imhof's (1961) integral."""
    form = np.diag(a) - np.outer(a, a) / a.sum()
    root = np.sqrt(np.diag(s))
    lam = np.linalg.eigvalsh(root @ form @ root)
    lam = lam[lam > 1e-12 * lam.max()]

    def integrand(u):
        phase = 0.5 * np.arctan(lam * u).sum() - 0.5 * x * u
        return np.sin(phase) / (u * np.prod((1 + (lam * u) ** 2) ** 0.25))

    return 0.5 + quad(integrand, 0, np.inf, limit=4000, epsabs=1e-12)[0] / np.pi


@pytest.mark.parametrize("k", [2, 3, 5, 20, 50, 400])
def test_equal_weights_give_a_scaled_chi_squared(k):
    for p in (1e-8, 0.001, 0.025, 0.3, 0.5, 0.7, 0.975, 0.999, 1 - 1e-9):
        x = chi2.ppf(p, k - 1)
        upper, lower = tails(np.ones((1, k)), np.full((1, k), 2.0), np.array([2 * x]))
        # The smaller tail keeps its digits; the quantile itself carries about 1e-13.
        if p < 0.5:
            assert lower[0] == pytest.approx(chi2.cdf(x, k - 1), rel=1e-9)
        else:
            assert upper[0] == pytest.approx(chi2.sf(x, k - 1), rel=1e-9)
        assert upper[0] + lower[0] == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_unequal_weights_agree_with_the_eigenvalues(seed):
    rng = np.random.default_rng(seed)
    k = int(rng.integers(6, 12))  # fewer terms make Imhof's integral converge slowly, not ours
    a, s = np.exp(rng.normal(0, 0.7, k)), np.exp(rng.normal(0, 0.7, k))
    for share in (0.2, 1.0, 2.5):
        x = share * (a * s).sum()
        # The oscillating tail of the integral is good to about 1e-7; the other tests are sharper.
        assert tails(a[None], s[None], np.array([x]))[0][0] == pytest.approx(imhof(a, s, x), abs=3e-7)


def test_two_studies_are_one_chi_squared_of_any_weights():
    a, s = np.array([[3.0, 0.02]]), np.array([[0.1, 7.0]])
    scale = a.prod() / a.sum() * s.sum()
    for p in (0.01, 0.5, 0.99):
        assert tails(a, s, np.array([scale * chi2.ppf(p, 1)]))[1][0] == pytest.approx(p, rel=1e-11)


def test_an_absent_study_changes_nothing():
    a, s, x = np.array([[1.0, 2.0, 0.5]]), np.array([[0.3, 0.1, 0.9]]), np.array([1.1])
    padded = tails(np.concatenate([a, [[0.0]]], 1), np.concatenate([s, [[1.0]]], 1), x)
    np.testing.assert_allclose(padded, tails(a, s, x), rtol=1e-13)


def test_at_and_below_zero_everything_lies_above():
    upper, lower = tails(np.ones((2, 4)), np.ones((2, 4)), np.array([0.0, -3.0]))
    assert upper.tolist() == [1, 1]
    assert lower.tolist() == [0, 0]
