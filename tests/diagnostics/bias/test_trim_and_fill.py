"""Trim and fill of any fit."""

import json

import numpy as np
import pytest

import metanet as mn
from metanet.base.errors import ArgumentError
from metanet.diagnostics.bias.trim_and_fill import trim_and_fill
from tests.reference.cases import MEASURES, load

BCG = load("bcg")
PAIRS = {"events": BCG["ai"], "total": BCG["n1i"], "events_control": BCG["ci"], "total_control": BCG["n2i"]}


@pytest.mark.parametrize("estimator", ["L0", "R0"])
@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("name", ["pritz1997", "zeros", "allones", "hugestudy"])
def test_it_agrees_with_metafor_on_rates(name, measure, estimator):
    file = load(name)
    wanted = file["fits"][measure][f"trimfill_{estimator}"]
    fit = mn.pool(events=file["events"], total=file["total"], measure=measure, model="inverse_variance", ci="z")
    found = trim_and_fill(fit, estimator=estimator, allow_biased=True)
    assert (found.k0, found.side) == (wanted["k0"], wanted["side"])
    # The reference's REML stops when tau2 moves by less than 1e-5 in absolute terms.
    got = [found.mu, found.mu_lower, found.mu_upper, found.tau2]
    np.testing.assert_allclose(got, [wanted[key] for key in ("estimate", "ci_lower", "ci_upper", "tau2")], atol=1.5e-5)


@pytest.mark.parametrize("ci", ["z", "HK"])
@pytest.mark.parametrize("tau2", ["REML", "DL"])
def test_the_filled_estimate_is_that_of_pooling_all_effects(tau2, ci):
    fit = mn.pool(**PAIRS, measure="RR", tau2=tau2, ci=ci)
    found = trim_and_fill(fit, side="right")
    assert found.k0 == len(found.imputed) > 0
    y, v = BCG["fits"]["RR"]["yi"], BCG["fits"]["RR"]["vi"]
    again = mn.pool(yi=[*y, *found.imputed["yi"]], vi=[*v, *found.imputed["vi"]], tau2=tau2, ci=ci)
    assert found.mu == pytest.approx(again.mu, rel=1e-7)
    assert found.ci_lower == pytest.approx(np.exp(again.mu_lower), rel=1e-7)
    assert found.ci_upper == pytest.approx(np.exp(again.mu_upper), rel=1e-7)
    assert found.tau2 == pytest.approx(again.tau2, rel=1e-7)
    assert found.observed == pytest.approx(fit.estimate, rel=1e-10)
    assert found.observed_lower == pytest.approx(fit.ci_lower, rel=1e-10)


def test_rates_need_to_be_asked_for_twice():
    fit = mn.pool(events=load("pritz1997")["events"], total=load("pritz1997")["total"])
    with pytest.raises(ArgumentError, match="allow_biased=True"):
        trim_and_fill(fit)
    found = trim_and_fill(fit, allow_biased=True)
    assert "Misleading on rates" in found.sentence()
    assert "two-step" in found.summary()
    assert 0 < found.ci_lower < found.estimate < found.ci_upper < 1
    assert found.imputed["response"].between(0, 1).all()


def test_a_side_without_missing_studies_leaves_the_estimate():
    found = trim_and_fill(mn.pool(**PAIRS, measure="RR"), side="left")
    assert found.k0 == 0
    assert found.estimate == found.observed
    assert found.imputed.empty
    assert "no study missing" in found.sentence()


@pytest.mark.parametrize("model", ["mantel_haenszel", "peto", "UM.FS", "CM.AL", "common"])
def test_every_two_group_model_has_a_twin(model):
    found = trim_and_fill(mn.pool(**PAIRS, model=model))
    assert found.reason is None
    assert found.ci_lower < found.estimate < found.ci_upper
    json.dumps(found.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("events", "total"),
    [([3], [9]), ([2, 3], [9, 9]), ([0, 0, 0], [9, 20, 30]), ([2, 4, 6], [10, 20, 30]), ([0, 9, 9, 0], [9, 9, 20, 20])],
)
@pytest.mark.parametrize("model", ["glmm", "inverse_variance"])
def test_hard_data_get_numbers_or_a_reason(events, total, model):
    found = trim_and_fill(mn.pool(events=events, total=total, model=model), allow_biased=True)
    text = found.summary() + found.sentence() + repr(found) + found._repr_html_()
    assert "nan" not in text.lower()
    assert "None" not in text
    assert (found.reason is None) == (len(events) > 2)
    json.dumps(found.to_dict(), allow_nan=False)


def test_unknown_words_are_errors():
    fit = mn.pool(**PAIRS)
    for wrong in ({"estimator": "L1"}, {"side": "up"}, {"max_iterations": 0}, {"max_iterations": True}):
        with pytest.raises(ArgumentError):
            trim_and_fill(fit, **wrong)
