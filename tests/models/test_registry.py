"""The registry of models: every choice has a kernel, a title, a source, and works where it is allowed."""

import inspect

import pytest

import metanet as mn
from metanet.effects.measures import MEASURES
from metanet.kernels.inverse_variance import tau2 as kernels
from metanet.models.registry import CI, EXACT, I2, LINKS, MODELS, PREDICTION, TAU2, TAU2_CI, TWO_STEP, source_of

ONE = {"events": [3, 9, 4, 6, 2], "total": [20, 31, 25, 40, 18]}
TWO = {**ONE, "events_control": [5, 12, 9, 3, 4], "total_control": [21, 30, 24, 38, 20]}
TIMED = {"events": [3, 9, 4, 6, 2], "person_time": [20.0, 31.0, 25.0, 40.0, 18.0]}


def data_for(measure):
    if measure == "GEN":
        return {"yi": [0.1, 0.5, -0.2, 0.3, 0.4], "vi": [0.1, 0.2, 0.1, 0.05, 0.2]}
    known = MEASURES[measure]
    if known.data == "person_time":
        return TIMED if known.groups == 1 else {**TIMED, "events_control": ONE["events"], "person_time_control": [25.0] * 5}
    return ONE if known.groups == 1 else TWO


@pytest.mark.parametrize("name", TAU2)
def test_every_estimator_of_the_registry_has_a_kernel_and_the_reverse(name):
    assert name in kernels.ESTIMATORS
    assert set(kernels.ESTIMATORS) == set(TAU2)
    fit = mn.pool(**ONE, model="inverse_variance", tau2=name)
    assert fit.tau2 >= 0
    assert f"tau² by {name}" in fit.method.sentence()
    assert any(TAU2[name].source in source for source in fit.method["sources"])


@pytest.mark.parametrize(("model", "measure"), [(m, measure) for m, row in MODELS.items() for measure in row.measures])
def test_every_model_pools_every_measure_it_names(model, measure):
    fit = mn.pool(**data_for(measure), model=model, measure=measure)
    assert fit.status == "pooled"
    assert fit.title
    assert MODELS[model].phrase.split(" (")[0].split(" ")[0].lower() in fit.method.sentence().lower() or measure == "IRLN"


@pytest.mark.parametrize("model", MODELS)
def test_every_choice_that_a_model_names_is_in_its_table(model):
    row = MODELS[model]
    assert set(row.ci) <= set(CI)
    assert {word for word in row.prediction if word} <= set(PREDICTION)
    assert {word for word in row.tau2_ci if word} <= set(TAU2_CI)
    assert {word for word in row.tau2 if word} <= {*TAU2, "posterior"}
    assert row.remark
    assert row.family in ("exact", "two-step", "fixed")
    assert (model in EXACT) == (row.family == "exact")
    assert (model in TWO_STEP) == (row.family == "two-step")


def test_every_row_has_a_title_a_phrase_and_a_source_where_there_is_one():
    for table in (MODELS, TAU2, CI, TAU2_CI, PREDICTION, I2):
        for code, row in table.items():
            assert row.code == code
            assert row.title
            assert row.phrase
    without = {code for table in (TAU2, TAU2_CI) for code in table if not source_of(code)}
    assert not without
    assert set(LINKS) <= set(MEASURES)


@pytest.mark.parametrize("model", ["bayes", "glmm", "inverse_variance", "beta_binomial"])
def test_every_interval_and_prediction_of_a_model_works(model):
    row = MODELS[model]
    for ci in row.ci:
        tau2 = "ML" if ci == "profile" and model == "inverse_variance" else "REML"
        assert mn.pool(**ONE, model=model, ci=ci, tau2=tau2).ci_lower is not None
    for prediction in row.prediction:
        fit = mn.pool(**ONE, model=model, prediction=prediction)
        assert (fit.pi_lower is None) == (prediction is None)


def test_the_signature_of_pool_names_the_defaults_of_the_registry():
    defaults = {name: p.default for name, p in inspect.signature(mn.pool).parameters.items()}
    # Left out, each is the first of the model, or that of the preset.
    assert (defaults["tau2"], defaults["prediction"]) == (None, "default")
    fit = mn.pool(**ONE, model="inverse_variance")
    assert (fit.method["tau2"], fit.method["prediction"]) == (next(iter(TAU2)), next(iter(PREDICTION)))
    documented = mn.pool.__doc__
    for code in (*TAU2, *CI, *PREDICTION, *MODELS):
        assert f'"{code}"' in documented, code
