"""One table in every form: what comes back is what went in, whatever the texts try."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil
import subprocess
import zipfile
from html.parser import HTMLParser
from io import BytesIO

import docx
import openpyxl
import pytest
from docx.enum.section import WD_ORIENT
from docx.oxml.ns import qn

import metanet as mn
from metanet.base.display import RATE
from metanet.base.untrusted import NO_MATH, visible
from metanet.writing.table.html import aligned
from metanet.writing.table.latex import escape
from metanet.writing.table.table import Column, count_cell, made, number_cell, p_cell, rate_cell, scaled_cell, text_cell
from tests.work import HANG

HOSTILE = (
    "<script>alert(1)</script>",
    "$x$ \\(y\\) $$z$$",
    "=cmd|' /C calc'!A0",
    "@SUM(1+1)",
    "+1",
    "-1+cmd",
    "\\input{/etc/passwd} & % # _ { } ~ ^",
    "a\u202ecipsxcod.exe\u2066",
    "nul\x00 esc\x1b[31m line\nbreak\r\ttab",
    "<r><t>rich</t></r>",
    "https://example.org/ mailto:x@example.org",
    "_x000D_ \ufffe \uffff \ud800",
    "</style><img src=x onerror=alert(1)> \"quoted\" 'single' &amp;",
    "x" * 10_000,
)


def hostile_table(title=HOSTILE[0]):
    """Every hostile text as title, heading, heading above, group, cell, closing cell and note."""
    columns = [
        Column(HOSTILE[1], ("a",), "text", HOSTILE[0]),
        Column(HOSTILE[6], ("b",), "text", HOSTILE[0]),
        Column(HOSTILE[2], ("c", "d"), "rate"),
    ]
    rows = [[text_cell(text), text_cell(text[::-1]), scaled_cell(RATE, 1, 0.1, 0.2)] for text in HOSTILE]
    groups = [HOSTILE[0]] * 7 + [HOSTILE[12]] * (len(HOSTILE) - 7)
    return made(title, "empty", columns, rows, HOSTILE, groups=groups, closing=[(HOSTILE[12], HOSTILE[2], "1 (0 to 2)")])


class Reader(HTMLParser):
    """Tags, attributes, and the texts of the cells."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.cells, self.inside = [], [], [], False

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag in ("td", "th"):
            self.inside = True
            self.cells.append("")

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.cells[-1] += data


def read_html(text):
    reader = Reader()
    reader.feed(text)
    reader.close()
    return reader


def numbers_table(**options):
    """Numbers whose printing is delicate."""
    columns = [
        Column("Study", ("study",)),
        Column("n", ("n",), "count"),
        Column("%", ("rate",), "rate", "Rate"),
        Column("CI", ("lower", "upper"), "rate", "Rate"),
        Column("tau", ("tau",), "number"),
        Column("p", ("p",), "p"),
    ]
    rows = [
        [text_cell("a"), count_cell(12), rate_cell(0.48888), scaled_cell(RATE, 1, 0.37512, 1.0), number_cell(0.7123), p_cell(0.04321)],
        [text_cell("b"), count_cell(None), rate_cell(0.0002), scaled_cell(RATE, 1, 0.0, 0.9999), number_cell(-1.2), p_cell(2e-9)],
        [text_cell("c"), count_cell(7), rate_cell(None), scaled_cell(RATE, 1, None, None), number_cell(float("inf")), p_cell(None)],
    ]  # fmt: skip
    return made("Numbers", "empty", columns, rows, ["A note."], **options)


def test_html_shows_hostile_texts_and_none_acts():
    text = hostile_table().to_html()
    found = read_html(text)
    assert set(found.tags) <= {"div", "style", "table", "thead", "tbody", "tfoot", "tr", "th", "td", "span"}
    assert not [name for name, _ in found.attributes if name.startswith("on") or name in ("href", "src")]
    cells = [cell.strip() for cell in found.cells]
    for hostile in HOSTILE:
        assert visible(hostile).strip() in cells
    # The title, a heading over columns, a heading of a column, two groups, and a closing cell stand among them as well.
    assert [cells.count(visible(HOSTILE[i]).strip()) for i in (0, 1, 2, 12)] == [5, 3, 4, 4]
    assert f"class='metanet metanet-table {NO_MATH}'" in text
    assert "http" not in re.sub(r">[^<]*<", "><", text)


def test_the_style_of_html_touches_no_other_table_and_has_no_colour():
    text = numbers_table().to_html()
    assert text.count("<style>") == 1
    style = text[text.index("<style>") + 7 : text.index("</style>")]
    rules = [rule.strip() for rule in re.sub(r"@media[^{]*{", "", style).split("}") if rule.strip()]
    assert all(rule.startswith((".metanet-table", ".metanet-cards")) for rule in rules)
    assert "#" not in style
    assert set(re.findall(r"(?:color|background):(\w+)", style)) == {"inherit", "transparent"}


def test_html_has_headings_that_say_what_they_head():
    text = numbers_table(groups=["G", "G", "H"]).to_html()
    assert text.count('scope="row"') == 3
    assert text.count('scope="col"') == 6
    assert text.count('scope="colgroup"') == 3
    assert 'colspan="2"' in text
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert all(name in ids for headers in re.findall(r'headers="([^"]+)"', text) for name in headers.split())


@pytest.mark.parametrize("build", [hostile_table, numbers_table])
def test_a_second_run_gives_the_same_bytes(build, tmp_path):
    def digests(folder):
        folder.mkdir()
        table = build()
        table.to_html(folder / "a.html")
        table.to_docx(folder / "a.docx")
        table.to_excel(folder / "a.xlsx")
        table.to_latex(folder / "a.tex")
        table.to_csv(folder / "a.csv")
        return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}

    first = digests(tmp_path / "1")
    assert len(first) == 5
    assert digests(tmp_path / "2") == first


def test_office_files_hold_no_date_of_the_build(tmp_path):
    table = numbers_table()
    for path in (table.to_docx(tmp_path / "a.docx"), table.to_excel(tmp_path / "a.xlsx")):
        with zipfile.ZipFile(path) as file:
            assert {info.date_time[0] for info in file.infolist()} == {1980}
            core = file.read("docProps/core.xml").decode()
        assert set(re.findall(r"\d{4}-\d\d-\d\dT", core)) <= {"1980-01-01T"}


def test_word_shows_hostile_texts_in_a_table_that_can_be_edited(tmp_path):
    table = hostile_table()
    document = docx.Document(table.to_docx(tmp_path / "a.docx"))
    grid = document.tables[0]
    cells = [cell.text for row in grid.rows for cell in row.cells]
    shown = [text.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff") for text in map(visible, HOSTILE)]
    assert set(shown) <= set(cells)
    assert shown[0] in [p.text for p in document.paragraphs]
    assert not document.element.xpath("//w:hyperlink | //w:fldSimple | //w:instrText")


def test_the_head_of_a_word_table_is_repeated_and_rows_are_not_broken(tmp_path):
    grid = docx.Document(numbers_table().to_docx(tmp_path / "a.docx")).tables[0]
    heads = [row._tr.trPr.find(qn("w:tblHeader")) is not None for row in grid.rows]
    assert heads == [True, True, False, False, False]
    assert all(row._tr.trPr.find(qn("w:cantSplit")) is not None for row in grid.rows)
    assert [cell.text for cell in grid.rows[0].cells].count("Rate") == 2
    assert grid.rows[2].cells[3].text == "37.5\u00a0to\u00a0100.0"


def test_a_wide_word_table_lies_on_its_side_and_a_small_one_stands(tmp_path):
    wide = made("T", "e", [Column(f"Column {i}", (f"c{i}",)) for i in range(12)], [[text_cell("some words of text")] * 12])
    pages = [docx.Document(t.to_docx(tmp_path / "a.docx")).sections[0] for t in (wide, numbers_table())]
    assert [page.orientation for page in pages] == [WD_ORIENT.LANDSCAPE, WD_ORIENT.PORTRAIT]
    assert pages[0].page_width > pages[0].page_height


def test_a_workbook_holds_texts_as_texts(tmp_path):
    book = openpyxl.load_workbook(hostile_table().to_excel(tmp_path / "a.xlsx"))
    for sheet in book:
        cells = [cell for row in sheet.iter_rows() for cell in row if cell.value is not None]
        assert {cell.data_type for cell in cells} <= {"s", "n"}
        assert not [cell for cell in cells if cell.hyperlink]
        texts = [cell for cell in cells if cell.data_type == "s"]
        assert all(cell.quotePrefix for cell in texts if cell.value.startswith(("=", "+", "-", "@")))
        shown = {cell.value.strip() for cell in texts}
        for hostile in HOSTILE[:5] + HOSTILE[6:11]:
            assert visible(hostile).strip() in shown
    with zipfile.ZipFile(tmp_path / "a.xlsx") as file:
        parts = {name: file.read(name).decode() for name in file.namelist() if name.endswith((".xml", ".rels"))}
    assert not [name for name, xml in parts.items() if "<f>" in xml or 'TargetMode="External"' in xml]
    assert "<r><t>rich" not in parts["xl/sharedStrings.xml"]


def test_a_text_too_long_for_a_cell_of_a_workbook_says_so(tmp_path):
    table = made("T", "e", [Column("a", ("a",))], [[text_cell("y" * 40_000)]])
    cell = openpyxl.load_workbook(table.to_excel(tmp_path / "a.xlsx"))["Table"]["A3"]
    assert cell.value == f"{'y' * 32_000}… (8000 more characters)"


def test_a_workbook_holds_numbers_as_numbers_and_prints_them_as_the_table_does(tmp_path):
    sheet = openpyxl.load_workbook(numbers_table().to_excel(tmp_path / "a.xlsx"))["Table"]
    grid = [list(row) for row in sheet.iter_rows(min_row=5, max_row=7)]
    assert [cell.value for cell in grid[0]] == ["a", 12, 0.48888, 0.37512, 1, 0.7123, 0.04321]
    assert [cell.number_format for cell in grid[0]][1:] == ["0", "0.0%", "0.0%", "0.0%", "0.00", "0.000"]
    assert [cell.value for cell in grid[1]] == ["b", None, 0.0002, 0, 0.9999, -1.2, 2e-9]
    assert [grid[1][i].number_format for i in (2, 3, 4, 6)] == ['"<0.1%"', "0.0%", '">99.9%"', '"<0.001"']
    assert [cell.value for cell in grid[2]] == ["c", 7, None, None, None, "∞", None]
    assert [sheet.cell(4, column).value for column in (4, 5)] == ["lower", "upper"]


def test_csv_holds_unrounded_numbers_and_harmless_texts(tmp_path):
    numbers_table().to_csv(tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["study", "n", "rate", "lower", "upper", "tau", "p"]
    assert [float(x) for x in rows[1][1:]] == [12, 0.48888, 0.37512, 1.0, 0.7123, 0.04321]
    assert rows[3][2:5] == ["", "", ""]
    for shown in (False, True):
        hostile_table().to_csv(tmp_path / "b.csv", shown=shown)
        with (tmp_path / "b.csv").open(newline="", encoding="utf-8") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
        assert f"'{HOSTILE[2]}" in cells


def unescaped(source):
    """LaTeX source with everything that `escape` writes taken away: what is left could act."""
    source = re.sub(r"\\(?:text\w+|ldots)\{\}|\\textsuperscript\{\d\}|\\ensuremath\{[-\w\\]+\}", "", source)
    source = re.sub(r"\\[{}$&#%_]", "", source)
    return re.sub(r"\{[][*'\",?!-]\}", "", source)


@pytest.mark.parametrize("text", HOSTILE)
def test_latex_prints_hostile_texts_and_none_acts(text):
    assert not re.search(r"[\\{}$&#%_^~<>|\"`]", unescaped(escape(text)))


def test_latex_escapes_the_ten_specials_dashes_and_joining_marks():
    assert escape("\\{}$&#%_^~") == (r"\textbackslash{}\{\}\$\&\#\%\_\textasciicircum{}\textasciitilde{}")
    assert escape("−0.5 – ² ≤ ∞") == (r"\ensuremath{-}0.5 \textendash{} \textsuperscript{2} \ensuremath{\leq} \ensuremath{\infty}")
    assert escape("TARE-resin -- don't ''x'' ?`") == "TARE-resin {-}- don't {'}'x{'}' {?}\\textasciigrave{}"
    assert escape("[2pt] *") == "{[}2pt{]} {*}"


def test_every_row_of_latex_has_as_many_cells_as_columns_and_braces_match():
    for table in (hostile_table(), numbers_table(), numbers_table(closing=[("Median", "", "1 (0 to 100.0)", "", "", "")])):
        source = table.to_latex()
        bare = re.sub(r"\\[{}&]", "", source)
        assert bare.count("{") == bare.count("}")
        assert source.count("\\begin{") == source.count("\\end{")
        body = bare[bare.rindex("\\midrule") if not table.closing else bare.index("\\midrule") : bare.rindex("\\bottomrule")]
        rows = [line for line in body.splitlines() if line.endswith("\\\\") and "\\multicolumn" not in line]
        assert len(rows) >= 1
        assert {line.count("&") for line in rows} == {len(table.columns) - 1}


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="LaTeX is not installed; its escapes were tested all the same")
def test_latex_compiles_without_a_complaint(tmp_path):
    long = made("Long", "e", [Column("a", ("a",))], [[text_cell(text)] for text in HOSTILE[:-1] * 3])
    inner = "".join(table.to_latex() for table in (hostile_table(), numbers_table(), long))
    inner = inner.replace("x" * 10_000, "x" * 20)
    start = "\\documentclass[landscape]{article}\\usepackage[T1]{fontenc}\\usepackage{booktabs,longtable,array}"
    (tmp_path / "a.tex").write_text(f"{start}\\begin{{document}}\n{inner}\\end{{document}}\n", encoding="utf-8")
    command = ["pdflatex", "-no-shell-escape", "-halt-on-error", "-interaction=nonstopmode", "a.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=HANG, check=False)
    assert done.returncode == 0, done.stdout[-2000:].decode(errors="replace")
    assert (tmp_path / "a.pdf").exists()


def test_a_long_table_breaks_across_pages_in_latex():
    table = made("T", "e", [Column("a", ("a",))], [[text_cell(str(i))] for i in range(40)])
    assert "\\begin{longtable}" in table.to_latex()
    assert "\\endhead" in table.to_latex()
    assert "longtable" not in numbers_table().to_latex()


def test_points_stand_under_each_other_and_digits_stay():
    shown = aligned(["9.7 to 10.25", "100.0 to 2.0", "–", "<0.1 to 99.9"])
    assert [re.sub("[\u2007\u2008]", "", text) for text in shown] == ["9.7 to 10.25", "100.0 to 2.0", "–", "<0.1 to 99.9"]
    points = {text[::-1].index(".") for text in shown if text != "–"}
    assert len(points) == 1
    assert {len(text) - text.index("to") for text in shown if text != "–"} == {len(shown[0]) - shown[0].index("to")}


def test_the_frame_holds_numbers_and_the_shown_frame_texts():
    frame = numbers_table().to_frame()
    assert frame["rate"].tolist()[:2] == [0.48888, 0.0002]
    assert frame["n"].dtype.kind == frame["upper"].dtype.kind == "f"
    assert frame["rate"].isna().tolist() == [False, False, True]
    shown = numbers_table(closing=[("Median", "", "", "", "", "")]).to_frame(shown=True)
    assert shown["Rate: %"].tolist() == ["48.9", "<0.1", "–", ""]
    assert shown["Rate: CI"].tolist() == ["37.5 to 100.0", "0.0 to >99.9", "–", ""]
    assert shown["p"].tolist() == ["p = 0.043", "p < 0.001", "–", ""]
    assert numbers_table(groups=["G", "G", "H"]).to_frame()["group"].tolist() == ["G", "G", "H"]


def test_a_frame_that_is_changed_changes_no_table():
    table = numbers_table()
    frame = table.to_frame()
    frame["rate"] = 0.0
    assert table.to_frame()["rate"].iloc[0] == 0.48888


def test_the_dictionary_is_strict_json():
    text = json.dumps(numbers_table().to_dict(), allow_nan=False)
    found = json.loads(text)
    assert found["rows"][0]["rate"] == 0.48888
    assert found["rows"][2]["rate"] is None
    assert found["shown"]["cells"][0][2] == "48.9"
    assert found["notes"] == ["A note."]


def test_a_long_table_is_short_in_a_console_and_whole_in_its_summary():
    table = made("T" * 500, "e", [Column("a", ("a",))], [[text_cell(f"row {i} " + "z" * 200)] for i in range(100)], ["n"] * 1)
    lines = repr(table).splitlines()
    assert len(lines) < 15
    assert max(map(len, lines)) <= 120
    assert lines[-1] == "  (92 more rows and 1 note: .summary() prints all)"
    assert "row 99 " in table.summary()
    grouped = made("T", "e", [Column("a", ("a",))], [[text_cell("x")]] * 20, groups=[str(i) for i in range(20)])
    assert len(repr(grouped).splitlines()) < 15


def test_consoles_see_no_control_characters():
    for text in (repr(hostile_table()), hostile_table().summary()):
        assert all(character == "\n" or character == visible(character) for character in text)


def test_an_empty_table_says_why_in_every_form(tmp_path):
    table = made("Title", "No study fits <this>.", [Column("a", ("a",))], [], ["A note."])
    assert repr(table) == "No study fits <this>."
    assert table.summary() == "No study fits <this>.\nA note."
    assert "No study fits &lt;this&gt;." in table.to_html()
    assert escape("No study fits <this>.") in table.to_latex()
    document = docx.Document(table.to_docx(tmp_path / "a.docx"))
    assert [p.text for p in document.paragraphs] == ["No study fits <this>.", "A note."]
    book = openpyxl.load_workbook(table.to_excel(tmp_path / "a.xlsx"))
    assert [sheet["A1"].value for sheet in book] == ["No study fits <this>."] * 2
    assert list(table.to_frame().columns) == ["a"]
    assert table.to_csv(tmp_path / "a.csv").read_text() == "a\n"


def test_a_page_of_its_own_asks_nothing_of_a_network(tmp_path):
    made_page = numbers_table()
    made_page.to_html(tmp_path / "a.html")
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert '<meta charset="utf-8">' in text
    assert "script" not in read_html(text).tags


def test_a_place_that_is_none_is_refused(tmp_path):
    with pytest.raises(mn.ArgumentError, match="path=3 must be a text or a path"):
        numbers_table().to_csv(3)
    with pytest.raises(mn.ArgumentError, match="is a folder"):
        numbers_table().to_docx(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_word_file_is_what_word_reads():
    """The parts of a cell's properties stand in the order that the format asks for."""
    from metanet.writing.table.word import docx_of

    order = ["tcW", "gridSpan", "vMerge", "tcBorders", "shd", "noWrap", "tcMar", "textDirection", "tcFitText", "vAlign"]
    document = docx.Document(BytesIO(docx_of(hostile_table())))
    for properties in document.element.iter(qn("w:tcPr")):
        names = [child.tag.split("}")[1] for child in properties]
        assert names == sorted(names, key=order.index)
    table_order = ["tblStyle", "tblW", "jc", "tblBorders", "tblLayout", "tblCellMar", "tblLook"]
    for properties in document.element.iter(qn("w:tblPr")):
        names = [child.tag.split("}")[1] for child in properties]
        assert names == sorted(names, key=table_order.index)
