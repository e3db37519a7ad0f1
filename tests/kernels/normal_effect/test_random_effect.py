"""Exact likelihoods with a normal random effect against a direct likelihood, mpmath, and a grid search."""

import mpmath
import numpy as np
import pytest
from scipy.optimize import minimize

from metanet.kernels.normal_effect import random_effect as re
from metanet.kernels.normal_effect.ascent import maximise
from metanet.kernels.normal_effect.fit import Mean, fit as fit_model
from metanet.kernels.normal_effect.random_effect import LINKS, marginal_rate
from metanet.kernels.normal_effect.study_likelihoods import BinomialCloglog, BinomialLogit
from tests.kernels.direct import loglik, random_sets

DEVCIC = ([117, 9, 5, 17, 20, 6, 8, 26, 7, 8, 1, 11], [168, 40, 10, 33, 51, 9, 16, 48, 23, 10, 8, 19])
RARE = ([0, 0, 1, 2, 0, 5, 3], [12, 30, 44, 51, 9, 120, 17])


def row(events, total):
    return BinomialLogit(np.array([events], float), np.array([total], float))


@pytest.mark.parametrize(("mu", "tau"), [(-3.5, 0.0), (0.2, 0.4), (-1.0, 1.3), (2.0, 3.0), (-7.0, 5.0)])
@pytest.mark.parametrize("data", [DEVCIC, RARE])
def test_likelihood_is_that_of_direct_integration(data, mu, tau):
    at = re.evaluate(row(*data), np.array([mu]), np.array([tau]), re.RULES[-1])
    assert at.loglik[0] == pytest.approx(loglik(*data, mu, tau), rel=1e-11, abs=1e-10)


def test_likelihood_of_one_study_is_that_of_mpmath():
    with mpmath.workdps(30):
        e, n, mu, tau = 1, 9, mpmath.mpf("-2.2"), mpmath.mpf("1.7")

        def integrand(z):
            p = 1 / (1 + mpmath.exp(-(mu + tau * z)))
            return mpmath.binomial(n, e) * p**e * (1 - p) ** (n - e) * mpmath.npdf(z)

        wanted = mpmath.log(mpmath.quad(integrand, [-14, -6, -2, 0, 2, 6, 14]))
    at = re.evaluate(row([e], [n]), np.array([float(mu)]), np.array([float(tau)]), re.RULES[3])
    assert at.loglik[0] == pytest.approx(float(wanted), rel=1e-12)


@pytest.mark.parametrize("data", [DEVCIC, RARE])
def test_score_and_information_are_the_derivatives_of_the_likelihood(data):
    mu, tau, step = -0.8, 0.9, 1e-4
    at = re.evaluate(row(*data), np.array([mu]), np.array([tau]), re.RULES[3])
    f = lambda a, b: loglik(*data, a, b)  # noqa: E731
    score = [(f(mu + step, tau) - f(mu - step, tau)) / (2 * step), (f(mu, tau + step) - f(mu, tau - step)) / (2 * step)]
    np.testing.assert_allclose(at.score[0], score, rtol=1e-6, atol=1e-6)
    mm = -(f(mu + step, tau) - 2 * f(mu, tau) + f(mu - step, tau)) / step**2
    tt = -(f(mu, tau + step) - 2 * f(mu, tau) + f(mu, tau - step)) / step**2
    mt = -(f(mu + step, tau + step) - f(mu + step, tau - step) - f(mu - step, tau + step) + f(mu - step, tau - step)) / (4 * step**2)
    # Second differences of a likelihood of size 30 carry about 1e-6 of rounding at this step.
    np.testing.assert_allclose(at.information[0], [[mm, mt], [mt, tt]], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("data", [DEVCIC, RARE])
def test_the_maximum_is_where_an_independent_optimiser_finds_it(data):
    fit = fit_model(row(*data))
    found = minimize(
        lambda x: -loglik(*data, x[0], x[1]),
        [fit.mu[0] + 0.3, fit.tau[0] + 0.3],
        method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-13, "maxiter": 4000},
    )
    # A simplex cannot see below the square root of the rounding of the likelihood, about 1e-7 here.
    np.testing.assert_allclose([fit.mu[0], fit.tau[0]], found.x, atol=2e-6)
    assert fit.loglik[0] >= -found.fun - 1e-10
    assert fit.settled[0]


def test_no_grid_point_beats_the_fit_on_hard_random_data():
    events, total = random_sets(11, 250)
    fit = fit_model(BinomialLogit(events, total))
    usable = ~fit.unbounded
    assert usable.sum() > 200
    assert fit.settled[usable].all()
    for tau in (0.0, 0.02, 0.1, 0.3, 0.6, 1.0, 1.6, 2.5, 4.0, 7.0, 12.0):
        start = np.where(usable, fit.mu, 0.0)
        _, height, _ = maximise(
            Mean(BinomialLogit(events, total)), start[:, None], np.full(start.size, tau), re.RULES[3 if tau > 2 else 2]
        )
        assert (height[usable] - fit.loglik[usable]).max() < 1e-9
    for i in np.flatnonzero(usable)[::25]:
        present = total[i] > 0
        direct = loglik(events[i, present], total[i, present], fit.mu[i], fit.tau[i])
        assert fit.loglik[i] == pytest.approx(direct, rel=1e-10, abs=1e-9)


def boundary(data):
    studies = row(*data)
    return re.boundary_score(studies, re.common_mean(studies)[0])[0]


def test_two_maxima_the_higher_one_is_taken():
    # The score at tau = 0 points inwards, yet an interior maximum lies 0.0023 higher.
    data = ([5, 40, 10, 8, 0, 0, 2, 0], [356, 2718, 330, 320, 69, 9, 54, 2])
    assert boundary(data) < 0
    fit = fit_model(row(*data))
    assert fit.tau[0] > 0.05
    assert fit.loglik[0] > fit.loglik_common[0] + 0.002


def test_a_distant_second_maximum_is_found():
    # tau = 0 is a local maximum here; the one near tau = 1 lies 0.011 higher.
    small = [(8, 0), (2, 0), (6, 0), (16, 0), (4, 0), (19, 0), (7, 0), (7, 1), (1, 0), (14, 0), (14, 0), (1, 0), (7, 0)]
    small += [(1, 0), (15, 0), (10, 0), (1, 0), (11, 0), (6, 0), (7, 0), (2, 0), (18, 3), (5, 0), (10, 0), (4, 0)]
    small += [(5, 0), (4, 0), (1, 0), (3, 0), (19, 2), (7, 0)]
    fit = fit_model(row([68, *(e for _, e in small)], [5000, *(n for n, _ in small)]))
    assert fit.tau[0] > 0.5
    assert fit.loglik[0] > fit.loglik_common[0] + 0.011


def test_a_maximum_far_out_is_found_where_studies_are_tiny():
    # tau = 0 is a local maximum; the one beyond tau = 4 lies 0.37 higher, and most studies have one to five patients.
    events = [0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2, 0]
    total = [2, 1, 5, 17, 14, 1, 1, 2, 12, 13, 2, 1, 2, 11, 2, 1, 3, 2, 36, 3]
    fit = fit_model(row(events, total))
    assert fit.tau[0] > 4
    assert fit.loglik[0] > fit.loglik_common[0] + 0.36
    assert fit.loglik[0] == pytest.approx(loglik(events, total, fit.mu[0], fit.tau[0]), rel=1e-8)


def test_a_boundary_that_is_exactly_flat_is_left_where_the_likelihood_rises():
    # The slope in tau2 at zero is 0 but for rounding; the maximum near tau = 0.1 lies 1.5e-6 higher.
    studies = BinomialCloglog(np.array([[2.0, 2, 3, 0]]), np.array([[4.0, 6, 3, 1]]))
    fit = fit_model(studies)
    assert abs(re.boundary_score(studies, re.common_mean(studies)[0])[0]) < 1e-12
    assert fit.tau[0] == pytest.approx(0.0965, abs=0.01)
    assert fit.loglik[0] > fit.loglik_common[0] + 1.5e-6


@pytest.mark.parametrize(
    ("events", "total", "mu", "tau"),
    [
        ([34456, 28775, 51331, 35698, 28547, 87518], [38208, 31963, 57178, 39750, 31713, 97401], 2.18726, 0.0),
        ([5971, 5, 5, 14, 17], [20000, 17, 23, 40, 44], -0.853268, 0.0),
        ([85, 0, 0, 0, 0], [87, 95, 54, 36, 97], None, None),
        ([0, 7, 0, 0, 82], [3391, 16, 4, 196, 82], -10.07169, 18.02762),
        ([100, 0, 3, 314, 0, 0, 0, 0], [125, 2, 3, 314, 1, 143, 104, 79], -10.252834, 21.74606),
        ([1_000_000, 2_000_000], [10_000_000, 10_000_000], None, None),
        ([250, 199, 320], [1_673_791, 1_000_000, 1_500_000], None, None),
    ],
)
def test_huge_studies_and_nearly_separated_ones_are_fitted(events, total, mu, tau):
    fit = fit_model(row(events, total))
    assert fit.settled[0]
    assert not fit.unbounded[0]
    assert np.isfinite(fit.covariance[0, 0, 0])
    if mu is not None:
        assert fit.mu[0] == pytest.approx(mu, rel=1e-6)
        assert fit.tau[0] == pytest.approx(tau, rel=1e-6)


def test_random_huge_studies_are_fitted():
    rng = np.random.default_rng(21)
    total = np.exp(rng.uniform(np.log(10), np.log(1e6), (80, 8))).round()
    p = 1 / (1 + np.exp(-(rng.uniform(-6, 3, (80, 1)) + rng.choice([0.0, 0.05, 0.6], (80, 1)) * rng.normal(size=(80, 8)))))
    events = rng.binomial(total.astype(int), p).astype(float)
    fit = fit_model(BinomialLogit(events, total))
    assert fit.settled.all()
    for tau in (0.0, 0.003, 0.03, 0.3, 1.0):
        _, height, _ = maximise(Mean(BinomialLogit(events, total)), fit.mu[:, None], np.full(80, tau), re.RULES[2])
        # The terms of these likelihoods are of the size of the counts.
        assert (height - fit.loglik < 1e-8 + re.rounding(total.sum(-1))).all()


def test_a_padded_batch_gives_the_numbers_of_single_fits():
    events, total = random_sets(5, 40, width=12)
    together = fit_model(BinomialLogit(events, total))
    for i in range(len(events)):
        present = total[i] > 0
        alone = fit_model(row(events[i, present], total[i, present]))
        for name in ("mu", "tau", "loglik"):
            np.testing.assert_allclose(getattr(together, name)[i], getattr(alone, name)[0], rtol=1e-10, atol=1e-10)


def test_separated_data_have_no_maximum_and_say_so():
    fit = fit_model(row([0, 10, 0, 30], [10, 10, 20, 30]))
    assert fit.unbounded[0]
    assert np.isnan(fit.mu[0])
    assert np.isnan(fit.tau[0])


def test_marginal_rate_is_the_mean_of_the_rates():
    for mu, tau in [(-4.8, 0.91), (1.4, 0.77), (0.0, 4.0), (-9.0, 12.0)]:
        z = np.linspace(-12, 12, 400001)
        weight = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi) * (z[1] - z[0])
        wanted = (weight / (1 + np.exp(-(mu + tau * z)))).sum()
        rate, gradient = marginal_rate(LINKS["logit"], np.array([mu]), np.array([tau]))
        assert rate[0] == pytest.approx(wanted, rel=1e-10)
        step = 1e-5
        up, down = (marginal_rate(LINKS["logit"], np.array([mu]), np.array([tau + s]))[0][0] for s in (step, -step))
        assert gradient[0, 1] == pytest.approx((up - down) / (2 * step), rel=1e-5, abs=1e-10)


def large(size):
    rng = np.random.default_rng(size)
    total = rng.integers(size // 3, size, 9)
    return rng.binomial(total, rng.beta(2, 5, 9)), total


#: Two sets in which nodes that stayed while the mean moved missed the studies: standard errors were wrong by 0.8 and 0.3 %.
REGISTRIES = (
    ([57109, 193566, 77400, 274855, 89979, 82716, 166032, 219559, 91950, 517958],
     [317522, 864701, 403585, 758375, 344831, 284372, 957438, 509834, 764786, 944745]),
    ([191096, 40262, 103243, 920, 192039, 87712, 73422, 36900, 14125],
     [688070, 195845, 421345, 80152, 417448, 622572, 595597, 125183, 180261]),
)  # fmt: skip


@pytest.mark.parametrize("copies", [1, 60])
@pytest.mark.parametrize("data", [*REGISTRIES, *map(large, (300, 30_000, 3_000_000))])
def test_standard_errors_of_large_studies_are_those_of_dense_sums(data, copies):
    events, total = (np.array(each, dtype=float) for each in data)
    fit = fit_model(BinomialLogit(np.tile(events, (copies, 1)), np.tile(total, (copies, 1))))
    mu, tau = fit.mu[-1], fit.tau[-1]

    def height(m, t):
        centre, sd = np.log(events / (total - events)), np.sqrt(total / (events * (total - events)))
        theta = centre[:, None] + sd[:, None] * np.linspace(-9, 9, 2001)
        away = theta - centre[:, None]
        # By the difference from the study's own estimate, so that large counts do not cancel.
        own = events[:, None] * away - total[:, None] * np.log1p((events / total)[:, None] * np.expm1(away))
        log = own - 0.5 * ((theta - m) / t) ** 2
        top = log.max(1)
        return (top + np.log(np.exp(log - top[:, None]).sum(1)) - np.log(t)).sum()

    h = 2e-3
    at = {(i, j): height(mu + i * h, tau + j * h) for i in (-1, 0, 1) for j in (-1, 0, 1)}
    a, d = (-(at[x] - 2 * at[0, 0] + at[-x[0], -x[1]]) / h**2 for x in ((1, 0), (0, 1)))
    b = -(at[1, 1] - at[1, -1] - at[-1, 1] + at[-1, -1]) / (4 * h * h)
    assert fit.covariance[-1, 0, 0] == pytest.approx(d / (a * d - b * b), rel=5e-5)
    assert fit.covariance[-1, 1, 1] == pytest.approx(a / (a * d - b * b), rel=5e-5)
