"""The two-step kernels of meta-regression against matrix formulas, dense grids and each other."""

import numpy as np
import pytest

from metanet.kernels.inverse_variance import intervals, regression, regression_tau2, tau2
from metanet.kernels.inverse_variance.regression_tau2 import Problem
from metanet.kernels.inverse_variance.search import maximise
from metanet.kernels.resampling import permutations
from metanet.models.registry import TAU2

NAMES = tuple(tau2.ESTIMATORS)


def test_every_estimator_of_the_registry_has_a_kernel_and_the_reverse():
    assert set(tau2.ESTIMATORS) == set(TAU2)


def hard_sets(seed, b, k=14, p=3):
    """Effects, variances over many powers of ten, designs; a tenth of the studies absent."""
    rng = np.random.default_rng(seed)
    v = np.where(rng.random((b, 1)) < 0.5, np.exp(rng.uniform(-9, 4, (b, k))), np.exp(rng.normal(-2, 1, (b, k))))
    tau = rng.choice([0, 0.01, 0.1, 0.5, 1, 3], (b, 1))
    y = rng.normal(size=(b, k)) * np.sqrt(v + tau**2)
    y += (rng.random((b, k)) < 0.15) * rng.choice([0, 1, 5], (b, 1)) * rng.normal(size=(b, k))
    x = np.concatenate([np.ones((b, k, 1)), rng.normal(size=(b, k, p - 1))], axis=-1)
    x[::2, :, -1] = rng.integers(0, 2, (b, k))[::2]
    gone = rng.random((b, k)) < 0.1
    gone[:, : p + 2] = False
    return y, np.where(gone, np.inf, v), x


def matrices(y, v, x, t):
    """W and P as k x k matrices, from their definition."""
    w = np.diag(1 / (v + t))
    return w, w - w @ x @ np.linalg.inv(x.T @ w @ x) @ x.T @ w


def test_every_closed_form_follows_from_the_projection_matrix():
    y, v, x = hard_sets(1, 6)
    found = {name: regression_tau2.estimate(name, y, v, x) for name in ("DL", "HE", "HS", "HSk", "SJ")}
    for i in range(6):
        there = np.isfinite(v[i])
        yi, vi, xi = y[i][there], v[i][there], x[i][there]
        k, p = xi.shape
        w, proj = matrices(yi, vi, xi, 0.0)
        qe = yi @ proj @ yi
        plain = np.eye(k) - xi @ np.linalg.inv(xi.T @ xi) @ xi.T
        crude = np.var(yi)
        wanted = {
            "DL": (qe - (k - p)) / np.trace(proj),
            "HE": (yi @ plain @ yi - np.trace(plain @ np.diag(vi))) / (k - p),
            "HS": (qe - k) / np.trace(w),
            "HSk": (qe * k / (k - p) - k) / np.trace(w),
            "SJ": crude * (yi @ matrices(yi, vi, xi, crude)[1] @ yi) / (k - p),
        }
        for name, value in wanted.items():
            np.testing.assert_allclose(found[name][i], max(0.0, value), rtol=1e-8, err_msg=name)


def test_the_root_of_paule_and_mandel_gives_q_its_degrees_of_freedom():
    y, v, x = hard_sets(2, 200)
    t = regression_tau2.estimate("PM", y, v, x)
    problem = Problem.of(y, v, x)
    inside = t > 0
    assert 50 < inside.sum() < 200
    np.testing.assert_allclose(problem.q(t)[inside], problem.df[inside], rtol=1e-9)
    assert (problem.q(np.zeros(200))[~inside] <= problem.df[~inside]).all()


@pytest.mark.parametrize("kind", ["restricted", "full"])
def test_the_likelihood_is_that_of_its_definition(kind):
    y, v, x = hard_sets(3, 5)
    t = np.full(5, 0.3)
    found = Problem.of(y, v, x).likelihood(kind).loglik(t)
    for i in range(5):
        there = np.isfinite(v[i])
        yi, vi, xi = y[i][there], v[i][there], x[i][there]
        k, p = xi.shape
        w, proj = matrices(yi, vi, xi, 0.3)
        wanted = -0.5 * (np.log(vi + 0.3).sum() + yi @ proj @ yi + k * np.log(2 * np.pi))
        if kind == "restricted":
            # Of orthonormal contrasts: the determinant of X'WX relative to that of X'X.
            wanted -= 0.5 * (np.linalg.slogdet(xi.T @ w @ xi)[1] - np.linalg.slogdet(xi.T @ xi)[1] - p * np.log(2 * np.pi))
        np.testing.assert_allclose(found[i], wanted, rtol=1e-10)


@pytest.mark.parametrize("kind", ["restricted", "full"])
def test_no_point_of_a_dense_grid_is_higher_than_the_maximum(kind):
    y, v, x = hard_sets(4, 600)
    problem = Problem.of(y, v, x).likelihood(kind)
    height = problem.loglik(t := maximise(problem))
    top = np.einsum("ij,ij->j", problem.y, problem.y)
    low = np.minimum(1e-2 * problem.v.min(0), 1e-4 * top)
    best = problem.loglik(np.zeros(600))
    for share in np.linspace(0, 1, 120):
        best = np.maximum(best, problem.loglik(low * (1.2 * top / low) ** share))
    # Rounding of a likelihood of this size.
    assert (best - height).max() < 1e-10
    assert 0 < (t == 0).sum() < 600


@pytest.mark.parametrize("name", NAMES)
def test_an_intercept_alone_gives_the_estimators_of_the_mean(name):
    y, v, _ = hard_sets(5, 300)
    wanted = tau2.ESTIMATORS[name](y, v)
    found = regression_tau2.estimate(name, y, v, np.ones((14, 1)))
    # HE, HS: the difference of sums that nearly cancel.
    np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-12)


def test_an_intercept_alone_gives_the_sums_of_the_mean():
    y, v, _ = hard_sets(16, 300)
    mean, line = tau2.Studies(y, v), Problem.of(y, v, np.ones((14, 1)))
    for name in ("count", "df", "qe", "total", "trace", "squares", "sampling", "crude"):
        np.testing.assert_allclose(getattr(line, name), getattr(mean, name), rtol=1e-9, err_msg=name)
    t = np.full(300, 0.3)
    np.testing.assert_allclose(line.q(t), mean.q(t), rtol=1e-9)
    for kind in ("restricted", "full"):
        one, other = mean.likelihood(kind), line.likelihood(kind)
        np.testing.assert_allclose(other.score(t), one.score(t), rtol=1e-7, atol=1e-7)
        for found, wanted in zip(other.derivatives(t), one.derivatives(t), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-7)
        fall = one.loglik(np.zeros(300)) - one.loglik(t)
        np.testing.assert_allclose(other.loglik(np.zeros(300)) - other.loglik(t), fall, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_an_intercept_alone_gives_the_q_profile_of_the_mean(level):
    y, v, _ = hard_sets(17, 300)
    for found, wanted in zip(regression_tau2.q_profile(y, v, np.ones((14, 1)), level), intervals.q_profile(y, v, level), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_gives_the_numbers_of_single_fits(name):
    y, v, x = hard_sets(6, 40)
    whole = regression.fit(y, v, x, name)
    for i in range(0, 40, 3):
        one = regression.fit(y[i : i + 1], v[i : i + 1], x[i], name)
        for field in ("beta", "covariance", "tau2", "q", "qe", "typical", "loglik"):
            np.testing.assert_allclose(getattr(whole, field)[i], getattr(one, field)[0], rtol=1e-12, atol=0, err_msg=field)


def test_a_batch_beyond_one_piece_gives_the_numbers_of_its_parts():
    y, v, x = hard_sets(14, 2000)
    whole = regression.fit(y, v, x)
    permuted = regression.fit(y[:1], v[:1], x, np.full(2000, 0.1))
    for rows in (slice(0, 300), slice(1500, 2000)):
        part = regression.fit(y[rows], v[rows], x[rows])
        np.testing.assert_allclose(whole.beta[rows], part.beta, rtol=1e-12)
        np.testing.assert_allclose(whole.tau2[rows], part.tau2, rtol=1e-12)
        one = regression.fit(y[:1], v[:1], x[rows], np.full(x[rows].shape[0], 0.1))
        np.testing.assert_allclose(permuted.beta[rows], one.beta, rtol=1e-12)
    assert whole.tau2.shape == permuted.tau2.shape == (2000,)


@pytest.mark.parametrize("name", NAMES)
def test_rows_with_no_study_or_one_have_no_coefficients(name):
    y, v, x = hard_sets(15, 3)
    v[0], v[1, 1:] = np.inf, np.inf
    found = regression.fit(y, v, x, name)
    np.testing.assert_array_equal(found.k, [0, 1, np.isfinite(v[2]).sum()])
    assert np.isnan(found.beta[:2]).all()
    assert np.isfinite(found.beta[2]).all()
    np.testing.assert_array_equal(found.tau2[:2], 0)


@pytest.mark.parametrize("name", NAMES)
def test_the_scale_of_the_effects_changes_nothing_but_the_scale(name):
    y, v, x = hard_sets(7, 60)
    one, other = regression.fit(y, v, x, name), regression.fit(1e-4 * y, 1e-8 * v, x, name)
    np.testing.assert_allclose(1e8 * other.tau2, one.tau2, rtol=1e-8, atol=1e-14)
    np.testing.assert_allclose(1e4 * other.beta, one.beta, rtol=1e-8, atol=1e-10)


def test_the_units_of_a_moderator_change_its_coefficient_alone():
    y, v, x = hard_sets(8, 60)
    moved = x.copy()
    moved[..., 1] = 2000 + 10 * x[..., 1]
    one, other = regression.fit(y, v, x), regression.fit(y, v, moved)
    # A year is nearly the intercept: of sixteen digits it leaves about eleven.
    np.testing.assert_allclose(other.tau2, one.tau2, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(10 * other.beta[:, 1], one.beta[:, 1], rtol=1e-8, atol=1e-10)


def test_an_absent_study_counts_for_nothing():
    y, v, x = hard_sets(9, 20)
    v[:, -1] = np.inf
    wild = y.copy()
    wild[:, -1], x[:, -1, 1] = 1e6, -1e6
    one, other = regression.fit(wild, v, x), regression.fit(y[:, :-1], v[:, :-1], x[:, :-1])
    for field in ("beta", "tau2", "qe", "k", "df", "loglik"):
        np.testing.assert_allclose(getattr(one, field), getattr(other, field), rtol=1e-10, err_msg=field)


def test_a_collinear_design_is_told_and_its_tau2_is_that_of_its_span():
    y, v, x = hard_sets(10, 10, p=2)
    double = np.concatenate([x, 3 * x[..., 1:] - 2], axis=-1)
    one, other = regression.fit(y, v, x), regression.fit(y, v, double)
    assert np.isnan(other.beta).all()
    np.testing.assert_array_equal(other.df, one.df)
    np.testing.assert_allclose(other.tau2, one.tau2, rtol=1e-9)


def test_weighted_least_squares_are_solved_and_leverages_sum_to_the_rank():
    y, v, x = hard_sets(11, 8)
    found = regression.fit(y, v, x, np.full(8, 0.2))
    np.testing.assert_allclose(found.hat.sum(-1), 3, rtol=1e-10)
    for i in range(8):
        there = np.isfinite(v[i])
        w, _ = matrices(y[i][there], v[i][there], x[i][there], 0.2)
        a = x[i][there].T @ w @ x[i][there]
        np.testing.assert_allclose(found.beta[i], np.linalg.solve(a, x[i][there].T @ w @ y[i][there]), rtol=1e-8)
        np.testing.assert_allclose(found.covariance[i], np.linalg.inv(a), rtol=1e-8)


def test_the_omnibus_test_does_not_depend_on_units():
    y, v, x = hard_sets(12, 10)
    contrast, units = np.eye(3)[1:], np.array([1.0, 1e8, 1e-7])
    one, other = regression.fit(y, v, x), regression.fit(y, v, x * units)
    df = np.full(10, np.inf)
    np.testing.assert_allclose(
        regression.wald(one.beta, one.covariance, contrast, df), regression.wald(other.beta, other.covariance, contrast, df), rtol=1e-8
    )


def test_arrangements_are_complete_different_and_begin_with_the_observed():
    x = np.column_stack([np.ones(7), [1, 0, 0, 1, 0, 1, 0]])
    index, complete = permutations.arrangements(x, 35, 1)
    columns = x[index][:, :, 1]
    assert complete
    assert index.shape == (35, 7)
    assert len({tuple(row) for row in columns}) == 35
    np.testing.assert_array_equal(columns[0], x[:, 1])
    index, complete = permutations.arrangements(x, 34, 1)
    assert not complete
    assert index.shape == (34, 7)
    np.testing.assert_array_equal(index[0], np.arange(7))
    assert (np.sort(index, axis=1) == np.arange(7)).all()


@pytest.mark.parametrize("ci", ["z", "HK"])
def test_permutation_statistics_are_those_of_a_fit_of_each_arrangement(ci):
    rng = np.random.default_rng(13)
    y, v = 3 + rng.normal(size=12), rng.uniform(0.05, 0.5, 12)
    x = np.column_stack([np.ones(12), rng.normal(2000, 8, 12), rng.normal(size=12)])
    index, _ = permutations.arrangements(x, 60, 2)
    single, omnibus = permutations.two_step_statistics(y, v, x, index, "REML", ci, np.eye(3)[1:])
    for row in range(0, 60, 7):
        found = regression.fit(y[None], v[None], x[index[row]])
        factor = regression.scale_factor(found, ci)[0]
        se = np.sqrt(np.diag(found.covariance[0]) * factor)
        # The intercept stands two thousand units from the data.
        np.testing.assert_allclose(single[row], np.abs(found.beta[0]) / se, rtol=1e-8)
        qm = regression.wald(found.beta, found.covariance * factor, np.eye(3)[1:], np.array([np.inf]))[0]
        np.testing.assert_allclose(omnibus[row], qm[0], rtol=1e-8)


def test_ties_count_for_the_permutation_p_value():
    statistics = np.array([2.0, 2.0 * (1 - 1e-12), 1.0, 3.0, np.nan])
    assert permutations.p_values(statistics) == pytest.approx(4 / 5)
