"""The ladder of the risk of bias: which studies each rung has, what it leaves out, and the test between the levels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import metanet as mn
from metanet.base.errors import ArgumentError

LEVELS = ["low", "low", "low", "moderate", "moderate", "serious", "serious", "critical", ""]
EVENTS = [10, 14, 8, 20, 18, 25, 30, 28, 12]
TOTALS = [40, 50, 35, 45, 40, 42, 50, 40, 30]


def data(levels=LEVELS):
    names = [f"S{i}" for i in range(len(levels))]
    return pd.DataFrame({"study": names, "events": EVENTS[: len(levels)], "total": TOTALS[: len(levels)], "rob": levels})


@pytest.fixture(scope="module")
def ladder():
    return mn.bias_ladder(data(), "rob", tool="robins_i", model="glmm")


def test_each_rung_has_the_studies_at_or_below_its_level(ladder):
    frame = ladder.to_frame()
    assert frame["rung"].tolist() == ["all", "without critical", "without high", "low only"]
    assert frame["k"].tolist() == [9, 7, 5, 3]
    assert frame["title"].tolist() == ["All studies", "Without critical", "Without critical or serious", "Low only"]
    assert frame["n"].tolist() == [sum(TOTALS), sum(TOTALS[:7]), sum(TOTALS[:5]), sum(TOTALS[:3])]


def test_a_rung_is_the_fit_of_its_studies_and_the_shift_is_between_the_ends(ladder):
    alone = mn.pool(data()[:3], model="glmm")
    low = ladder.to_frame().iloc[-1]
    assert low["estimate"] == pytest.approx(alone.estimate, rel=1e-9)
    assert low["pi_upper"] == pytest.approx(alone.pi_upper, rel=1e-9)
    assert ladder.shift == pytest.approx(100 * (alone.estimate - ladder.fit.estimate))
    assert ladder.shift < 0


def test_the_share_left_out_is_that_of_the_weights_of_all_studies(ladder):
    weights = ladder.fit.weights / ladder.fit.weights.sum()
    assert ladder.to_frame()["weight_left_out"].tolist() == pytest.approx([0, weights[7:].sum(), weights[5:].sum(), weights[3:].sum()])


def test_the_levels_are_compared_by_a_likelihood_ratio(ladder):
    judged = data()[:8]
    direct = mn.compare(judged, "rob", model="glmm")
    assert ladder.tests["lrt"].statistic == pytest.approx(direct.lrt, rel=1e-6)
    assert ladder.tests["lrt"].df == (3.0,)


def test_sentence_summary_card_and_notes(ladder):
    assert "All 9 studies" in ladder.sentence()
    assert "Low only (3 studies" in ladder.sentence()
    assert " points." in ladder.sentence()
    assert "likelihood ratio" in ladder.sentence()
    assert "in the first analysis alone: 1 study." in ladder.summary()
    assert "<table" in ladder._repr_html_()
    assert ladder.to_dict()["tool"] == "robins_i"


def test_studies_without_a_judgement_can_be_kept():
    kept = mn.bias_ladder(data(), "rob", tool="robins_i", not_assessed="keep", model="glmm").to_frame()
    assert kept["k"].tolist() == [9, 8, 6, 4]


def test_the_default_model_is_the_posterior_and_the_test_that_of_maximum_likelihood():
    found = mn.bias_ladder(data(), "rob", tool="robins_i")
    assert found.fit.model == "bayes"
    assert found.comparison is not None
    assert found.comparison.method["model"] == "glmm"


def test_a_single_study_is_not_pooled_and_no_study_says_so():
    frame = mn.bias_ladder(data(["low", "serious", "serious", "serious"]), "rob", tool="robins_i", model="glmm").to_frame()
    assert frame.iloc[-1]["status"] == "not pooled"
    found = mn.bias_ladder(data(["serious", "serious", "serious"]), "rob", tool="robins_i", model="glmm")
    assert found.to_frame().iloc[-1][["k", "status"]].tolist() == [0, "no studies"]
    assert np.isnan(found.to_frame().iloc[-1]["estimate"])
    assert found.shift is None
    assert found.sentence().endswith("No analysis without some of them has two studies.")
    assert "one level" in found.tests["lrt"].text()


def test_tools_have_their_own_rungs():
    frame = mn.bias_ladder(data(["low", "some_concerns", "high", "Some concerns"]), "rob", tool="rob2", model="glmm").to_frame()
    assert frame["title"].tolist() == ["All studies", "Without high", "Low only"]
    assert frame["k"].tolist() == [4, 3, 1]


def test_two_groups_and_effects_have_a_ladder():
    both = data().assign(events_control=[8, 9, 9, 9, 9, 9, 9, 9, 9], total_control=[40] * 9)
    found = mn.bias_ladder(both, "rob", tool="robins_i", measure="OR", model="inverse_variance")
    assert found.tests["lrt"].pvalue is not None
    assert found.to_frame()["n"].iloc[0] == sum(TOTALS) + 360


def test_a_result_is_taken_with_its_own_model():
    fit = mn.pool(data(), model="inverse_variance", measure="PFT")
    assert mn.bias_ladder(fit, "rob", tool="robins_i").fit is fit


def test_a_frame_evidence_rates_and_a_result_give_one_ladder():
    evidence = mn.read(data())
    forms = [data(), evidence, evidence.rates(evidence.outcome_names[0]), mn.pool(data())]
    assert len({mn.bias_ladder(each, "rob", tool="robins_i").sentence() for each in forms}) == 1


def test_what_cannot_be_read_is_an_error_with_a_fix():
    with pytest.raises(ArgumentError, match="tool is missing"):
        mn.bias_ladder(data(), "rob")
    with pytest.raises(ArgumentError, match=r"'awful' of 'S0' is not a level of ROBINS-I. Its levels are low"):
        mn.bias_ladder(data(["awful", "low", "low"]), "rob", tool="robins_i")
    with pytest.raises(ArgumentError, match="no judgements of the risk of bias"):
        mn.bias_ladder(data())
    with pytest.raises(ArgumentError, match="by='rub' is not a column"):
        mn.bias_ladder(data(), "rub", tool="robins_i")
    assert "No study has a judgement" in mn.bias_ladder(data([""] * 4), "rob", tool="rob2", model="glmm").sentence()
