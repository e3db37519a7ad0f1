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
from metanet.reviews.importers.revman5_export import is_export, read_export
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


#: Elements whose text may contain others, such as paragraphs, italics and tracked changes.
_NAMED = frozenset({"NAME", "TITLE", "GROUP_LABEL_1", "GROUP_LABEL_2"})
_PROSE = _NAMED | {"TI", "SO", "AU", "YR", "VL", "NO", "PG", "DESCRIPTION", "CHAR_REASON_FOR_EXCLUSION"}
#: Parts of a reference, by their elements.
_REFERENCE = {"AU": "authors", "TI": "title", "SO": "journal", "YR": "year", "VL": "volume", "NO": "issue", "PG": "pages"}
_JUDGEMENTS = {"YES": "low", "NO": "high", "UNKNOWN": "unclear"}
_SECTIONS = {
    "INCLUDED_STUDIES": "included",
    "EXCLUDED_STUDIES": "excluded",
    "AWAITING_STUDIES": "awaiting",
    "ONGOING_STUDIES": "ongoing",
}
_PMID = re.compile(r"(?:PUBMED|PMID)?\W*(?P<digits>[1-9]\d{4,8})", re.IGNORECASE)


@dataclass
class _Study:
    line: int
    name: str
    year: str
    section: str = ""
    references: list[dict[str, str]] = field(default_factory=list)

    @property
    def main(self) -> dict[str, str]:
        """The reference that describes the study: the primary one, else the first."""
        return next((each for each in self.references if each.get("primary") == "true"), self.references[0] if self.references else {})

    @property
    def cells(self) -> dict[str, str]:
        """What the tables have columns for."""
        return {name: self.main[name] for name in ("title", "journal", "doi", "pmid") if self.main.get(name)}


@importer("revman5", title="RevMan 5", suffixes=(".rm5", ".csv"), file="the .rm5 file of a review, or its exported analysis data")
def read_revman5(data: bytes, file: str, request: Request) -> Found:
    """The dichotomous analyses of an .rm5 file."""
    found = Found(file, f"RevMan 5 file {file}")
    if data.startswith(b"PK\x03\x04"):
        found.refuse("is a ZIP file, not the XML of RevMan 5", "For a data package write revman-web instead")
        return found
    if is_export(data):
        analyses = read_export(data, file, found)
        if not found.findings.faults:
            counts_of(analyses, request, found)
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
    found.beside = reader.beside()
    used = {row.study for analysis in analyses for row in analysis.rows}
    included = [study for study in reader.studies.values() if study.section in ("", "included")]
    if unused := [study.name for study in included if study.name not in used]:
        names = listing(map(visible, unused), 200)
        found.left_out.append(f"{counted(len(unused), 'study', 'studies')} that no analysis has counts of: {names}")
    return found


def _citation(study: _Study) -> str:
    """A reference in one line; the name of the study where it has none."""
    main = study.main
    parts = [main.get(name, "") for name in ("authors", "title", "journal", "year")]
    return ". ".join(part.rstrip(".") for part in parts if part) or study.name


class _Reader:
    def __init__(self, findings: Findings, file: str) -> None:
        self.findings, self.file = findings, file
        self.title = ""
        self.studies: dict[str, _Study] = {}
        self._path: list[str] = []
        self._study: _Study | None = None
        self._reference: dict[str, str] | None = None
        self._prose: list[str] | None = None
        #: How many elements of deleted text are open: RevMan keeps what tracked changes took out.
        self._deleted = 0
        self._item = {"domain": "", "groups": ""}
        self._groups: dict[str, str] = {}
        self._judgement: dict[str, str] | None = None
        self._judgements: list[dict[str, str]] = []
        self._excluded = ""
        self._reasons: dict[str, str] = {}
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
        self._parser.CharacterDataHandler = self._characters

    def _characters(self, data: str) -> None:
        # A line end between two tracked changes is one of the file: the changes have their own spaces.
        between = "\n" in data and data.isspace() and self._path[-1] in _NAMED
        if self._prose is not None and not self._deleted and not between:
            self._prose.append(data)

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
        if len(self._path) > _DEEPEST:
            raise _RefusedError(self._line, f"nests elements more than {_DEEPEST} deep", "Give the .rm5 file of RevMan 5")
        if name == "DEL":
            self._deleted += 1
        elif name in _PROSE and self._prose is None:
            self._prose = []
        elif name in ("P", "BR", "LI") and self._prose is not None:
            self._prose.append(" ")
        if name == "STUDY" and "STUDIES" in self._path:
            self._begin_study(attributes)
        elif name == "REFERENCE" and self._study is not None:
            self._reference = {"primary": "true" if attributes.get("PRIMARY") == "YES" else "false"}
            self._study.references.append(self._reference)
        elif name == "IDENTIFIER" and self._reference is not None:
            self._identifier(attributes)
        elif name == "QUALITY_ITEM":
            self._item = {"domain": ""}
        elif name == "QUALITY_ITEM_DATA_ENTRY":
            self._judgement = {**self._item, "key": attributes.get("STUDY_ID", ""), "group": attributes.get("GROUP_ID", "")}
            self._judgement["judgement"] = _JUDGEMENTS.get(attributes.get("RESULT", ""), "unclear")
        elif name.endswith("_GROUP") and attributes.get("ID", "").startswith("QIG"):
            self._groups[attributes["ID"]] = ""
        elif name == "EXCLUDED_CHAR":
            self._excluded = attributes.get("STUDY_ID", "")
        elif name == "COMPARISON":
            self._comparison = [attributes.get("NO", "").strip(), ""]
        elif (element := _ELEMENT.fullmatch(name)) is not None:
            self._begin_data(element[1], element[2], attributes)

    def _identifier(self, attributes: dict[str, str]) -> None:
        assert self._reference is not None
        kind, value = attributes.get("TYPE", ""), attributes.get("VALUE", "").strip()
        if kind == "DOI" and (doi := _DOI.search(value)) is not None:
            self._reference.setdefault("doi", doi[0])
        elif (kind in ("MEDLINE", "PUBMED") or value.upper().startswith(("PUBMED", "PMID"))) and (pmid := _PMID.fullmatch(value)):
            self._reference.setdefault("pmid", pmid["digits"])

    def _begin_study(self, attributes: dict[str, str]) -> None:
        key, name = attributes.get("ID", ""), plain_text(attributes.get("NAME", ""))
        section = next((_SECTIONS[part] for part in reversed(self._path) if part in _SECTIONS), "")
        self._study = _Study(self._line, name, year_of(attributes.get("YEAR", "")), section)
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
        text = ""
        if name == "DEL":
            self._deleted -= 1
        if name in _PROSE and self._prose is not None and not any(part in _PROSE for part in self._path):
            text, self._prose = plain_text("".join(self._prose)), None
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
        elif name in _REFERENCE and parent == "REFERENCE" and self._reference is not None and text:
            self._reference.setdefault(_REFERENCE[name], text)
        elif name == "STUDY":
            self._study = None
        elif name == "REFERENCE":
            self._reference = None
        elif name == "NAME" and parent == "QUALITY_ITEM":
            self._item["domain"] = text
        elif name == "NAME" and self._groups and parent.endswith("_GROUP"):
            self._groups[next(reversed(self._groups))] = text
        elif name == "DESCRIPTION" and parent == "QUALITY_ITEM_DATA_ENTRY" and self._judgement is not None:
            self._judgement["support"] = text
        elif name == "QUALITY_ITEM_DATA_ENTRY" and self._judgement is not None:
            self._judgements.append(self._judgement)
            self._judgement = None
        elif name == "CHAR_REASON_FOR_EXCLUSION":
            self._reasons[self._excluded] = text
        elif name.endswith("_SUBGROUP"):
            self._subgroup = ""
        elif name.endswith("_OUTCOME"):
            if self._analysis is not None:
                self._analysis.name = self._analysis.name or f"Analysis {self._analysis.number}"
            self._analysis = None

    def beside(self) -> dict[str, list[dict[str, str]]]:
        """Judgements of the risk of bias, excluded studies with their reasons, and references."""
        judged = [
            {
                "study": self.studies[each["key"]].name,
                "outcome": self._groups.get(each["group"], ""),
                "tool": "RevMan 5",
                "domain": each["domain"],
                "judgement": each["judgement"],
                "support": each.get("support", ""),
            }
            for each in self._judgements
            if each["key"] in self.studies
        ]
        excluded = [
            {
                "study": study.name,
                "citation": _citation(study),
                "doi": study.main.get("doi", ""),
                "pmid": study.main.get("pmid", ""),
                "stage": "full_text",
                "reason": self._reasons.get(key, ""),
            }
            for key, study in self.studies.items()
            if study.section == "excluded"
        ]
        names = (*dict.fromkeys(_REFERENCE.values()), "doi", "pmid", "primary")
        references = [
            {"study": study.name, "section": study.section, **{name: each.get(name, "") for name in names}}
            for study in self.studies.values()
            for each in study.references
        ]
        tables = {"risk_of_bias": judged, "excluded": excluded, "references": references}
        return {name: rows for name, rows in tables.items() if rows}

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
            about = {**study.cells, "year": study.year or year_of(study.name) or year_of(study.main.get("year", ""))}
            analysis.rows.append(GroupRow(Place(line, _PLACE), study.name, subgroup, numbers, about, attributes))
        return self._all
