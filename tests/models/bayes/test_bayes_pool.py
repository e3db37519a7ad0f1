"""`bayes_pool`: answers, notes, views and refusals."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import metanet as mn
from metanet.models.bayes import bayes_pool as model

EVENTS = [117, 9, 5, 17, 20, 6, 8, 26, 7, 8, 1, 11]
TOTAL = [168, 40, 10, 33, 51, 9, 16, 48, 23, 10, 8, 19]
SPARSE = {"events": [0, 0, 1, 2, 0], "total": [12, 30, 44, 51, 9]}
NONE = {"events": [0, 0, 0, 0], "total": [10, 20, 30, 15]}


@pytest.fixture(scope="module")
def sparse():
    return mn.bayes_pool(**SPARSE)


@pytest.fixture(scope="module")
def none():
    return mn.bayes_pool(**NONE)


def numbers(fit):
    return {name: value for name, value in fit.numbers().items() if isinstance(value, float)}


def test_with_many_studies_it_agrees_with_the_maximum_of_the_likelihood():
    bayes, likelihood = mn.bayes_pool(events=EVENTS, total=TOTAL), mn.pool(events=EVENTS, total=TOTAL)
    assert bayes.estimate == pytest.approx(likelihood.estimate, abs=0.01)
    assert bayes.marginal_estimate == pytest.approx(likelihood.marginal_estimate, abs=0.01)
    assert bayes.ci_lower == pytest.approx(likelihood.ci_lower, abs=0.02)
    np.testing.assert_allclose(bayes.studies["shrunken"], likelihood.studies["shrunken"], atol=0.03)


@pytest.mark.parametrize(("events", "total"), [([0, 0], [10, 20]), ([10, 20], [10, 20]), ([3], [40]), ([0], [7]), ([0, 10], [10, 10])])
def test_data_without_a_likelihood_answer_are_answered(events, total):
    fit = mn.bayes_pool(events=events, total=total)
    assert fit.settled
    assert 0 < fit.ci_lower < fit.estimate < fit.ci_upper < 1
    assert 0 < fit.tau_lower < fit.tau < fit.tau_upper


def test_no_events_leave_the_lower_end_to_the_prior_and_say_so(none):
    wider = mn.bayes_pool(**NONE, mu_prior=("normal", 0, 6))
    assert wider.ci_lower < 0.1 * none.ci_lower
    assert any("the data bound the rate on one side only" in note for note in none.notes)
    assert any("dominates what is said of tau" in note for note in none.notes)
    # Near the exact upper limit for one shared rate; above it as far as rates may differ.
    assert none.ci_upper < 1.2 * (1 - 0.025 ** (1 / 75))
    assert none.ci_upper > stats.beta(0.5, 75.5).ppf(0.975)


def test_only_events_mirror_no_events(none):
    only = mn.bayes_pool(events=NONE["total"], total=NONE["total"])
    assert only.estimate == pytest.approx(1 - none.estimate, abs=1e-9)
    assert only.pi_lower == pytest.approx(1 - none.pi_upper, abs=1e-8)
    assert only.tau == pytest.approx(none.tau, rel=1e-7)
    np.testing.assert_allclose(only.studies["shrunken"], 1 - none.studies["shrunken"], atol=1e-9)
    assert any("upper end of every interval" in note for note in only.notes)


def test_a_note_appears_only_where_the_prior_dominates():
    fit = mn.bayes_pool(events=EVENTS, total=TOTAL)
    assert not any("dominates" in note or "weighs on" in note or "one side only" in note for note in fit.notes)
    single = mn.bayes_pool(events=[2], total=[4], mu_prior=("normal", 0, 1))
    assert any(note.startswith("One study has no information on heterogeneity") for note in single.notes)
    assert any("weighs on the median rate" in note for note in single.notes)


def test_the_order_of_the_studies_changes_nothing(sparse):
    turned = mn.bayes_pool(events=SPARSE["events"][::-1], total=SPARSE["total"][::-1])
    assert numbers(turned) == numbers(sparse)
    np.testing.assert_array_equal(turned.studies["shrunken"][::-1], sparse.studies["shrunken"])


def test_intervals_nest_in_the_level(sparse):
    wide, narrow = mn.bayes_pool(**SPARSE, level=0.99), mn.bayes_pool(**SPARSE, level=0.5)
    for name in ("ci", "hdi", "marginal_ci", "marginal_hdi", "pi", "mu", "tau", "tau_hdi", "tau2", "tau2_hdi"):
        lower = [getattr(fit, f"{name}_lower") for fit in (wide, sparse, narrow)]
        upper = [getattr(fit, f"{name}_upper") for fit in (wide, sparse, narrow)]
        # The shortest interval of tau may begin at zero at every level.
        assert lower[0] <= lower[1] <= lower[2] < upper[2] < upper[1] < upper[0], name
        assert lower[1] < lower[2] or name in ("tau_hdi", "tau2_hdi")


def test_the_shortest_interval_is_no_longer_than_that_of_equal_tails(sparse):
    for name in ("", "marginal_", "tau_", "tau2_"):
        equal = name + ("" if name.startswith("tau") else "ci_")
        ends = [getattr(sparse, f"{part}{end}") for part in (equal, f"{name}hdi_") for end in ("lower", "upper")]
        assert ends[3] - ends[2] < ends[1] - ends[0]
    inside = sparse.probability(rate_below=sparse.hdi_upper) - sparse.probability(rate_below=sparse.hdi_lower)
    assert inside == pytest.approx(0.95, abs=1e-6)


@pytest.mark.parametrize("prior", [("half-normal", 1), ("half-cauchy", 1), ("half-t", 3, 0.5), ("uniform", 4)])
def test_a_new_setting_is_less_certain_than_the_median_rate(prior):
    fit = mn.bayes_pool(**SPARSE, tau_prior=prior)
    assert fit.pi_lower < fit.ci_lower
    assert fit.pi_upper > fit.ci_upper


def test_shrunken_rates_lie_between_the_study_and_the_others():
    fit = mn.bayes_pool(events=EVENTS, total=TOTAL)
    frame = fit.studies
    apart = frame[(frame["rate"] - fit.marginal_estimate).abs() > 0.1]
    assert len(apart) >= 4
    assert ((apart["shrunken"] - apart["rate"]) * (fit.marginal_estimate - apart["rate"]) > 0).all()
    assert (frame["shrunken_upper"] - frame["shrunken_lower"] < frame["ci_upper"] - frame["ci_lower"]).all()
    assert frame["shrunken"].between(frame["shrunken_lower"], frame["shrunken_upper"]).all()


def test_wide_priors_of_mu_have_a_limit():
    fits = [mn.bayes_pool(events=[3, 9, 4], total=[20, 31, 18], mu_prior=("normal", 0, sd)) for sd in (4, 10, 20)]
    assert fits[1].estimate == pytest.approx(fits[2].estimate, rel=3e-3)
    assert abs(fits[1].estimate - fits[2].estimate) < abs(fits[0].estimate - fits[1].estimate)
    # A proper prior that says nothing costs evidence in proportion to its width.
    assert fits[1].log_evidence - fits[2].log_evidence == pytest.approx(np.log(2), abs=1e-2)


def test_probabilities_are_those_of_the_intervals(sparse):
    assert sparse.probability(rate_below=sparse.ci_lower) == pytest.approx(0.025, abs=1e-9)
    assert sparse.probability(rate_above=sparse.ci_upper) == pytest.approx(0.025, abs=1e-9)
    assert sparse.probability(tau_above=sparse.tau_upper) == pytest.approx(0.025, abs=1e-9)
    assert sparse.probability(new_rate_below=sparse.pi_upper) == pytest.approx(0.975, abs=1e-9)
    assert sparse.probability(tau_above=0) == 1
    assert sparse.probability(tau_below=1e9) == 1


def test_densities_integrate_to_what_they_show(sparse):
    frame = sparse.posterior()
    assert set(frame["quantity"]) == {"median rate", "population-averaged rate", "new setting", "mu", "tau"}
    for name, part in frame.groupby("quantity"):
        gained = np.trapezoid(part["density"], part["value"])
        assert gained == pytest.approx(np.diff(part["probability_below"].iloc[[0, -1]])[0], abs=2e-3), name
        assert part["probability_below"].is_monotonic_increasing


def test_a_heavy_tail_has_no_mean_and_says_so():
    heavy = mn.bayes_pool(**NONE, tau_prior=("half-cauchy", 1))
    assert heavy.tau_mean is None
    assert heavy.tau_sd is None
    assert any("so heavy a tail" in note for note in heavy.notes)
    assert heavy.settled
    some = mn.bayes_pool(events=[3, 9, 4], total=[20, 31, 18], tau_prior=("half-cauchy", 1))
    assert some.tau_mean is not None
    assert some.tau_sd is None
    assert any("standard deviation of tau" in note for note in some.notes)
    assert np.isfinite(heavy.posterior()["density"]).all()


def test_a_quadrature_that_fails_its_checks_is_reported(monkeypatch):
    from metanet.kernels.bayes import posterior as kernel

    monkeypatch.setattr(kernel, "_FIRST", (5, 5))
    monkeypatch.setattr(kernel, "_MOST", (5, 5))
    fit = mn.bayes_pool(**SPARSE)
    assert not fit.settled
    assert not fit.method["settled"]
    assert any("did not pass all of its checks" in note for note in fit.notes)


def test_the_views_tell_the_same_numbers(sparse):
    assert list(sparse.to_frame().columns) == list(sparse.numbers())
    plain = json.loads(json.dumps(sparse.to_dict(), allow_nan=False))
    assert plain["estimate"] == sparse.estimate
    assert [row["study"] for row in plain["studies"]] == [f"Study {i}" for i in range(1, 6)]
    assert plain["method"]["notes"] == list(sparse.notes)
    shown = f"{100 * sparse.estimate:.1f} %"
    for text in (sparse.summary(), sparse.sentence(), repr(sparse), sparse._repr_html_()):
        assert shown in text
        assert "half-normal(1.25)" in text
    assert all(note in sparse.summary() for note in sparse.notes)
    assert sparse.method.sentence().startswith("Bayesian binomial-normal model (logit link) with tau ~ half-normal(1.25)")
    assert "credible" in sparse.sentence()


def test_the_stamp_names_every_choice():
    fit = mn.bayes_pool(**SPARSE, tau_prior=("half-t", 3, 0.5), mu_prior=("normal", -2, 1.5), level=0.9)
    assert fit.method["tau_prior"] == "half-t(3, 0.5)"
    assert fit.method["mu_prior"] == "normal(-2, 1.5)"
    assert fit.method["level"] == 0.9
    assert fit.method["version"] == mn.__version__
    assert "90 % credible" in fit.method.sentence()
    assert any("0.7 and 71.9 %" in note for note in fit.notes)


def test_hostile_names_are_escaped_and_kept_apart():
    fit = mn.bayes_pool(events=[1, 2], total=[9, 9], study=["<b>x</b>", "<b>x</b>"])
    assert list(fit.studies["study"]) == ["<b>x</b>", "<b>x</b> (2)"]
    assert any("numbered, not merged" in note for note in fit.notes)
    assert "<b>" not in fit._repr_html_()
    assert "&lt;b&gt;" in fit._repr_html_()


def test_the_result_is_frozen(sparse):
    with pytest.raises(dataclasses.FrozenInstanceError):
        sparse.estimate = 0.5
    copy = sparse.studies
    copy.loc[0, "events"] = 99
    assert sparse.studies.loc[0, "events"] == 0


def test_columns_are_found_by_name():
    frame = pd.DataFrame({"study": ["a", "b"], "events": [1, 4], "total": [20, 30], "x": [5, 6]})
    assert list(mn.bayes_pool(frame).studies["study"]) == ["a", "b"]
    assert mn.bayes_pool(frame, events="x").events == 11


def test_it_takes_the_defaults_that_its_documentation_justifies():
    assert model.DEFAULT_TAU == ("half-normal", 1.25)
    assert model.DEFAULT_MU == ("normal", 0.0, 2.5)
    prior = stats.norm(0, 2.5)
    shares = [prior.cdf(np.log(rate / (1 - rate))) for rate in (0.01, 0.001)]
    assert [round(100 * share, 1) for share in shares] == [3.3, 0.3]
    assert round(100 * stats.beta(0.5, 0.5).cdf(0.01), 1) == 6.4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tau_prior": ("half-nornal", 1)}, r"tau_prior='half-nornal' is not known. Did you mean 'half-normal'\?"),
        ({"tau_prior": "half-normal"}, "must be a word and its numbers"),
        ({"tau_prior": ("half-normal",)}, r"does not have the form \('half-normal', scale\)"),
        ({"tau_prior": ("half-t", 3)}, r"does not have the form \('half-t', df, scale\)"),
        ({"tau_prior": ("half-normal", 0)}, "scale=0 must be above zero"),
        ({"tau_prior": ("half-cauchy", -1)}, "scale=-1 must be above zero"),
        ({"tau_prior": ("uniform", float("inf"))}, "upper=inf must be finite"),
        ({"tau_prior": ("half-normal", float("nan"))}, "scale=nan must be finite"),
        ({"tau_prior": ("half-normal", "1")}, "scale='1' is not a number"),
        ({"tau_prior": ("half-normal", True)}, "scale=True is not a number"),
        ({"tau_prior": ("half-normal", 1e5)}, "must lie between 0.001 and 20: "),
        ({"tau_prior": ("half-t", 0.5, 1)}, r"df=0.5 must lie between 1 \(half-Cauchy\)"),
        ({"mu_prior": ("uniform", 0, 1)}, "mu_prior='uniform' is not known"),
        ({"mu_prior": ("normal", 0)}, r"does not have the form \('normal', mean, sd\)"),
        ({"mu_prior": ("normal", 90, 1)}, "mean=90 is a logit"),
        ({"mu_prior": ("normal", 0, 60)}, "sd=60 must lie between 0.001 and 20: "),
        ({"mu_prior": ("normal", 0, 0)}, "sd=0 must be above zero"),
        ({"level": 95}, "Did you mean 0.95"),
        ({"events": [1, 2, 3]}, "differ in length"),
        ({"events": None}, "events is missing"),
        ({"events": [1, 50]}, r"events\[1\]=50 .* is more than total\[1\]"),
        ({"events": [1, -2]}, r"events\[1\]=-2 .* is negative"),
        ({"events": [0.5, 1]}, "is not a whole number"),
        ({"total": [0, 20]}, "without patients"),
        ({"events": [1, None]}, r"events\[1\]=None is missing"),
        ({"events": [], "total": []}, "No studies"),
        ({"data": [1, 2]}, "data must be a pandas DataFrame"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_mend(arguments, message):
    with pytest.raises(mn.ArgumentError, match=message):
        mn.bayes_pool(**{"events": [1, 2], "total": [10, 20], **arguments})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "exactly one statement, not 0"),
        ({"rate_below": 0.1, "tau_above": 1}, "exactly one statement, not 2"),
        ({"rate_below": 5}, r"rate_below=5 must be a fraction .* Did you mean 0.05\?"),
        ({"new_rate_above": True}, "must be a fraction"),
        ({"tau_above": -1}, "must be a number from zero up"),
        ({"tau_above": "a"}, "must be a number from zero up"),
    ],
)
def test_a_statement_that_makes_no_sense_is_refused(sparse, arguments, message):
    with pytest.raises(mn.ArgumentError, match=message):
        sparse.probability(**arguments)


def test_points_of_the_densities_are_checked(sparse):
    with pytest.raises(mn.ArgumentError, match="points=1 must be a whole number"):
        sparse.posterior(points=1)


def test_hard_random_data_are_always_answered_without_a_warning():
    rng = np.random.default_rng(5)
    for i in range(9):
        k = int(rng.integers(1, 5))
        n = np.exp(rng.uniform(0, 6, k)).round().astype(int)
        rate = rng.choice([0.0, 0.002, 0.3, 1.0])
        prior = [("half-normal", 1), ("half-cauchy", 0.5), ("uniform", 3)][i % 3]
        fit = mn.bayes_pool(events=rng.binomial(n, rate), total=n, tau_prior=prior)
        assert np.isfinite(list(numbers(fit).values())).all()
        assert fit.settled
        assert fit.pi_lower <= fit.ci_lower
        assert fit.pi_upper >= fit.ci_upper
        assert fit.studies["shrunken"].between(0, 1).all()
