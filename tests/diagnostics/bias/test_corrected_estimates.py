"""PET-PEESE, the limit meta-analysis and selection models of any fit."""

import json

import numpy as np
import pytest

import metanet as mn
from metanet.base.errors import ArgumentError
from metanet.diagnostics.bias.limit_meta_analysis import limit_meta_analysis
from metanet.diagnostics.bias.pet_peese import pet_peese
from metanet.diagnostics.bias.selection_model import selection_model
from tests.reference.cases import load

BCG = load("bcg")
PAIRS = {"events": BCG["ai"], "total": BCG["n1i"], "events_control": BCG["ci"], "total_control": BCG["n2i"]}
PRITZ = {"events": load("pritz1997")["events"], "total": load("pritz1997")["total"]}
Y, V = (np.array(BCG["fits"]["RR"][name]) for name in ("yi", "vi"))
DRAWN = load("small_study")["cases"]["drawn_1"]
CHECKS = {
    "pet": lambda fit: pet_peese(fit, allow_biased=True),
    "pet with null": lambda fit: pet_peese(fit, allow_biased=True, null=0.3),
    "limit": lambda fit: limit_meta_analysis(fit, allow_biased=True),
    "step": lambda fit: selection_model(fit, null=0.3),
    "beta": lambda fit: selection_model(fit, kind="beta", null=0.3),
    "no null": selection_model,
}


def test_pet_and_peese_are_weighted_regressions():
    found = pet_peese(mn.pool(**PAIRS, measure="RR"))
    for line, x in ((found.pet, np.sqrt(V)), (found.peese, V)):
        (slope, intercept), covariance = np.polyfit(x, Y, 1, w=1 / np.sqrt(V), cov=True)
        assert line.mu == pytest.approx(intercept, rel=1e-9)
        assert line.slope == pytest.approx(slope, rel=1e-9)
        assert line.se == pytest.approx(np.sqrt(covariance[1, 1]), rel=1e-9)
        assert line.estimate == pytest.approx(np.exp(intercept), rel=1e-9)


def test_peese_is_taken_where_pet_finds_an_effect():
    fit = mn.pool(**PAIRS, measure="RR")
    found = pet_peese(fit)
    assert found.pet.p_value > 0.1
    assert (found.conditional, found.estimate) == ("PET", found.pet.estimate)
    loose = pet_peese(fit, alpha=0.9)
    assert (loose.conditional, loose.estimate) == ("PEESE", loose.peese.estimate)
    moved = pet_peese(fit, null=3.0)
    assert moved.conditional == "PEESE"


def test_rates_have_no_choice_without_a_rate_of_no_effect():
    fit = mn.pool(**PRITZ)
    with pytest.raises(ArgumentError, match="PET-PEESE misleads on rates"):
        pet_peese(fit)
    found = pet_peese(fit, allow_biased=True)
    assert found.conditional is None
    assert found.estimate is None
    assert 0 < found.pet.estimate < 1
    assert pet_peese(fit, allow_biased=True, null=0.2).conditional == "PEESE"


def test_the_limit_stands_on_the_fits_tau2():
    fit = mn.pool(**PAIRS, measure="RR", tau2="DL")
    found = limit_meta_analysis(fit)
    assert found.tau2 == pytest.approx(fit.tau2, rel=1e-12)
    s = np.sqrt(V + fit.tau2)
    design = np.column_stack([np.ones_like(s), 1 / s])
    inverse = np.linalg.inv(design.T @ design)
    way = np.array([fit.tau, 1.0])
    mu = way @ inverse @ design.T @ (Y / s)
    se = np.sqrt(way @ inverse @ way)
    assert (found.mu, found.se) == (pytest.approx(mu, rel=1e-8), pytest.approx(se, rel=1e-8))
    assert found.ci_upper == pytest.approx(np.exp(mu + 1.959963984540054 * se), rel=1e-8)
    assert found.q == pytest.approx(fit.q, rel=1e-10)
    assert found.q_small_study + found.q_residual == pytest.approx(found.q, rel=1e-10)
    assert 0 <= found.g2 <= 1
    assert len(found.to_frame()) == fit.k


def test_the_limit_of_rates_needs_to_be_asked_for_twice():
    with pytest.raises(ArgumentError, match="Limit meta-analysis misleads on rates"):
        limit_meta_analysis(mn.pool(**PRITZ))


@pytest.mark.parametrize("kind", ["step", "beta"])
def test_selection_models_turn_with_the_effects(kind):
    up = selection_model(mn.pool(yi=DRAWN["yi"], vi=DRAWN["vi"]), kind=kind)
    down = selection_model(mn.pool(yi=[-y for y in DRAWN["yi"]], vi=DRAWN["vi"]), kind=kind)
    assert (up.alternative, down.alternative) == ("greater", "less")
    assert up.mu == pytest.approx(-down.mu, rel=1e-6)
    assert up.ci_lower == pytest.approx(-down.ci_upper, rel=1e-5)
    np.testing.assert_allclose(up.weights["delta"], down.weights["delta"], rtol=1e-5)


def test_the_step_model_lowers_an_estimate_that_selection_raised():
    found = selection_model(mn.pool(yi=DRAWN["yi"], vi=DRAWN["vi"]))
    assert found.mu < found.unselected
    assert found.weights["studies"].sum() == found.k
    assert found.weights["delta"].iloc[0] == 1
    assert found.weights["delta"].iloc[1] < 0.6
    wanted = DRAWN["step_greater"]
    assert found.mu == pytest.approx(wanted["estimate"], rel=1e-4)
    assert found.lrt == pytest.approx(wanted["lrt"], abs=1e-6)


def test_a_selection_model_names_the_other_maximum_in_its_sentence():
    found = selection_model(mn.pool(yi=[0.2, 0.37, -0.85, 1.66, 1.96], vi=[0.38, 0.06, 0.24, 0.34, 0.36]), kind="beta")
    assert found.lrt == pytest.approx(2.1648, abs=1e-4)
    assert found.mu == pytest.approx(-0.0092, abs=1e-4)
    assert "another maximum, at the estimate 0.813" in found.sentence()
    assert "2.05 lower" in found.sentence()


def few(seed):
    """Effects and variances of five to ten studies."""
    rng = np.random.default_rng(seed)
    v = np.exp(rng.uniform(-3.5, -0.7, rng.integers(5, 11)))
    return rng.normal(rng.choice([0, 0.3, 0.8]), np.sqrt(v + rng.choice([0, 0.04, 0.36, 1.0]))), v


def test_a_likelihood_without_an_inner_maximum_gives_its_limit_and_no_errors():
    y, v = few(92)
    found = selection_model(mn.pool(yi=y, vi=v), kind="beta", alternative="greater")
    assert found.reason is None
    assert "no maximum inside the model: it rises as a of the beta weight tends to 0" in found.sentence()
    assert (found.se, found.mu_lower, found.ci_upper, found.tau2_se) == (None, None, None, None)
    assert found.weights["delta"].iloc[0] == 0
    assert found.weights[["se", "lower", "upper"]].isna().all(axis=None)
    assert found.lrt > 0
    json.dumps(found.to_dict(), allow_nan=False)


def test_an_estimate_beyond_every_study_is_called_an_extrapolation():
    for seed, beyond in ((39, True), (49, True), (74, False), (92, False)):
        y, v = few(seed)
        found = selection_model(mn.pool(yi=y, vi=v), kind="beta", alternative="greater")
        assert (found.mu < y.min() or found.mu > y.max()) == beyond
        assert ("outside the effects of the studies" in found.sentence()) == beyond


def test_an_interval_without_studies_is_the_reason():
    found = selection_model(mn.pool(**PAIRS, measure="RR"), alternative="greater")
    assert "No study has a p-value between 0 and 0.025" in found.reason
    assert found.estimate is None
    assert found.weights.empty


def test_rates_have_no_p_values_unless_a_rate_was_tested():
    fit = mn.pool(**PRITZ)
    assert "null=0.2" in selection_model(fit).reason
    found = selection_model(fit, null=0.5)
    assert found.reason is None
    assert 0 < found.ci_lower < found.estimate < found.ci_upper < 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "steps"},
        {"steps": (0.5, 0.025)},
        {"steps": ()},
        {"steps": (0.0, 0.5)},
        {"steps": "many"},
        {"alternative": "up"},
        {"kind": "beta", "alternative": "two-sided"},
        {"null": -1.0},
        {"null": "1"},
    ],
)
def test_wrong_choices_of_a_selection_model_are_errors(wrong):
    with pytest.raises(ArgumentError):
        selection_model(mn.pool(**PAIRS), **wrong)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("model", ["glmm", "common"])
@pytest.mark.parametrize(
    ("events", "total"),
    [
        ([3], [9]),
        ([2, 3], [9, 9]),
        ([0, 0, 0], [9, 20, 30]),
        ([9, 20, 30], [9, 20, 30]),
        ([2, 4, 6], [10, 20, 30]),
        ([2, 4, 6, 3, 2, 1], [20] * 6),
        ([0, 9, 9, 0, 1], [9, 9, 20, 20, 9]),
    ],
)
def test_hard_data_get_numbers_or_a_reason(events, total, model, check):
    found = CHECKS[check](mn.pool(events=events, total=total, model=model))
    text = found.summary() + found.sentence() + repr(found) + found._repr_html_()
    assert "nan" not in text.lower()
    assert "None" not in text
    if len(events) < 3:
        assert found.reason
    json.dumps(found.to_dict(), allow_nan=False)
    found.to_frame()


@pytest.mark.parametrize("model", ["mantel_haenszel", "peto", "UM.FS", "CM.AL", "common"])
def test_every_two_group_model_has_all_three(model):
    fit = mn.pool(**PAIRS, model=model)
    assert pet_peese(fit).estimate > 0
    assert limit_meta_analysis(fit).estimate > 0
    assert selection_model(fit).reason is None
