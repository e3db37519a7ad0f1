"""A run whose folders, files, clock and limits are not what they were when it began."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from metanet.evidence.folders import curated_folder
from metanet.reporting.engine import forks
from metanet.reporting.run.batch import report, run_jobs
from metanet.reporting.run.journal import HOME
from tests.reporting.run.test_journal import bytes_of, jobs_of
from tests.work import HANG

needs_fork = pytest.mark.skipif(not forks.available(), reason="limits need Linux")
FAR = {"the far past": 1, "the beginning of the era": 0, "the far future": 40_000_000_000_000_000_00}
COMMAND = """
import resource, sys
kind, bound = getattr(resource, sys.argv[1]), int(sys.argv[2])
from metanet.reporting.run import batch
from metanet.cli import main
sys.argv[:] = ["metanet", *sys.argv[3:]]
resource.setrlimit(kind, (bound, bound))
main()
"""


def one(out, **more):
    return report("hepatotoxicity", "TACE", out=out, jobs=1, **more)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "out"
    assert one(out).ok
    return out


@pytest.fixture
def out(made, tmp_path):
    """A copy of a finished run, with its journal."""
    shutil.copytree(made, tmp_path / "out")
    assert one(tmp_path / "out").kept == 1
    return tmp_path / "out"


def files_of(out):
    return sorted(path for path in (out / "hepatotoxicity" / "TACE").rglob("*") if path.is_file())


def test_every_empty_and_every_cut_file_is_found_and_made_again(made, out):
    before = bytes_of(made)
    names = [path.relative_to(out) for path in files_of(out)]
    assert len(names) > 8
    from metanet.reporting.plan.jobs import Job
    from metanet.reporting.run.journal import Journal

    line = json.loads((out / HOME / "journal.jsonl").read_text().splitlines()[0])
    job = Job(out, {}, "", line["folder"], {})
    for name in names:
        whole = (out / name).read_bytes()
        for part in (b"", whole[:-1], whole[: len(whole) // 2]):
            (out / name).write_bytes(part)
            os.utime(out / name, ns=(1, 1))
            assert not Journal(out).fresh(job, line["key"]), (name, len(part))
        (out / name).write_bytes(whole)
        assert Journal(out).fresh(job, line["key"]), name
    for path in files_of(out):
        path.write_bytes(b"")
    assert one(out).kept == 0
    assert bytes_of(out) == before


@pytest.mark.parametrize("when", FAR)
def test_a_clock_that_jumps_makes_nothing_anew_and_hides_nothing(made, out, when):
    """Files as a machine with a wrong clock leaves them: bytes decide."""
    for path in out.rglob("*"):
        os.utime(path, ns=(FAR[when], FAR[when]))
    assert one(out).kept == 1
    place = out / "hepatotoxicity/TACE/numbers.csv"
    content = place.read_bytes()
    place.write_bytes(content.replace(b"0", b"1", 1))
    os.utime(place, ns=(FAR[when], FAR[when]))
    assert one(out).kept == 0
    assert bytes_of(out) == bytes_of(made)


@pytest.fixture
def vanishing(monkeypatch):
    """Something that happens between two reports of a run."""
    from metanet.reporting.run import batch

    def between(happens):
        real, done = batch.run_job, []

        def run_job(*arguments):
            if done:
                happens()
            done.append(arguments)
            return real(*arguments)

        monkeypatch.setattr(batch, "run_job", run_job)

    return between


def test_a_folder_of_reports_that_is_removed_in_the_middle_of_a_run_is_said(tmp_path, notebook, vanishing):
    out = tmp_path / "out"
    jobs = jobs_of(notebook("import metanet as mn\nmn.save_results(output_dir, mn.pool(events=[number, 2], total=[9, 9]))"))
    removing = [out]
    vanishing(lambda: [shutil.rmtree(place, ignore_errors=True) for place in removing])
    made = run_jobs(jobs, out, 1)
    # Each removal takes what was made before; the run goes on, and does not claim what is no more there.
    assert [one.error is None for one in made] == [False, False, False, True]
    assert all("was removed while the run went on" in one.error for one in made[:3])
    assert not list(tmp_path.rglob(".staged*"))
    removing.clear()
    again = run_jobs(jobs, out, 1)
    assert not any(one.error or one.kept for one in again[:3])
    assert again[3].kept


def test_evidence_that_is_removed_in_the_middle_of_a_run_fails_reports_in_words(tmp_path, vanishing):
    data, out = tmp_path / "data", tmp_path / "out"
    shutil.copytree(curated_folder(), data)
    vanishing(lambda: shutil.rmtree(data, ignore_errors=True))
    found = report("hepatotoxicity", data=data, out=out, jobs=1, analyses=["rates"])
    failed = [one for one in found.outcomes if one.error]
    assert failed
    assert len(failed) == len(found.outcomes) - 1
    for one in failed:
        assert "data" in one.error
        page = (out / one.job.folder / "report.html").read_text(encoding="utf-8")
        assert "This report failed" in page
        assert "result" not in json.loads((out / one.job.folder / "numbers.json").read_text(encoding="utf-8"))


@pytest.fixture
def closed(tmp_path):
    """A folder in which nobody may make anything, and root neither."""
    if os.geteuid() == 0:
        return Path("/sys/kernel")
    place = tmp_path / "closed"
    place.mkdir(mode=0o555)
    return place


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="needs a folder that root cannot write")
def test_a_folder_that_cannot_be_written_is_said_before_a_report_is_made(closed, monkeypatch, capsys):
    from metanet.cli import main

    monkeypatch.setattr("metanet.reporting.run.batch.run_jobs", lambda *given, **more: pytest.fail("a report was made"))
    out = str(closed / "metanet-reports")
    monkeypatch.setattr(sys, "argv", ["metanet", "report", "--outcome", "hepatotoxicity", "--modality", "TACE", "--out", out])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    assert re.search(r"(Permission denied|not permitted|Read-only).*Fix: ", capsys.readouterr().err.replace("\n", " "))
    assert not os.path.exists(out)


@needs_fork
@pytest.mark.parametrize(
    ("limit", "bounds"),
    [
        ("RLIMIT_NOFILE", (12, 20, 28, 40)),
        ("RLIMIT_AS", (200 << 20, 500 << 20, 900 << 20)),
        ("RLIMIT_FSIZE", (0, 100, 20_000, 60_000)),
    ],
)
def test_limits_of_the_system_end_in_words_and_leave_no_half_report(made, tmp_path, limit, bounds):
    for bound in bounds:
        out = tmp_path / str(bound)
        words = [COMMAND, limit, str(bound), "report", "--outcome", "hepatotoxicity", "--modality", "TACE", "--out", str(out)]
        done = subprocess.run([sys.executable, "-c", *words], capture_output=True, text=True, timeout=HANG, check=False)
        assert done.returncode in (0, 1, 2), (bound, done.stderr)
        assert "Traceback" not in done.stderr, (bound, done.stderr)
        assert done.stderr.strip(), bound
        assert not list(out.rglob(".staged*")), bound
        for page in out.rglob("report.html"):
            names = {path.name for path in page.parent.iterdir()}
            whole = "This report failed" not in page.read_text(encoding="utf-8")
            assert page.read_bytes().rstrip().endswith(b"</html>")
            assert whole == (done.returncode == 0), (bound, done.stderr)
            assert not whole or names == {path.name for path in files_of(made)}
        assert one(out).ok
        assert bytes_of(out) == bytes_of(made)


def test_a_report_that_asks_for_more_memory_than_it_may_fails_alone(tmp_path, notebook):
    from metanet.reporting.plan.jobs import Job
    from metanet.reporting.run.makers import Limits

    if not forks.available():
        pytest.skip("limits need Linux")
    greedy = Job(notebook("x = [bytearray(1 << 20) for _ in range(4000)]", "greedy.ipynb"), {}, "Greedy", "x/greedy", {})
    (found,) = run_jobs([greedy], tmp_path / "out", 1, limits=Limits(megabytes=700))
    assert "MemoryError" in found.error
