"""The choices of a pooling: checked before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from numbers import Real
from typing import Any

from metanet.base.arguments import level as check_level
from metanet.base.errors import ArgumentError, as_given, check_choice
from metanet.effects.formulas import CORRECTION, RULES
from metanet.effects.measures import MEASURES
from metanet.effects.study_intervals import INTERVALS
from metanet.models.registry import EXACT, I2, LINKS, MODELS, TAU2, TWO_STEP, model_row


@dataclass(frozen=True)
class Options:
    """Every choice that moves a pooled number, already checked against its vocabulary.

    `link` is None where the model has none, `tau2`, `tau2_ci` and `prediction` where there is no random effect.
    """

    model: str
    measure: str
    tau2: str | None
    tau2_ci: str | None
    ci: str
    prediction: str | None
    i2: str
    link: str | None
    study_interval: str
    add: float
    to: str
    drop00: bool
    level: float
    preset: str | None = None

    @property
    def exact(self) -> bool:
        """Whether the likelihood is that of the counts."""
        return self.model in EXACT

    @property
    def is_lean(self) -> bool:
        """Whether a random-effects model is fitted for its estimate alone (`lean`)."""
        return self.tau2 is not None and self.tau2_ci is None

    @property
    def convention(self) -> str:
        """Whose convention a study with empty cells follows."""
        return CONVENTION.get(str(self.preset), "metafor")

    @property
    def rules(self) -> dict[str, Any]:
        """The zero-cell rules as `Measure.effects` takes them."""
        return {"add": self.add, "to": self.to, "drop00": self.drop00, "convention": self.convention}

    @property
    def scale(self) -> str:
        """What the result is on the response scale: as `Measure.response`, or "effect" for effects given as such."""
        return "effect" if self.measure == "GEN" else MEASURES[self.measure].response

    @property
    def groups(self) -> int:
        """1 or 2; effects count as one."""
        return 1 if self.measure == "GEN" else MEASURES[self.measure].groups


_METAFOR: dict[str, str | None] = {"model": "inverse_variance", "tau2": "REML", "ci": "z", "prediction": "z", "i2": "tau2"}
_META: dict[str, str | None] = {"model": "inverse_variance", "tau2": "REML", "ci": "z", "prediction": "V", "i2": "Q"}
_REVMAN5: dict[str, str | None] = {"model": "inverse_variance", "tau2": "DL", "ci": "z", "prediction": None, "i2": "Q"}
_MH_RANDOM = {**_REVMAN5, "model": "mantel_haenszel_random"}
#: What the defaults of another program come to, by the measure that is pooled ("" stands for every other one).
PRESETS: dict[str, dict[str, dict[str, str | None]]] = {
    # metafor: escalc and rma with their defaults; 0.5 where a cell is zero, normal quantiles throughout.
    "metafor": {"": _METAFOR},
    # meta: metaprop pools logits by rma.glmm, everything else by inverse variance; metabin's measure is the risk ratio.
    "meta": {"PLO": {**_META, "model": "glmm"}, "": _META},
    # RevMan since 2025: REML, I2 from tau2; its interval of the mean is the normal one unless Hartung-Knapp is chosen.
    "revman": {"": _METAFOR},
    # RevMan 5 and RevMan Web before 2025: tau2 of DerSimonian and Laird, I2 from Q, no prediction; counts of two groups by the
    # Mantel-Haenszel method, of whose random-effects form this is.
    "revman5": {**dict.fromkeys(("OR", "RR", "RD"), _MH_RANDOM), "PETO": {**_REVMAN5, "model": "peto"}, "": _REVMAN5},
}
#: The measure of two groups where a program's own is another than the odds ratio.
PRESET_MEASURE = {"meta": "RR", "revman": "RR", "revman5": "RR"}
#: The convention for empty cells of a preset, where it is another than metafor's.
CONVENTION = {"meta": "meta", "revman": "revman", "revman5": "revman"}
#: Measures whose estimate is not corrected by a convention, of which the variance alone is.
PLAIN_ESTIMATE = {"meta": ("PR", "RD", "IRD"), "revman": ("RD",)}
#: What a reader calls the program of a preset.
PRESET_TITLE = {"metafor": "metafor", "meta": "meta", "revman": "RevMan", "revman5": "RevMan 5"}
#: Models of Mantel and Haenszel: a preset corrects their cells, and gives them its own measure.
_MH = ("mantel_haenszel", "mantel_haenszel_random")
#: The prediction interval of the model, or of the preset.
DEFAULT = "default"


#: Words of other models than the default, with a model that knows them: who names one means that model.
_NAMED = {
    **{str(word): "inverse_variance" for word in (*MODELS["inverse_variance"].ci, *MODELS["inverse_variance"].prediction, *TAU2)},
    **{str(word): "inverse_variance" for word in MODELS["inverse_variance"].tau2_ci},
    **{str(word): "glmm" for word in (*MODELS["glmm"].ci, *MODELS["glmm"].prediction)},
}


def _choose(argument: str, value: object, allowed: tuple[str | None, ...], model: str) -> str | None:
    """`value` if the model knows it."""
    words = tuple(word for word in allowed if word is not None)
    if value is None and None in allowed:
        return None
    if not words:
        other = f", or name a model that takes it, such as model={_NAMED[str(value)]!r}" if str(value) in _NAMED else ""
        raise ArgumentError(f"{argument}={as_given(value)} has no meaning for model={model!r}. Fix: leave it out{other}.")
    if value not in words and str(value) in _NAMED and _NAMED[str(value)] != model:
        # Whoever names an estimator or an interval of another model means that model.
        raise ArgumentError(
            f"{argument}={as_given(value)} is not known for model={model!r}, which knows {', '.join(map(repr, words))}. "
            f"Fix: name the model as well, such as model={_NAMED[str(value)]!r}, or leave {argument} out."
        )
    return check_choice(argument, value, words, where=f"for model={model!r}")


def _default_measure(model: str | None, *, groups: int, by_effect: bool, timed: bool) -> str:
    if by_effect:
        return "GEN"
    if timed:
        return "IRLN" if groups == 1 else "IRR"
    if groups == 2:
        return "PETO" if model == "peto" else "OR"
    return "PLO"


def check_options(
    *,
    model: object = None,
    measure: object = None,
    tau2: object = None,
    ci: object = None,
    prediction: object = DEFAULT,
    level: object = 0.95,
    tau2_ci: object = None,
    i2: object = None,
    link: object = None,
    study_interval: object = None,
    add: object = None,
    to: object = None,
    drop00: object = None,
    preset: object = None,
    groups: int = 1,
    by_effect: bool = False,
    timed: bool = False,
) -> Options:
    """Check every choice of `pool` and fill in the preset's, then the model's own defaults.

    `groups`, `by_effect` and `timed` tell what kind of data was given.
    """
    if preset is not None:
        name = check_choice("preset", preset, tuple(PRESETS))
        if measure is None and groups == 2 and not timed and model in (None, *TWO_STEP, *_MH):
            measure = PRESET_MEASURE.get(name)
        kind = measure or ("PLO" if groups == 1 and not by_effect and not timed else "")
        chosen = PRESETS[name].get(str(kind), PRESETS[name][""])
        # A preset fills what was left out; a word that is named stands.
        if model is None and name == "meta" and tau2 == "DL" and measure in MODELS["mantel_haenszel_random"].measures:
            # metabin takes the tau2 of DerSimonian and Laird about the mean of Mantel and Haenszel.
            model = "mantel_haenszel_random"
        model = chosen["model"] if model is None else model
        fitted = MODELS[str(model if model in MODELS else chosen["model"])]
        if ci is None and chosen["ci"] in fitted.ci:
            ci = chosen["ci"]
        if tau2 is None and chosen["tau2"] in fitted.tau2:
            tau2 = chosen["tau2"]
        if tau2_ci is None and name == "meta" and tau2 == "DL" and "Jackson" in fitted.tau2_ci:
            tau2_ci = "Jackson"
        if prediction == DEFAULT:
            # With another quantile for the mean these programs take it for the prediction as well.
            wanted = {"t": "V", "HK": "HK", "HK-adhoc": "HK"}.get(str(ci)) if chosen["prediction"] == "z" else None
            words = (wanted, chosen["prediction"]) if wanted else (chosen["prediction"],)
            prediction = next((word for word in words if word in fitted.prediction), DEFAULT)
        if i2 is None and fitted.tau2 != (None,):
            i2 = chosen["i2"]
    if model is None:
        model = "inverse_variance" if by_effect or groups == 2 or measure not in (None, "PLO", "IRLN") else "bayes"
    name = check_choice("model", model, tuple(MODELS))
    if measure is None:
        measure = _default_measure(name, groups=groups, by_effect=by_effect, timed=timed)
    known = MODELS[name]
    kind = check_choice("measure", measure, known.measures, where=f"for model={name!r}")
    estimator = known.tau2[0] if tau2 is None else _default_or(tau2, "REML", known.tau2)
    predicted = known.prediction[0] if prediction == DEFAULT else _default_or(prediction, "HTS", known.prediction)
    checked = Options(
        model=name,
        measure=kind,
        tau2=_choose("tau2", estimator, known.tau2, name),
        tau2_ci=_choose("tau2_ci", known.tau2_ci[0] if tau2_ci is None else tau2_ci, known.tau2_ci, name),
        ci=str(_choose("ci", known.ci[0] if ci is None else ci, known.ci, name)),
        prediction=_choose("prediction", predicted, known.prediction, name),
        i2=check_choice("i2", "tau2" if i2 is None else i2, tuple(I2)),
        link=_link(name, kind, link),
        study_interval=_study_interval(kind, study_interval),
        **_zero_cells(name, kind, add, to, drop00, preset),
        level=check_level("level", level),
        preset=None if preset is None else str(preset),
    )
    return _agreeing(checked, i2_named=i2 is not None)


def _default_or(value: object, default: str, allowed: tuple[str | None, ...]) -> object:
    """The usual word is taken as "the model's own" where a model does not know it; any other word has to be one that it knows."""
    return allowed[0] if value == default and default not in allowed else value


def _link(model: str, measure: str, link: object) -> str | None:
    if model not in ("glmm", "bayes") or measure not in LINKS:
        if link is not None:
            raise ArgumentError(f"link={as_given(link)} has no meaning for model={model!r}. Fix: leave it out.")
        return None
    allowed = LINKS[measure]
    return check_choice("link", allowed[0] if link is None else link, allowed, where=f"for measure={measure!r}")


def _study_interval(measure: str, value: object) -> str:
    """The interval of single proportions; other measures have one interval each."""
    if measure == "GEN" or MEASURES[measure].response != "rate":
        if value is not None:
            raise ArgumentError(f"study_interval={as_given(value)} has no meaning for measure={measure!r}. Fix: leave it out.")
        return "Clopper-Pearson"
    return check_choice("study_interval", "Clopper-Pearson" if value is None else value, tuple(INTERVALS))


def _zero_cells(model: str, measure: str, add: object, to: object, drop00: object, preset: object) -> dict[str, Any]:
    """The zero-cell rules; where nothing is ever added naming one is an error, because it could not have an effect."""
    theirs = CONVENTION.get(str(preset), "metafor")
    corrects = measure != "GEN" and MEASURES[measure].corrects and (model in TWO_STEP or (model in _MH and theirs != "metafor"))
    corrects = corrects and not (measure == "PETO" and theirs != "metafor")
    for argument, value in (("add", add), ("to", to)):
        if value is not None and not corrects:
            raise ArgumentError(
                f"{argument}={as_given(value)} has no meaning for model={model!r} and measure={measure!r}: nothing is added "
                "to cells there. Fix: leave it out."
            )
    pairs = measure != "GEN" and MEASURES[measure].groups == 2
    if drop00 is not None and not (pairs and (model in TWO_STEP or corrects)):
        raise ArgumentError(f"drop00={as_given(drop00)} has no meaning for model={model!r} and measure={measure!r}.")
    if drop00 is not None and not isinstance(drop00, bool):
        raise ArgumentError(f"drop00={as_given(drop00)} must be True or False.")
    if add is not None and (isinstance(add, bool) or not isinstance(add, Real) or not 0 <= float(add) <= 1e6):
        raise ArgumentError(f"add={as_given(add)} must be a number that is not negative, such as 0.5.")
    return {
        "add": (CORRECTION if add is None else float(add)) if corrects else 0.0,
        "to": check_choice("to", "only0" if to is None else to, RULES) if corrects else "none",
        # meta and RevMan leave studies without events in both groups out of ratios.
        "drop00": bool(drop00) if drop00 is not None else theirs != "metafor" and pairs and measure in ("OR", "RR", "PETO"),
    }


def _agreeing(options: Options, *, i2_named: bool) -> Options:
    """Refuse choices that contradict each other; settle what follows from others."""
    if options.model == "inverse_variance" and options.ci == "profile" and options.tau2 != "ML":
        raise ArgumentError(
            f"ci='profile' is the profile of the full likelihood, and tau2={options.tau2!r} is not its maximum. Fix: tau2='ML'."
        )
    if options.model == "inverse_variance" and options.tau2_ci == "profile" and not TAU2[str(options.tau2)].likelihood:
        raise ArgumentError(f"tau2_ci='profile' needs a likelihood: tau2={options.tau2!r} has none. Fix: tau2='REML' or 'ML'.")
    if options.tau2 is None and options.i2 == "tau2":
        if i2_named:
            raise ArgumentError(f"i2='tau2' has no meaning for model={options.model!r}, which has no tau2. Fix: i2='Q'.")
        return replace(options, i2="Q")
    return options


def lean(options: Options) -> Options:
    """The same model without interval of tau2, prediction and averaged rate: what a diagnostic of thousands of refits needs."""
    return replace(options, tau2_ci=None, prediction=None)


def options_of(method: Mapping[str, Any]) -> Options:
    """The choices that a method stamp records, to fit the same model again."""
    return Options(**{field.name: method[field.name] for field in fields(Options)})


def model_label(options: Options) -> str:
    """Model and measure: "Binomial-normal model", "Freeman-Tukey double arcsine of the proportion, inverse-variance model"."""
    name = model_row(options.model, options.link).title
    if options.link in ("probit", "cloglog"):
        return f"{name} ({options.link})"
    if options.model in TWO_STEP and options.measure != "GEN":
        title = MEASURES[options.measure].title
        return f"{title[0].upper()}{title[1:]}, {name[0].lower()}{name[1:]}"
    return name


def method_label(options: Options) -> str:
    """`model_label` with the estimator of tau2, where there is a choice of one, and the interval of the mean."""
    parts = [model_label(options)]
    if options.model == "inverse_variance":
        parts.append(str(options.tau2))
    return ", ".join([*parts, options.ci])
