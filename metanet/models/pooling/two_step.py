"""Filling a batch by inverse variance: effect sizes of any measure, or effects as given, random or common."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metanet.base.arrays import Array
from metanet.effects.back_transforms import harmonic_mean
from metanet.effects.measures import MEASURES
from metanet.effects.values import Effects
from metanet.kernels.inverse_variance import intervals, prediction, two_step
from metanet.kernels.inverse_variance import intervals as tau2_intervals
from metanet.kernels.inverse_variance import tau2 as tau2_estimators
from metanet.kernels.inverse_variance import two_step as heterogeneity
from metanet.kernels.inverse_variance.intervals import MeanInterval
from metanet.kernels.inverse_variance.tau2 import Kind
from metanet.kernels.normal_effect.links import averaged
from metanet.kernels.numerics import distributions
from metanet.models.options import Options
from metanet.models.pooling.batch import Batch
from metanet.models.pooling.data import Data

Rows = NDArray[np.intp]


def effects_of(data: Data, options: Options) -> tuple[Array, Array, Array, Array]:
    """Effects and variances ``[b, k]`` (absent: 0 and inf), and how many studies of each row were corrected and dropped."""
    b = data.shape[0]
    if data.by_effect:
        return np.where(data.present, data["yi"], 0.0), data["vi"], np.zeros(b), np.zeros(b)
    measure = MEASURES[options.measure]
    counts = [data[name] for name in measure.arguments]
    found = measure.effects(*counts, add=options.add, to=options.to, drop00=options.drop00)
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
        fill_pooled(out, several, yi[several], vi[several], options)
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


def fill_pooled(out: Batch, rows: Rows, y: Array, v: Array, options: Options) -> None:
    """The weighted mean and everything about it, on the model scale; the response fields hold the same values for now."""
    k = two_step.study_count(v)
    zero = np.zeros(rows.size)
    random = options.tau2 is not None
    tau2 = tau2_estimators.ESTIMATORS[options.tau2](y, v) if options.tau2 else zero
    fit = two_step.weighted_mean(y, v, tau2)
    common = two_step.weighted_mean(y, v, zero) if random else fit
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
            mean = averaged(lambda x, spread=spread: back(options, x, spread), np.nan_to_num(ends), tau)  # type: ignore[misc]
        getattr(out, f"marginal_{target}")[rows] = np.where(np.isnan(ends), np.nan, mean)
