"""Any CSV of counts, outside the contract, read with the same tolerance and the same messages as the evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from metanet.base.errors import nearest
from metanet.base.gaps import is_gap
from metanet.base.untrusted import listing, visible
from metanet.evidence.findings import Findings, data_error
from metanet.evidence.folders import given_path
from metanet.evidence.reading.cells import number_fault, plain_number
from metanet.evidence.reading.text import Sheet, decode, read_bytes, split

if TYPE_CHECKING:
    import pandas as pd


#: Rows that a message names.
_MOST_NAMED = 50


def read_counts(
    path: str | Path, *, counts: Sequence[str], times: Sequence[str] = (), study: str | None = None, missing: str | None = None
) -> pd.DataFrame:
    """Read a CSV with columns of counts, and of person-time where there is some; the other columns stay text.

    Parameters
    ----------
    path
        The file: commas, semicolons or tabs; UTF-8, UTF-16 or Windows-1252.
    counts
        Names of the columns of whole numbers, such as events and totals.
    times
        Names of the columns of person-time: numbers with a decimal point.
    study
        Name of the column of the studies, for messages.
    missing
        "skip" makes empty cells and words such as NA or NR None; otherwise they are one fault that names their rows.

    Raises
    ------
    DataError
        Every fault of the file and of these columns at once, each with its row.
    """
    import pandas as pd

    place = given_path(path)
    file = visible(place.name)
    findings = Findings()
    data = read_bytes(place, file, findings)
    text = None if data is None else decode(data, file, findings)
    whole = {**dict.fromkeys(times, False), **dict.fromkeys(counts, True)}
    sheet = None if text is None else split(text, file, tuple(whole), findings)
    columns: dict[str, list[Any]] = {} if sheet is None else _columns(sheet, whole, findings, study, missing)
    if findings.faults:
        raise data_error(str(place), findings.faults)
    return pd.DataFrame(columns)


def _columns(
    sheet: Sheet, numbers: Mapping[str, bool], findings: Findings, study: str | None, missing: str | None
) -> dict[str, list[Any]]:
    """The cells by column; `numbers` says of each column of numbers whether they are whole."""
    header = sheet.header.cells
    while header and not header[-1] and not any(record.cells[len(header) - 1 :] for record in sheet.records):
        header = header[:-1]
    file = sheet.file
    for name in sorted({name for name in header if name and header.count(name) > 1}):
        findings.cannot_read(file, "is the name of two columns", "Rename one", row=sheet.header.line, value=name)
    for name in numbers:
        if name not in header:
            near = nearest(name, header)
            fix = f"Did you mean {near!r}?" if near else f"The columns are {listing(header)}"
            findings.cannot_read(file, "is not among the column names", fix, row=sheet.header.line, value=name)
    if not sheet.records:
        findings.cannot_read(file, "has column names and no rows", "Add a row for each study")
    if findings.faults:
        return {}
    columns: dict[str, list[Any]] = {name: [] for name in header if name}
    gaps: list[_Gap] = []
    for line, cells in sheet.cells(len(header), findings):
        for name, cell in zip(header, cells, strict=False):
            if name in numbers and is_gap(cell):
                columns[name].append(None)
                gaps.append(_Gap(line, name, cell, cells[header.index(study)] if study in header else ""))
            elif name in numbers:
                columns[name].append(_number(cell, name, line, sheet, findings, whole=numbers[name]))
            elif name:
                columns[name].append(cell)
    if gaps and missing is None:
        _refuse_gaps(gaps, numbers, file, findings)
    return columns


class _Gap(NamedTuple):
    """A cell without a number: its line, column, text and study."""

    line: int
    column: str
    text: str
    study: str


def _refuse_gaps(gaps: Sequence[_Gap], numbers: Mapping[str, bool], file: str, findings: Findings) -> None:
    """One fault that names every row without a number."""
    names = list(dict.fromkeys(gap.column for gap in gaps))
    rows = []
    for gap in gaps:
        words = ", ".join(filter(None, (gap.study, gap.column if len(names) > 1 else "")))
        rows.append(f"line {gap.line} ({words})" if words else f"line {gap.line}")
    one = len(gaps) == 1
    noun = {True: "count", False: "person-time"}[numbers[names[0]]] if len({numbers[name] for name in names}) == 1 else "number"
    wrong = "is empty" if not any(gap.text for gap in gaps) else "is missing"
    findings.cannot_read(
        file,
        wrong if one and not gaps[0].study else f"{wrong} in {listing(rows, _MOST_NAMED)}",
        f"Write the {noun if one or noun == 'person-time' else f'{noun}s'}, or leave {'the row' if one else 'these rows'} out with "
        "missing='skip'",
        row=gaps[0].line if one else None,
        column=visible(listing(names)),
        value=gaps[0].text or None if one else None,
    )


def _number(cell: str, name: str, line: int, sheet: Sheet, findings: Findings, *, whole: bool) -> float | None:
    plain = plain_number(cell, whole=whole, comma=False, foreign=sheet.separator != ",")
    try:
        return int(plain or "") if whole else float(plain or "")
    except ValueError:
        wrong, fix = number_fault(cell, whole=whole, comma=False, percent=False)
        findings.cannot_read(sheet.file, wrong, fix, row=line, column=name, value=cell)
        return None
