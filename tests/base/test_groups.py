"""The order of names and groups, and what counts as no value."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from metanet.base.groups import absent, natural, ranks_of, read_groups


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["1", "10", "11", "2"], ["1", "2", "10", "11"]),
        (["-1", "-10", "0.5", "0.25"], ["-10", "-1", "0.25", "0.5"]),
        (["Dose 10 mg", "Dose 2 mg", "dose 1 mg"], ["dose 1 mg", "Dose 2 mg", "Dose 10 mg"]),
        (["2010-2014", "1990-1999", "10-20"], ["10-20", "1990-1999", "2010-2014"]),
        (["b", "10", "A", "9 to 12"], ["9 to 12", "10", "A", "b"]),
        (["Smith 2010b", "Smith 2010a", "Smith 999"], ["Smith 999", "Smith 2010a", "Smith 2010b"]),
        (["inf", "nan", "1_000", "1000"], ["1_000", "1000", "inf", "nan"]),
        (["x" + "9" * 500, "x1"], ["x1", "x" + "9" * 500]),
    ],
)
def test_names_are_in_natural_order(names, expected):
    assert sorted(names, key=natural) == expected


@pytest.mark.parametrize("item", [None, float("nan"), np.float32("nan"), pd.NA, pd.NaT, "", "  "])
def test_cells_without_a_value_are_the_same_everywhere(item):
    assert absent(item)
    assert read_groups(pd.Series(["a", item, "a"], dtype=object)).place == (0, -1, 0)


@pytest.mark.parametrize("item", [0, False, "0", "nan", 0.0])
def test_zero_and_false_are_values(item):
    assert not absent(item)


def test_numbers_and_names_that_differ_in_numbers_are_in_order_of_size():
    assert read_groups(pd.Series([10, 2, 1, 11])).names == ("1", "2", "10", "11")
    assert read_groups(["10", "2", "1"]).names == ("1", "2", "10")
    assert read_groups(["G10", "G2", "G1"]).names == ("G1", "G2", "G10")


def test_other_names_are_in_order_of_appearance():
    assert read_groups(["TARE", "PRRT", "ablation", "PRRT"]).names == ("TARE", "PRRT", "ablation")


def test_a_gap_in_a_column_of_whole_numbers_changes_no_name():
    assert read_groups(pd.Series([10, np.nan, 2])).names == ("2", "10")
    assert read_groups(pd.Series([10, None, 2], dtype="Int64")).names == ("2", "10")


@pytest.mark.parametrize("ordered", [True, False])
def test_categories_keep_their_order_and_those_without_a_row_are_dropped(ordered):
    column = pd.Series(pd.Categorical(["a", "c", None, "a"], categories=["c", "b", "a"], ordered=ordered))
    assert read_groups(column).names == ("c", "a")
    assert read_groups(column).place == (1, 0, -1, 1)
    assert ranks_of(column) == [2, 0, None, 2]
