"""The ways back: round trips, monotone, clipped to what is attainable, never NaN; Freeman-Tukey in mpmath."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, strategies as st

from metanet.effects.back_transforms import harmonic_mean
from metanet.effects.measures import MEASURES

ARM = st.integers(1, 100_000).flatmap(lambda n: st.tuples(st.one_of(st.just(0), st.just(n), st.integers(0, n)), st.just(n)))
SPAN = st.tuples(st.integers(0, 100_000), st.floats(1e-3, 1e6))
FINITE = st.floats(allow_nan=False, allow_infinity=False)
NEAR = st.floats(-4, 4)
SIZE = st.one_of(st.integers(1, 1000).map(float), st.floats(1, 1e7))
#: Lowest and highest response of every measure.
IMAGE = {
    **dict.fromkeys(("PR", "PLN", "PLO", "PAS", "PFT"), (0, 1)),
    **dict.fromkeys(("OR", "RR", "PETO", "IRR", "IR", "IRLN", "IRS", "IRFT"), (0, np.inf)),
    "RD": (-1, 1),
    "AS": (-np.pi / 2, np.pi / 2),
    "IRD": (-np.inf, np.inf),
}


def back(name, value, size):
    return MEASURES[name].back(value, size if MEASURES[name].needs_size else None)


@given(ARM)
def test_a_proportion_comes_back_from_every_scale(arm):
    x, n = arm
    for name in ("PR", "PLN", "PLO", "PAS", "PFT"):
        if name in ("PLN", "PLO") and x in (0, n):
            continue
        there = MEASURES[name].effects([x], [n], to="none")
        assert back(name, there.yi, n)[0] == pytest.approx(x / n, rel=1e-11, abs=1e-15), name


@given(SPAN)
def test_a_rate_comes_back_from_every_scale(span):
    x, t = span
    for name in ("IR", "IRLN", "IRS", "IRFT"):
        if name == "IRLN" and x == 0:
            continue
        there = MEASURES[name].effects([x], [t], to="none")
        assert back(name, there.yi, t)[0] == pytest.approx(x / t, rel=1e-11, abs=1e-15 / t), name


@given(st.integers(1, 10_000_000))
def test_no_events_and_only_events_come_back_exactly_from_freeman_tukey(n):
    there = MEASURES["PFT"].effects([0, n], [n, n])
    assert MEASURES["PFT"].back(there.yi, n).tolist() == [0, 1]


@given(ARM, ARM)
def test_a_contrast_comes_back_from_every_scale(treated, control):
    a, n1, c, n2 = *treated, *control
    rd = MEASURES["RD"].effects(a, n1, c, n2, to="none")
    assert MEASURES["RD"].back(rd.yi) == pytest.approx(a / n1 - c / n2, rel=1e-9, abs=1e-15)
    if 0 < a < n1 and 0 < c < n2:
        risk, odds = ((a / n1) / (c / n2), (a * (n2 - c)) / (c * (n1 - a)))
        assert MEASURES["RR"].back(MEASURES["RR"].effects(a, n1, c, n2).yi) == pytest.approx(risk, rel=1e-12)
        assert MEASURES["OR"].back(MEASURES["OR"].effects(a, n1, c, n2).yi) == pytest.approx(odds, rel=1e-12)


@pytest.mark.parametrize("name", list(MEASURES))
@given(FINITE, SIZE)
def test_any_finite_value_has_an_attainable_response(name, value, size):
    lowest, highest = IMAGE[name]
    made = back(name, value, size)
    assert lowest <= made <= highest


@pytest.mark.parametrize("name", list(MEASURES))
def test_values_far_outside_map_to_the_ends_of_the_image(name):
    lowest, highest = back(name, [-1e300, 1e300], 12.0)
    if name in ("IR", "IRD"):
        assert (lowest, highest) == (0 if name == "IR" else -1e300, 1e300)
    elif name == "PLO":
        # No finite logit stands for only events.
        assert (lowest, highest) == (0, np.nextafter(1, 0))
    else:
        assert (lowest, highest) == IMAGE[name]


@pytest.mark.parametrize("name", list(MEASURES))
@given(NEAR, NEAR, SIZE)
def test_a_larger_value_never_has_a_smaller_response(name, one, other, size):
    low, high = sorted((one, other))
    small, large = back(name, [low, high], size)
    # Neighbouring doubles may differ by their rounding.
    assert large >= small - 4e-15 * max(1.0, abs(small))


@pytest.mark.parametrize("name", list(MEASURES))
def test_the_response_rises_through_the_image(name):
    size = 40.0
    ends = {"PFT": (0.1, 1.45), "IRFT": (0.1, 3.0), "PAS": (0.0, 1.57), "PLN": (-4.0, 0.0), "PR": (0.0, 1.0)}
    low, high = ends.get(name, (-1.0, 1.0) if name in ("RD", "AS", "IRD", "PLO") else (0.0, 3.0))
    assert (np.diff(back(name, np.linspace(low, high, 4001), size)) > 0).all()


@given(SIZE, st.floats(0, np.pi / 2))
def test_freeman_tukey_mirrors_events_and_non_events(n, angle):
    there, mirrored = MEASURES["PFT"].back([angle, np.pi / 2 - angle], n)
    assert there == pytest.approx(1 - mirrored, abs=4e-15)


@given(st.floats(-30, 30))
def test_logit_and_arcsine_mirror_events_and_non_events(value):
    assert MEASURES["PLO"].back(value) == pytest.approx(1 - MEASURES["PLO"].back(-value), abs=4e-15)
    assert MEASURES["PAS"].back(value) == pytest.approx(1 - MEASURES["PAS"].back(np.pi / 2 - value), abs=4e-15)


def angle_of(p, n):
    """Freeman and Tukey's angle of the proportion p, as they print it."""
    x = p * n
    return (mp.asin(mp.sqrt(x / (n + 1))) + mp.asin(mp.sqrt((x + 1) / (n + 1)))) / 2


def solved(angle, n):
    """The proportion with that angle by bisection, to 40 digits."""
    low, high = mp.mpf(0), mp.mpf(1)
    for _ in range(140):
        middle = (low + high) / 2
        low, high = (middle, high) if angle_of(middle, n) < angle else (low, middle)
    return low


@pytest.mark.parametrize("n", [1.0, 2.0, 7.3, 50.0, 1234.0, 1e7])
def test_the_freeman_tukey_inverse_keeps_its_digits_up_to_both_ends(n):
    with mp.workdps(40):
        for p in (1e-12, 1e-9, 1e-4, 0.01, 0.3, 0.4999999, 0.5, 0.6, 0.99, 0.9999, 1 - 1e-9, 1 - 1e-12):
            angle = float(angle_of(mp.mpf(p), mp.mpf(n)))
            made, true = MEASURES["PFT"].back(angle, n), solved(mp.mpf(angle), mp.mpf(n))
            assert abs(made - true) < 4e-15
            assert made == pytest.approx(float(true), rel=1e-9)


@pytest.mark.parametrize("n", [5, 10, 50])
def test_the_freeman_tukey_inverse_has_no_zone_of_nan(n):
    # traps.md 1: with the closed form 10.6 %, 5.7 % and 1.2 % of the axis is NaN before clipping.
    made = MEASURES["PFT"].back(np.linspace(0, np.pi / 2, 20_001), n)
    assert np.isfinite(made).all()
    assert made[0] == 0
    assert made[-1] == 1
    closed = np.linspace(0, np.pi / 2, 20_001)[1:-1]
    with np.errstate(invalid="ignore"):
        sine = np.sin(2 * closed)
        miller = 0.5 * (1 - np.sign(np.cos(2 * closed)) * np.sqrt(1 - (sine + (sine - 1 / sine) / n) ** 2))
    assert np.isnan(miller).any()
    lowest, highest = MEASURES["PFT"].effects([0, n], [n, n]).yi
    inside = (closed > lowest) & (closed < highest)
    np.testing.assert_allclose(made[1:-1][inside], miller[inside], atol=1e-12)


def test_the_harmonic_mean_leaves_out_studies_that_were_not_pooled():
    # traps.md 2: pooling 5/50, 7/60, 9/70 gives 11.64 % by the harmonic mean over these three, 10.06 % if a fourth row of five
    # patients that is not pooled is counted in.
    measure = MEASURES["PFT"]
    pooled = measure.effects([5, 7, 9, 4], [50, 60, 70, 0])
    mean = (pooled.yi / pooled.vi).sum() / (1 / pooled.vi).sum()
    assert measure.back(mean, harmonic_mean([50, 60, 70, 0])).round(4) == 0.1164
    assert measure.back(mean, harmonic_mean([50, 60, 70, 5])).round(4) == 0.1006


def test_the_harmonic_mean_is_one_number_for_each_row():
    made = harmonic_mean([[10, 20, 40], [0, 20, 0], [0, 0, 0]])
    assert made[:2] == pytest.approx([3 / (1 / 10 + 1 / 20 + 1 / 40), 20], rel=1e-15)
    assert np.isnan(made[2])


def test_sizes_broadcast_against_values():
    made = MEASURES["PFT"].back([[0.3], [0.6]], [10.0, 1000.0])
    assert made.shape == (2, 2)
    assert made[1, 0] == MEASURES["PFT"].back(0.6, 10.0)


@pytest.mark.parametrize("name", ["PFT", "IRFT"])
def test_a_size_that_is_missing_is_asked_for(name):
    with pytest.raises(TypeError, match=f"{name} needs size"):
        MEASURES[name].back(0.3)


def test_an_infinite_end_maps_to_the_end_of_the_image():
    assert MEASURES["PFT"].back([-np.inf, np.inf], 20).tolist() == [0, 1]
    assert MEASURES["PLO"].back([-np.inf, np.inf]).tolist() == [0, 1]


def test_an_unknown_value_stays_unknown():
    for name in MEASURES:
        assert np.isnan(back(name, np.nan, 20.0))
