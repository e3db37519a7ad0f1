"""The reference category of a regression: which it is, where it is said, and how another is chosen."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

import metanet as mn

DATA = pd.DataFrame(
    {
        "study": list("abcdefgh"),
        "events": [0, 0, 4, 9, 5, 12, 7, 3],
        "total": [20, 15, 25, 30, 20, 41, 30, 22],
        "person_time": [40.0, 31.0, 50.0, 61.0, 41.0, 80.0, 61.0, 45.0],
        "g": list("aabbccdd"),
        "year": [2001, 2004, 2002, 2009, 2011, 2003, 2005, 2008],
    }
)
TWO = DATA.assign(g=list("babababa"), events=[3, 1, 4, 9, 5, 12, 7, 3])


def finite(fit) -> list[str]:
    frame = fit.coefficients
    return frame["term"][np.isfinite(frame["estimate"])].tolist()


@pytest.mark.parametrize("edge", ["no events", "events only"])
@pytest.mark.parametrize("link", ["logit", "cloglog"])
def test_a_first_category_at_an_edge_is_not_the_reference_by_default(edge, link):
    data = DATA if edge == "no events" else DATA.assign(events=DATA["total"] - DATA["events"])
    fit = mn.meta_regression(data, "~ g", link=link, model="glmm")
    assert fit.terms == ("Intercept", "g[T.a]", "g[T.c]", "g[T.d]")
    assert finite(fit) == ["Intercept", "g[T.c]", "g[T.d]"]
    note = next(note for note in fit.notes if note.startswith("The reference category of g is b, because a, the first one, has"))
    assert mn.meta_regression(data, f"~ {re.search(r'C[(].*?[)]', note)[0]}", link=link, model="glmm").references == {"g": "c"}


def test_several_edges_are_passed_and_incidence_rates_have_one_edge():
    data = DATA.assign(events=[0, 0, 0, 0, 5, 12, 7, 3])
    assert mn.meta_regression(data, "~ g", model="glmm").references == {"g": "c"}
    full = DATA.assign(events=[20, 15, 4, 9, 5, 12, 7, 3])
    assert mn.meta_regression(full, "~ g", model="glmm").references == {"g": "b"}
    assert mn.meta_regression(full.drop(columns="total"), "~ g", person_time="person_time", model="glmm").references == {"g": "a"}
    assert mn.meta_regression(DATA.drop(columns="total"), "~ g", person_time="person_time", model="glmm").references == {"g": "b"}


def test_a_categorical_is_passed_in_its_own_order():
    data = DATA.assign(g=pd.Categorical(DATA["g"], categories=list("adcb")))
    assert mn.meta_regression(data, "~ g", model="glmm").terms == ("Intercept", "g[T.a]", "g[T.c]", "g[T.b]")


def test_with_corrected_effects_the_first_category_stays():
    fit = mn.meta_regression(DATA, "~ g", model="inverse_variance")
    assert fit.references == {"g": "a"}
    assert len(finite(fit)) == 4


def test_where_every_category_has_its_own_coefficient_nothing_is_passed():
    fit = mn.meta_regression(DATA, "~ g - 1", model="glmm")
    assert fit.terms == ("g[a]", "g[b]", "g[c]", "g[d]")
    assert fit.references == {}
    assert not any("reference" in note for note in fit.notes)


@pytest.mark.parametrize(
    "names", [("g", "a", "b"), ("my group", "50 % or less", "it's more"), ("class", "a__b", "x ~ y | {z}"), ("h", "a  b", "c\\d")]
)
def test_a_chosen_reference_at_an_edge_names_ways_that_work(names):
    column, low, other = names
    data = DATA.drop(columns="g").assign(**{column: [low] * 2 + [other] * 6})
    written = column if column in "gh" else f"`{column}`"
    fit = mn.meta_regression(data, f"~ C({written}, '{low}')", model="glmm")
    assert finite(fit) == []
    note = next(note for note in fit.notes if note.startswith("The reference category"))
    assert "has no events or events only" in note
    chosen, every = re.search(r"Fix: (.*) chooses another; (~ .*) gives the rate of every category\.$", note).groups()
    again = mn.meta_regression(data, f"~ {chosen}", model="glmm")
    assert again.references == {column: other}
    assert "Intercept" in finite(again)
    assert len(finite(mn.meta_regression(data, every, model="glmm"))) == 1


def test_the_reference_is_named_in_card_sentence_and_notes():
    two = mn.meta_regression(TWO, "~ g", model="glmm")
    assert "for b against a, the reference of g (95 % CI" in two.sentence()
    assert ("Reference of g", "a") in two.rows()
    assert any(note.startswith("The reference category of g is a. C(g, 'b') chooses another") for note in two.notes)
    assert two.method["references"] == {"g": "a"}
    more = mn.meta_regression(TWO, "~ g + year", model="glmm")
    assert "g and year together (reference: a of g)" in more.sentence()
    assert "for each unit of year" in mn.meta_regression(TWO, "~ year", model="glmm").sentence()
    assert "Reference" not in mn.meta_regression(TWO, "~ year", model="glmm").summary()


def test_the_data_of_a_bubble_hold_the_category_at_the_reference():
    fit = mn.meta_regression(DATA, "~ year + g", model="glmm")
    line = fit.bubble_data("year").query("part == 'line'")
    assert np.isfinite(line["value"]).all()
