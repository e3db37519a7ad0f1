"""What holds for every figure and every denominator, against sets that fractions enumerate."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import metanet as mn
from metanet.evidence.proof.integers import bounds, narrowed, printed_as
from metanet.evidence.proof.printed import parse

DECIMALS = st.integers(0, 3)


def text_of(digits: int, decimals: int) -> str:
    whole, rest = divmod(digits, 10**decimals)
    return f"{whole}.{rest:0{decimals}d}%" if decimals else f"{whole}%"


def half_up(value: Fraction) -> int:
    return floor(value + Fraction(1, 2))


#: `round` of a fraction gives the even one of two neighbours.
SHORTEN = {"up": half_up, "even": round, "truncated": floor}


def printing(digits: int, decimals: int, n: int, rounding: str) -> list[int]:
    """Every count of `n` that prints as the figure, by fractions."""
    ways = ("up", "even", "down") if rounding == "half" else ("truncated",)
    exact = [Fraction(100 * count * 10**decimals, n) for count in range(n + 1)]
    shorten = SHORTEN | {"down": lambda value: -half_up(-value)}
    return [count for count, value in enumerate(exact) if any(shorten[way](value) == digits for way in ways)]


@st.composite
def figures(draw, most: int = 300):
    decimals = draw(DECIMALS)
    return draw(st.integers(0, 100 * 10**decimals)), decimals, draw(st.integers(1, most))


@given(figures(), st.sampled_from(["half", "truncated"]))
def test_bounds_are_what_fractions_enumerate(figure, rounding):
    digits, decimals, n = figure
    low, high = bounds(digits, decimals, n, rounding)
    assert list(range(low, high + 1)) == printing(digits, decimals, n, rounding)
    assert mn.counts(text_of(digits, decimals), n, rounding=rounding).values == tuple(range(low, high + 1))


@given(st.integers(1, 10**7 - 1), st.data(), DECIMALS, st.sampled_from(["up", "even", "truncated"]))
def test_every_count_is_in_the_set_of_the_figure_that_it_prints(n, data, decimals, way):
    count = data.draw(st.integers(0, n))
    digits = SHORTEN[way](Fraction(100 * count * 10**decimals, n))
    low, high = bounds(digits, decimals, n, "truncated" if way == "truncated" else "half")
    assert low <= count <= high


@given(st.integers(1, 10**7 - 1), st.data(), DECIMALS)
def test_a_count_prints_as_fractions_do(n, data, decimals):
    count = data.draw(st.integers(0, n))
    exact = Fraction(100 * count * 10**decimals, n)
    assert printed_as(count, n, decimals) + "%" == text_of(half_up(exact), decimals)
    assert printed_as(count, n, decimals, "truncated") + "%" == text_of(floor(exact), decimals)


@given(st.integers(0, 2), st.data(), st.sampled_from(["half", "truncated"]))
def test_a_denominator_below_the_units_of_a_figure_leaves_one_count_at_most(decimals, data, rounding):
    n = data.draw(st.integers(1, 10 ** (decimals + 2) - 1))
    low, high = bounds(data.draw(st.integers(0, 100 * 10**decimals)), decimals, n, rounding)
    assert high - low + 1 <= 1


def test_some_figures_of_larger_denominators_have_several_counts():
    assert all(high - low < 1 for digits in range(101) for low, high in [bounds(digits, 0, 100)])
    assert any(high - low >= 1 for digits in range(101) for low, high in [bounds(digits, 0, 102)])


@given(figures(10**6))
def test_the_complement_mirrors_the_set(figure):
    digits, decimals, n = figure
    low, high = bounds(digits, decimals, n)
    assert bounds(100 * 10**decimals - digits, decimals, n) == (n - high, n - low)


@given(st.lists(figures(60), min_size=1, max_size=4), st.randoms(), st.sampled_from([None, "all", "at most"]))
@settings(max_examples=60)
def test_the_order_of_figures_does_not_matter(several, random, together):
    texts = list(dict.fromkeys(text_of(digits, decimals) for digits, decimals, _ in several))
    other = random.sample(texts, len(texts))
    first = mn.denominators(texts, between=(2, 60), together=together)
    second = mn.denominators(other, between=(2, 60), together=together)
    assert first.equals(second[list(first)])


def _as_printed(draw, n):
    """Figures of counts of `n` with a decimal or none, so that some denominators fit."""
    decimals = draw(st.integers(0, 1))
    return [(half_up(Fraction(100 * draw(st.integers(0, n)) * 10**decimals, n)), decimals) for _ in range(draw(st.integers(1, 3)))]


@st.composite
def groups(draw):
    return _as_printed(draw, draw(st.integers(1, 14)))


@given(groups(), st.sampled_from([None, "all", "at most"]), st.sampled_from(["half", "truncated"]))
@settings(max_examples=150)
def test_figures_of_one_group_are_what_all_combinations_leave(group, together, rounding):
    allowed = {None: lambda total, n: True, "all": lambda total, n: total == n, "at most": lambda total, n: total <= n}[together]
    sizes = np.arange(1, 18)
    sets = [bounds(digits, decimals, sizes, rounding) for digits, decimals in group]
    low, high, fits = narrowed([each[0] for each in sets], [each[1] for each in sets], sizes, together)
    for place, n in enumerate(sizes.tolist()):
        one = [printing(digits, decimals, n, rounding) for digits, decimals in group]
        whole = [combination for combination in product(*one) if allowed(sum(combination), n)]
        assert bool(fits[place]) == bool(whole)
        for figure in range(len(group)) if whole else ():
            left = sorted({combination[figure] for combination in whole})
            assert left == list(range(int(low[figure, place]), int(high[figure, place]) + 1))


@given(st.integers(2, 40), st.data(), st.sampled_from(["half", "truncated"]))
@settings(max_examples=60)
def test_two_groups_are_every_division_that_prints_so(total, data, rounding):
    (first, d1), (second, d2) = [(data.draw(st.integers(0, 100 * 10**d)), d) for d in (data.draw(st.integers(0, 1)), 0)]
    found = mn.two_groups([text_of(first, d1), text_of(second, d2)], total=total, rounding=rounding)
    expected = []
    for n in range(1, total):
        one, two = printing(first, d1, n, rounding), printing(second, d2, total - n, rounding)
        if one and two:
            expected.append((n, tuple(one), total - n, tuple(two)))
    assert list(found.itertuples(index=False, name=None)) == expected


@st.composite
def expressions(draw):
    """An expression, and the counts that enumeration gives for it."""
    text, members = "", {0}
    for place in range(draw(st.integers(1, 4))):
        sign = draw(st.sampled_from("+-")) if place else "+"
        kind = draw(st.sampled_from(["count", "fraction", "percentage", "bracket"]))
        n = draw(st.integers(1, 60))
        if kind in ("count", "fraction"):
            count = draw(st.integers(0, n))
            term, one = (f"{count}/{n}", {count}) if kind == "fraction" else (f"{count}", {count})
        else:
            parts = [(draw(st.integers(0, 100)), 0) for _ in range(1 if kind == "percentage" else draw(st.integers(1, 3)))]
            sets = [printing(digits, decimals, n, "half") for digits, decimals in parts]
            one = {sum(each) for each in product(*sets)}
            inner = "+".join(text_of(*each) for each in parts)
            term = f"{inner} of {n}" if kind == "percentage" else f"({inner}) of {n}"
        text = f"{text} {sign} {term}" if place else term
        members = {a + b if sign == "+" else a - b for a in members for b in one}
    return text, {each for each in members if each >= 0}


@given(expressions())
@settings(max_examples=200)
def test_an_expression_is_the_sums_of_all_its_members(made):
    text, members = made
    assert set(mn.counts(text).values) == members
    assert set(parse(text).counts()) == members


@given(expressions(), expressions())
@settings(max_examples=100)
def test_an_equals_sign_leaves_what_both_sides_can_be(one, other):
    assert set(mn.counts(f"{one[0]} = {other[0]}").values) == one[1] & other[1]


@pytest.mark.parametrize("digits", [1, 161, 5_000_001, 99_999_999])
def test_the_largest_numbers_do_not_overflow(digits):
    n = np.array([10**7 - 1])
    low, high = bounds(digits, 6, n)
    assert (int(low[0]), int(high[0])) == bounds(digits, 6, 10**7 - 1)
