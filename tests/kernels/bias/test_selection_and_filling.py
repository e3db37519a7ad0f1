"""Selection models against integrals, the truth and a search of their own; trim and fill by its symmetries."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate, optimize, special, stats

from metanet.kernels.bias.adjustments import trim_fill
from metanet.kernels.bias.selection import P_CLIP, BetaWeights, StepWeights, _evaluate, fit_selection, p_values
from metanet.kernels.inverse_variance.tau2 import ESTIMATORS


def drawn(seed, b=1, k=20):
    rng = np.random.default_rng(seed)
    v = np.exp(rng.uniform(-4, -1, (b, k)))
    return rng.normal(0.3, np.sqrt(v + 0.05)), v


KINDS = {
    "one step": lambda y, v: StepWeights.of(y, v, np.array([0.025]), False),
    "two steps": lambda y, v: StepWeights.of(y, v, np.array([0.025, 0.4]), False),
    "two-sided": lambda y, v: StepWeights.of(y, v, np.array([0.05, 0.3]), True),
    "beta": lambda y, v: BetaWeights.of(y, v),
}


def weight(kind, p, shape):
    """The weight of a p-value, written out."""
    if kind == "beta":
        p = np.clip(p, P_CLIP, 1 - P_CLIP)
        a, b = np.exp(shape)
        return p ** (a - 1) * (1 - p) ** (b - 1)
    limits = {"one step": [0.025], "two steps": [0.025, 0.4], "two-sided": [0.05, 0.3]}[kind]
    return np.concatenate([[1.0], np.exp(shape)])[np.searchsorted(limits, p)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_likelihood_is_that_of_the_integrated_density(kind):
    y, v = drawn(1, k=5)
    weights = KINDS[kind](y, v)
    shape = np.linspace(-0.6, 0.4, weights.parameters)
    mu, tau2 = 0.25, 0.08
    total = 0.0
    for effect, variance in zip(y[0], v[0], strict=True):
        se, s = np.sqrt(variance), np.sqrt(variance + tau2)

        def p_of(x, se=se):
            return 2 * stats.norm.sf(np.abs(x) / se) if kind == "two-sided" else stats.norm.sf(x / se)

        ends = [P_CLIP, 0.0125, 0.025, 0.05, 0.15, 0.3, 0.4, 0.5, 1 - P_CLIP]
        breaks = sorted({sign * se * stats.norm.isf(p / d) for p in ends for d in (1, 2) for sign in (-1, 1)})
        edges = np.clip([mu - 12 * s, *breaks, mu + 12 * s], mu - 12 * s, mu + 12 * s)
        mean = sum(
            integrate.quad(lambda x, s=s: weight(kind, p_of(x), shape) * stats.norm.pdf(x, mu, s), a, b, epsabs=1e-14)[0]
            for a, b in pairwise(edges)
            if b > a
        )
        total += np.log(weight(kind, p_of(effect), shape)) + stats.norm.logpdf(effect, mu, s) - np.log(mean)
    got, _ = _evaluate(y, v, weights, np.array([[mu, tau2, *shape]]))
    # scipy's quadrature of the written-out density is good to about 1e-10 here.
    assert got[0] == pytest.approx(total, rel=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_is_the_slope_of_the_likelihood(kind):
    y, v = drawn(2)
    weights = KINDS[kind](y, v)
    x = np.array([[0.25, 0.08, *np.linspace(-0.6, 0.4, weights.parameters)]])
    _, slope = _evaluate(y, v, weights, x)
    for j in range(x.shape[1]):
        step = np.zeros_like(x)
        step[0, j] = 1e-5
        up, down = _evaluate(y, v, weights, x + step)[0], _evaluate(y, v, weights, x - step)[0]
        assert slope[0, j] == pytest.approx((up[0] - down[0]) / 2e-5, rel=1e-5, abs=1e-6)


def test_a_selection_model_finds_the_truth_in_many_studies():
    rng = np.random.default_rng(3)
    v = np.exp(rng.uniform(-5, -2, 40_000))
    y = rng.normal(0.15, np.sqrt(v + 0.04))
    p = p_values(y[None], v[None], False)[0]
    seen = (p <= 0.025) | (rng.uniform(size=p.size) < 0.3)
    y, v = y[seen][None, :12_000], v[seen][None, :12_000]
    fit = fit_selection(y, v, StepWeights.of(y, v, np.array([0.025]), False))
    errors = np.sqrt(np.diag(fit.covariance[0]))
    found = np.array([fit.mu[0], fit.tau2[0], fit.shape[0, 0]])
    assert np.all(np.abs(found - [0.15, 0.04, np.log(0.3)]) < 3.5 * errors)
    # Without selection the mean lies far off.
    assert 2 * (fit.loglik[0] - fit.loglik_unselected[0]) > 500


def test_the_likelihood_ratio_keeps_its_level_without_selection():
    rng = np.random.default_rng(4)
    v = np.exp(rng.uniform(-4, -2, (200, 30)))
    y = rng.normal(0.2, np.sqrt(v + 0.03))
    weights = StepWeights.of(y, v, np.array([0.025]), False)
    usable = np.flatnonzero((weights.counts() > 0).all(1))
    fit = fit_selection(y[usable], v[usable], weights.take(usable))
    lrt = 2 * (fit.loglik - fit.loglik_unselected)
    assert (lrt > -1e-8).all()
    assert fit.settled.mean() > 0.97
    # Four standard errors of a share of 200 about 5 %.
    assert abs((lrt > stats.chi2.isf(0.05, 1)).mean() - 0.05) < 4 * np.sqrt(0.05 * 0.95 / usable.size)


def test_variances_of_every_size_at_once_raise_nothing():
    rng = np.random.default_rng(9)
    y, v = rng.normal(0, 100, (6, 10)), np.exp(rng.uniform(-20, 10, (6, 10)))
    for kind, of in KINDS.items():
        if kind in ("one step", "beta"):
            weights = of(y, v)
            fit = fit_selection(y, v, weights)
            assert np.isfinite(fit.loglik[fit.settled]).all()


def test_selection_is_the_same_in_batches_and_in_other_units():
    y, v = drawn(5, b=4, k=15)
    whole = fit_selection(y, v, BetaWeights.of(y, v))
    scaled = fit_selection(1e-3 * y, 1e-6 * v, BetaWeights.of(1e-3 * y, 1e-6 * v))
    np.testing.assert_allclose(scaled.mu, 1e-3 * whole.mu, rtol=1e-5)
    np.testing.assert_allclose(scaled.shape, whole.shape, atol=1e-5)
    for i in np.flatnonzero(whole.settled):
        part = y[i : i + 1], v[i : i + 1]
        alone = fit_selection(*part, BetaWeights.of(*part))
        assert alone.mu[0] == pytest.approx(whole.mu[i], rel=1e-6)


def test_a_climb_along_the_edge_of_no_heterogeneity_arrives_in_every_unit():
    # Rounding once left tau2 at 1e-17 instead of zero, and the climb stood still there, short of the top.
    beyond, rows = 0, 0
    for seed in range(4):
        y, v = drawn(seed, b=20, k=15)
        units = (1e-3, 1.0, 7.0)
        fits = [fit_selection(c * y, c * c * v, BetaWeights.of(c * y, c * c * v)) for c in units]
        heights = np.array([fit.loglik + 15 * np.log(c) for fit, c in zip(fits, units, strict=True)])
        arrived = np.array([fit.settled for fit in fits])
        np.testing.assert_array_equal(arrived.any(0), arrived.all(0))
        assert np.ptp(heights[:, arrived.all(0)], axis=0).max() < 1e-9
        edge = np.array([fit.tau2 == 0 for fit in fits])[:, arrived.all(0)]
        np.testing.assert_array_equal(edge.any(0), edge.all(0))
        beyond, rows = beyond + edge.all(0).sum(), rows + arrived.all(0).sum()
    # The edge was met, and most climbs arrived.
    assert beyond > 15
    assert rows > 0.85 * 80


def log_of_selected(y, v, kind, mu, tau2, shape):
    """The log-likelihood of parameters ``[m]`` and logarithms of weights ``[q, m]``, written anew and in logarithms."""
    end = -special.ndtri(P_CLIP)
    z = np.linspace(-end, end, 601)
    if kind == "beta":
        a, b = np.exp(shape)
        log_p, log_q = special.log_ndtr(-z), special.log_ndtr(z)
        log_w = (a[:, None] - 1) * log_p + (b[:, None] - 1) * log_q
        simpson = np.where(np.arange(601) % 2, 4.0, 2.0)
        simpson[[0, -1]] = 1.0
        simpson *= (z[1] - z[0]) / 3
    total = np.zeros(mu.shape)
    for effect, variance in zip(y, v, strict=True):
        se, s = np.sqrt(variance), np.sqrt(variance + tau2)
        p = stats.norm.sf(effect / se)
        if kind == "beta":
            u = (se * z - mu[:, None]) / s[:, None]
            bulk = special.logsumexp(log_w - 0.5 * u * u - 0.5 * np.log(2 * np.pi), axis=1, b=simpson) + np.log(se / s)
            right = log_w[:, -1] + special.log_ndtr(-(end * se - mu) / s)
            left = log_w[:, 0] + special.log_ndtr((-end * se - mu) / s)
            mean = special.logsumexp([bulk, right, left], axis=0)
            clipped = np.clip(p, P_CLIP, 1 - P_CLIP)
            own = (a - 1) * np.log(clipped) + (b - 1) * np.log1p(-clipped)
        else:
            two = kind == "two-sided"
            limits = {"one step": [0.025], "two steps": [0.025, 0.4], "two-sided": [0.05, 0.3]}[kind]
            p = 2 * stats.norm.sf(abs(effect) / se) if two else p
            delta = np.concatenate([np.ones((1, mu.size)), np.exp(shape)])
            chances = []
            for low, high in pairwise([0.0, *limits, 1.0]):
                upper, lower = (-se * special.ndtri(end / (2 if two else 1)) for end in (low, high))
                chance = special.ndtr((upper - mu) / s) - special.ndtr((lower - mu) / s)
                if two:
                    chance = chance + special.ndtr((-lower - mu) / s) - special.ndtr((-upper - mu) / s)
                chances.append(chance)
            with np.errstate(divide="ignore"):
                mean = np.log((delta * np.array(chances)).sum(0))
            own = np.log(delta[np.searchsorted(limits, p)])
        total += stats.norm.logpdf(effect, mu, s) + own - mean
    return np.where(np.isfinite(total), total, -1e10)


def searched(y, v, kind, q, seed):
    """The highest log-likelihood that differential evolution finds in a wide box."""

    def parameters(x):
        tau2 = np.where(x[1] < -6, 0.0, np.exp(2 * x[1]) * v.min())
        return x[0] * np.sqrt(v.max() + y.var() + tau2), tau2, x[2:]

    box = [(-6, 6), (-7, 4), *[(-9, 7)] * q]
    found = optimize.differential_evolution(
        lambda x: -log_of_selected(y, v, kind, *parameters(x)), box, vectorized=True, updating="deferred", polish=False,
        popsize=20, maxiter=100, tol=1e-10, init="sobol", rng=seed,
    )  # fmt: skip
    return -found.fun


def few(seed):
    """A set of five to ten studies."""
    rng = np.random.default_rng(seed)
    v = np.exp(rng.uniform(-3.5, -0.7, rng.integers(5, 11)))
    return rng.normal(rng.choice([0, 0.3, 0.8]), np.sqrt(v + rng.choice([0, 0.04, 0.36, 1.0]))), v


#: Five studies with two maxima, the higher one far from the mean without selection.
TWO_MAXIMA = np.array([0.2, 0.37, -0.85, 1.66, 1.96]), np.array([0.38, 0.06, 0.24, 0.34, 0.36])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [None, 0, 8, 20, 24, 39, 46, 49, 68, 94])
def test_no_search_finds_a_higher_likelihood(kind, seed):
    y, v = TWO_MAXIMA if seed is None else few(seed)
    weights = KINDS[kind](y[None], v[None])
    if kind != "beta" and not weights.counts().all():
        pytest.skip("an interval without studies has no weight")
    found = fit_selection(y[None], v[None], weights)
    assert found.settled[0]
    # The numbers are those of the likelihood that is written anew, and nothing above them was found.
    anew = log_of_selected(y, v, kind, found.mu, found.tau2, found.shape[0][:, None])
    assert found.loglik[0] == pytest.approx(anew[0], abs=1e-7)
    assert searched(y, v, kind, weights.parameters, 1) < found.loglik[0] + 1e-7


def test_the_higher_of_two_maxima_is_the_answer_and_the_lower_one_is_told():
    y, v = (part[None] for part in TWO_MAXIMA)
    found = fit_selection(y, v, BetaWeights.of(y, v))
    assert 2 * (found.loglik[0] - found.loglik_unselected[0]) == pytest.approx(2.1648, abs=1e-4)
    assert found.mu[0] == pytest.approx(-0.0092, abs=1e-4)
    assert found.other_mu[0] == pytest.approx(0.8133, abs=1e-4)
    assert 2 * (found.other_loglik[0] - found.loglik_unselected[0]) == pytest.approx(0.1173, abs=1e-4)


@pytest.mark.parametrize(("seed", "edge"), [(39, [True, False]), (49, [False, True]), (74, [False, True]), (92, [True, False])])
def test_a_supremum_at_an_edge_is_the_answer_without_errors(seed, edge):
    y, v = few(seed)
    found = fit_selection(y[None], v[None], BetaWeights.of(y[None], v[None]))
    assert found.settled[0]
    assert found.edge[0].tolist() == edge
    assert np.isnan(found.covariance[0]).all()
    # The likelihood falls along the parameter itself, and nowhere else does it have a slope.
    near = np.where(found.edge, np.log([1e-4, 1e-3])[:, None], found.shape)
    heights = log_of_selected(y, v, "beta", found.mu.repeat(2), found.tau2.repeat(2), near.T)
    assert found.loglik[0] > heights[0] > heights[1]


def test_an_absent_study_has_no_part_in_a_selection_model():
    y, v = drawn(6, k=16)
    gone = v.copy()
    gone[0, 2] = np.inf
    rest = np.delete(y, 2, 1), np.delete(v, 2, 1)
    for of in (BetaWeights.of, KINDS["one step"]):
        a = fit_selection(y, gone, of(y, gone))
        b = fit_selection(*rest, of(*rest))
        np.testing.assert_allclose([a.mu[0], a.loglik[0]], [b.mu[0], b.loglik[0]], rtol=1e-7)


@pytest.mark.parametrize("estimator", ["L0", "R0", "Q0"])
def test_filling_is_mirrored_with_the_effects_and_the_same_in_batches(estimator):
    y, v = drawn(7, b=40, k=12)
    v[:, 4] = np.inf
    left = trim_fill(y, v, np.full(40, -1.0), tau2=ESTIMATORS["DL"], estimator=estimator)
    right = trim_fill(-y, v, np.full(40, 1.0), tau2=ESTIMATORS["DL"], estimator=estimator)
    np.testing.assert_array_equal(left.k0, right.k0)
    np.testing.assert_allclose(left.filled, -right.filled, rtol=1e-12)
    assert left.k0.max() > 0
    for i in range(40):
        alone = trim_fill(y[i : i + 1], v[i : i + 1], np.array([-1.0]), tau2=ESTIMATORS["DL"], estimator=estimator)
        np.testing.assert_array_equal(alone.k0, left.k0[i : i + 1])
        assert alone.mirrored.sum() == (left.k0[i] if left.settled[i] else 0)


def test_filling_puts_back_the_studies_that_were_taken_away():
    # Precise studies around 0, and of small ones in pairs of mirror images the upper ones alone. They hold the ranks 10 to 13, the
    # upper precise ones 2, 4, 6 and 8: S = 66, so L0 = (4 * 66 - 13 * 14) / 25 = 3.28.
    small = np.array([0.3, 0.5, 0.7, 0.9])
    y = np.concatenate([np.linspace(-0.02, 0.02, 9), small])
    v = np.concatenate([np.full(9, 1e-4), np.full(4, 0.1)])
    found = trim_fill(y[None], v[None], np.array([-1.0]), tau2=None)
    assert found.k0[0] == 3
    np.testing.assert_allclose(np.sort(found.filled[found.mirrored]), 2 * found.centre[0] - small[:0:-1], atol=1e-12)
    assert abs(found.centre[0]) < 1e-3
    whole = np.concatenate([y, -small])[None], np.concatenate([v, np.full(4, 0.1)])[None]
    assert trim_fill(*whole, np.array([-1.0]), tau2=None).k0[0] == 0
