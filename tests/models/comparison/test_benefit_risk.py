"""Benefit against harm: the rates are those of pool, the verdicts follow from the pairs."""

from __future__ import annotations

import json

import pytest

import metanet as mn
from metanet.base.display import per_cent

EVIDENCE = mn.load_evidence()


@pytest.fixture(scope="module")
def found():
    return mn.benefit_risk(EVIDENCE)


def test_both_rates_are_those_of_pool(found):
    for name, (benefit, risk) in found.groups.items():
        for outcome, fit in (("objective_response", benefit), ("hepatotoxicity", risk)):
            one = mn.pool(EVIDENCE.rates(outcome, modality=name))
            assert fit.estimate == pytest.approx(one.estimate, rel=1e-12)
            assert fit.ci_upper == pytest.approx(one.ci_upper, rel=1e-12)


def test_a_group_with_one_of_the_two_outcomes_is_named(found):
    assert "ablation" in found.missing
    assert found.missing["ablation"] == "hepatotoxicity"
    assert "ablation" in found.sentence()


def test_verdicts_follow_from_differences_and_adjusted_p_values(found):
    frame = found.to_frame().set_index("group")
    for row in found.pairs.to_dict("records"):
        benefit = frame.loc[row["better"], "benefit"] - frame.loc[row["worse"], "benefit"]
        risk = frame.loc[row["better"], "risk"] - frame.loc[row["worse"], "risk"]
        assert row["benefit_difference"] == pytest.approx(benefit)
        assert row["risk_difference"] == pytest.approx(risk)
        assert benefit >= 0
        if row["verdict"] == "dominates":
            assert risk < 0
            assert max(row["benefit_pvalue"], row["risk_pvalue"]) < 0.05
        elif row["verdict"] == "better point estimates":
            assert risk < 0
        elif row["verdict"] == "trade-off":
            assert risk > 0
        else:
            medians = [
                frame.loc[row["better"], f"{word}_median"] - frame.loc[row["worse"], f"{word}_median"] for word in ("benefit", "risk")
            ]
            assert risk == 0 or benefit == 0 or benefit * medians[0] < 0 or risk * medians[1] < 0


def test_a_cohort_that_two_groups_share_is_named(found):
    (note,) = [note for note in found.method["notes"] if note.startswith("Reports on overlapping cohorts in different groups")]
    assert "Moffitt-TAE (TAE and combination)" in note
    assert not any("one report is kept across all groups" in note for note in found.method["notes"])


def test_the_table_has_average_and_median_of_both_outcomes(found):
    head, rows = found.table()
    assert head[1:3] == ["Objective response, average", "Objective response, median"]
    benefit, _ = found.groups["TARE"]
    (row,) = [row for row in rows if row[0] == "TARE"]
    assert row[1].startswith(f"{per_cent(benefit.marginal_estimate)} % (")
    assert row[2] == f"{per_cent(benefit.estimate)} %"


def test_it_is_labelled_and_can_be_written(found):
    assert "observational comparison" in found.summary().lower()
    json.dumps(found.to_dict(), allow_nan=False)
    assert "<table" in found._repr_html_()


def test_rates_are_population_averages_so_that_uneven_harms_are_not_lost(found):
    # 37 of 192 patients after combinations, all in one of three arms: the median rate is a third of the average.
    row = found.to_frame().set_index("group").loc["combination"]
    assert row["risk_median"] < 0.07
    assert row["risk"] > 0.1
    verdicts = found.pairs.set_index(["better", "worse"])["verdict"]
    assert "dominates" not in set(verdicts.filter(like="combination"))
    assert verdicts.get(("combination", "TARE")) == "trade-off"


def test_groups_can_be_chosen():
    few = mn.benefit_risk(EVIDENCE, groups=["TARE", "PRRT"])
    assert list(few.groups) == ["TARE", "PRRT"]
    assert len(few.pairs) == 1


def test_rows_without_a_group_and_groups_named_twice_do_no_harm():
    by_country = mn.benefit_risk(EVIDENCE, by="country")
    assert "" not in by_country.groups
    assert list(mn.benefit_risk(EVIDENCE, groups=["TARE", "TARE", "PRRT"]).groups) == ["TARE", "PRRT"]


def test_outcomes_without_a_shared_group_have_a_reason():
    none = mn.benefit_risk(EVIDENCE, "local_control", "biliary_infection")
    assert none.reason
    assert none.to_frame().empty


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"benefit": "hepatotoxicity"}, "is a harm by the tables"),
        ({"risk": "disease_control"}, "is a benefit by the tables"),
        ({"benefit": "objectiv_response"}, "Did you mean 'objective_response'"),
        ({"groups": ["TARR"]}, "Did you mean 'TARE'"),
        ({"by": "modality_clas"}, "Did you mean 'modality_class'"),
    ],
)
def test_arguments_that_cannot_be_are_refused(arguments, message):
    with pytest.raises(mn.ArgumentError, match=message):
        mn.benefit_risk(EVIDENCE, **arguments)
