"""A table: columns, cells with numbers and printed texts, and the export formats."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metanet.base.arguments import checked
from metanet.base.cards import card
from metanet.base.display import ABSENT, RATE, Scale, count, number, p_value, plural
from metanet.base.errors import ArgumentError, as_given, shorten
from metanet.base.results import plain
from metanet.base.untrusted import visible
from metanet.base.whole_files import write_bytes, write_csv, write_text

if TYPE_CHECKING:
    import pandas as pd


#: Kinds of columns; all but text are numbers: right-aligned, and numbers in a spreadsheet. Rates and points are fractions.
KINDS = ("text", "count", "rate", "points", "number", "p")


@dataclass(frozen=True)
class Column:
    """A column as it is printed; `names` are the columns of `Table.to_frame` whose values it prints."""

    label: str
    names: tuple[str, ...]
    kind: str = "text"
    spanner: str = ""


@dataclass(frozen=True)
class Cell:
    """The text of a cell and its values, one for each name of its column.

    `digits` are the decimals that the values are printed with, those of a rate as per cent.
    """

    text: str
    values: tuple[Any, ...]
    digits: int = 1
    scale: Scale | None = None

    def with_digits(self, digits: int) -> Cell:
        """The cell with so many decimals: those that its column is printed with."""
        assert self.scale is not None
        return scaled_cell(self.scale, digits, *self.values)


def text_cell(value: object) -> Cell:
    """A text; a missing value is an empty cell."""
    kept = plain(value)
    kept = kept if kept is None or isinstance(kept, str) else str(kept)
    return Cell(kept or "", (kept,))


def count_cell(value: float | int | None) -> Cell:
    """A count."""
    return Cell(count(value), (_whole(value),), 0)


def share_cell(part: float | int | None, whole: float | int | None) -> Cell:
    """Two counts as "17/33"."""
    missing = part is None and whole is None
    return Cell(ABSENT if missing else f"{count(part)}/{count(whole)}", (_whole(part), _whole(whole)), 0)


def scaled_cell(scale: Scale, digits: int, *values: float | None) -> Cell:
    """A value, or the two limits of an interval, without the unit; `made` gives a column the most decimals of its cells."""
    known = tuple(_known(value) for value in values)
    text = scale.text(known[0], digits) if len(known) == 1 else scale.limits(known[0], known[1], digits, unit=False)
    # A workbook prints fractions as per cent.
    shift = round(math.log10(scale.factor)) - 2 if scale.is_rate else 0
    return Cell(text, known, max(0, digits + shift), scale)


def rate_cell(value: float | None, digits: int = 1) -> Cell:
    """A share as per cent, without its sign."""
    return scaled_cell(RATE, digits, value)


def number_cell(value: float | None, digits: int = 2) -> Cell:
    """A number that is no rate."""
    return Cell(number(value, digits), (_known(value),), digits)


def p_cell(value: float | None, before: str = "") -> Cell:
    """A p-value with the name of its test."""
    shown = ABSENT if _known(value) is None else f"{before} {p_value(value)}".strip()
    return Cell(shown, (_known(value),), 3)


def _known(value: float | None) -> float | None:
    """A number, or None where there is none."""
    return None if value is None or value != value else float(value)


def _whole(value: float | int | None) -> int | None:
    return None if value is None or value != value else int(value)


#: Rows and lines that `repr` shows, and the widest cell of it.
_FEW, _LINES, _WIDE = 8, 14, 32


@dataclass(frozen=True, eq=False, repr=False)
class Table:
    """Rows with a title above and notes below.

    Attributes
    ----------
    title : str
        The line above the table.
    empty : str
        The text of a table without rows.
    columns : tuple of Column
        The columns as printed: ``label``, ``kind``, ``spanner`` (a heading over several of them), and ``names``, the columns of
        `to_frame` that each one prints.
    foot : tuple of str
        The lines below.
    groups : tuple of str
        The group of each row, printed as a heading; empty without groups.
    closing : tuple of tuples of str
        Printed rows that sum up the others, such as medians; they are no part of `to_frame`.
    words : str
        What the table shows in a sentence; empty where that is nothing but its title.
    headings : mapping of str to str
        Text of a cell, or of a part before a semicolon -> the heading of the same page that it leads to.
    """

    title: str
    empty: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...] = field(repr=False)
    foot: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    closing: tuple[tuple[str, ...], ...] = ()
    words: str = ""
    headings: Mapping[str, str] = field(default_factory=dict)

    @property
    def labels(self) -> list[str]:
        """Headings of the printed columns, each with the heading above it."""
        return [f"{c.spanner}: {c.label}" if c.spanner else c.label for c in self.columns]

    def texts(self) -> list[list[str]]:
        """The cells as they are printed, the closing rows last."""
        return [[cell.text for cell in row] for row in self.rows] + [list(row) for row in self.closing]

    @checked()
    def without_notes(self, notes: Sequence[str]) -> Table:
        """The same table without notes that stand elsewhere on a page.

        Parameters
        ----------
        notes
            The notes, as a result has them.

        Returns
        -------
        Table
            A new table.

        Raises
        ------
        ArgumentError
            No list of texts.
        """
        if isinstance(notes, str) or not isinstance(notes, Iterable) or not all(isinstance(note, str) for note in notes):
            raise ArgumentError(f"notes={as_given(notes)} must be a list of texts, such as fit.notes.")
        return replace(self, foot=tuple(note for note in self.foot if note not in notes))

    @checked()
    def to_frame(self, shown: bool = False) -> pd.DataFrame:
        """The table as a frame.

        Parameters
        ----------
        shown
            False: the numbers, unrounded, rates as fractions, intervals in two columns. True: the texts as printed.

        Returns
        -------
        pandas.DataFrame
            One row for each row of the table; a new frame on every call.
        """
        import pandas as pd

        if shown:
            return _framed(self._with_group(self.labels, "Group"), self._grouped(self.texts()))
        names = [name for column in self.columns for name in column.names]
        rows = [[value for cell in row for value in cell.values] for row in self.rows]
        frame = _framed(self._with_group(names, "group"), self._grouped(rows))
        kinds = [column.kind for column in self.columns for _ in column.names]
        for place, kind in enumerate(kinds, start=len(frame.columns) - len(kinds)):
            if kind != "text":
                values = pd.to_numeric(frame.iloc[:, place])
                whole = kind == "count" and not values.isna().any()
                frame.isetitem(place, values.to_numpy(dtype="int64" if whole else "float64"))
        return frame

    def _with_group(self, names: Sequence[str], group: str) -> list[str]:
        return [group, *names] if self.groups else list(names)

    def _grouped(self, rows: list[list[Any]]) -> list[list[Any]]:
        if not self.groups:
            return rows
        named = [*self.groups, *([""] * (len(rows) - len(self.groups)))]
        return [[name, *row] for name, row in zip(named, rows, strict=True)]

    def to_dict(self) -> dict[str, Any]:
        """Title, numbers, printed cells and notes as plain JSON-able values."""
        frame = self.to_frame()
        names = [str(name) for name in frame.columns]
        rows = [dict(zip(names, map(plain, row), strict=True)) for row in frame.itertuples(index=False, name=None)]
        shown = {"labels": self.labels, "cells": self.texts()}
        return {"title": self.title, "rows": rows, "shown": shown, "notes": list(self.foot)}

    def sentence(self) -> str:
        """What the table shows in one sentence."""
        return visible(self.words or (f"{self.title}." if self.rows else self.empty))

    def summary(self) -> str:
        """The whole table as text."""
        if not self.rows:
            return "\n".join(map(visible, [self.empty, *self.foot]))
        return "\n".join([visible(self.title), *self._lines(len(self.rows), None), *map(visible, self.foot)])

    def __repr__(self) -> str:
        if not self.rows:
            return visible(shorten(self.empty, 200))
        lines = [visible(shorten(self.title, 120)), *self._lines(_FEW, _WIDE)]
        more = []
        if len(self.rows) > _FEW:
            more.append(f"{plural(len(self.rows) - _FEW, 'more row')}")
        if self.foot:
            more.append(plural(len(self.foot), "note"))
        tail = [f"  ({' and '.join(more)}: .summary() prints all)"] if more else []
        return "\n".join([*lines[: _LINES - 1 - len(tail)], *tail])

    def _lines(self, most: int, wide: int | None) -> list[str]:
        """The head and at most `most` rows in columns; cells wider than `wide` are cut."""

        def cut(text: str) -> str:
            return visible(text if wide is None else shorten(text, wide))

        texts = self.texts()
        picked = texts if most >= len(self.rows) else texts[:most]
        grid = [[cut(text) for text in row] for row in [self.labels, *picked]]
        widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
        left = [column.kind == "text" for column in self.columns]
        lines = []
        group = ""
        for position, row in enumerate(grid):
            if self.groups and 0 < position <= len(self.groups) and self.groups[position - 1] != group:
                group = self.groups[position - 1]
                lines.append(f"  {cut(group)}")
            cells = (f"{text:<{w}}" if start else f"{text:>{w}}" for text, w, start in zip(row, widths, left, strict=True))
            lines.append(f"  {'  '.join(cells)}".rstrip())
        return lines

    def _repr_html_(self) -> str:
        return self.to_html()

    @checked()
    def to_html(self, path: str | os.PathLike[str] | None = None) -> str:
        """The table as HTML: without scripts, requests and fixed colours; it follows light and dark themes.

        Parameters
        ----------
        path
            Where to write a page with the table alone; None writes nothing.

        Returns
        -------
        str
            The table for the inside of a page.
        """
        if not self.rows:
            made = card("", self.empty, notes=self.foot)
        else:
            from metanet.writing.table.html import html_of

            made = html_of(self)
        if path is not None:
            from metanet.writing.table.html import page_of

            write_text(_place(path), page_of(self.title, made))
        return made

    @checked()
    def to_docx(self, path: str | os.PathLike[str]) -> Path:
        """Write a Word file with the table, to be edited: the head is repeated on every page, wide tables lie on their side.

        Parameters
        ----------
        path
            Where to. The file appears whole or not at all, with the same bytes on every run.

        Returns
        -------
        Path
            The file.
        """
        from metanet.writing.table.word import docx_of

        return _written(path, docx_of(self))

    @checked()
    def to_excel(self, path: str | os.PathLike[str]) -> Path:
        """Write a workbook: numbers as numbers with formats, texts never as formulas or links; a second sheet as printed.

        Parameters
        ----------
        path
            Where to. The file appears whole or not at all, with the same bytes on every run.

        Returns
        -------
        Path
            The file.
        """
        from metanet.writing.table.workbook import xlsx_of

        return _written(path, xlsx_of(self))

    @checked()
    def to_latex(self, path: str | os.PathLike[str] | None = None) -> str:
        """The table in LaTeX, with `booktabs`; long ones break across pages by `longtable`.

        Parameters
        ----------
        path
            Where to write it; None writes nothing.

        Returns
        -------
        str
            The source, for the inside of a document that loads booktabs, longtable and array.
        """
        from metanet.writing.table.latex import latex_of

        made = latex_of(self)
        if path is not None:
            write_text(_place(path), made)
        return made

    @checked()
    def to_csv(self, path: str | os.PathLike[str], shown: bool = False) -> Path:
        """Write a CSV file (UTF-8) whose cells no spreadsheet runs.

        Parameters
        ----------
        path
            The file; it is written atomically.
        shown
            As in `to_frame`.

        Returns
        -------
        Path
            The file.
        """
        to = _place(path)
        frame = self.to_frame(shown)
        rows = ([plain(value) for value in row] for row in frame.itertuples(index=False, name=None))
        write_csv(to, [str(name) for name in frame.columns], rows)
        return to


def made(
    title: str,
    empty: str,
    columns: Iterable[Column],
    rows: Iterable[Iterable[Cell]],
    foot: Iterable[str] = (),
    *,
    groups: Iterable[str] = (),
    closing: Iterable[Iterable[str]] = (),
    words: str = "",
    headings: Mapping[str, str] | None = None,
) -> Table:
    """A table from any iterables; the cells of a column are printed with one number of decimals."""
    below = tuple(dict.fromkeys(foot))
    return Table(
        title, empty, tuple(columns), _even(rows), below, tuple(groups), tuple(map(tuple, closing)), words, dict(headings or {})
    )


def _even(rows: Iterable[Iterable[Cell]]) -> tuple[tuple[Cell, ...], ...]:
    """Rows whose scaled cells have, column by column, the most decimals that any of them asks for."""
    grid = [list(row) for row in rows]
    for place in range(len(grid[0]) if grid else 0):
        cells = [row[place] for row in grid if row[place].scale is not None and any(v is not None for v in row[place].values)]
        # Decimals as printed; a workbook counts those of a rate as per cent.
        wanted = max((_printed(cell) for cell in cells), default=None)
        if wanted is not None:
            for row in grid:
                if row[place].scale is not None:
                    row[place] = row[place].with_digits(wanted)
    return tuple(map(tuple, grid))


def _printed(cell: Cell) -> int:
    """Decimals of the text of a cell."""
    number = cell.text.split(" to ")[0].lstrip("<>")
    return len(number.partition(".")[2])


def _framed(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
    """A frame whose columns may share names."""
    import pandas as pd

    frame = pd.DataFrame(list(rows), columns=range(len(names)), dtype=object)
    frame.columns = pd.Index(names)
    return frame


def _place(path: str | os.PathLike[str]) -> Path:
    to = Path(path)
    if to.is_dir():
        raise ArgumentError(f"path={as_given(to)} is a folder. Fix: give the name of a file in it.")
    return to


def _written(path: str | os.PathLike[str], content: bytes) -> Path:
    to = _place(path)
    write_bytes(to, content)
    return to
