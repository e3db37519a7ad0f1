"""Reports on a Dask cluster of this machine: the same bytes as without, also when a worker is killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

import metanet as mn
from metanet.evidence.folders import curated_folder
from metanet.reporting.cluster import maker, worker
from metanet.reporting.cluster.worker import make_remote, packed, unpack
from metanet.reporting.plan.jobs import Job
from metanet.reporting.run.batch import report, run_jobs
from metanet.reporting.run.journal import Journal, versions_digest
from tests.reporting.run.test_journal import SOURCE, bytes_of
from tests.work import wait_until

distributed = pytest.importorskip("distributed")
# Ports and processes of a scheduler that ends are closed a moment later than the test.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """One cluster for all; a worker that is killed is started anew by its nanny."""
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        dashboard_address="127.0.0.1:0",
        local_directory=str(tmp_path_factory.mktemp("dask")),
        host="127.0.0.1",
    ) as made:
        yield made


def jobs_from(path, count):
    return [Job(path, {"number": n}, f"Number {n}", f"x/n{n}", {"outcome": "x"}) for n in range(1, count + 1)]


def test_reports_of_a_cluster_are_those_of_this_machine_though_a_worker_is_killed(cluster, notebook, tmp_path):
    jobs = jobs_from(notebook(SOURCE.replace("0.05", "0.4")), 5)
    calm, out = tmp_path / "calm", tmp_path / "out"
    run_jobs(jobs, calm, 2)
    (victim, *_) = (each.pid for each in cluster.workers.values())

    def kill():
        # In the middle: a report is finished, others are being made.
        wait_until(lambda: list(out.glob("x/*/report.html")), "the first report", every=0.01)
        os.kill(victim, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    made = run_jobs(jobs, out, 1, scheduler=cluster.scheduler_address)
    thread.join()
    assert [one.error for one in made] == [None] * 5
    assert bytes_of(out) == bytes_of(calm)
    lines = (out / ".metanet/journal.jsonl").read_text().splitlines()
    assert len(lines) == 5
    # The next run finds all of them, here or there.
    assert all(one.kept for one in run_jobs(jobs, out, 1, scheduler=cluster.scheduler_address))


def test_evidence_and_notebooks_travel_and_no_folder_of_a_worker_is_shown(tmp_path):
    data, out, calm = tmp_path / "data", tmp_path / "out", tmp_path / "calm"
    shutil.copytree(curated_folder(), data)
    assert report("hepatotoxicity", "TACE", out=calm, data=data).ok
    assert report("hepatotoxicity", "TACE", out=out, data=data, scheduler="local", jobs=1).ok
    assert bytes_of(out) == bytes_of(calm)
    kept = [path for path in out.rglob("*") if path.is_file() and ".metanet" not in path.parts]
    assert "metanet-worker" not in "".join(path.read_text(errors="ignore") for path in kept)


def test_a_report_that_fails_on_a_worker_has_its_page_and_its_log(cluster, notebook, tmp_path):
    jobs = [Job(notebook("1 / 0", "bad.ipynb"), {}, "Bad", "x/bad", {}), *jobs_from(notebook(SOURCE), 1)]
    made = run_jobs(jobs, tmp_path / "out", scheduler=cluster.scheduler_address)
    assert "ZeroDivisionError" in made[0].error
    assert made[1].error is None
    assert "ZeroDivisionError" in (tmp_path / "out/x/bad/report.html").read_text()
    assert any("ZeroDivisionError" in path.read_text() for path in (tmp_path / "out/.metanet/logs").iterdir())
    assert set(Journal(tmp_path / "out").keys()) == {"x/bad", "x/n1"}


def test_a_scheduler_that_is_not_there_is_named(notebook, tmp_path, monkeypatch):
    monkeypatch.setattr(maker, "_PATIENCE", "1s")
    with pytest.raises(mn.ReportError, match=r"scheduler='tcp://127\.0\.0\.1:9' does not respond"):
        run_jobs(jobs_from(notebook(SOURCE), 1), tmp_path / "out", scheduler="tcp://127.0.0.1:9")
    with pytest.raises(mn.ArgumentError, match="exclude each other"):
        run_jobs(jobs_from(notebook(SOURCE), 1), tmp_path / "out", scheduler="local", engine="stock")


def test_a_worker_with_other_versions_refuses():
    with pytest.raises(mn.ReportError, match="different versions"):
        make_remote(b"", {}, ("html",), None, None, "something else")
    assert len(versions_digest()) == 64


def test_an_archive_that_leads_out_of_its_folder_is_refused(tmp_path):
    import io
    import zipfile

    for name in ("../out.txt", "/etc/out.txt", "a/../../out.txt"):
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            archive.writestr(name, "x")
        with pytest.raises(mn.ReportError, match="points outside its folder"):
            unpack(content.getvalue(), tmp_path / "in")
    (tmp_path / "from" / "sub").mkdir(parents=True)
    (tmp_path / "from" / "sub" / "a.txt").write_text("a")
    unpack(packed(tmp_path / "from"), tmp_path / "to")
    assert (tmp_path / "to/sub/a.txt").read_text() == "a"


def test_simulations_in_chunks_are_put_together_by_their_data_sets(cluster):
    fit = mn.pool(events=[1, 4, 6, 0], total=[20, 31, 40, 12])
    whole = mn.calibrate_on_cluster(fit, 230, scheduler=cluster.scheduler_address, chunk=100, seed=3, rivals=False)
    assert whole.simulations == 230
    again = mn.calibrate_on_cluster(fit, 230, scheduler=cluster.scheduler_address, chunk=100, seed=3, rivals=False)
    assert whole.to_dict() == again.to_dict()
    # Beside one calibration of as many: both estimate the same coverage.
    one = mn.calibrate(fit, 2000, seed=9, rivals=False)
    assert abs(whole.coverage - one.coverage) < 5 * (0.95 * 0.05 / 230) ** 0.5
    with pytest.raises(mn.ArgumentError, match="chunk"):
        mn.calibrate_on_cluster(fit, 100, scheduler=cluster.scheduler_address, chunk=1)
    alone = mn.calibrate_on_cluster(mn.pool(events=[1], total=[9]), 100, scheduler="never asked")
    assert "One study" in alone.sentence()


def test_merging_is_what_one_pass_over_all_data_sets_gives():
    from metanet.reporting.cluster.simulations import merged

    fit = mn.pool(events=[1, 4, 6, 0], total=[20, 31, 40, 12])
    parts = [mn.calibrate(fit, size, seed=seed).to_frame() for size, seed in ((60, 1), (140, 2))]
    found = merged(parts, [60, 140])
    for name in ("coverage", "bias", "width", "below"):
        weights = [60 * parts[0]["answered"], 140 * parts[1]["answered"]]
        expected = (weights[0] * parts[0][name] + weights[1] * parts[1][name]) / (weights[0] + weights[1])
        np.testing.assert_allclose(found[name], expected, rtol=1e-12)
    squares = (weights[0] * parts[0]["rmse"] ** 2 + weights[1] * parts[1]["rmse"] ** 2) / (weights[0] + weights[1])
    np.testing.assert_allclose(found["rmse"], squares**0.5, rtol=1e-12)
    np.testing.assert_allclose(found["answered"], (60 * parts[0]["answered"] + 140 * parts[1]["answered"]) / 200)


def test_two_notebooks_of_one_name_stay_two(cluster, notebook, tmp_path):
    """A notebook is known by its content, wherever it lies and whatever it is called."""
    first = notebook(SOURCE, "mine.ipynb")
    (tmp_path / "other").mkdir()
    second = tmp_path / "other" / "mine.ipynb"
    second.write_text(first.read_text().replace("[number, 2, 5]", "[number, 0, 0]"))
    jobs = [Job(path, {"number": 1}, name, f"x/{name}", {}) for path, name in ((first, "one"), (second, "two"))]
    made = run_jobs(jobs, tmp_path / "out", scheduler=cluster.scheduler_address)
    assert [one.error for one in made] == [None, None]
    assert [one.numbers["result"]["events"] for one in made] == [8, 1]
    assert bytes_of(tmp_path / "out") == bytes_of(run_here(jobs, tmp_path / "here"))


def run_here(jobs, out):
    run_jobs(jobs, out, 2)
    return out


def test_a_scheduler_that_dies_is_said_once_and_the_run_goes_on_from_there(notebook, tmp_path):
    jobs, out = jobs_from(notebook(SOURCE.replace("0.05", "0.4")), 6), tmp_path / "out"
    python = [
        sys.executable,
        "-m",
        "distributed.cli.dask_scheduler",
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--dashboard-address",
        "127.0.0.1:0",
    ]
    file = tmp_path / "scheduler.json"
    scheduler = subprocess.Popen([*python, "--scheduler-file", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(file.is_file, "the scheduler")
    address = json.loads(file.read_text())["address"]
    hand = subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard", "--death-timeout", "5",
         "--local-directory", str(tmp_path)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def kill():
        wait_until(lambda: list(out.glob("x/*/report.html")), "the first report", every=0.01)
        scheduler.kill()

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        with pytest.raises(mn.ReportError, match=r"is gone\. Finished reports are kept"):
            run_jobs(jobs, out, scheduler=address)
    finally:
        thread.join()
        scheduler.kill()
        hand.kill()
        scheduler.wait()
        hand.wait()
    done = {path.parent.name for path in out.glob("x/*/report.html")}
    assert 1 <= len(done) < 6
    again = run_jobs(jobs, out, 2)
    assert {one.job.folder.split("/")[1] for one in again if one.kept} == done
    assert not any(one.error for one in again)


def test_a_worker_keeps_two_warm_parents_and_ends_idle_ones(monkeypatch, tmp_path):
    class Hands:
        def __init__(self):
            self.ended = False

        def stop(self):
            self.ended = True

    made = []
    monkeypatch.setattr(worker, "maker", lambda *arguments, **options: made.append(Hands()) or made[-1])
    monkeypatch.setattr(worker, "_MAKERS", type(worker._MAKERS)())
    with worker._maker(("html",), None, None, None) as busy:
        for seconds in (1.0, 2.0, 3.0, 4.0):
            with worker._maker(("html",), seconds, None, None):
                pass
        assert not busy.ended
        assert sum(not hands.ended for hands in made) <= 3
    with worker._maker(("html",), 5.0, None, None):
        pass
    assert sum(not hands.ended for hands in made) == 2
