"""Small-study effects: whether small studies report other effects than large ones, by the test that suits the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from metanet._version import __version__
from metanet.base.arguments import checked, choice
from metanet.base.display import level_text, number, plural
from metanet.base.errors import ArgumentError, check_choice, no_column
from metanet.base.results import Method, Result, Test
from metanet.diagnostics.bias.arrays import Outcome, run
from metanet.diagnostics.bias.registry import TESTS, SmallStudyTest, bias_reason, check_biased, default_test, inapplicable
from metanet.diagnostics.study_effects import Twin, is_rate, two_step_twin
from metanet.models.results.pooled import Pooled

if TYPE_CHECKING:
    import pandas as pd


def stamp_of(title: str, source: str, weights: str, fit: Pooled, notes: Sequence[str], **choices: object) -> Method:
    """The stamp of a check: what it did, after which fit, and the notes."""
    return Method(
        {
            "check": title,
            "weights": weights,
            **choices,
            "level": fit.level,
            "fit": dict(fit.method),
            "package": "metanet",
            "version": __version__,
            "sources": [f"{title}: doi:{source}"],
            "notes": list(notes),
            "sentence": f"{title} (doi:{source}; weights: {weights}) after: {fit.method.sentence()}",
        }
    )


class Check(Result):
    """What the results on small-study effects share: they belong to a fit, are written on its scale, and may carry a warning."""

    fit: Pooled
    reason: str | None

    def _shown(self, value: float | None, lower: float | None = None, upper: float | None = None) -> str:
        """An estimate, with its interval where it has one, as the fit prints its own."""
        if lower is None and upper is None:
            return self.fit.scale.value(value)
        return self.fit.scale.estimate(value, lower, upper, self.fit.level)

    def _warned(self, text: str) -> str:
        """The sentence, with the warning of a check that is biased on these data."""
        return f"{text} {self.notes[0]}" if self.method["biased"] else text


#: Below this many studies the tests have little power (Sterne 2011, doi:10.1136/bmj.d4002).
ENOUGH = 10
_NUMBERS = (
    "test", "k", "statistic", "distribution", "df", "p_value", "intercept", "intercept_se", "intercept_lower", "intercept_upper",
    "slope", "slope_se", "slope_lower", "slope_upper", "tau2", "estimate", "ci_lower", "ci_upper", "adjusted", "biased",
)  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class SmallStudyEffects(Check):
    """A test for small-study effects.

    Quantities that do not exist are None; `reason` says why there is no test at all, `notes` what else a reader has to know.

    Attributes
    ----------
    test, title
        The method's code and name.
    statistic, distribution, df, p_value
        The statistic of no small-study effects, its distribution ("t", "normal", "exact" for ranks without ties; None for the LFK
        index, which has none), degrees of freedom, two-sided p-value.
    null
        The null hypothesis in words.
    intercept, slope
        The line's parameters on the model scale, each with `_se`, `_lower` and `_upper`. None for ranks: there the statistic
        is tau.
    tau2
        Heterogeneity variance about the line, where the method has one.
    adjusted
        The effect of a study without limit on the model scale: the line at its end, where the method has one.
    estimate, ci_lower, ci_upper
        The same on the response scale (`scale`), with its interval: an extrapolation, not a corrected result.
    k
        Studies in the test.
    biased
        Whether the method is known to raise false alarms on this kind of data.
    """

    fit: Pooled = field(repr=False)
    method: Method = field(repr=False)
    test: str
    k: int
    reason: str | None
    null: str
    scale: str
    biased: bool
    statistic: float | None
    distribution: str | None
    df: float | None
    p_value: float | None
    intercept: float | None
    intercept_se: float | None
    intercept_lower: float | None
    intercept_upper: float | None
    slope: float | None
    slope_se: float | None
    slope_lower: float | None
    slope_upper: float | None
    tau2: float | None
    adjusted: float | None
    estimate: float | None
    ci_lower: float | None
    ci_upper: float | None
    _spec: SmallStudyTest = field(repr=False)

    @property
    def title(self) -> str:
        """The name of the test."""
        return self._spec.title

    @property
    def heading(self) -> str:
        """What the check is called."""
        return self.title

    _entries = (*_NUMBERS, "title", "null", "scale", "reason")

    @property
    def tests(self) -> dict[str, Test]:
        """No small-study effects."""
        if self.reason is not None or self.distribution is None:
            reason = self.reason or "The index has no distribution, so there is no p-value."
            return {"small_study": Test(self.title, self.null, self.statistic, None, (), None, reason)}
        name = "Kendall's tau" if self.test == "begg" else "t" if self.distribution == "t" else "z"
        df = (self.df,) if self.distribution == "t" and self.df is not None else ()
        return {"small_study": Test(name, self.null, self.statistic, self.distribution, df, self.p_value)}

    def to_frame(self) -> pd.DataFrame:
        """The numbers as a frame of one row."""
        import pandas as pd

        return pd.DataFrame([{name: getattr(self, name) for name in _NUMBERS}])

    def rows(self) -> list[tuple[str, str]]:
        """Name and text of every number that exists."""
        if self.reason:
            return []
        level = level_text(self.fit.level)
        out = [("Null hypothesis", self.null), ("Test", self._statistic())]
        for name in ("slope", "intercept"):
            value = getattr(self, name)
            if value is not None:
                ends = f"{number(getattr(self, f'{name}_lower'), 3)} to {number(getattr(self, f'{name}_upper'), 3)}"
                words = f"{name.capitalize()} ({self._spec.predictor})" if name == "slope" else "Intercept"
                out.append((words, f"{number(value, 3)} ({level} CI {ends}; SE {number(getattr(self, f'{name}_se'), 3)})"))
        if self.tau2 is not None:
            out.append(("tau2 about the line", number(self.tau2, 4)))
        if self.estimate is not None:
            out.append(("Study of unlimited size", self._shown(self.estimate, self.ci_lower, self.ci_upper)))
        return out

    def _statistic(self) -> str:
        test = self.tests["small_study"]
        if not test:
            return f"index {number(self.statistic)}; no distribution, so no p-value"
        return test.text().replace("t ", "t = ", 1).replace("z ", "z = ", 1) if len(test.name) == 1 else test.text()

    def sentence(self) -> str:
        """The finding in one or two plain sentences."""
        if self.reason:
            return self.reason
        studies = plural(self.k, "study", "studies")
        head = f"{self.title} over {studies}: {self._statistic()}."
        if self.p_value is None:
            return f"{head} {self.notes[0]}" if self.biased else head
        if self.biased:
            return f"{head} {self.notes[0]}"
        if self.p_value >= 0.1:
            return f"{head} No clear association of results with study size; this does not exclude bias."
        return f"{head} {self._direction()} Missing studies, chance and real differences between the studies can all cause it."

    def _direction(self) -> str:
        along = self.slope if self.slope is not None else self.statistic
        if along is None:
            return "Small studies report other results than large ones."
        higher = (along > 0) == self._spec.falls_with_size
        what = "rates" if is_rate(self.fit) else "effects"
        return f"Small studies report {'higher' if higher else 'lower'} {what} than large ones."


@checked(method=choice(*TESTS))
def small_study_effects(
    fit: Pooled,
    method: str | None = None,
    *,
    allow_biased: bool = False,
    transform: str | None = None,
    total: str | Sequence[float] | None = None,
    total_control: str | Sequence[float] | None = None,
) -> SmallStudyEffects:
    """Test whether effects depend on the size of the studies.

    Parameters
    ----------
    fit
        The result of `pool`, whatever its model. A model of the counts is checked on its nearest two-step effects, with a note.
    method
        "peters" (default for rates and rate ratios), "macaskill", "harbord" (default for odds and risk ratios), "egger" (default
        for differences and given effects), "egger_mixed", "begg", "thompson_sharp", "deeks", "rucker", "pustejovsky", "lfk".
    allow_biased
        On rates "egger", "egger_mixed", "begg", "thompson_sharp" and "lfk" are run only with ``allow_biased=True``; the result then
        carries the warning.
    transform
        The measure the studies are put on, such as "PLO" or "PAS" for rates; None keeps the fit's own scale.
    total, total_control
        With effects given as such: patients of each study (or of its two groups), a column of ``fit.studies`` or a sequence.

    Returns
    -------
    SmallStudyEffects
        Where the test has no meaning for the data, or fewer than three studies are left, `reason` says so and the numbers are None.

    Raises
    ------
    ArgumentError
        An unknown word; a method that is biased on rates without ``allow_biased=True``; sizes that do not fit.

    Notes
    -----
    Peters and Macaskill on rates. After a model of the counts: quasi-likelihood (overdispersed) logistic
    regression of the events on 1 / n, or n, without any correction. After a two-step model: the transformed rate, weights n,
    because with the pooled rate p the information ``n p (1 - p)`` of each study is proportional to n. In neither does a
    study's weight hold its own rate. For two groups the weights are ``m (N - m) / N`` with m events among N patients; rate
    ratios ``m t1 t2 / T^2``; effects given as such n.

    References
    ----------
    Peters 2006 doi:10.1001/jama.295.6.676; Macaskill 2001 doi:10.1002/sim.698; Harbord 2006 doi:10.1002/sim.2380; Egger 1997
    doi:10.1136/bmj.315.7109.629; Sterne 2011 doi:10.1136/bmj.d4002; Rücker 2008 doi:10.1002/sim.2971.
    """
    name = default_test(fit) if method is None else check_choice("method", method, tuple(TESTS))
    spec = TESTS[name]
    notes: list[str] = []
    biased = spec.biased_on_rates and is_rate(fit)
    if spec.biased_on_rates:
        warning = check_biased(fit, spec.title, allow_biased, bias_reason(name))
        notes += [warning] if warning else []
    sizes = _sizes(fit, total, total_control, name)
    twin = two_step_twin(fit, transform)
    why = inapplicable(name, fit, sizes=len(sizes) > (name == "pustejovsky"))
    outcome = Outcome.without(why, twin.k) if why else run(name, fit, twin, sizes, exact=transform is None)
    notes += _notes(spec, fit, twin, outcome)
    return _result(fit, spec, twin, outcome, notes, biased)


def _article(predictor: str) -> str:
    """A quantity with its article; a formula has none."""
    return predictor if predictor[0].isdigit() else f"the {predictor}"


def _sizes(fit: Pooled, total: Any, total_control: Any, name: str) -> list[Any]:
    """Group sizes beside effects given as such, checked."""
    import numpy as np

    given = [("total", total), ("total_control", total_control)]
    out: list[Any] = []
    for argument, value in given:
        if value is None:
            continue
        if fit.measure != "GEN":
            raise ArgumentError(f"{argument} is for effects given directly: these data contain counts. Fix: leave it out.")
        if isinstance(value, str):
            frame = fit.studies
            if value not in frame.columns:
                raise no_column(argument, value, frame.columns, of="fit.studies")
            value = frame[value]
        try:
            numbers = np.asarray(value, dtype=np.float64)
        except (TypeError, ValueError):
            raise ArgumentError(f"{argument} must contain numbers of patients.") from None
        if numbers.shape != (fit.k,) or not np.all(np.isfinite(numbers) & (numbers > 0)):
            raise ArgumentError(f"{argument} must contain one number of patients above 0 for each of the {fit.k} studies.")
        out.append(numbers[None, :])
    if total is None and total_control is not None:
        raise ArgumentError("total_control was given without total. Fix: give both.")
    return out


def _notes(spec: SmallStudyTest, fit: Pooled, twin: Twin, outcome: Outcome) -> list[str]:
    """Doubts about the numbers; none about numbers that are not there."""
    if outcome.reason:
        return []
    notes = [] if outcome.counts else list(twin.notes)
    if outcome.k < ENOUGH:
        notes.append(
            f"{plural(outcome.k, 'study', 'studies')}: below {ENOUGH} such a test can miss even strong small-study effects and "
            "is better not relied on."
        )
    notes += outcome.notes
    if spec.name == "lfk":
        notes.append("The index grows with the number of studies and has no p-value; its customary limits 1 and 2 are no error rates.")
    if spec.name in ("harbord", "peters", "macaskill", "deeks") and not is_rate(fit) and (fit.tau2 or 0.0) > 0.1:
        notes.append(
            "The studies differ strongly (tau2 above 0.1): its type I error then exceeds the nominal level. "
            + ("method='rucker' keeps its error rate better." if not fit.data.timed and fit.data.groups == 2 else "")
        )
    if spec.biased_on_rates and fit.measure in ("OR", "RR", "PETO", "IRR"):
        notes.append(
            "The standard error of a log ratio depends on the ratio: with strong effects or few events this test raises false alarms. "
            f"method={default_test(fit)!r} does not share that."
        )
    if spec.name == "macaskill" and is_rate(fit):
        notes.append(
            "With strong differences between studies this test raises false alarms (in simulated reviews without bias in up to 13 of "
            "100 where 5 were meant); method='peters' does not."
        )
    return [note.strip() for note in notes]


def _result(fit: Pooled, spec: SmallStudyTest, twin: Twin, outcome: Outcome, notes: list[str], biased: bool) -> SmallStudyEffects:
    if spec.name == "begg":
        null = "Standardised effects and their variances are unrelated (Kendall's tau is zero)."
    elif spec.name == "lfk":
        null = "None: the index has no distribution to test against."
    else:
        what = "rate" if is_rate(fit) else "effect"
        null = f"The {what} does not depend on {_article(spec.predictor)}: the slope is zero."
    ends = {name: outcome.ends(name, fit.level) for name in ("intercept", "slope")}
    adjusted = outcome.intercept if spec.falls_with_size and outcome.slope is not None else None
    back = outcome.back or twin.response
    lower, upper = ends["intercept"]
    response = [None if adjusted is None else back(value) for value in (adjusted, lower, upper)]
    return SmallStudyEffects(
        fit=fit,
        method=stamp_of(spec.title, spec.source, spec.weights if outcome.weights is None else outcome.weights, fit, notes),
        test=spec.name,
        k=outcome.k,
        reason=outcome.reason,
        null=null,
        scale=outcome.scale or fit.response,
        biased=biased,
        statistic=outcome.statistic,
        distribution=outcome.distribution,
        df=outcome.df,
        p_value=outcome.p_value,
        intercept=outcome.intercept,
        intercept_se=outcome.intercept_se,
        intercept_lower=ends["intercept"][0],
        intercept_upper=ends["intercept"][1],
        slope=outcome.slope,
        slope_se=outcome.slope_se,
        slope_lower=ends["slope"][0],
        slope_upper=ends["slope"][1],
        tau2=outcome.tau2,
        adjusted=adjusted,
        estimate=response[0],
        ci_lower=response[1],
        ci_upper=response[2],
        _spec=spec,
    )
