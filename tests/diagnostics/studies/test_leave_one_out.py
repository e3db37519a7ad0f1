"""Leave-one-out equals a loop of refits, agrees with metafor, and answers for every status."""

import numpy as np
import pytest

import metanet as mn
from metanet.effects.formulas import logit_proportion
from metanet.kernels.inverse_variance import two_step
from metanet.kernels.inverse_variance.tau2 import Problem
from tests.reference.cases import as_list, counts, load

EVENTS = [117, 9, 5, 17, 20, 6, 8, 26, 7, 8, 1, 11]
TOTAL = [168, 40, 10, 33, 51, 9, 16, 48, 23, 10, 8, 19]


@pytest.mark.parametrize("model", ["glmm", "inverse_variance"])
@pytest.mark.parametrize(("events", "total"), [(EVENTS, TOTAL), ([0, 0, 3], [9, 20, 11]), ([2, 3], [9, 9])])
def test_each_row_is_the_fit_without_that_study(model, events, total):
    fit = mn.pool(events=events, total=total, model=model)
    frame = mn.leave_one_out(fit).to_frame()
    for i, row in enumerate(frame.to_dict("records")):
        rest = [j for j in range(len(events)) if j != i]
        alone = mn.pool(events=[events[j] for j in rest], total=[total[j] for j in rest], model=model)
        assert row["status"] == alone.status
        assert row["study"] == fit.studies["study"][i]
        for name in ("estimate", "ci_lower", "ci_upper", "tau2", "i2"):
            wanted = getattr(alone, name)
            assert np.isnan(row[name]) if wanted is None else row[name] == pytest.approx(wanted, rel=1e-8, abs=1e-10)


@pytest.mark.parametrize("name", ["pritz1997", "zeros", "allones", "hugestudy"])
def test_inverse_variance_agrees_with_metafor(name):
    wanted = load(name)["fits"]["PLO"]["leave1out"]
    events, total = counts(name)
    frame = mn.leave_one_out(mn.pool(events=events, total=total, model="inverse_variance", ci="z")).to_frame()
    np.testing.assert_allclose(frame["q"], as_list(wanted["Q"]), rtol=1e-6)
    # metafor's refits run with its default rule, a move of tau2 below 1e-5 in absolute terms; where they differ from ours beyond
    # 1e-6, our tau2 must be the one with the higher restricted likelihood.
    data = logit_proportion(events, total)
    for i, theirs in enumerate(as_list(wanted["tau2"])):
        y, v = np.delete(data.yi, i)[None], np.delete(data.vi, i)[None]
        ours = frame["tau2"][i]
        assert ours == pytest.approx(theirs, rel=1e-6, abs=2e-5)
        problem = Problem(y.T.copy(), v.T.copy(), "restricted")
        assert problem.loglik(np.array([ours]))[0] >= problem.loglik(np.array([theirs]))[0] - 1e-14
        at_theirs = two_step.weighted_mean(y, v, np.array([theirs]))
        np.testing.assert_allclose(at_theirs.mean[0], as_list(wanted["estimate"])[i], rtol=1e-6)
        np.testing.assert_allclose(np.sqrt(at_theirs.variance[0]), as_list(wanted["se"])[i], rtol=1e-6)


def test_one_study_leaves_nothing_to_omit():
    omitted = mn.leave_one_out(mn.pool(events=[3], total=[9], model="glmm"))
    assert "at least two studies" in omitted.reason
    assert omitted.to_frame().empty
    assert omitted.reason in omitted._repr_html_()


def test_the_sentence_names_both_ends():
    text = mn.leave_one_out(mn.pool(events=EVENTS, total=TOTAL, model="glmm")).sentence()
    assert "45.3 % (without Study 1)" in text
    assert "52.1 % (without Study 2)" in text


@pytest.mark.parametrize(
    ("events", "total", "words"),
    [
        ([3], [9], "one study"),
        ([0, 0], [9, 9], "None of the 18 patients"),
        ([9, 9], [9, 9], "All of the 18 patients"),
        ([0, 9], [9, 9], "opposite extreme rates"),
        ([2, 4], [9, 9], "With 2 studies"),
        ([6, 12, 18, 9], [20, 40, 60, 30], "estimated heterogeneity is zero"),
        (EVENTS, TOTAL, "The true rate of a new, comparable study is expected"),
    ],
)
def test_heterogeneity_in_words_for_every_kind_of_answer(events, total, words):
    fit = mn.pool(events=events, total=total, model="glmm")
    text = mn.heterogeneity_text(fit, mn.leave_one_out(fit))
    assert words in text
    assert "nan" not in text.lower()
    assert "None %" not in text


def test_names_do_not_reach_a_terminal_as_commands():
    fit = mn.pool(events=[1, 5, 20], total=[20, 25, 30], study=["a\x1b[31m", "b\u202e", "c"], model="glmm")
    found = mn.leave_one_out(fit)
    for text in (found.sentence(), found.summary(), repr(found)):
        assert "\x1b" not in text
        assert "\u202e" not in text
