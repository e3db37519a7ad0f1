"""The result of `cluster_robust`: the estimate of a fit with errors that stand when arms of one study are alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from metanet.base.arrays import Array
from metanet.base.cards import card
from metanet.base.completion import Listed
from metanet.base.display import effect_digits, level_text, limits_text, number, p_value, plural, value_text
from metanet.base.untrusted import visible
from metanet.kernels.inverse_variance import regression
from metanet.models.dependence.clustering import Grouping
from metanet.models.regression.result import Regression
from metanet.models.results.pooled import Method, Pooled, plain
from metanet.models.results.study_table import response_at

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class ClusterRobust(Listed):
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
        Frame: term, estimate, se, statistic, df, pvalue, ci_lower, ci_upper, and `fit_se`, the error that `fit` has. Model
        scale.
    """

    _listed = (
        "estimate", "ci_lower", "ci_upper", "coefficients", "df", "se", "pvalue", "clusters", "fit", "notes",
        "method", "summary", "sentence", "to_frame", "to_dict",
    )  # fmt: skip

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
    def notes(self) -> tuple[str, ...]:
        """What a reader has to know beside the numbers."""
        return tuple(self.method["notes"])

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

    def to_dict(self) -> dict[str, Any]:
        """Every number as plain JSON-able values."""
        single = (
            "estimate", "ci_lower", "ci_upper", "mu", "se", "df", "mu_lower", "mu_upper", "statistic", "pvalue",
        )  # fmt: skip
        rows = [{str(c): plain(v) for c, v in row.items()} for row in self.coefficients.to_dict("records")]
        return {
            "errors": self.errors,
            "level": self.level,
            "clusters": self.clusters,
            "arms": dict(self.arms),
            "reason": self.reason,
            **{name: plain(getattr(self, name)) for name in single},
            "coefficients": rows,
            "method": plain(dict(self.method)),
        }

    def _rows(self) -> list[tuple[str, ...]]:
        out: list[tuple[str, ...]] = []
        for row in self.coefficients.to_dict("records"):
            known = [v for v in (row["estimate"], row["se"]) if not np.isnan(v)]
            digits = max((effect_digits(v) for v in known), default=3)
            limits = limits_text(
                "effect", *(None if np.isnan(row[n]) else row[n] for n in ("estimate", "ci_lower", "ci_upper"))
            )
            values = [number(row[name], digits) for name in ("estimate", "se", "fit_se")]
            p = p_value(row["pvalue"]).removeprefix("p ").removeprefix("= ")
            out.append((visible(row["term"]), values[0], values[1], values[2], number(row["df"], 1), limits, p))
        return out

    def _head(self) -> list[str]:
        return ["Term", "Estimate", "Robust SE", "SE of the fit", "df", f"{level_text(self.level)} CI", "p"]

    def sentence(self) -> str:
        """The estimate with its robust interval in one sentence."""
        studies = plural(self.clusters, "study", "studies")
        name = "CR2" if self.errors == "CR2" else "sandwich"
        if self.reason is not None:
            return f"No cluster-robust errors. {self.reason}"
        if isinstance(self.fit, Regression):
            rows = "; ".join(f"{row[0]} {row[1]} ({row[5]}, {row[4]} df)" for row in self._rows())
            return f"With cluster-robust errors ({name}, {studies}) the coefficients are: {rows}."
        scale = self.fit.response
        shown = value_text(scale, self.estimate, self.estimate)
        limits = limits_text(scale, self.estimate, self.ci_lower, self.ci_upper)
        own = limits_text(scale, self.estimate, self.fit.ci_lower, self.fit.ci_upper)
        what = (
            f"{self.fit.average} rate"
            if scale.startswith("rate")
            else "pooled " + ("effect" if scale == "effect" else scale)
        )
        text = (
            f"With cluster-robust errors ({name}, {studies}, {number(self.df, 1)} df) the {what} is {shown} "
            f"({level_text(self.level)} CI {limits}"
        )
        if self.pvalue is not None:
            text += f", {p_value(self.pvalue)}"
        return f"{text}); as if its {plural(self.fit.k, 'arm')} were independent it was {own}."

    def summary(self) -> str:
        """Sentence, table of errors, and notes."""
        lines = [self.sentence()]
        if self.reason is None:
            table = [tuple(self._head()), *self._rows()]
            widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
            lines += ["  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in table]
            lines += [f"  - {note}" for note in self.notes]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<ClusterRobust ({self.errors}): {self.sentence()}>"

    def _repr_html_(self) -> str:
        if self.reason is not None:
            return card("Cluster-robust inference", self.sentence())
        return card(
            "Cluster-robust inference",
            self.sentence(),
            head=self._head(),
            rows=self._rows(),
            notes=self.notes,
            method=self.method.sentence(),
        )
