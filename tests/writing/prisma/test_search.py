"""Text, tables and checklist of the search of a review."""

from __future__ import annotations

import pytest

import metanet as mn
from metanet.base.errors import ArgumentError
from tests.evidence.conftest import Folder
from tests.evidence.search import FLOW, excluded_csv, flow_csv, text_of

_ITEMS = """
1 2 3 4 5 6 7 8 9 10a 10b 11 12 13a 13b 13c 13d 13e 13f 14 15 16a 16b 17 18 19 20a 20b 20c 20d 21 22 23a 23b 23c 23d
24a 24b 24c 25 26 27
"""
NUMBERS = _ITEMS.split()


@pytest.fixture
def folder(tmp_path):
    made = Folder(tmp_path / "evidence")
    made.files["search_flow.csv"] = flow_csv(FLOW)
    counts = {("full_text", "Wrong population, adults"): 25, ("", "no rate"): 15, ("other", "No rate"): 3}
    made.files["excluded.csv"] = excluded_csv(counts)
    made.files["searches.csv"] = text_of(
        [
            ["database", "platform", "date", "strategy", "hits"],
            ["MEDLINE", "Ovid", "2025-03-31", "1 exp Liver/\n2 1 and tumo?r", "250"],
            ["Embase", "", "2025-03-31", "liver AND tumour", "150"],
        ]
    )
    return made


def test_the_checklist_has_every_item_in_order(evidence):
    table = mn.prisma_checklist(evidence)
    assert list(table.to_frame()["item"]) == NUMBERS
    assert list(dict.fromkeys(table.groups)) == [
        *("Title", "Abstract", "Introduction", "Methods", "Results", "Discussion", "Other information")
    ]
    assert table.to_frame()["asks"].is_unique


def test_the_checklist_is_empty_where_people_must_answer(evidence):
    where = dict(mn.prisma_checklist(evidence).to_frame()[["item", "where"]].itertuples(index=False))
    assert {item for item, place in where.items() if place} == {"17", "19"}
    assert where["19"] == "Results: forest plot"


def test_the_checklist_names_the_tables_of_the_search(folder):
    table = mn.prisma_checklist(folder.load())
    where = dict(table.to_frame()[["item", "where"]].itertuples(index=False))
    assert {item for item, place in where.items() if place} == {"6", "7", "16a", "16b", "17", "19"}
    assert where["16a"] == "Results: flow diagram"
    assert table.sentence().startswith("Tables and reports of the review answer 6 of 42 items")
    folder.set("searches.csv", 3, "strategy", "")
    where = dict(mn.prisma_checklist(folder.load()).to_frame()[["item", "where"]].itertuples(index=False))
    assert not where["7"]


def test_the_checklist_takes_the_items_of_a_text(evidence, fit):
    text = mn.report_text(fit, mn.leave_one_out(fit))
    where = dict(mn.prisma_checklist(evidence, text).to_frame()[["item", "where"]].itertuples(index=False))
    assert all(where[item] for item in text.items)
    assert where["13f"] == "Methods: sensitivity analyses"
    assert not where["13e"]
    with pytest.raises(ArgumentError, match="report_text"):
        mn.prisma_checklist(evidence, "text")


def test_a_flow_is_a_part_of_the_text_of_a_report(folder, fit):
    flow = mn.prisma_flow(folder.load())
    text = mn.report_text(fit, flow)
    assert text.items["16a"] == flow.sentence()
    assert text.items["6"] == "MEDLINE (Ovid) and Embase were last searched on 31 March 2025."
    assert text.methods.startswith("MEDLINE")
    assert text.results.startswith("The searches found 420 records")
    assert any("bmj.n71" in source for source in text.sources)
    assert dict(text.to_frame()[["item", "topic"]].itertuples(index=False))["16a"] == "Study selection"


def test_of_a_review_without_a_flow_nothing_is_written(evidence, fit):
    text = mn.report_text(fit, mn.prisma_flow(evidence))
    assert not {"6", "16a"} & set(text.items)
    assert text.items == mn.report_text(fit).items
    assert not any("16a" in missing for missing in text.missing)


def test_excluded_reports_are_listed_by_reason_the_most_frequent_first(folder):
    table = mn.excluded_table(folder.load())
    assert table.title == "43 reports excluded"
    assert list(dict.fromkeys(table.groups)) == [
        "Databases and registers: Wrong population, adults (25)",
        "Databases and registers: no rate (15)",
        "Other methods: No rate (3)",
    ]
    assert table.labels == ["Report", "Identifiers"]


def test_identifiers_and_notes_of_excluded_reports_are_shown(folder):
    folder.files["excluded.csv"] = text_of(
        [
            ["citation", "doi", "pmid", "stage", "reason", "note"],
            ["Adams 2010", "10.1000/a", "12345", "", "No rate", "asked the authors"],
            ["Baker 2011", "", "", "full_text", "no  rate", ""],
        ]
    )
    table = mn.excluded_table(folder.load(check=False))
    assert table.groups == ("No rate (2)", "No rate (2)")
    assert table.texts() == [["Adams 2010", "doi:10.1000/a; PMID 12345", "asked the authors"], ["Baker 2011", "", ""]]
    assert list(table.to_frame().columns) == ["group", "citation", "doi", "pmid", "note"]


def test_searches_have_their_strategy_line_by_line(folder):
    table = mn.searches_table(folder.load())
    assert table.title == "2 searches: 400 records"
    assert table.texts()[0] == ["MEDLINE", "Ovid", "2025-03-31", "250", "1 exp Liver/ | 2 1 and tumo?r"]
    assert table.to_frame()["strategy"][0] == "1 exp Liver/\n2 1 and tumo?r"
    folder.set("searches.csv", 3, "strategy", "")
    assert "Without a strategy, which PRISMA-S asks for: Embase." in mn.searches_table(folder.load()).foot


@pytest.mark.parametrize("table", ["excluded_table", "searches_table"])
def test_a_review_without_the_table_says_so(evidence, table):
    made = getattr(mn, table)(evidence)
    assert not made.rows
    assert "has no rows" in made.sentence()
    assert not len(made.to_frame())
    assert "This review has no" in made.to_html()


@pytest.mark.parametrize("table", ["excluded_table", "searches_table", "prisma_checklist"])
def test_the_tables_are_written_in_every_form(folder, table, tmp_path):
    made = getattr(mn, table)(folder.load())
    for form in ("docx", "excel", "csv"):
        getattr(made, f"to_{form}")(tmp_path / f"table.{form}")
    assert made.to_html()
    assert made.to_latex()
