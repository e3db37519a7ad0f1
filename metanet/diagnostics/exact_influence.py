"""The influence measures of exact models, from their likelihoods."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from metanet.diagnostics.two_step_twin import two_step_twin
from metanet.kernels import beta_binomial_likelihood, two_step
from metanet.kernels.hypergeometric import Hypergeometric
from metanet.kernels.predictive import beta_binomial_residual, normal_residual, predictive_residual
from metanet.kernels.random_effect import RULES, common_mean, evaluate
from metanet.models.batch import Batch
from metanet.models.data import Data
from metanet.models.fill_one_group import saturated
from metanet.models.likelihoods import likelihood_of
from metanet.models.options import Options
from metanet.models.results import Pooled

Array = NDArray[np.float64]

#: Models whose studies have one predictor each, with a normal random effect.
ONE_PREDICTOR = ("glmm", "CM.EL", "CM.AL")
#: What half the nodes may differ in a log-likelihood; the error of all of them is about the square.
_SETTLED = 1e-5


def residuals(fit: Pooled, options: Options, mu: Array, se: Array, deleted: Batch) -> Array:
    """Standardised deleted residuals ``[k]``: the count of each study under what the fit without it predicts."""
    data = fit.data
    if options.model == "beta_binomial":
        out = beta_binomial_residual(data["events"][0], data["total"][0], mu, se, deleted.rho)
    else:
        known = ~np.isnan(mu + se + deleted.tau2)
        sd = np.sqrt(np.where(known, deleted.tau2 + se**2, 1.0))
        found = predictive_residual(likelihood_of(data, options), np.where(known, mu, 0.0)[None], sd[None])[0]
        out = np.where(known, found, np.nan)
    if options.groups == 1 and not data.timed:
        out = np.where(np.isin(deleted.status, ("no events", "only events")), _beside_edge(data), out)
    return out


def _beside_edge(data: Data) -> Array:
    """Residual of a study when all others have no events (or only events): its count given the sum, hypergeometric ``[k]``."""
    events, total = data["events"][0], data["total"][0]
    whole = total.sum()
    up = events.sum() * 2 < whole
    x = np.where(up, events, total - events)

    def log_choose(n: Array, k: Array) -> Array:
        return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))

    with np.errstate(invalid="ignore"):
        p = np.exp(log_choose(total, x) - log_choose(np.full(x.shape, whole), x))
    # The whole sum fell to one study: nothing is more extreme.
    residual = normal_residual(1.0 - p, np.zeros_like(p))
    return np.where(up, residual, -residual)


def displacement(fit: Pooled, options: Options, mu: Array, deleted: Batch) -> Array:
    """Twice the fall of the log-likelihood of all studies, at the maximum without each of them, ``[k]``.

    NaN for UM.FS and UM.RS, whose maximum has as many further parameters as there are studies.
    """
    out = np.full(fit.k, np.nan)
    rows = np.flatnonzero(~np.isnan(mu))
    if fit.loglik is None or not rows.size:
        return out
    if options.model == "beta_binomial":
        counts = beta_binomial_likelihood.count(fit.data["events"], fit.data["total"])
        rho = deleted.rho[rows]
        at = beta_binomial_likelihood.evaluate(
            counts.take(np.zeros(rows.size, dtype=np.intp)), mu[rows], rho / (1 - rho)
        )
        height = at.loglik
    elif options.model in ONE_PREDICTOR:
        height = _height(_informative(fit.data, options), options, mu[rows], np.sqrt(deleted.tau2[rows]))
    else:
        return out
    out[rows] = np.maximum(0.0, 2 * (fit.loglik - height))
    return out


def _informative(data: Data, options: Options) -> Data:
    """Without the studies that a conditional model leaves out: no events, or only events, in both groups."""
    if options.groups == 1:
        return data
    both, all_ = data["events"] + data["events_control"], data["total"] + data["total_control"]
    return data.only((both > 0) & (both < all_))


def _height(data: Data, options: Options, mu: Array, tau: Array) -> Array:
    """Log-likelihood of all studies at several points, with as many nodes as it takes."""
    studies = likelihood_of(data, options)
    out = np.empty(mu.size)
    rows = np.arange(mu.size)
    for rule in RULES[1:]:
        at = evaluate(studies.take(np.zeros(rows.size, dtype=np.intp)), mu[rows], tau[rows], rule)
        out[rows] = at.loglik
        rows = rows[np.abs(at.half_loglik - at.loglik) > _SETTLED]
        if not rows.size:
            break
    return out


def deviance_shares(fit: Pooled, options: Options) -> Array:
    """Each study's share of the likelihood-ratio statistic of equal effects, ``[k]``; they add up to ``fit.lrt``.

    For UM.FS and UM.RS, where a study's own share has no meaning, its share of Q.
    """
    data = fit.data
    if options.model not in (*ONE_PREDICTOR, "beta_binomial"):
        twin = two_step_twin(fit)
        y, v = twin.yi, twin.vi
        if not np.isfinite(v).any():
            return np.full(fit.k, np.nan)
        common = two_step.weighted_mean(y, v, np.zeros(1))
        return np.asarray(np.where(np.isfinite(v), common.weights * (y - common.mean[:, None]) ** 2, 0.0)[0])
    data = _informative(data, options)
    mean = common_mean(likelihood_of(data, options))[0]
    # A batch of single studies: each with its own constant.
    single = Data({name: values.T for name, values in data.columns.items()})
    studies = likelihood_of(single, options)
    height = studies.terms(np.broadcast_to(mean[:, None], single.shape))[0].sum(-1) + studies.constant
    if isinstance(studies, Hypergeometric):
        top = studies.saturated()
    elif options.groups == 2:
        top = saturated(single["events"], single["events"] + single["events_control"], options)
    else:
        top = saturated(single["events"], single["person_time" if single.timed else "total"], options)
    return np.where(single.present[:, 0], np.maximum(0.0, 2 * (top - height)), 0.0)
