"""Logits and exact intervals against statsmodels, mpmath and their own definitions."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.stats import binom
from statsmodels.stats.proportion import proportion_confint

from metanet.effects.formulas import inverse_logit, logit_proportion
from metanet.effects.study_intervals import clopper_pearson

COUNTS = st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(COUNTS, st.sampled_from([0.8, 0.95, 0.999]))
def test_exact_interval_agrees_with_statsmodels(counts, level):
    ours = clopper_pearson(*counts, level)
    np.testing.assert_allclose(ours, proportion_confint(*counts, alpha=1 - level, method="beta"), rtol=1e-9, atol=1e-12)


@given(COUNTS)
def test_ends_of_the_exact_interval_leave_half_the_error_on_each_side(counts):
    x, n = counts
    lower, upper = (float(end) for end in clopper_pearson(x, n))
    if x > 0:
        assert binom.sf(x - 1, n, lower) == pytest.approx(0.025, rel=1e-6)
    if x < n:
        assert binom.cdf(x, n, upper) == pytest.approx(0.025, rel=1e-6)


def test_exact_interval_reaches_the_edge_only_where_the_counts_do():
    lower, upper = clopper_pearson([0, 1, 9, 10], [10, 10, 10, 10])
    assert lower[0] == 0
    assert upper[3] == 1
    assert (lower[1:] > 0).all()
    assert (upper[:3] < 1).all()


def test_a_total_of_zero_has_no_interval():
    assert np.isnan(clopper_pearson(0, 0)).all()


@given(COUNTS)
def test_logit_and_variance_are_those_of_mpmath(counts):
    x, n = counts
    made = logit_proportion([x], [n])
    plus = mpmath.mpf("0.5") if x in (0, n) else mpmath.mpf(0)
    a, b = x + plus, n - x + plus
    assert made.corrected[0] == (x in (0, n))
    assert made.yi[0] == pytest.approx(float(mpmath.log(a / b)), rel=1e-12, abs=1e-14)
    assert made.vi[0] == pytest.approx(float(1 / a + 1 / b), rel=1e-13)
    assert inverse_logit(made.yi[0]) == pytest.approx(float(a / (a + b)), rel=1e-12)


def test_only_the_rows_with_an_empty_cell_are_corrected():
    # traps.md 3: the rule "only0" leaves the other studies of the table alone.
    both, alone = logit_proportion([0, 4], [10, 10]), logit_proportion([4], [10])
    assert both.corrected.tolist() == [True, False]
    assert both.yi[1] == alone.yi[0]


def test_an_absent_study_has_no_weight():
    made = logit_proportion([0, 4], [0, 10])
    assert np.isinf(made.vi[0])
    assert not made.corrected[0]
