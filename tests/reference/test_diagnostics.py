"""Diagnostics against metafor with a tight REML, and tests between groups against lme4 (values made by diagnostics.R)."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

import metanet as mn
from metanet.kernels.inverse_variance.tau2 import Problem
from tests.reference.cases import SINGLE, counts, load

REFERENCE = load("diagnostics")
#: metafor's REML comes to rest at a score, not at a root: the last digits of tau2 are its own.
TOLERANCE = 1e-7
#: leave1out, influence and cumul of the shared files stop when tau2 moves by less than 1e-5.
LOOSE = 2e-4


def fitted(name: str, **choices: object) -> mn.Pooled:
    if name == "single":
        found = REFERENCE["counts"]["single"]
        return mn.pool(events=found["xi"], total=found["ni"], model="inverse_variance", **choices)
    return mn.pool(**REFERENCE["counts"]["bcg"], **choices)


@pytest.mark.parametrize("case", REFERENCE["influence"], ids=lambda c: f"{c['set']}-{c['tau2']}-{c['ci']}")
def test_influence_measures_are_those_of_metafor(case):
    found = mn.influence(fitted(case["set"], tau2=case["tau2"], ci=case["ci"])).to_frame()
    for name in ("rstudent", "dffits", "cook_d", "cov_ratio", "tau2_deleted", "q_deleted", "hat", "weight", "dfbetas"):
        np.testing.assert_allclose(found[name], case[name], rtol=TOLERANCE, atol=1e-9, err_msg=name)
    # The deleted residual of a study is the only measure on which metafor flags nothing.
    np.testing.assert_array_equal(found["influential"], case["influential"])
    assert found["heterogeneity"].sum() == pytest.approx(case["q"], rel=1e-12)


@pytest.mark.parametrize("name", ["single", "bcg"])
def test_cumulative_results_are_those_of_metafor(name):
    found = mn.cumulative(fitted(name, ci="z"), "given").to_frame()
    for column in ("mu", "se", "tau2"):
        expected = REFERENCE["cumulative"][name][{"mu": "estimate"}.get(column, column)]
        # The first row is one study, which is not pooled here.
        np.testing.assert_allclose(found[column][1:], expected[1:], rtol=TOLERANCE, atol=1e-9, err_msg=column)


def test_all_subsets_are_those_of_metafor():
    expected = REFERENCE["gosh"]
    found = REFERENCE["counts"]["single"]
    cloud = mn.gosh(mn.pool(events=found["xi"][:6], total=found["ni"][:6], model="inverse_variance", ci="z"))
    ours = {tuple(mask): i for i, mask in enumerate(cloud.masks.astype(int).tolist())}
    assert len(ours) == len(expected["k"]) == 63
    for include, k, estimate, tau2, i2 in zip(*(expected[n] for n in ("include", "k", "estimate", "tau2", "i2")), strict=True):
        i = ours[tuple(int(each) for each in include)]
        assert cloud.size[i] == k
        if k > 1:
            assert cloud.mu[i] == pytest.approx(estimate, rel=TOLERANCE, abs=1e-9)
            assert cloud.tau2[i] == pytest.approx(tau2, rel=TOLERANCE, abs=1e-9)
            assert cloud.i2[i] == pytest.approx(i2, rel=TOLERANCE, abs=1e-9)


@pytest.mark.parametrize(("ci", "test"), [("z", "z"), ("HK", "knha")])
def test_the_exact_permutation_p_value_is_that_of_metafor(ci, test):
    data = {name: values[:8] for name, values in REFERENCE["counts"]["bcg"].items()}
    found = mn.permutation_test(mn.pool(**data, ci=ci), ci=False)
    assert found.exact
    assert found.pvalue == pytest.approx(REFERENCE["permutation"][test]["p"], rel=1e-12)
    assert found.statistic == pytest.approx(REFERENCE["permutation"][test]["statistic"], rel=TOLERANCE)


@pytest.mark.parametrize("name", ["empty", "three"])
def test_groups_are_compared_as_nested_mixed_models_are(name):
    expected = REFERENCE["groups"][name]
    data = pd.DataFrame({"events": expected["events"], "total": expected["total"], "group": expected["group"]})
    common = mn.compare(data, "group", bootstrap=0, model="glmm")
    # glmer stops at a relative change of the deviance.
    assert common.lrt == pytest.approx(expected["lrt"], rel=1e-6)
    assert common.lrt_pvalue == pytest.approx(expected["p"], rel=1e-5)
    assert common.tau_common == pytest.approx(expected["sd"], abs=1e-3)


def test_a_group_without_events_is_told_apart_by_the_likelihood_ratio_and_not_by_wald():
    expected = REFERENCE["groups"]["empty"]
    data = pd.DataFrame({"events": expected["events"], "total": expected["total"], "group": expected["group"]})
    # At the spread within the groups, which is none here, the ratio is that of two plain binomials.
    assert mn.compare(data, "group", heterogeneity="separate", bootstrap=0, model="glmm").lrt_pvalue == pytest.approx(
        expected["plain"], rel=1e-6
    )
    found = mn.compare(data, "group", seed=1, model="glmm")
    assert found.lrt_pvalue == pytest.approx(0.00055, abs=5e-6)
    assert found.exact_pvalue == pytest.approx(expected["fisher"], rel=1e-9)
    assert found.bootstrap == 1999
    assert 0.0005 < found.bootstrap_pvalue < 0.01
    assert found.groups["A"].status == "no events"


def shared(name: str, measure: str) -> tuple[dict, mn.Pooled]:
    events, total = counts(name)
    case = load(name)["fits"][measure]
    return case, mn.pool(events=events, total=total, model="inverse_variance", measure=measure, ci="z")


USABLE = [
    (name, measure)
    for name in SINGLE
    for measure in ("PR", "PLN", "PLO", "PAS", "PFT")
    if isinstance(load(name)["fits"].get(measure, {}).get("influence"), dict)
]


@pytest.mark.parametrize(("name", "measure"), USABLE)
def test_influence_of_the_shared_files_is_reached_or_improved(name, measure):
    case, fit = shared(name, measure)
    expected, found = case["influence"], mn.influence(fit).to_frame()
    np.testing.assert_allclose(found["q_deleted"], expected["QE.del"], rtol=1e-8, atol=1e-9)
    names = {"rstudent": "rstudent", "dffits": "dffits", "cook.d": "cook_d", "cov.r": "cov_ratio", "tau2.del": "tau2_deleted"}
    close = True
    for theirs, ours in names.items():
        scale = np.maximum(np.abs(expected[theirs]), np.abs(expected[theirs]).max() * 1e-2 + 1e-12)
        close &= bool((np.abs(found[ours] - expected[theirs]) <= LOOSE * scale + 1e-9).all())
    if not close:
        # Their deleted tau2 is not where the restricted likelihood is highest.
        keep = ~np.eye(fit.k, dtype=bool)
        frame = mn.effect_sizes(events=fit.studies["events"], total=fit.studies["total"], measure=measure)
        v = np.where(keep, frame["vi"].to_numpy(), np.inf)
        y = np.broadcast_to(frame["yi"].to_numpy(), v.shape)
        problem = Problem(np.ascontiguousarray(y.T), np.ascontiguousarray(v.T), "restricted")
        ours, theirs = (problem.loglik(np.array(t)) for t in (found["tau2_deleted"].to_numpy(), expected["tau2.del"]))
        assert (ours >= theirs - 1e-12).all()
        assert (ours > theirs + 1e-12).any()


@pytest.mark.parametrize(("name", "measure"), [case for case in USABLE if "cumulative" in load(case[0])["fits"][case[1]]])
def test_cumulative_results_of_the_shared_files_are_reached_or_improved(name, measure):
    case, fit = shared(name, measure)
    found = mn.cumulative(fit, "given").to_frame()
    tau2 = found["tau2"].to_numpy()[1:]
    theirs = np.array(case["cumulative"]["tau2"])[1:]
    # Where their iteration stopped early the mean differs with tau2; there is no likelihood to tell from their file.
    same = np.abs(tau2 - theirs) <= 1e-4 * np.maximum(tau2, 1e-3)
    estimate = np.array(case["cumulative"]["estimate"])[1:]
    np.testing.assert_allclose(found["mu"].to_numpy()[1:][same], estimate[same], rtol=LOOSE, atol=1e-5)
    assert same.sum() >= len(same) / 2


def test_every_measure_of_the_shared_files_is_looked_at():
    assert len(USABLE) >= 10
    assert not [pair for pair in combinations(USABLE, 2) if pair[0] == pair[1]]
