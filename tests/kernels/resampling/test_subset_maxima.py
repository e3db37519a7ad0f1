"""Maxima over subsets on tabulated surfaces, against the fits themselves."""

from __future__ import annotations

import numpy as np
import pytest

from metanet.kernels.normal_effect.fit import fit
from metanet.kernels.normal_effect.study_likelihoods import BinomialLogit, Likelihood, Poisson
from metanet.kernels.resampling.subsets import Table, study_surfaces

HARD = [(-3.0, 0.5, None), (-2.0, 0.3, 9000), (3.0, 1.5, None), (0.0, 2.5, None), (-4.0, 0.1, 9000)]


def masks_of(k: int) -> np.ndarray:
    numbers = np.arange(1, 2**k)
    return ((numbers[:, None] >> np.arange(k)) & 1).astype(bool)


def table(studies: Likelihood) -> Table:
    guess = studies.guess
    scale = 1 / np.sqrt(studies.precision.max())
    return Table(study_surfaces(studies), guess.min() - 1, guess.max() + 1, 4.0, scale)


@pytest.mark.parametrize(("mean", "spread", "large"), HARD)
def test_the_maximum_of_every_subset_is_that_of_its_fit(mean, spread, large):
    random = np.random.default_rng(7)
    k = 10
    n = np.exp(random.uniform(np.log(8), np.log(150), k)).round()
    if large:
        n[0] = large
    e = random.binomial(n.astype(int), 1 / (1 + np.exp(-(mean + spread * random.standard_normal(k))))).astype(float)
    masks = masks_of(k)
    masks = masks[(masks.sum(1) > 1) & (masks @ e > 0) & (masks @ e < masks @ n)]
    found = table(BinomialLogit(e[None], n[None])).maxima(masks)
    expected = fit(BinomialLogit(np.where(masks, e, 0.0), np.where(masks, n, 0.0)))
    known = found.found
    assert known.mean() > 0.97
    # Two maxima may be level to what rounding can tell; then either is right, and the likelihood says so.
    apart = known & ((np.abs(found.mu - expected.mu) > 1e-5) | (np.abs(found.tau - expected.tau) > 1e-4))
    assert apart.sum() <= 2
    fine = known & ~apart
    np.testing.assert_allclose(found.mu[fine], expected.mu[fine], atol=1e-5)
    np.testing.assert_allclose(found.tau[fine], expected.tau[fine], atol=1e-4)


def test_events_over_time_have_the_same_table():
    random = np.random.default_rng(3)
    time = random.uniform(20, 400, 9)
    e = random.poisson(0.05 * np.exp(0.6 * random.standard_normal(9)) * time).astype(float)
    masks = masks_of(9)
    masks = masks[(masks.sum(1) > 1) & (masks @ e > 0)]
    found = table(Poisson(e[None], time[None])).maxima(masks)
    expected = fit(Poisson(np.where(masks, e, 0.0), np.where(masks, time, 0.0)))
    known = found.found
    assert known.mean() > 0.97
    np.testing.assert_allclose(found.mu[known], expected.mu[known], atol=1e-5)


def test_surfaces_are_the_marginal_likelihoods_of_single_studies():
    from scipy import integrate, stats

    studies = BinomialLogit(np.array([[0.0, 4.0]]), np.array([[12.0, 9.0]]))
    found = study_surfaces(studies)(np.array([-1.3]), np.array([0.9]))[0]
    for value, (y, n) in zip(found, ((0, 12), (4, 9)), strict=True):
        p = integrate.quad(lambda t, y=y, n=n: np.exp(y * t - n * np.logaddexp(0, t)) * stats.norm.pdf(t, -1.3, 0.9), -12, 10)[0]
        assert value == pytest.approx(np.log(p), abs=1e-9)
