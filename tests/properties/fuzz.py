"""Random data sets, hard ones among them, through every model and choice: finite or a stated reason, never a silent NaN.

    python -m tests.properties.fuzz [--sets 50000]

runs the whole of it and prints what was done; the test suite runs a part.
"""

from __future__ import annotations

import argparse
import warnings
from collections import Counter

import numpy as np
from scipy.special import expit

import metanet as mn
from metanet.kernels.beta_binomial import fit as beta_binomial, fit as beta_binomial_profile, likelihood
from metanet.kernels.inverse_variance import tau2
from metanet.kernels.inverse_variance.tau2 import Problem
from metanet.kernels.normal_effect import fit as random_effect_fit
from metanet.kernels.normal_effect.ascent import maximise
from metanet.kernels.normal_effect.random_effect import RULES
from metanet.kernels.normal_effect.study_likelihoods import BinomialCloglog, BinomialLogit, BinomialProbit, Poisson
from metanet.models.pooling.batch import STATUSES, Batch
from metanet.models.registry import MODELS, TAU2

#: Numbers that may be infinite, where the data set no limit.
OPEN = ("tau2_upper", "h2_upper", "mu_lower", "mu_upper")
#: Numbers that exist for every pooled row, whatever the model.
ALWAYS = ("k", "estimate", "ci_lower", "ci_upper", "mu", "se", "mu_lower", "mu_upper", "q_df")
RANDOM = ("tau2", "tau2_lower", "tau2_upper", "i2", "i2_lower", "i2_upper")


def sizes(rng: np.random.Generator, b: int, width: int) -> np.ndarray:
    """Totals ``[b, width]``: 1 to 40 studies of 1 to 5,000 patients, NaN where absent; in some sets one study is huge."""
    k = np.minimum(rng.integers(1, width + 1, b), np.where(rng.random(b) < 0.5, 6, width))
    largest = rng.choice([10, 60, 400, 5000], b)
    total = np.exp(rng.random((b, width)) * np.log(largest)[:, None]).round().clip(1)
    total[:, 0] = np.where(rng.random(b) < 0.1, rng.choice([5_000, 200_000, 5_000_000], b), total[:, 0])
    total[np.arange(width) >= k[:, None]] = np.nan
    return total


def counts(rng: np.random.Generator, total: np.ndarray) -> np.ndarray:
    """Events with rates from 0 to 1 and tau2 from 0 to 10; some sets without events, some with events only, some with both ends."""
    b = total.shape[0]
    mu = rng.uniform(-8, 8, b)
    tau = np.sqrt(rng.choice([0.0, 0.01, 0.1, 0.5, 1.0, 3.0, 10.0], b))
    p = expit(mu[:, None] + tau[:, None] * rng.standard_normal(total.shape))
    kind = rng.random(b)
    p[kind < 0.04] = 0.0
    p[(kind >= 0.04) & (kind < 0.08)] = 1.0
    both = (kind >= 0.08) & (kind < 0.12)
    p[both] = rng.integers(0, 2, (int(both.sum()), total.shape[1]))
    gone = np.isnan(total)
    return np.where(gone, np.nan, rng.binomial(np.where(gone, 0, total).astype(np.int64), p))


def check(made: Batch, what: str, *, rate: bool, random: bool, predicted: bool) -> Counter[str]:
    """Every row has an answer or a reason, and what belongs together fits together."""
    assert set(made.status) <= set(STATUSES), what
    posterior = np.bool_("bayes" in what or what == "IRLN")
    pooled = made.status == "pooled"
    for name in (*ALWAYS, *(RANDOM if random else ())):
        values = getattr(made, name)[pooled]
        missing = np.isnan(values)
        if name in ("tau2_lower", "tau2_upper", "i2_lower", "i2_upper"):
            missing &= ~made.empty_tau2[pooled]
        if name in ("i2_lower", "i2_upper") and "from Q" in what:
            missing &= made.k[pooled] - made.dropped[pooled] > 2
        if name in ("i2", "i2_lower", "i2_upper", "h2", "h2_lower", "h2_upper", "q", "q_pvalue", "lrt", "lrt_pvalue"):
            # A posterior exists without events, or with events only; a test of equal rates and I2 do not.
            missing &= ~((made.events == 0) | (made.events == made.n))[pooled] | ~posterior
        assert not missing.any(), f"{what}: {name} is NaN in a pooled row"
        if name not in OPEN:
            assert np.isfinite(values[~np.isnan(values)]).all(), f"{what}: {name} is infinite"
    answered = pooled | (made.status == "not pooled") | (made.status == "no events") | (made.status == "only events")
    low, value, high = (getattr(made, name)[answered] for name in ("ci_lower", "estimate", "ci_upper"))
    if "not pooled" not in made.status or rate:
        assert (low <= value + 1e-12 * np.abs(value)).all(), f"{what}: the interval does not hold the estimate"
        assert (value <= high + 1e-12 * np.abs(value)).all(), f"{what}: the interval does not hold the estimate"
    if rate:
        assert ((low >= 0) & (high <= 1)).all(), f"{what}: a rate outside of 0 to 1"
    if random:
        assert (made.tau2[pooled] >= 0).all(), what
        i2 = made.i2[pooled]
        assert ((i2 >= 0) & (i2 <= 1) | np.isnan(i2) & posterior).all(), what
    if predicted:
        enough = pooled & (made.k > 2)
        gone = np.isnan(made.pi_lower[enough]) | np.isnan(made.pi_upper[enough])
        assert not gone.any() or "KR" in what or (made.dropped[enough][gone] > 0).all(), f"{what}: no prediction interval"
        assert (made.pi_lower[enough][~gone] <= made.pi_upper[enough][~gone]).all(), what
    weight = np.nansum(made.weights[pooled], -1)
    assert np.allclose(weight, 1, atol=1e-9), f"{what}: weights do not sum to one"
    lost = made.status == "not estimable"
    for name in ("estimate", "ci_lower", "mu", "tau2"):
        assert np.isnan(getattr(made, name)[lost]).all(), f"{what}: a number where there is no estimate"
    return Counter(made.status.tolist())


def one_group(seed: int, b: int, *, profile: int) -> dict[str, Counter[str]]:
    """Every model, estimator and interval for rates of one group."""
    rng = np.random.default_rng(seed)
    total = sizes(rng, b, 40)
    events = counts(rng, total)
    done = {}

    def run(what: str, rows: int = b, **choices: object) -> None:
        random = choices.get("model") != "common"
        made = mn.pool_arrays(events[:rows], total[:rows], **choices)
        done[what] = check(made, what, rate=True, random=random, predicted=random and choices.get("prediction", "HTS") is not None)

    run("bayes")
    run("bayes probit", profile, link="probit")
    run("bayes cloglog", profile, link="cloglog")
    run("glmm", model="glmm")
    run("glmm z", model="glmm", ci="z", prediction="z")
    run("glmm profile", profile, model="glmm", ci="profile")
    run("glmm probit", profile, model="glmm", link="probit")
    run("glmm cloglog", profile, model="glmm", link="cloglog")
    run("beta-binomial", model="beta_binomial")
    run("beta-binomial profile", profile, model="beta_binomial", ci="profile")
    for estimator in TAU2:
        run(f"logit {estimator}", model="inverse_variance", tau2=estimator)
    for ci in MODELS["inverse_variance"].ci:
        if ci != "profile":
            run(f"logit {ci}", model="inverse_variance", ci=ci, prediction="HK")
    run("logit profile", profile, model="inverse_variance", tau2="ML", ci="profile", tau2_ci="profile")
    run("logit Jackson, KR", profile, model="inverse_variance", tau2_ci="Jackson", prediction="KR")
    run("logit bootstrap", max(1, profile // 20), model="inverse_variance", prediction="bootstrap")
    for measure in ("PR", "PLN", "PAS", "PFT"):
        run(f"{measure}, I2 from Q", measure=measure, prediction="z", i2="Q")
        run(f"common {measure}", measure=measure, model="common")
    run("common", model="common")
    for to in ("if0all", "all", "none"):
        run(f"logit to={to}", model="inverse_variance", to=to)
    time_at_risk = np.where(np.isnan(total), np.nan, total * rng.uniform(0.1, 3, total.shape))
    for measure in ("IRLN", "IR", "IRS", "IRFT"):
        made = mn.pool_arrays(events, person_time=time_at_risk, measure=measure)
        done[measure] = check(made, measure, rate=False, random=True, predicted=True)
    return done


def two_groups(seed: int, b: int, *, exact: int) -> dict[str, Counter[str]]:
    """Every model and measure for two groups."""
    rng = np.random.default_rng(seed)
    total = sizes(rng, b, 25)
    control = np.where(np.isnan(total), np.nan, np.maximum(1, (total * rng.uniform(0.3, 2, total.shape)).round()))
    columns = {"events": counts(rng, total), "total": total, "events_control": counts(rng, control), "total_control": control}
    done = {}

    def run(what: str, rows: int = b, **choices: object) -> None:
        part = {name: values[:rows] for name, values in columns.items()}
        made = mn.pool_arrays(**part, **choices)
        random = choices.get("model", "inverse_variance") not in ("common", "mantel_haenszel", "peto")
        done[what] = check(made, what, rate=False, random=random, predicted=random)

    for measure in ("OR", "RR", "RD", "AS", "PETO"):
        run(measure, measure=measure)
        run(f"{measure} drop00", measure=measure, drop00=True)
        run(f"common {measure}", measure=measure, model="common")
    for measure in ("OR", "RR", "RD"):
        run(f"Mantel-Haenszel {measure}", measure=measure, model="mantel_haenszel")
    run("Peto", model="peto")
    run("CM.AL", exact, model="CM.AL")
    small = np.nan_to_num(columns["total"]).max(-1) <= 400
    chosen = np.flatnonzero(small)[: max(1, exact // 4)]
    for model in ("CM.EL", "UM.FS", "UM.RS"):
        rows = chosen if model != "UM.RS" else chosen[: max(1, exact // 40)]
        part = {name: values[rows] for name, values in columns.items()}
        done[model] = check(mn.pool_arrays(**part, model=model), model, rate=False, random=True, predicted=True)
    return done


def maxima(seed: int, b: int) -> dict[str, float]:
    """By how much a point of a grid beats the returned maximum at most: the likelihoods of single counts, REML and ML."""
    rng = np.random.default_rng(seed)
    total = np.nan_to_num(sizes(rng, b, 20))
    events = np.nan_to_num(counts(rng, np.where(total > 0, total, np.nan)))
    several = ((total > 0).sum(-1) > 1) & (events.sum(-1) > 0) & (events.sum(-1) < total.sum(-1))
    events, total = events[several], total[several]
    worst = {}
    allowed = 1e-9 + 1e-14 * total.sum(-1)
    control = np.where(total > 0, np.maximum(1.0, (total * rng.uniform(0.3, 2.0, total.shape)).round()), 0.0)
    other = np.nan_to_num(counts(rng, np.where(control > 0, control, np.nan)))
    with np.errstate(divide="ignore", invalid="ignore"):
        offset = np.where(total > 0, np.log(total) - np.log(control), 0.0)
    likelihoods = {
        "GLMM": BinomialLogit(events, total),
        "probit": BinomialProbit(events, total),
        "cloglog": BinomialCloglog(events, total),
        "Poisson": Poisson(events, total * rng.uniform(0.1, 3.0, total.shape)),
        "CM.AL": BinomialLogit(events, events + other, offset),
    }
    for name, studies in likelihoods.items():
        fit = random_effect_fit.fit(studies)
        usable = np.flatnonzero(fit.settled)
        part = studies.take(usable)
        worst[name] = -np.inf
        for tau in (0.0, 0.03, 0.1, 0.25, 0.5, 0.9, 1.5, 2.5, 4.0, 7.0, 12.0):
            rule = RULES[1 if tau < 1 else 3]
            height = maximise(random_effect_fit.Mean(part), fit.mu[usable, None], np.full(usable.size, tau), rule)[1]
            worst[name] = max(worst[name], float((height - fit.loglik[usable] - allowed[usable]).max()))
    beta = beta_binomial.fit(events, total)
    usable = np.flatnonzero(beta.settled)
    table = likelihood.count(events[usable], total[usable])
    worst["beta-binomial"] = -np.inf
    for psi in (0.0, 1e-4, 1e-3, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 20.0):
        height = beta_binomial_profile.maximise_mu(table, beta.mu[usable], np.full(usable.size, psi))[1]
        worst["beta-binomial"] = max(worst["beta-binomial"], float((height - beta.loglik[usable] - allowed[usable]).max()))
    present = total > 0
    x, n = events + 0.5, total + 1.0
    y = np.where(present, np.log(x / (n - x)), 0.0)
    v = np.where(present, 1 / x + 1 / (n - x), np.inf)
    for kind, estimator in (("restricted", tau2.reml), ("full", tau2.ml)):
        problem = Problem(np.ascontiguousarray(y.T), np.ascontiguousarray(v.T), kind)
        best = problem.loglik(estimator(y, v))
        grid = [0.0, *np.geomspace(1e-6, 300, 200)]
        highest = np.max([problem.loglik(np.full(len(y), t)) for t in grid], axis=0)
        worst[kind] = float((highest - best).max())
    return worst


def main() -> None:
    """Run it all and print what was done."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sets", type=int, default=50_000)
    parser.add_argument("--first", type=int, default=0, help="where to begin")
    given = parser.parse_args()
    warnings.simplefilter("error")
    totals: dict[str, Counter[str]] = {}
    piece = 5_000
    for i in range(given.first, given.sets, piece):
        b = min(piece, given.sets - i)
        for part in (one_group(i, b, profile=b // 10), two_groups(i + 1, b, exact=b // 10)):
            for name, found in part.items():
                totals[name] = totals.get(name, Counter()) + found
        worst = maxima(i + 2, b // 5)
        print(f"{i + b} sets; grid above maximum: {worst}", flush=True)
    for name, found in totals.items():
        print(f"{name:<24} {dict(found)}")


if __name__ == "__main__":
    main()
