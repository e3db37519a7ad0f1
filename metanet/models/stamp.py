"""The method stamp: every choice that moved a number, in entries and in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy

from metanet._version import __version__
from metanet.models.display import level_text
from metanet.models.options import Options
from metanet.models.results import Method

_MODEL = {
    "glmm": "binomial-normal model (GLMM, logit link, maximum likelihood)",
    "inverse_variance": "inverse-variance random-effects model",
}
_MEASURE = {"PLO": "logit of the proportion", "GEN": "effects and variances as given"}
_CI = {
    "z": "normal quantile",
    "t": "t quantile with k − 1 degrees of freedom",
    "profile": "profile likelihood",
    "HK": "Hartung-Knapp, t with k − 1 degrees of freedom",
}
_SOURCES = {
    "glmm": "10.1002/sim.4040",
    "DL": "10.1016/0197-2456(86)90046-2",
    "PM": "10.6028/jres.087.022",
    "REML": "10.3102/10769986030003261",
    "HK": "10.1002/sim.791",
    "HTS": "10.1111/j.1467-985X.2008.00552.x",
    "Q-profile": "10.1002/sim.2514",
    "Clopper-Pearson": "10.1093/biomet/26.4.404",
    "I2": "10.1002/sim.1186",
}


def stamp(
    options: Options, *, status: str, k: int, nodes: int, corrected: int, unsettled: bool, notes: Sequence[str]
) -> Method:
    """The stamp of one result."""
    exact = options.model == "glmm"
    entries: dict[str, Any] = {
        "model": options.model,
        "measure": options.measure,
        "scale": _MEASURE[options.measure],
        "tau2": options.tau2,
        "tau2_interval": "profile likelihood" if exact else "Q-profile",
        "ci": options.ci,
        "ci_text": _CI[options.ci],
        "prediction": options.prediction,
        "unsettled": unsettled,
        "prediction_text": None if options.prediction is None else "HTS, t with k − 2 degrees of freedom",
        "marginal_ci": "delta method on the logit" if options.measure == "PLO" else None,
        "i2_definition": "tau2 / (tau2 + typical within-study variance)",
        "study_interval": "Clopper-Pearson" if options.measure == "PLO" else "normal",
        "weights": "share of the observed information on mu" if exact else "1 / (v + tau2)",
        "continuity_correction": "none"
        if exact or options.measure == "GEN"
        else "0.5 to both cells of studies at 0 % or 100 %",
        "studies_corrected": corrected,
        "quadrature": "trapezoidal, adaptive" if nodes else None,
        "quadrature_nodes": nodes or None,
        "level": options.level,
        "status": status,
        "k": k,
        "package": "metanet",
        "version": __version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "sources": _sources(options, status, k),
        "notes": list(notes),
    }
    entries["sentence"] = _sentence(entries)
    return Method(entries)


def _sources(options: Options, status: str, k: int) -> list[str]:
    used = ["Clopper-Pearson"] if options.measure == "PLO" else []
    if status == "pooled":
        if options.model == "glmm":
            used.append("glmm")
        else:
            used += [options.tau2, "Q-profile", *(["HK"] if options.ci == "HK" else [])]
        used += ["I2", *([options.prediction] if options.prediction and k > 2 else [])]
    return [f"{name}: doi:{_SOURCES[name]}" for name in used]


def _sentence(entries: dict[str, Any]) -> str:
    """The choices in words; only those that were used for this status."""
    version = f"metanet {entries['version']}"
    status = entries["status"]
    level = level_text(entries["level"])
    if status == "not pooled":
        kind = "exact (Clopper-Pearson)" if entries["measure"] == "PLO" else "normal"
        return f"One study with its {kind} {level} interval; not pooled. {version}."
    if status in ("no events", "only events"):
        return f"Exact (Clopper-Pearson) {level} interval on the sum of the studies. {version}."
    if status == "not estimable":
        return f"No estimate from the {_MODEL[entries['model']]}. {version}."
    parts = [_MODEL[entries["model"]]]
    if entries["model"] == "inverse_variance":
        parts.append(entries["scale"])
        parts.append(f"tau² by {entries['tau2']}")
    parts.append(f"{level} interval of the mean: {entries['ci_text']}")
    parts.append(f"interval of tau²: {entries['tau2_interval']}")
    if entries["prediction"] and entries["k"] > 2:
        parts.append(f"prediction interval: {entries['prediction_text']}")
    if entries["studies_corrected"]:
        parts.append("0.5 added to both cells of studies at 0 % or 100 %")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}. {version}."
