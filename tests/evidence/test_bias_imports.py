"""Judgements in and out: tables of robvis, and the judgements of RevMan files."""

from __future__ import annotations

import pandas as pd
import pytest

import metanet as mn
from metanet.base.errors import ArgumentError, DataError
from tests.evidence.test_risk_of_bias import GOOD, ROBINS, put, rows_of

#: Rows as in the examples of robvis, with their overall judgement and weight.
ROBINS_CSV = """\
Study,D1,D2,D3,D4,D5,D6,D7,Overall,Weight
Adams 2010,Moderate,Critical,Low,Low,Moderate,Moderate,Moderate,Critical,33.3
Baker 2012,Low,Low,Low,Low,Low,Low,Low,Low,66.7
"""
ROB2_CSV = "Study,D1,D2,D3,D4,D5,Overall,Weight\nAdams2010,Some concerns,Low,Low,Low,Low,Some concerns,10\n"
QUIPS_CSV = "Study,D1,D2,D3,D4,D5,D6,Overall\nAdams2010,Low,Moderate,Low,Low,Low,Low,Moderate\n"


def written(folder, text: str, name: str = "robvis.csv"):
    path = folder.write().parent / name
    path.write_text(text)
    return path


def test_a_table_of_robvis_becomes_rows_of_ours(folder):
    evidence = folder.load()
    rows = mn.read_judgements(written(folder, ROBINS_CSV), "robins_i", evidence=evidence, assessor="AB")
    assert rows["study_id"].unique().tolist() == ["Adams2010", "Baker2012"]
    assert rows["domain"].tolist()[:8] == [*ROBINS, "overall"]
    assert rows["judgement"].tolist()[:8] == ["moderate", "critical", "low", "low", "moderate", "moderate", "moderate", "critical"]
    folder.files["risk_of_bias.csv"] = rows.to_csv(index=False).encode()
    assert folder.validate().ok
    assert folder.load().risk_of_bias().overall["overall"].tolist() == ["critical", "low"]


@pytest.mark.parametrize(("text", "tool", "overall"), [(ROB2_CSV, "rob2", "some_concerns"), (QUIPS_CSV, "quips", "moderate")])
def test_the_stated_overall_judgement_of_robvis_is_that_of_the_rule(folder, text, tool, overall):
    rows = mn.read_judgements(written(folder, text), tool)
    for kept in (rows, rows[rows["domain"] != "overall"]):
        folder.files["risk_of_bias.csv"] = kept.to_csv(index=False).encode()
        assert folder.load().risk_of_bias().overall["overall"].tolist() == [overall]


def test_what_robvis_is_given_is_read_back_the_same(folder, tmp_path):
    levels = "moderate critical low low moderate moderate moderate"
    put(folder, rows_of("Adams2010", "robins_i", levels), rows_of("Baker2012", "robins_i", GOOD))
    bias = folder.load().risk_of_bias()
    frame = bias.to_robvis(tmp_path / "robvis.csv")
    assert frame.columns.tolist() == ["Study", *(f"D{i}" for i in range(1, 8)), "Overall", "Weight"]
    assert frame.iloc[0].tolist() == [
        "Adams 2010",
        "Moderate",
        "Critical",
        "Low",
        "Low",
        "Moderate",
        "Moderate",
        "Moderate",
        "Critical",
        50.0,
    ]
    # Baker 2012 has two arms of 30 and 31.
    assert frame["Weight"].tolist() == [50.0, 61.0]
    assert bias.to_robvis(weights="studies")["Weight"].tolist() == [1.0, 1.0]
    assert bias.to_robvis(weights={"Adams 2010": 3})["Weight"].tolist() == [3.0, 1.0]
    again = mn.read_judgements(tmp_path / "robvis.csv", "robins_i", evidence=folder.load())
    assert again[again["domain"] != "overall"]["judgement"].tolist() == bias.to_frame()["judgement"].tolist()


def test_names_that_a_spreadsheet_would_run_are_harmless_in_the_file(folder, tmp_path):
    folder.set("studies.csv", 2, "first_author", "=HYPERLINK(1)")
    put(folder, rows_of("Adams2010", "rob2", "low low low low low"))
    folder.load().risk_of_bias().to_robvis(tmp_path / "robvis.csv")
    assert "\n'=HYPERLINK" in (tmp_path / "robvis.csv").read_text().replace("\r", "")


def test_domains_that_were_not_judged_keep_their_places_for_robvis(folder):
    put(folder, rows_of("Adams2010", "rob2", {"measurement": "high"}), rows_of("Baker2012", "minors", "2 2 2 2 2 2 2 2"))
    frame = folder.load().risk_of_bias("rob2").to_robvis()
    assert frame.iloc[0].tolist()[:6] == ["Adams 2010", "", "", "", "High", ""]
    # The items on controls are no columns where no study has controls.
    assert len(folder.load().risk_of_bias("minors").to_robvis().columns) == 11


def test_weights_that_cannot_be_used_are_refused(folder):
    put(folder, rows_of("Adams2010", "rob2", "low low low low low"))
    bias = folder.load().risk_of_bias()
    with pytest.raises(ArgumentError, match="weights names 'Nobody'"):
        bias.to_robvis(weights={"Nobody": 1})
    with pytest.raises(ArgumentError, match="'patients', 'studies' or a mapping"):
        bias.to_robvis(weights="n")
    with pytest.raises(ArgumentError, match="numbers of at least 0"):
        bias.to_robvis(weights={"Adams 2010": -1})
    folder.files.pop("risk_of_bias.csv")
    (folder.path / "risk_of_bias.csv").unlink()
    with pytest.raises(ArgumentError, match="no judgements to be written"):
        folder.load().risk_of_bias().to_robvis()


def test_a_frame_is_read_by_the_names_of_domains_and_letters_of_levels():
    frame = pd.DataFrame({"Author": ["A", "B"], "Missing data": ["L", None], "confounding": ["S", "C"], "Overall": ["NI", "Critical"]})
    rows = mn.read_judgements(frame, "robins_i")
    assert rows[["study_id", "domain", "judgement"]].to_numpy().tolist() == [
        ["A", "missing_data", "low"], ["A", "confounding", "serious"], ["A", "overall", "no_information"],
        ["B", "confounding", "critical"], ["B", "overall", "critical"],
    ]  # fmt: skip
    assert mn.read_judgements(pd.DataFrame({"Study": ["A"], "D1": ["S"]}), "rob2")["judgement"].tolist() == ["some_concerns"]


def test_columns_of_a_table_of_ones_own_are_domains_of_the_review():
    frame = pd.DataFrame({"Study": ["A"], "Dose recorded?": ["high risk"], "Weight": [12]})
    rows = mn.read_judgements(frame, "generic")
    assert rows[["domain", "judgement"]].to_numpy().tolist() == [["dose_recorded", "high"]]


def test_every_cell_that_cannot_be_read_is_named_with_what_is_allowed(folder):
    text = ROBINS_CSV.replace("Critical,33.3", "Awful,33.3").replace("Baker 2012", "Bakker 2012").replace("D7", "D9")
    with pytest.raises(DataError) as caught:
        mn.read_judgements(written(folder, text), "robins_i", evidence=folder.load())
    found = {(p.file, p.row, p.column, p.value): (p.wrong, p.fix) for p in caught.value.problems}
    assert found["robvis.csv", 2, "Overall", "Awful"] == (
        "is not a level of ROBINS-I",
        "Write one of Low, Moderate, Serious, Critical and No information",
    )
    assert "Baker 2012" in found["robvis.csv", 3, "Study", "Bakker 2012"][1]
    assert found["robvis.csv", None, "D9", "D9"][0] == "is not a domain of ROBINS-I"


def test_a_tool_is_needed_and_a_file_that_is_none_is_refused(folder):
    with pytest.raises(ArgumentError, match="tool is missing"):
        mn.read_judgements(written(folder, ROBINS_CSV))
    with pytest.raises(DataError, match="does not exist"):
        mn.read_judgements(folder.path / "nowhere.csv", "rob2")


REVMAN = """\
study_id,outcome,tool,domain,judgement,support
Adams2010,,RevMan 5,Random sequence generation (selection bias),low,computer
Adams2010,,RevMan 5,Allocation concealment (selection bias),unclear,
Adams2010,Objective response,RevMan 5,Blinding of outcome assessment (detection bias),high,'=open label
Adams2010,,RevMan 5,Funding by industry,high,
"""


def test_judgements_of_a_revman_file_become_rows_of_ours(folder):
    evidence = folder.load()
    rows = mn.read_judgements(written(folder, REVMAN), evidence=evidence)
    assert rows["tool"].unique().tolist() == ["rob1"]
    assert rows["domain"].tolist() == [
        "sequence_generation",
        "allocation_concealment",
        "blinding_of_assessment",
        "funding_by_industry",
    ]
    assert rows["outcome"].tolist() == ["", "", "objective_response", ""]
    assert rows["support"].tolist() == ["computer", "", "=open label", ""]
    folder.files["risk_of_bias.csv"] = rows.to_csv(index=False).encode()
    assert folder.validate().ok


def test_an_outcome_of_revman_that_is_not_ours_is_named_or_mapped(folder):
    path = written(folder, REVMAN.replace("Objective response", "Pain"))
    with pytest.raises(DataError, match=r"outcomes=\{'Pain'"):
        mn.read_judgements(path, evidence=folder.load())
    rows = mn.read_judgements(path, evidence=folder.load(), outcomes={"Pain": ""})
    assert set(rows["outcome"]) == {""}


COVIDENCE = """\
Covidence #,Study ID,Title,Reviewer Name,Sequence generation,Sequence generation - Supporting text,2. Allocation concealment judgement,2. Allocation concealment supporting text
#1,Adams 2010,A title,AB,Low,"by computer, in blocks",Unclear risk,
#1,Adams 2010,A title,CD,Low,,Low risk,
#1,Adams 2010,A title,Consensus,Low,agreed,Low,sealed
#2,Baker 2012,A title,AB,High,,Low,
"""  # noqa: E501


def test_a_quality_assessment_of_covidence_keeps_its_readers(folder):
    """Readers stay apart, the consensus is one, and the reasons stand beside the judgements."""
    evidence = folder.load()
    rows = mn.read_judgements(written(folder, COVIDENCE), "rob1", evidence=evidence)
    assert len(rows) == 8
    assert rows["assessor"].tolist() == ["AB"] * 2 + ["CD"] * 2 + ["consensus of the review"] * 2 + ["AB"] * 2
    assert rows["consensus"].tolist() == [False] * 4 + [True] * 2 + [False] * 2
    assert rows["domain"].unique().tolist() == ["sequence_generation", "allocation_concealment"]
    assert rows["judgement"].tolist() == ["low", "unclear", "low", "low", "low", "low", "high", "low"]
    assert rows["support"].tolist()[:6] == ["by computer, in blocks", "", "", "", "agreed", "sealed"]
    folder.files["risk_of_bias.csv"] = rows.to_csv(index=False).encode()
    bias = folder.load().risk_of_bias()
    agreed = bias.to_frame()
    adams = agreed[(agreed["study"] == "Adams 2010") & (agreed["domain"] == "allocation_concealment")]
    assert adams["judgement"].tolist() == ["low"]


def test_own_questions_become_domains(folder):
    frame = pd.DataFrame({"Study ID": ["Adams 2010"], "Were all patients included?": ["Yes"], "Anything else?": ["No"]})
    with pytest.raises(DataError, match="domains=") as error:
        mn.read_judgements(frame, "jbi_case_series", evidence=folder.load())
    assert len(error.value.problems) == 2
    rows = mn.read_judgements(
        frame.drop(columns="Anything else?"),
        "jbi_case_series",
        evidence=folder.load(),
        domains={"Were all patients included?": "complete"},
    )
    assert rows[["domain", "judgement"]].values.tolist() == [["complete", "yes"]]
