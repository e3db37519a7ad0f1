"""The two-group model with fixed intercepts against direct integration, finite differences, grids and brute-force profiles."""

import mpmath
import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import chi2

from metanet.kernels.two_groups import um_fs
from metanet.kernels.two_groups.counts import Line, Rule, saturated_loglik, separated
from metanet.kernels.two_groups.um_fs import tau_interval, theta_interval
from tests.kernels.two_groups.direct_two_groups import fixed_intercepts, hard_sets, own_rates, rows

NIELWEISE = (
    [0, 4, 3, 1, 5, 0, 2, 7, 1],
    [116, 44, 68, 97, 120, 50, 28, 131, 199],
    [3, 3, 14, 1, 9, 2, 0, 11, 3],
    [117, 35, 75, 98, 130, 48, 31, 138, 200],
)
SPREAD = (
    [2, 18, 9, 30, 1, 25, 14, 6],
    [40, 35, 30, 44, 28, 31, 50, 22],
    [20, 6, 10, 9, 15, 8, 30, 3],
    [38, 40, 33, 41, 30, 36, 52, 25],
)
DROP = chi2.ppf(0.95, 1) / 2


def local(data, theta, tau, alpha, rule=um_fs.RULES[2]):
    counts = um_fs.count(*rows(*data), um_fs.usable(*rows(*data)))
    return um_fs.bind(counts, rule)(np.array([[theta, tau]]), np.array([alpha], float), np.arange(1))


def test_likelihood_is_that_of_direct_integration():
    rng = np.random.default_rng(1)
    for theta, tau in [(0.0, 0.0), (-0.7, 0.4), (1.5, 1.2), (-2.0, 3.0), (0.3, 7.0)]:
        for data in (NIELWEISE, SPREAD):
            alpha = rng.uniform(-5, 2, len(data[0]))
            wanted = fixed_intercepts(data, theta, tau, alpha)
            assert local(data, theta, tau, alpha).loglik[0] == pytest.approx(wanted, rel=1e-9)


def test_likelihood_of_one_study_is_that_of_mpmath():
    a, n1, c, n2, theta, tau, alpha = 1, 9, 4, 11, mpmath.mpf("-0.8"), mpmath.mpf("1.7"), mpmath.mpf("-0.4")

    def integrand(z):
        p1 = 1 / (1 + mpmath.exp(-(alpha + (theta + tau * z) / 2)))
        p2 = 1 / (1 + mpmath.exp(-(alpha - (theta + tau * z) / 2)))
        first = mpmath.binomial(n1, a) * p1**a * (1 - p1) ** (n1 - a)
        return first * mpmath.binomial(n2, c) * p2**c * (1 - p2) ** (n2 - c) * mpmath.npdf(z)

    with mpmath.workdps(30):
        wanted = float(mpmath.log(mpmath.quad(integrand, [-14, -6, -2, 0, 2, 6, 14])))
    assert local(([a], [n1], [c], [n2]), -0.8, 1.7, [-0.4]).loglik[0] == pytest.approx(wanted, rel=1e-12)


def test_the_interval_of_integration_holds_all_that_counts():
    rng = np.random.default_rng(4)
    data = hard_sets(4, 200, width=5)
    counts = um_fs.count(*data, um_fs.usable(*data))
    e1, e2 = rng.uniform(-8, 8, (2, 200, 5))
    line = Line(counts, e1, e2, rng.uniform(0, 5, (200, 1)))
    low, high = line.ends(line.mode(), 37.0)
    grid = np.linspace(-60, 60, 4001)
    height = np.stack([line.height(np.full((200, 5), z)).value for z in grid])
    outside = (grid[:, None, None] < low) | (grid[:, None, None] > high)
    # The mode is known to a hundredth of its width, its height to far less than one.
    assert np.where(outside, height, -np.inf).max(0).max() - height.max() <= 0
    assert (np.where(outside, height, -np.inf).max(0) < height.max(0) - 36).all()


@pytest.mark.parametrize("data", [NIELWEISE, SPREAD])
def test_slope_and_curvature_are_those_of_the_likelihood_with_the_intercepts_at_their_best(data):
    counts = um_fs.count(*rows(*data), um_fs.usable(*rows(*data)))

    def profile(theta, tau):
        x = np.array([[theta, tau]])
        return um_fs.ascend(counts, x, um_fs.intercepts(counts, x[:, 0]), um_fs.RULES[2], ())

    theta, tau, h = -0.4, 0.8, 1e-4
    _, alpha, at, _ = profile(theta, tau)
    value = {(i, j): profile(theta + i * h, tau + j * h)[2].loglik[0] for i in (-1, 0, 1) for j in (-1, 0, 1)}
    slope = [(value[1, 0] - value[-1, 0]) / (2 * h), (value[0, 1] - value[0, -1]) / (2 * h)]
    np.testing.assert_allclose(at.score[0], slope, rtol=1e-6, atol=1e-6)
    tt, uu = ((2 * value[0, 0] - value[k] - value[-k[0], -k[1]]) / h**2 for k in ((1, 0), (0, 1)))
    tu = (value[1, -1] + value[-1, 1] - value[1, 1] - value[-1, -1]) / (4 * h * h)
    # Second differences of a likelihood of size 50 carry about 1e-6 of rounding at this step.
    np.testing.assert_allclose(at.information[0], [[tt, tu], [tu, uu]], rtol=1e-4, atol=1e-4)
    assert at.loglik[0] == pytest.approx(fixed_intercepts(data, theta, tau, alpha[0]), rel=1e-10)


def test_the_standard_error_is_that_of_the_full_hessian():
    fit = um_fs.fit(*rows(*SPREAD))
    k = len(SPREAD[0])
    point = np.array([fit.theta[0], fit.tau[0], *fit.alpha[0]])
    h = 1e-3
    size = k + 2
    value = lambda p: fixed_intercepts(SPREAD, p[0], p[1], p[2:])  # noqa: E731
    steps = np.eye(size) * h
    hessian = np.zeros((size, size))
    for i in range(size):
        for j in range(i, size):
            corners = [value(point + s * steps[i] + t * steps[j]) * s * t for s in (-1, 1) for t in (-1, 1)]
            hessian[i, j] = hessian[j, i] = sum(corners) / (4 * h * h)
    inverse = np.linalg.inv(-hessian)
    np.testing.assert_allclose(fit.se[0], np.sqrt(inverse[0, 0]), rtol=1e-4)
    np.testing.assert_allclose(fit.covariance[0], inverse[:2, :2], rtol=1e-3)


@pytest.mark.parametrize("data", [NIELWEISE, SPREAD])
def test_the_maximum_is_where_an_independent_optimiser_finds_it(data):
    fit = um_fs.fit(*rows(*data))
    assert fit.settled[0]
    start = np.array([fit.theta[0], fit.tau[0], *fit.alpha[0]])
    found = minimize(lambda p: -fixed_intercepts(data, p[0], abs(p[1]), p[2:]), start + 0.05, method="BFGS", options={"gtol": 1e-6})
    assert fit.loglik[0] == pytest.approx(fixed_intercepts(data, start[0], start[1], start[2:]), rel=1e-11)
    assert fit.loglik[0] >= -found.fun - 1e-9
    np.testing.assert_allclose([fit.theta[0], fit.tau[0]], [found.x[0], abs(found.x[1])], atol=1e-4)


def test_no_point_of_a_grid_beats_the_fit_on_hard_sets():
    data = hard_sets(1, 120, width=25)
    fit = um_fs.fit(*data)
    usable = ~fit.unbounded
    assert usable.sum() > 80
    assert fit.settled[usable].all()
    for name in ("theta", "se", "tau", "loglik", "loglik_common", "covariance", "study_information"):
        assert np.isfinite(getattr(fit, name)[usable]).all()
    counts = um_fs.count(*data, fit.used).take(usable)
    for tau in (0.0, 0.05, 0.2, 0.5, 1.0, 1.8, 3.0, 5.0, 9.0, 16.0):
        x = np.stack([fit.theta[usable], np.full(usable.sum(), tau)], -1)
        at = um_fs.ascend(counts, x, np.nan_to_num(fit.alpha[usable]), um_fs.RULES[2 if tau < 4 else 4], (0,))[2]
        assert (at.loglik - fit.loglik[usable]).max() < 1e-9
    for i in np.flatnonzero(usable)[::12]:
        used = fit.used[i]
        wanted = fixed_intercepts([v[i][used] for v in data], fit.theta[i], fit.tau[i], fit.alpha[i][used])
        assert fit.loglik[i] == pytest.approx(wanted, rel=1e-9)


def test_a_padded_batch_gives_the_numbers_of_single_fits():
    data = hard_sets(2, 30, width=12)
    together = um_fs.fit(*data)
    ends = [*tau_interval(*data, together, 0.95), *theta_interval(*data, together, 0.95)]
    for i in range(30):
        single = [values[i : i + 1, data[1][i] > 0] for values in data]
        alone = um_fs.fit(*single)
        for name in ("theta", "se", "tau", "loglik", "loglik_common", "loglik_saturated", "covariance"):
            np.testing.assert_allclose(getattr(together, name)[i], getattr(alone, name)[0], rtol=1e-12, atol=1e-12)
        if i % 6 == 0:
            mine = [*tau_interval(*single, alone, 0.95), *theta_interval(*single, alone, 0.95)]
            np.testing.assert_allclose([end[i] for end in ends], np.ravel(mine), rtol=1e-7, atol=1e-9)


def test_studies_that_say_nothing_are_left_out_exactly():
    more = [[*values, *extra] for values, extra in zip(SPREAD, ([0, 12, 0], [15, 12, 0], [0, 9, 5], [20, 9, 7]), strict=True)]
    fit, without = um_fs.fit(*rows(*more)), um_fs.fit(*rows(*SPREAD))
    assert fit.used[0].tolist() == [True] * 8 + [False] * 3
    assert fit.k[0] == 8
    for name in ("theta", "se", "tau", "loglik"):
        np.testing.assert_allclose(getattr(fit, name), getattr(without, name), rtol=1e-12)
    assert np.isnan(fit.effect[0, 8:]).all()
    assert (fit.study_information[0, 8:] == 0).all()


@pytest.mark.parametrize(
    "data",
    [
        ([0, 0, 0, 0], [20, 30, 25, 40], [3, 2, 6, 4], [22, 28, 30, 41]),
        ([0, 0, 5], [20, 30, 25], [3, 2, 30], [22, 28, 30]),
        ([3, 2], [22, 28], [0, 0], [20, 30]),
        ([0, 0], [20, 30], [0, 0], [20, 30]),
        ([0, 0], [0, 0], [0, 0], [0, 0]),
        # Both arms of every study at opposite ends, some one way and some the other: tau has no limit.
        ([0, 20, 0, 20], [20, 20, 25, 20], [20, 0, 25, 0], [20, 20, 25, 21]),
    ],
)
def test_what_has_no_maximum_is_flagged(data):
    fit = um_fs.fit(*rows(*data))
    assert fit.unbounded[0]
    assert not fit.settled[0]
    assert np.isnan([fit.theta[0], fit.se[0], fit.tau[0], fit.loglik[0]]).all()
    for interval in (tau_interval, theta_interval):
        assert np.isnan(interval(*rows(*data), fit, 0.95)).all()


def test_an_empty_cell_in_every_study_still_has_a_maximum():
    # The other arm, with an intercept that does not vary, holds each study's effect where it is.
    data = ([0, 20, 0, 20], [20, 20, 25, 20], [10, 9, 14, 11], [20, 20, 25, 21])
    fit = um_fs.fit(*rows(*data))
    assert fit.settled[0]
    assert fit.loglik[0] == pytest.approx(fixed_intercepts(data, fit.theta[0], fit.tau[0], fit.alpha[0]), rel=1e-10)
    for tau in (3.0, 4.5, 5.3, 8.0, 20.0):
        assert fixed_intercepts(data, fit.theta[0], tau, fit.alpha[0]) < fit.loglik[0]


def test_equal_odds_ratios_lie_on_the_boundary():
    data = rows([6, 12, 18, 9, 24], [20, 41, 60, 30, 81], [8, 17, 24, 13, 33], [20, 42, 60, 31, 80])
    fit = um_fs.fit(*data)
    assert fit.tau[0] == 0
    assert fit.loglik[0] == fit.loglik_common[0]
    assert (fit.covariance[0].ravel()[1:] == 0).all()
    lower, upper = tau_interval(*data, fit, 0.95)
    assert lower[0] == 0
    assert 0 < upper[0] < 2


def test_one_study_gives_its_own_odds_ratio():
    fit = um_fs.fit(*rows([5], [30], [9], [28]))
    assert fit.tau[0] == 0
    assert fit.theta[0] == pytest.approx(np.log(5 * 19 / (9 * 25)), rel=1e-8)
    assert fit.se[0] ** 2 == pytest.approx(1 / 5 + 1 / 25 + 1 / 9 + 1 / 19, rel=1e-8)
    assert um_fs.heterogeneity_test(fit)[1][0] == 0


def test_swapping_the_groups_turns_the_sign_and_swapping_the_outcomes_too():
    a, n1, c, n2 = rows(*NIELWEISE)
    fit, groups, outcomes = um_fs.fit(a, n1, c, n2), um_fs.fit(c, n2, a, n1), um_fs.fit(n1 - a, n1, n2 - c, n2)
    for other in (groups, outcomes):
        np.testing.assert_allclose(other.theta, -fit.theta, rtol=1e-8)
        np.testing.assert_allclose(other.tau, fit.tau, rtol=1e-7)
        np.testing.assert_allclose(other.loglik, fit.loglik, rtol=1e-11)


def test_shares_of_information_sum_to_the_whole_and_effects_shrink():
    fit = um_fs.fit(*rows(*SPREAD))
    at = local(SPREAD, fit.theta[0], fit.tau[0], fit.alpha[0])
    assert (fit.study_information > 0).all()
    assert fit.study_information.sum() == pytest.approx(at.information[0, 0, 0], rel=1e-8)
    a, n1, c, n2 = (np.array(values, float) for values in SPREAD)
    own = np.log(a * (n2 - c) / (c * (n1 - a)))
    assert (np.abs(fit.effect[0] - fit.theta[0]) < np.abs(own - fit.theta[0])).all()


def test_the_heterogeneity_test_is_twice_the_difference_of_the_likelihoods():
    fit = um_fs.fit(*rows(*SPREAD))
    statistic, df, pvalue = um_fs.heterogeneity_test(fit)
    saturated = own_rates(SPREAD[0], SPREAD[1]) + own_rates(SPREAD[2], SPREAD[3])
    assert fit.loglik_saturated[0] == pytest.approx(saturated, rel=1e-12)
    assert statistic[0] == pytest.approx(2 * (saturated - fit.loglik_common[0]), rel=1e-12)
    assert df[0] == 7
    assert pvalue[0] == pytest.approx(chi2.sf(statistic[0], 7), rel=1e-10)
    counts = um_fs.count(*rows(*SPREAD), fit.used)
    assert saturated_loglik(counts)[0] == fit.loglik_saturated[0]
    assert not separated(counts)[0]


def test_ends_lie_the_quantile_below_the_maximum():
    data = hard_sets(11, 12, width=12)
    fit = um_fs.fit(*data)
    counts = um_fs.count(*data, fit.used)
    lower_tau, upper_tau = tau_interval(*data, fit, 0.95)
    lower, upper = theta_interval(*data, fit, 0.95)
    taus = np.concatenate([[0], np.geomspace(0.01, 28, 300)])
    rule = Rule(200, 37.0)
    for i in np.flatnonzero(~fit.unbounded):
        assert 0 <= lower_tau[i] <= fit.tau[i] <= upper_tau[i]
        assert lower[i] < fit.theta[i] < upper[i]
        for end in (lower_tau[i], upper_tau[i]):
            if 0 < end < np.inf:
                x = np.array([[fit.theta[i] + 0.2, end]])
                at = um_fs.ascend(counts.take(np.array([i])), x, np.nan_to_num(fit.alpha[i : i + 1]), rule, (0,))[2]
                assert fit.loglik[i] - at.loglik[0] == pytest.approx(DROP, abs=1e-7)
        for end in (lower[i], upper[i]):
            x = np.stack([np.full(taus.size, end), taus], -1)
            many = counts.take(np.full(taus.size, i))
            at = um_fs.ascend(many, x, um_fs.intercepts(many, x[:, 0]), um_fs.RULES[2], (), tolerance=1e-5)[2]
            # The grid is dense to 3 %: the best of it lies a little below the profile, never above it.
            assert -1e-6 < fit.loglik[i] - at.loglik.max() - DROP < 2e-3
