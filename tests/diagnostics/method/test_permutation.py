"""Permutation tests: exact counts, intervals by inversion, nulls on every scale."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pytest

import metanet as mn

EFFECTS = {"yi": [0.5, 0.3, 0.8, -0.1, 0.6, 0.4, 0.2], "vi": [0.04, 0.09, 0.05, 0.06, 0.1, 0.03, 0.08]}


def test_the_p_value_counts_every_assignment_of_signs():
    fit = mn.pool(**EFFECTS, ci="z", tau2="DL")
    y, v = np.array(EFFECTS["yi"]), np.array(EFFECTS["vi"])
    statistic = []
    for signs in product((1, -1), repeat=7):
        other = mn.pool(yi=y * signs, vi=v, ci="z", tau2="DL")
        statistic.append(abs(other.mu / other.se))
    p = np.mean(np.array(statistic) >= abs(fit.mu / fit.se) * (1 - 1e-9))
    assert mn.permutation_test(fit, ci=False).pvalue == pytest.approx(p)


def test_the_interval_holds_the_nulls_that_are_not_refused():
    fit = mn.pool(**EFFECTS)
    found = mn.permutation_test(fit)
    assert found.ci_lower < fit.estimate < found.ci_upper
    width = found.ci_upper - found.ci_lower
    for end, outward in ((found.ci_lower, -1), (found.ci_upper, 1)):
        assert mn.permutation_test(fit, end + outward * 1e-3 * width, ci=False).pvalue <= 0.05
        assert mn.permutation_test(fit, end - outward * 1e-3 * width, ci=False).pvalue > 0.05


def test_few_studies_cannot_refuse_anything():
    found = mn.permutation_test(mn.pool(yi=[1.0, 1.1, 0.9, 1.0], vi=[0.01] * 4))
    assert found.pvalue == pytest.approx(1 / 8)
    assert (found.ci_lower, found.ci_upper) == (None, None)
    assert "no limit" in found.sentence()


def test_a_rate_has_an_interval_without_a_null_and_a_test_with_one():
    fit = mn.pool(events=[9, 12, 8, 20, 15, 11, 7], total=[30, 41, 33, 50, 44, 37, 29])
    found = mn.permutation_test(fit)
    assert found.pvalue is None
    assert 0 < found.ci_lower < fit.estimate < found.ci_upper < 1
    assert any("two-step" in note for note in found.notes)
    assert mn.permutation_test(fit, 0.6).pvalue < 0.05
    assert mn.permutation_test(fit, 0.33).pvalue > 0.2
    assert mn.permutation_test(fit, ci=False).reason


@pytest.mark.parametrize("measure", ["PR", "PLN", "PLO", "PAS", "PFT"])
def test_the_null_is_taken_to_every_scale(measure):
    fit = mn.pool(events=[9, 12, 8, 20, 15, 11], total=[30, 41, 33, 50, 44, 37], model="inverse_variance", measure=measure)
    found = mn.permutation_test(fit, fit.estimate, ci=False)
    assert abs(found.statistic) < 1e-6
    assert found.pvalue == 1.0


def test_random_signs_follow_the_seed():
    many = {"yi": np.linspace(-0.5, 1.0, 16), "vi": np.full(16, 0.1)}
    first, again = (mn.permutation_test(mn.pool(**many), permutations=500, seed=3, ci=False) for _ in range(2))
    assert first.pvalue == again.pvalue
    assert not first.exact
    assert first.permutations == 500


def test_one_study_has_a_reason():
    found = mn.permutation_test(mn.pool(yi=[0.3], vi=[0.1]))
    assert found.reason == "Fewer than two studies with an effect: there are no signs to change."
    json.dumps(found.to_dict(), allow_nan=False)
    assert found._repr_html_()


@pytest.mark.parametrize(
    ("arguments", "message"), [({"null": 30}, "null="), ({"permutations": 1}, "permutations="), ({"seed": -1}, "seed=")]
)
def test_arguments_that_cannot_be_are_refused(arguments, message):
    with pytest.raises(mn.ArgumentError, match=message):
        mn.permutation_test(mn.pool(events=[3, 4], total=[10, 12]), **arguments)


@pytest.mark.parametrize("vi", [[0.1] * 7, [0.1, 0.2, 0.3, 0.1, 0.2, 0.3, 0.4]])
def test_an_interval_without_a_width_is_said_to_have_none(vi):
    found = mn.permutation_test(mn.pool(yi=[0.5] * 7, vi=vi))
    assert found.ci_upper - found.ci_lower < 1e-5
    assert any("has no width" in note for note in found.notes)
    wide = mn.permutation_test(mn.pool(yi=[0.5] * 6 + [0.6], vi=vi))
    assert not wide.notes


def test_an_interval_of_equal_rates_is_said_to_have_no_width():
    found = mn.permutation_test(mn.pool(events=[5] * 8, total=[20] * 8))
    assert any("has no width" in note for note in found.notes)


@pytest.mark.parametrize(
    ("k", "permutations", "words"),
    [
        (3, None, "With 3 studies the smallest possible p-value is 0.250, above 0.05"),
        (3, None, "More studies are needed."),
        (4, 5, "More studies are needed."),
        (12, 5, "With 5 sign changes the smallest possible p-value is 0.200, above 0.05"),
        (12, 5, "Fix: permutations=20 or more."),
    ],
)
def test_an_interval_without_limits_says_why_and_what_helps(k, permutations, words):
    fit = mn.pool(yi=[0.1 * i for i in range(1, k + 1)], vi=[0.1] * k)
    found = mn.permutation_test(fit, permutations=permutations)
    assert (found.ci_lower, found.ci_upper) == (None, None)
    assert any(words in note for note in found.notes)
    if "Fix" in words:
        assert mn.permutation_test(fit, permutations=20).ci_lower is not None
