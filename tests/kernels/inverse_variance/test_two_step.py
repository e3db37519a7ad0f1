"""tau2 estimators where other programs stop early or in the wrong place, and the root finder under them."""

import numpy as np
import pytest

from metanet.kernels.inverse_variance import intervals, tau2, two_step
from metanet.kernels.numerics.roots import find_roots


def dense_reml(y, v):
    """REML by a grid refined around its best point; the likelihood is written anew."""

    def height(t):
        w = 1 / (v + t)
        mean = (w * y).sum() / w.sum()
        return -0.5 * (np.log(v + t).sum() + np.log(w.sum()) + (w * (y - mean) ** 2).sum())

    top = 4 * (y.max() - y.min()) ** 2 + 1e-300
    grid = np.concatenate([[0], np.geomspace(top * 1e-10, top, 3000)])
    for _ in range(40):
        values = np.array([height(t) for t in grid])
        i = values.argmax()
        grid = np.linspace(grid[max(i - 1, 0)], grid[min(i + 1, len(grid) - 1)], 21)
    return grid[np.array([height(t) for t in grid]).argmax()], height


def test_scale_does_not_matter():
    rng = np.random.default_rng(2)
    v = rng.uniform(0.01, 0.3, (200, 9))
    y = rng.normal(size=v.shape) * np.sqrt(v + rng.choice([0.0, 0.05, 0.4], (200, 1)))
    for estimator in tau2.ESTIMATORS.values():
        plain = estimator(y, v)
        for factor in (1e-4, 1e4):
            np.testing.assert_allclose(estimator(y * factor, v * factor**2), plain * factor**2, rtol=1e-8, atol=1e-13 * factor**2)


def test_reml_is_the_global_maximum_on_rare_events():
    # traps.md: plain Fisher scoring ended in the wrong place in 1.1 % of such data sets.
    rng = np.random.default_rng(8)
    for _ in range(60):
        n = np.exp(rng.uniform(np.log(1e4), np.log(1.6e6), 12)).round()
        p = 2e-4 * np.exp(0.3 * rng.normal(size=12))
        e = rng.binomial(n.astype(int), p)
        e = np.where(e == 0, 0.5, e)
        y, v = e / n, e / n * (1 - e / n) / n
        ours = tau2.reml(y[None], v[None])[0]
        best, height = dense_reml(y, v)
        assert height(ours) >= height(best) - 1e-10
        # Where the maximum is unique both agree; the grid resolves about 1e-7 of it.
        assert ours == pytest.approx(best, rel=1e-5, abs=1e-16) or height(ours) > height(best)


def test_paule_mandel_meets_its_equation():
    rng = np.random.default_rng(4)
    v = rng.uniform(0.001, 2, (300, 7))
    y = rng.normal(size=v.shape)
    t = tau2.pm(y, v)
    q = two_step.weighted_mean(y, v, t).q
    np.testing.assert_allclose(q[t > 0], 6, rtol=1e-10)
    assert (two_step.weighted_mean(y, v, np.zeros(300)).q[t == 0] <= 6).all()


def test_dersimonian_laird_is_truncated_at_zero():
    y, v = np.array([[0.1, 0.1, 0.1]]), np.array([[1.0, 2.0, 3.0]])
    assert tau2.dl(y, v)[0] == 0


def test_an_absent_study_changes_nothing():
    rng = np.random.default_rng(1)
    y, v = rng.normal(size=(1, 6)), rng.uniform(0.05, 0.4, (1, 6))
    padded_y, padded_v = np.concatenate([y, [[0, 0]]], 1), np.concatenate([v, [[np.inf, np.inf]]], 1)
    for estimator in tau2.ESTIMATORS.values():
        np.testing.assert_allclose(estimator(padded_y, padded_v), estimator(y, v), rtol=1e-12)
    np.testing.assert_allclose(intervals.q_profile(padded_y, padded_v, 0.95)[:2], intervals.q_profile(y, v, 0.95)[:2], rtol=1e-12)


def test_roots_are_found_to_relative_precision_on_every_scale():
    scale = np.array([1e-12, 1e-3, 1.0, 1e9])
    found = find_roots(lambda x, i: x**3 - (scale[i] * 0.37) ** 3, np.zeros(4), scale * 10)
    np.testing.assert_allclose(found, scale * 0.37, rtol=1e-13)


def test_a_bracket_without_a_change_of_sign_is_not_answered():
    assert np.isnan(find_roots(lambda x, i: x * x + 1, np.array([-1.0]), np.array([1.0])))[0]


def test_r2_is_the_share_of_the_heterogeneity_that_is_accounted_for():
    before, after = np.array([0.4, 0.4, 0.2, 0.0]), np.array([0.1, 0.5, 0.0, 0.0])
    np.testing.assert_allclose(two_step.r2(before, after), [0.75, 0.0, 1.0, np.nan])
