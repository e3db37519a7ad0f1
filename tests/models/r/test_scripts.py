"""The text of R scripts: data are data, the same text everywhere, refusals."""

import re
from pathlib import Path

import pytest

import metanet as mn
from metanet.base.errors import ArgumentError
from metanet.models.r.text import comment, number, quoted, texts
from tests.hostile.corpus import EVERY
from tests.models.r.cases import one_group, two_groups
from tests.models.r.test_numbers import needs_r
from tests.models.r.together import run_all

GOLDEN = Path(__file__).parent / "golden"
CASES = {
    "posterior": lambda: mn.pool(**one_group()["five"]),
    "glmm": lambda: mn.pool(**one_group()["five"], model="glmm"),
    "beta_binomial": lambda: mn.pool(**one_group()["five"], model="beta_binomial"),
    "inverse_variance": lambda: mn.pool(**one_group()["five"], model="inverse_variance", measure="PFT"),
    "conditional": lambda: mn.pool(**two_groups()["zero cells"], model="CM.EL"),
    "mantel_haenszel": lambda: mn.pool(**two_groups()["zero cells"], model="mantel_haenszel", preset="revman5"),
    "no_events": lambda: mn.pool(**one_group()["no events"], model="glmm"),
}


def rounded(text):
    """The script without the digits that a processor or a release may move, and without the version."""
    text = re.sub(r"metanet \d[\w.]*", "metanet", text)
    shorten = lambda found: f"{float(found[0]):.6g}"  # noqa: E731
    return re.sub(r"(?<=, )-?\d+\.\d{7,}(?:e-?\d+)?|(?<=, )\d+(?:\.\d+)?e-\d+", shorten, text)


@pytest.mark.parametrize("name", CASES)
def test_the_script_is_the_text_that_was_reviewed(name):
    path = GOLDEN / f"{name}.R"
    text = rounded(CASES[name]().to_r())
    assert text == path.read_text(encoding="utf-8"), (
        "python -m tests.models.r.test_scripts writes the texts anew after a change that was meant"
    )


def test_a_string_of_r_has_no_way_out():
    for text in EVERY:
        inside = quoted(text)[1:-1]
        assert inside.isascii()
        assert inside.isprintable()
        assert '"' not in inside.replace("\\\\", "").replace('\\"', "")


@needs_r
def test_names_come_back_equal_and_nothing_runs(tmp_path):
    names = [f"{text}" for text in EVERY]
    code = texts("study", names) + '\nfor (name in study) cat("name:", utf8ToInt(enc2utf8(name)), "\\n")\n'
    (said,) = run_all({"x": code}).values()
    read = [line.removeprefix("name:").split() for line in said["output"].splitlines() if line.startswith("name:")]
    shown = ["".join("\ufffd" if c == "\0" or 0xD800 <= ord(c) <= 0xDFFF else c for c in name) for name in names]
    assert [[int(point) for point in points] for points in read] == [[ord(c) for c in name] for name in shown]


@needs_r
def test_a_result_with_such_names_is_computed(tmp_path):
    data = one_group()["five"]
    scripts = {}
    for place in range(0, len(EVERY), 5):
        names = [f"{place} {text}" for text in (EVERY * 2)[place : place + 5]]
        scripts[place] = mn.pool(**data, study=names, model="common").to_r()
    for said in run_all(scripts).values():
        assert said["missed"] == [], said["output"]
        assert "PWNED" not in said["output"]


def test_a_comment_keeps_to_its_lines():
    for text in EVERY:
        assert all(line.startswith("#") for line in comment(text).split("\n"))


def test_numbers_keep_every_digit():
    assert [number(x) for x in (3.0, 0.1, 1e-300, float("inf"), -float("inf"), float("nan"))] == [
        "3",
        "0.1",
        "1e-300",
        "Inf",
        "-Inf",
        "NA",
    ]


def test_the_script_is_written_where_it_is_wanted(tmp_path):
    fit = mn.pool(**one_group()["k = 1"])
    text = fit.to_r(tmp_path / "one.R")
    assert (tmp_path / "one.R").read_text(encoding="utf-8") == text


def test_what_has_no_script_says_what_has():
    rates = mn.load_evidence().rates("objective_response")
    joint = mn.compare(rates, "modality_class", model="glmm")
    with pytest.raises(ArgumentError, match="heterogeneity='separate'"):
        joint.to_r()
    with pytest.raises(ArgumentError, match="heterogeneity='separate'"):
        joint.groups["TARE"].to_r()
    with pytest.raises(ArgumentError, match="model='glmm'"):
        mn.meta_regression(rates[rates["modality_class"] == "TARE"], "~ pct_pancreatic").to_r()


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for case, make in CASES.items():
        (GOLDEN / f"{case}.R").write_text(rounded(make().to_r()), encoding="utf-8")
