"""`read`: one table of counts, from a file or a frame, as evidence that every function takes."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metanet.base.arguments import checked, choice
from metanet.base.errors import ArgumentError, DataError, Problem, as_given, check_choice, no_column
from metanet.base.gaps import is_gap, names_sum
from metanet.base.untrusted import listing, literal, visible
from metanet.evidence.evidence import Evidence
from metanet.evidence.findings import data_error, in_order
from metanet.evidence.rates import ALL_STUDIES
from metanet.evidence.reading.text import read_bytes
from metanet.evidence.sources import is_frame
from metanet.reviews.importers.arm_counts import counts_of, figures_of
from metanet.reviews.importers.columns import Columns, known_field
from metanet.reviews.importers.data_frames import as_text
from metanet.reviews.importers.extracted_counts import SPACES, Count, Found, Renames, Request, count_cell
from metanet.reviews.importers.kinds import kind_of
from metanet.reviews.importers.registry import importers
from metanet.reviews.importers.tabular import Line, Lines
from metanet.reviews.names import outcome_fault, outcome_file
from metanet.reviews.table_contract import TAKEN, Arm, Given, OneOutcome, plain_contract, tables_of

if TYPE_CHECKING:
    import pandas as pd

#: Fields of a count, as arguments of `read` and as columns that are found by what they are called.
_COUNTS = ("events", "total", "nonevents", "events_control", "total_control", "nonevents_control")
_NAMES = ("study", "study_id", "first_author", "year", "arm", "modality", "modality_class")
DIRECTIONS = ("higher_is_better", "lower_is_better")
#: The column that tells the rows of a table apart; no file has it.
_ROW = "\x00row"
#: Names of columns that say nothing of what was counted.
_NO_LABEL = frozenset({"events", "event", "event_e", "xi", "ai", "r", "x", "cases", "n_events", "tpos"})
#: Arguments of an import as its messages write them, and what `read` has in their place.
_COLUMN_WORDS = re.compile(r"columns=\[(['\"])(?P<column>.*?)=(?P<field>\w*)\1\]")
_OTHER_WORDS = re.compile(r"(?:,? or )?(?:rename it|renames? (?:it )?)?\s*(?:with )?(?:renames|values|outcomes)=\[(['\"]).*?\1\]")


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
        is called: events, event, event.e, xi, ai.
    total : str or mapping, optional
        The column of the patients; for several outcomes one for all, or label -> column. None finds total, n, n.e, ni, n1i.
    study : str, optional
        The column of the names of the studies. None finds study, studlab, trial, or author and year. Names stay as they are written.
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
        "skip" leaves rows without events or total out and says which; by default they are one fault that names them.
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
    Cells are read as an import reads them: ``9/56``, ``9 (16.1%)`` and ``16.1%`` beside a total become counts where exactly one whole
    number fits; rows that sum the others are left out and named.

    Examples
    --------
    >>> import metanet as mn
    >>> evidence = mn.read({"author": ["Adam", "Baker"], "resp": [4, 9], "n": [20, 31]}, "resp", "n", study="author")
    >>> mn.pool(evidence).n
    51
    """
    table = _read(source, events, total, study, by, sheet, missing == "skip")
    columns = _columns(table, events, total, study, by, events_control, total_control)
    outcomes = _outcomes(table, columns, outcome, direction)
    found, notes = _counts(table, columns, outcomes, missing == "skip")
    given = _given(table, columns, outcomes, found)
    evidence = tables_of(given)
    call = _call(
        source, events=events, total=total, study=study, by=by, outcome=outcome, direction=direction, events_control=events_control,
        total_control=total_control, missing=missing, sheet=sheet,
    )  # fmt: skip
    dropped = _dropped(table, columns, outcomes, found)
    return replace(evidence, path=table.path, name=table.name, code=call, _notes=notes, _dropped=dropped)


@dataclass(frozen=True)
class _Table:
    """The lines of a table, what it is called, what was noted on the way, and titles that a frame gives its columns."""

    lines: Lines
    name: str
    path: Path
    found: Found
    titles: Mapping[str, str] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)


def _read(source: object, events: object, total: object, study: str | None, by: str | None, sheet: str | None, skip: bool) -> _Table:
    if isinstance(source, Mapping):
        import pandas as pd

        try:
            source = pd.DataFrame(dict(source))
        except ValueError as error:
            raise ArgumentError(f"source is a mapping that makes no table ({error}). Fix: give columns of equal length.") from None
    if is_frame(source):
        if sheet is not None:
            raise ArgumentError(f"sheet={as_given(sheet)} is given, and a frame has no sheets. Fix: leave it out.")
        return _of_frame(source)
    if not isinstance(source, (str, os.PathLike)) or not str(source).strip():
        raise ArgumentError(f"source={as_given(source)} must be the path of a file, or a pandas DataFrame.")
    place = Path(source).expanduser()
    name = visible(place.name) or "file"
    found = Found(name, name)
    data = read_bytes(place, name, found.findings) if "\x00" not in str(place) else None
    if data is None:
        raise data_error(visible(str(source)), found.findings.faults)
    kind = kind_of(data)
    known = importers()
    chosen = known["csv" if kind is None or kind.format is None else kind.format]
    if chosen.lines is None:
        what = "a list of references, not a table of counts" if chosen.describes else f"{chosen.title}, which has several tables"
        raise ArgumentError(
            f"source={as_given(str(source))} is a file of {what}. Fix: make a review with `metanet new`, and import the file "
            f"into it with `metanet import {chosen.name}`."
        )
    if sheet is not None and not chosen.has_sheets:
        raise ArgumentError(f"sheet={as_given(sheet)} is given, and {chosen.title} has no sheets. Fix: leave it out.")
    named = {str(column): "" for column in (*_listed(events), *_listed(total), study, by) if column is not None}
    request = Request(plain_contract(), Renames({}), {**named, "*": ""}, skip_missing=skip, sheet=sheet)
    lines = chosen.lines(data, name, request, found)
    if lines is None or found.findings.faults:
        raise _translated(visible(str(source)), found)
    return _Table(lines, name, place, found)


def _listed(given: object) -> list[str]:
    """The columns that an argument names."""
    if given is None or isinstance(given, str):
        return [] if given is None else [given]
    values = list(given.values()) if isinstance(given, Mapping) else list(given) if isinstance(given, Sequence) else [given]
    return [value for value in values if isinstance(value, str)]


def _of_frame(frame: Any) -> _Table:
    """A frame as lines; a named index is a column."""
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    names = [SPACES.sub(" ", str(column)).strip() for column in frame.columns]
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise ArgumentError(f"source has two columns called {as_given(twice[0])}. Fix: rename one.")
    if not len(frame):
        raise ArgumentError("source has no rows. Fix: give at least one.")
    texts = [[as_text(value) for value in frame.iloc[:, place].tolist()] for place in range(len(names))]
    rows = tuple(
        Line(number, {name: column[number] for name, column in zip(names, texts, strict=True) if name}, locator=f"row {number}")
        for number in range(len(frame))
    )
    about = {key: value for key, value in frame.attrs.items() if key in ("label", "direction")}
    lines = Lines(None, tuple(name for name in names if name), rows)
    return _Table(lines, "data", Path("data"), Found("data", "data"), dict(frame.attrs.get("titles", {})), about)


@dataclass(frozen=True)
class _Columns:
    """Which column is what: field -> column, and label of an outcome -> its events and its total."""

    fields: Mapping[str, str]
    outcomes: Sequence[tuple[str, str, str | None]]

    @property
    def used(self) -> set[str]:
        """Every column that is not one of the table's own."""
        return {*self.fields.values(), *(name for _, *pair in self.outcomes for name in pair if name)}


def _columns(
    table: _Table,
    events: object,
    total: object,
    study: str | None,
    by: str | None,
    events_control: str | None,
    total_control: str | None,
) -> _Columns:
    """The columns that the caller names, then those that are known by what they are called."""
    names = table.lines.columns
    said = {"study": study, "modality_class": by, "events_control": events_control, "total_control": total_control}
    for argument, value in (("study", study), ("by", by), ("events_control", events_control), ("total_control", total_control)):
        if value is not None and value not in names:
            raise no_column(argument, value, names, of=table.name)
    fields = {name: value for name, value in said.items() if value is not None}
    pairs = _pairs(table, events, total)
    taken = {*fields.values(), *(name for _, *pair in pairs for name in pair if name)}
    for name in names:
        meant = known_field(name, (*_COUNTS, *_NAMES))
        # Two columns of one meaning: the first is taken where nothing else was said, and the other stays a column of the table.
        if name not in taken and meant is not None and meant not in fields and (meant not in _COUNTS[:3] or events is None):
            fields[meant] = name
            taken.add(name)
    if events is None and "events" in fields:
        pairs = [("", fields["events"], pairs[0][2] if pairs else fields.get("total"))]
    if total is None:
        known = fields.get("total") or next(
            (n for n in names if known_field(n, _COUNTS) == "total" and n not in fields.values()), None
        )
        pairs = [(label, column, own or known) for label, column, own in pairs]
    if by is None and "modality_class" not in fields and "modality" in fields:
        fields["modality_class"] = fields["modality"]
    if by is not None:
        fields["modality"] = by
    for name in ("events", "total"):
        fields.pop(name, None)
    if "study" in fields and "year" in fields and known_field(fields["study"], _NAMES) == "first_author":
        # Authors are told apart by their years, as reports are cited.
        fields["first_author"] = fields.pop("study")
    elif "first_author" in fields and ("study" in fields or "study_id" in fields):
        fields.pop("first_author")
    if ("events_control" in fields) != ("total_control" in fields or "nonevents_control" in fields):
        # Half a control group, found by a name such as ci, is a column of the table.
        for name in ("events_control", "total_control", "nonevents_control"):
            if said.get(name) is None:
                fields.pop(name, None)
    if (events_control is None) != (total_control is None) and "nonevents_control" not in fields:
        missing, other = ("total_control", "events_control") if total_control is None else ("events_control", "total_control")
        if missing not in fields:
            raise ArgumentError(f"{missing} is missing; {other}={as_given(said[other])} was given. Fix: name both columns.")
    if not pairs:
        raise ArgumentError(
            f"events is missing, and no column of {table.name} is called events, event, xi or ai. The columns are "
            f"{listing(names, 40)}. Fix: name the column of the events, and that of the patients as total."
        )
    fractions = [column for _, column, own in pairs if own is None and "nonevents" not in fields and not _has_fractions(table, column)]
    if fractions:
        raise ArgumentError(
            f"total is missing, and no column of {table.name} is called total, n or ni. The columns are {listing(names, 40)}. "
            "Fix: name the column of the patients that were assessed."
        )
    return _Columns(fields, pairs)


def _has_fractions(table: _Table, column: str) -> bool:
    """Whether the cells of a column have their totals: 9/56."""
    return any("/" in line.cells.get(column, "") for line in table.lines.rows)


def _pairs(table: _Table, events: object, total: object) -> list[tuple[str, str, str | None]]:
    """Label, column of the events and column of the total of every outcome that the caller names."""
    names = table.lines.columns
    if total is not None and not isinstance(total, (str, Mapping)):
        raise ArgumentError(f"total={as_given(total)} must be the name of a column, or label -> column.")
    for argument, given in (("events", events), ("total", total)):
        for value in _listed(given):
            if value not in names:
                raise no_column(argument, value, names, of=table.name)
    if events is None:
        if isinstance(total, Mapping):
            raise ArgumentError("total has a column for each outcome, and events is missing. Fix: name the columns of the events.")
        return [] if total is None else [("", "", total)]
    if not isinstance(events, (str, Mapping, Sequence)) or not _listed(events) or len(_listed(events)) != len(_all(events)):
        raise ArgumentError(f"events={as_given(events)} must be the name of a column, several names, or label -> column.")
    labelled = dict(events) if isinstance(events, Mapping) else {column: column for column in _listed(events)}
    if any(not isinstance(label, str) or not label.strip() for label in labelled):
        raise ArgumentError("events has a label that is no text. Fix: name each outcome, as in events={'Response': 'resp'}.")
    if isinstance(total, Mapping):
        for label in total:
            check_choice("total", label, tuple(labelled))
        for label in labelled:
            if label not in total:
                raise ArgumentError(f"total has no column for {as_given(label)}. Fix: add it, or name one column for all.")
        return [(label, column, total[label]) for label, column in labelled.items()]
    one = isinstance(events, str)
    return [("" if one else label, column, total) for label, column in labelled.items()]


def _all(given: object) -> list[object]:
    if isinstance(given, str):
        return [given]
    return list(given.values()) if isinstance(given, Mapping) else list(given)  # type: ignore[call-overload]


def _outcomes(table: _Table, columns: _Columns, outcome: str | None, direction: object) -> list[OneOutcome]:
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


def _labelled(table: _Table, column: str) -> str:
    """What an outcome is called after its column, unless that says nothing of it."""
    title = str(table.titles.get(column, column))
    plain = re.sub(r"[\s.\-]+", "_", title.strip().casefold())
    if plain in _NO_LABEL:
        return "Events"
    words = title.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


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
    table: _Table, columns: _Columns, outcomes: Sequence[OneOutcome], skip: bool
) -> tuple[dict[str, list[Count]], tuple[str, ...]]:
    """The counts of every outcome, and of the control group under "", with what a reader should know."""
    fields = dict(columns.fields)
    rows = [replace(line, cells={**line.cells, _ROW: str(place)}) for place, line in enumerate(table.lines.rows)]
    if not {"study", "study_id", "first_author"} & fields.keys():
        rows = [replace(line, cells={**line.cells, "\x00study": f"Study {place + 1}"}) for place, line in enumerate(rows)]
        fields["study"] = "\x00study"
    about: dict[str, str] = {name: fields[name] for name in ("study", "study_id", "first_author", "year") if name in fields}
    if "study_id" in about and "study" in about:
        about.pop("study")
    about["arm"] = _ROW
    notes = list(table.found.notes)
    wanted = [
        (one, {"events": pair[1], "total": pair[2], "nonevents": fields.get("nonevents")})
        for one, pair in zip(outcomes, columns.outcomes, strict=True)
    ]
    if "events_control" in fields:
        control = {name: fields.get(f"{name}_control") for name in ("events", "total", "nonevents")}
        wanted.append((OneOutcome("", "the control group"), control))
    made: dict[str, list[Count]] = {}
    faults: list[Problem] = []
    left_out = list(table.found.left_out)
    for one, named in wanted:
        found = Found(table.name, table.name)
        used = {name: column for name, column in named.items() if column}
        if "total" in used:
            used.pop("nonevents", None)
        request = Request(plain_contract(), Renames({}), {}, {"modality": ALL_STUDIES}, (one.label,), (), skip)
        chosen = Columns({**about, **used}, ())
        counts_of(rows, chosen, request, found, figures_of(replace(table.lines, rows=tuple(rows)), chosen, found))
        faults += found.findings.faults
        of = f" ({one.label})" if len(wanted) > 1 else ""
        notes += [note for note in found.notes if note not in notes]
        left_out += [f"{text}{of}" for text in found.left_out if text not in left_out]
        made[one.name] = found.counts
    if faults:
        raise _error(table.name, faults)
    return made, (*notes, *(f"Left out of {table.name}: {text}." for text in left_out))


def _given(table: _Table, columns: _Columns, outcomes: Sequence[OneOutcome], found: Mapping[str, Sequence[Count]]) -> Given:
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
    again = {column: field for column, field in again.items() if column not in (*TAKEN, field)}
    control = "" in found
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
                year=next(iter(numbers[place].values())).get("year", ""),
                counts={name: numbers[place][name] for name in numbers[place]},
                cells={name: cells.get(name, "") for name in (*own, *again)},
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
    table: _Table, columns: _Columns, outcomes: Sequence[OneOutcome], found: Mapping[str, Sequence[Count]]
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
            if names_sum(line.cells.get(study, "")):
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


def _translated(source: str, found: Found) -> DataError:
    return _error(source, found.findings.faults)


def _error(source: str, faults: Collection[Problem]) -> DataError:
    """The faults of a table, in the words of `read` where they name arguments of an import."""
    return data_error(source, in_order([replace(fault, wrong=_worded(fault.wrong), fix=_worded(fault.fix)) for fault in faults]))


def _worded(text: str) -> str:
    def named(match: re.Match[str]) -> str:
        word = "by" if match["field"] in ("modality", "modality_class") else match["field"]
        return f"{word}={match['column']!r}" if word else f"another column than {match['column']!r}"

    return _OTHER_WORDS.sub("", _COLUMN_WORDS.sub(named, text))


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
