"""R finds the numbers of every model; runs where R is, with its packages metafor and lme4."""

import pytest

import metanet as mn
from metanet.models.r.script import expected
from metanet.models.registry import MODELS
from tests.models.r.cases import models, one_group, words
from tests.models.r.together import has_r, run_all

RESULTS = {**models(), **words()}
needs_r = pytest.mark.skipif(not has_r(), reason="needs Rscript with the packages metafor and lme4")


@pytest.fixture(scope="module")
def found():
    return run_all({key: fit.to_r() for key, fit in RESULTS.items()})


@needs_r
@pytest.mark.parametrize("key", RESULTS, ids=" on ".join)
def test_r_finds_every_number(found, key):
    said = found[key]
    assert not said["missed"], said["output"]
    compared = [line for line in RESULTS[key].to_r().splitlines() if line.startswith("check(")]
    assert said["compared"] == len(compared)


@pytest.mark.parametrize("model", MODELS)
def test_every_model_of_the_registry_has_an_r_form(model):
    pooled = [key for key, fit in RESULTS.items() if fit.model == model and fit.status == "pooled"]
    assert pooled
    assert all("check(" in RESULTS[key].to_r() for key in pooled)


@pytest.mark.parametrize("key", RESULTS, ids=" on ".join)
def test_a_number_is_compared_or_the_script_says_why_not(key):
    fit = RESULTS[key]
    text = fit.to_r()
    head = " ".join(line.removeprefix("#").strip() for line in text.splitlines() if line.startswith("#"))
    if "These data have no estimate." in head:
        assert fit.status == "not estimable"
        return
    left = {name for name in expected(fit) if f'check("{name}",' not in text}
    assert left <= {"pi_lower", "pi_upper"}
    assert not left or f"Not compared: {' and '.join(sorted(left))}. In R the parametric bootstrap draws random numbers" in head


@pytest.fixture(scope="module")
def analyses():
    tare = mn.load_evidence().rates("objective_response", modality="TARE")
    whole = mn.load_evidence().rates("objective_response")
    return {
        "glmm": mn.meta_regression(tare, "~ pct_pancreatic", model="glmm").to_r(),
        "glmm, probit": mn.meta_regression(tare, "~ pct_pancreatic", model="glmm", link="probit", ci="z").to_r(),
        "two steps": mn.meta_regression(whole, "~ C(modality_class)", model="inverse_variance").to_r(),
        "two steps, ML": mn.meta_regression(tare, "~ pct_pancreatic", model="inverse_variance", tau2="ML", ci="z").to_r(),
        "comparison": mn.compare(whole[whole["modality_class"].isin(["TARE", "TAE"])], "modality_class").to_r(),
        "comparison, two steps": mn.compare(
            whole, "modality_class", model="inverse_variance", heterogeneity="separate"
        ).to_r(),
    }  # fmt: skip


@needs_r
def test_r_finds_the_numbers_of_regressions_and_comparisons(analyses):
    for name, said in run_all(analyses).items():
        assert not said["missed"], (name, said["output"])
        assert said["compared"] > 20


@needs_r
def test_a_wrong_number_is_named(tmp_path):
    fit = mn.pool(**one_group()["five"], model="glmm")
    text = fit.to_r().replace(f'check("tau2", {fit.tau2!r}', f'check("tau2", {fit.tau2 * 1.01!r}')
    (said,) = run_all({"x": text}).values()
    assert said["missed"] == ["tau2"]
    assert said["largest"] == pytest.approx(0.01, rel=0.05)
