"""Small-study effects of any fit: the right default, honest refusals, an answer for every status."""

import json

import numpy as np
import pytest

import metanet as mn
from metanet.base.errors import ArgumentError
from metanet.diagnostics.bias.registry import FALSE_ALARMS, TESTS
from metanet.diagnostics.bias.small_study_effects import small_study_effects
from metanet.kernels.bias import asymmetry as kernel
from metanet.kernels.bias.lines import count_line
from tests.diagnostics.bias.false_alarms import false_alarms
from tests.reference.cases import load

BCG = load("bcg")
PAIRS = {"events": BCG["ai"], "total": BCG["n1i"], "events_control": BCG["ci"], "total_control": BCG["n2i"]}
PRITZ = load("pritz1997")
RATES = {"events": PRITZ["events"], "total": PRITZ["total"]}
TIMED = {"events": [3, 9, 5, 12, 7, 2], "person_time": [100.0, 240.0, 90.0, 400.0, 150.0, 30.0]}
GIVEN = {"yi": [0.1, 0.5, 0.3, 0.9, 0.7, 0.2], "vi": [0.02, 0.1, 0.05, 0.3, 0.2, 0.04]}
BIASED = [name for name, test in TESTS.items() if test.biased_on_rates]


@pytest.mark.parametrize(
    ("data", "options", "test"),
    [
        (RATES, {}, "peters"),
        (RATES, {"model": "beta_binomial"}, "peters"),
        (RATES, {"measure": "PAS"}, "peters"),
        (TIMED, {}, "peters"),
        (PAIRS, {}, "harbord"),
        (PAIRS, {"measure": "RR"}, "harbord"),
        (PAIRS, {"measure": "RD"}, "egger"),
        (PAIRS, {"measure": "AS"}, "egger"),
        (PAIRS, {"model": "peto"}, "harbord"),
        (PAIRS, {"model": "mantel_haenszel"}, "harbord"),
        (PAIRS, {"model": "UM.FS"}, "harbord"),
        (PAIRS, {"model": "CM.AL"}, "harbord"),
        (GIVEN, {}, "egger"),
    ],
)
def test_the_default_suits_the_data_after_every_model(data, options, test):
    found = small_study_effects(mn.pool(**data, **options))
    assert found.test == test
    assert found.reason is None
    assert 0 < found.p_value <= 1
    assert not found.biased
    json.dumps(found.to_dict(), allow_nan=False)


@pytest.mark.parametrize("name", BIASED)
@pytest.mark.parametrize("data", [RATES, TIMED])
def test_biased_tests_on_rates_run_only_when_asked_for_twice(name, data):
    fit = mn.pool(**data)
    with pytest.raises(ArgumentError, match="standard error of a rate depends on the rate"):
        small_study_effects(fit, name)
    found = small_study_effects(fit, name, allow_biased=True)
    low, high = FALSE_ALARMS[name]
    assert found.biased
    assert f"{low} to {high} of 100" in found.notes[0]
    assert "Misleading on rates" in found.sentence()


@pytest.mark.parametrize("name", BIASED)
def test_the_same_tests_run_on_two_groups_without_asking_twice(name):
    found = small_study_effects(mn.pool(**PAIRS), name)
    assert not found.biased
    assert found.reason is None


def test_unknown_words_are_errors_that_name_the_nearest():
    fit = mn.pool(**RATES)
    with pytest.raises(ArgumentError, match="Did you mean 'peters'"):
        small_study_effects(fit, "petrs")
    with pytest.raises(ArgumentError, match="allow_biased"):
        small_study_effects(fit, "egger", allow_biased="yes")
    with pytest.raises(ArgumentError, match="transform"):
        small_study_effects(fit, transform="OR")
    with pytest.raises(ArgumentError, match=r"result of mn\.pool"):
        small_study_effects("fit")


def test_after_the_count_model_peters_regresses_the_counts_themselves():
    fit = mn.pool(**RATES)
    found = small_study_effects(fit)
    events, total = (np.array(RATES[name], float)[None] for name in ("events", "total"))
    line = count_line(events, total, 1 / total).line
    assert found.slope == pytest.approx(line.slope[0], rel=1e-12)
    assert found.estimate == pytest.approx(1 / (1 + np.exp(-line.intercept[0])), rel=1e-12)
    assert found.ci_lower < found.estimate < found.ci_upper
    # Nothing is corrected, so nothing is said of corrections.
    assert not any("added" in note for note in found.notes)


def test_after_a_two_step_model_peters_regresses_the_transformed_rate_with_weights_n():
    fit = mn.pool(**RATES, measure="PAS")
    events, total = (np.array(RATES[name], float) for name in ("events", "total"))
    y = np.arcsin(np.sqrt(events / total))
    slope, intercept = np.polyfit(1 / total, y, 1, w=np.sqrt(total))
    for found in (small_study_effects(fit), small_study_effects(mn.pool(**RATES), transform="PAS")):
        assert found.slope == pytest.approx(slope, rel=1e-9)
        assert found.estimate == pytest.approx(np.sin(intercept) ** 2, rel=1e-9)
        assert found.method["weights"] == "number of patients"


def test_the_mixed_test_takes_the_fits_tau2_and_interval():
    y, v = (np.array(BCG["fits"]["RR"][name])[None] for name in ("yi", "vi"))
    for tau2 in ("DL", "ML", "HE"):
        for ci, judge, distribution in (("z", "z", "normal"), ("HK", "HK", "t"), ("t", "t", "t")):
            found = small_study_effects(mn.pool(**PAIRS, measure="RR", tau2=tau2, ci=ci), "egger_mixed")
            wanted = kernel.mixed(y, v, np.sqrt(v), tau2, judge)
            assert found.statistic == pytest.approx(wanted.statistic[0], rel=1e-7)
            assert found.tau2 == pytest.approx(wanted.tau2[0], rel=1e-7)
            assert found.distribution == distribution


def test_two_group_weights_hold_both_groups_together():
    a, n1, c, n2 = (np.array(PAIRS[name], float) for name in PAIRS)
    n, m = n1 + n2, a + c
    y = np.log(a * (n2 - c) / (c * (n1 - a)))
    for name, x in (("peters", 1 / n), ("macaskill", n)):
        slope, _ = np.polyfit(x, y, 1, w=np.sqrt(m * (n - m) / n))
        assert small_study_effects(mn.pool(**PAIRS), name).slope == pytest.approx(slope, rel=1e-7)
    ess = 4 * n1 * n2 / n
    slope, intercept = np.polyfit(1 / np.sqrt(ess), y, 1, w=np.sqrt(ess))
    deeks = small_study_effects(mn.pool(**PAIRS), "deeks")
    assert (deeks.slope, deeks.estimate) == (pytest.approx(slope, rel=1e-8), pytest.approx(np.exp(intercept), rel=1e-8))


@pytest.mark.parametrize(
    ("data", "options", "name", "words"),
    [
        (PAIRS, {}, "pustejovsky", "standardised mean differences"),
        (RATES, {}, "pustejovsky", "no form of it for rates"),
        (GIVEN, {}, "pustejovsky", "give total= and total_control="),
        (GIVEN, {}, "peters", "number of patients of each study"),
        (RATES, {}, "harbord", "odds ratio or risk ratio"),
        (PAIRS, {"measure": "RD"}, "harbord", "odds ratio or risk ratio"),
        (PAIRS, {"measure": "RD"}, "peters", "rates and ratios"),
        (PAIRS, {"measure": "RR"}, "deeks", "odds ratios"),
        (RATES, {}, "deeks", "odds ratios"),
        (GIVEN, {}, "rucker", "two groups"),
    ],
)
def test_a_test_without_meaning_answers_with_the_reason(data, options, name, words):
    found = small_study_effects(mn.pool(**data, **options), name)
    assert words in found.reason
    assert found.statistic is None
    assert found.p_value is None
    assert found.reason in found.sentence()
    assert found.reason in found.summary()


def test_given_effects_take_sizes_beside_them():
    fit = mn.pool(**GIVEN)
    n1, n2 = [60, 12, 25, 5, 7, 30], [55, 14, 20, 6, 9, 33]
    y, v = (np.array(GIVEN[name])[None] for name in GIVEN)
    wanted = kernel.pustejovsky(y, v, np.array([n1], float), np.array([n2], float))
    found = small_study_effects(fit, "pustejovsky", total=n1, total_control=n2)
    assert found.p_value == pytest.approx(wanted.pvalue[0], rel=1e-12)
    both = np.add(n1, n2)
    slope, _ = np.polyfit(1 / both, y[0], 1, w=np.sqrt(both))
    assert small_study_effects(fit, "peters", total=n1, total_control=n2).slope == pytest.approx(slope, rel=1e-9)
    with pytest.raises(ArgumentError, match="one number of patients above 0"):
        small_study_effects(fit, "peters", total=[1, 2])
    with pytest.raises(ArgumentError, match="not a column"):
        small_study_effects(fit, "peters", total="n")
    with pytest.raises(ArgumentError, match="contain counts"):
        small_study_effects(mn.pool(**RATES), total=n1)


@pytest.mark.parametrize("name", TESTS)
@pytest.mark.parametrize("model", ["glmm", "inverse_variance"])
@pytest.mark.parametrize(
    ("events", "total"),
    [
        ([3], [9]),
        ([2, 3], [9, 9]),
        ([0, 0, 0], [9, 20, 30]),
        ([9, 20, 30], [9, 20, 30]),
        ([2, 4, 6], [10, 20, 30]),
        ([2, 4, 6], [20, 20, 20]),
        ([0, 9, 9, 0], [9, 9, 20, 20]),
        ([0, 0, 1], [9, 20, 30]),
    ],
)
def test_hard_data_get_a_number_or_a_reason_and_never_nonsense(events, total, model, name):
    found = small_study_effects(mn.pool(events=events, total=total, model=model), name, allow_biased=True)
    text = found.summary() + found.sentence() + repr(found) + found._repr_html_()
    assert "nan" not in text.lower()
    assert "None" not in text.replace("None: the index", "")
    if len(events) < 3 or sum(events) in (0, sum(total)):
        assert found.reason
    if found.reason is None:
        assert np.isfinite(found.statistic)
        assert found.p_value is None or 0 <= found.p_value <= 1
        assert any("below 10" in note for note in found.notes)
    json.dumps(found.to_dict(), allow_nan=False)


def test_equal_sizes_leave_nothing_to_regress_on():
    found = small_study_effects(mn.pool(events=[2, 4, 6, 3], total=[20, 20, 20, 20], model="glmm"))
    assert "do not differ in size" in found.reason


def test_a_slope_without_end_is_said_and_the_score_test_stands_in():
    found = small_study_effects(mn.pool(events=[0, 0, 0, 3], total=[50, 40, 30, 10], model="glmm"))
    assert found.slope is None
    assert found.estimate is None
    assert found.p_value < 0.05
    assert any("score test" in note for note in found.notes)
    assert "higher rates" in found.sentence()


def test_the_direction_is_that_of_the_small_studies():
    small = {"events": [9, 8, 10, 30, 35, 38, 50], "total": [10, 11, 14, 100, 150, 180, 260]}
    peters = small_study_effects(mn.pool(**small))
    macaskill = small_study_effects(mn.pool(**small), "macaskill")
    assert peters.slope > 0 > macaskill.slope
    for found in (peters, macaskill):
        assert "Small studies report higher rates" in found.sentence()
    assert macaskill.estimate is None


def test_two_group_studies_that_say_nothing_are_counted():
    pairs = {"events": [0, 3, 5, 7, 9], "total": [10, 20, 30, 50, 90], "events_control": [0, 1, 6, 9, 11]}
    found = small_study_effects(mn.pool(**pairs, total_control=[10, 20, 35, 50, 80]))
    assert found.k == 4
    assert any("carry no information" in note for note in found.notes)


def test_names_from_data_are_escaped():
    fit = mn.pool(**RATES, study=[f"<b>{i}</b>" for i in range(len(RATES["events"]))])
    assert "<b>" not in small_study_effects(fit)._repr_html_()


def test_unbiased_reviews_reproduce_the_known_error_rates():
    table = false_alarms(sets=2500, seed=7).set_index(["rate", "tau", "method"])
    # Earlier runs of 2,000 sets: Egger p < 0.05, p < 0.10, the logit on 1 / n p < 0.05, LFK beyond 1 and beyond 2.
    known = {
        (0.03, 0.0): (0.65, 0.77, 0.044, 0.91, 0.66),
        (0.03, 0.5): (0.81, 0.91, 0.047, 0.97, 0.81),
        (0.08, 0.0): (0.45, 0.60, 0.055, 0.87, 0.59),
        (0.08, 0.5): (0.69, 0.81, 0.030, 0.96, 0.79),
        (0.45, 0.0): (0.06, 0.12, 0.061, 0.39, 0.07),
        (0.45, 0.5): (0.05, 0.10, 0.040, 0.39, 0.09),
    }
    for cell, wanted in known.items():
        egger, peters, index = (table.loc[(*cell, name)] for name in ("egger", "peters_logit", "lfk"))
        got = (egger.first_share, egger.second_share, peters.first_share, index.first_share, index.second_share)
        for ours, theirs in zip(got, wanted, strict=True):
            # Four standard errors of the difference of two shares, and half a unit of the printed digit.
            assert abs(ours - theirs) < 4 * np.sqrt(theirs * (1 - theirs) * (1 / 2000 + 1 / 2500)) + 0.005
        # The default keeps its level: five per cent within four standard errors, or below it.
        assert table.loc[(*cell, "peters_exact")].first_share < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 2500)


def test_what_the_warnings_say_is_what_the_simulation_gives():
    table = false_alarms(rates=(0.03, 0.08), sets=2500, seed=8)
    for name, (low, high) in FALSE_ALARMS.items():
        shares = 100 * table[table["method"] == name]["first_share"]
        # Four standard errors of a share of 2,500 are at most four per cent.
        assert abs(shares.min() - low) < 4.5
        assert abs(shares.max() - high) < 4.5
