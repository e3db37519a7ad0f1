"""The posterior of a whole batch, against integration by brute force, against `bayes_pool`, and against itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import special
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq

import metanet as mn
from metanet.kernels.bayes import batch
from metanet.kernels.normal_effect.study_likelihoods import BinomialLogit, Poisson, distinct
from metanet.models.registry import PRIORS

COUNTS = {
    "ordinary": ([3, 5, 9, 12, 8], [20, 30, 25, 41, 77]),
    "sparse": ([0, 1, 0, 2], [12, 30, 9, 41]),
    "no events": ([0, 0, 0], [20, 31, 8]),
    "only events": ([20, 31], [20, 31]),
    "far apart": ([1, 29], [30, 30]),
    "alike": ([10, 20, 30, 40, 50, 60], [50, 100, 150, 200, 250, 300]),
    "large": ([400, 5], [4000, 31]),
}
INVERSE = {"logit": special.expit, "probit": special.ndtr, "cloglog": lambda x: -np.expm1(-np.exp(np.minimum(x, 300.0)))}


def brute(events, total, link="logit", level=0.95):
    """Quantiles by one dense grid over (mu, tau) and 160 nodes of z; nothing is shared with the package."""
    prior = PRIORS[link]
    e, n = np.asarray(events, float), np.asarray(total, float)
    x, w = np.polynomial.legendre.leggauss(64)
    top = 6.0 * prior.scale
    # Nodes of tau that are dense towards zero.
    s = 0.5 * (x + 1.0)
    tau, tau_weight = top * s**2, w * 0.5 * top * 2 * s
    mu = np.linspace(-9.0 * prior.sd, 9.0 * prior.sd, 2401)
    z, zw = np.polynomial.hermite_e.hermegauss(100)
    zw = zw / zw.sum()
    fine = np.linspace(-7.0, 7.0, 241)
    fine_weight = np.exp(-0.5 * fine**2) / np.exp(-0.5 * fine**2).sum()
    logp = np.empty((tau.size, mu.size))
    for j, t in enumerate(tau):
        nodes, weight = (z, zw) if t < 0.5 else (fine, fine_weight)
        total_log = -0.5 * ((mu - prior.mean) / prior.sd) ** 2
        theta = mu[:, None] + t * nodes
        if link == "logit":
            log_p, log_q = -np.logaddexp(0, -theta), -np.logaddexp(0, theta)
        elif link == "probit":
            log_p, log_q = special.log_ndtr(theta), special.log_ndtr(-theta)
        else:
            hazard = np.exp(np.minimum(theta, 30.0))
            log_p, log_q = np.log(-np.expm1(-hazard)), -hazard
        for a, b in zip(e, n, strict=True):
            height = a * log_p + (b - a) * log_q
            peak = height.max()
            total_log = total_log + np.log(np.maximum(np.exp(height - peak) @ weight, 1e-300)) + peak
        logp[j] = total_log - 0.5 * (t / prior.scale) ** 2
    joint = np.exp(logp - logp.max()) * tau_weight[:, None]
    joint /= joint.sum()
    tail = (1 - level) / 2
    probabilities = np.array([tail, 0.5, 1 - tail])
    rows = joint.sum(1)
    step = mu[1] - mu[0]
    # The integral of a spline through the densities is right to the fourth power of the step.
    curves = {j: CubicSpline(mu, joint[j] / step).antiderivative() for j in np.flatnonzero(rows > 1e-13)}
    below = sum(curve(mu) for curve in curves.values())

    def found(x, value):
        curve = CubicSpline(x, value)
        inside = np.flatnonzero(np.diff(value) > 0)
        low, high = x[inside[0]], x[inside[-1] + 1]
        return np.array([brentq(lambda at, p=p: curve(at) - p, low, high, xtol=1e-12) for p in probabilities])

    out = {"rate": INVERSE[link](found(mu, below))}
    ends = np.interp(probabilities[[0, 2]], below, mu)
    reach = 8 * (1 + ends[1] - ends[0])
    new_at = np.linspace(ends[0] - reach, ends[1] + reach, 4001)
    new = np.zeros(new_at.size)
    for j in np.flatnonzero(rows > 1e-13):
        keep = joint[j] > joint[j].max() * 1e-14
        new += special.ndtr((new_at[:, None] - mu[keep]) / tau[j]) @ joint[j][keep]
    out["new"] = INVERSE[link](found(new_at, new))[[0, 2]]
    density = CubicSpline(s, rows / w * 2.0).antiderivative()
    fine_s = np.linspace(s[0], s[-1], 4001)
    out["tau"] = top * found(fine_s, density(fine_s) + rows[0] * 0.5) ** 2
    average = {}
    for j in np.flatnonzero(rows > 1e-13):
        keep = slice(None, None, 5)
        value = np.clip(INVERSE[link](mu[keep, None] + tau[j] * fine) @ fine_weight, 1e-300, 1 - 1e-16)
        average[j] = CubicSpline(special.logit(value)[np.flatnonzero(np.diff(value, prepend=0) > 0)],
                                 mu[keep][np.flatnonzero(np.diff(value, prepend=0) > 0)])  # fmt: skip
    start, stop = special.logit(np.clip(np.interp([1e-4, 1 - 1e-4], below, INVERSE[link](mu)), 1e-6, 1 - 1e-6))
    at = np.linspace(start - 3, stop + 3, 600)
    value = sum(curves[j](np.clip(average[j](at), mu[0], mu[-1])) for j in average)
    out["average"] = special.expit(found(at, value))
    return out


@pytest.mark.parametrize("name", ["ordinary", "sparse", "no events"])
def test_median_average_and_prediction_are_those_of_brute_force(name):
    fit = mn.pool(events=COUNTS[name][0], total=COUNTS[name][1], model="bayes")
    wanted = brute(*COUNTS[name])
    assert [fit.ci_lower, fit.estimate, fit.ci_upper] == pytest.approx(wanted["rate"], abs=1e-6)
    assert [fit.pi_lower, fit.pi_upper] == pytest.approx(wanted["new"], abs=1e-6)
    assert [fit.marginal_ci_lower, fit.marginal_estimate, fit.marginal_ci_upper] == pytest.approx(wanted["average"], abs=3e-6)
    assert [fit.tau2_lower**0.5, fit.tau, fit.tau2_upper**0.5] == pytest.approx(wanted["tau"], abs=2e-4)


@pytest.mark.parametrize("link", ["probit", "cloglog"])
def test_other_links_too(link):
    fit = mn.pool(events=[3, 5, 9, 0], total=[20, 30, 25, 11], model="bayes", link=link)
    wanted = brute([3, 5, 9, 0], [20, 30, 25, 11], link)
    assert [fit.ci_lower, fit.estimate, fit.ci_upper] == pytest.approx(wanted["rate"], abs=1e-6)
    assert [fit.pi_lower, fit.pi_upper] == pytest.approx(wanted["new"], abs=1e-6)


@pytest.mark.parametrize("name", COUNTS)
def test_the_batch_is_bayes_pool_to_six_digits(name):
    events, total = COUNTS[name]
    fit = mn.pool(events=events, total=total, model="bayes")
    one = mn.bayes_pool(events=events, total=total)
    names = ("estimate", "ci_lower", "ci_upper", "pi_lower", "pi_upper")
    names += ("marginal_estimate", "marginal_ci_lower", "marginal_ci_upper")
    for each in names:
        assert getattr(fit, each) == pytest.approx(getattr(one, each), abs=3e-6), each
    assert fit.tau == pytest.approx(one.tau, abs=1e-5)
    assert fit.loglik == pytest.approx(one.log_evidence, abs=2e-6)
    assert fit.studies["shrunken"].to_numpy() == pytest.approx(one.studies["shrunken"].to_numpy(), abs=2e-6)


def test_a_batch_is_a_loop():
    rng = np.random.default_rng(3)
    total = rng.integers(5, 200, (40, 6))
    events = rng.binomial(total, rng.choice([0.0, 0.02, 0.3, 0.9, 1.0], (40, 1)))
    whole = mn.pool_arrays(events=events, total=total, model="bayes")
    for i in range(40):
        one = mn.pool_arrays(events=events[i : i + 1], total=total[i : i + 1], model="bayes")
        for name in ("estimate", "ci_lower", "ci_upper", "pi_lower", "pi_upper", "marginal_ci_upper", "tau2", "tau2_upper"):
            assert getattr(one, name)[0] == pytest.approx(getattr(whole, name)[i], rel=1e-10, abs=1e-10), (i, name)
        assert one.shrunken[0] == pytest.approx(whole.shrunken[i], abs=1e-10)


counts = st.lists(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=2, max_size=7)


@settings(max_examples=25, deadline=None)
@given(counts)
def test_order_complement_nesting_and_containment(rows):
    events, total = (np.array(x) for x in zip(*rows, strict=True))
    fit = mn.pool(events=events, total=total, model="bayes")
    turned = mn.pool(events=events[::-1], total=total[::-1], model="bayes")
    other = mn.pool(events=total - events, total=total, model="bayes")
    narrow = mn.pool(events=events, total=total, model="bayes", level=0.8)
    assert turned.estimate == pytest.approx(fit.estimate, abs=1e-9)
    assert other.estimate == pytest.approx(1 - fit.estimate, abs=1e-6)
    assert other.ci_lower == pytest.approx(1 - fit.ci_upper, abs=1e-6)
    assert other.pi_upper == pytest.approx(1 - fit.pi_lower, abs=1e-6)
    for kind in ("ci", "pi", "marginal_ci"):
        lower, upper = f"{kind}_lower", f"{kind}_upper"
        assert getattr(fit, lower) < getattr(narrow, lower) < getattr(narrow, upper) < getattr(fit, upper)
    assert fit.pi_lower < fit.ci_lower < fit.estimate < fit.ci_upper < fit.pi_upper
    assert 0 < fit.marginal_ci_lower < fit.marginal_estimate < fit.marginal_ci_upper < 1
    assert fit.weights.sum() == pytest.approx(1)


def test_extremes_are_answered():
    for events, total in (([0, 10**6], [10**6, 10**6]), ([5 * 10**6, 10], [10**7, 20]), ([1] * 150, [2] * 150), ([0], [1])):
        fit = mn.pool(events=events, total=total, model="bayes")
        assert not fit.method["unsettled"]
        assert 0 <= fit.ci_lower < fit.ci_upper <= 1


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_equal_studies_taken_together_change_nothing(monkeypatch, link):
    rng = np.random.default_rng(1)
    total = rng.integers(8, 30, 600)
    events = rng.binomial(total, rng.beta(2, 5, 600))
    folded = distinct(BinomialLogit(events[None].astype(float), total[None].astype(float)))
    assert folded is not None
    assert folded[0].guess.shape[1] < 350
    together = mn.pool_arrays(events[None], total[None], model="bayes", link=link)
    monkeypatch.setattr(batch, "distinct", lambda studies: None)
    alone = mn.pool_arrays(events[None], total[None], model="bayes", link=link)
    for name in ("estimate", "ci_lower", "ci_upper", "pi_lower", "pi_upper", "tau2", "tau2_lower", "tau2_upper", "loglik"):
        assert getattr(together, name) == pytest.approx(getattr(alone, name), rel=1e-11), name
    for name in ("weights", "shrunken"):
        assert getattr(together, name) == pytest.approx(getattr(alone, name), rel=1e-9, nan_ok=True), name


def test_few_studies_different_ones_and_several_fits_are_left_as_they_are():
    few, many = np.full((1, 20), 3.0), np.arange(1000.0)[None]
    assert distinct(BinomialLogit(few, few + 5)) is None
    assert distinct(BinomialLogit(many, many + 5)) is None
    assert distinct(BinomialLogit(np.full((2, 400), 3.0), np.full((2, 400), 9.0))) is None
    assert distinct(Poisson(np.full((1, 400), 3.0), np.full((1, 400), 9.5)))[0].times == 400
