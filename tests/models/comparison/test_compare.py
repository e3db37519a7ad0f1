"""Comparison of groups: estimates, tests and pairs, against single models and direct computation."""

from __future__ import annotations

import json
from itertools import product
from math import comb

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import metanet as mn
from metanet.kernels.two_groups import differences, differences as mover

DATA = pd.DataFrame(
    {
        "study": list("abcdefghi"),
        "study_id": list("abcdefghh"),
        "events": [3, 9, 4, 12, 7, 20, 1, 2, 8],
        "total": [20, 30, 25, 30, 22, 41, 18, 25, 40],
        "group": ["A"] * 3 + ["B"] * 3 + ["C"] * 3,
    }
)


def test_groups_with_their_own_spread_are_single_poolings():
    found = mn.compare(DATA, "group", heterogeneity="separate", model="glmm")
    for name, part in DATA.groupby("group"):
        one = mn.pool(part, model="glmm")
        assert found.groups[name].estimate == pytest.approx(one.estimate, rel=1e-12)
        assert found.groups[name].ci_upper == pytest.approx(one.ci_upper, rel=1e-12)


@pytest.mark.parametrize("model", ["glmm", "inverse_variance"])
def test_groups_with_one_spread_are_those_of_a_regression_on_the_group(model):
    found = mn.compare(DATA, "group", model=model)
    other = mn.meta_regression(DATA, "~ 0 + group", model=model)
    for term, name in zip(other.coefficients.to_dict("records"), "ABC", strict=True):
        assert found.groups[name].mu == pytest.approx(term["estimate"], rel=1e-7)
        assert found.groups[name].se == pytest.approx(term["se"], rel=1e-6)
        assert found.groups[name].mu_lower == pytest.approx(term["ci_lower"], rel=1e-6)
    assert found.tau2_common == pytest.approx(other.tau2, rel=1e-6, abs=1e-12)
    if model == "glmm":
        assert found.lrt == pytest.approx(mn.meta_regression(DATA, "~ group", model=model).lrt, rel=1e-8)


def test_two_step_groups_by_their_own_spread_have_q_between():
    found = mn.compare(DATA, "group", model="inverse_variance", heterogeneity="separate", ci="z")
    means = np.array([fit.mu for fit in found.groups.values()])
    w = 1 / np.array([fit.se for fit in found.groups.values()]) ** 2
    q = (w * (means - (w * means).sum() / w.sum()) ** 2).sum()
    assert found.lrt == pytest.approx(q, rel=1e-9)
    assert found.lrt_pvalue == pytest.approx(stats.chi2.sf(q, 2), rel=1e-9)


def test_at_the_spread_of_each_group_the_ratio_is_that_of_the_likelihoods():
    from scipy.optimize import minimize_scalar

    from metanet.kernels.normal_effect.random_effect import RULES, evaluate
    from metanet.kernels.normal_effect.study_likelihoods import BinomialLogit

    found = mn.compare(DATA, "group", heterogeneity="separate", model="glmm")
    parts = [
        BinomialLogit(*(part[name].to_numpy(dtype=float)[None] for name in ("events", "total"))) for _, part in DATA.groupby("group")
    ]
    taus = [fit.tau for fit in found.groups.values()]
    own = sum(fit.loglik for fit in found.groups.values())

    def fall(mu: float) -> float:
        at = [evaluate(part, np.array([mu]), np.array([tau]), RULES[3]).loglik[0] for part, tau in zip(parts, taus, strict=True)]
        return -sum(at)

    best = minimize_scalar(fall, bounds=(-4, 3), method="bounded", options={"xatol": 1e-10})
    assert found.lrt == pytest.approx(2 * (own + best.fun), rel=1e-7)


def test_pairs_are_comparisons_of_two_groups_adjusted_by_holm():
    found = mn.compare(DATA, "group", model="glmm")
    pairs = found.differences
    assert len(pairs) == 3
    for row in pairs.to_dict("records"):
        two = mn.compare(DATA[DATA["group"].isin([row["first"], row["second"]])], "group", model="glmm")
        assert row["pvalue"] == pytest.approx(two.lrt_pvalue, rel=1e-9)
        first, second = (found.groups[row[name]] for name in ("first", "second"))
        assert row["difference"] == pytest.approx(first.estimate - second.estimate)
        assert row["ratio"] == pytest.approx(first.estimate / second.estimate)
        assert row["difference_lower"] < row["difference"] < row["difference_upper"]
        assert row["ratio_lower"] < row["ratio"] < row["ratio_upper"]
        f = stats.f.sf(row["lrt"], 1, two.groups[row["first"]].k + two.groups[row["second"]].k - 2)
        assert row["pvalue_f"] == pytest.approx(f, rel=1e-9)
    p = np.sort(pairs["pvalue_f"].to_numpy())
    expected = np.minimum(1, np.maximum.accumulate(p * [3, 2, 1]))
    np.testing.assert_allclose(np.sort(pairs["pvalue_adjusted"].to_numpy()), expected)


def test_the_difference_of_wilson_intervals_is_newcombes():
    # Newcombe (1998), Statistics in Medicine 17:873-890, table II, method 10, case a: 56/70 less 48/80.
    first, second = (0.8, 0.69194, 0.87701), (0.6, 0.49050, 0.70037)
    gap, low, high = mover.difference(*(np.array([x]) for x in (*first, *second)))
    assert gap[0] == pytest.approx(0.2)
    assert low[0] == pytest.approx(0.0524, abs=5e-4)
    assert high[0] == pytest.approx(0.3339, abs=5e-4)


def test_a_ratio_has_limits_where_one_rate_is_zero():
    value, low, high = (x[0] for x in mover.ratio(*(np.array([x]) for x in (0.0, 0.0, 0.05, 0.2, 0.1, 0.3))))
    assert (value, low) == (0.0, 0.0)
    assert 0 < high < 1
    value, low, high = (x[0] for x in mover.ratio(*(np.array([x]) for x in (0.2, 0.1, 0.3, 0.0, 0.0, 0.05))))
    assert value == np.inf
    assert 1 < low < np.inf
    assert high == np.inf
    assert np.isnan(mover.ratio(*(np.array([x]) for x in (0.0, 0.0, 0.1, 0.0, 0.0, 0.1)))[0][0])


def test_the_ratio_holds_its_own_inverse():
    one = mover.ratio(*(np.array([x]) for x in (0.2, 0.1, 0.3, 0.4, 0.3, 0.5)))
    other = mover.ratio(*(np.array([x]) for x in (0.4, 0.3, 0.5, 0.2, 0.1, 0.3)))
    assert one[1][0] == pytest.approx(1 / other[2][0], rel=1e-12)
    assert one[2][0] == pytest.approx(1 / other[1][0], rel=1e-12)


@pytest.mark.parametrize(("events", "total"), [([0, 13], [65, 95]), ([3, 7, 1], [20, 18, 25]), ([2, 2], [10, 10])])
def test_fishers_test_counts_the_tables_that_are_no_likelier(events, total):
    whole = sum(events)
    weight = {
        counts: np.prod([comb(n, x) for n, x in zip(total, counts, strict=True)], dtype=float)
        for counts in product(*(range(min(n, whole) + 1) for n in total))
        if sum(counts) == whole
    }
    expected = sum(w for w in weight.values() if w <= weight[tuple(events)] * (1 + 1e-9)) / sum(weight.values())
    p, listed = differences.fisher(np.array(events, dtype=float), np.array(total, dtype=float))
    assert listed
    assert p == pytest.approx(expected, rel=1e-9)
    if len(events) == 2:
        table = np.array([events, np.subtract(total, events)])
        assert p == pytest.approx(stats.fisher_exact(table).pvalue, rel=1e-9)


def test_too_many_tables_are_sampled():
    p, listed = differences.fisher(np.full(8, 12.0), np.full(8, 60.0), seed=1)
    assert not listed
    assert p == pytest.approx(1.0, abs=1e-3)


def test_the_bootstrap_keeps_its_size_where_the_groups_are_alike():
    # 40 data sets of equal groups: about 4 p-values are below 0.1; more than 10 happen less than once in 1,000 times.
    random = np.random.default_rng(4)
    low = 0
    for seed in range(40):
        total = random.integers(15, 60, 8)
        theta = -1.5 + 0.6 * random.standard_normal(8)
        frame = DATA.iloc[:8].assign(events=random.binomial(total, 1 / (1 + np.exp(-theta))), total=total, group=["A", "B"] * 4)
        low += mn.compare(frame, "group", bootstrap=99, seed=seed, model="glmm").bootstrap_pvalue < 0.1
    assert low <= 10


def test_arms_of_one_study_in_two_groups_are_named():
    frame = DATA.assign(group=["A"] * 3 + ["B"] * 3 + ["C", "A", "C"])
    assert any("within-study comparison" in note for note in mn.compare(frame, "group", model="glmm").notes)


def test_the_label_stands_wherever_it_is_printed():
    found = mn.compare(DATA, "group", model="glmm")
    for text in (found.sentence(), found.summary(), found._repr_html_(), " ".join(found.notes)):
        assert "observational comparison" in text.lower()
    json.dumps(found.to_dict(), allow_nan=False)
    assert found.to_frame()["group"].tolist() == ["A", "B", "C"]


@pytest.mark.parametrize("tau2", ["common", "separate"])
def test_groups_that_cannot_be_told_apart_have_a_reason(tau2):
    none = mn.compare(DATA.assign(events=0), "group", heterogeneity=tau2, model="glmm")
    assert none.test_sentence() == "All groups have no events, so they cannot be compared."
    assert none.lrt_pvalue is None
    assert any("no events" in note for note in none.notes)
    one = mn.compare(DATA.assign(group="A"), "group", heterogeneity=tau2, model="glmm")
    assert one.lrt_pvalue is None
    assert one.differences.empty


def test_single_studies_and_edges_are_answered():
    frame = pd.DataFrame({"events": [0, 5, 9, 4], "total": [12, 20, 9, 31], "g": ["A", "B", "C", "B"]})
    for tau2 in ("common", "separate"):
        found = mn.compare(frame, "g", heterogeneity=tau2, bootstrap=0, model="glmm")
        assert [fit.status for fit in found.groups.values()] == ["not pooled", "pooled", "not pooled"]
        assert 0 < found.lrt_pvalue < 0.01
        assert found.exact_pvalue < 0.01


def test_rows_without_a_group_are_left_out_and_counted():
    frame = DATA.assign(group=["A", None, "A", "B", "B", "B", np.nan, "A", " "])
    found = mn.compare(frame, "group", model="glmm")
    assert sum(fit.k for fit in found.groups.values()) == 6
    assert any("3 arms of 3 studies without a value of group excluded" in note for note in found.notes)


def test_two_groups_of_trials_are_compared_on_the_log_scale():
    frame = pd.DataFrame(
        {
            "events": [2, 9, 4, 7],
            "total": [20, 30, 25, 40],
            "events_control": [5, 12, 9, 11],
            "total_control": [21, 29, 26, 39],
            "g": ["A", "A", "B", "B"],
        }
    )
    names = {name: name for name in frame.columns if name != "g"}
    found = mn.compare(frame, "g", **names)
    row = found.differences.iloc[0]
    assert row["ratio"] == pytest.approx(found.groups["A"].estimate / found.groups["B"].estimate)
    exact = mn.compare(frame, "g", model="CM.EL", **names)
    assert exact.lrt_df == 1


def test_with_few_studies_f_keeps_the_size_that_chi_squared_does_not():
    from metanet.models.comparison.fit import ratio_common
    from metanet.models.options import check_options
    from metanet.models.pooling.batch import Data

    random = np.random.default_rng(9)
    total = np.exp(random.uniform(np.log(15), np.log(150), (800, 8))).round()
    theta = -0.85 + 0.8 * random.standard_normal((800, 8))
    events = random.binomial(total.astype(int), 1 / (1 + np.exp(-theta))).astype(float)
    statistic = ratio_common(Data({"events": events, "total": total}), np.repeat([0, 1], 4), 2, check_options(model="glmm"))
    # Standard error of a share of 5 % in 800 sets: 0.8 points.
    assert (statistic > stats.chi2.isf(0.05, 1)).mean() > 0.075
    assert (statistic > stats.f.isf(0.05, 1, 6)).mean() < 0.06


def test_hartung_knapp_groups_that_agree_too_well_are_named():
    frame = pd.DataFrame({"events": [3, 6, 10, 13], "total": [10, 20, 30, 40], "g": ["A", "A", "B", "B"]})
    found = mn.compare(frame, "g", model="inverse_variance")
    assert any("narrower than the common-effect intervals" in note for note in found.notes)
    same = mn.compare(frame.assign(events=[3, 6, 9, 12]), "g", model="inverse_variance")
    assert same.differences["difference"].tolist() == [0.0]


def test_groups_at_both_ends_do_not_break_two_steps():
    frame = pd.DataFrame({"events": [0, 0, 20, 20], "total": [20] * 4, "g": ["A", "A", "B", "B"]})
    assert mn.compare(frame, "g", model="inverse_variance").lrt_pvalue < 0.001


def test_a_column_named_like_a_number_keeps_the_group_names():
    found = mn.compare(DATA.rename(columns={"group": "status"}), "status", model="glmm")
    assert found.to_frame()["group"].tolist() == ["A", "B", "C"]


@pytest.mark.parametrize("model", ["CM.EL", "CM.AL"])
def test_a_group_of_trials_without_events_in_one_arm_is_compared(model):
    frame = pd.DataFrame(
        {
            "events": [0, 0, 3, 5],
            "total": [54, 45, 30, 41],
            "events_control": [18, 13, 4, 6],
            "total_control": [54, 45, 30, 40],
            "g": ["A", "A", "B", "B"],
        }
    )
    names = {name: name for name in frame.columns if name != "g"}
    found = mn.compare(frame, "g", model=model, bootstrap=0, **names)
    assert found.groups["A"].status == "not estimable"
    # The group without events adds the supremum of its likelihood, one; the other its own maximum.
    rest = mn.pool(frame[frame["g"] == "B"].drop(columns="g"), model=model, **names)
    whole = mn.pool(frame.drop(columns="g"), model=model, **names)
    assert found.lrt == pytest.approx(2 * (rest.loglik - whole.loglik), abs=2e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"by": "grup"}, "Did you mean 'group'"),
        ({"heterogeneity": "comon"}, "Did you mean 'common'"),
        ({"model": "peto"}, "model='peto' is not known for compare"),
        ({"bootstrap": -1}, "bootstrap=-1"),
        ({"modle": "glmm"}, "Did you mean 'model'"),
        ({"ci": "KR", "model": "inverse_variance"}, "ci='KR'"),
    ],
)
def test_arguments_that_cannot_be_are_refused(arguments, message):
    with pytest.raises(mn.ArgumentError, match=message):
        mn.compare(DATA, **{"by": "group", **arguments})


def test_the_stamp_of_a_joint_model_names_its_own_degrees_of_freedom():
    found = mn.compare(DATA, "group", model="glmm")
    for text in (found.method.sentence(), found.groups["A"].method.sentence()):
        assert "one tau" in text
        assert "t with 6 degrees of freedom" in text
        assert "prediction intervals: t with 5 degrees of freedom" in text
    assert "k − 1" in mn.compare(DATA, "group", heterogeneity="separate", model="glmm").method.sentence()


ALONE = pd.DataFrame({"events": [3, 9, 14], "total": [20, 30, 30], "g": list("abc")})


@pytest.mark.parametrize("heterogeneity", ["common", "separate"])
@pytest.mark.parametrize("model", ["glmm", "inverse_variance", "common"])
@pytest.mark.parametrize("events", [[3, 9, 14], [0, 9, 14], [0, 30, 30]])
def test_single_studies_have_no_test_and_explain_nothing(model, heterogeneity, events):
    found = mn.compare(ALONE.assign(events=events), "g", model=model, heterogeneity=heterogeneity)
    assert found.no_test.startswith("One study in each group: the difference between the groups cannot be told from")
    assert found.test_sentence() == found.no_test
    assert (found.lrt, found.lrt_pvalue, found.lrt_pvalue_f, found.exact_pvalue, found.bootstrap_pvalue) == (None,) * 5
    assert found.tau2_common is None
    assert found.differences[["lrt", "pvalue", "pvalue_f", "pvalue_adjusted", "pvalue_exact"]].isna().all().all()
    assert {row[-1] for row in found.pair_table()[1]} == {"no test"}


def test_a_report_on_single_studies_does_not_say_what_they_explain():
    fit = mn.pool(ALONE.assign(study=list("xyz")), model="glmm")
    text = mn.heterogeneity_report(fit, by="g", moderators=[], subsets=False).paragraphs()["Subgroups"]
    assert "One study in each group" in text
    assert "account for" not in text
    assert "p = " not in text


def test_a_pair_of_single_studies_has_no_test_beside_other_pairs():
    frame = DATA.iloc[:5].assign(group=list("AAABC"))
    found = mn.compare(frame, "group", bootstrap=0, model="glmm")
    tested = {(row["first"], row["second"]): row["pvalue"] for row in found.differences.to_dict("records")}
    assert np.isnan(tested["B", "C"])
    assert tested["A", "B"] > 0
    assert found.lrt_pvalue > 0
    assert any(note.startswith("One study in each of B and C: a pair of them has no test") for note in found.notes)


@pytest.mark.parametrize("groups", [list("aabb"), list("aabbcc")])
def test_groups_at_opposite_edges_have_an_exact_test_that_says_what_it_takes(groups):
    events, total = [0, 0, 30, 40, 0, 0], [20, 15, 30, 40, 10, 12]
    frame = pd.DataFrame({"events": events[: len(groups)], "total": total[: len(groups)], "g": groups})
    found = mn.compare(frame, "g", model="glmm")
    assert found.lrt_pvalue is None
    sums = frame.groupby("g").sum()
    if len(groups) == 4:
        table = np.array([sums["events"], sums["total"] - sums["events"]])
        assert found.exact_pvalue == pytest.approx(stats.fisher_exact(table).pvalue, rel=1e-6)
    assert found.exact_pvalue < 1e-6
    assert found.tests["exact"].pvalue == found.exact_pvalue
    assert "takes the studies of a group as alike, gives p < 0.001" in found.test_sentence()
    assert any("takes the studies of a group as alike" in note for note in found.notes)
    pairs = {row[0]: row[-1] for row in found.pair_table()[1]}
    assert pairs["a minus b"] == "Fisher's exact test p < 0.001"
    # Two groups without events have nothing to compare.
    assert pairs.get("a minus c", "no test") == "no test"
    assert "Fisher" in mn.compare(frame, "g", model="glmm").summary()


def test_groups_at_one_edge_are_not_told_apart_by_fishers_test_either():
    found = mn.compare(DATA.assign(events=DATA["total"]), "group", model="glmm")
    assert found.exact_pvalue is None
    assert found.test_sentence() == "All groups have only events, so they cannot be compared."


def test_one_pair_is_not_called_adjusted():
    one = mn.compare(DATA[DATA["group"] != "C"], "group", model="glmm")
    row = one.differences.iloc[0]
    assert not one.adjusted
    assert "adjusted" not in one.summary()
    p = one.pair_table()[1][0][-1]
    assert p.startswith("p = ")
    assert f"; by F p = {row['pvalue_f']:.3f}" in p
    more = mn.compare(DATA, "group", model="glmm")
    assert more.adjusted
    assert all("; by F p" in row[-1] and ", adjusted p" in row[-1] for row in more.pair_table()[1])
    # Two of three pairs have a test that is adjusted; one pair alone is not.
    single = mn.compare(DATA.iloc[:5].assign(group=list("AAABC")), "group", bootstrap=0, model="glmm")
    assert single.adjusted
