"""Networks with a design of their own: the indicators of treatments give the network, a covariate the plain least squares."""

import numpy as np
import pytest
from scipy import linalg, optimize

from metanet.kernels.network.regression import degrees, fit_design
from metanet.kernels.network.two_step import estimate
from tests.kernels.network.batches import arms_of

SEEDS = [seed for seed in range(24) if arms_of([seed])[0].df[0] > 2]


def design(arms, sizes):
    return ((arms.node[:, :, None] == np.arange(1, sizes[0])) & arms.present[:, :, None]).astype(float)


@pytest.mark.parametrize("method", ["DL", "REML", "none"])
@pytest.mark.parametrize("seed", SEEDS)
def test_indicators_of_treatments_are_the_network(seed, method):
    arms, sizes = arms_of([seed])
    found, network = fit_design(arms.effect, arms.variance, design(arms, sizes), method), estimate(arms, method)
    assert found.df == network.df[0]
    np.testing.assert_allclose(found.q, network.q[0], rtol=1e-9)
    np.testing.assert_allclose(found.tau2, network.tau2[0], rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(found.beta, network.contrasts[0][0, 1:, 0], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(np.sqrt(np.diag(found.covariance)), network.contrasts[1][0, 1:, 0], rtol=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_covariate_is_that_of_plain_matrices(seed):
    arms, sizes = arms_of([seed])
    values = np.random.default_rng(seed).normal(size=len(arms.effect))
    z = np.where(arms.present & (arms.node != 0), values[:, None], 0.0)
    x = np.concatenate([design(arms, sizes), z[:, :, None]], 2)
    blocks, between, y, rows = [], [], [], []
    for s in range(len(arms.effect)):
        k = int(arms.present[s].sum())
        turn = np.column_stack([-np.ones(k - 1), np.eye(k - 1)])
        blocks.append(turn @ np.diag(arms.variance[s, :k]) @ turn.T)
        between.append(0.5 * turn @ turn.T)
        y.append(turn @ arms.effect[s, :k])
        rows.append(turn @ x[s, :k])
    v, p0, y, rows = linalg.block_diag(*blocks), linalg.block_diag(*between), np.concatenate(y), np.concatenate(rows)
    if np.linalg.matrix_rank(rows) < rows.shape[1]:
        assert not fit_design(arms.effect, arms.variance, x, "REML").full_rank
        return

    def gls(tau2):
        weight = np.linalg.inv(v + tau2 * p0)
        information = rows.T @ weight @ rows
        beta = np.linalg.solve(information, rows.T @ weight @ y)
        q = (y - rows @ beta) @ weight @ (y - rows @ beta)
        height = -0.5 * (np.linalg.slogdet(v + tau2 * p0)[1] + np.linalg.slogdet(information)[1] + q)
        return beta, np.linalg.inv(information), q, height

    found = fit_design(arms.effect, arms.variance, x, "REML")
    assert found.df == degrees(arms.variance, x) == len(y) - rows.shape[1]
    best = optimize.minimize_scalar(lambda t: -gls(t)[3], bounds=(0, 10), method="bounded", options={"xatol": 1e-10}).x
    assert gls(found.tau2)[3] >= gls(best)[3] - 1e-8
    beta, covariance, _, _ = gls(found.tau2)
    np.testing.assert_allclose(found.beta, beta, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(found.covariance, covariance, rtol=1e-6, atol=1e-10)
