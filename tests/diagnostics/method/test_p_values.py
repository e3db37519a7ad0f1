"""The p-value function against the intervals it is made of, and the coordinates of the radial plot."""

from __future__ import annotations

import numpy as np
import pytest

import metanet as mn

FIT = mn.pool(events=[2, 9, 4, 0, 7], total=[20, 30, 25, 15, 40], study=list("abcde"), model="glmm")


def crossing(x: np.ndarray, p: np.ndarray, level: float) -> tuple[float, float]:
    above = np.flatnonzero(p >= level)
    return float(x[above[0]]), float(x[above[-1]])


def test_the_curve_crosses_five_per_cent_at_the_limits():
    frame = mn.p_value_function(FIT, 20_001)
    low, high = crossing(frame["value"].to_numpy(), frame["pooled"].to_numpy(), 0.05)
    assert low == pytest.approx(FIT.ci_lower, abs=2e-4)
    assert high == pytest.approx(FIT.ci_upper, abs=2e-4)
    low, high = crossing(frame["value"].to_numpy(), frame["prediction"].to_numpy(), 0.05)
    assert low == pytest.approx(FIT.pi_lower, abs=2e-4)
    assert high == pytest.approx(FIT.pi_upper, abs=2e-4)


def test_a_study_has_its_exact_limits():
    frame = mn.p_value_function(FIT, 20_001)
    low, high = crossing(frame["value"].to_numpy(), frame["b"].to_numpy(), 0.05)
    assert low == pytest.approx(FIT.studies["ci_lower"][1], abs=5e-4)
    assert high == pytest.approx(FIT.studies["ci_upper"][1], abs=5e-4)
    assert frame["d"].iloc[0] == pytest.approx(1.0, abs=0.2)


def test_the_slope_of_the_radial_plot_is_the_estimate():
    fit = mn.pool(yi=[0.1, 0.5, -0.2, 0.9], vi=[0.1, 0.2, 0.1, 0.3])
    frame = mn.radial(fit)
    slope = (frame["precision"] * frame["standardised"]).sum() / (frame["precision"] ** 2).sum()
    assert slope == pytest.approx(fit.mu, rel=1e-12)


def test_no_events_leave_the_studies_alone():
    frame = mn.p_value_function(mn.pool(events=[0, 0], total=[10, 20], model="glmm"))
    assert "pooled" not in frame
    assert frame.shape[1] == 3


def test_the_curve_of_a_posterior_crosses_a_level_at_its_credible_limits():
    for choices in ({"events": [5, 9, 12, 0], "total": [20, 33, 40, 20]}, {"events": [2, 9, 4], "person_time": [10.0, 22.0, 8.0]}):
        fit = mn.pool(**choices)
        frame = mn.p_value_function(fit, 2001)
        for column, ends in (("pooled", (fit.ci_lower, fit.ci_upper)), ("prediction", (fit.pi_lower, fit.pi_upper))):
            for end in ends:
                assert np.interp(end, frame["value"], frame[column]) == pytest.approx(0.05, abs=1e-4)
        assert np.interp(fit.estimate, frame["value"], frame["pooled"]) > 0.99
