"""A result pooled again: with other choices, without studies, in part."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import metanet as mn

FRAME = pd.DataFrame(
    {
        "author": ["Adam", "Baker", "Clark", "Dorn", "Egg", "Fox"],
        "resp": [4, 9, 12, 3, 8, 6],
        "n": [20, 31, 40, 18, 22, 30],
        "year": [2008, 2012, 2015, 2018, 2020, 2021],
        "first country": ["Norway", "Italy", "Norway", "Japan", "Italy", "Norway"],
    }
)
GIVEN = {"events": "resp", "total": "n", "study": "author"}


def same(one, other):
    assert one.numbers() == other.numbers()
    assert one.method["sentence"] == other.method["sentence"]


@pytest.mark.parametrize(
    ("first", "change"),
    [
        ({}, {"model": "glmm"}),
        ({}, {"level": 0.9}),
        ({"model": "glmm", "ci": "z"}, {"level": 0.9}),
        ({"model": "inverse_variance", "tau2": "DL", "ci": "z", "measure": "PFT"}, {"level": 0.8}),
        ({"model": "inverse_variance", "tau2": "DL"}, {"tau2": "PM"}),
        ({"model": "inverse_variance", "add": 0.25}, {"ci": "z"}),
        ({"preset": "meta"}, {"level": 0.9}),
        ({"model": "glmm", "link": "probit", "prediction": None}, {"level": 0.9}),
    ],
)
def test_an_update_is_the_pooling_with_all_choices(first, change):
    fit = mn.pool(FRAME, **GIVEN, **first)
    same(fit.update(**change), mn.pool(FRAME, **GIVEN, **{**first, **change}))
    same(fit.update(), fit)


def test_another_model_takes_its_own_choices():
    fit = mn.pool(FRAME, **GIVEN, model="inverse_variance", tau2="DL", ci="z")
    same(fit.update(model="glmm"), mn.pool(FRAME, **GIVEN, model="glmm"))
    same(fit.update(preset="meta"), mn.pool(FRAME, **GIVEN, preset="meta"))


def test_two_groups_effects_and_person_time_are_updated():
    two = mn.pool(events=[4, 6, 2], total=[20, 40, 15], events_control=[1, 9, 5], total_control=[21, 38, 16], model="UM.FS")
    assert two.update(model="mantel_haenszel").model == "mantel_haenszel"
    assert two.update(without="Study 1").k == 2
    effects = mn.pool(yi=[0.1, 0.2, 0.3], vi=[0.1, 0.1, 0.2])
    assert effects.update(tau2="DL").method["tau2"] == "DL"
    timed = mn.pool(events=[4, 6, 2], person_time=[20.5, 40, 15])
    assert timed.update(level=0.9).level == 0.9


def test_studies_are_left_out_by_name_and_taken_by_condition():
    fit = mn.pool(FRAME, **GIVEN)
    same(fit.update(without="Adam"), mn.pool(FRAME.iloc[1:], **GIVEN))
    same(fit.subset("year > 2012"), mn.pool(FRAME.iloc[2:], **GIVEN))
    same(fit.subset("`first country` == 'Norway'"), mn.pool(FRAME[FRAME["first country"] == "Norway"], **GIVEN))
    limit = 2012
    same(fit.subset("year > @limit"), fit.subset(lambda rows: rows["year"] > limit))
    same(fit.subset(FRAME["year"] > limit), fit.subset("year > 2012"))
    same(fit.update(model="glmm").subset("year > 2012"), mn.pool(FRAME.iloc[2:], **GIVEN, model="glmm"))


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("yaer > 2010", "Did you mean 'year'"),
        ("year >", "cannot be read"),
        ("year", "must give True or False for each of the 6 studies"),
        ("year > 3000", "is true of no study"),
        ([True, False], "for each of the 6 studies"),
        (3, "must give True or False"),
        ("year > @nowhere", "cannot be evaluated"),
    ],
)
def test_a_condition_that_is_none_is_refused(condition, words):
    with pytest.raises(mn.ArgumentError, match=words):
        mn.pool(FRAME, **GIVEN).subset(condition)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"without": "Adma"}, "Did you mean 'Adam'"),
        ({"without": FRAME["author"].tolist()}, "names every study"),
        ({"modle": "glmm"}, "Did you mean 'model'"),
        ({"events": "resp"}, "has no argument 'events'"),
        ({"model": "glmm", "tau2": "DL"}, "tau2='DL'"),
    ],
)
def test_a_wrong_update_is_refused(change, words):
    with pytest.raises(mn.ArgumentError, match=words):
        mn.pool(FRAME, **GIVEN).update(**change)


def test_prediction_is_the_row_of_the_result():
    fit = mn.pool(FRAME, **GIVEN)
    row = fit.predict().iloc[0]
    assert (row["estimate"], row["pi_lower"], row["marginal_estimate"]) == (fit.estimate, fit.pi_lower, fit.marginal_estimate)
    assert fit.predict(level=0.9).iloc[0]["ci_lower"] == mn.pool(FRAME, **GIVEN, level=0.9).ci_lower
    effects = mn.pool(yi=[0.1, 0.2, 0.3], vi=[0.1, 0.1, 0.2]).predict()
    assert "marginal_estimate" not in effects.columns


def test_columns_are_taken_by_position():
    assert mn.pool(FRAME, "resp", "n").n == FRAME["n"].sum()
    assert np.isclose(mn.pool(FRAME, "resp", "n", model="glmm").estimate, mn.pool(FRAME, **GIVEN, model="glmm").estimate, rtol=1e-12)


@pytest.mark.parametrize("name", ["weight", "rate", "effect", "ci_lower", "shrunken"])
def test_a_column_with_the_name_of_one_of_ours_keeps_its_name_in_the_rows(name):
    frame = pd.DataFrame({"study": list("ABCDEF"), "events": [1, 2, 3, 4, 5, 6], "total": [12] * 6, name: [6.0, 5, 4, 3, 2, 1]})
    fit = mn.pool(frame)
    assert list(fit.rates().columns) == ["study", "events", "total", name]
    assert fit.rates()[name].tolist() == frame[name].tolist()
    assert fit.subset(f"{name} > 3").studies["study"].tolist() == ["A", "B", "C"]
    assert mn.meta_regression(fit, f"~ {name}").sentence() == mn.meta_regression(frame, f"~ {name}").sentence()
