"""Effects and variances of the studies of any fit: its own, or those of the nearest two-step model; the null value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from numbers import Real

import numpy as np
from scipy import special
from scipy.optimize import brentq

from metanet.base.arrays import Array
from metanet.base.display import plural
from metanet.base.errors import ArgumentError, as_given, check_choice
from metanet.effects.measures import MEASURES
from metanet.models.options import Options, check_options, options_of
from metanet.models.pooling.batch import Data
from metanet.models.pooling.fill import back, effects_of, sizes_of
from metanet.models.registry import MODELS, TWO_STEP, model_row
from metanet.models.results.pooled import Pooled

# Effects and variances of any fit: its own, or those of the two-step model that stands nearest to it.
#
# Funnels, trim and fill and selection models need one effect and one variance for each study. A model of the counts has
# none, so its studies are shown on the scale of its link, with 0.5 added where a cell is empty.


#: What a count model pools on, as a two-step measure.
_NEAREST = {1: "PLO", 2: "OR"}


@dataclass(frozen=True)
class Twin:
    """One analysis of effects `yi` with variances `vi` ``[1, k]`` (a study without an effect has variance inf), and its choices."""

    yi: Array
    vi: Array
    data: Data
    options: Options
    notes: tuple[str, ...]

    @property
    def k(self) -> int:
        """Studies with an effect of their own."""
        return int(np.isfinite(self.vi).sum())

    def response(self, value: float | None) -> float | None:
        """What a value on the scale of `yi` is as a response; None stays None."""
        if value is None or np.isnan(value):
            return None
        size = sizes_of(self.data, self.options, np.isfinite(self.vi))
        return float(back(self.options, np.array([value]), size)[0])

    def alone(self) -> tuple[Data, Options]:
        """The effects as data of their own, with the choices for effects given as such: what `pool_batch` refits."""
        options = replace(self.options, measure="GEN", add=0.0, to="none", drop00=False)
        return Data({"yi": self.yi, "vi": self.vi}), options


def is_rate(fit: Pooled) -> bool:
    """Whether one group's rates are pooled: their standard errors are made of the rates themselves."""
    return fit.response.startswith("rate")


def two_step_twin(fit: Pooled, measure: str | None = None) -> Twin:
    """The effects behind a fit, on its own scale or on that of `measure`."""
    data, own = fit.data, options_of(fit.method)
    options, notes = own, []
    if own.model not in TWO_STEP or own.model == "mantel_haenszel_random":
        options = _nearest(own, data)
        notes.append(
            f"The {_lower(model_row(own.model, own.link).title)} has no study effects with standard errors. "
            f"This check uses the two-step {_lower(MODELS[options.model].title)} ({_scale(options)})."
        )
    if measure is not None:
        chosen = check_choice("transform", measure, _comparable(data), where=f"for {_kind(data)}")
        if chosen != options.measure:
            add, to = _zero_rule(chosen, options)
            options = replace(options, measure=chosen, drop00=False, add=add, to=to, preset=None)
            notes.append(f"The scale is the {_scale(options)}, as requested.")
    yi, vi, corrected, dropped = effects_of(data, options)
    if corrected[0]:
        notes.append(
            f"In {plural(int(corrected[0]), 'study', 'studies')} {options.add:g} was added to the cells, because one of them is empty."
            if options.to == "only0"
            else f"{options.add:g} was added to the cells of {plural(int(corrected[0]), 'study', 'studies')}."
        )
    if dropped[0]:
        notes.append(f"{plural(int(dropped[0]), 'study has', 'studies have')} no estimable effect and cannot enter this check.")
    return Twin(yi, vi, data, options, tuple(notes))


def _nearest(own: Options, data: Data) -> Options:
    """The two-step choices for a model of the counts."""
    if own.model == "peto":
        return replace(own, model="common", add=0.0, to="none", drop00=True)
    if own.model == "mantel_haenszel":
        return replace(own, model="common", add=0.5, to="only0")
    if own.model == "mantel_haenszel_random":
        return replace(own, model="inverse_variance")
    measure = own.measure if data.timed else _NEAREST[data.groups]
    ci = "z" if own.ci == "z" else "HK"
    return check_options(model="inverse_variance", measure=measure, ci=ci, level=own.level, groups=data.groups, timed=data.timed)


def _zero_rule(measure: str, options: Options) -> tuple[float, str]:
    """What is added to empty cells, and where: nothing where the measure needs nothing."""
    if not MEASURES[measure].corrects:
        return 0.0, "none"
    return options.add or 0.5, options.to if options.to != "none" else "only0"


def _comparable(data: Data) -> tuple[str, ...]:
    """Measures that the same data have."""
    if data.by_effect:
        return ("GEN",)
    kind = "person_time" if data.timed else "counts"
    return tuple(name for name, m in MEASURES.items() if m.groups == data.groups and m.data == kind)


def _kind(data: Data) -> str:
    if data.by_effect:
        return "effects given as such"
    return "one group" if data.groups == 1 else "two groups"


def _scale(options: Options) -> str:
    return "effects as given" if options.measure == "GEN" else MEASURES[options.measure].title


def _lower(title: str) -> str:
    """A model's name inside a sentence; a person's name keeps its capital."""
    title = title if "model" in title else f"{title} model"
    return title if title.split("-")[0] in ("Mantel", "Peto", "Poisson") else title[0].lower() + title[1:]


def number_or_none(value: float) -> float | None:
    """NaN as None."""
    return None if np.isnan(value) else float(value)


_FORWARD: dict[str, Callable[[float], float]] = {
    "PLO": lambda p: float(special.logit(p)),
    "PLN": lambda p: float(np.log(p)),
    "PR": lambda p: p,
    "PAS": lambda p: float(np.arcsin(np.sqrt(p))),
    "IRLN": lambda r: float(np.log(r)),
    "IR": lambda r: r,
    "IRS": lambda r: float(np.sqrt(r)),
}


def null_on_scale(twin: Twin, null: object) -> float | None:
    """`null` on the scale of the effects; None for a rate without one. The default is a ratio of 1, or a difference of 0."""
    measure = twin.options.measure
    response = "effect" if measure == "GEN" else MEASURES[measure].response
    if null is None:
        return None if response.startswith("rate") else 0.0
    if isinstance(null, bool) or not isinstance(null, Real) or not np.isfinite(float(null)):
        raise ArgumentError(f"null={as_given(null)} must be a number on the response scale.")
    value = float(null)
    if response == "rate" and not 0 < value < 1:
        raise ArgumentError(f"null={value!r} must be a rate between 0 and 1, such as 0.2.")
    if response in ("ratio", "rate per person-time") and value <= 0:
        raise ArgumentError(f"null={value!r} must be above 0; no effect is a ratio of 1.")
    if measure == "AS" and value != 0:
        raise ArgumentError(f"null={value!r} has no single angle on the arcsine scale. Fix: leave it out, or pool measure='RD'.")
    if response == "ratio":
        return float(np.log(value))
    if measure in ("PFT", "IRFT"):
        # No formula leads there: the back-transformation depends on the sizes of the studies.
        top = np.pi / 2 if measure == "PFT" else 2 * float(np.sqrt(value)) + 1e3
        return float(brentq(lambda x: (twin.response(x) or 0.0) - value, 0.0, top, xtol=1e-14))
    return _FORWARD[measure](value) if measure in _FORWARD else value
