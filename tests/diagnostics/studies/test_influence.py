"""Influence measures: what the exact models answer, and what happens at the edges."""

from __future__ import annotations

import json

import numpy as np
import pytest

import metanet as mn
from metanet.kernels.beta_binomial import likelihood
from metanet.kernels.normal_effect.random_effect import RULES, evaluate
from metanet.kernels.normal_effect.study_likelihoods import BinomialLogit

COUNTS = {"events": [2, 9, 4, 0, 7, 20, 3], "total": [20, 30, 25, 15, 40, 41, 33]}
PAIRS = {
    "events": [2, 9, 4, 0, 7, 1],
    "total": [20, 30, 25, 15, 40, 18],
    "events_control": [5, 12, 9, 3, 11, 2],
    "total_control": [21, 29, 26, 16, 39, 18],
}
MODELS = [
    *(pytest.param(COUNTS, {"model": m}, id=m) for m in ("glmm", "beta_binomial", "inverse_variance", "common")),
    *(pytest.param(PAIRS, {"model": m}, id=m) for m in ("UM.FS", "CM.EL", "CM.AL", "mantel_haenszel", "peto", "inverse_variance")),
    pytest.param({"events": [3, 9, 4], "person_time": [200.0, 410.0, 150.0]}, {}, id="poisson"),
    pytest.param({"yi": [0.1, 0.5, -0.2, 0.9], "vi": [0.1, 0.2, 0.1, 0.3]}, {}, id="effects"),
]


@pytest.mark.parametrize(("data", "choices"), MODELS)
def test_every_model_has_influence_measures(data, choices):
    fit = mn.pool(**data, **choices)
    found = mn.influence(fit)
    frame = found.to_frame()
    assert len(frame) == fit.k
    for name in ("cook_d", "cov_ratio", "dffits", "dfbetas", "hat", "rstudent"):
        assert np.isfinite(frame[name]).all(), name
    assert frame["hat"].sum() == pytest.approx(1.0)
    json.dumps(found.to_dict(), allow_nan=False)
    assert all(f"\n  {study} " in found.summary() for study in fit.studies["study"])


@pytest.mark.parametrize(("data", "choices"), MODELS)
def test_deleted_numbers_are_those_of_a_pooling_without_the_study(data, choices):
    fit = mn.pool(**data, **choices)
    frame = mn.influence(fit).to_frame()
    for i in (0, 2):
        rest = {name: [x for j, x in enumerate(values) if j != i] for name, values in data.items()}
        without = mn.pool(**rest, **choices)
        assert frame["cook_d"][i] == pytest.approx((fit.mu - without.mu) ** 2 / fit.se**2, rel=1e-6, abs=1e-12)
        if without.tau2 is not None:
            assert frame["tau2_deleted"][i] == pytest.approx(without.tau2, rel=1e-8, abs=1e-12)


def test_heterogeneity_shares_add_up_to_the_test():
    for choices in ({}, {"model": "beta_binomial"}):
        fit = mn.pool(**COUNTS, **choices)
        assert mn.influence(fit).to_frame()["heterogeneity"].sum() == pytest.approx(fit.lrt, rel=1e-9)
    fit = mn.pool(**PAIRS, model="CM.EL")
    assert mn.influence(fit).to_frame()["heterogeneity"].sum() == pytest.approx(fit.lrt, rel=1e-8)


def test_the_displacement_is_the_fall_of_the_likelihood_of_all_studies():
    fit = mn.pool(**COUNTS, model="glmm")
    frame = mn.influence(fit).to_frame()
    rest = {name: values[1:] for name, values in COUNTS.items()}
    without = mn.pool(**rest, model="glmm")
    studies = BinomialLogit(*(np.array([COUNTS[name]], dtype=float) for name in ("events", "total")))
    height = evaluate(studies, np.array([without.mu]), np.array([without.tau]), RULES[4]).loglik[0]
    assert frame["displacement"][0] == pytest.approx(2 * (fit.loglik - height), rel=1e-6)
    other = mn.pool(**COUNTS, model="beta_binomial")
    second = mn.pool(**rest, model="beta_binomial")
    counts = likelihood.count(*(np.array([COUNTS[name]], dtype=float) for name in ("events", "total")))
    psi = second.rho / (1 - second.rho)
    at = likelihood.evaluate(counts, np.array([second.mu]), np.array([psi])).loglik[0]
    assert mn.influence(other).to_frame()["displacement"][0] == pytest.approx(2 * (other.loglik - at), rel=1e-6)


def test_a_planted_outlier_is_named_and_left_out():
    events, total = [3, 4, 2, 5, 3, 4, 2, 28], [40, 45, 30, 50, 38, 41, 33, 40]
    fit = mn.pool(events=events, total=total, study=list("abcdefgh"), model="glmm")
    measured = mn.influence(fit).to_frame()
    assert measured["influential"].tolist() == [False] * 7 + [True]
    found = mn.outliers(fit)
    assert found.studies == ("h",)
    assert found.without.estimate == pytest.approx(mn.pool(events=events[:-1], total=total[:-1], model="glmm").estimate, rel=1e-12)
    assert mn.outliers(mn.pool(events=events[:-1], total=total[:-1], model="glmm")).studies == ()


def test_holm_keeps_more_studies_in_than_single_tests():
    fit = mn.pool(events=[3, 4, 2, 5, 12, 4], total=[40, 45, 30, 50, 38, 41], model="glmm")
    single, adjusted = mn.outliers(fit, adjust="none").to_frame(), mn.outliers(fit).to_frame()
    assert (adjusted["p"] >= single["p"] - 1e-15).all()
    assert adjusted["p"].min() == pytest.approx(min(1.0, 6 * single["p"].min()))


def test_the_only_study_with_events_is_seen_as_what_it_is():
    fit = mn.pool(events=[0, 0, 0, 6], total=[20, 15, 30, 25], model="glmm")
    frame = mn.influence(fit).to_frame()
    assert frame["influential"][3]
    assert frame["status"][3] == "no events"
    # All six events fell to the one study with 25 of 90 patients.
    chance = np.prod([(25 - i) / (90 - i) for i in range(6)])
    from scipy.special import ndtri

    assert frame["rstudent"][3] == pytest.approx(-ndtri(0.5 * chance), rel=1e-9)


@pytest.mark.parametrize("data", [{"events": [3], "total": [10]}, {"events": [0, 0], "total": [10, 12]}])
def test_without_an_estimate_there_is_a_reason(data):
    fit = mn.pool(**data)
    for found in (mn.influence(fit), mn.outliers(fit)):
        assert found.reason
        assert found.to_frame().empty
        assert found.reason in found.summary()
        assert found._repr_html_()


def test_names_from_a_file_are_escaped():
    fit = mn.pool(events=[3, 4, 20], total=[40, 45, 30], study=["<script>x</script>", "a\x1b[31m", "b"], model="glmm")
    page = mn.influence(fit)._repr_html_()
    assert "<script>" not in page
    assert "\x1b" not in mn.influence(fit).summary()


def test_something_else_than_a_result_is_refused():
    with pytest.raises(mn.ArgumentError, match=r"fit must be a result of mn\.pool"):
        mn.influence([1, 2])
    with pytest.raises(mn.ArgumentError, match=r"Did you mean .holm."):
        mn.outliers(mn.pool(**COUNTS), adjust="holms")


def test_effects_that_agree_exactly_have_no_unit_to_measure_in():
    found = mn.influence(mn.pool(yi=[0.2, 0.2, 0.2], vi=[0.1, 0.2, 0.3]))
    assert "their error is zero" in found.reason
    assert found.to_frame().empty


def test_sets_without_outliers_seldom_name_one():
    # 60 sets of five studies: at 10 % six name one, and more than fourteen do once in a thousand times. A normal tail names half.
    random = np.random.default_rng(6)
    named = 0
    for _ in range(60):
        total = random.integers(15, 150, 5)
        rate = 1 / (1 + np.exp(0.4 - random.standard_normal(5)))
        found = mn.outliers(mn.pool(events=random.binomial(total, rate), total=total, model="glmm"))
        named += bool(found.studies)
    assert named <= 14


def test_two_studies_that_leave_nothing_to_compare_have_a_reason():
    fit = mn.pool(events=[1, 9], total=[10, 12], model="glmm")
    assert "No study can be set against the others" in mn.influence(fit).sentence()
    assert mn.outliers(fit).reason


def test_shares_of_heterogeneity_exist_where_cells_are_empty():
    data = {"events": [0, 9, 4], "total": [5, 30, 25], "events_control": [7, 1, 6], "total_control": [21, 10, 26]}
    shares = mn.influence(mn.pool(**data, model="UM.FS")).to_frame()["heterogeneity"]
    assert (shares > 0).all()
