"""Influence of single studies: how the result changes without each of them, from one batch of refits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import gammaln

from metanet.base.arguments import checked
from metanet.base.arrays import Array
from metanet.base.display import number, per_cent
from metanet.base.drawing import draw
from metanet.base.results import Method, Result
from metanet.base.untrusted import listing, visible
from metanet.diagnostics.studies.series import refit
from metanet.diagnostics.study_effects import two_step_twin
from metanet.kernels.beta_binomial import likelihood as beta_binomial_likelihood
from metanet.kernels.inverse_variance import two_step
from metanet.kernels.normal_effect.random_effect import (
    RULES,
    beta_binomial_residual,
    common_mean,
    evaluate,
    normal_residual,
    predictive_residual,
)
from metanet.kernels.normal_effect.study_likelihoods import Hypergeometric
from metanet.kernels.numerics import distributions
from metanet.models.options import Options, options_of
from metanet.models.pooling.batch import Batch, Data
from metanet.models.pooling.fill import likelihood_of, saturated
from metanet.models.results.pooled import Pooled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


#: Models whose studies have one predictor each, with a normal random effect.
ONE_PREDICTOR = ("bayes", "glmm", "CM.EL", "CM.AL")
#: What half the nodes may differ in a log-likelihood; the error of all of them is about the square.
_SETTLED = 1e-5
#: Studies of which each is left out.
_MOST = 1000


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
        at = beta_binomial_likelihood.evaluate(counts.take(np.zeros(rows.size, dtype=np.intp)), mu[rows], rho / (1 - rho))
        height = at.loglik
    elif options.model in ONE_PREDICTOR:
        height = _height(_informative(fit.data, options), options, mu[rows], np.sqrt(deleted.tau2[rows]))
    else:
        return out
    top = fit.loglik
    if options.model == "bayes":
        # What falls is the likelihood at the posterior medians, which are not its maximum.
        top = float(_height(_informative(fit.data, options), options, np.array([fit.mu]), np.array([fit.tau]))[0])
    out[rows] = np.maximum(0.0, 2 * (top - height))
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


_COLUMNS = (
    "rstudent",
    "dffits",
    "cook_d",
    "cov_ratio",
    "tau2_deleted",
    "q_deleted",
    "lrt_deleted",
    "hat",
    "weight",
    "dfbetas",
    "displacement",
    "heterogeneity",
    "shift",
)


#: A residual sum of squares this small, in sampling variances, is rounding.
_NO_RESIDUAL = 1e-20


@dataclass(frozen=True, eq=False, repr=False)
class Influence(Result):
    """One row for each study; `reason` says why there is none.

    The frame holds, in the order of ``fit.studies``:

    rstudent
        Standardised deleted residual. Two-step models: ``(y - mu_d) / sqrt(s2_d (v + tau2_d) + se_d^2)``, where ``_d`` is the fit
        without the study and ``s2_d`` the Hartung-Knapp scale (1 for other intervals). Exact models: the normal quantile of the
        mid-p value of the study's count under what the others predict for it; it exists without events as well.
    dffits
        Change of the estimate in standard errors of the fitted value: ``(mu - mu_d) / sqrt(s2_d hat (v + tau2_d))``; exact
        models: ``(mu - mu_d) / se``.
    cook_d
        Cook's distance, ``(mu - mu_d)^2 / se^2``.
    cov_ratio
        ``se_d^2 / se^2``: above 1 the study makes the estimate more precise.
    tau2_deleted, q_deleted, lrt_deleted
        Heterogeneity variance and the tests of equal effects without the study.
    hat, weight
        Leverage, and the share in the estimate; for these models with one mean they are one number.
    dfbetas
        ``(mu - mu_d)`` in standard errors that the full data have at ``tau2_d``; exact models: ``(mu - mu_d) / se_d``.
    displacement
        Exact models: twice the fall of the log-likelihood of all studies at the estimates without the study (Cook 1986,
        doi:10.1111/j.2517-6161.1986.tb01398.x).
    heterogeneity, shift
        The axes of Baujat's plot: the study's share of Q (exact models: of the likelihood-ratio statistic), and the squared change
        of the estimate over its variance without the study.
    influential
        Whether a customary limit is passed: ``|dffits| > 3 / sqrt(k - 1)``, Cook's distance beyond the median of chi-squared
        with one df, ``hat > 3 / k`` (k above 3), or ``|dfbetas| > 1``; or no fit exists without the study.
    """

    fit: Pooled = field(repr=False)
    method: Method = field(repr=False)
    reason: str | None
    _frame: pd.DataFrame = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """The measures by study; a copy."""
        return self._frame.copy()

    _entries = ("reason", ("rows", "_frame"))

    @property
    def heading(self) -> str:
        """What the analysis is called."""
        return "Influence"

    def sentence(self) -> str:
        """Which studies stand out, and by what."""
        if self.reason:
            return self.reason
        names = list(self._frame.loc[self._frame["influential"], "study"])
        if not names:
            return "By the customary limits no single study drives the result."
        verb = "drives" if len(names) == 1 else "drive"
        return f"By the customary limits {listing(names)} {verb} the result."

    def table(self) -> tuple[list[str], list[tuple[str, ...]]]:
        """The measures of each study; a star marks those that pass a customary limit."""
        head = ["Study", "Residual", "DFFITS", "Cook's D", "Covariance ratio", "tau² without", "Weight", ""]
        return head, [
            (
                visible(row["study"]),
                number(row["rstudent"]),
                number(row["dffits"]),
                number(row["cook_d"]),
                number(row["cov_ratio"]),
                number(row["tau2_deleted"], 3),
                f"{per_cent(row['weight'])} %",
                " *" if row["influential"] else "",
            )
            for row in self._frame.to_dict("records")
        ]

    def plot(self, **options: Any) -> Any:
        """Draw the measures by study; see `metanet.figures`."""
        return draw("influence", self, **options)

    def baujat(self, **options: Any) -> Axes:
        """Draw heterogeneity against influence; see `metanet.figures`."""
        axes: Axes = draw("baujat", self, **options)
        return axes


@checked()
def influence(fit: Pooled) -> Influence:
    """Measure how single studies move the result.

    Parameters
    ----------
    fit
        The result of `pool`, whatever its model.

    Returns
    -------
    Influence
        A row for each study; NaN where the fit without it does not exist. One study, or a result without an estimate on the
        model scale (no events), has no rows, and a reason.

    References
    ----------
    Viechtbauer, Cheung (2010), doi:10.1002/jrsm.11; Baujat, Mahe, Pignon, Hill (2002), doi:10.1002/sim.1221; Cook (1986),
    doi:10.1111/j.2517-6161.1986.tb01398.x; Dunn, Smyth (1996), doi:10.1080/10618600.1996.10474708.
    """
    import pandas as pd

    reason = _reason(fit)
    if reason:
        return Influence(fit, fit.method, reason, pd.DataFrame(columns=["study", "status", *_COLUMNS, "influential"]))
    deleted = refit(fit, ~np.eye(fit.k, dtype=bool))
    columns = _measures(fit, deleted)
    k = fit.k
    limit = float(distributions.chi2_quantile(0.5, 1))
    with np.errstate(invalid="ignore"):
        influential = (
            # Where no fit is left without it, it carries the result.
            ((deleted.status != "pooled") & (k > 2))
            | (np.abs(columns["dffits"]) > 3 / np.sqrt(k - 1))
            | (columns["cook_d"] > limit)
            | ((columns["hat"] > 3 / k) & (k > 3))
            | (np.abs(columns["dfbetas"]) > 1)
        )
    if np.isnan(columns["rstudent"]).all():
        reason = "No study can be set against the others: without it too few are left to pool, or their error is zero."
        return Influence(fit, fit.method, reason, pd.DataFrame(columns=["study", "status", *_COLUMNS, "influential"]))
    frame = pd.DataFrame({"study": fit.studies["study"], "status": deleted.status, **columns, "influential": influential})
    return Influence(fit, fit.method, None, frame)


def _reason(fit: Pooled) -> str | None:
    """Why there is nothing to measure, if so."""
    if fit.k > _MOST:
        largest = per_cent(float(np.nanmax(fit.weights)))
        return (
            f"Influence measures need a fit without each study and are computed for up to {_MOST:,} studies; the largest weight of "
            f"one of the {fit.k:,} here is {largest} %."
        )
    if fit.k < 2:
        return "Influence measures need at least two studies."
    if fit.mu is None or fit.se is None:
        return f"The result has no estimate on the model scale ({fit.status}), so there are no influence measures."
    return None


def _measures(fit: Pooled, deleted: Batch) -> dict[str, Array]:
    options = options_of(fit.method)
    assert fit.mu is not None
    assert fit.se is not None
    # Without the study there may be only one left, which is not pooled: its own standard error is no measure of the mean.
    pooled = deleted.status == "pooled"
    mu, se, tau2 = (np.where(pooled, x, np.nan) for x in (deleted.mu, deleted.se, deleted.tau2))
    tau2 = np.where(pooled & np.isnan(tau2), 0.0, tau2) if options.tau2 is None else tau2
    change, unit = fit.mu - mu, np.full(fit.k, fit.se)
    out = dict.fromkeys(_COLUMNS, np.full(fit.k, np.nan))
    out |= {"q_deleted": deleted.q, "lrt_deleted": deleted.lrt, "hat": fit.weights, "weight": fit.weights}
    out["tau2_deleted"] = np.where(pooled, deleted.tau2, np.nan)
    if options.exact:
        out |= {"dffits": change / unit, "dfbetas": change / se}
        out["rstudent"] = residuals(fit, options, mu, se, deleted)
        out["displacement"] = displacement(fit, options, mu, deleted)
        out["heterogeneity"] = deviance_shares(fit, options)
    else:
        twin = two_step_twin(fit)
        y, v = twin.yi[0], twin.vi[0]
        usable = np.isfinite(v)
        weights = np.where(usable, 1.0 / (v + tau2[:, None]), 0.0)
        np.fill_diagonal(without := weights.copy(), 0.0)
        # What Hartung and Knapp multiply the variance by; 1 for the other two-step intervals, and for the classical models
        # the ratio of their own variance to that of inverse variance. Effects that agree exactly leave rounding, and no unit
        # to measure in.
        scale = se**2 * without.sum(-1)
        se, scale = (np.where(scale > _NO_RESIDUAL, x, np.nan) for x in (se, scale))
        own = fit.se**2 * (1.0 / (v + (fit.tau2 or 0.0))).sum()
        unit = np.where(own > _NO_RESIDUAL, unit, np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            out["rstudent"] = (y - mu) / np.sqrt(scale * (v + tau2) + se**2)
            out["dffits"] = change / np.sqrt(scale * fit.weights * (v + tau2))
            out["dfbetas"] = change / np.sqrt(scale / weights.sum(-1))
        for name in ("rstudent", "dffits"):
            out[name] = np.where(usable, out[name], np.nan)
        if usable.any():
            common = two_step.weighted_mean(y[None], v[None], np.zeros(1))
            out["heterogeneity"] = np.where(usable, common.weights[0] * (y - common.mean[0]) ** 2, 0.0)
    out |= {"cook_d": change**2 / unit**2, "cov_ratio": se**2 / unit**2, "shift": change**2 / se**2}
    return out
