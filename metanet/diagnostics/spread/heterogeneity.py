"""What the spread between studies means, in words a clinician reads; the numbers come from the result."""

from __future__ import annotations

from metanet.base.display import interval, level_text, number, p_value, per_cent, plural
from metanet.base.errors import ArgumentError
from metanet.diagnostics.studies.series import LeaveOneOut
from metanet.models.results.pooled import Pooled, counted_units
from metanet.models.results.study_table import response_at


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
        return "There is one study, so nothing can be said about differences between studies."
    if fit.status in ("no events", "only events"):
        every = "None" if fit.status == "no events" else "All"
        counts = f"{counted_units(fit.n or 0, fit.units)} in {plural(fit.k, 'study', 'studies')}"
        return (
            f"{every} of the {counts} had the outcome. Identical extremes show no difference between studies, but studies of this "
            "size would look the same at somewhat different true rates; neither tau nor a prediction interval can be estimated."
        )
    if fit.status == "not estimable" and fit.method["unsettled"]:
        return f"The model could not be fitted to these studies (test of equal rates: {p_value(fit.lrt_pvalue)})."
    if fit.status == "not estimable":
        return (
            "The studies stand at opposite ends, at or near no patient and all patients with the outcome. One rate does not "
            f"describe them, and the model has no finite estimate (test of equal rates: {p_value(fit.lrt_pvalue)})."
        )
    return " ".join(part for part in (_spread(fit), _certainty(fit), _test(fit), _i2(fit), _omitted(omitted)) if part)


def _spread(fit: Pooled) -> str:
    if fit.pi_lower is None and fit.k < 3:
        studies = plural(fit.k, "study", "studies")
        return f"From {studies} the spread of the true rates can hardly be judged; a prediction interval needs at least three studies."
    if fit.pi_lower is None and fit.tau is None:
        return "The model takes all studies to have one rate, so it says nothing of a spread between them."
    if fit.pi_lower is None:
        return (
            f"The {fit.average} of the true rates is {per_cent(fit.estimate)} %; no prediction interval was asked for."
        )
    share = level_text(fit.level).removesuffix(" %")
    return (
        f"In {share} of 100 comparable settings the true rate is expected between {per_cent(fit.pi_lower)} % and "
        f"{per_cent(fit.pi_upper)} % (prediction interval), around a {fit.average} of {per_cent(fit.estimate)} %."
    )


def _certainty(fit: Pooled) -> str:
    if fit.tau is None:
        return ""
    lower = None if fit.tau2_lower is None else fit.tau2_lower**0.5
    upper = None if fit.tau2_upper is None else fit.tau2_upper**0.5
    bounds = "" if lower is None else f" ({level_text(fit.level)} CI {number(lower)} to {number(upper)})"
    scale = _scale(fit)
    if fit.tau == 0:
        text = f"The estimated spread is zero (tau 0{bounds}{scale})"
        if upper is not None and upper > 0 and upper < float("inf"):
            return (
                f"{text}; that does not show the studies to be alike: a spread up to {number(upper)} fits these data."
            )
        if upper is not None and upper > 0:
            return text + "; that does not show the studies to be alike: the data set no limit to the spread."
        return text + "; the studies differ less than chance alone would let them."
    text = f"The spread is tau = {number(fit.tau)}{bounds}{scale}"
    if fit.average == "median":
        text += f"; one standard deviation to either side of the median lie {_one_sd(fit)}"
    text += "."
    if fit.k < 5:
        text += f" With {plural(fit.k, 'study', 'studies')} tau is itself very uncertain."
    return text


def _scale(fit: Pooled) -> str:
    """The scale that tau is on, in words."""
    if fit.model == "beta_binomial":
        return ", the standard deviation of the logits under the fitted beta distribution"
    return f" on the {fit.method['link'] or _SCALES.get(fit.measure, 'model')} scale"


_SCALES = {"PLO": "logit", "PLN": "log", "PR": "raw", "PAS": "arcsine", "PFT": "Freeman-Tukey"}


def _one_sd(fit: Pooled) -> str:
    mu, tau = fit.mu or 0.0, fit.tau or 0.0
    return f"{per_cent(response_at(fit, mu - tau))} % and {per_cent(response_at(fit, mu + tau))} %"


def _test(fit: Pooled) -> str:
    if fit.lrt is not None:
        return f"Test of equal rates: likelihood ratio {number(fit.lrt)} on {fit.q_df} df, {p_value(fit.lrt_pvalue)}."
    if fit.q is not None:
        return f"Test of equal effects: Q {number(fit.q)} on {fit.q_df} df, {p_value(fit.q_pvalue)}."
    return ""


def _i2(fit: Pooled) -> str:
    if fit.i2 is None:
        return ""
    bounds = "" if fit.i2_lower is None else f" ({interval(fit.i2_lower, fit.i2_upper)} %)"
    return (
        f"I² is {per_cent(fit.i2)} %{bounds}; it tells how much of the variation is beyond chance, not how far rates lie apart, "
        "and grows with the size of the studies."
    )


def _omitted(omitted: LeaveOneOut | None) -> str:
    return "" if omitted is None or omitted.reason or omitted.fit.k < 3 else omitted.sentence()
