"""The exact model of a network against R: glm without heterogeneity, and lme4 with one random contrast in studies of two arms.

`networks_exact.R` made the values. Both maximise the same likelihood: glm to 1e-14 of its deviance; lme4 with 25 nodes until its
optimiser stops. Standard errors of lme4 are from a numerical Hessian in which tau is free, ours are at the tau that was found, so they
are not compared where tau is above zero.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import metanet as mn

FOLDER = Path(__file__).parent
FILE = json.loads((FOLDER / "networks_exact.json").read_text(encoding="utf-8"))
ARMS = {name: value["arms"] for name, value in json.loads((FOLDER / "networks.json").read_text(encoding="utf-8"))["sets"].items()}
SETS = FILE["sets"]


def contrasts(fit, names):
    found = {each.first: each for each in fit.against("Placebo")}
    return [found[name].mu for name in names], [found[name].se for name in names]


def test_the_file_is_complete_and_says_what_made_it():
    assert FILE["made_by"].keys() == {"script", "R", "lme4"}
    assert set(SETS) == {"Dong2013", "Baker2009", "Linde2015_response"}


@pytest.mark.parametrize("name", SETS)
def test_without_heterogeneity_it_is_glm(name):
    fit, wanted = mn.network(pd.DataFrame(ARMS[name]), model="exact_common"), SETS[name]["glm"]
    mu, se = contrasts(fit, wanted["treatments"])
    np.testing.assert_allclose(mu, wanted["mu"], atol=1e-6, rtol=0)
    np.testing.assert_allclose(se, wanted["se"], rtol=1e-6)
    np.testing.assert_allclose(fit.q, wanted["deviance"], rtol=1e-9)


@pytest.mark.parametrize("name", SETS)
def test_with_one_random_contrast_in_each_study_it_is_that_of_lme4(name):
    frame = pd.DataFrame(ARMS[name])
    size = frame.groupby("study")["treatment"].transform("size")
    events, total = (frame.groupby("study")[column].transform("sum") for column in ("events", "total"))
    two = frame[(size == 2) & (events > 0) & (events < total)]
    fit, wanted = mn.network(two, model="exact"), SETS[name]["glmer"]
    assert fit.k == wanted["studies"]
    mu, se = contrasts(fit, wanted["treatments"])
    np.testing.assert_allclose(fit.tau, wanted["tau"], atol=1e-4, rtol=0)
    np.testing.assert_allclose(mu, wanted["mu"], atol=1e-4, rtol=0)
    if wanted["tau"] == 0:
        np.testing.assert_allclose(se, wanted["se"], rtol=1e-4)
