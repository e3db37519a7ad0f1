"""`metanet counts`: plain sentences and small tables, JSON, and one error for each wrong combination of options."""

from __future__ import annotations

import json
import sys

import pytest

import metanet as mn
from metanet.cli import main


@pytest.fixture
def run(monkeypatch, capsys):
    def call(*words):
        monkeypatch.setattr(sys, "argv", ["metanet", "counts", *words])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        out, err = capsys.readouterr()
        return code, out, err

    return call


HALF = "Counts: all whole numbers whose percentage rounds to the printed one, a half up or to the even digit.\n"
CAUSES = "The usual causes are another denominator, a misprint, or missing patients.\n"


@pytest.mark.parametrize(
    ("words", "out"),
    [
        (("16.1%", "--of", "56"), f"16.1% of 56 is 9.\n{HALF}"),
        (("89 - 22% of 89",), f"89 - 22% of 89 is 69.\n{HALF}"),
        (("9/56",), "9/56 is 9.\n"),
        (("39%", "--of", "443"), f"39% of 443 is 171, 172, 173 or 174.\nThe figure alone does not tell which.\n{HALF}"),
        (
            ("50.2%", "--of", "79"),
            f"No whole number fits: 50.2 % of 79 is no whole number: 39 is 49.4 %, 40 is 50.6 %.\n{CAUSES}{HALF}",
        ),
        (("34%", "50.2%", "6.8%", "--between", "2", "200"), f"No denominator from 2 to 200 fits 34%, 50.2% and 6.8%.\n{CAUSES}{HALF}"),
        (
            ("39%", "--between", "442", "443"),
            f"2 denominators from 442 to 443 fit 39%.\n{HALF}\n  n         39%\n---  ----------\n442  171 to 174\n443  171 to 174\n",
        ),
        (
            ("17%", "17%", "67%", "--between", "5", "8", "--together", "all"),
            f"1 denominator from 5 to 8 fits 17%, 17% and 67%, with counts that sum to the denominator.\n{HALF}\n"
            "n  17% (1)  17% (2)  67%\n-  -------  -------  ---\n6        1        1    4\n",
        ),
        (
            ("91.3%", "92.3%", "--groups-sum-to", "36"),
            f"1 division of 36 patients into two groups fits 91.3% of the first and 92.3% of the second.\n{HALF}\n"
            "n, group 1  events, group 1  n, group 2  events, group 2\n----------  ---------------  ----------  ---------------\n"
            "        23               21          13               12\n",
        ),
        (
            ("50.2%", "6.8%", "--groups-sum-to", "9"),
            f"No division of 9 patients into two groups fits 50.2% of the first and 6.8% of the second.\n{CAUSES}{HALF}",
        ),
    ],
)
def test_an_answer_is_a_sentence_and_a_table_and_no_fit_is_an_answer(run, words, out):
    assert run(*words) == (0, out, "")


def test_truncation_is_said(run):
    _, out, _ = run("13%", "--of", "8", "--rounding", "truncated")
    assert "1 is 12 %, 2 is 25 %" in out
    assert out.endswith("Counts: all whole numbers whose percentage gives the printed one when the further decimals are cut off.\n")


def test_a_long_table_ends_in_how_many_more_there_are(run):
    code, out, _ = run("50%", "--between", "2", "402")
    assert code == 0
    shown = [line for line in out.splitlines() if line[:1].isspace() or line[:1].isdigit()]
    found = mn.denominators(["50%"], between=(2, 402))
    assert out.endswith(f"{len(found) - 200:,} more are not shown.\n")
    assert len(shown) < 210


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("16.1%", "--of", "56"), mn.counts("16.1%", 56).to_dict()),
        (
            ("16.1%", "33.9%", "--between", "50", "60", "--together", "at most"),
            {
                "figures": ["16.1%", "33.9%"],
                "rounding": "half",
                "between": [50, 60],
                "together": "at most",
                "fits": [{"n": 56, "16.1%": [9], "33.9%": [19], "unique": True}],
            },
        ),
        (
            ("50.2%", "6.8%", "--between", "79", "79", "--rounding", "truncated"),
            {"figures": ["50.2%", "6.8%"], "rounding": "truncated", "between": [79, 79], "together": None, "fits": []},
        ),
        (
            ("91.3%", "92.3%", "--groups-sum-to", "36"),
            {
                "figures": ["91.3%", "92.3%"],
                "rounding": "half",
                "groups_sum_to": 36,
                "fits": [{"n_1": 23, "events_1": [21], "n_2": 13, "events_2": [12]}],
            },
        ),
    ],
)
def test_json_has_the_same_answer(run, words, expected):
    code, out, _ = run(*words, "--json")
    assert (code, json.loads(out)) == (0, expected)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("1%", "--of", "5", "--between", "1", "9"), "--of and --between ask different questions. Fix: give one of them."),
        (
            ("1%", "2%", "--of", "5", "--between", "1", "9", "--groups-sum-to", "7"),
            "--of and --between and --groups-sum-to ask different questions. Fix: give one of them.",
        ),
        (("1%", "--of", "5", "--together", "all"), "--together 'all' needs denominators to choose from. Fix: add --between LOW HIGH."),
        (("16.1%",), "'16.1%' is a percentage without its denominator. Fix: add --of N, or --between LOW HIGH to find N."),
        (
            ("16.1%", "of", "56"),
            "3 figures are given where one is expected. Fix: ask for one at a time, an expression in quotation marks",
        ),
        (("1%", "2%", "--of", "56"), "2 figures are given where --of takes one."),
        (("1% of 5", "--of", "5"), "'1% of 5' names its own denominator, and --of 5 is given as well. Fix: leave out --of 5,"),
        (("1", "--of", "5"), "'1' has no per cent sign. Fix: write '1%'"),
        (("9 (16.1%)",), "'9 (16.1%)' gives a count and its percentage in brackets. Fix: write 9 = 16.1% of N."),
        (("1%", "--of", "0"), "--of 0 must be a whole number from 1 to 9,999,999."),
        (("1%", "2%", "3%", "--groups-sum-to", "9"), "3 percentages; give one for each of the two groups."),
        (("1%", "2%", "--groups-sum-to", "1"), "--groups-sum-to 1 must be a whole number from 2 to 1,000,000."),
        (
            ("1%", "--between", "9", "5"),
            "--between 9 5 must be two denominators in order and less than 1,000,000 apart, such as 2 200.",
        ),
        (
            ("34%", "--between", "1", "1000000"),
            "--between 1 1000000 gives more than the 1,000,000 counts that are listed. Fix: give a",
        ),
        (("1%", "--between", "1", "9", "--together", "al"), "--together 'al' is not known. Did you mean 'all'?"),
        (("1%", "--of", "9", "--rounding", "down"), "--rounding 'down' is not known. Known: 'half', 'truncated'."),
        (("1%", "x", "--between", "1", "9"), "'x' is not a percentage."),
    ],
)
def test_what_cannot_be_asked_is_one_error_that_names_the_options(run, words, complaint):
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert complaint in err
    assert err.startswith("metanet: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("words", [(), ("1%", "--of", "x"), ("1%", "--between", "2"), ("1%", "--off", "2")])
def test_options_that_cannot_be_read_are_usage_errors(run, words):
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert "Error: " in err
