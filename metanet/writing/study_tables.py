"""Tables of single studies: what went into a pooling, what did not, where it was read, and what the pooling made of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from metanet.effects.measures import MEASURES
from metanet.errors import ArgumentError
from metanet.models.display import effect_digits, level_text, plural, rate_digits
from metanet.models.results import Pooled
from metanet.models.views import plain
from metanet.writing.cells import (
    Cell,
    Column,
    limits_cell,
    number_cell,
    numbers_cell,
    rate_cell,
    share_cell,
    text_cell,
)
from metanet.writing.table import Table, made

if TYPE_CHECKING:
    import pandas as pd


def study_table(studies: pd.DataFrame | Pooled) -> Table:
    """One row for each study: of a selection its counts and sources, of a result its rate, weight and shrunken value.

    Parameters
    ----------
    studies
        What `Evidence.rates` returned, or a result of `pool`.

    Returns
    -------
    Table
        Of a frame: study, modality, events/total, unit, criteria or definition, certainty, source with its place and, where a
        count was derived, how. Of a result: study, its counts, its own rate (or effect) with interval, its weight in per cent,
        and its shrunken value.

    Raises
    ------
    ArgumentError
        Neither of the two.
    """
    if isinstance(studies, Pooled):
        return _pooled(studies)
    check_rates(studies)
    rows = [_selected({str(key): plain(value) for key, value in row.items()}) for row in studies.to_dict("records")]
    columns = [
        Column("Study", ("study",)),
        Column("Modality", ("modality",)),
        Column("Events/total", ("events", "total"), "count"),
        Column("Unit", ("unit",)),
        Column("Definition", ("definition",)),
        Column("Certainty", ("certainty",)),
        Column("Source", ("source",)),
    ]
    reports = studies["study_id"].nunique() if "study_id" in studies else len(rows)
    title = f"{plural(len(rows), 'row')} from {plural(int(reports), 'study', 'studies')}"
    return made(title, "No study fits this selection.", columns, rows)


def check_rates(frame: object) -> None:
    """Refuse what is no frame of studies with counts."""
    if not hasattr(frame, "columns") or not hasattr(frame, "iloc"):
        raise ArgumentError(f"rates must be what Evidence.rates returned, not {type(frame).__name__}.")
    for name in ("study", "events", "total"):
        if name not in frame.columns:
            raise ArgumentError(f"rates has no column {name!r}. Mend: give what Evidence.rates returned.")


def _selected(row: Mapping[str, Any]) -> list[Cell]:
    source = ", ".join(str(row[c]) for c in ("source", "source_locator") if row.get(c))
    if row.get("derivation"):
        source += f". Count derived: {row['derivation']}"
    return [
        text_cell(row["study"]),
        text_cell(row.get("modality")),
        share_cell(row["events"], row["total"]),
        text_cell(row.get("unit")),
        text_cell("; ".join(str(row[c]) for c in ("definition", "criteria") if row.get(c))),
        text_cell(row.get("certainty")),
        text_cell(source),
    ]


def _pooled(fit: Pooled) -> Table:
    frame = fit.studies
    limits = f"{level_text(fit.level)} CI"
    rate = fit.response == "rate"
    value = next(name for name in ("rate", "effect", "yi") if name in frame.columns)
    columns = [Column("Study", ("study",))]
    pairs = [
        ("Events/total", ("events", "total"), ""),
        ("Events/total", ("events_control", "total_control"), "Control"),
        ("Events/person-time", ("events", "person_time"), ""),
        ("Events/person-time", ("events_control", "person_time_control"), "Control"),
    ]
    shown = [(label, names, over) for label, names, over in pairs if set(names) <= set(frame.columns)]
    several = len(shown) > 1
    columns += [
        Column(label, names, "count" if "total" in names[1] else "number", over or ("Treated" if several else ""))
        for label, names, over in shown
    ]
    columns += [
        Column("Rate, %" if rate else _effect_name(fit), (value,), "rate" if rate else "number"),
        Column(f"{limits}, %" if rate else limits, ("ci_lower", "ci_upper"), "rate" if rate else "number"),
        Column("Weight, %", ("weight",), "rate"),
        Column("Shrunken rate, %" if rate else "Shrunken", ("shrunken",), "rate" if rate else "number"),
    ]
    rows = []
    for row in frame.to_dict("records"):
        cells = [text_cell(row["study"])]
        for _, (events, over), _ in shown:
            cells.append(share_cell(row[events], row[over]) if "total" in over else _timed(row[events], row[over]))
        ends, own = (row["ci_lower"], row["ci_upper"]), row[value]
        if rate:
            digits = rate_digits(own)
            cells += [rate_cell(own, digits), limits_cell(*ends, digits), rate_cell(row["weight"])]
            cells.append(rate_cell(row["shrunken"], rate_digits(row["shrunken"])))
        else:
            digits = effect_digits(None if own != own else own)
            cells += [number_cell(own, digits), numbers_cell(*ends, digits), rate_cell(row["weight"])]
            cells.append(number_cell(row["shrunken"], digits))
        rows.append(cells)
    foot = [
        "Each study's own value with its own interval; the shrunken value is the estimate of its true value under the model.",
        f"{fit.title}. {fit.method.sentence()}",
    ]
    if fit.status != "pooled":
        foot[:1] = [f"Status: {fit.status}. {' '.join(fit.notes)}".strip()]
    return made(f"{plural(fit.k, 'study', 'studies')}: {fit.title}", "No study was pooled.", columns, rows, foot)


def _effect_name(fit: Pooled) -> str:
    if fit.response == "rate per person-time":
        return "Rate"
    if fit.measure in MEASURES:
        title = MEASURES[fit.measure].title
        return f"{title[0].upper()}{title[1:]}"
    return "Effect"


def _timed(events: float, time: float) -> Cell:
    """Events and person-time, which is no count."""
    first, second = number_cell(events, 0), number_cell(time, 1)
    return Cell(f"{first.text}/{second.text}", (*first.values, *second.values), 1)


def left_out_table(rates: pd.DataFrame) -> Table:
    """What was not pooled and why, from ``rates.attrs["left_out"]``."""
    left = rates.attrs.get("left_out", [])
    rows = [
        [
            text_cell(entry["study"]),
            text_cell(entry["arm"]),
            share_cell(entry["events"], entry["total"]),
            text_cell(entry["reason"]),
        ]
        for entry in left
    ]
    columns = [
        Column("Study", ("study",)),
        Column("Arm", ("arm",)),
        Column("Events/total", ("events", "total"), "count"),
        Column("Reason", ("reason",)),
    ]
    return made(f"{plural(len(rows), 'row')} left out", "Nothing was left out.", columns, rows)


def source_table(rates: pd.DataFrame) -> Table:
    """Each source once, with the studies that rest on it."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rates.to_dict("records"):
        key = (str(plain(row.get("source")) or ""), str(plain(row.get("source_kind")) or ""))
        found.setdefault(key, []).append(str(row["study"]))
    rows = [
        [text_cell(source), text_cell(kind), text_cell("; ".join(studies))]
        for (source, kind), studies in sorted(found.items())
    ]
    columns = [Column("Source", ("source",)), Column("Kind", ("kind",)), Column("Studies", ("studies",))]
    return made(plural(len(rows), "source"), "No source.", columns, rows)
