"""Excel workbooks, .xlsx and .xls, to counts of study arms; cells are read as a person sees them."""

from __future__ import annotations

import datetime
import io
import re
import warnings
import zipfile
import zlib
from contextlib import suppress
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from metanet.reviews.importers.arm_counts import is_column
from metanet.reviews.importers.extracted_counts import UNKNOWN, Found, Request
from metanet.reviews.importers.kinds import is_of
from metanet.reviews.importers.libraries import library
from metanet.reviews.importers.registry import table_importer
from metanet.reviews.importers.tabular import Lines
from metanet.reviews.importers.workbook import Area, Sheet, lines_of_sheets, unsafe

_LARGEST_MEMBER = 100 * 1024 * 1024
_LARGEST_SUM = 200 * 1024 * 1024
#: Cells of one merged range; a library makes an object of each.
_LARGEST_RANGE = 20_000
_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*?ref="([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})"')
#: What a number format has beside its digits: texts in quotes, colours and conditions in brackets, single characters.
_ASIDE = re.compile(r'"[^"]*"|\[[^\]]*\]|\\.|_.|\*.')
_DECIMALS = re.compile(r"0\.(0+)")


@table_importer(
    "excel", title="Excel", suffixes=(".xlsx", ".xls"), file="a workbook with a sheet like any CSV", source="workbook", has_sheets=True
)
def excel_lines(data: bytes, file: str, request: Request, found: Found) -> Lines | None:
    """The lines of a sheet of a workbook."""
    if not is_of(data, ("excel",), "an Excel workbook", file, found.findings):
        return None
    sheets = read_sheets(data, found)
    return None if sheets is None else lines_of_sheets(sheets, request, found, is_column(request))


def read_sheets(data: bytes, found: Found) -> list[Sheet] | None:
    """The sheets of a workbook as texts, or None with the reason in the findings."""
    if data.startswith(b"PK"):
        return _xlsx(data, found) if _harmless(data, found) else None
    return _xls(data, found)


def _harmless(data: bytes, found: Found) -> bool:
    """Whether the package has no declarations of its own, and no more than is read."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            members = package.infolist()
            if sum(each.file_size for each in members) > _LARGEST_SUM or any(each.file_size > _LARGEST_MEMBER for each in members):
                found.refuse(f"unpacks to more than {_LARGEST_SUM // 1024**2} MB", "Give the table of the counts alone, or divide it")
                return False
            for member in members:
                # Labels of an office, which nothing here reads, may be in UTF-16.
                if not member.filename.endswith((".xml", ".rels", ".vml")) or member.filename.startswith("customXml/"):
                    continue
                content = package.read(member)
                if b"<!DOCTYPE" in content or b"<!ENTITY" in content or content.startswith((b"\xff\xfe", b"\xfe\xff")):
                    unsafe(found.findings, found.file, "contains XML with a document type, which no spreadsheet program writes")
                    return False
                for left, top, right, bottom in _MERGED.findall(content):
                    if (int(bottom) - int(top) + 1) * (_number(right) - _number(left) + 1) > _LARGEST_RANGE:
                        unsafe(found.findings, found.file, f"has a merged range of more than {_LARGEST_RANGE:,} cells")
                        return False
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError):
        _damaged(found)
        return False
    return True


def _damaged(found: Found) -> None:
    found.refuse("is a damaged Excel workbook", "Open it in the spreadsheet program, and save it again")


def _number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = 26 * number + letter - 64
    return number


def _xlsx(data: bytes, found: Found) -> list[Sheet] | None:
    openpyxl = library("openpyxl", "Excel workbooks", "3.1")

    def load(*, results: bool) -> Any:
        with warnings.catch_warnings():
            # Parts that are not read, such as rules for the entry of data, are no loss here.
            warnings.simplefilter("ignore")
            return openpyxl.load_workbook(io.BytesIO(data), data_only=results, keep_links=False)

    try:
        book = load(results=True)
        formulas = load(results=False) if _has_formulas(data) else None
        return [_sheet(each, None if formulas is None else formulas[each.title]) for each in book.worksheets]
    except Exception:
        # The library raises whatever a damaged part leads to.
        _damaged(found)
        return None


def _has_formulas(data: bytes) -> bool:
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        return any(
            re.search(rb"<(?:\w+:)?f[\s>/]", package.read(name)) for name in package.namelist() if name.startswith("xl/worksheets/")
        )


def _sheet(given: Any, formulas: Any) -> Sheet:
    cells = {}
    for (row, column), cell in given._cells.items():
        if (text := shown(cell.value, cell.number_format)) != "":
            cells[row, column] = text
    unknown = []
    for (row, column), cell in formulas._cells.items() if formulas is not None else ():
        if cell.data_type == "f" and given._cells[row, column].value is None:
            unknown.append((row, column))
            cells[row, column] = UNKNOWN
    return Sheet(
        given.title,
        cells,
        [Area(each.min_row, each.min_col, each.max_row, each.max_col) for each in given.merged_cells.ranges],
        {row for row, dimension in given.row_dimensions.items() if dimension.hidden},
        given.sheet_state != "visible",
        unknown,
    )


def _xls(data: bytes, found: Found) -> list[Sheet] | None:
    xlrd = library("xlrd", "Excel workbooks of the old format (.xls)", "2.0.1")
    try:
        book = xlrd.open_workbook(file_contents=data, formatting_info=True, logfile=io.StringIO())
        return [_old_sheet(book, each, xlrd) for each in book.sheets()]
    except Exception:
        # As above.
        _damaged(found)
        return None


def _old_sheet(book: Any, given: Any, xlrd: Any) -> Sheet:
    cells = {}
    for row in range(given.nrows):
        for column, cell in enumerate(given.row(row)):
            value: object = cell.value
            form = ""
            if cell.ctype in (xlrd.XL_CELL_NUMBER, xlrd.XL_CELL_DATE) and cell.xf_index is not None:
                key = book.xf_list[cell.xf_index].format_key
                form = book.format_map[key].format_str if key in book.format_map else ""
            if cell.ctype == xlrd.XL_CELL_DATE:
                with suppress(xlrd.xldate.XLDateError):
                    value = xlrd.xldate.xldate_as_datetime(cell.value, book.datemode)
            elif cell.ctype == xlrd.XL_CELL_BOOLEAN:
                value = bool(cell.value)
            elif cell.ctype == xlrd.XL_CELL_ERROR:
                value = xlrd.error_text_from_code.get(cell.value, "#VALUE!")
            if (text := shown(value, form)) != "":
                cells[row + 1, column + 1] = text
    merged = [Area(top + 1, left + 1, bottom, right) for top, bottom, left, right in given.merged_cells]
    hidden = {row + 1 for row, info in given.rowinfo_map.items() if info.hidden}
    return Sheet(given.name, cells, merged, hidden, given.visibility != 0)


def shown(value: object, form: str) -> str:
    """The value of a cell as a person sees it under its number format.

    Percentages have the decimal places of the format. Other numbers keep all of theirs, so that no count is rounded out of sight, and
    get the zeros of the format.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, (int, float)):
        return _shown_number(value, _ASIDE.sub("", form.split(";")[0]))
    if isinstance(value, datetime.datetime):
        plain = _ASIDE.sub("", form).lower()
        if "y" in plain and "d" not in plain and "m" not in plain:
            return str(value.year)
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(sep=" ", timespec="minutes")
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    return str(value)


def _shown_number(value: float, form: str) -> str:
    if value != value or value in (float("inf"), float("-inf")):
        return ""
    found = _DECIMALS.search(form)
    places = len(found[1]) if found else 0
    # A spreadsheet has fifteen digits: 28.999999999999996 is shown as 29.
    exact = Decimal(f"{value:.15g}")
    if "%" in form:
        number = (exact * 100).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
        return f"{number:f}%"
    text = f"{exact:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    have = len(text.partition(".")[2])
    if have < places and (have or places <= 2) and not re.search(r"[eE#?]", form.replace("#,##0", "")):
        text = f"{text}{'' if have else '.'}{'0' * (places - have)}"
    return text
