"""The tables of a search: read strictly, every sum held against the others, and no difference to folders without them."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path

import pytest

import metanet as mn
from metanet.base.errors import DataError
from metanet.evidence.contract import optional_resources
from metanet.evidence.search.identities import RULES
from metanet.evidence.search.numbers import read_numbers
from metanet.evidence.search.tables import EXCLUDED as EXCLUDED_CSV, FLOW as FLOW_CSV, NUMBERS, SEARCHED, SEARCHES

from .search import FLOW, TEMPLATE, UPDATED, excluded_csv, flow_csv, searches_csv, text_of

STUDIES = 4


def flow_of(folder, **changes):
    """A folder whose flow is the sound one with these changes."""
    folder.files["search_flow.csv"] = flow_csv({key: n for key, n in {**FLOW, **changes}.items() if n is not None})
    return folder


def found(folder):
    """Problems and notices of the flow alone; that these few studies are not the 27 reports is told in another test."""
    report = folder.validate()
    return list(report.problems), [n for n in report.notices if n.file == "search_flow.csv" and "studies.csv" not in n.wrong]


def test_a_sound_flow_has_no_problem(folder):
    assert found(flow_of(folder)) == ([], [])


def test_an_updated_review_has_no_problem_where_its_meta_analysis_is_that_of_the_tables(folder):
    flow_of(folder, **{**UPDATED, "total_reports_ma": str(STUDIES), "total_studies_ma": "4"})
    assert found(folder) == ([], [])


@pytest.mark.parametrize(
    ("key", "n", "said"),
    [
        (
            "records_screened",
            "351",
            "records_screened is 351, but databases 400 + registers 20 − duplicates 70 − automation 0 − other 0 = 350: 1 too many",
        ),
        ("dbr_sought_reports", "71", "dbr_sought_reports is 71, but records screened 350 − records excluded 280 = 70: 1 too many"),
        ("dbr_assessed", "64", "dbr_assessed is 64, but reports sought 70 − reports not retrieved 5 = 65: 1 too few"),
        ("other_assessed", "6", "reports sought by other methods 6 − reports of other methods not retrieved 1 = 5: 1 too many"),
        (
            "citations_results",
            "1",
            "other_sought_reports is 6, more than websites 4 + organisations 0 + citation searching 1 = 5: 1 too",
        ),
        (
            "new_reports",
            "30",
            "new_reports is 30, but reports assessed 65 − reports excluded 40 + reports of other methods assessed 5 − "
            "reports of other methods excluded 3 = 27: 3 too many",
        ),
        ("new_studies", "28", "new_studies is 28, more than new reports 27: 1 too many"),
        ("dbr_excluded", "Wrong, 66", "dbr_excluded is 66, more than reports assessed 65: 1 too many"),
        ("other_excluded", "Wrong, 6", "other_excluded is 6, more than reports of other methods assessed 5: 1 too many"),
        ("previous_studies", "13", "previous_studies is 13, more than previous reports 12: 1 too many"),
        ("total_studies", "35", "total_studies is 35, but previous studies 10 + new studies 24 = 34: 1 too many"),
        ("total_reports", "38", "total_reports is 38, but previous reports 12 + new reports 27 = 39: 1 too few"),
        ("total_studies", "40", "total_studies is 40, more than reports in total 39: 1 too many"),
        ("total_studies_ma", "35", "total_studies_ma is 35, more than studies in total 34: 1 too many"),
        ("total_reports_ma", "40", "total_reports_ma is 40, more than reports in total 39: 1 too many"),
        ("total_reports_ma", "29", "total_studies_ma is 30, more than reports in the meta-analysis 29: 1 too many"),
        ("database_results", "401", "database_results is 401, but records of each database 400: 1 too many"),
        ("register_results", "21", "register_results is 21, but records of each register 20: 1 too many"),
    ],
)
def test_every_sum_that_does_not_hold_is_a_problem_with_both_sides_and_the_difference(folder, key, n, said):
    folder.files["search_flow.csv"] = flow_csv({**UPDATED, key: n})
    problems, _ = found(folder)
    (problem,) = [p for p in problems if said in p.wrong]
    assert (problem.file, problem.column) == ("search_flow.csv", "n")
    assert problem.row is not None
    assert problem.fix == "Correct one of the numbers"


def test_every_rule_was_broken_once():
    marks = test_every_sum_that_does_not_hold_is_a_problem_with_both_sides_and_the_difference.pytestmark
    said = [case[2] for case in marks[0].args[1]]
    for rule in RULES:
        assert any(
            (text.startswith(f"{rule.key} is") or rule.key == "other_assessed")
            and NUMBERS[rule.terms[0].key].short in text
            and ("more than" in text) == rule.at_most
            for text in said
        ), rule


def test_numbers_that_are_not_given_count_as_nothing_and_the_message_says_so(folder):
    flow_of(folder, duplicates=None, excluded_automatic="NA", excluded_other="xxx")
    ((problem,), _) = found(folder)
    assert "− duplicates 0 (not given) − automation 0 (not given) − other 0 (not given) = 420: 70 too few" in problem.wrong


def test_a_number_that_follows_from_others_is_a_notice(folder):
    flow_of(folder, records_screened="")
    problems, notices = found(folder)
    assert not problems
    (notice,) = notices
    assert notice.wrong.startswith("records_screened is not given, and follows from databases 400")
    assert notice.fix == "Write 350 if that is right"


def test_a_sum_below_zero_is_a_problem_though_its_number_is_not_given(folder):
    flow_of(folder, records_screened="", duplicates="500")
    assert any("= −80 is below 0" in p.wrong for p in found(folder)[0])


@pytest.mark.parametrize(
    ("key", "text", "wrong"),
    [
        ("records_screened", "12b", "is not a number"),
        ("records_screened", "350 (n)", "is not a number"),
        ("records_screened", "1,204", "can be read as thousands or as decimals"),
        ("records_screened", "3.5", "is not a whole number"),
        ("records_screened", "-3", "is below 0"),
        ("records_screened", "9" * 30, "is above"),
        ("records_screened", "٣٥٠", "is not a number"),
        ("dbr_excluded", "Wrong population, 25; No rate, 15b", "has the entry 'No rate, 15b', without a comma and a whole number"),
        ("dbr_excluded", "Wrong population 25; No rate, 15", "has the entry 'Wrong population 25'"),
        ("dbr_excluded", "Wrong population, 25; 15", "has the entry '15'"),
        ("dbr_excluded", "Wrong population, 1,204", "can be read as thousands"),
        ("dbr_excluded", "Wrong population,1,204", "can be read as thousands"),
        ("dbr_excluded", ", 12; No rate, 15", "which names nothing"),
        ("dbr_excluded", "No rate, 12; no  Rate, 15", "names 'no Rate' twice"),
        ("dbr_excluded", "Wrong, -5", "without a comma and a whole number"),
    ],
)
def test_a_cell_that_is_no_number_or_list_is_refused_and_never_read_as_another_one(folder, key, text, wrong):
    flow_of(folder, **{key: text})
    (problem,) = folder.validate().problems
    assert wrong in problem.wrong
    assert (problem.column, problem.value) == ("n", text)
    with pytest.raises(DataError, match="search_flow"):
        mn.load_evidence(folder.write(), check=False)


def test_reasons_may_contain_commas_and_the_number_is_the_last_part():
    numbers = read_numbers(
        [("dbr_excluded", "Wrong population, under 18, mixed, 25; No rate,15;")], lambda *fault: pytest.fail(str(fault))
    )
    assert numbers.lists["dbr_excluded"] == (("Wrong population, under 18, mixed", 25), ("No rate", 15))
    assert numbers.get("dbr_excluded") == 40


def test_a_total_without_reasons_is_read_and_told(folder):
    flow_of(folder, dbr_excluded="40")
    problems, (notice,) = found(folder)
    assert not problems
    assert notice.wrong == "gives no reasons"


def test_a_key_that_is_not_known_or_there_twice_is_a_problem(folder):
    folder.files["search_flow.csv"] = flow_csv(FLOW) + b"dbr_assesed,65\nduplicates,70\n"
    one, two = folder.validate().problems
    assert (one.column, one.value, one.fix) == ("data", "dbr_assesed", "Write 'dbr_assessed' if that is meant")
    assert (two.row, two.value, two.wrong) == (23, "duplicates", "is there twice")


def test_the_template_of_the_r_package_is_a_table_as_it_is(folder):
    folder.files["search_flow.csv"] = TEMPLATE
    assert found(folder) == ([], [])
    evidence = folder.load()
    rows = evidence.optional_rows("search_flow")
    assert list(rows[0]) == ["data", "node", "box", "description", "boxtext", "tooltips", "url", "n"]
    assert {row["data"]: row["n"] for row in rows}["duplicates"] == "70"


def test_a_column_that_is_missing_is_named(folder):
    folder.files["search_flow.csv"] = b"data,box\nduplicates,70\n"
    (problem,) = folder.validate().problems
    assert (problem.column, problem.wrong) == ("n", "the column is missing")


EXCLUDED = {("full_text", "Wrong population, adults"): 25, ("", "no rate"): 15, ("other", "No rate"): 3}


def test_reasons_are_counted_in_the_excluded_reports(folder):
    flow_of(folder).files["excluded.csv"] = excluded_csv(EXCLUDED)
    assert found(folder) == ([], [])


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({("", "no rate"): 14}, "dbr_excluded for 'No rate' is 15, but rows of excluded.csv with this reason 14: 1 too many"),
        ({("other", "Duplicate"): 1}, "other_excluded for 'Duplicate' is 0, but rows of excluded.csv with this reason 1: 1 too few"),
        ({("other", "No rate"): 0}, "other_excluded for 'No rate' is 3, but rows of excluded.csv with this reason 0: 3 too many"),
    ],
)
def test_reasons_that_the_excluded_reports_do_not_bear_out_are_problems(folder, counts, said):
    flow_of(folder).files["excluded.csv"] = excluded_csv({**EXCLUDED, **counts})
    ((problem,), _) = found(folder)
    assert problem.wrong == said


def test_without_names_the_total_alone_is_counted(folder):
    flow_of(folder, dbr_excluded="40").files["excluded.csv"] = excluded_csv({**EXCLUDED, ("", "More"): 1})
    ((problem,), _) = found(folder)
    assert problem.wrong == "dbr_excluded is 40, but rows of excluded.csv at this stage 41: 1 too few"


@pytest.mark.parametrize(
    ("hits", "lists", "said"),
    [
        ([("MEDLINE", "250"), ("Embase", "150"), ("ClinicalTrials.gov", "20")], True, None),
        ([("MEDLINE", "200"), ("medline", "50"), ("Embase", "150")], True, None),
        ([("MEDLINE", "250"), ("Embase", "150")], False, None),
        ([("MEDLINE", "250"), ("Embase", "150"), ("CTG", "20")], False, None),
        ([("MEDLINE", "251"), ("Embase", "149")], True, "database_specific_results for 'MEDLINE' is 250, but records of its searches"),
        ([("MEDLINE", "250"), ("Embase", "151")], False, "database_results is 400, but records of the searches of databases in"),
        ([("MEDLINE", "400"), ("ClinicalTrials.gov", "19")], True, "register_results is 20, but records of the searches of registers"),
    ],
)
def test_the_records_of_the_searches_are_those_of_the_flow(folder, hits, lists, said):
    keys = ("database_specific_results", "register_specific_results") if lists else ()
    flow_of(folder, **{key: UPDATED[key] for key in keys}).files["searches.csv"] = searches_csv(hits)
    problems = [problem.wrong for problem in found(folder)[0]]
    assert any(said in wrong for wrong in problems) if said else not problems


@pytest.mark.parametrize(
    ("day", "wrong"),
    [("2025-02-30", "is no day"), ("2999-01-01", "lies in the future"), ("March 2025", "required form"), ("", "is empty")],
)
def test_the_day_of_a_search_is_a_day_that_was(folder, day, wrong):
    folder.files["searches.csv"] = searches_csv([("MEDLINE", "250")])
    folder.set("searches.csv", 2, "date", day)
    (problem,) = folder.validate().problems
    assert wrong in problem.wrong


def test_reports_in_total_that_are_not_the_studies_are_a_notice(folder):
    notices = flow_of(folder).validate().notices
    (notice,) = [n for n in notices if "studies.csv" in n.wrong]
    assert notice.wrong == "new_reports is 27, but rows of studies.csv 4: 23 too many"
    assert "several reports are about one cohort" in notice.fix


def test_reports_of_the_meta_analysis_are_those_with_a_row_that_may_be_pooled(folder):
    flow_of(folder, total_studies_ma="4", total_reports_ma="5")
    ((problem,), _) = found(folder)
    assert problem.wrong == "total_reports_ma is 5, but studies with a row that may be pooled 4: 1 too many"
    folder.set("objective_response.csv", 6, "poolable", "false")
    folder.set("hepatotoxicity.csv", 5, "poolable", "false")
    assert "pooled 3: 2 too many" in found(folder)[0][0].wrong


def test_a_folder_without_these_tables_is_as_before(folder):
    assert not folder.validate().notices
    evidence = folder.load()
    assert not any(evidence.optional_rows(role) for role in SEARCHED)


def test_the_tables_are_in_the_fingerprint_and_are_saved(folder, tmp_path):
    before = folder.load().fingerprint
    flow_of(folder).files["excluded.csv"] = excluded_csv(EXCLUDED)
    folder.files["searches.csv"] = searches_csv([("MEDLINE", "400")])
    evidence = folder.load()
    assert evidence.fingerprint != before
    assert (len(evidence.optional_rows("excluded")), evidence.optional_rows("searches")[0]["hits"]) == (43, 400)
    saved = mn.load_evidence(evidence.save(tmp_path / "saved"))
    assert saved.fingerprint == evidence.fingerprint
    assert saved.optional_rows("search_flow") == evidence.optional_rows("search_flow")


def test_a_file_that_is_nearly_called_so_is_a_notice(folder):
    folder.files["exclude.csv"] = b"a,b\n1,2\n"
    (notice,) = folder.validate().notices
    assert notice.fix == "Rename it to 'excluded.csv' if that is meant"


def test_a_descriptor_of_its_own_may_describe_other_tables_under_these_names(folder, curated_descriptor):
    other = {"fields": [{"name": "who", "type": "string"}]}
    curated_descriptor["resources"].append({"name": "mine", "path": "excluded.csv", "schema": other})
    folder.files["datapackage.json"] = json.dumps(curated_descriptor).encode()
    folder.files["excluded.csv"] = b"who\nme\n"
    assert folder.validate().ok
    assert not folder.load().optional_rows("excluded")


def test_words_of_a_review_for_its_reasons_are_those_of_its_descriptor(folder, curated_descriptor):
    mine = deepcopy(next(resource for resource in optional_resources() if resource["name"] == "excluded"))
    next(f for f in mine["schema"]["fields"] if f["name"] == "reason")["constraints"]["enum"] = ["No rate"]
    curated_descriptor["resources"].append(mine)
    folder.files["datapackage.json"] = json.dumps(curated_descriptor).encode()
    folder.files["excluded.csv"] = excluded_csv({("", "no rates"): 1})
    (problem,) = folder.validate().problems
    assert problem.fix == "Write 'No rate' if that is meant"


@pytest.fixture
def curated_descriptor():
    from metanet.evidence.folders import curated_folder

    return json.loads((curated_folder() / "datapackage.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("file", [FLOW_CSV, EXCLUDED_CSV, SEARCHES])
def test_one_table_of_the_search_is_checked_alone(folder, file):
    flow_of(folder).files["excluded.csv"] = excluded_csv(EXCLUDED)
    folder.files["searches.csv"] = searches_csv([("MEDLINE", "400")])
    report = mn.validate(folder.write() / file)
    assert report.ok, str(report)
    assert Path(report.path).name == file


def test_cells_of_hostile_files_stay_visible(folder):
    folder.files["search_flow.csv"] = text_of([["data", "n"], ["dbr_excluded", "\x1b[31mred 4"]])
    assert "\x1b" not in str(folder.validate())
