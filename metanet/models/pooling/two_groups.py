"""Filling a batch with comparisons of two groups by their counts: Mantel-Haenszel, Peto, and the exact random-effects models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metanet.base.arrays import Array
from metanet.effects.measures import MEASURES
from metanet.kernels.inverse_variance import two_step
from metanet.kernels.normal_effect.fit import fit as fit_random_effect
from metanet.kernels.normal_effect.random_effect import common_mean
from metanet.kernels.normal_effect.study_likelihoods import Hypergeometric
from metanet.kernels.numerics import distributions
from metanet.kernels.two_groups import (
    mantel_haenszel,
    mantel_haenszel as peto,
    um_fs,
    um_fs as um_fs_profile,
    um_rs,
    um_rs as um_rs_profile,
)
from metanet.models.options import Options
from metanet.models.pooling.batch import Batch, Data
from metanet.models.pooling.fill import (
    Maximum,
    back,
    conditional,
    fill_inconsistency,
    fill_maximum,
    fill_random_effect,
    fill_single,
    mantel_haenszel_of,
    saturated_binomial,
    show_single,
    wald,
)
from metanet.models.pooling.posterior import fill_posterior

Rows = NDArray[np.intp]
Profile = Callable[[], tuple[Array, Array]]


def fill_two_groups(out: Batch, data: Data, options: Options) -> None:
    """One study as itself, the rest by the model; the response is taken at the end."""
    columns = tuple(data[name] for name in ("events", "total", "events_control", "total_control"))
    count = data.present.sum(-1)
    single = np.flatnonzero(count == 1)
    if single.size:
        found = MEASURES[options.measure].effects(*columns, **single_rules(options))
        out.corrected[:] = found.corrected.sum(-1)
        known = np.isfinite(found.vi[single]).any(-1)
        fill_single(out, single[known], found.yi, found.vi, options)
        out.put(single[~known], status="not estimable", dropped=np.ones((~known).sum()))
        # A single study's correction is noted; the models below need none.
        out.corrected[count != 1] = 0.0
    rows = np.flatnonzero(count > 1)
    if rows.size:
        chosen = tuple(column[rows] for column in columns)
        if options.model in ("mantel_haenszel", "peto"):
            _fill_classic(out, rows, chosen, options)
        else:
            _fill_exact(out, rows, chosen, options)
    for name in ("estimate", "ci_lower", "ci_upper", "pi_lower", "pi_upper", "shrunken"):
        getattr(out, name)[:] = back(options, getattr(out, name), None)


def single_rules(options: Options) -> dict[str, Any]:
    """The zero-cell rules of a study shown as itself: its own where the model adds nothing."""
    return options.rules if options.convention != "metafor" else {}


def _classic(counts: tuple[Array, ...], options: Options) -> tuple[mantel_haenszel.Pooled, Array]:
    """The common effect, and how many studies had cells corrected, ``[b]``."""
    none = np.zeros(counts[0].shape[0])
    if options.model == "peto":
        return peto.pool_peto(*counts), none
    if options.convention == "metafor":
        return mantel_haenszel.pool_mantel_haenszel(options.measure, *counts), none
    data = Data(dict(zip(("events", "total", "events_control", "total_control"), counts, strict=True)))
    effects = MEASURES[options.measure].effects(*counts, **options.rules)
    # A variance of zero would be an infinite weight; RevMan corrects every such study, unless it is told to add nothing.
    vi = np.where(effects.vi > 0, effects.vi, np.inf)
    about = "inverse_variance" if options.convention == "meta" else "own"
    return mantel_haenszel_of(data, effects.yi, vi, options, about), effects.corrected.sum(-1).astype(float)


def _fill_classic(out: Batch, rows: Rows, counts: tuple[Array, ...], options: Options) -> None:
    """Common effect by Mantel-Haenszel or Peto, normal interval."""
    found, corrected = _classic(counts, options)
    half = distributions.two_sided_z(options.level) * found.se
    lower, upper = found.estimate - half, found.estimate + half
    out.put(rows, status="pooled", mu=found.estimate, se=found.se, mu_lower=lower, mu_upper=upper)
    out.put(rows, estimate=found.estimate, ci_lower=lower, ci_upper=upper, common_se=found.se)
    out.put(rows, q=found.q, q_df=found.q_df, q_pvalue=found.q_pvalue)
    out.weights[rows] = found.weights
    present = (counts[1] > 0) & (counts[3] > 0)
    out.put(rows, dropped=(present & ~found.used).sum(-1).astype(float), corrected=corrected)
    out.shrunken[rows] = found.estimate[:, None]
    fill_inconsistency(out, rows, None, options)
    last = np.flatnonzero(found.used.sum(-1) == 1)
    if last.size:
        kept = tuple(np.where(found.used[last], column[last], 0.0) for column in counts)
        out.clear(rows[last])
        for name in ("q", "q_df", "q_pvalue"):
            getattr(out, name)[rows[last]] = np.nan
        _fill_last(out, rows[last], kept, options)
    gone = rows[~found.estimable & (found.used.sum(-1) != 1)]
    out.put(gone, status="not estimable")
    out.clear(gone)


def _fill_exact(out: Batch, rows: Rows, counts: tuple[Array, ...], options: Options) -> None:
    """Random-effects models on the exact likelihood of the counts, log odds ratio."""
    e, n, ec, nc = counts
    present = (n > 0) & (nc > 0)
    # Without events in both groups, or with events only, a study says nothing of the odds ratio; UM.RS alone keeps it.
    silent = present & ((e + ec == 0) | (e + ec == n + nc))
    kept = present if options.model == "UM.RS" else present & ~silent
    e, n, ec, nc = (np.where(kept, column, 0.0) for column in (e, n, ec, nc))
    k = kept.sum(-1)
    out.put(rows, dropped=(present & ~kept).sum(-1).astype(float))
    # One arm without (or with only) events in every study: the common odds ratio is not finite.
    rising, falling = ((e == 0) | (ec == nc)) | ~kept, ((ec == 0) | (e == n)) | ~kept
    usable = (k > 1) & ~rising.all(-1) & ~falling.all(-1)
    if options.model == "bayes":
        # A proper prior of the log odds ratio has a posterior whatever the counts.
        usable = k > 1
    fine = np.flatnonzero(usable)
    _fill_last(out, rows[k == 1], tuple(column[k == 1] for column in (e, n, ec, nc)), options)
    gone = rows[~usable & (k != 1)]
    out.put(gone, status="not estimable")
    if not fine.size:
        return
    chosen, part = rows[fine], tuple(column[fine] for column in (e, n, ec, nc))
    if options.model == "bayes":
        studies = conditional(part, exact=True)
        fill_posterior(out, chosen, studies, part[1], options)
        both = ~(rising.all(-1) | falling.all(-1))[fine]
        height = np.where(both, common_mean(studies)[1], np.nan)
        lrt = np.maximum(0.0, 2 * (_saturated(part, options) - height))
    elif options.model in ("CM.EL", "CM.AL"):
        studies = conditional(part, exact=options.model == "CM.EL")
        fit = fit_random_effect(studies)
        fill_random_effect(out, chosen, studies, fit, options)
        lrt = np.maximum(0.0, 2 * (_saturated(part, options) - fit.loglik_common))
    else:
        lrt = _fill_unconditional(out, chosen, part, options)
    df = kept[fine].sum(-1) - 1.0
    found = MEASURES["OR"].effects(*part)
    q = wald(found)
    out.put(chosen, lrt=lrt, lrt_pvalue=distributions.chi2_upper_tail(lrt, df))
    out.put(chosen, q=q, q_df=df, q_pvalue=distributions.chi2_upper_tail(q, df))
    fill_inconsistency(out, chosen, two_step.typical_variance(found.vi), options)
    for target, source in (("estimate", "mu"), ("ci_lower", "mu_lower"), ("ci_upper", "mu_upper")):
        getattr(out, target)[chosen] = getattr(out, source)[chosen]
    out.weights[chosen] = np.where(kept[fine], out.weights[chosen], 0.0)
    out.clear(chosen[out.status[chosen] == "not estimable"])


def _fill_last(out: Batch, rows: Rows, counts: tuple[Array, ...], options: Options) -> None:
    """Where one study alone says something of the odds ratio it is shown as itself."""
    if rows.size:
        found = MEASURES[options.measure].effects(*counts, **single_rules(options))
        out.put(rows, corrected=found.corrected.sum(-1).astype(float))
        show_single(out, rows, found.yi, found.vi, options)


def _fill_unconditional(out: Batch, rows: Rows, counts: tuple[Array, ...], options: Options) -> Array:
    """The models with a rate of its own (UM.FS), or a random one (UM.RS), for each study; gives the test of equal effects."""
    e, n, ec, nc = counts
    level = options.level
    if options.model == "UM.FS":
        fs = um_fs.fit(e, n, ec, nc)
        found = _maximum(
            fs,
            lambda: um_fs_profile.theta_interval(e, n, ec, nc, fs, level),
            lambda: um_fs_profile.tau_interval(e, n, ec, nc, fs, level),
        )
        test = um_fs.heterogeneity_test(fs)[0]
    else:
        rs = um_rs.fit(e, n, ec, nc)
        found = _maximum(
            rs,
            lambda: um_rs_profile.theta_interval(e, n, ec, nc, rs, level),
            lambda: um_rs_profile.tau_interval(e, n, ec, nc, rs, level),
        )
        test = um_rs.heterogeneity_test(e, n, ec, nc, rs)[0]
    fill_maximum(out, rows, found, options)
    return test


def _maximum(fit: um_fs.Fit | um_rs.Fit, mean_profile: Profile, tau_profile: Profile) -> Maximum:
    """What the two models give, under the names that all models share."""
    return Maximum(
        mu=fit.theta,
        se=fit.se,
        tau=fit.tau,
        loglik=fit.loglik,
        mean_profile=mean_profile,
        tau_profile=tau_profile,
        information=np.nan_to_num(fit.study_information),
        shrunken=fit.effect,
        nodes=np.zeros(fit.theta.size),
        unbounded=fit.unbounded,
        settled=fit.settled,
    )


def _saturated(counts: tuple[Array, ...], options: Options) -> Array:
    """Log-likelihood of a free odds ratio for each study in the conditional models."""
    e, n, ec, nc = counts
    if options.model != "CM.AL":
        return Hypergeometric(e, n, ec, nc).saturated()
    return saturated_binomial(e, e + ec)
