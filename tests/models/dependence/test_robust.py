"""Cluster-robust errors of results: what they are put on, and what is said where they cannot be made."""

import json

import numpy as np
import pandas as pd
import pytest

import metanet as mn
from metanet.base.errors import ArgumentError
from metanet.models.dependence.robust import cluster_robust
from metanet.models.pooling.pool import pool
from metanet.models.regression.meta_regression import meta_regression

STUDIES = ["a", "a", "b", "c", "c", "c", "d", "e", "f", "f"]


def frame():
    return pd.DataFrame(
        {
            "events": [3, 5, 9, 2, 1, 4, 12, 7, 6, 8],
            "total": [20, 24, 30, 25, 18, 22, 40, 21, 30, 26],
            "year": [2001, 2001, 2005, 2010, 2010, 2010, 2012, 2015, 2018, 2018],
            "study_id": STUDIES,
        }
    )


@pytest.mark.parametrize(
    "choices",
    [{"model": "inverse_variance"}, {"model": "common"}, {"model": "glmm"}, {"model": "glmm", "link": "probit"}, {"measure": "PFT"}],
)
def test_estimate_and_model_error_stay_what_they_are(choices):
    fit = pool(frame(), **choices)
    found = cluster_robust(fit)
    assert found.estimate == fit.estimate
    assert found.mu == fit.mu
    assert found.ci_lower < found.estimate < found.ci_upper
    assert found.clusters == 6
    assert found.arms == {"a": 2, "b": 1, "c": 3, "d": 1, "e": 1, "f": 2}
    assert found.pvalue is None
    assert found.errors == ("sandwich" if fit.model == "glmm" else "CR2")


def test_ends_on_both_scales_belong_together():
    found = cluster_robust(pool(frame(), model="glmm"))
    np.testing.assert_allclose(np.log(found.ci_lower / (1 - found.ci_lower)), found.mu_lower)
    np.testing.assert_allclose(found.df, 5.0)


def test_a_sequence_of_keys_does_what_a_column_does():
    data = frame()
    by_column = cluster_robust(pool(data, model="inverse_variance"))
    fit = pool(events=data["events"].tolist(), total=data["total"].tolist(), model="inverse_variance")
    assert cluster_robust(fit, STUDIES).se == by_column.se


def test_the_order_of_arms_does_not_matter():
    data = frame()
    one = cluster_robust(pool(data, model="inverse_variance"))
    other = cluster_robust(pool(data.sample(frac=1, random_state=1), model="inverse_variance"))
    np.testing.assert_allclose([other.se, other.df], [one.se, one.df], rtol=1e-10)


def test_the_level_moves_the_interval_alone():
    fit = pool(frame(), model="inverse_variance")
    wide, narrow = cluster_robust(fit, level=0.99), cluster_robust(fit, level=0.8)
    assert wide.ci_lower < narrow.ci_lower < narrow.ci_upper < wide.ci_upper
    assert wide.se == narrow.se


@pytest.mark.parametrize("model", ["inverse_variance", "CM.EL"])
def test_two_groups_have_a_p_value_against_no_effect(model):
    data = frame().assign(events_control=[1, 2, 4, 1, 3, 2, 5, 3, 2, 4], total_control=20)
    given = {name: name for name in ("events", "total", "events_control", "total_control")}
    found = cluster_robust(pool(data, model=model, **given))
    assert 0 < found.pvalue < 1
    assert (found.pvalue < 0.05) == (found.ci_lower > 1 or found.ci_upper < 1)


def test_a_study_without_an_effect_takes_no_part():
    data = frame()
    more = pd.concat([data, pd.DataFrame({"events": [0], "total": [0], "year": [2020], "study_id": ["f"]})], ignore_index=True)
    more.loc[10, ["events", "total"]] = [5, 5]
    raw = {"measure": "PR", "model": "inverse_variance", "to": "none", "add": 0.0}
    found = cluster_robust(pool(more, **raw))
    assert found.arms["f"] == 2
    np.testing.assert_allclose(found.se, cluster_robust(pool(data, **raw)).se, rtol=1e-12)


def test_arms_without_a_key_are_studies_of_their_own():
    data = frame()
    data.loc[[0, 1], "study_id"] = None
    found = cluster_robust(pool(data, model="inverse_variance"))
    assert found.clusters == 7
    assert any("without a value of cluster" in note for note in found.notes)


@pytest.mark.parametrize("model", ["glmm", "inverse_variance"])
def test_a_regression_has_a_row_for_each_coefficient(model):
    fit = meta_regression(frame(), "~ year", model=model)
    found = cluster_robust(fit)
    table = found.coefficients
    assert table["term"].tolist() == list(fit.terms)
    np.testing.assert_allclose(table["estimate"], fit.coefficients["estimate"])
    np.testing.assert_allclose(table["fit_se"], fit.coefficients["se"])
    assert (table["se"] > 0).all()
    assert found.mu is None
    assert found.estimate is None


@pytest.mark.parametrize("model", ["glmm", "inverse_variance"])
def test_the_unit_of_a_moderator_does_not_move_its_test(model):
    fits = [meta_regression(frame().assign(m=scale * (frame()["year"] - 2010)), "~ m", model=model) for scale in (1.0, 1e6)]
    one, other = (cluster_robust(fit).coefficients.set_index("term").loc["m"] for fit in fits)
    np.testing.assert_allclose(
        [other["statistic"], other["df"], other["pvalue"]], [one["statistic"], one["df"], one["pvalue"]], rtol=1e-7
    )


def test_a_regression_on_other_columns_names_them():
    data = frame().rename(columns={"events": "x", "total": "n"})
    fit = meta_regression(data, "~ year", events="x", total="n")
    with pytest.raises(ArgumentError, match="events is missing"):
        cluster_robust(fit)
    assert cluster_robust(fit, events="x", total="n").reason is None
    with pytest.raises(ArgumentError, match="not the data that were fitted"):
        cluster_robust(fit, events=[1] * 10, total="n")


def test_what_cannot_be_made_robust_has_a_reason():
    data = frame()
    one = cluster_robust(pool(data, model="glmm"), [1] * 10)
    assert "one study" in one.reason
    assert one.se is None
    assert one.ci_lower is None
    assert one.estimate == pool(data, model="glmm").estimate
    none = cluster_robust(pool(events=[0, 0], total=[3, 4], model="glmm"), [1, 2])
    assert "no events" in none.reason
    few = cluster_robust(meta_regression(data, "~ year"), [1] * 5 + [2] * 5)
    assert "more studies than coefficients" in few.reason
    assert few.coefficients["se"].isna().all()
    for found in (one, none, few):
        assert found.reason in found.summary()
        assert "nan" not in found._repr_html_()
        json.dumps(found.to_dict(), allow_nan=False)


def test_few_degrees_of_freedom_are_said():
    found = cluster_robust(pool(frame(), model="inverse_variance"), [1, 1, 1, 1, 1, 2, 2, 2, 3, 3])
    assert found.df < 4
    assert any("below four" in note for note in found.notes)
    assert found.ci_lower is not None


def test_two_studies_have_one_degree_of_freedom_and_an_interval():
    fit = pool(yi=[0.0, 0.1, 0.4, 0.3], vi=[1e-4, 1.0, 1.0, 1.0], model="common")
    found = cluster_robust(fit, [1, 2, 2, 2])
    assert found.df == pytest.approx(1.0, abs=1e-9)
    assert found.ci_lower < found.estimate < found.ci_upper


@pytest.mark.parametrize("model", ["glmm", "inverse_variance"])
def test_studies_that_agree_exactly_get_no_interval_of_no_width(model):
    fit = pool(events=[2, 4, 6, 3], total=[20, 40, 60, 30], model=model)
    found = cluster_robust(fit, [1, 1, 2, 2])
    assert found.se is None
    assert found.ci_lower is None
    assert any("agree exactly" in note for note in found.notes)
    assert found.sentence() in found.summary()


def test_the_sandwich_says_that_it_is_not_cr2():
    assert any("CR2 does not exist" in note for note in cluster_robust(pool(frame(), model="glmm")).notes)
    assert not any("CR2 does not exist" in note for note in cluster_robust(pool(frame(), model="common")).notes)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"cluster": "study"}, "Did you mean 'study_id'"),
        ({"cluster": 3}, "cluster=3 must be a text or a sequence"),
        ({"cluster": [1, 2]}, "2 keys for 10 arms"),
        ({"level": 95}, "Did you mean 0.95"),
        ({"events": "events"}, "no meaning for a pooled result"),
    ],
)
def test_arguments_that_cannot_be_used_are_named(arguments, match):
    with pytest.raises(ArgumentError, match=match):
        cluster_robust(pool(frame(), model="glmm"), **arguments)


def test_models_without_such_errors_are_refused():
    with pytest.raises(ArgumentError, match="beta_binomial"):
        cluster_robust(pool(frame(), model="beta_binomial"))
    with pytest.raises(ArgumentError, match=r"must be a result of mn\.pool"):
        cluster_robust(frame())


def test_every_view_holds_the_numbers_and_escapes_names():
    data = frame().assign(study_id=["<b>"] * 2 + STUDIES[2:])
    fit = meta_regression(data.rename(columns={"year": "<i>y"}), "~ `<i>y`")
    for found in (cluster_robust(pool(data, model="glmm")), cluster_robust(fit)):
        json.dumps(found.to_dict(), allow_nan=False)
        assert "<i>" not in found._repr_html_()
        assert "<b>" not in found._repr_html_()
        assert found.sentence() in found.summary()
        assert len(found.to_frame()) == len(found.terms)


def test_it_runs_on_the_evidence():
    rates = mn.load_evidence().rates("objective_response")
    found = cluster_robust(pool(rates, model="glmm"))
    assert found.clusters == rates["study_id"].nunique()
    assert 0 < found.ci_lower < found.estimate < found.ci_upper < 1
