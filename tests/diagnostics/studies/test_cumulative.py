"""Cumulative analyses: orders, ties, missing values, and the numbers of every step."""

from __future__ import annotations

import json

import pandas as pd
import pytest

import metanet as mn

DATA = pd.DataFrame(
    {"study": list("abcde"), "events": [2, 9, 4, 0, 7], "total": [20, 30, 25, 15, 40], "year": [2010, 2005, 2010, 2001, 2020]}
)


def test_studies_come_by_year_and_equal_years_as_they_stand():
    found = mn.cumulative(mn.pool(DATA, model="glmm")).to_frame()
    assert found["study"].tolist() == ["d", "b", "a", "c", "e"]
    assert found["added"].tolist() == [2001, 2005, 2010, 2010, 2020]
    assert found["k"].tolist() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("model", ["glmm", "beta_binomial", "inverse_variance", "common"])
def test_every_step_is_the_pooling_of_the_studies_so_far(model):
    fit = mn.pool(DATA, model=model)
    found = mn.cumulative(fit).to_frame()
    order = [3, 1, 0, 2, 4]
    for step in range(1, 6):
        part = mn.pool(DATA.iloc[order[:step]], model=model)
        assert found["estimate"][step - 1] == pytest.approx(part.estimate, rel=1e-9)
        assert found["ci_upper"][step - 1] == pytest.approx(part.ci_upper, rel=1e-9)
    assert found["estimate"].iloc[-1] == pytest.approx(fit.estimate, rel=1e-12)


def test_size_puts_the_largest_first_and_precision_the_most_precise():
    fit = mn.pool(DATA, model="glmm")
    assert mn.cumulative(fit, "size").to_frame()["study"].tolist() == ["e", "b", "c", "a", "d"]
    assert mn.cumulative(fit, "size", descending=True).to_frame()["study"].tolist() == ["d", "a", "c", "b", "e"]
    assert mn.cumulative(fit, "precision").to_frame()["study"].iloc[0] == "b"
    assert mn.cumulative(fit, "given").to_frame()["study"].tolist() == list("abcde")
    assert mn.cumulative(fit, [5, 4, 3, 2, 1]).to_frame()["study"].tolist() == list("edcba")


def test_a_study_without_a_value_comes_last_and_is_named():
    data = DATA.assign(year=[2010, None, 2011, 2001, 2020])
    found = mn.cumulative(mn.pool(data, model="glmm"))
    assert found.to_frame()["study"].iloc[-1] == "b"
    assert any("added last: b" in note for note in found.method["notes"])


def test_the_words_say_where_the_estimate_went():
    found = mn.cumulative(mn.pool(DATA, model="glmm"))
    assert found.sentence().startswith("From 0.0 % with 1 study the estimate went to")
    assert all(f"\n  {study} " in found.summary() for study in found.to_frame()["study"])
    json.dumps(found.to_dict(), allow_nan=False)


def test_one_study_is_its_own_history():
    found = mn.cumulative(mn.pool(events=[3], total=[10], model="glmm"), "given")
    assert found.to_frame()["estimate"].tolist() == [0.3]


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ("yaer", "Did you mean 'year'"),
        ([1, 2], "order has 2 values, and there are 5 studies"),
        ([1, "x", 2, 3, 4], "cannot be put in order"),
        (3, "order=3 must be a text or a sequence"),
    ],
)
def test_an_order_that_cannot_be_is_refused(order, message):
    with pytest.raises(mn.ArgumentError, match=message):
        mn.cumulative(mn.pool(DATA, model="glmm"), order)


def test_effects_have_no_size():
    with pytest.raises(mn.ArgumentError, match="effects without counts have no size"):
        mn.cumulative(mn.pool(yi=[0.1, 0.2], vi=[0.1, 0.1]), "size")


@pytest.mark.parametrize(
    ("events", "total", "text"),
    [
        ([0, 5], [5, 5], "Only with 1 study of 2 an estimate exists: 0.0 %."),
        ([0], [5], "One study, with an estimate of 0.0 %: there is none to add."),
        ([5, 0, 0, 5], [5, 5, 5, 5], "Only with 1 study of 4 an estimate exists: 100.0 %."),
    ],
)
def test_one_estimate_goes_nowhere(events, total, text):
    assert mn.cumulative(mn.pool(events=events, total=total, model="glmm"), "given").sentence() == text


def test_steps_without_an_estimate_are_counted():
    whole = mn.cumulative(mn.pool(events=[0, 5, 3, 4], total=[5, 5, 9, 9], model="glmm"), "given").sentence()
    assert "with all 4;" in whole
    assert whole.endswith("At 1 of 4 steps no estimate exists.")
    # Zero in one group of every study so far leaves no effect; here it is the last step that has none.
    frame = mn.cumulative(mn.pool(DATA, model="glmm")).to_frame()
    assert frame["estimate"].notna().all()
    assert "steps no estimate" not in mn.cumulative(mn.pool(DATA, model="glmm")).sentence()
