"""Analyses of two groups, as RevMan keeps them, to counts of study arms.

Rules for what one analysis holds. All analyses of the file are resolved together, chosen or not, so that outcomes that are imported
one after another become the same tables as all at once.

- A generic label ("Intervention", "Higher dose") is the treatment that the contrast in the name of the subgroup, of the analysis or of
  the comparison gives ("Alfa versus placebo"). Where none does and the label could mean several treatments, it keeps the name of
  its comparison or subgroup, so that different treatments never become one.
- A study in several subgroups has an arm for each ("Drug, Swab positive") where the review adds the subgroups up, and a control group
  with the same counts in each of them is one arm. Where the review does not add them up, or the groups have the same sizes and other
  events (deaths by cause), each subgroup is an outcome of its own.
- The outcome is the name of the analysis; where that is a contrast and the name of the comparison is none, it is the latter.
- An analysis that has other counts for a treatment of a study than an earlier analysis of the same outcome is an outcome of its own.
  So is one of another comparison of the same treatments, which must differ in something else: the patients, the studies, the time.
- A row with nobody in a group is left out and named.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from metanet.base.errors import ArgumentError, nearest, shorten
from metanet.base.untrusted import counted, listing, visible
from metanet.reviews.importers.contrasts import has_versus, read_contrast
from metanet.reviews.importers.extracted_counts import Count, Found, Place, Request, cell, count_cell, joined, name_fault, spelled
from metanet.reviews.importers.labels import (
    Context,
    Names,
    alike,
    contrast,
    folded,
    is_generic,
    is_vague,
    plain_text,
    resolved,
    treatment as treatment_of,
)
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


@dataclass
class _Taken:
    """What an outcome has: the arms of each study and treatment, and the analysis of each pair of treatments."""

    arms: dict[tuple[str, str], dict[str, _Group]] = field(default_factory=lambda: defaultdict(dict))
    pairs: dict[frozenset[str], Analysis] = field(default_factory=dict)


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
    _Import(request, found, [each for each in analyses if each.kind == DICHOTOMOUS], usable).run()


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
    """The groups of all analyses of the file, resolved into arms; the chosen ones become counts."""

    def __init__(self, request: Request, found: Found, analyses: Sequence[Analysis], chosen: Sequence[_Chosen]) -> None:
        self.renames, self.found, self.analyses = request.renames, found, analyses
        self.wanted = {id(row) for each in chosen for row in each.rows}
        self.chosen = {id(each.analysis) for each in chosen}
        self.names = Names({folded(name): name for name in request.treatments})
        self.comparisons = {_comparison(each) for each in analyses}
        self.settings = self._settings()
        self.taken: dict[str, _Taken] = defaultdict(_Taken)
        #: Label -> what it became instead of a treatment, and whether it means another treatment in each.
        self.unresolved: dict[str, dict[str, None]] = defaultdict(dict)

    def run(self) -> None:
        """Fill the counts."""
        before = len(self.found.counts)
        for analysis in self.analyses:
            self._analysis(analysis)
        for label, instead in self.unresolved.items():
            some = next(iter(instead))
            if list(instead) == [label]:
                said = f"{visible(label)!r} is the label of a group and names no treatment, and the file does not tell it for certain."
            else:
                said = (
                    f"{visible(label)!r} is the label of a group in several comparisons or subgroups and may mean another treatment "
                    f"in each, so it became {listing((repr(visible(name)) for name in instead), 4)}."
                )
            self.found.notes.append(f"{said} Give the treatment with {spelled('renames', f'{some}=TREATMENT')}.")
        self.found.notes += self.names.notes()
        if self.chosen and len(self.found.counts) == before and not self.found.findings.faults:
            there = f": {listing(self.found.left_out, 5)}" if self.found.left_out else ""
            self.found.refuse(f"has no row that can be imported{there}", "Give another file, or make a CSV")

    def _settings(self) -> dict[str, dict[str, None]]:
        """Outcome -> the patients, places and times of its comparisons, as far as their names say them."""
        settings: dict[str, dict[str, None]] = defaultdict(dict)
        for analysis in self.analyses:
            settings[self._outcome_of(analysis).casefold()][_setting(analysis).casefold()] = None
        return settings

    def _note(self, analysis: Analysis, text: str) -> None:
        if id(analysis) in self.chosen:
            self.found.notes.append(f"{analysis.title}: {text}")

    def _analysis(self, analysis: Analysis) -> None:
        found, asked = self.found, id(analysis) in self.chosen
        outcome = self.renames(cut(self._outcome_of(analysis), _LONGEST_OUTCOME))
        for what, column in ((outcome, "name"), *((cut(plain_text(label), _LONGEST_NAME), "label") for label in analysis.labels)):
            if (fault := name_fault(what)) is not None:
                if asked:
                    found.refuse(*fault, row=analysis.line, column=column, value=what)
                return
        setting = _setting(analysis)
        if setting and len(self.settings[self._outcome_of(analysis).casefold()]) > 1:
            outcome = self.renames(cut(f"{outcome} ({setting})", _LONGEST_OUTCOME))
            self._note(analysis, f"not every comparison of this outcome is {setting}, so it is the outcome {visible(outcome)!r}.")
        if analysis.swapped:
            self._note(analysis, "RevMan analyses the patients without the event; the events are imported as they were entered.")
        rows = self._usable(analysis)
        subgroups: dict[str, dict[str, None]] = defaultdict(dict)
        for row in rows:
            subgroups[row.study][row.subgroup] = None
        several = {study for study, names in subgroups.items() if len(names) > 1}
        named = {row.subgroup for row in rows if row.subgroup}
        contrasts = {name for name in named if contrast(name) is not None}
        # One subgroup among many that looks like a contrast of treatments is one of something else; named groups need none.
        roles = any(is_generic(treatment_of(self.renames(cut(plain_text(label), _LONGEST_NAME)))) for label in analysis.labels)
        paired = roles and bool(contrasts) and 2 * len(contrasts) > len(named)
        same = _same_patients([row for row in rows if row.study in several])
        apart = not paired and ((len(named) > 1 and analysis.totals in ("SUB", "NO")) or (bool(several) and bool(same)))
        if apart:
            if same:
                studies = counted(len(several), "study", "studies")
                why = f"{studies} in several subgroups, with the same patients ({listing(map(visible, same), 4)})"
            else:
                why = f"the review does not add up its {len(named)} subgroups"
            name = cut(f"{outcome}: {plain_text(next(row.subgroup for row in rows if row.subgroup))}", _LONGEST_OUTCOME)
            self._note(analysis, f"{why}; each is an outcome of its own. Join some with {joined(name, outcome)}, if they belong.")
        pairs = {id(row): self._treatments(analysis, row, paired=paired, several=bool(several)) for row in rows}
        if any(pair is None for pair in pairs.values()):
            return
        groups = []
        for row in rows:
            pair = pairs[id(row)]
            assert pair is not None  # as above
            where = outcome
            if apart and row.subgroup:
                where = self.renames(cut(f"{outcome}: {plain_text(row.subgroup)}", _LONGEST_OUTCOME))
            groups.append((_Group(row, analysis, 0, where, pair[0]), _Group(row, analysis, 1, where, pair[1])))
        self._counts(self._arms(groups, analysis, apart=apart, paired=paired), analysis)

    def _usable(self, analysis: Analysis) -> list[GroupRow]:
        """The rows with numbers and patients; those of a chosen analysis that have none are named."""
        rows = [row for row in analysis.rows if any(text.strip(" 0.") for text in row.numbers.values())]
        if gone := [visible(row.study) for row in analysis.rows if row not in rows and id(row) in self.wanted]:
            self.found.left_out.append(f"{analysis.title}: {counted(len(gone), 'row')} without a number ({listing(gone, 50)})")
        return [row for row in rows if self._possible(row, analysis)]

    def _outcome_of(self, analysis: Analysis) -> str:
        """The outcome of an analysis; some reviews have the contrast as its name and the outcome as that of the comparison."""
        name, comparison = plain_text(analysis.name), plain_text(analysis.comparison)
        found = read_contrast(name)
        if found is not None and found.before:
            return name
        if found is None:
            # A contrast of something else may name no outcome: "4 g versus 2 g mesalazine", "Adults versus children".
            alone = has_versus(name) and len(self.comparisons) > 1 and not has_versus(comparison)
            return f"{cut(name, _LONGEST_OUTCOME - 80)} ({cut(comparison, 78) or _comparison(analysis)})" if alone else name
        named = [label for label in map(plain_text, analysis.labels) if not is_vague(label)]
        if len(named) == 2 and not any(alike(label, side) for label in named for side in found.sides):
            # It contrasts something else than the groups.
            return name
        if comparison:
            return name if has_versus(comparison) else comparison
        # The rows alone do not name the comparison, which may be another outcome.
        number = analysis.number.split(".")[0]
        return name if len(self.comparisons) == 1 else f"{cut(name, _LONGEST_OUTCOME - 20)} (comparison {number})"

    def _possible(self, row: GroupRow, analysis: Analysis) -> bool:
        """Whether both groups have patients, and no more events than patients; a row that has not is named."""
        for side in GROUPS:
            events, total = (count_cell(row.numbers.get(name, "")) for name in side)
            if total.isdecimal() and (int(total) == 0 or (events.isdecimal() and int(events) > int(total))):
                if id(row) in self.wanted:
                    self.found.left_out.append(f"{analysis.title}: {visible(row.study)}, {events} of {total} in a group")
                return False
        return True

    def _treatments(self, analysis: Analysis, row: GroupRow, *, paired: bool, several: bool) -> tuple[str, str] | None:
        """What the two groups of a row were treated with."""
        asked = id(row) in self.wanted
        first, second = (cut(plain_text(label), _LONGEST_NAME) for label in analysis.labels)
        given = self.renames(first), self.renames(second)
        contexts = [Context(row.subgroup, "subgroup")] if paired else []
        contexts += [Context(analysis.name, "analysis"), Context(analysis.comparison)]
        pair, told = resolved(given, [each for each in contexts if each.text])
        pair = self._qualified(given, pair, told, analysis, row, several=several)
        first, second = (self.names(self.renames(cut(name, _LONGEST_NAME)), used=asked) for name in pair)
        if folded(first) == folded(second):
            if asked:
                self.found.refuse(
                    f"is the label of both groups of {analysis.title}",
                    "Give the groups two labels in RevMan",
                    row=analysis.line,
                    value=first,
                )
            return None
        return first, second

    def _qualified(
        self,
        labels: tuple[str, str],
        pair: tuple[str, str],
        told: tuple[bool, bool],
        analysis: Analysis,
        row: GroupRow,
        *,
        several: bool,
    ) -> tuple[str, str]:
        """Labels that could mean several treatments, with the subgroup or the comparison that they belong to."""
        comparison = plain_text(analysis.comparison) or f"comparison {analysis.number.split('.')[0]}"
        whole = read_contrast(comparison)
        by_subgroup = bool(row.subgroup) and analysis.totals in ("SUB", "NO") and not several
        names = []
        for label, name, other, known, beside in zip(labels, pair, reversed(pair), told, reversed(told), strict=True):
            where = ""
            if not known:
                where = plain_text(row.subgroup) if by_subgroup else comparison if len(self.comparisons) > 1 else ""
                if where and beside and not by_subgroup:
                    # Beside a named treatment the control is told by it, which is the same in every comparison of that treatment.
                    where = f"versus {other}"
            elif is_vague(name) and len(self.comparisons) > 1:
                # "5 mg" is of another drug in another comparison, unless the comparisons are those of the amounts.
                where = whole.before if whole is not None and name in whole.sides else self._amounts(analysis)
            became = cut(f"{name} ({where})", _LONGEST_NAME) if where else name
            if id(row) in self.wanted and (where or not known):
                self.unresolved[name if known else label][became] = None
            names.append(became)
        return names[0], names[1]

    def _amounts(self, analysis: Analysis) -> str:
        """What two amounts are of: the contrast in the name of the analysis, else the comparison."""
        name = plain_text(analysis.name)
        found = read_contrast(name)
        if found is not None and not all(is_vague(side) for side in found.sides) and not found.before:
            return name
        return plain_text(analysis.comparison) or f"comparison {analysis.number.split('.')[0]}"

    def _arms(
        self, rows: Sequence[tuple[_Group, _Group]], analysis: Analysis, *, apart: bool, paired: bool
    ) -> list[tuple[str, _Group]]:
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
            named = paired and all(contrast(first.row.subgroup) is not None for first, _ in pairs)
            for treatment, members in by_arm.items():
                study = members[0].row.study
                # A control group that several subgroups share is one arm; doses with equal counts are not.
                same = len({group.numbers for group in members}) == 1
                if len(members) == 1 or (same and (repeated or named or all(group.side == 1 for group in members))):
                    arms += [(treatment, group) for group in members]
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
            self._note(analysis, f"several rows with different counts became an arm each ({names_}). Check that no patient is in two.")
        if shared:
            names_ = listing((visible(study) for study in shared), 50)
            more = ", although the total of the review counts it in each" if analysis.totals == "YES" else ""
            self._note(analysis, f"a group of {names_} has the same counts in several rows and is one arm{more}.")
        return arms

    def _counts(self, arms: Sequence[tuple[str, _Group]], analysis: Analysis) -> None:
        """Take the counts; an analysis that contradicts an earlier one, or repeats its comparison, is an outcome of its own."""
        by_outcome: dict[str, list[tuple[str, _Group]]] = defaultdict(list)
        for arm, group in arms:
            by_outcome[group.outcome].append((arm, group))
        for outcome, members in by_outcome.items():
            name, why = outcome, self._apart(outcome, members, analysis)
            if why:
                where = plain_text(analysis.comparison)
                name = cut(f"{outcome} ({where})" if where else f"{outcome} ({analysis.number})", _LONGEST_OUTCOME)
                if where == outcome or self._apart(name, members, analysis):
                    name = f"{cut(outcome, _LONGEST_OUTCOME - 10)} ({analysis.number})"
                name = self.renames(name)
                self._note(analysis, f"{why}, so it is the outcome {visible(name)!r}.")
            taken = self.taken[name.casefold()]
            known = {key: _matched(taken.arms.get(key, {}), new) for key, new in _by_treatment(members).items()}
            for arm, group in members:
                key = group.row.study, group.treatment
                arm = (known[key] or {}).get(arm, arm)
                self._count(group, arm, name, taken)
            for pair in _pairs(members):
                taken.pairs.setdefault(pair, analysis)

    def _apart(self, outcome: str, members: Sequence[tuple[str, _Group]], analysis: Analysis) -> str:
        """Why an analysis cannot be of an outcome that earlier ones have; empty if it can."""
        taken = self.taken.get(outcome.casefold())
        if taken is None:
            return ""
        new = _by_treatment(members)
        for (study, treatment), arms in new.items():
            there = taken.arms.get((study, treatment), {})
            if there and _matched(there, arms) is None:
                other = next(iter(there.values())).analysis
                return f"has other counts for an arm than analysis {other.number} ({visible(study)})"
        more = any(len(arms) > len(taken.arms.get(key, {})) for key, arms in new.items())
        for pair in _pairs(members):
            earlier = taken.pairs.get(pair)
            if more and earlier is not None and _comparison(earlier) != _comparison(analysis):
                return f"compares the same treatments as analysis {earlier.number}, of another comparison"
        return ""

    def _count(self, group: _Group, arm: str, outcome: str, taken: _Taken) -> None:
        row, analysis = group.row, group.analysis
        other = taken.arms[row.study, group.treatment].setdefault(arm, group)
        if id(row) not in self.wanted:
            return
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


def _comparison(analysis: Analysis) -> str:
    """What an analysis compares, by the name or the number of its comparison."""
    return analysis.comparison or analysis.number.split(".")[0]


def _setting(analysis: Analysis) -> str:
    """Patients, place or time of a comparison, as far as its name says them: "in children"."""
    found = read_contrast(analysis.comparison)
    return "" if found is None else found.setting


def _by_treatment(members: Sequence[tuple[str, _Group]]) -> dict[tuple[str, str], dict[str, _Group]]:
    """Study and treatment -> arm -> group."""
    by: dict[tuple[str, str], dict[str, _Group]] = defaultdict(dict)
    for arm, group in members:
        by[group.row.study, group.treatment].setdefault(arm, group)
    return by


def _pairs(members: Sequence[tuple[str, _Group]]) -> set[frozenset[str]]:
    """The pairs of treatments that rows compare."""
    sides: dict[int, list[str]] = defaultdict(list)
    for _, group in members:
        sides[id(group.row)].append(folded(group.treatment))
    return {frozenset(names) for names in sides.values()}


def _matched(there: Mapping[str, _Group], new: Mapping[str, _Group]) -> dict[str, str] | None:
    """Arms of one treatment of a study in two analyses: new -> earlier, by their counts; None where the counts are of others.

    One analysis may divide the study otherwise or leave out some of it, but not add up what the other divides.
    """
    free = dict(there)
    found: dict[str, str] = {}
    for arm in sorted(new, key=lambda name: name not in there):
        numbers = new[arm].numbers
        earlier = (
            arm if arm in free and free[arm].numbers == numbers else next((k for k, g in free.items() if g.numbers == numbers), None)
        )
        if earlier is not None:
            del free[earlier]
            found[arm] = earlier
    return found if len(found) == len(new) or not free else None
