"""The texts of a figure: summary rows, heterogeneity, reasons, alternative text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from metanet.base.display import TOO_WIDE, count, degrees, in_sentence, level_text, number, p_value, per_cent, plural, sentence_case
from metanet.base.untrusted import listing
from metanet.figures.page.scale import Scale, effect_scale, is_rate, rows_of, value_column
from metanet.figures.page.subject import Subject, alternative, subject_of_fit
from metanet.figures.page.text import harmless
from metanet.models.comparison.result import OBSERVATIONAL

if TYPE_CHECKING:
    from metanet.models.comparison.result import Comparison
    from metanet.models.results.pooled import Pooled


_EFFECT = {"rate per person-time": "rate"}


def model_name(fit: Pooled) -> str:
    """The name of the model."""
    return in_sentence(fit.title)


def summary_label(fit: Pooled, *, second: bool = False) -> str:
    """The label of the summary row, which names the estimand."""
    if fit.status in ("no events", "only events"):
        name = "Exact rate of the summed counts"
    elif fit.status == "not pooled":
        return "One study: not pooled"
    elif fit.status == "pooled":
        name = f"Pooled rate ({fit.average})" if is_rate(fit) else f"Pooled {_EFFECT.get(fit.response, fit.response)}"
        if credible(fit):
            # The intervals of the studies above are exact ones.
            name = f"{sentence_case(fit.average)} rate{credible(fit)}" if is_rate(fit) else f"{name}{credible(fit)}"
    else:
        name = "No pooled rate: not estimable" if is_rate(fit) else "No pooled effect: not estimable"
    if not second:
        return name
    model = model_name(fit)
    if fit.status != "pooled":
        return f"{name} ({model})"
    # A mean on an axis of medians is labelled.
    return f"{model[0].upper()}{model[1:]}" + (" (mean)" if is_rate(fit) and fit.average == "mean" else "")


def credible(fit: Pooled) -> str:
    """What a label says of a credible interval; empty for a confidence interval, which the heading names."""
    return f" ({level_text(fit.level)} CrI)" if fit.interval_name == "CrI" else ""


def heterogeneity(fit: Pooled, kind: str = "sentence") -> str:
    """One line on the heterogeneity; empty without measures. `kind` as in `ForestPreset`."""
    if kind == "sentence":
        parts = _said(fit)
        return f"Heterogeneity: {', '.join(parts)}" if parts else ""
    parts = _listed(fit, kind)
    return f"Heterogeneity: {'; '.join(parts)}" if parts else ""


def _said(fit: Pooled) -> list[str]:
    parts: list[str] = []
    if fit.tau2 is not None:
        parts.append(f"τ = {number(fit.tau)}{_limits(_root(fit.tau2_lower), _root(fit.tau2_upper))}")
    if fit.i2 is not None:
        bounds = ""
        if fit.i2_lower is not None and fit.i2_upper is not None:
            bounds = f" ({per_cent(fit.i2_lower)} to {per_cent(fit.i2_upper)})"
        parts.append(f"I² = {per_cent(fit.i2)} %{bounds}")
    if fit.lrt is not None:
        parts.append(f"likelihood-ratio test {_test(fit.lrt, fit.q_df, fit.lrt_pvalue)}")
    elif fit.q is not None:
        parts.append(f"Q = {_test(fit.q, fit.q_df, fit.q_pvalue)}")
    return parts


def _listed(fit: Pooled, kind: str) -> list[str]:
    """As in a Cochrane review or a journal; a likelihood-ratio test is named."""
    tau2, chi2 = ("τ²", "χ²") if kind == "symbols" else ("Tau²", "Chi²")
    parts = [] if fit.tau2 is None else [f"{tau2} = {number(fit.tau2)}"]
    if kind == "interval" and parts and fit.tau2_lower is not None and fit.tau2_upper is not None:
        how = "" if fit.method["tau2"] is None else f"{fit.method['tau2']}, "
        limits = f"[{number(fit.tau2_lower)} , {number(fit.tau2_upper)}]"
        parts = [f"Tau² ({how}{level_text(fit.level)} {fit.interval_name}) = {number(fit.tau2)} {limits}"]
    test, p, name = (fit.lrt, fit.lrt_pvalue, f"{chi2} (likelihood ratio)") if fit.lrt is not None else (fit.q, fit.q_pvalue, chi2)
    if test is not None:
        parts.append(f"{name} = {number(test)}, df = {count(fit.q_df)} ({_p(p, kind)})")
    if fit.i2 is not None:
        parts.append(f"I² = {per_cent(fit.i2, 0)} %")
    return parts


def _p(value: float | None, kind: str) -> str:
    """A p-value; RevMan's go down to 0.00001, with one significant digit below 0.01."""
    if kind == "symbols" or value is None or math.isnan(value):
        return p_value(value)
    if value < 1e-5:
        return "p < 0.00001"
    return p_value(value) if value >= 0.01 else f"p = {value:.{-math.floor(math.log10(value))}f}"


def overall_test(fit: Pooled) -> str:
    """The test of no effect, as in RevMan; empty where there is none."""
    from metanet.diagnostics.method.p_values import no_effect_test

    test = no_effect_test(fit)
    if test is None:
        return ""
    freedom = f", df = {degrees(test.df[0])}" if test.df else ""
    letter = "Z" if test.name == "Z" else "T"
    return f"Test for overall effect: {letter} = {number(abs(test.statistic or 0.0))}{freedom} ({_p(test.pvalue, 'list')})"


#: Models by the short names of RevMan.
_SHORT = {"inverse_variance": "IV", "mantel_haenszel": "M-H", "peto": "Peto"}


def method_head(fit: Pooled) -> str:
    """The method of an effect in the heading of its column: "IV, Random"; empty for models that RevMan has not."""
    short = _SHORT.get(fit.model)
    return "" if short is None else f"{short}, {'Fixed' if fit.method['tau2'] is None else 'Random'}"


def _root(value: float | None) -> float | None:
    return None if value is None else math.sqrt(value)


def _limits(lower: float | None, upper: float | None) -> str:
    return "" if lower is None or upper is None else f" ({number(lower)} to {number(upper)})"


def _test(value: float, df: int | None, p: float | None) -> str:
    freedom = "" if df is None else f" on {degrees(df)} df"
    return f"{number(value)}{freedom}, {p_value(p)}"


def reasons(fit: Pooled) -> tuple[str, ...]:
    """Why a result is not an ordinary pooled one, from its own notes."""
    if fit.status in ("pooled", "not pooled"):
        return tuple(harmless(remark) for remark in fit.remarks)
    return tuple(harmless(note) for note in fit.notes[:1])


def legend(fit: Pooled, *, prediction: bool, folded: bool = False) -> str:
    """What the marks mean, and the method: the small print under a figure."""
    kind = fit.method.get("study_interval")
    parts = [f"lines: {level_text(fit.level)} intervals" + (f" ({harmless(kind)})" if kind else "")]
    weighted = fit.weights.size > 0 and not any(math.isnan(w) for w in fit.weights)
    if folded:
        parts.insert(0, "dots: studies")
    elif weighted and fit.k > 1:
        parts.insert(0, "squares: area by weight")
    if fit.estimate is not None and fit.status != "not pooled":
        what = f"{fit.average} rate" if is_rate(fit) and fit.status == "pooled" else "estimate"
        parts.append(f"diamond: {what} and its interval")
    if prediction:
        parts.append("thick bar: prediction interval")
    if fit.rates_shown[1][0] is not None and fit.average == "median":
        parts.append("average rate: of the patients of all such studies together")
    text = "; ".join(parts)
    return " ".join(each for each in (f"{sentence_case(text)}.", vague_note(fit), harmless(fit.method.sentence(), 2000)) if each)


def doubts(comparison: Comparison) -> tuple[str, ...]:
    """The kinds of group estimates that are not pooled."""
    kinds = (
        ("not pooled", "One study, not pooled"),
        ("no events", "No events: exact rate of the summed counts"),
        ("only events", "Only events: exact rate of the summed counts"),
        ("not estimable", "No pooled value can be estimated"),
    )
    groups = [(harmless(name), fit.status) for name, fit in comparison.groups.items()]
    found = ((word, [name for name, its in groups if its == status]) for status, word in kinds)
    out = [f"{word}: {listing(names, 12)}." for word, names in found if names]
    return tuple(out) + tuple(harmless(remark, 2000) for remark in comparison.remarks)


def vague_note(*fits: Pooled) -> str:
    """What grey means; empty where no interval is that wide."""
    wide = next((fit for fit in fits if fit.is_vague), None)
    return "" if wide is None else f"Grey: the interval {wide.scale.vague_rule()}, {TOO_WIDE}."


def groups_legend(
    comparison: Comparison, overall: Pooled | None = None, *, studies: bool = True, shared: bool = False, prediction: bool
) -> str:
    """What the marks of a comparison mean, what kind of comparison it is, and its method."""
    level = level_text(comparison.level)
    fits = [*comparison.groups.values(), *([] if overall is None else [overall])]
    among = "among all studies" if shared else "within the group"
    parts = [f"squares: studies, area by weight {among}"] if studies else []
    pooled = [fit for fit in comparison.groups.values() if fit.estimate is not None and fit.status != "not pooled"]
    all_too = overall is not None and overall.estimate is not None and overall.status != "not pooled"
    of = [word for word, there in (("of the groups", bool(pooled)), ("of all studies", all_too)) if there]
    if of:
        parts.append(f"diamonds: estimates {' and '.join(of)} and their {level} intervals")
    if not studies and any(fit.status == "not pooled" for fit in comparison.groups.values()):
        parts.append(f"dots: single studies and their {level} intervals")
    if prediction and any(fit.pi_lower is not None for fit in fits):
        parts.append(f"{'thick' if studies else 'thin'} bars: {level} prediction intervals")
    text = "; ".join(parts) or "no marks: no estimate exists"
    label = OBSERVATIONAL if comparison.response.startswith("rate") or OBSERVATIONAL in comparison.notes else ""
    method = harmless(comparison.method.sentence(), 2000)
    out = " ".join(part for part in (f"{text[0].upper()}{text[1:]}.", vague_note(*fits), label, method) if part)
    return out if overall is None else f"{out} All studies: {harmless(overall.method.sentence(), 2000)}"


def subject_of_comparison(comparison: Comparison) -> Subject:
    """What the groups have in common; what they are grouped by is told by their names."""
    return subject_of_fit(*comparison.groups.values(), by=comparison.by)


def groups_alternative(kind: str, subject: Subject, comparison: Comparison) -> str:
    """The alternative text of a comparison: the groups with their estimates, as many as there is room for."""
    told = [
        f"{harmless(name, 40)} {fit.scale.estimate(fit.estimate, fit.ci_lower, fit.ci_upper, fit.level, fit.interval_name)}"
        for name, fit in comparison.groups.items()
    ]
    return alternative(kind, subject, len(comparison.groups), *told, of=("group", "groups"))


def groups_alt_text(comparison: Comparison) -> str:
    """The alternative text of a comparison."""
    return f"Forest plot of {plural(len(comparison.groups), 'group')}. {comparison.sentence()}"


def no_prediction(fit: Pooled) -> str | None:
    """The label of a row for a prediction interval that does not exist; None where none is expected."""
    if fit.status != "pooled" or not fit.method.get("prediction"):
        return None
    return "Prediction interval: needs 3 studies" if fit.k < 3 else "Prediction interval: not estimable"


def alt_text(fit: Pooled) -> str:
    """The alternative text of a forest plot.

    Parameters
    ----------
    fit
        A pooled result.

    Returns
    -------
    str
        The range of the studies, the result and the heterogeneity.
    """
    scale = effect_scale(fit.response, fit.measure, "cent", rows_of(fit))
    kind = "rates" if scale.is_rate else "effects"
    parts = [f"Forest plot of the {kind} of {plural(fit.k, 'study', 'studies')}."]
    frame = fit.studies
    values = frame[value_column(frame.columns)]
    if fit.k > 1 and values.notna().any():
        low, high = (int(i) for i in (values.argmin(), values.argmax()))
        parts.append(
            f"The study estimates range from {_named(scale, values.iloc[low], frame['study'].iloc[low])} "
            f"to {_named(scale, values.iloc[high], frame['study'].iloc[high])}."
        )
    parts.append(fit.sentence())
    line = heterogeneity(fit)
    if line:
        parts.append(f"{line}.")
    return " ".join(parts)


def _named(scale: Scale, value: float, study: object) -> str:
    return f"{scale.shown(float(value))} ({harmless(study, 120)})"
