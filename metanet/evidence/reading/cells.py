"""Rows of text to typed rows: the header against the contract, each cell through its Frictionless field."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from metanet.base.errors import nearest, shorten
from metanet.base.gaps import ROUNDING
from metanet.base.untrusted import counted, harmful, listing, visible
from metanet.evidence.contract import Column, TableContract
from metanet.evidence.findings import Findings
from metanet.evidence.reading.text import Record, Sheet

# Common spreadsheet entries, recognised so that a message can name the fix.
#
# Frictionless decides what a value is. It is asked only after these checks, because it also takes spellings that a
# person reading a table would not: 1_000, NaN, or digits of another script.

_PLAIN = re.compile(r"-?(\d+\.?\d*|\.\d+)", re.ASCII)
# One or two zeros are a decimal place of a program; three could be thousands.
_WHOLE_WITH_ZEROS = re.compile(r"(-?\d+)\.0{0,2}", re.ASCII)
# So many decimal places come from a calculation: 0.29 * 100 is 28.999999999999996.
_CALCULATED = re.compile(r"-?\d+\.\d{9,}", re.ASCII)
_DECIMAL_COMMA = re.compile(r"-?\d+,\d+", re.ASCII)
_THOUSANDS = re.compile(r"[1-9]\d{0,2}([.,' \u2019\u202f]\d{3})+([.,]\d+)?", re.ASCII)
_FRACTION = re.compile(r"\d+\s*(/|of|von|out of)\s*\d+(\s*\(.*\))?", re.ASCII | re.IGNORECASE)
_COUNT_AND_PERCENT = re.compile(r"\d+\s*\(\s*\d+([.,]\d+)?\s*%?\s*\)", re.ASCII)
_PERCENT = re.compile(r"-?\d+([.,]\d+)?\s*%", re.ASCII)
_SPREAD = re.compile(r"\d+([.,]\d+)?\s*(±|\+/-|\+-)\s*\d.*")
_RANGE = re.compile(r"\d+([.,]\d+)?\s*(-|–|—|to|bis)\s*\d+([.,]\d+)?", re.IGNORECASE)
_INEXACT = re.compile(r"(<=?|>=?|≤|≥|~|≈|ca\.?|about|approx\.?)\s*\d.*", re.IGNORECASE)
_SCIENTIFIC = re.compile(r"-?\d+([.,]\d+)?e[+-]?\d+", re.IGNORECASE)
_WITH_UNIT = re.compile(r"\d+([.,]\d+)?\s*(months?|mo|years?|yrs?|y|patients?|pts?|monate?|jahre?|gbq)\.?", re.IGNORECASE)
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
_YES = frozenset(("yes", "y", "ja", "j", "oui", "si", "sí", "wahr", "vrai", "verdadero", "vero", "x", "1", "1.0", "t", "true"))
_NO = frozenset(("no", "n", "nein", "non", "falsch", "faux", "falso", "0", "0.0", "f", "false"))


def decimal_comma(text: str) -> bool:
    """Whether `text` is a number written with a decimal comma, or could be."""
    return _DECIMAL_COMMA.fullmatch(text) is not None


def plain_number(text: str, *, whole: bool, comma: bool, foreign: bool) -> str | None:
    """`text` as a number with a decimal point, or None where it is not plainly one number.

    `whole` accepts 5.0 as 5, as many programs write it, and 28.999999999999996 as 29. `comma` says that the file writes decimals
    with a comma, `foreign` that its cells are not separated by commas, so that a point may mean thousands.
    """
    if _THOUSANDS.fullmatch(text) and (foreign or "," in text):
        return None
    candidate = text.replace(",", ".") if comma and _DECIMAL_COMMA.fullmatch(text) else text
    if comma and "." in text:
        return None
    if whole and (match := _WHOLE_WITH_ZEROS.fullmatch(candidate)):
        return match[1]
    if whole and _CALCULATED.fullmatch(candidate) and abs((number := float(candidate)) - round(number)) <= ROUNDING:
        return str(round(number))
    return candidate if _PLAIN.fullmatch(candidate) else None


def number_fault(text: str, *, whole: bool, comma: bool, percent: bool) -> tuple[str, str]:
    """What is wrong with a cell that should be a number, and the fix."""
    if (common := common_fault(text, PLACEHOLDERS)) is not None:
        return common
    if _is_date(text):
        return (
            "looks like a date, into which a spreadsheet turned a number",
            "Format the column as text or number and type the number again",
        )
    if _PERCENT.fullmatch(text):
        number = text.rstrip("% \u202f\u00a0")
        fix = f"Write {number.replace(',', '.')} alone" if percent else "Write the count; the per cent follow from it"
        return "has a per cent sign", fix
    if _FRACTION.fullmatch(text):
        return "contains two numbers", "Write the first into the column 'events' and the second into 'total'"
    if _COUNT_AND_PERCENT.fullmatch(text):
        return "contains a count and a percentage", f"Write the count {text.split('(')[0].strip()} alone"
    if _THOUSANDS.fullmatch(text):
        return ("can be read as thousands or as decimals", "Write the number without thousands separators and with a decimal point")
    if _DECIMAL_COMMA.fullmatch(text) and not whole:
        return "has a decimal comma", f"Write {text.replace(',', '.')}"
    if comma and _PLAIN.fullmatch(text):
        return "has a decimal point in a file that writes decimals with a comma", "Write all numbers in one way"
    for pattern, wrong, fix in (
        (_INEXACT, "is not an exact number", "Write the number that the source prints, and the doubt into 'note'"),
        (_SPREAD, "contains a number and its spread", "Write the number alone"),
        (_RANGE, "is a range", "Write one number, and the range into 'note'"),
        (_SCIENTIFIC, "is in scientific notation", "Write the number out"),
        (_WITH_UNIT, "contains a unit", "Write the number alone; the unit of the column is in the codebook"),
    ):
        if pattern.fullmatch(text):
            return wrong, fix
    if whole and (_PLAIN.fullmatch(text) or _DECIMAL_COMMA.fullmatch(text)):
        return "is not a whole number", "Write a whole number"
    return "is not a number", "Write a number in digits" + (", with a decimal point" if not whole else "")


def boolean_fault(text: str) -> tuple[str, str]:
    """What is wrong with a cell that should be true or false, and the fix."""
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
        return "is a spreadsheet error instead of a value", "Correct it in the spreadsheet and save it again"
    if text in placeholders:
        return "is a placeholder for a missing value", _EMPTY
    return None


def _is_date(text: str) -> bool:
    if _NUMERIC_DATE.fullmatch(text):
        return True
    for pattern in (_DAY_MONTH, _MONTH_YEAR):
        match = pattern.fullmatch(text)
        if match and match[1][:3].casefold() in _MONTHS:
            return True
    return False


# Excel truncates cells at this length, so a longer text is a mistake.
LONGEST_CELL = 32_767
#: A cell that has to fit a pattern is a word or a line; the time that a pattern takes grows with the length.
LONGEST_PATTERNED = 500
MOST_COLUMNS = 1_000
#: Beyond this many faults in a file, no suggestions are made.
_MOST_GUESSES = 1_000
_PLAIN_TEXT = re.compile(r"[\x20-\x7e\t\r\n\u00a1-\u00ac\u00ae-\u024f\u0370-\u03ff\u2010-\u2015\u2018-\u201e\u2026]*")


@dataclass
class Row:
    """One row: its line in the file, the cells as written and their values; None is empty or unreadable."""

    line: int
    text: dict[str, str]
    values: dict[str, Any]
    bad: set[str] = field(default_factory=set)


@dataclass
class Table:
    """A file that was read, as far as it could be."""

    contract: TableContract
    rows: list[Row] = field(default_factory=list)
    columns: tuple[str, ...] = ()
    complete: bool = True
    # The words of rows that could not be read: a key among them is not missing, only unread.
    unread_words: set[str] = field(default_factory=set)

    @property
    def file(self) -> str:
        """The file name."""
        return self.contract.file


def type_sheet(sheet: Sheet, contract: TableContract, findings: Findings) -> Table:
    """The typed table of `sheet`, with every fault of its header and cells in `findings`."""
    table = Table(contract, complete=sheet.complete)
    places = _header(sheet, contract, findings)
    if places is None:
        table.complete = False
        return table
    table.columns = tuple(places)
    width = len(sheet.header.cells)
    comma = _uses_decimal_comma(sheet, contract, places)
    if comma:
        findings.notice(sheet.file, "writes decimals with a comma and was read accordingly", "Nothing to do")
    columns = [(column, places.get(column.name)) for column in contract.columns]
    for record in sheet.records:
        if not _fits(record, width, sheet, findings):
            table.unread_words.update(record.cells)
            continue
        row = Row(record.line, {}, {})
        for column, place in columns:
            text = "" if place is None else record.cells[place]
            row.text[column.name] = text
            row.values[column.name] = _value(text, column, row, sheet, comma, findings)
        table.rows.append(row)
    return table


def _header(sheet: Sheet, contract: TableContract, findings: Findings) -> dict[str, int] | None:
    """The position of each column, or None where the header is unreliable."""
    known = contract.column_names
    names = sheet.header.cells
    line = sheet.header.line
    if len(names) > MOST_COLUMNS and any(names[MOST_COLUMNS:]):
        findings.cannot_read(
            sheet.file,
            f"has {len(names):,} columns, more than the {MOST_COLUMNS:,} that are read",
            "Check that this is the table that was meant",
            row=line,
        )
        return None
    hits = len(set(names) & set(known))
    for record in sheet.records[:5]:
        if len(set(record.cells) & set(known)) > max(hits, 1):
            findings.cannot_read(
                sheet.file,
                f"has its column names on line {record.line}, below another line",
                "Put the column names in the first line, in one row without merged cells",
                row=line,
            )
            return None
    _drop_trailing_blank_columns(sheet, findings)
    names = sheet.header.cells
    before = len(findings.unreadable)
    for place, name in enumerate(names):
        if not name and (first := next((r for r in sheet.records if len(r.cells) > place and r.cells[place]), None)):
            findings.cannot_read(
                sheet.file,
                f"column {_letter(place)} contains data but has no name (merged cells in the header?)",
                "Give each column its own name in the first line",
                row=first.line,
                column=_letter(place),
                value=first.cells[place],
            )
    for name in dict.fromkeys(name for name in names if name and names.count(name) > 1):
        letters = listing(_letter(place) for place, other in enumerate(names) if other == name)
        findings.cannot_read(
            sheet.file,
            f"the column name occurs {names.count(name)} times ({letters})",
            "Keep one of the columns",
            row=line,
            column=visible(shorten(name)),
        )
    missing = [name for name in known if name not in names]
    for name in dict.fromkeys(name for name in names if name and name not in known):
        near = nearest(name, missing) or nearest(name, known)
        fix = f"Write {near!r} if that is meant" if near else "Delete it, or describe it in a datapackage.json"
        if near and near in missing:
            missing.remove(near)
        findings.cannot_read(sheet.file, "is not a column of this table", fix, row=line, column=visible(shorten(name)), value=name)
    for name in missing:
        column = contract.column(name)
        if column is not None and column.required:
            findings.cannot_read(sheet.file, "the column is missing", f"Add it: {column.description}", row=line, column=name)
        elif column is None or not column.optional:
            findings.notice(sheet.file, "the column is missing and was read as empty", "Nothing to do", row=line, column=name)
    if len(findings.unreadable) > before:
        return None
    return {name: place for place, name in enumerate(names) if name}


def _drop_trailing_blank_columns(sheet: Sheet, findings: Findings) -> None:
    """Remove columns without a name and without data, which Excel writes for cells that were once edited."""
    names = sheet.header.cells
    width = len(names)
    used = max((len(r.cells) - _blank_tail(r.cells) for r in sheet.records), default=0)
    while width > used and width and not names[width - 1]:
        width -= 1
    if width < len(names):
        findings.notice(sheet.file, f"has {counted(len(names) - width, 'empty column')} at the right, left out", "Nothing to do")
        sheet.header.cells = names[:width]


def _blank_tail(cells: list[str]) -> int:
    count = 0
    while count < len(cells) and not cells[-1 - count]:
        count += 1
    return count


def _fits(record: Record, width: int, sheet: Sheet, findings: Findings) -> bool:
    """Whether a row has a cell for each column; blank cells beyond the last column are cut off."""
    cells = record.cells
    if len(cells) > width and len(cells) - _blank_tail(cells) <= width:
        record.cells = cells = cells[:width]
    if len(cells) == width:
        return True
    if len(cells) > width:
        fix = "Put quotation marks around a cell that contains the separator, and write decimals with a point"
    else:
        fix = "Add the missing cells; an empty one still needs its separator"
    findings.cannot_read(
        sheet.file,
        f"the row has {counted(len(cells), 'cell')} where the header has {width}",
        fix,
        row=record.line,
        value=cells[0] if len(cells) < width else cells[width],
    )
    return False


def _uses_decimal_comma(sheet: Sheet, contract: TableContract, places: dict[str, int]) -> bool:
    # Between commas a decimal comma is a fault: whoever quotes 1,234 may mean thousands.
    if sheet.separator == ",":
        return False
    numeric = [places[c.name] for c in contract.columns if c.type in {"number", "integer"} and c.name in places]
    return any(decimal_comma(record.cells[place]) for record in sheet.records for place in numeric if place < len(record.cells))


def _value(text: str, column: Column, row: Row, sheet: Sheet, comma: bool, findings: Findings) -> Any:
    file = sheet.file

    def refuse(wrong: str, fix: str) -> None:
        row.bad.add(column.name)
        findings.cannot_read(file, wrong, fix, row=row.line, column=column.name, value=text)

    given = text = "" if text in column.missing else text
    if text:
        if len(text) > LONGEST_CELL:
            return refuse(
                f"is {len(text):,} characters long, more than a spreadsheet cell can hold",
                "Look for a quotation mark that closes too late, or shorten the text",
            )
        if "pattern" in column.constraints and len(text) > LONGEST_PATTERNED:
            return refuse(f"is longer than {LONGEST_PATTERNED} characters", "Shorten it, and put the rest into a note")
        if column.type == "string":
            if (fault := _text_fault(text, column)) is not None:
                return refuse(*fault)
        elif column.type in {"number", "integer"}:
            whole = column.type == "integer"
            number = plain_number(text, whole=whole, comma=comma, foreign=sheet.separator != ",")
            if number is None:
                return refuse(*number_fault(text, whole=whole, comma=comma, percent=column.unit == "%"))
            given = number
    try:
        value, faults = column.reader(given)
    except (ArithmeticError, ValueError):
        value, faults = None, {"type": "unreadable"}
    if faults and "type" in faults:
        if column.type == "boolean":
            return refuse(*boolean_fault(text))
        return refuse(*number_fault(text, whole=column.type == "integer", comma=comma, percent=column.unit == "%"))
    for kind in faults or ():
        row.bad.add(column.name)
        wrong, fix = _constraint_fault(kind, text, column, guess=len(findings.unreadable) < _MOST_GUESSES)
        findings.cannot_read(file, wrong, fix, row=row.line, column=column.name, value=text)
    # Frictionless reads numbers as decimals; arrays want floats.
    return float(value) if column.type == "number" and value is not None else value


def _text_fault(text: str, column: Column) -> tuple[str, str] | None:
    if text not in column.vocabulary and (fault := common_fault(text, TEXT_PLACEHOLDERS)) is not None:
        return fault
    if not text.isascii() and (meant := _twice_encoded(text)) is not None:
        return "was saved as UTF-8 and opened as Windows-1252 in between", f"Write {visible(meant)!r} if that is meant"
    # Most cells are plain text, which one regular expression recognises faster than a loop over the characters.
    if not _PLAIN_TEXT.fullmatch(text):
        for character in text:
            if character == "\ufffd":
                return "lost a character (�) when it was saved", "Type it again and save as UTF-8"
            if harmful(character) and character not in "\n\t":
                return f"contains an invisible control character ({visible(character)})", "Delete it and type the text"
    return None


def _twice_encoded(text: str) -> str | None:
    """`text` before its UTF-8 was misread as Windows-1252; None if it was not."""
    try:
        # Ordinary text with accents is not valid UTF-8 once written in Windows-1252, so this fails for it.
        return text.encode("cp1252").decode("utf-8")
    except UnicodeError:
        return None


def _constraint_fault(kind: str, text: str, column: Column, *, guess: bool) -> tuple[str, str]:
    limit = column.constraints.get(kind)
    if kind == "required":
        return "is empty", f"Fill it in: {column.description or column.title}"
    if kind == "minimum":
        return f"is below {limit}", f"Check it: {column.description or column.title}"
    if kind == "maximum":
        return f"is above {limit}", f"Check it: {column.description or column.title}"
    if column.vocabulary:
        near = nearest(text, column.vocabulary) if guess else None
        prefix = column.extra.get("or_prefix")
        other = f", or {prefix!r} and words" if prefix else ""
        fix = f"Write {near!r} if that is meant" if near else f"Write one of {listing(column.vocabulary, 40)}{other}"
        return "is not a word of this column", fix
    if kind == "pattern":
        words = column.extra.get("pattern_in_words", f"text that fits {limit}")
        return "does not have the required form", f"Write {words}"
    if kind in {"minLength", "maxLength"}:
        return f"is {'shorter' if kind == 'minLength' else 'longer'} than {limit} characters", "Check it"
    return f"violates {kind} {limit}", "Check it"


def _letter(place: int) -> str:
    """The name that a spreadsheet gives to a column: A, B ... Z, AA ..."""
    name = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        name = chr(ord("A") + rest) + name
    return name
