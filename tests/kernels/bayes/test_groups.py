"""Groups with one tau: their differences against sums on a grid, and p as the level at which an interval touches no difference."""

import numpy as np
import pytest
from scipy import special

import metanet as mn
from metanet.kernels.bayes.batch import MeanPrior
from metanet.kernels.bayes.groups import KINDS, contrast_quantiles, equality, equality_of_all, joint
from metanet.kernels.bayes.posterior import TauPrior
from metanet.kernels.normal_effect.random_effect import LINKS
from metanet.kernels.normal_effect.study_likelihoods import BinomialLogit

EVENTS = np.array([[3.0, 5, 9], [1, 0, 2], [4, 4, 3]])
TOTAL = np.array([[20.0, 30, 25], [22, 30, 41], [30, 21, 18]])
MEAN, TAU, LOGIT = MeanPrior(0.0, 2.5), TauPrior("half-normal", 1.25), LINKS["logit"]


def on_a_grid():
    """Conditional probabilities of mu at each tau ``[g, J, M]``, the weights of tau, and the grid of mu."""
    tau, mu = np.linspace(1e-6, 7.0, 281), np.linspace(-11.0, 7.0, 1201)
    z = np.linspace(-7.0, 7.0, 121)
    weight = np.exp(-0.5 * z * z) / np.exp(-0.5 * z * z).sum()
    height = np.zeros((3, tau.size, mu.size))
    for g in range(3):
        for e, n in zip(EVENTS[g], TOTAL[g], strict=True):
            for j, t in enumerate(tau):
                theta = mu[:, None] + t * z
                height[g, j] += np.log(np.exp(e * theta - n * np.logaddexp(0, theta)) @ weight)
        height[g] -= 0.5 * (mu / 2.5) ** 2
    mass = np.exp(height - height.max((1, 2), keepdims=True))
    by_tau = mass[:2].sum(2).prod(0) * np.exp(-0.5 * (tau / 1.25) ** 2)
    # The trapezoidal rule: half a step at the end.
    by_tau[0] *= 0.5
    return mass / mass.sum(2, keepdims=True), by_tau / by_tau.sum(), mu


def test_the_probability_of_a_difference_is_that_of_sums_on_a_grid():
    conditional, weight, _ = on_a_grid()
    below = np.cumsum(conditional[1], axis=1) - 0.5 * conditional[1]
    first_smaller = float(weight @ (conditional[0] * (1.0 - below)).sum(1))
    found, settled = joint(BinomialLogit(EVENTS[:2], TOTAL[:2]), 2, MEAN, TAU)
    assert settled.all()
    p = equality(found.take(np.array([0])), found.take(np.array([1])), LOGIT)[0]
    assert p == pytest.approx(2 * min(first_smaller, 1 - first_smaller), abs=2e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_p_is_the_level_at_which_the_interval_touches_no_difference(kind):
    found, _ = joint(BinomialLogit(EVENTS[:2], TOTAL[:2]), 2, MEAN, TAU)
    first, second = found.take(np.array([0])), found.take(np.array([1]))
    p = float(equality(first, second, LOGIT)[0])
    limits = contrast_quantiles(first, second, LOGIT, kind, np.array([p / 2, 0.5, 1 - p / 2]))[0]
    assert min(abs(limits[0]), abs(limits[2])) < 1e-6
    assert limits[1] > 0


def test_the_ellipsoid_of_two_groups_is_near_the_interval_and_that_of_equal_groups_holds_none():
    found, _ = joint(BinomialLogit(EVENTS[:2], TOTAL[:2]), 2, MEAN, TAU)
    p = float(equality(found.take(np.array([0])), found.take(np.array([1])), LOGIT)[0])
    assert equality_of_all(found) == pytest.approx(p, abs=0.01)
    same, _ = joint(BinomialLogit(EVENTS[[0, 0, 0]], TOTAL[[0, 0, 0]]), 3, MEAN, TAU)
    assert equality_of_all(same) > 0.98


def test_compare_shows_each_group_as_pooled_by_itself_and_pairs_from_one_posterior():
    import pandas as pd

    data = pd.DataFrame({"events": EVENTS.ravel().astype(int), "total": TOTAL.ravel().astype(int), "g": list("aaabbbccc")})
    result = mn.compare(data, "g")
    for name, part in data.groupby("g"):
        assert result.groups[name].estimate == mn.pool(part).estimate
    for row in result.differences.to_dict("records"):
        outside = row["difference_lower"] > 0 or row["difference_upper"] < 0
        assert outside == (row["pvalue"] < 0.05) == (row["ratio_lower"] > 1 or row["ratio_upper"] < 1)
    assert special.expit(result.groups["a"].mu) == pytest.approx(result.groups["a"].estimate)
