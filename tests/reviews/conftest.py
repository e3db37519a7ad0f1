"""A fresh review, and small files of the programs that are imported."""

from __future__ import annotations

import csv
import io
import shutil
import zipfile
from pathlib import Path

import pytest

from metanet.base.errors import DataError, Problem
from metanet.base.transaction import HOME
from metanet.reviews.importing import Imported, import_review
from metanet.reviews.new import new_review

STUDIES = """\
<STUDY ID="STD-1" NAME="Müller 2010" YEAR="2010"><REFERENCE PRIMARY="YES"><TI>Drug A against placebo</TI><SO>J Pain</SO>
<IDENTIFIERS><IDENTIFIER TYPE="DOI" VALUE="10.1000/abc"/></IDENTIFIERS></REFERENCE></STUDY>
<STUDY ID="STD-2" NAME="Smith 2012a" YEAR="2012."/>
<STUDY ID="STD-3" NAME="Lee 2015" YEAR=""/>"""
RELIEF = """\
<DICH_OUTCOME NO="1" SWAP_EVENTS="NO"><NAME>Pain relief</NAME>
<GROUP_LABEL_1>Drug A</GROUP_LABEL_1><GROUP_LABEL_2>Placebo</GROUP_LABEL_2>
<DICH_DATA STUDY_ID="STD-1" EVENTS_1="14" TOTAL_1="40" EVENTS_2="6" TOTAL_2="41"/>
<DICH_DATA STUDY_ID="STD-2" EVENTS_1="16" TOTAL_1="50" EVENTS_2="7" TOTAL_2="51"/>
</DICH_OUTCOME>"""
SCORE = """\
<CONT_OUTCOME NO="2"><NAME>Pain score</NAME>
<CONT_DATA STUDY_ID="STD-3" MEAN_1="1" SD_1="1" TOTAL_1="9" MEAN_2="2" SD_2="1" TOTAL_2="9"/>
</CONT_OUTCOME>"""
NAUSEA = """\
<DICH_OUTCOME NO="3" SUBGROUPS="YES"><NAME>Nausea</NAME><GROUP_LABEL_1>Drug A</GROUP_LABEL_1><GROUP_LABEL_2>Placebo</GROUP_LABEL_2>
<DICH_SUBGROUP NO="1"><NAME>Low dose</NAME>
<DICH_DATA STUDY_ID="STD-1" EVENTS_1="4" TOTAL_1="42" EVENTS_2="2" TOTAL_2="41"/></DICH_SUBGROUP>
<DICH_SUBGROUP NO="2"><NAME>High dose</NAME>
<DICH_DATA STUDY_ID="STD-2" EVENTS_1="5" TOTAL_1="50" EVENTS_2="2" TOTAL_2="51"/></DICH_SUBGROUP>
</DICH_OUTCOME>"""
HEAD = "Analysis group,Analysis number,Analysis name,Subgroup,Study,Study year,GIV Mean,Experimental mean,Experimental cases,"
ROWS = f"""\
{HEAD}Experimental N,Control mean,Control cases,Control N,O-E
1,1,Death,,Smith 2010,2010,,,3,40,,5,41,
1,1,Death,,Wu 2014,2014,,,2,30,,4,31,
1,2,Pain score,,Wu 2014,2014,,2.1,,30,2.5,,31,
"""
SETTINGS = f"""\
{HEAD[:45]}Analysis group name,Data type,Experimental group label,Control group label,Swap event and non-event
1,1,Death,Drug A versus placebo,Dichotomous,Drug A,Placebo,FALSE
1,2,Pain score,Drug A versus placebo,Continuous,Drug A,Placebo,FALSE
"""
COVIDENCE = """\
Covidence #,Study ID,Title,Reviewer Name,Country,Responders,Assessed,Drug name,Notes on design
12,Smith 2010,A trial,Ann Lee,USA,4,20,Drug A,x
12,Smith 2010,A trial,Bob Ray,USA,5,20,Drug A,y
12,Smith 2010,A trial,Consensus,USA,5,20,Drug A,z
15,Wu 2014,Another trial,Ann Lee,China,9,30,Drug B,
17,Zee 2016,Third,Ann Lee,China,,,Drug B,
"""
COVIDENCE_COLUMNS = ("Responders=events", "Assessed=total", "Drug name=modality")
COVIDENCE_OPTIONS = {"columns": COVIDENCE_COLUMNS, "outcomes": ["response"]}
PLAIN = """\
study,year,modality,events,total
Adams 2010,2010,Drug A,5,20
Baker 2011,2011,Drug A,7,30
"""


def rm5(*analyses: str, studies: str = STUDIES, top: str = "") -> str:
    """An .rm5 file with one comparison."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n{top}<COCHRANE_REVIEW><COVER_SHEET><TITLE>Pain</TITLE></COVER_SHEET>\n'
        f"<STUDIES_AND_REFERENCES><STUDIES><INCLUDED_STUDIES>\n{studies}\n</INCLUDED_STUDIES></STUDIES></STUDIES_AND_REFERENCES>\n"
        f'<ANALYSES_AND_DATA><COMPARISON NO="1"><NAME>Drug A versus placebo</NAME>\n{"".join(analyses)}\n</COMPARISON>'
        "</ANALYSES_AND_DATA></COCHRANE_REVIEW>\n"
    )


def package(members: dict[str, bytes | str]) -> bytes:
    """A ZIP of these files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return out.getvalue()


class Review:
    """A fresh review, with shorthand to import into it and to look at it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = path / "extracted_data"

    def take(self, format: str, content: bytes | str, name: str = "file", **options: object) -> Imported:
        path = self.path.parent / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return import_review(format, path, self.path, **options)

    def refused(self, format: str, content: bytes | str, name: str = "file", **options: object) -> tuple[Problem, ...]:
        """The problems of an import, which must leave the review as it was."""
        before = self.content()
        with pytest.raises(DataError) as caught:
            self.take(format, content, name, **options)
        assert self.content() == before
        return caught.value.problems

    def only(self, format: str, content: bytes | str, name: str = "file", **options: object) -> Problem:
        problems = self.refused(format, content, name, **options)
        assert len(problems) == 1, [str(problem) for problem in problems]
        return problems[0]

    def rows(self, table: str) -> list[dict[str, str]]:
        with (self.data / f"{table}.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def column(self, table: str, name: str) -> list[str]:
        return [row[name] for row in self.rows(table)]

    def counts(self, table: str) -> list[tuple[str, str, str, str]]:
        return [(row["study_id"], row["arm"], row["events"], row["total"]) for row in self.rows(table)]

    def content(self) -> dict[str, bytes]:
        """Every file but the lock, which is none of the review."""
        found = [path for path in sorted(self.path.rglob("*")) if path.is_file() and HOME not in path.parts]
        return {str(path.relative_to(self.path)): path.read_bytes() for path in found}


@pytest.fixture(scope="session")
def fresh(tmp_path_factory):
    return new_review(tmp_path_factory.mktemp("fresh") / "review")


@pytest.fixture
def review(fresh, tmp_path):
    shutil.copytree(fresh, tmp_path / "review")
    return Review(tmp_path / "review")


@pytest.fixture(scope="session", autouse=True)
def _shared(one_parent):
    """Reports are made by the one warm parent."""
