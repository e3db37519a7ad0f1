"""A batch of pooled results: arrays by fit, from counts or from effects. `pool`, `pool_many` and `pool_arrays` all end here."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from metanet.effects.proportions import Effects, inverse_logit, logit_proportion
from metanet.effects.study_intervals import clopper_pearson
from metanet.kernels import binomial_normal, mean_intervals, prediction, quantiles, tau2_intervals, two_step
from metanet.kernels import tau2 as tau2_estimators
from metanet.kernels.binomial_normal_fit import fit as fit_binomial_normal
from metanet.kernels.binomial_normal_profile import mu_interval, tau_interval
from metanet.models.options import Options

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: Studies in one piece of a batch; with ten starting values and a dozen nodes each that is about half a megabyte an array.
_CHUNK = 600
#: What kind of answer a row of a batch is.
STATUSES = ("pooled", "not pooled", "no events", "only events", "not estimable", "no studies")


@dataclass(frozen=True)
class Batch:
    """Pooled numbers by fit, ``[b]`` unless stated; NaN where a quantity does not exist, for the reason that `status` gives.

    `weights` (shares that sum to one) and `shrunken` (study rates under the model) are ``[b, k]``. `nodes` is the
    number of quadrature nodes, 0 where none were needed. `empty_tau2` marks an empty Q-profile set, `unsettled` a likelihood
    whose maximum could not be located to the accuracy asked for.
    """

    status: NDArray[np.str_]
    k: Array
    n: Array
    events: Array
    estimate: Array
    ci_lower: Array
    ci_upper: Array
    pi_lower: Array
    pi_upper: Array
    marginal_estimate: Array
    marginal_ci_lower: Array
    marginal_ci_upper: Array
    mu: Array
    se: Array
    mu_lower: Array
    mu_upper: Array
    tau2: Array
    tau2_lower: Array
    tau2_upper: Array
    i2: Array
    i2_lower: Array
    i2_upper: Array
    h2: Array
    q: Array
    q_df: Array
    q_pvalue: Array
    lrt: Array
    lrt_pvalue: Array
    loglik: Array
    common_se: Array
    corrected: Array
    nodes: Array
    empty_tau2: Mask
    unsettled: Mask
    weights: Array
    shrunken: Array

    @staticmethod
    def blank(b: int, k: int) -> Batch:
        """A batch in which nothing is known yet."""
        made: dict[str, NDArray[np.generic]] = {}
        for field in fields(Batch):
            made[field.name] = np.full((b, k) if field.name in ("weights", "shrunken") else b, np.nan)
        made["status"] = np.full(b, "no studies", dtype="<U14")
        made["empty_tau2"], made["unsettled"] = np.zeros(b, dtype=bool), np.zeros(b, dtype=bool)
        made["nodes"], made["corrected"] = np.zeros(b), np.zeros(b)
        return Batch(**made)  # type: ignore[arg-type]

    def put(self, rows: NDArray[np.intp], **values: Array | str) -> None:
        """Write values into some rows while the batch is being filled."""
        for name, value in values.items():
            getattr(self, name)[rows] = value


def pool_counts(events: Array, total: Array, options: Options) -> Batch:
    """Pool counts ``[b, k]``; an absent study has total 0. Every row gets an answer, worded by its `status`.

    A long batch goes in pieces whose quadrature nodes fit the processor's cache: memory stays bounded, and it is faster.
    """
    b, k = events.shape
    size = max(16, _CHUNK // max(k, 1))
    if b <= size:
        return _pool_counts(events, total, options)
    pieces = [_pool_counts(events[i : i + size], total[i : i + size], options) for i in range(0, b, size)]
    joined = {field.name: np.concatenate([getattr(piece, field.name) for piece in pieces]) for field in fields(Batch)}
    return Batch(**joined)


def _pool_counts(events: Array, total: Array, options: Options) -> Batch:
    """One piece of a batch."""
    b, k = events.shape
    out = Batch.blank(b, k)
    present = total > 0
    count, x, n = present.sum(-1).astype(float), events.sum(-1), total.sum(-1)
    effects = logit_proportion(events, total)
    everything = np.arange(b)
    out.put(everything, k=count, n=n, events=x)
    single, several = count == 1, count > 1
    _fill_single(out, np.flatnonzero(single), events, total, options.level)
    if options.model == "glmm":
        none, only = several & (x == 0), several & (x == n)
        _fill_one_sided(out, np.flatnonzero(none), total, "no events", options.level)
        _fill_one_sided(out, np.flatnonzero(only), total, "only events", options.level)
        _fill_glmm(out, np.flatnonzero(several & ~none & ~only), events, total, effects, options)
    else:
        rows = np.flatnonzero(several)
        out.put(rows, corrected=effects.corrected[rows].sum(-1).astype(float))
        _fill_inverse_variance(out, rows, effects.yi, effects.vi, options)
        for name in ("estimate", "ci_lower", "ci_upper", "pi_lower", "pi_upper"):
            values = getattr(out, name)
            values[rows] = inverse_logit(values[rows])
        out.shrunken[rows] = np.where(present[rows], inverse_logit(out.shrunken[rows]), np.nan)
        _fill_marginal(out, rows, None, options)
    out.weights[~present] = np.nan
    out.shrunken[~present] = np.nan
    return out


def pool_effects(yi: Array, vi: Array, options: Options) -> Batch:
    """Pool effect sizes ``[b, k]`` with sampling variances; an absent study has infinite variance. Response scale = model scale."""
    out = Batch.blank(*yi.shape)
    present = np.isfinite(vi)
    count = present.sum(-1).astype(float)
    out.put(np.arange(yi.shape[0]), k=count)
    rows = np.flatnonzero(count == 1)
    if rows.size:
        column = present[rows].argmax(-1)
        mean, se = yi[rows, column], np.sqrt(vi[rows, column])
        half = quantiles.two_sided_z(options.level) * se
        out.put(rows, status="not pooled", estimate=mean, mu=mean, se=se)
        out.put(rows, ci_lower=mean - half, ci_upper=mean + half, mu_lower=mean - half, mu_upper=mean + half)
        out.weights[rows] = np.where(present[rows], 1.0, np.nan)
    _fill_inverse_variance(out, np.flatnonzero(count > 1), yi, vi, options)
    out.weights[~present] = np.nan
    out.shrunken[~present] = np.nan
    return out


def _fill_single(out: Batch, rows: NDArray[np.intp], events: Array, total: Array, level: float) -> None:
    """One study is shown as itself, with its exact interval; nothing is pooled."""
    if not rows.size:
        return
    x, n = events[rows].sum(-1), total[rows].sum(-1)
    lower, upper = clopper_pearson(x, n, level)
    out.put(rows, status="not pooled", estimate=x / n, ci_lower=lower, ci_upper=upper)
    out.weights[rows] = np.where(total[rows] > 0, 1.0, np.nan)


def _fill_one_sided(out: Batch, rows: NDArray[np.intp], total: Array, status: str, level: float) -> None:
    """No events anywhere, or only events: the likelihood has its maximum at the edge, and the sum has an exact interval."""
    if not rows.size:
        return
    n = total[rows].sum(-1)
    x = np.zeros(rows.size) if status == "no events" else n
    lower, upper = clopper_pearson(x, n, level)
    edge = x / n
    out.put(rows, status=status, estimate=edge, ci_lower=lower, ci_upper=upper)
    out.put(rows, marginal_estimate=edge, marginal_ci_lower=lower, marginal_ci_upper=upper)
    # At the edge every patient weighs the same.
    out.weights[rows] = total[rows] / n[:, None]


def _fill_glmm(
    out: Batch, rows: NDArray[np.intp], events: Array, total: Array, effects: Effects, options: Options
) -> None:
    """Binomial-normal model: estimate, intervals, heterogeneity, prediction, weights."""
    if not rows.size:
        return
    e, n = events[rows], total[rows]
    k = out.k[rows]
    fit = fit_binomial_normal(e, n)
    se = np.sqrt(fit.covariance[:, 0, 0])
    if options.ci == "profile":
        lower, upper = mu_interval(e, n, fit, options.level)
    else:
        half = se * (
            quantiles.two_sided_t(options.level, k - 1) if options.ci == "t" else quantiles.two_sided_z(options.level)
        )
        lower, upper = fit.mu - half, fit.mu + half
    tau_lower, tau_upper = tau_interval(e, n, fit, options.level)
    tau2 = fit.tau**2
    out.put(rows, status="pooled", mu=fit.mu, se=se, mu_lower=lower, mu_upper=upper, loglik=fit.loglik)
    out.put(rows, estimate=inverse_logit(fit.mu), ci_lower=inverse_logit(lower), ci_upper=inverse_logit(upper))
    out.put(rows, tau2=tau2, tau2_lower=tau_lower**2, tau2_upper=tau_upper**2)
    out.status[rows[fit.unbounded | ~fit.settled]] = "not estimable"
    out.unsettled[rows] = ~fit.settled & ~fit.unbounded
    out.put(rows, nodes=np.where(fit.tau > 0, fit.nodes, 0).astype(float))
    _fill_i2(out, rows, two_step.typical_variance(effects.vi[rows]))
    if options.prediction == "HTS":
        low, high = prediction.student(fit.mu, se, tau2, k - 2, options.level)
        out.put(rows, pi_lower=inverse_logit(low), pi_upper=inverse_logit(high))
    # Likelihood-ratio test of equal rates: each study its own rate against one rate for all.
    saturated = _saturated_loglik(e, n)
    lrt = np.maximum(0.0, 2 * (saturated - fit.loglik_common))
    q = _wald_q(e, n)
    out.put(rows, lrt=lrt, lrt_pvalue=quantiles.chi2_upper_tail(lrt, k - 1))
    out.put(rows, q=q, q_df=k - 1, q_pvalue=quantiles.chi2_upper_tail(q, k - 1))
    information = fit.at.study_information
    out.weights[rows] = information / information.sum(-1, keepdims=True)
    out.shrunken[rows] = fit.at.rate
    _fill_marginal(out, rows, fit.covariance, options)
    # Without spread median and average are one number, and it has one interval.
    same = rows[fit.tau == 0]
    for name in ("estimate", "ci_lower", "ci_upper"):
        getattr(out, f"marginal_{name}")[same] = getattr(out, name)[same]
    _clear(out, rows[out.status[rows] == "not estimable"])


def _clear(out: Batch, rows: NDArray[np.intp]) -> None:
    """Leave only what does not depend on the fitted maximum: counts and the tests against equal rates."""
    kept = {
        "status",
        "k",
        "n",
        "events",
        "q",
        "q_df",
        "q_pvalue",
        "lrt",
        "lrt_pvalue",
        "corrected",
        "nodes",
        "empty_tau2",
        "unsettled",
    }
    for field in fields(Batch):
        if field.name not in kept:
            getattr(out, field.name)[rows] = np.nan


def _saturated_loglik(events: Array, total: Array) -> Array:
    """Log-likelihood of one free rate for each study."""
    with np.errstate(divide="ignore", invalid="ignore"):
        p = np.where(total > 0, events / total, 0.0)
    kernel = xlogy(events, p) + xlogy(total - events, 1 - p)
    return np.asarray(kernel.sum(-1) + binomial_normal.log_binomial(events, total))


def _wald_q(events: Array, total: Array) -> Array:
    """Wald test of equal logits; a study at 0 % or 100 % has an infinite logit whose weight is zero, and adds nothing."""
    inside = (events > 0) & (events < total)
    effects = logit_proportion(np.where(inside, events, 0.0), np.where(inside, total, 0.0))
    some = np.asarray(inside.any(-1))
    q = two_step.weighted_mean(effects.yi, np.where(some[:, None], effects.vi, 1.0), np.zeros(events.shape[0])).q
    return np.where(some, q, np.nan)


def _fill_i2(out: Batch, rows: NDArray[np.intp], typical: Array) -> None:
    """I2 and H2 from tau2 (Higgins and Thompson 2002); the ends follow from the ends of tau2."""
    for target, source in (("i2", "tau2"), ("i2_lower", "tau2_lower"), ("i2_upper", "tau2_upper")):
        tau2 = getattr(out, source)[rows]
        with np.errstate(invalid="ignore"):
            getattr(out, target)[rows] = np.where(np.isinf(tau2), 1.0, tau2 / (tau2 + typical))
    with np.errstate(divide="ignore"):
        out.h2[rows] = 1.0 / (1.0 - out.i2[rows])


def _fill_marginal(out: Batch, rows: NDArray[np.intp], covariance: Array | None, options: Options) -> None:
    """Population-averaged rate with an interval by the delta method on its logit.

    Without the covariance of (mu, tau), in two-step models, tau is taken as known: the interval then carries the error of mu alone.
    """
    mu, tau = out.mu[rows], np.sqrt(out.tau2[rows])
    rate, gradient = binomial_normal.marginal_rate(mu, tau)
    if covariance is None:
        variance = (gradient[:, 0] * out.se[rows]) ** 2
    else:
        variance = np.einsum("bi,bij,bj->b", gradient, covariance, gradient)
    df = out.k[rows] - 1
    if options.ci in ("t", "HK"):
        critical = quantiles.two_sided_t(options.level, df)
    else:
        critical = np.full(rows.size, quantiles.two_sided_z(options.level))
    with np.errstate(divide="ignore", invalid="ignore"):
        logit = np.log(rate) - np.log1p(-rate)
        half = critical * np.sqrt(variance) / (rate * (1 - rate))
    out.put(rows, marginal_estimate=rate)
    out.put(rows, marginal_ci_lower=inverse_logit(logit - half), marginal_ci_upper=inverse_logit(logit + half))


def _fill_inverse_variance(out: Batch, rows: NDArray[np.intp], yi: Array, vi: Array, options: Options) -> None:
    """Two-step random-effects model on the effect scale."""
    if not rows.size:
        return
    y, v = yi[rows], vi[rows]
    k = out.k[rows]
    tau2 = tau2_estimators.ESTIMATORS[options.tau2](y, v)
    fit = two_step.weighted_mean(y, v, tau2)
    classic = mean_intervals.normal(fit, options.level)
    interval = mean_intervals.hartung_knapp(fit, k, options.level) if options.ci == "HK" else classic
    low, high, empty = tau2_intervals.q_profile(y, v, options.level)
    common = two_step.weighted_mean(y, v, np.zeros(rows.size))
    out.put(rows, status="pooled", mu=fit.mean, se=interval.se, mu_lower=interval.lower, mu_upper=interval.upper)
    out.put(rows, estimate=fit.mean, ci_lower=interval.lower, ci_upper=interval.upper)
    out.put(rows, tau2=tau2, tau2_lower=low, tau2_upper=high, common_se=np.sqrt(common.variance))
    out.empty_tau2[rows] = empty
    _fill_i2(out, rows, two_step.typical_variance(v))
    out.put(rows, q=common.q, q_df=k - 1, q_pvalue=quantiles.chi2_upper_tail(common.q, k - 1))
    if options.prediction == "HTS":
        lower, upper = prediction.student(fit.mean, classic.se, tau2, k - 2, options.level)
        out.put(rows, pi_lower=lower, pi_upper=upper)
    out.weights[rows] = fit.weights / fit.weights.sum(-1, keepdims=True)
    shrink = tau2[:, None] * fit.weights
    out.shrunken[rows] = shrink * y + (1 - shrink) * fit.mean[:, None]
