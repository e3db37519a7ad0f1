"""The content of an imported file: counts of study arms with their places, and what was left out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Unpack

from metanet.base.errors import ArgumentError, nearest, shorten
from metanet.base.untrusted import harmful, harmless_cell, listing, visible
from metanet.evidence.contract import Contract
from metanet.evidence.findings import Findings, Where
from metanet.evidence.reading.cells import plain_number
from metanet.reviews.names import is_reserved

if TYPE_CHECKING:
    from metanet.reviews.importers.two_groups import Analysis

#: Rows of one file. The largest reviews have some thousands; what has more is another kind of table.
MOST_ROWS = 50_000
#: The text of a cell whose formula has no result in the file.
UNKNOWN = "="
_PATH = re.compile(r"\.\.[/\\]|^[/\\~]|^[A-Za-z]:[/\\]")
#: Blanks and line ends of a foreign cell.
SPACES = re.compile(r"[ \t\r\n\u00a0]+")


@dataclass(frozen=True)
class Place:
    """A place in the file: its line, and the names that the file uses for the fields."""

    row: int | None
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Count:
    """Events and total of one arm of one study.

    `cells` are texts by the name of their column in the tables: of the study, of the arm, of the outcome.
    """

    place: Place
    study: str
    outcome: str
    cells: Mapping[str, str]
    #: Columns of these cells that a table may lack.
    spare: frozenset[str] = frozenset()
    #: Cells of columns that are kept under their own names.
    own: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Citation:
    """One reference of a list: its place, what it is called, whom it is matched by, and its cells by column of the studies."""

    number: int
    label: str
    author: str
    year: str
    cells: Mapping[str, str]


@dataclass
class Found:
    """The counts of a file or its references, what was left out of it on purpose, and what a reader should know."""

    file: str
    source: str
    counts: list[Count] = field(default_factory=list)
    citations: list[Citation] = field(default_factory=list)
    #: Columns and rows of a file that is a table of the review as a whole, with their places.
    columns: tuple[str, ...] = ()
    rows: list[tuple[Mapping[str, str], Place]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    #: What no table of the review has a place for: table -> rows, each with the name of its study under "study".
    beside: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    findings: Findings = field(default_factory=Findings)
    #: The analyses of two groups, chosen or not, with the results that the file states.
    analyses: Sequence[Analysis] = ()

    #: Whether cells are formulas without their results, which are then UNKNOWN.
    has_unknown: bool = False

    #: The file that was given; `file` is where the rows are, which may be inside of it.
    source_file: str = ""

    def __post_init__(self) -> None:
        self.source_file = self.source_file or self.file

    def refuse(self, wrong: str, fix: str, **where: Unpack[Where]) -> None:
        """Record a fault of the file."""
        self.findings.cannot_read(self.file, wrong, fix, **where)


@dataclass
class Renames:
    """What the caller calls things that the file calls otherwise: studies, outcomes and groups."""

    words: Mapping[str, str]
    used: set[str] = field(default_factory=set)
    seen: dict[str, None] = field(default_factory=dict)

    def __call__(self, name: str) -> str:
        """The name to be used."""
        self.seen[name] = None
        if name in self.words:
            self.used.add(name)
            return self.words[name]
        return name

    def check(self) -> None:
        """Refuse a rename of something that is not in the file: it is misspelt."""
        for name in self.words:
            if name not in self.used:
                near = nearest(name, self.seen)
                hint = f"Did you mean {visible(near)!r}?" if near else f"The file has {listing(self.seen, 12)}."
                raise ArgumentError(f"renames={visible(shorten(name))!r} is not a study, outcome or group of the file. {hint}")


@dataclass(frozen=True)
class Request:
    """What the caller asks of an importer: column -> field, field -> value for all rows, the outcomes and the renames.

    `treatments` are those that the review has, in the spelling that is kept. `skip_missing` leaves rows without events or total out,
    and `sheet` is the sheet of a workbook, or the data frame of a file of R. `whole` takes every column of the table along, so that
    those which are no counts may lack a name or the result of a formula.
    """

    contract: Contract
    renames: Renames
    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    outcomes: tuple[str, ...] = ()
    treatments: tuple[str, ...] = ()
    skip_missing: bool = False
    sheet: str | None = None
    whole: bool = False


def beside_of(request: Request, found: Found) -> list[str] | None:
    """Where cells without a column name are listed; None where they are faults, because the caller does not leave others out."""
    return found.left_out if "*" in request.columns else None


def spelled(argument: str, text: str) -> str:
    """An argument of `import_review` as a message names it; the command line writes its own option instead."""
    return f"{argument}=[{text!r}]"


def joined(one: str, other: str) -> str:
    """The renames that make two names one; a name with an equals sign cannot be the new one, so both get another."""
    if "=" not in other:
        return spelled("renames", f"{one}={other}")
    return f"{spelled('renames', f'{one}=NAME')} and {spelled('renames', f'{other}=NAME')}"


def pairs(argument: str, given: Sequence[str], what: str) -> dict[str, str]:
    """`LEFT=RIGHT` as a mapping, divided at the last equals sign, because the name of a column may contain one."""
    found: dict[str, str] = {}
    for each in given:
        left, sign, right = each.rpartition("=")
        left, right = left.strip(), right.strip()
        if not sign or not left:
            raise ArgumentError(
                f"{argument}={visible(shorten(each))!r} is not written as {what}. Fix: put one equals sign between the two."
            )
        if left in found:
            raise ArgumentError(f"{argument}={visible(shorten(left))!r} is named twice. Fix: name it once.")
        found[left] = right
    return found


_RENAME = spelled("renames", "NAME=OTHER")


def cell(text: str) -> str:
    """A text of a foreign file as a cell of a table: on one line, and nothing that a spreadsheet runs."""
    if text.isalnum():
        return text
    return str(harmless_cell(SPACES.sub(" ", text).strip()))


def count_cell(text: str) -> str:
    """A count as a cell: 5.0, as some programs write it, is 5; what is no number stays as it is, to be refused."""
    plain = SPACES.sub(" ", text).strip()
    return plain_number(plain, whole=True, comma=False, foreign=False) or plain


def name_fault(name: str) -> tuple[str, str] | None:
    """What is wrong with the name of a study, an outcome or a group, and the fix."""
    if not name.strip():
        return "is empty", "Give it a name in the program that wrote the file"
    bad = next((character for character in name if harmful(character)), None)
    if bad is not None:
        return (f"contains an invisible control character ({visible(bad)})", "Type the name again in the program that wrote the file")
    if _PATH.search(name):
        return ("is written like a path to another folder", f"Write it without dots and slashes, or rename it with {_RENAME}")
    if is_reserved(name):
        return "is a name that Windows reserves for a device", f"Rename it with {_RENAME}"
    return ("is longer than 200 characters", f"Shorten it, or rename it with {_RENAME}") if len(name) > 200 else None
