"""The complete pages hold titles, never names of columns, words of vocabularies or codes of the registries."""

from __future__ import annotations

import re
from html import unescape

import pytest

from metanet.evidence.contract import curated_contract
from metanet.models.registry import MODELS, TAU2_CI
from metanet.reporting.run.batch import report

_RUNS = (
    ("hepatotoxicity", "TARE", ("rates",)),
    ("objective_response", "TARE", ("rates", "findings", "heterogeneity", "sensitivity")),
    ("hepatotoxicity", None, ("comparison",)),
    (None, None, ("benefit_risk", "replication")),
)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Path -> visible text with alternative texts, of every kind of report."""
    out = tmp_path_factory.mktemp("pages")
    for outcome, modality, analyses in _RUNS:
        report(outcome, modality, out=out, analyses=analyses)
    return {path.relative_to(out).as_posix(): _visible(path.read_text("utf-8")) for path in out.rglob("*.html")}


def _visible(page: str) -> str:
    page = re.sub(r"(?s)<(script|style)\b.*?</\1>", " ", page)
    said = " ".join(re.findall(r'\b(?:alt|title|aria-label)="([^"]*)"', page))
    # Names of files to download are names.
    return re.sub(r"\b[\w./]+\.(?:csv|json|ipynb|png|svg|pdf|docx|R)\b", "", unescape(re.sub(r"<[^>]*>", " ", page) + said))


def _codes() -> set[str]:
    """Every name with an underscore of the descriptor, and the codes of models that are no words."""
    words = {*MODELS, *TAU2_CI, "ci_lower", "ci_upper", "tau2_ci", "glmm", "left_out", "within_studies", "small_study_effects"}
    for table in curated_contract().tables.values():
        words |= {table.outcome, *table.column_names, *(word for column in table.columns for word in column.vocabulary)}
        words |= {family.name for family in table.families}
    return {word for word in words if "_" in word} | {"glmm", "PLO", "unsettled"}


def test_no_name_of_the_code_is_in_a_page(pages):
    kinds = {name for _, _, names in _RUNS for name in names} - {"rates", "replication"}
    assert {path.split("/")[1] for path in pages if path.startswith("analyses/")} == kinds
    assert any(path.startswith("replication/") for path in pages)
    codes = _codes()
    assert {"pct_pancreatic", "ctcae_grade3plus_any", "modality_class", "beta_binomial", "liver_failure"} <= codes
    found = {(code, path) for path, text in pages.items() for code in codes if re.search(rf"(?<!\w){code}(?!\w)", text)}
    assert not found
    assert not {path for path, text in pages.items() if re.search(r"\b(?:True|False|None|nan|NaN)\b", text)}
    # A report that failed would hold nothing.
    assert not {path for path, text in pages.items() if "Traceback" in text}
