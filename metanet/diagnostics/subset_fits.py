"""The same model fitted to very many subsets of its studies: by tabulated surfaces where the likelihood has two parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metanet.effects.measures import MEASURES
from metanet.kernels import beta_binomial_likelihood, heterogeneity, two_step
from metanet.kernels.subset_maxima import Table, study_surfaces
from metanet.kernels.tau2 import ESTIMATORS
from metanet.models.batch import pool_batch
from metanet.models.data import Data
from metanet.models.fill_one_group import logit_variance
from metanet.models.fill_two_step import back, effects_of, sizes_of
from metanet.models.likelihoods import likelihood_of
from metanet.models.options import Options, lean
from metanet.models.response import responses_at
from metanet.models.results import Pooled

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: Below this many subsets the table costs more than the fits.
_WORTH_A_TABLE = 2_000
#: Subsets in one piece of ordinary fits: what is kept of them is little, what is made on the way is not.
_PIECE = 1 << 15
#: Two-step fits in a piece that stays in the processor's cache.
_CACHED = 2_000
#: The table reaches so far beyond the outermost study on the model scale, and to so large a tau; the rest is fitted one by one.
_MARGIN, _TOP = 1.0, 4.0


@dataclass(frozen=True)
class SubsetFits:
    """By subset ``[b]``: the estimate on the response scale, tau2 and I2; NaN where they do not exist."""

    estimate: Array
    mu: Array
    tau2: Array
    i2: Array


def fit_subsets(fit: Pooled, options: Options, masks: Mask) -> SubsetFits:
    """Fit the model of `fit` to every subset ``[b, k]`` of its studies."""
    b = masks.shape[0]
    out = SubsetFits(*(np.full(b, np.nan) for _ in range(4)))
    data = fit.data
    if options.model in ("CM.EL", "CM.AL"):
        # A study without events, or with events only, in both groups says nothing in these models.
        both, whole = data["events"] + data["events_control"], data["total"] + data["total_control"]
        data = data.only((both > 0) & (both < whole))
    rest = np.arange(b)
    if options.model in ("glmm", "beta_binomial", "CM.EL", "CM.AL") and b >= _WORTH_A_TABLE:
        rest = _by_table(out, fit, data, options, masks)
    elif options.model in ("inverse_variance", "common") and options.to != "if0all":
        rest = _two_step(out, fit, options, masks)
    short = lean(options)
    for start in range(0, rest.size, _PIECE):
        rows = rest[start : start + _PIECE]
        fitted = pool_batch(data.only(masks[rows]), short)
        for name in ("estimate", "mu", "tau2", "i2"):
            getattr(out, name)[rows] = getattr(fitted, name)
    return out


def _by_table(out: SubsetFits, fit: Pooled, data: Data, options: Options, masks: Mask) -> NDArray[np.intp]:
    """Write the subsets whose maximum the table holds; gives the others."""
    studies = likelihood_of(data, options)
    here = studies.precision[0] > 0
    if here.sum() < 2:
        return np.arange(masks.shape[0])
    guess = studies.guess[0][here]
    surfaces, scale = study_surfaces(studies), 1.0 / float(np.sqrt(studies.precision.max()))
    if options.model == "beta_binomial":
        surfaces, scale = _beta_binomial_surfaces(data), 1.0 / float(np.sqrt(data["total"].max()))
    table = Table(surfaces, float(guess.min()) - _MARGIN, float(guess.max()) + _MARGIN, _TOP, scale)
    # One study, or all studies at the same edge: no maximum inside, and the ordinary fit answers them by their own rules.
    inside = (masks & here).sum(-1) > 1
    if options.groups == 1:
        x = masks @ data["events"][0]
        inside &= x > 0
        if not data.timed:
            inside &= x < masks @ data["total"][0]
    rows = np.flatnonzero(inside)
    found = table.maxima(masks[rows])
    kept = rows[found.found]
    mu, spread = found.mu[found.found], found.tau[found.found]
    out.mu[kept] = mu
    out.tau2[kept] = spread**2
    if options.model == "beta_binomial":
        psi = spread**2
        out.tau2[kept] = logit_variance(mu, psi / (1 + psi))
    out.estimate[kept] = responses_at(fit, mu)
    out.i2[kept] = heterogeneity.from_tau2(
        out.tau2[kept], out.tau2[kept], out.tau2[kept], _typical(data, options, studies.precision, masks[kept])
    ).i2
    return np.setdiff1d(np.arange(masks.shape[0]), kept, assume_unique=True)


def _two_step(out: SubsetFits, fit: Pooled, options: Options, masks: Mask) -> NDArray[np.intp]:
    """Write the subsets of two or more usable studies; gives the others. Effects do not depend on the subset here."""
    data = fit.data
    yi, vi, _, _ = effects_of(data, options)
    several = np.flatnonzero((masks & np.isfinite(vi)).sum(-1) > 1)
    for start in range(0, several.size, _CACHED):
        rows = several[start : start + _CACHED]
        v = np.where(masks[rows], vi, np.inf)
        y = np.broadcast_to(yi, v.shape)
        tau2 = ESTIMATORS[options.tau2](y, v) if options.tau2 else np.zeros(rows.size)
        mean = two_step.weighted_mean(y, v, tau2).mean
        size = sizes_of(data, options, np.isfinite(v)) if not data.by_effect else None
        out.mu[rows], out.estimate[rows] = mean, back(options, mean, size)
        if options.tau2:
            out.tau2[rows] = tau2
        if options.i2 == "Q":
            q = two_step.weighted_mean(y, v, np.zeros(rows.size)).q
            with np.errstate(divide="ignore"):
                out.i2[rows] = np.maximum(0.0, 1.0 - (two_step.study_count(v) - 1) / q)
        else:
            out.i2[rows] = heterogeneity.from_tau2(tau2, tau2, tau2, two_step.typical_variance(v)).i2
    return np.setdiff1d(np.arange(masks.shape[0]), several, assume_unique=True)


def _typical(data: Data, options: Options, precision: Array, masks: Mask) -> Array:
    """Typical sampling variance of each subset: sums over subsets are matrix products."""
    if options.link in ("probit", "cloglog"):
        weight = precision[0]
    else:
        # The exact models take the corrected effects of their studies for this, whatever their own zero-cell rule.
        measure = MEASURES[options.measure]
        weight = 1.0 / measure.effects(*(data[name] for name in measure.arguments)).vi[0]
    s1, s2 = masks @ weight, masks @ weight**2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((masks.sum(-1) - 1) * s1 / (s1 * s1 - s2))


def _beta_binomial_surfaces(data: Data) -> Callable[[Array, Array], Array]:
    """Log-likelihoods of single studies at (mu, t) with ``psi = t^2``: even in t, as those of a normal random effect are in tau."""
    counts = beta_binomial_likelihood.count(data["events"].T, data["total"].T)
    k = data.shape[1]

    def at(mu: Array, spread: Array) -> Array:
        out = np.empty((mu.size, k))
        for study in range(k):
            part = counts.take(np.full(mu.size, study))
            out[:, study] = beta_binomial_likelihood.evaluate(part, mu, spread**2).loglik
        return out

    return at
