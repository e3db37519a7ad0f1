"""What people write into the cells of a spreadsheet, recognised so that a message can say how to mend it.

Frictionless decides what a value is. It is asked only after these checks, because it also takes spellings that a
person reading a table would not: 1_000, NaN, or digits of another script.
"""

from __future__ import annotations

import re

_PLAIN = re.compile(r"-?(\d+\.?\d*|\.\d+)", re.ASCII)
# One or two zeros are a decimal place of a program; three could be thousands.
_WHOLE_WITH_ZEROS = re.compile(r"(-?\d+)\.0{0,2}", re.ASCII)
_DECIMAL_COMMA = re.compile(r"-?\d+,\d+", re.ASCII)
_THOUSANDS = re.compile(r"[1-9]\d{0,2}([.,' \u2019\u202f]\d{3})+([.,]\d+)?", re.ASCII)
_FRACTION = re.compile(r"\d+\s*(/|of|von|out of)\s*\d+(\s*\(.*\))?", re.ASCII | re.IGNORECASE)
_COUNT_AND_PERCENT = re.compile(r"\d+\s*\(\s*\d+([.,]\d+)?\s*%?\s*\)", re.ASCII)
_PERCENT = re.compile(r"-?\d+([.,]\d+)?\s*%", re.ASCII)
_SPREAD = re.compile(r"\d+([.,]\d+)?\s*(±|\+/-|\+-)\s*\d.*")
_RANGE = re.compile(r"\d+([.,]\d+)?\s*(-|–|—|to|bis)\s*\d+([.,]\d+)?", re.IGNORECASE)
_INEXACT = re.compile(r"(<=?|>=?|≤|≥|~|≈|ca\.?|about|approx\.?)\s*\d.*", re.IGNORECASE)
_SCIENTIFIC = re.compile(r"-?\d+([.,]\d+)?e[+-]?\d+", re.IGNORECASE)
_WITH_UNIT = re.compile(
    r"\d+([.,]\d+)?\s*(months?|mo|years?|yrs?|y|patients?|pts?|monate?|jahre?|gbq)\.?", re.IGNORECASE
)
_NUMERIC_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}.*|\d{1,2}[./]\d{1,2}[./](\d{2}|\d{4})|\d{1,2}\.\d{1,2}\.", re.ASCII)
_DAY_MONTH = re.compile(r"\d{1,2}[.\-/ ]{1,2}([^\W\d_]{3,10})\.?([.\-/ ]{1,2}\d{2,4})?")
_MONTH_YEAR = re.compile(r"([^\W\d_]{3,10})\.?[.\-/ ]{1,2}\d{1,4}")
# The first three letters of the months in English, German, French, Spanish, Italian, Dutch and Portuguese.
_MONTHS = frozenset(
    (
        *("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
        *("mär", "mrz", "mai", "okt", "dez", "fév", "fev", "avr", "jui", "aoû", "déc", "ene", "abr", "ago", "dic"),
        *("gen", "mag", "giu", "lug", "set", "ott", "maa", "mei"),
    )
)

PLACEHOLDERS = frozenset(
    {"NA", "N/A", "n/a", "n.a.", "N.A.", "NaN", "nan", "NULL", "null", "None", "none", "NR", "n.r.", "nr", "ND", "nd"}
    | {"-", "--", "---", "–", "—", ".", "..", "?", "??", "*", "k.A.", "k. A.", "missing", "unknown", "not reported"}
)
# A text column may say `none` or `unknown` and mean it.
TEXT_PLACEHOLDERS = PLACEHOLDERS - {"None", "none", "missing", "unknown", "not reported", "nr", "nd", "NR", "ND", "nan"}
SPREADSHEET_FAULTS = frozenset(
    (
        *("#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!", "#SPILL!", "#CALC!"),
        *("#NV", "#BEZUG!", "#WERT!", "#ZAHL!", "#VALEUR!", "#NOMBRE?"),
    )
)
_EMPTY = "Leave the cell empty where nothing is known"
_YES = frozenset(
    ("yes", "y", "ja", "j", "oui", "si", "sí", "wahr", "vrai", "verdadero", "vero", "x", "1", "1.0", "t", "true")
)
_NO = frozenset(("no", "n", "nein", "non", "falsch", "faux", "falso", "0", "0.0", "f", "false"))


def decimal_comma(text: str) -> bool:
    """Whether `text` is a number written with a decimal comma, or could be."""
    return _DECIMAL_COMMA.fullmatch(text) is not None


def plain_number(text: str, *, whole: bool, comma: bool, foreign: bool) -> str | None:
    """`text` as a number with a decimal point, or None where it is not plainly one number.

    `whole` lets 5.0 stand for 5, as many programs write it. `comma` says that the file writes decimals with a comma,
    `foreign` that its cells are not separated by commas, so that a point may mean thousands.
    """
    if _THOUSANDS.fullmatch(text) and (foreign or "," in text):
        return None
    candidate = text.replace(",", ".") if comma and _DECIMAL_COMMA.fullmatch(text) else text
    if comma and "." in text:
        return None
    if whole and (match := _WHOLE_WITH_ZEROS.fullmatch(candidate)):
        return match[1]
    return candidate if _PLAIN.fullmatch(candidate) else None


def number_fault(text: str, *, whole: bool, comma: bool, percent: bool) -> tuple[str, str]:
    """What is wrong with a cell that should hold a number, and the mend."""
    if (common := common_fault(text, PLACEHOLDERS)) is not None:
        return common
    if _is_date(text):
        return (
            "looks like a date, into which a spreadsheet turned a number",
            "Format the column as text or number and type the number again",
        )
    if _PERCENT.fullmatch(text):
        number = text.rstrip("% \u202f\u00a0")
        mend = f"Write {number.replace(',', '.')} alone" if percent else "Write the count; the per cent follow from it"
        return "has a per cent sign", mend
    if _FRACTION.fullmatch(text):
        return "holds two numbers", "Write the first into the column 'events' and the second into 'total'"
    if _COUNT_AND_PERCENT.fullmatch(text):
        return "holds a count and a percentage", f"Write the count {text.split('(')[0].strip()} alone"
    if _THOUSANDS.fullmatch(text):
        return (
            "can be read as thousands or as decimals",
            "Write the number without thousands separators and with a decimal point",
        )
    if _DECIMAL_COMMA.fullmatch(text) and not whole:
        return "has a decimal comma", f"Write {text.replace(',', '.')}"
    if comma and _PLAIN.fullmatch(text):
        return "has a decimal point in a file that writes decimals with a comma", "Write all numbers in one way"
    for pattern, wrong, mend in (
        (_INEXACT, "is not an exact number", "Write the number that the source prints, and the doubt into 'note'"),
        (_SPREAD, "holds a number and its spread", "Write the number alone"),
        (_RANGE, "is a range", "Write one number, and the range into 'note'"),
        (_SCIENTIFIC, "is in scientific notation", "Write the number out"),
        (_WITH_UNIT, "holds a unit", "Write the number alone; the unit of the column is in the codebook"),
    ):
        if pattern.fullmatch(text):
            return wrong, mend
    if whole and (_PLAIN.fullmatch(text) or _DECIMAL_COMMA.fullmatch(text)):
        return "is not a whole number", "Write a whole number"
    return "is not a number", "Write a number in digits" + (", with a decimal point" if not whole else "")


def boolean_fault(text: str) -> tuple[str, str]:
    """What is wrong with a cell that should hold true or false, and the mend."""
    if (common := common_fault(text, PLACEHOLDERS)) is not None:
        return common
    folded = text.casefold()
    if folded in _YES:
        return "is not spelt as true or false", "Write true"
    if folded in _NO:
        return "is not spelt as true or false", "Write false"
    return "is neither true nor false", "Write true or false"


def common_fault(text: str, placeholders: frozenset[str]) -> tuple[str, str] | None:
    """The fault that any kind of cell may have: a spreadsheet's error value or a placeholder for nothing."""
    if text in SPREADSHEET_FAULTS or (text and not text.strip("#")):
        return "is an error that a spreadsheet left instead of a value", "Repair it in the spreadsheet and save again"
    if text in placeholders:
        return "stands for a missing value", _EMPTY
    return None


def _is_date(text: str) -> bool:
    if _NUMERIC_DATE.fullmatch(text):
        return True
    for pattern in (_DAY_MONTH, _MONTH_YEAR):
        match = pattern.fullmatch(text)
        if match and match[1][:3].casefold() in _MONTHS:
            return True
    return False
