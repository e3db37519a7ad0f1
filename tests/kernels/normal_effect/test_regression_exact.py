"""The exact kernel of meta-regression against direct likelihoods, dense grids, linear programmes and the kernel of the mean."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import linprog
from scipy.special import expit, gammaln, ndtr

from metanet.kernels.normal_effect import regression as regression_exact
from metanet.kernels.normal_effect.ascent import maximise
from metanet.kernels.normal_effect.fit import fit as fit_mean, tau_interval as mean_tau_interval
from metanet.kernels.normal_effect.random_effect import RULES
from metanet.kernels.normal_effect.regression import Line, tau_interval
from metanet.kernels.normal_effect.regression_likelihood import evaluate
from metanet.kernels.normal_effect.study_likelihoods import BinomialCloglog, BinomialLogit, BinomialProbit, Poisson
from metanet.kernels.resampling import permutations
from tests.kernels.direct import loglik, random_sets

RATES = {"logit": expit, "probit": ndtr, "cloglog": lambda x: -np.expm1(-np.exp(x))}
KINDS = {"logit": BinomialLogit, "probit": BinomialProbit, "cloglog": BinomialCloglog}


def moderators(seed, shape):
    """An intercept, a normal moderator and a group of about three in ten."""
    rng = np.random.default_rng(seed)
    return np.stack([np.ones(shape), rng.normal(size=shape), (rng.random(shape) < 0.3) * 1.0], axis=-1)


def sets(seed, count, width=16):
    events, total = random_sets(seed, count, width)
    return events, total, moderators(seed + 1, events.shape)


def by_quad(log_likelihood, eta, tau):
    """The integral over one study's random effect by SciPy, from its definition."""
    z = np.linspace(-9, 9, 2001)
    heights = log_likelihood(eta + tau * z) - 0.5 * z * z
    mode, peak = z[heights.argmax()], heights.max()
    value, _ = quad(
        lambda s: np.exp(log_likelihood(eta + tau * s) - 0.5 * s * s - peak), mode - 10, mode + 10,
        points=[mode - 1, mode, mode + 1], epsabs=0, epsrel=1e-12, limit=400,
    )  # fmt: skip
    return np.log(value) + peak - 0.5 * np.log(2 * np.pi)


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "log"])
def test_the_likelihood_is_that_of_direct_integration(link):
    events, total = np.array([0.0, 3, 7, 1, 12, 5]), np.array([12.0, 30, 41, 8, 40, 22])
    x = np.column_stack([np.ones(6), [0.3, -1.0, 0.4, 2.0, 0.1, -0.6]])
    studies = Poisson(events[None], total[None]) if link == "log" else KINDS[link](events[None], total[None])
    found = regression_exact.fit(studies, x)
    tau = found.tau[0] + 0.5
    at = evaluate(studies, found.basis.u, found.gamma, np.array([tau]), RULES[2])
    wanted = 0.0
    for e, n, eta in zip(events, total, found.eta[0], strict=True):
        if link == "log":
            constant = e * np.log(n) - gammaln(e + 1)
            wanted += by_quad(lambda s, e=e, n=n: e * s - n * np.exp(s), eta, tau) + constant
        else:
            constant = gammaln(n + 1) - gammaln(e + 1) - gammaln(n - e + 1)

            def binomial(s, e=e, n=n):
                p = np.clip(RATES[link](s), 1e-300, 1 - 1e-16)
                return e * np.log(p) + (n - e) * np.log1p(-p)

            wanted += by_quad(binomial, eta, tau) + constant
    np.testing.assert_allclose(at.loglik[0], wanted, rtol=1e-9)


def test_score_and_information_are_derivatives_of_the_likelihood():
    events, total, x = sets(31, 6)
    studies = BinomialLogit(events, total)
    found = regression_exact.fit(studies, x)
    u, p = found.basis.u, 3
    gamma, tau = found.gamma + 0.1, np.full(6, 0.8)
    at = evaluate(studies, u, gamma, tau, RULES[2])
    h = 1e-5
    for j in range(p + 1):
        step, tau_step = np.zeros_like(gamma), h * (j == p)
        if j < p:
            step[:, j] = h
        up = evaluate(studies, u, gamma + step, tau + tau_step, RULES[2])
        down = evaluate(studies, u, gamma - step, tau - tau_step, RULES[2])
        # Central differences: truncation h^2, rounding eps / h.
        np.testing.assert_allclose((up.loglik - down.loglik) / (2 * h), at.score[:, j], rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose((down.score - up.score) / (2 * h), at.information[:, j], rtol=1e-5, atol=1e-6)


def test_the_likelihood_at_the_maximum_is_the_direct_one():
    events, total, x = sets(32, 120)
    found = regression_exact.fit(BinomialLogit(events, total), x)
    for i in np.flatnonzero(~found.unbounded):
        kept = (total[i] > 0) & ~np.isnan(found.eta[i])
        wanted = loglik(events[i][kept], total[i][kept], found.eta[i][kept][:, None], found.tau[i]) if kept.any() else 0.0
        np.testing.assert_allclose(found.loglik[i], wanted, rtol=1e-9, atol=1e-9)


def test_no_point_of_a_dense_grid_of_tau_is_higher():
    events, total, x = sets(33, 300)
    studies = BinomialLogit(events, total)
    found = regression_exact.fit(studies, x)
    assert (found.settled | found.unbounded).all()
    kept = regression_exact.without(studies, np.isnan(found.eta) & ~found.unbounded[:, None])
    line = Line(kept, found.basis.u, found.basis.active)
    for tau in np.concatenate([[1e-6], np.geomspace(0.01, 25, 30)]):
        _, height, _ = maximise(line, found.gamma, np.full(300, tau), RULES[1])
        # What the quadrature of the wider nodes leaves at large tau.
        assert np.nanmax(height - found.loglik) < 1e-8
    assert 0 < (found.tau == 0).sum() < 300
    assert found.separated.sum() > 20


def test_an_intercept_alone_gives_the_fit_of_the_mean():
    events, total = random_sets(34, 200, 16)
    studies = BinomialLogit(events, total)
    wanted, found = fit_mean(studies), regression_exact.fit(studies, np.ones((16, 1)))
    np.testing.assert_array_equal(found.unbounded, wanted.unbounded)
    # Both stop at the same 1e-8 standard errors, on nodes of their own.
    np.testing.assert_allclose(found.loglik, wanted.loglik, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.beta[:, 0], wanted.mu, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(found.tau, wanted.tau, rtol=1e-6, atol=1e-7)


def test_the_profile_interval_of_tau_is_that_of_the_mean():
    events, total = random_sets(35, 25, 10)
    studies = BinomialLogit(events, total)
    wanted = mean_tau_interval(studies, fit_mean(studies), 0.95)
    found = tau_interval(studies, regression_exact.fit(studies, np.ones((10, 1))), 0.95)
    for one, other in zip(found, wanted, strict=True):
        # The kernel of the mean takes its ends to 1e-4 in the last Newton step, that is to about 1e-8.
        np.testing.assert_allclose(one, other, rtol=1e-7, atol=1e-9)


def test_a_batch_gives_the_numbers_of_single_fits():
    events, total, x = sets(36, 60)
    studies = BinomialLogit(events, total)
    whole = regression_exact.fit(studies, x)
    for i in range(0, 60, 4):
        one = regression_exact.fit(studies.take(np.array([i])), x[i])
        # Large batches take their sums over nodes by products of matrices, which round otherwise; near separation that is seen in
        # the twelfth digit.
        for field in ("beta", "tau", "loglik", "eta"):
            np.testing.assert_allclose(getattr(whole, field)[i], getattr(one, field)[0], rtol=1e-10, err_msg=field)
        se = np.sqrt(np.diagonal(one.covariance[0]))
        size = np.outer(se, se)
        size[size == 0] = 1.0
        np.testing.assert_allclose(whole.covariance[i] / size, one.covariance[0] / size, rtol=0, atol=1e-10)


@pytest.mark.parametrize("p", [2, 3, 5])
def test_separation_is_found_where_a_linear_programme_finds_it(p):
    rng = np.random.default_rng(37 + p)
    k, count = 9, 250
    total = np.full((count, k), 10.0)
    events = rng.choice([0, 0, 0, 3, 10], (count, k)).astype(float)
    x = np.concatenate([np.ones((count, k, 1)), rng.integers(0, 2, (count, k, p - 1)).astype(float)], axis=-1)
    x[::3, :, 1] = rng.normal(size=(count, k))[::3]
    total[:, -1] = np.where(np.arange(count) % 4 == 0, 0, 10)
    events = np.minimum(events, total)
    found = regression_exact.fit(BinomialLogit(events, total), x)
    seen = 0
    for i in range(count):
        there = total[i] > 0
        e, n, d = events[i][there], total[i][there], x[i][there]
        u, s, _ = np.linalg.svd(d, full_matrices=False)
        u = u[:, s > 1e-9 * s[0]]
        low, high = e == 0, e == n
        inner, edge = ~low & ~high, low | high
        if not edge.any():
            assert not found.separated[i]
            continue
        side = (np.where(high, 1, -1)[:, None] * u)[edge]
        programme = linprog(
            -side.sum(0), A_ub=-side, b_ub=np.zeros(edge.sum()), bounds=[(-1, 1)] * u.shape[1],
            A_eq=u[inner] if inner.any() else None, b_eq=np.zeros(inner.sum()) if inner.any() else None,
        )  # fmt: skip
        assert found.separated[i] == (-programme.fun > 1e-7)
        seen += int(found.separated[i])
    assert 10 < seen < count


def test_an_empty_group_leaves_the_likelihood_of_the_other_and_no_huge_numbers():
    events, total = np.array([[0.0, 0, 0, 5, 6, 2]]), np.array([[20.0, 15, 30, 30, 40, 25]])
    group = np.array([0.0, 0, 0, 1, 1, 1])
    studies = BinomialLogit(events, total)
    found = regression_exact.fit(studies, np.column_stack([np.ones(6), group]))
    other = fit_mean(BinomialLogit(events[:, 3:], total[:, 3:]))
    assert found.separated[0]
    assert np.isnan(found.beta).all()
    # The empty group's likelihood goes to one, its logarithm to zero.
    np.testing.assert_allclose(found.loglik, other.loglik, rtol=1e-12)
    value, se = found.combine(np.array([[1.0, 1.0], [1.0, 0.0]]))
    np.testing.assert_allclose([value[0, 0], se[0, 0]], [other.mu[0], np.sqrt(other.covariance[0, 0, 0])], rtol=1e-7)
    assert np.isnan([value[0, 1], se[0, 1]]).all()
    # The other coding has a coefficient that is told, and keeps it.
    coded = regression_exact.fit(studies, np.column_stack([np.ones(6), 1 - group]))
    np.testing.assert_allclose(coded.beta[0, 0], other.mu[0], rtol=1e-7)
    assert np.isnan(coded.beta[0, 1])


def test_the_supremum_is_what_ever_larger_coefficients_come_to():
    events, total = np.array([[0.0, 0, 4, 5, 6, 2, 0]]), np.array([[20.0, 15, 30, 30, 40, 25, 12]])
    x = np.column_stack([np.ones(7), [-1.0, -2, 0, 0, 0, 0, -0.5], [0, 0, 1, 0, 1.0, 0, 0]])
    found = regression_exact.fit(BinomialLogit(events, total), x)
    assert found.separated[0]
    heights = [
        loglik(events[0], total[0], (x @ [found.beta[0, 0], slope, found.beta[0, 2]])[:, None], found.tau[0])
        for slope in (0.0, 5.0, 20.0, 60.0)
    ]
    assert (np.diff(heights) > 0).all()
    assert heights[-1] <= found.loglik[0] + 1e-9
    np.testing.assert_allclose(heights[-1], found.loglik[0], atol=1e-9)


def test_studies_at_both_edges_alone_are_unbounded():
    studies = BinomialLogit(np.array([[0.0, 10, 0, 10]]), np.full((1, 4), 10.0))
    found = regression_exact.fit(studies, np.column_stack([np.ones(4), [0.0, 0, 1, 1]]))
    assert found.unbounded[0]
    assert np.isnan(found.beta).all()
    assert np.isnan(found.loglik[0])


def test_complete_separation_has_a_likelihood_of_one():
    studies = BinomialLogit(np.array([[0.0, 0, 10, 10]]), np.full((1, 4), 10.0))
    found = regression_exact.fit(studies, np.column_stack([np.ones(4), [1.0, 2, 3, 4]]))
    assert found.separated[0]
    assert np.isnan(found.beta).all()
    assert found.loglik[0] == pytest.approx(0.0, abs=1e-12)


def test_units_and_place_of_a_moderator_change_its_coefficient_alone():
    events, total, x = sets(38, 40)
    studies = BinomialLogit(events, total)
    moved = x.copy()
    moved[..., 1] = 2000 + 10 * x[..., 1]
    one, other = regression_exact.fit(studies, x), regression_exact.fit(studies, moved)
    np.testing.assert_allclose(other.loglik, one.loglik, rtol=1e-9)
    np.testing.assert_allclose(10 * other.beta[:, 1], one.beta[:, 1], rtol=1e-5, atol=1e-6)


def test_permutation_statistics_are_likelihood_ratios_of_single_fits():
    rng = np.random.default_rng(39)
    total = rng.integers(10, 50, 9).astype(float)
    events = rng.binomial(total.astype(int), 0.1).astype(float)
    x = np.column_stack([np.ones(9), rng.normal(size=9), rng.integers(0, 2, 9)])
    studies = BinomialLogit(events[None], total[None])
    index, _ = permutations.arrangements(x, 40, 3)
    null = fit_mean(studies).loglik[0]
    single, omnibus = permutations.exact_statistics(studies, x, index, null, np.array([1, 2]))
    for row in (0, 11, 39):
        d = x[index[row]]
        full = regression_exact.fit(studies, d).loglik[0]
        np.testing.assert_allclose(omnibus[row], 2 * (full - null), atol=1e-9)
        for j in (1, 2):
            reduced = regression_exact.fit(studies, np.delete(d, j, axis=1)).loglik[0]
            np.testing.assert_allclose(single[row, j], 2 * (full - reduced), atol=1e-9)
    assert np.isnan(single[:, 0]).all()


def test_a_poisson_group_without_events_is_separated():
    studies = Poisson(np.array([[0.0, 0, 4, 6, 3]]), np.array([[100.0, 50, 120, 90, 80]]))
    found = regression_exact.fit(studies, np.column_stack([np.ones(5), [0.0, 0, 1, 1, 1]]))
    alone = fit_mean(Poisson(np.array([[4.0, 6, 3]]), np.array([[120.0, 90, 80]])))
    assert found.separated[0]
    np.testing.assert_allclose(found.loglik, alone.loglik, rtol=1e-10)
