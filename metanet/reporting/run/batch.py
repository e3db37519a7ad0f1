"""All reports of one run: made in parallel, unchanged reports kept, a summary at the end."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metanet.base.arguments import checked, whole
from metanet.base.cards import card
from metanet.base.display import interval, per_cent, plural
from metanet.base.errors import ArgumentError, ReportError, check_choice, shorten
from metanet.base.progress import interactive
from metanet.base.untrusted import visible
from metanet.evidence import Evidence, folders, load_evidence
from metanet.evidence.sources import Tables, evidence_of
from metanet.reporting.files import keep_foreign, replace_folder, slug
from metanet.reporting.index.index import write_index
from metanet.reporting.plan.jobs import Job, Outcome
from metanet.reporting.plan.numbers_first import write_numbers
from metanet.reporting.plan.plan import Entry, jobs_of
from metanet.reporting.plan.plan_files import read_plan
from metanet.reporting.plan.registry import NOTEBOOKS
from metanet.reporting.r_check import programs
from metanet.reporting.run import journal as journals
from metanet.reporting.run.makers import ENGINES, Limits, Maker, RunEndedError, maker
from metanet.reporting.run.remote import is_remote, working_folder
from metanet.reporting.run.run import one_line, told_numbers
from metanet.reporting.saved import digits_of, rates_of
from metanet.reporting.supplement.write import write_supplement

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Batch:
    """The result of a run: one outcome for each report, the folder, the index page."""

    out: Path | str
    index: Path | str
    outcomes: tuple[Outcome, ...] = field(repr=False)
    #: Which analyses the evidence gave no report, and why.
    notes: tuple[str, ...] = field(default=(), repr=False)

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The reports that failed; each has its traceback in its own page."""
        return tuple(outcome for outcome in self.outcomes if outcome.error is not None)

    @property
    def kept(self) -> int:
        """Number of unchanged reports that were kept."""
        return sum(outcome.kept for outcome in self.outcomes)

    @property
    def ok(self) -> bool:
        """Whether every report was made."""
        return not self.failed

    def to_frame(self) -> pd.DataFrame:
        """One row for each report: title, status, estimate, interval, k, n, folder, error, seconds, whether it was kept."""
        import pandas as pd

        rows = []
        for made in self.outcomes:
            result = (made.numbers or {}).get("result") or {}
            row = {name: result.get(name) for name in ("status", "estimate", "ci_lower", "ci_upper", "k", "n")}
            row["status"] = "failed" if made.error else row["status"]
            extra = {"folder": f"{self.out}/{made.job.folder}", "error": made.error, "seconds": made.seconds}
            rows.append({"title": made.job.title, **row, **extra, "kept": made.kept})
        return pd.DataFrame(rows)

    def _lines(self) -> list[tuple[str, ...]]:
        out: list[tuple[str, ...]] = []
        for made in self.outcomes:
            result = (made.numbers or {}).get("result") or {}
            status = "FAILED" if made.error else str(result.get("status") or (made.numbers or {}).get("kind", ""))
            (rate, lower, upper), (average, *_) = rates_of(result)
            digits = digits_of(result)
            shown = (per_cent(rate, digits), interval(lower, upper, digits), per_cent(average, digits))
            out.append((visible(made.job.title), visible(status), *shown, str(result.get("k", "")), str(result.get("n", ""))))
        return out

    def summary(self) -> str:
        """A table of all reports as text, then the failures, then the index page."""
        head = ("report", "status", "median, %", "interval", "average, %", "k", "n")
        rows = [head, *self._lines()]
        widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
        lines = [
            "  ".join(text.ljust(w) if i < 2 else text.rjust(w) for i, (text, w) in enumerate(zip(row, widths, strict=True)))
            for row in rows
        ]
        lines.insert(1, "  ".join("-" * w for w in widths))
        lines += [visible(f"FAILED {made.job.title}: {made.error}") for made in self.failed]
        lines += self.notes
        kept = f", {self.kept} unchanged" if self.kept else ""
        lines.append(f"{plural(len(self.outcomes), 'report')}{kept}, {len(self.failed)} failed. Open {visible(self.index)}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Batch of {len(self.outcomes)} reports, {len(self.failed)} failed: {self.index}>"

    def _repr_html_(self) -> str:
        head = ["Report", "Status", "Median, %", "Interval", "Average, %", "k", "n"]
        return card(f"{len(self.outcomes)} reports in {self.out}", head=head, rows=self._lines())


#: Folder of the evidence that was read from one table, among the reports.
EVIDENCE = "evidence"
#: Forms of a report; the page is always made.
FORMATS = ("html", "pdf", "docx")


@checked(jobs=whole(1))
def report(
    outcome: str | None = None,
    modality: str | None = None,
    *,
    out: str | Path = "reports",
    jobs: int | None = None,
    scheduler: str | None = None,
    formats: str | Sequence[str] = ("html",),
    data: Tables | None = None,
    parameters: Mapping[str, Any] | None = None,
    analyses: Sequence[str] | None = None,
    plan: str | Path | None = None,
    force: bool = False,
    numbers: bool = False,
    supplement: bool = False,
    check_with_r: bool = False,
    engine: str | None = None,
    limits: Limits | None = None,
    progress: bool | None = None,
) -> Batch:
    """Make the reports: the notebook of every outcome and modality class that has a poolable study.

    Parameters
    ----------
    outcome, modality
        One outcome, one modality class; None makes all.
    out
        Folder of the reports; ``index.html`` there lists them. Or an address that fsspec knows, such as
        ``s3://bucket/reports``: whole reports go there as they are made.
    jobs
        How many reports are made at the same time; None takes the number of processors.
    scheduler
        Address of the scheduler of a Dask cluster, such as ``tcp://10.0.0.1:8786``, whose workers then make the reports; "local"
        for a cluster of this machine. The reports come back here, so `out` need not be a place that workers can write to.
    formats
        "pdf" and "docx" (Word) beside "html", which is always made.
    data
        Folder of the evidence, or evidence: that of `read` is written into the folder ``evidence`` beside the reports, which can be
        made from it again. None takes the tables of the folder you work in, or of one above it, and the curated tables where there
        are none.
    parameters
        Further parameters of the notebook ``modality_rate.ipynb``, such as ``{"overlap": "keep_all"}``. They are checked before
        anything runs.
    analyses
        Names of `metanet.reporting.plan.registry.NOTEBOOKS`: "rates", "findings", "comparison", "benefit_risk", "heterogeneity",
        "sensitivity", "replication". None makes all of them in a complete run, and only the rates where an outcome, a modality or
        parameters are given.
    plan
        A plan in TOML instead of all these, see `read_plan`.
    force
        Also remake reports that exist and were made from the same data, parameters, notebook and versions.
    numbers
        Pool everything that the reports will pool in one call first, and write it to ``pooled.csv``.
    supplement
        Also write ``supplement.zip``: evidence, notebooks, numbers and figures of all reports in the folder, described as an
        RO-Crate, with a statement on where data and code are.
    check_with_r
        Also run the R script of each report that has one (``check.R``) and say in the report how far the numbers of R differ. A report
        whose numbers R does not reproduce fails. It needs R, and for some models its packages lme4 and metafor.
    engine
        "metanet" runs each notebook in a fork of a process that has everything loaded, "stock" in a kernel by papermill's own
        engine. None takes forks where the system has them.
    limits
        Seconds and megabytes that one report may take; see `Limits`.
    progress
        Show a progress bar on standard error; None shows it in a notebook and at a prompt.

    Returns
    -------
    Batch
        What was made. A report that fails leaves its traceback in its own page and does not stop the others.

    Raises
    ------
    ArgumentError
        An unknown outcome, modality class or parameter, with the nearest known word; a folder that another run is writing to.
    ReportError
        `check_with_r` without R.
    DataError
        Evidence with faults: all of them at once.

    Notes
    -----
    An interrupted run continues where it stopped when it is started again, and gives the
    same files as an uninterrupted one: reports are put in place atomically, and the journal in ``out/.metanet`` records what each
    was made from.
    """
    wanted = (formats,) if isinstance(formats, str) else formats
    formats = tuple(dict.fromkeys(("html", *(check_choice("formats", name, FORMATS) for name in wanted))))
    workers = _workers(jobs)
    if engine is not None:
        check_choice("engine", engine, ENGINES)
    if supplement and is_remote(out):
        # The files of reports that were there already stay there.
        raise ArgumentError("supplement needs a local folder. Fix: give a local folder as out, and copy it afterwards.")
    with_r = programs() if check_with_r else None
    table = _table(data, out)

    def plan_of(given: str | Path | None) -> tuple[str | None, Evidence, list[Job]]:
        # The kernels read what the run was planned from, wherever they run.
        folder = None if isinstance(data, Evidence) and given is None else folder_of(given)
        with folders.fixed(folder):
            evidence = load_evidence(folder)
        todo = planned(evidence, outcome, modality, data=folder, parameters=parameters, analyses=analyses, plan=plan)
        return folder, evidence, todo if with_r is None else [replace(job, check_with_r=with_r) for job in todo]

    # What is wrong with a plan is said before anything is written, as far as its tables are on disk.
    made_of = plan_of(_folder_given(data)) if table is None else None
    with _telling(out), working_folder(out) as (to, remote):
        if to.exists() and not to.is_dir():
            raise ArgumentError(f"out={shorten(str(out))!r} is a file, not a folder.")
        # Everything that is written below is written under the lock of the folder.
        with journals.opened(to) as journal:
            folder, evidence, todo = made_of or plan_of(_written(table, to))
            with folders.fixed(folder):
                if numbers:
                    write_numbers(to / "pooled.csv", todo, evidence)
                made = run_jobs(
                    todo,
                    to,
                    workers,
                    formats=formats,
                    force=force,
                    engine=engine,
                    scheduler=scheduler,
                    limits=limits,
                    progress=interactive() if progress is None else progress,
                    after=None if remote is None else remote.push,
                    journal=journal,
                )
                index = write_index(to, evidence)
                if supplement:
                    write_supplement(to, evidence)
        notes = _not_made(todo, analyses, complete=plan is None and not (outcome or modality or parameters))
        if remote is None:
            return Batch(to, index, tuple(made), notes)
        remote.finish()
        return Batch(str(out), f"{str(out).rstrip('/')}/index.html", tuple(made), notes)


def _not_made(todo: Sequence[Job], analyses: Sequence[str] | None, *, complete: bool) -> tuple[str, ...]:
    """What is said of analyses that were asked for by name, or belong to a complete run, and have no report."""
    asked = kinds_of(analyses, complete=complete) if analyses is not None or complete else ()
    made = {job.notebook.name for job in todo}
    return tuple(NOTEBOOKS[kind].nothing for kind in asked if NOTEBOOKS[kind].nothing and NOTEBOOKS[kind].file not in made)


@contextmanager
def _telling(out: str | Path) -> Iterator[None]:
    """Turn system errors on the folder of the reports into a ReportError."""
    try:
        yield
    except OSError as fault:
        raise ReportError(
            f"out={shorten(str(out))!r}: {fault.strerror or fault}. Finished reports are kept, and the next run "
            f"continues from there. Fix: "
            "free some space, or choose a folder that you can write to."
        ) from None


def planned(
    evidence: Evidence,
    outcome: str | None = None,
    modality: str | None = None,
    *,
    data: str | Path | None = None,
    parameters: Mapping[str, Any] | None = None,
    analyses: Sequence[str] | None = None,
    plan: str | Path | None = None,
) -> list[Job]:
    """What `report` would make with these arguments; everything is checked."""
    folder = folder_of(data)
    if plan is not None:
        if outcome or modality or parameters or analyses:
            raise ArgumentError(
                f"plan={shorten(str(plan))!r} states what is made. Fix: omit outcome, modality, parameters and analyses."
            )
        return jobs_of(read_plan(plan).entries, evidence, folder)
    extra = dict(parameters or {})
    kinds = kinds_of(analyses, complete=outcome is None and modality is None and not extra)
    if outcome or modality or folder is not None or extra:
        kinds = tuple(kind for kind in kinds if not NOTEBOOKS[kind].curated)
    entries = [
        Entry(
            kind,
            None,
            None if outcome is None else (outcome,),
            None if modality is None else (modality,),
            extra if kind == "rates" else {},
        )
        for kind in kinds
    ]
    return jobs_of(entries, evidence, folder)


def _folder_given(data: Tables | None) -> str | Path | None:
    """The folder of tables that are in one."""
    if isinstance(data, Evidence):
        return None if folders.is_curated(data.path) else data.path
    return None if data is None else Path(data)  # type: ignore[arg-type]


def _table(data: Tables | None, out: str | Path) -> Evidence | None:
    """Tables that are not in a folder, which are written beside the reports; None for a folder."""
    if data is None or (isinstance(data, (str, os.PathLike)) and not Path(data).expanduser().is_file()):
        return None
    evidence = evidence_of(data, "data")
    if not evidence.is_read:
        return None
    if any("events_control" in evidence.rates(name).columns for name in evidence.outcome_names):
        raise ArgumentError(
            "data has a control group, and reports pool the rates of one group. Fix: mn.pool(data) compares the groups; leave "
            "events_control and total_control out for reports of the treated group."
        )
    if is_remote(out):
        raise ArgumentError("data is no folder, and out is remote. Fix: write the evidence with evidence.save(folder) and give that.")
    return evidence


def _written(evidence: Evidence | None, out: Path) -> Path:
    """The folder of tables that were read from one table, beside the reports."""
    assert evidence is not None  # a folder was planned before
    place = out / EVIDENCE
    staged = Path(tempfile.mkdtemp(dir=out, prefix=journals.STAGED))
    try:
        replace_folder(evidence.save(staged), place)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return place


def folder_of(data: str | Path | None) -> str | None:
    """The folder of the evidence of a run; None for the curated tables, which every machine has in a place of its own."""
    folder = folders.given_path(data)
    return None if data is None and folders.is_curated(folder) else str(folder.resolve())


def kinds_of(analyses: Sequence[str] | None, *, complete: bool) -> tuple[str, ...]:
    """The kinds of reports to make."""
    if analyses is None:
        return tuple(NOTEBOOKS) if complete else ("rates",)
    words = (analyses,) if isinstance(analyses, str) else tuple(analyses)
    if not words:
        raise ArgumentError(f"analyses is empty. Fix: name at least one of {', '.join(map(repr, NOTEBOOKS))}.")
    return tuple(dict.fromkeys(check_choice("analyses", word, tuple(NOTEBOOKS)) for word in words))


def _workers(jobs: int | None) -> int:
    if jobs is None:
        return os.cpu_count() or 1
    if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1:
        raise ArgumentError(f"jobs={shorten(jobs)!r} must be a whole number of at least 1.")
    return jobs


def run_jobs(
    jobs: Sequence[Job],
    out: Path,
    workers: int = 1,
    *,
    formats: str | Sequence[str] = ("html",),
    force: bool = False,
    engine: str | None = None,
    scheduler: str | None = None,
    limits: Limits | None = None,
    progress: bool = False,
    after: Callable[[Outcome], None] | None = None,
    journal: journals.Journal | None = None,
) -> list[Outcome]:
    """Make the missing reports in parallel: other processes do the work, threads wait for them. `journal` is that of `out`, locked."""
    if journal is None:
        with journals.opened(out) as own:
            return run_jobs(
                jobs, out, workers, formats=formats, force=force, engine=engine, scheduler=scheduler, limits=limits,
                progress=progress, after=after, journal=own,
            )  # fmt: skip
    start = partial(_maker, engine, scheduler, tuple(formats), limits or Limits(), workers)
    made = _run(jobs, out.resolve(), journal, workers, start, formats, force, progress, after)
    journal.compact()
    return [_still_there(one, out) for one in made]


def _still_there(outcome: Outcome, out: Path) -> Outcome:
    """The outcome, failed where somebody has removed the report since."""
    if outcome.error is not None or (out / outcome.job.folder).is_dir():
        return outcome
    return replace(outcome, numbers=None, kept=False, error="Its folder was removed while the run went on. Fix: start the run again.")


def _run(
    jobs: Sequence[Job],
    out: Path,
    journal: journals.Journal,
    workers: int,
    start: Callable[[Sequence[Job]], Maker],
    formats: Sequence[str],
    force: bool,
    progress: bool,
    after: Callable[[Outcome], None] | None,
) -> list[Outcome]:
    from tqdm import tqdm

    made: dict[str, Outcome] = {}
    todo: list[tuple[Job, str]] = []
    for job in jobs:
        key = journals.key_of(job, str(job.identity.get("evidence", "")), formats)
        if not force and journal.fresh(job, key):
            made[job.folder] = Outcome(job, told_numbers(out / job.folder), None, 0.0, kept=True)
        else:
            todo.append((job, key))
    if todo:
        stop = threading.Event()
        with (
            start([job for job, _ in todo]) as hands,
            tqdm(total=len(todo), desc="reports", unit="report", disable=not progress, dynamic_ncols=True) as bar,
            ThreadPoolExecutor(max_workers=min(hands.threads or workers, len(todo))) as pool,
        ):
            futures: list[Future[Outcome]] = []
            try:
                # Inside: Ctrl-C while a thread starts leaves it to run on, and it must know that the others stop.
                futures += (pool.submit(run_job, job, key, out, journal, hands, stop) for job, key in todo)
                for future in as_completed(futures):
                    outcome = future.result()
                    made[outcome.job.folder] = outcome
                    if after is not None:
                        after(outcome)
                    bar.set_postfix_str(visible(shorten(outcome.job.title, 40)), refresh=False)
                    bar.update()
            except BaseException:
                # Unfinished reports are discarded; finished ones are in the journal.
                stop.set()
                for future in futures:
                    future.cancel()
                hands.stop()
                raise
    return [made[job.folder] for job in jobs]


def _maker(
    engine: str | None, scheduler: str | None, formats: tuple[str, ...], limits: Limits, workers: int, jobs: Sequence[Job]
) -> Maker:
    """The maker of the reports of a batch."""
    if scheduler is None:
        held = sorted({str(job.parameters.get("data") or "") for job in jobs})
        return maker(engine, formats, limits, several=len(jobs) > 2, data=held)
    if engine is not None:
        raise ArgumentError("engine and scheduler exclude each other: workers choose their engine. Fix: leave engine out.")
    from metanet.reporting.cluster.maker import ClusterMaker

    return ClusterMaker(formats, limits, scheduler=scheduler, jobs=jobs, workers=workers)


_JOURNAL = threading.Lock()


def run_job(job: Job, key: str, out: Path, journal: journals.Journal, hands: Maker, stop: threading.Event) -> Outcome:
    """Make one report, put it in its place and note it in the journal. What goes wrong becomes a page with the traceback; where no
    page can be written, only the error is reported."""
    start = time.monotonic()
    log = out / journals.HOME / "logs" / f"{slug(job.folder.replace('/', '__'))}.log"
    error: str | None = None
    staged: Path | None = None
    numbers = None
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.unlink(missing_ok=True)
        staged = Path(tempfile.mkdtemp(dir=out, prefix=journals.STAGED))
        os.chmod(staged, 0o755)
        error = hands.make(job, staged, log)
        if stop.is_set():
            return Outcome(job, None, "stopped", time.monotonic() - start)
        with _JOURNAL:
            theirs = keep_foreign(out / job.folder, staged, journal.foreign(job.folder))
            replace_folder(staged, out / job.folder)
            journal.made(job, key, error, theirs)
        numbers = told_numbers(out / job.folder)
    except RunEndedError:
        raise
    except Exception as fault:
        # A full disk, a folder without rights: the other reports go on.
        error = error or one_line(fault)
    finally:
        if staged is not None:
            shutil.rmtree(staged, ignore_errors=True)
    return Outcome(job, numbers, error, time.monotonic() - start)
