"""Whose tables are used: those of the folder one works in or of one above it, else the curated ones; and they are named."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

import metanet as mn
from metanet.cli import cli
from metanet.evidence import folders
from metanet.evidence.folders import CURATED, TABLES, VARIABLE, curated_folder, own_tables, used_folder, whose
from metanet.reporting.run.batch import folder_of, planned, report
from metanet.reviews.new import new_review


@pytest.fixture
def review(tmp_path):
    """A new review, in a folder without tables of its own."""
    return new_review(tmp_path / "liver", title="Liver review", outcomes=["response"], modalities=["Drug A", "Drug B"])


@pytest.mark.parametrize("below", [".", "analyses", "analyses/plans", TABLES, "reports"])
def test_the_tables_of_the_folder_or_of_one_above_it_are_used_everywhere(review, below):
    (review / "reports").mkdir()
    with contextlib.chdir(review / below):
        shown = f"../{TABLES}" if below == TABLES else os.path.relpath(review / TABLES)
        assert used_folder() == review / TABLES
        evidence = mn.load_evidence()
        assert evidence.name == "Liver review"
        assert evidence.modality_classes == ("Drug A", "Drug B")
        assert Path(mn.validate().path).resolve() == review / TABLES
        assert str(review) not in mn.validate().summary()
        assert folder_of(None) == str(review / TABLES)
        checked = CliRunner().invoke(cli, ["validate"])
        assert checked.output.startswith(f"{shown}: no problems")
        dry = CliRunner().invoke(cli, ["report", "--dry-run"])
        assert "Drug A" in dry.output
        assert "TARE" not in dry.output
        assert f"Evidence: {shown}\n" in dry.output


def test_explorer_and_lab_show_the_tables_of_the_folder(review):
    with contextlib.chdir(review / "analyses"):
        explorer = mn.explore()
        assert "Drug" in repr(explorer) or explorer.rates["modality_class"].str.startswith("Drug").all()
        # The code of a view names the folder, so that it gives the same numbers elsewhere.
        shown = explorer.code
        assert repr(explorer).splitlines()[0].endswith("(evidence: Liver review)")
        assert "(evidence: Liver review)" in explorer._repr_mimebundle_()["text/html"]
    space: dict = {}
    with contextlib.chdir(review.parent):
        exec(shown, space)
    assert space["fit"].n == explorer.fit.n


def test_without_tables_the_curated_ones_are_used_and_validate_says_so(tmp_path):
    with contextlib.chdir(tmp_path):
        assert own_tables() is None
        assert used_folder() == curated_folder()
        assert mn.load_evidence().name == "the curated tables of metanet"
        said = CliRunner().invoke(cli, ["validate", "--problems"])
        assert "has no tables of its own" in said.output
        assert "curated tables of metanet" in said.output
        assert said.exit_code == 0


@pytest.mark.parametrize("name", ["datapackage.json", "studies.csv"])
def test_tables_without_a_descriptor_are_own_tables_too(tmp_path, name):
    """A folder that lacks its descriptor is refused or read, but never answered with other people's numbers."""
    (tmp_path / TABLES).mkdir()
    shutil.copy(curated_folder() / name, tmp_path / TABLES / name)
    with contextlib.chdir(tmp_path):
        assert used_folder() == tmp_path / TABLES
        assert not mn.validate().ok


def test_the_folder_of_a_review_can_be_named(review):
    assert mn.load_evidence(review).path == review / TABLES
    assert mn.validate(review).path == str(review / TABLES)
    assert mn.load_evidence(review / TABLES).fingerprint == mn.load_evidence(review).fingerprint


def test_a_folder_without_a_title_is_named_by_its_place(tmp_path):
    shutil.copytree(curated_folder(), tmp_path / "mine" / TABLES)
    (tmp_path / "mine" / TABLES / "datapackage.json").unlink()
    assert mn.load_evidence(tmp_path / "mine").name == f"mine/{TABLES}"
    assert whose(tmp_path / "plain") == "plain"
    assert whose(curated_folder()) == "the curated tables of metanet"


def test_a_run_fixes_the_tables_for_its_kernels_and_puts_the_variable_back(review, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    with folders.fixed(review / TABLES):
        assert used_folder() == review / TABLES
        with folders.fixed(None), contextlib.chdir(review):
            assert os.environ[VARIABLE] == CURATED
            assert used_folder() == curated_folder()
    assert VARIABLE not in os.environ


def test_plans_made_in_a_review_are_of_its_tables(review):
    with contextlib.chdir(review / "analyses"):
        jobs = planned(mn.load_evidence())
    assert {job.parameters.get("data") for job in jobs} == {str(review / TABLES)}
    assert all(job.identity["evidence_name"] == "Liver review" for job in jobs)
    # The replication of a published review is of the curated tables.
    assert not any(job.folder.startswith("replication") for job in jobs)


@pytest.mark.parametrize("engine", [None, "stock"])
def test_reports_and_own_notebooks_read_the_tables_of_their_run(review, tmp_path, engine):
    """A notebook that names no folder reads what the run was planned from, and the report says whose evidence it is."""
    import nbformat

    book = nbformat.v4.new_notebook()
    book.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": "Python 3"}
    first = nbformat.v4.new_code_cell("outcome = 'response'", metadata={"tags": ["parameters"]})
    book.cells = [first, nbformat.v4.new_code_cell("import metanet as mn\nmn.paragraph(f'Read: {mn.load_evidence().name}')")]
    (tmp_path / "plans").mkdir()
    nbformat.write(book, tmp_path / "plans" / "own.ipynb")
    plan = tmp_path / "plans" / "plan.toml"
    plan.write_text("[[report]]\nnotebook = 'own.ipynb'\n[[report]]\nanalysis = 'rates'\nmodalities = 'Drug A'\n", encoding="utf-8")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with contextlib.chdir(elsewhere):
        made = report(data=review, plan=plan, out="made", engine=engine, jobs=1)
    assert made.ok, made.summary()
    pages = {path.parent.name: path.read_text(encoding="utf-8") for path in (elsewhere / "made").rglob("report.html")}
    assert any("Read: Liver review" in page for page in pages.values())
    for page in pages.values():
        assert "Evidence: Liver review (sha256 " in page
        assert str(tmp_path) not in page
    index = (elsewhere / "made" / "index.html").read_text(encoding="utf-8")
    assert "Evidence: Liver review" in index


def test_the_variable_names_a_review_or_its_tables(review, tmp_path, monkeypatch):
    for value in (review, review / TABLES, f" {review} ", f"~/{review.name}"):
        monkeypatch.setenv("HOME", str(review.parent))
        monkeypatch.setenv(VARIABLE, str(value))
        with contextlib.chdir(tmp_path):
            assert mn.load_evidence().name == "Liver review"
            assert "Liver review" in repr(mn.explore())
            said = CliRunner().invoke(cli, ["validate"]).output
            assert f"as the environment variable {VARIABLE} says" in said
            assert "curated" not in said
            assert folder_of(None) == str(review / TABLES)


@pytest.mark.parametrize("value", ["nonsense", "/no/such/folder", "a\nb", "Curated"])
def test_a_variable_that_names_no_folder_is_told_by_its_name(review, value, monkeypatch):
    monkeypatch.setenv(VARIABLE, value)
    with contextlib.chdir(review):
        for call in (mn.load_evidence, mn.explore, mn.validate, mn.report):
            with pytest.raises(mn.DataError, match=rf"environment variable {VARIABLE} names .*Unset it") as caught:
                call()
            assert "\n" not in str(caught.value)
        for command in ("validate", "report"):
            said = CliRunner().invoke(cli, [command])
            assert said.exit_code != 0
            assert "curated tables of metanet are checked" not in said.output
        # Evidence that is named is read.
        assert mn.load_evidence(review).name == "Liver review"
