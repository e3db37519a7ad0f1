"""What is not asked for is not computed, and what is computed is the same."""

from __future__ import annotations

import numpy as np
import pytest

import metanet as mn

EVENTS = np.array([[1, 4, 6, 2, 9], [0, 0, 1, 2, 0]])
TOTAL = np.array([[20, 31, 40, 12, 33], [20, 31, 40, 12, 33]])


@pytest.mark.parametrize("model", ["bayes", "glmm", "beta_binomial", "inverse_variance", "peto"])
def test_an_estimate_alone_is_that_of_all_numbers(model):
    if model == "peto":
        data = {"events": EVENTS, "total": TOTAL, "events_control": EVENTS[:, ::-1], "total_control": TOTAL}
    else:
        data = {"events": EVENTS, "total": TOTAL}
    whole = mn.pool_arrays(**data, model=model)
    asked = mn.pool_arrays(**data, model=model, want="estimate")
    for name in ("estimate", "ci_lower", "ci_upper", "mu", "se", "tau2", "k"):
        np.testing.assert_array_equal(getattr(asked, name), getattr(whole, name), err_msg=name)
    assert list(asked.status) == list(whole.status)


def test_what_was_not_asked_for_is_missing():
    asked = mn.pool_arrays(EVENTS, TOTAL, model="glmm", want="estimate")
    for name in ("tau2_lower", "tau2_upper", "pi_lower", "pi_upper", "marginal_estimate"):
        assert np.isnan(getattr(asked, name)).all(), name
    with pytest.raises(mn.ArgumentError, match="want"):
        mn.pool_arrays(EVENTS, TOTAL, want="estimates")
