"""The PRISMA 2020 flow of a review: its numbers, the check of every sum, and the sentences of a report."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from metanet._version import __version__
from metanet.base import drawing
from metanet.base.arguments import checked
from metanet.base.errors import ArgumentError, DataError, Problem, as_given, shorten
from metanet.base.results import Method, Result
from metanet.base.untrusted import counted, listing, visible
from metanet.evidence.findings import data_error
from metanet.evidence.search.checks import beside_of
from metanet.evidence.search.identities import Checked, checked_beside, checked_rules
from metanet.evidence.search.numbers import Numbers, read_numbers
from metanet.evidence.search.tables import FLOW, NUMBERS
from metanet.evidence.sources import Tables, evidence_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_SOURCES = (
    "Page et al. (2021), PRISMA 2020, doi:10.1136/bmj.n71",
    "Haddaway et al. (2022), PRISMA2020, doi:10.1002/cl2.1230",
    "Rethlefsen et al. (2021), PRISMA-S, doi:10.1186/s13643-020-01542-z",
)
_REASON = f"This review has no flow of its search: {FLOW} has no numbers."
_SOUGHT = ("dbr_sought_reports", "dbr_notretrieved_reports", "dbr_assessed", "dbr_excluded")
_OTHER = ("other_sought_reports", "other_notretrieved_reports", "other_assessed", "other_excluded")


@dataclass(frozen=True)
class Search:
    """One search of a database or register."""

    database: str
    platform: str
    date: str

    @property
    def where(self) -> str:
        """The database with its platform."""
        name, platform = visible(self.database), visible(self.platform)
        return f"{name} ({platform})" if platform else name

    @property
    def day(self) -> str:
        """The day in words; as it is written where it is none."""
        try:
            day = datetime.date.fromisoformat(self.date)
        except ValueError:
            return visible(self.date)
        return f"{day.day} {day:%B} {day.year}"


@dataclass(frozen=True, eq=False, repr=False)
class PrismaFlow(Result):
    """The flow of records, reports and studies through a review.

    Attributes
    ----------
    numbers : mapping of str to int
        Key of the PRISMA2020 template -> number; of a list its sum. What is not known is absent.
    lists : mapping of str to tuple
        Key -> pairs of a name and its number: reasons of exclusions, records of each database.
    reason : str or None
        Why there is no flow, or None.
    """

    method: Method
    numbers: Mapping[str, int]
    lists: Mapping[str, tuple[tuple[str, int], ...]]
    reason: str | None
    _checked: tuple[Checked, ...] = field(repr=False)
    _searches: tuple[Search, ...] = field(default=(), repr=False)
    #: Where the numbers are, for messages.
    _place: str = field(default=FLOW, repr=False)

    _entries = ("numbers", "lists", "identities", "reason")

    @property
    def heading(self) -> str:
        """What the result is called."""
        return "PRISMA 2020 flow"

    @property
    def identities(self) -> pd.DataFrame:
        """Every checked sum: identity, left, right, difference, and whether it holds; missing where the left is not known."""
        import pandas as pd

        rows = [(each.sentence(), each.left, each.right, each.difference, each.holds) for each in self._checked]
        frame = pd.DataFrame(rows, columns=["identity", "left", "right", "difference", "holds"], dtype=object)
        whole = {"left": "Int64", "right": "Int64", "difference": "Int64", "holds": "boolean"}
        return frame.astype({"identity": "str", **whole})

    def check(self) -> PrismaFlow:
        """Refuse numbers that contradict each other.

        Returns
        -------
        PrismaFlow
            This flow.

        Raises
        ------
        DataError
            With every sum that does not hold in ``.problems``: both sides and the difference.
        """
        if problems := tuple(_problems(self._checked, self._place)):
            raise data_error(self.heading, problems)
        return self

    def figure(self, **options: Any) -> Axes:
        """The PRISMA 2020 flow diagram.

        Parameters
        ----------
        **options
            ``ax``, ``title`` and ``notes``, as in every figure.

        Returns
        -------
        Axes
            Boxes with the numbers. Previous studies, other methods and the meta-analysis are left out where the review has no such
            numbers. `save_figure` writes them as SVG, PDF and PNG.

        Raises
        ------
        DataError
            Numbers that contradict each other, as in `check`.
        """
        axes: Axes = drawing.draw("prisma_flow", self.check(), **options)
        return axes

    def to_frame(self) -> pd.DataFrame:
        """One row for each number, and one for each name of a list: key, title, name, n."""
        import pandas as pd

        rows = [
            (key, about.title, name, n)
            for key, about in NUMBERS.items()
            if key in self.numbers
            for name, n in (*(self.lists.get(key) or (("", self.numbers[key]),)),)
        ]
        return pd.DataFrame(rows, columns=["key", "title", "name", "n"])

    def rows(self) -> list[tuple[str, str]]:
        """The numbers in the order of the flow."""
        return [(about.title, f"{self.numbers[key]:,}") for key, about in NUMBERS.items() if key in self.numbers]

    def methods(self) -> str:
        """What was searched and when, by the table of searches; empty where there is none (PRISMA items 6 and 16a)."""
        if not self._searches:
            return ""
        days = list(dict.fromkeys(search.day for search in self._searches))
        if len(days) == 1:
            where = listing(dict.fromkeys(search.where for search in self._searches), 50)
            verb = "was" if len({search.where for search in self._searches}) == 1 else "were"
            return f"{where} {verb} last searched on {days[0]}."
        last: dict[str, Search] = {}
        for search in self._searches:
            if search.where not in last or search.date > last[search.where].date:
                last[search.where] = search
        return f"The last searches were: {listing((f'{where} on {search.day}' for where, search in last.items()), 50)}."

    def sentence(self) -> str:
        """The flow in words, for the results section (PRISMA item 16a)."""
        return self.reason or " ".join(part for part in self._parts() if part)

    def _parts(self) -> Iterator[str]:
        yield self._identified()
        yield self._screened()
        yield self._assessed(_SOUGHT, "", "")
        sources = self._named("website_results", "organisation_results", "citations_results")
        if any(self.numbers.get(key) for key in _OTHER) or sources:
            yield self._assessed(_OTHER, " by other methods", f" ({'; '.join(sources)})" if sources else "")
        yield self._included()

    def _named(self, *keys: str) -> list[str]:
        """Names and numbers of those that are not 0: "databases, 400"."""
        return [f"{NUMBERS[key].short}, {self.numbers[key]:,}" for key in keys if self.numbers.get(key)]

    def _identified(self) -> str:
        found = self._named("database_results", "register_results")
        if not found:
            return ""
        total = sum(self.numbers.get(key, 0) for key in ("database_results", "register_results"))
        text = f"The searches found {counted(total, 'record')} ({'; '.join(found)})"
        named = {
            "duplicates": "duplicates",
            "excluded_automatic": "marked as ineligible by automation tools",
            "excluded_other": "other reasons",
        }
        gone = [f"{words}, {self.numbers[key]:,}" for key, words in named.items() if self.numbers.get(key)]
        if gone:
            many = sum(self.numbers.get(key, 0) for key in named)
            text += f"; {many:,} {'was' if many == 1 else 'were'} removed before screening ({'; '.join(gone)})"
        return f"{text}."

    def _screened(self) -> str:
        screened, out = self.numbers.get("records_screened"), self.numbers.get("records_excluded")
        if screened is None:
            return ""
        text = f"{counted(screened, 'record')} {'was' if screened == 1 else 'were'} screened"
        return f"{text}." if out is None else f"{text} and {out:,} excluded."

    def _assessed(self, keys: tuple[str, ...], by: str, sources: str) -> str:
        sought, lost, assessed, out = (self.numbers.get(key) for key in keys)
        parts = []
        if sought is not None:
            text = f"{counted(sought, 'report')}{by}{sources} {'was' if sought == 1 else 'were'} sought for retrieval"
            parts.append(f"{text}, of which {lost:,} {'was' if lost == 1 else 'were'} not retrieved" if lost else text)
        if assessed is not None:
            subject = f"{assessed:,}" if parts else f"{counted(assessed, 'report')}{by}{sources}"
            text = f"{subject} {'was' if assessed == 1 else 'were'} assessed for eligibility"
            if out:
                named = [f"{visible(name)}, {n:,}" for name, n in self.lists[keys[3]] if name]
                told = f" ({'; '.join(named)})" if named else ""
                text += f", of which {out:,} {'was' if out == 1 else 'were'} excluded{told}"
            parts.append(text)
        return f"{'; '.join(parts)}." if parts else ""

    def _included(self) -> str:
        updated = bool(self.numbers.get("previous_studies") or self.numbers.get("previous_reports"))
        new = self._studies("new_studies", "new_reports", "new " if updated else "")
        parts = []
        if new:
            text, many = new
            parts.append(f"{text} {'was' if many == 1 else 'were'} included")
        if updated and (before := self._studies("previous_studies", "previous_reports")):
            total = self._studies("total_studies", "total_reports")
            text = f"the previous version of the review had {before[0]}"
            parts.append(f"{text}, so that there are {total[0]} in total" if total else text)
        if meta := self._studies("total_studies_ma", "total_reports_ma"):
            parts.append(f"{meta[0]} {'is' if meta[1] == 1 else 'are'} in the meta-analysis")
        joined = "; ".join(parts)
        return f"{joined[:1].upper()}{joined[1:]}." if joined else ""

    def _studies(self, studies: str, reports: str, what: str = "") -> tuple[str, int] | None:
        """Studies with their reports, and how many the sentence is about."""
        k, n = self.numbers.get(studies), self.numbers.get(reports)
        if k is None:
            return None if n is None else (f"{counted(n, f'{what}report')}", n)
        text = counted(k, f"{what}study", f"{what}studies")
        return (text if n is None else f"{text} ({counted(n, 'report')})"), k


def _problems(checked_: tuple[Checked, ...], place: str) -> Iterator[Problem]:
    for each in checked_:
        if each.holds is False and not each.notice:
            column = "n" if place == FLOW else None
            yield Problem(place, column=column, wrong=each.wrong(), fix="Correct one of the numbers")


@checked()
def prisma_flow(evidence: Tables | Mapping[str, Any] | None = None) -> PrismaFlow:
    """The PRISMA 2020 flow of a review, with every sum checked.

    Parameters
    ----------
    evidence
        Evidence with a table search_flow.csv, or the folder of a review. Or the numbers themselves under the keys of that table,
        lists as a mapping of names to numbers or as a text: ``{"records_screened": 350, "dbr_excluded": {"No rate": 15}}``. None
        takes the tables of the folder you work in.

    Returns
    -------
    PrismaFlow
        Without numbers, and with the reason, where the review has no such table.

    Raises
    ------
    ArgumentError
        A key or a number that cannot be read.

    See Also
    --------
    validate : reports sums that do not hold at their place in the table; `load_evidence` refuses such a table.

    References
    ----------
    Page et al. (2021), PRISMA 2020, doi:10.1136/bmj.n71. Haddaway et al. (2022), whose keys these are, doi:10.1002/cl2.1230.

    Examples
    --------
    >>> import metanet as mn
    >>> flow = mn.prisma_flow({"records_screened": 350, "records_excluded": 280, "dbr_sought_reports": 70})
    >>> flow.check().sentence()
    '350 records were screened and 280 excluded. 70 reports were sought for retrieval.'
    """
    if isinstance(evidence, Mapping):
        return _made(_given(evidence), place="numbers")
    tables = evidence_of(evidence)
    rows = tables.optional_rows("search_flow")
    numbers = read_numbers(((str(row.get("data") or ""), str(row.get("n") or "")) for row in rows), _refuse_cell)
    searched = tables.optional_rows("searches")
    columns = [name for name in ("study_id", "poolable", "events") if name in tables.outcomes]
    outcomes = tables.outcomes[columns].to_dict("records") if numbers else []
    beside = beside_of(tables.optional_rows("excluded"), searched, tables.studies, outcomes)
    searches = [Search(*(str(row.get(name) or "") for name in ("database", "platform", "date"))) for row in searched]
    return _made(numbers, tuple(checked_beside(numbers, beside)), tuple(searches))


def _made(numbers: Numbers, beside: tuple[Checked, ...] = (), searches: tuple[Search, ...] = (), place: str = FLOW) -> PrismaFlow:
    sums = (*checked_rules(numbers), *beside) if numbers else ()
    holding = sum(each.holds is True for each in sums)
    notes = [f"{each.wrong(titled=True)}." for each in sums if each.holds is False]
    notes += [f"{each.sentence()}: the number on the left is not given." for each in sums if each.holds is None]
    told = f"{counted(holding, 'sum')} of the flow {'holds' if holding == 1 else 'hold'}." if numbers else ""
    method = Method({"version": __version__, "sentence": told, "sources": _SOURCES if numbers else (), "notes": notes})
    known = {key: n for key in NUMBERS if (n := numbers.get(key)) is not None}
    return PrismaFlow(method, known, dict(numbers.lists), None if numbers else _REASON, sums, searches, place)


def _refuse_cell(key: str, column: str, wrong: str, fix: str) -> None:
    place = Problem(FLOW, column=column, value=key, wrong=wrong, fix=fix)
    raise DataError(visible(place), [place])


def _given(numbers: Mapping[str, Any]) -> Numbers:
    """Numbers that a caller has written down."""
    cells = [(str(key), _text(key, value)) for key, value in numbers.items()]

    def refuse(key: str, column: str, wrong: str, fix: str) -> None:
        shown = f"evidence: {as_given(key)}" if column == "data" else f"evidence: {key}={as_given(numbers[key])}"
        raise ArgumentError(f"{visible(shown)} {wrong}. Fix: {fix}.")

    return read_numbers(cells, refuse)


def _text(key: str, value: Any) -> str:
    """A number as its cell."""
    if isinstance(value, Mapping):
        parts = []
        for name, number in value.items():
            if ";" in str(name) or not str(name).strip():
                shown = visible(shorten(name))
                raise ArgumentError(f"evidence: {visible(key)} has the name {shown!r}. Fix: write a name without a semicolon.")
            parts.append(f"{name}, {_text(key, number)}")
        return "; ".join(parts)
    if value is None:
        return ""
    if isinstance(value, bool) or (not isinstance(value, (int, float, str)) and not hasattr(value, "__index__")):
        raise ArgumentError(f"evidence: {visible(key)}={as_given(value)} must be a whole number or a list of names and numbers.")
    return str(value)
