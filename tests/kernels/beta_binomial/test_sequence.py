"""Two beta-binomial stages: the likelihood, its derivatives and its maximum against rising factorials and independent references."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize

from metanet.kernels.beta_binomial import fit as single, sequence
from tests.kernels.beta_binomial import rising

REFERENCE = json.loads((Path(__file__).parents[2] / "reference" / "categories.json").read_text())
MODALITIES = sorted(REFERENCE)
#: Shares and log-likelihood; a rho of the reference that stands at its bound of 1e-7 moves the log-likelihood by up to 4e-6.
SHARE, LOGLIK, LOGLIK_AT_BOUND = 1e-5, 1e-6, 1e-5


def borders(parts):
    """Responses and controls of an arm, None where it does not report them."""
    found, events = {}, 0
    for name, n in parts.items():
        events += n
        found[name.split("+")[-1]] = events
    return found.get("PR"), found.get("SD")


def reference_arms(modality):
    arms = [(arm["total"], *borders(arm["parts"])) for arm in REFERENCE[modality]["arms"]]
    return rising.arrays(arms)


def forward(modality):
    return sequence.paths(*reference_arms(modality))


def backward(modality):
    total, response, control = reference_arms(modality)
    return sequence.paths(total, total - control, total - response)


@pytest.mark.parametrize("modality", MODALITIES)
def test_response_first_is_the_independent_maximum(modality):
    fit, wanted = sequence.fit(forward(modality)), REFERENCE[modality]["generalised_dirichlet"]["forward"]
    shares, _ = sequence.shares(fit.mu)
    assert fit.settled
    assert shares[0] == pytest.approx(wanted["ORR"], abs=SHARE)
    assert shares[:2].sum() == pytest.approx(wanted["DCR"], abs=SHARE)
    assert fit.rho == pytest.approx([wanted["rho_R"], wanted["rho_S"]], abs=1e-5)
    inside = min(wanted["rho_R"], wanted["rho_S"]) > 1e-6
    assert fit.loglik == pytest.approx(wanted["loglik"], abs=LOGLIK if inside else LOGLIK_AT_BOUND)
    assert fit.loglik >= wanted["loglik"] - LOGLIK


@pytest.mark.parametrize("modality", MODALITIES)
def test_control_first_is_the_independent_maximum(modality):
    fit, wanted = sequence.fit(backward(modality)), REFERENCE[modality]["generalised_dirichlet"]["backward"]
    shares, _ = sequence.shares(fit.mu)
    assert fit.settled
    assert shares[2] == pytest.approx(wanted["ORR"], abs=SHARE)
    assert 1 - shares[0] == pytest.approx(wanted["DCR"], abs=SHARE)
    assert fit.rho == pytest.approx([wanted["rho_D"], wanted["rho_RgivenD"]], abs=1e-5)
    inside = min(wanted["rho_D"], wanted["rho_RgivenD"]) > 1e-6
    assert fit.loglik == pytest.approx(wanted["loglik"], abs=LOGLIK if inside else LOGLIK_AT_BOUND)
    assert fit.loglik >= wanted["loglik"] - LOGLIK


@pytest.mark.parametrize("psi", [(0.0, 0.0), (0.0, 0.3), (1e-9, 1e-12), (0.05, 2.0)])
def test_the_likelihood_is_that_of_rising_factorials(psi):
    rng = np.random.default_rng(5)
    for _ in range(4):
        arms, at = rising.random_arms(rng, 8), np.array([rng.normal(), psi[0], rng.normal(), psi[1]])
        value, _, _ = sequence.likelihood(sequence.paths(*rising.arrays(arms)), at[None])
        assert value[0] == pytest.approx(rising.loglik(arms, at), rel=1e-12, abs=1e-11)


def test_score_and_information_are_derivatives_of_the_likelihood():
    rng = np.random.default_rng(6)
    arms = rising.random_arms(rng, 9)
    at = np.array([0.3, 0.2, -0.4, 0.1])
    paths = sequence.paths(*rising.arrays(arms))
    _, score, information = sequence.likelihood(paths, at[None])
    assert paths.hidden
    step = 1e-5
    for i in range(4):
        move = step * np.eye(4)[i]
        up, down = (sequence.likelihood(paths, (at + side * move)[None]) for side in (1, -1))
        assert score[0, i] == pytest.approx((up[0][0] - down[0][0]) / (2 * step), rel=1e-6, abs=1e-7)
        assert information[0, i] == pytest.approx(-(up[1][0] - down[1][0]) / (2 * step), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("seed", range(25))
def test_no_other_start_finds_a_higher_likelihood(seed):
    rng = np.random.default_rng(seed)
    arms = rising.random_arms(rng, int(rng.integers(4, 14)))
    paths = sequence.paths(*rising.arrays(arms))
    fit = sequence.fit(paths)

    def fall(at):
        value, score, _ = sequence.likelihood(paths, np.array([[at[0], at[1] ** 2, at[2], at[3] ** 2]]))
        slope = score[0] * np.array([1.0, 2 * at[1], 1.0, 2 * at[3]])
        return -value[0], -slope

    for _ in range(6):
        start = np.array([rng.normal(), rng.uniform(0, 1), rng.normal(), rng.uniform(0, 1)])
        found = minimize(fall, start, jac=True, method="L-BFGS-B", bounds=[(-28, 28), (0, 100)] * 2)
        assert fit.loglik >= -found.fun - 1e-7


def test_arms_that_report_all_counts_are_two_fits_of_the_single_stage():
    rng = np.random.default_rng(3)
    arms = rising.random_arms(rng, 12, hidden=False)
    total, first, both = rising.arrays(arms)
    paths = sequence.paths(total, first, both)
    assert not paths.hidden
    joint = sequence.fit(paths)
    stages = single.fit(first[None], total[None]), single.fit((both - first)[None], (total - first)[None])
    assert joint.loglik == pytest.approx(sum(float(stage.loglik[0]) for stage in stages), rel=1e-12)
    assert joint.mu == pytest.approx([float(stage.mu[0]) for stage in stages], rel=1e-12)
    # The general path climbs to the same place.
    start = np.array([[0.0, 0.1, 0.0, 0.1], [0.0, 0.0, 0.0, 0.0]])
    at, loglik, done = sequence.climb(paths, start, np.ones((2, 4), dtype=bool))
    assert done.any()
    best = int(np.argmax(loglik))
    assert loglik[best] == pytest.approx(joint.loglik, abs=1e-10)
    assert at[best, [0, 2]] == pytest.approx(joint.mu, abs=1e-6)


def test_the_order_of_the_arms_changes_nothing():
    total, first, both = reference_arms("TACE")
    turned = np.random.default_rng(1).permutation(total.size)
    one, other = sequence.fit(forward("TACE")), sequence.fit(sequence.paths(total[turned], first[turned], both[turned]))
    assert other.mu == pytest.approx(one.mu, abs=1e-8)
    assert other.loglik == pytest.approx(one.loglik, abs=1e-10)


def test_the_covariance_is_the_inverse_of_the_information():
    paths = forward("TARE")
    fit = sequence.fit(paths)
    at = np.array([[fit.mu[0], fit.psi[0], fit.mu[1], fit.psi[1]]])
    _, score, information = sequence.likelihood(paths, at)
    assert np.abs(score).max() < 1e-5
    assert fit.covariance == pytest.approx(np.linalg.inv(information[0])[np.ix_([0, 2], [0, 2])], rel=1e-10)


def test_profile_limits_lie_where_the_likelihood_has_fallen_by_the_quantile():
    paths = forward("TACE")
    fit = sequence.fit(paths)
    means, spreads = sequence.profile_intervals(paths, fit, 0.95)
    for end in means[0]:

        def fall(rest, end=end):
            value, _, _ = sequence.likelihood(paths, np.array([[end, rest[0] ** 2, rest[1], rest[2] ** 2]]))
            return -value[0]

        height = max(-minimize(fall, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-11, "maxiter": 4000}).fun
                     for start in ([0.6, fit.mu[1], 0.0], [0.6, fit.mu[1], 0.4]))  # fmt: skip
        assert 2 * (fit.loglik - height) == pytest.approx(3.841458820694124, abs=2e-5)
    assert means[0, 0] < fit.mu[0] < means[0, 1]
    assert spreads[0, 0] < fit.rho[0] < spreads[0, 1]
    assert spreads[1, 0] == 0 < spreads[1, 1]


def test_profiles_of_complete_arms_are_those_of_the_single_stages():
    arms = rising.random_arms(np.random.default_rng(11), 14, hidden=False)
    total, first, both = rising.arrays(arms)
    paths = sequence.paths(total, first, both)
    fit = sequence.fit(paths)
    means, spreads = sequence.profile_intervals(paths, fit, 0.9)
    own = single.fit(first[None], total[None])
    assert means[0] == pytest.approx([float(end[0]) for end in single.mu_interval(first[None], total[None], own, 0.9)], rel=1e-9)
    assert spreads[0] == pytest.approx([float(end[0]) for end in single.rho_interval(first[None], total[None], own, 0.9)], rel=1e-9)


@pytest.mark.parametrize(
    ("arms", "edge"),
    [
        ([(10, 0, 5), (20, 0, 9), (15, 0, None)], (-1, 0)),
        ([(10, 10, 10), (20, 20, 20), (15, 15, None)], (1, 0)),
        ([(10, 3, 10), (20, 9, 20), (15, 4, None)], (0, 1)),
        ([(10, 3, 3), (20, 9, 9), (15, 4, None)], (0, -1)),
    ],
)
def test_a_stage_without_events_or_with_events_only_is_on_an_edge(arms, edge):
    fit = sequence.fit(sequence.paths(*rising.arrays(arms)))
    stages = [i for i in range(2) if edge[i]]
    assert fit.edge[stages].tolist() == [edge[i] for i in stages]
    assert np.isinf(fit.mu[stages]).all()
    assert np.isfinite(fit.loglik)


def test_an_edge_is_found_with_hidden_counts_as_well():
    arms = [(10, 0, 5), (20, 0, 9), (15, 0, None), (12, None, 5)]
    fit = sequence.fit(sequence.paths(*rising.arrays(arms)))
    shares, _ = sequence.shares(fit.mu)
    assert fit.settled
    assert fit.edge.tolist() == [-1, 0]
    assert shares[0] == 0.0
    assert shares[1] == pytest.approx(19 / 42, abs=1e-6)


def test_arms_at_both_ends_have_no_maximum():
    fit = sequence.fit(sequence.paths(*rising.arrays([(10, 0, 5), (20, 20, 20), (15, 0, 8)])))
    assert fit.unbounded[0]
    assert np.isnan(fit.mu[0])


def test_slopes_of_the_shares_are_their_derivatives():
    mu = np.array([0.4, -1.1])
    value, slope = sequence.shares(mu)
    assert value.sum() == pytest.approx(1.0, abs=1e-15)
    for i in range(2):
        move = 1e-6 * np.eye(2)[i]
        assert slope[:, i] == pytest.approx((sequence.shares(mu + move)[0] - sequence.shares(mu - move)[0]) / 2e-6, abs=1e-9)
