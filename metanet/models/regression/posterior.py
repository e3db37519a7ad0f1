"""The numbers of one meta-regression of counts by its posterior."""

from __future__ import annotations

import numpy as np

from metanet.base.arrays import Array
from metanet.kernels.bayes import regression as bayes
from metanet.kernels.bayes.batch import Posteriors
from metanet.kernels.inverse_variance import regression
from metanet.kernels.normal_effect.random_effect import LINKS
from metanet.kernels.normal_effect.regression import fit as fit_exact
from metanet.kernels.numerics import distributions
from metanet.models.options import Options
from metanet.models.pooling.batch import Data
from metanet.models.pooling.fill import likelihood_of
from metanet.models.pooling.posterior import priors
from metanet.models.regression.fit import NAN, Numbers, saturated_loglik, study_sizes, typical_variance, vif


def fit_posterior(data: Data, x: Array, contrast: Array, options: Options) -> Numbers:
    """Posterior medians, credible intervals with equal tails, and the levels at which they touch zero.

    Proper priors leave no data without an answer. The test of residual heterogeneity is that of the likelihood, as in pooling.
    """
    studies, link = likelihood_of(data, options), LINKS[str(options.link)]
    events, size = data["events"], study_sizes(data)
    k, p = x.shape
    mean, spread = priors(options, size)
    found = bayes.settled_fit(studies, x, mean, spread, np.eye(p))
    null = bayes.settled_fit(studies, np.ones((k, 1)), mean, spread, np.ones((1, 1)))
    tail = 0.5 * (1.0 - options.level)
    ends = np.array([tail, 0.5, 1.0 - tail])
    lower, middle, upper = found.contrasts.quantiles(ends).T
    _, sd = found.contrasts.moments()
    nothing = np.full((1, p), np.nan)
    inference = regression.Inference(sd[None], nothing, nothing, bayes.two_sided(found.contrasts)[None], lower[None], upper[None])
    tau2 = float(found.tau.quantile(0.5)[0] ** 2)
    total = float(events.sum())
    both = total > 0 and (options.link == "log" or total < size.sum())
    likelihood = fit_exact(studies, x) if both else None
    qe = NAN if likelihood is None else max(0.0, 2 * float(saturated_loglik(events, size, options)[0] - likelihood.loglik_common[0]))
    moments = found.moments()

    def of(rows: Array) -> Posteriors:
        return found.of(rows)

    def combine(rows: Array) -> tuple[Array, Array, Array]:
        part, back = np.unique(rows, axis=0, return_inverse=True)
        known = of(part)
        value, se = known.quantiles(ends[1:2])[:, 0], known.moments()[1]
        back = back.reshape(-1)
        return value[back], se[back], se[back]

    def response(value: Array) -> Array:
        with np.errstate(over="ignore"):
            rate = np.asarray(link.inverse(value))
        if options.link == "log":
            return rate
        # An interval never touches 0 or 1.
        return np.clip(rate, np.nextafter(0.0, 1.0), np.nextafter(1.0, 0.0))

    def predicted(rows: Array) -> dict[str, Array]:
        part, back = np.unique(rows, axis=0, return_inverse=True)
        known = of(part)
        low, value, high = known.quantiles(ends).T
        new_low, new_high = known.new_quantiles(ends[[0, 2]]).T
        average = known.averaged_quantiles(ends, str(options.link)).T
        out = {
            "predictor": value,
            "se": known.moments()[1],
            "estimate": response(value),
            "ci_lower": response(low),
            "ci_upper": response(high),
            "pi_lower": response(new_low),
            "pi_upper": response(new_high),
            "marginal_estimate": response(average[1]),
            "marginal_ci_lower": response(average[0]),
            "marginal_ci_upper": response(average[2]),
        }
        return {name: values[back.reshape(-1)] for name, values in out.items()}

    return Numbers(
        status="fitted",
        k=k,
        beta=middle,
        inference=inference,
        vif=vif(moments[1][0], contrast),
        tau2=tau2,
        tau2_lower=float(found.tau.quantile(tail)[0] ** 2),
        tau2_upper=float(found.tau.quantile(1.0 - tail)[0] ** 2),
        tau2_without=float(null.tau.quantile(0.5)[0] ** 2),
        i2=tau2 / (tau2 + typical_variance(studies, data, x, options)) if both else NAN,
        qe=qe,
        qe_df=k - p,
        qe_pvalue=float(distributions.chi2_upper_tail(qe, k - p)) if both else NAN,
        qm=NAN,
        qm_pvalue=NAN,
        lrt=NAN,
        lrt_pvalue=NAN,
        loglik=NAN,
        weights=found.shares[0],
        response=events[0] / size[0],
        df=NAN,
        nodes=max(found.nodes),
        settled=bool(found.settled[0]),
        empty_tau2=False,
        one_sided=not both,
        corrected=0,
        combine=combine,
        to_response=response,
        marginal=None,
        posterior_pvalue=float(found.p_value(contrast)[0]),
        approximate=found.approximate,
        free=() if likelihood is None else tuple(np.flatnonzero(np.isnan(likelihood.beta[0])).tolist()),
        predicted=predicted,
    )
