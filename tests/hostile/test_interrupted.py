"""Ctrl-C, as a terminal sends it to every process of a command, at every stage of a run and of an import."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys

import pytest

from metanet.base.transaction import HOME, writing
from metanet.reporting.engine import forks
from metanet.reviews.new import new_review
from tests.work import HANG, wait_until

needs_fork = pytest.mark.skipif(not forks.available(), reason="process groups and forks need Linux")

#: Ctrl-C when a function is called for the n-th time, and then the command.
COMMAND = """
import os, signal, sys
# What a shell starts in the background ignores Ctrl-C, and so would this.
signal.signal(signal.SIGINT, signal.default_int_handler)
from importlib import import_module
home, name, when = sys.argv[1], sys.argv[2], int(sys.argv[3])
sys.argv[:] = ["metanet", *sys.argv[4:]]
if home:
    module = import_module(home)
    real, count = getattr(module, name), 0
    def stopped(*arguments, **options):
        global count
        count += 1
        if count == when:
            os.killpg(0, signal.SIGINT)
        return real(*arguments, **options)
    setattr(module, name, stopped)
from metanet.cli import main
main()
"""
#: What a run calls, from its beginning to its end.
STAGES = ("load_evidence", "planned", "write_numbers", "run_jobs", "run_job", "keep_foreign", "replace_folder", "write_index",
          "write_supplement")  # fmt: skip
BATCH = "metanet.reporting.run.batch"


def started(*arguments, at=("", "", 0), where=None):
    """The command in a process group of its own."""
    words = [sys.executable, "-c", COMMAND, at[0], at[1], str(at[2]), *map(str, arguments)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, cwd=where)


def ended(process):
    """Its exit code and what it said; nothing of its group is left."""
    _, said = process.communicate(timeout=HANG)
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    return process.returncode, said


def bytes_of(folder):
    """Digests of all files but those about runs."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and HOME not in path.parts
    }


def report_into(out):
    return ("report", "--outcome", "hepatotoxicity", "--modality", "TACE", "--out", out, "--jobs", 1, "--numbers", "--supplement")


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """The files of a run that nobody disturbed."""
    out = tmp_path_factory.mktemp("calm") / "out"
    code, said = ended(started(*report_into(out)))
    assert code == 0, said
    return bytes_of(out)


@needs_fork
@pytest.mark.parametrize("stage", STAGES)
def test_a_report_that_is_stopped_says_so_and_the_next_run_ends_as_one_that_was_not(calm, tmp_path, stage):
    out = tmp_path / "out"
    code, said = ended(started(*report_into(out), at=(BATCH, stage, 1)))
    assert (code, said.strip().splitlines()[-1]) == (130, "Stopped.")
    assert "Traceback" not in said
    left = [path.name for path in out.rglob("*") if path.name.startswith(".staged") or path.name.endswith((".part", ".old"))]
    assert left == []
    # What is there, if anything, is a whole report or a list of its own.
    assert set(bytes_of(out).items()) <= set(calm.items())
    code, said = ended(started(*report_into(out)))
    assert code == 0, said
    assert bytes_of(out) == calm


@needs_fork
def test_a_report_that_is_stopped_while_its_notebook_runs_leaves_no_process(calm, tmp_path):
    out = tmp_path / "out"
    process = started(*report_into(out))
    wait_until(lambda: list(out.glob(".staged*/*")) or process.poll() is not None, "the first file of a report", every=0.01)
    os.killpg(process.pid, signal.SIGINT)
    code, said = ended(process)
    assert code == 130, said
    assert "Traceback" not in said
    assert not list(out.rglob(".staged*"))
    code, said = ended(started(*report_into(out)))
    assert (code, bytes_of(out) == calm) == (0, True), said


#: Where an import reads, writes beside, decides and puts in place.
PLACES = [("metanet.reviews.importing", "change", 1), *(("os", "replace", when) for when in range(1, 9)),
          *(("shutil", "rmtree", when) for when in (1, 2))]  # fmt: skip


@needs_fork
@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place[1]} {place[2]}")
def test_an_import_that_is_stopped_has_arrived_or_has_not(tmp_path, place):
    review = tmp_path / "review"
    new_review(review, outcomes=["response"])
    data = review / "extracted_data"
    (tmp_path / "one.csv").write_text("study,year,events,total\n" + "".join(f"S {number},2001,{number},20\n" for number in range(9)))
    before = bytes_of(review)
    order = ("import", "csv", tmp_path / "one.csv", "--into", review, "--outcome", "response", "--set", "modality=TAE")
    code, said = ended(started(*order, at=place))
    assert "Traceback" not in said
    assert code in (0, 130), said
    # Whoever opens the folder next completes or clears it.
    with writing(data):
        pass
    after = bytes_of(review)
    arrived = len((data / "response.csv").read_text().splitlines()) == 1 + 9
    assert arrived or after == before
    assert code == 130 or arrived
    assert {path.name for path in (data / HOME).iterdir()} == {"lock", ".gitignore"}
    code, said = ended(started(*order))
    assert code == 0, said
    assert len((data / "response.csv").read_text().splitlines()) == 1 + 9
