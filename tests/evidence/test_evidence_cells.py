"""Cells: each wrong spelling is refused at its place, each harmless one is read."""

from __future__ import annotations

import math

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from metanet.evidence.reading.cells import PLACEHOLDERS, plain_number

REFUSED = [
    ("objective_response.csv", 2, "events", "12/40", "two numbers", "'total'"),
    ("objective_response.csv", 2, "events", "40%", "per cent sign", "count"),
    ("arms.csv", 2, "pct_pancreatic", "40.5 %", "per cent sign", "Write 40.5 alone"),
    ("arms.csv", 2, "pct_pancreatic", "40,5", "decimal comma", "Write 40.5"),
    ("arms.csv", 2, "n", "1,234", "thousands", "without thousands separators"),
    ("arms.csv", 2, "n", "1.234", "thousands", "without thousands separators"),
    ("arms.csv", 2, "n", "1 163", "thousands", "without thousands separators"),
    ("arms.csv", 2, "n", "1.000", "thousands", "without thousands separators"),
    ("arms.csv", 2, "n", "12. Mai", "date", "type the number again"),
    ("arms.csv", 2, "n", "3-May", "date", "type the number again"),
    ("arms.csv", 2, "median_age", "Jun 61", "date", "type the number again"),
    ("arms.csv", 2, "median_age", "12.05.2024", "date", "type the number again"),
    ("arms.csv", 2, "median_age", "2024-05-12", "date", "type the number again"),
    ("arms.csv", 2, "median_age", "61 ± 9", "spread", "alone"),
    ("arms.csv", 2, "median_age", "45-78", "range", "note"),
    ("arms.csv", 2, "median_age", "61 years", "unit", "alone"),
    ("arms.csv", 2, "median_age", ">60", "not an exact number", "note"),
    ("arms.csv", 2, "median_age", "NaN", "missing value", "empty"),
    ("arms.csv", 2, "median_age", "inf", "not a number", "digits"),
    ("arms.csv", 2, "median_age", "1_0", "not a number", "digits"),
    ("arms.csv", 2, "median_age", "٦١", "not a number", "digits"),
    ("arms.csv", 2, "n", "50.5", "not a whole number", "whole"),
    ("arms.csv", 2, "n", "5e1", "scientific", "out"),
    ("arms.csv", 2, "n", "2O", "not a number", "digits"),
    ("arms.csv", 2, "n", "0", "below 1", "Patients in the arm"),
    ("arms.csv", 2, "pct_pancreatic", "140", "above 100", "Share"),
    ("arms.csv", 2, "pct_pancreatic", "-4", "below 0", "Share"),
    ("arms.csv", 2, "n", "20 (40%)", "count and a percentage", "Write the count 20"),
    ("arms.csv", 2, "n", "", "is empty", "Fill it in"),
    ("arms.csv", 2, "n", "#REF!", "is a spreadsheet error", "Correct it in"),
    ("arms.csv", 2, "arm", "####", "is a spreadsheet error", "Correct it in"),
    ("arms.csv", 2, "modality", "TARE_resin", "not a word of this column", "'TARE-resin'"),
    ("studies.csv", 2, "design", "RCT", "not a word of this column", "'rct'"),
    ("studies.csv", 2, "year", "1492", "below 1950", "publication"),
    ("studies.csv", 2, "year", "2010-05-03", "date", "type the number again"),
    ("studies.csv", 2, "doi", "https://doi.org/10.1000/a1", "does not have the required form", "begins with 10."),
    ("studies.csv", 2, "pmid", "PMID 100", "does not have the required form", "digits"),
    ("studies.csv", 2, "country", "n/a", "missing value", "empty"),
    ("studies.csv", 2, "centre", "#N/A", "is a spreadsheet error", "Correct it in"),
    ("studies.csv", 2, "title", "a\x1b[31mred", "control character", "Delete"),
    ("studies.csv", 2, "title", "abc\u202edef", "control character", "Delete"),
    ("studies.csv", 2, "first_author", "MÃ¼ller", "opened as Windows-1252", "Write 'Müller'"),
    ("studies.csv", 2, "title", "M\ufffdller", "lost a character", "UTF-8"),
    ("objective_response.csv", 2, "criteria", "RECIST 1.1", "not a word of this column", "'RECIST1.1'"),
    ("objective_response.csv", 2, "criteria", "other:", "not a word of this column", "other"),
    ("objective_response.csv", 2, "poolable", "yes", "not spelt as true or false", "Write true"),
    ("objective_response.csv", 2, "poolable", "True", "not spelt as true or false", "Write true"),
    ("objective_response.csv", 2, "poolable", "1", "not spelt as true or false", "Write true"),
    ("objective_response.csv", 2, "poolable", "FALSCH", "not spelt as true or false", "Write false"),
    ("objective_response.csv", 2, "poolable", "perhaps", "neither true nor false", "true or false"),
    ("objective_response.csv", 2, "poolable", "", "is empty", "Fill it in"),
    ("objective_response.csv", 2, "total", "0", "below 1", "denominator"),
    ("objective_response.csv", 2, "certainty", "hihg", "not a word of this column", "'high'"),
    ("hepatotoxicity.csv", 2, "definition", "ctcae_grade3_laboratory", "not a word", "'ctcae_grade3plus_laboratory'"),
]


@pytest.mark.parametrize(("file", "line", "column", "value", "wrong", "fix"), REFUSED)
def test_a_wrong_cell_is_named_with_its_place_and_its_mend(folder, file, line, column, value, wrong, fix):
    folder.set(file, line, column, value)
    found = [p for p in folder.validate().problems if (p.row, p.column) == (line, column)]
    assert len(found) == 1
    problem = found[0]
    assert (problem.file, problem.value) == (file, value)
    assert wrong in problem.wrong
    assert fix in problem.fix


@pytest.mark.parametrize("word", sorted(PLACEHOLDERS))
def test_a_placeholder_for_nothing_is_refused_in_a_number(folder, word):
    folder.set("arms.csv", 3, "median_age", word)
    problem = folder.only()
    assert (problem.row, problem.column, problem.value) == (3, "median_age", word)
    assert "empty" in problem.fix


@pytest.mark.parametrize("name", ["Müller", "Østergård", "Ângela São", "Łukasz", "王", "naïve – “quoted” ≥50 % ±β²"])
def test_accents_and_other_scripts_are_text_like_any_other(folder, name):
    folder.set("studies.csv", 2, "first_author", name)
    assert folder.load().studies["first_author"].iloc[0] == name


def test_an_author_called_na_is_not_a_placeholder(folder):
    folder.set("studies.csv", 2, "first_author", "Na")
    assert folder.validate().ok


@pytest.mark.parametrize("word", ["TRUE", "true"])
def test_the_spellings_of_true_that_excel_makes_are_read(folder, word):
    folder.set("objective_response.csv", 2, "poolable", word)
    assert folder.load().outcomes["poolable"].iloc[0]


def test_false_in_capitals_is_read_as_false(folder):
    folder.set("objective_response.csv", 2, "poolable", "FALSE")
    assert not folder.load().outcomes["poolable"].iloc[0]


@pytest.mark.parametrize("text", ["50.0", "50.00", "50"])
def test_a_whole_number_with_zero_decimals_is_that_whole_number(folder, text):
    folder.set("arms.csv", 2, "n", text)
    assert folder.load().arms["n"].tolist() == [50, 45, 30, 31, 40]


def test_spaces_around_values_are_cut_off_and_noticed(folder):
    folder.set("arms.csv", 2, "n", "\u00a050 ")
    folder.set("arms.csv", 2, "study_id", " Adams2010\u200b")
    assert folder.load().arms.loc[0, ["study_id", "n"]].tolist() == ["Adams2010", 50]
    assert "arms.csv: had surplus or non-breaking spaces in 1 row, which were removed" in folder.notices()


def test_a_non_breaking_space_inside_a_name_does_not_make_it_another_name(folder):
    folder.set("arms.csv", 4, "arm", "TACE one")
    folder.set("objective_response.csv", 4, "arm", "TACE\u00a0one")
    assert folder.validate().ok


def test_a_cell_longer_than_a_spreadsheet_holds_is_refused(folder):
    folder.set("objective_response.csv", 3, "note", "x" * 40_000)
    problem = folder.only()
    assert (problem.row, problem.column) == (3, "note")
    assert "40,000 characters" in problem.wrong


def test_a_long_note_is_kept_whole(folder):
    folder.set("objective_response.csv", 3, "note", "y" * 30_000)
    assert folder.load().outcomes["note"].str.len().max() == 30_000


def test_empty_cells_are_missing_numbers_and_empty_text(folder):
    evidence = folder.load()
    assert math.isnan(evidence.arms["median_age"].iloc[1])
    assert evidence.studies["doi"].iloc[2] == ""
    assert evidence.studies["enrol_start"].isna().tolist() == [False, False, True, False]


@given(st.integers(-(10**9), 10**9))
def test_a_plain_whole_number_is_read_as_itself(number):
    assert plain_number(str(number), whole=True, comma=False, foreign=False) == str(number)


@given(st.text(max_size=12))
def test_what_is_read_as_a_number_is_a_number_to_python(text):
    for whole in (True, False):
        read = plain_number(text, whole=whole, comma=False, foreign=False)
        assert read is None or math.isfinite(float(read))


@given(st.decimals(0, 10**6, places=2))
def test_a_decimal_comma_and_a_decimal_point_mean_the_same(number):
    pointed = f"{number:.2f}"
    assert plain_number(pointed.replace(".", ","), whole=False, comma=True, foreign=True) == pointed


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=20), column=st.sampled_from(range(16)))
def test_no_text_in_any_cell_makes_the_validation_fail(folder, text, column):
    rows = folder.rows("objective_response.csv")
    kept = rows[1][column]
    rows[1][column] = text
    folder.put("objective_response.csv", rows)
    report = folder.validate()
    rows[1][column] = kept
    folder.put("objective_response.csv", rows)
    assert all(line.isprintable() for line in str(report).splitlines())
