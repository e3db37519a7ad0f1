"""What stands beside the numbers of a result: median and average together, what comes from the prior, what says nothing."""

from __future__ import annotations

import pandas as pd
import pytest

import metanet as mn
from metanet.base.display import PARTED, per_cent
from metanet.effects.study_intervals import clopper_pearson, poisson_exact

APART = pd.DataFrame({"events": [0, 37, 0], "total": [88, 67, 37]})


@pytest.mark.parametrize("model", ["bayes", "glmm", "beta_binomial", "inverse_variance"])
def test_median_and_average_stand_together_in_sentence_and_rows(model):
    fit = mn.pool(events=[9, 20, 5, 14], total=[22, 31, 30, 28], model=model)
    (median, *_), (average, *limits) = fit.rates_shown
    rows = dict(fit.rows())
    for value in (median, average):
        assert f"{per_cent(value)} %" in fit.sentence()
        assert any(text.startswith(f"{per_cent(value)} %") for text in rows.values())
    if model != "beta_binomial":
        assert f"({per_cent(limits[0])} to {per_cent(limits[1])} %)" in fit.sentence()
        assert average == fit.marginal_estimate
    else:
        assert (median, average) == (fit.median, fit.estimate)


def test_a_sentence_says_which_question_median_and_average_answer_where_they_part():
    assert PARTED in mn.pool(APART).sentence()
    assert PARTED in dict(mn.pool(APART).rows())["Median, average"]
    near = mn.pool(events=[30, 40, 35], total=[88, 97, 87])
    assert PARTED not in near.sentence()
    assert "Median, average" not in dict(near.rows())
    assert PARTED not in mn.pool(APART, model="common").sentence()


def test_an_interval_that_says_nothing_is_worded_in_sentence_and_rows():
    wide = mn.pool(events=[1, 9], total=[10, 12], model="glmm")
    assert wide.is_vague
    assert wide.sentence().endswith("The interval is wider than 60 points: too few data to tell.")
    assert dict(wide.rows())["Interval"] == "The interval is wider than 60 points: too few data to tell."
    assert "too few data" not in mn.pool(events=[100, 120], total=[300, 310]).sentence()
    assert "too few data" in mn.pool(events=[1], total=[2]).sentence()
    ratio = mn.pool(events=[1, 1], total=[9, 8], events_control=[2, 1], total_control=[9, 9], model="inverse_variance")
    assert "spans more than a factor of 20: too few data to tell" in ratio.sentence()


@pytest.mark.parametrize(
    ("choices", "edge", "words"),
    [
        ({"events": [0, 0], "total": [20, 30]}, "no events", "No event was observed"),
        ({"events": [20, 30], "total": [20, 30]}, "only events", "Only events were observed"),
        ({"events": [0, 0], "person_time": [20.0, 30.0]}, "no events", "No event was observed"),
    ],
)
def test_at_an_edge_a_posterior_says_what_comes_from_the_prior_and_names_the_exact_interval(choices, edge, words):
    fit = mn.pool(**choices)
    assert (fit.status, fit.edge) == ("pooled", edge)
    assert (
        f"{words}, so the estimate comes partly from the prior; if the studies are alike, their summed counts give" in fit.sentence()
    )
    summed = mn.pool(**choices, model="glmm")
    assert fit.exact_sum == pytest.approx((summed.estimate, summed.ci_lower, summed.ci_upper), abs=1e-15)
    assert "prior" not in summed.sentence()
    exact = poisson_exact(0.0, 50.0, 0.95) if "person_time" in choices else clopper_pearson(sum(choices["events"]), 50, 0.95)
    assert fit.exact_sum[1:] == pytest.approx([float(end) for end in exact])


def test_results_inside_have_no_edge():
    for fit in (mn.pool(events=[0, 1], total=[20, 30]), mn.pool(yi=[0.1, 0.2], vi=[0.1, 0.1])):
        assert fit.edge == ""
        assert fit.exact_sum is None
    two = mn.pool(events=[0, 0], total=[9, 8], events_control=[0, 0], total_control=[9, 9], model="mantel_haenszel")
    assert two.edge == ""


def test_the_evidence_of_a_posterior_is_no_log_likelihood():
    posterior, likelihood = (mn.pool(APART, model=model) for model in ("bayes", "glmm"))
    assert posterior.numbers()["loglik"] is None
    assert posterior.numbers()["log_evidence"] == posterior.log_evidence < 0
    assert likelihood.numbers()["log_evidence"] is None
    assert likelihood.numbers()["loglik"] == likelihood.loglik
    many = mn.pool_many(APART.assign(g="a"), "g")
    assert pd.isna(many["loglik"].iloc[0])
    assert many["log_evidence"].iloc[0] == pytest.approx(posterior.log_evidence, rel=1e-6)


def test_the_average_is_printed_with_the_decimals_of_the_median():
    fit = mn.pool(events=[2, 3], person_time=[1000.0, 20000.0])
    row = dict(fit.rows())["Population-averaged rate"]
    assert row.split(" per ")[0] in fit.sentence()


def test_heterogeneity_without_events_is_said_to_come_from_the_prior():
    fit = mn.pool(events=[0, 0, 0], total=[20, 30, 25])
    text = mn.heterogeneity_text(fit)
    assert text.startswith("None of the 75 patients in 3 studies had the outcome.")
    assert "comes mainly from its prior. So does the 95 % prediction interval" in text
    assert "95 % CrI" in text
    report = mn.heterogeneity_report(mn.pool(fit.studies.assign(year=[2001, 2002, 2003], g=list("aab"))), by="g")
    assert report.paragraphs()["Subgroups"] == "All studies have the same extreme rate, so subgroups cannot differ."
    assert report.paragraphs()["Moderators"].startswith("All studies have the same extreme rate")


def test_series_name_the_kind_of_their_intervals():
    fit = mn.pool(events=[5, 9, 12], total=[20, 33, 40])
    assert mn.leave_one_out(fit).table()[0][2] == "95 % CrI"
    # Without one of two studies there is a single one, with its exact interval.
    assert mn.leave_one_out(mn.pool(events=[5, 9], total=[20, 33])).table()[0][2] == "95 % CI"
    assert mn.cumulative(fit, "given").table()[0][2] == "95 % interval"
    assert mn.leave_one_out(mn.pool(events=[5, 9, 12], total=[20, 33, 40], model="glmm")).table()[0][2] == "95 % CI"


def test_a_comparison_names_groups_that_part_rest_on_the_prior_or_say_nothing():
    frame = pd.DataFrame(
        {"events": [0, 0, 0, 37, 0, 1, 9, 20, 25], "total": [20, 30, 88, 67, 37, 10, 12, 60, 61], "group": list("aabbbccdd")}
    )
    found = mn.compare(frame, "group")
    text = found.sentence()
    assert "No event was observed in a, so the estimate comes partly from the prior." in text
    assert "Median and average differ for a and b: the median is" in text
    assert "Too few data to tell for c: the interval is wider than 60 points." in text
    head, rows = found.table()
    assert head[2:6] == ["Median", "95 % CrI", "Average", "95 % CrI of the average"]
    assert head[-1] == "Median with one tau (95 % CrI)"
    assert {row[0]: row[3].endswith("; too few data to tell") for row in rows} == {"a": False, "b": False, "c": True, "d": False}
    said = [row[2].endswith("too few data to tell") for row in found.pair_table()[1]]
    ends = found.differences[["difference_lower", "difference_upper"]].to_numpy()
    assert said == [bool(upper - lower > 0.6 and lower <= 0 <= upper) for lower, upper in ends]
    mixed = mn.compare(pd.DataFrame({"events": [3, 5, 9], "total": [20, 30, 40], "group": list("abb")}), "group")
    assert "95 % interval" in mixed.table()[0]
    assert mixed.pair_table()[0][2] == "95 % CrI"
