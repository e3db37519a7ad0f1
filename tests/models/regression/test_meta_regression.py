"""`meta_regression`: the published example, answers where numbers do not exist, and the views."""

import json
from dataclasses import FrozenInstanceError
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

import metanet as mn
from metanet import ArgumentError
from metanet.kernels.inverse_variance import regression
from metanet.models.regression.meta_regression import meta_regression
from tests.reference.cases import load


def devcic(source):
    """The study table of the published review with the share of pancreatic tumours: from the review, or from the evidence."""
    if source == "review":
        table = next(a for a in load("devcic2014")["analyses"] if a["id"] == "ORR")["rows"]
        return pd.DataFrame(table).rename(columns={"pct_pancreatic_printed": "pct_pancreatic"})
    rates = mn.load_evidence().rates("objective_response", modality="TARE", overlap="keep_all")
    return rates[rates["source"].str.contains("Devcic 2014", regex=False)].reset_index(drop=True)


def made(seed=1, k=15):
    rng = np.random.default_rng(seed)
    year, group = rng.integers(1990, 2020, k), np.array(list("abc"))[rng.integers(0, 3, k)]
    total = rng.integers(15, 80, k)
    events = rng.binomial(total, expit(-1 + 0.03 * (year - 2005) + 0.5 * (group == "b") + 0.3 * rng.normal(size=k)))
    return pd.DataFrame(
        {
            "study": [f"s{i}" for i in range(k)],
            "events": events,
            "total": total,
            "year": year,
            "group": group,
            "share": rng.uniform(0, 100, k),
            "yi": rng.normal(size=k),
            "vi": rng.uniform(0.05, 0.5, k),
            "person_time": rng.uniform(10, 90, k),
            "events_control": rng.integers(1, 12, k),
            "total_control": rng.integers(20, 80, k),
        }
    )


EMPTY = pd.DataFrame(
    {"study": list("uvwxyz"), "events": [0, 0, 0, 5, 6, 2], "total": [20, 15, 30, 30, 40, 25], "group": ["none"] * 3 + ["some"] * 3}
)


@pytest.mark.parametrize("source", ["review", "evidence"])
def test_the_published_association_of_devcic_is_reproduced(source):
    data = devcic(source)
    fit = meta_regression(data, "~ pct_pancreatic", model="inverse_variance", tau2="DL", ci="z")
    assert fit.k == 12
    row = fit.coefficients.set_index("term").loc["pct_pancreatic"]
    # Printed: p = 0.021 and R2 = 39 %.
    assert f"{row['pvalue']:.3f}" == "0.021"
    assert f"{100 * fit.r2:.0f}" == "39"
    assert row["estimate"] < 0


def test_the_exact_model_is_the_default_and_tests_by_likelihood_ratio():
    fit = meta_regression(devcic("review"), "~ pct_pancreatic", model="glmm")
    null = mn.pool(devcic("review"), model="glmm")
    assert (fit.model, fit.measure, fit.method["ci"], fit.df) == ("glmm", "PLO", "t", 10)
    np.testing.assert_allclose(fit.lrt, 2 * (fit.loglik - null.loglik), rtol=1e-9)
    np.testing.assert_allclose(fit.tau2_without, null.tau2, rtol=1e-6)
    np.testing.assert_allclose(fit.r2, 1 - fit.tau2 / fit.tau2_without, rtol=1e-9)
    assert fit.aic == pytest.approx(6 - 2 * fit.loglik)
    assert fit.tau2_lower < fit.tau2 < fit.tau2_upper


def test_the_interval_of_the_coefficient_uses_student_with_k_less_p():
    fit = meta_regression(devcic("review"), "~ pct_pancreatic", model="glmm")
    row = fit.coefficients.iloc[1]
    half = regression.critical(0.95, np.array(10.0)) * row["se"]
    np.testing.assert_allclose([row["ci_lower"], row["ci_upper"]], [row["estimate"] - half, row["estimate"] + half])


def test_two_steps_default_to_reml_and_knapp_hartung():
    fit = meta_regression(made(), "~ year + group", yi="yi", vi="vi")
    assert (fit.model, fit.measure, fit.method["tau2"], fit.method["ci"]) == ("inverse_variance", "GEN", "REML", "HK")
    assert fit.qm_df == 3
    assert fit.qe_df == 11
    # Restricted likelihoods of different designs cannot be compared.
    assert (fit.lrt, fit.loglik, fit.aic) == (None, None, None)


def test_maximum_likelihood_in_two_steps_has_a_likelihood_ratio():
    fit = meta_regression(made(), "~ year", yi="yi", vi="vi", tau2="ML")
    null = mn.pool(made(), yi="yi", vi="vi", tau2="ML", ci="z")
    y, v = made()["yi"].to_numpy()[None], made()["vi"].to_numpy()[None]
    without = regression.fit(y, v, np.ones((15, 1)), np.array([null.tau2])).loglik[0]
    np.testing.assert_allclose(fit.lrt, 2 * (fit.loglik - without), atol=1e-9)


@pytest.mark.parametrize(
    ("choices", "scale"),
    [
        ({"link": "probit"}, "rate"),
        ({"link": "cloglog"}, "rate"),
        ({"person_time": "person_time"}, "rate"),
        ({"measure": "PR"}, "rate"),
        ({"measure": "PFT"}, "rate"),
        ({"measure": "IRFT"}, "rate"),
        ({"measure": "OR"}, "ratio"),
        ({"measure": "RD"}, "difference"),
        ({"measure": "GEN", "tau2": "SJ"}, "effect"),
    ],
)
def test_every_kind_of_data_is_fitted_and_predicted(choices, scale):
    fit = meta_regression(made(), "~ year * group", **choices)
    predicted = fit.predict({"year": [2000, 2010], "group": "b"})
    assert fit.status == "fitted"
    inner = predicted[["pi_lower", "ci_lower", "estimate", "ci_upper", "pi_upper"]].to_numpy()
    assert (np.diff(inner[:, 1:4], axis=1) > 0).all()
    if scale == "rate":
        assert (inner >= 0).all()


def test_a_prediction_is_the_line_with_its_covariance():
    data = made()
    fit = meta_regression(data, "~ share", ci="z", model="glmm")
    at = fit.predict({"share": 40})
    b = fit.coefficients["estimate"].to_numpy()
    moved = meta_regression(data.assign(share=data["share"] - 40), "~ share", ci="z", model="glmm").coefficients.iloc[0]
    np.testing.assert_allclose(at["predictor"], b[0] + 40 * b[1], rtol=1e-7)
    # The intercept of the same model with its moderator moved there.
    np.testing.assert_allclose([at["predictor"][0], at["se"][0]], [moved["estimate"], moved["se"]], rtol=1e-6)
    np.testing.assert_allclose(logit(at["ci_upper"]), moved["ci_upper"], rtol=1e-6)
    half = regression.critical(0.95, np.array(12.0)) * np.sqrt(fit.tau2 + moved["se"] ** 2)
    np.testing.assert_allclose(logit(at["pi_lower"][0]), moved["estimate"] - half, rtol=1e-6)


def test_the_coding_of_categories_changes_no_test_and_no_prediction():
    one = meta_regression(made(), "~ group", model="glmm")
    full = meta_regression(made(), "~ 0 + group", model="glmm")
    other = meta_regression(made(), "~ C(group, 'c')", model="glmm")
    for fit in (full, other):
        np.testing.assert_allclose([fit.qm, fit.lrt, fit.tau2], [one.qm, one.lrt, one.tau2], rtol=1e-6)
        for group in "abc":
            np.testing.assert_allclose(
                fit.predict({"group": group}).iloc[0, 1:].astype(float),
                one.predict({"group": group}).iloc[0, 1:].astype(float),
                rtol=1e-5,
            )
    assert full.qm_df == 2


def test_studies_without_a_moderator_are_left_out_and_named():
    data = made()
    data.loc[[3, 7], "share"] = np.nan
    fit = meta_regression(data, "~ share", model="glmm")
    whole = meta_regression(data.drop([3, 7]), "~ share", model="glmm")
    assert fit.k == 13
    assert fit.notes[0] == "2 studies excluded because a moderator is missing: s3 and s7."
    np.testing.assert_allclose(fit.coefficients["estimate"], whole.coefficients["estimate"], rtol=1e-12)


def test_studies_without_an_effect_are_left_out_and_named():
    data = made().assign(events=lambda d: d["events"].where(d.index != 2, 0))
    fit = meta_regression(data, "~ share", measure="PLN", to="none")
    assert fit.k == 14
    assert "s2" in fit.notes[0]


@pytest.mark.parametrize(
    ("data", "formula", "choices", "word"),
    [
        (made().assign(same=3), "~ same", {}, "'same' is '3' in every one of 15 studies"),
        (made().assign(double=lambda d: 2 * d["year"] - 1), "~ year + double", {}, "double follows from the other columns"),
        (made().head(3), "~ year + share", {}, "3 studies for 3 coefficients"),
        (made().head(1), "~ year", {}, "1 study for 2 coefficients"),
        (made(), "~ study", {}, "'study' has one study in each category: the difference between the categories cannot be told"),
        (made(), "~ 0 + year", {}, "no intercept"),
        (made().assign(share=np.nan), "~ share", {}, "no study has share"),
        (made(), "~ year", {"model": "glm"}, "Did you mean 'glmm'"),
        (made(), "~ year", {"model": "beta_binomial"}, "not known for meta_regression"),
        (made(), "~ year", {"ci": "profile", "model": "glmm"}, "Known: 't', 'z'"),
        (made(), "~ year", {"measure": "PR", "ci": "KR"}, "Did you mean 'HK'"),
        (made(), "~ year", {"tau2": "DL", "model": "glmm"}, "Fix: name the model as well, such as model='inverse_variance'"),
        (made(), "~ year", {"permutations": 1}, "permutations=1 "),
        (made(), "~ year", {"permutations": 100, "seed": -1}, "seed=-1 "),
        (made(), "~ year", {"level": 95}, "Did you mean 0.95"),
        (None, "~ year", {}, "data is missing"),
        ([1, 2], "~ year", {}, "must be a pandas DataFrame"),
        (made().assign(share=np.inf), "~ share", {}, "cannot be computed with"),
    ],
)
def test_what_cannot_be_fitted_is_refused_in_words(data, formula, choices, word):
    with pytest.raises(ArgumentError) as raised:
        meta_regression(data, formula, **choices)
    assert word in str(raised.value)


def test_few_studies_for_each_coefficient_are_said():
    assert any("fewer than 10 for each" in note for note in meta_regression(made(), "~ year + share", model="glmm").notes)
    assert not any("fewer than 10" in note for note in meta_regression(made(k=25), "~ year + share", model="glmm").notes)


def test_a_group_without_events_has_a_test_and_no_estimate():
    fit = meta_regression(EMPTY, "~ group", model="glmm")
    assert fit.status == "separated"
    # The category with events is the reference, so that its rate has an estimate.
    assert fit.coefficients[["estimate", "se", "pvalue"]].isna().all(axis=1).tolist() == [False, True]
    assert fit.qm is None
    others, everyone = mn.pool(EMPTY[3:], model="glmm"), mn.pool(EMPTY, model="glmm")
    np.testing.assert_allclose(fit.lrt, 2 * (others.loglik - everyone.loglik), rtol=1e-9)
    assert 1e-4 < fit.lrt_pvalue < 1e-3
    assert any("separation" in note for note in fit.notes)
    predicted = fit.predict({"group": ["none", "some"]})
    assert predicted.iloc[0][["estimate", "ci_lower", "marginal_estimate"]].isna().all()
    np.testing.assert_allclose(predicted["estimate"][1], others.estimate, rtol=1e-6)


def test_a_group_with_one_event_is_warned_of_where_wald_fails():
    data = pd.DataFrame({"events": [1] + [0] * 9 + [6] * 10, "total": 60, "group": ["a"] * 10 + ["b"] * 10})
    fit = meta_regression(data, "~ group", model="glmm")
    assert fit.status == "fitted"
    assert fit.qm < fit.lrt / 2
    assert any("Hauck and Donner" in note for note in fit.notes)


@pytest.mark.parametrize("ci", ["t", "z"])
@pytest.mark.parametrize(
    ("events", "total"), [([3, 5, 4, 9, 12, 11], [20, 30, 25, 25, 30, 28]), ([0, 0, 1, 15, 18, 12], [40, 35, 50, 30, 40, 25])]
)
def test_wald_and_likelihood_ratio_are_compared_on_one_scale(events, total, ci):
    fit = meta_regression(pd.DataFrame({"events": events, "total": total, "g": list("aaabbb")}), "~ g", ci=ci, model="glmm")
    # F of few degrees of freedom has a larger p-value than the same number as chi-squared.
    assert fit.qm > fit.lrt
    assert not any("Wald" in note for note in fit.notes)


def test_complete_separation_has_a_likelihood_ratio_and_nothing_else():
    data = pd.DataFrame({"events": [0, 0, 0, 10, 10], "total": 10, "m": [1.0, 2, 3, 4, 5]})
    fit = meta_regression(data, "~ m", model="glmm")
    assert (fit.status, fit.tau2, fit.r2) == ("separated", None, None)
    # The model with the mean alone has no maximum there either.
    assert fit.loglik == pytest.approx(0.0, abs=1e-9)
    fit.summary(), fit.sentence(), fit._repr_html_(), fit.studies, fit.predict({"m": 2}), fit.bubble_data()


@pytest.mark.parametrize("events", ["none", "all", "alternating", "same"])
def test_extreme_data_are_answered_without_nonsense(events):
    data = made().assign(total=20)
    data["events"] = {"none": 0, "all": 20, "alternating": np.where(np.arange(15) % 2, 0, 20), "same": 5}[events]
    fit = meta_regression(data, "~ year", model="glmm")
    assert fit.status == ("fitted" if events == "same" else "not estimable")
    text = fit.summary() + fit.sentence() + repr(fit) + fit._repr_html_()
    assert "nan" not in text.lower()
    if events == "same":
        assert fit.tau2 == 0
        assert fit.lrt == pytest.approx(0, abs=1e-9)
    else:
        assert fit.lrt is None or events == "alternating"
        assert fit.coefficients["estimate"].isna().all()


def test_effects_exactly_on_a_line_have_no_knapp_hartung_test():
    data = made().assign(yi=lambda d: 0.1 * d["share"])
    fit = meta_regression(data, "~ share", yi="yi", vi="vi")
    assert fit.qm is None
    assert fit.coefficients["pvalue"].isna().all()
    assert any("exactly on the line" in note for note in fit.notes)
    assert meta_regression(data, "~ share", yi="yi", vi="vi", ci="z").qm_pvalue < 1e-10


def test_all_arrangements_are_taken_where_they_are_few():
    data = made(k=6)
    fit = meta_regression(data, "~ share", yi="yi", vi="vi", permutations=1000)
    assert fit.method["permutations"] == 720
    assert fit.method["permutations_complete"]
    y, v, x = (data[c].to_numpy() for c in ("yi", "vi", "share"))
    statistics = []
    for order in permutations(range(6)):
        design = np.column_stack([np.ones(6), x[list(order)]])
        one = regression.fit(y[None], v[None], design)
        statistics.append(abs(one.beta[0, 1]) / np.sqrt(one.covariance[0, 1, 1] * regression.scale_factor(one, "HK")[0]))
    wanted = np.mean(np.array(statistics) >= statistics[0] * (1 - 1e-7))
    np.testing.assert_allclose(fit.coefficients["permutation_pvalue"][1], wanted, rtol=1e-12)
    np.testing.assert_allclose(fit.permutation_pvalue, wanted, rtol=1e-12)


def test_random_arrangements_count_the_observed_one_and_follow_the_seed():
    data = made()
    data["yi"] = 0.3 * data["share"]
    data["vi"] = 0.1
    one = meta_regression(data, "~ share", yi="yi", vi="vi", ci="z", permutations=100)
    assert one.permutation_pvalue == pytest.approx(0.01)
    other = [meta_regression(made(), "~ share", permutations=60, seed=s, model="glmm").permutation_pvalue for s in (1, 1, 2)]
    assert other[0] == other[1] != other[2]


def test_an_empty_group_is_tested_by_permutation_of_the_likelihood_ratio():
    fit = meta_regression(EMPTY, "~ group", permutations=1000, model="glmm")
    # Twenty ways to choose three of six studies; the two that part them so are the most extreme.
    assert fit.method["permutations"] == 20
    assert fit.permutation_pvalue == pytest.approx(0.1)
    assert fit.coefficients["permutation_pvalue"][1] == pytest.approx(0.1)


def test_bubble_data_hold_the_studies_and_a_line_within_its_band():
    fit = meta_regression(made(), "~ share + group", model="glmm")
    frame = fit.bubble_data()
    studies, line = frame[frame["part"] == "study"], frame[frame["part"] == "line"]
    np.testing.assert_allclose(studies["value"], made()["events"] / made()["total"])
    assert studies["weight"].sum() == pytest.approx(1)
    assert (line["x"].iloc[0], line["x"].iloc[-1]) == (made()["share"].min(), made()["share"].max())
    assert ((line["ci_lower"] < line["value"]) & (line["value"] < line["ci_upper"])).all()
    at_b = fit.bubble_data("share", at={"group": "b"})
    np.testing.assert_allclose(at_b["value"].iloc[-1], fit.predict({"share": made()["share"].max(), "group": "b"})["estimate"][0])
    with pytest.raises(ArgumentError, match="Known: 'share'"):
        fit.bubble_data("group")
    with pytest.raises(ArgumentError, match="no numeric moderator"):
        meta_regression(made(), "~ group", model="glmm").bubble_data()
    with pytest.raises(ArgumentError, match="name one of them"):
        meta_regression(made(), "~ share + year", model="glmm").bubble_data()


def test_views_agree_with_the_numbers():
    fit = meta_regression(devcic("review"), "~ pct_pancreatic", model="inverse_variance", tau2="DL", ci="z")
    text = fit.summary()
    assert "p = 0.021" in fit.sentence()
    assert "39 %" in text
    assert "tau² by DL" in text
    assert json.loads(json.dumps(fit.to_dict()))["coefficients"][1]["term"] == "pct_pancreatic"
    assert fit.to_frame().equals(fit.coefficients)
    assert "sources" in fit.method
    assert len(fit.studies) == 12
    assert len(repr(fit)) < 400
    with pytest.raises(FrozenInstanceError):
        fit.k = 3


def test_texts_from_the_data_are_escaped():
    data = made().assign(group=np.array(["<script>alert(1)</script>", "$x$ \u202e"])[np.arange(15) % 2])
    fit = meta_regression(data.rename(columns={"share": "<img>"}), "~ group + `<img>`", model="glmm")
    html = fit._repr_html_()
    assert "<script>" not in html
    assert "<img>" not in html
    assert "\u202e" not in html + fit.summary() + fit.sentence()


def test_variance_inflation_is_one_for_one_moderator_and_grows_with_correlation():
    data = made().assign(near=lambda d: d["share"] + np.random.default_rng(2).normal(size=15))
    assert meta_regression(data, "~ share", model="glmm").coefficients["vif"][1] == pytest.approx(1)
    assert meta_regression(data, "~ share + near", model="glmm").coefficients["vif"][1:].min() > 50


def test_a_moderator_as_strong_as_the_effect_explains_everything():
    data = made().assign(yi=lambda d: d["share"] / 10)
    fit = meta_regression(data, "~ share", yi="yi", vi="vi", ci="z")
    assert (fit.tau2, fit.r2) == (0, 1)


def test_more_heterogeneity_with_the_moderator_than_without_gives_an_r2_of_zero():
    fit = meta_regression(made(3), "~ share", yi="yi", vi="vi", ci="z")
    assert fit.tau2 > fit.tau2_without
    assert fit.r2 == 0
    assert any("set to zero" in note for note in fit.notes)
