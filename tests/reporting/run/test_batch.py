"""Reports end to end: what they hold, what a failure leaves, and that nothing from a CSV runs."""

import json
import re
import subprocess
import sys

import pandas as pd
import pytest

import metanet as mn
from metanet.reporting.engine import forks
from metanet.reporting.index.index import SCRIPT
from metanet.reporting.plan.jobs import Job
from metanet.reporting.run.batch import planned, run_jobs
from tests.reporting.conftest import HOSTILE
from tests.work import HANG

FILES = {
    "report.ipynb",
    "report.html",
    "forest.svg",
    "forest.png",
    "numbers.json",
    "numbers.csv",
    "studies.csv",
    "leave_one_out.csv",
    "check.R",
    "about.json",
}


SCRIPTS = ['<script type="application/json" id="data">', "<script>"]


def test_a_report_has_notebook_page_figures_and_numbers(hostile_report):
    folder = hostile_report / "objective_response" / "TARE"
    assert {p.name for p in folder.iterdir()} == FILES
    numbers = json.loads((folder / "numbers.json").read_text(encoding="utf-8"))
    fit = mn.pool(mn.load_evidence().rates("objective_response", modality="TARE"))
    assert numbers["result"]["estimate"] == pytest.approx(fit.estimate, rel=1e-12)
    assert numbers["result"]["k"] == fit.k
    assert numbers["second"]["model"] == "beta_binomial"
    assert len(numbers["leave_one_out"]["rows"]) == fit.k
    assert numbers["selection"]["overlap"] == "keep_largest"


def test_one_study_is_shown_and_not_pooled(hostile_report):
    folder = hostile_report / "hepatotoxicity" / "TAE"
    assert {p.name for p in folder.iterdir()} == FILES - {"leave_one_out.csv"}
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "not pooled" in text
    assert "needs at least two studies" in text


def test_the_page_has_every_section(hostile_report):
    text = (hostile_report / "objective_response" / "TARE" / "report.html").read_text(encoding="utf-8")
    for words in (
        "Median rate",
        "Population-averaged rate",
        "Prediction interval",
        "Forest plot",
        "The true rate of a new, comparable study is expected between",
        "Leave-one-out",
        "Beta-binomial model",
        "The models agree",
        "Certainty",
        "excluded",
        "Devcic Z et al",
        "Method: every choice",
        "Text for a manuscript",
        "Eligible for the synthesis of objective response",
        "300 of 648 patients or procedures",
        "Characteristics of 18 studies",
        "10.1002/sim.4040",
    ):
        assert words in text, words


def test_a_hostile_name_is_text_everywhere(hostile_report):
    folder = hostile_report / "objective_response" / "TARE"
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; $\\frac{1}" in page
    # The list of reports has one script of its own, and data that it reads.
    assert re.findall(r"<script[^>]*>", (hostile_report / "index.html").read_text(encoding="utf-8")) == SCRIPTS
    assert "<script" not in (folder / "forest.svg").read_text(encoding="utf-8")
    studies = json.loads((folder / "numbers.json").read_text(encoding="utf-8"))["result"]["studies"]
    assert any(row["study"] == f"{HOSTILE} 2008" for row in studies)


def test_pages_ask_for_nothing_and_forbid_scripts(hostile_report):
    for page in hostile_report.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert "default-src 'none'" in text
        # A link to a publication asks for nothing by itself.
        assert not re.search(r"""<(?!a )[^>]*(src|href)=["'](https?:)?//""", text)
        if page.name == "index.html":
            text = re.sub(
                r'<script type="application/json" id="data">[^<]*</script>', "", text.replace(f"<script>\n{SCRIPT}</script>", "")
            )
        assert not re.search(r"""<(script|iframe|object|embed|link rel="stylesheet")""", text)
        assert not re.search(r"\son\w+=", re.sub(r"<style>.*?</style>", "", text, flags=re.S)[: text.find("<main")])


def test_no_trace_of_the_staging_folder_is_left(hostile_report):
    assert not list(hostile_report.glob(".staged*"))
    for path in hostile_report.rglob("*"):
        if path.suffix in {".html", ".ipynb", ".json", ".csv", ".svg"}:
            assert ".staged" not in path.read_text(encoding="utf-8"), path


def test_the_index_lists_every_report_with_links_that_exist(hostile_report):
    text = (hostile_report / "index.html").read_text(encoding="utf-8")
    links = re.findall(r'href="([^"#:]+)"', text)
    # Each is in the map and in the list.
    assert sum(link.endswith("report.html") for link in links) == 4
    for link in links:
        assert (hostile_report / link).is_file(), link
    assert ">42.4<" in text
    assert ">43.3<" in text
    assert "observational" in text


def test_a_failed_report_leaves_its_traceback_and_does_not_stop_the_others(notebook, tmp_path):
    good = notebook("import metanet as mn\nfit = mn.pool(events=[1, 2], total=[9, 9])\nmn.save_results(output_dir, fit)", "good.ipynb")
    bad = notebook("1 / 0", "bad.ipynb")
    out = tmp_path / "out"
    todo = [Job(bad, {}, "Bad <b>", "x/bad", {"outcome": "x"}), Job(good, {}, "Good", "x/good", {"outcome": "x"})]
    made = run_jobs(todo, out, 2)
    assert [outcome.error is None for outcome in made] == [False, True]
    assert "ZeroDivisionError" in made[0].error
    page = (out / "x" / "bad" / "report.html").read_text(encoding="utf-8")
    assert "ZeroDivisionError" in page
    assert "Bad &lt;b&gt;" in page
    assert ".staged" not in (out / "x" / "bad" / "report.ipynb").read_text(encoding="utf-8")
    assert json.loads((out / "x" / "bad" / "numbers.json").read_text())["error"]
    assert (out / "x" / "good" / "numbers.json").is_file()


def test_a_dead_kernel_is_a_failed_report(notebook, tmp_path):
    job = Job(notebook("import os; os._exit(3)"), {}, "Dead", "x/dead", {})
    outcome = run_jobs([job], tmp_path / "out")[0]
    assert outcome.error is not None
    assert "DeadKernel" in outcome.error or "died" in outcome.error.lower()
    assert (tmp_path / "out" / "x" / "dead" / "report.html").is_file()


def test_a_report_that_cannot_be_put_in_its_place_does_not_stop_the_others(notebook, tmp_path):
    source = "import metanet as mn\nmn.save_results(output_dir, mn.pool(events=[1, 2], total=[9, 9]))"
    out = tmp_path / "out"
    out.mkdir()
    (out / "blocked").write_text("a file where a folder should be")
    todo = [Job(notebook(source), {}, "Blocked", "blocked/a", {}), Job(notebook(source), {}, "Good", "x/good", {})]
    made = run_jobs(todo, out, 1)
    assert made[0].error is not None
    assert made[0].numbers is None
    assert made[1].error is None
    assert not list(out.glob(".staged*"))


def test_nothing_to_pool_is_said_in_words(tmp_path):
    with pytest.raises(mn.ArgumentError, match="no poolable study"):
        mn.report("technical_success", out=tmp_path / "never")
    assert not (tmp_path / "never").exists()


def test_an_analysis_that_was_asked_for_and_has_nothing_is_told(tmp_path):
    data = pd.DataFrame({"study": ["A 2001", "B 2002"], "events": [3, 9], "total": [20, 31]})
    made = mn.report(data=data, out=tmp_path / "out", analyses=("search",))
    assert not made.outcomes
    assert [text for text in made.notes if text.startswith("No report of the search was made")]


def test_a_definition_chooses_the_outcome_that_knows_it():
    jobs = planned(mn.load_evidence(), parameters={"definition": "liver_failure"})
    assert jobs
    assert {job.parameters["outcome"] for job in jobs} == {"hepatotoxicity"}
    with pytest.raises(mn.ArgumentError, match="no poolable study"):
        planned(mn.load_evidence(), parameters={"definition": "nonsense"})


def test_an_unknown_modality_is_refused_with_the_nearest(tmp_path):
    with pytest.raises(mn.ArgumentError, match="Did you mean 'TARE'"):
        mn.report(modality="TARRE", out=tmp_path / "never")


def test_bad_evidence_stops_the_run_before_anything_is_written(tmp_path):
    (tmp_path / "data").mkdir()
    with pytest.raises(mn.MetanetError):
        mn.report(out=tmp_path / "never", data=tmp_path / "data")
    assert not (tmp_path / "never").exists()


def test_the_batch_loads_where_the_system_has_neither_limits_nor_locks():
    # As on Windows, where papermill's own engine makes the reports.
    script = (
        "import sys\nsys.modules['resource'] = None\nsys.modules['fcntl'] = None\n"
        "import metanet.reporting.run.batch, papermill, metanet.reporting.engine.papermill_engine"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=HANG, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not forks.available(), reason="forks need Linux")
def test_python_files_of_the_folder_one_works_in_do_not_run_and_a_notebook_may_import_its_own(tmp_path, notebook):
    """A random.py beside the reports is not Python's, and a helper of a notebook is found."""
    for name in ("random", "json", "metanet", "numpy"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').write({name!r})")
    (tmp_path / "my_helper.py").write_text("answer = 42")
    path = notebook("import my_helper, random, json\nassert my_helper.answer == 42\nassert hasattr(random, 'seed') and json.dumps")
    script = (
        "import sys; from pathlib import Path\nfrom metanet.reporting.run.batch import run_jobs\n"
        "from metanet.reporting.plan.jobs import Job\n"
        f"made = run_jobs([Job(Path({str(path)!r}), {{}}, 'A', 'x/a', {{}})], Path('out'))\nprint([one.error for one in made])"
    )
    place = tmp_path / "script.py"
    (tmp_path / "elsewhere").mkdir()
    place = tmp_path / "elsewhere" / "script.py"
    place.write_text(script)
    ran = subprocess.run([sys.executable, str(place)], cwd=tmp_path, capture_output=True, text=True, timeout=HANG, check=False)
    assert ran.stdout.strip().endswith("[None]"), ran.stderr[-2000:]
    assert not (tmp_path / "ran").exists()
