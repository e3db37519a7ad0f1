"""The registry of effect measures: what each one is, takes and returns, and its back-transformation.

``MEASURES[name].effects(...)`` takes counts ``[..., k]`` in the order of `Measure.arguments` and the zero-cell rules as keywords,
the same for every measure::

    MEASURES["PLO"].effects(events, total, add=0.5, to="only0", drop00=False)
    MEASURES["OR"].effects(events, total, events_control, total_control)
    MEASURES["IRR"].effects(events, person_time, events_control, person_time_control)

``MEASURES[name].back(value, size)`` goes from the model scale to the response; `size` matters for PFT and IRFT alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from metanet.base.arrays import Array
from metanet.effects import back_transforms as back, formulas
from metanet.effects.formulas import CONVENTIONS, CORRECTION, RULES, Effects

Data = Literal["counts", "person_time"]
Response = Literal["rate", "ratio", "difference", "rate per person-time"]


@dataclass(frozen=True)
class Measure:
    """One effect measure.

    Attributes
    ----------
    name
        Its code, as in metafor: "PLO", "OR", "IRLN".
    title
        The measure as text.
    scale
        The model scale as text, on which `yi` and `vi` are and on which studies are pooled.
    source
        DOI of the measure or of its variance.
    compute
        The function behind `effects`.
    inverse
        The function behind `back`.
    groups
        1, or 2 for treated against control.
    data
        "counts" (events and total) or "person_time" (events and person-time).
    response
        What `back` returns: a "rate" in 0..1, a "ratio", a "difference", or a "rate per person-time".
    corrects
        Whether the zero-cell rules apply. False: the measure exists at empty cells and never adds anything.
    size
        What `back` needs besides the value, "number of patients" or "person-time": of one study, or the harmonic mean over the
        studies that were pooled (`back_transforms.harmonic_mean`). None where it needs nothing.
    ends
        Values on the model scale beyond which `back` stays at the end of its range, where they do not depend on a size.
    """

    name: str
    title: str
    scale: str
    source: str
    compute: Callable[..., Effects] = field(repr=False)
    inverse: Callable[..., Array] = field(repr=False)
    groups: Literal[1, 2]
    data: Data
    response: Response
    corrects: bool = True
    size: str | None = None
    ends: tuple[float, ...] = ()

    @property
    def null(self) -> float | None:
        """The value of no difference on the model scale: 0 for two groups, None for one."""
        return 0.0 if self.groups == 2 else None

    @property
    def needs_size(self) -> bool:
        """Whether `back` needs a size."""
        return self.size is not None

    @property
    def arguments(self) -> tuple[str, ...]:
        """Names of the arguments of `effects`, in their order."""
        second = "total" if self.data == "counts" else "person_time"
        treated = ("events", second)
        return treated if self.groups == 1 else (*treated, *(f"{name}_control" for name in treated))

    def effects(
        self, *counts: ArrayLike, add: float = CORRECTION, to: str = "only0", drop00: bool = False, convention: str = "metafor"
    ) -> Effects:
        """Effect sizes and variances of checked counts.

        Parameters
        ----------
        *counts
            As named by `arguments`, each ``[..., k]``, broadcast together; a row of the last axis is one analysis. A study
            whose total (or person-time) is 0 in any group is absent.
        add
            What the rule adds to the cells.
        to
            "only0", "if0all", "all" or "none" (`metanet.effects.formulas`). Without effect where `corrects` is False.
        drop00
            Take out studies with no events in both groups, or (counts) only events in both. Without effect for one group.
        convention
            "metafor", "meta" or "revman": what a corrected study becomes (`metanet.effects.formulas`).

        Returns
        -------
        Effects
            A study that is absent, dropped or without a finite effect has effect 0 and infinite variance.
        """
        if len(counts) != len(self.arguments):
            raise TypeError(f"{self.name} takes {', '.join(self.arguments)}")
        if to not in RULES:
            raise ValueError(f"to={to!r} is not one of {RULES}")
        if convention not in CONVENTIONS:
            raise ValueError(f"convention={convention!r} is not one of {CONVENTIONS}")
        rules: dict[str, object] = {"add": add, "to": to, "convention": convention} if self.corrects else {}
        if self.groups == 2:
            rules["drop00"] = drop00
        return self.compute(*counts, **rules)

    def edges(self, size: ArrayLike | None = None) -> tuple[Array, ...]:
        """Values on the model scale beyond which `back` stays at the end of its range; empty where it has no such end."""
        if self.size is None:
            return tuple(np.asarray(end) for end in self.ends)
        if size is None:
            raise TypeError(f"{self.name} needs size, the {self.size}")
        n = np.asarray(size, dtype=np.float64)
        lowest = self.compute(np.zeros_like(n), n).yi
        return (lowest, self.compute(n, n).yi) if self.data == "counts" else (lowest,)

    def back(self, value: ArrayLike, size: ArrayLike | None = None) -> Array:
        """The response for `value` on the model scale: increasing, clipped to the attainable range, never NaN.

        `size` is needed where `needs_size` (broadcast against `value`, above 0) and ignored otherwise.
        """
        if self.size is None:
            return self.inverse(value)
        if size is None:
            raise TypeError(f"{self.name} needs size, the {self.size}")
        return self.inverse(value, np.asarray(size, dtype=np.float64))


_VIECHTBAUER = "10.18637/jss.v036.i03"
_STIJNEN = "10.1002/sim.4040"
_LIN_XU = "10.1002/hsr2.178"
_FREEMAN_TUKEY = "10.1214/aoms/1177729756"
_WOOLF = "10.1111/j.1469-1809.1955.tb01348.x"
_GREENLAND = "10.2307/2530643"
_RUECKER = "10.1002/sim.3511"
_YUSUF = "10.1016/S0033-0620(85)80003-7"

_proportion = partial(Measure, groups=1, data="counts", response="rate")
_groups = partial(Measure, groups=2, data="counts")
_rate = partial(Measure, groups=1, data="person_time", response="rate per person-time")
_rates = partial(Measure, groups=2, data="person_time")

_ALL = (
    _proportion("PR", "raw proportion", "proportion", _VIECHTBAUER, formulas.raw_proportion, back.proportion, ends=(0.0, 1.0)),
    _proportion(
        "PLN", "log proportion", "log of the proportion", _VIECHTBAUER, formulas.log_proportion, back.exp_proportion, ends=(0.0,)
    ),
    _proportion("PLO", "logit of the proportion", "log odds", _STIJNEN, formulas.logit, formulas.inverse_logit),
    _proportion(
        "PAS",
        "arcsine of the proportion",
        "angle in radians",
        _LIN_XU,
        formulas.arcsine,
        back.sine_squared,
        corrects=False,
        ends=(0.0, np.pi / 2),
    ),
    _proportion(
        "PFT",
        "Freeman-Tukey double arcsine of the proportion",
        "mean of two angles in radians",
        _FREEMAN_TUKEY,
        formulas.freeman_tukey,
        back.freeman_tukey_proportion,
        corrects=False,
        size="number of patients",
    ),
    _groups("OR", "odds ratio", "log odds ratio", _WOOLF, formulas.odds_ratio, back.ratio, response="ratio"),
    _groups("RR", "risk ratio", "log risk ratio", _GREENLAND, formulas.risk_ratio, back.ratio, response="ratio"),
    _groups(
        "RD",
        "risk difference",
        "difference of proportions",
        _GREENLAND,
        formulas.risk_difference,
        back.risk_difference,
        response="difference",
    ),
    _groups(
        "AS",
        "arcsine difference",
        "difference of angles in radians",
        _RUECKER,
        formulas.arcsine_difference,
        back.arcsine_difference,
        response="difference",
        corrects=False,
    ),
    _groups("PETO", "Peto's odds ratio", "log odds ratio", _YUSUF, formulas.peto_odds_ratio, back.ratio, response="ratio"),
    _rate("IR", "incidence rate", "rate", _VIECHTBAUER, formulas.raw_rate, back.rate, ends=(0.0,)),
    _rate("IRLN", "log incidence rate", "log of the rate", _STIJNEN, formulas.log_rate, back.ratio),
    _rate(
        "IRS",
        "square root of the incidence rate",
        "square root of the rate",
        _VIECHTBAUER,
        formulas.root_rate,
        back.squared_rate,
        corrects=False,
        ends=(0.0,),
    ),
    _rate(
        "IRFT",
        "Freeman-Tukey root of the incidence rate",
        "mean of two square roots of rates",
        _FREEMAN_TUKEY,
        formulas.freeman_tukey_rate,
        back.freeman_tukey_rate,
        corrects=False,
        size="person-time",
    ),
    _rates("IRR", "incidence rate ratio", "log rate ratio", _STIJNEN, formulas.rate_ratio, back.ratio, response="ratio"),
    _rates(
        "IRD",
        "incidence rate difference",
        "difference of rates",
        _VIECHTBAUER,
        formulas.rate_difference,
        back.identity,
        response="difference",
    ),
)

#: Every measure by its code.
MEASURES: Mapping[str, Measure] = MappingProxyType({measure.name: measure for measure in _ALL})
