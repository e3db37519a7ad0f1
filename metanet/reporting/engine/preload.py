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
    "metanet.diagnostics.method.calibrate",
    "metanet.diagnostics.spread.heterogeneity_report",
    "metanet.diagnostics.method.multiverse",
    "metanet.diagnostics.method.permutation",
    "metanet.diagnostics.bias.small_study_effects",
    "metanet.evidence",
    "metanet.figures.forest.forest",
    "metanet.figures.plots.funnel",
    "metanet.figures.plots.heterogeneity",
    "metanet.figures.plots.leave_one_out",
    "metanet.figures.page.save",
    "metanet.figures.plots.waterfall",
    "metanet.models.comparison.benefit_risk",
    "metanet.models.regression.meta_regression",
    "metanet.models.pooling.pool",
    "metanet.models.comparison.response_categories",
    "metanet.models.results.pooled",
    "metanet.models.comparison.within_studies",
    "metanet.reporting.results_files",
    "metanet.reporting.documents.pdf",
    "metanet.reporting.documents.word",
    "metanet.reporting.results_files",
    "metanet.reporting.run.run",
    "metanet.writing.study_tables",
    "metanet.writing.summary_of_findings",
    "metanet.writing.table.html",
    "metanet.writing.summary_tables",
    "metanet.writing.prisma.report_text",
    "metanet.writing.sensitivity",
    "metanet.writing.study_tables",
    "metanet.writing.summary_tables",
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
    """Load nbformat the quick way; afterwards it is there for everybody."""
    with without_grammars():
        import nbformat  # noqa: F401


def load_all() -> None:
    """Load everything of `NAMES`."""
    light_notebooks()
    for name in NAMES:
        with contextlib.suppress(ImportError):
            import_module(name)
