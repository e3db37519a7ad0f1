"""The certainty of the evidence by GRADE: ratings that people made, summed to a level by stated rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metanet.base.errors import ArgumentError, as_given, check_choice
from metanet.base.results import Method, Result
from metanet.base.untrusted import listing, visible
from metanet.evidence.contract import Outcome

if TYPE_CHECKING:
    import pandas as pd

FILE = "certainty.csv"
#: Levels from the lowest on, as words of the table -> what a reader calls them.
LEVELS: Mapping[str, str] = {"very_low": "very low", "low": "low", "moderate": "moderate", "high": "high"}
#: Domains that lower the level -> what a reader calls them. All five are rated in every body of evidence.
FIVE: Mapping[str, str] = {
    "risk_of_bias": "risk of bias",
    "inconsistency": "inconsistency",
    "indirectness": "indirectness",
    "imprecision": "imprecision",
    "publication_bias": "publication bias",
}
#: Domains that may raise it; the last may do either.
OTHERS: Mapping[str, str] = {"large_effect": "large effect", "other": "other considerations"}
DOMAINS: Mapping[str, str] = {**FIVE, **OTHERS}
START, OVERALL = "start", "overall"
#: Ratings -> steps on the levels.
DOWN: Mapping[str, int] = {"not_serious": 0, "serious": -1, "very_serious": -2, "extremely_serious": -3}
UP: Mapping[str, int] = {"+1": 1, "+2": 2}
STEPS: Mapping[str, int] = {**DOWN, **UP}
#: Domains in which three levels can be lost.
THREE = ("risk_of_bias", "imprecision")
NOT_ASSESSED = "not assessed"
QUESTIONS = ("rate", "contrast")
_CONTRAST = " versus "
_SOURCES = (
    "GRADE: doi:10.1136/bmj.39489.470347.AD",
    "Rates of treated patients start high: doi:10.1136/bmj.h870",
    "ROBINS-I in GRADE: doi:10.1016/j.jclinepi.2018.01.012",
    "Imprecision: doi:10.1016/j.jclinepi.2022.07.015",
)


def ratings_allowed(domain: str) -> tuple[str, ...]:
    """The words that a rating of this domain can be."""
    if domain in (START, OVERALL):
        return tuple(reversed(tuple(LEVELS))) if domain == OVERALL else ("high", "low")
    if domain == "large_effect":
        return ("not_serious", *UP)
    down = [word for word, steps in DOWN.items() if steps > -3 or domain in THREE]
    return (*down, *UP) if domain == "other" else tuple(down)


def sides(modality: str) -> list[str]:
    """The treatments of a row: one of a rate, two of a contrast."""
    return [side.strip() for side in modality.split(_CONTRAST)]


def start_of(question: str, rows: Iterable[Mapping[str, Any]]) -> str:
    """The level that a rating starts from.

    How often an outcome occurs in treated patients is a question that observational studies answer: high. A contrast of modalities
    from studies without randomisation starts low, unless the risk of bias was judged by ROBINS-I, which then lowers it.
    """
    if question == "rate":
        return "high"
    return next((str(row["rating"]) for row in rows if row["domain"] == START), "low")


def level_of(start: str, rows: Iterable[Mapping[str, Any]]) -> str:
    """The level after all ratings: never below very low, never above high."""
    names = list(LEVELS)
    steps = sum(STEPS[str(row["rating"])] for row in rows if row["domain"] in DOMAINS)
    return names[min(max(names.index(start) + steps, 0), len(names) - 1)]


@dataclass(frozen=True, eq=False, repr=False)
class Grade(Result):
    """The certainty of one body of evidence.

    Attributes
    ----------
    outcome, modality, definition, question : str
        What was rated; ``definition`` is empty where the outcome has one alone.
    start : str
        The level before any rating: "high" or "low".
    level : str or None
        "high", "moderate", "low" or "very low"; None where a domain is not rated.
    reason : str or None
        Why there is no level.
    """

    outcome: str
    modality: str
    definition: str
    question: str
    start: str
    level: str | None
    reason: str | None
    method: Method
    _rows: tuple[Mapping[str, Any], ...]

    _entries = ("outcome", "modality", "definition", "question", "start", "level", "symbols", "reason", ("ratings", "_frame"))

    @property
    def _frame(self) -> pd.DataFrame:
        return self.to_frame()

    @property
    def heading(self) -> str:
        """What was rated."""
        return f"Certainty of the evidence: {self.outcome}, {self.modality}"

    @property
    def symbols(self) -> str:
        """Four signs, one filled for each level: "⊕⊕⊖⊖"; empty without a level."""
        if self.level is None:
            return ""
        full = list(LEVELS.values()).index(self.level) + 1
        return "⊕" * full + "⊖" * (4 - full)

    @property
    def changes(self) -> tuple[tuple[str, int, str], ...]:
        """The ratings that move the level: domain in words, levels down (negative) or up, and the reason."""
        found = [(str(row["domain"]), STEPS[str(row["rating"])], str(row["reason"])) for row in self._ratings()]
        return tuple((DOMAINS[domain], steps, reason) for domain, steps, reason in found if steps)

    def _ratings(self) -> list[Mapping[str, Any]]:
        order = list(DOMAINS)
        return sorted((row for row in self._rows if row["domain"] in DOMAINS), key=lambda row: order.index(str(row["domain"])))

    def sentence(self) -> str:
        """The level with what moved it, or why there is none."""
        if self.level is None:
            return str(self.reason)
        moved = [f"{steps:+d} {domain}".replace("-", "−") for domain, steps, _ in self.changes]
        text = f"Certainty of the evidence (GRADE): {self.level} {self.symbols}; it starts {self.start}"
        return f"{text}, {listing(moved, 9)}." if moved else f"{text}, and no domain moves it."

    def table(self) -> tuple[Sequence[str], list[tuple[str, ...]]]:
        """A row for each rating."""
        rows: list[tuple[str, ...]] = []
        for row in self._ratings():
            steps = STEPS[str(row["rating"])]
            shown = f"{steps:+d}".replace("-", "−") if steps else "0"
            words = str(row["rating"]).replace("_", " ") if str(row["rating"]) in DOWN else "rated up"
            rows.append((DOMAINS[str(row["domain"])], words, shown, visible(row["reason"]), visible(row.get("assessor") or "")))
        return ("Domain", "Rating", "Levels", "Reason", "Assessor"), rows

    def rows(self) -> list[tuple[str, str]]:
        """Start and level."""
        shown = NOT_ASSESSED if self.level is None else f"{self.level} {self.symbols}"
        return [("Start", self.start), ("Certainty", shown)]

    def to_frame(self) -> pd.DataFrame:
        """The ratings: domain, rating, steps, reason, assessor.

        Returns
        -------
        pandas.DataFrame
            One row for each rated domain, in the order of GRADE.
        """
        import pandas as pd

        rows = [
            (row["domain"], row["rating"], STEPS[str(row["rating"])], row["reason"], row.get("assessor") or "")
            for row in self._ratings()
        ]
        return pd.DataFrame(rows, columns=["domain", "rating", "steps", "reason", "assessor"])


@dataclass(frozen=True)
class Body:
    """A body of evidence that is rated: outcome, treatment (of a contrast two), definition (None: the default one), question."""

    outcome: str
    modality: str
    definition: str | None
    question: str

    def checked(self, arms: pd.DataFrame, outcome: Outcome) -> Body:
        """The same, if all its words are known."""
        check_choice("question", self.question, QUESTIONS)
        two = self.question == "contrast"
        found = sides(self.modality) if isinstance(self.modality, str) else [self.modality]
        if len(found) != 1 + two:
            fix = "two treatments, such as 'TACE versus PRRT'," if two else "one treatment"
            raise ArgumentError(f"modality={as_given(self.modality)} must be {fix} for question={self.question!r}.")
        known = sorted({str(value) for column in ("modality", "modality_class") if column in arms for value in arms[column]})
        for side in found:
            check_choice("modality", side, known)
        if self.definition is not None:
            check_choice("definition", self.definition, sorted(outcome.titles))
        return self


def grade_of(rows: Iterable[Mapping[str, Any]], body: Body, default: str) -> Grade:
    """The certainty of one body of evidence from all rows of the table; `default` is the definition that an empty one stands for."""
    definition = body.definition or default
    mine = tuple(
        row
        for row in rows
        if (row["outcome"], row["modality"], row["question"]) == (body.outcome, body.modality, body.question)
        and (row.get("definition") or default) == definition
    )
    start = start_of(body.question, mine)
    rated = {str(row["domain"]) for row in mine}
    missing = [title for domain, title in FIVE.items() if domain not in rated]
    reason, level = None, None
    if not mine:
        reason = "The certainty of the evidence (GRADE) was not assessed."
    elif missing:
        reason = f"The certainty of the evidence (GRADE) has no level, because not every domain was rated: {listing(missing)}."
    else:
        level = LEVELS[level_of(start, mine)]
    people = sorted({str(row["assessor"]) for row in mine if row.get("assessor")})
    stamp = {
        "outcome": body.outcome,
        "modality": body.modality,
        "definition": definition,
        "question": body.question,
        "sentence": "Levels by GRADE: start and ratings summed, never below very low or above high; the ratings are by people"
        + (f" ({listing(people, 8)})." if people else "."),
        "sources": list(_SOURCES),
        "notes": [],
    }
    return Grade(body.outcome, body.modality, definition, body.question, start, level, reason, Method(stamp), mine)
