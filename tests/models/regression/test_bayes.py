"""`meta_regression(model="bayes")`: the same posterior as `pool(model="bayes")`, answers for all data, and words true of them."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

import metanet as mn
from metanet import ArgumentError

DATA = pd.DataFrame(
    {
        "study": list("abcdefghij"),
        "events": [3, 5, 4, 9, 12, 11, 2, 7, 9, 3],
        "total": [20, 30, 25, 25, 30, 28, 20, 22, 31, 18],
        "year": [2001, 2002, 2003, 2005, 2008, 2009, 2010, 2012, 2014, 2015],
        "dose": [1.0, 3.0, 2.0, 5.0, 4.0, 1.5, 2.5, 3.5, 1.0, 6.0],
        "g": list("aabbccaabb"),
    }
)
EMPTY = DATA.assign(events=[0, 0, 4, 9, 12, 11, 0, 0, 9, 3])


def fitted(data=DATA, formula="~ year", **choices):
    return mn.meta_regression(data, formula, model="bayes", **choices)


def test_the_coefficients_have_credible_intervals_and_the_model_its_choices():
    fit = fitted()
    frame = fit.coefficients
    assert (fit.status, fit.model, fit.method["ci"], fit.method["prediction"]) == ("fitted", "bayes", "credible", "posterior")
    assert (frame["ci_lower"] < frame["estimate"]).all()
    assert (frame["estimate"] < frame["ci_upper"]).all()
    assert frame[["statistic", "df"]].isna().all(axis=None)
    assert fit.tau2_lower < fit.tau2 < fit.tau2_upper
    # Likelihoods and Wald's statistic belong to other models.
    assert [fit.lrt, fit.qm, fit.qm_pvalue, fit.loglik, fit.aic, fit.lrt_df] == [None] * 6
    assert json.dumps(fit.to_dict(), allow_nan=False)


def test_without_moderators_tau_is_that_of_the_pooled_rate():
    assert fitted().tau2_without == pytest.approx(mn.pool(DATA, model="bayes").tau2, rel=1e-8)


def test_it_is_the_default_for_rates_of_one_group():
    assert mn.meta_regression(DATA, "~ year").model == "bayes"


def test_groups_have_one_answer_however_they_are_coded():
    plain, full, other = fitted(formula="~ g"), fitted(formula="~ g - 1"), fitted(formula="~ C(g, 'c')")
    new = {"g": list("abc")}
    for fit in (full, other):
        pd.testing.assert_frame_equal(fit.predict(new), plain.predict(new), rtol=2e-5)
        assert fit.posterior_pvalue == pytest.approx(plain.posterior_pvalue, abs=1e-7)
        assert fit.tau2 == pytest.approx(plain.tau2, rel=1e-6)
    names = ["estimate", "ci_lower", "ci_upper"]
    np.testing.assert_allclose(expit(full.coefficients[names]), plain.predict(new)[names], rtol=1e-5)
    mirrored = other.coefficients.set_index("term").loc["C(g)[T.a]"]
    straight = plain.coefficients.set_index("term").loc["g[T.c]"]
    assert mirrored["estimate"] == pytest.approx(-straight["estimate"], abs=1e-5)
    assert mirrored["ci_lower"] == pytest.approx(-straight["ci_upper"], abs=1e-5)
    assert mirrored["pvalue"] == pytest.approx(straight["pvalue"], abs=1e-6)


def test_the_centre_and_the_scale_of_a_moderator_move_nothing():
    plain, centred, scaled = fitted(), fitted(formula="~ center(year)"), fitted(formula="~ scale(year)")
    a, b = (fit.coefficients.iloc[1] for fit in (plain, centred))
    np.testing.assert_allclose(a[["estimate", "ci_lower", "ci_upper", "pvalue"]].astype(float),
                               b[["estimate", "ci_lower", "ci_upper", "pvalue"]].astype(float), rtol=1e-4)  # fmt: skip
    new = {"year": [1990, 2007, 2030]}
    for fit in (centred, scaled):
        pd.testing.assert_frame_equal(fit.predict(new), plain.predict(new), rtol=1e-4)


def test_the_complement_flips_signs():
    fit, other = fitted(), fitted(DATA.assign(events=DATA["total"] - DATA["events"]))
    np.testing.assert_allclose(other.coefficients["estimate"], -fit.coefficients["estimate"], rtol=1e-4)
    np.testing.assert_allclose(other.coefficients["ci_lower"], -fit.coefficients["ci_upper"], rtol=1e-4)
    np.testing.assert_allclose(other.coefficients["pvalue"], fit.coefficients["pvalue"], atol=1e-6)


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_the_p_value_of_one_moderator_is_where_its_interval_touches_zero(level):
    fit = fitted(level=level)
    p = fit.coefficients["pvalue"][1]
    assert fit.posterior_pvalue == pytest.approx(p, abs=1e-9)
    touching = fitted(level=1 - p).coefficients.iloc[1]
    assert min(abs(touching["ci_lower"]), abs(touching["ci_upper"])) < 1e-6
    # The interval excludes zero exactly where p is below one less the level.
    row = fit.coefficients.iloc[1]
    assert (row["ci_lower"] > 0 or row["ci_upper"] < 0) == (p < 1 - level)


def test_two_categories_have_one_p_value_in_every_coding():
    data = DATA.assign(g=list("aabbabaabb"))
    plain, full = fitted(data, "~ g"), fitted(data, "~ g - 1")
    assert plain.posterior_pvalue == pytest.approx(plain.coefficients["pvalue"][1], abs=1e-9)
    assert full.posterior_pvalue == pytest.approx(plain.posterior_pvalue, abs=1e-7)


def test_intervals_of_a_prediction_nest():
    for choices in ({}, {"link": "probit"}, {"link": "cloglog"}):
        frame = fitted(**choices).predict({"year": [1980, 2000, 2010]})
        inner = frame[["pi_lower", "ci_lower", "estimate", "ci_upper", "pi_upper"]].to_numpy()
        assert (np.diff(inner, axis=1) > 0).all()
        assert (frame["marginal_ci_lower"] < frame["marginal_estimate"]).all()
        assert (frame["marginal_estimate"] < frame["marginal_ci_upper"]).all()
        assert ((inner > 0) & (inner < 1)).all()


def test_incidence_rates_have_the_prior_of_their_own_unit():
    data = DATA.assign(time=DATA["total"] * 0.7).drop(columns="total")
    fit, months = fitted(data, person_time="time"), fitted(data.assign(time=12 * data["time"]), person_time="time")
    assert fit.measure == "IRLN"
    np.testing.assert_allclose(months.coefficients["estimate"][1], fit.coefficients["estimate"][1], atol=1e-6)
    a, b = (each.predict({"year": 2005}).iloc[0] for each in (fit, months))
    assert b["estimate"] == pytest.approx(a["estimate"] / 12, rel=1e-5)
    assert "log of one event in the mean person-time" in fit.method["prior"]


@pytest.mark.parametrize("events", ["some", "none", "all"])
@pytest.mark.parametrize("formula", ["~ year", "~ g", "~ year + dose"])
def test_every_data_set_has_an_answer(events, formula):
    data = EMPTY if events == "some" else DATA.assign(events=0 if events == "none" else DATA["total"])
    fit = fitted(data, formula)
    assert fit.status == "fitted"
    assert np.isfinite(fit.coefficients[["estimate", "se", "pvalue", "ci_lower", "ci_upper"]]).all(axis=None)
    assert fit.sentence().count("CrI") == (fit.qm_df == 1)
    assert not re.search("nan|could not|no finite estimate", fit.summary())
    one_sided = any(note.startswith("No patient had the event, or all") for note in fit.notes)
    assert one_sided == (events != "some")
    assert (fit.qe is None) == one_sided


def test_a_first_category_at_an_edge_stays_the_reference_and_a_note_says_so():
    fit = fitted(EMPTY, "~ g")
    assert fit.references == {"g": "a"}
    note = next(note for note in fit.notes if note.startswith("The reference category of g is a, which has no events or events only"))
    assert "prior" in note
    assert any(note.startswith("Intercept") and "the likelihood alone has no finite maximum" in note for note in fit.notes)
    assert fitted(EMPTY, re.sub("^~ g$", "~ C(g, 'b')", "~ g")).references == {"g": "b"}
    assert not any("no events or events only" in note for note in fitted(DATA, "~ g").notes)


def test_words_are_those_of_a_posterior():
    fit = fitted(formula="~ year")
    text = fit.summary()
    assert "95 % CrI" in text
    assert " CI " not in text
    assert "likelihood ratio" not in text.replace("Residual heterogeneity  likelihood ratio", "")
    assert not re.search(r"Wald|Student|maximum likelihood|AIC|Knapp", text)
    assert fit.table()[0][3] == "95 % CrI"
    assert "95 % CrI" in fit.sentence()
    assert mn.meta_regression(DATA, "~ year", model="glmm").table()[0][3] == "95 % CI"
    assert "half-normal(1.25)" in fit.method.sentence()
    assert "95 % credible intervals with equal tails" in fit.method.sentence()
    assert any("10.1002/jrsm.1475" in source for source in fit.method["sources"])
    several = fitted(formula="~ g")
    assert set(several.tests) == {"residual", "posterior"}
    assert several.tests["posterior"].null == "no moderator is associated with the outcome"
    assert f"posterior p = {several.posterior_pvalue:.3f}" in several.sentence()


def test_the_priors_that_a_note_names_are_those_of_the_design():
    assert "each group of studies with the same moderators ~ normal(0, 2.5), independently" in fitted(formula="~ g").method["prior"]
    assert "precision (p / k) X'X / 2.5²" in fitted(formula="~ year").method["prior"]
    assert any(fitted().method["prior"] in note for note in fitted().notes)


def test_laplace_s_approximation_is_named_where_it_is_used():
    plain, many = fitted(formula="~ year + dose"), fitted(formula="~ year + dose + g")
    assert plain.method["other_coefficients"] == "trapezoidal, adaptive"
    assert many.method["other_coefficients"] == "Laplace's approximation"
    assert any("Laplace's approximation" in note for note in many.notes)
    assert "Laplace" in many.method.sentence()
    assert not any("Laplace" in note for note in plain.notes)
    # Groups alone need none, however many there are.
    groups = fitted(DATA.assign(g=list("aabbccddee")), "~ g")
    assert not any("Laplace" in note for note in groups.notes)


def test_a_line_over_a_moderator_is_drawn_from_the_posterior():
    fit = fitted()
    line = fit.bubble_data()
    line = line[line["part"] == "line"]
    assert np.isfinite(line[["value", "ci_lower", "ci_upper", "pi_lower", "pi_upper"]]).all(axis=None)
    ends = fit.predict({"year": [2001, 2015]})
    np.testing.assert_allclose(line["value"].iloc[[0, -1]], ends["estimate"], rtol=1e-9)
    assert fit.studies["weight"].sum() == pytest.approx(1.0)


def test_choices_that_a_posterior_does_not_have_are_refused():
    with pytest.raises(ArgumentError, match=r"permutations=100 has no meaning for model='bayes'.*Fix: model='glmm'"):
        fitted(permutations=100)
    with pytest.raises(ArgumentError, match="ci='t'"):
        fitted(ci="t")
    two = DATA.assign(events_control=3, total_control=20)
    with pytest.raises(ArgumentError, match="measure='OR' compares two"):
        fitted(two, measure="OR")
    assert mn.meta_regression(two, "~ year", measure="OR", model="inverse_variance").status == "fitted"
