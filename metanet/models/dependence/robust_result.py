"""The result of `cluster_robust`: the estimate of a fit with errors that stand when arms of one study are alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from metanet.base.arrays import Array
from metanet.base.display import level_text, number, p_value, plural, scale_of
from metanet.base.results import Method, Result, Test
from metanet.base.untrusted import visible
from metanet.kernels.inverse_variance import regression
from metanet.models.dependence.clustering import Grouping
from metanet.models.regression.result import Regression
from metanet.models.results.pooled import Pooled, response_at

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class ClusterRobust(Result):
    """Cluster-robust errors of a pooled result or a regression. What does not exist is None, with `reason` or a note.

    Attributes
    ----------
    fit
        The result whose errors these are.
    errors
        "CR2" (two-step models) or "sandwich" (exact models).
    clusters, arms
        Number of studies, and the number of arms by study.
    reason
        Why there are no errors, or None.
    estimate, ci_lower, ci_upper
        The pooled estimate and its interval on the response scale; None for a regression.
    mu, se, df, mu_lower, mu_upper, statistic, pvalue
        The same on the model scale, with the degrees of freedom. A p-value exists where zero on that scale is a null
        hypothesis: for two groups and for effects given as such. None for a regression, whose numbers stand in `coefficients`.
    coefficients
        Frame: term, estimate, se, statistic, df, pvalue, ci_lower, ci_upper, and `fit_se`, the error that `fit` has. Model scale.
    """

    fit: Pooled | Regression
    errors: str
    level: float
    clusters: int
    arms: Mapping[str, int]
    reason: str | None
    terms: tuple[str, ...]
    method: Method = field(repr=False)
    _grouping: Grouping = field(repr=False)
    _beta: Array = field(repr=False)
    _se: Array = field(repr=False)
    _df: Array = field(repr=False)
    _fit_se: Array = field(repr=False)
    _tested: bool = field(repr=False)

    def _inference(self) -> regression.Inference:
        return regression.infer(self._beta[:, None], self._se[:, None] ** 2, self._df, self.level)

    def _single(self, values: Array) -> float | None:
        if isinstance(self.fit, Regression) or np.isnan(values.flat[0]):
            return None
        return float(values.flat[0])

    @property
    def mu(self) -> float | None:
        """The pooled mean on the model scale."""
        return self._single(self._beta)

    @property
    def se(self) -> float | None:
        """Its robust standard error."""
        return self._single(self._se)

    @property
    def df(self) -> float | None:
        """Its degrees of freedom."""
        return self._single(self._df)

    @property
    def statistic(self) -> float | None:
        """t statistic of a mean of zero, where that is a null hypothesis."""
        return self._single(self._inference().statistic) if self._tested else None

    @property
    def pvalue(self) -> float | None:
        """Its two-sided p-value."""
        return self._single(self._inference().pvalue) if self._tested else None

    @property
    def mu_lower(self) -> float | None:
        """Lower end on the model scale."""
        return self._single(self._inference().lower)

    @property
    def mu_upper(self) -> float | None:
        """Upper end on the model scale."""
        return self._single(self._inference().upper)

    def _response(self, value: float | None) -> float | None:
        return None if value is None or not isinstance(self.fit, Pooled) else response_at(self.fit, value)

    @property
    def estimate(self) -> float | None:
        """The pooled estimate, as in `fit`."""
        return self.fit.estimate if isinstance(self.fit, Pooled) else None

    @property
    def ci_lower(self) -> float | None:
        """Lower end of the robust interval on the response scale."""
        return self._response(self.mu_lower)

    @property
    def ci_upper(self) -> float | None:
        """Upper end of the robust interval on the response scale."""
        return self._response(self.mu_upper)

    @property
    def coefficients(self) -> pd.DataFrame:
        """One row for each coefficient (one for a pooled mean); a copy."""
        import pandas as pd

        found = self._inference()
        untested = np.full(self._beta.shape, np.nan)
        return pd.DataFrame(
            {
                "term": list(self.terms),
                "estimate": self._beta,
                "se": self._se,
                "statistic": found.statistic[:, 0] if self._tested else untested,
                "df": self._df,
                "pvalue": found.pvalue[:, 0] if self._tested else untested,
                "ci_lower": found.lower[:, 0],
                "ci_upper": found.upper[:, 0],
                "fit_se": self._fit_se,
            }
        )

    def to_frame(self) -> pd.DataFrame:
        """As `coefficients`; a pooled result has its response scale beside it."""
        frame = self.coefficients
        if isinstance(self.fit, Pooled):
            ends = {"estimate": self.estimate, "ci_lower": self.ci_lower, "ci_upper": self.ci_upper}
            for name, value in ends.items():
                frame[f"response_{name}"] = np.nan if value is None else value
        return frame

    _entries = (
        "errors", "level", "clusters", "arms", "reason", "estimate", "ci_lower", "ci_upper", "mu", "se", "df", "mu_lower", "mu_upper",
        "statistic", "pvalue", "coefficients",
    )  # fmt: skip

    @property
    def heading(self) -> str:
        """What the analysis is called."""
        return "Cluster-robust inference"

    @property
    def tests(self) -> dict[str, Test]:
        """No effect, where zero is a null hypothesis."""
        if self.pvalue is None or self.df is None:
            return {}
        return {"effect": Test("t", "no effect", self.statistic, "t", (self.df,), self.pvalue)}

    def table(self) -> tuple[list[str], list[tuple[str, ...]]]:
        """The coefficients with both errors."""
        out: list[tuple[str, ...]] = []
        effect = scale_of("effect")
        for row in self.coefficients.to_dict("records"):
            digits = max(effect.digits(row["estimate"], row["ci_lower"], row["ci_upper"]), effect.digits(row["se"]))
            values = [effect.text(row[name], digits) for name in ("estimate", "se", "fit_se")]
            limits = effect.limits(row["ci_lower"], row["ci_upper"], digits)
            p = p_value(row["pvalue"]).removeprefix("p ").removeprefix("= ")
            out.append((visible(row["term"]), *values, number(row["df"], 1), limits, p))
        return ["Term", "Estimate", "Robust SE", "SE of the fit", "df", f"{level_text(self.level)} CI", "p"], out

    def sentence(self) -> str:
        """The estimate with its robust interval in one sentence."""
        studies = plural(self.clusters, "study", "studies")
        name = "CR2" if self.errors == "CR2" else "sandwich"
        if self.reason is not None:
            return f"No cluster-robust standard errors. {self.reason}"
        if isinstance(self.fit, Regression):
            rows = "; ".join(f"{row[0]} {row[1]} ({row[5]}, {row[4]} df)" for row in self.table()[1])
            return f"With cluster-robust standard errors ({name}, {studies}) the coefficients are: {rows}."
        scale = self.fit.response
        written = self.fit.scale
        digits = written.digits(self.estimate, self.ci_lower, self.ci_upper)
        shown = written.value(self.estimate, digits)
        limits = written.limits(self.ci_lower, self.ci_upper, digits)
        own = written.limits(self.fit.ci_lower, self.fit.ci_upper, digits)
        what = f"{self.fit.average} rate" if scale.startswith("rate") else "pooled " + ("effect" if scale == "effect" else scale)
        text = (
            f"With cluster-robust standard errors ({name}, {studies}, {number(self.df, 1)} df) the {what} is {shown} "
            f"({level_text(self.level)} CI {limits}"
        )
        if self.pvalue is not None:
            text += f", {p_value(self.pvalue)}"
        return f"{text}); with {plural(self.fit.k, 'arm')} taken as independent the interval was {own}."
