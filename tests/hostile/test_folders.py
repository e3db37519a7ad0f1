"""Folders of reports that somebody else left: a run, the list and the comparison read them or say what is wrong, and lose nothing."""

from __future__ import annotations

import json
import os
import shutil
import warnings
import zipfile
from pathlib import Path

import pytest

import metanet as mn
from metanet.reporting import files
from metanet.reporting.index.index import write_index
from metanet.reporting.plan.jobs import Job
from metanet.reporting.plan.plan import jobs_of
from metanet.reporting.plan.plan_files import read_plan
from metanet.reporting.run import journal
from metanet.reporting.run.batch import run_jobs
from metanet.reporting.run.run import _check_rows
from metanet.reporting.supplement.write import write_supplement
from tests.reporting.conftest import notebook  # noqa: F401 - a fixture
from tests.work import at_most, not_hanging

from .conftest import Structure, acting
from .corpus import EVERY, TEXTS, write_evidence

#: Calls that any of these may make, with those of what is loaded for the first time.
CALLS = 12_000_000
RESULT = {"status": "pooled", "model": "glmm", "estimate": 0.4, "ci_lower": 0.2, "ci_upper": 0.6, "k": 3, "events": 9, "n": 30}
#: What somebody writes in the place of a number or of a text.
ODD = ("NaN", "Infinity", "-Infinity", "1" + "0" * 400, "9" * 5_000, "-1", "1e999", "[1]", "{}", '"<b>"', "null", "true", "1e-320")
DEEP = ('{"a":' * 900 + "1" + "}" * 900, "[" * 200_000, '{"a":' * 200_000)


def put(out: Path, folder: str, numbers: str | dict, about: str | dict = "{}") -> Path:
    place = out / folder
    place.mkdir(parents=True)
    for name, content in (("numbers.json", numbers), ("about.json", about)):
        text = content if isinstance(content, str) else json.dumps(content)
        (place / name).write_text(text, encoding="utf-8", errors="surrogatepass")
    (place / "report.html").write_text("")
    return place


def with_value(name: str, value: str) -> str:
    return json.dumps({"result": {**RESULT, name: "@@"}, "outcome": "x", "modality_class": "y"}).replace('"@@"', value)


@pytest.fixture(scope="module")
def evidence(tmp_path_factory):
    return write_evidence(tmp_path_factory.mktemp("evidence") / "data", [f"Author {n}" for n in range(6)])


@pytest.fixture
def job(notebook):  # noqa: F811
    return Job(notebook("number"), {}, "A title", "x/y", {"outcome": "x", "modality_class": "y"})


def made_by(job, out):
    return run_jobs([job], out)[0]


@pytest.mark.parametrize("name", [*RESULT, "pi_lower", "marginal_estimate"])
def test_the_list_takes_any_value_in_the_place_of_a_number(tmp_path, name):
    for place, value in enumerate(ODD):
        put(tmp_path, f"x/y{place}", with_value(name, value), {"subset": [["x"], {"a": 1}], "title": value})
    with at_most(CALLS):
        page = write_index(tmp_path, mn.load_evidence()).read_text(encoding="utf-8")
    # The script of the list, and the studies that it finds.
    assert page.count("<script") == 2
    assert "<b>" not in page


@pytest.mark.parametrize("content", DEEP)
def test_the_list_leaves_out_numbers_without_end(tmp_path, content):
    put(tmp_path, "x/y", content, content)
    put(tmp_path, "x/z", json.dumps({"result": RESULT}), content)
    with at_most(CALLS):
        assert "y/z/report.html" not in write_index(tmp_path).read_text(encoding="utf-8")
        assert "x/z/report.html" in (tmp_path / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["numbers.json", "about.json"])
def test_nobody_waits_for_a_pipe_in_a_folder_of_reports(tmp_path, name):
    for run in ("old", "new"):
        for folder in ("x/y", "x/z"):
            place = put(tmp_path / run, folder, {"result": RESULT})
        (place / name).unlink()
        os.mkfifo(place / name)
    with not_hanging():
        write_index(tmp_path / "old")
        assert len(mn.diff(tmp_path / "old", tmp_path / "new").changes) == 1


def test_folders_with_hostile_names_are_listed_as_text(tmp_path):
    # Bytes that are no text come back as lone surrogates.
    names = [text[:60] for text in EVERY[::3] if not set(text) & {"/", "\x00"} and text[:1] != "." and len(text) < 250]
    names = [name for name in names if not any(0xD800 <= ord(character) < 0xE000 for character in name)]
    for name in names:
        if not (tmp_path / "x" / name).exists():
            put(tmp_path, f"x/{name}", {"result": RESULT, "outcome": name, "label": name, "modality_class": name}, {"title": name})
    (tmp_path / "x" / os.fsdecode(b"\xff\xfe")).mkdir()
    text = write_index(tmp_path).read_text(encoding="utf-8")
    page = Structure(text)
    assert text.count("<script") == 1
    assert not acting(text)
    assert not [a for _, attributes in page.elements for a in attributes if a.startswith("on")]
    assert not [address for address in page.addresses if address.lower().startswith(("javascript:", "http", "//", "data:text"))]


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe{}", b"[" * 100_000, b"[1]\n1\nnull\n\"a\"", b'{"folder":"a"}', b'{"folder":"x/y","key":[],"files":5}',
        json.dumps({"folder": "x" * 5_000, "key": "", "files": {}}).encode(),
        json.dumps({"folder": "a\x00b", "key": "", "files": {}}).encode(),
        json.dumps({"folder": "../../..", "key": "", "files": {"../../etc/passwd": [0, 0, ""]}}).encode(),
    ],
)  # fmt: skip
def test_a_journal_that_somebody_wrote_is_read_as_far_as_it_goes(tmp_path, content, job):
    (tmp_path / ".metanet").mkdir()
    (tmp_path / ".metanet" / "journal.jsonl").write_bytes(content)
    with journal.opened(tmp_path) as read:
        assert not read.fresh(job, "key")
        read.keys()
        read.compact()


@pytest.mark.parametrize("name", [".metanet", ".metanet/logs", ".metanet/lock", ".metanet/journal.jsonl"])
def test_a_link_among_the_files_of_a_run_is_not_followed(tmp_path, name, job):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "x__y.log").write_text("mine")
    link = tmp_path / "out" / name
    link.parent.mkdir(parents=True)
    link.symlink_to(elsewhere)
    with pytest.raises(mn.ArgumentError, match="is a link to another place"):
        made_by(job, tmp_path / "out")
    assert [path.read_text() for path in elsewhere.iterdir()] == ["mine"]


@pytest.mark.parametrize("name", ["x", "x/y"])
def test_a_report_is_not_written_through_a_link(tmp_path, name, job):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "out" / name).parent.mkdir(parents=True)
    (tmp_path / "out" / name).symlink_to(elsewhere)
    assert "is a link to another place" in made_by(job, tmp_path / "out").error
    assert list(elsewhere.iterdir()) == []


def test_a_folder_that_is_no_report_is_not_replaced(tmp_path, job):
    (tmp_path / "x" / "y").mkdir(parents=True)
    (tmp_path / "x" / "y" / "thesis.docx").write_text("mine")
    assert "exists and is not a report" in made_by(job, tmp_path).error
    assert [path.name for path in (tmp_path / "x" / "y").iterdir()] == ["thesis.docx"]


def test_what_is_not_of_a_run_stays_when_a_run_clears_up(tmp_path):
    for name in (".config.old", ".mail.old", "mail", "a/b/c/d/.x.old"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "mine.txt").write_text("mine")
    for name in (".film.iso.part", "a/.notes.abc.part"):
        (tmp_path / name).write_text("mine")
    put(tmp_path, "x/.y.old", {"result": RESULT})
    put(tmp_path, ".staged-abc", {"result": RESULT})
    (tmp_path / ".index.html.abc123.part").write_text("half")
    journal.recover(tmp_path)
    kept = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert {f"{name}/mine.txt" for name in (".config.old", ".mail.old", "mail", "a/b/c/d/.x.old")} <= kept
    assert {".film.iso.part", "a/.notes.abc.part", "x/y/report.html"} <= kept
    assert not {".index.html.abc123.part", ".staged-abc/report.html"} & kept


def test_braces_in_the_name_of_a_folder_are_braces(tmp_path, notebook):  # noqa: F811
    for name in ("{number}", "{0.__class__}", "{", "{}", "%s"):
        folder = tmp_path / name
        folder.mkdir()
        book = shutil.copy(notebook("number"), folder / "b.ipynb")
        done = made_by(Job(Path(book), {"number": 3}, "T", "x/y", {}), folder / "out")
        assert done.error is None
        assert (folder / "out" / "x" / "y" / "report.html").is_file()
    assert not (tmp_path / "3").exists()


@pytest.mark.parametrize("family", ["code", "yaml and templates", "typesetting", "invisible"])
def test_a_text_as_a_parameter_reaches_the_notebook_as_it_is(tmp_path, notebook, monkeypatch, family):  # noqa: F811
    texts = [text for text in TEXTS[family] if not any(0xD800 <= ord(c) < 0xE000 for c in text)]
    monkeypatch.chdir(tmp_path)
    source = "import json, pathlib\npathlib.Path(output_dir, 'numbers.json').write_text(json.dumps({'got': word}))"
    book = notebook(source)
    jobs = [Job(book, {"word": text}, "T", f"x/y{place}", {}) for place, text in enumerate(texts)]
    for text, made in zip(texts, run_jobs(jobs, tmp_path / "out", 2), strict=True):
        assert made.error is None
        assert made.numbers["got"] == text
    assert not list(tmp_path.rglob("PWNED*"))


def test_a_report_of_rows_that_changed_meanwhile_fails(tmp_path, evidence):
    folder = shutil.copytree(evidence, tmp_path / "data")
    entries = read_plan(write(tmp_path / "p.toml", '[[report]]\nanalysis = "rates"\noutcomes = "response"\nmodalities = "A"')).entries
    (job,) = jobs_of(entries, mn.load_evidence(folder), str(folder))
    table = folder / "response0.csv"
    table.write_text(table.read_text().replace(",1,20,", ",19,20,"))
    rates = mn.load_evidence(folder).rates("response", modality="A")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mn.save_results(tmp_path / "r", mn.pool(rates), rates=rates)
    with pytest.raises(mn.ReportError, match="changed while"):
        _check_rows(job, tmp_path / "r")


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "names", [("TARE", "tare"), ("x.y", "X.y")],
)  # fmt: skip
def test_two_reports_whose_folders_differ_by_case_are_refused(tmp_path, names):
    outcomes = dict.fromkeys(names, "Response")
    folder = write_evidence(tmp_path / "data", ["a", "b", "c"], outcomes, ["A"])
    entries = read_plan(write(tmp_path / "p.toml", '[[report]]\nanalysis = "rates"')).entries
    with pytest.raises(mn.ArgumentError, match="would be written to"):
        jobs_of(entries, mn.load_evidence(folder), None)


PLANS = {
    "no TOML": "x", "binary": "\x00\x01", "deep": "a = " + "[" * 100_000, "many combinations": (
        '[[report]]\nanalysis = "rates"\nvary = { level = [' + ",".join(map(str, range(2_000))) + "] }"
    ),
    "a notebook above": '[[report]]\nnotebook = "../../../etc/x.ipynb"',
    "an absolute notebook": '[[report]]\nnotebook = "/etc/passwd"',
    "a notebook at an address": '[[report]]\nnotebook = "https://example.invalid/x.ipynb"',
    "a notebook with a zero byte": '[[report]]\nnotebook = "a\\u0000.ipynb"',
    "a notebook behind a link": '[[report]]\nnotebook = "link.ipynb"',
    "a pipe as a notebook": '[[report]]\nnotebook = "pipe.ipynb"',
    "a notebook that is none": '[[report]]\nnotebook = "broken.ipynb"',
    "a notebook that is a list": '[[report]]\nnotebook = "list.ipynb"',
    "a notebook without end": '[[report]]\nnotebook = "deep.ipynb"',
    "parameters that call": '[[report]]\nnotebook = "calls.ipynb"',
    "parameters that are no Python": '[[report]]\nnotebook = "syntax.ipynb"',
    "parameters without end": '[[report]]\nnotebook = "minus.ipynb"',
    "an unknown analysis": '[[report]]\nanalysis = "__import__"',
    "an unknown key": 'x\u202e = 1\n[[report]]\nanalysis = "rates"',
    "an unknown parameter": '[parameters]\n"__class__" = 1\n[[report]]\nanalysis = "rates"',
    "a parameter that is a list": '[parameters]\nlevel = [1]\n[[report]]\nanalysis = "rates"',
}  # fmt: skip


def book_of(source: str) -> str:
    cell = {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": source, "outputs": [], "execution_count": None}
    return json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": [cell]})


@pytest.mark.parametrize("name", PLANS)
def test_a_hostile_plan_is_refused_in_words(tmp_path, name, evidence, never_run):
    folder = tmp_path / "a" / "b" / "plans"
    folder.mkdir(parents=True)
    (folder / "link.ipynb").symlink_to(write(tmp_path / "outside.ipynb", book_of("x = 1")))
    os.mkfifo(folder / "pipe.ipynb")
    for book, content in {
        "broken": "{", "list": "[1]", "deep": "[" * 100_000, "calls": book_of("x = __import__('os').system('touch PWNED')"),
        "syntax": book_of("x = = 1"), "minus": book_of("x = " + "-" * 100_000 + "1"),
    }.items():  # fmt: skip
        write(folder / f"{book}.ipynb", content)
    plan = write(folder / "plan.toml", PLANS[name])
    with at_most(CALLS), pytest.raises(mn.MetanetError) as refused:
        mn.report(plan=plan, data=evidence, out=tmp_path / "out")
    assert not acting(str(refused.value))
    assert not (tmp_path / "out").exists()


def test_numbers_that_are_nested_without_end_are_compared_as_far_as_it_goes(tmp_path):
    for run, end in (("old", "1"), ("new", "2")):
        put(tmp_path / run, "x/y", '{"a":' * 900 + end + "}" * 900)
        put(tmp_path / run, "x/z", DEEP[1])
    found = mn.diff(tmp_path / "old", tmp_path / "new")
    assert [change.status for change in found.changes] == ["changed"]


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero"), lambda path: None])
def test_a_plan_that_is_no_file_is_not_waited_for(tmp_path, make):
    make(tmp_path / "plan.toml")
    with not_hanging(), pytest.raises(mn.ArgumentError):
        read_plan(tmp_path / "plan.toml")


def test_two_runs_that_somebody_wrote_are_compared_or_refused(tmp_path):
    sound = json.dumps({"result": {**RESULT, "method": {"model": "glmm"}, "studies": [{"study": "a", "events": 1, "total": 9}]}})
    put(tmp_path / "old", "x/y", sound)
    for number, (name, value) in enumerate((n, v) for n in (*RESULT, "method", "studies", "i2", "lrt_pvalue", "tau") for v in ODD):
        put(tmp_path / str(number), "x/y", with_value(name, value), {"title": value})
        put(tmp_path / str(number), "x/z", sound)
        for one, two in (("old", str(number)), (str(number), "old")):
            found = mn.diff(tmp_path / one, tmp_path / two)
            assert not acting(found.summary() + repr(found))
            assert "<b>" not in found._repr_html_()


def test_no_name_in_a_supplement_leads_out_of_it_on_any_system(tmp_path, evidence):
    loaded = mn.load_evidence(evidence)
    about = {"subset": ["response", "A"], "evidence": loaded.fingerprint_of("response", "A"), "notebook": "../../etc/passwd"}
    for name in ("..\\..\\evil", "C:evil", "a\nb", "fine"):
        place = put(tmp_path, f"response/{name}", {"result": RESULT}, about)
        (place / "x\\..\\..\\y.csv").write_text("a")
        (place / "link.csv").symlink_to("/etc/passwd")
    with zipfile.ZipFile(write_supplement(tmp_path, loaded)) as supplement:
        names = supplement.namelist()
    assert "reports/response/fine/numbers.json" in names
    assert not [name for name in names if any(sign in name for sign in "\\:\n") or ".." in name or "link" in name or "passwd" in name]


def test_an_out_inside_of_the_evidence_leaves_the_evidence_as_it_was(tmp_path, evidence):
    folder = shutil.copytree(evidence, tmp_path / "data")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    fingerprint = mn.load_evidence(folder).fingerprint
    made = mn.report("response", "A", data=folder, out=folder, numbers=True)
    assert made.ok
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert mn.load_evidence(folder).fingerprint == fingerprint
    assert mn.report("response", "A", data=folder, out=folder).kept == 1


def test_a_name_on_a_screen_is_shown_with_its_marks_counted():
    from metanet.base.untrusted import visible

    assert visible("x" + "\u0338" * 500).count("\u0338") == 8
    assert visible("n\u0303") == "n\u0303"


def test_read_object_takes_what_write_json_writes(tmp_path):
    content = {"a": [1, 2.5, None, True, "x\u2028"], "b": {"c": -3}}
    files.write_json(tmp_path / "a.json", content)
    assert files.read_object(tmp_path / "a.json") == content
