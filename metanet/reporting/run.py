"""One report: a notebook, run through papermill in a staging folder, exported, and put in its place when it is whole."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metanet.errors import shorten
from metanet.reporting.files import replace_folder, write_json
from metanet.reporting.page import file_links, page
from metanet.reporting.warm import Kernels
from metanet.words import html_text
from metanet.writing.whole_files import write_text

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
#: Longest time a single cell may take, in seconds.
CELL_LIMIT = 900
_THREAD = threading.local()


@dataclass(frozen=True)
class Job:
    """A report to make: its notebook, its checked parameters, its title and its folder below the output."""

    notebook: Path
    parameters: dict[str, Any]
    title: str
    folder: str
    identity: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What became of a job: its folder, its numbers (None without), the error in one line, the time it took in seconds."""

    job: Job
    numbers: dict[str, Any] | None
    error: str | None
    seconds: float


@contextmanager
def kernel_settings() -> Iterator[None]:
    """Environment that every kernel inherits; the caller's own is put back."""
    before = dict(os.environ)
    # A report must not depend on the user's IPython start-up files, nor write into their history.
    folder = tempfile.mkdtemp(prefix="metanet-ipython-")
    os.environ["IPYTHONDIR"] = folder
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    # One report, one core: a pool of threads in each of several kernels is slower than one.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        shutil.rmtree(folder, ignore_errors=True)


def run_job(job: Job, out: Path, kernels: Kernels) -> Outcome:
    """Make one report. What goes wrong becomes a page with the traceback; where no page can be written, the error alone is told."""
    start = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(dir=out, prefix=".staged-"))
    os.chmod(staged, 0o755)
    error: str | None = None
    try:
        try:
            _execute(job, staged, kernels)
        except Exception as fault:
            error = _one_line(fault)
            _failure_page(job, staged, error, _details(fault))
        replace_folder(staged, out / job.folder)
        numbers = _read_numbers(out / job.folder)
    except OSError as fault:
        # A full disk or a folder without rights: the other reports go on.
        error, numbers = error or _one_line(fault), None
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return Outcome(job, numbers, error, time.monotonic() - start)


def _execute(job: Job, staged: Path, kernels: Kernels) -> None:
    import papermill

    ran = staged / "report.ipynb"
    try:
        with kernels.manager_class() as manager:
            papermill.execute_notebook(
                job.notebook,
                ran,
                parameters={**job.parameters, "output_dir": str(staged)},
                kernel_name="python3",
                progress_bar=False,
                log_output=False,
                execution_timeout=CELL_LIMIT,
                start_timeout=120,
                kernel_manager_class=manager,
                shutdown_kernel="immediate",
            )
    finally:
        _forget_staging(ran, staged)
    write_text(staged / "report.html", _export(job, ran))


def _forget_staging(notebook: Path, staged: Path) -> None:
    """The finished notebook names its own folder, not the staging folder that is gone."""
    if notebook.exists():
        text = notebook.read_text(encoding="utf-8")
        write_text(notebook, text.replace(json.dumps(str(staged))[1:-1], "."))


def _export(job: Job, notebook: Path) -> str:
    """The executed notebook as a document: text, tables and figures; the code stays in the notebook beside it."""
    import nbformat

    book = nbformat.read(notebook, as_version=4)
    body, _ = _exporter().from_notebook_node(book)
    beside = (p for p in notebook.parent.rglob("*") if p.is_file() and not p.name.startswith("."))
    names = sorted(p.relative_to(notebook.parent).as_posix() for p in beside if p.name != "report.html")
    return page(job.title, f"{_navigation(job)}{file_links(names)}<main>{body}</main>")


def _exporter() -> Any:
    """This thread's HTML exporter: compiling its templates takes longer than exporting a report."""
    if not hasattr(_THREAD, "exporter"):
        from nbconvert import HTMLExporter

        exporter = HTMLExporter(
            template_name="basic", exclude_input=True, exclude_input_prompt=True, exclude_output_prompt=True
        )
        exporter.embed_images = True
        _THREAD.exporter = exporter
    return _THREAD.exporter


def _navigation(job: Job) -> str:
    up = "../" * len(Path(job.folder).parts)
    return f'<nav><a href="{html_text(up)}index.html">All reports</a></nav>'


def _one_line(fault: BaseException) -> str:
    """The error as papermill or Python names it, without colours."""
    name, value = getattr(fault, "ename", None), getattr(fault, "evalue", None)
    text = f"{name}: {value}" if name else f"{type(fault).__name__}: {fault}"
    return shorten(_ANSI.sub("", text), 400)


def _details(fault: BaseException) -> str:
    lines = getattr(fault, "traceback", None)
    text = "\n".join(lines) if isinstance(lines, list) else "".join(traceback.format_exception(fault))
    return _ANSI.sub("", text)


def _failure_page(job: Job, staged: Path, error: str, details: str) -> None:
    """The traceback in the report's own place, so that a failure is seen where the report is looked for."""
    body = (
        f"{_navigation(job)}<h1>{html_text(job.title)}</h1>"
        f'<div class="failed tex2jax_ignore"><p><strong>This report failed.</strong> {html_text(error)}</p></div>'
        f"<h2>Traceback</h2><pre>{traceback_html(details)}</pre>"
    )
    write_text(staged / "report.html", page(f"Failed: {job.title}", body))
    write_json(staged / "numbers.json", {**job.identity, "error": error})


def traceback_html(details: str) -> str:
    """A traceback, escaped line by line so that its lines stay lines."""
    return "\n".join(html_text(line) for line in details.splitlines())


def _read_numbers(folder: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((folder / "numbers.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
