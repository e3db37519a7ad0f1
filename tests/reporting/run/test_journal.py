"""Runs that go on where they ended: what is unchanged is left alone, what was killed is made again, and the bytes are the same."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from time import sleep

import pandas as pd
import pytest

import metanet as mn
from metanet.evidence.folders import curated_folder
from metanet.reporting.engine import forks
from metanet.reporting.plan.jobs import Job
from metanet.reporting.run import journal as journals
from metanet.reporting.run.batch import planned, report, run_jobs
from metanet.reporting.run.makers import Limits
from tests.work import HANG, wait_until

needs_fork = pytest.mark.skipif(not forks.available(), reason="limits and forks need Linux")
SOURCE = (
    "import time, metanet as mn\ntime.sleep(0.05)\nfit = mn.pool(events=[number, 2, 5], total=[9, 9, 11])\n"
    "mn.save_results(output_dir, fit)\nmn.save_figure(fit.forest(), f'{output_dir}/forest')\nfit"
)
MOVED = (
    "objective_response/TAE",
    "analyses/audit/counts",
    "analyses/manuscript/review",
    "analyses/findings/TAE",
    "analyses/comparison/objective_response",
    "analyses/benefit_risk/objective_response-hepatotoxicity",
)
SCRIPT = """
import json, signal, sys
# What a shell starts in the background ignores Ctrl-C, and so would this.
signal.signal(signal.SIGINT, signal.default_int_handler)
from pathlib import Path
from metanet.reporting.run.batch import run_jobs
from metanet.reporting.plan.jobs import Job
jobs = [Job.from_dict(each) for each in json.loads(Path(sys.argv[1]).read_text())]
made = run_jobs(jobs, Path(sys.argv[2]), 2)
print(sum(one.kept for one in made), sum(one.error is not None for one in made))
"""


def bytes_of(out: Path) -> dict[str, str]:
    """Digest of every file of the reports; what is about the runs is left out."""
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file() and journals.HOME not in path.parts
    }


@pytest.fixture
def jobs(notebook):
    return jobs_of(notebook(SOURCE))


def jobs_of(path):
    return [Job(path, {"number": number}, f"Number {number}", f"x/n{number}", {"outcome": "x"}) for number in range(1, 5)]


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """The jobs and the folder of an undisturbed run, made once."""
    import nbformat

    folder = tmp_path_factory.mktemp("once")
    book = nbformat.v4.new_notebook()
    book.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": "Python 3"}
    first = nbformat.v4.new_code_cell("number = 1\noutput_dir = None", metadata={"tags": ["parameters"]})
    book.cells = [first, nbformat.v4.new_code_cell(SOURCE)]
    nbformat.write(book, folder / "small.ipynb")
    jobs = jobs_of(folder / "small.ipynb")
    assert not any(one.kept or one.error for one in run_jobs(jobs, folder / "out", 2))
    return jobs, folder / "out"


@pytest.fixture
def calm(once, tmp_path):
    """A copy of that run, with its journal: jobs, folder, bytes."""
    jobs, made = once
    out = tmp_path / "out"
    shutil.copytree(made, out)
    return jobs, out, bytes_of(made)


def start(jobs, tmp_path, out):
    """The run in a process of its own."""
    file = tmp_path / "jobs.json"
    file.write_text(json.dumps([job.to_dict() for job in jobs]))
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(file), str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


def test_unchanged_reports_are_left_alone_and_changed_ones_made_anew(calm):
    jobs, out, before = calm
    times = {path: path.stat().st_mtime_ns for path in out.rglob("numbers.json")}
    again = run_jobs(jobs, out, 2)
    assert all(one.kept for one in again)
    assert [one.numbers["result"]["events"] for one in again] == [job.parameters["number"] + 7 for job in jobs]
    assert {path: path.stat().st_mtime_ns for path in times} == times
    changed = [*jobs[:3], Job(jobs[3].notebook, {"number": 3}, jobs[3].title, jobs[3].folder, jobs[3].identity)]
    assert [one.kept for one in run_jobs(changed, out, 2)] == [True] * 3 + [False]
    assert not any(one.kept for one in run_jobs(jobs, out, 2, force=True))
    # The same parameters again: the same bytes, to the last.
    assert bytes_of(out) == before


def test_a_changed_notebook_makes_its_reports_anew(jobs, tmp_path, notebook):
    out = tmp_path / "out"
    run_jobs(jobs[:1], out)
    notebook(SOURCE + "\nprint('more')")
    assert not any(one.kept for one in run_jobs(jobs[:1], out))


def test_a_file_that_is_not_what_it_was_is_made_again(calm):
    jobs, out, before = calm
    (out / "x/n1/numbers.csv").write_text("spoilt")
    (out / "x/n2/report.html").unlink()
    os.utime(out / "x/n4/forest.svg", ns=(1, 1))
    assert [one.kept for one in run_jobs(jobs, out, 2)] == [False, False, True, True]
    assert bytes_of(out) == before


def test_changed_numbers_with_their_old_size_and_time_are_made_again(calm):
    """As `cp -p` or rsync put them there: bytes decide, not times."""
    jobs, out, before = calm
    assert all(one.kept for one in run_jobs(jobs, out, 2))
    place = out / "x/n1/numbers.json"
    stat = place.stat()
    other = place.with_name("other")
    other.write_bytes(place.read_bytes().replace(b"0", b"1", 1))
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(place)
    now = place.stat()
    assert (now.st_size, now.st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)
    assert [one.kept for one in run_jobs(jobs, out, 2)] == [False, True, True, True]
    assert bytes_of(out) == before


def test_a_reader_s_own_file_stays_in_the_folder_of_a_report(calm):
    jobs, out, before = calm
    (out / "x/n1/notes.txt").write_text("what I thought of it")
    (out / "x/n1/mine").mkdir()
    (out / "x/n1/mine/figure.svg").write_text("<svg/>")
    (out / "x/n2/report.ipynb").write_text("edited")
    assert [one.kept for one in run_jobs(jobs, out, 2)] == [True, False, True, True]
    made = run_jobs(jobs, out, 2, force=True)
    assert not any(one.error for one in made)
    theirs = {"x/n1/notes.txt", "x/n1/mine/figure.svg", "x/n2/report (edited).ipynb"}
    now = bytes_of(out)
    assert {name for name in now if name not in before} == theirs
    assert {name: digest for name, digest in now.items() if name not in theirs} == before
    assert (out / "x/n2/report (edited).ipynb").read_text() == "edited"
    # A journal that is gone knows nothing, and what is plainly not ours stays.
    (out / journals.HOME / "journal.jsonl").unlink()
    run_jobs(jobs, out, 2)
    assert (out / "x/n1/notes.txt").read_text() == "what I thought of it"


def test_a_run_that_is_refused_writes_nothing(tmp_path):
    out = tmp_path / "out"
    data = pd.DataFrame({"study": ["A", "B"], "events": [1, 2], "total": [10, 20]})
    with journals.opened(out), pytest.raises(mn.ArgumentError, match="in use by another run"):
        report(data=data, out=out, numbers=True, supplement=True)
    assert [path.name for path in out.iterdir()] == [journals.HOME]
    with journals.opened(out), pytest.raises(mn.ArgumentError, match="in use by another run"):
        report("hepatotoxicity", "TACE", out=out, numbers=True, supplement=True)
    assert [path.name for path in out.iterdir()] == [journals.HOME]


def test_a_journal_with_half_a_line_or_nonsense_loses_that_report_alone(calm):
    jobs, out, before = calm
    path = out / journals.HOME / "journal.jsonl"
    lines = path.read_text().splitlines()
    nonsense = ['{"folder": 3}', "[1]", "null", '{"folder": "x/n3", "key": "k", "files": 7}']
    path.write_text("\n".join([*lines[:2], *nonsense, lines[3][:40]]))
    assert [one.kept for one in run_jobs(jobs, out, 2)] == [True] * 2 + [False] * 2
    assert bytes_of(out) == before


def test_what_a_killed_run_left_behind_is_cleared_away_or_put_back(calm):
    jobs, out, before = calm
    (out / ".staged-abc").mkdir()
    (out / ".staged-abc" / "half.txt").write_text("half")
    (out / "x/n1").rename(out / "x/.n1.old")
    shutil.copytree(out / "x/n2", out / "x/.n2.old")
    (out / "x" / ".index.html.abc.part").write_text("half")
    assert all(one.kept for one in run_jobs(jobs, out, 2))
    assert bytes_of(out) == before


@needs_fork
@pytest.mark.parametrize("seed", range(2))
def test_a_run_that_was_killed_ends_with_the_bytes_of_one_that_was_not(once, tmp_path, seed):
    jobs, made = once
    out = tmp_path / "out"
    chance = random.Random(seed)
    process = start(jobs, tmp_path, out)
    # The parent is warm after some seconds; reports take a fraction of one.
    wait_until(lambda: list(out.glob(".staged*")) or process.poll() is not None, "the first report", every=0.01)
    sleep(chance.uniform(0, 1.2))
    os.killpg(process.pid, signal.SIGKILL) if seed else process.kill()
    process.communicate()
    again = start(jobs, tmp_path, out)
    said, complaints = again.communicate(timeout=HANG)
    assert again.returncode == 0, complaints
    assert said.split()[1] == "0"
    assert bytes_of(out) == bytes_of(made)
    assert not list(out.rglob(".staged*"))


@needs_fork
def test_ctrl_c_leaves_nothing_half_made(jobs, tmp_path, notebook):
    out = tmp_path / "out"
    # One report never ends by itself, so that the run is there to be interrupted.
    endless = Job(notebook("import time; time.sleep(3600)", "endless.ipynb"), {}, "Endless", "y/endless", {})
    process = start([*jobs, endless], tmp_path, out)
    wait_until(lambda: list(out.glob("x/*")) or process.poll() is not None, "the first report", every=0.01)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=HANG)
    assert process.returncode != 0
    assert not list(out.rglob(".staged*"))
    for folder in out.glob("x/*"):
        assert {"report.html", "report.ipynb", "numbers.json", "forest.png"} <= {path.name for path in folder.iterdir()}


def test_two_runs_do_not_write_into_one_folder(jobs, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    with journals.opened(out), pytest.raises(mn.ArgumentError, match="in use by another run"):
        run_jobs(jobs[:1], out)


@needs_fork
def test_a_report_that_takes_too_much_fails_with_words_and_stops_no_other(notebook, jobs, tmp_path, monkeypatch):
    ask = forks.Forks.ask

    def asked(self, task, arguments, *, seconds, **more):
        # The others take what they take on a machine that does more; none of them is stopped because of it.
        assert seconds == 2.0
        return ask(self, task, arguments, seconds=seconds if "slow" in repr(arguments) else None, **more)

    monkeypatch.setattr(forks.Forks, "ask", asked)
    greedy = Job(notebook("x = bytearray(3 << 30)", "greedy.ipynb"), {}, "Greedy", "x/greedy", {})
    slow = Job(notebook("import time; time.sleep(600)", "slow.ipynb"), {}, "Slow", "x/slow", {})
    made = run_jobs([greedy, slow, jobs[0]], tmp_path / "out", 2, limits=Limits(seconds=2.0, megabytes=1024))
    assert "MemoryError" in made[0].error
    assert "longer than the limit of 2 s" in made[1].error
    assert made[2].error is None
    assert "longer than the limit" in (tmp_path / "out/x/slow/report.html").read_text()


@needs_fork
def test_a_full_disk_fails_a_report_and_keeps_the_one_that_was_there(calm, tmp_path):
    jobs, out, before = calm
    file = tmp_path / "jobs.json"
    file.write_text(json.dumps([{**job.to_dict(), "parameters": {"number": 8}} for job in jobs[:2]]))
    # No file may grow beyond 3000 bytes: what a full disk says, at another number.
    limited = f"import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))\n{SCRIPT}"
    done = subprocess.run([sys.executable, "-c", limited, str(file), str(out)], capture_output=True, text=True, timeout=HANG)
    assert done.stdout.split()[-1:] == ["2"], done.stderr
    assert not list(out.rglob(".staged*"))
    # What was there stands as it was, or its place is empty; no half of a new one.
    assert all(bytes_of(out).get(name, digest) == digest for name, digest in before.items() if name.endswith(".svg"))
    fixed = run_jobs(jobs, out, 2)
    assert all(one.error is None for one in fixed)
    assert bytes_of(out) == before


def test_every_report_has_a_log(jobs, tmp_path, notebook):
    bad = Job(notebook("1 / 0", "bad.ipynb"), {}, "Bad", "x/bad", {})
    run_jobs([jobs[0], bad], tmp_path / "out", 2)
    logs = {path.name: path.read_text() for path in (tmp_path / "out" / journals.HOME / "logs").iterdir()}
    if forks.available():
        assert "made in" in next(text for name, text in logs.items() if name.startswith("x__n1"))
        assert "ZeroDivisionError" in next(text for name, text in logs.items() if name.startswith("x__bad"))


def test_a_changed_row_moves_the_reports_that_rest_on_it_and_no_other(tmp_path):
    import csv

    data = tmp_path / "data"
    shutil.copytree(curated_folder(), data)
    path = data / "objective_response.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    place, study = rows[0].index("note"), rows[0].index("study_id")
    arms = {row["study_id"]: row["modality_class"] for row in mn.load_evidence(data).arms.to_dict("records")}
    before = {job.folder: job.identity["evidence"] for job in planned(mn.load_evidence(data), data=data)}
    line = next(row for row in rows[1:] if arms[row[study]] == "TAE")
    line[place] = "read again"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    after = {job.folder: job.identity["evidence"] for job in planned(mn.load_evidence(data), data=data)}
    moved = {folder for folder in before if before[folder] != after[folder]}
    assert moved == {
        folder
        for folder in before
        if folder in MOVED or (folder.startswith("analyses/") and folder.endswith("/objective_response-TAE"))
    }


def test_the_index_marks_reports_whose_rows_have_changed(tmp_path):
    data, out = tmp_path / "data", tmp_path / "out"
    shutil.copytree(curated_folder(), data)
    assert report("hepatotoxicity", "TACE", out=out, data=data).ok
    assert "other evidence" not in (out / "index.html").read_text(encoding="utf-8")
    text = (data / "hepatotoxicity.csv").read_text(encoding="utf-8")
    (data / "hepatotoxicity.csv").write_text(
        text.replace("Fiore2014,", "Fiore2014,", 1).replace("moderate", "low", 40), encoding="utf-8"
    )
    assert report("hepatotoxicity", "TAE", out=out, data=data).ok
    assert "made from other evidence" in (out / "index.html").read_text(encoding="utf-8")


@needs_fork
def test_a_disk_that_is_full_at_the_end_is_said_in_words_with_exit_code_one(tmp_path):
    command = (
        "import resource, sys\nresource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))\n"
        f"sys.argv = ['metanet', 'report', '--outcome', 'hepatotoxicity', '--modality', 'TACE', '--out', {str(tmp_path / 'out')!r}]\n"
        "from metanet.cli import main\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, timeout=HANG, check=False)
    assert done.returncode == 1, done.stderr
    assert "File too large" in done.stderr
    assert "the next run continues from there" in done.stderr
    assert "Traceback" not in done.stderr
