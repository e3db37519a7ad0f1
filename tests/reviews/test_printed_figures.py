"""Tables that print percentages: the count is taken where it follows in one way, and refused with the set where it does not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings, strategies as st

import metanet as mn
from metanet.base.errors import ArgumentError
from metanet.evidence.proof.integers import printed_as
from metanet.evidence.proof.printed import parse
from metanet.reviews.importers.printed_figures import Fault, read_figures

from .conftest import COVIDENCE, COVIDENCE_OPTIONS, RELIEF, ROWS, rm5

HEAD = "study,year,modality,events,total"
DERIVED = ("true", "16.1% of 56 -> 9", "16.1% of 56")


def table(events="", total="56", percent=None, head=HEAD):
    cells = ["Adams 2010", "2010", "Drug A", events, total]
    if percent is None:
        return f"{head}\n{','.join(cells)}\n"
    return f"{head},percent\n{','.join([*cells, percent])}\n"


def the_row(review, outcome="response"):
    (row,) = review.rows(outcome)
    return (row["events"], row["total"]), (row["derived"], row["derivation"], row["printed"])


@pytest.mark.parametrize(
    ("content", "proof"),
    [
        (table("16.1%"), DERIVED),
        (table("16.1 %"), DERIVED),
        (table("16.1\u00a0%"), DERIVED),
        (table("16.1%", "56.0"), DERIVED),
        (table("", percent="16.1%"), DERIVED),
        (table("", percent="16.1"), DERIVED),
        (table("16.1%", percent="16.1"), DERIVED),
        (table("16.1%", percent="16%"), ("true", "16.1% of 56 = 16% of 56 -> 9", "16.1% of 56 = 16% of 56")),
        (table("16.10%"), None),
        (table("9 (16.1%)"), ("false", "", "9 = 16.1% of 56")),
        (table("9 ( 16.1 % )"), ("false", "", "9 = 16.1% of 56")),
        (table("9/56 (16.1%)"), ("false", "", "9/56 = 16.1% of 56")),
        (table("9/56 (16.1%)", ""), ("false", "", "9/56 = 16.1% of 56")),
        (table("9", percent="16.1"), ("false", "", "9 = 16.1% of 56")),
        (table("9.0", percent="16.1%"), ("false", "", "9 = 16.1% of 56")),
        (table("9/56", percent="16.1"), ("false", "", "9/56 = 16.1% of 56")),
        (table("9 (16%)", percent="16.1"), ("false", "", "9 = 16% of 56 = 16.1% of 56")),
        (table("9/56"), ("false", "", "")),
        (table("9 / 56"), ("false", "", "")),
        (table("9/56", ""), ("false", "", "")),
        (table("9", percent=""), ("false", "", "")),
    ],
)
def test_a_count_that_follows_in_one_way_comes_in_with_what_is_printed(review, content, proof):
    if proof is None:
        assert (
            "does not fit: 16.10 % of 56 is no whole number: 9 is 16.07 %" in review.only("csv", content, outcomes=["response"]).wrong
        )
        return
    review.take("csv", content, outcomes=["response"])
    assert the_row(review) == (("9", "56"), proof)
    report = mn.validate(review.data)
    assert report.ok
    assert [notice for notice in report.notices if notice.file == "response.csv"] == []


def test_a_count_that_is_printed_settles_what_its_percentage_leaves_open(review):
    review.take("csv", table("172 (39%)", "443"), outcomes=["response"])
    assert the_row(review) == (("172", "443"), ("false", "", "172 = 39% of 443"))


def test_two_percentages_of_one_count_may_settle_it(review):
    review.take("csv", table("39%", "443", percent="38.8"), outcomes=["response"])
    assert the_row(review)[0] == ("172", "443")


CAUSES = "Look for another denominator, a misprint or missing patients; write the count if the source prints it, or leave the row out"


@pytest.mark.parametrize(
    ("content", "column", "value", "wrong", "fix"),
    [
        (
            table("39%", "443"),
            "events",
            "39%",
            "is 171, 172, 173 or 174 of 443",
            "Write the count if the source prints it, or the percentage",
        ),
        (table("", "443", "39"), "percent", "39", "is 171, 172, 173 or 174 of 443", "Write the count if the source prints it"),
        (table("50.2%", "79"), "events", "50.2%", "does not fit: 50.2 % of 79 is no whole number: 39 is 49.4 %, 40 is 50.6 %", CAUSES),
        (table("", "79", "50.2"), "percent", "50.2", "does not fit: 50.2 % of 79 is no whole number", CAUSES),
        (table("9 (20%)"), "events", "9 (20%)", "does not fit the count 9: 20% of 56 is 11", "Check count, percentage and total"),
        (table("9", percent="20"), "percent", "20", "does not fit the count 9: 20% of 56 is 11", "Check count, percentage and total"),
        (table("9/56 (20%)"), "events", "9/56 (20%)", "does not fit the count 9", "Check"),
        (table("9/56", "60"), "events", "9/56", "is a count of 56, and the total beside it is 60", "Check both against the source"),
        (table("9/56 (16.1%)", "60"), "events", "9/56 (16.1%)", "is a count of 56, and the total beside it is 60", "Check both"),
        (table("16.1%", percent="20"), "events", "16.1%", "does not fit the other percentage of the row", "Check both percentages"),
        (table("16.1%", ""), "total", None, "is empty (Adams 2010)", "Write the number, or leave the row out with missing='skip'"),
        (table("16.1%", "NR"), "total", "NR", "is a word for a missing value (Adams 2010)", "Write the number"),
        (table("", "", "16.1"), "total", None, "is empty (Adams 2010)", "Write the number"),
        (table("16.1%", "0"), "events", "16.1%", "has the denominator 0", "Check it against the source"),
        (table("116.1%"), "events", "116.1%", "has a percentage above 100 (116.1%)", "Check it against the source"),
        (table("", percent="116.1"), "percent", "116.1", "has a percentage above 100 (116.1%)", "Check it"),
        (table("", percent="16.071428571"), "percent", "16.071428571", "has 9 decimals, more than the 6 that are read", "Write what"),
        (table('"16,1%"'), "events", "16,1%", "has a decimal comma", "Write 16.1%"),
        (table("", percent='"16,1"'), "percent", "16,1", "has a decimal comma", "Write 16.1%"),
        (table("", percent="NA"), "percent", "NA", "is a word for a missing value (Adams 2010)", "Write the number"),
        (table("", percent="<5%"), "percent", "<5%", "is not an exact number", "Write the number"),
        (table("", percent="KM 16%"), "percent", "KM 16%", "is not a number", "Write a number"),
        (table("9", percent="about 16"), "percent", "about 16", "is not an exact number", "Write the number"),
        (table("57/56"), "events", "57", "is more than the total 56", "Check both counts"),
        (table("12-15"), "events", "12-15", "is a range", "Write one number"),
        (table("²"), "events", "²", "is not a number", "Write a number"),
    ],
)
def test_what_does_not_follow_in_one_way_is_refused_at_its_place(review, content, column, value, wrong, fix):
    problem = review.only("csv", content, "mine.csv", outcomes=["response"])
    assert (problem.file, problem.row, problem.column, problem.value) == ("mine.csv", 2, column, value)
    assert wrong in problem.wrong
    assert fix in problem.fix


def test_the_column_of_the_file_is_named_and_every_row_is_checked_in_one_run(review):
    content = "study,year,drug,resp,assessed\nA 2010,2010,x,39%,443\nB 2011,2011,x,16.1%,56\nC 2012,2012,x,50.2%,79\n"
    options = {"columns": ["drug=modality", "resp=percent", "assessed=total"], "outcomes": ["response"]}
    problems = review.refused("csv", content, **options)
    assert [(problem.row, problem.column, problem.value) for problem in problems] == [(2, "resp", "39%"), (4, "resp", "50.2%")]


def test_trailing_zeros_count(review):
    assert "is 131, 132 or 133 of 300" in review.only("csv", table("44%", "300"), outcomes=["response"]).wrong
    review.take("csv", table("44.0%", "300"), outcomes=["response"])
    assert the_row(review) == (("132", "300"), ("true", "44.0% of 300 -> 132", "44.0% of 300"))


@pytest.mark.parametrize("separator", [";", "\t"])
def test_decimal_commas_are_read_where_cells_are_not_separated_by_commas(review, separator):
    rows = [
        "study,year,modality,events,total,percent",
        "A 2010,2010,x,16|1%,56,",
        "B 2011,2011,x,9 (16|1%),56,16|1",
        "C 2012,2012,x,,20,35|0",
    ]
    content = "\n".join(rows).replace(",", separator).replace("|", ",") + "\n"
    review.take("csv", content, outcomes=["response"])
    assert review.column("response", "printed") == ["16.1% of 56", "9 = 16.1% of 56", "35.0% of 20"]
    problem = review.only("csv", content.replace("35,0", "35.0"), outcomes=["harm"])
    assert problem.wrong == "has a decimal point in a file that writes decimals with a comma"


def test_decimal_points_are_read_between_semicolons_as_well(review):
    review.take("csv", table("16.1%").replace(",", ";"), outcomes=["response"])
    assert the_row(review) == (("9", "56"), DERIVED)


def test_two_groups_have_a_percentage_each(review):
    head = "study,year,total,percent,total_control,percent_control"
    review.take("csv", f"{head}\nAdams 2010,2010,56,16.1,40,5.0\n", outcomes=["response"])
    assert review.counts("response") == [("Adams2010", "Experimental", "9", "56"), ("Adams2010", "Control", "2", "40")]
    assert review.column("response", "printed") == ["16.1% of 56", "5.0% of 40"]
    problem = review.only("csv", f"{head}\nAdams 2010,2010,56,16.1,40,6.0\n", outcomes=["harm"])
    assert (problem.column, problem.value) == ("percent_control", "6.0")


def test_totals_follow_from_fractions_where_no_column_has_them(review):
    review.take("csv", "study,year,modality,events\nAdams 2010,2010,x,9/56 (16.1%)\nBaker 2011,2011,x,3/40\n", outcomes=["response"])
    assert review.counts("response") == [("Adams2010", "x", "9", "56"), ("Baker2011", "x", "3", "40")]
    problem = review.only("csv", "study,year,modality,events\nAdams 2010,2010,x,9/56\nClark 2011,2011,x,3\n", outcomes=["harm"])
    assert (problem.row, problem.column, problem.wrong) == (3, "total", "is empty (Clark 2011)")
    content = "study,year,events,events_control\nDixon 2012,2012,9/56,3/40\n"
    review.take("csv", content, outcomes=["harm"])
    assert [row[2:] for row in review.counts("harm")] == [("9", "56"), ("3", "40")]


@pytest.mark.parametrize(("head", "lacking"), [("study,year,modality,total", "events"), ("study,year,modality,percent", "total")])
def test_a_table_without_events_or_total_is_refused_with_the_option(review, head, lacking):
    problem = review.only("csv", f"{head}\nAdams 2010,2010,x,16\n", outcomes=["response"])
    assert f"has no column for {lacking!r}" in problem.wrong
    assert f"columns=['COLUMN={lacking}']" in problem.fix
    assert ("columns=['COLUMN=percent']" in problem.fix) == (lacking == "events")


def test_a_column_that_may_have_proportions_is_refused(review):
    content = "study,year,modality,total,percent\nA 2010,2010,x,500,0.2\nB 2011,2011,x,400,1\n"
    problem = review.refused("csv", content, outcomes=["response"])[0]
    assert (problem.row, problem.value) == (1, "percent")
    assert "0.2 may be 20 % or 0.2 %" in problem.wrong
    review.take("csv", content.replace("0.2", "0.2%").replace(",1\n", ",1.0%\n"), outcomes=["response"])
    assert [row[2:] for row in review.counts("response")] == [("1", "500"), ("4", "400")]


def test_what_the_file_says_of_a_count_is_kept(review):
    content = "study,year,modality,events,total,derivation,printed\nA 2010,2010,x,16.1%,56,read from the text,9/56\n"
    review.take("csv", content, outcomes=["response"])
    assert the_row(review)[1] == ("true", "read from the text; 16.1% of 56 -> 9", "9/56")


def without_printed(review, *, contract):
    """The review as it was made before tables had the column, or a table from which somebody took it."""
    path = review.data / "datapackage.json"
    described = json.loads(path.read_text(encoding="utf-8"))
    for resource in described["resources"] if contract else ():
        fields = resource["schema"]["fields"]
        resource["schema"]["fields"] = [field for field in fields if field["name"] != "printed"]
    path.write_text(json.dumps(described), encoding="utf-8")
    for name in ("response", "harm"):
        rows = review.rows(name)
        columns = [column for column in rows[0] if column != "printed"]
        lines = [",".join(columns), *(",".join(f'"{row[column]}"' for column in columns) for row in rows)]
        (review.data / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize("contract", [True, False])
def test_a_table_without_the_column_gets_the_count_and_the_derivation(review, contract):
    without_printed(review, contract=contract)
    review.take("csv", table("16.1%"), outcomes=["response"])
    (row,) = review.rows("response")
    assert "printed" not in row
    assert (row["events"], row["derived"], row["derivation"]) == ("9", "true", "16.1% of 56 -> 9")
    assert mn.validate(review.data).ok


def test_a_column_that_the_caller_names_is_not_dropped(review):
    without_printed(review, contract=False)
    content = "study,year,modality,events,total,printed\nA 2010,2010,x,9,56,9/56\n"
    assert "has no such column" in review.only("csv", content, outcomes=["response"]).wrong


@pytest.mark.parametrize("format", ["revman5", "revman-web", "covidence"])
def test_formats_with_columns_of_their_own_take_counts_alone(review, format):
    content, options = {
        "revman5": (rm5(RELIEF.replace('EVENTS_1="14"', 'EVENTS_1="35%"')), {}),
        "revman-web": (ROWS.replace(",3,40,", ",7.5%,40,"), {}),
        "covidence": (COVIDENCE.replace("China,9,30", "China,30.0%,30"), COVIDENCE_OPTIONS),
    }[format]
    assert review.only(format, content, **options).wrong == "has a per cent sign"


def test_covidence_has_no_field_for_percentages(review):
    with pytest.raises(ArgumentError, match="'percent' is not known"):
        review.take("covidence", COVIDENCE, columns=["Responders=percent", "Assessed=total"], outcomes=["response"])


@pytest.mark.parametrize("value", ["percent=5", "percent_control=5"])
def test_one_percentage_for_all_rows_is_refused(review, value):
    with pytest.raises(ArgumentError, match="is not known"):
        review.take("csv", table("9"), values=[value], outcomes=["response"])


CELLS = st.text(alphabet="0123456789/%(),. -", max_size=14) | st.sampled_from(
    ["9", "16.1%", "9 (16.1%)", "9/56 (16.1%)", "9/56", "", "56"]
)


@given(CELLS, CELLS, CELLS, st.booleans())
@settings(max_examples=400)
def test_any_cells_are_a_count_that_their_figures_prove_or_are_refused(events, total, percent, comma):
    made = read_figures(events, total, percent, comma=comma)
    assert (made.fault is None) == bool(made.cells)
    if isinstance(made.fault, Fault):
        assert made.fault.wrong
        assert made.fault.fix
    elif "printed" in made.cells:
        assert list(parse(made.cells["printed"]).counts()) == [int(made.cells["events"])]
        assert parse(made.cells["printed"]).totals == (int(made.cells["total"]),)


@given(st.integers(1, 999), st.data(), st.integers(1, 3))
def test_every_count_of_fewer_patients_than_the_figure_has_units_comes_back(n, data, decimals):
    count = data.draw(st.integers(0, n))
    made = read_figures(f"{printed_as(count, n, decimals)}%", str(n), "", comma=False)
    assert made.cells["events"] == str(count)
