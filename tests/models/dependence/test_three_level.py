"""The three-level result: data of every kind, edges, and what is said of them."""

import json

import numpy as np
import pandas as pd
import pytest

import metanet as mn
from metanet.base.errors import ArgumentError
from metanet.models.dependence.three_level import three_level
from metanet.models.pooling.pool import pool

STUDIES = ["a", "a", "b", "c", "c", "c", "d", "e", "f", "f"]


def frame():
    return pd.DataFrame(
        {"events": [3, 5, 9, 2, 1, 4, 12, 7, 6, 8], "total": [20, 24, 30, 25, 18, 22, 40, 21, 30, 26], "study_id": STUDIES}
    )


def strong():
    """Effects with spread on both levels."""
    rng = np.random.default_rng(2)
    code = np.repeat(np.arange(12), 4)
    y = rng.normal(0, 1, 12)[code] + rng.normal(0, 0.7, 48)
    return {"yi": y, "vi": rng.uniform(0.01, 0.1, 48), "cluster": code}


def test_shares_add_up_and_intervals_hold_their_values():
    found = three_level(**strong())
    assert found.tau2 == pytest.approx(found.tau2_between + found.tau2_within)
    assert found.i2 == pytest.approx(found.i2_between + found.i2_within)
    assert found.icc == pytest.approx(found.tau2_between / found.tau2)
    for which in ("between", "within"):
        value, low, high = (getattr(found, f"tau2_{which}{end}") for end in ("", "_lower", "_upper"))
        assert 0 < low < value < high
        assert getattr(found, f"lrt_{which}_pvalue") < 1e-3
    assert found.new_lower < found.mu_lower < found.mu < found.mu_upper < found.new_upper


def test_degrees_of_freedom_count_studies_not_arms():
    found = three_level(**strong())
    assert found.df == 11
    # SciPy's Student quantile is good to about 1e-11.
    half = 2.200985160082949 * found.se  # Student's 97.5 % quantile with 11 degrees of freedom
    assert found.mu_upper - found.mu == pytest.approx(half, rel=1e-10)
    new = 2.228138851964939 * np.hypot(found.se, found.tau2**0.5)  # with 10
    assert found.new_upper - found.mu == pytest.approx(new, rel=1e-10)


def test_the_normal_quantile_can_be_asked_for():
    found = three_level(**strong(), ci="z")
    assert found.mu_upper - found.mu == pytest.approx(1.959963984540054 * found.se, rel=1e-12)
    assert found.df == np.inf


def test_the_p_value_of_a_variance_is_that_of_the_mixture():
    found = three_level(**strong(), tau2="ML")
    small = three_level(yi=[0.1, 0.3, -0.1, 0.9], vi=[0.1] * 4, cluster=[1, 1, 2, 2])
    from scipy.stats import chi2

    for fit in (found, small):
        for which in ("between", "within"):
            ratio = getattr(fit, f"lrt_{which}")
            wanted = 0.5 * chi2.sf(ratio, 1) if ratio > 0 else 1.0
            assert getattr(fit, f"lrt_{which}_pvalue") == pytest.approx(wanted, rel=1e-10)


def test_one_arm_in_every_study_gives_the_two_level_result():
    data = frame().assign(study_id=range(10))
    found, plain = three_level(data), pool(data, model="inverse_variance", ci="t")
    assert found.status == "two levels"
    assert found.tau2_between is None
    assert found.tau2_within is None
    np.testing.assert_allclose(
        [found.mu, found.se, found.tau2, found.ci_lower, found.pi_upper, found.i2, found.marginal_estimate],
        [plain.mu, plain.se, plain.tau2, plain.ci_lower, plain.pi_upper, plain.i2, plain.marginal_estimate],
        rtol=1e-8,
    )
    assert any("cannot be separated" in note for note in found.notes)
    likelihood = pool(data, model="inverse_variance", tau2="REML", tau2_ci="profile")
    np.testing.assert_allclose(
        [found.tau2_lower, found.tau2_upper], [likelihood.tau2_lower, likelihood.tau2_upper], rtol=1e-6, atol=1e-12
    )


def test_one_study_says_that_nothing_is_known_of_others():
    found = three_level(frame(), cluster=[1] * 10)
    assert found.status == "one study"
    assert found.tau2_between is None
    assert found.tau2_within == pytest.approx(pool(frame(), model="inverse_variance").tau2, rel=1e-8)
    assert found.ci_lower is None
    assert any("one study" in note for note in found.notes)


def test_no_events_have_the_exact_answer():
    found = three_level(events=[0, 0, 0], total=[10, 20, 15], cluster=[1, 1, 2])
    assert found.status == "no events"
    assert found.estimate == 0
    assert found.ci_upper == pytest.approx(1 - 0.025 ** (1 / 45), rel=1e-12)
    assert found.tau2 is None


def test_a_single_arm_is_not_pooled():
    found = three_level(events=[3], total=[10], cluster=["x"])
    assert found.status == "not pooled"
    assert found.estimate == 0.3


def test_equal_effects_print_no_nonsense():
    found = three_level(yi=[1.0, 1, 1], vi=[1.0, 2, 1], cluster=[1, 2, 2])
    assert found.tau2 == 0
    assert found.icc is None
    assert found.lrt_within_pvalue == 1
    assert "nan" not in found.summary()


@pytest.mark.parametrize(
    "given",
    [
        {"events": [3, 5, 9, 2], "total": [20, 24, 30, 25], "measure": "PFT"},
        {"events": [3, 5, 9, 2], "total": [20, 24, 30, 25], "measure": "PR"},
        {"events": [3, 5, 9, 2], "person_time": [20.0, 24, 30, 25]},
        {
            "events": [3, 5, 9, 2],
            "total": [20, 24, 30, 25],
            "events_control": [1, 2, 3, 4],
            "total_control": [20] * 4,
            "measure": "RR",
        },
    ],
)
def test_every_kind_of_data_is_taken(given):
    found = three_level(**given, cluster=[1, 1, 2, 3])
    assert found.status == "pooled"
    assert found.ci_lower < found.estimate < found.ci_upper
    assert found.sentence()
    json.dumps(found.to_dict(), allow_nan=False)


def test_order_and_names_of_studies_do_not_matter():
    data = frame()
    one = three_level(data)
    other = three_level(data.sample(frac=1, random_state=4).assign(study_id=lambda d: d["study_id"].map(lambda s: s * 3)))
    np.testing.assert_allclose(
        [other.mu, other.tau2_between, other.tau2_within], [one.mu, one.tau2_between, one.tau2_within], rtol=1e-7, atol=1e-12
    )


def test_mirrored_events_mirror_the_rate():
    data = frame()
    one, other = three_level(data), three_level(data.assign(events=data["total"] - data["events"]))
    np.testing.assert_allclose([1 - other.estimate, 1 - other.ci_upper], [one.estimate, one.ci_lower], rtol=1e-9)


def test_few_studies_with_several_arms_are_named():
    found = three_level(frame())
    assert any("Only 3 studies have more than one arm" in note for note in found.notes)
    assert "very uncertain" in found.sentence()
    assert "very uncertain" not in three_level(**strong()).sentence()
    assert not any("as if they were independent" in note for note in found.notes)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"model": "glmm"}, "no three-level form"),
        ({"model": "common"}, "model='common'"),
        ({"tau2": "DL"}, "tau2='DL'"),
        ({"ci": "HK"}, "ci='HK'"),
        ({"cluster": "study"}, "Did you mean 'study_id'"),
    ],
)
def test_arguments_that_cannot_be_used_are_named(arguments, match):
    with pytest.raises(ArgumentError, match=match):
        three_level(frame(), **arguments)


def test_names_are_escaped():
    found = three_level(frame().assign(study_id=["<b>x"] * 2 + STUDIES[2:]))
    assert "<b>" not in found._repr_html_()


def test_the_interval_covers_where_arms_share_an_effect():
    rng = np.random.default_rng(5)
    hits = 0
    code = np.repeat(np.arange(10), [1, 2, 3, 4, 1, 2, 3, 4, 2, 2])
    for _ in range(40):
        v = rng.uniform(0.05, 0.3, code.size)
        y = rng.normal(0, 0.6, 10)[code] + rng.normal(0, 0.3, code.size) + rng.normal(size=code.size) * np.sqrt(v)
        fit = three_level(yi=y, vi=v, cluster=code)
        hits += fit.mu_lower < 0 < fit.mu_upper
    # 40 data sets at 95 %: a standard error of 3.4 points; as if independent about 75 % are covered.
    assert hits / 40 > 0.84


def test_it_runs_on_the_evidence():
    rates = mn.load_evidence().rates("objective_response")
    found = three_level(rates)
    assert found.clusters == rates["study_id"].nunique()
    assert 0 < found.pi_lower < found.ci_lower < found.estimate < found.ci_upper < found.pi_upper < 1
