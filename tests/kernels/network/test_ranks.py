"""P-scores, rankograms and SUCRA."""

import numpy as np
from scipy import stats

from metanet.kernels.network.ranks import DRAWS, monte_carlo_error, p_scores, rankogram, sucra


def test_two_treatments_have_the_probability_of_their_difference():
    covariance = np.array([[0.04, 0.01], [0.01, 0.09]])
    exact = stats.norm.cdf(0.3 / np.sqrt(0.04 + 0.09 - 0.02))
    found = rankogram(np.array([0.3, 0.0]), covariance, higher=True)
    assert abs(found[0, 0] - exact) < 4 * np.sqrt(exact * (1 - exact) / DRAWS)
    np.testing.assert_allclose(found.sum(0), 1.0)
    np.testing.assert_allclose(found.sum(1), 1.0)
    turned = rankogram(np.array([0.3, 0.0]), covariance, higher=False)
    np.testing.assert_allclose(turned, found[:, ::-1])


def test_the_seed_is_fixed_and_a_constant_does_not_matter():
    covariance = np.diag([0.1, 0.2, 0.3])
    first = rankogram(np.array([0.0, 0.2, 0.1]), covariance, True)
    np.testing.assert_array_equal(first, rankogram(np.array([0.0, 0.2, 0.1]), covariance, True))
    np.testing.assert_allclose(first, rankogram(np.array([5.0, 5.2, 5.1]), covariance + 0.7, True), atol=2e-4)


def test_sucra_of_a_normal_distribution_is_its_p_score():
    effect, covariance = np.array([0.0, 0.4, 0.9, -0.2]), np.diag([0.1, 0.05, 0.2, 0.1])
    difference = effect[:, None] - effect
    se = np.sqrt(np.diag(covariance)[:, None] + np.diag(covariance))
    np.testing.assert_allclose(sucra(rankogram(effect, covariance, True)), p_scores(difference, se, True), atol=0.004)


def test_the_error_of_the_draws_is_that_of_a_proportion():
    assert monte_carlo_error(np.array([[0.5, 0.5], [0.5, 0.5]])) == np.sqrt(0.25 / DRAWS)
    assert monte_carlo_error(np.eye(2)) == 0.0
    assert np.isnan(sucra(np.ones((1, 1)))).all()
