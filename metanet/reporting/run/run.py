"""One report: a notebook, run through papermill in a staging folder, exported, and put in place once complete."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from metanet.base.errors import ReportError, shorten
from metanet.base.untrusted import html_text, visible
from metanet.base.whole_files import write_text
from metanet.reporting.documents.export import export, navigation
from metanet.reporting.engine.cells import here
from metanet.reporting.engine.preload import light_notebooks
from metanet.reporting.files import analyses_folder, read_object, single_numbers, write_json
from metanet.reporting.page import page
from metanet.reporting.plan.jobs import Job
from metanet.reporting.plan.registry import REPLICATION
from metanet.reporting.r_check import check_folder

#: What papermill and kernels note of the clock and of the machine.
_TIMES = ("start_time", "end_time", "duration")


def tidy(book: Any, places: Mapping[str, str]) -> Any:
    """The notebook as it is kept, changed in place and returned: equal reports have equal bytes.

    `places` maps folders of this run to what is shown instead: the staging folder, which is gone when anybody reads the notebook,
    becomes ".", so that the notebook names its own folder.
    """
    about = book.metadata.get("papermill")
    if about is not None:
        for name in _TIMES:
            about.pop(name, None)
        about.pop("environment_variables", None)
        for name in ("input_path", "output_path"):
            if about.get(name):
                about[name] = Path(about[name]).name
    forget(book, places)
    for number, cell in enumerate(book.cells):
        cell.metadata.pop("execution", None)
        its = cell.metadata.get("papermill")
        if its is not None:
            for name in _TIMES:
                its.pop(name, None)
        content = json.dumps([number, cell.cell_type, str(cell.source)])
        cell["id"] = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return book


def forget(node: Any, places: Mapping[str, str]) -> Any:
    """Replace the places in every text below `node`; containers are changed in place."""
    if isinstance(node, str):
        for place, shown in places.items():
            if place in node:
                node = node.replace(place, shown)
        return node
    if isinstance(node, dict):
        for key in node:
            node[key] = forget(node[key], places)
    elif isinstance(node, list):
        node[:] = [forget(each, places) for each in node]
    return node


_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
#: File of a report that says what it is.
ABOUT = "about.json"
#: Longest time a single cell may take, in seconds.
CELL_LIMIT = 900


def make_report(
    tell: Callable[[dict[str, Any]], None],
    job: dict[str, Any],
    staged: str,
    formats: Sequence[str] = ("html",),
    shown: Mapping[str, str] | None = None,
    manager: type | None = None,
) -> str | None:
    """Make a report in its staging folder; what goes wrong becomes a page with the traceback.

    Parameters
    ----------
    tell
        Takes messages; none is sent.
    job, staged, formats
        As `Job.to_dict` gives it, the folder, and the formats besides the notebook.
    shown
        Texts of this machine, such as a folder, and what the report shows instead of each.
    manager
        Class of kernel managers for papermill's own engine; without it the engine of this package runs the notebook.

    Returns
    -------
    str or None
        The error in one line.
    """
    made, folder = Job.from_dict(job), Path(staged)
    start = time.monotonic()
    error = None
    places = {str(folder): ".", **(shown or {})}
    write_json(folder / ABOUT, forget(about(made), places))
    _log(f"{visible(made.title)}: {made.notebook.name} with {json.dumps(made.parameters, ensure_ascii=False)}")
    try:
        _execute(made, folder, formats, places, manager)
    except Exception as fault:
        error = forget(one_line(fault), places)
        details = forget(_details(fault), places)
        _log(f"failed: {error}\n{details}")
        failure_page(made, folder, error, details)
    _log(f"{'failed' if error else 'made'} in {time.monotonic() - start:.2f} s{_peak()}")
    return error


def _peak() -> str:
    """The most memory that a fork took; elsewhere the process is not the report's own."""
    if not here():
        return ""
    # Windows, where nothing forks, does not have this module.
    import resource

    return f", {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB of memory at most"


def about(job: Job) -> dict[str, Any]:
    """The description of a report, for the list of reports and for comparing two runs."""
    place = job.notebook.name
    return {"title": job.title, **job.identity, "subset": list(job.subset), "notebook": place, "parameters": dict(job.parameters)}


def _log(text: str) -> None:
    """A line for the report's log, where the standard error of a fork goes."""
    if here():
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def _execute(job: Job, staged: Path, formats: Sequence[str], places: Mapping[str, str], manager: type | None) -> None:
    light_notebooks()
    import nbformat
    import papermill
    from papermill.engines import papermill_engines

    from metanet.reporting.engine.papermill_engine import MetanetEngine

    # A source tree that was not installed has no entry points.
    papermill_engines.register("metanet", MetanetEngine)
    ran = staged / "report.ipynb"
    own = {} if manager is None else {"kernel_manager_class": manager, "shutdown_kernel": "immediate"}
    try:
        book = papermill.execute_notebook(
            _plain(job.notebook),
            _plain(ran),
            parameters={**job.parameters, "output_dir": str(staged)},
            engine_name="metanet" if manager is None else None,
            kernel_name="python3",
            progress_bar=False,
            log_output=False,
            # The notebook is written once, when it is complete.
            request_save_on_cell_execute=False,
            execution_timeout=CELL_LIMIT,
            start_timeout=120,
            **own,
        )
    except Exception:
        if ran.exists():
            nbformat.write(tidy(nbformat.read(ran, as_version=4), places), ran)
        raise
    _check_rows(job, staged)
    if job.check_with_r is not None:
        add_check(book, check_folder(staged))
    write_text(ran, nbformat.writes(tidy(book, places)) + "\n")
    export(job, book, staged, formats)


def add_check(book: Any, said: Sequence[str]) -> None:
    """Put what R found at the end of the notebook, from where it goes into the page, the PDF and the Word file."""
    import nbformat

    if said:
        text = "\n".join(f"- {line}" for line in said)
        book.cells.append(
            nbformat.v4.new_markdown_cell(f"## Check with R\n\nThe numbers of this report, computed anew by `check.R`:\n\n{text}")
        )


def _plain(path: Path) -> str:
    """A path with its braces escaped, because papermill replaces braces with parameters."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _check_rows(job: Job, staged: Path) -> None:
    """Check that a report used the rows that it is filed under; otherwise the journal would record the wrong rows."""
    used, filed = (read_numbers(staged) or {}).get("evidence"), job.identity.get("evidence")
    # The replication saves two results, each with the rows of its own.
    ours = job.notebook.parent == analyses_folder() and not job.folder.startswith(f"{REPLICATION}/")
    if ours and used and filed and used != filed:
        raise ReportError("The evidence changed while the reports were being made. Fix: run again.")


def one_line(fault: BaseException) -> str:
    """The error as papermill or Python names it, without colours."""
    name, value = getattr(fault, "ename", None), getattr(fault, "evalue", None)
    text = f"{name}: {value}" if name else f"{type(fault).__name__}: {fault}"
    return shorten(_ANSI.sub("", text), 400)


def _details(fault: BaseException) -> str:
    lines = getattr(fault, "traceback", None)
    text = "\n".join(lines) if isinstance(lines, list) else "".join(traceback.format_exception(fault))
    return _ANSI.sub("", text)


def failure_page(job: Job, staged: Path, error: str, details: str) -> None:
    """A page with the traceback in the place of the report."""
    details = details.replace(str(staged), ".")
    body = (
        f'{navigation(job)}<main id="main"><h1>{html_text(job.title)}</h1>'
        f'<div class="failed tex2jax_ignore"><p><strong>This report failed.</strong> {html_text(error)}</p></div>'
        f'<h2>Traceback</h2><pre tabindex="0">{traceback_html(details)}</pre></main>'
    )
    write_text(staged / "report.html", page(f"Failed: {job.title}", body))
    write_json(staged / "numbers.json", {**job.identity, "error": error})


def traceback_html(details: str) -> str:
    """A traceback, escaped line by line so that its lines stay lines."""
    return "\n".join(html_text(line) for line in details.splitlines())


def told_numbers(folder: Path) -> dict[str, Any] | None:
    """The single numbers and words of a finished report: a run holds those of every report."""
    found = read_numbers(folder)
    return None if found is None else single_numbers(found)


def read_numbers(folder: Path) -> dict[str, Any] | None:
    """The numbers of a finished report."""
    return read_object(folder / "numbers.json")
