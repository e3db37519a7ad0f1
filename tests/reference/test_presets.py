"""`preset="meta"` against meta 8.4-0: the values that `presets.R` prints, and those of the data sets of this folder."""

import numpy as np
import pandas as pd
import pytest

import metanet as mn
from tests.reference.cases import SINGLE, counts, load

ZERO = {"events": [0, 4, 6, 2], "total": [20, 40, 50, 31], "events_control": [3, 9, 5, 6], "total_control": [21, 38, 52, 30]}
ENDS = {"events": [20, 14, 30], "total": [20, 40, 50], "events_control": [21, 19, 25], "total_control": [21, 38, 52]}
FULL = {"events": [20, 14, 30, 9], "total": [20, 40, 50, 21], "events_control": [15, 19, 25, 7], "total_control": [21, 38, 52, 30]}
HINE = {
    "events": [2, 4, 6, 7, 7, 11], "total": [39, 44, 107, 103, 110, 154],
    "events_control": [1, 4, 4, 5, 3, 4], "total_control": [43, 44, 110, 100, 106, 146],
}  # fmt: skip


@pytest.mark.parametrize(
    ("data", "choices", "mu"),
    [
        (FULL, {}, 0.1856),
        (ZERO, {"measure": "RD"}, -0.0848),
        (ZERO, {"measure": "PETO", "model": "inverse_variance"}, -0.770),
        (ZERO, {"measure": "OR", "model": "mantel_haenszel"}, -0.724),
    ],
)
def test_empty_cells_follow_meta(data, choices, mu):
    digits = len(str(mu).split(".")[1])
    assert round(mn.pool(**data, preset="meta", **choices).mu, max(digits, 3)) == mu


def test_a_study_with_only_events_in_both_groups_stays_in_a_risk_ratio():
    fit = mn.pool(**ENDS, preset="meta")
    assert (round(fit.estimate, 3), fit.tau2, fit.method["studies_dropped"]) == (1.003, 0.0, 0)
    assert mn.pool(**ENDS, preset="meta", measure="OR").method["studies_dropped"] == 1


def test_the_risk_difference_of_mantel_and_haenszel_has_the_error_of_greenland_and_robins():
    assert round(mn.pool(**ZERO, preset="meta", model="mantel_haenszel", measure="RD", add=0).se, 5) == 0.03866
    assert round(mn.pool(**ZERO, model="mantel_haenszel", measure="RD").se, 5) == 0.03914


def test_mantel_haenszel_takes_the_risk_ratio_and_q_about_the_inverse_variance_mean():
    fit = mn.pool(**HINE, model="mantel_haenszel", preset="meta")
    assert (fit.measure, round(fit.estimate, 3), round(fit.q, 3)) == ("RR", 1.735, 1.574)
    assert round(mn.pool(**HINE, model="mantel_haenszel", measure="RR").q, 3) == 1.580


def test_tau2_of_dersimonian_and_laird_is_about_mantel_and_haenszel_unless_a_model_is_named():
    assert mn.pool(**HINE, preset="meta", tau2="DL").model == "mantel_haenszel_random"
    named = mn.pool(**HINE, preset="meta", tau2="DL", model="inverse_variance")
    assert (named.model, named.method["tau2_ci"]) == ("inverse_variance", "Jackson")
    assert mn.pool(**HINE, preset="meta").method["tau2_ci"] == "Q-profile"
    one = mn.pool(events=[3, 9, 4], total=[20, 31, 25], model="inverse_variance", tau2="DL", preset="meta")
    assert one.method["tau2_ci"] == "Jackson"


@pytest.mark.parametrize(("measure", "theirs"), [("PR", "PRAW"), ("PLN", "PLN")])
def test_raw_and_log_proportions_are_those_of_metaprop(measure, theirs):
    found = 0
    for name in SINGLE:
        events, total = counts(name)
        values = load(name).get("meta", {}).get(theirs)
        if not values or len(events) < 3 or name == "hugestudy":
            # The REML of meta stops early where the scale is small.
            continue
        fit = mn.pool(events=events, total=total, measure=measure, preset="meta")
        np.testing.assert_allclose(fit.mu, values["TE_random"], rtol=2e-4, atol=1e-8, err_msg=name)
        found += 1
    assert found > 2


@pytest.mark.parametrize("preset", ["metafor", "meta", "revman", "revman5"])
def test_a_named_choice_stands_also_where_it_is_our_default(preset):
    fit = mn.pool(**HINE, preset=preset, model="inverse_variance", measure="OR", tau2="REML", ci="HK", prediction="HTS", i2="tau2")
    method = fit.method
    assert [method[name] for name in ("tau2", "ci", "prediction", "i2", "measure")] == ["REML", "HK", "HTS", "tau2", "OR"]
    assert fit.mu == mn.pool(**HINE).mu


@pytest.mark.parametrize("measure", ["OR", "RR", "RD"])
def test_revman_web_corrects_mantel_haenszel_as_revman_5_does(measure):
    new, old = (mn.pool(**ZERO, preset=preset, model="mantel_haenszel", measure=measure) for preset in ("revman", "revman5"))
    assert (new.mu, new.se, new.q) == (old.mu, old.se, old.q)
    assert new.method["studies_corrected"] == 1
    plain = mn.pool(**ZERO, model="mantel_haenszel", measure=measure)
    # The estimate of a risk difference is not corrected; rounding is all that differs.
    assert (new.mu == pytest.approx(plain.mu, rel=1e-12)) == (measure == "RD")
    assert new.se != pytest.approx(plain.se, rel=1e-3)


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"preset": "revman5", "measure": "RD"}, "0.5 to all cells of studies with an empty cell, in the variance alone"),
        ({"preset": "revman5"}, "0.5 to all cells of studies with an empty cell"),
        ({"preset": "meta"}, "0.5 to events and total of both groups of studies with an empty cell"),
        ({"preset": "meta", "model": "mantel_haenszel"}, "0.5 to all cells of studies with an empty cell"),
        ({"preset": "revman5", "model": "peto"}, "none"),
        ({"model": "mantel_haenszel"}, "none in the estimate; 0.5 to all cells of studies with an empty cell in Q"),
    ],
)
def test_the_method_says_what_a_correction_changes(choices, words):
    assert mn.pool(**ZERO, **choices).method["continuity_correction"] == words


def test_the_sentence_names_the_program_as_readers_do():
    fit = mn.pool(**ZERO, preset="revman5")
    assert "the defaults of RevMan 5" in fit.method.sentence()
    assert any("RevMan 5 gives none" in note for note in fit.notes)


def test_compare_takes_a_preset():
    frame = pd.DataFrame({"events": [3, 9, 2, 15], "total": [21, 40, 18, 35], "g": list("aabb")})
    found = mn.compare(frame, "g", preset="metafor")
    assert found.groups["a"].method["preset"] == "metafor"
    assert found.groups["a"].model == "inverse_variance"
    two = frame.assign(events_control=[4, 5, 6, 2], total_control=[20, 30, 20, 30])
    control = {"events_control": "events_control", "total_control": "total_control", "preset": "revman5"}
    with pytest.raises(mn.ArgumentError, match="model='inverse_variance'"):
        mn.compare(two, "g", **control)
    assert mn.compare(two, "g", **control, model="inverse_variance").groups["a"].measure == "RR"
