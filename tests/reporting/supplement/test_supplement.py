"""The supplement: what is in it, that its description is true, that it is the same for the same reports."""

import hashlib
import json
import os
import shutil
import zipfile
from pathlib import Path
from urllib.parse import unquote

import pytest

import metanet as mn
from metanet.evidence.folders import curated_folder
from metanet.reporting.supplement.crate import PROGRAM, facts_of
from metanet.reporting.supplement.write import write_supplement
from tests.reporting.index.test_index import put, rate

PROJECT = Path(__file__).resolve().parents[3]


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    shutil.copytree(curated_folder(), folder)
    return folder


@pytest.fixture
def out(tmp_path, data):
    evidence = mn.load_evidence(data)
    about = {
        "title": "Objective response: TARE",
        "subset": ["objective_response", "TARE"],
        "evidence": evidence.fingerprint_of("objective_response", "TARE"),
        "notebook": "modality_rate.ipynb",
        "parameters": {"data": str(data.resolve())},
    }
    place = tmp_path / "out"
    put(place, "objective_response/TARE", rate(), about, files=("report.html", "forest.svg", "forest.png", "studies.csv"))
    cell = {"cell_type": "code", "source": f"data = {str(data.resolve())!r}", "outputs": [{"x": "y"}], "execution_count": 3}
    book = {"cells": [cell, {"cell_type": "markdown", "source": "# A"}], "metadata": {}}
    (place / "objective_response/TARE/report.ipynb").write_text(json.dumps(book), encoding="utf-8")
    return place


def opened(out, data):
    return zipfile.ZipFile(write_supplement(out, mn.load_evidence(data)))


def crate(archive):
    content = json.loads(archive.read("ro-crate-metadata.json"))
    return content, {each["@id"]: each for each in content["@graph"]}


def test_it_holds_evidence_notebooks_numbers_figures_and_words(out, data):
    names = set(opened(out, data).namelist())
    tables = {f"data/{path.name}" for path in data.iterdir()}
    assert tables <= names
    assert {
        "README.md", "DATA_AVAILABILITY.md", "ro-crate-metadata.json", "environment/requirements.lock", "numbers/pooled_rates.csv",
        "notebooks/modality_rate.ipynb", "reports/objective_response/TARE/numbers.json",
        "reports/objective_response/TARE/about.json", "reports/objective_response/TARE/studies.csv",
        "reports/objective_response/TARE/forest.svg", "reports/objective_response/TARE/notebook.ipynb",
    } == names - tables  # fmt: skip


def test_every_file_is_described_with_its_true_size_and_digest(out, data):
    archive = opened(out, data)
    _, entities = crate(archive)
    files = {unquote(key): each for key, each in entities.items() if each["@type"] == "File"}
    assert set(files) == set(archive.namelist()) - {"ro-crate-metadata.json"}
    for name, told in files.items():
        there = archive.read(name)
        assert told["sha256"] == hashlib.sha256(there).hexdigest()
        assert told["contentSize"] == str(len(there))
        assert told["encodingFormat"].count("/") == 1
    assert archive.testzip() is None


def test_the_crate_has_the_structure_that_1_1_asks_for(out, data):
    content, entities = crate(opened(out, data))
    assert content["@context"][0] == "https://w3id.org/ro/crate/1.1/context"
    head = entities["ro-crate-metadata.json"]
    assert head["@type"] == "CreativeWork"
    assert head["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    assert head["about"] == {"@id": "./"}
    root = entities["./"]
    assert root["@type"] == "Dataset"
    assert root["license"] == {"@id": "https://creativecommons.org/licenses/by/4.0/"}
    assert all(root[name] for name in ("name", "description", "author", "hasPart"))
    run = entities["#run"]
    assert run["@type"] == "CreateAction"
    assert entities[run["instrument"]["@id"]]["softwareVersion"] == mn.__version__
    assert len(entities) == len(content["@graph"])

    def references(node):
        if isinstance(node, dict):
            if set(node) == {"@id"}:
                yield node["@id"]
            for value in node.values():
                yield from references(value)
        elif isinstance(node, list):
            for value in node:
                yield from references(value)

    outside = {"https://w3id.org/ro/crate/1.1"}
    assert set(references(content["@graph"])) - outside <= set(entities)


def test_the_program_is_named_as_its_citation_names_it():
    text = (PROJECT / "CITATION.cff").read_text(encoding="utf-8")
    assert f'title: "{PROGRAM["title"]}"' in text
    assert f"name: {PROGRAM['author']}" in text
    assert f"license: {PROGRAM['license']}" in text


def test_a_date_is_told_only_where_one_is_given(out, data, monkeypatch):
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    _, entities = crate(opened(out, data))
    assert "datePublished" not in entities["./"]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    _, entities = crate(opened(out, data))
    assert entities["./"]["datePublished"] == "1970-01-02"


def test_the_statement_counts_what_is_there(out, data):
    evidence = mn.load_evidence(data)
    text = opened(out, data).read("DATA_AVAILABILITY.md").decode()
    assert f"{len(evidence.studies)} studies with {len(evidence.arms)} arms and {len(evidence.outcomes)} rows of counts" in text
    assert evidence.fingerprint in text
    assert "CC-BY-4.0" in text
    assert "item 27" in text


def test_a_licence_that_is_not_stated_is_not_invented(out, data):
    path = data / "datapackage.json"
    descriptor = json.loads(path.read_text(encoding="utf-8"))
    del descriptor["licenses"]
    descriptor["title"] = "[x](javascript:alert(1)) <b>*title*"
    path.write_text(json.dumps(descriptor), encoding="utf-8")
    archive = opened(out, data)
    _, entities = crate(archive)
    assert "license" not in entities["./"]
    text = archive.read("DATA_AVAILABILITY.md").decode()
    assert "No licence is stated" in text
    assert "\\[x\\](javascript" in text
    assert facts_of(mn.load_evidence(data)).licence == ""


def test_notebooks_are_as_they_ran_without_outputs_and_without_the_place_on_this_machine(out, data):
    archive = opened(out, data)
    book = json.loads(archive.read("reports/objective_response/TARE/notebook.ipynb"))
    assert book["cells"][0]["outputs"] == []
    assert book["cells"][0]["source"] == "data = 'data'"
    assert json.loads(archive.read("reports/objective_response/TARE/about.json"))["parameters"] == {"data": "data"}
    for name in archive.namelist():
        assert str(data.resolve()).encode() not in archive.read(name), name


def test_equal_reports_have_equal_bytes_and_no_dates(out, data):
    archive = opened(out, data)
    first = (out / "supplement.zip").read_bytes()
    assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert archive.namelist()[:-1] == sorted(archive.namelist()[:-1])
    assert not list(out.glob(".supplement*"))
    opened(out, data)
    assert (out / "supplement.zip").read_bytes() == first


def test_links_and_names_that_lead_elsewhere_are_left_out(out, data, tmp_path):
    secret = tmp_path / "secret.csv"
    secret.write_text("secret", encoding="utf-8")
    os.symlink(secret, out / "objective_response/TARE/link.csv")
    path = data / "datapackage.json"
    descriptor = json.loads(path.read_text(encoding="utf-8"))
    (data / "notes.csv").write_text("mine", encoding="utf-8")
    path.write_text(json.dumps(descriptor), encoding="utf-8")
    archive = opened(out, data)
    assert b"secret" not in b"".join(archive.read(name) for name in archive.namelist() if name.endswith(".csv"))
    assert "data/notes.csv" not in archive.namelist()
    assert all(not name.startswith("/") and ".." not in name for name in archive.namelist())


def test_reports_of_other_evidence_are_named_and_left_out(out, data):
    put(out, "disease_control/TACE", rate("disease_control", "TACE"), {"subset": ["disease_control", "TACE"], "evidence": "other"})
    archive = opened(out, data)
    assert not [name for name in archive.namelist() if "disease_control/TACE" in name]
    assert "made from other evidence than the tables in `data/`:\n\n- Disease control: TACE" in archive.read("README.md").decode()


def test_a_supplement_that_cannot_be_finished_leaves_the_old_one(out, data, monkeypatch):
    opened(out, data)
    first = (out / "supplement.zip").read_bytes()
    monkeypatch.setattr("metanet.reporting.supplement.crate.crate_of", lambda *a: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_supplement(out, mn.load_evidence(data))
    assert (out / "supplement.zip").read_bytes() == first
    assert not list(out.glob(".supplement*"))


def test_without_reports_there_is_no_supplement(tmp_path):
    with pytest.raises(mn.ArgumentError, match="make the reports first"):
        write_supplement(tmp_path, mn.load_evidence())


def test_a_supplement_of_reports_elsewhere_is_refused():
    with pytest.raises(mn.ArgumentError, match="supplement needs a local folder"):
        mn.report("hepatotoxicity", "TACE", out="memory://x/reports", supplement=True)
