"""The two-group model with random intercepts against brute-force integration in two dimensions, differences and grids."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import chi2

from metanet.kernels.two_groups import um_rs
from metanet.kernels.two_groups.counts import Rule
from metanet.kernels.two_groups.um_rs import tau_interval, theta_interval
from tests.kernels.two_groups.direct_two_groups import hard_sets, laplace, random_intercepts, rows

SPREAD = (
    [2, 18, 9, 30, 1, 25, 14, 6],
    [40, 35, 30, 44, 28, 31, 50, 22],
    [20, 6, 10, 9, 15, 8, 30, 3],
    [38, 40, 33, 41, 30, 36, 52, 25],
)
EMPTY = ([0, 5, 3, 0, 10, 2, 0, 30], [20, 30, 25, 40, 10, 18, 9, 300], [0, 2, 6, 4, 10, 9, 0, 20], [22, 28, 30, 41, 10, 21, 30, 280])
DROP = chi2.ppf(0.95, 1) / 2


def counts_of(data):
    return um_rs.count(*data, (data[1] > 0) & (data[3] > 0))


def local(data, point, rule=um_rs.RULES[1]):
    counts = counts_of(rows(*data))
    return um_rs.bind(counts, rule)(np.array([point], float), np.zeros_like(counts.a), np.arange(1))


@pytest.mark.parametrize(
    ("point", "nodes", "within"),
    [
        ((-0.5, -1.5, 0.6, 0.8), 48, 1e-10),
        ((0.0, -2.0, 0.0, 0.0), 48, 1e-10),
        ((-1.0, -3.0, 0.0, 1.0), 48, 1e-10),
        ((0.2, -3.0, 1.5, 0.0), 48, 1e-10),
        ((1.0, -1.0, 2.0, 3.0), 96, 1e-10),
        ((0.0, 0.0, 8.0, 6.0), 192, 1e-9),
    ],
)
def test_likelihood_is_that_of_brute_force_integration(point, nodes, within):
    wanted = random_intercepts(EMPTY, *point)
    assert local(EMPTY, point, Rule(nodes, 37.0)).loglik[0] == pytest.approx(wanted, rel=within)


def test_slope_and_curvature_are_those_of_the_likelihood():
    point, h = np.array([-0.5, -1.5, 0.6, 0.8]), 1e-4
    value = lambda p: local(EMPTY, p).loglik[0]  # noqa: E731
    steps = np.eye(4) * h
    at = local(EMPTY, point)
    slope = [(value(point + s) - value(point - s)) / (2 * h) for s in steps]
    np.testing.assert_allclose(at.score[0], slope, rtol=1e-6, atol=1e-6)
    curvature = [
        [-sum(value(point + i * s + j * t) * i * j for i in (-1, 1) for j in (-1, 1)) / (4 * h * h) for s in steps] for t in steps
    ]
    np.testing.assert_allclose(at.information[0], curvature, rtol=1e-4, atol=1e-4)


# The posterior of a large study is narrow where the intercepts are wide apart: its grid has to be finer.
@pytest.mark.parametrize(("data", "points"), [(SPREAD, 401), (EMPTY, 801)])
def test_the_maximum_is_where_an_independent_optimiser_of_the_brute_force_likelihood_finds_it(data, points):
    fit = um_rs.fit(*rows(*data))
    assert fit.settled[0]
    point = np.array([fit.theta[0], fit.alpha[0], fit.tau[0], fit.sigma[0]])
    top = random_intercepts(data, *point, points=points)
    assert fit.loglik[0] == pytest.approx(top, rel=1e-8)
    # Some brute-force evaluations from beside the maximum find nothing higher.
    found = minimize(
        lambda p: -random_intercepts(data, p[0], p[1], abs(p[2]), abs(p[3]), points),
        point + 0.02,
        method="Nelder-Mead",
        options={"maxfev": 30},
    )
    assert -found.fun <= top + 1e-8


def test_the_standard_error_is_the_curvature_of_the_brute_force_likelihood():
    fit = um_rs.fit(*rows(*SPREAD))
    point, h = np.array([fit.theta[0], fit.alpha[0], fit.tau[0], fit.sigma[0]]), 1e-2
    value = lambda p: random_intercepts(SPREAD, *p, points=401)  # noqa: E731
    steps, curvature = np.eye(4) * h, np.zeros((4, 4))
    for i in range(4):
        for j in range(i, 4):
            total = sum(value(point + s * steps[i] + t * steps[j]) * s * t for s in (-1, 1) for t in (-1, 1))
            curvature[i, j] = curvature[j, i] = -total / (4 * h * h)
    # Differences over 0.01: truncation about 1e-3.
    np.testing.assert_allclose(fit.covariance[0], np.linalg.inv(curvature), rtol=1e-2, atol=1e-4)
    np.testing.assert_allclose(fit.se[0] ** 2, fit.covariance[0, 0, 0])


def test_no_point_of_a_grid_beats_the_fit_on_hard_sets():
    data = hard_sets(1, 16, width=10)
    fit = um_rs.fit(*data)
    usable = ~fit.unbounded
    assert usable.sum() >= 8
    assert fit.settled[usable].all()
    for name in ("theta", "se", "alpha", "tau", "sigma", "loglik", "loglik_common", "covariance", "study_information"):
        assert np.isfinite(getattr(fit, name)[usable]).all()
    counts = counts_of(data).take(usable)
    for tau in (0.0, 0.3, 1.0, 3.0):
        for sigma in (0.0, 0.3, 1.0, 3.0):
            x = np.stack([fit.theta, fit.alpha, 0 * fit.tau + tau, 0 * fit.tau + sigma], -1)[usable]
            at = um_rs.ascend(counts, x, np.zeros_like(counts.a), um_rs.RULES[1], (0, 1), tolerance=1e-4)[2]
            assert (at.loglik - fit.loglik[usable]).max() < 1e-6


def test_a_padded_batch_gives_the_numbers_of_single_fits():
    data = hard_sets(2, 6, width=6)
    together = um_rs.fit(*data)
    for i in range(6):
        alone = um_rs.fit(*(values[i : i + 1, data[1][i] > 0] for values in data))
        for name in ("theta", "se", "tau", "sigma", "loglik", "loglik_common"):
            np.testing.assert_allclose(getattr(together, name)[i], getattr(alone, name)[0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "data",
    [
        ([0, 0, 0, 0], [20, 30, 25, 40], [3, 2, 6, 4], [22, 28, 30, 41]),
        ([3, 2], [22, 28], [20, 30], [20, 30]),
        ([0, 0], [20, 30], [0, 0], [20, 30]),
        ([0, 0], [0, 0], [0, 0], [0, 0]),
        ([0, 20, 0, 20], [20, 20, 25, 20], [20, 0, 25, 0], [20, 20, 25, 21]),
    ],
)
def test_what_has_no_maximum_is_flagged(data):
    fit = um_rs.fit(*rows(*data))
    assert fit.unbounded[0]
    assert not fit.settled[0]
    assert np.isnan([fit.theta[0], fit.se[0], fit.tau[0], fit.sigma[0], fit.loglik[0]]).all()
    for interval in (tau_interval, theta_interval):
        assert np.isnan(interval(*rows(*data), fit, 0.95)).all()


def test_both_spreads_can_be_exactly_zero():
    data = rows([6, 12, 18, 9, 24], [20, 41, 60, 30, 81], [8, 17, 24, 13, 33], [20, 42, 60, 31, 80])
    fit = um_rs.fit(*data)
    assert (fit.tau[0], fit.sigma[0]) == (0, 0)
    a, n1, c, n2 = (values.sum() for values in data)
    # Nothing is left but the summed table.
    assert fit.theta[0] == pytest.approx(np.log(a * (n2 - c) / (c * (n1 - a))), rel=1e-8)
    assert fit.se[0] ** 2 == pytest.approx(1 / a + 1 / (n1 - a) + 1 / c + 1 / (n2 - c), rel=1e-8)
    assert tau_interval(*data, fit, 0.95)[0][0] == 0


def test_studies_without_events_in_both_arms_stay():
    fit = um_rs.fit(*rows(*EMPTY))
    assert fit.used.all()
    without = um_rs.fit(*(values[:, [1, 2, 3, 4, 5, 7]] for values in rows(*EMPTY)))
    assert fit.alpha[0] < without.alpha[0]


def test_swapping_the_groups_turns_the_sign():
    a, n1, c, n2 = rows(*SPREAD)
    fit, turned = um_rs.fit(a, n1, c, n2), um_rs.fit(c, n2, a, n1)
    np.testing.assert_allclose(turned.theta, -fit.theta, rtol=1e-6)
    np.testing.assert_allclose([turned.tau, turned.sigma], [fit.tau, fit.sigma], rtol=1e-5)
    np.testing.assert_allclose(turned.loglik, fit.loglik, rtol=1e-11)


def test_shares_of_information_sum_to_the_information_without_the_intercept():
    fit = um_rs.fit(*rows(*SPREAD))
    information = local(SPREAD, (fit.theta[0], fit.alpha[0], fit.tau[0], fit.sigma[0])).information[0]
    wanted = information[0, 0] - information[0, 1] ** 2 / information[1, 1]
    assert fit.study_information.sum() == pytest.approx(wanted, rel=1e-5)
    assert (fit.study_information > 0).all()


def test_ends_lie_the_quantile_below_the_maximum():
    data = rows(*SPREAD)
    fit = um_rs.fit(*data)
    counts = counts_of(data)
    base = np.array([[fit.theta[0], fit.alpha[0], fit.tau[0], fit.sigma[0]]])
    for ends, place, free in (
        (tau_interval(*data, fit, 0.95), um_rs.TAU, (0, 1, 3)),
        (theta_interval(*data, fit, 0.95), um_rs.THETA, (1, 2, 3)),
    ):
        assert ends[0][0] < base[0, place] < ends[1][0]
        for end in ends:
            x = base.copy()
            x[0, place] = end[0]
            at = um_rs.ascend(counts, x, np.zeros_like(counts.a), um_rs.RULES[2], free)[2]
            assert fit.loglik[0] - at.loglik[0] == pytest.approx(DROP, abs=1e-5)
    narrow = theta_interval(*data, fit, 0.8)
    wide = theta_interval(*data, fit, 0.95)
    assert wide[0][0] < narrow[0][0] < narrow[1][0] < wide[1][0]


def test_the_heterogeneity_test_compares_with_free_odds_ratios():
    data = rows(*SPREAD)
    fit = um_rs.fit(*data)
    statistic, df, pvalue = um_rs.heterogeneity_test(*data, fit)
    assert df[0] == 7
    assert pvalue[0] == pytest.approx(chi2.sf(statistic[0], 7), rel=1e-10)
    assert statistic[0] > 2 * (fit.loglik[0] - fit.loglik_common[0])


def test_laplace_is_near_and_not_the_same():
    # What the reference programs can compute: near enough to show that the model is the same, too far to be its answer.
    fit = um_rs.fit(*rows(*SPREAD))
    approximate = laplace(SPREAD, fit.theta[0], fit.alpha[0], fit.tau[0], fit.sigma[0])
    assert 1e-3 < abs(approximate - fit.loglik[0]) < 0.5
