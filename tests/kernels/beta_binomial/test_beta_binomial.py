"""The beta-binomial kernel against mpmath, finite differences, dense grids and brute-force profiles."""

import mpmath
import numpy as np
import pytest
from scipy import special, stats
from scipy.optimize import minimize_scalar

from metanet.kernels.beta_binomial import fit as bb, likelihood
from metanet.kernels.beta_binomial.fit import logit_variance, maximise_mu, median, mu_interval, prediction_interval, rho_interval

DEVCIC = ([117, 9, 5, 17, 20, 6, 8, 26, 7, 8, 1, 11], [168, 40, 10, 33, 51, 9, 16, 48, 23, 10, 8, 19])
SPREAD = ([0, 0, 1, 12, 0, 5, 3], [12, 30, 44, 51, 9, 120, 17])
DROP = stats.chi2.ppf(0.95, 1) / 2


def row(events, total):
    return np.array([events], float), np.array([total], float)


def at_point(events, total, mu, psi):
    return likelihood.evaluate(likelihood.count(*row(events, total)), np.array([mu]), np.array([psi]))


def exact(x, n, mu, psi):
    """Log-likelihood of one study from gamma functions with as many digits as it takes."""
    pi, qi = 1 / (1 + mpmath.exp(-mu)), 1 / (1 + mpmath.exp(mu))
    choose = mpmath.loggamma(n + 1) - mpmath.loggamma(x + 1) - mpmath.loggamma(n - x + 1)
    if psi == 0:
        return choose + x * mpmath.log(pi) + (n - x) * mpmath.log(qi)
    a, b, g = pi / psi, qi / psi, mpmath.loggamma
    return choose + g(a + x) + g(b + n - x) - g(a + b + n) + g(a + b) - g(a) - g(b)


def hard_sets(seed, count, width=40):
    """Random sets: tiny and huge studies, rates from 0 to 1, no spread to nearly separated; an event and a non-event each."""
    rng = np.random.default_rng(seed)
    events, total = np.zeros((count, width)), np.zeros((count, width))
    done = 0
    while done < count:
        k = int(rng.integers(2, width + 1))
        n = np.exp(rng.uniform(0, np.log(rng.choice([3, 20, 150, 5000])), k)).round().clip(1)
        if rng.random() < 0.2:
            n[0] = rng.choice([5000, 1_000_000])
        kind = rng.integers(3)
        if kind == 0:
            mu, tau = rng.uniform(-7, 7), rng.choice([0, 0.1, 0.5, 1, 2, 3.2, 10])
            p = special.expit(mu + tau * rng.normal(size=k))
        elif kind == 1:
            pi, phi = rng.uniform(0.01, 0.99), 10 ** rng.uniform(-2, 5)
            p = rng.beta(pi * phi, (1 - pi) * phi, k)
        else:
            p = rng.choice([0, 1, 0.5, 0.01], k)
        e = rng.binomial(n.astype(int), p)
        if 0 < e.sum() < n.sum():
            events[done, :k], total[done, :k] = e, n
            done += 1
    return events, total


def test_likelihood_is_that_of_mpmath_for_tiny_rho_and_huge_studies():
    rng = np.random.default_rng(0)
    with mpmath.workdps(60):
        for psi in [0.0, *(10.0 ** rng.uniform(-14, 2.5, 150))]:
            n, mu = int(np.exp(rng.uniform(0, np.log(1e7))).round()), float(rng.uniform(-9, 9))
            p = special.expit(mu)
            spread = rng.beta(max(p / max(psi, 1e-12), 1e-3), max((1 - p) / max(psi, 1e-12), 1e-3))
            for x in (0, n, int(rng.binomial(n, p)), int(rng.binomial(n, spread))):
                wanted = float(exact(x, n, mpmath.mpf(mu), mpmath.mpf(psi)))
                # Rounding of the mean alone moves a study far from it by the size of the log-likelihood times 1e-16.
                assert at_point([x], [n], mu, psi).loglik[0] == pytest.approx(wanted, rel=1e-13, abs=1e-10)


def test_score_and_information_are_the_derivatives_in_mpmath():
    rng = np.random.default_rng(1)
    with mpmath.workdps(140):
        for _ in range(150):
            n, mu = int(np.exp(rng.uniform(np.log(2), np.log(1e7))).round()), float(rng.uniform(-7, 7))
            psi = float(10.0 ** rng.uniform(-10, 2))
            p = special.expit(mu)
            x = int(rng.binomial(n, p)) if rng.random() < 0.7 else int(rng.integers(0, n + 1))
            got = at_point([x], [n], mu, psi)
            m, f = mpmath.mpf(mu), mpmath.mpf(psi)
            h, g = mpmath.mpf(10) ** -25, f * mpmath.mpf(10) ** -25
            at = {(i, j): exact(x, n, m + i * h, f + j * g) for i in (-1, 0, 1) for j in (-1, 0, 1)}
            score = [(at[1, 0] - at[-1, 0]) / (2 * h), (at[0, 1] - at[0, -1]) / (2 * g)]
            mm, ff = (2 * at[0, 0] - at[1, 0] - at[-1, 0]) / h**2, (2 * at[0, 0] - at[0, 1] - at[0, -1]) / g**2
            mf = (at[1, -1] + at[-1, 1] - at[1, 1] - at[-1, -1]) / (4 * h * g)
            # Absolute parts: psi acts through pairs of patients, of which there are n^2, and rounding is relative to them.
            np.testing.assert_allclose(got.score[0, 0], float(score[0]), rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(got.score[0, 1], float(score[1]), rtol=1e-8, atol=1e-14 * n * n)
            np.testing.assert_allclose(got.information[0, 0, 0], float(mm), rtol=1e-8, atol=1e-12)
            np.testing.assert_allclose(got.information[0, 0, 1], float(mf), rtol=1e-6, atol=1e-12 * n * n)
            np.testing.assert_allclose(got.information[0, 1, 1], float(ff), rtol=1e-6, atol=1e-11 * float(n) ** 3)


def test_at_rho_zero_it_is_the_binomial_likelihood():
    at = at_point(*DEVCIC, -0.3, 0.0)
    wanted = stats.binom.logpmf(*DEVCIC, special.expit(-0.3)).sum()
    assert at.loglik[0] == pytest.approx(wanted, rel=1e-13)


def test_the_boundary_is_regular():
    near, on = at_point(*DEVCIC, -0.3, 1e-9), at_point(*DEVCIC, -0.3, 0.0)
    assert near.loglik[0] - on.loglik[0] == pytest.approx(1e-9 * on.score[0, 1], rel=1e-4)
    np.testing.assert_allclose(near.score, on.score, rtol=1e-5)
    np.testing.assert_allclose(near.information, on.information, rtol=1e-4)


def test_an_absent_study_contributes_exactly_nothing():
    for psi in (0.0, 1e-6, 0.3, 50.0):
        at = at_point([0], [0], -1.7, psi)
        assert at.loglik[0] == 0
        assert (at.score == 0).all()
        assert (at.information == 0).all()


@pytest.mark.parametrize("data", [DEVCIC, SPREAD])
def test_the_maximum_has_no_slope_and_the_curvature_of_differences(data):
    fit = bb.fit(*row(*data))
    assert fit.settled[0]
    mu, rho = fit.mu[0], fit.rho[0]
    f = lambda i, j: at_point(*data, mu + i * h, (rho + j * g) / (1 - rho - j * g)).loglik[0]  # noqa: E731
    h, g = 0.01 * fit.se[0], 0.01 * np.sqrt(fit.covariance[0, 1, 1])
    assert abs(f(1, 0) - f(-1, 0)) < 1e-5
    mm, rr = (2 * f(0, 0) - f(1, 0) - f(-1, 0)) / h**2, (2 * f(0, 0) - f(0, 1) - f(0, -1)) / g**2
    mr = (f(1, -1) + f(-1, 1) - f(1, 1) - f(-1, -1)) / (4 * h * g)
    # Central differences over a hundredth of a standard error: truncation about 1e-4 of the curvature.
    np.testing.assert_allclose(fit.covariance[0], np.linalg.inv([[mm, mr], [mr, rr]]), rtol=1e-3)
    np.testing.assert_allclose(fit.se[0] ** 2, fit.covariance[0, 0, 0])


def test_the_fit_of_a_published_review_is_that_of_direct_maximisation():
    def fall(mu, psi):
        a, b = special.expit(mu) / psi, special.expit(-mu) / psi
        return -sum(stats.betabinom.logpmf(x, n, a, b) for x, n in zip(*DEVCIC, strict=True))

    def height(psi):
        return minimize_scalar(fall, args=(psi,), bounds=(-3, 3), method="bounded", options={"xatol": 1e-10})

    best = minimize_scalar(lambda psi: height(psi).fun, bounds=(1e-4, 1), method="bounded", options={"xatol": 1e-10})
    fit = bb.fit(*row(*DEVCIC))
    assert fit.loglik[0] >= -best.fun - 1e-10
    # A search without slopes sees the square root of rounding.
    assert fit.psi[0] == pytest.approx(best.x, rel=1e-5)
    assert fit.mu[0] == pytest.approx(height(best.x).x, rel=1e-5)
    assert fit.loglik_common[0] == pytest.approx(stats.binom.logpmf(*DEVCIC, np.sum(DEVCIC[0]) / np.sum(DEVCIC[1])).sum())


def test_no_grid_point_beats_the_fit_on_hard_random_data():
    events, total = hard_sets(3, 600)
    fit = bb.fit(events, total)
    usable = ~fit.unbounded
    assert usable.sum() > 500
    assert fit.settled[usable].all()
    for name in ("mu", "se", "rho", "psi", "loglik", "covariance", "study_information", "rate"):
        assert np.isfinite(getattr(fit, name)[usable]).all()
    counts = likelihood.count(events, total).take(usable)
    start = bb.common_mu(counts)
    for psi in (0.0, *np.geomspace(1e-8, 2e3, 40)):
        start, height = maximise_mu(counts, start, np.full(start.size, psi))
        assert (height - fit.loglik[usable]).max() < 1e-10


def test_the_interior_maximum_is_taken_where_the_boundary_is_one_as_well():
    # The huge study holds the common rate at its own and outvotes the small ones: the slope at rho = 0 points outwards.
    events, total = [422, 0, 1, 19, 3, 0, 1, 0], [3000, 10, 2, 25, 8, 21, 13, 10]
    fit = bb.fit(*row(events, total))
    assert at_point(events, total, special.logit(sum(events) / sum(total)), 0.0).score[0, 1] < 0
    assert fit.rho[0] == pytest.approx(0.352667, rel=1e-5)
    assert fit.loglik[0] > fit.loglik_common[0] + 20


def test_rates_at_0_and_100_per_cent_alone_are_unbounded():
    fit = bb.fit(*row([0, 10, 0, 30], [10, 10, 20, 30]))
    assert fit.unbounded[0]
    assert not fit.settled[0]
    assert np.isnan(fit.mu[0])
    assert np.isnan(fit.rho[0])
    assert np.isfinite(fit.loglik_common[0])
    for interval in (rho_interval, mu_interval):
        assert np.isnan(interval(*row([0, 10, 0, 30], [10, 10, 20, 30]), fit, 0.95)).all()


def test_studies_of_one_patient_say_nothing_of_rho():
    data = row([0, 1, 0, 0, 1], [1, 1, 1, 1, 1])
    fit = bb.fit(*data)
    assert not fit.unbounded[0]
    assert fit.rho[0] == 0
    assert fit.mu[0] == pytest.approx(special.logit(0.4))
    assert [end[0] for end in rho_interval(*data, fit, 0.95)] == [0, 1]


def test_equal_rates_lie_on_the_boundary():
    data = row([6, 12, 18, 9], [20, 40, 60, 30])
    fit = bb.fit(*data)
    assert fit.rho[0] == 0
    assert fit.loglik[0] == fit.loglik_common[0]
    assert fit.se[0] == pytest.approx(np.sqrt(1 / 45 + 1 / 105))
    assert fit.covariance[0].ravel().tolist() == [fit.se[0] ** 2, 0, 0, 0]
    np.testing.assert_allclose(fit.rate[0], 0.3)
    lower, upper = rho_interval(*data, fit, 0.95)
    assert lower[0] == 0
    assert 0 < upper[0] < 0.5


def test_swapping_events_and_non_events_mirrors_the_fit():
    events, total = hard_sets(9, 60)
    fit, mirror = bb.fit(events, total), bb.fit(total - events, total)
    usable = ~fit.unbounded
    np.testing.assert_allclose(mirror.mu[usable], -fit.mu[usable], rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(mirror.psi[usable], fit.psi[usable], rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(mirror.loglik[usable], fit.loglik[usable], rtol=1e-12)


def test_shares_of_information_sum_to_the_whole_and_rates_shrink_to_the_mean():
    fit = bb.fit(*row(*DEVCIC))
    at = at_point(*DEVCIC, fit.mu[0], fit.psi[0])
    assert (fit.study_information > 0).all()
    assert fit.study_information.sum() == pytest.approx(at.information[0, 0, 0], rel=1e-8)
    own, pi = np.divide(*DEVCIC), special.expit(fit.mu[0])
    phi = (1 - fit.rho[0]) / fit.rho[0]
    np.testing.assert_allclose(fit.rate[0], (np.array(DEVCIC[0]) + pi * phi) / (np.array(DEVCIC[1]) + phi))
    assert (np.abs(fit.rate[0] - pi) < np.abs(own - pi)).all()


def test_a_padded_batch_gives_the_numbers_of_single_fits():
    events, total = hard_sets(5, 60)
    together = bb.fit(events, total)
    ends = [*rho_interval(events, total, together, 0.95), *mu_interval(events, total, together, 0.95)]
    for i in range(len(events)):
        present = total[i] > 0
        single = row(events[i, present], total[i, present])
        alone = bb.fit(*single)
        for name in ("mu", "se", "rho", "loglik", "loglik_common", "covariance"):
            np.testing.assert_allclose(getattr(together, name)[i], getattr(alone, name)[0], rtol=1e-12, atol=1e-12)
        if i % 4 == 0:
            mine = [*rho_interval(*single, alone, 0.95), *mu_interval(*single, alone, 0.95)]
            np.testing.assert_allclose([end[i] for end in ends], np.ravel(mine), rtol=1e-8, atol=1e-12)


def test_ends_lie_the_quantile_below_the_maximum():
    events, total = hard_sets(13, 60, width=12)
    fit = bb.fit(events, total)
    counts = likelihood.count(events, total)
    grid = np.linspace(-40, 40, 2001)
    dense = np.concatenate([[0], np.geomspace(1e-10, 1e4, 20000)])
    rho_ends, mu_ends = rho_interval(events, total, fit, 0.95), mu_interval(events, total, fit, 0.95)
    for i in np.flatnonzero(~fit.unbounded):
        assert 0 <= rho_ends[0][i] <= fit.rho[i] <= rho_ends[1][i] <= 1
        assert mu_ends[0][i] < fit.mu[i] < mu_ends[1][i]
        for end in (rho_ends[0][i], rho_ends[1][i]):
            if 0 < end < 1:
                psi = end / (1 - end)
                many = counts.take(np.full(grid.size, i))
                start = grid[likelihood.evaluate(many, grid, np.full(grid.size, psi)).loglik.argmax()]
                best = maximise_mu(counts.take(np.array([i])), np.array([start]), np.array([psi]))[1][0]
                assert fit.loglik[i] - best == pytest.approx(DROP, abs=1e-6)
        if i % 10 == 0:
            for end in (mu_ends[0][i], mu_ends[1][i]):
                many = counts.take(np.full(dense.size, i))
                best = likelihood.evaluate(many, np.full(dense.size, end), dense).loglik.max()
                # The grid is dense to 0.2 %.
                assert fit.loglik[i] - best == pytest.approx(DROP, abs=1e-4)


def test_intervals_nest_in_the_level():
    events, total = hard_sets(17, 40)
    fit = bb.fit(events, total)
    usable = ~fit.unbounded
    for interval in (rho_interval, mu_interval):
        narrow, wide = interval(events, total, fit, 0.8), interval(events, total, fit, 0.95)
        assert (wide[0] <= narrow[0] + 1e-9)[usable].all()
        assert (narrow[1] <= wide[1] + 1e-9)[usable].all()


def test_median_and_variance_are_those_of_the_beta_distribution():
    rng = np.random.default_rng(2)
    mu, rho = rng.uniform(-5, 5, 300), 10 ** rng.uniform(-8, -0.1, 300)
    a, b = special.expit(mu) * (1 - rho) / rho, special.expit(-mu) * (1 - rho) / rho
    middle = median(mu, rho)
    inside = (middle > 1e-12) & (middle < 1 - 1e-9)
    np.testing.assert_allclose(stats.beta.cdf(middle, a, b)[inside], 0.5, atol=1e-6)
    assert ((middle >= 0) & (middle <= 1)).all()
    np.testing.assert_allclose(logit_variance(mu, rho), special.polygamma(1, a) + special.polygamma(1, b))
    assert median(np.array([-1.0]), np.array([0.0]))[0] == special.expit(-1.0)
    assert logit_variance(np.array([-1.0]), np.array([0.0]))[0] == 0


def predict(mu, se, rho, k, level=0.95):
    lower, upper = prediction_interval(*(np.array([float(value)]) for value in (mu, se, rho, k)), level)
    return lower[0], upper[0]


@pytest.mark.parametrize(
    ("mu", "se", "rho", "k"), [(-2, 0.3, 0.1, 5), (0, 0.2, 0.3, 10), (1, 0.5, 0.01, 8), (-4, 0.6, 0.05, 4), (-2, 0.3, 2e-4, 6)]
)
def test_prediction_ends_are_quantiles_of_the_mixed_beta(mu, se, rho, k):
    z = np.linspace(-16, 16, 60001)
    weight = np.exp(-0.5 * z * z) / np.exp(-0.5 * z * z).sum()
    phi = (1 - rho) / rho
    a, b = special.expit(mu + se * z) * phi, special.expit(-mu - se * z) * phi
    lower, upper = predict(mu, se, rho, k)
    wanted = stats.norm.sf(stats.t.ppf(0.975, k - 2))
    assert (special.betainc(a, b, lower) * weight).sum() == pytest.approx(wanted, rel=1e-6)
    assert (special.betaincc(a, b, upper) * weight).sum() == pytest.approx(wanted, rel=1e-6)


def test_prediction_interval_is_that_of_higgins_thompson_spiegelhalter_where_rates_are_nearly_normal():
    mu, se, k = -0.4, 0.05, 7
    t = stats.t.ppf(0.975, k - 2)
    np.testing.assert_allclose(predict(mu, se, 0.0, k), special.expit([mu - t * se, mu + t * se]))
    # A beta with thousands of observations is normal in logits to about a hundredth of its width.
    rho = 1e-4
    half = t * np.sqrt(se**2 + logit_variance(np.array([mu]), np.array([rho]))[0])
    np.testing.assert_allclose(predict(mu, se, rho, k), special.expit([mu - half, mu + half]), rtol=2e-3)


def test_prediction_interval_is_continuous_where_the_beta_gets_narrow():
    ends = np.array([predict(-2, 0.4, rho, 6) for rho in (5.0e-6, 6.0e-6, 6.5e-6, 7.0e-6, 8.0e-6)])
    slope = np.diff(ends, axis=0) / np.array([1.0, 0.5, 0.5, 1.0])[:, None]
    np.testing.assert_allclose(slope, np.broadcast_to(slope[0], slope.shape), rtol=0.02)


def test_prediction_interval_stays_inside_and_needs_three_studies():
    rng = np.random.default_rng(4)
    n = 150
    mu, se = rng.uniform(-12, 12, n), 10 ** rng.uniform(-4, 1, n)
    rho = np.where(rng.random(n) < 0.1, 0, 10 ** rng.uniform(-9, -0.001, n))
    k = rng.integers(3, 40, n).astype(float)
    lower, upper = prediction_interval(mu, se, rho, k, 0.95)
    assert ((lower >= 0) & (lower <= upper) & (upper <= 1)).all()
    narrow = prediction_interval(mu, se, rho, k, 0.8)
    assert ((lower <= narrow[0]) & (narrow[1] <= upper)).all()
    assert np.isnan(predict(-1, 0.2, 0.1, 2)).all()
    assert np.isnan(predict(np.nan, 0.2, 0.1, 5)).all()
    assert predict(-1, 0.2, 0.1, 3, level=0.999) == (0, 1)
