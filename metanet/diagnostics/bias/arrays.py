"""From a fit to the arrays of one test for small-study effects, and back to plain numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from metanet.base.arrays import Array
from metanet.diagnostics.study_effects import Twin, is_rate, number_or_none
from metanet.effects.measures import MEASURES
from metanet.kernels.bias import asymmetry as small_study
from metanet.kernels.bias.asymmetry import Asymmetry, Judge, begg, lfk
from metanet.kernels.bias.lines import varies
from metanet.kernels.numerics import distributions
from metanet.models.results.pooled import Pooled


@dataclass(frozen=True)
class Outcome:
    """The numbers of one test on one fit; None where they do not exist."""

    reason: str | None
    k: int
    statistic: float | None = None
    distribution: str | None = None
    df: float | None = None
    p_value: float | None = None
    intercept: float | None = None
    intercept_se: float | None = None
    slope: float | None = None
    slope_se: float | None = None
    tau2: float | None = None
    notes: tuple[str, ...] = ()
    scale: str | None = None
    weights: str | None = None
    counts: bool = False
    back: Callable[[float | None], float | None] | None = None

    @staticmethod
    def without(reason: str, k: int) -> Outcome:
        """No test, and why."""
        return Outcome(reason, k)

    def ends(self, name: str, level: float) -> tuple[float | None, float | None]:
        """The interval of the intercept or the slope, by the distribution of the test."""
        value, se = getattr(self, name), getattr(self, f"{name}_se")
        if value is None or se is None:
            return None, None
        critical = distributions.two_sided_z(level) if self.df is None else float(distributions.two_sided_t(level, self.df))
        half = critical * se
        return value - half, value + half


def run(name: str, fit: Pooled, twin: Twin, sizes: Sequence[Array], *, exact: bool) -> Outcome:
    """One test; `exact` allows the model of the counts where the fit is one."""
    data = fit.data
    if not data.by_effect:
        events = float(data.total_of("events", "events_control")[0])
        full = not data.timed and events == float(data.total_of("total", "total_control")[0])
        if events == 0 or full:
            every = "All patients in all studies" if full else "No patient in any study"
            return Outcome.without(f"{every} had the event: there are no differences to relate to the size.", twin.k)
    if twin.k < 3:
        return Outcome.without("Fewer than three studies have an estimable effect: no regression line can be tested.", twin.k)
    y, v = twin.yi, twin.vi
    present = np.isfinite(v)
    if name == "lfk":
        return _index(y, v)
    if name == "begg":
        return _ranks(y, v)
    if name in ("peters", "macaskill"):
        return _size(name == "peters", fit, twin, sizes, exact)
    if name in ("harbord", "rucker"):
        return _two_groups(name, fit, twin)
    if name == "egger":
        found = small_study.egger(y, v)
    elif name == "thompson_sharp":
        found = small_study.thompson_sharp(y, v)
    elif name == "egger_mixed":
        return _mixed(y, v, twin)
    elif name == "deeks":
        found = small_study.deeks(y, v, data["total"], data["total_control"])
    else:
        found = small_study.pustejovsky(y, v, sizes[0], sizes[1])
    return _line(found, y, present)


def _line(found: Asymmetry, y: Array, present: np.ndarray, **more: object) -> Outcome:
    """Plain numbers of a line, or the reason why there is none."""
    k = int(present.sum())
    statistic = float(found.statistic[0])
    if np.isnan(statistic):
        if k < 3:
            why = "Fewer than three studies are informative: no regression line can be tested."
        elif not varies(y, present)[0]:
            why = "All studies report the same effect: there are no differences to relate to the size."
        elif found.line.df[0] >= 1 and np.isnan(found.line.slope[0]) and not found.unbounded[0]:
            why = "The studies do not differ in size or precision, or lie exactly on one line: the test does not exist."
        else:
            why = "The test has no value for these data."
        return Outcome.without(why, k)
    normal = bool(np.isinf(found.df[0]))
    line = found.line
    return Outcome(
        reason=None,
        k=k,
        statistic=statistic,
        distribution="normal" if normal else "t",
        df=None if normal else float(found.df[0]),
        p_value=float(found.pvalue[0]),
        intercept=number_or_none(line.intercept[0]),
        intercept_se=number_or_none(line.intercept_se[0]),
        slope=number_or_none(line.slope[0]),
        slope_se=number_or_none(line.slope_se[0]),
        tau2=number_or_none(found.tau2[0]),
        **more,  # type: ignore[arg-type]
    )


def _mixed(y: Array, v: Array, twin: Twin) -> Outcome:
    """Meta-regression with the fit's own tau2 and the test that goes with its interval."""
    estimator = twin.options.tau2 or "REML"
    judge: Judge = "z"
    if twin.options.ci in ("HK", "HK-adhoc"):
        judge = "HK" if twin.options.ci == "HK" else "HK-adhoc"
    elif twin.options.ci in ("t", "KR"):
        judge = "t"
    found = small_study.mixed(y, v, small_study.standard_errors(v), estimator, judge)
    notes = [] if twin.options.tau2 else ["The common-effect model has no tau2; this test takes REML."]
    if twin.options.ci == "KR":
        notes.append("The test takes k − 2 degrees of freedom, not those of Kenward and Roger.")
    words = {"z": "normal", "t": "t", "HK": "Knapp-Hartung", "HK-adhoc": "Knapp-Hartung, not below the t test"}[judge]
    return _line(found, y, np.isfinite(v), notes=tuple(notes), weights=f"1 / (v + tau2), tau2 by {estimator}; {words}")


def _size(reciprocal: bool, fit: Pooled, twin: Twin, sizes: Sequence[Array], exact: bool) -> Outcome:
    """Peters' and Macaskill's lines on the size of the studies."""
    data, y = fit.data, twin.yi
    present = np.isfinite(twin.vi)
    if data.by_effect:
        size = sum(sizes[1:], sizes[0])
        weights = np.where(present, size, 0.0)
        return _line(small_study.on_size(y, size, weights, reciprocal=reciprocal), y, present, weights="number of patients")
    size_name = "person_time" if data.timed else "total"
    if is_rate(fit):
        total = data[size_name]
        if exact and fit.model in ("bayes", "glmm", "beta_binomial"):
            return _counts(reciprocal, fit, twin, total)
        unit = "person-time" if data.timed else "number of patients"
        found = small_study.on_size(y, total, np.where(present, total, 0.0), reciprocal=reciprocal)
        return _line(found, y, present, weights=unit)
    total, control = data[size_name], data[f"{size_name}_control"]
    size, sick = total + control, data["events"] + data["events_control"]
    whole = np.where(size > 0, size, 1.0)
    if data.timed:
        weights, words = sick * (total / whole) * (control / whole), "m t1 t2 / T² (m events, person-time T)"
    else:
        weights, words = sick * (size - sick) / whole, "m (N − m) / N (m events among N patients)"
    weights = np.where(present, weights, 0.0)
    return _line(
        small_study.on_size(y, size, weights, reciprocal=reciprocal), y, weights > 0,
        weights=words, notes=_silent(present, weights > 0),
    )  # fmt: skip


def _counts(reciprocal: bool, fit: Pooled, twin: Twin, total: Array) -> Outcome:
    """The quasi-likelihood line of the counts themselves."""
    from metanet.effects.back_transforms import ratio
    from metanet.effects.formulas import inverse_logit

    data = fit.data
    events = data["events"]
    found = small_study.rate_on_size(events, total, reciprocal=reciprocal, family="poisson" if data.timed else "binomial")
    present = total > 0
    rate = np.where(present, events / np.where(present, total, 1.0), 0.0)
    link = ratio if data.timed else inverse_logit
    notes = []
    if found.unbounded[0]:
        notes.append("All events lie at one end of the sizes, so the slope has no finite estimate; the test is the score test.")
    if fit.method["link"] not in (None, "logit", "log"):
        notes.append(f"The line is drawn on the logit, not on the {fit.method['link']} scale of the fit.")
    return _line(
        found,
        rate,
        present,
        notes=tuple(notes),
        counts=True,
        weights="those of overdispersed counts at the fitted rate (quasi-likelihood); no correction",
        back=lambda value: None if value is None else float(link(value)),
    )


def _two_groups(name: str, fit: Pooled, twin: Twin) -> Outcome:
    """Tests made of the counts of both groups."""
    data = fit.data
    counts = [data[column] for column in ("events", "total", "events_control", "total_control")]
    if name == "harbord":
        kind = "RR" if twin.options.measure == "RR" else "OR"
        score, information = small_study.score_and_information(kind, *counts)
        known = information > 0
        effects = np.where(known, score / np.where(known, information, 1.0), 0.0)
        return _line(small_study.harbord(score, information), effects, known, counts=True, notes=_silent(data.present, known))
    arcsine = MEASURES["AS"]
    found = arcsine.effects(*counts)
    outcome = _line(small_study.thompson_sharp(found.yi, found.vi), found.yi, np.isfinite(found.vi), counts=True)
    return replace(outcome, scale="difference of angles (arcsine)", back=lambda value: value)


def _silent(before: np.ndarray, after: np.ndarray) -> tuple[str, ...]:
    """A note on studies without information."""
    gone = int((before & ~after).sum())
    if not gone:
        return ()
    return (f"{gone} of the studies had no events, or events only, and carry no information here.",)


def _ranks(y: Array, v: Array) -> Outcome:
    found = begg(y, v)
    k = int(np.isfinite(v).sum())
    if np.isnan(found.pvalue[0]):
        return Outcome.without("All studies have the same effect or the same variance: their ranks are uninformative.", k)
    exact = bool(found.exact[0])
    notes = () if exact else ("Equal values among the studies: the p-value is the normal approximation corrected for ties.",)
    if not exact and k > 200:
        notes = ("With more than 200 studies the p-value is the normal approximation.",)
    return Outcome(None, k, float(found.tau[0]), "exact" if exact else "normal", None, float(found.pvalue[0]), notes=notes)


def _index(y: Array, v: Array) -> Outcome:
    value = float(lfk(y, v)[0])
    k = int(np.isfinite(v).sum())
    if np.isnan(value):
        return Outcome.without("All studies report the same effect: there is no asymmetry to measure.", k)
    return Outcome(None, k, value)
