"""Modules loaded before the first fork, and a quicker way to load nbformat."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator
from importlib import import_module

#: What notebooks and their export load beside the public names that the shipped notebooks use. A missing name costs time, not
#: correctness; what few reports use is missing on purpose, because its memory is that of every report.
NAMES = (
    "IPython.core.completer",
    "IPython.core.magics.config",
    "ipykernel.ipkernel",
    "matplotlib_inline.backend_inline",
    "numpy",
    "pandas",
    "scipy.special",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "matplotlib.pyplot",
    "frictionless",
    "great_tables",
    "docx",
    "papermill",
    "nbconvert.exporters.html",
    "metanet.figures.forest.forest",
    "metanet.figures.plots.funnel",
    "metanet.figures.plots.heterogeneity",
    "metanet.figures.plots.leave_one_out",
    "metanet.figures.plots.waterfall",
    "metanet.models.results.pooled",
    "metanet.reporting.documents.pdf",
    "metanet.reporting.documents.word",
    "metanet.reporting.run.run",
    "metanet.writing.table.html",
    "metanet.writing.table.word",
)
#: jsonschema compiles grammars of addresses for a second when it finds one of these; the schema of notebooks has no address.
_GRAMMARS = ("rfc3987", "rfc3987_syntax")


@contextlib.contextmanager
def without_grammars() -> Iterator[None]:
    """Load jsonschema inside, which takes these for not installed."""
    if "jsonschema" in sys.modules:
        yield
        return
    hidden = [name for name in _GRAMMARS if name not in sys.modules]
    # None in this table makes an import raise ImportError.
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


def light_notebooks() -> None:
    """Load nbformat quickly."""
    with without_grammars():
        import nbformat  # noqa: F401


def load_all() -> None:
    """Load everything of `NAMES` and the homes of all public names that the shipped notebooks use."""
    import metanet
    from metanet.reporting.files import analyses_folder
    from metanet.reporting.plan.registry import NOTEBOOKS

    light_notebooks()
    texts = [(analyses_folder() / row.file).read_text(encoding="utf-8") for row in NOTEBOOKS.values()]
    used = dict.fromkeys(name for text in texts for name in re.findall(r"\bmn\.(\w+)", text))
    for name in (*NAMES, *(metanet._HOMES[name] for name in used if name in metanet._HOMES)):
        with contextlib.suppress(ImportError):
            import_module(name)
