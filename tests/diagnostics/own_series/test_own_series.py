"""A series against the pooled studies and performance goals: reference values, an independent integration, refusals."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import special
from scipy.optimize import brentq
from scipy.stats import beta, betabinom, binom, t as student

import metanet as mn
from metanet.base.errors import ArgumentError
from metanet.diagnostics.own_series.performance_goal import chance, critical
from metanet.kernels.numerics import predictive
from tests.figures.cases import HOSTILE

REFERENCE = json.loads((Path(__file__).parents[2] / "reference" / "new_series.json").read_text())
DATA = {"events": REFERENCE["data"]["events"], "total": REFERENCE["data"]["total"]}
#: Its grid is right to about 2e-4 in probabilities and rates and to half a per cent in the effective size.
PRINTED, PRINTED_SIZE = 3e-4, 0.006
#: Against the integration below.
EXACT = 1e-5


def bayes(sd):
    return mn.bayes_pool(**DATA, tau_prior=("half-normal", 1.0), mu_prior=("normal", 0.0, sd))


@pytest.fixture(scope="module", params=[2, 3])
def case(request):
    fit = bayes(float(request.param))
    return request.param, fit, mn.against(fit, events=14, total=40)


class Direct:
    """The posterior of (mu, tau) on a grid by Gauss-Hermite quadrature of every study; nothing is shared with the kernels."""

    def __init__(self, sd, taus=160, mus=401):
        e, n = np.array(DATA["events"]), np.array(DATA["total"])
        z, w = np.polynomial.hermite_e.hermegauss(91)
        w = w / w.sum()
        self.tau, self.mu = (np.arange(taus) + 0.5) / taus * 6, np.linspace(-5, 3, mus)
        rows = []
        for t in self.tau:
            theta = self.mu[:, None] + t * z
            rows.append(-0.5 * (self.mu / sd) ** 2 - 0.5 * t * t + sum(
                np.log((np.exp(x * special.log_expit(theta) + (m - x) * special.log_expit(-theta) + 0.55 * m) * w).sum(1))
                for x, m in zip(e, n, strict=True)))  # fmt: skip
        logs = np.array(rows)
        self.weight = np.exp(logs - logs.max())
        self.weight /= self.weight.sum()
        self.z = np.linspace(-8, 8, 65)
        self.normal = np.exp(-0.5 * self.z**2) / np.exp(-0.5 * self.z**2).sum()

    def mean(self, function):
        return sum(
            share * float((self.weight * function(special.expit(self.mu[None, :] + self.tau[:, None] * z))).sum())
            for z, share in zip(self.z, self.normal, strict=True)
        )

    def below(self, x):
        return float((self.weight * special.ndtr((x - self.mu[None, :]) / self.tau[:, None])).sum())

    def quantile(self, p):
        return float(special.expit(brentq(lambda x: self.below(x) - p, -12, 12, xtol=1e-12)))


@pytest.fixture(scope="module")
def direct():
    return Direct(2.0)


def test_the_reference_values_to_its_printed_digits(case):
    sd, fit, found = case
    wanted = REFERENCE["values"][f"mu_sd_{sd}"]
    middle, low, high = found.predicted
    assert (low, middle, high) == pytest.approx((wanted["q025"], wanted["median"], wanted["q975"]), abs=PRINTED)
    assert found.probability == pytest.approx(wanted["p_y14_of_40"], abs=PRINTED / 10)
    assert found.mid_p_upper == pytest.approx(wanted["mid_p_upper"], abs=PRINTED)
    assert found.own == pytest.approx(wanted["posterior_mean_14_of_40"], abs=PRINTED)
    assert fit.new_rate_mean == pytest.approx(wanted["mean"], abs=PRINTED)
    assert fit.effective_size() == pytest.approx(wanted["elir"], rel=PRINTED_SIZE)


def test_an_independent_integration_gives_the_same(direct):
    found = mn.against(bayes(2.0), events=14, total=40)
    middle, low, high = found.predicted
    assert [low, middle, high] == pytest.approx([direct.quantile(p) for p in (0.025, 0.5, 0.975)], abs=EXACT)
    equal = direct.mean(lambda rate: binom.pmf(14, 40, rate))
    assert found.probability == pytest.approx(equal, abs=EXACT)
    assert found.mid_p_upper == pytest.approx(direct.mean(lambda rate: binom.sf(14, 40, rate)) + equal / 2, abs=EXACT)
    assert found.own == pytest.approx(direct.mean(lambda rate: rate * binom.pmf(14, 40, rate)) / equal, abs=EXACT)


def test_the_effective_size_is_the_expected_information_of_the_mixture():
    """The density of the logit is a mixture of normals, whose derivatives are known in closed form."""
    # Narrow normals need close means, so that their sum is smooth.
    direct = Direct(2.0, taus=120, mus=801)
    x = np.linspace(special.logit(direct.quantile(1e-6)), special.logit(direct.quantile(1 - 1e-6)), 1001)
    density, slope, bend = (np.zeros(x.size) for _ in range(3))
    for t, row in zip(direct.tau, direct.weight, strict=True):
        kept = row > row.sum() * 1e-9
        z = (x[None, :] - direct.mu[kept, None]) / t
        normal = row[kept, None] * np.exp(-0.5 * z * z) / (t * np.sqrt(2 * np.pi))
        density += normal.sum(0)
        slope += (-z / t * normal).sum(0)
        bend += ((z * z - 1) / t**2 * normal).sum(0)
    theta = special.expit(x)
    v = theta * (1 - theta)
    first, second = slope / density, bend / density - (slope / density) ** 2
    # d2/dtheta2 of log(g(x) / v): the chain rule with dx/dtheta = 1 / v.
    score_slope = ((second + 2 * v) * v - (first - 1 + 2 * theta) * v * (1 - 2 * theta)) / v**2
    size = np.trapezoid(-density * score_slope / v * v, x)
    assert bayes(2.0).effective_size() == pytest.approx(size, rel=2e-3)


def test_a_beta_distribution_is_worth_its_parameters():
    """The expected local information of a beta distribution is the sum of its parameters, for any rate of events."""
    for a, b in ((12.0, 30.0), (40.0, 8.0)):
        x = np.linspace(-9, 9, 2001)
        theta = special.expit(x)
        density = beta.pdf(theta, a, b) * theta * (1 - theta)
        assert predictive.effective_size(x, density, beta.cdf(theta, a, b)) == pytest.approx(a + b, rel=2e-3)


def test_counts_of_a_beta_distribution_are_beta_binomial():
    a, b, n = 6.0, 14.0, 30
    cells = predictive.cells_of(lambda x: beta.cdf(special.expit(x), a, b), (predictive.around(9, n),))
    less, equal, more = predictive.count_probabilities(cells, 9, n)
    assert equal == pytest.approx(betabinom.pmf(9, n, a, b), rel=1e-5)
    assert less == pytest.approx(betabinom.cdf(8, n, a, b), rel=1e-5)
    assert less + equal + more == pytest.approx(1.0, abs=1e-12)
    assert predictive.count_quantile(cells, n, 0.9) == betabinom.ppf(0.9, n, a, b)
    after = predictive.updated(cells, 9, n)
    assert after.mean() == pytest.approx((a + 9) / (a + b + n), rel=1e-6)
    assert after.sd() == pytest.approx(beta.std(a + 9, b + n - 9), rel=1e-4)
    assert after.quantile(np.array([0.025, 0.975])) == pytest.approx(beta.ppf([0.025, 0.975], a + 9, b + n - 9), rel=1e-5)


@pytest.mark.parametrize(("events", "total"), [(0, 12), (12, 12), (0, 1), (3, 1_000_000), (999_999, 1_000_000)])
def test_counts_at_the_edges_and_large_series_have_their_probabilities(events, total):
    found = mn.against(mn.pool(**DATA), events=events, total=total)
    assert 0 <= found.mid_p_lower <= 1
    assert found.mid_p_lower + found.mid_p_upper == pytest.approx(1.0, abs=1e-9)
    assert found.own_lower <= found.own <= found.own_upper
    assert 0 <= found.count_lower <= found.count_upper <= total


def test_maximum_likelihood_predicts_by_student_with_two_degrees_of_freedom_less():
    fit = mn.pool(**DATA, model="glmm")
    found = mn.against(fit, events=14, total=40)
    spread = np.hypot(fit.tau, fit.se)
    ends = special.expit(fit.mu + spread * student.ppf([0.025, 0.5, 0.975], fit.k - 2))
    assert (found.predicted[1], found.predicted[0], found.predicted[2]) == pytest.approx(tuple(ends), rel=1e-5)
    assert (found.predicted[1], found.predicted[2]) == pytest.approx((fit.pi_lower, fit.pi_upper), rel=1e-5)
    z = np.linspace(-60, 60, 240_001)
    rate, mass = special.expit(fit.mu + spread * z), student.pdf(z, fit.k - 2) * (z[1] - z[0])
    assert found.probability == pytest.approx(float((mass * binom.pmf(14, 40, rate)).sum()), rel=1e-5)
    assert not found.credible
    assert any("approximate" in note for note in found.notes)


def test_before_and_after_are_the_pools_without_and_with_the_series():
    fit = mn.pool(**DATA)
    found = mn.against(fit, events=14, total=40)
    again = mn.pool(events=[*DATA["events"], 14], total=[*DATA["total"], 40])
    assert found.before == (fit.estimate, fit.ci_lower, fit.ci_upper)
    assert found.after == pytest.approx((again.estimate, again.ci_lower, again.ci_upper), rel=1e-9)
    own = mn.against(bayes(2.0), events=14, total=40)
    other = mn.bayes_pool(
        events=[*DATA["events"], 14], total=[*DATA["total"], 40], tau_prior=("half-normal", 1.0), mu_prior=("normal", 0.0, 2.0)
    )
    assert own.after == pytest.approx((other.estimate, other.ci_lower, other.ci_upper), rel=1e-9)


def test_the_true_rate_of_the_series_is_that_of_the_joint_posterior():
    """Predicting and then updating is pooling all of them: the shrunken rate of the series among the studies."""
    found = mn.against(bayes(2.0), events=14, total=40)
    joint = mn.bayes_pool(
        events=[*DATA["events"], 14], total=[*DATA["total"], 40], tau_prior=("half-normal", 1.0), mu_prior=("normal", 0.0, 2.0)
    )
    last = joint.studies.iloc[-1]
    assert found.own == pytest.approx(last["shrunken"], abs=2e-5)
    assert (found.own_lower, found.own_upper) == pytest.approx((last["shrunken_lower"], last["shrunken_upper"]), abs=1e-4)


def test_the_model_of_pool_and_that_of_bayes_pool_agree():
    one, other = (mn.against(fit(**DATA), events=14, total=40) for fit in (mn.pool, mn.bayes_pool))
    assert one.mid_p_upper == pytest.approx(other.mid_p_upper, abs=2e-5)
    assert one.own == pytest.approx(other.own, abs=2e-5)


def test_exchanging_events_and_others_mirrors_the_place():
    flipped = {"events": [n - x for x, n in zip(DATA["events"], DATA["total"], strict=True)], "total": DATA["total"]}
    one, other = mn.against(mn.pool(**DATA), events=14, total=40), mn.against(mn.pool(**flipped), events=26, total=40)
    assert other.mid_p_lower == pytest.approx(one.mid_p_upper, abs=1e-5)
    assert other.own == pytest.approx(1 - one.own, abs=1e-5)


def test_the_sentence_has_the_numbers_and_the_ladder_of_its_claim():
    found = mn.against(mn.pool(**DATA), events=14, total=40)
    text = found.sentence()
    assert text.startswith("Our series with 14 of 40, 35.0 % (95 % CI 20.6 to 51.7 %) lies at the 82nd percentile")
    assert f"have {found.count_lower} to {found.count_upper} events" in text
    assert any("no proof of better or worse treatment" in note for note in found.notes)
    assert 0 < found.tests["prediction"].pvalue < 1


@pytest.mark.parametrize(("events", "words"), [(0, "below the 1st percentile"), (40, "above the 99th percentile")])
def test_extreme_places_are_not_given_a_percentile(events, words):
    assert words in mn.against(mn.pool(**DATA), events=events, total=40).sentence()


@pytest.mark.parametrize(("k", "status"), [(1, "study"), (2, "studies")])
def test_maximum_likelihood_of_fewer_than_three_studies_predicts_nothing(k, status):
    fit = mn.pool(events=DATA["events"][:k], total=DATA["total"][:k], model="glmm")
    found = mn.against(fit, events=14, total=40)
    assert f"With {k} {status} maximum likelihood gives no prediction" in found.reason
    assert "model='bayes'" in found.reason
    assert found.own is None
    assert json.dumps(found.to_dict())
    assert mn.performance_goal(fit).reason.startswith(f"With {k}")


def test_studies_without_events_predict_nothing_by_maximum_likelihood_and_something_by_the_posterior():
    none = {"events": [0, 0, 0, 0], "total": [10, 20, 30, 15]}
    assert "no events" in mn.against(mn.pool(**none, model="glmm"), events=1, total=10).reason
    assert mn.against(mn.pool(**none), events=1, total=10).mid_p_upper < 0.2


def test_one_study_is_named_as_such():
    text = mn.against(mn.pool(events=[3], total=[10]), events=14, total=40).sentence()
    assert "Pooled with that study the median rate is" in text
    assert "CrI" in text


def test_a_series_that_is_pooled_already_is_refused_by_name_and_by_cohort():
    evidence = mn.load_evidence()
    rates = evidence.rates("objective_response", modality="TARE")
    study, key = rates["study"].iloc[0], rates["study_id"].iloc[0]
    for fit in (mn.pool(rates), mn.bayes_pool(rates)):
        for name in (study, f"  {study.upper()} ", key):
            with pytest.raises(ArgumentError, match="is pooled already"):
                mn.against(fit, events=3, total=30, name=name)
    shared = rates.assign(overlap_group=["cohort A", *[""] * (len(rates) - 1)])
    with pytest.raises(ArgumentError, match=r"shares patients with this series.*fit.update\(without="):
        mn.against(mn.pool(shared), events=3, total=30, overlap_group="Cohort a")
    with pytest.raises(ArgumentError, match="do not tell which of them share patients"):
        mn.against(mn.pool(**DATA), events=3, total=30, overlap_group="A")
    mended = mn.pool(shared).update(without=shared["study"].iloc[0])
    assert mn.against(mended, events=3, total=30, overlap_group="Cohort a").reason is None


def test_equal_counts_are_noted_and_not_refused():
    found = mn.against(mn.pool(pd.DataFrame({"study": list("ABCDEFGH"), **DATA})), events=12, total=44)
    assert any(note.startswith("B has the same counts") for note in found.notes)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"model": "beta_binomial"}, "beta-binomial"),
        ({"model": "inverse_variance", "measure": "PFT"}, "no predictive distribution"),
        ({"model": "glmm", "link": "cloglog"}, "binomial-normal model"),
    ],
)
def test_models_without_such_a_prediction_are_refused_with_a_fix(options, words):
    with pytest.raises(ArgumentError, match=rf"(?i){words}.*model='bayes'"):
        mn.against(mn.pool(**DATA, **options), events=14, total=40)


def test_wrong_counts_and_names_are_refused():
    fit = mn.pool(**DATA)
    for given, words in (
        ({"events": 41}, "events=41 is more than total=40"),
        ({"events": -1}, "events=-1"),
        ({"events": 1.5}, "events=1.5"),
        ({"total": 0}, "total=0"),
        ({"name": "  "}, "name is empty"),
    ):
        with pytest.raises(ArgumentError, match=words):
            mn.against(fit, **{"events": 14, "total": 40, **given})


def test_a_hostile_name_is_text():
    found = mn.against(mn.pool(**DATA), events=14, total=40, name=f"<script>alert(1)</script>{HOSTILE}")
    assert "<script" not in found._repr_html_()
    assert "\n" not in found.sentence()
    assert json.dumps(found.to_dict())


def test_the_goal_is_the_quantile_of_the_prediction(direct):
    for level, side, at in ((0.8, "lower", 0.2), (0.95, "lower", 0.05), (0.9, "upper", 0.9)):
        found = mn.performance_goal(bayes(2.0), level=level, side=side)
        assert found.goal == pytest.approx(direct.quantile(at), abs=EXACT)
        assert found.rate == pytest.approx(direct.quantile(0.5), abs=EXACT)
    eased = mn.performance_goal(bayes(2.0), level=0.8, margin=0.05)
    assert eased.goal == pytest.approx(direct.quantile(0.2) - 0.05, abs=EXACT)
    assert eased.quantile == pytest.approx(direct.quantile(0.2), abs=EXACT)


@pytest.mark.parametrize("side", ["lower", "upper"])
def test_a_series_passes_where_its_exact_limit_lies_beyond_the_goal(side):
    goal, n, alpha = 0.21, 60, 0.025
    at = critical(goal, side, alpha, n)
    counts = np.arange(n + 1)
    if side == "lower":
        limits = np.where(counts > 0, special.betaincinv(np.maximum(counts, 1), n - counts + 1, alpha), 0.0)
        passes = limits >= goal
        assert at == np.flatnonzero(passes)[0]
        wanted = binom.sf(at - 1, n, 0.35)
    else:
        limits = np.where(counts < n, special.betaincinv(counts + 1, np.maximum(n - counts, 1), 1 - alpha), 1.0)
        passes = limits <= goal
        assert at == np.flatnonzero(passes)[-1]
        wanted = binom.cdf(at, n, 0.35)
    assert chance(goal, side, alpha, n, np.array([0.35]))[0] == pytest.approx(wanted, rel=1e-12)


def test_the_size_is_the_smallest_from_which_on_the_chance_stays():
    found = mn.performance_goal(bayes(2.0), level=0.9)
    assert found.size is not None
    assert all(found.chance(n) >= 0.8 for n in range(found.size, found.size + 200))
    assert found.chance(found.size - 1) < 0.8
    assert f"a series of {found.size:,}" in found.sentence()
    nowhere = mn.performance_goal(bayes(2.0), level=0.9, rate=found.goal)
    assert nowhere.size is None
    assert "no series of up to 3,000" in nowhere.sentence()


def test_the_chance_of_a_comparable_setting_is_the_mean_over_the_prediction(direct):
    found = mn.performance_goal(bayes(2.0), level=0.8)
    row = found.to_frame().set_index("n").loc[100]
    wanted = direct.mean(lambda rate: binom.sf(row["passes_at"] - 1, 100, rate))
    assert row["chance_comparable"] == pytest.approx(wanted, abs=2e-5)
    assert row["chance"] == pytest.approx(found.chance(100), rel=1e-12)


def test_small_series_that_cannot_pass_have_no_count():
    found = mn.performance_goal(mn.pool(events=[0, 1, 0, 1], total=[20, 30, 25, 40]), side="upper")
    frame = found.to_frame()
    assert frame["passes_at"].isna().iloc[0]
    assert frame["chance"].iloc[0] == 0
    assert "none" in found.summary()


def test_mixed_definitions_have_no_goal_and_one_family_has():
    evidence = mn.load_evidence()
    graded = evidence.rates("hepatotoxicity", modality="TARE")
    assert mn.performance_goal(mn.pool(graded), side="upper").reason is None
    mixed = pd.concat([graded, evidence.rates("hepatotoxicity", modality="TARE", definition="liver_failure")], ignore_index=True)
    for fit in (mn.pool(mixed), mn.bayes_pool(mixed)):
        with pytest.raises(ArgumentError, match="mixes definitions of the event"):
            mn.performance_goal(fit, side="upper")


def test_arguments_of_a_goal_are_checked():
    fit = bayes(2.0)
    for given, words in (
        ({"level": 80}, "level=80"), ({"level": 0.5}, "level=0.5"), ({"side": "up"}, "side='up'"), ({"margin": 0.4}, "leaves no rate"),
        ({"rate": 1.0}, "rate=1"), ({"alpha": 0.5}, "alpha=0.5"),
    ):  # fmt: skip
        with pytest.raises(ArgumentError, match=words):
            mn.performance_goal(fit, **given)
    with pytest.raises(ArgumentError, match="model='bayes'"):
        mn.performance_goal(mn.pool(**DATA, model="beta_binomial"))


def test_a_heavy_tailed_prior_of_few_studies_has_no_effective_size():
    fit = mn.bayes_pool(events=[3], total=[10], tau_prior=("half-cauchy", 5.0), mu_prior=("normal", 0.0, 10.0))
    assert fit.effective_size() is None
