"""Filling a batch with posteriors: counts with a normal random effect, under priors of mu and tau."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metanet.base.arrays import Array, Indices
from metanet.kernels.bayes.batch import RULES, MeanPrior, Posteriors, posteriors
from metanet.kernels.bayes.posterior import TauPrior
from metanet.kernels.normal_effect.random_effect import LINKS
from metanet.kernels.normal_effect.study_likelihoods import Likelihood
from metanet.models.options import Options
from metanet.models.pooling.batch import Batch
from metanet.models.registry import Prior, prior_of

# One study is not pooled, but the rate of the next one has a predictive distribution under proper priors, and is given.


def priors(options: Options, size: Array) -> tuple[MeanPrior, TauPrior]:
    """The priors of the model; `size` ``[b, k]`` holds the person-time, which the unit of an incidence rate depends on."""
    row: Prior = prior_of(options.link)
    mean: Array | float = row.mean
    if options.link == "log":
        present = (size > 0).sum(-1)
        mean = -np.log(size.sum(-1) / np.maximum(present, 1))
    return MeanPrior(mean, row.sd), TauPrior("half-normal", row.scale)


def fill_posterior(out: Batch, rows: Indices, studies: Likelihood, size: Array, options: Options) -> None:
    """Posterior medians, credible intervals with equal tails, predictive interval, shares and shrunken responses, on the model scale.

    The tests of equal effects, I2 and the response scale are left to the caller.
    """
    mean, spread = priors(options, size)
    left = np.arange(rows.size)
    for step, rule in enumerate(RULES):
        part, prior = studies.take(left), mean.take(left)
        found, settled = posteriors(part, prior, spread, rule, responses=not options.is_lean)
        # The last rule answers what is left; what it has not settled is marked.
        last = step == len(RULES) - 1
        done = np.flatnonzero(settled | last)
        if done.size:
            whole = done.size == left.size
            _write(out, rows[left[done]], found if whole else found.take(done), options)
            out.unsettled[rows[left[done]]] = ~settled[done]
        left = left[~settled]
        if last or not left.size:
            break


def _write(out: Batch, rows: Indices, found: Posteriors, options: Options) -> None:
    tail = 0.5 * (1.0 - options.level)
    ends = np.array([tail, 0.5, 1.0 - tail])
    lower, middle, upper = found.quantiles(ends).T
    _, sd = found.moments()
    several = out.k[rows] - out.dropped[rows] > 1
    out.put(rows, status=np.where(several, "pooled", "not pooled"))
    out.put(rows, mu=middle, se=sd, mu_lower=lower, mu_upper=upper, loglik=found.tau.log_evidence)
    out.put(rows, estimate=middle, ci_lower=lower, ci_upper=upper, nodes=np.full(rows.size, float(found.mean.mu[0].size)))
    tau = found.tau.quantile(0.5)
    out.put(rows, tau2=tau**2)
    if options.prediction is not None:
        low, high = found.new_quantiles(ends[[0, 2]]).T
        out.put(rows, pi_lower=low, pi_upper=high)
    if options.is_lean:
        return
    out.put(rows, tau2_lower=found.tau.quantile(tail) ** 2, tau2_upper=found.tau.quantile(1.0 - tail) ** 2)
    out.weights[rows] = found.shares()
    out.shrunken[rows] = found.responses()
    if options.link is not None:
        low, mean, high = found.averaged_quantiles(ends, options.link).T
        out.put(rows, marginal_estimate=mean, marginal_ci_lower=low, marginal_ci_upper=high)


def tails(likelihood: Likelihood, size: Array, options: Options, x: Array) -> tuple[Array, Array]:
    """Posterior probabilities that the mean, and that the effect of a new study, lie below `x` ``[q]`` on the model scale; one fit."""
    mean, spread = priors(options, size)
    for rule in RULES:
        found, settled = posteriors(likelihood, mean, spread, rule)
        if settled.all():
            break
    return found.below(x[None])[0][0], found.new_below(x[None])[0][0]


def new_above(likelihood: Likelihood, size: Array, options: Options, threshold: float) -> float:
    """Posterior probability that the effect of a new study lies above `threshold`, on the model scale; the first fit of a batch."""
    mean, spread = priors(options, size)
    for rule in RULES:
        found, settled = posteriors(likelihood, mean, spread, rule)
        if settled.all():
            break
    return float(1.0 - found.new_below(np.array([[threshold]]))[0][0, 0])


def to_response(out: Batch, rows: NDArray[np.intp], options: Options) -> None:
    """Take the numbers of `rows` from the scale of the link to that of the rates; an interval never touches 0 or 1."""
    link = LINKS[str(options.link)]
    names = ["estimate", "ci_lower", "ci_upper", "pi_lower", "pi_upper"]
    if not options.is_lean:
        names += ["marginal_estimate", "marginal_ci_lower", "marginal_ci_upper"]
    for name in names:
        values = getattr(out, name)[rows]
        with np.errstate(over="ignore"):
            rate = link.inverse(values)
        if options.link != "log":
            rate = np.where((rate == 1) & np.isfinite(values), np.nextafter(1.0, 0.0), rate)
            rate = np.where((rate == 0) & np.isfinite(values), np.nextafter(0.0, 1.0), rate)
        getattr(out, name)[rows] = rate
