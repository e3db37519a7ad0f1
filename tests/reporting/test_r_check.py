"""Running the R scripts of reports: what is said, and what stops a report."""

import json
import os
import shutil
from dataclasses import replace

import pytest

import metanet as mn
from metanet.base.errors import ReportError
from metanet.reporting.r_check import check_folder, programs, run_script
from metanet.reporting.results_files import save_results
from metanet.reporting.run.journal import key_of
from tests.models.r.cases import one_group

needs_rscript = pytest.mark.skipif(shutil.which("Rscript") is None, reason="needs Rscript")


@pytest.fixture
def folder(tmp_path):
    save_results(tmp_path / "report", mn.pool(**one_group()["five"]))
    return tmp_path / "report"


def test_a_report_has_the_script_beside_its_numbers(folder):
    assert {path.name for path in folder.iterdir()} == {"numbers.json", "numbers.csv", "studies.csv", "check.R"}


@needs_rscript
def test_the_check_is_recorded_beside_the_numbers(folder):
    (line,) = check_folder(folder)
    assert line.startswith("R ")
    assert "largest relative difference" in line
    told = json.loads((folder / "numbers.json").read_text(encoding="utf-8"))["check_with_r"]
    assert told["sentence"] == line
    assert told["largest_relative_difference"] < 1e-4
    assert told["compared"] == 27


@needs_rscript
def test_a_number_that_r_does_not_find_fails(folder):
    path = folder / "check.R"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('check("estimate", ', 'check("estimate", 1.001 * '), encoding="utf-8")
    with pytest.raises(ReportError, match="R does not reproduce estimate"):
        check_folder(folder)


@needs_rscript
@pytest.mark.parametrize(
    ("code", "words"),
    [
        ('cat("metanet-check: {\\"missing\\": [\\"lme4\\"]}\\n")\nquit(save = "no", status = 3)', r"install.packages\('lme4'\)"),
        ("stop('no way')", "failed in R: Error: no way"),
        ("Sys.sleep(60)", "did not end within 2 seconds"),
        ('cat("metanet-check: no JSON\\n")', "failed in R: no output"),
    ],
    ids=["package", "error", "time", "words"],
)
def test_what_goes_wrong_in_r_is_said(tmp_path, code, words):
    path = tmp_path / "check.R"
    path.write_text(code + "\n", encoding="utf-8")
    with pytest.raises(ReportError, match=words):
        run_script(path, 2.0)


@needs_rscript
def test_the_profile_of_the_user_is_not_read(tmp_path, monkeypatch):
    (tmp_path / "profile").write_text("stop('read')\n", encoding="utf-8")
    monkeypatch.setenv("R_PROFILE_USER", str(tmp_path / "profile"))
    assert programs().startswith("R ")


def test_without_r_the_run_says_so_before_it_begins(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ReportError, match="install R"):
        mn.report("objective_response", "TARE", out=tmp_path / "out", check_with_r=True)
    assert not os.path.exists(tmp_path / "out")


def test_a_report_with_a_check_is_another_report(notebook):
    from metanet.reporting.plan.jobs import Job

    job = Job(notebook("1"), {}, "A", "a")
    keys = {key_of(each, "", ("html",)) for each in (job, replace(job, check_with_r="R 4.2.2"), replace(job, check_with_r="R 4.4.1"))}
    assert len(keys) == 3
    assert Job.from_dict(replace(job, check_with_r="R 4.2.2").to_dict()).check_with_r == "R 4.2.2"


@needs_rscript
def test_a_report_says_what_r_found(tmp_path):
    made = mn.report("hepatotoxicity", "TAE", out=tmp_path, jobs=1, check_with_r=True)
    assert made.ok, made.summary()
    folder = tmp_path / "hepatotoxicity" / "TAE"
    page = (folder / "report.html").read_text(encoding="utf-8")
    sentence = json.loads((folder / "numbers.json").read_text(encoding="utf-8"))["check_with_r"]["sentence"]
    assert "Check with R" in page
    assert sentence in page
    assert "R script that reproduces the numbers" in page
    assert mn.report("hepatotoxicity", "TAE", out=tmp_path, jobs=1, check_with_r=True).kept == 1
    assert mn.report("hepatotoxicity", "TAE", out=tmp_path, jobs=1).kept == 0
    assert "check.R" in (tmp_path / "index.html").read_text(encoding="utf-8")
