"""Figure and table of a view as files: where they are, what they are called, and that no other file is written over."""

import html
import zipfile

import pytest

pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")

from metanet.evidence import load_evidence
from metanet.explorer import saving
from metanet.explorer.panel import Panel
from metanet.explorer.view import View
from tests.explorer.small import OUTCOME, SmallEvidence


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def panel(folder):
    return Panel(View(load_evidence(), "objective_response", "TARE"))


def test_the_figure_is_saved_as_png_and_svg_and_the_path_is_said(panel, folder):
    panel.save_figure.click()
    png, svg = (folder / f"objective_response_tare_forest.{ending}" for ending in ("png", "svg"))
    assert png.read_bytes().startswith(b"\x89PNG")
    assert "<svg" in svg.read_text(encoding="utf-8")
    assert html.escape(f"Saved as {png} and {svg}.") in panel.said.value


def test_the_table_is_saved_as_a_word_file_of_the_studies_that_are_pooled(panel, folder):
    gone, kept = panel.studies.children[:2]
    gone.value = False
    panel.save_table.click()
    path = folder / "objective_response_tare_studies.docx"
    with zipfile.ZipFile(path) as file:
        text = file.read("word/document.xml").decode()
    assert kept.study in text
    assert gone.study not in text
    assert str(path) in panel.said.value


def test_a_file_that_is_there_is_kept_and_the_new_one_has_another_name(panel, folder):
    kept = folder / "objective_response_tare_forest.svg"
    kept.write_text("mine", encoding="utf-8")
    panel.save_figure.click()
    panel.save_figure.click()
    assert kept.read_text(encoding="utf-8") == "mine"
    names = {path.name for path in folder.iterdir()}
    # PNG and SVG of one figure have one name.
    assert names == {kept.name} | {f"objective_response_tare_forest_{n}.{ending}" for n in (2, 3) for ending in ("png", "svg")}


def test_a_folder_that_cannot_be_written_is_said_and_the_explorer_goes_on(panel, monkeypatch):
    def refuse(*given):
        raise PermissionError(13, "Permission denied", "some/<folder>")

    monkeypatch.setattr(saving, "save_figure", refuse)
    panel.save_figure.click()
    assert "Not saved: [Errno 13] Permission denied" in panel.said.value
    assert "<folder>" not in panel.said.value
    panel.studies.children[0].value = False
    assert panel.said.value == ""


def test_without_a_result_there_is_nothing_to_save(folder):
    panel = Panel(View(SmallEvidence(["A", "B"]), OUTCOME))
    for box in panel.studies.children:
        box.value = False
    assert panel.save_figure.disabled
    assert panel.save_table.disabled
    panel.save_figure.click()
    assert "There is no result to save." in panel.said.value
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("label", ["../../x", "CON", "Ü/\\:*?<>|", "", "日本", "a" * 300])
def test_every_title_becomes_a_name_in_the_working_folder(folder, label):
    class Titled(SmallEvidence):
        def label(self, outcome):
            return label

    panel = Panel(View(Titled(["A", "B"]), OUTCOME))
    panel.save_table.click()
    (path,) = folder.iterdir()
    assert path.parent == folder
    assert path.name.isascii()
    assert len(path.name) < 100
