"""CR2 against clubSandwich and three-level models against metafor's rma.mv; `dependence.R` made the values."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from metanet.models.dependence.robust import cluster_robust
from metanet.models.dependence.three_level import three_level
from metanet.models.pooling.pool import pool
from metanet.models.regression.meta_regression import meta_regression

FILE = json.loads(Path(__file__).with_name("dependence.json").read_text(encoding="utf-8"))
CASES = FILE["cases"]
METHODS = {"REML": {"tau2": "REML"}, "DL": {"tau2": "DL"}, "FE": {"model": "common"}}
#: Both solve tau2 beyond this; the rest is the same closed form.
CLOSE = {"rtol": 1e-8, "atol": 1e-12}
REGRESSIONS = [name for name in CASES if "regression" in CASES[name]]


def frame(name):
    case = CASES[name]
    out = pd.DataFrame({"yi": case["yi"], "vi": case["vi"], "study_id": case["cluster"]})
    if "x" in case:
        x = np.asarray(case["x"], dtype=float).reshape(len(out), -1)
        for j in range(x.shape[1]):
            out[f"m{j}"] = x[:, j]
    return out


def test_the_file_is_complete_and_says_what_made_it():
    assert FILE["made_by"].keys() == {"script", "R", "metafor", "clubSandwich"}
    assert set(CASES) == {"schools", "delinquency", "debruin", "small_scale", "no_within", "no_between", "uneven"}
    assert set(REGRESSIONS) == {"schools", "delinquency", "debruin", "no_between", "uneven"}
    assert all(set(CASES[name]["robust"]) == set(METHODS) for name in CASES)
    assert all(set(CASES[name]["three_level"]) == {"REML", "ML"} for name in CASES)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", CASES)
def test_cr2_of_a_pooled_mean_agrees_with_clubsandwich(name, method):
    wanted = CASES[name]["robust"][method]
    found = cluster_robust(pool(frame(name), yi="yi", vi="vi", **METHODS[method]))
    for mine, theirs in (("mu", "beta"), ("se", "se"), ("df", "df"), ("pvalue", "pvalue")):
        np.testing.assert_allclose(getattr(found, mine), wanted[theirs], **CLOSE)
    np.testing.assert_allclose([found.mu_lower, found.mu_upper], [wanted["lower"], wanted["upper"]], **CLOSE)


@pytest.mark.parametrize("name", REGRESSIONS)
def test_cr2_of_a_regression_agrees_with_clubsandwich(name):
    data, wanted = frame(name), CASES[name]["regression"]
    terms = " + ".join(c for c in data.columns if c.startswith("m"))
    table = cluster_robust(meta_regression(data, f"~ {terms}", yi="yi", vi="vi")).coefficients
    names = {"estimate": "beta", "se": "se", "df": "df", "pvalue": "pvalue", "ci_lower": "lower", "ci_upper": "upper"}
    for mine, theirs in names.items():
        np.testing.assert_allclose(table[mine], wanted[theirs], **CLOSE)


@pytest.mark.parametrize("method", ["REML", "ML"])
@pytest.mark.parametrize("name", CASES)
def test_three_levels_reach_the_maximum_of_metafor(name, method):
    wanted = CASES[name]["three_level"][method]
    found = three_level(frame(name), yi="yi", vi="vi", tau2=method)
    # An optimiser without derivatives places a maximum to the root of the accuracy of its height, here 1e-13.
    np.testing.assert_allclose([found.tau2_between, found.tau2_within], wanted["sigma2"], rtol=1e-6, atol=1e-10)
    np.testing.assert_allclose([found.mu, found.se], [wanted["mu"], wanted["se"]], rtol=1e-6)
    assert found.loglik >= wanted["loglik"] - 1e-9
    np.testing.assert_allclose(found.loglik, wanted["loglik"], rtol=1e-9)


@pytest.mark.parametrize("method", ["REML", "ML"])
@pytest.mark.parametrize("name", CASES)
def test_likelihood_ratios_of_both_variances_agree_with_metafor(name, method):
    wanted = CASES[name]["three_level"][method]
    found = three_level(frame(name), yi="yi", vi="vi", tau2=method)
    for which in ("within", "between"):
        ratio = 2 * (wanted["loglik"] - wanted[f"loglik_without_{which}"])
        np.testing.assert_allclose(getattr(found, f"lrt_{which}"), ratio, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("method", ["REML", "ML"])
@pytest.mark.parametrize("name", [name for name in CASES if name != "small_scale"])
def test_profile_intervals_agree_with_metafor_where_it_finds_them(name, method):
    # On the small scale its search ends at absolute limits: 3.6e-8 for 6.3e-8.
    wanted = CASES[name]["three_level"][method]
    found = three_level(frame(name), yi="yi", vi="vi", tau2=method)
    for key, which in (("interval1", "between"), ("interval2", "within")):
        ends = (getattr(found, f"tau2_{which}_lower"), getattr(found, f"tau2_{which}_upper"))
        for mine, theirs in zip(ends, wanted[key], strict=True):
            if theirs is not None:
                # Its refits inside the profile stop at 1e-8 of the likelihood, which moves the ends by 1e-6.
                np.testing.assert_allclose(mine, theirs, rtol=5e-6, atol=1e-9)


@pytest.mark.parametrize("method", ["REML", "ML"])
def test_effects_on_a_small_scale_have_the_numbers_of_the_same_effects_on_a_large_one(method):
    large, small = (three_level(frame(name), yi="yi", vi="vi", tau2=method) for name in ("schools", "small_scale"))
    for name in ("tau2_between", "tau2_between_upper", "tau2_within", "tau2_within_lower", "tau2_within_upper"):
        np.testing.assert_allclose(1e6 * getattr(small, name), getattr(large, name), rtol=1e-8)
