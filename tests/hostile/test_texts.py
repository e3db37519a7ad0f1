"""Every text of the corpus, as a name and as a cell: refused in words, or shown as the text it is and as nothing else."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
import warnings
import zipfile
from xml.etree import ElementTree

import pandas as pd
import pytest

import metanet as mn
from metanet.base.untrusted import formula_like, json_visible, visible, xml_text
from metanet.evidence.frames import LEADING
from metanet.evidence.reading.text import BLANKS
from metanet.reporting.diff.result import diff
from metanet.reporting.files import outcome_folder, slug
from metanet.writing.study_tables import study_table
from metanet.writing.table.latex import escape

from .conftest import Structure, acting
from .corpus import EVERY, TEXTS, write_evidence

FIELDS = {
    "studies.csv": ("first_author", "title", "country"),
    "arms.csv": ("arm",),
    "response0.csv": ("arm", "criteria", "derivation", "source", "note"),
    "response1.csv": ("arm", "criteria", "derivation", "source", "note"),
}
WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}t"
#: The last unit of text that a name may carry in a table of a document; longer ones are cut or broken there.
SHORT = 60


def frame(names, groups=None):
    data = pd.DataFrame(
        {
            "study": list(names),
            "events": [place % 7 + 1 for place in range(len(names))],
            "total": [20 + place % 9 for place in range(len(names))],
        }
    )
    return data if groups is None else data.assign(group=list(groups))


def plain_names(texts):
    return [f"Study {place}" for place in range(len(texts))]


@pytest.fixture(scope="module")
def fit():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mn.pool(frame(EVERY))


@pytest.fixture(scope="module")
def plain_fit():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mn.pool(frame(plain_names(EVERY)))


@pytest.fixture(scope="module")
def table(fit):
    return study_table(fit)


@pytest.fixture(scope="module")
def taken(tmp_path_factory):
    """The texts that an evidence folder takes, as one evidence."""
    folder = tmp_path_factory.mktemp("texts")
    found = []
    for place, text in enumerate(EVERY):
        if mn.validate(write_evidence(folder / str(place), [text])).ok:
            found.append(text)
    # Bytes that are no UTF-8 are read as Windows-1252, with a notice, and then so is the whole file.
    found = [text for text in found if not {unicodedata.category(c) for c in text} & {"Cs"}]
    return mn.load_evidence(write_evidence(folder / "all", found)), found


def test_the_corpus_has_its_families_and_no_text_twice():
    assert len(set(EVERY)) == len(EVERY) >= 250
    assert all(len(texts) >= 12 for texts in TEXTS.values())


@pytest.mark.parametrize("family", TEXTS)
def test_a_cell_is_taken_or_refused_with_its_file_row_and_column(tmp_path, family):
    for place, text in enumerate(TEXTS[family]):
        report = mn.validate(write_evidence(tmp_path / str(place), [text]))
        assert not acting(report.summary())
        assert not acting(json_visible(json.dumps(report.to_dict(), ensure_ascii=False)))
        assert not acting(Structure(report._repr_html_()).text)
        if report.ok:
            continue
        for problem in report.problems:
            assert problem.file in FIELDS
            assert problem.fix
            # A zero byte or a carriage return breaks the file or the row, all others the cell alone.
            if "\x00" not in text and "\r" not in text:
                assert problem.row == 2
                assert problem.column in FIELDS[problem.file]
        with pytest.raises(mn.DataError) as refused:
            mn.load_evidence(tmp_path / str(place))
        assert not acting(str(refused.value))


def test_the_texts_that_are_taken_are_in_the_tables_as_they_are(taken):
    evidence, texts = taken
    rates = evidence.rates("response")
    assert len(texts) > 220
    kept = {text.strip(BLANKS).replace("\u00a0", " ") for text in texts}
    assert kept == set(evidence.outcomes["source"])
    assert rates["study"].is_unique
    assert not acting("\n".join(rates["study"]))
    assert not acting(repr(evidence))


def test_labels_are_unique_whatever_the_names_are(fit):
    assert fit.studies["study"].is_unique
    assert fit.k == len(EVERY)


def test_sentences_summaries_and_reprs_act_on_no_terminal(fit, taken):
    evidence, _ = taken
    rates = evidence.rates("response")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        second = mn.pool(frame(EVERY), model="beta_binomial")
        omitted = mn.leave_one_out(fit)
        of_rates = mn.pool(rates)
    shown = [fit, omitted, of_rates, study_table(fit), mn.study_table(rates), mn.source_table(rates), mn.characteristics_table(rates)]
    shown += [mn.heading(rates, EVERY[0], of_rates), mn.paragraph(" ".join(EVERY)), mn.report_text(fit, second, omitted)]
    for one in shown:
        assert not acting(repr(one)), type(one)
        assert not acting(str(one)), type(one)
        assert not acting(one.summary() if hasattr(one, "summary") else ""), type(one)
        assert not acting(Structure(one._repr_html_()).text), type(one)
    assert not acting(fit.sentence())


@pytest.mark.parametrize("start", range(0, len(EVERY), 72))
def test_names_of_groups_are_text_in_a_comparison(start):
    # Every pair of groups is compared, so that twelve at a time are quicker.
    for place in range(start, min(start + 72, len(EVERY)), 12):
        # A group's name is trimmed.
        texts = list({text.strip(): text for text in EVERY[place : place + 12]}.values())
        pages = []
        for names in (texts, plain_names(texts)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = mn.compare(frame(texts * 2, names * 2), "group", model="inverse_variance")
            assert len(found.groups) == len(texts)
            assert not acting(found.summary() + repr(found) + found.sentence())
            pages.append(tags(found._repr_html_()))
        assert pages[0] == pages[1]


def test_names_that_stand_twice_are_told_in_a_note_that_acts_on_no_terminal():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for text in TEXTS["invisible"]:
            found = mn.pool(frame([text, text, "x"]).assign(**{text: [text, None, "a"]}), model="inverse_variance")
            assert not acting(found.summary() + repr(found))
            assert found.studies["study"].is_unique


def tags(page):
    """The elements of a page without the list of notes, whose number depends on the names."""
    return [element for element in Structure(page).elements if element[0] not in ("ul", "li", "br")]


def test_cards_and_tables_have_no_element_and_no_attribute_from_data(fit, plain_fit, table):
    assert tags(fit._repr_html_()) == tags(plain_fit._repr_html_())
    page, plain = (study_table(one).to_html() for one in (fit, plain_fit))
    assert tags(page) == tags(plain)
    words = re.sub(r"\s+", "", Structure(page).text)
    for text in EVERY:
        assert re.sub(r"\s+", "", visible(text)) in words, ascii(text)
    assert all(address.startswith("https://doi.org/10.") for address in Structure(page).addresses)
    for one in (mn.report_text(fit), mn.paragraph(" ".join(EVERY))):
        found = {name for _, names in Structure(one._repr_html_()).elements for name in names}
        assert found <= {"class", "style", "scope", "tabindex", "role", "aria-label", "href", "rel"}


def test_a_figure_has_the_texts_as_texts_and_nothing_that_runs_or_fetches(tmp_path):
    # Forests of more than 40 studies fold.
    for place in range(0, len(EVERY), 40):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            axes = mn.forest(mn.pool(frame(EVERY[place : place + 40])))
            mn.save_figure(axes, tmp_path / str(place), formats=("svg",))
        root = ElementTree.parse(tmp_path / f"{place}.svg").getroot()
        for element in root.iter():
            kind = element.tag.rsplit("}", 1)[-1]
            assert kind not in ("script", "foreignObject", "a", "image", "animate", "set", "handler")
            if kind == "text":
                # Whatever it says, it is one piece of text in the place that it was measured for.
                assert len(element) == 0
                assert set(element.attrib) <= {"style", "x", "y", "transform", "textLength", "lengthAdjust"}
                assert not re.search(r"url|expression|@|\\|/\*", element.attrib["style"])
            if kind == "style" and "@font-face" in (element.text or ""):
                rule = r"@font-face\{font-family:'[\w ]+';font-weight:(normal|bold);src:url\(data:font/woff;base64,[\w+/=]+\)\}"
                assert re.fullmatch(f"({rule})+", element.text.strip())
            for name, value in element.attrib.items():
                assert not name.rsplit("}", 1)[-1].startswith("on")
                assert not name.endswith("href") or value.startswith("#")
        assert sum(element.tag.endswith("}text") for element in root.iter()) > 40


def test_a_word_file_holds_the_texts_and_is_sound_xml(table, tmp_path):
    content = table.to_docx(tmp_path / "t.docx").read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        roots = {name: ElementTree.fromstring(parts.read(name)) for name in parts.namelist() if name.endswith((".xml", ".rels"))}
    words = "".join(re.sub(r"\s+", "", node.text or "") for node in roots["word/document.xml"].iter(WORD))
    for text in EVERY:
        assert re.sub(r"\s+", "", xml_text(text)[:SHORT]) in words, ascii(text)
    targets = [node.attrib for name, root in roots.items() if name.endswith(".rels") for node in root]
    assert all(one.get("TargetMode") != "External" for one in targets)


def test_a_workbook_has_no_formula_and_no_link(table, tmp_path):
    import openpyxl

    path = table.to_excel(tmp_path / "t.xlsx")
    with zipfile.ZipFile(path) as parts:
        sheets = [parts.read(name) for name in parts.namelist() if name.startswith("xl/worksheets/sheet")]
        assert not [name for name in parts.namelist() if "externalLink" in name]
    assert not any(mark in sheet for sheet in sheets for mark in (b"<f>", b"<f ", b"<hyperlink"))
    book = openpyxl.load_workbook(path)
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.value is not None]
    assert {cell.data_type for cell in cells} <= {"s", "n"}


def test_no_cell_of_a_csv_is_run_by_a_spreadsheet_whatever_parts_its_cells(table, taken, tmp_path):
    evidence, _ = taken
    rates = evidence.rates("response")
    mn.save_results(tmp_path / "r", mn.pool(rates, model="inverse_variance"), rates=rates)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mn.save_results(tmp_path / "n", mn.pool(frame(EVERY).assign(**{"=1+1": EVERY})))
    for path in (table.to_csv(tmp_path / "t.csv"), table.to_csv(tmp_path / "s.csv", shown=True), *tmp_path.glob("?/*.csv")):
        text = path.read_text(encoding="utf-8")
        for separator in ",;\t":
            for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
                for cell in row:
                    # Numbers of ours may be negative.
                    assert not formula_like(cell) or re.fullmatch(r"-[\d.e+-]+", cell), ascii(cell)


SPECIAL = re.compile(
    r"\\(textbackslash|textasciicircum|textasciitilde|textless|textgreater|textbar|textquotedbl|textasciigrave)\{\}|\\[{}$&#%_]"
)


@pytest.mark.parametrize("family", TEXTS)
def test_nothing_of_a_text_acts_in_latex(family):
    for text in TEXTS[family]:
        left = SPECIAL.sub("", escape(text))
        left = re.sub(r"\\(ensuremath\{(-|\\[a-z]+)\}|textsuperscript\{\d\}|text[a-z]+\{\}|ldots\{\})", "", left)
        assert not re.search(r"[\\$&#%_^]", left), left
        assert re.fullmatch(r"[^{}]*(\{[^\w{}]\}[^{}]*)*", left), left


@pytest.mark.parametrize("family", TEXTS)
def test_a_folder_is_named_by_plain_letters_and_by_no_device(family):
    for text in TEXTS[family]:
        made = slug(text)
        assert re.fullmatch(r"[A-Za-z0-9_+-][A-Za-z0-9._+-]{0,68}", made), made
        assert not re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", made)
        assert outcome_folder(text).lower() not in ("analyses", "replication", "index.html", ".metanet")
        assert not made.endswith(".")


def test_names_of_folders_stay_apart():
    assert len({slug(text) for text in EVERY}) == len({outcome_folder(text) for text in EVERY}) == len(EVERY)


def test_a_page_of_differences_has_no_element_from_data(tmp_path):
    old, new = plain_names(EVERY), [f"New {place}" for place in range(len(EVERY))]
    for kind, runs in (("hostile", (old, EVERY)), ("plain", (old, new))):
        for run, used in zip(("old", "new"), runs, strict=True):
            place = tmp_path / kind / run / "x" / "y"
            place.mkdir(parents=True)
            studies = [{"study": name, "events": 1, "total": 20, "note": name} for name in used]
            numbers = {"result": {"status": "pooled", "estimate": 0.1, "k": len(used), "studies": studies, "method": {}}}
            (place / "numbers.json").write_text(json.dumps(numbers), encoding="utf-8")
            title = EVERY[0] if kind == "hostile" else "title"
            (place / "about.json").write_text(json.dumps({"title": title}), encoding="utf-8")
    pages = []
    for kind in ("hostile", "plain"):
        found = diff(tmp_path / kind / "old", tmp_path / kind / "new")
        assert not acting(found.summary() + repr(found))
        pages.append(found.to_html(tmp_path / f"{kind}.html").read_text(encoding="utf-8"))
    assert tags(pages[0]) == tags(pages[1])


def test_an_explorer_names_the_texts_and_its_code_is_strings(taken):
    from metanet.explorer.view import View

    evidence, _ = taken
    view = View(evidence, "response")
    code = view.with_choice(left_out=frozenset(view.all_rates["study"])).code
    import ast

    assert not [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "open"]
    constants = {node.value for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Constant)}
    assert set(view.all_rates["study"]) <= constants
    assert not acting(code)


def test_the_columns_of_rates_are_known():
    # What the corpus puts texts into is what reaches reports.
    assert {"criteria", "source", "note", "derivation", "arm"} <= set(LEADING)
