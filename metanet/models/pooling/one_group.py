"""Rates of one group, by the exact models: counts over patients, or events over person-time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, gammaln, xlogy

from metanet.base.arrays import Array
from metanet.effects.measures import MEASURES
from metanet.effects.study_intervals import clopper_pearson, poisson_exact
from metanet.kernels.beta_binomial import fit as beta_binomial
from metanet.kernels.beta_binomial import fit as beta_binomial_prediction
from metanet.kernels.beta_binomial import fit as beta_binomial_profile
from metanet.kernels.inverse_variance import prediction, two_step
from metanet.kernels.normal_effect.fit import Fit
from metanet.kernels.normal_effect.fit import fit as fit_random_effect
from metanet.kernels.normal_effect.links import LINKS, Link, marginal_rate
from metanet.kernels.normal_effect.profile import mu_interval, tau_interval
from metanet.kernels.normal_effect.random_effect import RULES, posterior
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
from metanet.models.options import Options
from metanet.models.pooling.batch import Batch
from metanet.models.pooling.data import Data
from metanet.models.pooling.two_step import fill_inconsistency, fill_two_step, wald

# The likelihood object of an exact model, from the studies and the choices.

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


# Filling a batch with rates of one group: counts over patients, or events over person-time.

Rows = NDArray[np.intp]


def fill_one_group(out: Batch, data: Data, options: Options) -> None:
    """Answer every row: one study as itself, edges exactly, the rest by the model."""
    size = data["person_time" if data.timed else "total"]
    events, several = data["events"], data.present.sum(-1) > 1
    if not options.exact:
        fill_two_step(out, data, options)
        _fill_single(out, np.flatnonzero(data.present.sum(-1) == 1), events, size, options)
        return
    x = events.sum(-1)
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
    # A two-step model has left its own, corrected numbers here.
    out.put(rows, mu=np.nan, se=np.nan, mu_lower=np.nan, mu_upper=np.nan, corrected=0.0)  # type: ignore[arg-type]
    out.weights[rows] = np.where(size[rows] > 0, 1.0, np.nan)


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
    return (
        distributions.two_sided_z(options.level)
        if options.ci == "z"
        else distributions.two_sided_t(options.level, k - 1)
    )


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
    critical = (
        distributions.two_sided_t(options.level, k - 1)
        if options.ci == "t"
        else distributions.two_sided_z(options.level)
    )
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
    out.put(
        rows,
        median=beta_binomial_prediction.median(fit.mu, fit.rho),
        rho=fit.rho,
        rho_lower=rho_lower,
        rho_upper=rho_upper,
    )
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
