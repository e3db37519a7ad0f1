"""Which column of a foreign table is which field of ours: by name, by the names of other programs, or as the caller says."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from metanet.base.errors import ArgumentError, check_choice, nearest, shorten
from metanet.base.habits import COLUMNS, folded_name
from metanet.base.untrusted import listing, visible
from metanet.evidence.contract import Contract
from metanet.evidence.findings import Findings
from metanet.reviews.importers.extracted_counts import spelled

#: Percentages of the total, from which events follow or by which they are checked.
PERCENT = ("percent", "percent_control")
#: Fields of a group, which a row may have several of.
GROUP = ("arm", "modality", "modality_class", "dose", "events", "nonevents", "total", "percent")
#: Fields that no table has: they become keys, the second arm of a row, the name of an arm, or counts.
OWN = (
    *("study", "outcome", "dose", "events_control", "total_control", "arm_control", "modality_control", "modality_class_control"),
    *("dose_control", "nonevents", "nonevents_control", *PERCENT),
)
#: A field of one of several groups of a row, such as events_3; the first has no number.
_NUMBERED = re.compile(rf"(?:{'|'.join(GROUP)})(?P<suffix>_[2-9])")
#: The word after the equals sign that leaves a column out; empty does the same.
_REST = "*"
#: In place of a field: the column is kept under its own name, as one of the arms.
KEEP = "+"


@dataclass(frozen=True)
class Columns:
    """Field -> column, the columns that are left out, and those that are kept under their own names."""

    fields: Mapping[str, str]
    left_out: tuple[str, ...]
    own: tuple[str, ...] = ()


def fields_of(contract: Contract) -> tuple[str, ...]:
    """Every field that a file can fill."""
    tables = (*contract.of_role("studies"), *contract.of_role("arms"), *contract.of_role("outcome"))
    return tuple(dict.fromkeys([*OWN, *(name for table in tables for name in table.column_names)]))


def is_numbered(name: str) -> bool:
    """Whether a field is that of the second, third ... group of a row."""
    return _NUMBERED.fullmatch(name) is not None


def group_suffixes(fields: Iterable[str]) -> tuple[str, ...]:
    """The endings of the groups that a row has: none for the first, then `_control`, `_2`, `_3` ..."""
    others = {found["suffix"] for name in fields if (found := _NUMBERED.fullmatch(name))}
    control = any(name.endswith("_control") for name in fields if name.startswith(("events", "percent")))
    return ("", *(("_control",) if control else ()), *sorted(others))


def check_fields(argument: str, words: Iterable[str], fields: Sequence[str]) -> None:
    """Refuse a word that is not a field, and name the nearest one."""
    for word in words:
        check_choice(argument, word, fields)


def find_columns(
    names: Sequence[str],
    mapping: Mapping[str, str],
    fields: Sequence[str],
    known: Mapping[str, str],
    *,
    strict: bool,
    file: str,
    line: int | None,
    findings: Findings,
) -> Columns:
    """Assign the columns `names` to fields.

    What the caller says comes first, then the names that the format has of old (`known`), then a name that is a field. A column
    that is none of these is a fault where `strict`, and left out where the format is known to have columns of all kinds.
    """
    for name in mapping:
        if name != _REST and name not in names:
            near = nearest(name, names)
            hint = f"Did you mean {visible(near)!r}?" if near else f"The columns are {listing(names, 12)}."
            raise ArgumentError(f"columns={visible(shorten(name))!r} is not a column of {file}. {hint}")
    if mapping.get(_REST, "") not in ("", KEEP):
        raise ArgumentError(
            f"columns='*' stands for all other columns and cannot be a field. Fix: write '*=' to leave them out, or '*={KEEP}' to "
            "keep them under their names."
        )
    check_fields("columns", (field for field in mapping.values() if field not in ("", KEEP) and not is_numbered(field)), fields)
    taken: dict[str, str] = {}
    left_out: list[str] = []
    own: list[str] = []
    said = {name: field for name, field in mapping.items() if name != _REST}
    for name, field in said.items():
        if field == KEEP:
            _check_own(name, fields)
            if name in fields:
                # The review has this column already.
                taken[name] = name
            continue
        if field and field in taken:
            raise ArgumentError(f"columns={field!r} is given to two columns, {taken[field]!r} and {name!r}. Fix: name one.")
        if field:
            taken[field] = name
    for name in names:
        if name in said:
            if said[name] in ("", KEEP) and name not in taken.values():
                (own if said[name] else left_out).append(name)
            continue
        # A dose names an arm, so a program's own column of doses is taken where the caller says so.
        meant = known.get(name) or known_field(name, fields if strict else [field for field in fields if field != "dose"])
        if meant is not None and meant not in taken:
            taken[meant] = name
        # Two columns of one meaning are never chosen between, not even where all others are left out.
        elif strict and (_REST not in mapping or (meant is not None and taken[meant] not in said)):
            _unknown(name, meant, taken, fields, file, line, findings)
        elif mapping.get(_REST) == KEEP and meant is None:
            own.append(name)
        else:
            left_out.append(name)
    return Columns(taken, tuple(left_out), tuple(own))


def _check_own(name: str, fields: Sequence[str]) -> None:
    """Refuse to keep a column under a name that is that of a field."""
    meant = known_field(name, fields)
    if meant is not None and meant != name:
        raise ArgumentError(
            f"columns={visible(shorten(f'{name}={KEEP}'))!r} keeps a column under a name that is that of the field {meant!r}. "
            f"Fix: {spelled('columns', f'{name}={meant}')}, or rename the column."
        )


def known_field(name: str, fields: Collection[str]) -> str | None:
    """The field that a name of a column means, or None."""
    if name in fields and name != "n":
        # A column that a review added keeps its capitals and spaces.
        return name
    folded = folded_name(name)
    # `n` is the size of an arm in our tables and the total in those of others: a table with an own `total` means the first.
    if folded in fields and folded != "n":
        return folded
    return COLUMNS.get(folded)


def _unknown(
    name: str, field: str | None, taken: Mapping[str, str], fields: Sequence[str], file: str, line: int | None, findings: Findings
) -> None:
    shown = visible(name)
    if field is not None:
        wrong = f"would be {field!r}, which {visible(taken[field])!r} is already"
        fix = f"Choose it with {spelled('columns', f'{shown}={field}')}, or leave it out with {spelled('columns', f'{shown}=')}"
    else:
        wrong = "is a column that cannot be mapped"
        near = [*difflib.get_close_matches(name.casefold(), fields, n=1, cutoff=0.75), "FIELD"][0]
        ways = (f"{shown}={near}", f"{shown}=", f"{shown}={KEEP}", "*=")
        named, gone, kept, others = (spelled("columns", way) for way in ways)
        fix = (
            f"Name its field with {named}, leave it out with {gone}, keep it under its name with {kept}, or leave out all others with "
        )
        fix += others
    findings.cannot_read(file, wrong, fix, row=line, value=name)
