"""CR2 and the score sandwich against dense matrices, numerical derivatives and simulation."""

import numpy as np
import pytest
from scipy import integrate
from scipy.special import expit, gammaln

from metanet.kernels.inverse_variance.clusters import Clusters, cr2, sandwich
from metanet.kernels.normal_effect.fit import fit
from metanet.kernels.normal_effect.study_likelihoods import BinomialLogit
from metanet.kernels.numerics import distributions

CODE = np.array([0, 1, 0, 2, 2, 3, 1, 0, 4, 5, 5, 4])


def problem(rng, k=CODE.size, p=3):
    x = np.column_stack([np.ones(k), rng.normal(size=(k, p - 1))])
    w = np.exp(rng.normal(0, 1.5, k))
    y = rng.normal(size=k)
    beta = np.linalg.solve(x.T * w @ x, x.T @ (w * y))
    return x, w, y - x @ beta


def root_inverse(matrix):
    value, vector = np.linalg.eigh(matrix)
    keep = value > 1e-9 * value.max()
    return (vector[:, keep] / np.sqrt(value[keep])) @ vector[:, keep].T


def dense(x, w, e, code):
    """The definition, with every matrix written out: covariance and Satterthwaite df by the eigenvalues of the quadratic form."""
    k = w.size
    phi, big = np.diag(1 / w), np.diag(w)
    bread = np.linalg.inv(x.T @ big @ x)
    hat = np.eye(k) - x @ bread @ x.T @ big
    meat, gs = 0.0, []
    for g in np.unique(code):
        i = np.flatnonzero(code == g)
        d = np.sqrt(phi[np.ix_(i, i)])
        b = d @ (hat[i] @ phi @ hat[i].T) @ d
        a = d @ root_inverse(b) @ d
        half = x[i].T @ big[np.ix_(i, i)] @ a
        meat = meat + half @ np.outer(e[i], e[i]) @ half.T
        gs.append(hat[i].T @ (half.T @ bread))
    df = []
    for c in range(x.shape[1]):
        vectors = np.sqrt(phi) @ np.stack([g[:, c] for g in gs], axis=1)
        value = np.linalg.eigvalsh(vectors.T @ vectors)
        df.append(value.sum() ** 2 / (value**2).sum())
    return bread @ meat @ bread, np.array(df)


def test_cr2_is_its_definition_with_dense_matrices():
    rng = np.random.default_rng(1)
    for p in (1, 2, 3):
        x, w, e = problem(rng, p=p)
        found = cr2(x[None], w[None], e[None], Clusters.of_codes(CODE))
        covariance, df = dense(x, w, e, CODE)
        np.testing.assert_allclose(found.covariance[0], covariance, rtol=1e-10, atol=1e-14)
        np.testing.assert_allclose(found.df[0], df, rtol=1e-10)


def test_a_batch_gives_the_numbers_of_single_fits():
    rng = np.random.default_rng(2)
    parts = [problem(rng) for _ in range(4)]
    whole = cr2(*(np.stack(arrays) for arrays in zip(*parts, strict=True)), Clusters.of_codes(CODE))
    for i, (x, w, e) in enumerate(parts):
        one = cr2(x[None], w[None], e[None], Clusters.of_codes(CODE))
        np.testing.assert_allclose(whole.covariance[i], one.covariance[0], rtol=1e-12)
        np.testing.assert_allclose(whole.df[i], one.df[0], rtol=1e-12)


def test_an_absent_arm_changes_nothing():
    x, w, e = problem(np.random.default_rng(3))
    more = [np.insert(values, 4, row, axis=0) for values, row in ((x, np.nan), (w, 0.0), (e, np.nan))]
    code = np.insert(CODE, 4, 2)
    whole, part = (cr2(x[None], w[None], e[None], Clusters.of_codes(CODE)), cr2(*(m[None] for m in more), Clusters.of_codes(code)))
    np.testing.assert_allclose(part.covariance, whole.covariance, rtol=1e-12)
    np.testing.assert_allclose(part.df, whole.df, rtol=1e-12)


@pytest.mark.parametrize("factor", [1e-12, 1e12])
def test_the_unit_of_the_weights_does_not_matter(factor):
    x, w, e = problem(np.random.default_rng(4))
    one, other = (cr2(x[None], u[None], e[None], Clusters.of_codes(CODE)) for u in (w, factor * w))
    np.testing.assert_allclose(other.covariance, one.covariance, rtol=1e-9)
    np.testing.assert_allclose(other.df, one.df, rtol=1e-9)


def test_the_units_of_the_moderators_do_not_matter():
    x, w, e = problem(np.random.default_rng(5))
    units = np.array([1.0, 1e7, 1e-7])
    one, other = (cr2((x * u)[None], w[None], e[None], Clusters.of_codes(CODE)) for u in (1.0, units))
    np.testing.assert_allclose(other.covariance[0] * np.outer(units, units), one.covariance[0], rtol=1e-8)
    np.testing.assert_allclose(other.df, one.df, rtol=1e-8)


def test_with_one_arm_in_each_cluster_it_is_the_leverage_correction():
    x, w, e = problem(np.random.default_rng(6), p=1)
    found = cr2(x[None], w[None], e[None], Clusters.of_codes(np.arange(w.size)))
    leverage = w / w.sum()
    np.testing.assert_allclose(found.covariance[0, 0, 0], (w**2 * e**2 / (1 - leverage)).sum() / w.sum() ** 2, rtol=1e-12)


def test_it_is_unbiased_where_the_working_model_is_true():
    rng = np.random.default_rng(7)
    x, w, _ = problem(rng, p=2)
    bread = np.linalg.inv(x.T * w @ x)
    y = rng.normal(size=(20_000, w.size)) / np.sqrt(w)
    e = y - (y * w) @ x @ bread @ x.T
    found = cr2(np.broadcast_to(x, (y.shape[0], *x.shape)), np.broadcast_to(w, y.shape), e, Clusters.of_codes(CODE))
    values = found.covariance[:, [0, 1], [0, 1]]
    error = values.std(0) / np.sqrt(y.shape[0])
    assert (np.abs(values.mean(0) - np.diag(bread)) < 4 * error).all()


def marginal(events, total, mu, tau):
    """One study's log-likelihood by adaptive integration."""
    constant = gammaln(total + 1) - gammaln(events + 1) - gammaln(total - events + 1)

    def density(z):
        p = expit(mu + tau * z)
        return np.exp(constant + events * np.log(p) + (total - events) * np.log1p(-p) - 0.5 * z * z) / np.sqrt(2 * np.pi)

    return np.log(integrate.quad(density, -10, 10, epsabs=0, epsrel=1e-12, limit=200)[0])


def test_the_sandwich_is_that_of_numerical_scores():
    events, total = np.array([[3.0, 9, 1, 0, 12, 5]]), np.array([[20.0, 30, 15, 12, 25, 40]])
    code = np.array([0, 0, 1, 2, 2, 3])
    studies = BinomialLogit(events, total)
    found = fit(studies)
    mu, tau = found.mu[0], found.tau[0]
    assert tau > 0.1
    h = 1e-3

    def at(i, m, t):
        return marginal(events[0, i], total[0, i], mu + m * h, tau + t * h)

    scores, information = np.zeros((6, 2)), np.zeros((2, 2))
    for i in range(6):
        grid = {(m, t): at(i, m, t) for m in (-1, 0, 1) for t in (-1, 0, 1)}
        scores[i] = [(grid[1, 0] - grid[-1, 0]) / (2 * h), (grid[0, 1] - grid[0, -1]) / (2 * h)]
        information[0, 0] -= (grid[1, 0] - 2 * grid[0, 0] + grid[-1, 0]) / h**2
        information[1, 1] -= (grid[0, 1] - 2 * grid[0, 0] + grid[0, -1]) / h**2
        cross = (grid[1, 1] - grid[1, -1] - grid[-1, 1] + grid[-1, -1]) / (4 * h**2)
        information[0, 1] -= cross
        information[1, 0] -= cross
    total_scores = np.stack([scores[code == g].sum(0) for g in range(4)])
    bread = np.linalg.inv(information)
    wanted = 4 / 3 * (bread @ total_scores.T @ total_scores @ bread)[0, 0]
    robust, model = sandwich(studies, np.ones((1, 6, 1)), found.mu[:, None], found.tau, Clusters.of_codes(code))
    # Differences over 1e-3 leave errors of their square.
    np.testing.assert_allclose(robust[0, 0, 0], wanted, rtol=1e-5)
    np.testing.assert_allclose(model[0, 0, 0], bread[0, 0], rtol=1e-5)
    np.testing.assert_allclose(model[0, 0, 0], found.covariance[0, 0, 0], rtol=1e-8)


def coverage(sizes, mu, b, seed):
    """Share of 95 % intervals that hold mu where arms of a study share an effect: sandwich, and as if arms were independent."""
    rng = np.random.default_rng(seed)
    code = np.repeat(np.arange(len(sizes)), sizes)
    theta = mu + rng.normal(0, 0.8, (b, len(sizes)))[:, code] + rng.normal(0, 0.3, (b, code.size))
    total = np.exp(rng.uniform(np.log(10), np.log(80), theta.shape)).round()
    studies = BinomialLogit(rng.binomial(total.astype(int), expit(theta)).astype(float), total)
    found = fit(studies)
    robust, model = sandwich(studies, np.ones((*theta.shape, 1)), found.mu[:, None], found.tau, Clusters.of_codes(code))
    error = np.abs(found.mu - mu)
    covered = error < distributions.two_sided_t(0.95, len(sizes) - 1) * np.sqrt(robust[:, 0, 0])
    return covered.mean(), (error < distributions.two_sided_t(0.95, code.size - 1) * np.sqrt(model[:, 0, 0])).mean()


def test_the_sandwich_covers_where_arms_share_an_effect_and_the_naive_interval_does_not():
    covered, naive = coverage([3] * 15, -1.0, 400, 8)
    # 400 data sets: a standard error of one point.
    assert 0.915 < covered < 0.985
    assert naive < 0.86


def test_where_a_few_studies_have_most_arms_the_sandwich_covers_less_than_it_says_as_its_note_tells():
    covered, naive = coverage([8, 6, 3, 1, 1, 1, 1, 1, 1, 1], -1.0, 400, 9)
    assert 0.81 < covered < 0.92
    assert naive < covered - 0.1


def test_without_spread_the_sandwich_needs_no_quadrature():
    events, total = np.array([[2.0, 4, 6, 3]]), np.array([[20.0, 40, 60, 30]])
    studies = BinomialLogit(events, total)
    found = fit(studies)
    assert found.tau[0] == 0
    robust, model = sandwich(studies, np.ones((1, 4, 1)), found.mu[:, None], found.tau, Clusters.of_codes(np.array([0, 0, 1, 1])))
    rate = events.sum() / total.sum()
    np.testing.assert_allclose(model[0, 0, 0], 1 / (total.sum() * rate * (1 - rate)), rtol=1e-12)
    assert robust[0, 0, 0] == pytest.approx(0.0, abs=1e-20)
