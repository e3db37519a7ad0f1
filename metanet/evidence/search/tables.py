"""The tables of a search: their files, and the numbers of the flow. Their columns are described with the other optional tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

#: Roles of the tables of a search, and their files.
SEARCHED = ("search_flow", "excluded", "searches")
FLOW, EXCLUDED, SEARCHES = "search_flow.csv", "excluded.csv", "searches.csv"
#: What the template of the R package PRISMA2020 writes into cells that nobody has filled.
UNFILLED = ("", "NA", "xxx")


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
