"""Tables of studies: what was pooled, what was excluded, where it was read, characteristics, and published pooled rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from metanet.base.arguments import checked
from metanet.base.display import ABSENT, RATE, count, in_sentence, level_text, number, plural, title_of
from metanet.base.groups import natural
from metanet.base.results import plain, records
from metanet.base.untrusted import listing
from metanet.evidence.bias.filter import COLUMN, POINTS, PREFIX
from metanet.evidence.design_facts import HEADING, STATED
from metanet.evidence.rates import ALL_STUDIES
from metanet.evidence.selection import certainties, selection_of
from metanet.evidence.sources import Rates, Tables, evidence_of, rates_of
from metanet.models.results.pooled import Pooled
from metanet.writing.table.table import (
    Cell,
    Column,
    Table,
    count_cell,
    made,
    number_cell,
    rate_cell,
    scaled_cell,
    share_cell,
    text_cell,
)

if TYPE_CHECKING:
    import pandas as pd


@checked()
def study_table(studies: Rates) -> Table:
    """One row for each study: of a selection its counts and sources, of a result its rate, weight and shrunken value.

    Parameters
    ----------
    studies
        What `Evidence.rates` returned, or a result of `pool`.

    Returns
    -------
    Table
        Of a frame: study, modality, events/total, unit, criteria or definition, certainty, source with page and the derivation of
        derived counts. Of a result: study, its counts, its own rate (or effect) with interval, its weight in per cent,
        and its shrunken value.

    Raises
    ------
    ArgumentError
        Not a frame of rates or a result.
    """
    if isinstance(studies, Pooled):
        return _pooled(studies)
    studies = checked_rates(studies, "studies")
    if "certainty" in studies.columns:
        studies = studies.assign(certainty=certainties(studies))
    rows = [_selected({str(key): plain(value) for key, value in row.items()}, studies) for row in records(studies)]
    columns = [
        Column("Study", ("study",)),
        Column("Modality", ("modality",)),
        Column("Events/total", ("events", "total"), "count"),
        Column("Unit", ("unit",)),
        Column(_defined(studies), ("definition",)),
        Column("Certainty", ("certainty",)),
        Column("Source", ("source",)),
    ]
    # A column that no row fills is left away.
    filled = [place for place, column in enumerate(columns) if place < 3 or any(row[place].text for row in rows)] if rows else range(7)
    columns, rows = [columns[place] for place in filled], [[row[place] for place in filled] for row in rows]
    reports = studies["study_id"].nunique() if "study_id" in studies else len(rows)
    title = f"Studies: {plural(len(rows), 'row')} from {plural(int(reports), 'study', 'studies')}"
    return made(title, "No study fits this selection.", columns, rows)


def checked_rates(source: Rates, argument: str = "rates") -> pd.DataFrame:
    """The rows of studies with counts; something else is refused."""
    frame = rates_of(source, argument)
    if {"study", "events", "total"} <= set(frame.columns):
        return frame
    # The columns of a frame that bears other names are found as `read` finds them.
    return rates_of(evidence_of(frame, argument), argument)


def _defined(frame: pd.DataFrame) -> str:
    """The heading of what defines the outcome: its definition where it has several, and the criteria of the response."""
    used = [name for name in ("definition", "criteria") if any(value for value in _values(frame, name))]
    return " or ".join(_LAST[name] for name in used).capitalize() or _LAST["definition"]


def _selected(row: Mapping[str, Any], frame: pd.DataFrame) -> list[Cell]:
    source = ", ".join(str(row[c]) for c in ("source", "source_locator") if row.get(c))
    if row.get("derivation"):
        source += f". Count derived: {row['derivation']}"
    return [
        text_cell(row["study"]),
        text_cell(row.get("modality")),
        share_cell(row["events"], row["total"]),
        text_cell(row.get("unit")),
        text_cell("; ".join(title_of(row[c], frame) for c in ("definition", "criteria") if row.get(c))),
        text_cell(row.get("certainty")),
        text_cell(source),
    ]


def _pooled(fit: Pooled) -> Table:
    frame = fit.studies
    limits = f"{level_text(fit.level)} CI"
    rate, scale = fit.response == "rate", fit.scale
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
        Column(scale.name, (value,), "rate" if rate else "number"),
        Column(f"{limits}, %" if rate else limits, ("ci_lower", "ci_upper"), "rate" if rate else "number"),
        Column("Weight, %", ("weight",), "rate"),
        Column("Shrunken rate, %" if rate else "Shrunken", ("shrunken",), "rate" if rate else "number"),
    ]
    rows = []
    for row in records(frame):
        cells = [text_cell(row["study"])]
        for _, (events, over), _ in shown:
            cells.append(share_cell(row[events], row[over]) if "total" in over else _timed(row[events], row[over]))
        ends, own = (row["ci_lower"], row["ci_upper"]), row[value]
        digits = scale.digits(own, *ends)
        cells += [scaled_cell(scale, digits, own), scaled_cell(scale, digits, *ends), rate_cell(row["weight"])]
        cells.append(scaled_cell(scale, digits, row["shrunken"]))
        rows.append(cells)
    foot = [
        "Each study with its observed value and interval; the shrunken value is the estimate of its true value under the model.",
        f"{fit.title}. {fit.method.sentence()}",
    ]
    if fit.status != "pooled":
        foot[:1] = [f"Status: {fit.status}. {' '.join(fit.notes)}".strip()]
    return made(f"{plural(fit.k, 'study', 'studies')}: {fit.title}", "No study was pooled.", columns, rows, foot)


def _timed(events: float, time: float) -> Cell:
    """Events and person-time."""
    first, second = number_cell(events, 0), number_cell(time, 1)
    return Cell(f"{first.text}/{second.text}", (*first.values, *second.values), 1)


@checked()
def left_out_table(rates: Rates) -> Table:
    """The excluded rows with their reasons, as the selection of these rates recorded them.

    Rows that were removed from the selection afterwards are named in a note; a frame that records no selection has no excluded rows.
    """
    record = selection_of(rates_of(rates, "rates"))
    left = () if record is None else record.left_out
    rows = [
        [text_cell(entry["study"]), text_cell(entry["arm"]), share_cell(entry["events"], entry["total"]), text_cell(entry["reason"])]
        for entry in left
    ]
    columns = [
        Column("Study", ("study",)),
        Column("Arm", ("arm",)),
        Column("Events/total", ("events", "total"), "count"),
        Column("Reason", ("reason",)),
    ]
    notes = []
    if record is not None and record.removed:
        named = [f"{name} ({why})" if why else name for name, why in record.removed.items()]
        notes = [f"Removed from the selection afterwards: {listing(named, 50)}."]
    empty = "These rows record no selection." if record is None else "No row was excluded."
    return made(f"{plural(len(rows), 'row')} excluded", " ".join([empty, *notes]), columns, rows, notes if rows else ())


@checked()
def source_table(rates: Rates) -> Table:
    """Each source once, with its studies."""
    frame = checked_rates(rates)
    found: dict[tuple[str, str], list[str]] = {}
    for row in records(frame):
        key = (str(plain(row.get("source")) or ""), str(plain(row.get("source_kind")) or ""))
        found.setdefault(key, []).append(str(row["study"]))
    order = sorted(found, key=lambda key: (natural(key[0]), natural(key[1])))
    rows = [[text_cell(source), text_cell(kind), text_cell("; ".join(found[source, kind]))] for source, kind in order]
    columns = [Column("Source", ("source",)), Column("Kind", ("kind",)), Column("Studies", ("studies",))]
    return made(plural(len(rows), "source"), "No source.", columns, rows)


#: Texts: the column of `Evidence.rates` and its heading.
_TEXTS = {"country": "Country", "design": "Design", "modality": "Modality"}
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
#: Columns of a selection, and of the studies of a result, that are no characteristics: counts, where they were read, what was fitted.
_ASIDE = frozenset(
    {
        "study", "study_id", "arm", "modality_class", "events", "total", "events_control", "total_control", "year", "unit",
        "timepoint_months", "source_kind", "source", "source_locator", "derived", "derivation", "printed", "double_extracted",
        "poolable", "overlap_group", "note", "enrol_start", "enrol_end", "doi", "pmid", "rate", "effect", "yi", "vi", "ci_lower",
        "ci_upper", "weight", "shrunken",
    }
)  # fmt: skip


@checked()
def characteristics_table(rates: Rates) -> Table:
    """Characteristics of the studies of a selection, with medians and ranges in the last row.

    Parameters
    ----------
    rates
        What `Evidence.rates` or `read` returned, or a result of `pool`.

    Returns
    -------
    Table
        Study, country, design, what else the report states of it, enrolment, modality, the numbers of patients that the tables have
        (size, age, sex, primary tumour, grades, earlier treatment, follow-up), the columns of the review itself under the
        titles it gives them, criteria or definition of the outcome, certainty. A characteristic of these tables that no
        study reports has no column; a note names it. The last row is printed only; `to_frame` does not contain it.

    Raises
    ------
    ArgumentError
        Not a frame of studies.
    """
    rates = checked_rates(rates)
    if "certainty" in rates.columns:
        rates = rates.assign(certainty=certainties(rates))
    columns = [Column("Study", ("study",))]
    cells: list[list[Cell]] = [[text_cell(value) for value in rates["study"].tolist()]]
    closing = ["Median (range)"]
    dropped: list[str] = []

    def add(column: Column, filled: Sequence[Cell], closes: str = "") -> None:
        if not any(name in rates.columns for name in column.names):
            return
        if all(all(value is None or value == "" for value in cell.values) for cell in filled):
            # The unit behind a comma would read as one more characteristic.
            dropped.append(in_sentence(column.label.split(",")[0]))
        else:
            columns.append(column)
            cells.append(list(filled))
            closing.append(closes)

    for name in ("country", "design"):
        titled = [None if v is None else title_of(v, rates) for v in _values(rates, name)]
        add(Column(_TEXTS[name], (name,)), [_words(v) for v in titled])
    if any(stated := _values(rates, STATED)):
        add(Column(HEADING, (STATED,)), [text_cell(v) for v in stated])
    years = zip(_values(rates, "enrol_start"), _values(rates, "enrol_end"), strict=True)
    add(Column("Enrolment", ("enrol_start", "enrol_end"), "count"), [_period(start, end) for start, end in years])
    if set(modalities := _values(rates, "modality")) != {ALL_STUDIES}:
        add(Column(_TEXTS["modality"], ("modality",)), [text_cell(v) for v in modalities])
    for name, (label, above) in _NUMBERS.items():
        values = [None if v is None else float(v) for v in _values(rates, name)]
        digits = _digits(values)
        kind = "count" if name == "n" else "number"
        filled = [_value(v, digits) for v in values]
        add(Column(label, (name,), kind, above), filled, _range(values, digits))
    for name in _own(rates):
        add(*_characteristic(name, rates))
    for name, last in _LAST.items():
        # An outcome with one definition has no word for it.
        if name == "definition" and not any(_values(rates, name)):
            continue
        titled = [None if v is None else title_of(v, rates) for v in _values(rates, name)]
        add(Column(last, (name,)), [_words(v) for v in titled])
    foot = [
        "Percentages refer to the patients of the arm; an empty cell or a dash means not reported. "
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


def _own(rates: pd.DataFrame) -> list[str]:
    """The columns that a review added: what is neither a known characteristic nor a part of a count."""
    # Facts of design are told in words, in one column.
    known = {*_ASIDE, *_TEXTS, *_NUMBERS, *_LAST, STATED, *rates.attrs.get("aliases", ()), *rates.attrs.get("stated", ())}
    if rates.attrs.get("bias_tool"):
        # The domains of a tool have a figure of their own; the table has the overall judgement.
        known |= {name for name in rates.columns if str(name).startswith(PREFIX) and name not in (COLUMN, POINTS)}
    return [name for name in rates.columns if isinstance(name, str) and name not in known and rates[name].ndim == 1]


def _characteristic(name: str, rates: pd.DataFrame) -> tuple[Column, list[Cell], str]:
    """A column of the review itself: its title, its cells, and the range of numbers."""
    values, title = _values(rates, name), title_of(name, rates)
    if any(isinstance(value, bool) for value in values):
        return Column(title, (name,)), [Cell({True: "yes", False: "no"}.get(value, ""), (value,)) for value in values], ""
    if all(value is None or isinstance(value, (int, float)) for value in values):
        numbers = [None if value is None else float(value) for value in values]
        digits = _digits(numbers)
        return Column(title, (name,), "number"), [_value(value, digits) for value in numbers], _range(numbers, digits)
    return Column(title, (name,)), [_words(value) for value in values], ""


def _values(rates: pd.DataFrame, name: str) -> list[Any]:
    """A column as plain values, None where there is none."""
    if name not in rates.columns:
        return [None] * len(rates)
    return [plain(value) for value in rates[name].tolist()]


def _words(value: object) -> Cell:
    """A word of a vocabulary in print: "case_series" is "case series", "other:by volume" is "by volume"."""
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
    # The median of two whole numbers may need a decimal.
    shown = number(middle, max(digits, _digits([middle])))
    return f"{shown} ({number(min(known), digits)} to {number(max(known), digits)})"


#: The row of the present result by what its estimate is; that of a beta-binomial model is the population average below.
_ESTIMAND = {"median": "median", "mean": "median", "common": "common rate"}


@checked()
def published_table(evidence: Tables, outcome: str, modality_class: str, fit: Pooled | None = None) -> Table:
    """Pooled rates of published reviews for this outcome and modality class, below the present one.

    They pooled other studies by other methods; the table is for orientation, not a test. Of the present result the median and the
    population average are shown, each in a row of its own.

    Parameters
    ----------
    evidence
        What `load_evidence` returned.
    outcome, modality_class
        Which published rates.
    fit
        The present pooled rate, shown first.

    Returns
    -------
    Table
        Source, population, rate with interval, studies, patients, model, and place in the source.
    """
    rows: list[list[Cell]] = []
    published = evidence_of(evidence).published
    chosen = published
    if len(published):
        chosen = published[(published["outcome"] == outcome) & (published["modality_class"] == modality_class)]
    if fit is not None and fit.estimate is not None and len(chosen):
        digits = RATE.digits(fit.estimate, fit.ci_lower, fit.ci_upper)
        median, average = fit.rates_shown
        kind = f"{level_text(fit.level)} {fit.interval_name}"
        named = [("This report: observed rate" if fit.status != "pooled" else f"This report: {_ESTIMAND[fit.average]}", median)]
        if fit.average != "common" and average[0] is not None:
            named.append(("This report: population average", average))
        for name, (value, *limits) in named:
            rows.append(
                [
                    text_cell(name),
                    text_cell(""),
                    rate_cell(value, digits),
                    scaled_cell(RATE, digits, *limits),
                    count_cell(fit.k),
                    count_cell(fit.n),
                    text_cell(f"{fit.title} ({kind})"),
                    text_cell(""),
                ]
            )
    for row in records(chosen):
        kept = {str(key): plain(value) for key, value in row.items()}
        digits = RATE.digits(kept["estimate"], kept["ci_lower"], kept["ci_upper"])
        rows.append(
            [
                text_cell(kept["citation"]),
                text_cell("; ".join(str(kept[c]) for c in ("population", "criteria") if kept.get(c))),
                rate_cell(kept["estimate"], digits),
                scaled_cell(RATE, digits, kept["ci_lower"], kept["ci_upper"]),
                count_cell(kept.get("studies")),
                count_cell(kept.get("patients")),
                text_cell(kept.get("model")),
                text_cell(kept.get("source_locator")),
            ]
        )
    columns = [
        Column("Source", ("source",)),
        Column("Population", ("population",)),
        Column("Rate, %", ("estimate",), "rate"),
        Column("Interval, %", ("ci_lower", "ci_upper"), "rate"),
        Column("Studies", ("studies",), "count"),
        Column("Patients", ("patients",), "count"),
        Column("Model", ("model",)),
        Column("Place in the source", ("printed",)),
    ]
    return made(
        "Published pooled rates, for orientation: other studies, other methods",
        "The evidence has no published pooled rate of this outcome and modality class.",
        columns,
        rows,
    )
