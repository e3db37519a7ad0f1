"""The rule that proves counts: events follow from what the source prints, or a problem or a notice says why not."""

from __future__ import annotations

import json
import shutil

import pytest

from metanet.evidence import validate
from metanet.evidence.folders import DESCRIPTOR, curated_folder

FILE = "objective_response.csv"


def put(folder, printed, *, events="18", total="45", derived="true", derivation="read in the abstract", line=3):
    for column, value in (
        ("events", events),
        ("total", total),
        ("derived", derived),
        ("derivation", derivation),
        ("printed", printed),
    ):
        folder.set(FILE, line, column, value)


@pytest.mark.parametrize(
    "printed", ["40% of 45", "18/45", "18", "18/45 = 40% of 45", "27 - 20% of 45", "(20%+20%) of 45", "10 + 8", "45 - 60.0% of 45"]
)
def test_events_that_follow_in_one_way_are_silent(folder, printed):
    put(folder, printed)
    assert folder.notices() == []


def test_a_printed_count_that_is_not_derived_may_be_proved_as_well(folder):
    put(folder, "18/45 = 40% of 45", derived="false", derivation="")
    assert folder.notices() == []


def the_problem(folder):
    problem = folder.only()
    assert (problem.file, problem.row, problem.column) == (FILE, 3, "printed")
    return problem


def test_events_outside_of_the_set_are_a_problem_with_the_set(folder):
    put(folder, "42% of 45")
    problem = the_problem(folder)
    assert (problem.value, problem.wrong) == ("42% of 45", "is 19, and the events are 18")
    assert problem.fix == "Write 19 into 'events' if the figure is right, or correct the figure"
    put(folder, "39% of 443", events="170", total="443")
    folder.set("arms.csv", 3, "n", "443")
    assert the_problem(folder).wrong == "is 171, 172, 173 or 174, and the events are 170"


@pytest.mark.parametrize(
    ("printed", "wrong"),
    [
        ("50.2% of 79", "does not fit: 50.2 % of 79 is no whole number: 39 is 49.4 %, 40 is 50.6 %"),
        ("18/45 = 42% of 45", "does not fit: its figures do not fit each other: they give 18 and 19"),
        ("3 - 40% of 45", "does not fit: the difference is below 0"),
    ],
)
def test_figures_that_no_whole_number_fits_are_a_problem_with_the_usual_causes_in_neutral_words(folder, printed, wrong):
    put(folder, printed)
    problem = the_problem(folder)
    assert problem.wrong == wrong
    for cause in ("another denominator", "a misprint", "missing patients", "leave 'printed' empty"):
        assert cause in problem.fix
    # What the message says to do ends it; the notice that is left asks for nothing that is impossible.
    put(folder, "", derivation="the figures of the source do not fit", total="45")
    assert folder.notices() == []


def test_several_counts_are_a_notice_that_asks_for_another_figure(folder):
    folder.set("arms.csv", 3, "n", "443")
    put(folder, "39% of 443", events="172", total="443")
    (notice,) = folder.validate().notices
    assert (notice.file, notice.row, notice.column) == (FILE, 3, "printed")
    assert notice.wrong == "is 171, 172, 173 or 174, so that the events (172) are not certain"
    assert "after =" in notice.fix
    # The fix, followed.
    put(folder, "39% of 443 = 38.8% of 443", events="172", total="443")
    assert folder.notices() == []


@pytest.mark.parametrize("derivation", ["40% of 45 -> 18", "40 % of 45", "forty per cent of 45", "from the percentages", "40percent"])
def test_a_derivation_by_a_percentage_without_the_printed_figure_is_a_notice(folder, derivation):
    put(folder, "", derivation=derivation)
    (notice,) = folder.notices()
    assert "is empty though the count is derived from a percentage" in notice


@pytest.mark.parametrize("derivation", ["45 minus 27", "rows 3 and 4 of Table 2 together"])
def test_another_derivation_without_the_printed_figure_is_silent(folder, derivation):
    put(folder, "", derivation=derivation)
    assert folder.notices() == []


def test_a_figure_about_other_patients_than_the_total_is_a_notice_with_both(folder):
    put(folder, "40% of 45", total="40")
    (notice,) = folder.notices()
    assert notice == f"{FILE}: is about 45, and the total is 40"


@pytest.mark.parametrize(
    ("printed", "events"),
    [("40% of 20 + 40% of 25", "18"), ("40% of 45 = 72% of 25", "18"), ("50% of 22 + 33% of 21 + 2", "20"), ("18", "18")],
)
def test_groups_together_may_have_the_total_and_a_count_alone_has_none(folder, printed, events):
    put(folder, printed, events=events)
    told = folder.notices()
    assert told == ([] if "22" not in printed else [f"{FILE}: is about 22 and 21, and the total is 45"])


@pytest.mark.parametrize(
    ("printed", "wrong", "fix"),
    [
        ("40%", "has a percentage without its denominator", "16.1% of 56"),
        ("40% of forty", "cannot be read", "16.1% of 56"),
        ("18 (40%)", "gives a count and its percentage in brackets", "18 = 40% of N"),
        ("KM 40% of 45", "no count of patients (KM)", "leave 'printed' empty"),
        ("40,0% of 45", "comma", "point"),
        ("<40% of 45", "not exact", "leave 'printed' empty"),
    ],
)
def test_an_expression_that_cannot_be_read_is_a_problem_with_how_to_write_it(folder, printed, wrong, fix):
    put(folder, printed)
    problem = the_problem(folder)
    assert wrong in problem.wrong
    assert fix in problem.fix


def test_an_expression_is_read_where_the_numbers_of_the_row_are_not(folder):
    put(folder, "40%", events="many")
    assert {(problem.column, problem.row) for problem in folder.validate().problems} == {("events", 3), ("printed", 3)}


def test_every_row_is_checked_in_one_run(folder):
    for line in (2, 3, 4):
        put(folder, "50.2% of 79", line=line, events="9", total="30")
    assert [problem.row for problem in folder.validate().problems] == [2, 3, 4]


def without_printed(folder):
    for file in (FILE, "hepatotoxicity.csv"):
        rows = folder.rows(file)
        place = rows[0].index("printed")
        folder.put(file, [row[:place] + row[place + 1 :] for row in rows])


def test_a_file_without_the_column_is_silent_about_it(folder):
    without_printed(folder)
    assert "40% of 45 -> 18" in folder.rows(FILE)[2]
    assert folder.notices() == []


def test_a_folder_whose_own_contract_lacks_the_column_is_silent(folder):
    without_printed(folder)
    described = json.loads((curated_folder() / DESCRIPTOR).read_text(encoding="utf-8"))
    for resource in described["resources"]:
        fields = resource["schema"]["fields"]
        resource["schema"]["fields"] = [field for field in fields if field["name"] != "printed"]
    folder.files[DESCRIPTOR] = json.dumps(described).encode()
    # Its derivation speaks of a percentage, and nobody asks for a column that the folder does not know.
    assert folder.notices() == []
    put_column = folder.rows(FILE)
    folder.put(FILE, [[*row, "printed" if not place else "40% of 45"] for place, row in enumerate(put_column)])
    assert "printed" in str(folder.only())


def test_the_curated_tables_have_no_figure_that_does_not_fit(tmp_path):
    shutil.copytree(curated_folder(), tmp_path / "data")
    assert [problem for problem in validate(tmp_path / "data").problems if problem.column == "printed"] == []
