"""The fonts of PDF files: those of typst and Matplotlib, and those of the system for characters that both lack."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

#: The first comes with typst, the second with Matplotlib; both draw the same everywhere.
FAMILIES = ("Libertinus Serif", "DejaVu Sans")


@cache
def fonts() -> Any:
    """What typst looks for families in."""
    import typst

    found = find_spec("matplotlib")
    folders = [] if found is None or found.origin is None else [Path(found.origin).parent / "mpl-data" / "fonts" / "ttf"]
    return typst.Fonts(True, True, [folder for folder in folders if folder.is_dir()])
