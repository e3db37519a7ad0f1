"""The sums that the numbers of a flow have to fulfil, and the check of each with both sides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from metanet.base.errors import shorten
from metanet.base.untrusted import visible
from metanet.evidence.search.numbers import Numbers
from metanet.evidence.search.tables import EXCLUDED, NUMBERS, SEARCHES, STAGES

MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Term:
    """A number of a sum: its key, and whether it is taken off. One that `counts` decides whether the sum is known at all."""

    key: str
    minus: bool = False
    counts: bool = False


@dataclass(frozen=True)
class Rule:
    """A number that equals a sum of others, or is at most that sum."""

    key: str
    terms: tuple[Term, ...]
    at_most: bool = False


def _plus(*keys: str, counts: bool = True) -> tuple[Term, ...]:
    return tuple(Term(key, counts=counts) for key in keys)


def _minus(*keys: str) -> tuple[Term, ...]:
    return tuple(Term(key, minus=True) for key in keys)


#: The identities of PRISMA 2020, in the order of the flow.
RULES = (
    Rule("database_results", _plus("database_specific_results")),
    Rule("register_results", _plus("register_specific_results")),
    Rule(
        "records_screened",
        (*_plus("database_results", "register_results"), *_minus("duplicates", "excluded_automatic", "excluded_other")),
    ),
    Rule("dbr_sought_reports", (*_plus("records_screened"), *_minus("records_excluded"))),
    Rule("dbr_assessed", (*_plus("dbr_sought_reports"), *_minus("dbr_notretrieved_reports"))),
    Rule("dbr_excluded", _plus("dbr_assessed"), at_most=True),
    Rule("other_sought_reports", _plus("website_results", "organisation_results", "citations_results"), at_most=True),
    Rule("other_assessed", (*_plus("other_sought_reports"), *_minus("other_notretrieved_reports"))),
    Rule("other_excluded", _plus("other_assessed"), at_most=True),
    Rule(
        "new_reports",
        (
            Term("dbr_assessed", counts=True),
            Term("dbr_excluded", minus=True),
            Term("other_assessed", counts=True),
            Term("other_excluded", minus=True),
        ),
    ),
    Rule("previous_studies", _plus("previous_reports"), at_most=True),
    Rule("new_studies", _plus("new_reports"), at_most=True),
    Rule("total_studies", (*_plus("previous_studies", counts=False), *_plus("new_studies"))),
    Rule("total_reports", (*_plus("previous_reports", counts=False), *_plus("new_reports"))),
    Rule("total_studies", _plus("total_reports"), at_most=True),
    Rule("total_studies_ma", _plus("total_studies"), at_most=True),
    Rule("total_reports_ma", _plus("total_reports"), at_most=True),
    Rule("total_studies_ma", _plus("total_reports_ma"), at_most=True),
)


@dataclass(frozen=True)
class Checked:
    """One identity of a flow: both sides, and whether it holds.

    Attributes
    ----------
    key
        The number on the left side.
    left
        That number; None where it is not given.
    right
        The sum on the right side.
    text
        The right side in words and numbers.
    at_most
        Whether the left side may be less.
    """

    key: str
    left: int | None
    right: int
    text: str
    at_most: bool = False
    #: What of the number the left side is: " for 'No rate'".
    part: str = ""

    #: Whether it may have a reason that it does not hold: then it is told, and stops nothing.
    notice: bool = False

    @property
    def holds(self) -> bool | None:
        """Whether it holds; None where the left side is not given, and could be."""
        if self.left is None:
            return None if self.right >= 0 else False
        return self.left <= self.right if self.at_most else self.left == self.right

    @property
    def difference(self) -> int | None:
        """Left minus right."""
        return None if self.left is None else self.left - self.right

    def called(self, titled: bool = False) -> str:
        """The left side by its key, or by its title."""
        return f"{NUMBERS[self.key].title if titled else self.key}{self.part}"

    def wrong(self, titled: bool = False) -> str:
        """What does not hold, with both sides and the difference."""
        called = self.called(titled)
        if self.left is None:
            return f"{called} is not given, and {self.text} is below 0"
        off = abs(self.left - self.right)
        verb = ":" if titled else " is"
        if self.at_most:
            return f"{called}{verb} {self.left:,}, more than {self.text}: {off:,} too many"
        return f"{called}{verb} {self.left:,}, but {self.text}: {off:,} too {'many' if self.left > self.right else 'few'}"

    def sentence(self) -> str:
        """The identity in words and numbers."""
        return (
            f"{self.called(titled=True)} {'?' if self.left is None else f'{self.left:,}'} {'≤' if self.at_most else '='} {self.text}"
        )


def checked_rules(numbers: Numbers) -> Iterator[Checked]:
    """Every identity whose right side is known; numbers that are not given count as 0, and the text says so."""
    updated = numbers.any_of(*_PREVIOUS)
    for rule in RULES:
        if not any(term.counts and _value(term.key, numbers)[1] is not None for term in rule.terms):
            continue
        # A total is asked for where there are two numbers to add, and what is at most something where it is given.
        if numbers.get(rule.key) is None and (rule.at_most or (rule.key in _TOTALS and not updated)):
            continue
        made = _of(rule, numbers)
        complete = all(_value(term.key, numbers)[1] is not None for term in rule.terms)
        if made.left is not None or complete or made.right < 0:
            yield made


_PREVIOUS = ("previous_studies", "previous_reports")
#: Totals -> what they are without a previous version.
_TOTALS = {"total_studies": "new_studies", "total_reports": "new_reports"}


def _value(key: str, numbers: Numbers) -> tuple[str, int | None]:
    """A number and its key; that of the new studies where there is no total and no previous version."""
    found = numbers.get(key)
    if found is None and key in _TOTALS and not numbers.any_of(*_PREVIOUS):
        return _TOTALS[key], numbers.get(_TOTALS[key])
    return key, found


def _of(rule: Rule, numbers: Numbers) -> Checked:
    parts: list[str] = []
    total = 0
    for term in rule.terms:
        key, value = _value(term.key, numbers)
        known = 0 if value is None else value
        total += -known if term.minus else known
        sign = ("" if not parts else " + ") if not term.minus else f" {MINUS} "
        parts.append(f"{sign}{NUMBERS[key].short} {known:,}{' (not given)' if value is None else ''}")
    text = "".join(parts) if len(rule.terms) == 1 else f"{''.join(parts)} = {_signed(total)}"
    return Checked(rule.key, numbers.get(rule.key), total, text, rule.at_most)


def _signed(number: int) -> str:
    return f"{MINUS}{-number:,}" if number < 0 else f"{number:,}"


@dataclass(frozen=True)
class Beside:
    """What the other tables of a review say of its search; None where there is no such table.

    Attributes
    ----------
    excluded
        Stage and reason of each excluded report.
    searches
        Database and number of records of each search.
    studies
        Rows of the studies.
    poolable
        Studies with a row that may be pooled.
    """

    excluded: tuple[tuple[str, str], ...] | None = None
    searches: tuple[tuple[str, int], ...] | None = None
    studies: int | None = None
    poolable: int | None = None


def folded(name: str) -> str:
    """A name as it is compared: case and spaces do not count."""
    return " ".join(name.split()).casefold()


def checked_beside(numbers: Numbers, beside: Beside) -> Iterator[Checked]:
    """The numbers of a flow against the other tables of the review."""
    if beside.searches:
        yield from _searches(numbers, beside.searches)
    for stage, key in STAGES.items() if beside.excluded else ():
        yield from _reasons(numbers, key, [reason for at, reason in beside.excluded or () if (at or "full_text") == stage])
    key, total = _value("total_reports", numbers)
    if beside.studies is not None and total is not None:
        yield Checked(key, total, beside.studies, f"rows of studies.csv {beside.studies:,}", notice=True)
    in_meta = numbers.get("total_reports_ma")
    if beside.poolable is not None and in_meta is not None:
        text = f"studies with a row that may be pooled {beside.poolable:,}"
        yield Checked("total_reports_ma", in_meta, beside.poolable, text)


def _reasons(numbers: Numbers, key: str, rows: list[str]) -> Iterator[Checked]:
    """A list of reasons against the excluded reports of its stage, reason by reason."""
    names = {folded(reason): reason for reason in rows}
    counts = {name: sum(folded(reason) == name for reason in rows) for name in names}
    listed = numbers.lists.get(key)
    if listed is None or any(not name for name, _ in listed):
        if rows or listed is not None:
            yield Checked(key, numbers.get(key), len(rows), f"rows of {EXCLUDED} at this stage {len(rows):,}")
        return
    given = {folded(name): (name, number) for name, number in listed}
    for name in {**given, **counts}:
        shown, number = given.get(name, (names.get(name, name), 0))
        there = counts.get(name, 0)
        said = f" for {visible(shorten(shown, 60))!r}"
        yield Checked(key, number, there, f"rows of {EXCLUDED} with this reason {there:,}", part=said)


def _searches(numbers: Numbers, rows: tuple[tuple[str, int], ...]) -> Iterator[Checked]:
    """Numbers of databases and registers against the searches: each one that is listed, then the sums."""
    hits: dict[str, int] = {}
    for name, number in rows:
        hits[folded(name)] = hits.get(folded(name), 0) + number
    registers = {folded(name) for name, _ in numbers.lists.get("register_specific_results", ())}
    for key in ("database_specific_results", "register_specific_results"):
        for name, number in numbers.lists.get(key, ()):
            if folded(name) in hits:
                there = hits[folded(name)]
                said = f" for {visible(shorten(name, 60))!r}"
                yield Checked(key, number, there, f"records of its searches in {SEARCHES} {there:,}", part=said)
    in_registers = sum(number for name, number in hits.items() if name in registers)
    in_databases = sum(hits.values()) - in_registers
    text = f"records of the searches of {{}} in {SEARCHES} {{:,}}"
    of_registers, of_databases = numbers.get("register_results"), numbers.get("database_results")
    if registers & hits.keys():
        yield Checked("register_results", of_registers, in_registers, text.format("registers", in_registers))
    elif of_databases is not None and of_registers and in_databases == of_databases + of_registers:
        # Registers are among the searches, and no list says which they are.
        in_databases -= of_registers
    yield Checked("database_results", of_databases, in_databases, text.format("databases", in_databases))
