"""`pool`, `pool_many` and `pool_arrays`: answers, statuses, notes and refusals."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

import metanet as mn
from metanet.models import registry
from tests.work import HANG

EVENTS = [117, 9, 5, 17, 20, 6, 8, 26, 7, 8, 1, 11]
TOTAL = [168, 40, 10, 33, 51, 9, 16, 48, 23, 10, 8, 19]
MODELS = ("glmm", "inverse_variance")


def test_devcic_2014_is_reproduced_to_the_printed_digit():
    response = mn.pool(events=EVENTS, total=TOTAL, model="inverse_variance", tau2="DL", ci="z")
    control = mn.pool(events=[159, 39, 9, 22, 34, 9, 15, 37, 21, 9, 5, 17], total=TOTAL, model="inverse_variance", tau2="DL", ci="z")
    printed = [[round(100 * x, 1) for x in (f.estimate, f.ci_lower, f.ci_upper)] for f in (response, control)]
    assert printed == [[48.9, 37.5, 60.5], [85.9, 76.2, 92.1]]


def test_no_events_anywhere_gives_zero_with_the_exact_interval_on_the_sum():
    fit = mn.pool(events=[0, 0, 0, 0], total=[10, 20, 30, 15], model="glmm")
    assert fit.status == "no events"
    assert fit.estimate == 0
    assert fit.ci_lower == 0
    assert fit.ci_upper == pytest.approx(1 - 0.025 ** (1 / 75), rel=1e-12)
    assert fit.tau2 is None
    assert fit.pi_lower is None
    assert any("tau2" in note and "do not exist" in note for note in fit.method["notes"])


def test_only_events_mirror_no_events():
    none, only = mn.pool(events=[0, 0], total=[10, 20], model="glmm"), mn.pool(events=[10, 20], total=[10, 20], model="glmm")
    assert only.status == "only events"
    assert (only.estimate, only.ci_upper) == (1, 1)
    assert only.ci_lower == pytest.approx(1 - none.ci_upper, rel=1e-12)


@pytest.mark.parametrize("model", MODELS)
def test_one_study_is_shown_and_not_pooled(model):
    fit = mn.pool(events=[12], total=[40], model=model)
    assert fit.status == "not pooled"
    assert fit.estimate == 0.3
    # Clopper and Pearson, from the beta distribution.
    from scipy.stats import beta

    assert fit.ci_lower == pytest.approx(beta.ppf(0.025, 12, 29), rel=1e-10)
    assert fit.ci_upper == pytest.approx(beta.ppf(0.975, 13, 28), rel=1e-10)
    assert fit.tau2 is None
    assert fit.i2 is None
    assert "not pooled" in fit.summary()
    assert "pooled" in fit.sentence()


@pytest.mark.parametrize("model", MODELS)
def test_two_studies_are_pooled_without_a_prediction_interval(model):
    fit = mn.pool(events=[12, 30], total=[40, 52], model=model)
    assert fit.status == "pooled"
    assert fit.pi_lower is None
    assert any("at least three studies" in note for note in fit.notes)
    assert any("Two studies" in note for note in fit.notes)


def test_opposite_ends_have_no_estimate_and_say_why():
    fit = mn.pool(events=[0, 10], total=[10, 10], model="glmm")
    assert fit.status == "not estimable"
    assert fit.estimate is None
    assert fit.ci_lower is None
    assert any("no finite estimate" in note for note in fit.notes)
    assert not any("was not located" in note for note in fit.notes)


def test_arms_of_one_study_are_said_to_be_arms():
    frame = pd.DataFrame({"events": [3, 4, 5], "total": [9, 9, 9], "study_id": ["A", "A", "B"]})
    fit = mn.pool(frame, model="glmm")
    assert (fit.k, fit.study_count) == (3, 2)
    assert "3 arms of 2 studies" in fit.sentence()
    assert any("as if they were independent" in note for note in fit.notes)


def test_identical_rates_flag_the_hartung_knapp_interval():
    fit = mn.pool(events=[6, 12, 18, 9], total=[20, 40, 60, 30], model="inverse_variance")
    assert any("no width" in note for note in fit.notes)
    narrow = mn.pool(events=[6, 13, 17, 9], total=[20, 40, 60, 30], model="inverse_variance")
    assert [round(narrow.ci_lower, 4), round(narrow.ci_upper, 4)] == [0.2705, 0.3318]
    assert any("narrower than the common-effect" in note for note in narrow.notes)
    assert any("empty" in note for note in narrow.notes)


def test_the_correction_is_named_where_it_moves_the_rate():
    fit = mn.pool(events=[0, 0, 1, 2], total=[12, 30, 44, 51], model="inverse_variance")
    assert any("0.5 was added" in note for note in fit.notes)
    assert fit.method["studies_corrected"] == 2
    assert mn.pool(events=[0, 0, 1, 2], total=[12, 30, 44, 51], model="glmm").method["continuity_correction"] == "none"


def test_nielweise_arm_1_has_two_different_rates():
    # statistics.md 2: 0.81 % against 1.20 %.
    from tests.reference.cases import load

    data = load("nielweise2007")
    fit = mn.pool(events=data["ai"], total=data["n1i"], model="glmm")
    assert round(100 * fit.estimate, 2) == 0.81
    assert round(100 * fit.marginal_estimate, 2) == 1.20


counts = st.lists(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(counts, st.sampled_from(MODELS), st.randoms(use_true_random=False))
def test_order_does_not_matter(studies, model, random):
    shuffled = list(studies)
    random.shuffle(shuffled)
    a, b = (mn.pool(events=[e for e, _ in s], total=[n for _, n in s], model=model) for s in (studies, shuffled))
    assert a.status == b.status
    for name in ("estimate", "ci_lower", "ci_upper", "tau2", "pi_lower", "marginal_estimate"):
        x, y = getattr(a, name), getattr(b, name)
        assert (x is None) == (y is None)
        if x is not None:
            assert x == pytest.approx(y, rel=1e-6, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(counts, st.sampled_from(MODELS))
def test_swapping_events_and_non_events_mirrors_the_rate(studies, model):
    e, n = [x for x, _ in studies], [y for _, y in studies]
    a = mn.pool(events=e, total=n, model=model)
    b = mn.pool(events=[y - x for x, y in studies], total=n, model=model)
    for name, other in (("estimate", "estimate"), ("ci_lower", "ci_upper"), ("pi_lower", "pi_upper"), ("tau2", "tau2")):
        x, y = getattr(a, name), getattr(b, other)
        assert (x is None) == (y is None)
        if x is not None:
            assert x == pytest.approx(y if name == "tau2" else 1 - y, rel=1e-6, abs=1e-8)


@settings(max_examples=60, deadline=None)
@given(counts, st.sampled_from(MODELS))
def test_every_number_is_finite_or_has_a_reason(studies, model):
    fit = mn.pool(events=[e for e, _ in studies], total=[n for _, n in studies], model=model)
    for name, value in fit.numbers().items():
        if isinstance(value, float):
            assert not math.isnan(value), name
            assert math.isfinite(value) or (name in ("tau2_upper", "h2_upper") and any("no upper limit" in s for s in fit.notes))
    if any(value is None for value in (fit.estimate, fit.tau2, fit.pi_lower)):
        assert fit.notes
    json.dumps(fit.to_dict(), allow_nan=False)
    if fit.estimate is not None:
        assert 0 <= fit.ci_lower <= fit.estimate <= fit.ci_upper <= 1
    if fit.pi_lower is not None:
        assert 0 <= fit.pi_lower <= fit.pi_upper <= 1
    if fit.status != "not estimable":
        assert fit.weights.sum() == pytest.approx(1)
        assert (fit.weights >= 0).all()


def test_intervals_nest_in_the_level():
    for model in MODELS:
        a, b = (mn.pool(events=EVENTS, total=TOTAL, model=model, level=level) for level in (0.8, 0.95))
        for name in ("ci", "pi", "tau2", "marginal_ci"):
            assert getattr(b, f"{name}_lower") < getattr(a, f"{name}_lower")
            assert getattr(a, f"{name}_upper") < getattr(b, f"{name}_upper")


@pytest.mark.parametrize("model", MODELS)
def test_many_groups_give_the_numbers_of_single_poolings(model):
    frame = pd.DataFrame(
        {
            "group": ["a"] * 12 + ["b"] * 3 + ["c"] + ["d"] * 2 + ["e"] * 2,
            "events": [*EVENTS, 0, 0, 0, 4, 0, 9, 3, 2],
            "total": [*TOTAL, 10, 20, 30, 9, 9, 9, 30, 41],
        }
    )
    many = mn.pool_many(frame, "group", model=model)
    assert many["group"].tolist() == list("abcde")
    for record in many.to_dict("records"):
        part = frame[frame["group"] == record["group"]]
        alone = mn.pool(part, model=model).numbers()
        for name, value in alone.items():
            if isinstance(value, str):
                assert record[name] == value
            elif value is None:
                assert pd.isna(record[name])
            else:
                assert record[name] == pytest.approx(value, rel=1e-9, abs=1e-12)


def test_arrays_give_the_numbers_of_single_poolings():
    events = np.array([EVENTS, [0] * 3 + [2] + [np.nan] * 8])
    total = np.array([TOTAL, [10, 20, 30, 40] + [np.nan] * 8])
    batch = mn.pool_arrays(events, total, model="glmm")
    assert batch.estimate[0] == pytest.approx(mn.pool(events=EVENTS, total=TOTAL, model="glmm").estimate, rel=1e-12)
    second = mn.pool(events=[0, 0, 0, 2], total=[10, 20, 30, 40], model="glmm")
    assert batch.estimate[1] == pytest.approx(second.estimate, rel=1e-10)
    assert np.isnan(batch.weights[1, 4:]).all()


def test_a_long_batch_in_pieces_gives_the_numbers_of_each_fit():
    rng = np.random.default_rng(6)
    total = rng.integers(5, 80, (150, 6)).astype(float)
    events = rng.binomial(total.astype(int), 0.3).astype(float)
    long = mn.pool_arrays(events, total, model="glmm")
    for i in (0, 99, 100, 149):
        alone = mn.pool(events=events[i], total=total[i], model="glmm")
        assert long.estimate[i] == pytest.approx(alone.estimate, rel=1e-11)
        assert long.tau2_upper[i] == pytest.approx(alone.tau2_upper, rel=1e-7)
        np.testing.assert_allclose(long.weights[i], alone.weights, rtol=1e-7)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"events": [1, -2], "total": [9, 9]}, r"events\[1\]=-2.*negative"),
        ({"events": [1, 2.5], "total": [9, 9]}, r"events\[1\]=2.5.*whole number"),
        ({"events": [1, 12], "total": [9, 9]}, r"events\[1\]=12.*more than total\[1\]=9"),
        ({"events": [1, float("nan")], "total": [9, 9]}, r"events\[1\].*missing"),
        ({"events": [1, None], "total": [9, 9]}, r"events\[1\].*missing"),
        ({"events": [1, "x"], "total": [9, 9]}, r"events\[1\]='x'.*not a number"),
        ({"events": [1, True], "total": [9, 9]}, r"events\[1\].*truth value"),
        ({"events": [1, 0], "total": [9, 0]}, r"total\[1\]=0.*without patients"),
        ({"events": [1, float("inf")], "total": [9, 9]}, r"events\[1\].*infinite"),
        ({"events": [1, 2, 3], "total": [9, 9]}, r"differ in length.*events: 3.*total: 2"),
        ({"events": [], "total": []}, "No studies"),
        ({"events": [1], "total": [9], "study": ["a", "b"]}, "differ in length"),
        ({"events": [1]}, "total is missing"),
        ({"events": 5, "total": [9]}, "events=.*must be a sequence"),
        ({"events": "events", "total": [9]}, "no data were given"),
        ({"events": [1], "total": [9], "model": "glm"}, "model='glm' is not known.*Did you mean 'glmm'"),
        ({"events": [1], "total": [9], "model": "peto"}, "events_control is missing; measure='PETO' takes events, total"),
        ({"events": [1], "total": [9], "ci": "HK", "model": "glmm"}, "ci='HK' is not known for model='glmm'"),
        ({"events": [1], "total": [9], "tau2": "DL", "model": "glmm"}, "tau2='DL' is not known for model='glmm'"),
        ({"events": [1], "total": [9], "tau2": "reml", "model": "inverse_variance"}, "Did you mean 'REML'"),
        ({"events": [1], "total": [9], "level": 95}, r"level=.*Did you mean 0.95"),
        ({"events": [1], "total": [9], "level": True}, "level="),
        ({"events": [1], "total": [9], "measure": "PFT", "model": "glmm"}, "measure='PFT' is not known for model='glmm'"),
        ({"events": [1], "total": [9], "preset": "metaphor"}, "preset='metaphor' is not known. Did you mean 'metafor'"),
        ({"events": [10**400], "total": [9]}, r"events\[0\].*not a number"),
        ({"events": [1], "total": [10_000_001]}, "the most one study may have"),
        ({"events": {1, 2}, "total": [9, 9]}, "must be a sequence"),
        ({"events": {1: 2}, "total": [9]}, "must be a sequence"),
        ({"events": np.array(3), "total": [9]}, "must be a sequence"),
        ({"events": np.zeros((2, 2)), "total": [9, 9]}, "must be a sequence"),
        ({"events": [1], "total": [9], "study": {"a"}}, "study=.*must be a column"),
        ({"events": np.ma.array([1, 2], mask=[0, 1]), "total": [9, 9]}, r"events\[1\].*missing"),
        ({"yi": [1e160], "vi": [1.0]}, "too large"),
        ({"yi": [1.0], "vi": [0.0]}, r"vi\[0\]=0 must be above zero"),
        ({"yi": [1.0], "vi": [1.0], "events": [1]}, "events does not go with measure='GEN'"),
    ],
)
def test_bad_input_is_one_error_that_names_argument_and_index(arguments, words):
    with pytest.raises(mn.ArgumentError, match=words):
        mn.pool(**arguments)


def test_a_misspelt_column_is_refused_with_the_nearest():
    frame = pd.DataFrame({"responders": [1], "patients": [9]})
    with pytest.raises(mn.ArgumentError, match=r"'responder' is not a column.*Did you mean 'responders'"):
        mn.pool(frame, events="responder", total="patients", model="glmm")


@pytest.mark.parametrize("by", [3, None, [], ["g", 4], "estimate", "notes", "h"])
def test_groups_are_columns_that_the_result_does_not_have(by):
    frame = pd.DataFrame({"g": ["a"], "h": [[1]], "events": [1], "total": [3], "estimate": [0.1], "notes": [""]})
    with pytest.raises(mn.ArgumentError, match="by="):
        mn.pool_many(frame, by, model="glmm")


def test_a_column_name_that_is_shared_is_refused():
    frame = pd.DataFrame([[1, 2, 9]], columns=["events", "events", "total"])
    with pytest.raises(mn.ArgumentError, match="several columns"):
        mn.pool(frame, model="glmm")


def test_missing_names_get_a_number_and_columns_of_ours_are_not_lost():
    frame = pd.DataFrame({"study": [None, "B"], "events": [1, 2], "total": [9, 9], "rate": [7, 8], "study_id": [None, None]})
    studies = mn.pool(frame, model="glmm").studies
    assert studies["study"].tolist() == ["Study 1", "B"]
    assert studies["rate (data)"].tolist() == [7, 8]
    assert mn.pool(frame, model="glmm").study_count == 2


@pytest.mark.parametrize(("events", "total"), [([["1"]], [["9"]]), ([[True]], [[True]]), ([[1j]], [[9]]), ([[2**60]], [[2**61]])])
def test_arrays_refuse_what_single_poolings_refuse(events, total):
    with pytest.raises(mn.ArgumentError):
        mn.pool_arrays(events, total, model="glmm")


def test_a_masked_study_is_absent():
    batch = mn.pool_arrays(np.ma.array([[1, 2, 3]], mask=[[0, 0, 1]]), np.ma.array([[9, 9, 9]], mask=[[0, 0, 1]]), model="glmm")
    assert batch.k[0] == 2


def test_no_finite_limit_is_printed_as_certainty():
    fit = mn.pool(events=[2, 2, 7, 6], total=[3, 2, 7, 6], level=0.999, model="glmm")
    assert fit.ci_upper < 1
    assert ">99.9" in fit.summary()
    assert "99.9999999 % CI" in mn.pool(events=[1, 0], total=[9, 9], level=1 - 1e-9, model="glmm").summary()


def test_without_spread_median_and_average_share_their_interval():
    for ci in ("z", "t", "profile"):
        fit = mn.pool(events=[507, 1, 0, 1], total=[5000, 6, 14, 24], ci=ci, model="glmm")
        assert fit.tau2 == 0
        assert (fit.ci_lower, fit.ci_upper) == (fit.marginal_ci_lower, fit.marginal_ci_upper)
    assert any("does not contain the whole interval" in note for note in fit.notes)


def test_tau2_outside_its_own_interval_is_noted():
    total = [100000, 1, 5, 8, 3, 2, 7, 1, 4, 1, 5, 6, 8, 3, 1, 8, 1, 1, 8, 7, 5, 3, 1, 1]
    fit = mn.pool(events=[1059] + [0] * 23, total=total, model="inverse_variance")
    assert fit.tau2 > fit.tau2_upper
    assert any("outside its interval" in note for note in fit.notes)


def test_an_error_in_a_group_names_the_group():
    frame = pd.DataFrame({"g": ["a", "b"], "events": [1, 5], "total": [9, 3]})
    with pytest.raises(mn.ArgumentError, match=r"group g='b'.*events"):
        mn.pool_many(frame, "g", model="glmm")


def test_equal_study_names_are_kept_apart_and_noted():
    fit = mn.pool(events=[1, 2, 3], total=[9, 9, 9], study=["Smith", "Smith", "Jones"], model="glmm")
    assert fit.studies["study"].tolist() == ["Smith", "Smith (2)", "Jones"]
    assert any("numbered, not merged" in note for note in fit.notes)


def test_a_result_cannot_be_changed():
    fit = mn.pool(events=EVENTS, total=TOTAL, model="glmm")
    with pytest.raises(AttributeError):
        fit.estimate = 0.5
    with pytest.raises(TypeError):
        fit.method["notes"] = []
    frame = fit.studies
    frame["weight"] = 0
    fit.weights[:] = 0
    assert fit.studies["weight"].sum() == pytest.approx(1)
    assert fit.weights.sum() == pytest.approx(1)


def test_views_escape_what_comes_from_data():
    hostile = "<script>alert(1)</script> $\\frac{1}"
    fit = mn.pool(events=[3, 4, 1], total=[9, 9, 9], study=[hostile, hostile, "x"], model="glmm")
    assert "<script>" not in fit._repr_html_()
    assert "tex2jax_ignore" in fit._repr_html_()
    assert "<script>" not in mn.leave_one_out(fit)._repr_html_()
    assert fit.studies["study"][0] == hostile


def test_columns_of_the_data_travel_with_the_studies():
    frame = pd.DataFrame({"events": [3, 4, 1], "total": [9, 9, 9], "year": [2001, 2002, 2003]}, index=[7, 8, 9])
    assert mn.pool(frame, model="glmm").studies["year"].tolist() == [2001, 2002, 2003]


def test_the_stamp_names_every_choice():
    fit = mn.pool(events=EVENTS, total=TOTAL, model="inverse_variance", tau2="DL", ci="z", level=0.9)
    stamp = fit.method
    assert (stamp["model"], stamp["tau2"], stamp["ci"], stamp["level"]) == ("inverse_variance", "DL", "z", 0.9)
    assert stamp["version"] == mn.__version__
    assert "DL" in stamp.sentence()
    assert any("10.1016/0197-2456(86)90046-2" in source for source in stamp["sources"])


def test_importing_metanet_loads_nothing_heavy():
    import subprocess
    import sys

    code = (
        "import sys, metanet; heavy = {'pandas', 'matplotlib', 'statsmodels', 'papermill', 'scipy', 'frictionless'} "
        "& set(sys.modules); assert not heavy, heavy; assert 'pool' in dir(metanet)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=HANG)


TWO_GROUPS = {"events": [0, 5, 7, 0, 3], "events_control": [0, 3, 2, 1, 4]}


@pytest.mark.parametrize("measure", ["OR", "RR", "RD", "IRR", "IRD"])
def test_exact_models_are_named_only_for_measures_that_one_of_them_pools(measure):
    size = "person_time" if measure.startswith("IR") else "total"
    fit = mn.pool(**TWO_GROUPS, **{size: [25] * 5, f"{size}_control": [25] * 5}, model="inverse_variance", measure=measure)
    note = next(note for note in fit.notes if "was added" in note)
    exact = [model for model in registry.MODELS.values() if model.family == "exact" and measure in model.measures]
    assert ("exact models need none" in note) == bool(exact)


@pytest.mark.parametrize("options", [{"measure": "PLO"}, {"measure": "PLN"}, {"measure": "PLO", "to": "all"}])
def test_rates_have_an_exact_model_on_every_scale(options):
    fit = mn.pool(events=[0, 5, 7], total=[25] * 3, model="inverse_variance", **options)
    assert any("need" in note and "none" in note for note in fit.notes)


@pytest.mark.parametrize("options", [{"model": "glmm"}, {"model": "glmm", "link": "probit"}])
def test_a_flat_likelihood_is_not_said_to_increase(options):
    single = mn.pool(events=[1, 0, 1, 1, 0], total=[1] * 5, **options)
    assert single.status == "not estimable"
    assert any("the same for every tau" in note for note in single.notes)
    assert not any("increases" in note or "mixture" in note for note in single.notes)
    several = mn.pool(events=[5, 0, 5, 5, 0], total=[5] * 5, **options)
    assert any("increases as tau grows" in note for note in several.notes)


def test_a_flat_likelihood_of_a_regression_and_of_groups_is_not_said_to_increase():
    data = pd.DataFrame(
        {"study": list("abcdefgh"), "events": [1, 0, 1, 1, 0, 0, 1, 0], "total": 1, "x": range(8), "g": list("aaaabbbb")}
    )
    for result in (mn.meta_regression(data, "~ x", model="glmm"), mn.compare(data, "g", bootstrap=0, model="glmm")):
        assert any("no unique maximum" in note for note in result.notes)
        assert not any("increases" in note for note in result.notes)


def test_one_sided_data_are_described_in_plain_words():
    assert mn.pool(events=[9, 8, 7], total=[9, 8, 7], model="glmm").notes[0].startswith("All patients in all studies had the event")
    assert any(
        note.startswith("All patients in all studies had the event") for note in mn.bayes_pool(events=[9, 8, 7], total=[9, 8, 7]).notes
    )
    text = mn.report_text(mn.pool(events=[0, 0, 0], total=[9, 8, 7], model="glmm")).methods
    assert "No patient in any study had the outcome" in text
    assert (
        "of any study"
        not in mn.small_study_effects(mn.pool(events=[9] * 4, total=[9] * 4, model="glmm"), allow_biased=True).sentence()
    )


EFFECTS = pd.DataFrame(
    {"study": list("abcd"), "yi": [0.1, 0.3, 0.5, 0.2], "vi": [0.1, 0.2, 0.1, 0.2], "g": list("aabb"), "x": range(4)}
)
TIMES = pd.DataFrame({"events": [1, 3, 5, 2], "person_time": [10.0, 20, 10, 20], "g": list("aabb"), "x": range(4)})


@pytest.mark.parametrize(
    "run",
    [
        mn.pool,
        lambda data: mn.pool_many(data, "g"),
        lambda data: mn.compare(data, "g", bootstrap=0),
        lambda data: mn.meta_regression(data, "~ x"),
        mn.multiverse,
    ],
)
@pytest.mark.parametrize("data", [EFFECTS, TIMES])
def test_columns_that_bear_the_name_of_an_argument_are_found(run, data):
    assert run(data) is not None


def test_a_frame_of_effects_is_pooled_as_effects():
    fit = mn.pool(EFFECTS)
    assert fit.measure == "GEN"
    assert fit.mu == mn.pool(yi=EFFECTS["yi"], vi=EFFECTS["vi"]).mu
    assert mn.pool(TIMES).measure == "IRLN"
    assert mn.pool(TIMES.rename(columns={"events": "deaths"}), events="deaths").mu == mn.pool(TIMES).mu
    # Counts come first, and what is named is what is taken.
    both = EFFECTS.assign(events=[1, 2, 3, 4], total=[9, 9, 9, 9])
    assert mn.pool(both).measure == "PLO"
    assert mn.pool(both, measure="GEN").mu == fit.mu
    with pytest.raises(mn.ArgumentError, match="events is missing"):
        mn.pool(EFFECTS[["study", "yi"]])


SPARSE = {"events": [2, 1, 3, 0], "total": [40] * 4, "events_control": [0, 0, 1, 0], "total_control": [40] * 4}


@pytest.mark.parametrize(("measure", "model"), [("OR", "UM.FS"), ("RR", "mantel_haenszel"), ("RD", "mantel_haenszel")])
def test_an_effect_that_depends_on_a_correction_stands_beside_one_without(measure, model):
    fit, other = mn.pool(**SPARSE, measure=measure), mn.pool(**SPARSE, measure=measure, model=model)
    text = fit.sentence()
    assert "It depends on the continuity correction in 3 of 4 studies" in text
    shown = fit.scale.estimate(other.estimate, other.ci_lower, other.ci_upper, fit.level)
    assert f"which needs none, gives {shown}" in text
    assert dict(fit.rows())["Without correction"].startswith(shown)
    null = 0 if measure == "RD" else 1
    apart = (fit.ci_lower <= null <= fit.ci_upper) != (other.ci_lower <= null <= other.ci_upper)
    assert ("Only one of the two intervals includes" in text) == apart


def test_a_result_that_its_correction_made_significant_says_so_in_its_sentence():
    fit = mn.pool(**SPARSE)
    assert fit.ci_lower > 1
    assert fit.sentence().endswith("Only one of the two intervals includes 1.")


def test_an_effect_that_exists_by_its_correction_alone_says_so():
    none = mn.pool(**{**SPARSE, "events_control": [0] * 4})
    assert none.sentence().endswith("which needs none, has no finite estimate.")
    times = {name.replace("total", "person_time"): value for name, value in SPARSE.items()}
    assert mn.pool(**times).sentence().endswith("It depends on the continuity correction in 3 of 4 studies.")


@pytest.mark.parametrize(
    "options", [{"model": "peto"}, {"model": "mantel_haenszel", "measure": "RD"}, {"model": "CM.EL"}, {"measure": "AS"}]
)
def test_a_model_without_a_correction_has_no_word_of_one(options):
    assert "correction" not in mn.pool(**SPARSE, **options).sentence()
    full = {**SPARSE, "events": [2, 1, 3, 4], "events_control": [1, 1, 1, 2]}
    assert "correction" not in mn.pool(**full).sentence()
