"""PDF and Word reports: the numbers of the result, text that stays text, the same bytes."""

import io
import json
import re

import docx
import pypdf
import pytest

import metanet as mn
from metanet.base.display import per_cent
from metanet.reporting.documents.blocks import Document, Figure, Heading, Listing, Paragraph, Preformatted
from metanet.reporting.documents.pdf import pdf_of
from metanet.reporting.documents.word import docx_of
from metanet.writing.table.table import Column, made, text_cell
from tests.reporting.conftest import HOSTILE

from .test_document import png

EVIL = '#panic("x") *b* _i_ $x$ @ref <label> \\ // /* #import "@preview/x:1.0.0" `raw` "quoted" = ~ -- {{x}} [y] </w:t>'


def text_of(content):
    """The text of a PDF, with every kind of blank as one."""
    pages = pypdf.PdfReader(io.BytesIO(content)).pages
    return re.sub(r"\s+", " ", " ".join(page.extract_text() for page in pages).replace("\u200b", ""))


def words_of(content):
    """Everything that a Word file says: paragraphs and cells."""
    document = docx.Document(io.BytesIO(content))
    cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    return "\n".join([*(p.text for p in document.paragraphs), *cells]).replace("\u00a0", " ")


@pytest.fixture(scope="session")
def folder(formats_report):
    return formats_report / "objective_response" / "TARE"


@pytest.fixture(scope="session")
def result(folder):
    return json.loads((folder / "numbers.json").read_text(encoding="utf-8"))["result"]


def evil_document():
    columns = [Column(EVIL, ("a",)), Column("n", ("n",), "number", EVIL)]
    table = made(EVIL, "none", columns, [[text_cell(EVIL), text_cell("1 to 2")]], [EVIL], closing=[[EVIL, "3"]], groups=[EVIL])
    blocks = (
        Heading(1, EVIL), Paragraph(EVIL), Paragraph(EVIL, "strong"), Paragraph(EVIL, "small"), Listing((EVIL,)), Preformatted(EVIL),
        Figure(png(), EVIL), table,
    )  # fmt: skip
    return Document(EVIL, EVIL, blocks, EVIL)


def test_the_pdf_has_the_numbers_of_the_result(folder, result):
    text = text_of((folder / "report.pdf").read_bytes())
    rate, lower, upper = (per_cent(result[name]) for name in ("estimate", "ci_lower", "ci_upper"))
    assert f"{rate} % (95 % CrI {lower} to {upper} %)" in text
    assert f"{result['k']} studies, {result['events']} events in {result['n']} patients" in text
    assert f"{per_cent(result['pi_lower'])} to {per_cent(result['pi_upper'])} %" in text
    for row in result["studies"]:
        assert f"{row['events']}/{row['total']}" in text


def test_the_word_file_has_the_numbers_of_the_result(folder, result):
    text = words_of((folder / "report.docx").read_bytes())
    rate, lower, upper = (per_cent(result[name]) for name in ("estimate", "ci_lower", "ci_upper"))
    assert f"{rate} % (95 % CrI {lower} to {upper} %)" in text
    assert f"{result['k']} studies, {result['events']} events in {result['n']} patients" in text


def test_tables_of_the_word_file_can_be_edited_and_repeat_their_heads(folder, result):
    document = docx.Document(folder / "report.docx")
    (table,) = [t for t in document.tables if t.rows[0].cells[0].text == "Without"]
    assert len(table.rows) == 1 + result["k"]
    assert table.rows[0]._tr.trPr.xpath("w:tblHeader")
    table.rows[1].cells[1].text = "99"
    out = io.BytesIO()
    document.save(out)
    assert "99" in words_of(out.getvalue())


def test_word_headings_are_headings_and_figures_are_described(folder):
    document = docx.Document(folder / "report.docx")
    heads = [p.text for p in document.paragraphs if p.style.name.startswith("Heading")]
    assert heads[:2] == ["Result", "Forest plot"]
    assert document.paragraphs[0].style.name == "Title"
    assert document.core_properties.title == "Objective response: TARE"
    (figure,) = document.inline_shapes
    assert figure._inline.docPr.get("descr").startswith("Forest plot of objective response after TARE, 18 studies: median rate 42.4 %")
    assert {section.orientation for section in document.sections} == {0, 1}


def test_the_pdf_is_tagged_titled_and_numbered(folder):
    reader = pypdf.PdfReader(folder / "report.pdf")
    assert reader.metadata.title == "Objective response: TARE"
    assert reader.root_object["/Lang"].startswith("en")
    assert reader.root_object["/MarkInfo"]["/Marked"]
    assert b"pdfuaid" in reader.root_object["/Metadata"].get_data()
    pages = reader.pages
    assert f"1 / {len(pages)}" in pages[0].extract_text()
    sides = {page.mediabox.width > page.mediabox.height for page in pages}
    assert sides == {False, True}


def test_a_hostile_name_of_the_evidence_is_text(folder):
    assert HOSTILE.replace(" ", "") in text_of((folder / "report.pdf").read_bytes()).replace(" ", "")
    assert HOSTILE in words_of((folder / "report.docx").read_bytes())


def test_nothing_in_a_text_is_code_for_typst():
    text = text_of(pdf_of(evil_document()))
    squeezed = EVIL.replace(" ", "")
    assert text.replace(" ", "").count(squeezed) >= 8


def test_nothing_in_a_text_is_markup_for_word():
    assert words_of(docx_of(evil_document())).count(EVIL) >= 8


@pytest.mark.parametrize("letter", ["\ue000", "\U0001f984", "\u0378", "漢", "ع", "\ufffe"])
def test_a_letter_that_a_font_lacks_makes_no_failure(letter):
    document = Document(f"a{letter}", "", (Paragraph(f"b{letter}c"), Figure(png(), letter)))
    assert pdf_of(document).startswith(b"%PDF")
    assert docx_of(document).startswith(b"PK")


def test_an_empty_document_has_a_title():
    assert "Only a title" in text_of(pdf_of(Document("Only a title", "", ())))


def test_two_runs_have_the_same_bytes(formats_report, second_run):
    names = {p.relative_to(formats_report) for p in formats_report.rglob("*") if p.is_file() and ".metanet" not in p.parts}
    assert len([name for name in names if name.suffix in (".pdf", ".docx")]) == 4
    for name in sorted(names):
        assert (formats_report / name).read_bytes() == (second_run / name).read_bytes(), name


def test_the_page_links_to_the_other_formats_and_describes_its_figure(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert '<a href="report.pdf">' in page
    assert '<a href="report.docx">' in page
    assert "<figcaption><strong>Figure 1.</strong> Forest plot of objective response after TARE, 18 studies." in page
    assert 'role="img" aria-label="Forest plot of objective response after TARE, 18 studies: median rate 42.4 %' in page
    assert "<summary>In words</summary> Forest plot of the rates of 18 studies." in page
    assert "No description has been provided" not in page


def test_the_page_is_made_whatever_is_asked_for(tmp_path, monkeypatch):
    from metanet.reporting.run import batch

    asked = []
    monkeypatch.setattr(batch, "run_jobs", lambda *a, **more: asked.append(more["formats"]) or [])
    mn.report("hepatotoxicity", "TACE", out=tmp_path, formats="pdf")
    mn.report("hepatotoxicity", "TACE", out=tmp_path, formats=["docx", "html", "docx"])
    assert asked == [("html", "pdf"), ("html", "docx")]


def test_an_unknown_format_is_refused_with_the_nearest(tmp_path):
    with pytest.raises(mn.ArgumentError, match="Did you mean 'docx'"):
        mn.report(out=tmp_path / "never", formats=("doc",))
