"""`explore`: what it takes, what it gives, and how it shows itself."""

import re
import sys

import pandas as pd
import pytest

import metanet as mn
from metanet.base.errors import ArgumentError, MetanetError
from metanet.evidence.folders import curated_folder


@pytest.fixture
def with_widgets():
    pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")


@pytest.fixture
def explorer(with_widgets):
    return mn.explore(outcome="objective_response", modality="TARE")


def test_without_arguments_it_opens_on_the_outcome_and_the_modality_with_the_most_studies(with_widgets):
    frame = mn.load_evidence().poolable()
    explorer = mn.explore()
    assert explorer.view.outcome == frame.groupby("outcome")["k"].sum().idxmax()
    classes = frame[frame["outcome"] == explorer.view.outcome].set_index("modality_class")["k"]
    assert explorer.view.modality == classes.idxmax()
    assert f'modality="{classes.idxmax()}"' in explorer.code


def test_all_modalities_are_one_word(with_widgets):
    explorer = mn.explore(outcome="objective_response", modality="all")
    assert explorer.view.modality is None
    assert repr(explorer).startswith("Explorer: Objective response, all modalities (evidence: the curated tables of metanet)\n")


@pytest.mark.parametrize("form", ["frame", "evidence", "file", "result", "folder"])
def test_every_form_of_evidence_is_explored_with_the_menus_it_needs(with_widgets, tmp_path, form):
    frame = pd.DataFrame({"study": list("ABCD"), "resp": [4, 9, 12, 3], "total": [20, 31, 40, 18], "site": ["x", "x", "y", "y"]})
    frame.to_csv(tmp_path / "my table.csv", index=False)
    evidence = mn.read(tmp_path / "my table.csv", "resp", "total")
    plain = frame.rename(columns={"resp": "events"})
    given = {
        "frame": plain,
        "evidence": evidence,
        "file": tmp_path / "plain.csv",
        "result": mn.pool(plain),
        "folder": evidence.save(tmp_path / "folder"),
    }[form]
    plain.to_csv(tmp_path / "plain.csv", index=False)
    explorer = mn.explore(given)
    assert list(explorer._panel.menus) == ["model", "ci", "level", "filter"] or list(explorer._panel.menus) == [
        "model",
        "level",
        "filter",
    ]
    assert explorer.fit.n == 109
    explorer._panel.menus["filter"].choose("site")
    explorer._panel.menus["values"].choose(explorer._panel.menus["values"].pairs[1][1])
    known = {"data": plain}
    exec(explorer.code, known)
    assert known["fit"].to_dict() == explorer.fit.to_dict()
    assert explorer.fit.k == 2
    assert ("`data` is the frame that was given" in explorer.code) == (form in ("frame", "result"))


def test_result_rows_and_code_follow_the_clicks(explorer):
    before = explorer.fit.k
    box = explorer._panel.studies.children[0]
    box.value = False
    assert explorer.fit.k == len(explorer.rates) == before - 1
    assert box.study in explorer.code
    assert mn.pool(explorer.rates).to_dict() == explorer.fit.to_dict()


def test_the_rows_are_a_copy(explorer):
    rates = explorer.rates
    rates["events"] = 0
    assert explorer.rates["events"].sum() > 0


def test_a_folder_may_be_given_as_text_or_as_path_or_as_evidence(with_widgets, tmp_path):
    import shutil

    folder = tmp_path / "my data"
    shutil.copytree(curated_folder(), folder)
    for given in (folder, str(folder), mn.load_evidence(folder)):
        explorer = mn.explore(given, "hepatotoxicity")
        known = {}
        exec(explorer.code, known)
        assert f"mn.load_evidence({str(folder)!r})".replace("'", '"') in explorer.code
        assert known["fit"].to_dict() == explorer.fit.to_dict()


def test_the_curated_tables_need_no_folder_in_the_code(with_widgets):
    for given in (None, mn.load_evidence(), curated_folder()):
        assert "mn.load_evidence().rates(" in mn.explore(given, "hepatotoxicity").code


def test_a_misspelt_outcome_is_refused_with_the_nearest(with_widgets):
    with pytest.raises(ArgumentError, match="Did you mean 'objective_response'"):
        mn.explore(outcome="objective_responce")


def test_a_modality_without_a_study_is_refused(with_widgets):
    with pytest.raises(ArgumentError, match="modality='TARE' is not known"):
        mn.explore(outcome="local_control", modality="TARE")


@pytest.mark.parametrize("wrong", [3, "", "no/such/folder"])
def test_what_is_no_folder_is_refused(with_widgets, wrong):
    with pytest.raises(MetanetError):
        mn.explore(wrong)


def test_evidence_without_a_poolable_row_is_refused(with_widgets, tmp_path):
    import csv
    import shutil

    folder = tmp_path / "none"
    shutil.copytree(curated_folder(), folder)
    for path in folder.rglob("*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        if rows and "poolable" in rows[0]:
            with path.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
                writer.writeheader()
                writer.writerows(row | {"poolable": "false"} for row in rows)
    with pytest.raises(ArgumentError, match="nothing to explore"):
        mn.explore(folder)


def test_without_ipywidgets_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    monkeypatch.delitem(sys.modules, "metanet.explorer.panel", raising=False)
    with pytest.raises(MetanetError, match=r"pip install 'ipywidgets>="):
        mn.explore()


def test_a_notebook_is_given_the_widgets_and_a_page_without_them_the_numbers(explorer):
    bundle = explorer._repr_mimebundle_()
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == explorer.widget.model_id
    page = bundle["text/html"]
    assert "42.4 % (95 % CrI 32.1 to 53.3 %)" in page
    assert re.search(r"<svg[^>]* aria-label=\"Forest plot of objective response after TARE", page)
    assert "mn.load_evidence().rates(&quot;objective_response&quot;, modality=&quot;TARE&quot;)" in page
    assert bundle["text/plain"] == repr(explorer)


def test_the_text_names_the_view_and_is_short(explorer):
    lines = repr(explorer).splitlines()
    assert lines[0] == "Explorer: Objective response, TARE (evidence: the curated tables of metanet)"
    assert len(lines) < 15
    for box in explorer._panel.studies.children:
        box.value = False
    assert repr(explorer).splitlines()[1] == "All studies are excluded."
    assert explorer.fit is None


def test_completion_lists_the_public_names_only(explorer):
    assert dir(explorer) == ["code", "fit", "rates", "view", "widget"]


def test_the_explorer_says_whose_evidence_it_shows(explorer):
    assert "evidence: the curated tables of metanet" in explorer._panel.numbers.value
