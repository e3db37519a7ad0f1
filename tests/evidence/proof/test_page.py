"""The page on checking extracted numbers says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import metanet as mn
from metanet.evidence.proof.integers import bounds
from metanet.evidence.proof.printed import parse

from .test_detection import FOUR, ONE, RANGES, SOLVED

PAGE = (Path(__file__).parents[3] / "docs" / "proof.md").read_text(encoding="utf-8")


def section(title):
    return PAGE.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


@pytest.mark.parametrize("row", re.findall(r"^\| .* \| `(.+)` \|$", section("Write down what the source prints"), re.MULTILINE))
def test_every_expression_of_the_page_is_read_and_fits(row):
    assert parse(row).counts()


def test_the_table_of_rates_is_what_is_computed():
    rows = [line.strip("| ").split(" | ") for line in section("How often a wrong denominator shows").splitlines() if line[:2] == "| "]
    titles = [f"{first} to {last}" for first, last in RANGES]
    assert [cell.removesuffix(" patients") for cell in rows[0][1:]] == titles
    for decimals, word in ((0, "without decimals"), (1, "with one decimal")):
        (one,), (four,) = ([row for row in rows if row[0] == f"{what}, {word}"] for what in ("one", "four that divide the group"))
        assert one[1:] == [f"{ONE[decimals, span]:g} %" for span in RANGES]
        assert four[1:3] == [f"{FOUR[decimals, span]:g} %" for span in RANGES[:2]]
    words = " ".join(PAGE.split())
    assert f"in {SOLVED[0]} % of cases without decimals and in {SOLVED[1]} % with one decimal" in words


def test_with_100_patients_or_more_every_percentage_without_decimals_fits_some_count():
    assert all(low <= high for n in range(100, 301) for digits in range(101) for low, high in [bounds(digits, 0, n)])
    assert not mn.counts("50%", 99).values


def test_the_example_of_a_rounded_sum_holds():
    assert mn.counts("13%", 8).values == (1,)
    assert mn.counts("(13%+13%) of 8 = 25% of 8").values == (2,)
    assert not mn.counts("26% of 8").values
