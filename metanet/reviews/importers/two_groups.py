"""Analyses of two groups, as RevMan keeps them, to counts of study arms.

Rules for what one analysis holds:

- A generic label ("Intervention", "Higher dose") is the treatment that the contrast in the name of the subgroup, of the analysis or of
  the comparison gives ("Alfa versus placebo"). Where none does and the label could mean several treatments, it keeps the name of
  its comparison or subgroup, so that different treatments never become one.
- A study in several subgroups has an arm for each ("Drug, Swab positive") where the review adds the subgroups up, and a control group
  with the same counts in each of them is one arm. Where the review does not add them up, or the groups have the same sizes and other
  events (deaths by cause), each subgroup is an outcome of its own.
- The outcome is the name of the analysis; where that is a contrast and the name of the comparison is none, it is the latter.
- An analysis that has other counts for an arm than an earlier analysis of the same outcome is an outcome of its own.
- A row with nobody in a group is left out and named.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from metanet.base.errors import ArgumentError, nearest, shorten
from metanet.base.untrusted import counted, listing, visible
from metanet.reviews.importers.extracted_counts import Count, Found, Place, Request, cell, count_cell, name_fault, spelled
from metanet.reviews.importers.labels import Names, contrast, folded, is_generic, plain_text, resolved
from metanet.reviews.names import cut

DICHOTOMOUS = "dichotomous"
#: Which columns of the tables the four numbers of a row fill.
GROUPS = (("events_1", "total_1"), ("events_2", "total_2"))
#: The longest names of a group and of an outcome; longer ones are shortened.
_LONGEST_NAME, _LONGEST_OUTCOME = 110, 190


@dataclass(frozen=True)
class GroupRow:
    """One study in one analysis: events and totals of its two groups, as written, and the effect that the file states for it."""

    place: Place
    study: str
    subgroup: str
    numbers: Mapping[str, str]
    about: Mapping[str, str]
    stated: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Analysis:
    """One analysis: an outcome of a comparison.

    `totals` says whether the review adds the subgroups up: "YES" for an overall total, "SUB" for totals of the subgroups alone, "NO"
    for none; empty where the file does not say. `stated` are the method and the results that the file gives for the analysis, and
    `stated_subgroups` those of each subgroup, as the program writes them.
    """

    number: str
    name: str
    comparison: str
    kind: str
    labels: tuple[str, str]
    line: int | None = None
    swapped: bool = False
    rows: list[GroupRow] = field(default_factory=list)
    totals: str = ""
    stated: Mapping[str, str] = field(default_factory=dict)
    stated_subgroups: dict[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Number and name, harmless in a message."""
        return visible(shorten(f"{self.number} {plain_text(self.name)}", 100))


@dataclass(frozen=True)
class _Chosen:
    analysis: Analysis
    rows: tuple[GroupRow, ...]


@dataclass(frozen=True)
class _Group:
    """One group of one row, on its way to an arm."""

    row: GroupRow
    analysis: Analysis
    side: int
    outcome: str
    treatment: str

    @property
    def numbers(self) -> tuple[str, str]:
        """Events and total as cells."""
        events, total = GROUPS[self.side]
        return count_cell(self.row.numbers.get(events, "")), count_cell(self.row.numbers.get(total, ""))


def counts_of(analyses: Sequence[Analysis], request: Request, found: Found) -> None:
    """Put the counts of the chosen analyses into `found`, with the faults and with what is left out."""
    found.analyses = tuple(analyses)
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
    _Import(request, found, usable).run()


def _choose(analyses: Sequence[Analysis], wanted: Sequence[str], found: Found) -> list[_Chosen]:
    if not wanted:
        return [_Chosen(analysis, tuple(analysis.rows)) for analysis in analyses]
    known: dict[str, dict[int, list[GroupRow]]] = defaultdict(dict)
    for place, analysis in enumerate(analyses):
        number = analysis.number.split(".")[0]
        # A comparison by its name, or by its number where no analysis has that number.
        for word in {f"{number}.", plain_text(analysis.comparison)} - {""}:
            known[word.casefold()][place] = analysis.rows
    for place, analysis in enumerate(analyses):
        for name in {analysis.number, analysis.name, plain_text(analysis.name)}:
            known[name.casefold()][place] = analysis.rows
            for subgroup in {row.subgroup for row in analysis.rows if row.subgroup}:
                rows = [row for row in analysis.rows if row.subgroup == subgroup]
                for spelling in {subgroup, plain_text(subgroup)}:
                    known[f"{name} / {spelling}".casefold()][place] = rows
    all_but = bool(wanted) and all(word.startswith("-") and word.casefold() not in known for word in wanted)
    taken: dict[int, dict[int, GroupRow]] = defaultdict(dict)
    whole: set[int] = set()
    if all_but:
        whole = set(range(len(analyses)))
        for place, analysis in enumerate(analyses):
            taken[place] = {id(row): row for row in analysis.rows}
    for word in wanted:
        key = (word[1:] if all_but else word).strip().casefold()
        if key not in known and f"{key}." in known:
            key = f"{key}."
        if key not in known:
            names = [analysis.name for analysis in analyses] + [analysis.number for analysis in analyses]
            near = nearest(word, names)
            hint = f"Did you mean {visible(near)!r}?" if near else f"The file has {listing((a.title for a in analyses), 12)}."
            raise ArgumentError(f"outcomes={visible(shorten(word))!r} is not an outcome of {found.file}. {hint}")
        for place, rows in known[key].items():
            if all_but:
                gone = {id(each) for each in rows}
                taken[place] = {key: row for key, row in taken[place].items() if key not in gone}
                if not taken[place]:
                    whole.discard(place)
            else:
                whole.add(place)
                taken[place].update({id(row): row for row in rows})
    found.left_out += [f"{analysis.title}: not chosen" for place, analysis in enumerate(analyses) if place not in whole]
    return [_Chosen(analyses[place], tuple(taken[place].values())) for place in sorted(whole)]


def _same_patients(rows: Sequence[GroupRow]) -> list[str]:
    """The studies with other events of groups of the same sizes in two subgroups: other events of the same patients.

    A control group that does not change is that of several treatment groups, which are other patients.
    """
    seen: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for row in rows:
        seen[row.study].append(tuple(count_cell(row.numbers.get(name, "")) for name in ("total_1", "total_2", "events_2", "events_1")))
    return [
        study
        for study, counts in seen.items()
        if any(one[:2] == two[:2] and one[2] != two[2] for place, one in enumerate(counts) for two in counts[:place])
    ]


class _Import:
    """The groups of all chosen analyses, resolved into arms."""

    def __init__(self, request: Request, found: Found, chosen: Sequence[_Chosen]) -> None:
        self.renames, self.found, self.chosen = request.renames, found, chosen
        self.names = Names({folded(name): name for name in request.treatments})
        self.comparisons = {each.analysis.comparison or each.analysis.number.split(".")[0] for each in chosen}
        #: Outcome -> study and arm -> the count that is taken, for what contradicts it.
        self.taken: dict[str, dict[tuple[str, str], _Group]] = defaultdict(dict)
        self.unresolved: dict[str, dict[str, None]] = defaultdict(dict)

    def run(self) -> None:
        """Fill the counts."""
        before = len(self.found.counts)
        for each in self.chosen:
            self._analysis(each)
        for label, instead in self.unresolved.items():
            some = next(iter(instead))
            self.found.notes.append(
                f"{visible(label)!r} is the label of a group in several comparisons or subgroups and may mean another treatment in "
                f"each, so it became {listing((repr(visible(name)) for name in instead), 4)}. Give the treatment with "
                f"{spelled('renames', f'{some}=TREATMENT')}."
            )
        self.found.notes += self.names.notes()
        if self.chosen and len(self.found.counts) == before and not self.found.findings.faults:
            there = f": {listing(self.found.left_out, 5)}" if self.found.left_out else ""
            self.found.refuse(f"has no row that can be imported{there}", "Give another file, or make a CSV")

    def _analysis(self, chosen: _Chosen) -> None:
        analysis, found = chosen.analysis, self.found
        outcome = self.renames(cut(self._outcome_of(analysis), _LONGEST_OUTCOME))
        for what, column in ((outcome, "name"), *((cut(plain_text(label), _LONGEST_NAME), "label") for label in analysis.labels)):
            if (fault := name_fault(what)) is not None:
                found.refuse(*fault, row=analysis.line, column=column, value=what)
                return
        if analysis.swapped:
            found.notes.append(
                f"{analysis.title}: RevMan analyses the patients without the event; the events are imported as they were entered."
            )
        rows = [row for row in chosen.rows if any(text.strip(" 0.") for text in row.numbers.values())]
        if len(rows) < len(chosen.rows):
            gone = listing((visible(row.study) for row in chosen.rows if row not in rows), 50)
            found.left_out.append(f"{analysis.title}: {counted(len(chosen.rows) - len(rows), 'row')} without a number ({gone})")
        rows = [row for row in rows if self._possible(row, analysis)]
        subgroups: dict[str, dict[str, None]] = defaultdict(dict)
        for row in rows:
            subgroups[row.study][row.subgroup] = None
        several = {study for study, names in subgroups.items() if len(names) > 1}
        contrasts = all(contrast(row.subgroup) is not None for row in rows if row.study in several)
        same = _same_patients([row for row in rows if row.study in several])
        apart = bool(several) and not contrasts and (analysis.totals in ("SUB", "NO") or bool(same))
        if apart:
            studies = counted(len(several), "study", "studies")
            why = f"with the same patients ({listing(map(visible, same), 4)})" if same else "which the review does not add up"
            found.notes.append(f"{analysis.title}: {studies} in several subgroups, {why}; each is an outcome of its own.")
        pairs = {id(row): self._treatments(analysis, row, apart=apart) for row in rows}
        if any(pair is None for pair in pairs.values()):
            return
        groups = []
        for row in rows:
            pair = pairs[id(row)]
            assert pair is not None  # as above
            where = cut(f"{outcome}: {plain_text(row.subgroup)}", _LONGEST_OUTCOME) if apart and row.subgroup else outcome
            groups.append((_Group(row, analysis, 0, where, pair[0]), _Group(row, analysis, 1, where, pair[1])))
        self._counts(self._arms(groups, analysis, apart=apart), analysis)

    def _outcome_of(self, analysis: Analysis) -> str:
        """The outcome of an analysis; some reviews have the contrast as its name and the outcome as that of the comparison."""
        name, comparison = plain_text(analysis.name), plain_text(analysis.comparison)
        if contrast(name) is None:
            return name
        if comparison:
            return name if contrast(comparison) is not None else comparison
        # The rows alone do not name the comparison, which may be another outcome.
        number = analysis.number.split(".")[0]
        return name if len(self.comparisons) == 1 else f"{cut(name, _LONGEST_OUTCOME - 20)} (comparison {number})"

    def _possible(self, row: GroupRow, analysis: Analysis) -> bool:
        """Whether both groups have patients, and no more events than patients; a row that has not is named."""
        for side in GROUPS:
            events, total = (count_cell(row.numbers.get(name, "")) for name in side)
            if total.isdecimal() and (int(total) == 0 or (events.isdecimal() and int(events) > int(total))):
                self.found.left_out.append(f"{analysis.title}: {visible(row.study)}, {events} of {total} in a group")
                return False
        return True

    def _treatments(self, analysis: Analysis, row: GroupRow, *, apart: bool) -> tuple[str, str] | None:
        """What the two groups of a row were treated with."""
        first, second = (cut(plain_text(label), _LONGEST_NAME) for label in analysis.labels)
        given = self.renames(first), self.renames(second)
        contexts = [name for name in (row.subgroup, analysis.name, analysis.comparison) if name]
        pair, plain = resolved(given, contexts)
        if not plain:
            pair = self._qualified(pair, analysis, row, apart=apart)
        first, second = (self.names(self.renames(cut(name, _LONGEST_NAME))) for name in pair)
        if folded(first) == folded(second):
            self.found.refuse(
                f"is the label of both groups of {analysis.title}",
                "Give the groups two labels in RevMan",
                row=analysis.line,
                value=first,
            )
            return None
        return first, second

    def _qualified(self, pair: tuple[str, str], analysis: Analysis, row: GroupRow, *, apart: bool) -> tuple[str, str]:
        """Generic labels with the subgroup or the comparison that they belong to, where they could mean several treatments."""
        where = ""
        # Subgroups that are outcomes of their own are not pooled with each other.
        by_subgroup = bool(row.subgroup) and analysis.totals in ("SUB", "NO") and not apart
        if by_subgroup:
            where = plain_text(row.subgroup)
        elif len(self.comparisons) > 1:
            where = plain_text(analysis.comparison) or f"comparison {analysis.number.split('.')[0]}"
        if not where:
            return pair
        names = []
        for label, other in zip(pair, reversed(pair), strict=True):
            name = label
            if is_generic(label):
                # Beside a named treatment the control is told by it, which is the same in every comparison of that treatment.
                name = f"{label} ({where})" if is_generic(other) or by_subgroup else f"{label} (versus {other})"
                name = cut(name, _LONGEST_NAME)
                self.unresolved[label][name] = None
            names.append(name)
        return names[0], names[1]

    def _arms(self, rows: Sequence[tuple[_Group, _Group]], analysis: Analysis, *, apart: bool) -> list[tuple[str, _Group]]:
        """The arms of an analysis: a study with several rows has one for each, unless a group is the same in several."""
        by_study: dict[str, list[tuple[_Group, _Group]]] = defaultdict(list)
        for pair in rows:
            # Subgroups that are outcomes of their own do not meet.
            by_study[f"{pair[0].row.study} / {pair[0].outcome}" if apart else pair[0].row.study].append(pair)
        arms: list[tuple[str, _Group]] = []
        divided: dict[str, None] = {}
        shared: dict[str, None] = {}
        for pairs in by_study.values():
            by_arm: dict[str, list[_Group]] = defaultdict(list)
            for pair in pairs:
                for group in pair:
                    by_arm[group.treatment].append(group)
            # Two rows with the same numbers in both groups are about the same patients.
            repeated = len({(first.numbers, second.numbers) for first, second in pairs}) == 1
            named = all(contrast(first.row.subgroup) is not None for first, _ in pairs)
            for treatment, members in by_arm.items():
                study = members[0].row.study
                # A control group that several subgroups share is one arm; doses with equal counts are not.
                same = len({group.numbers for group in members}) == 1
                if len(members) == 1 or (same and (repeated or named or all(group.side == 1 for group in members))):
                    arms.append((treatment, members[0]))
                    if len(members) > 1:
                        shared[study] = None
                    continue
                divided[study] = None
                names = [plain_text(group.row.subgroup) for group in members]
                for place, (name, group) in enumerate(zip(names, members, strict=True)):
                    plain = name if names.count(name) == 1 else f"{name} {names[: place + 1].count(name)}".strip()
                    arms.append((cut(f"{treatment}, {plain}" if plain else treatment, _LONGEST_NAME), group))
        if divided:
            names_ = listing((visible(study) for study in divided), 50)
            self.found.notes.append(
                f"{analysis.title}: several rows with different counts became an arm each ({names_}). Check that no patient is in two."
            )
        if shared:
            names_ = listing((visible(study) for study in shared), 50)
            more = ", although the total of the review counts it in each" if analysis.totals == "YES" else ""
            self.found.notes.append(f"{analysis.title}: a group of {names_} has the same counts in several rows and is one arm{more}.")
        return arms

    def _counts(self, arms: Sequence[tuple[str, _Group]], analysis: Analysis) -> None:
        """Take the counts; an analysis that contradicts an earlier one is an outcome of its own."""
        by_outcome: dict[str, list[tuple[str, _Group]]] = defaultdict(list)
        for arm, group in arms:
            by_outcome[group.outcome].append((arm, group))
        for outcome, members in by_outcome.items():
            name, against = outcome, self._contradicted(outcome, members)
            if against is not None:
                where = plain_text(analysis.comparison)
                name = cut(f"{outcome} ({where})" if where else f"{outcome} ({analysis.number})", _LONGEST_OUTCOME)
                if where == outcome or self._contradicted(name, members) is not None:
                    name = f"{cut(outcome, _LONGEST_OUTCOME - 10)} ({analysis.number})"
                self.found.notes.append(
                    f"{analysis.title}: has other counts for an arm than analysis {against.analysis.number} "
                    f"({visible(against.row.study)}), so it is the outcome {visible(name)!r}."
                )
            for arm, group in members:
                self._count(group, arm, name)

    def _contradicted(self, outcome: str, members: Sequence[tuple[str, _Group]]) -> _Group | None:
        """The first count of another analysis that differs from one of these for the same study and arm."""
        taken = self.taken[outcome.casefold()]
        return next(
            (other for arm, group in members if (other := taken.get((group.row.study, arm))) and other.numbers != group.numbers), None
        )

    def _count(self, group: _Group, arm: str, outcome: str) -> None:
        row, analysis = group.row, group.analysis
        other = self.taken[outcome.casefold()].setdefault((row.study, arm), group)
        if other.numbers != group.numbers:
            events, total = group.numbers
            self.found.left_out.append(
                f"{analysis.title}: {visible(row.study)}, {visible(arm)} {events}/{total}, because {other.analysis.number} has "
                f"{'/'.join(other.numbers)} for the same arm and outcome"
            )
            return
        where = f"Analysis {analysis.number}" + (f", {plain_text(row.subgroup)}" if row.subgroup else "")
        columns = {name: row.place.columns[name] for name in ("study", "year") if name in row.place.columns}
        events, total = GROUPS[group.side]
        columns |= {"events": row.place.columns.get(events, events), "total": row.place.columns.get(total, total)}
        self.found.counts.append(
            Count(
                Place(row.place.row, columns),
                row.study,
                outcome,
                {
                    **{name: cell(text) for name, text in row.about.items()},
                    "arm": cell(arm),
                    "modality": cell(group.treatment),
                    "events": group.numbers[0],
                    "total": group.numbers[1],
                    "source_locator": cell(where),
                },
            )
        )
