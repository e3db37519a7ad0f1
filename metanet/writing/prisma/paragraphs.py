"""The methods and the further analyses of a report, by the items of PRISMA 2020."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metanet.base.display import in_sentence, level_text, plural, title_of
from metanet.base.untrusted import counted, listing, visible
from metanet.diagnostics.bias.small_study_effects import Check
from metanet.diagnostics.method.calibrate import Calibration
from metanet.diagnostics.method.multiverse import Multiverse
from metanet.diagnostics.method.permutation import PermutationTest
from metanet.diagnostics.spread.share_beyond import ShareBeyond
from metanet.diagnostics.studies.bias_ladder import BiasLadder
from metanet.diagnostics.studies.count_bounds import CountBounds
from metanet.diagnostics.studies.gosh import Gosh
from metanet.diagnostics.studies.influence import Influence
from metanet.diagnostics.studies.outliers import Outliers
from metanet.diagnostics.studies.series import Cumulative, LeaveOneOut
from metanet.evidence.bias.filter import COLUMN, POINTS
from metanet.evidence.bias.tools import OVERALL, Tool, tool_named, tools
from metanet.evidence.rates import ALL_STUDIES
from metanet.evidence.search.flow import PrismaFlow
from metanet.evidence.selection import selection_of
from metanet.models.bayes.result import BayesPooled
from metanet.models.comparison.result import Comparison
from metanet.models.comparison.within_result import WithinStudies
from metanet.models.dependence.robust_result import ClusterRobust
from metanet.models.dependence.three_level_result import ThreeLevel
from metanet.models.options import PRESET_TITLE
from metanet.models.registry import MODELS, model_row, prior_of
from metanet.models.regression.result import Regression
from metanet.models.results.method import versions
from metanet.models.results.pooled import Pooled

if TYPE_CHECKING:
    import pandas as pd


_OVERLAP = {
    "keep_largest": "of the reports on overlapping cohorts the largest was kept",
    "keep_newest": "of the reports on overlapping cohorts the newest was kept",
    "keep_all": "all reports on overlapping cohorts were kept, and patients may be counted twice",
}


def selection(fit: Pooled, rates: pd.DataFrame | None) -> str:
    """13a: which rows could enter this synthesis, as far as the frame records it."""
    record = selection_of(rates)
    if record is None or rates is None:
        return ""
    about, chosen, left = rates.attrs, record.chosen, record.left_out
    modalities = chosen.get("modality")
    reasons = [str(entry["reason"]) for entry in left]
    what = visible(about.get("label") or "the outcome")
    text = f"Eligible for the synthesis of {what[0].lower()}{what[1:]}"
    text += f" (definition: {visible(in_sentence(about['definition_title']))})" if about.get("definition_title") else ""
    if modalities and tuple(modalities) != (ALL_STUDIES,):
        text += f" were arms treated with {listing(modalities)}"
    else:
        undivided = "modality_class" in rates.columns and set(rates["modality_class"].astype(str)) <= {ALL_STUDIES}
        text += " were all studies of the table" if undivided else " were arms of every modality"
    # A rule that met no row is not told as if rows had been left out by it.
    rules = []
    if any(reason.startswith("not poolable") for reason in reasons):
        rules.append("rows marked as not suitable for pooling were excluded")
    if chosen.get("certainty"):
        rules.append(f"a certainty of at least {chosen['certainty']} was required")
    if chosen.get("risk_of_bias"):
        tool = tool_named(chosen["tool"])
        silent = "kept" if chosen.get("not_assessed") == "keep" else "excluded"
        level = tool.level(chosen["risk_of_bias"], OVERALL).title.lower()
        rules.append(f"the risk of bias was at most {level} by {tool.title} (rows without a judgement were {silent})")
    shared = any(reason.startswith("shares patients") for reason in reasons)
    twice = any(str(note).startswith("Patients may be counted twice") for note in record.notes)
    rule = _OVERLAP[chosen["overlap"]]
    if chosen.get("within") and chosen["overlap"] != "keep_all":
        rule += " in each group of modality"
    if shared or twice:
        rules.append(rule)
    elif "overlap_group" in rates.columns:
        # A table without such a column says nothing of overlapping cohorts, and so do we.
        rules.append("no two of the eligible reports are marked as overlapping")
    text += f"; {', and '.join(rules)}." if rules else "."
    # The reason's first words are the rule; what follows is about the one row.
    why = Counter(reason.split(":")[0] for reason in reasons)
    shown = "; ".join(f"{visible(reason)}, {number}" for reason, number in why.most_common())
    gone = len(record.removed)
    if left:
        text += f" {counted(len(left), 'row was', 'rows were')} excluded ({shown})."
    elif not gone:
        text += " No row was excluded."
    if gone:
        verb = "was" if gone == 1 else "were"
        whole = counted(record.rows, "row")
        causes = Counter(reason or "for a reason not recorded" for reason in record.removed.values())
        told = [visible(cause) if len(causes) == 1 else f"{visible(cause)}, {many}" for cause, many in causes.most_common()]
        text += f" Of the {whole} of this selection {gone} {verb} left out afterwards ({'; '.join(told)})."
    return text


def _bias_tool(rates: pd.DataFrame | None) -> Tool | None:
    """The tool of the judgements that came with the rows, where they record a selection."""
    if rates is None or selection_of(rates) is None or COLUMN not in rates.columns:
        return None
    return tools().get(str(rates.attrs.get("bias_tool")))


def bias_methods(rates: pd.DataFrame | None) -> str:
    """11: the tool that the risk of bias was judged with."""
    tool = _bias_tool(rates)
    if tool is None:
        return ""
    about = "; ".join(part for part in (tool.version, f"doi:{tool.doi}" if tool.doi else tool.url) if part)
    return f"The risk of bias was judged with {tool.title}{f' ({about})' if about else ''}."


def bias_results(rates: pd.DataFrame | None) -> str:
    """20a: the overall judgements of the rows, or that there are none."""
    tool = _bias_tool(rates)
    if rates is None or selection_of(rates) is None:
        return ""
    if tool is None:
        return "The risk of bias of the studies was not assessed." if rates.attrs.get("bias_assessed") is False else ""
    counts = Counter(str(word) for word in rates[COLUMN])
    shown = [f"{level.title.lower()}, {counts[level.key]}" for level in tool.categories if counts[level.key]]
    points: list[float] = rates[POINTS].dropna().tolist() if POINTS in rates.columns else []
    if points:
        least, most = int(min(points)), int(max(points))
        shown.append(f"{least} to {most} points" if least != most else f"{least} points")
    silent = len(rates) - sum(counts[level.key] for level in tool.categories)
    if silent and not points:
        shown.append(f"no judgement, {silent}")
    return f"Risk of bias by {tool.title}, in {plural(len(rates), 'row')}: {'; '.join(shown)}."


def preparation(fit: Pooled, rates: pd.DataFrame | None) -> str:
    """13b: counts that were derived, units, corrections, transformations."""
    parts = []
    if rates is not None:
        derived = int(rates["derived"].fillna(False).astype(bool).sum()) if "derived" in rates.columns else 0
        if derived:
            parts.append(f"The counts of {derived} of {plural(len(rates), 'row')} were derived from printed percentages or sums.")
        units = Counter(str(unit) for unit in rates["unit"]) if "unit" in rates.columns else Counter()
        if len(units) > 1 or (units and "patients" not in units):
            shown = listing(f"{visible(unit)} ({number})" for unit, number in units.most_common())
            parts.append(f"Units of analysis were {shown}.")
    if fit.events is None:
        parts.append("Effects and their variances were taken as given.")
    elif _exact(fit):
        parts.append("Counts were analysed without transformation or continuity correction.")
    else:
        corrected = int(fit.method["studies_corrected"] or 0)
        parts.append(f"Studies were analysed on the scale: {fit.method['scale']}.")
        how = fit.method["continuity_correction"]
        if corrected:
            parts.append(f"Continuity correction: {how}, in {plural(corrected, 'study', 'studies')}.")
        elif how == "none":
            parts.append("No continuity correction was used.")
        else:
            parts.append(f"No study needed the continuity correction ({how}).")
    dropped = int(fit.method["studies_dropped"] or 0)
    if dropped:
        verb = "was" if dropped == 1 else "were"
        parts.append(f"{plural(dropped, 'study', 'studies')} without an estimable effect {verb} excluded.")
    return " ".join(parts)


def _exact(fit: Pooled) -> bool:
    return MODELS[fit.model].family == "exact"


def display_of(fit: Pooled) -> str:
    """13c: how results were shown."""
    kind = fit.method["study_interval"]
    named = "exact (Clopper-Pearson)" if kind == "Clopper-Pearson" else visible(kind)
    text = f"Each study is shown with its {named} {level_text(fit.level)} interval in a forest plot"
    if fit.status == "pooled":
        text += ", the pooled estimate as a diamond"
        text += " and the prediction interval as a bar" if fit.pi_lower is not None else ""
    return f"{text}."


def synthesis(fit: Pooled) -> str:
    """13d: the model, why, its intervals, how heterogeneity was measured, the software."""
    method = fit.method
    level = level_text(fit.level)
    if fit.status == "not pooled":
        text = "One study contributed, so nothing was pooled."
    elif fit.status in ("no events", "only events"):
        every = "No patient in any study" if fit.status == "no events" else "All patients in all studies"
        kind = "Garwood" if fit.response == "rate per person-time" else "Clopper-Pearson"
        text = (
            f"{every} had the outcome, so no model was fitted: the {level} interval is the exact ({kind}) interval "
            "on the summed counts, which assumes one common rate."
        )
    else:
        model = model_phrase(fit)
        text = f"Studies were pooled with the {in_sentence(model)}. {MODELS[fit.model].remark}"
        text = text if fit.status == "pooled" else f"{text} It has no finite estimate for these data."
        if fit.status == "pooled":
            text += f" {_intervals(fit)}"
    if method["preset"]:
        text += f" The defaults of {PRESET_TITLE.get(method['preset'], method['preset'])} were used."
    used = versions()
    return f"{text} Calculations were made with metanet {used['version']} (NumPy {used['numpy']}, SciPy {used['scipy']})."


def model_phrase(fit: Pooled) -> str:
    """The model as the method names it, with its link and without the priors, which have a sentence of their own."""
    method = fit.method
    row = model_row(method["model"], method["link"])
    if fit.model == "bayes":
        return row.phrase.replace("; {prior}", "").format(link=method["link"])
    parts = method.sentence().split(";")
    return str(parts[0].removeprefix("No estimate from the ").split(". metanet")[0])


def _posterior(fit: Pooled) -> str:
    """What a report of a posterior says: priors, estimates, intervals, and which quantities it has no counterpart of."""
    level, method = level_text(fit.level), fit.method
    prior = prior_of(method["link"])
    parts = [
        f"The prior of the heterogeneity (tau, on {prior.scale_text}) was half-normal with scale {prior.scale:g}; that of the mean "
        f"was normal with mean {prior.mean_text or f'{prior.mean:g}'} and standard deviation {prior.sd:g}.",
        f"Estimates are posterior medians; intervals are {level} credible intervals (CrI) with equal tails, calculated by numerical "
        "integration without simulation.",
    ]
    if fit.response == "rate":
        parts.append("Both the median rate and the population-averaged rate are given.")
    if fit.i2 is not None:
        parts.append(f"Heterogeneity was measured by tau and by I² ({method['i2_definition']}).")
    else:
        parts.append("Heterogeneity was measured by tau.")
    if fit.lrt is not None:
        equal = "rates" if fit.response.startswith("rate") else "effects"
        parts.append(
            f"Equal {equal} were tested by a likelihood-ratio test, which does not use the priors; a Bayesian analysis gives no "
            "p-value of the mean and no maximised likelihood."
        )
    else:
        parts.append("A Bayesian analysis gives no p-value of the mean and no maximised likelihood.")
    if fit.pi_lower is not None:
        parts.append("The prediction interval is that of the posterior predictive distribution of a new study.")
    return " ".join(parts)


def _intervals(fit: Pooled) -> str:
    if fit.model == "bayes":
        return _posterior(fit)
    method, level = fit.method, level_text(fit.level)
    parts = [f"The {level} confidence interval was calculated with the {method['ci_text']}."]
    if method["tau2"] is None:
        parts.append("The model has no between-study variance.")
    else:
        how = f" (estimated by {method['tau2']})" if fit.model == "inverse_variance" else ""
        parts.append(
            f"Heterogeneity was measured by tau{how}, with a {level} interval by {_lower(method['tau2_interval'])}, and by I² "
            f"({method['i2_definition']})."
        )
    test = "a likelihood-ratio test" if fit.lrt is not None else "Cochran's Q" if fit.q is not None else ""
    if test:
        equal = "rates" if fit.response.startswith("rate") and fit.lrt is not None else "effects"
        parts.append(f"Equal {equal} were tested by {test}.")
    if fit.pi_lower is not None:
        parts.append(f"The prediction interval was calculated with the {method['prediction_text']}.")
    return " ".join(parts)


def _lower(name: object) -> str:
    text = str(name)
    return text if text in ("Q-profile", "Jackson") else f"{text[0].lower()}{text[1:]}"


#: Items of a kind of analysis: methods and results.
CAUSES = ("13e", "20c")
ROBUST = ("13f", "20d")
REPORTING = ("14", "21")
SEARCHED = ("6", "16a")


@dataclass(frozen=True)
class Kind:
    """A kind of analysis: the class of its result, its items, and what was done."""

    result: type
    items: tuple[str, str]
    done: Callable[[Any], str]


def _method(result: Any) -> str:
    text = result.method.sentence().split(" metanet ")[0]
    return in_sentence(text).rstrip(". ")


def _compared(result: Comparison) -> str:
    tau2 = "a common tau²" if result.heterogeneity == "common" else "a separate tau² for each group"
    by = visible(result.method["by"])
    if result.method["model"] == "bayes":
        if result.posterior_pvalue is None:
            return f"Groups by {by} were set side by side without a test."
        pairs = "; pairwise p-values were adjusted by Holm's method" if result.adjusted else ""
        many = "the differences" if len(result.groups) > 2 else "the difference"
        return (
            f"Groups by {by} were compared by the posterior with {tau2}; the p-value is the level at which the credible region of "
            f"{many} touches equal means{pairs}."
        )
    if result.lrt_pvalue is None:
        exact = "compared by Fisher's exact test on the summed counts"
        return f"Groups by {by} were {'set side by side without a test' if result.exact_pvalue is None else exact}."
    pairs = "; pairwise p-values were adjusted by Holm's method" if result.adjusted else ""
    return f"Groups by {by} were compared by a likelihood-ratio test of equal means with {tau2}{pairs}."


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
    return f"A permutation test of the mean used {which} sign changes."


def _another(result: Pooled) -> str:
    """A sensitivity analysis: another model of the same studies, or the exact interval that it comes to at an edge."""
    if result.status == "pooled":
        return f"As a sensitivity analysis the same studies were pooled by another model: {_method(result)}."
    if result.status in ("no events", "only events"):
        text = _method(result)
        return f"As a sensitivity analysis the studies were taken as alike ({in_sentence(result.title)} at its edge): {text}."
    return ""


KINDS = (
    Kind(Comparison, CAUSES, _compared),
    Kind(WithinStudies, CAUSES, lambda r: "Groups with arms in the same study were compared within the study."),
    Kind(
        Regression,
        CAUSES,
        lambda r: f"Moderators were examined by meta-regression on the studies ({visible(r.title_of(r.formula))}): {_method(r)}.",
    ),
    Kind(Pooled, ROBUST, _another),
    Kind(BayesPooled, ROBUST, lambda r: f"The same studies were pooled by a Bayesian model: {_method(r)}."),
    # Its one sentence says what was done as well.
    Kind(CountBounds, ROBUST, lambda r: ""),
    Kind(
        BiasLadder,
        ROBUST,
        lambda r: "" if r.reason else f"Studies at a high risk of bias ({r.tool.title}) were left out, one level after another.",
    ),
    Kind(LeaveOneOut, ROBUST, lambda r: "" if r.reason else "A leave-one-out analysis was done."),
    Kind(
        Cumulative,
        ROBUST,
        lambda r: f"Studies were added one after another (order: {visible(in_sentence(title_of(r.order, r.fit.studies)))}).",
    ),
    Kind(
        Influence,
        ROBUST,
        lambda r: "The influence of each study was measured by fits without it (residual, DFFITS, Cook's distance, leverage).",
    ),
    Kind(Outliers, ROBUST, lambda r: f"Outliers were identified by tests of each study against the others (adjusted by {r.adjust})."),
    Kind(Gosh, ROBUST, _gosh),
    Kind(PermutationTest, ROBUST, _permuted),
    Kind(Multiverse, ROBUST, _multiverse),
    Kind(Calibration, ROBUST, _calibrated),
    Kind(ClusterRobust, ROBUST, lambda r: "Cluster-robust standard errors allowed for correlation between arms of one study."),
    Kind(ThreeLevel, ROBUST, lambda r: "A three-level model allowed for correlation between arms of one study."),
    Kind(
        ShareBeyond, ("13d", "20b"), lambda r: "The share of true rates beyond a threshold was estimated from the fitted distribution."
    ),
    Kind(PrismaFlow, SEARCHED, lambda r: r.methods()),
    Kind(Check, REPORTING, lambda r: f"Small-study effects were examined: {visible(r.heading)}."),
)


def kind_of(result: object) -> Kind | None:
    """The kind of an analysis; None where it is none that belongs in a report."""
    return next((kind for kind in KINDS if isinstance(result, kind.result)), None)
