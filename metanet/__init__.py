"""metanet: pooled rates per treatment modality from curated CSVs, exact model first.

The public names load when they are used: `import metanet` alone costs NumPy at most.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from metanet._version import __version__
from metanet.base import drawing
from metanet.base.errors import ArgumentError, DataError, MetanetError, MetanetWarning, Problem, ReportError

if TYPE_CHECKING:
    from metanet.diagnostics.bias.limit_meta_analysis import limit_meta_analysis as limit_meta_analysis
    from metanet.diagnostics.bias.pet_peese import pet_peese as pet_peese
    from metanet.diagnostics.bias.selection_model import selection_model as selection_model
    from metanet.diagnostics.bias.small_study_effects import small_study_effects as small_study_effects
    from metanet.diagnostics.bias.trim_and_fill import trim_and_fill as trim_and_fill
    from metanet.diagnostics.method.calibrate import Calibration as Calibration
    from metanet.diagnostics.method.calibrate import calibrate as calibrate
    from metanet.diagnostics.method.multiverse import Multiverse as Multiverse
    from metanet.diagnostics.method.multiverse import multiverse as multiverse
    from metanet.diagnostics.method.p_values import p_value_function as p_value_function
    from metanet.diagnostics.method.p_values import radial as radial
    from metanet.diagnostics.method.permutation import permutation_test as permutation_test
    from metanet.diagnostics.spread.heterogeneity import heterogeneity_text as heterogeneity_text
    from metanet.diagnostics.spread.heterogeneity_report import heterogeneity_report as heterogeneity_report
    from metanet.diagnostics.spread.share_beyond import share_beyond as share_beyond
    from metanet.diagnostics.studies.gosh import gosh as gosh
    from metanet.diagnostics.studies.influence import influence as influence
    from metanet.diagnostics.studies.outliers import outliers as outliers
    from metanet.diagnostics.studies.series import cumulative as cumulative
    from metanet.diagnostics.studies.series import leave_one_out as leave_one_out
    from metanet.evidence import Evidence as Evidence
    from metanet.evidence import load_evidence as load_evidence
    from metanet.evidence import validate as validate
    from metanet.explorer.explore import Explorer as Explorer
    from metanet.explorer.explore import explore as explore
    from metanet.figures.forest.forest import forest as forest
    from metanet.figures.forest.presets import FOREST_PRESETS as FOREST_PRESETS
    from metanet.figures.forest.presets import ForestPreset as ForestPreset
    from metanet.figures.page.canvas import column_width as column_width
    from metanet.figures.page.save import save_figure as save_figure
    from metanet.models.bayes.bayes_pool import bayes_pool as bayes_pool
    from metanet.models.comparison.benefit_risk import benefit_risk as benefit_risk
    from metanet.models.comparison.compare import compare as compare
    from metanet.models.comparison.response_categories import ResponseCategories as ResponseCategories
    from metanet.models.comparison.response_categories import response_categories as response_categories
    from metanet.models.comparison.result import Comparison as Comparison
    from metanet.models.comparison.within_studies import within_studies as within_studies
    from metanet.models.dependence.robust import cluster_robust as cluster_robust
    from metanet.models.dependence.three_level import three_level as three_level
    from metanet.models.effect_sizes import back_transform as back_transform
    from metanet.models.effect_sizes import effect_sizes as effect_sizes
    from metanet.models.pooling.pool import pool as pool
    from metanet.models.pooling.pool import pool_arrays as pool_arrays
    from metanet.models.pooling.pool import pool_many as pool_many
    from metanet.models.regression.meta_regression import meta_regression as meta_regression
    from metanet.models.regression.result import Regression as Regression
    from metanet.models.results.pooled import Pooled as Pooled
    from metanet.reporting.cluster.simulations import calibrate_on_cluster as calibrate_on_cluster
    from metanet.reporting.diff.result import Diff as Diff
    from metanet.reporting.diff.result import diff as diff
    from metanet.reporting.results_files import save_analysis as save_analysis
    from metanet.reporting.results_files import save_results as save_results
    from metanet.reporting.run.batch import report as report
    from metanet.reporting.run.makers import Limits as Limits
    from metanet.writing.plain import analysis_heading as analysis_heading
    from metanet.writing.plain import analysis_table as analysis_table
    from metanet.writing.plain import heading as heading
    from metanet.writing.plain import method_table as method_table
    from metanet.writing.plain import paragraph as paragraph
    from metanet.writing.prisma.report_text import ReportText as ReportText
    from metanet.writing.prisma.report_text import report_text as report_text
    from metanet.writing.sensitivity import sensitivity_table as sensitivity_table
    from metanet.writing.study_tables import characteristics_table as characteristics_table
    from metanet.writing.study_tables import left_out_table as left_out_table
    from metanet.writing.study_tables import published_table as published_table
    from metanet.writing.study_tables import source_table as source_table
    from metanet.writing.study_tables import study_table as study_table
    from metanet.writing.summary_of_findings import summary_of_findings as summary_of_findings
    from metanet.writing.summary_tables import model_table as model_table
    from metanet.writing.summary_tables import summary_table as summary_table
    from metanet.writing.table.table import Table as Table

#: Public name -> the module that defines it.
_HOMES = {
    "load_evidence": "metanet.evidence",
    "validate": "metanet.evidence",
    "Evidence": "metanet.evidence",
    "effect_sizes": "metanet.models.effect_sizes",
    "back_transform": "metanet.models.effect_sizes",
    "pool": "metanet.models.pooling.pool",
    "pool_many": "metanet.models.pooling.pool",
    "pool_arrays": "metanet.models.pooling.pool",
    "Pooled": "metanet.models.results.pooled",
    "bayes_pool": "metanet.models.bayes.bayes_pool",
    "leave_one_out": "metanet.diagnostics.studies.series",
    "Comparison": "metanet.models.comparison.result",
    "Regression": "metanet.models.regression.result",
    "compare": "metanet.models.comparison.compare",
    "meta_regression": "metanet.models.regression.meta_regression",
    "benefit_risk": "metanet.models.comparison.benefit_risk",
    "response_categories": "metanet.models.comparison.response_categories",
    "ResponseCategories": "metanet.models.comparison.response_categories",
    "within_studies": "metanet.models.comparison.within_studies",
    "cluster_robust": "metanet.models.dependence.robust",
    "three_level": "metanet.models.dependence.three_level",
    "cumulative": "metanet.diagnostics.studies.series",
    "influence": "metanet.diagnostics.studies.influence",
    "outliers": "metanet.diagnostics.studies.outliers",
    "gosh": "metanet.diagnostics.studies.gosh",
    "permutation_test": "metanet.diagnostics.method.permutation",
    "p_value_function": "metanet.diagnostics.method.p_values",
    "radial": "metanet.diagnostics.method.p_values",
    "small_study_effects": "metanet.diagnostics.bias.small_study_effects",
    "trim_and_fill": "metanet.diagnostics.bias.trim_and_fill",
    "selection_model": "metanet.diagnostics.bias.selection_model",
    "pet_peese": "metanet.diagnostics.bias.pet_peese",
    "limit_meta_analysis": "metanet.diagnostics.bias.limit_meta_analysis",
    "multiverse": "metanet.diagnostics.method.multiverse",
    "Multiverse": "metanet.diagnostics.method.multiverse",
    "calibrate": "metanet.diagnostics.method.calibrate",
    "Calibration": "metanet.diagnostics.method.calibrate",
    "share_beyond": "metanet.diagnostics.spread.share_beyond",
    "heterogeneity_report": "metanet.diagnostics.spread.heterogeneity_report",
    "heterogeneity_text": "metanet.diagnostics.spread.heterogeneity",
    "explore": "metanet.explorer.explore",
    "Explorer": "metanet.explorer.explore",
    "forest": "metanet.figures.forest.forest",
    "column_width": "metanet.figures.page.canvas",
    "ForestPreset": "metanet.figures.forest.presets",
    "FOREST_PRESETS": "metanet.figures.forest.presets",
    "save_figure": "metanet.figures.page.save",
    "report_text": "metanet.writing.prisma.report_text",
    "ReportText": "metanet.writing.prisma.report_text",
    "Table": "metanet.writing.table.table",
    "summary_table": "metanet.writing.summary_tables",
    "characteristics_table": "metanet.writing.study_tables",
    "summary_of_findings": "metanet.writing.summary_of_findings",
    "sensitivity_table": "metanet.writing.sensitivity",
    "study_table": "metanet.writing.study_tables",
    "heading": "metanet.writing.plain",
    "paragraph": "metanet.writing.plain",
    "model_table": "metanet.writing.summary_tables",
    "left_out_table": "metanet.writing.study_tables",
    "published_table": "metanet.writing.study_tables",
    "source_table": "metanet.writing.study_tables",
    "method_table": "metanet.writing.plain",
    "analysis_table": "metanet.writing.plain",
    "analysis_heading": "metanet.writing.plain",
    "save_analysis": "metanet.reporting.results_files",
    "save_results": "metanet.reporting.results_files",
    "report": "metanet.reporting.run.batch",
    "Limits": "metanet.reporting.run.makers",
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

# Results draw themselves without knowing the room of figures; this package knows every room.
drawing.provide(lambda: import_module("metanet.figures.registry").draw)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'metanet' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
