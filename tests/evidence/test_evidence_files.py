"""Files: what spreadsheets and people send is read with a notice or refused in words."""

from __future__ import annotations

import codecs
import io
import os
import zipfile

import pytest

from metanet.base.errors import ArgumentError, DataError
from metanet.evidence import load_evidence, validate
from metanet.evidence.reading import text


def counts(evidence):
    return evidence.outcomes[["study_id", "arm", "events", "total"]].to_numpy().tolist()


def test_the_small_folder_is_without_fault(folder):
    report = folder.validate()
    assert report.ok
    assert report.notices == ()
    assert dict(report.tables) == {"studies.csv": 4, "arms.csv": 5, "objective_response.csv": 5, "hepatotoxicity.csv": 5}


@pytest.mark.parametrize(
    ("encoding", "words"), [("utf-8-sig", "byte order mark"), ("utf-16", "UTF-16"), ("utf-32", "UTF-32"), ("cp1252", "Windows-1252")]
)
def test_another_encoding_is_read_and_noticed(folder, encoding, words):
    folder.set("studies.csv", 4, "first_author", "Müller–Østergård")
    plain = folder.load().studies
    folder.files["studies.csv"] = folder.files["studies.csv"].decode().encode(encoding)
    assert folder.load().studies.equals(plain)
    (notice,) = [n for n in folder.validate().notices if n.file == "studies.csv"]
    assert words in notice.wrong


def test_big_endian_utf_16_is_read(folder):
    text = folder.files["arms.csv"].decode()
    folder.files["arms.csv"] = codecs.BOM_UTF16_BE + text.encode("utf-16-be")
    assert len(folder.load().arms) == 5


def test_the_notice_about_windows_1252_shows_a_word_to_check(folder):
    folder.set("studies.csv", 4, "first_author", "Müller")
    folder.files["studies.csv"] = folder.files["studies.csv"].decode().encode("cp1252")
    (notice,) = folder.validate().notices
    assert (notice.row, notice.value) == (4, "Müller")


def test_text_of_no_known_encoding_is_refused_with_its_line(folder):
    folder.files["arms.csv"] = folder.files["arms.csv"].replace(b"cTACE", b"c\x81\xff")
    problem = next(p for p in folder.validate().problems if p.file == "arms.csv")
    assert problem.row == 4
    assert "neither UTF-8 nor Windows-1252" in problem.wrong


def test_utf_16_that_breaks_off_is_refused(folder):
    folder.files["arms.csv"] = folder.files["arms.csv"].decode().encode("utf-16")[:-1]
    assert "breaks off" in folder.only().wrong


@pytest.mark.parametrize(("delimiter", "words"), [(";", "semicolons"), ("\t", "tabs")])
def test_another_separator_is_read_and_noticed(folder, delimiter, words):
    before = counts(folder.load())
    folder.put("objective_response.csv", folder.rows("objective_response.csv"), delimiter=delimiter)
    assert counts(folder.load()) == before
    assert f"objective_response.csv: is separated by {words} and was read accordingly" in folder.notices()


def test_excel_unicode_text_is_read(folder):
    before = folder.load().arms
    folder.put("arms.csv", folder.rows("arms.csv"), delimiter="\t", encoding="utf-16")
    assert folder.load().arms.equals(before)


def test_a_semicolon_file_with_decimal_commas_is_read(folder):
    before = folder.load().arms
    rows = [[cell.replace(".", ",") for cell in row] for row in folder.rows("arms.csv")]
    folder.put("arms.csv", rows, delimiter=";")
    assert folder.load().arms.equals(before)
    assert "arms.csv: writes decimals with a comma and was read accordingly" in folder.notices()


def test_a_decimal_point_in_a_file_of_decimal_commas_is_refused(folder):
    rows = folder.rows("arms.csv")
    rows[1][rows[0].index("median_age")] = "61,5"
    folder.put("arms.csv", rows, delimiter=";")
    places = {(p.row, p.column) for p in folder.validate().problems}
    assert places == {(2, "pct_pancreatic"), (6, "followup_median_months")}


@pytest.mark.parametrize("text", ["1.234", "61,234", "1.234,5"])
def test_thousands_or_decimals_between_semicolons_are_refused(folder, text):
    rows = folder.rows("arms.csv")
    rows[2][rows[0].index("followup_median_months")] = text
    for row in rows[1:]:
        row[:] = [cell.replace(".", ",") if cell != text else cell for cell in row]
    folder.put("arms.csv", rows, delimiter=";")
    problem = folder.only()
    assert (problem.row, problem.column, problem.value) == (3, "followup_median_months", text)
    assert "thousands or as decimals" in problem.wrong


def test_the_separator_line_that_excel_knows_is_skipped_and_lines_still_count(folder):
    folder.put("arms.csv", folder.rows("arms.csv"), delimiter=";")
    folder.files["arms.csv"] = b"sep=;\n" + folder.files["arms.csv"].replace(b"TARE;50;", b"TARE;fifty;")
    problem = folder.only()
    assert (problem.row, problem.column, problem.value) == (3, "n", "fifty")


@pytest.mark.parametrize("end", [b"\r\n", b"\r"])
def test_the_line_ends_of_other_systems_are_read(folder, end):
    before = counts(folder.load())
    folder.files = {name: data.replace(b"\n", end) for name, data in folder.files.items()}
    assert counts(folder.load()) == before


def test_trailing_empty_columns_are_left_out_with_a_notice(folder):
    folder.files["arms.csv"] = folder.files["arms.csv"].replace(b"\n", b",,,\n")
    assert len(folder.load().arms.columns) == 16
    assert "arms.csv: has 3 empty columns at the right, left out" in folder.notices()


def test_empty_cells_right_of_the_last_column_are_left_out(folder):
    lines = folder.files["arms.csv"].split(b"\n")
    lines[2] += b",,"
    folder.files["arms.csv"] = b"\n".join(lines)
    assert len(folder.load().arms) == 5


def test_trailing_empty_rows_are_left_out_with_a_notice(folder):
    folder.files["arms.csv"] += b",,,,,,,,,,,,,,,\n\n"
    assert len(folder.load().arms) == 5
    assert "arms.csv: has 2 empty rows (the first on line 7), left out" in folder.notices()


def test_a_row_is_numbered_by_the_line_on_which_it_begins(folder):
    folder.set("objective_response.csv", 3, "note", "one\ntwo\nthree")
    folder.set("objective_response.csv", 6, "events", "x")
    # The header is line 1 and the note takes two lines more, so the fifth row begins on line 8.
    folder.files["objective_response.csv"] = folder.files["objective_response.csv"]
    rows = folder.files["objective_response.csv"].split(b"\n")
    assert rows[7].startswith(b"Clark2015")
    problem = folder.only()
    assert (problem.row, problem.column, problem.value) == (8, "events", "x")


def test_data_under_an_empty_header_cell_is_refused_as_merged(folder):
    rows = folder.rows("arms.csv")
    rows[0][4] = ""
    folder.put("arms.csv", rows)
    problems = [p for p in folder.validate().problems if p.file == "arms.csv"]
    assert [(p.row, p.column) for p in problems] == [(1, "n"), (2, "E")]
    assert "merged" in problems[1].wrong
    assert problems[1].value == "50"


def test_a_title_above_the_column_names_is_refused(folder):
    folder.files["arms.csv"] = b"Table 1. Arms,,,,,,,,,,,,,,,\n" + folder.files["arms.csv"]
    problem = folder.only()
    assert problem.row == 1
    assert "column names on line 2" in problem.wrong


def test_two_header_rows_are_refused(folder):
    folder.files["arms.csv"] = b"Key,,Treatment,,Size,Baseline,,,,,,,,,,\n" + folder.files["arms.csv"]
    assert "column names on line 2" in folder.only().wrong


def test_a_column_name_that_stands_twice_is_refused(folder):
    folder.files["arms.csv"] = folder.files["arms.csv"].replace(b"pct_g2", b"pct_g1", 1)
    problem = folder.only()
    assert (problem.row, problem.column) == (1, "pct_g1")
    assert "2 times (G and H)" in problem.wrong


@pytest.mark.parametrize("written", ["Events", "event", "evnts", " events_"])
def test_a_misspelt_column_is_one_problem_with_the_nearest_name(folder, written):
    head, _, body = folder.files["objective_response.csv"].decode().partition("\n")
    folder.files["objective_response.csv"] = f"{head.replace('events', written)}\n{body}".encode()
    problem = folder.only()
    assert (problem.row, problem.value) == (1, written.strip())
    assert "'events'" in problem.fix


def test_a_required_column_that_is_missing_is_a_problem(folder):
    rows = folder.rows("objective_response.csv")
    place = rows[0].index("poolable")
    folder.put("objective_response.csv", [row[:place] + row[place + 1 :] for row in rows])
    problem = folder.only()
    assert (problem.file, problem.row, problem.column) == ("objective_response.csv", 1, "poolable")


def test_an_optional_column_that_is_missing_is_read_as_empty_and_noticed(folder):
    folder.put("arms.csv", [row[:-1] for row in folder.rows("arms.csv")])
    assert folder.load().arms["followup_median_months"].isna().all()
    assert "arms.csv: the column is missing and was read as empty" in folder.notices()


def test_columns_in_another_order_are_the_same_table(folder):
    before = folder.load().arms
    folder.put("arms.csv", [row[::-1] for row in folder.rows("arms.csv")])
    assert folder.load().arms.equals(before)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"\n\n  \n", "is empty"),
        (b",,,\n", "no column names"),
        (b"%PDF-1.7 abc", "PDF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "old Excel workbook"),
        (b"\x1f\x8b\x08\x00", "compressed"),
        (b"<html><body>", "web page"),
        (b"study_id,\x00arm\n", "zero bytes"),
        (bytes(range(128, 192)) + b"\x00", "zero bytes"),
    ],
)
def test_what_is_no_table_is_refused_in_words(folder, data, words):
    folder.files["arms.csv"] = data
    problem = next(p for p in folder.validate().problems if p.file == "arms.csv")
    assert words in problem.wrong


def test_a_workbook_under_a_csv_name_is_refused(folder):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    folder.files["arms.csv"] = buffer.getvalue()
    problem = folder.only()
    assert "Excel workbook" in problem.wrong
    assert "CSV UTF-8" in problem.fix


def test_a_file_too_large_to_be_a_table_is_refused(folder):
    folder.write()
    with (folder.path / "arms.csv").open("r+b") as stream:
        stream.truncate(text.LARGEST_FILE + 1)
    (problem,) = validate(folder.path).problems
    assert (problem.file, "MB" in problem.wrong) == ("arms.csv", True)


@pytest.mark.parametrize("opened", [b'"cTACE,TACE', b'"cTACE" x,TACE'])
def test_a_quotation_mark_that_is_not_closed_is_refused_at_its_row(folder, opened):
    folder.files["arms.csv"] = folder.files["arms.csv"].replace(b"cTACE,TACE", opened)
    problem = folder.only()
    assert (problem.file, problem.row) == ("arms.csv", 4)
    assert "quotation mark" in problem.wrong


def test_a_cell_beyond_what_the_reader_takes_is_refused_at_its_row(folder):
    folder.files["arms.csv"] = folder.files["arms.csv"].replace(b"cTACE", b"c" * 200_000)
    problem = folder.only()
    assert (problem.file, problem.row) == ("arms.csv", 4)
    # Which of two limits is met first hangs on what else has set the csv module's.
    assert "characters" in problem.wrong


@pytest.mark.parametrize(("change", "cells"), [(b",,,,,,", "15 cells"), (b",,,,,,,,60", "17 cells")])
def test_a_ragged_row_is_refused_with_its_line_and_drags_nothing_along(folder, change, cells):
    folder.files["arms.csv"] = folder.files["arms.csv"].replace(b"20,50,30,,,,,,,", b"20,50,30" + change)
    problem = folder.only()
    assert (problem.file, problem.row) == ("arms.csv", 4)
    assert problem.wrong == f"the row has {cells} where the header has 16"


def test_a_link_to_a_table_is_followed(folder, tmp_path):
    elsewhere = tmp_path / "elsewhere.csv"
    elsewhere.write_bytes(folder.files.pop("arms.csv"))
    folder.write()
    (folder.path / "arms.csv").symlink_to(elsewhere)
    assert validate(folder.path).ok


def test_a_link_to_nothing_is_refused(folder):
    del folder.files["arms.csv"]
    folder.write()
    (folder.path / "arms.csv").symlink_to(folder.path / "gone.csv")
    (problem,) = validate(folder.path).problems
    assert (problem.file, problem.wrong) == ("arms.csv", "does not exist")


def test_a_folder_in_the_place_of_a_table_is_refused(folder):
    del folder.files["arms.csv"]
    folder.write()
    (folder.path / "arms.csv").mkdir()
    (problem,) = validate(folder.path).problems
    assert (problem.file, "is a folder" in problem.wrong) == ("arms.csv", True)


def test_a_pipe_in_the_place_of_a_table_is_refused(folder):
    del folder.files["arms.csv"]
    folder.write()
    os.mkfifo(folder.path / "arms.csv")
    (problem,) = validate(folder.path).problems
    assert "not an ordinary file" in problem.wrong


def test_a_folder_called_like_a_table_is_refused(tmp_path):
    (tmp_path / "arms.csv").mkdir()
    (problem,) = validate(tmp_path / "arms.csv").problems
    assert "is a folder" in problem.wrong


def test_a_path_that_does_not_exist_is_said_so(tmp_path):
    (problem,) = validate(tmp_path / "nowhere").problems
    assert (problem.file, problem.wrong) == ("nowhere", "does not exist")


def test_an_empty_folder_is_said_so(tmp_path):
    (problem,) = validate(tmp_path).problems
    assert "without tables" in problem.wrong
    assert "studies.csv and arms.csv" in problem.fix


def test_a_missing_table_is_named(folder):
    del folder.files["arms.csv"]
    problem = folder.only()
    assert (problem.file, problem.wrong) == ("arms.csv", "is missing")


@pytest.mark.parametrize("name", ["Arms.csv", "arms.xlsx", "arm.csv", "ARMS.CSV"])
def test_a_misnamed_table_is_recognised(folder, name):
    folder.files[name] = folder.files.pop("arms.csv")
    problems = {problem.file: problem for problem in folder.validate().problems}
    assert set(problems) == {"arms.csv", name}
    assert repr(name) in problems["arms.csv"].fix
    assert "'arms.csv'" in problems[name].fix


def test_a_misnamed_outcome_is_not_passed_over(folder):
    folder.files["objective_respnse.csv"] = folder.files.pop("objective_response.csv")
    problem = folder.only()
    assert problem.file == "objective_respnse.csv"
    assert "'objective_response.csv'" in problem.fix


def test_a_table_of_counts_under_an_unknown_name_is_not_passed_over(folder):
    folder.files["zzz.csv"] = folder.files["objective_response.csv"]
    problem = folder.only()
    assert problem.file == "zzz.csv"
    assert "datapackage.json" in problem.fix


def test_any_other_file_is_left_alone_with_a_notice(folder):
    folder.files["zzz.csv"] = b"a,b\n1,2\n"
    folder.files["~$studies.xlsx"] = b"lock"
    folder.files["README.md"] = b"words"
    assert folder.notices() == ["zzz.csv: is not a known table and was not read"]


def test_a_folder_without_any_outcome_is_refused(folder):
    del folder.files["objective_response.csv"], folder.files["hepatotoxicity.csv"]
    assert "contains no outcome" in folder.only().wrong


@pytest.mark.parametrize("file", ["studies.csv", "arms.csv"])
def test_a_header_without_rows_is_refused_where_rows_must_be(folder, file):
    folder.files[file] = folder.files[file].split(b"\n")[0] + b"\n"
    assert any(p.file == file and "no rows" in p.wrong for p in folder.validate().problems)


def test_an_outcome_without_rows_is_a_notice_beside_others(folder):
    folder.files["hepatotoxicity.csv"] = folder.files["hepatotoxicity.csv"].split(b"\n")[0]
    assert folder.notices() == ["hepatotoxicity.csv: has column names and no rows"]
    assert folder.load().rates("hepatotoxicity").empty


def test_outcomes_all_without_rows_are_refused(folder):
    for name in ("hepatotoxicity.csv", "objective_response.csv"):
        folder.files[name] = folder.files[name].split(b"\n")[0]
    assert [p.file for p in folder.validate().problems] == ["hepatotoxicity.csv", "objective_response.csv"]


def test_one_table_can_be_validated_alone(folder):
    folder.set("arms.csv", 2, "n", "many")
    report = validate(folder.write() / "arms.csv")
    assert [(p.file, p.row, p.column) for p in report.problems] == [("arms.csv", 2, "n")]
    assert any("on its own" in notice.wrong for notice in report.notices)


def test_a_single_header_without_rows_is_refused(tmp_path, folder):
    (tmp_path / "arms.csv").write_bytes(folder.files["arms.csv"].split(b"\n")[0])
    (problem,) = validate(tmp_path / "arms.csv").problems
    assert "no rows" in problem.wrong


def test_a_single_file_of_an_unknown_name_is_told_the_nearest(tmp_path, folder):
    (tmp_path / "my_arms.csv").write_bytes(folder.files["arms.csv"])
    (problem,) = validate(tmp_path / "my_arms.csv").problems
    assert "'arms.csv'" in problem.fix


def test_a_workbook_given_alone_is_to_be_saved_and_not_renamed(tmp_path):
    (tmp_path / "arms.xlsx").write_bytes(b"PK\x03\x04 and so on")
    first, second = validate(tmp_path / "arms.xlsx").problems
    assert "Excel workbook" in first.wrong
    assert second.fix.startswith("Save it as CSV under the name 'arms.csv'")


@pytest.mark.parametrize("bad", [3, 1.5, b"x", "", "  ", ["a"], "a\x00b"])
def test_what_is_no_path_is_an_argument_error(bad):
    with pytest.raises(ArgumentError, match=r"is not a path|must be a text or a path"):
        validate(bad)


def test_loading_a_file_or_nothing_is_a_data_error(folder, tmp_path):
    with pytest.raises(DataError, match="is a file"):
        load_evidence(folder.write() / "arms.csv")
    with pytest.raises(DataError, match="does not exist"):
        load_evidence(tmp_path / "nowhere")
