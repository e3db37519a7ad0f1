"""An executed notebook as a page, a PDF and a Word file: text, tables and figures; the code stays in the notebook beside them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from metanet._version import __version__
from metanet.base.untrusted import html_text
from metanet.base.whole_files import write_bytes, write_text
from metanet.reporting.documents.document import alternative, document_of
from metanet.reporting.page import file_links, page
from metanet.reporting.plan.jobs import Job

#: Files that are not listed on the page itself.
_OWN = ("report.html", "about.json")
_THREAD = threading.local()


def export(job: Job, book: Any, staged: Path, formats: Sequence[str]) -> None:
    """Write the documents of a report into its folder, the page last, because it lists the others.

    The page is always made, because the list of reports links to it.
    """
    if "pdf" in formats or "docx" in formats:
        source = evidence_of(job)
        origin = f"metanet {__version__}" + (f" · {source}" if source else "")
        document = document_of(book, job.title, origin)
        if "docx" in formats:
            from metanet.reporting.documents.word import docx_of

            write_bytes(staged / "report.docx", docx_of(document))
        if "pdf" in formats:
            from metanet.reporting.documents.pdf import pdf_of

            write_bytes(staged / "report.pdf", pdf_of(document))
    body, _ = exporter().from_notebook_node(described(book))
    beside = (p for p in staged.rglob("*") if p.is_file() and not p.name.startswith("."))
    names = sorted(p.relative_to(staged).as_posix() for p in beside if p.name not in _OWN)
    write_text(staged / "report.html", page(job.title, f"{navigation(job)}{_source(job)}{file_links(names)}<main>{body}</main>"))


def evidence_of(job: Job) -> str:
    """Whose evidence a report rests on, and the digest of its rows; empty where that is not known."""
    name, rows = (str(job.identity.get(key) or "") for key in ("evidence_name", "evidence"))
    digest = f"sha256 {rows[:12]}" if rows else ""
    return f"Evidence: {name} ({digest})" if name and digest else f"Evidence {digest}" if digest else ""


def _source(job: Job) -> str:
    text = evidence_of(job)
    return f'<p class="source tex2jax_ignore">{html_text(text)}</p>' if text else ""


def described(book: Any) -> Any:
    """The notebook with the descriptions of its figures where the page expects them."""
    import nbformat

    made = nbformat.from_dict(book)
    above = ""
    for cell in made.cells:
        if cell.cell_type == "markdown" and str(cell.source).startswith("#"):
            above = str(cell.source).splitlines()[0].strip("# ")
        for output in cell.get("outputs", ()):
            for kind in ("image/png", "image/jpeg"):
                if kind in output.get("data", {}):
                    alt = alternative("".join(output["data"].get("text/plain", ""))) or f"Figure: {above or 'no title'}"
                    output["metadata"] = {**output["metadata"], kind: {**output["metadata"].get(kind, {}), "alt": alt}}
    return made


def exporter() -> Any:
    """This thread's HTML exporter: compiling its templates takes longer than exporting a report."""
    if not hasattr(_THREAD, "exporter"):
        from nbconvert import HTMLExporter

        made = HTMLExporter(template_name="basic", exclude_input=True, exclude_input_prompt=True, exclude_output_prompt=True)
        made.embed_images = True
        _THREAD.exporter = made
    return _THREAD.exporter


def navigation(job: Job) -> str:
    """The link back to the list of reports."""
    up = "../" * len(Path(job.folder).parts)
    return f'<nav><a href="{html_text(up)}index.html">All reports</a></nav>'
