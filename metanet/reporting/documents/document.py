"""An executed notebook as a document: the outputs of its cells, without the code."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from metanet.base.drawing import FIGURE_MARK
from metanet.reporting.documents.blocks import Block, Caption, Document, Figure, Heading, Paragraph, Pointers, Preformatted
from metanet.reporting.documents.html import blocks_of
from metanet.reporting.documents.sections import shown_cells
from metanet.writing.table.table import Table

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
#: What a figure of ours says of itself in text, see `metanet.figures.page.save`.
_DESCRIBED = re.compile(r"<Figure: (.*)>", re.DOTALL)
_SVG = "image/svg+xml"
_BITMAPS = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}


def document_of(book: Any, title: str, origin: str = "") -> Document:
    """The document of an executed notebook.

    Parameters
    ----------
    book
        The notebook, as nbformat reads it.
    title
        What the report is called; the notebook's own first heading, where it has one, says more and comes first.
    origin
        What the small print at the end of each page says.
    """
    blocks: list[Block] = []
    above = ""
    for cell in shown_cells(book):
        if cell.cell_type == "markdown":
            blocks += blocks_of(_rendered(str(cell.source)))
        elif cell.cell_type == "code":
            for output in cell.get("outputs", ()):
                above = next((b.text for b in reversed(blocks) if isinstance(b, Heading)), title)
                blocks += _shown(output, above)
    return _titled(blocks, title, origin)


def _titled(blocks: list[Block], title: str, origin: str) -> Document:
    first = next((block for block in blocks if isinstance(block, Heading)), None)
    below = ""
    if first is not None and first.level == 1:
        blocks.remove(first)
        # A title such as "Objective response: TARE (certainty moderate)" says more than the heading.
        below, title = (title if not first.text.startswith(title) else ""), first.text
    # A card under a heading with its own title does not repeat the title.
    pairs = zip([None, *blocks], blocks, strict=False)
    blocks = [
        block
        for before, block in pairs
        if not (isinstance(before, Heading) and isinstance(block, Paragraph) and block.text == before.text)
    ]
    levels = sorted({block.level for block in blocks if isinstance(block, Heading)})
    # No level is skipped, so screen readers can go from heading to heading.
    ranks = {level: rank for rank, level in enumerate(levels, start=1)}
    placed = [Heading(ranks[b.level], b.text) if isinstance(b, Heading) else b for b in blocks]
    return Document(title, below, tuple(_numbered(placed)), origin)


def _numbered(blocks: list[Block]) -> list[Block]:
    """Blocks with the captions of figures and tables, and a paragraph that leads to them before the first heading."""
    found: list[Block] = []
    captions: list[Caption] = []
    for block in blocks:
        if isinstance(block, Figure):
            captions.append(Caption("Figure", 1 + sum(c.kind == "Figure" for c in captions), block.title))
            found += [block, captions[-1]]
        elif isinstance(block, Table) and block.title and block.rows:
            captions.append(Caption("Table", 1 + sum(c.kind == "Table" for c in captions), block.title))
            found += [captions[-1], replace(block, title="")]
        else:
            found.append(block)
    if len(captions) > 1:
        first = next((place for place, block in enumerate(found) if isinstance(block, Heading)), 0)
        found.insert(first, Pointers(tuple(captions)))
    return found


def _rendered(source: str) -> str:
    from nbconvert.filters.markdown_mistune import markdown2html_mistune

    return str(markdown2html_mistune(source))


def _shown(output: Mapping[str, Any], above: str) -> Iterator[Block]:
    kind = output["output_type"]
    if kind == "stream":
        yield from _lines(str(output["text"]))
    elif kind == "error":
        yield from _lines("\n".join(output["traceback"]) or f"{output['ename']}: {output['evalue']}")
    else:
        yield from _data(output, above)


def _data(output: Mapping[str, Any], above: str) -> Iterator[Block]:
    data = output["data"]
    if "text/html" in data:
        yield from blocks_of("".join(data["text/html"]))
        return
    if (figure := figure_of(output, above)) is not None:
        yield figure
    elif "text/markdown" in data:
        yield from blocks_of(_rendered("".join(data["text/markdown"])))
    else:
        yield from _lines("".join(data.get("text/plain", "")))


def figure_of(output: Mapping[str, Any], above: str) -> Figure | None:
    """The picture that an output of a cell shows, without a number; None where it shows none."""
    data = output.get("data", {})
    about = output.get("metadata", {}).get(_SVG, {})
    mark = about.get(FIGURE_MARK, {}) if isinstance(about, dict) else {}
    known = {key: " ".join(text.split()) for key, text in mark.items() if isinstance(text, str)} if isinstance(mark, dict) else {}
    alt = known.get("alt") or alternative("".join(data.get("text/plain", ""))) or f"Figure: {above or 'no title'}"
    title = _title(known.get("title", ""), alt) or above
    if _SVG in data:
        image = "".join(data[_SVG]).encode("utf-8", "replace")
        return Figure(image, alt, title, known.get("words", ""), bool(known)) if b"<svg" in image else None
    for kind, begin in _BITMAPS.items():
        if kind in data:
            try:
                image = base64.b64decode("".join(data[kind]))
            except (binascii.Error, ValueError):
                continue
            if image.startswith(begin):
                return Figure(image, alt, title)
    return None


def _title(title: str, alt: str) -> str:
    """What a figure is called below it, the beginning of its description: "Forest plot of objective response after TARE"."""
    first = alt.partition(": ")[0]
    return first if title and first != alt and first.casefold().startswith(title.casefold()) else title


def alternative(plain: str) -> str:
    """The description of a figure, from its plain text; empty where it has none."""
    found = _DESCRIBED.fullmatch(plain.strip())
    return " ".join(found[1].split()) if found else ""


def _lines(text: str) -> Iterator[Block]:
    kept = _ANSI.sub("", text).strip("\n")
    if kept.strip():
        yield Preformatted(kept)
