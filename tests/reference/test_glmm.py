"""The binomial-normal model against metafor's `rma.glmm` (lme4) with 51 nodes."""

import numpy as np
import pytest

import metanet as mn

from .cases import counts, load

FILES = ("pritz1997", "zeros", "allones", "two", "hugestudy")
# Bounded by the reference's optimiser (its tau2 moves in the fifth digit between optimisers); ours is checked to 1e-8 elsewhere.
GLMM = {"rtol": 1e-4, "atol": 1e-7}


@pytest.mark.parametrize("name", FILES)
def test_estimate_error_and_variance_agree(name):
    events, total = counts(name)
    wanted = load(name)["glmm_plo_agq51"]
    fit = mn.pool(events=events, total=total, ci="z", model="glmm")
    np.testing.assert_allclose(fit.mu, wanted["estimate"], **GLMM)
    np.testing.assert_allclose(fit.tau2, wanted["tau2"], **GLMM)
    np.testing.assert_allclose(fit.se, wanted["se"], **GLMM)


@pytest.mark.parametrize("name", FILES)
def test_heterogeneity_tests_agree(name):
    events, total = counts(name)
    wanted = load(name)["glmm_plo"]
    fit = mn.pool(events=events, total=total, model="glmm")
    # Closed forms on our side; lme4's saturated fit stops at about 1e-6 and its separated logits at about 1e-5.
    np.testing.assert_allclose(fit.lrt, wanted["QE_LRT"], rtol=1e-6)
    np.testing.assert_allclose(fit.lrt_pvalue, wanted["QEp_LRT"], rtol=1e-5)
    np.testing.assert_allclose(fit.q, wanted["QE_Wld"], rtol=1e-5)
    np.testing.assert_allclose(100 * fit.i2, wanted["I2"], rtol=1e-3, atol=1e-9)


def test_median_and_averaged_rate_are_both_given():
    # traps.md 12: 0.7984 against 0.7737 (with 7 nodes).
    fit = mn.pool(events=counts("pritz1997")[0], total=counts("pritz1997")[1], model="glmm")
    assert round(fit.estimate, 4) == 0.7984
    assert round(fit.marginal_estimate, 4) == 0.7737
