"""The figure and the table of a view as files in the working folder."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from metanet.explorer.view import View
from metanet.figures.forest.forest import forest
from metanet.figures.page.canvas import bare_figures
from metanet.figures.page.save import save_figure
from metanet.models.results.pooled import Pooled
from metanet.writing.study_tables import study_table

#: Characters of a name of a file; longer titles are cut.
_LENGTH = 80
#: Names that Windows keeps for devices.
_DEVICES = frozenset(("con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10))))


def save_forest(view: View, fit: Pooled) -> list[Path]:
    """Save the forest plot as PNG and SVG under a new name."""
    formats = ("png", "svg")
    with bare_figures():
        axes = forest(fit)
    return save_figure(axes, _free(f"{_name(view)}_forest", formats), formats)


def save_studies(view: View, fit: Pooled) -> list[Path]:
    """Save the table of studies as a Word file under a new name."""
    base = _free(f"{_name(view)}_studies", ("docx",))
    return [study_table(fit).to_docx(base.with_name(f"{base.name}.docx"))]


def _name(view: View) -> str:
    """The title of a view as a name that every file system takes."""
    plain = unicodedata.normalize("NFKD", view.title).encode("ascii", "ignore").decode("ascii").lower()
    name = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:_LENGTH].strip("_")
    return f"view_{name}" if not name or name in _DEVICES else name


def _free(name: str, formats: Sequence[str]) -> Path:
    """A path in the working folder at which no file of these formats is: a number is added where there is one."""
    folder, number = Path.cwd(), 1
    while True:
        base = folder / (name if number == 1 else f"{name}_{number}")
        if not any(base.with_name(f"{base.name}.{form}").exists() for form in formats):
            return base
        number += 1
