"""Analyses of two groups, as RevMan keeps them, to counts of study arms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from metanet.base.errors import ArgumentError, nearest, shorten
from metanet.base.untrusted import counted, listing, visible
from metanet.reviews.importers.extracted_counts import Count, Found, Place, Renames, Request, cell, count_cell, name_fault, spelled

DICHOTOMOUS = "dichotomous"
#: Which columns of the tables the four numbers of a row fill.
GROUPS = (("events_1", "total_1"), ("events_2", "total_2"))
_GENERIC = {"experimental", "treatment", "intervention", "control", "comparator", "comparison", "group 1", "group 2"}


@dataclass(frozen=True)
class GroupRow:
    """One study in one analysis: events and totals of its two groups, as written."""

    place: Place
    study: str
    subgroup: str
    numbers: Mapping[str, str]
    about: Mapping[str, str]


@dataclass
class Analysis:
    """One analysis: an outcome of a comparison."""

    number: str
    name: str
    comparison: str
    kind: str
    labels: tuple[str, str]
    line: int | None = None
    swapped: bool = False
    rows: list[GroupRow] = field(default_factory=list)

    @property
    def title(self) -> str:
        """Number and name, harmless in a message."""
        return visible(shorten(f"{self.number} {self.name}", 100))


@dataclass(frozen=True)
class _Chosen:
    analysis: Analysis
    rows: tuple[GroupRow, ...]


def counts_of(analyses: Sequence[Analysis], request: Request, found: Found) -> None:
    """Put the counts of the chosen analyses into `found`, with the faults and with what is left out."""
    chosen = _choose(analyses, request.outcomes, found)
    usable: list[_Chosen] = []
    for each in chosen:
        if each.analysis.kind == DICHOTOMOUS:
            usable.append(each)
        elif request.outcomes:
            found.refuse(
                f"has {each.analysis.kind} data; events and totals of two groups are what can be imported",
                "Name another outcome",
                row=each.analysis.line,
                value=each.analysis.title,
            )
        else:
            found.left_out.append(f"{each.analysis.title}: {each.analysis.kind} data")
    if not usable and not found.findings.faults:
        there = f"; it has {listing(found.left_out, 5)}" if found.left_out else ""
        found.refuse(f"has no outcome with events and totals of two groups{there}", "Give another file, or make a CSV")
    for each in usable:
        _counts(each, request.renames, found)
    _generic_labels([each.analysis for each in usable], found)


def _choose(analyses: Sequence[Analysis], wanted: Sequence[str], found: Found) -> list[_Chosen]:
    if not wanted:
        return [_Chosen(analysis, tuple(analysis.rows)) for analysis in analyses]
    known: dict[str, dict[int, list[GroupRow]]] = defaultdict(dict)
    for place, analysis in enumerate(analyses):
        for name in {analysis.number, analysis.name}:
            known[name.casefold()][place] = analysis.rows
            for subgroup in {row.subgroup for row in analysis.rows if row.subgroup}:
                rows = [row for row in analysis.rows if row.subgroup == subgroup]
                known[f"{name} / {subgroup}".casefold()][place] = rows
    taken: dict[int, dict[int, GroupRow]] = defaultdict(dict)
    for word in wanted:
        if word.casefold() not in known:
            names = [analysis.name for analysis in analyses] + [analysis.number for analysis in analyses]
            near = nearest(word, names)
            hint = f"Did you mean {visible(near)!r}?" if near else f"The file has {listing((a.title for a in analyses), 12)}."
            raise ArgumentError(f"outcomes={visible(shorten(word))!r} is not an outcome of {found.file}. {hint}")
        for place, rows in known[word.casefold()].items():
            taken[place].update({id(row): row for row in rows})
    found.left_out += [f"{analysis.title}: not chosen" for place, analysis in enumerate(analyses) if place not in taken]
    return [_Chosen(analyses[place], tuple(taken[place].values())) for place in sorted(taken)]


def _counts(chosen: _Chosen, renames: Renames, found: Found) -> None:
    analysis = chosen.analysis
    outcome = renames(analysis.name)
    first, second = (renames(label) for label in analysis.labels)
    for what in (outcome, first, second):
        if (fault := name_fault(what)) is not None:
            found.refuse(*fault, row=analysis.line, column="name", value=what)
            return
    if first.casefold() == second.casefold():
        found.refuse(
            f"is the label of both groups of {analysis.title}", "Give the groups two labels in RevMan", row=analysis.line, value=first
        )
        return
    if analysis.swapped:
        found.notes.append(
            f"{analysis.title}: RevMan analyses the patients without the event; the events are imported as they were entered."
        )
    groups: dict[str, str] = {}
    empty = 0
    for row in chosen.rows:
        if not any(text.strip(" 0.") for text in row.numbers.values()):
            empty += 1
            continue
        other = groups.setdefault(row.study, row.subgroup)
        if other != row.subgroup:
            found.refuse(
                f"is in the subgroups {visible(shorten(other))!r} and {visible(shorten(row.subgroup))!r} of {analysis.title}, so "
                "its patients may be counted twice",
                f"Choose one with {spelled('outcomes', f'{analysis.number} / {visible(shorten(other))}')}",
                row=row.place.row,
                column=row.place.columns.get("study"),
                value=row.study,
            )
            continue
        for (events, total), label in zip(GROUPS, (first, second), strict=True):
            found.counts.append(_count(row, outcome, label, events, total, analysis))
    if empty:
        found.left_out.append(f"{analysis.title}: {counted(empty, 'row')} without a number")


def _count(row: GroupRow, outcome: str, label: str, events: str, total: str, analysis: Analysis) -> Count:
    where = f"Analysis {analysis.number}" + (f", {row.subgroup}" if row.subgroup else "")
    columns = {name: row.place.columns[name] for name in ("study", "year") if name in row.place.columns}
    columns |= {"events": row.place.columns.get(events, events), "total": row.place.columns.get(total, total)}
    return Count(
        Place(row.place.row, columns),
        row.study,
        outcome,
        {
            **{name: cell(text) for name, text in row.about.items()},
            "arm": cell(label),
            "modality": cell(label),
            "events": count_cell(row.numbers.get(events, "")),
            "total": count_cell(row.numbers.get(total, "")),
            "source_locator": cell(where),
        },
    )


def _generic_labels(analyses: Iterable[Analysis], found: Found) -> None:
    """A label such as "Treatment" may mean another drug in the next comparison; the reader must know."""
    where: dict[str, dict[str, None]] = defaultdict(dict)
    for analysis in analyses:
        for label in analysis.labels:
            if label.casefold() in _GENERIC:
                where[label][analysis.comparison or analysis.number] = None
    for label, comparisons in where.items():
        if len(comparisons) > 1:
            found.notes.append(
                f"{visible(label)!r} is the label of a group in {counted(len(comparisons), 'comparison')} "
                f"({listing(comparisons, 4)}) and becomes one modality. If it is a different treatment in each, import one "
                f"comparison at a time with {spelled('outcomes', 'NUMBER')} and {spelled('renames', 'NAME=OTHER')}."
            )
