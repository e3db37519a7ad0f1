"""The rows of one outcome that one analysis may pool, the names of their studies, and the reason for every excluded row."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from metanet.base.errors import ArgumentError, check_choice, shorten
from metanet.base.groups import natural
from metanet.base.untrusted import counted, listing, visible
from metanet.evidence.contract import CERTAINTIES, Family, Outcome

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def study_labels(studies: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """A label for every study_id; no two are equal.

    Two reports of one author and year get letters, in the order of their study_id. The letters depend on all studies and
    not on a selection, so that a study has the same label everywhere. A study without an author is called by its id, and one
    with a label of its own by that.
    """
    by_label: dict[str, list[str]] = defaultdict(list)
    dateless: set[str] = set()
    for study in studies:
        if own := visible(study.get("label") or "").strip():
            by_label[own].append(study["study_id"])
            dateless.add(study["study_id"])
            continue
        author = study.get("first_author") or ""
        # "not printed in the record read" is a remark, not a name.
        name = "" if author.startswith(("not ", "(")) else author
        year = study.get("year")
        base = " ".join(str(part) for part in (name, year) if part) if name else _with_year(study["study_id"], year)
        by_label[visible(base)].append(study["study_id"])
        if year is None:
            dateless.add(study["study_id"])
    labels: dict[str, str] = {}
    taken = Counter(by_label.keys())
    for label, ids in by_label.items():
        if len(ids) == 1:
            labels[ids[0]] = label
            continue
        for place, study_id in enumerate(sorted(ids, key=natural)):
            # A letter behind a name without a year would read as part of the name.
            plain = place < len(_LETTERS) and study_id not in dateless
            lettered = f"{label}{_LETTERS[place]}" if plain else f"{label} [{study_id}]"
            labels[study_id] = lettered if not taken[lettered] else f"{label} [{study_id}]"
    return labels


def _with_year(study_id: str, year: int | None) -> str:
    if year is None:
        return study_id
    stem = study_id.removesuffix(str(year))
    return f"{stem} {year}"


def row_labels(rows: Iterable[Mapping[str, Any]], labels: Mapping[str, str]) -> list[str]:
    """A label for each row: that of its study, with the arm where the study has several among `rows`."""
    listed = list(rows)
    arms: dict[str, set[str]] = defaultdict(set)
    for row in listed:
        arms[row["study_id"]].add(row["arm"])
    made = [
        f"{labels[row['study_id']]} ({visible(row['arm'])})" if len(arms[row["study_id"]]) > 1 else labels[row["study_id"]]
        for row in listed
    ]
    # An arm's name may make two labels equal; the study_id then distinguishes them.
    counts = Counter(made)
    return [label if counts[label] == 1 else f"{label} [{row['study_id']}]" for label, row in zip(made, listed, strict=True)]


# Cohorts that share patients: which report of each enters an analysis.
#
# Two reports of one cohort would count the same patients twice. Of the reports that share an overlap_group one is kept,
# with all of its arms. The choice is made among the rows of one selection, after every other filter: a report that is not
# in the selection, because it treats another modality or cannot be pooled, displaces none that is. An analysis across
# modalities therefore includes each cohort once, and an analysis of one modality includes the best report of that modality.

POLICIES = ("keep_largest", "keep_newest", "keep_all")

Record = Mapping[str, Any]


def choose_reports(rows: Sequence[Record], policy: str) -> tuple[list[Record], list[tuple[Record, str]], list[str]]:
    """Apply an overlap policy to the rows of one selection.

    Parameters
    ----------
    rows : sequence of mappings
        With study_id, overlap_group (empty: no overlap), year and total.
    policy : str
        ``"keep_largest"``: the report with the largest sum of totals over its arms in `rows`; between equals the newer,
        then the first study_id. ``"keep_newest"``: the latest year; between equals the larger. ``"keep_all"``: all.

    Returns
    -------
    tuple
        The rows kept; the rows left out, each with the study_id kept instead; the groups with several reports.
    """
    sizes: dict[str, int] = defaultdict(int)
    years: dict[str, int] = {}
    members: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        sizes[row["study_id"]] += row["total"]
        years[row["study_id"]] = row["year"] or 0
        if row["overlap_group"]:
            members[row["overlap_group"]].add(row["study_id"])
    crowded = sorted((group for group, reports in members.items() if len(reports) > 1), key=natural)
    if policy == "keep_all":
        return list(rows), [], crowded

    def largest(study: str) -> tuple[int, int, str]:
        return -sizes[study], -years[study], study

    def newest(study: str) -> tuple[int, int, str]:
        return -years[study], -sizes[study], study

    order = largest if policy == "keep_largest" else newest
    chosen = {group: min(reports, key=order) for group, reports in members.items()}
    kept = [row for row in rows if chosen.get(row["overlap_group"], row["study_id"]) == row["study_id"]]
    left = [
        (row, chosen[row["overlap_group"]]) for row in rows if row["overlap_group"] and chosen[row["overlap_group"]] != row["study_id"]
    ]
    return kept, left, crowded


def _choose_within(
    rows: Sequence[Record], policy: str, column: str | None
) -> tuple[list[Record], list[tuple[Record, str]], list[str]]:
    """`choose_reports` among all rows, or in each group of a column by itself, as in a selection of that group alone."""
    if column is None:
        return choose_reports(rows, policy)
    groups: dict[str, list[Record]] = defaultdict(list)
    for row in rows:
        groups[row[column]].append(row)
    kept, left, crowded = [], [], set()
    for members in groups.values():
        found = choose_reports(members, policy)
        kept += found[0]
        left += found[1]
        crowded |= set(found[2])
    return kept, left, sorted(crowded, key=natural)


# Patients are what a rate is about; where an arm was counted in several units, the first of these is taken.
UNITS = ("patients", "procedures", "lesions")
#: The begin of the note on rows of other definitions.
OTHER_DEFINITIONS = "Rows with other definitions are not part of this selection:"
#: The group of a table whose studies are not divided by treatment.
ALL_STUDIES = "All studies"


@dataclass(frozen=True)
class Selection:
    """Rows for one analysis, and the excluded rows with their reasons."""

    rows: list[Record]
    left_out: list[tuple[Record, str]]
    notes: list[str]
    definition: str | None
    modalities: tuple[str, ...] | None


@dataclass
class _Sieve:
    rows: list[Record]
    left_out: list[tuple[Record, str]] = field(default_factory=list)

    def keep(self, fate: Mapping[int, str]) -> None:
        """Leave out the rows at the places that `fate` gives a reason for."""
        self.left_out += [(row, fate[place]) for place, row in enumerate(self.rows) if place in fate]
        self.rows = [row for place, row in enumerate(self.rows) if place not in fate]


def select(
    rows: Sequence[Record],
    outcome: Outcome,
    labels: Mapping[str, str],
    *,
    modalities: Collection[str] | None,
    definition: str | None,
    overlap: str,
    poolable_only: bool,
    certainty: str | None,
    within: str | None = None,
    fate: Callable[[Record], str | None] | None = None,
) -> Selection:
    """The rows of one outcome that fit; the arguments are those of `Evidence.rates`, already checked.

    `fate` gives the reason for which a row is left out for its risk of bias, or None.

    The order is: modality, definition, poolable, certainty, risk of bias, one row for each arm, overlap. Overlap comes last, so that
    a report excluded for another reason cannot displace an included one.
    """
    notes: list[str] = []
    if modalities is not None:
        rows = [row for row in rows if row["modality_class"] in modalities or row["modality"] in modalities]
    definitions: tuple[str, ...] = ()
    if outcome.families:
        family, definitions = resolve_definition(outcome, definition)
        definition = family
        elsewhere = Counter(row["definition"] for row in rows if row["definition"] not in definitions)
        rows = [row for row in rows if row["definition"] in definitions]
        if elsewhere:
            parts = listing(f"{outcome.title_of(name)} ({number})" for name, number in sorted(elsewhere.items()))
            notes.append(f"{OTHER_DEFINITIONS} {parts}.")
    sieve = _Sieve(list(rows))
    if poolable_only:
        sieve.keep({i: _not_poolable(row) for i, row in enumerate(sieve.rows) if row.get("poolable") is False})
    if certainty is not None:
        floor = CERTAINTIES.index(certainty)
        sieve.keep(
            {
                i: f"certainty is {row['certainty']}, below {certainty}"
                for i, row in enumerate(sieve.rows)
                if CERTAINTIES.index(row["certainty"]) < floor
            }
        )
    if fate is not None:
        sieve.keep({i: reason for i, row in enumerate(sieve.rows) if (reason := fate(row)) is not None})
    sieve.keep(_one_row_per_arm(sieve.rows, outcome, definitions))
    kept, displaced, crowded = _choose_within(sieve.rows, overlap, within)
    sieve.left_out += [
        (row, f"shares patients ({visible(row['overlap_group']).replace('_', ' ')}) with {labels[instead]}, which is kept")
        for row, instead in displaced
    ]
    notes += overlap_notes(crowded) if overlap == "keep_all" else []
    notes += unit_notes(row.get("unit") for row in kept)
    return Selection(
        rows=sorted(
            kept, key=lambda row: (row["year"] is None, row["year"] or 0, natural(labels[row["study_id"]]), natural(row["arm"]))
        ),
        left_out=sieve.left_out,
        notes=notes,
        definition=definition,
        modalities=None if modalities is None else tuple(sorted(modalities, key=natural)),
    )


def resolve_definition(outcome: Outcome, definition: str | None) -> tuple[str, tuple[str, ...]]:
    """The name of a family or of one definition, and its definitions, the widest first."""
    families: dict[str, Family] = {family.name: family for family in outcome.families}
    members = [member for family in outcome.families for member in family.members]
    if definition is None:
        definition = outcome.default_family
    check_choice("definition", definition, [*families, *(m for m in members if m not in families)], where=f"for {outcome.name}")
    return definition, families[definition].members if definition in families else (definition,)


def resolve_outcome(outcome: object, known: Mapping[str, Outcome], argument: str = "outcome") -> str:
    """The name of an outcome, which may be written as its label: "Objective response" is objective_response."""
    if isinstance(outcome, str) and outcome not in known:
        alike = [name for name, about in known.items() if about.label.casefold() == " ".join(outcome.split()).casefold()]
        if len(alike) == 1:
            return alike[0]
    return check_choice(argument, outcome, tuple(known))


def resolve_modalities(modality: object, known: Mapping[str, Iterable[str]]) -> tuple[str, ...] | None:
    """The words of `modality` as a tuple; each is a class of `known` or a modality in one of them."""
    if modality is None:
        return None
    if isinstance(modality, str):
        words: list[object] = [modality]
    elif isinstance(modality, Iterable):
        words = list(modality)
    else:
        raise ArgumentError(
            f"modality={shorten(repr(modality))} is not a word or a list of words. Give a class such as {next(iter(known), '')!r}."
        )
    if not words:
        raise ArgumentError("modality is an empty list. Give at least one class or modality, or None for all.")
    allowed = list(dict.fromkeys([*known, *(name for members in known.values() for name in members)]))
    return tuple(dict.fromkeys(check_choice("modality", word, allowed) for word in words))


def check_options(overlap: object, certainty: object, *, has_certainty: bool) -> None:
    """Refuse options that are not known."""
    check_choice("overlap", overlap, POLICIES)
    if certainty is not None:
        check_choice("certainty", certainty, CERTAINTIES)
        if not has_certainty:
            raise ArgumentError(f"certainty={certainty!r} was given, and this table has no such column. Leave it out.")


def _not_poolable(row: Record) -> str:
    reasons = [f"counts {row['unit']}"] if row.get("unit", "patients") != "patients" else []
    reasons += [row["note"]] if row.get("note") else []
    return "not poolable: " + ("; ".join(reasons) if reasons else "marked as such by the extractors")


def _one_row_per_arm(rows: Sequence[Record], outcome: Outcome, definitions: tuple[str, ...]) -> dict[int, str]:
    """The rows to leave out so that each arm occurs once: a narrower definition, another unit, a smaller total."""
    by_arm: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        by_arm[row["study_id"], row["arm"]].append(place)

    def rank(place: int) -> tuple[int, int, int, int]:
        row = rows[place]
        width = definitions.index(row["definition"]) if definitions else 0
        unit = row.get("unit", "patients")
        return width, UNITS.index(unit) if unit in UNITS else len(UNITS), -row["total"], place

    fate: dict[int, str] = {}
    for places in by_arm.values():
        best, *rest = sorted(places, key=rank)
        for place in rest:
            row, kept = rows[place], rows[best]
            if definitions and row["definition"] != kept["definition"]:
                other, used = (outcome.title_of(each["definition"]) for each in (row, kept))
                fate[place] = f"same arm by another definition, {other}; the row for {used} is kept"
            elif row.get("unit") != kept.get("unit"):
                fate[place] = f"same arm in another unit ({row['unit']}); the row that counts {kept['unit']} is kept"
            else:
                fate[place] = f"duplicate arm; the row with {kept['total']} assessed is kept"
    return fate


def overlap_notes(crowded: Collection[str]) -> list[str]:
    """The note on overlapping cohorts of which several reports are pooled."""
    if not crowded:
        return []
    return [
        f"Patients may be counted twice: {counted(len(crowded), 'group')} of overlapping cohorts "
        f"with several reports each ({listing((name.replace('_', ' ') for name in crowded), 20)})."
    ]


def unit_notes(each: Iterable[str | None]) -> list[str]:
    """The note on rows that do not count patients, from the unit of each row; empty where none is given."""
    units = Counter(unit for unit in each if unit)
    if len(units) > 1:
        parts = listing(f"{counted(number, 'row')} of {unit}" for unit, number in units.most_common())
        return [f"Units are mixed: {parts}."]
    if units and "patients" not in units:
        return [f"Every row counts {next(iter(units))}, not patients."]
    return []
