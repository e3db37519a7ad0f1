"""Filling a batch: effect sizes by inverse variance, and the exact models of one group."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, gammaln, xlogy

from metanet.base.arrays import Array
from metanet.effects.back_transforms import harmonic_mean
from metanet.effects.formulas import Effects
from metanet.effects.measures import MEASURES
from metanet.effects.study_intervals import clopper_pearson, poisson_exact
from metanet.kernels.beta_binomial import fit as beta_binomial, fit as beta_binomial_prediction, fit as beta_binomial_profile
from metanet.kernels.inverse_variance import (
    intervals,
    intervals as tau2_intervals,
    tau2 as tau2_estimators,
    two_step,
    two_step as heterogeneity,
    two_step as prediction,
)
from metanet.kernels.inverse_variance.intervals import MeanInterval
from metanet.kernels.inverse_variance.search import Kind
from metanet.kernels.normal_effect.fit import Fit, fit as fit_random_effect, mu_interval, tau_interval
from metanet.kernels.normal_effect.random_effect import LINKS, RULES, Link, averaged, common_mean, marginal_rate, posterior
from metanet.kernels.normal_effect.study_likelihoods import (
    BinomialCloglog,
    BinomialLogit,
    BinomialProbit,
    Hypergeometric,
    Likelihood,
    Poisson,
    log_binomial,
)
from metanet.kernels.numerics import distributions
from metanet.kernels.two_groups import mantel_haenszel
from metanet.models.options import Options
from metanet.models.pooling.batch import Batch, Data
from metanet.models.pooling.posterior import fill_posterior, to_response

Rows = NDArray[np.intp]


def effects_of(data: Data, options: Options) -> tuple[Array, Array, Array, Array]:
    """Effects and variances ``[b, k]`` (absent: 0 and inf), and how many studies of each row were corrected and dropped."""
    b = data.shape[0]
    if data.by_effect:
        return np.where(data.present, data["yi"], 0.0), data["vi"], np.zeros(b), np.zeros(b)
    measure = MEASURES[options.measure]
    counts = [data[name] for name in measure.arguments]
    found = measure.effects(*counts, **options.rules)
    # A variance of zero would be an infinite weight; such a study has no usable effect.
    usable = found.vi > 0
    gone = data.present & (np.isinf(found.vi) | ~usable)
    yi, vi = np.where(usable, found.yi, 0.0), np.where(usable, found.vi, np.inf)
    return yi, vi, (found.corrected & usable).sum(-1).astype(float), gone.sum(-1).astype(float)


def wald(found: Effects) -> Array:
    """Wald test of equal effects ``[b]``: the studies whose effect is finite by itself; a corrected one has a weight of zero."""
    inside = ~found.corrected & np.isfinite(found.vi)
    some = np.asarray(inside.any(-1))
    vi = np.where(inside | ~some[:, None], found.vi, np.inf)
    return np.where(some, two_step.weighted_mean(found.yi, vi, np.zeros(some.size)).q, np.nan)


def sizes_of(data: Data, options: Options, used: NDArray[np.bool_]) -> Array | None:
    """Harmonic mean of the sizes of the studies pooled ``[b]``, where the back-transformation needs it."""
    if data.by_effect or not MEASURES[options.measure].needs_size:
        return None
    values = data["person_time" if data.timed else "total"]
    return harmonic_mean(np.where(used, values, 0.0))


def back(options: Options, value: Array, size: Array | None) -> Array:
    """From the model scale to the response; NaN stays NaN."""
    if options.measure == "GEN":
        return value
    known = ~np.isnan(value)
    if size is not None:
        size = np.where(known & (size > 0), np.broadcast_to(size, value.shape), 1.0)
    made = MEASURES[options.measure].back(np.where(known, value, 0.0), size)
    return np.where(known, made, np.nan)


def edges_of(options: Options, size: Array | None) -> tuple[Array, ...]:
    """Where the response of the model scale has a corner."""
    return () if options.measure == "GEN" else MEASURES[options.measure].edges(size)


def fill_two_step(out: Batch, data: Data, options: Options) -> None:
    """One or several studies by inverse variance."""
    yi, vi, corrected, dropped = effects_of(data, options)
    out.corrected[:], out.dropped[:] = corrected, dropped
    used = np.isfinite(vi)
    count = used.sum(-1)
    size = sizes_of(data, options, used)
    single = np.flatnonzero(count == 1)
    if single.size:
        fill_single(out, single, yi, vi, options)
    several = np.flatnonzero(count > 1)
    if several.size:
        counts = None if data.by_effect or options.model != "mantel_haenszel_random" else data.rows(several)
        fill_pooled(out, several, yi[several], vi[several], options, counts)
    gone = np.flatnonzero((count == 0) & data.present.any(-1))
    out.put(gone, status="not estimable")
    for name in ("estimate", "ci_lower", "ci_upper", "pi_lower", "pi_upper"):
        getattr(out, name)[:] = back(options, getattr(out, name), size)
    own = None if size is None else np.broadcast_to(size[:, None], out.shrunken.shape)
    out.shrunken[:] = back(options, out.shrunken, own)
    if several.size and options.scale in ("rate", "rate per person-time") and not options.is_lean:
        fill_averaged(out, several, options, None if size is None else size[several])


def fill_single(out: Batch, rows: Rows, yi: Array, vi: Array, options: Options) -> None:
    """One usable study is shown with its own normal interval; nothing is pooled."""
    show_single(out, rows, yi[rows], vi[rows], options)


def show_single(out: Batch, rows: Rows, yi: Array, vi: Array, options: Options) -> None:
    """`fill_single` with the effects ``[rows, k]`` of the rows alone."""
    known = np.isfinite(vi)
    column, each = known.argmax(-1), np.arange(rows.size)
    mean, se = yi[each, column], np.sqrt(vi[each, column])
    half = distributions.two_sided_z(options.level) * se
    out.put(rows, status="not pooled", estimate=mean, mu=mean, se=se)
    out.put(rows, ci_lower=mean - half, ci_upper=mean + half, mu_lower=mean - half, mu_upper=mean + half)
    out.weights[rows] = np.where(known, 1.0, 0.0)


def mantel_haenszel_of(data: Data, y: Array, v: Array, options: Options, about: str = "own") -> mantel_haenszel.Pooled:
    """The Mantel-Haenszel estimate from cells that are corrected as those of the studies' own effects `y` and `v` were."""
    e, n, ec, nc = (data[name] for name in ("events", "total", "events_control", "total_control"))
    found = MEASURES[options.measure].effects(e, n, ec, nc, **options.rules)
    plus = np.where(found.corrected, options.add, 0.0)
    plain = options.convention == "revman"
    return mantel_haenszel.pool_corrected(options.measure, (e, n - e, ec, nc - ec), plus, y, v, plain_weights=plain, about=about)


def fill_pooled(out: Batch, rows: Rows, y: Array, v: Array, options: Options, counts: Data | None = None) -> None:
    """The weighted mean and everything about it, on the model scale; the response fields hold the same values for now.

    With `counts` the test of equal effects, and the estimate of tau2, are about their Mantel-Haenszel estimate.
    """
    k = two_step.study_count(v)
    zero = np.zeros(rows.size)
    random = options.tau2 is not None
    common = two_step.weighted_mean(y, v, zero)
    tau2 = tau2_estimators.ESTIMATORS[options.tau2](y, v) if options.tau2 else zero
    if counts is not None:
        q = mantel_haenszel_of(counts, y, v, options).q
        # Where no Mantel-Haenszel estimate exists, the inverse-variance mean is what is left.
        common = replace(common, q=np.where(np.isnan(q), common.q, q))
        tau2 = tau2_estimators.dl_from_q(common.q, k, common.weights)
    fit = two_step.weighted_mean(y, v, tau2) if random else common
    interval, fallback = _interval(fit, y, v, tau2, k, options)
    out.fallback[rows] = fallback
    out.put(rows, status="pooled", mu=fit.mean, se=interval.se, mu_lower=interval.lower, mu_upper=interval.upper)
    out.put(rows, estimate=fit.mean, ci_lower=interval.lower, ci_upper=interval.upper)
    out.put(rows, common_se=np.sqrt(common.variance))
    out.put(rows, q=common.q, q_df=k - 1, q_pvalue=distributions.chi2_upper_tail(common.q, k - 1))
    if random:
        out.put(rows, tau2=tau2)
        if options.tau2_ci is not None:
            low, high, empty = _tau2_interval(y, v, tau2, options)
            out.put(rows, tau2_lower=low, tau2_upper=high)
            out.empty_tau2[rows] = empty
        if options.prediction is not None:
            lower, upper = _prediction(fit, interval, y, v, tau2, k, options)
            out.put(rows, pi_lower=lower, pi_upper=upper)
    fill_inconsistency(out, rows, two_step.typical_variance(v), options)
    out.weights[rows] = fit.weights / fit.weights.sum(-1, keepdims=True)
    shrink = tau2[:, None] * fit.weights
    out.shrunken[rows] = shrink * y + (1 - shrink) * fit.mean[:, None]


def fill_inconsistency(out: Batch, rows: Rows, typical: Array | None, options: Options) -> None:
    """I2 and H2 by the chosen definition, from tau2 and Q of the batch."""
    if options.i2 == "Q" or typical is None:
        found = heterogeneity.from_q(out.q[rows], out.q_df[rows], options.level)
    else:
        found = heterogeneity.from_tau2(out.tau2[rows], out.tau2_lower[rows], out.tau2_upper[rows], typical)
    out.put(rows, i2=found.i2, i2_lower=found.i2_lower, i2_upper=found.i2_upper)
    out.put(rows, h2=found.h2, h2_lower=found.h2_lower, h2_upper=found.h2_upper)


def _interval(
    fit: two_step.WeightedMean, y: Array, v: Array, tau2: Array, k: Array, options: Options
) -> tuple[MeanInterval, NDArray[np.bool_]]:
    """The interval of the mean, and where another had to stand in for it."""
    none = np.zeros(k.shape, dtype=bool)
    level = options.level
    match options.ci:
        case "z":
            return intervals.normal(fit, level), none
        case "t":
            return intervals.student(fit, k, level), none
        case "HK":
            return intervals.hartung_knapp(fit, k, level), none
        case "HK-adhoc":
            return intervals.hartung_knapp(fit, k, level, at_least=1.0), none
        case "profile":
            return intervals.profile(y, v, fit, tau2, level), none
    found, other = intervals.kenward_roger(fit, level), intervals.hartung_knapp(fit, k, level, at_least=1.0)
    missing = np.isnan(found.lower)
    mixed = (np.where(missing, getattr(other, name), getattr(found, name)) for name in ("se", "df", "lower", "upper"))
    return MeanInterval(*mixed), missing


def _tau2_interval(y: Array, v: Array, tau2: Array, options: Options) -> tau2_intervals.Interval:
    if options.tau2_ci == "Jackson":
        return tau2_intervals.generalised(y, v, options.level)
    if options.tau2_ci == "profile":
        kind: Kind = "full" if options.tau2 == "ML" else "restricted"
        return tau2_intervals.profile_likelihood(y, v, tau2, options.level, kind)
    return tau2_intervals.q_profile(y, v, options.level)


def _prediction(
    fit: two_step.WeightedMean, interval: MeanInterval, y: Array, v: Array, tau2: Array, k: Array, options: Options
) -> tuple[Array, Array]:
    """Prediction interval on the model scale; NaN below three studies."""
    se = np.sqrt(fit.variance)
    level = options.level
    match options.prediction:
        case "HTS":
            ends = prediction.student(fit.mean, se, tau2, k - 2, level)
        case "V":
            ends = prediction.student(fit.mean, se, tau2, k - 1, level)
        case "HK":
            knapp = interval if options.ci in ("HK", "HK-adhoc") else intervals.hartung_knapp(fit, k, level)
            ends = prediction.student(fit.mean, knapp.se, tau2, k - 1, level)
        case "KR":
            roger = intervals.kenward_roger(fit, level)
            ends = prediction.student(fit.mean, roger.se, tau2, roger.df, level)
        case "bootstrap":
            ends = prediction.bootstrap(y, v, level)
        case _:
            ends = prediction.normal(fit.mean, se, tau2, level)
    lower, upper = (np.where(k > 2, end, np.nan) for end in ends)
    return lower, upper


def fill_averaged(out: Batch, rows: Rows, options: Options, size: Array | None) -> None:
    """The rate averaged over the random effect, at the mean and at its confidence limits: tau is taken as known there."""
    tau = np.sqrt(np.nan_to_num(out.tau2[rows]))
    for target, source in (("estimate", "mu"), ("ci_lower", "mu_lower"), ("ci_upper", "mu_upper")):
        ends = getattr(out, source)[rows]
        spread = None if size is None else size[:, None]
        with np.errstate(over="ignore"):
            mean = averaged(lambda x, spread=spread: back(options, x, spread), np.nan_to_num(ends), tau, edges_of(options, size))  # type: ignore[misc]
        getattr(out, f"marginal_{target}")[rows] = np.where(np.isnan(ends), np.nan, mean)


Counts = tuple[Array, ...]

_LINKED = {"logit": BinomialLogit, "probit": BinomialProbit, "cloglog": BinomialCloglog, "log": Poisson}


def linked(events: Array, size: Array, options: Options) -> Likelihood:
    """One group: events of patients, or over person-time, under the link of the model (the logit where it has none)."""
    likelihood: Likelihood = _LINKED[options.link or "logit"](events, size)
    return likelihood


def conditional(counts: Counts, *, exact: bool) -> Likelihood:
    """Events of the treated given the events of both: the exact distribution, or its binomial approximation."""
    e, n, ec, nc = counts
    if exact:
        return Hypergeometric(e, n, ec, nc)
    with np.errstate(divide="ignore", invalid="ignore"):
        offset = np.where(n > 0, np.log(n) - np.log(nc), 0.0)
    return BinomialLogit(e, e + ec, offset)


def likelihood_of(data: Data, options: Options) -> Likelihood:
    """What the studies say about their own predictor; for two groups given the events of both."""
    if options.groups == 1:
        return linked(data["events"], data["person_time" if data.timed else "total"], options)
    counts = tuple(data[name] for name in ("events", "total", "events_control", "total_control"))
    return conditional(counts, exact=options.model != "CM.AL")


def fill_one_group(out: Batch, data: Data, options: Options) -> None:
    """Answer every row: one study as itself, edges exactly, the rest by the model."""
    size = data["person_time" if data.timed else "total"]
    events, several = data["events"], data.present.sum(-1) > 1
    if not options.exact:
        fill_two_step(out, data, options)
        _fill_single(out, np.flatnonzero(data.present.sum(-1) == 1), events, size, options)
        return
    x = events.sum(-1)
    if options.model == "bayes":
        _fill_posterior(out, np.flatnonzero(data.present.any(-1)), events, size, options)
        _fill_single(out, np.flatnonzero(data.present.sum(-1) == 1), events, size, options)
        return
    _fill_single(out, np.flatnonzero(data.present.sum(-1) == 1), events, size, options)
    none = several & (x == 0)
    only = several & ~none & (x == size.sum(-1)) if not data.timed else np.zeros_like(none)
    _fill_edge(out, np.flatnonzero(none), events, size, "no events", options)
    _fill_edge(out, np.flatnonzero(only), events, size, "only events", options)
    rows = np.flatnonzero(several & ~none & ~only)
    if not rows.size:
        return
    if options.model == "beta_binomial":
        _fill_beta_binomial(out, rows, events[rows], size[rows], options)
    else:
        _fill_glmm(out, rows, events[rows], size[rows], options)


def _exact(events: Array, size: Array, options: Options) -> tuple[Array, Array]:
    """Exact interval of one rate."""
    if options.measure.startswith("IR"):
        return poisson_exact(events, size, options.level)
    return clopper_pearson(events, size, options.level)


def _fill_single(out: Batch, rows: Rows, events: Array, size: Array, options: Options) -> None:
    """One study is shown as itself, with its exact interval; nothing is pooled."""
    if not rows.size:
        return
    x, n = events[rows].sum(-1), size[rows].sum(-1)
    lower, upper = _exact(x, n, options)
    out.put(rows, status="not pooled", estimate=x / n, ci_lower=lower, ci_upper=upper)
    # Another model has left its own numbers here; of a posterior only the rate of the next study is kept.
    for name in ("mu", "se", "mu_lower", "mu_upper", "loglik", *_SPREAD, *_AVERAGED):
        getattr(out, name)[rows] = np.nan
    out.corrected[rows] = 0.0
    out.weights[rows] = np.where(size[rows] > 0, 1.0, np.nan)


_SPREAD = ("tau2", "tau2_lower", "tau2_upper", "i2", "i2_lower", "i2_upper", "h2", "h2_lower", "h2_upper")
_AVERAGED = ("marginal_estimate", "marginal_ci_lower", "marginal_ci_upper")


def _fill_posterior(out: Batch, rows: Rows, events: Array, size: Array, options: Options) -> None:
    """The posterior, whatever the counts; the tests of equal rates where both outcomes occurred."""
    if not rows.size:
        return
    e, n = events[rows], size[rows]
    studies = linked(e, n, options)
    fill_posterior(out, rows, studies, n, options)
    to_response(out, rows, options)
    x = e.sum(-1)
    both = np.flatnonzero((n > 0).sum(-1) > 1) if options.link == "log" else np.flatnonzero((x < n.sum(-1)) & ((n > 0).sum(-1) > 1))
    both = both[x[both] > 0]
    out.put(rows, q_df=np.where(out.k[rows] > 1, out.k[rows] - 1.0, np.nan))
    typical = np.full(rows.size, np.nan)
    if both.size:
        part = studies.take(both)
        lrt = np.maximum(0.0, 2 * (saturated(e[both], n[both], options) - common_mean(part)[1]))
        typical[both] = _fill_tests(out, rows[both], e[both], n[both], lrt, options)
        if options.link in ("probit", "cloglog"):
            with np.errstate(divide="ignore"):
                typical[both] = two_step.typical_variance(1.0 / part.precision)
    fill_inconsistency(out, rows, typical, options)


def _fill_edge(out: Batch, rows: Rows, events: Array, size: Array, status: str, options: Options) -> None:
    """No events anywhere, or only events: the likelihood has its maximum at the edge, and the sum has an exact interval."""
    if not rows.size:
        return
    x, n = events[rows].sum(-1), size[rows].sum(-1)
    lower, upper = _exact(x, n, options)
    edge = x / n
    out.put(rows, status=status, estimate=edge, ci_lower=lower, ci_upper=upper)
    out.put(rows, marginal_estimate=edge, marginal_ci_lower=lower, marginal_ci_upper=upper)
    # At the edge every patient weighs the same.
    out.weights[rows] = size[rows] / n[:, None]


def _critical(options: Options, k: Array) -> Array | float:
    return distributions.two_sided_z(options.level) if options.ci == "z" else distributions.two_sided_t(options.level, k - 1)


def _fill_glmm(out: Batch, rows: Rows, events: Array, size: Array, options: Options) -> None:
    """Normal random effect on the link's scale: estimate, intervals, heterogeneity, prediction, weights."""
    assert options.link is not None
    link = LINKS[options.link]
    studies = linked(events, size, options)
    k = out.k[rows]
    fit = fit_random_effect(studies)
    fill_random_effect(out, rows, studies, fit, options)
    for target, source in (("estimate", "mu"), ("ci_lower", "mu_lower"), ("ci_upper", "mu_upper")):
        getattr(out, target)[rows] = _rate(link, getattr(out, source)[rows])
    for name in ("pi_lower", "pi_upper"):
        getattr(out, name)[rows] = _rate(link, getattr(out, name)[rows])
    lrt = np.maximum(0.0, 2 * (saturated(events, size, options) - fit.loglik_common))
    typical = _fill_tests(out, rows, events, size, lrt, options)
    if options.link in ("probit", "cloglog"):
        with np.errstate(divide="ignore"):
            typical = two_step.typical_variance(1.0 / studies.precision)
    fill_inconsistency(out, rows, typical, options)
    if not options.is_lean:
        _fill_averaged(out, rows, fit, link, k, options)
    out.clear(rows[out.status[rows] == "not estimable"])


def _rate(link: Link, value: Array) -> Array:
    """The rate at a predictor; only an infinite one gives exactly 0 or 1."""
    with np.errstate(over="ignore"):
        rate = link.inverse(value)
    if link is LINKS["log"]:
        return rate
    rate = np.where((rate == 1) & np.isfinite(value), np.nextafter(1.0, 0.0), rate)
    return np.where((rate == 0) & np.isfinite(value), np.nextafter(0.0, 1.0), rate)


@dataclass(frozen=True)
class Maximum:
    """What any model with a normal random effect on the model scale gives: numbers ``[b]``, shares and effects ``[b, k]``."""

    mu: Array
    se: Array
    tau: Array
    loglik: Array
    mean_profile: Callable[[], tuple[Array, Array]]
    tau_profile: Callable[[], tuple[Array, Array]]
    information: Array
    shrunken: Array
    nodes: Array
    unbounded: NDArray[np.bool_]
    settled: NDArray[np.bool_]


def fill_random_effect(out: Batch, rows: Rows, studies: Likelihood, fit: Fit, options: Options) -> None:
    """The models whose studies have one predictor each."""
    found = Maximum(
        mu=fit.mu,
        se=np.sqrt(fit.covariance[:, 0, 0]),
        tau=fit.tau,
        loglik=fit.loglik,
        mean_profile=lambda: mu_interval(studies, fit, options.level),
        tau_profile=lambda: tau_interval(studies, fit, options.level),
        information=fit.study_information,
        shrunken=_shrunken(studies, fit),
        nodes=np.where(fit.tau > 0, fit.nodes, 0).astype(float),
        unbounded=fit.unbounded,
        settled=fit.settled,
    )
    fill_maximum(out, rows, found, options)


def fill_maximum(out: Batch, rows: Rows, found: Maximum, options: Options) -> None:
    """Estimate, intervals, prediction and weights, on the model scale."""
    k = out.k[rows] - out.dropped[rows]
    if options.ci == "profile":
        lower, upper = found.mean_profile()
    else:
        half = found.se * _critical(options, k)
        lower, upper = found.mu - half, found.mu + half
    # A diagnostic that refits thousands of times asks for no interval of tau2.
    tau_lower, tau_upper = (found.tau * np.nan, found.tau * np.nan) if options.tau2_ci is None else found.tau_profile()
    tau2 = found.tau**2
    out.put(rows, status="pooled", mu=found.mu, se=found.se, mu_lower=lower, mu_upper=upper, loglik=found.loglik)
    out.put(rows, tau2=tau2, tau2_lower=tau_lower**2, tau2_upper=tau_upper**2)
    out.status[rows[found.unbounded | ~found.settled]] = "not estimable"
    out.unsettled[rows] = ~found.settled & ~found.unbounded
    out.put(rows, nodes=found.nodes)
    if options.prediction is not None:
        if options.prediction == "z":
            low, high = prediction.normal(found.mu, found.se, tau2, options.level)
        else:
            df = k - (2 if options.prediction == "HTS" else 1)
            low, high = prediction.student(found.mu, found.se, tau2, df, options.level)
        out.put(rows, pi_lower=np.where(k > 2, low, np.nan), pi_upper=np.where(k > 2, high, np.nan))
    with np.errstate(invalid="ignore"):
        out.weights[rows] = found.information / found.information.sum(-1, keepdims=True)
    out.shrunken[rows] = found.shrunken


def _shrunken(studies: Likelihood, fit: Fit) -> Array:
    """Posterior mean of every study's rate or effect; the common one without heterogeneity."""
    direct = studies.shrunken(fit.mu, fit.tau, fit.study_score)
    if direct is not None:
        return direct
    fine = np.flatnonzero(~fit.unbounded & fit.settled)
    out = np.full(studies.guess.shape, np.nan)
    for nodes in np.unique(fit.nodes[fine]):
        chosen = fine[fit.nodes[fine] == nodes]
        part = studies.take(chosen)
        if nodes == 0:
            out[chosen] = part.response(fit.mu[chosen][:, None] + np.zeros_like(part.guess))
        else:
            rule = next(rule for rule in RULES if rule.nodes == nodes)
            out[chosen] = posterior(part, fit.mu[chosen], fit.tau[chosen], rule)[1]
    return out


def saturated(events: Array, size: Array, options: Options) -> Array:
    """Log-likelihood of one free rate for each study."""
    if options.link == "log":
        return np.asarray((xlogy(events, np.where(events > 0, events, 1.0)) - events - gammaln(events + 1)).sum(-1))
    return saturated_binomial(events, size)


def saturated_binomial(events: Array, total: Array) -> Array:
    """Log-likelihood of one free binomial probability for each study, ``[b]``."""
    with np.errstate(divide="ignore", invalid="ignore"):
        p = np.where(total > 0, events / total, 0.0)
    kernel = xlogy(events, p) + xlogy(total - events, 1 - p)
    return np.asarray(kernel.sum(-1) + log_binomial(events, total))


def _fill_tests(out: Batch, rows: Rows, events: Array, size: Array, lrt: Array, options: Options) -> Array:
    """Equal rates? Likelihood ratio and Wald.

    Gives the typical sampling variance, of the corrected effects as metafor takes it.
    """
    df = out.k[rows] - 1
    found = MEASURES[options.measure].effects(events, size)
    q = wald(found)
    out.put(rows, lrt=lrt, lrt_pvalue=distributions.chi2_upper_tail(lrt, df))
    out.put(rows, q=q, q_df=df, q_pvalue=distributions.chi2_upper_tail(q, df))
    return two_step.typical_variance(found.vi)


def _fill_averaged(out: Batch, rows: Rows, fit: Fit, link: Link, k: Array, options: Options) -> None:
    """Population-averaged rate; interval by the delta method on its logit (or logarithm), with the covariance of (mu, tau)."""
    rate, gradient = marginal_rate(link, fit.mu, fit.tau)
    variance = np.einsum("bi,bij,bj->b", gradient, fit.covariance, gradient)
    critical = distributions.two_sided_t(options.level, k - 1) if options.ci == "t" else distributions.two_sided_z(options.level)
    timed = link is LINKS["log"]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        scale = rate if timed else rate * (1 - rate)
        half = critical * np.sqrt(variance) / scale
        centre = np.log(rate) - (0.0 if timed else np.log1p(-rate))
        lower, upper = (np.exp(end) if timed else expit(end) for end in (centre - half, centre + half))
    out.put(rows, marginal_estimate=rate, marginal_ci_lower=lower, marginal_ci_upper=upper)
    # Without spread median and average are one number, and it has one interval.
    same = rows[fit.tau == 0]
    for name in ("estimate", "ci_lower", "ci_upper"):
        getattr(out, f"marginal_{name}")[same] = getattr(out, name)[same]


def _fill_beta_binomial(out: Batch, rows: Rows, events: Array, size: Array, options: Options) -> None:
    """Beta distribution of rates: its mean is the estimate, and the average over the population as well."""
    k = out.k[rows]
    fit = beta_binomial.fit(events, size)
    if options.ci == "profile":
        lower, upper = beta_binomial_profile.mu_interval(events, size, fit, options.level)
    else:
        half = fit.se * _critical(options, k)
        lower, upper = fit.mu - half, fit.mu + half
    if options.tau2_ci is None:
        rho_lower, rho_upper = fit.rho * np.nan, fit.rho * np.nan
    else:
        rho_lower, rho_upper = beta_binomial_profile.rho_interval(events, size, fit, options.level)
    out.put(rows, status="pooled", mu=fit.mu, se=fit.se, mu_lower=lower, mu_upper=upper, loglik=fit.loglik)
    link = LINKS["logit"]
    for name, value in (("estimate", fit.mu), ("ci_lower", lower), ("ci_upper", upper)):
        rate = _rate(link, value)
        out.put(rows, **{name: rate, f"marginal_{name}": rate})
    out.put(rows, median=beta_binomial_prediction.median(fit.mu, fit.rho), rho=fit.rho, rho_lower=rho_lower, rho_upper=rho_upper)
    # Variance of the logits under the fitted distribution: comparable with the tau2 of the normal random effect.
    for name, rho in (("tau2", fit.rho), ("tau2_lower", rho_lower), ("tau2_upper", rho_upper)):
        out.put(rows, **{name: logit_variance(fit.mu, rho)})
    out.status[rows[fit.unbounded | ~fit.settled]] = "not estimable"
    out.unsettled[rows] = ~fit.settled & ~fit.unbounded
    if options.prediction is not None:
        low, high = beta_binomial_prediction.prediction_interval(fit.mu, fit.se, fit.rho, k, options.level)
        out.put(rows, pi_lower=low, pi_upper=high)
    information = fit.study_information
    with np.errstate(invalid="ignore"):
        out.weights[rows] = information / information.sum(-1, keepdims=True)
    out.shrunken[rows] = fit.rate
    lrt = np.maximum(0.0, 2 * (saturated(events, size, options) - fit.loglik_common))
    fill_inconsistency(out, rows, _fill_tests(out, rows, events, size, lrt, options), options)
    out.clear(rows[out.status[rows] == "not estimable"])


def logit_variance(mu: Array, rho: Array) -> Array:
    inner = np.where((rho > 0) & (rho < 1), rho, 0.5)
    variance = beta_binomial_prediction.logit_variance(mu, inner)
    edge = np.where(rho == 0, 0.0, np.where(rho >= 1, np.inf, variance))
    return np.where(np.isnan(rho), np.nan, edge)
