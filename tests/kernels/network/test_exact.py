"""The exact model of a network against direct integrals, logistic regression, linear programmes and the model of two groups."""

import itertools

import numpy as np
import pytest
from scipy import integrate, optimize, special, stats

import metanet as mn
from metanet.kernels.network import exact
from metanet.kernels.network.exact import ExactLikelihood, product_rule
from metanet.kernels.network.exact_network import (
    Counts,
    bounds,
    deviances_of_designs,
    fit_network,
    ratio_without_estimate,
    saturated,
    split_exact,
)
from tests.kernels.network.batches import padded

SEEDS = range(16)


def counts_of(seed):
    y, n, node, _, sizes = padded([seed])
    return Counts(np.nan_to_num(y), np.nan_to_num(n), node, sizes[0], np.arange(len(y)))


def simple(y, n, node=None):
    y, n = np.array(y, float), np.array(n, float)
    node = np.tile(np.arange(y.shape[1]), (len(y), 1)) if node is None else np.array(node)
    return Counts(y, n, node, int(node.max()) + 1, np.arange(len(y)))


def direct(y, n, eta, tau):
    """Log-likelihood of one study by nested adaptive integration over independent effects of the arms, centred."""
    count = len(y)
    basis = np.linalg.qr(np.column_stack([np.ones(count), np.eye(count)[:, 1:]]))[0][:, 1:]

    def density(*z):
        logit = eta + tau / np.sqrt(2) * basis @ np.array(z)
        return np.exp(stats.binom.logpmf(y, n, special.expit(logit)).sum() - 0.5 * np.dot(z, z)) / (2 * np.pi) ** (len(z) / 2)

    return np.log(integrate.nquad(density, [(-9, 9)] * (count - 1), opts={"epsrel": 1e-10, "epsabs": 0, "limit": 200})[0])


@pytest.mark.parametrize(
    ("y", "n", "eta", "tau"),
    [
        ([3, 9], [40, 35], [-2.3, -1.0], 0.6),
        ([0, 2], [15, 18], [-3.0, -2.0], 1.4),
        ([0, 1], [300, 310], [-6.0, -5.5], 2.5),
        ([120, 180], [400, 390], [-0.9, -0.2], 0.3),
        ([3, 9, 1], [40, 35, 22], [-2.3, -1.0, -2.6], 0.8),
        ([0, 0, 4], [40, 35, 22], [-3.3, -3.0, -1.6], 1.6),
    ],
)
def test_the_integral_of_a_study_is_that_of_nested_quadrature(y, n, eta, tau):
    count = len(y)
    likelihood = ExactLikelihood(np.array([y], float), np.array([n], float), np.zeros((1, count, 0)), np.array([eta]))
    point = likelihood.start()
    point.a[:] = 0.0
    np.testing.assert_allclose(likelihood.at(point, tau).loglik, direct(y, n, np.array(eta), tau), rtol=0, atol=2e-8)


@pytest.mark.parametrize("seed", SEEDS)
def test_scores_and_information_are_the_derivatives(seed):
    used = fit_network(counts_of(seed), random=False).used
    x = np.random.default_rng(seed).normal(size=(*used.y.shape, 2)) * used.present[:, :, None]
    likelihood, tau, step = ExactLikelihood(used.y, used.n, x), 0.5, 1e-5
    start, _, fine = likelihood.climb(0.0, likelihood.start())
    assert fine

    def at(da=0.0, db=0.0, dtau=0.0):
        a, b = np.zeros(likelihood.studies), np.zeros(2)
        a[0], b[1] = da, db
        return likelihood.at(start.moved(a, b, 1.0), tau + dtau)

    here = at()
    low, high = at(da=-step), at(da=step)
    np.testing.assert_allclose(here.score_a[0], (high.loglik - low.loglik) / (2 * step), rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(here.info_a[0], -(high.score_a[0] - low.score_a[0]) / (2 * step), rtol=2e-4, atol=1e-5)
    np.testing.assert_allclose(here.info_ab[0], -(high.score_b - low.score_b) / (2 * step), rtol=2e-4, atol=1e-4)
    low, high = at(db=-step), at(db=step)
    np.testing.assert_allclose(here.score_b[1], (high.loglik - low.loglik) / (2 * step), rtol=2e-5, atol=2e-4)
    np.testing.assert_allclose(here.info_b[1], -(high.score_b - low.score_b) / (2 * step), rtol=2e-4, atol=1e-3)
    low, high = at(dtau=-step), at(dtau=step)
    np.testing.assert_allclose(here.score_tau, (high.loglik - low.loglik) / (2 * step), rtol=2e-5, atol=2e-4)


def logistic(counts):
    """Logistic regression with dense columns for every study and treatment, by scipy's own optimiser of a full gradient."""
    rows = np.nonzero(counts.present)
    study = rows[0]
    node, y, n = counts.node[rows], counts.y[rows], counts.n[rows]
    x = np.column_stack([study[:, None] == np.unique(study), (node[:, None] == np.unique(node))[:, 1:]]).astype(float)

    def negative(b):
        eta = x @ b
        return -(y * eta - n * np.logaddexp(0, eta)).sum(), -(x.T @ (y - n * special.expit(eta)))

    found = optimize.minimize(negative, np.zeros(x.shape[1]), jac=True, method="BFGS", options={"gtol": 1e-9, "maxiter": 5000})
    p = special.expit(x @ found.x)
    covariance = np.linalg.inv((x * (n * p * (1 - p))[:, None]).T @ x)
    treatments = len(np.unique(node)) - 1
    choose = special.gammaln(n + 1) - special.gammaln(y + 1) - special.gammaln(n - y + 1)
    return found.x[-treatments:], np.sqrt(np.diag(covariance)[-treatments:]), choose.sum() - found.fun


@pytest.mark.parametrize("seed", SEEDS)
def test_without_heterogeneity_it_is_logistic_regression(seed):
    counts = counts_of(seed)
    found = fit_network(counts, random=False)
    if len(np.unique(found.part)) > 1:
        pytest.skip("not all contrasts are finite")
    beta, se, loglik = logistic(found.used)
    mu, error = found.contrasts
    np.testing.assert_allclose(mu[1:, 0], beta, atol=2e-6)
    np.testing.assert_allclose(error[1:, 0], se, rtol=2e-5)
    np.testing.assert_allclose(found.fit.loglik, loglik, rtol=1e-10)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_maximum_is_the_highest_of_a_fine_scan_of_tau(seed):
    found = fit_network(counts_of(seed))
    assert found.fit.converged
    used = found.used
    labels = np.unique(used.node[used.present])
    first = {part: min(node for node in labels if found.part[node] == part) for part in found.part[labels]}
    columns = [node for node in labels if node != first[found.part[node]]]
    x = ((used.node[:, :, None] == np.array(columns, dtype=int)) & used.present[:, :, None]).astype(float)
    likelihood = ExactLikelihood(used.y, used.n, x)
    heights = []
    point = likelihood.start()
    for tau in np.r_[0.0, np.geomspace(0.01, 3.5, 25)]:
        point, sums, fine = likelihood.climb(tau, point)
        assert fine
        heights.append(sums.loglik)
    assert found.fit.loglik >= max(heights) - 1e-8
    # Where tau is above zero the score vanishes there.
    if found.fit.tau > 0:
        _, sums, _ = likelihood.climb(found.fit.tau, likelihood.start())
        assert abs(sums.score_tau) < 1e-5


@pytest.mark.parametrize("seed", [1, 4, 7, 12])
def test_twice_the_nodes_move_no_printed_digit(seed, monkeypatch):
    before = fit_network(counts_of(seed))
    monkeypatch.setattr(exact, "NODES", {k: (2 * m if k < 4 else m + 2) for k, m in exact.NODES.items()})
    after = fit_network(counts_of(seed))
    np.testing.assert_allclose(before.fit.tau, after.fit.tau, atol=2e-5)
    np.testing.assert_allclose(before.fit.loglik, after.fit.loglik, atol=1e-6)
    np.testing.assert_allclose(before.contrasts[0], after.contrasts[0], atol=2e-5)
    np.testing.assert_allclose(before.contrasts[1], after.contrasts[1], rtol=2e-5)


def test_two_treatments_are_the_mixed_model_of_two_groups_with_fixed_study_effects():
    y = [[4, 11], [6, 29], [3, 11], [62, 248], [33, 47], [1, 8]]
    n = [[123, 139], [306, 303], [231, 220], [13598, 12867], [5069, 5808], [40, 45]]
    found = fit_network(simple(y, n))
    events, total = np.array(y), np.array(n)
    fit = mn.pool(
        events=events[:, 0], total=total[:, 0], events_control=events[:, 1], total_control=total[:, 1], model="UM.FS", ci="z"
    )
    np.testing.assert_allclose(found.fit.tau2, fit.tau2, rtol=1e-5)
    np.testing.assert_allclose(found.contrasts[0][0, 1], fit.mu, rtol=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_arms_does_not_matter(seed):
    counts = counts_of(seed)
    turned = Counts(counts.y[::-1, ::-1], counts.n[::-1, ::-1], counts.node[::-1, ::-1], counts.nodes, counts.origin[::-1])
    first, second = fit_network(counts), fit_network(turned)
    # The basis of the random effects turns with the arms, so that the error of the quadrature is another one.
    np.testing.assert_allclose(first.fit.loglik, second.fit.loglik, atol=1e-6)
    np.testing.assert_allclose(first.contrasts[0], second.contrasts[0], atol=1e-5)


@pytest.mark.parametrize("seed", range(8))
def test_non_events_mirror_events(seed):
    counts = counts_of(seed)
    other = Counts(counts.n - counts.y, counts.n, counts.node, counts.nodes, counts.origin)
    first, second = fit_network(counts), fit_network(other)
    np.testing.assert_allclose(first.contrasts[0], -second.contrasts[0], atol=1e-5)
    np.testing.assert_allclose(first.contrasts[1], second.contrasts[1], rtol=1e-4)


def rises(counts, i, j):
    """Whether some direction in which the likelihood never falls takes treatment i above j: a linear programme."""
    rows, studies, t = [], len(counts.y), counts.nodes
    for s, k in zip(*np.nonzero(counts.present), strict=True):
        row = np.zeros(t + studies)
        row[counts.node[s, k]], row[t + s] = 1.0, 1.0
        if counts.y[s, k] > 0:
            rows.append(-row)
        if counts.y[s, k] < counts.n[s, k]:
            rows.append(row)
    goal = np.zeros(t + studies)
    goal[i], goal[j] = -1.0, 1.0
    found = optimize.linprog(goal, np.array(rows), np.zeros(len(rows)), bounds=[(-1, 1)] * (t + studies))
    return found.fun < -1e-6


@pytest.mark.parametrize("seed", range(20))
def test_contrasts_are_finite_where_no_direction_of_a_rising_likelihood_exists(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(3, 6))
    y, n, node = [], [], []
    for _ in range(int(rng.integers(2, 7))):
        arms = rng.permutation(count)[: rng.integers(2, 4)]
        total = rng.integers(3, 9, 3)
        events = rng.choice([0, 0, 1, 9], 3)
        absent = np.arange(3) >= len(arms)
        y.append(np.where(absent, 0, np.minimum(events, total)))
        n.append(np.where(absent, 0, total))
        node.append(np.r_[arms, np.zeros(3 - len(arms), int)])
    counts = Counts(np.array(y, float), np.array(n, float), np.array(node), count, np.arange(len(y)))
    part, bound = bounds(counts)
    for i, j in itertools.permutations(range(count), 2):
        assert bound[i, j] == (not rises(counts, i, j))
        assert (part[i] == part[j]) == (not rises(counts, i, j) and not rises(counts, j, i))


def test_a_treatment_without_events_is_tested_by_the_likelihood():
    counts = simple([[0, 5], [0, 3]], [[20, 30], [25, 20]])
    found = fit_network(counts)
    assert np.isnan(found.contrasts[0][0, 1])
    assert found.bound[0, 1]
    assert not found.bound[1, 0]
    statistic = ratio_without_estimate(counts, 0, 1, lower=True, random=False)
    # By hand: one rate for both arms against a rate of zero and one of its own.
    expected = 0.0
    for (y0, n0), (y1, n1) in (((0, 20), (5, 30)), ((0, 25), (3, 20))):
        joint = (y0 + y1) / (n0 + n1)
        null = stats.binom.logpmf([y0, y1], [n0, n1], joint).sum()
        free = stats.binom.logpmf(y1, n1, y1 / n1)
        expected += 2 * (free - null)
    np.testing.assert_allclose(statistic, expected, rtol=1e-6)
    turned = simple([[20, 25], [25, 17]], [[20, 30], [25, 20]])
    np.testing.assert_allclose(ratio_without_estimate(turned, 0, 1, lower=False, random=False), expected, rtol=1e-6)


def test_a_treatment_without_events_leaves_the_others_as_they_are():
    y, n = [[8, 5, 0], [9, 12, 0], [14, 10, 0]], [[40, 40, 10], [50, 55, 12], [60, 50, 9]]
    three = fit_network(simple(y, n))
    two = fit_network(simple(np.array(y)[:, :2], np.array(n)[:, :2]))
    np.testing.assert_allclose(three.contrasts[0][0, 1], two.contrasts[0][0, 1], rtol=1e-8)
    assert three.part[2] == -1


def test_studies_with_no_events_or_events_only_say_nothing():
    y, n = [[8, 5], [9, 12], [0, 0], [20, 30]], [[40, 40], [50, 55], [30, 30], [20, 30]]
    found, fewer = fit_network(simple(y, n)), fit_network(simple(y[:2], n[:2]))
    assert found.fit.loglik == fewer.fit.loglik
    assert found.q_df == fewer.q_df


@pytest.mark.parametrize("seed", SEEDS)
def test_deviances_of_designs_are_at_most_that_of_the_network(seed):
    found = fit_network(counts_of(seed))
    names, studies, q, df = deviances_of_designs(found.used)
    assert studies.sum() == len(found.used.y)
    assert len(names) == len(q)
    assert q.sum() <= found.q + 1e-6
    assert df.sum() <= found.q_df
    assert saturated(found.used).sum() >= found.common.loglik - 1e-9


def test_the_direct_evidence_of_an_isolated_pair_is_its_own_fit():
    counts = simple([[8, 5], [9, 12], [14, 10]], [[40, 40], [50, 55], [60, 50]])
    found = fit_network(counts)
    both = split_exact(counts, found)
    np.testing.assert_allclose(both.direct[0, 1], found.contrasts[0][0, 1], rtol=1e-7)
    np.testing.assert_allclose(both.direct_se[0, 1], found.contrasts[1][0, 1], rtol=1e-6)
    np.testing.assert_allclose(both.proportion[0, 1], 1.0, rtol=1e-6)
    assert np.isnan(both.indirect[0, 1])


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_the_product_rule_integrates_moments(dimension):
    node, log_weight = product_rule(dimension, 7)
    weight = np.exp(log_weight - 0.5 * (node**2).sum(1))
    np.testing.assert_allclose(weight.sum(), 1.0)
    np.testing.assert_allclose(weight @ node**4, 3.0)
