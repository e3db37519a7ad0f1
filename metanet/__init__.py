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
    from metanet.diagnostics.calibrate import Calibration as Calibration
    from metanet.diagnostics.calibrate import calibrate as calibrate
    from metanet.diagnostics.cumulative import cumulative as cumulative
    from metanet.diagnostics.gosh import gosh as gosh
    from metanet.diagnostics.heterogeneity import heterogeneity_text as heterogeneity_text
    from metanet.diagnostics.heterogeneity_report import heterogeneity_report as heterogeneity_report
    from metanet.diagnostics.influence import influence as influence
    from metanet.diagnostics.leave_one_out import leave_one_out as leave_one_out
    from metanet.diagnostics.limit_meta_analysis import limit_meta_analysis as limit_meta_analysis
    from metanet.diagnostics.multiverse import Multiverse as Multiverse
    from metanet.diagnostics.multiverse import multiverse as multiverse
    from metanet.diagnostics.outliers import outliers as outliers
    from metanet.diagnostics.p_values import p_value_function as p_value_function
    from metanet.diagnostics.p_values import radial as radial
    from metanet.diagnostics.permutation import permutation_test as permutation_test
    from metanet.diagnostics.pet_peese import pet_peese as pet_peese
    from metanet.diagnostics.selection_model import selection_model as selection_model
    from metanet.diagnostics.share_beyond import share_beyond as share_beyond
    from metanet.diagnostics.small_study import small_study_effects as small_study_effects
    from metanet.diagnostics.trim_and_fill import trim_and_fill as trim_and_fill
    from metanet.evidence import Evidence as Evidence
    from metanet.evidence import load_evidence as load_evidence
    from metanet.evidence import validate as validate
    from metanet.explorer.explore import Explorer as Explorer
    from metanet.explorer.explore import explore as explore
    from metanet.figures.forest import forest as forest
    from metanet.figures.journal_column import column_width as column_width
    from metanet.figures.presets import FOREST_PRESETS as FOREST_PRESETS
    from metanet.figures.presets import ForestPreset as ForestPreset
    from metanet.figures.save import save_figure as save_figure
    from metanet.models.bayes import bayes_pool as bayes_pool
    from metanet.models.benefit_risk import benefit_risk as benefit_risk
    from metanet.models.compare import compare as compare
    from metanet.models.comparison import Comparison as Comparison
    from metanet.models.effect_sizes import back_transform as back_transform
    from metanet.models.effect_sizes import effect_sizes as effect_sizes
    from metanet.models.meta_regression import meta_regression as meta_regression
    from metanet.models.pool import pool as pool
    from metanet.models.pool import pool_arrays as pool_arrays
    from metanet.models.pool import pool_many as pool_many
    from metanet.models.regression_result import Regression as Regression
    from metanet.models.response_categories import ResponseCategories as ResponseCategories
    from metanet.models.response_categories import response_categories as response_categories
    from metanet.models.results import Pooled as Pooled
    from metanet.models.robust import cluster_robust as cluster_robust
    from metanet.models.three_level import three_level as three_level
    from metanet.models.within_studies import within_studies as within_studies
    from metanet.reporting.analysis_files import save_analysis as save_analysis
    from metanet.reporting.batch import report as report
    from metanet.reporting.cluster.simulations import calibrate_on_cluster as calibrate_on_cluster
    from metanet.reporting.diff.result import Diff as Diff
    from metanet.reporting.diff.result import diff as diff
    from metanet.reporting.makers import Limits as Limits
    from metanet.reporting.results_files import save_results as save_results
    from metanet.writing.characteristics import characteristics_table as characteristics_table
    from metanet.writing.findings import summary_of_findings as summary_of_findings
    from metanet.writing.model_tables import model_table as model_table
    from metanet.writing.plain_tables import analysis_table as analysis_table
    from metanet.writing.plain_tables import method_table as method_table
    from metanet.writing.prisma import ReportText as ReportText
    from metanet.writing.prisma import report_text as report_text
    from metanet.writing.published_tables import published_table as published_table
    from metanet.writing.report_texts import analysis_heading as analysis_heading
    from metanet.writing.report_texts import heading as heading
    from metanet.writing.report_texts import paragraph as paragraph
    from metanet.writing.sensitivity import sensitivity_table as sensitivity_table
    from metanet.writing.study_tables import left_out_table as left_out_table
    from metanet.writing.study_tables import source_table as source_table
    from metanet.writing.study_tables import study_table as study_table
    from metanet.writing.summary_tables import summary_table as summary_table
    from metanet.writing.table import Table as Table

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
    "Comparison": "metanet.models.comparison",
    "Regression": "metanet.models.regression_result",
    "compare": "metanet.models.compare",
    "meta_regression": "metanet.models.meta_regression",
    "benefit_risk": "metanet.models.benefit_risk",
    "response_categories": "metanet.models.response_categories",
    "ResponseCategories": "metanet.models.response_categories",
    "within_studies": "metanet.models.within_studies",
    "cluster_robust": "metanet.models.robust",
    "three_level": "metanet.models.three_level",
    "cumulative": "metanet.diagnostics.cumulative",
    "influence": "metanet.diagnostics.influence",
    "outliers": "metanet.diagnostics.outliers",
    "gosh": "metanet.diagnostics.gosh",
    "permutation_test": "metanet.diagnostics.permutation",
    "p_value_function": "metanet.diagnostics.p_values",
    "radial": "metanet.diagnostics.p_values",
    "small_study_effects": "metanet.diagnostics.small_study",
    "trim_and_fill": "metanet.diagnostics.trim_and_fill",
    "selection_model": "metanet.diagnostics.selection_model",
    "pet_peese": "metanet.diagnostics.pet_peese",
    "limit_meta_analysis": "metanet.diagnostics.limit_meta_analysis",
    "multiverse": "metanet.diagnostics.multiverse",
    "Multiverse": "metanet.diagnostics.multiverse",
    "calibrate": "metanet.diagnostics.calibrate",
    "Calibration": "metanet.diagnostics.calibrate",
    "share_beyond": "metanet.diagnostics.share_beyond",
    "heterogeneity_report": "metanet.diagnostics.heterogeneity_report",
    "heterogeneity_text": "metanet.diagnostics.heterogeneity",
    "explore": "metanet.explorer.explore",
    "Explorer": "metanet.explorer.explore",
    "forest": "metanet.figures.forest",
    "column_width": "metanet.figures.journal_column",
    "ForestPreset": "metanet.figures.presets",
    "FOREST_PRESETS": "metanet.figures.presets",
    "save_figure": "metanet.figures.save",
    "report_text": "metanet.writing.prisma",
    "ReportText": "metanet.writing.prisma",
    "Table": "metanet.writing.table",
    "summary_table": "metanet.writing.summary_tables",
    "characteristics_table": "metanet.writing.characteristics",
    "summary_of_findings": "metanet.writing.findings",
    "sensitivity_table": "metanet.writing.sensitivity",
    "study_table": "metanet.writing.study_tables",
    "heading": "metanet.writing.report_texts",
    "paragraph": "metanet.writing.report_texts",
    "model_table": "metanet.writing.model_tables",
    "left_out_table": "metanet.writing.study_tables",
    "published_table": "metanet.writing.published_tables",
    "source_table": "metanet.writing.study_tables",
    "method_table": "metanet.writing.plain_tables",
    "analysis_table": "metanet.writing.plain_tables",
    "analysis_heading": "metanet.writing.report_texts",
    "save_analysis": "metanet.reporting.analysis_files",
    "save_results": "metanet.reporting.results_files",
    "report": "metanet.reporting.batch",
    "Limits": "metanet.reporting.makers",
    "calibrate_on_cluster": "metanet.reporting.cluster.simulations",
    "diff": "metanet.reporting.diff.result",
    "Diff": "metanet.reporting.diff.result",
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
