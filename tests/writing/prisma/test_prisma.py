"""The methods and results paragraphs: true for every status, nothing claimed that was not done."""

import re

import numpy as np
import pandas as pd
import pytest

import metanet as mn
from metanet.base.display import number, per_cent
from metanet.base.errors import ArgumentError
from metanet.writing.prisma.paragraphs import SEARCHED
from metanet.writing.prisma.report_text import TOPICS, report_text
from tests.figures.cases import ALL, HOSTILE, fit_of


@pytest.fixture(scope="module")
def rates():
    return mn.load_evidence().rates("objective_response", modality="TARE")


@pytest.fixture(scope="module")
def fit(rates):
    return mn.pool(rates)


@pytest.fixture(scope="module")
def full(rates, fit):
    comparison = mn.compare(rates, "modality", bootstrap=0)
    return report_text(
        fit,
        mn.pool(rates, model="beta_binomial"),
        mn.leave_one_out(fit),
        mn.influence(fit),
        mn.gosh(fit, subsets=50),
        mn.calibrate(fit, 20),
        mn.multiverse(mn.load_evidence(), "objective_response", "TARE", analyses=[{"model": "glmm"}]),
        comparison,
        mn.meta_regression(rates, "~ year"),
        mn.small_study_effects(fit),
        mn.share_beyond(fit, 0.3),
        mn.cluster_robust(mn.pool(rates, model="glmm"), cluster="study_id"),
        rates=rates,
    )


def test_every_item_is_covered_when_everything_was_given(full):
    # Nobody judged the risk of bias of these studies, which is said as a result.
    assert tuple(full.items) == tuple(item for item in TOPICS if item not in (*SEARCHED, "11"))
    assert not full.missing
    assert list(full.to_frame()["item"]) == list(full.items)
    assert full.methods.startswith("Eligible for the synthesis of objective response were arms treated with TARE")


def test_that_the_risk_of_bias_was_not_assessed_is_said_once_and_only_where_it_is_known(full, rates):
    assert full.items["20a"].endswith(" The risk of bias of the studies was not assessed.")
    assert full.summary().count("was not assessed") == 1
    # A table of one's own may have judgements among its columns.
    own = mn.read(rates[["study", "events", "total"]].assign(rob="low"))
    assert "assessed" not in report_text(mn.pool(own)).items["20a"]
    plain = rates.copy()
    plain.attrs = {}
    assert "assessed" not in report_text(mn.pool(plain)).items["20a"]


def test_judgements_of_the_risk_of_bias_are_told_with_their_tool(tmp_path, rates):
    place = mn.load_evidence().save(tmp_path / "evidence")
    studies = rates["study_id"].tolist()
    lines = ["study_id,tool,domain,judgement,assessor,consensus"]
    for place_of, study in enumerate(studies[1:]):
        lines.append(f"{study},robins_i,overall,{('low', 'moderate', 'serious')[place_of % 3]},AB,true")
    (place / "risk_of_bias.csv").write_text("\n".join(lines) + "\n")
    evidence = mn.load_evidence(place)
    judged = evidence.rates("objective_response", modality="TARE")
    fit = mn.pool(judged, model="glmm")
    text = report_text(fit, mn.bias_ladder(fit), rates=judged)
    assert text.items["11"] == "The risk of bias was judged with ROBINS-I (2016; doi:10.1136/bmj.i4919)."
    assert text.items["20a"].endswith(" Risk of bias by ROBINS-I, in 18 rows: low, 6; moderate, 6; serious, 5; no judgement, 1.")
    assert "Studies at a high risk of bias (ROBINS-I) were left out" in text.items["13f"]
    assert "Between the levels: likelihood ratio" in text.items["20d"]
    part = evidence.rates("objective_response", modality="TARE", risk_of_bias="moderate", not_assessed="drop")
    said = report_text(mn.pool(part, model="glmm"), rates=part).items["13a"]
    assert "the risk of bias was at most moderate by ROBINS-I (rows without a judgement were excluded)" in said
    assert "risk of bias is serious, above moderate (ROBINS-I), 5" in said


def test_the_numbers_are_those_of_the_results(full, fit, rates):
    result = full.items["20b"]
    for value in (fit.estimate, fit.ci_lower, fit.ci_upper, fit.pi_lower, fit.pi_upper, fit.marginal_estimate):
        assert per_cent(value) in result
    assert f"tau {number(fit.tau)} (95 % CrI " in result
    assert fit.sentence() in result
    assert f"{rates['derived'].sum()} of {len(rates)} rows" in full.items["13b"]
    assert "8 to 168 patients" in full.items["20a"]
    assert f"metanet {mn.__version__} (NumPy {np.__version__}" in full.items["13d"]


def test_what_was_left_out_is_counted_with_its_reason(rates, full):
    left = rates.attrs["left_out"]
    assert f"{len(left)} row was excluded (not poolable, 1)" in full.items["13a"]
    assert "no two of the eligible reports are marked as overlapping" in full.items["13a"]


@pytest.mark.parametrize("item", ["13a", "13e", "13f", "14"])
def test_what_was_not_given_is_named_and_not_claimed(rates, item):
    # Rows that no selection made.
    plain = rates.copy()
    plain.attrs = {}
    text = report_text(mn.pool(plain))
    assert item not in text.items
    assert any(entry.startswith(f"{item} (needs ") for entry in text.missing)
    assert item in text.notes[0]
    assert "leave-one-out" not in text.methods
    assert "multiverse" not in text.methods


@pytest.mark.parametrize("name", ALL)
def test_the_paragraphs_are_whole_for_every_kind_of_data(name):
    fit = fit_of(name)
    text = report_text(fit, mn.leave_one_out(fit))
    words = f"{text.methods} {text.results}"
    assert not re.search(r"\b(None|nan|NaN|inf)\b", words)
    assert "  " not in words
    assert ".." not in words
    assert fit.sentence() in text.results
    assert text.methods.endswith(".")
    assert ("pooled estimate as a diamond" in text.methods) == (fit.status == "pooled")


def test_one_study_is_not_said_to_be_pooled():
    text = report_text(fit_of("one"))
    assert "One study contributed, so nothing was pooled." in text.methods
    assert "maximum likelihood" not in text.methods
    assert "Heterogeneity" not in text.results


def test_no_events_name_the_prior_and_the_exact_interval_on_the_sum():
    fit = fit_of("no events")
    text = report_text(fit, mn.pool(fit.studies, model="glmm"))
    assert "The prior of the heterogeneity (tau, on the logit scale) was half-normal with scale 1.25" in text.methods
    assert "maximum likelihood" not in text.methods
    assert "As a sensitivity analysis the studies were taken as alike (binomial-normal model at its edge): exact" in text.methods
    assert "the estimate comes partly from the prior; if the studies are alike, their summed counts give 0.0 % (exact" in text.results
    assert "no test of equal rates exists, because no study observed an event" in text.results


def test_a_posterior_is_reported_with_its_priors_and_without_words_of_a_likelihood(fit, rates):
    text = report_text(fit)
    assert "Studies were pooled with the Bayesian binomial-normal model (logit link). " in text.methods
    assert "was normal with mean 0 and standard deviation 2.5" in text.methods
    assert "95 % credible intervals (CrI) with equal tails" in text.methods
    assert "gives no p-value of the mean and no maximised likelihood" in text.methods
    assert "confidence interval" not in text.methods
    assert "log-likelihood" not in text.methods
    assert "confidence interval" in report_text(mn.pool(rates, model="glmm")).methods


def test_no_events_under_maximum_likelihood_name_the_exact_interval_and_no_model():
    text = report_text(mn.pool(fit_of("no events").studies, model="glmm"))
    assert "the 95 % interval is the exact (Clopper-Pearson) interval" in text.methods
    assert "maximum likelihood" not in text.methods
    assert "do not exist" in text.results


def test_an_infinite_limit_is_a_sign_and_not_a_word():
    two = mn.pool(events=[4, 6], total=[12, 30], events_control=[1, 2], total_control=[13, 30], tau2="DL")
    object.__setattr__(two, "tau2_upper", float("inf"))
    assert f"to {number(float('inf'))})" in report_text(two).results


def test_corrections_are_counted():
    made = mn.pool(events=[0, 3, 5], total=[20, 30, 40], model="inverse_variance")
    assert ", in 1 study" in report_text(made).methods
    none = mn.pool(events=[2, 3, 5], total=[20, 30, 40], model="inverse_variance")
    assert "No study needed the continuity correction" in report_text(none).methods


def test_a_preset_is_named():
    fit = mn.pool(events=[2, 3, 5], total=[20, 30, 40], preset="metafor")
    assert "The defaults of metafor were used." in report_text(fit).methods


def test_arms_of_one_study_are_said_to_be_arms():
    rates = mn.load_evidence().rates("disease_control")
    fit = mn.pool(rates)
    assert fit.study_count < fit.k
    assert f"{fit.k} arms of {fit.study_count} studies" in report_text(fit, rates=rates).results


def test_an_analysis_of_other_studies_is_refused(fit, rates):
    other = mn.pool(rates.head(5))
    for analysis in (
        other,
        mn.leave_one_out(other),
        mn.compare(rates.head(5), "modality", bootstrap=0),
        mn.meta_regression(rates.head(9), "~ year"),
        mn.multiverse(mn.load_evidence(), "hepatotoxicity", "TARE", analyses=[{"model": "glmm"}]),
    ):
        with pytest.raises(ArgumentError, match="Fix: give an analysis of the main result"):
            report_text(fit, analysis)
    with pytest.raises(ArgumentError, match="give the frame that was pooled"):
        report_text(fit, rates=rates.head(5))


@pytest.mark.parametrize("wrong", ["text", 3, None])
def test_what_is_no_analysis_is_refused(fit, wrong):
    with pytest.raises(ArgumentError, match="not a result of an analysis"):
        report_text(fit, wrong)
    with pytest.raises(ArgumentError, match=r"fit must be a result of mn\.pool"):
        report_text(wrong)
    with pytest.raises(ArgumentError, match=r"rates must be a pandas DataFrame, evidence|is a text, not data"):
        report_text(fit, rates=wrong or 0)


def test_names_from_the_data_are_escaped_in_the_card(rates):
    frame = rates.copy()
    frame["design"] = HOSTILE
    frame.attrs = {**rates.attrs, "label": HOSTILE}
    text = report_text(mn.pool(frame), rates=frame)
    assert HOSTILE in text.results
    assert "<script>" not in text._repr_html_()
    assert "&lt;script&gt;" in text._repr_html_()


def test_sources_are_listed_once(full):
    assert len(set(full.sources)) == len(full.sources)
    assert all("doi:" in source for source in full.sources)
    assert full.summary().index("Methods") < full.summary().index("Results") < full.summary().index("Sources")
    assert full.to_dict()["methods"] == full.methods
    assert len(repr(full).splitlines()) == 1


def test_a_comparison_says_adjusted_and_tested_only_where_it_was():
    from metanet.writing.prisma.paragraphs import kind_of

    def done(groups, events, model="glmm"):
        frame = pd.DataFrame({"events": events, "total": 30, "g": list(groups)})
        result = mn.compare(frame, "g", bootstrap=0, model=model)
        return kind_of(result).done(result)

    assert done("aabbcc", [3, 5, 9, 12, 8, 4]).endswith("with a common tau²; pairwise p-values were adjusted by Holm's method.")
    assert done("aabb", [3, 5, 9, 12]).endswith("with a common tau².")
    assert done("abc", [3, 5, 9]) == "Groups by g were set side by side without a test."
    assert done("aabb", [0, 0, 30, 30]) == "Groups by g were compared by Fisher's exact test on the summed counts."
    posterior = (
        "Groups by g were compared by the posterior with a common tau²; the p-value is the level at which the credible region of "
    )
    three = f"{posterior}the differences touches equal means; pairwise p-values were adjusted by Holm's method."
    assert done("aabbcc", [3, 5, 9, 12, 8, 4], "bayes") == three
    assert done("aabb", [0, 0, 30, 30], "bayes") == f"{posterior}the difference touches equal means."
    assert done("abc", [3, 5, 9], "bayes") == "Groups by g were set side by side without a test."


def test_rows_left_out_by_hand_are_counted_and_not_explained(rates):
    part = rates[rates["total"] >= 30]
    text = report_text(mn.pool(part), rates=part).items["13a"]
    gone = len(rates) - len(part)
    assert f"Of the {len(rates)} rows of this selection {gone} were left out afterwards (for a reason not recorded)." in text
    alone = rates[rates["study"] != rates["study"].iloc[0]]
    assert f"{len(rates)} rows of this selection 1 was left out" in report_text(mn.pool(alone), rates=alone).items["13a"]


def test_a_frame_without_a_record_of_its_selection_has_no_eligibility(rates, tmp_path):
    rates.to_csv(tmp_path / "rates.csv", index=False)
    read = pd.read_csv(tmp_path / "rates.csv")
    own = pd.DataFrame({"study": list("abc"), "events": [1, 2, 3], "total": [10, 20, 30]})
    for frame in (read, own):
        text = report_text(mn.pool(frame), rates=frame)
        assert "13a" not in text.items
        assert any(item.startswith("13a (needs") for item in text.missing)
        assert "excluded" not in text.methods
        assert "suitable" not in text.methods


def test_rows_that_were_added_by_hand_have_no_recorded_selection(rates):
    more = pd.concat([rates, rates.head(1).assign(study="Another 2020", study_id="another")], ignore_index=True)
    more.attrs = dict(rates.attrs)
    assert "13a" not in report_text(mn.pool(more), rates=more).items


def test_a_rule_that_met_no_row_is_not_told(rates):
    frame = rates.copy()
    frame.attrs = {**rates.attrs, "left_out": []}
    text = report_text(mn.pool(frame), rates=frame).items["13a"]
    assert text.endswith("No row was excluded.")
    assert "suitable" not in text
    assert "was kept" not in text


@pytest.mark.parametrize("overlap", ["keep_largest", "keep_newest", "keep_all"])
def test_rules_are_told_where_they_took_effect(overlap):
    evidence = mn.load_evidence()
    for outcome in evidence.outcome_names[:6]:
        rows = evidence.rates(outcome, overlap=overlap)
        text = report_text(mn.pool(rows), rates=rows).items["13a"]
        reasons = [entry["reason"] for entry in rows.attrs["left_out"]]
        assert ("suitable" in text) == any(reason.startswith("not poolable") for reason in reasons)
        if overlap != "keep_all":
            assert ("overlapping cohorts the" in text) == any(reason.startswith("shares") for reason in reasons)
