"""Two-step networks against plain matrices of all contrasts, on simulated networks of every shape."""

import numpy as np
import pytest

from metanet.kernels.network.arms import Arms
from metanet.kernels.network.consistency import designs, split
from metanet.kernels.network.ranks import p_scores
from metanet.kernels.network.two_step import Fit, Restricted, arm_effects, contrasts, estimate
from tests.kernels.network.batches import arms_of, padded
from tests.kernels.network.dense import dense_of, pairs

SEEDS = range(24)
CLOSE = {"rtol": 1e-8, "atol": 1e-9}


@pytest.mark.parametrize("measure", ["OR", "RR", "RD"])
@pytest.mark.parametrize("seed", SEEDS)
def test_dersimonian_laird_is_that_of_plain_matrices(seed, measure):
    arms, _ = arms_of([seed], measure)
    plain, found = dense_of(seed, measure), estimate(arms, "DL")
    assert found.df[0] == plain.df
    np.testing.assert_allclose(found.q[0], plain.gls(0.0)[2], **CLOSE)
    np.testing.assert_allclose(found.tau2[0], plain.dl(), **CLOSE)
    mu, se = plain.contrasts(plain.dl())
    np.testing.assert_allclose(found.contrasts[0][0], mu, **CLOSE)
    np.testing.assert_allclose(found.contrasts[1][0], se, **CLOSE)


@pytest.mark.parametrize("seed", SEEDS)
def test_restricted_likelihood_is_highest_at_its_tau2(seed):
    arms, _ = arms_of([seed])
    plain, found = dense_of(seed), estimate(arms, "REML")
    np.testing.assert_allclose(found.tau2[0], plain.reml(), rtol=2e-5, atol=2e-7)
    assert plain.loglik(found.tau2[0]) >= plain.loglik(plain.reml()) - 1e-9
    mu, se = plain.contrasts(found.tau2[0])
    np.testing.assert_allclose(found.contrasts[0][0], mu, **CLOSE)
    np.testing.assert_allclose(found.contrasts[1][0], se, **CLOSE)


@pytest.mark.parametrize("seed", SEEDS)
def test_score_curvature_and_height_are_those_of_the_likelihood(seed):
    arms, _ = arms_of([seed])
    plain, step = dense_of(seed), 1e-4
    for tau2 in (0.05, 0.7):
        fit = Fit(arms, np.array([tau2]))
        low, middle, high = (plain.loglik(tau2 + side * step) for side in (-1, 0, 1))
        np.testing.assert_allclose(fit.score[0], (high - low) / (2 * step), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(fit.curvature[0], (high - 2 * middle + low) / step**2, rtol=2e-3, atol=1e-4)
        other = Fit(arms, np.array([tau2 + step]))
        np.testing.assert_allclose(other.loglik[0] - fit.loglik[0], high - middle, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_score_is_positive_beyond_the_end_of_the_search(seed):
    arms, _ = arms_of([seed])
    problem = Restricted(arms)
    wanted, top = problem.ends()
    if wanted[0]:
        for factor in (1.0, 1.5, 5.0, 100.0):
            assert problem.score(top * factor)[0] <= 0


def test_a_batch_gives_the_numbers_of_a_loop():
    arms, sizes = arms_of(SEEDS)
    for method in ("DL", "REML"):
        together = estimate(arms, method)
        both, divided = split(arms, together), designs(arms)
        for place, seed in enumerate(SEEDS):
            alone_arms, _ = arms_of([seed])
            alone, t = estimate(alone_arms, method), sizes[place]
            np.testing.assert_allclose(together.tau2[place], alone.tau2[0], rtol=1e-9, atol=1e-14)
            np.testing.assert_allclose(together.contrasts[0][place, :t, :t], alone.contrasts[0][0], **CLOSE)
            assert np.isnan(together.contrasts[0][place, t:, :t]).all()
            np.testing.assert_allclose(both.indirect[place, :t, :t], split(alone_arms, alone).indirect[0], rtol=1e-6, atol=1e-8)
            np.testing.assert_allclose(divided.between[place], designs(alone_arms).between[0], rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_studies_and_arms_does_not_matter(seed):
    y, n, node, owner, sizes = padded([seed])
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(y))
    columns = np.array([rng.permutation(y.shape[1]) for _ in rows])
    turned = [np.take_along_axis(values[rows], columns, 1) for values in (y, n, node)]
    first, second = (
        estimate(Arms(*arm_effects(a, b, "OR")[:2], c, owner, 1, sizes[0]), "REML") for a, b, c in ((y, n, node), tuple(turned))
    )
    np.testing.assert_allclose(first.tau2, second.tau2, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(first.contrasts[0], second.contrasts[0], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("seed", SEEDS)
def test_swapping_events_and_non_events_mirrors_the_odds_ratio(seed):
    y, n, node, owner, sizes = padded([seed])
    first, second = (estimate(Arms(*arm_effects(e, n, "OR")[:2], node, owner, 1, sizes[0]), "DL") for e in (y, n - y))
    np.testing.assert_allclose(first.contrasts[0], -second.contrasts[0], **CLOSE)
    np.testing.assert_allclose(first.tau2, second.tau2, **CLOSE)


@pytest.mark.parametrize("seed", SEEDS)
def test_q_is_divided_as_the_full_interaction_model_does(seed):
    arms, _ = arms_of([seed])
    plain, found = dense_of(seed), designs(arms)
    within, df = plain.within(0.0)
    np.testing.assert_allclose(found.within[0], within, rtol=1e-7, atol=1e-8)
    assert found.within_df[0] == df
    between = plain.gls(0.0)[2] - within if plain.df > df else 0.0
    np.testing.assert_allclose(found.between[0], max(0.0, between), rtol=1e-7, atol=1e-7)
    assert found.between_df[0] == plain.df - df
    tau2 = found.tau2_within[0]
    if plain.df > df:
        np.testing.assert_allclose(found.between_random[0], plain.gls(tau2)[2] - plain.within(tau2)[0], rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("seed", SEEDS)
def test_direct_and_indirect_evidence_add_up_to_the_network(seed):
    arms, sizes = arms_of([seed])
    plain, found = dense_of(seed), estimate(arms, "DL")
    both, (mu, se) = split(arms, found), (each[0] for each in found.contrasts)
    for i, j in pairs(sizes[0]):
        direct = plain.direct(i, j, found.tau2[0])
        if direct is None:
            assert both.studies[0, i, j] == 0
            assert np.isnan(both.direct[0, i, j])
            np.testing.assert_allclose(both.indirect[0, i, j], mu[i, j], **CLOSE)
            continue
        np.testing.assert_allclose([both.direct[0, i, j], both.direct_se[0, i, j]], direct, **CLOSE)
        if np.isfinite(both.indirect[0, i, j]):
            weights = both.direct_se[0, i, j] ** -2, both.indirect_se[0, i, j] ** -2
            mean = (weights[0] * direct[0] + weights[1] * both.indirect[0, i, j]) / sum(weights)
            np.testing.assert_allclose(mean, mu[i, j], rtol=1e-6, atol=1e-7)
            np.testing.assert_allclose(sum(weights) ** -0.5, se[i, j], rtol=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_p_scores_are_mean_certainties(seed):
    arms, _ = arms_of([seed])
    mu, se = estimate(arms, "DL").contrasts
    up, down = p_scores(mu, se, True)[0], p_scores(mu, se, False)[0]
    np.testing.assert_allclose(up + down, 1.0, rtol=1e-12)
    np.testing.assert_allclose(up.mean(), 0.5, rtol=1e-12)


def test_two_treatments_are_a_meta_analysis():
    import metanet as mn

    y, n = np.array([[4, 11], [6, 29], [62, 248], [33, 47.0]]), np.array([[123, 139], [306, 303], [1359, 1286], [509, 580.0]])
    arms = Arms(*arm_effects(y, n, "OR")[:2], np.array([[0, 1]] * 4), np.zeros(4, int), 1, 2)
    for method in ("DL", "REML"):
        fit = mn.pool(
            events=y[:, 0], total=n[:, 0], events_control=y[:, 1], total_control=n[:, 1], model="inverse_variance", tau2=method, ci="z"
        )
        found = estimate(arms, method)
        np.testing.assert_allclose(found.tau2[0], fit.tau2, rtol=1e-7)
        np.testing.assert_allclose(found.contrasts[0][0, 0, 1], fit.mu, rtol=1e-7)
        np.testing.assert_allclose(found.contrasts[1][0, 0, 1], fit.se, rtol=1e-7)
        np.testing.assert_allclose(found.q[0], fit.q, rtol=1e-9)


def test_components_and_degrees_of_freedom_of_a_disconnected_network():
    node = np.array([[0, 1], [1, 2], [0, 2], [3, 4], [5, 5]])
    effect, variance = np.arange(10.0).reshape(5, 2) / 7, np.full((5, 2), 0.1)
    variance[4, 1] = np.inf
    arms = Arms(effect, variance, node, np.zeros(5, int), 1, 6)
    assert arms.components[0] == 2
    assert arms.df[0] == 4 - 5 + 2
    assert not arms.used[0, 5]
    found = estimate(arms, "DL")
    mu = found.contrasts[0][0]
    assert np.isnan(mu[0, 3])
    assert np.isnan(mu[5]).all()
    np.testing.assert_allclose(mu[3, 4], effect[3, 0] - effect[3, 1])


def test_studies_without_events_get_the_same_correction_in_every_arm():
    effect, variance, corrected = arm_effects(
        np.array([[0.0, 5, 7], [3, 9, np.nan]]), np.array([[20.0, 20, 30], [9, 30, np.nan]]), "OR"
    )
    assert corrected.tolist() == [True, False]
    np.testing.assert_allclose(effect[0], np.log([0.5 / 20.5, 5.5 / 15.5, 7.5 / 23.5]))
    np.testing.assert_allclose(variance[0], [1 / 0.5 + 1 / 20.5, 1 / 5.5 + 1 / 15.5, 1 / 7.5 + 1 / 23.5])
    assert variance[1, 2] == np.inf
    plain = arm_effects(np.array([[3.0, 9]]), np.array([[10.0, 30]]), "RD")
    assert not plain[2].any()
    np.testing.assert_allclose(plain[0][0], [0.3, 0.3])


def test_contrasts_have_no_number_where_they_are_not_known():
    difference, se = contrasts(np.array([1.0, 3.0]), np.eye(2), np.array([[True, False], [False, True]]))
    assert np.isnan(difference[0, 1])
    assert np.isnan(se[0, 1])
    assert difference[0, 0] == 0
