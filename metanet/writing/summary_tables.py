"""Pooled results as tables: one outcome in every modality, and several models side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from metanet.base.arguments import checked, choice, level
from metanet.base.display import PARTED, RATE, TOO_WIDE, in_sentence, interval_kind, level_text, parted, sentence_case, title_of
from metanet.base.errors import ArgumentError
from metanet.base.untrusted import listing
from metanet.evidence.sources import Tables, evidence_of, outcome_of
from metanet.models.comparison.result import OBSERVATIONAL
from metanet.models.pooling.pool import pool
from metanet.models.results.pooled import Pooled
from metanet.writing.table.table import Cell, Column, Table, made, number_cell, p_cell, rate_cell, scaled_cell, share_cell, text_cell

if TYPE_CHECKING:
    import pandas as pd


@checked()
def model_table(*fits: Pooled) -> Table:
    """Several results of the same studies side by side, with a sentence on their agreement.

    Parameters
    ----------
    *fits
        Pooled rates: the primary result first, then the sensitivity analyses.

    Returns
    -------
    Table
        Median and population-averaged rate with their intervals, prediction interval, tau, I² and the test of equal rates.
    """
    if not fits or any(not isinstance(fit, Pooled) for fit in fits):
        raise ArgumentError("model_table takes results of pool.")
    if any(fit.response != "rate" for fit in fits):
        raise ArgumentError("model_table compares pooled rates; sensitivity_table takes other results.")
    columns = [
        Column("Model", ("model",)),
        Column("Status", ("status",)),
        *rate_columns(fits),
        Column("Equal rates?", ("pvalue",), "p"),
    ]
    rows = [[text_cell(fit.title), text_cell(status_text(fit)), *rate_cells(fit), _test(fit)] for fit in fits]
    foot = [f"{fit.title}: {' '.join([fit.method.sentence(), *fit.notes])}" for fit in fits]
    return made("The same studies under several models", "No result.", columns, rows, [*_alike(fits), *rate_notes(fits), *foot])


def rate_columns(fits: Sequence[Pooled], first: str = "Median rate") -> list[Column]:
    """The columns of these pooled rates, the estimate under the heading `first`; `rate_cells` fills them."""
    limits = f"{level_text(fits[0].level) if fits else ''} {interval_kind(fit.interval_name for fit in fits)}".strip()
    return [
        Column("%", ("median",), "rate", first),
        Column(limits, ("median_lower", "median_upper"), "rate", first),
        Column("%", ("average",), "rate", "Population average"),
        Column(limits, ("average_lower", "average_upper"), "rate", "Population average"),
        Column("Prediction interval, %", ("pi_lower", "pi_upper"), "rate"),
        Column("tau", ("tau",), "number"),
        Column("I², %", ("i2",), "rate"),
    ]


def rate_notes(fits: Sequence[Pooled]) -> list[str]:
    """What a reader of `rate_cells` needs to know of these results, each sentence once."""
    kinds = {fit.interval_name for fit in fits}
    out = []
    if len(kinds) > 1:
        alone = all(fit.status == "not pooled" for fit in fits if fit.interval_name == "CI")
        others = "single studies" if alone else "the others"
        out.append(f"Intervals of Bayesian models are credible intervals (CrI), those of {others} confidence intervals (CI).")
    if any(parted(median[0], average[0]) for median, average in (fit.rates_shown for fit in fits)):
        out.append(PARTED)
    if any(fit.is_vague for fit in fits):
        out.append(f"{sentence_case(TOO_WIDE)}: the interval {RATE.vague_rule()}.")
    return out


def rate_cells(fit: Pooled) -> list[Cell]:
    """One result in the columns of `rate_columns`; without pooling, the first two show the observed rate and its exact interval.

    A beta-binomial model has no interval of its median; its mean is the population average.
    """
    digits = RATE.digits(fit.estimate, fit.ci_lower, fit.ci_upper)
    median, average = fit.rates_shown
    return [
        rate_cell(median[0], digits),
        scaled_cell(RATE, digits, *median[1:]),
        rate_cell(average[0], digits),
        scaled_cell(RATE, digits, *average[1:]),
        scaled_cell(RATE, digits, fit.pi_lower, fit.pi_upper),
        number_cell(fit.tau),
        rate_cell(fit.i2),
    ]


def _test(fit: Pooled) -> Cell:
    """The test of equal rates; the likelihood ratio where there is one."""
    if fit.status != "pooled":
        return p_cell(None)
    return p_cell(fit.lrt_pvalue, "likelihood ratio") if fit.lrt is not None else p_cell(fit.q_pvalue, "Q")


def _alike(fits: Sequence[Pooled]) -> list[str]:
    """Whether the average rate of the first model and of each other one lies inside the interval of the other."""
    known = [
        (fit, fit.rates_shown[1]) for fit in fits if fit.status == "pooled" and not fit.is_vague and None not in fit.rates_shown[1]
    ]
    if len(known) < 2 or known[0][0] is not fits[0]:
        return []
    (_, (value, lower, upper)), *others = known
    inside = [low <= value <= high and lower <= one <= upper for _, (one, low, high) in others]  # type: ignore[operator]
    away = [fit for (fit, _), fine in zip(others, inside, strict=True) if not fine]
    shown = listing([RATE.value(rate[0]) for _, rate in known], 12)
    two = len(others) == 1
    models = "two models" if two else "models"
    if not away:
        which = "each inside the interval of the other" if two else "each other one inside the interval of the first, and the reverse"
        return [f"The {models} agree: average rates of {shown}, {which}."]
    apart = "" if two else f"of the first and of the {listing([in_sentence(fit.title) for fit in away], 12)} "
    return [
        f"The {models} disagree: average rates of {shown}, and {apart}one lies outside the interval of the other. "
        f"The result depends on the choice of model; report {'both' if two else 'all of them'}."
    ]


#: Texts of the statuses.
STATUS = {
    "pooled": "pooled",
    "not pooled": "one study: observed rate and exact interval",
    "no events": "no events: exact interval on the summed counts",
    "only events": "events only: exact interval on the summed counts",
    "not estimable": "no rate can be estimated",
}


def status_text(fit: Pooled) -> str:
    """The status in words: where the estimate comes from, and whether its interval says anything."""
    parts = [STATUS[fit.status]]
    if fit.status in ("no events", "only events"):
        parts.append("takes the studies as alike")
    elif fit.status == "pooled" and fit.edge and fit.model == "bayes":
        what = "no events" if fit.edge == "no events" else "events only"
        parts.append(f"{what}: estimate partly from the prior")
    if fit.is_vague:
        parts.append(TOO_WIDE)
    return "; ".join(parts)


@checked(by=choice("modality_class", "modality"), level=level)
def summary_table(
    evidence: Tables,
    outcome: str | None = None,
    *,
    by: str = "modality_class",
    definition: str | None = None,
    overlap: str = "keep_largest",
    certainty: str | None = None,
    level: float = 0.95,
    model: str | None = None,
) -> Table:
    """All modalities of one outcome, one row each.

    Parameters
    ----------
    evidence
        What `load_evidence` or `read` returned, a frame, a result, or a folder or file to be read.
    outcome
        One of its outcomes; None takes the only one.
    by
        "modality_class", or "modality" for the modalities in the classes.
    definition, overlap, certainty
        As in `Evidence.rates`, applied to each modality separately.
    level
        Coverage of every interval, as a fraction.
    model
        As in `pool`, for rates of one group; None takes its default.

    Returns
    -------
    Table
        Studies and arms, events and total, median and population-averaged rate with their intervals, prediction interval, tau, I²,
        and the status, such as one study, no events or no estimate.

    Raises
    ------
    ArgumentError
        A word that is not known.
    """
    evidence = evidence_of(evidence)
    outcome = outcome_of(evidence, outcome)
    everything = evidence.rates(outcome, definition=definition, overlap="keep_all", certainty=certainty)
    names = [str(name) for name in everything[by].unique()]
    if by == "modality_class":
        names.sort(key=evidence.modality_classes.index)
    rows, fits, notes, gone = [], [], Notes(), []
    for name in names:
        rates = evidence.rates(outcome, modality=name, definition=definition, overlap=overlap, certainty=certainty)
        # A modality can have the name of its class; overlapping reports can displace all its rows within the class.
        rates = rates[rates[by] == name]
        if rates.empty:
            gone.append(name)
            continue
        fit = pool(rates, model=model, level=level)
        fits.append(fit)
        rows.append(_row(name, rates, fit))
        if fit.status == "pooled":
            notes.add(name, (*rates.attrs["notes"], *fit.notes))
    absent = [name for name in evidence.modality_classes if name not in names] if by == "modality_class" else []
    absent += gone
    closing = [f"No study: {listing(absent, 20)}."] if absent and rows else []
    common = any(fit.status == "pooled" and fit.average == "common" for fit in fits)
    words = title_of(by, everything)
    columns = [
        Column("Modality" if words == "Modality class" else words, (by,)),
        Column("Studies (arms)", ("studies", "arms"), "count"),
        Column("Events/total", ("events", "total"), "count"),
        *rate_columns(fits, "Common rate" if common else "Median rate"),
        Column("Status", ("status",)),
    ]
    title = str(everything.attrs["label"])
    if everything.attrs["definition"]:
        title += f" (definition: {in_sentence(everything.attrs['definition_title'])})"
    return made(
        f"{title} by {in_sentence(words)}",
        f"{title}: no study fits this selection.",
        columns,
        rows,
        [OBSERVATIONAL, *rate_notes(fits), *method_sentences(fits), *closing, *notes.lines()] if rows else (),
    )


def studies_cell(studies: int, arms: int) -> Cell:
    """Studies with their arms: "18 (20)"."""
    return Cell(f"{studies} ({arms})", (studies, arms), 0)


class Notes:
    """Notes on several rows; a note that several rows share is printed once."""

    def __init__(self) -> None:
        self._rows: dict[str, list[str]] = {}

    def add(self, name: str, notes: Iterable[str]) -> None:
        """Take up the notes on the row `name`."""
        for note in notes:
            self._rows.setdefault(note, []).append(name)

    def lines(self) -> list[str]:
        """A line for each note, with the names of its rows."""
        return [f"{listing(names, 30)}: {note}" for note, names in self._rows.items()]


def method_sentences(fits: Iterable[Pooled]) -> list[str]:
    """The different method sentences, without those whose clauses are all part of another one."""
    found = list(dict.fromkeys(fit.method.sentence() for fit in fits if fit.status == "pooled"))
    clauses = [set(text.rpartition(". metanet ")[0].split("; ")) for text in found]
    return [text for text, own in zip(found, clauses, strict=True) if not any(own < other for other in clauses)]


def _row(name: str, rates: pd.DataFrame, fit: Pooled) -> list[Cell]:
    return [
        text_cell(name),
        studies_cell(int(rates["study_id"].nunique()), len(rates)),
        share_cell(fit.events, fit.n),
        *rate_cells(fit),
        text_cell(status_text(fit)),
    ]
