"""Intervals of tau2 and of the mean: at their ends the equations that define them hold, by independent formulas."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import chi2

from metanet.kernels.inverse_variance import intervals, intervals as tau2_intervals, tau2, two_step
from tests.kernels.inverse_variance.test_generalised_q import imhof

DROP = chi2.ppf(0.95, 1) / 2


def sets(seed, count, k=7):
    rng = np.random.default_rng(seed)
    v = np.exp(rng.normal(-2, 1, (count, k)))
    return rng.normal(size=(count, k)) * np.sqrt(v + rng.choice([0.0, 0.1, 0.8], (count, 1))), v


def log_likelihood(y, v, t, mean=None, restricted=False):
    w = 1 / (v + t)
    centre = (w * y).sum() / w.sum() if mean is None else mean
    extra = np.log(w.sum()) if restricted else 0.0
    return -0.5 * (np.log(v + t).sum() + extra + (w * (y - centre) ** 2).sum())


@pytest.mark.parametrize(("kind", "estimator"), [("restricted", tau2.reml), ("full", tau2.ml)])
def test_profile_ends_lie_the_quantile_below_the_maximum(kind, estimator):
    y, v = sets(1, 40)
    best = estimator(y, v)
    lower, upper, empty = tau2_intervals.profile_likelihood(y, v, best, 0.95, kind)
    assert not empty.any()
    for i in range(40):
        f = lambda t, i=i: log_likelihood(y[i], v[i], t, restricted=kind == "restricted")  # noqa: E731
        assert f(best[i]) - f(upper[i]) == pytest.approx(DROP, abs=1e-9)
        if lower[i] > 0:
            assert f(best[i]) - f(lower[i]) == pytest.approx(DROP, abs=1e-9)
        else:
            assert f(best[i]) - f(0.0) <= DROP
        # The maximum is global on a fine grid.
        assert max(f(t) for t in np.geomspace(1e-6, 50, 400)) <= f(best[i]) + 1e-9


def test_q_profile_ends_meet_the_chi_squared_quantiles():
    y, v = sets(2, 60)
    lower, upper, empty = tau2_intervals.q_profile(y, v, 0.95)
    for end, p in ((lower, 0.975), (upper, 0.025)):
        inside = ~empty & (end > 0)
        assert inside.sum() > 10
        q = two_step.weighted_mean(y[inside], v[inside], end[inside]).q
        np.testing.assert_allclose(q, chi2.ppf(p, 6), rtol=1e-10)


def test_jackson_ends_stand_at_the_tails_of_the_exact_distribution():
    y, v = sets(3, 30)
    lower, upper, empty = tau2_intervals.generalised(y, v, 0.95)
    seen = 0
    for i in np.flatnonzero(~empty):
        a = 1 / np.sqrt(v[i])
        q = (a * (y[i] - (a * y[i]).sum() / a.sum()) ** 2).sum()
        for end, p in ((lower[i], 0.025), (upper[i], 0.975)):
            if end > 0:
                seen += 1
                assert imhof(a, v[i] + end, q) == pytest.approx(p, abs=1e-7)
    assert seen > 30


def test_intervals_of_tau2_nest_in_the_level():
    y, v = sets(4, 80)
    for method in (tau2_intervals.q_profile, tau2_intervals.generalised):
        (a, b, gone), (c, d, _) = method(y, v, 0.9), method(y, v, 0.99)
        fine = ~gone
        assert (c <= a + 1e-12)[fine].all()
        assert (b <= d + 1e-12)[fine].all()


def test_an_empty_set_is_said_to_be_empty():
    # Rates of 6/20, 12/40, 18/60: no tau2 makes them so much alike.
    y, v = np.full((1, 6), 0.3), np.full((1, 6), 0.05)
    for method in (tau2_intervals.q_profile, tau2_intervals.generalised):
        lower, upper, empty = method(y, v, 0.95)
        assert empty[0]
        assert np.isnan(lower[0])
        assert np.isnan(upper[0])


def test_profile_interval_of_the_mean_lies_the_quantile_below_the_maximum():
    y, v = sets(5, 25)
    best = tau2.ml(y, v)
    fit = two_step.weighted_mean(y, v, best)
    interval = intervals.profile(y, v, fit, best, 0.95)
    for i in range(25):
        top = log_likelihood(y[i], v[i], best[i])
        for end in (interval.lower[i], interval.upper[i]):
            grid = [log_likelihood(y[i], v[i], t, end) for t in (0.0, *np.geomspace(1e-5, 60, 300))]
            start = (0.0, *np.geomspace(1e-5, 60, 300))[int(np.argmax(grid))]
            found = minimize_scalar(
                lambda t, i=i, end=end: -log_likelihood(y[i], v[i], t, end),
                bounds=(start * 0.8, start * 1.25 + 1e-6),
                method="bounded",
                options={"xatol": 1e-12},
            )
            assert top - max(-found.fun, grid[0]) == pytest.approx(DROP, abs=1e-8)


def test_hartung_knapp_ad_hoc_is_never_narrower_than_t():
    y, v = sets(6, 200)
    fit = two_step.weighted_mean(y, v, tau2.reml(y, v))
    k = two_step.study_count(v)
    plain = intervals.student(fit, k, 0.95)
    hoc, knapp = intervals.hartung_knapp(fit, k, 0.95, at_least=1.0), intervals.hartung_knapp(fit, k, 0.95)
    assert (hoc.se >= plain.se * (1 - 1e-14)).all()
    assert (hoc.se >= knapp.se).all()
    assert (knapp.se < plain.se).any()


def test_kenward_roger_has_no_limits_below_one_degree_of_freedom():
    y, v = np.array([[0.1, 1.9], [0.0, 0.5]]), np.array([[0.01, 0.3], [1.0, 1.0]])
    found = intervals.kenward_roger(two_step.weighted_mean(y, v, tau2.reml(y, v)), 0.95)
    assert (found.df < 1.01).all()
    assert np.isnan(found.lower[found.df < 1]).all()
    assert (found.df < 1).any()
