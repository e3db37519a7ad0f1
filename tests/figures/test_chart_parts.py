"""Ticks, places of names and limits of chance, each against an independent account."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.stats import binom, poisson

from metanet.figures.page.axis import apart, log_axis, number_axis, response_ticks
from metanet.figures.page.label_places import Wanted, boxes_along, boxes_of, in_points, label_points, not_named
from metanet.figures.page.text import width_of
from metanet.figures.plots.funnel import chance_limits


@pytest.mark.parametrize("rate", [0.003, 0.1, 0.5, 0.97])
@pytest.mark.parametrize("p", [0.05, 0.002])
def test_limits_of_chance_interpolate_binomial_quantiles(rate, p):
    sizes = np.array([1, 2, 5, 17, 60, 400, 9000])
    lower, upper = chance_limits(sizes, rate, p)
    for size, low, high in zip(sizes, lower, upper, strict=True):
        for q, limit in ((p / 2, low), (1 - p / 2, high)):
            r = binom.ppf(q, size, rate)
            share = (binom.cdf(r, size, rate) - q) / binom.pmf(r, size, rate)
            # scipy.stats' own sum of probabilities bounds the last digits.
            assert limit == pytest.approx(np.clip((r - share) / size, 0, 1), rel=1e-8, abs=1e-12)


def test_limits_of_person_time_are_those_of_the_poisson_distribution():
    time = np.array([3.0, 50.0, 2000.0])
    for q, limits in zip((0.025, 0.975), chance_limits(time, 0.04, 0.05, timed=True), strict=True):
        r = poisson.ppf(q, 0.04 * time)
        share = (poisson.cdf(r, 0.04 * time) - q) / poisson.pmf(r, 0.04 * time)
        np.testing.assert_allclose(limits, np.maximum(0, (r - share) / time), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_rates_at_the_ends_have_no_width(rate):
    lower, upper = chance_limits(np.array([5, 50]), rate, 0.05)
    assert lower.tolist() == upper.tolist() == [rate, rate]


@pytest.mark.parametrize(("low", "high"), [(0, 0), (0, 1e-7), (-3, 8), (1990, 2025), (0.1234, 0.1235), (1, 1e7), (np.nan, 1)])
def test_axes_hold_their_values_with_two_ticks_or_more(low, high):
    axis = number_axis(low, high, room=200.0)
    if np.isfinite(low):
        # Ticks are whole multiples of a step, so that the last digit may differ.
        assert axis.lower <= low + 1e-12 * abs(low)
        assert axis.upper >= high - 1e-12 * abs(high)
    assert axis.lower < axis.upper
    assert len(axis.ticks) >= 2
    assert len(set(axis.labels)) == len(axis.labels)
    assert all(axis.lower - 1e-9 <= t <= axis.upper + 1e-9 for t in axis.ticks)


def test_ticks_are_as_many_as_have_room():
    for room in (60, 120, 300):
        axis = number_axis(0, 10_000_000, room=room)
        step = (axis.ticks[1] - axis.ticks[0]) / (axis.upper - axis.lower) * room if len(axis.ticks) > 1 else room
        assert step >= width_of(axis.labels[-1], 8.1) or len(axis.ticks) == 1


def test_limits_are_kept_and_years_are_written_as_years():
    axis = number_axis(0, 97, least=0, most=100)
    assert (axis.lower, axis.upper) == (0, 100)
    exact = number_axis(2003.2, 2019.9, exact=True)
    assert (exact.lower, exact.upper) == (2003.2, 2019.9)
    assert "2005" in exact.labels
    assert "20,000" in number_axis(0, 40_000).labels


def test_logarithmic_ticks_thin_out_with_the_room():
    assert log_axis(5, 500, room=300).labels == ("5", "10", "20", "50", "100", "200", "500")
    assert log_axis(5, 5e6, room=150).labels == ("10", "100", "1,000", "10,000", "100,000", "1,000,000")
    assert len(log_axis(18, 40, room=300).ticks) >= 3
    assert len(log_axis(7, 7, room=300).ticks) >= 2


def test_round_rates_stand_at_their_logits():
    places, labels = response_ticks(lambda v: 1 / (1 + np.exp(-v)), -4, 4, "rate")
    shown = np.array([float(t) for t in labels]) / 100
    assert {"5", "50", "95"} <= set(labels)
    # The scale is turned round on a grid of 2,001 values: a step of 0.004, linear between.
    np.testing.assert_allclose(places, np.log(shown / (1 - shown)), atol=1e-4)


def test_a_narrow_part_of_a_scale_has_ticks_of_its_own():
    places, labels = response_ticks(lambda v: 1 / (1 + np.exp(-v)), 0.01, 0.2, "rate")
    assert len(labels) >= 2
    assert np.all(np.diff(places) > 0)


def test_ticks_that_would_meet_are_left_out_around_the_one_to_keep():
    places = np.array([0.0, 4.0, 8.0, 60.0])
    assert apart(places, ("10", "11", "12", "13"), 9.0, keep=1) == [1, 3]


def _axes():
    ax = Figure(figsize=(5, 4)).add_axes((0.1, 0.1, 0.8, 0.8))
    ax.set(xlim=(0, 1), ylim=(0, 1))
    return ax


def test_names_of_a_crowd_keep_apart_or_come_back():
    ax = _axes()
    rng = np.random.default_rng(5)
    xy = rng.uniform(0.4, 0.6, (60, 2))
    wanted = [Wanted(f"Study number {i}", *p) for i, p in enumerate(xy)]
    lost = label_points(ax, wanted, 9.0, boxes_of(in_points(ax, *xy.T), 3.0))
    names = [t for t in ax.texts if t.get_label() == "_name"]
    assert len(names) + len(lost) == 60
    assert len(names) > 8
    assert len(lost) > 8
    ax.get_figure().draw_without_rendering()
    boxes = np.array([t.get_window_extent().extents for t in names])
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    met = ((high - low) > 0.5).all(-1)
    np.fill_diagonal(met, False)
    assert not met.any()
    dots = ax.transData.transform(xy)
    for box in boxes:
        assert not ((dots > box[:2]).all(1) & (dots < box[2:]).all(1)).any()


def test_a_lonely_name_stands_right_of_its_point_and_near_the_edge_left_of_it():
    ax = _axes()
    label_points(ax, [Wanted("middle", 0.5, 0.5), Wanted("edge", 0.99, 0.2)], 9.0, np.empty((0, 4)))
    x = {t.get_text(): t.get_position()[0] for t in ax.texts}
    assert x["middle"] > 0.5
    assert x["edge"] < 0.95
    assert not [line for line in ax.lines if line.get_label() == "_leader"]


def test_a_name_that_stands_far_off_is_joined_to_its_point():
    ax = _axes()
    around = np.array([[0.0, 0.0, 288.0, 10.0]])
    at = in_points(ax, [0.5], [0.5])[0]
    walls = np.array([[at[0] + 4, at[1] - 9, at[0] + 14, at[1] + 9], [at[0] - 14, at[1] - 9, at[0] - 4, at[1] + 9]])
    ring = np.array([[at[0] - 14, at[1] + 9, at[0] - 1, at[1] + 14], [at[0] - 14, at[1] - 14, at[0] + 14, at[1] - 9]])
    assert not label_points(ax, [Wanted("far", 0.5, 0.5)], 9.0, np.concatenate([around, walls, ring]))
    assert len([line for line in ax.lines if line.get_label() == "_leader"]) == 1


def test_a_line_is_covered_by_its_boxes():
    start, end = np.array([[0.0, 0.0]]), np.array([[30.0, 10.0]])
    boxes = boxes_along(start, end)
    for share in np.linspace(0, 1, 50):
        point = start[0] + share * (end[0] - start[0])
        assert ((boxes[:, :2] <= point) & (boxes[:, 2:] >= point)).all(1).any()
    assert boxes_along(np.array([[np.nan, 0]]), end).shape == (0, 4)


def test_names_without_a_place_are_said():
    assert not_named([]) == ""
    assert not_named(["a", "b"]).endswith("a; b.")
    assert "and 2 more" in not_named([str(i) for i in range(10)])
