"""The posterior by quadrature against brute force, exact identities, and hard data."""

import itertools

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import brentq
from scipy.special import expit, gammaln, logsumexp, ndtr

from metanet.kernels.bayes import posterior as bayes, posterior as bayes_likelihood
from metanet.kernels.bayes.marginals import Marginals, study_posteriors
from metanet.kernels.bayes.posterior import MuPrior, TauPrior
from metanet.kernels.normal_effect.fit import fit
from metanet.kernels.normal_effect.study_likelihoods import BinomialLogit
from tests.kernels.direct import loglik

DEFAULT = (MuPrior(0.0, 3.0), TauPrior("half-normal", 1.0))
HALF_CAUCHY = TauPrior("half-cauchy", 1.0, 1.0)
#: Name: events, totals, where brute force looks for mu.
SETS = {
    "response": ([117, 9, 5, 17, 20, 6], [168, 40, 10, 33, 51, 9], (-10, 10)),
    "rare": ([0, 1, 3, 5], [12, 44, 17, 120], (-20, 6)),
    "no events": ([0, 0, 0, 0], [10, 20, 30, 15], (-26, 4)),
    "one study": ([12], [40], (-13, 13)),
    "both ends": ([0, 10], [10, 10], (-18, 18)),
    "nearly separated": ([0, 1, 20, 19], [20, 20, 20, 20], (-15, 15)),
}


def arrays(events, total):
    return np.array(events, float), np.array(total, float)


def posterior(events, total, priors=DEFAULT):
    return bayes.posterior(*arrays(events, total), *priors)


def panels(ends, nodes):
    """Gauss-Legendre nodes and weights on consecutive intervals."""
    x, w = np.polynomial.legendre.leggauss(nodes)
    low, high = np.array(ends[:-1], float), np.array(ends[1:], float)
    half = 0.5 * (high - low)
    return (low[:, None] + half[:, None] * (1 + x)).ravel(), (half[:, None] * w).ravel()


class Direct:
    """Half-normal(1) and normal(0, 3) priors, and every integral over panels of Gauss-Legendre nodes: nothing of the kernel."""

    Z = np.linspace(-9, 9, 241)

    def __init__(self, events, total, reach):
        self.e, self.n = arrays(events, total)
        self.reach = reach

    def log_density(self, mu, tau):
        """Log posterior density of the points, not normalised by the evidence."""
        theta = mu[:, None] + tau[:, None] * self.Z
        out = stats.norm(0, 3).logpdf(mu) + stats.halfnorm(0, 1).logpdf(tau)
        tail = np.logaddexp(0, theta)
        for e, n in zip(self.e, self.n, strict=True):
            constant = gammaln(n + 1) - gammaln(e + 1) - gammaln(n - e + 1) + np.log(0.075) - 0.5 * np.log(2 * np.pi)
            out = out + logsumexp(e * theta - n * tail - 0.5 * self.Z**2, axis=1) + constant
        return out

    def grid(self, tau_ends=(0, 0.4, 1, 2, 4, 8), mu_ends=None, nodes=None):
        """Nodes (mu, tau) and the posterior mass at each, not normalised."""
        mu_ends = np.linspace(*self.reach, 15) if mu_ends is None else mu_ends
        (tau, a), (mu, b) = panels(tau_ends, nodes or 9), panels(mu_ends, nodes or 11)
        m, t = (x.ravel() for x in np.meshgrid(mu, tau))
        weight = np.outer(a, b).ravel()
        return m, t, weight * np.exp(self.log_density(m, t))


@pytest.fixture(scope="module", params=list(SETS))
def case(request):
    events, total, reach = SETS[request.param]
    direct = Direct(events, total, reach)
    found = posterior(events, total)
    return direct, direct.grid(), found, Marginals(found)


def test_evidence_and_moments_are_those_of_brute_force(case):
    _, (mu, tau, mass), found, _ = case
    total = mass.sum()
    assert found.settled
    assert found.log_evidence == pytest.approx(np.log(total), abs=1e-8)
    mean = (mass * mu).sum() / total
    sd = np.sqrt((mass * (mu - mean) ** 2).sum() / total)
    assert (found.weight * found.mu).sum() == pytest.approx(mean, abs=1e-8 * sd + 1e-9)
    assert np.sqrt((found.weight * (found.mu - mean) ** 2).sum()) == pytest.approx(sd, rel=1e-7)
    assert found.u_weight @ found.tau == pytest.approx((mass * tau).sum() / total, rel=1e-7)
    assert found.u_weight @ found.tau**2 == pytest.approx((mass * tau**2).sum() / total, rel=1e-7)


def test_quantiles_leave_below_them_what_brute_force_finds(case):
    direct, (_, _, mass), _, marginals = case
    total = mass.sum()
    for probability in (0.025, 0.5):
        t = float(marginals.tau().back(marginals.tau().quantile(probability))[0])
        below = direct.grid(tau_ends=(0, 0.5 * t, t))[2].sum() / total
        assert below == pytest.approx(probability, abs=1e-7)
        m = float(marginals.mu().quantile(probability)[0])
        below = direct.grid(mu_ends=np.linspace(direct.reach[0], m, 15))[2].sum() / total
        assert below == pytest.approx(probability, abs=1e-7)


#: Panels that crowd at tau = 0, where the steps below become steep.
CROWDED = (0, 0.01, 0.03, 0.1, 0.4, 1, 2, 4, 8)


def around(point, reach):
    """Panels over `reach` that crowd at a point."""
    steps = np.array([0, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 9])
    ends = np.concatenate([point - steps, point + steps, np.linspace(*reach, 15)])
    return np.unique(ends[(ends >= reach[0]) & (ends <= reach[1])])


@pytest.mark.parametrize("name", ["rare", "no events", "one study", "both ends"])
def test_the_predictive_distribution_is_that_of_brute_force(name):
    events, total, reach = SETS[name]
    direct, new = Direct(events, total, reach), Marginals(posterior(events, total)).new_rate()
    for probability in (0.025, 0.5):
        t = float(new.quantile(probability)[0])
        mu, tau, mass = direct.grid(CROWDED, around(t, reach), nodes=7)
        assert (mass * ndtr((t - mu) / tau)).sum() / mass.sum() == pytest.approx(probability, abs=2e-6)


@pytest.mark.parametrize("name", ["rare", "one study", "both ends"])
def test_quantiles_of_the_averaged_rate_are_those_of_brute_force(name):
    events, total, reach = SETS[name]
    direct = Direct(events, total, reach)
    average = Marginals(posterior(events, total)).averaged_rate()
    z, weight = Direct.Z, np.exp(-0.5 * Direct.Z**2)
    weight = weight / weight.sum()
    tau, share = panels((0, 0.4, 1, 2, 4, 8), 8)
    for probability in (0.025, 0.975):
        rate = float(average.back(average.quantile(probability))[0])
        below = whole = 0.0
        for t, a in zip(tau, share, strict=True):
            edge = brentq(lambda m, t=t, rate=rate: weight @ expit(m + t * z) - rate, -60, 60, xtol=1e-12)
            for low, high, inside in ((reach[0], edge, True), (edge, reach[1], False)):
                low, high = (min(max(x, reach[0]), reach[1]) for x in (low, high))
                if high - low > 1e-9:
                    mu, b = panels(np.linspace(low, high, 9), 10)
                    mass = a * (b * np.exp(direct.log_density(mu, np.full(mu.size, t)))).sum()
                    whole += mass
                    below += mass * inside
        assert below / whole == pytest.approx(probability, abs=1e-6)


@pytest.mark.parametrize(("name", "i"), [("rare", 1), ("no events", 2), ("one study", 0), ("nearly separated", 1)])
def test_a_study_posterior_is_that_of_brute_force(name, i):
    events, total, reach = SETS[name]
    direct = Direct(events, total, reach)
    e, n = arrays(events, total)
    own = study_posteriors(e, n, Marginals(posterior(events, total)))[i]
    assert own.settled
    lower = float(own.distribution.quantile(0.025)[0])
    mu, tau, mass = direct.grid(CROWDED, around(lower, reach), nodes=7)
    mean = np.empty(mu.size)
    below = np.empty(mu.size)
    x, w = np.polynomial.legendre.leggauss(40)
    for start in range(0, mu.size, 2000):
        rows = slice(start, start + 2000)
        m, t = mu[rows, None], tau[rows, None]

        def inside(z, m=m, t=t):
            theta = m + t * z
            return np.exp(e[i] * theta - n[i] * np.logaddexp(0, theta) - 0.5 * z**2), theta

        weight, theta = inside(direct.Z[None])
        whole = weight.sum(1)
        mean[rows] = (weight * expit(theta)).sum(1) / whole
        end = np.clip((lower - m) / t, -9, 9)
        half = 0.5 * (end + 9)
        below[rows] = (half * w * inside(half * (1 + x) - 9)[0]).sum(1) / (whole * 0.075)
    assert own.mean == pytest.approx((mass * mean).sum() / mass.sum(), rel=1e-6)
    assert (mass * below).sum() / mass.sum() == pytest.approx(0.025, abs=2e-6)


@pytest.mark.parametrize("scale", [0.3, 5.0])
@pytest.mark.parametrize("family", ["half-normal", "half-cauchy", "half-t", "uniform"])
def test_the_evidence_of_all_possible_data_sums_to_one(family, scale):
    prior = TauPrior(family, scale, {"half-cauchy": 1.0, "half-t": 3.0}.get(family, np.inf))
    outcomes = list(itertools.product(range(3), range(2)))
    evidence = [posterior(list(e), [2, 1], (MuPrior(-1.0, 2.0), prior)).log_evidence for e in outcomes]
    assert np.exp(evidence).sum() == pytest.approx(1.0, abs=1e-8)


@pytest.mark.parametrize("prior", [DEFAULT[1], HALF_CAUCHY, TauPrior("uniform", 10.0), TauPrior("half-t", 2.0, 4.0)])
def test_one_patient_has_the_event_with_probability_one_half_under_a_symmetric_prior(prior):
    assert np.exp(posterior([0], [1], (MuPrior(0.0, 3.0), prior)).log_evidence) == pytest.approx(0.5, abs=1e-9)


@pytest.mark.parametrize("tau", [0.0, 0.3, 1.19, 1.21, 2.0, 4.0, 9.0])
@pytest.mark.parametrize("counts", [(0, 1), (0, 30), (500, 500), (1, 44), (7, 12)])
def test_a_study_integral_is_that_of_direct_integration(counts, tau):
    e, n = counts
    studies = bayes_likelihood.single(*arrays([e], [n]))
    mu, tau = np.array([-6.0, -1.0, 0.4, 3.0]), np.full(4, tau)
    found, half = bayes_likelihood.integrals(studies, mu, tau)
    for level in range(1, 7):
        bayes_likelihood.refine(studies, mu, tau, np.ones(4), found, half, level)
    wanted = [loglik([e], [n], m, t) for m, t in zip(mu, tau, strict=True)]
    sure = np.array(wanted) > -60
    np.testing.assert_allclose(found[0][sure], np.array(wanted)[sure], atol=3e-9)


def test_a_study_without_events_is_integrated_under_any_tau():
    studies = bayes_likelihood.single(*arrays([0], [25]))
    mu, tau = np.array([-2.0, 1.0]), np.array([1e8, 1e8])
    found, _ = bayes_likelihood.integrals(studies, mu, tau)
    # As tau grows every study stands at 0 % or at 100 %.
    np.testing.assert_allclose(np.exp(found[0]), 0.5, rtol=1e-7)


@pytest.mark.parametrize("family", ["half-normal", "half-cauchy", "half-t", "uniform"])
def test_priors_are_those_of_scipy(family):
    tau = np.array([0.0, 0.2, 1.5, 4.0, 30.0])
    prior = TauPrior(family, 5.0, {"half-cauchy": 1.0, "half-t": 3.0}.get(family, np.inf))
    wanted = {
        "half-normal": stats.halfnorm(0, 5),
        "half-cauchy": stats.halfcauchy(0, 5),
        "uniform": stats.uniform(0, 5),
        "half-t": None,
    }[family]
    log = np.log(2) + stats.t(3, 0, 5).logpdf(tau) if wanted is None else wanted.logpdf(tau)
    np.testing.assert_allclose(prior.log_density(tau), log, rtol=1e-12)
    q = stats.t(3, 0, 5).ppf(0.95) if wanted is None else wanted.ppf(0.9)
    assert prior.quantile(0.9) == pytest.approx(q, rel=1e-10)


def test_half_t_runs_from_half_cauchy_to_half_normal():
    events, total, _ = SETS["rare"]
    cauchy = posterior(events, total, (DEFAULT[0], HALF_CAUCHY))
    one = posterior(events, total, (DEFAULT[0], TauPrior("half-t", 1.0, 1.0)))
    assert one.log_evidence == pytest.approx(cauchy.log_evidence, abs=1e-12)
    normal = posterior(events, total)
    many = posterior(events, total, (DEFAULT[0], TauPrior("half-t", 1.0, 1e6)))
    assert many.log_evidence == pytest.approx(normal.log_evidence, abs=1e-5)
    assert many.log_evidence != normal.log_evidence


def test_under_flat_priors_the_highest_posterior_density_is_at_the_maximum_of_the_likelihood():
    events, total, _ = SETS["response"]
    e, n = arrays(events, total)
    found = posterior(events, total, (MuPrior(0.0, 1000.0), TauPrior("uniform", 20.0)))
    best = fit(BinomialLogit(e[None], n[None]))
    height = found.loglik.sum(0)
    assert height.max() <= best.loglik[0] + 1e-8
    # The node nearest to the maximum is the highest, as far as the nodes are apart.
    j, m = np.unravel_index(height.argmax(), height.shape)
    spacing = max(abs(found.tau[j + 1] - found.tau[j]), abs(found.tau[j] - found.tau[j - 1]))
    assert abs(found.tau[j] - best.tau[0]) <= 1.5 * spacing
    assert abs(found.mu[j, m] - best.mu[0]) <= 1.5 * (found.mu[j, 1] - found.mu[j, 0])


@pytest.mark.parametrize(("name", "prior"), [("rare", DEFAULT[1]), ("no events", HALF_CAUCHY), ("one study", HALF_CAUCHY)])
def test_events_and_non_events_mirror_each_other(name, prior):
    events, total, _ = SETS[name]
    e, n = arrays(events, total)
    one = Marginals(bayes.posterior(e, n, DEFAULT[0], prior))
    other = Marginals(bayes.posterior(n - e, n, DEFAULT[0], prior))
    assert one.posterior.log_evidence == pytest.approx(other.posterior.log_evidence, abs=1e-7)
    lower, upper = one.mu().quantile(np.array([0.025, 0.975]))
    mirrored = -other.mu().quantile(np.array([0.975, 0.025]))
    np.testing.assert_allclose([lower, upper], mirrored, atol=2e-6)


def test_twice_the_nodes_move_nothing(monkeypatch):
    for name, (events, total, _) in SETS.items():
        for prior in (DEFAULT[1], HALF_CAUCHY) if name != "response" else (DEFAULT[1],):
            usual = posterior(events, total, (DEFAULT[0], prior))
            with monkeypatch.context() as patch:
                patch.setattr(bayes, "_FIRST", tuple(2 * n - 1 for n in usual.mu.shape))
                finer = posterior(events, total, (DEFAULT[0], prior))
            assert finer.mu.size > usual.mu.size
            assert usual.log_evidence == pytest.approx(finer.log_evidence, abs=2e-8)
            q = np.array([0.025, 0.5, 0.975])
            a, b = Marginals(usual), Marginals(finer)
            spread = float(np.diff(b.mu().quantile(q[::2]))[0])
            np.testing.assert_allclose(a.mu().quantile(q), b.mu().quantile(q), atol=1e-6 * spread)
            # tau is read off its series, which is as exact as the half rule.
            t = b.tau()
            np.testing.assert_allclose(np.arcsinh(a.tau().back(a.tau().quantile(q))), np.arcsinh(t.back(t.quantile(q))), atol=3e-6)


def random_counts(seed, count):
    """Small and large, rare and common, empty and full; one in eight with a huge study."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        k = int(rng.choice([1, 1, 1, 2, 2, 3]))
        n = np.exp(rng.uniform(0, np.log(rng.choice([6, 60, 2000])), k)).round()
        if rng.random() < 0.125:
            n[0] = 1e6
        mu, tau = rng.choice([-8, -4, -1, 0, 2, 6, 12]), rng.choice([0, 0.2, 1, 3])
        e = rng.binomial(n.astype(int), expit(mu + tau * rng.normal(size=k))).astype(float)
        yield e, n


def test_hard_random_data_are_always_answered():
    priors = itertools.cycle([DEFAULT[1], HALF_CAUCHY, TauPrior("uniform", 5.0), DEFAULT[1], TauPrior("half-t", 0.5, 3.0)])
    for i, ((e, n), prior) in enumerate(zip(random_counts(20, 200), priors, strict=False)):
        found = bayes.posterior(e, n, DEFAULT[0], prior)
        assert found.settled, (e, n, prior)
        assert np.isfinite(found.log_evidence)
        assert found.weight.sum() == pytest.approx(1.0, abs=1e-12)
        assert found.u_weight.min() >= 0
        if i % 5 in (0, 1):
            marginals = Marginals(found)
            lower, middle, upper = marginals.mu().quantile(np.array([0.025, 0.5, 0.975]))
            assert -60 < lower < middle < upper < 60
            assert 0 < marginals.tau().central(0.95)[0] < marginals.tau().median() < np.inf


def test_studies_of_hard_random_data_have_posteriors_of_mass_one():
    for e, n in random_counts(3, 20):
        marginals = Marginals(bayes.posterior(e, n, *DEFAULT))
        for one, x, size in zip(study_posteriors(e, n, marginals), e, n, strict=True):
            assert one.settled
            lower, upper = one.distribution.central(0.95)
            assert 0 <= lower < one.mean < upper <= 1 or size > 1e5
            assert lower <= (x + 1) / size
