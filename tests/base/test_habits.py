"""What users of other programs write is answered with the line to write, and every such line runs."""

from __future__ import annotations

import re

import pandas as pd
import pytest

import metanet as mn
from metanet.base.habits import ARGUMENTS, ATTRIBUTES, FUNCTIONS, HABITS, WORDS

from .habit_data import names


@pytest.fixture(scope="module")
def space():
    return names()


@pytest.mark.parametrize("habit", HABITS, ids=lambda habit: f"{habit.program}: {habit.theirs}"[:60])
def test_every_line_of_the_page_runs(habit, space):
    assert eval(habit.ours, dict(space)) is not None


def test_there_are_forty_and_each_program_has_its_own():
    assert len(HABITS) >= 40
    assert {habit.program for habit in HABITS} == {"meta", "metafor", "RevMan", "Stata", "JASP"}
    assert len({(habit.program, habit.theirs) for habit in HABITS}) == len(HABITS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_of_another_program_is_answered_with_the_line(name):
    if name in mn.__all__:
        return
    with pytest.raises(AttributeError) as caught:
        getattr(mn, name)
    assert FUNCTIONS[name].ours in str(caught.value)


@pytest.mark.parametrize("name", [*ARGUMENTS, "method.tau", "comb.fixed"])
def test_an_argument_of_another_program_is_answered(name, space):
    if name in ("drop00", "study"):
        return
    with pytest.raises(mn.ArgumentError) as caught:
        mn.pool(space["table"], **{name: 1})
    assert ARGUMENTS[name.replace(".", "_")] in str(caught.value)
    with pytest.raises(mn.ArgumentError) as caught:
        mn.pool_many(space["table"], "country", **{name: 1} if name != "by" else {"hakn": True})
    assert "Here it is" in str(caught.value) or "not known" in str(caught.value)


@pytest.mark.parametrize(("argument", "word"), WORDS)
def test_a_word_of_another_program_is_answered_with_a_fix(argument, word, space):
    more = {"model": "inverse_variance"} if argument in ("tau2", "ci", "prediction") else {}
    with pytest.raises(mn.ArgumentError) as caught:
        mn.pool(space["table"], **{argument: word, **more})
    assert WORDS[argument, word] in str(caught.value)
    # A fix of arguments works when followed.
    fix = WORDS[argument, word]
    if re.fullmatch(r"\w+='[\w-]+'(, \w+='[\w-]+')*", fix):
        given = {**more, **eval(f"dict({fix})")}
        data = (
            space["trials"]
            if given.get("model") in ("mantel_haenszel", "peto")
            else space["persons"]
            if given.get("measure") == "IRLN"
            else space["table"]
        )
        assert mn.pool(data, **given).estimate is not None


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_an_attribute_of_another_program_is_answered_with_ours(name, space):
    with pytest.raises(AttributeError) as caught:
        getattr(space["fit"], name)
    assert "Here it is" in str(caught.value)
    first = re.match(r"\w+", ATTRIBUTES[name])
    if first is not None and first[0] != "none":
        assert hasattr(space["fit"], first[0])


@pytest.mark.parametrize(
    ("columns", "groups"),
    [
        (("xi", "ni"), 1),
        (("event", "n"), 1),
        (("Events", "N"), 1),
        (("ai", "n1i", "ci", "n2i"), 2),
        (("event.e", "n.e", "event.c", "n.c"), 2),
    ],
)
def test_columns_of_other_programs_are_found_and_told(columns, groups):
    values = ([4, 9, 12], [20, 31, 40], [3, 8, 9], [19, 30, 41])
    frame = pd.DataFrame(dict(zip(columns, values, strict=False)) | {"studlab": ["A", "B", "C"]})
    fit = mn.pool(frame)
    names = ("events", "total", "events_control", "total_control")
    same = mn.pool(**dict(zip(names, values[: 2 * groups], strict=False)))
    assert fit.numbers() == same.numbers()
    assert fit.studies["study"].tolist() == ["A", "B", "C"]
    assert any(note.startswith("Columns found by what they are called: events is") for note in fit.notes)
    # One named, the other found.
    assert mn.pool(frame, columns[0]).n == sum(values[1])
    assert mn.effect_sizes(frame, measure="PLO" if groups == 1 else "OR").shape[0] == 3


def test_columns_that_could_be_meant_twice_are_not_chosen_between():
    frame = pd.DataFrame({"xi": [1], "event": [2], "ni": [9]})
    with pytest.raises(mn.ArgumentError, match="events is missing"):
        mn.pool(frame)
    # Names of ours come first, and a column called ci alone is no control group.
    ours = pd.DataFrame({"events": [1, 2], "total": [9, 9], "xi": [5, 5], "ni": [9, 9], "ci": ["a", "b"]})
    assert mn.pool(ours).events == 3


def test_an_estimator_of_a_two_step_model_says_which_model_takes_it(space):
    for model in ("glmm", "bayes", "beta_binomial", "common"):
        with pytest.raises(mn.ArgumentError, match="model='inverse_variance'"):
            mn.pool(space["table"], model=model, tau2="PM")
