"""The tables of results: their numbers are those of the fits, and nothing is said that is not so."""

from __future__ import annotations

import json
import math

import pandas as pd
import pytest

import metanet as mn
from metanet.base.display import POINTS, interval, per_cent, scale_of
from metanet.writing.table.column_widths import widths
from metanet.writing.table.table import Column, text_cell


def shown_of(table, **wanted):
    """The printed row whose first cells are these."""
    frame = table.to_frame(shown=True)
    for name, value in wanted.items():
        frame = frame[frame[name] == value]
    assert len(frame) == 1
    return frame.iloc[0]


# --- summary of all modalities


@pytest.fixture(scope="module")
def response(evidence):
    return mn.summary_table(evidence, "objective_response")


def test_a_summary_has_the_numbers_of_each_modality_s_own_report(evidence, response):
    frame = response.to_frame().set_index("modality_class")
    known = evidence.poolable()
    known = known[known["outcome"] == "objective_response"].set_index("modality_class")
    assert list(frame.index) == [name for name in evidence.modality_classes if name in known.index]
    for name in frame.index:
        fit = mn.pool(evidence.rates("objective_response", modality=name))
        row = frame.loc[name]
        assert row[["median", "median_lower", "median_upper"]].tolist() == [fit.estimate, fit.ci_lower, fit.ci_upper]
        assert row[["average", "average_lower", "average_upper"]].tolist() == [
            fit.marginal_estimate, fit.marginal_ci_lower, fit.marginal_ci_upper,
        ]  # fmt: skip
        assert row[["tau", "i2"]].tolist() == [fit.tau, fit.i2]
        assert row[["studies", "arms", "events", "total"]].tolist() == known.loc[name, ["k", "arms", "events", "total"]].tolist()
        assert row[["pi_lower", "pi_upper"]].tolist() == [fit.pi_lower, fit.pi_upper]


def test_a_summary_prints_the_digits_of_the_fit(evidence, response):
    fit = mn.pool(evidence.rates("objective_response", modality="TACE"))
    row = shown_of(response, Modality="TACE")
    assert row["Median rate: %"] == per_cent(fit.estimate)
    assert row["Median rate: 95 % CrI"] == interval(fit.ci_lower, fit.ci_upper)
    assert row["Population average: %"] == per_cent(fit.marginal_estimate)
    assert row["Prediction interval, %"] == interval(fit.pi_lower, fit.pi_upper)
    assert row["Studies (arms)"] == "9 (11)"
    assert row["Events/total"] == "165/338"


def test_a_summary_says_where_nothing_was_pooled(evidence):
    table = mn.summary_table(evidence, "hepatotoxicity")
    row = shown_of(table, Modality="TAE")
    assert row["Status"] == "one study: observed rate and exact interval"
    assert row["Median rate: %"] == "0.0"
    # Clopper-Pearson of 0 of 17.
    assert row["Median rate: 95 % interval"] == f"0.0 to {100 * (1 - 0.025 ** (1 / 17)):.1f}"
    assert set(row[["Population average: %", "tau", "I², %"]]) == {"–"}
    said = "Intervals of Bayesian models are credible intervals (CrI), those of single studies confidence intervals (CI)."
    assert said in table.foot
    assert table.title == "Hepatotoxicity (definition: grade 3 or worse) by modality class"
    assert "No study: surgery, ablation, embolisation, transplant and control." in table.foot
    assert any(line.startswith("An observational comparison") for line in table.foot)


def test_a_summary_by_modality_selects_each_modality_for_itself(evidence):
    table = mn.summary_table(evidence, "objective_response", by="modality")
    frame = table.to_frame().set_index("modality")
    fit = mn.pool(evidence.rates("objective_response", modality="TARE-resin"))
    assert frame.loc["TARE-resin", "median"] == fit.estimate
    assert frame.loc["TARE-resin", "arms"] == fit.k


def test_a_summary_under_the_beta_binomial_model_has_no_interval_of_the_median(evidence):
    fit = mn.pool(evidence.rates("objective_response", modality="TARE"), model="beta_binomial", level=0.9)
    table = mn.summary_table(evidence, "objective_response", model="beta_binomial", level=0.9)
    row = table.to_frame().set_index("modality_class").loc["TARE"]
    assert (row["median"], row["average"]) == (fit.median, fit.estimate)
    assert math.isnan(row["median_lower"])
    assert "Median rate: 90 % CI" in table.labels


def test_a_summary_under_one_common_rate_says_so(evidence):
    assert "Common rate: %" in mn.summary_table(evidence, "objective_response", model="common").labels


def test_an_outcome_without_a_study_says_so(evidence):
    table = mn.summary_table(evidence, "technical_success")
    assert repr(table) == "Technical success: no study fits this selection."
    assert table.foot == ()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"outcome": "objective_respons"}, "Did you mean 'objective_response'"),
        ({"by": "class"}, "by='class'"),
        ({"model": "glm"}, "glmm"),
        ({"certainty": "hi"}, "certainty='hi'"),
    ],
)
def test_a_summary_refuses_unknown_words(evidence, given, message):
    with pytest.raises(mn.ArgumentError, match=message):
        mn.summary_table(evidence, **{"outcome": "objective_response", **given})


def test_tables_of_evidence_refuse_what_is_none():
    with pytest.raises(mn.ArgumentError, match=r"evidence must be evidence \(from mn\.read"):
        mn.summary_table(3, "objective_response")
    with pytest.raises(mn.ArgumentError, match=r"evidence must be evidence \(from mn\.read"):
        mn.summary_of_findings([], None, "TARE")


# --- characteristics of studies


def test_characteristics_hold_what_the_evidence_says_and_drop_what_nobody_reports(rates):
    table = mn.characteristics_table(rates)
    frame = table.to_frame()
    for name in ("study", "country", "n", "certainty"):
        assert frame[name].tolist() == rates[name].tolist()
    assert frame["pct_male"].equals(rates["pct_male"].astype(float))
    assert rates["pct_g1"].isna().all()
    assert "pct_g1" not in frame.columns
    assert table.foot[-1].startswith("Not reported by any study: grade 1, grade 2, grade 3, earlier PRRT")
    assert len(frame) == len(rates)


def test_the_last_row_of_characteristics_has_medians_and_ranges(rates):
    table = mn.characteristics_table(rates)
    last = table.to_frame(shown=True).iloc[-1]
    male = rates["pct_male"].dropna()
    assert last["Study"] == "Median (range)"
    assert last["Share of patients, %: Male"] == f"{male.median():.1f} ({male.min():.1f} to {male.max():.1f})"
    assert last["n"] == f"{rates['n'].median():.0f} ({rates['n'].min()} to {rates['n'].max()})"
    # One arm reports an age: there is no range.
    assert rates["median_age"].notna().sum() == 1
    assert last["Median age, years"] == ""


def test_words_of_vocabularies_are_printed_as_words(rates):
    shown = mn.characteristics_table(rates).to_frame(shown=True)
    assert shown["Design"].iloc[0] == "prospective single arm"
    assert shown["Criteria"].iloc[0] == ">=50% decrease in size"


def test_a_frame_without_characteristics_has_a_table_of_names(counts):
    table = mn.characteristics_table(counts([1], [9]))
    assert table.to_frame().columns.tolist() == ["study"]
    assert table.closing == ()


def test_characteristics_of_nothing_say_so(rates):
    assert repr(mn.characteristics_table(rates.iloc[:0])) == "No study fits this selection."
    with pytest.raises(mn.ArgumentError, match="rates must be a pandas DataFrame, evidence"):
        mn.characteristics_table([1])
    with pytest.raises(mn.ArgumentError, match="no column of data is called events"):
        mn.characteristics_table(pd.DataFrame({"study": ["a"]}))


# --- summary of findings


def test_findings_leave_every_judgement_to_people(evidence):
    table = mn.summary_of_findings(evidence, None, "TACE")
    assert set(table.to_frame()["grade"]) == {"not assessed"}
    text = table.summary().lower()
    assert not [word for word in ("very low", "downgrad", "serious", "⊕") if word in text]


def test_findings_hold_median_and_average_of_one_fit_and_the_rate_itself_where_nothing_was_pooled(evidence):
    table = mn.summary_of_findings(evidence, ["hepatotoxicity", "objective_response"], "TAE")
    frame = table.to_frame()
    assert frame["outcome"].tolist() == ["Hepatotoxicity (grade 3 or worse)", "Objective response"]
    fit = mn.pool(evidence.rates("objective_response", modality="TAE"))
    names = ["median", "median_lower", "median_upper", "average", "average_lower", "average_upper", "pi_lower", "pi_upper"]
    assert frame.loc[1, names].tolist() == [
        fit.estimate, fit.ci_lower, fit.ci_upper, fit.marginal_estimate, fit.marginal_ci_lower, fit.marginal_ci_upper,
        fit.pi_lower, fit.pi_upper,
    ]  # fmt: skip
    assert frame.loc[0, "median"] == 0
    assert math.isnan(frame.loc[0, "average"])
    shown = table.to_frame(shown=True)
    assert shown["Median rate: per 1000"].tolist() == ["0", scale_of("rate", 1000).text(fit.estimate, 0)]
    assert shown["Population average: per 1000"].tolist() == ["–", scale_of("rate", 1000).text(fit.marginal_estimate, 0)]
    assert "Hepatotoxicity (grade 3 or worse) observed 0 (0 to 195)" in table.sentence()
    assert "Objective response median 450 (263 to 652), average 457 (305 to 621)" in table.sentence()
    assert shown["Facts for the judgement: Inconsistency"].iloc[0] == "One study: inconsistency cannot be assessed."
    assert "study intervals that miss the median rate: 2 of 6" in frame["inconsistency"].iloc[1]
    assert "127 events in 277 patients" in frame["imprecision"].iloc[1]


def test_findings_print_per_cent_when_asked(evidence):
    table = mn.summary_of_findings(evidence, "objective_response", "TACE", per=100)
    fit = mn.pool(evidence.rates("objective_response", modality="TACE"))
    assert table.to_frame(shown=True)["Median rate: %"].iloc[0] == per_cent(fit.estimate)
    assert table.to_frame(shown=True)["Population average: %"].iloc[0] == per_cent(fit.marginal_estimate)


def test_findings_of_maximum_likelihood_are_named_by_their_interval(evidence):
    assert "Median rate: 95 % CI" in mn.summary_of_findings(evidence, "objective_response", "TACE", model="glmm").labels
    assert "Median rate: 95 % CrI" in mn.summary_of_findings(evidence, "objective_response", "TACE").labels


def test_findings_name_the_outcomes_without_a_study(evidence):
    table = mn.summary_of_findings(evidence, ["local_control", "mortality"], "TACE", definitions={"mortality": "90-day"})
    assert repr(table) == "No study of this modality reports any of these outcomes."
    assert table.foot == ("No study of this modality: Local control and Treatment-related mortality (within 90 days).",)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"per": 10}, "must be 100 or 1000"),
        ({"outcomes": []}, "outcomes="),
        ({"outcomes": ["x"]}, "outcomes='x'"),
        ({"modality": ["TARE"]}, "modality must be a text"),
        ({"modality": "TARES"}, "Did you mean 'TARE'"),
        ({"definitions": {"mortality": "90-day"}}, "definitions='mortality'"),
    ],
)
def test_findings_refuse_what_they_do_not_know(evidence, given, message):
    with pytest.raises(mn.ArgumentError, match=message):
        mn.summary_of_findings(evidence, **{"outcomes": "objective_response", "modality": "TARE", **given})


# --- sensitivity


@pytest.fixture(scope="module")
def multiverse(evidence):
    return mn.multiverse(evidence, "objective_response", "TACE")


def test_the_main_analysis_is_the_recommended_one_on_the_most_inclusive_rows(multiverse, fit):
    table = mn.sensitivity_table(multiverse)
    frame = table.to_frame()
    first = frame.iloc[0]
    assert first["group"] == "Main analysis"
    assert first[["estimate", "ci_lower", "ci_upper"]].tolist() == pytest.approx([fit.estimate, fit.ci_lower, fit.ci_upper], rel=1e-9)
    assert math.isnan(first["difference"])
    others = frame.iloc[1:]
    assert others["difference"].to_numpy() == pytest.approx((others["estimate"] - first["estimate"]).to_numpy(), abs=1e-15)


def test_other_methods_and_other_rows_are_all_there_once(multiverse):
    whole = multiverse.to_frame()
    table = mn.sensitivity_table(multiverse)
    frame = table.to_frame()
    assert (frame["group"] == "Other methods, the same studies").sum() == whole["method"].nunique() - 1
    rows = whole[whole["method"] == "Bayesian binomial-normal model, credible"]
    assert (frame["group"] == "Other studies, the same method").sum() == len(rows) - 1
    methods = mn.sensitivity_table(multiverse, by="method").to_frame()
    data = mn.sensitivity_table(multiverse, by="data").to_frame()
    assert len(methods) + len(data) - 1 == len(frame)
    found = methods[(methods["analysis"] == "Logit of the proportion, inverse-variance model") & (methods["tau2_estimator"] == "PM")]
    assert found["interval"].tolist() == ["HK", "HK-adhoc", "z"]


def test_another_main_analysis_can_be_named(multiverse):
    main = {"method": "Beta-binomial model, t", "certainty": "high"}
    first = mn.sensitivity_table(multiverse, main=main).to_frame().iloc[0]
    whole = multiverse.to_frame()
    row = whole[(whole["method"] == main["method"]) & (whole["certainty"] == "high")].iloc[0]
    assert first["estimate"] in set(whole.loc[whole["certainty"] == "high", "estimate"])
    assert first["analysis"] == row["model"]
    with pytest.raises(mn.ArgumentError, match="certainty"):
        mn.sensitivity_table(multiverse, main={"certainty": "hig"})
    with pytest.raises(mn.ArgumentError, match="main='methods'"):
        mn.sensitivity_table(multiverse, main={"methods": "x"})


def test_a_multiverse_of_a_frame_alone_has_methods_and_no_choices_of_data(counts):
    found = mn.multiverse(counts([3, 9, 5, 8], [20, 30, 40, 22]))
    frame = mn.sensitivity_table(found).to_frame()
    assert set(frame["group"]) == {"Main analysis", "Other methods, the same studies"}
    assert frame["analysis"].iloc[0] == "Bayesian binomial-normal model"


def test_the_main_analysis_of_chosen_rows_is_found_among_analyses_of_the_same_rows(evidence):
    found = mn.multiverse(evidence, "disease_control", "TARE")
    for overlap in ("keep_largest", "keep_newest", "keep_all"):
        for certainty in ("low", "moderate", "high"):
            fit = mn.pool(evidence.rates("disease_control", modality="TARE", overlap=overlap, certainty=certainty))
            first = mn.sensitivity_table(found, main={"overlap": overlap, "certainty": certainty}).to_frame().iloc[0]
            assert first["k"] == fit.k
            assert first["estimate"] == pytest.approx(fit.estimate, rel=1e-7)


def test_a_list_of_results_is_set_against_the_first(rates, fit):
    other = mn.pool(rates, model="inverse_variance", measure="PFT", tau2="DL", ci="z")
    frame = mn.sensitivity_table([fit, mn.pool(rates, model="glmm"), other]).to_frame()
    assert frame[["tau2_estimator", "interval"]].values.tolist() == [["posterior", "credible"], ["ML", "t"], ["DL", "z"]]
    assert "95 % interval, %" in mn.sensitivity_table([fit, other]).labels
    frame = mn.sensitivity_table([fit, other]).to_frame()
    assert frame["estimate"].tolist() == [fit.estimate, other.estimate]
    assert frame["difference"].iloc[1] == other.estimate - fit.estimate
    shown = mn.sensitivity_table([fit, other]).to_frame(shown=True)
    assert shown["Difference, points"].tolist() == ["–", POINTS.text(other.estimate - fit.estimate, 1)]


def test_ratios_are_compared_by_a_ratio():
    data = pd.DataFrame({"a": [4, 9, 3, 8], "n": [40, 60, 35, 50], "c": [8, 12, 9, 9], "m": [41, 58, 36, 52]})
    columns = {"events": "a", "total": "n", "events_control": "c", "total_control": "m"}
    fits = [mn.pool(data, model=model, **columns) for model in ("inverse_variance", "mantel_haenszel")]
    frame = mn.sensitivity_table(fits).to_frame()
    assert frame["difference"].iloc[1] == fits[1].estimate / fits[0].estimate
    risk = mn.pool(data, measure="RR", **columns)
    with pytest.raises(mn.ArgumentError, match="OR and RR"):
        mn.sensitivity_table([fits[0], risk])


def test_sensitivity_refuses_what_cannot_be_compared(fit, rates):
    with pytest.raises(mn.ArgumentError, match=r"results must be a result of mn\.multiverse"):
        mn.sensitivity_table(fit)
    with pytest.raises(mn.ArgumentError, match="not a result of pool"):
        mn.sensitivity_table([fit, 3])
    with pytest.raises(mn.ArgumentError, match="different kinds of estimates or levels"):
        mn.sensitivity_table([fit, mn.pool(rates, level=0.9)])
    with pytest.raises(mn.ArgumentError, match="by and main apply to a multiverse"):
        mn.sensitivity_table([fit], by="data")


def test_a_multiverse_without_rows_says_so(evidence):
    found = mn.multiverse(evidence, "local_control", "TARE")
    assert repr(mn.sensitivity_table(found)) == found.reason


def test_a_difference_that_rounds_to_nothing_has_no_sign():
    assert [POINTS.text(x, 1) for x in (-0.0001, 0.0001, -0.0123, 0.5, None)] == ["0.0", "0.0", "−1.2", "50.0", "–"]


# --- single studies


def test_a_selection_is_listed_with_its_sources(rates):
    table = mn.study_table(rates)
    frame = table.to_frame()
    assert table.title == "Studies: 11 rows from 9 studies"
    assert frame["study"].tolist() == rates["study"].tolist()
    assert frame[["events", "total"]].to_numpy().tolist() == rates[["events", "total"]].to_numpy().tolist()
    first = rates.iloc[0]
    assert shown_of(table, Study=first["study"])["Events/total"] == f"{first['events']}/{first['total']}"
    assert first["source"] in frame["source"].iloc[0]


def test_a_result_is_listed_with_weights_and_shrunken_rates(fit):
    table = mn.study_table(fit)
    frame = table.to_frame()
    studies = fit.studies
    for name in ("study", "events", "total", "rate", "ci_lower", "ci_upper", "weight", "shrunken"):
        assert frame[name].tolist() == studies[name].tolist()
    row = studies.iloc[3]
    shown = shown_of(table, Study=row["study"])
    assert shown["Rate, %"] == per_cent(row["rate"])
    assert shown["95 % CI, %"] == interval(row["ci_lower"], row["ci_upper"])
    assert shown["Weight, %"] == per_cent(row["weight"])


def test_two_groups_person_time_and_effects_are_listed_as_what_they_are():
    data = pd.DataFrame({"a": [4, 9, 3], "n": [40, 60, 35], "c": [8, 12, 9], "m": [41, 58, 36], "t": [10.5, 20, 31]})
    two = mn.study_table(mn.pool(data, events="a", total="n", events_control="c", total_control="m"))
    assert two.labels[:4] == ["Study", "Treated: Events/total", "Control: Events/total", "Odds ratio"]
    assert two.to_frame()["effect"].iloc[0] == pytest.approx(4 * 33 / (36 * 8), rel=1e-12)
    timed = mn.study_table(mn.pool(data, events="a", person_time="t"))
    assert timed.to_frame(shown=True)["Events/person-time"].iloc[0] == "4/10.5"
    given = mn.study_table(mn.pool(yi=[0.1, 0.2, 0.4], vi=[0.01, 0.02, 0.03]))
    assert given.to_frame()["yi"].tolist() == [0.1, 0.2, 0.4]


@pytest.mark.parametrize(
    ("events", "total", "status", "words"),
    [
        ([3], [20], "not pooled", "one study: observed rate and exact interval"),
        ([0, 0, 0], [10, 12, 9], "no events", "no events: exact interval on the summed counts; takes the studies as alike"),
        ([5, 5], [5, 5], "only events", "events only: exact interval on the summed counts; takes the studies as alike"),
    ],
)
def test_studies_that_were_not_pooled_are_listed_with_the_reason(counts, events, total, status, words):
    fit = mn.pool(counts(events, total), model="glmm")
    table = mn.study_table(fit)
    assert table.foot[0].startswith(f"Status: {status}. ")
    assert table.to_frame()["rate"].tolist() == [e / n for e, n in zip(events, total, strict=True)]
    row = mn.model_table(fit).to_frame(shown=True).iloc[0]
    assert row["Status"].removesuffix("; too few data to tell") == words
    assert row["Median rate: %"] == per_cent(fit.estimate)
    assert set(row[["Population average: %", "Prediction interval, %", "tau", "I², %", "Equal rates?"]]) <= {"–"}
    json.dumps(table.to_dict(), allow_nan=False)


def test_a_posterior_without_events_says_what_comes_from_the_prior(counts):
    rates = counts([0, 0, 0], [10, 12, 9])
    row = mn.model_table(mn.pool(rates), mn.pool(rates, model="glmm")).to_frame(shown=True).iloc[0]
    assert row["Status"] == "pooled; no events: estimate partly from the prior"
    assert row["Equal rates?"] == "–"


def test_intervals_that_say_nothing_are_worded_in_every_table(evidence, counts):
    rates = counts([1, 9], [10, 12])
    fits = [mn.pool(rates, model=model) for model in ("bayes", "glmm")]
    table = mn.model_table(*fits)
    assert table.to_frame(shown=True)["Status"].tolist() == ["pooled; too few data to tell"] * 2
    assert "Too few data to tell: the interval is wider than 60 points." in table.foot
    rows = mn.sensitivity_table(fits).to_frame(shown=True)
    assert set(rows["Status"]) == {"pooled; too few data to tell"}
    row = shown_of(mn.summary_table(evidence, "complete_response"), Modality="ablation")
    assert row["Status"] == "pooled; too few data to tell"
    findings = mn.summary_of_findings(evidence, "complete_response", "ablation")
    assert findings.to_frame(shown=True)["Status"].tolist() == ["pooled; too few data to tell"]
    assert findings.sentence().endswith(", too few data to tell.")


def test_a_table_says_what_median_and_average_answer_where_they_part(counts):
    apart, near = counts([0, 37, 0], [88, 67, 37]), counts([30, 40, 35], [88, 97, 87])
    assert any(line.startswith("Median and average differ: ") for line in mn.model_table(mn.pool(apart)).foot)
    assert not any(line.startswith("Median and average differ") for line in mn.model_table(mn.pool(near)).foot)


def _without_attrs(frame):
    frame.attrs = {}
    return frame


def test_rows_left_out_and_sources_are_listed_once(evidence):
    rates = evidence.rates("objective_response", modality="TARE")
    left = mn.left_out_table(rates).to_frame()
    assert left["reason"].tolist() == [entry["reason"] for entry in rates.attrs["left_out"]]
    sources = mn.source_table(rates).to_frame()
    assert sources["source"].tolist() == sorted(rates["source"].unique())
    assert sum(len(names.split("; ")) for names in sources["studies"]) == len(rates)
    assert repr(mn.left_out_table(rates.iloc[:0].copy().pipe(_without_attrs))) == "These rows record no selection."


# --- models, stamps, published rates


def test_two_models_are_read_side_by_side(rates, fit):
    second = mn.pool(rates, model="beta_binomial")
    table = mn.model_table(fit, second)
    frame = table.to_frame()
    assert frame["median"].tolist() == [fit.median or fit.estimate, second.median]
    assert frame["average"].tolist() == [fit.marginal_estimate, second.marginal_estimate]
    assert frame["pvalue"].tolist() == [fit.lrt_pvalue, second.lrt_pvalue]
    assert table.foot[0].startswith("The two models agree")
    with pytest.raises(mn.ArgumentError, match="takes results of pool"):
        mn.model_table()
    with pytest.raises(mn.ArgumentError, match="compares pooled rates"):
        mn.model_table(mn.pool(yi=[0.1, 0.2], vi=[0.1, 0.1]))


def test_models_that_disagree_say_so(counts):
    rates = counts([0, 1, 0, 30, 0, 0], [400, 500, 300, 40, 450, 350])
    table = mn.model_table(mn.pool(rates), mn.pool(rates, model="common"))
    assert table.foot[0].startswith("The two models disagree: average rates of 7.1 % and 25.7 %, and one lies outside the interval")
    three = mn.model_table(mn.pool(rates), mn.pool(rates, model="beta_binomial"), mn.pool(rates, model="common"))
    assert "of the first and of the common-effect model one lies outside the interval of the other" in three.foot[0]
    assert three.foot[0].endswith("report all of them.")


def test_the_method_stamp_is_listed_whole(fit):
    frame = mn.method_table(fit).to_frame()
    said = dict(zip(frame["choice"], frame["value"], strict=True))
    assert said["Model"] == fit.title
    assert said["Estimator of tau²"] == "Posterior median"
    assert said["Interval of the mean"] == said["Interval of tau²"] == "credible interval with equal tails"
    assert not any("_" in text or text in ("None", "True", "False", "glmm") for text in [*said, *said.values()])
    assert (frame["choice"] == "Source").sum() == len(fit.method["sources"])


def test_published_rates_stand_under_ours(evidence):
    fit = mn.pool(evidence.rates("objective_response", modality="TARE"))
    frame = mn.published_table(evidence, "objective_response", "TARE", fit).to_frame()
    printed = evidence.published
    printed = printed[(printed["outcome"] == "objective_response") & (printed["modality_class"] == "TARE")]
    assert frame["estimate"].tolist() == [fit.estimate, fit.marginal_estimate, *printed["estimate"]]
    assert frame["source"].tolist()[:2] == ["This report: median", "This report: population average"]
    empty = mn.published_table(evidence, "local_control", "TAE", fit)
    assert repr(empty) == "The evidence has no published pooled rate of this outcome and modality class."


def test_a_frame_becomes_a_table_with_its_numbers():
    frame = pd.DataFrame({"name": ["a", None], "x": [0.12345, float("nan")], "n": [3, 4], "yes": [True, False]})
    table = mn.analysis_table(frame, "T")
    assert table.to_frame(shown=True).to_numpy().tolist() == [["a", "0.123", "3", "yes"], ["", "–", "4", "no"]]
    assert table.to_frame()["x"].iloc[0] == 0.12345
    twice = pd.DataFrame([[1.0, 2.0]], columns=["x", "x"])
    assert mn.analysis_table(twice, "T").to_frame().to_numpy().tolist() == [[1.0, 2.0]]
    assert repr(mn.analysis_table(frame.iloc[:0], "T", "None at all.")) == "None at all."
    assert repr(mn.analysis_table(pd.DataFrame(), "T")) == "Nothing to show."


def _of_texts(*columns):
    from metanet.writing.table.table import made

    rows = [[text_cell(text) for text in row] for row in zip(*columns, strict=True)]
    return made("T", "e", [Column("a", (f"c{i}",)) for i in range(len(columns))], rows)


def test_columns_get_the_room_that_saves_most_lines_and_pages_turn_when_they_must():
    # A text that fits on the page has all that it needs, one that does not breaks before the page turns.
    assert widths(_of_texts(["text " * 16]), 100, 150, 2) == ([81.0], False)
    ((one,), side) = widths(_of_texts(["word " * 60]), 100, 150, 2)
    assert one <= 100
    assert not side
    # Eight texts do not: their page turns, and none takes the room of another.
    room, side = widths(_of_texts(*[["word " * 40]] * 8), 100, 250, 2)
    assert side
    assert sum(room) <= 250
    assert min(room) > 25
    # Words that do not fit at all ask for more than there is.
    room, side = widths(_of_texts(*[["x" * 20]] * 8), 100, 150, 2)
    assert side
    assert room == [22.0] * 8


@pytest.mark.parametrize("modality", ["PRRT", "TARE", "TACE"])
def test_word_tables_have_letters_of_nine_points_and_share_columns_that_have_no_room(modality):
    from metanet.writing.table.word import parts_of

    evidence = mn.load_evidence()
    for outcome in ("objective_response", "hepatotoxicity"):
        rates = evidence.rates(outcome, modality=modality)
        for table in (mn.characteristics_table(rates), mn.study_table(rates)):
            parts = parts_of(table)
            assert {room.points for _, room in parts} == {9.0}
            assert all(sum(room.columns) <= 25.7 + 1e-6 for _, room in parts)
            assert {part.columns[0] for part, _ in parts} == {table.columns[0]}
            assert [c for part, _ in parts for c in part.columns[1:]] == list(table.columns[1:])
            assert all(len(part.texts()) == len(table.texts()) for part, _ in parts)


def test_a_column_of_long_texts_gets_the_room_that_short_ones_do_not_need():
    short, long = ["ab cd ef"] * 6, ["word " * 40] * 5 + ["yes"]
    (first, second), _ = widths(_of_texts(short, long), 80, 120, 2)
    # "ab cd ef" takes no more lines than the text beside it, but for one row.
    assert second > 60
    assert first < 12
    numbers = pd.DataFrame({"n": [1, 2], "rate": ["58.0 (40.0 to 69.2)"] * 2, "text": ["word " * 50] * 2})
    room, _ = widths(mn.analysis_table(numbers, "T"), 60, 90, 2)
    assert sum(room) <= 60


@pytest.mark.parametrize(("outcome", "heading"), [("objective_response", "Criteria"), ("hepatotoxicity", "Definition or criteria")])
def test_the_table_of_rows_is_headed_by_what_defines_its_outcome(outcome, heading):
    table = mn.study_table(mn.load_evidence().rates(outcome))
    assert heading in [column.label for column in table.columns]
    assert "other:" not in table.to_html()


def test_a_definition_is_missing_only_where_an_outcome_has_several():
    assert "definition" not in " ".join(mn.characteristics_table(mn.load_evidence().rates("objective_response", modality="TARE")).foot)


def test_a_summary_of_findings_says_where_disease_control_by_itself_lies_outside_the_one_distribution(evidence):
    for modality in ("TACE", "TARE"):
        said = mn.pool_categories(evidence, modality).outside("disease_control")
        table = mn.summary_of_findings(evidence, ["objective_response", "disease_control"], modality)
        text = table.summary()
        assert (said is not None) == ("In one distribution of response categories" in text)
        assert said is None or said in text
    alone = mn.summary_of_findings(evidence, ["disease_control"], "TACE").summary()
    assert "In one distribution" not in alone
