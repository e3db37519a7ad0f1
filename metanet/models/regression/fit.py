"""The numbers of one meta-regression, by either model, as the result object shows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy

from metanet.base.arrays import Array
from metanet.effects.measures import MEASURES
from metanet.kernels.inverse_variance import regression, regression_tau2, two_step
from metanet.kernels.normal_effect.fit import fit as fit_mean
from metanet.kernels.normal_effect.random_effect import LINKS, marginal_rate
from metanet.kernels.normal_effect.regression import fit as fit_exact, tau_interval
from metanet.kernels.normal_effect.study_likelihoods import Likelihood
from metanet.kernels.numerics import distributions
from metanet.kernels.resampling import permutations
from metanet.models.options import Options
from metanet.models.pooling.batch import Data
from metanet.models.pooling.fill import back, effects_of, likelihood_of, saturated_binomial, sizes_of

Combine = Callable[[Array], tuple[Array, Array, Array]]

NAN = float("nan")
#: A residual sum of squares this small, in sampling variances, is rounding.
_NO_RESIDUAL = 1e-20


@dataclass(frozen=True, eq=False)
class Numbers:
    """One fit; a number that does not exist is NaN. `combine` gives value, standard error of tests, and model-based one, of rows.

    A posterior has the level at which the joint credible region of the moderators touches zero (`posterior_pvalue`), whether other
    coefficients were integrated by Laplace's approximation (`approximate`), the coefficients of which the likelihood alone has no
    maximum (`free`), and its own predictions (`predicted`).
    """

    status: str
    k: int
    beta: Array
    inference: regression.Inference
    vif: Array
    tau2: float
    tau2_lower: float
    tau2_upper: float
    tau2_without: float
    i2: float
    qe: float
    qe_df: int
    qe_pvalue: float
    qm: float
    qm_pvalue: float
    lrt: float
    lrt_pvalue: float
    loglik: float
    weights: Array
    response: Array
    df: float
    nodes: int
    settled: bool
    empty_tau2: bool
    one_sided: bool
    corrected: int
    combine: Combine = field(repr=False)
    to_response: Callable[[Array], Array] = field(repr=False)
    marginal: Callable[[Array], Array] | None = field(repr=False)
    posterior_pvalue: float = NAN
    approximate: bool = False
    free: tuple[int, ...] = ()
    predicted: Callable[[Array], dict[str, Array]] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Permuted:
    """Permutation p-values of the coefficients ``[p]`` and of all moderators, and how many arrangements made them."""

    pvalues: Array
    omnibus: float
    arrangements: int
    complete: bool


def usable(data: Data, options: Options) -> NDArray[np.bool_]:
    """Studies ``[k]`` that have a part in the estimate: with a two-step model those with an effect and a variance above zero."""
    if options.exact:
        return np.asarray(data.present[0])
    return np.asarray(np.isfinite(effects_of(data, options)[1][0]))


def vif(covariance: Array, contrast: Array) -> Array:
    """Variance inflation of each coefficient but the intercept, ``[p]``: the diagonal of the inverse of their correlations.

    Fox and Monette (1992, doi:10.1080/01621459.1992.10475190) for single columns.
    """
    p = covariance.shape[0]
    out = np.full(p, np.nan)
    moderators = np.flatnonzero((contrast != 0).any(0))
    if contrast.shape[0] != p - 1 or moderators.size != p - 1:
        return out
    part = covariance[np.ix_(moderators, moderators)]
    if not np.isfinite(part).all():
        return out
    size = np.sqrt(np.diag(part))
    out[moderators] = np.diag(np.linalg.inv(part / np.outer(size, size)))
    return out


def fit_two_step(data: Data, x: Array, contrast: Array, options: Options) -> Numbers:
    """Inverse-variance regression of the studies of `data`, all usable."""
    y, v, corrected, _ = effects_of(data, options)
    assert options.tau2 is not None
    found = regression.fit(y, v, x, options.tau2)
    ones = np.ones((x.shape[0], 1))
    null = regression.fit(y, v, ones, options.tau2)
    factor = float(regression.scale_factor(found, options.ci)[0])
    if factor < _NO_RESIDUAL:
        # Effects on one line leave rounding noise, and a test that divides by it means nothing.
        factor = NAN
    model = found.covariance[0]
    df = np.array([np.inf]) if options.ci == "z" else found.df
    tested = model * factor
    inference = regression.infer(found.beta, np.diag(tested)[None], df, options.level)
    qm, qm_p = regression.wald(found.beta, tested[None], contrast, df)
    lower, upper, empty = regression_tau2.q_profile(y, v, x, options.level)
    ml = options.tau2 == "ML"
    lrt = max(0.0, 2 * float(found.loglik[0] - null.loglik[0])) if ml else NAN
    size = sizes_of(data, options, np.isfinite(v))
    beta = found.beta[0]

    def combine(rows: Array) -> tuple[Array, Array, Array]:
        variance = np.maximum(np.einsum("mp,pq,mq->m", rows, model, rows), 0.0)
        return rows @ beta, np.sqrt(variance * factor), np.sqrt(variance)

    own_size = None if size is None else study_sizes(data)
    tau2 = float(found.tau2[0])
    return Numbers(
        status="fitted",
        k=int(found.k[0]),
        beta=beta,
        inference=inference,
        vif=vif(model, contrast),
        tau2=tau2,
        tau2_lower=float(lower[0]),
        tau2_upper=float(upper[0]),
        tau2_without=float(null.tau2[0]),
        i2=tau2 / (tau2 + float(found.typical[0])),
        qe=float(found.qe[0]),
        qe_df=int(found.df[0]),
        qe_pvalue=float(distributions.chi2_upper_tail(found.qe, found.df)[0]),
        qm=float(qm[0]),
        qm_pvalue=float(qm_p[0]),
        lrt=lrt,
        lrt_pvalue=float(distributions.chi2_upper_tail(lrt, contrast.shape[0])) if ml else NAN,
        loglik=float(found.loglik[0]) if ml else NAN,
        weights=found.weights[0] / found.weights[0].sum(),
        response=back(options, y, None if own_size is None else own_size)[0],
        df=float(df[0]),
        nodes=0,
        settled=True,
        empty_tau2=bool(empty[0]),
        one_sided=False,
        corrected=int(corrected[0]),
        combine=combine,
        to_response=lambda value: back(options, value, size),
        marginal=None,
    )


def study_sizes(data: Data) -> Array:
    """Patients, or person-time, of the studies, ``[1, k]``."""
    return data["person_time" if data.timed else "total"]


def fit_counts(data: Data, x: Array, contrast: Array, options: Options) -> Numbers:
    """Regression of the counts themselves, with a normal random effect."""
    assert options.link is not None
    studies, link = likelihood_of(data, options), LINKS[options.link]
    events, size = data["events"], study_sizes(data)
    k, p = x.shape
    found, null = fit_exact(studies, x), _without_moderators(studies)
    gone = np.isnan(found.eta[0])
    x_sum = events.sum()
    one_sided = x_sum == 0 or (options.link != "log" and x_sum == size.sum())
    status = "fitted"
    if found.unbounded[0] or one_sided or not found.settled[0]:
        status = "not estimable"
    elif found.separated[0]:
        status = "separated"
    known = status != "not estimable"
    # Where every study is separated its likelihood is one, and nothing is left to fit.
    here = known and not gone.all()
    beta = found.beta[0] if here else np.full(p, np.nan)
    covariance = found.covariance[0, :p, :p] if here else np.full((p, p), np.nan)
    df = np.array([np.inf if options.ci == "z" else float(k - p)])
    inference = regression.infer(beta[None], np.diag(covariance)[None], df, options.level)
    qm, qm_p = regression.wald(beta[None], covariance[None], contrast, df)
    lower, upper = tau_interval(studies, found, options.level)
    tau2 = float(found.tau[0] ** 2) if here else NAN
    qe = max(0.0, 2 * float(saturated_loglik(events, size, options)[0] - found.loglik_common[0]))
    lrt = max(0.0, 2 * (float(found.loglik[0]) - null[0])) if known else NAN
    typical = typical_variance(studies, data, x, options)
    information = np.where(gone, 0.0, found.study_information[0])

    def combine(rows: Array) -> tuple[Array, Array, Array]:
        value, se = found.combine(rows[None])
        return value[0], se[0], se[0]

    def rate(value: Array) -> Array:
        with np.errstate(over="ignore"):
            return np.asarray(link.inverse(value))

    tau = found.tau[0]
    return Numbers(
        status=status,
        k=k,
        beta=beta,
        inference=inference,
        vif=vif(covariance, contrast),
        tau2=tau2,
        tau2_lower=float(lower[0] ** 2) if here else NAN,
        tau2_upper=float(upper[0] ** 2) if here else NAN,
        tau2_without=null[1],
        i2=tau2 / (tau2 + typical),
        qe=qe if here else NAN,
        qe_df=k - p,
        qe_pvalue=float(distributions.chi2_upper_tail(qe, k - p)) if here else NAN,
        qm=float(qm[0]),
        qm_pvalue=float(qm_p[0]),
        lrt=lrt,
        lrt_pvalue=float(distributions.chi2_upper_tail(lrt, contrast.shape[0])),
        loglik=float(found.loglik[0]) if known else NAN,
        weights=information / information.sum() if here else np.full(k, np.nan),
        response=events[0] / size[0],
        df=float(df[0]),
        nodes=int(found.nodes[0]) if here and tau > 0 else 0,
        settled=bool(found.settled[0] or found.unbounded[0]),
        empty_tau2=False,
        one_sided=bool(one_sided),
        corrected=0,
        combine=combine,
        to_response=rate,
        marginal=lambda value: marginal_rate(link, np.nan_to_num(value), np.full(value.shape, tau))[0],
    )


def _without_moderators(studies: Likelihood) -> tuple[float, float]:
    """Log-likelihood and tau2 of the model with the mean alone; the supremum, and no tau2, where all studies stand at one edge."""
    found = fit_mean(studies)
    if not found.unbounded[0]:
        return float(found.loglik[0]), float(found.tau[0] ** 2)
    edge = fit_exact(studies, np.ones((studies.guess.shape[1], 1)))
    return float(edge.loglik[0]), NAN


def typical_variance(studies: Likelihood, data: Data, x: Array, options: Options) -> float:
    """Typical sampling variance of the studies on the model scale, for I2."""
    if options.link == "logit" or options.link == "log":
        v = MEASURES[options.measure].effects(data["events"], study_sizes(data)).vi
    else:
        v = 1.0 / studies.precision
    return float(regression.fit(np.zeros_like(v), v, x, np.zeros(1)).typical[0])


def saturated_loglik(events: Array, size: Array, options: Options) -> Array:
    """Log-likelihood of one free rate for each study."""
    if options.link != "log":
        return saturated_binomial(events, size)
    return np.asarray((xlogy(events, np.where(events > 0, events, 1.0)) - events - gammaln(events + 1)).sum(-1))


def permute(data: Data, x: Array, contrast: Array, options: Options, most: int, seed: int) -> Permuted:
    """The permutation test of the same model; every arrangement is fitted anew, in batches."""
    index, complete = permutations.arrangements(x, most, seed)
    if options.exact:
        studies = likelihood_of(data, options)
        null = _without_moderators(studies)[0]
        moderators = np.flatnonzero((contrast != 0).any(0))
        # Without an intercept a single column cannot be left out: the others would no longer make up the mean.
        moderators = moderators if moderators.size == x.shape[1] - 1 else moderators[:0]
        single, omnibus = permutations.exact_statistics(studies, x, index, null, moderators)
    else:
        y, v, _, _ = effects_of(data, options)
        assert options.tau2 is not None
        single, omnibus = permutations.two_step_statistics(y[0], v[0], x, index, options.tau2, options.ci, contrast)
    pvalues = permutations.p_values(single)
    return Permuted(pvalues, float(permutations.p_values(omnibus)), index.shape[0], complete)


def r2(numbers: Numbers) -> float:
    """Share of tau2 that the moderators account for; cut at zero, NaN where there is nothing to explain."""
    return float(two_step.r2(np.array([numbers.tau2_without]), np.array([numbers.tau2]))[0])
