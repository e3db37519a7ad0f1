"""Characteristics of the included studies: who was treated, where, when and how the outcome was counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from metanet.models.display import ABSENT, count, number, plural
from metanet.models.views import plain
from metanet.words import listing
from metanet.writing.cells import Cell, Column, text_cell
from metanet.writing.study_tables import check_rates
from metanet.writing.table import Table, made

if TYPE_CHECKING:
    import pandas as pd

#: Texts: the column of `Evidence.rates` and its heading.
_TEXTS = {
    "country": "Country",
    "design": "Design",
    "modality": "Modality",
}
#: Numbers of patients: heading and the heading above it.
_NUMBERS = {
    "n": ("n", ""),
    "median_age": ("Median age, years", ""),
    "pct_male": ("Male", "Share of patients, %"),
    "pct_pancreatic": ("Pancreatic primary", "Share of patients, %"),
    "pct_g1": ("Grade 1", "Share of patients, %"),
    "pct_g2": ("Grade 2", "Share of patients, %"),
    "pct_g3": ("Grade 3", "Share of patients, %"),
    "pct_prior_prrt": ("Earlier PRRT", "Share of patients, %"),
    "pct_prior_embolisation": ("Earlier embolisation", "Share of patients, %"),
    "pct_extrahepatic": ("Extrahepatic disease", "Share of patients, %"),
    "followup_median_months": ("Median follow-up, months", ""),
}
_LAST = {"criteria": "Criteria", "definition": "Definition", "certainty": "Certainty"}


def characteristics_table(rates: pd.DataFrame) -> Table:
    """Characteristics of the studies of a selection, with medians and ranges in the last row.

    Parameters
    ----------
    rates
        What `Evidence.rates` returned.

    Returns
    -------
    Table
        Study, country, design, enrolment, modality, patients of the arm, age, sex, primary tumour, grades, earlier treatment,
        disease outside the liver, follow-up, criteria or definition of the outcome, certainty. What no study reports has no column;
        a note names it. The last row is printed, and is no row of `to_frame`.

    Raises
    ------
    ArgumentError
        No frame of studies.
    """
    check_rates(rates)
    columns = [Column("Study", ("study",))]
    cells: list[list[Cell]] = [[text_cell(value) for value in rates["study"].tolist()]]
    closing = ["Median (range)"]
    dropped: list[str] = []

    def add(column: Column, filled: Sequence[Cell], closes: str = "") -> None:
        if all(all(value is None or value == "" for value in cell.values) for cell in filled):
            dropped.append(column.label[0].lower() + column.label[1:])
        else:
            columns.append(column)
            cells.append(list(filled))
            closing.append(closes)

    for name in ("country", "design"):
        add(Column(_TEXTS[name], (name,)), [_words(v) for v in _values(rates, name)])
    years = zip(_values(rates, "enrol_start"), _values(rates, "enrol_end"), strict=True)
    add(Column("Enrolment", ("enrol_start", "enrol_end"), "count"), [_period(start, end) for start, end in years])
    add(Column(_TEXTS["modality"], ("modality",)), [text_cell(v) for v in _values(rates, "modality")])
    for name, (label, above) in _NUMBERS.items():
        values = [None if v is None else float(v) for v in _values(rates, name)]
        digits = _digits(values)
        kind = "count" if name == "n" else "number"
        filled = [_value(v, digits) for v in values]
        add(Column(label, (name,), kind, above), filled, _range(values, digits))
    for name, last in _LAST.items():
        add(Column(last, (name,)), [_words(v) for v in _values(rates, name)])
    foot = [
        "Percentages are of the patients of the arm; an empty cell or a dash is not reported. "
        "Medians and ranges are over the arms that report the value."
    ]
    if dropped:
        foot.append(f"Not reported by any study: {listing(dropped, 30)}.")
    reports = rates["study_id"].nunique() if "study_id" in rates.columns else len(rates)
    title = f"Characteristics of {plural(int(reports), 'study', 'studies')} ({plural(len(rates), 'arm')})"
    outcome = rates.attrs.get("label")
    return made(
        f"{title}: {outcome}" if outcome else title,
        "No study fits this selection.",
        columns,
        zip(*cells, strict=True),
        foot if len(rates) else (),
        closing=[closing] if len(rates) > 1 and any(closing[1:]) else (),
    )


def _values(rates: pd.DataFrame, name: str) -> list[Any]:
    """A column as plain values, None where there is none."""
    if name not in rates.columns:
        return [None] * len(rates)
    return [plain(value) for value in rates[name].tolist()]


def _words(value: object) -> Cell:
    """A word of a vocabulary as it is printed: "case_series" is "case series", "other:by volume" is "by volume"."""
    cell = text_cell(value)
    return Cell(cell.text.removeprefix("other:").replace("_", " "), cell.values)


def _period(start: float | None, end: float | None) -> Cell:
    """Years of enrolment."""
    if start is None and end is None:
        return Cell("", (None, None), 0)
    first, last = (ABSENT if year is None else count(year) for year in (start, end))
    text = first if start == end else f"{first} to {last}"
    return Cell(text, tuple(None if year is None else int(year) for year in (start, end)), 0)


def _digits(values: Sequence[float | None]) -> int:
    """As many decimals as the column was reported with, one at most."""
    return int(any(v is not None and abs(v - round(v)) > 1e-9 for v in values))


def _value(value: float | None, digits: int) -> Cell:
    return Cell(number(value, digits), (value,), digits)


def _range(values: Sequence[float | None], digits: int) -> str:
    known = [v for v in values if v is not None]
    if len(known) < 2:
        return ""
    middle = float(np.median(known))
    # The middle of two whole numbers may lie between them.
    shown = number(middle, max(digits, _digits([middle])))
    return f"{shown} ({number(min(known), digits)} to {number(max(known), digits)})"
