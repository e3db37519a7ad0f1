"""Profile-likelihood ends: at each end the profile lies exactly the quantile below its maximum."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import chi2

from metanet.kernels.normal_effect.fit import fit as fit_model, mu_interval, tau_interval
from metanet.kernels.normal_effect.study_likelihoods import BinomialLogit
from tests.kernels.direct import loglik, random_sets

DEVCIC = ([117, 9, 5, 17, 20, 6, 8, 26, 7, 8, 1, 11], [168, 40, 10, 33, 51, 9, 16, 48, 23, 10, 8, 19])
DROP = chi2.ppf(0.95, 1) / 2


def row(events, total):
    return BinomialLogit(np.array([events], float), np.array([total], float))


def test_ends_of_tau_lie_the_quantile_below_the_maximum():
    data = row(*DEVCIC)
    fit = fit_model(data)
    for end in tau_interval(data, fit, 0.95):
        best = minimize_scalar(
            lambda mu, tau=end[0]: -loglik(*DEVCIC, mu, tau), bounds=(-3, 3), method="bounded", options={"xatol": 1e-10}
        )
        assert fit.loglik[0] + best.fun == pytest.approx(DROP, abs=1e-7)


def test_ends_of_mu_lie_the_quantile_below_the_maximum():
    data = row(*DEVCIC)
    fit = fit_model(data)
    for end in mu_interval(data, fit, 0.95):
        best = minimize_scalar(
            lambda tau, mu=end[0]: -loglik(*DEVCIC, mu, tau), bounds=(0, 5), method="bounded", options={"xatol": 1e-10}
        )
        assert fit.loglik[0] + best.fun == pytest.approx(DROP, abs=1e-7)


def test_intervals_hold_the_estimate_and_nest_in_the_level_on_hard_data():
    events, total = random_sets(3, 60)
    fit = fit_model(BinomialLogit(events, total))
    usable = ~fit.unbounded
    narrow, wide = (tau_interval(BinomialLogit(events, total), fit, 0.8), tau_interval(BinomialLogit(events, total), fit, 0.95))
    assert (wide[0] <= narrow[0] + 1e-8)[usable].all()
    assert (narrow[0] <= fit.tau + 1e-8)[usable].all()
    assert (fit.tau <= narrow[1] + 1e-8)[usable].all()
    assert (narrow[1] <= wide[1] + 1e-8)[usable].all()


@pytest.mark.parametrize(
    ("events", "total", "wanted"),
    [
        ([0, 5], [30, 35], 24.83160),
        ([0, 40, 0, 2], [50, 50, 60, 40], 20.65272),
        ([0, 10, 0, 30, 1, 29, 15], [10, 10, 20, 30, 30, 30, 30], 22.24913),
    ],
)
def test_a_wide_end_of_tau_is_exact_too(events, total, wanted):
    data = row(events, total)
    # Ends found by dense integration.
    assert tau_interval(data, fit_model(data), 0.95)[1][0] == pytest.approx(wanted, abs=2e-5)


def test_tau_interval_starts_at_zero_where_zero_is_likely_enough():
    data = row([6, 12, 18, 9], [20, 40, 60, 30])
    fit = fit_model(data)
    lower, upper = tau_interval(data, fit, 0.95)
    assert fit.tau[0] == 0
    assert lower[0] == 0
    assert 0 < upper[0] < 2
