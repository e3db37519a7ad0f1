# ruff: noqa: E402
"""What large inputs cost: tables of many rows, one report of many studies, the list of ten thousand reports.

    python benchmarks/sizes.py [--out docs/speed_sizes_table.csv]

Commands are run as a user would, so that the start of Python is in their seconds; one numeric thread everywhere.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import csv
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from speed import Row, save

import metanet as mn
from metanet.evidence.folders import fixed
from metanet.reporting.index.index import write_index
from metanet.reporting.run import journal as journals
from metanet.reporting.run.batch import planned, run_jobs
from reports import realistic

SEED = 20
COMMAND = [sys.executable, "-c", "from metanet.cli import main; main()"]


def table(path: Path, rows: int) -> Path:
    """Invented studies in a CSV: years, events and totals."""
    rng = np.random.default_rng(SEED)
    total = rng.integers(8, 200, rows)
    events = rng.binomial(total, rng.beta(1, 1, rows))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["study", "year", "events", "total"])
        writer.writerows((f"Study {i}", 1980 + i % 45, e, n) for i, (e, n) in enumerate(zip(events, total, strict=True)))
    return path


def seconds(*arguments: str, folder: Path) -> float:
    """Seconds of a command."""
    began = time.perf_counter()
    subprocess.run([*COMMAND, *arguments], check=True, capture_output=True, cwd=folder)
    return time.perf_counter() - began


def at_most(task: str, took: float, goal: float, unit: str = "s") -> Row:
    """A measured number and its limit."""
    return Row(f"{task}, {unit}", took, None, "", f"at most {goal:g}", took <= goal)


def large_review(folder: Path, studies: int) -> Path:
    """A review with that many studies, of one arm and one outcome each: three tables of as many rows."""
    subprocess.run([*COMMAND, "new", str(folder)], check=True, capture_output=True)
    tables = folder / "extracted_data"
    rng = np.random.default_rng(SEED)
    events = rng.integers(0, 100, studies)
    fills: dict[str, Callable[[int], dict[str, object]]] = {
        "studies.csv": lambda i: {"study_id": f"S{i}", "first_author": f"Author {i}", "year": 1980 + i % 45, "title": f"Title {i}"},
        "arms.csv": lambda i: {"study_id": f"S{i}", "arm": "all", "modality": "TAE", "modality_class": "TAE", "n": 100},
        "response.csv": lambda i: {
            "study_id": f"S{i}",
            "arm": "all",
            "events": events[i],
            "total": 100,
            "unit": "patients",
            "source": "table",
            "source_kind": "abstract",
            "source_locator": "p. 1",
            "derived": "false",
            "certainty": "high",
            "criteria": "RECIST 1.1",
            "double_extracted": "true",
            "poolable": "true",
        },
    }
    with (tables / "harm.csv").open(encoding="utf-8") as file:
        head = file.readline()
    (tables / "harm.csv").write_text(head, encoding="utf-8")
    for name, fill in fills.items():
        with (tables / name).open(encoding="utf-8", newline="") as file:
            header = next(csv.reader(file))
        with (tables / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, header)
            writer.writeheader()
            writer.writerows(fill(i) for i in range(studies))
    return folder


def one_report(folder: Path, studies: int) -> Row:
    """The report of one outcome of so many studies, from its start to its page."""
    tables = folder / "middle"
    command = [*COMMAND, "report", "--data", str(table(folder / "middle.csv", studies)), "--analysis", "rates", "--out", str(tables)]
    told = subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder)
    assert "1 report, 0 failed" in told.stdout
    with fixed(tables / "evidence"):
        made = run_jobs(planned(mn.load_evidence(), analyses=("rates",)), folder / "again")
    assert made[0].error is None
    return at_most(f"the report of {studies:,} studies", made[0].seconds, 10)


def figure(folder: Path, studies: int) -> Row:
    """A forest plot of so many studies, drawn and written."""
    rng = np.random.default_rng(SEED)
    total = rng.integers(8, 200, studies)
    fit = mn.pool(events=rng.binomial(total, 0.4), total=total)
    began = time.perf_counter()
    mn.save_figure(fit.forest(), folder / "forest", ("svg", "png"))
    return at_most(f"a forest plot of {studies:,} studies, as SVG and PNG", time.perf_counter() - began, 10)


def index(folder: Path, count: int) -> Iterator[Row]:
    """The list of so many reports: seconds, memory, size of the page."""
    out = folder / "list"
    jobs = realistic(count)
    run_jobs(jobs[:1], out)
    with journals.opened(out) as journal:
        for job in jobs[1:]:
            (out / job.folder).mkdir(parents=True)
            for file in (out / jobs[0].folder).iterdir():
                os.link(file, out / job.folder / file.name)
            journal.made(job, journals.key_of(job, str(job.identity["evidence"]), ("html",)), None)
    evidence = mn.load_evidence()
    run_jobs(jobs, out)
    began = time.perf_counter()
    write_index(out, evidence)
    took = time.perf_counter() - began
    tracemalloc.start()
    write_index(out, evidence)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    yield at_most(f"the list of {count:,} reports", took, 5)
    yield at_most(f"the list of {count:,} reports: memory", peak / 2**20, 150, "MB")
    yield at_most(f"the list of {count:,} reports: page", (out / "index.html").stat().st_size / 2**20, 2, "MB")


def measured(folder: Path) -> Iterator[Row]:
    """Every row, as it is measured."""
    big = table(folder / "big.csv", 100_000)
    yield at_most(
        "metanet pool on a CSV of 100,000 rows", seconds("pool", str(big), "--events", "events", "--total", "total", folder=folder), 5
    )
    review = large_review(folder / "review", 20_000)
    yield at_most("metanet validate on 60,000 rows in three tables", seconds("validate", str(review), folder=folder), 10)
    yield one_report(folder, 5_000)
    yield figure(folder, 20_000)
    yield from index(folder, 10_000)


def main() -> None:
    """Measure, print, and write the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for row in measured(Path(name)):
            rows.append(row)
            print(f"{row.task}: {row.ours:.3g}  goal {row.goal}  {'met' if row.met else 'NOT MET'}", flush=True)
    if given.out is not None:
        save(given.out, rows)


if __name__ == "__main__":
    main()
