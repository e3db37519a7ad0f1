"""Calibration: the same numbers as a loop of single poolings, and words for what cannot be simulated."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import special

import metanet as mn
from metanet.models.options import options_of
from metanet.models.pooling.simulate import Truth, draw

FIT = mn.pool(events=[2, 9, 4, 1, 21, 9], total=[20, 30, 25, 15, 40, 52], model="glmm")
PAIRS = {
    "events": [2, 9, 4, 0, 7, 1],
    "total": [20, 30, 25, 15, 40, 18],
    "events_control": [5, 12, 9, 3, 11, 2],
    "total_control": [21, 29, 26, 16, 39, 18],
}


def test_coverage_is_what_a_loop_of_single_poolings_counts():
    found = mn.calibrate(FIT, 60, seed=2, rivals=False)
    truth = found.truth
    sets = draw(truth, FIT.data, options_of(FIT.method), 60, np.random.default_rng(2))
    held, error, inside = [], [], []
    target = special.expit(FIT.mu)
    for events, total in zip(sets["events"], sets["total"], strict=True):
        one = mn.pool(events=events, total=total, model="glmm")
        held.append(one.ci_lower <= target <= one.ci_upper)
        error.append(one.estimate - target)
        if one.pi_lower is not None:
            ends = special.logit([one.pi_lower, one.pi_upper])
            inside.append(np.diff(special.ndtr((ends - FIT.mu) / FIT.tau))[0])
    row = found.to_frame().iloc[0]
    assert row["coverage"] == pytest.approx(np.mean(held))
    assert row["bias"] == pytest.approx(np.mean(error), rel=1e-6, abs=1e-9)
    assert row["pi_coverage"] == pytest.approx(np.mean(inside), rel=1e-6)


def test_rivals_share_the_data_sets_and_the_chosen_method_stands_first():
    found = mn.calibrate(FIT, 200, seed=1)
    frame = found.to_frame()
    assert frame["chosen"].tolist() == [True] + [False] * (len(frame) - 1)
    assert frame["label"].is_unique
    assert frame["label"].iloc[0] == "Binomial-normal model, t"
    assert (frame["coverage"] + frame["below"] + frame["above"]).to_numpy() == pytest.approx(1.0)
    z = frame[frame["label"] == "Binomial-normal model, z"].iloc[0]
    assert z["width"] < frame["width"].iloc[0]
    # The z interval is that of its own fit.
    alone = mn.calibrate(mn.pool(FIT.studies[["events", "total"]], ci="z", model="glmm"), 200, seed=1, rivals=False).to_frame().iloc[0]
    assert z["coverage"] == alone["coverage"]
    assert z["width"] == pytest.approx(alone["width"], rel=1e-9)


@pytest.mark.parametrize(
    ("data", "choices"),
    [
        ({"events": [2, 9, 4, 1], "total": [20, 30, 25, 15]}, {"model": "beta_binomial"}),
        ({"events": [2, 9, 4, 1], "total": [20, 30, 25, 15]}, {"measure": "PR"}),
        ({"events": [2, 9, 4, 1], "total": [20, 30, 25, 15]}, {"link": "cloglog"}),
        ({"events": [2, 9, 4], "person_time": [100.0, 300.0, 220.0]}, {}),
        (PAIRS, {}),
        (PAIRS, {"measure": "RD"}),
        (PAIRS, {"model": "mantel_haenszel", "measure": "RR"}),
        (PAIRS, {"model": "CM.EL"}),
        ({"yi": [0.1, 0.5, -0.2], "vi": [0.1, 0.2, 0.1]}, {"ci": "KR"}),
    ],
    ids=str,
)
def test_every_kind_of_data_is_simulated(data, choices):
    found = mn.calibrate(mn.pool(**data, **choices), 100, seed=1)
    frame = found.to_frame()
    assert frame["answered"].iloc[0] > 0.5
    assert frame["coverage"].between(0.5, 1.0).all()
    json.dumps(found.to_dict(), allow_nan=False)
    assert all(label in found.summary() for label in frame["label"])


def test_drawn_sets_have_the_moments_of_the_truth():
    truth = Truth("logit", -1.0, 0.8)
    sets = draw(truth, FIT.data, options_of(FIT.method), 20_000, np.random.default_rng(1))
    rate = sets["events"] / sets["total"]
    # Standard error of a mean of 120,000 rates: below 0.001.
    assert rate.mean() == pytest.approx(truth.average, abs=0.004)
    assert truth.middle == pytest.approx(special.expit(-1.0))
    beta = Truth("beta", -1.0, 0.1)
    sets = draw(beta, FIT.data, options_of(FIT.method), 20_000, np.random.default_rng(1))
    assert (sets["events"] / sets["total"]).mean() == pytest.approx(special.expit(-1.0), abs=0.004)


def test_the_share_of_true_rates_is_that_of_the_distribution():
    from scipy import stats

    lower, upper = np.array([0.1]), np.array([0.4])
    logit = Truth("logit", -1.0, 0.8).share_between(lower, upper)
    assert logit[0] == pytest.approx(np.diff(stats.norm.cdf(special.logit([0.1, 0.4]), -1.0, 0.8))[0])
    p = special.expit(-1.0)
    beta = Truth("beta", -1.0, 0.1).share_between(lower, upper)
    assert beta[0] == pytest.approx(np.diff(stats.beta.cdf([0.1, 0.4], p * 9, (1 - p) * 9))[0])
    assert Truth("logit", -1.0, 0.0).share_between(lower, upper)[0] == 1.0


def test_rate_and_tau_can_be_named():
    found = mn.calibrate(FIT, 50, rate=0.5, tau=0.0, rivals=False)
    assert found.truth == Truth("logit", 0.0, 0.0)
    nothing = mn.pool(events=[0, 0, 0], total=[10, 20, 30], model="glmm")
    assert "give rate and tau" in mn.calibrate(nothing, 50).reason
    assert mn.calibrate(nothing, 50, rate=0.01, tau=0.3, rivals=False).coverage is not None


def test_one_study_has_a_reason():
    found = mn.calibrate(mn.pool(events=[3], total=[10], model="glmm"), 50)
    assert found.reason == "One study: nothing is pooled, so no method can be calibrated."
    assert found.coverage is None
    assert found.pi_coverage is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"simulations": 3}, "simulations=3 must be a whole number from 10"),
        ({"rate": 30}, "Did you mean 0.3"),
        ({"tau": -1}, "tau=-1 must be a number from 0 to 20"),
        ({"seed": 1.5}, "seed="),
    ],
)
def test_arguments_that_cannot_be_are_refused(arguments, message):
    with pytest.raises(mn.ArgumentError, match=message):
        mn.calibrate(FIT, **arguments)


def test_the_interval_of_tau_is_counted_where_it_is_on_the_scale_of_the_truth():
    frame = mn.calibrate(mn.pool(events=[3, 5, 9, 2, 7], total=[20, 30, 25, 41, 30]), 200, seed=3).to_frame().set_index("label")
    known = frame["tau_coverage"].dropna()
    assert ((known >= 0) & (known <= 1)).all()
    assert frame["tau_coverage"].isna()[[label for label in frame.index if "Freeman" in label or "Beta" in label]].all()
    assert known.iloc[0] > 0.9
