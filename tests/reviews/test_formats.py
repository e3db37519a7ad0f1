"""Workbooks, files of Stata, SPSS and R, OpenMeta and references: what they become, and what is refused by its kind."""

from __future__ import annotations

import datetime
import io
import sys
import zipfile

import pandas as pd
import pytest
from click.testing import CliRunner

import metanet as mn
from metanet.base.errors import ArgumentError, MetanetError
from metanet.cli import cli
from metanet.reviews.importers.excel import shown

from .conftest import COVIDENCE, PLAIN, RELIEF, ROWS, package, rm5
from .formats import OPENMETA, RIS, ROWS_OF_PLAIN, dta, frame, rda, rds, sav, xls, xlsx

ONE = {"outcomes": ["response"]}
COUNTS = [("Adams2010", "Drug A", "5", "20"), ("Baker2011", "Drug A", "7", "30")]


# Workbooks


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (0.161, "0.0%", "16.1%"),
        (9 / 56, "0.0%", "16.1%"),
        (0.44, "0.0%", "44.0%"),
        (0.44, "0%", "44%"),
        (0.125, "0%;[Red]-0%", "13%"),
        (12, "General", "12"),
        (12.0, "0", "12"),
        (0.29 * 100, "General", "29"),
        (28.6, "0", "28.6"),
        (44.0, "0.0", "44.0"),
        (16.1, "0.00", "16.10"),
        (1234, "#,##0", "1234"),
        (1e20, "General", "100000000000000000000"),
        (5, '0" patients %"', "5"),
        (True, "General", "TRUE"),
        (datetime.datetime(2010, 7, 1), "dd.mm.yyyy", "2010-07-01"),
        (datetime.datetime(2010, 7, 1), "yyyy", "2010"),
        ("  9/56 ", "@", "  9/56 "),
        (None, "0", ""),
    ],
)
def test_a_cell_is_read_as_a_person_sees_it(value, form, text):
    assert shown(value, form) == text


def test_the_sheet_with_the_columns_is_read_and_named(review):
    made = review.take("excel", xlsx({"Read me": [["Extraction"], ["by", "AB"]], "Data": ROWS_OF_PLAIN}), "x.xlsx", **ONE)
    assert review.counts("response") == COUNTS
    assert "Sheet 'Data' of 2 was read." in made.notes
    assert review.column("response", "source_locator") == ["sheet Data, row 2", "sheet Data, row 3"]


def test_several_sheets_that_fit_are_named_and_the_fix_works(review, tmp_path):
    content = xlsx({"First": ROWS_OF_PLAIN, "Second": ROWS_OF_PLAIN[:2]})
    problem = review.only("excel", content, **ONE)
    assert "'First' and 'Second'" in problem.wrong
    assert problem.fix == "Choose one with sheet='First' or sheet='Second'"
    assert "Did" not in problem.fix
    assert review.only("excel", content, **ONE, sheet="Secnd").fix == "Name one, such as sheet='Second'"
    (tmp_path / "x.xlsx").write_bytes(content)
    words = ["import", "excel", str(tmp_path / "x.xlsx"), "--into", str(review.path), "--outcome", "response"]
    assert "--sheet 'First'" in str(CliRunner().invoke(cli, words).exception)
    assert CliRunner().invoke(cli, [*words, "--sheet", "Second"]).exit_code == 0
    assert review.counts("response") == COUNTS[:1]
    review.take("excel", content, outcomes=["harm"], sheet="1")
    assert len(review.rows("harm")) == 2


def test_cells_beside_the_table_of_a_workbook_are_named_and_the_fix_works(review):
    head, first, *rest = map(list, ROWS_OF_PLAIN)
    problem = review.only("excel", xlsx({"Data": [head, [*first, "checked by AB"], *rest]}), "x.xlsx", **ONE)
    assert (problem.row, problem.value, problem.wrong) == (2, "checked by AB", f"has more cells than the {len(head)} columns")
    assert problem.fix == "Name the columns of these cells, or delete the cells"
    named = xlsx({"Data": [[*head, "Remark"], [*first, "checked by AB"], *rest]})
    review.take("excel", named, "x.xlsx", **ONE, columns=["Remark="])
    assert review.counts("response") == COUNTS


def test_mapped_columns_find_the_sheet(review):
    other = [["study", "year", "modality", "dead", "total"], ["Adams 2010", 2010, "Drug A", 1, 20]]
    review.take("excel", xlsx({"Response": ROWS_OF_PLAIN, "Deaths": other}), outcomes=["death"], columns=["dead=events"])
    assert review.counts("death") == [("Adams2010", "Drug A", "1", "20")]


def test_rows_above_and_merged_headings_are_understood(review):
    rows = [
        ["Table 1. Results", None, None, None, None, None],
        [],
        ["Study", "Year", "Drug A", None, "Placebo", None],
        [None, None, "events", "n", "events", "n"],
        ["Adams 2010", 2010, 5, 20, 2, 21],
        ["Baker 2011", 2011, 7, 30, 4, 31],
    ]
    content = xlsx({"Data": rows}, merged={"Data": "A1:F1 A3:A4 B3:B4 C3:D3 E3:F3"})
    fields = ("events", "total", "events_control", "total_control")
    columns = [
        f"{name}={field}" for name, field in zip(("Drug A events", "Drug A n", "Placebo events", "Placebo n"), fields, strict=True)
    ]
    made = review.take("excel", content, **ONE, columns=columns, values=["modality=Drug A", "modality_control=Placebo"])
    assert review.counts("response") == [
        *(("Adams2010", "Drug A", "5", "20"), ("Adams2010", "Placebo", "2", "21")),
        *(("Baker2011", "Drug A", "7", "30"), ("Baker2011", "Placebo", "4", "31")),
    ]
    assert "1 line above the column names left out: 'Table 1. Results'." in made.notes


def test_names_merged_over_the_arms_of_a_study_belong_to_each_and_numbers_to_one(review):
    rows = [["study", "year", "modality", "events", "total"], ["Adams 2010", 2010, "A", 5, 20], [None, None, "B", 7, 30]]
    review.take("excel", xlsx({"Data": rows}, merged={"Data": "A2:A3 B2:B3"}), **ONE)
    assert review.counts("response") == [("Adams2010", "A", "5", "20"), ("Adams2010", "B", "7", "30")]
    problem = review.only(
        "excel", xlsx({"Data": [*rows[:2], ["Adams 2010", 2010, "B", 7, None]]}, merged={"Data": "E2:E3"}), outcomes=["harm"]
    )
    assert (problem.row, problem.column, problem.wrong) == (3, "total", "is empty (Adams 2010)")


def test_a_percentage_of_a_workbook_is_proved_and_a_date_is_no_count(review):
    rows = [ROWS_OF_PLAIN[0], ["Adams 2010", 2010, "Drug A", 9 / 56, 56]]
    review.take("excel", xlsx({"Data": rows}, formats={"D2": "0.0%"}), **ONE)
    assert review.column("response", "printed") == ["16.1% of 56"]
    rows[1][3] = datetime.date(2024, 9, 5)
    assert "looks like a date" in review.only("excel", xlsx({"Data": rows}), outcomes=["harm"]).wrong


def test_the_old_format_is_read_alike(review):
    made = review.take("excel", xls(), "x.xls", **ONE)
    assert review.counts("response") == [
        *(("Adam2001", "Drug A", "9", "56"), ("Berg2005", "Drug A", "9", "30"), ("Cruz2010", "Drug A", "12", "40"))
    ]
    assert review.column("response", "printed")[0] == "16.1% of 56"
    assert review.column("studies", "year") == ["2001", "2005", "2010"]
    assert "1 line above the column names left out: 'Table 1'." in made.notes


def test_formulas_without_results_are_refused(review):
    rows = [*ROWS_OF_PLAIN, ["Clark 2012", 2012, "Drug A", "=D2+D3", 50]]
    problem = review.only("excel", xlsx({"Data": rows}), **ONE)
    assert "formulas without their results (D4)" in problem.wrong
    assert "save it there" in problem.fix


def test_hidden_rows_are_read_and_said(review):
    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(xlsx({"Data": ROWS_OF_PLAIN})))
    book["Data"].row_dimensions[3].hidden = True
    out = io.BytesIO()
    book.save(out)
    made = review.take("excel", out.getvalue(), **ONE)
    assert "1 hidden row of the sheet read as the others: 3." in made.notes


def _with(content: bytes, name: str, old: bytes, new: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as given, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for member in given.namelist():
            data = given.read(member)
            made.writestr(member, data.replace(old, new) if member == name else data)
    return out.getvalue()


SHEET = "xl/worksheets/sheet1.xml"
BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><worksheet'


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"<worksheet", BOMB, "document type"),
        (b"</sheetData>", b'</sheetData><mergeCells count="1"><mergeCell ref="A5:XFD1048576"/></mergeCells>', "merged range"),
        (b"<sheetData>", b"<sheetData", "damaged"),
    ],
)
def test_a_workbook_that_does_harm_is_refused(review, old, new, words):
    assert words in review.only("excel", _with(xlsx({"Data": ROWS_OF_PLAIN}), SHEET, old, new), **ONE).wrong


def test_a_cell_far_away_takes_no_memory(review):
    content = _with(
        xlsx({"Data": ROWS_OF_PLAIN}), SHEET, b"</sheetData>", b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
    )
    assert review.refused("excel", content, **ONE)


@pytest.mark.parametrize("cut", [30, 400, 2_000])
def test_a_workbook_that_was_cut_off_is_refused(review, cut):
    content = xlsx({"Data": ROWS_OF_PLAIN})
    assert review.refused("excel", content[: len(content) - cut], **ONE)
    assert review.refused("excel", xls()[: len(xls()) - cut], **ONE)


# Stata, SPSS and R


def labelled() -> pd.DataFrame:
    return pd.DataFrame({"study": ["Adams 2010", "Baker 2011"], "modality": [1, 2], "events": [5.0, float("nan")], "total": [20, 30]})


def test_value_labels_of_stata_are_words(review):
    content = dta(labelled(), value_labels={"modality": {1: "Drug A", 2: "Placebo"}})
    made = review.take("stata", content, "x.dta", **ONE, missing="skip")
    assert review.counts("response") == COUNTS[:1]
    assert "1 row without events or total: row 2 (Baker 2011)" in made.left_out


def test_value_labels_of_spss_are_words(review):
    content = sav(labelled(), variable_value_labels={"modality": {1: "Drug A", 2: "Placebo"}})
    review.take("spss", content, "x.sav", **ONE, missing="skip")
    assert review.counts("response") == COUNTS[:1]


def test_factors_of_r_are_words(review):
    table = labelled().astype({"study": object})
    table["modality"] = pd.Categorical(["Drug A", "Placebo"])
    review.take("r", rds(table), "x.rds", **ONE, missing="skip")
    assert review.counts("response") == COUNTS[:1]


def test_one_data_frame_is_taken_and_several_are_named(review):
    review.take("r", rda(counts=frame(), note=["x"]), "x.rda", **ONE)
    assert review.counts("response") == COUNTS
    content = rda(first=frame(), second=frame())
    problem = review.only("r", content, outcomes=["harm"])
    assert problem.wrong == "has 2 data frames that may be meant: 'first' and 'second'"
    review.take("r", content, outcomes=["harm"], sheet="second")
    assert len(review.rows("harm")) == 2
    review.take("r", rda(result={"data": frame(), "k": ["2"]}), outcomes=["death"])
    assert len(review.rows("death")) == 2
    assert "has no data frame, but x (list)" in review.only("r", rda(x=["a"]), **ONE).wrong


@pytest.mark.parametrize(("format", "content"), [("stata", dta()), ("spss", sav()), ("r", rds())], ids=["stata", "spss", "r"])
def test_a_file_that_was_cut_off_is_refused(review, format, content):
    assert review.refused(format, content[: len(content) * 2 // 3], **ONE)


@pytest.mark.parametrize(
    ("format", "content", "name"),
    [("spss", sav(), "pyreadstat"), ("r", rds(), "rdata"), ("excel", xls(), "xlrd")],
    ids=["spss", "r", "excel"],
)
def test_a_library_that_is_not_installed_is_named_with_the_command(review, monkeypatch, format, content, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MetanetError) as caught:
        review.take(format, content, **ONE)
    assert f"python -m pip install '{name}>=" in str(caught.value)
    assert "install metanet" not in str(caught.value)
    # Those that every installation has are in no extra.
    assert ("pip install -e '.[formats]'" in str(caught.value)) == (name in ("pyreadstat", "rdata"))


# OpenMeta


def test_the_groups_of_openmeta_are_treatments_and_studies_that_are_off_are_left_out(review):
    made = review.take("openmeta", OPENMETA, **ONE)
    assert review.counts("response")[:2] == [("Adams", "Drug A", "5", "20"), ("Adams", "Placebo", "2", "21")]
    assert "1 row that OpenMeta does not include: line 4 (Clark)" in made.left_out
    assert "3 columns: OR, lower and upper" in made.left_out
    assert review.column("studies", "year") == ["2010", "2011"]


def test_another_table_is_no_table_of_openmeta(review):
    assert "'tx A #evts'" in review.only("openmeta", PLAIN, **ONE).wrong


# References


def test_references_fill_empty_cells_and_overwrite_none(review):
    review.take("csv", PLAIN.replace("total\n", "total,journal\n").replace("20\n", "20,Old name\n").replace("30\n", "30,\n"), **ONE)
    made = review.take("citations", RIS + RIS.replace("Adams, Ann", "Nobody, X"))
    study = review.rows("studies")[0]
    assert (study["title"], study["journal"]) == ("A trial of drug A", "Old name")
    assert made.filled == (1, 1)
    assert made.left_out == ("1 reference of no study of the review: Nobody 2010",)
    assert "Written differently in the tables, which are not changed: journal of Adams2010." in made.notes
    assert "1 study without a reference: Baker2011." in made.notes
    assert "1 cell of 1 study filled" in made.summary()
    assert mn.validate(review.data).ok


def test_a_doi_finds_its_study_whatever_the_author_is_called(review):
    review.take("csv", PLAIN.replace("total\n", "total,doi\n").replace("20\n", "20,10.1000/AbC\n").replace("30\n", "30,\n"), **ONE)
    other = RIS.replace("Adams, Ann", "Consortium").replace(
        "ER  -", "DO  - https://doi.org/10.1000/abc\nAN  - 12345678\nDB  - PubMed\nER  -"
    )
    review.take("citations", other)
    assert review.column("studies", "title") == ["A trial of drug A", ""]
    assert review.column("studies", "pmid") == ["12345678", ""]
    assert review.column("studies", "doi") == ["10.1000/AbC", ""]


def test_bibtex_is_read_with_its_accents_and_what_cannot_be_read_is_named(review):
    review.take("csv", PLAIN.replace("Adams 2010", "Müller 2010"), **ONE)
    fields = r"title={{TACE} in M\"unchen}, author={M{\"u}ller, A and B, C}, year=2010, journal={J X}, note={PMID: 1234567}"
    bib = f"@article{{a, {fields}}}\n@article{{b, title="
    made = review.take("citations", bib)
    study = review.rows("studies")[0]
    assert [study[name] for name in ("title", "journal", "pmid")] == ["TACE in München", "J X", "1234567"]
    assert made.left_out == ("1 reference that cannot be read: line 2",)


def test_ambiguous_references_are_listed_and_fill_nothing(review):
    review.take("csv", PLAIN, **ONE)
    made = review.take("citations", RIS + RIS.replace("A trial of drug A", "Another trial"))
    assert made.filled == (0, 0)
    assert "none was filled: Adams2010: A trial of drug A and Another trial" in made.left_out[0]
    # The same reference from two databases is one.
    assert review.take("citations", RIS + RIS).filled == (2, 1)


def test_references_without_a_study_are_refused_with_a_fix_that_works(review):
    assert review.only("citations", RIS).fix == "Import the counts of the studies first"
    review.take("csv", PLAIN, **ONE)
    assert review.take("citations", RIS).filled == (2, 1)
    with pytest.raises(ArgumentError, match="outcomes='x' is given, and references have no counts"):
        review.take("citations", RIS, outcomes=["x"])


# Files of another kind


@pytest.mark.parametrize(
    ("content", "words", "fix"),
    [
        (b"%PDF-1.7\n", "is a PDF, not a table", "Copy its table into a spreadsheet"),
        (rm5(RELIEF).encode(), "is a review of RevMan 5", "the format 'revman5'"),
        (package({"word/document.xml": "<w/>", "[Content_Types].xml": ""}), "is a Word document", "Copy its table"),
        (package({"a.csv": PLAIN}), "is a ZIP file", "Unpack it"),
        (package({"X-data-rows.csv": ROWS}), "is a data package of RevMan Web", "the format 'revman-web'"),
        (package({"mimetype": "application/vnd.oasis", "content.xml": ""}), "is an OpenDocument file", "save the table as .xlsx"),
        (xlsx({"Data": ROWS_OF_PLAIN}), "is an Excel workbook", "the format 'excel'"),
        (xls(), "is an Excel workbook", "the format 'excel'"),
        (dta(), "is a data file of Stata", "the format 'stata'"),
        (sav(), "is a data file of SPSS", "the format 'spss'"),
        (rds(), "is a data file of R", "the format 'r'"),
        (RIS.encode(), "is a list of references (RIS)", "the format 'citations'"),
        (b"@article{a, title={b}}", "is a list of references (BibTeX)", "the format 'citations'"),
        (b"<html><table>", "is a web page", "save it as .xlsx"),
        (ROWS.encode(), "is the analysis data of RevMan Web", "the format 'revman-web'"),
        (b"Comparison Number,Outcome Number,Name\n1,1,x\n", "is the analysis data of RevMan 5", "the format 'revman5'"),
        (b'{"a": 1}', "is JSON", "save the table"),
        (b"\x89PNG\r\n", "is an image", "Type the numbers"),
        (b"\xd0\xcf\x11\xe0" + "EncryptedPackage".encode("utf-16-le"), "protected by a password", "without a password"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("format", ["csv", "covidence"])
def test_a_file_of_another_kind_is_named_with_the_format_that_reads_it(review, format, content, words, fix):
    if format == "covidence" and "excel" in fix:
        return
    problem = review.only(format, content, **ONE)
    assert words in problem.wrong
    assert fix in problem.fix


@pytest.mark.parametrize("format", ["excel", "stata", "spss", "r", "citations"])
def test_text_given_as_another_format_is_refused_and_the_fix_works(review, format):
    options = {} if format == "citations" else ONE
    assert "Import it as csv" in review.only(format, PLAIN, **options).fix
    review.take("csv", PLAIN, **ONE)


def test_covidence_is_read_from_a_workbook(review):
    rows = [line.split(",") for line in COVIDENCE.splitlines()]
    columns = ["Responders=events", "Assessed=total", "Drug name=modality"]
    review.take("covidence", xlsx({"Extraction": rows}), "x.xlsx", **ONE, columns=columns)
    assert review.counts("response") == [("Smith2010", "Drug A", "5", "20"), ("Wu2014", "Drug B", "9", "30")]
