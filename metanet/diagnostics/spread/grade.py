"""A worksheet for GRADE: facts on the five domains filled in, the judgement left to people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from metanet.base.arguments import rate
from metanet.base.display import POINTS, RATE, TOO_WIDE, in_sentence, level_text, number, p_value, per_cent, plural, title_of
from metanet.base.untrusted import listing
from metanet.diagnostics.bias.small_study_effects import small_study_effects
from metanet.diagnostics.studies.bias_ladder import bias_ladder
from metanet.models.comparison.result import Comparison
from metanet.models.regression.result import Regression
from metanet.models.results.pooled import Pooled
from metanet.models.results.units import counted_units, units_of

if TYPE_CHECKING:
    import pandas as pd


#: The entry of a judgement that is left to the reviewers.
OPEN = "to be judged by the reviewers"
#: Tests of small-study effects have little power on fewer studies, so none is printed.
LEAST_FOR_ASYMMETRY = 10
_UNSPECIFIED = "unspecified"
_BIAS = "How much of the weight is at which risk of bias?"


def grade_facts(
    fit: Pooled,
    *,
    decision: float | None = None,
    subgroups: Comparison | None = None,
    moderators: Mapping[str, Regression] | None = None,
) -> pd.DataFrame:
    """Facts by domain: ``domain``, ``question``, ``fact``, ``judgement``.

    Parameters
    ----------
    fit
        A pooled rate.
    decision
        A decision threshold: a rate, as a fraction.
    subgroups, moderators
        Analyses of possible causes of the heterogeneity.
    """
    import pandas as pd

    if decision is not None:
        decision = rate("decision", decision)
    rows = [("risk of bias", *row, OPEN) for row in _risk_of_bias(fit)]
    rows += [("inconsistency", *row, OPEN) for row in _inconsistency(fit, subgroups, moderators or {})]
    rows += [("imprecision", *row, OPEN) for row in _imprecision(fit, decision)]
    rows += [("indirectness", *row, OPEN) for row in _indirectness(fit.studies)]
    rows += [("publication bias", *row, OPEN) for row in _publication_bias(fit)]
    return pd.DataFrame(rows, columns=["domain", "question", "fact", "judgement"])


def _risk_of_bias(fit: Pooled) -> list[tuple[str, str]]:
    """How much of the weight has which overall judgement; nothing where the table cannot have judgements."""
    studies = fit.studies
    if "bias_overall" not in studies.columns:
        return [] if studies.attrs.get("bias_assessed") is not False else [(_BIAS, "the risk of bias was not assessed")]
    levels = studies["bias_overall"].fillna("").astype(str).str.strip().replace("", "not assessed")
    known = fit.weights.size == len(studies) and np.isfinite(fit.weights).all()
    weights = fit.weights if known else np.full(len(studies), 1 / len(studies))
    found = [(level, float(weights[(levels == level).to_numpy()].sum()), int((levels == level).sum())) for level in levels.unique()]
    shown = [f"{title_of(level, studies)} {per_cent(share, 0)} % ({plural(count, 'row')})" for level, share, count in found]
    return [(_BIAS, listing(shown, 9)), *_shift(fit)]


def _shift(fit: Pooled) -> list[tuple[str, str]]:
    """How far the estimate moves as studies at a high risk of bias are left out."""
    # A column of levels without their tool does not say which is the worse.
    if fit.k < 2 or fit.estimate is None or not fit.studies.attrs.get("bias_tool"):
        return []
    ladder = bias_ladder(fit)
    return [] if ladder.reason else [("How far does the estimate move without studies at a high risk of bias?", ladder.sentence())]


def _inconsistency(fit: Pooled, subgroups: Comparison | None, moderators: Mapping[str, Regression]) -> list[tuple[str, str]]:
    if fit.k < 2:
        return [("Do the studies differ?", "One study: inconsistency cannot be assessed.")]
    studies = fit.studies
    rates = studies["rate"].to_numpy()
    digits = RATE.digits(fit.estimate, fit.ci_lower, fit.ci_upper)
    rows = [("How different are the studies' rates?", RATE.limits(rates.min(), rates.max(), digits))]
    if fit.estimate is not None:
        what = f"{fit.average} rate" if fit.status == "pooled" else "pooled rate"
        outside = (studies["ci_lower"].to_numpy() > fit.estimate) | (studies["ci_upper"].to_numpy() < fit.estimate)
        named = f" ({listing(studies.loc[outside, 'study'], 6)})" if outside.any() else ""
        rows.append((f"How many study intervals miss the {what}?", f"{int(outside.sum())} of {fit.k}{named}"))
    if fit.pi_lower is not None:
        rows.append(
            (
                "Where is the true rate of a new, comparable study expected?",
                f"{RATE.limits(fit.pi_lower, fit.pi_upper, digits)} (prediction interval)",
            )
        )
    if fit.tau is not None:
        upper = None if fit.tau2_upper is None else fit.tau2_upper**0.5
        reach = (
            ""
            if upper is None or fit.tau2_lower is None
            else f" ({level_text(fit.level)} {fit.interval_name} {number(fit.tau2_lower**0.5)} to {number(upper)})"
        )
        rows.append(("How large is the heterogeneity (tau)?", f"{number(fit.tau)}{reach}"))
    if fit.lrt_pvalue is not None:
        rows.append(("Is chance alone a sufficient explanation?", f"Likelihood-ratio test of equal rates: {p_value(fit.lrt_pvalue)}"))
    elif fit.q_pvalue is not None:
        rows.append(("Is chance alone a sufficient explanation?", f"Q test: {p_value(fit.q_pvalue)}"))
    if fit.i2 is not None:
        rows.append(("I² (secondary)", f"{per_cent(fit.i2)} %"))
    if subgroups is not None and len(subgroups.groups) > 1:
        rows.append((f"Do subgroups by {subgroups.method['by']} explain it?", subgroups.test_sentence()))
    for name, found in moderators.items():
        r2 = "no R²" if found.r2 is None else f"R² {per_cent(found.r2, 0)} %"
        p = None if found.overall is None else found.overall.pvalue
        rows.append(
            (
                f"Does {in_sentence(title_of(name, fit.studies))} explain it?",
                f"{plural(found.k, 'study', 'studies')}: {p_value(p)}, {r2}",
            )
        )
    return rows


def _imprecision(fit: Pooled, decision: float | None) -> list[tuple[str, str]]:
    digits = RATE.digits(fit.estimate, fit.ci_lower, fit.ci_upper)
    rows = [
        (
            "How much evidence is there?",
            f"{plural(fit.events or 0, 'event')} in {counted_units(fit.n or 0, fit.units)}, {plural(fit.k, 'study', 'studies')}",
        )
    ]
    if fit.estimate is None or fit.ci_lower is None or fit.ci_upper is None:
        return [*rows, ("How wide is the interval?", "No interval: no rate could be estimated.")]
    kind = f"{level_text(fit.level)} {fit.interval_name}"
    pooled = fit.status == "pooled"
    for name, (value, lower, upper) in zip(("median", "population average"), fit.rates_shown, strict=True):
        if value is None or lower is None or upper is None or (fit.average == "common" and name != "median"):
            continue
        of = (f" of the {'common rate' if fit.average == 'common' else name}") if pooled else ""
        shown = f"{RATE.limits(lower, upper, digits)} ({kind}{of}, {POINTS.text(upper - lower)} percentage points)"
        vague = RATE.is_vague(lower, upper)
        rows.append((f"How wide is the interval{of}?", f"{shown}; {TOO_WIDE}" if vague else shown))
    effective = _effective(fit)
    if effective is not None:
        rows.append(
            (
                "Which sample size of one study gives the same precision?",
                f"about {effective:,.0f}, for {counted_units(fit.n or 0, fit.units)} in the studies",
            )
        )
    if decision is None:
        rows.append(("Does the interval cross a decision threshold?", "no threshold was given"))
    else:
        of = f" of the {fit.average}" if pooled and fit.average != "common" else ""
        crossed = fit.ci_lower < decision < fit.ci_upper
        rows.append(
            (
                f"Does the interval{of} cross the decision threshold of {RATE.exact(decision)}?",
                "yes" if crossed else f"no, it lies {'above' if fit.ci_lower >= decision else 'below'}",
            )
        )
    return rows


def _indirectness(studies: pd.DataFrame) -> list[tuple[str, str]]:
    """What the rows count, treat and call the outcome, as far as their columns say."""
    rows = []
    if "unit" in studies.columns:
        parts = []
        for unit in units_of(studies):
            chosen = studies["unit"] == unit
            if chosen.any():
                share = float(studies.loc[chosen, "total"].sum() / studies["total"].sum())
                parts.append(f"{unit} in {plural(int(chosen.sum()), 'row')} ({per_cent(share, 0)} %)")
        if parts:
            rows.append(("What is counted (share of the total)?", listing(parts)))
    if "modality" in studies.columns:
        kinds = studies["modality"].astype(str).value_counts()
        shown = listing([f"{name} ({count})" for name, count in kinds.items()], 6)
        open_ones = int(kinds[[name for name in kinds.index if _UNSPECIFIED in name.casefold()]].sum())
        more = f"; {plural(open_ones, 'row')} without the kind of treatment" if open_ones else ""
        rows.append(("Which treatments were given (rows)?", shown + more))
    for column, question in (("definition", "How is the outcome defined (rows)?"), ("criteria", "By which criteria (rows)?")):
        if column in studies.columns:
            words = studies[column].fillna("").astype(str).str.strip().replace("", "not stated").value_counts()
            if len(words) > 1:
                rows.append((question, listing([f"{title_of(name, studies)} ({count})" for name, count in words.items()], 6)))
    return rows or [("Do patients, treatments and outcomes fit the question?", "the rows have no column that says so")]


def _publication_bias(fit: Pooled) -> list[tuple[str, str]]:
    """The number of studies, and a test of small-study effects where there are enough of them."""
    question = "Do small studies give other rates?"
    if fit.k < LEAST_FOR_ASYMMETRY:
        few = f"{plural(fit.k, 'study', 'studies')}: fewer than ten, too few for a test"
        return [(question, few)]
    found = small_study_effects(fit)
    if found.reason is not None:
        return [(question, found.reason)]
    return [(question, f"{found.title}: {p_value(found.p_value)}, {plural(fit.k, 'study', 'studies')}")]


def _effective(fit: Pooled) -> float | None:
    """Patients of a single study whose logit has the same standard error."""
    if fit.se is None or fit.estimate is None or fit.method["link"] not in ("logit", None) or not fit.se > 0:
        return None
    if fit.measure != "PLO" or not 0 < fit.estimate < 1:
        return None
    return float(np.maximum(1.0, 1.0 / (fit.se**2 * fit.estimate * (1 - fit.estimate))))
