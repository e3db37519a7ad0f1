"""Both models against metafor 3.8 and lme4 on twelve hard data sets; `binomial_normal.R` made the values."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

import metanet as mn

from ..kernels.direct import loglik

FILE = json.loads(Path(__file__).with_name("binomial_normal.json").read_text(encoding="utf-8"))
CASES = FILE["cases"]
FITTERS = ("rma.glmm", "glmer")
#: Where lme4 stopped short of the maximum; `test_ours_is_the_higher_point` shows that ours lies above.
STOPPED_EARLY = ("strong_spread", "near_separated", "all_but_one_zero", "all_but_one_zero_large")
SETTLED = [name for name in CASES if name not in STOPPED_EARLY]


def exact(name):
    return mn.pool(events=CASES[name]["events"], total=CASES[name]["total"], ci="z", model="glmm")


def two_step(name, **choices):
    case = CASES[name]
    return mn.pool(events=case["events"], total=case["total"], model="inverse_variance", **choices)


def direct(name, mu, tau2):
    return loglik(CASES[name]["events"], CASES[name]["total"], mu, np.sqrt(tau2))


def test_the_file_holds_twelve_cases_and_says_what_made_it():
    assert len(CASES) == 12
    assert set(FILE["made_by"]) == {"script", "R", "metafor", "lme4", "nAGQ"}
    assert set(STOPPED_EARLY) < set(CASES)
    assert all(CASES[name][fitter] for name in CASES for fitter in FITTERS)


@pytest.mark.parametrize("fitter", FITTERS)
@pytest.mark.parametrize("name", SETTLED)
def test_exact_estimate_error_and_variance_agree(name, fitter):
    wanted, fit = CASES[name][fitter], exact(name)
    # A likelihood that is right to 1e-8 fixes mu to 1e-4 standard errors and tau2 to as much of its own; the optimiser of the
    # reference asks for no more.
    np.testing.assert_allclose(fit.mu, wanted["mu"], atol=1e-4 * fit.se)
    np.testing.assert_allclose(fit.se, wanted["se"], rtol=1e-4)
    np.testing.assert_allclose(fit.tau2, wanted["tau2"], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("fitter", FITTERS)
@pytest.mark.parametrize("name", CASES)
def test_no_point_of_the_reference_is_higher(name, fitter):
    wanted, fit = CASES[name][fitter], exact(name)
    ours = direct(name, fit.mu, fit.tau2)
    # 1e-11: rounding of two sums over the studies.
    assert direct(name, wanted["mu"], wanted["tau2"]) <= ours + 1e-11
    np.testing.assert_allclose(fit.loglik, ours, rtol=1e-10)


@pytest.mark.parametrize("fitter", FITTERS)
@pytest.mark.parametrize("name", STOPPED_EARLY)
def test_ours_is_the_higher_point(name, fitter):
    wanted, fit = CASES[name][fitter], exact(name)
    gap = direct(name, fit.mu, fit.tau2) - direct(name, wanted["mu"], wanted["tau2"])
    assert gap > 1e-9
    # Two points that far apart in the likelihood may lie sqrt(2 gap) standard errors apart; twice that, as it is not a parabola.
    assert abs(fit.mu - wanted["mu"]) <= 2 * np.sqrt(2 * gap) * fit.se


@pytest.mark.parametrize("name", STOPPED_EARLY)
def test_the_standard_error_is_the_curvature_of_the_likelihood(name):
    fit = exact(name)
    # Central differences over a hundredth of a standard error: truncation about 1e-4 of the curvature, rounding far below.
    h, g = 0.01 * fit.se, 0.01 * fit.tau
    at = {(i, j): direct(name, fit.mu + i * h, (fit.tau + j * g) ** 2) for i in (-1, 0, 1) for j in (-1, 0, 1)}
    mm = (2 * at[0, 0] - at[1, 0] - at[-1, 0]) / h**2
    tt = (2 * at[0, 0] - at[0, 1] - at[0, -1]) / g**2
    mt = (at[1, -1] + at[-1, 1] - at[1, 1] - at[-1, -1]) / (4 * h * g)
    np.testing.assert_allclose(fit.se, np.sqrt(tt / (mm * tt - mt**2)), rtol=1e-3)


@pytest.mark.parametrize("name", CASES)
def test_tests_of_equal_rates_agree(name):
    wanted, fit = CASES[name]["rma.glmm"], exact(name)
    np.testing.assert_allclose(fit.lrt, wanted["lrt"], rtol=1e-8)
    np.testing.assert_allclose(fit.lrt_pvalue, wanted["lrt_pvalue"], rtol=1e-6)
    # A study at 0 % or 100 % has no logit: theirs is a large one with an error of about 1e-6, ours counts for nothing.
    np.testing.assert_allclose(fit.q, wanted["q"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("tau2", ["DL", "PM", "REML"])
@pytest.mark.parametrize("name", CASES)
def test_the_two_step_model_agrees(name, tau2):
    wanted = CASES[name]["rma"][tau2]
    if wanted is None:
        # metafor's scoring does not converge here.
        assert (name, tau2) == ("all_but_one_zero", "REML")
        return
    normal, knapp = two_step(name, tau2=tau2, ci="z"), two_step(name, tau2=tau2, ci="HK")
    # Both are solved to 1e-10 or better.
    close = {"rtol": 1e-8, "atol": 1e-10}
    for key in ("mu", "se", "tau2", "q", "q_pvalue", "i2"):
        np.testing.assert_allclose(getattr(normal, key), wanted[key], **close)
    np.testing.assert_allclose([normal.mu_lower, normal.mu_upper], wanted["z"], **close)
    np.testing.assert_allclose(knapp.se, wanted["knha_se"], **close)
    np.testing.assert_allclose([knapp.mu_lower, knapp.mu_upper], wanted["knha"], **close)


@pytest.mark.parametrize("name", [n for n in CASES if CASES[n]["rma"]["REML"]])
def test_q_profile_and_prediction_interval_agree(name):
    wanted, fit = CASES[name]["rma"]["REML"], two_step(name, ci="z")
    if fit.tau2_lower is None:
        # The set is empty, which metafor writes as 0 to 0.
        assert wanted["qp"] == [0, 0]
    else:
        # Its root search stops at 1e-10 on tau2.
        np.testing.assert_allclose([fit.tau2_lower, fit.tau2_upper], wanted["qp"], rtol=1e-7, atol=1e-9)
    if fit.k > 2:
        predicted = expit(wanted["prediction_riley"])
        np.testing.assert_allclose([fit.pi_lower, fit.pi_upper], predicted, rtol=1e-8, atol=1e-12)
