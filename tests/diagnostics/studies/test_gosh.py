"""GOSH: all subsets of every model, random ones beyond, and the groups that the results form."""

from __future__ import annotations

import json

import numpy as np
import pytest

import metanet as mn
from metanet.diagnostics.studies.gosh import fit_subsets
from metanet.models.options import lean, options_of
from metanet.models.pooling.batch import pool_batch

RANDOM = np.random.default_rng(5)
TOTAL = np.exp(RANDOM.uniform(np.log(10), np.log(120), 12)).round().astype(int)
EVENTS = RANDOM.binomial(TOTAL, 1 / (1 + np.exp(1.8 - 0.6 * RANDOM.standard_normal(12))))
CONTROL = RANDOM.binomial(TOTAL, 0.25)


def every(k: int) -> np.ndarray:
    return ((np.arange(1, 2**k)[:, None] >> np.arange(k)) & 1).astype(bool)


@pytest.mark.parametrize(
    "choices",
    [
        {},
        {"link": "probit"},
        {"model": "beta_binomial"},
        {"model": "inverse_variance"},
        {"model": "inverse_variance", "measure": "PFT", "i2": "Q"},
        {"model": "inverse_variance", "to": "if0all"},
        {"model": "common", "measure": "PLN"},
    ],
    ids=str,
)
def test_subsets_have_the_numbers_of_ordinary_fits(choices):
    fit = mn.pool(events=EVENTS, total=TOTAL, **choices)
    options, masks = options_of(fit.method), every(12)
    found = fit_subsets(fit, options, masks)
    sample = np.random.default_rng(1).permutation(len(masks))[:250]
    expected = pool_batch(fit.data.only(masks[sample]), lean(options))
    for name in ("estimate", "mu", "tau2", "i2"):
        # Tabulated surfaces are interpolated to some 1e-8 of the log-likelihood.
        # Medians of posteriors are read off a coarser lattice.
        atol = 1e-3 if fit.model == "bayes" and name == "tau2" else 2e-4 if fit.model == "bayes" else 2e-5
        np.testing.assert_allclose(getattr(found, name)[sample], getattr(expected, name), atol=atol, err_msg=name)


@pytest.mark.parametrize("model", ["CM.EL", "CM.AL"])
def test_subsets_of_two_groups_have_the_numbers_of_ordinary_fits(model):
    data = {"events": EVENTS, "total": TOTAL, "events_control": CONTROL, "total_control": TOTAL}
    fit = mn.pool(**data, model=model)
    options, masks = options_of(fit.method), every(12)
    found = fit_subsets(fit, options, masks)
    sample = np.random.default_rng(1).permutation(len(masks))[:60]
    expected = pool_batch(fit.data.only(masks[sample]), lean(options))
    for name in ("estimate", "mu", "tau2"):
        # Medians of posteriors are read off a coarser lattice.
        atol = 1e-3 if fit.model == "bayes" and name == "tau2" else 2e-4 if fit.model == "bayes" else 2e-5
        np.testing.assert_allclose(getattr(found, name)[sample], getattr(expected, name), atol=atol, err_msg=name)


def test_up_to_twenty_studies_all_subsets_are_taken_and_beyond_a_sample():
    cloud = mn.gosh(mn.pool(events=EVENTS[:8], total=TOTAL[:8], model="glmm"))
    assert cloud.complete
    assert cloud.estimate.size == 255
    k = 22
    many = mn.pool(events=np.tile(EVENTS, 2)[:k], total=np.tile(TOTAL, 2)[:k], model="common")
    sample = mn.gosh(many, 300, seed=4)
    assert not sample.complete
    assert sample.estimate.size == 300
    assert sample.size.min() >= 2
    np.testing.assert_array_equal(sample.masks, mn.gosh(many, 300, seed=4).masks)
    assert (sample.masks != mn.gosh(many, 300, seed=5).masks).any()


def test_an_outlier_makes_two_groups_and_is_named():
    events, total = [3, 4, 2, 5, 3, 4, 2, 5, 4, 30], [40, 45, 30, 50, 38, 41, 33, 52, 44, 40]
    cloud = mn.gosh(mn.pool(events=events, total=total, study=list("abcdefghij"), model="glmm"))
    assert cloud.separation > 2
    assert cloud.studies.loc[cloud.studies["drives"], "study"].tolist() == ["j"]
    assert "formed by j" in cloud.sentence()
    calm = mn.gosh(mn.pool(events=events[:-1], total=total[:-1], model="glmm"))
    assert not calm.studies["drives"].any()
    assert "not judged" in calm.sentence()


def test_fewer_than_ten_studies_have_no_verdict():
    random = np.random.default_rng(8)
    for k in (3, 5, 8, 9):
        for _ in range(4):
            total = random.integers(15, 150, k)
            events = random.binomial(total, 1 / (1 + np.exp(0.4 - 0.8 * random.standard_normal(k))))
            cloud = mn.gosh(mn.pool(events=events, total=total, model="inverse_variance"))
            assert "not judged" in cloud.sentence()
            assert not cloud.studies[["divides", "drives"]].any(axis=None)
            assert "cloud" not in cloud.sentence()


def test_from_ten_studies_on_the_verdict_is_the_computed_one():
    cloud = mn.gosh(mn.pool(events=EVENTS, total=TOTAL, model="glmm"))
    assert "not judged" not in cloud.sentence()
    assert ("not separate" in cloud.sentence()) == (cloud.separation is not None and cloud.separation <= 2)
    none = mn.gosh(mn.pool(events=[0] * 10, total=[10] * 10, model="glmm"))
    assert none.separation is None
    assert "could not be assessed" in none.sentence()


def test_means_with_and_without_a_study_are_those_of_the_subsets():
    cloud = mn.gosh(mn.pool(events=EVENTS[:7], total=TOTAL[:7], model="glmm"))
    several = cloud.size > 1
    row = cloud.studies.iloc[2]
    assert row["estimate_with"] == pytest.approx(np.nanmean(cloud.estimate[several & cloud.masks[:, 2]]))
    assert row["estimate_without"] == pytest.approx(np.nanmean(cloud.estimate[several & ~cloud.masks[:, 2]]))


def test_the_frame_and_the_words_hold_what_was_fitted():
    cloud = mn.gosh(mn.pool(events=EVENTS[:6], total=TOTAL[:6], model="glmm"))
    frame = cloud.to_frame()
    assert frame.shape == (63, 6)
    assert (frame.loc[frame["k"] == 1, "tau2"].isna()).all()
    assert "all 57 subsets" in cloud.sentence()
    json.dumps(cloud.to_dict(), allow_nan=False)
    assert "<table" in cloud._repr_html_()


def test_without_an_outlier_no_study_is_blamed():
    # 25 sets of ten studies: at 10 % two or three blame one; more than seven do less than once in a thousand times.
    random = np.random.default_rng(8)
    blamed = 0
    for _ in range(25):
        total = random.integers(15, 150, 10)
        events = random.binomial(total, 1 / (1 + np.exp(0.4 - 0.5 * random.standard_normal(10))))
        blamed += bool(mn.gosh(mn.pool(events=events, total=total, model="inverse_variance")).studies["drives"].any())
    assert blamed <= 7


@pytest.mark.parametrize("data", [{"events": [3], "total": [10]}, {"events": [3, 4], "total": [10, 12]}])
def test_fewer_than_three_studies_have_a_reason(data):
    cloud = mn.gosh(mn.pool(**data))
    assert cloud.reason == "Fewer than three studies have too few subsets to compare."
    assert cloud.to_frame().empty
    assert cloud.studies.shape[0] == len(data["events"])


def test_no_events_at_all_is_one_answer():
    cloud = mn.gosh(mn.pool(events=[0, 0, 0, 0], total=[10, 12, 8, 20], model="glmm"))
    assert (cloud.estimate == 0).all()
    assert cloud.separation is None


@pytest.mark.parametrize("subsets", [1, 2.5, True, "many"])
def test_a_number_of_subsets_that_is_none_is_refused(subsets):
    with pytest.raises(mn.ArgumentError, match="subsets="):
        mn.gosh(mn.pool(events=[1, 2, 3], total=[10, 12, 9], model="glmm"), subsets)
