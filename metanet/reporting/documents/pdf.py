"""A document as a PDF by typst: tagged for screen readers, tables that break across pages, the same bytes on every run."""

from __future__ import annotations

import json
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

from metanet.base.untrusted import visible
from metanet.reporting.documents.blocks import Block, Caption, Document, Figure, Heading, Listing, Paragraph, Pointers
from metanet.reporting.documents.fonts import FAMILIES, fonts
from metanet.reporting.documents.layout import SIDE, UPRIGHT, held_by_next, scale_of, sections
from metanet.writing.table.column_widths import closing_lines, widths
from metanet.writing.table.html import aligned, spans
from metanet.writing.table.table import Table

#: The page as typst sets it: fixed source that reads every text from a JSON file, so no text is ever source.
_SOURCE = files("metanet.reporting.documents").joinpath("document.typ").read_bytes()
#: Centimetres of a character in a table of these points, with some to spare; characters in the space around a cell.
_CHARACTER, _POINTS, _AROUND = 0.129, 8.0, 1.9
#: Smallest legible font size; a table with more columns breaks its words.
_LEAST = 5.0
_NO_BREAK = "\u00a0"
#: No table of a page is drawn with longer words than these: typst does not break inside a word.
_LONGEST_WORD = 24


def pdf_of(document: Document) -> bytes:
    """The bytes of a PDF file.

    Notes
    -----
    typst reads a folder that contains only this document and no packages: the source is fixed and asks for
    none. The file follows PDF/UA-1, which asks for titles, descriptions of figures and a sound order of headings. What the
    standard forbids, such as a name with a letter that no font here has, is no reason to make no file: it is then made
    without the standard's mark.
    """
    import typst

    with tempfile.TemporaryDirectory(prefix="metanet-pdf-") as folder:
        root = Path(folder)
        content = _content(document, root)
        (root / "document.json").write_text(json.dumps(content, ensure_ascii=True), encoding="utf-8")
        packages = root / "packages"
        packages.mkdir()
        options: dict[str, Any] = {
            "root": root,
            "font_paths": fonts(),
            "format": "pdf",
            "timestamp": 0,
            "package_path": packages,
            "package_cache_path": packages,
        }
        try:
            return bytes(typst.compile(_SOURCE, pdf_standards=["ua-1"], **options))
        except typst.TypstError:
            return bytes(typst.compile(_SOURCE, **options))


def _content(document: Document, root: Path) -> dict[str, Any]:
    return {
        "title": visible(document.title),
        "below": visible(document.below),
        "origin": visible(document.origin),
        "fonts": list(FAMILIES),
        "sections": [
            {
                "wide": part.wide,
                "blocks": [
                    {**_block(block, part.wide, root), "held": held}
                    for block, held in zip(part.blocks, held_by_next(part.blocks), strict=True)
                ],
            }
            for part in sections(document, lambda table: _room(table)[2])
        ],
    }


def _block(block: Block, wide: bool, root: Path) -> dict[str, Any]:
    if isinstance(block, Heading):
        return {"kind": "heading", "level": min(block.level, 6), "text": visible(block.text)}
    if isinstance(block, Paragraph):
        return {"kind": block.kind or "paragraph", "text": visible(block.text)}
    if isinstance(block, Listing):
        return {"kind": "list", "items": [visible(item) for item in block.items]}
    if isinstance(block, Figure):
        file = f"figure-{len(list(root.iterdir()))}.{block.suffix}"
        (root / file).write_bytes(block.image)
        width = block.size[0] * scale_of(block, wide=wide)
        return {"kind": "figure", "file": file, "alt": visible(block.alt), "width": round(width, 3)}
    if isinstance(block, Caption):
        return {"kind": "caption", "key": block.key, "label": block.label, "text": visible(block.text), "above": block.kind == "Table"}
    if isinstance(block, Pointers):
        return {"kind": "pointers", "to": [{"key": c.key, "label": c.label, "text": visible(c.text)} for c in block.captions]}
    if isinstance(block, Table):
        return _table(block)
    return {"kind": "output", "text": "\n".join(map(visible, block.text.split("\n")))}


def _room(table: Table) -> tuple[list[float], float, bool]:
    """Widths of the columns in centimetres, points of the letters, whether the page lies on its side."""
    columns, wide = widths(table, UPRIGHT / _CHARACTER, SIDE / _CHARACTER, _AROUND)
    room = (SIDE if wide else UPRIGHT) / _CHARACTER
    smaller = min(1.0, room / sum(columns))
    return [round(width * _CHARACTER * smaller, 3) for width in columns], max(_LEAST, round(_POINTS * smaller, 2)), wide


def _table(table: Table) -> dict[str, Any]:
    columns, points, _ = _room(table)
    texts = table.texts()
    for place, column in enumerate(table.columns):
        if column.kind == "text":
            continue
        # A number and its interval stay on one line.
        cells = [" ".join(part.replace(" ", _NO_BREAK) for part in closing_lines(row[place])) for row in texts]
        body = cells[: len(table.rows)]
        if not any("/" in cell for cell in body):
            cells[: len(body)] = aligned(body)
        for row, cell in zip(texts, cells, strict=True):
            row[place] = cell
    rows: list[dict[str, Any]] = []
    group = None
    for place, row in enumerate(texts):
        if place < len(table.groups) and table.groups[place] != group:
            group = table.groups[place]
            rows.append({"group": visible(group)})
        rows.append({"cells": [_broken(visible(text)) for text in row], "ruled": place == len(table.rows)})
    above = spans(table)
    return {
        "kind": "table",
        "title": visible(table.title),
        "points": points,
        "headed": bool(above) or any(column.label for column in table.columns),
        "columns": [
            {"label": _broken(visible(column.label)), "right": column.kind != "text", "under": bool(column.spanner), "width": width}
            for column, width in zip(table.columns, columns, strict=True)
        ],
        "spanners": [{"text": visible(text), "first": first, "columns": stop - first} for text, first, stop in above],
        "rows": rows,
        "foot": [visible(note) for note in table.foot],
    }


def _broken(text: str) -> str:
    """Places in long words, such as addresses, where a line may end: a zero-width space, which is not seen."""
    words = []
    for word in text.split(" "):
        if len(word) > _LONGEST_WORD and _NO_BREAK not in word:
            word = "".join(f"{c}\u200b" if c in "/-_.?&=;:" or not (i + 1) % _LONGEST_WORD else c for i, c in enumerate(word))
        words.append(word)
    return " ".join(words)
