"""Intervals of single studies against statsmodels, their own definitions and hand numbers."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.stats import beta, norm
from statsmodels.stats.proportion import proportion_confint

from metanet.effects.measures import MEASURES
from metanet.effects.study_intervals import INTERVALS, agresti_coull, jeffreys, normal_on_scale, wilson

COUNTS = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.one_of(st.just(0), st.just(n), st.integers(0, n)), st.just(n)))
LEVEL = st.sampled_from([0.5, 0.8, 0.95, 0.999])


@given(COUNTS, LEVEL)
def test_wilson_and_agresti_coull_agree_with_statsmodels(counts, level):
    for ours, theirs in ((wilson, "wilson"), (agresti_coull, "agresti_coull")):
        expected = np.clip(proportion_confint(*counts, alpha=1 - level, method=theirs), 0, 1)
        np.testing.assert_allclose(ours(*counts, level), expected, rtol=1e-9, atol=1e-14)


@given(COUNTS, LEVEL)
def test_jeffreys_agrees_with_statsmodels_and_with_its_convention_at_the_ends(counts, level):
    x, n = counts
    lower, upper = proportion_confint(x, n, alpha=1 - level, method="jeffreys")
    expected = [0.0 if x == 0 else lower, 1.0 if x == n else upper]
    np.testing.assert_allclose(jeffreys(x, n, level), expected, rtol=1e-9, atol=1e-14)


def test_jeffreys_at_the_ends_is_one_sided_in_its_place_only():
    # Brown, Cai and DasGupta 2001: 0 replaces the lower end without events; the upper end keeps its tail of 2.5 %.
    lower, upper = jeffreys([0, 20], [20, 20])
    assert lower[0] == 0
    assert upper[1] == 1
    assert upper[0] == pytest.approx(beta.ppf(0.975, 0.5, 20.5), rel=1e-12)
    assert lower[1] == pytest.approx(beta.ppf(0.025, 20.5, 0.5), rel=1e-12)


@given(COUNTS, LEVEL)
def test_the_score_test_rejects_just_outside_wilson(counts, level):
    x, n = counts
    z = norm.ppf(0.5 + level / 2)
    for end in wilson(x, n, level):
        if 0 < end < 1:
            assert (x - n * end) ** 2 == pytest.approx(z**2 * n * end * (1 - end), rel=1e-8)


def test_wilson_reaches_the_edge_exactly_and_only_where_the_counts_do():
    # traps.md 13: other programs print 0.0046 for 0 of 20 with a continuity correction.
    lower, upper = wilson([0, 1, 19, 20], [20, 20, 20, 20])
    assert lower[0] == 0
    assert upper[3] == 1
    assert (lower[1:] > 0).all()
    assert (upper[:3] < 1).all()


@pytest.mark.parametrize("name", list(INTERVALS))
@given(counts=COUNTS)
def test_every_interval_lies_in_0_to_1_and_holds_its_narrower_ones(name, counts):
    wide, narrow = (np.array(INTERVALS[name](*counts, level)) for level in (0.95, 0.8))
    assert 0 <= wide[0] <= narrow[0] <= narrow[1] <= wide[1] <= 1


@pytest.mark.parametrize("name", [name for name in INTERVALS if name != "normal"])
@given(counts=COUNTS)
def test_every_interval_holds_the_rate(name, counts):
    lower, upper = INTERVALS[name](*counts)
    assert lower <= counts[0] / counts[1] * (1 + 1e-15)
    assert upper >= counts[0] / counts[1] * (1 - 1e-15)


@pytest.mark.parametrize("name", list(INTERVALS))
@given(counts=COUNTS)
def test_non_events_have_the_mirrored_interval(name, counts):
    x, n = counts
    lower, upper = INTERVALS[name](x, n)
    other_lower, other_upper = INTERVALS[name](n - x, n)
    assert lower == pytest.approx(1 - other_upper, abs=1e-12)
    assert upper == pytest.approx(1 - other_lower, abs=1e-12)


@pytest.mark.parametrize("name", list(INTERVALS))
def test_a_total_of_zero_has_no_interval(name):
    lower, upper = INTERVALS[name]([0, 3], [0, 10])
    assert np.isnan([lower[0], upper[0]]).all()
    assert np.isfinite([lower[1], upper[1]]).all()


@pytest.mark.parametrize("name", list(INTERVALS))
def test_counts_broadcast(name):
    lower, upper = INTERVALS[name]([[1], [2]], [10, 20, 30])
    assert lower.shape == upper.shape == (2, 3)
    assert lower[1, 2] == INTERVALS[name](2, 30)[0]


def test_the_normal_interval_on_the_logit_is_the_textbook_one():
    half = 1.959963984540054 * np.sqrt(1 / 3 + 1 / 17)
    made = normal_on_scale(3, 20)
    expected = [1 / (1 + np.exp(-(np.log(3 / 17) + sign * half))) for sign in (-1, 1)]
    assert made == pytest.approx(expected, rel=1e-12)


def test_the_raw_normal_interval_agrees_with_statsmodels():
    np.testing.assert_allclose(
        normal_on_scale([3, 11], [20, 17], measure="PR"),
        np.clip(proportion_confint(np.array([3, 11]), np.array([20, 17]), method="normal"), 0, 1),
        rtol=1e-12,
    )


@pytest.mark.parametrize("measure", ["PR", "PLN", "PLO", "PAS", "PFT"])
@given(counts=COUNTS)
def test_the_normal_interval_of_every_measure_stays_in_0_to_1(measure, counts):
    lower, upper = normal_on_scale(*counts, measure=measure)
    assert 0 <= lower <= upper <= 1


@pytest.mark.parametrize("measure", ["IR", "IRLN", "IRS", "IRFT"])
def test_the_normal_interval_of_a_rate_is_around_the_rate(measure):
    lower, upper = normal_on_scale(9, 120.5, measure=measure)
    assert 0 <= lower < 9 / 120.5 < upper


def test_the_normal_interval_needs_an_effect_and_one_group():
    lower, upper = normal_on_scale([0, 3], [20, 20], add=0)
    assert np.isnan([lower[0], upper[0]]).all()
    assert np.isfinite([lower[1], upper[1]]).all()
    for name in (name for name, measure in MEASURES.items() if measure.groups == 2):
        with pytest.raises(ValueError, match="one group"):
            normal_on_scale(3, 20, measure=name)
