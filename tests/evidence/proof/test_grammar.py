"""The expressions that are read and those that are refused, with fixes that work when they are followed."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given, strategies as st

import metanet as mn
from metanet.base.errors import ArgumentError
from metanet.evidence.proof.printed import LONGEST, PrintedError, parse, percentage
from tests.work import at_most, holding_at_most


@pytest.mark.parametrize(
    ("text", "totals", "figures"),
    [
        ("16.1% of 56", (56,), 1),
        ("16.1 % of 56", (56,), 1),
        ("16.1%of56", (56,), 1),
        ("  16.1% of 56  ", (56,), 1),
        ("16.1\u00a0% of\u202f56", (56,), 1),
        ("44.0% of 25", (25,), 1),
        ("016.1% of 56", (56,), 1),
        ("00000016.1% of 56", (56,), 1),
        ("89 - 22% of 89", (89,), 1),
        ("(39%+43%) of 443", (443,), 2),
        ("( 39 % + 43 % ) of 443", (443,), 2),
        ("(39%) of 443", (443,), 1),
        ("82.2% of 45 + 82.9% of 41", (45, 41), 2),
        ("9/56", (56,), 0),
        ("9 / 56 = 16.1% of 56", (56,), 1),
        ("3 + 32", (), 0),
        ("9", (), 0),
        ("8 + 70% of 33 = 94% of 33", (33,), 2),
        ("1 = 1 = 1", (), 0),
        ("0.000001% of 9999999", (9999999,), 1),
    ],
)
def test_an_expression_is_read(text, totals, figures):
    found = parse(text)
    assert (found.totals, found.figures) == (totals, figures)


def test_the_totals_of_a_row_may_be_those_named_and_those_of_groups_together():
    assert parse("82.2% of 45 + 82.9% of 41").denominators() == {45, 41, 86}
    # Two figures of one group, or two groups of one size.
    assert parse("10% of 50 + 20% of 50").denominators() == {50, 100}
    assert parse("89 - 22% of 89").denominators() == {0, 89}


#: Text, what is wrong, and the expression that the fix names, with its N where it has one.
REFUSED = [
    ("", "is empty", "16.1% of 56"),
    (" \t ", "is empty", "16.1% of 56"),
    ("16.1%", "has a percentage without its denominator", "16.1% of 56"),
    ("16.1% of", "has 'nothing' where the denominator should be", "16.1% of 56"),
    ("16.1% of of 56", "has 'of 56' where the denominator should be", "16.1% of 56"),
    ("16.1% of 0", "has the denominator 0", None),
    ("of 56", "has 'of 56' where a number or a percentage should be", "16.1% of 56"),
    ("16.1% off 56", "cannot be read from 'off 56' on", "16.1% of 56"),
    ("16.1% OF 56", "cannot be read from 'OF 56' on", "16.1% of 56"),
    ("3 32", "continues with '32' where the expression is complete", "3 + 32"),
    ("9/56 16.1%", "continues with '16.1%' where the expression is complete", "9/56"),
    ("3 +", "has 'nothing' where a number or a percentage should be", "3 + 32"),
    ("- 3", "has '- 3' where a number or a percentage should be", "3 + 32"),
    ("3 - - 3", "has '- 3' where a number or a percentage should be", "3 + 32"),
    ("= 3", "has '= 3' where a number or a percentage should be", "3 + 32"),
    ("57/56", "has the fraction 57/56, which is no part of a whole", None),
    ("0/0", "has the fraction 0/0, which is no part of a whole", None),
    ("9/", "has 'nothing' where the denominator should be", "9/56"),
    ("((39%+43%)) of 443", "has a bracket inside a bracket", "(39%+43%) of 443"),
    ("(39%+(43%)) of 443", "has a bracket inside a bracket", "(39%+43%) of 443"),
    ("(39%+43% of 443", "has a bracket that contains more than percentages, or is not closed", "(39%+43%) of 443"),
    ("(39%-43%) of 443", "has a bracket that contains more than percentages, or is not closed", "(39%+43%) of 443"),
    ("(39 + 43) of 443", "has '39' where a percentage should be", "(39%+43%) of 443"),
    ("(39%+43%)", "has a percentage without its denominator", "16.1% of 56"),
    ("()", "has ')' where a percentage should be", "(39%+43%) of 443"),
    ("2*3", "cannot be read from '*3' on", "3 + 32"),
    ("__import__('os')", "cannot be read from \"__import__('os')\" on", "3 + 32"),
    ("16.1.2% of 56", "cannot be read from '16.1.2% of 56' on", "16.1% of 56"),
    ("1e3% of 56", "cannot be read from 'e3% of 56' on", "16.1% of 56"),
    ("100.1% of 56", "has a percentage above 100 (100.1%)", None),
    ("1000% of 56", "has a percentage above 100 (1000%)", None),
    ("16.1234567% of 56", "has 7 decimals, more than the 6 that are read", None),
    ("12345678", "has a number of 8 digits; up to 7 are read", None),
    ("16.1% of 12345678", "has a number of 8 digits; up to 7 are read", None),
    ("9 (16.1%)", "gives a count and its percentage in brackets", "9 = 16.1% of N"),
    ("9/56 (16.1 %)", "gives a count and its percentage in brackets", "9/56 = 16.1% of 56"),
    ("16,1% of 56", "contains a comma in a number", "16.1% of 56"),
    ("1,234 + 5", "contains a comma in a number", "1234 + 5"),
    ("16.1 of 56", "contains a decimal number without a per cent sign", "16.1% of 56"),
    ("16–18% of 56", "contains a dash that may mean a range", None),
    ("16%–18% of 56", "contains a dash that may mean a range", None),
    ("89 − 22% of 89", "contains '−', which is not read", None),
    ("16·1% of 56", "contains '·', which is not read", None),
    ("16.1％ of 56", "contains '％', which is not read", None),
    ("<5% of 56", "contains a figure that is not exact", None),
    ("~5% of 56", "contains a figure that is not exact", None),
    ("KM 16% of 56", "names a rate that is no count of patients (KM)", None),
    ("16% of 56 (Kaplan-Meier)", "names a rate that is no count of patients (Kaplan)", None),
    ("cumulative incidence 5% of 56", "names a rate that is no count of patients (cumulative)", None),
    ("mean 16% of 56", "names a rate that is no count of patients (mean)", None),
    ("9" * 301, "is 301 characters long, more than the 300 of an expression", None),
]


@pytest.mark.parametrize(("text", "wrong", "instead"), REFUSED, ids=[text[:20] for text, *_ in REFUSED])
def test_a_text_that_is_no_expression_is_refused_with_a_fix(text, wrong, instead):
    with pytest.raises(PrintedError) as caught:
        parse(text)
    assert caught.value.wrong == wrong
    assert caught.value.fix
    if instead is not None:
        # What the message says to write, or what it becomes by what the message says, is read.
        assert instead in caught.value.fix or "point" in caught.value.fix
        assert parse(instead.replace("N", "56"))
    with pytest.raises(ArgumentError, match=r"^printed=.*Fix: ") as asked:
        mn.counts(text)
    assert wrong.split("'")[0] in str(asked.value)


@pytest.mark.parametrize(("sign", "plain"), [("−", "-"), ("·", "."), ("٪", "%"), ("％", "%"), ("﹪", "%"), ("⁄", "/"), ("＋", "+")])
def test_a_sign_that_looks_like_another_is_named_with_the_one_to_write(sign, plain):
    text = {"-": "89 - 22% of 89", ".": "16.1% of 56", "%": "16.1% of 56", "/": "9/56", "+": "3 + 32"}[plain]
    with pytest.raises(PrintedError) as caught:
        parse(text.replace(plain, sign))
    assert caught.value.fix == f"Write {plain!r}"


@pytest.mark.parametrize(
    ("text", "wrong", "fix"),
    [
        ("16.1", "has no per cent sign", "'16.1%'"),
        ("9", "has no per cent sign", "'9%'"),
        ("9 (16.1%)", "gives a count and its percentage in brackets", "'16.1%'"),
        ("16,1%", "contains a comma", "point"),
        ("", "is not a percentage", "'16.1%'"),
        ("9/56", "names its own denominator, and total=56 is given as well", "leave out total"),
        ("16.1% of 56", "names its own denominator, and total=56 is given as well", "leave out total"),
        ("3 + 32", "is not a percentage", "'16.1%'"),
        ("KM 16%", "no count of patients (KM)", "counts of patients"),
        ("<5%", "not exact", "exact figures"),
        ("101%", "above 100 (101%)", "source"),
        ("9" * 400, "is 400 characters long", "'16.1%'"),
    ],
)
def test_a_percentage_of_a_total_is_refused_with_a_fix_that_is_a_percentage(text, wrong, fix):
    with pytest.raises(ArgumentError) as caught:
        mn.counts(text, 56)
    assert wrong in str(caught.value)
    assert fix in str(caught.value)
    for shown in re.findall(r"'([\d.]+%)'", fix):
        assert mn.counts(shown, 56)
    if fix == "leave out total":
        assert mn.counts(text).values == (9,)


@pytest.mark.parametrize("given", [16.1, 16, None, b"16.1%", ["16.1%"]])
def test_a_figure_that_is_no_text_is_refused(given):
    with pytest.raises(ArgumentError, match="must be a text"):
        mn.counts(given, 56)


@pytest.mark.parametrize("figures", [[34.0], [None], ["34%", 50]])
def test_figures_that_are_no_texts_are_refused_without_inventing_one(figures):
    with pytest.raises(ArgumentError, match=r"another figure than 44%. Fix: write it as the source prints it"):
        mn.denominators(figures)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: mn.denominators([]), "has no percentages; give 1 to 50"),
        (lambda: mn.denominators(["1%"] * 51), "has more than 50 percentages"),
        (lambda: mn.denominators(itertools.repeat("1%")), "has more than 50 percentages"),
        (lambda: mn.denominators("34%"), "must be a sequence"),
        (lambda: mn.denominators(["34%"], between=(5,)), "the least and the greatest denominator"),
        (lambda: mn.denominators(["34%"], between=(9, 5)), "in order"),
        (lambda: mn.denominators(["34%"], between=(0, 5)), "from 1 to 9,999,999"),
        (lambda: mn.denominators(["34%"], between=(1, 2_000_000)), "apart"),
        (lambda: mn.denominators(["34%"], together="any"), "together='any'"),
        (lambda: mn.two_groups(["34%"], total=9), "one for each of the two groups"),
        (lambda: mn.two_groups(["34%", "x"], total=9), "figures='x' is not a percentage"),
        (lambda: mn.two_groups(["34%", "5%"], total=1), "from 2 to 1,000,000"),
        (lambda: mn.counts("34%", 0), "from 1 to 9,999,999"),
        (lambda: mn.counts("34%", 9, rounding="down"), "rounding='down'"),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(call, words):
    with pytest.raises(ArgumentError) as caught:
        call()
    assert words in str(caught.value)


HUGE = (
    "9" * 1_000_000,
    "(" * 100_000,
    ")" * 100_000,
    "1+" * 500_000,
    "1 " * 500_000,
    " " * 1_000_000,
    "9.",
    "%" * 1_000_000,
    "\x00" * 10**6,
)


@pytest.mark.parametrize("text", HUGE, ids=[repr(text[:3]) for text in HUGE])
def test_a_megabyte_of_anything_is_refused_at_once(text):
    text = text if len(text) > 9 else text[0] * 10 + "." + "9" * 1_000_000
    for ask in (parse, percentage, mn.counts, lambda each: mn.counts(each, 56), lambda each: mn.denominators([each])):
        with at_most(200_000), pytest.raises((PrintedError, ArgumentError)) as caught:
            ask(text)
        assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize(
    "text", ["(" * LONGEST, "1+" * (LONGEST // 2), "(1%+" * (LONGEST // 4), "1=" * (LONGEST // 2), "1 " * (LONGEST // 2)]
)
def test_the_longest_texts_take_little_work(text):
    parse.cache_clear()
    with at_most(20_000), pytest.raises(PrintedError):
        parse(text)


@given(st.text(max_size=60) | st.text(alphabet="0123456789.%/+-=() of", max_size=60))
def test_any_text_is_an_expression_or_is_refused(text):
    try:
        found = parse(text)
    except PrintedError as error:
        found = error
    assert found.wrong if isinstance(found, PrintedError) else found.counts() or found.unfit()


def test_an_answer_that_would_not_fit_into_memory_is_refused_with_a_narrower_span():
    with holding_at_most(200), pytest.raises(ArgumentError, match=r"a narrower span, such as \(1, 14141\)"):
        mn.denominators(["34%"], between=(1, 1_000_000))
    assert len(mn.denominators(["34%"], between=(1, 14_141))) > 10_000
    with holding_at_most(20), pytest.raises(ArgumentError, match="fewer figures, or smaller denominators"):
        mn.denominators(["34%"] * 40, between=(9_000_000, 9_000_001))
    with holding_at_most(200), pytest.raises(ArgumentError, match=r"more than the 1,000,000 that are listed\. Fix: give"):
        mn.two_groups(["34%", "33%"], total=1_000_000)


def test_many_denominators_hold_little_memory():
    with holding_at_most(100):
        found = mn.denominators(["34.1234%", "50.2%", "6.81%", "3%"] * 5, between=(1, 1_000_000), together="at most")
    assert found.empty
