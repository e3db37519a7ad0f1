"""The inverse-variance model against metafor and meta: five scales of effects, three estimators, two intervals."""

import numpy as np
import pytest

import metanet as mn
from metanet.effects.formulas import logit_proportion
from metanet.kernels.inverse_variance import intervals, two_step

from .cases import MEASURES, SINGLE, as_list, counts, load

# The reference prints 15 digits; its REML is converged to about 1e-7 on flat likelihoods. Absolute: a tau2 of exactly 0 there.
CLOSE = {"rtol": 1e-6, "atol": 1e-9}
CI = {"z": "z", "knha": "HK", "adhoc": "HK-adhoc"}
TESTED = ("EE", "DL", "HE", "HS", "HSk", "SJ", "ML", "REML", "EB", "PM")
#: meta's names of the measures whose effects are those of metafor.
META = {"PLO": "PLOGIT", "PAS": "PAS", "PFT": "PFT"}

GRID = [(name, measure, tau2, test) for name in SINGLE for measure in MEASURES for tau2 in TESTED for test in CI]


def reference(name, measure, tau2, test):
    models = load(name)["fits"][measure]["models"]
    found = [m for m in models if m["method"] == tau2 and m["test"] == test]
    assert len(found) == 1
    return found[0]


def effects(name, measure):
    fits = load(name)["fits"][measure]
    return as_list(fits["yi"]), as_list(fits["vi"])


def test_the_grid_of_reference_cases_is_complete():
    assert len(GRID) == 7 * 5 * 10 * 3
    for name in SINGLE:
        assert set(load(name)["fits"]) == set(MEASURES)
        for measure in MEASURES:
            models = load(name)["fits"][measure]["models"]
            assert sorted((m["method"], m["test"]) for m in models) == sorted((a, b) for a in TESTED for b in CI)


@pytest.mark.parametrize(("name", "measure", "tau2", "test"), GRID)
def test_the_model_agrees_with_metafor(name, measure, tau2, test):
    wanted = reference(name, measure, tau2, test)
    yi, vi = effects(name, measure)
    # Hartung-Knapp belongs to a random effect here; metafor lends it to the common effect as well.
    choices = {"model": "common"} if tau2 == "EE" else {"tau2": tau2, "ci": CI[test]}
    fit = mn.pool(yi=yi, vi=vi, **choices)
    np.testing.assert_allclose(fit.mu, wanted["estimate"], **CLOSE)
    if len(yi) == 1:
        # metafor prints one study as a pooled result; here it is itself, with the same normal interval.
        assert fit.status == "not pooled"
        assert fit.tau2 is None
        np.testing.assert_allclose(fit.se, wanted["se"], **CLOSE)
        return
    np.testing.assert_allclose(fit.q, wanted["Q"], **CLOSE)
    np.testing.assert_allclose(fit.q_pvalue, wanted["Q_p"], **CLOSE)
    if tau2 == "EE":
        assert fit.tau2 is None
        if test == "z":
            np.testing.assert_allclose([fit.se, fit.mu_lower, fit.mu_upper], _limits(wanted), **CLOSE)
        return
    np.testing.assert_allclose(fit.tau2, wanted["tau2"], **CLOSE)
    np.testing.assert_allclose(100 * fit.i2, wanted["I2"], **CLOSE)
    np.testing.assert_allclose(fit.h2, wanted["H2"], **CLOSE)
    np.testing.assert_allclose([fit.se, fit.mu_lower, fit.mu_upper], _limits(wanted), **CLOSE)


def _limits(wanted):
    return [wanted["se"], wanted["ci_lower"], wanted["ci_upper"]]


@pytest.mark.parametrize("measure", META)
@pytest.mark.parametrize("name", [n for n in SINGLE if n != "one"])
def test_intervals_of_the_mean_and_predictions_agree_with_meta(name, measure):
    wanted = load(name)["meta"][META[measure]]
    yi, vi = effects(name, measure)
    # meta's REML is metafor's with its default rule, a move of tau2 below 1e-5.
    loose = {"rtol": 2e-4, "atol": 1e-5}
    pairs = {"HK": "predict_HK", "z": "predict_S"}
    for prediction, key in pairs.items():
        fit = mn.pool(yi=yi, vi=vi, prediction=prediction)
        if len(yi) < 3:
            assert fit.pi_lower is None
        else:
            np.testing.assert_allclose([fit.pi_lower, fit.pi_upper], wanted[key], **loose)
    roger = mn.pool(yi=yi, vi=vi, ci="KR")
    if any("Kenward-Roger" in note for note in roger.notes):
        # Less than one degree of freedom: meta prints limits as wide as 1e10, here the Hartung-Knapp interval stands in.
        ours = mn.pool(yi=yi, vi=vi, ci="HK-adhoc")
        assert (roger.mu_lower, roger.mu_upper) == (ours.mu_lower, ours.mu_upper)
        assert roger.tau2 == 0 or roger.k == 2
    else:
        np.testing.assert_allclose([roger.mu_lower, roger.mu_upper], wanted["randomci_KR"], **loose)
    classic = mn.pool(yi=yi, vi=vi, ci="z")
    np.testing.assert_allclose([classic.mu_lower, classic.mu_upper], wanted["randomci_classic"], **loose)
    by_q = mn.pool(yi=yi, vi=vi, i2="Q")
    np.testing.assert_allclose([by_q.i2, by_q.h2], [wanted["I2"], wanted["H"] ** 2], rtol=1e-6, atol=1e-9)
    if len(yi) > 2 or by_q.i2 > 0:
        np.testing.assert_allclose([by_q.i2_lower, by_q.i2_upper], [wanted["I2_lower"], wanted["I2_upper"]], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("measure", META)
@pytest.mark.parametrize("name", [n for n in SINGLE if n != "one"])
def test_rates_agree_with_meta_after_the_way_back(name, measure):
    wanted = load(name)["meta"][META[measure]]["backtransformed"]
    events, total = counts(name)
    fit = mn.pool(events=events, total=total, measure=measure, model="inverse_variance")
    loose = {"rtol": 2e-4, "atol": 1e-5}
    np.testing.assert_allclose(
        [fit.estimate, fit.ci_lower, fit.ci_upper], [wanted[key] for key in ("random", "lower", "upper")], **loose
    )
    if fit.k > 2:
        np.testing.assert_allclose([fit.pi_lower, fit.pi_upper], [wanted["pi_lower"], wanted["pi_upper"]], **loose)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("name", [n for n in SINGLE if n != "one"])
def test_profile_likelihood_interval_of_tau2_agrees_with_metafor(name, measure):
    _, low, high = load(name)["fits"][measure]["tau2_ci"]["PL"]["tau2"]
    yi, vi = effects(name, measure)
    fit = mn.pool(yi=yi, vi=vi, tau2_ci="profile")
    # metafor's root search stops at 1.2e-4 in absolute terms and ends at 100, or ten times tau2.
    np.testing.assert_allclose(fit.tau2_lower, low or 0.0, rtol=1e-4, atol=2e-4)
    if high is not None and high < 100:
        np.testing.assert_allclose(fit.tau2_upper, high, rtol=1e-4, atol=2e-4)


@pytest.mark.parametrize("name", SINGLE)
def test_logits_and_their_variances_agree_with_escalc(name):
    events, total = counts(name)
    made = logit_proportion(events, total)
    yi, vi = effects(name, "PLO")
    np.testing.assert_allclose(made.yi, yi, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(made.vi, vi, rtol=1e-12)


@pytest.mark.parametrize("name", [n for n in SINGLE if n != "one"])
def test_rates_and_prediction_interval_agree_with_meta(name):
    wanted = load(name)["meta"]["PLOGIT"]
    events, total = counts(name)
    fit = mn.pool(events=events, total=total, model="inverse_variance")
    back = wanted["backtransformed"]
    np.testing.assert_allclose(fit.estimate, back["random"], **CLOSE)
    np.testing.assert_allclose([fit.ci_lower, fit.ci_upper], [back["lower"], back["upper"]], **CLOSE)
    if back["pi_lower"] is None:
        assert fit.pi_lower is None
        assert fit.pi_upper is None
    else:
        np.testing.assert_allclose([fit.pi_lower, fit.pi_upper], [back["pi_lower"], back["pi_upper"]], **CLOSE)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("name", [n for n in SINGLE if n != "one"])
def test_q_profile_interval_agrees_with_metafor_where_its_search_ends_in_time(name, measure):
    _, low, high = load(name)["fits"][measure]["tau2_ci"]["QP"]["tau2"]
    yi, vi = (np.array([values]) for values in effects(name, measure))
    lower, upper, empty = intervals.q_profile(yi, vi, 0.95)
    if low == 0 and high == 0:
        # metafor prints 0 to 0 for an empty set (its hidden flag ci.null); here the set is said to be empty.
        q = two_step.weighted_mean(yi, vi, np.zeros(1)).q[0]
        assert empty[0] == (q < _chi2(0.025, len(yi[0]) - 1))
        assert empty[0] or upper[0] < 1e-4
        return
    assert not empty[0]
    # metafor's root search stops at eps^0.25 = 1.2e-4 on tau2, so the reference is not sharper than its Q there.
    _check_end(yi, vi, lower[0], low, 0.975)
    if high >= 100:
        assert upper[0] > 100  # 100 is the end of metafor's search, not of the interval
    else:
        _check_end(yi, vi, upper[0], high, 0.025)


def _chi2(probability, df):
    from scipy.stats import chi2

    return chi2.ppf(probability, df)


def _check_end(yi, vi, ours, theirs, probability):
    target = _chi2(probability, yi.shape[1] - 1)
    if ours > 0:
        np.testing.assert_allclose(two_step.weighted_mean(yi, vi, np.array([ours])).q[0], target, rtol=1e-9)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)
