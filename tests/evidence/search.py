"""The flow of a small review, whose sums are right, and the other tables of its search."""

from __future__ import annotations

import csv
import io

#: The numbers of the acceptance: 25 reports from databases and registers, 2 from other methods.
FLOW = {
    "database_results": "400",
    "register_results": "20",
    "website_results": "4",
    "organisation_results": "0",
    "citations_results": "3",
    "duplicates": "70",
    "excluded_automatic": "0",
    "excluded_other": "0",
    "records_screened": "350",
    "records_excluded": "280",
    "dbr_sought_reports": "70",
    "dbr_notretrieved_reports": "5",
    "dbr_assessed": "65",
    "dbr_excluded": "Wrong population, adults, 25; No rate, 15",
    "other_sought_reports": "6",
    "other_notretrieved_reports": "1",
    "other_assessed": "5",
    "other_excluded": "No rate, 3",
    "new_studies": "24",
    "new_reports": "27",
}
#: The search of a review that had a version before, with a meta-analysis.
UPDATED = {
    **FLOW,
    "previous_studies": "10",
    "previous_reports": "12",
    "total_studies": "34",
    "total_reports": "39",
    "database_specific_results": "MEDLINE, 250; Embase, 150",
    "register_specific_results": "ClinicalTrials.gov, 20",
    "total_studies_ma": "30",
    "total_reports_ma": "33",
}


def text_of(rows: list[list[str]]) -> bytes:
    """Rows as CSV."""
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()


def flow_csv(cells: dict[str, str]) -> bytes:
    """A flow as its table."""
    return text_of([["data", "n"], *([key, n] for key, n in cells.items())])


def excluded_csv(counts: dict[tuple[str, str], int]) -> bytes:
    """(Stage, reason) -> reports, as the table of excluded reports."""
    rows = [[f"Author {stage} {reason} {i}", "", "", stage, reason, ""] for (stage, reason), n in counts.items() for i in range(n)]
    return text_of([["citation", "doi", "pmid", "stage", "reason", "note"], *rows])


def searches_csv(rows: list[tuple[str, str]]) -> bytes:
    """(Database, hits) as the table of searches."""
    head = ["database", "platform", "date", "strategy", "hits"]
    return text_of([head, *([name, "Ovid", "2025-03-31", "1 exp Liver/", hits] for name, hits in rows)])


#: The template of the R package, as far as a table of it differs from ours.
TEMPLATE = b"""\
data,node,box,description,boxtext,tooltips,url,n
NA,node4,prevstud,Grey title box; Previous studies,Previous studies,Grey title box; Previous studies,prevstud.html,0
previous_studies,node5,box1,Studies,Studies,Studies,previous_studies.html,0
previous_reports,NA,box1,Reports,Reports,NA,previous_reports.html,0
database_results,node7,box2,Records identified from: Databases,Databases,Records identified,database_results.html,400
database_specific_results,NA,box2,Records,Specific,NA,database_results.html,"Database 1, xxx; Database 2, xxx"
register_results,NA,box2,Records identified from: Registers,Registers,NA,NA,20
organisation_results,,box11,Records identified from: Organisations,Organisations,NA,NA,0
duplicates,node8,box3,Duplicate records,Duplicate records,Duplicate records,duplicates.html,70
records_screened,node9,box4,Records screened,Records screened,Records screened,records_screened.html,350
total_studies,node22,box16,Total studies,Total studies,Total studies,total_studies.html,0
identification,node1,identification,Blue identification box,Identification,Blue identification box,identification.html,0
"""
