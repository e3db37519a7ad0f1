"""The heterogeneity report, the share of settings beyond a threshold, and the worksheet for GRADE."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import special, stats

import metanet as mn
from metanet.base.display import interval, p_value
from metanet.diagnostics.spread.grade import OPEN, grade_facts

EVIDENCE = mn.load_evidence()
RATES = EVIDENCE.rates("objective_response", modality="TARE")
FIT = mn.pool(RATES, model="glmm")


@pytest.fixture(scope="module")
def report():
    return mn.heterogeneity_report(FIT, thresholds=[0.3], by="modality", decision=0.3, subsets=False)


def test_the_parts_are_those_of_the_single_analyses(report):
    assert report.subgroups.lrt == pytest.approx(mn.compare(RATES, "modality", model="glmm").lrt, rel=1e-9)
    alone = mn.meta_regression(RATES, "~ pct_pancreatic", model="glmm")
    found = report.moderators["pct_pancreatic"]
    assert found.lrt_pvalue == pytest.approx(alone.lrt_pvalue, rel=1e-6)
    assert found.r2 == pytest.approx(alone.r2, rel=1e-5)
    assert found.k == 13
    row = report.to_frame().set_index("moderator").loc["pct_pancreatic"]
    assert row["coefficient"] == pytest.approx(alone.coefficients["estimate"].iloc[1], rel=1e-5)


def test_a_moderator_that_few_studies_report_is_skipped_with_a_word(report):
    assert "reported by" in report.skipped["median_age"]
    assert "median_age" not in report.moderators


def test_the_words_name_the_numbers(report):
    parts = report.paragraphs()
    assert list(parts) == ["Heterogeneity", "Single studies", "Subgroups", "Moderators"]
    assert "% are above 30 %" in parts["Heterogeneity"]
    assert "Pancreatic primary (%): 13 studies, likelihood ratio p = 0.003" in parts["Moderators"]
    assert "observational comparison" in parts["Subgroups"].lower()
    json.dumps(report.to_dict(), allow_nan=False)
    assert "Worksheet for GRADE" in report._repr_html_()


def test_the_worksheet_leaves_the_judgement_open(report):
    sheet = report.worksheet()
    assert set(sheet["domain"]) == {"risk of bias", "inconsistency", "imprecision", "indirectness", "publication bias"}
    assert (sheet["judgement"] == OPEN).all()
    facts = dict(zip(sheet["question"], sheet["fact"], strict=True))
    assert facts["Does the interval of the median cross the decision threshold of 30 %?"] == "no, it lies above"
    for of, (_, lower, upper) in zip(("median", "population average"), FIT.rates_shown, strict=True):
        assert facts[f"How wide is the interval of the {of}?"].startswith(
            f"{interval(lower, upper)} % (95 % {FIT.interval_name} of the {of}, "
        )
    studies = FIT.studies
    missed = ((studies["ci_lower"] > FIT.estimate) | (studies["ci_upper"] < FIT.estimate)).sum()
    assert facts["How many study intervals miss the median rate?"].startswith(f"{missed} of {FIT.k}")
    for unit, rows in studies.groupby("unit"):
        share = rows["total"].sum() / studies["total"].sum()
        assert f"{unit} in {len(rows)} rows ({100 * share:.0f} %)" in facts["What is counted (share of the total)?"]
    for kind, rows in studies.groupby("modality"):
        assert f"{kind} ({len(rows)})" in facts["Which treatments were given (rows)?"]
    found = mn.small_study_effects(FIT)
    assert facts["Do small studies give other rates?"] == f"{found.title}: {p_value(found.p_value)}, {FIT.k} studies"


def test_the_worksheet_says_how_much_of_the_weight_is_at_which_risk_of_bias():
    asked = "How much of the weight is at which risk of bias?"
    rates = FIT.rates()
    levels = ["low", "serious", ""] * (len(rates) // 3)
    fit = mn.pool(rates.assign(bias_overall=levels))
    fact = dict(grade_facts(fit)[["question", "fact"]].itertuples(index=False))[asked]
    for level, name in (("low", "low"), ("serious", "serious"), ("", "not assessed")):
        share = fit.weights[np.array(levels) == level].sum()
        assert f"{name} {100 * share:.0f} % ({levels.count(level)} rows)" in fact
    assert dict(grade_facts(FIT)[["question", "fact"]].itertuples(index=False))[asked] == "the risk of bias was not assessed"
    own = mn.pool(events=[1, 2, 3], total=[20] * 3)
    assert "risk of bias" not in set(grade_facts(own)["domain"])


def test_the_worksheet_tests_no_asymmetry_of_fewer_than_ten_studies():
    fit = mn.pool(events=[1, 2, 3, 4, 5, 6, 7, 8, 9], total=[20] * 9)
    facts = dict(grade_facts(fit)[["question", "fact"]].itertuples(index=False))
    assert facts["Do small studies give other rates?"] == "9 studies: fewer than ten, too few for a test"
    assert facts["Do patients, treatments and outcomes fit the question?"] == "the rows have no column that says so"


def test_the_share_is_that_of_the_fitted_distribution():
    found = mn.share_beyond(FIT, 0.3, sets=400, seed=1)
    assert found.above == pytest.approx(stats.norm.sf(special.logit(0.3), FIT.mu, FIT.tau), rel=1e-12)
    spread = np.hypot(FIT.tau, FIT.se)
    assert found.predictive == pytest.approx(stats.t.sf((special.logit(0.3) - FIT.mu) / spread, FIT.k - 2), rel=1e-12)
    assert found.lower <= found.above <= found.upper
    assert found.upper - found.lower < 0.6


def test_the_share_of_the_beta_binomial_model_is_that_of_its_beta_distribution():
    fit = mn.pool(RATES, model="beta_binomial")
    size = 1 / fit.rho - 1
    expected = stats.beta.sf(0.3, fit.estimate * size, (1 - fit.estimate) * size)
    assert mn.share_beyond(fit, 0.3, sets=0).above == pytest.approx(expected, rel=1e-9)


def test_without_spread_the_share_is_not_told_as_a_fact():
    flat = mn.pool(events=[3] * 4, total=[10] * 4, model="glmm")
    found = mn.share_beyond(flat, 0.29)
    assert found.flat
    assert found.above == 1.0
    assert "No heterogeneity of the true rates was found" in found.sentence()
    assert 0.5 < found.predictive < 0.8
    json.dumps(found.to_dict(), allow_nan=False)
    twin = mn.pool(events=[3] * 4, total=[10] * 4, model="inverse_variance")
    assert mn.share_beyond(twin, 0.29).predictive is None


def test_subgroups_and_moderators_are_fitted_by_the_same_link():
    fit = mn.pool(RATES, link="probit", model="glmm")
    found = mn.heterogeneity_report(fit, by="modality", moderators=["year"], subsets=False)
    assert found.subgroups.tau2_total == pytest.approx(fit.tau2, rel=1e-6)
    share = 1 - found.subgroups.tau2_common / fit.tau2
    assert f"account for {100 * share:.0f} %" in found.paragraphs()["Subgroups"]
    assert found.moderators["year"].method["link"] == "probit"


def test_single_words_and_numbers_are_lists_of_one():
    found = mn.heterogeneity_report(FIT, thresholds=0.3, moderators="year", subsets=False)
    assert len(found.shares) == 1
    assert list(found.moderators) == ["year"]


def test_few_studies_have_no_interval_of_the_share():
    found = mn.share_beyond(mn.pool(events=[2, 9, 4, 17], total=[20, 30, 25, 40], model="glmm"), 0.2)
    assert found.lower is None
    assert found.predictive is not None


@pytest.mark.parametrize(
    "data", [{"events": [3], "total": [10]}, {"events": [0, 0, 0], "total": [10, 12, 9]}, {"events": [0, 10], "total": [12, 10]}]
)
def test_every_status_has_a_report(data):
    found = mn.heterogeneity_report(mn.pool(**data), thresholds=[0.2], moderators=())
    assert found.summary()
    assert len(found.worksheet()) >= 2
    json.dumps(found.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"by": "modalty"}, "Did you mean 'modality'"),
        ({"moderators": ["yeer"]}, "Did you mean 'year'"),
        ({"thresholds": [30]}, "Did you mean 0.3"),
        ({"decision": 1}, "decision="),
    ],
)
def test_arguments_that_cannot_be_are_refused(arguments, message):
    with pytest.raises(mn.ArgumentError, match=message):
        mn.heterogeneity_report(FIT, subsets=False, **{"moderators": (), **arguments})


def test_several_moderators_are_said_to_raise_the_chance_and_no_number_is_claimed():
    several = mn.heterogeneity_report(FIT, subsets=False)
    assert len(several.moderators) > 1
    text = several.summary()
    assert "arises by chance more often than with one." in text
    assert "of data sets" not in text
    few = any(fit.lrt_pvalue is not None and fit.k < 20 for fit in several.moderators.values())
    assert ("reject more often than their level says" in text) == few
