"""The cells of a column that a table has of its own: numbers however they are written, percentages, truth values, or texts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal

from metanet.base.gaps import is_gap
from metanet.base.untrusted import harmful
from metanet.evidence.reading.cells import SPREADSHEET_FAULTS, TEXT_PLACEHOLDERS
from metanet.reviews.importers.extracted_counts import cell

_PLAIN = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)", re.ASCII)
#: As programs write it: 1e-05, 2.5E+06. A code such as 1e5 has no sign.
_SCIENTIFIC = re.compile(r"[-+]?\d+(?:\.\d+)?[eE][-+]\d{1,2}|[-+]?\d+\.\d+[eE]\d{1,2}", re.ASCII)
_PERCENT = re.compile(r"(-?\d+(?:[.,]\d+)?)\s*%")
_GROUPED = re.compile(r"[-+]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?", re.ASCII)
_DECIMAL = re.compile(r"[-+]?\d*,\d+", re.ASCII)
_POINT_OF_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(?:\.\d{3})+", re.ASCII)
_CODE = re.compile(r"[-+]?0\d+", re.ASCII)
#: A whole number of more digits is a code, which a float would change.
_LONGEST_WHOLE = 15


def typed(cells: Sequence[str], semicolons: bool) -> tuple[str, list[str], bool]:
    """The type of a column, its cells as a table of evidence has them, and whether they are percentages.

    Parameters
    ----------
    cells
        The cells as they are written.
    semicolons
        Whether the file is separated by something else than commas, so that its decimals may have a comma.
    """
    known = ["" if _is_empty(text) else text.strip().replace("\u2212", "-") for text in cells]
    filled = [text for text in known if text]
    if filled and all(map(_PERCENT.fullmatch, filled)):
        return "number", [text.rstrip("% ").replace(",", ".") for text in known], True
    if filled and (numbers := _numbers(filled, semicolons)) is not None:
        whole = all("." not in text for text in numbers)
        made = iter(numbers)
        return "integer" if whole else "number", [next(made) if text else "" for text in known], False
    return "string", [plain_text("" if text.strip() in TEXT_PLACEHOLDERS or _is_fault(text) else text) for text in cells], False


def odd_words(cells: Sequence[str], semicolons: bool) -> list[str]:
    """The few cells for which a column of numbers is one of texts; empty for any other column."""
    filled = [text.strip().replace("\u2212", "-") for text in cells if not _is_empty(text)]
    odd = [text for text in filled if _numbers([text], semicolons) is None]
    return list(dict.fromkeys(odd)) if 0 < 5 * len(odd) <= len(filled) else []


def plain_text(text: str) -> str:
    """A text as a cell that evidence takes: without characters that act instead of being seen, and with its accents."""
    if text.isascii() and text.isprintable():
        return cell(text)
    with suppress(UnicodeError):
        # UTF-8 that was opened as Windows-1252; a text with accents is no UTF-8 once it is written so.
        text = text.encode("cp1252").decode("utf-8")
    kept = "".join(letter for letter in text if letter in "\n\t" or not harmful(letter))
    return cell(kept.replace("\ufffd", "?"))


def _is_fault(text: str) -> bool:
    """Whether a cell has an error of a spreadsheet, or the marks of a column that is too narrow."""
    plain = text.strip()
    return plain in SPREADSHEET_FAULTS or (bool(plain) and not plain.strip("#"))


def _is_empty(text: str) -> bool:
    return is_gap(text) or _is_fault(text)


def _numbers(filled: Sequence[str], semicolons: bool) -> list[str] | None:
    """Cells as numbers with a decimal point; None where one is no number, or may be another one."""
    points = any("." in text for text in filled)
    commas = [text for text in filled if "," in text]
    if commas:
        grouped = all(map(_GROUPED.fullmatch, commas))
        if grouped and not semicolons:
            filled = [text.replace(",", "") for text in filled]
        elif not grouped and not points and all(map(_DECIMAL.fullmatch, commas)):
            filled = [text.replace(",", ".") for text in filled]
        else:
            return None
    elif semicolons and points:
        decimals = [text for text in filled if "." in text]
        if all(map(_POINT_OF_THOUSANDS.fullmatch, decimals)):
            return None
    made = []
    for text in filled:
        if _SCIENTIFIC.fullmatch(text):
            text = f"{Decimal(text):f}"
        if not _PLAIN.fullmatch(text) or _CODE.fullmatch(text) or ("." not in text and len(text.lstrip("+-")) > _LONGEST_WHOLE):
            return None
        made.append(text.lstrip("+"))
    return made
