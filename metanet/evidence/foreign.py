"""Descriptors that somebody else wrote: what in them would hide, hang or break instead of describing a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metanet.words import harmful

if TYPE_CHECKING:
    from metanet.evidence.contract import TableContract

#: More parts without an end than these take a time that grows too fast with the length of a cell.
_MOST_REPEATS = 3


def hidden_text(node: Any) -> str | None:
    """The first text of a descriptor with a control character in it; what it names is printed and becomes a folder."""
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
    """Why a pattern could take for ever over a short cell; None where it cannot.

    A repeated group that holds a repeat or a choice can be matched in exponentially many ways.
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
                return "repeats a group that itself holds a repeat or a choice"
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
    """Raise where what a table says of its modalities and shares cannot be followed."""
    classes = table.extra.get("modality_classes", {})
    if not isinstance(classes, dict) or not all(
        isinstance(members, list) and all(isinstance(member, str) for member in members) for members in classes.values()
    ):
        raise ValueError("modality_classes must give a list of modalities for each class")
    shares = table.extra.get("at_most_100", [])
    numbers = {column.name for column in table.columns if column.type in ("number", "integer")}
    if not isinstance(shares, list) or not all(isinstance(group, list) and set(group) <= numbers for group in shares):
        raise ValueError("at_most_100 must be a list of lists of columns of numbers")
