"""Columns of a forest plot: which there are, how their cells are written, in which order the studies stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from metanet.errors import ArgumentError, check_choice, shorten
from metanet.figures.layout import shorten_cell
from metanet.figures.presets import PANEL, ForestPreset
from metanet.figures.scale import Scale, value_column
from metanet.figures.table import COUNT_SIDES, PIECE_GAP, Cell, Column, count_cell, estimate_cell
from metanet.figures.text import harmless
from metanet.models import display

if TYPE_CHECKING:
    import pandas as pd

#: Columns that this figure writes itself: pairs of counts, and two that begin the right side.
PAIRS = {
    "events/total": ("events", "total"),
    "events_control/total_control": ("events_control", "total_control"),
    "events/person_time": ("events", "person_time"),
    "events_control/person_time_control": ("events_control", "person_time_control"),
}
_RIGHT = ("rate", "weight")
OWN = (*PAIRS, *_RIGHT)
_PAIR_HEADINGS = {
    "events/total": "Events/Total",
    "events_control/total_control": "Control",
    "events/person_time": "Events/Time",
    "events_control/person_time_control": "Control",
}
_LARGEST_FIRST = ("weight", "events", "total")
#: Counts whose sums a summary row shows.
SUMS = ("events", "total", "events_control", "total_control")


def own_columns(frame: pd.DataFrame, preset: ForestPreset) -> tuple[str, ...]:
    """The columns of a style, as far as the data have them."""
    names = {str(c) for c in frame.columns}
    wanted = preset.columns_two_groups if "events_control" in names else preset.columns
    if "person_time" in names:
        wanted = tuple(name.replace("total", "person_time") for name in wanted)
    pairs = {name: set(of) for name, of in PAIRS.items()}
    return tuple(n for n in wanted if n in (PANEL, *_RIGHT) or pairs.get(n, {n}) <= names)


def check_columns(columns: object, frame: pd.DataFrame) -> tuple[str, ...]:
    """The wanted columns, each known and named once; a pair of counts falls away where the data have none."""
    if isinstance(columns, str) or not isinstance(columns, Sequence):
        raise ArgumentError(f"columns={shorten(columns)!r} must be a list of names, such as ('events/total', 'rate').")
    names = {str(c) for c in frame.columns}
    known = (*OWN, PANEL, *(str(c) for c in frame.columns if str(c) not in ("study", *OWN)))
    out: list[str] = []
    for name in columns:
        check_choice("columns", name, known)
        if name in out:
            raise ArgumentError(f"columns names {name!r} twice.")
        if name not in PAIRS or set(PAIRS[name]) <= names:
            out.append(name)
    return tuple(out)


def order_of(frame: pd.DataFrame, sort: object, ascending: bool | None) -> list[int]:
    """Positions of the rows in the order of the figure; a stable sort, absent values last."""
    if sort is None:
        return list(range(len(frame)))
    names = [str(c) for c in frame.columns]
    word = value_column(names) if sort == "rate" else sort
    check_choice("sort", word, names)
    up = word not in _LARGEST_FIRST if ascending is None else bool(ascending)
    column = frame.iloc[:, names.index(str(word))]
    # An ordered vocabulary (certainty: low, moderate, high) sorts by its own order, not by the alphabet.
    if getattr(column.dtype, "ordered", False):
        column = column.cat.codes.where(column.notna())
    values = list(column)
    known = [i for i, value in enumerate(values) if not _absent(value)]
    if all(_is_number(values[i]) for i in known):
        known.sort(key=lambda i: float(values[i]), reverse=not up)
    else:
        known.sort(key=lambda i: str(values[i]).casefold(), reverse=not up)
    return known + [i for i, value in enumerate(values) if _absent(value)]


def _absent(value: object) -> bool:
    return value is None or type(value).__name__ in ("NAType", "NaTType") or bool(value != value)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def table_columns(
    names: Sequence[str],
    frame: pd.DataFrame,
    scale: Scale,
    level: float,
    preset: ForestPreset,
    headings: Mapping[str, str],
) -> tuple[Column, ...]:
    """The columns of the table, the studies' names first; the panel stands at its sign, or before rate and weight."""
    said = {**preset.headings, **headings}
    out = [Column("study", said.get("study", "Study"))]
    right, marked = False, PANEL in names
    for name in names:
        right = right or (name == PANEL if marked else name in _RIGHT)
        if name in PAIRS:
            out.append(Column(name, said.get(name, _PAIR_HEADINGS[name]), "center", COUNT_SIDES, 0.0, right))
        elif name == "rate":
            heading = said.get(name, preset.written(scale.heading(level)))
            out.append(Column(name, heading, "right", preset.pieces, PIECE_GAP, right))
        elif name == "weight":
            out.append(Column(name, said.get(name, "Weight"), "right", right=right))
        elif name != PANEL:
            numbers = all(_is_number(v) or _absent(v) for v in _values(frame, name))
            out.append(Column(name, said.get(name, _heading(name)), "right" if numbers else "left", right=right))
    return tuple(out)


def _heading(name: str) -> str:
    """A column's name as a heading: "pct_pancreatic" is "Pancreatic, %", "doi" is "DOI"."""
    text = harmless(name.replace("_", " "), 40)
    if text.casefold() in ("doi", "pmid"):
        return text.upper()
    if text.startswith("pct ") and len(text) > 4:
        text = f"{text[4:]}, %"
    return text[0].upper() + text[1:]


def _values(frame: pd.DataFrame, name: str) -> list[Any]:
    return list(frame.iloc[:, [str(c) for c in frame.columns].index(name)])


def study_cells(
    row: Mapping[Any, Any], names: Sequence[str], scale: Scale, frame: pd.DataFrame, preset: ForestPreset
) -> dict[str, Cell]:
    """The cells of one study."""
    out: dict[str, Cell] = {}
    for name in names:
        if name in PAIRS:
            events, total = PAIRS[name]
            time = "person_time" in total
            out[name] = count_cell(display.count(row[events]), _time(row[total]) if time else display.count(row[total]))
        elif name == "rate":
            value = row[value_column(row)]
            limits = float(row["ci_lower"]), float(row["ci_upper"])
            out[name] = estimate_cell(scale, float(value), *limits, preset=preset)
        elif name == "weight":
            out[name] = weight_cell(float(row["weight"]), preset)
        elif name != PANEL:
            out[name] = _data_cell(row, name, frame)
    return out


def _time(value: float) -> str:
    return f"{value:.6g}"


def weight_cell(share: float, preset: ForestPreset) -> str:
    """A share in the estimate, per cent; a heading that says so keeps the sign out of the cells."""
    text = display.per_cent(share).replace(".", preset.decimal)
    return (
        text if text == display.ABSENT or "%" in preset.headings.get("weight", "") else f"{text}{preset.per_cent_sign}"
    )


def sum_cells(frame: pd.DataFrame, names: Sequence[str]) -> dict[str, Cell]:
    """Events and patients of all studies of a summary row, for the columns that show them."""
    sums = {name: int(frame[name].sum()) for name in SUMS if name in frame.columns}
    out: dict[str, Cell] = {name: display.count(sums[name]) for name in names if name in sums}
    for name in names:
        if name in PAIRS and set(PAIRS[name]) <= set(sums):
            events, total = PAIRS[name]
            out[name] = count_cell(sums[events], sums[total])
    return out


def _data_cell(row: Mapping[Any, Any], name: str, frame: pd.DataFrame) -> str:
    """A value of the data: whole numbers without decimals, the others with as many as the column needs, at most three."""
    value = next(v for key, v in row.items() if str(key) == name)
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, datetime) and not _absent(value):
        value = str(value).removesuffix(" 00:00:00")
    if not _is_number(value):
        return shorten_cell(harmless(value))
    if _absent(value):
        return display.ABSENT
    numbers = [float(v) for v in _values(frame, name) if _is_number(v) and not _absent(v)]
    digits = next((d for d in range(3) if all(abs(v - round(v, d)) < 1e-9 for v in numbers)), 3)
    return display.number(float(value), digits)
