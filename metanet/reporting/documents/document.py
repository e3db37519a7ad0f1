"""An executed notebook as a document: the outputs of its cells, without the code."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any

from metanet.reporting.documents.blocks import Block, Document, Figure, Heading, Paragraph, Preformatted
from metanet.reporting.documents.html import blocks_of

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
#: What a figure of ours says of itself in text, see `metanet.figures.page.save`.
_DESCRIBED = re.compile(r"<Figure: (.*)>", re.DOTALL)
_IMAGES = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}


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
    for cell in book.cells:
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
    placed = (Heading(ranks[b.level], b.text) if isinstance(b, Heading) else b for b in blocks)
    return Document(title, below, tuple(placed), origin)


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
        yield from _data(output["data"], above)


def _data(data: Mapping[str, Any], above: str) -> Iterator[Block]:
    plain = "".join(data.get("text/plain", ""))
    if "text/html" in data:
        yield from blocks_of("".join(data["text/html"]))
        return
    for kind, begin in _IMAGES.items():
        if kind in data:
            try:
                image = base64.b64decode("".join(data[kind]))
            except (binascii.Error, ValueError):
                continue
            if image.startswith(begin):
                yield Figure(image, alternative(plain) or f"Figure: {above}")
                return
    if "text/markdown" in data:
        yield from blocks_of(_rendered("".join(data["text/markdown"])))
    elif "image/svg+xml" in data:
        yield Paragraph(alternative(plain) or "This format cannot show the figure; it is in the HTML report.", "small")
    else:
        yield from _lines(plain)


def alternative(plain: str) -> str:
    """The description of a figure, from its plain text; empty where it has none."""
    found = _DESCRIBED.fullmatch(plain.strip())
    return " ".join(found[1].split()) if found else ""


def _lines(text: str) -> Iterator[Block]:
    kept = _ANSI.sub("", text).strip("\n")
    if kept.strip():
        yield Preformatted(kept)
