"""An executed notebook as documents: text, tables and figures; the code stays in the notebook beside them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from metanet.reporting.jobs import Job
from metanet.reporting.page import file_links, page
from metanet.words import html_text
from metanet.writing.whole_files import write_text

#: Files that are not listed on the page itself.
_OWN = ("report.html", "about.json")
_THREAD = threading.local()


def export(job: Job, book: Any, staged: Path, formats: Sequence[str]) -> None:
    """Write the documents of a report into its folder, the page last, because it lists the others."""
    if "html" not in formats:
        return
    body, _ = exporter().from_notebook_node(book)
    beside = (p for p in staged.rglob("*") if p.is_file() and not p.name.startswith("."))
    names = sorted(p.relative_to(staged).as_posix() for p in beside if p.name not in _OWN)
    write_text(staged / "report.html", page(job.title, f"{navigation(job)}{file_links(names)}<main>{body}</main>"))


def exporter() -> Any:
    """This thread's HTML exporter: compiling its templates takes longer than exporting a report."""
    if not hasattr(_THREAD, "exporter"):
        from nbconvert import HTMLExporter

        made = HTMLExporter(
            template_name="basic", exclude_input=True, exclude_input_prompt=True, exclude_output_prompt=True
        )
        made.embed_images = True
        _THREAD.exporter = made
    return _THREAD.exporter


def navigation(job: Job) -> str:
    """The way back to the list of reports."""
    up = "../" * len(Path(job.folder).parts)
    return f'<nav><a href="{html_text(up)}index.html">All reports</a></nav>'
