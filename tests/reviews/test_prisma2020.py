"""The template of the R package PRISMA2020 becomes the table of the flow, as it is, if every sum holds."""

from __future__ import annotations

import pytest

import metanet as mn
from metanet.base.errors import ArgumentError, DataError
from tests.evidence.search import TEMPLATE

FLOW = "search_flow.csv"


def test_the_template_comes_in_with_all_of_its_columns(review):
    made = review.take("prisma2020", TEMPLATE)
    assert made.added == ((FLOW, 11),)
    written = (review.data / FLOW).read_text(encoding="utf-8").splitlines()
    assert written[0] == "data,node,box,description,boxtext,tooltips,url,n"
    assert written[4].endswith("database_results.html,400")
    flow = mn.prisma_flow(mn.load_evidence(review.data))
    assert flow.numbers["records_screened"] == 350
    assert flow.check() is flow


def test_names_of_rows_that_r_writes_are_left_out(review):
    lines = TEMPLATE.decode().splitlines()
    named = [f'"",{lines[0]}', *(f'"{i}",{line}' for i, line in enumerate(lines[1:], 1))]
    review.take("prisma2020", "\n".join(named))
    assert mn.prisma_flow(review.data).numbers["duplicates"] == 70


def test_a_sum_that_does_not_hold_is_named_at_its_line_of_the_file_and_nothing_is_written(review):
    before = (review.data / FLOW).read_bytes()
    with pytest.raises(DataError, match="records_screened is 351") as error:
        review.take("prisma2020", TEMPLATE.replace(b"screened.html,350", b"screened.html,351"), "flow.csv")
    (problem,) = error.value.problems
    assert (problem.file, problem.row, problem.value) == ("flow.csv", 10, "351")
    assert (review.data / FLOW).read_bytes() == before


def test_a_number_that_cannot_be_read_is_refused(review):
    with pytest.raises(DataError, match="12b"):
        review.take("prisma2020", TEMPLATE.replace(b"html,400", b"html,12b"))


def test_numbers_that_are_there_are_not_overwritten(review):
    review.take("prisma2020", TEMPLATE)
    assert review.take("prisma2020", TEMPLATE).added == ((FLOW, 11),)
    with pytest.raises(DataError, match=r"Delete search_flow\.csv first"):
        review.take("prisma2020", TEMPLATE.replace(b"html,400", b"html,410").replace(b"html,350", b"html,360"))


@pytest.mark.parametrize("content", [b"%PDF-1.4", b"", b"data,n\n", b"a,b\n1,2\n"])
def test_other_files_are_refused(review, content):
    with pytest.raises(DataError):
        review.take("prisma2020", content)


@pytest.mark.parametrize("options", [{"values": ["unit=patients"]}, {"renames": ["a=b"]}, {"outcomes": ["x"]}])
def test_what_is_about_counts_is_refused(review, options):
    with pytest.raises(ArgumentError, match="the template of PRISMA2020 has no counts"):
        review.take("prisma2020", TEMPLATE, **options)
