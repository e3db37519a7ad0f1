"""Numbers as text: decimals follow the value and its interval, whatever the scale."""

import pytest
from hypothesis import given, strategies as st

import metanet as mn
from metanet.base.display import POINTS, RATE, in_sentence, interval_kind, parted, scale_of

FRACTIONS = st.floats(0, 1)


def test_a_rare_rate_is_printed_with_its_interval():
    assert RATE.estimate(0.00018, 0.00012, 0.00025, 0.95) == "0.018 % (95 % CI 0.012 to 0.025 %)"
    assert RATE.estimate(0.9996, 0.9990, 0.9999, 0.95) == "99.960 % (95 % CI 99.900 to 99.990 %)"
    assert RATE.estimate(0.4889, 0.375, 0.605, 0.95) == "48.9 % (95 % CI 37.5 to 60.5 %)"
    # The two limits of a very precise rate do not look equal.
    assert RATE.estimate(0.42310, 0.42280, 0.42340, 0.95) == "42.31 % (95 % CI 42.28 to 42.34 %)"
    assert RATE.estimate(0.0, 0.0, 0.0004, 0.95) == "0.00 % (95 % CI 0.00 to 0.04 %)"


@pytest.mark.parametrize(
    ("median", "average", "apart"),
    [(0.204, 0.238, False), (0.204, 0.26, True), (0.01, 0.0149, False), (0.01, 0.0151, True), (0.99, 0.984, True),
     (0.99, 0.986, False), (0.48, 0.52, False), (0.45, 0.56, True), (0.0, 0.0, False), (None, 0.2, False), (0.3, None, False)],
)  # fmt: skip
def test_median_and_average_part_by_points_or_by_a_factor_of_the_rarer_side(median, average, apart):
    assert parted(median, average) is apart
    if None not in (median, average):
        assert parted(1 - median, 1 - average) is apart


@pytest.mark.parametrize(
    ("kind", "lower", "upper", "vague"),
    [("rate", 0.1, 0.69, False), ("rate", 0.1, 0.71, True), ("rate", None, 0.9, False), ("points", -0.2, 0.41, True),
     ("points", 0.02, 0.9, False), ("ratio", 0.1, 2.1, True), ("ratio", 0.2, 3.9, False), ("ratio", 1.1, 40.0, False),
     ("ratio", 0.0, 3.0, True), ("ratio", 0.5, float("inf"), True), ("effect", -50, 50, False), ("rate per person-time", 0, 9, False)],
)  # fmt: skip
def test_an_interval_says_nothing_beyond_a_share_of_its_scale(kind, lower, upper, vague):
    assert scale_of(kind).is_vague(lower, upper) is vague


def test_a_column_of_intervals_is_named_by_their_kind():
    assert interval_kind(["CrI", "CrI"]) == "CrI"
    assert interval_kind(["CrI", "CI"]) == "interval"


def test_names_of_people_keep_their_capital_in_a_sentence():
    assert in_sentence("Bayesian binomial-normal model") == "Bayesian binomial-normal model"
    assert in_sentence("Poisson-normal model") == "Poisson-normal model"
    assert in_sentence("Grade 1") == "grade 1"


def test_a_threshold_is_printed_as_it_was_given():
    assert RATE.exact(0.0005) == "0.05 %"
    assert RATE.exact(0.3) == "30 %"
    fit = mn.pool(events=[3, 9, 4], total=[300, 400, 500])
    assert "0.05 %" in mn.share_beyond(fit, 0.0005, sets=0).sentence()


@pytest.mark.parametrize(
    ("value", "shown"), [(-0.00011, "−0.011 points"), (0.0001, "0.010 points"), (-0.0123, "−1.2 points"), (0.0, "0.0 points")]
)
def test_a_difference_in_points_has_no_exponent(value, shown):
    assert POINTS.value(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0.5571, "0.56"), (12.345, "12.35"), (1234.5, "1,234"), (0.0042, "0.0042"), (1.0, "1.00")]
)
def test_a_ratio_has_two_decimals_or_two_digits(value, shown):
    assert scale_of("ratio").text(value) == shown


@given(FRACTIONS, FRACTIONS, FRACTIONS)
def test_a_rate_is_never_printed_as_nothing_all_or_with_an_exponent(a, b, c):
    lower, value, upper = sorted((a, b, c))
    shown = RATE.estimate(value, lower, upper, 0.95)
    assert "e" not in shown.replace("%", "")
    digits = RATE.digits(value, lower, upper)
    if 0 < value < 1 and digits < 8:
        assert RATE.text(value, digits)[0] not in "<>"
        assert float(RATE.text(value, digits)) not in (0, 100)
    if upper - lower > 1e-8:
        assert RATE.text(lower, digits) != RATE.text(upper, digits)


@given(st.lists(st.tuples(FRACTIONS, FRACTIONS, FRACTIONS), min_size=1, max_size=6))
def test_a_column_has_one_number_of_decimals(rows):
    rows = [tuple(sorted(row)[i] for i in (1, 0, 2)) for row in rows]
    digits = RATE.column(rows)
    texts = [RATE.text(value, digits) for row in rows for value in row]
    assert {len(text.partition(".")[2]) for text in texts} == {digits}


def test_per_applies_to_rates_and_incidence_rates_and_is_refused_elsewhere():
    assert scale_of("rate", "thousand").value(0.0123) == "12.3 per 1,000"
    assert scale_of("rate", 10_000).value(0.0123) == "123.0 per 10,000"
    assert scale_of("rate per person-time", "thousand").value(0.0123) == "12.3 per 1,000 units of time"
    for response in ("ratio", "difference", "effect"):
        with pytest.raises(mn.ArgumentError, match="per='thousand' applies to rates"):
            scale_of(response, "thousand")
    with pytest.raises(mn.ArgumentError, match="per=7 is not known"):
        scale_of("rate", 7)


def test_per_reaches_the_figure_of_an_incidence_rate():
    fit = mn.pool(events=[3, 5, 9], person_time=[205.0, 300.0, 410.0])
    assert fit.forest(per="thousand").get_xlabel() == "Incidence rate, per 1,000 units of time"
    with pytest.raises(mn.ArgumentError, match="per"):
        mn.pool(yi=[0.1, 0.2], vi=[0.1, 0.1]).forest(per="thousand")
