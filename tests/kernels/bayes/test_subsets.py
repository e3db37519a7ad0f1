"""Posterior medians of many subsets from one table, against the posterior of each subset by itself."""

import numpy as np
import pytest

import metanet as mn
from metanet.diagnostics.studies import gosh
from metanet.models.options import options_of

CASES = {
    "rates apart": ([1, 7, 8, 9, 26, 117, 8], [8, 44, 50, 40, 48, 168, 10]),
    "rare": ([0, 1, 0, 2, 0, 5, 3], [12, 30, 9, 41, 50, 60, 1000]),
    "edges": ([0, 0, 0, 20, 30, 4], [15, 40, 9, 20, 30, 12]),
}


@pytest.mark.parametrize("name", CASES)
def test_the_table_gives_the_medians_of_single_posteriors(name, monkeypatch):
    events, total = CASES[name]
    fit = mn.pool(events=events, total=total)
    masks = ((np.arange(1, 2 ** len(events))[:, None] >> np.arange(len(events))) & 1).astype(bool)
    monkeypatch.setattr(gosh, "_WORTH_A_TABLE", 1)
    table = gosh.fit_subsets(fit, options_of(fit.method), masks)
    monkeypatch.setattr(gosh, "_WORTH_A_TABLE", 10**9)
    alone = gosh.fit_subsets(fit, options_of(fit.method), masks)
    # What a cloud of points shows: a thousandth of a rate or of tau.
    np.testing.assert_allclose(table.estimate, alone.estimate, atol=1e-4)
    np.testing.assert_allclose(table.tau2, alone.tau2, rtol=2e-3, atol=1e-3)
    np.testing.assert_array_equal(np.isnan(table.i2), np.isnan(alone.i2))
