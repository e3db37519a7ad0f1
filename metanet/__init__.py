"""metanet: pooled rates per treatment modality from curated CSVs, exact model first.

The public names load when they are used: `import metanet` alone costs NumPy at most.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from metanet._version import __version__
from metanet.errors import (
    ArgumentError,
    DataError,
    MetanetError,
    MetanetWarning,
    Problem,
    ReportError,
)

if TYPE_CHECKING:
    from metanet.diagnostics.heterogeneity import heterogeneity_text as heterogeneity_text
    from metanet.diagnostics.leave_one_out import leave_one_out as leave_one_out
    from metanet.evidence import Evidence as Evidence
    from metanet.evidence import load_evidence as load_evidence
    from metanet.evidence import validate as validate
    from metanet.figures.forest import forest as forest
    from metanet.figures.save import save_figure as save_figure
    from metanet.models.bayes import bayes_pool as bayes_pool
    from metanet.models.effect_sizes import back_transform as back_transform
    from metanet.models.effect_sizes import effect_sizes as effect_sizes
    from metanet.models.pool import pool as pool
    from metanet.models.pool import pool_arrays as pool_arrays
    from metanet.models.pool import pool_many as pool_many
    from metanet.models.results import Pooled as Pooled
    from metanet.reporting.batch import report as report
    from metanet.reporting.results_files import save_results as save_results
    from metanet.reporting.tables import heading as heading
    from metanet.reporting.tables import left_out_table as left_out_table
    from metanet.reporting.tables import method_table as method_table
    from metanet.reporting.tables import model_table as model_table
    from metanet.reporting.tables import paragraph as paragraph
    from metanet.reporting.tables import published_table as published_table
    from metanet.reporting.tables import source_table as source_table
    from metanet.reporting.tables import study_table as study_table

#: Public name -> the module that defines it.
_HOMES = {
    "load_evidence": "metanet.evidence",
    "validate": "metanet.evidence",
    "Evidence": "metanet.evidence",
    "effect_sizes": "metanet.models.effect_sizes",
    "back_transform": "metanet.models.effect_sizes",
    "pool": "metanet.models.pool",
    "pool_many": "metanet.models.pool",
    "pool_arrays": "metanet.models.pool",
    "Pooled": "metanet.models.results",
    "bayes_pool": "metanet.models.bayes",
    "leave_one_out": "metanet.diagnostics.leave_one_out",
    "heterogeneity_text": "metanet.diagnostics.heterogeneity",
    "forest": "metanet.figures.forest",
    "save_figure": "metanet.figures.save",
    "heading": "metanet.reporting.tables",
    "paragraph": "metanet.reporting.tables",
    "study_table": "metanet.reporting.tables",
    "model_table": "metanet.reporting.tables",
    "left_out_table": "metanet.reporting.tables",
    "published_table": "metanet.reporting.tables",
    "source_table": "metanet.reporting.tables",
    "method_table": "metanet.reporting.tables",
    "save_results": "metanet.reporting.results_files",
    "report": "metanet.reporting.batch",
}

__all__ = [
    "ArgumentError",
    "DataError",
    "MetanetError",
    "MetanetWarning",
    "Problem",
    "ReportError",
    "__version__",
    *_HOMES,
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'metanet' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
