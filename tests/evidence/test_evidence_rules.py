"""Rules within and across tables: each fault is found at its place, and all faults in one run."""

from __future__ import annotations

import datetime

import pytest

from metanet.base.errors import DataError
from metanet.evidence import load_evidence, validate

THIS_YEAR = datetime.date.today().year

BROKEN = [
    ("objective_response.csv", 2, "events", "51", "is more than the total 50"),
    ("objective_response.csv", 2, "total", "51", "is more than the 50 patients of the arm"),
    ("objective_response.csv", 3, "derivation", "", "is empty though the count is derived"),
    ("objective_response.csv", 2, "study_id", "Adams2011", "is not in arms.csv"),
    ("objective_response.csv", 4, "arm", "TAC", "is not an arm of Baker2012"),
    ("arms.csv", 2, "modality_class", "TACE", "is not the class of TARE-resin"),
    ("studies.csv", 2, "year", str(THIS_YEAR + 2), "lies in the future"),
    ("studies.csv", 5, "enrol_start", "2014", "is later than enrol_end 2013"),
    ("studies.csv", 5, "enrol_end", "2017", "is later than the year of the report 2015"),
]


@pytest.mark.parametrize(("file", "line", "column", "value", "wrong"), BROKEN)
def test_a_broken_rule_is_the_one_problem_at_its_place(folder, file, line, column, value, wrong):
    folder.set(file, line, column, value)
    problem = folder.only()
    assert (problem.file, problem.row, problem.column, problem.value) == (file, line, column, value)
    assert wrong in problem.wrong
    assert problem.fix


def test_a_year_to_come_is_allowed_as_an_advance_publication(folder):
    folder.set("studies.csv", 2, "year", str(THIS_YEAR + 1))
    assert folder.validate().ok


def test_a_derivation_of_a_printed_count_is_a_contradiction(folder):
    folder.set("objective_response.csv", 2, "derivation", "40% of 50")
    problem = folder.only()
    assert (problem.row, problem.column, problem.value) == (2, "derived", "false")


@pytest.mark.parametrize("unit", ["procedures", "lesions"])
def test_procedures_and_lesions_may_be_more_than_patients(folder, unit):
    folder.set("objective_response.csv", 2, "total", "80")
    folder.set("objective_response.csv", 2, "unit", unit)
    assert folder.validate().ok


def test_poolable_lesions_are_a_notice(folder):
    folder.set("objective_response.csv", 2, "unit", "lesions")
    assert folder.notices() == ["objective_response.csv: counts lesions and is marked poolable"]


def test_grades_that_add_up_to_more_than_all_patients_are_a_problem(folder):
    folder.set("arms.csv", 4, "pct_g1", "25")
    problem = folder.only()
    assert (problem.row, problem.column) == (4, "pct_g1+pct_g2+pct_g3")
    assert "105 %" in problem.wrong


def test_grades_may_exceed_hundred_by_rounding(folder):
    folder.set("arms.csv", 4, "pct_g1", "20.9")
    assert folder.validate().ok


def test_a_row_that_is_there_twice_is_a_problem(folder):
    folder.files["objective_response.csv"] += folder.files["objective_response.csv"].splitlines(keepends=True)[1]
    problem = folder.only()
    assert (problem.row, problem.column, problem.value) == (7, "study_id+arm", "Adams2010 | all")
    assert problem.wrong == "repeats line 2"


def test_two_definitions_of_one_arm_are_no_repetition_and_the_same_one_is(folder):
    folder.add("hepatotoxicity.csv", events="4")
    problem = folder.only()
    assert (problem.file, problem.row, problem.wrong) == ("hepatotoxicity.csv", 7, "repeats line 2")


def test_a_study_that_is_there_twice_is_one_problem(folder):
    folder.add("studies.csv", doi="", pmid="")
    problem = folder.only()
    assert (problem.file, problem.row, problem.column) == ("studies.csv", 6, "study_id")


def test_an_arm_without_a_study_is_named_with_the_nearest(folder):
    folder.add("arms.csv", study_id="Adam2014")
    problem = folder.only()
    assert (problem.file, problem.row, problem.column, problem.value) == ("arms.csv", 7, "study_id", "Adam2014")
    assert "'Adams2014'" in problem.fix


def test_a_study_without_an_arm_and_an_arm_without_an_outcome_are_notices(folder):
    folder.add("studies.csv", study_id="Dixon2020", doi="", pmid="", enrol_start="", enrol_end="")
    folder.add("arms.csv", study_id="Clark2015", arm="second")
    assert folder.notices() == ["arms.csv: has no row in any outcome", "studies.csv: has no arm in arms.csv"]


@pytest.mark.parametrize("column", ["doi", "pmid"])
def test_an_identifier_of_two_studies_is_a_notice(folder, column):
    folder.set("studies.csv", 3, column, {"doi": "10.1000/A1", "pmid": "1000001"}[column])
    (notice,) = folder.validate().notices
    assert (notice.row, notice.column) == (3, column)
    assert "Adams2010 on line 2" in notice.wrong


def with_response(folder, name, **cells):
    rows = folder.rows("objective_response.csv")[:2]
    folder.put(f"{name}.csv", rows)
    for column, value in cells.items():
        folder.set(f"{name}.csv", 2, column, value)


@pytest.mark.parametrize(("narrow", "events"), [("complete_response", "21"), ("disease_control", "19")])
def test_complete_within_objective_within_controlled(folder, narrow, events):
    with_response(folder, narrow, events=events)
    problem = folder.only()
    assert "which include them" in problem.wrong
    assert (problem.row, problem.column) == (2, "events")


def test_complete_response_is_held_against_disease_control_without_the_row_between(folder):
    with_response(folder, "complete_response", events="15")
    with_response(folder, "disease_control", events="14")
    del folder.files["objective_response.csv"]
    folder.put("objective_response.csv", [["study_id"]])
    folder.files["objective_response.csv"] = folder.files["disease_control.csv"].splitlines(keepends=True)[0]
    problem = folder.only()
    assert (problem.file, problem.value) == ("complete_response.csv", "15")
    assert "14 of disease_control.csv line 2" in problem.wrong


@pytest.mark.parametrize(("column", "value"), [("total", "40"), ("timepoint_months", "12"), ("unit", "procedures")])
def test_counts_on_another_base_are_not_compared(folder, column, value):
    with_response(folder, "complete_response", events="25", **{column: value})
    assert folder.validate().ok


def test_a_published_estimate_outside_its_interval_is_a_problem(folder):
    folder.files["published_pooled.csv"] = (
        b"key,citation,doi,modality_class,population,outcome,estimate,ci_lower,ci_upper,studies,patients,model,criteria,"
        b"source_locator\nR,Review,,TARE,all,objective_response,0.5,0.6,0.7,3,90,random,,Abstract\n"
    )
    problem = folder.only()
    assert (problem.row, problem.column, problem.value) == (2, "estimate", "0.5")


def test_one_run_finds_every_fault_of_every_table(folder):
    folder.set("studies.csv", 2, "year", "2O10")
    folder.set("studies.csv", 5, "enrol_start", "2014")
    folder.set("arms.csv", 2, "pct_pancreatic", "40%")
    folder.set("arms.csv", 3, "modality", "TAER-resin")
    folder.set("objective_response.csv", 2, "events", "12/50")
    folder.set("objective_response.csv", 3, "events", "46")
    folder.set("objective_response.csv", 4, "arm", "TACE 2")
    folder.set("hepatotoxicity.csv", 6, "poolable", "no")
    assert [(p.file, p.row, p.column) for p in folder.validate().problems] == [
        ("arms.csv", 2, "pct_pancreatic"),
        ("arms.csv", 3, "modality"),
        ("hepatotoxicity.csv", 6, "poolable"),
        ("objective_response.csv", 2, "events"),
        ("objective_response.csv", 3, "events"),
        ("objective_response.csv", 3, "printed"),
        ("objective_response.csv", 4, "arm"),
        ("studies.csv", 2, "year"),
        ("studies.csv", 5, "enrol_start"),
    ]


def test_loading_raises_one_error_with_every_problem_of_the_report(folder):
    folder.set("arms.csv", 2, "n", "many")
    folder.set("objective_response.csv", 3, "events", "46")
    with pytest.raises(DataError) as caught:
        folder.load()
    assert caught.value.problems == folder.validate().problems
    assert "arms.csv:2:n: 'many' is not a number" in str(caught.value)
    assert "objective_response.csv:3:events: '46' is more than the total 45" in str(caught.value)


def test_without_checks_contradicting_tables_load_and_lost_rows_are_noted(folder):
    folder.set("objective_response.csv", 3, "events", "46")
    folder.set("objective_response.csv", 4, "study_id", "Nobody2000")
    rates = folder.load(check=False).rates("objective_response")
    assert 46 not in rates["events"].tolist()  # Adams 2014 is left out for its overlap with Adams 2010
    assert any(note.startswith("1 row without a study or an arm") for note in rates.attrs["notes"])


def test_without_checks_a_cell_that_cannot_be_read_stops_all_the_same(folder):
    folder.set("arms.csv", 2, "n", "many")
    with pytest.raises(DataError, match="not a number"):
        folder.load(check=False)


def test_the_curated_tables_have_no_fault():
    report = validate()
    assert report.problems == ()
    assert len(report.tables) == 15
    assert dict(report.tables)["studies.csv"] == 150


def test_the_curated_tables_keep_to_the_datapackage_by_frictionless_itself(tmp_path):
    import shutil

    from frictionless import Package

    from metanet.evidence.folders import curated_folder

    shutil.copytree(curated_folder(), tmp_path / "data")
    report = Package(str(tmp_path / "data" / "datapackage.json")).validate()
    assert report.valid, report.to_summary()


def test_validating_leaves_the_curated_files_as_they_are():
    from metanet.evidence.folders import curated_folder

    before = {path.name: path.read_bytes() for path in curated_folder().iterdir()}
    load_evidence()
    validate()
    assert {path.name: path.read_bytes() for path in curated_folder().iterdir()} == before
