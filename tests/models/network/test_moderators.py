"""Regression and subgroups of a network."""

import json

import numpy as np
import pandas as pd
import pytest

import metanet as mn
from metanet.kernels.network.regression import fit_design
from metanet.models.network.part import arms_of


def trials(slope=0.0, seed=1, per_arm=400, studies=18):
    """Three treatments; the odds ratio against x changes by `slope` a unit of dose."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(studies):
        arms = [(0, 1), (0, 2), (1, 2), (0, 1, 2)][i % 4]
        dose, base = i / 3 - 3, rng.normal(-0.8, 0.2)
        for arm in arms:
            logit = base + (0.0, 0.5, 0.9)[arm] + (slope * dose if arm else 0.0)
            events = rng.binomial(per_arm, 1 / (1 + np.exp(-logit)))
            rows.append((f"Study {i}", "xyz"[arm], events, per_arm, dose, "early" if i < studies / 2 else "late"))
    return pd.DataFrame(rows, columns=["study", "treatment", "events", "total", "dose", "period"])


@pytest.mark.parametrize("model", ["inverse_variance", "exact", "common", "exact_common"])
def test_the_slope_of_the_data_is_found_in_every_model(model):
    fit = mn.network(trials(0.3), study="study", treatment="treatment", reference="x", model=model).regression("dose")
    assert fit.reason is None
    assert abs(fit.coefficient - 0.3) < 3 * fit.se
    assert fit.se < 0.05
    assert fit.test.pvalue < 1e-6
    assert fit.ci_lower < 0.3 < fit.ci_upper
    assert (fit.tau2 is None) == model.endswith("common")
    contrasts = fit.contrasts.set_index("first")["mu"]
    # At the mean dose.
    np.testing.assert_allclose([contrasts["y"], contrasts["z"]], [0.5 + 0.3 * fit.mean, 0.9 + 0.3 * fit.mean], atol=0.15)
    json.dumps(fit.to_dict(), allow_nan=False)
    assert "multiplied by" in fit.sentence()


def test_two_steps_and_the_exact_model_agree_in_large_studies():
    network = [mn.network(trials(0.2), study="study", treatment="treatment", model=model) for model in ("common", "exact_common")]
    first, second = (each.regression("dose") for each in network)
    np.testing.assert_allclose(first.coefficient, second.coefficient, atol=0.02)
    np.testing.assert_allclose(first.se, second.se, rtol=0.05)


def test_the_regression_is_that_of_its_design():
    network = mn.network(trials(0.1), study="study", treatment="treatment", reference="x", model="inverse_variance", tau2="DL")
    fit, part = network.regression("dose"), network.parts[0]
    arms, _ = arms_of(part.cells, "OR")
    dose = part.cells.about["dose"].to_numpy()
    there = arms.present & (arms.node != part.treatments.index("x"))
    x = (
        np.stack([arms.node == part.treatments.index("y"), arms.node == part.treatments.index("z"), there], 2)
        * arms.present[:, :, None]
    )
    x = x.astype(float)
    x[:, :, 2] *= (dose - dose.mean())[:, None]
    expected = fit_design(arms.effect, arms.variance, x, "DL")
    np.testing.assert_allclose(
        [fit.coefficient, fit.se, fit.tau2], [expected.beta[2], expected.covariance[2, 2] ** 0.5, expected.tau2]
    )


def test_the_unit_of_the_covariate_does_not_matter():
    frame = trials(0.1).assign(tenths=lambda data: 10 * data["dose"] + 7)
    network = mn.network(frame, study="study", treatment="treatment")
    first, second = network.regression("dose"), network.regression("tenths")
    np.testing.assert_allclose(first.coefficient, 10 * second.coefficient, rtol=1e-7)
    np.testing.assert_allclose(first.test.pvalue, second.test.pvalue, rtol=1e-6)


def test_studies_without_the_covariate_are_left_out_by_name():
    frame = trials(0.1)
    frame.loc[frame["study"] == "Study 2", "dose"] = np.nan
    fit = mn.network(frame, study="study", treatment="treatment").regression("dose")
    assert fit.k == 17
    assert any("Study 2" in note for note in fit.notes)


def test_what_cannot_be_regressed_is_told():
    frame = trials().assign(same=3, word="a", arm=range(len(trials())))
    network = mn.network(frame, study="study", treatment="treatment")
    assert network.regression("same").reason == "All studies have the same value of the covariate."
    for name, words in (("word", "is not a number"), ("arm", "differs between the rows of a study"), ("dos", "Did you mean 'dose'")):
        with pytest.raises(mn.ArgumentError, match=words):
            network.regression(name)
    plain = mn.network(study=["A", "A"], treatment=["x", "y"], events=[9, 12], total=[40, 40])
    with pytest.raises(mn.ArgumentError, match="was made without data"):
        plain.regression("dose")
    # Every study of y has another dose than every study of z, and there is no other contrast.
    tied = frame[frame["study"].isin(["Study 0", "Study 1"])].assign(group=lambda data: (data["study"] == "Study 0").astype(int))
    assert "cannot be told apart" in mn.network(tied, study="study", treatment="treatment", model="common").regression("group").reason


def test_subgroups_are_the_networks_of_their_studies():
    frame = trials()
    network = mn.network(frame, study="study", treatment="treatment", model="inverse_variance", tau2="DL")
    fit = network.subgroups("period")
    assert list(fit.groups) == ["early", "late"]
    for name, group in fit.groups.items():
        alone = mn.network(
            frame[frame["period"] == name], study="study", treatment="treatment", model="inverse_variance", tau2="DL",
            reference=network.reference,
        )  # fmt: skip
        expected = {each.first: each.mu for each in alone.against()}
        assert {each.first for each in group.against()} == set(expected) == {"y", "z"}
        for each in group.against():
            np.testing.assert_allclose(each.mu, expected[each.first], rtol=1e-9)
    within = sum(group.q for group in fit.groups.values())
    np.testing.assert_allclose(fit.test.statistic, network.q - within)
    assert fit.test.df == (2,)
    assert len(fit.contrasts) == 6


def test_a_difference_between_subgroups_is_found():
    frame = trials(0.4)
    for model in ("common", "exact_common"):
        fit = mn.network(frame, study="study", treatment="treatment", model=model).subgroups("period")
        assert fit.test.pvalue < 1e-6
    same = mn.network(trials(0.0, seed=4), study="study", treatment="treatment", model="common").subgroups("period")
    assert same.test.pvalue > 0.01


def test_one_group_is_no_subgroup():
    fit = mn.network(trials().assign(one="a"), study="study", treatment="treatment").subgroups("one")
    assert fit.reason == "All studies are in one group of one."
    assert not fit.test
