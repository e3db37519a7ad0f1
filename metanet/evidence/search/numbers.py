"""The cells of a flow as numbers: whole numbers, and lists of names with numbers, read strictly."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from metanet.base.errors import nearest, shorten
from metanet.base.untrusted import visible
from metanet.evidence.reading.cells import number_fault, plain_number
from metanet.evidence.search.tables import ABSENT_AT_ZERO, LABELS, NUMBERS, UNFILLED

#: More is no count of records; a hostile number would make boxes without end.
_MOST = 1_000_000_000
_MOST_NAMES = 1_000
#: "1,204" at the end of an entry: thousands, or a name that ends in a number and a number.
_THOUSANDS = re.compile(r"(?<!\d)\d{1,3}(,\d{3})+$", re.ASCII)

#: A list of a flow: names and their numbers.
Names = tuple[tuple[str, int], ...]
#: Records a fault: key of the number, the column that has it ("data" or "n"), what is wrong, and the fix.
Refuse = Callable[[str, str, str, str], None]


@dataclass(frozen=True)
class Numbers:
    """The numbers of a flow; what is not there is not known.

    Attributes
    ----------
    single
        Key -> number.
    lists
        Key -> names and numbers; one without names is a total alone.
    """

    single: Mapping[str, int]
    lists: Mapping[str, Names]

    def get(self, key: str) -> int | None:
        """A number, or the sum of a list; None where it is not known."""
        if key in self.lists:
            return sum(number for _, number in self.lists[key])
        return self.single.get(key)

    def any_of(self, *keys: str) -> bool:
        """Whether one of some numbers is known and not 0."""
        return any(self.get(key) for key in keys)

    def __bool__(self) -> bool:
        return bool(self.single or self.lists)


def read_numbers(cells: Iterable[tuple[str, str]], refuse: Refuse) -> Numbers:
    """The numbers of key and text of each row; rows without a key are texts of a diagram."""
    single: dict[str, int] = {}
    lists: dict[str, Names] = {}
    seen: set[str] = set()
    for key, text in cells:
        if key in UNFILLED or key in LABELS:
            continue
        if key not in NUMBERS:
            near = nearest(key, NUMBERS)
            fix = f"Write {near!r} if that is meant" if near else "Use a key of the template, or leave the cell empty"
            refuse(key, "data", "is not a key of the flow", fix)
        elif key in seen:
            refuse(key, "data", "is there twice", "Keep one of the two rows")
        elif text not in UNFILLED:
            if NUMBERS[key].is_list:
                if (found := _list(key, text, refuse)) is not None:
                    lists[key] = found
            elif (number := _number(key, text, refuse)) is not None and (number or key not in ABSENT_AT_ZERO):
                single[key] = number
        seen.add(key)
    return Numbers(MappingProxyType(single), MappingProxyType(lists))


def _number(key: str, text: str, refuse: Refuse) -> int | None:
    plain = plain_number(text, whole=True, comma=False, foreign=False)
    if plain is None or not plain.lstrip("-").isdecimal():
        wrong, _ = number_fault(text, whole=True, comma=False, percent=False)
        refuse(key, "n", wrong, "Write one whole number in digits, such as 1204")
        return None
    number = int(plain) if len(plain) < 20 else _MOST + 1
    if not 0 <= number <= _MOST:
        refuse(key, "n", "is below 0" if number < 0 else f"is above {_MOST:,}", "Write the number of records or reports")
        return None
    return number


def _list(key: str, text: str, refuse: Refuse) -> Names | None:
    """The names and numbers of "Wrong population, 12; No rate, 3"; None where nobody has filled it, or with the reason refused."""
    parts = [part.strip() for part in text.split(";") if part.strip()]
    if len(parts) > _MOST_NAMES:
        refuse(key, "n", f"has {len(parts):,} entries; up to {_MOST_NAMES:,} are read", "Join them into fewer reasons")
        return None
    ends = [part.rpartition(",")[2].strip() for part in parts]
    if all(end in UNFILLED for end in ends):
        return None
    if len(parts) == 1 and parts[0].isascii() and parts[0].isdecimal():
        number = _number(key, parts[0], refuse)
        return None if number is None else (("", number),)
    out: dict[str, int] = {}
    shown: dict[str, str] = {}
    for part, end in zip(parts, ends, strict=True):
        name = part.rpartition(",")[0].strip(" ,")
        entry = visible(shorten(part, 60))
        if not (end.isascii() and end.isdecimal()):
            refuse(key, "n", f"has the entry {entry!r}, without a comma and a whole number at its end", "Write: reason, number")
            return None
        if thousands := _THOUSANDS.search(part):
            number_text = thousands[0].replace(",", "")
            wrong = f"has the entry {entry!r}, whose number can be read as thousands"
            refuse(key, "n", wrong, f"Write {number_text} without a comma, or a space before the number")
            return None
        if not name:
            refuse(key, "n", f"has the entry {entry!r}, which names nothing", "Write: reason, number")
            return None
        folded = " ".join(name.split()).casefold()
        if folded in shown:
            refuse(key, "n", f"names {visible(shorten(name, 60))!r} twice", "Add the two numbers")
            return None
        number = _number(key, end, refuse)
        if number is None:
            return None
        shown[folded] = name
        out[name] = number
    return tuple(out.items())
