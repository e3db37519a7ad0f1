"""Limits and ticks: round, within 0 and 100 %, close where the rates are."""

import pytest

from metanet.figures.forest.table import Bar, Diamond, Point, Row, Table
from metanet.figures.page.axis import axis_for
from metanet.figures.page.scale import scale_of

CENT, EFFECT = scale_of("rate"), scale_of("effect")


def _axis(points, *, diamond=None, bar=None, scale=CENT, xlim=None):
    rows = tuple(Row("s", mark=Point(*p)) for p in points)
    summary = ()
    if diamond:
        summary += (Row("d", mark=Diamond(*diamond)),)
    if bar:
        summary += (Row("b", mark=Bar(*bar)),)
    return axis_for(Table(scale=scale, columns=(), studies=rows, summary=summary, xlim=xlim))


def _limits(axis):
    return axis.lower, axis.upper


def test_rates_that_spread_have_the_whole_axis():
    axis = _axis([(0.2, 0.1, 0.4, 0.5), (0.7, 0.5, 0.9, 0.5)])
    assert _limits(axis) == (0, 100)
    assert axis.labels == ("0", "20", "40", "60", "80", "100")


def test_rates_near_zero_have_a_short_axis_that_begins_at_zero():
    axis = _axis([(0.02, 0.01, 0.06, 0.5), (0.03, 0.01, 0.09, 0.5)])
    assert _limits(axis) == (0, 10)
    assert axis.labels == ("0", "2", "4", "6", "8", "10")


def test_rates_near_one_have_a_short_axis_that_ends_at_a_hundred():
    axis = _axis([(0.98, 0.94, 0.99, 0.5), (0.97, 0.91, 0.99, 0.5)])
    assert _limits(axis) == (90, 100)


def test_very_small_rates_have_ticks_with_the_decimals_they_need():
    axis = _axis([(0.0002, 0.0001, 0.0006, 1.0)])
    assert _limits(axis) == pytest.approx((0, 0.06))
    assert axis.labels == ("0.00", "0.02", "0.04", "0.06")


def test_a_small_study_with_a_long_interval_does_not_stretch_the_axis():
    many = [(0.02, 0.01, 0.04, 0.3)] * 3
    assert _axis([*many, (0.0, 0.0, 0.6, 0.1)]).upper == 4
    # Where hardly any room would be saved, the interval is shown whole.
    assert _axis([*many, (0.0, 0.0, 0.055, 0.1)]).upper == 6


def test_neither_an_estimate_nor_the_diamond_is_ever_cut():
    axis = _axis([(0.01, 0.0, 0.02, 0.9), (0.35, 0.1, 0.7, 0.1)])
    assert axis.upper >= 35
    assert _axis([(0.01, 0.0, 0.02, 1.0)], diamond=(0.1, 0.0, 0.97)).upper == 100


def test_a_wide_prediction_interval_may_leave_the_axis():
    axis = _axis([(0.01, 0.005, 0.02, 1.0)] * 3, diamond=(0.01, 0.005, 0.02), bar=(0.0, 0.9))
    assert axis.upper < 10


def test_narrow_rates_in_the_middle_are_looked_at_closely():
    axis = _axis([(0.55, 0.53, 0.57, 0.5), (0.56, 0.54, 0.58, 0.5)])
    assert 50 <= axis.lower <= 53
    assert 58 <= axis.upper <= 60


def test_effects_have_round_limits_on_both_sides():
    axis = _axis([(0.1, -0.52, 0.72, 0.5), (-0.3, -1.18, 0.58, 0.5)], scale=EFFECT)
    assert axis.lower <= -1.0
    assert axis.upper >= 0.5
    assert "−0.5" in axis.labels


def test_one_long_interval_of_an_effect_does_not_stretch_the_axis():
    many = [(0.1, -0.5, 0.7, 0.3), (-0.2, -0.8, 0.4, 0.3), (0.3, -0.3, 0.9, 0.3)]
    axis = _axis([*many, (0.0, -9.0, 9.0, 0.1)], scale=EFFECT)
    assert -1.5 <= axis.lower <= -0.8
    assert 0.9 <= axis.upper <= 1.5


def test_one_effect_without_width_still_has_an_axis():
    axis = _axis([(2.0, 2.0, 2.0, 1.0)], scale=EFFECT)
    assert axis.lower < 2 < axis.upper


def test_no_mark_at_all_still_has_an_axis():
    assert _limits(_axis([])) == (0, 100)
    assert _limits(_axis([], scale=EFFECT)) == (-1, 1)


def test_given_limits_are_kept_and_ticked_inside():
    axis = _axis([(0.5, 0.2, 0.8, 1.0)], xlim=(0.05, 0.33))
    assert _limits(axis) == (5, 33)
    assert axis.labels == ("10", "20", "30")


@pytest.mark.parametrize("upper", [0.003, 0.01, 0.02, 0.04, 0.07, 0.11, 0.13, 0.21, 0.26, 0.34, 0.41, 0.49, 0.8, 1.0])
def test_every_axis_holds_its_data_has_three_to_seven_ticks_and_ends_on_one(upper):
    axis = _axis([(upper / 2, upper / 3, upper, 1.0)])
    assert 3 <= len(axis.ticks) <= 7
    assert axis.lower == 0
    assert 100 * upper <= axis.upper * (1 + 1e-9) <= 100.001
    assert axis.ticks[-1] == pytest.approx(axis.upper)
    assert len(set(axis.labels)) == len(axis.labels)
