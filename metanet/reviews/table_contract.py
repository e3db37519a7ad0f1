"""The tables and the contract that one table of counts becomes, and the evidence that they make."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from metanet.base.errors import Problem
from metanet.base.gaps import is_gap
from metanet.base.untrusted import visible
from metanet.evidence.checks.check import read_contents
from metanet.evidence.contract import CERTAINTIES, Contract, read_contract
from metanet.evidence.evidence import Evidence, assemble
from metanet.evidence.findings import Findings, data_error, in_order
from metanet.evidence.folders import DESCRIPTOR
from metanet.evidence.rates import UNITS
from metanet.evidence.reading.cells import TEXT_PLACEHOLDERS, plain_number
from metanet.reviews.importers.columns import known_field
from metanet.reviews.importers.extracted_counts import cell
from metanet.reviews.table_cells import odd_words, plain_text, typed
from metanet.reviews.template import NewOutcome, descriptor, descriptor_text

#: Columns that say something of a study, an arm or a count in every table of evidence, with their types.
_STUDY = {
    **dict.fromkeys(("first_author", "title", "journal", "doi", "pmid", "country", "centre", "design", "overlap_group"), "string"),
    **dict.fromkeys(("enrol_start", "enrol_end"), "integer"),
}
_COUNT = {
    **dict.fromkeys(("unit", "criteria", "definition", "derivation", "printed", "source_kind", "source", "source_locator"), "string"),
    **dict.fromkeys(("certainty", "note"), "string"),
    "timepoint_months": "number",
    **dict.fromkeys(("derived", "double_extracted", "poolable"), "boolean"),
}
#: Columns that are made here, or that a result adds to its studies.
TAKEN = frozenset(
    {
        "study", "study_id", "label", "arm", "modality", "modality_class", "events", "total", "events_control", "total_control",
        "year", "rate", "effect", "yi", "vi", "ci_lower", "ci_upper", "weight", "shrunken", "outcome", *_STUDY, *_COUNT,
    }
)  # fmt: skip
_WORDS: Mapping[str, tuple[str, ...]] = {"certainty": CERTAINTIES, "unit": UNITS}
_YES, _NO = frozenset({"true", "yes", "ja", "oui"}), frozenset({"false", "no", "nein", "non"})


#: A title of a column of ours in a fix, which the owner of a table does not know.
_OF_OURS = re.compile(r"(?<=Check it): .*|(?<=Fill it in): .*")
_DECIMAL = "Write the count; where the cells are percentages of the total, write their per cent sign: 12.5%"
#: Column of ours and what is wrong -> the fix of a count.
_FIXES: Mapping[tuple[str, str], str] = {
    ("events", "is not a whole number"): _DECIMAL,
    ("events", "can be read as thousands or as decimals"): _DECIMAL,
    ("total", "is not a whole number"): "Write the number of patients, a whole number",
    ("total", "can be read as thousands or as decimals"): "Write the number of patients in digits alone",
}


@dataclass(frozen=True)
class OneOutcome:
    """An outcome: its name, its label and its direction."""

    name: str
    label: str
    direction: str = ""


@dataclass(frozen=True)
class Arm:
    """One row of the table: its place, its study and treatment, its counts by outcome, and the cells of its other columns."""

    row: int
    study: str
    label: str
    name: str
    group: str
    detail: str
    year: str
    counts: Mapping[str, Mapping[str, str]]
    cells: Mapping[str, str]
    locator: str


@dataclass
class Given:
    """What a table holds: rows, outcomes, titles of its other columns, and the columns that the fields of a count are in."""

    name: str
    arms: list[Arm]
    outcomes: list[OneOutcome]
    titles: Mapping[str, str]
    places: Mapping[str, str]
    counts: Mapping[str, Mapping[str, str]]
    control: bool
    #: Columns that are in the tables under a name of ours as well -> that name.
    again: Mapping[str, str] = field(default_factory=dict)
    semicolons: bool = False
    #: Columns of numbers that are texts for a few cells -> these.
    odd: dict[str, list[str]] = field(default_factory=dict)


@dataclass
class _Column:
    """A column of a table: its name, its type, its title, its cells, and the vocabulary of a word."""

    name: str
    type: str
    title: str
    cells: list[str]
    words: Sequence[str] = ()
    required: bool = False
    least: int | None = None
    #: The column of ours that says the same.
    alias: str = ""

    def described(self) -> dict[str, Any]:
        """The column in a descriptor."""
        constraints: dict[str, Any] = {"required": True} if self.required else {}
        constraints |= {"enum": list(self.words)} if self.words else {}
        constraints |= {} if self.least is None else {"minimum": self.least}
        made: dict[str, Any] = {"name": self.name, "type": self.type, "title": self.title, "constraints": constraints}
        if self.alias:
            made |= {"metanet": {"alias": self.alias}}
        if self.type == "boolean":
            made |= {"trueValues": ["true"], "falseValues": ["false"]}
        return made


@dataclass
class _Sheet:
    """A table to be written: its role, its columns, and the row of the file that each of its rows comes from."""

    name: str
    title: str
    about: dict[str, Any]
    columns: list[_Column]
    key: list[str]
    places: list[int] = field(default_factory=list)

    def content(self) -> bytes:
        """The table as CSV."""
        out = io.StringIO(newline="")
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([column.name for column in self.columns])
        writer.writerows(zip(*(column.cells for column in self.columns), strict=True))
        return out.getvalue().encode("utf-8", "backslashreplace")

    def described(self) -> dict[str, Any]:
        """The table in a descriptor."""
        fields = [column.described() for column in self.columns]
        schema = {"fields": fields, "missingValues": [""], "primaryKey": self.key}
        return {
            "name": self.name, "title": self.title, "path": f"{self.name}.csv", "type": "table", "format": "csv",
            "mediatype": "text/csv", "encoding": "utf-8", "metanet": self.about, "schema": schema,
        }  # fmt: skip


@lru_cache(maxsize=1)
def plain_contract() -> Contract:
    """A contract with the columns that every topic needs, by which the cells of a table are known."""
    content = descriptor_text(descriptor("Table", [NewOutcome("events_", "Events")], [])).encode()
    found = read_contract(content, Findings(), own=False)
    assert found is not None  # it is our own
    return found


def tables_of(given: Given) -> Evidence:
    """The evidence of a table.

    Raises
    ------
    DataError
        Every fault of the counts and of the known columns, at its place in the table.
    """
    arms = _arm_names(given.arms)
    own = _own_columns(given, arms)
    sheets = [_studies(arms, own), _arms(arms, given, own), *(_outcome(one, given, arms, own) for one in given.outcomes)]
    content = descriptor_text(
        {"name": "table", "title": given.name, "metanet": {"one_table": True}, "resources": [sheet.described() for sheet in sheets]}
    ).encode()
    files = {f"{sheet.name}.csv": sheet.content() for sheet in sheets}
    reading = read_contents(given.name, content, files)
    if reading.findings.faults:
        by_file = {f"{sheet.name}.csv": sheet for sheet in sheets}
        faults = in_order(list(dict.fromkeys(_in_the_table(fault, by_file, given) for fault in reading.findings.faults)))
        raise data_error(given.name, faults)
    return replace(assemble(reading), _files={DESCRIPTOR: content, **files})


def _in_the_table(fault: Problem, sheets: Mapping[str, _Sheet], given: Given) -> Problem:
    """A fault at its place in the table that was given."""
    sheet = sheets.get(fault.file)
    row = None
    if sheet is not None and fault.row is not None and 0 <= fault.row - 2 < len(sheet.places):
        row = sheet.places[fault.row - 2]
    counts = given.counts.get(sheet.name, {}) if sheet is not None else {}
    column = counts.get(fault.column or "") or given.places.get(fault.column or "") or fault.column
    fix = _FIXES.get((fault.column or "", fault.wrong)) or _OF_OURS.sub("", fault.fix)
    return replace(fault, file=given.name, row=row, column=None if column is None else visible(column), fix=fix)


def _arm_names(arms: Sequence[Arm]) -> list[Arm]:
    """Every row of a study with a name of its own: that of its treatment, numbered where several rows have it."""
    times = Counter((arm.study, arm.name or arm.detail) for arm in arms)
    several = len({arm.group for arm in arms}) > 1
    seen: Counter[tuple[str, str]] = Counter()
    made = []
    for arm in arms:
        name = arm.name or arm.detail
        key = (arm.study, name)
        seen[key] += 1
        if times[key] > 1:
            name = f"{name} {seen[key]}" if arm.name or several else str(seen[key])
        made.append(replace(arm, name=name or "all"))
    return made


def _own_columns(given: Given, arms: Sequence[Arm]) -> dict[str, dict[str, _Column]]:
    """The other columns of the table, by the table of evidence that they belong to."""
    made: dict[str, dict[str, _Column]] = {"studies": {}, "arms": {}, "outcome": {}}
    totals = [_number(counts.get("total", "")) for arm in arms for counts in arm.counts.values()]
    for name, title in given.titles.items():
        cells = [arm.cells.get(name, "") for arm in arms]
        if name in given.again:
            made["arms"][visible(name)] = replace(_typed(visible(name), title, cells, given), alias=given.again[name])
            continue
        meant = known_field(name, (*_STUDY, *_COUNT))
        column = None
        if meant in _STUDY:
            column = _known(meant, _STUDY[meant], title, cells)
            if column is not None and meant not in made["studies"] and _same_in_each_study(arms, column.cells):
                made["studies"][meant] = column
                _keep_name(made["arms"], name, title, cells, given, meant)
                continue
        elif meant in _COUNT:
            column = _known(meant, _COUNT[meant], title, cells)
            if column is not None and meant not in made["outcome"]:
                made["outcome"][meant] = column
                _keep_name(made["arms"], name, title, cells, given, meant)
                continue
        key = visible(name)
        sizes = [_number(text) for text in cells]
        if key == "n" and (
            any(size is None for size in sizes) or max(filter(None, totals), default=0) > min(filter(None, sizes), default=0)
        ):
            key = "n (data)"
        key = f"{key} (data)" if key in TAKEN else key
        while key in made["arms"]:
            key += "'"
        made["arms"][key] = _typed(key, title, cells, given)
    return made


def _keep_name(arms: dict[str, _Column], name: str, title: str, cells: Sequence[str], given: Given, meant: str) -> None:
    """A column that evidence has under a name of ours, under its own as well, so that whoever writes it is understood."""
    key = visible(name)
    if key not in TAKEN and key not in arms:
        arms[key] = replace(_typed(key, title, cells, given), alias=meant)


def _number(text: str) -> float | None:
    plain = plain_number(text, whole=True, comma=False, foreign=False)
    return None if plain is None else float(plain)


def _same_in_each_study(arms: Sequence[Arm], cells: Sequence[str]) -> bool:
    """Whether the rows of each study agree."""
    values: dict[str, set[str]] = defaultdict(set)
    for arm, text in zip(arms, cells, strict=True):
        values[arm.study].add(text)
    return all(len(found) == 1 for found in values.values())


def _known(name: str, kind: str, title: str, cells: Sequence[str]) -> _Column | None:
    """A column that evidence knows, where its cells are what such a column has; None where they are something else."""
    texts = ["" if text.strip() in TEXT_PLACEHOLDERS else text.strip() for text in cells]
    if kind == "boolean":
        words = [text.casefold() for text in texts]
        if not set(words) <= _YES | _NO:
            return None
        return _Column(name, kind, title, ["true" if word in _YES else "false" for word in words], required=True)
    if kind in ("integer", "number"):
        numbers = ["" if is_gap(text) else plain_number(text, whole=kind == "integer", comma=False, foreign=False) for text in cells]
        if any(number is None or (kind == "integer" and "." in number) for number in numbers):
            return None
        return _Column(name, kind, title, [number or "" for number in numbers])
    if name in _WORDS:
        texts = [text.casefold() for text in texts]
        if not set(texts) <= set(_WORDS[name]):
            return None
        return _Column(name, kind, title, texts, _WORDS[name], required=True)
    return _Column(name, kind, title, [plain_text(text) for text in texts])


def _typed(name: str, title: str, cells: Sequence[str], given: Given) -> _Column:
    """A column of the table's own: numbers, percentages, truth values, or texts."""
    kind, texts, percent = typed(cells, given.semicolons)
    if kind == "string" and (odd := odd_words(cells, given.semicolons)):
        given.odd[title] = odd
    return _Column(name, kind, title if not percent or "%" in title else f"{title} (%)", texts)


def described(name: str, cells: Sequence[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """A column of a table's own as a descriptor has it (name, type by its cells, title), and what each of its cells is written as."""
    kind, texts, percent = typed(cells, False)
    column = _Column(name, kind, f"{name} (%)" if percent and "%" not in name else name, texts)
    return column.described(), dict(zip(cells, column.cells, strict=True))


def _firsts(arms: Sequence[Arm]) -> list[int]:
    """The first row of every study."""
    seen: dict[str, int] = {}
    for place, arm in enumerate(arms):
        seen.setdefault(arm.study, place)
    return list(seen.values())


def _studies(arms: Sequence[Arm], own: Mapping[str, Mapping[str, _Column]]) -> _Sheet:
    firsts = _firsts(arms)

    def of(cells: Callable[[Arm], str]) -> list[str]:
        return [cells(arms[place]) for place in firsts]

    columns = [
        _Column("study_id", "string", "Study", of(lambda arm: cell(arm.study)), required=True),
        _Column("label", "string", "Study", of(_label)),
    ]
    if any(arm.year for arm in arms):
        columns.append(_Column("year", "integer", "Year", of(lambda arm: arm.year)))
    columns += [replace(column, cells=[column.cells[place] for place in firsts]) for column in own["studies"].values()]
    return _Sheet("studies", "Studies", {"role": "studies"}, columns, ["study_id"], [arms[place].row for place in firsts])


def _label(arm: Arm) -> str:
    """The name of a study as it was written; of a selection of rates without the arm behind it."""
    return cell(arm.label.removesuffix(f" ({arm.name})"))


def _arms(arms: Sequence[Arm], given: Given, own: Mapping[str, Mapping[str, _Column]]) -> _Sheet:
    groups = given.titles.get(given.places["modality_class"], "Modality class")
    columns = [
        _Column("study_id", "string", "Study", [cell(arm.study) for arm in arms], required=True),
        _Column("arm", "string", "Arm", [cell(arm.name) for arm in arms], required=True),
        _Column("modality", "string", "Modality", [cell(arm.detail) for arm in arms], required=True),
        _Column("modality_class", "string", groups, [cell(arm.group) for arm in arms], required=True),
        *own["arms"].values(),
    ]
    return _Sheet("arms", "Arms", {"role": "arms"}, columns, ["study_id", "arm"], [arm.row for arm in arms])


def _outcome(one: OneOutcome, given: Given, arms: Sequence[Arm], own: Mapping[str, Mapping[str, _Column]]) -> _Sheet:
    places = [place for place, arm in enumerate(arms) if one.name in arm.counts]
    rows = [arms[place] for place in places]

    def of(name: str, default: str = "") -> list[str]:
        return [arm.counts[one.name].get(name) or default for arm in rows]

    columns = [
        _Column("study_id", "string", "Study", [cell(arm.study) for arm in rows], required=True),
        _Column("arm", "string", "Arm", [cell(arm.name) for arm in rows], required=True),
        _Column("events", "integer", "Events", of("events"), required=True, least=0),
        _Column("total", "integer", "Total", of("total"), required=True, least=1),
    ]
    if given.control:
        for name in ("events", "total"):
            cells = [arm.counts[""].get(name, "") for arm in rows]
            columns.append(_Column(f"{name}_control", "integer", f"{name.capitalize()}, control", cells, required=True, least=0))
    if any(of("derived")):
        columns += [_Column("derived", "boolean", "Derived", of("derived", "false"), required=True)]
        columns += [_Column(name, "string", name.capitalize(), of(name)) for name in ("derivation", "printed")]
    known = {column.name for column in columns}
    columns += [
        replace(column, cells=[column.cells[place] for place in places])
        for name, column in own["outcome"].items()
        if name not in known
    ]
    known = {column.name for column in columns}
    if "source" not in known:
        columns.append(_Column("source", "string", "Source", [cell(given.name)] * len(rows)))
        if "source_locator" not in known:
            columns.append(_Column("source_locator", "string", "Place in the source", [cell(arm.locator) for arm in rows]))
    about: dict[str, Any] = {"role": "outcome", "outcome": one.name, "label": one.label}
    about |= {"direction": one.direction} if one.direction else {}
    return _Sheet(one.name, one.label, about, columns, ["study_id", "arm"], [arm.row for arm in rows])
