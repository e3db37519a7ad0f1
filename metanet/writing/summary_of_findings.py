"""Summary of findings: the outcomes of one modality below each other, with the facts for GRADE and room for the judgement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from metanet.base.arguments import checked, level
from metanet.base.display import PARTED, TOO_WIDE, in_sentence, interval_kind, level_text, scale_of, sentence_case
from metanet.base.errors import ArgumentError, as_given, check_choice
from metanet.base.untrusted import listing
from metanet.diagnostics.spread.grade import grade_facts
from metanet.evidence.evidence import Evidence
from metanet.evidence.grade import NOT_ASSESSED, Grade
from metanet.evidence.sources import Tables, evidence_of, modality_of
from metanet.models.categories.pool_categories import pool_categories
from metanet.models.pooling.pool import pool
from metanet.models.results.pooled import Pooled
from metanet.writing.summary_tables import Notes, method_sentences, rate_notes, status_text, studies_cell
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
    evidence: Tables,
    outcomes: str | Iterable[str] | None = None,
    modality: str | None = None,
    *,
    definitions: Mapping[str, str] | None = None,
    overlap: str = "keep_largest",
    certainty: str | None = None,
    level: float = 0.95,
    model: str | None = None,
    per: int = 1000,
    facts: bool = True,
) -> Table:
    """The findings on several outcomes of one modality, in the layout that GRADE asks for.

    Parameters
    ----------
    evidence
        What `load_evidence` or `read` returned, a frame, a result, or a folder or file to be read.
    outcomes
        Outcomes in the order of the rows; None takes all that have a study of this modality.
    modality
        A modality class or a modality; None takes the only class.
    definitions
        Outcome -> definition, for outcomes that are counted by several; the others take their default.
    overlap, certainty
        As in `Evidence.rates`.
    level
        Coverage of every interval, as a fraction.
    model
        As in `pool`, for rates of one group; None takes its default.
    per
        Rates are printed per 1000 patients, or per 100. `to_frame` gives fractions.
    facts
        Whether facts on inconsistency and imprecision, for those who rate the certainty, have columns.

    Returns
    -------
    Table
        Outcome, studies (arms), events/total, median and population-averaged rate of one pooled result, each with its interval
        (where nothing was pooled the observed rate in place of the median), prediction interval, facts on inconsistency and
        imprecision, and the certainty of the evidence as people rated it (certainty.csv), with their reasons as footnotes.

    Raises
    ------
    ArgumentError
        A word that is not known.

    Notes
    -----
    The table judges no domain: it adds up the ratings of the reviewers, and says "not assessed" where there are none. The population
    average is the expected number of events in 1000 patients of all studies together; the median is the rate of a typical study.

    References
    ----------
    Guyatt et al. (2011), doi:10.1016/j.jclinepi.2010.04.026 (summary of findings), doi:10.1016/j.jclinepi.2011.03.017
    (inconsistency), doi:10.1016/j.jclinepi.2011.01.012 (imprecision).
    """
    if per not in _UNITS or isinstance(per, bool):
        raise ArgumentError(f"per={as_given(per)} must be 100 or 1000.")
    evidence = evidence_of(evidence)
    modality = modality_of(evidence, modality)
    chosen = _outcomes(evidence, outcomes, modality)
    given = dict(definitions or {})
    for name in given:
        check_choice("definitions", name, chosen)
    rows, fits, notes, without, footnotes = [], [], Notes(), [], Footnotes()
    for name in chosen:
        rates = evidence.rates(name, modality=modality, definition=given.get(name), overlap=overlap, certainty=certainty)
        title = str(rates.attrs["label"])
        if rates.attrs["definition"]:
            title += f" ({in_sentence(rates.attrs['definition_title'])})"
        if rates.empty:
            without.append(title)
            continue
        fit = pool(rates, model=model, level=level)
        grade = evidence.grade(name, modality, rates.attrs["definition"])
        rows.append([*_row(title, rates, fit, per), *(_fact_cells(fit) if facts else ()), footnotes.cell(grade)])
        fits.append(fit)
        if fit.status == "pooled":
            notes.add(title, (*rates.attrs["notes"], *fit.notes))
    unit = _UNITS[per]
    limits = f"{level_text(level)} {interval_kind(fit.interval_name for fit in fits)}"
    columns = [
        Column("Outcome", ("outcome",)),
        Column("Studies (arms)", ("studies", "arms"), "count"),
        Column("Events/total", ("events", "total"), "count"),
        Column(unit, ("median",), "rate", "Median rate"),
        Column(limits, ("median_lower", "median_upper"), "rate", "Median rate"),
        Column(unit, ("average",), "rate", "Population average"),
        Column(limits, ("average_lower", "average_upper"), "rate", "Population average"),
        Column(f"Prediction interval, {unit}", ("pi_lower", "pi_upper"), "rate"),
        Column("Status", ("status",)),
        *(_FACT_COLUMNS if facts else ()),
        Column("Certainty of the evidence (GRADE)", ("grade",)),
    ]
    reading = [*_reading(fits), *([footnotes.sentence()] if facts or footnotes.is_rated else [])]
    lines = [*method_sentences(fits), *footnotes.lines()]
    lines += _apart(evidence, modality, overlap, certainty, level, chosen)
    if without:
        lines.append(f"No study of this modality: {listing(without, 30)}.")
    return made(
        f"Summary of findings: {modality}",
        "No study of this modality reports any of these outcomes.",
        columns,
        rows,
        [*reading, *lines, *notes.lines()] if rows else lines,
        words=_words(rows, fits, per),
    )


def _apart(evidence: Evidence, modality: str, overlap: str, certainty: str | None, level: float, chosen: Sequence[str]) -> list[str]:
    """A line where disease control, pooled by itself, is not what it is beside the objective response."""
    if not {"objective_response", "disease_control"} <= {*chosen}:
        return []
    said = pool_categories(evidence, modality, overlap=overlap, certainty=certainty, level=level).outside("disease_control")
    return [said] if said else []


class Footnotes:
    """The reasons of ratings under letters, each once."""

    def __init__(self) -> None:
        self._letters: dict[str, str] = {}
        self._levels: list[bool] = []

    def cell(self, grade: Grade) -> Cell:
        """The level with its signs and the letters of its reasons."""
        self._levels.append(grade.level is not None)
        if grade.level is None:
            return text_cell(NOT_ASSESSED if not grade.to_frame().shape[0] else grade.reason)
        found = []
        for domain, steps, reason in grade.changes:
            text = f"{sentence_case(domain)} ({steps:+d}): {reason}".replace("(-", "(−")
            found.append(self._letters.setdefault(text, _letter(len(self._letters))))
        return text_cell(f"{grade.symbols} {grade.level}" + (f" {', '.join(found)}" if found else ""))

    @property
    def is_rated(self) -> bool:
        """Whether a body of evidence has a level."""
        return any(self._levels)

    def sentence(self) -> str:
        """Who judges what."""
        if self.is_rated:
            return (
                "Certainty by GRADE, as the reviewers rated it: rates of treated patients start high, and each domain may lower "
                "the level; letters name the reasons below."
            )
        return "The table contains no judgements; the reviewers also judge risk of bias, indirectness and publication bias."

    def lines(self) -> list[str]:
        """Letters and reasons."""
        return [f"{letter}. {text.rstrip('.')}." for text, letter in self._letters.items()]


def _letter(place: int) -> str:
    """a, b, ... z, aa, ab ..."""
    first, last = divmod(place, 26)
    return (_letter(first - 1) if first else "") + chr(ord("a") + last)


def _outcomes(evidence: Evidence, outcomes: Any, modality: object) -> list[str]:
    """The outcomes by name, each once."""
    if not isinstance(modality, str):
        raise ArgumentError(f"modality={as_given(modality)} must be one modality class or modality.")
    if outcomes is None:
        return [name for name in evidence.outcome_names if len(evidence.rates(name, modality=modality, poolable_only=True))]
    words = [outcomes] if isinstance(outcomes, str) else list(outcomes) if isinstance(outcomes, Iterable) else []
    if not words:
        raise ArgumentError(f"outcomes={as_given(outcomes)} must be one outcome or several, or None for all.")
    return list(dict.fromkeys(evidence.outcome(word, "outcomes") for word in words))


def _reading(fits: Sequence[Pooled]) -> list[str]:
    """What the two rates are, for the kinds of results in the table."""
    out = [
        "Median: the rate to expect in a typical study. Average: the rate to expect among the patients of all such studies together. "
        "Both are of one pooled result."
    ]
    if any(fit.status not in ("pooled", "not estimable") for fit in fits):
        out.append("Where nothing was pooled, the observed rate is in the column of the median.")
    return [*out, *(note for note in rate_notes(fits) if note != PARTED)]


def _row(title: str, rates: pd.DataFrame, fit: Pooled, per: int) -> list[Cell]:
    median, average = fit.rates_shown
    scale = replace(scale_of("rate", per), least=0 if per == 1000 else 1)
    digits = scale.digits(fit.estimate, fit.ci_lower, fit.ci_upper)
    return [
        text_cell(title),
        studies_cell(int(rates["study_id"].nunique()), len(rates)),
        share_cell(fit.events, fit.n),
        scaled_cell(scale, digits, median[0]),
        scaled_cell(scale, digits, *median[1:]),
        scaled_cell(scale, digits, average[0]),
        scaled_cell(scale, digits, *average[1:]),
        scaled_cell(scale, digits, fit.pi_lower, fit.pi_upper),
        text_cell(status_text(fit)),
    ]


_FACT_COLUMNS = tuple(
    Column(name.capitalize(), (name,), "text", "Facts for the judgement") for name in ("inconsistency", "imprecision")
)


def _fact_cells(fit: Pooled) -> list[Cell]:
    found = grade_facts(fit)
    return [text_cell(_short(found, name, fit)) for name in ("inconsistency", "imprecision")]


def _words(rows: list[list[Cell]], fits: Sequence[Pooled], per: int) -> str:
    """Every outcome with its rates and intervals."""
    found = []
    for row, fit in zip(rows, fits, strict=True):
        name, median, limits, average, its = (row[i].text for i in (0, 3, 4, 5, 6))
        if fit.status != "pooled":
            text = f"{name} observed {median} ({limits})"
        elif median == average:
            text = f"{name} median and average {median} ({limits})"
        else:
            text = f"{name} median {median} ({limits}), average {average} ({its})"
        found.append(f"{text}, {TOO_WIDE}" if fit.is_vague else text)
    return f"Per {per}, with intervals: {'; '.join(found[:30])}." if found else ""


def _short(facts: pd.DataFrame, domain: str, fit: Pooled) -> str:
    """The facts of one domain that are in no other column."""
    found = []
    for question, fact in facts.loc[facts["domain"] == domain, ["question", "fact"]].itertuples(index=False):
        words = next((words for start, words in _FACTS.items() if question.startswith(start)), None)
        if words is not None:
            found.append(words.format(fact, average=fit.average))
    text = "; ".join(each.rstrip(".") for each in found).replace("; Likelihood", "; likelihood")
    return f"{text[:1].upper()}{text[1:]}."
