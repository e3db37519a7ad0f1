"""Imported counts and the tables of a review: new and existing studies, arms and rows, and the rows to append."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metanet.base.untrusted import counted, listing, visible
from metanet.evidence.checks.check import Reading
from metanet.evidence.contract import Contract, TableContract
from metanet.evidence.findings import Findings
from metanet.evidence.folders import DESCRIPTOR
from metanet.evidence.reading.cells import Row, Table
from metanet.evidence.reading.text import split
from metanet.evidence.selection import IMPORTED
from metanet.reviews.importers.extracted_counts import Count, Found, Place, Renames, cell, joined, spelled
from metanet.reviews.names import author_and_year, cut, outcome_fault, outcome_file, study_id
from metanet.reviews.new import still_examples
from metanet.reviews.table_contract import described
from metanet.reviews.template import NewOutcome, descriptor_text, outcome_resource

_BOM = b"\xef\xbb\xbf"


@dataclass
class Draft:
    """The text of a file, its columns, and the places of the appended rows."""

    file: str
    columns: tuple[str, ...]
    text: str
    mark: bytes = b""
    newline: str = "\n"
    places: dict[int, Place] = field(default_factory=dict)
    changed: bool = False
    _lines: int = 0

    def __post_init__(self) -> None:
        if self.text and not self.text.endswith(("\n", "\r")):
            self.text += self.newline
        self._lines = self.text.count("\n")

    def drop(self, lines: Collection[int]) -> None:
        """Take out the rows that begin on these lines."""
        if not lines:
            return
        parts = list(io.StringIO(self.text, newline=""))
        reader = csv.reader(iter(parts), strict=True)
        kept: list[str] = []
        start = 0
        for _ in reader:
            if start + 1 not in lines:
                kept += parts[start : reader.line_num]
            start = reader.line_num
        self.text = "".join(kept)
        self._lines = self.text.count("\n")
        self.changed = True

    def set(self, line: int, column: str, text: str) -> None:
        """Write another text into one cell of the row that begins on a line; every other row keeps its bytes."""
        parts = list(io.StringIO(self.text, newline=""))
        reader = csv.reader(iter(parts), strict=True)
        start = 0
        for cells in reader:
            if start + 1 == line:
                cells[self.columns.index(column)] = text
                out = io.StringIO(newline="")
                csv.writer(out, lineterminator=self.newline).writerow(cells)
                self.text = "".join([*parts[:start], out.getvalue(), *parts[reader.line_num :]])
                self._lines = self.text.count("\n")
                self.changed = True
                return
            start = reader.line_num

    def widen(self, columns: Sequence[str]) -> None:
        """Add columns, which are empty in the rows that are there; these keep their bytes up to the new cells."""
        parts = list(io.StringIO(self.text, newline=""))
        reader = csv.reader(iter(parts), strict=True)
        head = io.StringIO(newline="")
        csv.writer(head, lineterminator="").writerow(columns)
        made, start = [], 0
        for number, _ in enumerate(reader):
            row = "".join(parts[start : reader.line_num])
            start = reader.line_num
            body = row.rstrip("\r\n")
            made.append(f"{body},{head.getvalue() if number == 0 else ',' * (len(columns) - 1)}{row[len(body) :]}" if body else row)
        self.text = "".join(made)
        self.columns = (*self.columns, *columns)
        self.changed = True

    def add(self, rows: Sequence[tuple[Mapping[str, str], Place]]) -> None:
        """Append rows; fields that are not columns of the file were refused before."""
        out = io.StringIO(newline="")
        writer = csv.writer(out, lineterminator=self.newline)
        for cells, place in rows:
            self.places[self._lines + 1] = place
            # No cell contains a line end, so a row is a line.
            self._lines += 1
            writer.writerow([cells.get(name, "") for name in self.columns])
            self.changed = True
        self.text += out.getvalue()

    @property
    def content(self) -> bytes:
        """The file as it is written."""
        return self.mark + self.text.encode("utf-8", "surrogatepass")


def open_draft(path: Path, contract: TableContract, findings: Findings) -> Draft | None:
    """The draft of an existing file; None with the reason where rows cannot be appended."""
    data = path.read_bytes()
    mark = _BOM if data.startswith(_BOM) else b""
    file = visible(contract.file)
    try:
        text = data[len(mark) :].decode("utf-8")
    except UnicodeDecodeError:
        text = None
    sheet = None if text is None else split(text, file, contract.column_names, Findings())
    if text is None or sheet is None or sheet.separator != "," or text.lower().startswith("sep="):
        findings.cannot_read(
            file, "is not separated by commas in UTF-8, so that no rows can be added to it", "Save it as 'CSV UTF-8 (comma delimited)'"
        )
        return None
    newline = "\r\n" if "\r\n" in text else "\n"
    if "\r" in text.replace("\r\n", ""):
        findings.cannot_read(file, "has line ends of an old Macintosh", "Save it as 'CSV UTF-8 (comma delimited)'")
        return None
    return Draft(contract.file, tuple(sheet.header.cells), text, mark, newline)


def new_draft(file: str, columns: Sequence[str]) -> Draft:
    """A new table: its column names and no row."""
    return Draft(file, tuple(columns), ",".join(columns) + "\n", changed=True)


#: Outcomes of one import; each new one is a file.
_MOST_OUTCOMES = 1_000
#: Defaults of the columns that describe an imported count.
_DEFAULTS = {
    "unit": "patients",
    "derived": "false",
    "source_kind": "secondary",
    "certainty": "moderate",
    "double_extracted": "false",
    "poolable": "true",
    "note": IMPORTED,
}
#: Columns of a study that two sources may write otherwise without meaning another study.
_DESCRIPTIVE = frozenset({"first_author", "journal", "country", "centre", "design", "enrol_start", "enrol_end", "overlap_group"})
Cells = dict[str, str]


@dataclass
class Merged:
    """The files as they would be, and what changed."""

    drafts: dict[str, Draft] = field(default_factory=dict)
    descriptor: bytes | None = None
    new_outcomes: list[str] = field(default_factory=list)
    new_columns: list[str] = field(default_factory=list)
    examples: tuple[str, ...] = ()
    added: dict[str, int] = field(default_factory=dict)
    there: int = 0
    twice: int = 0
    kept: int = 0


class Merger:
    """Adds the counts of one file to one review."""

    def __init__(self, folder: Path, reading: Reading, found: Found, renames: Renames, constants: Mapping[str, str]) -> None:
        assert reading.contract is not None  # a folder without faults has these three
        assert reading.tables is not None
        self.folder, self.found, self.renames, self.constants = folder, found, renames, constants
        self.contract: Contract = reading.contract
        self.tables = reading.tables
        self.merged = Merged()
        self._columns = {table.contract.file: table.columns for table in self.tables.every() if table.columns}
        self._files: dict[str, TableContract | NewOutcome] = {}
        self._labels: dict[str, str] = {}
        self._files_by_label: dict[str, str] = {}
        self._names: dict[str, tuple[str, Place]] = {}
        self._groups: dict[str, str] = {}
        self._new: dict[str, dict[tuple[str, ...], tuple[Cells, Place]]] = {}
        #: Line of an arm that is there -> its larger size.
        self._grown: dict[int, int] = {}
        #: Columns that no table has yet and that the arms get, with their descriptions.
        self._own: dict[str, dict[str, Any]] = {}
        self._written: dict[str, dict[str, str]] = {}

    def run(self) -> Merged:
        """The merged tables; faults are in the findings."""
        gone = self._examples()
        old = {table.contract.file: self._by_key(table, gone) for table in self._of_studies()}
        studies, arms = self.contract.of_role("studies")[0], self.contract.of_role("arms")[0]
        # A modality that exists or that the contract names keeps its class.
        there = {row.text["modality"]: row.text["modality_class"] for row in old[arms.file].values()}
        stated = {word: name for name, words in arms.extra.get("modality_classes", {}).items() for word in words}
        self._groups = {**there, **stated}
        self._new_columns(studies, arms)
        for count in self.found.counts:
            key = self._study(count)
            file = self._outcome(count)
            if key is None or file is None:
                continue
            self._put(studies.file, (key,), self._study_cells(count, key), count, old)
            self._put(arms.file, (key, count.cells["arm"]), self._arm_cells(count, key, arms), count, old)
            self._count(count, key, file, old)
        self._sizes(arms)
        self._note_years(studies)
        self._draft(gone)
        return self.merged

    def _new_columns(self, studies: TableContract, arms: TableContract) -> None:
        """What the columns that are kept under their own names are, where no table has them yet."""
        cells: dict[str, list[str]] = {}
        for count in self.found.counts:
            for name, text in count.own.items():
                cells.setdefault(name, []).append(text)
        known = {*studies.column_names, *arms.column_names}
        for name, texts in cells.items():
            if name not in known:
                self._own[name], self._written[name] = described(name, texts)
        if self._own and not (self.folder / DESCRIPTOR).is_file():
            self.found.refuse(
                f"has columns that the review does not have ({listing(self._own, 12)}), and a folder without {DESCRIPTOR} cannot get "
                "new ones",
                f"Import into a folder made by new_review, or leave them out with {spelled('columns', '*=')}",
            )

    def _note_years(self, studies: TableContract) -> None:
        """Name the new studies that have no year."""
        new = self._new.get(studies.file, {}).values()
        if studies.column("year") is not None and (dateless := [cells["study_id"] for cells, _ in new if not cells.get("year")]):
            one = len(dateless) == 1
            self.found.notes.append(
                f"{counted(len(dateless), 'study', 'studies')} without a year ({listing(map(visible, dateless), 50)}): add "
                f"{'it' if one else 'them'} to {studies.file}, if known; pooling does not need {'it' if one else 'them'}."
            )

    def _examples(self) -> dict[str, set[int]]:
        """The lines of the invented studies, which the first import removes."""
        assert self.tables.studies is not None  # as above
        counts = [row.text for table in self.tables.outcomes for row in table.rows]
        # They stay until there is something in their place.
        invented = still_examples([row.text for row in self.tables.studies.rows], counts) if self.found.counts else set()
        self.merged.examples = tuple(sorted(invented))
        return {
            table.contract.file: {row.line for row in table.rows if row.text["study_id"] in invented} for table in self._of_studies()
        }

    def _of_studies(self) -> list[Table]:
        """The tables whose rows are about a study."""
        return [table for table in self.tables.every() if table.contract.column("study_id") is not None]

    def _by_key(self, table: Table, gone: Mapping[str, set[int]]) -> dict[tuple[str, ...], Row]:
        key = self._key(table.contract)
        dropped = gone.get(table.contract.file, set())
        return {tuple(row.text[name] for name in key): row for row in table.rows if row.line not in dropped}

    @staticmethod
    def _key(contract: TableContract) -> tuple[str, ...]:
        if contract.role == "studies":
            return ("study_id",)
        return ("study_id", "arm") if contract.role == "arms" else contract.primary_key or ("study_id", "arm")

    def _study(self, count: Count) -> str | None:
        name = self.renames(count.study)
        key = study_id(name)
        other, _ = self._names.setdefault(key, (name, count.place))
        if other != name:
            self._fault(
                count.place,
                "study",
                name,
                f"would have the same study_id {key!r} as {visible(other)!r}",
                f"Rename one with {spelled('renames', f'{visible(name)}={key}b')}",
            )
            return None
        return key

    def _outcome(self, count: Count) -> str | None:
        """The file of an outcome; a new one is named after its label, from letters, digits and underscores alone."""
        label = count.outcome
        if label in self._files_by_label:
            return self._files_by_label[label]
        file = self._file_of(count, label)
        if file is not None:
            self._files_by_label[label] = file
        return file

    def _file_of(self, count: Count, label: str) -> str | None:
        stem = outcome_file(label)
        rename = f"Rename the outcome with {spelled('renames', f'{visible(label)}=NAME')}"
        for alike in (_titled, _named):
            for table in self.contract.of_role("outcome"):
                if alike(table, label):
                    return self._claimed(count, table.file, table)
        if not stem or (fault := outcome_fault(stem)) is not None:
            wrong = "has no letters for the name of a file" if not stem else f"cannot be a file name: {stem!r} {fault}"
            self._fault(count.place, "outcome", label, wrong, rename)
            return None
        if not (self.folder / DESCRIPTOR).is_file():
            self._fault(
                count.place,
                "outcome",
                label,
                f"is not an outcome of the review, and a folder without {DESCRIPTOR} cannot get a new one",
                f"Import into a folder made by new_review, or {rename[0].lower()}{rename[1:]}",
            )
            return None
        if f"{stem}.csv" not in self._files and len(self._files) >= _MOST_OUTCOMES:
            self._fault(
                count.place,
                "outcome",
                label,
                f"is one outcome more than the {_MOST_OUTCOMES} that one import can fill",
                f"Check the column of outcomes, or choose some with {spelled('outcomes', 'NAME')}",
            )
            return None
        for file, known in self._labels.items():
            if _like(known) == _like(label):
                return file
        # Names that differ only beyond the length of a file name, or in signs that it cannot have, are numbered.
        number = 1
        while (file := f"{stem if number == 1 else _numbered(stem, number)}.csv") in self._labels or file in self.contract.tables:
            number += 1
        if (self.folder / file).exists():
            self._fault(count.place, "outcome", label, f"would be written to {file}, which is another file", rename)
            return None
        if number > 1:
            self.found.notes.append(
                f"{visible(label)!r} is written to {file}, because another outcome, {visible(self._title(stem))!r}, has the name "
                f"without the number. If they are one outcome, join them with {joined(label, self._title(stem))}."
            )
        return self._claimed(count, file, NewOutcome(file.removesuffix(".csv"), cut(label, _LONGEST_LABEL)))

    def _title(self, stem: str) -> str:
        """The title of the outcome whose file has this name."""
        there = self.contract.tables.get(f"{stem}.csv")
        return self._labels.get(f"{stem}.csv") or (there.label if there is not None else "") or stem

    def _claimed(self, count: Count, file: str, what: TableContract | NewOutcome) -> str | None:
        other = self._labels.setdefault(file, count.outcome)
        if _like(other) != _like(count.outcome):
            self._fault(
                count.place,
                "outcome",
                count.outcome,
                f"would be written to {file}, as {visible(other)!r} is",
                f"Choose one with {spelled('outcomes', visible(count.outcome))}, or rename it with "
                f"{spelled('renames', f'{visible(count.outcome)}=NAME')}",
            )
            return None
        self._files[file] = what
        return file

    def _study_cells(self, count: Count, key: str) -> Cells:
        columns = self.contract.of_role("studies")[0].column_names
        cells = {name: text for name, text in self._all(count).items() if name in columns and text}
        if not cells.get("first_author") and "first_author" in columns:
            cells["first_author"] = cell(author_and_year(self.renames(count.study))[0])
        return {**cells, "study_id": key}

    def _arm_cells(self, count: Count, key: str, arms: TableContract) -> Cells:
        cells = {name: text for name, text in self._all(count).items() if (name in arms.column_names or name in self._own) and text}
        modality = cells.get("modality", "")
        if not cells.get("modality_class"):
            cells["modality_class"] = self._groups.get(modality, modality)
        return {**cells, "study_id": key}

    def _all(self, count: Count) -> Cells:
        own = {name: self._written.get(name, {}).get(text, text) for name, text in count.own.items()}
        return {**self.constants, **{name: text for name, text in {**own, **count.cells}.items() if text}}

    def _put(
        self, file: str, key: tuple[str, ...], cells: Cells, count: Count, old: Mapping[str, Mapping[tuple[str, ...], Row]]
    ) -> None:
        """A study or an arm: existing, new, or contradicting an existing one."""
        row = old[file].get(key)
        new = self._new.setdefault(file, {})
        known: Mapping[str, str] = row.text if row is not None else new[key][0] if key in new else {}
        where = f"{file} line {row.line}" if row is not None else f"line {new[key][1].row}" if key in new else ""
        said = self._all(count)
        for name, text in cells.items():
            theirs = known.get(name, "")
            # Sizes are set at the end, from all totals of the arm; values derived from a name never contradict.
            if not theirs or name not in said or name == "n" or _same(name, text, theirs):
                continue
            if row is not None and name in _DESCRIPTIVE:
                self.merged.kept += 1
                continue
            self._fault(
                count.place,
                name,
                text,
                f"contradicts {visible(theirs)!r} of {visible(' | '.join(key))} in {where}",
                f"Correct one of the two, or rename one with {spelled('renames', 'NAME=OTHER')}",
            )
            return
        if row is None and key in new:
            new[key] = ({**cells, **new[key][0]}, new[key][1])
        elif row is None:
            new[key] = (cells, count.place)

    def _count(self, count: Count, study: str, file: str, old: Mapping[str, Mapping[tuple[str, ...], Row]]) -> None:
        what = self._files[file]
        made = what if isinstance(what, TableContract) else None
        columns = made.column_names if made is not None else tuple(_columns_of(what)) if isinstance(what, NewOutcome) else ()
        defaults = {**_DEFAULTS, "source": self.found.source}
        given = {**defaults, **self._all(count), "study_id": study}
        lacking = count.spare - set(self._columns.get(file, columns))
        cells = {name: text for name, text in given.items() if name in columns and name not in lacking}
        key = tuple(cells.get(name, "") for name in (self._key(made) if made is not None else ("study_id", "arm")))
        numbers = (cells.get("events"), cells.get("total"))
        row = old.get(file, {}).get(key)
        new = self._new.setdefault(file, {})
        if row is None and key not in new:
            new[key] = (cells, count.place)
            return
        said = row.text if row is not None else new[key][0]
        where = f"{file} line {row.line}" if row is not None else f"line {new[key][1].row}"
        if numbers == (said.get("events"), said.get("total")):
            if row is not None:
                self.merged.there += 1
            else:
                self.merged.twice += 1
            return
        self._fault(
            count.place,
            "events",
            f"{numbers[0]}/{numbers[1]}",
            f"is another count of {visible(' | '.join(key))} than {said.get('events')}/{said.get('total')} in {where}",
            f"Choose one with {spelled('outcomes', 'NAME')}, or correct it; existing rows are never changed",
        )

    def _sizes(self, arms: TableContract) -> None:
        """Set the size of an arm, where it is not given, to its largest total."""
        if arms.column("n") is None:
            return
        largest: dict[tuple[str, ...], int] = {}
        for file, rows in self._new.items():
            if file in self._files:
                for cells, _ in rows.values():
                    total = cells.get("total", "")
                    if total.isascii() and total.isdigit() and len(total) < 10 and cells.get("unit", "patients") == "patients":
                        # A truncated row has no arm, which is reported as its own fault.
                        arm = (cells.get("study_id", ""), cells.get("arm", ""))
                        largest[arm] = max(largest.get(arm, 0), int(total))
        for key, (cells, _) in self._new.get(arms.file, {}).items():
            # An unreadable total is already a fault; a size avoids a second one.
            if not cells.get("n"):
                cells["n"] = str(max(largest.get(key, 1), 1))
        assert self.tables.arms is not None  # a folder without faults has them
        for row in self.tables.arms.rows:
            key = (row.text["study_id"], row.text["arm"])
            before = row.values.get("n")
            if before is not None and largest.get(key, 0) > before and self._wrote_size(key, before):
                self._grown[row.line] = largest[key]

    def _wrote_size(self, key: tuple[str, ...], size: int) -> bool:
        """Whether the size of an arm is what an import set: the largest total of counts that all came by imports."""
        counts = [row for table in self.tables.outcomes for row in table.rows if (row.text["study_id"], row.text["arm"]) == key]
        patients = [row.values.get("total") or 0 for row in counts if row.text.get("unit", "patients") == "patients"]
        return bool(patients) and size == max(patients) and all(row.text.get("note", "").startswith(IMPORTED) for row in counts)

    def _draft(self, gone: Mapping[str, set[int]]) -> None:
        findings = self.found.findings
        present = {table.contract.file: table.contract for table in self.tables.every()}
        for file, lines in gone.items():
            if lines and (draft := self._open(file, present)) is not None:
                draft.drop(lines)
        sizes = self.contract.of_role("arms")[0].file
        if self._grown and (draft := self._open(sizes, present)) is not None:
            for line, size in self._grown.items():
                draft.set(line - sum(gone_line < line for gone_line in gone.get(sizes, ())), "n", str(size))
        if self._own and self._new.get(sizes) and (draft := self._open(sizes, present)) is not None:
            draft.widen([name for name in self._own if name not in draft.columns])
        for file, rows in self._new.items():
            if rows and (draft := self._open(file, present)) is not None:
                fitting = []
                for cells, place in rows.values():
                    absent = [name for name, text in cells.items() if text and name not in draft.columns]
                    for name in absent:
                        findings.cannot_read(
                            file, "has no such column, and the import would fill it", f"Add {name!r}", row=1, column=name
                        )
                    if not absent:
                        fitting.append((cells, place))
                draft.add(fitting)
                self.merged.added[file] = len(fitting)
        resources = [what for what in self._files.values() if isinstance(what, NewOutcome)]
        own = list(self._own.values()) if self._new.get(sizes) else []
        if (resources or own) and not findings.faults:
            content: dict[str, Any] = json.loads(self.contract.content.decode("utf-8-sig"))
            for resource in content["resources"]:
                if resource.get("path") == sizes:
                    resource["schema"]["fields"] += own
            content["resources"] += [outcome_resource(outcome) for outcome in resources]
            self.merged.descriptor = descriptor_text(content).encode()
            self.merged.new_columns = [str(each["name"]) for each in own]
            self.merged.new_outcomes = [outcome.name for outcome in resources]

    def _open(self, file: str, present: Mapping[str, TableContract]) -> Draft | None:
        if file not in self.merged.drafts:
            what = present.get(file) or self.contract.tables.get(file) or self._files[file]
            if isinstance(what, NewOutcome):
                draft: Draft | None = new_draft(file, _columns_of(what))
            elif file in present:
                draft = open_draft(self.folder / file, what, self.found.findings)
            else:
                draft = new_draft(file, what.column_names)
            if draft is None:
                return None
            self.merged.drafts[file] = draft
        return self.merged.drafts[file]

    def _fault(self, place: Place, name: str, value: str, wrong: str, fix: str) -> None:
        column = visible(place.columns.get(name, name))
        self.found.findings.breaks_rule(self.found.file, wrong, fix, row=place.row, column=column, value=value)


def _columns_of(outcome: NewOutcome) -> list[str]:
    return [column["name"] for column in outcome_resource(outcome)["schema"]["fields"]]


#: Characters of the label of an outcome that are kept.
_LONGEST_LABEL = 200
_LONGEST_STEM = 60


def _like(label: str) -> str:
    """A label as it is compared: without case, and with one kind of space."""
    return " ".join(re.split(r"[\s_]+", cut(label, _LONGEST_LABEL).casefold().strip()))


def _titled(table: TableContract, label: str) -> bool:
    """Whether a label is the title of an outcome, or its name letter by letter."""
    return label == table.outcome or _like(label) == _like(table.label)


def _named(table: TableContract, label: str) -> bool:
    """Whether a label is the name of an outcome that has another title.

    A name that was made from the title says less than the title: names have no signs, in which outcomes can differ.
    """
    stem, own = outcome_file(table.label), table.outcome or ""
    number = own.rpartition("_")[2]
    made = own == stem or (number.isdecimal() and own == _numbered(stem, int(number)))
    return not made and _like(label) == _like(own)


def _numbered(stem: str, number: int) -> str:
    return f"{stem[: _LONGEST_STEM - len(str(number)) - 1].rstrip('_')}_{number}"


def _same(name: str, text: str, other: str) -> bool:
    """Whether two cells agree; titles are compared by their letters and digits, because sources punctuate them differently."""
    if name in {"title", "journal", "doi"}:
        return [c for c in text.casefold() if c.isalnum()] == [c for c in other.casefold() if c.isalnum()]
    return text == other
