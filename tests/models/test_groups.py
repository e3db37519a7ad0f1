"""Groups in one order and with one rule for gaps, in everything that groups or sorts studies."""

from __future__ import annotations

import json
import sys

import numpy as np
import pandas as pd
import pytest

import metanet as mn
from metanet import cli

DATA = pd.DataFrame(
    {
        "study": [f"s{i}" for i in (10, 2, 1, 11, 3, 9, 4, 12)],
        "events": [3, 9, 4, 12, 7, 20, 1, 5],
        "total": [20, 30, 25, 30, 22, 41, 18, 25],
    }
)


def orders(data: pd.DataFrame, column: str = "g") -> list[list[str]]:
    """The groups in every function that forms them."""
    arms = data.assign(study_id=[f"t{i // 2}" for i in range(len(data))])
    fit = mn.meta_regression(data, f"~ 0 + C({column})", model="glmm")
    return [
        list(mn.compare(data, column, bootstrap=0, model="glmm").groups),
        [f"{value:g}" if isinstance(value, float) else str(value) for value in mn.pool_many(data, column, model="glmm")[column]],
        [term.split("[")[1].rstrip("]") for term in fit.terms],
        list(mn.within_studies(arms, column).groups),
        list(mn.heterogeneity_report(mn.pool(data, model="glmm"), by=column, moderators=[], subsets=False).subgroups.groups),
    ]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([10, 10, 2, 2, 1, 1, 11, 11], ["1", "2", "10", "11"]),
        (list(map(str, [1, 1, 10, 10, 11, 11, 2, 2])), ["1", "2", "10", "11"]),
        ([0.5, 0.5, 0.25, 0.25, 10.0, 10.0, 2.0, 2.0], ["0.25", "0.5", "2", "10"]),
        (["10 mg"] * 2 + ["5 mg"] * 2 + ["20 mg"] * 2 + ["5 mg"] * 2, ["5 mg", "10 mg", "20 mg"]),
        (["2010-2014"] * 3 + ["990-1999"] * 3 + ["2000-2009"] * 2, ["990-1999", "2000-2009", "2010-2014"]),
    ],
)
def test_numbers_in_names_are_in_order_of_size_everywhere(values, expected):
    assert orders(DATA.assign(g=values)) == [expected] * 5


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("kinds", [["low", "middle", "high", "none"], [3, 1, 2, 4]])
def test_a_categorical_keeps_its_order_everywhere_and_empty_categories_are_dropped(ordered, kinds):
    values = [kinds[i] for i in (2, 2, 0, 0, 1, 1, 2, 0)]
    data = DATA.assign(g=pd.Categorical(values, categories=kinds, ordered=ordered))
    assert orders(data) == [[str(kind) for kind in kinds[:3]]] * 5
    many = mn.pool_many(data, "g", model="glmm")["g"]
    assert many.cat.categories.tolist() == kinds[:3]
    assert many.cat.ordered is ordered
    # The first category is the reference of a regression, and the bubble and the forecast know it.
    fit = mn.meta_regression(data, "~ g", model="glmm")
    assert fit.terms == ("Intercept", f"g[T.{kinds[1]}]", f"g[T.{kinds[2]}]")
    assert fit.predict({"g": [kinds[1]]}).shape[0] == 1


def test_studies_are_sorted_by_categories_and_by_numbers_in_their_names():
    grade = pd.Categorical(list("bacbacba"), categories=list("cba"))
    fit = mn.pool(DATA.assign(grade=grade, site=[f"site {i}" for i in (10, 2, 1, 11, 3, 9, 4, 12)]), model="glmm")
    assert mn.cumulative(fit, "grade").to_frame()["added"].tolist() == list("ccbbbaaa")
    assert mn.cumulative(fit, "site").to_frame()["added"].tolist() == [f"site {i}" for i in (1, 2, 3, 4, 9, 10, 11, 12)]
    assert mn.cumulative(fit, "study").to_frame()["study"].tolist() == [f"s{i}" for i in (1, 2, 3, 4, 9, 10, 11, 12)]


def test_a_forest_sorts_studies_by_categories_and_by_numbers_in_their_names():
    from metanet.figures.forest.rows import order_of

    frame = DATA.assign(grade=pd.Categorical(list("bacbacba"), categories=list("cba")))
    assert [frame["study"][i] for i in order_of(frame, "study", None)] == [f"s{i}" for i in (1, 2, 3, 4, 9, 10, 11, 12)]
    assert "".join(frame["grade"][i] for i in order_of(frame, "grade", None)) == "ccbbbaaa"
    assert "".join(frame["grade"][i] for i in order_of(frame, "grade", False)) == "aaabbbcc"


@pytest.mark.parametrize("gap", [None, np.nan, pd.NA, "", "  "])
def test_rows_without_a_group_are_left_out_everywhere_and_said(gap):
    data = DATA.assign(g=pd.Series([*"aabb", gap, gap, *"ab"], dtype=object))
    known = data.drop(index=[4, 5])
    said = "2 studies without a value of g excluded."
    compared, many = mn.compare(data, "g", bootstrap=0, model="glmm"), mn.pool_many(data, "g", model="glmm")
    assert said in compared.notes
    assert compared.lrt == pytest.approx(mn.compare(known, "g", bootstrap=0, model="glmm").lrt)
    assert many["g"].tolist() == ["a", "b"]
    assert all(said in notes for notes in many["notes"])
    assert many.attrs["notes"] == [said]
    assert many["estimate"].tolist() == pytest.approx(mn.pool_many(known, "g", model="glmm")["estimate"].tolist())
    arms = data.assign(study_id=[f"t{i // 2}" for i in range(8)])
    assert any("without a value of g excluded" in note for note in mn.within_studies(arms, "g").notes)
    fit = mn.meta_regression(data, "~ g", model="glmm")
    assert fit.k == 6
    assert "2 studies excluded because a moderator is missing: s3 and s9." in fit.notes
    report = mn.heterogeneity_report(mn.pool(data, model="glmm"), by="g", moderators=["g"], subsets=False)
    assert said in report.subgroups.notes
    assert report.moderators["g"].k == 6
    assert "2 studies excluded because a moderator is missing: s3 and s9." in report.moderators["g"].notes


def test_a_gap_in_a_categorical_or_in_numbers_is_left_out_too():
    for column in (pd.Categorical(["a", "a", "b", "b", None, None, "a", "b"]), [1, 1, 2, 2, np.nan, np.nan, 1, 2]):
        data = DATA.assign(g=column)
        assert len(mn.pool_many(data, "g", model="glmm")) == len(mn.compare(data, "g", bootstrap=0, model="glmm").groups) == 2


def test_groups_by_two_columns_miss_rows_that_lack_either():
    data = DATA.assign(g=[*"aabb", None, *"bab"], h=[1, 10, 1, 2, 2, None, 2, 10])
    many = mn.pool_many(data, ["g", "h"], model="glmm")
    assert list(zip(many["g"], many["h"], strict=True)) == [("a", 1), ("a", 2), ("a", 10), ("b", 1), ("b", 2), ("b", 10)]
    assert many.attrs["notes"] == ["1 study without a value of g excluded.", "1 study without a value of h excluded."]


def test_a_column_without_any_value_is_refused_alike():
    data = DATA.assign(g=["", None, *[np.nan] * 6], study_id=list("aabbccdd"))
    for function in (mn.compare, mn.pool_many, mn.within_studies):
        with pytest.raises(mn.ArgumentError, match=r"by='g': no row has a value, so there are no groups\. Fix: name a column"):
            function(data, "g")
    pair = DATA.assign(g=[*"aaaa", *[None] * 4], h=[*[None] * 4, *"bbbb"])
    with pytest.raises(mn.ArgumentError, match="no row has a value in every column"):
        mn.pool_many(pair, ["g", "h"], model="glmm")


def test_the_command_leaves_gaps_out_and_says_so(monkeypatch, capsys, tmp_path):
    (tmp_path / "a.csv").write_text("e,n,g\n1,9,10\n2,9,2\n3,9,\n4,9,10\n2,8,2\n", encoding="utf-8")
    for extra in ([], ["--json"]):
        monkeypatch.setattr(
            sys, "argv", ["metanet", "pool", str(tmp_path / "a.csv"), "--events", "e", "--total", "n", "--by", "g", *extra]
        )
        cli.main()
        out = capsys.readouterr()
        assert "1 study without a value of g excluded." in out.out + out.err
        if extra:
            assert list(json.loads(out.out)) == ["2", "10"]
        else:
            assert out.out.index("g: 2\n") < out.out.index("g: 10\n")


def test_benefit_against_risk_has_the_same_order_and_counts_rows_without_a_group():
    evidence = mn.load_evidence()
    years = list(mn.benefit_risk(evidence, by="year").groups)
    assert years == sorted(years, key=float)
    found = mn.benefit_risk(evidence, by="design")
    assert any("without a value of" in note for note in found.notes)


def test_blank_identifiers_of_studies_are_gaps():
    arms = DATA.assign(study_id=["t1", "t1", "", " ", None, np.nan, "t2", "t2"])
    assert mn.pool(arms, model="glmm").study_count == 6
    assert any(note.startswith("8 arms of 6 studies") for note in mn.pool(arms, model="glmm").notes)
