"""Limit meta-analysis: the pooled effect that studies of infinite precision would have, small-study effects going on to there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from metanet.base.arguments import checked
from metanet.base.display import p_value, per_cent, plural
from metanet.base.results import Method, Test
from metanet.diagnostics.bias.registry import check_biased
from metanet.diagnostics.bias.small_study_effects import Check, stamp_of
from metanet.diagnostics.study_effects import number_or_none, two_step_twin
from metanet.kernels.bias.adjustments import limit_meta
from metanet.kernels.inverse_variance.tau2 import ESTIMATORS as TAU2
from metanet.kernels.numerics import distributions
from metanet.models.results.pooled import Pooled

if TYPE_CHECKING:
    import pandas as pd


_NUMBERS = (
    "k", "estimate", "ci_lower", "ci_upper", "mu", "se", "mu_lower", "mu_upper", "alpha", "alpha_se", "beta", "tau2", "q", "q_df",
    "q_pvalue", "q_small_study", "q_small_study_pvalue", "q_residual", "q_residual_df", "q_residual_pvalue", "g2",
)  # fmt: skip
_REASON = "The limit follows the effects along their standard errors, and the standard error of a rate is made of the rate."


@dataclass(frozen=True, eq=False, repr=False)
class LimitMetaAnalysis(Check):
    """The limit of the effects as studies grow without bound.

    Attributes
    ----------
    estimate, ci_lower, ci_upper, mu, se, mu_lower, mu_upper
        The limit effect on the response and on the model scale, with normal intervals.
    alpha, alpha_se, beta
        Small-study effect in units of the total standard error, and the effect with which it is taken out.
    tau2
        Heterogeneity variance of the fit (or of its two-step twin), taken as known.
    q, q_small_study, q_residual
        Cochran's Q (k - 1 df), the part that small-study effects explain (1 df), and the rest (k - 2 df), with p-values.
    g2
        Share of the variation that is left once small-study effects are allowed for (0 to 1).
    reason
        Why there is no answer.
    """

    fit: Pooled = field(repr=False)
    method: Method = field(repr=False)
    reason: str | None
    k: int
    estimate: float | None
    ci_lower: float | None
    ci_upper: float | None
    mu: float | None
    se: float | None
    mu_lower: float | None
    mu_upper: float | None
    alpha: float | None
    alpha_se: float | None
    beta: float | None
    tau2: float | None
    q: float | None
    q_df: int | None
    q_pvalue: float | None
    q_small_study: float | None
    q_small_study_pvalue: float | None
    q_residual: float | None
    q_residual_df: int | None
    q_residual_pvalue: float | None
    g2: float | None
    _frame: pd.DataFrame = field(repr=False)

    @property
    def heading(self) -> str:
        """What the check is called."""
        return "Limit meta-analysis"

    def to_frame(self) -> pd.DataFrame:
        """Each study with its effect `yi` and its effect in the limit, on the model scale; a copy."""
        return self._frame.copy()

    _entries = (*_NUMBERS, "reason", ("studies", "_frame"))

    @property
    def tests(self) -> dict[str, Test]:
        """No small-study effects, and no heterogeneity beside them."""
        if self.q_small_study is None or self.q_residual is None or self.q_residual_df is None:
            return {}
        df = (float(self.q_residual_df),)
        return {
            "small_study": Test("Q", "no small-study effects", self.q_small_study, "chi-squared", (1.0,), self.q_small_study_pvalue),
            "residual": Test("Q", "no residual heterogeneity", self.q_residual, "chi-squared", df, self.q_residual_pvalue),
        }

    def rows(self) -> list[tuple[str, str]]:
        """Name and text of every number."""
        if self.reason:
            return []
        fit = self.fit
        return [
            ("Pooled", self._shown(fit.estimate, fit.ci_lower, fit.ci_upper)),
            ("Limit", self._shown(self.estimate, self.ci_lower, self.ci_upper)),
            *((test.null.removeprefix("no ").capitalize() + "?", test.text()) for test in self.tests.values()),
            ("G²", f"{per_cent(self.g2)} % of the variation is left once small-study effects are allowed for"),
        ]

    def sentence(self) -> str:
        """The limit beside the pooled effect in a plain sentence."""
        if self.reason:
            return self.reason
        fit = self.fit
        limit = self._shown(self.estimate, self.ci_lower, self.ci_upper)
        text = (
            f"Extrapolated to studies of unlimited size the estimate is {limit}, against "
            f"{self._shown(fit.estimate)} pooled from {plural(self.k, 'study', 'studies')}; test of small-study "
            f"effects: {p_value(self.q_small_study_pvalue)}."
        )
        return self._warned(text)


@checked()
def limit_meta_analysis(fit: Pooled, *, allow_biased: bool = False) -> LimitMetaAnalysis:
    """The effect of studies of infinite precision, in the model ``y_i = beta + sqrt(v_i + tau2) (alpha + e_i)``.

    Parameters
    ----------
    fit
        The result of `pool`. A model of the counts is checked on its two-step effects, with a note.
    allow_biased
        Rates of single groups are run only with ``allow_biased=True``; the result then carries the warning.

    Returns
    -------
    LimitMetaAnalysis
        `reason` says why there is no answer.

    Raises
    ------
    ArgumentError
        Rates without ``allow_biased=True``.

    Notes
    -----
    The limit is ``beta + tau alpha``; its variance takes tau2 as known. Without heterogeneity (tau2 = 0) the limit is beta itself.

    References
    ----------
    Rücker 2011 doi:10.1093/biostatistics/kxq046.
    """
    import pandas as pd

    warning = check_biased(fit, "Limit meta-analysis", allow_biased, _REASON)
    twin = two_step_twin(fit)
    notes = [*([warning] if warning else []), *twin.notes]
    y, v = twin.yi, twin.vi
    if twin.options.tau2 is None:
        notes.append("The common-effect model has no tau2; the limit takes REML.")
    tau2 = TAU2[twin.options.tau2 or "REML"](y, v) if twin.k > 2 else np.zeros(1)
    found = limit_meta(y, v, tau2)
    mu, se = float(found.estimate[0]), float(found.se[0])
    reason = None
    if twin.k < 3:
        reason = "Fewer than three studies have an estimable effect: the limit cannot be estimated."
    elif np.isnan(mu):
        reason = "The studies have equal precision or equal effects: the limit cannot be estimated."
    elif twin.k < 10:
        notes.append(f"{twin.k} studies: the limit is an extrapolation and very uncertain below 10.")
    half = distributions.two_sided_z(fit.level) * se
    method = stamp_of("Limit meta-analysis", "10.1093/biostatistics/kxq046", "1 / (v + tau2)", fit, notes, biased=warning is not None)

    def value(array: np.ndarray) -> float | None:
        return None if reason else number_or_none(float(array[0]))

    def tail(statistic: np.ndarray, df: int) -> float | None:
        return None if reason else number_or_none(float(distributions.chi2_upper_tail(statistic, df)[0]))

    frame = pd.DataFrame({"study": fit.studies["study"], "yi": np.where(np.isfinite(v[0]), y[0], np.nan), "limit": found.effects[0]})
    return LimitMetaAnalysis(
        fit=fit,
        method=method,
        reason=reason,
        k=twin.k,
        estimate=None if reason else twin.response(mu),
        ci_lower=None if reason else twin.response(mu - half),
        ci_upper=None if reason else twin.response(mu + half),
        mu=value(found.estimate),
        se=value(found.se),
        mu_lower=value(found.estimate - half),
        mu_upper=value(found.estimate + half),
        alpha=value(found.alpha),
        alpha_se=value(found.alpha_se),
        beta=value(found.beta),
        tau2=value(tau2),
        q=value(found.q),
        q_df=None if reason else twin.k - 1,
        q_pvalue=tail(found.q, twin.k - 1),
        q_small_study=value(found.q_small_study),
        q_small_study_pvalue=tail(found.q_small_study, 1),
        q_residual=value(found.q_residual),
        q_residual_df=None if reason else twin.k - 2,
        q_residual_pvalue=tail(found.q_residual, twin.k - 2),
        g2=value(found.g2),
        _frame=frame if reason is None else frame.iloc[:0],
    )
