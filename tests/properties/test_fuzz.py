"""A part of the random data sets; `python -m tests.properties.fuzz` runs fifty thousand."""

import pytest

from . import fuzz


@pytest.mark.parametrize("seed", range(900, 904))
def test_every_model_of_one_group_answers_or_says_why(seed):
    found = fuzz.one_group(seed, 260, profile=40)
    assert len(found) > 30
    # Hard sets are among them: every kind of answer comes up.
    assert found["glmm"]["no events"] > 3
    assert found["glmm"]["only events"] > 3
    assert found["glmm"]["not pooled"] > 0
    assert sum(found["glmm"].values()) == 260
    # The posterior answers whatever several studies counted.
    assert set(found["bayes"]) == {"pooled", "not pooled"}


def test_every_model_of_two_groups_answers_or_says_why():
    found = fuzz.two_groups(910, 1200, exact=180)
    assert sum(found["Mantel-Haenszel OR"].values()) == 1200
    assert found["CM.AL"]["not estimable"] > 0


def test_no_grid_point_is_higher_than_the_maximum_returned():
    worst = fuzz.maxima(920, 500)
    # Likelihoods are compared up to the rounding of their sums.
    for name in ("GLMM", "probit", "cloglog", "Poisson", "CM.AL", "beta-binomial"):
        assert worst[name] <= 0, name
    assert worst["restricted"] <= 1e-9
    assert worst["full"] <= 1e-9
