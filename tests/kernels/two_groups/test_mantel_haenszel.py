"""Mantel-Haenszel pooling: closed forms written anew, and what happens at the edges."""

import numpy as np
import pytest
from scipy.stats import chi2
from statsmodels.stats.contingency_tables import StratifiedTable

from metanet.kernels.two_groups import mantel_haenszel as mh
from tests.kernels.two_groups.direct_two_groups import hard_sets, rows

DATA = ([4, 5, 3, 0, 10], [20, 30, 25, 40, 30], [7, 2, 6, 4, 10], [22, 28, 30, 41, 27])


@pytest.mark.parametrize("seed", range(4))
def test_odds_ratio_and_its_test_are_those_of_statsmodels(seed):
    rng = np.random.default_rng(seed)
    n1, n2 = rng.integers(5, 200, (2, 7))
    a, c = rng.binomial(n1, 0.3), rng.binomial(n2, 0.4)
    wanted = StratifiedTable([np.array([[w, x - w], [y, z - y]]) for w, x, y, z in zip(a, n1, c, n2, strict=True)])
    got = mh.pool_mantel_haenszel("OR", *rows(a, n1, c, n2))
    assert got.estimate[0] == pytest.approx(wanted.logodds_pooled, rel=1e-10, abs=1e-12)
    assert got.se[0] == pytest.approx(wanted.logodds_pooled_se, rel=1e-10)
    assert np.exp(mh.pool_mantel_haenszel("RR", *rows(a, n1, c, n2)).estimate[0]) == pytest.approx(wanted.riskratio_pooled, rel=1e-10)
    for correct in (True, False):
        statistic, pvalue = mh.association_test(*rows(a, n1, c, n2), correct=correct)
        test = wanted.test_null_odds(correction=correct)
        assert statistic[0] == pytest.approx(test.statistic, rel=1e-10)
        assert pvalue[0] == pytest.approx(test.pvalue, rel=1e-9)


def test_one_study_gives_its_own_effect():
    a, n1, c, n2 = 6, 40, 11, 37
    data = rows([a], [n1], [c], [n2])
    assert mh.pool_mantel_haenszel("OR", *data).estimate[0] == pytest.approx(np.log(a * (n2 - c) / (c * (n1 - a))))
    assert mh.pool_mantel_haenszel("RR", *data).estimate[0] == pytest.approx(np.log(a / n1 / (c / n2)))
    assert mh.pool_mantel_haenszel("RD", *data).estimate[0] == pytest.approx(a / n1 - c / n2)
    # Woolf's variance of the odds ratio, and the delta method's of the risk ratio.
    assert mh.pool_mantel_haenszel("OR", *data).se[0] ** 2 == pytest.approx(1 / a + 1 / (n1 - a) + 1 / c + 1 / (n2 - c))
    assert mh.pool_mantel_haenszel("RR", *data).se[0] ** 2 == pytest.approx(1 / a - 1 / n1 + 1 / c - 1 / n2)
    for measure in mh.MEASURES:
        got = mh.pool_mantel_haenszel(measure, *data)
        assert (got.q[0], got.q_df[0]) == (0, 0)
        assert np.isnan(got.q_pvalue[0])


def test_the_variance_of_the_risk_difference_is_that_of_repeated_sampling():
    # Sato's estimate is right for many small tables, where the one for large tables fails.
    rng = np.random.default_rng(3)
    n1, n2, p1, p2 = rng.integers(2, 6, 60), rng.integers(2, 6, 60), 0.35, 0.2
    a, c = rng.binomial(n1, p1, (20000, 60)), rng.binomial(n2, p2, (20000, 60))
    got = mh.pool_mantel_haenszel("RD", *(np.broadcast_to(v, a.shape).astype(float) for v in (a, n1, c, n2)))
    # 20,000 samples: a standard deviation is known to 0.5 %.
    assert np.sqrt((got.se**2).mean()) == pytest.approx(got.estimate.std(), rel=0.02)


def test_zero_cells_in_some_studies_need_no_correction():
    got = mh.pool_mantel_haenszel("OR", *rows(*DATA))
    a, n1, c, n2 = (np.array(values, float) for values in DATA)
    wanted = np.log((a * (n2 - c) / (n1 + n2)).sum() / (c * (n1 - a) / (n1 + n2)).sum())
    assert got.estimate[0] == pytest.approx(wanted, rel=1e-13)
    assert got.estimable[0]
    assert got.q_df[0] == 4


@pytest.mark.parametrize(
    ("measure", "data"),
    [
        ("OR", ([0, 0, 0], [10, 20, 30], [1, 2, 0], [12, 18, 33])),
        ("OR", ([10, 20, 30], [10, 20, 30], [1, 2, 0], [12, 18, 33])),
        ("RR", ([0, 0, 0], [10, 20, 30], [1, 2, 0], [12, 18, 33])),
        ("RR", ([1, 2, 0], [12, 18, 33], [0, 0, 0], [10, 20, 30])),
        ("RR", ([10, 20], [10, 20], [12, 18], [12, 18])),
        ("RD", ([0, 0], [10, 20], [0, 0], [12, 18])),
        ("OR", ([0, 0], [0, 0], [0, 0], [0, 0])),
        ("RD", ([0, 0], [0, 0], [0, 0], [0, 0])),
    ],
)
def test_what_the_counts_cannot_tell_is_flagged(measure, data):
    got = mh.pool_mantel_haenszel(measure, *rows(*data))
    assert not got.estimable[0]
    for value in (got.estimate, got.se, got.q, got.q_pvalue):
        assert np.isnan(value[0])


def test_studies_empty_in_both_arms_count_only_where_they_can():
    more = [[*values, extra] for values, extra in zip(DATA, (0, 15, 0, 12), strict=True)]
    for measure in ("OR", "RR"):
        got, without = mh.pool_mantel_haenszel(measure, *rows(*more)), mh.pool_mantel_haenszel(measure, *rows(*DATA))
        assert got.estimate[0] == without.estimate[0]
        assert got.q[0] == without.q[0]
        assert not got.used[0, -1]
    assert abs(mh.pool_mantel_haenszel("RD", *rows(*more)).estimate[0]) < abs(mh.pool_mantel_haenszel("RD", *rows(*DATA)).estimate[0])
    dropped = mh.pool_mantel_haenszel("RD", *rows(*more), drop00=(True, True))
    assert dropped.estimate[0] == pytest.approx(mh.pool_mantel_haenszel("RD", *rows(*DATA)).estimate[0], rel=1e-13)
    assert not dropped.used[0, -1]


def test_weights_sum_to_one_and_absent_studies_have_none():
    more = [[*values, extra] for values, extra in zip(DATA, (0, 0, 3, 12), strict=True)]
    for measure in mh.MEASURES:
        got, without = mh.pool_mantel_haenszel(measure, *rows(*more)), mh.pool_mantel_haenszel(measure, *rows(*DATA))
        assert got.weights.sum() == pytest.approx(1)
        assert got.weights[0, -1] == 0
        np.testing.assert_allclose([got.estimate, got.se, got.q], [without.estimate, without.se, without.q], rtol=1e-13)


def test_a_mean_of_the_studies_own_effects_with_these_weights_is_the_estimate():
    a, n1, c, n2 = (np.array(values, float) for values in DATA)
    got = mh.pool_mantel_haenszel("RD", *rows(*DATA))
    assert got.estimate[0] == pytest.approx((got.weights[0] * (a / n1 - c / n2)).sum())
    got = mh.pool_mantel_haenszel("RR", *rows(*DATA))
    assert np.exp(got.estimate[0]) == pytest.approx((got.weights[0] * (a / n1) / (c / n2)).sum())


def test_swapping_the_groups_turns_the_sign():
    for measure in mh.MEASURES:
        got, turned = (mh.pool_mantel_haenszel(measure, *rows(*DATA)), mh.pool_mantel_haenszel(measure, *rows(*DATA[2:], *DATA[:2])))
        assert turned.estimate[0] == pytest.approx(-got.estimate[0], rel=1e-12)
        assert turned.se[0] == pytest.approx(got.se[0], rel=1e-12)
        assert turned.q[0] == pytest.approx(got.q[0], rel=1e-11)


def test_the_correction_of_the_test_stops_at_zero():
    data = rows([5, 8], [20, 30], [5, 8], [20, 30])
    assert mh.association_test(*data)[0][0] == 0
    assert mh.association_test(*data, correct=False)[0][0] == 0
    assert np.isnan(mh.association_test(*rows([0], [5], [0], [6]))[0][0])


def test_hard_sets_are_finite_or_flagged_and_a_batch_equals_a_loop():
    data = hard_sets(5, 300)
    for measure in mh.MEASURES:
        got = mh.pool_mantel_haenszel(measure, *data)
        for value in (got.estimate, got.se, got.q):
            assert (np.isfinite(value) == got.estimable).all()
        assert (got.se[got.estimable] > 0).all()
        some = got.estimable & (got.q_df > 0)
        np.testing.assert_allclose(got.q_pvalue[some], chi2.sf(got.q, got.q_df)[some])
        for i in range(0, 300, 17):
            present = data[1][i] > 0
            alone = mh.pool_mantel_haenszel(measure, *(values[i : i + 1, present] for values in data))
            np.testing.assert_allclose(alone.estimate[0], got.estimate[i], rtol=1e-12, atol=1e-13)
            np.testing.assert_allclose(alone.se[0], got.se[i], rtol=1e-12)
