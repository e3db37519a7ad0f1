"""Counts that a table writes as percentages, or with them: taken where they follow in one way, otherwise refused with the set."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from metanet.base.untrusted import visible
from metanet.evidence.proof.printed import PrintedError, parse, words
from metanet.evidence.reading.cells import number_fault
from metanet.reviews.importers.extracted_counts import SPACES, count_cell

_NUMBER = r"\d+(?:[.,]\d+)?"
#: 16.1 %, 9 (16.1%), 9 (16.1), 9/56 (16.1%) and 9/56.
_CELL = re.compile(
    rf"(?P<alone>{_NUMBER})\s*%|(?P<count>\d{{1,9}})(?:\s*/\s*(?P<of>\d{{1,9}}))?(?:\s*\(\s*(?P<beside>{_NUMBER})\s*%?\s*\))?",
    re.ASCII,
)
_PERCENT = re.compile(rf"(?P<number>{_NUMBER})\s*(?P<sign>%?)", re.ASCII)
_COMMA = re.compile(r"\d,\d+\s*%", re.ASCII)
_CAUSES = "Look for another denominator, a misprint or missing patients; write the count if the source prints it, or leave the row out"
_SEVERAL = "Write the count if the source prints it, or the percentage with all its decimals; otherwise leave the row out"


@dataclass(frozen=True)
class Fault:
    """What is wrong with a cell: its field (events or percent), its text, and the words of the message."""

    field: str
    value: str
    wrong: str
    fix: str


@dataclass(frozen=True)
class Figures:
    """Events, total and what the source prints about them, as cells of the tables; or a fault."""

    cells: dict[str, str] = field(default_factory=dict)
    fault: Fault | None = None
    #: The field whose cell `printed` is from.
    printed_in: str = "events"


def is_fraction(text: str) -> bool:
    """Whether a cell gives events and total, such as 9/56."""
    found = _CELL.fullmatch(_plain(text))
    return found is not None and found["of"] is not None


def has_comma(percents: Iterable[str], events: Iterable[str]) -> bool:
    """Whether a percentage among the cells is written with a decimal comma."""
    return any(_COMMA.search(_plain(text)) for text in events) or any(
        "," in text and _PERCENT.fullmatch(_plain(text)) for text in percents
    )


def may_be_proportions(percents: Iterable[str]) -> bool:
    """Whether a column of percentages without a sign has no number above 1, so that 0.2 may be 20 %."""
    numbers = []
    for text in percents:
        found = _PERCENT.fullmatch(_plain(text))
        if found is None:
            continue
        if found["sign"]:
            return False
        numbers.append(float(found["number"].replace(",", ".")))
    return bool(numbers) and max(numbers) <= 1 and any(0 < number < 1 for number in numbers)


def read_figures(events: str, total: str, percent: str, *, comma: bool) -> Figures:
    """The count of one arm from its cells.

    Parameters
    ----------
    events, total, percent
        The cells as they are written; `percent` has a sign or none. Each may be empty.
    comma
        Whether the file writes decimals with a comma.
    """
    events, percent, sum_ = _plain(events), _plain(percent), count_cell(total)
    found = _CELL.fullmatch(events)
    if found is None and events and not _is_whole(count_cell(events)):
        # No count in any way that is read: the check of the tables says what it is.
        return Figures({"events": count_cell(events), "total": sum_})
    count = str(int(found["count"])) if found is not None and found["count"] else count_cell(events) if found is None else ""
    of = str(int(found["of"])) if found is not None and found["of"] else ""
    if of and _is_whole(sum_) and int(sum_) != int(of):
        wrong = f"is a count of {int(of):,}, and the total beside it is {int(sum_):,}"
        return Figures(fault=Fault("events", events, wrong, "Check both against the source"))
    sum_ = sum_ or of
    figures = []
    if found is not None and (beside := found["alone"] or found["beside"]):
        figures.append(("events", events, beside))
    if percent:
        match = _PERCENT.fullmatch(percent)
        if match is None:
            return Figures(fault=Fault("percent", percent, *number_fault(percent, whole=False, comma=comma, percent=True)))
        figures.append(("percent", percent, match["number"]))
    if not figures:
        return Figures({"events": count, "total": sum_})
    return _solved(figures, count, of, sum_, comma)


def _solved(figures: list[tuple[str, str, str]], count: str, of: str, total: str, comma: bool) -> Figures:
    """The count that fits every percentage."""
    parts: dict[str, None] = {f"{count}/{of}" if of else count: None} if count else {}
    for name, value, number in figures:
        if (fault := _decimal_fault(number, comma)) is not None:
            return Figures(fault=Fault(name, value, *fault))
        if not _is_whole(total):
            beside = f"the total beside it is {visible(total)!r}" if total else "there is no total beside it"
            return Figures(fault=Fault(name, value, f"is a percentage, and {beside}", "Write the total, a whole number"))
        part = f"{number.replace(',', '.')}% of {int(total)}"
        try:
            printed = parse(part)
        except PrintedError as error:
            return Figures(fault=Fault(name, value, error.wrong, error.fix))
        counts = printed.counts()
        if not counts:
            return Figures(fault=Fault(name, value, f"does not fit: {printed.unfit()}", _CAUSES))
        if count and int(count) not in counts:
            wrong = f"does not fit the count {int(count):,}: {part} is {words(counts)}"
            return Figures(fault=Fault(name, value, wrong, "Check count, percentage and total against the source"))
        parts[part] = None
    name, value, _ = figures[0]
    text = " = ".join(parts)
    counts = parse(text).counts()
    if not counts:
        wrong = f"does not fit the other percentage of the row: {parse(text).unfit()}"
        return Figures(fault=Fault(name, value, wrong, "Check both percentages against the source"))
    if len(counts) > 1:
        return Figures(fault=Fault(name, value, f"is {words(counts)} of {int(total):,}", _SEVERAL))
    cells = {"events": str(counts[0]), "total": total, "printed": text}
    if not count:
        cells |= {"derived": "true", "derivation": f"{text} -> {counts[0]}"}
    return Figures(cells, printed_in=name)


def _decimal_fault(number: str, comma: bool) -> tuple[str, str] | None:
    if comma and "." in number:
        return "has a decimal point in a file that writes decimals with a comma", "Write all numbers in one way"
    if "," in number and not comma:
        return "has a decimal comma", f"Write {number.replace(',', '.')}%"
    return None


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _plain(text: str) -> str:
    return SPACES.sub(" ", text).strip()
