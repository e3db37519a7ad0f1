"""What is loaded before the first fork, and how nbformat is loaded without what no notebook needs."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from importlib import import_module

#: What notebooks and their export load. A name that is missing costs time, not correctness.
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
    "formulaic",
    "great_tables",
    "docx",
    "typst",
    "papermill",
    "nbconvert.exporters.html",
    "metanet.diagnostics.calibrate",
    "metanet.diagnostics.heterogeneity_report",
    "metanet.diagnostics.multiverse",
    "metanet.diagnostics.permutation",
    "metanet.diagnostics.small_study",
    "metanet.evidence",
    "metanet.figures.forest",
    "metanet.figures.funnel",
    "metanet.figures.heterogeneity",
    "metanet.figures.leave_one_out",
    "metanet.figures.save",
    "metanet.figures.waterfall",
    "metanet.models.benefit_risk",
    "metanet.models.meta_regression",
    "metanet.models.pool",
    "metanet.models.response_categories",
    "metanet.models.views",
    "metanet.models.within_studies",
    "metanet.reporting.analysis_files",
    "metanet.reporting.documents.pdf",
    "metanet.reporting.documents.word",
    "metanet.reporting.results_files",
    "metanet.reporting.run",
    "metanet.writing.characteristics",
    "metanet.writing.findings",
    "metanet.writing.html_tables",
    "metanet.writing.model_tables",
    "metanet.writing.prisma",
    "metanet.writing.sensitivity",
    "metanet.writing.study_tables",
    "metanet.writing.summary_tables",
    "metanet.writing.word_tables",
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
    """Load nbformat the quick way; afterwards it is there for everybody."""
    with without_grammars():
        import nbformat  # noqa: F401


def load_all() -> None:
    """Load everything of `NAMES`."""
    light_notebooks()
    for name in NAMES:
        with contextlib.suppress(ImportError):
            import_module(name)
