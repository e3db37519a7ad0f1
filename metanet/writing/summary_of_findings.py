"""Summary of findings: the outcomes of one modality below each other, with the facts for GRADE and room for the judgement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from metanet.base.arguments import checked, level
from metanet.base.display import in_sentence, level_text, scale_of
from metanet.base.errors import ArgumentError, as_given, check_choice
from metanet.base.untrusted import listing
from metanet.diagnostics.spread.grade import OPEN, grade_facts
from metanet.evidence.evidence import Evidence
from metanet.models.pooling.pool import pool
from metanet.models.results.pooled import Pooled
from metanet.writing.summary_tables import STATUS, Notes, method_sentences, studies_cell
from metanet.writing.table.table import Cell, Column, Table, made, scaled_cell, share_cell, text_cell

if TYPE_CHECKING:
    import pandas as pd


#: Facts of the worksheet in the table: the beginning of the question, and the text with the fact.
_FACTS = {
    "How different": "rates of the studies {}",
    "How many study intervals": "study intervals that miss the {average} rate: {}",
    "How large is the heterogeneity": "tau {}",
    "Is chance alone": "{}",
    "Do the studies differ": "{}",
    "How much evidence": "{}",
    "Which sample size": "as precise as one study of {}",
}
_UNITS = {100: "%", 1000: "per 1000"}


@checked(level=level)
def summary_of_findings(
    evidence: Evidence,
    outcomes: str | Iterable[str] | None,
    modality: str,
    *,
    definitions: Mapping[str, str] | None = None,
    overlap: str = "keep_largest",
    certainty: str | None = None,
    level: float = 0.95,
    model: str = "glmm",
    per: int = 1000,
) -> Table:
    """The findings on several outcomes of one modality, in the layout that GRADE asks for.

    Parameters
    ----------
    evidence
        What `load_evidence` returned.
    outcomes
        Outcomes in the order of the rows; None takes all that have a study of this modality.
    modality
        A modality class or a modality.
    definitions
        Outcome -> definition, for outcomes that are counted by several; the others take their default.
    overlap, certainty
        As in `Evidence.rates`.
    level
        Coverage of every interval, as a fraction.
    model
        As in `pool`, for rates of one group.
    per
        Rates are printed per 1000 patients, or per 100. `to_frame` gives fractions.

    Returns
    -------
    Table
        Outcome, studies (arms), events/total, population-averaged rate (where nothing was pooled the rate itself) with interval,
        prediction interval, facts on inconsistency and imprecision, and the certainty of the evidence, left to the reviewers.

    Raises
    ------
    ArgumentError
        A word that is not known.

    Notes
    -----
    The table judges no domain; that is left to the reviewers. The population average is the expected number of events in 1000
    patients; the median is not.

    References
    ----------
    Guyatt et al. (2011), doi:10.1016/j.jclinepi.2010.04.026 (summary of findings), doi:10.1016/j.jclinepi.2011.03.017
    (inconsistency), doi:10.1016/j.jclinepi.2011.01.012 (imprecision).
    """
    if per not in _UNITS or isinstance(per, bool):
        raise ArgumentError(f"per={as_given(per)} must be 100 or 1000.")
    chosen = _outcomes(evidence, outcomes, modality)
    given = dict(definitions or {})
    for name in given:
        check_choice("definitions", name, chosen)
    rows, fits, notes, without = [], [], Notes(), []
    for name in chosen:
        rates = evidence.rates(name, modality=modality, definition=given.get(name), overlap=overlap, certainty=certainty)
        title = str(rates.attrs["label"])
        if rates.attrs["definition"]:
            title += f" ({in_sentence(rates.attrs['definition_title'])})"
        if rates.empty:
            without.append(title)
            continue
        fit = pool(rates, model=model, level=level)
        rows.append(_row(title, rates, fit, per))
        fits.append(fit)
        if fit.status == "pooled":
            notes.add(title, (*rates.attrs["notes"], *fit.notes))
    unit = _UNITS[per]
    columns = [
        Column("Outcome", ("outcome",)),
        Column("Studies (arms)", ("studies", "arms"), "count"),
        Column("Events/total", ("events", "total"), "count"),
        Column(unit, ("rate",), "rate", "Rate"),
        Column(f"{level_text(level)} CI", ("ci_lower", "ci_upper"), "rate", "Rate"),
        Column(f"Prediction interval, {unit}", ("pi_lower", "pi_upper"), "rate"),
        Column("Status", ("status",)),
        Column("Inconsistency", ("inconsistency",), "text", "Facts for the judgement"),
        Column("Imprecision", ("imprecision",), "text", "Facts for the judgement"),
        Column("Certainty of the evidence (GRADE)", ("grade",)),
    ]
    lines = [
        "The rate is the average over the distribution of true rates; for one study, or for studies without events or with events "
        "only, it is the observed rate.",
        "The table contains no judgements; the reviewers also judge risk of bias, indirectness and publication bias.",
        *method_sentences(fits),
    ]
    if without:
        lines.append(f"No study of this modality: {listing(without, 30)}.")
    return made(
        f"Summary of findings: {modality}",
        "No study of this modality reports any of these outcomes.",
        columns,
        rows,
        [*lines, *notes.lines()] if rows else lines[2:],
        words=_words(rows, per),
    )


def _outcomes(evidence: Evidence, outcomes: Any, modality: object) -> list[str]:
    """The outcomes by name, each once."""
    if not isinstance(modality, str):
        raise ArgumentError(f"modality={as_given(modality)} must be one modality class or modality.")
    if outcomes is None:
        return [name for name in evidence.outcome_names if len(evidence.rates(name, modality=modality, poolable_only=True))]
    words = [outcomes] if isinstance(outcomes, str) else list(outcomes) if isinstance(outcomes, Iterable) else []
    if not words:
        raise ArgumentError(f"outcomes={as_given(outcomes)} must be one outcome or several, or None for all.")
    return list(dict.fromkeys(check_choice("outcomes", word, evidence.outcome_names) for word in words))


def _row(title: str, rates: pd.DataFrame, fit: Pooled, per: int) -> list[Cell]:
    averaged = fit.status == "pooled" and fit.marginal_estimate is not None
    value, lower, upper = (
        (fit.marginal_estimate, fit.marginal_ci_lower, fit.marginal_ci_upper)
        if averaged
        else (fit.estimate, fit.ci_lower, fit.ci_upper)
    )
    scale = replace(scale_of("rate", per), least=0 if per == 1000 else 1)
    digits = scale.digits(value, lower, upper)
    facts = grade_facts(fit)
    return [
        text_cell(title),
        studies_cell(int(rates["study_id"].nunique()), len(rates)),
        share_cell(fit.events, fit.n),
        scaled_cell(scale, digits, value),
        scaled_cell(scale, digits, lower, upper),
        scaled_cell(scale, digits, fit.pi_lower, fit.pi_upper),
        text_cell(STATUS[fit.status]),
        text_cell(_short(facts, "inconsistency", fit)),
        text_cell(_short(facts, "imprecision", fit)),
        text_cell(OPEN),
    ]


def _words(rows: list[list[Cell]], per: int) -> str:
    """Every outcome with its rate and interval."""
    found = [f"{row[0].text} {row[3].text} ({row[4].text})" for row in rows]
    return f"Per {per}, with {'its' if len(found) == 1 else 'their'} interval: {listing(found, 30)}." if found else ""


def _short(facts: pd.DataFrame, domain: str, fit: Pooled) -> str:
    """The facts of one domain that are in no other column."""
    found = []
    for question, fact in facts.loc[facts["domain"] == domain, ["question", "fact"]].itertuples(index=False):
        words = next((words for start, words in _FACTS.items() if question.startswith(start)), None)
        if words is not None:
            found.append(words.format(fact, average=fit.average))
    text = "; ".join(each.rstrip(".") for each in found).replace("; Likelihood", "; likelihood")
    return f"{text[:1].upper()}{text[1:]}."
