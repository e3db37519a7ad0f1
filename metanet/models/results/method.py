"""The method stamp and the notes on a result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from math import isnan
from typing import Any

import numpy as np
import scipy

from metanet._version import __version__
from metanet.base.display import degrees, level_text, per_cent, plural, sentence_case
from metanet.base.results import Method
from metanet.effects.measures import MEASURES
from metanet.kernels.numerics.distributions import two_sided_z
from metanet.models.options import PLAIN_ESTIMATE, PRESET_TITLE, Options
from metanet.models.registry import CI, I2, MODELS, PREDICTION, model_row, prior_of, source_of, source_title


def _model_text(options: Options) -> str:
    return model_row(options.model, options.link).phrase.format(link=options.link, prior=prior_of(options.link).text())


def study_interval(options: Options) -> str:
    """The name of the interval of a single study."""
    if options.scale == "rate":
        return options.study_interval
    return "Garwood" if options.scale == "rate per person-time" else "normal"


def _correction(options: Options) -> str:
    if options.model == "mantel_haenszel" and options.convention == "metafor":
        return "none in the estimate; 0.5 to all cells of studies with an empty cell in Q"
    if options.to == "none" or options.add == 0:
        return "none"
    timed = MEASURES[options.measure].data == "person_time"
    cells = "the events" if timed else "both cells" if options.groups == 1 else "all cells"
    which = {"only0": "of studies with an empty cell", "if0all": "of all studies if one has an empty cell", "all": "of all studies"}
    if _once(options):
        cells = "events and total" if options.groups == 1 else "events and total of both groups"
    return f"{options.add:g} to {cells} {which[options.to]}{_alone(options)}"


def _once(options: Options) -> bool:
    """Whether a total grows as its events do, and not by twice as much."""
    return options.convention == "meta" and options.measure in ("RR", "PLN") and options.model != "mantel_haenszel"


def _alone(options: Options) -> str:
    """That a correction leaves the estimate of a study as it is, where it does."""
    theirs = options.convention != "metafor" and options.measure in PLAIN_ESTIMATE[options.convention]
    return ", in the variance alone" if theirs else ""


def versions() -> dict[str, str]:
    """Of this package and of those that it computes with."""
    return {"version": __version__, "numpy": np.__version__, "scipy": scipy.__version__}


def stamp(
    options: Options, *, status: str, k: int, nodes: int, corrected: int, dropped: int, unsettled: bool, notes: Sequence[str]
) -> Method:
    """The stamp of one result."""
    chosen = {field.name: getattr(options, field.name) for field in fields(options)}
    entries: dict[str, Any] = {
        **chosen,
        "scale": "effects and variances as given" if options.measure == "GEN" else MEASURES[options.measure].title,
        "response": options.scale,
        "tau2_interval": {"profile": "profile likelihood"}.get(str(options.tau2_ci), options.tau2_ci),
        "ci_text": CI[options.ci].phrase,
        "unsettled": unsettled,
        "prediction_text": None if options.prediction is None else PREDICTION[options.prediction].phrase,
        "marginal_ci": _marginal(options),
        "i2_definition": I2[options.i2].phrase,
        "study_interval": study_interval(options),
        "weights": MODELS[options.model].weights,
        "continuity_correction": _correction(options),
        "studies_corrected": corrected,
        "studies_dropped": dropped,
        "quadrature": "trapezoidal, adaptive" if nodes or (options.model in ("UM.FS", "UM.RS") and status == "pooled") else None,
        "quadrature_nodes": nodes or None,
        "status": status,
        "k": k,
        "package": "metanet",
        **versions(),
        "sources": _sources(options, status, k - dropped),
        "notes": list(notes),
    }
    entries["sentence"] = _sentence(entries, options)
    return Method(entries)


def joint_sentence(options: Options, df: float) -> str:
    """The sentence on a joint model of several groups with one tau, and the degrees of freedom of its intervals."""
    parts = [f"{_model_text(options)} with a mean for each group and one tau"]
    if options.model == "inverse_variance":
        parts.append(f"tau² by {options.tau2}")
    kind = {"HK": "Hartung-Knapp, ", "HK-adhoc": "Hartung-Knapp, not narrower than t, "}.get(options.ci, "")
    quantile = "normal quantile" if options.ci in ("z", "profile") else f"{kind}t with {degrees(df)} degrees of freedom"
    parts.append(f"{level_text(options.level)} intervals of the means: {quantile}")
    if options.prediction is not None and df > 1:
        of = "normal quantile" if options.prediction == "z" else f"t with {degrees(df - 1)} degrees of freedom"
        parts.append(f"prediction intervals: {of}")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}. metanet {__version__}."


def posterior_sentence(options: Options, spread: str) -> str:
    """The sentence on groups compared by their posteriors."""
    return (
        f"{_model_text(options)}; each group pooled by itself; differences, their {level_text(options.level)} credible intervals with "
        f"equal tails and p-values (the level at which the interval touches no difference) from the posterior with {spread}. "
        f"metanet {__version__}."
    )


def _marginal(options: Options) -> str | None:
    if options.scale not in ("rate", "rate per person-time"):
        return None
    if options.model == "bayes":
        return "posterior"
    if options.model == "glmm":
        return "delta method on the logit" if options.scale == "rate" else "delta method on the logarithm"
    if options.model == "beta_binomial":
        return "as the mean"
    return "confidence limits of the mean, averaged over the random effect"


def _sources(options: Options, status: str, k: int) -> list[str]:
    own = study_interval(options)
    used = [own] if source_of(own) else []
    if options.measure != "GEN" and options.measure != "PLO":
        used.append(options.measure)
    if status == "pooled":
        used += [options.model] if source_of(options.model) else []
        if options.model == "inverse_variance":
            used += [str(options.tau2), str(options.tau2_ci)]
        used += [options.ci] if source_of(options.ci) and options.ci not in used and not options.exact else []
        used += ["I2"]
        if source_of(str(options.prediction)) and k > 2 and options.prediction not in used:
            used.append(str(options.prediction))
    return [f"{sentence_case(source_title(name, options.link))}: doi:{source_of(name)}" for name in used]


def _sentence(entries: dict[str, Any], options: Options) -> str:
    """The choices as a sentence; only those used for this status."""
    version = f"metanet {entries['version']}"
    status = entries["status"]
    level = level_text(entries["level"])
    own = entries["study_interval"]
    kind = f"exact ({own})" if own in ("Clopper-Pearson", "Garwood") else own
    if status == "not pooled" and entries["k"] > 1 and options.groups == 1:
        kind = "normal"
    if status == "not pooled" and options.model == "bayes" and entries["prediction"]:
        return (
            f"One study with its {kind} {level} interval; not pooled. Predictive interval for the next study: posterior of the "
            f"{_model_text(options)}. {version}."
        )
    if status == "not pooled":
        return f"One study with its {kind} {level} interval; not pooled. {version}."
    if status in ("no events", "only events"):
        exact = "Garwood" if options.scale == "rate per person-time" else "Clopper-Pearson"
        return f"Exact ({exact}) {level} interval of the summed counts. {version}."
    if status == "not estimable":
        return f"No estimate from the {_model_text(options)}. {version}."
    parts = [_model_text(options)]
    if not options.exact:
        parts.append(entries["scale"])
    if options.model == "inverse_variance":
        parts.append(f"tau² by {entries['tau2']}")
    if options.model == "bayes":
        parts.append(f"posterior medians, {level} credible intervals with equal tails")
        if entries["prediction"]:
            parts.append(f"{level} posterior predictive interval")
        text = "; ".join(parts)
        return f"{text[0].upper()}{text[1:]}. {version}."
    parts.append(f"{level} interval of the mean: {entries['ci_text']}")
    if options.tau2 is not None:
        parts.append(f"interval of tau²: {entries['tau2_interval']}")
    if entries["prediction"] and entries["k"] - entries["studies_dropped"] > 2:
        parts.append(f"prediction interval: {entries['prediction_text']}")
    if entries["studies_corrected"]:
        if options.scale == "rate" and options.to == "only0":
            both = "events and total" if _once(options) else "both cells"
            parts.append(f"{options.add:g} added to {both} of studies at 0 % or 100 %{_alone(options)}")
        else:
            parts.append(f"added {entries['continuity_correction']}")
    if options.i2 == "Q":
        parts.append("I² from Q")
    if options.preset:
        parts.append(f"the defaults of {PRESET_TITLE[options.preset]}")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}. {version}."


Row = dict[str, Any]


def notes_for(row: Row, options: Options) -> list[str]:
    """Notes on one row of a batch (values as floats, NaN where absent), in the order of the numbers."""
    status = row["status"]
    if status == "no studies":
        return ["There is no study to pool."]
    if status == "not pooled":
        return [
            "One study: it is shown with its interval and not pooled; tau2, I2 and a prediction interval do not exist."
            if options.model != "bayes" or isnan(row["pi_lower"])
            else "One study: it is shown with its exact interval and not pooled. It has no information on heterogeneity, so the "
            f"predictive interval for another study rests on the prior {prior_of(options.link).text().split(', mu')[0]}.",
            *([_dropped(int(row["dropped"]), options)] if row["dropped"] else []),
            *([_corrected(int(row["corrected"]), options)] if row["corrected"] and options.groups == 2 else []),
        ]
    if status in ("no events", "only events"):
        return _one_sided(row)
    if status == "not estimable":
        return _not_estimable(row, options)
    if options.model == "bayes":
        return _posterior(row, options)
    return [*_mean(row, options), *_heterogeneity(row, options), *_prediction(row, options)]


#: The upper limit of tau beyond this share of that of its prior says that the data hardly bound it.
_HARDLY = 0.85


def _posterior(row: Row, options: Options) -> list[str]:
    """Notes on a posterior: what comes from the prior rather than from the data."""
    prior = prior_of(options.link)
    out = []
    if row["unsettled"]:
        out.append("The quadrature of the posterior did not reach the accuracy asked for; please report these data.")
    if options.groups == 1 and row["events"] == 0:
        out.append(
            "No study observed an event: the data bound the rate from above only. How near to zero it is, and with it the estimate "
            "and the lower limits, comes from the prior of mu."
        )
    elif options.groups == 1 and row["events"] == row["n"]:
        out.append(
            "Every patient of every study had the event: the data bound the rate from below only. How near to 100 % it is, and with "
            "it the estimate and the upper limits, comes from the prior of mu."
        )
    if row["dropped"]:
        out.append(_dropped(int(row["dropped"]), options))
    # The tail of a half-normal distribution.
    tail = prior.scale * two_sided_z(options.level)
    if row["tau2_upper"] > 0 and row["tau2_upper"] ** 0.5 > _HARDLY * tail:
        out.append(
            "The data hardly bound the heterogeneity: the upper limit of tau is mostly that of its prior, "
            f"half-normal({prior.scale:g}) on {prior.scale_text}."
        )
    if row["nodes"] and options.prediction is None:
        out.append("No prediction interval was requested.")
    return out


def _one_sided(row: Row) -> list[str]:
    what = "No study observed an event" if row["status"] == "no events" else "All patients in all studies had the event"
    if isnan(row["n"]):
        return [f"{what}: the rate is 0, with the exact (Garwood) interval for the total person-time.", _NO_TAU]
    return [
        f"{what}: the rate is {per_cent(row['estimate'])} %, with the exact (Clopper-Pearson) interval for "
        f"all {int(row['n'])} patients.",
        _NO_TAU,
    ]


_NO_TAU = (
    "tau2, I2 and the prediction interval do not exist: such data contain no information on heterogeneity. "
    "The interval assumes one common rate."
)


def _not_estimable(row: Row, options: Options) -> list[str]:
    if row["unsettled"]:
        return [
            "The maximum of the likelihood was not located with the required accuracy, so no number is given. "
            "Use model='inverse_variance' for an approximate result, and please report these data."
        ]
    if options.groups == 2:
        return [
            "No finite effect exists: one group has no events (or only events) in every informative study, or no study has an "
            "estimable effect. No number is given."
        ]
    if not options.exact:
        return ["No study has an effect with a variance above zero: nothing can be pooled. No number is given."]
    model = "beta-binomial" if options.model == "beta_binomial" else "binomial-normal"
    what = "rho goes to one" if options.model == "beta_binomial" else "tau grows"
    if isnan(row["n"]):
        return [
            "The model has no finite estimate here: the likelihood increases with tau and has no maximum. No pooled rate is given."
        ]
    shown = (
        f"Together the studies have {plural(int(row['events']), 'event')} in {int(row['n'])} patients "
        f"({per_cent(row['events'] / row['n'])} %)"
    )
    if row["n"] == row["k"]:
        return [
            f"The {model} model has no unique estimate here: with one patient in each study the likelihood depends on the mean rate "
            "alone and is the same for every tau, so heterogeneity cannot be seen. No pooled rate is given.",
            f"{shown}; this is their mean rate, whatever the heterogeneity.",
        ]
    return [
        f"The {model} model has no finite estimate here: the studies are at 0 % and at 100 %, with hardly any "
        f"between, and the likelihood increases as {what}, without a maximum. No pooled rate is given.",
        f"{shown}; this describes a mixture, not a common rate.",
    ]


def _mean(row: Row, options: Options) -> list[str]:
    out = []
    if row["k"] - row["dropped"] == 2:
        out.append(
            "Two studies: the mean can be estimated, the heterogeneity hardly; see the interval of tau2."
            if options.tau2 is not None
            else "Two studies: the common effect is estimable; heterogeneity can hardly be detected."
        )
    if row["dropped"]:
        out.append(_dropped(int(row["dropped"]), options))
    if row["corrected"]:
        out.append(_corrected(int(row["corrected"]), options))
    if not options.exact and options.scale == "rate" and row["events"] in (0, row["n"]):
        out.append(
            "All studies have no events, or all have events only: this estimate is determined by the "
            f"{'correction' if row['corrected'] else 'transformation'}, not by the data. Use the exact model (model='glmm')."
        )
    if options.model in ("inverse_variance", "mantel_haenszel_random") and options.ci == "HK":
        out.extend(_hartung_knapp(row, options))
    if row["fallback"]:
        out.append(
            "The Kenward-Roger interval has less than one degree of freedom and is not meaningful; it was replaced by the "
            "Hartung-Knapp interval that is not narrower than the t interval."
        )
    if options.model == "beta_binomial":
        out.append(
            "The estimate is the mean of the fitted beta distribution of rates, which is the population-averaged rate; its median is "
            f"{per_cent(row['median'])} %. tau2 is the variance of the logits under it."
        )
    return out


def _corrected(studies: int, options: Options) -> str:
    counted = plural(studies, "study", "studies")
    if options.groups == 1 and options.scale == "rate" and options.to == "only0":
        other = "the total" if _once(options) else "non-events"
        where = f"events and to {other} there{_alone(options)}"
        return (
            f"{counted} at 0 % or 100 %: {options.add:g} was added to {where}. The correction changes the pooled rate; the exact "
            "model needs none."
        )
    if not options.add:
        return "0.5 was added to all cells of the study shown, because one of them is empty; the effect depends on it."
    where = f"{_cells(options)} (to={options.to!r}){_alone(options)}"
    text = f"In {counted} {options.add:g} was added to the {where}. The correction changes the result"
    exact = [model for model in MODELS.values() if model.family == "exact" and model.groups == options.groups]
    # Rates are rates on every scale; an odds ratio is the only effect of two groups that an exact model pools.
    if options.groups == 2 and not any(options.measure in model.measures for model in exact):
        return f"{text}."
    return f"{text}; the exact models need none."


def _cells(options: Options) -> str:
    """Which cells a correction touches."""
    return "events" if options.scale == "rate per person-time" or options.measure in ("IRR", "IRD") else "cells"


def _dropped(studies: int, options: Options) -> str:
    one = studies == 1
    counted = f"{plural(studies, 'study', 'studies')} of those counted here {'is' if one else 'are'} excluded from the estimate"
    if options.groups == 2:
        return f"{counted}: both groups have no events, or events only, which carries no information on the effect."
    return f"{counted}: no effect with a variance above zero exists."


def _hartung_knapp(row: Row, options: Options) -> list[str]:
    width = row["mu_upper"] - row["mu_lower"]
    common = 2 * two_sided_z(options.level) * row["common_se"]
    # The residual sum of equal effects is rounding noise, not zero.
    if width <= 1e-9 * common:
        return [
            "The studies agree exactly, so the Hartung-Knapp interval has no width; this is an artefact of the method. "
            "Use ci='z' or the exact model."
        ]
    if width < common:
        return [
            "The Hartung-Knapp interval is narrower than the common-effect interval: the studies agree better than expected "
            "by chance. Compare it with ci='z'."
        ]
    return []


def _heterogeneity(row: Row, options: Options) -> list[str]:
    out = []
    if options.i2 == "Q" and isnan(row["i2_lower"]):
        out.append("The intervals of I2 and H2 from Q need at least three studies.")
    if options.tau2 is None:
        return [*out, "One common effect is assumed: the interval does not allow for heterogeneity, and there is no tau2."]
    if row["tau2"] == 0 and not row["empty_tau2"]:
        out.append(
            "tau2 is estimated as zero, which does not show that there is no heterogeneity; see the upper limit of its interval."
        )
    if row["empty_tau2"]:
        out.append(
            f"The {options.tau2_ci} interval of tau2 is empty: the studies differ less than expected by chance for any tau2. "
            "I2 and H2 have no interval either."
        )
    if row["tau2_upper"] == float("inf"):
        out.append("The data give no upper limit of tau below 30; the upper limit of tau2 is infinity.")
    if row["tau2_upper"] < row["tau2"] or row["tau2_lower"] > row["tau2"]:
        out.append("The estimate of tau2 lies outside its interval: the two use different equations, which disagree for these data.")
    return out


def _prediction(row: Row, options: Options) -> list[str]:
    if options.tau2 is None:
        return []
    if options.prediction is None:
        if options.preset == "revman5":
            return ["There is no prediction interval, as RevMan 5 gives none; prediction='HTS' adds it."]
        return ["No prediction interval was requested."]
    if row["k"] - row["dropped"] < 3:
        return ["A prediction interval needs at least three studies."]
    if isnan(row["pi_lower"]):
        return ["The prediction interval has no degrees of freedom and is not given."]
    if row["pi_lower"] > row["ci_lower"] or row["pi_upper"] < row["ci_upper"]:
        return [
            "The prediction interval does not contain the whole interval of the mean: the two use different methods, and the "
            "wider one is the conservative choice."
        ]
    return []
