"""Prediction intervals: the integrated bootstrap against the sampled one, the others by their formulas."""

import numpy as np
import pytest
from scipy.stats import norm, t

from metanet.kernels.inverse_variance import tau2, two_step, two_step as prediction


def sampled(y, v, draws, seed):
    """The published algorithm with random numbers: tau2 from its confidence distribution by simulating Q, then the rest."""
    rng = np.random.default_rng(seed)
    k = y.size
    a = 1 / v
    q = (a * (y - (a * y).sum() / a.sum()) ** 2).sum()
    grid = np.concatenate([[0.0], np.geomspace(1e-4, 300, 500)])
    # P(Q > q; tau2) at every tau2 of the grid from common random numbers.
    z = rng.normal(size=(60_000, k))
    above = []
    for each in grid:
        e = z * np.sqrt(v + each)
        deviation = e - ((a * e).sum(1) / a.sum())[:, None]
        above.append(((a * deviation**2).sum(1) > q).mean())
    u = rng.uniform(size=draws)
    # A share of draws below the first value has tau2 = 0.
    drawn = np.where(u <= above[0], 0.0, np.interp(u, above, grid))
    w = 1 / (v + drawn[:, None])
    mean = (w * y).sum(1) / w.sum(1)
    se = np.sqrt((w * (y - mean[:, None]) ** 2).sum(1) / ((k - 1) * w.sum(1)))
    return mean + rng.normal(size=draws) * np.sqrt(drawn) + rng.standard_t(k - 1, size=draws) * se


@pytest.mark.parametrize(
    ("y", "v"),
    [
        ([0.1, 0.9, -0.4, 0.5, 1.4, 0.2], [0.05, 0.1, 0.08, 0.2, 0.06, 0.15]),
        ([0.3, 0.35, 0.2, 0.31], [0.05, 0.1, 0.08, 0.2]),
        ([-1.0, 0.2, 2.5], [0.1, 0.3, 0.2]),
    ],
)
def test_the_integrated_bootstrap_is_the_limit_of_the_sampled_one(y, v):
    y, v = np.array(y), np.array(v)
    lower, upper = prediction.bootstrap(y[None], v[None], 0.95)
    drawn = sampled(y, v, 400_000, 7)
    # The share of draws outside each end is 2.5 % up to the simulation error of the draws and of the distribution of Q.
    assert (drawn < lower[0]).mean() == pytest.approx(0.025, abs=0.002)
    assert (drawn > upper[0]).mean() == pytest.approx(0.025, abs=0.002)


def test_more_nodes_move_nothing(monkeypatch):
    y, v = np.array([[0.1, 0.9, -0.4, 0.5, 1.4, 0.2]]), np.array([[0.05, 0.1, 0.08, 0.2, 0.06, 0.15]])
    before = prediction.bootstrap(y, v, 0.95)
    monkeypatch.setattr(prediction, "_TAU2_NODES", 110)
    monkeypatch.setattr(prediction, "_ERROR_NODES", 150)
    np.testing.assert_allclose(prediction.bootstrap(y, v, 0.95), before, rtol=1e-6)


def test_two_studies_have_no_bootstrap_interval():
    lower, upper = prediction.bootstrap(np.array([[0.1, 0.5]]), np.array([[0.1, 0.2]]), 0.95)
    assert np.isnan(lower[0])
    assert np.isnan(upper[0])


def test_student_and_normal_intervals_are_their_formulas():
    y, v = np.array([[0.1, 0.9, -0.4, 0.5]]), np.array([[0.05, 0.1, 0.08, 0.2]])
    best = tau2.reml(y, v)
    fit = two_step.weighted_mean(y, v, best)
    se = np.sqrt(fit.variance)
    width = np.sqrt(best[0] + fit.variance[0])
    low, high = prediction.student(fit.mean, se, best, np.array([2.0]), 0.9)
    assert low[0] == pytest.approx(fit.mean[0] - t.ppf(0.95, 2) * width, rel=1e-12)
    assert high[0] == pytest.approx(fit.mean[0] + t.ppf(0.95, 2) * width, rel=1e-12)
    low, high = prediction.normal(fit.mean, se, best, 0.9)
    assert high[0] - low[0] == pytest.approx(2 * norm.ppf(0.95) * width, rel=1e-12)
