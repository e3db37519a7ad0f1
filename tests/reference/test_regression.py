"""Meta-regression against metafor 3.8 and lme4; `regression.R` made the values."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from metanet.kernels.inverse_variance import regression, regression_tau2
from metanet.models.regression.meta_regression import meta_regression

FILE = json.loads(Path(__file__).with_name("regression.json").read_text(encoding="utf-8"))
CASES = FILE["cases"]
METHODS = ("DL", "HE", "HS", "HSk", "SJ", "ML", "REML", "EB", "PM")
TWO_STEP = [name for name in CASES if CASES[name].get("two_step")]
EXACT = [name for name in CASES if CASES[name].get("exact")]
WORDS = {"z": "z", "t": "t", "knha": "HK", "adhoc": "HK-adhoc"}
#: The reference solves tau2 to 1e-11 or better in absolute terms; on the smallest (0.026, bcg) that leaves 1e-9 of it.
CLOSE = {"rtol": 1e-8, "atol": 1e-10}


def design(name):
    x = np.asarray(CASES[name]["x"], dtype=float)
    return np.column_stack([np.ones(len(x)), x])


def effects(name):
    y, v = np.array(CASES[name]["yi"])[None], np.array(CASES[name]["vi"])[None]
    return (1e4 * y, 1e8 * v) if name == "raw_scale" else (y, v)


def frame(name):
    case = CASES[name]
    x = np.asarray(case["x"], dtype=float)
    columns = {key: case[key] for key in ("events", "total", "person_time", "yi", "vi") if key in case}
    return pd.DataFrame({**columns, **{f"m{j}": x[:, j] for j in range(x.shape[1])}})


def formula(name):
    return "~ " + " + ".join(f"m{j}" for j in range(np.asarray(CASES[name]["x"]).shape[1]))


def test_the_file_is_complete_and_says_what_made_it():
    assert FILE["made_by"].keys() == {"script", "R", "metafor", "lme4", "nAGQ"}
    assert set(TWO_STEP) == {"bcg", "pritz", "debruin", "debruin_scq", "raw_scale", "sparse"}
    assert set(EXACT) == {"pritz", "debruin", "debruin_scq", "raw_scale", "sparse"}
    assert all("tau2" in CASES[name]["two_step"][method] for name in TWO_STEP for method in METHODS)
    assert sum(len(CASES[name]["two_step"][method].keys() & WORDS) for name in TWO_STEP for method in METHODS) == 6 * 9 * 4


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", TWO_STEP)
def test_every_estimator_agrees(name, method):
    wanted = CASES[name]["two_step"][method]
    y, v = effects(name)
    found = regression.fit(y, v, design(name), method)
    np.testing.assert_allclose(found.tau2[0], wanted["tau2"], **CLOSE)
    np.testing.assert_allclose(found.beta[0], wanted["beta"], **CLOSE)
    np.testing.assert_allclose(found.qe[0], wanted["qe"], **CLOSE)
    np.testing.assert_allclose(found.tau2 / (found.tau2 + found.typical), wanted["i2"], **CLOSE)
    np.testing.assert_allclose(found.loglik[0], wanted["loglik"], **CLOSE)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", [n for n in TWO_STEP if n != "raw_scale"])
def test_every_interval_and_test_agrees_through_the_public_function(name, method):
    wanted = CASES[name]["two_step"][method]
    for test, ci in WORDS.items():
        fit = meta_regression(frame(name), formula(name), measure="GEN", tau2=method, ci=ci)
        rows = fit.coefficients
        for column, key in (
            ("se", "se"),
            ("statistic", "statistic"),
            ("pvalue", "pvalue"),
            ("ci_lower", "lower"),
            ("ci_upper", "upper"),
        ):
            np.testing.assert_allclose(rows[column], wanted[test][key], **CLOSE)
        np.testing.assert_allclose(fit.qm, wanted[test]["qm"], **CLOSE)
        np.testing.assert_allclose(fit.qm_pvalue, wanted[test]["qm_pvalue"], **CLOSE)
        np.testing.assert_allclose(fit.qe_pvalue, wanted["qe_pvalue"], rtol=1e-7, atol=1e-12)
        if fit.r2 is not None:
            np.testing.assert_allclose(fit.r2, wanted["r2"], **CLOSE)
    if "vif" in wanted:
        np.testing.assert_allclose(rows["vif"][1:], wanted["vif"], **CLOSE)


@pytest.mark.parametrize("name", TWO_STEP)
def test_the_q_profile_interval_agrees(name):
    wanted = CASES[name]["two_step"]["REML"]["tau2_interval"]
    lower, upper, empty = regression_tau2.q_profile(*effects(name), design(name), 0.95)
    assert not empty[0]
    np.testing.assert_allclose([lower[0], upper[0]], wanted, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("fitter", ["glmer", "rma.glmm"])
@pytest.mark.parametrize("name", EXACT)
def test_the_exact_model_agrees(name, fitter):
    wanted = CASES[name]["exact"].get(fitter)
    if wanted is None:
        # lme4 asks for scaled years there and gives up; metafor's call of it goes through.
        assert (name, fitter) == ("raw_scale", "glmer")
        return
    fit = meta_regression(frame(name), formula(name), events="events", total="total", ci="z", model="glmm")
    rows = fit.coefficients
    # A likelihood that is right to 1e-8 fixes a coefficient to 1e-4 standard errors; their optimiser asks for no more.
    np.testing.assert_array_less(np.abs(rows["estimate"] - wanted["beta"]) / rows["se"], 1e-4)
    np.testing.assert_allclose(rows["se"], wanted["se"], rtol=1e-4)
    np.testing.assert_allclose(fit.tau2, wanted["tau2"], rtol=2e-4, atol=1e-6)
    if fitter == "rma.glmm":
        np.testing.assert_allclose(fit.qe, wanted["qe_lrt"], rtol=1e-6)
        np.testing.assert_allclose(fit.qm, wanted["qm"], rtol=3e-4)
        np.testing.assert_allclose(fit.i2, wanted["i2"], rtol=2e-4, atol=1e-6)


def test_incidence_rates_agree():
    wanted = CASES["nielweise"]["poisson"]
    fit = meta_regression(frame("nielweise"), formula("nielweise"), person_time="person_time", ci="z", model="glmm")
    assert fit.measure == "IRLN"
    np.testing.assert_array_less(np.abs(fit.coefficients["estimate"] - wanted["beta"]) / fit.coefficients["se"], 1e-4)
    np.testing.assert_allclose(fit.coefficients["se"], wanted["se"], rtol=1e-4)
    np.testing.assert_allclose(fit.tau2, wanted["tau2"], rtol=1e-4)


def test_golden_numbers_of_de_bruin():
    data = frame("debruin").assign(ethnicity=CASES["debruin"]["ethnicity"], scq=lambda d: d["m0"])
    fit = meta_regression(data, "~ scq + ethnicity", events="events", total="total", measure="PR", ci="z")
    # Printed with six decimals, three for the percentage and for QM.
    np.testing.assert_allclose(fit.coefficients["estimate"], [0.429630, 0.011050, -0.195933], atol=6e-7)
    np.testing.assert_allclose(fit.tau2, 0.011784, atol=6e-7)
    np.testing.assert_allclose([100 * fit.r2, fit.qm], [48.389, 10.333], atol=6e-4)
    exact = meta_regression(data, "~ scq", events="events", total="total", ci="z", model="glmm").coefficients
    # Made with seven Gauss-Hermite nodes, which here leave 6e-6.
    np.testing.assert_allclose(exact["estimate"], [-0.550575, 0.031644], atol=1e-5)
    np.testing.assert_allclose(exact["se"], [0.358524, 0.022927], atol=1e-5)
