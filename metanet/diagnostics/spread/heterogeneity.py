"""The sentences on the heterogeneity of a result."""

from __future__ import annotations

from metanet.base.arguments import checked
from metanet.base.display import RATE, interval, level_text, number, p_value, per_cent, plural
from metanet.base.errors import ArgumentError
from metanet.diagnostics.studies.series import LeaveOneOut
from metanet.models.results.pooled import Pooled, response_at
from metanet.models.results.units import counted_units


@checked()
def heterogeneity_text(fit: Pooled, omitted: LeaveOneOut | None = None) -> str:
    """A paragraph on the heterogeneity of a pooled rate.

    The prediction interval and tau lead. I2 comes last, because it measures precision as much as spread: with large studies it
    is high where the rates hardly differ (Migliavaca 2022, doi:10.1002/jrsm.1547).

    Parameters
    ----------
    fit
        A pooled rate.
    omitted
        Its leave-one-out analysis, for a sentence on it.

    Returns
    -------
    str
        Plain text, right for every status.
    """
    if omitted is not None and not isinstance(omitted, LeaveOneOut):
        raise ArgumentError(f"omitted must be a result of leave_one_out, not {type(omitted).__name__}.")
    if not isinstance(fit, Pooled) or fit.response != "rate":
        raise ArgumentError("heterogeneity_text describes a pooled proportion; other results have .summary().")
    if fit.status == "not pooled":
        return "With one study, heterogeneity cannot be assessed."
    if fit.status in ("no events", "only events"):
        every = "None" if fit.status == "no events" else "All"
        counts = f"{counted_units(fit.n or 0, fit.units)} in {plural(fit.k, 'study', 'studies')}"
        return (
            f"{every} of the {counts} had the outcome. Such data show no differences between studies, but studies of this "
            "size could have somewhat different true rates; neither tau nor a prediction interval can be estimated."
        )
    if fit.edge and fit.model == "bayes":
        return " ".join(part for part in (_at_edge(fit), _omitted(omitted)) if part)
    if fit.status == "not estimable" and fit.method["unsettled"]:
        return f"The model could not be fitted to these studies (test of equal rates: {p_value(fit.lrt_pvalue)})."
    if fit.status == "not estimable":
        return (
            "The studies have opposite extreme rates, at or near 0 % and 100 %. One rate does not describe them, and the model has no "
            f"finite estimate (test of equal rates: {p_value(fit.lrt_pvalue)})."
        )
    return " ".join(part for part in (_spread(fit), _certainty(fit), _test(fit), _i2(fit), _omitted(omitted)) if part)


def _at_edge(fit: Pooled) -> str:
    """Without events (or with events only) what is said of the heterogeneity comes from its prior."""
    every = "None" if fit.edge == "no events" else "All"
    counts = f"{counted_units(fit.n or 0, fit.units)} in {plural(fit.k, 'study', 'studies')}"
    text = (
        f"{every} of the {counts} had the outcome. Such data show no differences between studies, but studies of this size could have "
        f"somewhat different true rates: tau ({number(fit.tau)}{_tau_limits(fit)}{_scale(fit)}) comes mainly from its prior."
    )
    if fit.pi_lower is None:
        return text
    digits = RATE.digits(fit.estimate, fit.ci_lower, fit.ci_upper)
    return (
        f"{text} So does the {level_text(fit.level)} prediction interval, by which the true rate of a new, comparable study is "
        f"expected between {RATE.value(fit.pi_lower, digits)} and {RATE.value(fit.pi_upper, digits)}."
    )


def _tau_limits(fit: Pooled) -> str:
    if fit.tau2_lower is None or fit.tau2_upper is None:
        return ""
    return f", {level_text(fit.level)} {fit.interval_name} {number(fit.tau2_lower**0.5)} to {number(fit.tau2_upper**0.5)}"


def _spread(fit: Pooled) -> str:
    digits = RATE.digits(fit.estimate, fit.ci_lower, fit.ci_upper)
    if fit.pi_lower is None and fit.k < 3:
        studies = plural(fit.k, "study", "studies")
        return f"With {studies} heterogeneity can hardly be estimated; a prediction interval needs at least three."
    if fit.pi_lower is None and fit.tau is None:
        return "The model assumes one common rate and does not estimate heterogeneity."
    if fit.pi_lower is None:
        shown = f"{RATE.value(fit.estimate, digits)}{_other(fit, digits)}"
        return f"The {fit.average} of the true rates is {shown}; no prediction interval was requested."
    return (
        f"The true rate of a new, comparable study is expected between {RATE.value(fit.pi_lower, digits)} and "
        f"{RATE.value(fit.pi_upper, digits)} ({level_text(fit.level)} prediction interval); the {fit.average} of the true rates is "
        f"{RATE.value(fit.estimate, digits)}{_other(fit, digits)}."
    )


def _other(fit: Pooled, digits: int) -> str:
    """The population average beside a median, the median beside a mean."""
    (median, *_), (average, *_) = fit.rates_shown
    name, value = ("median", median) if fit.average == "mean" else ("population-averaged rate", average)
    return "" if fit.average == "common" or value is None else f", the {name} {RATE.value(value, digits)}"


def _certainty(fit: Pooled) -> str:
    if fit.tau is None:
        return ""
    lower = None if fit.tau2_lower is None else fit.tau2_lower**0.5
    upper = None if fit.tau2_upper is None else fit.tau2_upper**0.5
    bounds = "" if lower is None else f" ({level_text(fit.level)} {fit.interval_name} {number(lower)} to {number(upper)})"
    scale = _scale(fit)
    if fit.tau == 0:
        text = f"The estimated heterogeneity is zero (tau 0{bounds}{scale})"
        if upper is not None and upper > 0 and upper < float("inf"):
            return f"{text}; this does not show homogeneity: tau up to {number(upper)} is compatible with the data."
        if upper is not None and upper > 0:
            return text + "; this does not show homogeneity: the data set no upper limit to tau."
        return text + "; the studies differ less than expected by chance."
    text = f"Heterogeneity: tau = {number(fit.tau)}{bounds}{scale}"
    if fit.average == "median":
        text += f"; one standard deviation either side of the median corresponds to rates of {_one_sd(fit)}"
    text += "."
    if fit.k < 5:
        text += f" With {plural(fit.k, 'study', 'studies')} tau is itself very uncertain."
    return text


def _scale(fit: Pooled) -> str:
    """The scale that tau is on as text."""
    if fit.model == "beta_binomial":
        return ", the standard deviation of the logits under the fitted beta distribution"
    return f" on the {fit.method['link'] or _SCALES.get(fit.measure, 'model')} scale"


_SCALES = {"PLO": "logit", "PLN": "log", "PR": "raw", "PAS": "arcsine", "PFT": "Freeman-Tukey"}


def _one_sd(fit: Pooled) -> str:
    mu, tau = fit.mu or 0.0, fit.tau or 0.0
    return f"{RATE.value(response_at(fit, mu - tau))} and {RATE.value(response_at(fit, mu + tau))}"


def _test(fit: Pooled) -> str:
    return "" if fit.test is None else f"Test of {fit.test.null}: {fit.test.text()}."


def _i2(fit: Pooled) -> str:
    if fit.i2 is None:
        return ""
    bounds = "" if fit.i2_lower is None else f" ({interval(fit.i2_lower, fit.i2_upper)} %)"
    return (
        f"I² is {per_cent(fit.i2)} %{bounds}, the share of the variation not due to sampling error. It does not measure "
        "the differences between rates, and it increases with study size."
    )


def _omitted(omitted: LeaveOneOut | None) -> str:
    return "" if omitted is None or omitted.reason or omitted.fit.k < 3 else omitted.sentence()
