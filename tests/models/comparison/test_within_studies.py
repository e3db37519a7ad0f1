"""Comparisons inside studies: which arms are used, how they are pooled, and what is said of allocation."""

import json

import numpy as np
import pandas as pd
import pytest

import metanet as mn
from metanet.base.errors import ArgumentError
from metanet.models.comparison.within_studies import within_studies
from metanet.models.pooling.pool import pool


def frame():
    rows = [
        # study, group, events, total, design
        ("s1", "TAE", 4, 10, "retrospective_cohort"),
        ("s1", "TAE", 5, 12, "retrospective_cohort"),
        ("s1", "TACE", 11, 20, "retrospective_cohort"),
        ("s2", "TAE", 6, 15, "rct"),
        ("s2", "TACE", 9, 16, "rct"),
        ("s3", "TAE", 2, 9, ""),
        ("s3", "TACE", 5, 11, ""),
        ("s3", "TARE", 3, 8, ""),
        ("s4", "TARE", 7, 30, "case_series"),
        ("s5", "PRRT", 9, 40, "case_series"),
    ]
    data = pd.DataFrame(rows, columns=["study_id", "modality_class", "events", "total", "design"])
    return data.assign(study=[f"{s} 2001 ({g})" for s, g in zip(data["study_id"], data["modality_class"], strict=True)])


def test_arms_of_one_group_are_summed_and_the_pair_is_pooled_exactly():
    found = within_studies(frame())
    fit = found.pairs["TAE", "TACE"]
    given = {"events": [9, 6, 2], "total": [22, 15, 9], "events_control": [11, 9, 5], "total_control": [20, 16, 11]}
    direct = pool(**given, model="CM.EL")
    assert fit.model == "CM.EL"
    np.testing.assert_allclose(
        [fit.estimate, fit.ci_lower, fit.ci_upper, fit.pi_upper], [direct.estimate, direct.ci_lower, direct.ci_upper, direct.pi_upper]
    )
    assert fit.k == 3
    assert fit.n == 93


def test_pairs_without_a_study_are_listed():
    found = within_studies(frame())
    assert set(found.pairs) == {("TAE", "TACE"), ("TAE", "TARE"), ("TACE", "TARE")}
    assert found.not_compared == (("TAE", "PRRT"), ("TACE", "PRRT"), ("TARE", "PRRT"))
    table = found.to_frame()
    assert table.loc[table["k"] == 0, "status"].eq("no study compares them").all()
    assert len(table) == 6
    assert "No study compares TAE against PRRT" in found.sentence()


def test_a_single_study_is_shown_as_itself():
    fit = within_studies(frame()).pairs["TAE", "TARE"]
    assert fit.status == "not pooled"
    assert fit.estimate == pytest.approx((2 / 7) / (3 / 5))


def test_swapping_the_groups_inverts_the_ratio():
    one = within_studies(frame()).pairs["TAE", "TACE"]
    data = frame().iloc[::-1].reset_index(drop=True)
    other = within_studies(data).pairs["TACE", "TAE"]
    np.testing.assert_allclose([1 / other.estimate, 1 / other.ci_upper], [one.estimate, one.ci_lower], rtol=1e-8)


def test_the_arms_used_are_shown_with_what_was_summed():
    studies = within_studies(frame()).studies
    assert set(studies["study_id"]) == {"s1", "s2", "s3"}
    first = studies.iloc[0]
    assert (first["study"], first["events"], first["total"], first["arms"]) == ("s1 2001", 9, 22, 2) or first["study"] == "s1"
    assert studies["arms"].sum() == 8


def test_allocation_is_told_in_words():
    mixed = within_studies(frame())
    assert "at random in 1 of 3 studies" in mixed.sentence()
    assert "1 study does not state a design" in mixed.sentence()
    assert mixed.to_frame().set_index(["first", "second"]).loc[("TAE", "TACE"), "randomised"] == 1
    none = within_studies(frame().assign(design="retrospective_cohort"))
    assert "not allocated at random in any of the 3 studies (retrospective cohort)" in none.sentence()
    every = within_studies(frame().assign(design="rct"))
    assert "allocated at random in all 3 studies" in every.sentence()
    assert "not an effect of treatment" not in every.sentence()
    silent = within_studies(frame().drop(columns="design"))
    assert "No design is stated" in silent.sentence()
    assert silent.details["TAE", "TACE"].randomised is None
    assert "not stated" in silent.summary()


def test_no_events_in_either_group_give_no_ratio():
    data = frame().assign(events=0)
    found = within_studies(data)
    for fit in found.pairs.values():
        assert fit.status == "not estimable"
        assert fit.estimate is None
        assert fit.ci_lower is None
    assert "no estimate" in found.sentence()
    assert "nan" not in found.summary()
    difference = within_studies(data, measure="RD").pairs["TAE", "TACE"]
    assert difference.ci_lower < 0 < difference.ci_upper


def test_studies_at_opposite_ends_give_no_ratio():
    data = frame()[frame()["study_id"].isin(["s1", "s2"])].reset_index(drop=True)
    data["events"] = np.where(data["study_id"] == "s1", 0, data["total"])
    assert within_studies(data).pairs["TAE", "TACE"].estimate is None


def test_one_sided_pairs_fall_back_to_inverse_variance_and_say_so():
    data = frame()
    data.loc[data["modality_class"] == "TAE", "events"] = 0
    found = within_studies(data)
    fit = found.pairs["TAE", "TACE"]
    assert fit.model == "inverse_variance"
    assert 0 < fit.estimate < 1
    assert any("no estimate for TAE against TACE" in note for note in found.notes)
    # Three corrected studies that look alike: the interval is not narrower than the t interval of the model.
    plain = pool(
        events=[0, 0, 0], total=[22, 15, 9], events_control=[11, 9, 5], total_control=[20, 16, 11], model="inverse_variance", ci="t"
    )
    assert fit.mu_upper - fit.mu_lower >= plain.mu_upper - plain.mu_lower - 1e-9
    named = within_studies(data, model="CM.EL")
    assert named.pairs["TAE", "TACE"].estimate is None


@pytest.mark.parametrize(
    "choices", [{"measure": "RR"}, {"measure": "RD"}, {"model": "mantel_haenszel"}, {"model": "peto"}, {"model": "UM.FS"}]
)
def test_other_models_and_measures_are_those_of_pool(choices):
    found = within_studies(frame(), **choices).pairs["TAE", "TACE"]
    given = {"events": [9, 6, 2], "total": [22, 15, 9], "events_control": [11, 9, 5], "total_control": [20, 16, 11]}
    assert found.estimate == pytest.approx(pool(**given, **choices).estimate, rel=1e-9)


def test_rows_without_a_group_or_a_study_take_no_part():
    data = pd.concat(
        [frame(), frame().iloc[[2]].assign(modality_class=None), frame().iloc[[2]].assign(study_id=None)], ignore_index=True
    )
    found = within_studies(data)
    assert found.pairs["TAE", "TACE"].n == 93
    assert any("1 arm of 1 study without a value of modality_class excluded" in note for note in found.notes)


def test_nothing_to_compare_is_answered():
    found = within_studies(frame().drop_duplicates("study_id"))
    assert found.pairs == {}
    assert "none compares them" in found.sentence()
    assert found.studies.empty
    assert found.to_frame()["k"].eq(0).all()
    json.dumps(found.to_dict(), allow_nan=False)
    assert found._repr_html_()
    assert found.summary()


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"by": "modality"}, "Did you mean 'modality_class'"),
        ({"by": "events"}, "name of another column"),
        ({"cluster": "studyid"}, "Did you mean 'study_id'"),
        ({"events": "event"}, "Did you mean 'events'"),
        ({"measure": "PLO"}, "measure='PLO'"),
        ({"model": "glmm"}, "model='glmm'"),
        ({"model": "CM.EL", "measure": "RR"}, "measure='RR'"),
        ({"ci": "HK"}, "ci='HK'"),
        ({"level": 95}, "Did you mean 0.95"),
    ],
)
def test_arguments_that_cannot_be_used_are_named(arguments, match):
    with pytest.raises(ArgumentError, match=match):
        within_studies(frame(), **arguments)


def test_counts_that_cannot_be_are_refused():
    with pytest.raises(ArgumentError, match="more than"):
        within_studies(frame().assign(events=1000))
    with pytest.raises(ArgumentError, match="DataFrame"):
        within_studies([1, 2])


def test_names_are_escaped():
    data = frame().replace({"modality_class": {"TAE": "<b>TAE"}})
    assert "<b>" not in within_studies(data)._repr_html_()


def test_every_outcome_of_the_evidence_is_answered():
    evidence = mn.load_evidence()
    for outcome in evidence.outcome_names:
        rates = evidence.rates(outcome, overlap="keep_all")
        if rates.empty:
            continue
        found = within_studies(rates)
        json.dumps(found.to_dict(), allow_nan=False)
        assert "nan" not in found.summary()
        for fit in found.pairs.values():
            assert (fit.estimate is None) == (fit.status == "not estimable")
            assert fit.estimate is None or 0 < fit.events < fit.n
