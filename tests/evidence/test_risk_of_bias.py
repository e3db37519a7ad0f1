"""Judgements of the risk of bias: the table and its faults, the tools, what is settled, and what an analysis does with it."""

from __future__ import annotations

import json

import pandas as pd
import pytest

import metanet as mn
from metanet.base.errors import ArgumentError
from metanet.diagnostics.method.multiverse import check_choices, row_sets
from metanet.evidence.bias.agreement import kappa_of
from metanet.evidence.bias.tools import MARKS, OVERALL, RULES, tool_named, tools
from metanet.evidence.contract import curated_contract
from metanet.figures.page.save import description_of

HEAD = "study_id,arm,outcome,tool,domain,judgement,support,source_locator,assessor,consensus"
ROBINS = ("confounding", "selection", "classification", "deviations", "missing_data", "measurement", "reported_result")


def rows_of(study: str, tool: str, levels: dict[str, str] | str, *, arm="", outcome="", assessor="AB", consensus="true") -> list[str]:
    """The lines of a study; a text gives the levels in the order of the domains."""
    if isinstance(levels, str):
        levels = dict(zip((domain.key for domain in tool_named(tool).domains), levels.split(), strict=False))
    return [f"{study},{arm},{outcome},{tool},{domain},{level},,,{assessor},{consensus}" for domain, level in levels.items()]


def put(folder, *groups: list[str]) -> None:
    lines = [line for group in groups for line in group]
    folder.files["risk_of_bias.csv"] = ("\n".join([HEAD, *lines]) + "\n").encode()


GOOD = "low low low low low low low"
SERIOUS = "serious low low low low low low"
ALL = [
    rows_of("Adams2010", "robins_i", "moderate critical low low moderate moderate moderate"),
    rows_of("Adams2014", "robins_i", SERIOUS),
    rows_of("Baker2012", "robins_i", GOOD),
]


def test_a_review_without_the_table_is_as_before_and_says_so_once(folder):
    evidence = folder.load()
    bias = evidence.risk_of_bias()
    assert bias.tool is None
    assert bias.sentence() == "The risk of bias was not assessed: the tables have no risk_of_bias.csv, or it has no rows."
    assert bias.sentence() == bias.reason
    assert bias.notes == ()
    assert len(bias.to_frame()) == len(bias.overall) == len(bias.unresolved) == len(bias.agreement()) == 0
    assert not [name for name in evidence.rates("objective_response") if name.startswith("bias_")]
    assert folder.validate().ok


def test_the_curated_evidence_is_not_assessed(curated):
    assert curated.risk_of_bias().tool is None
    assert "risk_of_bias.csv" in curated_contract().tables


BROKEN = [
    ("tool", "robins", "is not a tool that is known", "'robins_i'"),
    ("domain", "confunding", "is not a domain of ROBINS-I", "'confounding'"),
    ("judgement", "high", "is not a level of ROBINS-I", "low, moderate, serious, critical and no_information"),
    ("study_id", "Adams2011", "is not in studies.csv", "'Adams2014'"),
    ("arm", "TACE", "is not an arm of Adams2010 in arms.csv", "all"),
    ("outcome", "objective_respnse", "is not an outcome of these tables", "'objective_response'"),
]


@pytest.mark.parametrize(("column", "value", "wrong", "fix"), BROKEN)
def test_a_word_that_is_not_known_is_one_problem_with_what_is_allowed(folder, column, value, wrong, fix):
    put(folder, rows_of("Adams2010", "robins_i", GOOD))
    folder.set("risk_of_bias.csv", 3, column, value)
    problem = folder.only()
    assert (problem.file, problem.row, problem.column, problem.value) == ("risk_of_bias.csv", 3, column, value)
    assert wrong in problem.wrong
    assert fix in problem.fix


def test_words_that_a_terminal_would_run_are_shown_as_text(folder):
    put(folder, rows_of("Adams2010", "robins_i", GOOD))
    folder.set("risk_of_bias.csv", 3, "judgement", "x\u202ey")
    assert "\u202e" not in folder.validate().summary()


def test_an_assessor_who_judges_the_same_twice_is_a_problem(folder):
    put(folder, rows_of("Adams2010", "rob2", GOOD, consensus=""), rows_of("Adams2010", "rob2", {"deviations": "high"}, consensus=""))
    problem = folder.only()
    assert (problem.row, problem.column, problem.value) == (7, "assessor", "AB")
    assert problem.wrong == "judges deviations of Adams2010 twice, here and on line 3"


def test_another_arm_outcome_or_assessor_is_not_twice_and_two_consensus_are(folder):
    line = {"deviations": "high"}
    put(
        folder,
        rows_of("Baker2012", "rob2", line, consensus=""),
        rows_of("Baker2012", "rob2", line, arm="TAE", consensus=""),
        rows_of("Baker2012", "rob2", line, outcome="hepatotoxicity", consensus=""),
        rows_of("Baker2012", "rob2", line, assessor="CD", consensus=""),
        rows_of("Baker2012", "rob2", line),
    )
    assert folder.validate().ok
    put(folder, rows_of("Baker2012", "rob2", line), rows_of("Baker2012", "rob2", line, assessor="CD"))
    assert "is a second consensus" in folder.only().wrong


def test_columns_that_are_not_needed_may_be_missing(folder):
    folder.files["risk_of_bias.csv"] = b"study_id,tool,domain,judgement,assessor\nAdams2010,rob2,overall,high,AB\n"
    assert folder.notices() == []
    assert folder.load().risk_of_bias().overall["overall"].tolist() == ["high"]


def test_the_table_is_saved_and_read_again(folder, tmp_path):
    put(folder, *ALL)
    evidence = folder.load()
    again = mn.load_evidence(evidence.save(tmp_path / "again"))
    pd.testing.assert_frame_equal(again.risk_of_bias().to_frame(), evidence.risk_of_bias().to_frame())
    assert again.fingerprint == evidence.fingerprint


def test_judgements_are_part_of_the_fingerprint_of_their_outcome(folder):
    before = folder.load().fingerprint_of("objective_response"), folder.load().fingerprint_of("hepatotoxicity")
    put(folder, rows_of("Adams2010", "rob2", GOOD, outcome="objective_response"))
    after = folder.load().fingerprint_of("objective_response"), folder.load().fingerprint_of("hepatotoxicity")
    assert before[0] != after[0]
    assert before[1] == after[1]


@pytest.mark.parametrize("tool", tools().values(), ids=lambda tool: tool.key)
def test_a_tool_is_complete(tool):
    assert tool.rule in RULES
    assert tool.doi.startswith("10.") or tool.url or tool.key == "generic"
    keys = [domain.key for domain in tool.domains]
    assert len(set(keys)) == len(keys)
    assert OVERALL not in keys
    assert tool.any_domain or keys
    for levels in (tool.levels, tool.categories):
        marks = [MARKS.index(level.mark) for level in levels]
        assert marks == sorted(marks)
        assert len({level.key for level in levels}) == len(levels)


def test_the_tools_have_their_numbers_of_domains():
    have = {key: len(tool.domains) for key, tool in tools().items()}
    assert have == {
        "minors": 12, "jbi_case_series": 10, "jbi_prevalence": 9, "rob2": 5, "rob1": 7, "robins_i": 7, "robins_i_v2": 6, "quips": 6,
        "newcastle_ottawa": 8, "generic": 0,
    }  # fmt: skip
    assert "20 November 2025" in tools()["robins_i_v2"].version


def test_yes_of_jbi_is_good_and_points_of_minors_are_no_answers():
    assert {level.key: level.mark for level in tools()["jbi_prevalence"].levels} == {
        "yes": "good", "unclear": "unsure", "no": "bad", "na": "silent",
    }  # fmt: skip
    assert [level.mark for level in tools()["minors"].levels] == ["good", "unsure", "bad"]


#: Rows of the examples of robvis, and the overall judgement there.
ROBVIS = [
    ("robins_i", "moderate critical low low moderate moderate moderate", "critical"),
    ("rob2", "some_concerns low low low low", "some_concerns"),
    ("quips", "low moderate low low low low", "moderate"),
]


@pytest.mark.parametrize(("tool", "levels", "overall"), ROBVIS)
def test_the_worst_domain_is_the_overall_judgement_of_the_examples_of_robvis(folder, tool, levels, overall):
    put(folder, rows_of("Adams2010", tool, levels))
    found = folder.load().risk_of_bias().overall.iloc[0]
    assert (found["overall"], found["basis"], found["reason"]) == (overall, "worst", "")


def overall_for(folder, tool, levels, **options):
    put(folder, rows_of("Adams2010", tool, levels, **options))
    return folder.load().risk_of_bias().overall.iloc[0]


def test_a_stated_overall_judgement_goes_before_the_rule_and_a_milder_one_is_noted(folder):
    levels = dict(zip(ROBINS, SERIOUS.split(), strict=True)) | {"overall": "moderate"}
    found = overall_for(folder, "robins_i", levels)
    assert (found["overall"], found["basis"]) == ("moderate", "stated")
    assert "better than the worst domain in 1 study: Adams2010" in folder.load().risk_of_bias().notes[0]


def test_a_judgement_of_an_outcome_goes_before_the_stated_overall_judgement_of_the_study(folder):
    levels = dict(zip(ROBINS, GOOD.split(), strict=True)) | {"overall": "moderate"}
    special = rows_of("Adams2010", "robins_i", {"missing_data": "serious"}, outcome="objective_response")
    put(folder, rows_of("Adams2010", "robins_i", levels), special)
    evidence = folder.load()
    assert evidence.risk_of_bias().overall["overall"].tolist() == ["moderate"]
    found = evidence.risk_of_bias(outcome="objective_response").overall.iloc[0]
    assert (found["overall"], found["basis"]) == ("serious", "worst")
    stated = rows_of("Adams2010", "robins_i", {"overall": "critical"}, outcome="objective_response")
    put(folder, rows_of("Adams2010", "robins_i", levels), special, stated)
    assert folder.load().risk_of_bias(outcome="objective_response").overall["overall"].tolist() == ["critical"]


def test_a_domain_that_is_not_judged_leaves_no_overall_judgement_unless_another_is_the_worst_there_is(folder):
    found = overall_for(folder, "robins_i", {"confounding": "serious"})
    assert (found["overall"], found["reason"][:11]) == ("", "not judged:")
    assert overall_for(folder, "robins_i", {"confounding": "critical"})["overall"] == "critical"


UNKNOWN = [("no_information low low low low low low", "no_information"), ("no_information serious low low low low low", "serious")]


@pytest.mark.parametrize(("levels", "overall"), UNKNOWN)
def test_no_information_is_worse_than_moderate_and_says_nothing_beside_serious(folder, levels, overall):
    assert overall_for(folder, "robins_i", levels)["overall"] == overall


def test_minors_is_a_sum_without_a_category(folder):
    found = overall_for(folder, "minors", "2 2 1 0 2 2 1 0")
    assert (found["points"], found["most"], found["overall"], found["basis"]) == (10, 16, "", "sum")
    found = overall_for(folder, "minors", "2 2 1 0 2 2 1 0 2 2 2 1")
    assert (found["points"], found["most"]) == (17, 24)
    found = overall_for(folder, "minors", "2 2 1")
    assert pd.isna(found["points"])
    assert found["reason"].startswith("not judged: Endpoint fits the aim")


def test_a_category_of_minors_is_that_which_the_review_states(folder):
    levels = dict(zip((d.key for d in tools()["minors"].domains), "22102210", strict=False)) | {"overall": "moderate"}
    found = overall_for(folder, "minors", levels)
    assert (found["points"], found["overall"], found["basis"]) == (10, "moderate", "stated")


def test_newcastle_ottawa_has_nine_stars_and_two_for_comparability_alone(folder):
    found = overall_for(folder, "newcastle_ottawa", "1 1 1 1 2 1 1 1")
    assert (found["points"], found["most"]) == (9, 9)
    put(folder, rows_of("Adams2010", "newcastle_ottawa", "2"))
    assert "is not a level of Newcastle-Ottawa scale" in folder.only().wrong


def test_jbi_has_no_overall_judgement_of_its_own(folder):
    found = overall_for(folder, "jbi_prevalence", "yes yes no unclear na yes yes yes yes")
    assert (found["overall"], found["reason"]) == ("", "JBI prevalence has no rule for an overall judgement, and none is stated")


def test_a_judgement_of_an_outcome_or_an_arm_goes_before_that_of_the_study(folder):
    put(
        folder,
        rows_of("Baker2012", "robins_i", GOOD),
        rows_of("Baker2012", "robins_i", {"missing_data": "critical"}, outcome="objective_response"),
        rows_of("Baker2012", "robins_i", {"measurement": "serious"}, arm="TAE"),
    )
    evidence = folder.load()
    whole = evidence.risk_of_bias().overall.set_index("study")["overall"].to_dict()
    assert whole == {"Baker 2012": "low", "Baker 2012 (TAE)": "serious"}
    about = evidence.risk_of_bias(outcome="objective_response").overall.set_index("study")["overall"].to_dict()
    assert about == {"Baker 2012": "critical", "Baker 2012 (TAE)": "critical"}


def test_studies_that_were_judged_for_single_outcomes_only_are_named(folder):
    put(folder, rows_of("Adams2010", "rob2", GOOD, outcome="objective_response"), rows_of("Baker2012", "rob2", GOOD))
    bias = folder.load().risk_of_bias()
    assert bias.overall["study_id"].tolist() == ["Baker2012"]
    assert "Adams2010" in bias.notes[0]
    put(folder, rows_of("Adams2010", "rob2", GOOD, outcome="objective_response"))
    assert "name one: objective_response" in folder.load().risk_of_bias().sentence()


def test_assessors_who_differ_are_shown_and_nothing_is_averaged(folder):
    put(
        folder,
        rows_of("Adams2010", "rob2", "low low low low low", assessor="AB", consensus=""),
        rows_of("Adams2010", "rob2", "low high low low low", assessor="CD", consensus="false"),
    )
    bias = folder.load().risk_of_bias()
    row = bias.unresolved.iloc[0]
    assert (row["domain"], row["assessor_1"], row["judgement_1"], row["assessor_2"], row["judgement_2"]) == (
        "deviations", "AB", "low", "CD", "high",
    )  # fmt: skip
    assert bias.overall.iloc[0][["overall", "reason"]].tolist() == ["", "assessors differ on Deviations from the intervention"]
    assert bias.to_frame()["basis"].tolist() == ["agreed", "unresolved", "agreed", "agreed", "agreed"]
    assert "Assessors differ on 1 judgement without a consensus." in bias.sentence()
    note = "Assessors differ without a consensus on 1 judgement of the risk of bias (RoB 2)."
    assert note in folder.load().rates("objective_response").attrs["notes"]
    assert note not in folder.load().rates("objective_response", modality="TACE").attrs["notes"]
    lines = folder.files["risk_of_bias.csv"].decode() + "\n".join(rows_of("Adams2010", "rob2", {"deviations": "some_concerns"}))
    folder.files["risk_of_bias.csv"] = lines.encode()
    settled = folder.load().risk_of_bias()
    assert len(settled.unresolved) == 0
    assert settled.overall["overall"].tolist() == ["some_concerns"]


def test_kappa_is_that_of_the_worked_example():
    a, b = [0, 0, 1, 1, 2, 2], [0, 1, 1, 1, 2, 2]
    assert kappa_of(a, b, 3) == pytest.approx(0.75, abs=1e-12)
    # 1 - (1/6) / (5/6): one difference of one step, and 5/6 expected.
    assert kappa_of(a, b, 3, linear=True) == pytest.approx(0.8, abs=1e-12)
    # Levels that nobody used change nothing.
    assert kappa_of(a, b, 5, linear=True) == pytest.approx(0.8, abs=1e-12)


def two_assessors(folder, a: str, b: str):
    studies = ["Adams2010", "Adams2014", "Baker2012", "Clark2015"]
    groups = [
        rows_of(study, "robins_i", {"confounding": level}, assessor=who, consensus="")
        for who, levels in (("AB", a), ("CD", b))
        for study, level in zip(studies, levels.split(), strict=True)
    ]
    put(folder, *groups)
    return folder.load().risk_of_bias().agreement().iloc[0]


def test_agreement_per_domain_and_pair(folder):
    row = two_assessors(folder, "low low serious serious", "low moderate serious serious")
    assert (row["title"], row["assessor_1"], row["assessor_2"], row["n"], row["agreement"]) == ("Confounding", "AB", "CD", 4, 0.75)
    # p_o 3/4; p_e = 2/4 * 1/4 + 2/4 * 2/4 = 3/8.
    assert row["kappa"] == pytest.approx((0.75 - 0.375) / (1 - 0.375))
    assert row["kappa_linear"] > row["kappa"]
    assert row["reason"] == ""


def test_kappa_is_missing_with_its_reason(folder):
    row = two_assessors(folder, "low low low low", "low moderate low low")
    assert pd.isna(row["kappa"])
    assert row["agreement"] == 0.75
    assert row["reason"] == "AB used one level only, so kappa says nothing."
    row = two_assessors(folder, "low low low low", "low low low low")
    assert row["reason"].startswith("Both assessors used one level only")
    row = two_assessors(folder, "low no_information low serious", "low moderate low serious")
    assert row["kappa"] > 0
    assert pd.isna(row["kappa_linear"])
    assert "no weighted kappa" in row["reason"]


def test_several_tools_are_never_compared(folder):
    put(folder, rows_of("Adams2010", "robins_i", GOOD), rows_of("Baker2012", "rob2", GOOD))
    evidence = folder.load()
    with pytest.raises(ArgumentError, match=r"2 tools: 'rob2' and 'robins_i'.*name one, such as tool='rob2'"):
        evidence.risk_of_bias()
    with pytest.raises(ArgumentError, match="tool is missing"):
        evidence.rates("objective_response", risk_of_bias="low")
    assert evidence.risk_of_bias("RoB 2").overall["study_id"].tolist() == ["Baker2012"]
    assert "bias_overall" not in evidence.rates("objective_response")
    assert "bias_overall" in evidence.rates("objective_response", tool="rob2")
    assert "not assessed by MINORS" in evidence.risk_of_bias("minors").sentence()
    with pytest.raises(ArgumentError, match="Did you mean 'minors'"):
        evidence.risk_of_bias("minor")


def test_rates_keep_rows_at_or_below_a_level_and_say_why_others_are_left_out(folder):
    put(folder, *ALL)
    rates = folder.load().rates("objective_response", overlap="keep_all", risk_of_bias="moderate")
    assert rates["study_id"].tolist() == ["Baker2012", "Baker2012", "Clark2015"]
    assert {row["study_id"]: row["reason"] for row in rates.attrs["left_out"]} == {
        "Adams2010": "risk of bias is critical, above moderate (ROBINS-I)",
        "Adams2014": "risk of bias is serious, above moderate (ROBINS-I)",
    }
    assert "1 row without an overall judgement of the risk of bias (ROBINS-I) is kept." in rates.attrs["notes"]
    assert rates["bias_overall"].tolist() == ["low", "low", ""]
    assert rates.attrs["titles"]["bias_missing_data"] == "Risk of bias: missing data"
    assert rates.attrs["selection"]["risk_of_bias"] == "moderate"


def test_rows_that_were_not_assessed_can_be_dropped(folder):
    put(folder, *ALL)
    rates = folder.load().rates("objective_response", risk_of_bias="serious", not_assessed="drop", overlap="keep_all")
    assert "Clark2015" not in set(rates["study_id"])
    assert {row["reason"] for row in rates.attrs["left_out"]} == {
        "risk of bias: not assessed",
        "risk of bias is critical, above serious (ROBINS-I)",
    }


def test_a_level_is_refused_where_it_says_nothing(folder):
    with pytest.raises(ArgumentError, match="was not assessed"):
        folder.load().rates("objective_response", risk_of_bias="low")
    put(folder, *ALL)
    evidence = folder.load()
    for word in ("high", "no_information"):
        with pytest.raises(ArgumentError, match="Known: 'low', 'moderate', 'serious', 'critical'"):
            evidence.rates("objective_response", risk_of_bias=word)
    with pytest.raises(ArgumentError, match="'keep', 'drop'"):
        evidence.rates("objective_response", not_assessed="maybe")
    put(folder, rows_of("Adams2010", "minors", "2 2 2 2 2 2 2 2"))
    with pytest.raises(ArgumentError, match="no study has an overall judgement by MINORS"):
        folder.load().rates("objective_response", risk_of_bias="low")


def test_a_result_is_text_card_and_plain_values(folder):
    put(folder, *ALL)
    bias = folder.load().risk_of_bias()
    assert bias.sentence() == "3 studies were judged by ROBINS-I; overall: 1 low, 1 serious and 1 critical."
    assert "Adams 2010" in bias.summary()
    assert "10.1136/bmj.i4919" in bias.summary()
    assert "<table" in bias._repr_html_()
    assert bias.to_dict()["overall"][0]["overall"] == "critical"


def test_a_ladder_of_selected_rates_knows_tool_and_domains(folder):
    put(folder, *ALL)
    rates = folder.load().rates("objective_response", overlap="keep_all")
    ladder = mn.bias_ladder(rates, model="glmm")
    assert ladder.tool.key == "robins_i"
    assert ladder.to_frame()["k"].tolist() == [5, 3, 2, 2]
    assert mn.bias_ladder(mn.pool(rates, model="glmm"), "confounding").to_frame()["k"].tolist() == [5, 4, 3, 2]
    with pytest.raises(ArgumentError, match=r"by='confunding' is not a column of the judgements. Did you mean 'confounding'"):
        mn.bias_ladder(rates, "confunding")
    with pytest.raises(ArgumentError, match="the judgements of data are by 'robins_i'"):
        mn.bias_ladder(rates, tool="rob2")


def test_the_risk_of_bias_is_a_choice_of_the_multiverse_where_it_was_judged(folder):
    analyses = [{"model": "inverse_variance"}]
    plain = mn.multiverse(folder.load(), "objective_response", analyses=analyses, grouping=False).to_frame()
    assert "risk_of_bias" not in plain
    put(folder, *ALL)
    choices = check_choices(overlap="keep_all", certainty="low", unit="any", derived="in", grouping=False)
    sets = row_sets(folder.load(), "objective_response", None, None, choices)
    counted = {each.choices["risk_of_bias"]: len(each.rows) for each in sets}
    assert counted == {"all": 5, "without critical": 3, "without high": 2, "low only": 2}
    found = mn.multiverse(folder.load(), "objective_response", analyses=analyses, grouping=False)
    assert "risk_of_bias" in set(found.drivers["choice"])
    rates = folder.load().rates("objective_response", overlap="keep_all")
    kept = mn.multiverse(rates, analyses=analyses, certainty="low", risk_of_bias="without high").to_frame()
    assert set(kept["risk_of_bias"]) == {"without high"}
    with pytest.raises(ArgumentError, match="risk_of_bias='moderate'"):
        mn.multiverse(rates, risk_of_bias="moderate")
    found.plot()


def test_the_table_of_characteristics_has_the_overall_judgement_and_no_domains(folder):
    put(folder, *ALL)
    labels = mn.characteristics_table(folder.load().rates("objective_response", overlap="keep_all")).labels
    assert [label for label in labels if "isk of bias" in label] == ["Risk of bias"]


def test_the_judgements_of_an_outcome_are_settled_once_and_name_it(folder):
    put(folder, *ALL)
    evidence = folder.load()
    bias = evidence.risk_of_bias(outcome="Objective response")
    assert evidence.risk_of_bias(outcome="objective_response") is bias
    alt = description_of(bias.traffic_light().get_figure(root=True)).alt
    assert alt == "Risk of bias by ROBINS-I of objective response, 3 studies: overall: 1 low, 1 serious and 1 critical."


def test_the_judgements_of_a_selection_are_those_of_its_studies(folder):
    put(folder, *ALL)
    evidence = folder.load()
    bias, rates = evidence.risk_of_bias(), evidence.rates("objective_response", overlap="keep_all", modality="TARE")
    mine = bias.of(rates)
    assert set(mine.overall["study_id"]) == {"Adams2010", "Adams2014"}
    assert set(mine.to_frame()["study_id"]) == {"Adams2010", "Adams2014"}
    assert len(bias.overall) == 3
    nobody = bias.of(rates[rates["study_id"] == "Clark2015"])
    assert nobody.reason == "The risk of bias was not assessed for the studies of this selection by ROBINS-I."
    with pytest.raises(ArgumentError, match="study_id"):
        bias.of(rates.drop(columns="study_id"))


def test_a_forest_has_the_overall_judgement_unless_told_otherwise(folder):
    put(folder, *ALL)
    fit = mn.pool(folder.load().rates("objective_response", overlap="keep_all"))
    ax = fit.forest()
    assert "Risk of bias: + low, − serious, ! critical" in ax.metanet_caption
    assert "isk of bias" not in fit.forest(risk_of_bias=()).metanet_caption


def test_the_worksheet_says_how_far_the_estimate_moves(folder):
    put(folder, *ALL)
    fit = mn.pool(folder.load().rates("objective_response", overlap="keep_all"))
    sheet = mn.heterogeneity_report(fit, subsets=False).worksheet()
    fact = dict(sheet[["question", "fact"]].itertuples(index=False))
    assert fact["How far does the estimate move without studies at a high risk of bias?"] == mn.bias_ladder(fit).sentence()


def test_the_numbers_of_a_report_count_the_judgements(folder, tmp_path):
    put(folder, *ALL)
    evidence = folder.load()
    fit = mn.pool(evidence.rates("objective_response", overlap="keep_all"))
    mn.save_results(tmp_path, fit)
    found = json.loads((tmp_path / "numbers.json").read_text())["risk_of_bias"]
    assert found == {"tool": "ROBINS-I", "levels": {"Low": 2, "Serious": 1, "Critical": 1}, "without": 1}
    mn.save_results(tmp_path, mn.pool(evidence.rates("hepatotoxicity"), model="glmm"))
    assert json.loads((tmp_path / "numbers.json").read_text())["risk_of_bias"] == {
        "tool": "ROBINS-I",
        "levels": {"Critical": 1},
        "without": 1,
    }
