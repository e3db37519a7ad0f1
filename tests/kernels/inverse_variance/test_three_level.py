"""The three-level likelihood against dense matrices, and its maximum against grids."""

import numpy as np
import pytest

from metanet.kernels.inverse_variance.clusters import Clusters
from metanet.kernels.inverse_variance.three_level import Effects, climb, evaluate, fit, heights
from metanet.kernels.numerics import distributions

KINDS = ("restricted", "full")


def problem(rng, kind):
    sizes = rng.choice([1, 1, 2, 3, 6], rng.integers(3, 12))
    sizes[0] = 3
    code = np.repeat(np.arange(sizes.size), sizes)
    v = np.exp(rng.uniform(-4, 1, code.size))
    spread = rng.choice([0.0, 0.2, 1.0], 2)
    y = rng.normal(0, spread[0], sizes.size)[code] + rng.normal(0, spread[1], code.size)
    y += rng.normal(size=code.size) * np.sqrt(v)
    order = rng.permutation(code.size)
    return y[order], v[order], code[order], Effects.of(y[order], v[order], Clusters.of(code[order].tolist()), kind)


def dense(y, v, code, theta, kind):
    """Log-likelihood without constants, with the covariance of all arms written out."""
    covariance = np.diag(v + theta[1]) + theta[0] * (code[:, None] == code)
    inverse = np.linalg.inv(covariance)
    total = inverse.sum()
    r = y - inverse.sum(0) @ y / total
    out = -0.5 * (np.linalg.slogdet(covariance)[1] + r @ inverse @ r)
    return out - 0.5 * np.log(total) if kind == "restricted" else out


@pytest.mark.parametrize("kind", KINDS)
def test_the_likelihood_is_that_of_the_whole_covariance_matrix(kind):
    rng = np.random.default_rng(1)
    for _ in range(10):
        y, v, code, effects = problem(rng, kind)
        theta = rng.uniform(0, 1, (3, 2)) ** 3
        wanted = [dense(y, v, code, point, kind) for point in theta]
        np.testing.assert_allclose(heights(effects, theta), wanted, rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(evaluate(effects, theta).loglik, wanted, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("kind", KINDS)
def test_score_and_information_are_the_derivatives(kind):
    effects = problem(np.random.default_rng(2), kind)[3]
    theta = np.array([[0.3, 0.2]])
    at = evaluate(effects, theta)
    for j in range(2):
        step = np.zeros((1, 2))
        step[0, j] = 1e-5
        up, down = evaluate(effects, theta + step), evaluate(effects, theta - step)
        np.testing.assert_allclose((up.loglik - down.loglik) / 2e-5, at.score[:, j], rtol=1e-6)
        np.testing.assert_allclose((up.score - down.score) / 2e-5, -at.information[:, j], rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_every_climb_ends_where_the_score_is_zero_or_points_out(kind):
    rng = np.random.default_rng(3)
    for _ in range(40):
        y, _, _, effects = problem(rng, kind)
        top = 2 * np.ptp(y) ** 2
        start = top * rng.uniform(0, 1, (12, 2)) ** 4
        start[rng.uniform(size=start.shape) < 0.25] = 0.0
        end, height = climb(effects, start, np.ones(start.shape, dtype=bool))
        assert (height >= heights(effects, start) - 1e-10).all()
        score = evaluate(effects, end).score * np.maximum(end, 1e-6 * top)
        assert (np.where(end > 0, np.abs(score), np.maximum(score, 0.0)) < 1e-6).all()


@pytest.mark.parametrize("kind", KINDS)
def test_no_point_of_a_fine_grid_lies_above_the_maximum(kind):
    rng = np.random.default_rng(4)
    for i in range(25):
        y, v, code, _ = problem(rng, kind)
        scale = 10.0 ** rng.integers(-5, 4)
        effects = Effects.of(scale * y, scale**2 * v, Clusters.of(code.tolist()), kind)
        found = fit(effects, (True, True), 0.95)
        points = np.concatenate([[0.0], np.geomspace(1e-5, 1.0, 40)]) * 2 * np.ptp(scale * y) ** 2
        between, within = np.meshgrid(points, points)
        total, share = np.meshgrid(points, np.linspace(0, 1, 21))
        for a, b in ((between, within), (total * share, total * (1 - share))):
            assert heights(effects, np.stack([a.ravel(), b.ravel()], -1)).max() <= found.loglik + 1e-10, i


@pytest.mark.parametrize("kind", KINDS)
def test_the_ends_of_the_profile_lie_on_its_level(kind):
    effects = problem(np.random.default_rng(8), kind)[3]
    found = fit(effects, (True, True), 0.9)
    drop = 0.5 * distributions.chi2_quantile(0.9, 1)
    other = np.concatenate([[0.0], np.geomspace(1e-4, 20, 4000)])
    for j in range(2):
        for end in (found.lower[j], found.upper[j]):
            line = np.empty((other.size, 2))
            line[:, j], line[:, 1 - j] = end, other
            below = found.loglik - heights(effects, line).max()
            if end == 0:
                assert below <= drop + 1e-9
            else:
                # A grid of 4,000 points misses the top of the profile by less than this.
                assert below == pytest.approx(drop, abs=1e-4)


def test_the_unit_of_the_effects_does_not_matter():
    y, v, code, effects = problem(np.random.default_rng(9), "restricted")
    one = fit(effects, (True, True), 0.95)
    for scale in (1e-8, 1e6):
        other = fit(Effects.of(scale * y, scale**2 * v, Clusters.of(code.tolist()), "restricted"), (True, True), 0.95)
        np.testing.assert_allclose(other.tau2 / scale**2, one.tau2, rtol=1e-7, atol=1e-12)
        np.testing.assert_allclose(other.upper / scale**2, one.upper, rtol=1e-7)


def test_equal_effects_have_no_spread():
    effects = Effects.of(np.ones(4), np.array([1.0, 2, 3, 4]), Clusters.of([0, 0, 1, 1]), "restricted")
    found = fit(effects, (True, True), 0.95)
    assert found.tau2.tolist() == [0.0, 0.0]
    assert found.mean == 1.0
    assert (found.upper > 0).all()
