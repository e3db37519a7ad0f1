"""`read`: one table of counts, from a file or a frame, as evidence that every function takes."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from metanet.base.arguments import checked, choice
from metanet.base.errors import ArgumentError, Problem, as_given, check_choice, shorten
from metanet.base.gaps import is_gap, names_sum
from metanet.base.untrusted import counted, listing, literal, visible
from metanet.evidence.evidence import Evidence
from metanet.evidence.rates import ALL_STUDIES
from metanet.evidence.reading.cells import TEXT_PLACEHOLDERS
from metanet.reviews.importers.arm_counts import counts_of, figures_of
from metanet.reviews.importers.columns import Columns
from metanet.reviews.importers.extracted_counts import SPACES, UNKNOWN, Count, Found, Renames, Request, count_cell
from metanet.reviews.importers.tabular import Line
from metanet.reviews.names import outcome_fault, outcome_file, year_of
from metanet.reviews.table_columns import TableColumns, columns_of_table, label_of, no_label, study_names
from metanet.reviews.table_contract import TAKEN, Arm, Given, OneOutcome, plain_contract, tables_of
from metanet.reviews.table_source import Table, read_source, table_error, thousands

if TYPE_CHECKING:
    import pandas as pd

DIRECTIONS = ("higher_is_better", "lower_is_better")
#: The column that tells the rows of a table apart; no file has it.
_ROW = "\x00row"
#: The column of the names of the studies that are made of author and year, or of the place of the row.
_NAME = "\x00study"
_YEAR = re.compile(r"\d{4}(?:\.0+)?[a-z]?", re.ASCII)


@checked(missing=choice("skip"))
def read(
    source: str | os.PathLike[str] | pd.DataFrame | Mapping[str, Any],
    events: str | Sequence[str] | Mapping[str, str] | None = None,
    total: str | Mapping[str, str] | None = None,
    *,
    study: str | None = None,
    by: str | None = None,
    outcome: str | None = None,
    direction: str | Mapping[str, str] | None = None,
    events_control: str | None = None,
    total_control: str | None = None,
    missing: str | None = None,
    sheet: str | None = None,
) -> Evidence:
    """Read one table of counts, with one row for each study or arm, as evidence.

    Parameters
    ----------
    source : path-like, pandas.DataFrame or mapping
        A CSV, an Excel workbook, a data file of Stata, SPSS or R, a frame, or columns by name.
    events : str, sequence of str or mapping, optional
        The column of the events. Several outcomes of one table are several columns, or label -> column. None finds a column by what it
        is called: events, event, event.e, xi, ai; where none is, by a name such as cases or r, if its cells fit, with a note. A column
        whose heading has a per cent sign or the word percent, and no n, has percentages of the total.
    total : str or mapping, optional
        The column of the patients; for several outcomes one for all, or label -> column. None finds total, n, n.e, ni, n1i; where none
        is, a name such as sample size or patients, if its cells fit, with a note.
    study : str, optional
        The column of the names of the studies. None finds study, studlab, trial, or author and year. Names stay as they are written;
        studies that are only numbered are called after their authors and years where these tell them apart.
    by : str, optional
        The column of the treatments (or other groups), which become the modality classes. None finds modality_class, modality,
        treatment or intervention; without such a column all studies are one group.
    outcome : str, optional
        What the events are, as figures and texts print it: "Objective response". None takes the name of the column.
    direction : {"higher_is_better", "lower_is_better"} or mapping, optional
        Whether events are good or bad; of several outcomes label -> word.
    events_control, total_control : str, optional
        Columns of a control group: `pool` then compares the two groups. Columns called event.c and n.c, ci and n2i are found.
    missing : {"skip"}, optional
        "skip" leaves rows without events, total or group out and says which; by default they are one fault that names them.
    sheet : str, optional
        The sheet of a workbook, or the data frame of a file of R; None takes the one that has the columns.

    Returns
    -------
    Evidence
        Every function that takes rates or evidence takes it: `pool`, `compare`, `meta_regression`, `summary_table`, `explore`,
        `report` and the others. All other columns travel along under their names: as moderators, groups and filters, and in
        the table of characteristics.

    Raises
    ------
    ArgumentError
        A column that is not there, with the nearest one.
    DataError
        Every fault of the table at once, each with row, column, value and fix.

    Notes
    -----
    Names of columns may stand in two lines (Response over n and N: "Response n"), and a name that two columns have is chosen as
    "Events (1)" or "Events (2)".

    Cells are read as an import reads them: ``9/56``, ``9 (16.1%)`` and ``16.1%`` beside a total become counts where exactly one whole
    number fits; rows that sum the others are left out and named.

    Examples
    --------
    >>> import metanet as mn
    >>> evidence = mn.read({"author": ["Adam", "Baker"], "resp": [4, 9], "n": [20, 31]}, "resp", "n", study="author")
    >>> mn.pool(evidence).n
    51
    """
    table = read_source(source, events, total, study, by, sheet, missing == "skip")
    columns = columns_of_table(table, events, total, study, by, events_control, total_control)
    outcomes = _outcomes(table, columns, outcome, direction)
    found, notes = _counts(table, columns, outcomes, missing == "skip")
    given = _given(table, columns, outcomes, found)
    evidence = tables_of(given)
    call = _call(
        source, events=events, total=total, study=study, by=by, outcome=outcome, direction=direction, events_control=events_control,
        total_control=total_control, missing=missing, sheet=sheet,
    )  # fmt: skip
    if given.odd:
        few = [f"{visible(name)} ({listing(map(repr, map(visible, words)), 3)})" for name, words in given.odd.items()]
        notes = (*notes, f"Columns of {table.name} that are texts, for a few cells that are no numbers: {listing(few, 8)}.")
    dropped = _dropped(table, columns, outcomes, found)
    return replace(evidence, path=table.path, name=table.name, code=call, _notes=notes, _dropped=dropped)


def _outcomes(table: Table, columns: TableColumns, outcome: str | None, direction: object) -> list[OneOutcome]:
    """The outcomes with their labels, names and directions."""
    if outcome is not None and len(columns.outcomes) > 1:
        raise ArgumentError(
            f"outcome={as_given(outcome)} is one label, and events names {len(columns.outcomes)} columns. Fix: give "
            "events={label: column}."
        )
    if outcome is not None and not outcome.strip():
        raise ArgumentError("outcome='' is empty. Fix: name what the events are, such as 'Objective response'.")
    made: list[OneOutcome] = []
    for label, column, _ in columns.outcomes:
        shown = outcome or label or str(table.about.get("label") or "") or _labelled(table, column)
        shown = SPACES.sub(" ", visible(shown)).strip()[:200]
        stem = outcome_file(shown) or "outcome"
        stem = f"{stem}_outcome" if outcome_fault(stem) is not None else stem
        number = 1
        while (name := stem if number == 1 else f"{stem}_{number}") in {one.name for one in made}:
            number += 1
        made.append(OneOutcome(name, shown))
    words = _directions(direction, [one.label for one in made], str(table.about.get("direction") or ""))
    return [replace(one, direction=words.get(one.label, "")) for one in made]


def _labelled(table: Table, column: str) -> str:
    """What an outcome is called after its column, unless that says nothing of it."""
    title = str(table.titles.get(column, column)).strip()
    return "Events" if no_label(title) else label_of(title)


def _directions(given: object, labels: Sequence[str], own: str) -> dict[str, str]:
    if given is None:
        return dict.fromkeys(labels, own if own in DIRECTIONS else "")
    if isinstance(given, str):
        word = check_choice("direction", given, DIRECTIONS)
        if len(labels) > 1:
            raise ArgumentError(
                f"direction={given!r} is one word, and there are {len(labels)} outcomes. Fix: direction={{label: word}}."
            )
        return dict.fromkeys(labels, word)
    if not isinstance(given, Mapping):
        raise ArgumentError(f"direction={as_given(given)} must be one of {', '.join(map(repr, DIRECTIONS))}, or label -> word.")
    for label, word in given.items():
        check_choice("direction", label, tuple(labels))
        check_choice("direction", word, DIRECTIONS)
    return dict(given)


def _counts(
    table: Table, columns: TableColumns, outcomes: Sequence[OneOutcome], skip: bool
) -> tuple[dict[str, list[Count]], tuple[str, ...]]:
    """The counts of every outcome, and of the control group under "", with what a reader should know."""
    fields = dict(columns.fields)
    notes = [*table.found.notes, *columns.notes]
    names = study_names(table, columns)
    if not {"study", "study_id", "first_author"} & fields.keys():
        names = [f"Study {place + 1}" for place in range(len(table.lines.rows))]
    rows = _rows(table, columns, names, notes)
    faults: list[Problem] = _unknown(table, columns, rows, notes)
    left_out: dict[str, list[str]] = {text: [] for text in table.found.left_out}
    if without := [line for line in rows if _lacks_group(line, columns)]:
        where = [f"{line.place} ({visible(name)})" if (name := _name(line, columns)) else line.place for line in without]
        rows = [line for line in rows if not _lacks_group(line, columns)]
        left_out[f"{counted(len(where), 'row')} without {columns.fields['modality_class']!r}: {listing(where, 200)}"] = []
        if not skip:
            faults.append(_no_group(table, columns, without, where))
        if faults and not rows:
            raise table_error(table.name, faults)
    if names is not None:
        fields["study"] = _NAME
    about: dict[str, str] = {name: fields[name] for name in ("study", "study_id", "first_author", "year") if name in fields}
    if "study_id" in about and "study" in about:
        about.pop("study")
    about["arm"] = _ROW
    wanted: list[tuple[OneOutcome, dict[str, str | None]]] = []
    for one, (_, column, of) in zip(outcomes, columns.outcomes, strict=True):
        events = "percent" if column in columns.percents else "events"
        wanted.append((one, {events: column, "total": of, "nonevents": fields.get("nonevents")}))
    if "events_control" in fields:
        control = {name: fields.get(f"{name}_control") for name in ("events", "total", "nonevents")}
        wanted.append((OneOutcome("", "the control group"), control))
    made: dict[str, list[Count]] = {}
    for one, named in wanted:
        found = Found(table.name, table.name)
        used = {name: column for name, column in named.items() if column}
        if "total" in used:
            used.pop("nonevents", None)
        request = Request(plain_contract(), Renames({}), {}, {"modality": ALL_STUDIES}, (one.label,), (), skip)
        chosen = Columns({**about, **used}, ())
        counts_of(rows, chosen, request, found, figures_of(replace(table.lines, rows=tuple(rows)), chosen, found))
        faults += [_of_fractions(fault, used) for fault in found.findings.faults]
        notes += [note for note in found.notes if note not in notes]
        for text in found.left_out:
            left_out.setdefault(text, []).append(one.label)
        made[one.name] = found.counts
    if faults:
        raise table_error(table.name, faults)
    for text, labels in left_out.items():
        # Rows that all outcomes lack are named once.
        of_ = f" ({' and '.join(labels)})" if labels and len(labels) < len(wanted) else ""
        notes.append(f"Left out of {table.name}: {text}{of_}.")
    return made, tuple(notes)


def _of_fractions(fault: Problem, used: Mapping[str, str]) -> Problem:
    """A fault of a total at the column of the events where these have their totals, as in 9/56."""
    if fault.column != "total" or "total" in used or "events" not in used:
        return fault
    wrong = fault.wrong.replace("is empty", "is a count without its total").replace("is missing", "has no total")
    fix = fault.fix.replace("Write the numbers", "Write both").replace("Write the number", "Write both")
    return replace(fault, column=visible(used["events"]), wrong=wrong, fix=fix.replace("Write both", "Write both, as in 9/56"))


def _rows(table: Table, columns: TableColumns, names: Sequence[str] | None, notes: list[str]) -> list[Line]:
    """The rows with their places, the names of their studies, plain counts, and no year where it is no single one."""
    counts = {
        *(name for _, *pair in columns.outcomes for name in pair if name and name not in columns.percents),
        *(column for name, column in columns.fields.items() if name.startswith(("events", "total", "nonevents"))),
    }
    whole, year = thousands(table, counts, notes), columns.fields.get("year", "")
    rows, odd = [], []
    for place, line in enumerate(table.lines.rows):
        cells = {**line.cells, _ROW: str(place)} | ({} if names is None else {_NAME: names[place]})
        for name in counts:
            cells[name] = whole.get(cells.get(name, ""), cells.get(name, ""))
        text = cells.get(year, "").strip()
        if _is_odd_year(text):
            odd.append(f"{line.place} ({visible(shorten(text, 30))})")
            cells[year] = ""
        rows.append(replace(line, cells=cells))
    if odd:
        notes.append(f"The {year!r} of {listing(odd, 12)} is no single year, so the study has none.")
    return rows


def _name(line: Line, columns: TableColumns) -> str:
    """The name of the study of a row as it is written."""
    column = next((columns.fields[name] for name in ("study", "study_id", "first_author") if name in columns.fields), "")
    return SPACES.sub(" ", line.cells.get(column, "")).strip()


def _lacks_group(line: Line, columns: TableColumns) -> bool:
    """Whether a row has counts of a study and no group, where the table has groups."""
    group = columns.fields.get("modality_class")
    if group is None or (line.cells.get(group, "").strip() and line.cells[group].strip() not in TEXT_PLACEHOLDERS):
        return False
    name = _name(line, columns)
    numbers = [line.cells.get(column, "") for _, *pair in columns.outcomes for column in pair if column]
    return bool(name) and not names_sum(name) and not all(map(is_gap, numbers))


def _no_group(table: Table, columns: TableColumns, without: Sequence[Line], where: Sequence[str]) -> Problem:
    column = columns.fields["modality_class"]
    if len(without) == 1:
        text = without[0].cells.get(column, "").strip()
        wrong = "is a word for a missing value" if text else "is empty"
        fix = f"Write the group of {visible(_name(without[0], columns))}, or leave the row out with missing='skip'"
        return Problem(table.name, without[0].number, visible(column), visible(text) or None, wrong, fix)
    wrong = f"is missing in {counted(len(where), 'row')}: {listing(where, 200)}"
    return Problem(table.name, None, visible(column), None, wrong, "Write the groups, or leave these rows out with missing='skip'")


def _unknown(table: Table, columns: TableColumns, rows: Sequence[Line], notes: list[str]) -> list[Problem]:
    """A fault for each count that is a formula without its result; other such cells are empty, with a note."""
    if not table.found.has_unknown:
        return []
    wrong, fix = "is a formula without its result", "Open the workbook in the spreadsheet program, save it there, and read it again"
    others = [name for name in table.lines.columns if name not in columns.used]
    empty = [name for name in others if any(line.cells.get(name) == UNKNOWN for line in rows)]
    if empty:
        notes.append(f"Formulas of {table.name} without their results read as empty, in {listing(map(repr, empty), 12)}.")
    return [
        Problem(table.name, line.number, visible(name), None, wrong, fix)
        for line in rows
        for name in sorted(columns.used)
        if line.cells.get(name) == UNKNOWN and not names_sum(_name(line, columns))
    ]


def _is_odd_year(text: str) -> bool:
    """Whether a cell has digits and no single year, such as 2003-2005."""
    return any(letter.isdigit() for letter in text) and not year_of(text) and not _YEAR.fullmatch(text)


def _given(table: Table, columns: TableColumns, outcomes: Sequence[OneOutcome], found: Mapping[str, Sequence[Count]]) -> Given:
    """The rows of the tables, in the order of the file."""
    fields = columns.fields
    lines = table.lines.rows
    studies: dict[int, str] = {}
    numbers: dict[int, dict[str, Mapping[str, str]]] = defaultdict(dict)
    for name, counts in found.items():
        for count in counts:
            place = int(count.cells["arm"])
            studies.setdefault(place, count.study)
            numbers[place][name] = count.cells
    own = [name for name in table.lines.columns if name not in columns.used]
    # The columns of counts, years and treatments are there under their own names as well, so that whoever writes them is understood.
    again = {fields[name]: name for name in ("year", "modality_class", "modality", "arm") if name in fields}
    if len(columns.outcomes) == 1:
        again |= {name: field for name, field in zip(columns.outcomes[0][1:], ("events", "total"), strict=True) if name}
    again = {column: field for column, field in again.items() if column not in (*TAKEN, "n", field)}
    control, year, unknown = "" in found, fields.get("year", ""), table.found.has_unknown
    arms = []
    for place in sorted(numbers):
        if not any(one.name in numbers[place] for one in outcomes) or (control and "" not in numbers[place]):
            continue
        cells = lines[place].cells
        group = SPACES.sub(" ", cells.get(fields.get("modality_class", ""), "")).strip() or (
            "" if "modality_class" in fields else ALL_STUDIES
        )
        detail = SPACES.sub(" ", cells.get(fields.get("modality", ""), "")).strip() or group
        label = SPACES.sub(" ", cells.get(fields.get("study", ""), "")).strip() if "study_id" in fields else ""
        arms.append(
            Arm(
                row=lines[place].number,
                study=studies[place],
                label=label or studies[place],
                name=SPACES.sub(" ", cells.get(fields.get("arm", ""), "")).strip(),
                group=group,
                detail=detail,
                year="" if _is_odd_year(cells.get(year, "")) else next(iter(numbers[place].values())).get("year", ""),
                counts={name: numbers[place][name] for name in numbers[place]},
                cells={name: "" if unknown and cells.get(name) == UNKNOWN else cells.get(name, "") for name in (*own, *again)},
                locator=lines[place].locator or f"line {lines[place].number}",
            )
        )
    places = {
        "modality_class": fields.get("modality_class", "by"),
        "modality": fields.get("modality", "by"),
        "study_id": fields.get("study", "study"),
    }
    pairs = {one.name: {"events": pair[1], "total": pair[2] or pair[1]} for one, pair in zip(outcomes, columns.outcomes, strict=True)}
    return Given(
        name=table.name,
        arms=arms,
        outcomes=list(outcomes),
        titles={name: str(table.titles.get(name, name)) for name in (*own, *again)},
        again=again,
        places=places,
        counts=pairs,
        control=control,
        semicolons=table.lines.separator != ",",
    )


def _dropped(
    table: Table, columns: TableColumns, outcomes: Sequence[OneOutcome], found: Mapping[str, Sequence[Count]]
) -> dict[str, list[dict[str, Any]]]:
    """The rows that became no count of an outcome, each with the reason."""
    study = next((columns.fields[name] for name in ("study", "study_id", "first_author") if name in columns.fields), "")
    year, group = columns.fields.get("year", ""), columns.fields.get("modality_class", "")
    made: dict[str, list[dict[str, Any]]] = {}
    for one, (_, events, total) in zip(outcomes, columns.outcomes, strict=True):
        there = {int(count.cells["arm"]) for count in found[one.name]}
        for place, line in enumerate(table.lines.rows):
            texts = [line.cells.get(name, "") if name else "" for name in (events, total or "")]
            name = SPACES.sub(" ", line.cells.get(study, "")).strip()
            # A row without any of it is a blank line or a remark.
            if place in there or not (name or any(texts)):
                continue
            if study == columns.fields.get("first_author") and line.cells.get(year):
                name = f"{name} {line.cells[year]}"
            missing = [word for word, text in zip(("events", "total"), texts, strict=True) if is_gap(text)]
            if _lacks_group(line, columns):
                reason = f"{group} not given"
            elif names_sum(line.cells.get(study, "")):
                reason = "the row sums the others"
            else:
                reason = f"{' and '.join(missing)} not given" if missing else "no patients, or a row that sums the others"
            numbers = [int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None for text in map(count_cell, texts)]
            made.setdefault(one.name, []).append(
                {
                    "study": name or f"row {line.number}",
                    "study_id": name,
                    "arm": "",
                    "events": numbers[0],
                    "total": numbers[1],
                    "reason": reason,
                    "group": SPACES.sub(" ", line.cells.get(group, "")).strip(),
                }
            )
    return made


def _call(source: object, **given: object) -> str:
    """The line of Python that reads the same table; a frame is called data."""
    first = "data" if not isinstance(source, (str, os.PathLike)) else literal(str(source))
    return f"mn.read({', '.join([first, *_arguments(given)])})"


def _arguments(given: Mapping[str, object]) -> Iterator[str]:
    for name, value in given.items():
        if isinstance(value, str):
            yield f"{name}={literal(value)}"
        elif isinstance(value, Mapping):
            yield f"{name}={{{', '.join(f'{literal(str(key))}: {literal(str(each))}' for key, each in value.items())}}}"
        elif value is not None:
            yield f"{name}=[{', '.join(literal(str(each)) for each in value)}]"  # type: ignore[attr-defined]
