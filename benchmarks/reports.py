# ruff: noqa: E402
"""Reports against the stock papermill command, and what a run of many costs: ratios and limits in one run.

    python benchmarks/reports.py [--rounds 3] [--kills 10] [--out docs/speed_reports_table.csv]

The notebook is `analyses/modality_rate.ipynb` of the objective response after radioembolisation (18 studies). The stock command and
ours alternate; one numeric thread everywhere, one report at a time.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import csv
import hashlib
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

from speed import Row

import metanet as mn
from metanet.reporting.files import analyses_folder
from metanet.reporting.index.index import write_index
from metanet.reporting.plan.jobs import Job
from metanet.reporting.run import journal as journals
from metanet.reporting.run.batch import planned, run_jobs

NOTEBOOK = analyses_folder() / "modality_rate.ipynb"
_PEAK = re.compile(r"(\d+) MB of memory at most")


def realistic(count: int) -> list[Job]:
    """The same report of real evidence, under other levels so that each is one of its own."""
    job = next(each for each in planned(mn.load_evidence(), "objective_response", "TARE"))
    return [
        replace(job, parameters={**job.parameters, "level": round(0.95 - 1e-4 * n, 6)}, folder=f"bench/r{n:05d}") for n in range(count)
    ]


def stock(folder: Path) -> float:
    """Seconds of the stock command, as a user types it."""
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "papermill", "--no-progress-bar", str(NOTEBOOK), str(folder / "stock.ipynb"),
         "-p", "output_dir", str(folder / "stock")],
        check=True, capture_output=True,
    )  # fmt: skip
    return time.perf_counter() - began


def against_stock(rounds: int, folder: Path) -> list[Row]:
    """One realistic report, ours with HTML in a run of several, against the command."""
    ours, theirs = [], []
    for number in range(rounds):
        theirs.append(stock(folder))
        made = run_jobs(realistic(5), folder / f"ours{number}")
        ours += [one.seconds for one in made]
    own, other = median(ours), median(theirs)
    return [
        Row("one realistic report with HTML", own, other, "stock papermill command", "8x", other / own >= 8),
        Row("realistic reports a second and core", 1 / own, None, "", "2", 1 / own >= 2),
    ]


def evidence_run(folder: Path) -> list[Row]:
    """Every outcome and modality class of the evidence, one at a time."""
    todo = planned(mn.load_evidence(), analyses=("rates",))
    made = run_jobs(todo, folder / "evidence")
    rate = len(made) / sum(one.seconds for one in made)
    return [Row(f"{len(made)} reports of the evidence, a second and core", rate, None, "", "2", rate >= 2)]


def many(folder: Path, count: int) -> list[Row]:
    """A long run: the last hundred against the first, and the memory of each."""
    out = folder / "many"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    made = run_jobs(realistic(count), out)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert all(one.error is None for one in made)
    part = min(100, count // 3)
    first, last = (median(one.seconds for one in some) for some in (made[:part], made[-part:]))
    peaks = [int(_PEAK.search(path.read_text())[1]) for path in sorted((out / journals.HOME / "logs").iterdir())]
    early, late = median(peaks[:part]), median(peaks[-part:])
    return [
        Row(f"last {part} of {count} against the first: seconds", last, first, f"first {part}", "within 10 %", last <= 1.1 * first),
        Row(f"last {part} of {count} against the first: MB", late, early, f"first {part}", "within 10 %", late <= 1.1 * early),
        Row("memory of a report, MB", max(peaks), None, "", "350", max(peaks) < 350),
        Row("growth of the batch process, MB", grown, None, "", "", True),
    ]


def unchanged(folder: Path, count: int) -> Row:
    """A run over reports that are all there: folders of a real report, each with its line in the journal."""
    out = folder / "unchanged"
    run_jobs(realistic(1), out)
    jobs = realistic(count)
    with journals.opened(out) as journal:
        for job in jobs[1:]:
            shutil.copytree(out / jobs[0].folder, out / job.folder)
            journal.made(job, journals.key_of(job, str(job.identity["evidence"]), ("html",)), None)
    evidence = mn.load_evidence()
    began = time.perf_counter()
    made = run_jobs(jobs, out)
    seconds = time.perf_counter() - began
    assert all(one.kept for one in made)
    began = time.perf_counter()
    write_index(out, evidence)
    print(f"  (their index: {time.perf_counter() - began:.1f} s)", flush=True)
    return Row(f"{count} unchanged reports checked, s", seconds, None, "", "5", seconds < 5)


def dry(folder: Path, count: int) -> Row:
    """A plan of that many reports, checked by the command without making one; the start of Python is in it."""
    plan = folder / "plan.toml"
    rates = len(planned(mn.load_evidence(), analyses=("rates",)))
    levels = ", ".join(f"{0.95 - 1e-4 * number:.4f}" for number in range(-(-count // rates)))
    plan.write_text(f"[[report]]\nanalysis = 'rates'\nvary = {{ level = [{levels}] }}\n", encoding="utf-8")
    began = time.perf_counter()
    command = [sys.executable, "-c", "from metanet.cli import main; main()", "report", "--dry-run", "--plan", str(plan)]
    told = subprocess.run([*command, "--out", str(folder / "dry")], check=True, capture_output=True, text=True).stdout
    seconds = time.perf_counter() - began
    assert len(told.splitlines()) >= count
    return Row(f"a plan of {count} reports checked by --dry-run, s", seconds, None, "", "5", seconds < 5)


def tree(out: Path) -> dict[str, str]:
    """Digest of every file of the reports."""
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file() and journals.HOME not in path.parts
    }


def kills(folder: Path, count: int) -> Row:
    """The whole batch killed at random moments, resumed, and compared with an undisturbed one."""
    command = [sys.executable, "-c", "from metanet.cli import main; main()", "report"]
    command += ["--outcome", "hepatotoxicity", "--jobs", "2", "--out"]
    calm = folder / "calm"
    began = time.perf_counter()
    subprocess.run([*command, str(calm)], check=True, capture_output=True)
    whole = time.perf_counter() - began
    wanted, same, chance = tree(calm), 0, random.Random(1)
    for number in range(count):
        out = folder / f"killed{number}"
        process = subprocess.Popen([*command, str(out)], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0.2, 1.0) * whole)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        subprocess.run([*command, str(out)], check=True, capture_output=True)
        same += tree(out) == wanted
        shutil.rmtree(out)
    return Row(f"{count} kills at random moments: resumed with the same bytes", same, None, "", str(count), same == count)


def main() -> None:
    """Measure, print, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--many", type=int, default=300)
    parser.add_argument("--unchanged", type=int, default=1000)
    parser.add_argument("--planned", type=int, default=3000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for measure in (
            lambda: against_stock(given.rounds, folder),
            lambda: evidence_run(folder),
            lambda: many(folder, given.many),
            lambda: [unchanged(folder, given.unchanged)],
            lambda: [dry(folder, given.planned)],
            lambda: [kills(folder, given.kills)],
        ):
            for row in measure():
                rows.append(row)
                ratio = "" if row.theirs is None else f"  {row.theirs / row.ours:.1f}x of {row.theirs:.2f} ({row.other})"
                print(f"{row.task}: {row.ours:.2f}{ratio}  goal {row.goal or '-'}  {'met' if row.met else 'NOT MET'}", flush=True)
    if given.out is not None:
        with given.out.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["task", "ours", "theirs", "ratio", "against", "goal", "met"])
            for row in rows:
                theirs = "" if row.theirs is None else f"{row.theirs:.3g}"
                ratio = "" if row.theirs is None else f"{row.theirs / row.ours:.1f}"
                writer.writerow([row.task, f"{row.ours:.3g}", theirs, ratio, row.other, row.goal, "yes" if row.met else "no"])


if __name__ == "__main__":
    main()
