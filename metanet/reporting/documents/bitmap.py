"""A figure as points, for documents that have no vectors."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from metanet.reporting.documents.blocks import Figure
from metanet.reporting.documents.fonts import FAMILIES, fonts

#: Dots of an inch, as journals ask of line drawings.
_DPI = 300
#: The file is as large as the figure; typst reads everything from a JSON file, so nothing is ever source.
_SOURCE = b"""#let it = json("figure.json")
#set page(width: it.width * 1cm, height: it.height * 1cm, margin: 0pt)
#set text(font: it.fonts)
#image("figure.svg", width: it.width * 1cm, height: it.height * 1cm, fit: "stretch")
"""


def bitmap_of(figure: Figure) -> bytes | None:
    """An SVG as PNG on white; None where it cannot be drawn."""
    import typst

    width, height = figure.size
    with tempfile.TemporaryDirectory(prefix="metanet-figure-") as folder:
        root = Path(folder)
        (root / "figure.svg").write_bytes(figure.image)
        (root / "figure.json").write_text(json.dumps({"width": width, "height": height, "fonts": FAMILIES}), encoding="utf-8")
        packages = root / "packages"
        packages.mkdir()
        try:
            made = typst.compile(
                _SOURCE, root=root, font_paths=fonts(), format="png", ppi=_DPI, package_path=packages, package_cache_path=packages
            )
        except typst.TypstError:
            return None
    return bytes(made)
