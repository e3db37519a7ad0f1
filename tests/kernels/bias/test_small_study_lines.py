"""Lines, ranks and indices of small-study effects against formulas written out separately."""

from itertools import permutations

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize_scalar

from metanet.kernels.bias import asymmetry
from metanet.kernels.bias.adjustments import limit_meta
from metanet.kernels.bias.asymmetry import begg, kendall, lfk, line_tau2
from metanet.kernels.bias.lines import count_line, weighted_line
from metanet.kernels.inverse_variance.tau2 import ESTIMATORS


def drawn(seed, b=6, k=9):
    rng = np.random.default_rng(seed)
    v = np.exp(rng.uniform(-4, 0, (b, k)))
    return rng.normal(0.3, np.sqrt(v + 0.1)), v


def two_groups(seed, k=11):
    rng = np.random.default_rng(seed)
    n1, n2 = rng.integers(20, 200, (2, k)).astype(float)
    return rng.binomial(n1.astype(int), 0.25).astype(float), n1, rng.binomial(n2.astype(int), 0.35).astype(float), n2


def least_squares(y, x, w):
    """Coefficients, covariance and t of the slope by matrices."""
    design = np.column_stack([np.ones_like(x), x])
    inverse = np.linalg.inv(design.T @ (w[:, None] * design))
    beta = inverse @ design.T @ (w * y)
    scale = (w * (y - design @ beta) ** 2).sum() / (y.size - 2)
    return beta, scale * inverse, beta[1] / np.sqrt(scale * inverse[1, 1])


def agrees(found, y, x, w):
    """Whether a test is the weighted regression of y on x, down to its p-value."""
    beta, covariance, t = least_squares(y, x, w)
    np.testing.assert_allclose([found.line.intercept[0], found.line.slope[0]], beta, rtol=1e-9)
    np.testing.assert_allclose(found.line.intercept_se[0] ** 2, covariance[0, 0], rtol=1e-9)
    np.testing.assert_allclose(found.line.covariance[0], covariance[0, 1], rtol=1e-9)
    np.testing.assert_allclose(found.statistic[0], t, rtol=1e-9)
    np.testing.assert_allclose(found.pvalue[0], 2 * stats.t.sf(abs(t), y.size - 2), rtol=1e-9)


def test_a_batch_is_a_loop_and_absent_studies_change_nothing():
    y, v = drawn(1)
    gone = v.copy()
    gone[:, 3] = np.inf
    tests = (asymmetry.egger, asymmetry.thompson_sharp)
    for test in tests:
        whole = test(y, gone)
        for i in range(len(y)):
            alone = test(np.delete(y[i], 3)[None], np.delete(v[i], 3)[None])
            np.testing.assert_allclose(whole.statistic[i], alone.statistic[0], rtol=1e-12)
            np.testing.assert_allclose(whole.pvalue[i], alone.pvalue[0], rtol=1e-11)
    for index in (lfk, lambda y, v: begg(y, v).tau, lambda y, v: begg(y, v).pvalue):
        alone = [index(np.delete(y[i], 3)[None], np.delete(v[i], 3)[None])[0] for i in range(len(y))]
        np.testing.assert_allclose(index(y, gone), alone, rtol=1e-12)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_tau2_about_a_line_is_the_same_in_batches_and_in_other_units(estimator):
    y, v = drawn(2)
    x = np.sqrt(v)
    whole = line_tau2(estimator, y, x, v)
    alone = [line_tau2(estimator, y[i : i + 1], x[i : i + 1], v[i : i + 1])[0] for i in range(len(y))]
    np.testing.assert_allclose(whole, alone, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(line_tau2(estimator, 1e-4 * y, 1e6 * x, 1e-8 * v), 1e-8 * whole, rtol=1e-8, atol=1e-20)


def test_the_restricted_likelihood_about_a_line_is_highest_at_its_estimate():
    y, v = drawn(3, b=8)
    x = np.sqrt(v)
    found = line_tau2("REML", y, x, v)

    def height(t, i):
        design, w = np.column_stack([np.ones_like(x[i]), x[i]]), 1 / (v[i] + t)
        information = design.T @ (w[:, None] * design)
        rest = y[i] - design @ np.linalg.solve(information, design.T @ (w * y[i]))
        return 0.5 * (np.log(w).sum() - np.log(np.linalg.det(information)) - (w * rest**2).sum())

    for i, t in enumerate(found):
        best = max(height(s, i) for s in np.concatenate([[0.0], np.geomspace(1e-6, 10, 400)]))
        assert height(t, i) >= best - 1e-12
        near = minimize_scalar(lambda s, i=i: -height(s, i), bounds=(0.5 * t, 1.5 * t + 1e-9), options={"xatol": 1e-12})
        assert height(t, i) >= -near.fun - 1e-12


def test_lines_on_the_size_of_rates_are_weighted_regressions():
    rng = np.random.default_rng(4)
    y, n = rng.normal(size=12), rng.integers(10, 90, 12).astype(float)
    agrees(asymmetry.on_size(y[None], n[None], n[None], reciprocal=True), y, 1 / n, n)
    agrees(asymmetry.on_size(y[None], n[None], n[None], reciprocal=False), y, n, n)


def test_thompson_and_sharp_take_their_moments():
    y, v = drawn(5, b=1)
    w, se = 1 / v[0], np.sqrt(v[0])
    design = np.column_stack([np.ones_like(se), se])
    project = np.diag(w) - np.diag(w) @ design @ np.linalg.inv(design.T @ np.diag(w) @ design) @ design.T @ np.diag(w)
    tau2 = max(0.0, (y[0] @ project @ y[0] - (se.size - 2)) / np.trace(project))
    weights = 1 / (v[0] + tau2)
    inverse = np.linalg.inv(design.T @ (weights[:, None] * design))
    beta = inverse @ design.T @ (weights * y[0])
    found = asymmetry.thompson_sharp(y, v)
    np.testing.assert_allclose(found.tau2[0], tau2, rtol=1e-10)
    np.testing.assert_allclose(found.statistic[0], beta[1] / np.sqrt(inverse[1, 1]), rtol=1e-10)
    np.testing.assert_allclose(found.pvalue[0], 2 * stats.t.sf(abs(found.statistic[0]), se.size - 2), rtol=1e-10)


@pytest.mark.parametrize("measure", ["OR", "RR"])
def test_harbord_is_eggers_regression_of_the_score(measure):
    a, n1, c, n2 = two_groups(6)
    score, information = asymmetry.score_and_information(measure, a[None], n1[None], c[None], n2[None])
    z, v = score[0], information[0]
    # Their form: Z / sqrt(V) on sqrt(V), unweighted; the test is that of its intercept.
    beta, covariance, _ = least_squares(z / np.sqrt(v), np.sqrt(v), np.ones_like(z))
    found = asymmetry.harbord(score, information)
    np.testing.assert_allclose(found.statistic[0], beta[0] / np.sqrt(covariance[0, 0]), rtol=1e-10)
    np.testing.assert_allclose([found.line.slope[0], found.line.intercept[0]], beta, rtol=1e-10)


def test_the_score_of_the_odds_ratio_is_the_slope_of_the_conditional_likelihood():
    a, n1, c, n2 = 7.0, 40.0, 12.0, 55.0
    support = np.arange(0, 20)
    mass = stats.hypergeom.pmf(support, n1 + n2, a + c, n1)

    def loglik(theta):
        tilted = mass * np.exp(theta * support)
        return np.log(tilted[int(a)] / tilted.sum())

    score, information = asymmetry.score_and_information("OR", *(np.array([[x]]) for x in (a, n1, c, n2)))
    h = 1e-3
    assert score[0, 0] == pytest.approx((loglik(h) - loglik(-h)) / (2 * h), rel=1e-5)
    assert information[0, 0] == pytest.approx(-(loglik(h) - 2 * loglik(0) + loglik(-h)) / h**2, rel=1e-5)


def test_the_score_of_the_risk_ratio_is_the_slope_of_the_profile_likelihood():
    a, n1, c, n2 = 7.0, 40.0, 12.0, 55.0

    def profile(theta):
        def minus(log_p):
            p = np.exp(log_p)
            q = p * np.exp(theta)
            return -(a * np.log(q) + (n1 - a) * np.log1p(-q) + c * np.log(p) + (n2 - c) * np.log1p(-p))

        return -minimize_scalar(minus, bounds=(-5, -0.2), method="bounded", options={"xatol": 1e-12}).fun

    score, information = asymmetry.score_and_information("RR", *(np.array([[x]]) for x in (a, n1, c, n2)))
    h = 2e-3
    assert score[0, 0] == pytest.approx((profile(h) - profile(-h)) / (2 * h), rel=1e-4)
    # The information is the expected one; that of a profile differs from it by chance, here by a few per cent.
    assert information[0, 0] == pytest.approx(-(profile(h) - 2 * profile(0) + profile(-h)) / h**2, rel=0.05)


def test_deeks_and_pustejovsky_regress_on_roots_of_sizes():
    rng = np.random.default_rng(7)
    y, v = rng.normal(size=10), rng.uniform(0.1, 1, 10)
    n1, n2 = rng.integers(10, 90, (2, 10)).astype(float)
    size = 4 * n1 * n2 / (n1 + n2)
    found = asymmetry.deeks(y[None], v[None], n1[None], n2[None])
    agrees(found, y, 1 / np.sqrt(size), size)
    variance = 1 / n1 + 1 / n2
    agrees(asymmetry.pustejovsky(y[None], v[None], n1[None], n2[None]), y, np.sqrt(variance), 1 / variance)


def test_kendalls_p_value_is_that_of_all_orders():
    y = np.array([0.1, 0.5, 0.2, 0.9, 0.7, 0.3])
    x = np.arange(6.0)
    present = np.ones((1, 6), dtype=bool)
    pairs = lambda order: sum(np.sign(order[j] - order[i]) for i in range(6) for j in range(i + 1, 6))  # noqa: E731
    observed = abs(pairs(y))
    share = np.mean([abs(pairs(order)) >= observed for order in permutations(y)])
    found = kendall(x[None], y[None], present)
    assert found.exact[0]
    assert found.pairs[0] == pairs(y)
    assert found.pvalue[0] == pytest.approx(share, rel=1e-12)


def test_kendall_with_ties_is_that_of_scipy():
    rng = np.random.default_rng(8)
    x, y = rng.integers(0, 5, (2, 20)).astype(float)
    wanted = stats.kendalltau(x, y, method="asymptotic")
    found = kendall(x[None], y[None], np.ones((1, 20), dtype=bool))
    assert not found.exact[0]
    np.testing.assert_allclose([found.tau[0], found.pvalue[0]], [wanted.statistic, wanted.pvalue], rtol=1e-10)


def test_exact_p_values_of_many_studies_are_those_of_scipy():
    rng = np.random.default_rng(9)
    x, y = rng.normal(size=(2, 60))
    wanted = stats.kendalltau(x, y, method="exact")
    found = kendall(x[None], y[None], np.ones((1, 60), dtype=bool))
    np.testing.assert_allclose(found.pvalue[0], wanted.pvalue, rtol=1e-9)


def test_the_lfk_index_agrees_with_recorded_answers_of_metasens():
    # What a public project's tests record as the answers of metasens::lfkindex; metasens itself was not run here.
    y = [0.05, 0.08, 0.12, 0.20, 0.55, 0.62, 0.85, 1.10, 1.35, 1.60]
    se = [0.08, 0.09, 0.10, 0.12, 0.30, 0.33, 0.40, 0.48, 0.55, 0.62]
    assert lfk(np.array([y]), np.array([se]) ** 2)[0] == pytest.approx(6.68755816, abs=5e-9)
    y, se = [-0.3, -0.1, 0.0, 0.1, 0.2, 0.35], [0.2, 0.18, 0.15, 0.16, 0.19, 0.22]
    assert lfk(np.array([y]), np.array([se]) ** 2)[0] == pytest.approx(0.63617512, abs=5e-9)


@pytest.mark.parametrize("tau2", [0.0, 0.07, 1.3])
def test_the_limit_is_that_of_the_papers_formulas(tau2):
    y, v = drawn(10, b=1)
    s = np.sqrt(v[0] + tau2)
    # Ordinary regression of y / s on 1 / s with residual variance one.
    design = np.column_stack([np.ones_like(s), 1 / s])
    inverse = np.linalg.inv(design.T @ design)
    alpha, beta = inverse @ design.T @ (y[0] / s)
    way = np.array([np.sqrt(tau2), 1.0])
    found = limit_meta(y, v, np.array([tau2]))
    np.testing.assert_allclose([found.alpha[0], found.beta[0]], [alpha, beta], rtol=1e-9)
    np.testing.assert_allclose(found.estimate[0], way @ [alpha, beta], rtol=1e-9)
    np.testing.assert_allclose(found.se[0], np.sqrt(way @ inverse @ way), rtol=1e-9)
    effects = beta + np.sqrt(tau2 / (v[0] + tau2)) * (y[0] - beta)
    np.testing.assert_allclose(found.effects[0], effects, rtol=1e-9)
    w = 1 / v[0]
    q = (w * (y[0] - (w * y[0]).sum() / w.sum()) ** 2).sum()
    plain = np.column_stack([np.ones_like(s), np.sqrt(w)])
    rest = y[0] * np.sqrt(w) - plain @ np.linalg.lstsq(plain, y[0] * np.sqrt(w), rcond=None)[0]
    np.testing.assert_allclose([found.q[0], found.q_residual[0]], [q, rest @ rest], rtol=1e-9)
    np.testing.assert_allclose(found.q_small_study[0], q - rest @ rest, rtol=1e-7)
    if tau2:
        scaled = effects * np.sqrt(w)
        assert found.g2[0] == pytest.approx(1 - np.corrcoef(scaled, np.sqrt(w))[0, 1] ** 2, rel=1e-9)
    else:
        assert found.g2[0] == 0


def test_the_score_of_the_counts_is_the_weighted_regression_of_the_raw_rates():
    rng = np.random.default_rng(11)
    n = rng.integers(15, 150, 12).astype(float)
    x = rng.binomial(n.astype(int), 0.2).astype(float)
    _, _, t = least_squares(x / n, 1 / n, n)
    np.testing.assert_allclose(count_line(x[None], n[None], 1 / n[None]).score[0], t, rtol=1e-10)


def test_a_poisson_line_solves_its_score_equations():
    rng = np.random.default_rng(12)
    t = rng.uniform(10, 100, 9)
    x = rng.poisson(0.2 * t).astype(float)
    line = count_line(x[None], t[None], 1 / t[None], "poisson").line
    rest = x - t * np.exp(line.intercept[0] + line.slope[0] / t)
    assert abs(rest.sum()) < 1e-9 * x.sum()
    assert abs((rest / t).sum()) < 1e-9 * x.sum()


def test_a_slope_without_end_is_flagged_and_leaves_the_score_test():
    events, total = np.array([[0.0, 0.0, 0.0, 3.0]]), np.array([[50.0, 40.0, 30.0, 10.0]])
    found = asymmetry.rate_on_size(events, total, reciprocal=True)
    assert found.unbounded[0]
    assert np.isnan(found.line.slope[0])
    assert 0 < found.pvalue[0] < 0.05


@pytest.mark.parametrize("events", [[0, 0, 0], [10, 20, 30], [2, 4, 6]])
def test_rates_without_differences_have_no_test(events):
    total = np.array([[10.0, 20.0, 30.0]])
    found = asymmetry.rate_on_size(np.array([events], dtype=float), total, reciprocal=True)
    assert np.isnan(found.pvalue[0])


def test_lines_that_do_not_exist_are_nan_and_raise_nothing():
    y = np.array([[0.1, 0.2, 0.3], [0.5, 0.5, 0.5], [0.1, 0.9, 0.0], [0.1, 0.2, 0.0]])
    v = np.array([[0.1, 0.1, 0.1], [0.1, 0.2, 0.3], [0.1, 0.2, np.inf], [0.1, np.inf, np.inf]])
    for test in (asymmetry.egger, asymmetry.thompson_sharp):
        assert np.isnan(test(y, v).statistic).all()
    assert np.isnan(begg(y, v).pvalue).all()
    assert np.isnan(lfk(y[1:], v[1:])).all()
    assert np.isnan(limit_meta(y, v, np.zeros(4)).estimate).all()
    x = np.array([[1.0, 2.0, 3.0]])
    on_a_line = weighted_line(2 * x + 1, x, np.ones_like(x))
    assert np.isnan(on_a_line.slope_se[0])
