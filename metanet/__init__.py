"""metanet: pooled rates per treatment modality from curated CSVs, exact model first.

The public names load when they are used: `import metanet` alone costs NumPy at most.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from metanet._version import __version__
from metanet.base import drawing, later
from metanet.base.errors import ArgumentError, DataError, MetanetError, MetanetWarning, Problem, ReportError

if TYPE_CHECKING:
    from metanet.diagnostics.bias.limit_meta_analysis import limit_meta_analysis as limit_meta_analysis
    from metanet.diagnostics.bias.pet_peese import pet_peese as pet_peese
    from metanet.diagnostics.bias.selection_model import selection_model as selection_model
    from metanet.diagnostics.bias.small_study_effects import small_study_effects as small_study_effects
    from metanet.diagnostics.bias.trim_and_fill import trim_and_fill as trim_and_fill
    from metanet.diagnostics.method.calibrate import Calibration as Calibration, calibrate as calibrate
    from metanet.diagnostics.method.multiverse import Multiverse as Multiverse, multiverse as multiverse
    from metanet.diagnostics.method.p_values import p_value_function as p_value_function, radial as radial
    from metanet.diagnostics.method.permutation import permutation_test as permutation_test
    from metanet.diagnostics.own_series.against import Against as Against, against as against
    from metanet.diagnostics.own_series.performance_goal import (
        PerformanceGoal as PerformanceGoal,
        performance_goal as performance_goal,
    )
    from metanet.diagnostics.spread.heterogeneity import heterogeneity_text as heterogeneity_text
    from metanet.diagnostics.spread.heterogeneity_report import heterogeneity_report as heterogeneity_report
    from metanet.diagnostics.spread.share_beyond import share_beyond as share_beyond
    from metanet.diagnostics.studies.bias_ladder import BiasLadder as BiasLadder, bias_ladder as bias_ladder
    from metanet.diagnostics.studies.count_bounds import CountBounds as CountBounds, count_bounds as count_bounds
    from metanet.diagnostics.studies.gosh import gosh as gosh
    from metanet.diagnostics.studies.influence import influence as influence
    from metanet.diagnostics.studies.outliers import outliers as outliers
    from metanet.diagnostics.studies.series import cumulative as cumulative, leave_one_out as leave_one_out
    from metanet.evidence import Evidence as Evidence, load_evidence as load_evidence, validate as validate
    from metanet.evidence.bias.imported import read_judgements as read_judgements
    from metanet.evidence.bias.result import RiskOfBias as RiskOfBias
    from metanet.evidence.grade import Grade as Grade
    from metanet.evidence.proof.audit import audit as audit
    from metanet.evidence.proof.audit_result import Audit as Audit
    from metanet.evidence.proof.counts import (
        Counts as Counts,
        counts as counts,
        denominators as denominators,
        two_groups as two_groups,
    )
    from metanet.evidence.search.flow import PrismaFlow as PrismaFlow, prisma_flow as prisma_flow
    from metanet.explorer.explore import Explorer as Explorer, explore as explore
    from metanet.figures.forest.forest import forest as forest
    from metanet.figures.forest.presets import FOREST_PRESETS as FOREST_PRESETS, ForestPreset as ForestPreset
    from metanet.figures.page.canvas import column_width as column_width
    from metanet.figures.page.options import figure_style as figure_style
    from metanet.figures.page.save import save_figure as save_figure
    from metanet.figures.plots.bias_bars import bias_bars as bias_bars
    from metanet.figures.plots.evidence_map import evidence_map as evidence_map
    from metanet.figures.plots.icon_array import icon_array as icon_array
    from metanet.figures.plots.outcome_forest import outcome_forest as outcome_forest
    from metanet.figures.plots.published_rates import published_rates as published_rates
    from metanet.figures.plots.timeline import timeline as timeline
    from metanet.figures.plots.traffic_light import traffic_light as traffic_light
    from metanet.models.bayes.bayes_pool import bayes_pool as bayes_pool
    from metanet.models.categories.pool_categories import pool_categories as pool_categories
    from metanet.models.categories.reporting import ReportingPattern as ReportingPattern, reporting_pattern as reporting_pattern
    from metanet.models.categories.result import PooledCategories as PooledCategories
    from metanet.models.comparison.benefit_risk import benefit_risk as benefit_risk
    from metanet.models.comparison.compare import compare as compare
    from metanet.models.comparison.ladder import Ladder as Ladder, contrast_ladder as contrast_ladder
    from metanet.models.comparison.response_categories import (
        ResponseCategories as ResponseCategories,
        response_categories as response_categories,
    )
    from metanet.models.comparison.result import Comparison as Comparison
    from metanet.models.comparison.within_studies import within_studies as within_studies
    from metanet.models.dependence.robust import cluster_robust as cluster_robust
    from metanet.models.dependence.three_level import three_level as three_level
    from metanet.models.effect_sizes import back_transform as back_transform, effect_sizes as effect_sizes
    from metanet.models.network.arrays import network_arrays as network_arrays
    from metanet.models.network.network import network as network
    from metanet.models.network.result import Network as Network
    from metanet.models.pooling.pool import pool as pool, pool_arrays as pool_arrays, pool_many as pool_many
    from metanet.models.regression.meta_regression import meta_regression as meta_regression
    from metanet.models.regression.result import Regression as Regression
    from metanet.models.results.pooled import Pooled as Pooled
    from metanet.reporting.cluster.simulations import calibrate_on_cluster as calibrate_on_cluster
    from metanet.reporting.diff.result import Diff as Diff, diff as diff
    from metanet.reporting.diff.verify import Verification as Verification, verify as verify
    from metanet.reporting.results_files import save_analysis as save_analysis, save_results as save_results
    from metanet.reporting.run.batch import report as report
    from metanet.reporting.run.makers import Limits as Limits
    from metanet.reviews.one_table import read as read
    from metanet.writing.audit_tables import audit_table as audit_table
    from metanet.writing.manuscript import Manuscript as Manuscript, manuscript as manuscript
    from metanet.writing.network_tables import network_table as network_table
    from metanet.writing.plain import (
        analysis_heading as analysis_heading,
        analysis_table as analysis_table,
        heading as heading,
        method_table as method_table,
        paragraph as paragraph,
    )
    from metanet.writing.prisma.checklist import prisma_checklist as prisma_checklist
    from metanet.writing.prisma.report_text import ReportText as ReportText, report_text as report_text
    from metanet.writing.references import save_references as save_references
    from metanet.writing.search_tables import excluded_table as excluded_table, searches_table as searches_table
    from metanet.writing.sensitivity import sensitivity_table as sensitivity_table
    from metanet.writing.study_tables import (
        characteristics_table as characteristics_table,
        left_out_table as left_out_table,
        published_table as published_table,
        source_table as source_table,
        study_table as study_table,
    )
    from metanet.writing.summary_of_findings import summary_of_findings as summary_of_findings
    from metanet.writing.summary_tables import model_table as model_table, summary_table as summary_table
    from metanet.writing.table.table import Table as Table

#: Module -> the public names that it defines.
_NAMES = {
    "metanet.evidence": "load_evidence validate Evidence",
    "metanet.reviews.one_table": "read",
    "metanet.evidence.bias.imported": "read_judgements",
    "metanet.evidence.bias.result": "RiskOfBias",
    "metanet.evidence.grade": "Grade",
    "metanet.evidence.proof.counts": "counts denominators two_groups Counts",
    "metanet.evidence.proof.audit": "audit",
    "metanet.evidence.proof.audit_result": "Audit",
    "metanet.evidence.search.flow": "PrismaFlow prisma_flow",
    "metanet.models.effect_sizes": "effect_sizes back_transform",
    "metanet.models.pooling.pool": "pool pool_many pool_arrays",
    "metanet.models.results.pooled": "Pooled",
    "metanet.models.bayes.bayes_pool": "bayes_pool",
    "metanet.diagnostics.studies.series": "leave_one_out cumulative",
    "metanet.models.comparison.result": "Comparison",
    "metanet.models.regression.result": "Regression",
    "metanet.models.comparison.compare": "compare",
    "metanet.models.regression.meta_regression": "meta_regression",
    "metanet.models.comparison.benefit_risk": "benefit_risk",
    "metanet.models.categories.pool_categories": "pool_categories",
    "metanet.models.categories.reporting": "reporting_pattern ReportingPattern",
    "metanet.models.categories.result": "PooledCategories",
    "metanet.models.comparison.response_categories": "response_categories ResponseCategories",
    "metanet.models.comparison.within_studies": "within_studies",
    "metanet.models.comparison.ladder": "contrast_ladder Ladder",
    "metanet.models.network.network": "network",
    "metanet.models.network.arrays": "network_arrays",
    "metanet.models.network.result": "Network",
    "metanet.models.dependence.robust": "cluster_robust",
    "metanet.models.dependence.three_level": "three_level",
    "metanet.diagnostics.studies.influence": "influence",
    "metanet.diagnostics.studies.bias_ladder": "bias_ladder BiasLadder",
    "metanet.diagnostics.studies.count_bounds": "count_bounds CountBounds",
    "metanet.diagnostics.studies.outliers": "outliers",
    "metanet.diagnostics.studies.gosh": "gosh",
    "metanet.diagnostics.method.permutation": "permutation_test",
    "metanet.diagnostics.method.p_values": "p_value_function radial",
    "metanet.diagnostics.bias.small_study_effects": "small_study_effects",
    "metanet.diagnostics.bias.trim_and_fill": "trim_and_fill",
    "metanet.diagnostics.bias.selection_model": "selection_model",
    "metanet.diagnostics.bias.pet_peese": "pet_peese",
    "metanet.diagnostics.bias.limit_meta_analysis": "limit_meta_analysis",
    "metanet.diagnostics.method.multiverse": "multiverse Multiverse",
    "metanet.diagnostics.method.calibrate": "calibrate Calibration",
    "metanet.diagnostics.own_series.against": "against Against",
    "metanet.diagnostics.own_series.performance_goal": "performance_goal PerformanceGoal",
    "metanet.diagnostics.spread.share_beyond": "share_beyond",
    "metanet.diagnostics.spread.heterogeneity_report": "heterogeneity_report",
    "metanet.diagnostics.spread.heterogeneity": "heterogeneity_text",
    "metanet.explorer.explore": "explore Explorer",
    "metanet.figures.forest.forest": "forest",
    "metanet.figures.page.canvas": "column_width",
    "metanet.figures.page.options": "figure_style",
    "metanet.figures.forest.presets": "ForestPreset FOREST_PRESETS",
    "metanet.figures.page.save": "save_figure",
    "metanet.figures.plots.traffic_light": "traffic_light",
    "metanet.figures.plots.bias_bars": "bias_bars",
    "metanet.figures.plots.evidence_map": "evidence_map",
    "metanet.figures.plots.icon_array": "icon_array",
    "metanet.figures.plots.outcome_forest": "outcome_forest",
    "metanet.figures.plots.published_rates": "published_rates",
    "metanet.figures.plots.timeline": "timeline",
    "metanet.writing.prisma.report_text": "report_text ReportText",
    "metanet.writing.prisma.checklist": "prisma_checklist",
    "metanet.writing.search_tables": "excluded_table searches_table",
    "metanet.writing.table.table": "Table",
    "metanet.writing.summary_tables": "summary_table model_table",
    "metanet.writing.study_tables": "characteristics_table study_table left_out_table published_table source_table",
    "metanet.writing.summary_of_findings": "summary_of_findings",
    "metanet.writing.sensitivity": "sensitivity_table",
    "metanet.writing.audit_tables": "audit_table",
    "metanet.writing.network_tables": "network_table",
    "metanet.writing.manuscript": "manuscript Manuscript",
    "metanet.writing.references": "save_references",
    "metanet.writing.plain": "heading paragraph method_table analysis_table analysis_heading",
    "metanet.reporting.results_files": "save_analysis save_results",
    "metanet.reporting.run.batch": "report",
    "metanet.reporting.run.makers": "Limits",
    "metanet.reporting.cluster.simulations": "calibrate_on_cluster",
    "metanet.reporting.diff.result": "diff Diff",
    "metanet.reporting.diff.verify": "verify Verification",
}
#: Public name -> the module that defines it.
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = ["ArgumentError", "DataError", "MetanetError", "MetanetWarning", "Problem", "ReportError", "__version__", *_HOMES]

# Results draw themselves without knowing the room of figures, and functions read tables without knowing that of reviews; this package
# knows every room.
drawing.provide(lambda: import_module("metanet.figures.registry").draw)
drawing.provide_picture(lambda: import_module("metanet.figures.forest.small").picture)
later.provide("read", lambda: import_module("metanet.reviews.one_table").read)
later.provide("updated", lambda: import_module("metanet.models.pooling.again").updated)
later.provide("network", lambda: import_module("metanet.models.network.fit").fitted)
later.provide("network_regression", lambda: import_module("metanet.models.network.moderators").network_regression)
later.provide("network_subgroups", lambda: import_module("metanet.models.network.moderators").network_subgroups)
later.provide("restricted", lambda: import_module("metanet.models.pooling.again").restricted)


def _settle_in_notebook() -> None:
    """In IPython: complete names of columns. Nothing is imported elsewhere."""
    ipython: Any = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if shell is not None:
        import_module("metanet.explorer.completing").install(shell)


_settle_in_notebook()


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        from metanet.base.errors import UnknownNameError
        from metanet.base.habits import function_hint

        hint = function_hint(name)
        raise UnknownNameError(f"module 'metanet' has no attribute {name!r}.{f' {hint}' if hint else ''}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
