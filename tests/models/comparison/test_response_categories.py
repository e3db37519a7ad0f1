"""Response categories of study arms add up to everybody assessed, invent nothing and hold the studies of the pooled analysis."""

import json

import numpy as np
import pandas as pd
import pytest

import metanet as mn
from metanet.base.errors import ArgumentError
from metanet.base.results import Method
from metanet.models.comparison.response_categories import CATEGORIES, ResponseArm, divided, response_categories
from tests.evidence.conftest import TABLES, Folder

HEAD = TABLES["objective_response.csv"].splitlines()[0]


def _rows(*rows: str) -> bytes:
    lines = [f"{row},,,false,,,abstract,s,p,high,true,true," if row.count(",") < 5 else row for row in rows]
    return "\n".join([HEAD, *lines, ""]).encode()


@pytest.fixture
def folder(tmp_path):
    """Adams 2010 and 2014 share patients; Baker has two arms; the three outcomes differ in what they report."""
    found = Folder(tmp_path / "evidence")
    found.files["complete_response.csv"] = _rows(
        "Adams2010,all,2,50,patients", "Adams2014,all,1,45,patients", "Baker2012,TACE,3,30,patients"
    )
    found.files["disease_control.csv"] = _rows(
        "Adams2010,all,40,50,patients", "Baker2012,TACE,21,30,patients", "Clark2015,all,35,40,patients"
    )
    return found


@pytest.fixture(scope="module")
def curated():
    return mn.load_evidence()


def _parts(result):
    return {(arm.study_id, arm.arm): dict(arm.parts) for arm in result.arms}


def test_categories_are_the_differences_of_the_three_counts(folder):
    found = _parts(response_categories(folder.load()))
    assert found["Adams2010", "all"] == {"CR": 2, "PR": 18, "SD": 20, "PD": 10}
    assert found["Baker2012", "TACE"] == {"CR": 3, "PR": 6, "SD": 12, "PD": 9}


def test_categories_that_a_missing_outcome_divides_are_given_together(folder):
    found = _parts(response_categories(folder.load()))
    assert found["Baker2012", "TAE"] == {"CR+PR": 7, "SD+PD": 24}
    assert found["Clark2015", "all"] == {"CR+PR": 10, "SD": 25, "PD": 5}


@pytest.mark.parametrize(
    ("counts", "parts"),
    [
        ({"disease_control": 7}, {"CR+PR+SD": 7, "PD": 3}),
        ({"complete_response": 1}, {"CR": 1, "PR+SD+PD": 9}),
        ({"complete_response": 1, "disease_control": 7}, {"CR": 1, "PR+SD": 6, "PD": 3}),
        ({"complete_response": 1, "objective_response": 4}, {"CR": 1, "PR": 3, "SD+PD": 6}),
    ],
)
def test_every_set_of_outcomes_divides_only_what_it_knows(counts, parts):
    ((arm,), _, _) = divided([_row(name, n) for name, n in counts.items()], {"A": "A 2001"})
    assert dict(arm.parts) == parts


def _row(outcome, events, **changes):
    about = {"study_id": "A", "arm": "all", "modality": "TAE", "modality_class": "TAE", "year": 2001}
    rest = {"unit": "patients", "criteria": "", "timepoint_months": None, "total": 10}
    return {**about, **rest, "outcome": outcome, "events": events, **changes}


def test_counts_that_contradict_each_other_leave_the_arm_out_with_a_note():
    arms, notes, against = divided([_row("complete_response", 5), _row("objective_response", 3)], {"A": "A 2001"})
    assert not arms
    assert notes == ["A 2001 is left out: its counts contradict each other: complete response 5, objective response 3."]
    assert list(against) == [("A", "all")]


def test_more_disease_control_than_patients_is_a_contradiction_too():
    assert divided([_row("complete_response", 5), _row("disease_control", 11)], {"A": "A"})[0] == []


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"total": 9}, "the same total (9, 10)"),
        ({"unit": "lesions"}, "the same unit (lesions, patients)"),
        ({"criteria": "mRECIST"}, "the same criteria (mRECIST, RECIST1.1)"),
        ({"timepoint_months": 6.0}, "the same time point in months (6.0, 3.0)"),
    ],
)
def test_a_row_of_another_reading_is_not_subtracted(changes, word):
    first = _row("objective_response", 4, criteria="RECIST1.1", timepoint_months=3.0)
    ((arm,), notes, _) = divided([first, _row("disease_control", 7, **changes)], {"A": "A 2001"})
    assert dict(arm.parts) == {"CR+PR": 4, "SD+PD": 6}
    assert word in notes[0]


def test_words_about_one_category_are_no_other_criteria():
    rows = [_row("objective_response", 4, criteria="other:50 % smaller"), _row("disease_control", 7, criteria="other:not larger")]
    assert dict(divided(rows, {"A": "A"})[0][0].parts) == {"CR+PR": 4, "SD": 3, "PD": 3}


def test_one_report_of_a_cohort_is_taken_for_all_categories(folder):
    evidence = folder.load()
    # By disease control alone the only report of this cohort would be the older one.
    assert "Adams2010" in set(evidence.rates("disease_control", overlap="keep_newest")["study_id"])
    result = response_categories(evidence, overlap="keep_newest")
    assert _parts(result)["Adams2014", "all"] == {"CR": 1, "PR": 17, "SD+PD": 27}
    assert ("Adams2010", "all") not in _parts(result)
    (gone,) = result.left_out
    assert gone["study_id"] == "Adams2010"
    assert gone["reason"] == "shares patients (Oslo) with Adams 2014, which is kept"
    assert any("share patients" in note for note in result.notes)


def test_the_overlap_policy_is_followed(folder):
    evidence = folder.load()
    largest, both = (response_categories(evidence, overlap=policy) for policy in ("keep_largest", "keep_all"))
    assert {arm.study_id for arm in largest.arms} == {"Adams2010", "Baker2012", "Clark2015"}
    assert {"Adams2010", "Adams2014"} <= {arm.study_id for arm in both.arms}
    assert any("counted twice" in note for note in both.notes)
    assert not both.left_out


@pytest.mark.parametrize("modality", [None, "TARE", "PRRT", "TAE", "TACE"])
def test_objective_responses_are_those_of_the_pooled_analysis(curated, modality):
    result = response_categories(curated, modality)
    rates = curated.rates("objective_response", modality=modality)
    wanted = {(r["study_id"], r["arm"]): (r["events"], r["total"]) for r in rates.to_dict("records")}
    known = {(arm.study_id, arm.arm): (arm.at_least("PR"), arm.total) for arm in result.arms if arm.at_least("PR") is not None}
    assert known == wanted


def test_arms_with_all_three_outcomes_are_the_subtractions_of_the_files(curated):
    tables = [
        pd.read_csv(curated.path / f"{name}.csv").set_index(["study_id", "arm", "unit", "total"])["events"].rename(name)
        for name in ("complete_response", "objective_response", "disease_control")
    ]
    joined = pd.concat(tables, axis=1, join="inner").reset_index().set_index(["study_id", "arm"])
    full = [arm for arm in response_categories(curated).arms if len(arm.parts) == 4]
    assert len(full) > 25
    for arm in full:
        row = joined.loc[(arm.study_id, arm.arm)]
        cr, objective, control = row["complete_response"], row["objective_response"], row["disease_control"]
        assert [n for _, n in arm.parts] == [cr, objective - cr, control - objective, row["total"] - control]


def test_shares_sum_to_one_and_counts_to_the_total(curated):
    frame = response_categories(curated, overlap="keep_all", poolable_only=False).to_frame()
    arms = frame.groupby(["study_id", "arm"])
    np.testing.assert_allclose(arms["share"].sum(), 1.0, rtol=1e-12)
    assert (arms["events"].sum() == arms["total"].first()).all()
    for _, rows in arms:
        assert "+".join(rows["category"]).split("+") == list(CATEGORIES)
    assert (frame["events"] >= 0).all()


def test_certainty_and_poolable_rules_hold(curated):
    every = response_categories(curated, "TARE", poolable_only=False)
    some = response_categories(curated, "TARE")
    sure = response_categories(curated, "TARE", certainty="high")
    assert len(every.arms) > len(some.arms) > len(sure.arms) > 0
    assert any("not poolable" in row["reason"] for row in some.left_out)
    assert any("certainty" in row["reason"] for row in sure.left_out)


def test_views_hold_the_counts_and_are_escaped(curated):
    result = response_categories(curated, "TARE")
    assert "Kennedy 2008" in result.summary()
    assert "CR 5 (3.0 %), PR 112 (66.7 %), SD 42 (25.0 %), PD 9 (5.4 %)" in result.summary()
    assert json.loads(json.dumps(result.to_dict()))["rows"][0]["study"] == result.arms[0].study
    assert result.to_frame()["events"].sum() == sum(arm.total for arm in result.arms)
    assert "12.5 % (Murthy 2008) to 80.0 % (Arslan 2011)" in result.sentence()
    hostile = ResponseArm("<script>", "S", "all", "TAE", "TAE", None, "patients", 4, (("CR+PR", 1), ("SD+PD", 3)))
    shown = mn.ResponseCategories((hostile,), (), None, Method({"notes": ["<b>"]}))
    assert "<script>" not in shown._repr_html_()
    assert "<b>" not in shown._repr_html_()
    assert "25.0 %" in shown.sentence()


def test_an_empty_selection_says_so(curated):
    result = response_categories(curated, "transplant")
    assert not result.arms
    assert "No study arm" in result.sentence()
    assert result.to_frame().empty
    assert "share" in result.to_frame().columns


def test_wrong_words_are_named(curated, folder):
    with pytest.raises(ArgumentError, match="Did you mean 'TARE'"):
        response_categories(curated, "TARA")
    with pytest.raises(ArgumentError, match="source has no rows"):
        response_categories(pd.DataFrame())


def test_evidence_on_other_outcomes_has_no_categories_and_says_so(folder):
    for name in ("complete_response", "objective_response", "disease_control"):
        folder.files.pop(f"{name}.csv")
    found = response_categories(folder.load())
    assert not found.arms
    assert "none of the outcomes complete_response, objective_response and disease_control" in found.sentence()
