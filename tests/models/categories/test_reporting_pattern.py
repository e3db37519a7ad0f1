"""The objective response of arms that report more: the test of `compare`, sentences that are true of their arms."""

import json

import pandas as pd
import pytest

import metanet as mn


def frame(**more):
    rows = {
        "study": list("ABCDEF"),
        "cr": [1, 0, 2, None, None, None],
        "pr": [9, 4, 8, None, None, None],
        "cr_pr": [None, None, None, 3, 2, 4],
        "sd": [10, 8, 5, 12, None, None],
        "pd": [5, 3, 6, 2, None, None],
        "sd_pd": [None, None, None, None, 18, 20],
    }
    return pd.DataFrame(rows | more)


def test_the_test_is_that_of_compare_with_one_tau():
    found = mn.reporting_pattern(frame())
    rates = pd.DataFrame({"events": [10, 4, 10, 3, 2, 4], "total": [25, 15, 21, 17, 20, 24], "told": list("yyyynn")})
    wanted = mn.compare(rates, "told", model="glmm")
    assert found.tests["disease_control"].pvalue == pytest.approx(wanted.lrt_pvalue_f, rel=1e-10)
    first, second = found.to_frame().query("outcome == 'disease_control'").to_dict("records")
    assert (first["reported"], first["k"], second["k"]) == (True, 4, 2)
    assert first["estimate"] == pytest.approx(wanted.groups["y"].estimate)
    told = found.control_sentence()
    assert told.startswith("Arms that report disease control have an objective response of")
    assert "(likelihood ratio by F)" in told


def test_complete_response_is_compared_as_well():
    found = mn.reporting_pattern(frame())
    rows = found.to_frame().query("outcome == 'complete_response'")
    assert rows["k"].tolist() == [3, 3]
    assert "report complete response" in found.sentence()


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (slice(0, 3), "All 3 arms that report the objective response report disease control as well."),
        (slice(4, 6), "None of the 2 arms that report the objective response reports disease control."),
        (slice(0, 1), "The 1 arm that reports the objective response reports disease control as well."),
        (slice(5, 6), "The 1 arm that reports the objective response does not report disease control."),
    ],
)
def test_where_all_or_none_report_it_there_is_a_reason(rows, words):
    found = mn.reporting_pattern(frame().iloc[rows])
    assert found.control_sentence() == words
    assert not found.tests["disease_control"]


def test_without_a_response_there_is_a_reason():
    found = mn.reporting_pattern(pd.DataFrame({"cr_pr_sd": [4, 5], "pd": [2, 3]}))
    assert found.reason == "No arm reports the objective response."
    assert found.to_frame().empty
    assert json.dumps(found.to_dict())


def test_two_single_arms_have_no_test():
    found = mn.reporting_pattern(frame().iloc[[0, 4]])
    assert "there is no test with one arm in each group" in found.control_sentence()


def test_a_group_without_a_response_is_tested_by_the_bootstrap():
    found = mn.reporting_pattern(frame(cr_pr=[None, None, None, 3, 0, 0]))
    assert found.tests["disease_control"].distribution == "bootstrap"
    assert "parametric bootstrap" in found.control_sentence()


def test_the_curated_embolisation_arms_differ_as_the_pooled_groups_do():
    found = mn.reporting_pattern(mn.load_evidence(), "TACE")
    rows = found.to_frame().query("outcome == 'disease_control'").to_dict("records")
    assert f"{100 * rows[0]['estimate']:.1f} %" in found.control_sentence()
    assert f"{rows[1]['k']} arms" in found.control_sentence()
