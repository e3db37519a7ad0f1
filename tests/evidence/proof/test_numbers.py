"""Figures of published reports and what they can be, to the digit, through the public functions."""

from __future__ import annotations

import pytest

import metanet as mn


@pytest.mark.parametrize(
    ("figure", "total", "values"),
    [
        ("16.1%", 56, (9,)),
        ("39%", 443, (171, 172, 173, 174)),
        ("43%", 443, (189, 190, 191, 192)),
        ("24%", 123, (29, 30)),
        ("22%", 129, (28, 29)),
        ("10%", 213, (21, 22)),
        ("1%", 273, (2, 3, 4)),
        ("57%", 63, (36,)),
        ("92%", 36, (33,)),
        ("82.2%", 45, (37,)),
        ("82.9%", 41, (34,)),
    ],
)
def test_a_printed_percentage_is_these_counts(figure, total, values):
    found = mn.counts(figure, total)
    assert found.values == values
    assert found.unique == (len(values) == 1)
    # The same as an expression that names its denominator.
    assert mn.counts(f"{figure} of {total}").values == values


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("89 - 22% of 89", (69,)),
        ("(39%+43%) of 443", tuple(range(171 + 189, 174 + 192 + 1))),
        ("82.2% of 45 + 82.9% of 41", (71,)),
        ("9/56", (9,)),
        ("9/56 = 16.1% of 56", (9,)),
        ("8 + 70% of 33 = 94% of 33", (31,)),
        ("3 + 32", (35,)),
    ],
)
def test_an_expression_is_these_counts(expression, values):
    assert mn.counts(expression).values == values


def test_two_groups_of_36_patients_with_two_percentages_divide_in_one_way():
    found = mn.two_groups(["91.3%", "92.3%"], total=36)
    assert found.to_dict("list") == {"n_1": [23], "events_1": [(21,)], "n_2": [13], "events_2": [(12,)]}


@pytest.mark.parametrize("figures", [["34%", "50.2%", "6.8%"], ["6.3%", "60.9%", "26.5%"]])
@pytest.mark.parametrize("together", [None, "at most", "all"])
def test_no_denominator_to_200_carries_the_responses_of_either_group_of_ballal_2017(figures, together):
    assert mn.denominators(figures, between=(2, 200), together=together).empty


@pytest.mark.parametrize(
    ("figure", "total", "why"),
    [
        ("50.2%", 79, "50.2 % of 79 is no whole number: 39 is 49.4 %, 40 is 50.6 %"),
        ("6.8%", 79, "6.8 % of 79 is no whole number: 5 is 6.3 %, 6 is 7.6 %"),
        ("6.3%", 88, "6.3 % of 88 is no whole number: 5 is 5.7 %, 6 is 6.8 %"),
        ("60.9%", 88, "60.9 % of 88 is no whole number: 53 is 60.2 %, 54 is 61.4 %"),
        ("26.5%", 88, "26.5 % of 88 is no whole number: 23 is 26.1 %, 24 is 27.3 %"),
    ],
)
def test_a_figure_that_fits_no_count_is_explained_by_its_neighbours(figure, total, why):
    found = mn.counts(figure, total)
    assert (found.values, found.unique, found.why) == ((), False, why)
    assert found.sentence() == f"No whole number fits: {why}."
    # Its reason is worded as the figure is shortened: 39 of 79 are 49.37 %.
    if figure == "50.2%":
        assert "39 is 49.3 %" in mn.counts(figure, total, rounding="truncated").why


def test_trailing_zeros_are_part_of_a_figure():
    assert mn.counts("44%", 125).values == (55,)
    assert mn.counts("44%", 300).values == (131, 132, 133)
    assert mn.counts("44.0%", 300).values == (132,)
    assert mn.counts("44.0%", 300).printed == "44.0% of 300"


def test_a_half_belongs_to_both_neighbours_and_truncation_to_one():
    # 1 of 8 is 12.5 %: 13 % by a half up, 12 % by a half to the even digit and by truncation.
    assert mn.counts("13%", 8).values == mn.counts("12%", 8).values == (1,)
    assert mn.counts("12%", 8, rounding="truncated").values == (1,)
    assert mn.counts("13%", 8, rounding="truncated").values == ()


@pytest.mark.parametrize(("figure", "values"), [("0%", (0,)), ("100%", (40,)), ("0.0%", (0,)), ("100.00%", (40,))])
@pytest.mark.parametrize("rounding", ["half", "truncated"])
def test_nobody_and_everybody(figure, values, rounding):
    assert mn.counts(figure, 40, rounding=rounding).values == values


def test_a_denominator_is_found_with_the_counts_of_each_figure():
    found = mn.denominators(["16.1%", "33.9%", "66.1%"], between=(40, 60))
    assert found.to_dict("list") == {"n": [56], "16.1%": [(9,)], "33.9%": [(19,)], "66.1%": [(37,)], "unique": [True]}


def test_figures_that_divide_a_group_leave_fewer_denominators():
    def sizes(*figures):
        return [set(mn.denominators(figures, between=(2, 60), together=each)["n"]) for each in (None, "at most", "all")]

    anyhow, at_most, whole = sizes("33%", "33%", "33%")
    assert whole == set(range(3, 61, 3))
    assert anyhow == at_most == whole | {40, 43, 46, 49, 52, 55, 58}
    anyhow, at_most, whole = sizes("17%", "17%", "67%")
    assert at_most == whole == set(range(6, 61, 6))
    assert anyhow == whole | {40, 46, 52, 58}


def test_two_figures_alike_have_columns_of_their_own():
    assert list(mn.denominators(["50%", "50%"], between=(2, 4), together="all")) == ["n", "50% (1)", "50% (2)", "unique"]


def test_the_tables_have_their_types_without_rows():
    found = mn.denominators(["50.2%", "6.8%"], between=(79, 79))
    assert [str(kind) for kind in found.dtypes] == ["int64", "object", "object", "bool"]
