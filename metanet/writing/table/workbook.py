"""Tables as workbooks: numbers stay numbers with the decimals of print, and no text is run, linked or taken for markup."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any

from metanet.base.display import number, p_value, per_cent
from metanet.base.untrusted import formula_like, xml_text
from metanet.writing.table.html import spans

if TYPE_CHECKING:
    from metanet.writing.table.table import Cell, Table


#: What a cell of a workbook can hold.
_MOST = 32_000
_WIDEST = 60


def xlsx_of(table: Table) -> bytes:
    """The bytes of a workbook: the sheet "Table" with numbers, the sheet "As printed" with texts."""
    import xlsxwriter

    out = BytesIO()
    settings = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(out, settings) as book:
        # A fixed date: the same table is the same file.
        book.set_properties({"title": _shown(table.title)[:250], "created": datetime(1980, 1, 1, tzinfo=UTC)})
        _Sheet(book, "Table").numbers(table)
        _Sheet(book, "As printed").texts(table)
    return out.getvalue()


class _Sheet:
    """A sheet that is filled line by line."""

    def __init__(self, book: Any, name: str) -> None:
        self._book = book
        self._sheet = book.add_worksheet(name)
        self._formats: dict[tuple[tuple[str, Any], ...], Any] = {}
        self._line = 0

    def _format(self, **options: Any) -> Any:
        key = tuple(sorted(options.items()))
        if key not in self._formats:
            self._formats[key] = self._book.add_format({"valign": "top", **options})
        return self._formats[key]

    def _text(self, column: int, text: str, **options: Any) -> None:
        shown = _shown(text)
        # The apostrophe of a spreadsheet: the cell stays text when it is edited, and its text is unchanged.
        prefix = {"quote_prefix": True} if formula_like(shown) else {}
        self._sheet.write_string(self._line, column, shown, self._format(**options, **prefix))

    def _above(self, table: Table, empty: str) -> bool:
        self._text(0, table.title if table.rows else empty, bold=True)
        self._line += 1
        return bool(table.rows)

    def _below(self, table: Table) -> None:
        for note in table.foot:
            self._text(0, note, font_size=9)
            self._line += 1

    def numbers(self, table: Table) -> None:
        """The numbers, each in a cell of its own; headings in up to three lines."""
        if not self._above(table, table.empty):
            return self._below(table)
        lead = 1 if table.groups else 0
        starts = [lead]
        for column in table.columns:
            starts.append(starts[-1] + len(column.names))
        above = spans(table)
        if above:
            for label, first, stop in above:
                self._over(starts[first], starts[stop] - 1, label)
            self._line += 1
        if lead:
            self._text(0, "Group", bold=True)
        for column, start, stop in zip(table.columns, starts, starts[1:], strict=False):
            self._over(start, stop - 1, column.label)
        self._line += 1
        several = any(len(column.names) > 1 for column in table.columns)
        if several:
            for column, start in zip(table.columns, starts, strict=False):
                if len(column.names) > 1:
                    for step, name in enumerate(column.names):
                        self._text(start + step, _part(name), italic=True, align="right")
            self._line += 1
        self._sheet.freeze_panes(self._line, 1)
        for place, row in enumerate(table.rows):
            if lead:
                self._text(0, table.groups[place])
            for column, cell, start in zip(table.columns, row, starts, strict=False):
                self._cell(start, cell, column.kind)
            self._line += 1
        self._widths(table, starts)
        return self._below(table)

    def _over(self, first: int, last: int, label: str) -> None:
        """A heading over one column or several."""
        options = {"bold": True, "bottom": 1, "text_wrap": True}
        if first == last:
            return self._text(first, label, **options)
        style = self._format(**options, align="center")
        self._sheet.merge_range(self._line, first, self._line, last, "", style)
        return self._text(first, label, **options, align="center")

    def _cell(self, start: int, cell: Cell, kind: str) -> None:
        for step, value in enumerate(cell.values):
            if kind == "text":
                self._text(start + step, cell.text, text_wrap=True)
            elif value is not None and math.isfinite(value):
                style = self._format(num_format=number_format(value, kind, cell.digits), align="right")
                # A difference of rates is printed in points, which are no per cent.
                self._sheet.write_number(self._line, start + step, 100 * value if kind == "points" else value, style)
            elif value is not None:
                self._text(start + step, number(value), align="right")

    def _widths(self, table: Table, starts: list[int]) -> None:
        for place, column in enumerate(table.columns):
            longest = max(len(row[place].text) for row in table.rows)
            width = max(longest / len(column.names) + 2, max(map(len, column.label.split() or [""])) + 2, 8)
            self._sheet.set_column(starts[place], starts[place + 1] - 1, min(width, _WIDEST))
        if table.groups:
            self._sheet.set_column(0, 0, min(max(map(len, table.groups)) + 2, _WIDEST))

    def texts(self, table: Table) -> None:
        """The table as it is printed."""
        if not self._above(table, table.empty):
            return self._below(table)
        frame = table.to_frame(shown=True)
        texts = [[str(text) for text in row] for row in frame.itertuples(index=False, name=None)]
        for place, label in enumerate(frame.columns):
            self._text(place, str(label), bold=True, bottom=1, text_wrap=True)
            longest = max(len(row[place]) for row in texts)
            self._sheet.set_column(place, place, min(max(longest, 6) + 2, _WIDEST))
        self._line += 1
        self._sheet.freeze_panes(self._line, 1)
        left = [True] * (len(frame.columns) - len(table.columns)) + [column.kind == "text" for column in table.columns]
        for row in texts:
            for place, text in enumerate(row):
                self._text(place, text, text_wrap=True, align="left" if left[place] else "right")
            self._line += 1
        return self._below(table)


def number_format(value: float, kind: str, digits: int) -> str:
    """The format in which a spreadsheet prints a number as the table does: a rate near 0 is no 0, a small p no 0.000."""
    if kind == "count":
        return "0"
    decimals = f"0.{'0' * digits}" if digits else "0"
    if kind == "points":
        return decimals
    if kind == "rate":
        shown = per_cent(value, digits)
        return f'"{shown}%"' if shown[0] in "<>" else f"{decimals}%"
    if kind == "p":
        shown = p_value(value)
        return '"<0.001"' if shown.startswith("p <") else f"0.{'0' * len(shown.split('.')[1])}"
    return "0.0E+00" if "e" in number(value, digits) else decimals


def _part(name: str) -> str:
    """The last word of a name: "ci_lower" is "lower"."""
    return name.rsplit("_", 1)[-1]


def _shown(text: str) -> str:
    """`text` as a workbook can hold it: not too long, without what XML lacks, and never taken for rich text."""
    line = xml_text(text)
    if len(line) > _MOST:
        line = f"{line[:_MOST]}… ({len(line) - _MOST} more characters)"
    # A text between these tags would be written into the file as it stands.
    return f"{line} " if line.startswith("<r>") and line.endswith("</r>") else line
