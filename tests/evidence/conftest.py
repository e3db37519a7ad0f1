"""A small folder of tables without a fault, to be spoilt in one place by each test."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from metanet.base.errors import Problem
from metanet.evidence import Evidence, Report, load_evidence, validate

TABLES = {
    "studies.csv": """\
study_id,first_author,year,title,journal,doi,pmid,country,centre,enrol_start,enrol_end,design,overlap_group
Adams2010,Adams,2010,First report,J Test,10.1000/a1,1000001,Norway,Oslo,2001,2008,retrospective_cohort,Oslo
Adams2014,Adams,2014,Second report,J Test,10.1000/a2,1000002,Norway,Oslo,2001,2012,retrospective_cohort,Oslo
Baker2012,Baker,2012,Two arms,J Test,,,Italy,Rome,,,rct,
Clark2015,Clark,2015,One arm,,,,Japan,,2010,2013,case_series,
""",
    "arms.csv": """\
study_id,arm,modality,modality_class,n,pct_pancreatic,pct_g1,pct_g2,pct_g3,pct_prior_prrt,pct_prior_embolisation,\
pct_extrahepatic,median_age,pct_male,pct_whole_liver,followup_median_months
Adams2010,all,TARE-resin,TARE,50,40.5,,,,,,,61.5,,,24
Adams2014,all,TARE-resin,TARE,45,,,,,,,,,,,
Baker2012,TACE,cTACE,TACE,30,,20,50,30,,,,,,,
Baker2012,TAE,TAE,TAE,31,,,,,,,,,,,
Clark2015,all,TARE-glass,TARE,40,,,,,,,,,,,12.5
""",
    "objective_response.csv": """\
study_id,arm,events,total,unit,criteria,timepoint_months,derived,derivation,printed,source_kind,source,source_locator,\
certainty,double_extracted,poolable,note
Adams2010,all,20,50,patients,RECIST1.1,3,false,,,abstract,doi:10.1000/a1,Abstract,high,true,true,
Adams2014,all,18,45,patients,RECIST1.1,,true,40% of 45 -> 18,40% of 45,abstract,doi:10.1000/a2,Abstract,moderate,false,true,
Baker2012,TACE,9,30,patients,,,false,,,fulltext,doi:10.1000/b,Table 2,high,true,true,
Baker2012,TAE,7,31,patients,,,false,,,fulltext,doi:10.1000/b,Table 2,high,true,true,
Clark2015,all,10,40,patients,other:own criteria,,false,,,abstract,doi:10.1000/c,Abstract,low,false,true,a doubt
""",
    "hepatotoxicity.csv": """\
study_id,arm,definition,events,total,unit,criteria,timepoint_months,derived,derivation,printed,source_kind,source,\
source_locator,certainty,double_extracted,poolable,note
Adams2010,all,ctcae_grade3plus_laboratory,3,50,patients,CTCAE4,,false,,,abstract,s,p,high,true,true,
Adams2010,all,ctcae_grade3plus_any,5,50,patients,CTCAE4,,false,,,abstract,s,p,high,true,true,
Adams2010,all,reild,1,50,patients,,,false,,,abstract,s,p,high,true,true,
Clark2015,all,ctcae_grade3plus_laboratory,2,40,patients,CTCAE4,,false,,,abstract,s,p,high,true,true,
Clark2015,all,biliary_injury,1,40,patients,,,false,,,abstract,s,p,high,true,false,not graded
""",
}


class Folder:
    """Tables as text, written when they are validated or loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.path.mkdir(exist_ok=True)
        self.files: dict[str, bytes] = {name: text.encode() for name, text in TABLES.items()}

    def rows(self, file: str) -> list[list[str]]:
        return list(csv.reader(io.StringIO(self.files[file].decode(), newline="")))

    def put(self, file: str, rows: list[list[str]], *, delimiter: str = ",", encoding: str = "utf-8") -> None:
        out = io.StringIO(newline="")
        csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows(rows)
        self.files[file] = out.getvalue().encode(encoding)

    def set(self, file: str, line: int, column: str, value: str) -> None:
        rows = self.rows(file)
        rows[line - 1][rows[0].index(column)] = value
        self.put(file, rows)

    def add(self, file: str, **cells: str) -> None:
        rows = self.rows(file)
        rows.append([cells.get(name, rows[1][place]) for place, name in enumerate(rows[0])])
        self.put(file, rows)

    def write(self) -> Path:
        for name, data in self.files.items():
            (self.path / name).write_bytes(data)
        return self.path

    def validate(self) -> Report:
        return validate(self.write())

    def load(self, *, check: bool = True) -> Evidence:
        return load_evidence(self.write(), check=check)

    def only(self) -> Problem:
        """The one problem of the folder."""
        problems = self.validate().problems
        assert len(problems) == 1, [str(problem) for problem in problems]
        return problems[0]

    def notices(self) -> list[str]:
        report = self.validate()
        assert report.ok, str(report)
        return [f"{notice.file}: {notice.wrong}" for notice in report.notices]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "evidence")


@pytest.fixture(scope="session")
def curated() -> Evidence:
    return load_evidence()
