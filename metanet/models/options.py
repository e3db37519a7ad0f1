"""The choices of a pooling: closed vocabularies, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any

from metanet.errors import ArgumentError, check_choice, shorten

MODELS = ("glmm", "inverse_variance")
MEASURES = {"glmm": ("PLO",), "inverse_variance": ("PLO", "GEN")}
TAU2 = {"glmm": ("ML",), "inverse_variance": ("DL", "PM", "REML")}
CI = {"glmm": ("z", "t", "profile"), "inverse_variance": ("z", "HK")}
#: The interval of the mean that a model takes when none is named.
DEFAULT_CI = {"glmm": "t", "inverse_variance": "HK"}
PREDICTION = ("HTS",)
#: Words of the interface that later versions will know; they are named so that the refusal can say so.
PLANNED = {
    "model": ("beta_binomial", "common", "mantel_haenszel", "peto", "UM.FS", "UM.RS", "CM.EL", "CM.AL"),
    "measure": ("PR", "PLN", "PAS", "PFT", "OR", "RR", "RD", "AS", "PETO"),
    "tau2": ("ML", "SJ", "HS", "HSk", "HE", "EB"),
    "ci": ("t", "HK-adhoc", "KR", "profile"),
    "prediction": ("HK", "KR", "bootstrap", "z"),
}


@dataclass(frozen=True)
class Options:
    """Every choice that moves a pooled number, already checked against its vocabulary."""

    model: str
    measure: str
    tau2: str
    ci: str
    prediction: str | None
    level: float


def _choose(argument: str, value: object, allowed: tuple[str, ...], model: str) -> str:
    where = f"for model={model!r}"
    if isinstance(value, str) and value not in allowed and value in PLANNED.get(argument, ()):
        known = ", ".join(repr(name) for name in allowed)
        raise ArgumentError(f"{argument}={value!r} is not available {where} in this version. Known: {known}.")
    return check_choice(argument, value, allowed, where=where)


def check_level(level: object) -> float:
    """The coverage of the intervals as a fraction; 95 is refused rather than guessed to be 0.95."""
    value = float("nan") if isinstance(level, bool) or not isinstance(level, Real) else float(level)
    if not 0 < value < 1:
        mend = f" Did you mean {value / 100:g}?" if 1 < value < 100 else ""
        raise ArgumentError(f"level={shorten(level)!r} must be a fraction between 0 and 1, such as 0.95.{mend}")
    return value


def check_options(
    *, model: object, measure: object, tau2: object, ci: object, prediction: object, level: object
) -> Options:
    """Check every choice of `pool` and fill in the model's own defaults."""
    if isinstance(model, str) and model in PLANNED["model"]:
        raise ArgumentError(f"model={model!r} is not available in this version. Known: {', '.join(map(repr, MODELS))}.")
    name = check_choice("model", model, MODELS)
    # The GLMM has one estimator of tau2. The signature's default, REML, belongs to the inverse-variance model and is taken
    # as "the default" here; any other word is an error, because it could not have an effect.
    if name == "glmm" and tau2 == "REML":
        tau2 = "ML"
    return Options(
        model=name,
        measure=_choose("measure", "PLO" if measure is None else measure, MEASURES[name], name),
        tau2=_choose("tau2", tau2, TAU2[name], name),
        ci=_choose("ci", DEFAULT_CI[name] if ci is None else ci, CI[name], name),
        prediction=None if prediction is None else _choose("prediction", prediction, PREDICTION, name),
        level=check_level(level),
    )


def options_of(method: Mapping[str, Any]) -> Options:
    """The choices that a method stamp records, to fit the same model again."""
    return Options(**{field.name: method[field.name] for field in fields(Options)})
