"""Further analyses in a report: under which PRISMA items each stands, and what was done in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from metanet.diagnostics.calibrate import Calibration
from metanet.diagnostics.cumulative import Cumulative
from metanet.diagnostics.gosh import Gosh
from metanet.diagnostics.influence import Influence
from metanet.diagnostics.leave_one_out import LeaveOneOut
from metanet.diagnostics.multiverse import Multiverse
from metanet.diagnostics.outliers import Outliers
from metanet.diagnostics.permutation import PermutationTest
from metanet.diagnostics.share_beyond import ShareBeyond
from metanet.diagnostics.small_study_views import Check
from metanet.models.bayes_result import BayesPooled
from metanet.models.comparison import Comparison
from metanet.models.regression_result import Regression
from metanet.models.results import Pooled
from metanet.models.robust_result import ClusterRobust
from metanet.models.three_level_result import ThreeLevel
from metanet.models.within_result import WithinStudies
from metanet.words import visible

#: Items of a kind of analysis: methods and results.
CAUSES = ("13e", "20c")
ROBUST = ("13f", "20d")
REPORTING = ("14", "21")


@dataclass(frozen=True)
class Kind:
    """A kind of analysis: the class of its result, its items, and what was done."""

    result: type
    items: tuple[str, str]
    done: Callable[[Any], str]


def _method(result: Any) -> str:
    text = result.method.sentence().split(" metanet ")[0]
    return f"{text[0].lower()}{text[1:]}".rstrip(". ")


def _compared(result: Comparison) -> str:
    spread = "one spread for all groups" if result.spread == "common" else "a spread of each group"
    return (
        f"Groups by {visible(result.by)} were compared by the likelihood ratio of one mean against a mean for each group, with "
        f"{spread}; pairs were adjusted by Holm's method."
    )


def _gosh(result: Gosh) -> str:
    which = "all" if result.complete else f"{result.estimate.size:,} random"
    return f"The model was fitted to {which} subsets of two or more studies (GOSH)."


def _calibrated(result: Calibration) -> str:
    return (
        f"The coverage of the interval was checked in {result.simulations:,} reviews simulated from the fitted model (seed "
        f"{result.seed})."
    )


def _multiverse(result: Multiverse) -> str:
    return f"All {len(result.to_frame()):,} combinations of defensible choices of data and of method were analysed (multiverse)."


def _permuted(result: PermutationTest) -> str:
    which = "all" if result.exact else f"{result.permutations:,} random"
    return f"The test of the mean was repeated by {which} sign changes."


KINDS = (
    Kind(Comparison, CAUSES, _compared),
    Kind(
        WithinStudies,
        CAUSES,
        lambda r: "Arms of the same study that belong to different groups were compared within the study.",
    ),
    Kind(
        Regression,
        CAUSES,
        lambda r: f"Moderators were examined by meta-regression on the studies ({visible(r.formula)}): {_method(r)}.",
    ),
    Kind(
        Pooled,
        ROBUST,
        lambda r: f"The same studies were pooled by another model: {_method(r)}." if r.status == "pooled" else "",
    ),
    Kind(BayesPooled, ROBUST, lambda r: f"The same studies were pooled by a Bayesian model: {_method(r)}."),
    Kind(LeaveOneOut, ROBUST, lambda r: "Each study was left out in turn."),
    Kind(Cumulative, ROBUST, lambda r: f"Studies were added one after another (order: {visible(r.order)})."),
    Kind(
        Influence,
        ROBUST,
        lambda r: (
            "The influence of each study was measured by fits without it (residual, DFFITS, Cook's distance, leverage)."
        ),
    ),
    Kind(
        Outliers, ROBUST, lambda r: f"Studies that the others do not predict were looked for (adjusted by {r.adjust})."
    ),
    Kind(Gosh, ROBUST, _gosh),
    Kind(PermutationTest, ROBUST, _permuted),
    Kind(Multiverse, ROBUST, _multiverse),
    Kind(Calibration, ROBUST, _calibrated),
    Kind(
        ClusterRobust, ROBUST, lambda r: "That arms of one study may be alike was allowed for by cluster-robust errors."
    ),
    Kind(ThreeLevel, ROBUST, lambda r: "That arms of one study may be alike was allowed for by a three-level model."),
    Kind(
        ShareBeyond,
        ("13d", "20b"),
        lambda r: "The share of settings beyond a threshold follows from the fitted distribution.",
    ),
    Kind(Check, REPORTING, lambda r: f"Small-study effects were examined: {visible(r.heading)}."),
)


def kind_of(result: object) -> Kind | None:
    """The kind of an analysis; None where it is none that belongs in a report."""
    return next((kind for kind in KINDS if isinstance(result, kind.result)), None)
