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
    assert {habit.program for habit in HABITS} == {"meta", "metafor", "netmeta", "RevMan", "Stata", "JASP"}
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


#: metafor stops its search of tau2 at a move of 1e-5.
TOLERANCE = 1e-4
#: What metafor computes from the data of `names()` (habits.R): tau2, the mean and its limits, and the prediction interval.
METAFOR = {
    "rma(yi, vi, data = d)": (0.15198454696, 0.36289543267, 0.00285014109, 0.72294072425, -0.48177905524, 1.20756992058),
    'rma(measure = "PLO", xi, ni, method = "REML", test = "knha")': (
        *(0.5015212577, 0.3175033144, 0.2042501111, 0.4574533454, 0.0793264811, 0.7152447296),
    ),
    'rma.glmm(measure = "PLO", xi, ni, data = d)': (
        *(0.5202537226, 0.3044707217, 0.2075778060, 0.4224782181, 0.0886556499, 0.6632842883),
    ),
    'rma.mh(measure = "OR", ai, n1i, ci, n2i)': (None, 1.74335693, 1.21090510, 2.50993523, None, None),
    "rma.peto(ai, n1i, ci, n2i)": (None, 1.76058063, 1.22254792, 2.53539687, None, None),
}


def _ours(theirs):
    return next(habit.ours for habit in HABITS if habit.theirs == theirs)


@pytest.mark.parametrize("theirs", METAFOR)
def test_a_line_gives_the_numbers_of_metafor(theirs, space):
    fit = eval(_ours(theirs), dict(space))
    found = (fit.tau2, fit.estimate, fit.ci_lower, fit.ci_upper, fit.pi_lower, fit.pi_upper)
    for own, expected in zip(found, METAFOR[theirs], strict=True):
        assert own == (None if expected is None else pytest.approx(expected, rel=TOLERANCE))


def test_lines_with_a_result_give_the_numbers_of_metafor_for_its_preset(space):
    space = {**space, "fit": mn.pool(space["table"], preset="metafor")}

    def said(theirs):
        return eval(_ours(theirs), dict(space))

    assert said("confint(m)") == pytest.approx((0.136390378, 2.37526430), rel=TOLERANCE)
    assert said("weights(m)")[:3] == pytest.approx([0.0829609480, 0.1026186262, 0.1122218850], rel=TOLERANCE)
    assert said("blup(m)").tolist()[:3] == pytest.approx([0.240875610, 0.296663931, 0.488982344], rel=TOLERANCE)
    predicted = said("predict(m, transf = transf.ilogit)").iloc[0]
    ends = [predicted[name] for name in ("estimate", "ci_lower", "ci_upper", "pi_lower", "pi_upper")]
    assert ends == pytest.approx([0.3175033144, 0.2184702122, 0.4363631777, 0.0958873119, 0.6711170197], rel=TOLERANCE)
    omitted = said("metainf(m)").to_frame()
    assert omitted["estimate"].tolist()[:3] == pytest.approx([0.329036768, 0.317865033, 0.294795924], rel=TOLERANCE)
    assert omitted["ci_upper"].tolist()[:2] == pytest.approx([0.457300030, 0.451937283], rel=TOLERANCE)
    added = said("metacum(m, sortvar = year)").to_frame()
    assert added["estimate"].tolist()[1:4] == pytest.approx([0.257654038, 0.343864951, 0.302221896], rel=TOLERANCE)
    filled = said("trimfill(m, ma.common = FALSE)")
    assert (filled.estimate, filled.ci_lower, filled.ci_upper) == pytest.approx((0.335442757, 0.232024960, 0.457496051), rel=TOLERANCE)
    single = said("influence(m)").to_frame()
    assert single["rstudent"].tolist()[:3] == pytest.approx([-0.704131152, -0.142558914, 1.199989581], rel=TOLERANCE)
    assert single["cook_d"].tolist()[:3] == pytest.approx([0.041163921, 0.000041235, 0.169326955], rel=TOLERANCE)
    line = said('rma(measure = "PLO", xi, ni, mods = ~ dose)').to_frame().iloc[1]
    assert [line[name] for name in ("estimate", "ci_lower", "ci_upper")] == pytest.approx(
        [0.910100224, 0.459411879, 1.36078857], rel=TOLERANCE
    )
    assert said("permutest(m)").pvalue == pytest.approx(0.09375)
    arms = space["table"].assign(study=list("abcdeabcdea"), arm=range(11))
    nested = eval(_ours("rma.mv(yi, vi, random = ~ 1 | study/arm)"), {**space, "table": arms})
    assert (nested.estimate, nested.ci_lower, nested.ci_upper) == pytest.approx((0.322163751, 0.206730047, 0.464325274), rel=TOLERANCE)
    egger = said("meta bias, egger traditional").to_frame().iloc[0]
    assert egger["p_value"] == pytest.approx(0.440719169, rel=TOLERANCE)


def test_the_lines_of_meta_take_the_defaults_of_meta(space):
    """A line that pools names the preset; lines of a result take what the result has."""
    for habit in HABITS:
        if habit.program == "meta" and habit.ours.startswith(("mn.pool(", "mn.compare(")):
            assert 'preset="meta"' in habit.ours, habit
        if (
            habit.program == "metafor"
            and habit.ours.startswith("mn.pool(")
            and "ai" not in habit.theirs
            and "labbe" not in habit.theirs
        ):
            assert 'preset="metafor"' in habit.ours, habit


def test_a_result_that_is_updated_keeps_the_rules_of_its_preset(space):
    table = space["table"]
    again = mn.pool(table, preset="meta").update(model="inverse_variance", tau2="PM")
    alone = mn.pool(table, preset="meta", model="inverse_variance", tau2="PM")
    assert again.to_dict() == alone.to_dict()
    assert (again.options.ci, again.options.preset) == ("z", "meta")
    assert mn.pool(table, preset="meta").update(preset="metafor").to_dict() == mn.pool(table, preset="metafor").to_dict()


def test_what_is_said_of_models_and_estimates_is_true_of_every_result(space):
    """Models without random effects are named, and a ratio is not called a rate."""
    from metanet.models.registry import MODELS

    without = {name for name, row in MODELS.items() if row.family == "fixed" or name == "common"}
    for text in (ARGUMENTS["random"], WORDS["model", "random"], WORDS["tau2", "random"]):
        assert set(re.findall(r"'(\w+)'", text)) == without
    for name in ("pval", "pvalue", "zval"):
        with pytest.raises(AttributeError, match="not tested against a value"):
            getattr(mn.pool(space["trials"]), name)


def test_an_unknown_name_is_an_error_of_metanet_and_shows_itself_as_one(space):
    for get in (lambda: mn.metaprop, lambda: mn.nothing, lambda: space["fit"].ci_lb):
        with pytest.raises(mn.MetanetError) as caught:
            get()
        assert isinstance(caught.value, AttributeError)
        assert len(caught.value._render_traceback_()) <= 2
    assert not hasattr(mn, "metaprop")
    assert getattr(space["fit"], "ci_lb", None) is None
