"""Arms from the contrasts of a study, and what cannot come from arms."""

import itertools

import numpy as np
import pytest

from metanet.kernels.network.contrasts import InconsistentError, arms_of


def contrasts(effect, variance, digits=None):
    pairs = list(itertools.combinations(range(len(effect)), 2))
    y = np.array([effect[i] - effect[j] for i, j in pairs])
    v = np.array([variance[i] + variance[j] for i, j in pairs])
    return pairs, (y if digits is None else y.round(digits)), (v if digits is None else np.sqrt(v).round(digits) ** 2)


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_contrasts_of_arms_give_the_arms_again(count):
    rng = np.random.default_rng(count)
    effect, variance = rng.normal(size=count), rng.uniform(0.01, 0.3, count)
    found, spread = arms_of(count, *contrasts(effect, variance))
    np.testing.assert_allclose(found, effect - effect.mean(), atol=1e-12)
    if count > 2:
        np.testing.assert_allclose(spread, variance, rtol=1e-9)
    else:
        np.testing.assert_allclose(spread.sum(), variance.sum())


def test_the_direction_and_the_order_of_contrasts_do_not_matter():
    pairs, y, v = contrasts([0.1, 0.5, -0.3], [0.1, 0.2, 0.05])
    turned = [(b, a) for a, b in pairs[::-1]]
    for first, second in zip(arms_of(3, pairs, y, v), arms_of(3, turned, -y[::-1], v[::-1]), strict=True):
        np.testing.assert_allclose(first, second, atol=1e-12)


def test_rounding_is_made_consistent():
    effect, variance = [0.123, 0.548, -0.377, 0.2], [0.11, 0.2, 0.152, 0.3]
    found, spread = arms_of(4, *contrasts(effect, variance, digits=2))
    np.testing.assert_allclose(found, np.array(effect) - np.mean(effect), atol=0.01)
    np.testing.assert_allclose(spread, variance, rtol=0.1)


@pytest.mark.parametrize(
    ("pairs", "y", "v", "words"),
    [
        ([(0, 1), (0, 2)], [0.1, 0.2], [0.1, 0.2], "2 of the 3 contrasts"),
        ([(0, 1), (0, 2), (1, 0)], [0.1, 0.2, 0.1], [0.1, 0.2, 0.1], "or one twice"),
        ([(0, 1), (0, 2), (1, 2)], [0.1, 0.2, 0.9], [0.2, 0.3, 0.25], "do not add up"),
        ([(0, 1), (0, 2), (1, 2)], [0.1, 0.2, 0.1], [0.1, 0.1, 0.3], "negative variance"),
    ],
)
def test_what_cannot_come_from_arms_is_refused(pairs, y, v, words):
    with pytest.raises(InconsistentError, match=words):
        arms_of(3, pairs, np.array(y), np.array(v))


def test_variances_of_four_arms_that_no_arms_have_are_refused():
    pairs, y, v = contrasts([0.0, 0.0, 0.0, 0.0], [0.1, 0.1, 0.1, 0.1])
    v[0] *= 2
    with pytest.raises(InconsistentError, match="variances cannot come from arms"):
        arms_of(4, pairs, y, v)
