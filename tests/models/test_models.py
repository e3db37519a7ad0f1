"""Every model through the same doors: single fits, padded arrays and groups give the same numbers."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from scipy.integrate import quad
from scipy.special import gammaln, ndtr
from scipy.stats import binom, norm, poisson

import metanet as mn

from ..reference.cases import counts as reference_counts, load

ONE = [
    {},
    {"model": "glmm"},
    {"model": "glmm", "ci": "z", "prediction": "z"},
    {"model": "glmm", "ci": "profile"},
    {"link": "probit"},
    {"link": "cloglog"},
    {"model": "beta_binomial"},
    {"model": "beta_binomial", "ci": "profile"},
    {"model": "common"},
    *({"model": "inverse_variance", "tau2": t} for t in ("DL", "PM", "REML", "ML", "SJ", "HS", "HSk", "HE", "EB")),
    *({"model": "inverse_variance", "ci": c} for c in ("z", "t", "HK-adhoc", "KR")),
    {"model": "inverse_variance", "tau2": "ML", "ci": "profile", "tau2_ci": "profile"},
    {"model": "inverse_variance", "tau2_ci": "Jackson"},
    *({"model": "inverse_variance", "prediction": p} for p in ("V", "HK", "KR", "z", None)),
    {"measure": "PR", "i2": "Q"},
    {"measure": "PLN"},
    {"measure": "PAS"},
    {"measure": "PFT"},
    {"model": "inverse_variance", "to": "all", "add": 0.25},
]
TWO = [
    {"measure": "OR"},
    {"measure": "RR", "drop00": True},
    {"measure": "RD"},
    {"measure": "AS"},
    {"measure": "PETO"},
    {"measure": "RR", "model": "common"},
    {"measure": "OR", "model": "mantel_haenszel"},
    {"measure": "RR", "model": "mantel_haenszel"},
    {"measure": "RD", "model": "mantel_haenszel"},
    {"model": "peto"},
    {"model": "UM.FS"},
    {"model": "CM.EL"},
    {"model": "CM.AL", "ci": "z", "prediction": "z"},
]
TIMED = [{"measure": m} for m in ("IRLN", "IR", "IRS", "IRFT")]
EVENTS, TOTAL = [0, 3, 9, 4, 14, 2], [12, 20, 31, 9, 40, 33]
CONTROL = {"events_control": [2, 6, 8, 5, 15, 9], "total_control": [14, 19, 30, 11, 38, 35]}
TIME = {"person_time": [10.5, 31.0, 44.0, 9.0, 80.5, 61.0]}
TIME2 = {"person_time_control": [9.0, 30.0, 51.0, 12.0, 77.0, 58.5]}
CASES = [
    *(({"events": EVENTS, "total": TOTAL}, c) for c in ONE),
    *(({"events": EVENTS, "total": TOTAL, **CONTROL}, c) for c in TWO),
    *(({"events": EVENTS, **TIME}, c) for c in TIMED),
    *(({"events": EVENTS, "events_control": CONTROL["events_control"], **TIME, **TIME2}, {"measure": m}) for m in ("IRR", "IRD")),
]
NAMES = [" ".join(map(str, c.values())) or "default" for _, c in CASES]


def close(ours, theirs, name, rtol=1e-12):
    if theirs is None:
        assert np.isnan(ours), name
    else:
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=1e-13, err_msg=name)


@pytest.mark.parametrize(("data", "choices"), CASES, ids=NAMES)
def test_padded_arrays_give_the_numbers_of_single_fits(data, choices):
    # The last row has the studies in another order and three absent ones in between.
    k = len(EVENTS)
    order = [4, 1, 0, 5, 2, 3]
    arrays = {name: np.full((3, k + 3), np.nan) for name in data}
    for name, values in data.items():
        arrays[name][0, :k] = values
        arrays[name][1, : k - 2] = values[2:]
        arrays[name][2, [0, 1, 3, 4, 6, 8]] = np.array(values)[order]
    made = mn.pool_arrays(**arrays, **choices)
    whole, part = mn.pool(**data, **choices), mn.pool(**{n: v[2:] for n, v in data.items()}, **choices)
    for name in whole.numbers():
        if name in ("status", "model", "measure", "level", "tau", "log_evidence"):
            continue
        for row, fit in ((0, whole), (1, part)):
            # Products of matrices of a posterior round by the length of the batch.
            close(getattr(made, name)[row], getattr(fit, name), name, rtol=1e-10 if fit.model == "bayes" else 1e-12)
        # Another order of the studies changes the rounding of the sums, and with it a root by a little more.
        close(getattr(made, name)[2], getattr(whole, name), name, rtol=1e-7)
    assert made.status.tolist() == [whole.status, part.status, whole.status]


@pytest.mark.parametrize(("data", "choices"), CASES, ids=NAMES)
def test_groups_of_a_frame_give_the_numbers_of_single_fits(data, choices):
    frame = pd.DataFrame(data)
    frame["g"] = ["a", "a", "b", "b", "b", "b"]
    many = mn.pool_many(frame, "g", **choices)
    for row, (_, part) in zip(many.to_dict("records"), frame.groupby("g"), strict=True):
        fit = mn.pool(part, **{name: name for name in data}, **choices)
        assert row["status"] == fit.status
        rtol = 1e-10 if fit.model == "bayes" else 1e-12
        for name in ("estimate", "mu", "se", "tau2", "q", "ci_lower", "pi_upper"):
            close(np.nan if row[name] is None else row[name], getattr(fit, name), name, rtol=rtol)


@pytest.mark.parametrize(("data", "choices"), CASES, ids=NAMES)
def test_every_model_has_its_views_and_its_diagnostic(data, choices):
    fit = mn.pool(**data, **choices, study=list("abcdef"))
    assert fit.status == "pooled"
    for text in (fit.summary(), repr(fit), fit._repr_html_(), fit.sentence(), fit.method.sentence()):
        assert "nan" not in text.lower().replace("finan", "")
        assert "None" not in text
    assert len(fit.studies) == 6
    assert fit.weights.sum() == pytest.approx(1)
    assert (fit.weights >= 0).all()
    assert fit.to_dict()["method"]["version"] == mn.__version__
    assert fit.ci_lower <= fit.estimate <= fit.ci_upper
    if fit.pi_lower is not None and fit.method["prediction"] != "HK":
        assert fit.pi_lower <= fit.ci_lower + 1e-9 or "prediction interval does not hold" in " ".join(fit.notes)
    without = mn.leave_one_out(fit).to_frame()
    for i in (0, 3):
        rest = mn.pool(**{n: [x for j, x in enumerate(v) if j != i] for n, v in data.items()}, **choices)
        assert without["estimate"][i] == pytest.approx(rest.estimate, rel=1e-8, abs=1e-12)


def test_threads_change_nothing():
    rng = np.random.default_rng(3)
    total = rng.integers(5, 80, (700, 9)).astype(float)
    events = rng.binomial(total.astype(int), 0.3).astype(float)
    one, two = mn.pool_arrays(events, total, model="glmm"), mn.pool_arrays(events, total, threads=2, model="glmm")
    for field in dataclasses.fields(one):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(two, field.name))


def integrated(term, mu, tau):
    """Log of the integral of a study's probability over its normal predictor."""
    value = quad(lambda z: np.exp(term(mu + tau * z)) * norm.pdf(z), -9, 9, epsabs=0, epsrel=1e-11, limit=400)[0]
    return np.log(value)


@pytest.mark.parametrize(
    ("link", "rate"), [("probit", ndtr), ("cloglog", lambda t: -np.expm1(-np.exp(t))), ("logit", lambda t: 1 / (1 + np.exp(-t)))]
)
def test_the_likelihood_of_every_link_is_that_of_direct_integration(link, rate):
    fit = mn.pool(events=EVENTS, total=TOTAL, link=link, model="glmm")
    direct = sum(
        integrated(lambda t, e=e, n=n: binom.logpmf(e, n, np.clip(rate(t), 1e-300, 1)), fit.mu, fit.tau)
        for e, n in zip(EVENTS, TOTAL, strict=True)
    )
    assert fit.loglik == pytest.approx(direct, rel=1e-9)
    assert fit.estimate == pytest.approx(rate(fit.mu), rel=1e-12)
    averaged = quad(lambda z: rate(fit.mu + fit.tau * z) * norm.pdf(z), -10, 10, epsrel=1e-11)[0]
    assert fit.marginal_estimate == pytest.approx(averaged, rel=1e-8)
    # No point nearby is higher.
    for du, dt in ((0.02, 0), (-0.02, 0), (0, 0.02), (0, -0.02)):
        other = sum(
            integrated(lambda t, e=e, n=n: binom.logpmf(e, n, np.clip(rate(t), 1e-300, 1)), fit.mu + du, fit.tau + dt)
            for e, n in zip(EVENTS, TOTAL, strict=True)
        )
        assert other < fit.loglik


def test_the_poisson_normal_likelihood_is_that_of_direct_integration():
    fit = mn.pool(events=EVENTS, **TIME, model="glmm")
    assert (fit.measure, fit.model, fit.title) == ("IRLN", "glmm", "Poisson-normal model")
    pairs = list(zip(EVENTS, TIME["person_time"], strict=True))
    direct = sum(integrated(lambda t, e=e, n=n: poisson.logpmf(e, n * np.exp(t)), fit.mu, fit.tau) for e, n in pairs)
    assert fit.loglik == pytest.approx(direct, rel=1e-9)
    assert fit.estimate == pytest.approx(np.exp(fit.mu))
    assert fit.marginal_estimate == pytest.approx(np.exp(fit.mu + fit.tau2 / 2), rel=1e-6)


def test_the_conditional_likelihood_is_that_of_the_noncentral_hypergeometric_distribution():
    fit = mn.pool(events=EVENTS, total=TOTAL, **CONTROL, model="CM.EL")

    def term(theta, a, n1, c, n2):
        x = np.arange(max(0, a + c - n2), min(n1, a + c) + 1)
        weight = -(gammaln(x + 1) + gammaln(n1 - x + 1) + gammaln(a + c - x + 1) + gammaln(n2 - a - c + x + 1)) + x * theta
        return weight[x == a][0] - np.logaddexp.reduce(weight)

    rows = zip(EVENTS, TOTAL, CONTROL["events_control"], CONTROL["total_control"], strict=True)
    direct = sum(integrated(lambda t, r=r: term(t, *r), fit.mu, fit.tau) for r in rows)
    assert fit.loglik == pytest.approx(direct, rel=1e-9)


def test_no_events_over_person_time_have_garwoods_interval():
    fit = mn.pool(events=[0, 0], person_time=[10.0, 30.0], model="glmm")
    assert fit.status == "no events"
    assert fit.estimate == 0
    # -log(0.025) / 40
    assert fit.ci_upper == pytest.approx(3.6888794541139363 / 40)


@pytest.mark.parametrize("choices", [c for c in TWO if c.get("measure") != "RR"], ids=str)
def test_exchanging_the_groups_turns_the_effect_around(choices):
    there = mn.pool(events=EVENTS, total=TOTAL, **CONTROL, **choices)
    swapped = {"events": CONTROL["events_control"], "total": CONTROL["total_control"]}
    back = mn.pool(**swapped, events_control=EVENTS, total_control=TOTAL, **choices)
    assert back.mu == pytest.approx(-there.mu, rel=1e-7, abs=1e-9)
    assert back.se == pytest.approx(there.se, rel=1e-6)


@pytest.mark.parametrize("model", ["UM.FS", "UM.RS", "CM.EL", "CM.AL", "mantel_haenszel"])
def test_one_arm_without_any_event_has_no_finite_ratio_and_says_so(model):
    fit = mn.pool(events=[0, 0, 0], total=[20, 15, 30], events_control=[5, 6, 2], total_control=[30, 40, 25], model=model)
    assert fit.status == "not estimable"
    assert fit.estimate is None
    assert "no events" in fit.notes[0]


def test_studies_without_events_in_both_groups_are_named_where_they_say_nothing():
    fit = mn.pool(
        events=[0, 3, 4, 2], total=[20, 20, 20, 21], events_control=[0, 5, 2, 6], total_control=[22, 19, 21, 20], model="CM.EL"
    )
    assert fit.method["studies_dropped"] == 1
    assert any("1 study of those counted here is excluded" in note for note in fit.notes)
    assert fit.q_df == 2
    assert fit.weights[0] == 0


counts = st.lists(st.integers(2, 60).flatmap(lambda n: st.tuples(st.integers(1, n - 1), st.just(n))), min_size=2, max_size=9)


@settings(max_examples=40, deadline=None)
@given(counts)
def test_merging_identical_studies_changes_no_common_effect(studies):
    events, total = [e for e, _ in studies], [n for _, n in studies]
    once = mn.pool(events=[*events, 2 * events[0]], total=[*total, 2 * total[0]], model="common", measure="PLO")
    twice = mn.pool(events=[*events, events[0], events[0]], total=[*total, total[0], total[0]], model="common")
    assert twice.mu == pytest.approx(once.mu, rel=1e-9, abs=1e-12)
    assert twice.se == pytest.approx(once.se, rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(counts, st.sampled_from([{}, {"link": "probit"}, {"model": "beta_binomial"}, {"measure": "PAS"}, {"measure": "PR"}]))
def test_the_complement_mirrors_the_rate(studies, choices):
    events, total = [e for e, _ in studies], [n for _, n in studies]
    fit = mn.pool(events=events, total=total, **choices)
    other = mn.pool(events=[n - e for e, n in studies], total=total, **choices)
    assert other.estimate == pytest.approx(1 - fit.estimate, abs=1e-7)
    assert other.ci_upper == pytest.approx(1 - fit.ci_lower, abs=1e-7)


@settings(max_examples=30, deadline=None)
@given(counts, st.sampled_from(ONE))
def test_intervals_nest_in_the_level(studies, choices):
    events, total = [e for e, _ in studies], [n for _, n in studies]
    narrow, wide = (mn.pool(events=events, total=total, level=level, **choices) for level in (0.8, 0.95))
    for name in ("ci", "pi", "tau2"):
        inner, outer = ([getattr(f, f"{name}_{end}") for end in ("lower", "upper")] for f in (narrow, wide))
        if None not in (*inner, *outer):
            slack = 1e-7 * max(1.0, abs(inner[0]), abs(inner[1]) if np.isfinite(inner[1]) else 1.0)
            assert outer[0] <= inner[0] + slack
            assert inner[1] <= outer[1] + slack


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"link": "log"}, "link='log' is not known for measure='PLO'"),
        ({"link": "probit", "model": "inverse_variance"}, "link='probit' has no meaning"),
        ({"add": 0.5, "model": "glmm"}, "add=0.5 has no meaning for model='glmm'"),
        ({"add": -1, "model": "inverse_variance"}, "add=-1 must be a number that is not negative"),
        ({"to": "allways", "model": "inverse_variance"}, "to='allways' is not known.*Did you mean 'all'"),
        ({"drop00": True, "model": "inverse_variance"}, "drop00=True has no meaning"),
        ({"tau2": "DL", "model": "common"}, "tau2='DL' has no meaning for model='common'"),
        ({"prediction": "KR", "model": "common"}, "prediction='KR' has no meaning"),
        ({"prediction": "bootstrap"}, "prediction='bootstrap' is not known for model='bayes'"),
        ({"tau2_ci": "Jackson"}, "tau2_ci='Jackson' is not known for model='bayes'"),
        ({"ci": "z"}, "ci='z' is not known for model='bayes'.*Fix: name the model as well, such as model='glmm'"),
        ({"tau2_ci": "profile", "model": "inverse_variance", "tau2": "DL"}, "tau2_ci='profile' needs a likelihood"),
        ({"ci": "profile", "model": "inverse_variance"}, "Fix: tau2='ML'"),
        ({"i2": "tau2", "model": "common"}, "i2='tau2' has no meaning"),
        ({"study_interval": "Wald"}, "study_interval='Wald' is not known"),
        ({"measure": "OR"}, "events_control is missing; measure='OR' takes"),
        ({"events_control": [1, 2], "total_control": [5, 5], "model": "glmm"}, "measure='OR' is not known for model='glmm'"),
        ({"events_control": [1, 2]}, "total_control is missing"),
        ({"events_control": [1, 9], "total_control": [5, 5]}, r"events_control\[1\]=9.*more than total_control\[1\]=5"),
        ({"person_time": [1.0, 2.0]}, "total does not go with measure='IRLN'"),
        ({"preset": "RevMan"}, "Did you mean 'revman'"),
    ],
)
def test_a_choice_that_cannot_have_an_effect_is_refused(arguments, words):
    with pytest.raises(mn.ArgumentError, match=words):
        mn.pool(events=[1, 2], total=[9, 9], **arguments)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"events": [[1.0, 2.0]], "total": [[5.0, np.nan]]}, r"events\[0, 1\] and total\[0, 1\]: one is missing"),
        ({"events": [[1.5, 2.0]], "total": [[5.0, 5.0]]}, r"events\[0, 0\]=1.5 is not a count"),
        ({"events": [[1.0, 7.0]], "total": [[5.0, 5.0]]}, r"events\[0, 1\]=7 is more than total\[0, 1\]=5"),
        ({"events": [[1.0]], "total": [[0.0]]}, r"total\[0, 0\]=0 is not a number of patients"),
        ({"events": [1.0], "total": [5.0]}, "events must be a two-dimensional array"),
        ({"events": [[True]], "total": [[1]]}, "events must be a two-dimensional array"),
        ({"events": [["1"]], "total": [["2"]]}, "events must be a two-dimensional array"),
        ({"events": [[1.0]], "total": [[5.0, 6.0]]}, "differ in shape"),
        ({"events": [[1.0]]}, "total is missing"),
        ({"yi": [[1.0]], "vi": [[-1.0]]}, r"vi\[0, 0\]=-1 must be above zero"),
        (
            {"events": [[1.0]], "total": [[5.0]], "modell": "glmm"},
            "argument='modell' is not known to pool_arrays. Did you mean 'model'",
        ),
        ({"events": [[1.0]], "total": [[5.0]], "threads": 0}, "threads=0 must be a whole number"),
    ],
)
def test_bad_arrays_are_one_error_that_names_row_and_column(arrays, words):
    with pytest.raises(mn.ArgumentError, match=words):
        mn.pool_arrays(**arrays)


def test_presets_give_the_numbers_of_their_programs():
    events, total = reference_counts("pritz1997")
    wanted = load("pritz1997")
    fits = {name: mn.pool(events=events, total=total, preset=name) for name in ("metafor", "meta", "revman")}
    # metafor: logit, REML, normal quantiles (traps.md 10: prediction 0.466 to 0.918).
    models = wanted["fits"]["PLO"]["models"]
    rma = next(m for m in models if m["method"] == "REML" and m["test"] == "z")
    for name in ("metafor", "revman"):
        np.testing.assert_allclose([fits[name].mu, fits[name].mu_lower], [rma["estimate"], rma["ci_lower"]], rtol=1e-6)
        assert (round(fits[name].pi_lower, 3), round(fits[name].pi_upper, 3)) == (0.466, 0.918)
        np.testing.assert_allclose(100 * fits[name].i2, rma["I2"], rtol=1e-6)
    # meta: GLMM, normal interval, I2 from Wald's Q (48.2 %), t with k - 1 for the prediction.
    meta = fits["meta"]
    glmm = wanted["glmm_plo"]
    assert meta.model == "glmm"
    np.testing.assert_allclose(
        [meta.mu, meta.mu_lower, meta.mu_upper], [glmm[k] for k in ("estimate", "ci_lower", "ci_upper")], rtol=1e-4
    )
    assert round(100 * meta.i2, 1) == 48.2
    assert "the defaults of meta" in meta.method.sentence()
    # meta by inverse variance: prediction "V" is 0.434 to 0.927 (traps.md 10), I2 from Q 56.35.
    inverse = mn.pool(events=events, total=total, model="inverse_variance", ci="z", prediction="V", i2="Q")
    assert (round(inverse.pi_lower, 3), round(inverse.pi_upper, 3)) == (0.434, 0.927)
    assert round(100 * inverse.i2, 2) == 56.35
    # A word that is named stands.
    assert mn.pool(events=events, total=total, preset="metafor", ci="HK").method["ci"] == "HK"
    assert mn.pool(events=events, total=total, preset="metafor", ci="HK").method["prediction"] == "HK"
    two = mn.pool(events=EVENTS, total=TOTAL, **CONTROL, preset="meta")
    assert (two.measure, two.method["prediction"], two.method["i2"]) == ("RR", "V", "Q")


def test_the_kenward_roger_interval_of_two_studies_is_replaced_and_says_so():
    fit = mn.pool(yi=[0.1, 1.9], vi=[0.01, 0.3], ci="KR")
    hoc = mn.pool(yi=[0.1, 1.9], vi=[0.01, 0.3], ci="HK-adhoc")
    assert (fit.mu_lower, fit.mu_upper) == (hoc.mu_lower, hoc.mu_upper)
    assert any("Kenward-Roger" in note for note in fit.notes)


def test_the_beta_binomial_model_prints_mean_and_median():
    fit = mn.pool(events=EVENTS, total=TOTAL, model="beta_binomial")
    assert fit.estimate == fit.marginal_estimate
    assert fit.rho is not None
    assert fit.median is not None
    assert fit.median < fit.estimate
    assert "Median rate" in repr(fit)
    assert "mean rate" in fit.sentence()


def test_a_preset_goes_as_far_as_the_model_knows_its_words():
    counts = {"events": [3, 9, 2, 15], "total": [21, 40, 18, 35]}
    assert (lambda m: (m["ci"], m["prediction"]))(mn.pool(**counts, preset="metafor", model="glmm").method) == ("z", "z")
    inverse = mn.pool(**counts, preset="meta", model="inverse_variance").method
    assert (inverse["ci"], inverse["prediction"], inverse["i2"]) == ("z", "V", "Q")
    assert mn.pool(**counts, preset="metafor", model="common").method["i2"] == "Q"
    # metafor with the t test: prediction -3.599 to 1.209 on the logit scale.
    wanted = mn.pool(**counts, preset="metafor", ci="t")
    assert wanted.method["prediction"] == "V"
    assert round(float(np.log(wanted.pi_lower / (1 - wanted.pi_lower))), 3) == -3.599


@pytest.mark.parametrize("model", ["UM.FS", "CM.EL", "CM.AL"])
def test_a_single_informative_study_is_shown_as_itself(model):
    fit = mn.pool(events=[0, 3], total=[20, 20], events_control=[0, 5], total_control=[22, 19], model=model)
    assert fit.status == "not pooled"
    alone = mn.effect_sizes(measure="OR", events=[3], total=[20], events_control=[5], total_control=[19])
    assert fit.mu == pytest.approx(alone["yi"][0])
    assert any("1 study of those counted here" in note for note in fit.notes)


def test_a_correction_is_named_where_it_makes_the_effect_and_only_there():
    fit = mn.pool(events=[0], total=[20], events_control=[0], total_control=[22])
    assert any("0.5 was added" in note for note in fit.notes)
    arcsine = mn.pool(events=[0, 0, 0], total=[20, 30, 12], measure="PAS")
    assert not any("correction" in note for note in arcsine.notes)
    assert any("transformation" in note for note in arcsine.notes)
    rates = mn.pool(events=[0, 4, 7], person_time=[12.0, 30.0, 41.0], model="inverse_variance")
    assert "0.5 to the events" in rates.method["continuity_correction"]
    assert mn.pool(events=EVENTS, total=TOTAL, **CONTROL, model="peto").method["weights"] == "hypergeometric variance"


def test_the_words_on_heterogeneity_follow_the_model():
    arcsine = mn.pool(events=EVENTS, total=TOTAL, measure="PAS")
    text = mn.heterogeneity_text(arcsine)
    assert "arcsine scale" in text
    low, high = (mn.back_transform(arcsine.mu + s * arcsine.tau, "PAS") for s in (-1, 1))
    assert f"{100 * low:.1f} % and {100 * high:.1f} %" in text
    beta = mn.heterogeneity_text(mn.pool(events=EVENTS, total=TOTAL, model="beta_binomial"))
    assert "the mean of the true rates is" in beta
    assert "either side of the median" not in beta


def test_small_numbers_keep_two_digits_and_their_intervals_the_same():
    fit = mn.pool(events=[26, 27, 25], person_time=[50_000, 52_000, 48_000], model="glmm")
    assert "0.00052" in fit.sentence()
    assert "e-0" not in fit.sentence()
    rare = mn.pool(events=[52, 60, 48, 55], total=[100_000, 110_000, 95_000, 105_000], model="glmm")
    assert "0.052 % (95 % CI 0.042 to 0.065 %)" in rare.sentence()


def test_the_prediction_interval_follows_the_floored_error():
    data = {"events": [6, 13, 17, 9], "total": [20, 40, 60, 30], "events_control": [4, 9, 12, 6], "total_control": [20, 40, 60, 30]}
    fit = mn.pool(**data, measure="RD", ci="HK-adhoc", prediction="HK")
    # metafor: rma(test="adhoc") and predict().
    assert (round(fit.pi_lower, 4), round(fit.pi_upper, 4)) == (-0.0656, 0.2519)


def test_walds_test_leaves_studies_without_a_finite_ratio_out():
    fit = mn.pool(events=[89, 12], total=[160, 22], events_control=[5, 42], total_control=[5, 105], model="CM.AL")
    assert fit.q == pytest.approx(0, abs=1e-12)
    corrected = mn.pool(events=[89, 12], total=[160, 22], events_control=[5, 42], total_control=[5, 105])
    assert corrected.q > 1


def test_one_study_with_an_effect_of_its_own_is_not_said_to_be_all_of_them():
    fit = mn.pool(events=[0, 0, 5], total=[10, 20, 30], model="inverse_variance", to="none")
    assert fit.status == "not pooled"
    assert "Of 3 studies only one" in fit.sentence()
    assert "5 of 60" not in fit.sentence()
    assert "normal" in fit.method.sentence()


@pytest.mark.parametrize("model", ["mantel_haenszel", "peto"])
def test_one_informative_study_is_not_pooled_by_the_classic_methods_either(model):
    fit = mn.pool(events=[0, 5, 0], total=[20, 20, 20], events_control=[0, 3, 0], total_control=[20, 20, 20], model=model)
    assert fit.status == "not pooled"
    assert fit.q is None


def test_a_common_rate_is_called_common():
    fit = mn.pool(events=EVENTS, total=TOTAL, model="common")
    assert "common rate" in fit.sentence()
    assert "median" not in fit.summary().lower()


def test_a_control_group_that_is_not_used_is_named():
    frame = pd.DataFrame({"events": EVENTS, "total": TOTAL, **CONTROL})
    assert any("were not used" in note for note in mn.pool(frame, model="glmm").notes)
    assert not any("were not used" in note for note in mn.pool(frame, measure="OR").notes)


def test_presets_leave_double_zero_studies_out_of_ratios_where_their_programs_do():
    data = {"events": [0, 5, 6], "total": [20, 20, 30], "events_control": [0, 9, 8], "total_control": [22, 21, 31]}
    assert [mn.pool(**data, preset=p).method["studies_dropped"] for p in ("metafor", "meta", "revman")] == [0, 1, 1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"measure": np.array(["PLO", "PR"])}, "measure must be a text"),
        ({"tau2": pd.NA}, "tau2 must be a text"),
        ({"level": 1 - 1e-16}, "too close to 0 or 1"),
        ({"events": [np.complex128(1 + 5j), 2]}, r"events\[0\].*is not a number"),
        ({"events": [np.array("5"), 2]}, r"events\[0\].*is not a number"),
        ({"events": np.array(["2020-01-01", "2020-01-02"], "datetime64[ns]")}, "contains dates"),
    ],
)
def test_hostile_choices_and_values_are_refused_in_words(arguments, words):
    with pytest.raises(mn.ArgumentError, match=words):
        mn.pool(**{"events": [1, 2], "total": [9, 9], **arguments})
    with pytest.raises(mn.ArgumentError, match="too small to be computed with"):
        mn.pool(yi=[1.0, 2.0], vi=[1e-320, 1.0])
