"""The method stamp: every choice that moved a number, in entries and in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import scipy

from metanet._version import __version__
from metanet.effects.measures import MEASURES
from metanet.models.display import level_text
from metanet.models.options import Options
from metanet.models.results import Method

_MODEL = {
    "glmm": "binomial-normal model (GLMM, {link} link, maximum likelihood)",
    "poisson": "Poisson-normal model (GLMM, log link, maximum likelihood)",
    "beta_binomial": "beta-binomial model (maximum likelihood)",
    "inverse_variance": "inverse-variance random-effects model",
    "common": "inverse-variance common-effect model",
    "mantel_haenszel": "Mantel-Haenszel common-effect model",
    "peto": "Peto common-effect model",
    "UM.FS": "logistic mixed model with a fixed effect for each study (UM.FS, maximum likelihood)",
    "UM.RS": "logistic mixed model with random study effects (UM.RS, maximum likelihood)",
    "CM.EL": "conditional logistic mixed model, exact likelihood (CM.EL, maximum likelihood)",
    "CM.AL": "conditional logistic mixed model, approximate likelihood (CM.AL, maximum likelihood)",
}
_CI = {
    "z": "normal quantile",
    "t": "t quantile with k − 1 degrees of freedom",
    "profile": "profile likelihood",
    "HK": "Hartung-Knapp, t with k − 1 degrees of freedom",
    "HK-adhoc": "Hartung-Knapp, not narrower than the t interval, k − 1 degrees of freedom",
    "KR": "Kenward-Roger, t with estimated degrees of freedom",
}
_PREDICTION = {
    "HTS": "HTS, t with k − 2 degrees of freedom",
    "V": "t with k − 1 degrees of freedom",
    "HK": "Hartung-Knapp, t with k − 1 degrees of freedom",
    "KR": "Kenward-Roger, t with estimated degrees of freedom",
    "bootstrap": "parametric bootstrap, integrated",
    "z": "normal quantile",
}
_SOURCES = {
    "glmm": "10.1002/sim.4040",
    "beta_binomial": "10.1002/sim.6383",
    "mantel_haenszel": "10.1093/jnci/22.4.719",
    "peto": "10.1016/S0033-0620(85)80003-7",
    **dict.fromkeys(("UM.FS", "UM.RS", "CM.EL", "CM.AL"), "10.1002/sim.7588"),
    "DL": "10.1016/0197-2456(86)90046-2",
    "PM": "10.6028/jres.087.022",
    "REML": "10.3102/10769986030003261",
    "ML": "10.1002/(SICI)1097-0258(19960330)15:6<619::AID-SIM188>3.0.CO;2-A",
    "SJ": "10.1111/j.1467-9876.2005.00489.x",
    "HS": "10.4135/9781483398105",
    "HSk": "10.1177/1094428117741966",
    "HE": "10.1037/0033-2909.93.2.388",
    "EB": "10.1080/01621459.1983.10477920",
    "t": "10.1111/j.0006-341X.1999.00732.x",
    "HK": "10.1002/sim.791",
    "HK-adhoc": "10.1002/sim.1482",
    "KR": "10.1002/sim.7140",
    "HTS": "10.1111/j.1467-985X.2008.00552.x",
    "V": "10.1002/jrsm.1319",
    "bootstrap": "10.1177/0962280218773520",
    "Q-profile": "10.1002/sim.2514",
    "profile": "10.1002/(SICI)1097-0258(19960330)15:6<619::AID-SIM188>3.0.CO;2-A",
    "Jackson": "10.1002/jrsm.1081",
    "Clopper-Pearson": "10.1093/biomet/26.4.404",
    "Wilson": "10.1080/01621459.1927.10502953",
    "Agresti-Coull": "10.1080/00031305.1998.10480550",
    "Jeffreys": "10.1214/ss/1009213286",
    "Garwood": "10.1093/biomet/28.3-4.437",
    "I2": "10.1002/sim.1186",
}


_WEIGHTS = {
    "inverse_variance": "1 / (v + tau2)",
    "common": "1 / v",
    "mantel_haenszel": "share in the Mantel-Haenszel sums",
    "peto": "hypergeometric variance",
}


def _model_text(options: Options) -> str:
    if options.model == "glmm" and options.link == "log":
        return _MODEL["poisson"]
    return _MODEL[options.model].format(link=options.link)


def study_interval(options: Options) -> str:
    """What the interval of a single study is called."""
    if options.scale == "rate":
        return options.study_interval
    return "Garwood" if options.scale == "rate per person-time" else "normal"


def _correction(options: Options) -> str:
    if options.model == "mantel_haenszel":
        return "none in the estimate; 0.5 to all cells of studies with an empty cell in Q"
    if options.to == "none" or options.add == 0:
        return "none"
    timed = MEASURES[options.measure].data == "person_time"
    cells = "the events" if timed else "both cells" if options.groups == 1 else "all cells"
    which = {
        "only0": "of studies with an empty cell",
        "if0all": "of all studies if one has an empty cell",
        "all": "of all studies",
    }
    return f"{options.add:g} to {cells} {which[options.to]}"


def versions() -> dict[str, str]:
    """Of this package and of those that its numbers rest on."""
    return {"version": __version__, "numpy": np.__version__, "scipy": scipy.__version__}


def stamp(
    options: Options,
    *,
    status: str,
    k: int,
    nodes: int,
    corrected: int,
    dropped: int,
    unsettled: bool,
    notes: Sequence[str],
) -> Method:
    """The stamp of one result."""
    chosen = {field.name: getattr(options, field.name) for field in fields(options)}
    entries: dict[str, Any] = {
        **chosen,
        "scale": "effects and variances as given" if options.measure == "GEN" else MEASURES[options.measure].title,
        "response": options.scale,
        "tau2_interval": {"profile": "profile likelihood"}.get(str(options.tau2_ci), options.tau2_ci),
        "ci_text": _CI[options.ci],
        "unsettled": unsettled,
        "prediction_text": None if options.prediction is None else _PREDICTION[options.prediction],
        "marginal_ci": _marginal(options),
        "i2_definition": "tau2 / (tau2 + typical within-study variance)" if options.i2 == "tau2" else "(Q − df) / Q",
        "study_interval": study_interval(options),
        "weights": _WEIGHTS.get(options.model, "share of the observed information on mu"),
        "continuity_correction": _correction(options),
        "studies_corrected": corrected,
        "studies_dropped": dropped,
        "quadrature": "trapezoidal, adaptive"
        if nodes or (options.model in ("UM.FS", "UM.RS") and status == "pooled")
        else None,
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
    """A joint model of several groups in words: one tau, and the degrees of freedom that its intervals have."""
    parts = [f"{_model_text(options)} with a mean for each group and one tau"]
    if options.model == "inverse_variance":
        parts.append(f"tau² by {options.tau2}")
    kind = {"HK": "Hartung-Knapp, ", "HK-adhoc": "Hartung-Knapp, not narrower than t, "}.get(options.ci, "")
    quantile = "normal quantile" if options.ci in ("z", "profile") else f"{kind}t with {df:g} degrees of freedom"
    parts.append(f"{level_text(options.level)} intervals of the means: {quantile}")
    if options.prediction is not None and df > 1:
        of = "normal quantile" if options.prediction == "z" else f"t with {df - 1:g} degrees of freedom"
        parts.append(f"prediction intervals: {of}")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}. metanet {__version__}."


def _marginal(options: Options) -> str | None:
    if options.scale not in ("rate", "rate per person-time"):
        return None
    if options.model == "glmm":
        return "delta method on the logit" if options.scale == "rate" else "delta method on the logarithm"
    return "as the mean" if options.model == "beta_binomial" else "ends of the mean, averaged over the random effect"


def _sources(options: Options, status: str, k: int) -> list[str]:
    own = study_interval(options)
    used = [own] if own in _SOURCES else []
    if options.measure != "GEN" and options.measure != "PLO":
        used.append(options.measure)
    if status == "pooled":
        used += [options.model] if options.model in _SOURCES else []
        if options.model == "inverse_variance":
            used += [str(options.tau2), str(options.tau2_ci)]
        used += [options.ci] if options.ci in _SOURCES and options.ci not in used and not options.exact else []
        used += ["I2"]
        if options.prediction in _SOURCES and k > 2 and options.prediction not in used:
            used.append(str(options.prediction))
    return [f"{name}: doi:{_SOURCES.get(name) or MEASURES[name].source}" for name in used]


def _sentence(entries: dict[str, Any], options: Options) -> str:
    """The choices in words; only those that were used for this status."""
    version = f"metanet {entries['version']}"
    status = entries["status"]
    level = level_text(entries["level"])
    own = entries["study_interval"]
    kind = f"exact ({own})" if own in ("Clopper-Pearson", "Garwood") else own
    if status == "not pooled" and entries["k"] > 1 and options.groups == 1:
        kind = "normal"
    if status == "not pooled":
        return f"One study with its {kind} {level} interval; not pooled. {version}."
    if status in ("no events", "only events"):
        exact = "Garwood" if options.scale == "rate per person-time" else "Clopper-Pearson"
        return f"Exact ({exact}) {level} interval on the sum of the studies. {version}."
    if status == "not estimable":
        return f"No estimate from the {_model_text(options)}. {version}."
    parts = [_model_text(options)]
    if not options.exact:
        parts.append(entries["scale"])
    if options.model == "inverse_variance":
        parts.append(f"tau² by {entries['tau2']}")
    parts.append(f"{level} interval of the mean: {entries['ci_text']}")
    if options.tau2 is not None:
        parts.append(f"interval of tau²: {entries['tau2_interval']}")
    if entries["prediction"] and entries["k"] - entries["studies_dropped"] > 2:
        parts.append(f"prediction interval: {entries['prediction_text']}")
    if entries["studies_corrected"]:
        if options.scale == "rate" and options.to == "only0":
            parts.append(f"{options.add:g} added to both cells of studies at 0 % or 100 %")
        else:
            parts.append(f"added {entries['continuity_correction']}")
    if options.i2 == "Q":
        parts.append("I² from Q")
    if options.preset:
        parts.append(f"the defaults of {options.preset}")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}. {version}."
