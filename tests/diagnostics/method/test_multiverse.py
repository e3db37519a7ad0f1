"""The multiverse: every analysis is that of pool, equal row sets count once, and the drivers are plain sums of squares."""

from __future__ import annotations

import json

import pandas as pd
import pytest

import metanet as mn

EVIDENCE = mn.load_evidence()
DATA = pd.DataFrame(
    {
        "study": list("abcdef"),
        "events": [2, 9, 4, 1, 7, 12],
        "total": [20, 30, 25, 15, 40, 52],
        "certainty": ["low", "moderate", "high", "high", "moderate", "high"],
        "unit": ["patients"] * 5 + ["procedures"],
        "derived": [False, False, True, False, False, False],
    }
)


def test_every_analysis_is_that_of_pool():
    found = mn.multiverse(DATA).to_frame()
    assert len(found) > 100
    for row in found.sample(25, random_state=1).to_dict("records"):
        order = ("low", "moderate", "high")
        rows = DATA[[order.index(word) >= order.index(row["certainty"]) for word in DATA["certainty"]]]
        rows = rows if row["unit"] == "any" else rows[rows["unit"] == "patients"]
        rows = rows if row["derived"] == "in" else rows[~rows["derived"]]
        if row["model"] == "Binomial-normal model":
            choices = {"model": "glmm", "ci": row["ci"]}
        elif row["model"] == "Bayesian binomial-normal model":
            choices = {}
        elif row["model"] == "Beta-binomial model":
            choices = {"model": "beta_binomial", "ci": row["ci"]}
        else:
            measure = {"L": "PLO", "A": "PAS", "F": "PFT"}[row["model"][0]]
            choices = {"model": "inverse_variance", "measure": measure, "tau2": row["tau2"], "ci": row["ci"]}
        one = mn.pool(rows, **choices)
        assert row["k"] == one.k
        assert row["estimate"] == pytest.approx(one.estimate, rel=1e-9)
        if one.ci_lower is not None:
            assert row["ci_lower"] == pytest.approx(one.ci_lower, rel=1e-8, abs=1e-12)


def test_choices_that_leave_the_same_rows_are_one_analysis():
    plain = DATA.assign(certainty="high", unit="patients", derived=False)
    found = mn.multiverse(plain).to_frame()
    assert len(found) == 33
    assert (found["ways"] == 12).all()
    assert found["method"].is_unique


def test_shares_count_the_analyses_on_either_side():
    many = mn.multiverse(DATA, threshold=0.2)
    frame = many.to_frame()
    answered = frame[frame["status"].isin(["pooled", "no events", "only events"])]
    shares = many.shares()
    assert shares["above"] == pytest.approx((answered["estimate"] > 0.2).mean())
    assert shares["interval_below"] == pytest.approx((answered["ci_upper"] < 0.2).mean())
    assert "lie above 20 %" in many.sentence()
    assert many.shares(0.0)["above"] == 1.0


def test_a_driver_is_the_main_effect_over_the_whole_factorial():
    many = mn.multiverse(DATA.drop(columns=["unit", "derived"]), analyses=[{"model": "glmm"}, {"measure": "PFT"}])
    drivers = many.drivers.set_index("choice")
    rows = []
    for least in ("low", "moderate", "high"):
        order = ("low", "moderate", "high")
        part = DATA[[order.index(c) >= order.index(least) for c in DATA["certainty"]]]
        rows += [(least, "glmm", mn.pool(part, model="glmm").estimate), (least, "pft", mn.pool(part, measure="PFT").estimate)]
    full = pd.DataFrame(rows, columns=["certainty", "model", "estimate"])
    centre = full["estimate"].mean()
    total = ((full["estimate"] - centre) ** 2).sum()
    assert "ci" not in drivers.index or drivers.loc["ci", "share"] == 0
    for name in ("certainty", "model"):
        means = full.groupby(name)["estimate"].transform("mean")
        assert drivers.loc[name, "share"] == pytest.approx(((means - centre) ** 2).sum() / total)
        groups = full.groupby(name)["estimate"].mean()
        assert drivers.loc[name, "range"] == pytest.approx(groups.max() - groups.min())


def test_analyses_that_differ_in_a_correction_alone_both_stand():
    found = mn.multiverse(
        DATA.assign(events=[0, 9, 4, 1, 7, 12]),
        certainty="low",
        unit="any",
        derived="in",
        analyses=[{"model": "inverse_variance", "add": 0.5}, {"model": "inverse_variance", "add": 0.05}],
    )
    assert len(found.to_frame()) == 2
    assert found.to_frame()["estimate"].nunique() == 2


def test_a_column_of_words_is_not_taken_for_truth():
    with pytest.raises(mn.ArgumentError, match="'derived' must contain True or False"):
        mn.multiverse(DATA.assign(derived="no"))


def test_evidence_brings_overlap_and_grouping():
    many = mn.multiverse(EVIDENCE, "objective_response", "TARE")
    frame = many.to_frame()
    assert set(frame["overlap"]) <= {"keep_largest", "keep_newest", "keep_all"}
    assert {"TARE", "TARE-resin alone"} <= set(frame["grouping"])
    base = frame[(frame["grouping"] == "TARE") & (frame["certainty"] == "low") & (frame["method"] == "Binomial-normal model, t")]
    rates = EVIDENCE.rates("objective_response", modality="TARE")
    assert mn.pool(rates, model="glmm").estimate in [pytest.approx(v, rel=1e-12) for v in base["estimate"]]
    assert many.method["fingerprint"] == EVIDENCE.fingerprint_of("objective_response", "TARE")
    json.dumps(many.to_dict(), allow_nan=False)


def test_levels_can_be_named():
    one = mn.multiverse(
        EVIDENCE, "objective_response", "TARE", overlap="keep_all", certainty="low", unit="any", derived="in", grouping=False,
        analyses=[{"model": "glmm"}],
    )  # fmt: skip
    assert len(one.to_frame()) == 1
    assert "1 analysis" in one.sentence()


def test_two_groups_keep_their_measure():
    pairs = pd.DataFrame(
        {"events": [2, 9, 4, 7], "total": [20, 30, 25, 40], "events_control": [5, 12, 9, 11], "total_control": [21, 29, 26, 39]}
    )
    names = {name: name for name in pairs.columns}
    many = mn.multiverse(pairs, threshold=1.0, measure="RR", **names)
    assert set(many.to_frame()["target"]) == {"effect"}
    assert "Mantel-Haenszel" in set(many.to_frame()["model"])
    assert many.shares()["below"] == 1.0


def test_no_row_leaves_a_reason():
    none = mn.multiverse(EVIDENCE, "technical_success", "TARE")
    assert none.reason
    assert none.to_frame().empty
    assert none._repr_html_()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"overlap": "keep_bigest"}, "Did you mean 'keep_largest'"),
        ({"certainty": []}, "certainty="),
        ({"analyses": [{"modl": "glmm"}]}, "Did you mean 'model'"),
        ({"analyses": "glmm"}, "analyses='glmm' must be a sequence"),
        ({"threshold": "0.3"}, "threshold="),
        ({"threshold": 30}, "Did you mean 0.3"),
        ({"evnts": "events"}, "Did you mean 'events'"),
        ({"outcome": "objective_response"}, "a frame has one outcome"),
    ],
)
def test_arguments_that_cannot_be_are_refused(arguments, message):
    with pytest.raises(mn.ArgumentError, match=message):
        mn.multiverse(DATA, **arguments)


def test_evidence_needs_an_outcome():
    with pytest.raises(mn.ArgumentError, match="outcome is missing"):
        mn.multiverse(EVIDENCE)


def test_analyses_of_one_study_are_said_to_have_its_estimate():
    one = mn.multiverse(pd.DataFrame({"study": ["a"], "events": [14], "total": [19]}))
    assert one.sentence() == "No analysis pooled several studies: all 33 analyses used one study (73.7 %)."
    none = mn.multiverse(mn.load_evidence(), "disease_control", "ablation")
    assert "used one study (73.7 %)" in none.sentence()
    single = mn.multiverse(pd.DataFrame({"study": ["a"], "events": [14], "total": [19]}), analyses=[{"model": "glmm"}])
    assert single.sentence() == "No analysis pooled several studies: the 1 analysis used one study (73.7 %)."


def test_arms_that_report_both_response_and_control_are_a_choice_that_is_asked_for():
    evidence = mn.load_evidence()
    options = {"overlap": "keep_largest", "certainty": "low", "grouping": False, "analyses": [{"model": "glmm"}]}
    found = mn.multiverse(evidence, "objective_response", "TACE", reporting=("all", "both"), **options).to_frame()
    assert set(found["reporting"]) == {"all", "both"}
    pattern = mn.reporting_pattern(evidence, "TACE").to_frame().query("outcome == 'disease_control'")
    every = found[(found["unit"] == "any") & (found["derived"] == "in")].set_index("reporting")
    assert every["k"]["both"] == pattern["k"].iloc[0]
    assert every["k"]["all"] == pattern["k"].sum()
    assert "reporting" not in mn.multiverse(evidence, "objective_response", "TACE", **options).to_frame()
    with pytest.raises(mn.ArgumentError, match=r"reporting=.*applies to objective response"):
        mn.multiverse(evidence, "hepatotoxicity", "TACE", reporting="both", **options)
    with pytest.raises(mn.ArgumentError, match="applies to evidence"):
        mn.multiverse(evidence.rates("objective_response"), reporting="both", analyses=[{"model": "glmm"}])
