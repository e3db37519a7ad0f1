"""Which column of one table is which: as the caller says, by the names that reviews and other programs use, and by its cells."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from metanet.base.errors import ArgumentError, as_given, check_choice, no_column
from metanet.base.gaps import is_gap
from metanet.base.untrusted import listing, visible
from metanet.reviews.importers.columns import known_field
from metanet.reviews.importers.extracted_counts import SPACES, count_cell
from metanet.reviews.names import plain_author, year_of
from metanet.reviews.table_source import Table, named_in, plain_names


def _words(*texts: str) -> tuple[str, ...]:
    return tuple(word for text in texts for word in text.split())


#: Fields of a count, as arguments of `read` and as columns that are found by what they are called.
_COUNTS = ("events", "total", "nonevents", "events_control", "total_control", "nonevents_control")
_NAMES = ("study", "study_id", "first_author", "year", "arm", "modality", "modality_class")


#: More names of columns that tell studies, in lower case with underscores -> the field.
_MORE: Mapping[str, str] = {
    name: field
    for field, names in {
        "study": "author_year authoryear author_and_year authors_year first_author_year first_author_and_year author_yr study_label "
        "studyname trial_name studie étude etude estudio studio 研究",
        "study_id": "studyid",
        "first_author": "firstauthor authors author_s author_name authorname author_names lead_author 1st_author autor auteur",
        "year": "publication_year year_of_publication pub_year year_pub pubyear year_published study_year yr jahr année annee "
        "año 年份",
    }.items()
    for name in _words(names)
}
#: Names of columns that may tell studies, where none is called otherwise.
_SOURCES = _words("citation reference references publication paper article study_no study_number study_nr trial_id trial_no id")
#: Names that columns of events and of patients often have and may have for something else: taken as a pair that fits.
_EVENTS = _words(
    "n_events events_n event_n n_event no_of_events no_events number_of_events num_events event_count cases n_cases no_of_cases",
    "number_of_cases num_cases n_pos n_positive number_positive num_positive positives positive numerator num responders n_responders",
    "r x ereignisse événements evenements eventos eventi 事件 事件数",
)
_TOTALS = _words(
    "n_total total_n n_patients no_of_patients number_of_patients patients patients_n total_patients n_participants participants",
    "no_of_participants number_of_participants n_subjects number_of_subjects subjects sample_size samplesize n_sample sample size",
    "n_tested number_tested tested denominator denom gesamt anzahl effectif totale 总数 样本量",
)
#: A unit behind a name that says that it is a number: Events (n), Patients, N.
_UNIT = re.compile(r"\s*(?:[(\[]\s*(?:n|no\.?|number|#)\s*[)\]]|,\s*(?:n|no\.?))\s*$", re.IGNORECASE)
_PERCENT = re.compile(r"%|\bper ?cent(?:ages?)?\b|\bpct\b|\bprozent\b|\bpourcentage\b|\bporcentaje\b", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![^\W_])(?:n|no|number)(?![^\W_])", re.IGNORECASE)
#: Names that say nothing of what was counted.
_NO_LABEL = {*_words("events event event_e event1 eventt events_t xi ai tpos count counts n"), *_EVENTS} - {
    "responders",
    "n_responders",
}


@dataclass(frozen=True)
class TableColumns:
    """Which column is what: field -> column, and label of an outcome -> its events and its total."""

    fields: Mapping[str, str]
    outcomes: Sequence[tuple[str, str, str | None]]
    #: The columns of `outcomes` that have percentages of the total.
    percents: frozenset[str] = frozenset()
    #: How a column was found, where its name might mean something else.
    notes: tuple[str, ...] = ()

    @property
    def used(self) -> set[str]:
        """Every column that is not one of the table's own."""
        return {*self.fields.values(), *(name for _, *pair in self.outcomes for name in pair if name)}


def columns_of_table(
    table: Table,
    events: object,
    total: object,
    study: str | None,
    by: str | None,
    events_control: str | None,
    total_control: str | None,
) -> TableColumns:
    """The columns that the caller names, then those that are known by what they are called.

    Raises
    ------
    ArgumentError
        A column that is not there, or that cannot be found, with the columns that are.
    """
    given = {"study": study, "modality_class": by, "events_control": events_control, "total_control": total_control}
    said = {
        field: None if value is None else _column("by" if field == "modality_class" else field, value, table)
        for field, value in given.items()
    }
    fields = {field: value for field, value in said.items() if value is not None}
    pairs = _pairs(table, events, total)
    chosen = {*fields.values(), *(name for _, *pair in pairs for name in pair)}
    _find(table, fields, pairs, events is None)
    notes: list[str] = []
    if events is None and "events" in fields:
        pairs = [("", fields["events"], pairs[0][2] if pairs else fields.get("total"))]
    if total is None:
        pairs = [(label, column, own or _total(table, fields)) for label, column, own in pairs]
    pairs = _likely(table, pairs, fields, events, notes)
    if by is None and "modality_class" not in fields and "modality" in fields:
        fields["modality_class"] = fields["modality"]
    if said["modality_class"] is not None:
        fields["modality"] = said["modality_class"]
    for name in ("events", "total"):
        fields.pop(name, None)
    _tell_studies(table, fields, study, notes)
    _control(fields, said)
    _check_pairs(table, pairs, fields)
    for field, column in [
        *fields.items(),
        *(("events", column) for _, column, _ in pairs),
        *(("total", of) for *_, of in pairs if of),
    ]:
        if column not in chosen:
            _one_column(field, column, table)
    _note_outcomes(table, {*fields.values(), *(name for _, *pair in pairs for name in pair)}, notes)
    percents = frozenset(column for _, column, own in pairs if own is not None and _is_percent(table, column))
    return TableColumns(fields, pairs, percents, tuple(notes))


def study_names(table: Table, columns: TableColumns) -> list[str] | None:
    """The name of the study of every row from its author and year; None where a column has the names.

    Two authors who would get one name, such as Adam and Baker, and Adam and Clark, keep their whole cells.
    """
    author, year = columns.fields.get("first_author"), columns.fields.get("year", "")
    if author is None or "study" in columns.fields or "study_id" in columns.fields:
        return None
    cells = [(_plain(line.cells.get(author, "")), _plain(line.cells.get(year, ""))) for line in table.lines.rows]
    short = [f"{plain_author(name)} {of}".strip() for name, of in cells]
    authors: dict[str, set[str]] = {}
    for text, (name, _) in zip(short, cells, strict=True):
        authors.setdefault(text, set()).add(name.casefold())
    names = []
    for text, (name, of) in zip(short, cells, strict=True):
        known = of if year_of(name) != year_of(of) or not of else ""
        names.append(text if len(authors[text]) == 1 else f"{name} {known}".strip())
    return names


def no_label(title: str) -> bool:
    """Whether the name of a column of events says nothing of what was counted."""
    return _key(_UNIT.sub("", title)) in _NO_LABEL


def label_of(title: str) -> str:
    """The name of a column of events as the label of an outcome: a word begins with a capital, an abbreviation stays."""
    words = re.sub(r"\s*[(\[]\s*%\s*[)\]]\s*$|\s*%\s*$", "", _UNIT.sub("", title.replace("_", " "))).strip() or title
    plain = all(word.isalpha() and word.islower() for word in words.split()[:1])
    return words[:1].upper() + words[1:] if plain else words


def _plain(text: str) -> str:
    return SPACES.sub(" ", text).strip()


def _key(name: str) -> str:
    """A name as it is looked up: words in lower case with underscores between them."""
    return re.sub(r"[\W_]+", "_", name.casefold()).strip("_")


def _meaning(name: str) -> str | None:
    """The field that a name of a column means."""
    plain = _UNIT.sub("", name)
    return known_field(name, (*_COUNTS, *_NAMES)) or known_field(plain, (*_COUNTS, *_NAMES)) or _MORE.get(_key(name))


def _column(argument: str, value: str, table: Table) -> str:
    """The column that an argument names; `Events (1)` is the first of two columns called Events."""
    name, lines = plain_names(value), table.lines
    first = name.removesuffix(" (1)")
    if name not in lines.columns and first in lines.repeated:
        return str(first)
    if name not in lines.columns:
        raise no_column(argument, value, lines.columns, of=table.name)
    _one_column(argument, name, table)
    return str(name)


def _one_column(field: str, name: str, table: Table) -> None:
    """Refuse a name that several columns with different cells have."""
    members = table.lines.repeated.get(name, ())
    if all(len({line.cells.get(member, "") for member in members}) == 1 for line in table.lines.rows):
        return
    argument = {"modality": "by", "modality_class": "by", "first_author": "study", "study_id": "study"}.get(field, field)
    if len(members) > 1 and argument in ("events", "total", "study", "by", "events_control", "total_control"):
        raise ArgumentError(
            f"{argument}={as_given(name)} is the name of {len(members)} columns of {table.name} with different cells. Fix: "
            f"{argument}={as_given(f'{name} (1)')} for the first, {argument}={as_given(members[1])} for the second."
        )


def _find(table: Table, fields: dict[str, str], pairs: Sequence[tuple[str, str, str | None]], any_events: bool) -> None:
    """Add the columns that are known by what they are called."""
    names = table.lines.columns
    taken = {*fields.values(), *(name for _, *pair in pairs for name in pair if name)}
    if {"n", "N"} <= set(names) - taken:
        # n of N, as they are printed.
        fields["total"] = "N"
        taken.add("N")
        if any_events and not any(_meaning(name) == "events" for name in names):
            fields["events"] = "n"
            taken.add("n")
    for meaning in (lambda name: known_field(name, (*_COUNTS, *_NAMES)), _meaning):
        for name in names:
            meant = meaning(name)
            # Two columns of one meaning: the first is taken where nothing else was said, and the other stays a column of the table.
            if name not in taken and meant is not None and meant not in fields and (meant not in _COUNTS[:3] or any_events):
                fields[meant] = name
                taken.add(name)


def _total(table: Table, fields: Mapping[str, str]) -> str | None:
    """The column of the patients by its name."""
    others = [name for field, name in fields.items() if field != "total"]
    return fields.get("total") or next((n for n in table.lines.columns if _meaning(n) == "total" and n not in others), None)


def _likely(
    table: Table, pairs: list[tuple[str, str, str | None]], fields: Mapping[str, str], events: object, notes: list[str]
) -> list[tuple[str, str, str | None]]:
    """The pairs with columns whose names may mean events and patients, where their cells fit, and a note that says so."""
    free = [name for name in table.lines.columns if name not in fields.values()]
    if events is None and (not pairs or not pairs[0][1]):
        numerators, told = _called(free, _EVENTS), pairs[0][2] if pairs else _total(table, fields)
        totals = [told] if told else _called(free, _TOTALS)
        found = next(((one, of) for one in numerators for of in totals if one != of and _fits(table, one, of)), None)
        if found is None:
            return []
        notes.append(f"Events are the column {found[0]!r} and patients {found[1]!r} of {table.name}, as their names say.")
        return [("", *found)]
    made = []
    for label, column, own in pairs:
        if own is None and "nonevents" not in fields and not _has_fractions(table, column):
            own = next((of for of in _called(free, _TOTALS) if of != column and _fits(table, column, of)), None)
            if own is not None and (note := f"Patients are the column {own!r} of {table.name}, as its name says.") not in notes:
                notes.append(note)
        made.append((label, column, own))
    return made


def _called(names: Iterable[str], known: Sequence[str]) -> list[str]:
    """The names that are among the known ones, in the order of these."""
    by_key: dict[str, str] = {}
    for name in names:
        by_key.setdefault(_key(name), name)
        by_key.setdefault(_key(_UNIT.sub("", name)), name)
    return [by_key[key] for key in known if key in by_key]


def _fits(table: Table, events: str, total: str) -> bool:
    """Whether two columns may be events and patients: whole numbers throughout, and never more events than patients."""
    seen = 0
    for line in table.lines.rows:
        texts = [count_cell(line.cells.get(name, "")) for name in (events, total)]
        if any(is_gap(text) for text in texts):
            continue
        if not all(text.isascii() and text.isdigit() and len(text) < 10 for text in texts) or int(texts[0]) > int(texts[1]):
            return False
        seen += 1
    return seen > 0


def _has_fractions(table: Table, column: str) -> bool:
    """Whether the cells of a column have their totals: 9/56."""
    return any("/" in line.cells.get(column, "") for line in table.lines.rows)


def _is_percent(table: Table, column: str) -> bool:
    """Whether a column is called one of percentages and has numbers alone; `n (%)` has counts."""
    if _PERCENT.search(column) is None or _NUMBER.search(_PERCENT.sub(" ", column)):
        return False
    cells = [text for line in table.lines.rows if not is_gap(text := line.cells.get(column, ""))]
    return bool(cells) and not any("/" in text or "(" in text for text in cells)


def _tell_studies(table: Table, fields: dict[str, str], study: str | None, notes: list[str]) -> None:
    """Leave the columns that name the studies: a name, or author and year."""
    names = table.lines.columns
    if "study" in fields and "year" in fields and _meaning(fields["study"]) == "first_author":
        # Authors are told apart by their years, as reports are cited.
        fields["first_author"] = fields.pop("study")
    elif "first_author" in fields and ("study" in fields or "study_id" in fields):
        number = fields.get("study", fields.get("study_id", ""))
        if study is None and _numbers_studies(table, number, fields["first_author"], fields.get("year", "")):
            # Studies are numbered and have authors: they are called after these.
            fields.pop("study", None)
            fields.pop("study_id", None)
        else:
            fields.pop("first_author")
    if {"study", "study_id", "first_author"} & fields.keys():
        return
    known = {_key(name): name for name in reversed(names) if name not in fields.values()}
    column = next((known[key] for key in _SOURCES if key in known), None)
    if column is not None and all(0 < len(_plain(line.cells.get(column, ""))) <= 80 for line in table.lines.rows):
        fields["study"] = column
    else:
        notes.append(
            f"No column of {table.name} is known to name the studies, so they are numbered by their rows. Name it with study=; the "
            f"columns are {listing(map(visible, names), 40)}."
        )


def _note_outcomes(table: Table, used: Collection[str | None], notes: list[str]) -> None:
    """Say that the rows of several outcomes are read as those of one."""
    for name in table.lines.columns:
        values = {text for line in table.lines.rows if (text := _plain(line.cells.get(name, "")))}
        if _key(name) in ("outcome", "outcomes", "endpoint") and name not in used and len(values) > 1:
            notes.append(
                f"The rows of {table.name} have {len(values)} values of {name!r} and are read as counts of one outcome. To pool one, "
                "read its rows alone."
            )


def _numbers_studies(table: Table, number: str, author: str, year: str) -> bool:
    """Whether a column only numbers studies that author and year tell apart as well."""
    pairs: set[tuple[str, str]] = set()
    for line in table.lines.rows:
        told = count_cell(line.cells.get(number, ""))
        name = _plain(line.cells.get(author, ""))
        if not told and not name:
            continue
        if not (told.isascii() and told.isdigit()) or not name or name.replace(".", "").isdigit():
            return False
        pairs.add((told, f"{plain_author(name)} {_plain(line.cells.get(year, ''))}".casefold()))
    return bool(pairs) and len({one for one, _ in pairs}) == len({other for _, other in pairs}) == len(pairs)


def _control(fields: dict[str, str], said: Mapping[str, str | None]) -> None:
    """Leave a whole control group or none."""
    events_control, total_control = said["events_control"], said["total_control"]
    if ("events_control" in fields) != ("total_control" in fields or "nonevents_control" in fields):
        # Half a control group, found by a name such as ci, is a column of the table.
        for name in ("events_control", "total_control", "nonevents_control"):
            if said.get(name) is None:
                fields.pop(name, None)
    if (events_control is None) != (total_control is None) and "nonevents_control" not in fields:
        missing, other = ("total_control", "events_control") if total_control is None else ("events_control", "total_control")
        if missing not in fields:
            raise ArgumentError(f"{missing} is missing; {other}={as_given(said[other])} was given. Fix: name both columns.")


def _check_pairs(table: Table, pairs: Sequence[tuple[str, str, str | None]], fields: Mapping[str, str]) -> None:
    """Refuse a table without events or without patients."""
    names = table.lines.columns
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


def _pairs(table: Table, events: object, total: object) -> list[tuple[str, str, str | None]]:
    """Label, column of the events and column of the total of every outcome that the caller names."""
    if total is not None and not isinstance(total, (str, Mapping)):
        raise ArgumentError(f"total={as_given(total)} must be the name of a column, or label -> column.")
    if events is None:
        if isinstance(total, Mapping):
            raise ArgumentError("total has a column for each outcome, and events is missing. Fix: name the columns of the events.")
        return [] if total is None else [("", "", _column("total", total, table))]
    if not isinstance(events, (str, Mapping, Sequence)) or not named_in(events) or len(named_in(events)) != len(_all(events)):
        raise ArgumentError(f"events={as_given(events)} must be the name of a column, several names, or label -> column.")
    labelled = dict(events) if isinstance(events, Mapping) else {column: column for column in named_in(events)}
    if any(not isinstance(label, str) or not label.strip() for label in labelled):
        raise ArgumentError("events has a label that is no text. Fix: name each outcome, as in events={'Response': 'resp'}.")
    columns = {label: _column("events", column, table) for label, column in labelled.items()}
    for value in named_in(total):
        _column("total", value, table)
    if isinstance(total, Mapping):
        for label in total:
            check_choice("total", label, tuple(labelled))
        for label in labelled:
            if label not in total:
                raise ArgumentError(f"total has no column for {as_given(label)}. Fix: add it, or name one column for all.")
        return [(label, column, _column("total", total[label], table)) for label, column in columns.items()]
    one = isinstance(events, str)
    all_ = None if total is None else _column("total", total, table)
    return [("" if one else label, column, all_) for label, column in columns.items()]


def _all(given: object) -> list[object]:
    if isinstance(given, str):
        return [given]
    return list(given.values()) if isinstance(given, Mapping) else list(given)  # type: ignore[call-overload]
