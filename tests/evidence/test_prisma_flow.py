"""`prisma_flow`: the numbers of a review or of a caller, their check, and the sentences of a report."""

from __future__ import annotations

import json

import numpy as np
import pytest

import metanet as mn
from metanet.base.errors import ArgumentError, DataError

from .search import FLOW, UPDATED, flow_csv, searches_csv

NUMBERS = dict(FLOW)


def test_the_flow_of_the_acceptance_holds():
    flow = mn.prisma_flow(NUMBERS)
    assert flow.check() is flow
    assert flow.numbers["dbr_excluded"] == 40
    assert flow.numbers["dbr_assessed"] - flow.numbers["dbr_excluded"] == 25
    assert flow.numbers["other_assessed"] - flow.numbers["other_excluded"] == 2
    assert flow.numbers["new_reports"] == 27
    assert flow.identities["holds"].all()
    assert flow.method["sentence"] == "9 sums of the flow hold."


def test_the_flow_in_words():
    assert mn.prisma_flow(NUMBERS).sentence() == (
        "The searches found 420 records (databases, 400; registers, 20); 70 were removed before screening (duplicates, 70). "
        "350 records were screened and 280 excluded. "
        "70 reports were sought for retrieval, of which 5 were not retrieved; 65 were assessed for eligibility, of which 40 were "
        "excluded (Wrong population, adults, 25; No rate, 15). "
        "6 reports by other methods (websites, 4; citation searching, 3) were sought for retrieval, of which 1 was not retrieved; "
        "5 were assessed for eligibility, of which 3 were excluded (No rate, 3). "
        "24 studies (27 reports) were included."
    )


def test_an_updated_review_says_what_is_new_and_what_there_was():
    assert mn.prisma_flow(UPDATED).sentence().endswith(
        "24 new studies (27 reports) were included; the previous version of the review had 10 studies (12 reports), so that there are "
        "34 studies (39 reports) in total; 30 studies (33 reports) are in the meta-analysis."
    )  # fmt: skip


def test_one_of_each_is_singular():
    flow = mn.prisma_flow({"database_results": 1, "records_screened": 1, "dbr_sought_reports": 1, "new_studies": 1, "new_reports": 1})
    assert flow.sentence() == (
        "The searches found 1 record (databases, 1). 1 record was screened. 1 report was sought for retrieval. 1 study (1 report) was "
        "included."
    )


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("new_reports", 30, "new_reports is 30, but reports assessed 65"),
        (
            "records_screened",
            349,
            "records_screened is 349, but databases 400 + registers 20 − duplicates 70 − automation 0 − other 0 = 350",
        ),
    ],
)
def test_a_sum_that_does_not_hold_is_an_error_with_both_sides(key, value, said):
    flow = mn.prisma_flow({**NUMBERS, key: value})
    with pytest.raises(DataError, match="PRISMA 2020 flow") as error:
        flow.check()
    assert any(said in problem.wrong for problem in error.value.problems)
    assert not flow.identities["holds"].all()
    assert any("too" in note for note in flow.notes)
    assert not any("_" in note for note in flow.notes)


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({"records_screened": "12b"}, "records_screened='12b' is not a number"),
        ({"records_screened": 1.5}, "is not a whole number"),
        ({"records_screened": True}, "must be a whole number or a list"),
        ({"records_screened": [1]}, "must be a whole number or a list"),
        ({"record_screened": 1}, "Write 'records_screened' if that is meant"),
        ({"dbr_excluded": {"a;b": 1}}, "without a semicolon"),
        ({"dbr_excluded": {"a": "x"}}, "without a comma and a whole number"),
        ({"dbr_excluded": {"a": 1, "A": 2}}, "names 'A' twice"),
        ({"\x1b[31m": 1}, "is not a key"),
    ],
)
def test_numbers_that_cannot_be_read_are_refused(numbers, said):
    with pytest.raises(ArgumentError) as error:
        mn.prisma_flow(numbers)
    assert said in str(error.value)
    assert "\x1b" not in str(error.value)


def test_numbers_may_be_those_of_numpy_and_lists_texts():
    flow = mn.prisma_flow({"records_screened": np.int64(7), "records_excluded": 3.0, "dbr_excluded": "A, b, 4"})
    assert flow.numbers == {"records_screened": 7, "records_excluded": 3, "dbr_excluded": 4}
    assert flow.lists == {"dbr_excluded": (("A, b", 4),)}


def test_a_review_without_a_flow_says_so():
    flow = mn.prisma_flow(mn.load_evidence())
    assert flow.reason is not None
    assert "search_flow.csv" in flow.sentence()
    assert flow.check() is flow
    assert not len(flow.to_frame())
    assert flow.methods() == ""
    assert json.dumps(flow.to_dict())
    assert "no flow" in flow.summary()


def test_a_frame_of_counts_has_no_flow():
    assert mn.prisma_flow(mn.pool(events=[3, 5], total=[20, 30]).rates()).reason


def test_every_number_and_every_name_has_a_row():
    frame = mn.prisma_flow(UPDATED).to_frame()
    named = frame[frame["key"] == "dbr_excluded"]
    assert list(zip(named["name"], named["n"], strict=True)) == [("Wrong population, adults", 25), ("No rate", 15)]
    assert list(frame.columns) == ["key", "title", "name", "n"]


def test_the_flow_of_evidence_is_held_against_its_tables(folder):
    folder.files["search_flow.csv"] = flow_csv(FLOW)
    folder.files["searches.csv"] = searches_csv([("MEDLINE", "250"), ("Embase", "150")])
    flow = mn.prisma_flow(folder.load())
    assert any("rows of studies.csv 4" in note for note in flow.notes)
    assert flow.check() is flow
    assert flow.methods() == "MEDLINE (Ovid) and Embase (Ovid) were last searched on 31 March 2025."
    folder.set("searches.csv", 3, "date", "2024-12-01")
    said = mn.prisma_flow(folder.load()).methods()
    assert said == "The last searches were: MEDLINE (Ovid) on 31 March 2025 and Embase (Ovid) on 1 December 2024."


def test_tables_that_were_loaded_without_the_check_are_refused_by_the_flow(folder):
    folder.files["search_flow.csv"] = flow_csv({**FLOW, "new_reports": "30"})
    flow = mn.prisma_flow(folder.load(check=False))
    with pytest.raises(DataError, match=r"search_flow\.csv:n: new_reports is 30"):
        flow.figure()
