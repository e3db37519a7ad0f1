"""The result of `three_level`: mean, variances between and within studies, and views of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from metanet.base.display import ABSENT, Scale, interval, level_text, number, p_value, per_cent, plural, scale_of, sentence_case
from metanet.base.results import Method, Result, Test, plain
from metanet.effects.measures import MEASURES
from metanet.models.results.pooled import Pooled

if TYPE_CHECKING:
    import pandas as pd


#: Studies with several arms below which the split of the spread is hardly known.
FEW = 5
#: Fields that are no numbers.
_OTHERS = ("status", "measure", "level", "response", "k", "clusters", "arms", "n", "events", "method", "two_level")


@dataclass(frozen=True, eq=False, repr=False)
class ThreeLevel(Result):
    """A three-level result. What does not exist is None, with the reason in `notes`.

    Attributes
    ----------
    status
        "pooled"; "two levels" (one arm in every study: the variances cannot be told apart); "one study" (no variance between
        studies can be seen); as of `Pooled` where nothing could be pooled ("not pooled", "no events", "only events", "not
        estimable").
    estimate, ci_lower, ci_upper
        The mean on the response scale (for a rate on a link's scale, the median rate).
    pi_lower, pi_upper
        Prediction interval for a new arm of a new study.
    marginal_estimate, marginal_ci_lower, marginal_ci_upper
        The rate averaged over both random effects.
    mu, se, df, mu_lower, mu_upper, new_lower, new_upper, pvalue
        The same on the model scale; df is inf with ``ci="z"``. A p-value where zero is a null hypothesis: two groups, and effects.
    tau2_between, tau2_within, each with _lower and _upper
        Variance between studies and between the arms of a study, with profile-likelihood intervals.
    tau2
        Their sum; with an interval in `tau2_lower`, `tau2_upper` where only one of them is estimated.
    i2, i2_between, i2_within
        Share of the total variance beyond sampling error, and by level (fractions; Cheung 2014).
    icc
        Intraclass correlation: tau2_between / tau2.
    lrt_between, lrt_within, each with _pvalue
        Likelihood-ratio test that the variance is zero, by the mixture of chi-squared distributions of the boundary.
    loglik
        Maximum of the (restricted) log-likelihood, constants included.
    k, clusters, arms, n, events
        Arms, studies, arms by study, patients and events.
    two_level
        `Pooled` of the same arms as if they were independent; where nothing could be pooled the result that is shown.
    """

    status: str
    measure: str
    level: float
    response: str
    k: int
    clusters: int
    arms: Mapping[str, int]
    n: int | None
    events: int | None
    method: Method = field(repr=False)
    two_level: Pooled = field(repr=False)
    estimate: float | None
    ci_lower: float | None
    ci_upper: float | None
    pi_lower: float | None
    pi_upper: float | None
    marginal_estimate: float | None
    marginal_ci_lower: float | None
    marginal_ci_upper: float | None
    mu: float | None
    se: float | None
    df: float | None
    mu_lower: float | None
    mu_upper: float | None
    new_lower: float | None
    new_upper: float | None
    pvalue: float | None
    tau2: float | None
    tau2_lower: float | None
    tau2_upper: float | None
    tau2_between: float | None
    tau2_between_lower: float | None
    tau2_between_upper: float | None
    tau2_within: float | None
    tau2_within_lower: float | None
    tau2_within_upper: float | None
    i2: float | None
    i2_between: float | None
    i2_within: float | None
    icc: float | None
    lrt_between: float | None
    lrt_between_pvalue: float | None
    lrt_within: float | None
    lrt_within_pvalue: float | None
    loglik: float | None

    @classmethod
    def number_names(cls) -> tuple[str, ...]:
        """Names of the numbers, in the order of the fields."""
        return tuple(f.name for f in fields(cls) if f.name not in _OTHERS)

    def to_frame(self) -> pd.DataFrame:
        """The numbers as a frame of one row."""
        import pandas as pd

        return pd.DataFrame([self._plain_numbers()])

    def _plain_numbers(self) -> dict[str, Any]:
        head = ("status", "measure", "level", "k", "clusters", "n", "events")
        return {name: getattr(self, name) for name in (*head, *self.number_names())}

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON-able values; infinite ones become the text "inf"."""
        numbers = {name: plain(value) for name, value in self._plain_numbers().items()}
        return {**numbers, "arms": dict(self.arms), "method": plain(dict(self.method))}

    @property
    def heading(self) -> str:
        """Model and status."""
        return f"Three-level model ({self.status})"

    @property
    def scale(self) -> Scale:
        """How the estimate is written."""
        return scale_of(self.response)

    @property
    def tests(self) -> dict[str, Test]:
        """No effect, and no variance at either level (mixture of chi-squared distributions)."""
        out = {}
        if self.pvalue is not None and self.df is not None:
            normal = math.isinf(self.df)
            out["effect"] = Test("z" if normal else "t", "no effect", None, "normal" if normal else "t", (), self.pvalue)
        for name in ("between", "within"):
            statistic, p = getattr(self, f"lrt_{name}"), getattr(self, f"lrt_{name}_pvalue")
            if p is not None:
                null = f"no variance {'between' if name == 'between' else 'within'} studies"
                out[name] = Test("likelihood ratio", null, statistic, "chi-squared mixture", (), p)
        return out

    def _data(self) -> str:
        text = f"{plural(self.k, 'arm')} of {plural(self.clusters, 'study', 'studies')}"
        if self.n is not None:
            return f"{text}, {plural(self.events or 0, 'event')} in {plural(self.n, 'patient')}"
        return text if self.events is None else f"{text}, {plural(self.events, 'event')}"

    def _what(self) -> str:
        if self.response == "rate":
            return "median rate" if self.measure != "PR" else "mean rate"
        if self.response == "rate per person-time":
            return "median incidence rate" if self.measure != "IR" else "mean incidence rate"
        if self.measure in MEASURES:
            return MEASURES[self.measure].title
        return "effect"

    def _limits(self, lower: float | None, upper: float | None) -> str:
        return self.scale.limits(lower, upper, self.scale.digits(self.estimate, self.ci_lower, self.ci_upper))

    def rows(self) -> list[tuple[str, str]]:
        """The result as pairs of name and text."""
        scale, level = self.scale, self.level
        what = self._what()
        out = [("Data", self._data())]
        out.append((sentence_case(what), scale.estimate(self.estimate, self.ci_lower, self.ci_upper, level)))
        if self.tau2 is None:
            return out
        if self.pvalue is not None:
            out.append(("No effect?", p_value(self.pvalue)))
        if self.marginal_estimate is not None:
            ends = self.marginal_ci_lower, self.marginal_ci_upper
            out.append(("Population-averaged rate", scale.estimate(self.marginal_estimate, *ends, level)))
        out.append(("Prediction interval, new arm of a new study", self._limits(self.pi_lower, self.pi_upper)))
        if self.tau2_between is not None:
            out.append(("tau between studies", self._tau("between")))
            out.append(("tau within studies", self._tau("within")))
        else:
            out.append(("tau" if self.status == "two levels" else "tau within the study", self._tau("")))
        if self.icc is not None:
            out.append(("Intraclass correlation", number(self.icc, 3)))
        if self.i2 is not None:
            parts = ""
            if self.i2_between is not None:
                parts = f" ({per_cent(self.i2_between)} % between studies, {per_cent(self.i2_within)} % within)"
            out.append(("I2", f"{per_cent(self.i2)} %{parts}"))
        return out

    def _tau(self, which: str) -> str:
        """A standard deviation with its interval and test."""
        name = f"tau2_{which}" if which else "tau2"
        value, lower, upper = (getattr(self, n) for n in (name, f"{name}_lower", f"{name}_upper"))
        if value is None:
            return ABSENT
        bounds = "" if lower is None else f" ({level_text(self.level)} CI {number(lower**0.5)} to {number(upper**0.5)})"
        p = getattr(self, f"lrt_{which}_pvalue", None) if which else None
        return f"{number(value**0.5)}{bounds}" + ("" if p is None else f"; zero? {p_value(p)}")

    def sentence(self) -> str:
        """The result as a sentence."""
        what, shown = self._what(), self.scale.estimate(self.estimate, self.ci_lower, self.ci_upper, self.level)
        if self.tau2 is None:
            return self.two_level.sentence()
        text = f"Across {self._data()}, the {what} was {shown}"
        if self.pi_lower is not None:
            text += (
                f"; {level_text(self.level)} prediction interval for a new arm of a new study "
                f"{self._limits(self.pi_lower, self.pi_upper)}"
            )
        text += "."
        if self.status == "two levels":
            return f"{text} Every study has one arm, so variation between and within studies cannot be separated."
        if self.status == "one study":
            return f"{text} All arms belong to one study."
        if self.icc is None:
            return f"{text} No heterogeneity was found, neither between studies nor within them."
        if sum(count > 1 for count in self.arms.values()) < FEW:
            return f"{text} With so few studies of several arms its division between and within studies is very uncertain."
        share = interval(self.icc, 1 - self.icc, 0).replace(" to ", " % and ")
        return f"{text} {share} % of the variance of the true effects lie between and within studies."
