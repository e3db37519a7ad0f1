"""The tables of a search, which any folder of tables may have: what their columns mean, and the numbers of the flow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

FLOW, EXCLUDED, SEARCHES = "search_flow.csv", "excluded.csv", "searches.csv"
#: Role of a table -> its file.
FILES: Mapping[str, str] = MappingProxyType({"search_flow": FLOW, "excluded": EXCLUDED, "searches": SEARCHES})
#: What the template of the R package PRISMA2020 writes into cells that nobody has filled.
UNFILLED = ("", "NA", "xxx")
#: Columns of that template that are kept and say nothing here.
KEPT = ("node", "box", "description", "boxtext", "tooltips", "url")


@dataclass(frozen=True)
class Number:
    """One number of the flow, or one list of names with numbers.

    Attributes
    ----------
    title
        What a reader calls it.
    short
        Its name in a sum: "databases 400 + registers 20".
    is_list
        Whether the cell is a list such as "Wrong population, 12; No rate, 3".
    """

    title: str
    short: str
    is_list: bool = False


#: Key of the PRISMA2020 template -> what it counts, in the order of the flow.
NUMBERS: Mapping[str, Number] = MappingProxyType(
    {
        "previous_studies": Number("Studies in the previous version", "previous studies"),
        "previous_reports": Number("Reports in the previous version", "previous reports"),
        "database_results": Number("Records from databases", "databases"),
        "database_specific_results": Number("Records from each database", "records of each database", True),
        "register_results": Number("Records from registers", "registers"),
        "register_specific_results": Number("Records from each register", "records of each register", True),
        "website_results": Number("Records from websites", "websites"),
        "organisation_results": Number("Records from organisations", "organisations"),
        "citations_results": Number("Records from citation searching", "citation searching"),
        "duplicates": Number("Duplicate records removed", "duplicates"),
        "excluded_automatic": Number("Records marked as ineligible by automation tools", "automation"),
        "excluded_other": Number("Records removed for other reasons", "other"),
        "records_screened": Number("Records screened", "records screened"),
        "records_excluded": Number("Records excluded", "records excluded"),
        "dbr_sought_reports": Number("Reports sought for retrieval", "reports sought"),
        "dbr_notretrieved_reports": Number("Reports not retrieved", "reports not retrieved"),
        "dbr_assessed": Number("Reports assessed for eligibility", "reports assessed"),
        "dbr_excluded": Number("Reports excluded", "reports excluded", True),
        "other_sought_reports": Number("Reports sought for retrieval (other methods)", "reports sought by other methods"),
        "other_notretrieved_reports": Number("Reports not retrieved (other methods)", "reports of other methods not retrieved"),
        "other_assessed": Number("Reports assessed for eligibility (other methods)", "reports of other methods assessed"),
        "other_excluded": Number("Reports excluded (other methods)", "reports of other methods excluded", True),
        "new_studies": Number("New studies included", "new studies"),
        "new_reports": Number("Reports of new studies included", "new reports"),
        "total_studies": Number("Studies included in total", "studies in total"),
        "total_reports": Number("Reports of included studies in total", "reports in total"),
        "total_studies_ma": Number("Studies in the meta-analysis", "studies in the meta-analysis"),
        "total_reports_ma": Number("Reports in the meta-analysis", "reports in the meta-analysis"),
    }
)
#: Rows of the template that are texts of the diagram.
LABELS = ("identification", "screening", "included")
#: A number of these that is 0 says that there is no such box: the template has 0 wherever nothing was written.
ABSENT_AT_ZERO = ("previous_studies", "previous_reports", "total_studies", "total_reports", "total_studies_ma", "total_reports_ma")
#: Stage of an excluded report -> the list of the flow that counts it.
STAGES: Mapping[str, str] = MappingProxyType({"full_text": "dbr_excluded", "other": "other_excluded"})


def _field(name: str, title: str, description: str, kind: str = "string", **rest: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "title": title, "description": description, **rest}


def _resource(
    role: str, title: str, description: str, fields: list[dict[str, Any]], missing: tuple[str, ...] = ("",)
) -> dict[str, Any]:
    return {
        "name": role,
        "title": title,
        "description": description,
        "path": FILES[role],
        "type": "table",
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "metanet": {"role": role},
        "schema": {"fields": fields, "missingValues": list(missing)},
    }


def _template_column(name: str) -> dict[str, Any]:
    about = "Column of the template of the R package PRISMA2020; kept and not used."
    return _field(name, f"Template: {name}", about, metanet={"optional": True})


def resources() -> list[dict[str, Any]]:
    """The descriptions of the tables, as a datapackage.json has them."""
    needed: dict[str, Any] = {"required": True}
    return [
        _resource(
            "search_flow",
            "Flow of the search",
            "Numbers of the PRISMA 2020 flow diagram, one row per number, under the keys of the R package PRISMA2020.",
            [
                _field(
                    "data", "Key", "Key of the number, such as `records_screened`; empty or `NA` in rows that are texts of a diagram."
                ),
                *(_template_column(name) for name in KEPT),
                _field(
                    "n",
                    "Number",
                    "The number, or a list such as `Wrong population, 12; No rate, 3`; empty, `NA` or `xxx` where it is not known.",
                ),
            ],
            UNFILLED,
        ),
        _resource(
            "excluded",
            "Excluded reports",
            "Reports that were read in full and excluded, one row per report.",
            [
                _field("citation", "Citation", "Authors, year, title and journal of the report.", constraints={**needed}),
                _field(
                    "doi",
                    "DOI",
                    "Digital object identifier without a resolver in front of it.",
                    constraints={"pattern": "10\\.\\d{4,9}/\\S+"},
                    metanet={"pattern_in_words": "a DOI that begins with 10. and has no https://doi.org/ in front"},
                ),
                _field(
                    "pmid",
                    "PMID",
                    "PubMed identifier.",
                    constraints={"pattern": "[1-9]\\d{0,8}"},
                    metanet={"pattern_in_words": "the digits of a PubMed identifier"},
                ),
                _field(
                    "stage",
                    "Stage",
                    "Where the report came from: `full_text` (databases and registers, also where the cell is empty) or `other` "
                    "(other methods).",
                    constraints={"enum": list(STAGES)},
                ),
                _field("reason", "Reason", "Why the report was excluded, in the words of the flow.", constraints={**needed}),
                _field("note", "Note", "Anything that a reader should know of the decision."),
            ],
        ),
        _resource(
            "searches",
            "Searches",
            "Searches of databases and registers, one row per search (PRISMA-S).",
            [
                _field("database", "Database", "Name of the database or register, such as MEDLINE.", constraints={**needed}),
                _field("platform", "Platform", "Platform or vendor, such as Ovid; empty when the database has its own."),
                _field(
                    "date",
                    "Date",
                    "Day of the last search.",
                    constraints=needed | {"pattern": "\\d{4}-\\d{2}-\\d{2}"},
                    metanet={"pattern_in_words": "the day as year, month and day, such as 2025-03-31"},
                ),
                _field("strategy", "Strategy", "The full search strategy, line by line as it was run, with limits."),
                _field("hits", "Records", "Records that the search found.", "integer", constraints=needed | {"minimum": 0}),
            ],
        ),
    ]
