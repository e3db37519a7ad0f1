"""An executed notebook as a page, a PDF and a Word file: text, tables and figures; the code stays in the notebook beside them."""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from metanet._version import __version__
from metanet.base.untrusted import html_text
from metanet.base.whole_files import write_bytes, write_text
from metanet.reporting.documents.document import document_of, figure_of
from metanet.reporting.documents.harmless import harmless_html
from metanet.reporting.documents.html_figure import html_figure
from metanet.reporting.documents.sections import shown_cells
from metanet.reporting.page import file_links, page
from metanet.reporting.plan.jobs import Job

#: Files that are not listed on the page itself.
_OWN = ("report.html", "about.json")
_THREAD = threading.local()
#: How the HTML of this package begins, all of whose elements are closed.
_OURS = re.compile(r"""<div class=["']metanet[ "']""")


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
    beside = [p for p in staged.rglob("*") if p.is_file() and not p.name.startswith(".")]
    names = sorted(p.relative_to(staged).as_posix() for p in beside if p.name not in _OWN)
    body = page_body(book, _drawings(staged, names))
    whole = f'{navigation(job, body)}<main id="main">{body}</main><footer id="files">{_source(job)}{file_links(names)}</footer>'
    write_text(staged / "report.html", page(job.title, whole))


def _drawings(staged: Path, names: Sequence[str]) -> dict[bytes, list[str]]:
    """The figures among the files of a report: the digest of the drawing -> its files, by which the page finds those of a figure."""
    found = {}
    for name in names:
        if name.endswith(".svg"):
            others = [other for other in (name.removesuffix("svg") + "png",) if other in names]
            found[hashlib.sha256((staged / name).read_bytes()).digest()] = [name, *others]
    return found


def evidence_of(job: Job) -> str:
    """Whose evidence a report rests on, and the digest of its rows; empty where that is not known."""
    name, rows = (str(job.identity.get(key) or "") for key in ("evidence_name", "evidence"))
    digest = f"sha256 {rows[:12]}" if rows else ""
    return f"Evidence: {name} ({digest})" if name and digest else f"Evidence {digest}" if digest else ""


def _source(job: Job) -> str:
    text = evidence_of(job)
    return f'<p class="source tex2jax_ignore">{html_text(text)}</p>' if text else ""


def page_body(book: Any, drawings: Mapping[bytes, list[str]] | None = None) -> str:
    """The notebook as the inside of a page, with its figures numbered, each with its description in words and links to its files."""
    import nbformat

    made = nbformat.from_dict(book)
    made.cells = shown_cells(made)
    # nbconvert reads all HTML anew, which takes long for a drawing or a table and changes letters: ours gets a mark in its place.
    mark = secrets.token_hex(16)
    parts: list[str] = []
    above, figures = "", 0
    for cell in made.cells:
        if cell.cell_type == "markdown" and str(cell.source).startswith("#"):
            above = str(cell.source).splitlines()[0].strip("# ")
        for output in cell.get("outputs", ()):
            shown = output.get("data", {}).get("text/html")
            if shown is not None:
                if not _OURS.match(shown):
                    continue
                part = harmless_html(shown)
            elif (figure := figure_of(output, above)) is not None:
                files = (drawings or {}).get(hashlib.sha256(figure.image).digest(), [])
                figures += 1
                part = html_figure(figure, figures, files)
                output["metadata"] = nbformat.from_dict({})
            else:
                continue
            output["data"] = nbformat.from_dict({"text/html": f"<p>{mark}-{len(parts)}-</p>"})
            parts.append(part)
    body, _ = exporter().from_notebook_node(made)
    body = harmless_html(str(body))
    return re.sub(rf"<p>{mark}-(\d+)-</p>", lambda found: parts[int(found[1])], body)


def exporter() -> Any:
    """This thread's HTML exporter: compiling its templates takes longer than exporting a report."""
    if not hasattr(_THREAD, "exporter"):
        from nbconvert import HTMLExporter

        made = HTMLExporter(template_name="basic", exclude_input=True, exclude_input_prompt=True, exclude_output_prompt=True)
        made.embed_images = True
        _THREAD.exporter = made
    return _THREAD.exporter


#: A heading of the second level as nbconvert writes it.
_PART = re.compile(r'<h2 id="([^"]+)">(.*?)<a class="anchor-link"', re.DOTALL)


def navigation(job: Job, body: str = "") -> str:
    """Links to the list of reports, to the parts of the page and to its files."""
    up = "../" * len(Path(job.folder).parts)
    parts = [f'<a href="#{place}">{name}</a>' for place, name in _PART.findall(body)]
    links = [f'<a href="{html_text(up)}index.html">All reports</a>', *parts, *(['<a href="#files">Files</a>'] if body else [])]
    return f'<nav aria-label="Reports and parts of this one">{" ".join(links)}</nav>'
