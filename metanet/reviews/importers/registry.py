"""The registry of importers: what each format is called, which files have it, and the function that reads them.

A format is one file of this package whose function bears `importer`. `import_review` and the command line read the registry; a
format without an example in the tests or a section in `docs/new_review.md` fails a test.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType

from metanet.reviews import importers as package
from metanet.reviews.importers.arm_counts import counts_of_lines
from metanet.reviews.importers.extracted_counts import Found, Request
from metanet.reviews.importers.tabular import Lines

Reader = Callable[[bytes, str, Request], Found]
#: Takes bytes, the name of the file, the request and what is found; None with the reasons in the findings.
LinesReader = Callable[[bytes, str, Request, Found], Lines | None]


@dataclass(frozen=True)
class Importer:
    """One format.

    Attributes
    ----------
    name
        Its name as an argument.
    title
        What a reader calls it; also the title of its section in `docs/new_review.md`.
    suffixes
        Endings of its files.
    file
        The file to give, in one line.
    read
        The function that reads its bytes.
    maps_columns
        Whether the caller says what its columns mean: the arguments `columns` and `values` then take every field, and `outcomes`
        names the outcome of the table. Otherwise `outcomes` chooses among the analyses of the file.
    has_sheets
        Whether its files have several tables, of which the argument `sheet` chooses one.
    describes
        Whether it has references to studies that are there, and no counts.
    table
        Role of the table of a review that its file is as a whole; empty where it has counts or references.
    lines
        The function that reads its table, for any table of columns that the caller names; None for other files.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    file: str
    read: Reader
    maps_columns: bool
    has_sheets: bool = False
    describes: bool = False
    lines: LinesReader | None = None
    table: str = ""

    @property
    def has_counts(self) -> bool:
        """Whether there are counts in its files."""
        return not self.describes and not self.table


_FOUND: dict[str, Importer] = {}


def importer(
    name: str,
    *,
    title: str,
    suffixes: tuple[str, ...],
    file: str,
    maps_columns: bool = False,
    has_sheets: bool = False,
    describes: bool = False,
    table: str = "",
) -> Callable[[Reader], Reader]:
    """Enter a function into the registry."""

    def enter(read: Reader) -> Reader:
        _FOUND[name] = Importer(name, title, suffixes, file, read, maps_columns, has_sheets, describes, table=table)
        return read

    return enter


def table_importer(
    name: str, *, title: str, suffixes: tuple[str, ...], file: str, source: str, has_sheets: bool = False
) -> Callable[[LinesReader], LinesReader]:
    """Enter a function that reads the lines of a table; `source` is what its tables are called as the source of a count."""

    def enter(lines: LinesReader) -> LinesReader:
        def read(data: bytes, file: str, request: Request) -> Found:
            found = Found(file, f"{source} {file}")
            counts_of_lines(lines(data, file, request, found), request, found)
            return found

        _FOUND[name] = Importer(name, title, suffixes, file, read, True, has_sheets, lines=lines)
        return lines

    return enter


def importers() -> Mapping[str, Importer]:
    """Every importer by its name."""
    for found in pkgutil.iter_modules(package.__path__):
        import_module(f"{package.__name__}.{found.name}")
    return MappingProxyType(dict(sorted(_FOUND.items())))
