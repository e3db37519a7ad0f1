"""The contract of a folder of tables, read from its datapackage.json, and where the tables are."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

from metanet.base.untrusted import harmful, visible
from metanet.evidence.findings import Findings
from metanet.evidence.folders import DESCRIPTOR, curated_folder
from metanet.evidence.reading.text import read_bytes

#: More parts without an end than these take a time that grows too fast with the length of a cell.
_MOST_REPEATS = 3


def hidden_text(node: Any) -> str | None:
    """The first text of a descriptor with a control character; its names are printed and become folders."""
    waiting = [node]
    while waiting:
        now = waiting.pop()
        if isinstance(now, dict):
            waiting += [*now, *now.values()]
        elif isinstance(now, list):
            waiting += now
        elif isinstance(now, str) and any(harmful(character) and character not in "\n\r\t" for character in now):
            return now
    return None


def costly(pattern: str) -> str | None:
    """Why a pattern could take exponential time on a short cell; None if it cannot.

    A repeated group that contains a repeat or a choice can be matched in exponentially many ways.
    """
    branching, repeats, place, last = [False], 0, 0, False
    while place < len(pattern):
        sign = pattern[place]
        closed = False
        if sign == "\\":
            place += 1
        elif sign == "[":
            place = _end_of_class(pattern, place)
        elif sign == "(":
            branching.append(False)
        elif sign == ")" and len(branching) > 1:
            closed = branching.pop()
            branching[-1] |= closed
        elif sign == "|":
            branching[-1] = True
        elif sign in "*+{" or (sign == "?" and pattern[place - 1 : place] != "("):
            if last and sign != "?":
                return "repeats a group that itself contains a repeat or a choice"
            branching[-1] = True
            repeats += sign in "*+" or ",}" in pattern[place : place + 12]
        last, place = closed, place + 1
    return f"has more than {_MOST_REPEATS} repeats without an end" if repeats > _MOST_REPEATS else None


def _end_of_class(pattern: str, place: int) -> int:
    """The bracket that closes a class; one that comes first is a member of it."""
    place += 2 if pattern[place + 1 : place + 2] in ("^", "]") else 1
    place += pattern[place - 1 : place + 1] == "^]"
    while place < len(pattern) and pattern[place] != "]":
        place += 2 if pattern[place] == "\\" else 1
    return place


def check_extra(table: TableContract) -> None:
    """Raise if the modalities or shares that a table describes are invalid."""
    classes = table.extra.get("modality_classes", {})
    if not isinstance(classes, dict) or not all(
        isinstance(members, list) and all(isinstance(member, str) for member in members) for members in classes.values()
    ):
        raise ValueError("modality_classes must give a list of modalities for each class")
    titles = table.extra.get("modality_titles", {})
    if not isinstance(titles, dict) or not all(isinstance(title, str) for title in titles.values()):
        raise ValueError("modality_titles must give the full name of each modality class, a text")
    shares = table.extra.get("at_most_100", [])
    numbers = {column.name for column in table.columns if column.type in ("number", "integer")}
    if not isinstance(shares, list) or not all(isinstance(group, list) and set(group) <= numbers for group in shares):
        raise ValueError("at_most_100 must be a list of lists of columns of numbers")


# The contract of a folder of tables, read from its datapackage.json: columns, vocabularies, keys and roles.
#
# The typing itself is done by Frictionless field objects. They are built one by one, without the check of the whole
# descriptor: that check takes over a second, and is useful only for a user-written descriptor.

Reader = Callable[[object], tuple[Any, dict[str, str] | None]]

#: Roles of tables that every review may have, described in optional_tables.json.
OPTIONAL = ("risk_of_bias", "certainty", "search_flow", "excluded", "searches")
ROLES = ("studies", "arms", "outcome", "published", "facts", *OPTIONAL, "other")
# What the selection of rates cannot do without: columns that must be filled, and their types.
NEEDED: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "studies": {"study_id": "string"},
        "arms": {"study_id": "string", "arm": "string", "modality": "string", "modality_class": "string"},
        "outcome": {"study_id": "string", "arm": "string", "events": "integer", "total": "integer"},
        "facts": {"study_id": "string"},
        "risk_of_bias": dict.fromkeys(("study_id", "tool", "domain", "judgement", "assessor"), "string"),
        "certainty": dict.fromkeys(("outcome", "modality", "question", "domain", "rating", "reason"), "string"),
        "excluded": {"citation": "string", "reason": "string"},
        "searches": {"database": "string", "date": "string", "hits": "integer"},
    }
)
# Columns that a table may lack or leave empty, and their types where it has them: a year orders and labels studies.
_TYPES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {"studies": {"year": "integer"}, "search_flow": {"data": "string", "n": "string"}}
)
# Columns that an outcome may have and that then mean the same everywhere.
CERTAINTIES = ("low", "moderate", "high")


@dataclass(frozen=True)
class Column:
    """One column: its Frictionless reader, and its description for messages."""

    name: str
    type: str
    title: str
    description: str
    unit: str
    constraints: Mapping[str, Any]
    extra: Mapping[str, Any]
    true_values: tuple[str, ...]
    false_values: tuple[str, ...]
    reader: Reader
    #: Texts of a cell that mean that nothing is known.
    missing: tuple[str, ...] = ("",)

    @property
    def required(self) -> bool:
        """Whether a cell may not be empty."""
        return bool(self.constraints.get("required", False))

    @property
    def optional(self) -> bool:
        """Whether a table may lack the column without a word about it."""
        return bool(self.extra.get("optional", False))

    @property
    def heading(self) -> str:
        """The title with the unit, where the unit says more: "Grade 1 (%)"."""
        return f"{self.title} ({self.unit})" if self.unit and self.unit != self.title.lower() else self.title

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The allowed words; empty where any text is allowed."""
        return tuple(str(word) for word in self.constraints.get("enum", self.extra.get("vocabulary", ())))


@dataclass(frozen=True)
class Family:
    """Definitions of an outcome that may be pooled together, the widest first."""

    name: str
    title: str
    members: tuple[str, ...]
    titles: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """The properties of an outcome that a selection of rates needs."""

    name: str
    label: str
    direction: str
    families: tuple[Family, ...]
    default_family: str
    has_certainty: bool
    #: The outcome that includes this one: objective response includes complete response.
    within: str = ""

    @property
    def titles(self) -> dict[str, str]:
        """The title of every definition and of every family of them."""
        titles = {name: title for f in self.families for name, title in zip(f.members, f.titles, strict=True)}
        return titles | {f.name: f.title for f in self.families}

    def title_of(self, definition: str) -> str:
        """A definition, or a family of them, as a reader calls it."""
        return self.titles.get(definition, definition)


@dataclass(frozen=True)
class TableContract:
    """The structure and the role of one file."""

    name: str
    file: str
    title: str
    role: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    extra: Mapping[str, Any]

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of the columns in their order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column | None:
        """The column of that name, if there is one."""
        return next((column for column in self.columns if column.name == name), None)

    @property
    def outcome(self) -> str:
        """The name of the outcome in the file."""
        return str(self.extra.get("outcome", self.name))

    @property
    def label(self) -> str:
        """The label of the outcome."""
        return str(self.extra.get("label", self.title))

    @property
    def families(self) -> tuple[Family, ...]:
        """The families of definitions; empty where the outcome has one definition."""
        about = self.extra.get("definitions", {})
        titles = about.get("titles", {})
        return tuple(
            Family(
                str(found["name"]),
                str(found.get("title", found["name"])),
                tuple(found["members"]),
                tuple(str(titles.get(member, str(member).replace("_", " "))) for member in found["members"]),
            )
            for found in about.get("families", ())
        )

    @property
    def default_family(self) -> str:
        """The family that is pooled by default."""
        chosen = self.extra.get("definitions", {}).get("default")
        return str(chosen) if chosen else next((family.name for family in self.families), "")

    def as_outcome(self) -> Outcome:
        """The outcome without the readers of its columns, so that it can be sent to another process."""
        return Outcome(
            name=self.outcome,
            label=self.label,
            direction=str(self.extra.get("direction", "")),
            families=self.families,
            default_family=self.default_family,
            has_certainty=self.column("certainty") is not None,
            within=str(self.extra.get("within", "")),
        )


@dataclass(frozen=True)
class Contract:
    """The tables of a folder, by file name."""

    tables: Mapping[str, TableContract]
    source: str
    content: bytes

    @property
    def title(self) -> str:
        """The title of the whole, as its descriptor states it; empty where it states none."""
        return str(json.loads(self.content.decode("utf-8-sig")).get("title") or "")

    @property
    def is_one_table(self) -> bool:
        """Whether the tables are those that one table of counts was divided into."""
        about = json.loads(self.content.decode("utf-8-sig")).get("metanet")
        return isinstance(about, dict) and about.get("one_table") is True

    def of_role(self, role: str) -> tuple[TableContract, ...]:
        """The tables that have this role, in the order of the descriptor."""
        return tuple(table for table in self.tables.values() if table.role == role)


@lru_cache(maxsize=1)
def column_titles() -> Mapping[str, str]:
    """Column -> what a reader calls it, for the columns of the curated tables."""
    described = json.loads((curated_folder() / DESCRIPTOR).read_text(encoding="utf-8"))
    fields = (field for resource in described["resources"] for field in resource["schema"]["fields"])
    return {field["name"]: str(field["title"]) for field in fields}


@lru_cache(maxsize=1)
def curated_contract() -> Contract:
    """The contract of the curated tables, which applies to every folder without its own."""
    path = curated_folder() / DESCRIPTOR
    findings = Findings()
    contract = read_contract(path.read_bytes(), findings, own=False)
    if contract is None or findings.faults:
        from metanet.evidence.findings import data_error

        raise data_error(path.name, findings.faults)
    return _with_optional(contract)


@lru_cache(maxsize=1)
def optional_resources() -> tuple[dict[str, Any], ...]:
    """The descriptions of the tables that every review may have, as a descriptor states them."""
    text = files("metanet.evidence").joinpath("optional_tables.json").read_text(encoding="utf-8")
    return tuple(json.loads(text)["resources"])


def _with_optional(contract: Contract) -> Contract:
    """The contract with the optional tables that its descriptor does not describe itself."""
    tables = dict(contract.tables)
    roles = {table.role for table in tables.values()}
    for resource in optional_resources():
        made = _table(resource, Findings(), own=False)
        if made is not None and made.file not in tables and made.role not in roles:
            tables[made.file] = made
    return Contract(MappingProxyType(tables), contract.source, contract.content)


def contract_for(folder: Path, findings: Findings) -> Contract | None:
    """The contract of `folder`: its own descriptor if it has one, otherwise the curated one."""
    path = folder / DESCRIPTOR
    if not path.exists() or path.resolve() == (curated_folder() / DESCRIPTOR).resolve():
        return curated_contract()
    content = read_bytes(path, DESCRIPTOR, findings, "JSON")
    if content is None:
        return None
    if content == curated_contract().content:
        return curated_contract()
    own = read_contract(content, findings, own=True)
    return None if own is None else _with_optional(own)


def read_contract(content: bytes, findings: Findings, *, own: bool) -> Contract | None:
    """The contract that a descriptor states, or None with the reasons in `findings`.

    With `own`, the descriptor was written by the user, and Frictionless checks all of it first.
    """
    try:
        descriptor = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        findings.cannot_read(DESCRIPTOR, "is not JSON in UTF-8", "Check its commas, quotes and brackets", row=line)
        return None
    resources = descriptor.get("resources") if isinstance(descriptor, dict) else None
    if not isinstance(resources, list) or not all(isinstance(resource, dict) for resource in resources):
        findings.cannot_read(DESCRIPTOR, "has no list of resources", "Start from the one that comes with the curated tables")
        return None
    before = len(findings.unreadable)
    if own and (hidden := hidden_text(descriptor)) is not None:
        findings.cannot_read(
            DESCRIPTOR, "contains an invisible control character", "Delete it and type the text", value=visible(hidden)
        )
        return None
    tables: dict[str, TableContract] = {}
    for resource in resources:
        table = _table(resource, findings, own=own)
        if table is not None and table.file in tables:
            findings.cannot_read(DESCRIPTOR, f"describes {table.file} twice", "Keep one of the two")
        elif table is not None:
            tables[table.file] = table
    if len(findings.unreadable) == before:
        _check_roles(tables.values(), findings)
    if len(findings.unreadable) > before:
        return None
    return Contract(MappingProxyType(tables), DESCRIPTOR, content)


def _table(resource: Mapping[str, Any], findings: Findings, *, own: bool) -> TableContract | None:
    file, schema = resource.get("path"), resource.get("schema")
    name = str(resource.get("name", file))
    if not isinstance(file, str) or not file or Path(file).name != file or "\\" in file or file in {".", ".."}:
        findings.cannot_read(DESCRIPTOR, f"resource {name!r} has no plain file name as its path", "Write the name of a file beside it")
        return None
    if not isinstance(schema, dict) or not isinstance(schema.get("fields"), list):
        findings.cannot_read(DESCRIPTOR, f"resource {name!r} has no schema with fields in it", "Write the Table Schema in the file")
        return None
    if own and (faults := _schema_faults(schema)):
        for fault in faults:
            findings.cannot_read(DESCRIPTOR, f"resource {name!r}: {fault}", "Follow the Table Schema standard")
        return None
    extra = resource.get("metanet", {})
    try:
        columns = tuple(_column(field, schema.get("missingValues", [""])) for field in schema["fields"])
        key = schema.get("primaryKey", ())
        table = TableContract(
            name=name,
            file=file,
            title=str(resource.get("title", name)),
            role=str(extra.get("role") or _role(file, [column.name for column in columns])),
            columns=columns,
            primary_key=(key,) if isinstance(key, str) else tuple(key),
            extra=MappingProxyType(dict(extra)),
        )
        check_extra(table)
        known_words = table.column("definition")
        members = {member for family in table.families for member in family.members}
    except (TypeError, ValueError, AttributeError, KeyError, re.error) as error:
        findings.cannot_read(DESCRIPTOR, f"resource {name!r} cannot be understood ({error})", "Compare it with the curated descriptor")
        return None
    if known_words is not None and known_words.vocabulary and members != set(known_words.vocabulary):
        findings.cannot_read(
            DESCRIPTOR,
            f"resource {name!r}: the families do not contain each allowed definition",
            "List every definition of the column in exactly one family",
        )
    if table.families and table.default_family not in {family.name for family in table.families}:
        findings.cannot_read(DESCRIPTOR, f"resource {name!r}: the default definition is not a family", "Name one of the families")
    return table


def _schema_faults(schema: Mapping[str, Any]) -> list[str]:
    from frictionless import FrictionlessException, Schema

    try:
        Schema.from_descriptor(dict(schema))
    except FrictionlessException as error:
        return [reason.message for reason in (error.reasons or [error.error])]
    return []


def _column(field: Mapping[str, Any], missing_values: Sequence[str]) -> Column:
    from frictionless import fields

    classes: dict[str, Any] = {
        "string": fields.StringField,
        "integer": fields.IntegerField,
        "number": fields.NumberField,
        "boolean": fields.BooleanField,
    }
    kind = str(field.get("type", "string"))
    if kind not in classes:
        raise ValueError(f"column {field.get('name')!r}: the type {kind!r} is not one of {', '.join(classes)}")
    options: dict[str, Any] = {}
    if kind == "boolean":
        options["true_values"] = list(field.get("trueValues", ["true", "TRUE"]))
        options["false_values"] = list(field.get("falseValues", ["false", "FALSE"]))
    built = classes[kind](
        name=field["name"], constraints=dict(field.get("constraints", {})), missing_values=list(missing_values), **options
    )
    read = built.create_value_reader()
    for name in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
        # Frictionless would come upon it at the first cell only, and then fail.
        if name in built.constraints and read(built.constraints[name]) is None:
            raise ValueError(f"column {field['name']!r}: the {name} is not of the type {kind}")
    if isinstance(pattern := built.constraints.get("pattern"), str) and (why := costly(pattern)):
        raise ValueError(f"column {field['name']!r}: the pattern {why}")
    return Column(
        name=str(field["name"]),
        type=kind,
        title=str(field.get("title", field["name"])),
        description=str(field.get("description", "")),
        unit=str(field.get("unit", "")),
        constraints=MappingProxyType(dict(field.get("constraints", {}))),
        extra=MappingProxyType(dict(field.get("metanet", {}))),
        true_values=tuple(options.get("true_values", ())),
        false_values=tuple(options.get("false_values", ())),
        reader=built.create_cell_reader(),
        missing=tuple(missing_values),
    )


def _role(file: str, columns: Sequence[str]) -> str:
    """The role of a resource whose descriptor does not name one."""
    stem = Path(file).stem
    if stem in {"studies", "arms"}:
        return stem
    if stem == "published_pooled":
        return "published"
    if set(NEEDED["outcome"]) <= set(columns):
        return "outcome"
    # A table of one's own may bear the name of one of ours.
    role = stem if stem in OPTIONAL else "other"
    return role if {*NEEDED.get(role, ()), *_TYPES.get(role, ())} <= set(columns) else "other"


def _check_roles(tables: Any, findings: Findings) -> None:
    roles = [table.role for table in tables]
    for table in tables:
        if table.role not in ROLES:
            findings.cannot_read(DESCRIPTOR, f"{table.file} has the unknown role {table.role!r}", f"Use one of {', '.join(ROLES)}")
        for name, kind in NEEDED.get(table.role, {}).items():
            column = table.column(name)
            if column is None or column.type != kind or not column.required:
                findings.cannot_read(
                    DESCRIPTOR,
                    f"{table.file} has the role {table.role!r} and no required column {name!r} of the type {kind}",
                    "Describe it so",
                )
        for name, kind in _TYPES.get(table.role, {}).items():
            column = table.column(name)
            if column is not None and column.type != kind:
                findings.cannot_read(DESCRIPTOR, f"{table.file}: the column {name!r} is not of the type {kind}", "Describe it so")
        if table.role == "outcome":
            _check_outcome(table, findings)
    for role in ("studies", "arms"):
        if roles.count(role) != 1:
            findings.cannot_read(DESCRIPTOR, f"has {roles.count(role)} tables of the role {role!r}", "Describe exactly one")
    for role in ("facts", *OPTIONAL):
        if roles.count(role) > 1:
            findings.cannot_read(DESCRIPTOR, f"has {roles.count(role)} tables of the role {role!r}", "Describe one at most")
    outcomes = [table.outcome for table in tables if table.role == "outcome"]
    for name in sorted({name for name in outcomes if outcomes.count(name) > 1}):
        findings.cannot_read(DESCRIPTOR, f"has two tables of the outcome {name!r}", "Name each outcome once")
    if "outcome" not in roles:
        findings.cannot_read(DESCRIPTOR, "describes no outcome", "Describe at least one table of the role 'outcome'")


def _check_outcome(table: TableContract, findings: Findings) -> None:
    """Check that columns used as filters by `rates` have the known words."""
    certainty, poolable, definition = (table.column(name) for name in ("certainty", "poolable", "definition"))
    if certainty is not None and not (certainty.required and certainty.vocabulary and set(certainty.vocabulary) <= set(CERTAINTIES)):
        findings.cannot_read(
            DESCRIPTOR, f"{table.file}: certainty is not required with words of {', '.join(CERTAINTIES)}", "Describe it so"
        )
    if poolable is not None and not (poolable.required and poolable.type == "boolean"):
        findings.cannot_read(DESCRIPTOR, f"{table.file}: poolable is not a required boolean", "Describe it so")
    if table.families and (definition is None or not definition.required or not definition.vocabulary):
        findings.cannot_read(DESCRIPTOR, f"{table.file} has families of definitions and no required column for them", "Describe it")
