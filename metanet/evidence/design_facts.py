"""What reports state of their design, beside their rates: "yes (phase II)" is yes, "not stated" is not known."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metanet.base.untrusted import visible
from metanet.evidence.contract import Column, TableContract
from metanet.evidence.frames import LEADING

#: The column of the rates that says all facts of a report in words, and its heading.
STATED, HEADING = "design_stated", "Stated in the report"
_NOT_STATED = "not stated"
#: Details in brackets, or behind a comma.
_DETAILS = re.compile(r"\s*[(,].*", re.DOTALL)


@dataclass(frozen=True)
class DesignFact:
    """A column of the facts of design that travels with the rates.

    Attributes
    ----------
    name, title : str
        The column and its heading.
    dtype : str
        "str" (yes, no or a word) or "float64" (a number).
    words : mapping of str to str
        What a reader is told: of "yes" and "no", of a "text" (in front of it) or of a "number" (behind it).
    instead_of : str
        The fact that this one makes superfluous where it is more than one: the number of centres says that there were several.
    """

    name: str
    title: str
    dtype: str
    words: Mapping[str, str]
    instead_of: str = ""

    def value(self, cell: object) -> str | float | None:
        """The cell as a moderator: without its details, and None where nothing is stated."""
        text = str(cell or "").strip()
        if not text or text == _NOT_STATED:
            return None
        if self.dtype == "float64":
            number = re.match(r"\d+(\.\d+)?", text)
            return None if number is None else float(number[0])
        return _DETAILS.sub("", text)

    def said(self, value: object) -> str:
        """A value in words; empty where nothing is stated."""
        if value is None or value == "" or value != value:
            return ""
        if isinstance(value, (int, float)):
            return "" if self.instead_of and value <= 1 else f"{value:g} {self.words.get('number', '')}".strip()
        return self.words.get(str(value)) or ": ".join(part for part in (self.words.get("text", ""), visible(value)) if part)


def facts_of(contract: TableContract | None, others: Iterable[TableContract]) -> tuple[DesignFact, ...]:
    """The facts that a descriptor lets travel with the rates (``"stated"``), without names that the other tables have."""
    known = {*LEADING, STATED, *(name for other in others for name in other.column_names)}
    columns: Sequence[Column] = () if contract is None else contract.columns
    return tuple(_fact(column) for column in columns if isinstance(column.extra.get("stated"), Mapping) and column.name not in known)


def _fact(column: Column) -> DesignFact:
    about = {str(key): str(text) for key, text in column.extra["stated"].items()}
    instead = about.pop("instead_of", "")
    return DesignFact(column.name, column.heading, "float64" if "number" in about else "str", about, instead)


def joined_facts(facts: Sequence[DesignFact], rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Study -> its facts, and all of them in words."""
    found = {row["study_id"]: {fact.name: fact.value(row.get(fact.name)) for fact in facts} for row in rows} if facts else {}
    return {study: values | {STATED: _in_words(facts, values)} for study, values in found.items()}


def columns_of_facts(facts: Sequence[DesignFact]) -> dict[str, str]:
    """The columns that they add to the rates, and their dtypes."""
    return {STATED: "str"} | {fact.name: fact.dtype for fact in facts} if facts else {}


def _in_words(facts: Sequence[DesignFact], values: Mapping[str, Any]) -> str:
    """What a report states of its design, in one line; empty where it states nothing."""
    told = {fact.name: fact.said(values[fact.name]) for fact in facts}
    for fact in facts:
        if fact.instead_of and told[fact.name]:
            told.pop(fact.instead_of, None)
    return "; ".join(text for text in told.values() if text)
