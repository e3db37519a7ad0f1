"""Lines with a row for each arm or study to counts of study arms, for every importer whose columns the caller names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from metanet.base.errors import ArgumentError
from metanet.base.gaps import is_gap, names_sum
from metanet.base.groups import natural
from metanet.base.untrusted import counted, listing, visible
from metanet.evidence.contract import Contract
from metanet.evidence.reading.cells import TEXT_PLACEHOLDERS
from metanet.reviews.importers.columns import GROUP, OWN, PERCENT, Columns, fields_of, find_columns, group_suffixes, known_field
from metanet.reviews.importers.extracted_counts import Count, Found, Place, Renames, Request, cell, count_cell, name_fault, spelled
from metanet.reviews.importers.printed_figures import Figures, has_comma, is_fraction, may_be_proportions, read_figures
from metanet.reviews.importers.tabular import Line, Lines
from metanet.reviews.names import author_and_year, plain_author, year_of

#: Rows that a message or a list names.
_MOST_NAMED = 200
_SKIP = "missing='skip'"


def is_column(request: Request, known: Collection[str] = ()) -> Callable[[str], bool]:
    """Whether a text is the name of a column that the caller, the format or a field has."""
    fields = fields_of(request.contract)
    return lambda name: name in request.columns or name in known or known_field(name, fields) is not None


def columns_of(
    lines: Lines, request: Request, found: Found, known: Mapping[str, str] | None = None, hidden: Collection[str] = ()
) -> Columns | None:
    """The columns of a table as fields, or None with every reason in the findings.

    `known` are the columns that a program always writes; without them every column must be a field or be left out by the caller.
    `hidden` columns are not listed among those that were left out.
    """
    strict = known is None
    mapping, chosen = _first_of_repeated(request.columns, lines)
    columns = find_columns(
        lines.columns,
        mapping,
        # Programs with columns of their own are read as they count; percentages are read where the caller names every column.
        [name for name in fields_of(request.contract) if strict or name not in PERCENT],
        known or {},
        strict=strict,
        file=found.file,
        line=lines.header_line,
        findings=found.findings,
    )
    _check_repeated(lines, columns, {*chosen, *(known or ())}, mapping, found)
    has = {*columns.fields, *request.constants}
    if "study_id" not in has and "study" not in has and "first_author" not in has:
        _missing("study", "which study a row belongs to", lines, found)
    suffixes = group_suffixes(has)
    wide = len(suffixes) > 1
    for suffix in suffixes if "total_control" not in has else dict.fromkeys((*suffixes, "_control")):
        _counted(suffix, has, columns, lines, strict, found)
    if wide and "n" in columns.fields:
        found.refuse(
            f"is one size for {len(suffixes)} arms",
            f"Leave it out with {spelled('columns', visible(columns.fields['n']) + '=')}; the totals of each arm give its size",
            row=lines.header_line,
            value=columns.fields["n"],
        )
    for suffix in suffixes:
        # Two groups have names by default: the experimental and the control group.
        if f"modality{suffix}" not in has and (not wide or len(suffixes) > 2):
            _missing(f"modality{suffix}", "the treatment", lines, found, constant=True)
    if "outcome" not in has and len(request.outcomes) != 1:
        wrong = "does not say which outcome it counts" if not request.outcomes else "counts one outcome, and several were named"
        found.refuse(
            wrong, f"Name the outcome with {spelled('outcomes', 'NAME')} or its column with {spelled('columns', 'COLUMN=outcome')}"
        )
    shown = [name for name in columns.left_out if name not in hidden]
    if shown:
        found.left_out.append(f"{counted(len(shown), 'column')}: {listing(shown, 8)}")
    return None if found.findings.faults else columns


def _first_of_repeated(mapping: Mapping[str, str], lines: Lines) -> tuple[dict[str, str], set[str]]:
    """The mapping with "Events (1)" as the first of the columns called Events, and the columns that were chosen so."""
    given: dict[str, str] = {}
    chosen: set[str] = set()
    for name, meant in mapping.items():
        first = name.removesuffix(" (1)") if name not in lines.columns else name
        if first != name and first in lines.repeated:
            if first in mapping:
                raise ArgumentError(f"columns={name!r} and columns={first!r} are one column. Fix: name it once.")
            chosen.add(first)
            name = first
        given[name] = meant
    return given, chosen


def _check_repeated(lines: Lines, columns: Columns, sure: Collection[str], mapping: Mapping[str, str], found: Found) -> None:
    """Refuse a mapped column whose name several columns with different cells have, unless the caller has said which is meant."""
    for name, members in lines.repeated.items():
        used = next((meant for meant, column in columns.fields.items() if column == name), None)
        if used is None or name in sure or all(member in mapping for member in members[1:]):
            continue
        if all(len({line.cells.get(member, "") for member in members}) == 1 for line in lines.rows):
            continue
        found.refuse(
            f"is the name of {len(members)} columns with different cells",
            f"Name the one that is meant: {spelled('columns', f'{visible(name)} (1)={used}')} for the first, "
            f"{spelled('columns', f'{visible(members[1])}={used}')} for the second, with {spelled('columns', f'{visible(name)}=')}",
            row=lines.header_line,
            value=name,
        )


def _counted(suffix: str, has: Collection[str], columns: Columns, lines: Lines, strict: bool, found: Found) -> None:
    """Refuse a table that lacks the events or the total of a group."""
    events, total, percent = f"events{suffix}", f"total{suffix}", f"percent{suffix}"
    other = {"": "", "_control": "the other number of the control group"}.get(suffix, f"the other number of group {suffix[1:]}")
    if events not in has and percent not in has:
        _missing(events, other or "the events", lines, found, percent=percent if strict else "")
    column = columns.fields.get(events, "")
    if (
        total not in has
        and f"nonevents{suffix}" not in has
        and not (strict and any(is_fraction(line.cells.get(column, "")) for line in lines.rows))
    ):
        _missing(total, other or "the patients that were assessed", lines, found)


def _missing(name: str, words: str, lines: Lines, found: Found, *, constant: bool = False, percent: str = "") -> None:
    value = f", or percentages of the total with {spelled('columns', f'COLUMN={percent}')}" if percent else ""
    value += f", or give one value for all rows with {spelled('values', f'{name}=VALUE')}" if constant else ""
    found.refuse(
        f"has no column for {name!r}: {words}",
        f"Name it with {spelled('columns', f'COLUMN={name}')}{value}. The columns are {listing(lines.columns, 12)}",
        row=lines.header_line,
    )


@dataclass(frozen=True)
class Reading:
    """How the numbers of a table are read: whether percentages become counts, and whether decimals have a comma."""

    figures: bool = False
    comma: bool = False


def figures_of(lines: Lines, columns: Columns, found: Found) -> Reading:
    """The reading of a table whose percentages become counts; a column that may have proportions is refused."""

    def cells(*kinds: str) -> list[str]:
        names = [name for name in columns.fields if name.split("_")[0] in kinds]
        return [text for name in names for line in lines.rows if (text := line.cells[columns.fields[name]])]

    for name in columns.fields:
        if name.split("_")[0] == "percent" and may_be_proportions([line.cells[columns.fields[name]] for line in lines.rows]):
            found.refuse(
                "is a column of percentages without a number above 1, so that 0.2 may be 20 % or 0.2 %",
                "Write every cell with its per cent sign",
                row=lines.header_line,
                value=columns.fields[name],
            )
    # Between commas a decimal comma is a fault: whoever quotes 1,234 may mean thousands.
    comma = lines.separator != "," and has_comma(cells("percent"), cells("events"))
    return Reading(True, comma)


def counts_of_lines(lines: Lines | None, request: Request, found: Found) -> None:
    """Put the counts of a table whose columns the caller maps into `found`; without lines its findings say why."""
    columns = None if lines is None else columns_of(lines, request, found)
    if lines is not None and columns is not None:
        counts_of(lines.rows, columns, request, found, figures_of(lines, columns, found))


class _Gap(NamedTuple):
    """A group without events or total: where it is, and the column and the text of the missing number."""

    line: int
    where: str
    column: str
    text: str


@dataclass
class _LeftOut:
    """Rows that were left out, as a list names them, by the reason."""

    empty: list[str] = field(default_factory=list)
    without_group: list[str] = field(default_factory=list)
    without_patients: list[str] = field(default_factory=list)
    sums: list[str] = field(default_factory=list)
    unasked: set[str] = field(default_factory=set)
    gaps: list[_Gap] = field(default_factory=list)


def counts_of(rows: Sequence[Line], columns: Columns, request: Request, found: Found, reading: Reading = Reading()) -> None:
    """Put the counts of the rows into `found`, with the faults and with what is left out."""
    _Rows(columns, request, found, reading).read(rows)


class _Rows:
    """The rows of one table on their way to counts."""

    def __init__(self, columns: Columns, request: Request, found: Found, reading: Reading) -> None:
        self.columns, self.request, self.found, self.reading = columns, request, found, reading
        self.suffixes = group_suffixes(columns.fields)
        self.numeric = _numeric(request.contract)
        self.out = _LeftOut()
        self.shared: set[str] = set()
        #: Rows of numbers without a study.
        self.nameless: list[tuple[Line, dict[str, str], str]] = []

    def read(self, rows: Sequence[Line]) -> None:
        """Take the counts of every row."""
        years: dict[str, set[str]] = defaultdict(set)
        for line in rows:
            study, year = (line.cells.get(self.columns.fields.get(name, ""), "") for name in ("study", "year"))
            years[study].add(year_of(year))
        # Names such as Adam that stand for studies of several years.
        self.shared = {study for study, found in years.items() if study and not year_of(study) and len(found - {""}) > 1}
        for line in rows:
            self._row(line)
        self._nameless()
        self._sums()
        self._arms_apart()
        self._report()

    def _row(self, line: Line) -> None:
        request, fields = self.request, self.columns.fields
        written = {name: self._clean(name, line.cells.get(column, "")) for name, column in fields.items()}
        cells = {**request.constants, **{name: text for name, text in written.items() if text}}
        outcome = cells.get("outcome") or (request.outcomes[0] if request.outcomes else "")
        if "outcome" in fields and request.outcomes and outcome not in request.outcomes:
            self.out.unasked.add(outcome)
            return
        if author := cells.get("first_author", ""):
            cells["first_author"] = plain_author(author)
        study = (
            cells.get("study")
            or cells.get("study_id")
            or " ".join(part for part in (cells.get("first_author"), cells.get("year")) if part)
        )
        if study in self.shared:
            study = f"{study} {year_of(cells.get('year', ''))}".strip()
        for suffix in self.suffixes:
            self._add_up(cells, suffix, line)
        if not any(self._has(cells, suffix) for suffix in self.suffixes):
            self.out.empty.append(_where(line, study))
        elif names_sum(study) or names_sum(cells.get("first_author", "")):
            self.out.sums.append(_where(line, study))
        elif not study:
            self.nameless.append((line, cells, outcome))
        else:
            self._groups(line, cells, study, outcome)

    def _clean(self, name: str, text: str) -> str:
        """A cell, empty where it stands for a missing value."""
        if name in self.numeric or name.split("_")[0] in ("events", "nonevents", "total", "percent"):
            return "" if is_gap(text) else text
        return "" if text.strip() in TEXT_PLACEHOLDERS or not text.strip() else text

    def _add_up(self, cells: dict[str, str], suffix: str, line: Line) -> None:
        """The total of a group that is given as events and patients without one."""
        events, others = (count_cell(cells.get(f"{name}{suffix}", "")) for name in ("events", "nonevents"))
        if not all(each.isascii() and each.isdigit() and len(each) < 10 for each in (events, others)):
            return
        total = str(int(events) + int(others))
        given = cells.setdefault(f"total{suffix}", total)
        if count_cell(given) != total:
            column = self.columns.fields.get(f"nonevents{suffix}", "nonevents")
            self.found.refuse(
                f"and the {events} events are {total} patients, and the total is {given}",
                f"Leave the column out with {spelled('columns', f'{visible(column)}=')}, or the total, whichever is not meant",
                row=line.number,
                column=visible(column),
                value=others,
            )

    @staticmethod
    def _has(cells: Mapping[str, str], suffix: str) -> bool:
        return any(cells.get(f"{name}{suffix}") for name in ("events", "total", "percent"))

    def _place(self, line: Line) -> Place:
        fields = self.columns.fields
        return Place(line.number, {**fields, "study": fields.get("study") or fields.get("study_id", "study")})

    def _groups(self, line: Line, cells: Mapping[str, str], study: str, outcome: str) -> None:
        """The counts of one row, one for each of its groups."""
        outcome = self.request.renames(outcome)
        place = self._place(line)
        names = {"study": study, "outcome": outcome}
        groups = ("arm", "modality", "modality_class", "dose")
        names |= {f"{name}{end}": text for end in self.suffixes for name in groups if (text := cells.get(f"{name}{end}"))}
        for name, text in names.items():
            if (fault := name_fault(text)) is not None:
                self.found.refuse(*fault, row=line.number, column=visible(place.columns.get(name, name)), value=text)
                return
        about = self._about(cells, study, line)
        own = {name: "" if is_gap(text := line.cells.get(name, "")) else cell(text) for name in self.columns.own}
        for suffix in self.suffixes:
            where = _where(line, study, cells.get(f"modality{suffix}") or _DEFAULT.get(suffix, "") if suffix else "")
            if not self._has(cells, suffix):
                self.out.without_group.append(where)
            elif self._without_patients(cells, suffix):
                self.out.without_patients.append(where)
            elif (gap := self._gap(cells, suffix)) is not None:
                self.out.gaps.append(self._gap_at(gap, line, where))
            elif (figures := self._figures(cells, suffix, place)) is not None:
                self.found.counts.append(replace(self._arm(cells, suffix, about, place, study, outcome, figures), own=own))

    def _without_patients(self, cells: Mapping[str, str], suffix: str) -> bool:
        events = count_cell(cells.get(f"events{suffix}", ""))
        return count_cell(cells.get(f"total{suffix}", "")) == "0" and events in ("", "0")

    def _gap(self, cells: Mapping[str, str], suffix: str) -> str | None:
        """The number that a group lacks; None where it has both."""
        events, total, percent = (cells.get(f"{name}{suffix}", "") for name in ("events", "total", "percent"))
        if not events and not (percent and self.reading.figures):
            return f"events{suffix}"
        return None if total or (self.reading.figures and is_fraction(events)) else f"total{suffix}"

    def _gap_at(self, name: str, line: Line, where: str) -> _Gap:
        """Where the number would be: the events, or the percentage in their place."""
        fields = self.columns.fields
        both = [name, name.replace("events", "percent")]
        if name not in fields:
            both = [name.replace("total", "nonevents")]
        texts = {fields[each]: line.cells.get(fields[each], "").strip() for each in both if each in fields}
        column = next((each for each, text in texts.items() if text), next(iter(texts), name))
        return _Gap(line.number, where, visible(column), texts.get(column, ""))

    def _figures(self, cells: Mapping[str, str], suffix: str, place: Place) -> Figures | None:
        """Events and total of one arm; None where they do not follow, with the reason in the findings."""
        events, total, percent = (cells.get(f"{name}{suffix}", "") for name in ("events", "total", "percent"))
        if not self.reading.figures:
            return Figures({"events": count_cell(events), "total": count_cell(total)})
        figures = read_figures(events, total, percent, comma=self.reading.comma)
        if (fault := figures.fault) is None:
            return figures
        column = visible(place.columns.get(f"{fault.field}{suffix}", fault.field))
        self.found.refuse(fault.wrong, fault.fix, row=place.row, column=column, value=fault.value)
        return None

    def _about(self, cells: Mapping[str, str], study: str, line: Line) -> dict[str, str]:
        """The cells of a row that describe the study, its arms and the count."""
        grouped = {f"{name}{suffix}" for name in GROUP for suffix in self.suffixes}
        about = {name: cell(text) for name, text in cells.items() if name not in OWN and name not in grouped}
        year = about.get("year", "")
        # "In press" is no year; digits that are none are left to be refused.
        stated = year_of(year) or (year if any(letter.isdigit() for letter in year) else "")
        about["year"] = stated or author_and_year(study)[1]
        if line.agreed:
            about.setdefault("double_extracted", "true")
        about.setdefault("source_locator", cell(line.locator or f"line {line.number}"))
        return about

    def _arm(
        self, cells: Mapping[str, str], suffix: str, about: Mapping[str, str], place: Place, study: str, outcome: str, figures: Figures
    ) -> Count:
        renames: Renames = self.request.renames
        default = _DEFAULT.get(suffix, "") if len(self.suffixes) > 1 else ""
        modality = cell(renames(cells.get(f"modality{suffix}") or default))
        arm, dose = cell(cells.get(f"arm{suffix}", "")), cell(cells.get(f"dose{suffix}", ""))
        if dose:
            arm = f"{arm}, {dose}" if arm else f"{modality} {dose}"
        own = {"arm": arm or modality, "modality": modality, **figures.cells}
        # What the file says itself is kept.
        if about.get("printed"):
            own.pop("printed", None)
        if about.get("derivation") and "derivation" in own:
            own["derivation"] = f"{about['derivation']}; {own['derivation']}"
        if given := cell(cells.get(f"modality_class{suffix}", "")):
            own["modality_class"] = given
        where = {name: place.columns[f"{name}{suffix}"] for name in GROUP if f"{name}{suffix}" in place.columns}
        shared = {name: column for name, column in place.columns.items() if name not in GROUP}
        if "printed" in own and (source := place.columns.get(f"{figures.printed_in}{suffix}")) is not None:
            where["printed"] = source
        if dose and "arm" not in where and f"dose{suffix}" in place.columns:
            where["arm"] = place.columns[f"dose{suffix}"]
        spare = frozenset({"printed"} if "printed" in own else ())
        return Count(Place(place.row, {**shared, **where}), study, outcome, {**about, **own}, spare)

    def _nameless(self) -> None:
        """A row of numbers without a study is the sum of the others, or a fault."""
        by: dict[tuple[str, str | None], list[Mapping[str, str]]] = defaultdict(list)
        for count in self.found.counts if self.nameless else ():
            by[count.outcome, None].append(count.cells)
            by[count.outcome, count.cells["modality"]].append(count.cells)
        sums = {key: _sums(group) for key, group in by.items() if len(group) > 1}
        for line, cells, outcome in self.nameless:
            numbers = count_cell(cells.get("events", "")), count_cell(cells.get("total", ""))
            name = self.request.renames(outcome)
            if numbers in (sums.get((name, None)), sums.get((name, cells.get("modality", "")))):
                self.out.sums.append(_where(line, ""))
            else:
                fields = self.columns.fields
                column = fields.get("study") or fields.get("study_id") or fields.get("first_author", "study")
                self.found.refuse(
                    "is empty, and the row has counts",
                    "Write the name of the study into each of its rows, or delete the row if it is no study",
                    row=line.number,
                    column=visible(column),
                )

    def _sums(self) -> None:
        """Note a study that has exactly the sums of the others."""
        by: dict[tuple[str, str], list[Count]] = defaultdict(list)
        for count in self.found.counts:
            by[count.outcome, count.cells["modality"]].append(count)
        for group in by.values():
            sums = _sums([count.cells for count in group]) if len(group) > 3 else None
            for count in group if sums is not None else ():
                events, total = count.cells["events"], count.cells["total"]
                if events.isdigit() and total.isdigit() and (str(2 * int(events)), str(2 * int(total))) == sums and int(events):
                    where = f"Line {count.place.row} ({visible(count.study)})"
                    self.found.notes.append(f"{where} has exactly the sums of the other rows. Check that it is a study.")

    def _arms_apart(self) -> None:
        """Refuse two counts of one arm, which a column of arms or doses would tell apart."""
        seen: dict[tuple[str, str, str], Count] = {}
        for count in self.found.counts:
            key = (count.study, count.outcome, count.cells["arm"])
            other = seen.setdefault(key, count)
            numbers, before = (tuple(each.cells.get(name, "") for name in ("events", "total")) for each in (count, other))
            if numbers != before:
                self.found.refuse(
                    f"is another count of {visible(count.study)} | {visible(count.cells['arm'])} than {'/'.join(before)} in line "
                    f"{other.place.row}",
                    "Write another name of the study into one of the two rows, or keep one of them"
                    if len(self.suffixes) > 1
                    else f"Name the column that tells two arms apart with {spelled('columns', 'COLUMN=arm')} or "
                    f"{spelled('columns', 'COLUMN=dose')}; otherwise keep one of the two rows",
                    row=count.place.row,
                    column=visible(count.place.columns.get("events", "events")),
                    value="/".join(numbers),
                )

    def _report(self) -> None:
        out, found, request = self.out, self.found, self.request
        if out.gaps and not request.skip_missing:
            self._refuse_gaps(out.gaps)
        noun = "group" if len(self.suffixes) > 1 else "row"
        skipped = [gap.where for gap in out.gaps] if request.skip_missing else []
        for rows, one, many in (
            (skipped, f"{noun} without events or total", f"{noun}s without events or total"),
            (out.empty, "row without events and total", "rows without events and total"),
            (out.without_group, "group without events and total", "groups without events and total"),
            (out.without_patients, "group without patients", "groups without patients"),
            (out.sums, "row that sums the others", "rows that sum the others"),
        ):
            if rows:
                found.left_out.append(f"{counted(len(rows), one, many)}: {listing(rows, _MOST_NAMED)}")
        if out.unasked:
            unasked = sorted(out.unasked, key=natural)
            found.left_out.append(f"{counted(len(unasked), 'outcome')} not chosen: {listing(unasked, 8)}")
        if not found.counts and not found.findings.faults:
            others = (
                f" of {listing(request.outcomes, 4)}; it has {listing(sorted(out.unasked, key=natural), 8)}" if out.unasked else ""
            )
            found.refuse(f"has no row with events and total{others}", "Check which columns contain them")

    def _refuse_gaps(self, gaps: Sequence[_Gap]) -> None:
        """One fault that names every row without a number, its study and the choice to leave it out."""
        first = gaps[0]
        if len(gaps) == 1:
            inside = first.where.partition(" ")[2].partition(" ")[2]
            self.found.refuse(
                f"{'is a word for a missing value' if first.text else 'is empty'}{f' {inside}' if inside else ''}",
                f"Write the number, or leave the row out with {_SKIP}",
                row=first.line,
                column=first.column,
                value=first.text or None,
            )
            return
        columns = list(dict.fromkeys(gap.column for gap in gaps))
        noun = "group" if len(self.suffixes) > 1 else "row"
        one = len(columns) == 1
        rows = [gap.where if one else f"{gap.where} {gap.column}" for gap in gaps]
        self.found.refuse(
            f"{'is' if one else 'one of them is'} missing in {counted(len(gaps), noun)}: {listing(rows, _MOST_NAMED)}",
            f"Write the numbers, or leave these {noun}s out with {_SKIP}",
            row=None,
            column=listing(columns),
        )


#: What the groups of a table of two groups are called where nothing names them.
_DEFAULT = {"": "Experimental", "_control": "Control"}


def _where(line: Line, study: str, group: str = "") -> str:
    """A row as a list names it: its place, its study, and its group where it has several."""
    words = ", ".join(part for part in (study, group) if part)
    return f"{line.place} ({visible(words)})" if words else line.place


def _numeric(contract: Contract) -> frozenset[str]:
    """Columns of the tables that are numbers."""
    tables = (*contract.of_role("studies"), *contract.of_role("arms"), *contract.of_role("outcome"))
    return frozenset(column.name for table in tables for column in table.columns if column.type in ("integer", "number"))


def _sums(rows: Iterable[Mapping[str, str]]) -> tuple[str, str] | None:
    """Events and totals of rows added up; None where one is no number."""
    events, totals = 0, 0
    for row in rows:
        if not (row["events"].isascii() and row["events"].isdigit() and row["total"].isascii() and row["total"].isdigit()):
            return None
        if max(len(row["events"]), len(row["total"])) > 15:
            return None
        events, totals = events + int(row["events"]), totals + int(row["total"])
    return str(events), str(totals)
