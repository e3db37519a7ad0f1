"""The posterior of a meta-regression: against integration by brute force written here, exact identities, and hard data."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtr

from metanet.kernels.bayes import contrasts, regression as bayes
from metanet.kernels.bayes.batch import MeanPrior, posteriors
from metanet.kernels.bayes.posterior import TauPrior
from metanet.kernels.bayes.surface import surface_of
from metanet.kernels.normal_effect.study_likelihoods import BinomialCloglog, BinomialLogit, BinomialProbit, Poisson
from metanet.kernels.numerics.quadratic_forms import outside

MEAN, TAU = MeanPrior(0.0, 2.5), TauPrior("half-normal", 1.25)
ENDS = np.array([0.025, 0.5, 0.975])

#: Events, totals and the moderator.
SLOPES = {
    "plain": ([3, 5, 4, 9, 12, 11], [20, 30, 25, 25, 30, 28], [1, 2, 3.5, 4, 6, 7]),
    "rare": ([0, 1, 0, 3, 2], [12, 44, 17, 60, 25], [0.2, -1.3, 0.5, 1.9, -0.4]),
    "spread": ([1, 9, 2, 7, 14, 0, 3, 22], [10, 10, 25, 8, 15, 12, 9, 40], [3, 1, 4, 1, 5, 9, 2, 6]),
}
GROUPS = ([2, 0, 4, 9, 6, 3], [20, 14, 25, 25, 12, 10], [0, 0, 0, 1, 1, 1])


def studies_of(events, total, kind=BinomialLogit):
    return kind(np.array(events, float)[None], np.array(total, float)[None])


def design(moderator):
    return np.stack([np.ones(len(moderator)), np.array(moderator, float)], axis=-1)


def panels(ends, nodes):
    """Gauss-Legendre nodes and weights on consecutive intervals."""
    x, w = np.polynomial.legendre.leggauss(nodes)
    low, high = np.array(ends[:-1], float), np.array(ends[1:], float)
    half = 0.5 * (high - low)
    return (low[:, None] + half[:, None] * (1 + x)).ravel(), (half[:, None] * w).ravel()


def below(events, total, x, precision, contrast, points):
    """P(contrast < point) of two coefficients, all integrals over panels and equal steps; `precision` is that of the prior.

    The coefficients are ``t a + s b``: a goes with the contrast, b leaves it where it is.
    """
    e, n = np.array(events, float), np.array(total, float)
    rate = (e + 0.5) / (n + 1)
    part, whole = np.zeros(len(points)), 0.0
    for tau, share in zip(*panels((0, 0.4, 1, 2, 4, 7), 8), strict=True):
        weight = 1 / (1 / (n * rate * (1 - rate)) + tau**2)
        covariance = np.linalg.inv((x * weight[:, None]).T @ x + precision)
        centre = covariance @ (x.T @ (weight * np.log(rate / (1 - rate))))
        size = contrast @ covariance @ contrast
        a, b = covariance @ contrast / size, np.array([contrast[1], -contrast[0]])
        b = b / np.sqrt(b @ np.linalg.inv(covariance) @ b)
        low, high = contrast @ centre + np.sqrt(size) * np.array([-10, 10])
        inner = np.linspace(low, high, 9)
        t, t_weight = panels(np.unique(np.concatenate([inner, points[(points > low) & (points < high)]])), 9)
        s = np.linspace(-11, 11, 41)
        beta = t[:, None, None] * a + s[:, None] * b + (centre - (contrast @ centre) * a)
        eta = beta @ x.T
        z = np.linspace(-7.5, 7.5, int(45 + 55 * tau))
        normal = np.exp(-0.5 * z * z)
        height = -0.5 * np.einsum("tsp,pq,tsq->ts", beta, precision, beta)
        for i in range(e.size):
            theta = eta[:, :, i, None] + tau * z
            height += np.log(np.exp(e[i] * theta - n[i] * np.logaddexp(0, theta)) @ (normal / normal.sum()))
        # The width of a step of s in the coefficients.
        cell = abs(a[0] * b[1] - a[1] * b[0])
        mass = share * stats.halfnorm(0, TAU.scale).pdf(tau) * cell * np.exp(height).sum(1) * t_weight
        part += [mass[t < point].sum() for point in points]
        whole += mass.sum()
    return part / whole


def check(events, total, x, precision, contrast):
    """Median and limits within 1e-6 of those by brute force."""
    contrast = np.array(contrast, float)
    found = bayes.settled_fit(studies_of(events, total), x, MEAN, TAU, contrast[None])
    assert found.settled.all()
    points = found.contrasts.quantiles(ENDS)
    density = found.contrasts.below(points)[1][0]
    moved = (below(events, total, x, precision, contrast, points[0]) - ENDS) / density
    assert np.abs(moved).max() < 1e-6 * max(1.0, found.contrasts.moments()[1][0])


@pytest.mark.parametrize("name", list(SLOPES))
def test_median_and_limits_of_a_slope_are_those_of_brute_force(name):
    events, total, moderator = SLOPES[name]
    x = design(moderator)
    check(events, total, x, 2 / len(events) * x.T @ x / MEAN.sd**2, [0, 1])


def test_median_and_limits_of_an_intercept_and_of_a_prediction_are_those_of_brute_force():
    events, total, moderator = SLOPES["plain"]
    x = design(moderator)
    for contrast in ([1, 0], [1, 5]):
        check(events, total, x, 2 / len(events) * x.T @ x / MEAN.sd**2, contrast)


@pytest.mark.parametrize("contrast", [[1, 0], [1, 1], [0, 1]])
def test_groups_and_their_difference_are_those_of_brute_force(contrast):
    events, total, group = GROUPS
    rows = np.array([[1.0, 0.0], [1.0, 1.0]])
    check(events, total, design(group), rows.T @ rows / MEAN.sd**2, contrast)


def test_an_intercept_alone_is_the_pooled_mean():
    events, total, _ = SLOPES["spread"]
    studies, k = studies_of(events, total), len(events)
    found = bayes.settled_fit(studies, np.ones((k, 1)), MEAN, TAU, np.ones((1, 1)))
    pooled, settled = posteriors(studies, MEAN, TAU, (found.nodes.tau, found.nodes.along), responses=True)
    assert settled.all()
    np.testing.assert_allclose(found.contrasts.quantiles(ENDS), pooled.quantiles(ENDS), atol=1e-8)
    np.testing.assert_allclose(found.tau.quantile(0.5), pooled.tau.quantile(0.5), atol=1e-8)
    np.testing.assert_allclose(found.shares, pooled.shares(), atol=1e-8)
    assert found.p_value(np.ones((1, 1)))[0] == pytest.approx(bayes.two_sided(pooled)[0], abs=1e-12)
    # The quadrature of the regression, which does not know that it is a mean.
    other = bayes.settled_fit(studies, np.full((k, 1), 2.0), MEAN, TAU, np.ones((1, 1)))
    np.testing.assert_allclose(2 * other.contrasts.quantiles(ENDS), pooled.quantiles(ENDS), atol=1e-6)
    np.testing.assert_allclose(other.tau.log_evidence, pooled.tau.log_evidence, atol=1e-6)
    np.testing.assert_allclose(other.shares, pooled.shares(), atol=2e-3)


@pytest.mark.parametrize("kind", [BinomialProbit, BinomialCloglog, Poisson])
def test_every_likelihood_with_a_constant_design_is_the_pooled_mean(kind):
    studies = studies_of(*SLOPES["plain"][:2], kind)
    pooled, _ = posteriors(studies, MEAN, TAU, (48, 40))
    found = bayes.settled_fit(studies, np.full((6, 1), 0.5), MEAN, TAU, np.ones((1, 1)))
    np.testing.assert_allclose(0.5 * found.contrasts.quantiles(ENDS), pooled.quantiles(ENDS), atol=1e-6)


def test_an_offset_of_all_studies_moves_the_intercept_and_nothing_else():
    events, total, moderator = SLOPES["plain"]
    plain = bayes.settled_fit(studies_of(events, total), design(moderator), MEAN, TAU, np.eye(2))
    e, n = np.array(events, float)[None], np.array(total, float)[None]
    moved = bayes.settled_fit(BinomialLogit(e, n, np.full((1, 6), 0.7)), design(moderator), MeanPrior(-0.7, 2.5), TAU, np.eye(2))
    np.testing.assert_allclose(moved.contrasts.quantiles(ENDS) + np.array([[0.7], [0.0]]), plain.contrasts.quantiles(ENDS), atol=2e-6)


def test_the_order_of_studies_does_not_matter_and_the_complement_flips_signs():
    events, total, moderator = map(np.array, SLOPES["spread"])
    first = bayes.settled_fit(studies_of(events, total), design(moderator), MEAN, TAU, np.eye(2))
    order = np.array([3, 1, 7, 0, 6, 5, 2, 4])
    turned = bayes.settled_fit(studies_of(events[order], total[order]), design(moderator[order]), MEAN, TAU, np.eye(2))
    np.testing.assert_allclose(turned.contrasts.quantiles(ENDS), first.contrasts.quantiles(ENDS), atol=1e-6)
    np.testing.assert_allclose(turned.shares, first.shares[:, order], atol=1e-6)
    mirrored = bayes.settled_fit(studies_of(total - events, total), design(moderator), MEAN, TAU, np.eye(2))
    np.testing.assert_allclose(-mirrored.contrasts.quantiles(ENDS)[:, ::-1], first.contrasts.quantiles(ENDS), atol=1e-6)


@pytest.mark.parametrize("group", [False, True])
def test_neither_centre_nor_scale_nor_coding_moves_a_slope(group):
    events, total, moderator = GROUPS if group else SLOPES["plain"]
    moderator = np.array(moderator, float)
    first = bayes.settled_fit(studies_of(events, total), design(moderator), MEAN, TAU, np.eye(2))
    for centre, scale in ((2000.0, 1.0), (3.0, 25.0)):
        other = bayes.settled_fit(studies_of(events, total), design((moderator - centre) / scale), MEAN, TAU, np.eye(2))
        np.testing.assert_allclose(other.contrasts.quantiles(ENDS)[1] / scale, first.contrasts.quantiles(ENDS)[1], atol=2e-6)
        np.testing.assert_allclose(other.p_value(np.array([[0.0, 1.0]])), first.p_value(np.array([[0.0, 1.0]])), atol=1e-6)
        np.testing.assert_allclose(other.of(np.array([[1.0, (4 - centre) / scale]])).quantiles(ENDS),
                                   first.of(np.array([[1.0, 4.0]])).quantiles(ENDS), atol=2e-6)  # fmt: skip


@pytest.mark.parametrize("events", [[0, 0, 0, 9, 6, 3], [0] * 6, [20, 14, 25, 0, 0, 0], [20, 14, 25, 25, 12, 10]])
def test_separated_data_have_an_answer(events):
    found = bayes.settled_fit(studies_of(events, GROUPS[1]), design(GROUPS[2]), MEAN, TAU, np.eye(2))
    assert found.settled.all()
    low, middle, high = found.contrasts.quantiles(ENDS).T
    assert (low < middle).all()
    assert (middle < high).all()
    assert np.isfinite([*low, *high]).all()
    if len(set(events)) == 1 and events[0] == 0:
        # The mean of a group without events lies low, and has room below.
        assert middle[0] - low[0] > high[0] - middle[0]


def test_a_line_through_separated_data_has_an_answer():
    found = bayes.settled_fit(
        studies_of([0, 0, 0, 9, 12, 10], [9, 12, 15, 9, 12, 10]), design([1, 2, 3, 4, 5, 6]), MEAN, TAU, np.eye(2)
    )
    assert found.settled.all()
    low, middle, high = found.contrasts.quantiles(ENDS)[1]
    assert 0 < low < middle < high


@pytest.mark.parametrize("name", list(SLOPES))
def test_a_p_value_is_the_level_at_which_the_interval_touches_zero(name):
    events, total, moderator = SLOPES[name]
    found = bayes.settled_fit(studies_of(events, total), design(moderator), MEAN, TAU, np.eye(2))
    p = bayes.two_sided(found.contrasts)
    for row in range(2):
        ends = found.contrasts.quantiles(np.array([0.5 * p[row], 1 - 0.5 * p[row]]))[row]
        assert np.abs(ends).min() < 1e-6
        assert found.p_value(np.eye(2)[row : row + 1])[0] == pytest.approx(p[row], abs=1e-9)
        assert found.p_value(-3 * np.eye(2)[row : row + 1])[0] == pytest.approx(p[row], abs=1e-6)


def test_a_batch_equals_a_loop_and_absent_studies_count_for_nothing():
    rng = np.random.default_rng(3)
    total = rng.integers(8, 60, (4, 7)).astype(float)
    events = rng.binomial(total.astype(int), 0.3).astype(float)
    x = np.stack([np.ones((4, 7)), rng.normal(size=(4, 7))], axis=-1)
    total[1, 5:], events[1, 5:], x[1, 5:, 1] = 0, 0, 99.0
    many = bayes.fit(BinomialLogit(events, total), x, MEAN, TAU, np.eye(2))
    for row in range(4):
        here = total[row] > 0
        one = bayes.fit(studies_of(events[row, here], total[row, here]), x[row, here], MEAN, TAU, np.eye(2))
        np.testing.assert_allclose(many.contrasts.quantiles(ENDS)[2 * row : 2 * row + 2], one.contrasts.quantiles(ENDS), atol=3e-6)
        np.testing.assert_allclose(many.shares[row, here], one.shares[0], atol=1e-5)
        np.testing.assert_allclose(many.tau.log_evidence[row], one.tau.log_evidence[0], atol=1e-6)
    assert (many.shares[1, 5:] == 0).all()


def three_groups():
    """Six studies in three groups of two: here the prior of a one-way layout is the general one."""
    return studies_of([2, 5, 4, 9, 12, 11], [20, 30, 25, 25, 30, 28]), np.repeat(np.eye(3), 2, axis=0)


def test_three_coefficients_at_once_are_those_of_three_groups():
    studies, x = three_groups()
    wanted = np.array([[1.0, 0, 0], [-1, 1, 0], [-1, 0, 1], [1, 1, -2]])
    cells = bayes.settled_fit(studies, x, MEAN, TAU, wanted)
    # Moved a little, the rows are distinct, and nothing is known to be independent.
    general = bayes.settled_fit(studies, x + 1e-9 * np.arange(6)[:, None], MEAN, TAU, wanted)
    assert not cells.approximate
    assert not general.approximate
    np.testing.assert_allclose(general.contrasts.quantiles(ENDS), cells.contrasts.quantiles(ENDS), atol=2e-6)
    np.testing.assert_allclose(general.tau.log_evidence, cells.tau.log_evidence, atol=1e-6)
    np.testing.assert_allclose(general.moments()[0], cells.moments()[0], atol=1e-6)
    np.testing.assert_allclose(general.moments()[1], cells.moments()[1], atol=1e-6)
    both = wanted[1:3]
    np.testing.assert_allclose(general.p_value(both), cells.p_value(both), atol=1e-6)


def test_laplace_s_approximation_of_the_others_is_near(monkeypatch):
    studies, x = three_groups()
    exact = bayes.settled_fit(studies, x + 1e-9 * np.arange(6)[:, None], MEAN, TAU, np.eye(3))
    for module in (bayes, contrasts):
        monkeypatch.setattr(module, "MOST_ACROSS", 1)
    found = bayes.settled_fit(studies, x + 1e-9 * np.arange(6)[:, None], MEAN, TAU, np.eye(3))
    assert found.approximate
    sd = exact.contrasts.moments()[1][:, None]
    assert (np.abs(found.contrasts.quantiles(ENDS) - exact.contrasts.quantiles(ENDS)) < 0.01 * sd).all()
    np.testing.assert_allclose(found.tau.quantile(0.5), exact.tau.quantile(0.5), rtol=0.01)


def test_the_joint_region_touches_zero_where_draws_of_the_posterior_say():
    studies, x = three_groups()
    found = bayes.settled_fit(studies, x, MEAN, TAU, np.eye(3))
    both = np.array([[-1.0, 1, 0], [-1, 0, 1]])
    rng = np.random.default_rng(5)
    tau = rng.choice(found.tau.tau.shape[1], 400_000, p=found.tau.weight[0] / found.tau.weight.sum())
    draws = np.empty((tau.size, 3))
    for group in range(3):
        nodes, mass = found.contrasts.mean.mu[group], found.contrasts.mean.mass[group]
        place = (rng.uniform(size=tau.size)[:, None] > np.cumsum(mass, -1)[tau]).sum(-1)
        step = nodes[:, 1] - nodes[:, 0]
        draws[:, group] = nodes[tau, np.minimum(place, nodes.shape[1] - 1)] + step[tau] * rng.uniform(-0.5, 0.5, tau.size)
    value = draws @ both.T
    off = value - value.mean(0)
    inverse = np.linalg.inv(np.cov(value.T))
    radius = value.mean(0) @ inverse @ value.mean(0)
    assert found.p_value(both)[0] == pytest.approx((np.einsum("nq,qr,nr->n", off, inverse, off) > radius).mean(), abs=0.006)
    # Which contrasts span the comparison does not matter.
    assert found.p_value(np.array([[2.0, -1, -1], [0, 1, -1]]))[0] == pytest.approx(found.p_value(both)[0], abs=1e-9)


def test_the_probability_outside_a_sphere():
    radius = 5.3
    np.testing.assert_allclose(outside(np.zeros((1, 3)), np.eye(3)[None], radius), stats.chi2(3).sf(radius), atol=1e-9)
    mean = np.array([[0.4, -1.2]])
    np.testing.assert_allclose(outside(mean, 2.0 * np.eye(2)[None], radius), stats.ncx2(2, 1.6 / 2).sf(radius / 2), atol=1e-9)
    covariance = np.array([[1.5, 0.4], [0.4, 0.3]])
    x, w = panels(np.linspace(-np.sqrt(radius), np.sqrt(radius), 9), 40)
    # The second variable given the first is normal.
    slope, rest = 0.4 / 1.5, np.sqrt(0.3 - 0.4**2 / 1.5)
    middle, half = mean[0, 1] + slope * (x - mean[0, 0]), np.sqrt(radius - x * x)
    inside = (w * stats.norm(mean[0, 0], np.sqrt(1.5)).pdf(x) * (ndtr((half - middle) / rest) - ndtr((-half - middle) / rest))).sum()
    np.testing.assert_allclose(outside(mean, covariance[None], radius), 1 - inside, atol=1e-5)


@pytest.mark.parametrize("tau", [0.0, 0.02, 0.3, 2.0])
def test_tables_of_the_studies_are_their_integrals(tau):
    events, total = np.array([[0.0, 3, 40, 700]]), np.array([[15.0, 9, 150, 2000]])
    ends = (np.array([-7.0]), np.array([2.0]))
    surface = surface_of(BinomialLogit(events, total), np.zeros(1, dtype=np.intp), np.array([tau]), ends)
    eta = np.linspace(-3.1, 1.2, 37)
    # One study at a time: the others stay where they are.
    z = np.linspace(-9, 9, 4001)
    weight = np.exp(-0.5 * z * z) / np.exp(-0.5 * z * z).sum()
    held = np.log(events[0] + 0.5) - np.log(total[0] - events[0] + 0.5)
    for study in range(4):
        u = np.zeros((1, 4, 2))
        u[0, :, 1], u[0, study] = held, [1.0, 0.0]
        gamma = np.stack([eta, np.ones(37)])[None]
        value, slope, bend = surface.bent(np.zeros(1, dtype=np.intp), u, gamma)
        np.testing.assert_allclose(surface.value(np.zeros(1, dtype=np.intp), u, gamma), value, atol=1e-10)
        theta = eta[:, None] + tau * z
        e, n = events[0, study], total[0, study]
        height = e * theta - n * np.logaddexp(0, theta)
        peak = height.max(1)
        exact = peak + np.log(np.exp(height - peak[:, None]) @ weight)
        near = exact > exact.max() - 30
        moved = (value[0] - exact)[near]
        np.testing.assert_allclose(moved, moved.mean(), atol=2e-6)
        step = 1e-4
        up, down = (surface.value(np.zeros(1, dtype=np.intp), u, gamma + np.array([[shift], [0.0]])) for shift in (step, -step))
        np.testing.assert_allclose(slope[0, study], (up - down)[0] / (2 * step), rtol=1e-4, atol=1e-4 * n)
        assert (bend >= 0).all()
