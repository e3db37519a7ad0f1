"""RevMan 5: the XML of an .rm5 file to analyses of two groups.

The file is read as a stream of elements, so nothing nests, nothing is expanded and each element has its line. A document
type, without which no entity can be defined, is refused at its first character.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from xml.parsers import expat

from metanet.base.untrusted import counted, listing, visible
from metanet.evidence.findings import Findings
from metanet.reviews.importers.extracted_counts import MOST_ROWS, Found, Place, Request, name_fault
from metanet.reviews.importers.labels import plain_text
from metanet.reviews.importers.registry import importer
from metanet.reviews.importers.two_groups import DICHOTOMOUS, Analysis, GroupRow, counts_of
from metanet.reviews.names import year_of

_KINDS = {"DICH": DICHOTOMOUS, "CONT": "continuous", "IV": "generic inverse variance", "IPD": "O-E and variance", "OTHER": "other"}
_ELEMENT = re.compile(r"(DICH|CONT|IV|IPD|OTHER)_(OUTCOME|SUBGROUP|DATA)")
_DEEPEST = 100
_NUMBERS = {"events_1": "EVENTS_1", "total_1": "TOTAL_1", "events_2": "EVENTS_2", "total_2": "TOTAL_2"}
_PLACE = {**_NUMBERS, "study": "STUDY_ID", "year": "YEAR"}
_DOI = re.compile(r"10\.\d{4,9}/\S+")


class _RefusedError(Exception):
    def __init__(self, line: int, wrong: str, fix: str) -> None:
        super().__init__(wrong)
        self.line, self.wrong, self.fix = line, wrong, fix


@dataclass
class _Study:
    line: int
    name: str
    year: str
    reported: str = ""
    cells: dict[str, str] = field(default_factory=dict)


@importer("revman5", title="RevMan 5", suffixes=(".rm5",), file="the .rm5 file of a review")
def read_revman5(data: bytes, file: str, request: Request) -> Found:
    """The dichotomous analyses of an .rm5 file."""
    found = Found(file, f"RevMan 5 file {file}")
    if data.startswith(b"PK\x03\x04"):
        found.refuse("is a ZIP file, not the XML of RevMan 5", "For a data package write revman-web instead")
        return found
    reader = _Reader(found.findings, file)
    try:
        reader.read(data)
    except _RefusedError as refused:
        found.refuse(refused.wrong, refused.fix, row=refused.line)
        return found
    except expat.ExpatError as error:
        found.refuse(
            f"is not well-formed XML ({expat.ErrorString(error.code)})",
            "Save the review again in RevMan 5, or download it again",
            row=error.lineno,
        )
        return found
    except (ValueError, LookupError):
        found.refuse("is written in an encoding that cannot be read", "Save it as UTF-8")
        return found
    if reader.title:
        found.source = f"RevMan 5 file {file} ({visible(reader.title)[:120]})"
    analyses = reader.analyses()
    if not found.findings.faults:
        counts_of(analyses, request, found)
    used = {row.study for analysis in analyses for row in analysis.rows}
    if unused := [study.name for study in reader.studies.values() if study.name not in used]:
        names = listing(map(visible, unused), 200)
        found.left_out.append(f"{counted(len(unused), 'study', 'studies')} that no analysis has counts of: {names}")
    return found


class _Reader:
    def __init__(self, findings: Findings, file: str) -> None:
        self.findings, self.file = findings, file
        self.title = ""
        self.studies: dict[str, _Study] = {}
        self._path: list[str] = []
        self._text: list[str] = []
        self._study: _Study | None = None
        self._primary = False
        self._comparison = ["", ""]
        self._analysis: Analysis | None = None
        self._subgroup = ""
        self._stated: dict[str, str] = {}
        self._data: list[tuple[Analysis, int, str, dict[str, str]]] = []
        self._all: list[Analysis] = []
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text.append

    def read(self, data: bytes) -> None:
        """Read the whole document."""
        self._parser.Parse(data, True)

    @property
    def _line(self) -> int:
        return self._parser.CurrentLineNumber

    def _doctype(self, *_: object) -> None:
        raise _RefusedError(
            self._line,
            "has a document type, which could define entities; RevMan 5 writes none",
            "Delete the line with <!DOCTYPE, if you trust the file",
        )

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._path and name != "COCHRANE_REVIEW":
            raise _RefusedError(
                self._line, f"is XML of another kind: it begins with <{visible(name)[:40]}>", "Give the .rm5 file of RevMan 5"
            )
        self._path.append(name)
        self._text.clear()
        if len(self._path) > _DEEPEST:
            raise _RefusedError(self._line, f"nests elements more than {_DEEPEST} deep", "Give the .rm5 file of RevMan 5")
        if name == "STUDY" and "STUDIES" in self._path:
            self._begin_study(attributes)
        elif name == "REFERENCE":
            self._primary = attributes.get("PRIMARY") == "YES"
        elif name == "IDENTIFIER" and self._primary and self._study is not None:
            value = attributes.get("VALUE", "").strip()
            if attributes.get("TYPE") == "DOI" and _DOI.fullmatch(value):
                self._study.cells.setdefault("doi", value)
        elif name == "COMPARISON":
            self._comparison = [attributes.get("NO", "").strip(), ""]
        elif (element := _ELEMENT.fullmatch(name)) is not None:
            self._begin_data(element[1], element[2], attributes)

    def _begin_study(self, attributes: dict[str, str]) -> None:
        key, name = attributes.get("ID", ""), plain_text(attributes.get("NAME", ""))
        self._study = _Study(self._line, name, year_of(attributes.get("YEAR", "")))
        if key in self.studies:
            self.findings.cannot_read(
                self.file,
                f"is also the ID of the study on line {self.studies[key].line}",
                "Give every study its own ID",
                row=self._line,
                column="ID",
                value=key,
            )
        if (fault := name_fault(attributes.get("NAME", ""))) is not None:
            self.findings.cannot_read(self.file, *fault, row=self._line, column="NAME", value=name)
        self.studies[key] = self._study

    def _begin_data(self, kind: str, what: str, attributes: dict[str, str]) -> None:
        if what == "OUTCOME":
            number = ".".join(part for part in (self._comparison[0], attributes.get("NO", "").strip()) if part)
            self._analysis = Analysis(number, "", self._comparison[1], _KINDS[kind], ("Experimental", "Control"), self._line)
            self._analysis.swapped = attributes.get("SWAP_EVENTS", "NO") == "YES"
            self._analysis.totals = attributes.get("TOTALS", "")
            self._analysis.stated = attributes
            self._subgroup = ""
            self._all.append(self._analysis)
        elif what == "SUBGROUP":
            self._subgroup = attributes.get("NO", "").strip()
            self._stated = attributes
        elif self._analysis is not None:
            if len(self._data) >= MOST_ROWS:
                raise _RefusedError(self._line, f"has more than {MOST_ROWS:,} rows of data", "Divide the file")
            self._data.append((self._analysis, self._line, self._subgroup, attributes))

    def _end(self, name: str) -> None:
        self._path.pop()
        parent = self._path[-1] if self._path else ""
        text = " ".join("".join(self._text).split())
        self._text.clear()
        if name == "TITLE" and parent == "COVER_SHEET":
            self.title = text
        elif name == "NAME" and parent == "COMPARISON":
            self._comparison[1] = text
        elif name == "NAME" and parent.endswith("_OUTCOME") and self._analysis is not None:
            self._analysis.name = text
        elif name == "NAME" and parent.endswith("_SUBGROUP"):
            self._subgroup = text or self._subgroup
            if self._analysis is not None:
                self._analysis.stated_subgroups[self._subgroup] = self._stated
        elif name in {"GROUP_LABEL_1", "GROUP_LABEL_2"} and self._analysis is not None and text:
            first, second = self._analysis.labels
            self._analysis.labels = (text, second) if name.endswith("1") else (first, text)
        elif name == "YR" and self._study is not None and (self._primary or not self._study.reported):
            self._study.reported = year_of(text)
        elif name in {"TI", "SO"} and self._primary and self._study is not None and text:
            self._study.cells.setdefault({"TI": "title", "SO": "journal"}[name], text)
        elif name == "STUDY":
            self._study = None
        elif name == "REFERENCE":
            self._primary = False
        elif name.endswith("_SUBGROUP"):
            self._subgroup = ""
        elif name.endswith("_OUTCOME"):
            self._analysis = None

    def analyses(self) -> list[Analysis]:
        """The analyses with their rows; studies may come before or after the data."""
        for analysis, line, subgroup, attributes in self._data:
            if analysis.kind != DICHOTOMOUS:
                continue
            key = attributes.get("STUDY_ID", "")
            study = self.studies.get(key)
            if study is None:
                self.findings.cannot_read(
                    self.file,
                    "is not the ID of a study of the file",
                    "Save the review again in RevMan 5",
                    row=line,
                    column="STUDY_ID",
                    value=key,
                )
                continue
            numbers = {ours: attributes.get(theirs, "") for ours, theirs in _NUMBERS.items()}
            # The year of the study is what RevMan shows; then that of its name, then that of its report.
            about = {**study.cells, "year": study.year or year_of(study.name) or study.reported}
            analysis.rows.append(GroupRow(Place(line, _PLACE), study.name, subgroup, numbers, about, attributes))
        return self._all
