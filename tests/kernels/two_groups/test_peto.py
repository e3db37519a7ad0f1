"""Peto's odds ratio: the closed form written anew, and what happens at the edges."""

import numpy as np
import pytest
from scipy.stats import hypergeom

from metanet.kernels.two_groups import mantel_haenszel
from tests.kernels.two_groups.direct_two_groups import hard_sets, rows

DATA = ([4, 5, 3, 0, 10], [20, 30, 25, 40, 30], [7, 2, 6, 4, 10], [22, 28, 30, 41, 27])


def test_the_estimate_is_the_sum_of_differences_over_the_sum_of_hypergeometric_variances():
    difference, variance = 0.0, []
    own = []
    for a, n1, c, n2 in zip(*DATA, strict=True):
        table = hypergeom(n1 + n2, a + c, n1)
        difference += a - table.mean()
        variance.append(table.var())
        own.append((a - table.mean()) / table.var())
    got = mantel_haenszel.pool_peto(*rows(*DATA))
    assert got.estimate[0] == pytest.approx(difference / sum(variance), rel=1e-12)
    assert got.se[0] == pytest.approx(sum(variance) ** -0.5, rel=1e-12)
    assert got.q[0] == pytest.approx((np.array(variance) * (np.array(own) - got.estimate[0]) ** 2).sum(), rel=1e-12)
    np.testing.assert_allclose(got.weights[0], np.array(variance) / sum(variance))


def test_an_arm_without_events_has_an_estimate():
    got = mantel_haenszel.pool_peto(*rows([0, 0, 0], [10, 20, 30], [1, 2, 0], [12, 18, 33]))
    assert got.estimable[0]
    assert got.estimate[0] < 0
    assert got.used[0].tolist() == [True, True, False]
    assert got.q_df[0] == 1


@pytest.mark.parametrize("events", [([0, 0], [0, 0]), ([10, 20], [12, 18])])
def test_without_an_event_or_a_non_event_anywhere_it_is_flagged(events):
    got = mantel_haenszel.pool_peto(*rows(events[0], [10, 20], events[1], [12, 18]))
    assert not got.estimable[0]
    assert np.isnan([got.estimate[0], got.se[0], got.q[0]]).all()


def test_equal_rates_give_exactly_nothing():
    assert mantel_haenszel.pool_peto(*rows([5, 8], [20, 30], [10, 4], [40, 15])).estimate[0] == 0


def test_hard_sets_are_finite_or_flagged_and_a_batch_equals_a_loop():
    data = hard_sets(6, 300)
    got = mantel_haenszel.pool_peto(*data)
    for value in (got.estimate, got.se, got.q):
        assert (np.isfinite(value) == got.estimable).all()
    for i in range(0, 300, 17):
        present = data[1][i] > 0
        alone = mantel_haenszel.pool_peto(*(values[i : i + 1, present] for values in data))
        np.testing.assert_allclose(alone.estimate[0], got.estimate[i], rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(alone.q[0], got.q[i], rtol=1e-11, atol=1e-13)
