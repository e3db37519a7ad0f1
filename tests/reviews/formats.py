"""Small invented files of other programs, made in memory."""

from __future__ import annotations

import base64
import io
import tempfile
import zlib
from pathlib import Path

import openpyxl
import pandas as pd
import pyreadstat
import rdata

from .conftest import PLAIN

ROWS_OF_PLAIN = [line.split(",") for line in PLAIN.splitlines()]
RIS = """\
TY  - JOUR
AU  - Adams, Ann
TI  - A trial of drug A
T2  - J Pain
PY  - 2010
ER  -
"""
OPENMETA = """\
include,study name,year,Drug A #evts,Drug A #total,Placebo #evts,Placebo #total,OR,lower,upper
True,Adams,2010,5,20,2,21,3,1,9
True,Baker,2011,7,30,4,31,2,1,8
False,Clark,2012,9,40,5,41,2,1,7
"""
#: A workbook of the old format: sheet Notes, and sheet Data with a merged title, 16.1 % of 56 as a percentage, and a date as a year.
XLS = (
    "eNrtWF1IFFEU/mZ2Rl3zZ9efQANbJK1MYzWCXmzT/KGHpCIqIqjRnURcd2McpfUhLfMlCKKe+nlRLOjF6iWLfijooYfAqIcgCNToqaegoAd1O/fM7LbaBi6U"
    "oMwZ7pl7zz3nmzv3nHvPnXk75Z0efVA6gyW0Gy4sxNzISJJJVNzxhgfUH4uJavyeRSXm0KoidxY5MkPFk9w3mcKHwt8zkHFfeUkcmKVyAmfQFgnrvhWkRh6D"
    "Jokx1EsKxZ6MW1TyUMLjKmDewbyQ+T3Wfcp8D0suM68n3WnpOKYCbVW77Dg+JpdzXx5xCZNs85EltSjGaxHHg1ckS1dFg9GlhdZKR5mSg3GQr1v1sG6Ithu3"
    "oQD+7f6KMiUfd5ANRIlqenpqgsFpFFFQjONHzAd8j6/+Fz5HvrJyCST/uVie+Rd5Fnk0ldxNzl0qvyaT74cQOyWJpTCCXEwqokelJW/qvSPIQS4nAQVNmqnN"
    "YZBUgHW8BtF81jS0DrMrEvZFTvvq/HV+iqzDWntI99WqQK/ZF4wSXFTXDMoOPZGgFuoyo4Sn9+ths5dUzIiphSirNAS1HgLw11Jnk9HX6WsgYaNudArhTqrv"
    "NfoGqF7rzxZpiLctz6JtK5cXcw7xIPK57uUl7aH5mLv77d3+9gOBkywZ4lRlJbQK8f6I4bywIOO8RI/Fq9hiG/MLjLqB66XMi2ie6F55oNiutAyzzkXuraTn"
    "7GB6H9icVN9C9ZGvBx+VjXwObKX6ROvMQNHEh8AoyslHQbIX1zCqpWrpxnVBjwPxu2RvfZ+Yl/yxDWbJHnvsMTtr52NeLGkir5Xa5QI8FKq0Tf6mlZhV6zCh"
    "ruJZVVPOqnjj58jjd/fal8I2cgobmW0Et1rCxpVoyWwbb7mopSZaCrUy7NG4UiC7GFm47pwsWgK5ZSPsPoEsPOQib7joKsDN8KVN+66+CljaAn3WRldSoCuM"
    "7rbRFUY/YqMrCfRnhKvwuCtZf4C3DoGppsBUWSfbxlQJsxBj/bLdl4ypMmYd648x5hfSkezoVayoRqqodsghhxxyyCGHlpBIoOIo4uIkah3OxBEj0/6vM09l"
    "wflNsmbpECJ0mfRR2Iww3Q1E04qf9VClOJa0TJv4/0JBR+npBrrRzuPoTjt+6dguJb/Psg09/24Jpfv8hXTG+Z+f/wsPBTpo"
)


def frame() -> pd.DataFrame:
    """PLAIN as a data frame."""
    return pd.read_csv(io.StringIO(PLAIN))


def xlsx(
    sheets: dict[str, list[list[object]]], *, merged: dict[str, str] | None = None, formats: dict[str, str] | None = None
) -> bytes:
    """A workbook of these rows; `merged` are ranges by sheet, separated by spaces, `formats` number formats by cell of the last."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append([int(cell) if isinstance(cell, str) and cell.isdigit() else cell for cell in row])
        for cells in (merged or {}).get(name, "").split():
            sheet.merge_cells(cells)
    for cell, form in (formats or {}).items():
        sheet[cell].number_format = form
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def xls() -> bytes:
    """The workbook of the old format."""
    return zlib.decompress(base64.b64decode(XLS))


def dta(table: pd.DataFrame | None = None, **options: object) -> bytes:
    """A data file of Stata."""
    out = io.BytesIO()
    (frame() if table is None else table).to_stata(out, write_index=False, version=118, **options)
    return out.getvalue()


def sav(table: pd.DataFrame | None = None, **options: object) -> bytes:
    """A data file of SPSS."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.sav"
        pyreadstat.write_sav(frame() if table is None else table, path, **options)
        return path.read_bytes()


def rds(table: object = None) -> bytes:
    """A data frame of R."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.rds"
        rdata.write_rds(path, _plain(frame()) if table is None else table)
        return path.read_bytes()


def rda(**objects: object) -> bytes:
    """Objects of R."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.rda"
        rdata.write_rda(path, {name: _plain(each) for name, each in objects.items()})
        return path.read_bytes()


def _plain(table: object) -> object:
    """A data frame with texts as objects, which R's writer takes."""
    if isinstance(table, pd.DataFrame):
        return table.astype({name: object for name in table if table[name].dtype == "str"})
    return table
