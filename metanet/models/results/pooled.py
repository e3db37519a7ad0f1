"""The result of a pooling: the numbers once, in a frozen object, its studies, and the views of it."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metanet.base import later
from metanet.base.arguments import checked, level as check_level
from metanet.base.arrays import Array
from metanet.base.cards import beside
from metanet.base.display import (
    ABSENT,
    PARTED,
    TOO_WIDE,
    Scale,
    interval,
    level_text,
    number,
    parted,
    per_cent,
    plural,
    scale_of,
    sentence_case,
)
from metanet.base.drawing import draw, picture
from metanet.base.errors import UnknownNameError
from metanet.base.habits import attribute_hint
from metanet.base.progress import interactive
from metanet.base.results import Method, Result, Test, aligned, plain
from metanet.effects.back_transforms import harmonic_mean
from metanet.effects.measures import MEASURES
from metanet.effects.study_intervals import INTERVALS, poisson_exact
from metanet.kernels.normal_effect.random_effect import LINKS
from metanet.models.options import Options
from metanet.models.registry import TWO_STEP, model_row
from metanet.models.results.study_table import StudyTable
from metanet.models.results.units import counted_units, units_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from metanet.models.pooling.batch import Data
    from metanet.models.pooling.inputs import Studies


#: A value and its limits; None where there is none.
Limits = tuple[float | None, float | None, float | None]


@dataclass(frozen=True)
class Uncorrected:
    """What a model without a continuity correction gives for the same studies: its name, and its estimate where there is one."""

    name: str
    estimate: float | None
    ci_lower: float | None
    ci_upper: float | None


def response_at(fit: Pooled, value: float) -> float:
    """What `value` on the scale of ``fit.mu`` is on the scale of ``fit.estimate``."""
    return float(responses_at(fit, np.array([value]))[0])


def edges_at(fit: Pooled) -> tuple[Array, ...]:
    """Where the response has a corner, on the scale of ``fit.mu``."""
    if fit.method["link"] is not None or fit.measure == "GEN":
        return ()
    return MEASURES[fit.measure].edges(_size(fit))


def _size(fit: Pooled) -> float | None:
    measure = MEASURES[fit.measure]
    return float(harmonic_mean(fit.data[measure.arguments[1]][0])) if measure.needs_size else None


def responses_at(fit: Pooled, values: Array) -> Array:
    """`response_at` of many values."""
    if fit.method["link"] is not None:
        return LINKS[fit.method["link"]].inverse(values)
    if fit.measure == "GEN":
        return values
    measure = MEASURES[fit.measure]
    size = _size(fit)
    return np.asarray(measure.back(values, None if size is None else np.full(values.shape, size)))


@dataclass(frozen=True, eq=False)
class Pooled(Result):
    """A pooled rate (or effect) with everything that belongs to it.

    Rates are fractions. A quantity that does not exist is None, with the reason in ``method["notes"]``.

    Attributes
    ----------
    status
        "pooled"; "not pooled" (one study, shown as itself); "no events", "only events" (exact interval on the sum);
        "not estimable" (the likelihood has no maximum).
    estimate, ci_lower, ci_upper
        The pooled mean on the response scale: for a normal random effect on a link's scale the *median* of the distribution of
        rates; for the beta-binomial model its mean. Two groups: a ratio, or a difference.
    pi_lower, pi_upper
        Prediction interval for the rate (or effect) of a new setting.
    marginal_estimate, marginal_ci_lower, marginal_ci_upper
        The population-averaged rate, integrated over the random effect; None for two groups and for effects.
    median
        The median of the fitted beta distribution (beta-binomial model).
    mu, se, mu_lower, mu_upper
        The mean on the model scale.
    tau2, tau2_lower, tau2_upper, tau
        Heterogeneity variance on the model scale, its interval, its square root. Beta-binomial: the variance of the logits
        under the fitted distribution.
    rho, rho_lower, rho_upper
        Intraclass correlation of the beta-binomial model, with its interval.
    i2, i2_lower, i2_upper, h2, h2_lower, h2_upper
        Share of variance beyond chance (fraction) and H2, by the definition in ``method["i2"]``.
    q, q_df, q_pvalue
        Cochran's Q (inverse variance) or the Wald test of equal effects (exact models).
    lrt, lrt_pvalue
        Likelihood-ratio test of equal effects with k - 1 degrees of freedom (exact models).
    loglik
        Log-likelihood at the maximum, constants included (exact models). Of the posterior model the logarithm of the evidence, which
        is no log-likelihood: results print and save it as `log_evidence`.
    k, n, events
        Rows pooled (studies, or arms of studies), patients (or what else `units` names), events (None for effects without counts).
    weights
        Each study's share in the estimate, summing to one, in the order of `studies`.
    """

    status: str
    model: str
    measure: str
    level: float
    estimate: float | None
    ci_lower: float | None
    ci_upper: float | None
    pi_lower: float | None
    pi_upper: float | None
    marginal_estimate: float | None
    marginal_ci_lower: float | None
    marginal_ci_upper: float | None
    median: float | None
    mu: float | None
    se: float | None
    mu_lower: float | None
    mu_upper: float | None
    tau2: float | None
    tau2_lower: float | None
    tau2_upper: float | None
    rho: float | None
    rho_lower: float | None
    rho_upper: float | None
    i2: float | None
    i2_lower: float | None
    i2_upper: float | None
    h2: float | None
    h2_lower: float | None
    h2_upper: float | None
    q: float | None
    q_df: int | None
    q_pvalue: float | None
    lrt: float | None
    lrt_pvalue: float | None
    loglik: float | None
    k: int
    n: int | None
    events: int | None
    method: Method
    _weights: NDArray[np.float64] = field(repr=False)
    _table: StudyTable = field(repr=False)
    _uncorrected: Uncorrected | None = field(default=None, repr=False)

    def __getattr__(self, name: str) -> Any:
        hint = "" if name.startswith("_") else attribute_hint(name)
        raise UnknownNameError(f"{type(self).__name__!r} object has no attribute {name!r}.{f' {hint}' if hint else ''}")

    @property
    def response(self) -> str:
        """What the estimate is: "rate", "ratio", "difference", "rate per person-time", or "effect" for effects given as such."""
        return str(self.method["response"])

    @property
    def title(self) -> str:
        """The model by its name."""
        return model_row(self.model, self.method["link"]).title

    @property
    def average(self) -> str:
        """What the estimate is of the distribution of true rates: its "median", its "mean", or the one "common" rate."""
        if self.method["tau2"] is None:
            return "common"
        return "mean" if self.model == "beta_binomial" else "median"

    @property
    def interval_name(self) -> str:
        """What an interval of an estimate is called: CrI for a credible interval, else CI."""
        return "CrI" if self.model == "bayes" and self.status == "pooled" else "CI"

    @property
    def rates_shown(self) -> tuple[Limits, Limits]:
        """The median and the population-averaged rate, each with its limits: what stands together wherever a rate is printed.

        Of a single study, and of an exact rate of the summed counts, the first is the rate itself, and there is no other. A
        beta-binomial model has no interval of its median.
        """
        own: Limits = (self.estimate, self.ci_lower, self.ci_upper)
        if self.status != "pooled":
            return own, (None, None, None)
        averaged: Limits = (self.marginal_estimate, self.marginal_ci_lower, self.marginal_ci_upper)
        return ((self.median, None, None) if self.average == "mean" else own), averaged

    @property
    def is_vague(self) -> bool:
        """Whether the interval of the estimate is so wide that it says nothing."""
        return self.scale.is_vague(self.ci_lower, self.ci_upper)

    @property
    def edge(self) -> str:
        """Which edge the counts of one group are at: "no events" or "only events"; else ""."""
        if not self.response.startswith("rate") or self.events is None:
            return ""
        events, n = self.pooled_counts()
        return "no events" if events == 0 else "only events" if n is not None and events == n else ""

    @property
    def exact_sum(self) -> Limits | None:
        """At an edge: the rate of the summed counts with its exact interval, which takes the studies as alike; None elsewhere."""
        if not self.edge:
            return None
        if self.response == "rate":
            events, n = (float(count or 0) for count in self.pooled_counts())
            ends = INTERVALS["Clopper-Pearson"](events, n, self.level)
        else:
            events, n = 0.0, float(np.nansum(self.data["person_time"]))
            ends = poisson_exact(events, n, self.level)
        return events / n, float(ends[0]), float(ends[1])

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences that a reader of the numbers needs: from the prior, median and average apart, interval too wide."""
        return tuple(text for text in (self._edge_remark(), self._parted_remark(), self._vague_remark()) if text)

    def _edge_remark(self) -> str:
        """At an edge the posterior rests partly on the prior; what the data alone say stands beside it."""
        if self.model != "bayes" or self.status != "pooled" or self.exact_sum is None:
            return ""
        value, lower, upper = self.exact_sum
        what = "No event was observed" if self.edge == "no events" else "Only events were observed"
        digits, level = self.scale.digits(value, lower, upper), level_text(self.level)
        shown = f"{self.scale.value(value, digits)} (exact {level} CI {self.scale.limits(lower, upper, digits)})"
        return f"{what}, so the estimate comes partly from the prior; if the studies are alike, their summed counts give {shown}."

    def _parted_remark(self) -> str:
        if self.response != "rate":
            return ""
        (median, *_), (average, *_) = self.rates_shown
        return PARTED if parted(median, average) else ""

    def _vague_remark(self) -> str:
        if not self.is_vague:
            return ""
        return f"The interval {self.scale.vague_rule()}: {TOO_WIDE}."

    @property
    def log_evidence(self) -> float | None:
        """The logarithm of the evidence (the marginal likelihood under the priors) of the posterior model; None of other models."""
        return self.loglik if self.model == "bayes" else None

    @property
    def tau(self) -> float | None:
        """Standard deviation of the true effects on the model scale."""
        return None if self.tau2 is None else float(np.sqrt(self.tau2))

    @property
    def weights(self) -> NDArray[np.float64]:
        """Each study's share in the estimate, a copy."""
        return self._weights.copy()

    @property
    def studies(self) -> pd.DataFrame:
        """One row for each study: name, counts (or `yi`, `vi`), `rate` or `effect`, interval, weight, shrunken; then `data`."""
        return self._table.frame().copy()

    def rates(self) -> pd.DataFrame:
        """The rows that were pooled: the counts (or effects) under the names of the arguments, then the other columns of `data`.

        The record of a selection by `Evidence.rates` travels along, as far as it holds for these rows.
        """
        return self._table.rows()

    @property
    def options(self) -> Options:
        """The choices that the result was fitted by."""
        return self._table.options

    @property
    def inputs(self) -> Studies:
        """The studies as they were read: what a diagnostic pools anew in part."""
        return self._table.studies

    @property
    def data(self) -> Data:
        """The studies as arrays, a batch of one analysis: what diagnostics mask and refit."""
        return self._table.studies.data()

    @property
    def study_count(self) -> int:
        """Number of different studies: less than `k` where several arms of one study (column `study_id`) are pooled."""
        from metanet.models.pooling.inputs import count_studies

        return count_studies(self._table.frame())

    @property
    def units(self) -> tuple[str, ...]:
        """What was counted, by the column `unit` of the data: "patients" (also where it is not told), "procedures", "lesions"."""
        return units_of(self._table.frame())

    @property
    def scale(self) -> Scale:
        """How the estimate is written."""
        title = MEASURES[self.measure].title if self.measure in MEASURES and not self.response.startswith("rate") else None
        return scale_of(self.response, title=None if title is None else sentence_case(title))

    @property
    def heading(self) -> str:
        """Model and status."""
        return f"{self.title} ({self.status})"

    @property
    def tests(self) -> dict[str, Test]:
        """Tests of equal rates or effects: the likelihood ratio of exact models, and Q (of exact models Wald's)."""
        what = "equal rates" if self.response.startswith("rate") and self.lrt is not None else "equal effects"
        df = () if self.q_df is None else (float(self.q_df),)
        out = {}
        if self.lrt is not None:
            own = df if self.status == "pooled" else ()
            out["lrt"] = Test("likelihood ratio", what, self.lrt, "chi-squared", own, self.lrt_pvalue)
        if self.q is not None:
            out["q"] = Test("Q", "equal effects", self.q, "chi-squared", df, self.q_pvalue)
        return out

    @property
    def test(self) -> Test | None:
        """The test of equal rates or effects that is reported: the likelihood ratio where there is one."""
        return next(iter(self.tests.values()), None)

    def rows(self) -> list[tuple[str, str]]:
        """The result as pairs of name and text, in the order in which a reader needs them."""
        scale, level, name = self.scale, self.level, self.interval_name
        data = self.studies_text()
        events, n = self.pooled_counts()
        if n is not None:
            data += f", {plural(events or 0, 'event')} in {counted_units(n, self.units)}"
        elif events is not None:
            data += f", {plural(events, 'event')}"
        out = [("Data", data)]
        out.append((self._estimate_name(), scale.estimate(self.estimate, self.ci_lower, self.ci_upper, level, name)))
        tests = [] if self.test is None else [(f"{sentence_case(self.test.null)}?", self.test.text())]
        if self.status == "not pooled" and self.pi_lower is not None:
            limits = scale.limits(self.pi_lower, self.pi_upper, self._digits)
            out.append(("Prediction interval", f"{limits}; its width rests on the prior of tau"))
        if self.status != "pooled":
            return [*out, *tests] if self.lrt is not None else out
        if self.model == "beta_binomial":
            out.append(("Median rate", scale.value(self.median, self._digits)))
        elif self.marginal_estimate is not None and self.average == "median":
            ends = self.marginal_ci_lower, self.marginal_ci_upper
            out.append(("Population-averaged rate", scale.estimate(self.marginal_estimate, *ends, level, name, self._digits)))
        if corrected := self._corrected():
            other = self._uncorrected
            if other is not None:
                shown = scale.estimate(other.estimate, other.ci_lower, other.ci_upper, level)
                out.append(("Without correction", f"{shown}, {other.name}"))
            out.append(("Continuity correction", f"in {corrected} of {plural(self.k, 'study', 'studies')}"))
        if self.method["prediction"]:
            out.append(("Prediction interval", scale.limits(self.pi_lower, self.pi_upper, self._digits)))
        remarks = [*(("Median, average", text) for text in [self._parted_remark()] if text)]
        remarks += [("Interval", text) for text in [self._vague_remark()] if text]
        return [*out, *self._heterogeneity(), *tests, *remarks]

    @property
    def _digits(self) -> int:
        """Decimals of the estimate and everything beside it."""
        return self.scale.digits(self.estimate, self.ci_lower, self.ci_upper)

    def pooled_studies(self) -> pd.DataFrame:
        """The rows of `studies` that have a part in the estimate: without those that carry no information on the effect."""
        studies = self.studies
        if not int(self.method["studies_dropped"]) or self.status != "pooled":
            return studies
        return studies[~(studies["weight"] == 0)]

    def pooled_counts(self) -> tuple[int | None, int | None]:
        """Events and patients of the studies in the estimate."""
        studies = self.pooled_studies()
        if self.events is None or len(studies) == self.k:
            return self.events, self.n
        events, n = (
            sum(int(studies[name].sum()) for name in (one, f"{one}_control") if name in studies) for one in ("events", "total")
        )
        return events, None if self.n is None else n

    def studies_text(self) -> str:
        """How many studies were pooled; arms of one study that count apart are said to be arms."""
        studies = self.study_count
        dropped = int(self.method["studies_dropped"])
        if dropped and self.status == "pooled":
            return f"{self.k - dropped} of {plural(self.k, 'study', 'studies')}"
        if studies == self.k:
            return plural(self.k, "study", "studies")
        return f"{plural(self.k, 'arm')} of {plural(studies, 'study', 'studies')}"

    def _estimate_name(self) -> str:
        word = {"rate": "rate", "rate per person-time": "incidence rate"}.get(self.response, self.response)
        if self.status == "pooled":
            if self.response.startswith("rate"):
                return f"{sentence_case(self.average)} {word}"
            return self.scale.title if self.measure in MEASURES else f"Mean {word}"
        if self.status == "not pooled":
            return f"{sentence_case(word)} of the one study"
        return f"{sentence_case(word)} (exact, on the sum)" if self.status in ("no events", "only events") else sentence_case(word)

    def _heterogeneity(self) -> list[tuple[str, str]]:
        """tau, rho and I2 as far as they exist."""
        level = self.level
        out = []
        if self.tau2 is not None:
            ends = [None if end is None else math.sqrt(end) for end in (self.tau2_lower, self.tau2_upper)]
            name = f"tau on the {self.method['link'] or 'logit'} scale" if self.measure == "PLO" else "tau"
            shown = _with_limits(self.tau, ends[0], ends[1], level, kind=self.interval_name)
            out.append((name, f"{shown}; tau2 {number(self.tau2, 4)}"))
        if self.rho is not None:
            shown = _with_limits(self.rho, self.rho_lower, self.rho_upper, level, 3)
            out.append(("Intraclass correlation", shown))
        if self.i2 is not None:
            bounds = "" if self.i2_lower is None else f" ({interval(self.i2_lower, self.i2_upper)})"
            out.append(("I2", f"{per_cent(self.i2)} %{bounds}"))
        return out

    def sentence(self) -> str:
        """The result in one plain sentence, right for one study, no events and data without an estimate."""
        scale, digits = self.scale, self._digits
        shown = scale.estimate(self.estimate, self.ci_lower, self.ci_upper, self.level, self.interval_name)
        predicted = ""
        if self.pi_lower is not None:
            predicted = f"{level_text(self.level)} prediction interval {scale.limits(self.pi_lower, self.pi_upper, digits)}"
        if self.response != "rate":
            return self._effect_sentence(shown, predicted)
        events, n = self.pooled_counts()
        total = f"{events} of {counted_units(n or 0, self.units)}"
        studies = self.studies_text()
        own = shown.replace(" (", "; ", 1).removesuffix(")")
        if self.status == "not pooled" and self.k > 1:
            return f"Of {self.k} studies only one has an estimable effect ({own}); nothing was pooled."
        if self.status == "not pooled":
            text = f"One study reported the outcome in {total} ({own}); nothing was pooled."
            return " ".join([text, *self.remarks])
        if self.status == "not estimable":
            return f"{studies} reported the outcome in {total}; no pooled rate can be estimated from them."
        if self.status in ("no events", "only events"):
            exact = own.replace("; ", "; exact ", 1)
            return f"Across {studies} the outcome was seen in {total} ({exact})."
        text = f"Across {studies} ({total}) the {self.average} rate was {shown}"
        beside = self._beside(digits)
        if beside:
            text += f"{',' if predicted else ' and'} {beside}"
        if predicted:
            text += f"{',' if beside else ''} and the {predicted}"
        return " ".join([f"{text}.", *self.remarks])

    def _beside(self, digits: int) -> str:
        """The population average beside a median, the median beside a mean; nothing beside one common rate."""
        scale = self.scale
        if self.average == "mean":
            return f"the median rate {scale.value(self.median, digits)}"
        if self.average != "median" or self.marginal_estimate is None:
            return ""
        limits = scale.limits(self.marginal_ci_lower, self.marginal_ci_upper, digits)
        shown = "" if limits == ABSENT else f" ({limits})"
        return f"the population-averaged rate {scale.value(self.marginal_estimate, digits)}{shown}"

    def _effect_sentence(self, shown: str, predicted: str) -> str:
        what = self._what()
        if self.estimate is None:
            return f"No {what.removeprefix('the ')} could be estimated."
        if self.status == "not pooled":
            return f"One study: {what} was {shown}; nothing was pooled."
        text = f"{sentence_case(what)} was {shown} in {self.studies_text()}"
        beside = self._beside(self._digits) if self.status == "pooled" and self.response == "rate per person-time" else ""
        text += f"; {beside}" if beside else ""
        text = f"{text}; {predicted}." if predicted else f"{text}."
        caveat = self._correction()
        return " ".join([text, *([caveat] if caveat else []), *self.remarks])

    def _corrected(self) -> int:
        """Studies whose correction a two-step effect of two groups depends on."""
        known = MEASURES.get(self.measure)
        two = known is not None and known.groups == 2 and self.model in TWO_STEP and self.status == "pooled"
        return int(self.method["studies_corrected"] or 0) if two else 0

    def _correction(self) -> str:
        """How far the effect depends on a continuity correction; empty without one."""
        if not (corrected := self._corrected()):
            return ""
        text = f"It depends on the continuity correction in {corrected} of {plural(self.k, 'study', 'studies')}"
        other = self._uncorrected
        if other is None:
            return f"{text}."
        if other.estimate is None or other.ci_lower is None or other.ci_upper is None:
            return f"{text}; the {other.name}, which needs none, has no finite estimate."
        shown = self.scale.estimate(other.estimate, other.ci_lower, other.ci_upper, self.level)
        text = f"{text}; the {other.name}, which needs none, gives {shown}."
        null = 0.0 if self.response == "difference" else 1.0
        ends = ((self.ci_lower, self.ci_upper), (other.ci_lower, other.ci_upper))
        inside = [low is not None and high is not None and low <= null <= high for low, high in ends]
        return f"{text} Only one of the two intervals includes {null:g}." if inside[0] != inside[1] else text

    def _what(self) -> str:
        """What an estimate that is no proportion is, with its article."""
        if self.response == "rate per person-time":
            return f"the {self.average} incidence rate" if self.status == "pooled" else "the incidence rate"
        if self.measure not in MEASURES:
            return "the effect"
        title = MEASURES[self.measure].title
        return title if title.startswith("Peto") else f"the {title}"

    def __repr__(self) -> str:
        lines = [self.heading, *aligned(self.rows())]
        if self.notes:
            lines.append(f"  {plural(len(self.notes), 'note')}: .summary() prints them")
        return "\n".join(lines)

    def _lead(self) -> str:
        return ""

    def _repr_html_(self) -> str:
        shown = super()._repr_html_()
        return beside(shown, picture(self)) if interactive() else shown

    def numbers(self) -> dict[str, Any]:
        """Every number by name, without studies and method."""
        found = {name: getattr(self, name) for name in NUMBERS}
        # The evidence is no log-likelihood, and nothing may be derived from it as if it were one.
        return found if self.log_evidence is None else {**found, "loglik": None}

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON-able values; infinite limits become the text "inf"."""
        return {
            **{name: plain(value) for name, value in self.numbers().items()},
            "weights": plain(self._weights),
            "studies": plain(self._table.frame()),
            "method": plain(dict(self.method)),
        }

    def to_frame(self) -> pd.DataFrame:
        """The numbers as a frame of one row."""
        import pandas as pd

        return pd.DataFrame([self.numbers()])

    @checked()
    def update(self, *, without: str | Sequence[str] | None = None, **choices: Any) -> Pooled:
        """Pool the same studies again with other choices, or without some of them.

        Parameters
        ----------
        without
            Names of studies to leave out, as in ``studies["study"]``.
        **choices
            Choices of `pool`, such as ``model="glmm"`` or ``level=0.9``. The others stay as they are; with another model those of that
            model are taken anew.

        Returns
        -------
        Pooled

        Raises
        ------
        ArgumentError
            A study or a word that is not known, with the nearest one.

        Examples
        --------
        >>> import metanet as mn
        >>> fit = mn.pool(events=[4, 9, 12], total=[20, 31, 40], study=["Adam", "Baker", "Clark"])
        >>> fit.update(model="glmm", without="Adam").k
        2
        """
        again: Pooled = later.call("updated", self, without, choices)
        return again

    @checked()
    def subset(self, condition: object) -> Pooled:
        """Pool the studies that fulfil a condition, by the same choices.

        Parameters
        ----------
        condition
            An expression over the columns of the data, such as ``"year > 2010"`` or ``"country == 'Norway'"`` (names with spaces
            in backticks, variables after @); a function of the frame; or True or False for each study.

        Returns
        -------
        Pooled

        Raises
        ------
        ArgumentError
            A column that is not there, something else than a condition, or one that no study fulfils.
        """
        # Between this method and whoever calls it is the check of the arguments.
        caller = sys._getframe(2)
        part: Pooled = later.call("restricted", self, condition, {**caller.f_globals, **caller.f_locals})
        return part

    @checked(level=check_level)
    def predict(self, *, level: float | None = None) -> pd.DataFrame:
        """The pooled rate (or effect) and what is expected of a new study, as a frame of one row.

        Parameters
        ----------
        level
            Coverage of the intervals; None takes that of the result.

        Returns
        -------
        pandas.DataFrame
            estimate, ci_lower, ci_upper, pi_lower, pi_upper, and of rates the population average with its interval. Rates are
            fractions.
        """
        fit = self if level is None or level == self.level else self.update(level=level)
        names = ["estimate", "ci_lower", "ci_upper", "pi_lower", "pi_upper"]
        names += [] if fit.marginal_estimate is None else ["marginal_estimate", "marginal_ci_lower", "marginal_ci_upper"]
        return fit.to_frame()[names]

    @checked()
    def to_r(self, path: str | Path | None = None) -> str:
        """The R script that computes these numbers anew and compares them; it is also written to `path`, where one is named."""
        from metanet.models.r.script import saved, script_of

        return saved(script_of(self), path)

    def forest(self, **options: Any) -> Axes:
        """Draw the forest plot; see `metanet.figures.forest.forest.forest`."""
        return self._drawn("forest", **options)

    def funnel(self, **options: Any) -> Axes:
        """Draw the funnel plot, of rates against size; see `metanet.figures.plots.funnel.funnel`."""
        return self._drawn("funnel", **options)

    def labbe(self, **options: Any) -> Axes:
        """Draw the event rates of two groups against each other; see `metanet.figures.plots.labbe.labbe`."""
        return self._drawn("labbe", **options)

    def spread(self, **options: Any) -> Axes:
        """Draw how far the true rates lie apart; see `metanet.figures.plots.heterogeneity.heterogeneity_plot`."""
        return self._drawn("heterogeneity", **options)

    def drapery(self, **options: Any) -> Axes:
        """Draw the p-value of every value; see `metanet.figures.plots.drapery.drapery`."""
        return self._drawn("drapery", **options)

    def radial(self, **options: Any) -> Axes:
        """Draw Galbraith's radial plot; see `metanet.figures.plots.radial.radial_plot`."""
        return self._drawn("radial", **options)

    def baujat(self, **options: Any) -> Axes:
        """Draw heterogeneity against influence of each study; see `metanet.figures.plots.baujat.baujat_plot`."""
        return self._drawn("baujat", **options)

    def _drawn(self, figure: str, **options: Any) -> Axes:
        axes: Axes = draw(figure, self, **options)
        return axes


#: Names of the numbers of a result, in the order of its fields.
NUMBERS = (*(f.name for f in fields(Pooled) if f.name != "method" and not f.name.startswith("_")), "tau", "log_evidence")


def _with_limits(
    value: float | None, lower: float | None, upper: float | None, level: float, digits: int = 2, kind: str = "CI"
) -> str:
    """A measure of heterogeneity, with its interval if it has one."""
    if lower is None:
        return number(value, digits)
    return f"{number(value, digits)} ({level_text(level)} {kind} {number(lower, digits)} to {number(upper, digits)})"
