"""The PRISMA 2020 checklist: all items in short, and where tables and reports of a review answer them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from metanet.base.arguments import checked
from metanet.base.errors import ArgumentError
from metanet.evidence.evidence import Evidence
from metanet.evidence.search.flow import prisma_flow
from metanet.evidence.sources import Tables, evidence_of
from metanet.writing.prisma.report_text import ReportText
from metanet.writing.table.table import Column, Table, made, text_cell


@dataclass(frozen=True)
class Item:
    """One item: its number, its topic, and what it asks for."""

    number: str
    topic: str
    asks: str


@dataclass(frozen=True)
class Place:
    """Where an item is answered: in words, and the heading of the page, where it is on the same page."""

    words: str
    heading: str = ""


#: Section -> its items.
SECTIONS: Mapping[str, tuple[Item, ...]] = {
    "Title": (Item("1", "Title", "Say that the report is a systematic review."),),
    "Abstract": (Item("2", "Abstract", "Follow the PRISMA 2020 checklist for abstracts."),),
    "Introduction": (
        Item("3", "Rationale", "Why the review is needed, given what is known."),
        Item("4", "Objectives", "The questions that the review answers."),
    ),
    "Methods": (
        Item("5", "Eligibility criteria", "Which studies were eligible, and how they were grouped for syntheses."),
        Item("6", "Information sources", "All databases, registers and other sources, with the day of the last search of each."),
        Item("7", "Search strategy", "The full strategy of every database and register, with filters and limits."),
        Item("8", "Selection process", "How records and reports were selected: reviewers, independence, automation tools."),
        Item("9", "Data collection process", "How data were collected: reviewers, independence, enquiries to authors, tools."),
        Item("10a", "Data items", "All outcomes that were sought, their definitions, and which results were chosen of several."),
        Item("10b", "Data items", "All other variables that were sought, and assumptions on missing or unclear information."),
        Item("11", "Risk of bias in studies", "How the risk of bias was assessed: tools, reviewers, independence."),
        Item("12", "Effect measures", "The effect measure of each outcome."),
        Item("13a", "Synthesis methods", "How it was decided which studies enter each synthesis."),
        Item("13b", "Synthesis methods", "How data were prepared: missing statistics, conversions."),
        Item("13c", "Synthesis methods", "How results of studies and syntheses are tabulated or drawn."),
        Item("13d", "Synthesis methods", "The methods of synthesis and why; model, heterogeneity, software."),
        Item("13e", "Synthesis methods", "How causes of heterogeneity were explored."),
        Item("13f", "Synthesis methods", "Sensitivity analyses of the robustness of results."),
        Item("14", "Reporting bias assessment", "How bias from missing results was assessed."),
        Item("15", "Certainty assessment", "How the certainty of the evidence of each outcome was assessed."),
    ),
    "Results": (
        Item("16a", "Study selection", "From the records found to the studies included, best in a flow diagram."),
        Item("16b", "Study selection", "Studies that seemed eligible and were excluded, each with its reason."),
        Item("17", "Study characteristics", "Each included study with its reference and characteristics."),
        Item("18", "Risk of bias in studies", "The assessments of each included study."),
        Item("19", "Results of individual studies", "For each outcome and study: counts of each group, estimate and its precision."),
        Item("20a", "Results of syntheses", "Characteristics and risk of bias of the studies of each synthesis."),
        Item("20b", "Results of syntheses", "Each synthesis: estimate, precision, heterogeneity, direction."),
        Item("20c", "Results of syntheses", "What was found on causes of heterogeneity."),
        Item("20d", "Results of syntheses", "What the sensitivity analyses found."),
        Item("21", "Reporting biases", "What was found on bias from missing results, for each synthesis."),
        Item("22", "Certainty of evidence", "The certainty of the evidence of each outcome."),
    ),
    "Discussion": (
        Item("23a", "Discussion", "What the results mean beside other evidence."),
        Item("23b", "Discussion", "Limitations of the evidence."),
        Item("23c", "Discussion", "Limitations of the review process."),
        Item("23d", "Discussion", "Implications for practice, policy and research."),
    ),
    "Other information": (
        Item("24a", "Registration and protocol", "Register and number, or that the review was not registered."),
        Item("24b", "Registration and protocol", "Where the protocol is, or that there was none."),
        Item("24c", "Registration and protocol", "Amendments to the registration or protocol."),
        Item("25", "Support", "Financial and other support, and the role of those who gave it."),
        Item("26", "Competing interests", "Competing interests of the authors."),
        Item("27", "Availability of data, code and other materials", "Which of them are public, and where."),
    ),
}
#: Items that a table of the review answers: whether it has it, and where a reader finds it.
_BY_TABLES: Mapping[str, tuple[Callable[[Evidence], bool], str]] = {
    "6": (lambda evidence: bool(evidence.optional_rows("searches")), "Methods: searches"),
    "7": (lambda evidence: has_strategies(evidence), "Supplement: table of searches"),
    "16a": (lambda evidence: prisma_flow(evidence).reason is None, "Results: flow diagram"),
    "16b": (lambda evidence: bool(evidence.optional_rows("excluded")), "Results: excluded reports"),
    "18": (lambda evidence: bool(evidence.optional_rows("risk_of_bias")), "Results: risk of bias"),
    "22": (lambda evidence: bool(evidence.optional_rows("certainty")), "Results: summary of findings"),
    "17": (lambda evidence: len(evidence.studies) > 0, "Results: characteristics of the studies"),
    "19": (lambda evidence: len(evidence.outcomes) > 0, "Results: forest plot"),
}
#: Items that the text of a report answers, by the item of `report_text`.
_BY_TEXT: Mapping[str, str] = {
    "6": "Methods: searches",
    "13a": "Methods: eligibility for the synthesis",
    "13b": "Methods: preparation of the data",
    "13c": "Methods: display of results",
    "13d": "Methods: synthesis",
    "13e": "Methods: causes of heterogeneity",
    "13f": "Methods: sensitivity analyses",
    "14": "Methods: reporting bias",
    "16a": "Results: study selection",
    "20a": "Results: characteristics of the studies",
    "20b": "Results: synthesis",
    "20c": "Results: causes of heterogeneity",
    "20d": "Results: sensitivity analyses",
    "21": "Results: reporting bias",
}


def has_strategies(evidence: Evidence) -> bool:
    """Whether every search has its strategy."""
    searches = evidence.optional_rows("searches")
    return bool(searches) and all(str(row.get("strategy") or "").strip() for row in searches)


@checked()
def prisma_checklist(evidence: Tables, text: ReportText | None = None) -> Table:
    """The PRISMA 2020 checklist, filled in where tables and reports of the review answer an item.

    Parameters
    ----------
    evidence
        The evidence of the review, or its folder.
    text
        The paragraphs of `report_text`; None fills in what the tables answer.

    Returns
    -------
    Table
        All 27 items with their parts under the sections of a report: item, topic, what is asked in short, and where it is reported.
        The last cell is empty where only people can answer.

    Raises
    ------
    ArgumentError
        A text that is not a result of `report_text`.

    References
    ----------
    Page et al. (2021), PRISMA 2020, doi:10.1136/bmj.n71, has the full wording of the items.
    """
    if text is not None and not isinstance(text, ReportText):
        raise ArgumentError(f"text must be a result of report_text, not {type(text).__name__}.")
    tables = evidence_of(evidence)
    numbers = [item.number for items in SECTIONS.values() for item in items]
    places = {number: tuple(map(Place, _places(number, tables, text))) for number in numbers}
    return checklist_of(places, "Tables and reports of the review answer")


def checklist_of(places: Mapping[str, Sequence[Place]], who: str) -> Table:
    """The checklist with the places where items are answered; `who` answers them, in the first words of the note."""
    rows, groups = [], []
    for section, items in SECTIONS.items():
        for item in items:
            where = "; ".join(place.words for place in places.get(item.number, ()))
            rows.append([text_cell(item.number), text_cell(item.topic), text_cell(item.asks), text_cell(where)])
            groups.append(section)
    columns = [
        Column("Item", ("item",)),
        Column("Topic", ("topic",)),
        Column("What to report, in short", ("asks",)),
        Column("Where it is reported", ("where",)),
    ]
    answered = sum(bool(found) for found in places.values())
    foot = [
        f"{who} {answered} of {len(rows)} items and parts; the others are for its authors.",
        "Items of PRISMA 2020 in short; their full wording: Page et al. (2021), doi:10.1136/bmj.n71.",
    ]
    headings = {place.words: place.heading for found in places.values() for place in found if place.heading}
    return made("PRISMA 2020 checklist", "", columns, rows, foot, groups=groups, words=foot[0], headings=headings)


def _places(number: str, evidence: Evidence, text: ReportText | None) -> list[str]:
    """Where an item is answered."""
    found = []
    if text is not None and number in text.items and number in _BY_TEXT:
        found.append(_BY_TEXT[number])
    if number in _BY_TABLES and _BY_TABLES[number][0](evidence):
        found.append(_BY_TABLES[number][1])
    return list(dict.fromkeys(found))
