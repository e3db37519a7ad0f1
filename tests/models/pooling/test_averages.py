"""Averages over the random effect on scales with an edge, and the test of equal odds ratios of the posterior model."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate, stats

import metanet as mn
from metanet.effects.measures import MEASURES
from metanet.kernels.normal_effect.random_effect import averaged
from tests.models.r.cases import TIMED, two_groups

COUNTS = {"events": [117, 9, 17, 20, 5], "total": [168, 40, 33, 51, 10]}
WITH_EDGES = {
    "PR": COUNTS,
    "PLN": COUNTS,
    "PAS": COUNTS,
    "PFT": COUNTS,
    "IR": TIMED["rates"],
    "IRS": TIMED["rates"],
    "IRFT": TIMED["rates"],
}


def direct(fit, mu):
    measure, tau = MEASURES[fit.measure], fit.tau
    size = None
    if measure.needs_size:
        values = np.asarray(fit.data[measure.arguments[1]][0])
        size = values.size / (1 / values).sum()
    corners = [float(np.clip((edge - mu) / tau, -12, 12)) for edge in measure.edges(size)]
    ends = sorted([-12.0, 0.0, 12.0, *corners])
    return sum(
        integrate.quad(lambda z: float(measure.back(mu + tau * z, size)) * stats.norm.pdf(z), low, high, epsabs=0, epsrel=1e-12)[0]
        for low, high in pairwise(ends)
        if high > low
    )


@pytest.mark.parametrize("measure", WITH_EDGES)
def test_an_average_over_an_edge_is_exact(measure):
    fit = mn.pool(**WITH_EDGES[measure], measure=measure, model="inverse_variance")
    assert fit.marginal_estimate == pytest.approx(direct(fit, fit.mu), rel=1e-9)
    assert fit.marginal_ci_lower == pytest.approx(direct(fit, fit.mu_lower), rel=1e-9)
    assert fit.marginal_ci_upper == pytest.approx(direct(fit, fit.mu_upper), rel=1e-9)


def test_a_joint_model_averages_over_an_edge_as_well():
    rates = mn.load_evidence().rates("hepatotoxicity")
    joint = mn.compare(rates, "modality_class", model="inverse_variance", measure="PR")
    fits = [fit for fit in joint.groups.values() if fit.method.get("heterogeneity") == "common"]
    assert fits
    for fit in fits:
        assert fit.marginal_ci_lower == pytest.approx(direct(fit, fit.mu_lower), rel=1e-9)


def test_every_edge_is_where_the_response_stops():
    for measure in MEASURES.values():
        size = 25.0 if measure.needs_size else None
        for edge in measure.edges(size):
            step = 1e-6
            inside = [abs(float(measure.back(edge + side * step, size) - measure.back(edge, size))) for side in (-1, 1)]
            assert min(inside) == 0 < max(inside), measure.name


def test_without_spread_an_average_over_an_edge_is_the_value():
    found = averaged(lambda x: np.maximum(x, 0.0), np.array([0.3, -0.2]), np.zeros(2), (np.asarray(0.0),))
    assert found == pytest.approx([0.3, 0.0], abs=1e-15)


@pytest.mark.parametrize("name", ["nielweise2007", "zero cells"])
def test_the_posterior_of_two_groups_tests_by_its_own_likelihood(name):
    data = two_groups()[name]
    assert mn.pool(**data, model="bayes").lrt == pytest.approx(mn.pool(**data, model="CM.EL").lrt, rel=1e-9)
